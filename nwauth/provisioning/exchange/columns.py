"""What each column of a file becomes: a key of a user, an info field, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.protocol import BadRequest, check_field
from nwauth.provisioning.exchange.detecting import SEPARATORS
from nwauth.provisioning.parts import nearest
from nwauth.provisioning.words import HASH_WORDS, NO_INFO, PASSWORD_KEYS, PLAN_KEYS, SECRET_STEMS
from nwauth.stores.passwd.extras import LOGIN_POWERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

NAME_WORDS = ("user", "username", "user_name", "login", "email", "e-mail", "mail", "address", "account")
NAMES = frozenset(("name", *NAME_WORDS))
OF_LINES = {"name": "name", "password": "password_hash"}
OF_FORM = {
    "passwd": OF_LINES | {"gecos": "full_name"} | dict.fromkeys(("uid", "gid", "home", "shell"), ""),
    "dovecot": OF_LINES | {"gecos": "full_name"} | dict.fromkeys(("uid", "gid", "home", "shell"), ""),
    "htpasswd": OF_LINES,
    "nwauth": OF_LINES,
    "shadow": OF_LINES
    | dict.fromkeys(("last_change", "min_days", "max_days", "warn_days", "inactive_days", "expires", "flag"), ""),
}


class BadColumn(Refused):
    """It cannot be told what a column becomes; `column` is its name."""

    def __init__(self, column: str, text: str) -> None:
        super().__init__(text)
        self.column: Final = column


class Columns:
    """What columns become, by name: as `given` ("" leaves out), as the form has it, or as they are called.

    `clear`: whether the passwords of the file are in clear text, where that was said.
    """

    def __init__(self, form: str, given: dict[str, str], *, clear: bool | None) -> None:
        self.told: Final[dict[str, str]] = {}
        self._form: Final = form
        self._asked: Final = given
        self._given: Final = {column.lower(): key for column, key in given.items()}
        self._of_form: Final = OF_FORM.get(form, {})
        self._is_table: Final = form not in OF_FORM
        self._clear: Final = clear
        self._met: dict[str, str] = {}  # as they are written, by their folded names

    def targets(self, columns: Sequence[str]) -> tuple[list[str], list[BadColumn]]:
        """A key for each column, "" for one that is left out; and what is wrong with any of them."""
        self._met |= {column.lower(): column for column in columns}
        try:
            self._must_name_columns(columns)
        except BadColumn as error:  # alone: the others would show what stands there
            return [], [error]
        found: list[str] = []
        faults: list[BadColumn] = []
        taken: dict[str, str] = {}
        for column in columns:
            try:
                key = self._of_secret(self._target(column, columns), given=column.lower() in self._given)
                _must_be_alone(column, key, taken)
            except BadColumn as error:
                key = ""
                faults.append(error)
            found.append(key)
        faults += self._faults_of_name(columns, found)
        if not faults:
            self.told.update(zip(columns, found, strict=True))
        return found, faults

    def _must_name_columns(self, columns: Sequence[str]) -> None:
        """Without one that is known, line 1 may be a user's already, whose password nobody is shown.

        Raises:
            BadColumn: none is.
        """
        if self._form not in SEPARATORS:
            return
        if not any(
            column.lower() in self._given or column.strip().lower() in NO_INFO.union(NAME_WORDS, HASH_WORDS)
            for column in columns
        ):
            count = f"none of its {len(columns):,} is" if len(columns) > 1 else "what it has is not"
            near = [(number, nearest(column, NAMES)) for number, column in enumerate(columns, 1)]
            which = next((f" (did you mean {word}, in column {number}?)" for number, word in near if word), "")
            raise BadColumn(
                "",
                f"wanted names of columns, and {count} known{which}: if this line is a user, put one before it, as"
                " name,password; else give --map 'COLUMN=name'",
            )

    def _faults_of_name(self, columns: Sequence[str], found: Sequence[str]) -> Iterator[BadColumn]:
        """A spreadsheet's "Name" beside an "E-Mail" is what a person is called; `name` as we write it is the login."""
        if "name" not in found:
            yield BadColumn("", self._without_name(columns))
            return
        if not self._is_table or "name" in (key.strip().lower() for key in self._given.values()):
            return
        there = [column for column in columns if column.lower() not in self._given]
        people = next((column for column in there if column != "name" and column.strip().lower() == "name"), None)
        login = next((column for column in there if column.strip().lower() in NAME_WORDS), None)
        if people is not None and login is not None:
            yield BadColumn(
                people,
                f"either {people!r} or {login!r} may be the user's name: give --map '{login}=name' --map"
                f" '{people}=full_name', or --map '{people}=name'",
            )

    def _without_name(self, columns: Sequence[str]) -> str:
        there = ", ".join(map(repr, columns)) or "nothing"
        near = [column for column in columns if column.lower() not in self._given and nearest(column, NAMES)]
        logins = [column for column in columns if column.strip().lower() in NAME_WORDS]
        which = " or ".join(f"--map '{column}=name'" for column in logins or near[:1] or ["COLUMN"])
        return f"found {there}, and nothing that is the user's name: give {which}"

    def leaves_out(self, column: str) -> bool:
        """Whether the command line does."""
        return self._given.get(column.lower()) == ""

    def unmet(self) -> Iterator[str]:
        """What is to be said of each column that was given and is nowhere."""
        for column, key in self._asked.items():
            if column.lower() in self._met:
                continue
            turned = self._met.get(key.strip().lower())
            if turned is not None and column.strip().lower() in NAMES.union(NO_INFO):
                yield f"{column!r}, and there is no such column; the column comes first: --map '{turned}={column}'"
            else:
                near = self._met.get(nearest(column, self._met), "")
                yield f"{column!r}, and there is no such column" + (f": did you mean {near!r}?" if near else "")

    def _is_only_name(self, columns: Sequence[str]) -> bool:
        """Whether no column is the name by itself or by the command line, and one alone may be."""
        for column in columns:
            folded = column.lower()
            if self._given.get(folded, folded).strip().lower() == "name":
                return False
        return sum(column.strip().lower() in NAME_WORDS for column in columns) == 1

    def _of_secret(self, key: str, *, given: bool) -> str:
        if given or self._clear is None or key not in PASSWORD_KEYS:
            return key
        return "password" if self._clear else "password_hash"

    def _target(self, column: str, columns: Sequence[str]) -> str:
        """The key that a column becomes.  Raises BadColumn."""
        folded = column.strip().lower()
        if column.lower() in self._given:
            return self._key_of(column, self._given[column.lower()])
        if not self._is_table:
            return self._of_form[column] if column in self._of_form else self._field_of_line(column)
        if folded in NO_INFO:
            return self._plain_key(column, folded)
        if folded in NAME_WORDS and self._is_only_name(columns):
            return "name"
        if folded in HASH_WORDS:
            return "password_hash"
        if folded.startswith(SECRET_STEMS):
            raise BadColumn(
                column,
                f"{column!r}: is it a password? give --map '{column}=password' (clear text), '{column}=password_hash'"
                f" or '{column}=' (left out)",
            )
        return self._field_of_table(column)

    def _key_of(self, column: str, given: str) -> str:
        """What the command line makes of a column; a key of ours, however it is written, is never an info field."""
        folded = given.strip().lower()
        if folded in NO_INFO:
            return folded
        if folded.startswith(SECRET_STEMS):
            raise BadColumn(
                column,
                f"--map makes {column!r} the info field {given!r}, which servers are told: is it a password? give"
                f" --map '{column}=password' (clear text), '{column}=password_hash' or another name for the field",
            )
        return given

    def _field_of_table(self, column: str) -> str:
        try:
            check_field(column, "")
        except BadRequest:
            raise BadColumn(
                column,
                f"{column!r} cannot be the name of an info field: give --map '{column}=FIELD', or '{column}=' to leave"
                " it out",
            ) from None
        return column

    def _plain_key(self, column: str, folded: str) -> str:
        if folded in PLAN_KEYS:
            raise BadColumn(
                column, f"{column!r} is a word of plans, which nwauth apply takes; --map '{column}=' leaves it out"
            )
        return folded

    def _field_of_line(self, column: str) -> str:
        """An info field that a line has, or one of Dovecot's extras."""
        if self._form == "dovecot" and column.lower() in LOGIN_POWERS:
            raise BadColumn(
                column,
                f"{column!r} decides for Dovecot who logs in, and would here be a field without a meaning: give"
                f" --map '{column}=FIELD' to take it so, or '{column}=' to leave it out",
            )
        if column.lower() in NO_INFO:
            raise BadColumn(column, f"{column!r} is no name for an info field here: give --map '{column}=FIELD'")
        return column


def _must_be_alone(column: str, key: str, taken: dict[str, str]) -> None:
    """Raises BadColumn where a column before it becomes the same key: `taken` has them, by folded key."""
    if key.lower() in taken:
        twin = taken[key.lower()]
        raise BadColumn(column, f"{column!r} would become {key}, as {twin!r} does: give --map '{column}=' or so")
    if key:
        taken[key.lower()] = column
