"""Rows of text in their order, in a file without a name; they can be gone through again and again.

A row is parts of text with `PART` between them.  The first is a place in the order, as `place` gives it; the others
hold no control character.
"""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_right
from typing import TYPE_CHECKING

from nwauth.errors import Unavailable
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO, Final

    Block = tuple[int, int]  # where it stands in the file, and how many bytes it has

RUN_ROWS = 50_000  # what is sorted in memory at a time
BLOCK_ROWS = 400  # what is read at a time, of each run
PART, END = "\0", "\1"  # what ends a part of a row, and a row
KEPT = str.maketrans({"\0": "\2\3", "\1": "\2\4", "\2": "\2\5"})  # in the order that they have, behind the other two


def place(folded: str) -> str:
    """The place of a folded name in the order of stores, which is that of its bytes; no two names have the same."""
    if folded.isascii():
        return folded if folded.isprintable() else folded.translate(KEPT)
    return folded.encode(ENCODING, ERRORS).decode("latin-1").translate(KEPT)


def no_room(error: OSError) -> Unavailable:
    """What to raise where a temporary file cannot be made or written."""
    return Unavailable(f"{tempfile.tempdir or 'TMPDIR'}: no room to put the users aside: {error.strerror}")


class Spool:
    """Rows, given out by their order."""

    def __init__(self) -> None:
        self.count = 0
        self._young: list[str] = []
        self._file: IO[bytes] | None = None
        self._runs: Final[list[list[Block]]] = []
        self._last = ""
        self._in_order = True

    def add(self, rows: Sequence[str]) -> None:
        """Put more there.  Raises Unavailable where there is no room for them."""
        self._young += rows
        self.count += len(rows)
        if len(self._young) >= RUN_ROWS:
            self._write()

    def blocks(self) -> Iterator[list[str]]:
        """All rows, many at a time."""
        self._young.sort()
        if not self._runs:
            return iter([list(self._young)] if self._young else [])
        if self._young:
            self._write()
        runs = [self._read(run) for run in self._runs]
        return (block for run in runs for block in run) if self._in_order else _merged(runs)

    def __iter__(self) -> Iterator[str]:
        return (row for block in self.blocks() for row in block)

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        self._young.sort()
        self._in_order = self._in_order and self._last <= self._young[0]
        self._last = self._young[-1]
        blocks = []
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115, closed by `close`
            at = self._file.seek(0, os.SEEK_END)
            for start in range(0, len(self._young), BLOCK_ROWS):
                data = END.join(self._young[start : start + BLOCK_ROWS]).encode()
                self._file.write(data)
                blocks.append((at, len(data)))
                at += len(data)
            self._file.flush()
        except OSError as error:
            raise no_room(error) from None
        self._runs.append(blocks)
        self._young = []

    def _read(self, run: list[Block]) -> Iterator[list[str]]:
        assert self._file is not None  # noqa: S101
        for at, size in run:
            try:
                data = os.pread(self._file.fileno(), size, at)
            except OSError as error:
                raise Unavailable(f"cannot read the users that were put aside: {error.strerror}") from None
            yield data.decode().split(END)


def _merged(runs: list[Iterator[list[str]]]) -> Iterator[list[str]]:
    """The rows of all runs: of each its next block, as far as no other can have something before it."""
    waiting = [(block, run) for run in runs if (block := next(run, []))]
    while waiting:
        fence = min(block[-1] for block, _ in waiting)
        found: list[str] = []
        left = []
        for block, run in waiting:
            end = bisect_right(block, fence)
            found += block[:end]
            rest = block[end:] or next(run, [])
            if rest:
                left.append((rest, run))
        waiting = left
        found.sort()  # runs in order are merged by it, at no great cost
        yield found
