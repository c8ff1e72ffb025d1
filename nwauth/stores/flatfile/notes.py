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
from nwauth.model import Record
from nwauth.stores.flatfile import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.stores.flatfile.files import Identity

    Mark = tuple[int, int, int]  # inode, size, mtime in nanoseconds

MAGIC = b"nwauth-lock-1"
WAIT_SECONDS = 8.0  # below the server's 10: a request that waits longer is dropped unheard


class OldJournal(Record):
    """A journal that a merge has swapped out: so much of it was taken in, at that time (seconds since 1970)."""

    __slots__ = ("inode", "length", "swapped_at")

    def __init__(self, inode: int, length: int, swapped_at: int) -> None:
        self.inode: Final = inode
        self.length: Final = length
        self.swapped_at: Final = swapped_at


class Append(Record):
    """A line that is being appended to the journal, at that offset."""

    __slots__ = ("data", "inode", "offset")

    def __init__(self, inode: int, offset: int, data: bytes) -> None:
        self.inode: Final = inode
        self.offset: Final = offset
        self.data: Final = data


class Notes:
    """The record.  Rows that another version has written are kept as they are."""

    def __init__(self) -> None:
        self.served = False  # nwauth.txt was served here before
        self.ours: Mark | None = None  # the nwauth.txt that we published last ...
        self.prior: Mark | None = None  # ... and the one that was in its place
        self.journal: tuple[int, int] | None = None  # inode of the journal, and where our last line in it ends
        self.append: Append | None = None
        self.swapped_in: int | None = None  # inode of the journal that a merge of ours put there last
        self.merged_at: int | None = None  # when the last merge ended, in seconds since 1970
        self.old_journals: list[OldJournal] = []
        self.deletions: list[bytes] = []  # folded names whose lines must still leave nwauth.txt
        self._others: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._rows())

    @classmethod
    def decode(cls, raw: bytes) -> Notes:
        """The record in `raw`; empty if it is damaged."""
        head, _, rest = raw.partition(b"\n")
        notes = cls()
        try:
            magic, check, length = head.split(b" ")
            body = rest[: int(length)]
            if magic != MAGIC or len(body) != int(length) or crc32(body) != int(check, 16):
                return cls()
            for row in body.decode("ascii").splitlines():
                notes._take(row)
        except ValueError:
            return cls()
        return notes

    def encode(self) -> bytes:
        """The bytes of the record."""
        body = "\n".join(self._rows()).encode("ascii")
        return b"%s %08x %d\n" % (MAGIC, crc32(body), len(body)) + body

    def is_ours(self, identity: Identity) -> bool:
        """Whether we have published this state of nwauth.txt, or had it before us when we published the next."""
        return mark_of(identity) in (self.ours, self.prior)

    def _take(self, row: str) -> None:
        name, *words = row.split(" ")
        match name, words:
            case "served", []:
                self.served = True
            case "ours", [inode, size, mtime]:
                self.ours = (int(inode), int(size), int(mtime))
            case "prior", [inode, size, mtime]:
                self.prior = (int(inode), int(size), int(mtime))
            case "journal", [inode, end]:
                self.journal = (int(inode), int(end))
            case "append", [inode, offset, data]:
                self.append = Append(int(inode), int(offset), bytes.fromhex(data))
            case "swapped", [inode]:
                self.swapped_in = int(inode)
            case "merged", [at]:
                self.merged_at = int(at)
            case "old", [inode, length, at]:
                self.old_journals.append(OldJournal(int(inode), int(length), int(at)))
            case "delete", [key]:
                self.deletions.append(bytes.fromhex(key))
            case _:
                self._others.append(row)

    def _rows(self) -> list[str]:
        rows = ["served"] if self.served else []
        for name, numbers in (("ours", self.ours), ("prior", self.prior), ("journal", self.journal)):
            if numbers is not None:
                rows.append(" ".join([name, *map(str, numbers)]))
        if self.append is not None:
            rows.append(f"append {self.append.inode} {self.append.offset} {self.append.data.hex()}")
        if self.swapped_in is not None:
            rows.append(f"swapped {self.swapped_in}")
        if self.merged_at is not None:
            rows.append(f"merged {self.merged_at}")
        rows += [f"old {old.inode} {old.length} {old.swapped_at}" for old in self.old_journals]
        rows += [f"delete {key.hex()}" for key in self.deletions]
        return rows + self._others


def mark_of(identity: Identity) -> Mark:
    """What a file is noted by: the device is left out, which may change with a reboot."""
    return (identity.inode, identity.size, identity.mtime_ns)


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
