"""SQLite for a serving child that is root: what it opens and removes by name, it does as the owner of the folder.

A journal left beside the database has SQLite remove the file that it names.  Until SQLite has its write-ahead log open,
one may lie there before any transaction: so long each statement runs with the owner's ids.
"""

from __future__ import annotations

import os
import sqlite3

from nwauth.owner import AsOwner
from nwauth.stores.sql.drivers.base import Trouble
from nwauth.stores.sql.drivers.sqlite import Connection, SqliteDriver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self


class OwnersCursor(sqlite3.Cursor):
    """One whose statements run as the owner of the folder."""

    connection: OwnersConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        """As `sqlite3.Cursor`."""
        if self.connection.has_log:
            return super().execute(sql, parameters)
        with self.connection.as_owner:
            return super().execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Self:
        """As `sqlite3.Cursor`."""
        with self.connection.as_owner:
            return super().executemany(sql, rows)


class OwnersConnection(Connection):
    """One that is used as the owner of the folder."""

    as_owner: AsOwner
    has_log = False  # by SQLite's own word: it is open, and no file is looked for any more

    def cursor(self, factory: Any = OwnersCursor) -> Any:
        """As `sqlite3.Connection`."""
        return super().cursor(factory)

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """As `sqlite3.Connection`, whose own would take a plain cursor."""
        return self.cursor().execute(sql, parameters)

    def close(self) -> None:
        """As `sqlite3.Connection`: the last one removes the log."""
        with self.as_owner:
            super().close()


class RootsSqliteDriver(SqliteDriver):
    """A file in a folder that may be another account's, and a link to it in another's."""

    run = staticmethod(OwnersCursor.execute)  # type: ignore[assignment]  # as the plain driver's: no call more
    _is_anothers = False

    def opened(self, factory: type[Connection] = OwnersConnection) -> Connection:
        """As `SqliteDriver`."""
        as_owner = AsOwner(os.path.dirname(self.place()), os.path.dirname(os.path.realpath(self.place())))
        self._is_anothers = as_owner.is_another
        with as_owner:
            connection = super().opened(factory)
        assert isinstance(connection, OwnersConnection)  # noqa: S101
        connection.as_owner = as_owner
        return connection

    def _set_up(self, connection: Connection) -> None:
        super()._set_up(connection)
        assert isinstance(connection, OwnersConnection)  # noqa: S101
        connection.has_log = connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]

    def _trouble(self, code: int, error: sqlite3.Error) -> Trouble:
        found = super()._trouble(code, error)
        if code & 0xFF != sqlite3.SQLITE_CANTOPEN or not self._is_anothers:
            return found
        return Trouble(found.kind, f"{found.text}, as the owner of its folder, who must have it", broken=found.broken)
