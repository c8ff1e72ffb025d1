"""The schema that ``nwauth init`` makes: a row a user, found by its folded name."""

from __future__ import annotations

from nwauth.errors import ConfigError, Unavailable
from nwauth.model import User
from nwauth.names import fold
from nwauth.stores.sql.octets import SUB, as_text, decode, encode
from nwauth.stores.sql.table import LIKE_ESCAPE, Table, like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from nwauth.stores.base import Held
    from nwauth.stores.sql.drivers.base import Driver
    from nwauth.stores.sql.table import Ask, Order, Row, Values

VERSION = 1  # of the schema; `schema` brings an older one here
VERSIONS_TABLE = "nwauth_schema"
KEY = "name_key"
INFO = "info"
MAX_CHARACTERS = 1024  # of a column other than info
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

    def held(self, rows: list[Row]) -> list[Held]:
        try:
            if SUB not in "".join(map("".join, rows)):
                return [tuple(row) for row in rows]
        except TypeError:  # as for `user`
            pass
        return super().held(rows)

    def values(self, user: User) -> Values:
        return dict(zip((KEY, *COLUMNS), self.row(user), strict=True))

    def its_row(self, user: User) -> Order:
        return self._equals(KEY), (encode(fold(user.name)),)

    def scanned(self, cursor: Any) -> list[str]:  # noqa: ARG002
        return []  # the key is the primary one

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

    def rows(self, users: list[Held]) -> list[tuple[str, ...]]:
        """`row` of many, as what is held of them."""
        names = "\n".join([user[0] for user in users])
        if names.isascii() and names.count("\n") == len(users) - 1:
            keys = names.lower().split("\n")
        else:
            keys = [fold(user[0]) for user in users]
        rows = [(key, *user) for key, user in zip(keys, users, strict=True)]
        if "".join(map("".join, rows)).isprintable():
            return rows
        return [tuple(map(encode, row)) for row in rows]

    def lock_all(self, ask: Ask, keys: Sequence[str]) -> dict[str, Held]:
        """What is held of those who are there, by folded name; until the transaction ends nobody else changes them."""
        statement = self.select(f"a.{self._among(len(keys))}", end=self.driver.lock_rows)
        found = (self.user(row).held() for row in ask(statement, [encode(key) for key in keys]))
        return {fold(user[0]): user for user in found}

    def delete_all(self, keys: Sequence[str]) -> Order:
        """Delete the rows of some folded names."""
        return f"DELETE FROM {self._table} WHERE {self._among(len(keys))}", [encode(key) for key in keys]

    def update_all(self, cursor: Any, users: list[Held]) -> None:
        """Write these over the users of the same folded names, who are there."""
        columns = [*map(self.driver.quote, (KEY, *COLUMNS))]
        self.driver.update(cursor, self._table, columns, self._touched(), self.rows(users))

    def rename(self, key: str, user: Held) -> Order:
        """Write a user over the one of another folded name."""
        changes = ", ".join(self._equals(column) for column in (KEY, *COLUMNS))
        (row,) = self.rows([user])
        return f"UPDATE {self._table} SET {changes}{self._touched()} WHERE {self._equals(KEY)}", (*row, encode(key))

    def _among(self, count: int) -> str:
        return f"{self.driver.quote(KEY)} IN ({', '.join([self.driver.mark] * count)})"

    def keys_among(self, count: int) -> str:
        """Tells which of so many folded names are taken."""
        return f"SELECT {self.driver.quote(KEY)} FROM {self._table} WHERE {self._among(count)}"

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
