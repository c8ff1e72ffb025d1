"""spec/stores.md section 1, "Merge": what it may change, what it must keep, and what may happen meanwhile."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NotSupported, Unavailable
from nwauth.stores.flatfile import ordered
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.notes import LockFile, OldJournal
from nwauth.stores.flatfile.settling import Settling
from tests.faults.folders import in_child, start, wait_for
from tests.stores.folders import (
    Clock,
    ages_ago,
    ask,
    base,
    foreign_view,
    fresh_view,
    line,
    many,
    merge_while,
    names,
    opened,
    password_of,
    ssha,
    stat_only,
    until,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nwauth.stores.flatfile import FlatfileStore
    from nwauth.stores.flatfile.journal import Journal


def txt_of(folder: Path) -> bytes:
    return (folder / "nwauth.txt").read_bytes()


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def shift_notes(folder: Path, seconds: int) -> None:
    """Make it later, for what is noted about old journals."""
    lock = LockFile(str(folder / "nwauth.lock"), model=str(folder / "nwauth.txt"))
    notes = lock.take()
    notes.old_journals = [OldJournal(old.inode, old.length, old.swapped_at - seconds) for old in notes.old_journals]
    lock.save(notes)
    lock.close()


def old_journals(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith("nwauth.add.old.")]


# --- what a merge makes ----------------------------------------------------------------------------------------------


def test_a_merge_sorts_by_folded_name_and_keeps_one_line_a_user(tmp_path: Path) -> None:
    txt = line("zoe") + line("Bob", "1") + "É:*x:\n".encode() + line("alice") + line("Bob", "2", 'odd "text')
    folder = base(tmp_path / "users", txt, line("carl") + line("zoe", "new") + b"#del alice\n")
    store = opened(folder)
    merged = store.merge()
    assert txt_of(folder) == line("Bob", "2", 'odd "text') + line("carl") + line("zoe", "new") + "É:*x:\n".encode()
    assert merged.users == 4
    assert foreign_view(folder).keys() == {b"bob", b"carl", b"zoe", "é".encode()}
    assert (folder / "nwauth.add").read_bytes().startswith(b"# nwauth journal ")
    assert (folder / "nwauth.add").read_bytes().count(b"\n") == 1
    store.close()


def test_a_merge_of_a_merge_changes_nothing(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", b"# head\n" + line("b") + line("a"), line("c"))
    store = opened(folder)
    store.merge()
    once = txt_of(folder)
    store.merge()
    assert txt_of(folder) == once
    assert not (folder / "nwauth.rejected").exists()
    store.close()


def test_leading_comments_stay_on_top(tmp_path: Path) -> None:
    head = b"# one\n#two: a:b:c\n#\n#del nobody\n"
    folder = base(tmp_path / "users", head + line("b") + line("a"))
    store = opened(folder)
    store.merge()
    assert txt_of(folder) == head + line("a") + line("b")
    store.close()


def test_of_two_lines_of_one_user_the_last_counts_and_the_other_goes_to_rejected(tmp_path: Path) -> None:
    txt = line("bob", "right") + line("amy", "1") + line("bob", "wrong") + line("amy", "1")
    folder = base(tmp_path / "users", txt)
    store = opened(folder)
    assert store.merge().rejected == 1
    assert txt_of(folder) == line("amy", "1") + line("bob", "wrong")
    assert (folder / "nwauth.rejected").read_bytes() == b"nwauth.txt:1:" + line("bob", "right")
    assert store.merge().rejected == 0


def test_what_does_not_fit_and_the_loser_of_two_spellings_go_to_rejected_with_their_line_number(tmp_path: Path) -> None:
    txt = (
        b"# head\n"
        + line("bob", "1")
        + b"odd line\n"
        + line("BOB", "2")
        + b"\n"
        + line("eve", "1")
        + line("eve", "2")
        + b"# in the middle\n"
    )
    add = line("Eve", "3") + b"half:\n" + line("carl", "1") + line("CARL", "2")
    folder = base(tmp_path / "users", txt, add)
    store = opened(folder)
    merged = store.merge()
    assert txt_of(folder) == b"# head\n" + line("BOB", "2") + line("CARL", "2") + line("Eve", "3")
    rejected = (folder / "nwauth.rejected").read_bytes().splitlines(keepends=True)
    assert {row for row in rejected if b"nwauth.txt" in row} >= {
        b"nwauth.txt:2:" + line("bob", "1"),
        b"nwauth.txt:3:odd line\n",
        b"nwauth.txt:7:" + line("eve", "2"),
        b"nwauth.txt:8:# in the middle\n",
    }
    assert {row for row in rejected if b"nwauth.add" in row} == {
        b"nwauth.add:2:half:\n",
        b"nwauth.add:3:" + line("carl", "1"),
    }
    assert merged.rejected == len(rejected)
    assert (folder / "nwauth.rejected").stat().st_mode & 0o777 == 0o600
    store.close()


def test_no_rewrite_ever_drops_anything_else(tmp_path: Path) -> None:
    """Every line that was there is in the new file, superseded by one of the same spelling, or in nwauth.rejected."""
    head = b"# head\n# ---\n"
    rows = [
        line("c", "1"),
        b"# ---\n",
        b"#del x\n",
        b"nul\0:a:b\n",
        b":no name:x\n",
        line("C", "2"),
        line("a", info="\udcff odd \udcfe"),
        line("c", "3"),
    ]
    folder = base(
        tmp_path / "users", head + b"".join(rows), b"# note of the administrator\nx\n" + line("a", info="newer")
    )
    store = opened(folder)
    store.merge()
    left = txt_of(folder) + (folder / "nwauth.rejected").read_bytes()
    for row in [*rows, b"# note of the administrator\n", b"x\n"]:
        if row not in (line("c", "1"), line("a", info="\udcff odd \udcfe")):
            wanted = 2 if row == b"# ---\n" else 1
            assert left.count(row) >= wanted, row
    store.close()


def test_crlf_ends_become_plain_ends_and_info_stays(tmp_path: Path) -> None:
    folder = base(
        tmp_path / "users", line("b", info='x="1"').replace(b"\n", b"\r\n") + line("a").replace(b"\n", b"\r\n")
    )
    store = opened(folder)
    store.merge()
    assert txt_of(folder) == line("a") + line("b", info='x="1"')
    store.close()


def test_a_journal_alone_becomes_a_user_file(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", None, line("b") + line("a"))
    store = opened(folder)
    store.merge()
    assert txt_of(folder) == line("a") + line("b")
    assert names(store) == ["a", "b"]
    store.close()


def test_links_are_resolved_first(tmp_path: Path) -> None:
    target = base(tmp_path / "target", line("b"), line("a"))
    folder = base(tmp_path / "users", None)
    for name in ("nwauth.txt", "nwauth.add"):
        (folder / name).symlink_to(target / name)
    store = opened(folder)
    store.merge()
    assert store.put(user("c"))
    assert store.delete("b")
    for name in ("nwauth.txt", "nwauth.add"):
        assert (folder / name).is_symlink()
        assert not (target / name).is_symlink()
    assert txt_of(target) == line("a")
    assert names(store) == ["a", "c"]
    store.merge()
    assert txt_of(target) == line("a") + line("c")
    store.close()


def test_a_merge_removes_the_unfinished_files_that_it_can_lock_and_no_others(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("b"), line("a"))
    for name in ("nwauth.tmp.dead", "nwauth.tmp.alive", "other.tmp"):
        (folder / name).write_bytes(b"x")
    fd = os.open(folder / "nwauth.tmp.alive", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    store = opened(folder)
    store.merge()
    there = os.listdir(folder)
    assert "nwauth.tmp.dead" not in there
    assert {"nwauth.tmp.alive", "other.tmp"} <= set(there)
    assert [name for name in there if name.startswith("nwauth.tmp.")] == ["nwauth.tmp.alive"]
    os.close(fd)
    store.close()


def test_a_read_only_store_does_not_merge(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("b"), line("a"))
    store = opened(folder, read_only=True, max_journal_bytes=1)
    with pytest.raises(NotSupported):
        store.merge()
    assert ask(store, "a") is not None
    store.tend()
    assert not until(lambda: txt_of(folder) != line("b"), seconds=0.2)
    assert sorted(os.listdir(folder)) == ["nwauth.add", "nwauth.txt"]
    store.close()


# --- when ------------------------------------------------------------------------------------------------------------


def merges(store: FlatfileStore, folder: Path, *, seconds: float = 10.0) -> bool:
    before = (folder / "nwauth.txt").stat().st_ino

    def merged() -> bool:
        ask(store, "nobody")
        store.tend()
        return (folder / "nwauth.txt").stat().st_ino != before

    return until(merged, seconds=seconds)


def test_a_journal_that_passes_the_given_size_is_merged_by_a_helper(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve") * 3)
    store = opened(folder, max_journal_bytes=len(line("eve")) * 3)
    assert not merges(store, folder, seconds=0.3)
    append(folder / "nwauth.add", line("zoe"))
    assert merges(store, folder)
    assert until(lambda: names(store) == ["bob", "eve", "zoe"])
    store.close()


def test_automatic_merges_come_at_most_once_in_sixty_seconds(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    clock = Clock()
    store = opened(folder, max_journal_bytes=1, clock=clock, shared=False)
    assert merges(store, folder)
    assert until(lambda: (folder / "nwauth.add").stat().st_size < 60)
    clock.seconds += 55
    assert store.put(user("zoe"))
    other = opened(folder, max_journal_bytes=1, clock=clock, shared=False)
    assert not merges(store, folder, seconds=0.3)
    assert not merges(other, folder, seconds=0.3)
    clock.seconds += 10
    fresh = opened(folder, max_journal_bytes=1, clock=clock, shared=False)
    assert merges(fresh, folder)
    for one in (store, other, fresh):
        one.close()


def test_by_default_a_small_journal_is_left_alone(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), many(14_000))
    assert (folder / "nwauth.add").stat().st_size < 1 << 20
    store = opened(folder)
    assert not merges(store, folder, seconds=0.3)
    append(folder / "nwauth.add", many(3000))
    assert merges(store, folder)
    store.close()


# --- what may happen meanwhile ---------------------------------------------------------------------------------------


def test_lines_that_the_journal_gains_during_a_merge_are_in_the_new_one(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob", "old"), line("eve", "old"))
    writer = opened(folder, shared=False)

    def act() -> None:
        eve = ask(writer, "eve")
        assert eve is not None
        assert writer.replace(eve, eve.changed(stored_password=ssha("new")))
        assert writer.put(user("zoe"))
        assert writer.delete("bob")
        append(folder / "nwauth.add", line("foreign"))

    merge_while(folder, act)
    assert names(writer) == ["eve", "foreign", "zoe"]
    assert fresh_view(folder).keys() == {"eve", "foreign", "zoe"}
    assert password_of(writer, "eve") == ssha("new")
    writer.close()


def test_a_shared_deletion_during_a_merge_is_seen_by_foreign_programs_in_the_end(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve") + line("carl"))
    writer = opened(folder)

    def act() -> None:
        assert writer.delete("carl")

    merge_while(folder, act, shared=True)
    assert ask(writer, "carl") is None

    def tended() -> bool:
        ask(writer, "nobody")
        writer.tend()
        return b"carl" not in foreign_view(folder)

    assert until(tended)
    assert foreign_view(folder).keys() == {b"bob", b"eve"}
    writer.close()


def test_a_user_deleted_and_added_again_during_a_merge_stays(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob", "old"), line("carl", "old"))
    writer = opened(folder)

    def act() -> None:
        assert writer.delete("carl")
        assert writer.put(user("carl", "new"))

    merge_while(folder, act, shared=True)
    for _ in range(3):
        writer._chores.remove_deleted()
        assert password_of(writer, "carl") == ssha("new")
        writer.merge()
        assert password_of(writer, "carl") == ssha("new")
        assert fresh_view(folder)["carl"][1] == ssha("new")
    assert foreign_view(folder)[b"carl"] == line("carl", "new")[:-1]
    writer.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: append(folder / "nwauth.txt", line("late")),
        lambda folder: base(folder, line("bob") + line("late")),
        lambda folder: [(folder / "nwauth.txt").unlink(), base(folder, line("bob") + line("late"))],
    ],
    ids=["appended to", "rewritten in place", "made anew"],
)
def test_a_user_file_that_changes_during_a_merge_is_read_again(tmp_path: Path, change: object) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    merge_while(folder, lambda: change(folder))  # type: ignore[operator]
    assert fresh_view(folder).keys() == {"bob", "eve", "late"}


def test_a_journal_that_is_replaced_during_a_merge_is_read_again(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))

    def act() -> None:
        (folder / "new").write_bytes(line("eve", "new") + line("late"))
        (folder / "new").rename(folder / "nwauth.add")

    merge_while(folder, act)
    assert fresh_view(folder).keys() == {"bob", "eve", "late"}
    assert fresh_view(folder)["eve"][1] == ssha("new")


def test_a_journal_cut_and_grown_on_the_same_inode_during_a_merge_makes_no_new_users(tmp_path: Path) -> None:
    read = line("eve") + line("carl")
    folder = base(tmp_path / "users", line("bob"), read)
    written = b"#" * (len(read) - 4) + b"\n" + line("jordan") + line("fred")
    assert written[len(read) :].startswith(b"dan:")

    def act() -> None:
        (folder / "nwauth.add").write_bytes(written)

    merge_while(folder, act)
    assert set(fresh_view(folder)) <= {"bob", "eve", "carl", "jordan", "fred"}
    assert {"bob", "fred"} <= set(fresh_view(folder))


def test_a_merge_while_the_user_file_is_missing_never_publishes_the_journal_alone(tmp_path: Path) -> None:
    """An editor moves the file aside and writes it anew; a link's target may be unmounted."""
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    where = Folder(str(folder))
    (folder / "nwauth.txt").rename(folder / "aside")
    lock = LockFile(where.lock, model=where.txt)
    from nwauth.passwords import complete
    from nwauth.stores.flatfile.merge import merge

    with pytest.raises(Unavailable):
        merge(where, lock, Settling(lock, settle_seconds=0, clock=time.time), complete=complete, shared=False)
    assert not (folder / "nwauth.txt").exists()
    (folder / "aside").rename(folder / "nwauth.txt")
    assert names(store) == ["bob", "eve", "zoe"]
    lock.close()
    store.close()


