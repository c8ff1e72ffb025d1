"""Several stores behind one child: routes, migration while serving, and stores that go down under it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import run
from tests.serving import Child, make_folder

if TYPE_CHECKING:
    from pathlib import Path

ROUTES = """
[[stores]]
name = "new"
kind = "sql"
url = "sqlite:///new.db"
match = ["*@test.com", "*@new.com"]
[[stores]]
name = "old"
path = "old"
do_set = "existing"
strip_suffix = "@test.com"
migrate_to = "new"
"""
SSHA = "{ssha}BuFLjIFUUSy1IltX3AuN420qV2ZFU7EL"  # of qwerty


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """A folder that serves a database, and behind it the flat files of NWAuth, whose names have no domain."""
    folder = make_folder(tmp_path / "mail", None, toml=ROUTES)
    make_folder(folder / "old", f'bob:*secret:quota="5"\nAnn:{SSHA}:a="1"\n'.encode())
    assert run(str(folder), "init", "--quiet").status == 0
    return folder


def test_init_makes_every_store_that_takes_new_users(tmp_path: Path) -> None:
    one = '[[stores]]\nname = "a"\npath = "a"\nmatch = "*@a"\n'
    one += '[[stores]]\nname = "b"\nkind = "sql"\nurl = "sqlite:///b.db"\n'
    old = '[[stores]]\nname = "old"\npath = "old"\ndo_set = "existing"\n'
    folder = make_folder(tmp_path / "mail", None, toml=one + old)
    (folder / "a").mkdir()
    (folder / "old").mkdir()
    assert run(str(folder), "init", "--quiet").status == 0
    assert sorted(os.listdir(folder)) == ["a", "b.db", "nwauth.toml", "old"]
    assert "nwauth.txt" in os.listdir(folder / "a")
    assert os.listdir(folder / "old") == []  # what is gone there is not to be told absent
    assert run(str(folder), "init").out.count('"change": "kept"') == 4


def log_of(folder: Path) -> str:
    return (folder / "nwauth.log").read_text()


def test_users_move_to_the_new_store_when_they_log_in_and_keep_what_they_are(mail: Path) -> None:
    with Child(mail, "-log") as child:
        assert child.ask(b"lookup ANN@test.com") == b'+OK Ann@test.com config 0 a="1"\n'
        assert child.ask(b"check ann@test.com wrong").startswith(b"-ERR ")
        assert child.ask(b"check bob@test.com secret") == b'+OK bob@test.com config 0 quota="5"\n'
        assert child.ask(b"check ann@test.com qwerty") == b'+OK Ann@test.com config 0 a="1"\n'
        assert child.ask(b"check ann@test.com qwerty") == b'+OK Ann@test.com config 0 a="1"\n'
        # The old base is no more needed for them.
        os.rename(mail / "old", mail / "gone")
        assert child.ask(b"check bob@test.com secret") == b'+OK bob@test.com config 0 quota="5"\n'
        assert child.ask(b"lookup nobody@test.com").startswith(b"-DEAD ")
    told = [line for line in log_of(mail).splitlines() if " migration=done " in line]
    assert [line.split()[2] for line in told] == ["user=bob@test.com", "user=ann@test.com"]
    listed = run(str(mail), "--store", "new", "user", "list", "--show-hash")
    assert '"store": "new"' in listed.out
    assert listed.out.count('"scheme": "argon2id"') == 2  # of clear text at once, of the other at the next login


def test_a_login_succeeds_while_the_new_store_takes_nobody(mail: Path) -> None:
    """A second process holds the database's lock: the move waits for another login."""
    import sqlite3

    holder = sqlite3.connect(mail / "new.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with Child(mail, "-log") as child:
        assert child.ask(b"check bob@test.com secret") == b'+OK bob@test.com config 0 quota="5"\n'
        holder.execute("ROLLBACK")
        holder.close()
        assert child.ask(b"check bob@test.com secret") == b'+OK bob@test.com config 0 quota="5"\n'
    assert 'migration="failed: ' in log_of(mail)
    assert "migration=done" in log_of(mail)


def test_nobody_moves_where_nothing_may_be_written(mail: Path) -> None:
    with Child(mail, "-readonly") as child:
        assert child.ask(b"check bob@test.com secret") == b'+OK bob@test.com config 0 quota="5"\n'
        assert child.ask(b"set bob@test.com new") == b"-ERR not supported here\n"
        assert child.ask(b"del bob@test.com") == b"-ERR not supported here\n"
    assert run(str(mail), "--store", "new", "user", "list").out == ""


def test_a_store_that_goes_down_under_a_child_is_never_told_as_no(mail: Path) -> None:
    with Child(mail) as child:
        assert child.ask(b"lookup bob@else.com") == b"-ERR bob@else.com does not exist\n"
        shutil.move(mail / "new.db", mail / "away.db")
        for suffix in ("-wal", "-shm"):
            if (mail / f"new.db{suffix}").exists():
                shutil.move(mail / f"new.db{suffix}", mail / f"away.db{suffix}")
        while not child.ask(b"lookup bob@test.com").startswith(b"-DEAD "):  # a look counts for two milliseconds
            pass
        for request in (b"lookup bob@test.com", b"check bob@test.com wrong", b"set bob@new.com x", b"del bob@test.com"):
            assert child.ask(request).startswith(b"-DEAD "), request
        assert child.ask(b"search *").splitlines()[-1].startswith(b"-DEAD ")
        # The old store alone is asked for this one.
        assert child.ask(b"lookup bob@else.com") == b"-ERR bob@else.com does not exist\n"
        for suffix in ("", "-wal", "-shm"):
            if (mail / f"away.db{suffix}").exists():
                shutil.move(mail / f"away.db{suffix}", mail / f"new.db{suffix}")
        assert child.ask(b"lookup bob@else.com") == b"-ERR bob@else.com does not exist\n"
        while child.ask(b"lookup bob@test.com").startswith(b"-DEAD "):
            pass
        assert child.ask(b"lookup bob@test.com") == b'+OK bob@test.com config 0 quota="5"\n'


def test_changes_go_where_the_user_is_and_new_users_where_they_are_taken(mail: Path) -> None:
    with Child(mail, "-log") as child:
        assert child.ask(b'set bob@test.com (NULL) a="2"') == b"+OK bob@test.com added to database\n"
        assert child.ask(b"set carl@new.com x") == b"+OK carl@new.com added to database\n"
        assert child.ask(b"set CARL@new.com y") == b"+OK CARL@new.com added to database\n"
        assert child.ask(b"set dave@else.com x") == b"-ERR not supported here\n"
        assert child.ask(b"check carl@new.com y") == b"+OK carl@new.com config 0\n"
        assert child.ask(b"search *new*") == b"+DATA carl@new.com\n+OK Search Complete 1 items found out of 3\n"
        assert child.ask(b"del bob@test.com") == b"+OK bob@test.com deleted\n"
        assert child.ask(b"lookup bob@test.com") == b"-ERR bob@test.com does not exist\n"
    assert "no store takes a new user of the name 'dave@else.com'" in log_of(mail)
    assert run(str(mail), "--store", "new", "user", "list").out.count("\n") == 1


def test_a_deletion_that_would_bring_an_older_user_to_life_is_refused(mail: Path) -> None:
    (mail / "nwauth.toml").write_text(ROUTES + "do_del = false\n")
    with Child(mail, "-log") as child:
        assert child.ask(b"check bob@test.com secret").startswith(b"+OK ")  # bob is in both now
        assert child.ask(b"del bob@test.com") == (
            b"-ERR store old has the user, and takes no deletions: nothing is deleted\n"
        )
        assert child.ask(b"check bob@test.com secret").startswith(b"+OK ")


def test_commands_work_on_all_stores_as_the_server_sees_them_or_on_one(mail: Path) -> None:
    folder = str(mail)
    assert run(folder, "user", "list").out.count("\n") == 2
    assert run(folder, "user", "add", "carl@new.com", "--password-stdin", stdin=b"x\n").status == 0
    assert '"store": "new"' in run(folder, "user", "show", "carl@new.com").out
    assert '"store": "old"' in run(folder, "user", "show", "bob@test.com").out
    assert run(folder, "--store", "old", "user", "show", "bob@test.com").status == 1
    assert '"user": "bob"' in run(folder, "--store", "old", "user", "show", "bob").out
    assert run(folder, "user", "set", "bob@test.com", "quota=7").status == 0
    assert 'quota="7"' in (mail / "old" / "nwauth.add").read_text()
    refused = run(folder, "user", "add", "dave@else.com", "--password-stdin", stdin=b"x\n")
    assert refused.status == 1
    assert "no store takes a new user of the name 'dave@else.com'" in refused.err
    assert run(folder, "test", "bob@test.com", "--password-stdin", stdin=b"secret\n").status == 0
    assert run(folder, "--store", "new", "user", "list").out.count("\n") == 1, "a trial moves nobody"
    assert run(folder, "merge").status == 1
    assert run(folder, "--store", "old", "merge").status == 0
