"""Moments on the command line: as a person names them, and as one likes to read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.shown import visible
from nwauth.policy import account
from nwauth.policy.instants import BadInstant, read_instant

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    Decorator = Callable[[Callable[..., int]], Callable[..., int]]

WANTED_DATE = "a date (2027-01-31) or a time such as '2027-01-31 18:00' or 'Fri 18:00'"
OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)


def address_word(_context: click.Context, _parameter: click.Parameter, word: str | None) -> str | None:
    """The address of ``--from``, as it was typed."""
    from nwauth.protocol import is_address

    if word is not None and not is_address(word):
        raise click.BadParameter(f"found {visible(word)!r}, wanted an IPv4 or IPv6 address")
    return word


def login_options(at_help: str) -> Decorator:
    """The options that say from where, by what and when a login is."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        for option in (
            click.option("--at", "moment", metavar="TIME", help=at_help),
            click.option(
                "--service", "used", metavar="NAME", help="The service of the login, as pop3. Default: unknown."
            ),
            click.option(
                "--from", "address", metavar="IP", callback=address_word, help="The client's address. Default: unknown."
            ),
        ):
            function = option(function)
        return function

    return decorate


def given_instant(text: str | None, zone: tzinfo) -> datetime:
    """The moment of ``--at``, in `zone`; now where it was not given.

    Raises:
        click.BadParameter: it is none.
    """
    now = datetime.now(UTC).astimezone(zone)
    if text is None:
        return now
    try:
        return read_instant(text, zone=zone, now=now)
    except BadInstant as error:
        raise click.BadParameter(visible(str(error)), param_hint="'--at'") from None


def given_date(word: str | None, option: str, now: datetime) -> str:
    """A date of the command line as an account keeps it: a day, or wall time in the zone of `now`; "": not given.

    Raises:
        click.BadParameter: it is none.
    """
    if word is None:
        return ""
    text = word.strip()
    if not text:  # as of a script whose variable is not set: no date must not mean for ever
        raise click.BadParameter(f"found nothing, wanted {WANTED_DATE}", param_hint=f"'{option}'")
    if len(text) == len("2027-01-31") and account.is_date(text):
        return text
    zone = now.tzinfo
    assert zone is not None  # noqa: S101
    try:
        instant = read_instant(text, zone=zone, now=now)
    except BadInstant:
        raise click.BadParameter(f"found {visible(text)!r}, wanted {WANTED_DATE}", param_hint=f"'{option}'") from None
    wall = instant.strftime("%Y-%m-%d %H:%M:%S" if instant.second else "%Y-%m-%d %H:%M")
    is_clear = instant.replace(fold=1 - instant.fold).utcoffset() == instant.utcoffset()  # the clock shows it once
    if is_clear and not OFFSET.search(text):
        return wall
    return wall + instant.isoformat()[-6:]  # who says an offset means an instant, whatever the zone is elsewhere


def in_words(instant: datetime, zone: tzinfo) -> str:
    """A moment for a person: ``Fri 2027-01-29 17:00 NZDT``."""
    local = instant.astimezone(zone)
    seconds = ":%S" if local.second else ""
    return local.strftime(f"%a %Y-%m-%d %H:%M{seconds} %Z").rstrip()
