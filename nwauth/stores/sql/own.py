"""The schema that ``nwauth init`` makes: a row a user, found by its folded name."""

from __future__ import annotations

from nwauth.errors import ConfigError, Unavailable
from nwauth.model import User
from nwauth.names import fold
from nwauth.stores.sql.octets import SUB, as_text, decode, encode
from nwauth.stores.sql.table import LIKE_ESCAPE, Table, like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.stores.sql.drivers.base import Driver
    from nwauth.stores.sql.table import Ask, Order, Row, Values

VERSION = 1  # of the schema; `schema` brings an older one here
VERSIONS_TABLE = "nwauth_schema"
KEY = "name_key"
COLUMNS = ("name", "stored_password", "drop_path", "uid", "ip_mask", "info")  # in the order of `User.held`


class OwnTable(Table):
    """Accounts in a table of our own."""

    is_ours = True

    def __init__(self, table: str, driver: Driver, *, store: str) -> None:
        if "." in table:
            raise ConfigError(f"found the table {table!r}, wanted a name without a dot: it is made where the URL leads")
        super().__init__(table, driver, store=store, columns=COLUMNS)
        by_key = self._equals(KEY, "a.")
        self._find = self.select_told(by_key)
        self._lock = self.select(by_key, end=driver.lock_rows)
        self._lock_at_once = self.select(by_key, end=driver.lock_rows_at_once)
        self._version = f"SELECT version FROM {driver.quote(VERSIONS_TABLE)} WHERE {self._equals('table_name')}"

    def check(self, ask: Ask) -> None:
        must_be_current(self.version(ask), table=self.name)
        self.driver.adopt(ask)

    def version(self, ask: Ask) -> int | None:
        """The schema's version as the database has it; None: the table was never made."""
        rows = ask(self._version, (self.name,))
        return int(rows[0][0]) if rows else None

    def lookup(self, ask: Ask, name: str) -> User | None:
        key = fold(name)
        return self._only(ask(self._find, (encode(key),)), key)

    def lock(self, ask: Ask, name: str, *, at_once: bool = False) -> User | None:
        key = fold(name)
        return self._only(ask(self._lock_at_once if at_once else self._lock, (encode(key),)), key)

    def _only(self, rows: list[Row], key: str) -> User | None:
        """The user of the row of a key.

        Raises:
            Unavailable: somebody has changed one of name and key without the other.
        """
        if not rows:
            return None
        user = self.user(rows[0])
        if fold(user.name) != key:
            raise Unavailable(
                f"table {self.name}: the row of {KEY} {key!a} has the name {user.name!a}: mend one of them"
            )
        return user

    def user(self, row: Row) -> User:
        try:
            is_odd = SUB in "".join(row)
        except TypeError:  # another program has written bytes, or NULL
            row, is_odd = tuple(as_text(value) or "" for value in row), True
        if is_odd:
            row = tuple(map(decode, row))
        return User.of(row, store=self.store)

    def values(self, user: User) -> Values:
        return dict(zip((KEY, *COLUMNS), self.row(user), strict=True))

    def its_row(self, user: User) -> Order:
        return self._equals(KEY), (encode(fold(user.name)),)

    def listing(self, pattern: str) -> Order:
        condition = "1 = 1"
        if pattern:
            condition = f"a.{self.driver.quote(KEY)} LIKE {self.driver.mark} ESCAPE '{LIKE_ESCAPE}'"
        order = f" ORDER BY a.{self.driver.quote(KEY)}"
        return self.select(condition, end=order), (like(pattern),) if pattern else ()

    @property
    def into(self) -> str:
        """The table and its columns, in the order of `row`."""
        return f"{self._table} ({', '.join(map(self.driver.quote, (KEY, *COLUMNS)))})"

    def row(self, user: User) -> tuple[str, ...]:
        """What the columns hold for a user; for many at a time."""
        row = (fold(user.name), *user.held())
        return row if "".join(row).isprintable() else tuple(map(encode, row))

    def keys_among(self, count: int) -> str:
        """Tells which of so many folded names are taken."""
        marks = ", ".join([self.driver.mark] * count)
        key = self.driver.quote(KEY)
        return f"SELECT {key} FROM {self._table} WHERE {key} IN ({marks})"

    def _touched(self) -> str:
        return f", {self.driver.quote('changed')} = CURRENT_TIMESTAMP"


def must_be_current(version: int | None, *, table: str) -> None:
    """Raises where this program cannot serve a schema of that version."""
    if version is None:
        raise Unavailable(f"there is no table {table} of nwauth's in the database, run nwauth init")
    if version > VERSION:
        raise ConfigError(
            f"table {table} was made by a newer nwauth (schema {version}, here {VERSION}): upgrade this one"
        )
    if version < VERSION:
        raise Unavailable(f"table {table} has schema {version}, here {VERSION}: run nwauth init to bring it forward")
