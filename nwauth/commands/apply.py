"""``nwauth apply``: the store made equal to a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.applying import (
    applying_to,
    carry_out,
    interruptible,
    where,
    without_collector,
)
from nwauth.commands.command import FILES, command, dry_run_option, pattern
from nwauth.commands.diff import changed_of_user, in_lines, steps
from nwauth.commands.given import Given, given
from nwauth.commands.table import visible
from nwauth.commands.terminal import complain
from nwauth.errors import Refused, Unavailable
from nwauth.provisioning import FORMATS, BadPlan, format_of
from nwauth.provisioning.formats import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.provisioning import Applying, Outcome

COLUMNS = ("user", "result", "dry_run", "line", "column", "created", "scheme", "fields", "password", "reason")


def _plan(_context: click.Context, _parameter: click.Parameter, word: str) -> Given:
    return given(word, what="the plan", as_typed=True)


def _percent(_context: click.Context, _parameter: click.Parameter, word: str | None) -> float | None:
    """Raises click.UsageError."""
    if word is None:
        return None
    try:
        percent = float(word.strip().removesuffix("%"))
    except ValueError:
        percent = -1
    if not 0 <= percent <= 100:  # nor nan
        raise click.UsageError(f"--allow-prune: found {visible(word)!r}, wanted a number from 0 to 100, as 25 or 25%")
    return percent


@command(
    "apply",
    examples=(
        "nwauth apply users.toml --dry-run",
        "nwauth apply users.csv --match '*@test.com' --prune",
        "nwauth apply - --input ndjson --summary < users.ndjson",
    ),
)
@click.argument("plan", callback=_plan, shell_complete=FILES)
@click.option("--input", "wanted", type=click.Choice(FORMATS), help="Form of PLAN. Default: what its name ends with.")
@click.option("--match", "scope", metavar="PATTERN", callback=pattern, help="Touch only users that it fits.")
@click.option("--prune", is_flag=True, help="Remove users in the scope whom the plan lacks.")
@click.option(
    "--allow-prune",
    "percent",
    metavar="PERCENT",
    callback=_percent,
    help="Let --prune remove so much of the scope. Default: 10.",
)
@click.option("--keep-going", is_flag=True, help="Apply what is right of a plan with errors; exit status 1.")
@click.option("--summary", is_flag=True, help="Print one record of numbers, and none of users.")
@click.option("--all", "tells_all", is_flag=True, help="Print users who are as the plan says, too.")
@dry_run_option
def apply(
    session: Session,
    *,
    plan: Given,
    wanted: str | None,
    scope: str,
    prune: bool,
    percent: float | None,
    keep_going: bool,
    summary: bool,
    tells_all: bool,
    dry_run: bool,
) -> int:
    """Make the users as a PLAN says: add, change and remove them, all or nothing.

    A PLAN is NDJSON, CSV or TSV, of any size, or JSON or TOML; - is stdin. Who is as the plan says is not touched, so
    that a plan can be applied again and again. Fields that it does not name stay, and passwords of users who are
    there.

    An error in the plan stops everything before the first change; every one is told, with its line. Exit status 0:
    done, or nothing to do; 1: errors in the plan; 3: with --dry-run, there are changes.
    """
    with plan.file, without_collector(), interruptible():
        form = _form(plan, wanted)
        if percent is not None and not prune:
            raise click.UsageError("--allow-prune is for --prune, which was not given")
        applying, reader = applying_to(session, scope=scope, dry_run=dry_run, tells_all=tells_all)

        def tell(done: bool) -> None:  # noqa: FBT001, a callback
            if reader.clear_text and done:
                session.note(
                    f"note: passwords in clear text in the plan: {reader.clear_text:,}; keep it where nobody reads it"
                )
            for doubt in reader.doubts.told():
                session.note(f"note: {doubt}")
            _tell(session, plan, applying, summary=summary, dry_run=dry_run, done=done)

        return carry_out(
            session,
            applying,
            "apply",
            file=("plan", plan.name),
            read=lambda: _read(session, plan, form, applying, prune=prune),
            tell=tell,
            dry_run=dry_run,
            keep_going=keep_going,
            prune=prune,
            percent=percent,
        )


def _form(plan: Given, wanted: str | None) -> str:
    form = wanted or format_of(plan.name)
    if form is None:
        raise click.UsageError(
            f"found a plan {plan.name!r}, whose name tells no form: give --input {'|'.join(FORMATS)}"
        )
    return form


def _read(session: Session, plan: Given, form: str, applying: Applying, *, prune: bool) -> None:
    """Raises Refused where it is no plan, Unavailable where it cannot be read."""
    try:
        with session.progress("reading", lambda: applying.tally.read):
            applying.read(read(plan.file, form))
    except BadPlan as error:
        _tell_faults(session, plan, applying)
        raise Refused(f"{plan.name}: {error}; nothing is changed") from None
    except OSError as error:
        raise Unavailable(f"{plan.name}: cannot be read: {error.strerror}") from None
    if not applying.tally.read and not applying.tally.failed:
        if prune:
            raise Refused(f"{plan.name}: found no user, wanted those who are to stay: --prune would remove all others")
        session.note(f"note: {plan.name} names no user")


# --- telling ---------------------------------------------------------------------------------------------------------


def _tell(session: Session, plan: Given, applying: Applying, *, summary: bool, dry_run: bool, done: bool) -> None:
    tally = applying.tally
    _tell_faults(session, plan, applying)
    counts: dict[str, object] = {
        "dry_run": dry_run,
        "changed": tally.changed if done else 0,
        "created": tally.created if done else 0,
        "unchanged": tally.unchanged if done else 0,
        "removed": tally.removed if done else 0,
        "failed": tally.failed,
    }
    words = _in_words(counts)
    if summary:
        session.results.record(counts, words)
        return
    records = _records(session, applying, dry_run=dry_run, done=done)
    if not session.prints_changes and not dry_run:
        records = (record for record in records if record["password"] or record["result"] == "failed")
    if session.results.form == "table":
        records = (record for record in records if record["result"] != "failed")  # stderr has told
    session.results.records(COLUMNS, records, told)
    session.note(words if done else f"{words}: nothing is changed")


def _tell_faults(session: Session, plan: Given, applying: Applying) -> None:
    for fault in applying.faults():
        complain(f"{plan.name}{where(fault.place)}: {fault.text}", color=session.choices.color)


def _in_words(counts: Row) -> str:
    would = "would be " if counts["dry_run"] else ""
    created = f" ({counts['created']:,} of them new)" if counts["created"] else ""
    return (
        f"{counts['changed']:,} {would}changed{created}, {counts['removed']:,} {would}removed,"
        f" {counts['unchanged']:,} as they were, {counts['failed']:,} failed"
    )


def _records(session: Session, applying: Applying, *, dry_run: bool, done: bool) -> Iterator[Row]:
    """What came of each user; deletions last.  The keys are a promise."""
    for fault in applying.faults():
        place = fault.place
        yield _record(fault.name or None, "failed", dry_run, place.line, place.column, reason=fault.text)
    for name, line in applying.unchanged() if done else ():
        yield _record(name, "unchanged", dry_run, line or None, 1 if line else None)
    for outcome in applying.changes.deletions_last() if done else ():
        yield _of_outcome(session, outcome, dry_run=dry_run)


def _of_outcome(session: Session, outcome: Outcome, *, dry_run: bool) -> Row:
    old, new = outcome.old, outcome.new
    user = new if old is None else old
    assert user is not None  # noqa: S101
    scheme = None
    if new is not None and (old is None or old.stored_password != new.stored_password):
        scheme = session.identify(new.stored_password, store=new.store).name
    return _record(
        user.name,
        "removed" if new is None else "changed",
        dry_run,
        outcome.line or None,
        1 if outcome.line else None,
        created=old is None,
        scheme=scheme,
        fields=changed_of_user(old, new),
        password=outcome.generated or None,
    )


def _record(
    user: str | None,
    result: str,
    dry_run: bool,  # noqa: FBT001
    line: int | None,
    column: int | None,
    *,
    created: bool = False,
    scheme: str | None = None,
    fields: dict[str, dict[str, str | None]] | None = None,
    password: str | None = None,
    reason: str | None = None,
) -> dict[str, object]:
    values = (user, result, dry_run, line, column, created, scheme, fields or {}, password, reason)
    return dict(zip(COLUMNS, values, strict=True))


def told(record: Row) -> str:
    """The record of a user in words: a line each for what differs."""
    if record["result"] == "unchanged":
        return visible(f"{record['user']} is as the plan says")
    would = "would be " if record["dry_run"] else ""
    verb = "added" if record["created"] else record["result"]
    rows = {"password": f"stored as {record['scheme']}"} if record["scheme"] else {}
    fields = record["fields"]
    assert isinstance(fields, dict)  # noqa: S101
    return in_lines(f"{record['user']} {would}{verb}", rows | steps(fields), password=record["password"])
