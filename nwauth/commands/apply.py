"""``nwauth apply``: the store made equal to a plan."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from nwauth.commands.apply_told import tell
from nwauth.commands.applying import Order, applying_to, carry_out, interruptible, without_collector
from nwauth.commands.command import FILES, command, dry_run_option, pattern
from nwauth.commands.given import Given, given_or_fault
from nwauth.commands.shown import visible
from nwauth.errors import Unavailable
from nwauth.provisioning import FORMATS, BadPlan, format_of
from nwauth.provisioning.formats import read

if TYPE_CHECKING:
    from collections.abc import Generator

    from nwauth.commands.session import Session
    from nwauth.provisioning import Applying
    from nwauth.provisioning.parts import Fault, Raw, Rows


def _plan(_context: click.Context, _parameter: click.Parameter, word: str) -> Given:
    return given_or_fault(word, what="the plan", as_typed=True)


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
@click.option("--match", "scope", metavar="PATTERN", callback=pattern, help="Touch only users whose names match.")
@click.option("--prune", is_flag=True, help="Remove users in the scope who are not in the plan.")
@click.option(
    "--allow-prune",
    "percent",
    metavar="PERCENT",
    callback=_percent,
    help="The most of the scope that --prune may remove. Default: 10.",
)
@click.option("--keep-going", is_flag=True, help="Apply the rest of a plan that has errors; exit status 1.")
@click.option("--summary", is_flag=True, help="Print one record of totals, and none for each user.")
@click.option("--all", "tells_all", is_flag=True, help="Print users who match already, too.")
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
    """Make the users match a PLAN: add, change and remove them, all or nothing.

    A PLAN is NDJSON, CSV or TSV, of any size, or JSON or TOML; - is stdin. Users who match
    already are left alone, so a plan can be applied again and again. Fields that it does not name are kept, and so are
    the passwords of users who exist.

    An error in the plan stops everything before the first change; all errors are told, with their lines. Exit status 0:
    done, or nothing to do; 1: errors in the plan; 3: with --dry-run, there are changes.
    """
    order = Order("apply", "plan", plan.name, dry_run=dry_run, keep_going=keep_going, prune=prune, percent=percent)
    with plan.file, without_collector(), interruptible():
        form = _form(plan, wanted)
        if percent is not None and not prune:
            raise click.UsageError("--allow-prune is for --prune, which was not given")
        applying, reader = applying_to(session, scope=scope, dry_run=dry_run, tells_all=tells_all)
        return carry_out(
            session,
            applying,
            order,
            read=lambda: _read(session, plan, form, applying, prune=prune),
            tell=lambda done: tell(session, order, applying, reader, summary=summary, done=done),
        )


def _form(plan: Given, wanted: str | None) -> str:
    form = wanted or format_of(plan.name)
    if form is None and not plan.fault:
        raise click.UsageError(
            f"found a plan {plan.name!r}, whose name tells no form: give --input {'|'.join(FORMATS)}"
        )
    return form or ""


def _read(session: Session, plan: Given, form: str, applying: Applying, *, prune: bool) -> None:
    """Raises Unavailable where it cannot be read."""
    try:
        with (
            session.progress("reading", lambda: applying.tally.read, lambda: plan.about_all(applying.tally.read)),
            closing(_users(plan, form)) as users,
        ):
            applying.read(users)
    except OSError as error:
        raise Unavailable(f"{plan.name}: cannot be read: {error.strerror}") from None
    if applying.tally.read or applying.tally.failed:
        return
    if prune:
        applying.refuse("found no user, wanted those who are to stay: --prune would remove all others")
    else:
        session.note(f"note: {plan.name} names no user")


def _users(plan: Given, form: str) -> Generator[Raw | Rows | Fault, None, None]:
    """Raises BadPlan, OSError."""
    if plan.fault:
        raise BadPlan(plan.fault)
    yield from read(plan.file, form)
