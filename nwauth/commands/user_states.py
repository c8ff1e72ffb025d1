"""``nwauth user rename`` and ``del``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, dry_run_option, user_name
from nwauth.commands.shown import visible
from nwauth.commands.terminal import ask_yes, complain, is_interactive
from nwauth.commands.user_changes import CHANGE_COLUMNS, change_record, must_be_whole, tell, told
from nwauth.errors import Refused

if TYPE_CHECKING:
    from nwauth.commands.session import Session

MAX_NAMES_ASKED = 10  # so many are named in a question


@command("rename", examples=("nwauth user rename bob@test.com robert@test.com",))
@user_name("old")
@click.argument("new", metavar="NEW")
@dry_run_option
def rename(session: Session, *, old: str, new: str, dry_run: bool) -> int:
    """Give a user another name; password and info fields stay.

    The drop file is not touched: the mail server looks for one of the new name.  Exit status 1: there is no user OLD,
    or NEW is taken or not allowed.
    """
    with session.changing("user-rename", old, dry_run=dry_run) as work:
        work.facts["new_name"] = new
        must_be_whole(new)
        if work.service.lookup(old) is None:
            raise session.no_such_user(old)
        if not work.service.rename(old, new, work.facts.__setitem__):
            raise Refused(f"{visible(new)} exists already: {visible(old)} keeps its name")
    tell(session, work, "renamed", name=old, new_name=new)
    return 0


@command("del", examples=("nwauth user del bob@test.com", "nwauth user del --yes bob@test.com eve@test.com"))
@user_name("names", many=True)
@dry_run_option
def delete(session: Session, *, names: tuple[str, ...], dry_run: bool) -> int:
    """Delete users, for good; mail and drop files stay.

    Asks first, unless --yes is given.  Exit status 1: one of them does not exist; the others are deleted all the same.
    """
    session.must_take_changes()
    there = [name for name in dict.fromkeys(names) if _exists(session, name)]
    if there and not dry_run:
        _confirm(session, there)
    records: list[dict[str, object]] = []
    try:
        for name in there:
            with session.changing("user-del", name, dry_run=dry_run) as work:
                if work.service.delete(name, work.facts.__setitem__):
                    records.append(change_record(work, "deleted"))
    finally:
        if dry_run or session.prints_changes:
            session.results.records(CHANGE_COLUMNS, records, told)
    return 0 if len(records) == len(set(names)) else 1


def _exists(session: Session, name: str) -> bool:
    if session.service.lookup(name) is not None:
        return True
    complain(str(session.no_such_user(name)), color=session.choices.color)
    return False


def _confirm(session: Session, names: list[str]) -> None:
    """Ask whether to go on.

    Raises:
        Refused: the answer is no.
        click.UsageError: there is nobody to ask.
    """
    if session.choices.yes:
        return
    shown = ", ".join(map(visible, names[:MAX_NAMES_ASKED])) + (", ..." if len(names) > MAX_NAMES_ASKED else "")
    what = f"{len(names)} users ({shown})" if len(names) > 1 else shown
    if not is_interactive():
        raise click.UsageError(f"no terminal to ask on whether to delete {what}: give --yes if you mean it")
    if not ask_yes(f"Delete {what}?"):
        raise Refused("nothing was deleted")
