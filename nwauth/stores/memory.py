"""A store in a dict: the model that the others are tested against, with a switch for the third outcome."""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.names import fold
from nwauth.stores.base import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nwauth.model import User


class MemoryStore(Store):
    """Users in a dict by folded name.  While `down` is set, every question is answered "cannot tell"."""

    def __init__(self, users: Iterable[User] = (), *, name: str = "memory") -> None:
        self.name = name
        self.down: str | None = None
        self._users = {fold(user.name): self._own(user) for user in users}

    def _must_be_up(self) -> None:
        if self.down is not None:
            raise Unavailable(self.down)

    def _own(self, user: User) -> User:
        return user if user.store == self.name else user.changed(store=self.name)

    def lookup(self, name: str) -> User | None:
        self._must_be_up()
        return self._users.get(fold(name))

    def search(self, pattern: str = "") -> Iterator[User]:
        self._must_be_up()
        yield from (user for _, user in sorted(self._users.items()))

    def put(self, user: User) -> bool:
        self._must_be_up()
        if fold(user.name) in self._users:
            return False
        self._users[fold(user.name)] = self._own(user)
        return True

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        self._must_be_up()
        if self._users.get(fold(old.name)) != old:
            return False
        self._users[fold(old.name)] = self._own(new)
        return True

    def delete(self, name: str, *, only: User | None = None) -> bool:
        self._must_be_up()
        if only is not None and self._users.get(fold(name)) != only:
            return False
        return self._users.pop(fold(name), None) is not None
