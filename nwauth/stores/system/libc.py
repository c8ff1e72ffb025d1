"""The C library's side of accounts: its structs, and calls that say themselves when their buffer is too small.

Python's own `pwd` cannot be used: it takes the same exception for "no such user" and for some failures.
"""

from __future__ import annotations

import ctypes
import os
from errno import EINTR, ERANGE

from nwauth.errors import Unavailable
from nwauth.model import Record
from nwauth.names import ENCODING, ERRORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Function = Callable[..., int]

FIRST_BYTES = 4096
MOST_BYTES = 1 << 20  # an account of more is none
MOST_INTERRUPTIONS = 100

# What a source of the name service switch answers: enum nss_status.
TRY_AGAIN, UNAVAILABLE, NOT_FOUND, FOUND = -2, -1, 0, 1


class Passwd(ctypes.Structure):
    """``struct passwd`` of Linux, glibc's and musl's."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("password", ctypes.c_char_p),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("gecos", ctypes.c_char_p),
        ("home", ctypes.c_char_p),
        ("shell", ctypes.c_char_p),
    )


class Spwd(ctypes.Structure):
    """``struct spwd``: dates are days since 1970, -1 where none is set."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("password", ctypes.c_char_p),
        ("changed", ctypes.c_long),
        ("minimum", ctypes.c_long),
        ("maximum", ctypes.c_long),
        ("warning", ctypes.c_long),
        ("inactive", ctypes.c_long),
        ("expires", ctypes.c_long),
        ("flag", ctypes.c_ulong),
    )


class Account(Record):
    """An account: what ``/etc/passwd`` has of it.  `password` is ``x`` where the shadow file has it."""

    __slots__ = ("home", "name", "password", "uid")
    SECRET = ("password",)

    def __init__(self, *, name: bytes, password: bytes, uid: int, home: bytes) -> None:
        self.name: Final = name
        self.password: Final = password
        self.uid: Final = uid
        self.home: Final = home


class ShadowEntry(Record):
    """What the shadow file has of an account; dates are days since 1970, -1 where none is set."""

    __slots__ = ("changed", "expires", "inactive", "maximum", "name", "password")
    SECRET = ("password",)

    def __init__(
        self,
        *,
        name: bytes,
        password: bytes,
        changed: int = -1,
        maximum: int = -1,
        inactive: int = -1,
        expires: int = -1,
    ) -> None:
        self.name: Final = name
        self.password: Final = password
        self.changed: Final = changed
        self.maximum: Final = maximum
        self.inactive: Final = inactive
        self.expires: Final = expires


class Room:
    """Where the C library puts its answer: a struct, and the bytes that its texts stand in, more when they are few."""

    def __init__(self, struct: Passwd | Spwd) -> None:
        self.struct: Final[Any] = struct
        self.at: Final = ctypes.byref(struct)
        self._result: Final = ctypes.c_void_p()
        self.result_at: Final = ctypes.byref(self._result)
        self._error: Final = ctypes.c_int()
        self.error_at: Final = ctypes.byref(self._error)
        self.size = FIRST_BYTES
        self.bytes = ctypes.create_string_buffer(FIRST_BYTES)

    @property
    def is_filled(self) -> bool:
        """Whether the call has said, by its last argument, that it has found somebody."""
        return self._result.value is not None

    @property
    def error(self) -> int:
        """The error number that a source of the name service switch gave."""
        return self._error.value

    @error.setter
    def error(self, number: int) -> None:
        self._error.value = number

    def grow(self) -> bool:
        """Make more room; False when there is enough of it for anybody."""
        if self.size >= MOST_BYTES:
            return False
        self.size *= 4
        self.bytes = ctypes.create_string_buffer(self.size)
        return True


def taken(found: Any) -> Any:
    """What stands in a struct, as a value that stays: an `Account` or a `ShadowEntry`."""
    name = found.name or b""
    if isinstance(found, Passwd):
        return Account(name=name, password=found.password or b"", uid=found.uid, home=found.home or b"")
    return ShadowEntry(
        name=name,
        password=found.password or b"",
        changed=found.changed,
        maximum=found.maximum,
        inactive=found.inactive,
        expires=found.expires,
    )


LIBC: Final = ctypes.CDLL(None, use_errno=True)
BY_NAME = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
NEXT = BY_NAME[1:]


def function(name: str, arguments: tuple[Any, ...], *, library: Any = LIBC, returns: Any = ctypes.c_int) -> Any:
    """A function of a library; None where it has none of this name."""
    found = getattr(library, name, None)
    if found is not None:
        found.argtypes, found.restype = arguments, returns
    return found


def load(library: str) -> Any:
    """A shared library, None where it cannot be loaded."""
    try:
        return ctypes.CDLL(library, use_errno=True)
    except OSError:
        return None


def ask(call: Function, name: bytes, room: Room) -> bool:
    """``getpwnam_r`` and its like: whether `room` now holds somebody of that name.

    Raises:
        Unavailable: any result but 0 is a failure, whatever it is; the text is what the system says of it.
    """
    for _ in range(MOST_INTERRUPTIONS):
        code = call(name, room.at, room.bytes, room.size, room.result_at)
        if code == 0:
            return room.is_filled
        if code != EINTR and not (code == ERANGE and room.grow()):
            break
    raise Unavailable(os.strerror(code))


def ask_source(call: Function, room: Room, *name: bytes) -> bool:
    """The same of one source of the name service switch, which has another way to say it.

    Raises:
        Unavailable: the source cannot tell.
    """
    for _ in range(MOST_INTERRUPTIONS):
        ctypes.set_errno(0)
        room.error = 0
        status = call(*name, room.at, room.bytes, room.size, room.error_at)
        if status in (FOUND, NOT_FOUND):
            return bool(status)
        if status != TRY_AGAIN or (room.error != EINTR and not (room.error == ERANGE and room.grow())):
            break
    error = room.error or ctypes.get_errno()  # where the source has not begun, it may not say it itself
    raise Unavailable(os.strerror(error) if error else "it is out of service")


def text(data: bytes) -> str:
    """Bytes of an account as text; any byte comes back as it was."""
    return data.decode(ENCODING, ERRORS)
