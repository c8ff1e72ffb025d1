"""spec/stores.md section 1, "Unsettled": while a foreign program may be writing, nothing is known to be absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Emptied, Unavailable
from nwauth.stores.flatfile.journal import Journal
from nwauth.stores.textfile import files
from nwauth.stores.textfile.userfile import UserFile
from tests.stores.folders import (
    Clock,
    ages_ago,
    ask,
    base,
    line,
    many,
    names,
    opened,
    password_of,
    ssha,
    stat_only,
    until,
    user,
)
from tests.stores.test_flatfile_merge import old_journals, shift_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.stores.flatfile import FlatfileStore
    from nwauth.stores.textfile.files import Identity
    from nwauth.stores.textfile.lines import Fits


def just_written(tmp_path: Path, txt: bytes, add: bytes | None = None) -> tuple[Path, Clock]:
    """A base that another program wrote half a second ago."""
    folder = base(tmp_path / "users", txt, add)
    clock = Clock()
    stamp = clock.seconds - 0.5
    os.utime(folder / "nwauth.txt", (stamp, stamp))
    return folder, clock


REFUSALS: dict[str, Callable[[FlatfileStore], object]] = {
    "lookup": lambda store: store.lookup("nobody"),
    "search": lambda store: list(store.search()),
    "set of an unseen name": lambda store: store.put(user("nobody")),
    "del of an unseen name": lambda store: store.delete("nobody"),
    "merge": lambda store: store.merge(),
}


@pytest.mark.parametrize("question", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("size", ["small", "large"])
def test_while_a_foreign_program_may_be_rewriting_nothing_is_absent(
    tmp_path: Path, question: Callable[[FlatfileStore], object], size: str
) -> None:
    txt = line("bob") + (many(1500) if size == "large" else b"")
    folder, clock = just_written(tmp_path, txt)
    store = opened(folder, clock=clock)
    for _ in range(2):
        with pytest.raises(Unavailable):
            question(store)
        store.tend()
    assert (folder / "nwauth.txt").read_bytes() == txt
    clock.seconds += 2
    question(store)
    store.close()


def test_whole_lines_serve_meanwhile_and_can_be_changed(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, line("bob") + line("eve")[:-1], line("carl"))
    store = opened(folder, clock=clock, shared=False)
    assert password_of(store, "bob") == ssha("secret")
    assert password_of(store, "carl") == ssha("secret")
    bob = ask(store, "bob")
    assert bob is not None
    assert store.replace(bob, bob.changed(stored_password=ssha("new")))
    assert password_of(store, "bob") == ssha("new")
    assert store.delete("carl")
    with pytest.raises(Unavailable):  # deleted by us, and yet the file may come to hold the name
        assert ask(store, "nobody")
    store.close()


def test_a_deletion_in_our_journal_is_no_proof_while_the_file_is_unsettled_or_is_absence(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, line("bob"), b"#del bob\n")
    store = opened(folder, clock=clock)
    try:
        assert ask(store, "bob") is None
    except Unavailable:
        clock.seconds += 2
        assert ask(store, "bob") is None
    store.close()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_an_unterminated_last_line_does_not_count_while_it_may_be_half_written(tmp_path: Path, cut: int) -> None:
    whole = line("bob", "new", 'fwd="somebody"')
    folder, clock = just_written(tmp_path, line("alice") + whole[:-cut])
    store = opened(folder, clock=clock)
    assert password_of(store, "alice") == ssha("secret")
    with pytest.raises(Unavailable):
        ask(store, "bob")
    with pytest.raises(Unavailable):
        ask(store, "nobody")
    store.close()


def test_an_earlier_whole_line_is_never_hidden_by_half_a_line(tmp_path: Path) -> None:
    """Its unterminated last line does not count, whole lines serve: never the torn password."""
    folder, clock = just_written(tmp_path, line("bob", "old") + line("bob", "new")[:-9])
    store = opened(folder, clock=clock)
    try:
        assert password_of(store, "bob") == ssha("old")
    except Unavailable:
        clock.seconds += 31
        assert ask(store, "bob") is not None
    store.close()


def test_a_file_without_its_last_end_is_unsettled_for_thirty_seconds(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, line("bob") + line("eve")[:-1])
    store = opened(folder, clock=clock)
    clock.seconds += 29
    for asked in ("eve", "nobody"):
        with pytest.raises(Unavailable):
            ask(store, asked)
    assert ask(store, "bob") is not None
    clock.seconds += 1
    assert ask(store, "eve") is not None
    assert ask(store, "nobody") is None
    assert names(store) == ["bob", "eve"]
    store.close()


@pytest.mark.parametrize("ahead_seconds", [0, 86400])
def test_no_settling_time_makes_half_a_line_count(tmp_path: Path, ahead_seconds: float) -> None:
    """With ``settle_seconds = 0`` a file that ends is believed at once; one that does not may be half written."""
    folder, clock = just_written(tmp_path, line("bob") + line("eve")[:-9])
    clock.seconds -= ahead_seconds
    store = opened(folder, clock=clock, settle_seconds=0)
    for asked in ("eve", "nobody"):
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"is being written by another program, try again in 30 s$"):
                ask(store, asked)
    with pytest.raises(Unavailable, match="is being written"):
        names(store)
    assert ask(store, "bob") is not None
    with (folder / "nwauth.txt").open("ab") as file:
        file.write(line("eve")[-9:])
    assert password_of(store, "eve") == ssha("secret")
    assert ask(store, "nobody") is None
    store.close()


@pytest.mark.parametrize(
    ("settle_seconds", "age", "settled"),
    [(2, 1.9, False), (2, 2.1, True), (10, 9, False), (10, 11, True), (0, 0, True)],
)
def test_a_file_settles_after_settle_seconds(tmp_path: Path, settle_seconds: float, age: float, settled: bool) -> None:  # noqa: FBT001
    folder, clock = just_written(tmp_path, line("bob"))
    clock.seconds += age - 0.5
    store = opened(folder, clock=clock, settle_seconds=settle_seconds)
    if settled:
        assert ask(store, "nobody") is None
    else:
        with pytest.raises(Unavailable):
            ask(store, "nobody")
    store.close()


def test_what_was_written_meanwhile_is_found_once_it_has_settled(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, line("bob"))
    store = opened(folder, clock=clock)
    with pytest.raises(Unavailable):
        ask(store, "eve")
    with (folder / "nwauth.txt").open("ab") as file:
        file.write(line("eve"))
    ages_ago(folder / "nwauth.txt", 0.2)
    assert ask(store, "eve") is not None
    with pytest.raises(Unavailable):
        ask(store, "nobody")
    clock.seconds += 3
    assert ask(store, "nobody") is None
    store.close()


@pytest.mark.parametrize("shared", [True, False])
def test_our_own_files_are_settled_at_once(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001
    folder = base(tmp_path / "users", line("bob") + line("eve"), line("carl"))
    store, other = opened(folder, shared=shared), opened(folder, shared=shared)
    assert ask(other, "nobody") is None
    store.merge()
    for one in (store, other, opened(folder, shared=shared)):
        assert ask(one, "nobody") is None
        assert names(one) == ["bob", "carl", "eve"]
    assert store.delete("bob")
    for one in (store, other, opened(folder, shared=shared)):
        assert ask(one, "nobody") is None
        assert names(one) == ["carl", "eve"]
    store.close()
    other.close()


def test_our_own_file_is_unsettled_as_soon_as_a_foreign_program_touches_it(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("carl"))
    store = opened(folder)
    store.merge()
    with (folder / "nwauth.txt").open("ab") as file:
        file.write(line("eve"))
    with pytest.raises(Unavailable):
        ask(store, "nobody")
    store.close()


def test_between_the_note_and_the_rename_of_a_merge_the_file_in_place_is_settled(tmp_path: Path) -> None:
    """The identity of a file we publish is noted before its rename, beside that of the one in place."""
    folder = base(tmp_path / "users", line("bob"), line("carl"))
    store = opened(folder)
    store.merge()
    seen: list[bool] = []
    real = os.rename

    def look_and_rename(old: str, new: str) -> None:
        fresh = opened(folder)
        seen.append(ask(fresh, "nobody") is None and names(fresh) == ["bob", "carl", "dan"])
        fresh.close()
        real(old, new)

    assert store.put(user("dan"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", look_and_rename)
        store.merge()
    assert len(seen) >= 2
    assert all(seen)
    store.close()


def test_a_journal_that_shrank_by_a_foreign_hand_unsettles(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve") + line("carl"))
    store = stat_only(opened(folder, settle_seconds=0.3))
    assert ask(store, "eve") is not None
    (folder / "nwauth.add").write_bytes(b"")
    with pytest.raises(Unavailable):
        ask(store, "eve")
    with pytest.raises(Unavailable):
        names(store)
    assert ask(store, "bob") is not None
    assert until(lambda: absent_now(store, "eve"))
    assert names(store) == ["bob"]
    store.close()


def test_a_journal_that_is_gone_unsettles(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve") + line("carl"))
    store = stat_only(opened(folder, settle_seconds=0.3))
    assert ask(store, "eve") is not None
    (folder / "nwauth.add").unlink()
    with pytest.raises(Unavailable):
        ask(store, "eve")
    assert until(lambda: absent_now(store, "eve"))
    store.close()


def test_a_journal_that_shrank_below_our_last_line_unsettles_a_child_that_has_just_started(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder)
    assert store.put(user("eve"))
    store.close()
    (folder / "nwauth.add").write_bytes(b"")
    fresh = opened(folder)
    with pytest.raises(Unavailable):
        ask(fresh, "eve")
    fresh.close()


@pytest.mark.parametrize("reader_looks", [True, False])
def test_a_journal_that_our_own_merge_swapped_does_not_unsettle(tmp_path: Path, reader_looks: bool) -> None:  # noqa: FBT001
    folder = base(tmp_path / "users", line("bob"), line("eve") + line("carl"))
    store, reader = opened(folder), stat_only(opened(folder))
    assert ask(reader, "eve") is not None
    store.merge()
    if reader_looks:
        assert ask(reader, "nobody") is None
    assert store.put(user("dan"))
    store.merge()
    assert ask(reader, "nobody") is None
    assert ask(reader, "eve") is not None
    store.close()
    reader.close()


def absent_now(store: FlatfileStore, name: str) -> bool:
    try:
        return ask(store, name) is None
    except Unavailable:
        return False


def test_a_time_stamp_in_the_future_settles_once_it_has_stood_unchanged(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, line("bob"))
    clock.seconds -= 86400
    store = opened(folder, clock=clock, settle_seconds=0.2)
    with pytest.raises(Unavailable):
        ask(store, "nobody")
    assert ask(store, "bob") is not None
    assert until(lambda: absent_now(store, "nobody"))
    later = (folder / "nwauth.txt").stat().st_mtime + 7
    os.utime(folder / "nwauth.txt", (later, later))
    with pytest.raises(Unavailable):
        ask(store, "nobody")
    assert until(lambda: absent_now(store, "nobody"))
    store.close()


def test_a_reload_happens_when_a_future_time_stamp_has_settled(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, line("bob", "one"))
    clock.seconds -= 86400
    stamp = (folder / "nwauth.txt").stat().st_mtime_ns
    store = stat_only(opened(folder, clock=clock, settle_seconds=0.2))
    assert password_of(store, "bob") == ssha("one")
    (folder / "nwauth.txt").write_bytes(line("bob", "two"))
    os.utime(folder / "nwauth.txt", ns=(stamp, stamp))
    assert until(lambda: absent_now(store, "nobody"))
    assert password_of(store, "bob") == ssha("two")
    store.close()


def test_no_index_is_made_of_an_unsettled_file(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, many(1500))
    store = opened(folder, clock=clock)
    assert ask(store, "user0000001@example.com") is not None
    for _ in range(3):
        store.tend()
    assert sorted(os.listdir(folder)) in (["nwauth.txt"], ["nwauth.lock", "nwauth.txt"])
    store.close()


def test_no_automatic_merge_starts_while_unsettled(tmp_path: Path) -> None:
    folder, clock = just_written(tmp_path, line("bob"), line("eve"))
    before = (folder / "nwauth.txt").stat().st_ino
    store = opened(folder, clock=clock, max_journal_bytes=1)
    assert ask(store, "eve") is not None
    store.tend()
    assert not until(lambda: (folder / "nwauth.txt").stat().st_ino != before, seconds=0.5)
    store.close()


# --- what happens between two looks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["nwauth.txt", "nwauth.add"])
def test_a_file_that_is_replaced_in_the_moment_in_which_it_has_settled_makes_nobody_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    folder, clock = just_written(tmp_path, line("bob"), line("eve"))
    store = stat_only(opened(folder, clock=clock))
    assert ask(store, "eve") is not None
    clock.seconds += 3
    real, missed = files.open_own, list[str]()

    def open_own(path: str, flags: int, **more: bool) -> int:
        if not missed and path.endswith(gone):
            missed.append(path)
            raise FileNotFoundError(2, "No such file or directory", path)
        return real(path, flags, **more)

    monkeypatch.setattr(files, "open_own", open_own)
    assert ask(store, "eve") is not None
    for name in ("bob", "eve"):
        assert password_of(store, name) == ssha("secret")
    assert ask(store, "nobody") is None
    store.close()


def test_what_is_loaded_once_a_file_has_settled_is_compared_with_a_later_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = just_written(tmp_path, line("bob"))
    store = stat_only(opened(folder, clock=clock))
    assert ask(store, "bob") is not None
    clock.seconds += 3
    real, done = UserFile.open.__func__, list[bool]()  # type: ignore[attr-defined]

    def opening(kind: type[UserFile], path: str, fits: Fits) -> UserFile:
        opened_file: UserFile = real(kind, path, fits)
        if not done:
            done.append(True)
            (folder / "new").write_bytes(line("bob") + line("eve"))
            ages_ago(folder / "new", 100)
            (folder / "new").rename(folder / "nwauth.txt")
        return opened_file

    monkeypatch.setattr(UserFile, "open", classmethod(opening))
    assert ask(store, "eve") is not None
    assert done
    store.close()


OWN_WORK: dict[str, Callable[[FlatfileStore], object]] = {
    "an append": lambda store: store.put(user(os.urandom(4).hex())),
    "a merge": lambda store: store.merge(),
    "an append and a merge": lambda store: (store.put(user(os.urandom(4).hex())), store.merge()),
    "a merge and an append": lambda store: (store.merge(), store.put(user(os.urandom(4).hex()))),
}


@pytest.mark.parametrize("reader", ["fresh", "known"])
@pytest.mark.parametrize("act", OWN_WORK.values(), ids=OWN_WORK.keys())
def test_what_our_own_processes_do_in_the_moment_of_a_look_is_never_a_foreign_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, act: Callable[[FlatfileStore], object]
) -> None:
    folder = base(tmp_path / "users", line("bob"), line("carl") * 3)
    store, other = stat_only(opened(folder, shared=False)), opened(folder, shared=False)
    assert other.put(user("zoe"))
    if reader == "known":
        assert ask(store, "nobody") is None
        assert other.put(user("dan"))  # a reason to load
    real, left = Journal.load, [True, True]

    def load(self: Journal, path: str, wanted: Identity | None) -> None:
        mine = self is store._view.journal
        if mine and len(left) == 2 and left.pop():
            act(other)
        real(self, path, wanted)
        if mine and len(left) == 1 and left.pop():
            act(other)

    monkeypatch.setattr(Journal, "load", load)
    for _ in range(3):
        assert ask(store, "nobody") is None
        assert ask(store, "carl") is not None
        assert other.put(user(os.urandom(4).hex()))
    assert not left
    for one in (store, other):
        one.close()


@pytest.mark.parametrize("puts", [0, 1, 8])
def test_a_child_that_was_idle_for_longer_than_old_journals_are_kept_takes_no_merge_of_ours_for_a_cut(
    tmp_path: Path, puts: int
) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve") + line("carl"))
    store, idle = opened(folder, shared=False), stat_only(opened(folder, shared=False))
    assert ask(idle, "eve") is not None
    store.merge()
    shift_notes(folder, 61)
    assert store.put(user("dan"))
    assert not old_journals(folder)
    for number in range(puts):
        assert store.put(user(f"x{number}"))
    assert ask(idle, "nobody") is None
    assert ask(idle, "eve") is not None
    for one in (store, idle):
        one.close()


# --- a file that was cut to nothing -----------------------------------------------------------------------------------


@pytest.fixture(params=["seen by this process", "seen by one before", "by a child that may not write"])
def emptied(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FlatfileStore]:
    """A store whose nwauth.txt had bob in it, and was cut to nothing an hour ago; eve is in the journal."""
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    read_only = request.param == "by a child that may not write"
    store = opened(folder, read_only=read_only)
    assert ask(store, "bob") is not None
    store.tend()
    if request.param == "seen by one before":
        store.close()
        store = opened(folder)
    (folder / "nwauth.txt").write_bytes(b"")
    ages_ago(folder / "nwauth.txt", 3600)
    yield store
    store.close()


def test_of_a_file_that_another_program_has_emptied_nobody_is_absent(emptied: FlatfileStore) -> None:
    assert password_of(emptied, "eve") == ssha("secret")
    for name in ("bob", "nobody"):
        with pytest.raises(Emptied, match=r"is empty and was not.*nwauth merge --emptied"):
            ask(emptied, name)
    with pytest.raises(Emptied):
        list(emptied.search())
    base(Path(emptied.folder.path), line("bob", "back"))
    assert password_of(emptied, "bob") == ssha("back")
    assert ask(emptied, "nobody") is None


def test_what_was_emptied_is_neither_added_to_nor_merged_until_that_was_meant(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    serving, store = opened(folder), opened(folder)
    assert ask(serving, "bob") is not None
    assert store.put(user("ada"))
    (folder / "nwauth.txt").write_bytes(b"")
    ages_ago(folder / "nwauth.txt", 3600)
    for question in REFUSALS.values():
        with pytest.raises(Unavailable, match="is empty and was not"):
            question(store)
    with pytest.raises(Unavailable, match="is empty and was not"):
        store.change_all([])
    store.merge(emptied=True)
    assert names(store) == names(serving) == ["ada", "eve"]
    assert ask(serving, "bob") is None
    for store_ in (store, serving):
        store_.close()


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_that_we_have_emptied_ourselves_is_empty(tmp_path: Path, *, shared: bool) -> None:
    folder = base(tmp_path / "users", line("bob"))
    serving, store = opened(folder, shared=shared), opened(folder, shared=shared)
    assert ask(serving, "bob") is not None
    assert store.delete("bob")
    store.merge()
    assert (folder / "nwauth.txt").read_bytes() == b""
    assert ask(serving, "bob") is None
    os.utime(folder / "nwauth.txt", (1, 1))  # another program's backup
    assert ask(opened(folder, shared=shared), "bob") is None
    for store_ in (store, serving):
        store_.close()


def test_a_file_that_never_held_anything_is_empty(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", b"", line("eve"))
    store = opened(folder)
    assert ask(store, "bob") is None
    store.tend()
    os.utime(folder / "nwauth.txt", (1, 1))
    assert ask(store, "bob") is None
    store.close()
