"""The fields of a line of pam_time: logic lists, read from left to right without any precedence.

``a | b & !c`` is (a or b) and not c.  What pam_time itself makes of a field that is broken depends on the field and on
how it is broken (it may let everybody pass, or nobody); here it is an error.
"""

from __future__ import annotations

from nwauth.model import Record
from nwauth.policy.imports.week import ALWAYS, clock_of, minutes_of, span
from nwauth.policy.imports.written import found
from nwauth.policy.when import DAY_MINUTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

NAME_CHARACTERS = frozenset("*_-./:0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
BLANKS = " \t\r"
_DAY_CODES = {code: frozenset((day,)) for day, code in enumerate(("mo", "tu", "we", "th", "fr", "sa", "su"))}
DAY_CODES = _DAY_CODES | {"wk": frozenset(range(5)), "wd": frozenset((5, 6)), "al": frozenset(range(7))}
WANTED_TIMES = "days and times as in Wk0830-1700"


class BadField(ValueError):
    """A field that is broken: `column` (from 0, in the field), and what was found and wanted."""

    def __init__(self, column: int, text: str) -> None:
        super().__init__(text)
        self.column = column


class Term(Record):
    """A word of a logic list; `joined` is the operator before it, ``|`` for the first."""

    __slots__ = ("column", "joined", "negated", "word")

    def __init__(self, *, word: str, column: int, negated: bool, joined: str) -> None:
        self.word: Final = word
        self.column: Final = column
        self.negated: Final = negated
        self.joined: Final = joined


def read_terms(field: str, wanted: str) -> list[Term]:
    """The words of a field, with what joins them.

    Raises:
        BadField: it is no logic list.
    """
    terms: list[Term] = []
    at, negated, joined = 0, False, "|"
    expects_word = True
    while at < len(field):
        character = field[at]
        if character in BLANKS:
            at += 1
        elif expects_word and character == "!":
            negated = not negated
            at += 1
        elif expects_word and character in NAME_CHARACTERS:
            end = next((i for i in range(at, len(field)) if field[i] not in NAME_CHARACTERS), len(field))
            terms.append(Term(word=field[at:end], column=at, negated=negated, joined=joined))
            at, negated, expects_word = end, False, False
        elif not expects_word and character in "&|":
            at, joined, expects_word = at + 1, character, True
        else:
            raise BadField(at, f"found {found(character)}, wanted {wanted if expects_word else '& or |'}")
    if expects_word:
        raise BadField(len(field), f"found nothing, wanted {wanted}")
    return terms


def holds(terms: list[Term], agrees: Callable[[str], bool]) -> bool:
    """What the list says where `agrees` says it of each word."""
    result = False
    for term in terms:
        value = agrees(term.word) is not term.negated
        result = (result and value) if term.joined == "&" else (result or value)
    return result


def matches(pattern: str, name: str) -> bool:
    """Whether pam_time takes a name for one that a pattern names: one star, and its two sides may overlap."""
    head, star, tail = pattern.partition("*")
    return name.startswith(head) and name.endswith(tail) if star else name == pattern


def read_times(field: str) -> tuple[int, list[str]]:
    """The minutes of the week at which a line lets in, and what to remark about them.

    Raises:
        BadField: it is no list of times.
    """
    week = 0
    remarks: list[str] = []
    for term in read_terms(field, WANTED_TIMES):
        minutes = _minutes(term, remarks)
        if term.negated:
            minutes ^= ALWAYS
        week = week & minutes if term.joined == "&" else week | minutes
    return week, remarks


def _minutes(term: Term, remarks: list[str]) -> int:
    """The minutes that one word says, as pam_time reads it."""
    days, at = _days(term, remarks)
    start, end = _times(term, at)
    text = term.word
    if not days:
        remarks.append(f"{text} is no day at all: pam_time takes a repeated day out again")
        return 0
    if start < end:
        return sum(span(day, start, end) for day in days)
    remarks.append(
        f"{text} runs past midnight, and pam_time counts the minute {clock_of(end)} in, so the rule goes to "
        f"{clock_of(end + 1)}"
        if end < DAY_MINUTES
        else f"{text} runs past midnight, to the end of the next day"
    )
    week = 0
    for day in days:
        week |= span(day, start, DAY_MINUTES) | span(day + 1, 0, min(end + 1, DAY_MINUTES))
    return week


def _days(term: Term, remarks: list[str]) -> tuple[frozenset[int], int]:
    """The days that a word begins with, and where its times begin."""
    days: frozenset[int] = frozenset()
    named: list[frozenset[int]] = []
    at = 0
    while at < len(term.word) and term.word[at].isalpha():
        code = term.word[at : at + 2]
        these = DAY_CODES.get(code.lower())
        if these is None:
            raise BadField(term.column + at, f"found {found(code)}, wanted Mo Tu We Th Fr Sa Su Wk Wd or Al")
        days ^= these
        named.append(these)
        at += 2
    if not at:
        raise BadField(term.column, f"found {found(term.word)}, wanted a day before the times, as in Al0830-1700")
    if days and sum(map(len, named)) != len(days):
        remarks.append(f"in {term.word} a day that is named twice is taken out again: so pam_time reads it")
    return days, at


def _times(term: Term, at: int) -> tuple[int, int]:
    text = term.word[at:]
    first, hyphen, last = text.partition("-")
    start, end = minutes_of(first), minutes_of(last)
    if not hyphen or start is None or end is None:
        raise BadField(term.column + at, f"found {found(text)}, wanted two times as in 0830-1700")
    return start, end
