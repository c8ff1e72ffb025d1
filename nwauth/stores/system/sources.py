"""The sources of accounts that ``/etc/nsswitch.conf`` names, each asked alone.

glibc tells only what the last of them said: where ``passwd: files systemd`` is set and ``/etc/passwd`` cannot be
opened, ``getpwnam_r`` says "no such user", since systemd knows none.  A "no" needs proof, so each is asked for its own.
A source is a library whose functions have stood since glibc 2.0.
"""

from __future__ import annotations

import ctypes
import os

from nwauth.errors import Unavailable
from nwauth.stores.system.libc import BY_NAME, LIBC, NEXT, NOT_FOUND, ask_source, function, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from nwauth.stores.system.libc import Room

FILE = "/etc/nsswitch.conf"
DEFAULT = ("files",)
SOMEBODY = b"root"  # it does not matter whom
_ENDS_AT_NOT_FOUND = frozenset(("notfound=return", "!success=return", "!unavail=return", "!tryagain=return"))


def is_glibc() -> bool:
    """Whether the C library has a name service switch; musl has none."""
    return hasattr(LIBC, "gnu_get_libc_version")


class Source:
    """One source: `service` is its word in the file, in the line of the `database`.

    `letters` are those of its functions: ``pw`` for accounts, ``sp`` for their shadows.
    """

    def __init__(self, service: str, database: str, letters: str) -> None:
        self.service: Final = service
        self._database: Final = database
        self._library: Final = LIBC if hasattr(LIBC, f"_nss_{service}_getpwnam_r") else load(f"libnss_{service}.so.2")
        self._by_name: Final = self._function(f"get{letters}nam_r", BY_NAME)
        self._begin: Final = self._function(f"set{letters}ent", (ctypes.c_int,))
        self._next: Final = self._function(f"get{letters}ent_r", NEXT)
        self._end: Final = self._function(f"end{letters}ent", ())

    def _function(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return function(f"_nss_{self.service}_{name}", arguments, library=self._library)

    @property
    def is_there(self) -> bool:
        """Whether it is installed; it need not know both of accounts and shadows."""
        return self._library is not None

    def ask(self, name: bytes, room: Room) -> bool:
        """Whether `room` now holds somebody of that name.

        Raises:
            Unavailable: the source cannot tell.
        """
        try:
            return self._by_name is not None and ask_source(self._by_name, room, name)
        except Unavailable as error:
            raise self._failed(error) from None

    def walk(self, room: Room) -> Iterator[None]:
        """Put all, one after the other, into `room`; nobody where the source does not list its users, as many do not.

        Raises:
            Unavailable: they cannot be listed now, or not to the end.
        """
        if self._next is None:
            return
        has_begun = False
        try:
            self._rewind()
            while ask_source(self._next, room):
                has_begun = True
                yield
        except Unavailable as error:
            if has_begun:
                raise self._failed(error) from None
            self.ask(SOMEBODY, room)  # raises where it is out of service, and does not only list nobody
        finally:
            if self._end is not None:
                self._end()

    def _rewind(self) -> None:
        if self._begin is not None and self._begin(0) < NOT_FOUND:
            raise Unavailable("its listing cannot be begun")

    def _failed(self, error: Unavailable) -> Unavailable:
        return Unavailable(f'the source "{self.service}" for {self._database} in {FILE} cannot be asked: {error}')


class Sources:
    """The sources of one line (`database`) of the file, read again when it changes."""

    def __init__(self, database: str, letters: str) -> None:
        self._database: Final = database
        self._letters: Final = letters
        self._identity: tuple[int, ...] | None = None
        self._was_there = False
        self._sources: tuple[Source, ...] = ()
        self._loaded: Final[dict[str, Source]] = {}  # one that was missing stays so: glibc never tries it again

    def get(self) -> tuple[Source, ...]:
        """All sources, in their order.

        Raises:
            Unavailable: the file cannot be read, or names a source that is not installed.
        """
        identity = self._look()
        if identity is None or identity != self._identity:
            names = services(self._read(), self._database)
            self._sources = tuple(self._source(name) for name in names)
            self._identity = identity
        for source in self._sources:
            if not source.is_there:
                raise Unavailable(
                    f'{FILE} names the source "{source.service}" for {self._database}, which is not installed: install'
                    f" libnss_{source.service}.so.2, or take the word out; then restart the mail server's children"
                )
        return self._sources

    def _source(self, name: str) -> Source:
        source = self._loaded.get(name)
        if source is None:
            source = self._loaded[name] = Source(name, self._database, self._letters)
        return source

    def _look(self) -> tuple[int, ...] | None:
        try:
            status = os.stat(FILE)
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _read(self) -> str:
        try:
            with open(FILE, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            if self._was_there:
                raise Unavailable(f"{FILE} was there and is gone: put it back") from None
            return ""
        except OSError as error:
            raise Unavailable(f"{FILE} cannot be read: {error.strerror}") from None
        self._was_there = True
        return content.decode("latin-1")


def services(content: str, database: str) -> tuple[str, ...]:
    """The sources that are asked for a name that none of them knows, of the last line of that database."""
    found: tuple[str, ...] | None = None
    for line in content.split("\n"):  # glibc knows no other line ends; UTF-8 in a comment holds some of text
        name, colon, rest = line.partition("#")[0].partition(":")
        if colon and name.strip() == database:
            found = _services(rest)
    return found or DEFAULT


def _services(rest: str) -> tuple[str, ...]:
    names: list[str] = []
    in_action = False
    for word in rest.replace("[", " [ ").replace("]", " ] ").split():
        if word in "[]":
            in_action = word == "["
        elif not in_action:
            names.append(word.replace("/", "_"))  # never a path
        elif word.lower() in _ENDS_AT_NOT_FOUND:
            break
    return tuple(names)
