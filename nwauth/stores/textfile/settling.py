"""When "not found" may not be believed: a foreign program may be rewriting a file (spec/stores.md section 1)."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.stores.textfile.files import Identity
    from nwauth.stores.textfile.userfile import UserFile

UNENDED_SECONDS = 30.0  # a last line without an end may still be being written for so long


class Settling:
    """Judges states of one file.  `clock` gives seconds since 1970; with `settle_seconds` 0 all that ends is settled.

    `is_ours` tells whether a state of the file is one that we have published ourselves.
    """

    def __init__(
        self, is_ours: Callable[[Identity], bool], *, settle_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._is_ours: Final = is_ours
        self._settle_seconds: Final = settle_seconds
        self._clock: Final = clock
        self._future: tuple[int, float] | None = None

    def doubts(self, file: UserFile) -> bool:
        """Whether what is not found in `file` may yet be there."""
        window = self._window_seconds(file)
        if not window:
            return False
        age = self._clock() - file.identity.mtime_ns / 1e9
        if age >= window or (age < 0 and self._future_has_settled(file.identity, window)):
            return False
        return not self._is_ours(file.identity)

    def being_written(self, name: str, file: UserFile) -> str:
        """What is said where `file`, called so, is in doubt; the same until it settles, so that a log has it once."""
        seconds = -int(-self._window_seconds(file) // 1)  # rounded up
        return f"{name} is being written by another program, try again in {seconds} s"

    def _window_seconds(self, file: UserFile) -> float:
        return self._settle_seconds if file.ended else max(UNENDED_SECONDS, self._settle_seconds)

    def _future_has_settled(self, identity: Identity, window: float) -> bool:
        """A time stamp in the future settles once it has stood for `window` seconds."""
        now = time.monotonic()
        if self._future is None or self._future[0] != identity.mtime_ns:
            self._future = (identity.mtime_ns, now)
        return now - self._future[1] >= window
