"""Patterns against each other: whether one matches whatever another does, and whether a name fits both.

``*`` is any text, ``?`` any character; both answers are about every name there could be, not about those there are.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from nwauth.policy.patterns import WILDCARDS

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_STATES = 20_000  # then it is not found out, and the answer is the harmless one
_OTHER = "\0"  # stands for every character that neither pattern names
_SIGMAS = frozenset("σς")  # which wildcards take for one


def is_whole_name(pattern: str) -> bool:
    """Whether the pattern fits one name alone."""
    return not WILDCARDS.intersection(pattern)


def covers(wide: str, narrow: str) -> bool:
    """Whether surely every name that fits `narrow` fits `wide` too."""
    if wide in ("*", narrow):
        return True
    if is_whole_name(wide) or _SIGMAS.intersection(wide + narrow):
        return False
    (head, tail), (wide_head, wide_tail) = _ends(narrow), _ends(wide)
    if not head.startswith(wide_head) or not tail.endswith(wide_tail):
        return False
    return _covers(wide, narrow)


@cache
def _covers(wide: str, narrow: str) -> bool:
    """Whether no name fits `narrow` alone: all are tried at once, as the places that they can have reached in both."""
    alphabet = {*narrow, *wide} - WILDCARDS | {_OTHER}
    start = 0, _rest(wide, [0])
    seen = {start}
    todo = [start]
    while todo:
        at, places = todo.pop()
        if at == len(narrow):
            if len(wide) not in places:
                return False
            continue
        for state in _steps(narrow, at, wide, places, alphabet):
            if state not in seen:
                seen.add(state)
                todo.append(state)
        if len(seen) > MOST_STATES:
            return False
    return True


def _steps(
    narrow: str, at: int, wide: str, places: frozenset[int], alphabet: set[str]
) -> Iterator[tuple[int, frozenset[int]]]:
    character = narrow[at]
    if character == "*":
        yield at + 1, places
    for letter in alphabet if character in WILDCARDS else character:
        yield at + (character != "*"), _read(wide, places, letter)


def _read(pattern: str, places: frozenset[int], letter: str) -> frozenset[int]:
    """Where in a pattern one may be behind a letter."""
    found = []
    for place in places:
        if place < len(pattern):
            if pattern[place] == "*":
                found.append(place)
            elif pattern[place] in ("?", letter):
                found.append(place + 1)
    return _rest(pattern, found)


def _rest(pattern: str, places: list[int]) -> frozenset[int]:
    """These places, and those that are reached without a letter."""
    found = set(places)
    for place in places:
        while place < len(pattern) and pattern[place] == "*":
            place += 1  # noqa: PLW2901 - it goes on from there
            found.add(place)
    return frozenset(found)


@cache
def _ends(pattern: str) -> tuple[str, str]:
    """What stands before the first wildcard, and behind the last one."""
    places = [at for at, character in enumerate(pattern) if character in WILDCARDS]
    return (pattern[: places[0]], pattern[places[-1] + 1 :]) if places else (pattern, pattern)


@cache
def meet(one: str, other: str) -> bool:
    """Whether some name may fit both."""
    if _SIGMAS.intersection(one + other):
        return True
    seen = {(0, 0)}
    todo = [(0, 0)]
    while todo:
        at, place = todo.pop()
        if (at, place) == (len(one), len(other)):
            return True
        a, b = one[at : at + 1], other[place : place + 1]
        following = []
        if a == "*":
            following += [(at + 1, place), *([(at, place + 1)] if b else [])]
        if b == "*":
            following += [(at, place + 1), *([(at + 1, place)] if a else [])]
        if a and b and "*" not in (a, b) and (a == b or "?" in (a, b)):
            following.append((at + 1, place + 1))
        for state in following:
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return False
