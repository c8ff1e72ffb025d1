"""Root's ids given up for those of a folder's owner, before anything in it is read.

A command that root starts takes the ids of the folder's owner before it reads anything in the folder, the
configuration too: so it sees what the server's children see.  Only what the command line itself names, the files of
``--password-file``, ``--dmail-conf`` and ``nwauth import``, is read before, with the ids of whoever typed it.
"""

from __future__ import annotations

import os

from nwauth.commands.shown import as_text, visible
from nwauth.commands.table import widths_ready
from nwauth.errors import Unavailable

# What the commands import on use: read in before root's ids are given up (see nwauth.owner).
ON_USE = (
    "click._textwrap",
    "click.shell_completion",
    "csv",
    "difflib",
    "faulthandler",
    "functools",
    "io",
    "linecache",
    "rich.cells",
    "secrets",
    "shutil",
    "syslog",
    "termios",
)
ON_A_TERMINAL = ("rich.console", "rich.progress", "rich.table", "rich.text")


def take_ids(folder: str) -> None:
    """Give up root's ids for those of the owner of `folder`.

    Raises:
        Unavailable: the system does not let us.
    """
    if os.geteuid() != 0:
        return
    from importlib import import_module

    from nwauth.owner import become_owner

    for module in (*ON_USE, *(ON_A_TERMINAL if os.isatty(1) or os.isatty(2) else ())):
        import_module(module)
    widths_ready()
    try:
        become_owner(folder)
    except OSError as error:
        raise Unavailable(f"cannot take the ids of the owner of {visible(as_text(folder))}: {error.strerror}") from None
