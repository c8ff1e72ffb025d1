"""``nwauth policy try``: what rules would have decided, or would decide."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import FILES, command
from nwauth.commands.given import STDIN, Given, given
from nwauth.commands.shown import visible
from nwauth.commands.terminal import say
from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS
from nwauth.service import FixedRules, Gate
from nwauth.service.rulefile import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from nwauth.commands.session import Session
    from nwauth.logs.finding import Found
    from nwauth.policy.rules import Policy
    from nwauth.service import Service

EXIT_SAME, EXIT_NO, EXIT_UNTOLD = 0, 1, 75
MAX_LINE_BYTES = 1 << 20
REPLAY_HELP = "Logins of a log, rotated and compressed ones too."
REQUESTS_HELP = "Logins as JSON objects, one a line; - for stdin."


def _opened(_context: click.Context, _parameter: click.Parameter, word: str | None) -> Given | None:
    return None if word is None else given(word, what="what is to be tried")


def _log(_context: click.Context, _parameter: click.Parameter, word: str | None) -> Found | None:
    from nwauth.logs.finding import Found, LogFile, find

    if word is None:
        return None
    if word == STDIN:
        found = Found()
        found.files.append(
            LogFile("stdin", open(0, "rb", buffering=0, closefd=False), written_before=datetime.now(UTC))  # noqa: SIM115
        )
        return found
    return find(os.fsdecode(word.encode(ENCODING, ERRORS)))


@command(
    "try",
    examples=("nwauth policy try new.toml --replay nwauth.log", "nwauth policy try --requests - < logins.ndjson"),
)
@click.argument("new", required=False, callback=_opened, shell_complete=FILES)
@click.option(
    "--replay",
    metavar="LOG",
    callback=_log,
    shell_complete=FILES,
    help=REPLAY_HELP,
)
@click.option(
    "--requests",
    metavar="FILE",
    callback=_opened,
    shell_complete=FILES,
    help=REQUESTS_HELP,
)
def try_(session: Session, *, new: Given | None, replay: Found | None, requests: Given | None) -> int:
    """Decide about logins by the rules of a file, or by those in force, and change nothing.

    With --replay, those logins of a log that would have come out differently are counted, by user and rule: exit status
    1 where there are any. With --requests, every object (user, app, from, service, at, info) comes back with decision,
    rule and until, or with an error: exit status 1 where one was malformed, 75 where one could not be told.
    """
    if (replay is None) == (requests is None):
        raise click.UsageError("wanted either --replay LOG or --requests FILE")
    service = session.service
    if new is not None:
        gate = Gate(FixedRules(_policy(new)), class_field=session.config.policy.class_field)
        service = service.changed(gate=gate)
    service.gate.in_force()  # what is wrong with it is told before the first answer
    if requests is not None:
        return _answer(session, service, requests)
    assert replay is not None  # noqa: S101
    from nwauth.commands.policy_replay import replayed

    return replayed(session, service, replay)


def _policy(new: Given) -> Policy:
    """The policy in a file.  Raises Refused, with every fault on stderr; Unavailable."""
    from nwauth.policy.reading import BadPolicy, read_policy

    content = new.content(most=MAX_BYTES, wanted="a policy")
    try:
        return read_policy(content, file=new.name)
    except BadPolicy as error:
        for fault in error.faults[:-1]:
            say("\n".join(map(visible, fault.lines())))
        last, *caret = error.faults[-1].lines()
        raise Refused("\n".join([visible(last), *map(visible, caret)])) from None


def _answer(session: Session, service: Service, requests: Given) -> int:
    from nwauth.service.trying import Tryout

    tryout, done = Tryout(service), 0
    with requests.file, session.progress("deciding", lambda: done, unit="requests") as step:
        for number, line in enumerate(_lines(requests.file), start=1):
            step()
            if line.strip():
                session.results.line(json.dumps(tryout.answer(line, number)))
            done = number
    if tryout.untold:
        return EXIT_UNTOLD
    return EXIT_NO if tryout.refused else EXIT_SAME


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines, each cut where it is endless."""
    while line := file.readline(MAX_LINE_BYTES):
        yield line
        while not line.endswith(b"\n") and line:
            line = file.readline(MAX_LINE_BYTES)
