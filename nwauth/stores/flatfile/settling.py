"""When "not found" may not be believed: a foreign program may be rewriting the files (spec/stores.md section 1)."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.flatfile.files import Identity
    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile
    from nwauth.stores.flatfile.userfile import UserFile

UNENDED_SECONDS = 30.0  # a last line without an end may still be being written for so long

BEING_WRITTEN = "nwauth.txt is being written by another program"
CUT = "nwauth.add was cut by another program"
GONE = "nwauth.txt is gone from the folder, was it moved or unmounted?"


def is_gone(folder: Folder, lock: LockFile) -> bool:
    """Whether a user file that is not there should be: it was served here before, or it is a link to nowhere."""
    return os.path.islink(folder.txt) or lock.read().served


class Settling:
    """Judges states of the files.  `clock` gives seconds since 1970; with `settle_seconds` 0 all is settled."""

    def __init__(self, lock: LockFile, *, settle_seconds: float, clock: Callable[[], float]) -> None:
        self._lock = lock
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._cut_at: float | None = None
        self._future: tuple[int, float] | None = None

    def journal_was_cut(self) -> None:
        """The journal has lost lines by a foreign hand, just now."""
        self._cut_at = time.monotonic()

    def doubt(self, file: UserFile | None) -> str | None:
        """Why what is not found may yet be there; None: it is settled."""
        if not self._settle_seconds:
            return None
        if self._cut_at is not None:
            if time.monotonic() - self._cut_at < self._settle_seconds:
                return CUT
            self._cut_at = None
        return None if file is None else self._doubt_file(file)

    def _doubt_file(self, file: UserFile) -> str | None:
        age = self._clock() - file.identity.mtime_ns / 1e9
        window = self._settle_seconds if file.ended else max(UNENDED_SECONDS, self._settle_seconds)
        if age >= window or (age < 0 and self._future_has_settled(file.identity)):
            return None
        return None if self._lock.read().is_ours(file.identity) else BEING_WRITTEN

    def _future_has_settled(self, identity: Identity) -> bool:
        """A time stamp in the future settles once it has stood for `settle_seconds`."""
        now = time.monotonic()
        if self._future is None or self._future[0] != identity.mtime_ns:
            self._future = (identity.mtime_ns, now)
        return now - self._future[1] >= self._settle_seconds
