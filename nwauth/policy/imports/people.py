"""The users that a line of pam_time is for: all, or some by name and wildcard, but for some others."""

from __future__ import annotations

from nwauth.model import Record
from nwauth.names import fold
from nwauth.policy.imports.logic import BadField, matches, read_terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from nwauth.policy.imports.logic import Term

WANTED = "a name of a user, or * with a part of it"
CANNOT_SAY = "cannot be said by rules that name users: give them a class, and write a rule for it"


class People(Record):
    """Users: those that `named` name (None: all of them) but for those that `but` name; folded, and in order."""

    __slots__ = ("but", "named")

    def __init__(self, *, named: tuple[str, ...] | None, but: tuple[str, ...] = ()) -> None:
        self.named: Final = named
        self.but: Final = but


NOBODY = People(named=())


class _CannotSayError(Exception):
    """Users that are neither some, nor all but some."""


def read_people(field: str) -> People:
    """The users that a field names.

    Raises:
        BadField: it is no logic list, or none that names of users can say.
    """
    people = NOBODY
    for term in read_terms(field, WANTED):
        try:
            these = _negated(_named(term)) if term.negated else _named(term)
            people = _both(people, these) if term.joined == "&" else _either(people, these)
        except _CannotSayError:
            raise BadField(term.column, CANNOT_SAY) from None
    return people


def shares(patterns: tuple[str, ...] | None, other: str) -> list[str]:
    """What of the names that `other` names is among those of `patterns` too (None: all), as patterns.

    Raises:
        ValueError: no wildcard says it.
    """
    try:
        return [other] if patterns is None else list(_distinct(_common(patterns, (other,))))
    except _CannotSayError:
        raise ValueError(CANNOT_SAY) from None


def is_among(patterns: tuple[str, ...], other: str) -> bool:
    """Whether all that `other` names are among the names of `patterns`; False: none of them.

    Raises:
        ValueError: some are.
    """
    try:
        return _is_among(patterns, other)
    except _CannotSayError:
        raise ValueError(CANNOT_SAY) from None


def _named(term: Term) -> People:
    if term.word.count("*") > 1:
        raise BadField(term.column + term.word.rindex("*"), "found a second *, wanted one at most")
    pattern = fold(term.word)
    if pattern == "*":
        return People(named=None)
    return People(named=_distinct([pattern, *_overlapping(pattern)]))


def _overlapping(pattern: str) -> list[str]:
    """The names that pam_time takes for ``ab*bc`` though its two sides share characters, as in ``abc``."""
    head, star, tail = pattern.partition("*")
    shared = range(1, min(len(head), len(tail)) + 1) if star else ()
    return [head + tail[count:] for count in shared if head.endswith(tail[:count])]


def _negated(people: People) -> People:
    if people.named is None:
        return People(named=people.but)
    if people.but:
        raise _CannotSayError
    return People(named=None, but=people.named)


def _either(one: People, other: People) -> People:
    if one.named == ():
        return other
    if not one.but and not other.but:
        if one.named is None or other.named is None:
            return People(named=None)
        return People(named=_distinct([*one.named, *other.named]))
    if one.named is None and other.named is None:
        return People(named=None, but=tuple(_common(one.but, other.but)))
    if one.but and other.but:
        raise _CannotSayError
    less, more = (one, other) if one.but else (other, one)
    if more.named is None:
        return more
    but = tuple(name for name in less.but if not _is_among(more.named, name))
    return People(named=None if less.named is None else _distinct([*less.named, *more.named]), but=but)


def _both(one: People, other: People) -> People:
    if one.named is None or other.named is None:
        named = other.named if one.named is None else one.named
    else:
        named = _distinct(_common(one.named, other.named))
    but = _distinct([*one.but, *other.but])
    if named is not None:
        named = tuple(name for name in named if not any(_contains(pattern, name) for pattern in but))
        but = tuple(pattern for pattern in but if any(not _disjoint(pattern, name) for name in named))
    return People(named=named, but=but)


def _common(some: Iterable[str], others: Iterable[str]) -> list[str]:
    """The names that both lists name."""
    others = tuple(others)
    return [one if _contains(other, one) else other for one in some for other in others if _overlap(one, other)]


def _is_among(patterns: Iterable[str], name: str) -> bool:
    apart = True
    for pattern in patterns:
        if _contains(pattern, name):
            return True
        apart = apart and _disjoint(pattern, name)
    if not apart:
        raise _CannotSayError
    return False


def _overlap(one: str, other: str) -> bool:
    """Whether they have names in common; raises where that is neither all of `one` nor all of `other`."""
    if _disjoint(one, other):
        return False
    if _contains(one, other) or _contains(other, one):
        return True
    raise _CannotSayError


def _contains(pattern: str, other: str) -> bool:
    if "*" not in other:
        return matches(pattern, other)
    head, star, tail = pattern.partition("*")
    of_head, _, of_tail = other.partition("*")
    return bool(star) and of_head.startswith(head) and of_tail.endswith(tail)


def _disjoint(one: str, other: str) -> bool:
    if "*" not in other:
        return not matches(one, other)
    if "*" not in one:
        return not matches(other, one)
    heads, tails = zip(one.split("*"), other.split("*"), strict=True)
    return not (
        (heads[0].startswith(heads[1]) or heads[1].startswith(heads[0]))
        and (tails[0].endswith(tails[1]) or tails[1].endswith(tails[0]))
    )


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
