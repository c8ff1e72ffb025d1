"""An interruption that waits until what is being written down is whole: Ctrl-C between two groups loses nothing."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Patience:
    """Keeps an interruption back."""

    def __init__(self) -> None:
        self._interrupted = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Ctrl-C waits for the end, and then for `now`."""
        try:
            before = signal.signal(signal.SIGINT, self._note)
        except ValueError:  # not the main thread, which is the one that is interrupted
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)

    def now(self) -> None:
        """Raises KeyboardInterrupt where one was kept back."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._interrupted = True
