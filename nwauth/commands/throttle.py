"""``nwauth throttle``: who has had too many wrong passwords, and letting somebody in before the time."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, completed_by, dry_run_option
from nwauth.commands.group import LazyGroup
from nwauth.commands.shown import shown_path, visible
from nwauth.commands.terminal import complain
from nwauth.errors import NwauthError, Refused
from nwauth.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.policy.throttle.ledger import Count, Ledger
    from nwauth.policy.throttle.settings import ThrottleSettings

throttle = LazyGroup(
    "throttle",
    help="Show who has had too many wrong passwords, and let somebody in again ([throttle] of policy.toml).",
    examples=("nwauth throttle show", "nwauth throttle clear bob@test.com"),
    commands={"show": "throttle:show", "clear": "throttle:clear"},
)
SHOW_COLUMNS = ("what", "name", "wrong_passwords", "limit", "state", "since", "until")
CLEAR_COLUMNS = ("what", "name", "wrong_passwords", "change", "dry_run")
TRUSTED = "trusted address"


@command(
    "show", examples=("nwauth throttle show", "nwauth throttle show bob@test.com", "nwauth throttle show 192.0.2.7")
)
@click.argument("who", metavar="[USER|ADDRESS ...]", nargs=-1, shell_complete=completed_by("users"))
def show(session: Session, *, who: tuple[str, ...]) -> int:
    """Show who is counted now: addresses and users with their wrong passwords, and until when each is blocked.

    What is not blocked stays counted until the time shown. Of a USER, addresses are shown too to which the limit of the
    user does not apply, because the user has logged in from there. Exit status 1: one of those named is not counted.
    """
    ledger = _ledger(session)
    counts = ledger.counts()
    if not who:
        session.results.rows(SHOW_COLUMNS, map(_counted, counts))
        if not counts:
            session.note("nobody is counted now")
        return 0
    rows: list[Row] = []
    status = 0
    for word in who:
        found = list(_of(session, ledger, counts, word))
        rows += found
        if not found:
            complain(f"{visible(word)}: nothing is counted", color=session.choices.color)
            status = 1
    session.results.rows(SHOW_COLUMNS, rows)
    return status


@command(
    "clear",
    examples=("nwauth throttle clear bob@test.com 192.0.2.7", "nwauth throttle clear --all --dry-run"),
)
@click.argument("who", metavar="[USER|ADDRESS ...]", nargs=-1, shell_complete=completed_by("users"))
@click.option("--all", "everybody", is_flag=True, help="All that is counted.")
@dry_run_option
def clear(session: Session, *, who: tuple[str, ...], everybody: bool, dry_run: bool) -> int:
    """Forget wrong passwords: of users, of addresses, or all; whoever was blocked by them is let in at once.

    Of a user, those charged to addresses are forgotten too. It stays known from where users have logged in.
    Exit status 1: nothing was counted of one of those named, or of anybody.
    """
    if bool(who) == everybody:
        raise click.UsageError("wanted users or addresses, or --all")
    ledger = _ledger(session)
    records = _cleared_all(ledger, dry_run=dry_run) if everybody else _cleared(session, ledger, who, dry_run=dry_run)
    if dry_run or session.prints_changes:
        session.results.records(CLEAR_COLUMNS, records, _told)
    if everybody and not records:
        session.note("nobody was counted")
    return 0 if len(records) >= max(1, len(set(who))) else 1


def note_refusing(session: Session, user: str, address: str | None) -> None:
    """Note that the throttle, which a login that is only tried does not ask, refuses real ones of the user now."""
    try:
        found = _ledger(session).refusing(_user_key(session, user), address)
    except NwauthError:  # it is off; or it cannot be asked, and refuses nobody then
        return
    for one in found:
        whose = f"{'from' if one.what == 'address' else 'for'} {visible(one.name)}"
        session.note(
            f"note: real logins are refused until {_time(one.until)}, whatever the password: "
            f"{one.wrong} wrong passwords {whose}: nwauth throttle clear {visible(one.name)}"
        )


def _ledger(session: Session) -> Ledger:
    """The throttle's database; from here on root is the folder's owner.

    Raises:
        Refused: the throttle is off.
        Unavailable, ConfigError: it cannot be told whether it is.
    """
    settings = _settings(session)
    if settings is None:
        path = shown_path(session.config.policy.file)
        raise Refused(f"the throttle is off: there is no [throttle] in {path}, and nothing is counted")
    from nwauth.policy.throttle.ledger import Ledger
    from nwauth.policy.throttle.settings import FILE

    return Ledger(settings, os.path.join(session.folder, FILE), now=time.time)


def _settings(session: Session) -> ThrottleSettings | None:
    """The throttle of the rules in force; None: it is off."""
    from nwauth.service import RuleFile

    policy = session.config.policy
    found = RuleFile(policy.file, named=policy.named).current()
    if found is None:
        return None
    if found.reason:
        session.note(f"note: the last good rules are in force: {visible(found.reason)}")
    return found.policy.throttle


# --- what is shown ---------------------------------------------------------------------------------------------------


def _of(session: Session, ledger: Ledger, counts: Sequence[Count], word: str) -> Iterator[Row]:
    """The rows of an address or a user."""
    client = ledger.client(word)
    name = _user_key(session, word) if client is None else client
    what = "user" if client is None else "address"
    yield from (_counted(one) for one in counts if (one.what, one.name) == (what, name))
    if client is None:
        for one in ledger.trusted(name):
            yield {
                "what": TRUSTED,
                "name": one.name,
                "wrong_passwords": None,
                "limit": None,
                "state": "trusted",
                "since": _time(one.since),
                "until": _time(one.until),
            }


def _counted(one: Count) -> Row:
    """A count as it is printed: these keys are a promise."""
    return {
        "what": one.what,
        "name": one.name,
        "wrong_passwords": one.wrong,
        "limit": one.limit,
        "state": one.state,
        "since": _time(one.since),
        "until": _time(one.until),
    }


def _time(seconds: float) -> str:
    """Local time, to the second, with its offset."""
    return datetime.fromtimestamp(int(seconds), UTC).astimezone().isoformat(sep=" ")


def _user_key(session: Session, word: str) -> str:
    """The name that is counted: whole, as a login's is, and folded."""
    return fold(session.service.whole(word))


