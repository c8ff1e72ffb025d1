"""``nwauth policy show``: the rules in force, and the week as they mean it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, completed_by
from nwauth.commands.moments import address_word
from nwauth.commands.policy_rules import show_rules
from nwauth.commands.policy_week import show_week
from nwauth.commands.shown import as_text, shown_path, visible
from nwauth.commands.terminal import complain
from nwauth.errors import Refused
from nwauth.names import fold
from nwauth.policy import hosts
from nwauth.policy.kinds import concerned
from nwauth.policy.rules import DEFAULT, Login, classes_of
from nwauth.service import Question

if TYPE_CHECKING:
    from nwauth.commands.session import Session
    from nwauth.model import User
    from nwauth.policy.rules import Policy
    from nwauth.service import Gate

YEARS = range(1900, 9000)
MOST_SHOWN = 5


class Subject:
    """Whose week is shown: `user`, or else anybody of `classes` whom no rule names otherwise."""

    def __init__(self, gate: Gate, policy: Policy, *, user: User | None, classes: tuple[str, ...]) -> None:
        self.gate = gate
        self.policy = policy
        self.user = user
        self.login = (
            Login(name="", classes=classes, store="")
            if user is None
            else gate.login(Question(user, address=None, service=""))
        )

    @property
    def title(self) -> str:
        """Who it is, for a person."""
        shown = visible(", ".join(self.login.classes))
        classes = f"{'class' if len(self.login.classes) == 1 else 'classes'} {shown}"
        return classes if self.user is None else f"user {visible(self.user.name)} ({classes})"


def _address(context: click.Context, parameter: click.Parameter, word: str | None) -> str | None:
    return word if word == hosts.UNKNOWN else address_word(context, parameter, word)


def _day(_context: click.Context, _parameter: click.Parameter, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        raise click.BadParameter(f"found {visible(text)!r}, wanted a date such as 2027-01-31")
    return day


@command(
    "show",
    examples=(
        "nwauth policy show",
        "nwauth policy show student --week",
        "nwauth policy show bob@test.com --week --from 10.20.0.7 --service imap",
    ),
)
@click.argument("who", metavar="[CLASS|USER]", required=False, shell_complete=completed_by("subjects"))
@click.option("--week", is_flag=True, help="A grid of seven days: when logins are allowed.")
@click.option("--user", "kind", flag_value="user", help="The argument is a user, whatever classes there are.")
@click.option("--class", "kind", flag_value="class", help="The argument is a class, whatever users there are.")
@click.option("--from", "address", metavar="IP", callback=_address, help="The client's address, or unknown.")
@click.option("--service", "used", metavar="NAME", help="The service of the login, as pop3, or unknown.")
@click.option("--from-date", "day", metavar="DATE", callback=_day, help="The first day of the grid. Default: today.")
def show(
    session: Session,
    *,
    who: str | None,
    week: bool,
    kind: str | None,
    address: str | None,
    used: str | None,
    day: date | None,
) -> int:
    """Show the rules in force, in order; with --week when a user, or anybody of a class, may log in.

    Of a CLASS or USER only the rules are shown that can concern them. Without either, --week shows the class default:
    users who have no class. What depends on the client's address or service is marked, unless --from and --service say
    them. Exit status 1: there is no policy, or no such user; 75: the policy file cannot be used.
    """
    if not week and (address, used, day) != (None, None, None):
        raise click.UsageError("--from, --service and --from-date are for --week")
    if who is None and kind == "user":
        raise click.UsageError("--user: wanted the name of a user")
    gate = session.service.gate
    rules = gate.in_force()
    if rules is None:
        path = shown_path(session.config.policy.file)
        raise Refused(
            f"there is no policy: {path} is not there, so that logins are allowed at all times and from"
            ' everywhere (to have one, make that file, with default = "allow" under [policy], and a [[rule]] for each'
            " rule)"
        )
    if rules.reason:
        complain(f"these are the last good rules, not those of the file: {rules.reason}", color=session.choices.color)
    subject = None if who is None and not week else _subject(session, gate, rules.policy, who or DEFAULT, kind)
    if not week:
        show_rules(session, rules.policy, subject)
        return 0
    assert subject is not None  # noqa: S101
    now = datetime.now(UTC)
    show_week(session, subject, address=address, used=None if used is None else fold(used), now=now, day=day)
    return 0


def _subject(session: Session, gate: Gate, policy: Policy, who: str, kind: str | None) -> Subject:
    """The user of that name, or else the class; what was taken is said where the word may mean both, or neither.

    Raises:
        Refused: there is no such user, and it can be no class.
    """
    who = as_text(who)
    classes = classes_of(who)
    named = {DEFAULT}.union(*(rule.classes or () for rule in policy.rules))
    known = named.issuperset(classes)
    user = None
    if kind != "class" and (kind == "user" or fold(who) != DEFAULT):
        user = session.service.lookup(who)
    if user is None and (kind == "user" or ("@" in who and not known and kind is None)):
        raise session.no_such_user(who)
    shown = visible(who)
    if user is not None and known and kind is None:
        session.note(f"note: {shown} is a user and a class: this is the user (--class shows the class)")
    if user is None and not known:
        no_user = "" if kind == "class" else f"there is no user {shown}, and "
        session.note(f"note: {no_user}no rule names a class {shown}: this is what such a class may do")
    subject = Subject(gate, policy, user=user, classes=classes)
    if user is None:
        _tell_of_named_users(session, policy, subject)
    return subject


def _tell_of_named_users(session: Session, policy: Policy, subject: Subject) -> None:
    """Of a class nobody's name is known: rules that name users, domains or stores cannot be shown."""
    concerning = {rule.name for rule in concerned(policy, subject.login)}
    left_out = [
        rule.name
        for rule in policy.rules
        if rule.name not in concerning
        and (rule.classes is None or not set(rule.classes).isdisjoint(subject.login.classes))
    ]
    if left_out:
        shown = ", ".join(f'"{visible(name)}"' for name in left_out[:MOST_SHOWN])
        more = f" and {len(left_out) - MOST_SHOWN} more" if len(left_out) > MOST_SHOWN else ""
        session.note(f"note: not shown are rules for named users, domains or stores: {shown}{more}")
