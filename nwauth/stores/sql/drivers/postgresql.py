"""PostgreSQL, by libpq: its URLs, its several hosts, its fail-over; and whatever else speaks its protocol.

libpq connects by itself, host after host; all that follows goes through a callback of ours that waits no longer than
the request may take, so that a server which is frozen, or behind a dead network, cannot hold a child.
"""

from __future__ import annotations

import os
import select
from io import StringIO
from math import inf
from time import monotonic
from zlib import crc32

from nwauth.errors import ConfigError, to_install
from nwauth.stores.sql.drivers.base import (
    AGAIN,
    DOWN,
    EMPTY,
    FETCHED_ROWS,
    FORGOTTEN,
    LOCK_SHARE,
    LOST,
    READER_SECONDS,
    TAKEN,
    UNFIT,
    Driver,
    Late,
    Spent,
    Trouble,
)

try:
    import psycopg2
    from psycopg2 import extensions
except ImportError as missing:
    raise ConfigError(
        f"PostgreSQL needs psycopg2, which is not there ({missing}): {to_install('nwauth[postgres]')}"
    ) from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

    from nwauth.stores.sql.drivers.base import Limits, Row

# SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
NO_SUCH_STATEMENT, SAME_STATEMENT = "26000", "42P05"
KINDS = {
    "23505": TAKEN,
    "23502": EMPTY,
    "22": UNFIT,  # data exceptions
    "23": UNFIT,  # integrity constraint violations
    "08": LOST,  # connection exceptions
    "57P": LOST,  # shutdowns
    "0A000": LOST,  # a plan made before the table was changed
    NO_SUCH_STATEMENT: FORGOTTEN,
    "40003": DOWN,  # nobody knows whether it is done
    "40": AGAIN,  # deadlocks, serialization failures
}
HINTS = {
    "3F000": "the account may make no tables: GRANT CREATE ON SCHEMA public TO it",
    "42501": "the account lacks a right to the table, or to make one",
    "25006": "it takes no changes: a replica, or read-only",
    "42P01": "the table is not there: run nwauth init, or mend [stores] in nwauth.toml",
    "42703": "a column is not there: mend [stores.columns] in nwauth.toml",
    "55P03": "a row is locked by another",
    "57014": "a statement took too long",
}
# A connection that nobody asks on for a minute is tried by the system; a URL may say otherwise.
KEEPALIVES: dict[str, Any] = {
    "fallback_application_name": "nwauth",
    "keepalives_idle": 60,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
SETTINGS = (
    "SET statement_timeout = {milliseconds}; SET lock_timeout = {lock};"
    " SET idle_in_transaction_session_timeout = {idle}; SET standard_conforming_strings = on"
)

# CHAR(n) comes padded with blanks, which mean nothing there.
PADDED = extensions.new_type((1042,), "PADDED", lambda value, _: _unpadded(value))


def _unpadded(value: Any) -> Any:
    return value if value is None else value.rstrip(" ")


class Connection(extensions.connection):
    """A connection that knows until when its statement may take, and has what it waits with."""

    until = 0.0
    poller: select.poll | None = None


def _wait(connection: Any) -> None:
    """Wait for the database, but no longer than `until`; psycopg2 calls this for every statement of the process."""
    state = connection.poll()
    if state == extensions.POLL_OK:
        return
    until = getattr(connection, "until", inf)
    poller = getattr(connection, "poller", None)
    if poller is None:
        poller = select.poll()
        poller.register(connection.fileno(), select.POLLIN)
        if isinstance(connection, Connection):
            connection.poller = poller
    while state != extensions.POLL_OK:
        if state == extensions.POLL_WRITE:  # a long statement, and a server that reads slowly
            _wait_until_writable(connection.fileno(), until)
        elif not poller.poll(max(0.0, until - monotonic()) * 1000 if until < inf else None):
            raise Late
        state = connection.poll()


def _wait_until_writable(fd: int, until: float) -> None:
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    if not poller.poll(max(0.0, until - monotonic()) * 1000 if until < inf else None):
        raise Late


class PostgresqlDriver(Driver):
    """A server, or several that hold the same."""

    dialect = "postgresql+psycopg2"
    is_replica = "pg_is_in_recovery()"

    def __init__(self, url: str, limits: Limits, *, writable: bool = False) -> None:
        self._dsn: Final = "postgresql:" + url.partition(":")[2]
        self.limits = limits
        self._writable: Final = writable
        self._prepares = True
        wanted = "wanted postgresql://USER:PASSWORD@HOST/DATABASE, and %XX for odd characters in its words"
        try:
            parts = extensions.parse_dsn(self._dsn)
        except psycopg2.Error:  # its text may hold a part of the password
            raise ConfigError(f"found a URL that libpq cannot read, {wanted}") from None
        if any("@" in parts.get(word, "") for word in ("host", "port", "dbname")):
            raise ConfigError(f"found a URL with more than one @, {wanted}")
        if not all(port.isdigit() or not port for port in parts.get("port", "").split(",")):
            raise ConfigError(f"found a port that is no number, {wanted}")
        self._hosts: Final = parts.get("host", parts.get("hostaddr", "the local socket")).split(",")
        ports = parts.get("port", "5432").split(",")
        ports *= len(self._hosts) // len(ports)
        self._ports: Final = ports
        self._skips_hosts: Final = "hostaddr" not in parts
        places = [f"{host}:{port}" for host, port in zip(self._hosts, ports, strict=False)]
        self._place: Final = f"{','.join(places)}/{parts.get('dbname', '')}"
        self._keepalives: Final = {key: value for key, value in KEEPALIVES.items() if key not in parts}
        self.has_several_hosts = len(self._hosts) > 1

    def place(self) -> str:
        return f"PostgreSQL at {self._place}"

    def connect(self, until: float) -> Any:
        seconds = self._seconds_a_host()
        if until - monotonic() < min(seconds * len(self._hosts), self.limits.request - 0.5):
            raise Spent
        extensions.set_wait_callback(None)  # libpq keeps the time of each host only when it connects by itself
        try:
            connection = self._connected(seconds, until)
        finally:
            extensions.set_wait_callback(_wait)
        try:
            connection.autocommit = True
            extensions.register_type(PADDED, connection)
            self._set_up(connection, until)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self, seconds: int, until: float) -> Any:
        """A connection to the first host that gives one.

        libpq goes on to the next host from one that refuses or is silent, but stops at one that takes the connection
        and hangs up: a server that dies just now, a proxy without one behind it.  Then it is given the hosts after it.
        """
        try:
            return self._connection(seconds)
        except psycopg2.OperationalError:
            for passed in range(1, len(self._hosts) if self._skips_hosts else 1):
                if until - monotonic() < seconds:
                    break
                try:
                    hosts, ports = ",".join(self._hosts[passed:]), ",".join(self._ports[passed:])
                    return self._connection(seconds, host=hosts, port=ports)
                except psycopg2.OperationalError:
                    pass  # what the first try met is what is told
            raise

    def _connection(self, seconds: int, **given: Any) -> Any:
        if self._writable:
            given["target_session_attrs"] = "read-write"
        return psycopg2.connect(
            self._dsn,
            connection_factory=Connection,
            connect_timeout=seconds,
            client_encoding="UTF8",
            **self._keepalives,
            **given,
        )

    def _seconds_a_host(self) -> int:
        """Whole seconds, 2 at least: libpq knows no less; several hosts share what a request has."""
        share = min(self.limits.connect, self.limits.request / len(self._hosts))
        return max(2, int(share))

    def _set_up(self, connection: Connection, until: float) -> None:
        connection.until = min(until, monotonic() + self.limits.connect)
        milliseconds = int(self.limits.statement * 1000)
        lock, idle = int(milliseconds * LOCK_SHARE), int(self.limits.request * 1000)
        with connection.cursor() as cursor:
            cursor.execute(SETTINGS.format(milliseconds=milliseconds, lock=lock, idle=idle))

    def start(self, connection: Any, until: float) -> None:
        now = monotonic()
        if until <= now:
            raise Spent
        connection.until = min(until, now + self.limits.statement + 0.5)  # the server's own time-out comes first

    def quote(self, identifier: str) -> str:
        return '"' + identifier.replace('"', '""') + '"'

    def prepare(self, cursor: Any, statement: str) -> str:
        if not self._prepares:
            return statement
        pieces = statement.split(self.mark)
        numbered = pieces[0] + "".join(f"${at}{piece}" for at, piece in enumerate(pieces[1:], 1))
        name = f"nwauth_{crc32(numbered.encode()):08x}"
        try:
            cursor.execute(f"PREPARE {name} AS {numbered}")
        except psycopg2.Error as error:
            if error.pgcode != SAME_STATEMENT:  # a pooler's connection may have it already
                raise
        return f"EXECUTE {name}({', '.join([self.mark] * (len(pieces) - 1))})"

    def begin(self, cursor: Any, wait_seconds: float | None) -> None:
        if wait_seconds is None:
            cursor.execute("BEGIN")
            return
        # A login waits for it: neither for locks, nor for a standby to have it too.
        milliseconds = max(1, int(wait_seconds * 1000))
        cursor.execute(f"BEGIN; SET LOCAL lock_timeout = {milliseconds}; SET LOCAL synchronous_commit = local")

    def run(self, cursor: Any, prepared: str, parameters: Sequence[object]) -> object:
        """With the quoting of the usual name, which psycopg2 takes a tenth of the whole look-up for."""
        if prepared.startswith("EXECUTE"):
            words = [str(word) for word in parameters]
            if all(map(_is_usual, words)):
                quoted = "','".join(words)
                return cursor.execute(f"{prepared[: prepared.index('(')]}('{quoted}')")
        return cursor.execute(prepared, parameters)

    def claim(self, cursor: Any, what: str) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(7238, hashtext(%s))", (what,))

    def folded_bytes(self, expression: str) -> str:
        return f'lower({expression}) COLLATE "C"'

    def stream(self, connection: Any, statement: str, parameters: Sequence[object]) -> Iterator[Row]:
        with connection.cursor() as cursor:
            self.start(connection, monotonic() + self.limits.request)
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{READER_SECONDS}s'")
            cursor.execute("BEGIN READ ONLY")
            cursor.execute(f"DECLARE listing NO SCROLL CURSOR FOR {statement}", parameters)
            while True:
                self.start(connection, monotonic() + self.limits.request)
                cursor.execute(FETCH)
                rows = cursor.fetchall()
                if not rows:
                    return
                yield from rows

    def insert(self, cursor: Any, into: str, rows: Sequence[Row]) -> None:
        """By COPY.  psycopg2 waits for it by itself: what ends the waiting is the end of the connection."""
        from threading import Timer

        connection = cursor.connection
        watchdog = Timer(max(0.0, connection.until - monotonic()), _hang_up, (connection.fileno(),))
        watchdog.daemon = True
        watchdog.start()
        extensions.set_wait_callback(None)
        try:
            cursor.copy_expert(f"COPY {into} FROM STDIN", StringIO(_copied(rows)))
        finally:
            extensions.set_wait_callback(_wait)
            watchdog.cancel()

    def update(self, cursor: Any, table: str, columns: Sequence[str], also: str, rows: Sequence[Row]) -> None:
        """By one statement: psycopg2 would send one for each row."""
        key, *others = columns
        changes = ", ".join(f"{column} = new.{column}" for column in others)
        arrays = ", ".join([f"{self.mark}::text[]"] * len(columns))
        new = f"unnest({arrays}) AS new({', '.join(columns)})"
        statement = f"UPDATE {table} AS a SET {changes}{also} FROM {new} WHERE a.{key} = new.{key}"
        cursor.execute(statement, [list(values) for values in zip(*rows, strict=True)])

    def scans(self, cursor: Any, statement: str, parameters: Sequence[object]) -> bool:
        """As it would if it could help it: a table of a few pages is read whole in any case."""
        cursor.execute("BEGIN; SET LOCAL enable_seqscan = off")
        try:
            cursor.execute(f"EXPLAIN {statement}", parameters)
            return any("Seq Scan" in row[0] for row in cursor.fetchall())
        finally:
            cursor.execute("ROLLBACK")

    def trouble(self, error: Exception, connection: Any | None) -> Trouble | None:
        if isinstance(error, UnicodeError):
            return Trouble(DOWN, f"{self.place()}: the table holds text that is no UTF-8")
        if not isinstance(error, psycopg2.Error):
            return None
        code = error.pgcode or ""
        if code == NO_SUCH_STATEMENT:
            self._prepares = False  # a pooler gives each statement another of its connections
        kind = _kind(error, code, connection)
        if kind == EMPTY:
            return Trouble(kind, error.diag.column_name or "")
        if kind in (UNFIT, TAKEN):
            return Trouble(kind, _about_values(error))
        hint = f"{HINTS[code]}: " if code in HINTS else ""
        return Trouble(kind, f"{self.place()}: {hint}{error.diag.message_primary or error}")

    def make_database(self) -> None:
        """Nothing: making one is a matter of its administrator."""


