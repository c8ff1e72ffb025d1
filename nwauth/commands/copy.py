"""``nwauth copy``: users from one store to another, compared afterwards."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from nwauth.audit import ERROR, INFO
from nwauth.commands.applying import without_collector
from nwauth.commands.command import command, completed_by, dry_run_option
from nwauth.commands.places import two_places
from nwauth.commands.shown import visible
from nwauth.commands.totals import to_be_read
from nwauth.config import FlatfileConfig
from nwauth.config.kinds.sql import SqlConfig
from nwauth.copying import BATCH_USERS, Copying, Differing, Source, Verification, fitting
from nwauth.errors import NwauthError, Unavailable
from nwauth.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.commands.output import Row
    from nwauth.commands.places import Place
    from nwauth.commands.session import Session
    from nwauth.copying import Fitting, Tally
    from nwauth.stores.base import Store

FOREIGN_BATCH_USERS = 100
STORES = completed_by("places")
AGAIN = "the same command, run again, goes on there"


@command(
    "copy",
    examples=(
        "nwauth copy --from flatfile --to sqlite:///users.db --make",
        "nwauth copy --from flatfile --to ./new --make --match '*@test.com'",
        "nwauth copy --from flatfile --to sqlite:///users.db --make --dry-run",
    ),
)
@click.option("--from", "source", metavar="STORE", required=True, shell_complete=STORES, help="Where the users are.")
@click.option("--to", "target", metavar="STORE", required=True, shell_complete=STORES, help="Where they are to go.")
@click.option("--match", "pattern", metavar="PATTERN", default="", help='Only those whom "user list PATTERN" lists.')
@click.option("--replace", is_flag=True, help="Change those who are there and differ: the source is right.")
@click.option("--make", is_flag=True, help="Make the user base to copy to, where there is none.")
@dry_run_option
def copy(session: Session, *, source: str, target: str, pattern: str, replace: bool, make: bool, dry_run: bool) -> int:
    """Copy users from one store to another; then compare what stands there with what was copied.

    A STORE is one of nwauth.toml, by its name; a folder of flat files, or one that "nwauth init --store URL" has made;
    or the URL of a database, as that takes it: sqlite:///FILE (from the folder of --path), postgresql://..., mysql://...

    Users who are there already, and the same, are passed over: so a copy that was broken off goes on when the command
    is run again. Users who are there and differ are left so, unless --replace is given. Nobody is deleted.

    Passwords go over as they are stored. Clear text behind a star, which flat files alone know, is {CLEAR} elsewhere.
    Exit status 1: some differ from those there, or have no place there; they are named. 75: it could not be done, or
    the two are not alike afterwards, since somebody has changed users meanwhile; run it again.
    """
    if session.choices.store is not None:
        raise click.UsageError("--store: copying is between two stores: --from STORE --to STORE")
    here, there = two_places(session, source, target)
    way = fitting(here.settings, there.settings)
    try:
        copying = Copying(
            here.store,
            _base(session, there, make=make, dry_run=dry_run),
            way,
            pattern=pattern,
            replace=replace,
            rehearse=dry_run,
            batch_users=_batch_users(there),
        )
        with _logged(session, here, there, copying.tally, dry_run=dry_run), without_collector():
            _copy(session, here, copying, pattern=pattern)
            compared = not dry_run and _compare(session, here, there, copying, pattern=pattern)
    finally:
        here.store.close()
        there.store.close()
    record = {"from": here.name, "to": there.name, **_counts(copying.tally, way, compared=compared, dry_run=dry_run)}
    _tell(session, record, way)
    return 1 if copying.tally.problems else 0


def _batch_users(there: Place) -> int:
    """How many users to add at a time: in somebody else's table each takes four statements, and others wait for it."""
    is_foreign = isinstance(there.settings, SqlConfig) and there.settings.columns is not None
    return FOREIGN_BATCH_USERS if is_foreign else BATCH_USERS


def _base(session: Session, there: Place, *, make: bool, dry_run: bool) -> Store:
    """The store to copy to, in which there is a user base; in a dry run an empty one stands for one to be made.

    Raises:
        Unavailable: there is none, and none is to be made.
    """
    if make and not dry_run:
        _make_folder(there)
        if there.store.make():
            session.note(f"{there.name}: user base made")
        return there.store
    try:
        there.store.lookup("")
    except Unavailable as error:
        if "nwauth init" not in str(error):
            raise
        if make:
            session.note(f"{there.name}: user base would be made")
            return MemoryStore()
        raise Unavailable(f"the target has to be made first, by --make: {error}") from None
    return there.store


def _make_folder(there: Place) -> None:
    """Make the folder of flat files; the one above it must be there.  Raises Unavailable."""
    path = there.settings.path
    if isinstance(there.settings, FlatfileConfig) and not os.path.lexists(path):
        try:
            os.mkdir(path, 0o700)
        except OSError as error:
            raise Unavailable(f"{there.name}: cannot make the folder: {error.strerror}") from None


