"""Deletions that other programs must see: the user file without the lines of the deleted, every other byte kept."""

from __future__ import annotations

from nwauth.stores.flatfile import files, lines
from nwauth.stores.flatfile.append import mark_deleted
from nwauth.stores.flatfile.rewrite import NewFile, must_be_settled, must_stand, rewriting
from nwauth.stores.flatfile.userfile import UserFile

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
    rows = lock.read().all("delete")
    keys = {bytes.fromhex(row[0]) for row in rows}
    if not keys:
        return
    _mark_in_journal(folder, lock, keys)
    if files.identify(folder.txt) is None:
        return
    source = UserFile.open(folder.txt)
    new = None
    try:
        must_be_settled(source, settling)
        new = NewFile(folder)
        new.fill(_blocks_without(source, keys))
        notes = lock.take()
        try:
            must_stand(folder, source, files.identify(folder.add))
            must_be_settled(source, settling)
            new.publish(lock, notes, source.identity)
            for row in rows:
                notes.drop("delete", *row)
            lock.save(notes)
        finally:
            lock.release()
    finally:
        source.close()
        if new is not None:
            new.close()


def _mark_in_journal(folder: Folder, lock: LockFile, keys: set[bytes]) -> None:
    """The marks of a deletion may be missing: its process may have been killed before them."""
    lock.take()
    try:
        for key in keys:
            mark_deleted(folder, key)
    finally:
        lock.release()


def _blocks_without(source: UserFile, keys: set[bytes]) -> Iterable[bytes]:
    for _, chunk in files.line_chunks(source.fd, source.identity.size):
        folded = chunk.lower()
        if chunk.isascii() and not any(key + b":" in folded for key in keys):
            yield chunk
            continue
        rows = [row + b"\n" for row in chunk.split(b"\n")]
        rows[-1] = rows[-1][:-1]  # nothing, or a last line without an end
        yield b"".join(row for row in rows if not (row and lines.fits(row) and lines.key_of(row) in keys))
