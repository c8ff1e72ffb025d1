"""The copying itself: batch by batch, each one transaction of the target's."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nwauth.copying.digest import Digest
from nwauth.copying.reading import Source
from nwauth.copying.standing import Standing
from nwauth.errors import Refused
from nwauth.model import Record
from nwauth.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Final

    from nwauth.copying.fitting import Fitting
    from nwauth.model import User
    from nwauth.stores.base import Store

    Batch = list[tuple[str, User]]

BATCH_USERS = 5000
MAX_LISTED = 20  # of each kind of problem
MAX_REMEMBERED = 10_000  # who was left out, for the comparison afterwards: some MB
MAX_TRIES = 4  # of a user whom others change at the same time

CONFLICT, REFUSED = "conflict", "refused"


class Problem(Record):
    """Why a user was not copied: `kind` is `CONFLICT` or `REFUSED`."""

    __slots__ = ("kind", "name", "reason")

    def __init__(self, kind: str, name: str, reason: str) -> None:
        self.kind: Final = kind
        self.name: Final = name
        self.reason: Final = reason


class Tally:
    """What has come of the users so far; `digest` is that of those who must stand in the target now."""

    def __init__(self) -> None:
        self.copied = self.replaced = self.already_there = 0
        self.conflicts = self.refused = 0
        self.in_hand = 0  # whom the target was told to add, and has not said that it did
        self.problems: Final[list[Problem]] = []
        self.digest: Final = Digest()
        self.left_out: Final[set[str]] = set()

    @property
    def knows_left_out(self) -> bool:
        """Whether all who were left out are in `left_out`."""
        return len(self.left_out) < MAX_REMEMBERED

    @property
    def changed(self) -> int:
        """The users that were written."""
        return self.copied + self.replaced

    def conflict(self, user: User, reason: str) -> None:
        """Another user of that name is there, and stays."""
        self.conflicts += 1
        self._note(CONFLICT, user, reason, self.conflicts)

    def refuse(self, user: User, reason: str) -> None:
        """The target cannot hold the user."""
        self.refused += 1
        self._note(REFUSED, user, reason, self.refused)

    def _note(self, kind: str, user: User, reason: str, number: int) -> None:
        if number <= MAX_LISTED:
            self.problems.append(Problem(kind, user.name, reason))
        if self.knows_left_out:
            self.left_out.add(user.name)


class Copying:
    """Copies users from one store to another; in a rehearsal nothing is written.

    Who stands in the target already and differs is left, or changed with `replace`.
    """

    def __init__(
        self,
        source: Store,
        target: Store,
        fitting: Fitting,
        *,
        pattern: str = "",
        replace: bool = False,
        rehearse: bool = False,
        batch_users: int = BATCH_USERS,
    ) -> None:
        self.source: Final = Source(source, fitting, pattern=pattern)
        self.tally: Final = Tally()
        self.alone = False  # whether nobody else was met in the target
        self._target: Final = target
        self._fitting: Final = fitting
        self._pattern: Final = pattern
        self._replaces: Final = replace
        self._rehearses: Final = rehearse
        self._batch_users: Final = batch_users
        self._left_out: set[int] = set()  # of the batch in hand

    def run(self) -> None:
        """Copy; what was copied before an error stays, and beginning anew goes on there.

        Raises:
            NotSupported: the target takes no changes.
            Unavailable: one of the stores cannot tell now.
        """
        self._standing = Standing(self._target.search(self._pattern))
        try:
            for batch in self._batches():
                self._take(batch)
            self._standing.finish()
        finally:
            self._standing.close()
        self.alone = self._standing.alone
        if self.tally.changed and not self._rehearses:
            self._target.settle()

    def _batches(self) -> Iterator[Batch]:
        users = self.source.users(self.tally.refuse)
        while batch := list(islice(users, self._batch_users)):
            yield batch

    def _take(self, batch: Batch) -> None:
        users = [user for _, user in batch]
        self._left_out.clear()
        if self._standing.ended:
            self._add(users)
        else:
            self._add([user for key, user in batch if not self._is_there(key, user)])
        if self._left_out:
            users = [user for user in users if id(user) not in self._left_out]
        self.tally.digest.add(users)

    def _is_there(self, key: str, user: User) -> bool:
        """Whether one of that name was met in the target; then it is settled what becomes of the user."""
        found = self._standing.find(key)
        if found is None:
            return False
        if found.held() == user.held():
            self.tally.already_there += 1
        else:
            self._meet(user, found)
        return True

    def _add(self, users: list[User]) -> None:
        if users and self._rehearses:
            self._rehearse(users)
        elif users:
            self._standing.set_aside()
            self._put(users)

    def _put(self, users: Sequence[User]) -> None:
        """Add users; where one of them cannot be held, the others, in ever smaller batches."""
        self.tally.in_hand = len(users)
        try:
            taken = self._target.put_all(users)
        except Refused as error:
            if len(users) == 1:
                self._refuse(users[0], str(error))
                return
            middle = len(users) // 2
            self._put(users[:middle])
            self._put(users[middle:])
            return
        self.tally.copied += len(users) - len(taken)
        self.tally.in_hand = 0
        for user in taken:
            self._meet(user, self._target.known(user.name))

    def _rehearse(self, users: Iterable[User]) -> None:
        for user in users:
            found = None if self._standing.knows(fold(user.name)) else self._target.known(user.name)
            if found is not None:
                self._meet(user, found)
                continue
            try:
                self._fitting.must_fit(user, None)
                self._target.must_hold(user, None)
            except Refused as error:
                self._refuse(user, str(error))
            else:
                self.tally.copied += 1

    def _meet(self, user: User, found: User | None) -> None:
        """One of the name has been found in the target: None, if deleted a moment later."""
        try:
            for _ in range(MAX_TRIES):
                if self._is_settled(user, found):
                    return
                found = self._target.known(user.name)
        except Refused as error:
            self._refuse(user, str(error))
            return
        self._leave(user, "others keep changing it")

    def _is_settled(self, user: User, found: User | None) -> bool:
        """Whether it is known what becomes of the user; else look again."""
        if found is None:
            if not self._target.put(user):
                return False
            self.tally.copied += 1
        elif found.held() == user.held():
            self.tally.already_there += 1
        elif not self._replaces:
            self._leave(user, f"there with {difference(found, user)}")
        elif self._replace(found, user):
            self.tally.replaced += 1
        else:
            return False
        return True

    def _replace(self, found: User, user: User) -> bool:
        if self._rehearses:
            self._fitting.must_fit(user, found)
            self._target.must_hold(user, found)
            return True
        self._standing.set_aside()
        return self._target.replace(found, user)

    def _leave(self, user: User, reason: str) -> None:
        self._left_out.add(id(user))
        self.tally.conflict(user, reason)

    def _refuse(self, user: User, reason: str) -> None:
        self._left_out.add(id(user))
        self.tally.refuse(user, reason)


def difference(there: User, wanted: User) -> str:
    """What differs, in words and without any value but the name."""
    parts = {
        "password": there.stored_password != wanted.stored_password,
        "info": there.info != wanted.info,
        "drop path": there.drop_path != wanted.drop_path,
        "uid": there.uid != wanted.uid,
        "IP mask": there.ip_mask != wanted.ip_mask,
    }
    words = [f"the name {there.name!a}"] if there.name != wanted.name else []
    differing = [part for part, differs in parts.items() if differs]
    if differing:
        words.append(f"another {', '.join(differing)}")
    return " and ".join(words)
