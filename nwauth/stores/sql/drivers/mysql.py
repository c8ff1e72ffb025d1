"""MariaDB and MySQL, by PyMySQL."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import ConfigError, Unavailable, to_install
from nwauth.stores.sql.drivers.base import (
    AGAIN,
    DOWN,
    EMPTY,
    FETCHED_ROWS,
    LOCK_SHARE,
    LOST,
    MYSQL_EXACT,
    MYSQL_IS_REPLICA,
    READER_SECONDS,
    TAKEN,
    UNFIT,
    Driver,
    Spent,
    Trouble,
)

try:
    import pymysql
    from pymysql.constants import CLIENT
    from pymysql.cursors import SSCursor
except ImportError as missing:
    raise ConfigError(f"MariaDB needs PyMySQL, which is not there ({missing}): {to_install('nwauth[mysql]')}") from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

    from nwauth.stores.sql.drivers.base import Limits, Row

# https://mariadb.com/kb/en/mariadb-error-code-reference/
TAKEN_CODES = frozenset((1062, 1586))
EMPTY_CODES = frozenset((1048, 1364))
UNFIT_CODES = frozenset(
    (1216, 1217, 1264, 1265, 1292, 1366, 1406, 1411, 1451, 1452, 1557, 1644, 1690, 1761, 1762, 3819, 4025)
)
AGAIN_CODES = frozenset((1213,))
LOST_CODES = frozenset((0, 1053, 1079, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055, 4031))
HINTS = {
    1054: "a column is not there, mend [stores.columns] in nwauth.toml:",
    1146: "the table is not there, run nwauth init, or mend [stores] in nwauth.toml:",
    1205: "a row is locked by another:",
    1290: "it takes no changes, a replica, or read-only:",
    1836: "it takes no changes, a replica, or read-only:",
    1969: "a statement took too long:",
    3024: "a statement took too long:",
}
OPTIONS = frozenset(("unix_socket", "ssl_ca", "ssl_cert", "ssl_key"))
SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class MysqlDriver(Driver):
    """A server; one that is ``read_only`` counts as a replica."""

    dialect = "mysql+pymysql"
    is_replica = MYSQL_IS_REPLICA
    finds_on_replica = True
    exact_form = MYSQL_EXACT
    has_narrow_columns = True

    def __init__(self, url: str, limits: Limits) -> None:
        self.limits = limits
        self._claimed: str | None = None
        self._is_mariadb = True
        self._given: Final = _parsed(url)
        place = self._given.get("unix_socket") or f"{self._given['host']}:{self._given['port']}"
        self._place: Final = f"{place}/{self._given['database']}"

    def place(self) -> str:
        return f"MariaDB at {self._place}"

    def connect(self, until: float) -> Any:
        seconds = min(self.limits.connect, until - monotonic())
        if seconds <= 0:
            raise Spent
        connection = pymysql.connect(
            **self._given,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=seconds,
            read_timeout=seconds,
            write_timeout=seconds,
            client_flag=CLIENT.FOUND_ROWS,
            local_infile=False,
        )
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: Any) -> None:
        lock = max(1, int(self.limits.statement * LOCK_SHARE))
        self._is_mariadb = "MariaDB" in connection.get_server_info()
        statement = "max_statement_time" if self._is_mariadb else "max_execution_time"
        seconds = max(self.limits.statement, lock + 0.3)  # whole seconds alone are known for locks
        limit = seconds if self._is_mariadb else int(seconds * 1000)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET SESSION {statement} = {limit}, innodb_lock_wait_timeout = {lock},"
                f" lock_wait_timeout = {lock}, time_zone = '+00:00', sql_mode = '{SQL_MODE}'"
            )

    def start(self, connection: Any, until: float) -> None:
        left = until - monotonic()
        if left <= 0:
            raise Spent
        # PyMySQL looks at it before each read; the server's own time-out comes first.
        connection._read_timeout = min(left, self.limits.statement + 0.5)  # noqa: SLF001, there is no other way

    def quote(self, identifier: str) -> str:
        return "`" + identifier.replace("`", "``").replace("%", "%%") + "`"

    def claim(self, cursor: Any, what: str) -> None:
        from hashlib import sha256

        name = f"{self._place}/{what}"  # such locks are for all databases of a server
        self._claimed = "nwauth_" + sha256(name.encode()).hexdigest()[:40]
        cursor.execute("SELECT GET_LOCK(%s, %s)", (self._claimed, int(self.limits.statement)))
        if cursor.fetchone()[0] != 1:
            raise Unavailable(f"{self.place()}: another is adding users, try again", public="the users are locked")

    def commit(self, cursor: Any) -> None:
        super().commit(cursor)
        self._release(cursor)

    def rollback(self, cursor: Any) -> None:
        super().rollback(cursor)
        self._release(cursor)

    def _release(self, cursor: Any) -> None:
        """Give the claim back; a connection that cannot has given it back by its end."""
        claimed, self._claimed = self._claimed, None
        if claimed is not None:
            try:
                cursor.execute("SELECT RELEASE_LOCK(%s)", (claimed,))
            except (pymysql.Error, OSError):
                return

    def folded_bytes(self, expression: str) -> str:
        return f"CAST(lower({expression}) AS BINARY)"

    def stream(self, connection: Any, statement: str, parameters: Sequence[object]) -> Iterator[Row]:
        limit = "max_statement_time" if self._is_mariadb else "max_execution_time"
        cursor = connection.cursor(SSCursor)
        try:
            self.start(connection, monotonic() + self.limits.request)
            # Their limits count the reader's own time too.
            cursor.execute(f"SET SESSION {limit} = 0, net_write_timeout = {READER_SECONDS}")
            cursor.execute(statement, parameters)
            while rows := cursor.fetchmany(FETCHED_ROWS):
                yield from rows
        finally:
            result, connection._result = connection._result, None  # noqa: SLF001
            if result is not None:  # else closing it would read all that is left, from a connection lost perhaps
                result.unbuffered_active = False
            cursor.close()

    def update(self, cursor: Any, table: str, columns: Sequence[str], also: str, rows: Sequence[Row]) -> None:
        """As if they were new: an INSERT takes many rows in one message, an UPDATE one."""
        marks = ", ".join([self.mark] * len(columns))
        changes = ", ".join(f"{column} = VALUES({column})" for column in columns[1:])
        into = f"{table} ({', '.join(columns)})"
        cursor.executemany(f"INSERT INTO {into} VALUES ({marks}) ON DUPLICATE KEY UPDATE {changes}{also}", rows)

    def scans(self, cursor: Any, statement: str, parameters: Sequence[object]) -> bool:
        cursor.execute(f"EXPLAIN FORMAT=JSON {statement}", parameters)
        plan = cursor.fetchone()[0]
        return '"access_type": "ALL"' in plan and '"possible_keys"' not in plan

    def trouble(self, error: Exception, connection: Any | None) -> Trouble | None:
        if isinstance(error, UnicodeError):
            what = (
                "its URL holds what cannot be sent" if connection is None else "the table holds text that is no UTF-8"
            )
            return Trouble(DOWN, f"{self.place()}: {what}", broken=True)
        if isinstance(error, OSError):
            file = f"{error.filename}: " if error.filename else ""
            return Trouble(LOST, f"{self.place()}: {file}{error.strerror or error}")
        if not isinstance(error, pymysql.Error):
            return None
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        message = str(error.args[-1] if error.args else error)
        if code in TAKEN_CODES | EMPTY_CODES | UNFIT_CODES:
            kind = TAKEN if code in TAKEN_CODES else EMPTY if code in EMPTY_CODES else UNFIT
            return Trouble(
                kind, message.partition("'")[2].partition("'")[0] if kind == EMPTY else _about_values(message)
            )
        return self._trouble(code, f"{self.place()}: {HINTS.get(code, '')} {message}", error)

    def _trouble(self, code: int, text: str, error: Exception) -> Trouble:
        if code == 2013 and "timed out" in text:  # it was waited for, long enough
            return Trouble(DOWN, text, broken=True)
        if code in AGAIN_CODES:
            return Trouble(AGAIN, text)
        if code in LOST_CODES or isinstance(error, pymysql.InterfaceError):
            return Trouble(LOST, text)
        return Trouble(DOWN, text, broken=2000 <= code < 3000)

    def make_database(self) -> None:
        """Nothing: making one is a matter of its administrator."""


def _about_values(message: str) -> str:
    """What was wrong with values, without them (``Incorrect integer value: '...' for column ...``)."""
    what, _, rest = message.partition(": '")
    _, found, where = rest.rpartition(" for column ")
    return f"{what.partition(' entry ')[0]}{found}{where}"


def _parsed(url: str) -> dict[str, Any]:
    """What to hand PyMySQL.

    Raises:
        ConfigError: the URL is not of the form that is wanted.
    """
    from urllib.parse import parse_qsl, unquote, urlsplit

    wanted = "wanted mysql://USER:PASSWORD@HOST[:PORT]/DATABASE[?unix_socket=PATH&ssl_ca=FILE]"
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ConfigError(f"found a URL that is not of that form, {wanted}") from None
    unknown = sorted(options.keys() - OPTIONS)
    if unknown:
        raise ConfigError(f"found the option {unknown[0]} in the URL, {wanted}")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        raise ConfigError(f"found a URL without a database, {wanted}")
    return {
        "host": parts.hostname or "localhost",
        "port": port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": database,
        **options,
    }
