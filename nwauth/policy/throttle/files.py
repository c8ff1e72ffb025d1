"""Private files that all copies of the program share: made whole or not at all, never through a stranger's link."""

from __future__ import annotations

import fcntl
import os
import stat
from time import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final

    Identity = tuple[int, int]

LOGS = ("-wal", "-shm")  # of SQLite
JOURNAL = "-journal"  # never ours: SQLite would undo what it holds, and remove the file that it names at its end
NEW = ".new"
TRIES = 10
TRY_SECONDS = 0.005


def is_root() -> bool:
    """Whether who owns the folder could lead us where that account cannot go by itself."""
    return os.geteuid() == 0


def identity(status: os.stat_result) -> Identity:
    """By what a file is told from one that takes its place."""
    return status.st_dev, status.st_ino


def looked_at(path: str) -> os.stat_result:
    """The status of a file that may be opened: a plain one, which for root is no link and the folder owner's.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is something else.
    """
    root = is_root()
    status = os.lstat(path) if root else os.stat(path)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(f"{path} is a link, which root does not follow: remove it")
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no plain file"
        raise OSError(f"{path} is {kind}: remove it, and it is made anew")
    if root and status.st_nlink > 1:
        raise OSError(f"{path} has another name elsewhere, which root does not trust: remove it")
    if root and status.st_uid not in (0, os.stat(os.path.dirname(path) or ".").st_uid):
        raise OSError(f"{path} belongs to neither root nor the owner of its folder: remove it")
    return status


def look_beside(path: str) -> None:
    """That beside the database lie logs as we make them, and no journal.

    A FIFO would hold SQLite for ever.

    Raises:
        OSError: something else lies there.
    """
    for end in LOGS:
        try:
            looked_at(path + end)
        except FileNotFoundError:
            continue
    if os.path.lexists(path + JOURNAL):
        raise OSError(f"{path}{JOURNAL} is none of ours, which keep no such journal: remove it")


class FolderLock:
    """Held by who makes a file, so that others find it made; they wait, but not long."""

    def __init__(self, folder: str) -> None:
        self._descriptor: Final = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> None:
        try:
            self._take()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _take(self) -> None:
        for _ in range(TRIES):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sleep(TRY_SECONDS)
            else:
                return
        raise OSError("another program keeps the folder locked, in which it is to be made")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def put(path: str, content: bytes) -> None:
    """Put a new file in the place of `path`, with mode 0600 and, by root, for the owner of its folder.

    Whoever must not destroy a fresh one looks, under the `FolderLock`, what is there.  Raises OSError.
    """
    new = _written(path, content)
    try:
        os.rename(new, path)
    except BaseException:
        _remove(new)
        raise


def _written(path: str, content: bytes) -> str:
    """A file of that content beside `path`, under a name of this process.  Raises OSError."""
    new = f"{path}{NEW}.{os.getpid()}"
    _remove(new)  # of a process that died here, and had our number
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(new, flags, 0o600)
    try:
        if is_root():
            _give_away(descriptor, os.path.dirname(path) or ".")
        _write(descriptor, content)
    except BaseException:
        _remove(new)
        raise
    finally:
        os.close(descriptor)
    return new


def _write(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content)
    if written < len(content):
        raise OSError(f"only {written} of {len(content)} bytes could be written")


def _give_away(descriptor: int, folder: str) -> None:
    owner = os.stat(folder)
    try:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except OSError:  # a file system without owners
        return


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
