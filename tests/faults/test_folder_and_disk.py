"""A full disk, a folder that disappears, files of another owner, helpers and pipes."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from tests.faults.folders import ENVIRONMENT, REPOSITORY, Child, child_command, in_child, one_shot
from tests.stores.folders import (
    INLINE_BYTES,
    ask,
    base,
    fast_folder,
    foreign_view,
    fresh_view,
    line,
    many,
    names,
    opened,
    stat_only,
    until,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import RawIOBase

    from nwauth.stores.flatfile import FlatfileStore

ROOT = os.geteuid() == 0
NOBODY = 65534


@contextmanager
def small_disk(path: Path, *, kilobytes: int) -> Iterator[Path]:
    """A file system of that size, mounted at `path`; skips where that is not permitted."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(path)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], capture_output=True, check=False)


def write_on(file: RawIOBase, size: int) -> None:
    """Write until the disk is full."""
    while True:
        file.write(b"x" * size)


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
@pytest.mark.parametrize("shared", [True, False])
def test_on_a_full_disk_a_change_is_unavailable_and_the_base_reads_as_before(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001
    with small_disk(tmp_path / "disk", kilobytes=256) as disk:
        folder = base(disk / "users", line("bob") + many(100))
        store = opened(folder, shared=shared)
        assert store.put(user("eve"))
        fill = (disk / "fill").open("wb", buffering=0)
        with pytest.raises(OSError, match="No space"):
            write_on(fill, 4096)
        refused, added = 0, []
        for number in range(80):
            try:
                store.put(user(f"n{number}", info="y" * 200))
                added.append(f"n{number}")
            except Unavailable:
                refused += 1
        assert refused
        before = fresh_view(folder)
        assert set(before) == {"bob", "eve", *added, *(f"user{number:07d}@example.com" for number in range(100))}
        with pytest.raises(Unavailable):
            store.merge()
        with pytest.raises(Unavailable):
            store.put(user("never", info="z" * 5000))
        assert fresh_view(folder) == before
        assert not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")]
        fill.close()
        (disk / "fill").unlink()
        assert store.put(user("again"))
        store.merge()
        assert set(fresh_view(folder)) == {*before, "again"}
        assert store.delete("bob")
        assert "bob" not in fresh_view(folder)
        store.close()


@pytest.mark.parametrize("room", [0, 1, 10, 40, 100])
def test_where_a_file_may_grow_no_more_a_set_is_unavailable_and_leaves_no_half_line(tmp_path: Path, room: int) -> None:
    """RLIMIT_FSIZE in the child: a write stops short at any byte."""
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder, shared=False)
    assert store.put(user("eve", info="x" * 2000))
    size = (folder / "nwauth.add").stat().st_size

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, size + room))
        inner = opened(folder, shared=False)
        for _ in range(3):
            with pytest.raises(Unavailable):
                inner.put(user("zoe", info="y" * 200))
        assert names(inner) == ["bob", "eve"]

    assert in_child(limited) == 0
    assert set(fresh_view(folder)) == {"bob", "eve"}
    assert store.put(user("zoe"))
    store.merge()
    assert set(fresh_view(folder)) == {"bob", "eve", "zoe"}
    store.close()


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
def test_a_child_says_dead_on_a_full_disk_and_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        folder = base(disk / "users", line("bob"))
        with Child(folder) as child:
            assert child.ask("set eve secret").startswith("+OK")
            (disk / "fill").touch()
            fill = (disk / "fill").open("wb", buffering=0)
            with pytest.raises(OSError, match="No space"):
                write_on(fill, 1024)
            fill.close()
            replies = [child.ask(f'set n{number} secret q="{"y" * 900}"')[:5] for number in range(12)]
            assert set(replies) <= {"+OK n", "-DEAD"}
            assert replies[-1] == "-DEAD"
            assert child.ask("lookup bob").startswith("+OK")
            assert child.ask("lookup nobody") == "-ERR nobody does not exist"
            (disk / "fill").unlink()
            assert child.ask("set zoe secret").startswith("+OK")
            assert child.ask("check zoe secret").startswith("+OK")


