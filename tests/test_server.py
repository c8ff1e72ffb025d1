"""The serving child as a mail server meets it: real processes, pipes and signals (spec/protocol.md section 1)."""

from __future__ import annotations

import fcntl
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth import server
from nwauth.audit import Log
from nwauth.errors import ConfigError, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import NameRules
from nwauth.passwords import Passwords, Settings
from nwauth.protocol import Parser
from nwauth.server import Conversation
from nwauth.service import Service, StoreRules
from nwauth.stores.memory import MemoryStore
from tests.serving import COMMAND, IN_CI, Child, converse, is_blank, is_final, make_folder, play
from tests.stores.folders import ssha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.passwords.table import Scheme

HOSTILE_LINES = 20_000 if IN_CI else 2_000
SIGNAL_TRIES = 400 if IN_CI else 20
SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of fcntl(2)
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "base", b'bob:*secret:quota="1"\neve:!:\n')


BOB = b'+OK bob config 0 quota="1"\n'
EVE = b"+OK eve config 0\n"

# --- the end ---------------------------------------------------------------------------------------------------------


def test_there_is_no_greeting_and_the_end_of_input_is_the_end(folder: Path) -> None:
    done = converse(folder, b"")
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


def test_a_last_line_without_an_end_is_answered(folder: Path) -> None:
    for last in (b"lookup bob", b"lookup bob\r", b"   lookup bob"):
        done = converse(folder, b"lookup eve\n" + last)
        assert (done.stdout, done.stderr, done.returncode) == (EVE + BOB, b"", 0)


def test_a_blank_last_line_is_ignored(folder: Path) -> None:
    assert converse(folder, b"lookup eve\n \t").stdout == EVE


@pytest.mark.parametrize("word", [b"exit", b"QUIT"])
def test_exit_is_answered_and_what_stands_behind_it_is_not(folder: Path, word: bytes) -> None:
    done = converse(folder, b"lookup bob\n" + word + b"\nlookup eve\n")
    assert (done.stdout, done.stderr, done.returncode) == (BOB + b"+OK goodbye\n", b"", 0)


def test_exit_ends_the_child_while_the_input_stays_open(folder: Path) -> None:
    with Child(folder) as child:
        assert child.ask(b"exit") == b"+OK goodbye\n"
        child.assert_ended_well()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_an_idle_child(folder: Path, number: int) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup bob") == BOB
        child.process.send_signal(number)
        assert child.rest() == b""
        child.assert_ended_well()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_child_that_was_never_asked(folder: Path, number: int) -> None:
    with Child(folder) as child:
        child.wait_until_it_serves()
        child.process.send_signal(number)
        child.assert_ended_well()


def test_a_signal_in_the_middle_of_a_line_ends_the_child_without_a_reply(folder: Path) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup bob") == BOB
        child.send(b"lookup e")
        child.process.terminate()
        assert child.rest() == b""
        child.assert_ended_well()


def test_a_signal_waits_for_the_reply_in_hand_and_no_further_request_is_begun(folder: Path) -> None:
    children = [Child(folder, "-sleep", "1000", "1") for _ in SIGNALS]
    for child in children:
        child.wait_until_it_serves()
        child.send(b"lookup bob\nlookup eve\n")
    for child, number in zip(children, SIGNALS, strict=True):
        child.wait_until_it_sleeps()  # before its first reply
        child.process.send_signal(number)
        child.process.send_signal(number)
    for child in children:
        with child:
            assert child.rest() == BOB
            child.assert_ended_well()


def test_a_signal_in_the_moment_before_the_poll_is_never_lost(folder: Path) -> None:
    dice = random.Random(1)
    for number in range(SIGNAL_TRIES):
        with Child(folder) as child:
            assert child.ask(b"lookup bob") == BOB
            until = time.perf_counter() + dice.random() * 0.0004
            while time.perf_counter() < until:
                pass
            child.process.send_signal(SIGNALS[number % 2])
            assert child.rest() == b""
            child.assert_ended_well()


