"""The lock around the changes of one file, and the new file in the place of the old.

Beside the file ``users`` lie ``.users.nwauth``, the lock, with a note of the states that we have published, and, while
a change is made, ``.users.nwauth-new``.  Other programs' locks are respected: that of lckpwdf (vipw, useradd, passwd)
where the folder has a ``.pwd.lock``, and a ``users.lock``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from nwauth.errors import Unavailable
from nwauth.stores.textfile import files
from nwauth.stores.textfile.record import WAIT_SECONDS, RecordFile, packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from nwauth.stores.textfile.files import Identity
    from nwauth.stores.textfile.userfile import UserFile

    Edit = tuple[int, int, bytes]  # where, how many bytes are taken out there, and what comes in their place

COPY_BYTES = 64 << 20


class Overtaken(Exception):
    """The file has changed under the work."""


def _beside(path: str, ending: str) -> str:
    real = os.path.realpath(path)
    return f"{os.path.dirname(real)}/.{os.path.basename(real)}{ending}"


class Notes:
    """What is noted of the file at `path`: the state that we published last, and the one that was in its place."""

    def __init__(self, path: str) -> None:
        self._path: Final = path

    def is_ours(self, identity: Identity) -> bool:
        """Whether we have published this state, or had it before us when we published the next."""
        row = _row("", identity)
        return any(noted.partition(" ")[2] == row[1:] for noted in self.lock().read())

    def lock(self) -> RecordFile:
        """The file of the lock and the notes; a link is followed each time, as it may lead elsewhere by now."""
        return RecordFile(_beside(self._path, ".nwauth"), model=os.path.realpath(self._path))


def _row(word: str, identity: Identity) -> str:
    return " ".join([word, *map(str, files.mark_of(identity))])


class Change:
    """One change of the file at `path`, by the only process that makes one: between `take` and `release`."""

    def __init__(self, path: str) -> None:
        self._path: Final = os.path.realpath(path)
        self._lock: Final = Notes(path).lock()
        self._foreign_fd = -1

    def take(self, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Take the lock, and what other programs lock by.

        Raises:
            Unavailable: it cannot be made, or others hold one for `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        self._lock.take(wait_seconds=wait_seconds)
        try:
            self._take_foreign(deadline)
        except BaseException:
            self.release()
            raise

    def _take_foreign(self, deadline: float) -> None:
        """The lock of lckpwdf is one of fcntl on ``.pwd.lock``; others make a file for as long as they work."""
        pwd, other = f"{os.path.dirname(self._path)}/.pwd.lock", f"{self._path}.lock"
        pause = 0.001
        while True:
            if self._has_pwd_lock(pwd):
                if not os.path.lexists(other):
                    return
                holder = other
            else:
                holder = pwd
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{os.path.basename(self._path)} is being edited: another program holds {holder} (remove a file"
                    " .lock that nobody holds any more)",
                    public="the passwd file is locked by another program",
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _has_pwd_lock(self, path: str) -> bool:
        """Whether lckpwdf's lock is ours, or there is none here."""
        if self._foreign_fd >= 0:
            return True
        try:
            self._foreign_fd = files.open_own(path, os.O_RDWR)
            fcntl.lockf(self._foreign_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except OSError as error:
            self._drop_pwd_lock()
            if error.errno in (errno.EAGAIN, errno.EACCES) and os.access(path, os.W_OK):
                return False
            raise files.trouble("lock", path, error) from error
        return True

    def _drop_pwd_lock(self) -> None:
        if self._foreign_fd >= 0:
            os.close(self._foreign_fd)
            self._foreign_fd = -1

    def release(self) -> None:
        """Let others have the lock."""
        self._drop_pwd_lock()
        self._lock.close()

    def publish(self, source: UserFile, edits: Iterable[Edit], added: bytes = b"") -> None:
        """Put a copy of `source` in its place, durably, with these edits (in order), and `added` at its end.

        Raises:
            Overtaken: another program has changed the file meanwhile.
            Unavailable: it cannot be written; it is as it was.
        """
        new = _beside(self._path, ".nwauth-new")
        try:
            if os.path.lexists(new):
                os.unlink(new)  # of one who died: the lock is ours
            fd = files.create_like(new, self._path)
            try:
                self._fill(fd, source, edits, added)
                os.fsync(fd)
                self._note(files.identity_of(os.fstat(fd)), source.identity)
                self._must_stand(source)
                os.rename(new, self._path)
            except BaseException:
                os.unlink(new)
                raise
            finally:
                os.close(fd)
            files.sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise files.trouble("write", self._path, error) from error

    def _must_stand(self, source: UserFile) -> None:
        """Raise Overtaken if the file is no longer the one that was read."""
        if files.identify(self._path) != source.identity or not source.stands():
            raise Overtaken

    def _fill(self, fd: int, source: UserFile, edits: Iterable[Edit], added: bytes) -> None:
        at = 0
        for offset, length, data in edits:
            _copy(source.fd, fd, at, offset)
            files.write_all(fd, data)
            at = offset + length
        _copy(source.fd, fd, at, source.identity.size)
        files.write_all(fd, added)

    def _note(self, new: Identity, old: Identity) -> None:
        self._lock.save(packed([_row("ours", new), _row("prior", old)]))


def _copy(source: int, target: int, start: int, end: int) -> None:
    """Append the bytes from `start` to `end` of one file to another.  Raises OSError, Overtaken."""
    while start < end:
        try:
            copied = os.sendfile(target, source, start, min(COPY_BYTES, end - start))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
            block = os.pread(source, min(files.CHUNK_BYTES, end - start), start)
            files.write_all(target, block)
            copied = len(block)
        if not copied:  # it has been cut
            raise Overtaken
        start += copied
