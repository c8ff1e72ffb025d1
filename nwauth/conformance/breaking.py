"""What each fault does to a copy, by the sort of its store; where it does nothing that can be shown, why."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from nwauth.config.kinds.passwd import PasswdConfig
from nwauth.conformance.answers import DEAD, NO, NOT_NO, YES
from nwauth.conformance.copies import DIRECTORY, FILES, PROGRAM, SERVER, SQLITE, SYSTEM
from nwauth.conformance.limits import on_full_disk, permissions_bind, without_roots_eyes
from nwauth.conformance.standins import BUSY, HERE, REFUSED, directory, standing_in, talk_of
from nwauth.conformance.standins import HALF as HALF_AN_ANSWER
from nwauth.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Final

    from nwauth.conformance.copies import Copy

    Breaker = Callable[[Copy, str], AbstractContextManager[None]]
    Starter = Callable[[list[str]], list[str]]

GONE, HALF, CLOSED, EMPTY, DOWN = "file gone", "half written", "no permission", "folder empty", "database down"
SLOW, LOCKED, FULL, SETTINGS, POLICY = "database slow", "locked", "disk full", "bad settings", "bad policy"
FAULTS = (GONE, HALF, CLOSED, EMPTY, DOWN, SLOW, LOCKED, FULL, SETTINGS, POLICY)
SORTS = (FILES, SQLITE, SERVER, DIRECTORY, PROGRAM, SYSTEM)


class Break(Record):
    """One way to break a copy.

    `broken` holds it so; `lookup` of a user who is there, `unknown` of one who is not, and a `check` have these right
    answers (empty: not asked); `change`: a `set` is asked too.  `is_seen_serving`: a module that served before sees it.
    `needs_words`: a stand-in speaks the server's protocol.
    """

    __slots__ = ("broken", "change", "check", "is_seen_serving", "lookup", "needs_words", "started", "unknown")

    def __init__(
        self,
        broken: Breaker,
        *,
        lookup: str = DEAD,
        unknown: str = DEAD,
        check: str = DEAD,
        change: bool = False,
        is_seen_serving: bool = False,
        needs_words: bool = False,
        started: Starter = list,
    ) -> None:
        self.broken: Final = broken
        self.lookup: Final = lookup
        self.unknown: Final = unknown
        self.check: Final = check
        self.change: Final = change
        self.is_seen_serving: Final = is_seen_serving
        self.needs_words: Final = needs_words
        self.started: Final = started

    def unfit(self, copy: Copy, *, read_only: bool) -> str:
        """Why it cannot be shown here; empty: it can."""
        if self.needs_words and copy.sort == SERVER and talk_of(copy.url) is None:
            return "only PostgreSQL's and MariaDB's words are known here"
        if self.change and read_only:
            return "only a change meets it, and the store takes none"
        if self.started is without_roots_eyes and not permissions_bind():
            return "root may read every file here, and cannot give that up: run it as another account"
        return ""


# --- the ways --------------------------------------------------------------------------------------------------------


@contextmanager
def _gone(copy: Copy, _user: str) -> Iterator[None]:
    for path in copy.data:
        os.unlink(path)
    yield


@contextmanager
def _half(copy: Copy, _user: str) -> Iterator[None]:
    """Each file is being written anew in its place, and has come to the half."""
    for path in copy.data:
        size = os.path.getsize(path) // 2
        with open(path, "r+b") as file:
            file.seek(max(0, size - 1))
            file.truncate(size + (file.read(1) == b"\n"))  # in the middle of a line
    for path in copy.data:
        os.utime(path)
    yield


@contextmanager
def _closed(copy: Copy, _user: str) -> Iterator[None]:
    for path in copy.data:
        os.chmod(path, 0)
    yield


@contextmanager
def _empty(copy: Copy, _user: str) -> Iterator[None]:
    """All that lies in the folder is away, as while its disk is not mounted: users, settings, notes."""
    for name in os.listdir(copy.folder):
        path = os.path.join(copy.folder, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    yield


@contextmanager
def _refusing(copy: Copy, _user: str) -> Iterator[None]:
    """The settings lead to a port that nobody listens at; it is held meanwhile, so that nobody will."""
    with socket.socket() as held:
        held.bind((HERE, 0))
        copy.lead_to(held.getsockname()[1])
        yield


@contextmanager
def _silent(copy: Copy, _user: str) -> Iterator[None]:
    """The settings lead to a port that takes connections, and never says a word."""
    with socket.socket() as held:
        held.bind((HERE, 0))
        held.listen(8)
        copy.lead_to(held.getsockname()[1])
        yield


def _answering(manner: str) -> Breaker:
    """The settings lead to a stand-in for the server, which speaks its protocol in this manner."""

    @contextmanager
    def broken(copy: Copy, _user: str) -> Iterator[None]:
        talk = directory if copy.sort == DIRECTORY else talk_of(copy.url)
        assert talk is not None  # noqa: S101, `unfit` says so before
        with standing_in(talk, manner) as port:
            copy.lead_to(port)
            yield

    return broken


@contextmanager
def _exclusive(copy: Copy, _user: str) -> Iterator[None]:
    """Another program is at it, and lets nobody read meanwhile."""
    with closing(sqlite3.connect(copy.data[0], isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def _writing(copy: Copy, _user: str) -> Iterator[None]:
    """Another program is about to write."""
    with closing(sqlite3.connect(copy.data[0], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def _lock_held(copy: Copy, _user: str) -> Iterator[None]:
    """Another program is at the files, and keeps the lock; passwd files have one each, as vipw and Dovecot make it."""
    if isinstance(copy.chosen, PasswdConfig):
        for path in copy.data:
            with open(f"{path}.lock", "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        yield
        return
    with open(os.path.join(copy.folder, "nwauth.lock"), "ab") as file:
        os.chmod(file.name, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _nothing(_copy: Copy, _user: str) -> Iterator[None]:
    yield


@contextmanager
def _bad_settings(copy: Copy, _user: str) -> Iterator[None]:
    with open(os.path.join(copy.folder, "nwauth.toml"), "w", encoding="ascii") as file:
        file.write("[server\n")
    yield


@contextmanager
def _bad_policy(copy: Copy, user: str) -> Iterator[None]:
    if copy.sort not in (FILES, SQLITE):
        copy.stand_in(user)
    with open(os.path.join(copy.folder, "policy.toml"), "w", encoding="ascii") as file:
        file.write('[policy]\ndefault = "nobody knows"\n')
    yield


def _program(script: str) -> Breaker:
    """Another module's command is replaced by one that does this."""

    @contextmanager
    def broken(copy: Copy, _user: str) -> Iterator[None]:
        path = os.path.join(copy.folder, "module")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o700 if script else 0)
        copy.start([path])
        yield

    return broken


