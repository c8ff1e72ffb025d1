"""What the system's libcrypt lacks, by libpass (imported as `passlib`).

It is the fallback: importing it takes 55 to 65 ms and 8 MB of each child, and its DES is 87 times slower.
"""

from __future__ import annotations

from nwauth.errors import Unavailable, to_install
from nwauth.passwords.values import BCRYPT_BYTES, NoLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from nwauth.passwords.digests import Check
    from nwauth.passwords.table import Scheme

HANDLERS = {
    "des-crypt": "des_crypt",
    "md5-crypt": "md5_crypt",
    "apr1": "apr_md5_crypt",
    "sha256-crypt": "sha256_crypt",
    "sha512-crypt": "sha512_crypt",
    "bcrypt": "bcrypt",
    "argon2i": "argon2",
    "argon2d": "argon2",
    "argon2id": "argon2",
}


def knows(scheme: Scheme) -> bool:
    """Whether libpass, as installed here, has the scheme (a question of names: it is not imported)."""
    from importlib.util import find_spec

    needs = {"bcrypt": "bcrypt", "argon2": "argon2"}.get(HANDLERS.get(scheme.name, ""), "passlib")
    return scheme.name in HANDLERS and find_spec("passlib") is not None and find_spec(needs) is not None


def handler(scheme: Scheme) -> Any:
    """Libpass's object for the scheme.

    Raises:
        Unavailable: it has none, or is not installed; the text says what to do.
    """
    if scheme.name not in HANDLERS:
        raise Unavailable(
            f"{scheme.name} needs a system libcrypt that has it (libxcrypt 4.4: libcrypt.so.1 or .so.2), which "
            "was not found: install it, or set the user's password again"
        )
    try:
        import passlib.hash  # type: ignore[import-untyped]

        return getattr(passlib.hash, HANDLERS[scheme.name])
    except ImportError as error:
        raise Unavailable(f"{scheme.name} needs libpass ({error}): {to_install('libpass')}") from None


def _quietly(run: Callable[[], Any]) -> Any:
    """Runs with libpass's warnings off: they tell programmers of odd fields, and ours are other people's.

    Raises:
        NoLogin: the field is damaged.
        Unavailable: a library below libpass is missing.
    """
    import warnings

    from passlib.exc import MissingBackendError  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return run()
        except MissingBackendError as error:
            raise Unavailable(f"a library is missing: {error}") from None
        except (ValueError, TypeError):
            raise NoLogin("damaged field") from None


def checker(scheme: Scheme) -> Check:
    """The comparison for a field that libpass verifies.

    Raises:
        Unavailable: libpass does not know the scheme, or is missing.
    """
    using = handler(scheme)

    def check(stored: str, password: bytes) -> bool:
        if scheme.name == "bcrypt":
            password = password[:BCRYPT_BYTES]  # the bcrypt library refuses more; the scheme reads no more
        return _quietly(lambda: using.verify(password, stored)) is True

    return check


def make(scheme: Scheme, password: bytes, setting: str) -> str:
    """A new field from a crypt(3) `setting` (no yescrypt: libpass has none).

    Raises:
        Unavailable: libpass does not know the scheme, or is missing.
    """
    using = handler(scheme)
    _, ident, *cost, salt = setting.split("$") if "$" in setting else ("", "", setting)
    options: dict[str, object] = {"salt": salt}
    if cost:
        options["rounds"] = int(cost[0].removeprefix("rounds="))
    elif scheme.name in ("sha256-crypt", "sha512-crypt"):
        options["rounds"] = 5000  # what a field without rounds has, and what libpass then does not write
    if scheme.name == "bcrypt":
        options["ident"] = ident
    return str(_quietly(lambda: using.using(**options).hash(password)))


def make_argon2id(scheme: Scheme, password: bytes, *, memory_kib: int, iterations: int, lanes: int) -> str:
    """A new argon2id field.

    Raises:
        Unavailable: libpass or argon2-cffi is missing.
    """
    using = handler(scheme)
    cost = {"memory_cost": memory_kib, "time_cost": iterations, "parallelism": lanes}
    return str(_quietly(lambda: using.using(type="ID", **cost).hash(password)))
