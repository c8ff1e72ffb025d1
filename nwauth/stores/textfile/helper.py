"""Long work in a process of its own, while the child goes on serving (spec/protocol.md section 1).

A helper is forked, not executed: the interpreter may lie where the folder's owner cannot read it.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


DONE = b"\0"
UNKNOWN = "the helper process was killed"


def start(task: Callable[[], None], *, keep: tuple[int, ...] = ()) -> int:
    """Run `task` in a helper that nobody need wait for; return a descriptor to read its outcome from.

    The outcome is nothing (done) or a text (what went wrong), and a mark that the helper has lived to say so.  The
    helper has /dev/null as descriptors 0 to 2 and of all others only `keep`: an inherited pipe would keep the server
    from seeing the end of its child.  Raises OSError when no process can be made.
    """
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if pid == 0:
        try:
            if os.fork() == 0:
                _run(task, keep=keep, outcome=writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:  # the server that spawned us ignores SIGCHLD, and so do we: it is reaped already
        pass
    return reading


def outcome(fd: int, *, wait_seconds: float) -> str | None:
    """What became of a helper: "" for done, a text for trouble, None when it is still at work after `wait_seconds`."""
    import select

    text = b""
    while select.select([fd], [], [], wait_seconds)[0]:
        block = os.read(fd, 4096)
        if not block:
            return text.removesuffix(DONE).decode("utf-8", "replace") if text.endswith(DONE) else UNKNOWN
        text += block
    return None


def _run(task: Callable[[], None], *, keep: tuple[int, ...], outcome: int) -> None:
    import signal

    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    low = 3
    for fd in sorted({*keep, outcome}):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
    try:
        task()
        os.write(outcome, DONE)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told to who waits, and ends the helper
        os.write(outcome, (str(error) or type(error).__name__).encode("utf-8", "replace") + DONE)
