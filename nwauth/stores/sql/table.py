"""A table of users: the statements that find and change them, and what a row is to us.

Every SELECT gives the same columns in the same order; `Table.user` makes a user of such a row.  Where a database may
be a replica, the SELECT of a look-up gives first whether it is: one row at least, so that "nobody of that name" and "I
may be behind" come in one answer, also through a pooler that leads elsewhere from one statement to the next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from nwauth.names import fold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final

    from nwauth.model import User
    from nwauth.stores.base import Held
    from nwauth.stores.sql.drivers.base import Driver

    Row = tuple[Any, ...]
    Values = Mapping[str, str | None]
    Emptied = frozenset[str]  # columns that take no NULL: what holds nothing is written as empty text
    Ask = Callable[[str, Sequence[object]], list[Row]]
    Order = tuple[str, Sequence[object]]  # a statement, and what its marks stand for

LIKE_ESCAPE = "!"


class Table(ABC):
    """One table of users in one database."""

    is_ours = False  # made by us, and by nobody else

    def __init__(self, table: str, driver: Driver, *, store: str, columns: Sequence[str]) -> None:
        self.name: Final = table
        self.driver: Final = driver
        self.store: Final = store
        self._table: Final = ".".join(map(driver.quote, table.split(".")))
        self.columns: Final = tuple(columns)
        self._selected: Final = ", ".join(f"a.{driver.quote(column)}" for column in columns)

    # --- what differs -----------------------------------------------------------------------------------------------

    @abstractmethod
    def check(self, ask: Ask) -> None:
        """Look whether the table is what it should be, on a new connection.

        Raises:
            Unavailable: it is not; the text names what lacks and what to do.
        """

    @abstractmethod
    def lookup(self, ask: Ask, name: str) -> User | None:
        """The one user of that folded name, as `ask` finds the rows.

        Raises:
            Unavailable: there are several.
        """

    @abstractmethod
    def lock(self, ask: Ask, name: str, *, at_once: bool = False) -> User | None:
        """`lookup` in a transaction: until it ends nobody else can change the row; it may take its time.

        Raises:
            Unavailable: there are several.
        """

    @abstractmethod
    def user(self, row: Row) -> User:
        """The user of a row."""

    def held(self, rows: list[Row]) -> list[Held]:
        """What is held of the users of rows."""
        return [self.user(row).held() for row in rows]

    @abstractmethod
    def values(self, user: User) -> Values:
        """What the columns hold for a user; None for NULL.

        Raises:
            Refused: the table has no place for something of it.
        """

    def settled(self, user: User) -> User:
        """A new user as the table will give it out."""
        return user

    @abstractmethod
    def its_row(self, user: User) -> Order:
        """The condition, and what its marks stand for, that tells the row of a user who is there from all others."""

    @abstractmethod
    def listing(self, pattern: str) -> Order:
        """The users that a pattern may match, by folded name."""

    def claim(self, cursor: Any) -> None:
        """Let nobody else add a user before the transaction ends, where nothing else keeps a second spelling out."""

    # --- statements -------------------------------------------------------------------------------------------------

    def new_row(self, user: User, empty: Emptied = frozenset()) -> Values:
        """What to insert for a user; a column that holds nothing is left to the table, or empty text if in `empty`.

        Raises:
            Refused: the table has no place for something of it.
        """
        filled = {column: _filled(column, value, empty) for column, value in self.values(user).items()}
        return {column: value for column, value in filled.items() if value is not None}

    def changed(self, old: User, new: User, empty: Emptied = frozenset()) -> Values:
        """What to change in the row of `old`.  Raises Refused."""
        before, after = self.values(old), self.values(new)
        return {column: _filled(column, value, empty) for column, value in after.items() if value != before[column]}

    def insert(self, values: Values) -> Order:
        """Add a row."""
        columns = ", ".join(map(self.driver.quote, values))
        marks = ", ".join([self.driver.mark] * len(values))
        return f"INSERT INTO {self._table} ({columns}) VALUES ({marks})", tuple(values.values())

    def update(self, user: User, values: Values) -> Order:
        """Change the row of a user."""
        condition, parameters = self.its_row(user)
        changes = ", ".join(f"{self.driver.quote(column)} = {self.driver.mark}" for column in values)
        return f"UPDATE {self._table} SET {changes}{self._touched()} WHERE {condition}", (*values.values(), *parameters)

    def delete(self, user: User) -> Order:
        """Delete the row of a user."""
        condition, parameters = self.its_row(user)
        return f"DELETE FROM {self._table} WHERE {condition}", parameters

    @abstractmethod
    def scanned(self, cursor: Any) -> list[str]:
        """What look-ups ask for, as an index would have it, as far as they read the whole table for it."""

    def trials(self) -> dict[str, str]:
        """By the right that each change needs, a statement that is refused without it, and changes nothing."""
        columns = list(map(self.driver.quote, self.columns))
        names, same = ", ".join(columns), ", ".join(f"{column} = {column}" for column in columns)
        nobody = f"{self._table} WHERE 1 = 0"
        return {
            "INSERT": f"EXPLAIN INSERT INTO {self._table} ({names}) SELECT {names} FROM {nobody}",
            "UPDATE": f"EXPLAIN UPDATE {self._table} SET {same} WHERE 1 = 0",
            "DELETE": f"EXPLAIN DELETE FROM {nobody}",
        }

    @property
    def counting(self) -> str:
        """Tells the number of rows."""
        return f"SELECT count(*) FROM {self._table}"

    def _touched(self) -> str:
        """What every UPDATE sets besides."""
        return ""

    def _equals(self, column: str, prefix: str = "") -> str:
        return f"{prefix}{self.driver.quote(column)} = {self.driver.mark}"

    def select(self, condition: str, *, end: str = "") -> str:
        """The rows for which `condition` holds, the table being called ``a``."""
        return f"SELECT {self._selected} FROM {self._table} AS a WHERE {condition}{end}"

    def select_told(self, condition: str) -> str:
        """`select` for a look-up: with whether the database is a replica, where it may be one."""
        is_replica = self.driver.is_replica
        if is_replica is None:
            return self.select(condition)
        return (
            f"SELECT s.is_replica, {self._selected}"
            f" FROM (SELECT {is_replica} AS is_replica) AS s LEFT JOIN {self._table} AS a ON {condition}"
        )


def _filled(column: str, value: str | None, empty: Emptied) -> str | None:
    return "" if value is None and column in empty else value


def like(pattern: str) -> str:
    """The LIKE pattern, in lower case and for ``ESCAPE '!'``, of what fits a search pattern; it may fit more.

    What databases fold or count otherwise than we do, all beyond ASCII and the one-character wildcard, is left open.
    """
    wild = pattern if "*" in pattern or "?" in pattern else f"*{pattern}*"
    found = ""
    for character in fold(wild):
        if character in "*?" or not " " <= character < "\x7f":
            found += "" if found.endswith("%") and not found.endswith("!%") else "%"
        else:
            found += LIKE_ESCAPE + character if character in "%_!" else character
    return found