def test_a_signal_ends_a_child_under_a_stream_of_requests_between_two_replies(folder: Path) -> None:
    with Child(folder) as child:
        assert child.process.stdin is not None
        pipe = child.process.stdin.fileno()
        os.set_blocking(pipe, False)

        def pour() -> None:
            try:
                while True:
                    try:
                        os.write(pipe, b"lookup bob\n" * 100)
                    except BlockingIOError:
                        time.sleep(0.0005)
            except OSError:
                return

        pouring = threading.Thread(target=pour)
        pouring.start()
        assert child.line() == BOB
        child.process.terminate()
        rest = child.rest()
        child.assert_ended_well()
        pouring.join()
        assert rest == BOB * rest.count(b"\n"), "the last reply is whole"


def test_a_broken_pipe_on_stdout_ends_the_child_quietly(folder: Path) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup bob") == BOB
        assert child.process.stdout is not None
        child.process.stdout.close()
        child.send(b"search *\n")
        child.assert_ended_well()


def test_a_reader_who_leaves_in_the_middle_of_a_listing_ends_the_child_quietly(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "base", b"".join(b"user%d:!:\n" % number for number in range(20_000)))
    with Child(folder) as child:
        child.send(b"search *\nlookup user1\n")
        assert child.line().startswith(b"+DATA user0\n")
        assert child.process.stdout is not None
        child.process.stdout.close()
        child.assert_ended_well()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_child_with_closed_descriptors_ends_and_writes_into_no_file(folder: Path, closed: str) -> None:
    # With a pipe on stdin, what closes stdin comes last.
    done = subprocess.run(
        [
            "sh",
            "-c",
            f'printf "set new pw\\nlookup bob\\n" | {{ "$0" -path "$1" -log {closed}; }}',
            COMMAND,
            str(folder),
        ],
        capture_output=True,
        timeout=10,
        check=False,
    )
    assert done.stdout == (b"+OK new added to database\n" + BOB if closed == "2>&-" else b"")
    assert done.stderr == b""
    for path in folder.iterdir():
        assert b"+OK" not in path.read_bytes(), path.name
        assert b"config 0" not in path.read_bytes(), path.name


# --- lines and pipes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8_191, 8_192, 8_193, 8_194, 8_195, 65_536, 65_537, 1_000_000])
def test_a_long_line_gets_one_reply_and_the_next_one_its_own(folder: Path, size: int) -> None:
    long = b"lookup ".ljust(size, b"x")
    done = converse(folder, b"lookup bob\n" + long + b"\nlookup eve\n" + long)
    answer = b"-ERR " + b"x" * 78 + b" does not exist\n" if size <= 8192 else b"-ERR line longer than 8192 bytes\n"
    assert (done.stdout, done.stderr, done.returncode) == (BOB + answer + EVE + answer, b"", 0)


def test_a_long_line_is_forgotten_as_it_comes(folder: Path) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup bob") == BOB
        before = peak_bytes(child)
        for _ in range(64):
            child.send(b"x" * (1 << 20))
        assert child.ask(b"x") == b"-ERR line longer than 8192 bytes\n"
        assert child.ask(b"lookup eve") == EVE
        assert peak_bytes(child) - before < 4 << 20


def peak_bytes(child: Child) -> int:
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def test_ten_thousand_requests_in_the_pipe_are_answered_in_order(folder: Path) -> None:
    done = converse(folder, b"".join(b"lookup user%d\n" % number for number in range(10_000)))
    assert done.stdout == b"".join(b"-ERR user%d does not exist\n" % number for number in range(10_000))
    assert (done.stderr, done.returncode) == (b"", 0)


def test_each_reply_is_there_before_the_next_line_is_sent(folder: Path) -> None:
    with Child(folder) as child:
        for number in range(300):
            assert child.ask(b"lookup user%d" % number) == b"-ERR user%d does not exist\n" % number


class Written:
    """A pipe, and what has come through it so far."""

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        self.writer = server.Writer(writing)

    def so_far(self) -> bytes:
        try:
            return os.read(self._reading, 4096)
        except BlockingIOError:
            return b""


