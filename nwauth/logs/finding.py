"""The files that make up a log: its own, and those that a rotation has put beside it."""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nwauth.errors import Unavailable
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from typing import BinaryIO, Final

# .1 -20261101 .2026-11-01 .old, and .gz behind it; logrotate's `extension .log` puts them before .log
_TURN = r"(?:[.-](?:\d[\dT:_.-]*|old|bak))"
_PACKED = r"(?:\.(?:gz|z|Z|bz2|xz|zst|zstd|lz4|zip|7z))?"
_ATTEMPTS = 5  # nobody rotates that often


class LogFile:
    """A file of a log, opened: a rotation while it is read moves nothing.  `written_before` is its last change."""

    def __init__(self, name: str, file: BinaryIO, *, written_before: datetime) -> None:
        self.name: Final = name
        self.file: Final = file
        self.written_before: Final = written_before


class Found:
    """The files of a log, in no order, and in `faults` which of them cannot be read, and why."""

    def __init__(self) -> None:
        self.files: list[LogFile] = []
        self.faults: list[str] = []


def find(path: str) -> Found:
    """The log at `path` and its rotated files; of one that is there plain and packed, the plain one.

    Raises:
        Unavailable: there is none, or nobody lets us look.
    """
    path = os.path.realpath(path)  # who rotates turns the file, and not a link to it
    for attempt in range(1, _ATTEMPTS + 1):
        names = _names(path)
        found, seen = Found(), {}
        for name in names:
            seen[name] = _open(name, found)
        if seen == {name: _identity(name) for name in _names(path)} or attempt == _ATTEMPTS:
            break
        for opened in found.files:
            opened.file.close()
    if not found.files and not found.faults:
        raise Unavailable(
            f"{as_text(path)}: there is no such log yet, nor a rotated one beside it (nwauth.toml says under [log]"
            ' where it is; with level = "info" there is a line of every login)'
        )
    return found


def _names(path: str) -> list[str]:
    """The paths of the files, those of one turn packed or not next to each other.  Raises Unavailable."""
    folder, name = os.path.split(path)
    stem, end = os.path.splitext(name)
    pattern = re.compile(rf"{re.escape(name)}{_TURN}*{_PACKED}|{re.escape(stem)}{_TURN}+{re.escape(end)}{_PACKED}")
    try:
        names = sorted(entry for entry in os.listdir(folder or ".") if pattern.fullmatch(entry))
    except OSError as error:
        raise Unavailable(f"{as_text(folder or '.')}: cannot be read: {error.strerror}") from None
    there = set(names)
    packed = [entry for entry in names if entry != name and re.fullmatch(_PACKED, os.path.splitext(entry)[1])]
    twice = {entry for entry in packed if os.path.splitext(entry)[0] in there}  # being packed just now
    return [os.path.join(folder, entry) for entry in names if entry not in twice]


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open(path: str, found: Found) -> tuple[int, int] | None:
    """Add the file at `path` to what is `found`; its identity."""
    try:
        file = open_log_file(path)
    except OSError as error:
        found.faults.append(f"{as_text(path)}: {error.strerror or error}")
        return _identity(path)
    status = os.fstat(file.file.fileno())
    found.files.append(file)
    return status.st_dev, status.st_ino


def open_log_file(path: str) -> LogFile:
    """The file at `path`; what is no file (a pipe that nobody writes) is never waited for.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no file")
    changed = datetime.fromtimestamp(status.st_mtime, UTC)
    return LogFile(as_text(path), open(descriptor, "rb", buffering=0), written_before=changed)


def as_text(path: str) -> str:
    """A path in a text."""
    return os.fsencode(path).decode(ENCODING, ERRORS)
