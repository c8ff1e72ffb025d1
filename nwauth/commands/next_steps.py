"""What ``nwauth init`` tells to do next: the lines for the mail server's settings."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from nwauth.commands.session import as_text, shown_path
from nwauth.commands.table import visible

if TYPE_CHECKING:
    from nwauth.commands.session import Session


def note_next_steps(session: Session, folder: str) -> None:
    """What to tell the mail server, and what else to see to."""
    line = f"{_this_command()} -path {as_text(folder)}"
    session.note(
        "\nIn dmail.conf:\n"
        "    authent_method external\n"
        f"    authent_process {visible(line)}\n"
        "In surgemail.ini:\n"
        f'    g_authent_process "{visible(line)}"'
    )
    if os.stat(folder).st_uid == 0:
        place = shown_path(folder)
        session.note(f"{place} belongs to root: if the mail server runs as another, chown -R ACCOUNT: {place}")


def _this_command() -> str:
    """How to call this program, whatever the folder one is in."""
    import shutil

    called = sys.argv[0]
    if os.path.basename(called) == "__main__.py":
        return as_text(f"{sys.executable} -m nwauth")
    found = called if os.sep in called else shutil.which(called) or called
    return as_text(os.path.abspath(found))
