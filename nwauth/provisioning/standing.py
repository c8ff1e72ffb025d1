"""The users who stand in a store, in the order of plans: what the entries of a plan are laid beside."""

from __future__ import annotations

from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

from nwauth.names import fold
from nwauth.provisioning.spool import place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from nwauth.stores.base import Held

FEW_USERS = 1000  # so many are asked for one by one: a listing of the whole store takes longer


class Standing:
    """The users who stand in a store, in the order of plans, as what the store holds of them.

    Whose place in the order is not the same in all stores gathers in `odd`, by folded name.
    """

    def __init__(self, blocks: Iterator[list[Held]]) -> None:
        self._blocks: Final = blocks
        self._keys: list[str] = []
        self._users: list[Held] = []
        self._at = 0
        self._last = ""
        self._ended = False
        self.odd: Final[dict[str, Held]] = {}

    def is_over(self) -> bool:
        """Whether nobody is left, here or in `odd`."""
        return not self.odd and not self._has(1)

    def take_alike(self, users: list[Held | None], start: int) -> int:
        """Take the next as long as they are just these, from `start` on; how many that were."""
        if not self._has(1) or self._users[self._at] != users[start]:
            return 0
        wanted = users[start:]
        self._has(len(wanted))
        found = self._users[self._at : self._at + len(wanted)]
        if found != wanted:
            differing = (at for at, (mine, other) in enumerate(zip(found, wanted, strict=False)) if mine != other)
            found = found[: next(differing, len(found))]
        self._at += len(found)
        return len(found)

    def before(self, key: str | None) -> Iterator[Held]:
        """Take those whose place is before `key`; None: all."""
        while self._has(1) and (key is None or self._keys[self._at] < key):
            self._at += 1
            yield self._users[self._at - 1]

    def at(self, key: str) -> Held | None:
        """Take the one whose place that is."""
        if not self._has(1) or self._keys[self._at] != key:
            return None
        self._at += 1
        return self._users[self._at - 1]

    def _has(self, count: int) -> bool:
        while len(self._users) - self._at < count and not self._ended:
            self._read()
        return len(self._users) - self._at >= count

    def _read(self) -> None:
        users = next(self._blocks, None)
        if users is None:
            self._ended = True
            return
        if self._at:
            del self._users[: self._at], self._keys[: self._at]
            self._at = 0
        keys = _keys_of(users)
        if keys is not None and keys[0] > self._last:
            self._users += users
            self._keys += keys
            self._last = keys[-1]
        else:
            self._sort_out(users)

    def _sort_out(self, users: list[Held]) -> None:
        for user in users:
            folded = fold(user[0])
            key = place(folded)
            if folded.isprintable() and key > self._last:
                self._users.append(user)
                self._keys.append(key)
                self._last = key
            else:
                self.odd.setdefault(folded, user)


def _keys_of(users: list[Held]) -> list[str] | None:
    """The places of users, if these are in order and their names plain."""
    text = "\n".join([user[0] for user in users])
    if not text.isascii() or text.count("\n") != len(users) - 1 or not text.replace("\n", "").isprintable():
        return None
    keys = text.lower().split("\n")
    return keys if in_order(keys) else None


def in_order(keys: list[str]) -> bool:
    """Whether each is behind the one before it."""
    return all(map(lt, keys, islice(keys, 1, None)))
