"""The minutes of a week as one number, bit 0 being 00:00 on Monday, and how a `when` says them.

Spec/policy.md section 2 has its grammar.
"""

from __future__ import annotations

from nwauth.policy.when import DAY_MINUTES, days_in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

WEEK_MINUTES = 7 * DAY_MINUTES
ALWAYS = (1 << WEEK_MINUTES) - 1
MAX_CHARACTERS = 2000  # of one `when`: a reader of rules takes twice as many
_DAY = (1 << DAY_MINUTES) - 1


def span(day: int, first: int, end: int) -> int:
    """The minutes from `first` up to, not with, `end` on a day; 0 is Monday."""
    return ((1 << max(end - first, 0)) - 1) << (day % 7 * DAY_MINUTES + first)


def minutes_of(clock: str) -> int | None:
    """The minute of the day that ``0830`` names, up to 2400; None for what is no time of day."""
    if len(clock) != 4 or not clock.isascii() or not clock.isdigit():
        return None
    hour, minute = int(clock[:2]), int(clock[2:])
    total = hour * 60 + minute
    return total if minute < 60 and total <= DAY_MINUTES else None


def clock_of(minute: int) -> str:
    """``08:30`` for a minute of the day; 24:00 is its end."""
    return f"{minute // 60:02}:{minute % 60:02}"


def hours(week: int) -> list[str | None]:
    """The minutes as the `when` of as few rules as can hold them: none for no minute, None for always."""
    if week == ALWAYS:
        return [None]
    of_days = [week >> (day * DAY_MINUTES) & _DAY for day in range(7)]
    texts: list[str | None] = []
    for spanset in _spansets(of_days):
        last = texts[-1] if texts else None
        if last is not None and len(last) + len(spanset) < MAX_CHARACTERS:
            texts[-1] = f"{last}; {spanset}"
        else:
            texts.append(spanset)
    return texts


def _spansets(of_days: list[int]) -> Iterator[str]:
    """Each set of days that are alike, with its spans, in the order of their first days."""
    alike: dict[int, list[int]] = {}
    for day, minutes in enumerate(of_days):
        if minutes:
            alike.setdefault(minutes, []).append(day)
    for minutes, days in alike.items():
        spans = "" if minutes == _DAY else ", ".join(_spans(minutes))
        named = "" if len(days) == 7 else days_in_words(days)
        yield f"{named} {spans}".strip()


def _spans(minutes: int) -> Iterator[str]:
    at = 0
    while minutes >> at:
        rest = minutes >> at
        first = at + (rest & -rest).bit_length() - 1
        inverted = ~(minutes >> first)
        at = first + (inverted & -inverted).bit_length() - 1
        yield f"{clock_of(first)}-{clock_of(at)}"
