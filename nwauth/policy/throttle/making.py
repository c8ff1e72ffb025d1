"""How the throttle's database comes to be, and is made anew where it is damaged: by one copy of the program at a time.

The log of an earlier database must never be read over a new one, so it
goes before the new file is given its name.
"""

from __future__ import annotations

import os

from nwauth.policy.throttle import files
from nwauth.policy.throttle.database import image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.policy.throttle.files import Identity

DAMAGED = ".damaged"


def make(path: str) -> None:
    """Make the database `path`, unless another copy of the program is faster.

    Raises:
        OSError: it cannot be made.
    """
    content = image()
    with files.FolderLock(os.path.dirname(path)):
        if os.path.lexists(path):
            return
        _remove_logs(path)
        files.put(path, content)


def make_anew(path: str, damaged: Identity) -> bool:
    """Put the damaged file aside and a new one in its place; False: another copy of the program has done it.

    Nothing of the damaged file may be open here.

    Raises:
        OSError: it cannot be done.
    """
    content = image()
    with files.FolderLock(os.path.dirname(path)):
        if files.identity(os.stat(path)) != damaged:
            return False
        _remove_logs(path)
        os.rename(path, path + DAMAGED)
        _remove_logs(path)  # that of one who has just opened the damaged file
        files.put(path, content)
    return True


def _remove_logs(path: str) -> None:
    for end in (*files.LOGS, files.JOURNAL):
        try:
            os.unlink(path + end)
        except FileNotFoundError:
            continue
