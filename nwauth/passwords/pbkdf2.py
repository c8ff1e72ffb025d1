"""PBKDF2 in the two spellings of LDAP fields: Dovecot's and passlib's."""

from __future__ import annotations

from _operator import _compare_digest as same
from os import urandom

from nwauth.errors import Unavailable
from nwauth.passwords.values import NoLogin, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.passwords.digests import Check
    from nwauth.passwords.table import Scheme


def parse(stored: str) -> tuple[int, bytes, bytes]:
    """Rounds, salt and digest of ``$1$salt$rounds$hex`` (Dovecot) or ``rounds$salt$base64`` (passlib).

    Raises:
        NoLogin: the field is damaged.
    """
    from binascii import a2b_hex

    tag, _, rest = stored.partition("}")
    parts = rest.split("$")
    try:
        if parts[:2] == ["", "1"] and tag.upper() == "{PBKDF2":
            _, _, salt, rounds, digest = parts
            found = number(rounds), salt.encode("ascii"), a2b_hex(digest)
        else:
            rounds, salt, digest = parts
            found = number(rounds), _adapted_base64(salt), _adapted_base64(digest)
    except ValueError:
        raise NoLogin("damaged field") from None
    if found[0] < 1:
        raise NoLogin("damaged field")
    return found


def _adapted_base64(text: str) -> bytes:
    """Passlib's base64: ``.`` for ``+`` and no padding."""
    from binascii import a2b_base64

    return a2b_base64(text.replace(".", "+") + "=" * (-len(text) % 4), strict_mode=True)


def _base64(raw: bytes) -> str:
    """The inverse of `_adapted_base64`."""
    from binascii import b2a_base64

    return b2a_base64(raw, newline=False).decode("ascii").rstrip("=").replace("+", ".")


def _function() -> Callable[[str, bytes, bytes, int], bytes]:
    try:
        from hashlib import pbkdf2_hmac
    except ImportError:
        raise Unavailable("this Python is built without OpenSSL and has no PBKDF2: use one that has it") from None
    return pbkdf2_hmac


def checker(scheme: Scheme) -> Check:
    """The comparison for a PBKDF2 field.

    Raises:
        Unavailable: this Python has no PBKDF2.
    """
    pbkdf2_hmac = _function()

    def check(stored: str, password: bytes) -> bool:
        rounds, salt, digest = parse(stored)
        if len(digest) != scheme.size:
            raise NoLogin("damaged field")
        return same(pbkdf2_hmac(scheme.algorithm, password, salt, rounds), digest)

    return check


def make_pbkdf2_like(scheme: Scheme, password: bytes, field: str, *, most_rounds: int) -> str:
    """A field under the tag of another, in its spelling, with as many rounds (up to `most_rounds`).

    Raises:
        NoLogin: the other is damaged.
        Unavailable: this Python has no PBKDF2.
    """
    pbkdf2 = _function()
    rounds, salt = min(parse(field)[0], most_rounds), urandom(12)
    at = field.index("}") + 1
    if field[at : at + 3] == "$1$":  # Dovecot's: the salt is text, 16 characters of base64 without its odd ones
        shown = _base64(salt)
        digest = pbkdf2(scheme.algorithm, password, shown.encode("ascii"), rounds).hex()
        return f"{field[:at]}$1${shown}${rounds}${digest}"
    return f"{field[:at]}{rounds}${_base64(salt)}${_base64(pbkdf2(scheme.algorithm, password, salt, rounds))}"
