"""``nwauth test``: try a login, and see why it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, user_name
from nwauth.commands.moments import given_instant, login_options
from nwauth.commands.next_steps import note_first_login
from nwauth.commands.output import colored
from nwauth.commands.secrets_in import get_known_password
from nwauth.commands.shown import visible
from nwauth.commands.throttle import note_refusing
from nwauth.errors import ConfigError, NoBase, NwauthError, Refused, Unavailable

if TYPE_CHECKING:
    from nwauth.commands.session import Session
    from nwauth.service import Service

EXIT_STATUS = {"yes": 0, "no": 1, "cannot tell": 75}
COLORS = {"yes": "32", "no": "31", "cannot tell": "33"}


@command(
    "test",
    examples=("nwauth test bob@test.com", "nwauth test bob@test.com --password-stdin --at '2027-01-31 18:00' < file"),
)
@user_name("user")
@click.option("--password-stdin", "from_stdin", is_flag=True, help="Read the password from stdin (one line).")
@login_options("As if it were that time, for the account's dates and the hours of rules.")
def test(
    session: Session, *, user: str, from_stdin: bool, address: str | None, used: str | None, moment: str | None
) -> int:
    """Try a login: would the user be let in with this password?  Prints the verdict and its reasons.

    Nothing is changed: an old password is not stored in a better form, and nothing is logged.  Exit status 0
    yes, 1 no, 75 cannot tell now.
    """
    service = session.service
    instant = None if moment is None else given_instant(moment, service.gate.zone())
    service = service.changed(now=None if instant is None else lambda: instant, read_only=True)
    if not from_stdin:
        _must_have_base(service, user)
    password = get_known_password(from_stdin=from_stdin)
    steps: dict[str, object] = {}
    try:
        found = service.check(user, password, steps.__setitem__, address=address, service=used or "")
        verdict = "no" if found is None else "yes"
        if found is not None and found.unsayable():  # the servers are told so, and not "yes"
            verdict, steps["reason"] = "cannot tell", found.unsayable()
    except ConfigError:
        raise
    except Refused as error:  # what the policy reveals to those whose password is right
        verdict, steps["reason"], steps["told"] = "no", str(error), error.public
    except Unavailable as error:
        verdict, steps["reason"] = "cannot tell", str(error)
    record: dict[str, object] = {"user": user, "verdict": verdict}
    record |= dict.fromkeys(("reason", "rule", "store", "scheme", "app")) | steps
    record |= {"from": address, "service": used, "at": None if instant is None else instant.isoformat()}
    session.results.record(record, _told(session, record))
    if verdict == "yes":
        note_refusing(session, user, address)
        note_first_login(session)
    return EXIT_STATUS[verdict]


def _must_have_base(service: Service, user: str) -> None:
    """Nobody is to type a password in the wrong folder.  Raises NoBase."""
    try:
        service.store.lookup(user)
    except NoBase:
        raise
    except NwauthError:  # the check tells of it
        pass


def _told(session: Session, record: dict[str, object]) -> str:
    """The record in words: the verdict, then what was seen on the way."""
    verdict, reason = str(record["verdict"]), record["reason"]
    first = colored(verdict, COLORS[verdict], on=session.results.color) + (
        f": {visible(str(reason))}" if reason else ""
    )
    steps = {key: value for key, value in record.items() if key not in {"verdict", "reason"} and value is not None}
    wide = max(map(len, steps))
    return "\n".join([first, *(f"  {key:{wide}}  {visible(str(value))}" for key, value in steps.items())])
