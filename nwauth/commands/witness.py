"""Stores around the store: one writes down what changes, one only rehearses it.

So a command runs the service's own code for a dry run too, and what it prints is what the store was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.stores.base import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from nwauth.model import User


class Around(Store):
    """A store around another one, which does the work."""

    def __init__(self, inner: Store) -> None:
        self.inner: Final = inner
        self.name = inner.name

    def lookup(self, name: str) -> User | None:
        return self.inner.lookup(name)

    def verify(self, user: User, password: bytes) -> bool | None:
        return self.inner.verify(user, password)

    def search(self) -> Iterator[User]:
        return self.inner.search()

    def put(self, user: User) -> bool:
        return self.inner.put(user)

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self.inner.replace(old, new, wait_seconds=wait_seconds)

    def delete(self, name: str) -> bool:
        return self.inner.delete(name)

    def tend(self) -> None:
        self.inner.tend()

    def close(self) -> None:
        self.inner.close()


class Rehearsal(Around):
    """Answers as the inner store would, and changes nothing, not even by tending it."""

    def put(self, user: User) -> bool:
        return self.inner.lookup(user.name) is None

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        del new, wait_seconds
        return self.inner.lookup(old.name) == old

    def delete(self, name: str) -> bool:
        return self.inner.lookup(name) is not None

    def tend(self) -> None:
        """Nothing: tending writes."""


class Witness(Around):
    """Keeps what was changed: each user as it was and as it is, None for "not there"."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.changes: Final[list[tuple[User | None, User | None]]] = []

    def put(self, user: User) -> bool:
        return self._kept(None, user, done=self.inner.put(user))

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self._kept(old, new, done=self.inner.replace(old, new, wait_seconds=wait_seconds))

    def delete(self, name: str) -> bool:
        old = self.inner.lookup(name)
        return self._kept(old, None, done=self.inner.delete(name))

    def _kept(self, old: User | None, new: User | None, *, done: bool) -> bool:
        if done:
            self.changes.append((old, new))
        return done
