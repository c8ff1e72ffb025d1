"""What is said to a person on stderr: notes, questions and errors."""

from __future__ import annotations

import errno
import os

import click

from nwauth.commands.output import colored, encode_for, wants_color
from nwauth.commands.shown import visible
from nwauth.owner import was_root

RED = "31"
REMEDIES = {  # of an error that ends in the system's words, or in what stands in the store behind them
    errno.EACCES: "type it as root, or as whom that belongs to",
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, or raise the quota",
    errno.EROFS: "mount -o remount,rw makes it writable",
}


def say(text: str) -> None:
    """A line on stderr; if nobody can read it, that changes nothing."""
    try:
        os.write(2, encode_for(2, text + "\n"))
    except OSError:
        return


def complain(text: str, *, color: str) -> None:
    """An error, in one line."""
    line = visible(" ".join(text.split()))
    ends = (line, line.rpartition("; ")[0])
    reason = next((number for number in REMEDIES if any(end.endswith(os.strerror(number)) for end in ends)), None)
    if reason is not None and (reason != errno.EACCES or (os.geteuid() != 0 and not was_root())):
        line += f" ({REMEDIES[reason]})"
    say(f"{colored('nwauth:', RED, on=wants_color(color, 2))} {line}")


def is_interactive() -> bool:
    """Whether there is a person to ask."""
    return os.isatty(0)


def ask_yes(question: str) -> bool:
    """Ask; everything but a yes is a no."""
    begin_line(f"{question} [y/N] ")
    return _line().strip().lower() in {b"y", b"yes"}


def ask_line(prompt: str) -> bytes:
    """Ask for a line."""
    begin_line(prompt)
    return _line()


def ask_secret(prompt: str) -> bytes:
    """Ask for a line that is not shown while it is typed; its bytes as the terminal sent them."""
    import termios

    before = termios.tcgetattr(0)
    hidden = termios.tcgetattr(0)
    hidden[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(0, termios.TCSAFLUSH, hidden)
        begin_line(prompt)
        return _line()
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)
        say("")


def begin_line(text: str) -> None:
    """A text on stderr, the line left open."""
    try:
        os.write(2, encode_for(2, text))
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
