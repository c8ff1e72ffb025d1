"""``nwauth import multiauth.ini``: the same modules, for the same names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nwauth.commands.ids import take_ids
from nwauth.commands.init import write_new
from nwauth.commands.next_steps import note_next_steps
from nwauth.commands.shown import as_text, shown_path, visible
from nwauth.config import FILE_NAME
from nwauth.config.example import commented_example
from nwauth.dmail import multiauth
from nwauth.errors import Refused

if TYPE_CHECKING:
    from nwauth.commands.given import Given
    from nwauth.commands.session import Session

MAX_BYTES = 1 << 20


def import_settings(session: Session, file: Given, *, dry_run: bool) -> int:
    """Make nwauth.toml of a multiauth.ini.

    Raises:
        Refused: it is none, or there is a nwauth.toml.
        Unavailable: it cannot be read, or the other not written.
    """
    content = file.content(most=MAX_BYTES, wanted="a multiauth.ini")
    found = multiauth.read(content, file=file.name)
    plan = multiauth.plan(found)
    text = commented_example(stores=plan.stores, log_level=plan.log_level)
    session.place = folder = os.path.abspath(session.folder)
    take_ids(folder)
    path = os.path.join(folder, FILE_NAME)
    if os.path.lexists(path):
        raise Refused(f"{shown_path(path)} is there: move it away first, or take another --path")
    if not dry_run:
        if not os.path.isdir(folder):
            raise Refused(f"{shown_path(folder)}: found no folder, wanted one to write nwauth.toml in")
        write_new(path, text.encode())
    stores = [f"module{module.number}" for module in found.modules]
    record: dict[str, object] = {"path": as_text(path), "dry_run": dry_run, "stores": stores, "text": text}
    if dry_run:
        session.results.record(record, text.rstrip("\n"))
    elif session.prints_changes:
        session.results.record(record, f"{shown_path(path)}: {len(stores)} stores, made")
    for note in plan.notes:
        session.note(f"note: {visible(note)}")
    if not dry_run:
        note_next_steps(session, folder)
    return 0
