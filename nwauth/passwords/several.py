"""What several children compute at once: cores share memory and caches, and two are seldom twice as quick as one."""

from __future__ import annotations

import os
import time

from nwauth.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

AT_LEAST_SECONDS = 0.5
BUSY_EXIT = 70  # of a child that could not compute


def logins_per_second(verify: Callable[[], None], *, processes: int, seconds: float = AT_LEAST_SECONDS) -> float:
    """Verifications a second by so many processes that begin together, each for `seconds` and once at least.

    Raises:
        Unavailable: not all of them could compute, for want of memory, or be started.
    """
    start, go = os.pipe()
    children: list[tuple[int, int]] = []
    try:
        children.extend(_started(verify, seconds, start=start, go=go) for _ in range(processes))
    except OSError as error:
        raise Unavailable(f"{processes} processes could not be started: {error.strerror}") from None
    finally:
        os.close(start)
        os.close(go)  # here they begin
        rates = [_rate(*child) for child in children]
    if None in rates:
        raise Unavailable(f"not all of {processes} processes could compute at once: memory is short")
    return sum(rate for rate in rates if rate is not None)


def _started(verify: Callable[[], None], seconds: float, *, start: int, go: int) -> tuple[int, int]:
    """A child, and where it tells what it has done."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _compute(verify, seconds, start=start, go=go, told=writing)
    os.close(writing)
    return pid, reading


def _compute(verify: Callable[[], None], seconds: float, *, start: int, go: int, told: int) -> NoReturn:
    """In the forked child: compute when all may, and say how often in how long."""
    status = BUSY_EXIT
    try:
        os.close(go)
        os.read(start, 1)  # its end
        began, count, taken = time.perf_counter(), 0, 0.0
        while taken < seconds:
            verify()
            count += 1
            taken = time.perf_counter() - began
        os.write(told, f"{count} {taken}".encode())
        status = 0
    finally:
        os._exit(status)


def _rate(pid: int, told: int) -> float | None:
    """What a child has told; None: it could not compute."""
    with open(told, "rb") as pipe:
        count, _, taken = pipe.read().partition(b" ")
    os.waitpid(pid, 0)
    return int(count) / float(taken) if taken else None
