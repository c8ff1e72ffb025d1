"""What the service works with: its refusals, how a store keeps passwords, the hits of a search."""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import Record
from nwauth.names import fold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final

    from nwauth.model import User

    Report = Callable[[str, object], object]


class NoSuchUser(Refused):
    """The user is definitely absent."""


class BadName(Refused):
    """The name may not be added."""


class Refusal(Record):
    """Why a login is refused: the rule that says so, "" where no rule does, and the reason in words for the log.

    `text` is what the user is told, whose password was right; "": what everybody is.  `is_guess`: the password was not
    the right one, or there is no such user; the throttle counts these.
    """

    __slots__ = ("is_guess", "reason", "rule", "text")

    def __init__(self, rule: str, reason: str, *, text: str = "", is_guess: bool = False) -> None:
        self.is_guess: Final = is_guess
        self.rule: Final = rule
        self.reason: Final = reason
        self.text: Final = text


WRONG_PASSWORD = Refusal("", "wrong password", is_guess=True)
NO_SUCH_USER = Refusal("", "no such user", is_guess=True)


class StoreRules(Record):
    """How a store keeps passwords: the scheme of new ones, the one to upgrade to, whether ``*text`` is clear text.

    `keep`: a changed password keeps the scheme of the field it replaces: another program reads it too.  `migrate_to` is
    the name of the store to which a user is copied who logs in.
    """

    __slots__ = ("keep", "migrate_to", "scheme", "star_is_clear", "upgrade_to")

    def __init__(
        self,
        *,
        scheme: str,
        upgrade_to: str | None = None,
        star_is_clear: bool = False,
        keep: bool = False,
        migrate_to: str | None = None,
    ) -> None:
        self.scheme: Final = scheme
        self.upgrade_to: Final = upgrade_to
        self.star_is_clear: Final = star_is_clear
        self.keep: Final = keep
        self.migrate_to: Final = migrate_to


class Rules:
    """How each of several stores keeps passwords; `default` names the one whose rules hold for a user of no store."""

    def __init__(self, by_name: Mapping[str, StoreRules], *, default: str) -> None:
        self.by_name: Final = by_name
        self._default = default

    def of(self, user: User) -> StoreRules:
        """How the store of a user keeps passwords."""
        return self.by_name.get(user.store) or self.by_name[self._default]


class Listing:
    """The hits of a search, as they are found; the counts are known when all have been taken."""

    def __init__(
        self,
        users: Iterator[User],
        *,
        count: Callable[[], int | None],
        matches: Callable[[str], bool],
        skip: int,
        limit: int | None,
    ) -> None:
        self._users = users
        self._count = count
        self._matches = matches
        self._skip = skip
        self._end = None if limit is None else skip + limit
        self.found = 0
        self.total = 0

    def __iter__(self) -> Iterator[User]:
        for user in self._users:
            self.total += 1
            if not self._matches(fold(user.name)):
                continue
            self.found += 1
            if self.found > self._skip and (self._end is None or self.found <= self._end):
                yield user
        count = self._count()
        if count is not None:  # the store has left users out that surely do not match
            self.total = count


def silent(_key: str, _value: object) -> None:
    """A `Report` for nobody."""
