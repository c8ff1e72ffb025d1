"""When "not found" may not be believed: a foreign program may be rewriting the files (spec/stores.md section 1)."""

from __future__ import annotations

import os
import time

from nwauth.stores.textfile import settling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile
    from nwauth.stores.textfile.userfile import UserFile

CUT = "nwauth.add was cut by another program, try again in a moment"
GONE = "nwauth.txt is gone from the folder, was it moved or unmounted?"


def is_gone(folder: Folder, lock: LockFile) -> bool:
    """Whether a user file that is not there should be: it was served here before, or it is a link to nowhere."""
    return os.path.islink(folder.txt) or lock.read().served


class Settling:
    """Judges states of the files.  `clock` gives seconds since 1970; with `settle_seconds` 0 what ends is settled."""

    def __init__(self, lock: LockFile, *, settle_seconds: float, clock: Callable[[], float]) -> None:
        self._settle_seconds = settle_seconds
        self._file = settling.Settling(
            lambda identity: lock.read().is_ours(identity), settle_seconds=settle_seconds, clock=clock
        )
        self._cut_at: float | None = None

    def journal_was_cut(self) -> None:
        """The journal has lost lines by a foreign hand, just now."""
        self._cut_at = time.monotonic()

    def doubt(self, file: UserFile | None) -> str | None:
        """Why what is not found may yet be there; None: it is settled."""
        if self._cut_at is not None:
            if time.monotonic() - self._cut_at < self._settle_seconds:
                return CUT
            self._cut_at = None
        return self._file.being_written("nwauth.txt", file) if file is not None and self._file.doubts(file) else None
