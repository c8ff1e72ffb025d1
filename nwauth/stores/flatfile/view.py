"""What is known of the files at this request: both of them loaded, and known to be as loaded."""

from __future__ import annotations

import os
from time import monotonic

from nwauth.errors import NoBase, Passing, Unavailable
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.journal import Journal
from nwauth.stores.flatfile.settling import GONE, identify_journal, is_gone
from nwauth.stores.textfile import files
from nwauth.stores.textfile.userfile import Changed, UserFile
from nwauth.stores.textfile.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile, Notes
    from nwauth.stores.flatfile.settling import Settling
    from nwauth.stores.textfile.files import Identity

MAX_LOOKS = 8
SHARE_SECONDS = 0.002  # one look serves the requests that came together for so long: behind a slow hash it is old
KEEP_CHANGING = "the user files keep changing, try again"
NOTHING = (None, None)


class View:
    """The user file and the journal, loaded; `refresh` comes before every question.

    `fresh` is set by each load, for who has something to do after one; `old_journals` are the journals lately swapped
    out, with the length that was taken over of each.
    """

    def __init__(self, folder: Folder, lock: LockFile, settling: Settling, *, complete: Callable[[str], bool]) -> None:
        self._folder = folder
        self._lock = lock
        self._settling = settling
        self.watch: Final = Watch()
        self.journal: Final = Journal(complete)
        self.file: UserFile | None = None
        self.loaded: tuple[Identity | None, Identity | None] = NOTHING
        self.doubtful = False  # what was loaded was unsettled then
        self.fresh = False
        self.old_journals: list[tuple[str, int]] = []
        self._in_force = False  # what is loaded stands until the watch tells otherwise
        self._shares = False  # questions that come together share a look ...
        self._shared_until = 0.0  # ... until then, by the monotonic clock
        self._served = False
        self._changes = 0  # so often has the file changed under the question in hand

    def refresh(self) -> None:
        """Bring what is loaded up to date with the files, if they may have changed since the last look.

        Raises:
            Unavailable: there are no files, they cannot be read, or they keep changing.
        """
        if self._in_force:
            now = monotonic()
            if now < self._shared_until:
                return
            if self._shares:
                self._shared_until = now + SHARE_SECONDS
            if not self.watch.stirred():
                return
            self._in_force = False  # until the look has told: it may fail, and what stirred is told once only
        for _ in range(MAX_LOOKS):
            seen = files.identify(self._folder.txt), identify_journal(self._folder)
            if seen == self.loaded and seen != NOTHING and not self._has_settled():
                break
            self.load(*seen)
        else:
            raise Passing(KEEP_CHANGING)
        if self.file is not None:
            self.file.look_at_index()
        self._in_force = not self.doubtful

    def _has_settled(self) -> bool:
        """Whether what was doubtful is so no more: a second change within one tick of the clock is unseen yet."""
        return self.doubtful and self._settling.doubt(self.file) is None

    def look_again(self, *, share: bool = False, force: bool = False) -> None:
        """The next question wants a new look; with `share`, it serves the questions behind it too, until told again.

        With `force`, the look is one at the files, whatever the watch tells.
        """
        self._shared_until = 0.0
        self._shares = self._shares or share
        self._in_force = self._in_force and not force

    def find(self, key: bytes) -> bytes | None:
        """The line that counts for the folded name `key`; None: no line does.

        Raises:
            Unavailable: the files cannot be read, keep changing, or the line is still being written.
        """
        if key in self.journal.lines:
            return self.journal.lines[key]
        if self.file is None:
            return None
        try:
            hit = self.file.find(key)
        except Changed:
            return self._find_again(key)
        except OSError as error:
            self._in_force, self.loaded = False, NOTHING
            raise files.trouble("read", self._folder.txt, error) from error
        if hit is None:
            return None
        line, ended = hit
        if not ended and self.doubtful:
            self.must_be_settled()
        return line

    def _find_again(self, key: bytes) -> bytes | None:
        """The file has changed under our eyes, after the look: look again, until it stands still."""
        self._changes += 1
        try:
            if self._changes > MAX_LOOKS:
                raise Passing(KEEP_CHANGING)
            self.look_again(force=True)
            self.refresh()
            return self.find(key)
        finally:
            self._changes -= 1

    def must_be_settled(self) -> None:
        """Raises Unavailable while what is not found may yet be there."""
        self._settling.must_be_settled(self.file)

    def follow(self) -> None:
        """Watch the files that are in place now."""
        if self.watch.armed:
            paths = [self._folder.txt, self._folder.add, self._folder.index]
            self.watch.follow({self._folder.path, *(os.path.dirname(os.path.realpath(path)) for path in paths)}, paths)

    def load(self, txt: Identity | None, add: Identity | None) -> None:
        """Load what has changed; a look said `txt` and `add`.  Raises Unavailable."""
        self._in_force, self.loaded = False, NOTHING
        if txt is None:
            self._must_have_been_none(add)
        if not (self.journal.is_own_append(add) and self.file is not None and self.file.identity == txt):
            self.follow()  # an equal inode proves nothing: a file made anew may have it, and nobody watches that one
        try:
            self._load_journal(add)
            if txt is None:
                self._put(None)
            elif self.file is None or self.file.identity != txt or self.doubtful:
                self._put(UserFile.open(self._folder.txt, lines.fits))
        except FileNotFoundError:
            return  # replaced this instant: the next look tells
        except OSError as error:
            path = self._folder.add if str(error.filename) == self._folder.add else self._folder.txt
            raise files.trouble("read", path, error) from error
        self.loaded = (self.file.identity if self.file else None, self.journal.identity)
        self.doubtful = self._settling.doubt(self.file) is not None
        self.fresh = True

    def note_old_journals(self, notes: Notes) -> None:
        """Know of the journals lately swapped out."""
        self.old_journals = [(self._folder.old_journal(old.inode), old.length) for old in notes.old_journals]

    def forget_journal(self) -> None:
        """Give back the memory of the journal: the next question loads it anew."""
        self.journal.forget()
        self._in_force, self.loaded = False, NOTHING

    def close(self) -> None:
        """Close the files."""
        self.watch.disarm()
        self.journal.close()
        self._put(None)
        self._in_force, self.loaded = False, NOTHING

    def _must_have_been_none(self, add: Identity | None) -> None:
        """An empty folder may be a mount point without its mount, and must not bounce mail."""
        if self._served or is_gone(self._folder, self._lock):
            raise Unavailable(GONE)
        if add is None:
            raise NoBase("no user database, run nwauth init")

    def _put(self, file: UserFile | None) -> None:
        if self.file is not None:
            self.file.close()
        self.file = file
        if file is not None:
            self._served = True
            self._settling.saw(file.identity)
            file.adopt(self._folder.index)

    def _load_journal(self, add: Identity | None) -> None:
        before = self.journal.identity
        another = before is None or add is None or before.inode != add.inode
        noted = self._lock.read() if another else None
        self.journal.load(self._folder.add, add)
        after = self.journal.identity
        if before is not None and after is not None and before.inode == after.inode:
            cut = self.journal.shrank
        else:
            cut = self._another_is_cut(before, noted)
        if cut:
            self._settling.journal_was_cut()

    def _another_is_cut(self, before: Identity | None, noted: Notes | None) -> bool:
        """Whether the journal, another than before, lacks lines by a foreign hand; `noted` was read before it.

        A swap by a merge of ours is none: it is noted before it is done.
        """
        since, after = self._lock.read(), self.journal.identity
        noted = noted or since
        self.note_old_journals(since)
        if before is not None:
            return self.journal.shrank and (after is None or after.inode not in (since.swapped_in, noted.swapped_in))
        last = noted.journal  # so far our own lines reached when somebody last wrote one
        return last is not None and after is not None and last[0] == after.inode and after.size < last[1]
