"""Time zones by name, the machine's own, and when their clocks change."""

from __future__ import annotations

import os
from functools import lru_cache

from nwauth.errors import to_install
from nwauth.policy.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

LOCALTIME = "/etc/localtime"
WANTED = "a zone of the IANA list, such as Pacific/Auckland"
_NO_ZONES = ("posixrules", "localtime", "factory")
_MAX_FILE_BYTES = 1 << 20
_MAX_NAME_CHARACTERS = 64
_DAY_SECONDS = 86400  # Python knows no zone that is further from UTC
_STEP_HOURS = 3  # between two looks for a change of the clock: none comes back within that time


class BadZone(ValueError):
    """A name that is no zone's; the text says what was found and what is wanted."""


def zone_named(name: str) -> tzinfo:
    """The zone of an IANA name; case is ignored.

    Raises:
        BadZone: there is none of that name.
    """
    from zoneinfo import ZoneInfo

    plain = name.replace("/", "").replace("_", "").replace("-", "").replace("+", "")
    low = name.lower()
    if low in _NO_ZONES or low.startswith(("posix/", "right/")) or not (plain.isascii() and plain.isalnum()):
        raise BadZone(f"found {shown(name)}, wanted {WANTED}")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder of zones an OSError
        pass
    known = _known_zones()
    if not known:
        raise BadZone(f"found {shown(name)}, but this machine has no zones: {to_install('tzdata')}")
    exact = known.get(low)
    if exact is not None:
        return ZoneInfo(exact)
    raise BadZone(f"found {shown(name)}, wanted {WANTED}{_advice(low)}")


@lru_cache(maxsize=1)
def _known_zones() -> dict[str, str]:
    """The names of all zones, by their lower case."""
    from zoneinfo import available_timezones

    return {name.lower(): name for name in available_timezones() if name.lower() not in _NO_ZONES}


def machine_zone() -> tzinfo:
    """The zone that the machine's clock is shown in: the variable TZ, or ``/etc/localtime``; UTC where neither says."""
    from datetime import UTC

    name = os.environ.get("TZ")
    if name is not None:
        return _zone_of_variable(name.removeprefix(":"))
    try:
        target = os.path.realpath(LOCALTIME)
        _, found, key = target.partition("/zoneinfo/")
        if found:
            try:
                return zone_named(key)
            except BadZone:  # a zone of this machine alone
                pass
        return _zone_in(target)
    except (OSError, BadZone):
        return UTC


def name_of(zone: tzinfo) -> str:
    """How the zone is called."""
    return str(zone)


def clock_changes(zone: tzinfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """The instants after `start` up to `end`, aware times both, at which the offset of `zone` changes, to a second."""
    from datetime import UTC

    start, end = start.astimezone(UTC), end.astimezone(UTC)
    for year in range(start.year, end.year + 1):
        for change in _changes_of(zone, year):
            if start < change <= end:
                yield change


@lru_cache(maxsize=1024)  # whoever asks for one day will ask for the next
def _changes_of(zone: tzinfo, year: int) -> tuple[datetime, ...]:
    """The changes after the first instant of a year (of UTC) up to the first one of the next."""
    from datetime import MAXYEAR, UTC, datetime, timedelta

    step = timedelta(hours=_STEP_HOURS)
    before = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, tzinfo=UTC) if year < MAXYEAR else datetime(year, 12, 31, tzinfo=UTC)
    offset = before.astimezone(zone).utcoffset()
    found = []
    while before < end:
        after = before + step
        there = after.astimezone(zone).utcoffset()
        if there != offset:
            found.append(_change_between(zone, before, after))
        before, offset = after, there
    return tuple(found)


def _change_between(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The first second after `before` that has another offset than it; `after` has another."""
    from datetime import timedelta

    offset = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _zone_of_variable(text: str) -> tzinfo:
    """What TZ says: a name, a zone file's path, or a rule as ``NZST-12NZDT,M9.5.0,M4.1.0/3``; else UTC, as in C."""
    from datetime import UTC

    if not text:
        return UTC
    if text.startswith("/"):
        try:
            return _zone_in(text)
        except (OSError, BadZone):
            return UTC
    try:
        return zone_named(text)
    except BadZone:
        pass
    try:
        return _zone_by_rule(text)
    except ValueError:
        import time

        says_something = time.timezone or time.daylight
        return _library_zone() if says_something and abs(time.timezone) < _DAY_SECONDS else UTC


def _library_zone() -> tzinfo:
    """The zone as the C library has it, which reads names that nobody else knows: ``NZST-12NZDT``, without rules."""
    import time
    from datetime import UTC, timedelta, tzinfo

    class LibraryZone(tzinfo):
        """What `time.localtime` says."""

        def fromutc(self, dt: datetime) -> datetime:
            offset = time.localtime(dt.replace(tzinfo=UTC).timestamp()).tm_gmtoff
            local = (dt + timedelta(seconds=offset)).replace(fold=0)
            return local if self.utcoffset(local) == timedelta(seconds=offset) else local.replace(fold=1)

        def utcoffset(self, dt: datetime | None) -> timedelta | None:
            return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

        def dst(self, _dt: datetime | None) -> timedelta | None:
            return None

        def tzname(self, dt: datetime | None) -> str | None:
            return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

        def __str__(self) -> str:
            return f"TZ={os.environ.get('TZ', '')}"

    return LibraryZone()


def _zone_by_rule(rule: str) -> tzinfo:
    """The zone of a POSIX rule: a zone file without a change, whose last line is the rule.  Raises ValueError."""
    from struct import pack

    counts = (0, 0, 0, 0, 1, 1)  # one kind of time, named by one character; nothing else
    part = b"TZif2" + bytes(15) + pack(">6l", *counts) + bytes(6 + 1)
    return _zone_of(part + part + b"\n" + rule.encode("ascii", "strict") + b"\n", name=rule)


def _zone_in(path: str) -> tzinfo:
    """The zone that a file describes.  Raises OSError, BadZone."""
    with open(path, "rb") as file:
        return _zone_of(file.read(_MAX_FILE_BYTES), name=path)


def _zone_of(content: bytes, *, name: str) -> tzinfo:
    """The zone that a zone file's `content` describes.  Raises BadZone."""
    import io
    import struct
    from zoneinfo import ZoneInfo

    class Content(io.BytesIO):
        """Where a file was cut its last line has no end, and zoneinfo would look for it for ever."""

        def read(self, size: int | None = -1, /) -> bytes:
            piece = super().read(size)
            if size and not piece:
                raise ValueError(name)
            return piece

    try:
        return ZoneInfo.from_file(Content(content), key=name)
    except (ValueError, struct.error, AssertionError, IndexError):
        raise BadZone(f"found {shown(name)}, wanted a whole zone file") from None


@lru_cache(maxsize=64)
def _advice(low: str) -> str:
    from difflib import get_close_matches

    known = _known_zones()
    city = {key.rpartition("/")[2]: zone for key, zone in known.items()}
    wanted = low.replace(" ", "_")[:_MAX_NAME_CHARACTERS]
    near = [known[key] for key in get_close_matches(wanted, known, n=1, cutoff=0.7)]
    near = near or [city[key] for key in get_close_matches(wanted.rpartition("/")[2], city, n=1, cutoff=0.8)]
    return f" (did you mean {near[0]}?)" if near else ""
