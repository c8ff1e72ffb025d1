"""A folder served from an SQLite file, for the tests of that file's faults."""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.faults.databases import SHORT_SECONDS, Folder

if TYPE_CHECKING:
    from pathlib import Path

MANY = 300
ROOT = os.geteuid() == 0
OWNER = 12345  # of a folder that is not root's
needs_root = pytest.mark.skipif(not ROOT, reason="only root is led where others cannot go")


def served(path: Path) -> Folder:
    """A folder that holds bob; its time-outs are short."""
    folder = Folder(path / "users", "sqlite:///users.db", statement_timeout_seconds=SHORT_SECONDS)
    with folder.child() as child:
        assert child.ask(b'set bob secret note="old"').startswith(b"+OK")
    return folder


def users_db(folder: Folder) -> Path:
    return folder.path / "users.db"


def connected(folder: Folder) -> closing[sqlite3.Connection]:
    """Another program's connection."""
    return closing(sqlite3.connect(users_db(folder), isolation_level=None))


def left_journal(file: Path, removes: Path) -> None:
    """A journal as after a crash, which the folder's owner has left: played back, it removes the file at its end."""
    name = os.fsencode(removes)
    tail = struct.pack(">I", 1) + name + struct.pack(">II", len(name), sum(name)) + b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
    file.write_bytes(b"\xff" * 512 + tail)
    if ROOT:
        os.chown(file, OWNER, OWNER)


def give_away(folder: Path) -> None:
    """A folder and what is in it is the owner's, who can come to it; root alone can do that."""
    if ROOT:
        folder.parent.chmod(0o755)
        for path in (folder, *folder.iterdir()):
            os.chown(path, OWNER, OWNER)


def put_many(folder: Folder, password: str = "secret", count: int = MANY) -> None:
    with folder.child() as child:
        child.send(b"".join(b'set user%d %s note="%s"\n' % (n, password.encode(), b"x" * 200) for n in range(count)))
        assert all(child.line().startswith(b"+OK") for _ in range(count))
    with connected(folder) as connection:  # all is in the file itself, nothing in its log
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall() == [(0, 0, 0)]


def assert_whole(folder: Folder) -> None:
    with connected(folder) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
