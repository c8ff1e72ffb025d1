"""Which of many rules hold at an instant, found by one pass over the spans of a day."""

from __future__ import annotations

from nwauth.policy.patterns import shared_by
from nwauth.policy.when import DAY_MINUTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo
    from typing import Final

    from nwauth.policy.when import When

    Span = tuple[int, int, When | None, int]  # from which minute to which the rules of a mask hold, if `When` agrees
    Week = tuple[list[Span], ...]  # Monday first


class HourTable:
    """The hours of several rules; the answers are bit masks: bit i is set where the i-th of them hold.

    The answer for a minute is kept.  `always` are the rules without hours.
    """

    def __init__(self, of_rules: Sequence[When | None]) -> None:
        self.always: Final = sum(1 << at for at, when in enumerate(of_rules) if when is None)
        zones: dict[tzinfo, dict[When, int]] = {}
        for when, bits in shared_by(of_rules):
            if when is not None:
                whens = zones.setdefault(when.zone, {})
                whens[when] = whens.get(when, 0) | bits
        self._weeks: Final = tuple((zone, _week(whens)) for zone, whens in zones.items())
        self._kept: tuple[list[tuple[int, int]], int] = [], self.always

    def holding(self, instant: datetime) -> int:
        """Which of them hold at an aware time."""
        walls = []
        for zone, _ in self._weeks:
            local = instant.astimezone(zone)
            walls.append((local.toordinal(), local.hour * 60 + local.minute))
        known, mask = self._kept
        if walls == known:
            return mask
        mask = self.always
        for (ordinal, minute), (_, week) in zip(walls, self._weeks, strict=True):
            for start, end, when, bits in week[(ordinal + 6) % 7]:
                if start <= minute < end and (when is None or when.hold(ordinal, minute)):
                    mask |= bits
        self._kept = walls, mask
        return mask


def _week(whens: Mapping[When, int]) -> Week:
    """What each day of the week holds; what runs past midnight stands with both days."""
    days: Week = tuple([] for _ in range(7))
    for when, bits in whens.items():
        if when.turning_days():  # the date has a say too
            whole: Span = 0, DAY_MINUTES, when, bits
            for day in days:
                day.append(whole)
            continue
        for at, spans in enumerate(when.week):
            for start, end in spans:
                days[at].append((start, min(end, DAY_MINUTES), None, bits))
                if end > DAY_MINUTES:
                    days[(at + 1) % 7].append((0, end - DAY_MINUTES, None, bits))
    return days
