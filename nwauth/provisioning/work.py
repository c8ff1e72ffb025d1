"""A plan applied: read and checked, compared with the store, and all that differs changed as one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import Record, User
from nwauth.names import ENCODING, ERRORS, fold, matcher
from nwauth.provisioning.differing import beside
from nwauth.provisioning.entries import Entry, Reader
from nwauth.provisioning.formats import Fault, Place
from nwauth.provisioning.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Final

    from nwauth.provisioning.differing import Keeping, Pair
    from nwauth.provisioning.formats import Raw
    from nwauth.stores.base import Change, Store

FEW_USERS = 1000  # so many are asked for one by one: a listing of the whole store takes longer


class Tally:
    """What has come of the plan so far; who is `created` is among the `changed`."""

    def __init__(self) -> None:
        self.read = 0
        self.created = self.changed = self.unchanged = self.removed = self.failed = 0
        self.pruned = self.in_scope = 0

    @property
    def differs(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changed or self.removed)


class Outcome(Record):
    """What a plan changes of one user: as it was and as it is, and the password that was made up; line 0: pruned."""

    __slots__ = ("generated", "line", "new", "old")
    SECRET = ("generated",)

    def __init__(self, *, old: User | None, new: User | None, line: int, generated: str) -> None:
        self.old: Final = old
        self.new: Final = new
        self.line: Final = line
        self.generated: Final = generated


class Applying:
    """Makes a store equal to a plan, in three steps: `read`, `compare`, `apply`."""

    def __init__(self, store: Store, reader: Reader, keeping: Keeping) -> None:
        self.tally: Final = Tally()
        self._store: Final = store
        self._reader: Final = reader
        self._keeping: Final = keeping
        self._entries: Final = Spool()
        self._changes: Final = Spool()
        self._faults: Final = Spool()

    def close(self) -> None:
        """Give the files back that lie aside."""
        for spool in (self._entries, self._changes, self._faults):
            spool.close()

    # --- the plan ---------------------------------------------------------------------------------------------------

    def read(self, found: Iterable[Raw | Fault]) -> None:
        """Read the plan and check it; what is wrong is in `faults` afterwards.

        Raises:
            BadPlan: nothing of it can be used.
            Unavailable: a store cannot tell now, or there is no room to put the users aside.
        """
        for one in self._reader.entries(found):
            if isinstance(one, Fault):
                self._fail(one.place, one.text, one.name)
            else:
                self.tally.read += 1
                self._entries.add(one.packed())
        self._find_twins()

    def _find_twins(self) -> None:
        last: tuple[Any, ...] = (b"", "", 0)
        for item in self._entries:
            if item[0] == last[0]:
                where = f"line {last[2]}" if last[2] else "above"
                self._fail(Place(item[2]), f"name: {item[1]!a} is there twice, on {where} as {last[1]!a}", item[1])
            else:
                last = item

    def faults(self) -> Iterator[tuple[Place, str, str]]:
        """Place, name and reason of all that cannot be used, by their places."""
        for (line, column, _), name, text in self._faults:
            yield Place(line, column), name, text

    def _fail(self, place: Place, text: str, name: str = "") -> None:
        self.tally.failed += 1
        self._faults.add(((place.line, place.column, self.tally.failed), name, text))

    # --- the store --------------------------------------------------------------------------------------------------

    def compare(self, *, prune: bool, allow_percent: float) -> None:
        """Find what differs; `prune`: who is in the scope and not in the plan is to go.

        Raises:
            Refused: it would remove more than `allow_percent` of the scope.
            Unavailable: the store cannot tell now.
        """
        matches = matcher(self._reader.scope) if self._reader.scope else None
        last = b""
        for entry, old in self._pairs(prune=prune):
            if entry is None:
                assert old is not None  # noqa: S101
                if matches is None or matches(fold(old.name)):
                    self.tally.in_scope += 1
                    if prune:
                        self.tally.pruned += 1
                        self._change(old, None)
                continue
            if entry.key == last:  # a twin: it has been told
                continue
            last = entry.key
            self.tally.in_scope += old is not None
            self._take(entry, old)
        pruned, scope = self.tally.pruned, self.tally.in_scope
        if pruned * 100 > allow_percent * scope:
            share = f"{pruned * 100 / scope:.1f} %"
            raise Refused(
                f"--prune would remove {pruned:,} of {scope:,} users in the scope ({share}), and {allow_percent:g} %"
                " are allowed: nothing is changed; --allow-prune PERCENT allows more"
            )

    def _pairs(self, *, prune: bool) -> Iterator[Pair]:
        if prune or self._entries.count > FEW_USERS:
            yield from beside(self._entries, self._store.search(self._reader.scope), self._known)
            return
        for item in self._entries:
            entry = Entry.of(item)
            yield entry, self._known(entry.name)

    def _known(self, name: str) -> User | None:
        """The user as the authority knows it: what is to be changed must not come from a replica."""
        found = self._store.lookup(name)
        return None if found is None else self._store.confirm(found)

    def _take(self, entry: Entry, old: User | None) -> None:
        try:
            new, generated = self._keeping.wanted(entry, old, self._reader.defaults)
        except Refused as error:
            self._fail(Place(entry.line), f"{entry.name!a}: {error}", entry.name)
            return
        if new is old or (new is None and old is None):
            self.tally.unchanged += 1
        else:
            self._change(old, new, line=entry.line, generated=generated)

    def _change(self, old: User | None, new: User | None, *, line: int = 0, generated: str = "") -> None:
        user = old or new
        assert user is not None  # noqa: S101
        self.tally.created += old is None
        self.tally.removed += new is None
        self.tally.changed += new is not None
        held = tuple(None if one is None else one.held() for one in (old, new))
        self._changes.add((fold(user.name).encode(ENCODING, ERRORS), *held, line, generated))

    # --- the changes ------------------------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[Outcome]:
        """What is changed, by name; deletions last."""
        store = self._store.name
        for removals in (False, True):
            for _, old, new, line, generated in self._changes:
                if (new is None) is removals:
                    yield Outcome(old=_user(old, store), new=_user(new, store), line=line, generated=generated)

    def apply(self, *, one_by_one: bool) -> None:
        """Make all the changes as one, or none; `one_by_one`: in a store that cannot do that, each by itself.

        Raises:
            Refused: the store cannot hold one of the users, or cannot change several as one.
            Unavailable: it cannot be done now, or somebody has changed one of them meanwhile.
        """
        changes = _Changes(self._changes, self._store.name)
        few = list(islice(changes, 2))
        if len(few) < 2:
            for change in few:
                self._change_one(*change)
            return
        try:
            self._store.change_all(changes)
        except NotSupported:
            if not one_by_one:
                raise Refused(
                    f"store {self._store.name} cannot change several users as one: nothing is changed; --keep-going"
                    " changes them one after the other"
                ) from None
            for change in changes:
                self._change_one(*change)

    def _change_one(self, old: User | None, new: User | None) -> None:
        if old is None:
            assert new is not None  # noqa: S101
            done = self._store.put(new)
        elif new is None:
            done = self._store.delete(old.name, only=old)
        else:
            done = self._store.replace(old, new)
        if not done:
            user = new if old is None else old
            assert user is not None  # noqa: S101
            raise Unavailable(f"{user.name!a} has been changed by others meanwhile: run it again")


class _Changes:
    """The changes in a spool, as often as they are gone through."""

    def __init__(self, spool: Spool, store: str) -> None:
        self._spool: Final = spool
        self._store: Final = store

    def __iter__(self) -> Iterator[Change]:
        for _, old, new, _, _ in self._spool:
            yield _user(old, self._store), _user(new, self._store)


def _user(held: tuple[str, ...] | None, store: str) -> User | None:
    return None if held is None else User.of(held, store=store)
