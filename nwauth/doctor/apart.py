"""A look in a process apart, which is ended if it takes too long: opening what others lay there may hold for ever."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT, ERROR = "t", "e"


def told_apart(look: Callable[[], str], *, wait_seconds: float) -> str:
    """What `look` tells.  Raises OSError: it could not look, or not in time."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _tell(look, writing)
    os.close(writing)
    try:
        answer = _heard(reading, wait_seconds)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if answer[:1] == TEXT:
        return answer[1:]
    raise OSError(answer[1:] or f"it cannot be looked at within {wait_seconds:g} s")


def _tell(look: Callable[[], str], writing: int) -> None:
    """In the process apart: never comes back."""
    try:
        os.write(writing, _answer(look).encode("utf-8", "surrogateescape"))
    finally:
        os._exit(0)


def _answer(look: Callable[[], str]) -> str:
    try:
        return TEXT + look()
    except OSError as error:
        return ERROR + (f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _heard(reading: int, wait_seconds: float) -> str:
    """What is told in time: a line, which a pipe takes whole."""
    block = os.read(reading, 1 << 16) if select.select([reading], [], [], wait_seconds)[0] else b""
    return block.decode("utf-8", "surrogateescape")
