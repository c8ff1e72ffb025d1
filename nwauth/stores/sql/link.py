"""One kept connection to a database: when it is opened, checked and given up, and what is told while it is down."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import NwauthError, Refused, Unavailable
from nwauth.stores.health import NOT_TAKEN, PUBLIC, Health
from nwauth.stores.sql.drivers import base
from nwauth.stores.sql.drivers.base import FORGOTTEN, LOST, Spent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Final

    from nwauth.stores.health import Notice
    from nwauth.stores.sql.drivers.base import Driver
    from nwauth.stores.sql.table import Ask, Order, Row, Table

IDLE_SECONDS = 20.0  # a connection is tried that long after it was last: firewalls forget those that are idle
RETRY_SECONDS = 0.5  # a dead database is tried again after that, by one request; until then all are answered at once


class Taken(Exception):
    """A row of that key is there already; the transaction was undone."""


class Empty(Exception):
    """A column takes no NULL; the transaction was undone."""


class Link:
    """A connection to the database of `table`, opened when it is first needed.

    `begin` is called before each request, which ends by its `until` (of `monotonic`).  A connection that was lost while
    idle costs one silent retry.  After a failure to connect, or a time-out, requests are refused at once for
    `retry_seconds`.  `asking` is what the log calls look-ups here.
    """

    def __init__(
        self, table: Table, *, notice: Notice, asking: str = "reading", retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self.table: Final = table
        self.reading: Final = Health(asking, table.store, notice)
        self.writing: Final = Health("writing", table.store, notice)
        self.deciding: Final = Health("deciding", table.store, notice)  # on a "no", which a replica may not say
        self.is_replica = False  # told by the last answer
        self.since = self.until = 0.0
        self._driver: Final[Driver] = table.driver
        self._retry_seconds: Final = retry_seconds
        self._connection: Any = None
        self._cursor: Any = None
        self._prepared: dict[str, str] = {}
        self._used_at = 0.0
        self._trusted_until = 0.0
        self._retry_at = 0.0
        self._given_up = ""

    def begin(self, until: float | None = None) -> None:
        """A request begins, or goes on from another link, which has set its `until`."""
        self.since = monotonic()
        self.until = self.since + self._driver.limits.request if until is None else until

    # --- questions --------------------------------------------------------------------------------------------------

    def ask(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        """The rows that a statement of a look-up gives; whether a replica gave them is in `is_replica`.

        Raises:
            Unavailable: the database cannot tell.
        """
        try:
            kept = self._connection is not None and (self.since < self._trusted_until or self._is_usable())
            if not kept:
                self._open()
            try:
                rows = self._fetch(statement, parameters)
            except Exception as error:
                if not self._can_be_repeated(error, kept=kept):
                    raise
                rows = self._fetch(statement, parameters)
        except Exception as error:
            raise self._told(error, self.reading, self._connection) from error
        if self.reading.reason is not None:
            self.reading.works()
        return rows

    def _fetch(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        driver, cursor = self._driver, self._cursor
        driver.start(self._connection, self.until)
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = driver.prepare(cursor, statement)
        driver.run(cursor, prepared, parameters)
        rows: list[Row] = cursor.fetchall()
        if driver.is_replica is None:
            return rows
        self.is_replica = bool(rows[0][0])
        return [row[1:] for row in rows if row[1] is not None]

    def count(self) -> int:
        """The number of users.  Raises Unavailable."""
        return next(int(row[0]) for row in self.stream((self.table.counting, ())))

    def denied(self) -> dict[str, str]:
        """By the right that the account lacks for changes, what the database says to it.  Raises Unavailable."""
        found = {}
        try:
            connection = self._connected()
            for right, statement in self.table.trials().items():
                try:
                    self._asking(connection)(statement, ())
                except Exception as error:
                    trouble = self._driver.diagnosis(error, connection)
                    if trouble is None or trouble.broken or trouble.kind == LOST:
                        raise
                    if trouble.kind == base.DOWN:  # any other is about what would be stored: the right is there
                        found[right] = trouble.text
        except Exception as error:
            raise self._told(error, self.reading, self._connection) from error
        return found

    def scanned(self) -> list[str]:
        """`Table.scanned`.  Raises Unavailable."""
        try:
            connection = self._connected()
            self._driver.start(connection, self.until)
            return self.table.scanned(connection.cursor())
        except Exception as error:
            raise self._told(error, self.reading, self._connection) from error

    def _connected(self) -> Any:
        """The kept connection, or a new one."""
        if self._connection is None or not self._is_usable():
            self._open()
        return self._connection

    def stream(self, order: Order) -> Iterator[Row]:
        """The rows of a long listing, on a connection of its own.

        Raises:
            Unavailable: before the first or after any row.
        """
        connection = None
        try:
            if self._connection is not None:
                self._is_usable()  # what the kept connection knows of the database holds for a new one
            connection = self._checked()
            self._must_be_whole(connection)
            yield from self._driver.stream(connection, *order)
        except Exception as error:
            raise self._told(error, self.reading, connection) from error
        finally:
            _close(connection)

    def _must_be_whole(self, connection: Any) -> None:
        if self._leads_to_replica(self._asking(connection)):
            raise self.unsure()
        self.deciding.works()

    def _leads_to_replica(self, ask: Ask) -> bool:
        is_replica = self._driver.is_replica
        return is_replica is not None and bool(ask(f"SELECT {is_replica}", ())[0][0])

    def unsure(self) -> Unavailable:
        """What to raise where a replica alone can be asked, and does not know."""
        place = self._driver.place()
        return self.deciding.failed(f"{place} is a replica, or read-only: it cannot say who is not there")

    # --- changes ----------------------------------------------------------------------------------------------------

    def change(self, work: Callable[[Ask, Any], bool], *, wait_seconds: float | None = None) -> bool:
        """Do `work` in a transaction, durable when it returns; what it answers False to is undone.

        Raises:
            Unavailable: it is not done; or the connection was lost at the very end, and it cannot be told.
            Refused: the table does not take it.
            Taken: a row of the key is there already.
            Empty: a column takes no NULL.
        """
        try:
            done = self._change(work, wait_seconds)
        except Exception as error:
            raise self._told(error, self.writing, self._connection) from error
        self.reading.works()
        self.writing.works()
        return done

    def _change(self, work: Callable[[Ask, Any], bool], wait_seconds: float | None) -> bool:
        while True:
            kept = self._connection is not None and self._is_usable()
            if not kept:
                self._open()
            try:
                return self._transact(work, wait_seconds)
            except Exception as error:
                if not self._is_undone(error) and not self._can_be_repeated(error, kept=kept):
                    raise

    def _is_undone(self, error: Exception) -> bool:
        """Whether the database chose this transaction to end a deadlock, and there is time for another try."""
        trouble = self._driver.diagnosis(error, self._connection)
        return trouble is not None and trouble.kind == base.AGAIN and monotonic() < self.until

    def _transact(self, work: Callable[[Ask, Any], bool], wait_seconds: float | None) -> bool:
        driver, connection = self._driver, self._connection
        cursor = connection.cursor()
        driver.start(connection, self.until)
        driver.begin(cursor, wait_seconds)
        try:
            ask = self._asking(connection)
            self._must_take_changes(ask)
            done = work(ask, cursor)
        except BaseException:
            self._undo(cursor)
            raise
        if done:
            self._commit(cursor)
        else:
            self._undo(cursor)
        return done

    def _must_take_changes(self, ask: Ask) -> None:
        """Raises Unavailable on a replica: what is not found there is not absent, and what is written there is lost."""
        if self._driver.finds_on_replica and self._leads_to_replica(ask):
            raise self.writing.failed(f"{self._driver.place()} takes no changes: a replica, or read-only")

    def _commit(self, cursor: Any) -> None:
        self._driver.start(self._connection, self.until)
        try:
            self._driver.commit(cursor)
        except Exception as error:
            trouble = self._driver.diagnosis(error, self._connection)
            if trouble is None or not trouble.broken:
                self._undo(cursor)
                raise
            self._drop()  # nobody knows how far it came
            text = f"{trouble.text}, while it was being stored: it may be stored or not"
            raise Unavailable(text, public="it cannot be told whether it was stored") from error

    def _undo(self, cursor: Any) -> None:
        """End the transaction without a trace; a connection that cannot is dropped, which undoes it too."""
        try:
            self._driver.start(self._connection, self.until)
            self._driver.rollback(cursor)
        except Exception:  # noqa: BLE001, what led here is what is told
            self._drop()

    def _asking(self, connection: Any) -> Ask:
        """Asks on a connection, outside look-ups."""
        cursor = connection.cursor()

        def ask(statement: str, parameters: Sequence[object]) -> list[Row]:
            self._driver.start(connection, self.until)
            cursor.execute(statement, parameters)
            rows: list[Row] = cursor.fetchall()
            return rows

        return ask

    # --- the connection ---------------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Open the connection while nobody waits; a failure is noticed, and told to whoever asks next."""
        if self._connection is None:
            try:
                self._open()
            except Exception as error:  # noqa: BLE001, a bug will show again when it is asked
                self._told(error, self.reading, self._connection)

    def check(self) -> None:
        """See that the table is what it should be.  Raises Unavailable."""
        self._drop()
        try:
            self._open()
        except Exception as error:
            raise self._told(error, self.reading, self._connection) from error

    def close(self) -> None:
        """Give the connection back."""
        self._drop()

    def _open(self) -> None:
        self._connection = self._checked()
        self._cursor = self._connection.cursor()
        self._trust()

    def _checked(self) -> Any:
        """A new connection to a database whose table is what it should be."""
        connection = self._connect()
        try:
            self.table.check(self._asking(connection))
        except Exception as error:
            trouble = self._driver.diagnosis(error, connection)
            _close(connection)
            if trouble is None and not isinstance(error, NwauthError):
                raise
            reason = str(error) if trouble is None else trouble.text
            self._rest(reason)
            raise self.reading.failed(reason) from error
        return connection

    def _connect(self) -> Any:
        """A new connection, unless none could be had a moment ago."""
        if monotonic() < self._retry_at:
            raise Unavailable(self._given_up, public=PUBLIC, repeated=True)
        return self._driver.connect(self.until)

    def _is_usable(self) -> bool:
        """Whether the kept connection can be trusted with a request; if not, it has been dropped."""
        driver, idle = self._driver, monotonic() - self._used_at
        self._trusted_until = 0.0  # what this look may find, the next request must not overlook
        if driver.is_stale(self._connection) or (idle > IDLE_SECONDS and not driver.answers(self._connection)):
            self._drop()
            return False
        self._trust()
        return True

    def _trust(self) -> None:
        self._used_at = monotonic()
        seconds = self._driver.trusted_seconds
        self._trusted_until = self._used_at + (IDLE_SECONDS if seconds is None else seconds)

    def _can_be_repeated(self, error: Exception, *, kept: bool) -> bool:
        """Whether it was lost with a connection that was `kept`, or never begun; there is a new connection then."""
        trouble = self._driver.diagnosis(error, self._connection)
        if trouble is None or not (trouble.kind == FORGOTTEN or (kept and trouble.kind == LOST)):
            return False
        self._drop()
        self._open()
        return True

    def _rest(self, reason: str) -> None:
        """Make no new connection for a while."""
        self._given_up = reason
        self._retry_at = monotonic() + self._retry_seconds

    def _drop(self) -> None:
        connection, self._connection, self._cursor = self._connection, None, None
        self._prepared.clear()
        _close(connection)

    # --- what went wrong --------------------------------------------------------------------------------------------

    def _told(self, error: Exception, health: Health, connection: Any) -> Exception:
        """What to raise: our own error for the database's, whatever else as it is."""
        trouble = self._driver.diagnosis(error, connection)
        if trouble is None:
            return error
        if trouble.broken or (connection is None and not isinstance(error, Spent)):
            self._rest(trouble.text)
            if connection is self._connection:
                self._drop()
        if health is self.writing:
            match trouble.kind:
                case base.TAKEN:
                    return Taken(trouble.text)
                case base.EMPTY:
                    return Empty(trouble.text)
                case base.UNFIT:
                    text = f"table {self.table.name} does not take it: {trouble.text}"
                    return Refused(text, public=NOT_TAKEN)
        return health.failed(trouble.text)


def _close(connection: Any) -> None:
    if connection is not None:
        try:
            connection.close()
        except Exception:  # noqa: BLE001, S110, it is given up anyway
            pass
