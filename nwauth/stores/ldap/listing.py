"""Everybody in a directory, page by page, on a connection of its own: the list may be long."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import Unavailable
from nwauth.stores.health import PUBLIC
from nwauth.stores.ldap import messages
from nwauth.stores.ldap.wire import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.stores.ldap.link import Line, Peer, Peers
    from nwauth.stores.ldap.messages import Answer, Entry
    from nwauth.stores.ldap.people import People
    from nwauth.stores.ldap.wire import Wire

    Fault = Callable[[Answer, Peer], str]  # why an answer does not tell who is there


def entries(
    people: People, peers: Peers, line: Line, *, first: Peer | None, seconds: float, fault: Fault
) -> Iterator[Entry]:
    """All entries that are users; `first` is the server to ask first, `seconds` are for each page.

    Raises:
        Unavailable: before the first or after any entry: the list is not whole.
    """
    wire, peer = _opened(peers, line, first, seconds)
    cookie = b""
    try:
        while True:
            (answer,) = wire.ask([people.page(cookie, seconds=seconds)], monotonic() + seconds)
            yield from answer.entries
            trouble = fault(answer, peer)
            if trouble:
                hint = ": raise the limit of bind_dn there" if answer.code == messages.SIZE_LIMIT else ""
                raise Unavailable(f"the list is not whole: {trouble}{hint}", public=PUBLIC)
            cookie = answer.cookie
            if not cookie:
                return
    except Trouble as trouble:
        raise Unavailable(f"the list is not whole: {peer}: {trouble}", public=PUBLIC) from None
    finally:
        wire.close()


def _opened(peers: Peers, line: Line, first: Peer | None, seconds: float) -> tuple[Wire, Peer]:
    """A connection to the first server that has one.  Raises Unavailable."""
    until = monotonic() + seconds
    reasons = []
    for peer in peers.in_order(first):
        try:
            return line.open(peer, until), peer
        except Trouble as trouble:
            reasons.append(peer.failed(trouble))
    raise peers.given_up(reasons)
