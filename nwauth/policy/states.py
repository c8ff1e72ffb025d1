"""Words of ``mailstatus`` that refuse nobody, and may be meant to (spec/policy.md section 4: any may stand there)."""

from __future__ import annotations

from nwauth.policy.account import REFUSING_STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Final

FIELD = "mailstatus"
HARMLESS_STATES = frozenset(("ok", "good", "paydue"))  # known, and without effect
MOST = 5  # words that are told of one file


class Doubts:
    """Words that the fields of users were given and that nobody knows, the first few of them."""

    def __init__(self) -> None:
        self._words: Final[dict[str, None]] = {}

    def look_at(self, words: Iterable[str]) -> None:
        """Keep what is unknown of these."""
        for word in words:
            folded = word.strip().lower()
            if folded and folded not in REFUSING_STATES and folded not in HARMLESS_STATES and len(self._words) <= MOST:
                self._words[word] = None

    def look_at_fields(self, fields: Mapping[str, str]) -> None:
        """The same of a user's info fields."""
        self.look_at(value for field, value in fields.items() if field.lower() == FIELD)

    def told(self) -> Iterator[str]:
        """A sentence each."""
        for word in list(self._words)[:MOST]:
            yield f"{FIELD} {word[:40]!a} is no state that is known, and refuses nobody: {_meant(word)}"
        if len(self._words) > MOST:
            yield f"there are more words of {FIELD} that refuse nobody"


def _meant(word: str) -> str:
    from difflib import get_close_matches

    found = get_close_matches(word.strip().lower(), sorted(REFUSING_STATES | HARMLESS_STATES), n=1)
    return f"did you mean {found[0]}?" if found else f"what refuses is {', '.join(sorted(REFUSING_STATES))}"
