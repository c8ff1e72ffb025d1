"""The users in the order of their folded names: the user file's, and the journal's before them."""

from __future__ import annotations

from nwauth.stores.textfile import ordered
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nwauth.stores.flatfile.folder import Folder


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
        row_key = key_of(row)
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
    return ordered.scratch(folder.temporary(folder.txt))
