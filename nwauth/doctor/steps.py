"""The folder ``nwauth.undo``: who can look into it, and what commands that were killed have left open there."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from nwauth.changes.steps import FOLDER, OPEN
from nwauth.doctor.beside import is_abandoned
from nwauth.doctor.finding import counted, examples, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place


def steps(place: Place) -> Iterator[Finding]:
    """What undo goes by is its owner's alone, and each step is known to be made or not."""
    above = place.changes or place.folder
    path = os.path.join(above, FOLDER)
    if not os.path.isdir(path):
        return
    if os.stat(path).st_mode & 0o007 and os.stat(above).st_mode & 0o001:
        yield finding(
            "open-to-others",
            f"everybody on this machine can look into {path}: it holds the users' password fields as they were",
            mend=shlex.join(["chmod", "o-rwx", path]),
            file=path,
        )
    found = [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(OPEN)]
    left = [one for one in found if is_abandoned(one)]
    if left:
        yield finding(
            "open-steps",
            f"{counted(len(left), 'command')} that changed users {'was' if len(left) == 1 else 'were'} killed half-way:"
            f" {examples(left, len(left))}",
            mend=place.nwauth("doctor", "--fix", "--yes"),
            file=left[0],
            paths=left,
        )
