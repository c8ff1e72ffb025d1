"""Nothing of a test process stays when it ends, however it ends: servers are killed and folders removed.

`atexit` is not enough: pytest may be killed, and the workers of pytest-xdist are at an interrupt.  So a process of its
own (`processes`, run as a program) is told what there is, and cleans up when the pipe to it closes.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.databases import processes


@functools.cache
def unprivileged() -> dict[str, Any]:
    """Arguments of `subprocess`: as root another account, since database servers refuse to be root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give(path: Path) -> None:
    """The path belongs to the account that servers run as."""
    if account := unprivileged():
        os.chown(path, account["user"], account["group"])


def make_folder(name: str) -> Path:
    """A temporary folder of the account that servers run as."""
    folder = Path(tempfile.mkdtemp(prefix=f"nwauth-{name}-"))
    _tell(f"folder {folder}")
    give(folder)
    return folder


def watch(pid: int) -> None:
    """Kill this process and its children at the end."""
    _tell(f"watch {pid}")


def release(pid: int) -> None:
    """It has ended: its number may become another process's."""
    _tell(f"release {pid}")


def _tell(line: str) -> None:
    pipe = _guard().stdin
    assert pipe is not None
    pipe.write(f"{line}\n".encode())


@functools.cache
def _guard() -> subprocess.Popen[bytes]:
    # In a session of its own: a Ctrl-C at the terminal is for pytest alone.
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", processes.__file__],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    atexit.register(guard.communicate)
    return guard
