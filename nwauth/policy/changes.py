"""When an answer that depends on the time next changes: found exactly, over clock changes, however far away it is.

The answer can change only where the wall time of a zone meets an edge of some hours, and where a clock changes.  These
instants are tried, in order.  Between two days on which other dates begin to hold all weeks are alike, so that after a
whole one without a change the search goes on with the next such day.
"""

from __future__ import annotations

from nwauth.policy.zones import clock_changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime, tzinfo

    from nwauth.policy.when import When

WEEK_DAYS = 16  # two weeks: a clock change may skip hours of one; and a day on either side, since zones differ
YEARS_OF_CLOCKS = 12  # so far ahead the clocks of different zones are compared; behind it, from each date that counts


def next_change(
    instant: datetime,
    whens: Iterable[When],
    outcome: Callable[[datetime], object],
    *,
    limits: Iterable[datetime] = (),
) -> datetime | None:
    """The first instant after `instant` at which `outcome` is another than now; None: there is none.

    `outcome` may depend on nothing but `whens` and on whether one of the `limits` (aware times) is reached.  Times are
    aware; the result is in UTC.
    """
    from datetime import UTC

    edges: dict[tzinfo, set[int]] = {}
    turning: set[int] = set()
    for when in whens:
        edges.setdefault(when.zone, set()).update(when.edges())
        turning |= when.turning_days()
    now = outcome(instant)
    start = instant.astimezone(UTC)
    moments = sorted(limit.astimezone(UTC) for limit in limits)
    for day in _days(start, edges, turning, [moment.toordinal() for moment in moments]):
        candidates = {moment for moment in moments if moment.toordinal() == day}
        candidates |= _candidates(day, edges)
        for candidate in sorted(candidates):
            if candidate > start and outcome(candidate) != now:
                return candidate
    return None


def _days(start: datetime, edges: dict[tzinfo, set[int]], turning: set[int], moments: list[int]) -> Iterator[int]:
    """The days (ordinals, of UTC) on which to look, in order: a week from `start`, and one from each turning day."""
    from datetime import date

    first = start.toordinal()
    marks = {first, *(mark for day in turning if (mark := day - 2) > first), *(day for day in moments if day > first)}
    if len(edges) > 1:  # one clock changes against another: hours that never met may meet
        beyond = date.fromordinal(first).year + YEARS_OF_CLOCKS
        marks |= _days_of_clock_changes(first, edges, years=YEARS_OF_CLOCKS)
        for mark in [mark for mark in marks if date.fromordinal(mark).year >= beyond - 2]:
            marks |= _days_of_clock_changes(mark, edges, years=2)
    looked = first - 1
    for mark in sorted(marks):
        last = min(mark + WEEK_DAYS + 2, date.max.toordinal() - 2)
        yield from range(max(looked + 1, mark), last + 1)
        looked = max(looked, last)


def _days_of_clock_changes(day: int, zones: Iterable[tzinfo], *, years: int) -> set[int]:
    """The days (ordinals) before clocks change, for some years from `day` on."""
    from datetime import MAXYEAR, UTC, datetime

    start = datetime.fromordinal(day).replace(tzinfo=UTC)
    if start.year + years > MAXYEAR:
        return set()
    end = start.replace(year=start.year + years, day=min(start.day, 28))
    return {change.toordinal() - 1 for zone in zones for change in clock_changes(zone, start, end)}


def _candidates(day: int, edges: dict[tzinfo, set[int]]) -> set[datetime]:
    """The instants of a day (of UTC) at which hours may begin or end; some at which none does are no harm."""
    from datetime import UTC, datetime, timedelta

    midnight = datetime.fromordinal(day).replace(tzinfo=UTC)
    found: set[datetime] = set()
    for zone, minutes in edges.items():
        found.update(clock_changes(zone, midnight - timedelta(hours=1), midnight + timedelta(days=1)))
        for local_day in range(day - 1, day + 2):
            wall = datetime.fromordinal(local_day)
            for minute in minutes | {0}:  # at midnight dates change
                edge = wall + timedelta(minutes=minute)
                for fold in (0, 1):  # a wall time that a clock change repeats is met twice
                    found.add(edge.replace(tzinfo=zone, fold=fold).astimezone(UTC))
    return {instant for instant in found if midnight <= instant < midnight + timedelta(days=1)}
