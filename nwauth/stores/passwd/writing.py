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
MAX_LOOKS = 8


class Overtaken(Exception):
    """The file has changed under the work."""


def _hidden(path: str) -> str:
    """How the names begin of what lies beside a file."""
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}"


class Notes:
    """What is noted of the file at `path`: the state that we published last, and the one that was in its place."""

    def __init__(self, path: str) -> None:
        self._path: Final = path

    def is_ours(self, identity: Identity) -> bool:
        """Whether we have published this state, or had it before us when we published the next."""
        row = _row("", identity)
        try:
            real = os.path.realpath(self._path)  # each time: a link may lead elsewhere by now
        except OSError:
            return False
        file = RecordFile(f"{_hidden(real)}.nwauth", model=None)
        return any(noted.partition(" ")[2] == row[1:] for noted in file.read())


def _row(word: str, identity: Identity) -> str:
    return " ".join([word, *map(str, files.mark_of(identity))])


class Change:
    """One change of the file at `path`, by the only process that makes one: between `take` and `release`.

    All is done in the folder that the file was found in, which is held open: who owns a folder on the way can lay a
    link there at any instant, and it must not be done elsewhere then.  `base` is as for `files.open_below`.
    """

    def __init__(self, path: str, *, base: str | None = None) -> None:
        self._asked: Final = path
        self._base: Final = base
        self._path = path  # links resolved
        self._folder: int | None = None
        self._lock: RecordFile | None = None
        self._foreign_fd = -1

    def take(self, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Take the lock, and what other programs lock by.

        Raises:
            Unavailable: it cannot be made, or others hold one for `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        try:
            fd = self._enter()
            try:
                self._lock = RecordFile(f"{_hidden(self._path)}.nwauth", model=fd, at=self._folder)
                self._lock.take(wait_seconds=wait_seconds)
            finally:
                os.close(fd)
            self._take_foreign(deadline)
        except BaseException:
            self.release()
            raise

    def _enter(self) -> int:
        """Open the file, and the folder that it lies in, for as long as this takes; the file's descriptor.

        Raises Unavailable.
        """
        for _ in range(MAX_LOOKS):
            try:
                fd = files.open_below(self._asked, os.O_RDONLY, base=self._base, links=True)
            except FileNotFoundError:
                raise Unavailable(
                    f"no file {self._asked}, was it moved or unmounted?", public="a passwd file is not there"
                ) from None
            except OSError as error:
                raise files.trouble("read", self._asked, error) from error
            try:
                if self._holds_folder_of(fd):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise Unavailable(f"{self._asked} keeps being replaced by others, try again")

    def _holds_folder_of(self, fd: int) -> bool:
        """Hold the folder open that the path leads to; whether it is that of the file on `fd`.  Raises Unavailable."""
        self._leave()
        try:
            self._path = os.path.realpath(self._asked)
            self._folder = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            there = os.stat(os.path.basename(self._path), dir_fd=self._folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL):  # replaced this instant
                return False
            raise files.trouble("open the folder of", self._asked, error) from error
        return os.path.samestat(there, os.fstat(fd))

    def _leave(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def _take_foreign(self, deadline: float) -> None:
        """The lock of lckpwdf is one of fcntl on ``.pwd.lock``; others make a file for as long as they work."""
        pwd, other = f"{os.path.dirname(self._path)}/.pwd.lock", f"{self._path}.lock"
        pause = 0.001
        while True:
            if self._has_pwd_lock(pwd):
                if not self._is_there(other):
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

    def _is_there(self, path: str) -> bool:
        try:
            os.lstat(files.named(path, self._folder), dir_fd=self._folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise files.trouble("look at", path, error) from error
        return True

    def _has_pwd_lock(self, path: str) -> bool:
        """Whether lckpwdf's lock is ours, or there is none here."""
        if self._foreign_fd >= 0:
            return True
        try:
            self._foreign_fd = files.open_own(path, os.O_RDWR, at=self._folder)
            fcntl.lockf(self._foreign_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except OSError as error:
            self._drop_pwd_lock()
            if error.errno in (errno.EAGAIN, errno.EACCES) and os.access(
                files.named(path, self._folder), os.W_OK, dir_fd=self._folder
            ):
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
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._leave()

    def publish(self, source: UserFile, edits: Iterable[Edit], added: bytes = b"") -> None:
        """Put a copy of `source` in its place, durably, with these edits (in order), and `added` at its end.

        Raises:
            Overtaken: another program has changed the file meanwhile.
            Unavailable: it cannot be written; it is as it was.
        """
        new, folder = f"{_hidden(self._path)}.nwauth-new", self._folder
        if folder is None or self._lock is None:
            raise AssertionError("published without the lock")
        new_name, name = files.named(new, folder), files.named(self._path, folder)
        try:
            if self._is_there(new):
                os.unlink(new_name, dir_fd=folder)  # of one who died: the lock is ours
            fd = files.create_like(new, source.fd, at=folder)
            try:
                self._fill(fd, source, edits, added)
                os.fsync(fd)
                self._lock.save(_note(files.identity_of(os.fstat(fd)), source.identity))
                self._must_stand(source)
                os.rename(new_name, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(new_name, dir_fd=folder)
                raise
            finally:
                os.close(fd)
            os.fsync(folder)
        except OSError as error:
            raise files.trouble("write", self._path, error) from error

    def _must_stand(self, source: UserFile) -> None:
        """Raise Overtaken if the file is no longer the one that was read."""
        if files.identify(self._path, at=self._folder) != source.identity or not source.stands():
            raise Overtaken

    def _fill(self, fd: int, source: UserFile, edits: Iterable[Edit], added: bytes) -> None:
        at = 0
        for offset, length, data in edits:
            _copy(source.fd, fd, at, offset)
            files.write_all(fd, data)
            at = offset + length
        _copy(source.fd, fd, at, source.identity.size)
        files.write_all(fd, added)


def _note(new: Identity, old: Identity) -> bytes:
    """The record that says which state we publish, and which one was in its place."""
    return packed([_row("ours", new), _row("prior", old)])


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