@pytest.mark.parametrize("request_line", [b"del bob", b'set bob pw a="1"', b"search bob"])
def test_replies_are_written_before_anything_begins_that_is_not_quick(request_line: bytes) -> None:
    """DECISIONS.md, "Held replies"."""
    seen: list[bytes] = []
    written = Written()
    conversation, _ = logged_conversation(Watched(lambda: seen.append(written.so_far())))
    server.serve([b"lookup one", b"check two pw", b"lookup three", request_line], written.writer, conversation)
    assert seen[0].endswith(b"-ERR three does not exist\n")


def test_replies_are_written_before_a_slow_hash_begins() -> None:
    seen: list[bytes] = []
    written = Written()

    class Spied(Passwords):
        def _check(self, scheme: Scheme, text: str, password: bytes) -> bool:
            seen.append(written.so_far())
            return super()._check(scheme, text, password)

    slow = Passwords(Settings(sha512_rounds=1000)).hash(b"pw", "sha512-crypt")
    store = MemoryStore([User(name="bob", stored_password=slow, info=Info())])
    conversation, _ = logged_conversation(store, passwords=Spied())
    server.serve([b"lookup one", b"lookup two", b"check bob pw"], written.writer, conversation)
    assert seen == [b"-ERR one does not exist\n-ERR two does not exist\n"]
    assert written.so_far() == b"+OK bob config 0\n"


def test_a_look_up_that_is_not_quick_holds_back_no_reply() -> None:
    conversation, _ = logged_conversation(Slow())
    written = Written()

    def feed() -> Iterator[bytes]:
        for name in (b"one", b"two"):
            yield b"lookup " + name
            assert written.so_far() == b"-ERR " + name + b" does not exist\n"

    server.serve(feed(), written.writer, conversation)


def test_replies_of_any_number_of_look_ups_are_held_64_at_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "QUICK_SECONDS", math.inf)  # whatever else the machine is at
    conversation, _ = logged_conversation()
    written = Written()
    server.serve([b"lookup one"] * 63, written.writer, conversation)
    assert written.so_far().count(b"\n") == 63

    def feed() -> Iterator[bytes]:
        for _ in range(64):
            yield b"lookup one"
        assert written.so_far().count(b"\n") == 64

    server.serve(feed(), written.writer, conversation)


def test_a_line_may_come_in_pieces(folder: Path) -> None:
    with Child(folder) as child:
        for piece in (b"loo", b"kup ", b"bo", b"b", b"\r", b"\nlookup e", b"ve\nlook", b"up bob\n"):
            child.send(piece)
            time.sleep(0.002)
        assert [child.line() for _ in range(3)] == [BOB, EVE, BOB]


def test_a_parent_may_hand_over_descriptors_that_do_not_block(folder: Path) -> None:
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    for descriptor in (reading, out_writing):
        os.set_blocking(descriptor, False)
    fcntl.fcntl(out_writing, SET_PIPE_SIZE, 4096)  # the child must soon wait for us
    with Child(folder, stdin=reading, stdout=out_writing) as child:
        os.close(reading)
        os.close(out_writing)
        os.write(writing, b"lookup user\n" * 2000)
        time.sleep(0.05)
        os.write(writing, b"lookup eve\n")
        os.close(writing)
        time.sleep(0.05)
        answer = b""
        while block := os.read(out_reading, 1 << 16):
            answer += block
        os.close(out_reading)
        assert answer == b"-ERR user does not exist\n" * 2000 + EVE
        child.assert_ended_well()


