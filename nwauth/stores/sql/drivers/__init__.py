"""How each family of databases is spoken to; a driver's module, and its library, is imported on use."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.stores.sql.drivers.base import Driver, Limits

FAMILIES = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "postgresql+psycopg2": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mysql+pymysql": "mysql",
    "mariadb+pymysql": "mysql",
}


def family(url: str) -> str:
    """The module that speaks to the database of `url`; `general` for those that only SQLAlchemy knows."""
    return FAMILIES.get(url.partition(":")[0].lower(), "general")


def open_driver(url: str, limits: Limits, *, writable: bool = False) -> Driver:
    """The driver for `url`.  `writable`: of several hosts take the one that can be written.

    Raises:
        ConfigError: the URL cannot be understood, or a library is missing; the text names what to do.
    """
    match family(url):
        case "sqlite" if os.geteuid() == 0:
            from nwauth.stores.sql.drivers.sqlite_root import RootsSqliteDriver

            return RootsSqliteDriver(url, limits)
        case "sqlite":
            from nwauth.stores.sql.drivers.sqlite import SqliteDriver

            return SqliteDriver(url, limits)
        case "postgresql":
            from nwauth.stores.sql.drivers.postgresql import PostgresqlDriver

            return PostgresqlDriver(url, limits, writable=writable)
        case "mysql":
            from nwauth.stores.sql.drivers.mysql import MysqlDriver

            return MysqlDriver(url, limits)
        case _:
            from nwauth.stores.sql.drivers.general import GeneralDriver

            return GeneralDriver(url, limits)
