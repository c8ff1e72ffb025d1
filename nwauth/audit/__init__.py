"""The log: one canonical line a request.

Logging never fails and never waits: a line that cannot be written is counted, the log rests for a second, and the first
line after that says how many were lost.
"""

from __future__ import annotations

import os
import time

from nwauth.audit.lines import DEBUG, ERROR, INFO, LEVELS, Stamp, ndjson, no_stamp, parse_line, text
from nwauth.errors import NwauthError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    Sink = Callable[[int, str], None]  # (level, line without its end); raises where it cannot write

REST_SECONDS = 1.0  # after a failure
LOOK_SECONDS = 1.0  # between two looks whether the file was rotated


class Log:
    """Writes lines of `format` at `level` and below to `sink`; `level` is an attribute, to be tested on the hot path.

    `now` is seconds since the epoch, `monotonic` seconds of a clock that never jumps.  What is an error and cannot be
    written goes to `instead`.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        level: str = "error",
        format: str = "text",  # noqa: A002, the word of the configuration
        stamped: bool = True,
        instead: Sink | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.level: Final = LEVELS[level]
        self.lost_lines = 0
        self._sink: Final = sink
        self._instead: Final = instead
        self._line: Final = ndjson if format == "ndjson" else text
        self._stamp: Final = Stamp(now) if stamped or format == "ndjson" else no_stamp
        self._monotonic: Final = monotonic
        self._rest_until = 0.0

    def enabled(self, level: int) -> bool:
        """Whether a line of `level` would be written."""
        return level <= self.level

    def request(self, level: int, command: str, facts: Mapping[str, object], milliseconds: float) -> None:
        """The line of one request: what was reported about it, and how long it took."""
        if level <= self.level:
            ms = f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.2f}"
            self._write(level, command, facts, ms)

    def event(self, level: int, event: str, facts: Mapping[str, object]) -> None:
        """The line of something that is no request, as a failed start; `event` stands in the command's place."""
        if level <= self.level:
            self._write(level, event, facts, None)

    def bug(self, error: BaseException, *, command: str = "") -> None:
        """The line of an exception that is none of ours: what it was and where, innermost first."""
        self.event(ERROR, "bug", ({"in": command} if command else {}) | described(error))

    def _write(self, level: int, command: str, facts: Mapping[str, object], ms: str | None) -> None:
        if self.lost_lines and self._monotonic() < self._rest_until:
            self.lost_lines += 1
            return
        try:
            line = self._line(self._stamp(), level, command, facts, ms)
            if self.lost_lines:
                self._sink(ERROR, self._line(self._stamp(), ERROR, "lost", {"lines": self.lost_lines}, None))
                self.lost_lines = 0
            self._sink(level, line)
        except Exception as error:  # noqa: BLE001, a log that cannot be written never changes an answer
            self.lost_lines += 1
            self._rest_until = self._monotonic() + REST_SECONDS
            if self._instead is not None and level == ERROR:
                self._write_instead(self._instead, command, facts, error)

    def _write_instead(self, sink: Sink, command: str, facts: Mapping[str, object], error: Exception) -> None:
        """Leave a trace of what "see the log" was said about, and why it stands here."""
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        try:
            sink(ERROR, text("", ERROR, command, {**facts, "log": f"cannot be written: {why}"}, None))
        except Exception:  # noqa: BLE001, S110, there is nowhere else
            pass


