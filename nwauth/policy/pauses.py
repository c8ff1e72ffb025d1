"""A suspension with dates, and an end, said in the fields of an account: what `check` already looks at.

One that ends by itself is a first moment of logins (``valid_from``), one that begins later is their end
(``valid_until``).  Which of the two a suspension has set is kept in a field of its own, so that it can be lifted, and
so is what ``mailstatus`` said before.  A ``mailstatus`` that refuses by itself, as "closed", is never touched.
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.policy.account import REFUSING_STATES, limits, outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo

    from nwauth.model import Info

    Fields = dict[str, str]

SET_BY = "suspended_by"  # the name of the date that a suspension has set
REASON = "suspend_reason"
BEFORE = "mailstatus_before"  # what mailstatus said before a suspension took its place
SUSPENDED = "suspended"


def suspended(info: Info, *, start: str = "", end: str = "", reason: str = "", now: Callable[[], datetime]) -> Fields:
    """The fields that suspend a user: at once, from `start` on, or at once and up to `end`; none: it is so already.

    `now` gives the time in the zone that dates are meant in.  The reason of a suspension that still stands is kept
    where there is no other.

    Raises:
        Refused: the account has a date of its own where this one would have to stand.
    """
    fields = {REASON: reason} if reason or (info.get(REASON) and _has_ended(info, now)) else {}
    if not start and not end:
        return fields | _stopped(info)
    field, value = ("valid_from", end) if end else ("valid_until", start)
    there = info.get(field) or ""
    if there and info.get(SET_BY) != field and not (field == "valid_from" and _is_past(info, now)):
        raise Refused(f"{field} is {there} already, and would be lost: {field}= after nwauth user set takes it away")
    return _without_mark(info) | fields | _given_back(info) | {field: value, SET_BY: field}


def resumed(info: Info) -> Fields:
    """The fields that lift a suspension, "" where one goes; none: there is nothing to lift."""
    over = {field: "" for field in (BEFORE, REASON) if info.get(field)}
    return _without_mark(info) | over | _given_back(info)


def ending(info: Info, date: str) -> Fields:
    """The fields that end an account's logins at `date`; "": they have no end."""
    mark = {SET_BY: ""} if info.get(SET_BY) == "valid_until" else {}
    return mark | {"valid_until": date}


def moment(info: Info, field: str, zone: tzinfo) -> datetime | None:
    """When that date of an account is met, the first time; None: there is none that can be read."""
    value = info.get(field) or ""
    found = limits(type(info)(f'{field}="{value}"'), zone)
    return min(found) if found else None


def refuses_otherwise(info: Info) -> bool:
    """Whether ``mailstatus`` refuses logins, and not for a suspension."""
    return _state(info) in REFUSING_STATES - {SUSPENDED}


def _state(info: Info) -> str:
    return (info.get("mailstatus") or "").strip().lower()


def _stopped(info: Info) -> Fields:
    """What makes ``mailstatus`` refuse, where it does not."""
    if _state(info) in REFUSING_STATES:
        return {}
    was = info.get("mailstatus") or ""
    return {"mailstatus": SUSPENDED} | ({BEFORE: was} if was or info.get(BEFORE) else {})


def _given_back(info: Info) -> Fields:
    """What ends a suspension in ``mailstatus``: it says what it said before."""
    if _state(info) != SUSPENDED:
        return {}
    was = info.get(BEFORE) or ""
    return {"mailstatus": was} | ({BEFORE: ""} if was else {})


def _without_mark(info: Info) -> Fields:
    """What takes away the date of an earlier suspension."""
    field = info.get(SET_BY)
    return {field: "", SET_BY: ""} if field else {}


def _has_ended(info: Info, now: Callable[[], datetime]) -> bool:
    """Whether an earlier suspension has ended by itself."""
    return _state(info) != SUSPENDED and info.get(SET_BY) == "valid_from" and _is_past(info, now)


def _is_past(info: Info, now: Callable[[], datetime]) -> bool:
    """Whether the first moment of logins is."""
    return outside("valid_from", (info.get("valid_from") or "").strip(), now()) is None
