"""spec/stores.md section 1, "Writing": appending, recovery, the notes, owners, deletions."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.errors import Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import fold_bytes
from nwauth.stores.flatfile.notes import Append, LockFile, Notes, OldJournal
from nwauth.stores.textfile import files, helper
from nwauth.stores.textfile.record import WAIT_SECONDS
from tests.faults.folders import in_child
from tests.stores.folders import (
    ask,
    base,
    calls_of,
    foreign_view,
    fresh_view,
    line,
    many,
    names,
    note_append,
    opened,
    password_of,
    ssha,
    until,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
from zlib import crc32

PAGE = 4096


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[LockFile]:
    lock = LockFile(str(tmp_path / "users" / "nwauth.lock"), model=str(tmp_path / "users" / "nwauth.txt"))
    yield lock
    lock.close()


def test_the_record_is_saved_before_the_line_and_cleared_after_the_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder)
    assert store.put(user("first"))
    seen = calls_of(monkeypatch)
    assert store.put(user("second"))
    syncs = ("fsync", "fdatasync")
    steps = ["sync" if name in syncs else name for name, _ in seen]
    assert list(zip(steps, [file for _, file in seen], strict=True)) == [
        ("pwrite", "nwauth.lock"),
        ("write", "nwauth.add"),
        ("sync", "nwauth.add"),
        ("pwrite", "nwauth.lock"),
    ]
    store.close()


def test_the_folder_of_a_new_journal_is_synced_before_the_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder)
    seen = calls_of(monkeypatch)
    assert store.put(user("first"))
    assert ("fsync", "users") in seen
    assert (folder / "nwauth.add").read_bytes().startswith(b"# nwauth journal ")
    store.close()


def test_two_journals_that_we_create_begin_with_different_numbers(tmp_path: Path) -> None:
    heads = set()
    for number in range(5):
        folder = base(tmp_path / str(number), b"")
        store = opened(folder)
        assert store.put(user("bob"))
        heads.add((folder / "nwauth.add").read_bytes().partition(b"\n")[0])
        store.close()
    assert len(heads) == 5


@pytest.mark.parametrize("more", [{"drop_path": "/p"}, {"uid": "7"}, {"ip_mask": "10.0.0.1"}])
def test_what_a_line_has_no_place_for_is_never_left_out(tmp_path: Path, more: dict[str, str]) -> None:
    store = opened(base(tmp_path / "users", line("bob")))
    with pytest.raises(Refused, match="no place"):
        store.put(User(name="eve", stored_password=ssha("x"), info=Info(), store="flatfile", **more))
    assert names(store) == ["bob"]
    store.close()


def test_waiting_for_the_lock_ends_with_unavailable(tmp_path: Path, locked: LockFile) -> None:
    assert WAIT_SECONDS == 8
    base(tmp_path / "users", line("bob"))
    locked.take()
    other = LockFile(str(tmp_path / "users" / "nwauth.lock"), model="")
    with pytest.raises(Unavailable, match="locked by another"):
        other.take(wait_seconds=0.02)
    locked.release()
    other.take(wait_seconds=0.02)
    other.close()


def test_a_lock_file_that_was_removed_while_it_was_locked_locks_nobody_out_and_nobody_in(
    tmp_path: Path, locked: LockFile
) -> None:
    base(tmp_path / "users", line("bob"))
    locked.take()
    os.unlink(tmp_path / "users" / "nwauth.lock")
    other = LockFile(str(tmp_path / "users" / "nwauth.lock"), model="")
    other.take(wait_seconds=0.02)
    locked.release()
    with pytest.raises(Unavailable):
        locked.take(wait_seconds=0.02)
    other.close()


@pytest.mark.parametrize("count", [0, 1, 50, 3000])
def test_notes_of_any_size_are_read_back(tmp_path: Path, locked: LockFile, count: int) -> None:
    base(tmp_path / "users", line("bob"))
    notes = locked.take()
    notes.served = True
    notes.deletions = [f"user{number:07d}@example.com".encode() for number in range(count)]
    locked.save(notes)
    assert len(locked.read().deletions) == count
    assert locked.read().served
    locked.release()


def test_a_shorter_record_after_a_longer_one_is_read_back(tmp_path: Path, locked: LockFile) -> None:
    base(tmp_path / "users", line("bob"))
    notes = locked.take()
    notes.served = True
    notes.append = Append(1, 2, b"ab" * 500)
    locked.save(notes)
    assert locked.read().append == Append(1, 2, b"ab" * 500)
    notes.append = None
    locked.save(notes)
    assert locked.read().append is None
    assert locked.read().served
    locked.release()


def test_rows_of_another_version_are_kept() -> None:
    notes = Notes()
    notes.served = True
    body = notes.encode().split(b"\n", 1)[1] + b"\nfrom-the-future 1 2"
    newer = b"nwauth-lock-1 %08x %d\n" % (crc32(body), len(body)) + body
    assert Notes.decode(newer).encode() == newer


def test_an_unreadable_record_counts_as_empty(tmp_path: Path) -> None:
    notes = Notes()
    notes.served, notes.old_journals, notes.ours = True, [OldJournal(1, 2, 3)], (4, 5, 6)
    whole = notes.encode()
    assert Notes.decode(whole).old_journals == [OldJournal(1, 2, 3)]
    assert Notes.decode(whole).encode() == whole
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        assert not Notes.decode(bytes(damaged)), at
        assert not Notes.decode(whole[:at])
    folder = base(tmp_path / "users", line("bob"))
    (folder / "nwauth.lock").write_bytes(os.urandom(500))
    store = opened(folder)
    assert store.put(user("eve"))
    assert names(store) == ["bob", "eve"]
    store.close()


# --- recovery --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("info", ["", 'q="1" f="2"'])
def test_an_append_that_was_cut_at_any_byte_leaves_the_line_whole_or_not_at_all(tmp_path: Path, info: str) -> None:
    before, data = b"# head\n" + line("eve"), line("bob", "new", info)
    for cut in range(len(data) + 1):
        folder = base(tmp_path / str(cut), line("bob", "old"), before + data[:cut])
        note_append(folder, len(before), data)
        store = opened(folder, shared=False)
        assert store.put(user("zoe"))
        assert password_of(store, "bob") == ssha("new" if cut == len(data) else "old"), cut
        found = ask(store, "bob")
        assert found is not None
        assert found.info.text == (info if cut == len(data) else "")
        assert names(store) == ["bob", "eve", "zoe"]
        assert (folder / "nwauth.add").read_bytes().startswith(before)
        store.close()


def test_a_torn_line_behind_which_a_foreign_line_stands_is_taken_out_and_the_foreign_line_stays(tmp_path: Path) -> None:
    """Where a killed write tears: at the end of a page."""
    before = line("eve")
    before += b"#" * (PAGE - len(before) - 21) + b"\n"
    data = line("bob", "new")
    foreign = line("carl")
    folder = base(tmp_path / "users", line("bob", "old"), before + data[:20] + foreign)
    assert (len(before) + 20) % PAGE == 0
    note_append(folder, len(before), data)
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    assert password_of(store, "bob") == ssha("old")
    assert password_of(store, "carl") == ssha("secret")
    assert names(store) == ["bob", "carl", "eve", "zoe"]
    store.close()


def test_a_foreign_line_that_begins_like_ours_is_not_touched(tmp_path: Path) -> None:
    before, foreign = line("eve"), line("bobby", "foreign")
    folder = base(tmp_path / "users", b"", before + foreign)
    note_append(folder, len(before), line("bob", "new"))
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    assert (folder / "nwauth.add").read_bytes().startswith(before + foreign)
    assert names(store) == ["bobby", "eve", "zoe"]
    store.close()


def test_nothing_is_done_to_a_journal_of_another_inode(tmp_path: Path) -> None:
    content = line("eve") + line("bob")[:-10]
    folder = base(tmp_path / "users", b"", content + b"\n")
    note_append(folder, len(line("eve")), line("bob"), inode=1)
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    assert (folder / "nwauth.add").read_bytes().startswith(content + b"\n")
    store.close()


def test_a_record_for_a_journal_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    note_append(folder, 0, line("x"))
    (folder / "nwauth.add").unlink()
    store = opened(folder, settle_seconds=0)
    assert store.put(user("zoe"))
    assert names(store) == ["bob", "zoe"]
    store.close()


def test_a_short_write_becomes_a_comment_and_the_answer_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder, shared=False)
    assert store.put(user("eve"))
    real = os.write
    for sent in (1, 2, 7, 30):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data, sent=sent: real(fd, bytes(data)[:sent]))
            with pytest.raises(Unavailable, match="full"):
                store.put(user("zoe"))
        assert names(store) == ["bob", "eve"]
        assert (folder / "nwauth.add").read_bytes().endswith(b"#" * (sent - 1) + b"\n")
    assert store.put(user("zoe"))
    assert names(store) == ["bob", "eve", "zoe"]
    store.close()


@pytest.mark.parametrize("name", ["write", "pwrite", "fdatasync", "open", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_failing_system_call_is_unavailable_and_the_next_set_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder, shared=False)
    if name not in ("open", "fsync"):  # these are for a new journal
        assert store.put(user("eve"))
    assert ask(store, "bob") is not None
    real = getattr(os, name)

    def fail(what: object, *rest: object, **more: object) -> object:
        if name == "open" and not (isinstance(rest[0], int) and rest[0] & (os.O_RDWR | os.O_WRONLY)):
            return real(what, *rest, **more)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(Unavailable):
            store.put(user("zoe"))
    assert ask(store, "bob") is not None
    assert store.put(user("after"))
    assert {"bob", "after"} <= set(names(store))
    store.close()


def test_our_line_never_continues_a_foreign_half_line(tmp_path: Path) -> None:
    for half in (b"alice:{ssha}AAAA", b"alice", b"alice:*x:q=", line("alice")[:-1], b"#del al", b"\0\0\0", b"x" * 9000):
        folder = base(tmp_path / str(abs(hash(half))), line("bob"), line("eve") + half)
        store = opened(folder, shared=False)
        assert store.put(user("zoe"))
        wanted = ["bob", "eve", "zoe"]
        assert names(store) == (["alice", *wanted] if half == line("alice")[:-1] else wanted)
        store.close()


def test_a_foreign_half_line_that_comes_between_our_look_and_our_write_does_not_swallow_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder, shared=False)
    assert store.put(user("carl"))
    real = os.pwrite
    done: list[bool] = []

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if not done:  # the record has just been saved
            done.append(True)
            with (folder / "nwauth.add").open("ab") as file:
                file.write(b"alice:{ssha}AAAA")
        return real(fd, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        assert store.put(user("zoe"))
    assert done
    assert password_of(store, "zoe") == ssha("secret")
    fresh = opened(folder)
    assert password_of(fresh, "zoe") == ssha("secret")
    assert password_of(fresh, "carl") == ssha("secret")
    fresh.close()
    store.close()


# --- owner, group, mode ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_is_made_or_replaced_has_the_owner_and_mode_of_what_it_replaces(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(1500), None)
    os.chown(folder, 1234, 4321)
    os.chown(folder / "nwauth.txt", 1111, 2222)
    (folder / "nwauth.txt").chmod(0o640)
    store = opened(folder)
    assert store.put(user("zoe"))
    assert store.put(user("odd"))
    with (folder / "nwauth.add").open("ab") as file:
        file.write(b"does not fit\n")
    store.merge()
    assert store.delete("zoe")
    for name in ("nwauth.txt", "nwauth.add", "nwauth.lock", "nwauth.idx"):
        status = (folder / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1111, 2222, 0o640), name
    rejected = (folder / "nwauth.rejected").stat()
    assert (rejected.st_uid, rejected.st_gid, rejected.st_mode & 0o7777) == (1234, 4321, 0o600)
    store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_new_base_has_the_owner_of_the_folder_and_is_private(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", None)
    os.chown(folder, 1234, 4321)
    store = opened(folder)
    assert store.make()
    assert store.put(user("bob"))
    for name in ("nwauth.txt", "nwauth.add", "nwauth.lock"):
        status = (folder / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 4321, 0o600), name
    store.close()


def test_where_the_owner_cannot_be_given_nothing_is_replaced_and_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder)
    assert ask(store, "bob") is not None
    before = {name: (folder / name).read_bytes() for name in ("nwauth.txt", "nwauth.add")}

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fchmod", refuse)
        with pytest.raises(Unavailable, match="owner and mode"):
            store.merge()
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")]
    store.merge()
    assert names(store) == ["bob", "eve"]
    store.close()


# --- deletions -------------------------------------------------------------------------------------------------------


def test_in_our_own_folder_a_deletion_is_one_line_of_the_journal(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob") + line("eve"), line("bob", "new"))
    store = opened(folder, shared=False)
    assert store.delete("BOB")
    assert (folder / "nwauth.txt").read_bytes() == line("bob") + line("eve")
    assert (folder / "nwauth.add").read_bytes() == line("bob", "new") + b"#del bob\n"
    store.close()


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("last_end", [b"\n", b""])
def test_a_shared_deletion_is_seen_by_programs_that_know_none_and_every_other_byte_stays(
    tmp_path: Path, size: str, last_end: bytes
) -> None:
    padding = many(1500) if size == "large" else b""
    others = [
        b"# head\n",
        line("zoe"),
        b"odd line\n",
        b"\r\n",
        line("bobby") + padding,
        line("alice"),
        "j\u00fcrgen:*x:\n".encode(),
    ]
    for at in range(len(others) + 1):
        rows = [*others[:at], line("Bob", "1"), *others[at:], line("bob", "2")]
        txt = b"".join(rows)[:-1] + last_end
        add = line("eve") + line("BOB", "3") + b"# bob:*x:\n" + line("bobbie")
        folder = base(tmp_path / f"{at}", txt, add)
        store = opened(folder)
        assert store.delete("boB")
        wanted = b"".join(others)
        assert (folder / "nwauth.txt").read_bytes() == wanted
        journal = (folder / "nwauth.add").read_bytes()
        assert journal[: len(add)] == add.replace(b"\nBOB:", b"\n#OB:")
        assert b"bob" not in foreign_view(folder)
        assert ask(store, "bob") is None
        assert "bob" not in fresh_view(folder)
        store.close()


@pytest.mark.parametrize("name", ["\u212aate", "J\u00dcRGEN", "b\udce9b", "a"])
def test_a_shared_deletion_finds_the_lines_of_a_name_beyond_ascii(tmp_path: Path, name: str) -> None:
    for where in ("txt", "add"):
        rows = line("alice") + line(name) + line("zoe")
        folder = base(tmp_path / where, rows if where == "txt" else b"", rows if where == "add" else None)
        store = opened(folder)
        assert store.delete(name)
        assert foreign_view(folder).keys() == {b"alice", b"zoe"}
        assert names(store) == ["alice", "zoe"]
        store.close()


def test_a_user_added_again_after_a_shared_deletion_stays(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob", "old") + line("eve"))
    store = opened(folder)
    for number in range(3):
        assert store.delete("bob")
        assert store.put(user("bob", str(number)))
        store.merge()
        store.tend()
        assert password_of(store, "bob") == ssha(str(number))
    assert foreign_view(folder).keys() == {b"bob", b"eve"}
    store.close()


def test_a_helper_that_is_killed_has_not_done_its_work() -> None:
    fd = helper.start(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert helper.outcome(fd, wait_seconds=5) not in ("", None)
    os.close(fd)
    fd = helper.start(lambda: None)
    assert helper.outcome(fd, wait_seconds=5) == ""
    os.close(fd)


def test_a_deletion_whose_helper_is_killed_is_not_acknowledged_and_is_resumed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob") + line("eve"))
    store = opened(folder)
    assert ask(store, "bob") is not None
    parent = os.getpid()
    real = os.rename

    def die(old: str, new: str) -> None:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        with pytest.raises(Unavailable):
            store.delete("bob")
    assert b"bob" in foreign_view(folder)
    other = opened(folder)
    assert other.put(user("zoe"))
    other.tend()
    assert until(lambda: b"bob" not in foreign_view(folder))
    assert names(other) == ["eve", "zoe"]
    other.close()
    store.close()


def test_a_deletion_that_was_killed_at_any_step_is_resumed_for_foreign_programs_too(tmp_path: Path) -> None:
    """An unfinished one is resumed by the next lock-taker: before and after each call that changes a file."""
    step = 0
    while True:
        folder = base(tmp_path / str(step), line("bob", "1") + line("eve"), line("bob", "2") + line("carl"))
        status = in_child(lambda folder=folder, step=step: delete_and_die(folder, step))  # type: ignore[misc]
        if status == 0:
            break
        until_helpers_are_done(folder)
        store = opened(folder)
        assert store.put(user("zoe"))  # the next lock-taker
        store.tend()
        if ask(store, "bob") is None:
            assert until(lambda folder=folder: b"bob" not in foreign_view(folder), seconds=5), f"step {step}"  # type: ignore[misc]
        else:
            assert password_of(store, "bob") == ssha("2")
            assert foreign_view(folder)[b"bob"] == line("bob", "2")[:-1]
        assert foreign_view(folder).keys() - {b"bob"} == {b"carl", b"eve", b"zoe"}
        store.close()
        step += 1
    assert step >= 5


def delete_and_die(folder: Path, step: int) -> None:
    die_at(step)
    try:
        opened(folder).delete("bob")
    except Unavailable:  # its helper is as doomed
        os._exit(7)


def die_at(step: int) -> None:
    """End this process, as kill -9 would, before its `step`-th call that changes a file."""
    count = [0]

    def spoil(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **more: object) -> object:
            if count[0] == step:
                os._exit(9)
            count[0] += 1
            return real(*args, **more)

        setattr(os, name, call)

    for name in ("write", "pwrite", "fsync", "fdatasync", "rename", "link", "unlink", "fchmod"):
        spoil(name)


def until_helpers_are_done(folder: Path) -> None:
    """Nobody rewrites the folder any more: the lock of who does is free."""

    def free() -> bool:
        try:
            fd = os.open(folder / "nwauth.tmp.rewrite", os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    time.sleep(0.01)
    assert until(free)


def test_the_names_of_deleted_users_are_compared_folded(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", "\u212aate:*x:\n".encode() + line("eve"))
    store = opened(folder, shared=False)
    assert store.delete("KATE")
    assert fold_bytes("\u212aate".encode()) == b"kate"
    assert fresh_view(folder).keys() == {"eve"}
    store.close()


# --- the journal's own chores ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b"#del bob", b"#del b", b"#", b"bob:{ssha}AAAA", b"bob", b"\0bob:*x:"])
def test_ending_a_torn_line_makes_a_comment_of_it_and_nothing_else(tmp_path: Path, torn: bytes) -> None:
    """After a power cut the notes may be gone too: a torn `#del bobby` must not delete bob."""
    before = line("eve")
    folder = base(tmp_path / "users", line("b", "b") + line("bob", "old"), before + torn)
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    journal = (folder / "nwauth.add").read_bytes()
    assert journal.startswith(before + b"#")
    assert journal.endswith(b"\n" + line("zoe"))
    assert len(journal) == len(before) + len(torn) + 1 + len(line("zoe"))
    assert password_of(store, "bob") == ssha("old")
    assert password_of(store, "b") == ssha("b")
    assert names(store) == ["b", "bob", "eve", "zoe"]
    store.merge()
    assert names(store) == ["b", "bob", "eve", "zoe"]
    store.close()


def test_a_whole_foreign_line_without_its_end_is_kept_by_our_append(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob", "old"), line("bob", "new", 'q="1"')[:-1])
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    assert (folder / "nwauth.add").read_bytes() == line("bob", "new", 'q="1"') + line("zoe")
    store.close()


def test_a_set_while_the_journal_is_emptied_by_a_foreign_merge_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truncation between our record and our write: the line goes to the end that there is then."""
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder, shared=False, settle_seconds=0)
    assert store.put(user("carl"))
    real = os.pwrite
    done: list[bool] = []

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        sent = real(fd, data, offset)
        if not done:
            done.append(True)
            os.truncate(folder / "nwauth.add", 0)
        return sent

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        assert store.put(user("zoe"))
    assert password_of(store, "zoe") == ssha("secret")
    assert fresh_view(folder).keys() == {"bob", "zoe"}
    store.close()


