"""Merge: the journal folded into the user file, sorted by folded name (spec/stores.md section 1, "Merge")."""

from __future__ import annotations

import os
import time

from nwauth.errors import Unavailable
from nwauth.model import Record
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.append import end_last_line, open_journal, recover
from nwauth.stores.flatfile.journal import Journal
from nwauth.stores.flatfile.leavings import Leavings
from nwauth.stores.flatfile.ordered import current_lines, scratch
from nwauth.stores.flatfile.rewrite import NewFile, Overtaken, must_be_settled, must_stand, rewriting, rewriting_if_due
from nwauth.stores.flatfile.settling import GONE, identify_journal, is_gone
from nwauth.stores.flatfile.swap import gained_lines, must_be_free, swap_journal
from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of
from nwauth.stores.textfile.ordered import lines_of
from nwauth.stores.textfile.settling import UNENDED_SECONDS
from nwauth.stores.textfile.userfile import UserFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile
    from nwauth.stores.flatfile.settling import Settling
    from nwauth.stores.flatfile.together import Together


class Merged(Record):
    """What a merge did."""

    __slots__ = ("rejected", "users")

    def __init__(self, *, users: int, rejected: int) -> None:
        self.users: Final = users
        self.rejected: Final = rejected


def merge(
    folder: Folder, lock: LockFile, settling: Settling, *, complete: Callable[[str], bool], shared: bool
) -> Merged:
    """Fold the journal into the user file, sorted by folded name.

    Raises:
        Unavailable: the files keep changing, are unsettled, or cannot be written; nothing is lost.
    """
    return rewriting(folder, "merge", lambda: merge_once(folder, lock, settling, complete=complete, shared=shared))


def merge_if_due(
    folder: Folder,
    lock: LockFile,
    settling: Settling,
    due: Callable[[], bool],
    *,
    complete: Callable[[str], bool],
    shared: bool,
) -> None:
    """`merge`, unless another process is at it, or has done it a moment ago."""
    rewriting_if_due(folder, "merge", lambda: merge_once(folder, lock, settling, complete=complete, shared=shared), due)


def merge_once(
    folder: Folder,
    lock: LockFile,
    settling: Settling,
    *,
    complete: Callable[[str], bool],
    shared: bool,
    together: Together | None = None,
) -> Merged:
    """One try of a merge, by the only process that rewrites the folder; `together`: with these changes.

    Raises Overtaken, OSError, Unavailable.
    """
    _end_journal(folder, lock, complete)
    source = UserFile.open(folder.txt, lines.fits) if files.identify(folder.txt) is not None else None
    if source is None and is_gone(folder, lock):
        raise Unavailable(f"cannot merge: {GONE}")
    journal = Journal(complete)
    new = None
    try:
        if source is not None:
            source.adopt(folder.index)  # it tells whether the file is in order: then nothing need be sorted
        journal.load(folder.add, identify_journal(folder))
        must_be_settled(source, settling)
        if together is not None:
            together.must_not_touch(journal.lines)
        leavings = Leavings()
        new = NewFile(folder)
        new.fill(_merged_blocks(folder, source, journal, leavings, together))
        leavings.number(source)
        if journal.identity is not None:
            leavings.take_journal(folder, journal.read_bytes)
        with lock.taken() as notes:
            must_stand(folder, source, journal.identity)
            must_be_settled(source, settling)
            gained = gained_lines(folder, journal)
            if together is not None:
                together.must_not_touch(_names_in(gained))
            must_be_free(folder, journal)
            leavings.write(folder)
            if shared:
                notes.deletions += [key for key in map(lines.deleted_key, gained) if key]
            notes.merged_at = int(time.time())
            new.publish(lock, notes, source.identity if source else None)
            if journal.identity is not None:
                swap_journal(folder, lock, notes, journal.identity, taken=journal.read_bytes, gained=gained)
        return Merged(users=leavings.users, rejected=len(leavings.rejected))
    finally:
        journal.close()
        if source is not None:
            source.close()
        if new is not None:
            new.close()


def _end_journal(folder: Folder, lock: LockFile, complete: Callable[[str], bool]) -> None:
    """Mend a torn append; give a last line its end that has had none for long: a younger one may still be written."""
    with lock.taken() as notes:
        if recover(folder, notes):
            lock.save(notes)
        fd = open_journal(folder)
        if fd is None:
            return
        try:
            status = os.fstat(fd)
            if not status.st_size or os.pread(fd, 1, status.st_size - 1) == b"\n":
                return
            if abs(time.time() - status.st_mtime) < UNENDED_SECONDS:
                raise Overtaken
            end_last_line(fd, folder, complete)
        finally:
            os.close(fd)


def _merged_blocks(
    folder: Folder, source: UserFile | None, journal: Journal, leavings: Leavings, together: Together | None
) -> Iterable[bytes]:
    in_file: Iterable[bytes] = ()
    if source is not None:
        head = _leading_comments(source)
        yield head
        leavings.leading = head.count(b"\n")
        in_file = lines_of(source, scratch=lambda: scratch(folder), odd=leavings.odd)
    rows = current_lines(in_file, journal.lines, lost=leavings.lost)
    if together is not None:
        yield from together.over(rows, leavings)
        return
    for row in rows:
        leavings.users += 1
        yield row.rstrip(b"\r") + b"\n"


def _names_in(rows: list[bytes]) -> set[bytes]:
    """The folded names that journal lines speak of."""
    return {lines.deleted_key(row) or (key_of(row) if row and lines.fits(row) else b"") for row in rows}


def _leading_comments(source: UserFile) -> bytes:
    for _, chunk in files.line_chunks(source.fd, source.identity.size):
        at = 0
        while chunk[at : at + 1] == b"#":
            end = chunk.find(b"\n", at)
            at = len(chunk) if end < 0 else end + 1
        head = chunk[:at]
        return head if not head or head.endswith(b"\n") else head + b"\n"
    return b""
