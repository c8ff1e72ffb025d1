"""``nwauth apply``: the store made equal to a plan."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from nwauth.audit import ERROR, INFO
from nwauth.build import rules
from nwauth.commands.command import FILES, command, dry_run_option
from nwauth.commands.secrets_in import made_up
from nwauth.commands.session import as_text, shown_path
from nwauth.commands.table import visible
from nwauth.commands.terminal import complain
from nwauth.config import without_waiting
from nwauth.copying import fitting
from nwauth.errors import NwauthError, Refused, Unavailable
from nwauth.names import ENCODING, ERRORS, NameRules
from nwauth.policy.apps import told_fields
from nwauth.provisioning import FORMATS, Applying, BadPlan, Keeping, Outcome, Reader, format_of
from nwauth.provisioning.formats import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.model import User
    from nwauth.provisioning import Tally

EXIT_INTERRUPTED = 130
EXIT_CHANGES = 3  # a dry run has found something to do
COLUMNS = ("user", "result", "dry_run", "line", "column", "created", "scheme", "fields", "password", "reason")
STDIN = "-"
NOTHING = "nothing is changed"
NOT_TOLD = "what is changed cannot be told: --dry-run shows what is not"


class Plan:
    """The plan that the command line names, opened with the ids of whoever typed it."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name = name
        self.file = file


def _open(_context: click.Context, _parameter: click.Parameter, word: str) -> Plan:
    if word == STDIN:
        return Plan("stdin", open(0, "rb", closefd=False))
    path = os.fsdecode(word.encode(ENCODING, ERRORS))
    try:
        file = open(path, "rb", opener=without_waiting)  # noqa: SIM115, closed by the command
    except OSError as error:
        raise Refused(f"{shown_path(path)}: cannot be read: {error.strerror}") from None
    return Plan(visible(as_text(path)), file)


@command(
    "apply",
    examples=(
        "nwauth apply users.toml --dry-run",
        "nwauth apply users.csv --match '*@test.com' --prune",
        "nwauth apply - --input ndjson --summary < users.ndjson",
    ),
)
@click.argument("plan", callback=_open, shell_complete=FILES)
@click.option("--input", "wanted", type=click.Choice(FORMATS), help="Form of PLAN. Default: what its name ends with.")
@click.option("--match", "scope", metavar="PATTERN", default="", help="Touch only users that it fits.")
@click.option("--prune", is_flag=True, help="Remove users in the scope whom the plan lacks.")
@click.option(
    "--allow-prune",
    "percent",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    help="Let --prune remove so much of the scope. Default: 10.",
)
@click.option("--keep-going", is_flag=True, help="Apply what is right of a plan with errors; exit status 1.")
@click.option("--summary", is_flag=True, help="Print one record of numbers, and none of users.")
@click.option("--all", "tells_all", is_flag=True, help="Print users who are as the plan says, too.")
@dry_run_option
def apply(
    session: Session,
    *,
    plan: Plan,
    wanted: str | None,
    scope: str,
    prune: bool,
    percent: float | None,
    keep_going: bool,
    summary: bool,
    tells_all: bool,
    dry_run: bool,
) -> int:
    """Make the users as a PLAN says: add, change and remove them, all or nothing.

    A PLAN is NDJSON, CSV or TSV, of any size, or JSON or TOML; - is stdin. Who is as the plan says is not touched, so
    that a plan can be applied again and again. Fields that it does not name stay, and passwords of users who are
    there.

    An error in the plan stops everything before the first change; every one is told, with its line. Exit status 0:
    done, or nothing to do; 1: errors in the plan; 3: with --dry-run, there are changes.
    """
    form = wanted or format_of(plan.name)
    if form is None:
        raise click.UsageError(
            f"found a plan {plan.name!r}, whose name tells no form: give --input {'|'.join(FORMATS)}"
        )
    if percent is not None and not prune:
        raise click.UsageError("--allow-prune is for --prune, which was not given")
    with plan.file, _without_collector():
        applying, reader = _applying(session, scope=scope, dry_run=dry_run, tells_all=tells_all)
        try:
            try:
                _read(session, plan, form, applying)
                _compare(session, applying, prune=prune, percent=percent)
            except (KeyboardInterrupt, Unavailable) as error:
                raise _broken_off(session, error, made=False) from None
            can_go_on = keep_going or not applying.tally.failed
            if prune and keep_going and applying.tally.failed:
                session.note("note: nobody is pruned by a plan with errors: whom those lines mean is not known")
            was_in_time = True
            if can_go_on and applying.tally.differs and not dry_run:
                was_in_time = _apply(session, plan, applying, keep_going=keep_going)
            if reader.clear_text:
                session.note(
                    f"note: passwords in clear text in the plan: {reader.clear_text:,}; keep it where nobody reads it"
                )
            _tell(session, plan, applying, summary=summary, dry_run=dry_run, done=can_go_on)
            if not was_in_time:
                return EXIT_INTERRUPTED
            if applying.tally.failed:
                return 1
            return EXIT_CHANGES if dry_run and applying.tally.differs else 0
        finally:
            applying.close()


