"""Has a user file changed since the last look?  By `stat`, or by inotify where that sees everything.

inotify stands in on local file systems, with a look each second beside it (a mount over the folder raises no event).
Only changes of the files themselves and of the folder's names are watched: the log, written all the time, is neither.
"""

from __future__ import annotations

import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LOOK_SECONDS = 1.0

# Where a change by any process is a change through this kernel: ext2-4, xfs, btrfs, tmpfs, f2fs, zfs.
LOCAL_FILE_SYSTEMS = {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0xF2F52010, 0x2FC12FC1}

_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = (
    0x002,
    0x004,
    0x040,
    0x080,
    0x100,
    0x200,
    0x400,
    0x800,
)
_FILE_EVENTS = _MODIFY | _ATTRIB | _DELETE_SELF | _MOVE_SELF
_FOLDER_EVENTS = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF


class Watch:
    """Tells when to look again; until `arm` has succeeded, always."""

    def __init__(self) -> None:
        self.refused = False  # inotify cannot stand in here: do not ask again
        self._fd = -1
        self._poll = select.poll()
        self._next_look = 0.0
        self._add_watch: Callable[[int, bytes, int], int] = _no_watch
        self._is_local: Callable[[str], bool] = _not_local

    @property
    def armed(self) -> bool:
        """Whether inotify stands in for a look at each request."""
        return self._fd >= 0

    def stirred(self) -> bool:
        """Whether something may have changed."""
        if self._fd < 0:
            return True
        if self._poll.poll(0):
            os.read(self._fd, 4096)
            return True
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK_SECONDS
        return True

    def arm(self) -> None:
        """Set inotify up, where there is one; `follow` says what it watches.  Costs a few milliseconds, once."""
        import ctypes

        self.refused = True
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):  # another system than Linux
            return
        if fd < 0:
            return
        self.refused = False
        status = ctypes.create_string_buffer(256)

        def is_local(folder: str) -> bool:
            if libc.statfs(os.fsencode(folder), status) != 0:
                return False
            kind = int.from_bytes(status.raw[: ctypes.sizeof(ctypes.c_long)], sys.byteorder)
            return kind in LOCAL_FILE_SYSTEMS

        self._is_local = is_local
        self._add_watch = libc.inotify_add_watch
        self._fd = fd
        self._next_look = 0.0
        self._poll.register(fd, select.POLLIN)

    def follow(self, folders: Iterable[str], paths: Iterable[str]) -> None:
        """Watch these folders and files from now on; called before a look whenever they may have been replaced.

        Where one of them is on no local file system, inotify is given up.
        """
        if self._fd < 0:
            return
        for folder in folders:
            if not self._is_local(folder) or self._add_watch(self._fd, os.fsencode(folder), _FOLDER_EVENTS) < 0:
                self.disarm()
                return
        for path in paths:
            if self._add_watch(self._fd, os.fsencode(path), _FILE_EVENTS) < 0 and os.path.exists(path):
                self.disarm()
                return

    def disarm(self) -> None:
        """Go back to a look at each request."""
        if self._fd >= 0:
            self._poll.unregister(self._fd)
            os.close(self._fd)
            self._fd = -1
            self.refused = True


def _not_local(_folder: str) -> bool:
    return False


def _no_watch(_fd: int, _path: bytes, _events: int) -> int:
    return -1
