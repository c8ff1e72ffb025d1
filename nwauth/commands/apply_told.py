"""What ``nwauth apply`` tells: what is wrong in the plan, and what came of each user, or how many they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.commands.diff import changed_of_user, in_lines, steps
from nwauth.commands.faults import tell_faults
from nwauth.commands.printing import print_many
from nwauth.commands.shown import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.commands.applying import Order
    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.provisioning import Applying, Outcome, Reader

COLUMNS = ("user", "result", "dry_run", "line", "column", "created", "scheme", "fields", "password", "reason")


def tell(session: Session, order: Order, applying: Applying, reader: Reader, *, summary: bool, done: bool) -> None:
    """All that there is to say when it is done, or not done because of errors."""
    if reader.clear_text and done:
        session.note(f"note: passwords in clear text in the plan: {reader.clear_text:,}; keep it where nobody reads it")
    for doubt in (*reader.doubts.told(), *reader.damaged.told()):
        session.note(f"note: {doubt}")
    tell_faults(session, order.file, applying.faults())
    counts = _counts(applying, dry_run=order.dry_run, done=done)
    words = _in_words(counts)
    if summary:
        session.results.record(counts, words)
        return
    records = _records(session, applying, dry_run=order.dry_run, done=done)
    if not session.prints_changes and not order.dry_run:
        records = (record for record in records if record["password"] or record["result"] == "failed")
    if session.results.form == "table":
        records = (record for record in records if record["result"] != "failed")  # stderr has told
    total = applying.tally.failed + applying.tally.changed + applying.tally.removed
    print_many(session, COLUMNS, records, told, total=total)
    session.note(words if done else f"{words}: nothing is changed")


def _counts(applying: Applying, *, dry_run: bool, done: bool) -> dict[str, object]:
    """The keys are a promise."""
    tally = applying.tally
    return {
        "dry_run": dry_run,
        "changed": tally.changed if done else 0,
        "created": tally.created if done else 0,
        "unchanged": tally.unchanged if done else 0,
        "removed": tally.removed if done else 0,
        "failed": tally.failed,
    }


def _in_words(counts: Row) -> str:
    would = "would be " if counts["dry_run"] else ""
    created = f" ({counts['created']:,} of them new)" if counts["created"] else ""
    return (
        f"{counts['changed']:,} {would}changed{created}, {counts['removed']:,} {would}removed,"
        f" {counts['unchanged']:,} as they were, {counts['failed']:,} failed"
    )


def _records(session: Session, applying: Applying, *, dry_run: bool, done: bool) -> Iterator[Row]:
    """What came of each user; deletions last.  The keys are a promise."""
    for fault in applying.faults():
        place = fault.place
        yield _record(fault.name or None, "failed", dry_run, place.line, place.column, reason=fault.text)
    for name, line in applying.unchanged() if done else ():
        yield _record(name, "unchanged", dry_run, line or None, 1 if line else None)
    for outcome in applying.changes.deletions_last() if done else ():
        yield _of_outcome(session, outcome, dry_run=dry_run)


def _of_outcome(session: Session, outcome: Outcome, *, dry_run: bool) -> Row:
    old, new = outcome.old, outcome.new
    user = new if old is None else old
    assert user is not None  # noqa: S101
    scheme = None
    if new is not None and (old is None or old.stored_password != new.stored_password):
        scheme = session.identify(new.stored_password, store=new.store).name
    return _record(
        user.name,
        "removed" if new is None else "changed",
        dry_run,
        outcome.line or None,
        1 if outcome.line else None,
        created=old is None,
        scheme=scheme,
        fields=changed_of_user(old, new),
        password=outcome.generated or None,
    )


def _record(
    user: str | None,
    result: str,
    dry_run: bool,  # noqa: FBT001
    line: int | None,
    column: int | None,
    *,
    created: bool = False,
    scheme: str | None = None,
    fields: dict[str, dict[str, str | None]] | None = None,
    password: str | None = None,
    reason: str | None = None,
) -> dict[str, object]:
    values = (user, result, dry_run, line, column, created, scheme, fields or {}, password, reason)
    return dict(zip(COLUMNS, values, strict=True))


def told(record: Row) -> str:
    """The record of a user in words: a line each for what differs."""
    if record["result"] == "unchanged":
        return visible(f"{record['user']} is as the plan says")
    would = "would be " if record["dry_run"] else ""
    verb = "added" if record["created"] else record["result"]
    rows = {"password": f"stored as {record['scheme']}"} if record["scheme"] else {}
    fields = record["fields"]
    assert isinstance(fields, dict)  # noqa: S101
    return in_lines(f"{record['user']} {would}{verb}", rows | steps(fields), password=record["password"])