def _applying(session: Session, *, scope: str, dry_run: bool, tells_all: bool) -> tuple[Applying, Reader]:
    """What does the work, on the one store that the command works on."""
    config, settings = session.config, session.store_config
    store = session.store
    if settings.read_only:
        raise Refused(f"store {settings.name} takes no changes (read_only = true in nwauth.toml)")
    names = config.names
    store_rules = rules(config, settings)
    reader = Reader(
        names=NameRules(
            badchar=names.badchar,
            badchar_localpart=names.badchar_localpart,
            allow_ats=names.allow_ats,
            allow_high_ascii=names.allow_high_ascii,
        ),
        whole=session.service.whole,
        passwords=session.passwords,
        scheme=store_rules.scheme,
        star_is_clear=store_rules.star_is_clear,
        is_there=lambda name: store.lookup(name) is not None,
        scope=scope,
    )
    keeping = Keeping(
        store=settings.name,
        passwords=session.passwords,
        rules=store_rules,
        fitting=fitting(settings, settings),
        make_password=made_up,
        rehearses=dry_run,
    )
    return Applying(store, reader, keeping, tells_unchanged=tells_all), reader


def _read(session: Session, plan: Plan, form: str, applying: Applying) -> None:
    """Raises Refused where it is no plan, Unavailable where it cannot be read."""
    try:
        with session.progress("reading", lambda: applying.tally.read):
            applying.read(read(plan.file, form))
    except BadPlan as error:
        _tell_faults(session, plan, applying)
        raise Refused(f"{plan.name}: {error}; nothing is changed") from None
    except OSError as error:
        raise Unavailable(f"{plan.name}: cannot be read: {error.strerror}") from None


def _compare(session: Session, applying: Applying, *, prune: bool, percent: float | None) -> None:
    """Also where the plan has errors: there may be more, of users who are not there."""
    try:
        with session.progress("comparing", lambda: _compared(applying.tally)):
            applying.compare(prune=prune, allow_percent=10.0 if percent is None else percent)
    except Unavailable as error:
        if not applying.tally.failed:
            raise
        session.note(f"note: whether there are more errors cannot be told now: {error}")


def _compared(tally: Tally) -> int:
    return tally.changed + tally.unchanged + tally.removed


def _apply(session: Session, plan: Plan, applying: Applying, *, keep_going: bool) -> bool:
    """Make the changes; they leave one line in the log.  False: it was interrupted when they were made already."""
    tally = applying.tally
    facts: dict[str, object] = {"plan": plan.name, "changed": tally.changed, "removed": tally.removed}
    facts["store"] = session.store_config.name
    level, reason, result = ERROR, {"reason": "interrupted, or an internal fault"}, "dead"
    try:
        with session.progress("changing"):
            applying.apply(one_by_one=keep_going)
    except (KeyboardInterrupt, Unavailable) as error:
        made = applying.was_made()
        if not made:
            reason = {"reason": str(error) or "interrupted"}
            raise _broken_off(session, error, made=made) from None
        session.note(f"note: {error or 'interrupted'}, and all was changed already")
        level, reason, result = INFO, {}, "ok"
        return not isinstance(error, KeyboardInterrupt)
    except NwauthError as error:
        level, result, reason = INFO, "no", {"reason": str(error)}
        raise
    else:
        level, reason, result = INFO, {}, "ok"
        return True
    finally:
        session.log.event(level, "apply", {**facts, **reason, "result": result})


def _broken_off(
    session: Session, error: KeyboardInterrupt | Unavailable, *, made: bool | None
) -> KeyboardInterrupt | Unavailable:
    """The same error, with what stands in the store now."""
    stands = NOT_TOLD if made is None else NOTHING
    if isinstance(error, KeyboardInterrupt):
        session.note(stands)
        return error
    text = str(error)
    return error if NOTHING in text else Unavailable(f"{text}; {stands}")


