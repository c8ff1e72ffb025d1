"""A file that the command line names, or stdin: opened with the ids of whoever typed it, before root's are given up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nwauth.commands.session import as_text, shown_path
from nwauth.commands.table import visible
from nwauth.config import NO_REGULAR, without_waiting
from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from typing import IO, Final

STDIN = "-"


class Given:
    """A file, open, and what it is called."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name: Final = name
        self.file: Final = file

    def content(self, *, most: int, wanted: str) -> bytes:
        """All that is in it, at most so many bytes; it is closed then.

        Raises:
            Refused: it cannot be read, or is longer.
        """
        try:
            with self.file:
                content = self.file.read(most + 1)
        except OSError as error:
            raise _unreadable(self.name, error) from None
        if len(content) > most:
            raise Refused(f"{self.name}: found more than {most:,} bytes, wanted {wanted}")
        return content


def given(word: str, *, as_typed: bool = False) -> Given:
    """The file that a word of the command line names; ``-`` is stdin.  It is called by its whole path, or `as_typed`.

    Raises:
        Refused: it cannot be opened.
    """
    if word == STDIN:
        return Given("stdin", _open(0, "stdin"))
    path = os.fsdecode(word.encode(ENCODING, ERRORS))
    file = _open(path, shown_path(path))
    return Given(visible(as_text(path)) if as_typed else shown_path(path), file)


def _open(place: str | int, name: str) -> IO[bytes]:
    try:
        if isinstance(place, int):
            return open(place, "rb", closefd=False)
        return open(place, "rb", opener=without_waiting)
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: OSError) -> Refused:
    pipe = "; through a pipe it is given as -, stdin" if error.strerror == NO_REGULAR else ""
    return Refused(f"{name}: cannot be read: {error.strerror}{pipe}")
