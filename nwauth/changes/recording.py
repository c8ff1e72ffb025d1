"""A store around another one, through which every change of a command passes: the recorder is told of each."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nwauth.errors import NotSupported, Refused, Unavailable, Unchanged
from nwauth.stores.around import Around
from nwauth.stores.changes import Changes, NewUsers, blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Final

    from nwauth.changes.recorder import Recorder
    from nwauth.model import User
    from nwauth.stores.base import Change, Held, Store
    from nwauth.stores.changes import Block

MAX_TRIES = 16  # of a deletion that others overtake


class Recording(Around):
    """A store every change of which is recorded.

    It stands around each store by itself, below the routes: what these do to move a user at login is a `put` here.
    """

    def __init__(self, inner: Store, recorder: Recorder) -> None:
        super().__init__(inner)
        self._recorder: Final = recorder

    def held(self, pattern: str = "") -> Iterator[list[Held]]:
        return self.inner.held(pattern)

    def put(self, user: User) -> bool:
        return bool(self._one(None, user, lambda: self.inner.put(user)))

    def put_all(self, users: Sequence[User]) -> list[User]:
        if not users:
            return []
        self._begin(NewUsers.of([user.held() for user in users]))
        try:
            taken = self.inner.put_all(users)
        except BaseException:
            self._recorder.in_doubt()
            raise
        places = {id(user): at for at, user in enumerate(users)}
        but = sorted(places[id(user)] for user in taken)
        if len(but) < len(users):
            self._recorder.made(but=but)
        else:
            self._recorder.not_made()
        return taken

    def settle(self) -> None:
        self._recorder.settle(self.inner)

    def change_all(self, changes: Iterable[Change]) -> None:
        written = _Written(changes, self._recorder, store=self.inner.name)
        self._recorder.begin(self.inner, whole=True)
        try:
            with self._asking():
                self.inner.change_all(written)
        except Unavailable as error:
            if written.is_ready or isinstance(error, Unchanged):
                raise
            raise Unchanged(f"{error}; nothing is changed") from error  # it has not been given all of them yet
        if written.count:
            assert written.is_ready  # noqa: S101, whatever the store has not been given it cannot have made
            self._recorder.made()
        else:
            self._recorder.not_made()

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return bool(self._one(old, new, lambda: self.inner.replace(old, new, wait_seconds=wait_seconds)))

    def rename(self, old: User, new: User) -> bool | None:
        return self._one(old, new, lambda: self.inner.rename(old, new))

    def delete(self, name: str, *, only: User | None = None) -> bool:
        for _ in range(MAX_TRIES):
            old = only if only is not None else self.inner.known(name)
            if old is None:
                return False
            if self._delete(name, old):
                return True
            if only is not None:
                return False
        raise Unavailable(f"{name!a} keeps being changed by others, try again")

    def _delete(self, name: str, old: User) -> bool:
        return bool(self._one(old, None, lambda: self.inner.delete(name, only=old)))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """The store is asked for a change that is written down: what it refuses it has not made, all else is open."""
        try:
            yield
        except (Refused, NotSupported, Unchanged):
            self._recorder.not_made()
            raise
        except BaseException:
            self._recorder.in_doubt()
            raise

    def _begin(self, changes: Block) -> None:
        self._recorder.begin(self.inner)
        self._recorder.add(changes)
        self._recorder.ready()

    def _one(self, old: User | None, new: User | None, work: Callable[[], bool | None]) -> bool | None:
        self._begin([(None if old is None else old.held(), None if new is None else new.held())])
        with self._asking():
            done = work()
        if done:
            self._recorder.made()
        else:
            self._recorder.not_made()
        return done


class _Written(Changes):
    """Changes that are written down the first time that the store goes through all of them.

    It needs them all before it can make any of them last: what makes all or none cannot do otherwise.
    """

    def __init__(self, changes: Iterable[Change], recorder: Recorder, *, store: str) -> None:
        super().__init__(store)
        self._changes: Final = changes
        self._recorder: Final = recorder
        self._begun = False
        self.is_ready = False
        self.count = 0

    def blocks(self) -> Iterator[Block]:
        """All of them, many at a time."""
        if self.is_ready:
            yield from blocks_of(self._changes)
            return
        if self._begun:
            self._recorder.restart()
        self._begun = True
        self.count = 0
        for block in blocks_of(self._changes):
            self._recorder.add(block)
            self.count += len(block)
            yield block
        self._recorder.ready()
        self.is_ready = True
