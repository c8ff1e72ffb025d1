"""The file of one step: what a command is about to change, then what became of it; `undo` restores it from there.

It is NDJSON.  The head says who, when, and which command.  Then, for each group of changes that is made at once:
``{"group": {"store", "place", "whole"}}``; the changes, some on a line, an array of ``[old, new]`` as stores hold users
(None: not there), or, where all of them are new, an array of one text, a line for each, with tabs between what is held;
``{"ready": count}``, durable before the store is asked; afterwards ``{"made": true}``, or with
``"but"`` the places of those that were not; and ``{"told": true}`` when the journal has them.  At last ``{"end": ...}``
with the numbers.  A last line that is torn was never written.
"""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import TYPE_CHECKING

from nwauth.errors import Unavailable
from nwauth.stores.changes import NewUsers, users_of
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final, TypeGuard

    from nwauth.stores.base import Change
    from nwauth.stores.changes import Block, HeldChange

WRITE_BYTES = 1 << 20
TAIL_BYTES = 4096  # the last line is shorter
COMPACT = json.JSONEncoder(separators=(",", ":"))
KINDS = ("created", "changed", "removed")
FORM = 1  # what `nwauth_undo` says in the head; a step of another form is another program's to read
HELD = 6  # so many parts has what a store holds of a user


class Numbers:
    """How many users were created, changed and removed."""

    def __init__(self) -> None:
        self.created = self.changed = self.removed = 0

    def count(self, changes: Block) -> None:
        """Some more."""
        if isinstance(changes, NewUsers):
            self.created += len(changes)
            return
        created = [old for old, _ in changes].count(None)
        removed = [new for _, new in changes].count(None)
        self.created += created
        self.removed += removed
        self.changed += len(changes) - created - removed

    @property
    def all(self) -> int:
        """Of whatever kind."""
        return self.created + self.changed + self.removed

    def add(self, others: Numbers) -> None:
        """Those of others, too."""
        for kind in KINDS:
            setattr(self, kind, getattr(self, kind) + getattr(others, kind))

    def record(self) -> dict[str, int]:
        """By their names."""
        return {kind: getattr(self, kind) for kind in KINDS}


class Writing:
    """A step in the making: its file, open; what was written of a line that could not be is written over."""

    def __init__(self, fd: int, path: str, number: int, *, size: int = 0, group_at: int = 0) -> None:
        self.fd: Final = fd
        self.path: Final = path
        self.number: Final = number
        self.numbers = Numbers()
        self._size = size
        self._group_at = group_at
        self._count = 0
        self._group = Numbers()
        self._lines: list[bytes] = []
        self._bytes = 0

    def head(self, record: dict[str, object]) -> None:
        """The first line.  Raises Unavailable."""
        self._write(record)

    def group(self, *, store: str, place: str, whole: bool) -> None:
        """Begin a group; `whole`: the store makes all of its changes or none.  Raises Unavailable."""
        self._group_at = self._size
        self._start = {"group": {"store": store, "place": place, "whole": whole}}
        self.restart()

    def restart(self) -> None:
        """Begin the group anew.  Raises Unavailable."""
        self.drop()
        self._write(self._start)

    def drop(self) -> None:
        """Take back what was written of the group."""
        self._size, self._count, self._group = self._group_at, 0, Numbers()
        self._lines, self._bytes = [], 0
        try:
            os.ftruncate(self.fd, self._size)
        except OSError as error:
            raise self._trouble(error) from error

    def add(self, changes: Block) -> None:
        """Some changes more of the group.  Raises Unavailable."""
        self._group.count(changes)
        self._count += len(changes)
        line = _line(_together(changes) if isinstance(changes, NewUsers) else changes)
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes > WRITE_BYTES:
            self._flush()

    def ready(self) -> int:
        """All changes of the group are there, durably; how many.  Raises Unavailable: the store is not to be asked."""
        self._flush()
        self._write({"ready": self._count})
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise self._trouble(error) from error
        return self._count

    def made(self, *, but: list[int]) -> None:
        """The store has made the changes of the group, but those at these places: new users.  Raises Unavailable."""
        self._group.created -= len(but)
        self.numbers.add(self._group)
        self._write({"made": True, "but": but} if but else {"made": True})

    def told(self) -> None:
        """The journal has them.  Raises Unavailable."""
        self._write({"told": True})

    def end(self) -> None:
        """Nothing more comes.  Raises Unavailable."""
        self._write({"end": self.numbers.record()})

    def duplicate(self) -> int:
        """The file once more, to read it."""
        return os.dup(self.fd)

    def close(self) -> None:
        """Close the file, and with it the lock."""
        os.close(self.fd)

    def _flush(self) -> None:
        self._put(b"".join(self._lines))
        self._lines, self._bytes = [], 0

    def _write(self, record: object) -> None:
        self._put(_line(record))

    def _put(self, data: bytes) -> None:
        at, view = self._size, memoryview(data)
        try:
            while view:
                sent = os.pwrite(self.fd, view, at)
                at, view = at + sent, view[sent:]
        except OSError as error:
            raise self._trouble(error) from error
        self._size = at

    def _trouble(self, error: OSError) -> Unavailable:
        return files.trouble("write", self.path, error)


class OtherVersion(Unavailable):
    """A step is in the form of another version of nwauth, which can read it."""


class Group:
    """Changes that were made at once: of which store, where in the file, and what became of them.

    Ready and not `made`: the store was to be asked, and nobody has written down what it did.
    """

    def __init__(self, store: str, place: str, *, whole: bool, at: int, start: int) -> None:
        self.store: Final = store
        self.place: Final = place
        self.is_whole: Final = whole
        self.at: Final = at
        self.start: Final = start  # of its changes
        self.count = 0
        self.is_ready = False
        self.made = False
        self.but: frozenset[int] = frozenset()
        self.is_told = False


