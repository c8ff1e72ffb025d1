"""The changes that take a step back in one store, put aside until all of them are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nwauth.names import fold
from nwauth.provisioning.spool import PART, Spool, place
from nwauth.stores.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from nwauth.stores.base import Held
    from nwauth.stores.changes import Block


class Back(Changes):
    """The changes that take a step back, put aside in their order."""

    def __init__(self, store: str) -> None:
        super().__init__(store)
        self._rows: Final = Spool()

    @property
    def count(self) -> int:
        """How many there are."""
        return self._rows.count

    def close(self) -> None:
        """Give the file back."""
        self._rows.close()

    def add(self, now: Held | None, then: Held | None) -> None:
        """One more.  Raises Unavailable where there is no room for it."""
        user = now or then
        assert user is not None  # noqa: S101
        self._rows.add([PART.join((place(fold(user[0])), json.dumps((now, then))))])

    def blocks(self) -> Iterator[Block]:
        """All of them, by name."""
        for rows in self._rows.blocks():
            said = [json.loads(row.rpartition(PART)[2]) for row in rows]
            yield [(now and tuple(now), then and tuple(then)) for now, then in said]
