"""What a user of one store becomes in another: the password field in the target's words; what has no place there.

spec/stores.md section 1, "Password fields": a star begins clear text in flat files only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.config import FlatfileConfig
from nwauth.config.kinds.passwd import PasswdConfig
from nwauth.config.kinds.sql import SqlConfig
from nwauth.errors import Refused
from nwauth.model import PLAIN
from nwauth.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.config import StoreConfig
    from nwauth.model import User

    Settle = Callable[[User], User]
    MustFit = Callable[[User, User | None], object]

LOCKS = ("*", "!")  # what begins so lets nobody in, but for clear text in flat files
LOCKED = "!"
CLEAR = "{CLEAR}"
HIDDEN = "its password stands in /etc/shadow, which root alone reads: run it as root, on a folder of root's"
LINE_HOLDS = "nwauth.txt has no place for"


class Fitting:
    """The way from one store to another.

    `settle` gives a user as the target will give it out; `must_fit` raises Refused for one that cannot be added, or not
    be put in the place of another.
    `takes_plain`: whoever has nothing but name, password field and info, all in plain text, surely has a place there.
    `clear_text` and `locked` count the fields that were put in other words.
    """

    def __init__(
        self,
        *,
        star_was_clear: bool,
        star_is_clear: bool,
        is_of_system: bool = False,
        settle: Settle | None = None,
        must_fit: MustFit | None = None,
        takes_plain: bool = True,
    ) -> None:
        self._star_was_clear: Final = star_was_clear
        self._star_is_clear: Final = star_is_clear
        self._is_of_system: Final = is_of_system
        self._settle: Final = settle
        self._must_fit: Final = must_fit
        self._passwords: Final = Passwords()
        self.takes_plain: Final = takes_plain
        self.clear_text = 0
        self.locked = 0

    def fitted(self, user: User) -> User:
        """The user as the target will hold it.

        Raises:
            Refused: the target has no place for something of it.
        """
        field = user.stored_password
        if self._is_of_system and field == "x":
            raise Refused(HIDDEN)
        if field.startswith(LOCKS) and self._star_was_clear != self._star_is_clear:
            user = user.changed(stored_password=self._translated(field))
        return user if self._settle is None else self._settle(user)

    def must_fit(self, user: User, old: User | None) -> None:
        """Raises Refused where the target would not take one who is `fitted`; with `old`, in the place of that one."""
        if self._must_fit is not None:
            self._must_fit(user, old)

    def _translated(self, field: str) -> str:
        if self._star_is_clear:
            if field.startswith("!"):
                return field
        elif self._passwords.identify(field, star_is_clear=True).name == "clear":
            self.clear_text += 1
            return CLEAR + field[1:]
        self.locked += field != LOCKED
        return LOCKED


def fitting(source: StoreConfig, target: StoreConfig) -> Fitting:
    """The way from the store of one configuration to that of another.

    Raises:
        Refused: users of the one are never copied, or the other takes none.
    """
    if source.verifies:
        raise Refused(
            f"store {source.name} verifies passwords by itself and gives none out: its users cannot be copied;"
            " migrate_to takes them along as they log in"
        )
    if target.read_only:
        raise Refused(f"store {target.name} takes no users")
    settle: Settle | None = None
    must_fit: MustFit | None = None
    if isinstance(target, FlatfileConfig):
        settle, must_fit = _bare, _must_be_a_line
    elif isinstance(target, SqlConfig) and target.columns is not None:
        settle, must_fit = _of_columns(target)
    elif isinstance(target, SqlConfig) and not target.url.lower().startswith("sqlite"):
        must_fit = _must_be_a_row
    is_foreign = isinstance(target, SqlConfig) and target.columns is not None
    return Fitting(
        star_was_clear=source.star_is_clear,
        star_is_clear=target.star_is_clear,
        is_of_system=source.kind == "system",
        settle=settle,
        must_fit=must_fit,
        takes_plain=not is_foreign and not isinstance(target, PasswdConfig),  # which asks of each what a line can hold
    )


def _bare(user: User) -> User:
    """Raises Refused where a line of a user file has no place for what a user has."""
    if user.drop_path == "config" and user.uid == "0" and not user.ip_mask:
        return user
    if user.drop_path != "config":
        raise Refused(f"{LINE_HOLDS} its drop path {user.drop_path!a}")
    if user.uid != "0":
        raise Refused(f"{LINE_HOLDS} its uid {user.uid!a}")
    raise Refused(f"{LINE_HOLDS} its IP mask {user.ip_mask!a}")


def _must_be_a_line(user: User, _old: User | None) -> None:
    from nwauth.stores.flatfile.lines import serialize

    serialize(user)


def _must_be_a_row(user: User, _old: User | None) -> None:
    """For a table of our own, but in SQLite, which knows no widths."""
    from nwauth.stores.sql.octets import encode
    from nwauth.stores.sql.own import COLUMNS, INFO, MAX_CHARACTERS

    for column, value in zip(COLUMNS, user.held(), strict=True):
        if column != INFO and len(encode(value)) > MAX_CHARACTERS:
            raise Refused(f"its {column} is longer than the {MAX_CHARACTERS:,} characters that the table holds")


def _of_columns(target: SqlConfig) -> tuple[Settle, MustFit]:
    """For a table of somebody else's: what its columns make of a user."""
    from nwauth.stores.sql import Limits
    from nwauth.stores.sql.drivers import open_driver
    from nwauth.stores.sql.foreign import ForeignTable

    assert target.columns is not None  # noqa: S101
    driver = open_driver(target.url, Limits())  # for its way of quoting alone: it is never connected
    table = ForeignTable(
        target.table, driver, target.columns, store=target.name, password_format=target.password_format
    )

    def settle(user: User) -> User:
        values = table.values(table.settled(user))
        kept = table.user(tuple(values[column] for column in table.columns))
        _must_be_kept(user, kept, table.name)
        return kept

    def must_fit(user: User, old: User | None) -> None:
        if old is None:
            table.new_row(user)
        else:
            table.changed(old, user)

    return settle, must_fit


def _must_be_kept(user: User, kept: User, table: str) -> None:
    """Raises Refused where a table has no column for what stands beside the info fields."""
    for part in PLAIN:
        if getattr(user, part) != getattr(kept, part):
            raise Refused(f"table {table} has no column for its {part}: map one under [stores.columns]")
