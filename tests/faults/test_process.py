"""Modules that hang, die, babble, flood or come too late: "cannot tell", and never another request's answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.errors import Unavailable
from nwauth.model import Info, User
from nwauth.stores.process import ProcessStore, keeper
from nwauth.stores.process.chatter import BURST_LINES, Chatter
from nwauth.stores.process.spawn import DEPTH, MAX_DEPTH
from tests.serving import PATIENCE_SECONDS, make_folder
from tests.stores.folders import line, often
from tests.stores.process_modules import (
    PROBE,
    SHORT_SECONDS,
    Rude,
    end,
    has_come,
    has_ended,
    is_alive,
    nwauth_store,
    pid_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BOB = User(name="bob", stored_password="", info=Info(), store="process")
CARL = User(name="carl", stored_password="{CLEAR}secret", info=Info())
HANG = "while True:\n    signal.pause()"
ONLY_ONCE = "if first_time('failed'):\n    {}\nserve()"


def assert_in_step(rude: Rude) -> None:
    """The store answers again, and what was asked."""
    assert has_come(lambda: isinstance(rude.outcome("bob"), User))
    assert rude.store.lookup("bob") == BOB
    assert rude.store.lookup("nobody") is None
    assert rude.store.verify(BOB, b"secret") is True
    assert rude.store.verify(BOB, b"wrong") is False


def assert_nobody_left(rude: Rude) -> None:
    rude.store.close()
    assert [pid for pid in rude.pids() if is_alive(pid)] == []


def open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


# --- too late --------------------------------------------------------------------------------------------------------


def test_a_module_that_hangs_is_ended_in_time_and_another_one_started(tmp_path: Path) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); question(); signal.pause()"))
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    assert "did not answer in time" in str(rude.outcome("bob"))
    assert not is_alive(rude.pids()[0])
    assert_in_step(rude)
    assert len(rude.reasons()) == 1
    assert_nobody_left(rude)


def test_a_late_answer_is_never_taken_for_the_next_requests(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
if first_time("failed"):
    signal.signal(signal.SIGTERM, lambda *_: say(b"+OK bob config 0"))
    serve(1)
    question()
    signal.pause()
    signal.pause()
serve()
""",
    )
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    assert "did not answer in time" in str(rude.outcome("bob"))
    assert has_come(lambda: not isinstance(rude.outcome("nobody"), str))
    assert rude.store.lookup("nobody") is None
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_half_answer_is_no_answer(tmp_path: Path) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); question(); os.write(1, b'-ERR bob does not'); signal.pause()"))
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    assert "did not answer in time" in str(rude.outcome("bob"))
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_module_that_reads_nothing_is_too_late_even_when_its_pipe_is_full(tmp_path: Path) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); signal.pause()"))
    assert rude.store.lookup("bob") == BOB
    running = rude.store._module._keeper.child
    assert running is not None
    try:
        while True:
            os.write(running._in, b"x" * 4096)
    except BlockingIOError:
        pass
    rude.hurry()
    assert "does not read its input" in str(rude.outcome("bob"))
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_module_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        ONLY_ONCE.format("signal.signal(signal.SIGTERM, signal.SIG_IGN); serve(1); question(); signal.pause()"),
    )
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    assert "did not answer in time" in str(rude.outcome("bob"))
    assert not is_alive(rude.pids()[0])
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_module_that_starts_slowly_is_left_to_it_and_requests_do_not_wait_in_vain(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    rude = Rude(tmp_path, "open(os.path.join(HERE, 'go')).close()\nserve()", timeout_seconds=SHORT_SECONDS)
    assert "is still starting" in str(rude.outcome("bob"))
    assert "is still starting" in str(rude.outcome("nobody"))
    with open(tmp_path / "go", "w"):
        assert has_come(lambda: isinstance(rude.outcome("bob"), User))
    assert_in_step(rude)
    assert len(rude.pids()) == 1
    assert_nobody_left(rude)


def test_a_request_whose_time_is_spent_asks_nothing_and_harms_nobody(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve()")
    assert rude.store.lookup("bob") == BOB
    rude.store.begin()
    rude.store._request_until = 0.0
    assert "time of this request was spent" in str(rude.outcome("bob"))
    rude.store.end()
    assert_in_step(rude)
    assert len(rude.pids()) == 1
    assert_nobody_left(rude)


# --- dead ------------------------------------------------------------------------------------------------------------


def test_a_module_that_was_killed_while_idle_is_replaced_and_nobody_notices(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve()")
    for _ in range(5):
        assert rude.store.lookup("bob") == BOB
        end(pid_of(rude.store))
        assert rude.store.lookup("nobody") is None
        end(pid_of(rude.store))
        assert [user.name for user in [rude.store.lookup("bob")] if user] == ["bob"]
    assert rude.notices == []
    assert_nobody_left(rude)


def test_a_look_up_in_the_middle_of_which_the_module_dies_is_asked_again_once(tmp_path: Path) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); question(); os.kill(os.getpid(), 9)"))
    assert rude.store.lookup("bob") == BOB
    assert rude.store.lookup("nobody") is None
    assert rude.requests() == ["lookup bob", "lookup nobody", "lookup nobody"]
    assert rude.notices == []
    assert_nobody_left(rude)


def test_a_module_that_dies_of_every_question_is_asked_no_more_than_twice(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve(1)\nquestion()\nos._exit(3)")
    assert rude.store.lookup("bob") == BOB
    assert rude.store.lookup("bob") == BOB  # the second of two programs
    Path(tmp_path / "module.py").write_text((tmp_path / "module.py").read_text().replace("serve(1)\n", ""))
    assert "ended, exit status 3" in str(rude.outcome("bob"))
    assert len(rude.pids()) == 3
    assert_nobody_left(rude)


@pytest.mark.parametrize("change", ["set", "del"])
def test_a_change_in_the_middle_of_which_the_module_dies_is_not_made_twice(tmp_path: Path, change: str) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); question(); os.kill(os.getpid(), 9)"))
    assert rude.store.lookup("carl") is None
    with pytest.raises(Unavailable) as raised:
        rude.store._set(b"set carl secret\n", CARL) if change == "set" else rude.store.delete("carl")
    assert raised.value.public == "it cannot be told whether it was stored"
    assert "ended, by signal 9" in str(raised.value)
    assert [request.split()[0] for request in rude.requests()] == ["lookup", change]
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_change_that_the_module_never_got_is_given_to_the_next_one(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve()")
    assert rude.store.lookup("bob") == BOB
    end(pid_of(rude.store))
    assert rude.store.delete("bob")
    assert rude.requests() == ["lookup bob", "del bob"]
    assert rude.notices == []
    assert_nobody_left(rude)


def test_a_change_that_comes_too_late_may_be_stored_or_not_and_that_is_said(tmp_path: Path) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); question(); signal.pause()"))
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    with pytest.raises(Unavailable, match="it may be stored or not") as raised:
        rude.store.delete("bob")
    assert not raised.value.repeated
    assert_in_step(rude)
    assert_nobody_left(rude)


@pytest.mark.parametrize("close", ["os.close(1)", "os.close(0)", "os.close(0); os.close(1); os.close(2)"])
def test_a_module_that_closes_a_pipe_but_lives_is_ended(tmp_path: Path, close: str) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format(f"serve(1); {close}; note('closed', b''); signal.pause()"))
    assert rude.store.lookup("bob") == BOB
    assert has_come(lambda: rude.noted("closed") == [""])
    rude.hurry()
    assert has_come(lambda: isinstance(rude.outcome("bob"), User))
    assert not is_alive(rude.pids()[0])
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_child_of_the_module_that_keeps_the_pipe_keeps_nobody_waiting_and_ends_with_it(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
if first_time("failed"):
    serve(1)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note("grandchild", b"%d" % os.getpid())
        signal.pause()
    question()
    os._exit(1)
serve()
""",
    )
    assert rude.store.lookup("bob") == BOB
    assert has_come(lambda: bool(rude.noted("grandchild")))
    assert rude.store.lookup("bob") == BOB
    assert has_come(lambda: has_ended(int(rude.noted("grandchild")[0])))
    assert_in_step(rude)
    assert_nobody_left(rude)


# --- cannot be started -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda _: None, "cannot be started: No such file or directory: {}"),
        (lambda path: path.mkdir(), "cannot be started: Permission denied: {}"),
        (lambda path: path.write_text("#!/bin/sh\n"), "cannot be started: Permission denied: {}"),
        (lambda path: path.write_text("no program") and path.chmod(0o755), "cannot be started: Exec format error: {}"),
        (
            lambda path: path.write_text("#!/nowhere/sh\n") and path.chmod(0o755),
            "cannot be started: No such file or directory: {}",
        ),
    ],
    ids=["missing", "a folder", "not executable", "no program", "no interpreter"],
)
def test_what_cannot_be_started_is_named_once_and_served_when_it_can(
    tmp_path: Path, prepare: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "module"
    prepare(path)
    notices: list[dict[str, object]] = []
    store = ProcessStore((str(path),), pause_seconds=0.0, notice=notices.append)
    before = open_fds()
    for name in ("bob", "nobody"):
        with pytest.raises(Unavailable) as raised:
            store.lookup(name)
        assert raised.value.public == "the user database cannot be asked now, see the log"
    assert [facts["reason"] for facts in notices] == [f"{path} {reason.format(path)}"]
    assert open_fds() == before
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    rude = Rude(tmp_path, "serve()")
    path.write_text(f"#!/bin/sh\nexec {' '.join(rude.command)}\n")
    path.chmod(0o755)
    assert store.lookup("nobody") is None
    assert [facts["state"] for facts in notices] == ["down", "up"]
    store.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve()", folder=str(tmp_path / "gone"))
    assert "cannot be started: No such file or directory: " + str(tmp_path / "gone") in str(rude.outcome("bob"))


def test_a_module_that_ends_at_once_is_not_started_again_and_again(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "os._exit(0)", pause_seconds=3600.0)
    for _ in range(50):
        assert "ended, exit status 0" in str(rude.outcome("bob"))
        rude.store.tend()
    assert len(rude.pids()) == 1
    assert len(rude.reasons()) == 1
    assert_nobody_left(rude)


def test_the_pause_grows_with_each_failure_up_to_a_bound_and_an_answer_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = [0.0]

    def now() -> float:
        return time.monotonic() + ahead[0]

    monkeypatch.setattr(keeper, "monotonic", now)
    text = "if os.path.exists(os.path.join(HERE, 'well')): serve()\nos._exit(1)"
    rude = Rude(tmp_path, text, pause_seconds=0.5)
    monkeypatch.setattr(rude.store, "_until", lambda: now() + PATIENCE_SECONDS)
    pauses = []
    for _ in range(8):
        assert isinstance(rude.outcome("bob"), str)
        pauses.append(round(rude.store._module._keeper._retry_at - now(), 1))
        assert isinstance(rude.outcome("bob"), str)
        ahead[0] += pauses[-1] + 1
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert len(rude.pids()) == 8
    (tmp_path / "well").touch()
    assert rude.store.lookup("bob") == BOB
    (tmp_path / "well").unlink()
    end(pid_of(rude.store))
    assert isinstance(rude.outcome("bob"), str)
    assert round(rude.store._module._keeper._retry_at - now(), 1) == 0.5
    assert_nobody_left(rude)


def test_a_module_that_serves_the_folder_it_stands_in_does_not_start_itself_for_ever(tmp_path: Path) -> None:
    count = tmp_path / "started"
    script = tmp_path / "module"
    nwauth = Path(sys.executable).with_name("nwauth")
    script.write_text(f'#!/bin/sh\necho >>"{count}"\nexec {nwauth} -path "{tmp_path}"\n')
    script.chmod(0o755)
    make_folder(tmp_path, None, toml=f'[[stores]]\nkind = "process"\ncommand = ["{script}"]\n')
    store = nwauth_store(tmp_path)
    with pytest.raises(Unavailable, match="-DEAD"):
        store.lookup("bob")
    store.close()
    assert len(count.read_text()) <= 2 * MAX_DEPTH
    assert "does the command serve the folder" in (tmp_path / "nwauth.log").read_text()


# --- out of step -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "babble",
    [
        b"Welcome to NTAuth 2.0",
        b"",
        b"OK bob config 0",
        b"+OKbob config 0",
        b"+ok bob config 0",
        b"-ERROR no",
        b"\0\0\0\0",
        b"\xff\xfe",
        b"+DATA bob",
        b"-ERR bob does not exist\n+OK bob config 0",
        b"-ERR bob does not exist\n",
    ],
)
def test_what_is_no_answer_is_none_and_ends_the_module(tmp_path: Path, babble: bytes) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format(f"serve(1); question(); say({babble!r}); signal.pause()"))
    assert rude.store.lookup("bob") == BOB
    assert isinstance(rude.outcome("bob"), str)
    assert len(rude.reasons()) == 1
    assert not is_alive(rude.pids()[0])
    assert_in_step(rude)
    assert_nobody_left(rude)


@pytest.mark.parametrize("babble", [b"-ERR bob does not exist\\n", b"+OK bob config 0\\n", b"x", b"\\n"])
def test_what_is_said_before_it_is_asked_for_is_no_answer(tmp_path: Path, babble: bytes) -> None:
    rude = Rude(
        tmp_path,
        ONLY_ONCE.format(f"serve(1); wait_for_word(); os.write(1, b'{babble.decode()}'); note('said', b''); serve()"),
    )
    assert rude.store.lookup("bob") == BOB
    os.kill(pid_of(rude.store), signal.SIGUSR1)
    assert has_come(lambda: rude.noted("said") == [""])
    assert "said what it was not asked for" in str(rude.outcome("bob"))
    assert rude.requests() == ["lookup bob"]
    assert_in_step(rude)
    assert_nobody_left(rude)


@pytest.mark.parametrize(
    "greeting",
    [
        b"Welcome",
        b"+OK NTAuth 2.0r ready",
        b"+OK bob config 0",
        b"+DATA",
        b"-ERR no such user",
        b"-ERR cannot read the configuration",
        b"-ERR bob does not exist",
    ],
)
@pytest.mark.parametrize("name", ["bob", "nobody"])
def test_a_module_that_greets_is_never_believed_one_answer_behind(tmp_path: Path, greeting: bytes, name: str) -> None:
    text = f"""
note("ready", b"")
say({greeting!r})
while True:
    words = question()
    if words[1] == b"bob":
        answer(words)
    else:
        say(b"-ERR sorry, no")
"""
    rude = Rude(tmp_path, text)
    for _ in range(4):
        answer = rude.outcome(name)
        assert isinstance(answer, str), answer
    assert_nobody_left(rude)


def test_a_no_without_a_name_is_believed_of_a_module_that_is_in_step_then(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "while True:\n    hear()\n    say(b'-ERR wrong')")
    assert rude.store.lookup("nobody") is None
    assert rude.store.lookup("somebody") is None
    assert rude.store.verify(BOB, b"x") is False
    heard = [line.split()[1].replace(PROBE, "-") for line in rude.noted("heard")]
    assert heard == ["-", "nobody", "-", "-", "somebody", "-", "-", "-", "bob", "-", "-"]
    assert rude.notices == []
    assert_nobody_left(rude)


def test_a_late_no_without_a_name_is_no_answer_to_what_is_asked_next(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        ONLY_ONCE.format("serve(1); question(); say(b'-ERR no'); hear(); say(b'+OK bob config 0'); signal.pause()"),
    )
    assert rude.store.lookup("bob") == BOB
    assert "is out of step" in str(rude.outcome("bob"))
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_look_up_that_is_answered_twice_makes_no_password_right(tmp_path: Path) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); hear(); say(b'+OK bob config 0'); signal.pause()"))
    assert rude.store.lookup("bob") == BOB
    with pytest.raises(Unavailable, match="is out of step"):
        rude.store.verify(BOB, b"wrong")
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_user_of_another_name_is_believed_only_of_a_module_that_is_in_step(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    words = question()
    say(b"+OK carol config 0") if words[1] == b"alias" else answer(words)
""",
    )
    carol = rude.store.lookup("alias")
    assert carol is not None
    assert carol.name == "carol"
    assert rude.store.verify(carol, b"secret") is True
    assert rude.requests() == ["lookup alias", "check alias secret"]
    assert_in_step(rude)
    assert_nobody_left(rude)


@pytest.mark.parametrize("answer", [b"+OK ", b"+OK", b"+OK bob\0 config 0", b"+OK bob\x1b[2J config 0", b"+OK \tbob"])
def test_an_answer_without_a_name_that_can_be_one_is_no_user(tmp_path: Path, answer: bytes) -> None:
    rude = Rude(tmp_path, f"while True:\n    question()\n    say({answer!r})")
    assert "says: +OK" in str(rude.outcome("bob"))
    assert_nobody_left(rude)


def test_a_module_that_says_dead_is_believed_kept_and_told_of_once(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    words = hear()
    say(b"-DEAD database offline, panic now") if not os.path.exists(os.path.join(HERE, "well")) else answer(words)
""",
    )
    for _ in range(3):
        assert "says: -DEAD database offline, panic now" in str(rude.outcome("bob"))
        with pytest.raises(Unavailable):
            rude.store.verify(BOB, b"secret")
    (tmp_path / "well").touch()
    assert has_come(lambda: isinstance(rude.outcome("bob"), User))
    assert len(rude.pids()) == 1
    assert [facts["state"] for facts in rude.notices] == ["down", "up"]
    assert_nobody_left(rude)


# --- floods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flood", "reason"),
    [
        ("while True: os.write(1, b'x' * 65536)", "sent a line of more than"),
        ("while True: os.write(1, b'+DATA bob\\n' * 6000)", "said what is no answer"),
        ("while True: os.write(1, b'-ERR bob does not exist\\n' * 3000)", "said what it was not asked for"),
        ("while True: os.write(1, b'\\0' * 65536)", "sent a line of more than"),
    ],
)
def test_a_flood_ends_the_module_and_takes_no_memory(tmp_path: Path, flood: str, reason: str) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format(f"serve(1); question()\n    {flood}"))
    assert rude.store.lookup("bob") == BOB
    assert reason in str(rude.outcome("bob"))
    assert_in_step(rude)
    assert_nobody_left(rude)


@pytest.mark.parametrize("limit", ["MAX_HITS", "MAX_LISTING_BYTES", "MAX_LISTING_SECONDS"])
def test_a_listing_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(f"nwauth.stores.process.module.{limit}", 0.2 if limit.endswith("SECONDS") else 50_000)
    text = "serve(1); question()\n    while True: os.write(1, b'+DATA bob\\n' * 6000)"
    rude = Rude(tmp_path, ONLY_ONCE.format(text))
    assert rude.store.lookup("bob") == BOB
    with pytest.raises(Unavailable):
        list(rude.store.search())
    assert not is_alive(rude.pids()[0])
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_search_may_take_longer_than_a_look_up_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rude = Rude(tmp_path, "serve(1)\nquestion()\nwait_for_word()\nsay(b'+OK')\nquestion()\nsignal.pause()")
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    waiting = threading.Timer(2 * SHORT_SECONDS, os.kill, (pid_of(rude.store), signal.SIGUSR1))
    waiting.start()
    assert list(rude.store.search()) == []
    waiting.join()
    monkeypatch.setattr("nwauth.stores.process.store.LISTING_SECONDS", 0.0)
    with pytest.raises(Unavailable, match="did not answer in time"):
        list(rude.store.search())
    assert_nobody_left(rude)


@pytest.mark.parametrize(
    "broken",
    [
        "os.kill(os.getpid(), 9)",
        "say(b'-DEAD database offline')",
        "say(b'nonsense')",
        "os.write(1, b'+DATA alice'); os._exit(0)",
        "say(b'+OK 1 items', b'+OK 2 items')",
    ],
)
def test_a_listing_that_breaks_off_is_not_whole(tmp_path: Path, broken: str) -> None:
    rude = Rude(tmp_path, ONLY_ONCE.format(f"serve(1); question(); say(b'+DATA bob'); {broken}; serve()"))
    assert rude.store.lookup("bob") == BOB
    with pytest.raises(Unavailable):
        list(rude.store.search())
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_module_that_writes_to_stderr_without_end_is_served_and_logged_within_bounds(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
if os.fork() == 0:
    while True:
        os.write(2, b"something is odd, and I say it often\\n" * 1000)
serve()
""",
    )
    for _ in range(5000):  # on a busy machine the flood begins late
        assert rude.store.lookup("bob") == BOB
        assert rude.store.lookup("nobody") is None
        if len(rude.notices) >= BURST_LINES:
            break
    assert_nobody_left(rude)
    said = [facts["stderr"] for facts in rude.notices]
    assert set(said) == {"something is odd, and I say it often"}
    assert BURST_LINES <= len(said) <= 2 * BURST_LINES


def test_a_module_that_hangs_and_floods_stderr_is_ended_in_time(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path, ONLY_ONCE.format("serve(1); question()\n    while True: os.write(2, b'still at it\\n' * 5000)")
    )
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    assert "did not answer in time" in str(rude.outcome("bob"))
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_last_words_on_stderr_are_logged(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "os.write(2, b'odbcauth.ini: no such file')\nos._exit(1)", pause_seconds=3600.0)
    assert "ended, exit status 1" in str(rude.outcome("bob"))
    assert {"store": "process", "stderr": "odbcauth.ini: no such file"} in rude.notices


def test_no_password_that_a_module_repeats_is_logged_or_said(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
serve(1)
words = question()
os.write(2, b"refused: " + b" ".join(words) + b"\\n")
say(b"-ERR account locked: " + b" ".join(words))
words = question()
say(b"-DEAD cannot do: " + b" ".join(words))
question()
say(b"what? check bob hunter2")
""",
    )
    bob = rude.store.lookup("bob")
    assert bob is not None
    texts = []
    for _ in range(3):
        try:
            rude.store.verify(bob, b"hunter2")
        except Exception as error:  # noqa: BLE001, whatever it is
            texts.append(f"{error!r} {error}")
    assert_nobody_left(rude)
    assert len(texts) == 3
    assert rude.noted("heard")[-1] == "check bob hunter2"
    assert "hunter2" not in "".join(texts) + repr(rude.notices)
    assert {"store": "process", "stderr": "(a line that holds a password)"} in rude.notices


def test_what_is_left_out_of_the_log_is_counted() -> None:
    now = [0.0]
    told: list[dict[str, object]] = []
    chatter = Chatter("process", told.append, clock=lambda: now[0])
    chatter.heard(b"".join(b"line %d\n" % number for number in range(100)))
    now[0] = 10.0
    chatter.heard(b"x" * 100_000 + b"\nunfinished")
    now[0] = 30.0
    chatter.end()
    assert [facts["stderr"] for facts in told[: BURST_LINES + 1]] == [
        *(f"line {number}" for number in range(BURST_LINES)),
        "x" * 300 + "...",
    ]
    assert told[BURST_LINES]["lines_left_out"] == 100 - BURST_LINES
    assert told[-1] == {"store": "process", "stderr": "unfinished"}


# --- nothing is left -------------------------------------------------------------------------------------------------


RESTARTS = """
import os, sys
from nwauth.errors import Unavailable
from nwauth.stores.process import ProcessStore
def state():
    return sorted(os.listdir("/proc/self/fd")), open(f"/proc/self/task/{os.getpid()}/children").read()
store = ProcessStore(("/bin/sh", "-c", "exit 0"), pause_seconds=0.0, timeout_seconds=20.0)
before = state()
for _ in range(int(sys.argv[1])):
    try:
        sys.exit(f"an answer: {store.lookup('bob')}")
    except Unavailable:
        pass
sys.exit(None if state() == before else f"left: {before} {state()}")
"""


def test_thousands_of_restarts_leave_no_descriptor_and_no_process() -> None:
    done = subprocess.run([sys.executable, "-c", RESTARTS, str(often(1000, 5000))], check=False, capture_output=True)
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_a_module_gets_none_of_our_descriptors_signals_or_terminal(tmp_path: Path) -> None:
    leaked = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    rude = Rude(
        tmp_path,
        """
note("fds", b" ".join(name.encode() for name in sorted(os.listdir("/proc/self/fd"))))
note("leads", b"%d" % (os.getsid(0) == os.getpgid(0) == os.getpid()))
for line in open("/proc/self/status"):
    if line.startswith("SigIgn"):
        note("ignored", line.split()[1].encode())
note("where", os.getcwd().encode() + b" " + os.environ["TASTE"].encode())
serve()
""",
        folder=str(tmp_path),
        environment={"TASTE": "sweet"},
    )
    assert rude.store.lookup("bob") == BOB
    os.close(leaked)
    assert rude.noted("fds") == ["0 1 2 3"]  # the last is that of the listing itself
    assert rude.noted("leads") == ["1"]
    ignored = int(rude.noted("ignored")[0], 16)
    assert [number for number in (signal.SIGCHLD, signal.SIGTERM) if ignored >> (number - 1) & 1] == []
    assert rude.noted("where") == [f"{tmp_path} sweet"]
    assert_nobody_left(rude)


def test_a_closed_module_is_told_to_exit_and_has_a_moment(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "while True:\n    words = question()\n    answer(words)")
    assert rude.store.lookup("bob") == BOB
    rude.store.close()
    assert rude.requests() == ["lookup bob", "exit"]
    assert not is_alive(rude.pids()[0])
    assert rude.store.lookup("bob") == BOB  # and a closed store serves again
    assert_nobody_left(rude)


@pytest.mark.parametrize("ignored", ["SIGTERM", "SIGCHLD"])
def test_a_closed_module_that_does_not_listen_is_ended(tmp_path: Path, ignored: str) -> None:
    rude = Rude(tmp_path, f"signal.signal(signal.{ignored}, signal.SIG_IGN)\nserve(1)\n{HANG}")
    assert rude.store.lookup("bob") == BOB
    assert_nobody_left(rude)


def test_where_the_server_has_left_sigchld_ignored_modules_are_reaped_all_the_same(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        rude = Rude(tmp_path, ONLY_ONCE.format("serve(1); question(); os._exit(1)"))
        assert rude.store.lookup("bob") == BOB
        assert_in_step(rude)
        assert_nobody_left(rude)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_module_that_hangs_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    rude = Rude(tmp_path, f"serve(1)\n{HANG}")
    text = f"""
from nwauth.stores.process import ProcessStore
store = ProcessStore({rude.command!r})
store.lookup("bob")
import os
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", text], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, b"")
    assert has_come(lambda: has_ended(rude.pids()[0]))


def test_a_store_that_is_tended_starts_its_module_before_it_is_asked_and_lets_a_dead_one_go(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve()")
    rude.store.tend()
    assert has_come(lambda: bool(rude.pids()))
    assert rude.store.lookup("bob") == BOB
    pid = pid_of(rude.store)
    rude.store.tend()
    assert pid_of(rude.store) == pid
    end(pid)
    rude.store.tend()
    assert not is_alive(pid)
    rude.store.tend()
    assert rude.store.lookup("bob") == BOB
    assert rude.notices == []
    assert_nobody_left(rude)


@pytest.mark.parametrize("failure", ["signal.pause()", "os._exit(1)", "os.close(1); signal.pause()"])
def test_an_older_system_without_a_descriptor_for_processes_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    rude = Rude(tmp_path, ONLY_ONCE.format(f"serve(1); question(); {failure}"))
    assert rude.store.lookup("bob") == BOB
    rude.hurry()
    assert has_come(lambda: isinstance(rude.outcome("bob"), User))
    assert not is_alive(rude.pids()[0])
    assert_in_step(rude)
    assert_nobody_left(rude)


def test_a_module_keeps_no_depth_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEPTH, "nonsense")
    store = nwauth_store(make_folder(tmp_path / "inner", line("bob")))
    assert store.lookup("bob") is not None
    store.close()


def test_random_bytes_of_a_module_are_never_a_user_or_a_no(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    question()
    os.write(1, os.urandom(64).replace(b"+", b"-").replace(b"E", b"e") + b"\\n")
""",
    )
    answers: set[Any] = {type(rude.outcome(name)) for name in ("bob", "nobody") * 20}
    assert answers == {str}
    assert_nobody_left(rude)
