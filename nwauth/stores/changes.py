"""Many changes to be made as one (`Store.change_all`), as what a store holds of each user: text, and no `User`."""

from __future__ import annotations

from abc import abstractmethod
from itertools import islice

from nwauth.model import User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Final, Self, TypeAlias

    from nwauth.stores.base import Change, Held

    HeldChange = tuple[Held | None, Held | None]
    Block: TypeAlias = "list[HeldChange] | NewUsers"  # none is empty

BLOCK_CHANGES = 1000


class NewUsers:
    """Changes of which all are of new users, as nearly all are where there are many: what is held of these, by columns.

    Who has a use for columns is spared the making of a million tuples.
    """

    def __init__(self, columns: Sequence[Sequence[str]]) -> None:
        self.columns: Final = columns

    @classmethod
    def of(cls, users: Sequence[Held]) -> Self:
        """The same of some users, of one at least."""
        return cls([*zip(*users, strict=True)])

    @property
    def users(self) -> list[Held]:
        """What is held of each."""
        return list(zip(*self.columns, strict=True))

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[HeldChange]:
        return ((None, user) for user in self.users)


class Changes:
    """Changes that can be gone through as often as wanted: as users, or, in a tenth of the time, as what is held."""

    def __init__(self, store: str) -> None:
        self.store: Final = store

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """All of them, many at a time; none of the blocks is empty."""

    def __iter__(self) -> Iterator[Change]:
        return (change for block in self.blocks() for change in users_of(block, self.store))


class Counted(Changes):
    """The same changes; `given` counts those that were given out since they are gone through this time."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes.store)
        self._changes: Final = changes
        self.given = 0

    def blocks(self) -> Iterator[Block]:
        """All of them, many at a time."""
        self.given = 0
        for block in self._changes.blocks():
            yield block
            self.given += len(block)


def users_of(changes: Iterable[HeldChange], store: str) -> Iterator[Change]:
    """The same changes as users of a store."""
    for old, new in changes:
        yield (
            None if old is None else User.of(old, store=store),
            None if new is None else User.of(new, store=store),
        )


def blocks_of(changes: Iterable[Change]) -> Iterator[Block]:
    """What is held before and after each change, many at a time."""
    if isinstance(changes, Changes):
        yield from changes.blocks()
        return
    rest = iter(changes)
    while some := list(islice(rest, BLOCK_CHANGES)):
        yield [(None if old is None else old.held(), None if new is None else new.held()) for old, new in some]
