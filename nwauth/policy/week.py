"""A week as the rules mean it: when logins are allowed, denied, or depend on what is not said (spec section 7).

Nothing here decides: `Policy.decide` does, for one login of each kind (`nwauth.policy.kinds`), at each instant at which
its hours may begin or end.  So the answer is exact to the second, over clock changes.
"""

from __future__ import annotations

from nwauth.model import Record
from nwauth.policy.zones import clock_changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, tzinfo
    from typing import Final

    from nwauth.policy.when import When

ALLOW, DENY, DEPENDS, MIXED, ABSENT = "allow", "deny", "depends", "mixed", "absent"
WEEK_DAYS = 7
DAY_SECONDS = 86_400
NIGHT_SECONDS = 16 * 3600  # what runs past midnight and is longer is told of each day


class Ruling(Record):
    """What is decided about a login: `rule` is a rule's name, ``default``, or the field that keeps the account out."""

    __slots__ = ("allowed", "rule", "shadowed")

    def __init__(self, *, allowed: bool, rule: str, shadowed: tuple[str, ...] = ()) -> None:
        self.allowed: Final = allowed
        self.rule: Final = rule
        self.shadowed: Final = shadowed


Rulings = frozenset[Ruling]


def decision_of(rulings: Rulings) -> str:
    """``allow``, ``deny``, or ``depends`` where not all of them are alike."""
    allowed = {ruling.allowed for ruling in rulings}
    return DEPENDS if len(allowed) > 1 else ALLOW if True in allowed else DENY


class Piece(Record):
    """A stretch of one day without a change: from `start` to `end`, seconds of wall time in the day `ordinal`.

    `begin` and `finish` are the same as instants, in UTC.  `turn` is 1 for what comes a second time in that day, since
    the clock was put back, else 0.
    """

    __slots__ = ("begin", "end", "finish", "ordinal", "rulings", "start", "turn")

    def __init__(
        self, *, ordinal: int, turn: int, start: int, end: int, begin: datetime, finish: datetime, rulings: Rulings
    ) -> None:
        self.ordinal: Final = ordinal
        self.turn: Final = turn
        self.start: Final = start
        self.end: Final = end
        self.begin: Final = begin
        self.finish: Final = finish
        self.rulings: Final = rulings

    @property
    def decision(self) -> str:
        """See `decision_of`."""
        return decision_of(self.rulings)


class Course(Record):
    """What is decided about one kind of login: `ruling` at an instant, which depends on nothing but `whens`."""

    __slots__ = ("ruling", "whens")

    def __init__(self, ruling: Callable[[datetime], Ruling], whens: Iterable[When]) -> None:
        self.ruling: Final = ruling
        self.whens: Final = tuple(whens)


def week(courses: Sequence[Course], *, zone: tzinfo, first: int, limits: Iterable[datetime] = ()) -> list[Piece]:
    """The seven days from the day `first` (an ordinal) on, as the clocks of `zone` show them, in order of time.

    The rulings of all `courses` may also depend on whether one of the `limits` (aware times) is reached.
    """
    from datetime import UTC, datetime, timedelta

    # Two days more on either side: a clock change may carry a part of a day there.
    start = datetime.fromordinal(first - 2).replace(tzinfo=UTC)
    end = start + timedelta(days=WEEK_DAYS + 4)
    spans = list(_spans(courses, _moments(courses, limits, start, end)))
    ends = [begin for begin, _ in spans[1:]] + [end]
    days = range(first, first + WEEK_DAYS)
    changes = list(clock_changes(zone, start, end))
    cut = [
        part
        for (begin, rulings), finish in zip(spans, ends, strict=True)
        for part in _cut(begin, finish, rulings, zone, changes)
        if part.ordinal in days
    ]
    return list(_turned(cut))


def _spans(courses: Sequence[Course], moments: dict[datetime, list[int]]) -> Iterator[tuple[datetime, Rulings]]:
    """From when on there are which rulings: asked are at each moment those courses alone that may change."""
    now: dict[int, Ruling] = {}
    last: Rulings | None = None
    for moment in sorted(moments):
        changed = {at: courses[at].ruling(moment) for at in moments[moment]}
        if all(now.get(at) == ruling for at, ruling in changed.items()):
            continue
        now |= changed
        rulings = frozenset(now.values())
        if rulings != last:
            yield moment, rulings
            last = rulings


def _moments(
    courses: Sequence[Course], limits: Iterable[datetime], start: datetime, end: datetime
) -> dict[datetime, list[int]]:
    """The instants at which a course may change, from `start` on, where all begin; and the numbers of these courses."""
    from datetime import UTC

    everybody = list(range(len(courses)))
    found: dict[datetime, list[int]] = {}
    known: dict[When, set[datetime]] = {}
    for at, course in enumerate(courses):
        for when in course.whens:
            if when not in known:
                known[when] = _turns(when, start, end)
        for moment in set().union(*(known[when] for when in course.whens)):
            found.setdefault(moment, []).append(at)
    reached = [limit.astimezone(UTC) for limit in limits if start < limit < end]
    return found | dict.fromkeys([start, *reached], everybody)


