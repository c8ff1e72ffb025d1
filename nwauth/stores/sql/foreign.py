"""A table of somebody else's, mapped onto users column by column (``[stores.columns]``).

The database's own ``lower()`` finds candidates; which of them is meant is decided here, by `nwauth.names.fold`.
"""

from __future__ import annotations

from nwauth.errors import Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import fold
from nwauth.stores.sql.format import PasswordColumn
from nwauth.stores.sql.octets import as_text, is_plain
from nwauth.stores.sql.table import LIKE_ESCAPE, Table, like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from nwauth.stores.sql.columns import Columns
    from nwauth.stores.sql.drivers.base import Driver
    from nwauth.stores.sql.table import Ask, Emptied, Order, Row, Values

_LINE_ENDS = str.maketrans({"\n": " ", "\r": " ", "\0": " ", '"': "'"})


class ForeignTable(Table):
    """Users in a table that another program has made, and may write too."""

    def __init__(self, table: str, driver: Driver, columns: Columns, *, store: str, password_format: str) -> None:
        self._map: Final = columns
        super().__init__(table, driver, store=store, columns=columns.mapped())
        self._at: Final = {column: at for at, column in enumerate(columns.mapped())}
        self._passwords: Final = PasswordColumn(password_format)
        self._ignores_case = False
        name, mark = f"a.{driver.quote(columns.name)}", driver.mark
        self._name = name
        conditions = {
            "near": f"{name} IN ({mark}, {mark})",
            "folded": f"lower({name}) = {mark}",
            "like": f"{driver.folded(name)} LIKE {mark} ESCAPE '{LIKE_ESCAPE}'",
        }
        self._find = {kind: self.select_told(condition) for kind, condition in conditions.items()}
        self._lock = {kind: self.select(condition, end=driver.lock_rows) for kind, condition in conditions.items()}
        self._lock_at_once = {
            kind: self.select(condition, end=driver.lock_rows_at_once) for kind, condition in conditions.items()
        }

    def check(self, ask: Ask) -> None:
        """See that every column is there, and whether the table finds names without regard to case by itself."""
        names = [
            self._text(row, self._map.name) or "" for row in ask(self.select("1 = 1", end=self.driver.first_rows), ())
        ]
        name = next((name for name in names if name.isascii() and name.swapcase() != name), None)
        if name is not None:
            found = ask(self.select(f"{self._name} = {self.driver.mark}"), (name.swapcase(),))
            self._ignores_case = any(self._text(row, self._map.name) == name for row in found)

    # --- finding ----------------------------------------------------------------------------------------------------

    def lookup(self, ask: Ask, name: str) -> User | None:
        return self._lookup(ask, name, self._find)

    def lock(self, ask: Ask, name: str, *, at_once: bool = False) -> User | None:
        return self._lookup(ask, name, self._lock_at_once if at_once else self._lock)

    def _lookup(self, ask: Ask, name: str, statements: Mapping[str, str]) -> User | None:
        key = fold(name)
        comparable = is_plain(name) and (name.isascii() or not self.driver.has_narrow_columns)
        near = self._named(ask(statements["near"], (name, key)), key) if comparable else []
        exact = [user for user in near if user.name == name]
        if not exact and not (comparable and self._ignores_case and key.isascii()):
            near = self._candidates(ask, key, statements)
            exact = [user for user in near if user.name == name]
        found = exact or near
        if len(found) > 1:
            raise Unavailable(f"table {self.name} has {len(found)} users of the name {name!a}: which is meant?")
        return found[0] if found else None

    def _candidates(self, ask: Ask, key: str, statements: Mapping[str, str]) -> list[User]:
        """Everybody of that folded name, as far as the database can find them without regard to case."""
        if not key.isascii() or "\0" in key:
            return self._named(ask(statements["like"], (like(key + "*"),)), key)
        found = self._named(ask(statements["folded"], (key,)), key)
        if not found and "k" in key and self.driver.lower_is_ascii:  # the Kelvin sign is a k to us
            found = self._named(ask(statements["like"], (like(key.replace("k", "?")),)), key)
        return found

    def _named(self, rows: list[Row], key: str) -> list[User]:
        users = map(self.user, rows)
        return [user for user in users if fold(user.name) == key]

    def scanned(self, cursor: Any) -> list[str]:
        asked = ["{}"] if self._ignores_case else ["{}", "lower({})"]
        mark, column = self.driver.mark, self.driver.quote(self._map.name)
        return [
            one.format(column)
            for one in asked
            if self.driver.scans(cursor, self.select(f"{one.format(self._name)} = {mark}"), ("nobody",))
        ]

    # --- rows -------------------------------------------------------------------------------------------------------

    def _text(self, row: Row, column: str | None) -> str | None:
        return None if column is None else as_text(row[self._at[column]])

    def user(self, row: Row) -> User:
        columns = self._map
        pieces = []
        for field, column in columns.info:
            value = self._text(row, column)
            if value:
                pieces.append(f'{field}="{value.translate(_LINE_ENDS)}"')
        pieces.append(self._other_info((self._text(row, columns.info_text) or "").replace("\n", " ")))
        return User(
            name=self._text(row, columns.name) or "",
            stored_password=self._passwords.field(self._text(row, columns.password)),
            info=Info(" ".join(filter(None, pieces))),
            drop_path=self._text(row, columns.drop_path) or "config",
            uid=self._text(row, columns.uid) or "0",
            ip_mask=self._text(row, columns.ip_mask) or "",
            store=self.store,
        )

    def _other_info(self, text: str) -> str:
        """`text` without fields that have a column of their own."""
        fields = [field for field, _ in self._map.info]
        return Info(text).updated(dict.fromkeys(fields, "")).text if text else ""

    def values(self, user: User) -> Values:
        columns = self._map
        values: dict[str, str | None] = {
            columns.name: user.name,
            columns.password: self._passwords.value(user.stored_password),
        }
        if columns.drop_path is not None:
            values[columns.drop_path] = None if user.drop_path == "config" else user.drop_path
        if columns.uid is not None:
            values[columns.uid] = None if user.uid == "0" else user.uid
        if columns.ip_mask is not None:
            values[columns.ip_mask] = user.ip_mask or None
        values |= self._info_values(user.info)
        return values

    def _info_values(self, info: Info) -> dict[str, str | None]:
        values = {column: info.get(field) or None for field, column in self._map.info}
        rest = info.updated(dict.fromkeys((field for field, _ in self._map.info), ""))
        if self._map.info_text is not None:
            values[self._map.info_text] = rest.text or None
        elif rest.text.strip():
            unknown = ", ".join(rest.fields()) or rest.text
            raise Refused(f"table {self.name} has no column for {unknown}: map one under [stores.columns]")
        return values

    def settled(self, user: User) -> User:
        passwords = self._passwords
        return user.changed(stored_password=passwords.field(passwords.new_value(user.stored_password)))

    def its_row(self, user: User) -> Order:
        column, mark = self.driver.quote(self._map.name), self.driver.mark
        return f"{column} = {mark} AND {self.driver.exact(column)} = {mark}", (user.name, user.name)

    # --- changes ----------------------------------------------------------------------------------------------------

    def claim(self, cursor: Any) -> None:
        self.driver.claim(cursor, self.name)

    def new_row(self, user: User, empty: Emptied = frozenset()) -> Values:
        fixed = self._map.read_only
        values = super().new_row(user, empty)
        given = {column: value for column, value in values.items() if value or column not in fixed}
        if not given.get(self._map.name):
            raise Refused(f"table {self.name} takes nobody without a name")
        return self._writable(given)

    def changed(self, old: User, new: User, empty: Emptied = frozenset()) -> Values:
        return self._writable(super().changed(old, new, empty))

    def _writable(self, values: Values) -> Values:
        for column, value in values.items():
            if column in self._map.read_only:
                raise Refused(f"column {column} of table {self.name} is read_only in nwauth.toml")
            if value is not None and not is_plain(value):
                raise Refused(f"column {column} of table {self.name} can hold no NUL, and nothing that is no UTF-8")
        return values

    def listing(self, pattern: str) -> Order:
        condition = f"{self._name} <> ''"  # a row without a name is nobody's
        if pattern:
            condition += f" AND {self.driver.folded(self._name)} LIKE {self.driver.mark} ESCAPE '{LIKE_ESCAPE}'"
        order = f" ORDER BY {self.driver.folded_bytes(self._name)}"
        return self.select(condition, end=order), (like(pattern),) if pattern else ()
