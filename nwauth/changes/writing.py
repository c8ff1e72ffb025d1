"""A step in the making: what is about to be changed is there, durably, before the store is asked."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from nwauth.changes.step import HELD, Numbers
from nwauth.stores.changes import NewUsers
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from typing import Final

    from nwauth.errors import Unavailable
    from nwauth.stores.changes import Block, HeldChange

WRITE_BYTES = 1 << 20
COMPACT = json.JSONEncoder(separators=(",", ":"))


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


def _line(record: object) -> bytes:
    return COMPACT.encode(record).encode() + b"\n"


def _together(changes: NewUsers) -> list[str] | list[HeldChange]:
    """New users as one text, which is made and read in half the time; as they are where one has a tab."""
    text = "\n".join(map("\t".join, zip(*changes.columns, strict=True)))
    is_plain = text.count("\t") == (HELD - 1) * len(changes) and text.count("\n") == len(changes) - 1
    return [text] if is_plain else list(changes)
