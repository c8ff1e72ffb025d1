"""SQLite: a file that is moved away, replaced, cut off or overwritten while it is served."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.databases.processes import wait_until
from tests.faults.databases import (
    ALL,
    RESUMED_SECONDS,
    Folder,
    assert_dead,
    assert_ends_well,
    assert_resumes,
    initialise,
    seconds_until,
)
from tests.faults.sqlite import (
    MANY,
    OWNER,
    assert_whole,
    connected,
    give_away,
    left_journal,
    needs_root,
    put_many,
    served,
    users_db,
)
from tests.stores.folders import fast_folder

if TYPE_CHECKING:
    from tests.serving import Child


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return served(tmp_path)


def notices(child: Child, reply: bytes, *others: bytes) -> None:
    """That another file is there, or none, is noticed soon (requests that come together share one look at it)."""

    def noticed() -> bool:
        said = child.ask(b"lookup bob")
        assert said.startswith((reply, *others)), said
        return said.startswith(reply)

    wait_until(noticed, "the child notices")


def test_moved_away_it_says_dead_and_makes_no_new_file_until_it_is_back(folder: Folder) -> None:
    file, away = users_db(folder), folder.path / "away.db"
    with folder.child() as child, folder.child() as other:
        for one in (child, other):
            assert one.ask(b"lookup bob").startswith(b"+OK bob ")
        file.rename(away)
        for one in (child, other):
            notices(one, b"-DEAD ", b"+OK bob ")
            assert_dead(one, *ALL)
        assert not file.exists()
        away.rename(file)
        for one in (child, other):
            assert_resumes(one)
            assert_ends_well(one)
    assert_whole(folder)
    assert len(folder.outages()) >= 2
    assert [line for line in folder.log() if line["command"] != "store"] == []


@pytest.mark.parametrize("children", [1, 2])
@pytest.mark.parametrize("way", ["with its log", "alone"])
def test_a_restored_backup_is_served_as_it_was_made(folder: Folder, children: int, way: str) -> None:
    """Renamed over the file while children serve it: nothing of the old file's log is ever mixed into the new file.

    Where that log was left there, "cannot tell" until it is removed.
    """
    put_many(folder)
    backup = folder.path / "backup.db"
    with connected(folder) as connection:
        connection.execute("VACUUM INTO ?", [str(backup)])
    with ExitStack() as stack:
        served = [stack.enter_context(folder.child()) for _ in range(children)]
        for child in served:
            assert child.ask(b"lookup user7").startswith(b"+OK user7 ")
        change_all(served[0])
        if way == "with its log":
            remove_log(folder)
        os.replace(backup, users_db(folder))
        for child in served:
            notices(
                child, b'+OK bob config 0 note="old"\n' if way == "with its log" else b"-DEAD ", b"+OK bob config 0\n"
            )
        if way == "alone":
            for child in served:
                assert_dead(child, b"lookup user1", b"lookup user2", b"lookup nobody", b"set eve secret")
            remove_log(folder)
            for child in served:
                notices(child, b'+OK bob config 0 note="old"\n', b"-DEAD ")
        for child in served:
            assert_as_in_the_backup(child)
        assert served[0].ask(b"set late secret").startswith(b"+OK")
        for child in served:
            assert child.ask(b"lookup late").startswith(b"+OK late ")
            assert_as_in_the_backup(child)
            assert_ends_well(child)
    assert_whole(folder)
    with folder.child() as child:
        assert child.ask(b"lookup late").startswith(b"+OK late ")
        assert_as_in_the_backup(child)


@pytest.mark.parametrize("way", ["with its log", "alone"])
def test_a_search_after_the_file_was_replaced_brings_the_old_one_not_back(folder: Folder, way: str) -> None:
    """A listing has a connection of its own; what it finds says nothing about the one that is kept."""
    put_many(folder, count=20)
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        assert child.ask(b"set late secret").startswith(b"+OK")
        if way == "with its log":
            remove_log(folder)
        users_db(folder).rename(folder.path / "old.db")
        users_db(folder).write_bytes(b"")
        for request in (b"search *", b"set bob other", b"lookup bob", b"search *", b"del bob", b"set eve secret"):
            assert_dead(child, request)
        assert_ends_well(child)


def remove_log(folder: Folder) -> None:
    for end in ("-wal", "-shm"):
        users_db(folder).with_name(f"users.db{end}").unlink(missing_ok=True)


def change_all(child: Child) -> None:
    for n in range(0, MANY, 2):
        assert child.ask(b'set user%d changed note="new"' % n).startswith(b"+OK")
    for n in range(1, MANY, 2):
        assert child.ask(b"del user%d" % n).startswith(b"+OK")
    assert child.ask(b'set bob (NULL) note=""').startswith(b"+OK")


def assert_as_in_the_backup(child: Child) -> None:
    for n in range(MANY):
        assert child.ask(b"lookup user%d" % n) == b'+OK user%d config 0 note="%s"\n' % (n, b"x" * 200)
    assert child.ask(b"check user0 secret").startswith(b"+OK")
    assert child.ask(b"check user0 changed").startswith(b"-ERR")


@pytest.mark.parametrize("part", [0.0, 0.1, 0.4, 0.7, 0.95])
def test_of_a_file_cut_off_nobody_is_said_to_be_absent(folder: Folder, part: float) -> None:
    put_many(folder)
    file = users_db(folder)
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        os.truncate(file, int(file.stat().st_size * part))
        assert_nobody_denied(child)
        assert_ends_well(child)
    with folder.child() as child:
        assert_nobody_denied(child)
        assert_ends_well(child)
    assert folder.outages()


def assert_nobody_denied(child: Child) -> None:
    for n in range(MANY):
        reply = child.ask(b"lookup user%d" % n)
        assert reply.startswith((b"+OK user%d config " % n, b"-DEAD ")), reply


GARBAGE = [b"", b"garbage" * 9999, b"SQLite format 3\0" + b"\xff" * 9999, bytes(65536)]


@pytest.mark.parametrize("content", GARBAGE)
def test_with_a_file_that_is_no_database_of_ours_all_say_dead_until_it_is_one(folder: Folder, content: bytes) -> None:
    put_many(folder, count=50)
    file, good = users_db(folder), folder.path / "good.db"
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        file.rename(good)
        file.write_bytes(content)
        notices(child, b"-DEAD ", b"+OK bob ")
        assert_dead(child, *ALL)
        with folder.child() as new:
            assert_dead(new, *ALL)
            assert_ends_well(new)
        good.rename(file)
        assert_resumes(child)
        assert child.ask(b"lookup user49").startswith(b"+OK ")
        assert_ends_well(child)
    assert_whole(folder)
    assert [line for line in folder.log() if line["command"] != "store"] == []


@pytest.mark.parametrize("content", GARBAGE)
def test_a_file_that_is_overwritten_while_it_is_served_denies_nobody(folder: Folder, content: bytes) -> None:
    put_many(folder)
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        users_db(folder).write_bytes(content)
        assert_nobody_denied(child)
        with folder.child() as new:
            assert_dead(new, *ALL)
            assert_ends_well(new)
        assert_nobody_denied(child)
        assert_ends_well(child)


def test_a_file_without_our_table_says_dead_until_init_has_made_it(folder: Folder) -> None:
    file = users_db(folder)
    with folder.child() as child:
        file.rename(file.with_name("old.db"))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE other (name TEXT)")
        assert_dead(child, *ALL)
        initialise(folder.path)
        assert seconds_until(child, b"lookup bob", b"-ERR bob does not exist") < RESUMED_SECONDS
        assert child.ask(b"set bob secret").startswith(b"+OK")
        assert_ends_well(child)


@pytest.mark.parametrize("end", ["", "-journal", "-wal", "-shm"])
def test_a_fifo_holds_no_child(folder: Folder, end: str) -> None:
    file, good = users_db(folder), folder.path / "good.db"
    obstacle = Path(f"{file}{end}")
    put_many(folder, count=1)
    if not end:
        file.rename(good)
    obstacle.unlink(missing_ok=True)
    os.mkfifo(obstacle, 0o444)
    with folder.child() as child:
        assert_dead(child, *ALL)
        obstacle.unlink()
        if not end:
            good.rename(file)
        assert_resumes(child)
        assert_ends_well(child)
    assert "is no plain file: move it away" in folder.log()[0]["reason"]


# --- a folder of another account, served by root ---------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_root_removes_no_file_that_a_journal_of_the_folders_owner_names(mode: str) -> None:
    """Out of write-ahead logging SQLite looks for one before each transaction."""
    with fast_folder() as top:
        folder = served(Path(top))
        with connected(folder) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        give_away(folder.path)
        victim = Path(top) / "victim"
        victim.write_text("of root")
        journal = folder.path / "users.db-journal"
        left_journal(journal, victim)
        with folder.child() as child:
            child.ask(b"lookup bob")
            assert victim.exists()
            journal.unlink(missing_ok=True)
            assert_resumes(child)
            for request in (b"lookup bob", b"set eve secret", b"check eve secret", b"search *"):
                left_journal(journal, victim)
                child.ask(request)
                assert victim.exists()
                journal.unlink(missing_ok=True)
            assert_ends_well(child)
        assert {path.stat().st_uid for path in folder.path.glob("users.db*")} == {OWNER}


@needs_root
def test_root_says_whose_the_file_must_be_that_the_folders_owner_cannot_open() -> None:
    with fast_folder() as top:
        folder = served(Path(top))
        give_away(folder.path)
        os.chown(users_db(folder), 0, 0)
        with folder.child() as child:
            assert_dead(child, b"lookup bob")
        assert "as the owner of its folder, who must have it" in folder.log()[0]["reason"]