# --- a folder that disappears ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["stat", "inotify"])
def test_a_folder_that_is_moved_away_is_unavailable_and_serves_again_when_it_is_back(tmp_path: Path, mode: str) -> None:
    folder = base(tmp_path / "users", line("bob") + many(1500), line("eve"))
    store = opened(folder)
    if mode == "stat":
        stat_only(store)
    for _ in range(3):
        assert ask(store, "bob") is not None
        store.tend()
        folder.rename(tmp_path / "away")
        for asked in ("bob", "eve", "nobody"):
            with pytest.raises(Unavailable):
                ask(store, asked)
        with pytest.raises(Unavailable):
            store.put(user("new"))
        with pytest.raises(Unavailable):
            store.delete("bob")
        store.tend()
        (tmp_path / "away").rename(folder)
        assert ask(store, "bob") is not None
        assert ask(store, "new") is None
    store.close()


def test_a_parent_folder_that_is_moved_away_takes_no_change(tmp_path: Path) -> None:
    """No event tells a watch of it."""
    (tmp_path / "parent").mkdir()
    folder = base(tmp_path / "parent" / "users", line("bob"))
    store = opened(folder)
    assert ask(store, "bob") is not None
    store.tend()
    assert ask(store, "bob") is not None
    (tmp_path / "parent").rename(tmp_path / "away")
    (tmp_path / "parent" / "users").mkdir(parents=True)
    for change in (lambda: store.put(user("new")), lambda: store.delete("bob"), store.merge):
        with pytest.raises(Unavailable):
            change()
    assert os.listdir(folder) == []
    store.close()


@pytest.mark.skipif(not ROOT, reason="only root can mount")
@pytest.mark.parametrize("inside", ["an empty mount point", "another base"])
def test_a_mount_that_is_gone_is_unavailable_and_no_change_goes_to_what_is_below(tmp_path: Path, inside: str) -> None:
    """`umount -l` raises no event: what a watch believes must not be written upon."""
    mount = tmp_path / "mount"
    mount.mkdir()
    if inside == "another base":
        base(mount, line("below"))
    with small_disk(mount, kilobytes=1024):
        base(mount, line("bob"), line("eve"))
        store = opened(mount, settle_seconds=0)
        for _ in range(3):
            assert ask(store, "bob") is not None
            store.tend()
        subprocess.run(["umount", "-l", str(mount)], check=True)
        if inside == "an empty mount point":
            with pytest.raises(Unavailable):
                store.put(user("new"))
            with pytest.raises(Unavailable):
                store.delete("bob")
            assert os.listdir(mount) == []
            assert until(lambda: refuses(store, "bob"), seconds=3)
            with pytest.raises(Unavailable):
                ask(store, "nobody")
        else:
            old = user("bob", store=store.name)
            assert not store.replace(old, old.changed(stored_password="*stale"))
            assert store.put(user("new"))
            assert names(store) == ["below", "new"]
        store.close()


def refuses(store: FlatfileStore, name: str) -> bool:
    try:
        ask(store, name)
    except Unavailable:
        return True
    return False


def test_a_child_says_dead_for_a_folder_that_disappears_and_resumes_by_itself() -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "users", line("bob"))
        with Child(folder) as child:
            assert child.ask("lookup bob").startswith("+OK")
            folder.rename(Path(path) / "away")
            for request in ("lookup bob", "lookup nobody", "check bob secret", "set new pw", "del bob", "search b"):
                assert child.ask(request).startswith("-DEAD"), request
            (Path(path) / "away").rename(folder)
            assert child.ask("check bob secret").startswith("+OK")
            assert child.ask("lookup nobody") == "-ERR nobody does not exist"


