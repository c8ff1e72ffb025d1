"""SQLite: a file of our own machine, in write-ahead logging, so that reading never waits for a writer."""

from __future__ import annotations

import os
import sqlite3
from errno import EINVAL
from math import inf
from stat import S_ISREG
from time import monotonic, sleep

from nwauth.errors import ConfigError
from nwauth.names import fold
from nwauth.stores.sql.drivers.base import DOWN, EMPTY, LOST, SQLITE_EXACT, TAKEN, UNFIT, Driver, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

    from nwauth.stores.sql.drivers.base import Ask, Limits, Row

REMEDIES = {"no such table": "run nwauth init, or mend [stores]", "no such column": "mend [stores.columns]"}
BESIDE = ("-journal", "-wal", "-shm")  # another program's database may have a journal
OPERATIONS = 10_000  # of SQLite's machine between two looks at the clock: some 100 microseconds

TAKEN_CODES = frozenset((sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY))
CANCELLED = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT))
UNUSABLE = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


def path_of(url: str) -> str:
    """The file of a URL ``sqlite:///relative`` or ``sqlite:////absolute``.

    Raises:
        ConfigError: the URL names none.
    """
    head, _, path = url.partition(":///")
    if not path or head.partition("+")[0].lower() != "sqlite" or "?" in path or path == ":memory:":
        raise ConfigError("found a URL of another form, wanted sqlite:///FILE, without options behind it")
    return path


WAL_TRIES = 500  # of ten seconds in all


class Overlaid(Exception):
    """Another file has taken the place of the database, but not of its log: SQLite would read one over the other."""


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


class Connection(sqlite3.Connection):
    """A connection that knows which file, and which log, it was opened on."""

    identity: tuple[int, int] | None = None
    log: tuple[int, int] | None = None


