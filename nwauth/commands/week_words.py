"""A week of logins in words: which days and hours are allowed, denied or open, and by which rules."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nwauth.commands.output import colored
from nwauth.commands.policy_rules import wrapped
from nwauth.commands.shown import visible
from nwauth.policy.rules import DEFAULT
from nwauth.policy.week import ALLOW, DAY_SECONDS, DENY, DEPENDS, times
from nwauth.policy.when import DAYS, days_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date, datetime
    from typing import Final

    from nwauth.policy.rules import Policy, Rule
    from nwauth.policy.week import Piece, Ruling, Rulings

    Answer = frozenset[tuple[bool, str]]  # allowed or not, by which rule

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SAID = {ALLOW: "allowed", DENY: "denied", DEPENDS: "depends"}
COLORS = {ALLOW: "32", DENY: "31", DEPENDS: "33"}
MOST_SHOWN = 3  # entries of a condition
MOST_RULES = 8  # in one answer
MOST_ANSWERS = 40
LEAD = 9


class Words:
    """Says what rules of `policy` decide."""

    def __init__(self, policy: Policy) -> None:
        self._rules: Final = {rule.name: rule for rule in policy.rules}
        self._places: Final = {name: place for place, name in enumerate(self._rules)} | {DEFAULT: len(self._rules)}

    def ordered(self, rulings: Rulings) -> list[Ruling]:
        """In the order in which they are asked: the account's fields, the rules, the default."""
        return sorted(rulings, key=lambda ruling: (self._places.get(ruling.rule, -1), ruling.rule, ruling.shadowed))

    def shadows(self, rulings: Rulings) -> list[str]:
        """The rules that would decide otherwise about some of them, were they no shadows."""
        names = {name for ruling in rulings for name in ruling.shadowed}
        return [name for name in self._rules if name in names]

    def lines(self, pieces: Sequence[Piece], *, width: int | None, on: bool) -> Iterator[str]:
        """The hours of each answer that there is; last, as what is left, the default, or the one with most hours."""
        by_answer: dict[Answer, list[Piece]] = {}
        for piece in pieces:
            by_answer.setdefault(frozenset((one.allowed, one.rule) for one in piece.rulings), []).append(piece)
        left = max(by_answer, key=lambda answer: _weight(answer, by_answer[answer]), default=None)
        of_days = Counter(piece.ordinal for piece in pieces)
        told = sorted(by_answer, key=lambda answer: answer == left)
        for answer in told if len(told) <= MOST_ANSWERS else told[: MOST_ANSWERS - 1]:
            chosen = by_answer[answer]
            hours = "at all times" if len(by_answer) == 1 else "at all other times" if answer == left else None
            decision = chosen[0].decision
            word = colored(f"{SAID[decision]:{LEAD}}", COLORS[decision], on=on)
            first, *more = wrapped(" " * LEAD, hours or hours_words(times(chosen, of_days)), width)
            yield word + first[LEAD:]
            yield from more
            yield from wrapped(" " * (LEAD + 2), self._by(chosen[0].rulings, decision), width)
        if len(told) > MOST_ANSWERS:
            more_words = f"and {len(told) - MOST_ANSWERS + 1} more answers: --from and --service narrow them"
            yield from wrapped(" " * LEAD, more_words, width)
        for name in self.shadows(frozenset(ruling for piece in pieces for ruling in piece.rulings)):
            yield from self._shadow(name, pieces, of_days, width=width)

    def _by(self, rulings: Rulings, decision: str) -> str:
        """Which rules decide, with what they ask of the login."""
        found = dict.fromkeys((ruling.allowed, ruling.rule) for ruling in self.ordered(rulings))
        texts = [
            (f"{'allowed' if allowed else 'denied'} " if decision == DEPENDS else "") + self._named(name)
            for allowed, name in found
        ]
        if len(texts) > MOST_RULES:
            texts[MOST_RULES - 1 : -1] = [f"by {len(texts) - MOST_RULES} more rules"]
        return ", else ".join(texts)

    def _named(self, name: str) -> str:
        rule = self._rules.get(name)
        if rule is None:
            return "by default" if name == DEFAULT else f"by the account's {name}"
        asked = [_condition(rule, key) for key in ("from", "service") if key in rule.words]
        return f'by "{visible(name)}"' + (f" ({'; '.join(asked)})" if asked else "")

    def _shadow(self, name: str, pieces: Sequence[Piece], of_days: Counter[int], *, width: int | None) -> Iterator[str]:
        """When a rule in shadow mode would decide otherwise."""
        rule = self._rules[name]

        chosen = [piece for piece in pieces if any(name in ruling.shadowed for ruling in piece.rulings)]
        hours = "at all times" if len(chosen) == len(pieces) else hours_words(times(chosen, of_days))
        verb = "allow" if rule.allow else "deny"
        text = f'"{visible(name)}" would {verb}, were it in force: {hours}'
        asked = [_condition(rule, key) for key in ("from", "service") if key in rule.words]
        yield from wrapped(f"{'shadow':{LEAD}}", text + (f" ({'; '.join(asked)})" if asked else ""), width)


def _weight(answer: Answer, pieces: Iterable[Piece]) -> tuple[bool, float]:
    """What makes an answer the one that needs no hours: it is the default, or has most of them."""
    seconds = sum((piece.finish - piece.begin).total_seconds() for piece in pieces)
    return {rule for _, rule in answer} == {DEFAULT}, seconds


def _condition(rule: Rule, key: str) -> str:
    words = rule.words[key]
    more = f" and {len(words) - MOST_SHOWN} more" if len(words) > MOST_SHOWN else ""
    return f"{key} {visible(', '.join(words[:MOST_SHOWN]))}{more}"


# --- days and hours --------------------------------------------------------------------------------------------------


def hours_words(found: dict[int, list[tuple[int, int, int]]]) -> str:
    """``Mon-Fri 08:30-12:00, 13:00-17:00; Sat 09:00-12:00``: days that are alike together, in the order of the week."""
    alike: dict[str, list[int]] = {}
    for ordinal, spans in sorted(found.items(), key=lambda item: (item[0] + 6) % 7):
        alike.setdefault(_spans(spans), []).append((ordinal + 6) % 7)
    return "; ".join(f"{days_in_words(days)} {spans}".strip() for spans, days in alike.items())


def _spans(spans: Iterable[tuple[int, int, int]]) -> str:
    texts = []
    for turn, start, end in spans:
        whole = (start, end) == (0, DAY_SECONDS)
        until = end if end <= DAY_SECONDS else end - DAY_SECONDS
        texts.append(("again " if turn else "") + ("all day" if whole else f"{clock(start)}-{clock(until)}"))
    return ", ".join(texts)


def clock(seconds: int) -> str:
    """A time of day, with seconds where there are some; the end of the day is 24:00."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{rest:02}" if rest else "")


def day_words(day: date) -> str:
    """``Mon 23 Nov 2026``, whatever the locale."""
    return f"{DAYS[day.weekday()]} {day.day:2} {MONTHS[day.month - 1]} {day.year}"


def offset_words(local: datetime) -> str:
    """``NZDT, UTC+13:00``."""
    name, offset = local.tzname() or "", local.isoformat()[19:].lstrip("0123456789.")
    sign = local.strftime("%z")
    shown = f"UTC{offset[-6:]}" if sign else "UTC"
    return shown if not name or name[0] in "+-" or name == "UTC" else f"{name}, {shown}"
