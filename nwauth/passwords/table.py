"""The table of password fields: every form there is, told apart by its first characters.

spec/stores.md section 1, "Password fields"; the evidence for NetWin's forms is in reference/netwin.md 4.4.
"""

from __future__ import annotations

from nwauth.model import Record
from nwauth.passwords.values import SCHEMES_MADE, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CRYPT64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NETWIN40 = "".join(map(chr, range(0x41, 0x69)))  # A to h


class Scheme(Record):
    """One way to store a password.

    `family` names the code that verifies it.  `weak`: one cheap round.  `slow`: a verification takes over about 50
    microseconds, so it is worth a memo entry.  `size`: the characters of the digest after the last ``$``, or the
    bytes of the digest of a ``{...}`` form.  `right` and `wrong` are its two plain verdicts.
    """

    __slots__ = ("algorithm", "family", "name", "prefixes", "right", "salted", "size", "slow", "weak", "wrong")

    def __init__(
        self, name: str, family: str, *prefixes: str, weak: bool = False, slow: bool = True, size: int = 0,
        algorithm: str = "", salted: bool = False,
    ) -> None:  # fmt: skip
        self.name: Final = name
        self.family: Final = family
        self.prefixes: Final = prefixes
        self.weak: Final = weak
        self.slow: Final = slow
        self.size: Final = size
        self.algorithm: Final = algorithm
        self.salted: Final = salted
        self.right: Final = Verdict(ok=True, scheme=name)
        self.wrong: Final = Verdict(ok=False, scheme=name, reason="wrong password")


def _digest(name: str, algorithm: str, size: int, *prefixes: str) -> Scheme:
    salted = name.startswith("s") and not name.startswith("sha")
    return Scheme(name, "digest", *prefixes, weak=True, slow=False, size=size, algorithm=algorithm, salted=salted)


DES = Scheme("des-crypt", "crypt", weak=True, slow=False, size=13)
CLEAR = Scheme("clear", "clear", "{PLAIN}", "{CLEAR}", "{CLEARTEXT}", weak=True, slow=False)
NETWIN = Scheme("netwin-weak", "netwin", weak=True, slow=False)
NO_LOGIN = Scheme("no-login", "none", slow=False)
UNKNOWN = Scheme("unknown", "none", slow=False)

SCHEMES = (
    Scheme("argon2id", "argon2", "$argon2id$", size=43),
    Scheme("argon2i", "argon2", "$argon2i$", size=43),
    Scheme("argon2d", "argon2", "$argon2d$", size=43),
    Scheme("yescrypt", "crypt", "$y$", size=43),
    Scheme("gost-yescrypt", "crypt", "$gy$", size=43),
    Scheme("scrypt", "crypt", "$7$", size=43),
    Scheme("bcrypt", "crypt", "$2b$", "$2y$", "$2a$", size=53),
    Scheme("sha512-crypt", "crypt", "$6$", size=86),
    Scheme("sha256-crypt", "crypt", "$5$", size=43),
    Scheme("md5-crypt", "crypt", "$1$", weak=True, size=22),
    Scheme("apr1", "crypt", "$apr1$", weak=True, size=22),  # htpasswd's own MD5: passwd files hold it
    DES,
    Scheme("pbkdf2", "pbkdf2", "{PBKDF2}", algorithm="sha1", size=20),
    Scheme("pbkdf2-sha256", "pbkdf2", "{PBKDF2-SHA256}", algorithm="sha256", size=32),
    Scheme("pbkdf2-sha512", "pbkdf2", "{PBKDF2-SHA512}", algorithm="sha512", size=64),
    _digest("ssha", "sha1", 20, "{SSHA}"),
    _digest("ssha256", "sha256", 32, "{SSHA256}"),
    _digest("ssha512", "sha512", 64, "{SSHA512}"),
    _digest("sha", "sha1", 20, "{SHA}", "{SHA1}"),
    _digest("sha256", "sha256", 32, "{SHA256}"),
    _digest("sha512", "sha512", 64, "{SHA512}"),
    _digest("smd5", "md5", 16, "{SMD5}"),
    _digest("md5", "md5", 16, "{MD5}", "{PLAIN-MD5}", "{LDAP-MD5}"),
    CLEAR,
    NETWIN,
    NO_LOGIN,
    UNKNOWN,
)
BY_NAME = {scheme.name: scheme for scheme in SCHEMES}
BY_PREFIX = {prefix: scheme for scheme in SCHEMES for prefix in scheme.prefixes}

