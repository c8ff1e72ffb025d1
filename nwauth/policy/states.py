"""Words of ``mailstatus`` that refuse nobody, and names of fields that decide nothing, which may be meant to.

Any may stand there (spec/policy.md section 4): it is no error.
"""

from __future__ import annotations

from nwauth.policy.account import DATE_FIELDS, REFUSING_STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Final

FIELD = "mailstatus"
HARMLESS_STATES = frozenset(("ok", "good", "paydue"))  # known, and without effect
MOST = 5  # words that are told of one file
MOST_NAMES = 1000  # of fields that are looked at: files have some ten
ALIKE = 0.85  # mailstate is passed over, and mailaddress is not taken for mailaccess


class Doubts:
    """Words that the fields of users were given and that nobody knows, the first few of them.

    The fields that decide are those of the account, and the one that has the classes of users.
    """

    def __init__(self, class_field: str = "") -> None:
        self.class_field = class_field
        self._words: Final[dict[str, None]] = {}
        self._names: Final[dict[str, str]] = {}  # what each may be meant as; "": nothing

    def look_at(self, words: Iterable[str]) -> None:
        """Keep what is unknown of these."""
        for word in words:
            if not is_known(word) and len(self._words) <= MOST:
                self._words[word] = None

    def look_at_fields(self, fields: Mapping[str, str]) -> None:
        """The same of a user's info fields, and of their names."""
        self.look_at_names(field for field, value in fields.items() if value)
        self.look_at(value for field, value in fields.items() if field.lower() == FIELD)

    def look_at_names(self, names: Iterable[str]) -> None:
        """Keep what is nearly the name of a field that decides."""
        for name in names:
            if name not in self._names and len(self._names) < MOST_NAMES:
                self._names[name] = self.near(name)

    def near(self, name: str) -> str:
        """The field that decides about logins and is nearly called so; empty: none is, or it is its name."""
        from difflib import get_close_matches

        deciding = {field.lower() for field in (FIELD, *DATE_FIELDS, "ip_mask", self.class_field) if field}
        if name.lower() in deciding:
            return ""
        return next(iter(get_close_matches(name.lower(), sorted(deciding), n=1, cutoff=ALIKE)), "")

    def told(self) -> Iterator[str]:
        """A sentence each."""
        near = {name: field for name, field in self._names.items() if field}
        for name in list(near)[:MOST]:
            yield f"the field {name[:40]!r} decides nothing about logins: did you mean {near[name]}?"
        for word in list(self._words)[:MOST]:
            yield f"{FIELD} {word[:40]!a} is no state that is known, and refuses nobody: {_meant(word)}"
        if len(self._words) > MOST:
            yield f"there are more words of {FIELD} that refuse nobody"


def is_known(word: str) -> bool:
    """Whether it is a word of ``mailstatus`` with a known meaning, or says nothing."""
    folded = word.strip().lower()
    return not folded or folded in REFUSING_STATES or folded in HARMLESS_STATES


def nearest(word: str) -> str:
    """The known word of ``mailstatus`` that is most like this one; empty: none is."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word.strip().lower(), sorted(REFUSING_STATES | HARMLESS_STATES), n=1)), "")


def _meant(word: str) -> str:
    found = nearest(word)
    return f"did you mean {found}?" if found else f"what refuses is {', '.join(sorted(REFUSING_STATES))}"
