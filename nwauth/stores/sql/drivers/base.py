"""What a driver answers: a connection, the words of its dialect, and what an error means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic

from nwauth.errors import NwauthError
from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Final

    Row = tuple[Any, ...]
    Ask = Callable[[str, Sequence[object]], list[Row]]

# What a trouble means for whoever asked.
FORGOTTEN = "forgotten"  # the connection knows no longer what was prepared; nothing was done
LOST = "lost"  # the connection is gone; what was asked may be asked again on another
AGAIN = "again"  # the database has undone the transaction for another's sake: it may be done again
TAKEN = "taken"  # a row of that key is there already
UNFIT = "unfit"  # the table does not take these values: a known "no"
EMPTY = "empty"  # a column takes no NULL; the text is its name
DOWN = "down"  # cannot tell now

# MariaDB and MySQL have a number there, MariaDB from 12 on a word (its MDEV-36425).
MYSQL_IS_REPLICA = "CAST(@@global.read_only AS CHAR) NOT IN ('0', 'OFF')"
# A column of text as something that compares with regard to case: see `Driver.exact`.
MYSQL_EXACT = "CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin"
SQLITE_EXACT = "{} COLLATE BINARY"
LOCK_SHARE = 0.9  # of a statement's time is for locks: so it is the lock that is told of
SPARE_SECONDS = 2.0  # for a second try, and a second statement: by default all of a request takes less than 8 s
CHECK_SECONDS = 1.0
READER_SECONDS = 3600  # how long the reader of a listing may pause: what it copies may be slow to write
FETCHED_ROWS = 2000  # of a listing at a time


class Trouble(Record):
    """What went wrong, by what to do next.  `text` is for the log: it may name hosts, users and tables.

    `broken`: the connection is of no use any more.
    """

    __slots__ = ("broken", "kind", "text")

    def __init__(self, kind: str, text: str, *, broken: bool = False) -> None:
        self.kind: Final = kind
        self.text: Final = _in_one_line(text)
        self.broken: Final = broken or kind == LOST


def _in_one_line(text: str) -> str:
    """A database's words, of which more may be said behind; a line that goes on begins with a small letter."""
    found = ""
    for words in (" ".join(line.split()) for line in text.splitlines()):
        between = " " if words[:1].islower() else "; "
        found += f"{between}{words}" if found and words else words
    return found.rstrip(".")


class Limits(Record):
    """How long to wait, in seconds: for a connection, for a statement (a lock included), for all of a request."""

    __slots__ = ("connect", "request", "statement")

    def __init__(self, *, connect: float = 2.0, statement: float = 4.0) -> None:
        self.connect: Final = connect
        self.statement: Final = statement
        self.request: Final = connect + statement + SPARE_SECONDS


class Late(Exception):
    """The database did not answer in time."""


class Spent(Exception):
    """A request has used up its time, before the database was asked."""


