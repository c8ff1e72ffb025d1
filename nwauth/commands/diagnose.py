"""``nwauth doctor``: what is wrong with the installation, why it matters, and how it is mended."""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache, partial
from typing import TYPE_CHECKING

import click

from nwauth.changes.folder import changes_folder
from nwauth.commands.command import command, dry_run_option
from nwauth.commands.dmail_option import OPTION, dmail_conf_option
from nwauth.commands.findings import printed, settings
from nwauth.commands.fixes import fixed
from nwauth.commands.shown import as_text
from nwauth.commands.totals import about_all
from nwauth.doctor import Place, servers, versions
from nwauth.doctor.checks import examined
from nwauth.doctor.dropfolders import lister
from nwauth.doctor.fixing import Case

if TYPE_CHECKING:
    from nwauth.commands.session import Session
    from nwauth.dmail.values import DmailConf


@command(
    "doctor",
    examples=(
        "nwauth doctor || echo something is to be mended",
        "nwauth doctor --dmail-conf dmail.conf --format ndjson | tee findings",
        "nwauth doctor --fix --dry-run --format tsv | cut -f 1,9,10",
    ),
)
@dmail_conf_option()
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, after asking, and look again.")
@dry_run_option
def doctor(session: Session, *, dmail: DmailConf | None, fix: bool, dry_run: bool) -> int:
    """Check the installation; each finding says what is wrong, why it matters and how to mend it.

    It looks at the folder and its files, the settings and all users; with the mail server's settings also at what the
    servers ask for, the program they start, the drop files, and what is running. Nothing is changed without --fix.

    Exit status: 0 nothing is wrong, or all of it was mended; 1 there are findings; 75 something could not be examined,
    or not be mended just now.
    """
    if dry_run and not fix:
        raise click.UsageError("--dry-run: wanted --fix with it; without, nothing is ever changed")
    was_root = os.geteuid() == 0
    running = servers.look()
    libraries = versions.look()
    drops = lister(dmail)  # with root's rights, which are given up next
    config, error = settings(session)
    place = Place(
        folder=as_text(os.path.abspath(session.folder)),
        config=config,
        settings_error=error,
        conf=dmail,
        running=running,
        drops=drops,
        libraries=libraries,
        changes="" if config is None else as_text(os.path.abspath(changes_folder(config))),
        settle_steps=None if config is None else partial(_settle_steps, session),
        command=own_command(),
        gave_up_root=was_root and os.geteuid() != 0,
    )
    if dmail is None:
        session.note(f"no dmail.conf was found: what DMail is set to was not looked at ({OPTION} FILE)")

    def users() -> int | None:
        return place.survey.users if place.survey is not None else None

    with session.progress("examining", users, cache(lambda: about_all(session))):
        found = list(examined(place))
    if fix:
        return fixed(session, place, [Case(finding=one, check=check) for check, one in found], dry_run=dry_run)
    return printed(session, [one for _, one in found])


def _settle_steps(session: Session) -> None:
    """Have the stores tell what became of the changes of killed commands.  Raises NwauthError."""
    from nwauth.changes.steps import Steps

    for one in session.config.stores:
        if not one.read_only:
            session.store_of(one)
    session.recorder.mend(Steps(changes_folder(session.config)))


def own_command() -> tuple[str, ...]:
    """What starts this program."""
    if sys.argv[0].endswith("__main__.py"):
        return (sys.executable, "-m", "nwauth")
    return (os.path.abspath(shutil.which(sys.argv[0]) or sys.argv[0]),)
