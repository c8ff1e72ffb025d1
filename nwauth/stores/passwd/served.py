"""Which files were served here before, one path a line: what then is gone or empty is no "does not exist".

Best effort: where the list cannot be written, it lasts as long as the process.  It lies in the folder of the settings,
and is for the administrator to edit: a domain that is given up on purpose is taken out of it.
"""

from __future__ import annotations

import os

from nwauth.errors import Unavailable
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.textfile import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Served:
    """The list at `path`; None: there is no place for it."""

    def __init__(self, path: str | None) -> None:
        self.path: Final = path
        self._known: set[str] = set()  # as the list has it
        self._new: set[str] = set()  # what it has yet to take
        self._loaded: files.Identity | None = None

    def note(self, path: str) -> None:
        """A file has been served; the list takes it with the next `save`."""
        if path not in self._known:
            self._new.add(path)

    def has(self, path: str) -> bool:
        """Whether a file was served, here or by a process before this one."""
        if path in self._new:
            return True
        self._load()
        return path in self._known

    def save(self) -> None:
        """Add what is new to the list, if it can be done."""
        if not self._new:
            return
        self._load()
        rows = sorted(self._new - self._known)
        self._known |= self._new
        self._new.clear()
        if rows and self.path is not None:
            try:
                _append(self.path, rows)
            except (OSError, Unavailable):
                return

    def _load(self) -> None:
        """Read the list if it is another than the one that is known."""
        if self.path is None:
            return
        try:
            stands = files.identify(self.path)
            if stands == self._loaded:
                return
            self._known = set() if stands is None else _read(self.path)
            self._loaded = stands
        except (OSError, Unavailable):
            return


def _append(path: str, rows: list[str]) -> None:
    try:
        fd = files.open_own(path, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        os.close(files.create_like(path, None))
        fd = files.open_own(path, os.O_WRONLY | os.O_APPEND)
    try:
        files.write_all(fd, "".join(f"{row}\n" for row in rows).encode(ENCODING, ERRORS))
    finally:
        os.close(fd)


def _read(path: str) -> set[str]:
    fd = files.open_own(path, os.O_RDONLY)
    try:
        raw = b"".join(block for _, block in files.blocks(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)
    return set(raw.decode(ENCODING, ERRORS).split("\n"))
