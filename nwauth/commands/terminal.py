"""What is said to a person: notes, questions and errors on stderr, and how far a long work has come."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from nwauth.commands.output import colored, encode, wants_color
from nwauth.commands.table import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Count = Callable[[], int | None]

RED = "31"
FIRST_SECONDS = 1.0  # work that is done sooner shows no progress
EVERY_SECONDS = 0.25
PLAIN_SECONDS = 5.0  # between two lines where stderr is no terminal: a log wants few
BAR_WIDTH = 20
CLEAR = "\r\x1b[K"


def say(text: str) -> None:
    """A line on stderr; if nobody can read it, that changes nothing."""
    try:
        os.write(2, encode(text + "\n"))
    except OSError:
        return


def complain(text: str, *, color: str) -> None:
    """An error, in one line."""
    line = visible(" ".join(text.split()))
    say(f"{colored('nwauth:', RED, on=wants_color(color, 2))} {line}")


def is_interactive() -> bool:
    """Whether there is a person to ask."""
    return os.isatty(0)


def ask_yes(question: str) -> bool:
    """Ask; everything but a yes is a no."""
    _prompt(f"{question} [y/N] ")
    return _line().strip().lower() in {b"y", b"yes"}


def ask_line(prompt: str) -> bytes:
    """Ask for a line."""
    _prompt(prompt)
    return _line()


def ask_secret(prompt: str) -> bytes:
    """Ask for a line that is not shown while it is typed; its bytes as the terminal sent them."""
    import termios

    before = termios.tcgetattr(0)
    hidden = termios.tcgetattr(0)
    hidden[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(0, termios.TCSAFLUSH, hidden)
        _prompt(prompt)
        return _line()
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)
        say("")


def _prompt(text: str) -> None:
    try:
        os.write(2, encode(text))
    except OSError:
        return


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(0, 4096)
        if not block:
            break
        line += block
    if not line:
        raise click.UsageError("the input ended before an answer was given")
    return line.removesuffix(b"\n")


def unknown() -> None:
    """A count that nobody knows."""


def progress_text(doing: str, *, count: int | None, total: int | None, seconds: float, bar: bool) -> str:
    """How far a work is after so many seconds; `total` may be about right only."""
    if count is None:
        return f"{doing}: {seconds:.0f} s"
    rate = f"{count / seconds:,.0f}/s"
    if not count or not total:
        return f"{doing}: {count:,} users, {rate}, {seconds:.0f} s"
    done = min(count / total, 0.99)  # the end of the line tells the end
    left = f"{rate}, {seconds / done - seconds:.0f} s left"
    if bar:
        return f"{doing}: [{'#' * int(done * BAR_WIDTH):{BAR_WIDTH}}] {done:.0%} {count:,} users, {left}"
    return f"{doing}: {count:,} of about {max(total, count):,} users, {left}"


class Progress:
    """Tells on stderr how far a work is: a line that is taken away before others, or (`bar` False) a line each time.

    The total is asked for when it is first shown: most works are done sooner.
    """

    def __init__(self, doing: str, count: Count, total: Count, *, bar: bool) -> None:
        self._doing = doing
        self._count = count
        self._total = total
        self._bar = bar
        self._started = time.monotonic()
        self._is_shown = False

    def show(self, *_: object) -> None:
        """Write the line, anew."""
        total = self._total()
        self._total = lambda: total
        seconds = time.monotonic() - self._started
        text = progress_text(self._doing, count=self._count(), total=total, seconds=seconds, bar=self._bar)
        if self._bar:
            _prompt(f"{CLEAR}{text[: _columns() - 1]}")
            self._is_shown = True
        else:
            say(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            _prompt(CLEAR)
            self._is_shown = False


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


@contextmanager
def progress(
    doing: str, count: Count = unknown, total: Count = unknown, *, quiet: bool
) -> Iterator[Callable[[], None]]:
    """While the work lasts, tell how far it is; gives a callable to call before a line is written.

    On a terminal that is a bar, elsewhere a line every few seconds.  A timer's signal tells the time: one process, one
    thread.
    """
    if quiet or sys.platform == "win32":
        yield lambda: None
        return
    bar = os.isatty(2)
    line = Progress(doing, count, total, bar=bar)
    before = signal.signal(signal.SIGALRM, line.show)
    first, every = (FIRST_SECONDS, EVERY_SECONDS) if bar else (PLAIN_SECONDS, PLAIN_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, first, every)
    try:
        yield line.clear
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        line.clear()
