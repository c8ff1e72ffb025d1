"""Info fields that decide nothing about logins and were meant to: misspelt names, unknown words of ``mailstatus``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nwauth.doctor.finding import MOST_USERS, counted, examples, finding
from nwauth.policy.states import FIELD, Doubts, is_known, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.model import User

PIECE = re.compile(r'([^ \t="]*)="([^"]*)"')  # as `Info.pieces`, in a third of the time; without a name: odd text
MOST_WORDS = 1000  # so many are told apart
MOST_TOLD = 3
MOST_CHARACTERS = 40


class _Words:
    """Words that users have: how many users each, and the first few of them."""

    def __init__(self) -> None:
        self._users: Final[dict[str, list[str]]] = {}
        self._numbers: Final[dict[str, int]] = {}
        self.number = 0

    def add(self, word: str, user: str) -> None:
        self.number += 1
        if word not in self._users and len(self._users) >= MOST_WORDS:
            return
        users = self._users.setdefault(word, [])
        self._numbers[word] = self._numbers.get(word, 0) + 1
        if len(users) < MOST_USERS:
            users.append(user)

    @property
    def users(self) -> list[str]:
        return [user for users in self._users.values() for user in users]

    @property
    def first(self) -> str:
        return next(iter(self._users))

    def told(self, meant: Callable[[str], str]) -> str:
        """The first few words with what each may be meant as, and who has it."""
        texts = []
        for word, users in list(self._users.items())[:MOST_TOLD]:
            near = meant(word)
            instead = f" ({near}?)" if near else ""
            texts.append(f"{word[:MOST_CHARACTERS]!a}{instead} of {examples(users, self._numbers[word])}")
        more = len(self._users) - len(texts)
        return "; ".join(texts) + (f"; and {counted(more, 'more word')}" if more else "")


class Slips:
    """Counts while the users go by."""

    def __init__(self, class_field: str) -> None:
        self._near: Final = Doubts(class_field).near
        self._meant: Final[dict[str, str]] = {}  # the names of fields seen so far; "": nothing is nearly called so
        self._names: Final = _Words()
        self._states: Final = _Words()
        self._first_value = ""  # of the first misspelt field

    def take(self, user: User) -> None:
        """Look at the fields of a user."""
        for name, value in PIECE.findall(user.info.text):
            if not (name and value):
                continue
            field = self._meant.get(name)
            if field is None:
                field = self._near(name)
                if len(self._meant) < MOST_WORDS:
                    self._meant[name] = field
            if field:
                self._first_value = self._first_value or value
                self._names.add(name, user.name)
            elif name.lower() == FIELD and not is_known(value):
                self._states.add(value, user.name)

    def findings(self, place: Place) -> Iterator[Finding]:
        """What came of it."""
        names, states = self._names, self._states
        if names.number:
            field = self._near(names.first)
            yield finding(
                "field-misspelt",
                f"{counted(names.number, 'user')} {_have(names.number)} a field that is nearly called as one that"
                f" decides about logins: {names.told(self._near)}",
                mend=_set(place, names.users[0], f"{field}={self._first_value}", f"{names.first}="),
                users=names.users,
            )
        if states.number:
            yield finding(
                "state-unknown",
                f"{counted(states.number, 'user')} {_have(states.number)} a {FIELD} that refuses nobody:"
                f" {states.told(nearest)}",
                mend=_set(place, states.users[0], f"{FIELD}={nearest(states.first) or 'closed'}")
                + f"; a word that is to refuse nobody: in a field of another name, or {FIELD}=ok",
                users=states.users,
            )


def _set(place: Place, user: str, *fields: str) -> str:
    if place.config is not None and all(one.read_only for one in place.config.stores):
        return f"where these users are managed: {', '.join(fields)}"
    return place.nwauth("user", "set", *(["--"] if user.startswith("-") else []), user, *fields)


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
