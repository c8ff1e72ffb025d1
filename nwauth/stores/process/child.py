"""One running program of the protocol: lines to it and lines from it, each by a deadline, and its end."""

from __future__ import annotations

import os
import select
from time import monotonic, sleep

from nwauth.stores.process.spawn import reap, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from typing import Final

    from nwauth.stores.process.chatter import Chatter
else:
    import _signal as signal  # as in nwauth.server: `signal` itself costs a child's start as much as the interpreter

BLOCK_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 20  # of a reply; a longer one never ends
GRACE_SECONDS = 0.5  # to end by itself, and again after SIGTERM
TIMED_OUT_GRACE_SECONDS = 0.2  # after SIGTERM, while a request waits for its "cannot tell"
GONE_SECONDS = 1.0  # for the system to end what was killed: it may hang in a dead file system


class Broken(Exception):
    """The program cannot be asked any more; the text says what it did, behind "the module"."""


class Late(Broken):
    """It did not answer in time."""


class Starting(Broken):
    """It has not answered its probe yet: no request was given to it, so there is nothing to be out of step with."""


class Unasked(Broken):
    """It said something that nobody has asked for: nobody knows which question its next line answers."""


class Ended(Broken):
    """It ended, or closed a pipe."""


class Child:
    """A program that was just started.  After a `Broken` only `kill` is left to do.

    `owes` is how many replies it has not given yet, `answered` how many it has; `is_slow`: somebody has waited for its
    start in vain.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: str,
        environment: Mapping[str, str],
        until: float,
        chatter: Chatter,
    ) -> None:
        self.pid, self._in, self._out, self._err = spawn(command, folder=folder, environment=environment, until=until)
        self._end = _open_end(self.pid)  # readable when the process has ended; -1 where there is no such thing
        self._chatter: Final = chatter
        self._reading: Final = select.poll()
        self._writing: Final = select.poll()
        for poller in (self._reading, self._writing):
            for fd in (self._err, self._end):
                if fd >= 0:
                    poller.register(fd, select.POLLIN)
        self._reading.register(self._out, select.POLLIN)
        self._writing.register(self._in, select.POLLOUT)
        self._unread = b""
        self._at = 0
        self.started_at: Final = monotonic()
        self.is_slow = False
        self.owes = 0
        self.answered = 0

    # --- lines ------------------------------------------------------------------------------------------------------

    def must_be_quiet(self) -> None:
        """Raises Broken where the program has said something that nobody has asked for, or has ended."""
        self.must_be_done()
        ready = self._reading.poll(0)
        if ready:
            self._take(ready)
            self.must_be_done()

    def must_be_done(self) -> None:
        """Raises Broken where more than one answer came: nobody knows which of them was meant."""
        if self._at < len(self._unread):
            raise Unasked(f"said what it was not asked for: {self.shown(self._unread[self._at :])}")

    def send(self, line: bytes, until: float) -> None:
        """Give the program a line.  Raises Broken."""
        self.owes += 1
        rest = line
        while True:
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                pass
            except OSError:  # EPIPE
                raise self._ended("closed its input") from None
            if not rest:
                return
            ready = self._wait(self._writing, until, "does not read its input")
            if all(fd != self._in for fd, _ in ready):
                self._take(ready)

    def line(self, until: float) -> bytes:
        """The next line, without its LF.  Raises Broken."""
        while True:
            end = self._unread.find(b"\n", self._at)
            if end >= 0:
                line, self._at = self._unread[self._at : end], end + 1
                return line
            if len(self._unread) - self._at > MAX_LINE_BYTES:
                raise Broken(f"sent a line of more than {MAX_LINE_BYTES} bytes")
            self._take(self._wait(self._reading, until, "did not answer in time"))

    def final(self) -> None:
        """What was read last ends an answer."""
        self.owes -= 1
        self.answered += 1

    def _wait(self, poller: select.poll, until: float, what: str) -> list[tuple[int, int]]:
        rest = until - monotonic()
        ready = poller.poll(rest * 1000 + 1) if rest > 0 else []
        if not ready:
            raise Late(what)
        return ready

    def _take(self, ready: list[tuple[int, int]]) -> None:
        """Read what is there.  Raises Ended."""
        is_over = False
        for fd, _ in ready:
            if fd == self._err:
                self._hear()
            elif fd == self._out:
                if not self._read():
                    raise self._ended("closed its output")
                return
            elif fd == self._end:
                is_over = True
        if is_over and not self._read():  # its last words may have come since the poll
            raise self._ended("ended")

    def _read(self) -> bool:
        """Whether there was more of stdout."""
        try:
            block = os.read(self._out, BLOCK_BYTES)
        except BlockingIOError:
            return False
        self._unread, self._at = self._unread[self._at :] + block, 0
        return bool(block)

    def _hear(self) -> None:
        try:
            said = os.read(self._err, BLOCK_BYTES)
        except BlockingIOError:
            return
        if said:
            self._chatter.heard(said)
            return
        self._reading.unregister(self._err)
        self._writing.unregister(self._err)

    def shown(self, said: bytes) -> str:
        """What it said, for the log."""
        if self._chatter.holds_secret(said):
            return "a text that holds a password"
        return ascii(said[:60].decode("utf-8", "backslashreplace"))

    # --- the end ----------------------------------------------------------------------------------------------------

    def _ended(self, what: str) -> Ended:
        """What to raise: with the exit status, if the program has one by now or in a moment."""
        self.has_ended(within=0.05)
        try:
            status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except (ChildProcessError, AttributeError):
            status = None
        if status is None:
            return Ended(what)
        return Ended(f"ended, {'exit status' if status.si_code == os.CLD_EXITED else 'by signal'} {status.si_status}")

    def leave(self) -> None:
        """Have the program end: by `exit` and the end of its input, then SIGTERM, then SIGKILL; its group with it."""
        try:
            os.write(self._in, b"exit\n")
        except OSError:  # it reads no more
            pass
        self.end_input()
        if not self.has_ended(within=GRACE_SECONDS):
            self._signal(signal.SIGTERM)
            self.has_ended(within=GRACE_SECONDS)
        self.kill()

    def end_input(self) -> None:
        """Have it read the end of its input; nothing can be sent any more."""
        os.close(self._in)
        self._in = -1

    def kill(self, *, grace_seconds: float = 0.0) -> None:
        """End the program and its group now; with a grace, after SIGTERM and that time."""
        if self.pid <= 0:
            return
        if grace_seconds and not self.has_ended(within=0):
            self._signal(signal.SIGTERM)
            self.has_ended(within=grace_seconds)
        self._signal(signal.SIGKILL)
        if self.has_ended(within=GONE_SECONDS):  # else it is left to the system, which is stuck with it
            reap(self.pid)
        self._hear_out()
        for fd in (self._in, self._out, self._err, self._end):
            if fd >= 0:
                os.close(fd)
        self.pid = -1

    def _hear_out(self) -> None:
        """The last words on stderr are often the reason."""
        try:
            self._chatter.heard(os.read(self._err, BLOCK_BYTES))
        except OSError:
            pass
        self._chatter.end()

    def _signal(self, number: int) -> None:
        """Send a signal to the program and all of its group.  Its id is its own until it is reaped."""
        try:
            os.killpg(self.pid, number)
        except OSError:  # it has ended, and with it all of the group
            pass

    def has_ended(self, *, within: float) -> bool:
        """Whether the process has ended, or does `within` seconds; it is heard meanwhile: a full pipe holds it."""
        until = monotonic() + within
        poller = select.poll()
        for fd in (self._out, self._err, self._end):
            if fd >= 0:
                poller.register(fd, select.POLLIN)
        while not _is_over(self.pid):
            rest = until - monotonic()
            if rest <= 0:
                return False
            if self._end < 0:
                sleep(min(rest, 0.005))
            for fd, _ in poller.poll(0 if self._end < 0 else rest * 1000 + 1):
                if fd != self._end and not self._emptied(fd):
                    poller.unregister(fd)
        return True

    def _emptied(self, fd: int) -> bool:
        """Whether there may be more."""
        said = os.read(fd, BLOCK_BYTES)
        if fd == self._err:
            self._chatter.heard(said)
        return bool(said)


def _open_end(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # no Linux, or an old one
        return -1


def _is_over(pid: int) -> bool:
    """Whether a child of ours has ended; where the system can tell without, it is not reaped."""
    try:
        if hasattr(os, "waitid"):
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
