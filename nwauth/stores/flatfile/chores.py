"""Work that nobody waits for, done between two requests: the watch, the index, merges, unfinished deletions."""

from __future__ import annotations

import time

from nwauth.errors import Unavailable
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.notes import LockFile
from nwauth.stores.textfile import files
from nwauth.stores.textfile.indexing import Helpers, Indexing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import Notes
    from nwauth.stores.flatfile.settling import Settling
    from nwauth.stores.flatfile.view import View

MERGE_PAUSE_SECONDS = 60.0  # between two automatic merges
LOOK_SECONDS = 0.05  # between two looks whether anything is due: a burst of changes pays for few of them
MIN_JOURNAL_BYTES = 1 << 20
MAX_JOURNAL_BYTES = 2 << 20  # each child holds the journal in memory: about 4 MB for a MiB of it


class Chores:
    """Looks after one folder.  `max_journal_bytes` None: a tenth of the user file, but 1 MiB at least and 2 at most."""

    def __init__(
        self,
        folder: Folder,
        lock: LockFile,
        view: View,
        settling: Settling,
        *,
        complete: Callable[[str], bool],
        shared: bool,
        read_only: bool,
        max_journal_bytes: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._lock = lock
        self._view = view
        self._settling = settling
        self._complete = complete
        self._shared = shared
        self._read_only = read_only
        self._max_journal_bytes = max_journal_bytes
        self._clock = clock
        self._helpers = Helpers()
        self._indexing = Indexing(
            folder.txt,
            index=folder.index,
            making=folder.indexing,
            model=folder.txt,
            fits=lines.fits,
            read_only=read_only,
        )
        self._next_look = 0.0

    def tend(self) -> None:
        """Do what is due; where the folder cannot be looked at now, nothing is."""
        try:
            self._tend()
        except Unavailable:
            return

    def _tend(self) -> None:
        view = self._view
        if not view.watch.armed and not view.watch.refused:
            view.watch.arm()
            view.follow()
        view.fresh = not self._has_index()
        if self._read_only:
            return
        now = time.monotonic()
        if now < self._next_look:
            view.fresh = True
            return
        self._next_look = now + LOOK_SECONDS
        self._tend_files(self._lock.read())

    def merge(self) -> None:
        """Fold the journal into the user file (a helper's task)."""
        from nwauth.stores.flatfile.merge import merge_if_due

        lock = self._fresh_lock()
        merge_if_due(
            self._folder, lock, self._settling, self._merge_is_due, complete=self._complete, shared=self._shared
        )

    def remove_deleted(self) -> None:
        """Take deleted users out of the user file (a helper's task)."""
        from nwauth.stores.flatfile.remove import remove_deleted

        remove_deleted(self._folder, self._fresh_lock(), self._settling)

    def _tend_files(self, notes: Notes) -> None:
        if notes.note_served(self._view.file):
            self._note_served()
        if notes.deletions:
            self._helpers.start(self.remove_deleted)
        if self._merge_is_due():
            self._helpers.start(self.merge)

    def _merge_is_due(self) -> bool:
        """Whether the journal is too long, and no merge was a moment ago."""
        txt, add = files.identify(self._folder.txt), files.identify(self._folder.add)
        limit = self._max_journal_bytes
        if limit is None:
            limit = min(max(MIN_JOURNAL_BYTES, txt.size // 10 if txt else 0), MAX_JOURNAL_BYTES)
        if add is None or add.size <= limit:
            return False
        merged_at = self._lock.read().merged_at
        return merged_at is None or not 0 <= self._clock() - merged_at < MERGE_PAUSE_SECONDS

    def _note_served(self) -> None:
        """Note that there is a user file here, so that its going is no "does not exist"; best effort."""
        try:
            with self._lock.taken(wait_seconds=0.0) as notes:
                if notes.note_served(self._view.file):
                    self._lock.save(notes)
        except Unavailable:
            return

    def _has_index(self) -> bool:
        """See that there is an index; whether there is."""
        has = self._indexing.tend(self._view.file, doubtful=self._view.doubtful)
        if has is None:
            self._view.follow()  # the index too: it must not be touched while it is mapped
            self._view.look_again(force=True)
            return True
        return has

    def _fresh_lock(self) -> LockFile:
        """The lock on a description of its own: a forked process shares that of its parent."""
        return LockFile(self._folder.lock, model=self._folder.txt)