@contextmanager
def _without_collector() -> Iterator[None]:
    """A million users make no cycles, and looking for some takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# --- telling ---------------------------------------------------------------------------------------------------------


def _tell(session: Session, plan: Plan, applying: Applying, *, summary: bool, dry_run: bool, done: bool) -> None:
    tally = applying.tally
    _tell_faults(session, plan, applying)
    counts: dict[str, object] = {
        "dry_run": dry_run,
        "changed": tally.changed if done else 0,
        "created": tally.created if done else 0,
        "unchanged": tally.unchanged if done else 0,
        "removed": tally.removed if done else 0,
        "failed": tally.failed,
    }
    words = _in_words(counts)
    if summary:
        session.results.record(counts, words)
        return
    records = _records(session, applying, dry_run=dry_run, done=done)
    if session.choices.quiet and not dry_run:
        records = (record for record in records if record["password"] or record["result"] == "failed")
    if session.results.form == "table":
        records = (record for record in records if record["result"] != "failed")  # stderr has told
    session.results.records(COLUMNS, records, told)
    session.note(words if done else f"{words}: nothing is changed")


def _tell_faults(session: Session, plan: Plan, applying: Applying) -> None:
    for place, _, text in applying.faults():
        where = f", line {place.line}, column {place.column}" if place.line else ""
        complain(f"{plan.name}{where}: {text}", color=session.choices.color)


def _in_words(counts: Row) -> str:
    would = "would be " if counts["dry_run"] else ""
    created = f" ({counts['created']:,} of them new)" if counts["created"] else ""
    return (
        f"{counts['changed']:,} {would}changed{created}, {counts['removed']:,} {would}removed,"
        f" {counts['unchanged']:,} as they were, {counts['failed']:,} failed"
    )


def _records(session: Session, applying: Applying, *, dry_run: bool, done: bool) -> Iterator[Row]:
    """What came of each user; deletions last.  The keys are a promise."""
    for place, name, text in applying.faults():
        yield _record(name or None, "failed", dry_run, place.line, place.column, reason=text)
    for name, line in applying.unchanged() if done else ():
        yield _record(name, "unchanged", dry_run, line or None, 1 if line else None)
    for outcome in applying.outcomes() if done else ():
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
        fields=changed_fields(old, new),
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


def changed_fields(old: User | None, new: User | None) -> dict[str, dict[str, str | None]]:
    """What differs, each as it was and as it is; nothing of a user who goes, and never a password."""
    if new is None:
        return {}
    after = _fields(new)
    if old is None:
        return {name: {"old": None, "new": value} for name, value in after.items()}
    was = {name.lower(): value for name, value in _fields(old).items()}
    now = {name.lower(): value for name, value in after.items()}
    names = {name.lower(): name for name in (*_fields(old), *after)}
    found: dict[str, dict[str, str | None]] = {}
    for key, name in names.items():
        if was.get(key) != now.get(key):
            found[name] = {"old": was.get(key), "new": now.get(key)}
    return found


def _fields(user: User | None) -> dict[str, str]:
    if user is None:
        return {}
    own = {"drop_path": user.drop_path, "uid": user.uid, "ip_mask": user.ip_mask}
    plain = {"drop_path": "config", "uid": "0", "ip_mask": ""}
    return {key: value for key, value in own.items() if value != plain[key]} | told_fields(user.info)


def told(record: Row) -> str:
    """The record of a user in words: a line each for what differs."""
    if record["result"] == "unchanged":
        return visible(f"{record['user']} is as the plan says")
    would = "would be " if record["dry_run"] else ""
    verb = "added" if record["created"] else record["result"]
    rows = {"password": f"stored as {record['scheme']}"} if record["scheme"] else {}
    fields = record["fields"]
    assert isinstance(fields, dict)  # noqa: S101
    for name, values in fields.items():
        was, now = values["old"], values["new"]
        rows[name] = now if was is None else f"{was} -> {'(removed)' if now is None else now}"
    wide = max(map(len, rows), default=0)
    lines = [f"{record['user']} {would}{verb}", *(f"  {name:{wide}}  {text}" for name, text in rows.items())]
    if record["password"]:
        lines.append(f"  the password is {record['password']}")
    return "\n".join(map(visible, lines))
