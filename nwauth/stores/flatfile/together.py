"""Many changes as one: the user file with all of them, put in the place of the old by one rename.

The journal's lines count before the user file's, and it is put aside behind that rename.  So that a crash between the
two brings back nothing, the journal must speak of none of the users who are changed: where it does, it is merged first.
"""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.merge import merge_once
from nwauth.stores.flatfile.rewrite import Overtaken, rewriting
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.base import Change
    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile
    from nwauth.stores.flatfile.settling import Settling

    Keyed = tuple[bytes, User | None, User | None]


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

    def _keyed(self) -> Iterator[Keyed]:
        last = b""
        for old, new in self._changes:
            user = new if old is None else old
            assert user is not None  # noqa: S101
            key = fold(user.name).encode(ENCODING, ERRORS)
            assert key > last  # noqa: S101, what would be lost otherwise is somebody
            last = key
            yield key, old, new

    def must_not_touch(self, keys: Collection[bytes]) -> None:
        """Raises Touched where one of these names is to be changed."""
        if keys and any(key in keys for key, _, _ in self._keyed()):
            raise Touched

    def over(self, rows: Iterable[bytes]) -> Iterator[bytes]:
        """The lines, ordered by name, with the changes made.

        Raises:
            Unavailable: somebody is not as the changes say.
        """
        waiting = self._keyed()
        change = next(waiting, None)
        for row in rows:
            key = key_of(row)
            while change is not None and change[0] < key:
                yield from _changed(change, None)
                change = next(waiting, None)
            if change is not None and change[0] == key:
                yield from _changed(change, row)
                change = next(waiting, None)
            else:
                yield row
        while change is not None:
            yield from _changed(change, None)
            change = next(waiting, None)


def _changed(change: Keyed, row: bytes | None) -> Iterator[bytes]:
    """The line that comes in the place of `row`, if one does."""
    _, old, new = change
    there = None if row is None else lines.parse(row, "").held()
    if there != (None if old is None else old.held()):
        user = new if old is None else old
        assert user is not None  # noqa: S101
        raise Unavailable(f"{user.name!a} has been changed by others meanwhile: nothing is changed, run it again")
    if new is not None:
        yield lines.serialize(new)
