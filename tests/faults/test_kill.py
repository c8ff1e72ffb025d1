"""kill -9 at each system call of `set`, `del` and `merge`: by strace where ptrace is permitted, else skipped.

`strace -f -e inject=CALL:signal=KILL:when=N` ends the process (or the helper that it forked) as it enters the N-th
call.  A first run without a death tells which calls there are after the start of the interpreter; CI dies at every one
of them, a quick run at a sample.  A second family needs no ptrace: in a forked child the functions of `os` end the
process at their N-th call, writes after any part of their bytes: what strace cannot do, since a call is made whole or
not at all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from tests.faults.folders import ENVIRONMENT, in_child
from tests.stores.folders import (
    IN_CI,
    ask,
    base,
    fast_folder,
    foreign_view,
    fresh_view,
    line,
    many,
    opened,
    ssha,
    until,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = (
    *("openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "link", "unlink", "flock", "ftruncate"),
    *("fchown", "fchmod", "pread64", "close", "newfstatat", "clone"),
)
MARK = "/nwauth-test-mark"

DRIVER = """
import os, sys
from pathlib import Path
import nwauth.stores.flatfile.append, nwauth.stores.flatfile.merge, nwauth.stores.flatfile.remove
import nwauth.stores.flatfile.swap, nwauth.stores.textfile.helper, nwauth.stores.flatfile.ordered, select, signal
import unicodedata, array, itertools, bisect
from tests.stores.folders import opened, user, ask
folder, what, shared = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "shared"
store = opened(folder, shared=shared)
ask(store, "nobody")
try:
    os.stat("/nwauth-test-mark")
except OSError:
    pass
from nwauth.errors import Unavailable
try:
    if what == "set":
        old = ask(store, "bob")
        done = store.replace(old, old.changed(stored_password=user("bob", "new").stored_password))
    elif what == "add":
        done = store.put(user("zoe", "new"))
    elif what == "batch":
        done = store.put_all([user(f"batch{number:03d}", "new") for number in range(300)]) == []
    elif what == "del":
        done = store.delete("bob")
    else:
        done = store.merge() is not None
except Unavailable:  # its helper was killed
    done = False