def test_a_reply_gets_through_a_pipe_that_takes_it_only_in_crumbs(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    reply, calls, write = b"+OK bob config 0 " + b"n" * 6000 + b"\n", 0, os.write

    def crumb(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise BlockingIOError
        return write(fd, data[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", crumb)
        server.Writer(writing)(reply)
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == reply


def test_a_long_reply_gets_through_a_descriptor_that_does_not_block(tmp_path: Path) -> None:
    info = b"n" * (1 << 20)
    folder = make_folder(tmp_path / "base", b"bob:!:" + info + b"\n")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, SET_PIPE_SIZE, 4096)
    with Child(folder, stdout=writing) as child:
        os.close(writing)
        child.send(b"lookup bob\nlookup eve\n")
        child.hang_up()
        with open(reading, "rb") as pipe:
            assert pipe.read() == b"+OK bob config 0 " + info + b"\n-ERR eve does not exist\n"
        child.assert_ended_well()


def test_a_socket_serves_as_well_as_two_pipes(folder: Path) -> None:
    ours, theirs = socket.socketpair()
    with Child(folder, stdin=theirs, stdout=theirs) as child:
        theirs.close()
        ours.sendall(b"lookup bob\nlookup eve")
        ours.shutdown(socket.SHUT_WR)
        answer = b""
        while block := ours.recv(4096):
            answer += block
        ours.close()
        assert answer == BOB + EVE
        child.assert_ended_well()


def test_a_file_serves_as_input(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "requests").write_bytes(b"lookup bob\nlookup eve")
    with open(tmp_path / "requests", "rb") as requests, Child(folder, stdin=requests) as child:
        assert child.rest() == BOB + EVE
        child.assert_ended_well()


def test_a_listing_is_streamed_and_memory_does_not_grow_with_the_hits(tmp_path: Path) -> None:
    peaks, info = [], b'note="' + b"n" * 500 + b'"'
    for count in (40_000, 100_000):  # in no order, and more of them than are sorted at a time
        users = b"".join(b"user%d:!:%b\n" % (number * 7919 % count, info) for number in range(count))
        with Child(make_folder(tmp_path / str(count), users), "-readonly") as child:
            child.send(b"search * -from 30000 -max 9000\n")
            hits = 0
            while not is_final(line := child.line()):
                hits += 1
            assert line == b"+OK Search Complete %d items found out of %d\n" % (count, count)
            assert hits == 9000
            peaks.append(peak_bytes(child))
    assert peaks[1] - peaks[0] < 12 << 20


def test_a_helper_process_holds_none_of_the_pipes_of_its_child(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "base", b"".join(b"user%d:!:\n" % number for number in range(400_000)))
    with Child(folder) as child:
        assert child.ask(b"lookup user7") == b"+OK user7 config 0\n"
        until = time.monotonic() + 10
        while not (helpers := helpers_of(child, folder)):
            assert time.monotonic() < until, "no helper came to make the index"
        pipes = child_pipes(child)
        child.hang_up()
        assert child.rest() == b""
        child.assert_ended_well()
    assert len(pipes) == 3
    for descriptors in helpers:
        assert descriptors[:3] == [os.devnull] * 3
        assert not pipes & {*descriptors}


def helpers_of(child: Child, folder: Path) -> list[list[str]]:
    """What the descriptors of each other process with this folder on its command line lead to."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in (child.process.pid, os.getpid()):
            try:
                if os.fsencode(folder) in (process / "cmdline").read_bytes() and os.getsid(
                    int(process.name)
                ) != os.getsid(0):
                    descriptors = sorted((process / "fd").iterdir(), key=lambda path: int(path.name))
                    links = [os.readlink(path) for path in descriptors]
                    if links[:1] == [os.devnull]:  # it has come so far
                        found.append(links)
            except OSError:
                continue
    return found


def child_pipes(child: Child) -> set[str]:
    """The links in /proc of the pipes that the child was given."""
    return {os.readlink(f"/proc/{child.process.pid}/fd/{descriptor}") for descriptor in (0, 1, 2)}


def test_a_person_at_a_terminal_gets_a_hint_on_stderr_alone(folder: Path) -> None:
    ours, theirs = os.openpty()
    with Child(folder, stdin=theirs) as child:
        os.close(theirs)
        os.write(ours, b"lookup bob\nexit\n")
        assert child.rest() == BOB + b"+OK goodbye\n"
        assert child.status() == 0
        assert child.errors().count(b"\n") == 2
        os.close(ours)


# --- several children ------------------------------------------------------------------------------------------------


def test_what_one_child_writes_the_other_tells_at_once(folder: Path) -> None:
    with Child(folder) as one, Child(folder) as two:
        for number in range(40):
            writer, reader = (one, two) if number % 2 else (two, one)
            assert writer.ask(b'set user%d pw n="%d"' % (number, number)) == b"+OK user%d added to database\n" % number
            assert reader.ask(b"check USER%d pw" % number) == b'+OK user%d config 0 n="%d"\n' % (number, number)
            assert writer.ask(b'set bob (NULL) quota="%d"' % number) == b"+OK bob added to database\n"
            assert reader.ask(b"lookup bob") == b'+OK bob config 0 quota="%d"\n' % number
        assert one.ask(b"del user7") == b"+OK user7 deleted\n"
        assert two.ask(b"lookup user7") == b"-ERR user7 does not exist\n"
        assert two.ask(b"set user7 new") == b"+OK user7 added to database\n"
        assert one.ask(b"lookup user7") == b"+OK user7 config 0\n"


def test_two_children_who_set_at_the_same_time_lose_nothing(folder: Path) -> None:
    done: list[subprocess.CompletedProcess[bytes]] = []

    def run(field: bytes) -> None:
        requests = b"".join(
            b'set %s%d pw\nset bob (NULL) %s%d="1"\n' % (field, number, field, number) for number in range(40)
        )
        done.append(converse(folder, requests))

    writers = [threading.Thread(target=run, args=(field,)) for field in (b"a", b"b")]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert all(run.stdout.count(b"+OK") == 80 and run.stderr == b"" for run in done)
    answer = converse(folder, b"lookup bob\nsearch * -max 0\n").stdout
    for number in range(40):
        assert b' a%d="1"' % number in answer
        assert b' b%d="1"' % number in answer
    assert answer.endswith(b"+OK Search Complete 82 items found out of 82\n")


# --- trouble inside --------------------------------------------------------------------------------------------------


class Broken(MemoryStore):
    """A store with a bug."""

    def lookup(self, name: str) -> User | None:
        if name.startswith("bug"):
            raise ValueError("hunter2")
        return super().lookup(name)


class Watched(MemoryStore):
    """Calls back when it is about to change or list."""

    def __init__(self, asked: Callable[[], None]) -> None:
        super().__init__()
        self._asked = asked

    def put(self, user: User) -> bool:
        self._asked()
        return super().put(user)

    def delete(self, name: str, *, only: User | None = None) -> bool:
        self._asked()
        return super().delete(name, only=only)

    def search(self, pattern: str = "") -> Iterator[User]:
        self._asked()
        return super().search(pattern)


class Slow(MemoryStore):
    """A look-up takes a millisecond, as without an index."""

    def lookup(self, name: str) -> User | None:
        time.sleep(0.001)
        return super().lookup(name)


def logged_conversation(
    store: MemoryStore | None = None,
    parser: Parser | None = None,
    passwords: Passwords | None = None,
    *,
    level: str = "error",
) -> tuple[Conversation, list[str]]:
    logged: list[str] = []
    service = Service(
        store or Broken(),
        passwords or Passwords(burn_scheme="ssha"),
        rules={"memory": StoreRules(scheme="ssha")},
        names=NameRules(),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    log = Log(lambda _level, line: logged.append(line), level=level)
    return Conversation(service, parser or Parser(), log), logged


@pytest.mark.parametrize("request_line", [b"lookup bug", b"check bug pw", b"set bug pw", b'set bug (NULL) a="1"'])
def test_a_bug_is_answered_dead_and_logged_with_its_place_and_the_child_goes_on(request_line: bytes) -> None:
    conversation, logged = logged_conversation()
    played = play(conversation, [request_line, b"lookup bob", request_line, b"version"])
    assert [reply.split()[0] for (reply,) in played] == [b"-DEAD", b"-ERR", b"-DEAD", b"+OK"]
    assert "ValueError" in logged[0]
    assert "test_server.py" in logged[0]
    assert "lookup" in logged[0]
    assert not any("hunter2" in line for line in logged), "the text of a foreign error may hold anything"


def test_the_address_of_a_check_decides_where_the_user_has_a_mask() -> None:
    bob = User(name="bob", stored_password=ssha("pw"), info=Info(), ip_mask="10.0.0.0/8 2001:db8::/32")
    conversation, logged = logged_conversation(MemoryStore([bob]), level="info")
    addresses = (b"10.1.2.3", b"::ffff:10.1.2.3", b"2001:db8::7", b"192.0.2.7", b"nonsense")
    played = play(
        conversation, [b"check bob pw " + address for address in addresses] + [b"check bob pw", b"lookup bob"]
    )
    yes, no = [b"+OK bob config 0\n"], [b"-ERR bob password wrong or not a valid user\n"]
    assert played == [yes, yes, yes, no, no, no, yes]
    assert ["rule=ip_mask" in line for line in logged] == [False] * 3 + [True] * 3 + [False]


class Away(MemoryStore):
    """A store that is away, and has told so before but for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def lookup(self, _name: str) -> User | None:
        self.asked += 1
        raise Unavailable(
            "cannot connect to db7 as nwauth: refused", public="the database is down", repeated=self.asked > 1
        )


@pytest.mark.parametrize("request_line", [b"lookup bob", b"check bob pw", b'set bob (NULL) a="1"'])
def test_the_wire_says_what_is_public_and_the_log_the_whole_reason_once_an_outage(request_line: bytes) -> None:
    for level, lines in (("error", 1), ("info", 3)):
        conversation, logged = logged_conversation(Away(), level=level)
        played = play(conversation, [request_line] * 3)
        assert played == [[b"-DEAD the database is down\n"]] * 3
        assert len(logged) == lines
        assert all('reason="cannot connect to db7 as nwauth: refused"' in line for line in logged)
        assert all("result=dead" in line for line in logged)
        assert [" level=error " in line for line in logged] == [True, False, False][:lines]


def test_what_is_public_is_the_text_itself_unless_another_is_given() -> None:
    assert Unavailable("the disk is full").public == "the disk is full"
    assert Unavailable("secret words", public="").public == ""
    assert Refused("no").public == "no"
    assert not Refused("no").repeated
    assert ConfigError("/etc/nwauth.toml: found 7").public == "bad configuration, see the log"


def test_a_bug_in_the_parser_is_answered_dead_too() -> None:
    class BrokenParser(Parser):
        def parse(self, line: bytes) -> None:
            raise ValueError(line)

    conversation, logged = logged_conversation(parser=BrokenParser())
    played = play(conversation, [b"lookup bob", b"lookup bob"])
    assert [reply.split()[0] for (reply,) in played] == [b"-DEAD", b"-DEAD"]
    assert "ValueError" in logged[0]


BUG_WHILE_IDLE = """
import sys
from nwauth import cli
from nwauth.stores.flatfile.store import FlatfileStore
def tend(self):
    raise ValueError("a bug while idle")
FlatfileStore.tend = tend
sys.exit(cli.main())
"""


def test_a_bug_between_two_requests_does_not_end_the_child(folder: Path) -> None:
    with Child(folder, command=(sys.executable, "-c", BUG_WHILE_IDLE)) as child:
        assert child.ask(b"lookup bob") == BOB
        assert child.ask(b"lookup eve") == EVE
        child.hang_up()
        child.assert_ended_well()
    assert "ValueError" in (folder / "nwauth.log").read_text()


def test_a_dead_reply_always_leaves_a_trace(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "base", None)
    done = converse(folder, b"lookup bob\n")
    assert done.stdout == b"-DEAD no user database, run nwauth init\n"
    log = (folder / "nwauth.log").read_text()
    assert "lookup" in log
    assert "user=bob" in log
    assert "no user database" in log


def test_an_error_that_is_no_dead_reply_opens_no_log(folder: Path) -> None:
    converse(folder, b"lookup nobody\ncheck bob wrong\nhello\nlookup bob\n")
    assert not (folder / "nwauth.log").exists()


def test_a_base_that_goes_away_is_never_a_missing_user(folder: Path) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup bob") == BOB
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        (folder / "nwauth.txt").rename(folder / "elsewhere")
        for request in (b"lookup bob", b"lookup nobody", b"check bob secret", b"set new pw", b"del bob", b"search *"):
            assert child.ask(request).startswith(b"-DEAD "), request
        (folder / "elsewhere").rename(folder / "nwauth.txt")
        assert child.ask(b"lookup bob") == BOB


def test_a_stray_fourth_word_is_logged_by_its_length_alone(folder: Path) -> None:
    converse(folder, b"check bob half hunter2\ncheck bob secret 192.0.2.7\n", "-debug", "-service", "pop")
    log = (folder / "nwauth.log").read_text()
    assert "hunter2" not in log
    assert "half" not in log
    assert "secret" not in log
    assert "ip=unknown" in log
    assert "7" in log.splitlines()[0].partition("ip_word_length=")[2].split()[0]
    assert "ip=192.0.2.7" in log
    assert log.count("service=pop") == 2


# --- hostile lines ---------------------------------------------------------------------------------------------------

WORDS = b"lookup check set del search version help LOOKUP bob eve * ? [ -from -max 1 -1 (NULL) : # \\ .. /etc/passwd"
PIECES = [
    *WORDS.split(),
    *(
        b"1.2.3.4",
        b"::1",
        b"%s%n",
        b'a="1"',
        b'a=""',
        b'="',
        b'"',
        b'valid_until="x"',
        b'"' * 50,
        b"*" * 30,
        b"x" * 500,
    ),
    *(b"\x00", b"\x1b[2J", b"\x7f", b"\x80", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xc2\x85"),
    *(b"\r", b"\x0b"),
]


def hostile_line(dice: random.Random) -> bytes:
    if dice.random() < 0.2:
        return dice.randbytes(dice.randrange(40)).replace(b"\n", b"\r")
    if dice.random() < 0.002:
        return dice.choice(PIECES) * 3000
    return b"".join(
        dice.choice(PIECES) + dice.choice([b" ", b" ", b"\t", b"", b"  "]) for _ in range(dice.randrange(7))
    )


def test_hostile_lines_each_get_one_final_reply_in_order(folder: Path) -> None:
    dice = random.Random(20_000)
    requests, places = [], {}
    finals = 0
    for number in range(HOSTILE_LINES):
        line = hostile_line(dice)
        if line.strip(b" \t\r").lower() in (b"exit", b"quit"):
            continue
        requests.append(line)
        finals += not is_blank(line)
        if number % 5 == 0:
            requests.append(b"lookup probe-%d" % number)
            places[finals] = b"-ERR probe-%d does not exist\n" % number
            finals += 1
    done = converse(folder, b"\n".join(requests) + b"\n")
    replies = [line for line in done.stdout.splitlines(keepends=True) if is_final(line)]
    assert (done.stderr, done.returncode, len(replies)) == (b"", 0, finals)
    assert {at: replies[at] for at in places} == places
    assert not any(byte < 32 or byte == 127 for byte in done.stdout.replace(b"\n", b""))
    assert all(len(line) < 100 for line in replies if line.startswith(b"-"))
    assert not [line for line in replies if line.startswith(b"-DEAD")]


def test_a_damaged_user_file_serves_its_good_lines(tmp_path: Path) -> None:
    dice = random.Random(7)
    damaged = b"".join(dice.randbytes(60) + b"\n" for _ in range(200))
    folder = make_folder(tmp_path / "base", damaged + b"\nbob:*secret:\n\0\0\0\n" + damaged + b"\neve:!:\n::::\n:\n")
    requests = b"lookup bob\nlookup eve\ncheck bob secret\nsearch bob\nset carol pw\nlookup carol\n"
    done = converse(folder, requests)
    assert (done.stderr, done.returncode) == (b"", 0)
    lines = done.stdout.splitlines(keepends=True)
    assert lines[:3] == [b"+OK bob config 0\n", EVE, b"+OK bob config 0\n"]
    assert lines[-2:] == [b"+OK carol added to database\n", b"+OK carol config 0\n"]
