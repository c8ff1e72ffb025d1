"""Many changes in one transaction: all of them, or none (`Store.change_all`)."""

from __future__ import annotations

from nwauth.errors import Refused, RefusedOne, Unchanged
from nwauth.model import User
from nwauth.names import fold
from nwauth.stores.changes import NewUsers, blocks_of
from nwauth.stores.sql.adding import ASKED_KEYS, add, change, must_be_one, not_unique, taken_keys, tolerant
from nwauth.stores.sql.link import Taken
from nwauth.stores.sql.own import OwnTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from nwauth.stores.base import Change, Held
    from nwauth.stores.changes import Block
    from nwauth.stores.sql.adding import Work
    from nwauth.stores.sql.table import Ask, Emptied, Table

LONG_SECONDS = 86400.0  # a statement has its own limit


def change_all(table: Table, changes: Iterable[Change], transact: Callable[[Work], bool]) -> None:
    """Make all changes, or none.

    Raises:
        Unavailable, Refused, Taken: as for one user; nothing is changed.
        RefusedOne: it is known of whom that is.
    """
    whose = ""  # change is being made

    def begin(user: Held) -> None:
        nonlocal whose
        whose = user[0]

    def attempt(empty: Emptied) -> bool:
        def work(ask: Ask, cursor: Any) -> bool:
            nonlocal whose
            whose = ""
            table.claim(cursor)
            for block in blocks_of(changes):
                if isinstance(table, OwnTable):
                    _change_own(table, ask, cursor, block)
                else:
                    _change_theirs(table, ask, cursor, block, empty, begin=begin)
            whose = ""  # what the end of the transaction refuses may be anybody's
            return True

        return transact(work)

    try:
        tolerant(attempt, table=table)
    except (Refused, Taken) as error:
        if not whose:
            raise
        raise RefusedOne(whose, not_unique(table, error) if isinstance(error, Taken) else error) from error


def who_came_before(table: Table, changes: Iterable[Change], ask: Ask) -> Unchanged:
    """What to raise where a row of somebody new was there already."""
    assert isinstance(table, OwnTable)  # noqa: S101
    for block in blocks_of(changes):
        new = {fold(new[0]): new for old, new in block if old is None and new is not None}
        taken = taken_keys(table, ask, list(new))
        if taken:
            return _overtaken(new[min(taken)])
    return Unchanged(f"table {table.name} was changed meanwhile: nothing is changed, run it again")


# --- in a table of our own --------------------------------------------------------------------------------------------


def _change_own(table: OwnTable, ask: Ask, cursor: Any, block: Block) -> None:
    """Some of the changes: those who go and those who change first, then the new ones.

    Who is new is not looked for: the key is taken once, and a second one of it undoes all.
    """
    there = [] if isinstance(block, NewUsers) else [(old, new) for old, new in block if old is not None]
    for at in range(0, len(there), ASKED_KEYS):
        _change_rows(table, ask, cursor, there[at : at + ASKED_KEYS])
    added = block.users if isinstance(block, NewUsers) else [new for old, new in block if not old and new]
    if added:
        ask("SELECT 1", ())  # the time of a statement begins with each that is asked
        table.driver.insert(cursor, table.into, table.rows(added))


def _change_rows(table: OwnTable, ask: Ask, cursor: Any, there: list[tuple[Held, Held | None]]) -> None:
    found = table.lock_all(ask, [fold(old[0]) for old, _ in there])
    for old, _ in there:
        if found.get(fold(old[0])) != old:
            raise _overtaken(old)
    gone = [fold(old[0]) for old, new in there if new is None]
    if gone:
        cursor.execute(*table.delete_all(gone))
    changed = [(fold(old[0]), new) for old, new in there if new is not None]
    kept = [new for key, new in changed if fold(new[0]) == key]
    if kept:
        table.update_all(cursor, kept)
    for key, new in changed:
        if fold(new[0]) != key:
            cursor.execute(*table.rename(key, new))


# --- in a table of somebody else's ------------------------------------------------------------------------------------


def _change_theirs(
    table: Table, ask: Ask, cursor: Any, block: Block, empty: Emptied, *, begin: Callable[[Held], None]
) -> None:
    """The same, each user by itself: who knows what that table does to what is written; `begin` hears whose it is."""
    for old, new in block:
        if old is not None:
            begin(old)
            wanted = None if new is None else User.of(new, store=table.store)
            _change_one(table, ask, cursor, old=User.of(old, store=table.store), new=wanted, empty=empty)
    added: set[str] = set()  # a table that tells users apart by case had several, whom an undo puts back
    for old, new in block:
        if old is None and new is not None:
            begin(new)
            if not add(table, ask, cursor, User.of(new, store=table.store), empty, beside=added):
                raise _overtaken(new)
            added.add(new[0])


def _change_one(table: Table, ask: Ask, cursor: Any, *, old: User, new: User | None, empty: Emptied) -> None:
    there = table.lock(ask, old.name)
    if there is None or there.held() != old.held():
        raise _overtaken(old.held())
    if new is None:
        cursor.execute(*table.delete(there))
        must_be_one(table, cursor, there)
    else:
        change(table, ask, cursor, old=there, new=new, empty=empty)


def _overtaken(user: Held) -> Unchanged:
    return Unchanged(f"{user[0]!a} has been changed by others meanwhile: nothing is changed, run it again")
