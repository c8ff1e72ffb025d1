"""What runs: the mail servers, the children that they started, since when, and as which account."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import nwauth
from nwauth.config.values import LOG_WORDS
from nwauth.dmail.words import path_of, program
from nwauth.doctor.files import OTHER_FILES, USER_FILES, account
from nwauth.doctor.finding import finding
from nwauth.doctor.place import RESTART, age
from nwauth.errors import Unavailable
from nwauth.stores.textfile.files import ACL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

SERVERS = ("dsmtp", "dpop", "surgemail")
MODULE = "nwauth"
PROC = "/proc"
UNSURE_SECONDS = 0.02  # the system tells a start to a hundredth of a second
READ, WRITE, SEARCH = 4, 2, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One that runs; `started_at` is in seconds since 1970.

    `uid` is what it may do, `real_uid` who started it; whoever has an account here can give a process any name.
    """

    pid: int
    parent: int
    name: str
    words: tuple[str, ...]
    started_at: float
    uid: int
    real_uid: int
    gids: tuple[int, ...]
    folder: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether it is root's or our own: what another account has started must not lead us."""
        return {self.uid, self.real_uid} <= {0, os.geteuid()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The mail servers, and the nwauth programs that serve; `is_hidden`: the system does not show us others'."""

    servers: tuple[Process, ...] = ()
    modules: tuple[Process, ...] = ()
    is_hidden: bool = False
    seen_at: float = field(default_factory=time.time)


def look() -> Running | None:
    """What runs now; None where the system does not tell."""
    if not os.path.isdir(f"{PROC}/self"):
        return None
    found = [one for one in map(_process, filter(str.isdigit, os.listdir(PROC))) if one is not None]
    return Running(
        servers=tuple(one for one in found if one.name in SERVERS),
        modules=tuple(one for one in found if one.name == MODULE),
        is_hidden=not os.path.exists(f"{PROC}/1/stat"),
    )


def started_in(running: Running | None) -> str:
    """The folder that the servers were started in, as far as it is known.

    What starts there may run what lies there: no other account may choose it.
    """
    servers = running.servers if running is not None else ()
    return next((one.folder for one in servers if one.is_trusted and os.path.isdir(one.folder)), "/")


def _process(pid: str) -> Process | None:
    """One process; None if it is neither a server nor a child of ours, or has just ended."""
    try:
        words = tuple(_read(pid, "cmdline").split("\0")[:-1])
        stat = _read(pid, "stat")
        name = _name(words, stat[stat.find("(") + 1 : stat.rfind(")")])
        if not name:
            return None
        after = stat[stat.rfind(")") + 2 :].split()
        status = dict(line.partition(":")[::2] for line in _read(pid, "status").splitlines())
    except (OSError, ValueError):
        return None
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    real_uid, uid, *_ = map(int, status["Uid"].split())
    return Process(
        pid=int(pid),
        parent=int(after[1]),
        name=name,
        words=words,
        started_at=booted + int(after[19]) / os.sysconf("SC_CLK_TCK"),
        uid=uid,
        real_uid=real_uid,
        gids=tuple(map(int, [status["Gid"].split()[1], *status["Groups"].split()])),
        folder=_folder(pid),
    )


def _read(pid: str, file: str) -> str:
    with open(f"{PROC}/{pid}/{file}", encoding="utf-8", errors="surrogateescape") as opened:
        return opened.read()


def _folder(pid: str) -> str:
    try:
        return os.readlink(f"{PROC}/{pid}/cwd")
    except OSError:  # another's
        return ""


def _name(words: Sequence[str], called: str) -> str:
    """The server or module that a process is; empty: neither."""
    for name in (called, program(words[0]) if words else ""):
        if name in SERVERS:
            return name
    at = next((at for at, word in enumerate(words[:3]) if program(word) == MODULE), None)
    return MODULE if at is not None and _serves(words[at + 1 :]) else ""


def _serves(options: Sequence[str]) -> bool:
    """Whether options of nwauth are those of a child, and no command's."""
    rest = list(options)
    for option in ("-path", "--path"):
        while option in rest[:-1]:
            at = rest.index(option)
            del rest[at : at + 2]
    return not rest or rest[0] == "serve" or (rest[0][:1] == "-" and rest[0][:2] != "--")


# --- since when ------------------------------------------------------------------------------------------------------


def running(place: Place) -> Iterator[Finding]:
    """What runs was started after the last change of what it read, and can read what it must."""
    if place.conf is None and place.running is None:
        return
    if place.running is None or place.running.is_hidden:
        raise Unavailable("the system does not show what others run")
    yield from _since(place, place.running)
    yield from _shut_out(place, place.running)


def _since(place: Place, running: Running) -> Iterator[Finding]:
    if place.conf is not None:
        yield from _older(place, place.conf.file, running.servers)
    ours = children(place, running)
    yield from _older(place, place.settings, ours)
    yield from _older(place, nwauth.__file__, ours)


def children(place: Place, running: Running) -> list[Process]:
    """The children that serve our folder."""
    servers = {one.pid for one in running.servers}
    return [
        one for one in running.modules if _folder_of(one) == os.path.realpath(place.folder) or one.parent in servers
    ]


def _folder_of(one: Process) -> str:
    return os.path.realpath(os.path.join(one.folder, path_of(list(one.words)) or "."))


def _older(place: Place, path: str, processes: Sequence[Process]) -> Iterator[Finding]:
    """One finding where some of `processes` were started before the last change of a file."""
    try:
        changed_at = os.stat(path).st_mtime
    except OSError:
        return
    older = [one for one in processes if one.started_at + UNSURE_SECONDS < changed_at]
    if older:
        now = place.now()
        first = min(one.started_at for one in older)
        names = ", ".join(dict.fromkeys(f"{one.name}" for one in older))
        numbers = ", ".join(str(one.pid) for one in older)
        what = "nwauth itself" if path == nwauth.__file__ else path
        yield finding(
            "restart",
            f"{what} was changed {age(now - changed_at)}, and {names} (process {numbers}) runs since before that:"
            f" {age(now - first)}",
            mend=RESTART if any(one.name != "surgemail" for one in older) else "stop and start SurgeMail",
            file=None if path == nwauth.__file__ else path,
        )


# --- as whom ---------------------------------------------------------------------------------------------------------


def _shut_out(place: Place, running: Running) -> Iterator[Finding]:
    """The accounts that the children (or, without any, the servers) run as can use the folder and its files."""
    seen: set[int] = set()
    for one in children(place, running) or running.servers:
        if one.uid in seen or one.uid == 0:
            continue
        seen.add(one.uid)
        for path, wanted, verb in _needs(place):
            if not _may(one, path, wanted):
                yield finding(
                    "server-shut-out",
                    f"{one.name} (process {one.pid}) runs as {account(one.uid)}, which cannot {verb} {path}",
                    mend=f"see with ls -l /proc/{one.pid}/exe that it is the mail server's, as any account can run a"
                    f" program of that name; if so, {_chown(one, place)}; or have the servers run as"
                    f" {account(os.stat(place.folder).st_uid)}",
                    file=path,
                )
                break


def _chown(one: Process, place: Place) -> str:
    return shlex.join(["chown", "-R", f"{account(one.uid)}:", place.folder])


def _needs(place: Place) -> Iterator[tuple[str, int, str]]:
    """What a child must be able to do: path, permission, and the word for it."""
    for one in place.flat:
        yield one.path, SEARCH, "look into"
        for name in (*USER_FILES[:2], OTHER_FILES[0]):
            path = os.path.join(one.path, name)
            if os.path.exists(path):
                yield path, READ, "read"
        if not one.read_only:
            yield one.path, WRITE, "write to"
    log = "" if place.config is None or place.config.log.file in LOG_WORDS else os.path.abspath(place.config.log.file)
    if log and os.path.exists(log):
        yield log, WRITE, "write"


def _may(one: Process, path: str, wanted: int) -> bool:
    """Whether an account has a permission, by owner, group and mode; one with an ACL is believed to."""
    try:
        status = os.stat(path)
    except OSError:
        return True  # another finding tells
    if ACL in _attributes(path):
        return True
    if status.st_uid == one.uid:
        return bool(status.st_mode >> 6 & wanted)
    if status.st_gid in one.gids:
        return bool(status.st_mode >> 3 & wanted)
    return bool(status.st_mode & wanted)


def is_stranger(one: Process, status: os.stat_result) -> bool:
    """Whether a process has on a file what everybody has, and no more."""
    return one.uid not in (0, status.st_uid) and status.st_gid not in one.gids


def _attributes(path: str) -> list[str]:
    try:
        return os.listxattr(path)
    except OSError:
        return []
