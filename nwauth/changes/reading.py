"""A step read: who has made it and with what, its groups, the changes of each."""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import TYPE_CHECKING

from nwauth.changes.step import FORM, HELD, KINDS
from nwauth.errors import Unavailable
from nwauth.stores.changes import users_of
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final, TypeGuard

    from nwauth.stores.base import Change
    from nwauth.stores.changes import HeldChange

TAIL_BYTES = 4096  # the last line is shorter


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
