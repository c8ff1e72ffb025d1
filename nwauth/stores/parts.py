"""Many changes of a store that cannot make all of them as one: those of one part of it together (`Store.part`)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from nwauth.errors import NotSupported, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nwauth.model import User
    from nwauth.stores.base import Change, Store

    T = TypeVar("T")

WINDOW_CHANGES = 20_000  # so many are held in memory, and a file is written anew once for those of them that are its


def by_part(store: Store, changes: Iterable[T], name_of: Callable[[T], str]) -> Iterator[list[T]]:
    """The same changes, those of one part of the store together, as far as they come not too long after each other."""
    left = iter(changes)
    while window := list(islice(left, WINDOW_CHANGES)):
        parts: dict[str, list[T]] = {}
        for change in window:
            parts.setdefault(store.part(name_of(change)), []).append(change)
        yield from parts.values()


def change_one(store: Store, old: User | None, new: User | None) -> bool:
    """Make one change by itself; False: the user is not as `old` says any more, and nothing is changed.

    Raises:
        NwauthError: as `Store.put`, `Store.replace` and `Store.delete` do.
    """
    if old is not None and new is not None:
        return store.replace(old, new)
    if old is not None:
        return store.delete(old.name, only=old)
    return new is not None and store.put(new)


def change_together(store: Store, changes: Sequence[Change]) -> bool:
    """Make several changes of one part as one; False: the store has made none, and each must be made by itself.

    Raises:
        Unavailable: as `Store.change_all` does.
    """
    if len(changes) < 2:
        return False
    try:
        store.change_all(changes)
    except (NotSupported, Refused):
        return False
    return True
