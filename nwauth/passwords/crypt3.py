"""The crypt(3) family: through the system's libcrypt by ctypes, else through libpass.

ctypes gives the interpreter lock away while a hash is computed (the `_crypt` module of Python up to 3.12 does not,
and 3.13 has none), needs no compiler on the user's machine, and costs 6 ms at the first field.
"""

from __future__ import annotations

from _operator import _compare_digest as same
from errno import ENOMEM

from nwauth.errors import Unavailable
from nwauth.passwords import libpass
from nwauth.passwords.values import NoLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.passwords.digests import Check
    from nwauth.passwords.table import Scheme

    Crypt = Callable[[bytes, bytes], bytes | None]

# Tried in turn; ctypes.util.find_library is not used, as it starts processes.
LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so", "libcrypt.1.1.dylib", "libcrypt.2.dylib")
DATA_BYTES = 32768  # sizeof(struct crypt_data) of libxcrypt

# The fields of the password "secret" at the least cost, made by libcrypt 4.4.33.  One is asked for before the first
# field of its scheme: a libcrypt may be built without it, and some answer then with another scheme's result.
PROOFS = {
    "des-crypt": "abNANd1rDfiNc",
    "md5-crypt": "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
    "sha256-crypt": "$5$rounds=1000$abcdefgh$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6VjyOmkx5i4",
    "sha512-crypt": "$6$rounds=1000$abcdefgh$"
    "nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2kgY5hR2.peKEg2VGUqIJJu1",
    "bcrypt": "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "scrypt": "$7$4/..../....abcdefgh$AGY1UBNbbD5l7T4FpD/5vDTzTLiglybeT5u2GNor8U3",
    "yescrypt": "$y$j75$abcdefgh$uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01",
    "gost-yescrypt": "$gy$j75$abcdefgh$lRD8hCfuUnaykqHEd24aR4OED0E.hiL5k0lM9Kg0qT5",
}
_found: list[Crypt | None] = []  # one library a process, looked for once
_proven: dict[str, Crypt] = {}  # by the name of the scheme


def libcrypt() -> Crypt | None:
    """``crypt_rn`` of the system's libcrypt as a function of password and setting, or None where there is none."""
    if not _found:
        _found.append(_load())
    return _found[0]


def _load() -> Crypt | None:
    try:
        import ctypes
    except ImportError:
        return None
    for name in LIBRARIES:
        try:
            function = ctypes.CDLL(name, use_errno=True).crypt_rn
        except (OSError, AttributeError):  # no such file; a libcrypt older than libxcrypt
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
        return _wrap(function, new_buffer=ctypes.create_string_buffer, errno=ctypes.get_errno)
    return None


def _wrap(
    function: Callable[..., bytes | None], *, new_buffer: Callable[[int], object], errno: Callable[[], int]
) -> Crypt:
    """`crypt_rn` as password and setting to field, or None for a setting that it does not take."""
    spare: list[object] = []  # a buffer is in one thread's hands at a time: pop and append are atomic

    def crypt(password: bytes, setting: bytes) -> bytes | None:
        data = spare.pop() if spare else new_buffer(DATA_BYTES)
        result = function(password, setting, data, DATA_BYTES)
        spare.append(data)
        if result is None or result[:1] == b"*":  # the failure tokens *0 and *1
            if errno() == ENOMEM:
                raise Unavailable("memory is too short for this password field: give the machine more")
            return None
        return result

    return crypt


def proven(scheme: Scheme) -> Crypt | None:
    """The system's libcrypt if it has this scheme, shown by a known field; else None."""
    proof = PROOFS.get(scheme.name, "").encode("ascii")
    crypt = libcrypt()
    if not proof or not crypt:
        return None
    if _proven.get(scheme.name) is not crypt:  # once a process: a listing asks for each of a million users
        if crypt(b"secret", proof) != proof:
            return None
        _proven[scheme.name] = crypt
    return crypt


def checker(scheme: Scheme, *, native: bool) -> Check:
    """The comparison for a field of crypt(3); without `native` as on a machine without libcrypt.

    Raises:
        Unavailable: neither libcrypt nor libpass here knows the scheme.
    """
    crypt = proven(scheme) if native else None
    if crypt is None:
        return libpass.checker(scheme)

    size = scheme.size

    def check(stored: str, password: bytes) -> bool:
        if len(stored) - stored.rfind("$") - 1 != size:  # cut: libcrypt would take it for a setting without a digest
            raise NoLogin("damaged field")
        try:
            setting = stored.encode("ascii")
        except UnicodeEncodeError:
            raise NoLogin("damaged field") from None
        result = crypt(password, setting)
        if result is None:  # the scheme is proven, so it is the field
            raise NoLogin("damaged field")
        return same(result, setting)

    return check


def by(scheme: Scheme, *, native: bool) -> str:
    """The name of the library that verifies the scheme here, or ""."""
    return "libcrypt" if native and proven(scheme) else "libpass" if libpass.knows(scheme) else ""


def make(scheme: Scheme, password: bytes, setting: str, *, native: bool) -> str:
    """A new field from a `setting`: the scheme's prefix, its cost and a salt.

    Raises:
        Unavailable: this machine cannot make the scheme.
    """
    crypt = proven(scheme) if native else None
    if crypt is None:
        return libpass.make(scheme, password, setting)
    result = crypt(password, setting.encode("ascii"))
    if result is None:
        raise Unavailable(f"libcrypt cannot make a {scheme.name} field of {setting}: choose other settings")
    return result.decode("ascii")
