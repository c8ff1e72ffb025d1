"""Any other database, or library, that SQLAlchemy has a dialect for.

SQLAlchemy connects, quotes, and knows a lost connection.  What it cannot give is a limit on how long a library waits:
its URL has to say it (``?connect_timeout=2``), and a server that freezes holds the child.  Hence our own drivers.
"""

from __future__ import annotations

from nwauth.errors import ConfigError, to_install
from nwauth.stores.sql.drivers.base import (
    DOWN,
    LOST,
    MYSQL_EXACT,
    MYSQL_IS_REPLICA,
    SQLITE_EXACT,
    TAKEN,
    UNFIT,
    Driver,
    Trouble,
)

try:
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
    from sqlalchemy.pool import NullPool
except ImportError as missing:
    raise ConfigError(
        f"this URL needs SQLAlchemy, which is not there ({missing}): {to_install('sqlalchemy')}"
    ) from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from nwauth.stores.sql.drivers.base import Limits

MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}
IS_REPLICA = {
    "postgresql": "pg_is_in_recovery()",
    "cockroachdb": "pg_is_in_recovery()",
    "mysql": MYSQL_IS_REPLICA,
    "mariadb": MYSQL_IS_REPLICA,
}
EXACT = {
    "postgresql": Driver.exact_form,
    "cockroachdb": Driver.exact_form,
    "mysql": MYSQL_EXACT,
    "mariadb": MYSQL_EXACT,
    "sqlite": SQLITE_EXACT,
}
MYSQL_SETTINGS = "SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}, time_zone = '+00:00'"
SETTINGS = {
    "postgresql": "SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}",
    "mysql": MYSQL_SETTINGS,
    "mariadb": MYSQL_SETTINGS,
}


class GeneralDriver(Driver):
    """A database behind a dialect of SQLAlchemy's."""

    def __init__(self, url: str, limits: Limits) -> None:
        self.limits = limits
        try:
            parsed = make_url(url)
            self._engine = create_engine(parsed, poolclass=NullPool)
        except NoSuchModuleError:
            raise ConfigError(f"found {parsed.drivername}, which SQLAlchemy has no dialect for") from None
        except (ArgumentError, ValueError, TypeError):  # their texts may hold a part of the password
            raise ConfigError(
                "found a URL that SQLAlchemy cannot read, wanted DIALECT://USER:PASSWORD@HOST/NAME"
            ) from None
        except ImportError as error:
            raise ConfigError(f"{parsed.drivername} needs a library that is not there: {error}") from None
        sql = self._engine.dialect
        if sql.paramstyle not in MARKS or sql.is_async:
            raise ConfigError(f"found {parsed.drivername}, wanted a library that waits, with parameters of ? or %s")
        self._sql: Final = sql
        self._place: Final = parsed.render_as_string(hide_password=True)
        self.dialect = parsed.drivername
        self.mark = MARKS[sql.paramstyle]
        self.is_replica = IS_REPLICA.get(sql.name)
        self.exact_form = EXACT.get(sql.name, "{}")
        self.finds_on_replica = self.is_replica == MYSQL_IS_REPLICA
        if sql.name == "sqlite":
            self.lock_rows = self.lock_rows_at_once = ""
            self.lower_is_ascii = True

    def place(self) -> str:
        return self._place

    def connect(self, until: float) -> Any:
        try:
            lent = self._engine.raw_connection()
        except DBAPIError as error:
            raise (error.orig if isinstance(error.orig, Exception) else error) from error
        connection = lent.driver_connection
        lent.detach()
        try:
            self._set_up(connection)
        except BaseException:
            connection.close()  # type: ignore[union-attr]
            raise
        return connection

    def _set_up(self, connection: Any) -> None:
        self._sql.set_isolation_level(connection, "AUTOCOMMIT")
        settings = SETTINGS.get(self._sql.name)
        if settings is not None:
            seconds = max(1, int(self.limits.statement))
            cursor = connection.cursor()
            cursor.execute(settings.format(seconds=seconds, milliseconds=int(self.limits.statement * 1000)))
            cursor.close()

    def quote(self, identifier: str) -> str:
        return self._sql.identifier_preparer.quote_identifier(identifier)

    def begin(self, cursor: Any, wait_seconds: float | None) -> None:
        cursor.execute("BEGIN IMMEDIATE" if self._sql.name == "sqlite" else "BEGIN")

    def folded_bytes(self, expression: str) -> str:
        return f'lower({expression}) COLLATE "C"' if self._sql.name == "postgresql" else f"lower({expression})"

    def trouble(self, error: Exception, connection: Any | None) -> Trouble | None:
        library = self._sql.dbapi
        if library is None or not isinstance(error, library.Error):
            return Trouble(DOWN, f"{self._place}: {error}", broken=True) if isinstance(error, OSError) else None
        text = f"{self._place}: {error}"
        if isinstance(error, library.IntegrityError):
            return Trouble(TAKEN, text)
        if isinstance(error, library.DataError):
            return Trouble(UNFIT, text)
        if self._sql.is_disconnect(error, connection, None):
            return Trouble(LOST, text)
        return Trouble(DOWN, text, broken=isinstance(error, library.OperationalError | library.InterfaceError))

    def make_database(self) -> None:
        """Nothing: making one is a matter of its administrator."""
