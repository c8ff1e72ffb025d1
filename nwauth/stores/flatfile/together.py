"""Many changes as one: the user file with all of them, put in the place of the old by one rename.

The journal's lines count before the user file's, and it is put aside behind that rename.  So that a crash between the
two brings back nothing, the journal must speak of none of the users who are changed: where it does, it is merged first.
"""

from __future__ import annotations

from operator import lt

from nwauth.errors import Unchanged
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.stores.changes import NewUsers, blocks_of
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.lines import serialize_all
from nwauth.stores.flatfile.merge import merge_once
from nwauth.stores.flatfile.rewrite import Overtaken, rewriting
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Final

    from nwauth.stores.base import Change, Held
    from nwauth.stores.changes import Block
    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.leavings import Leavings
    from nwauth.stores.flatfile.notes import LockFile
    from nwauth.stores.flatfile.settling import Settling


class Touched(Overtaken):
    """The journal speaks of a user who is to be changed."""


def change_all(
    folder: Folder,
    lock: LockFile,
    settling: Settling,
    changes: Iterable[Change],
    *,
    complete: Callable[[str], bool],
    shared: bool,
) -> None:
    """Make all changes, or none; they are ordered by the bytes of the folded name.

    Raises:
        Refused: a line cannot hold one of the users.
        Unavailable: it cannot be done now, or somebody has changed one of the users meanwhile; nothing is changed.
    """
    together = Together(changes)

    def once() -> None:
        try:
            merge_once(folder, lock, settling, complete=complete, shared=shared, together=together)
        except Touched:
            merge_once(folder, lock, settling, complete=complete, shared=shared)
            merge_once(folder, lock, settling, complete=complete, shared=shared, together=together)

    rewriting(folder, "change the users", once)


class Together:
    """Changes as the lines of a user file need them."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changes: Final = changes

    def must_not_touch(self, keys: Collection[bytes]) -> None:
        """Raises Touched where one of these names is to be changed."""
        if keys and any(key in keys for block in blocks_of(self._changes) for key in _keys(block)):
            raise Touched

    def over(self, rows: Iterator[bytes], leavings: Leavings) -> Iterator[bytes]:
        """The lines, ordered by name, with the changes made, many at a time; `leavings` counts the users.

        Raises:
            Unavailable: somebody is not as the changes say.
        """
        row = next(rows, None)
        row_key = None if row is None else key_of(row)
        last = b""
        for block in blocks_of(self._changes):
            keys = _keys(block)
            assert keys[0] > last  # noqa: S101, what would be lost otherwise is somebody
            last = keys[-1]
            if isinstance(block, NewUsers) and (row_key is None or row_key > last):
                leavings.users += len(block)
                yield serialize_all(block.columns)
                continue
            for key, (old, new) in zip(keys, block, strict=True):
                while row is not None and row_key is not None and row_key < key:
                    leavings.users += 1
                    yield row.rstrip(b"\r") + b"\n"
                    row = next(rows, None)
                    row_key = None if row is None else key_of(row)
                there = None
                if row is not None and row_key == key:
                    (there,) = lines.held([row])
                    row = next(rows, None)
                    row_key = None if row is None else key_of(row)
                if there != old:
                    raise _overtaken(old or new)
                if new is not None:
                    leavings.users += 1
                    yield serialize_all([*zip(new, strict=True)])
        while row is not None:
            leavings.users += 1
            yield row.rstrip(b"\r") + b"\n"
            row = next(rows, None)


def _keys(block: Block) -> list[bytes]:
    """The folded names of users to be changed, in whose order they must be."""
    if isinstance(block, NewUsers):
        names = block.columns[0]
    else:
        names = [(new if old is None else old)[0] for old, new in block]  # type: ignore[index]
    text = "\n".join(names)
    if text.isascii() and text.count("\n") == len(names) - 1:
        keys = text.lower().encode().split(b"\n")
    else:
        keys = [fold(name).encode(ENCODING, ERRORS) for name in names]
    assert all(map(lt, keys, keys[1:]))  # noqa: S101, what would be lost otherwise is somebody
    return keys


def _overtaken(user: Held | None) -> Unchanged:
    name = user[0] if user else ""
    return Unchanged(f"{name!a} has been changed by others meanwhile: nothing is changed, run it again")
