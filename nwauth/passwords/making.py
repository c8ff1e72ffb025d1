"""New password fields, and the settings (prefix, cost, salt) that they are made from."""

from __future__ import annotations

from os import urandom

from nwauth.errors import Refused
from nwauth.passwords.costs import yescrypt_figures
from nwauth.passwords.table import BY_NAME, CRYPT64
from nwauth.passwords.values import BCRYPT_BYTES, SCHEMES_MADE, unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.passwords.values import Settings

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def make(password: bytes, scheme: str, settings: Settings, *, native: bool) -> str:
    """A new field for the password.

    Raises:
        Refused: nobody may have this password, or fields of the scheme are not made here.
        Unavailable: this machine cannot make it; the text says what to do.
    """
    must_be_makeable(password, scheme)
    if scheme == "ssha":
        from nwauth.passwords.digests import make_ssha

        return make_ssha(password, urandom(4))
    if scheme == "argon2id":
        from nwauth.passwords import argon

        return argon.make(BY_NAME[scheme], password, urandom(16), settings, native=native)
    from nwauth.passwords import crypt3

    return crypt3.make(BY_NAME[scheme], password, _setting(scheme, settings, urandom(16)), native=native)


def must_be_makeable(password: bytes, scheme: str) -> None:
    """Raises Refused where no new field of the scheme may be made for the password."""
    if any(byte < 32 or byte == 127 for byte in password):  # no line of the protocol could bring it back
        raise Refused("a password holds no control character")
    wrong = unusable(password)
    if wrong:
        raise Refused(wrong)
    if scheme not in SCHEMES_MADE:
        raise Refused(f"no new passwords are made in {scheme!r}: choose one of {', '.join(SCHEMES_MADE)}")
    if scheme == "bcrypt" and len(password) > BCRYPT_BYTES:
        raise Refused(f"bcrypt reads {BCRYPT_BYTES} bytes, and this password has more: choose another scheme for it")


def _setting(scheme: str, settings: Settings, salt: bytes) -> str:
    """What crypt(3) makes a field from."""
    if scheme == "bcrypt":
        return f"$2b${settings.bcrypt_cost:02}${_bcrypt64(salt)}"
    if scheme == "yescrypt":
        power, r = yescrypt_figures(settings.yescrypt_cost)
        return f"$y$j{CRYPT64[power - 1]}{CRYPT64[r - 1]}${_crypt64(salt)}"
    return f"$6$rounds={settings.sha512_rounds}${_crypt64(salt[:12])}"


def _crypt64(raw: bytes) -> str:
    """crypt(3)'s base64: groups of three bytes, least bits first."""
    found = []
    for at in range(0, len(raw), 3):
        group = raw[at : at + 3]
        value = int.from_bytes(group, "little")
        found += [CRYPT64[value >> shift & 63] for shift in range(0, 8 * len(group), 6)]
    return "".join(found)


def _bcrypt64(raw: bytes) -> str:
    """Bcrypt's base64: the common one without padding, in another alphabet."""
    from binascii import b2a_base64

    text = b2a_base64(raw, newline=False).decode("ascii").rstrip("=")
    return text.translate(str.maketrans(BASE64, BCRYPT64))


def dummy(scheme: str, settings: Settings) -> str:
    """A field of the scheme, at the cost of new ones, that no password is known to fit; made without computing."""
    if scheme == "ssha":
        return "{ssha}" + "A" * 32
    if scheme == "argon2id":
        cost = f"m={settings.argon2id_memory_kib},t={settings.argon2id_iterations},p={settings.argon2id_lanes}"
        return f"$argon2id$v=19${cost}${'A' * 22}${'A' * 43}"
    setting = _setting(scheme, settings, bytes(16))
    return setting + "." * 31 if scheme == "bcrypt" else f"{setting}${'.' * BY_NAME[scheme].size}"
