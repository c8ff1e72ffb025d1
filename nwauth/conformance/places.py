"""Temporary folders that hold users: nobody else's to read, locked while in use, and taken away in the end.

Who is killed outright takes nothing away; whoever comes next does, and tells.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nwauth.errors import Unavailable
from nwauth.signals import ending_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX = "nwauth-trial-"


@contextmanager
def temporary(tell: Callable[[str], None]) -> Iterator[str]:
    """A new folder of mode 0700; `tell` is told what others have left behind, which goes first.

    Raises:
        Unavailable: it cannot be made, or not be taken away.
    """
    try:
        root = tempfile.gettempdir()
        for left in _swept(root):
            tell(f"{left} was left behind by one that was killed, with a copy of users in it: it is deleted now")
        place, held = _made(root)
    except OSError as error:
        raise Unavailable(f"no temporary folder can be made (TMPDIR names where): {error.strerror}") from None
    try:
        with ending_interrupts():
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(held)
    if os.path.exists(place):
        raise Unavailable(f"{place} cannot be deleted, and may hold a copy of users: delete it")


def _made(root: str) -> tuple[str, int]:
    """A new folder, and its lock; one that another took for a left one, in the moment before, is made again."""
    while True:
        place = tempfile.mkdtemp(prefix=PREFIX, dir=root)
        try:
            held = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        fcntl.flock(held, fcntl.LOCK_EX)
        if os.path.exists(place):
            return place, held
        os.close(held)


def _swept(root: str) -> Iterator[str]:
    """Delete folders of ours that nobody holds; each that is gone then."""
    for name in os.listdir(root):
        path = os.path.join(root, name)
        held = _taken(path) if name.startswith(PREFIX) else -1
        if held >= 0:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)
            if not os.path.exists(path):
                yield path


def _taken(path: str) -> int:
    """The lock of a folder that we made, and that nobody uses; -1: it is none, as any account may put one there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        status = os.fstat(fd)
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
    except OSError:  # somebody holds it
        pass
    os.close(fd)
    return -1
