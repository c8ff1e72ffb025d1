"""A password asked of PAM in a process of its own.

Modules of PAM print, fork, change signals, leak, crash and wait for networks.  Here none of it reaches the child that
serves: stdin and stdout are the protocol, and the mail server waits for ten seconds only.
"""

from __future__ import annotations

import os
import select
from time import monotonic, sleep

from nwauth.errors import Refused, Unavailable
from nwauth.stores.system import pam, stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import Final, NoReturn

    from nwauth.stores.system.pam import Result
else:
    import _signal as signal  # `signal` itself imports enum: see nwauth/server.py

REASONS = {
    pam.MAX_TRIES: "PAM takes no more tries",
    pam.ACCOUNT_EXPIRED: "the account has expired",
    pam.NEW_PASSWORD_REQUIRED: "the password has expired and must be changed first",
    pam.PASSWORD_EXPIRED: "the password expired too long ago",
    pam.PERMISSION_DENIED: "PAM does not permit it",
}
MOST_ANSWER_BYTES = 512  # a write of so many arrives whole
END_SECONDS = 0.5  # for a process that has answered, or was killed, to end


class PamService:
    """One service of PAM."""

    def __init__(self, service: str) -> None:
        self._service: Final = service
        self._pam: Final = pam.Pam()
        self._unended: list[int] = []  # processes that were killed and had not ended yet

    def verify(self, user: bytes, password: bytes, address: str | None, *, seconds: float) -> bool:
        """Whether the password is right and the account may be used; the answer takes at most `seconds`.

        Raises:
            Refused: the account may not be used; the text says why.
            Unavailable: PAM cannot tell.
        """
        return self._judged(self._ask(user, password, address, seconds))

    def must_tell(self, nobody: bytes, *, seconds: float) -> None:
        """See whether the service can tell anything: both questions are asked of `nobody`, which no account is called.

        Raises:
            Unavailable: as `verify` would, for everybody.
        """
        try:
            self._judged(self._ask(nobody, nobody, None, seconds, goes_on=True))
        except Refused:
            return

    def _judged(self, result: Result) -> bool:
        """What PAM's answer means.  Raises Refused, Unavailable."""
        if result.code == pam.SUCCESS:
            return True
        if result.asked_for_more:
            raise self._failed("it asks for more than the password (a second module wants the option use_first_pass)")
        if result.code in REASONS:
            raise Refused(f"{REASONS[result.code]} ({result.text})")
        if result.code not in pam.WRONG:
            raise self._failed(f"{result.text} ({result.code}); what its modules say is in the system's log")
        if result.phase == pam.ACCOUNT:
            raise Refused(f"PAM refuses the account ({result.text})")
        return False

    def _failed(self, reason: str) -> Unavailable:
        return Unavailable(f"the PAM service {self._service} cannot tell: {reason}")

    def _ask(
        self, user: bytes, password: bytes, address: str | None, seconds: float, *, goes_on: bool = False
    ) -> Result:
        stack.must_be_there(self._service)
        if seconds <= 0:
            raise self._failed("no time is left in this request")
        self._unended = [pid for pid in self._unended if _ending(pid, 0.0) is None]
        pid, reading, writing = self._started()
        if not pid:
            self._answer(writing, lambda: self._pam.check(self._service, user, password, address, goes_on=goes_on))
        os.close(writing)
        try:
            answer = _read(reading, seconds)
        finally:
            os.close(reading)
        ending = None if answer is None else _ending(pid, END_SECONDS)
        if ending is None:
            _kill(pid)
            if _ending(pid, END_SECONDS) is None:
                self._unended.append(pid)
        if answer is None:
            raise self._failed(f"no answer within {seconds:.1f} s")
        if len(answer) < 3:
            raise self._failed(f"its process ended {ending or 'the conversation'}")
        phase, code, asked_for_more, *text = answer
        return pam.Result(
            phase=phase, code=code, asked_for_more=bool(asked_for_more), text=bytes(text).decode("utf-8", "replace")
        )

    def _started(self) -> tuple[int, int, int]:
        """Another process, 0 in itself, and the two ends of a pipe.  Raises Unavailable."""
        try:
            reading, writing = os.pipe()
        except OSError as error:
            raise self._failed(f"no pipe can be opened: {error.strerror}") from None
        try:
            pid = os.fork()
        except OSError as error:
            os.close(reading)
            os.close(writing)
            raise self._failed(f"no process can be started: {error.strerror}") from None
        return pid, reading, writing

    def _answer(self, writing: int, ask: Callable[[], Result]) -> NoReturn:
        """What the other process does; it never comes back."""
        status = 1
        try:
            os.setsid()  # what ends the serving child gently lets the reply in hand be given
            _cut_off()
            result = ask()
            text = result.text.encode()[: MOST_ANSWER_BYTES - 3]
            os.write(writing, bytes((result.phase, result.code & 255, result.asked_for_more)) + text)
            status = 0
        finally:
            os._exit(status)  # without the C library's own end: a module may have left text for stdout


def _cut_off() -> None:
    """Let go of what belongs to the serving child: the protocol's pipes, and its signals."""
    nowhere = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):  # modules wait for their helpers
        signal.signal(number, signal.SIG_DFL)


def _read(descriptor: int, seconds: float) -> bytes | None:
    """What the other process wrote, nothing where it ended without a word; None where the time is up."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if not poller.poll(seconds * 1000):
        return None
    return os.read(descriptor, MOST_ANSWER_BYTES)


def _kill(pid: int) -> None:
    """Kill the process and what its modules have started."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it leads no group yet, or has ended this moment
            continue
        return


def _ending(pid: int, seconds: float) -> str | None:
    """How the process has ended, in words; None where it has not by then.

    Nothing ends one that waits inside the kernel, as for a file server: whoever waits for it may wait for ever.
    """
    until, pause = monotonic() + seconds, 0.0001
    while True:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # the mail server has us ignore SIGCHLD: the system keeps no ends for us
            return "in a way that the system does not tell"
        if ended and os.WIFSIGNALED(status):
            return f"by signal {os.WTERMSIG(status)}"
        if ended:
            return f"with status {os.WEXITSTATUS(status)}"
        if monotonic() >= until:
            return None
        sleep(pause)
        pause = min(2 * pause, 0.01)
