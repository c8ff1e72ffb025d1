"""What each column of a file becomes: a key of a user, an info field, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.protocol import BadRequest, check_field
from nwauth.provisioning.exchange.detecting import SEPARATORS
from nwauth.provisioning.parts import NO_INFO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

NAME_WORDS = ("user", "username", "user_name", "login", "email", "e-mail", "mail", "address", "account")
HASH_WORDS = ("stored_password", "hash", "passwordhash", "password hash")
# Whatever begins so may be a password: as an info field it would be told to everybody.
SECRET_WORDS = ("pass", "pw", "pwd", "kennwort", "secret", "hash", "mot de passe", "contrase", "crypt", "stored_pass")
PLAN_WORDS = ("generate", "update_password")
# Words of Dovecot's extras that decide who logs in, and where: taken for mere fields they would lose that.
POWERS = frozenset(
    (
        *("allow_nets", "allow_real_nets", "delay_until", "destuser", "fail", "forward", "host", "hostip"),
        *("login_user", "master", "master_user", "noauthenticate", "nologin", "nopassword", "original_user"),
        *("pass", "password", "proxy", "user", "username"),
    )
)
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
        self._given: Final = {column.lower(): key for column, key in given.items()}
        self._of_form: Final = OF_FORM.get(form, {})
        self._is_table: Final = form not in OF_FORM
        self._clear: Final = clear
        self._met: set[str] = set()

    def targets(self, columns: Sequence[str]) -> list[str]:
        """A key for each column, "" for one that is left out.  Raises BadColumn."""
        self._met.update(column.lower() for column in columns)
        if self._is_table:
            if self._form in SEPARATORS:
                self._must_name_columns(columns)
            self._must_have_one_name(columns)
        named = any(self._target(column, columns, named=True) == "name" for column in columns)
        found: list[str] = []
        for column in columns:
            key = self._target(column, columns, named=named)
            key = self._of_secret(key, given=column.lower() in self._given)
            if key and key.lower() in (other.lower() for other in found):
                twin = columns[[other.lower() for other in found].index(key.lower())]
                raise BadColumn(
                    column, f"{column!a} would become {key}, as {twin!a} does: give --map '{column}=' or so"
                )
            found.append(key)
        if "name" not in found:
            shown = ", ".join(map(ascii, columns)) or "nothing"
            raise BadColumn("", f"found {shown}, and nothing that is the user's name: give --map 'COLUMN=name'")
        self.told.update(zip(columns, found, strict=True))
        return found

    def _must_name_columns(self, columns: Sequence[str]) -> None:
        """Without one that is known, line 1 may be a user's already, whose password nobody is shown."""
        if not any(
            column.lower() in self._given or column.strip().lower() in NO_INFO.union(NAME_WORDS, HASH_WORDS)
            for column in columns
        ):
            count = f"none of its {len(columns):,} is" if len(columns) > 1 else "what it has is not"
            raise BadColumn(
                "",
                f"wanted names of columns, and {count} known: if this line is a user, put one before it, as"
                " name,password; else give --map 'COLUMN=name'",
            )

    def _must_have_one_name(self, columns: Sequence[str]) -> None:
        """A spreadsheet's "Name" beside an "E-Mail" is what a person is called; `name` as we write it is the login."""
        if "name" in (key.strip().lower() for key in self._given.values()):
            return
        there = [column for column in columns if column.lower() not in self._given]
        people = next((column for column in there if column != "name" and column.strip().lower() == "name"), None)
        login = next((column for column in there if column.strip().lower() in NAME_WORDS), None)
        if people is not None and login is not None:
            raise BadColumn(
                people,
                f"either {people!a} or {login!a} may be the user's name: give --map '{login}=name' --map"
                f" '{people}=full_name', or --map '{people}=name'",
            )

    def unmet(self) -> list[str]:
        """The columns that were given and are nowhere."""
        return sorted(set(self._given) - self._met)

    def _of_secret(self, key: str, *, given: bool) -> str:
        if given or self._clear is None or key not in ("password", "password_hash"):
            return key
        return "password" if self._clear else "password_hash"

    def _target(self, column: str, columns: Sequence[str], *, named: bool) -> str:
        folded = column.strip().lower()
        if column.lower() in self._given:
            return self._key_of(column, self._given[column.lower()])
        if not self._is_table:
            return self._of_form[column] if column in self._of_form else self._field_of_line(column)
        if folded in NO_INFO:
            return self._plain_key(column, folded)
        if not named and folded in NAME_WORDS and sum(other.strip().lower() in NAME_WORDS for other in columns) == 1:
            return "name"
        if folded in HASH_WORDS:
            return "password_hash"
        if folded.startswith(SECRET_WORDS):
            raise BadColumn(
                column,
                f"{column!a}: is it a password? give --map '{column}=password' (clear text), '{column}=password_hash'"
                f" or '{column}=' (left out)",
            )
        return self._field_of_table(column)

    def _key_of(self, column: str, given: str) -> str:
        """What the command line makes of a column; a key of ours, however it is written, is never an info field."""
        folded = given.strip().lower()
        if folded in NO_INFO:
            return folded
        if folded.startswith(SECRET_WORDS):
            raise BadColumn(
                column,
                f"--map makes {column!a} the info field {given!a}, which servers are told: is it a password? give"
                f" --map '{column}=password' (clear text), '{column}=password_hash' or another name for the field",
            )
        return given

    def _field_of_table(self, column: str) -> str:
        try:
            check_field(column, "")
        except BadRequest:
            raise BadColumn(
                column,
                f"{column!a} cannot be the name of an info field: give --map '{column}=FIELD', or '{column}=' to leave"
                " it out",
            ) from None
        return column

    def _plain_key(self, column: str, folded: str) -> str:
        if folded in PLAN_WORDS:
            raise BadColumn(
                column, f"{column!a} is a word of plans, which nwauth apply takes; --map '{column}=' leaves it out"
            )
        return folded

    def _field_of_line(self, column: str) -> str:
        """An info field that a line has, or one of Dovecot's extras."""
        if self._form == "dovecot" and column.lower() in POWERS:
            raise BadColumn(
                column,
                f"{column!a} decides for Dovecot who logs in, and would here be a field without a meaning: give"
                f" --map '{column}=FIELD' to take it so, or '{column}=' to leave it out",
            )
        if column.lower() in NO_INFO:
            raise BadColumn(column, f"{column!a} is no name for an info field here: give --map '{column}=FIELD'")
        return column
