"""``nwauth hash report``: what the password fields of all users are worth."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command
from nwauth.commands.shown import visible
from nwauth.commands.totals import about_all
from nwauth.config.part import BY_THE_STORE
from nwauth.doctor.finding import counted
from nwauth.doctor.hashreport import COUNTS, HashReport
from nwauth.errors import Unavailable
from nwauth.policy.zones import machine_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.doctor.hashreport import Line, Looked

COLUMNS = ("store", "scheme", "users", *COUNTS, "oldest", "age", "examples")
SHOWN = ("scheme", "users", "weak", "uncheckable", "no_login", "hit_today", "hit_then", "oldest")  # in a table
USER_COLUMNS = ("user", "store", "scheme", *COUNTS, "created", "reason")
USER_SHOWN = ("user", "scheme", "created", "concern")  # in a table, whose cells are for people
WORDS = {
    "no_login": "cannot log in",
    "uncheckable": "cannot be checked",
    "weak": "weak",
    "hit_today": "hit today",
    "hit_then": "hit then",
    "renewed_by_login": "renewed by a login",
}
ALL = "(all)"


def _day(_context: click.Context, _parameter: click.Parameter, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--weak-after: found {text!r}, wanted a date as 2027-01-31") from None


@command("report", examples=("nwauth hash report", "nwauth hash report --weak-after 2027-01-01 --users"))
@click.option("--users", "named", is_flag=True, help="Name the users concerned, a record each, in place of numbers.")
@click.option("--max", "limit", metavar="N", type=click.IntRange(min=0), help="Name at most N of them.")
@click.option(
    "--weak-after", "weak_after", metavar="DATE", callback=_day, help="See what this date would do. Default: as set."
)
def report(session: Session, *, named: bool, limit: int | None, weak_after: date | None) -> int:
    """Count the users by scheme: what is weak, what this machine cannot check, what lets nobody in.

    Those whom weak_after hits are counted too: if it were in force today, and on its date unless they log in before.
    A password may be as old as its account (the info field "created"), never older.

    Exit status 75: a store could not be listed.
    """
    zone = _zone(session)
    found = HashReport(session.config, now=datetime.now(machine_zone()), zone=zone, weak_after=weak_after)
    with session.progress("reading", lambda: found.users, cache(lambda: about_all(session))) as clear:
        if named or limit is not None:
            rows = _concerned(found, limit, clear)
            if session.results.form == "table":
                rows = map(_told, rows)
            session.results.rows(USER_COLUMNS, rows, shown=_user_columns(session))
        else:
            for _ in found.run():
                pass
    lines = found.lines()
    whole = lines[-1]
    if not named and limit is None and (whole.users or not found.errors):
        _print(session, lines, dated=found.weak_after is not None)
    for note in _notes(found, whole, session.config.passwords.weak_after):
        session.note(note)
    if found.errors:
        raise Unavailable("; ".join(f"store {name} could not be listed: {why}" for name, why in found.errors.items()))
    return 0


def _zone(session: Session) -> tzinfo:
    """That of the accounts' dates: the policy's; where it cannot be used, every login is -DEAD, and we still count."""
    try:
        return session.service.gate.zone()
    except Unavailable as error:
        session.note(f"accounts' dates are read in the machine's zone: {error}")
        return machine_zone()


def _user_columns(session: Session) -> tuple[str, ...]:
    return USER_SHOWN if session.config.is_plain() else ("store", *USER_SHOWN)


def _print(session: Session, lines: list[Line], *, dated: bool) -> None:
    """The numbers: a table of one store says them once, and leaves out what nobody knows."""
    unknown = {"oldest": lines[-1].oldest is None, "hit_then": not dated}
    shown = tuple(column for column in SHOWN if not unknown.get(column))
    if session.results.form != "table":
        session.results.rows(COLUMNS, (_row(line, dated=dated) for line in lines))
        return
    plain = session.config.is_plain()
    kept = [line for line in lines if not plain or line.store is not None]
    rows = [{**_row(line, dated=dated), "store": line.store or ALL, "scheme": line.scheme or ALL} for line in kept]
    session.results.rows(COLUMNS, rows, shown=shown if plain else ("store", *shown))


def _row(line: Line, *, dated: bool) -> Row:
    """A line as it is printed: these keys are a promise.  `dated`: weak_after has a date."""
    return {
        "store": line.store,
        "scheme": line.scheme,
        "users": line.users,
        **line.counts,
        "hit_then": line.counts["hit_then"] if dated else None,
        "oldest": None if line.oldest is None else line.oldest.isoformat(),
        "age": line.ages,
        "examples": line.names,
    }


def _concerned(found: HashReport, limit: int | None, clear: Callable[[], None]) -> Iterator[Row]:
    """Those for whom something is to be done; the rest of them are counted all the same."""
    shown = 0
    for one in found.run():
        if one.is_concerned and (limit is None or shown < limit):
            shown += 1
            clear()
            yield _user_row(one)


def _user_row(one: Looked) -> Row:
    """A user as it is printed: these keys are a promise."""
    return {
        "user": one.user,
        "store": one.store,
        "scheme": one.scheme,
        **{name: getattr(one, name) for name in COUNTS},
        "created": None if one.created is None else one.created.isoformat(),
        "reason": one.reason or None,
    }


def _told(row: Row) -> Row:
    """The same, with all that is true in one column of words."""
    return {**row, "concern": ", ".join(word for name, word in WORDS.items() if row[name])}


def _notes(found: HashReport, whole: Line, is_set: date | None) -> Iterator[str]:
    """What the numbers mean, in words."""
    numbers = whole.counts
    for name in found.unlisted:
        yield f"store {visible(name)} gives no listing: its users are not counted"
    if numbers["no_login"]:
        yield f"{counted(numbers['no_login'], 'user')} cannot log in: the password field lets nobody in"
    if numbers["uncheckable"]:
        yield f"{counted(numbers['uncheckable'], 'user')} cannot be checked here: such a login is answered -DEAD"
    if found.apps:
        yield f"{counted(found.apps, 'app password')} of {counted(found.with_apps, 'user')}: none is weak (random bits)"
    unseen = sum(line.users for line in found.lines() if line.store is None and line.scheme == BY_THE_STORE)
    if unseen:
        yield f"{counted(unseen, 'user')} whose store checks passwords itself: what these are worth is not seen"
    if not numbers["weak"]:
        return
    text = f"{counted(numbers['weak'], 'user')} with weak passwords"
    day = found.weak_after
    if day is None:
        yield f"{text}; weak_after is not set: {numbers['hit_today']:,} would be refused if it were in force today"
        return
    set_or_not = f"weak_after is {day}" if day == is_set else f"with weak_after = {day}"
    if found.is_in_force:
        yield f"{text}; {set_or_not}, which has come: {numbers['hit_today']:,} are refused"
        return
    yield (
        f"{text}; {set_or_not}: {numbers['hit_then']:,} will be refused then, {numbers['hit_today']:,} if it were"
        f" today; a login before then stores the password of {numbers['renewed_by_login']:,} anew"
    )
