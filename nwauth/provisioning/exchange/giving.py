"""Users as the files of other programs have them; what a form cannot hold is told, never left out in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.copying import Fitting
from nwauth.errors import Refused
from nwauth.model import Info, User, info_text
from nwauth.passwords.digests import decode
from nwauth.passwords.table import BY_NAME, CLEAR, NO_LOGIN, UNKNOWN, split
from nwauth.passwords.values import NoLogin
from nwauth.policy.account import DATE_FIELDS
from nwauth.protocol import BadRequest, check_field
from nwauth.provisioning.words import NO_INFO, PASSWORD_WORDS
from nwauth.stores.flatfile.lines import serialize
from nwauth.stores.passwd.extras import field_of
from nwauth.stores.passwd.lines import must_be_held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

from nwauth.passwords.table import Scheme

PLANS = ("ndjson", "csv", "semicolons", "tsv", "json", "toml")
LINES = ("passwd", "htpasswd", "dovecot", "nwauth")
COME_AND_GO = frozenset(("last_login", "created"))  # they differ from one day to the next: see spec/cli.md section 3
FOR_OTHERS = ("passwd", "htpasswd", "dovecot")  # what programs read that know no app passwords
LOCK = "!"
WORDS = {"drop_path": "drop path", "uid": "uid", "ip_mask": "IP mask"}
DOVECOT = {
    "argon2id": "{ARGON2ID}", "argon2i": "{ARGON2I}", "bcrypt": "{BLF-CRYPT}", "sha512-crypt": "{SHA512-CRYPT}",
    "sha256-crypt": "{SHA256-CRYPT}", "md5-crypt": "{MD5-CRYPT}", "des-crypt": "{DES-CRYPT}", "yescrypt": "{CRYPT}",
    "gost-yescrypt": "{CRYPT}", "scrypt": "{CRYPT}", "md5": "{LDAP-MD5}", "sha": "{SHA}", "ssha": "{SSHA}",
    "smd5": "{SMD5}", "ssha256": "{SSHA256}", "ssha512": "{SSHA512}", "sha256": "{SHA256}", "sha512": "{SHA512}",
    "clear": "{PLAIN}",
}  # fmt: skip
HTPASSWD = frozenset(("bcrypt", "apr1", "sha", "md5-crypt", "sha256-crypt", "sha512-crypt", "yescrypt", "des-crypt"))


class Lost:
    """What did not go into the file: how often, and of whom first; `faults` are the users who could not go at all."""

    def __init__(self) -> None:
        self.parts: Final[dict[str, tuple[int, str]]] = {}
        self.faults: Final[list[tuple[str, str]]] = []

    def part(self, what: str, name: str) -> None:
        """Something of a user is lost."""
        count, first = self.parts.get(what, (0, name))
        self.parts[what] = (count + 1, first)


class Giving:
    """Makes of users what a form has of them; `star_is_clear` as of the store that they come from."""

    def __init__(
        self, form: str, *, star_is_clear: bool, with_passwords: bool, with_all: bool, lost: Lost | None = None
    ) -> None:
        self.lost: Final = Lost() if lost is None else lost
        self._form: Final = form
        self._star_is_clear: Final = star_is_clear
        self._with_passwords: Final = with_passwords
        self._with_all: Final = with_all
        self._fitting: Final = Fitting(star_was_clear=star_is_clear, star_is_clear=form == "nwauth")
        self._makes: Final = {"passwd": self._passwd, "htpasswd": self._htpasswd, "dovecot": self._dovecot}

    def record(self, user: User) -> dict[str, str]:
        """The user as a plan says it."""
        found = {"name": user.name}
        field = user.stored_password
        if self._with_passwords:
            if not field:
                self.lost.part("no password field, so that a new user would need one", user.name)
            elif split(field, self._star_is_clear)[0] is UNKNOWN or not _is_of_plan(field):
                self.lost.part("a password field of no known form", user.name)
            else:
                found["password_hash"] = field
        return found | user.own() | dict(self._fields(user, reserved=NO_INFO | PASSWORD_WORDS))

    def line(self, user: User) -> str | None:
        """The user's line; None: the file cannot hold this user, and `lost` says why."""
        try:
            fitted = self._fitted(user)
            if self._form == "nwauth":
                return self._nwauth(fitted)
            must_be_held(name=user.name, password=fitted.stored_password)
            if any(user.info.get(field) for field in ("mailstatus", *DATE_FIELDS)):
                self.lost.part(
                    "that mailstatus or dates may refuse the login here: that program does not look", user.name
                )
            return self._makes[self._form](fitted)
        except Refused as error:
            self.lost.faults.append((user.name, str(error)))
            return None

    def _fitted(self, user: User) -> User:
        """The user with the password field that the file will have, but for its form.  Raises Refused."""
        field = user.stored_password
        if not self._with_passwords:
            return user.changed(stored_password=LOCK)
        if not (_behind_lock(field) and split(field, self._star_is_clear)[0] is NO_LOGIN):
            return self._fitting.fitted(user)
        if self._form in ("passwd", "nwauth"):  # usermod -U and the like take the lock away, and there it is
            return user if field.startswith(LOCK) else user.changed(stored_password=LOCK + field[1:])
        self.lost.part("the password behind a lock, so that nobody can be unlocked there", user.name)
        return user.changed(stored_password=LOCK)

    # --- info fields ------------------------------------------------------------------------------------------------

    def _fields(self, user: User, *, reserved: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
        """The info fields that go along."""
        info = self._given(user)
        fields = info.fields()
        if info.text != info_text(fields) and info.odd_text().strip():
            self.lost.part("info text that is no field", user.name)
        for name, value in fields.items():
            if not value or (name.lower() in COME_AND_GO and not self._with_all):
                continue
            if name.lower() in reserved:
                self.lost.part(f"the info field {name}, a word with another meaning there", user.name)
                continue
            try:
                check_field(name, value)
            except BadRequest:
                self.lost.part("an info field with control characters", user.name)
                continue
            yield name, value

    def _given(self, user: User) -> Info:
        """The info that may go along: app passwords stay here where nobody asked for them, or can read them."""
        if self._with_passwords and self._form not in FOR_OTHERS:
            return user.info
        public = user.info.public()
        if public != user.info:
            self.lost.part("the app passwords", user.name)
        return public

    # --- lines ------------------------------------------------------------------------------------------------------

    def _nwauth(self, user: User) -> str:
        if user.own():
            self._lose_own(user)
            user = User(name=user.name, stored_password=user.stored_password, info=user.info)
        without = () if self._with_all else COME_AND_GO
        gone = {name: "" for name in user.info.fields() if name.lower() in without}
        user = user.changed(info=user.info.updated(gone)) if gone else user
        user = user.changed(info=self._given(user))
        return serialize(user).decode("utf-8", "surrogateescape")

    def _lose_own(self, user: User) -> None:
        for part in user.own():
            self.lost.part(f"the {WORDS[part]}", user.name)

    def _htpasswd(self, user: User) -> str:
        scheme, text = split(user.stored_password, False)
        if scheme is NO_LOGIN:
            text = LOCK
        elif scheme.name not in HTPASSWD:
            raise Refused(f"its password is {_shown(scheme)}, which no reader of htpasswd files verifies")
        elif scheme.name == "sha":
            text = f"{{SHA}}{_base64(text)}"
        self._lose_own(user)
        for name, _ in self._fields(user):
            self.lost.part(f"the info field {name}", user.name)
        return f"{user.name}:{text}"

    def _passwd(self, user: User) -> str:
        fields = dict(self._fields(user))
        gecos = self._gecos(user, fields)
        for name in fields:
            self.lost.part(f"the info field {name}", user.name)
        if user.ip_mask:
            self.lost.part("the IP mask", user.name)
        return self._seven(user, user.stored_password or LOCK, gecos)

    def _dovecot(self, user: User) -> str:
        scheme, text = split(user.stored_password, False)
        if scheme is NO_LOGIN:
            field = LOCK
        elif text.startswith("{PBKDF2}$1$"):
            field = text
        elif scheme.name not in DOVECOT:
            raise Refused(f"its password is {_shown(scheme)}, which Dovecot does not verify")
        elif scheme.family == "digest" and "." in user.stored_password.partition("}")[0]:
            field = user.stored_password  # {SSHA.HEX} and the like are Dovecot's own
        else:
            field = DOVECOT[scheme.name] + (text.partition("}")[2] if scheme.family == "digest" else text)
        fields = dict(self._fields(user, reserved=NO_INFO))
        gecos = self._gecos(user, fields)
        extras = ""
        for name, value in fields.items():
            try:
                one = field_of(f'{name}="{value}"', "")
            except Refused:
                self.lost.part(f"the info field {name}, which Dovecot would take for something else", user.name)
                continue
            if '"' in one:
                self.lost.part(f"the info field {name}, which Dovecot would take for something else", user.name)
            else:
                extras = f"{extras} {one}" if extras else one
        if user.ip_mask:
            self.lost.part("the IP mask", user.name)
        return f"{self._seven(user, field, gecos)}:{extras}"

    def _gecos(self, user: User, fields: dict[str, str]) -> str:
        """The full name; one with a colon is lost."""
        gecos = fields.pop("full_name", "")
        if ":" in gecos:
            self.lost.part("the info field full_name, where it holds a colon", user.name)
            return ""
        return gecos

    def _seven(self, user: User, field: str, gecos: str) -> str:
        uid = "" if user.uid == "0" else user.uid
        home = "" if user.drop_path == "config" else user.drop_path
        if any(":" in part or not part.isprintable() for part in (uid, home)) or not _is_uid(uid):
            raise Refused("its uid or drop path cannot stand in a passwd line")
        return f"{user.name}:{field}:{uid}::{gecos}:{home}:"


def _is_uid(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())


def _behind_lock(field: str) -> bool:
    """Whether there is a password behind what locks it, as `!` before a hash."""
    behind = field.lstrip("!*")
    return behind != field and split(behind, False)[0] not in (NO_LOGIN, UNKNOWN)


def _is_of_plan(field: str) -> bool:
    return ":" not in field and (field.isprintable() or not any(c < " " or c == "\x7f" for c in field))


def _shown(scheme: Scheme) -> str:
    return "in clear text" if scheme is CLEAR else "of no known form" if scheme is UNKNOWN else scheme.name


def _base64(field: str) -> str:
    """The digest of a {SHA} field, as Apache has it.  Raises Refused."""
    from binascii import b2a_base64

    try:
        return b2a_base64(decode(BY_NAME["sha"], field), newline=False).decode()
    except NoLogin as error:
        raise Refused(f"its password is a {error}") from None
