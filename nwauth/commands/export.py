"""``nwauth export``: users to a file that apply, import or another program reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from nwauth.commands.applying import without_collector
from nwauth.commands.command import FILES, command, pattern
from nwauth.commands.outfile import output
from nwauth.commands.progress import unknown
from nwauth.commands.shown import shown_path
from nwauth.commands.terminal import complain
from nwauth.commands.totals import to_be_read
from nwauth.errors import Refused
from nwauth.names import covering, fold
from nwauth.provisioning.exchange.giving import LINES, PLANS, Giving, Lost
from nwauth.provisioning.exchange.writing import Writing
from nwauth.provisioning.formats import format_of
from nwauth.signals import ending_interrupts

if TYPE_CHECKING:
    from nwauth.commands.outfile import Replacing, Straight
    from nwauth.commands.session import Session

    Output = Straight | Replacing

NOT_GIVEN_OUT = (
    "note: not in it: full name, gid and shell of the accounts; and the home, where drop_path in nwauth.toml does not"
    " name it"
)


@command(
    "export",
    examples=(
        "nwauth export > users.ndjson",
        "nwauth export -o users.csv --match '*@test.com'",
        "nwauth export --to dovecot -o /etc/dovecot/users",
    ),
)
@click.option(
    "--to", "kind", type=click.Choice((*PLANS, *LINES)), metavar="FORM",
    help=f"{', '.join((*PLANS, *LINES))}. Default: as FILE ends, else ndjson.",
)  # fmt: skip
@click.option(
    "-o",
    "--output",
    "place",
    metavar="FILE",
    shell_complete=FILES,
    default="-",
    help="Write it there, for its owner alone. Default: stdout.",
)
@click.option("--match", metavar="PATTERN", callback=pattern, help="Only users whose names match.")
@click.option("--all", "with_all", is_flag=True, help="With last_login and created.")
@click.option("--without-passwords", is_flag=True, help="Without password hashes.")
@click.option("--keep-going", is_flag=True, help="Leave out users whom the form cannot hold; exit status 1.")
def export(
    session: Session,
    *,
    kind: str | None,
    place: str,
    match: str,
    with_all: bool,
    without_passwords: bool,
    keep_going: bool,
) -> int:
    """Write the users of the store in a form that apply, import or another program reads.

    NDJSON, CSV, TSV, JSON and TOML are plans: applied to the same store, they change nothing. What a form cannot
    hold is said on stderr: parts of users are noted; a user who has no place at all is an error, and nothing is
    written.

    It holds the password hashes, by which passwords can be guessed: keep it where nobody else reads it.
    """
    wish = Wish(kind or format_of(place) or "ndjson", match, with_all=with_all, secret=not without_passwords)
    with ending_interrupts():
        out = output(place, secret=wish.secret)
        try:
            return _export(session, out, wish, keep_going=keep_going)
        except KeyboardInterrupt:
            if out is not None and out.is_as_it_was:
                session.note("nothing is written")
            raise
        finally:
            if out is not None:
                out.close()


class Wish:
    """What is to be written, as the command line says."""

    def __init__(self, kind: str, match: str, *, with_all: bool, secret: bool) -> None:
        self.kind = kind
        self.match = match
        self.with_all = with_all
        self.secret = secret


def _export(session: Session, out: Output | None, wish: Wish, *, keep_going: bool) -> int:
    settings = session.store_config
    if settings.verifies:
        raise Refused(f"store {settings.name} verifies passwords by itself and gives none out: it cannot be exported")
    lost = Lost()
    giving = Giving(
        wish.kind,
        star_is_clear=settings.star_is_clear,
        with_passwords=wish.secret,
        with_all=wish.with_all,
        lost=lost,
    )
    writing = Writing(wish.kind, giving, store=settings.name)
    try:
        with without_collector():
            fits = covering(wish.match) if wish.match else None
            total = unknown if wish.match else to_be_read(session, settings, session.store, pattern="")
            with session.progress("reading", lambda: writing.users, total):
                writing.take(session.store.held(wish.match), lambda name: fits is None or fits(fold(name)))
            done = keep_going or not lost.faults
            if done:
                _give(session, writing, out)
    finally:
        writing.close()
    return _tell(session, writing, lost, out, done=done)


def _give(session: Session, writing: Writing, out: Output | None) -> None:
    if out is None and os.isatty(1):  # where the users themselves are seen
        session.results.give(writing.give)
        return
    with session.progress("writing", lambda: writing.given, lambda: writing.users):
        if out is None:
            session.results.give(writing.give)
        else:
            out.write(writing.give)


def _tell(session: Session, writing: Writing, lost: Lost, out: Output | None, *, done: bool) -> int:
    for name, reason in lost.faults:
        complain(f"{name!r}: {reason}", color=session.choices.color)
    for part, (count, first) in lost.parts.items():
        users = f"{count:,} user{'s' * (count != 1)}"
        session.note(f"note: not in it: {part}, of {users}, the first of them {first!r}")
    if done and writing.formulas:
        users = f"{writing.formulas:,} user{'s' * (writing.formulas != 1)}"
        session.note(
            f"note: a cell that begins with =, +, - or @, of {users}, the first of them {writing.first_formula!r}: a"
            " spreadsheet may take it for a formula: have it read all columns as text"
        )
    if done and session.store_config.kind in ("passwd", "system"):
        session.note(NOT_GIVEN_OUT)
    if not done:
        left_out = len(lost.faults)
        complain(
            f"{left_out:,} user{'s have' if left_out != 1 else ' has'} no place there: nothing is written;"
            f" --keep-going leaves {'them' if left_out != 1 else 'this one'} out",
            color=session.choices.color,
        )
        return 1
    if out is not None:
        session.note(f"{shown_path(out.path)}: {writing.users:,} user{'s' * (writing.users != 1)}")
    return 1 if lost.faults else 0