# --- the work --------------------------------------------------------------------------------------------------------


def _copy(session: Session, here: Place, copying: Copying, *, pattern: str) -> None:
    """Raises Unavailable, with how far it came."""
    total = to_be_read(session, here.settings, here.store.inner, pattern=pattern)
    try:
        with session.progress("copying", lambda: copying.source.read, total):
            copying.run()
    except Unavailable as error:
        raise Unavailable(f"{error}; {_how_far(copying.tally)}") from error
    except KeyboardInterrupt:
        session.note(_how_far(copying.tally, in_hand=copying.tally.in_hand))
        raise


def _how_far(tally: Tally, *, in_hand: int = 0) -> str:
    done, perhaps = tally.changed, f", and perhaps {in_hand:,} more" if in_hand else ""
    return f"{done:,} user{'s were' if done != 1 else ' was'} copied before that{perhaps}: {AGAIN}"


def _compare(session: Session, here: Place, there: Place, copying: Copying, *, pattern: str) -> bool:
    """Whether all stands in the target as it was copied.

    Raises:
        Unavailable: it does not, or that cannot be told now.
    """
    again = Source(here.store, fitting(here.settings, there.settings), pattern=pattern)
    verification = Verification(copying, again, there.store, pattern=pattern)
    expected = copying.tally.digest.count
    try:
        with session.progress("comparing", lambda: verification.read, lambda: expected):
            verification.run()
    except Unavailable as error:
        raise Unavailable(f"all was copied, and not compared: {error}; the same command, run again, does it") from error
    except Differing as found:
        first = "" if found.first is None else f", the first of them {visible(found.first)}"
        raise Unavailable(
            f"{there.name}: {found.count:,} of {expected:,} users are not as they were copied{first}: somebody has"
            " changed users meanwhile; run the same command again"
        ) from None
    return True


@contextmanager
def _logged(session: Session, here: Place, there: Place, tally: Tally, *, dry_run: bool) -> Iterator[None]:
    """What was copied leaves a line in the log; a dry run none."""
    reason: dict[str, object] = {"reason": "interrupted, or an internal fault"}
    level, result = ERROR, "dead"
    try:
        yield
        level, result, reason = INFO, "ok", {}
    except NwauthError as error:
        result, reason = "dead" if error.temporary else "no", {"reason": str(error)}
        raise
    except OSError as error:
        reason = {"reason": str(error)}
        raise Unavailable(f"cannot put the users aside: {error}") from error
    finally:
        if not dry_run:
            facts = {"from": here.name, "to": there.name, "copied": tally.copied, "replaced": tally.replaced}
            session.log.event(level, "copy", {**facts, **reason, "result": result})


# --- telling ---------------------------------------------------------------------------------------------------------


def _counts(tally: Tally, way: Fitting, *, compared: bool, dry_run: bool) -> dict[str, object]:
    """What came of it; the keys are a promise."""
    return {
        "dry_run": dry_run,
        "copied": tally.copied,
        "replaced": tally.replaced,
        "already_there": tally.already_there,
        "conflicts": tally.conflicts,
        "refused": tally.refused,
        "clear_text": way.clear_text,
        "locked": way.locked,
        "verified": tally.digest.count if compared else None,
        "digest": tally.digest.hex() if compared else None,
        "problems": [{"user": one.name, "problem": one.kind, "reason": one.reason} for one in tally.problems],
    }


def _tell(session: Session, record: Row, way: Fitting) -> None:
    if record["problems"] or record["dry_run"] or session.prints_changes:
        session.results.record(record, told(record))
    if way.clear_text:
        session.note(
            f"note: passwords in clear text: {way.clear_text:,}. Each is hashed at its user's next login; at once by"
            " nwauth -encrypt all, where that store is served"
        )


WORDS = {
    "replaced": "changed to what the source has",
    "already_there": "already there",
    "conflicts": "there and different",
    "refused": "without a place there",
    "clear_text": "with a password in clear text, {CLEAR}",
    "locked": "locked, written !",
}


def told(record: Row) -> str:
    """The record of a copy in words."""
    verb = "would be copied" if record["dry_run"] else "copied"
    lines = [f"{_users(record['copied'])} {verb} from {record['from']} to {record['to']}"]
    lines += [f"  {record[key]:,} {words}" for key, words in WORDS.items() if record[key]]
    if record["digest"] is not None:
        lines.append(f"  {record['verified']:,} compared: all alike, digest {record['digest']}")
    problems = record["problems"]
    assert isinstance(problems, list)  # noqa: S101
    lines += [f"{problem['user']}: {problem['problem']}: {problem['reason']}" for problem in problems]
    return "\n".join(map(visible, lines))


def _users(count: object) -> str:
    return f"{count:,} user{'s' * (count != 1)}"
