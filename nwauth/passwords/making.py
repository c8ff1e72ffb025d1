"""New password fields, and the settings (prefix, cost, salt) that they are made from."""

from __future__ import annotations

from os import urandom

from nwauth.errors import Refused
from nwauth.passwords.costs import yescrypt_figures
from nwauth.passwords.table import BY_NAME, CRYPT64
from nwauth.passwords.values import BCRYPT_BYTES, DES_BYTES, SCHEMES_KEPT, SCHEMES_MADE, unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.passwords.table import Scheme
    from nwauth.passwords.values import Settings

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
READS = {"bcrypt": BCRYPT_BYTES, "des-crypt": DES_BYTES}  # the bytes of a password that a scheme reads


def make(password: bytes, scheme: str, settings: Settings, *, native: bool) -> str:
    """A new field for the password.

    Raises:
        Refused: nobody may have this password, or fields of the scheme are not made here.
        Unavailable: this machine cannot make it; the text says what to do.
    """
    must_be_makeable(password, scheme)
    known = BY_NAME[scheme]
    match known.family:
        case "clear":
            from nwauth.passwords.digests import clear_text

            return "{CLEAR}" + clear_text(password)
        case "digest":
            from nwauth.passwords.digests import SALT_BYTES, make_digest

            return make_digest(known, password, urandom(SALT_BYTES) if known.salted else b"")
        case _:
            return make_slow(known, password, settings, native=native)


def make_slow(scheme: Scheme, password: bytes, settings: Settings, *, native: bool, prefix: str | None = None) -> str:
    """A new field of argon2id or crypt(3), and nothing asked; `prefix` as for `crypt_setting`.

    Raises:
        Unavailable: this machine cannot make it; the text says what to do.
    """
    if scheme.family == "argon2":
        from nwauth.passwords import argon

        return argon.make(scheme, password, urandom(16), settings, native=native)
    from nwauth.passwords import crypt3

    setting = crypt_setting(scheme.name, settings, urandom(16), prefix=prefix)
    return crypt3.make(scheme, password, setting, native=native)


def must_be_makeable(password: bytes, scheme: str) -> None:
    """Raises Refused where no new field of the scheme may be made for the password."""
    must_be_storable(password)
    if scheme not in SCHEMES_MADE and scheme not in SCHEMES_KEPT:
        raise Refused(f"no new passwords are made in {scheme!r}: choose one of {', '.join(SCHEMES_MADE)}")
    must_be_read_whole(password, scheme)


def must_be_storable(password: bytes) -> None:
    """Raises Refused where nobody may have the password."""
    if any(byte < 32 or byte == 127 for byte in password):  # no line of the protocol could bring it back
        raise Refused("a password holds no control character")
    wrong = unusable(password)
    if wrong:
        raise Refused(wrong)


def must_be_read_whole(password: bytes, scheme: str) -> None:
    """Raises Refused where the scheme would cut the password: others would then fit too."""
    if len(password) > READS.get(scheme, len(password)):
        raise Refused(f"{scheme} reads {READS[scheme]} bytes, and this password has more: choose another scheme for it")


def crypt_setting(scheme: str, settings: Settings, salt: bytes, *, prefix: str | None = None) -> str:
    """What crypt(3) makes a field from; `salt` is 16 bytes.

    `prefix` stands for our own ``$2b$`` (bcrypt) or ``$6$rounds=N$`` (SHA), which other programs spell otherwise.
    """
    match scheme:
        case "bcrypt":
            return f"{prefix or '$2b$'}{settings.bcrypt_cost:02}${_bcrypt64(salt)}"
        case "yescrypt":
            power, r = yescrypt_figures(settings.yescrypt_cost)
            return f"$y$j{CRYPT64[power - 1]}{CRYPT64[r - 1]}${_crypt64(salt)}"
        case "sha512-crypt" | "sha256-crypt":  # both read the one setting: their rounds take about as long
            ours = f"{BY_NAME[scheme].prefixes[0]}rounds={settings.sha512_rounds}$"
            return (prefix or ours) + _crypt64(salt[:12])
        case "des-crypt":
            return _crypt64(salt)[:2]
    return BY_NAME[scheme].prefixes[0] + _crypt64(salt[:6])  # md5-crypt, apr1


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
    known = BY_NAME[scheme]
    match known.family:
        case "clear":
            return "{CLEAR}"  # the empty password is nobody's
        case "digest":
            return f"{{{scheme}.hex}}" + "00" * (known.size + 4 * known.salted)
        case "argon2":
            cost = f"m={settings.argon2id_memory_kib},t={settings.argon2id_iterations},p={settings.argon2id_lanes}"
            return f"$argon2id$v=19${cost}${'A' * 22}${'A' * 43}"
    setting = crypt_setting(scheme, settings, bytes(16))
    if scheme in ("bcrypt", "des-crypt"):
        return setting + "." * (known.size - (22 if scheme == "bcrypt" else 2))
    return f"{setting}${'.' * known.size}"
