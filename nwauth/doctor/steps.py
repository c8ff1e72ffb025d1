"""The folder ``nwauth.undo``: who can look into it, what killed commands have left open there, what is damaged."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Literal

from nwauth.changes.reading import OtherVersion
from nwauth.changes.steps import FOLDER, OPEN, Steps
from nwauth.doctor.beside import is_abandoned
from nwauth.doctor.files import as_owner
from nwauth.doctor.finding import counted, examples, finding
from nwauth.doctor.mends import AND_SO_ON
from nwauth.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

STEP = re.compile(r"\d{8,}(\.open)?")


def steps(place: Place) -> Iterator[Finding]:
    """What undo goes by is its owner's alone, and each step can be read, and is known to be made or not."""
    above = place.changes or place.folder
    path = os.path.join(above, FOLDER)
    if not os.path.isdir(path):
        return
    if os.stat(path).st_mode & 0o005 and os.stat(above).st_mode & 0o001:
        yield finding(
            "open-to-others",
            f"everybody on this machine can look into {path}: it holds the users' password fields as they were",
            mend=shlex.join(["chmod", "o-rwx", path]),
            file=path,
        )
    try:
        os.close(Steps(above).open())
    except Unavailable as error:  # what lies there is not gone by
        yield finding(
            "open-to-others",
            str(error),
            mend=shlex.join(["chmod", "700", path])
            if os.stat(path).st_mode & 0o022
            else _away(above, path, ".foreign"),
            file=path,
            why="nwauth undo, and every command that changes users, refuses to go by what others may have laid there.",
        )
        return
    names = sorted(name for name in os.listdir(path) if STEP.fullmatch(name))
    left = [name for name in names if name.endswith(OPEN) and is_abandoned(os.path.join(path, name))]
    made = [name for name in names if not name.endswith(OPEN)]
    states = {name: _state(Steps(above), name) for name in (*made, *left)}
    damaged = [name for name, state in states.items() if state == "damaged"]
    yield from _open_steps(place, [os.path.join(path, name) for name in left if states[name] == "sound"])
    yield from _damaged_steps(above, [os.path.join(path, name) for name in damaged])


def _state(steps: Steps, name: str) -> Literal["sound", "damaged", "of another version", "gone"]:
    """What a step at which nobody works is; a damaged one lacks what it was, or holds what none does.

    Raises Unavailable.
    """
    try:
        reading = steps.read(name)
    except OtherVersion:
        return "of another version"  # which takes it back
    except Unavailable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return "gone"  # since it was listed: only so many are kept
        if isinstance(error.__cause__, OSError):
            raise
        return "damaged"
    reading.close()
    return "sound" if reading.head else "damaged"


def _open_steps(place: Place, left: list[str]) -> Iterator[Finding]:
    if left:
        yield finding(
            "open-steps",
            f"{counted(len(left), 'command')} that changed users {'was' if len(left) == 1 else 'were'} killed half-way:"
            f" {examples(left, len(left))}",
            mend=f"{place.nwauth('doctor', '--fix', '--yes')}; or, where its store is no longer in {place.settings},"
            f" forget it: {_away(os.path.dirname(os.path.dirname(left[0])), left[0], '.forgotten')}",
            file=left[0],
            paths=left,
        )


def _damaged_steps(above: str, damaged: list[str]) -> Iterator[Finding]:
    if damaged:
        yield finding(
            "damaged-steps",
            f"{counted(len(damaged), 'step')} of nwauth undo cannot be read: {examples(damaged, len(damaged))}",
            mend=_away(above, damaged[0], ".damaged")
            + (AND_SO_ON if len(damaged) > 1 else "")
            + "; or put it back from a backup of the folder",
            file=damaged[0],
            paths=damaged,
        )


def _away(above: str, path: str, end: str) -> str:
    """The command that has a step forgotten; what it was is kept."""
    return as_owner(os.stat(above).st_uid, ["mv", path, path + end])
