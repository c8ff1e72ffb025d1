"""A suspension with dates, and an end, said in the fields of an account: what `check` already looks at.

One that ends by itself is a first moment of logins (``valid_from``), one that begins later is their end
(``valid_until``).  Which of the two a suspension has set is kept in a field of its own, so that it can be lifted.
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.policy.account import REFUSING_STATES, limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from nwauth.model import Info

    Fields = dict[str, str]

SET_BY = "suspended_by"  # the name of the date that a suspension has set
REASON = "suspend_reason"


def suspended(info: Info, *, start: str = "", end: str = "", reason: str = "", now: datetime) -> Fields:
    """The fields that suspend a user: at once, from `start` on, or at once and up to `end`; `now` has the zone.

    Raises:
        Refused: the account has a date of its own where this one would have to stand.
    """
    fields = {REASON: reason} if reason or info.get(REASON) else {}
    if not start and not end:
        return fields | {"mailstatus": "suspended"}
    field, value = ("valid_from", end) if end else ("valid_until", start)
    there = info.get(field) or ""
    if there and info.get(SET_BY) != field and not (field == "valid_from" and _is_past(info, field, now)):
        raise Refused(f"{field} is {there} already, and would be lost: {field}= after nwauth user set takes it away")
    if _state(info) == "suspended":  # without an end, which it gets
        fields["mailstatus"] = ""
    return _without_mark(info) | fields | {field: value, SET_BY: field}


def resumed(info: Info) -> Fields:
    """The fields that lift a suspension, "" where one goes; none: there is nothing to lift."""
    fields = _without_mark(info)
    if _state(info) in REFUSING_STATES:
        fields["mailstatus"] = ""
    if info.get(REASON):
        fields[REASON] = ""
    return fields


def ending(info: Info, date: str) -> Fields:
    """The fields that end an account's logins at `date`; "": they have no end."""
    mark = {SET_BY: ""} if info.get(SET_BY) == "valid_until" else {}
    return mark | {"valid_until": date}


def moment(info: Info, field: str, zone: tzinfo) -> datetime | None:
    """When that date of an account is met, the first time; None: there is none that can be read."""
    value = info.get(field) or ""
    found = limits(type(info)(f'{field}="{value}"'), zone)
    return min(found) if found else None


def _state(info: Info) -> str:
    return (info.get("mailstatus") or "").strip().lower()


def _without_mark(info: Info) -> Fields:
    """What takes away the date of an earlier suspension."""
    field = info.get(SET_BY)
    return {field: "", SET_BY: ""} if field else {}


def _is_past(info: Info, field: str, now: datetime) -> bool:
    zone = now.tzinfo
    assert zone is not None  # noqa: S101
    found = moment(info, field, zone)
    return found is not None and found <= now
