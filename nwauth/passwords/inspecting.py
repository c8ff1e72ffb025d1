"""What can be told of a field without a password: what keeps its user out, or keeps us from telling."""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.model import Record
from nwauth.names import holds_only
from nwauth.passwords.checking import Passwords
from nwauth.passwords.costs import afford
from nwauth.passwords.digests import decode
from nwauth.passwords.families import NO_LOGIN_REASONS
from nwauth.passwords.table import BY_PREFIX, CRYPT64, DES, ENCODINGS, UNKNOWN, WRAPPERS, split
from nwauth.passwords.values import NoLogin
from nwauth.passwords.whole import is_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from nwauth.passwords.table import Identity, Scheme
    from nwauth.passwords.values import Settings

BRACED = frozenset(prefix for prefix in BY_PREFIX if prefix.startswith("{")) - WRAPPERS
DOVECOTS = frozenset(  # Dovecot's tags of fields that nothing here verifies
    ("{CRAM-MD5}", "{DIGEST-MD5}", "{HMAC-MD5}", "{LANMAN}", "{NTLM}", "{OTP}", "{PLAIN-MD4}", "{PLAIN-TRUNC}",
     "{RPA}", "{SCRAM-SHA-1}", "{SCRAM-SHA-256}", "{SKEY}")
)  # fmt: skip
DOLLARED = frozenset(prefix for prefix in BY_PREFIX if prefix.startswith("$"))


class Standing(Record):
    """What a field is worth here.

    With `no_login` it lets nobody in; `uncheckable`: this machine answers "cannot tell" for it.  `reason` says why.
    """

    __slots__ = ("no_login", "reason", "scheme", "uncheckable", "weak")

    def __init__(
        self, *, scheme: str, weak: bool, no_login: bool = False, uncheckable: bool = False, reason: str = ""
    ) -> None:
        self.scheme: Final = scheme
        self.weak: Final = weak
        self.no_login: Final = no_login
        self.uncheckable: Final = uncheckable
        self.reason: Final = reason


def is_same_hash(one: str, other: str, *, star_is_clear: bool) -> bool:
    """Whether two fields are one hash, or one clear text, in two ways of writing: a tag before it, base64 or hex."""
    scheme, text = split(one, star_is_clear)
    another, others = split(other, star_is_clear)
    if scheme is not another or scheme.family == "none":
        return False
    if scheme.family != "digest":
        return text == others
    try:
        return decode(scheme, one) == decode(scheme, other)
    except NoLogin:
        return False


def all_known(fields: Sequence[str], *, star_is_clear: bool) -> bool:
    """Whether each of the fields has a known form, or is empty; a million take a tenth of a second."""
    tags: tuple[str, ...] = ()
    while True:
        other = next((field for field in fields if field and not field.startswith(tags)), None)
        if other is None:
            return True
        if split(other, star_is_clear)[0] is UNKNOWN:
            return False
        tag = _deciding(other)
        if tag:
            tags += (tag,)
        else:
            odd = [field for field in fields if field and not (tags and field.startswith(tags))]
            if {*map(len, odd)} == {DES.size} and holds_only("".join(odd), CRYPT64.encode()):
                return True
            return not any(split(field, star_is_clear)[0] is UNKNOWN for field in odd)


def _deciding(field: str) -> str:
    """The beginning of a field that alone makes it one of a known form; "" where more of it is looked at."""
    end = field.find("}") + 1 if field.startswith("{") else field.find("$", 1) + 1
    tag = field[:end]
    return tag if tag.upper() in BRACED or tag in DOLLARED else ""


def known_tag(field: str) -> str:
    """The tag in braces that a field begins with, if it is that of a scheme, ours or Dovecot's; else ""."""
    tag = field[: field.find("}") + 1] if field.startswith("{") else ""
    name, dot, encoding = tag[1:-1].upper().partition(".")
    if dot and encoding not in ENCODINGS:
        return ""
    return tag if f"{{{name}}}" in BRACED | WRAPPERS | DOVECOTS else ""


class Inspector:
    """Looks at fields, a million of them in seconds: what hangs on the scheme alone is found out once."""

    def __init__(self, settings: Settings, *, native: bool = True) -> None:
        self._passwords = Passwords(settings, native=native)
        self._known: dict[str, tuple[Identity, Standing]] = {}

    def look(self, stored: str, *, star_is_clear: bool = False) -> Standing:
        """What the field is worth here, as its form shows it; one that is spoilt in another way passes as good."""
        scheme, text = split(stored, star_is_clear)
        if scheme.name not in self._known:
            self._known[scheme.name] = self._of_scheme(scheme, stored, star_is_clear)
        identity, standing = self._known[scheme.name]
        if not identity.login:
            return standing
        try:
            _must_be_whole(scheme, text)
            afford(scheme, text)
        except NoLogin as error:
            return Standing(scheme=scheme.name, weak=False, no_login=True, reason=str(error))
        except Unavailable as error:
            return Standing(scheme=scheme.name, weak=scheme.weak, uncheckable=True, reason=str(error))
        return standing

    def _of_scheme(self, scheme: Scheme, stored: str, star_is_clear: bool) -> tuple[Identity, Standing]:  # noqa: FBT001
        identity = self._passwords.identify(stored, star_is_clear=star_is_clear)
        reason = ""
        if not identity.login:
            reason = NO_LOGIN_REASONS[scheme.name]
        elif not identity.verifiable:
            reason = f"nothing on this machine verifies {scheme.name}"
        return identity, Standing(
            scheme=scheme.name,
            weak=identity.weak and identity.login,
            no_login=not identity.login,
            uncheckable=identity.login and not identity.verifiable,
            reason=reason,
        )


def _must_be_whole(scheme: Scheme, text: str) -> None:
    """Raises NoLogin where no password can fit: argon2 and PBKDF2, whose digests are of any length, are read later."""
    if scheme.family == "crypt" and not is_whole(scheme, text):
        raise NoLogin("damaged field")
    if scheme.family == "digest":
        from nwauth.passwords.digests import decode

        decode(scheme, text)
