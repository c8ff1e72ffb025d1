"""``nwauth log``: why a user was refused, and who came in last, read from the log."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, completed_by, user_name
from nwauth.commands.group import LazyGroup
from nwauth.commands.log_options import log_options
from nwauth.commands.shown import visible
from nwauth.commands.terminal import complain
from nwauth.errors import Unavailable
from nwauth.logs import picking, words
from nwauth.logs.finding import Found, find
from nwauth.logs.reading import Reader
from nwauth.logs.refusals import Refusals
from nwauth.names import fold
from nwauth.policy import hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.commands.log_options import Options
    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.logs.lines import Line
    from nwauth.logs.refusals import Run

logs = LazyGroup(
    "log",
    help="The log, read: refusals in words, and logins. Rotated and compressed files are read too.",
    examples=("nwauth log why bob@test.com", "nwauth log last"),
    commands={"why": "logs:why", "last": "logs:last"},
)
WHY_COLUMNS = (
    "user", "first", "last", "count", "from", "service", "store", "result", "rule", "reason", "tagged", "different",
    "words",
)  # fmt: skip
LAST_COLUMNS = ("user", "time", "from", "service", "store", "app")
LIMIT = 20
EXIT_NO = 1
LEVEL_HINT = (
    'the log keeps errors only, and neither logins nor refusals: set level = "info" under [log] in nwauth.toml, or'
    " start the program with -log"
)


@command("why", examples=("nwauth log why bob@test.com", "nwauth log why bob@test.com --since 7d --from 10.0.0.0/8"))
@user_name("user")
@click.option("--limit", type=click.IntRange(min=1), default=LIMIT, help=f"The last N. Default: {LIMIT}.")
@log_options
def why(session: Session, *, user: str, limit: int, options: Options) -> int:
    """Why was USER refused?  The last refusals in words, the newest last.

    Refusals for the same reason from the same place are summed up, until a login from there or a day of silence: so one
    sees whether it was the same wrong password forty times, or forty different ones.

    Exit status: 0 there are refusals, 1 there are none, 75 the log does not tell.
    """
    refusals = Refusals(limit=limit)
    log = _Log(session, options)
    for line in log.checks_of(user):
        refusals.take(line)
    session.results.records(WHY_COLUMNS, (_why_record(user, run) for run in refusals.last()), _why_text)
    log.end(f"{visible(user)} was not refused", found=refusals.total)
    _sum_up(session, refusals)
    return 0 if refusals.total else EXIT_NO


def _why_record(user: str, run: Run) -> dict[str, object]:
    return {
        "user": user,
        "first": run.first.isoformat(timespec="milliseconds"),
        "last": run.last.isoformat(timespec="milliseconds"),
        "count": run.count,
        "from": run.address,
        "service": run.service,
        "store": run.store,
        "result": run.result,
        "rule": run.rule,
        "reason": run.reason,
        "tagged": run.tagged,
        "different": len(run.tags) if run.tagged else None,
        "words": words.told(run),
    }


def _why_text(record: Row) -> str:
    first, last = (datetime.fromisoformat(str(record[key])).astimezone() for key in ("first", "last"))
    when = f"{first:%Y-%m-%d %H:%M:%S}"
    if last - first >= timedelta(seconds=1):
        when += f" .. {last:%H:%M:%S}" if last.date() == first.date() else f" .. {last:%Y-%m-%d %H:%M:%S}"
    return f"{when}  {visible(str(record['words']))}"


def _sum_up(session: Session, refusals: Refusals) -> None:
    """What the single runs do not show."""
    left_out = refusals.left_out()
    if left_out:
        session.note(f"({left_out} older {'one is' if left_out == 1 else 'ones are'} left out: --limit, --since)")
    if len(refusals.addresses) > 1:
        told_apart = f", {len(refusals.tags)} different ones" if refusals.tags else ""
        session.note(
            f"In all {refusals.guesses} wrong passwords{told_apart}, from {len(refusals.addresses)} addresses."
        )


@command("last", examples=("nwauth log last bob@test.com", "nwauth log last --since 30d"))
@click.argument("user", metavar="[USER]", required=False, shell_complete=completed_by("users"))
@click.option("--limit", type=click.IntRange(min=1), help=f"The last N. Default: {LIMIT} of USER, else all.")
@log_options
def last(session: Session, *, user: str | None, limit: int | None, options: Options) -> int:
    """The last logins of USER; without USER the last login of each.  The newest is last.

    Exit status: 0 there are logins, 1 there are none, 75 the log does not tell.
    """
    log = _Log(session, options)
    if user is not None:
        lines = deque((line for line in log.checks_of(user) if line.facts["result"] == "ok"), limit or LIMIT)
    else:
        lines = deque(log.last_of_each(), limit)
    session.results.rows(LAST_COLUMNS, map(_last_record, lines))
    log.end("nobody has logged in" if user is None else f"{visible(user)} has not logged in", found=len(lines))
    return 0 if lines else EXIT_NO


def _last_record(line: Line) -> dict[str, object]:
    facts = line.facts
    address = facts.get("ip")
    return {
        "user": facts["user"],
        "time": line.when.isoformat(timespec="milliseconds"),
        "from": None if address == hosts.UNKNOWN else address,
        "service": facts.get("service"),
        "store": facts.get("store"),
        "app": facts.get("app"),
    }


class _Log:
    """The log of the session, or the files that are named, to be read once."""

    def __init__(self, session: Session, options: Options) -> None:
        self._session = session
        self._options = options
        domain = session.config.names.default_domain
        self._domain = f"@{domain}" if domain else ""
        found = Found()
        if options.files:
            found.files = options.files
        else:
            found = find(self._path())
        self._reader = Reader(found.files, found.faults, since=options.since)

    def _path(self) -> str:
        """Where the log is.  Raises click.UsageError: in no file."""
        file = self._session.config.log.file
        if file == "null":
            raise click.UsageError(
                'nothing is logged: file = "null" under [log] in nwauth.toml; --file FILE reads another'
            )
        if file == "syslog":
            raise click.UsageError(
                "the log goes to syslog: name its file, --file /var/log/mail.log, or pipe it:"
                " journalctl -t nwauth -o short-iso | nwauth log ... --file -"
            )
        return file

    def checks_of(self, user: str) -> Iterator[Line]:
        """The logins that were tried under that name, in any case, with the default domain or without."""
        key = self._key(user)
        short = key.removesuffix(fold(self._domain)) if self._domain else key
        for line in self._checks(picking.lines_of(short)):
            if self._key(line.facts["user"]) == key:
                yield line

    def last_of_each(self) -> list[Line]:
        """The last login of each user, the newest last."""
        found: dict[str, Line] = {}
        for line in self._checks(picking.logins):
            if line.facts["result"] == "ok":
                key = self._key(line.facts["user"])
                before = found.pop(key, line)
                found[key] = line if before.when <= line.when else before  # by the log's order, where stamps are equal
        return sorted(found.values(), key=lambda line: line.when)

    def _key(self, name: str) -> str:
        return fold(name if "@" in name else name + self._domain)

    def _checks(self, pick: picking.Pick) -> Iterator[Line]:
        with self._session.progress("reading the log", self._reader.read_bytes, self._reader.whole_bytes, unit="bytes"):
            for line in self._reader.lines(pick):
                facts = line.facts
                if (
                    facts.get("command") == "check"
                    and "user" in facts
                    and "result" in facts
                    and self._options.counts(line)
                ):
                    yield line

    def end(self, nothing: str, *, found: int) -> None:
        """Say what could not be read, and where the log tells nothing.

        Raises:
            Unavailable: nothing was found, and that proves nothing.
        """
        reader, note = self._reader, self._session.note
        tells = reader.keeps_requests or not (self._options.files or self._session.config.log.level == "error")
        for fault in reader.faults:
            complain(f"not read to its end: {fault}", color=self._session.choices.color)
        if reader.foreign:
            note(f"skipped {reader.foreign:,} line{'' if reader.foreign == 1 else 's'} that nwauth did not write")
        if reader.lost:
            note(f"the log says that {reader.lost:,} lines were lost: it could not be written")
        if found:
            if not tells:
                note(LEVEL_HINT)
            return
        if not tells:
            raise Unavailable(LEVEL_HINT)
        if reader.faults:
            raise Unavailable(f"{nothing}, as far as the log could be read")
        begins = reader.begins
        note(nothing + (f" since {begins.astimezone():%Y-%m-%d %H:%M}, when the log begins" if begins else ""))
