"""PBKDF2 in the two spellings of LDAP fields: Dovecot's and passlib's."""

from __future__ import annotations

from _operator import _compare_digest as same

from nwauth.errors import Unavailable
from nwauth.passwords.values import NoLogin, number

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def checker(scheme: Scheme) -> Check:
    """The comparison for a PBKDF2 field.

    Raises:
        Unavailable: this Python has no PBKDF2 (it was built without OpenSSL).
    """
    try:
        from hashlib import pbkdf2_hmac
    except ImportError:
        raise Unavailable(
            "this Python is built without OpenSSL and cannot verify PBKDF2: use one that has it"
        ) from None

    def check(stored: str, password: bytes) -> bool:
        rounds, salt, digest = parse(stored)
        if len(digest) != scheme.size:
            raise NoLogin("damaged field")
        return same(pbkdf2_hmac(scheme.algorithm, password, salt, rounds), digest)

    return check
