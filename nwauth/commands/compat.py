"""``nwauth compat``: the conformance transcripts played against any module's command line."""

from __future__ import annotations

import os
import shlex
from contextlib import closing
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import FILES, command
from nwauth.commands.shown import visible
from nwauth.conformance.dialects import NWAUTH, PROFILES, left_out
from nwauth.conformance.places import temporary
from nwauth.conformance.playing import ALIKE, DIALECT, DIFFERS, FOLDER, SILENT, Reply, chosen, played
from nwauth.conformance.talking import LIMIT_SECONDS
from nwauth.conformance.transcripts import BadTranscript, read
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.conformance.transcripts import Transcript

COLUMNS = ("transcript", "line", "request", "expected", "answer", "result", "why")
LISTED = ("transcript", "requests", "users", "about", "file")
LISTED_SHOWN = ("transcript", "requests", "about")
LONGEST = 200  # of a request or answer that is shown; some are thousands of bytes long
MOST_MUTE = 2  # so many transcripts may begin with silence; then no more are played
EXIT_DIFFERS = 1


@command(
    "compat",
    examples=(
        'nwauth compat --cmd "nwauth -path {folder}"',
        'nwauth compat --cmd "nwauth -path {folder}" --profile netwin --only vendor --only lookup',
        "nwauth compat --list",
    ),
)
@click.option("--cmd", "line", metavar="COMMAND", help="What starts the module; {folder} is its folder.")
@click.option(
    "--profile", type=click.Choice(PROFILES), default=NWAUTH, help="Whose dialect it must speak. Default: nwauth."
)
@click.option("--only", metavar="NAME", multiple=True, help="Play this transcript alone. May be given again.")
@click.option(
    "--transcript",
    "files",
    metavar="FILE",
    multiple=True,
    shell_complete=FILES,
    help="Play this file in place of ours. May be given again.",
)
@click.option("--timeout", "seconds", type=click.FloatRange(0.1, 600), default=LIMIT_SECONDS, help="Seconds to wait.")
@click.option("--list", "listed", is_flag=True, help="List the transcripts, and what each is about.")
def compat(
    session: Session,
    *,
    line: str | None,
    profile: str,
    only: tuple[str, ...],
    files: tuple[str, ...],
    seconds: float,
    listed: bool,
) -> int:
    """Play the conformance transcripts against a module: which replies differ, and what is wrong with them.

    The module is started anew for each one, with a folder of its own in place of {folder}; its nwauth.txt holds the
    transcript's users. Every byte counts. With --profile netwin an answer may differ as those of NetWin's own modules
    do; it is then marked "dialect", with the reason.

    Exit status: 0 no reply differs, 1 some do, 75 the module cannot be started.
    """
    found = _found(only, files)
    if listed:
        session.results.rows(LISTED, map(_about, found), shown=LISTED_SHOWN)
        return 0
    if line is None:
        raise click.UsageError("--cmd: found nothing, wanted the module's command line (or --list)")
    words = _words(line)
    count = dict.fromkeys((ALIKE, DIALECT, DIFFERS, SILENT), 0)

    def rows(replies: Iterator[Reply]) -> Iterator[Row]:
        for reply in replies:
            count[reply.result] += 1
            if reply.result != ALIKE:
                yield _row(reply)

    with (
        temporary(session.note) as place,
        closing(_replies(session, found, words, place=place, profile=profile, seconds=seconds)) as replies,
    ):
        session.results.records(COLUMNS, rows(replies), _told)
    others = f", {count[DIALECT]} in another dialect" if count[DIALECT] else ""
    session.note(f"{count[ALIKE]} replies alike{others}, {count[DIFFERS]} differ, {count[SILENT]} never came")
    return EXIT_DIFFERS if count[DIFFERS] or count[SILENT] else 0


def _found(only: tuple[str, ...], files: tuple[str, ...]) -> list[Transcript]:
    """What is to be played."""
    if only and files:
        raise click.UsageError("--only: chooses among our transcripts, and --transcript names others")
    try:
        return [read(path) for path in files] or chosen(only)
    except KeyError as unknown:
        raise click.UsageError(f"--only: found {unknown}, wanted a name that --list shows") from None
    except OSError as error:
        raise click.UsageError(f"--transcript: {visible(str(error.filename))}: {error.strerror}") from None
    except BadTranscript as error:
        raise click.UsageError(f"--transcript: {visible(str(error))}") from None


def _about(transcript: Transcript) -> Row:
    """A transcript in the list: these keys are a promise."""
    return {
        "transcript": transcript.name,
        "requests": len(transcript.exchanges),
        "users": max(transcript.total, len(transcript.users)),
        "about": transcript.about,
        "file": transcript.file,
    }


def _replies(
    session: Session, found: list[Transcript], words: list[str], *, place: str, profile: str, seconds: float
) -> Generator[Reply]:
    """The replies to all, until the module has been mute too often: each costs the whole time."""
    mute = 0
    for at, transcript in enumerate(found):
        why = left_out(transcript, profile)
        if why:
            session.note(f"{transcript.name} was not played: {why}")
            continue
        replies = list[Reply]()
        for reply in played(transcript, words, place=place, profile=profile, seconds=seconds):
            replies.append(reply)
            yield reply
        mute = mute + 1 if [reply.result for reply in replies] == [SILENT] else 0
        if mute == MOST_MUTE and at + 1 < len(found):
            session.note(f"the other {len(found) - at - 1} transcripts were not played: the module answers nothing")
            return


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
    """A reply for people: where it stands and what is wrong, the request, what was wanted and what came."""
    lines = [f"{row['transcript']}, line {row['line']}: {row['result']}: {row['why']}", f"> {row['request']}"]
    lines += [f"  wanted {line}" for line in str(row["expected"]).split("\n")]
    lines += [f"  found  {line}" for line in str(row["answer"]).split("\n")]
    return "\n".join([*map(visible, lines), ""])


def _shown(data: bytes) -> str:
    text = data.decode(ENCODING, ERRORS).removesuffix("\n")
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
