"""A file that the command line names, or stdin: opened with the ids of whoever typed it, before root's are given up."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from nwauth.commands.shown import as_text, shown_path, visible
from nwauth.commands.terminal import say
from nwauth.config import NO_REGULAR, without_waiting
from nwauth.errors import PASSING, Refused, Unavailable
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from typing import IO, Final

STDIN = "-"


class Given:
    """A file, open, and what it is called; `fault`: it could not be opened, and why."""

    def __init__(self, name: str, file: IO[bytes], *, fault: str = "") -> None:
        self.name: Final = name
        self.file: Final = file
        self.fault: Final = fault

    def about_all(self, count: int) -> int | None:
        """About how many of something it holds, `count` of which were found so far; None: nobody can tell."""
        try:
            fd = self.file.fileno()
            at, size = os.lseek(fd, 0, os.SEEK_CUR), os.fstat(fd).st_size
        except OSError:  # a pipe, or what is typed
            return None
        return count * size // at if 0 < at < size else None  # what is read whole is all read before one is found

    def content(self, *, most: int, wanted: str) -> bytes:
        """All that is in it, at most so many bytes; it is closed then.

        Raises:
            Refused: it is longer.
            Unavailable: it cannot be read.
        """
        try:
            with self.file:
                content = self.file.read(most + 1)
        except OSError as error:
            raise Unavailable(f"{self.name}: {unreadable(error)}") from None
        if len(content) > most:
            raise Refused(f"{self.name}: found more than {most:,} bytes, wanted {wanted}")
        return content


class _Typed(io.RawIOBase):
    """What is typed on a terminal, as a file: whoever waits for it says so, and one Ctrl-D ends it for good."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what: Final = what
        self._is_begun = self._is_over = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """A line, or the beginning of one; 0 at the end."""
        if not self._is_begun:
            self._is_begun = True
            say(f"{self._what} is read from the terminal: type it, and end with Ctrl-D on a line of its own")
        data = b"" if self._is_over else os.read(0, len(buffer))
        self._is_over = not data
        buffer[: len(data)] = data
        return len(data)


def given(word: str, *, what: str) -> Given:
    """The file that a word of the command line names, by its whole path; ``-`` is stdin.

    `what` it is to hold is told where it is to be typed.

    Raises:
        Refused: it cannot be opened.
        Unavailable: it cannot be opened now, for a reason that has nothing to do with it.
    """
    found = given_or_fault(word, what=what)
    if found.fault:
        raise Refused(f"{found.name}: {found.fault}")
    return found


def given_or_fault(word: str, *, what: str, as_typed: bool = False) -> Given:
    """The same; where it cannot be opened, that is its `fault`, for whoever tells it otherwise.

    It is called by its whole path, or `as_typed`.

    Raises:
        Unavailable: it cannot be opened now, for a reason that has nothing to do with it.
    """
    if word == STDIN and os.isatty(0):
        return Given("stdin", io.BufferedReader(_Typed(what)))
    path = os.fsdecode(word.encode(ENCODING, ERRORS))
    name = "stdin" if word == STDIN else visible(as_text(path)) if as_typed else shown_path(path)
    try:
        return Given(name, _open(0 if word == STDIN else path))
    except OSError as error:
        if error.errno in PASSING:
            raise Unavailable(f"{name}: {unreadable(error)}") from None
        return Given(name, io.BytesIO(), fault=unreadable(error))


def _open(place: str | int) -> IO[bytes]:
    """Raises OSError."""
    if isinstance(place, int):
        return open(place, "rb", closefd=False)
    return open(place, "rb", opener=without_waiting)


def unreadable(error: OSError) -> str:
    """Why a file cannot be read."""
    pipe = "; through a pipe it is given as -, stdin" if error.strerror == NO_REGULAR else ""
    return f"cannot be read: {error.strerror}{pipe}"
