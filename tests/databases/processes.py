"""A server process and its children: stopped, continued and killed as one.

Run as a program this is the guard of a test process (see `guard`), so it imports the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IPC_RMID = 0  # of shmctl(2)
PATIENCE_SECONDS = 30.0  # after which something that was to happen has failed


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Look every few milliseconds whether it has happened."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > until:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.005)


def stop_family(pid: int) -> None:
    """Nothing of it runs any more.  The parent is stopped first: then no further child appears."""
    _stop(pid)
    for child in _children(pid):
        _stop(child)


def continue_family(pid: int) -> None:
    for member in (*_children(pid), pid):
        _send(member, signal.SIGCONT)


def kill_family(pid: int) -> None:
    """As a power cut does: no process of it ends in its own way.  All are gone, or are zombies, afterwards."""
    _stop(pid)
    family, segments = [*_children(pid), pid], _shared_memory(pid)
    for member in family:
        _send(member, signal.SIGKILL)
    wait_until(lambda: all(_state(member) in "ZX" for member in family), "killed processes end")
    for segment in segments:  # else the system keeps it for ever
        ctypes.CDLL(None).shmctl(segment, IPC_RMID, None)


def _shared_memory(pid: int) -> list[int]:
    """The System V segments that it has attached; their numbers are in the column of the inode, see proc(5)."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            return [int(line.split()[4]) for line in file if " /SYSV" in line]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _stop(pid: int) -> None:
    _send(pid, signal.SIGSTOP)
    wait_until(lambda: _state(pid) in "TZX", "a process stops")


def _children(pid: int) -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _fields(name)[1:2] == [str(pid)]]


def _state(pid: int) -> str:
    """One letter as in proc(5); X when it is gone."""
    return _fields(pid)[0]


def _fields(pid: int | str) -> list[str]:
    """State, parent and what follows; the name before them may hold anything, parentheses too."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["X"]


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it ended meanwhile: what a signal was to bring about, or what the caller sees next


def _guard() -> None:
    pids, folders = set[int](), set[str]()
    tasks = {
        "watch": lambda pid: pids.add(int(pid)),
        "release": lambda pid: pids.discard(int(pid)),
        "folder": folders.add,
    }
    for line in sys.stdin:
        task, _, what = line.rstrip("\n").partition(" ")
        tasks[task](what)
    for pid in pids:
        kill_family(pid)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _guard()
