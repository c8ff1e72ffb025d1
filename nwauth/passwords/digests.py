"""Clear text, plain digests (``{ssha}`` and its kin) and NetWin's own weak hash: what needs no library."""

from __future__ import annotations

from _operator import _compare_digest as same  # hmac.compare_digest itself, constant time; hmac costs 3.5 ms more
from os import urandom

from nwauth.passwords.table import ENCODINGS
from nwauth.passwords.values import NoLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.passwords.table import Scheme

    Check = Callable[[str, bytes], bool]

SALT_BYTES = 4  # NetWin's and Dovecot's
MOST_SALT_BYTES = 64


def constructor(algorithm: str) -> Callable[[bytes], hashlib._Hash]:  # type: ignore[name-defined]  # noqa: F821
    """The hash function: the interpreter's own sha1 or md5 where it has them, else hashlib's.

    `hashlib` loads OpenSSL: 4 ms and 600 KiB in each child; and where FIPS rules, it has no md5.
    """
    try:
        return getattr(__import__("_" + algorithm), algorithm)  # type: ignore[no-any-return]
    except ImportError:  # there is no _sha256 from Python 3.12 on, and some builds have OpenSSL's alone
        import hashlib

        return getattr(hashlib, algorithm)  # type: ignore[no-any-return]


def decode(scheme: Scheme, stored: str) -> bytes:
    """The digest and salt of a ``{SCHEME}`` field, from base64 or hex.

    Without a ``.HEX`` or ``.B64`` in the tag, an unsalted digest of twice its size is hex (as Dovecot reads it).

    Raises:
        NoLogin: the field is damaged.
    """
    from binascii import a2b_base64, a2b_hex

    text = stored[stored.index("}") + 1 :]
    try:
        raw = a2b_hex(text) if is_hex(scheme, stored) else a2b_base64(text, strict_mode=True)
    except ValueError:
        raise NoLogin("damaged field") from None
    if len(raw) < scheme.size or (len(raw) == scheme.size) == scheme.salted:
        raise NoLogin("damaged field")
    return raw


def is_hex(scheme: Scheme, stored: str) -> bool:
    """Whether a ``{SCHEME}`` field is in hex and not in base64."""
    at = stored.index("}")
    if "." in stored[:at]:
        return ENCODINGS[stored[stored.index(".") + 1 : at].upper()] == "hex"
    return not scheme.salted and len(stored) - at - 1 == 2 * scheme.size


def digest_check(scheme: Scheme) -> Check:
    """Compares with digest(password + salt), the salt being what follows the digest."""
    digest, size = constructor(scheme.algorithm), scheme.size

    def check(stored: str, password: bytes) -> bool:
        raw = decode(scheme, stored)
        return same(digest(password + raw[size:]).digest(), raw[:size])

    return check


def clear_check(text: str, password: bytes) -> bool:
    """Compares with clear text, as the bytes it was read from."""
    try:
        return same(text.encode("utf-8", "surrogateescape"), password)
    except UnicodeEncodeError:
        raise NoLogin("damaged field") from None


def netwin_check(stored: str, password: bytes) -> bool:
    """Compares with NetWin's weak hash (CVE-2001-1354; the rule is in reference/netwin.md 4.4)."""
    return same(netwin_hash(stored[:2], password), stored)


def netwin_hash(salt: str, password: bytes) -> str:
    """The weak hash itself: one character for each byte.  Only compared with, never stored."""
    state = ord(salt[1]) * 255 + ord(salt[0])
    found = [salt]
    for byte in password:
        found.append(chr(0x41 + byte * (state + 1) % 40))
        state = (state + byte) * 3 % 32000
    return "".join(found)


def make_digest(scheme: Scheme, password: bytes, salt: bytes) -> str:
    """A field of the scheme: ``{ssha}`` exactly as NWAuth writes it (lower-case tag, base64, the salt at the end)."""
    from binascii import b2a_base64

    return f"{{{scheme.name}}}" + b2a_base64(salted(scheme, password, salt), newline=False).decode("ascii")


def salted(scheme: Scheme, password: bytes, salt: bytes) -> bytes:
    """The digest, and the salt behind it."""
    digest: bytes = constructor(scheme.algorithm)(password + salt).digest()
    return digest + salt


def make_digest_like(scheme: Scheme, password: bytes, field: str) -> str:
    """A field under the tag of another, spelled as it: hex (capitals too) or base64, a salt as long as its own."""
    from binascii import b2a_base64

    at = field.index("}") + 1
    raw = salted(scheme, password, urandom(_salt_bytes(scheme, field)))
    if not is_hex(scheme, field):
        return field[:at] + b2a_base64(raw, newline=False).decode("ascii")
    digits = raw.hex()
    return field[:at] + (digits.upper() if field[at:].isupper() else digits)


def _salt_bytes(scheme: Scheme, field: str) -> int:
    """How long a salt should be: as the field's own, for another program may count on it; but within reason."""
    if not scheme.salted:
        return 0
    try:
        return min(len(decode(scheme, field)) - scheme.size, MOST_SALT_BYTES)
    except NoLogin:
        return SALT_BYTES


def clear_text(password: bytes) -> str:
    """A password as the text of a field: what `clear_check` compares with."""
    return password.decode("utf-8", "surrogateescape")
