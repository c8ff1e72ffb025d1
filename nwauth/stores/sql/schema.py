"""Our own schema: made, checked and brought forward by ``nwauth init``, with SQLAlchemy.

`UPGRADES` holds, for each version but the first, the statements that lead to it.  A database is brought forward by
``nwauth init`` alone; one that is newer than this program is refused (`own.must_be_current`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT, VARBINARY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from nwauth.errors import Refused, Unavailable
from nwauth.stores.sql import own

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from nwauth.stores.sql.drivers.base import Driver
    from nwauth.stores.sql.table import Table as UserTable

# One function a version, from 2 on: it is given the connection, within the transaction, and the name of the table.
UPGRADES: tuple[Callable[[Connection, str], object], ...] = ()


def accounts(table: str) -> Table:
    """The table of accounts: the folded name is the key, compared byte by byte; info is kept as one text."""
    key = Text(collation="C").with_variant(VARBINARY(own.MAX_CHARACTERS), "mysql").with_variant(Text(), "sqlite")

    def text(name: str, default: str | None = None) -> Column[str]:
        return Column(name, String(own.MAX_CHARACTERS), nullable=False, server_default=default)

    def time(name: str) -> Column[object]:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=func.current_timestamp())

    return Table(
        table,
        MetaData(),
        Column(own.KEY, key, primary_key=True),
        text("name"),
        text("stored_password"),
        text("drop_path", "config"),
        text("uid", "0"),
        text("ip_mask", ""),
        Column("info", Text().with_variant(MEDIUMTEXT(), "mysql"), nullable=False),
        time("created"),
        time("changed"),
        sqlite_with_rowid=False,
        **MYSQL_OPTIONS,
    )


MYSQL_OPTIONS: Any = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def versions() -> Table:
    """The table that says which tables of accounts there are, and of which version."""
    return Table(
        own.VERSIONS_TABLE,
        MetaData(),
        Column("table_name", String(255), primary_key=True),
        Column("version", Integer, nullable=False),
        **MYSQL_OPTIONS,
    )


def make(table: UserTable) -> bool:
    """Make what lacks of our schema, or bring it forward; whether there was anything to do.

    Raises:
        Refused: there is a table of that name that is not ours.
        Unavailable: it cannot be done now; the text says why.
    """
    driver = table.driver
    try:
        driver.make_database()
        with _engine(driver).connect() as connection:
            return _make(connection, driver, table.name)
    except Exception as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        trouble = driver.diagnosis(cause, None) if isinstance(cause, Exception) else None
        if trouble is None:
            raise
        raise Unavailable(trouble.text) from error


def _engine(driver: Driver) -> Engine:
    """SQLAlchemy over the driver's own connections, with their time-outs."""
    engine = create_engine(f"{driver.dialect}://", creator=lambda: driver.connect(inf), poolclass=NullPool)

    @event.listens_for(engine, "before_cursor_execute")
    def _start(connection: Connection, *_: object) -> None:
        driver.start(connection.connection.dbapi_connection, inf)

    return engine


def _make(connection: Connection, driver: Driver, name: str) -> bool:
    cursor = connection.connection.cursor()
    driver.begin(cursor, None)
    driver.claim(cursor, own.VERSIONS_TABLE)  # two at once
    try:
        known = versions()
        known.create(connection, checkfirst=True)
        version = connection.scalar(select(known.c.version).where(known.c.table_name == name))
        lacks = not inspect(connection).has_table(name)
        if version is None or lacks:
            _make_accounts(connection, name)
            connection.execute(known.delete().where(known.c.table_name == name))
            connection.execute(known.insert().values(table_name=name, version=own.VERSION))
        else:
            if version > own.VERSION:
                own.must_be_current(version, table=name)
            for reached, upgrade in enumerate(UPGRADES[version - 1 :], version + 1):
                upgrade(connection, name)
                connection.execute(known.update().where(known.c.table_name == name).values(version=reached))
    except BaseException:
        driver.rollback(cursor)
        raise
    driver.commit(cursor)
    return lacks or version != own.VERSION


def _make_accounts(connection: Connection, name: str) -> None:
    """The table itself.  One that is there is taken only if it is what a broken-off `make` has left.

    Raises:
        Refused: it is somebody else's.
    """
    table = accounts(name)
    if inspect(connection).has_table(name):
        columns = {column["name"] for column in inspect(connection).get_columns(name)}
        if columns != set(table.c.keys()) or connection.scalar(select(func.count()).select_from(table)):
            raise Refused(
                f"there is a table {name} that nwauth has not made: say table = another name in nwauth.toml, or map it"
                " under [stores.columns]"
            )
    table.create(connection, checkfirst=True)
