"""The users in the order of their folded names, in flat memory: by an external sort where the file has no order."""

from __future__ import annotations

import os
from heapq import merge

from nwauth.stores.flatfile import files, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.userfile import UserFile

RUN_BYTES = 8 << 20  # what is sorted in memory at a time: about 60 MB of it


def lines_of(
    file: UserFile, *, scratch: Callable[[], int], odd: Callable[[bytes], None] | None = None
) -> Iterator[bytes]:
    """The users' lines of a user file, sorted by folded name; of equal names, the later line comes later.

    `scratch` opens a file for the sort; `odd` is given every line that does not fit (blank ones left out).

    Raises OSError.
    """
    fd, size = file.fd, file.identity.size
    if file.index is not None and file.index.in_order:
        yield from _fitting(fd, size, odd)
        return
    runs: list[tuple[int, int]] = []
    try:
        for _, chunk in files.line_chunks(fd, size, chunk_bytes=RUN_BYTES):
            rows = [row for row in chunk.split(b"\n") if _taken(row, odd)]
            rows.sort(key=lines.key_of)
            if not runs and len(chunk) == size:
                yield from rows
                return
            raw = b"\n".join(rows)
            del chunk, rows
            target = scratch()
            runs.append((target, len(raw)))
            files.write_all(target, raw)
        yield from merge(*(_fitting(run, length, None) for run, length in runs), key=lines.key_of)
    finally:
        for run, _ in runs:
            os.close(run)


def current_lines(  # noqa: C901 - a merge of two ordered streams reads best in one piece
    in_file: Iterable[bytes], newer: dict[bytes, bytes | None], *, lost: Callable[[bytes], None] | None = None
) -> Iterator[bytes]:
    """The one line that counts for each name, in order: the last in the file, and the journal's before it.

    `lost` is given each line that gives way to one of another spelling.
    """

    def replace(old: bytes | None, new: bytes) -> bytes:
        if lost is not None and old is not None and old.partition(b":")[0] != new.partition(b":")[0]:
            lost(old)
        return new

    waiting = iter(sorted(newer.items()))
    key, line = next(waiting, (None, None))
    best: bytes | None = None
    best_key = b""
    for row in in_file:
        row_key = lines.key_of(row)
        if best is not None and row_key != best_key:
            yield best
            best = None
        while key is not None and key < row_key:
            if line is not None:
                yield line
            key, line = next(waiting, (None, None))
        if key == row_key:
            if line is not None:
                replace(row, line)
            continue
        best, best_key = replace(best, row), row_key
    if best is not None:
        yield best
    while key is not None:
        if line is not None:
            yield line
        key, line = next(waiting, (None, None))


def scratch(folder: Folder) -> int:
    """A file without a name for a sort: in the folder, or where the system keeps such files."""
    path = folder.temporary(folder.txt)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        from tempfile import TemporaryFile

        with TemporaryFile() as file:
            return os.dup(file.fileno())
    os.unlink(path)
    return fd


def _fitting(fd: int, size: int, odd: Callable[[bytes], None] | None) -> Iterator[bytes]:
    for _, chunk in files.line_chunks(fd, size):
        for row in chunk.split(b"\n"):
            if _taken(row, odd):
                yield row


def _taken(row: bytes, odd: Callable[[bytes], None] | None) -> bool:
    if row and lines.fits(row):
        return True
    if row and odd is not None:
        odd(row)
    return False
