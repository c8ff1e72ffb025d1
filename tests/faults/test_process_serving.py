"""A child that serves an external module: what the mail server and the administrator see."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.audit import parse_line
from tests.commands.common import run
from tests.serving import COMMAND, Child, make_folder, one_shot
from tests.stores.folders import line
from tests.stores.process_modules import Rude, has_come, has_ended
from tests.test_imports import new_modules

if TYPE_CHECKING:
    from collections.abc import Sequence

DEAD = b"-DEAD the user database cannot be asked now, see the log\n"
HASHING = {"argon2", "bcrypt", "passlib", "hashlib", "nwauth.passwords.digests", "nwauth.passwords.crypt3"}
DEADLINE_SECONDS = 10.0  # of the mail server: spec/protocol.md section 1


def outer(folder: Path, command: Sequence[str], more: str = "") -> Path:
    """A folder from which a module is served."""
    words = ", ".join(f'"{word}"' for word in command)
    return make_folder(folder / "outer", None, toml=f'[[stores]]\nkind = "process"\ncommand = [{words}]\n{more}\n')


@pytest.fixture
def inner(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "inner", line("Bob@test.com", info='quota="1"') + line("alice@test.com"))


@pytest.fixture
def folder(tmp_path: Path, inner: Path) -> Path:
    return outer(tmp_path, [COMMAND, "-path", str(inner)])


def log(folder: Path) -> list[dict[str, str]]:
    text = (folder / "nwauth.log").read_text() if (folder / "nwauth.log").exists() else ""
    return [dict(parse_line(one)) for one in text.splitlines()]


def module_of(child: Child) -> int:
    """The process behind a serving child."""
    pid = child.process.pid
    found: list[str] = []

    def there() -> bool:
        found[:] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return bool(found)

    assert has_come(there)
    return int(found[0])


def test_a_conversation_is_that_of_the_module_itself(folder: Path, inner: Path) -> None:
    requests = (
        *(b"lookup BOB@test.com", b"lookup nobody", b"check bob@test.com secret", b"check bob@test.com wrong"),
        *(
            b"check nobody secret",
            b"check bob@test.com secret 192.0.2.7",
            b"search *",
            b"search BO",
            b"search ?ob* -max 0",
        ),
        *(b"search * -from 1 -max 5", b'set carl@test.com pw quota="2" full_name="Carl C."', b"lookup carl@test.com"),
        *(b"check carl@test.com pw", b'set carl@test.com (NULL) quota="" fwd="x@y"', b"lookup CARL@test.com"),
        *(b"check carl@test.com pw", b"set carl@test.com newer", b"check carl@test.com newer", b"lookup carl@test.com"),
        *(b'set nobody (NULL) a="1"', b"set no/body pw", b"del carl@test.com", b"del carl@test.com", b"search *"),
    )
    with Child(folder) as child:
        through = [child.ask(request) for request in requests]
    straight = make_folder(inner.parent / "straight", line("Bob@test.com", info='quota="1"') + line("alice@test.com"))
    with Child(straight) as child:
        assert through == [child.ask(request) for request in requests]


def test_a_mail_server_is_never_told_no_by_a_module_that_is_not_there(tmp_path: Path) -> None:
    folder = outer(tmp_path, ["/nowhere/odbcauth"])
    with Child(folder) as child:
        for request in (b"lookup bob", b"check bob secret", b"search *", b"set bob x", b"del bob") * 3:
            assert child.ask(request) == DEAD
        child.hang_up()
        child.assert_ended_well()
    (told,) = log(folder)
    assert told["reason"] == "/nowhere/odbcauth cannot be started: No such file or directory: /nowhere/odbcauth"


def test_a_module_that_hangs_costs_one_request_its_time_and_the_log_one_line(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve(1)\nwhile True: signal.pause()")
    folder = outer(tmp_path, rude.command, "timeout_seconds = 0.5")
    with Child(folder) as child:
        assert has_come(lambda: child.ask(b"lookup bob").startswith(b"+OK"))
        began = time.monotonic()
        assert child.ask(b"lookup bob") == DEAD
        assert time.monotonic() - began < DEADLINE_SECONDS
        for _ in range(20):
            assert child.ask(b"check bob secret") == DEAD
        child.hang_up()
        child.assert_ended_well()
    told = [facts for facts in log(folder) if "did not answer in time" in facts.get("reason", "")]
    assert len(told) == 1
    assert [pid for pid in rude.pids() if not has_ended(pid)] == []


def test_a_killed_module_is_noticed_by_nobody(folder: Path) -> None:
    with Child(folder) as child:
        for _ in range(5):
            assert child.ask(b"lookup bob@test.com") == b'+OK Bob@test.com config 0 quota="1"\n'
            os.kill(module_of(child), signal.SIGKILL)
            assert child.ask(b"check bob@test.com secret") == b'+OK Bob@test.com config 0 quota="1"\n'
            assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
    assert log(folder) == []


@pytest.mark.parametrize("end", ["exit", "hang up", "SIGTERM", "SIGKILL"])
def test_no_module_outlives_the_child_that_started_it(folder: Path, end: str) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup nobody").startswith(b"-ERR")
        module = module_of(child)
        if end == "exit":
            child.send(b"exit\n")
        elif end == "hang up":
            child.hang_up()
        else:
            child.process.send_signal(signal.Signals[end])
        child.status()
        assert has_come(lambda: has_ended(module))


def test_a_child_that_waits_starts_its_module_before_it_is_asked(folder: Path) -> None:
    with Child(folder) as child:
        assert module_of(child) > 0
        assert child.ask(b"lookup nobody").startswith(b"-ERR")


def test_a_base_that_is_gone_behind_the_module_is_dead_and_comes_back(folder: Path, inner: Path) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup nobody").startswith(b"-ERR")
        (inner / "nwauth.txt").rename(inner / "away")
        for _ in range(3):
            assert child.ask(b"lookup nobody") == DEAD
            assert child.ask(b"check bob@test.com secret") == DEAD
        (inner / "away").rename(inner / "nwauth.txt")
        assert has_come(lambda: child.ask(b"lookup nobody").startswith(b"-ERR"))
        assert child.ask(b"check bob@test.com secret").startswith(b"+OK")
    states = [facts["state"] for facts in log(folder) if "state" in facts]
    assert states == ["down", "up"]


def test_a_module_that_cannot_be_written_is_not_supported_on_the_wire(tmp_path: Path, inner: Path) -> None:
    folder = outer(tmp_path, [COMMAND, "-path", str(inner), "-readonly"])
    with Child(folder) as child:
        for request in (b"set bob@test.com x", b"set carl x", b"del bob@test.com"):
            assert child.ask(request) == b"-ERR not supported here\n"
    with Child(folder, "-readonly") as child:
        assert child.ask(b"set bob@test.com x") == b"-ERR not supported here\n"


def test_one_shot_forms_ask_the_module(folder: Path) -> None:
    assert one_shot(folder, "-lookup", "bob@test.com") == (b'+OK Bob@test.com config 0 quota="1"\n', 0)
    assert one_shot(folder, "-check", "bob@test.com", "wrong")[1] == 1
    assert one_shot(folder, "-set", "carl@test.com", "pw", "quota=2") == (b"+OK carl@test.com added to database\n", 0)
    assert one_shot(folder, "-check", "carl@test.com", "pw") == (b'+OK carl@test.com config 0 quota="2"\n', 0)
    assert one_shot(folder, "-del", "carl@test.com") == (b"+OK carl@test.com deleted\n", 0)


def test_commands_work_through_the_module(folder: Path) -> None:
    def command(*words: str, stdin: bytes = b"") -> tuple[int, str]:
        done = run(str(folder), *words, stdin=stdin)
        return done.status, done.out + done.err

    status, out = command("user", "list")
    assert (status, "Bob@test.com" in out, "alice@test.com" in out) == (0, True, True)
    assert command("user", "add", "carl@test.com", "--password-stdin", "quota=2", stdin=b"pw\n")[0] == 0
    assert command("user", "add", "carl@test.com", "--password-stdin", stdin=b"pw\n")[0] == 1
    assert command("user", "set", "carl@test.com", "fwd=x@y")[0] == 0
    assert command("user", "passwd", "carl@test.com", "--password-stdin", stdin=b"newer\n")[0] == 0
    status, out = command("user", "show", "carl@test.com")
    assert (status, "x@y" in out) == (0, True)
    assert command("test", "carl@test.com", "--password-stdin", stdin=b"newer\n")[0] == 0
    assert command("test", "carl@test.com", "--password-stdin", stdin=b"pw\n")[0] == 1
    status, out = command("user", "passwd", "carl@test.com", "--hash", "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf")
    assert (status, "a module takes passwords, not hashes" in out) == (1, True)
    status, out = command("user", "rename", "carl@test.com", "charles@test.com")
    assert (status, "nobody in it can be renamed" in out) == (1, True)
    assert command("user", "del", "carl@test.com", "--yes")[0] == 0
    assert one_shot(folder, "-lookup", "carl@test.com")[1] == 1


def test_a_child_that_serves_a_module_brings_in_nothing_heavy_and_a_check_nothing_more(folder: Path) -> None:
    first, *more = new_modules(folder, b"lookup nobody", b"lookup bob@test.com", b"check bob@test.com secret")
    assert first & {"subprocess", "signal", "selectors", "threading", "pathlib", "dataclasses", "nwauth.protocol"} == {
        "nwauth.protocol"
    }
    assert [found & HASHING for found in (first, *more)] == [set(), set(), set()]
    assert more[1] <= {"nwauth.stores.process.wire"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("given_away", ["", "nwauth.toml"])
def test_a_child_of_root_runs_nothing_that_another_account_could_write_down(folder: Path, given_away: str) -> None:
    with Child(folder) as child:
        assert child.ask(b"lookup bob@test.com").startswith(b"+OK ")
    os.chown(folder / given_away, 12345, 12345)
    with Child(folder) as child:
        assert child.ask(b"lookup bob@test.com") == b"-DEAD bad configuration, see the log\n"
    assert f"the owner of {folder / given_away} could have it run anything" in (folder / "nwauth.log").read_text()
