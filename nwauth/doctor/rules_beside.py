"""What the access rules depend on: what the servers say, the zone, who is told, and who can write the file."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from nwauth.dmail.words import command_words, program
from nwauth.doctor.files import account, writable
from nwauth.doctor.finding import counted, finding
from nwauth.doctor.limits import address_auto
from nwauth.doctor.place import RESTART
from nwauth.policy.zones import name_of
from nwauth.service.rulefile import KEPT_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_file import Reading
    from nwauth.policy.rules import Policy, Rule

OWN_ZONE = re.compile(r"(?:^|\s)in\s", re.IGNORECASE)
PROGRAM = "nwauth"


def beside(place: Place, reading: Reading) -> Iterator[Finding]:
    """The rules are told what they ask about, and say what they are meant to."""
    policy = reading.policy
    assert policy is not None  # noqa: S101
    yield from address_auto(place, reading)
    yield from _address_never(place, reading, policy)
    yield from _service(place, reading, policy)
    yield from _zone(reading, policy)
    yield from _texts(reading, policy)
    yield from _throttle(place, reading, policy)


def wants_service(policy: Policy) -> list[Rule]:
    """The rules that decide otherwise where the service is not known."""
    return [rule for rule in policy.rules if rule.wants_service]


def _address_never(place: Place, reading: Reading, policy: Policy) -> Iterator[Finding]:
    asking = [(at, rule) for at, rule in enumerate(policy.rules) if rule.wants_address]
    if place.config is None or place.config.server.address != "never" or not asking:
        return
    line = reading.line_of_rule(asking[0][0], "from")
    rules = [rule for _, rule in asking]
    yield finding(
        "address-never",
        f"{reading.where(line)}{counted(len(rules), 'rule')} {'has' if len(rules) == 1 else 'have'} from"
        f" ({reading.among(rules)}), and [server] address is never",
        mend=f'in {place.settings} set, under [server], address = "always", and have the server send it (SurgeMail:'
        f" g_authent_addip true); then {RESTART}; or take from out of the rules",
        file=place.settings,
        line=None,
    )


def _service(place: Place, reading: Reading, policy: Policy) -> Iterator[Finding]:
    """The program that the servers start is told the service; without a dmail.conf nobody can know."""
    conf, asking = place.asking, wants_service(policy)
    words = command_words(conf.authent_process) if conf is not None else []
    if conf is None or not asking or "-service" in words or not any(program(word) == PROGRAM for word in words[:3]):
        return
    yield place.of_setting(
        "service-unsaid",
        "authent_process",
        f"authent_process does not say the service (-service NAME), and {counted(len(asking), 'rule')} of"
        f" {reading.file} {'names' if len(asking) == 1 else 'name'} one: {reading.among(asking)}",
        mend="have each server start nwauth with -service and the name that the rules use; or take service out of them,"
        ' or add "unknown" to it',
    )


def _zone(reading: Reading, policy: Policy) -> Iterator[Finding]:
    if "zone" in reading.tables.get("policy", {}):
        return
    timed = [rule for rule in policy.rules if rule.when is not None and not OWN_ZONE.search(rule.when.text)]
    if timed:
        line = reading.line_of("policy")
        name = name_of(policy.zone)
        yield finding(
            "zone-of-machine",
            f"{reading.where(line)}zone is not set, and {counted(len(timed), 'rule')}"
            f" {'has' if len(timed) == 1 else 'have'} hours: the machine's zone is taken, {name}",
            mend=f"in {reading.file} write, under [policy], zone = "
            + (f'"{name}"' if not name.startswith("/") else "and its name of the IANA list")
            + ", or the one that is meant",
            file=reading.file,
            line=line,
        )


def _texts(reading: Reading, policy: Policy) -> Iterator[Finding]:
    texts = [(at, rule) for at, rule in enumerate(policy.rules) if rule.text]
    idle = [(at, rule) for at, rule in texts if rule.allow]
    for at, rule in idle:
        line = reading.line_of_rule(at, "text")
        yield finding(
            "text-unseen",
            f'{reading.where(line)}rule "{rule.name}" allows, and has a text, which only a refused user is told',
            mend=f"take the text out {reading.in_line(line)}",
            file=reading.file,
            line=line,
            why="Nobody is ever told it.",
        )
    told = [one for one in texts if not one[1].allow]
    if told and not policy.reveal:
        line = reading.line_of_rule(told[0][0], "text")
        rules = [rule for _, rule in told]
        yield finding(
            "text-unseen",
            f"{reading.where(line)}{counted(len(rules), 'rule')} {'has' if len(rules) == 1 else 'have'} a text"
            f" ({reading.among(rules)}), and reveal is false",
            mend=f"in {reading.file} write, under [policy], reveal = true (it tells that the password was right); or"
            " take the text out",
            file=reading.file,
            line=line,
        )
    if policy.reveal and not told:
        line = reading.line_of("policy.reveal")
        yield finding(
            "text-unseen",
            f"{reading.where(line)}reveal is true, and no rule that denies has a text",
            mend=f"give the rules texts, or take reveal out {reading.in_line(line)}",
            file=reading.file,
            line=line,
        )


def _throttle(place: Place, reading: Reading, policy: Policy) -> Iterator[Finding]:
    if policy.throttle is None or place.config is None:
        return
    line = reading.line_of("throttle")
    if not policy.throttle.per_address and not policy.throttle.per_user:
        yield finding(
            "throttle-idle",
            f"{reading.where(line)}[throttle] has per_address = 0 and per_user = 0: no limit",
            mend=f"give it a limit, as per_user = 10, or take [throttle] out of {reading.file}",
            file=reading.file,
            line=line,
        )
    elif place.config.server.address == "never":
        yield finding(
            "throttle-idle",
            f"{reading.where(line)}[throttle] counts only requests with an address, and [server] address is never",
            mend=f'in {place.settings} set, under [server], address = "always", and have the server send it (SurgeMail:'
            f" g_authent_addip true); then {RESTART}",
            file=reading.file,
            line=line,
        )


# --- the file --------------------------------------------------------------------------------------------------------


def files(_place: Place, reading: Reading) -> Iterator[Finding]:
    """Nobody but its owner, who is root or the folder's, can change the rules."""
    if reading.is_given:
        return
    for path in (reading.file, reading.file + KEPT_SUFFIX):
        if os.path.exists(path):
            yield from _changeable(path)


def _changeable(path: str) -> Iterator[Finding]:
    folder = os.path.dirname(path)
    of_folder, status = os.stat(folder), os.stat(path)
    if status.st_uid not in (0, of_folder.st_uid):
        yield finding(
            "another-owner",
            f"{path} belongs to {account(status.st_uid)}, and its folder to {account(of_folder.st_uid)}",
            mend=shlex.join(["chown", "-h", f"--reference={folder}", path]),
            file=path,
            why="Whoever owns it decides who may log in.",
        )
    elif status.st_mode & 0o002 and of_folder.st_mode & 0o001:
        yield writable(
            path,
            f"write {path}: it holds the access rules",
            owner=status.st_uid,
            why="Every account of this machine can let itself in, or keep others out.",
        )
