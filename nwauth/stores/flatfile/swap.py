"""Putting a new journal in the place of the old one, under the hands of foreign writers (spec/stores.md section 1).

The old one stays reachable for a while: a writer that still holds it open may add lines to it.
"""

from __future__ import annotations

import os
import time

from nwauth.errors import Unavailable
from nwauth.stores.flatfile import append, lines
from nwauth.stores.flatfile.notes import OldJournal
from nwauth.stores.flatfile.rewrite import Overtaken
from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.journal import Journal
    from nwauth.stores.flatfile.notes import LockFile, Notes
    from nwauth.stores.textfile.files import Identity

OLD_JOURNAL_SECONDS = 60.0  # so long may a foreign writer go on holding a journal that was swapped out


def gained_lines(folder: Folder, journal: Journal) -> list[bytes]:
    """The whole lines that the journal has gained since it was read; Overtaken while one is being written."""
    if journal.identity is None:
        return []
    fd = files.open_own(folder.add, os.O_RDONLY, links=True)
    try:
        raw = b"".join(chunk for _, chunk in files.line_chunks(fd, os.fstat(fd).st_size, start=journal.read_bytes))
    finally:
        os.close(fd)
    if (raw and raw[-1:] != b"\n") or not journal.stands():
        raise Overtaken
    journal.read_bytes += len(raw)
    return raw.split(b"\n")[:-1]


def must_be_free(folder: Folder, journal: Journal) -> None:
    """Raises Unavailable where another's file has the name that the old journal will be kept under."""
    if journal.identity is None:
        return
    link = folder.old_journal(journal.identity.inode)
    if os.path.lexists(link) and not os.path.samestat(os.lstat(link), os.stat(folder.add)):
        raise Unavailable(f"cannot merge: {os.path.basename(link)} is in the way, move it elsewhere")


def swap_journal(
    folder: Folder, lock: LockFile, notes: Notes, old: Identity, *, taken: int, gained: list[bytes]
) -> None:
    """Put a new journal, holding the lines `gained`, in the place of the `old` one, of which `taken` bytes are used.

    The old one stays reachable for a while.  Raises OSError, Unavailable.
    """
    target = os.path.realpath(folder.add)
    path = append.make(folder, gained)
    try:
        notes.swapped_in = os.stat(path).st_ino
        notes.old_journals.append(OldJournal(old.inode, taken, int(time.time())))
        lock.save(notes)
        try:
            os.link(target, folder.old_journal(old.inode))
        except FileExistsError:  # left by an unfinished swap of the same journal
            pass
        os.rename(path, target)
    except BaseException:
        if os.path.exists(path):
            os.unlink(path)
        raise
    files.sync_folder(os.path.dirname(target))


def care_for_old_journals(
    folder: Folder, lock: LockFile, notes: Notes, *, complete: Callable[[str], bool], newer: Callable[[], set[bytes]]
) -> None:
    """Bring over what foreign writers have added to journals since they were swapped out; the lock is held.

    `newer` gives the names that the journal in place has a line for: those stand.  Raises OSError, Unavailable.
    """
    for old in list(notes.old_journals):
        left = _care_for(old, folder, lock, notes, complete=complete, newer=newer)
        at = notes.old_journals.index(old)
        notes.old_journals[at : at + 1] = [] if left is None else [left]
    lock.save(notes)


def _care_for(
    old: OldJournal,
    folder: Folder,
    lock: LockFile,
    notes: Notes,
    *,
    complete: Callable[[str], bool],
    newer: Callable[[], set[bytes]],
) -> OldJournal | None:
    """The same for one of them; what is to be noted of it from now on."""
    path = folder.old_journal(old.inode)
    expired = not 0 <= time.time() - old.swapped_at < OLD_JOURNAL_SECONDS
    try:
        fd = files.open_own(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if os.fstat(fd).st_ino != old.inode:  # another program's file, under a name that we would have given
            return None
        unfinished = os.path.samestat(os.fstat(fd), os.stat(folder.add))  # the swap: the journal is still in its place
        raw = b"" if unfinished else os.pread(fd, max(0, os.fstat(fd).st_size - old.length), old.length)
    finally:
        os.close(fd)
    whole = raw[: raw.rfind(b"\n") + 1]
    rows = whole.split(b"\n")[:-1]
    if expired and lines.is_whole(raw[len(whole) :], complete):
        rows.append(raw[len(whole) :])
    names = newer() if rows else set()
    for line in rows:
        key = key_of(line) if line and lines.fits(line) else lines.deleted_key(line)
        if line and key not in names:
            append.append(folder, lock, notes, [line], complete)
    if expired or unfinished:
        os.unlink(path)
        return None
    return OldJournal(old.inode, old.length + len(whole), old.swapped_at)
