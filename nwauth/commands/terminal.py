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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RED = "31"
FIRST_SECONDS = 1.0  # work that is done sooner shows no progress
EVERY_SECONDS = 0.25
CLEAR = "\r\x1b[K"


def say(text: str) -> None:
    """A line on stderr; if nobody can read it, that changes nothing."""
    try:
        os.write(2, encode(text + "\n"))
    except OSError:
        return


def complain(text: str, *, color: str) -> None:
    """An error, in one line."""
    line = " ".join(text.split())
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


class Progress:
    """A line on a terminal's stderr that tells how far a work is; taken away before anything else is written."""

    def __init__(self, doing: str, count: Callable[[], int | None]) -> None:
        self._doing = doing
        self._count = count
        self._started = time.monotonic()
        self._is_shown = False

    def show(self, *_: object) -> None:
        """Write the line anew."""
        seconds = time.monotonic() - self._started
        count = self._count()
        far = "" if count is None else f"{count:,} users, {count / seconds:,.0f}/s, "
        _prompt(f"{CLEAR}{self._doing}: {far}{seconds:.0f} s")
        self._is_shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            _prompt(CLEAR)
            self._is_shown = False


@contextmanager
def progress(
    doing: str, count: Callable[[], int | None] = lambda: None, *, quiet: bool
) -> Iterator[Callable[[], None]]:
    """While the work lasts, tell on a terminal how far it is; gives a callable to call before a line is written.

    A timer's signal tells the time: one process, one thread.
    """
    if quiet or not os.isatty(2) or sys.platform == "win32":
        yield lambda: None
        return
    line = Progress(doing, count)
    before = signal.signal(signal.SIGALRM, line.show)
    signal.setitimer(signal.ITIMER_REAL, FIRST_SECONDS, EVERY_SECONDS)
    try:
        yield line.clear
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        line.clear()
