"""A folder served from an SQLite file, for the tests of that file's faults."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.faults.databases import SHORT_SECONDS, Folder

if TYPE_CHECKING:
    from pathlib import Path

MANY = 300


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
