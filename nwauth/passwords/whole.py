"""Whether a field has its full length: read by `table.complete`, away from the path of a check."""

from __future__ import annotations

from nwauth.passwords.values import NoLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.passwords.table import Scheme

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DOLLARS = {"argon2id": 5, "argon2i": 5, "argon2d": 5, "yescrypt": 4, "gost-yescrypt": 4, "scrypt": 3, "bcrypt": 3}


def is_whole(scheme: Scheme, text: str) -> bool:
    """Whether `text` (as `table.split` gives it) is a whole field of the scheme."""
    if scheme.family in ("crypt", "argon2"):
        return scheme.name == "des-crypt" or _whole_crypt(scheme, text)
    try:
        return {"digest": _whole_digest, "pbkdf2": _whole_pbkdf2}[scheme.family](scheme, text)
    except (KeyError, NoLogin):
        return False


def _whole_crypt(scheme: Scheme, text: str) -> bool:
    """``$id$[parameters$]salt$digest``, the digest of exactly the scheme's size."""
    parts = text.split("$")
    wanted = DOLLARS.get(scheme.name) or (4 if parts[2].startswith("rounds=") else 3)
    if scheme.family == "argon2" and not parts[2].startswith("v="):
        wanted = 4  # argon2 before version 1.3 has no version field
    digest = parts[-1]
    alphabet = ALPHANUMERIC + ("+/" if scheme.family == "argon2" else "./")
    return len(parts) == wanted + 1 and len(digest) == scheme.size and not digest.strip(alphabet)


def _whole_digest(scheme: Scheme, text: str) -> bool:
    from nwauth.passwords.digests import decode

    raw = decode(scheme, text)
    salt = len(raw) - scheme.size
    return salt == 0 if not scheme.salted else salt == 4 or (salt > 0 and text.endswith("="))


def _whole_pbkdf2(scheme: Scheme, text: str) -> bool:
    from nwauth.passwords.pbkdf2 import parse

    return len(parse(text)[2]) == scheme.size
