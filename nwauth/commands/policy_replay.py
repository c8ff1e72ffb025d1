"""``nwauth policy try --replay``: what other rules would have made of the logins in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.commands.shown import visible
from nwauth.commands.terminal import complain
from nwauth.logs.reading import Reader
from nwauth.logs.replaying import Replay, checks

if TYPE_CHECKING:
    from nwauth.commands.session import Session
    from nwauth.logs.finding import Found
    from nwauth.service import Service

COLUMNS = ("user", "was", "was_rule", "now", "rule", "count", "first", "last")
SHOWN = ("user", "was", "was_rule", "now", "rule", "count", "last")


def replayed(session: Session, service: Service, found: Found) -> int:
    """Print what would have come out differently; exit status 1 where there is any, 75 where not all could be read."""
    reader, replay = Reader(found.files, found.faults), Replay(service)
    with session.progress("replaying", reader.read_bytes, reader.whole_bytes, unit="bytes") as step:
        for line in reader.lines(checks):
            replay.take(line)
            step()
    rows: list[dict[str, object]] = [
        {**kind._asdict(), "count": seen.count, "first": seen.first.isoformat(), "last": seen.last.isoformat()}
        for kind, seen in sorted(replay.different.items())
    ]
    if rows or session.results.form != "table":
        session.results.rows(COLUMNS, rows, shown=SHOWN)
    number = sum(seen.count for seen in replay.different.values())
    session.note(
        f"{number + replay.same:,} logins decided again, {number:,} of them differently; left out:"
        f" {replay.others:,} that no rule decided, {replay.gone:,} of users who are not there now"
    )
    for fault in reader.faults:
        complain(visible(fault), color=session.choices.color)
    if reader.faults:
        return 75
    if not number + replay.same:
        session.note(
            'note: no logins there; they are logged at level = "info" under [log] in nwauth.toml, or with -log'
        )
    return 1 if rows else 0