# Dovecot and LDAP put these before a field of crypt(3); {MD5} is Dovecot's word for md5-crypt, LDAP's for a digest.
WRAPPERS = frozenset(
    ("{CRYPT}", "{BLF-CRYPT}", "{DES-CRYPT}", "{MD5-CRYPT}", "{SHA256-CRYPT}", "{SHA512-CRYPT}", "{MD5}",
     "{ARGON2}", "{ARGON2I}", "{ARGON2D}", "{ARGON2ID}")
)  # fmt: skip
ENCODINGS = {"HEX": "hex", "B64": "base64", "BASE64": "base64"}  # Dovecot's {SCHEME.ENCODING}
LOCKED = frozenset(("", "x", "*", "*LK*", "*NP*"))


class Identity(Record):
    """What a field is: the scheme's name, whether it is weak, can log in at all, and can be verified here."""

    __slots__ = ("login", "name", "verifiable", "weak")

    def __init__(self, *, name: str, weak: bool, login: bool, verifiable: bool) -> None:
        self.name: Final = name
        self.weak: Final = weak
        self.login: Final = login
        self.verifiable: Final = verifiable


class SchemeInfo(Record):
    """A line of ``nwauth hash list``; `by` names the library that verifies here, "" when none does."""

    __slots__ = ("by", "makeable", "name", "prefix", "verifiable", "weak")

    def __init__(self, scheme: Scheme, *, by: str) -> None:
        self.name: Final = scheme.name
        self.prefix: Final = " ".join(scheme.prefixes)
        self.weak: Final = scheme.weak
        self.by: Final = by
        self.verifiable: Final = bool(by)
        self.makeable: Final = bool(by) and scheme.name in SCHEMES_MADE


def split(stored: str, star_is_clear: bool) -> tuple[Scheme, str]:  # noqa: FBT001 - a keyword here costs each check
    """The scheme of a field, and the text that its verifier reads: the field without a wrapper or star."""
    first = stored[:1]
    if first == "$":
        return BY_PREFIX.get(stored[: stored.find("$", 1) + 1], UNKNOWN), stored
    if first == "{":
        return _braced(stored)
    if len(stored) == 13 and not stored.strip(CRYPT64):
        return DES, stored
    if first == "*" and star_is_clear and stored not in LOCKED:
        return CLEAR, stored[1:]
    if first in ("*", "!") or stored in LOCKED:
        return NO_LOGIN, stored
    return (NETWIN if fits_netwin(stored) else UNKNOWN), stored


def fits_netwin(stored: str) -> bool:
    """Whether a field can be NetWin's weak hash: two salt characters, then one of A to h for each byte."""
    return len(stored) > 2 and not stored[:2].strip(CRYPT64) and not stored[2:].strip(NETWIN40)


def _braced(stored: str) -> tuple[Scheme, str]:
    end = stored.find("}") + 1
    tag, rest = stored[:end].upper(), stored[end:]
    if tag in WRAPPERS and (rest[:1] == "$" or tag != "{MD5}"):
        scheme, rest = (UNKNOWN, rest) if rest[:1] == "{" else split(rest, False)
        return (scheme, rest) if scheme.family in ("crypt", "argon2", "none") else (UNKNOWN, rest)
    scheme = BY_PREFIX.get(tag, UNKNOWN)
    if scheme is UNKNOWN and "." in tag:
        name, _, encoding = tag[:-1].partition(".")
        scheme = BY_PREFIX.get(name + "}", UNKNOWN) if encoding in ENCODINGS else UNKNOWN
        return (scheme if scheme.family == "digest" else UNKNOWN), stored
    return scheme, rest if scheme is CLEAR else stored


def scheme_name(stored: str, *, star_is_clear: bool) -> str:
    """The name of a field's scheme, as `Passwords.identify` tells it."""
    return split(stored, star_is_clear)[0].name


def complete(stored: str) -> bool:
    """Whether a field is provably whole: of a known form, and of that form's full length.

    For the unterminated last line of a journal when nothing follows the field; a colon after it proves more.
    What a cut may also leave is never whole: a star field and other clear text, the markers of no login (each is
    how another field begins), NetWin's weak hash, an argon2 digest of other than the usual 32 bytes.  A salted digest
    is whole with a salt of 4 bytes (NetWin's and Dovecot's) or when padding ends it: one with a longer salt that was
    cut at exactly that length passes, and fits no password.
    """
    from nwauth.passwords.whole import is_whole

    return is_whole(*split(stored, False))