def open_log(
    file: str,
    *,
    level: str = "error",
    format: str = "text",  # noqa: A002, the word of the configuration
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Log:
    """The log that ``[log]`` describes: `file` is a path, ``syslog`` (which stamps lines itself) or ``null``."""
    sink: Sink
    if file == "null":
        sink, level = _nowhere, "error"
    elif file == "syslog":
        sink = Syslog()
    else:
        sink = File(file, monotonic=monotonic)
    instead = Syslog() if file not in {"null", "syslog"} else None
    return Log(
        sink,
        level=level,
        format=format,
        stamped=file != "syslog",
        instead=instead,
        now=now,
        monotonic=monotonic,
    )


# -- destinations


class File:
    """Appends each line with one write, so that several writers never mix; opened at the first line.

    The file is made with mode 0600, and by root for the owner of its folder; a rotated one is left for the new one.
    """

    def __init__(self, path: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path: Final = path
        self._monotonic: Final = monotonic
        self._descriptor = -1
        self._look_at = 0.0
        self._torn = False

    def __call__(self, _level: int, line: str) -> None:
        """Write `line`.

        Raises:
            OSError: it could not be written, or not whole.
        """
        if self._descriptor < 0 or self._monotonic() >= self._look_at:
            self._look()
        data = f"\n{line}\n".encode() if self._torn else f"{line}\n".encode()
        written = os.write(self._descriptor, data)
        self._torn = written < len(data)
        if self._torn:
            raise OSError(f"{self._path}: only {written} of {len(data)} bytes written")

    def _look(self) -> None:
        """Open the file, again where another one stands in its place; keep the old one where that fails."""
        if self._descriptor >= 0 and self._in_place():
            self._look_at = self._monotonic() + LOOK_SECONDS
            return
        try:
            new = _open_file(self._path)
        except OSError:
            if self._descriptor < 0 or os.fstat(self._descriptor).st_nlink == 0:
                raise
        else:
            self.close()
            self._descriptor = new
        self._look_at = self._monotonic() + LOOK_SECONDS

    def _in_place(self) -> bool:
        try:
            there = os.stat(self._path)
        except OSError:
            return False
        ours = os.fstat(self._descriptor)
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self._torn = False


def _open_file(path: str) -> int:
    """A descriptor to append to `path`.

    Root follows no link, which the folder's owner could have laid to any file; a FIFO without a reader is an error
    and not a wait.

    Raises:
        OSError: it can be neither opened nor made.
    """
    root = os.geteuid() == 0
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (os.O_NOFOLLOW if root else 0)
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another child was faster, or a link whose target is to be made
        return os.open(path, flags | os.O_CREAT, 0o600)
    if root:
        folder = os.stat(os.path.dirname(path) or ".")
        try:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        except OSError:  # a file system without owners: the log is written all the same
            return descriptor
    return descriptor


class Syslog:
    """Hands each line to syslog(3), facility mail, program ``nwauth``; journald listens there too."""

    def __init__(self) -> None:
        self._is_open = False

    def __call__(self, level: int, line: str) -> None:
        import syslog  # 1.4 ms, paid at the first line

        if not self._is_open:
            syslog.openlog("nwauth", syslog.LOG_PID, syslog.LOG_MAIL)
            self._is_open = True
        priorities = {ERROR: syslog.LOG_ERR, INFO: syslog.LOG_INFO, DEBUG: syslog.LOG_DEBUG}
        syslog.syslog(priorities[level], line)


def _nowhere(_level: int, _line: str) -> None:
    """The destination ``null``."""


# -- bugs

_MAX_FRAMES = 16
_MAX_CAUSES = 3
_SPEAKING = (NwauthError, OSError, ImportError, NameError, AttributeError)  # their texts name code and files, no values


def described(error: BaseException) -> dict[str, object]:
    """An exception as facts: type, place (innermost first), and its text only where that cannot hold a password."""
    facts: dict[str, object] = {"error": type(error).__qualname__}
    if isinstance(error, _SPEAKING):
        facts["text"] = str(error)
    facts["at"] = _places(error)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    causes: list[str] = []
    while before is not None and len(causes) < _MAX_CAUSES:
        causes.append(f"{type(before).__qualname__} {_places(before)}")
        before = before.__cause__ or (None if before.__suppress_context__ else before.__context__)
    if causes:
        facts["after"] = "; ".join(causes)
    return facts


def _places(error: BaseException) -> str:
    """Where `error` passed: ``folder/file.py:41 function <- ...``, at most `_MAX_FRAMES`, innermost first."""
    places: list[str] = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{'/'.join(code.co_filename.split(os.sep)[-2:])}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return " <- ".join(places[: -_MAX_FRAMES - 1 : -1])


__all__ = ["DEBUG", "ERROR", "INFO", "File", "Log", "Syslog", "described", "open_log", "parse_line"]
