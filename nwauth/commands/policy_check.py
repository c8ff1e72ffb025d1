"""``nwauth policy check``: what is wrong with the access rules, why it matters, and how it is mended."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import FILES, command
from nwauth.commands.findings import printed, settings
from nwauth.commands.given import given
from nwauth.commands.shown import as_text, visible
from nwauth.commands.totals import about_all
from nwauth.doctor import Place
from nwauth.doctor.finding import cannot_look
from nwauth.doctor.rules import access_rules
from nwauth.doctor.rules_beside import wants_service
from nwauth.doctor.rules_crowd import Crowd
from nwauth.doctor.rules_file import Reading, reading_of
from nwauth.doctor.settings import nwauth_toml
from nwauth.doctor.survey import Survey
from nwauth.service.rulefile import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.commands.session import Session
    from nwauth.config import Config
    from nwauth.doctor import Finding


def _given(_context: click.Context, _parameter: click.Parameter, word: str | None) -> Reading | None:
    """The rules in a file that the command line names, read with the ids of whoever typed it."""
    if word is None:
        return None
    file = given(word, what="the policy")
    return Reading(file.name, file.content(most=MAX_BYTES, wanted="a policy"), is_given=True)


@command("check", examples=("nwauth policy check", "nwauth policy check new.toml && mv new.toml policy.toml"))
@click.argument("file", required=False, callback=_given, shell_complete=FILES)
def check(session: Session, *, file: Reading | None) -> int:
    """Check the access rules, or those of a FILE (- for stdin); each finding says how to mend it.

    It finds every error in the file; rules and a default that can never be reached; classes, users and stores that do
    not exist; what the rules depend on elsewhere; and it runs the file's own tests, [[test]], each decided as a login
    is. Nothing is changed.

    Exit status: 0 nothing is wrong, 1 there are findings, 75 something could not be examined.
    """
    if session.choices.store is not None:
        raise click.UsageError("--store: the rules are about the users of all stores, wanted none")
    config, error = settings(session)
    place = Place(folder=as_text(os.path.abspath(session.folder)), config=config, settings_error=error)

    def users() -> int | None:
        return place.survey.users if place.survey is not None else None

    with session.progress("examining", users, cache(lambda: about_all(session))):
        found = list(_findings(place, file))
    reading = place.survey.people.crowd.reading if place.survey and place.survey.people.crowd else file
    if reading is not None and reading.policy is not None:
        _remark(session, reading)
    nothing = "nothing is wrong"
    if reading is None and config is not None:
        nothing = f"there are no access rules: {visible(config.policy.file)} is not there"
    return printed(session, found, nothing=nothing)


def _findings(place: Place, given: Reading | None) -> Iterator[Finding]:
    yield from nwauth_toml(place)
    try:
        reading = reading_of(place) if given is None else given
    except OSError as error:
        yield cannot_look("the access rules", error)
        return
    if reading is None:
        return
    if place.config is not None and not reading.faults:
        yield from _everybody(place, place.config, reading)
    yield from access_rules(place, reading)


def _everybody(place: Place, config: Config, reading: Reading) -> Iterator[Finding]:
    """Let all users go by."""
    place.survey = survey = Survey(place)
    survey.people.crowd = Crowd(reading, class_field=config.policy.class_field)
    try:
        survey.run()
        survey.people.end()
    except OSError as error:
        yield cannot_look("the users", error)
    finally:
        survey.close()


def _remark(session: Session, reading: Reading) -> None:
    """What nobody can know from the files alone."""
    assert reading.policy is not None  # noqa: S101
    rules = wants_service(reading.policy)
    if rules:
        session.note(
            f"note: {visible(reading.among(rules))} {'names' if len(rules) == 1 else 'name'} a service: the server that"
            " gives it starts nwauth with -service and that name, else the service is unknown"
        )
