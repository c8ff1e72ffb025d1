"""A step taken back: whoever it changed is as before, in the very form that was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.changes.instore import InStore, overtaken
from nwauth.changes.step import Numbers
from nwauth.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from nwauth.changes.reading import Reading
    from nwauth.stores.base import Change, Store

MAX_LISTED = 20


class Undoing:
    """Takes a step back, in three steps of its own: `read`, `compare`, `apply`.

    `numbers` are those of the users who are to be as before; `as_before` are so already; `others` have been changed
    since, and some of them are named in `listed`.
    """

    def __init__(self, reading: Reading, store_of: Callable[[str, str], Store | None]) -> None:
        self.numbers: Final = Numbers()
        self.as_before = self.others = self.compared = 0
        self.listed: Final[list[str]] = []
        self._reading: Final = reading
        self._store_of: Final = store_of
        self._parts: Final[list[InStore]] = []
        self._renaming: Change | None = None

    def close(self) -> None:
        """Give the files back."""
        for part in self._parts:
            part.close()

    def read(self) -> None:
        """Find what the step has changed, of each user before the first change and after the last.

        Raises:
            Refused: it was made in a store that is not there, or that has not told the password to be brought back.
            Unavailable: its file cannot be read.
        """
        parts: dict[tuple[str, str], InStore] = {}
        for group in self._reading.groups:
            where = group.store, group.place
            if where not in parts:
                store = self._store_of(*where)
                if store is None:
                    raise Refused(
                        f"it was made in {group.place}, which is no store of nwauth.toml: name it there, or give the"
                        f" number of another step"
                    )
                parts[where] = InStore(store)
                self._parts.append(parts[where])
            for old, new in self._reading.held(group):
                parts[where].add(old, new)
        if len(self._parts) == 1:
            self._renaming = self._parts[0].renaming()

    def compare(self) -> None:
        """Find who stands in the store as the step has left them.  Raises Unavailable."""
        for part in self._parts:
            for before, after, there in part.beside_store():
                self.compared += 1
                if part.are_alike(there, before):
                    self.as_before += 1
                elif part.are_alike(there, after):
                    part.put_aside(there, before)
                    self.numbers.count([(there, before)])
                else:
                    self.others += 1
                    user = before or after
                    assert user is not None  # noqa: S101
                    if len(self.listed) < MAX_LISTED:
                        self.listed.append(user[0])

    def changes(self) -> Iterator[tuple[str, Change]]:
        """What is to be changed back, by name, each with the name of its store."""
        for part in self._parts:
            for change in part.back:
                yield part.store.name, change

    @property
    def wanted(self) -> int:
        """How many changes that takes: one, where a user gets the old name back."""
        return 1 if self._is_renaming() else self.numbers.all

    @property
    def found(self) -> int:
        """How many changes of the step are read."""
        return sum(part.count for part in self._parts)

    @property
    def given(self) -> int:
        """How many of those that take it back the stores have been given so far."""
        return sum(part.counted.given for part in self._parts)

    @property
    def done(self) -> int:
        """How many of them the stores have made, as far as is known."""
        return sum(part.done for part in self._parts)

    def _is_renaming(self) -> bool:
        return self._renaming is not None and self.numbers.all == 2

    def apply(self) -> None:
        """Take it back, in each store as a whole where the store can do that.

        Raises:
            Refused: the store cannot hold one of the users any more.
            Unavailable: it cannot be done now, or somebody has changed one of them this instant.
        """
        if self._renaming is not None and self._is_renaming():
            old, new = self._renaming
            assert old is not None  # noqa: S101
            assert new is not None  # noqa: S101
            done = self._parts[0].store.rename(new, old)
            if done:
                return
            if done is False:
                raise overtaken(old.name)
        for part in sorted(self._parts, key=lambda part: not part.adds):  # who is moved is in two rather than in none
            part.apply()
