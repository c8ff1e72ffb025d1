"""An interruption that waits until what is being written down is whole: Ctrl-C between two groups loses nothing."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # where one of them interrupts, and does not end, the command


class Patience:
    """Keeps an interruption back."""

    def __init__(self) -> None:
        self._interrupted = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Ctrl-C waits for the end, and then for `now`."""
        if threading.current_thread() is not threading.main_thread():  # which is the one that is interrupted
            yield
            return
        before = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}
        try:
            for number in before:
                signal.signal(number, self._note)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def now(self) -> None:
        """Raises KeyboardInterrupt where one was kept back."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._interrupted = True
