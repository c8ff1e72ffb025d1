"""Temporary folders that hold users: nobody else's to read, locked while in use, and taken away in the end.

Who is killed outright takes nothing away; whoever comes next does, and tells.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nwauth.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX = "nwauth-trial-"
ENDING = (signal.SIGTERM, signal.SIGHUP)  # what else ends a command, without a word


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
        place = tempfile.mkdtemp(prefix=PREFIX, dir=root)
    except OSError as error:
        raise Unavailable(f"no temporary folder can be made (TMPDIR names where): {error.strerror}") from None
    held = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with _ending_in_order():
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(held)
    if os.path.exists(place):
        raise Unavailable(f"{place} cannot be deleted, and may hold a copy of users: delete it")


def _swept(root: str) -> Iterator[str]:
    """Delete folders of ours that nobody holds; each that is gone then."""
    for name in os.listdir(root):
        path = os.path.join(root, name)
        if name.startswith(PREFIX) and _is_left(path):
            shutil.rmtree(path, ignore_errors=True)
            if not os.path.exists(path):
                yield path


def _is_left(path: str) -> bool:
    """Whether it is a folder that we made, and that nobody uses: any account may put something of that name there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) != 0o700:
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """A signal that ends the command lets it clear up first."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        if before[number] == signal.SIG_DFL:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