def _turns(when: When, start: datetime, end: datetime) -> set[datetime]:
    """The instants in between at which hours may begin or end; some at which none does are no harm."""
    from datetime import UTC, datetime, timedelta

    found = set(clock_changes(when.zone, start, end))
    for day in range(start.toordinal() - 2, end.toordinal() + 3):
        for minute in when.edges() | {0}:  # at midnight dates change
            edge = datetime.fromordinal(day) + timedelta(minutes=minute)
            for again in (0, 1):  # a wall time that a clock change repeats is met twice
                found.add(edge.replace(tzinfo=when.zone, fold=again).astimezone(UTC))
    return {moment for moment in found if start < moment < end}


def _cut(
    begin: datetime, finish: datetime, rulings: Rulings, zone: tzinfo, changes: Iterable[datetime]
) -> Iterator[Piece]:
    """A span of time cut where a clock changes, and at midnight."""
    from datetime import timedelta

    stops = [change for change in changes if begin < change < finish] + [finish]
    for stop in stops:
        while begin < stop:
            local = begin.astimezone(zone)
            midnight = local.replace(tzinfo=None, fold=0, hour=0, minute=0, second=0, microsecond=0)
            since = local.replace(tzinfo=None, fold=0) - midnight
            until = min(stop, begin + timedelta(seconds=DAY_SECONDS) - since)
            start = since.total_seconds()
            yield Piece(
                ordinal=local.toordinal(),
                turn=0,
                start=int(start),
                end=int(start + (until - begin).total_seconds()),
                begin=begin,
                finish=until,
                rulings=rulings,
            )
            begin = until


def _turned(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, those parts of a day marked that come a second time since the clock was put back."""
    from datetime import timedelta

    reached: dict[int, int] = {}  # how far a day's clock has come
    for piece in pieces:
        high = reached.get(piece.ordinal, 0)
        reached[piece.ordinal] = max(high, piece.end)
        middle = min(max(piece.start, high), piece.end)
        moment = piece.begin + timedelta(seconds=middle - piece.start)
        parts = ((1, piece.start, middle, piece.begin, moment), (0, middle, piece.end, moment, piece.finish))
        for turn, start, end, begin, finish in parts:
            if start < end:
                yield Piece(
                    ordinal=piece.ordinal,
                    turn=turn,
                    start=start,
                    end=end,
                    begin=begin,
                    finish=finish,
                    rulings=piece.rulings,
                )


def slot(pieces: Iterable[Piece], start: int, end: int) -> str:
    """What is decided from `start` to `end` of a day's turn, in seconds; `ABSENT` where no such time is."""
    found = {piece.decision for piece in pieces if piece.start < end and start < piece.end}
    return MIXED if len(found) > 1 else found.pop() if found else ABSENT


def times(chosen: Iterable[Piece], of_days: Mapping[int, int]) -> dict[int, list[tuple[int, int, int]]]:
    """For each day, the (turn, start, end) of the `chosen`; what runs past midnight is with its first day.

    An end above a day's seconds lies in the next day.  A day is whole of which all are chosen, `of_days` telling how
    many pieces it has, also where a clock change skips or repeats a part of it.
    """
    by_day: dict[int, list[Piece]] = {}
    for piece in chosen:
        by_day.setdefault(piece.ordinal, []).append(piece)
    whole = {day for day, pieces in by_day.items() if len(pieces) == of_days[day]}
    found = {day: [(0, 0, DAY_SECONDS)] for day in whole}
    evening: Piece | None = None  # what ran up to midnight last, and did not begin with its day
    for run in _runs(piece for day, pieces in by_day.items() if day not in whole for piece in pieces):
        night = evening is not None and DAY_SECONDS - evening.start + run.end <= NIGHT_SECONDS and not run.start
        if evening is not None and night and evening.finish == run.begin:
            turn, start, _ = found[evening.ordinal][-1]
            found[evening.ordinal][-1] = turn, start, DAY_SECONDS + run.end
        else:
            found.setdefault(run.ordinal, []).append((run.turn, run.start, run.end))
        evening = run if run.start and run.end == DAY_SECONDS else None
    return found


def _runs(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces, those that touch joined; the rulings are those of the first."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.ordinal, piece.turn, piece.start)):
        before = joined[-1] if joined else None
        if before is None or (before.ordinal, before.turn, before.end) != (piece.ordinal, piece.turn, piece.start):
            joined.append(piece)
            continue
        joined[-1] = Piece(
            ordinal=before.ordinal,
            turn=before.turn,
            start=before.start,
            end=piece.end,
            begin=before.begin,
            finish=piece.finish,
            rulings=before.rulings,
        )
    return joined
