"""`nwauth.lock`: one lock around every write, and one small record of notes between those who take it.

The record says what a crash may have left half done and what is known to be ours (spec/stores.md section 1).  It is
written by one `pwrite`, with its length and checksum; what cannot be read counts as empty: no user's line lives here
alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from zlib import crc32

from nwauth.errors import Unavailable
from nwauth.stores.flatfile import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.stores.flatfile.files import Identity

WAIT_SECONDS = 8.0  # below the server's 10: a request that waits longer is dropped unheard


class Notes:
    """The record: a few named lists of words.  Unknown names are kept, so that versions can differ.

    served                 nwauth.txt was served here before
    ours ID, prior ID      the nwauth.txt that we published, and the one in its place just before
    journal INODE END      where our last line in the journal ends
    append INODE OFFSET HEX    a line being appended
    merged TIME            when the last merge ended (seconds since 1970)
    old INODE LENGTH TIME  a journal swapped out, and how much of it was taken in (several)
    delete HEX             names whose lines must still leave nwauth.txt (several)
    """

    def __init__(self, words: dict[str, list[str]] | None = None) -> None:
        self.words: Final = {} if words is None else words

    @classmethod
    def decode(cls, raw: bytes) -> Notes:
        """The record in `raw`; empty if it is damaged."""
        head, _, rest = raw.partition(b"\n")
        try:
            magic, check, length = head.split(b" ")
            body = rest[: int(length)]
            if magic != b"nwauth-lock-1" or len(body) != int(length) or crc32(body) != int(check, 16):
                return cls()
            rows = [row.split(" ") for row in body.decode("ascii").splitlines()]
        except ValueError:
            return cls()
        words: dict[str, list[str]] = {}
        for name, *values in rows:
            words.setdefault(name, []).append(" ".join(values))
        return cls(words)

    def encode(self) -> bytes:
        """The bytes of the record."""
        rows = (f"{name} {value}".rstrip() for name, values in self.words.items() for value in values)
        body = "\n".join(rows).encode("ascii")
        return b"nwauth-lock-1 %08x %d\n" % (crc32(body), len(body)) + body

    def all(self, name: str) -> list[list[str]]:
        """The words of every `name`."""
        return [value.split(" ") for value in self.words.get(name, ())]

    def one(self, name: str) -> list[str] | None:
        """The words of `name`, or None."""
        rows = self.all(name)
        return rows[0] if rows else None

    def put(self, name: str, *values: object) -> None:
        """Set `name` to one row of words."""
        self.words[name] = [" ".join(map(str, values))]

    def add(self, name: str, *values: object) -> None:
        """Add a row of words to `name`."""
        self.words.setdefault(name, []).append(" ".join(map(str, values)))

    def drop(self, name: str, *values: object) -> None:
        """Forget `name`, or its one row."""
        row = " ".join(map(str, values))
        left = [value for value in self.words.get(name, ()) if values and value != row]
        if left:
            self.words[name] = left
        else:
            self.words.pop(name, None)

    def put_identity(self, name: str, identity: Identity) -> None:
        """Note a file's identity."""
        self.put(name, identity.inode, identity.size, identity.mtime_ns)

    def is_identity(self, name: str, identity: Identity) -> bool:
        """Whether `name` notes this identity (the device is left out: it may change with a reboot)."""
        return self.one(name) == [str(identity.inode), str(identity.size), str(identity.mtime_ns)]


class LockFile:
    """The file.  `notes` may be read by anybody at any time; they are changed only by who holds the lock."""

    def __init__(self, path: str, *, model: str) -> None:
        self._path = path
        self._model = model
        self._fd = -1
        self._raw = b""  # the record as it stands while the lock is held

    def read(self) -> Notes:
        """The notes as they stand, without the lock; empty where there is no such file or it cannot be read."""
        try:
            fd = files.open_own(self._path, os.O_RDONLY)
        except OSError:
            return Notes()
        try:
            return Notes.decode(os.pread(fd, os.fstat(fd).st_size, 0))
        except OSError:
            return Notes()
        finally:
            os.close(fd)

    def take(self, *, wait_seconds: float = WAIT_SECONDS) -> Notes:
        """Take the lock and return the notes.

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
                    return Notes.decode(self._raw)
            except OSError as error:
                self.close()
                raise files.trouble("read", self._path, error) from error
            self.close()  # somebody removed the file that we locked: the lock on it means nothing

    def save(self, notes: Notes) -> None:
        """Write the notes; only while the lock is held.  Raises Unavailable."""
        raw = notes.encode()
        try:
            whole = os.pwrite(self._fd, raw, 0) == len(raw)
            if not whole:  # half a record is none: what was noted before must stay, and it has its room
                os.pwrite(self._fd, self._raw, 0)
        except OSError as error:
            raise files.trouble("write", self._path, error) from error
        if not whole:
            raise Unavailable(f"cannot write {os.path.basename(self._path)}: {os.strerror(errno.ENOSPC)}")
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
                self._fd = files.open_own(self._path, os.O_RDWR)
            except FileNotFoundError:
                try:
                    self._fd = files.create_like(self._path, self._model)
                except Unavailable as error:
                    if isinstance(error.__cause__, FileExistsError):
                        return self._open()
                    raise
            except OSError as error:
                raise files.trouble("open", self._path, error) from error
        return self._fd

    def _is_the_one(self, fd: int) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        mine = os.fstat(fd)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
