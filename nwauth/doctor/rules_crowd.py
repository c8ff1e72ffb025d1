"""Who has which class, and whom the access rules name by a pattern: counted while the users go by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nwauth.doctor.finding import MOST_USERS
from nwauth.doctor.rules_file import reading_of
from nwauth.names import fold, split_name
from nwauth.policy.apps import of
from nwauth.policy.patterns import PatternTable
from nwauth.policy.rules import classes_of

if TYPE_CHECKING:
    from typing import Final

    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_file import Reading
    from nwauth.model import User

MOST_CLASSES = 10_000  # so many that no rule names are counted
SEPARATORS = frozenset(" ;:|'")  # in a class, they were meant to divide two, or to quote one


class Crowd:
    """Counts, while the users go by, who has which class and whom a rule names by a pattern."""

    def __init__(self, reading: Reading, *, class_field: str) -> None:
        rules = reading.policy.rules if reading.policy is not None else ()
        self.reading: Final = reading
        self.class_field: Final = class_field
        self.is_whole = False  # until everybody has gone by
        self.named: Final = frozenset(word for rule in rules for word in rule.classes or ())
        self.classes: Final[Counter[str]] = Counter()
        self.members: Final[dict[str, list[tuple[str, tuple[str, ...]]]]] = {}  # some names, with all their classes
        self.unreadable: Final[list[str]] = []  # some of those whose field for classes cannot be read
        self.number_unreadable = 0
        self.patterns: Final = tuple(dict.fromkeys(word for rule in rules for word in rule.users or ()))
        self.domains: Final = tuple(dict.fromkeys(word for rule in rules for word in rule.domains or ()))
        self._of_names: Final = PatternTable([(word,) for word in self.patterns])
        self._of_domains: Final = PatternTable([(word,) for word in self.domains])
        self._met_names = self._met_domains = 0
        self._domains_seen: set[str] = set()
        self._last = ""

    def take(self, user: User) -> None:
        """Look at a user; of those with one name, who come one after another, the first is the one who logs in."""
        key = fold(user.name)
        if key == self._last:
            return
        self._last = key
        field = user.info.get(self.class_field) if user.info else None
        classes = classes_of(field)
        odd = field is None and fold(self.class_field) in fold(user.info.text)
        if odd or any(map(SEPARATORS.intersection, classes)):
            self.number_unreadable += 1
            if len(self.unreadable) < MOST_USERS:
                self.unreadable.append(user.name)
        for word in classes:
            if word in self.classes or word in self.named or len(self.classes) < MOST_CLASSES:
                self.classes[word] += 1
                members = self.members.setdefault(word, [])
                if len(members) < MOST_USERS:
                    members.append((user.name, classes))
        self._take_apps(user)
        if self.patterns:
            self._met_names |= self._of_names.naming(key)
        domain = split_name(key)[1]
        if self.domains and domain not in self._domains_seen:
            self._met_domains |= self._of_domains.naming(domain)
            if len(self._domains_seen) < MOST_CLASSES:
                self._domains_seen.add(domain)

    def _take_apps(self, user: User) -> None:
        """Who has an app password of a class is one of those whom its rules are about."""
        if user.info and user.info.names_a_secret():
            for word in {word for one in of(user.info) if one.classes for word in classes_of(one.classes)}:
                self.classes[word] += word in self.named

    @property
    def unmet(self) -> list[str]:
        """The patterns that no user fitted."""
        return [word for at, word in enumerate(self.patterns) if not self._met_names >> at & 1]

    @property
    def unmet_domains(self) -> list[str]:
        """The domains of which no user was."""
        return [word for at, word in enumerate(self.domains) if not self._met_domains >> at & 1]


def crowd_of(place: Place) -> Crowd | None:
    """What is to be counted; None where there is no policy, or none that can be read."""
    try:
        reading = reading_of(place)
    except OSError:  # whoever looks at the rules is told
        return None
    if reading is None or place.config is None:
        return None
    return Crowd(reading, class_field=place.config.policy.class_field)
