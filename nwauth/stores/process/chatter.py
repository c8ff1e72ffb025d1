"""What a module writes to stderr: into the log, a few lines at a time, and no line that holds a password."""

from __future__ import annotations

from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.stores.health import Notice

MAX_LINE_BYTES = 300  # of a line that is logged; the rest of it is left out
KEPT_BYTES = MAX_LINE_BYTES + 1024  # so that a password that begins in what is logged is known as one
BURST_LINES = 10  # that are logged at once, and then one every so many seconds
SECONDS_A_LINE = 6.0
SECRETS_KEPT = 2  # a module may speak of a request after its reply


class Chatter:
    """Takes a module's stderr as it comes; `notice` is told of whole lines."""

    def __init__(self, store: str, notice: Notice, *, clock: Callable[[], float] = monotonic) -> None:
        self._store: Final = store
        self._notice: Final = notice
        self._clock: Final = clock
        self._lines = float(BURST_LINES)  # that may be logged now
        self._filled_at = clock()
        self._left_out = 0
        self._begun = b""
        self._is_cut = False
        self._secrets: list[bytes] = []

    def keep_out(self, secret: bytes) -> None:
        """No line that holds `secret` is logged, while this request and the next one last."""
        self._secrets = [*self._secrets, secret][-SECRETS_KEPT:]

    def holds_secret(self, text: bytes) -> bool:
        """Whether a password that was just sent stands in `text`."""
        return any(secret and secret in text for secret in self._secrets)

    def heard(self, data: bytes) -> None:
        """Some bytes of stderr."""
        first, *others = data.split(b"\n")
        for rest in others:
            self._add(first)
            self._tell()
            first = rest
        self._add(first)

    def end(self) -> None:
        """The program has ended, perhaps in the middle of a line."""
        if self._begun:
            self._tell()

    def _add(self, data: bytes) -> None:
        room = KEPT_BYTES - len(self._begun)
        self._is_cut = self._is_cut or len(data) > room
        self._begun += data[:room]

    def _tell(self) -> None:
        line, self._begun = self._begun.strip(), b""
        is_cut, self._is_cut = self._is_cut or len(line) > MAX_LINE_BYTES, False
        if not line:
            return
        now = self._clock()
        self._lines = min(float(BURST_LINES), self._lines + (now - self._filled_at) / SECONDS_A_LINE)
        self._filled_at = now
        if self._lines < 1:
            self._left_out += 1
            return
        self._lines -= 1
        if self.holds_secret(line):
            text = "(a line that holds a password)"
        else:
            text = line[:MAX_LINE_BYTES].decode("utf-8", "backslashreplace") + ("..." if is_cut else "")
        facts: dict[str, object] = {"store": self._store, "stderr": text}
        if self._left_out:
            facts["lines_left_out"] = self._left_out
            self._left_out = 0
        self._notice(facts)
