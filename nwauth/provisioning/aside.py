"""What a plan changes, put aside until all of it is known."""

from __future__ import annotations

import json
from heapq import nsmallest
from typing import TYPE_CHECKING

from nwauth.model import Record, User
from nwauth.names import fold
from nwauth.provisioning.plain import FIRST_LINE, line_of
from nwauth.provisioning.spool import PART, Spool, place
from nwauth.stores.changes import Changes, NewUsers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from nwauth.provisioning.entries import Reader
    from nwauth.stores.base import Held
    from nwauth.stores.changes import Block


class Outcome(Record):
    """What a plan changes of one user: as it was and as it is, and the password that was made up; line 0: pruned."""

    __slots__ = ("generated", "line", "new", "old")
    SECRET = ("generated",)

    def __init__(self, *, old: User | None, new: User | None, line: int, generated: str) -> None:
        self.old: Final = old
        self.new: Final = new
        self.line: Final = line
        self.generated: Final = generated

    @property
    def user(self) -> User:
        """Whom it changes."""
        user = self.new if self.old is None else self.old
        assert user is not None  # noqa: S101
        return user


class Aside(Changes):
    """The changes of users of one store, by name; a new user's row is the reader's, where that says all."""

    def __init__(self, reader: Reader, store: str) -> None:
        super().__init__(store)
        self._reader: Final = reader
        self._rows: Final = Spool()
        self._is_mixed = False  # whether rows are there that the reader's `plain` has not made
        self._has_removals = False
        self._drops_pruned = False
        self._left_out: Final[set[str]] = set()  # folded names

    def add_new(self, rows: list[str]) -> None:
        """New users, whom rows of the reader's say whole.  Raises Unavailable where there is no room for them."""
        self._rows.add(rows)

    def add(
        self, old: Held | None, new: Held | None, *, line: int = 0, generated: str = "", is_pruned: bool = False
    ) -> None:
        """Any other change.  Raises Unavailable where there is no room for it."""
        user = old or new
        assert user is not None  # noqa: S101
        self._is_mixed = True
        self._has_removals = self._has_removals or new is None
        said = json.dumps((old, new, line, generated, is_pruned))
        self._rows.add([PART.join((place(fold(user[0])), str(FIRST_LINE + line), "", said))])

    def drop_pruned(self) -> None:
        """Those who were to be pruned stay."""
        self._drops_pruned = True

    def leave_out(self, user: User) -> None:
        """The change of this user is none."""
        self._left_out.add(fold(user.name))

    def close(self) -> None:
        """Give the file back."""
        self._rows.close()

    def blocks(self) -> Iterator[Block]:
        """All of them, by name, many at a time."""
        plain, defaults = self._reader.plain, self._reader.defaults
        for rows in self._rows.blocks():
            columns = plain.new_columns(rows, defaults, mixed=self._is_mixed)
            if columns is not None:
                yield NewUsers(columns)
                continue
            new = self._new(rows)
            users = [user for user in new if user is not None]
            if len(users) == len(new):
                yield NewUsers.of(users)
                continue
            said = [None if user is not None else _said(row) for row, user in zip(rows, new, strict=True)]
            changes = [
                (None, user) if one is None else one[:2]
                for user, one in zip(new, said, strict=True)
                if one is None or not (one[4] and self._drops_pruned)
            ]
            if changes:
                yield changes

    def outcomes(self) -> Iterator[Outcome]:
        """All of them, by name; who was left out is not among them."""
        for rows in self._rows.blocks():
            for row, new in zip(rows, self._new(rows), strict=True):
                outcome = self._outcome(row, new)
                if outcome is not None and fold(outcome.user.name) not in self._left_out:
                    yield outcome

    def deletions_last(self) -> Iterator[Outcome]:
        """The same, the deletions behind all others."""
        for removals in (False, True) if self._has_removals else (False,):
            for outcome in self.outcomes():
                if (outcome.new is None) is removals:
                    yield outcome

    def first(self, count: int) -> list[Outcome]:
        """The changes that the first lines of the plan make, in that order; who is pruned has none."""
        rows = nsmallest(count, (row for row in self._rows if line_of(row)), key=line_of)
        found = (self._outcome(row, new) for row, new in zip(rows, self._new(rows), strict=True))
        return [outcome for outcome in found if outcome is not None]

    def _new(self, rows: list[str]) -> list[Held | None]:
        return self._reader.plain.new_users(rows, self._reader.defaults, mixed=self._is_mixed)

    def _outcome(self, row: str, new: Held | None) -> Outcome | None:
        old, line, generated, is_pruned = None, line_of(row), "", False
        if new is None:
            old, new, line, generated, is_pruned = _said(row)
        if is_pruned and self._drops_pruned:
            return None
        return Outcome(old=self._user(old), new=self._user(new), line=line, generated=generated)

    def _user(self, held: Held | None) -> User | None:
        return None if held is None else User.of(held, store=self.store)


def _said(row: str) -> tuple[Held | None, Held | None, int, str, bool]:
    """What a row says that is none of the reader's."""
    old, new, line, generated, is_pruned = json.loads(row.rpartition(PART)[2])
    return old and tuple(old), new and tuple(new), line, generated, is_pruned
