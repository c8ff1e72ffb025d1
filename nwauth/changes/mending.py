"""What a command that was killed has left open: the store itself tells whether a change was made."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nwauth.changes.lines import MAX_TOLD, rest_of
from nwauth.changes.step import Numbers
from nwauth.errors import NwauthError
from nwauth.stores.changes import BLOCK_CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from nwauth.changes.lines import Journal
    from nwauth.changes.reading import Group, Reading
    from nwauth.changes.steps import Steps
    from nwauth.changes.writing import Writing
    from nwauth.stores.base import Held, Store
    from nwauth.stores.changes import HeldChange

    FindStore = Callable[[str, str], Store | None]

MAX_ASKED = 1000  # of changes that are made all or none, so many are asked for at most


class Doubt(Exception):
    """It cannot be told now what became of the changes."""


def become_of(reading: Reading, store_of: FindStore) -> list[int] | None:
    """The places of the changes of the last group that were not made; None: none was.

    Raises:
        Doubt: the store is not known here.
        NwauthError: it cannot tell.
    """
    group = reading.groups[-1] if reading.groups else None
    if group is None or not group.is_ready:  # the store was never asked
        return None
    if group.made:
        return sorted(group.but)
    store = store_of(group.store, group.place)
    if store is None:
        raise Doubt(f"it was made in {group.place}, which is no store of nwauth.toml")
    if group.is_whole:
        return [] if _were_made(reading.planned(group), store) else None
    but = [at for at, change in enumerate(reading.planned(group)) if _stands_as_before(change, store)]
    return None if len(but) == group.count else but


def _were_made(changes: Iterable[HeldChange], store: Store) -> bool:
    """Whether changes that are made all or none were made: the first user who stands as before or after tells.

    Others may have changed some since.  If nobody tells, they are taken for made: `undo` looks at each again.
    """
    for old, new in islice(changes, MAX_ASKED):
        there = _there((old, new), store)
        if there == old:
            return False
        if there == new:
            return True
    return True


def _stands_as_before(change: HeldChange, store: Store) -> bool:
    """Whether it surely was not made; a password of which the store tells nothing is taken for changed."""
    old, new = change
    if store.hides_passwords and old is not None and new is not None and new[1]:
        return False
    return _there(change, store) == old


def _there(change: HeldChange, store: Store) -> Held | None:
    """What the store holds now of the user who was changed; of one who was renamed, under the old name."""
    old, new = change
    user = new if old is None else old
    assert user is not None  # noqa: S101
    found = store.known(user[0])
    return None if found is None else found.held()


def mend(steps: Steps, step: Writing, reading: Reading, *, at: int, store_of: FindStore, journal: Journal) -> str:
    """Finish a step that was left open; one whose store cannot tell now is left to the next command: why, else "".

    `at` is the folder of the steps, open.  A line of the journal may come twice by it, the same in ``step`` and
    ``number``.  Raises OSError.
    """
    try:
        but = become_of(reading, store_of)
        groups = reading.groups
        if groups and but is None:
            step.drop()
            groups.pop()
        elif groups and not groups[-1].made:
            assert but is not None  # noqa: S101
            step.made(but=but)
            groups[-1].made, groups[-1].but = True, frozenset(but)
        told = sum(min(MAX_TOLD, group.count - len(group.but)) for group in groups if group.is_told)
        if groups and not groups[-1].is_told:
            told += _tell(step, reading, groups[-1], journal, told=min(told, MAX_TOLD))
        step.numbers = _numbers(reading)
        journal.write(rest_of(reading.head, step, told=min(told, MAX_TOLD)))
        steps.close(step, at, keep=step.numbers.all > 0)
    except (Doubt, NwauthError) as error:
        return str(error)
    return ""


def what_stands(step: Writing, head: dict[str, Any]) -> str:
    """What became of a step that was broken off and is finished now, for whoever types the next command."""
    called = f"step {step.number} ({head['command']}, {head['time']}) was broken off"
    done, wanted, undoes = step.numbers.all, head.get("wanted"), head.get("undoes")
    if not done:
        return f"{called}: nothing of it is changed"
    if done == wanted:
        return f"{called} when all was changed already: nwauth undo {step.number} takes it back"
    of_all = f"{done:,} of {wanted:,}" if isinstance(wanted, int) else f"{done:,}"
    made = "change was made" if of_all == "1" else "changes were made"
    further = f"nwauth undo {undoes} goes on" if undoes else f"run it again, or nwauth undo {step.number} takes it back"
    return f"{called} when {of_all} {made}: {further}"


def _tell(step: Writing, reading: Reading, group: Group, journal: Journal, *, told: int) -> int:
    changes = list(islice(reading.changes(group), MAX_TOLD - told))
    journal.write(journal.lines(reading.head, changes, store=group.store, first=told + 1))
    step.told()
    return len(changes)


def _numbers(reading: Reading) -> Numbers:
    numbers = Numbers()
    for group in reading.groups:
        changes = reading.held(group)
        while some := list(islice(changes, BLOCK_CHANGES)):
            numbers.count(some)
    return numbers
