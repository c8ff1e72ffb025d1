"""Making a new user file, and its index, in the place of the old ones.

Nothing here is done inside a request, and nothing that grows with the number of users is done under the lock.
"""

from __future__ import annotations

import fcntl
import os
import time

from nwauth.errors import Unavailable
from nwauth.stores.flatfile.lines import fits
from nwauth.stores.flatfile.settling import identify_journal
from nwauth.stores.textfile import files, making
from nwauth.stores.textfile.files import mark_of
from nwauth.stores.textfile.growing import Growing
from nwauth.stores.textfile.userfile import SMALL_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile, Notes
    from nwauth.stores.flatfile.settling import Settling
    from nwauth.stores.textfile.files import Identity
    from nwauth.stores.textfile.userfile import UserFile

    Result = TypeVar("Result")

ATTEMPTS = 5
WRITE_BYTES = 1 << 20


class Overtaken(Exception):
    """The files have changed under the work."""


class NewFile:
    """A user file in the making, with its index; published over the old one or removed."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._target = os.path.realpath(folder.txt)
        self._path = folder.temporary(self._target)
        self._index_path = ""
        self._fd = files.create_like(self._path, folder.txt)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def fill(self, blocks: Iterable[bytes]) -> None:
        """Write the content, durably, and its index (a small file needs none)."""
        growing = Growing(self._fd, self._create_index, fits)
        try:
            size = 0
            for data in _joined(blocks):
                files.write_all(self._fd, data)
                size += len(data)
                growing.written(size)
            os.fsync(self._fd)
            if size > SMALL_BYTES:
                growing.end(size)
        finally:
            growing.close()

    def _create_index(self) -> int:
        if self._index_path:
            os.unlink(self._index_path)
        self._index_path = self._folder.temporary(self._folder.index)
        return files.create_like(self._index_path, self._folder.txt)

    def publish(self, lock: LockFile, notes: Notes, old: Identity | None) -> None:
        """Put file and index in their places; the lock is held.  That the file is ours is noted first."""
        new = files.identity_of(os.fstat(self._fd))
        notes.ours, notes.held = mark_of(new), new.size > 0
        if old is not None:
            notes.prior = mark_of(old)
        lock.save(notes)
        if self._index_path:
            os.rename(self._index_path, self._folder.index)
        os.rename(self._path, self._target)
        files.sync_folder(os.path.dirname(self._target))

    def close(self) -> None:
        """Remove what was not published."""
        os.close(self._fd)
        for path in (self._path, self._index_path):
            if path and os.path.exists(path):
                os.unlink(path)


def _joined(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, about a MiB at a time."""
    buffer: list[bytes] = []
    size = 0
    for block in blocks:
        buffer.append(block)
        size += len(block)
        if size > WRITE_BYTES:
            yield b"".join(buffer)
            buffer, size = [], 0
    yield b"".join(buffer)


def rewriting(folder: Folder, doing: str, once: Callable[[], Result]) -> Result:
    """Do `once`, again while others overtake it, as the only process that rewrites this folder.

    Raises:
        Unavailable: it cannot be done now.
    """
    guard = making.lock_file(folder.rewriting, folder.txt)
    try:
        return _tried(folder, doing, once)
    finally:
        os.unlink(folder.rewriting)
        os.close(guard)


def rewriting_if_due(folder: Folder, doing: str, once: Callable[[], Result], due: Callable[[], bool]) -> None:
    """The same, but nothing while another process is at it, nor when it turns out to be due no more."""
    guard = making.try_lock_file(folder.rewriting, folder.txt)
    if guard is None:
        return
    try:
        if due():
            _tried(folder, doing, once)
    finally:
        os.unlink(folder.rewriting)
        os.close(guard)


def _tried(folder: Folder, doing: str, once: Callable[[], Result]) -> Result:
    _remove_leftovers(folder)
    for attempt in range(ATTEMPTS):
        try:
            return once()
        except Overtaken:
            time.sleep(0.02 * (attempt + 1))
        except OSError as error:
            where = os.path.basename(str(error.filename or folder.txt))
            raise Unavailable(f"cannot {doing}: {where}: {error.strerror}") from error
    raise Unavailable(f"cannot {doing}: the user files keep being changed by others, try again")


def clear_leftovers(folder: Folder) -> int:
    """Remove the files that a rewriting or an indexing has left whose process is gone; how many that were.

    Raises:
        Unavailable: another process is rewriting the folder: whether its files are left behind cannot be told.
        OSError: the folder cannot be looked into, or written.
    """
    was_there = os.path.lexists(folder.rewriting)
    guard = making.try_lock_file(folder.rewriting, folder.txt)
    if guard is None:
        raise Unavailable("another process is rewriting nwauth.txt, try again")
    try:
        removed = _remove_leftovers(folder) + _remove_dead(folder.indexing)
    finally:
        os.unlink(folder.rewriting)
        os.close(guard)
    return removed + was_there


def _remove_leftovers(folder: Folder) -> int:
    """Remove the files in the making that nobody has locked: their makers are dead.  How many that were."""
    return sum(_remove_dead(path) for path in folder.leftovers() if path not in (folder.rewriting, folder.indexing))


def _remove_dead(path: str) -> bool:
    """Remove a file in the making unless somebody holds the lock on it; whether it was removed."""
    try:
        fd = making.take_over(path, writable=True)
    except OSError:
        return False
    if fd is None:
        return False
    try:
        if not os.path.samestat(os.fstat(fd), os.lstat(path)):  # the lock is on one that has gone already
            return False
        os.unlink(path)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def must_stand(folder: Folder, source: UserFile | None, journal: Identity | None) -> None:
    """Raise Overtaken if the files are no longer those that were read."""
    txt, add = files.identify(folder.txt), identify_journal(folder)
    if txt != (source.identity if source else None) or (add and add.inode) != (journal and journal.inode):
        raise Overtaken


def must_be_settled(source: UserFile | None, settling: Settling) -> None:
    """Raise Unavailable while a foreign program may be writing the user file, or has emptied it."""
    try:
        settling.must_be_settled(source)
    except Unavailable as error:
        raise type(error)(f"cannot rewrite nwauth.txt now: {error}", public=error.public) from None
