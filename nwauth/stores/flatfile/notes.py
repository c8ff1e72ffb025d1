"""`nwauth.lock`: one lock around every write, and one small record of notes between those who take it.

The record says what a crash may have left half done and what is known to be ours (spec/stores.md section 1).
"""

from __future__ import annotations

from nwauth.model import Record
from nwauth.stores.textfile.files import mark_of
from nwauth.stores.textfile.record import WAIT_SECONDS, RecordFile, packed, unpacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final

    from nwauth.stores.textfile.files import Identity, Mark
    from nwauth.stores.textfile.userfile import UserFile


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
        self.served = False  # nwauth.txt was served here before ...
        self.held = False  # ... and was not empty
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
        return cls.of(unpacked(raw))

    @classmethod
    def of(cls, rows: list[str]) -> Notes:
        """The record of these rows; empty if one of them holds no numbers where they belong."""
        notes = cls()
        try:
            for row in rows:
                notes._take(row)
        except ValueError:
            return cls()
        return notes

    def encode(self) -> bytes:
        """The bytes of the record."""
        return packed(self._rows())

    def is_ours(self, identity: Identity) -> bool:
        """Whether we have published this state of nwauth.txt, or had it before us when we published the next."""
        return mark_of(identity) in (self.ours, self.prior)

    def note_served(self, file: UserFile | None) -> bool:
        """A user file is served here; whether that was to be noted."""
        if file is None or (self.served and (self.held or not file.identity.size)):
            return False
        self.served, self.held = True, self.held or file.identity.size > 0
        return True

    def _take(self, row: str) -> None:
        name, *words = row.split(" ")
        match name, words:
            case (("served" | "held"), []):
                setattr(self, name, True)
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
        rows = [name for name, is_so in (("served", self.served), ("held", self.held)) if is_so]
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


class LockFile:
    """The file.  `notes` may be read by anybody at any time; they are changed only by who holds the lock."""

    def __init__(self, path: str, *, model: str) -> None:
        self._file = RecordFile(path, model=model)
        self.release: Final = self._file.release
        self.close: Final = self._file.close

    def read(self) -> Notes:
        """The notes as they stand, without the lock; empty where there is no such file or it cannot be read."""
        return Notes.of(self._file.read())

    def take(self, *, wait_seconds: float = WAIT_SECONDS) -> Notes:
        """Take the lock and return the notes.

        Raises:
            Unavailable: the file cannot be made or opened, or others hold the lock for `wait_seconds`.
        """
        return Notes.of(self._file.take(wait_seconds=wait_seconds))

    def taken(self, *, wait_seconds: float = WAIT_SECONDS) -> Taken:
        """The same for a ``with``, at whose end the lock is released.  Raises Unavailable."""
        return Taken(self, self.take(wait_seconds=wait_seconds))

    def save(self, notes: Notes) -> None:
        """Write the notes; only while the lock is held.  Raises Unavailable."""
        self._file.save(notes.encode())


class Taken:
    """The lock, taken: ``with`` gives the notes, and its end the lock back."""

    def __init__(self, lock: LockFile, notes: Notes) -> None:
        self._lock: Final = lock
        self._notes: Final = notes

    def __enter__(self) -> Notes:
        return self._notes

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
