"""What a step has changed in one store: read, compared with who stands there now, and changed back."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

from nwauth.changes.back import Back
from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import Info
from nwauth.names import fold
from nwauth.provisioning.spool import PART, Spool, place
from nwauth.provisioning.standing import FEW_USERS, Standing
from nwauth.stores.changes import Counted, users_of
from nwauth.stores.parts import by_part, change_one, change_together

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from nwauth.stores.base import Change, Held, Store
    from nwauth.stores.changes import HeldChange


class InStore:
    """What a step has changed in one store."""

    def __init__(self, store: Store) -> None:
        self.store: Final = store
        self._made: Final = Spool()
        self.adds = self.done = 0
        self._renamed: HeldChange | None = None
        self.back: Final = Back(store.name)
        self.counted: Final = Counted(self.back)

    @property
    def count(self) -> int:
        """How many changes of the step there are, one of a name counted twice."""
        return self._made.count

    def close(self) -> None:
        """Give the files back."""
        self._made.close()
        self.back.close()

    def add(self, old: Held | None, new: Held | None) -> None:
        """A change more; one of a name is a user who goes, and another who comes.

        Raises:
            Refused: a password went by it that the store had never told.
            Unavailable: there is no room to put it aside.
        """
        if self.store.hides_passwords and _is_password_lost(old, new):
            assert old is not None  # noqa: S101
            raise Refused(
                f"the password that {old[0]!a} had is not known: store {self.store.name} gives none out;"
                f" give a new one with nwauth user {'add' if new is None else 'passwd'}"
            )
        if old is not None and new is not None and fold(old[0]) != fold(new[0]):
            self._renamed = old, new
            self.add(old, None)
            self.add(None, new)
            return
        user = old or new
        assert user is not None  # noqa: S101
        self._made.add([PART.join((place(fold(user[0])), f"{self.count:012}", json.dumps((old, new))))])

    def renaming(self) -> Change | None:
        """The only change, if it was one of a name in one step: some stores keep more of a user than we know."""
        if self._renamed is None or self.count != 2:
            return None
        return next(users_of([self._renamed], self.store.name))

    def beside_store(self) -> Iterator[tuple[Held | None, Held | None, Held | None]]:
        """Of each user who differs by it: before, after, and what stands in the store now."""
        standing = Standing(self.store.held()) if self._made.count > FEW_USERS else None
        for key, before, after in self._net():
            names = dict.fromkeys(user[0] for user in (after, before) if user is not None)
            there = None
            if standing is not None:
                for _ in standing.before(key):
                    pass
                there = standing.at(key)
            if there is None:
                is_sure = standing is not None and not standing.odd and key.isascii()
            else:
                is_sure = there[0] in names
            yield before, after, there if is_sure else self._known(names)

    def _net(self) -> Iterator[tuple[str, Held | None, Held | None]]:
        for key, rows in groupby(self._made, lambda row: row[: row.index(PART)]):
            for before, after in _users_changed(json.loads(row.rpartition(PART)[2]) for row in rows):
                if before != after:
                    yield key, before and tuple(before), after and tuple(after)

    def _known(self, names: Iterable[str]) -> Held | None:
        """Who has the first of these names that anybody has; where case counts, a user may have had another."""
        for name in names:
            found = self.store.known(name)
            if found is not None:
                return found.held()
        return None

    def are_alike(self, one: Held | None, other: Held | None) -> bool:
        """Whether these are the same user, as far as the store tells."""
        if one is None or other is None or not self.store.hides_passwords:
            return one == other
        return _told(one) == _told(other)

    def put_aside(self, now: Held | None, then: Held | None) -> None:
        """A change that is to be made."""
        self.back.add(now, then)
        self.adds += now is None

    def apply(self) -> None:
        """Make the changes.  Raises as `Undoing.apply`."""
        if self.back.count < 2:
            self._change_each()
            return
        try:
            self.store.change_all(self.counted)
            self.done = self.back.count
        except NotSupported:
            self._change_each()

    def _change_each(self) -> None:
        """Part by part of the store, or one after the other.

        Who goes last, so that nobody who was given another name is gone in between.
        """
        for is_removal in (False, True):
            wanted = (change for change in self.back if (change[1] is None) is is_removal)
            for some in by_part(self.store, wanted, _name):
                if change_together(self.store, some):
                    self.done += len(some)
                    continue
                for now, then in some:
                    if not change_one(self.store, now, then):
                        raise overtaken(_name((now, then)))
                    self.done += 1


def _name(change: Change) -> str:
    """The name of the user whom a change is of."""
    now, then = change
    user = then if now is None else now
    assert user is not None  # noqa: S101
    return user.name


def _users_changed(changes: Iterable[HeldChange]) -> list[HeldChange]:
    """Of the changes of one folded name in their order: each user before the first and after the last.

    Where a store goes by case, `Bob` and `BOB` are two users: a change goes on with whom one before it has left so.
    """
    found: list[HeldChange] = []
    for old, new in changes:
        left = (at for at, (_, after) in enumerate(found) if (after and after[0]) == (old and old[0]))
        at = next(left, None)
        if at is None:
            found.append((old, new))
        else:
            found[at] = found[at][0], new
    return found


def _is_password_lost(old: Held | None, new: Held | None) -> bool:
    """Whether a change takes a password away from a user of a store that gives none out: nobody knows it any more."""
    return old is not None and (new is None or bool(new[1]))


def _told(user: Held) -> tuple[object, ...]:
    """What a store that hides passwords tells of a user, in whatever way it writes the info fields."""
    name, _, drop_path, uid, ip_mask, info = user
    fields = {label.lower(): value for label, value in Info(info).fields().items() if value}
    return name, drop_path, uid, ip_mask, fields


def overtaken(name: str) -> Unavailable:
    """What to raise where somebody else has changed a user this instant."""
    return Unavailable(f"{name!a} has been changed by others this instant")
