"""Work that nobody waits for, done between two requests: the watch, the index, merges, unfinished deletions."""

from __future__ import annotations

import os
import time

from nwauth.errors import Unavailable
from nwauth.stores.flatfile import files
from nwauth.stores.flatfile.notes import LockFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import Notes
    from nwauth.stores.flatfile.settling import Settling
    from nwauth.stores.flatfile.view import View

MERGE_PAUSE_SECONDS = 60.0  # between two automatic merges
HELPER_PAUSE_SECONDS = 5.0  # before the same child has a helper try again
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
        self._next: dict[str, float] = {}
        self._index_fd = -1
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
        if not notes.served and self._view.file is not None:
            self._note_served()
        if notes.deletions:
            self._start(self.remove_deleted)
        if self._merge_is_due():
            self._start(self.merge)

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
            notes = self._lock.take(wait_seconds=0.0)
        except Unavailable:
            return
        try:
            notes.served = True
            self._lock.save(notes)
        except Unavailable:
            return
        finally:
            self._lock.release()

    def _has_index(self) -> bool:
        """See that there is an index: take one that has been made, or have one made; whether there is."""
        file = self._view.file
        if file is None or not file.wants_index:
            if file is not None and file.index is not None:
                file.index.populate()
            return True
        if self._index_fd >= 0:
            file.adopt_fd(os.dup(self._index_fd))
            if file.index is not None:
                self._forget_index()
                return True
        file.adopt(self._folder.index)
        if file.index is not None:
            self._view.follow()  # the index too: it must not be touched while it is mapped
            self._view.look_again(force=True)
            return True
        if self._view.doubtful:
            return False
        if not self._read_only and os.access(self._folder.path, os.W_OK):
            self._start(self._make_index)
            return False
        if self._is_due(self._make_index_in_memory):
            self._forget_index()  # of a helper that has failed, or was overtaken
            self._index_fd = files.anonymous()
            self._start(self._make_index_in_memory, keep=(self._index_fd,))
        return False

    def _forget_index(self) -> None:
        if self._index_fd >= 0:
            os.close(self._index_fd)
            self._index_fd = -1

    def _make_index(self) -> None:
        from nwauth.stores.flatfile.rewrite import make_index

        make_index(self._folder)

    def _make_index_in_memory(self) -> None:
        from nwauth.stores.flatfile.rewrite import index_in_memory

        index_in_memory(self._folder, self._index_fd)

    def _fresh_lock(self) -> LockFile:
        """The lock on a description of its own: a forked process shares that of its parent."""
        return LockFile(self._folder.lock, model=self._folder.txt)

    def _is_due(self, task: Callable[[], None]) -> bool:
        return time.monotonic() >= self._next.get(task.__name__, 0.0)

    def _start(self, task: Callable[[], None], *, keep: tuple[int, ...] = ()) -> None:
        """Have a helper do `task`, unless it was tried a moment ago."""
        if not self._is_due(task):
            return
        self._next[task.__name__] = time.monotonic() + HELPER_PAUSE_SECONDS
        from nwauth.stores.flatfile import helper

        try:
            os.close(helper.start(task, keep=keep))
        except OSError:  # no process to be had now: another time
            return
