"""The flat-file store: the journal's newer lines before the user file's (spec/stores.md section 1)."""

from __future__ import annotations

import os
import time

from nwauth.errors import NotSupported, Unavailable
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.stores.base import Store
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.chores import Chores
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.notes import LockFile, Taken
from nwauth.stores.flatfile.settling import GONE, Settling, identify_journal, is_gone
from nwauth.stores.flatfile.view import View
from nwauth.stores.textfile import files
from nwauth.stores.textfile.files import mark_of
from nwauth.stores.textfile.record import WAIT_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.base import Change, Held
    from nwauth.stores.flatfile.merge import Merged
    from nwauth.stores.flatfile.notes import Notes

DELETE_WAIT_SECONDS = 8.0  # below the server's 10
BULK_JOURNAL_BYTES = 8 << 20  # while many users are added, the journal is merged past this or a quarter of the file
MAX_BULK_JOURNAL_BYTES = 32 << 20  # and past this in any case: it is held in memory, about 4 MB for a MiB
BULK_PAUSE_SECONDS = 5.0  # before a merge that could not be done then is tried again
OLD_JOURNAL_SECONDS = 61.0  # after this, what `swap` keeps for a minute may go


class FlatfileStore(Store):
    """Users in `nwauth.txt` and `nwauth.add` of one folder.

    `shared`: NWAuth or other programs still read the folder, so a deletion must be seen by them too.  `complete` tells
    whether a password field is of a known form and full length.  `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        path: str,
        *,
        complete: Callable[[str], bool],
        name: str = "flatfile",
        shared: bool = True,
        settle_seconds: float = 2.0,
        max_journal_bytes: int | None = None,
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.folder: Final = Folder(path)
        self._complete = complete
        self._shared = shared
        self._read_only = read_only
        self._lock = LockFile(self.folder.lock, model=self.folder.txt)
        self._settling = Settling(self._lock, settle_seconds=settle_seconds, clock=clock)
        self._view = View(self.folder, self._lock, self._settling, complete=complete)
        self._chores = Chores(
            self.folder,
            self._lock,
            self._view,
            self._settling,
            complete=complete,
            shared=shared,
            read_only=read_only,
            max_journal_bytes=max_journal_bytes,
            clock=clock,
        )
        self._bulk_merge_at = 0.0  # when a merge between two batches may be tried again, by the monotonic clock
        self._care_at = 0.0  # when the journals swapped out are looked after next, by the monotonic clock

    # --- questions ------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> User | None:
        self._view.refresh()
        if self._view.old_journals:
            self._look_at_old_journals()
        return self._find(name)

    def _find(self, name: str) -> User | None:
        """The user as the view has it, which has just been refreshed."""
        line = self._view.find(fold(name).encode(ENCODING, ERRORS))
        if line is not None:
            return lines.parse(line, self.name)
        if self._view.doubtful:
            self._view.must_be_settled()
        return None

    def search(self, pattern: str = "") -> Iterator[User]:
        del pattern  # every line has to be read anyway
        return (lines.parse(line, self.name) for line in self._rows())

    def beginning(self, prefix: str) -> Iterator[User]:
        """The users whose folded names begin with `prefix`, which is ASCII; more where the file is not in order.

        Raises Unavailable.
        """
        return (lines.parse(line, self.name) for line in self._rows(prefix.lower().encode("ascii")))

    def _rows(self, prefix: bytes = b"") -> Iterator[bytes]:
        """The users' lines, by folded name.  Raises Unavailable."""
        from nwauth.stores.flatfile.ordered import rows

        return rows(self._view, self.folder, prefix)

    def held(self, pattern: str = "") -> Iterator[list[Held]]:
        from nwauth.stores.flatfile.ordered import held

        del pattern  # as for `search`
        return held(self._view, self.folder)

    # --- changes --------------------------------------------------------------------------------------------------

    def put(self, user: User) -> bool:
        with self._locked() as notes:
            if self._find(user.name) is not None:
                return False
            self._append(notes, [lines.serialize(user)])
            return True

    def put_all(self, users: Sequence[User]) -> list[User]:
        rows = [(fold(user.name).encode(ENCODING, ERRORS), lines.serialize(user)) for user in users]
        new: dict[bytes, bytes] = {}
        taken: list[User] = []
        with self._locked() as notes:
            for user, (key, row) in zip(users, rows, strict=True):
                if key in new or self._is_taken(key):
                    taken.append(user)
                else:
                    new[key] = row
            if new:
                self._append(notes, list(new.values()))
        self._merge_between_batches()
        return taken

    def change_all(self, changes: Iterable[Change]) -> None:
        from nwauth.stores.flatfile.together import change_all

        self._mend_first()
        self._view.forget_journal()
        change_all(self.folder, self._lock, self._settling, changes, complete=self._complete, shared=self._shared)

    def settle(self) -> None:
        self._view.look_again(force=True)
        self._view.refresh()
        if self._view.journal.lines:
            self.merge()

    def _is_taken(self, key: bytes) -> bool:
        """Whether somebody has this folded name, by the view, which has just been refreshed."""
        if self._view.find(key) is not None:
            return True
        if self._view.doubtful:
            self._view.must_be_settled()
        return False

    def _merge_between_batches(self) -> None:
        """Keep the journal short while many users are added; what cannot be merged now, a later batch will."""
        txt, add = files.identify(self.folder.txt), files.identify(self.folder.add)
        limit = min(max(BULK_JOURNAL_BYTES, txt.size // 4 if txt else 0), MAX_BULK_JOURNAL_BYTES)
        if add is None or add.size <= limit or time.monotonic() < self._bulk_merge_at:
            return
        try:
            self._merge()
        except Unavailable:  # the users are there: nobody is to be told otherwise
            self._bulk_merge_at = time.monotonic() + BULK_PAUSE_SECONDS

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        with self._locked(wait_seconds=WAIT_SECONDS if wait_seconds is None else wait_seconds) as notes:
            if self._find(old.name) != old:
                return False
            self._append(notes, [lines.serialize(new)])
            return True

    def delete(self, name: str, *, only: User | None = None) -> bool:
        started = time.monotonic()
        with self._locked() as notes:
            user = self._find(name)
            if user is None or (only is not None and user != only):
                return False
            line = lines.tombstone(user.name.encode(ENCODING, ERRORS))
            in_file = False
            if self._shared:
                in_file = self._append_shared_deletion(notes, line)
            else:
                self._append(notes, [line])
        if in_file:
            self._remove_from_file(DELETE_WAIT_SECONDS - (time.monotonic() - started))
        return True

    def place(self) -> str:
        return self.folder.path

    def make(self) -> bool:
        if self._read_only:
            raise NotSupported
        if files.identify(self.folder.txt) is not None or identify_journal(self.folder) is not None:
            return False
        if is_gone(self.folder, self._lock):
            raise Unavailable(GONE)
        os.close(files.create_like(self.folder.txt, None))
        with self._locked() as notes:
            made = files.identify(self.folder.txt)
            if made is not None:
                notes.ours = mark_of(made)
                self._lock.save(notes)
        return True

    def merge(self, *, emptied: bool = False) -> Merged:
        """Fold the journal into the user file now, in this process; `emptied`: it is empty, and meant to be.

        Raises:
            Unavailable: it cannot be done now; nothing is lost.
        """
        if emptied:
            self._settling.emptying_is_meant()
        self._mend_first()
        return self._merge()

    def _merge(self) -> Merged:
        from nwauth.stores.flatfile.merge import merge

        self._view.forget_journal()  # the merge reads it too, and memory need not hold it twice
        return merge(self.folder, self._lock, self._settling, complete=self._complete, shared=self._shared)

    def tend(self) -> None:
        self._view.look_again(share=True)
        if self._view.fresh or (self._view.file is not None and self._view.file.wants_index):
            self._chores.tend()
        if self._view.old_journals and time.monotonic() >= self._care_at and not self._read_only:
            self._care_at = time.monotonic() + OLD_JOURNAL_SECONDS
            self._care_for_old_journals()

    def close(self) -> None:
        self._view.close()
        self._lock.close()

    # --- under the lock -------------------------------------------------------------------------------------------

    def _locked(self, *, wait_seconds: float = WAIT_SECONDS) -> Taken:
        """The lock for a ``with``; what a crash has left half done is mended, and the files are looked at.

        Raises:
            NotSupported: nothing is ever written here.
            Unavailable: there is no user base, the lock is held by others, or the mending failed.
        """
        if self._read_only:
            raise NotSupported
        self._view.look_again(force=True)  # no event tells of a mount over the folder
        if files.identify(self.folder.lock) is None:
            self._view.refresh()  # a folder without a user base gets no lock file either
        notes = self._lock.take(wait_seconds=wait_seconds)
        try:
            self._mend(notes)
            self._view.look_again(force=True)
            self._view.refresh()
            self._note_served(notes)
        except BaseException:
            self._lock.release()
            raise
        return Taken(self._lock, notes)

    def _mend_first(self) -> None:
        """What a crash has left half done is not for who rewrites the files.  Raises as `_locked`."""
        with self._locked():
            pass

    def _mend(self, notes: Notes) -> None:
        if notes.append is not None or notes.old_journals:
            from nwauth.stores.flatfile import append
            from nwauth.stores.flatfile.swap import care_for_old_journals

            try:
                if append.recover(self.folder, notes):
                    self._lock.save(notes)
                care_for_old_journals(self.folder, self._lock, notes, complete=self._complete, newer=self._in_journal)
            except OSError as error:
                raise files.trouble("mend", self.folder.add, error) from error

    def _note_served(self, notes: Notes) -> None:
        if notes.note_served(self._view.file):
            self._lock.save(notes)

    def _in_journal(self) -> set[bytes]:
        self._view.refresh()
        return set(self._view.journal.lines)

    def _append(self, notes: Notes, rows: list[bytes]) -> None:
        from nwauth.stores.flatfile.append import append

        self._view.journal.own_append = append(self.folder, self._lock, notes, rows, self._complete)
        self._view.fresh = True
        self._view.look_again()

    def _append_shared_deletion(self, notes: Notes, line: bytes) -> bool:
        """Delete so that programs that know no deletions see it too; whether nwauth.txt must yet be rewritten.

        What is to be done is noted first: who next takes the lock goes on with it.
        """
        from nwauth.stores.flatfile.append import mark_deleted

        key = lines.deleted_key(line) or b""
        notes.deletions.append(key)
        self._append(notes, [line])
        try:
            mark_deleted(self.folder, key)
            in_file = self._view.file is not None and self._view.file.find(key) is not None
        except OSError as error:
            raise files.trouble("write", self.folder.add, error) from error
        if not in_file:
            notes.deletions.remove(key)
            self._lock.save(notes)
        return in_file

    def _remove_from_file(self, wait_seconds: float) -> None:
        """Have a helper rewrite nwauth.txt without the deleted, and wait for it."""
        from nwauth.stores.textfile import helper

        try:
            fd = helper.start(self._chores.remove_deleted)
        except OSError as error:
            raise Unavailable(f"deleted here, but nwauth.txt cannot be rewritten: {error.strerror}") from error
        try:
            trouble = helper.outcome(fd, wait_seconds=max(0.0, wait_seconds))
        finally:
            os.close(fd)
        if trouble is None:
            raise Unavailable("deleted here, nwauth.txt is still being rewritten")
        if trouble:
            raise Unavailable(f"deleted here, but {trouble}")

    def _look_at_old_journals(self) -> None:
        """Fetch what a foreign writer has added to a journal that was swapped out under it."""
        there = [(path, length, files.identify(path)) for path, length in self._view.old_journals]
        self._view.old_journals = [(path, length) for path, length, identity in there if identity is not None]
        if not self._read_only and any(identity and identity.size > length for _, length, identity in there):
            self._care_for_old_journals()
            self._view.refresh()

    def _care_for_old_journals(self) -> None:
        """Take the lock for a moment: whoever does mends what is to be mended."""
        try:
            with self._locked(wait_seconds=0.0) as notes:
                pass
        except Unavailable:
            return  # who holds it looks too
        self._view.note_old_journals(notes)
