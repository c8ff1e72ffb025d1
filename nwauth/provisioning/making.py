"""What a plan changes, made in the store: as one, or none of it; else part by part, or each by itself."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nwauth.errors import NotSupported, NwauthError, Refused, RefusedOne, Unavailable
from nwauth.provisioning.parts import Place, shown
from nwauth.stores.changes import Counted
from nwauth.stores.parts import by_part, change_one, change_together

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.provisioning.aside import Aside, Outcome
    from nwauth.stores.base import Store


class RefusedUser(Refused):
    """The store refuses the user `name`, and nothing is changed; `place` is the user's in the plan."""

    def __init__(self, place: Place, name: str, error: Refused) -> None:
        super().__init__(f"{shown(name)}: {error}")
        self.place: Final = place
        self.name: Final = name


class Making:
    """Makes changes of a store; `fails` is told whom the store refuses, where each is changed by itself."""

    def __init__(self, store: Store, changes: Aside, *, fails: Callable[[Outcome, Refused], None]) -> None:
        self._store: Final = store
        self._changes: Final = changes
        self._counted: Final = Counted(changes)
        self._fails: Final = fails
        self.made_by_itself: int | None = None  # how many changes were made, where the store cannot make all as one

    def apply(self, *, one_by_one: bool) -> None:
        """Make all the changes as one, or none; `one_by_one`: in a store that cannot do that, each by itself.

        Raises:
            RefusedUser, Refused: the store cannot hold one of the users, or cannot change several as one; where each is
                changed by itself, `fails` is told of whom it cannot hold instead.
            Unavailable: it cannot be done now, or somebody has changed one of them meanwhile.
        """
        if len(list(islice(self._changes, 2))) < 2:
            for outcome in self._changes.outcomes():
                try:
                    self._change(outcome)
                except Refused as error:
                    raise RefusedUser(Place(outcome.line), outcome.user.name, error) from None
            return
        try:
            self._store.change_all(self._counted)
        except RefusedOne as error:
            line = next((one.line for one in self._changes.outcomes() if one.user.name == error.name), 0)
            raise RefusedUser(Place(line), error.name, error) from None
        except NotSupported:
            if not one_by_one:
                raise Refused(
                    f"store {self._store.name} cannot change several users as one: --keep-going changes them file by"
                    " file, or one after the other"
                ) from None
            self._change_by_parts()

    def _change_by_parts(self) -> None:
        """What the store cannot make as one: part by part of it, or each by itself."""
        self.made_by_itself = 0
        for some in by_part(self._store, self._changes.outcomes(), lambda outcome: outcome.user.name):
            if change_together(self._store, [(outcome.old, outcome.new) for outcome in some]):
                self.made_by_itself += len(some)
                continue
            for outcome in some:
                try:
                    self._change(outcome)
                except Refused as error:
                    self._fails(outcome, error)
                self.made_by_itself += 1

    @property
    def given(self) -> int:
        """How many of the changes the store has been given so far."""
        return self.made_by_itself or self._counted.given

    def was_made(self) -> bool | None:
        """Whether the store has made the changes that `apply` was broken off in; None: that cannot be told.

        They are made as one, unless `made_by_itself` says otherwise: what has become of the first has become of all.
        """
        first = next(self._changes.outcomes(), None)
        if first is None or self.made_by_itself is not None:
            return None
        try:
            known = self._store.known(first.user.name)
        except NwauthError:
            return None
        there, old, new = (None if user is None else user.held() for user in (known, first.old, first.new))
        if there == new:
            return True
        return False if there == old else None

    def _change(self, outcome: Outcome) -> None:
        """Change one user by itself."""
        if not change_one(self._store, outcome.old, outcome.new):
            raise Unavailable(f"{shown(outcome.user.name)} has been changed by others meanwhile: run it again")
