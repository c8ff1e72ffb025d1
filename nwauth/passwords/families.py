"""From a scheme to the code that verifies it; each library is imported at the first field that needs it."""

from __future__ import annotations

from nwauth.passwords.values import NoLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.passwords.digests import Check
    from nwauth.passwords.table import Scheme


def checker(scheme: Scheme, *, native: bool, netwin_weak: bool) -> Check:
    """The comparison for a scheme.

    Raises:
        Unavailable: this machine has no library for it; the text says what to do.
    """
    match scheme.family:
        case "crypt":
            from nwauth.passwords import crypt3

            check = crypt3.checker(scheme, native=native)
            return _des_or_netwin(check) if netwin_weak and scheme.name == "des-crypt" else check
        case "argon2":
            from nwauth.passwords import argon

            return argon.checker(scheme, native=native)
        case "pbkdf2":
            from nwauth.passwords import pbkdf2

            return pbkdf2.checker(scheme)
        case "digest" | "clear":
            from nwauth.passwords import digests

            return digests.digest_check(scheme) if scheme.family == "digest" else digests.clear_check
        case "netwin" if netwin_weak:
            from nwauth.passwords.digests import netwin_check

            return netwin_check
    return _refuse(NO_LOGIN_REASONS[scheme.name])


NO_LOGIN_REASONS = {
    "no-login": "the field lets nobody in",
    "unknown": "unknown form of password field",
    "netwin-weak": "NetWin's weak hash, and netwin_weak is off",
}


def _refuse(reason: str) -> Check:
    def check(_stored: str, _password: bytes) -> bool:
        raise NoLogin(reason)

    return check


def _des_or_netwin(des: Check) -> Check:
    """DES, then NetWin's weak hash: of an 11-byte password it looks like DES.

    It is named des-crypt then, and is not upgraded either, as the password is over 8 bytes.
    """
    from nwauth.passwords.digests import netwin_check
    from nwauth.passwords.table import fits_netwin

    def check(stored: str, password: bytes) -> bool:
        return des(stored, password) or (fits_netwin(stored) and netwin_check(stored, password))

    return check


def library(scheme: Scheme, *, native: bool) -> str:
    """By what the scheme is verified on this machine, or "" where nothing does."""
    match scheme.family:
        case "crypt":
            from nwauth.passwords.crypt3 import by
        case "argon2":
            from nwauth.passwords.argon import by
        case "digest" | "pbkdf2":
            return "hashlib"
        case _:
            return "" if scheme.family == "none" else "nwauth"
    return by(scheme, native=native)