class Reading:
    """The file of a step, read: its head, its groups, and its end if it has one."""

    def __init__(self, fd: int, path: str) -> None:
        self.path: Final = path
        self.head: dict[str, Any] = {}
        self.end: dict[str, int] | None = None
        self.groups: Final[list[Group]] = []
        self.size = 0  # without a last line that is torn
        self._file = open(fd, "rb")  # noqa: SIM115, closed by `close`

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def scan(self) -> None:
        """Read it all but the changes.  Raises Unavailable."""
        self.groups.clear()
        try:
            self._file.seek(0)
            at = self.size = 0
            for line in self._file:
                if not line.startswith(b"["):
                    record = _record(line)
                    if record is None:
                        return
                    self._take(record, at, at + len(line))
                elif not line.endswith(b"\n"):
                    return
                at += len(line)
                self.size = at
        except OSError as error:
            raise files.trouble("read", self.path, error) from error

    def _take(self, record: dict[str, Any], at: int, after: int) -> None:
        match record:
            case {"group": {"store": str(store), "place": str(place), "whole": bool(whole)}}:
                self.groups.append(Group(store, place, whole=whole, at=at, start=after))
            case {"ready": int(count)} if self.groups:
                self.groups[-1].count, self.groups[-1].is_ready = count, True
            case {"made": True, **more} if self.groups and _are_numbers(more.get("but", [])):
                self.groups[-1].made, self.groups[-1].but = True, frozenset(more.get("but", []))
            case {"told": True} if self.groups:
                self.groups[-1].is_told = True
            case {"end": dict(end)} if is_end(end):
                self.end = end
            case {"nwauth_undo": int(form)} if not at and is_head(record):
                if form != FORM:
                    raise OtherVersion(f"{self.path}: is of another version of nwauth, and that one can take it back")
                self.head = record
            case _:
                raise damaged(self.path, f"found {', '.join(map(ascii, record)) or 'nothing'} at byte {at + 1}")

    def changes(self, group: Group) -> Iterator[Change]:
        """The changes of a group that were made.  Raises Unavailable."""
        return users_of(self.held(group), group.store)

    def held(self, group: Group) -> Iterator[HeldChange]:
        """The same, as what the store holds.  Raises Unavailable."""
        return (change for at, change in enumerate(self.planned(group)) if at not in group.but)

    def planned(self, group: Group) -> Iterator[HeldChange]:
        """The changes of a group, made or not, as what the store holds.  Raises Unavailable."""
        at, left = group.start, group.count if group.is_ready else 0
        while left:
            try:
                self._file.seek(at)
                line = self._file.readline()
            except OSError as error:
                raise files.trouble("read", self.path, error) from error
            at += len(line)
            changes = _changes(line, self.path)
            left -= len(changes)
            yield from changes


def read_ends(fd: int) -> tuple[dict[str, Any] | None, dict[str, int] | None]:
    """The head of a step, and the numbers at its end; None: not there.  Raises OSError."""
    size = os.fstat(fd).st_size
    head = _record(os.pread(fd, TAIL_BYTES, 0).partition(b"\n")[0] + b"\n") or {}
    tail = os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES)).split(b"\n")
    last = _record(b"".join(islice(tail, max(0, len(tail) - 2), len(tail) - 1)) + b"\n") or {}
    end = last.get("end")
    return head if is_head(head) else None, end if is_end(end) else None


def is_head(record: dict[str, Any]) -> bool:
    """Whether this is the first line of a step: what everybody tells of it."""
    return all(isinstance(record.get(key), str) for key in ("command", "time"))


def is_end(record: object) -> TypeGuard[dict[str, int]]:
    """Whether these are the numbers of a step that has ended."""
    return isinstance(record, dict) and record.keys() == set(KINDS) and _are_numbers(list(record.values()))


def _are_numbers(found: object) -> bool:
    return isinstance(found, list) and all(type(one) is int for one in found)


def damaged(path: str, why: str) -> Unavailable:
    """What is raised where a step cannot be read: what it was can no longer be told."""
    return Unavailable(f"{path}: is damaged: {why}")


def _line(record: object) -> bytes:
    return COMPACT.encode(record).encode() + b"\n"


def _together(changes: NewUsers) -> list[str] | list[HeldChange]:
    """New users as one text, which is made and read in half the time; as they are where one has a tab."""
    text = "\n".join(map("\t".join, zip(*changes.columns, strict=True)))
    is_plain = text.count("\t") == (HELD - 1) * len(changes) and text.count("\n") == len(changes) - 1
    return [text] if is_plain else list(changes)


def _record(line: bytes) -> dict[str, Any] | None:
    """What a line says; None: it is torn."""
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _changes(line: bytes, path: str) -> list[HeldChange]:
    try:
        found = json.loads(line)
        if isinstance(found[0], str):
            changes: list[HeldChange] = [(None, tuple(row.split("\t"))) for row in found[0].split("\n")]
        else:
            changes = [(old and tuple(old), new and tuple(new)) for old, new in found]
        if all(map(_is_change, changes)):
            return changes
    except (LookupError, RecursionError, TypeError, ValueError):
        pass
    raise damaged(path, "found no changes where some must be")


def _is_change(change: HeldChange) -> bool:
    users = [user for user in change if user is not None]
    return bool(users) and all(len(user) == HELD and all(type(part) is str for part in user) for user in users)
