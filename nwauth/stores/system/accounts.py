"""Accounts by their names, and all of them: from the C library, and from each source where a "no" must be proven."""

from __future__ import annotations

import ctypes
import os

from nwauth.errors import Unavailable
from nwauth.stores.system.libc import BY_NAME, Passwd, Room, Spwd, ask, function, taken
from nwauth.stores.system.sources import Sources, is_glibc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

FILE = "/etc/passwd"
LOCAL = ("files", "compat", "db", "extrausers")


class Database:
    """``passwd`` or ``shadow``: what the C library knows of accounts there.

    `letters` are those of its functions, ``pw`` or ``sp``; `struct` is what they fill.
    """

    def __init__(self, name: str, letters: str, struct: type[Passwd | Spwd]) -> None:
        self._room: Final = Room(struct())
        self._struct: Final = struct
        self._letters: Final = letters
        self._call: Final = f"get{letters}nam_r"
        self._by_name: Final = function(self._call, BY_NAME)
        self._sources: Final = Sources(name, letters) if is_glibc() else None

    def by_name(self, name: bytes) -> Any:
        """The entry of that name, None when there is proof that there is none.

        Raises:
            Unavailable: cannot tell.
        """
        room = self._room
        if self._ask(name, room):
            return taken(room.struct)
        for source in () if self._sources is None else self._sources.get():
            if source.ask(name, room):  # it has come this moment, or a cache before the sources is old
                return taken(room.struct)
        return None

    def _ask(self, name: bytes, room: Room) -> bool:
        try:
            return ask(self._by_name, name, room)
        except Unavailable as error:
            raise Unavailable(f"{self._call} failed: {self._whose(name, room) or error}") from None

    def _whose(self, name: bytes, room: Room) -> Unavailable | None:
        """The failure of the first source that has one."""
        try:
            for source in () if self._sources is None else self._sources.get():
                source.ask(name, room)
        except Unavailable as error:
            return error
        return None

    def is_local(self, name: bytes) -> bool:
        """Whether this machine's own file has the account, and not a directory in the network.

        Raises:
            Unavailable: cannot tell.
        """
        if self._sources is None:
            return True
        return any(source.ask(name, self._room) for source in self._sources.get() if source.service in LOCAL)

    def walk(self) -> Iterator[Any]:
        """Every entry, as the struct that the C library fills: it is another one after the next step.

        Raises:
            Unavailable: they cannot be listed now, or not to the end.
        """
        if self._sources is None:
            yield from self._plain_walk()
            return
        room = Room(self._struct())
        for source in self._sources.get():
            for _ in source.walk(room):
                yield room.struct

    def alike(self, key: bytes) -> Iterator[Any]:
        """The entries that `walk` gives, all that have the folded name `key` and perhaps others.  It raises the same.

        What the local file holds is looked for there: of ten thousand accounts that takes a tenth of a walk.
        """
        spellings = _spellings(key)
        if spellings is None:
            yield from self.walk()
            return
        room = Room(self._struct())
        if self._sources is None:
            for spelling in spellings:
                if self._ask(spelling, room):
                    yield room.struct
            return
        for source in self._sources.get():
            if source.service != "files":
                for _ in source.walk(room):
                    yield room.struct
                continue
            for spelling in spellings:
                if source.ask(spelling, room):
                    yield room.struct

    def _plain_walk(self) -> Iterator[Any]:
        """By ``getpwent``, which tells the end from a failure by the error number alone."""
        begin, end = (function(f"{verb}{self._letters}ent", (), returns=None) for verb in ("set", "end"))
        step = function(f"get{self._letters}ent", (), returns=ctypes.POINTER(self._struct))
        begin()
        try:
            while True:
                ctypes.set_errno(0)
                found = step()
                if not found:
                    break
                yield found.contents
            if ctypes.get_errno():
                raise Unavailable(f"get{self._letters}ent failed: {os.strerror(ctypes.get_errno())}")
        finally:
            end()


def _spellings(key: bytes) -> list[bytes] | None:
    """`spellings_in` of the local file; None where it cannot be read: a walk will say why."""
    try:
        with open(FILE, "rb") as file:
            content = file.read()
    except OSError:
        return None
    return spellings_in(content, key)


def spellings_in(content: bytes, key: bytes) -> list[bytes] | None:
    """How the lines of ``/etc/passwd`` spell the folded name `key`, once a line; None where only a walk can tell."""
    if not key.isascii() or not content.isascii():
        return None
    lowered, wanted = content.lower(), key + b":"
    found: list[bytes] = []
    at = lowered.find(wanted)
    while at >= 0:
        start = lowered.rfind(b"\n", 0, at) + 1
        if not lowered[start:at].strip():
            found.append(content[at : at + len(key)])
        at = lowered.find(wanted, at + 1)
    return found


def passwd() -> Database:
    """The accounts."""
    return Database("passwd", "pw", Passwd)


def shadow() -> Database:
    """Their passwords, which root alone can read."""
    return Database("shadow", "sp", Spwd)
