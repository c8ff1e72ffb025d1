"""What was copied, compared with what stands in the target afterwards: by number and digest."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nwauth.copying.digest import Digest
from nwauth.copying.standing import Standing
from nwauth.names import fold, matcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from nwauth.copying.reading import Source
    from nwauth.copying.work import Copying
    from nwauth.model import User
    from nwauth.stores.base import Store

BATCH_USERS = 5000


class Differing(Exception):
    """What stands in the target is not what was copied: for `count` users, of whom `first` is one, if that is known."""

    def __init__(self, count: int, first: str | None) -> None:
        super().__init__(count, first)
        self.count: Final = count
        self.first: Final = first


class Verification:
    """Reads the target back; `read` counts the users that were looked at.

    `source` is read once more where the target holds others too, sorts some names elsewhere, or differs.
    """

    def __init__(self, copying: Copying, source: Source, target: Store, *, pattern: str = "") -> None:
        self._tally: Final = copying.tally
        self._alone: Final = copying.alone and not copying.tally.conflicts
        self._source: Final = source
        self._target: Final = target
        self._pattern: Final = pattern
        self._lacking = 0
        self._first_lacking: str | None = None
        self.read = 0

    def run(self) -> None:
        """Compare.

        Raises:
            Differing: the two are not the same.
            Unavailable: one of the stores cannot tell now.
        """
        wanted = self._tally.digest
        if self._alone and self._digest(self._everybody()).hex() == wanted.hex():
            return
        self.read = 0
        found = self._digest(self._copied())
        if found.hex() != wanted.hex():
            raise Differing(max(1, self._lacking, wanted.count - found.count), self._first_lacking)

    def _digest(self, users: Iterator[User]) -> Digest:
        digest = Digest()
        while batch := list(islice(users, BATCH_USERS)):
            digest.add(batch)
        return digest

    def _everybody(self) -> Iterator[User]:
        """All users of the target."""
        matches = matcher(self._pattern) if self._pattern else None
        for user in self._target.search(self._pattern):
            self.read += 1
            if matches is None or matches(fold(user.name)):
                yield user

    def _copied(self) -> Iterator[User]:
        """Those users of the target that are as the source has them, in the source's order."""
        standing = Standing(self._target.search(self._pattern))
        try:
            for key, user in self._source.users(lambda *_: None):
                self.read += 1
                there = standing.find(key) or self._target.known(user.name)
                if there is not None and there.held() == user.held():
                    yield there
                elif user.name not in self._tally.left_out:
                    self._lack(user)
        finally:
            standing.close()

    def _lack(self, user: User) -> None:
        if self._tally.knows_left_out:
            self._lacking += 1
            self._first_lacking = self._first_lacking or user.name
