"""The database of the throttle: wrong passwords by client and by user, and from where users have logged in.

SQLite with a write-ahead log: reading waits for no writer, and whoever is killed at whatever instant leaves it whole.
Nothing is waited for on the disk: after a power failure the file may be damaged, and is then made anew.  Names are kept
as the bytes that they are on the wire; a tag below 0 stands for a password of which none could be made.
"""

from __future__ import annotations

import os
from time import monotonic

from nwauth.errors import ConfigError
from nwauth.owner import AsOwner
from nwauth.policy.throttle import files

try:
    import _sqlite3 as sqlite  # the library itself: 5 ms, and 8 with the module around it
except ImportError:
    try:
        import sqlite3 as sqlite  # type: ignore[no-redef]
    except ImportError:
        raise ConfigError("the throttle needs SQLite, without which this Python was built") from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from sqlite3 import Connection
    from typing import Any, Final

    from nwauth.policy.throttle.files import Identity

BUSY_SECONDS = 0.05  # for another writer; each holds the database for some 50 microseconds
USE_SECONDS = 2.0  # for what takes some 50 microseconds; the mail server waits for 10
STEPS = 1000  # of SQLite's machine between two looks at the clock: most of our statements take fewer
MAX_VALUE_BYTES = 1 << 20  # so that no single step takes long
SWEPT_ROWS = 100  # at most, of each table, by one transaction
SWEEP_EVERY = 20  # transactions

APPLICATION_ID = 0x6E776174  # "nwat"
_BY_KEY = " WITHOUT ROWID"
_KEPT = "tag INTEGER NOT NULL, at REAL NOT NULL"
SCHEMA = (
    f"CREATE TABLE of_client (client BLOB NOT NULL, user BLOB NOT NULL, {_KEPT}, PRIMARY KEY (client, user, tag))"
    + _BY_KEY,
    "CREATE INDEX of_client_at ON of_client (at)",
    f"CREATE TABLE of_user (user BLOB NOT NULL, {_KEPT}, PRIMARY KEY (user, tag))" + _BY_KEY,
    "CREATE INDEX of_user_at ON of_user (at)",
    "CREATE TABLE trusted (user BLOB NOT NULL, client BLOB NOT NULL, at REAL NOT NULL, PRIMARY KEY (user, client))"
    + _BY_KEY,
    "CREATE INDEX trusted_at ON trusted (at)",
)
TABLES = ("of_client", "of_user", "trusted")
KEYS = {"of_client": "client, user, tag", "of_user": "user, tag", "trusted": "user, client"}

_SWEEP = {
    table: f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE at <= ? ORDER BY at LIMIT {SWEPT_ROWS})"  # noqa: S608, E501, names of ours
    for table, key in KEYS.items()
}
# An index that must be there: a view that another program puts in the place of a table, perhaps one without an end,
# has none, and is found out before it is asked.
_BY = {table: f"{table} INDEXED BY sqlite_autoindex_{table}_1" for table in TABLES}
_COUNTS = (
    f"SELECT (SELECT count(*) FROM (SELECT 1 FROM {_BY['of_client']} WHERE client = ? AND at > ? LIMIT ?)),"  # noqa: S608
    f" (SELECT count(*) FROM (SELECT 1 FROM {_BY['of_user']} WHERE user = ? AND at > ? LIMIT ?))"
)
_IS_TRUSTED = f"SELECT count(*) FROM {_BY['trusted']} WHERE user = ? AND client = ? AND at > ?"  # noqa: S608
# What was counted within the window is not counted again, and does not stay longer for it.
# The key is named: SQLite before 3.35 wants it.
_OF_CLIENT = (
    "INSERT INTO of_client VALUES (?, ?, ?, ?) ON CONFLICT (client, user, tag)"
    " DO UPDATE SET at = excluded.at WHERE at <= ? OR at > excluded.at"
)
_OF_USER = (
    "INSERT INTO of_user VALUES (?, ?, ?) ON CONFLICT (user, tag)"
    " DO UPDATE SET at = excluded.at WHERE at <= ? OR at > excluded.at"
)
_TRUST = "INSERT INTO trusted VALUES (?, ?, ?) ON CONFLICT (user, client) DO UPDATE SET at = excluded.at"

DAMAGED_CODES = frozenset((sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB, sqlite.SQLITE_SCHEMA))
PASSING_CODES = frozenset(  # after which the connection is as good as before
    (sqlite.SQLITE_BUSY, sqlite.SQLITE_LOCKED, sqlite.SQLITE_FULL, sqlite.SQLITE_READONLY)
)