FETCH = f"FETCH FORWARD {FETCHED_ROWS} FROM listing"


def _kind(error: psycopg2.Error, code: str, connection: Any | None) -> str:
    """What to do about an error, by its SQLSTATE, the first three characters, or the class."""
    for known in (code, code[:3], code[:2]):
        if known in KINDS:
            return KINDS[known]
    if not code and isinstance(error, psycopg2.DataError):
        return UNFIT
    return LOST if connection is None or connection.closed else DOWN


def _about_values(error: psycopg2.Error) -> str:
    """What was wrong with values, without them: one may be a password."""
    diag = error.diag
    column = f"column {diag.column_name}: " if diag.column_name else ""
    return f"{column}{(diag.message_primary or type(error).__name__).partition(': ')[0]}"


def _is_usual(word: str) -> bool:
    """Whether a text stands for itself between two quotes, whatever the settings of the connection."""
    return "'" not in word and "\\" not in word and word.isprintable()


def _hang_up(fd: int) -> None:
    """End a connection under whoever waits on it."""
    import socket

    with socket.socket(fileno=os.dup(fd)) as end:
        end.shutdown(socket.SHUT_RDWR)


def _copied(rows: Sequence[Row]) -> str:
    """Rows of text as COPY reads them: a line each, tabs between values, a backslash before what is neither."""
    text = "\n".join(map("\t".join, rows))
    if (
        "\\" in text
        or "\r" in text
        or text.count("\t") != len(rows) * (len(rows[0]) - 1)
        or text.count("\n") >= len(rows)
    ):
        text = "\n".join("\t".join(value.translate(ESCAPES) for value in row) for row in rows)
    return text + "\n"


ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
