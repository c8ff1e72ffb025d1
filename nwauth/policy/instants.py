"""A moment as a person names it: ``2027-01-31 18:00``, the same with an offset, ``Fri 23:30``, ``23:30``."""

from __future__ import annotations

from nwauth.policy.when import DAY_NAMES
from nwauth.policy.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, tzinfo

FIRST_YEAR, LAST_YEAR = 1900, 2999
WANTED = "a time such as '2027-01-31 18:00', '2027-01-31T18:00:00+13:00', 'Fri 23:30' or '23:30'"


class BadInstant(ValueError):
    """Words that name no moment; the text says what was found and what is wanted."""


def read_instant(text: str, *, zone: tzinfo, now: datetime) -> datetime:
    """The moment that `text` names, as an aware time in `zone`: without an offset it is wall time there.

    A day of the week is the next one from `now` on, today included.  Of a wall time that a clock change repeats the
    first is meant; one that it skips is refused.

    Raises:
        BadInstant: it names none.
    """
    from datetime import UTC, datetime

    words = text.split()
    try:
        wall = (
            datetime.fromisoformat(text.strip())
            if "-" in text or len(words) > 2
            else _of_week(words, now.astimezone(zone))
        )
        aware = wall.replace(tzinfo=zone) if wall.tzinfo is None else wall
        local = aware.astimezone(UTC).astimezone(zone)
    except (ValueError, OverflowError):
        raise BadInstant(f"found {shown(text)}, wanted {WANTED}") from None
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        raise BadInstant(f"found {shown(text)}, wanted a year from {FIRST_YEAR} to {LAST_YEAR}")
    if wall.tzinfo is None and local.replace(tzinfo=None) != wall:
        raise BadInstant(f"found {shown(text)}, which a clock change of {zone} skips, wanted a time that there is")
    return local


def _of_week(words: list[str], now: datetime) -> datetime:
    """``[day] HH:MM``, as wall time.  Raises ValueError."""
    from datetime import timedelta

    *days, clock = words
    if len(clock) != 5 or clock[2] != ":" or not (clock.isascii() and (clock[:2] + clock[3:]).isdigit()):
        raise ValueError(clock)
    wall = now.replace(tzinfo=None, fold=0, hour=int(clock[:2]), minute=int(clock[3:]), second=0, microsecond=0)
    if days:
        wall += timedelta(days=(_day(days[0]) - wall.weekday()) % 7)
    return wall


def _day(word: str) -> int:
    for day, name in enumerate(DAY_NAMES):
        if len(word) >= 2 and word.lower() in (name.lower(), name[:3].lower(), name[:2].lower()):
            return day
    raise ValueError(word)
