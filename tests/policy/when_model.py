"""What a `when` means, told slowly: a structure, the wall time of one instant, and every span looked at by hand.

Written from spec/policy.md section 2 alone, beside the reader and not after it: it shares nothing with `nwauth`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DrawFn

    Period = tuple[date, date]  # the first and the last day

NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GROUPS = {"weekdays": ((0, 4),), "weekends": ((5, 6),), "daily": ((0, 6),)}
ALL_DAY = (0, 24 * 60)
A_DAY = timedelta(days=1)


class SpanSet(NamedTuple):
    """Days as ranges of weekdays (Monday is 0; no range: every day), and spans in minutes (none: all day)."""

    days: tuple[tuple[int, int], ...]
    spans: tuple[tuple[int, int], ...]


class Sketch(NamedTuple):
    """One `when`, as it is meant."""

    sets: tuple[SpanSet, ...]
    excepted: tuple[str, ...] = ()  # names of lists
    zone: str | None = None  # None: the policy's
    first: date | None = None
    last: date | None = None


class Meant(NamedTuple):
    """One `when` and what it stands among: its text in some spelling, the policy's zone, and the lists."""

    sketch: Sketch
    text: str
    home: str
    lists: dict[str, tuple[Period, ...]]

    def at(self, instant: datetime) -> bool:
        """Whether it holds at an instant: wall time in its zone, tested there."""
        wall = instant.astimezone(ZoneInfo(self.sketch.zone or self.home))
        return self.holds(wall.replace(tzinfo=None))

    def holds(self, wall: datetime) -> bool:
        """Whether it holds at a wall time."""
        return any(
            minute in range(start, end if start < end else end + 24 * 60)
            for day, minute in seen_from_both_days(wall)
            for spanset in self.sketch.sets
            if self.starts_on(day, spanset)
            for start, end in spanset.spans or [ALL_DAY]
        )

    def starts_on(self, day: date, spanset: SpanSet) -> bool:
        """Whether spans of this set start on that day."""
        sketch = self.sketch
        return (
            is_one_of(day.weekday(), spanset.days)
            and not any(first <= day <= last for name in sketch.excepted for first, last in self.lists[name])
            and (sketch.first is None or sketch.first <= day)
            and (sketch.last is None or day <= sketch.last)
        )


def seen_from_both_days(wall: datetime) -> Iterator[tuple[date, int]]:
    """The days whose spans may hold now, and the minute as each of them counts it."""
    minute = wall.hour * 60 + wall.minute
    yield wall.date(), minute
    yield wall.date() - A_DAY, minute + 24 * 60


