"""What ``nwauth init --dmail-conf FILE`` does beyond ``nwauth init``: settings that match the mail server's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nwauth.commands.shown import shown_path, visible
from nwauth.config.example import commented_example
from nwauth.dmail.matching import matching

if TYPE_CHECKING:
    from nwauth.commands.session import Session
    from nwauth.config import Config
    from nwauth.dmail.matching import Plan
    from nwauth.dmail.values import DmailConf

HELP = "Make what matches the mail server's settings: its domains, prefixes, password files."
DIFFERS = (
    "note: {settings} is kept, and has other stores than {file} asks for: nwauth init --path ELSEWHERE --dmail-conf"
    " {file} makes those, to compare"
)


def plan_for(session: Session, dmail: DmailConf, folder: str, *, shared: bool) -> Plan:
    """What matches the mail server's settings; what is wrong with those is told.  Raises Refused."""
    for problem in dmail.problems:
        session.note(f"note: {visible(str(problem))}")
    return matching(dmail, folder=folder, shared=shared)


def settings_text(plan: Plan) -> str:
    """The ``nwauth.toml`` of a plan."""
    return commented_example(stores=plan.stores, default_domain=plan.default_domain)


def note_difference(session: Session, settings: str, plan: Plan) -> None:
    """Say that the settings which stand there are not those of the plan."""
    from nwauth.config import read
    from nwauth.config.reading import parsed

    folder = os.path.dirname(settings)
    wanted = parsed(settings_text(plan).encode(), file=settings, folder=folder)
    if _outline(wanted) != _outline(read(folder)):
        session.note(DIFFERS.format(settings=shown_path(settings), file=shown_path(plan.file)))


def _outline(config: Config) -> list[object]:
    """Which stores there are, for which names."""
    stores = [(one.kind, one.path, config.routes.get(one.name)) for one in config.stores]
    return [*stores, config.names.default_domain]


def note_plan(session: Session, plan: Plan) -> None:
    """Say what the settings alone do not do."""
    for path in plan.passwd_files:
        if not os.path.exists(path):
            session.note(f"note: {shown_path(path)} is not there: of its users nothing can be told till it is")
    for text in plan.notes:
        session.note(f"note: {visible(text)}")
