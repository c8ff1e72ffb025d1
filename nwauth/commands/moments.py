"""Moments on the command line: as a person names them, and as one likes to read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.table import visible
from nwauth.policy.instants import BadInstant, read_instant

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    Decorator = Callable[[Callable[..., int]], Callable[..., int]]


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


def in_words(instant: datetime, zone: tzinfo) -> str:
    """A moment for a person: ``Fri 2027-01-29 17:00 NZDT``."""
    local = instant.astimezone(zone)
    seconds = ":%S" if local.second else ""
    return local.strftime(f"%a %Y-%m-%d %H:%M{seconds} %Z").rstrip()