class Driver(ABC):
    """One family of databases.

    `dialect` is what SQLAlchemy calls it and its library, `mark` stands for a parameter, `is_replica` is an expression
    that is true where the data may be older than elsewhere (None: there is no such thing), `lock_rows` ends a SELECT
    whose rows nobody else may change until the transaction ends.
    """

    dialect: str
    limits: Limits
    mark = "%s"
    is_replica: str | None = None
    lock_rows = " FOR UPDATE"
    lock_rows_at_once = " FOR UPDATE NOWAIT"
    first_rows = " LIMIT 20"
    exact_form = "CAST({} AS text)"
    has_narrow_columns = False  # a column may be unable to be compared with text that it cannot hold
    trusted_seconds: float | None = None  # how long a look at the database's place is good for; None: there is none
    finds_on_replica = False  # a transaction that would change rows can begin on a replica, and find none
    lower_is_ascii = False  # its lower() leaves alone what is beyond ASCII
    has_several_hosts = False  # so that another may take over

    @abstractmethod
    def connect(self, until: float) -> Any:
        """A DBAPI connection in autocommit, with all time-outs set, by `until`, of `time.monotonic`.

        Raises:
            Spent: there is no time for it.
            Exception: one of the driver's library.
        """

    @abstractmethod
    def quote(self, identifier: str) -> str:
        """A name of a table or column as a statement holds it."""

    @abstractmethod
    def trouble(self, error: Exception, connection: Any | None) -> Trouble | None:
        """What `error` means; None: it is no error of the database's."""

    def diagnosis(self, error: Exception, connection: Any | None) -> Trouble | None:
        """`trouble`, for our own signs of it too; None for what is no database's trouble."""
        if isinstance(error, NwauthError):
            return None
        if isinstance(error, Late):
            return Trouble(DOWN, f"{self.place()} does not answer in time", broken=True)
        if isinstance(error, Spent):
            return Trouble(DOWN, f"{self.place()} was not asked: the request had no time left")
        return self.trouble(error, connection)

    def place(self) -> str:
        """Where the database is, without any password."""
        return self.dialect

    def run(self, cursor: Any, prepared: str, parameters: Sequence[object]) -> object:
        """Execute what `prepare` has given."""
        return cursor.execute(prepared, parameters)

    def start(self, connection: Any, until: float) -> None:
        """Called before each statement: its time-out begins anew, but ends at `until`, of `time.monotonic`.

        Raises:
            Spent: it has passed already.
        """

    def is_stale(self, connection: Any) -> bool:
        """Whether the connection leads to something that is no longer the database; looked at before each request."""
        return False

    def adopt(self, ask: Ask) -> None:
        """Called on each new connection to a table of our own: see that the database is as `make_database` made it."""

    def answers(self, connection: Any) -> bool:
        """Whether a connection that was idle for long still leads anywhere; quickly."""
        try:
            self.start(connection, monotonic() + CHECK_SECONDS)
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            return bool(cursor.fetchall())
        except Exception:  # noqa: BLE001, whatever it is, another connection is better
            return False

    def prepare(self, cursor: Any, statement: str) -> str:
        """What to execute for `statement` on this connection again and again, with the same parameters."""
        return statement

    def begin(self, cursor: Any, wait_seconds: float | None) -> None:
        """Begin a transaction that will write."""
        cursor.execute("BEGIN")

    def commit(self, cursor: Any) -> None:
        """Make the transaction durable."""
        cursor.execute("COMMIT")

    def rollback(self, cursor: Any) -> None:
        """Undo the transaction."""
        cursor.execute("ROLLBACK")

    def claim(self, cursor: Any, what: str) -> None:
        """Let nobody else claim the same before the transaction ends."""

    def exact(self, expression: str) -> str:
        """`expression`, a column of text, as something that compares with regard to case."""
        return self.exact_form.format(expression)

    def folded(self, expression: str) -> str:
        """`expression` in lower case, as near to `nwauth.names.fold` as the database can; no index need know it."""
        return f"lower({expression})"

    def folded_bytes(self, expression: str) -> str:
        """How to sort by the bytes of what is `folded`."""
        return self.folded(expression)

    def stream(self, connection: Any, statement: str, parameters: Sequence[object]) -> Iterator[Row]:
        """The rows of a long listing, in memory that does not grow with it, on a connection of its own."""
        cursor = connection.cursor()
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(FETCHED_ROWS):
            yield from rows

    def insert(self, cursor: Any, into: str, rows: Sequence[Row]) -> None:
        """Add many rows of text; `into` is the table, with its columns in parentheses."""
        marks = ", ".join([self.mark] * len(rows[0]))
        cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)

    def update(self, cursor: Any, table: str, columns: Sequence[str], also: str, rows: Sequence[Row]) -> None:
        """Write many rows over those that have the same key, all of them there; `also` is set in each besides.

        The first of the `columns`, all of text, is the key; they and the table are quoted already.
        """
        key, *others = columns
        changes = ", ".join(f"{column} = {self.mark}" for column in others)
        statement = f"UPDATE {table} SET {changes}{also} WHERE {key} = {self.mark}"
        cursor.executemany(statement, [(*row[1:], row[0]) for row in rows])

    def scans(self, cursor: Any, statement: str, parameters: Sequence[object]) -> bool:
        """Whether the database has to read the whole table for a statement; False where it cannot be asked."""
        return False

    @abstractmethod
    def make_database(self) -> None:
        """Make an empty database where that is a matter of a file; raises where somebody else must do it."""