def test_a_merge_while_the_link_to_the_user_file_leads_nowhere_is_refused(tmp_path: Path) -> None:
    target = base(tmp_path / "target", line("bob"))
    folder = base(tmp_path / "users", None, line("eve"))
    (folder / "nwauth.txt").symlink_to(target / "nwauth.txt")
    store = opened(folder)
    assert ask(store, "bob") is not None
    (target / "nwauth.txt").rename(tmp_path / "unmounted")
    with pytest.raises(Unavailable):
        store.merge()
    with pytest.raises(Unavailable):
        merge_while(folder, lambda: None)
    assert os.listdir(target) == []
    store.close()


@pytest.mark.parametrize("half", [b"zoe:{ssha}AAAA", line("zoe")[:-1]])
def test_only_whole_lines_are_taken_in(tmp_path: Path, half: bytes) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    append(folder / "nwauth.add", half)  # a moment ago: the rest may be to come
    store = opened(folder)
    with pytest.raises(Unavailable):
        store.merge()
    assert txt_of(folder) == line("bob")
    append(
        folder / "nwauth.add",
        line("zoe", "later", 'q="1"')[len(half) :] if half in line("zoe", "later", 'q="1"') else b"\n",
    )
    store.merge()
    assert "eve" in names(store)
    ages_ago(folder / "nwauth.add")
    store.close()


