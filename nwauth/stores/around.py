"""A store around another one, which does the work: what changes the way of a question inherits it."""

from __future__ import annotations

from nwauth.stores.base import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nwauth.model import User
    from nwauth.stores.base import Change, Held


class Around(Store):
    """A store around another one, which does the work."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.name = inner.name
        self.waits = inner.waits
        self.hides_passwords = inner.hides_passwords

    def begin(self) -> None:
        self.inner.begin()

    def end(self) -> None:
        self.inner.end()

    def lookup(self, name: str) -> User | None:
        return self.inner.lookup(name)

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        return self.inner.verify(user, password, address=address)

    def confirm(self, user: User) -> User | None:
        return self.inner.confirm(user)

    def search(self, pattern: str = "") -> Iterator[User]:
        return self.inner.search(pattern)

    def held(self, pattern: str = "") -> Iterator[list[Held]]:
        return self.inner.held(pattern)  # whoever has a search of its own takes that of `Store`

    def count(self) -> int | None:
        return self.inner.count()

    def at(self, command: str) -> Store:
        there = self.inner.at(command)
        return self if there is self.inner else self._around(there)

    def _around(self, inner: Store) -> Store:
        """The same around another store."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, inner=inner)
        return other

    def taker(self, name: str) -> str:
        return self.inner.taker(name)

    def put(self, user: User) -> bool:
        return self.inner.put(user)

    def put_all(self, users: Sequence[User]) -> list[User]:
        return self.inner.put_all(users)

    def must_hold(self, new: User, old: User | None) -> None:
        self.inner.must_hold(new, old)

    def part(self, name: str) -> str:
        return self.inner.part(name)

    def change_all(self, changes: Iterable[Change]) -> None:
        self.inner.change_all(changes)

    def settle(self) -> None:
        self.inner.settle()

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self.inner.replace(old, new, wait_seconds=wait_seconds)

    def rename(self, old: User, new: User) -> bool | None:
        return self.inner.rename(old, new)

    def migrate(self, old: User, new: User) -> bool:
        return self.inner.migrate(old, new)

    def delete(self, name: str, *, only: User | None = None) -> bool:
        return self.inner.delete(name, only=only)

    def place(self) -> str:
        return self.inner.place()

    def make(self) -> bool:
        return self.inner.make()

    def tend(self) -> None:
        self.inner.tend()

    def close(self) -> None:
        self.inner.close()


def innermost(store: Store) -> Store:
    """The store that does the work, whatever is around it."""
    while isinstance(store, Around):
        store = store.inner
    return store
