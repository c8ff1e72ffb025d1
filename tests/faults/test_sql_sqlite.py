"""SQLite: several children at once, `kill -9`, locks, a full disk, and files that are not what they were."""

from __future__ import annotations

import os
import random
import resource
import signal
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from nwauth.errors import Unavailable
from nwauth.model import Info, User
from nwauth.stores.sql import Limits, SqlStore
from tests.databases.processes import wait_until
from tests.faults.databases import (
    ALL,
    AT_ONCE_SECONDS,
    NOBODY,
    SHORT_SECONDS,
    Folder,
    Timed,
    assert_dead,
    assert_ends_well,
    assert_resumes,
    fill,
    small_disk,
)
from tests.faults.folders import in_child
from tests.faults.sqlite import assert_whole, connected, put_many, served, users_db
from tests.serving import IN_CI

ROOT = os.geteuid() == 0
MANY = 300


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return served(tmp_path)


# Several at once.


class Setter:
    """A child that sets its own users again and again, until it is killed or told to stop; what it was told counts."""

    def __init__(self, folder: Folder, number: int) -> None:
        self.child = folder.child()
        self.number = number
        self.told: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self.refused: list[bytes] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        rng = random.Random(self.number)
        step = 0
        while not self.ended.is_set():
            step += 1
            name = f"w{self.number}-{rng.randrange(6)}"
            self.asked[name] = step
            try:
                reply = self.child.ask(f'set {name} {name}p step="{step}" name="{name}"'.encode())
            except BrokenPipeError:
                return
            if not reply.endswith(b"\n"):
                return
            if reply.startswith(b"+OK "):
                self.told[name] = step
            else:
                self.refused.append(reply)


def test_children_that_are_killed_while_they_set_lose_nothing_that_was_acknowledged_and_mix_nobody(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path / "users", "sqlite:///users.db")
    rounds = 40 if IN_CI else 6
    rng = random.Random(os.getpid())
    told: dict[str, int] = {}
    asked: dict[str, int] = {}
    with folder.child() as reader:
        assert reader.ask(b"set bob secret").startswith(b"+OK")
        for number in range(rounds):
            setters = [Setter(folder, 3 * number + n) for n in range(3)]
            until = time.monotonic() + rng.uniform(0.15, 0.5)

            def may_die(setters: list[Setter] = setters, until: float = until) -> bool:
                assert reader.ask(b"lookup bob").startswith(b"+OK bob ")
                assert reader.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
                return time.monotonic() > until and all(setter.told for setter in setters)

            wait_until(may_die, "each has set somebody")
            for setter in setters[1:]:
                setter.child.process.kill()  # the first one goes on through the deaths of the others
            for setter in setters[1:]:
                setter.thread.join()
            setters[0].ended.set()
            setters[0].thread.join()
            assert_ends_well(setters[0].child)
            for setter in setters:
                setter.child.__exit__(None, None, None)
                told |= setter.told
                asked |= setter.asked
                assert all(reply.startswith(b"-DEAD ") for reply in setter.refused)
        for name, step in told.items():
            reply = reader.ask(b"lookup " + name.encode()).decode()
            assert reply.startswith(f"+OK {name} ")
            assert f' name="{name}"' in reply
            seen = int(reply.partition('step="')[2].partition('"')[0])
            assert step <= seen <= asked[name]
            assert reader.ask(f"check {name} {name}p".encode()).startswith(b"+OK ")
        assert_ends_well(reader)
    assert len(told) > rounds
    assert_whole(folder)


def test_while_another_holds_a_write_transaction_reads_go_on_and_a_set_is_dead_in_time(folder: Folder) -> None:
    with folder.child() as child, connected(folder) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE accounts SET info = 'x'")
        assert_dead(child, b"set bob other", b"set eve secret", b"del bob", within=2 * SHORT_SECONDS + 0.5)
        for request in (b"lookup bob", b"check bob secret"):
            timed = Timed(child, request)
            assert timed.reply == b'+OK bob config 0 note="old"\n'
            assert timed.seconds < AT_ONCE_SECONDS
        assert child.ask(b"check bob wrong").startswith(b"-ERR ")
        assert child.ask(b"lookup eve") == b"-ERR eve does not exist\n"
        other.execute("ROLLBACK")
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once("locked")


def test_while_another_holds_the_whole_file_all_say_dead_in_time(folder: Folder) -> None:
    with connected(folder) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with folder.child() as child:
            assert_dead(child, *ALL)
            other.close()
            assert_resumes(child)
            assert_ends_well(child)
    folder.assert_told_once("locked")


# A disk that is full, a folder that nobody may write.


