"""When "not found" may not be believed: a foreign program may be rewriting the files (spec/stores.md section 1)."""

from __future__ import annotations

import os
import time

from nwauth.errors import Emptied, Passing, Unavailable
from nwauth.stores.textfile import files, settling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile
    from nwauth.stores.textfile.files import Identity
    from nwauth.stores.textfile.userfile import UserFile

CUT = "nwauth.add was cut by another program, try again in a moment"
GONE = "nwauth.txt is gone from the folder, was it moved or unmounted?"
NOWHERE = "nwauth.add is a link to a file that is not there, is its disk mounted? (if it is new, make an empty one)"
IS_EMPTY = "nwauth.txt is empty and was not"
EMPTIED = f"{IS_EMPTY}: put it back from a backup (or, if it is meant: nwauth merge --emptied)"


def is_gone(folder: Folder, lock: LockFile) -> bool:
    """Whether a user file that is not there should be: it was served here before, or it is a link to nowhere."""
    return os.path.islink(folder.txt) or lock.read().served


def identify_journal(folder: Folder) -> Identity | None:
    """The state of the journal; None: there is none.

    Raises:
        Unavailable: it cannot be asked for, or it is a link to nowhere: who may be in it cannot be told.
    """
    found = files.identify(folder.add)
    if found is None and os.path.islink(folder.add):
        raise Unavailable(NOWHERE, public=NOWHERE.partition(" (")[0])
    return found


class Settling:
    """Judges states of the files.  `clock` gives seconds since 1970; with `settle_seconds` 0 what ends is settled."""

    def __init__(self, lock: LockFile, *, settle_seconds: float, clock: Callable[[], float]) -> None:
        self._settle_seconds = settle_seconds
        self._lock = lock
        self._file = settling.Settling(
            lambda identity: lock.read().is_ours(identity), settle_seconds=settle_seconds, clock=clock
        )
        self._cut_at: float | None = None
        self._held = False  # nwauth.txt, as we saw it, held something that only another program can have taken away
        self._is_meant = False

    def saw(self, identity: Identity) -> None:
        """The user file is in this state."""
        if identity.size:
            self._held = True
        elif self._lock.read().is_ours(identity):
            self._held = False

    def emptying_is_meant(self) -> None:
        """An administrator says so: a user file that holds nothing is as it should be."""
        self._is_meant = True

    def journal_was_cut(self) -> None:
        """The journal has lost lines by a foreign hand, just now."""
        self._cut_at = time.monotonic()

    def doubt(self, file: UserFile | None) -> str | None:
        """Why what is not found may yet be there; None: it is settled."""
        if self._cut_at is not None:
            if time.monotonic() - self._cut_at < self._settle_seconds:
                return CUT
            self._cut_at = None
        if file is None:
            return None
        if self._file.doubts(file):
            return self._file.being_written("nwauth.txt", file)
        return EMPTIED if self._was_emptied(file.identity) else None

    def must_be_settled(self, file: UserFile | None) -> None:
        """Raises Unavailable while what is not found may yet be there."""
        doubt = self.doubt(file)
        if doubt is EMPTIED:
            raise Emptied(doubt, public=f"{IS_EMPTY}, see the log")
        if doubt is not None:
            raise Passing(doubt)

    def _was_emptied(self, identity: Identity) -> bool:
        """Whether the file held something and holds nothing now, and that is not our doing: it was most likely lost."""
        if identity.size or self._is_meant:
            return False
        notes = self._lock.read()
        return (self._held or notes.held) and not notes.is_ours(identity)
