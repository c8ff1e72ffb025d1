"""How far a long work has come, told on stderr: a bar on a terminal, elsewhere a line now and then.

The bar is rich's.  Its display of its own runs a thread; here a timer's signal draws: one process, one thread.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nwauth.commands.output import is_ascii, wants_color
from nwauth.commands.terminal import begin_line, say
from nwauth.signals import timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    Count = Callable[[], int | None]

FIRST_SECONDS = 1.0  # work that is done sooner shows no progress
EVERY_SECONDS = 0.25
PLAIN_SECONDS = 5.0  # between two lines where stderr is no terminal: a log wants few
BAR_WIDTH = 20
NARROW_COLUMNS = 80  # of a terminal on which words need all the room
CLEAR = "\r\x1b[K"
MOST_SHARE = 0.99  # the end of the line tells the end


def unknown() -> None:
    """A count that nobody knows."""


class Work:
    """How far a work is: `doing` says which it is, `unit` what is counted; the total may be about right only.

    The total is asked for each time that it is shown, and not before: most works are done sooner.
    """

    def __init__(self, doing: str, count: Count, total: Count, *, unit: str) -> None:
        self.doing: Final = doing
        self.unit: Final = unit
        self.count: Final = count
        self.total: Final = total
        self._started: Final = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


def words(work: Work, *, seconds: float, speed: float | None = None, about: bool = False) -> str:
    """What is known of a work after so many seconds; `about`: the total too."""
    count, total = work.count(), work.total()
    if count is None:
        return in_short(seconds)
    speed = speed or count / seconds
    counted = f"{count:,}{f' of about {max(total, count):,}' if about and count and total else ''} {work.unit}"
    rate = f"{counted}, {speed:,.0f}/s" if speed >= 10 or not speed else f"{counted}, {speed:.1f}/s"
    if not count or not total or count >= total:
        return f"{rate}, {in_short(seconds)}"
    return f"{rate}, {in_short((total - count) / speed)} left"


def in_short(seconds: float) -> str:
    """``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole // 60 % 60:02} min"


class Lines:
    """A line each time."""

    def __init__(self, work: Work) -> None:
        self._work: Final = work

    def show(self, *_: object) -> None:
        """Write one."""
        say(f"{self._work.doing}: {words(self._work, seconds=self._work.seconds, about=True)}")

    def clear(self) -> None:
        """What is written stays."""


class Bar:
    """One line that is drawn anew, and taken away before others are written."""

    def __init__(self, work: Work, *, color: bool) -> None:
        import io

        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._work: Final = work
        self._paper: Final = io.TextIOWrapper(
            io.BytesIO(), encoding="ascii" if is_ascii(2) else "utf-8", errors="backslashreplace"
        )
        self._console: Final = Console(
            file=self._paper,
            force_terminal=True,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
        )

        def text(form: str) -> TextColumn:
            return TextColumn(form, markup=False, table_column=Column(no_wrap=True, overflow="crop"))

        plain = text("{task.description}: {task.fields[words]}")
        drawn = (
            text("{task.description}:"),
            BarColumn(BAR_WIDTH),
            text("{task.percentage:.0f}% {task.fields[words]}"),
        )
        self._plain: Final = Progress(plain, console=self._console, auto_refresh=False)
        self._drawn: Final = Progress(*drawn, console=self._console, auto_refresh=False)
        for progress in (self._plain, self._drawn):
            progress.add_task(work.doing, words="")
        self._is_shown = False

    def show(self, *_: object) -> None:
        """Draw the line."""
        begin_line(CLEAR + self.line(columns=_columns()))
        self._is_shown = True

    def clear(self) -> None:
        """Take it away."""
        if self._is_shown:
            begin_line(CLEAR)
            self._is_shown = False

    def line(self, *, columns: int) -> str:
        """The line as it is now; the last column of the screen stays free."""
        count, total = self._work.count(), self._work.total()
        drawn = bool(count and total and columns >= NARROW_COLUMNS)
        progress = self._drawn if drawn else self._plain
        (task,) = progress.tasks
        most = max(total or 1, (count or 0) / MOST_SHARE)
        progress.update(task.id, completed=count or 0, total=most)
        told = words(self._work, seconds=self._work.seconds, speed=task.speed)
        progress.update(task.id, words=told)
        self._console.width = columns - 1
        self._console.print(progress.get_renderable(), end="", no_wrap=True, overflow="crop", crop=True)
        self._paper.flush()
        self._paper.seek(0)
        text = self._paper.read()
        self._paper.seek(0)
        self._paper.truncate()
        return text.partition("\n")[0]


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


@contextmanager
def progress(
    doing: str, count: Count = unknown, total: Count = unknown, *, unit: str = "users", quiet: bool, color: str = "auto"
) -> Iterator[Callable[[], None]]:
    """While the work lasts, tell how far it is; gives a callable to call before a line is written.

    Works that are done within a second tell nothing.  What draws the bar is imported here: a signal may come in the
    middle of any import.
    """
    if quiet or sys.platform == "win32":
        yield lambda: None
        return
    work = Work(doing, count, total, unit=unit)
    bar = os.isatty(2) and os.environ.get("TERM") != "dumb"
    line = Bar(work, color=wants_color(color, 2)) if bar else Lines(work)
    first, every = (FIRST_SECONDS, EVERY_SECONDS) if bar else (PLAIN_SECONDS, PLAIN_SECONDS)
    try:
        with timed(line.show, first, every):
            yield line.clear
    finally:
        line.clear()
