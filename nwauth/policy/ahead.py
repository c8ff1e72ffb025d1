"""What the calendar brings: clock changes, listed dates and the dates of rules, and what each does to the hours."""

from __future__ import annotations

from nwauth.model import Record
from nwauth.policy import account
from nwauth.policy.zones import clock_changes, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta, tzinfo
    from typing import Final

    from nwauth.model import Info
    from nwauth.policy.rules import Policy, Rule
    from nwauth.policy.when import When


class Event(Record):
    """From the day `first` to `last` (ordinals) there is `what`; `effects` say what that does, none: nothing."""

    __slots__ = ("effects", "first", "last", "what")

    def __init__(self, *, first: int, last: int, what: str, effects: tuple[str, ...]) -> None:
        self.first: Final = first
        self.last: Final = last
        self.what: Final = what
        self.effects: Final = effects


def ahead(
    policy: Policy, rules: Iterable[Rule], start: datetime, *, days: int, info: Info | None = None
) -> list[Event]:
    """The events of so many days from `start` (aware) on, in order; `rules` are those that they may do something to.

    Of an account with `info` its dates are among them.
    """
    timed = [(rule, rule.when) for rule in rules if rule.when is not None]
    first = start.astimezone(policy.zone).toordinal()
    found = [
        *_clocks(policy.zone, timed, start, days),
        *_lists(policy, timed, first, first + days),
        *_dates(timed, first, first + days),
        *_limits(info, policy.zone, first, first + days),
    ]
    return sorted(found, key=lambda event: (event.first, event.last))


# --- clocks ----------------------------------------------------------------------------------------------------------


def _clocks(home: tzinfo, timed: list[tuple[Rule, When]], start: datetime, days: int) -> Iterator[Event]:
    from datetime import timedelta

    before_start = start - timedelta(seconds=1)  # a change at the very start is one
    zones = {name_of(home): home} | {name_of(when.zone): when.zone for _, when in timed}
    for name, zone in zones.items():
        for change in clock_changes(zone, before_start, start + timedelta(days=days)):
            before, after = _offset(zone, change - timedelta(seconds=1)), _offset(zone, change)
            wall = change.replace(tzinfo=None)
            effects = [
                *(text for rule, when in timed if (text := _lasting(rule, when, name, wall + before, wall + after))),
                *(text for rule, when in timed if (text := _moving(rule, when, home, change))),
            ]
            day = (wall + before).toordinal()
            yield Event(
                first=day,
                last=day,
                what=f"clocks in {name} go from {_clock(wall + before)} {'on' if after > before else 'back'} to "
                f"{_clock(wall + after)} (UTC{_signed(before)} to UTC{_signed(after)})",
                effects=tuple(effects),
            )


def _lasting(rule: Rule, when: When, zone: str, before: datetime, after: datetime) -> str:
    """How much longer or shorter hours are, part of which is skipped or repeated; "" where none is."""
    from datetime import timedelta

    if name_of(when.zone) != zone:
        return ""
    low, high = min(before, after), max(before, after)
    minutes = int((high - low).total_seconds()) // 60
    within = sum(when.holds(low + timedelta(minutes=minute)) for minute in range(minutes))
    return f'"{rule.name}" is {_length(within)} {"shorter" if after > before else "longer"}' if within else ""


def _moving(rule: Rule, when: When, home: tzinfo, change: datetime) -> str:
    """Whither hours in another zone move, seen from ours; "" where they do not."""
    from datetime import timedelta

    apart = [_offset(home, moment) - _offset(when.zone, moment) for moment in (change - timedelta(seconds=1), change)]
    moved = int((apart[1] - apart[0]).total_seconds()) // 60
    if not moved:
        return ""
    return (
        f'"{rule.name}" is {_length(abs(moved))} {"later" if moved > 0 else "earlier"} in {name_of(home)} from then on'
    )


def _offset(zone: tzinfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101
    return offset


def _clock(wall: datetime) -> str:
    return wall.strftime("%H:%M:%S" if wall.second else "%H:%M")


def _signed(offset: timedelta) -> str:
    seconds = int(offset.total_seconds())
    minutes, rest = divmod(abs(seconds), 60)
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}" + (f":{rest:02}" if rest else "")


def _length(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    texts = [f"{number} {word}{'' if number == 1 else 's'}" for number, word in ((hours, "hour"), (rest, "minute"))]
    return " ".join(text for text in texts if not text.startswith("0 "))


# --- dates -----------------------------------------------------------------------------------------------------------


def _lists(policy: Policy, timed: list[tuple[Rule, When]], first: int, last: int) -> Iterator[Event]:
    for name, dates in policy.lists.dates.items():
        for begin, end in dates.spans:
            if begin <= last and first <= end:
                shown = range(max(begin, first), min(end, last) + 1)
                effects = [f'"{rule.name}" has no hours' for rule, when in timed if _rests(when, name, shown)]
                yield Event(first=begin, last=end, what=f"@{name}", effects=tuple(effects))


def _rests(when: When, name: str, days: Iterable[int]) -> bool:
    """Whether hours would begin on one of these days, were there not that list."""
    from nwauth.names import fold

    words = when.text.replace(",", " ").replace("@", " @").split()
    if f"@{name}" not in map(fold, words):
        return False
    return any(
        when.week[(day + 6) % 7]
        and (when.first is None or when.first <= day)
        and (when.last is None or day <= when.last)
        for day in days
    )


def _dates(timed: list[tuple[Rule, When]], first: int, last: int) -> Iterator[Event]:
    """The first and the last day of rules."""
    for rule, when in timed:
        for day, word in ((when.first, "first"), (when.last, "last")):
            if day is not None and first <= day <= last:
                yield Event(first=day, last=day, what=f'"{rule.name}"', effects=(f"its {word} day",))


def _limits(info: Info | None, zone: tzinfo, first: int, last: int) -> Iterator[Event]:
    """The days on which the account's dates begin to count."""
    from nwauth.model import Info

    for field, effect in (("valid_from", "logins begin"), ("valid_until", "logins end")):
        value = None if info is None else info.get(field)
        if not value:
            continue
        limits = account.limits(Info(f'{field}="{value}"'), zone)
        for local in sorted(limit.astimezone(zone) for limit in limits)[:1]:
            if first <= local.toordinal() <= last:
                day = local.toordinal()
                yield Event(
                    first=day,
                    last=day,
                    what=f"{field} {value} of the account",
                    effects=(f"{effect} at {_clock(local)}",),
                )
