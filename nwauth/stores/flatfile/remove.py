"""Deletions that other programs must see: the user file without the lines of the deleted, every other byte kept."""

from __future__ import annotations

from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.append import mark_deleted
from nwauth.stores.flatfile.journal import Journal
from nwauth.stores.flatfile.rewrite import NewFile, must_be_settled, must_stand, rewriting
from nwauth.stores.flatfile.settling import identify_journal
from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of
from nwauth.stores.textfile.userfile import UserFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile
    from nwauth.stores.flatfile.settling import Settling


def remove_deleted(folder: Folder, lock: LockFile, settling: Settling) -> None:
    """Take the lines of the names noted for deletion out of the user file; every other byte stays.

    Raises:
        Unavailable: it cannot be done now; the names stay noted, and the next who takes the lock tries again.
    """
    rewriting(folder, "delete from nwauth.txt", lambda: _remove_once(folder, lock, settling))


def _remove_once(folder: Folder, lock: LockFile, settling: Settling) -> None:
    keys = _names_to_remove(folder, lock)
    if not keys or files.identify(folder.txt) is None:
        return
    source = UserFile.open(folder.txt, lines.fits)
    new = None
    try:
        must_be_settled(source, settling)
        new = NewFile(folder)
        new.fill(_blocks_without(source, keys))
        with lock.taken() as notes:
            must_stand(folder, source, identify_journal(folder))
            must_be_settled(source, settling)
            new.publish(lock, notes, source.identity)
            notes.deletions = [key for key in notes.deletions if key not in keys]
            lock.save(notes)
    finally:
        source.close()
        if new is not None:
            new.close()


def _names_to_remove(folder: Folder, lock: LockFile) -> set[bytes]:
    """The names noted for deletion that are deleted still; their lines in the journal are marked, if they were not yet.

    A name that has another line in the journal by now, or none because of a merge, is not ours to remove any more.
    """
    with lock.taken() as notes:
        noted = set(notes.deletions)
        if not noted:
            return set()
        journal = Journal(lambda _field: False)
        journal.load(folder.add, identify_journal(folder))
        journal.close()
        deleted = {key for key in noted if journal.lines.get(key, b"") is None}
        for key in deleted:
            mark_deleted(folder, key)
        notes.deletions = sorted(deleted)
        lock.save(notes)
        return deleted


def _blocks_without(source: UserFile, keys: set[bytes]) -> Iterable[bytes]:
    for _, chunk in files.line_chunks(source.fd, source.identity.size):
        folded = chunk.lower()
        if chunk.isascii() and not any(key + b":" in folded for key in keys):
            yield chunk
            continue
        rows = [row + b"\n" for row in chunk.split(b"\n")]
        rows[-1] = rows[-1][:-1]  # nothing, or a last line without an end
        yield b"".join(row for row in rows if not (row and lines.fits(row) and key_of(row) in keys))
