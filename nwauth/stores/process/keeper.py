"""A module kept alive: started when it is needed, ended when it has failed, and started again after a pause."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import Unavailable
from nwauth.stores.health import Health
from nwauth.stores.process import wire
from nwauth.stores.process.chatter import Chatter
from nwauth.stores.process.child import TIMED_OUT_GRACE_SECONDS, Broken, Child, Ended, Late, Starting
from nwauth.stores.process.spawn import environment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from nwauth.stores.health import Notice

FIRST_PAUSE_SECONDS = 0.5  # after a failure, until the module is started again; doubled with each one that follows
LONGEST_PAUSE_SECONDS = 10.0
STARTING_SECONDS = 1.0  # for the system to start a program while nobody waits; what it does then has its own time
PROBE = wire.lookup("nwauth-probe")  # a look-up is the one request that every module knows
NOBODY_KNOWS = "it cannot be told whether it was stored"


class Keeper:
    """Keeps one program running; `child` is it, None while there is none.

    Each program is given the probe at its start: whoever asks it first reads the answer.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        store: str,
        folder: str,
        environment: Mapping[str, str],
        notice: Notice,
        pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.program: Final = command[0]
        self.chatter: Final = Chatter(store, notice)
        self.health: Final = Health("asking the module", store, notice)
        self.child: Child | None = None
        self._command: Final = command
        self._folder: Final = folder
        self._environment: Final = environment
        self._pause_seconds: Final = pause_seconds
        self._failures = 0
        self._retry_at = 0.0

    def ready(self, until: float) -> Child:
        """A running program.

        Raises:
            Unavailable: it cannot be started, or has failed a moment ago; or `until` has gone by.
        """
        now = monotonic()
        if now >= until:
            raise Unavailable("the time of this request was spent before the module could be asked")
        if self.child is not None:
            return self.child
        if now < self._retry_at:
            raise self.health.failed(self.health.reason or f"{self.program} has failed")
        return self._start(until)

    def _start(self, until: float) -> Child:
        try:
            child = self.child = Child(
                self._command,
                folder=self._folder,
                environment=environment_of(self._environment),
                until=until,
                chatter=self.chatter,
            )
            child.send(PROBE, until)
        except OSError as error:
            raise self.failed(f"cannot be started: {error.strerror}: {error.filename or self.program}") from None
        except Broken as error:
            raise self.failed(error) from None
        return child

    def works(self) -> None:
        """The program has answered a request: the next failure is a first one."""
        self._failures = 0

    def failed(self, reason: object, *, unknown: bool = False) -> Unavailable:
        """Let go of a program that has failed, for a while; what to raise.

        `unknown`: a change may be stored or not.  A program that is still starting is left to it.
        """
        error = self.health.failed(f"{self.program} {reason}")
        if not isinstance(reason, Starting):
            self.drop(grace_seconds=TIMED_OUT_GRACE_SECONDS if isinstance(reason, Late) else 0.0)
            self._retry_at = monotonic() + min(
                LONGEST_PAUSE_SECONDS, self._pause_seconds * 2 ** min(self._failures, 16)
            )
            self._failures += 1
        if unknown:
            return Unavailable(f"{error}, while it was changing a user: it may be stored or not", public=NOBODY_KNOWS)
        return error

    def tend(self) -> None:
        """While nobody waits: start the program, or let go of one that has ended; who asks next hears of a failure."""
        child = self.child
        try:
            if child is None:
                if monotonic() >= self._retry_at:
                    self._start(monotonic() + STARTING_SECONDS)
            elif not child.owes:
                child.must_be_quiet()
        except Ended as error:
            if child is not None and child.answered:
                self.drop()
            else:
                self.failed(error)
        except Broken as error:
            self.failed(error)
        except Unavailable:  # it is noticed
            pass

    def restart(self) -> None:
        """End the program; the next one need not wait for any pause."""
        self.close()
        self._retry_at = 0.0

    def drop(self, *, grace_seconds: float = 0.0) -> None:
        """End the program at once, or after SIGTERM and a grace."""
        child, self.child = self.child, None
        if child is not None:
            child.kill(grace_seconds=grace_seconds)

    def close(self) -> None:
        """Let the program end by itself, and see that it does."""
        child, self.child = self.child, None
        if child is not None:
            child.leave()
