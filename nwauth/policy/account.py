"""May this user log in at all: account state from the info fields (spec/policy.md section 4).

Dates are wall time.  The instant is converted to wall time once, by the clock that is given, and compared there;
nothing is ever added to a local time.  So a limit inside an hour that a clock change skips falls on the change itself,
and one inside an hour that it repeats is met twice, as with the hours of a rule (spec/policy.md section 2, rule 4).
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime, timezone, tzinfo
    from typing import Final

    from nwauth.model import Info

REFUSING_STATES = frozenset(("suspended", "cancelled", "banned", "closed", "payup"))
DATE_FIELDS = ("valid_from", "valid_until")
REFUSING_FIELDS = frozenset(
    ("mailstatus", *DATE_FIELDS, "ip_mask", APP_PASSWORDS)
)  # a refusal is told under the name of one
WANTED = "a date (2027-01-31) or a date and time (2027-01-31 18:00)"
_MAX_SHOWN_CHARACTERS = 40


class BadDate(Refused):
    """`value` was to be stored as a date, and could not be read back; the wire is told of the `field` alone."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__(
            f"{field}: found {_cut(value)!r}, wanted {WANTED}", public=f"{field} is no date, wanted {WANTED}"
        )
        self.field: Final = field
        self.value: Final = value


class AccountRefusal(Record):
    """Why a user in the store may not log in: the info field that says so, and the reason in words for the log."""

    __slots__ = ("field", "reason")

    def __init__(self, *, field: str, reason: str) -> None:
        self.field: Final = field
        self.reason: Final = reason


def refusal(info: Info, now: Callable[[], datetime]) -> AccountRefusal | None:
    """Why the account refuses a login; None for a user in good standing.

    `now` gives an aware time in the zone that dates without an offset are meant in; it is called only for a user who
    has such a field.  The start belongs to the time of validity, the end does not; an empty value is no limit.
    """
    text = info.text.lower()
    if "mailstatus" not in text and "valid_" not in text:
        return None
    state = (info.get("mailstatus") or "").strip().lower()
    if state in REFUSING_STATES:
        return AccountRefusal(field="mailstatus", reason=f"mailstatus is {state}")
    limits = [(field, value) for field in DATE_FIELDS if (value := (info.get(field) or "").strip())]
    if not limits:
        return None
    instant = now()
    for field, value in limits:
        reason = outside(field, value, instant)
        if reason:
            return AccountRefusal(field=field, reason=reason)
    return None


def limits(info: Info, zone: tzinfo) -> tuple[datetime, ...]:
    """The instants, aware, at which the state of the account may change; dates without an offset are in `zone`.

    A wall time that a clock change repeats is met twice; one that it skips, with the change.
    """
    return limits_of(((field, info.get(field) or "") for field in DATE_FIELDS), zone)


def limits_of(values: Iterable[tuple[str, str]], zone: tzinfo) -> tuple[datetime, ...]:
    """The same of these limits: each the field, and its value."""
    found: list[datetime] = []
    for field, value in values:
        try:
            found += _met(_read(value.strip()), field, zone)
        except (ValueError, OverflowError):  # no limit, or an unreadable one, which always refuses
            continue
    return tuple(found)


def _met(limit: date, field: str, zone: tzinfo) -> list[datetime]:
    """When a limit is met.  Raises OverflowError."""
    from datetime import datetime, timedelta

    from nwauth.policy.zones import clock_changes

    if not isinstance(limit, datetime):  # a bare date counts to the end of that day
        limit = datetime.fromordinal(limit.toordinal() + (field != "valid_from"))
    if limit.tzinfo is not None:
        return [limit.astimezone(zone)]  # out of bounds, it says so here
    met = [limit.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    hours = timedelta(hours=3)
    return met + list(clock_changes(zone, min(met) - hours, max(met) + hours))


def outside(field: str, value: str, instant: datetime) -> str | None:
    """Why `instant` is outside the limit that `value` sets, in words; None when it is inside.

    ``valid_from`` sets a first moment, any other `field` an end.
    """
    try:
        limit = _read(value)
    except ValueError:
        return f"{field} is {_cut(value)}, wanted {WANTED}"
    if field == "valid_from":
        return None if _reached(limit, instant) else f"{field} {value} is not reached"
    return f"{field} {value} is over" if _over(limit, instant) else None


def _cut(value: str) -> str:
    return value if len(value) <= _MAX_SHOWN_CHARACTERS else value[:_MAX_SHOWN_CHARACTERS] + "..."


def is_date(text: str) -> bool:
    """Whether `text` is a limit that can be read."""
    try:
        _read(text)
    except ValueError:
        return False
    return True


def check_dates(fields: Mapping[str, str]) -> None:
    """Refuse to store a date that could not be read back; an empty value, which removes the field, is none.

    Raises:
        BadDate: ``valid_from`` or ``valid_until`` holds something else than a date.
    """
    for field, value in fields.items():
        if field.lower() in DATE_FIELDS and value.strip() and not is_date(value.strip()):
            raise BadDate(field.lower(), value.strip())


def _reached(limit: date, instant: datetime) -> bool:
    """Whether `limit` is now or past; the limit's own offset decides where it has one."""
    from datetime import datetime

    if not isinstance(limit, datetime):
        return instant.date() >= limit
    if limit.tzinfo is not None:
        return instant >= limit
    return instant.replace(tzinfo=None) >= limit


def _over(limit: date, instant: datetime) -> bool:
    """Whether the time up to `limit` is over: a bare date counts to the end of that day."""
    from datetime import datetime

    if isinstance(limit, datetime):
        return _reached(limit, instant)
    return instant.date() > limit


def _read(text: str) -> date:
    """A date, or a datetime, aware where an offset stands: ``2027-01-31[( |T)18:00[:00][Z|+12:00]]``.

    Raises:
        ValueError: it is neither.
    """
    from datetime import date, datetime

    day = date(*_numbers(text[:10], "-", (4, 2, 2)))
    if len(text) == 10:
        return day
    if text[10] not in " Tt":
        raise ValueError(text)
    clock = text[11:]
    end = next((i for i, character in enumerate(clock) if character in "Zz+-"), len(clock))
    hour, minute, *seconds = _numbers(clock[:end], ":", (2, 2, 2) if end == 8 else (2, 2))
    return datetime(day.year, day.month, day.day, hour, minute, seconds[0] if seconds else 0, tzinfo=_zone(clock[end:]))


def _zone(text: str) -> timezone | None:
    """The zone of an offset from UTC: ``Z``, ``+12:00``, or nothing, which means wall time.

    Raises:
        ValueError: it is something else.
    """
    from datetime import UTC, timedelta, timezone

    if not text:
        return None
    if text in {"Z", "z"}:
        return UTC
    hours, minutes = _numbers(text[1:], ":", (2, 2))
    if text[0] not in "+-" or minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)  # 24 hours and more are refused by timezone itself
    return timezone(-offset if text[0] == "-" else offset)


def _numbers(text: str, separator: str, widths: tuple[int, ...]) -> list[int]:
    """The numbers of exactly these `widths` in ASCII digits."""
    pieces = text.split(separator)
    if tuple(map(len, pieces)) != widths or not text.isascii() or not all(map(str.isdigit, pieces)):
        raise ValueError(text)
    return [int(piece) for piece in pieces]
