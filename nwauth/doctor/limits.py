"""Dates and hosts: of users, and of the access rules; and whether the servers let them count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.doctor.finding import counted, examples, finding
from nwauth.doctor.place import RESTART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.people import People
    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_file import Reading
    from nwauth.policy.rules import Rule


def timed_rules(place: Place) -> list[str]:
    """What lets a login be right at one time and wrong at another: accounts' dates, and rules with hours."""
    if place.survey is None:
        return []
    people, found = place.survey.people, []
    if people.dated:
        found.append(f"{counted(people.dated, 'user')} {_have(people.dated)} valid_from or valid_until")
    if people.apps.ending:
        found.append(f"{counted(people.apps.ending, 'user')} {_have(people.apps.ending)} an app password with an end")
    timed = [rule for rule in _rules(people) if rule.when is not None]
    if timed:
        found.append(f"{counted(len(timed), 'rule')} {_have(len(timed))} hours")
    return found


def _rules(people: People) -> list[Rule]:
    """The rules of the file that decide."""
    policy = people.crowd.reading.policy if people.crowd is not None else None
    return [] if policy is None else [rule for rule in policy.rules if not rule.shadow]


def limits(place: Place) -> Iterator[Finding]:
    """Dates and hosts can be read, and the servers let them count."""
    survey, conf = place.survey, place.asking
    if survey is None:
        return
    people = survey.people
    if people.bad_dates:
        yield _unreadable(place, "bad-date", people, people.bad_dates)
    if people.bad_masks:
        yield _unreadable(place, "bad-mask", people, people.bad_masks)
    apps = people.apps.finding(place)
    if apps is not None:
        yield apps
    yield from people.slips.findings(place)
    timed = timed_rules(place)
    if timed and conf is not None and conf.authent_cache > 0:
        set_or_not = "" if conf.line_of("authent_cache") else " (it is not set)"
        yield place.of_setting(
            "cache-and-time",
            "authent_cache",
            f"authent_cache is {conf.authent_cache}{set_or_not}, and {'; '.join(timed)}",
            mend=place.mend_setting("authent_cache", "0"),
            users=people.names.get("dated", []),
        )
    reading = people.crowd.reading if people.crowd is not None else None
    if (people.masked or people.apps.masked) and (reading is None or not _asking(reading)):
        yield from address_auto(place, None)


def address_auto(place: Place, reading: Reading | None) -> Iterator[Finding]:
    """Whether there is an address is not left to what a request looks like, where somebody's login depends on it."""
    if place.config is None or place.config.server.address != "auto":
        return
    people = place.survey.people if place.survey is not None else None
    masked = people.masked if people is not None else 0
    asking = [] if reading is None else _asking(reading)
    who = [f"{counted(masked, 'user')} may log in from certain hosts only"] if masked else []
    if people is not None and people.apps.masked:
        number = people.apps.masked
        who.append(f"{counted(number, 'user')} {_have(number)} an app password for certain hosts only")
    if reading is not None and asking:
        who.append(f"{counted(len(asking), 'rule')} of {reading.file} {_have(len(asking))} from")
    if not who:
        return
    yield finding(
        "address-auto",
        f"{', '.join(who)}, and [server] address is auto",
        mend=f'in {place.settings} set, under [server], address = "always" where the server sends the client\'s'
        f' address with each check, "never" where it does not; then {RESTART}',
        file=place.settings,
        users=people.names.get("masked", []) if people is not None else (),
    )


def _asking(reading: Reading) -> list[Rule]:
    """The rules that ask from where."""
    return [] if reading.policy is None else [rule for rule in reading.policy.rules if rule.hosts is not None]


def _unreadable(place: Place, kind: str, people: People, number: int) -> Finding:
    names = people.names[kind]
    what = "valid_from or valid_until that is no date" if kind == "bad-date" else "list of hosts that cannot be read"
    mend = place.nwauth("user", "set", names[0], "valid_until=2027-01-31") + " (a date, or a date and a time)"
    if place.config is not None and all(one.read_only for one in place.config.stores):
        mend = "write 2027-01-31, a date, where these users are managed: their store is only read here"
    return finding(
        kind,
        f"{counted(number, 'user')} {_have(number)} a {what}: {examples(names, number)}",
        mend=mend if kind == "bad-date" else "mend the column of IP masks: 10.0.0.0/8",
        users=names,
    )


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
