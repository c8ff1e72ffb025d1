"""Adding rows: one user, or many at once in few statements; what was written is read back before it counts."""

from __future__ import annotations

from nwauth.errors import Refused, Unavailable, Unchanged
from nwauth.names import fold
from nwauth.stores.health import NOT_TAKEN
from nwauth.stores.sql.link import Empty, Taken
from nwauth.stores.sql.octets import as_text, decode, encode
from nwauth.stores.sql.own import OwnTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from typing import Any, TypeVar

    from nwauth.model import User
    from nwauth.stores.sql.table import Ask, Emptied, Table, Values

    Work = Callable[[Ask, Any], bool]
    T = TypeVar("T")

ASKED_KEYS = 500  # in one statement: SQLite before 3.32 takes 999 parameters


def put_all(table: Table, users: Sequence[User], transact: Callable[[Work], bool]) -> list[User]:
    """Add the users in one transaction; those whose names are taken are not added, and returned.

    Raises:
        Unavailable, Refused: as for one user; nothing is added.
    """
    left: list[User] = []
    if not users:
        return left
    try:
        if isinstance(table, OwnTable):
            try:
                transact(_own(table, users, left, looks_first=False))
            except Taken:
                transact(_own(table, users, left, looks_first=True))
        else:
            tolerant(lambda empty: transact(_foreign(table, users, left, empty)), table=table)
    except Taken as error:
        if not table.is_ours:
            raise Refused(f"table {table.name} does not take one of them, another has the same: {error}") from error
        raise Unavailable(f"table {table.name} was changed meanwhile, try again: {error}") from error
    return left


def _own(table: OwnTable, users: Sequence[User], left: list[User], *, looks_first: bool) -> Work:
    """Adds them all; mostly nobody is there yet, so it looks only where that has failed."""

    def work(ask: Ask, cursor: Any) -> bool:
        left.clear()
        taken = taken_keys(table, ask, [fold(user.name) for user in users]) if looks_first else set()
        new: list[User] = []
        for user in users:
            key = fold(user.name)
            (left if key in taken else new).append(user)
            taken.add(key)  # a second spelling in the batch itself
        if new:
            table.driver.insert(cursor, table.into, [table.row(user) for user in new])
        return bool(new)

    return work


def taken_keys(table: OwnTable, ask: Ask, keys: Sequence[str]) -> set[str]:
    """Which of the folded names are there already."""
    taken: set[str] = set()
    for at in range(0, len(keys), ASKED_KEYS):
        some = [encode(key) for key in keys[at : at + ASKED_KEYS]]
        taken.update(decode(as_text(row[0]) or "") for row in ask(table.keys_among(len(some)), some))
    return taken


def _foreign(table: Table, users: Sequence[User], left: list[User], empty: Emptied) -> Work:
    def work(ask: Ask, cursor: Any) -> bool:
        left.clear()
        table.claim(cursor)
        left.extend(user for user in users if not add(table, ask, cursor, user, empty))
        return len(left) < len(users)

    return work


def add(table: Table, ask: Ask, cursor: Any, user: User, empty: Emptied, *, beside: Container[str] = ()) -> bool:
    """Insert one user; False where the name is taken.  In a table of somebody else's the adding has been claimed.

    `beside`: names that do not take it, though they differ from it in case alone.

    Raises:
        Refused: what stands there then is not what was written.
    """
    there = None if table.is_ours else table.lock(ask, user.name)
    if there is not None and there.name not in beside:
        return False
    new = table.settled(user)
    values = table.new_row(new, empty)
    cursor.execute(*table.insert(values))
    must_stand(table, ask, new, values)
    return True


def change(table: Table, ask: Ask, cursor: Any, *, old: User, new: User, empty: Emptied) -> None:
    """Change the row of `old`, which is locked.

    Raises:
        Refused: what stands there then is not what was written.
        Unavailable: there is more than one such row, or none.
    """
    values = table.changed(old, new, empty)
    if values:
        cursor.execute(*table.update(old, values))
        must_be_one(table, cursor, old)
        must_stand(table, ask, new, values)


def must_be_one(table: Table, cursor: Any, user: User) -> None:
    """Raises Unavailable where the last statement changed another number of rows than the one of `user`."""
    if cursor.rowcount != 1:
        raise Unchanged(f"table {table.name} has {cursor.rowcount} rows that are {user.name!a}: nothing is changed")


def must_stand(table: Table, ask: Ask, user: User, written: Values) -> None:
    """Raises Refused where the row of a user, as a look-up finds it, does not hold what was written into it."""
    found = table.lock(ask, user.name)
    if found is None:
        raise Refused(f"table {table.name} does not find {user.name!a} again: its database folds the name otherwise")
    there = table.values(found)
    for column, value in written.items():
        if (value or None) != (there[column] or None):
            raise Refused(f"column {column} of table {table.name} does not hold what was written: is it too short?")


def not_unique(table: Table, error: Taken) -> Refused:
    """What to raise where another row has a value, not the name, that the table takes once only."""
    return Refused(f"table {table.name} does not take it, another user has the same: {error}", public=NOT_TAKEN)


def tolerant(work: Callable[[Emptied], T], *, table: Table) -> T:
    """Do `work`, which writes NULL where a column holds nothing; where one takes no NULL, again with empty text for it.

    Raises:
        Refused: a column that nothing is mapped on wants a value.
    """
    empty: Emptied = frozenset()
    while True:
        try:
            return work(empty)
        except Empty as error:
            column = next((name for name in table.columns if name.lower() == str(error).lower()), None)
            if column is None or column in empty:
                raise Refused(f"column {error} of table {table.name} wants a value, and has none here") from error
            empty |= {column}
