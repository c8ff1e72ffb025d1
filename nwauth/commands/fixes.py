"""``nwauth doctor --fix``: what is mended, after asking; what became of each finding; and how the command ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.audit import ERROR, INFO
from nwauth.commands.findings import COLUMNS, EXIT_CANNOT_TELL, EXIT_FINDINGS, row_of, shown, sorted_by_severity
from nwauth.commands.output import colored
from nwauth.commands.shown import visible
from nwauth.commands.terminal import ask_yes, is_interactive, say
from nwauth.doctor import CANNOT_TELL
from nwauth.doctor.finding import counted
from nwauth.doctor.fixing import FAILED, MENDED, STANDS, UNTOUCHED, WOULD_MEND, carry_out, look_again, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.doctor import Place
    from nwauth.doctor.fixing import Case, Step

FIX_COLUMNS = (*COLUMNS, "outcome", "told")
COLORS = {MENDED: "32", FAILED: "31", STANDS: "31"}


def fixed(session: Session, place: Place, cases: list[Case], *, dry_run: bool) -> int:
    """Mend what can be mended of what was found, and print what became of it; return the exit status."""
    steps = plan(place, cases)
    if steps and not dry_run:
        if _goes_on(session, steps):
            with session.progress("mending"):
                for step in steps:
                    carry_out(step)
                    _log(session, step)
                cases = look_again(place, cases)
        else:
            session.note("nothing was changed")
            for case in cases:
                case.outcome, case.told = UNTOUCHED, ""
    _print(session, cases)
    return _ended(session, cases)


def _goes_on(session: Session, steps: list[Step]) -> bool:
    """Whether to do it.

    Raises:
        click.UsageError: there is nobody to ask.
    """
    if session.choices.yes:
        return True
    works = [visible(step.work.would) for step in steps]
    if not is_interactive():
        raise click.UsageError(
            f"no terminal to ask on whether to {works[0]}"
            + (f" (and {len(works) - 1} more)" if len(works) > 1 else "")
            + ": give --yes if you mean it, or --dry-run to see it all"
        )
    for work in works:
        say(f"- {work}")
    return ask_yes(f"Do {'this' if len(works) == 1 else f'these {len(works)} things'}?")


def _log(session: Session, step: Step) -> None:
    """A line for each work: what it was for, and how it ended."""
    case = step.cases[0]
    failed = case.outcome == FAILED
    facts: dict[str, object] = {"finding": ",".join(dict.fromkeys(one.finding.id for one in step.cases))}
    facts |= {"file": case.finding.file, "reason" if failed else "did": case.told}
    session.log.event(ERROR if failed else INFO, "fix", {**facts, "result": "dead" if failed else "ok"})


def _print(session: Session, cases: list[Case]) -> None:
    ordered = sorted_by_severity(cases, lambda case: case.finding)
    following = iter(ordered)
    tell = shown(session)
    color = session.results.color

    def text(row: Row) -> str:
        return tell(row, next(following).finding.shown, lines=_outcome(row, color=color))

    session.results.records(FIX_COLUMNS, (_row(case) for case in ordered), text)


def _row(case: Case) -> Row:
    """A finding, and what became of it: these keys are a promise."""
    return {**row_of(case.finding), "outcome": case.outcome, "told": case.told or None}


def _outcome(row: Row, *, color: bool) -> Iterator[str]:
    outcome, told = str(row["outcome"]), row["told"]
    if outcome != UNTOUCHED:
        yield f"{colored(outcome, COLORS.get(outcome, '33'), on=color)}: {visible(str(told))}"
    elif told is not None:
        yield visible(str(told))


def _ended(session: Session, cases: list[Case]) -> int:
    """Say how many findings were mended and how many stand; the exit status."""
    if not cases:
        session.note("nothing is wrong")
        return 0
    numbers: list[tuple[Callable[[Case], bool], str]] = [
        (lambda case: case.outcome == MENDED, "mended"),
        (lambda case: case.outcome == WOULD_MEND, "would be mended"),
        (lambda case: case.is_open and case.outcome != WOULD_MEND, "left"),
    ]
    texts = [(sum(map(fits, cases)), word) for fits, word in numbers]
    session.note(", ".join(f"{counted(number, 'finding')} {word}" for number, word in texts if number))
    left = [case for case in cases if case.is_open]
    if any(case.finding.severity == CANNOT_TELL or case.is_untold for case in left):
        return EXIT_CANNOT_TELL
    return EXIT_FINDINGS if left else 0