class Damaged(Exception):
    """The file is no database of ours any more: it has to be made anew."""


class Moved(Exception):
    """Another file has taken the name, while it was opened: try again."""


TROUBLES = (sqlite.Error, OSError, Damaged, Moved)


class Database:
    """An open database, the file of that identity; errors are SQLite's own, `OSError`, `Damaged` and `Moved`.

    No use of it takes more than `seconds`: what another program has just made of the tables, as a trigger without an
    end, must not hold a login.
    """

    def __init__(self, path: str, identity: Identity, *, seconds: float = USE_SECONDS) -> None:
        self._path: Final = path
        self._identity: Final = identity
        self._log: Identity | None = None
        self._index = path + files.LOGS[1]
        self._mapped = 0  # bytes of it
        self._writes = 0
        self._seconds: Final = seconds
        self._until = monotonic() + seconds
        self._schema = 0  # grows with each change of the tables, which nobody but another program makes
        files.look_beside(path)
        self._as_owner: Final = AsOwner(os.path.dirname(path))  # what came after the look leads root nowhere either
        with self._as_owner:
            self._connection: Final[Connection] = sqlite.connect(
                located(path, "mode=rw"), uri=True, isolation_level=None, timeout=BUSY_SECONDS
            )
        self._ask: Final = self._connection.execute
        try:
            self._connection.set_progress_handler(lambda: monotonic() > self._until, STEPS)
            self._connection.setlimit(sqlite.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
            with self._as_owner:
                self._set_up()
            self._log = _identity_of(path + files.LOGS[0])
            self._mapped = os.stat(self._index).st_size
            self._stay()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        self._ask("PRAGMA trusted_schema = OFF")
        self._ask("PRAGMA cell_size_check = ON")
        self._ask("PRAGMA cache_size = -512")
        self._ask("PRAGMA synchronous = OFF")
        self._ask("PRAGMA wal_autocheckpoint = 250")
        if self._ask("PRAGMA application_id").fetchall() != [(APPLICATION_ID,)]:
            raise Damaged(f"{self._path} is no database of nwauth's throttle")
        self._schema = self._schema_version()  # before the look: what changes during it is seen afterwards
        found = self._ask("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        if sorted(text for (text,) in found) != sorted(SCHEMA):
            raise Damaged(f"{self._path} has other tables than those of this version of nwauth")
        if self._ask("PRAGMA journal_mode").fetchall() != [("wal",)]:  # a backup may be without
            self._ask("PRAGMA journal_mode = MEMORY").fetchall()  # so that no journal of ours ever lies beside it
            self._ask("PRAGMA journal_mode = WAL").fetchall()
        self._ask("SELECT count(*) FROM sqlite_master").fetchall()  # opens the log, which stays while we do

    def _stay(self) -> None:
        if not self.is_in_place():
            raise Moved

    def close(self) -> None:
        """Give the file back."""
        try:
            self.guard()
        except Moved:  # it is whole again
            pass
        with self._as_owner:
            self._connection.close()

    def guard(self) -> None:
        """Before each use: the index of the log is mapped into our memory, and must be there as long as ever it was.

        Touching what another program has cut off, as by copying a backup over it, would end this process.

        Raises:
            Moved: it was cut off; it has its length again, and the database must be opened again.
            OSError: its length cannot be given back.
        """
        self._until = monotonic() + self._seconds
        try:
            size = os.stat(self._index).st_size
        except FileNotFoundError:  # what is mapped stays
            return
        if size >= self._mapped:
            self._mapped = size
            return
        with self._as_owner:
            descriptor = os.open(self._index, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.posix_fallocate(descriptor, 0, self._mapped)
        finally:
            os.close(descriptor)
        raise Moved

    def is_in_place(self) -> bool:
        """Whether the names still are those of the file that is open, and of its log, and the tables as they were.

        Another program that can write the file could put a trigger into it.  Raises OSError, SQLite's errors.
        """
        if _identity_of(self._path) != self._identity or _identity_of(self._path + files.LOGS[0]) != self._log:
            return False
        return self._schema_version() == self._schema

    def _schema_version(self) -> int:
        ((version,),) = self._ask("PRAGMA schema_version").fetchall()
        return int(version)

    # -- questions

    def counts(self, client: bytes, user: bytes, since: float, most: tuple[int, int]) -> tuple[int, int]:
        """How many wrong passwords came from a client, and for a user, after `since`; none is counted over `most`."""
        ((of_client, of_user),) = self._ask(_COUNTS, (client, since, most[0], user, since, most[1])).fetchall()
        return of_client, of_user

    def trusts(self, user: bytes, client: bytes, since: float) -> bool:
        """Whether the user has logged in from there after `since`."""
        return bool(self._ask(_IS_TRUSTED, (user, client, since)).fetchall()[0][0])

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """What a statement brings, all of it."""
        return self._ask(statement, values).fetchall()

    # -- changes

    def count(self, *, client: bytes | None, user: bytes, tag: int, at: float, since: float, for_user: bool) -> None:
        """Count a wrong password, for the client and for the user as wanted, unless it was counted after `since`."""
        steps: list[tuple[str, tuple[object, ...]]] = []
        if client is not None:
            steps.append((_OF_CLIENT, (client, user, tag, at, since)))
        if for_user:
            steps.append((_OF_USER, (user, tag, at, since)))
        self.change(steps)

    def trust(self, user: bytes, client: bytes, at: float) -> None:
        """Note a login."""
        self._ask(_TRUST, (user, client, at))

    def is_due(self) -> bool:
        """Whether it is time to sweep."""
        self._writes += 1
        return self._writes % SWEEP_EVERY == 0

    def sweep(self, since: float, trusted_since: float) -> None:
        """Remove some of what counts no more."""
        self.change((_SWEEP[table], (trusted_since if table == "trusted" else since,)) for table in TABLES)

    def clamp(self, now: float) -> None:
        """The clock was put back: what was counted in the future was counted now."""
        for table in TABLES:
            if self._ask(f"SELECT 1 FROM {table} INDEXED BY {table}_at WHERE at > ? LIMIT 1", (now,)).fetchall():  # noqa: S608
                self._ask(f"UPDATE {table} SET at = ? WHERE at > ?", (now, now))  # noqa: S608

    def change(self, steps: Iterable[tuple[str, tuple[object, ...]]]) -> int:
        """Take several steps, all or none; how many rows that changed."""
        self._ask("BEGIN IMMEDIATE")
        try:
            changed = sum(max(0, self._ask(*step).rowcount) for step in steps)
            self._ask("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has undone it already
                self._ask("ROLLBACK")
            raise
        return changed


def image() -> bytes:
    """A database with nothing in it, as a file holds it, marked for write-ahead logging."""
    connection = sqlite.connect(":memory:", isolation_level=None)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in SCHEMA:
            connection.execute(statement)
        data = bytearray(connection.serialize())
    finally:
        connection.close()
    data[18] = data[19] = 2  # the file format's versions for writing and for reading: 2 is write-ahead logging
    return bytes(data)


def code_of(error: BaseException) -> int:
    """SQLite's plain code of an error; 0 where it is none of SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Whether the error tells that the file must be made anew."""
    if isinstance(error, Damaged) or code_of(error) in DAMAGED_CODES:
        return True
    return code_of(error) == sqlite.SQLITE_ERROR and "no such " in str(error)  # another program took a table away


def is_passing(error: BaseException) -> bool:
    """Whether the connection is as good as before."""
    return code_of(error) in PASSING_CODES and getattr(error, "sqlite_errorname", "") != "SQLITE_READONLY_DBMOVED"


def words(path: str, error: BaseException) -> str:
    """An error in one line."""
    code = code_of(error)
    if code in {sqlite.SQLITE_BUSY, sqlite.SQLITE_LOCKED}:
        return f"{path} is locked by another program"
    if code == sqlite.SQLITE_CANTOPEN and files.is_root():
        return f"{path} cannot be opened by the owner of its folder, as whom root works there: remove it"
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return why if path in why else f"{path}: {why}"


def _identity_of(path: str) -> Identity | None:
    try:
        return files.identity(os.stat(path))
    except FileNotFoundError:
        return None


def located(path: str, way: str) -> str:
    """The path as SQLite takes it, to be opened in this way: a file that is not there is not made by looking for it."""
    escaped = "".join(
        chr(b) if 48 <= b <= 57 or 65 <= b <= 90 or 97 <= b <= 122 or b in b"/._-" else f"%{b:02x}"
        for b in os.fsencode(os.path.abspath(path))
    )
    return f"file:{escaped}?{way}"
