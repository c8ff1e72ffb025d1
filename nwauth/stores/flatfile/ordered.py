"""The users in the order of their folded names: the user file's, and the journal's before them."""

from __future__ import annotations

from itertools import islice

from nwauth.errors import Passing
from nwauth.stores.base import BLOCK_USERS
from nwauth.stores.flatfile import lines
from nwauth.stores.textfile import files, ordered
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from nwauth.stores.base import Held
    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.view import View
    from nwauth.stores.textfile.userfile import UserFile

    Read = TypeVar("Read")

BLOCK_BYTES = 1 << 17  # of a file in order, which is read as it stands


def rows(view: View, folder: Folder, prefix: bytes = b"") -> Iterator[bytes]:
    """The users' lines, by folded name; with `prefix` those alone that begin so.  Raises Unavailable."""
    return _read(view, folder, lambda source: _rows(view, folder, source, prefix))


def held(view: View, folder: Folder) -> Iterator[list[Held]]:
    """What is held of all users, by folded name, many at a time.  Raises Unavailable."""

    def read(source: UserFile | None) -> Iterator[list[Held]]:
        if source is not None and source.index is not None and source.index.in_order and not view.journal.lines:
            size = source.identity.size
            chunks = files.line_chunks(source.fd, size, chunk_bytes=BLOCK_BYTES)
            return filter(None, (lines.held_of(chunk) for _, chunk in chunks))
        waiting = _rows(view, folder, source)
        return map(lines.held, iter(lambda: list(islice(waiting, BLOCK_USERS)), []))

    return _read(view, folder, read)


def _rows(view: View, folder: Folder, source: UserFile | None, prefix: bytes = b"") -> Iterator[bytes]:
    newer = {key: line for key, line in view.journal.lines.items() if key.startswith(prefix)}
    in_file: Iterator[bytes] = iter(())
    if source is not None:
        in_file = ordered.lines_of(source, scratch=lambda: scratch(folder), prefix=prefix)
    return current_lines(in_file, newer)


def _read(view: View, folder: Folder, read: Callable[[UserFile | None], Iterator[Read]]) -> Iterator[Read]:
    """What is read of the user file, if it stands at the end as at the beginning.  Raises Unavailable."""
    view.refresh()
    view.must_be_settled()
    try:
        source = view.file.duplicate() if view.file else None
        try:
            yield from read(source)
            if source is not None and not source.stands():
                raise Passing("nwauth.txt was changed during the search, try again")
        finally:
            if source is not None:
                source.close()
    except OSError as error:
        raise files.trouble("read", folder.txt, error) from error


def current_lines(  # noqa: C901 - a merge of two ordered streams reads best in one piece
    in_file: Iterable[bytes], newer: dict[bytes, bytes | None], *, lost: Callable[[bytes], None] | None = None
) -> Iterator[bytes]:
    """The one line that counts for each name, in order: the last in the file, and the journal's before it.

    `lost` is given each line of the file that gives way to another of it, and to one of another spelling.
    """

    def give_way(old: bytes, new: bytes) -> None:
        if lost is not None and old.partition(b":")[0] != new.partition(b":")[0]:
            lost(old)

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
                give_way(row, line)
            continue
        if lost is not None and best not in (None, row):
            lost(best)
        best, best_key = row, row_key
    if best is not None:
        yield best
    while key is not None:
        if line is not None:
            yield line
        key, line = next(waiting, (None, None))


def scratch(folder: Folder) -> int:
    """A file without a name for a sort: in the folder, or where the system keeps such files."""
    return ordered.scratch(folder.temporary(folder.txt))
