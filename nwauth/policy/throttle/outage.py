"""Whether the throttle works: told once when it fails and once when it works again; and a rest between two tries."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Notice = Callable[[dict[str, object]], object]

REST_SECONDS = 3.0  # no login pays for each try
MOST_REASONS = 8  # of one outage that are told


class Outage:
    """Of one thing (`doing`): while `reason` is not None it does not work."""

    def __init__(self, doing: str, notice: Notice, monotonic: Callable[[], float]) -> None:
        self._doing: Final = doing
        self._notice: Final = notice
        self._monotonic: Final = monotonic
        self._since = self._until = 0.0
        self._told: Final[set[str]] = set()
        self.reason: str | None = None

    def rests(self) -> bool:
        """Whether it failed just now, and is not to be tried."""
        return self.reason is not None and self._monotonic() < self._until

    def goes_on(self, reason: str) -> None:
        """It does not work, now."""
        now = self._monotonic()
        if self.reason is None:
            self._since = now
        self.reason = reason
        self._until = now + REST_SECONDS
        if reason not in self._told and len(self._told) < MOST_REASONS:
            self._told.add(reason)
            self.tell("down", reason=reason)

    def is_over(self) -> None:
        """It works; again, if it did not."""
        if self.reason is not None:
            self.reason = None
            self._told.clear()
            self.tell("up", down_seconds=round(self._monotonic() - self._since, 1))

    def tell(self, state: str, **facts: object) -> None:
        """Tell how it stands; whoever is told cannot fail the login."""
        try:
            self._notice({"doing": self._doing, "state": state, **facts})
        except Exception:  # noqa: BLE001, S110, there is nowhere to say it
            pass
