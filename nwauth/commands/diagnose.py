"""``nwauth doctor``: what is wrong with the installation, why it matters, and how it is mended."""

from __future__ import annotations

import os
import shutil
import sys
from textwrap import wrap
from typing import TYPE_CHECKING

from nwauth.commands.command import command
from nwauth.commands.dmail_option import OPTION, dmail_conf_option
from nwauth.commands.output import colored, terminal_width
from nwauth.commands.session import as_text
from nwauth.commands.table import visible
from nwauth.doctor import CANNOT_TELL, Place, examine, servers
from nwauth.doctor.dropfolders import lister
from nwauth.doctor.finding import ERROR, WARNING, counted
from nwauth.errors import ConfigError

if TYPE_CHECKING:
    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.config import Config
    from nwauth.dmail.values import DmailConf
    from nwauth.doctor import Finding

COLUMNS = ("id", "severity", "what", "why", "mend", "file", "line", "users")
COLORS = {ERROR: "31", WARNING: "33", CANNOT_TELL: "35"}
SEVERITIES = tuple(COLORS)
EXIT_FINDINGS, EXIT_CANNOT_TELL = 1, 75
WIDEST = 100  # a line of text for people is read best so


@command(
    "doctor",
    examples=(
        "nwauth doctor || echo something is to be mended",
        "nwauth doctor --dmail-conf dmail.conf --format ndjson | tee findings",
    ),
)
@dmail_conf_option()
def doctor(session: Session, *, dmail: DmailConf | None) -> int:
    """Check the installation; each finding says what is wrong, why it matters and how it is mended.

    The folder and its files, the settings, all users, and, with the mail server's settings, what the servers ask for,
    the program that they start, the drop files, and what runs. Nothing is changed.

    Exit status: 0 nothing is wrong, 1 there are findings, 75 something could not be examined.
    """
    was_root = os.geteuid() == 0
    running = servers.look()
    drops = lister(dmail)  # with root's rights, which are given up next
    config, error = _settings(session)
    place = Place(
        folder=as_text(os.path.abspath(session.folder)),
        config=config,
        settings_error=error,
        conf=dmail,
        running=running,
        drops=drops,
        command=_command(),
        gave_up_root=was_root and os.geteuid() != 0,
    )
    if dmail is None:
        session.note(f"no dmail.conf was found: what DMail is set to was not looked at ({OPTION} FILE)")
    with session.progress("examining", lambda: place.survey.users if place.survey is not None else None):
        found = sorted(examine(place), key=lambda one: SEVERITIES.index(one.severity))
    _print(session, found)
    if any(one.severity == CANNOT_TELL for one in found):
        return EXIT_CANNOT_TELL
    return EXIT_FINDINGS if found else 0


def _settings(session: Session) -> tuple[Config | None, str]:
    """The settings, or why they cannot be used."""
    try:
        return session.config, ""
    except ConfigError as error:
        return None, str(error)


def _command() -> tuple[str, ...]:
    """What starts this program."""
    if sys.argv[0].endswith("__main__.py"):
        return (sys.executable, "-m", "nwauth")
    return (shutil.which(sys.argv[0]) or os.path.abspath(sys.argv[0]),)


def _print(session: Session, found: list[Finding]) -> None:
    terminal = terminal_width()
    width = None if terminal is None else min(terminal, WIDEST)
    color = session.results.color
    session.results.records(COLUMNS, map(_row, found), lambda row: _told(row, width=width, color=color))
    if not found:
        session.note("nothing is wrong")
        return
    numbers = [(severity, sum(one.severity == severity for one in found)) for severity in SEVERITIES]
    nouns = {ERROR: "error", WARNING: "warning", CANNOT_TELL: "thing"}
    texts = [
        counted(number, nouns[severity]) + (" not examined" if severity == CANNOT_TELL else "")
        for severity, number in numbers
        if number
    ]
    session.note(", ".join(texts))


def _row(one: Finding) -> Row:
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


def _told(row: Row, *, width: int | None, color: bool) -> str:
    """A finding for people: what, why, and how it is mended, below each other."""
    severity = str(row["severity"])
    head = colored(severity.upper(), COLORS[severity], on=color) + f" ({row['id']})"
    lines = [head]
    for label, key in (("what", "what"), ("why", "why"), ("mend", "mend")):
        lines += _indented(f"{label:6}", visible(str(row[key])), width=width)
    return "\n".join([*lines, ""])


def _indented(label: str, text: str, *, width: int | None) -> list[str]:
    """A text behind its label, on a terminal in lines that fit; a path or a command is never broken inside a word."""
    if width is None:
        return [f"  {label}{text}"]
    pieces = wrap(text, max(20, width - 8), break_long_words=False, break_on_hyphens=False)
    return [f"  {label if not number else ' ' * 6}{piece}" for number, piece in enumerate(pieces)]
