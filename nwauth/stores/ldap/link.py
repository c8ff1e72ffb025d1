"""Kept connections to whichever of the servers answers: when they are made, given up, and what is told meanwhile."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import Unavailable
from nwauth.model import Record
from nwauth.stores.health import PUBLIC, Health
from nwauth.stores.ldap.wire import Lost, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Final

    from nwauth.stores.health import Notice
    from nwauth.stores.ldap.dial import Dialler
    from nwauth.stores.ldap.messages import Answer, Operation
    from nwauth.stores.ldap.wire import Wire

    Greet = Callable[[Wire, float], object]

WHOLE_SECONDS = 7.5  # of a request, with all its steps and servers; the mail server waits for 10
RETRY_SECONDS = 0.5  # when no server could be asked, it is tried again after that; until then all are refused at once
DEAD_SECONDS = 30.0  # a server that failed is asked after the others for so long
UNWELL = (51, 52)  # busy, unavailable: another server may do better; other results may be one user's alone


class Limits(Record):
    """How long to wait, in seconds: for a connection, for an answer, and for all of a request."""

    __slots__ = ("connect", "request", "whole")

    def __init__(self, *, connect: float = 2.0, request: float = 3.0, whole: float = WHOLE_SECONDS) -> None:
        self.connect: Final = connect
        self.request: Final = request
        self.whole: Final = whole


class Peer:
    """One server, and how it fares."""

    def __init__(self, dialler: Dialler, health: Health) -> None:
        self.dialler: Final = dialler
        self.health: Final = health
        self.dead_until = 0.0
        self.failures = 0  # connections made before the last one are not trusted any more
        self._has_worked = False

    def __str__(self) -> str:
        return self.dialler.url.text

    def failed(self, trouble: Trouble) -> str:
        """It cannot be asked now; why, for people."""
        self.dead_until = monotonic() + DEAD_SECONDS
        self.failures += 1
        text = f"{self}: {trouble}"
        if trouble.may_be_port and not self._has_worked:
            text += self.dialler.other_port()
        self.health.failed(text)
        return text

    def works(self) -> None:
        self.dead_until = 0.0
        self._has_worked = True
        self.health.works()


class Peers:
    """The servers of one directory, in the order that they are to be asked in; and the breaker over all of them."""

    def __init__(
        self, diallers: Iterable[Dialler], *, store: str, notice: Notice, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._all: Final = [Peer(one, Health(f"asking {one.url.text}", store, notice)) for one in diallers]
        self._retry_seconds: Final = retry_seconds
        self._retry_at = 0.0
        self._reason = ""

    def __str__(self) -> str:
        return ", ".join(map(str, self._all))

    def in_order(self, first: Peer | None = None) -> list[Peer]:
        """Those that are not known to be dead as they are listed, then the dead; `first` before all.

        Raises:
            Unavailable: none could be asked a moment ago.
        """
        now = monotonic()
        if now < self._retry_at:
            raise Unavailable(self._reason, public=PUBLIC, repeated=True)
        return sorted(self._all, key=lambda peer: 0 if peer is first else 2 if peer.dead_until > now else 1)

    def given_up(self, reasons: list[str]) -> Unavailable:
        """None of them can be asked; what to raise."""
        self._reason = "; ".join(reasons)
        self._retry_at = monotonic() + self._retry_seconds
        return Unavailable(self._reason, public=PUBLIC, repeated=True)  # each server's trouble has been told


class Line:
    """A connection that is kept, opened when it is first needed.

    `greet` is called with each new one before anything is asked on it, and raises `Trouble` where it will not do.  One
    that was lost while idle costs one silent retry.
    """

    def __init__(self, peers: Peers, limits: Limits, greet: Greet) -> None:
        self.peer: Peer | None = None  # that was asked last
        self._peers: Final = peers
        self._limits: Final = limits
        self._greet: Final = greet
        self._wire: Wire | None = None
        self._failures = 0  # of the peer, when the connection was made

    def ask(self, operations: Sequence[Operation], until: float, *, first: Peer | None = None) -> list[Answer]:
        """The answers; a server that cannot give them is passed over for the next.  `first` is preferred to all others.

        Raises:
            Unavailable: none can.
        """
        if monotonic() >= until:
            raise Unavailable("no time is left in this request", public=PUBLIC)
        wire, peer, skipped, reasons = self._wire, self.peer, None, []
        if wire is not None and peer is not None:
            try:
                if (first is None or first is peer) and peer.failures == self._failures and wire.is_quiet():
                    return self._asked(wire, operations, until)
            except Lost:
                pass
            except Trouble as trouble:
                skipped = peer
                reasons.append(peer.failed(trouble))
            self.close()
        return self._ask_anew(operations, until, reasons, first=first, skipped=skipped)

    def _ask_anew(
        self,
        operations: Sequence[Operation],
        until: float,
        reasons: list[str],
        *,
        first: Peer | None,
        skipped: Peer | None,
    ) -> list[Answer]:
        for peer in self._peers.in_order(first):
            if peer is skipped:
                continue
            if monotonic() >= until:
                reasons.append(f"{peer}: no time left")
                break
            wire = None
            try:
                wire = self.open(peer, until)
                answers = self._asked(wire, operations, until)
            except Trouble as trouble:
                reasons.append(peer.failed(trouble))
                if wire is not None:
                    wire.close()
            else:
                self._wire, self.peer, self._failures = wire, peer, peer.failures
                peer.works()
                return answers
        raise self._peers.given_up(reasons)

    def open(self, peer: Peer, until: float) -> Wire:
        """A new connection to that server.  Raises Trouble."""
        until = min(until, monotonic() + self._limits.connect)
        wire = peer.dialler.dial(until)
        try:
            self._greet(wire, until)
        except BaseException:
            wire.close()
            raise
        return wire

    def _asked(self, wire: Wire, operations: Sequence[Operation], until: float) -> list[Answer]:
        answers = wire.ask(operations, min(until, monotonic() + self._limits.request))
        for answer in answers:
            if answer.code in UNWELL:
                raise Trouble(f"it answers {answer}")
        return answers

    def disowned(self, trouble: Trouble) -> Unavailable:
        """The server that was asked last has given an answer that will not do; what to raise."""
        peer = self.peer
        self.close()
        return self._peers.given_up([str(trouble) if peer is None else peer.failed(trouble)])

    def close(self) -> None:
        """Hang up."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