os.write(1, b"done" if done else b"not")
os._exit(0)
"""

HEAD = b"# head\n"
TXT = HEAD + line("carl") + line("bob", "older") + line("alice")
ADD = line("bob", "old") + line("eve")
BEFORE = {"alice": ssha("secret"), "bob": ssha("old"), "carl": ssha("secret"), "eve": ssha("secret")}
CHANGED = {
    "set": BEFORE | {"bob": ssha("new")},
    "add": BEFORE | {"zoe": ssha("new")},
    "del": {name: field for name, field in BEFORE.items() if name != "bob"},
    "merge": BEFORE,
}


def can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(
        ["strace", "-f", "-e", "trace=none", "-e", "inject=rename:signal=KILL:when=1", "true"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


needs_strace = pytest.mark.skipif(not can_trace(), reason="no strace here, or ptrace is not permitted")


def traced(folder: Path, what: str, shared: str, *options: str) -> tuple[bytes, str]:
    """What the driver said, and the trace."""
    log = str(folder) + ".trace"
    done = subprocess.run(
        ["strace", "-f", "-o", log, "-e", f"trace={','.join(CALLS)}", *options,
         sys.executable, "-S", "-c", DRIVER, str(folder), what, shared],
        env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([ENVIRONMENT["PYTHONPATH"], *site_packages()])},
        capture_output=True,
        check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, -9, 137), done.stderr.decode()
    return done.stdout, Path(log).read_text(errors="replace")


def site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def deaths(trace: str) -> list[tuple[str, int]]:
    """Each (call, N) that comes after the mark, in the first process or in a helper."""
    counts: Counter[tuple[str, str]] = Counter()
    found: list[tuple[str, int]] = []
    marked = False
    for row in trace.splitlines():
        match = re.match(r"(\d+) +(\w+)\(", row)
        if match is None:
            continue
        pid, call = match.groups()
        counts[pid, call] += 1
        marked = marked or MARK in row
        if marked and call in CALLS and (call, counts[pid, call]) not in found:
            found.append((call, counts[pid, call]))
    assert marked
    return found


def fresh_folder(path: Path) -> Path:
    return base(path, TXT, ADD)


def passwords_in(folder: Path) -> dict[str, str]:
    return {key: field for key, (_, field, _) in fresh_view(folder).items()}


def files_left(folder: Path) -> set[str]:
    """The files of the folder, without the journals that a foreign writer may still hold."""
    return {name for name in os.listdir(folder) if not name.startswith("nwauth.add.old.")}


def check_after_death(folder: Path, what: str, *, acknowledged: bool, shared: bool, unended: bool = False) -> None:
    """A fresh process answers right, nothing acknowledged is lost, no user mixed; a following set and merge work.

    A line that lacks nothing but its end (`unended`) is read, and undone by the next lock-taker: nobody was told of it.
    """
    seen = passwords_in(folder)
    assert seen in ([CHANGED[what]] if acknowledged else [BEFORE, CHANGED[what]])
    store = opened(folder, shared=shared, settle_seconds=0)
    for name in ("alice", "bob", "carl", "eve", "zoe"):
        found = ask(store, name)
        assert (None if found is None else found.stored_password) == seen.get(name)
    assert store.put(user("after"))
    if what == "del" and shared and "bob" not in seen:
        store.tend()
        assert until(lambda: b"bob" not in foreign_view(folder), seconds=10)
    wanted = (BEFORE if unended else seen) | {"after": ssha("secret")}
    assert passwords_in(folder) == wanted
    store.merge()
    assert passwords_in(folder) == wanted
    assert {key.decode(): row.split(b":")[1].decode() for key, row in foreign_view(folder).items()} == wanted
    assert (folder / "nwauth.txt").read_bytes().startswith(HEAD)
    assert until(lambda: files_left(folder) <= {"nwauth.txt", "nwauth.add", "nwauth.lock", "nwauth.rejected"})
    store.close()


def check_batch_after_death(folder: Path, batch: list[str], *, acknowledged: bool) -> None:
    """All others are as they were, and of the batch so many were added, each with its own password, as come first.

    None of them goes again but the last, where it lacked its end: nobody was told of it.
    """

    def with_first(count: int) -> dict[str, str]:
        return BEFORE | dict.fromkeys(batch[:count], ssha("new"))

    seen = passwords_in(folder)
    count = len(seen) - len(BEFORE)
    assert seen == with_first(len(batch) if acknowledged else count)
    store = opened(folder, shared=False, settle_seconds=0)
    assert store.put(user("after"))
    after = passwords_in(folder)
    assert after.pop("after") == ssha("secret")
    assert after in ([seen] if acknowledged else [seen, with_first(count - 1)])
    store.merge()
    assert passwords_in(folder) == after | {"after": ssha("secret")}
    everybody = [user(name, "new") for name in batch]
    assert store.put_all(everybody) == everybody[: len(after) - len(BEFORE)]
    assert passwords_in(folder) == with_first(len(batch)) | {"after": ssha("secret")}
    store.close()


@needs_strace
@pytest.mark.parametrize("shared", ["shared", "ours"])
@pytest.mark.parametrize("what", ["set", "add", "del", "merge"])
def test_a_kill_at_each_system_call_loses_nothing_and_mixes_nobody(what: str, shared: str) -> None:
    with fast_folder() as path:
        said, trace = traced(fresh_folder(Path(path) / "whole"), what, shared)
        assert said == b"done"
        found = deaths(trace)
        assert len(found) > 10
        relevant = [death for death in found if death[0] not in ("pread64", "close", "newfstatat", "openat")]
        chosen = found if IN_CI else relevant[:: max(1, len(relevant) // 4)]
        killed = 0
        for number, (call, nth) in enumerate(chosen):
            folder = fresh_folder(Path(path) / f"{number}")
            said, trace = traced(folder, what, shared, "-e", f"inject={call}:signal=KILL:when={nth}")
            killed += "killed by SIGKILL" in trace
            check_after_death(folder, what, acknowledged=said == b"done", shared=shared == "shared")
        assert killed > len(chosen) // 2


@needs_strace
def test_a_kill_at_each_system_call_of_a_batch_leaves_whole_users_in_their_order() -> None:
    batch = [f"batch{number:03d}" for number in range(300)]
    with fast_folder() as path:
        said, trace = traced(fresh_folder(Path(path) / "whole"), "batch", "ours")
        assert said == b"done"
        found = deaths(trace)
        relevant = [death for death in found if death[0] not in ("pread64", "close", "newfstatat", "openat")]
        assert sum(call == "write" for call, _ in relevant) > 1
        killed = 0
        for number, (call, nth) in enumerate(found if IN_CI else relevant[::2]):
            folder = fresh_folder(Path(path) / f"{number}")
            said, trace = traced(folder, "batch", "ours", "-e", f"inject={call}:signal=KILL:when={nth}")
            killed += "killed by SIGKILL" in trace
            check_batch_after_death(folder, batch, acknowledged=said == b"done")
        assert killed > 2


# --- without ptrace: deaths in the middle of a write -----------------------------------------------------------------

CHANGING = ("write", "pwrite", "fsync", "fdatasync", "rename", "link", "unlink", "fchmod", "fchown", "ftruncate")


def die_at(step: int, part: float) -> None:
    """End this process at its `step`-th changing call; a write is made in part before."""
    count = [0]

    def spoil(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **more: object) -> object:
            if count[0] == step:
                if (
                    name == "write" and part
                ):  # the one pwrite of the notes is short: the system makes it whole or not at all
                    data = bytes(args[1])  # type: ignore[call-overload]
                    real(args[0], data[: max(1, int(len(data) * part))], *args[2:])
                os._exit(9)
            count[0] += 1
            return real(*args, **more)

        setattr(os, name, call)

    for name in CHANGING:
        spoil(name)


def each_death(what: str, *, shared: bool, part: float) -> int:
    with fast_folder() as path:
        step = 0
        while True:
            folder = fresh_folder(Path(path) / f"{step}")
            status = in_child(lambda folder=folder, step=step: doomed(folder, what, step, part, shared=shared))  # type: ignore[misc]
            assert status in (0, 9, 7), status
            check_after_death(folder, what, acknowledged=status == 0, shared=shared)
            if status == 0:
                return step
            step += 1


def doomed(folder: Path, what: str, step: int, part: float, *, shared: bool) -> None:
    store = opened(folder, shared=shared)
    bob = ask(store, "bob")
    assert bob is not None
    die_at(step, part)
    work: dict[str, Callable[[], object]] = {
        "set": lambda: store.replace(bob, bob.changed(stored_password=ssha("new"))),
        "add": lambda: store.put(user("zoe", "new")),
        "del": lambda: store.delete("bob"),
        "merge": store.merge,
    }
    try:
        assert work[what]()
    except Unavailable:  # the helper of a deletion is as doomed
        os._exit(7)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("what", ["set", "add", "del", "merge"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.5, 0.9] if IN_CI else [0.0, 0.5])
def test_a_death_at_any_change_even_in_the_middle_of_a_write_loses_nothing(
    what: str, part: float, *, shared: bool
) -> None:
    if what == "del" and shared:
        with fast_folder() as path:
            for step in range(12):
                folder = fresh_folder(Path(path) / f"{step}")
                status = in_child(lambda folder=folder, step=step: doomed(folder, what, step, part, shared=True))  # type: ignore[misc]
                check_after_death(folder, what, acknowledged=status == 0, shared=True)
        return
    assert each_death(what, shared=shared, part=part) >= (4 if what != "merge" else 8)


def test_a_death_at_every_byte_of_a_line_leaves_it_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    length = len(line("zoe", "new"))
    with fast_folder() as path:
        for sent in range(0, length + 1, 1 if IN_CI else 7):
            folder = fresh_folder(Path(path) / f"{sent}")

            def torn(folder: Path = folder, sent: int = sent) -> None:
                store = opened(folder, shared=False)
                ask(store, "bob")
                real = os.write

                def write(fd: int, data: bytes) -> int:
                    real(fd, data[:sent])
                    os._exit(9)

                monkeypatch.setattr(os, "write", write)
                store.put(user("zoe", "new"))

            assert in_child(torn) == 9
            check_after_death(folder, "add", acknowledged=False, shared=False, unended=sent == length - 1)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9] if IN_CI else [0.0, 0.4, 0.8])
def test_a_death_at_any_change_of_a_batch_leaves_whole_users_in_their_order(
    part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [f"batch{number}" for number in range(12)]
    monkeypatch.setattr("nwauth.stores.flatfile.append.PIECE_BYTES", 4 * len(line("batch0")))

    def doomed_batch(folder: Path, step: int) -> None:
        store = opened(folder, shared=False)
        ask(store, "bob")
        die_at(step, part)
        assert store.put_all([user(name, "new") for name in batch]) == []

    with fast_folder() as path:
        for step in range(100):
            folder = fresh_folder(Path(path) / f"{step}")
            status = in_child(lambda folder=folder, step=step: doomed_batch(folder, step))  # type: ignore[misc]
            assert status in (0, 9), status
            check_batch_after_death(folder, batch, acknowledged=status == 0)
            if status == 0:
                break
        assert 8 < step < 99


@pytest.mark.skipif(not IN_CI, reason="a large file: in CI")
@needs_strace
def test_a_kill_during_the_merge_of_a_large_file_leaves_file_and_index_right() -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "whole", many(3000), ADD)
        _, trace = traced(folder, "merge", "ours")
        for number, (call, nth) in enumerate(deaths(trace)):
            if call in ("rename", "write", "pwrite64", "fsync", "link", "unlink"):
                folder = base(Path(path) / f"{number}", many(3000), ADD)
                traced(folder, "merge", "ours", "-e", f"inject={call}:signal=KILL:when={nth}")
                store = opened(folder, settle_seconds=0)
                for name in ("user0000000@example.com", "user0002999@example.com", "bob", "eve"):
                    assert ask(store, name) is not None
                assert ask(store, "nobody") is None
                assert len(passwords_in(folder)) == 3002
                store.close()
