"""The hours of a rule, and whether an instant is within (spec/policy.md section 2); `grammar` reads them.

An instant is converted to wall time in the rule's zone and tested there; nothing is ever added to a local time.  So a
wall time that a clock change skips never occurs, and one that it repeats counts twice.  A span belongs to the day it
starts on: that day's name, the lists behind ``except`` and the dates decide about the whole of it, also past midnight.
"""

from __future__ import annotations

from bisect import bisect_right

from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, tzinfo
    from typing import Final

    Span = tuple[int, int]  # minutes after the midnight that begins a day; the end may lie in the next day

DAY_MINUTES = 24 * 60
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS = tuple(name[:3] for name in DAY_NAMES)
EVERY_DAY = frozenset(range(7))


def days_in_words(days: Iterable[int]) -> str:
    """Days in order, 0 being Monday, as a `when` names them: ``Mon-Wed, Fri``."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)


class Dates(Record):
    """Days of the calendar, as spans of ordinals (`date.toordinal`), both ends within; in order, and apart."""

    __slots__ = ("_firsts", "spans")

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        joined: list[tuple[int, int]] = []
        for first, last in sorted(spans):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(last, joined[-1][1])
            else:
                joined.append((first, last))
        self.spans: Final = tuple(joined)
        self._firsts: Final = tuple(first for first, _ in joined)

    def hold(self, ordinal: int) -> bool:
        """Whether the day is one of them."""
        at = bisect_right(self._firsts, ordinal) - 1
        return at >= 0 and ordinal <= self.spans[at][1]


class When(Record):
    """Hours of the week in a zone, on some dates: read once, asked often.

    `week` has the spans that start on each day of the week, Monday first; `days_off` are the dates on which none
    starts, and none starts before `first` nor after `last` (ordinals; None: no limit).
    """

    __slots__ = ("_over", "days_off", "first", "last", "text", "week", "zone")

    def __init__(
        self,
        *,
        text: str,
        zone: tzinfo,
        week: tuple[tuple[Span, ...], ...],
        days_off: Dates,
        first: int | None = None,
        last: int | None = None,
    ) -> None:
        self.text: Final = text
        self.zone: Final = zone
        self.week: Final = week
        self.days_off: Final = days_off
        self.first: Final = first
        self.last: Final = last
        self._over: Final = tuple(
            tuple(end - DAY_MINUTES for _, end in spans if end > DAY_MINUTES) for spans in week
        )  # until which minute the spans of a day run on the next one

    def at(self, instant: datetime) -> bool:
        """Whether an aware time is within."""
        return self.holds(instant.astimezone(self.zone))

    def holds(self, local: datetime) -> bool:
        """Whether wall time in `zone` is within."""
        return self.hold(local.toordinal(), local.hour * 60 + local.minute)

    def hold(self, ordinal: int, minute: int) -> bool:
        """The same, of a day and the minute in it."""
        day = (ordinal + 6) % 7
        for start, end in self.week[day]:
            if start <= minute < end and self._starts_on(ordinal):
                return True
        for end in self._over[day - 1]:  # noqa: SIM110, a generator costs more than what it looks at
            if minute < end and self._starts_on(ordinal - 1):
                return True
        return False

    def _starts_on(self, ordinal: int) -> bool:
        if (self.first is not None and ordinal < self.first) or (self.last is not None and ordinal > self.last):
            return False
        return not self.days_off.spans or not self.days_off.hold(ordinal)

    def edges(self) -> frozenset[int]:
        """The minutes of a day at which a span starts or ends."""
        return frozenset(edge % DAY_MINUTES for spans in self.week for span in spans for edge in span)

    def turning_days(self) -> frozenset[int]:
        """The ordinals from which another rule of dates holds: between two of them, all weeks are alike."""
        days = {day for first, last in self.days_off.spans for day in (first, last + 1)}
        days |= {day for day in (self.first, None if self.last is None else self.last + 1) if day is not None}
        return frozenset(days)
