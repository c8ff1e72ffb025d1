"""The users' lines in the order of their folded names, in flat memory: by an external sort where there is none."""

from __future__ import annotations

import os
from heapq import merge

from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.stores.textfile.lines import Fits
    from nwauth.stores.textfile.userfile import UserFile

NEAR_BYTES = 1 << 16  # so near to a place the lines are read one by one
RUN_BYTES = 8 << 20  # what is sorted in memory at a time: about 60 MB of it


def lines_of(
    file: UserFile, *, scratch: Callable[[], int], odd: Callable[[bytes], None] | None = None, prefix: bytes = b""
) -> Iterator[bytes]:
    """The users' lines of a user file, sorted by folded name; of equal names, the later line comes later.

    `scratch` opens a file for the sort; `odd` is given every line that does not fit (blank ones left out).  With
    `prefix` those whose folded names begin otherwise are left out, unread where the file is in order.

    Raises OSError.
    """
    fd, size, fits = file.fd, file.identity.size, file.fits
    if file.index is not None and file.index.in_order:
        yield from _beginning(fd, size, fits, prefix) if prefix else _fitting(fd, size, fits, odd)
        return
    runs: list[tuple[int, int]] = []
    try:
        for _, chunk in files.line_chunks(fd, size, chunk_bytes=RUN_BYTES):
            rows = [row for row in chunk.split(b"\n") if _taken(row, fits, odd)]
            rows.sort(key=key_of)
            if not runs and len(chunk) == size:
                yield from rows
                return
            raw = b"\n".join(rows)
            del chunk, rows
            target = scratch()
            runs.append((target, len(raw)))
            files.write_all(target, raw)
        yield from merge(*(_fitting(run, length, fits, None) for run, length in runs), key=key_of)
    finally:
        for run, _ in runs:
            os.close(run)


def _beginning(fd: int, size: int, fits: Fits, prefix: bytes) -> Iterator[bytes]:
    """The lines in a file in order whose folded names begin so."""
    for _, chunk in files.line_chunks(fd, size, start=_place(fd, size, fits, prefix)):
        for row in chunk.split(b"\n"):
            if row and fits(row):
                key = key_of(row)
                if key.startswith(prefix):
                    yield row
                elif key > prefix:
                    return


def _place(fd: int, size: int, fits: Fits, key: bytes) -> int:
    """Where a line begins that stands before, and near, the first whose folded name is not less than `key`."""
    low, high = 0, size
    while high - low > NEAR_BYTES:
        middle = (low + high) // 2
        block = os.pread(fd, NEAR_BYTES, middle)
        at = block.find(b"\n") + 1
        row = block[at : block.find(b"\n", at)] if at else b""
        if not row or not fits(row):
            return low  # a line that is nobody's tells no order: from here on all are read
        if key_of(row) < key:
            low = middle + at
        else:
            high = middle
    return low


def scratch(path: str) -> int:
    """A file without a name for a sort: at `path`, which must be free, or where the system keeps such files."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        from tempfile import TemporaryFile

        with TemporaryFile() as file:
            return os.dup(file.fileno())
    os.unlink(path)
    return fd


def _fitting(fd: int, size: int, fits: Fits, odd: Callable[[bytes], None] | None) -> Iterator[bytes]:
    for _, chunk in files.line_chunks(fd, size):
        for row in chunk.split(b"\n"):
            if _taken(row, fits, odd):
                yield row


def _taken(row: bytes, fits: Fits, odd: Callable[[bytes], None] | None) -> bool:
    if row and fits(row):
        return True
    if row and odd is not None:
        odd(row)
    return False
