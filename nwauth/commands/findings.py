"""Findings as they are printed: for people below each other, for programs a record each; and how a command ends."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from nwauth.commands.output import colored, terminal_width
from nwauth.commands.shown import visible
from nwauth.doctor import CANNOT_TELL
from nwauth.doctor.finding import ERROR, WARNING, counted
from nwauth.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.config import Config
    from nwauth.doctor import Finding

    Thing = TypeVar("Thing")

COLUMNS = ("id", "severity", "what", "why", "mend", "file", "line", "users")
COLORS = {ERROR: "31", WARNING: "33", CANNOT_TELL: "35"}
SEVERITIES = tuple(COLORS)
EXIT_FINDINGS, EXIT_CANNOT_TELL = 1, 75
WIDEST = 100  # a line of text for people is read best so


def settings(session: Session) -> tuple[Config | None, str]:
    """The settings, or why they cannot be used."""
    try:
        return session.config, ""
    except ConfigError as error:
        return None, str(error)


def printed(session: Session, findings: Iterable[Finding], *, nothing: str = "nothing is wrong") -> int:
    """Print findings, errors first; return the exit status.  `nothing` is said where there are none."""
    found = sorted_by_severity(findings, lambda one: one)
    following = iter(found)
    tell = shown(session)
    session.results.records(COLUMNS, map(row_of, found), lambda row: tell(row, next(following).shown))
    if not found:
        session.note(nothing)
        return 0
    numbers = [(severity, sum(one.severity == severity for one in found)) for severity in SEVERITIES]
    nouns = {ERROR: "error", WARNING: "warning", CANNOT_TELL: "thing"}
    texts = [
        counted(number, nouns[severity]) + (" not examined" if severity == CANNOT_TELL else "")
        for severity, number in numbers
        if number
    ]
    session.note(", ".join(texts))
    return EXIT_CANNOT_TELL if any(one.severity == CANNOT_TELL for one in found) else EXIT_FINDINGS


def sorted_by_severity(things: Iterable[Thing], finding_of: Callable[[Thing], Finding]) -> list[Thing]:
    """Errors first, then warnings, then what could not be examined."""
    return sorted(things, key=lambda thing: SEVERITIES.index(finding_of(thing).severity))


def row_of(one: Finding) -> Row:
    """A finding as it is printed: these keys are a promise."""
    return {
        "id": one.id,
        "severity": one.severity,
        "what": one.what,
        "why": one.why,
        "mend": one.mend,
        "file": one.file,
        "line": one.line,
        "users": list(one.users),
    }


def shown(session: Session) -> Callable[..., str]:
    """What makes the text for people of a finding's row, its lines as they are, and more `lines` behind it."""
    terminal = terminal_width()
    width = None if terminal is None else min(terminal, WIDEST)
    color = session.results.color

    def text(row: Row, as_they_are: Iterable[str], *, lines: Iterable[str] = ()) -> str:
        return _told(row, as_they_are, lines, width=width, color=color)

    return text


def _told(row: Row, as_they_are: Iterable[str], more: Iterable[str], *, width: int | None, color: bool) -> str:
    """A finding for people: what, why, and how it is mended, below each other."""
    severity = str(row["severity"])
    head = colored(severity.upper(), COLORS[severity], on=color) + f" ({row['id']})"
    lines = [head]
    for label, key in (("what", "what"), ("why", "why"), ("mend", "mend")):
        lines += _indented(f"{label:6}", visible(str(row[key])), width=width)
        if key == "what":
            lines += [f"{' ' * 8}{visible(line)}" for line in as_they_are]
    for text in more:
        lines += _indented("fix   ", text, width=width)
    return "\n".join([*lines, ""])


def _indented(label: str, text: str, *, width: int | None) -> list[str]:
    """A text behind its label, on a terminal in lines that fit; a path or a command is never broken inside a word."""
    if width is None:
        return [f"  {label}{text}"]
    pieces = wrap(text, max(20, width - 8), break_long_words=False, break_on_hyphens=False)
    return [f"  {label if not number else ' ' * 6}{piece}" for number, piece in enumerate(pieces)]
