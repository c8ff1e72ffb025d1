"""``nwauth compat``: the conformance transcripts played against any module's command line."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command
from nwauth.commands.table import visible
from nwauth.conformance.dialects import NWAUTH, PROFILES, left_out
from nwauth.conformance.playing import ALIKE, DIALECT, DIFFERS, FOLDER, SILENT, chosen, played
from nwauth.conformance.talking import LIMIT_SECONDS
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.conformance.playing import Reply
    from nwauth.conformance.transcripts import Transcript

COLUMNS = ("transcript", "line", "request", "expected", "answer", "result", "why")
LONGEST = 200  # of a request or answer that is shown; some are thousands of bytes long
EXIT_DIFFERS = 1


@command(
    "compat",
    examples=(
        'nwauth compat --cmd "nwauth -path {folder}"',
        'nwauth compat --cmd "nwauth -path {folder}" --profile netwin --only vendor --only lookup',
    ),
)
@click.option("--cmd", "line", metavar="COMMAND", required=True, help="What starts the module; {folder} is its folder.")
@click.option(
    "--profile", type=click.Choice(PROFILES), default=NWAUTH, help="Whose dialect it must speak. Default: nwauth."
)
@click.option("--only", metavar="NAME", multiple=True, help="Play this transcript alone. May be given again.")
@click.option("--timeout", "seconds", type=click.FloatRange(0.1, 600), default=LIMIT_SECONDS, help="Seconds to wait.")
def compat(session: Session, *, line: str, profile: str, only: tuple[str, ...], seconds: float) -> int:
    """Play the conformance transcripts against a module: which replies differ.

    The module is started anew for each, with a folder of its own in place of {folder}; in it are the users of the
    transcript, in nwauth.txt. Every byte counts; with --profile netwin an answer may differ as NetWin's own modules
    do, and is told as "dialect", with the reason.

    Exit status: 0 no reply differs, 1 some do, 75 the module cannot be started.
    """
    words = _words(line)
    try:
        found = chosen(only)
    except KeyError as unknown:
        raise click.UsageError(f"--only: found {unknown}, wanted one of the transcripts, as vendor") from None
    count = dict.fromkeys((ALIKE, DIALECT, DIFFERS, SILENT), 0)

    def rows() -> Iterator[Row]:
        for reply in _replies(session, found, words, profile, seconds):
            count[reply.result] += 1
            if reply.result != ALIKE:
                yield _row(reply)

    session.results.records(COLUMNS, rows(), _told)
    others = f", {count[DIALECT]} in another dialect" if count[DIALECT] else ""
    session.note(f"{count[ALIKE]} replies alike{others}, {count[DIFFERS]} differ, {count[SILENT]} never came")
    return EXIT_DIFFERS if count[DIFFERS] or count[SILENT] else 0


def _replies(
    session: Session, found: list[Transcript], words: list[str], profile: str, seconds: float
) -> Iterator[Reply]:
    for transcript in found:
        why = left_out(transcript, profile)
        if why:
            session.note(f"{transcript.name} was not played: {why}")
        else:
            yield from played(transcript, words, profile=profile, seconds=seconds)


def _words(line: str) -> list[str]:
    """The words of the command, as in a shell; without a folder users would be added to a base that is in use."""
    try:
        words = shlex.split(os.fsdecode(line.encode(ENCODING, ERRORS)))
    except ValueError as error:
        raise click.UsageError(f"--cmd: found {line!a}, wanted words as in a shell: {error}") from None
    if not any(FOLDER in word for word in words[1:]):
        raise click.UsageError(
            f"--cmd: found no {FOLDER}, wanted it where the module is told its folder: users are added"
        )
    return words


def _row(reply: Reply) -> Row:
    exchange = reply.exchange
    return {
        "transcript": reply.transcript,
        "line": exchange.line,
        "request": _shown(exchange.request),
        "expected": _shown(exchange.answer),
        "answer": _shown(reply.given),
        "result": reply.result,
        "why": reply.why,
    }


def _told(row: Row) -> str:
    """A reply for people: where it stands, the request, what was wanted and what came."""
    lines = [f"{row['transcript']}, line {row['line']}: {row['result']}, {row['why']}", f"> {row['request']}"]
    lines += [f"  wanted {line}" for line in str(row["expected"]).split("\n")]
    lines += [f"  found  {line}" for line in str(row["answer"]).split("\n")]
    return "\n".join([*map(visible, lines), ""])


def _shown(data: bytes) -> str:
    text = data.decode(ENCODING, ERRORS).removesuffix("\n")
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
