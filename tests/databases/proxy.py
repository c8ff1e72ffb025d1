"""A network that can fail: a TCP proxy between a client and a server on this machine."""

from __future__ import annotations

import queue
import selectors
import socket
import struct
import threading
from typing import TYPE_CHECKING

from tests.databases.server import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

BLOCK = 1 << 16
PATIENCE_SECONDS = 20.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # lingering for 0 seconds: close sends RST, not FIN


class _Flow:
    """One direction.  It holds one block at most, so that each side feels how slowly the other reads."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.held = b""
        self.has_ended = False

    @property
    def reads(self) -> bool:
        return not self.held and not self.has_ended

    def read(self) -> None:
        self.held = self.source.recv(BLOCK)
        if not self.held:
            self.has_ended = True
            self.target.shutdown(socket.SHUT_WR)

    def write(self) -> None:
        self.held = self.held[self.target.send(self.held) :]


class _Pair:
    """A client's connection and ours to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._there, self._back = _Flow(client, server), _Flow(server, client)
        self.is_forgotten = False

    def _flows(self, end: socket.socket) -> tuple[_Flow, _Flow]:
        """The one that reads at this end, and the one that writes there."""
        return (self._there, self._back) if end is self._there.source else (self._back, self._there)

    def watch(self, selector: selectors.BaseSelector, *, passes: bool) -> None:
        """Ask for the events that matter now."""
        for end in (self._there.source, self._back.source):
            reading, writing = self._flows(end)
            events = selectors.EVENT_READ * reading.reads | selectors.EVENT_WRITE * bool(writing.held)
            _register(selector, end, events if passes else 0, self)

    def pump(self, end: socket.socket, events: int) -> None:
        """Move what can be moved at one end.

        Raises:
            OSError: that end was reset, or the server refuses our connection.
        """
        reading, writing = self._flows(end)
        if events & selectors.EVENT_WRITE and writing.held:
            writing.write()
        if events & selectors.EVENT_READ and reading.reads:
            reading.read()

    @property
    def has_ended(self) -> bool:
        return self._there.has_ended and self._back.has_ended

    def close(self, *, reset: bool) -> None:
        for end in (self._there.source, self._back.source):
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            end.close()


class Proxy:
    """Passes connections on to a port of this machine, until told to fail in one of the ways that networks do.

    Each way is in effect when its method returns, for connections just made as well.  The kernel still acknowledges
    what a frozen or forgotten connection sends: keep-alives and TCP_USER_TIMEOUT notice nothing, only a limit on the
    time of a reply does.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.accepted = 0  # connections so far: a client that keeps its connection makes no second one
        self._target = (HOST, target_port)
        self._pairs: set[_Pair] = set()
        self._passes, self._closed = True, False
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._bell_push = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._listener: socket.socket | None = None
        self._listen()
        self._thread = threading.Thread(target=self._loop, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Back to normal.  Frozen connections go on; those that `blackhole` forgot stay forgotten."""
        self._order(self._open)

    def refuse(self) -> None:
        """As when nothing runs there: all connections are reset, and new ones refused."""
        self._order(self._refuse)

    def freeze(self) -> None:
        """As when the server hangs: connections stay and new ones are taken, but no byte moves, either way."""
        self._order(self._freeze)

    def cut(self) -> None:
        """Reset the connections of this moment, once; otherwise nothing changes."""
        self._order(self._reset_all)

    def blackhole(self) -> None:
        """As a firewall that forgets idle connections: those of this moment get no byte any more; new ones pass."""
        self._order(self._forget_all)

    def close(self) -> None:
        if self._thread.is_alive():
            self._order(self._finish)
            self._thread.join(PATIENCE_SECONDS)
        for thing in (self._selector, self._bell, self._bell_push):
            thing.close()

    def _order(self, work: Callable[[], None]) -> None:
        """Have the thread do it, and wait until it has."""
        assert self._thread.is_alive(), "the proxy is closed"
        done = threading.Event()
        self._orders.put(work)
        self._orders.put(done.set)
        self._bell_push.send(b"!")
        assert done.wait(PATIENCE_SECONDS), "the proxy's thread has failed"

    # What follows runs in the thread, which alone touches the connections.

    def _loop(self) -> None:
        while not self._closed:
            for pair in self._pairs:
                pair.watch(self._selector, passes=self._moves(pair))
            for key, events in self._selector.select():
                self._serve(key, events)

    def _serve(self, key: selectors.SelectorKey, events: int) -> None:
        """One event; an earlier one of the same round may have made it void."""
        if key.fileobj is self._bell:
            self._obey()
        elif key.fileobj is self._listener:
            self._accept_all()
        elif key.data in self._pairs and self._moves(key.data):
            self._pump(key.data, key.fileobj, events)  # type: ignore[arg-type]  # a socket of ours

    def _obey(self) -> None:
        self._bell.recv(BLOCK)
        while not self._orders.empty():
            self._orders.get()()

    def _moves(self, pair: _Pair) -> bool:
        return self._passes and not pair.is_forgotten

    def _pump(self, pair: _Pair, end: socket.socket, events: int) -> None:
        try:
            pair.pump(end, events)
        except BlockingIOError:
            pass  # the kernel's hint was out of date
        except OSError:
            self._drop(pair, reset=True)
        else:
            if pair.has_ended:
                self._drop(pair, reset=False)

    def _accept_all(self) -> None:
        while self._listener is not None:
            try:
                client, _ = self._listener.accept()
            except OSError:  # nobody waits, or is gone again
                return
            server = socket.socket()
            for end in (client, server):
                end.setblocking(False)
            server.connect_ex(self._target)  # a refusal shows when the end is watched
            self.accepted += 1
            self._pairs.add(_Pair(client, server))

    def _drop(self, pair: _Pair, *, reset: bool) -> None:
        pair.watch(self._selector, passes=False)
        pair.close(reset=reset)
        self._pairs.discard(pair)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((HOST, self.port), backlog=128)
            self._listener.setblocking(False)
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _open(self) -> None:
        self._passes = True
        self._listen()

    def _refuse(self) -> None:
        self._reset_all()
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _freeze(self) -> None:
        self._passes = False
        self._listen()

    def _reset_all(self) -> None:
        self._accept_all()
        for pair in list(self._pairs):
            self._drop(pair, reset=True)

    def _forget_all(self) -> None:
        self._accept_all()
        for pair in self._pairs:
            pair.is_forgotten = True

    def _finish(self) -> None:
        self._refuse()
        self._closed = True


def _register(selector: selectors.BaseSelector, end: socket.socket, events: int, pair: _Pair) -> None:
    """Make a registration what it should be; without events there is none, since one would still wake at a hang-up."""
    key = selector.get_map().get(end)
    if key is None:
        if events:
            selector.register(end, events, pair)
    elif not events:
        selector.unregister(end)
    elif key.events != events:
        selector.modify(end, events, pair)
