"""The interpreter and the libraries: too old for nwauth, or not mended by anybody any more."""

from __future__ import annotations

import os
import re
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, NamedTuple

from nwauth.doctor.finding import finding
from nwauth.policy.throttle.settings import FILE as THROTTLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

PACKAGE = "nwauth"
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:>=\s*([0-9.]+))?")
EXTRA = re.compile(r"""extra\s*==\s*["'](\w+)["']""")
# When the last mends of a Python appear (PEP 664, 693, 719, 745): year and month.
LAST_MENDS = {(3, 11): (2027, 10), (3, 12): (2028, 10), (3, 13): (2029, 10), (3, 14): (2030, 10)}
LEAST_SQLITE = "3.24"  # INSERT ... ON CONFLICT DO UPDATE, by which the throttle counts
SCHEMES = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}


class Library(NamedTuple):
    """One that nwauth is made with: the version that is here, the least that it wants, and the extra that it is of."""

    name: str
    found: str
    wanted: str
    extra: str


def look() -> list[Library]:
    """The libraries that are here.  The interpreter may lie where only root can look, who has to do it in time."""
    try:
        words = requires(PACKAGE) or []
    except PackageNotFoundError:  # it is run from its sources
        return []
    found = []
    for word in words:
        extra, match = EXTRA.search(word), REQUIREMENT.match(word)
        if match is None or not match[2]:
            continue
        try:
            found.append(Library(match[1], version(match[1]), match[2], extra[1] if extra is not None else ""))
        except PackageNotFoundError:  # whoever needs it says so
            continue
    return found


def versions(place: Place) -> Iterator[Finding]:
    """What nwauth is made with here is new enough, as far as the configuration uses it."""
    yield from _python(place, sys.version_info[:2])
    yield from _sqlite(place)
    extras = _extras(place)
    for one in place.libraries if place.libraries is not None else look():
        if one.extra in extras and _numbers(one.found) < _numbers(one.wanted):
            yield finding(
                "old-library",
                f"the library {one.name} is version {one.found}, and nwauth wants {one.wanted} at least",
                mend=shlex.join([sys.executable, "-m", "pip", "install", "--upgrade", f"{one.name}>={one.wanted}"]),
            )


def _python(place: Place, found: tuple[int, ...]) -> Iterator[Finding]:
    last = LAST_MENDS.get((found[0], found[1]))
    now = datetime.fromtimestamp(place.now(), UTC)
    if last is not None and (now.year, now.month) > last:
        yield finding(
            "old-python",
            f"Python {found[0]}.{found[1]} ({sys.executable}) has not been mended since {last[0]}-{last[1]:02}",
            mend="install nwauth with a newer Python, then stop and start the servers",
        )


def _sqlite(place: Place) -> Iterator[Finding]:
    """The SQLite that Python has, where users or the throttle's counts are in such a database."""
    stores = place.config.stores if place.config is not None else ()
    of_users = any(str(getattr(one, "url", "")).startswith("sqlite") for one in stores)
    if not of_users and not os.path.lexists(os.path.join(place.folder, THROTTLE)):
        return
    try:
        from nwauth.policy.throttle.looking import library_version
    except ImportError:  # whoever needs it says so
        return
    found = library_version()
    if _numbers(found) < _numbers(LEAST_SQLITE):
        yield finding(
            "old-library",
            f"the library SQLite of {sys.executable} is version {found}, and nwauth wants {LEAST_SQLITE} at least",
            mend="install nwauth with a Python that has a newer one, then stop and start the servers",
        )


def _extras(place: Place) -> set[str]:
    """The optional parts that the stores use; empty: what every nwauth uses."""
    found = {""}
    for one in place.config.stores if place.config is not None else ():
        if one.kind == "ldap":
            found.add("ldap")
        if one.kind == "sql":
            found |= {extra for scheme, extra in SCHEMES.items() if str(getattr(one, "url", "")).startswith(scheme)}
    return found


def _numbers(text: str) -> tuple[int, ...]:
    """``2.0.30`` as numbers; what follows the numbers, as in ``2.1rc1``, does not count."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found is not None else ()