def test_a_piped_set_makes_no_base_and_a_one_shot_set_does(tmp_path: Path) -> None:
    with Child(tmp_path / "none") as child:
        assert child.ask("set bob secret") == "-DEAD no user database, run nwauth init" or child.ask(
            "lookup bob"
        ).startswith("-DEAD")
    (tmp_path / "empty").mkdir()
    with Child(tmp_path / "empty") as child:
        for request in ("set bob secret", "lookup bob", "del bob", "search b", "check bob x"):
            assert child.ask(request) == "-DEAD no user database, run nwauth init"
    assert not (tmp_path / "empty" / "nwauth.txt").exists()
    assert one_shot(tmp_path / "empty", "-set", "bob", "secret")[0] == 0
    assert one_shot(tmp_path / "empty", "-check", "bob", "secret")[0] == 0


# --- other owners ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT, reason="only root can become another")
@pytest.mark.parametrize("unreadable", ["nwauth.txt", "nwauth.add", "."])
def test_files_that_may_not_be_read_are_unavailable_and_never_absent(unreadable: str) -> None:
    with fast_folder() as path:
        os.chmod(path, 0o755)
        folder = base(Path(path) / "users", line("bob"), line("eve"))
        for name in ("nwauth.txt", "nwauth.add"):
            (folder / name).chmod(0o644)
        (folder / unreadable).chmod(0o700 if unreadable == "." else 0o600)

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            store = opened(folder)
            for asked in ("bob", "eve", "nobody"):
                with pytest.raises(Unavailable):
                    ask(store, asked)
            with pytest.raises(Unavailable):
                names(store)
            store.tend()

        assert in_child(other) == 0


@pytest.mark.skipif(not ROOT, reason="only root can become another")
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_folder_that_may_only_be_read_serves(size: str) -> None:
    with fast_folder() as path:
        os.chmod(path, 0o755)
        folder = base(Path(path) / "users", line("bob") + (many(1500) if size == "large" else b""), line("eve"))
        folder.chmod(0o755)
        for name in ("nwauth.txt", "nwauth.add"):
            (folder / name).chmod(0o644)

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            store = opened(folder)

            def tended() -> bool:
                store.tend()
                assert ask(store, "bob") is not None
                assert ask(store, "eve") is not None
                assert ask(store, "nobody") is None
                file = store._view.file
                return file is not None and not file.wants_index

            assert until(tended)
            with pytest.raises(Unavailable):
                store.put(user("new"))
            with pytest.raises(Unavailable):
                store.delete("bob")
            assert "bob" in names(store)

        assert in_child(other) == 0
        assert sorted(os.listdir(folder)) == ["nwauth.add", "nwauth.txt"]


