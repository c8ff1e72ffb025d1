"""App passwords: made up by us, of 100 random bits, and stored as a salted SHA-256 of themselves.

A slow hash makes up for what people choose; nobody tries 2 ** 100.  So one round is enough, a login by one costs
microseconds, and whoever reads the stored digest has gained nothing.
"""

from __future__ import annotations

from os import urandom

from nwauth.passwords.digests import SALT_BYTES, digest_check, make_digest
from nwauth.passwords.table import BY_NAME
from nwauth.passwords.values import NoLogin

# 32 characters, 5 bits each, all in lower case for servers that fold passwords: without l and o, 0 and 1.
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
GROUP, GROUPS = 5, 4
TAG = "{ssha256}"
_LETTERS = frozenset(ALPHABET.encode())
_SCHEME = BY_NAME["ssha256"]
_check = digest_check(_SCHEME)


def made_up() -> str:
    """A new app password, as it is shown: ``qx7wd-3kfp9-ah2mz-uv6re``."""
    text = "".join(ALPHABET[byte % len(ALPHABET)] for byte in urandom(GROUP * GROUPS))
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def plain(password: bytes) -> bytes | None:
    """An app password as it is hashed, whatever was typed for capitals and hyphens; None: it cannot be one."""
    if len(password) == GROUP * GROUPS + GROUPS - 1:
        password = password.replace(b"-", b"")
    password = password.lower()
    if len(password) != GROUP * GROUPS or not _LETTERS.issuperset(password):
        return None
    return password


def digest(password: str) -> str:
    """What is stored of an app password."""
    typed = plain(password.encode())
    assert typed is not None  # noqa: S101
    return make_digest(_SCHEME, typed, urandom(SALT_BYTES))


def fits(field: str, typed: bytes) -> bool:
    """Whether the stored digest is that of `typed`, which is `plain`; a damaged one is of nothing."""
    try:
        return field.startswith(TAG) and _check(field, typed)
    except NoLogin:
        return False
