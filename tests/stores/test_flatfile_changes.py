"""spec/stores.md section 1: "Readers notice a change by inode, size and mtime", each way a file can change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.textfile import watch as watch_module
from tests.stores.folders import (
    ages_ago,
    ask,
    base,
    fast_folder,
    line,
    many,
    names,
    opened,
    password_of,
    ssha,
    stat_only,
    until,
    user,
    watching,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.stores.flatfile import FlatfileStore

    Serve = Callable[[Path], FlatfileStore]

LARGE = many(1500)


@pytest.fixture(params=["stat", "inotify"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """A store that has answered once, and looks at the files in either way."""
    stores = []

    def make(folder: Path) -> FlatfileStore:
        store = opened(folder)
        if request.param == "stat":
            stat_only(store)
        ask(store, "nobody")
        if request.param == "inotify":
            watching(store)
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


def rewrite_in_place(path: Path, content: bytes) -> None:
    """As `htpasswd -b` and editors do: the same inode, truncated, written."""
    with path.open("wb") as file:
        file.write(content)


class TestTheUserFile:
    def test_rewritten_in_place_at_the_same_size(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", line("bob", "one") + line("eve"))
        store = serve(folder)
        assert password_of(store, "bob") == ssha("one")
        rewrite_in_place(folder / "nwauth.txt", line("bob", "two") + line("eve"))
        assert password_of(store, "bob") == ssha("two")

    def test_rewritten_over_its_bytes_without_truncation(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", LARGE + line("bob", "one") + line("eve"))
        store = serve(folder)
        assert password_of(store, "bob") == ssha("one")
        with (folder / "nwauth.txt").open("r+b") as file:
            file.seek(len(LARGE))
            file.write(line("bob", "two"))
        assert password_of(store, "bob") == ssha("two")

    def test_truncated_and_grown_on_the_same_inode(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", LARGE + line("bob", "one"))
        store = serve(folder)
        rewrite_in_place(folder / "nwauth.txt", line("bob", "two") + LARGE + line("zoe") + LARGE)
        ages_ago(folder / "nwauth.txt", 10)
        assert password_of(store, "bob") == ssha("two")
        assert password_of(store, "zoe") == ssha("secret")

    def test_replaced_by_rename(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", line("bob", "one") + line("eve"))
        store = serve(folder)
        for number in range(5):
            (folder / "new").write_bytes(line("bob", str(number)))
            ages_ago(folder / "new", 50 - number)
            (folder / "new").rename(folder / "nwauth.txt")
            assert password_of(store, "bob") == ssha(str(number))
            assert ask(store, "eve") is None

    def test_replaced_with_the_same_inode_size_and_another_time(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", line("bob", "one"))
        store = serve(folder)
        rewrite_in_place(folder / "nwauth.txt", line("bob", "two"))
        ages_ago(folder / "nwauth.txt", 7200)
        assert password_of(store, "bob") == ssha("two")

    def test_removed_and_made_anew_perhaps_on_the_same_inode(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", line("bob", "one"))
        store = serve(folder)
        for number in range(5):
            (folder / "nwauth.txt").unlink()
            base(folder, line("bob", str(number)))
            assert password_of(store, "bob") == ssha(str(number))

    def test_through_a_link_whose_target_is_replaced(self, tmp_path: Path, serve: Serve) -> None:
        target = base(tmp_path / "target", line("bob", "one"))
        folder = base(tmp_path / "users", None)
        (folder / "nwauth.txt").symlink_to(target / "nwauth.txt")
        store = serve(folder)
        assert password_of(store, "bob") == ssha("one")
        base(target, line("bob", "three"))
        assert password_of(store, "bob") == ssha("three")
        (target / "new").write_bytes(line("bob", "four!"))
        ages_ago(target / "new")
        (target / "new").rename(target / "nwauth.txt")
        assert password_of(store, "bob") == ssha("four!")

    def test_through_a_link_that_is_pointed_elsewhere(self, tmp_path: Path, serve: Serve) -> None:
        for name in ("one", "two"):
            base(tmp_path / name, line("bob", name))
        folder = base(tmp_path / "users", None)
        (folder / "nwauth.txt").symlink_to(tmp_path / "one" / "nwauth.txt")
        store = serve(folder)
        assert password_of(store, "bob") == ssha("one")
        (folder / "link").symlink_to(tmp_path / "two" / "nwauth.txt")
        (folder / "link").rename(folder / "nwauth.txt")
        assert password_of(store, "bob") == ssha("two")

    def test_a_second_rewrite_within_one_tick_of_the_clock_is_seen_once_it_has_settled(self, tmp_path: Path) -> None:
        """The same inode, size and time: what was loaded while unsettled is loaded again."""
        folder = base(tmp_path / "users", line("bob", "one"))
        store = stat_only(opened(folder, settle_seconds=2, clock=lambda: now[0]))
        stamp = (folder / "nwauth.txt").stat().st_mtime_ns
        now = [stamp / 1e9 + 0.5]
        assert password_of(store, "bob") == ssha("one")
        rewrite_in_place(folder / "nwauth.txt", line("bob", "two"))
        os.utime(folder / "nwauth.txt", ns=(stamp, stamp))
        now[0] += 2
        assert password_of(store, "bob") == ssha("two")
        store.close()


class TestTheJournal:
    def test_appended_to(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", LARGE, line("bob", "0"))
        store = serve(folder)
        for number in range(1, 6):
            with (folder / "nwauth.add").open("ab") as file:
                file.write(line("bob", str(number)) + line(f"new{number}"))
            assert password_of(store, f"new{number}") == ssha("secret")
            assert password_of(store, "bob") == ssha(str(number))

    def test_made_where_there_was_none(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", line("eve"))
        store = serve(folder)
        assert ask(store, "bob") is None
        (folder / "nwauth.add").write_bytes(line("bob"))
        assert ask(store, "bob") is not None

    def test_rewritten_in_place_at_the_same_size(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", b"", line("bob", "one"))
        store = serve(folder)
        rewrite_in_place(folder / "nwauth.add", line("bob", "two"))
        assert password_of(store, "bob") == ssha("two")

    def test_truncated_and_written_longer_on_the_same_inode(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", b"", line("bob", "one") + line("eve"))
        store = serve(folder)
        rewrite_in_place(folder / "nwauth.add", line("carl") * 50 + line("bob", "two"))
        assert password_of(store, "bob") == ssha("two")
        assert password_of(store, "carl") == ssha("secret")
        assert names(store) == ["bob", "carl"]

    def test_edited_in_its_middle_and_grown_on_the_same_inode(self, tmp_path: Path, serve: Serve) -> None:
        """After checking that what was read before is still there: all of it, not its two ends alone."""
        head, tail = many(40), many(40).replace(b"user", b"tail")
        folder = base(tmp_path / "users", b"", head + line("bob", "one") + tail)
        store = serve(folder)
        assert password_of(store, "bob") == ssha("one")
        rewrite_in_place(folder / "nwauth.add", head + line("bob", "two") + tail + line("zoe"))
        assert password_of(store, "zoe") == ssha("secret")
        assert password_of(store, "bob") == ssha("two")

    def test_emptied_after_a_foreign_merge(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", line("bob"), line("eve"))
        store = serve(folder)
        assert ask(store, "eve") is not None
        rewrite_in_place(folder / "nwauth.txt", line("bob") + line("eve", "merged"))
        rewrite_in_place(folder / "nwauth.add", b"")
        assert password_of(store, "eve") == ssha("merged")

    def test_replaced_by_a_file_that_begins_alike(self, tmp_path: Path, serve: Serve) -> None:
        folder = base(tmp_path / "users", b"", line("bob", "one") + line("eve"))
        store = serve(folder)
        (folder / "nwauth.add").unlink()
        (folder / "nwauth.add").write_bytes(line("bob", "one") + line("carl") + line("dan"))
        assert ask(store, "carl") is not None
        assert ask(store, "dan") is not None


def test_a_user_appended_by_one_child_is_known_to_the_others_at_once(tmp_path: Path, serve: Serve) -> None:
    folder = base(tmp_path / "users", LARGE)
    reader, writer = serve(folder), serve(folder)
    for number in range(10):
        new = line(f"new{number}").decode().rstrip("\n").split(":")
        found = ask(reader, new[0])
        assert found is None
        assert writer.put(user(new[0]))
        assert ask(reader, new[0]) is not None
        assert writer.delete(new[0].upper())
        assert ask(reader, new[0]) is None


def test_requests_that_have_arrived_together_share_a_look_but_the_next_ones_do_not(
    tmp_path: Path, serve: Serve
) -> None:
    folder = base(tmp_path / "users", line("bob", "one"))
    store = serve(folder)
    store.tend()
    assert store.lookup("bob") is not None
    base(folder, line("bob", "three"))
    store.tend()
    found = store.lookup("bob")
    assert found is not None
    assert found.stored_password == ssha("three")


def test_a_store_that_nobody_tends_still_sees_changes_after_its_own(tmp_path: Path) -> None:
    """A command works on a store without the pauses of a serving child."""
    folder = base(tmp_path / "users", line("bob", "one"))
    store = watching(opened(folder))
    assert store.put(user("eve"))
    assert store.lookup("bob") is not None
    base(folder, line("bob", "three"))
    found = store.lookup("bob")
    assert found is not None
    assert found.stored_password == ssha("three")
    store.close()


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_inotify_does_not_stand_in_where_a_link_leads_off_the_local_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = 0x01021994
    monkeypatch.setattr(watch_module, "LOCAL_FILE_SYSTEMS", {memory})
    if os.statvfs(tmp_path).f_fsid == os.statvfs("/dev/shm").f_fsid:
        pytest.skip("one file system")
    base(tmp_path / "remote", line("bob", "one"))
    with fast_folder() as path:
        os.symlink(tmp_path / "remote" / "nwauth.txt", f"{path}/nwauth.txt")
        store = opened(Path(path))
        assert ask(store, "bob") is not None
        store.tend()
        assert not store._view.watch.armed
        store.close()


@pytest.mark.parametrize("at", ["miss", "hit"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_file_cut_between_the_look_and_the_read_never_makes_a_known_user_absent(
    tmp_path: Path, at: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is given only if both files stat the same after loading as before."""
    txt = (LARGE if size == "large" else line("alice")) + line("bob", info='quota="1000000"')
    folder = base(tmp_path / "users", txt)
    store = stat_only(opened(folder))
    assert ask(store, "alice" if size == "small" else "user0000000@example.com") is not None
    file = store._view.file
    assert file is not None
    real = type(file).find

    def cut_first(self: object, key: bytes) -> tuple[bytes, bool] | None:
        monkeypatch.setattr(type(file), "find", real)
        os.truncate(folder / "nwauth.txt", 0 if at == "miss" else len(txt) - 20)
        assert self is file
        return real(file, key)

    monkeypatch.setattr(type(file), "find", cut_first)
    try:
        found = ask(store, "bob")
    except Unavailable:
        pass
    else:
        assert found is not None
        assert found.info.text == 'quota="1000000"'
    store.close()


def test_a_listing_goes_on_or_says_so_while_the_file_is_changed_and_others_are_asked(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(3000))
    store = opened(folder)
    wanted = names(store)
    for _ in range(3):
        listing = store.search()
        got = [next(listing).name for _ in range(10)]
        other = opened(folder)
        assert other.put(user("zoe"))
        other.merge()
        other.delete("zoe")
        other.merge()
        other.close()
        for asked in ("user0000001@example.com", "nobody", "user0002999@example.com"):
            ask(store, asked)
        store.tend()
        ask(store, "nobody")
        try:
            got += [one.name for one in listing]
        except Unavailable:
            assert got == wanted[: len(got)]
        else:
            assert got == wanted
    store.close()


def test_the_watch_gives_up_no_descriptors(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", LARGE)
    store = watching(opened(folder))
    ask(store, "nobody")
    assert until(lambda: tended_index(store))

    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for number in range(20):
        base(folder, LARGE + line(f"n{number}"))
        assert ask(store, f"n{number}") is not None
    assert count() <= before + 1
    store.close()


def tended_index(store: FlatfileStore) -> bool:
    store.tend()
    file = store._view.file
    return file is not None and not file.wants_index
