"""One line read: text, NDJSON, and either of them as syslog or journald keeps it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import NamedTuple

from nwauth.audit import parse_line
from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS

STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ \n]*"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_OLD_STAMP = rb"(?:" + "|".join(_MONTHS).encode() + rb") [ \d]\d \d\d:\d\d:\d\d"
# What every line of ours begins with.  syslog(3) puts time, host and program before it: none of them may hold more,
# or what another program quotes there could pass for a line of ours.
SYSLOG_HEAD = rb"(?:<\d{1,3}>)?(?:" + STAMP + rb"|" + _OLD_STAMP + rb") [^ \n]+ nwauth(?:\[\d+\])?: "
HEAD = rb"(?:" + STAMP + rb' (?:[^ \n="]+(?= [^ \n=]+=|\r?\n)|"[^"\n]*")|\{"|' + SYSLOG_HEAD + rb")"
_IS_OURS = re.compile(HEAD)
_SYSLOG = re.compile(rb"(?:<\d{1,3}>)?(?:(" + STAMP + rb")|(" + _OLD_STAMP + rb")) [^ ]+ nwauth(?:\[\d+\])?: (.*)")


class Line(NamedTuple):
    """What a line says, and when it was written (aware)."""

    when: datetime
    facts: dict[str, str]


def is_ours(raw: bytes) -> bool:
    """Whether a line, which ends with LF, begins as ours do."""
    return _IS_OURS.match(raw) is not None


def read_line(raw: bytes, *, written_before: datetime) -> Line | None:
    """The line, or None where it is none of ours, or not whole.

    A stamp without a year is taken for the last such day up to `written_before`.
    """
    raw = raw.rstrip(b"\r\n")
    stamp = None
    if not raw.startswith(b"{") and b" nwauth" in raw:
        match = _SYSLOG.fullmatch(raw)
        if match:
            stamp = match[1].decode() if match[1] else _with_year(match[2].decode(), written_before)
            raw = match[3]
    try:
        if stamp is not None and not raw.startswith(b"{"):
            raw = stamp.encode() + b" " + raw
        facts = _ndjson(raw) if raw.startswith(b"{") else _text(raw)
        when = datetime.fromisoformat(facts["time"])
        return Line(when if when.tzinfo else when.astimezone(), facts)
    except (KeyError, ValueError, OverflowError, RecursionError, Refused):
        return None


def _text(raw: bytes) -> dict[str, str]:
    """The facts of a text line; most hold nothing in quotes, and are read ten times faster.  Raises Refused."""
    text = raw.decode(ENCODING, ERRORS)
    if '"' in text or "\\" in text:
        return parse_line(text)
    time, _, rest = text.partition(" ")
    command, *pairs = rest.split(" ")
    facts = {"time": time, "command": command, "level": "info"}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if not key or not value or "=" in value:
            return parse_line(text)
        facts[key] = value
    if not command or "=" in command or not time[:1].isdigit():
        return parse_line(text)
    return facts


def _ndjson(raw: bytes) -> dict[str, str]:
    """The facts of an NDJSON line, as text.  Raises ValueError."""
    record = json.loads(raw)
    if not isinstance(record, dict):
        raise ValueError("no object")  # noqa: TRY004, as for all that is no line of ours
    return {key: value if isinstance(value, str) else _plain(value) for key, value in record.items()}


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "-" if value is None else str(value)


def _with_year(stamp: str, written_before: datetime) -> str:
    """``Nov  2 10:00:00``, machine's time, as ISO 8601.  Raises nothing: what is no date is no date there either."""
    month = _MONTHS.index(stamp[:3]) + 1
    rest = f"{month:02}-{int(stamp[4:6]):02}T{stamp[7:]}"
    latest = (written_before + timedelta(days=1)).astimezone().replace(tzinfo=None)
    for year in range(latest.year, latest.year - 9, -1):  # the 29th of February is there every fourth year, or eighth
        try:
            if datetime.fromisoformat(f"{year:04}-{rest}") <= latest:
                break
        except ValueError:
            continue
    return f"{year:04}-{rest}"
