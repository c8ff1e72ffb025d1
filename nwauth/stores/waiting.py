"""A store that waits while another program writes: for commands, behind which nobody waits."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from nwauth.errors import Passing
from nwauth.stores.around import Around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.base import Change, Held, Store

    Result = TypeVar("Result")

STEP_SECONDS = 0.1


class Waiting(Around):
    """A store that asks again what cannot be told while another program writes, for `seconds` in all.

    A listing waits for its first users only: those who have been given out cannot be taken back.  `put_all` does not
    wait: some of its users may have been added.
    """

    def __init__(self, inner: Store, *, seconds: float) -> None:
        super().__init__(inner)
        self._seconds: Final = seconds
        self._until: float | None = None  # by the monotonic clock, from the first time on

    def lookup(self, name: str) -> User | None:
        return self._asked(lambda: self.inner.lookup(name))

    def confirm(self, user: User) -> User | None:
        return self._asked(lambda: self.inner.confirm(user))

    def search(self, pattern: str = "") -> Iterator[User]:
        return self._asked(lambda: _begun(self.inner.search(pattern)))

    def held(self, pattern: str = "") -> Iterator[list[Held]]:
        return self._asked(lambda: _begun(self.inner.held(pattern)))

    def count(self) -> int | None:
        return self._asked(self.inner.count)

    def put(self, user: User) -> bool:
        return self._asked(lambda: self.inner.put(user))

    def must_hold(self, new: User, old: User | None) -> None:
        self._asked(lambda: self.inner.must_hold(new, old))

    def change_all(self, changes: Iterable[Change]) -> None:
        self._asked(lambda: self.inner.change_all(changes))

    def settle(self) -> None:
        self._asked(self.inner.settle)

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self._asked(lambda: self.inner.replace(old, new, wait_seconds=wait_seconds))

    def rename(self, old: User, new: User) -> bool | None:
        return self._asked(lambda: self.inner.rename(old, new))

    def migrate(self, old: User, new: User) -> bool:
        return self._asked(lambda: self.inner.migrate(old, new))

    def delete(self, name: str, *, only: User | None = None) -> bool:
        return self._asked(lambda: self.inner.delete(name, only=only))

    def _asked(self, work: Callable[[], Result]) -> Result:
        while True:
            try:
                return work()
            except Passing:
                now = time.monotonic()
                if self._until is None:
                    self._until = now + self._seconds
                if now >= self._until:
                    raise
                time.sleep(STEP_SECONDS)


def _begun(found: Iterator[Result]) -> Iterator[Result]:
    """The same, of which the first is known."""
    first = next(found, None)
    return iter(()) if first is None else chain([first], found)
