"""Which of many rules name a user or a domain, by the name itself or by wildcards, without trying each of them."""

from __future__ import annotations

from nwauth.names import fold, matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Final, TypeVar

    T = TypeVar("T")

WILDCARDS = frozenset("*?")


def shared_by(of_rules: Sequence[T]) -> list[tuple[T, int]]:
    """Each of the values once, and the rules that have it, as bits: a list that many rules name is one value."""
    found: dict[int, tuple[T, int]] = {}
    for at, value in enumerate(of_rules):
        found[id(value)] = value, found.get(id(value), (value, 0))[1] | 1 << at
    return list(found.values())


class PatternTable:
    """The patterns of several rules; the answers are bit masks: bit i is set where one of the i-th rule's matches.

    Most patterns are a whole name, ``*@test.com`` or ``temp_*``: those cost a look into a table for each length that
    there is, however many there are.
    """

    def __init__(self, of_rules: Sequence[Iterable[str]]) -> None:
        whole: dict[str, int] = {}
        heads: dict[int, dict[str, int]] = {}
        tails: dict[int, dict[str, int]] = {}
        others: dict[str, int] = {}
        everyone = 0
        for patterns, bit in shared_by(of_rules):
            for pattern in patterns:
                star = pattern.find("*")
                fixed = pattern.replace("*", "", 1)
                if not WILDCARDS.intersection(pattern):
                    whole[pattern] = whole.get(pattern, 0) | bit
                elif pattern == "*":
                    everyone |= bit
                elif WILDCARDS.intersection(fixed) or not pattern.isascii() or 0 < star < len(fixed):
                    others[pattern] = others.get(pattern, 0) | bit
                else:
                    table = (heads if star else tails).setdefault(len(fixed), {})
                    table[fixed] = table.get(fixed, 0) | bit
        self._whole: Final = whole
        self._heads: Final = tuple(heads.items())
        self._tails: Final = tuple(tails.items())
        self._others: Final = _by_piece(others)
        self._everyone: Final = everyone

    def naming(self, folded: str) -> int:
        """Which of them name this folded name."""
        mask = self._everyone | self._whole.get(folded, 0)
        for length, table in self._heads:
            mask |= table.get(folded[:length], 0)
        for length, table in self._tails:
            mask |= table.get(folded[-length:], 0)
        for piece, odd in self._others:
            if piece in folded:
                for matches, bits in odd:
                    if bits & ~mask and matches(folded):
                        mask |= bits
        return mask


def _by_piece(others: Mapping[str, int]) -> tuple[tuple[str, list[tuple[Callable[[str], bool], int]]], ...]:
    """Odd patterns by a piece that a name must hold: the one that the fewest of them have, as most names lack it."""
    pieces = {pattern: _pieces(pattern) for pattern in others}
    shared: dict[str, int] = {}
    for each in pieces.values():
        for piece in each:
            shared[piece] = shared.get(piece, 0) + 1
    found: dict[str, list[tuple[Callable[[str], bool], int]]] = {}
    for pattern, mask in others.items():
        piece = min(pieces[pattern], key=lambda piece: (shared[piece], -len(piece)), default="")
        found.setdefault(piece, []).append((matcher(pattern), mask))
    return tuple(found.items())


def _pieces(pattern: str) -> set[str]:
    """What stands between the wildcards; only what is ASCII surely stands in a name as it does in the pattern."""
    return {piece for piece in fold(pattern).replace("?", "*").split("*") if piece and piece.isascii()}
