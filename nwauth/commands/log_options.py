"""The options of ``nwauth log why`` and ``last``: which files of the log are read, and which of its lines count."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from nwauth.commands.command import FILES
from nwauth.commands.shown import as_text, visible
from nwauth.logs.finding import LogFile, open_log_file
from nwauth.names import ENCODING, ERRORS
from nwauth.policy import hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.commands.session import Session
    from nwauth.logs.lines import Line
    from nwauth.policy.hosts import Hosts

AGES = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Options:
    """What both commands are told: the files, and which lines count."""

    def __init__(self, *, files: list[LogFile], since: datetime | None, addresses: Hosts | None) -> None:
        self.files = files
        self.since = since
        self.addresses = addresses

    def counts(self, line: Line) -> bool:
        """Whether the login came from where it is asked for."""
        if self.addresses is None:
            return True
        word = line.facts.get("ip", hosts.UNKNOWN)
        return self.addresses.hold(None if word == hosts.UNKNOWN else hosts.read_address(word))


def _files(context: click.Context, _parameter: click.Parameter, paths: tuple[str, ...]) -> list[LogFile]:
    """What the command line names is opened while it is read: as root, if root typed it."""
    if context.resilient_parsing:
        return []
    if paths.count("-") > 1:
        raise click.UsageError("--file -: stdin can be read once")
    found = []
    for word in paths:
        path = os.fsdecode(word.encode(ENCODING, ERRORS))
        try:
            found.append(_stdin() if path == "-" else open_log_file(path))
        except OSError as error:
            raise click.UsageError(f"--file {visible(as_text(path))}: {error.strerror or error}") from None
    return found


def _stdin() -> LogFile:
    return LogFile("stdin", open(0, "rb", buffering=0, closefd=False), written_before=datetime.now(UTC))


def _since(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    age = re.fullmatch(rf"(\d{{1,6}})({'|'.join(AGES)})", text)
    try:
        if age:
            return datetime.now(UTC) - timedelta(**{AGES[age[2]]: int(age[1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"found {visible(text)!r}, wanted a date and time such as '2027-01-31 18:00', or an age such as 7d"
        ) from None


def _addresses(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Hosts | None:
    if text is None:
        return None
    try:
        return hosts.read_hosts(text.split(","))
    except hosts.BadHost as error:
        raise click.BadParameter(visible(str(error))) from None


def log_options(function: Callable[..., int]) -> Callable[..., int]:
    """The options of both commands, handed on as one argument."""

    def run(session: Session, *, files: list[LogFile], since: Any, addresses: Any, **values: Any) -> int:
        return function(session, options=Options(files=files, since=since, addresses=addresses), **values)

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    for option in (
        click.option(
            "--file",
            "files",
            metavar="FILE",
            multiple=True,
            callback=_files,
            shell_complete=FILES,
            help="Read FILE (- is stdin).",
        ),
        click.option(
            "--since", metavar="TIME", callback=_since, help="Only since then: 2027-01-31, or 7d, 12h, 30m ago."
        ),
        click.option(
            "--from",
            "addresses",
            metavar="IP",
            callback=_addresses,
            help="Only from this address or network: 10.1.2.3, 10.0.0.0/8.",
        ),
    ):
        run = option(run)
    return run
