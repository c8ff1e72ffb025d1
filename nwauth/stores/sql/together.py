"""Many changes in one transaction: all of them, or none (`Store.change_all`)."""

from __future__ import annotations

from itertools import islice

from nwauth.errors import Unavailable
from nwauth.names import fold
from nwauth.stores.sql.adding import ASKED_KEYS, add, change, must_be_one, taken_keys, tolerant
from nwauth.stores.sql.own import OwnTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from nwauth.model import User
    from nwauth.stores.base import Change
    from nwauth.stores.sql.adding import Work
    from nwauth.stores.sql.table import Ask, Emptied, Table

LONG_SECONDS = 86400.0  # a statement has its own limit


def change_all(table: Table, changes: Iterable[Change], transact: Callable[[Work], bool]) -> None:
    """Make all changes, or none.

    Raises:
        Unavailable, Refused, Taken: as for one user; nothing is changed.
    """

    def attempt(empty: Emptied) -> bool:
        def work(ask: Ask, cursor: Any) -> bool:
            table.claim(cursor)
            waiting = iter(changes)
            while batch := list(islice(waiting, ASKED_KEYS)):
                _change(table, ask, cursor, batch, empty)
            return True

        return transact(work)

    tolerant(attempt, table=table)


def _change(table: Table, ask: Ask, cursor: Any, batch: list[Change], empty: Emptied) -> None:
    """A few of the changes: those who go and those who change first, then the new ones."""
    new = []
    for old, wanted in batch:
        if old is not None:
            _change_one(table, ask, cursor, old=old, new=wanted, empty=empty)
        elif wanted is not None:
            new.append(wanted)
    if not isinstance(table, OwnTable):
        for user in new:
            if not add(table, ask, cursor, user, empty):
                raise overtaken(user)
    elif new:
        taken = taken_keys(table, ask, [fold(user.name) for user in new])
        if taken:
            raise overtaken(next(user for user in new if fold(user.name) in taken))
        table.driver.insert(cursor, table.into, [table.row(user) for user in new])


def _change_one(table: Table, ask: Ask, cursor: Any, *, old: User, new: User | None, empty: Emptied) -> None:
    there = table.lock(ask, old.name)
    if there is None or there.held() != old.held():
        raise overtaken(old)
    if new is None:
        cursor.execute(*table.delete(there))
        must_be_one(table, cursor, there)
    else:
        change(table, ask, cursor, old=there, new=new, empty=empty)


def overtaken(user: User) -> Unavailable:
    """What to raise where somebody else has changed a user meanwhile."""
    return Unavailable(f"{user.name!a} has been changed by others meanwhile: nothing is changed, run it again")
