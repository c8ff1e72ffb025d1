"""Making the index of a user file: in its place, by whoever holds the lock on what is in the making, or in memory."""

from __future__ import annotations

import fcntl
import os

from nwauth.errors import Unavailable
from nwauth.stores.textfile import files
from nwauth.stores.textfile.index import build
from nwauth.stores.textfile.userfile import UserFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.stores.textfile.lines import Fits


def make_index(path: str, *, index: str, making: str, model: str | None, fits: Fits, base: str | None = None) -> None:
    """Build the index of the user file at `path` and put it at `index`, unless another process is at it.

    `making` is where the file lies until it is whole, in the same folder; `model` is as for `files.create_like`, and
    `base` as for `files.open_below`.
    """
    fd = try_lock_file(making, model)
    if fd is None:
        return
    try:
        source = UserFile.open(path, fits, base=base)
        try:
            os.ftruncate(fd, 0)
            build(source.fd, source.identity, fd, fits)
        finally:
            source.close()
        os.rename(making, index)
    except BaseException:  # half an index takes room, which may be what lacks
        os.unlink(making)
        raise
    finally:
        os.close(fd)


def index_in_memory(path: str, target: int, *, fits: Fits, base: str | None = None) -> None:
    """Build the index of the user file at `path` on the descriptor `target`, for a folder that cannot be written."""
    source = UserFile.open(path, fits, base=base)
    try:
        build(source.fd, source.identity, target, fits)
    finally:
        source.close()


def lock_file(path: str, model: str | None) -> int:
    """Make or open the file at `path`, with the owner and mode of `model`, and wait until it is locked."""
    while True:
        fd = _open_or_make(path, model)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if _is_at(fd, path):
            return fd
        os.close(fd)


def try_lock_file(path: str, model: str | None) -> int | None:
    """Make or open the file at `path` and lock it; None while another holds it."""
    fd = _open_or_make(path, model)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if _is_at(fd, path):
        return fd
    os.close(fd)
    return None


def take_over(path: str, *, writable: bool) -> int | None:
    """Open and lock a file in the making whose maker is gone, who would hold the lock; None: it is at work, or done.

    Without `writable` the lock is one that needs no right to write, and that others may have too.  Raises OSError.
    """
    try:
        fd = files.open_own(path, os.O_RDWR if writable else os.O_RDONLY)  # a FIFO of this name would hold us for ever
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if writable else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        os.close(fd)
        raise
    return fd


def _open_or_make(path: str, model: str | None) -> int:
    while True:
        try:
            return files.open_own(path, os.O_RDWR)
        except FileNotFoundError:
            try:
                return files.create_like(path, model)
            except Unavailable as error:
                if not isinstance(error.__cause__, FileExistsError):
                    raise


def _is_at(fd: int, path: str) -> bool:
    """Whether the file on `fd` is still the one at `path`: the lock on another means nothing."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
