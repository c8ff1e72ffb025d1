"""What grows: the log and the journal of changes; and whether the log can be written at all."""

from __future__ import annotations

import os
import shlex
from stat import S_ISREG
from typing import TYPE_CHECKING

from nwauth.changes.lines import FILE as CHANGES
from nwauth.config.values import LOG_WORDS
from nwauth.doctor.files import MIB, REMOUNT, account
from nwauth.doctor.finding import finding
from nwauth.owner import was_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

LARGE_BYTES = 256 << 20


def log(place: Place, statvfs: Callable[[str], os.statvfs_result] = os.statvfs) -> Iterator[Finding]:
    """The log can be written, is rotated, and its disk has room."""
    file = "" if place.config is None or place.config.log.file in LOG_WORDS else os.path.abspath(place.config.log.file)
    if file and not (os.path.dirname(file) == place.folder and place.is_bare):  # told of the users
        lost = _on_a_read_only_disk(file) or _why_lost(file)
        if lost:
            yield finding("log-lost", lost[0], mend=lost[1], file=file)
            return
        yield from _room(place, file, statvfs)
    for path in filter(None, (file, os.path.join(place.folder, CHANGES))):
        yield from _large(path)


def _on_a_read_only_disk(file: str) -> tuple[str, str] | None:
    folder = os.path.dirname(file)
    if os.path.isdir(folder) and os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"the disk of the log {file} is mounted read-only", REMOUNT
    return None


def _why_lost(file: str) -> tuple[str, str] | None:
    """Why no line can be written to the log, and how that is mended; None: it can."""
    folder = os.path.dirname(file)
    who, quoted = account(os.geteuid()), shlex.quote(file)
    own = shlex.join(["chown", "-h", str(os.geteuid()), file])
    try:
        status = os.stat(file)
    except FileNotFoundError:
        if not os.path.isdir(folder):
            make = ["install", "-d", "-o", str(os.geteuid())] if was_root() else ["mkdir", "-p"]
            return f"the folder of the log {file} is not there", shlex.join([*make, folder])
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"the log {file} is not there, and {who} cannot make files in {folder}", (
                f"as root: touch {quoted} && {own} && chmod 600 {quoted}"
            )
        return None
    if not S_ISREG(status.st_mode):
        return f"the log {file} is no plain file", f"move what is there: mv {quoted} {quoted}.not-a-log"
    if not os.access(file, os.W_OK):
        return f"the log {file} cannot be written by {who}", f"as root: {own} && chmod 600 {quoted}"
    return None


def _room(place: Place, file: str, statvfs: Callable[[str], os.statvfs_result]) -> Iterator[Finding]:
    """Of the log's own disk; that of the users is another check's."""
    folder = os.path.dirname(file)
    if os.stat(folder).st_dev in {os.stat(one.path).st_dev for one in place.flat if os.path.isdir(one.path)}:
        return
    there = statvfs(folder)
    if there.f_bavail * there.f_frsize < MIB:
        yield finding(
            "no-room",
            f"the disk of the log {file} has no room left",
            mend=f"make room there; df {shlex.quote(folder)} shows it",
            file=file,
            why="The log is lost, and with it why somebody was refused.",
        )


def _large(path: str) -> Iterator[Finding]:
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return
    if size > LARGE_BYTES:
        yield finding(
            "large-log",
            f"{path} has {size // MIB:,} MiB: nobody rotates it",
            mend=f"{shlex.join(['mv', path, f'{path}.1'])} (a new one is begun); from now on by logrotate",
            file=path,
        )
