"""A network that is cut at the N-th message: each statement of a request is one, and so is each answer."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING

from tests.databases.proxy import Proxy

if TYPE_CHECKING:
    import socket

    from tests.databases.proxy import _Pair


class CuttingProxy(Proxy):
    """Resets all connections in place of passing on one message, once."""

    def __init__(self, target_port: int) -> None:
        self._left = 0
        self._of_server = self._stays_away = False
        super().__init__(target_port)

    def cut_at(self, number: int, *, answer: bool, stays_away: bool = False) -> None:
        """Cut at the `number`-th message from now on: before the server has it, or (`answer`) when it has answered.

        `stays_away`: from then on connections are refused.
        """

        def arm() -> None:
            self._left, self._of_server, self._stays_away = number, answer, stays_away

        self._order(arm)

    @property
    def has_cut(self) -> bool:
        return self._left <= 0

    def _pump(self, pair: _Pair, end: socket.socket, events: int) -> None:
        comes_from_server = end is not pair._there.source
        if self._left > 0 and events & selectors.EVENT_READ and comes_from_server == self._of_server:
            self._left -= 1
            if not self._left:
                (self._refuse if self._stays_away else self._reset_all)()
                return
        super()._pump(pair, end, events)
