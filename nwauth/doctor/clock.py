"""The clock and the zones: files from the future, and how old the list of zones is."""

from __future__ import annotations

import os
import shlex
import zoneinfo
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from nwauth.doctor.files import OTHER_FILES, SECRETS, USER_FILES
from nwauth.doctor.finding import counted, examples, finding
from nwauth.doctor.rules_file import reading_of
from nwauth.errors import to_install
from nwauth.policy.zones import BadZone, machine_zone, zone_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

AHEAD_SECONDS = 300.0  # clocks of a site, that of a file server among them, may differ so much
YEARS = 2
NAMES = (*USER_FILES, *OTHER_FILES, *SECRETS, "policy.toml")


def clock(place: Place) -> Iterator[Finding]:
    """No file is from the future: the clock is right, and was."""
    now = place.now()
    folders = sorted({place.folder, *(one.path for one in place.flat if not one.read_only)})
    late: dict[str, float] = {}
    for folder in folders:
        for name in NAMES:
            path = os.path.join(folder, name)
            try:
                changed_at = os.stat(path).st_mtime
            except OSError:
                continue
            if changed_at > now + AHEAD_SECONDS:
                late[path] = changed_at
    if late:
        newest = max(late, key=lambda path: late[path])
        paths = list(late)
        yield finding(
            "from-the-future",
            f"{counted(len(late), 'file')} of a time to come, up to {_shown(late[newest])}, and it is {_shown(now)}:"
            f" {examples(paths, len(paths))}",
            mend=f"see with date whether the clock is right, and mend it; then {shlex.join(['touch', *paths])}",
            file=newest,
        )


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat(sep=" ")


def zones(place: Place) -> Iterator[Finding]:
    """Rules with hours go by a list of zones that is not too old."""
    reading = reading_of(place)
    policy = None if reading is None else reading.policy
    if policy is None or not any(rule.when is not None for rule in policy.rules):
        return
    where, name = _zones()
    year = int(name[:4]) if name[:4].isdigit() else 0
    if year and datetime.fromtimestamp(place.now(), UTC).year - year >= YEARS:
        is_package = not os.path.isabs(where)
        yield finding(
            "old-zones",
            f"the list of zones is that of {name} ({where}), and access rules have hours",
            mend=f"{to_install('tzdata')} --upgrade"
            if is_package
            else "upgrade the system's package tzdata (apt-get install --only-upgrade tzdata, dnf upgrade tzdata)",
            file=None if is_package else where,
        )


def variable(_place: Place) -> Iterator[Finding]:
    """TZ names a zone, where it is set."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if name and machine_zone() is UTC:  # a zone that is called UTC is another object
        try:
            zone_named(name)
            why = "the file is no zone"
        except BadZone as error:
            why = str(error)
        yield finding(
            "zone-unknown",
            f"TZ, a variable of the environment, names no zone: {why}",
            mend="set it right, or leave it out (then /etc/localtime says the zone): here, and where the servers start",
        )


def _zones() -> tuple[str, str]:
    """Where the zones are taken from, and the version of the list, as ``2026a`` (or 2026.1); empty: it does not say."""
    for folder in zoneinfo.TZPATH:
        path = os.path.join(folder, "tzdata.zi")
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                head = file.readline(80)
        except OSError:
            if os.path.isdir(os.path.join(folder, "Etc")):  # zones, and no word of their version
                return folder, ""
            continue
        return path, head.removeprefix("# version ").strip() if head.startswith("# version ") else ""
    try:
        return "the Python package tzdata", version("tzdata")
    except PackageNotFoundError:
        return "", ""