def python_for_anybody() -> str | None:
    """An interpreter that every user can run."""
    path = "/usr/bin/python3"
    if not os.path.exists(path):
        return None
    done = subprocess.run([path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False)
    return path if done.returncode == 0 else None


@pytest.mark.skipif(not ROOT or python_for_anybody() is None, reason="needs root, and a Python 3.11 that all can run")
def test_root_administers_while_a_child_under_another_uid_serves() -> None:
    with fast_folder() as path:
        os.chmod(path, 0o755)
        shutil.copytree(f"{REPOSITORY}/nwauth", f"{path}/code/nwauth", ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX", f"{path}/code"], check=True)
        folder = base(Path(path) / "users", line("bob") + many(1500), line("eve"))
        for where in (folder, folder / "nwauth.txt", folder / "nwauth.add"):
            os.chown(where, NOBODY, NOBODY)
            where.chmod(0o700 if where == folder else 0o600)
        environment = {"PYTHONPATH": f"{path}/code", "PYTHONDONTWRITEBYTECODE": "1"}
        with Child(
            folder, "-size", "400", python=str(python_for_anybody()), environment=environment, user=NOBODY
        ) as child:
            assert child.ask("lookup bob").startswith("+OK")
            for number in range(12):
                assert one_shot(folder, "-set", f"root{number}", "secret")[0] == 0
                assert child.ask(f"check root{number} secret").startswith("+OK")
                assert child.ask(f"set child{number} secret").startswith("+OK")
                assert one_shot(folder, "-check", f"child{number}", "secret")[0] == 0
            assert one_shot(folder, "-del", "bob") == (0, "+OK bob deleted")
            assert child.ask("lookup bob") == "-ERR bob does not exist"
            store = opened(folder)  # root itself, as the owner of nothing
            store.merge()
            assert store.put(user("late"))
            store.close()
            assert child.ask("lookup late").startswith("+OK")
            assert child.ask("del late").startswith("+OK")
            assert child.ask("set new secret").startswith("+OK")
        assert until(lambda: not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")])
        owners = {name: (folder / name).stat().st_uid for name in os.listdir(folder)}
        assert set(owners.values()) == {NOBODY}, owners
        assert b"bob" not in foreign_view(folder)


# --- helpers ---------------------------------------------------------------------------------------------------------


def helpers_of(folder: Path) -> list[int]:
    """Processes that hold a file of the folder open and are no child of ours."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if int(pid) != os.getpid() and any(target.startswith(str(folder) + "/nwauth.tmp.") for target in fds):
            found.append(int(pid))
    return found


def test_the_server_sees_the_end_of_its_child_while_a_helper_still_works(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(400_000))
    assert (folder / "nwauth.txt").stat().st_size > INLINE_BYTES
    process = subprocess.Popen(
        child_command(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"lookup user0000001@example.com\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"+OK")
    assert until(lambda: len(helpers_of(folder)) > 0, seconds=10)
    (helper,) = helpers_of(folder)
    os.kill(helper, signal.SIGSTOP)
    try:
        assert [os.readlink(f"/proc/{helper}/fd/{fd}") for fd in (0, 1, 2)] == ["/dev/null"] * 3
        others = [os.readlink(f"/proc/{helper}/fd/{fd}") for fd in os.listdir(f"/proc/{helper}/fd") if int(fd) > 2]
        ours = {
            os.readlink(f"/proc/self/fd/{stream.fileno()}")
            for stream in (process.stdin, process.stdout, process.stderr)
        }
        assert not ours & set(others)
        process.stdin.close()
        started = time.monotonic()
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - started < 5
    finally:
        os.kill(helper, signal.SIGCONT)
        process.stdout.close()
        process.stderr.close()
    assert until((folder / "nwauth.idx").exists)


def test_a_child_whose_process_limit_is_reached_still_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = base(tmp_path / "users", line("bob") + many(1500), line("eve"))
    store = opened(folder, max_journal_bytes=1)

    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", refuse)
        for _ in range(3):
            assert ask(store, "bob") is not None
            assert ask(store, "nobody") is None
            store.tend()
        with pytest.raises(Unavailable):
            store.delete("bob")
        assert ask(store, "bob") is None
    assert sys.platform
    other = opened(folder)
    assert other.put(user("zoe"))
    other.tend()
    assert until(lambda: b"bob" not in foreign_view(folder))
    store.close()
    other.close()


# --- a folder that is something else ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["stat", "inotify"])
@pytest.mark.parametrize("instead", ["a file", "a link to itself", "nothing", "a folder in the place of nwauth.txt"])
def test_while_a_folder_is_replaced_by_something_else_no_request_is_told_absent(
    tmp_path: Path, mode: str, instead: str
) -> None:
    folder = base(tmp_path / "users", line("bob") + many(1500), line("eve"))
    store = opened(folder, settle_seconds=0)
    if mode == "stat":
        stat_only(store)
    for _ in range(3):
        assert ask(store, "bob") is not None
        store.tend()
    away, put_back = replace_by(folder, instead)
    for number in range(12):
        for asked in ("bob", "eve", "nobody"):
            with pytest.raises(Unavailable):
                store.lookup(asked)
        if number == 6:
            with pytest.raises(Unavailable):
                store.put(user("new"))
            with pytest.raises(Unavailable):
                list(store.search())
        with suppress(Unavailable):  # as a child does
            store.tend()
    put_back()
    assert away
    assert ask(store, "bob") is not None
    assert ask(store, "eve") is not None
    assert ask(store, "nobody") is None
    store.close()


def replace_by(folder: Path, instead: str) -> tuple[Path, Callable[[], object]]:
    """Put something else where the user files were; where they are now, and how they come back."""
    place = folder / "nwauth.txt" if instead.endswith("nwauth.txt") else folder
    away = place.with_name("away")
    place.rename(away)
    if instead == "a file":
        place.write_bytes(b"no folder")
    elif instead == "a link to itself":
        place.symlink_to(place)
    elif instead.endswith("nwauth.txt"):
        place.mkdir()

    def put_back() -> None:
        if place.is_symlink() or place.is_file():
            place.unlink()
        elif place.exists():
            place.rmdir()
        away.rename(place)

    return away, put_back


def test_a_child_says_dead_at_every_request_while_its_folder_is_a_file() -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "users", line("bob"))
        with Child(folder) as child:
            assert child.ask("lookup bob").startswith("+OK")
            assert child.ask("lookup nobody") == "-ERR nobody does not exist"
            folder.rename(Path(path) / "away")
            folder.write_bytes(b"")
            for _ in range(20):
                for request in ("lookup bob", "lookup nobody", "check nobody x"):
                    assert child.ask(request).startswith("-DEAD"), request
            folder.unlink()
            (Path(path) / "away").rename(folder)
            assert child.ask("lookup bob").startswith("+OK")
            assert child.ask("lookup nobody") == "-ERR nobody does not exist"


# --- a full disk and the record --------------------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
def test_a_full_disk_that_refuses_a_long_line_keeps_what_was_noted(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        folder = base(disk / "users", line("bob"), line("eve"))
        store = opened(folder)
        store.merge()
        noted = (folder / "nwauth.lock").read_bytes()
        with (disk / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError, match="No space"):
            write_on(fill, 4096)
        bob = ask(store, "bob")
        assert bob is not None
        for size in (5000, 12000):
            with pytest.raises(Unavailable):
                store.replace(bob, bob.changed(info=bob.info.updated({"q": "z" * size})))
            assert (folder / "nwauth.lock").read_bytes()[: len(noted)] == noted
        for one in (store, opened(folder)):
            assert ask(one, "nobody") is None, "that nwauth.txt is ours was forgotten"
            one.close()


# --- a parent that ignores its children ------------------------------------------------------------------------------


def test_a_child_whose_server_ignores_sigchld_deletes_for_all_and_leaks_no_descriptor(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(1500), line("eve"))
    with Child(folder, ignore_sigchld=True) as child:
        assert child.ask("del user0000000@example.com") == "+OK user0000000@example.com deleted"
        status = Path(f"/proc/{child.process.pid}/status").read_text()
        ignored = next(row.split()[1] for row in status.splitlines() if row.startswith("SigIgn"))
        assert int(ignored, 16) >> (signal.SIGCHLD - 1) & 1
        assert until(lambda: child.ask("lookup eve").startswith("+OK") and index_is_open(child.process.pid))
        fds = len(os.listdir(f"/proc/{child.process.pid}/fd"))
        for number in range(1, 6):
            name = f"user{number:07d}@example.com"
            assert child.ask(f"del {name}") == f"+OK {name} deleted"
            assert child.ask(f"lookup {name}") == f"-ERR {name} does not exist"
            assert name.encode() not in foreign_view(folder)
        assert child.ask("lookup user0000007@example.com").startswith("+OK")
        assert len(os.listdir(f"/proc/{child.process.pid}/fd")) <= fds


def index_is_open(pid: int) -> bool:
    """Whether the process has an index: its descriptors are then all that it needs."""
    return any("/nwauth.idx" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