# --- a deletion that is resumed must not undo what came after it ------------------------------------------------------


def unfinished_deletion(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete bob, and be killed before nwauth.txt is rewritten."""
    store = opened(folder)
    with monkeypatch.context() as patch:
        patch.setattr(helper, "start", lambda *_: (_ for _ in ()).throw(OSError(errno.EAGAIN, "no process")))
        with pytest.raises(Unavailable):
            store.delete("bob")
    store.close()


@pytest.mark.parametrize("where", ["txt", "both"])
def test_a_user_added_again_before_an_unfinished_deletion_is_resumed_stays(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(
        tmp_path / "users", line("bob", "old") + line("eve"), line("bob", "older") if where == "both" else None
    )
    unfinished_deletion(folder, monkeypatch)
    store = opened(folder)
    assert store.put(user("bob", "new"))
    store._chores.remove_deleted()
    assert password_of(store, "bob") == ssha("new")
    assert foreign_view(folder)[b"bob"] == line("bob", "new")[:-1]
    store.merge()
    store._chores.remove_deleted()
    assert password_of(store, "bob") == ssha("new")
    assert fresh_view(folder).keys() == {"bob", "eve"}
    store.close()


def test_a_deletion_that_was_killed_before_its_line_never_undoes_a_later_change(tmp_path: Path) -> None:
    """At whatever step it died: a set that is acknowledged afterwards stands, however the deletion is resumed."""
    for step in range(12):
        folder = base(tmp_path / str(step), line("bob", "1") + line("eve"), line("bob", "2"))
        in_child(lambda folder=folder, step=step: delete_and_die(folder, step))  # type: ignore[misc]
        until_helpers_are_done(folder)
        store = opened(folder)
        bob = ask(store, "bob")
        if bob is None:
            assert store.put(user("bob", "3"))
        else:
            assert store.replace(bob, bob.changed(stored_password=ssha("3")))
        store._chores.remove_deleted()
        assert password_of(store, "bob") == ssha("3"), step
        store.merge()
        store._chores.remove_deleted()
        assert fresh_view(folder)["bob"][1] == ssha("3"), step
        assert foreign_view(folder)[b"bob"] == line("bob", "3")[:-1], step
        store.close()


@pytest.mark.parametrize("half", [b"fred:{ssha}AB", b"fred", b"fred:", b"fred:{ssha}AB:", b'fred:*x:q="'])
def test_a_foreign_half_line_that_ours_is_glued_to_never_mixes_two_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bytes
) -> None:
    from nwauth.stores.flatfile import append

    folder = base(tmp_path / "users", line("bob") + line("fred", "own", 'q="1"'), line("eve"))
    store, reader = opened(folder, shared=False), opened(folder, shared=False)
    bob = ask(store, "bob")
    assert bob is not None
    real = append.end_last_line

    def end_last_line(*given: Any) -> None:
        real(*given)
        with (folder / "nwauth.add").open("ab") as file:
            file.write(half)

    with monkeypatch.context() as patch:
        patch.setattr(append, "end_last_line", end_last_line)
        assert store.replace(bob, bob.changed(stored_password=ssha("new"), info=bob.info.updated({"n": "2"})))
    hashed = ssha("new").encode()
    rows = (folder / "nwauth.add").read_bytes().split(b"\n")
    assert [row for row in rows if hashed in row] == [line("bob", "new", 'n="2"')[:-1]]
    store.merge()
    for one in (store, reader, opened(folder, settle_seconds=0)):
        found, fred = ask(one, "bob"), ask(one, "fred")
        assert found is not None
        assert fred is not None
        assert (found.stored_password, found.info.text) == (ssha("new"), 'n="2"')
        assert ssha("new") not in fred.stored_password + fred.info.text
        if half.count(b":") < 2:
            assert (fred.stored_password, fred.info.text) == (ssha("own"), 'q="1"')
        assert names(one) == ["bob", "eve", "fred"]
        one.close()


@pytest.mark.parametrize("call", ["pread", "fstat", "stat"])
def test_an_error_after_the_lock_was_taken_lets_it_go_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: LockFile, call: str
) -> None:
    base(tmp_path / "users", line("bob"))
    locked.take()
    locked.release()

    def fail(*_: object, **_more: object) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(Unavailable):
            locked.take(wait_seconds=0)
    other = LockFile(str(tmp_path / "users" / "nwauth.lock"), model="")
    other.take(wait_seconds=0)
    other.close()


@pytest.mark.parametrize("room", [-20, 0, 30, 900])
def test_a_full_disk_keeps_the_record_as_it_stands(tmp_path: Path, room: int) -> None:
    """RLIMIT_FSIZE in the child: the one pwrite of a long record stops short at any byte."""
    import resource

    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder)
    store.merge()
    store._remove_from_file = lambda wait_seconds: None  # type: ignore[method-assign]  # noqa: ARG005
    assert store.delete("eve")  # and its helper was killed: what is to be done stands in the record alone
    lock = LockFile(str(folder / "nwauth.lock"), model="")
    before = lock.read().encode()
    assert b"delete " in before
    assert b"old " in before
    size = (folder / "nwauth.lock").stat().st_size

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, size + room))
        inner = opened(folder)
        bob = ask(inner, "bob")
        assert bob is not None
        for _ in range(3):
            with pytest.raises(Unavailable, match="cannot write"):
                inner.replace(bob, bob.changed(info=bob.info.updated({"q": "z" * 5000})))
            assert lock.read().encode() == before
        assert ask(inner, "nobody") is None, "our own file is unsettled: that it is ours was forgotten"

    assert in_child(limited) == 0
    assert lock.read().encode() == before
    opened(folder)._chores.remove_deleted()
    assert foreign_view(folder).keys() == {b"bob"}
    store.close()


def test_what_an_upgrade_at_login_waits_for_the_lock_is_short(tmp_path: Path, locked: LockFile) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder, shared=False)
    bob = ask(store, "bob")
    assert bob is not None
    locked.take()
    for seconds in (0.0, 0.1):
        started = time.monotonic()
        with pytest.raises(Unavailable, match="locked"):
            store.replace(bob, bob.changed(stored_password=ssha("new")), wait_seconds=seconds)
        assert time.monotonic() - started < 2
    locked.release()
    assert store.replace(bob, bob.changed(stored_password=ssha("new")), wait_seconds=0.0)
    store.close()


def test_where_the_server_ignores_sigchld_a_helper_works_and_no_descriptor_is_left() -> None:
    def ignoring() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        fds = len(os.listdir("/proc/self/fd"))
        for text in ("", "no room"):

            def task(text: str = text) -> None:
                if text:
                    raise Unavailable(text)

            fd = helper.start(task)
            assert helper.outcome(fd, wait_seconds=10) == text
            os.close(fd)
        assert len(os.listdir("/proc/self/fd")) == fds

    assert in_child(ignoring) == 0


def test_a_foreign_line_that_comes_while_we_make_the_journal_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder, shared=False)
    real = files.create_like

    def create_like(path: str, model: str | None) -> int:
        fd = real(path, model)
        if not path.endswith("nwauth.lock"):
            with (folder / "nwauth.add").open("ab") as file:
                file.write(line("fred") + line("another"))
        return fd

    with monkeypatch.context() as patch:
        patch.setattr(files, "create_like", create_like)
        assert store.put(user("eve"))
    assert names(store) == ["another", "bob", "eve", "fred"]
    assert fresh_view(folder).keys() == {"another", "bob", "eve", "fred"}
    assert not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")]
    store.close()
