"""What goes into and comes out of `Passwords`: the settings and the verdict."""

from __future__ import annotations

from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date
    from typing import Final

SCHEMES_MADE = ("argon2id", "bcrypt", "sha512-crypt", "yescrypt", "ssha")  # spec/stores.md section 1, "Upgrade"
# Made besides, but only for a store that another program reads too: a foreign SQL table, a passwd file.
SCHEMES_KEPT = (
    "clear", "md5", "smd5", "sha", "ssha256", "ssha512", "sha256", "sha512", "md5-crypt", "sha256-crypt", "des-crypt",
)  # fmt: skip
MAX_PASSWORD_BYTES = 511  # CRYPT_MAX_PASSPHRASE_SIZE of libcrypt is 512, with its NUL
BCRYPT_BYTES = 72
DES_BYTES = 8


class NoLogin(Exception):
    """This field lets nobody in; the text says why, for the log."""


class Verdict(Record):
    """What came of comparing a password with a stored field.

    `rehash` is the field to store in place of the old one, or None.  `scheme` names the field's form and `reason`
    what the log should add ("" when there is nothing to add).  `fits`: the password is the right one, though it may
    not be `ok`.
    """

    __slots__ = ("fits", "ok", "reason", "rehash", "scheme")
    SECRET = ("rehash",)

    def __init__(
        self, *, ok: bool, scheme: str, rehash: str | None = None, reason: str = "", fits: bool | None = None
    ) -> None:
        self.ok: Final = ok
        self.fits: Final = ok if fits is None else fits
        self.scheme: Final = scheme
        self.rehash: Final = rehash
        self.reason: Final = reason


class Settings(Record):
    """``[passwords]`` of the configuration, checked.

    The defaults are OWASP's for argon2id and bcrypt's usual 12; sha512-crypt gets 100,000 rounds (20 to 35 ms,
    the order of the others: its own default of 5,000 dates from 2007), yescrypt the 5 of current Linux systems.

    Raises:
        ValueError: a value is outside its range; the text names the key, the value found and what is wanted.
    """

    __slots__ = (
        "argon2id_iterations", "argon2id_lanes", "argon2id_memory_kib", "bcrypt_cost", "memo_seconds", "netwin_weak",
        "scheme", "sha512_rounds", "upgrade", "weak_after", "yescrypt_cost",
    )  # fmt: skip

    def __init__(
        self,
        *,
        scheme: str = "argon2id",
        argon2id_memory_kib: int = 19456,
        argon2id_iterations: int = 2,
        argon2id_lanes: int = 1,
        bcrypt_cost: int = 12,
        sha512_rounds: int = 100_000,
        yescrypt_cost: int = 5,
        upgrade: bool = True,
        memo_seconds: float = 600.0,
        netwin_weak: bool = False,
        weak_after: date | None = None,
    ) -> None:
        if scheme not in SCHEMES_MADE:
            raise ValueError(f"scheme: found {scheme!r}, wanted one of {', '.join(SCHEMES_MADE)}")
        if scheme == "ssha" and weak_after is not None:
            raise ValueError("weak_after: found a date, wanted none with scheme 'ssha', which is weak itself")
        lanes, memory_kib = argon2id_lanes, argon2id_memory_kib
        _within("argon2id.lanes", lanes, 1, 64)
        _within("argon2id.memory_kib", memory_kib, 8 * lanes, 1 << 20)
        _within("argon2id.iterations", argon2id_iterations, 1, (5 << 20) // memory_kib)
        _within("bcrypt_cost", bcrypt_cost, 4, 16)
        _within("sha512_rounds", sha512_rounds, 1000, 5_000_000)
        _within("yescrypt_cost", yescrypt_cost, 1, 11)
        _within("memo_seconds", memo_seconds, 0, 86400)
        self.scheme: Final = scheme
        self.argon2id_memory_kib: Final = memory_kib
        self.argon2id_iterations: Final = argon2id_iterations
        self.argon2id_lanes: Final = lanes
        self.bcrypt_cost: Final = bcrypt_cost
        self.sha512_rounds: Final = sha512_rounds
        self.yescrypt_cost: Final = yescrypt_cost
        self.upgrade: Final = upgrade
        self.memo_seconds: Final = memo_seconds
        self.netwin_weak: Final = netwin_weak
        self.weak_after: Final = weak_after


def _within(key: str, found: float, least: int, most: int) -> None:
    if not least <= found <= most:
        raise ValueError(f"{key}: found {found}, wanted {least} to {most}")


def unusable(password: bytes) -> str:
    """Why this can be nobody's password, or "" (the one rule of the package's docstring)."""
    if not password:
        return "the password is empty"
    if len(password) > MAX_PASSWORD_BYTES:
        return f"the password is over {MAX_PASSWORD_BYTES} bytes"
    return "the password holds NUL" if b"\0" in password else ""


def number(text: str) -> int:
    """A plain decimal number of a field, as C reads it: `int` takes blanks, signs, ``_`` and other digits too.

    Raises:
        NoLogin: it is none.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise NoLogin("damaged field")
    return int(text)
