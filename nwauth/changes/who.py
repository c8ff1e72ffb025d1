"""Who has typed a command: the account that it was started with, and whoever logged in before `su` or `sudo`."""

from __future__ import annotations

import os
from pwd import getpwuid

from nwauth.owner import was_root

MAX_NAME = 256  # anybody may say anything in SUDO_USER, and the head of a step is short
NOBODY = 4_294_967_295  # of a process that no login has started


def who() -> dict[str, object]:
    """``uid`` and ``account``; ``login``, as the system knows it; ``sudo_user``, as sudo says it; None: unknown."""
    uid = 0 if was_root() else os.getuid()
    sudo_user = os.environ.get("SUDO_USER", "")[:MAX_NAME] or None
    return {"uid": uid, "account": _name(uid), "login": _login(), "sudo_user": sudo_user}


def _login() -> str | None:
    try:
        with open("/proc/self/loginuid", "rb") as file:  # bytes: a codec may lie where we cannot read any more
            uid = int(file.read())
        if uid != NOBODY:
            return _name(uid)
    except (OSError, ValueError):  # a system without
        pass
    try:
        return os.getlogin()
    except OSError:  # no terminal
        return None


def _name(uid: int) -> str:
    try:
        return getpwuid(uid).pw_name
    except KeyError:  # an id without a name
        return str(uid)