def test_a_half_line_that_has_stood_for_long_is_ended(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve") + b"zoe:{ssha}AAAA")
    store = opened(folder)
    store.merge()
    assert names(store) == ["bob", "eve"]
    assert b"e:{ssha}AAAA" in (folder / "nwauth.rejected").read_bytes()
    store.close()


# --- journals swapped out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["stat", "inotify"])
def test_the_late_lines_of_a_foreign_writer_are_found_at_the_next_look(tmp_path: Path, mode: str) -> None:
    folder = base(tmp_path / "users", line("bob", "old") + line("carl", "old"), line("eve", "old"))
    reader = opened(folder)
    if mode == "stat":
        stat_only(reader)
    assert ask(reader, "zoe") is None
    reader.tend()
    store = opened(folder)
    with (folder / "nwauth.add").open("ab") as held:
        store.merge()
        assert old_journals(folder)
        assert ask(reader, "zoe") is None
        for number in range(3):
            held.write(line("zoe", f"{number}") + line(f"late{number}") + b"half")
            held.flush()
            late = opened(folder)
            assert password_of(late, f"late{number}") == ssha("secret")
            late.close()
            assert password_of(reader, f"late{number}") == ssha("secret")
            held.write(b" is ended:*x:\n")
            held.flush()
            assert password_of(reader, "half is ended") == "*x"
        held.write(line("bob", "late"))
    assert password_of(reader, "bob") == ssha("late")
    assert password_of(reader, "carl") == ssha("old")
    store.close()
    reader.close()


def test_late_lines_give_way_to_newer_lines_of_the_same_name(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob", "old") + line("carl", "old") + line("dan"), line("eve", "old"))
    store = opened(folder, shared=False)
    with (folder / "nwauth.add").open("ab") as held:
        store.merge()
        bob = ask(store, "bob")
        assert bob is not None
        assert store.replace(bob, bob.changed(stored_password=ssha("new")))
        assert store.delete("dan")
        held.write(line("BOB", "late") + line("carl", "late") + line("dan", "late") + b"#del bob\n")
    for one in (store, opened(folder)):
        assert password_of(one, "bob") == ssha("new")
        assert password_of(one, "carl") == ssha("late")
        assert ask(one, "dan") is None
    store.close()


def test_late_lines_are_fetched_before_a_set_and_never_undo_it(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob", "old"), line("eve", "old"))
    store = opened(folder, shared=False)
    with (folder / "nwauth.add").open("ab") as held:
        store.merge()
        held.write(line("bob", "late"))
    bob = user("bob", "old")
    assert not store.replace(bob, bob.changed(stored_password=ssha("stale")))
    late = ask(store, "bob")
    assert late is not None
    assert late.stored_password == ssha("late")
    assert store.replace(late, late.changed(stored_password=ssha("new")))
    assert password_of(store, "bob") == ssha("new")
    store.merge()
    assert password_of(store, "bob") == ssha("new")
    store.close()


@pytest.mark.parametrize("change", ["put", "replace", "delete"])
def test_the_lock_is_held_during_a_write_that_finds_late_lines(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = stat_only(opened(folder, shared=False))
    with (folder / "nwauth.add").open("ab") as held:
        store.merge()
        bob = ask(store, "bob")
        assert bob is not None
        held.write(line("late"))
    other = LockFile(str(folder / "nwauth.lock"), model="")
    real = os.fdatasync

    def synced(fd: int) -> None:
        with pytest.raises(Unavailable):
            other.take(wait_seconds=0)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", synced)
    if change == "put":
        assert store.put(user("zoe"))
    elif change == "replace":
        assert store.replace(bob, bob.changed(stored_password=ssha("new")))
    else:
        assert store.delete("bob")
    monkeypatch.undo()
    other.take(wait_seconds=0)
    other.close()
    assert "late" in names(store)
    store.close()


def test_the_link_to_an_old_journal_goes_after_sixty_seconds_and_its_last_lines_are_kept(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder, shared=False)
    with (folder / "nwauth.add").open("ab") as held:
        store.merge()
        shift_notes(folder, 50)
        assert store.put(user("one"))
        assert len(old_journals(folder)) == 1
        held.write(line("late") + line("unended")[:-1])
        held.flush()
        shift_notes(folder, 61)
        assert store.put(user("two"))
    assert old_journals(folder) == []
    assert names(store) == ["bob", "eve", "late", "one", "two", "unended"]
    store.close()


def test_several_old_journals_are_cared_for_at_once(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder, shared=False)
    held = []
    for number in range(4):
        held.append((folder / "nwauth.add").open("ab"))
        assert store.put(user(f"own{number}"))
        store.merge()
    for number, file in enumerate(held):
        file.write(line(f"late{number}"))
        file.close()
    fresh = opened(folder)
    for number in range(4):
        assert ask(fresh, f"late{number}") is not None
    assert len(names(store)) == 10
    fresh.close()
    store.close()


def test_a_link_with_the_inode_of_the_journal_is_an_unfinished_swap(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    status = (folder / "nwauth.add").stat()
    lock = LockFile(str(folder / "nwauth.lock"), model="")
    notes = lock.take()
    notes.old_journals.append(OldJournal(status.st_ino, status.st_size, int(time.time())))
    lock.save(notes)
    lock.close()
    os.link(folder / "nwauth.add", folder / f"nwauth.add.old.{status.st_ino}")
    assert store.put(user("new"))
    assert old_journals(folder) == []
    assert names(store) == ["bob", "eve", "new", "zoe"]
    store.merge()
    assert names(store) == ["bob", "eve", "new", "zoe"]
    store.close()


def test_a_change_made_after_an_interrupted_merge_survives_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nwauth.txt was replaced, the journal was not: its lines are in both."""
    folder = base(tmp_path / "users", line("bob", "old"), line("eve", "old") + b"#del carl\n")
    store = opened(folder, shared=False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(Unavailable):
            store.merge()
    assert names(store) == ["bob", "eve"]
    eve = ask(store, "eve")
    assert eve is not None
    assert store.replace(eve, eve.changed(stored_password=ssha("new")))
    assert store.put(user("carl"))
    store.merge()
    assert password_of(store, "eve") == ssha("new")
    assert names(store) == ["bob", "carl", "eve"]
    assert not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")]
    store.close()


# --- merges that meet ------------------------------------------------------------------------------------------------


def merging_process(folder: Path, gate: Path, log: Path) -> int:
    """A process that begins an automatic merge once `gate` is there, and logs each user file that it publishes."""

    def work() -> None:
        signal.alarm(20)  # who waits for ever has failed
        store = opened(folder, max_journal_bytes=1, shared=False)
        real = os.rename

        def rename(old: str, new: str) -> None:
            if new.endswith("nwauth.txt"):
                append(log, b"published\n")
            real(old, new)

        os.rename = rename  # type: ignore[assignment]
        assert until(gate.exists)
        store._chores.merge()

    return start(work)


def test_automatic_merges_that_begin_at_once_make_one_merge(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(3000), line("eve"))
    log = tmp_path / "log"
    pids = [merging_process(folder, tmp_path / "gate", log) for _ in range(4)]
    (tmp_path / "gate").touch()
    assert wait_for(pids) == [0] * 4
    assert log.read_bytes() == b"published\n"
    assert fresh_view(folder).keys() >= {"eve", "user0000007@example.com"}


def test_an_automatic_merge_does_not_wait_for_who_rewrites_now(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    fd = os.open(folder / "nwauth.tmp.rewrite", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    log = tmp_path / "log"
    (tmp_path / "gate").touch()
    assert wait_for([merging_process(folder, tmp_path / "gate", log)]) == [0]
    os.close(fd)
    assert not log.exists()
    assert txt_of(folder) == line("bob")


def without_helper(store: FlatfileStore) -> FlatfileStore:
    """Have the helper of a deletion killed before it begins."""
    store._remove_from_file = lambda wait_seconds: None  # type: ignore[method-assign]  # noqa: ARG005
    return store


def test_a_set_that_follows_a_shared_deletion_in_the_first_moment_of_a_merge_is_not_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nwauth.stores.flatfile import merge

    folder = base(tmp_path / "users", line("alice") + line("bob", "old") + line("carl"), line("eve"))
    one, other, merger = without_helper(opened(folder)), opened(folder), opened(folder)
    real = merge.Journal  # type: ignore[attr-defined]

    def journal(complete: Callable[[str], bool]) -> Journal:
        if one.lookup("bob") is not None and password_of(other, "bob") == ssha("old"):
            assert one.delete("bob")
            assert other.put(user("bob", "new"))
        return real(complete)

    with monkeypatch.context() as patch:
        patch.setattr(merge, "Journal", journal)
        merger.merge()
    assert password_of(merger, "bob") == ssha("new")
    opened(folder)._chores.remove_deleted()
    assert fresh_view(folder)["bob"][1] == ssha("new")
    assert foreign_view(folder)[b"bob"] == line("bob", "new")[:-1]
    for store in (one, other, merger):
        store.close()


@pytest.mark.parametrize("merged_by", ["a foreign program", "us"])
def test_a_note_of_a_deletion_that_lingers_never_undoes_a_later_set(tmp_path: Path, merged_by: str) -> None:
    folder = base(tmp_path / "users", line("alice") + line("bob", "old"))
    store = without_helper(opened(folder, settle_seconds=0))
    assert store.delete("bob")
    assert store.put(user("bob", "new"))
    if merged_by == "us":
        store.merge()
    else:
        base(folder, line("alice") + line("bob", "new"), b"")
    opened(folder, settle_seconds=0)._chores.remove_deleted()
    assert fresh_view(folder)["bob"][1] == ssha("new")
    assert foreign_view(folder).keys() == {b"alice", b"bob"}
    store.close()


def test_a_torn_append_is_mended_before_an_automatic_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed write has left may read as a whole line that lacks the user's last fields."""
    folder = base(tmp_path / "users", line("bob", info='a="1" b="2"'), line("eve"))

    def torn() -> None:
        store = opened(folder, shared=False)
        bob = ask(store, "bob")
        assert bob is not None
        real = os.write

        def write(fd: int, data: bytes) -> int:
            real(fd, data[: data.index(b' b="2"')])
            os._exit(9)

        monkeypatch.setattr(os, "write", write)
        store.replace(bob, bob.changed(info=bob.info.updated({"a": "9"})))

    assert in_child(torn) == 9
    assert b'a="9"' in (folder / "nwauth.add").read_bytes()
    ages_ago(folder / "nwauth.add", 60)
    store = opened(folder, shared=False, max_journal_bytes=1)
    store._chores.merge()
    assert line("bob", info='a="1" b="2"') in txt_of(folder)
    assert fresh_view(folder)["bob"][2] == 'a="1" b="2"'
    assert b'a="9"' not in txt_of(folder)
    store.close()


@pytest.mark.parametrize("txt", [many(1500), many(1500) + line("alice")], ids=["in order", "out of order"])
def test_a_merge_or_a_deletion_during_a_search_does_not_break_it_off(tmp_path: Path, txt: bytes) -> None:
    folder = base(tmp_path / "users", txt, line("zoe"))
    store, other = opened(folder), opened(folder)
    for change in (other.merge, lambda: other.delete("user0000700@example.com")):
        before = names(other)
        listing = store.search()
        first = next(listing)
        change()
        assert [first.name, *(found.name for found in listing)] == before
    assert len(names(store)) == txt.count(b"\n")
    store.close()
    other.close()


@pytest.mark.parametrize("content", ["longer", "shorter"])
def test_a_foreign_file_in_the_place_of_an_old_journal_is_never_read_as_one_nor_removed(
    tmp_path: Path, content: str
) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    foreign = line("mallory") * (5 if content == "longer" else 0) + b"x\n"
    path = folder / f"nwauth.add.old.{(folder / 'nwauth.add').stat().st_ino}"
    path.write_bytes(foreign)
    store = opened(folder, shared=False)
    for number in range(3):
        with pytest.raises(Unavailable, match="in the way"):
            store.merge()
        assert store.put(user(f"n{number}"))
        shift_notes(folder, 61)
    assert path.read_bytes() == foreign
    assert names(store) == ["bob", "eve", "n0", "n1", "n2"]
    assert not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")]
    path.unlink()
    store.merge()
    assert fresh_view(folder).keys() == {"bob", "eve", "n0", "n1", "n2"}
    store.close()


def test_old_journals_go_away_after_a_minute_though_nobody_writes(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store, reader = opened(folder, shared=False), opened(folder, shared=False)
    assert ask(reader, "eve") is not None
    with (folder / "nwauth.add").open("ab") as held:
        store.merge()
        for one in (store, reader):
            assert ask(one, "nobody") is None
            one.tend()
        assert len(old_journals(folder)) == 1
        held.write(line("late"))
        held.flush()
        shift_notes(folder, 61)
        reader._care_at -= 61
        reader.tend()
    assert old_journals(folder) == []
    assert names(reader) == ["bob", "eve", "late"]
    for one in (store, reader):
        assert ask(one, "nobody") is None
        one.tend()
        assert not one._view.old_journals, "each look-up still pays for a look at it"
        one.close()


def test_a_file_that_is_known_to_be_in_order_is_not_sorted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", many(3000) + line("alice"))
    monkeypatch.setattr("nwauth.stores.textfile.ordered.RUN_BYTES", 1 << 16)
    sorts: list[int] = []

    def scratch(where: Folder) -> int:
        sorts.append(1)
        return ordered.scratch(where)

    monkeypatch.setattr("nwauth.stores.flatfile.merge.scratch", scratch)
    store = opened(folder)
    before = []
    for name in ("zoe", "bob", "user0000007"):
        before.append(len(sorts))
        assert store.put(user(name))
        store.merge()
    assert before[1] == len(sorts) > 2, "sorted the first time only"
    everybody = ["alice", "bob", "zoe", "user0000007", *(f"user{number:07d}@example.com" for number in range(3000))]
    assert names(store) == sorted(everybody)
    store.close()