class SqliteDriver(Driver):
    """A file; it is never made by looking for it: a database that is gone is not an empty one."""

    dialect = "sqlite"
    mark = "?"
    lower_is_ascii = True
    exact_form = SQLITE_EXACT
    trusted_seconds = 0.002  # a look at the file takes as long as a look-up; requests that come together share it
    run = staticmethod(sqlite3.Cursor.execute)  # type: ignore[assignment]  # itself: no call more
    lock_rows = lock_rows_at_once = ""  # the transaction itself keeps writers out

    def __init__(self, url: str, limits: Limits) -> None:
        self._path: Final = path_of(url)
        self.limits = limits
        self._until = 0.0

    def place(self) -> str:
        return self._path

    def connect(self, until: float) -> Any:
        identity = _identity(self._path)
        _look_at_files(self._path)
        connection = self.opened()
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        connection.identity = identity
        return connection

    def opened(self, factory: type[Connection] = Connection) -> Connection:
        """A connection to the file, of that class."""
        escaped = self._path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        return sqlite3.connect(
            f"file:{escaped}?mode=rw", uri=True, isolation_level=None, factory=factory, timeout=self.limits.statement
        )

    def _set_up(self, connection: Connection) -> None:
        connection.create_function("nwauth_fold", 1, _folded, deterministic=True)
        connection.set_progress_handler(self._is_late, OPERATIONS)
        self._until = monotonic() + self.limits.request
        connection.execute("PRAGMA synchronous = FULL")  # a commit is durable: what was answered +OK stays
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # opens the log, which stays while we do
        try:
            connection.log = _identity(f"{self._path}-wal")
        except FileNotFoundError:
            connection.log = None

    def start(self, connection: Any, until: float) -> None:
        self._until = min(until, monotonic() + self.limits.statement)

    def adopt(self, ask: Ask) -> None:
        """A file that was restored from a backup may be out of write-ahead logging: readers would wait for writers."""
        if ask("PRAGMA journal_mode", ())[0][0] != "wal":
            try:
                ask("PRAGMA journal_mode = WAL", ())
            except sqlite3.Error:  # read-only, or in use: the next connection tries again
                return

    def answers(self, connection: Any) -> bool:
        return True

    def _is_late(self) -> bool:
        return monotonic() > self._until

    def is_stale(self, connection: Any) -> bool:
        """Whether another file has taken the name.

        Raises:
            OSError: there is none any more.
            Overlaid: the old one's log would be read over it.
        """
        if _identity(self._path) == connection.identity:
            return False
        try:
            log = _identity(f"{self._path}-wal")
        except FileNotFoundError:
            return True
        if log == connection.log:
            raise Overlaid
        return True

    def quote(self, identifier: str) -> str:
        return '"' + identifier.replace('"', '""') + '"'

    def begin(self, cursor: Any, wait_seconds: float | None) -> None:
        if wait_seconds is None:
            cursor.execute("BEGIN IMMEDIATE")
            return
        cursor.execute(f"PRAGMA busy_timeout = {int(wait_seconds * 1000)}")
        try:
            cursor.execute("BEGIN IMMEDIATE")
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {int(self.limits.statement * 1000)}")

    def rollback(self, cursor: Any) -> None:
        if cursor.connection.in_transaction:  # a full disk has undone it already
            super().rollback(cursor)

    def folded(self, expression: str) -> str:
        return f"nwauth_fold({expression})"  # SQLite's own lower() knows ASCII alone

    def stream(self, connection: Any, statement: str, parameters: Sequence[object]) -> Iterator[Row]:
        connection.set_progress_handler(None, 0)  # the clock is that of a request
        return super().stream(connection, statement, parameters)

    def scans(self, cursor: Any, statement: str, parameters: Sequence[object]) -> bool:
        return any(row[3].startswith("SCAN") for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    def trouble(self, error: Exception, connection: Any | None) -> Trouble | None:
        if isinstance(error, OSError):
            return Trouble(DOWN, f"{self._path}: {self._told(error)}", broken=True)
        if isinstance(error, Overlaid):
            return Trouble(
                DOWN,
                f"{self._path} was replaced, but the {self._path}-wal beside it is of the one that was there:"
                " remove -wal and -shm",
            )
        if not isinstance(error, sqlite3.Error):
            return None
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return self._trouble(code, error)

    def _told(self, error: OSError) -> str:
        if not isinstance(error, FileNotFoundError):
            return f"{error.strerror}"
        if not os.path.isdir(os.path.dirname(self._path)):
            return "there is no such folder: moved, unmounted, or never made (mkdir)"
        return "it is not there: moved, unmounted, or never made (nwauth init)"

    def _trouble(self, code: int, error: sqlite3.Error) -> Trouble:
        text = f"{self._path}: {error}"
        if code in TAKEN_CODES:
            return Trouble(TAKEN, text)
        if code == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
            return Trouble(EMPTY, str(error).rpartition(".")[2])
        if code == sqlite3.SQLITE_READONLY_DBMOVED:
            return Trouble(LOST, text)
        plain = code & 0xFF
        if plain in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH):
            return Trouble(UNFIT, text)
        if plain in CANCELLED:
            seconds = f"{self.limits.statement:g} s"
            held = plain != sqlite3.SQLITE_INTERRUPT
            return Trouble(DOWN, f"{self._path} {'is locked by another' if held else 'took longer than'} {seconds}")
        for what, remedy in REMEDIES.items():
            if what in text:
                text += f": {remedy} in nwauth.toml"
        return Trouble(DOWN, text, broken=plain in UNUSABLE)

    def make_database(self) -> None:
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass
        connection = self.connect(inf)
        try:
            for more in range(WAL_TRIES, 0, -1):
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    break
                except sqlite3.OperationalError as error:  # two at once: SQLite does not wait for the other here
                    if not more - 1 or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise
                    sleep(0.02)
        finally:
            connection.close()


def _look_at_files(database: str) -> None:
    """That SQLite finds plain files where it finds any: a FIFO may hold it for ever.

    Raises:
        OSError: one of them is none.
    """
    for path in (database, *(database + end for end in BESIDE)):
        try:
            status = os.stat(path)
        except FileNotFoundError:
            continue
        if not S_ISREG(status.st_mode):
            raise OSError(EINVAL, f"{'it' if path == database else path} is no plain file: move it away")


def _folded(value: object) -> str | None:
    return fold(value) if isinstance(value, str) else None