# --- what is forgotten -----------------------------------------------------------------------------------------------


def _cleared_all(ledger: Ledger, *, dry_run: bool) -> list[Row]:
    counts = ledger.counts()
    if not dry_run:
        ledger.clear_all()
    return [_change(one.what, one.name, one.wrong, dry_run=dry_run) for one in counts]


def _cleared(session: Session, ledger: Ledger, words: Iterable[str], *, dry_run: bool) -> list[Row]:
    records: list[Row] = []
    counts = {(one.what, one.name): one.wrong for one in ledger.counts()}
    for word in dict.fromkeys(words):
        client = ledger.client(word)
        if client is not None:
            what, name, wrong = "address", client, counts.get(("address", client), 0)
            if not dry_run:
                ledger.clear_client(client)
        else:
            name = _user_key(session, word)
            what, wrong = "user", max(counts.get(("user", name), 0), ledger.charged(name))
            if not dry_run:
                ledger.clear_user(name)
        if wrong:
            records.append(_change(what, name, wrong, dry_run=dry_run))
        else:
            complain(f"{visible(word)}: nothing is counted", color=session.choices.color)
    return records


def _change(what: str, name: str, wrong: int, *, dry_run: bool) -> Row:
    return {"what": what, "name": name, "wrong_passwords": wrong, "change": "cleared", "dry_run": dry_run}


def _told(record: Row) -> str:
    would = "would be forgotten" if record["dry_run"] else "forgotten"
    return visible(f"{record['name']}: {record['wrong_passwords']} wrong passwords {would}")
