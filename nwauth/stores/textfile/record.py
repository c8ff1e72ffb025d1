"""A file that is one lock around every change, and holds one small record of notes between those who take it.

The record is written by one `pwrite`, with its length and checksum; what cannot be read counts as empty: no user's line
lives here alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from zlib import crc32

from nwauth.errors import Unavailable
from nwauth.stores.textfile import files

MAGIC = b"nwauth-lock-1"
WAIT_SECONDS = 8.0  # below the server's 10: a request that waits longer is dropped unheard


def packed(rows: list[str]) -> bytes:
    """The bytes of a record of these rows."""
    body = "\n".join(rows).encode("ascii")
    return b"%s %08x %d\n" % (MAGIC, crc32(body), len(body)) + body


def unpacked(raw: bytes) -> list[str]:
    """The rows of the record in `raw`; none if it is damaged."""
    head, _, rest = raw.partition(b"\n")
    try:
        magic, check, length = head.split(b" ")
        body = rest[: int(length)]
        if magic != MAGIC or len(body) != int(length) or crc32(body) != int(check, 16):
            return []
        return body.decode("ascii").splitlines()
    except ValueError:
        return []


class RecordFile:
    """The file.  The record may be read by anybody at any time; it is changed only by who holds the lock."""

    def __init__(self, path: str, *, model: str | int | None, at: int | None = None) -> None:
        self._path = path
        self._model = model
        self._at = at  # as for `files.open_own`
        self._fd = -1
        self._raw = b""  # the record as it stands while the lock is held

    def read(self) -> list[str]:
        """The rows as they stand, without the lock; none where there is no such file or it cannot be read."""
        try:
            fd = files.open_own(self._path, os.O_RDONLY, at=self._at)
        except OSError:
            return []
        try:
            return unpacked(os.pread(fd, os.fstat(fd).st_size, 0))
        except OSError:
            return []
        finally:
            os.close(fd)

    def take(self, *, wait_seconds: float = WAIT_SECONDS) -> list[str]:
        """Take the lock and return the rows.

        Raises:
            Unavailable: the file cannot be made or opened, or others hold the lock for `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        pause = 0.001
        while True:
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"the user files are locked by another process for {wait_seconds:g} s") from None
                time.sleep(pause)
                pause = min(pause * 2, 0.02)
                continue
            except OSError as error:
                raise files.trouble("lock", self._path, error) from error
            try:
                if self._is_the_one(fd):
                    self._raw = os.pread(fd, os.fstat(fd).st_size, 0)
                    return unpacked(self._raw)
            except OSError as error:
                self.close()
                raise files.trouble("read", self._path, error) from error
            self.close()  # somebody removed the file that we locked: the lock on it means nothing

    def save(self, raw: bytes) -> None:
        """Write a record, `packed`; only while the lock is held.  Raises Unavailable."""
        try:
            whole = os.pwrite(self._fd, raw, 0) == len(raw)
            if not whole:  # half a record is none: what was noted before must stay, and it has its room
                os.pwrite(self._fd, self._raw, 0)
        except OSError as error:
            raise files.trouble("write", self._path, error) from error
        if not whole:
            raise files.trouble("write", self._path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._raw = raw

    def release(self) -> None:
        """Let others have the lock."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; the lock goes with it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        if self._fd < 0:
            try:
                self._fd = files.open_own(self._path, os.O_RDWR, at=self._at)
            except FileNotFoundError:
                try:
                    where = {} if self._at is None else {"at": self._at}
                    self._fd = files.create_like(self._path, self._model, **where)
                except Unavailable as error:
                    if isinstance(error.__cause__, FileExistsError):
                        return self._open()
                    raise
            except OSError as error:
                raise files.trouble("open", self._path, error) from error
        return self._fd

    def _is_the_one(self, fd: int) -> bool:
        try:
            there = os.stat(files.named(self._path, self._at), dir_fd=self._at)
        except FileNotFoundError:
            return False
        mine = os.fstat(fd)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
