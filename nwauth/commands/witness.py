"""Stores around the store: one writes down what changes, one only rehearses it.

So a command runs the service's own code for a dry run too, and what it prints is what the store was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.names import fold
from nwauth.stores.around import Around

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.base import Change, Store


class Rehearsal(Around):
    """Answers as the inner store would, and changes nothing, not even by tending it."""

    def put(self, user: User) -> bool:
        return self.inner.known(user.name) is None

    def change_all(self, changes: Iterable[Change]) -> None:
        del changes

    def put_all(self, users: Sequence[User]) -> list[User]:
        seen: set[str] = set()
        taken: list[User] = []
        for user in users:
            if fold(user.name) in seen or self.inner.known(user.name) is not None:
                taken.append(user)
            seen.add(fold(user.name))
        return taken

    def settle(self) -> None:
        """Nothing: nothing was added."""

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        del new, wait_seconds
        return self.inner.known(old.name) == old

    def rename(self, old: User, new: User) -> bool | None:
        return self.inner.known(new.name) is None and self.inner.known(old.name) == old

    def delete(self, name: str, *, only: User | None = None) -> bool:
        found = self.inner.known(name)
        return found is not None and only in (None, found)

    def tend(self) -> None:
        """Nothing: tending writes."""


class Witness(Around):
    """Keeps what was changed: each user as it was and as it is, None for "not there"."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.changes: Final[list[tuple[User | None, User | None]]] = []

    def put(self, user: User) -> bool:
        return self._kept(None, user, done=self.inner.put(user))

    def put_all(self, users: Sequence[User]) -> list[User]:
        taken = self.inner.put_all(users)
        left_out = set(map(id, taken))
        self.changes.extend((None, user) for user in users if id(user) not in left_out)
        return taken

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self._kept(old, new, done=self.inner.replace(old, new, wait_seconds=wait_seconds))

    def rename(self, old: User, new: User) -> bool | None:
        done = self.inner.rename(old, new)
        self._kept(old, new, done=bool(done))
        return done

    def delete(self, name: str, *, only: User | None = None) -> bool:
        old = self.inner.known(name) if only is None else only
        return self._kept(old, None, done=self.inner.delete(name, only=only))

    def _kept(self, old: User | None, new: User | None, *, done: bool) -> bool:
        if done:
            self.changes.append((old, new))
        return done
