"""The signals of a command: those that end it interrupt, an interruption waits, a timer calls.

A serving child has none of this: `nwauth.server` says what it does when it is told to end.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Handler = Callable[..., object]

ENDING = (signal.SIGTERM, signal.SIGHUP)  # what ends a command without a word, where nothing is done about it


@contextmanager
def ending_interrupts() -> Iterator[None]:
    """SIGTERM, and SIGHUP where it is not ignored, interrupt as Ctrl-C does: what is left is cleared up, and told."""
    with _handled((one for one in ENDING if signal.getsignal(one) is not signal.SIG_IGN), signal.default_int_handler):
        yield


class Unheeded:
    """What ends a command interrupts it no more from the moment its work is done: what stands there is told first."""

    def __init__(self) -> None:
        self._numbers: tuple[signal.Signals, ...] = ()

    def from_now(self) -> None:
        """To the end of the process; `ending_interrupts` leaves it so."""
        self._numbers = tuple(one for one in (signal.SIGINT, *ENDING) if callable(signal.getsignal(one)))
        for one in self._numbers:
            signal.signal(one, signal.SIG_IGN)

    @contextmanager
    def but_here(self) -> Iterator[None]:
        """What may take long, as to print a million records, can be stopped all the same."""
        with _handled(self._numbers, signal.default_int_handler):
            yield


@contextmanager
def timed(call: Handler, first_seconds: float, every_seconds: float = 0.0) -> Iterator[None]:
    """`call` is called after so many seconds, and then again each time so many more have passed; 0: once.

    It is not called while it is still at work: a halted terminal (Ctrl-S) may keep it longer than that.
    """
    is_at_work = False

    def called(*words: object) -> None:
        nonlocal is_at_work
        if is_at_work:
            return
        is_at_work = True
        try:
            call(*words)
        finally:
            is_at_work = False

    with _handled((signal.SIGALRM,), called):
        try:
            signal.setitimer(signal.ITIMER_REAL, first_seconds, every_seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


class Patience:
    """Keeps an interruption back until what is being written down is whole: Ctrl-C between two groups loses nothing."""

    def __init__(self) -> None:
        self._interrupted = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Ctrl-C waits for the end, and then for `now`; so does what ends the command, where it interrupts."""
        if threading.current_thread() is not threading.main_thread():  # which is the one that is interrupted
            yield
            return
        interrupting = (one for one in (signal.SIGINT, *ENDING) if callable(signal.getsignal(one)))
        with _handled(interrupting, self._note):
            yield

    def now(self) -> None:
        """Raises KeyboardInterrupt where one was kept back."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._interrupted = True


@contextmanager
def _handled(numbers: Iterable[signal.Signals], handler: Handler) -> Iterator[None]:
    """While it lasts, these signals are handled so; one that something else was said of meanwhile stays as it is."""
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, one in before.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, one)
