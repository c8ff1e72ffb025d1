"""A step taken back: whoever it changed is as before, in the very form that was stored."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

from nwauth.changes.step import Numbers
from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import Info
from nwauth.names import fold
from nwauth.provisioning.spool import PART, Spool, place
from nwauth.provisioning.standing import Standing
from nwauth.stores.changes import BLOCK_CHANGES, Changes, Counted, users_of
from nwauth.stores.parts import by_part, change_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final

    from nwauth.changes.reading import Reading
    from nwauth.model import User
    from nwauth.stores.base import Change, Held, Store
    from nwauth.stores.changes import Block, HeldChange

FEW_USERS = 1000  # so many are asked for one by one: a listing of the whole store takes longer
MAX_LISTED = 20


class Undoing:
    """Takes a step back, in three steps of its own: `read`, `compare`, `apply`.

    `numbers` are those of the users who are to be as before; `as_before` are so already; `others` have been changed
    since, and some of them are named in `listed`.
    """

    def __init__(self, reading: Reading, store_of: Callable[[str, str], Store | None]) -> None:
        self.numbers: Final = Numbers()
        self.as_before = self.others = self.compared = 0
        self.listed: Final[list[str]] = []
        self._reading: Final = reading
        self._store_of: Final = store_of
        self._parts: Final[list[_Part]] = []
        self._renaming: Change | None = None

    def close(self) -> None:
        """Give the files back."""
        for part in self._parts:
            part.close()

    def read(self) -> None:
        """Find what the step has changed, of each user before the first change and after the last.

        Raises:
            Refused: it was made in a store that is not there, or that has not told the password to be brought back.
            Unavailable: its file cannot be read.
        """
        parts: dict[tuple[str, str], _Part] = {}
        for group in self._reading.groups:
            where = group.store, group.place
            if where not in parts:
                store = self._store_of(*where)
                if store is None:
                    raise Refused(
                        f"it was made in {group.place}, which is no store of nwauth.toml: name it there, or give the"
                        f" number of another step"
                    )
                parts[where] = _Part(store, store.name)  # what it is called now: users are compared with theirs
                self._parts.append(parts[where])
            for old, new in self._reading.held(group):
                parts[where].add(old, new)
        if len(self._parts) == 1:
            self._renaming = self._parts[0].renaming()

    def compare(self) -> None:
        """Find who stands in the store as the step has left them.  Raises Unavailable."""
        for part in self._parts:
            for before, after, there in part.beside_store():
                self.compared += 1
                if part.are_alike(there, before):
                    self.as_before += 1
                elif part.are_alike(there, after):
                    part.put_aside(there, before)
                    self.numbers.count([(there, before)])
                else:
                    self.others += 1
                    user = before or after
                    assert user is not None  # noqa: S101
                    if len(self.listed) < MAX_LISTED:
                        self.listed.append(user[0])

    def changes(self) -> Iterator[tuple[str, Change]]:
        """What is to be changed back, by name, each with the name of its store."""
        for part in self._parts:
            for change in part.back:
                yield part.store.name, change

    @property
    def wanted(self) -> int:
        """How many changes that takes: one, where a user gets the old name back."""
        return 1 if self._is_renaming() else self.numbers.all

    @property
    def found(self) -> int:
        """How many changes of the step are read."""
        return sum(part.count for part in self._parts)

    @property
    def given(self) -> int:
        """How many of those that take it back the stores have been given so far."""
        return sum(part.counted.given for part in self._parts)

    @property
    def done(self) -> int:
        """How many of them the stores have made, as far as is known."""
        return sum(part.done for part in self._parts)

    def _is_renaming(self) -> bool:
        return self._renaming is not None and self.numbers.all == 2

    def apply(self) -> None:
        """Take it back, in each store as a whole where the store can do that.

        Raises:
            Refused: the store cannot hold one of the users any more.
            Unavailable: it cannot be done now, or somebody has changed one of them this instant.
        """
        if self._renaming is not None and self._is_renaming():
            old, new = self._renaming
            assert old is not None  # noqa: S101
            assert new is not None  # noqa: S101
            done = self._parts[0].store.rename(new, old)
            if done:
                return
            if done is False:
                raise overtaken(old.name)
        for part in sorted(self._parts, key=lambda part: not part.adds):  # who is moved is in two rather than in none
            part.apply()


class _Part:
    """What a step has changed in one store."""

    def __init__(self, store: Store, name: str) -> None:
        self.store: Final = store
        self._name: Final = name
        self._made: Final = Spool()
        self._waiting: list[str] = []
        self.count = self.adds = self.done = 0
        self._renamed: HeldChange | None = None
        self.back: Final = _Back(name)
        self.counted: Final = Counted(self.back)

    def close(self) -> None:
        """Give the files back."""
        self._made.close()
        self.back.close()

    def add(self, old: Held | None, new: Held | None) -> None:
        """A change more; one of a name is a user who goes, and another who comes.

        Raises:
            Refused: a password went by it that the store had never told.
        """
        if self.store.hides_passwords and _is_password_lost(old, new):
            assert old is not None  # noqa: S101
            raise Refused(
                f"the password that {old[0]!a} had is not known: store {self._name} gives none out;"
                f" give a new one with nwauth user {'add' if new is None else 'passwd'}"
            )
        if old is not None and new is not None and fold(old[0]) != fold(new[0]):
            self._renamed = old, new
            self.add(old, None)
            self.add(None, new)
            return
        user = old or new
        assert user is not None  # noqa: S101
        self._waiting.append(PART.join((place(fold(user[0])), f"{self.count:012}", json.dumps((old, new)))))
        self.count += 1
        if len(self._waiting) >= BLOCK_CHANGES:
            self._flush()

    def _flush(self) -> None:
        self._made.add(self._waiting)
        self._waiting = []

    def renaming(self) -> Change | None:
        """The only change, if it was one of a name in one step: some stores keep more of a user than we know."""
        if self._renamed is None or self.count != 2:
            return None
        return next(users_of([self._renamed], self._name))

    def beside_store(self) -> Iterator[tuple[Held | None, Held | None, Held | None]]:
        """Of each user who differs by it: before, after, and what stands in the store now."""
        self._flush()
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
        self.back.flush()
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
                    self._change_one(now, then)
                    self.done += 1

    def _change_one(self, now: User | None, then: User | None) -> None:
        if now is None:
            assert then is not None  # noqa: S101
            done = self.store.put(then)
        elif then is None:
            done = self.store.delete(now.name, only=now)
        else:
            done = self.store.replace(now, then)
        if not done:
            raise overtaken(_name((now, then)))


def _name(change: Change) -> str:
    """The name of the user whom a change is of."""
    now, then = change
    user = then if now is None else now
    assert user is not None  # noqa: S101
    return user.name


class _Back(Changes):
    """The changes that take a step back, put aside in their order."""

    def __init__(self, store: str) -> None:
        super().__init__(store)
        self.count = 0
        self._rows: Final = Spool()
        self._waiting: list[str] = []

    def close(self) -> None:
        """Give the file back."""
        self._rows.close()

    def add(self, now: Held | None, then: Held | None) -> None:
        """One more."""
        user = now or then
        assert user is not None  # noqa: S101
        self._waiting.append(PART.join((place(fold(user[0])), json.dumps((now, then)))))
        self.count += 1
        if len(self._waiting) >= BLOCK_CHANGES:
            self.flush()

    def flush(self) -> None:
        """All that was added is there."""
        self._rows.add(self._waiting)
        self._waiting = []

    def blocks(self) -> Iterator[Block]:
        """All of them, by name."""
        self.flush()
        for rows in self._rows.blocks():
            said = [json.loads(row.rpartition(PART)[2]) for row in rows]
            yield [(now and tuple(now), then and tuple(then)) for now, then in said]


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
