"""Argon2, by argon2-cffi's bindings to the reference code, else by libpass.

libpass would name, make and verify it too, but its import costs each child 55 to 65 ms and 8 MB of private memory
(the budget of a whole child), argon2-cffi's own wrapper 27 ms; the C functions alone 1 ms and 80 KiB, which a
verification of 20 ms hides.  They are the whole of what libpass calls in the end.
"""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.passwords import libpass
from nwauth.passwords.values import NoLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from nwauth.passwords.digests import Check
    from nwauth.passwords.table import Scheme
    from nwauth.passwords.values import Settings

DIGEST_BYTES = 32
VERSION = 0x13


def bindings() -> Any:
    """The module of argon2-cffi-bindings, or None."""
    try:
        import _argon2_cffi_bindings  # type: ignore[import-untyped]
    except ImportError:
        return None
    return _argon2_cffi_bindings


def checker(scheme: Scheme, *, native: bool) -> Check:
    """The comparison for an argon2 field; without `native` through libpass.

    Raises:
        Unavailable: argon2-cffi is missing; or, from the comparison, memory is short.
    """
    found = bindings() if native else None
    if found is None:
        return libpass.checker(scheme)
    lib = found.lib
    kind = {"argon2id": lib.Argon2_id, "argon2i": lib.Argon2_i, "argon2d": lib.Argon2_d}[scheme.name]
    short = (lib.ARGON2_MEMORY_ALLOCATION_ERROR, lib.ARGON2_THREAD_FAIL)

    def check(stored: str, password: bytes) -> bool:
        code = lib.argon2_verify(stored.encode("ascii"), password, len(password), kind)
        if code in short:
            raise Unavailable("memory is too short for an argon2 field: give the machine more, or lower memory_kib")
        if code not in (lib.ARGON2_OK, lib.ARGON2_VERIFY_MISMATCH):
            raise NoLogin("damaged field")
        return bool(code == lib.ARGON2_OK)

    return check


def by(scheme: Scheme, *, native: bool) -> str:
    """The name of the library that verifies the scheme here, or ""."""
    return "argon2-cffi" if native and bindings() else "libpass" if libpass.knows(scheme) else ""


def make(scheme: Scheme, password: bytes, salt: bytes, settings: Settings, *, native: bool) -> str:
    """A new argon2id field.

    Raises:
        Unavailable: argon2-cffi is missing, or memory is short.
    """
    memory, passes, lanes = settings.argon2id_memory_kib, settings.argon2id_iterations, settings.argon2id_lanes
    found = bindings() if native else None
    if found is None:
        return libpass.make_argon2id(scheme, password, memory_kib=memory, iterations=passes, lanes=lanes)
    lib, size = found.lib, 256
    field = found.ffi.new("char[]", size)
    code = lib.argon2_hash(
        passes, memory, lanes, password, len(password), salt, len(salt),
        found.ffi.NULL, DIGEST_BYTES, field, size, lib.Argon2_id, VERSION,
    )  # fmt: skip
    if code != lib.ARGON2_OK:
        raise Unavailable("an argon2id field could not be made: is memory short? Give more, or lower memory_kib")
    return str(found.ffi.string(field).decode("ascii"))
