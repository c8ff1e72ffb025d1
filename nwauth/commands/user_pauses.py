"""``nwauth user suspend``, ``resume`` and ``expire``: logins that stop, begin again, or end at a date; mail goes on."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, dry_run_option, user_name
from nwauth.commands.moments import given_date, in_words
from nwauth.commands.shown import visible
from nwauth.commands.terminal import complain
from nwauth.commands.user_changes import CHANGE_COLUMNS, change_record, told
from nwauth.errors import Refused
from nwauth.policy import account, pauses
from nwauth.protocol import BadRequest, check_field

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from nwauth.commands.session import Session
    from nwauth.model import Info, User

    Fields = Callable[[Info], dict[str, str]]
    Note = Callable[[User, dict[str, str]], str]  # of the user as he is now, and the fields that were changed

NEVER = "never"


@command(
    "suspend",
    examples=(
        "nwauth user suspend bob@test.com",
        "nwauth user suspend bob@test.com --until 2027-01-31 --reason 'unpaid bill'",
        "nwauth user suspend bob@test.com eve@test.com --from '2027-01-31 18:00'",
    ),
)
@user_name("names", many=True)
@click.option("--from", "start", metavar="DATE", help="From then on. Default: at once.")
@click.option("--until", "end", metavar="DATE", help='Up to then; default: until "nwauth user resume".')
@click.option("--reason", metavar="TEXT", default="", help="Why, kept in the field suspend_reason.")
@dry_run_option
def suspend(
    session: Session, *, names: tuple[str, ...], start: str | None, end: str | None, reason: str, dry_run: bool
) -> int:
    """Refuse logins of users, at once or from a date on; their mail is still accepted.

    Without a date, the field mailstatus becomes "suspended", until "nwauth user resume". With --until, users can log in
    again from that date on (the field valid_from). With --from, they can until that date (valid_until). A DATE is a
    day, from its first minute, or a time, in the zone of the policy. A mailstatus that refuses already, such as
    "closed", stays.

    Exit status 1: one of the users does not exist, or has a date of its own there; the others are suspended.
    """
    try:
        check_field(pauses.REASON, reason)
    except BadRequest as error:
        raise click.BadParameter(str(error), param_hint="'--reason'") from None
    zone = session.service.gate.zone() if start or end else UTC
    now = datetime.now(UTC).astimezone(zone)
    first, last = (given_date(word, option, now) for word, option in ((start, "--from"), (end, "--until")))
    if last and not _is_ahead(last, now):
        raise click.BadParameter(f"{visible(last)} is past", param_hint="'--until'")
    if first and not _is_ahead(first, now):
        first = ""
    if first and last:
        raise click.UsageError(
            "--from and --until: an account has one span of logins, no gap in it; suspend it with --until when it"
            " begins, or write a rule of the policy"
        )
    if len(first) == len("2027-01-31"):
        first += " 00:00"  # an end that is a bare date takes that day in

    def fields(info: Info) -> dict[str, str]:
        return pauses.suspended(info, start=first, end=last, reason=reason, now=lambda: _now(session))

    def note(user: User, _changes: dict[str, str]) -> str:
        if first:
            return _told_end(user.info, zone, now)
        if last:
            return _told_begin(user, zone)
        state = user.info.get("mailstatus")
        stays = f"mailstatus is {state} already, which refuses logins: it stays, and resume does not lift it"
        return stays if pauses.refuses_otherwise(user.info) else ""

    return _change(session, names, fields, note, event="user-suspend", verb="suspended", dry_run=dry_run)


@command("resume", examples=("nwauth user resume bob@test.com",))
@user_name("names", many=True)
@dry_run_option
def resume(session: Session, *, names: tuple[str, ...], dry_run: bool) -> int:
    """Let suspended users log in again: what "suspend" has set is removed, and mailstatus is what it was before.

    A mailstatus other than "suspended", and other dates, stay as they are; if they refuse logins, this is said. Exit
    status 0 even if there was nothing to resume.
    """

    def note(user: User, changes: dict[str, str]) -> str:
        still = _still_refused(user, lambda: _now(session))
        if still:
            return f"{'no longer suspended' if changes else 'nothing to resume'}, but {still}"
        state = user.info.get("mailstatus")
        was = f"mailstatus is {state}, which lets the user in" if state else "there is no mailstatus"
        return "" if changes else f"nothing to resume: {was}"

    return _change(session, names, pauses.resumed, note, event="user-resume", verb="resumed", dry_run=dry_run)


@command(
    "expire",
    examples=(
        "nwauth user expire bob@test.com 2027-01-31",
        "nwauth user expire bob@test.com '2027-01-31 18:00'",
        "nwauth user expire bob@test.com eve@test.com never",
    ),
)
@user_name("names", many=True, required=False)
@click.argument("date", metavar="DATE|never")
@dry_run_option
def expire(session: Session, *, names: tuple[str, ...], date: str, dry_run: bool) -> int:
    """Set the date after which users can no longer log in, or remove it; their mail is still accepted.

    This is the field valid_until: a day is the last day of logins, a time is their end, in the zone of the policy.

    Exit status 1: one of the users does not exist; the others are changed all the same.
    """
    now = _now(session)
    zone = now.tzinfo
    assert zone is not None  # noqa: S101
    if not names:
        _say_which_lacks(date, now)
    wanted = "" if date.strip().lower() == NEVER else given_date(date, "DATE", now)

    def note(user: User, _changes: dict[str, str]) -> str:
        return _told_end(user.info, zone, now) if wanted else "logins have no end"

    def fields(info: Info) -> dict[str, str]:
        return pauses.ending(info, wanted)

    return _change(session, names, fields, note, event="user-expire", verb="changed", dry_run=dry_run)


# --- the work --------------------------------------------------------------------------------------------------------


def _change(
    session: Session,
    names: tuple[str, ...],
    fields: Fields,
    note: Note,
    *,
    event: str,
    verb: str,
    dry_run: bool,
) -> int:
    """Change the fields of each user; what comes of it is told of each, its dates in words on stderr."""
    records: list[dict[str, object]] = []
    notes: list[str] = []
    every = list(dict.fromkeys(names))
    try:
        for name in every:
            try:
                with session.changing(event, name, dry_run=dry_run) as work:
                    user = work.service.lookup(name, work.facts.__setitem__)
                    if user is None:
                        raise session.no_such_user(name)
                    wanted = fields(user.info)
                    if wanted:
                        user = work.service.set(name, None, wanted, work.facts.__setitem__)
            except Refused as error:
                if len(every) == 1:
                    raise
                complain(str(error), color=session.choices.color)
                continue
            records.append(change_record(work, verb, name=user.name))
            said = note(user, wanted)
            if said:
                notes.append(f"{visible(user.name)}: {visible(said)}")
    finally:
        if dry_run or session.prints_changes:
            session.results.records(CHANGE_COLUMNS, records, told)
        for line in notes:
            session.note(line)
    return 0 if len(records) == len(every) else 1


def _now(session: Session) -> datetime:
    """Now, in the zone that the dates of accounts are meant in.  Raises Unavailable."""
    return datetime.now(UTC).astimezone(session.service.gate.zone())


def _is_ahead(date: str, now: datetime) -> bool:
    return account.outside("valid_from", date, now) is not None


def _say_which_lacks(word: str, now: datetime) -> None:
    """Of two arguments there is one.  Raises MissingParameter: for the user or for the date."""
    lacks = "NAME..."
    try:
        if word.strip().lower() != NEVER:
            given_date(word, "DATE", now)
    except click.BadParameter:
        lacks = "DATE|never"
    raise click.MissingParameter(ctx=click.get_current_context(), param_hint=f"'{lacks}'", param_type="argument")


def _told_end(info: Info, zone: tzinfo, now: datetime) -> str:
    end = pauses.moment(info, "valid_until", zone)
    if end is None:  # no clock shows the day behind the last one
        return f"logins end with {info.get('valid_until')}; mail is still taken in"
    return f"logins {'end' if end > now else 'ended'} {in_words(end, zone)}; mail is still taken in"


def _told_begin(user: User, zone: tzinfo) -> str:
    """When a suspension ends, and what refuses the login then."""
    begin = pauses.moment(user.info, "valid_from", zone)
    if begin is None:
        return f"suspended up to {user.info.get('valid_from')}"
    still = _still_refused(user, lambda: begin)
    when = in_words(begin, zone)
    return f"the suspension ends {when}, but {still}" if still else f"logins begin again {when}"


def _still_refused(user: User, now: Callable[[], datetime]) -> str:
    """What refuses the login besides a suspension, and what to type; "": nothing does."""
    refusal = account.refusal(user.info, now)
    if refusal is None:
        return ""
    mend = shlex.join(["nwauth", "user", "set", user.name, f"{refusal.field}="])
    return f"{refusal.reason}, which still refuses logins: {mend} lifts that"
