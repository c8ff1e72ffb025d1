"""Every check, by what it looks at; and the one function that makes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.doctor import (
    beside,
    cleartext,
    clock,
    directories,
    files,
    flatfiles,
    idle,
    limits,
    logfile,
    logins,
    module,
    passwdfiles,
    people,
    rules,
    servers,
    settings,
    spellings,
    steps,
    survey,
    throttling,
    versions,
)
from nwauth.doctor.finding import cannot_look
from nwauth.errors import NwauthError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

    Check = Callable[[Place], Iterator[Finding]]


def _users(place: Place) -> Iterator[Finding]:
    """All stores can be read, each has its users and its names for itself; then everybody was seen."""
    yield from survey.users(place)
    if place.survey is not None:
        place.survey.people.end()


# The name is what is told where the check cannot be made.  The pass over the users comes before what rests on it.
CHECKS: dict[str, Check] = {
    "nwauth.toml": settings.nwauth_toml,
    "whether there are users": settings.has_users,
    "the lines of dmail.conf": settings.dmail_settings,
    "authent_method": settings.external,
    "lowercase_username": settings.case_blind,
    "the default domain": settings.default_domain,
    "the folders of drop files": settings.drop_folders,
    "how long nwauth may wait": settings.own_time_outs,
    "who takes new users": settings.routes,
    "settings without effect": idle.settings,
    "the interpreter and its libraries": versions.versions,
    "the clock": clock.clock,
    "the zone of the machine": clock.variable,
    "the list of zones": clock.zones,
    "who can read the files": files.open_to_others,
    "whose the files are": files.owners,
    "the room on the disk": files.room,
    "what lies in the place of nwauth's own files": beside.in_the_way,
    "the lines of nwauth.txt and nwauth.add": flatfiles.odd_lines,
    "the lines of passwd files": passwdfiles.odd_lines,
    "names that stand more than once": spellings.twins,
    "old passwords in clear text": cleartext.superseded,
    "the length of the journal": beside.journal,
    "the index": beside.index,
    "what was left behind": beside.leftovers,
    "what undo goes by": steps.steps,
    "the log": logfile.log,
    "the throttle": throttling.throttle,
    "the users": _users,
    "passwords": people.passwords,
    "the directories": directories.directories,
    "the passwords of the system": logins.system_users,
    "dates and hosts of users": limits.limits,
    "the access rules": rules.access_rules,
    "how the servers call the users": people.addresses,
    "drop files": people.drop_files,
    "authent_process": module.module,
    "the servers that run": servers.running,
}


def examine(place: Place) -> Iterator[Finding]:
    """What every check finds, as it is found."""
    for _, found in examined(place):
        yield found


def examined(place: Place, names: Iterable[str] = tuple(CHECKS)) -> Iterator[tuple[str, Finding]]:
    """What the checks of these names find, each finding behind the name of its check."""
    for name in names:
        try:
            for found in CHECKS[name](place):
                yield name, found
        except (NwauthError, OSError) as error:
            yield name, cannot_look(name, error)
