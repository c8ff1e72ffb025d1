"""A plan applied: read and checked, compared with the store, and all that differs changed as one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import User
from nwauth.names import fold
from nwauth.provisioning.aside import Aside
from nwauth.provisioning.keeping import OfMany
from nwauth.provisioning.making import Making
from nwauth.provisioning.parts import NOWHERE, BadPlan, Fault, Place, shown
from nwauth.provisioning.plain import line_of
from nwauth.provisioning.spool import PART, Spool
from nwauth.provisioning.standing import FEW_USERS, Standing, in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from nwauth.provisioning.aside import Outcome
    from nwauth.provisioning.entries import Reader
    from nwauth.provisioning.keeping import Keeping
    from nwauth.provisioning.parts import Raw, Rows
    from nwauth.stores.base import Held, Store


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


class Applying:
    """Makes a store equal to a plan, in three steps: `read`, `compare`, and ``making.apply``.

    `tells_unchanged`: those who are as the plan says are remembered, for `unchanged`.
    """

    def __init__(self, store: Store, reader: Reader, keeping: Keeping, *, tells_unchanged: bool = False) -> None:
        self.tally: Final = Tally()
        self._store: Final = store
        self._reader: Final = reader
        self._keeping: Final = keeping
        self._entries: Final = Spool()
        self.changes: Final = Aside(reader, store.name)
        self.making: Final = Making(store, self.changes, fails=self._refuse_one)
        self._faults: Final = Spool()
        self._unchanged: Final = Spool()
        self._tells_unchanged: Final = tells_unchanged
        self._mixed = False  # whether rows are there that the reader's `plain` has not made
        self._last_key, self._last_row = "", ""
        self.has_generated = False  # whether a password was made up that nobody knows yet
        self.is_refused = False  # whether something is wrong with the whole of it: no user of it may be changed

    def close(self) -> None:
        """Give the files back that lie aside."""
        for spool in (self._entries, self.changes, self._faults, self._unchanged):
            spool.close()

    # --- the plan ---------------------------------------------------------------------------------------------------

    def read(self, found: Iterable[Raw | Rows | Fault]) -> None:
        """Read the plan and check it; what is wrong is in `faults` afterwards.

        Raises:
            Unavailable: a store cannot tell now, or there is no room to put the users aside.
        """
        try:
            for one in self._reader.entries(found, takes_plain=self._keeping.takes_plain):
                if isinstance(one, Fault):
                    self._fail(one)
                    continue
                rows = one if isinstance(one, list) else [one.row()]
                self._mixed = self._mixed or rows is not one
                self.tally.read += len(rows)
                self._entries.add(rows)
        except BadPlan as error:
            self.refuse(str(error), error.place)

    def refuse(self, text: str, place: Place = NOWHERE, *, name: str = "") -> None:
        """The whole of it cannot be done, because of the user `name` perhaps."""
        self._fail(Fault(place, text, name=name, is_of_all=True))

    def faults(self) -> Iterator[Fault]:
        """All that cannot be used, by their places."""
        for row in self._faults:
            line, column, name, text, is_same = json.loads(row.rpartition(PART)[2])
            yield Fault(Place(line, column), text, name=name, is_same=is_same)

    def _fail(self, fault: Fault) -> None:
        self.tally.failed += 1
        self.is_refused = self.is_refused or fault.is_of_all
        line, column = fault.place.line, fault.place.column
        key = f"{line:012} {column:012} {self.tally.failed:012}"
        said = json.dumps((line, column, fault.name, fault.text, fault.is_same))
        self._faults.add([PART.join((key, said))])

    # --- the store --------------------------------------------------------------------------------------------------

    def compare(self, *, prune: bool, allow_percent: float) -> None:
        """Find what differs; `prune`: who is in the scope and not in the plan is to go, unless the plan has errors.

        Where it would remove more than `allow_percent` of the scope, that is a fault.

        Raises:
            Unavailable: the store cannot tell now.
        """
        if prune or self._entries.count > FEW_USERS:
            self._compare_all(prune=prune)
        else:
            for row in self._entries:
                self._take(row, self._fresh([row])[0], self._known(row))
        tally = self.tally
        if tally.failed:  # whom a bad line means is not known
            tally.removed -= tally.pruned
            tally.pruned = 0
            self.changes.drop_pruned()
        if tally.pruned * 100 > allow_percent * tally.in_scope:
            share = f"{tally.pruned * 100 / tally.in_scope:.1f} %"
            self.refuse(
                f"--prune would remove {tally.pruned:,} of {tally.in_scope:,} users in the scope ({share}), and"
                f" {allow_percent:g} % are allowed: --allow-prune PERCENT allows more"
            )

    def _fresh(self, rows: list[str]) -> list[Held | None]:
        return self._reader.plain.new_users(rows, self._reader.defaults, mixed=self._mixed)

    def _compare_all(self, *, prune: bool) -> None:
        """The entries beside the users who stand there, both in their order.

        Stores order what is no plain text differently, and somebody else's table may fold other letters than we do:
        whoever of these is not met beside the entry is asked for.
        """
        standing = Standing(self._store.held(self._reader.scope))
        asked: set[str] = set()
        for rows in self._entries.blocks():
            for row, new in self._not_taken(rows, standing):
                key = row[: row.index(PART)]
                self._pass_by(standing.before(key), prune=prune)
                old = standing.at(key)
                if old is None and (standing.odd or not key.isascii()):
                    old = self._known(row)
                    asked.update([fold(old[0])] if old else ())
                self._take(row, new, old)
        self._pass_by(standing.before(None), prune=prune)
        left = {key: user for key, user in standing.odd.items() if key not in asked}
        for row in self._entries if left else ():
            left.pop(fold(_name_of(self._reader, row)), None)
        self._pass_by(left.values(), prune=prune)

    def _not_taken(self, rows: list[str], standing: Standing) -> Iterator[tuple[str, Held | None]]:
        """Take at once those who are as they should be, and those of whom none is there; the others come one by one.

        They come in their order, each with its new user, and are to be taken before the next is asked for.
        """
        keys = [row.partition(PART)[0] for row in rows]
        if keys[0] <= self._last_key or not in_order(keys):
            yield from zip(rows, self._fresh(rows), strict=True)
            return
        if standing.is_over() and self._reader.plain.are_whole(rows, mixed=self._mixed):
            self._take_new(rows, keys[-1])
            return
        fresh = self._fresh(rows)
        at = 0
        while at < len(rows):
            if alike := standing.take_alike(fresh, at):
                self._leave(rows[at : at + alike])
                self.tally.in_scope += alike
                at += alike
                self._last_key, self._last_row = keys[at - 1], rows[at - 1]
            else:
                yield rows[at], fresh[at]
                at += 1

    def _take_new(self, rows: list[str], last_key: str) -> None:
        """Take users none of whom is there."""
        self.tally.created += len(rows)
        self.tally.changed += len(rows)
        self.changes.add_new(rows)
        self._last_key, self._last_row = last_key, rows[-1]

    def _pass_by(self, users: Iterable[Held], *, prune: bool) -> None:
        """Users whom the plan does not name."""
        matches = self._reader.matches
        for user in users:
            if matches is None or matches(fold(user[0])):
                self.tally.in_scope += 1
                if prune:
                    self.tally.pruned += 1
                    self.tally.removed += 1
                    self.changes.add(user, None, is_pruned=True)

    @property
    def has_clear_text(self) -> bool:
        """Whether users are read whose passwords are hashed, which takes its time."""
        return self._reader.clear_text > 0

    def _known(self, row: str) -> Held | None:
        """The user of a row, as the store has it."""
        found = self._store.known(_name_of(self._reader, row))
        return None if found is None else found.held()

    def _take(self, row: str, fresh: Held | None, old: Held | None) -> None:
        """An entry, whose new user `fresh` is, if that can be told, beside the user who stands there."""
        key, line = row[: row.index(PART)], line_of(row)
        if key == self._last_key:
            name, last = _name_of(self._reader, row), self._reader.entry_of(self._last_row)
            where = f"line {last.line}" if last.line else "above"
            text = f"name: {shown(name)} is there twice, on {where} as {shown(last.name)}"
            self._fail(Fault(Place(line), text, name=name))
            return
        self._last_key, self._last_row = key, row
        self.tally.in_scope += old is not None
        if fresh is not None and old is None:
            self.tally.created += 1
            self.tally.changed += 1
            self.changes.add_new([row])
        elif fresh is not None and old is not None and self._is_as_wanted(fresh, old):
            self._leave([row])
        else:
            self._take_entry(row, old)

    def _is_as_wanted(self, fresh: Held, old: Held) -> bool:
        return old[2:] == fresh[2:] and (old[1] == fresh[1] or not self._reader.always)

    def _leave(self, rows: list[str]) -> None:
        """Those who are as their rows say."""
        self.tally.unchanged += len(rows)
        if self._tells_unchanged:
            self._unchanged.add(rows)

    def _take_entry(self, row: str, held: Held | None) -> None:
        entry = self._reader.entry_of(row)
        old = None if held is None else User.of(held, store=self._store.name)
        try:
            new, generated = self._keeping.wanted(entry, old, self._reader.defaults)
            if new is not None and new is not old:
                self._store.must_hold(new, old)
        except Refused as error:
            is_same = isinstance(error, OfMany)
            self._fail(Fault(Place(entry.line), f"{shown(entry.name)}: {error}", name=entry.name, is_same=is_same))
            return
        if new is old or (new is None and old is None):
            self._leave([row])
            return
        self.has_generated = self.has_generated or bool(generated)
        self.tally.created += old is None
        self.tally.removed += new is None
        self.tally.changed += new is not None
        self.changes.add(held, None if new is None else new.held(), line=entry.line, generated=generated)

    # --- the changes ------------------------------------------------------------------------------------------------

    def _refuse_one(self, outcome: Outcome, error: Refused) -> None:
        """One of many that are made each by itself is refused by the store, and the others go on."""
        user = outcome.user
        self.changes.leave_out(user)
        self.tally.created -= outcome.old is None
        self.tally.changed -= outcome.new is not None
        self.tally.removed -= outcome.new is None
        self.tally.pruned -= outcome.new is None and not outcome.line
        self._fail(Fault(Place(outcome.line), f"{shown(user.name)}: {error}", name=user.name))

    def unchanged(self) -> Iterator[tuple[str, int]]:
        """Name and line of those who are as the plan says, by name; nobody unless `tells_unchanged`."""
        for row in self._unchanged:
            yield self._reader.entry_of(row).name, line_of(row)


def _name_of(reader: Reader, row: str) -> str:
    """The name that a row has."""
    return reader.entry_of(row).name