@contextmanager
def _no_program(copy: Copy, _user: str) -> Iterator[None]:
    copy.start([os.path.join(copy.folder, "no-such-module")])
    yield


_POLICY = Break(_bad_policy, lookup=YES, unknown="", check=DEAD)


def _change(broken: Breaker, *, started: Starter = list) -> Break:
    """A way that stops changes only: who is there is found."""
    return Break(broken, lookup=YES, unknown=NO, check="", change=True, started=started)


def _said(manner: str) -> Break:
    """A way in which a stand-in for the server answers."""
    return Break(_answering(manner), needs_words=True)


BREAKS: dict[tuple[str, str], Break] = {
    (GONE, FILES): Break(_gone, is_seen_serving=True),
    (GONE, SQLITE): Break(_gone, is_seen_serving=True),
    (GONE, PROGRAM): Break(_no_program),
    (HALF, FILES): Break(_half, is_seen_serving=True, lookup=NOT_NO, check=""),
    (HALF, SQLITE): Break(_half, is_seen_serving=True, lookup=NOT_NO),
    (HALF, SERVER): _said(HALF_AN_ANSWER),
    (HALF, DIRECTORY): _said(HALF_AN_ANSWER),
    (HALF, PROGRAM): Break(_program("read request; printf '+OK no'")),
    (CLOSED, FILES): Break(_closed, started=without_roots_eyes),
    (CLOSED, SQLITE): Break(_closed, started=without_roots_eyes),
    (CLOSED, SERVER): _said(REFUSED),
    (CLOSED, DIRECTORY): _said(REFUSED),
    (CLOSED, PROGRAM): Break(_program("")),
    (DOWN, SERVER): Break(_refusing),
    (DOWN, DIRECTORY): Break(_refusing),
    (DOWN, PROGRAM): Break(_program("exit 1")),
    (SLOW, SQLITE): Break(_exclusive),
    (SLOW, SERVER): Break(_silent),
    (SLOW, DIRECTORY): Break(_silent),
    (SLOW, PROGRAM): Break(_program("exec sleep 60")),
    (LOCKED, FILES): _change(_lock_held),
    (LOCKED, SQLITE): _change(_writing),
    (LOCKED, SERVER): _said(BUSY),
    (FULL, FILES): _change(_nothing, started=on_full_disk),
    (FULL, SQLITE): _change(_nothing, started=on_full_disk),
    **{(EMPTY, sort): Break(_empty) for sort in SORTS},  # a module that served sees no more of it than of `GONE`
    **{(SETTINGS, sort): Break(_bad_settings) for sort in SORTS},
    **{(POLICY, sort): _POLICY for sort in SORTS},
}

_NO_FILES = {
    SERVER: "the files are the database server's own",
    DIRECTORY: "the files are the directory's own",
    SYSTEM: "the accounts are this machine's own, and there is no copy of them",
}
HIDDEN: dict[tuple[str, str], str] = {
    **{(fault, sort): why for sort, why in _NO_FILES.items() for fault in (GONE, FULL)},
    (LOCKED, DIRECTORY): "a directory is only read, and whoever reads it is never locked out",
    **{(fault, SYSTEM): _NO_FILES[SYSTEM] for fault in (HALF, CLOSED, LOCKED, DOWN, SLOW)},
    **{(fault, FILES): "users in files need no database" for fault in (DOWN, SLOW)},
    (DOWN, SQLITE): "SQLite has no server that could be down: see file gone",
    **{(fault, PROGRAM): "what the other module writes is its own" for fault in (LOCKED, FULL)},
}
