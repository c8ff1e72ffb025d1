"""Which files were served here before, one path a line: what then is gone or empty is no "does not exist".

Best effort: where the list cannot be written, it lasts as long as the process, and the log says so.  It lies in the
folder of the settings, and is for the administrator to edit: a domain that is given up on purpose is taken out of it.
"""

from __future__ import annotations

import os
from time import monotonic

from nwauth.errors import Unavailable
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.textfile import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.stores.health import Health

PAUSE_SECONDS = 5.0  # after the list could not be written


class Served:
    """The list at `path`; None: there is no place for it.  `health` is told whether it can be kept."""

    def __init__(self, path: str | None, health: Health) -> None:
        self.path: Final = path
        self._health: Final = health
        self._known: set[str] = set()  # as the list has it
        self._new: set[str] = set()  # what it has yet to take
        self._torn = ""  # the beginning of a path, where the list ends in one
        self._loaded: files.Identity | None = None
        self._next_try = 0.0  # by the monotonic clock

    def note(self, path: str) -> None:
        """A file has been served; the list takes it with the next `save`."""
        if path not in self._known:
            self._new.add(path)

    def has(self, path: str) -> bool:
        """Whether a file was served, here or by a process before this one.

        Raises:
            Unavailable: the list is there and cannot be read.
        """
        if path in self._new:
            return True
        self._load()
        return path in self._known or (self._torn != "" and path.startswith(self._torn))

    def tend(self) -> None:
        """`save`, but not again a moment after it could not be done."""
        if self._new and monotonic() >= self._next_try:
            self.save()

    def save(self) -> None:
        """Add what is new to the list; where that cannot be done, it is told once."""
        if not self._new:
            return
        self._next_try = monotonic() + PAUSE_SECONDS
        try:
            self._load()
            rows = sorted(path for path in self._new if path not in self._known)
            if rows and self.path is not None and not _add(self.path, rows):
                return  # another process is making the list
        except (OSError, Unavailable) as error:
            self._health.failed(_unkept(error, self.path or ""))
            return
        self._next_try = 0.0
        self._known |= self._new
        self._new.clear()
        self._health.works()

    def _load(self) -> None:
        """Read the list if it is another than the one that is known.  Raises Unavailable."""
        if self.path is None:
            return
        stands = files.identify(self.path)
        if stands == self._loaded:
            return
        try:
            self._known, self._torn = (set(), "") if stands is None else _read(self.path)
        except OSError as error:
            raise files.trouble("read", self.path, error) from error
        self._loaded = stands


def _unkept(error: OSError | Unavailable, path: str) -> str:
    reason = error if isinstance(error, Unavailable) else files.trouble("write", path, error)
    return (
        f"{reason} (until it can be kept, a process that starts later takes a file that is gone for a domain that never"
        " was, and its mail bounces: let this account write there, or name the domains in the setting domain)"
    )


def _add(path: str, rows: list[str]) -> bool:
    """Add lines to the list at `path`; False: another process is making it.  Raises OSError, Unavailable."""
    raw = "".join(f"{row}\n" for row in rows).encode(ENCODING, ERRORS)
    try:
        fd = files.open_own(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return _make(path, raw)
    try:
        size = os.fstat(fd).st_size
        torn = size and os.pread(fd, 1, size - 1) != b"\n"  # a write that a crash or a full disk has cut
        files.write_all(fd, b"\n" + raw if torn else raw)
    finally:
        os.close(fd)
    return True


def _make(path: str, raw: bytes) -> bool:
    """Make the list, whole or not at all: an empty one would say that nothing was served."""
    from nwauth.stores.textfile.making import try_lock_file

    making = f"{path}-new"
    fd = try_lock_file(making, None)
    if fd is None:
        return False
    try:
        if os.path.lexists(path):  # made by another process meanwhile
            os.unlink(making)
            return False
        os.ftruncate(fd, 0)
        files.write_all(fd, raw)
        os.fsync(fd)
        os.rename(making, path)
    except BaseException:
        os.unlink(making)
        raise
    finally:
        os.close(fd)
    return True


def _read(path: str) -> tuple[set[str], str]:
    """The lines of the list, and what stands behind the last line end: one that is torn."""
    fd = files.open_own(path, os.O_RDONLY)
    try:
        raw = b"".join(block for _, block in files.blocks(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)
    rows = raw.decode(ENCODING, ERRORS).split("\n")
    return set(rows), "" if os.path.exists(rows[-1]) else rows[-1]
