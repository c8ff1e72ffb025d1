"""Folders of user files as other programs leave them, and what those programs read there."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nwauth.model import Info, User
from nwauth.names import fold, fold_bytes
from nwauth.passwords import complete
from nwauth.stores.flatfile import FlatfileStore
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.merge import merge
from nwauth.stores.flatfile.notes import Append, LockFile, Notes
from nwauth.stores.flatfile.settling import Settling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from nwauth.stores.textfile.userfile import UserFile

IN_CI = bool(os.environ.get("CI"))
INLINE_BYTES = 65536  # above this an index file lies beside nwauth.txt
OLD_SECONDS = 3600.0


def often(quick: int, ci: int) -> int:
    """How many examples: a small run by default, a large one in CI."""
    return ci if IN_CI else quick


def ssha(password: str, salt: bytes = b"salt") -> str:
    """A `{ssha}` field as NWAuth makes them."""
    raw = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest() + salt
    return "{ssha}" + base64.b64encode(raw).decode()


def user(name: str, password: str = "secret", info: str = "", *, store: str = "flatfile") -> User:
    return User(name=name, stored_password=ssha(password), info=Info(info), store=store)


def line(name: str, password: str = "secret", info: str = "") -> bytes:
    return f"{name}:{ssha(password)}:{info}\n".encode("utf-8", "surrogateescape")


def calls_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(system call, file) in the order in which they are made from now on."""
    seen: list[tuple[str, str]] = []

    def spy(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **more: object) -> object:
            fd = args[0]
            seen.append(
                (name, os.path.basename(os.readlink(f"/proc/self/fd/{fd}")) if isinstance(fd, int) else str(fd))
            )
            return real(*args, **more)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "pwrite", "fsync", "fdatasync"):
        spy(name)
    return seen


def note_append(folder: Path, offset: int, data: bytes, *, inode: int | None = None) -> None:
    """What a process leaves in nwauth.lock that was killed while it appended `data` at `offset`."""
    notes = Notes()
    notes.append = Append(inode or (folder / "nwauth.add").stat().st_ino, offset, data)
    (folder / "nwauth.lock").write_bytes(notes.encode())


def many(count: int, *, password: str = "secret") -> bytes:
    """Lines of `count` users in the order of their names; over 64 KiB from 1,200 users on."""
    field = ssha(password)
    return b"".join(b'user%07d@example.com:%s:quota="10"\n' % (n, field.encode()) for n in range(count))


def ages_ago(path: Path, seconds: float = OLD_SECONDS) -> None:
    """Make the file look as if it had been left alone for long."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def base(folder: Path, txt: bytes | None = b"", add: bytes | None = None) -> Path:
    """A user base that has stood for an hour."""
    folder.mkdir(exist_ok=True)
    for name, content in (("nwauth.txt", txt), ("nwauth.add", add)):
        if content is not None:
            (folder / name).write_bytes(content)
            ages_ago(folder / name)
    return folder


def opened(
    folder: Path,
    *,
    shared: bool = True,
    settle_seconds: float = 2.0,
    max_journal_bytes: int | None = None,
    read_only: bool = False,
    clock: Callable[[], float] = time.time,
) -> FlatfileStore:
    return FlatfileStore(
        str(folder),
        complete=complete,
        shared=shared,
        settle_seconds=settle_seconds,
        max_journal_bytes=max_journal_bytes,
        read_only=read_only,
        clock=clock,
    )


def stat_only(store: FlatfileStore) -> FlatfileStore:
    """Make the store look at the files at each request, as on a network file system."""
    store._view.watch.disarm()
    store._view.watch.refused = True
    return store


def ask(store: FlatfileStore, name: str) -> User | None:
    """A look-up that arrives by itself: the child has been idle before it."""
    store._view.look_again()
    return store.lookup(name)


def names(store: FlatfileStore) -> list[str]:
    """A listing that arrives by itself."""
    store._view.look_again()
    return [user.name for user in store.search()]


def password_of(store: FlatfileStore, name: str) -> str | None:
    found = ask(store, name)
    return None if found is None else found.stored_password


class Interrupted(Settling):
    """Calls `act` once, when a rewrite has read the files and has not yet published: between its two judgements."""

    def __init__(self, lock: LockFile, act: Callable[[], object]) -> None:
        super().__init__(lock, settle_seconds=0, clock=time.time)
        self._act: Callable[[], object] | None = act

    def doubt(self, file: UserFile | None) -> str | None:
        assert file is None or file.fd >= 0
        act, self._act = self._act, None
        if act is not None:
            act()
        return None


def merge_while(folder: Path, act: Callable[[], object], *, shared: bool = False) -> None:
    """Merge, and have `act` done in the middle of it."""
    where = Folder(str(folder))
    lock = LockFile(where.lock, model=where.txt)
    try:
        merge(where, lock, Interrupted(lock, act), complete=complete, shared=shared)
    finally:
        lock.close()


def watching(store: FlatfileStore) -> FlatfileStore:
    """Let inotify stand in, without the promise of a server that more pauses will follow."""
    store._chores.tend()
    return store


class Clock:
    """The time of day, moved by the test alone."""

    def __init__(self) -> None:
        self.seconds = time.time()

    def __call__(self) -> float:
        return self.seconds


def foreign_lines(raw: bytes) -> Iterator[bytes]:
    for row in raw.split(b"\n"):
        if row[:1] not in (b"", b"#", b":") and row.count(b":") > 1 and b"\0" not in row:
            yield row.rstrip(b"\r")


def foreign_view(folder: Path) -> dict[bytes, bytes]:
    """The users that a program sees which knows no deletions: the last line of each name, first of the journal."""
    found: dict[bytes, bytes] = {}
    for name in ("nwauth.txt", "nwauth.add"):
        path = folder / name
        if path.exists():
            found |= {fold_bytes(row.partition(b":")[0]): row for row in foreign_lines(path.read_bytes())}
    return found


def fresh_view(folder: Path) -> dict[str, tuple[str, str, str]]:
    """What a process that has just started lists, by folded name."""
    store = opened(folder, settle_seconds=0)
    try:
        return {fold(u.name): (u.name, u.stored_password, u.info.text) for u in store.search()}
    finally:
        store.close()


@contextmanager
def fast_folder() -> Iterator[str]:
    """A temporary folder in memory where there is one: what is tested thousands of times needs no disk."""
    memory = "/dev/shm"
    usable = sys.platform == "linux" and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="nwauth-test-", dir=memory if usable else None) as path:
        yield path


def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    """Wait for another process; whether `condition` came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
