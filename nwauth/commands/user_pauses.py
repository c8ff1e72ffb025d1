"""``nwauth user suspend``, ``resume`` and ``expire``: logins that stop, begin again, or end at a date; mail goes on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, dry_run_option, user_name
from nwauth.commands.moments import in_words
from nwauth.commands.table import visible
from nwauth.commands.terminal import complain
from nwauth.commands.user_changes import CHANGE_COLUMNS, change_record, told
from nwauth.errors import Refused
from nwauth.policy import account, pauses
from nwauth.policy.instants import BadInstant, read_instant
from nwauth.protocol import BadRequest, check_field

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from nwauth.commands.session import Session
    from nwauth.model import Info

    Fields = Callable[[Info], dict[str, str]]
    Note = Callable[[Info, dict[str, str]], str]  # of the fields as they are now, and those that were changed

WANTED = "a date (2027-01-31) or a time such as '2027-01-31 18:00' or 'Fri 18:00'"
NEVER = "never"
OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)


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
    """Let users in no more, at once or from a date on; mail is still taken in.

    At once, the field mailstatus becomes "suspended", until "nwauth user resume". With --until, logins begin again by
    themselves then: it is the field valid_from. With --from, they end then: it is valid_until. A DATE is a day, from
    its first minute, or a time, in the zone of the policy.

    Exit status 1: one of the users does not exist, or has a date of its own there; the others are suspended.
    """
    try:
        check_field(pauses.REASON, reason)
    except BadRequest as error:
        raise click.BadParameter(str(error), param_hint="'--reason'") from None
    zone = session.service.gate.zone() if start or end else UTC
    now = datetime.now(UTC).astimezone(zone)
    first, last = (_date(word, option, now) for word, option in ((start, "--from"), (end, "--until")))
    if last and not _is_ahead(last, zone, now):
        raise click.BadParameter(f"{visible(last)} is past", param_hint="'--until'")
    if first and not _is_ahead(first, zone, now):
        first = ""
    if first and last:
        raise click.UsageError(
            "--from and --until: an account has one span of logins, no gap in it; suspend it with --until when it"
            " begins, or write a rule of the policy"
        )
    if len(first) == len("2027-01-31"):
        first += " 00:00"  # an end that is a bare date takes that day in

    def fields(info: Info) -> dict[str, str]:
        return pauses.suspended(info, start=first, end=last, reason=reason, now=now)

    def note(info: Info, _changes: dict[str, str]) -> str:
        if first:
            return _told_end(info, zone, now)
        begin = pauses.moment(info, "valid_from", zone) if last else None
        return "" if begin is None else f"logins begin again {in_words(begin, zone)}"

    return _change(session, names, fields, note, event="user-suspend", verb="suspended", dry_run=dry_run)


@command("resume", examples=("nwauth user resume bob@test.com",))
@user_name("names", many=True)
@dry_run_option
def resume(session: Session, *, names: tuple[str, ...], dry_run: bool) -> int:
    """Let suspended users in again: what "suspend" has set is taken away, and any mailstatus that refuses.

    Other dates and fields stay as they are. Exit status 0 also if there was nothing to resume.
    """

    def note(info: Info, changes: dict[str, str]) -> str:
        refusal = account.refusal(info, lambda: datetime.now(UTC).astimezone(session.service.gate.zone()))
        if refusal is not None:
            return f"still refused: {refusal.reason}"
        state = info.get("mailstatus")
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
@user_name("names", many=True)
@click.argument("date", metavar="DATE|never")
@dry_run_option
def expire(session: Session, *, names: tuple[str, ...], date: str, dry_run: bool) -> int:
    """End the logins of users at a date, or take that end away; mail is still taken in.

    It is the field valid_until. A day is the last one of logins; a time is their end, in the zone of the policy.

    Exit status 1: one of the users does not exist; the others are changed all the same.
    """
    zone = session.service.gate.zone()
    now = datetime.now(UTC).astimezone(zone)
    wanted = "" if date.strip().lower() == NEVER else _date(date, "DATE", now)

    def note(info: Info, _changes: dict[str, str]) -> str:
        return _told_end(info, zone, now) if wanted else "logins have no end"

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
            said = note(user.info, wanted)
            if said:
                notes.append(f"{visible(user.name)}: {visible(said)}")
    finally:
        if dry_run or not session.choices.quiet:
            session.results.records(CHANGE_COLUMNS, records, told)
        for line in notes:
            session.note(line)
    return 0 if len(records) == len(every) else 1


def _date(word: str | None, option: str, now: datetime) -> str:
    """A date of the command line as an account keeps it: a day, or wall time in the zone of `now`; "": not given."""
    if word is None:
        return ""
    text = word.strip()
    if not text:  # as of a script whose variable is not set: no date must not mean for ever
        raise click.BadParameter(f"found nothing, wanted {WANTED}", param_hint=f"'{option}'")
    if len(text) == len("2027-01-31") and account.is_date(text):
        return text
    zone = now.tzinfo
    assert zone is not None  # noqa: S101
    try:
        instant = read_instant(text, zone=zone, now=now)
    except BadInstant:
        raise click.BadParameter(f"found {visible(text)!r}, wanted {WANTED}", param_hint=f"'{option}'") from None
    wall = instant.strftime("%Y-%m-%d %H:%M:%S" if instant.second else "%Y-%m-%d %H:%M")
    is_clear = instant.replace(fold=1 - instant.fold).utcoffset() == instant.utcoffset()  # the clock shows it once
    if is_clear and not OFFSET.search(text):
        return wall
    return wall + instant.isoformat()[-6:]  # who says an offset means an instant, whatever the zone is elsewhere


def _is_ahead(date: str, zone: tzinfo, now: datetime) -> bool:
    from nwauth.model import Info

    found = pauses.moment(Info(f'valid_from="{date}"'), "valid_from", zone)
    return found is not None and found > now


def _told_end(info: Info, zone: tzinfo, now: datetime) -> str:
    end = pauses.moment(info, "valid_until", zone)
    if end is None:
        return ""
    return f"logins {'end' if end > now else 'ended'} {in_words(end, zone)}; mail is still taken in"
