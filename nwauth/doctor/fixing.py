"""Findings that can be mended at once: what would be done, doing it, and whether the finding is gone then.

Only what is known to be ours is touched, no line is ever deleted, and who may log in is the same before and after.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nwauth.doctor.checks import CHECKS, examined
from nwauth.doctor.fixes import FIXES, OF_FILES, Unsafe
from nwauth.errors import NwauthError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.fixes import Work
    from nwauth.doctor.place import Place

# What became of a finding.
MENDED, WOULD_MEND, FAILED, STANDS, UNTOLD, UNTOUCHED = (
    "mended",
    "would mend",
    "failed",
    "stands",
    "cannot tell",
    "untouched",
)

CANNOT_LOOK = "cannot-look"


@dataclass(slots=True, kw_only=True)
class Case:
    """A finding, the check that it is of, and what became of it; `told` says what was done, or why it was not.

    `is_passing`: it may be mended at another try.
    """

    finding: Finding
    check: str
    outcome: str = UNTOUCHED
    told: str = ""
    is_passing: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the finding still stands."""
        return self.outcome != MENDED

    @property
    def is_untold(self) -> bool:
        """Whether another try may bring what this one did not."""
        return self.outcome == UNTOLD or self.is_passing


@dataclass(slots=True, kw_only=True)
class Step:
    """One work, and the findings that it mends."""

    work: Work
    cases: list[Case] = field(default_factory=list)


def plan(place: Place, cases: Sequence[Case]) -> list[Step]:
    """What can be done, each once; a finding that is left alone is told why, where that is for safety's sake."""
    steps: dict[tuple[str, str], Step] = {}
    findings = [case.finding for case in cases]
    for case in cases:
        make = FIXES.get(case.finding.id)
        if make is None or place.config is None:
            continue
        try:
            work = make(place, case.finding, findings)
        except Unsafe as unsafe:
            case.told = f"left alone: {unsafe}"
            continue
        except OSError as error:  # it has gone this instant, say: the others are mended
            case.outcome, case.told, case.is_passing = FAILED, _reason(error), True
            continue
        step = steps.setdefault(work.key, Step(work=work))
        step.cases.append(case)
        case.outcome, case.told = WOULD_MEND, work.would
    return sorted(steps.values(), key=lambda step: step.work.is_large)


def carry_out(step: Step) -> None:
    """Do one work; what became of its findings is told at them, and known only when it was looked at again."""
    try:
        told = step.work.do()
    except (NwauthError, OSError) as error:
        for case in step.cases:
            case.outcome, case.told = FAILED, f"{step.work.would}: {_reason(error)}"
            case.is_passing = isinstance(error, NwauthError) and error.temporary
        return
    for case in step.cases:
        case.outcome, case.told = UNTOLD, told


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    return str(error)


def look_again(place: Place, cases: list[Case]) -> list[Case]:
    """The findings after the works: those that are gone are mended; what has come to light meanwhile comes behind."""
    names = [name for name in CHECKS if name in OF_FILES or any(c.check == name and c.outcome == UNTOLD for c in cases)]
    now = list(examined(place, names))
    untold = {check for check, one in now if one.id == CANNOT_LOOK}
    standing = {_mark(one) for _, one in now}
    for case in cases:
        if case.outcome != UNTOLD:
            continue
        if _mark(case.finding) in standing:
            case.outcome, case.told = STANDS, f"{case.told}; it still stands"
        elif case.check not in untold:
            case.outcome = MENDED
    known = {_mark(case.finding) for case in cases}
    return [*cases, *(Case(finding=one, check=check) for check, one in now if _mark(one) not in known)]


def _mark(one: Finding) -> tuple[str, str | None]:
    return one.id, one.file
