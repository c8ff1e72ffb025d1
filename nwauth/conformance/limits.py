"""A module with less room or fewer rights than we have: how disks that are full and files that are closed are shown."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Started before the module, in its place: it limits itself, and becomes the module.
_FULL = """\
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
os.execvp(sys.argv[1], sys.argv[1:])
"""
_BOUND = """\
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""  # PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: <linux/prctl.h>, <linux/capability.h>

CLOSED = 77  # an exit status that nothing else gives
_LOOK = f"""\
import sys
try:
    open(sys.argv[1], "rb")
except PermissionError:
    sys.exit({CLOSED})
"""


def on_full_disk(words: Sequence[str]) -> list[str]:
    """The command, with no byte that it may write to a file (RLIMIT_FSIZE): so does a full disk refuse it."""
    return [sys.executable, "-I", "-S", "-c", _FULL, *words]


def without_roots_eyes(words: Sequence[str]) -> list[str]:
    """The command; if root starts it, without root's right to read what is closed to everybody."""
    if os.geteuid() != 0:
        return list(words)
    return [sys.executable, "-I", "-S", "-c", _BOUND, *words]


@cache
def permissions_bind() -> bool:
    """Whether a closed file can be shown to a child of ours; root in a container may not give its right up."""
    if os.geteuid() != 0:
        return True
    with tempfile.NamedTemporaryFile() as closed:
        os.chmod(closed.name, 0)
        command = without_roots_eyes([sys.executable, "-I", "-S", "-c", _LOOK, closed.name])
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == CLOSED  # noqa: S603
