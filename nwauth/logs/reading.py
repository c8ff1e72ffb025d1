"""The files of a log one after the other, oldest first; what could not be read is counted and named."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from nwauth.logs import picking, unpacking
from nwauth.logs.lines import is_ours, read_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from nwauth.logs.finding import LogFile
    from nwauth.logs.lines import Line
    from nwauth.logs.picking import Pick

MAX_LINE_BYTES = 1 << 20  # ours have a tenth at most
_FIRST_BLOCKS = 4  # in so many a stamp is looked for


class Reader:
    """Reads `files` once.

    Afterwards `faults` names the files that could not be read, or not whole; `foreign` counts lines that are none of
    this log, `lost` those that the log itself says could not be written; `begins` is its first stamp; `keeps_requests`
    says whether any request stands there that was answered with yes or no.
    """

    def __init__(self, files: Sequence[LogFile], faults: Iterable[str] = (), *, since: datetime | None = None) -> None:
        self.faults = list(faults)
        self.foreign = self.lost = self.bytes = 0
        self.begins: datetime | None = None
        self.keeps_requests = False
        self._files = files
        self._since = since

    def read_bytes(self) -> int:
        """How far the files are read, in bytes of theirs, packed or not."""
        return sum(map(_place, self._files))

    def whole_bytes(self) -> int:
        """How long the files are, as far as files know."""
        return sum(map(_length, self._files))

    def lines(self, pick: Pick) -> Iterator[Line]:
        """The lines that `pick` finds, from `since` on; the files are closed behind it."""
        try:
            for file in self._ordered():
                yield from self._lines_of(file, pick)
        finally:
            for file in self._files:
                file.file.close()

    def _lines_of(self, file: LogFile, pick: Pick) -> Iterator[Line]:
        try:
            for block in self._blocks(file):
                for raw in pick(block):
                    line = read_line(raw, written_before=file.written_before)
                    if line is None:
                        self.foreign += is_ours(raw)  # another has been counted
                    elif self._since is None or line.when >= self._since:
                        yield line
        except unpacking.Damaged as error:
            self.faults.append(f"{file.name}: {error}")

    def _ordered(self) -> list[LogFile]:
        """The files by the first stamp in each: names and times of change say it less surely."""
        firsts = [(_first_stamp(file), file) for file in self._files]
        stamps = [first for first, _ in firsts if first is not None]
        self.begins = min(stamps, default=None)
        firsts.sort(key=lambda pair: (pair[0] or pair[1].written_before, pair[1].written_before))
        files = [file for _, file in firsts]
        if self._since is None:
            return files
        return [file for file in files if file.written_before >= self._since or file is files[-1]]

    def _blocks(self, file: LogFile) -> Iterator[bytes]:
        """The file in blocks of whole lines, what is to be told of them counted."""
        for block in whole_lines(unpacking.blocks(file.file)):
            self.bytes += len(block)
            self.foreign += picking.count_foreign(block)
            self.lost += picking.count_lost(block)
            self.keeps_requests = self.keeps_requests or picking.keeps_requests(block)
            yield block


def _length(file: LogFile) -> int:
    """Raises nothing: a file that is read is closed."""
    try:
        return os.fstat(file.file.fileno()).st_size
    except (OSError, ValueError):
        return 0


def _place(file: LogFile) -> int:
    """How far a file is read; a program that unpacks it moves the same place on."""
    try:
        return os.lseek(file.file.fileno(), 0, os.SEEK_CUR)
    except (OSError, ValueError):
        return 0


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes cut behind lines; the last one gets its end.

    What is no line for `MAX_LINE_BYTES` becomes one that is none of ours.
    """
    pending = b""
    for block in blocks:
        data = pending + block
        end = data.rfind(b"\n") + 1
        if end:
            yield data[:end]
        pending = data[end:]
        if len(pending) > MAX_LINE_BYTES:
            pending = b"\0"
    if pending:
        yield pending + b"\n"


def _first_stamp(file: LogFile) -> datetime | None:
    """When the first line of ours in `file` was written; None where none is near its begin, or it can be read once."""
    if not file.file.seekable():
        return None
    start = file.file.tell()
    try:
        for block in islice(whole_lines(unpacking.blocks(file.file)), _FIRST_BLOCKS):
            for raw in block.split(b"\n"):
                line = read_line(raw, written_before=file.written_before) if is_ours(raw + b"\n") else None
                if line is not None:
                    return line.when
    except unpacking.Damaged:  # told of when it is read
        pass
    finally:
        file.file.seek(start)
    return None
