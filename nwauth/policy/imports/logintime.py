"""``Login-Time`` of FreeRADIUS (3.x) and UUCP: ``Wk0830-1700,Sa-Su0900-1200``.

The parts are joined; a part is days, and times on each of them.  FreeRADIUS counts the last minute in, lets a part that
runs past midnight wrap inside its day, and leaves out or clamps what is broken without a word.
"""

from __future__ import annotations

from nwauth.policy.imports.week import ALWAYS, clock_of, hours, minutes_of, span
from nwauth.policy.imports.written import BASE, Block, Fault, Imported, NewRule, found
from nwauth.policy.when import DAY_MINUTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS = {code: day for day, code in enumerate(("mo", "tu", "we", "th", "fr", "sa", "su"))}
GROUPS = {"wk": range(5), "any": range(7), "al": range(7)}
NEVER = "never"
OLD = "(FreeRADIUS leaves such a part out, or clamps it)"
PER_USER = "Login-Time is an attribute of a user or group; here a rule names them: --user or --class puts that in"


class _BadPartError(ValueError):
    """A part that is broken: `column` (from 0, in the part), and what was found and wanted."""

    def __init__(self, column: int, text: str) -> None:
        super().__init__(text)
        self.column = column


def read_login_time(text: str, *, prefix: str = "", is_for_all: bool = True) -> Imported:
    """What a Login-Time says; `is_for_all`: the command line names no user or class."""
    week = 0
    remarks: list[str] = [PER_USER] if is_for_all else []
    faults: list[Fault] = []
    parts = list(_parts(text)) if text.strip(",| \t") else []
    for start, part in parts:
        try:
            week |= _minutes(part, remarks)
        except _BadPartError as error:
            faults.append(Fault(place=f"Login-Time, column {start + error.column + 1}", text=f"{error} {OLD}"))
    if not parts:
        faults.append(
            Fault(place="Login-Time, column 1", text="found nothing, wanted days and times as in Wk0830-1700")
        )
    name = f"{prefix or 'Login-Time'}: outside of the hours"
    texts = hours(week ^ ALWAYS)
    rules = [
        NewRule(name=name + (f", part {at}" if len(texts) > 1 else ""), allow=False, when=when)
        for at, when in enumerate(texts, 1)
    ]
    if not rules:
        remarks.append("all hours are let in: no rule is needed")
    block = Block(origin=f"Login-Time: {text}", rules=rules, remarks=remarks, faults=faults)
    return Imported(source="a Login-Time", blocks=[block], remarks=(BASE,))


def _parts(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for part in text.replace("|", ",").split(","):
        if part:
            yield start, part
        start += len(part) + 1


def _minutes(part: str, remarks: list[str]) -> int:
    if part.lower() == NEVER:
        return 0
    at = next((i for i, character in enumerate(part) if character.isdigit()), len(part))
    days = _days(part[:at])
    text = part[at:]
    if not text:
        return sum(span(day, 0, DAY_MINUTES) for day in days)
    first, hyphen, last = text.partition("-")
    start, end = minutes_of(first), minutes_of(last if hyphen else first)
    if start is None or end is None or start == DAY_MINUTES:
        raise _BadPartError(at, f"found {found(text)}, wanted two times as in 0830-1700")
    if not hyphen:
        remarks.append(f"{part} is one minute for FreeRADIUS, {clock_of(start)}: write the hours you mean")
    elif end < DAY_MINUTES - 1:
        remarks.append(
            f"{part} has the minute {clock_of(end)} in, for FreeRADIUS: so it ends at {clock_of(end + 1)} here"
        )
    end = min(end + 1, DAY_MINUTES)
    if start < end:
        return sum(span(day, start, end) for day in days)
    remarks.append(
        f"{part} runs past midnight: FreeRADIUS means 00:00-{clock_of(end)} and {clock_of(start)}-24:00 of the same "
        f'day, and so do these rules; for the night that follows write "{clock_of(start)}-{clock_of(end - 1)}" '
        "after the day"
    )
    return sum(span(day, 0, end) | span(day, start, DAY_MINUTES) for day in days)


def _days(text: str) -> set[int]:
    """The days that a part begins with.  Raises _BadPartError."""
    days: set[int] = set()
    lowered = text.rstrip(" \t").lower()
    at = 0
    while at < len(lowered):
        code = _code(lowered, at)
        at += len(code)
        if lowered[at : at + 1] != "-":
            days.update(GROUPS.get(code) or (DAYS[code],))
            continue
        last = _code(lowered, at + 1)
        if code in GROUPS or last in GROUPS:
            raise _BadPartError(at - len(code), f"found {found(text)}, wanted single days on both sides of the hyphen")
        at += 1 + len(last)
        days.update((DAYS[code] + step) % 7 for step in range((DAYS[last] - DAYS[code]) % 7 + 1))
    if not days:
        raise _BadPartError(0, "found no day, wanted one before the times, as in Al0830-1700")
    return days


def _code(text: str, at: int) -> str:
    for code in (*DAYS, *GROUPS):
        if text.startswith(code, at):
            return code
    raise _BadPartError(at, f"found {found(text[at : at + 2].title())}, wanted Mo Tu We Th Fr Sa Su Wk Al Any or Never")
