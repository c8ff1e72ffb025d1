"""The serving loop: request lines in, replies out (spec/protocol.md section 1).  It never raises."""

from __future__ import annotations

import os
import select
import time

from nwauth import __version__, protocol
from nwauth.audit import ERROR, INFO
from nwauth.errors import NotSupported, NwauthError, Unavailable
from nwauth.model import UNSAYABLE
from nwauth.protocol import Check, Delete, Exit, Help, Lookup, Reply, Search, Set, Version
from nwauth.service import BadName, NoSuchUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Iterator

    from nwauth.audit import Log
    from nwauth.model import User
    from nwauth.protocol import Parser, Request
    from nwauth.service import Service

    Facts = dict[str, object]
    Write = Callable[[bytes], None]
else:
    # `signal` itself imports enum, which costs a child's start as much as the interpreter; this is its C half.
    import _signal as signal

BLOCK_BYTES = 8192  # larger blocks leave holes in the heap: 5 MB of them after a day of requests
QUICK_SECONDS = 0.0002  # a look-up without an index takes 40 ms and more: no reply waits for the next of those
_RESULTS = {"+OK": "ok", "-ERR": "no", "-DEAD": "dead"}


class Hangup(Exception):
    """Nobody reads our replies any more."""


class Conversation:
    """Answers requests, one at a time, and logs each.

    `drop_path` gives the drop path of a stored name where the command line asked for real ones; `before_reply` is
    called before each final reply (the ``-sleep`` test aid).
    """

    def __init__(
        self,
        service: Service,
        parser: Parser,
        log: Log,
        *,
        service_name: str = "",
        drop_path: Callable[[str], str] | None = None,
        before_reply: Callable[[], None] | None = None,
    ) -> None:
        self._service = service
        self._parser = parser
        self._log = log
        self._service_name = service_name
        self._drop_path = drop_path
        self._before_reply = before_reply

    def hurry(self, before_slow: Callable[[], None]) -> None:
        """Have `before_slow` called before a `check` begins what takes milliseconds: a slow hash, an upgrade."""
        self._service.passwords.before_slow = before_slow

    def read(self, line: bytes, write: Write) -> Request | None:
        """The request on a line; None for a blank line, and for one that is no request, which is answered here.

        Raises:
            Hangup: the reply could not be written.
        """
        facts: Facts = {}
        try:
            return self._parser.parse(line)
        except NwauthError as error:
            reply = self._failure(None, error, facts)
        except Exception as error:  # noqa: BLE001 - as in `respond`
            reply = self._bug(None, error, facts)
        self._reply(None, reply, facts, time.monotonic(), write)
        return None

    def respond(self, request: Request, write: Write, started: float | None = None) -> Reply:
        """Carry out one request, write the reply and log it; return the final reply.

        `started` is when it was read, in seconds of the monotonic clock, for the log.

        Raises:
            Hangup: the reply could not be written.
        """
        facts: Facts = {}
        if started is None:
            started = time.monotonic()
        try:
            reply = self._carry_out(request, facts, write)
        except NwauthError as error:
            reply = self._failure(request, error, facts)
            self._reply(request, reply, facts, started, write, repeated=error.repeated)
            return reply
        except Hangup:
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not end the service, nor be told as "no"
            reply = self._bug(request, error, facts)
        self._reply(request, reply, facts, started, write)
        return reply

    def _carry_out(self, request: Request, facts: Facts, write: Write) -> Reply:  # noqa: PLR0911 - one a command
        match request:
            case Lookup():
                return self._lookup(request, facts)
            case Check():
                return self._check(request, facts)
            case Set():
                return self._set(request, facts)
            case Delete():
                return self._delete(request, facts)
            case Search():
                return self._search(request, facts, write)
            case Version():
                return protocol.ok(f"nwauth {__version__}")
            case Help():
                return self._help(write)
            case Exit():
                return protocol.ok("goodbye")

    def _lookup(self, request: Lookup, facts: Facts) -> Reply:
        user = self._service.lookup(request.user, facts.__setitem__)
        return protocol.does_not_exist(request.user) if user is None else self._found(user)

    def _check(self, request: Check, facts: Facts) -> Reply:
        facts["ip"] = request.address or "unknown"
        if request.stray_length and request.address is None:
            facts["ip_word_length"] = request.stray_length
        user = self._service.check(
            request.user, request.password, facts.__setitem__, address=request.address, service=self._service_name
        )
        return protocol.wrong_password(request.user) if user is None else self._found(user)

    def _set(self, request: Set, facts: Facts) -> Reply:
        self._service.set(request.user, request.password, request.fields, facts.__setitem__)
        return protocol.ok(f"{request.user} added to database")

    def _delete(self, request: Delete, facts: Facts) -> Reply:
        if not self._service.delete(request.user, facts.__setitem__):
            return protocol.does_not_exist(request.user)
        return protocol.ok(f"{request.user} deleted")

    def _search(self, request: Search, facts: Facts, write: Write) -> Reply:
        listing = self._service.search(
            request.pattern, skip=request.skip, limit=request.limit, report=facts.__setitem__
        )
        for user in listing:
            name = user.name.replace('"', "'")  # a quote would begin what looks like an info field
            info = user.info.public().text
            write(protocol.data(f"{name} {info}" if info else name).encode())
        facts["found"] = listing.found
        return protocol.ok(f"Search Complete {listing.found} items found out of {listing.total}")

    def _help(self, write: Write) -> Reply:
        for grammar in protocol.GRAMMAR.values():
            write(protocol.data(grammar).encode())
        return protocol.ok("Help Complete")

    # --- parts ----------------------------------------------------------------------------------------------------

    def _found(self, user: User) -> Reply:
        if user.drop_path != "config" or user.uid != "0":
            _must_be_words(user)
        path = user.drop_path if self._drop_path is None else self._drop_path(user.name)
        info = user.info.text
        if "_" in info:  # as in the name of each secret: quicker seen than by a call, and at each login
            info = user.info.public().text
        return protocol.ok(f"{user.name} {path} {user.uid} {info}" if info else f"{user.name} {path} {user.uid}")

    @staticmethod
    def _failure(request: Request | None, error: NwauthError, facts: Facts) -> Reply:
        facts["reason"] = str(error)
        if error.temporary:
            return protocol.dead(error.public)
        if isinstance(error, NoSuchUser) and isinstance(request, Set):
            return protocol.does_not_exist(request.user)
        if isinstance(error, BadName) and isinstance(request, Set):
            return protocol.err("not a valid name", request.user)
        if isinstance(error, NotSupported):
            return protocol.err("not supported here")
        return protocol.err(error.public)

    def _bug(self, request: Request | None, error: Exception, facts: Facts) -> Reply:
        facts["reason"] = f"internal fault: {type(error).__name__}"
        self._log.bug(error, command="" if request is None else request.command)
        return protocol.dead("internal fault, see the log")

    def _reply(
        self,
        request: Request | None,
        reply: Reply,
        facts: Facts,
        started: float,
        write: Write,
        *,
        repeated: bool = False,
    ) -> None:
        """Write the final reply; one log line a request: at level error what could not be told, at info all.

        What could not be told for a reason that is `repeated`, being in the log already, is told at info too.
        """
        if self._before_reply is not None:
            self._before_reply()
        write(reply.encode())
        level = ERROR if reply.kind == "-DEAD" and not repeated else INFO
        if level > self._log.level:
            return
        line: Facts = {}
        subject = getattr(request, "user", None) or getattr(request, "pattern", None)
        if subject is not None:
            line["user"] = subject
        if self._service_name:
            line["service"] = self._service_name
        line |= facts
        line["result"] = _RESULTS[reply.kind]
        command = "invalid" if request is None else request.command
        self._log.request(level, command, line, (time.monotonic() - started) * 1000)


