"""What ``nwauth import`` tells: errors by their lines, what columns became, the first users, numbers."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nwauth.commands.applying import EXIT_NO
from nwauth.commands.faults import tell_faults
from nwauth.commands.output import terminal_width
from nwauth.commands.shown import visible
from nwauth.commands.table import layout
from nwauth.commands.terminal import complain
from nwauth.model import PLAIN, Info
from nwauth.policy.account import REFUSING_FIELDS
from nwauth.policy.apps import told_fields
from nwauth.provisioning.parts import Fault
from nwauth.provisioning.words import OWN_KEYS, PASSWORD_KEYS

if TYPE_CHECKING:
    from nwauth.commands.importing import Found, Wish
    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.provisioning import Applying, BadPlan, Outcome, Reader
    from nwauth.provisioning.exchange.colons import Colons
    from nwauth.provisioning.exchange.taking import Taking

    Work = tuple[Applying, Reader, Taking, Colons | None]

FIRST_USERS = 10
FIRST_PROBLEMS = 100
ONLY_PEOPLE = "awk -F: '$3 >= 1000 && $3 < 60000'"


def tell(session: Session, found: Found, wish: Wish, work: Work, *, dry_run: bool, done: bool) -> None:
    """All that there is to say when it is done, or not done because of errors."""
    applying, reader, taking, colons = work
    name, tally = found.given.name, applying.tally
    tell_faults(session, name, applying.faults())
    problems = [_problem(fault) for fault in islice(applying.faults(), FIRST_PROBLEMS)]
    _tell_columns(session, wish)
    if done:
        _tell_users(session, name, (applying, reader, taking, colons), dry_run=dry_run)
    elif tally.changed and not applying.is_refused:
        session.note(f"note: users without an error: {tally.changed + tally.unchanged:,}; --keep-going takes them")
    record = _nothing(name, dry_run=dry_run) | {
        "form": found.form.name,
        "encoding": found.opened.encoding,
        "left_out": taking.left_out,
        "failed": tally.failed,
        "columns": dict(wish.columns.told),
        "problems": problems,
    }
    if done:
        record |= {
            "created": tally.created,
            "changed": tally.changed - tally.created,
            "unchanged": tally.unchanged,
            "first": [_shown(session, one) for one in applying.changes.first(FIRST_USERS)] if dry_run else [],
        }
    if dry_run or session.prints_changes or tally.failed:
        session.results.record(record, _text(record, done=done))


def tell_refused(session: Session, name: str, error: BadPlan, *, dry_run: bool) -> int:
    """Tell that nothing can be made of the file; the exit status."""
    complain(f"{error.place.behind(name)}: {error}", color=session.choices.color)
    problem = _problem(Fault(error.place, str(error)))
    record = _nothing(name, dry_run=dry_run) | {"failed": 1, "problems": [problem]}
    session.results.record(record, _text(record, done=False))
    return EXIT_NO


def _nothing(name: str, *, dry_run: bool) -> dict[str, object]:
    """What is printed of a file of which nothing is done: these keys are a promise."""
    numbers = dict.fromkeys(("created", "changed", "unchanged", "left_out", "failed"), 0)
    empty: dict[str, object] = {"columns": {}, "first": [], "problems": []}
    return {"file": name, "form": None, "encoding": None, "dry_run": dry_run, **numbers, **empty}


def _problem(fault: Fault) -> dict[str, object]:
    place = fault.place
    return {"user": fault.name or None, "line": place.line, "column": place.column, "reason": fault.text}


def _tell_users(session: Session, name: str, work: Work, *, dry_run: bool) -> None:
    """What is worth knowing of users who are taken."""
    _, reader, taking, colons = work
    if reader.clear_text:
        scheme = "hashed" if not dry_run else "would be hashed"
        session.note(
            f"note: passwords in clear text: {reader.clear_text:,}; {scheme}. Keep {name} where nobody reads it"
        )
    for doubt in (*reader.doubts.told(), *reader.damaged.told()):
        session.note(f"note: {doubt}")
    if taking.locked:
        session.note(
            f"note: users without a password, or with a locked one: {taking.locked:,}; none of them can log in"
        )
    if taking.of_system:
        session.note(
            f"note: accounts of the system, by their uids: {taking.of_system:,}, the first of them"
            f" {visible(taking.first_of_system)}; {ONLY_PEOPLE} leaves them out"
        )
    if taking.trimmed:
        session.note(f"note: names with blanks around them: {taking.trimmed:,}; taken without")
    if colons is not None and colons.odd:
        session.note(
            f"note: users with info text that is no field, which is not taken: {colons.odd:,}, the first on line"
            f" {colons.first_odd}; nwauth copy takes all of a user base"
        )


def _tell_columns(session: Session, wish: Wish) -> None:
    """What became of columns that are not called as what they became."""
    told = wish.columns.told
    taken = [f"{column} is {key}" for column, key in told.items() if key and key != column]
    fields = [column for column, key in told.items() if key == column and key not in KNOWN]
    left = [column for column, key in told.items() if not key]
    words = [*taken, *([f"info fields: {', '.join(fields)}"] if fields else [])]
    words += [f"left out: {', '.join(left)}"] if left else []
    if words:
        session.note(visible(f"columns: {'; '.join(words)}"))
    deciding = {*REFUSING_FIELDS, session.config.policy.class_field.lower()}
    decide = sorted({key for key in told.values() if key.lower() in deciding})
    if decide:
        session.note(visible(f"note: {', '.join(decide)}: by this it is decided here who may log in, and when"))
    for what in wish.columns.unmet():
        session.note(f"note: --map names {what}")


KNOWN = ("name", "state", *PASSWORD_KEYS, *OWN_KEYS)


def _shown(session: Session, outcome: Outcome) -> dict[str, object]:
    """A user as it would be stored; of the password its scheme alone."""
    user = outcome.new
    assert user is not None  # noqa: S101
    return {
        "line": outcome.line,
        "user": user.name,
        "result": "created" if outcome.old is None else "changed",
        "scheme": session.identify(user.stored_password, store=user.store).name,
        "drop_path": user.drop_path,
        "uid": user.uid,
        "ip_mask": user.ip_mask,
        "info": told_fields(user.info),
    }


def _text(record: Row, *, done: bool) -> str:
    would = "would be " if record["dry_run"] else ""
    counts = (
        f"{record['created']:,} {would}added, {record['changed']:,} {would}changed, {record['unchanged']:,} as they"
        f" were, {record['failed']:,} failed"
    )
    if record["left_out"]:
        counts += f"; {record['left_out']:,} do not match"
    if not done:
        counts += ": nothing is changed"
    first = record["first"]
    assert isinstance(first, list)  # noqa: S101
    if not first:
        return counts
    cells = [[visible(_cell(one[key])) for key in _columns(first)] for one in first]
    lines = layout([key.upper() for key in _columns(first)], cells, width=terminal_width())
    return "\n".join([*lines, counts])


def _columns(first: list[dict[str, object]]) -> list[str]:
    """Those that say something."""
    plain: dict[str, object] = {**PLAIN, "info": {}}
    return [key for key in first[0] if key not in plain or any(one[key] != plain[key] for one in first)]


def _cell(value: object) -> str:
    return Info().updated(value).text if isinstance(value, dict) else str(value)