def is_one_of(weekday: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    """Whether a weekday is in one of the ranges, which may wrap round the week; without a range every day is."""
    for first, last in ranges:
        day = first
        while day not in (weekday, last):
            day = (day + 1) % 7
        if day == weekday:
            return True
    return not ranges


# --- places: where and when clocks do odd things ---------------------------------------------------------------------


class Place(NamedTuple):
    """A zone, and an instant near which its clock or its calendar does something odd."""

    zone: str
    around: datetime
    changes: bool = True  # whether the offset from UTC is another one afterwards


def utc(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]


PLACES = (
    Place("Europe/Dublin", utc(2026, 3, 29, 1)),  # its winter is the time that is "saved": negative DST
    Place("Europe/Dublin", utc(2026, 10, 25, 1)),
    Place("Australia/Lord_Howe", utc(2026, 4, 4, 15)),  # half an hour
    Place("Australia/Lord_Howe", utc(2026, 10, 3, 15, 30)),
    Place("Pacific/Apia", utc(2011, 12, 30, 10)),  # 2011-12-30 never was
    Place("America/New_York", utc(2026, 3, 8, 7)),
    Place("America/New_York", utc(2026, 11, 1, 6)),
    Place("Africa/Casablanca", utc(2026, 2, 15, 2)),  # by the moon
    Place("Africa/Casablanca", utc(2026, 3, 22, 2)),
    Place("Asia/Kathmandu", utc(1985, 12, 31, 18, 30)),  # a new offset, a quarter of an hour more
    Place("Pacific/Kwajalein", utc(1993, 8, 21, 12)),  # 1993-08-21 never was
    Place("Africa/Monrovia", utc(1972, 1, 7, 0, 44, 30)),  # until then 44 minutes and 30 seconds behind
    Place("Antarctica/Troll", utc(2026, 3, 29, 1)),  # two hours
    Place("Antarctica/Troll", utc(2026, 10, 25, 1)),
    Place("America/Sao_Paulo", utc(2018, 11, 4, 3)),  # midnight never was
    Place("America/Sao_Paulo", utc(2019, 2, 17, 2)),  # midnight fell back into the day before
    Place("America/St_Johns", utc(2006, 10, 29, 2, 31)),  # one minute of the new day, and the old one again
    Place("America/Juneau", utc(1867, 10, 19, 0, 31, 13)),  # a whole day twice
    Place("Pacific/Auckland", utc(2026, 12, 31, 11), changes=False),  # year's end
    Place("UTC", utc(2028, 2, 29, 12), changes=False),  # leap day
    Place("Asia/Tokyo", utc(2100, 2, 28, 15), changes=False),  # no leap day
)

places = st.sampled_from(PLACES)


def local_day(place: Place) -> date:
    """The calendar day there."""
    return place.around.astimezone(ZoneInfo(place.zone)).date()


# --- what hypothesis makes -------------------------------------------------------------------------------------------

ODD_MINUTES = (0, 1, 30, 60, 90, 119, 120, 121, 135, 150, 179, 180, 181, 330, 345, 720, 1320, 1380, 1410, 1439)
starts = st.sampled_from(ODD_MINUTES) | st.integers(0, 24 * 60 - 1)
spans = st.tuples(starts, starts | st.just(24 * 60)).filter(lambda span: span[0] != span[1])
weekdays = st.integers(0, 6)
ranges = st.tuples(weekdays, weekdays) | weekdays.map(lambda day: (day, day))
some_days = st.lists(ranges, max_size=3) | st.sampled_from([list(days) for days in GROUPS.values()])
sets = st.tuples(some_days.map(tuple), st.lists(spans, max_size=3).map(tuple)).filter(any).map(lambda s: SpanSet(*s))
near = st.integers(-3, 3)
LIST_NAMES = ("holidays", "school-terms", "x_2")


@st.composite
def meant(draw: DrawFn, place: Place) -> Meant:
    """A `when` whose days, lists and limits lie near the place's odd instant, in a random spelling."""
    today = local_day(place)
    shift = near.map(lambda days: today + timedelta(days=days))
    period = st.tuples(shift, shift).map(lambda days: (min(days), max(days))) | shift.map(lambda day: (day, day))
    lists = {name: tuple(draw(st.lists(period, max_size=2))) for name in LIST_NAMES}
    first, last = draw(st.none() | shift), draw(st.none() | shift)
    if first and last and first > last:
        first, last = last, first
    is_home = draw(st.booleans())
    sketch = Sketch(
        sets=tuple(draw(st.lists(sets, min_size=1, max_size=3))),
        excepted=tuple(draw(st.lists(st.sampled_from(LIST_NAMES), max_size=2))),
        zone=None if is_home else place.zone,
        first=first,
        last=last,
    )
    home = place.zone if is_home else draw(st.sampled_from(["UTC", "Asia/Kathmandu", "Pacific/Apia"]))
    return Meant(sketch, Spelling(draw).of(sketch), home, lists)


class Spelling:
    """Writes a sketch down as one of the many texts that mean it."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw

    def one_of(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def maybe_blank(self) -> str:
        return self.one_of("", "", " ", "  ", "\t")

    def blank(self) -> str:
        return self.one_of(" ", "  ", "\t ")

    def cased(self, word: str) -> str:
        return self.one_of(word, word, word.lower(), word.upper(), word.swapcase())

    def between(self, separator: str, pieces: list[str]) -> str:
        text = pieces[0]
        for piece in pieces[1:]:
            text += f"{self.maybe_blank()}{separator}{self.maybe_blank()}{piece}"
        return text

    def day(self, number: int) -> str:
        name = NAMES[number]
        return self.cased(self.one_of(name[:3], name[:2], name))

    def days(self, days: tuple[tuple[int, int], ...]) -> str:
        groups = [name for name, of in GROUPS.items() if of == days]
        if groups and self.one_of("a word", "its days") == "a word":
            return self.cased(groups[0])
        return self.between(",", [self.day_range(first, last) for first, last in days])

    def day_range(self, first: int, last: int) -> str:
        if first == last and self.one_of("a day", "a range") == "a day":
            return self.day(first)
        return self.between("-", [self.day(first), self.day(last)])

    def span(self, start: int, end: int) -> str:
        colon = self.one_of(":", "")
        return self.between("-", [f"{time // 60:02}{colon}{time % 60:02}" for time in (start, end)])

    def spanset(self, spanset: SpanSet) -> str:
        days = [self.days(spanset.days)] if spanset.days else []
        spans = [self.between(",", [self.span(*span) for span in spanset.spans])] if spanset.spans else []
        return self.blank().join(days + spans)

    def of(self, sketch: Sketch) -> str:
        text = self.maybe_blank() + self.between(";", [self.spanset(spanset) for spanset in sketch.sets])
        if sketch.excepted:
            lists = self.between(",", [f"@{self.cased(name)}" for name in sketch.excepted])
            text += f"{self.blank()}{self.cased('except')}{self.blank()}{lists}"
        if sketch.zone:
            text += f"{self.blank()}{self.cased('in')}{self.blank()}{sketch.zone}"
        if sketch.first:
            text += f"{self.blank()}{self.cased('from')}{self.blank()}{sketch.first}"
        if sketch.last:
            text += f"{self.blank()}{self.cased('until')}{self.blank()}{sketch.last}"
        return text + self.maybe_blank()
