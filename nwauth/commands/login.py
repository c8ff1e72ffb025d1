"""``nwauth test``: try a login, and see why it fails."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, user_name
from nwauth.commands.output import colored
from nwauth.commands.secrets_in import get_known_password
from nwauth.commands.table import visible
from nwauth.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from nwauth.commands.session import Session

EXIT_STATUS = {"yes": 0, "no": 1, "cannot tell": 75}
COLORS = {"yes": "32", "no": "31", "cannot tell": "33"}


def _address(_context: click.Context, _parameter: click.Parameter, word: str | None) -> str | None:
    from nwauth.protocol import is_address

    if word is not None and not is_address(word):
        raise click.BadParameter(f"found {visible(word)!r}, wanted an IPv4 or IPv6 address")
    return word


def _instant(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"found {visible(text)!r}, wanted a date and time such as '2027-01-31 18:00'"
        ) from None


@command(
    "test",
    examples=("nwauth test bob@test.com", "nwauth test bob@test.com --password-stdin --at '2027-01-31 18:00' < file"),
)
@user_name("user")
@click.option("--password-stdin", "from_stdin", is_flag=True, help="Read the password from stdin (one line).")
@click.option("--from", "address", metavar="IP", callback=_address, help="The client's address.")
@click.option("--service", "used", metavar="NAME", help="The service of the login, as pop3.")
@click.option(
    "--at",
    "instant",
    metavar="TIME",
    callback=_instant,
    help="As if it were that time: decides on the account's dates.",
)
def test(
    session: Session, *, user: str, from_stdin: bool, address: str | None, used: str | None, instant: datetime | None
) -> int:
    """Try a login: may the user come in with this password?  Prints the verdict, and what it rests on.

    Nothing is changed by it: an old password is not stored in a better form, and the log gets no line.  Exit status 0
    yes, 1 no, 75 cannot tell now.
    """
    now = None if instant is None else lambda: instant
    service = session.service.changed(now=now, read_only=True)
    password = get_known_password(from_stdin=from_stdin)
    steps: dict[str, object] = {}
    try:
        found = service.check(user, password, steps.__setitem__, address=address)
        verdict = "no" if found is None else "yes"
        if found is not None and found.unsayable():  # the servers are told so, and not "yes"
            verdict, steps["reason"] = "cannot tell", found.unsayable()
    except ConfigError:
        raise
    except Unavailable as error:
        verdict, steps["reason"] = "cannot tell", str(error)
    record: dict[str, object] = {"user": user, "verdict": verdict}
    record |= dict.fromkeys(("reason", "rule", "store", "scheme")) | steps
    record |= {"from": address, "service": used, "at": None if instant is None else instant.isoformat()}
    session.results.record(record, _told(session, record))
    return EXIT_STATUS[verdict]


def _told(session: Session, record: dict[str, object]) -> str:
    """The record in words: the verdict, then what was seen on the way."""
    verdict, reason = str(record["verdict"]), record["reason"]
    first = colored(verdict, COLORS[verdict], on=session.results.color) + (
        f": {visible(str(reason))}" if reason else ""
    )
    steps = {key: value for key, value in record.items() if key not in {"verdict", "reason"} and value is not None}
    wide = max(map(len, steps))
    return "\n".join([first, *(f"  {key:{wide}}  {visible(str(value))}" for key, value in steps.items())])
