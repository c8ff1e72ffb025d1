"""``nwauth user``: the group, and its commands that only read."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, completed_by, user_name
from nwauth.commands.group import LazyGroup
from nwauth.commands.totals import about_how_many
from nwauth.policy import apps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.model import User
    from nwauth.service import Listing

COLUMNS = ("user", "scheme", "weak", "store", "drop_path", "uid", "info")
SHOWN = ("user", "scheme", "weak", "info")  # in a table of many

user = LazyGroup(
    "user",
    help="Add, change, show and delete users.",
    examples=("nwauth user add bob@test.com", "nwauth user list '*@test.com'"),
    commands={
        "add": "user_changes:add",
        "set": "user_changes:change",
        "passwd": "user_changes:passwd",
        "app": "user_app:app",
        "show": "user:show",
        "list": "user:listing",
        "search": "user:search",
        "rename": "user_states:rename",
        "suspend": "user_pauses:suspend",
        "resume": "user_pauses:resume",
        "expire": "user_pauses:expire",
        "del": "user_states:delete",
    },
)


@command("show", examples=("nwauth user show bob@test.com", "nwauth user show bob@test.com --format json"))
@user_name()
@click.option("--show-hash", is_flag=True, help="Show the stored password too.")
def show(session: Session, *, name: str, show_hash: bool) -> int:
    """Show one user: how the password is stored, every info field, and how many app passwords there are.

    Exit status 1: there is no such user.
    """
    found = session.service.lookup(name)
    if found is None:
        raise session.no_such_user(name)
    record, numbers = _record(session, found, show_hash=show_hash), _number_of_apps(session, found)
    if session.results.form != "table" or any(numbers.values()):
        record = {**record, **numbers}
    session.results.record(record)
    return 0


def _number_of_apps(session: Session, user: User) -> Row:
    """How many app passwords there are, and how many can let the user in now: nobody sees them among the fields."""
    now = cache(lambda: datetime.now(UTC).astimezone(session.service.gate.zone()))
    every = apps.of(user.info)
    return {"app_passwords": len(every), "app_passwords_ok": sum(not (one.fault or one.over(now)) for one in every)}


@command("list", examples=("nwauth user list", "nwauth user list '*@test.com' --format csv > users.csv"))
@click.argument("pattern", metavar="[PATTERN]", default="", shell_complete=completed_by("users"))
@click.option("--show-hash", is_flag=True, help="Show the stored passwords too.")
def listing(session: Session, *, pattern: str, show_hash: bool) -> int:
    """List users by name: all, those with PATTERN in their name, or, if it holds * or ?, those whom it matches."""
    return _print_users(session, session.service.search(pattern), show_hash=show_hash)


@command("search", examples=("nwauth user search bob", "nwauth user search 'b*@test.com' --from 100 --max 50"))
@click.argument("pattern", metavar="PATTERN", shell_complete=completed_by("users"))
@click.option("--from", "skip", metavar="N", type=click.IntRange(min=0), default=0, help="Leave out the first N hits.")
@click.option("--max", "limit", metavar="M", type=click.IntRange(min=0), help="Show at most M hits.")
@click.option("--show-hash", is_flag=True, help="Show the stored passwords too.")
def search(session: Session, *, pattern: str, skip: int, limit: int | None, show_hash: bool) -> int:
    """Search users as mail servers do: PATTERN is a part of the name, or with * or ? the whole name.

    All hits are counted, even those that are not shown.  Exit status 1: there are no hits.
    """
    found = session.service.search(pattern, skip=skip, limit=limit)
    _print_users(session, found, show_hash=show_hash)
    return 0 if found.found else 1


def _print_users(session: Session, found: Listing, *, show_hash: bool) -> int:
    """Print the users as they are found; their numbers go to stderr."""
    hidden = ("stored_password",) if show_hash else ()
    store = session.service.store
    with session.progress("reading", lambda: found.total, cache(lambda: about_how_many(store))) as clear:
        rows = _records(session, found, show_hash=show_hash)
        first = next(rows, None)  # an error comes before a table's head
        clear()
        every = rows if first is None else itertools.chain([first], _clearing(rows, clear))
        where = () if session.config.is_plain() else ("store",)
        session.results.rows(COLUMNS + hidden, every, shown=SHOWN + where + hidden)
    session.note(f"{found.found:,} of {found.total:,} users")
    return 0


def _clearing(rows: Iterator[Row], clear: Callable[[], None]) -> Iterator[Row]:
    for row in rows:
        clear()
        yield row


def _records(session: Session, found: Listing, *, show_hash: bool) -> Iterator[Row]:
    return (_record(session, one, show_hash=show_hash) for one in found)


def _record(session: Session, one: User, *, show_hash: bool) -> Row:
    """A user as it is printed: these keys are a promise."""
    identity = session.identify(one.stored_password, store=one.store)
    record: dict[str, object] = {
        "user": one.name,
        "scheme": identity.name,
        "weak": identity.weak,
        "store": one.store,
        "drop_path": one.drop_path,
        "uid": one.uid,
        "info": one.info if show_hash else one.info.public(),
    }
    if show_hash:
        record["stored_password"] = one.stored_password
    return record