def test_on_a_full_disk_look_ups_go_on_and_a_set_is_dead_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=512) as disk:
        folder = Folder(tmp_path / "users", f"sqlite:///{disk}/users.db", statement_timeout_seconds=SHORT_SECONDS)
        with folder.child() as child, folder.child() as other:
            assert child.ask(b"set bob secret").startswith(b"+OK")
            assert other.ask(b"lookup bob").startswith(b"+OK")
            fill(disk / "fill")
            replies = [child.ask(b'set n%d secret info="%s"' % (n, b"y" * 4000)) for n in range(12)]
            assert {reply[:4] for reply in replies} <= {b"+OK ", b"-DEA"}
            assert replies[-1].startswith(b"-DEAD ")
            for one in (child, other):
                assert one.ask(b"lookup bob").startswith(b"+OK bob ")
                assert one.ask(b"check bob secret").startswith(b"+OK bob ")
                assert one.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
            (disk / "fill").unlink()
            for n, reply in enumerate(replies):
                assert other.ask(b"lookup n%d" % n).startswith(b"+OK ") == reply.startswith(b"+OK ")
            assert_resumes(child)
            assert_ends_well(child)
            assert_ends_well(other)
        folder.assert_told_once("full")


@pytest.mark.parametrize("room", [0, 100, 5000])
def test_where_files_may_grow_no_more_a_set_is_dead_and_stores_nothing(folder: Folder, room: int) -> None:
    put_many(folder, count=50)

    def limit() -> None:
        size = users_db(folder).stat().st_size + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    with folder.child(preexec_fn=limit) as child:
        replies = [child.ask(b'set n%d secret info="%s"' % (n, b"y" * 4000)) for n in range(12)]
        assert replies[-1].startswith(b"-DEAD ")
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        assert child.ask(b"lookup user49").startswith(b"+OK ")
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        assert_ends_well(child)
    assert_whole(folder)
    with folder.child() as child:
        for n, reply in enumerate(replies):
            assert child.ask(b"lookup n%d" % n).startswith(b"+OK ") == reply.startswith(b"+OK ")
        assert_resumes(child)


@pytest.mark.skipif(not ROOT, reason="only root can be another account")
@pytest.mark.parametrize("is_served", [False, True])
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_cannot_be_written_denies_nobody_and_a_set_is_dead(what: str, *, is_served: bool) -> None:
    """`is_served`: another child has it open, so that the log and the shared memory of SQLite are there."""
    with tempfile.TemporaryDirectory() as path, ExitStack() as stack:
        folder = Folder(Path(path) / "users", "sqlite:///users.db")
        with folder.child() as child:
            assert child.ask(b"set bob secret").startswith(b"+OK")
            assert_ends_well(child)
        if is_served:
            other = stack.enter_context(folder.child())
            assert other.ask(b"lookup bob").startswith(b"+OK bob ")
        Path(path).chmod(0o755)
        for file in (folder.path, *folder.path.iterdir()):
            os.chown(file, NOBODY, NOBODY)
            file.chmod(0o500 if file.is_dir() else 0o600)
        if what == "file":
            folder.path.chmod(0o700)
            users_db(folder).chmod(0o400)
        assert in_child(lambda: as_nobody(folder, may_write=what == "folder" and is_served)) == 0


def as_nobody(folder: Folder, *, may_write: bool) -> None:
    """In a process of its own: that account need not be able to read where the program lies."""
    store = SqlStore(f"sqlite:///{users_db(folder)}", limits=Limits(statement=SHORT_SECONDS), retry_seconds=0)
    absent = User(name="eve", stored_password="!", info=Info(""), store="sql")
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    bob = None
    try:
        bob = store.lookup("bob")
        assert bob is not None
        assert store.lookup("nobody") is None
    except Unavailable:
        pass
    if may_write:
        return
    with pytest.raises(Unavailable):
        store.put(absent)
    with pytest.raises(Unavailable):
        store.delete("bob")
    with pytest.raises(Unavailable):
        store.replace(bob or absent, absent)
    store.close()


def test_a_sigkill_in_the_middle_of_a_write_leaves_the_others_serving(folder: Folder) -> None:
    """Stopped within its transaction, then killed: the lock goes with it."""
    with folder.child() as child, folder.child(patch=STOP_IN_A_WRITE) as doomed:
        doomed.send(b"set bob other\n")
        os.waitid(os.P_PID, doomed.process.pid, os.WSTOPPED | os.WNOWAIT)
        assert_dead(child, b"set eve secret")
        assert child.ask(b"check bob secret").startswith(b"+OK bob ")
        doomed.process.send_signal(signal.SIGKILL)
        doomed.process.wait()
        assert_resumes(child)
        assert_ends_well(child)
    assert_whole(folder)


STOP_IN_A_WRITE = (
    "import os, signal; from nwauth.stores.sql.drivers.sqlite import SqliteDriver;"
    " SqliteDriver.commit = lambda self, cursor: os.kill(os.getpid(), signal.SIGSTOP)"
)
