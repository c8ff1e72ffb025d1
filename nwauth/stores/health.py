"""Whether something works that a store leans on; when not, that is told once, not in the log line of every request."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Notice = Callable[[dict[str, object]], object]

PUBLIC = "the user database cannot be asked now, see the log"


NOT_TAKEN = "the user database does not take this, see the log"
MOST_REASONS = 20  # of one outage that are told


def unheard(_facts: dict[str, object]) -> None:
    """A `Notice` for nobody."""


class Health:
    """Whether one thing works (`doing`); each reason why not is noticed once an outage, and so is its end."""

    def __init__(self, doing: str, store: str, notice: Notice) -> None:
        self._facts: Final[dict[str, object]] = {"store": store, "doing": doing}
        self._notice: Final = notice
        self._since = 0.0
        self._told: set[str] = set()
        self.reason: str | None = None

    def failed(self, reason: str) -> Unavailable:
        """It does not work now; returns what to raise."""
        if self.reason is None:
            self._since = monotonic()
        if reason not in self._told and len(self._told) < MOST_REASONS:
            self._told.add(reason)
            self._notice({**self._facts, "state": "down", "reason": reason})
        self.reason = reason
        return Unavailable(reason, public=PUBLIC, repeated=True)

    def works(self) -> None:
        """It works again, if it did not."""
        if self.reason is not None:
            self._notice({**self._facts, "state": "up", "down_seconds": round(monotonic() - self._since, 1)})
            self.reason = None
            self._told.clear()
