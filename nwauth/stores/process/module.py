"""Asking a module, and what of its answers is believed.

The protocol has no request numbers, and a "no" that belongs to another request bounces mail for good.  So a module that
was too late, or said more than it was asked for, is ended and another one started; and before a "no" is believed that
does not name the user, the module has to answer a probe just as it did at its start: a greeting would have put all
its answers one place behind.  So it has before it is given a password: the answer to a look-up, said a second time, is
word for word the "yes" to a check.
"""

from __future__ import annotations

from time import monotonic

from nwauth.names import ENCODING, ERRORS
from nwauth.stores.process import wire
from nwauth.stores.process.child import Broken, Ended, Late, Starting
from nwauth.stores.process.keeper import FIRST_PAUSE_SECONDS, PROBE, Keeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Final

    from nwauth.errors import Unavailable
    from nwauth.stores.health import Notice
    from nwauth.stores.process.child import Child
    from nwauth.stores.process.wire import Reply

START_SECONDS = 30.0  # a module may take to its first answer; requests wait no longer than they would
SLOW_START_SECONDS = 0.01  # what a request waits for a start that another one has waited for in vain
MAX_HITS = 20_000_000  # of a listing
MAX_LISTING_BYTES = 4 << 30
MAX_LISTING_SECONDS = 600.0
MAX_TEXT_CHARACTERS = 200  # of the module's own words in the log


