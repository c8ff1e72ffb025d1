"""``nwauth undo``: the last change taken back, or the last apply or import as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.changes.folder import changes_folder
from nwauth.changes.history import DONE, UNFINISHED, History, undoes_of
from nwauth.changes.recorder import place_of
from nwauth.changes.steps import Steps
from nwauth.changes.undoing import Undoing
from nwauth.commands.applying import interrupted, without_collector
from nwauth.commands.command import command, dry_run_option
from nwauth.commands.diff import changed_of_user, in_lines, steps
from nwauth.commands.printing import print_many
from nwauth.commands.shown import shown_path, visible
from nwauth.commands.terminal import ask_yes, is_interactive
from nwauth.errors import Refused, Unavailable, Unchanged
from nwauth.signals import ending_interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from nwauth.changes.steps import Summary
    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.model import User
    from nwauth.stores.base import Store

COLUMNS = ("step", "user", "change", "dry_run", "store", "scheme", "fields")
LIST_COLUMNS = (
    *("step", "time", "command", "state", "undoes", "created", "changed", "removed", "account", "login", "sudo_user"),
)
LIST_SHOWN = ("step", "time", "command", "who", "created", "changed", "removed", "state")
WORDS = {"created": "added again", "changed": "changed back", "removed": "removed"}


class _Number(click.IntRange):
    """A number, 1 or more; `wanted` says of what."""

    def __init__(self, wanted: str) -> None:
        super().__init__(min=1)
        self._wanted: Final = wanted

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"found {value!r}, wanted {self._wanted}", param, ctx)
        return number


@command(
    "undo",
    examples=("nwauth undo --dry-run", "nwauth undo", "nwauth undo --list", "nwauth undo 2", "nwauth undo --last 3"),
)
@click.argument("number", metavar="[STEP]", type=_Number("the number of a step in nwauth undo --list"), required=False)
@click.option("--list", "lists", is_flag=True, help="Show the steps that can be taken back, the newest first.")
@click.option(
    "--last", metavar="N", type=_Number("how many steps, 1 or more"), help="Take back the last N steps, one by one."
)
@click.option("--skip-changed", is_flag=True, help="Leave those who have been changed since; take back the others.")
@click.option("--summary", is_flag=True, help="Print one record of totals, and none for each user.")
@dry_run_option
def undo(
    session: Session,
    *,
    number: int | None,
    lists: bool,
    last: int | None,
    skip_changed: bool,
    summary: bool,
    dry_run: bool,
) -> int:
    """Take back the last change, or the last apply or import as a whole: users are as they were, with their passwords.

    A step is all that one command changed. Without a number the last step is taken back, then the one before; with a
    number, that one. An undo is a step too, so it can be taken back.

    If a user has been changed since, by a command, at a login, or by hand, it names the user and does nothing. On a
    terminal it asks before it deletes users whom the step added. merge and doctor --fix change no user, and are no
    steps. Exit status 1: somebody has been changed, or there is nothing to take back.
    """
    if lists and (number or last or skip_changed or summary or dry_run):
        raise click.UsageError("--list shows all steps, and goes with no other option of undo")
    if last is not None and (number is not None or (dry_run and last > 1)):
        raise click.UsageError(
            "--last N takes back several, each behind the other: it goes with no STEP and no --dry-run"
        )
    steps = Steps(changes_folder(session.config))
    if lists:
        return _list(session, steps)
    with without_collector(), ending_interrupts():
        for _ in range(last or 1):
            _undo(session, steps, number=number, skip_changed=skip_changed, summary=summary, dry_run=dry_run)
    return 0


def _list(session: Session, steps: Steps) -> int:
    history = History(steps.summaries())
    rows = [_listed(history, step) for step in reversed(history.steps.values())]
    if session.results.form == "table":  # a line each on a usual screen
        rows = [{**row, "time": str(row["time"])[:16].replace("T", " "), "who": _who(row)} for row in rows]
    if rows or session.results.form != "table":
        session.results.rows(LIST_COLUMNS, rows, shown=LIST_SHOWN)
    else:
        session.note(_none_yet(session))
    return 0


def _none_yet(session: Session) -> str:
    return f"nothing to take back: no command has changed a user of {shown_path(changes_folder(session.config))} yet"


def _listed(history: History, step: Summary) -> Row:
    """A step as it is printed: these keys are a promise."""
    numbers = step.end or dict.fromkeys(("created", "changed", "removed"))
    known = {**step.head, **numbers, "step": step.number, "state": history.state(step), "undoes": undoes_of(step)}
    return {key: known.get(key) for key in LIST_COLUMNS}


def _who(row: Row) -> object:
    """The person: who had logged in, as the system knows it; else whom sudo names, which anybody can claim to be."""
    claimed = row["sudo_user"]
    return row["login"] or (f"{claimed}?" if claimed else row["account"])


# --- taking back -----------------------------------------------------------------------------------------------------


def _undo(
    session: Session, steps: Steps, *, number: int | None, skip_changed: bool, summary: bool, dry_run: bool
) -> None:
    stores = {one.name: session.store_of(one) for one in session.config.stores if not one.read_only}
    why = session.recorder.mend(steps)
    history = History(steps.summaries(), why)
    if number is None and not history.steps:
        raise Refused(_none_yet(session))
    step = history.last() if number is None else history.step(number)
    if history.state(step) == UNFINISHED:
        raise history.unfinished(step)
    if number is None and session.recorder.without_effect > step.number:  # who types undo after a kill means that one
        session.recorder.without_effect = 0
        session.note(f"nothing is taken back; nwauth undo {step.number} takes back {_called(step)}")
        return
    reading = steps.read(step.name)  # a damaged one is told here
    undoing = Undoing(reading, lambda name, place: _store_of(stores, name, place))
    try:
        with interrupted(f"step {step.number} stands as it did"):
            _compare(session, undoing, step)
        if undoing.others and not skip_changed:
            raise Refused(_others_told(undoing, step))
        is_changed = undoing.numbers.all > 0 and not dry_run
        if is_changed:
            _confirm(session, undoing, step)
            with interrupted(f"nwauth undo --list shows what was taken back; nwauth undo {step.number} goes on"):
                _apply(session, undoing, step)
        elif not dry_run and history.state(step) == DONE:
            _record_as_undone(session, step)
        with interrupted(f"step {step.number} is taken back" if is_changed else "nothing is changed"):
            _tell(session, undoing, step, summary=summary, dry_run=dry_run)
    finally:
        undoing.close()
        reading.close()


def _confirm(session: Session, undoing: Undoing, step: Summary) -> None:
    """Ask a person before users are deleted.  Raises Refused where the answer is no."""
    count = undoing.numbers.removed
    if not count or session.choices.yes or not is_interactive():
        return
    whom = f"the {count:,} users" if count > 1 else "the user"
    if not ask_yes(f"Delete {whom} that {_called(step)} has added?"):
        raise Refused("nothing was taken back")


def _apply(session: Session, undoing: Undoing, step: Summary) -> None:
    session.recorder.close()
    session.recorder.facts.update(undoes=step.number, wanted=undoing.wanted)
    try:
        with (
            session.logged("undo", step=step.number, **undoing.numbers.record()),
            session.progress("changing", lambda: undoing.given, lambda: undoing.numbers.all),
        ):
            undoing.apply()
    except (Refused, Unavailable) as error:
        raise _stopped(error, undoing, step) from error
    session.recorder.close()


def _stopped(error: Refused | Unavailable, undoing: Undoing, step: Summary) -> Refused | Unavailable:
    """The same error, with what stands now; and the number, as `undo` without one may mean another step by then."""
    reason: object = error
    again = f"nwauth undo {step.number}"
    if undoing.done:  # and an error that says that nothing is changed speaks of one of many
        reason = (isinstance(error, Unchanged) and error.__cause__) or error
        stands = f"{undoing.done:,} of {undoing.wanted:,} changes are made, and {again} goes on"
    elif isinstance(error, (Refused, Unchanged)):
        stands = _stands(step)
    else:
        stands = f"nwauth undo --list shows whether step {step.number} is taken back, and {again} goes on"
    kind = Refused if isinstance(error, Refused) else Unavailable
    return kind(f"{stands}: {reason}")


def _stands(step: Summary) -> str:
    return f"step {step.number} stands as it did, and nwauth undo {step.number} tries it again"


def _record_as_undone(session: Session, step: Summary) -> None:
    """All of it are as before already, or left: it counts as taken back, and the next undo goes on behind it."""
    session.recorder.close()
    session.recorder.facts.update(undoes=step.number, wanted=0)
    session.recorder.record_empty()


def _compare(session: Session, undoing: Undoing, step: Summary) -> None:
    about = sum((step.end or {}).values())
    try:
        with session.progress("reading", lambda: undoing.found, lambda: about):
            undoing.read()
    except Refused as error:
        raise Refused(f"{_called(step)} cannot be taken back from here: {error}") from None
    try:
        with session.progress("comparing", lambda: undoing.compared, lambda: about):
            undoing.compare()
    except Unavailable as error:
        raise Unavailable(f"{_stands(step)}: {error}") from error


def _store_of(stores: Mapping[str, Store], name: str, place: str) -> Store | None:
    """The store that a step was made in: the one that lies there, else the one that is called so now."""
    there = [store for store in stores.values() if place_of(store) == place]
    return next((store for store in there if store.name == name), there[0] if there else stores.get(name))


def _called(step: Summary) -> str:
    return f"step {step.number} ({step.head['command']}, {step.head['time']})"


def _others_told(undoing: Undoing, step: Summary) -> str:
    names = ", ".join(map(repr, map(visible, undoing.listed))) + (
        ", ..." if undoing.others > len(undoing.listed) else ""
    )
    who = f"{undoing.others:,} users have" if undoing.others > 1 else "1 user has"
    return (
        f"{who} been changed since {_called(step)}: {names}: nothing is taken back; take back later steps first"
        " (nwauth undo --list), or --skip-changed leaves them as they are"
    )


# --- telling ---------------------------------------------------------------------------------------------------------


def _tell(session: Session, undoing: Undoing, step: Summary, *, summary: bool, dry_run: bool) -> None:
    counts = {
        "step": step.number,
        "dry_run": dry_run,
        **undoing.numbers.record(),
        "as_before": undoing.as_before,
        "skipped": undoing.others,
    }
    words = _in_words(counts, step)
    if summary:
        session.results.record(counts, words)
        return
    if dry_run or session.prints_changes:
        records = _records(session, undoing, step, dry_run=dry_run)
        print_many(session, COLUMNS, records, told, total=undoing.numbers.all)
    session.note(words)


def _in_words(counts: Row, step: Summary) -> str:
    would = "would be " if counts["dry_run"] else ""
    done = [f"{counts[kind]:,} {would}{words}" for kind, words in WORDS.items() if counts[kind]]
    done += [f"{counts['as_before']:,} as before already"] if counts["as_before"] else []
    done += [f"{counts['skipped']:,} changed since, and left"] if counts["skipped"] else []
    return f"{_called(step)}: {', '.join(done) or 'nothing to take back'}"


def _records(session: Session, undoing: Undoing, step: Summary, *, dry_run: bool) -> Iterator[Row]:
    """What becomes of each user.  The keys are a promise."""
    for store, (old, new) in undoing.changes():
        user = new if old is None else old
        assert user is not None  # noqa: S101
        yield {
            "step": step.number,
            "user": user.name,
            "change": "created" if old is None else "removed" if new is None else "changed",
            "dry_run": dry_run,
            "store": store,
            "scheme": _scheme(session, old, new),
            "fields": changed_of_user(old, new),
        }


def _scheme(session: Session, old: User | None, new: User | None) -> str | None:
    if new is None or (old is not None and old.stored_password == new.stored_password):
        return None
    return session.identify(new.stored_password, store=new.store).name


def told(record: Row) -> str:
    """The record of a user in words: a line each for what differs."""
    would = "would be " if record["dry_run"] else ""
    rows = {"password": f"as before, {record['scheme']}"} if record["scheme"] else {}
    fields = record["fields"]
    assert isinstance(fields, dict)  # noqa: S101
    return in_lines(f"{record['user']} {would}{WORDS[str(record['change'])]}", rows | steps(fields))
