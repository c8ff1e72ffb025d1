"""Starting another program: with three pipes, in a session of its own, and with nothing else of ours."""

from __future__ import annotations

import os
import select
import sys
from time import monotonic

from nwauth import owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn
else:
    import _signal as signal  # as in nwauth.server: `signal` itself costs a child's start as much as the interpreter

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
DEPTH = "NWAUTH_DEPTH"  # in the environment: how many of us stand above
MAX_DEPTH = 4


class Deep(OSError):
    """A module of a module of a module: the command very likely serves the folder that it is named in."""


def environment_of(more: Mapping[str, str]) -> dict[str, str]:
    """Our environment with `more`, for a program that is to be started.

    Raises:
        Deep: we ourselves are a module of too many.
    """
    depth = os.environ.get(DEPTH, "")
    level = int(depth) if depth.isascii() and depth.isdigit() and len(depth) < 4 else 0
    if level >= MAX_DEPTH:
        raise Deep(0, f"modules within modules, {level} deep: does the command serve the folder that it stands in?")
    return {**owner.environment(), **more, DEPTH: str(level + 1)}


def spawn(
    command: Sequence[str], *, folder: str, environment: Mapping[str, str], until: float
) -> tuple[int, int, int, int]:
    """Start `command` in `folder`; its process id, and our ends of its stdin, stdout and stderr.

    The program leads a session and process group of its own, and has every signal as the system gives it.  On Linux it
    gets SIGTERM when we die: a module that hangs would not see the end of its input.  It is forked and not
    `posix_spawn`ed, which can neither close what our own parent left open nor ask for that signal.

    Raises:
        OSError: it cannot be started; `filename` is the program or the folder.
        TimeoutError: nor had it been by `until` (of `monotonic`).
    """
    _keep_ids()
    die_with_parent = _death_wish()
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for ours_reads in (False, True, True, True):
            reading, writing = os.pipe()
            ours.append(reading if ours_reads else writing)
            theirs.append(writing if ours_reads else reading)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(command, folder, environment, pipes=theirs, die_with_parent=die_with_parent, parent=parent)
    except BaseException:
        _close(ours + theirs)
        raise
    _close(theirs)
    failure = ours.pop()
    try:
        _must_have_begun(failure, command[0], folder, until)
    except BaseException:
        _close(ours)
        os.kill(pid, signal.SIGKILL)
        reap(pid)
        raise
    finally:
        os.close(failure)
    for fd in ours:
        os.set_blocking(fd, False)
    return pid, ours[0], ours[1], ours[2]


def reap(pid: int) -> None:
    """Take the status of a child that has ended or is about to."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def _keep_ids() -> None:
    """See that a child's id stays its own until we let go of it: a server may have left SIGCHLD ignored to us."""
    try:
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    except ValueError:  # only the main thread may; no thread of ours serves
        pass


def _death_wish() -> Callable[[], object] | None:
    """What a forked child calls to get SIGTERM when we die; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    try:
        from ctypes import CDLL

        prctl = CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _become(
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    *,
    pipes: Sequence[int],
    die_with_parent: Callable[[], object] | None,
    parent: int,
) -> NoReturn:
    """In the forked child: turn into the program, or say on the last of `pipes` why not."""
    failure, what = pipes[3], b"p"
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        if die_with_parent is not None:
            die_with_parent()
            if os.getppid() != parent:  # it died before it could be said
                os._exit(0)
        for target, fd in enumerate(pipes[:3]):
            os.dup2(fd, target)
        os.closerange(3, failure)
        os.closerange(failure + 1, os.sysconf("SC_OPEN_MAX"))
        what = b"f"
        os.chdir(folder)
        what = b"p"
        os.execvpe(command[0], list(command), dict(environment))  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        os.write(failure, what + str(error.errno or 0).encode())
    finally:
        os._exit(127)


def _must_have_begun(failure: int, program: str, folder: str, until: float) -> None:
    """Raises OSError where the child says that it could not become the program, or says nothing in time."""
    poller = select.poll()
    poller.register(failure, select.POLLIN)
    if not poller.poll(max(0.0, until - monotonic()) * 1000):
        raise TimeoutError(0, "it could not be started in time", program)
    said = os.read(failure, 64)
    if said:
        number = int(said[1:])
        raise OSError(number, os.strerror(number), folder if said[:1] == b"f" else program)


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