class Module:
    """The program `command`, started when it is first needed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        store: str,
        folder: str,
        environment: Mapping[str, str],
        dead_texts: Sequence[str],
        notice: Notice,
        pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.program: Final = command[0]
        self._keeper: Final = Keeper(
            command,
            store=store,
            folder=folder,
            environment=environment,
            notice=notice,
            pause_seconds=pause_seconds,
        )
        self._dead_texts: Final = tuple(text.lower() for text in dead_texts)
        self._asked_last: Child | None = None
        self._at_start: Reply | None = None  # what that child's probe was answered with
        self._in_step = False
        self._was_told = False  # the request in hand was given to the module, whole

    # --- questions --------------------------------------------------------------------------------------------------

    def ask(self, request: bytes, *, name: str, until: float, secret: bytes = b"") -> Reply:
        """The ``+OK`` or ``-ERR`` to a question about the user `name`; asked twice where a kept module has ended.

        `secret` is the password in it, if it is a check.

        Raises:
            Unavailable: the module cannot tell.
        """
        reply = self._answer(request, name=name, until=until, secret=secret)
        if reply.kind == "-ERR" and wire.is_not_understood(reply.text, name):
            raise self.cannot_tell(reply)
        return reply

    def change(self, request: bytes, *, name: str, until: float, secret: bytes = b"") -> Reply:
        """The ``+OK`` or ``-ERR`` to a change of the user `name`; never asked twice once the module may have got it.

        Raises:
            Unavailable: the module cannot tell; where it was told of the change, nobody can.
        """
        return self._answer(request, name=name, until=until, secret=secret, is_change=True)

    def _answer(self, request: bytes, *, name: str, until: float, secret: bytes, is_change: bool = False) -> Reply:
        while True:
            child = self._keeper.ready(until)
            has_served = child.answered > 0
            self._was_told = False
            try:
                self._give(child, request, until, secret, is_login=bool(secret) and not is_change)
                reply = self._reply(child, until)
                if reply.kind != "-DEAD":
                    self._prove(child, reply, name, until, is_change=is_change)
            except Broken as error:
                unknown = is_change and self._was_told
                if unknown or not has_served or not isinstance(error, Ended):
                    raise self._keeper.failed(error, unknown=unknown) from None
                self._keeper.drop()  # it had to end some time: nobody need know
            else:
                return self._believed(reply)

    def _give(self, child: Child, request: bytes, until: float, secret: bytes = b"", *, is_login: bool = False) -> None:
        """Have the child told of a request, once it has answered what it was asked before.  Raises Broken."""
        if child is not self._asked_last:
            self._asked_last, self._at_start, self._in_step = child, None, False
        if self._at_start is None:
            self._at_start = self._first_reply(child, until)
        elif is_login:
            self._probe(child, until)
        child.must_be_quiet()
        self._keeper.chatter.keep_out(secret)
        child.send(request, until)
        self._was_told = True

    def _first_reply(self, child: Child, until: float) -> Reply:
        """The answer to the probe.  Raises Broken."""
        try:
            return self._reply(child, min(until, monotonic() + SLOW_START_SECONDS) if child.is_slow else until)
        except Late:
            if monotonic() >= child.started_at + START_SECONDS:
                raise
            child.is_slow = True
            raise Starting("is still starting") from None

    def _reply(self, child: Child, until: float) -> Reply:
        """The one line that answers.  Raises Broken."""
        line = child.line(until)
        reply = wire.read_reply(line)
        if reply is None or reply.kind == "+DATA":
            raise Broken(f"said what is no answer: {child.shown(line)}")
        child.must_be_done()
        child.final()
        return reply

    def _prove(self, child: Child, reply: Reply, name: str, until: float, *, is_change: bool) -> None:
        """See that the reply belongs to the request: it names the user, or the module answers the probe as before.

        Twice: of a module that is one answer behind, the first of these would be the one to the request.

        Raises:
            Broken: it does not.
        """
        if reply.kind == "+OK":
            is_named = wire.is_name_of(name, reply.text.partition(" ")[0])
        else:
            is_named = wire.names(reply.text, name)
        # Who is given out under another name must not be another request's user, nor a "no" another request's.
        if not is_named and (reply.kind == "-ERR" or not is_change or not self._in_step):
            for _ in range(2):
                self._probe(child, until)
        self._in_step = True

    def _probe(self, child: Child, until: float) -> None:
        """See that the module answers the probe as it did at its start, or cannot tell now.  Raises Broken."""
        child.must_be_quiet()
        child.send(PROBE, until)
        again = self._reply(child, until)
        if again.kind != "-DEAD" and again != self._at_start:
            raise Broken("is out of step: it greets, or its answers do not belong to what it was asked")

    def _believed(self, reply: Reply) -> Reply:
        """The reply of a module that works, unless it says itself that it does not.  Raises Unavailable."""
        self._keeper.works()
        if reply.kind == "-DEAD":
            raise self.cannot_tell(reply)
        if reply.kind == "-ERR" and self._dead_texts:
            text = reply.text.lower()
            if any(dead in text for dead in self._dead_texts):
                raise self.cannot_tell(reply)
        self._keeper.health.works()
        return reply

    def cannot_tell(self, reply: Reply) -> Unavailable:
        """What to raise where the module says by its reply that it cannot tell."""
        return self._keeper.health.failed(f"{self.program} says: {reply.kind} {self.quoted(reply.text)}")

    def quoted(self, text: str) -> str:
        """The module's own words for the log: without passwords, and not too many."""
        if self._keeper.chatter.holds_secret(text.encode(ENCODING, ERRORS)):
            return "(a text that holds a password)"
        return text[:MAX_TEXT_CHARACTERS]

    # --- listings ---------------------------------------------------------------------------------------------------

    def listing(self, request: bytes, *, timeout_seconds: float) -> Iterator[Reply]:
        """All lines that answer a search, the last one included.  It has its program alone until it is through.

        Raises:
            Unavailable: before the first or after any line.
        """
        keeper = self._keeper
        child = self._told(request, monotonic() + timeout_seconds)
        keeper.child, is_whole = None, False
        try:
            for reply in _lines(child, timeout_seconds):
                is_whole = reply.kind != "+DATA"
                yield self._believed(reply) if is_whole else reply
        except Broken as error:
            raise keeper.failed(error) from None
        finally:
            if is_whole and keeper.child is None:
                keeper.child = child
            else:
                child.kill()

    def _told(self, request: bytes, until: float) -> Child:
        """The child, told of a search; another one where it has ended since it last answered.  Raises Unavailable."""
        while True:
            child = self._keeper.ready(until)
            has_served = child.answered > 0
            try:
                self._give(child, request, until)
            except Broken as error:
                if not (has_served and isinstance(error, Ended)):
                    raise self._keeper.failed(error) from None
                self._keeper.drop()
            else:
                return child

    # --- its life ---------------------------------------------------------------------------------------------------

    def check(self, until: float) -> None:
        """See that the module can be started and answers.  Raises Unavailable."""
        self._keeper.restart()
        reply = self.ask(PROBE, name="nwauth-probe", until=until)
        if reply.kind == "-ERR" and wire.is_not_understood(reply.text, ""):
            raise self.cannot_tell(reply)

    def tend(self) -> None:
        """While nobody waits: see that a module runs."""
        self._keeper.tend()

    def close(self) -> None:
        """Let the module end."""
        self._keeper.close()


def _lines(child: Child, timeout_seconds: float) -> Iterator[Reply]:
    """The lines of an answer up to the one that is final, each in time.  Raises Broken."""
    ends_at = monotonic() + MAX_LISTING_SECONDS
    hits = size = 0
    while hits <= MAX_HITS and size <= MAX_LISTING_BYTES:
        line = child.line(min(monotonic() + timeout_seconds, ends_at))
        reply = wire.read_reply(line)
        if reply is None:
            raise Broken(f"said what is no answer: {child.shown(line)}")
        if reply.kind != "+DATA":
            child.must_be_done()
            child.final()
            yield reply
            return
        hits += 1
        size += len(line)
        yield reply
    raise Broken(f"gave more than {hits - 1} hits, or {size - len(line)} bytes, to one search")