def _must_be_words(user: User) -> None:
    """Raises Unavailable where a drop path or uid would be read as more than one word of the answer."""
    fault = user.unsayable()
    if fault:
        raise Unavailable(fault, public=UNSAYABLE)


def serve(lines: Iterable[bytes], writer: Writer, conversation: Conversation) -> None:
    """Answer every line until the input ends, an ``exit`` is read, or nobody reads the replies any more.

    Replies to quick requests that came together are written together: a write takes as long as a look-up.  What was
    held back is written before anything else begins (see `Conversation.hurry`), and behind what was not quick.
    """
    conversation.hurry(writer.flush)
    try:
        for line in lines:
            began = time.monotonic()
            request = conversation.read(line, writer.later)
            if request is None:
                continue
            if type(request) is not Lookup and type(request) is not Check:
                writer.flush()
            conversation.respond(request, writer.later, began)
            if type(request) is Exit:
                break
            if time.monotonic() - began > QUICK_SECONDS:
                writer.flush()
        writer.flush()
    except Hangup:
        return


def tend(service: Service, log: Log) -> None:
    """Do what was put off; it must never end the service, nor change an answer."""
    try:
        service.tend()
    except Exception as error:  # noqa: BLE001 - whatever it is
        log.bug(error, command="tend")


class Stop:
    """SIGTERM and SIGINT as a wish to stop: seen after the reply in hand, or at once while waiting for a request."""

    def __init__(self) -> None:
        self.wanted = False
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    def install(self) -> None:
        """Take the two signals; a byte in our pipe then wakes the poll, so that none is lost before it."""
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._want)

    def _want(self, _number: int, _frame: object) -> None:
        self.wanted = True

    def fileno(self) -> int:
        """What to poll."""
        return self._reading


def read_lines(fd: int, stop: Stop, idle: Callable[[], None]) -> Iterator[bytes]:
    """The lines that arrive on `fd`, without their LF; the last one also when the input ends without one.

    A line is cut soon after `protocol.MAX_LINE_BYTES`: the rest of it is read and forgotten.  `idle` is called before
    each wait: all that has arrived is answered then.
    """
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    poller.register(stop.fileno(), select.POLLIN)
    pending = b""
    while not stop.wanted:
        idle()
        poller.poll()
        if stop.wanted:
            return
        try:
            block = os.read(fd, BLOCK_BYTES)
        except BlockingIOError:
            continue
        except OSError:
            return
        if not block:
            if pending:
                yield pending
            return
        lines = (pending + block).split(b"\n")
        pending = lines.pop()[: protocol.MAX_LINE_BYTES + 2]
        for line in lines:
            if stop.wanted:
                return
            yield line


class Writer:
    """Writes replies on a descriptor: called with one, at once.

    `later` holds up to `most_held` replies back for one write with those that follow; who calls it sees to the `flush`.
    """

    def __init__(self, fd: int, *, most_held: int = 64) -> None:
        self._fd = fd
        self._most_held = most_held
        self._held: list[bytes] = []

    def __call__(self, data: bytes) -> None:
        """Write `data`, behind what was held back.

        Raises:
            Hangup: nobody reads any more.
        """
        if self._held:
            self._held.append(data)
            self.flush()
        else:
            self._write(data)

    def later(self, data: bytes) -> None:
        """Write `data` soon.  Raises Hangup."""
        self._held.append(data)
        if len(self._held) >= self._most_held:
            self.flush()

    def flush(self) -> None:
        """Write what was held back.  Raises Hangup."""
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._write(data)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                _wait_until_writable(self._fd)
            except OSError as error:
                raise Hangup from error


def _wait_until_writable(fd: int) -> None:
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    poller.poll()
