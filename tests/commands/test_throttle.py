"""``nwauth throttle show`` and ``clear``: who is counted, and letting somebody in before the time."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.policy.throttle.counts import Throttle
from nwauth.policy.throttle.settings import FILE, ThrottleSettings
from nwauth.policy.throttle.tag import FILE as KEY_FILE
from nwauth.policy.throttle.tag import Tags
from tests.commands.common import SETTINGS, base, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.commands.common import Run

POLICY = """
[policy]
default = "allow"
[throttle]
per_address = 4
per_user = 3
exempt = ["10.0.0.0/8"]
"""
HOME, AWAY, SIX = "192.0.2.7", "198.51.100.9", "2001:db8::7"
OWNER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")


class Serving:
    """A copy of the program that counts, as long as the test lasts."""

    def __init__(self, folder: str, *, seconds_ago: float = 0.0, per_address: int = 4) -> None:
        self.now = time.time() - seconds_ago
        self.told: list[dict[str, object]] = []
        path = Path(folder)
        if not (path / KEY_FILE).exists():
            (path / KEY_FILE).write_bytes(bytes(range(1, 33)))  # the same tags at each run
            os.chown(path / KEY_FILE, path.stat().st_uid, path.stat().st_gid)
        tags = Tags(str(path / KEY_FILE), notice=self.told.append, monotonic=time.monotonic)
        self.throttle = Throttle(
            ThrottleSettings(per_user=3, per_address=per_address),
            str(path / FILE),
            tags=tags,
            notice=self.told.append,
            now=lambda: self.now,
        )

    def fail(self, user: str, address: str, count: int) -> None:
        for n in range(count):
            self.throttle.failed(user, b"wrong %d" % n, address)
            self.now += 1

    def refuses(self, user: str, address: str) -> bool:
        return self.throttle.refusal(user, address) is not None


@pytest.fixture
def policed(folder: str) -> str:
    (Path(folder) / "policy.toml").write_text(POLICY)
    return folder


@pytest.fixture
def serving(policed: str) -> Iterator[Serving]:
    one = Serving(policed, seconds_ago=100)
    yield one
    one.throttle.close()
    assert one.told == []


def names(done: Run) -> list[tuple[object, object, object]]:
    return [(row["what"], row["name"], row["state"]) for row in done.records()]


def test_nobody_is_counted_before_the_first_wrong_password(policed: str) -> None:
    done = run(policed, "throttle", "show")
    assert (done.status, done.out, done.err) == (0, "", "nobody is counted now\n")
    assert not (Path(policed) / FILE).exists()


def test_who_is_counted_is_shown_with_its_limit_state_and_times(policed: str, serving: Serving) -> None:
    began = serving.now
    serving.fail("bob@test.com", HOME, 3)
    serving.fail("eve@test.com", HOME, 2)
    serving.fail("eve@test.com", SIX, 1)
    done = run(policed, "throttle", "show")
    assert (done.status, done.err) == (0, "")
    assert names(done) == [
        ("address", HOME, "blocked"),
        ("address", "2001:db8::/64", "counting"),
        ("user", "bob@test.com", "blocked"),
        ("user", "eve@test.com", "counting"),
    ]
    home, six, bob, eve = done.records()
    assert [row["wrong_passwords"] for row in (home, six, bob, eve)] == [5, 1, 3, 2]
    assert [row["limit"] for row in (home, six, bob, eve)] == [4, 4, 3, 3]
    assert [row["since"] for row in (home, bob)] == [_time(began)] * 2
    assert home["until"] == _time(began + 1 + 600)  # five are counted: with the second one gone there are three
    assert bob["until"] == _time(began + 600)
    assert eve["until"] == _time(began + 4 + 600)  # the first of both times "wrong 0" counts


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat(sep=" ")


def test_what_is_told_of_the_end_comes_true(policed: str, serving: Serving) -> None:
    serving.fail("bob@test.com", HOME, 3)
    (row,) = run(policed, "throttle", "show", "bob@test.com").records()
    until = datetime.fromisoformat(str(row["until"])).timestamp()
    serving.now = until - 1
    assert serving.refuses("bob@test.com", AWAY)
    serving.now = until + 1
    assert not serving.refuses("bob@test.com", AWAY)


def test_people_get_a_table(policed: str, serving: Serving) -> None:
    serving.fail("bob@test.com", HOME, 3)
    head, *lines = run(policed, "throttle", "show", "--format", "table").out.splitlines()
    assert head.split() == ["WHAT", "NAME", "WRONG_PASSWORDS", "LIMIT", "STATE", "SINCE", "UNTIL"]
    assert [line.split()[:5] for line in lines] == [
        ["address", HOME, "3", "4", "counting"],
        ["user", "bob@test.com", "3", "3", "blocked"],
    ]


def test_of_a_user_the_trusted_addresses_are_shown(policed: str, serving: Serving) -> None:
    serving.throttle.succeeded("bob@test.com", SIX)
    serving.fail("bob@test.com", HOME, 3)
    serving.throttle.succeeded("bob@test.com", AWAY)
    done = run(policed, "throttle", "show", "BOB@test.com")
    assert done.status == 0
    assert names(done) == [
        ("user", "bob@test.com", "blocked"),
        ("trusted address", AWAY, "trusted"),
        ("trusted address", "2001:db8::/64", "trusted"),
    ]
    assert done.records()[1]["until"] == _time(
        serving.now + 31 * 86400
    )  # trust never ends too early: a login is noted once a day


def test_one_address_is_shown_by_any_address_of_its_network(policed: str, serving: Serving) -> None:
    serving.fail("bob@test.com", SIX, 1)
    for word in (SIX, "2001:db8::ffff", "2001:db8::/64"):
        assert names(run(policed, "throttle", "show", word)) == [("address", "2001:db8::/64", "counting")]
    assert run(policed, "throttle", "show", "::ffff:192.0.2.7").status == 1


def test_whoever_is_not_counted_is_named_with_exit_status_1_and_the_others_are_shown(
    policed: str, serving: Serving
) -> None:
    serving.fail("bob@test.com", HOME, 1)
    done = run(policed, "throttle", "show", "nobody", "bob@test.com", AWAY)
    assert done.status == 1
    assert names(done) == [("user", "bob@test.com", "counting")]
    assert done.err == f"nwauth: nobody: nothing is counted\nnwauth: {AWAY}: nothing is counted\n"


def test_a_login_that_is_tried_well_while_real_ones_are_refused_says_so(policed: str, serving: Serving) -> None:
    def noted(*words: str) -> str:
        done = run(policed, "test", "BOB@test.com", "--password-stdin", *words, stdin=b"secret\n")
        assert (done.status, json.loads(done.out)["verdict"]) == (0, "yes")
        return done.err

    assert noted() == ""
    serving.throttle.succeeded("bob@test.com", HOME)
    began = serving.now
    serving.fail("bob@test.com", AWAY, 3)
    refused = f"note: real logins are refused until {_time(began + 600)}, whatever the password"
    told = f"{refused}: 3 wrong passwords for bob@test.com: nwauth throttle clear bob@test.com\n"
    assert noted() == noted("--from", AWAY) == told
    assert noted("--from", HOME) == noted("--from", "10.0.0.1") == ""  # known from there, and exempt
    serving.fail("eve@test.com", HOME, 4)
    assert f"4 wrong passwords from {HOME}: nwauth throttle clear {HOME}" in noted("--from", HOME)
    assert noted("--quiet") == ""


def test_what_has_left_the_window_and_who_is_exempt_by_now_is_not_shown(policed: str) -> None:
    for ago, address in ((700.0, HOME), (10.0, "10.1.2.3")):
        one = Serving(policed, seconds_ago=ago)
        one.throttle.failed("old@test.com" if ago > 600 else "eve@test.com", b"x", address)
        one.throttle.close()
    assert names(run(policed, "throttle", "show")) == [("user", "eve@test.com", "counting")]


def test_a_name_without_a_domain_is_the_whole_name(policed: str, serving: Serving) -> None:
    (Path(policed) / "nwauth.toml").write_text('[names]\ndefault_domain = "test.com"\n' + SETTINGS)
    serving.fail("bob@test.com", HOME, 1)
    assert names(run(policed, "throttle", "show", "Bob")) == [("user", "bob@test.com", "counting")]


# --- clear -----------------------------------------------------------------------------------------------------------


def test_a_user_who_is_cleared_is_let_in_at_once_by_the_copy_that_serves(policed: str, serving: Serving) -> None:
    serving.fail("bob@test.com", HOME, 3)
    serving.fail("eve@test.com", HOME, 1)
    assert serving.refuses("bob@test.com", HOME)
    done = run(policed, "throttle", "clear", "Bob@Test.com")
    assert (done.status, done.err) == (0, "")
    assert done.records() == [
        {"what": "user", "name": "bob@test.com", "wrong_passwords": 3, "change": "cleared", "dry_run": False}
    ]
    assert not serving.refuses("bob@test.com", HOME)
    assert names(run(policed, "throttle", "show")) == [
        ("address", HOME, "counting"),
        ("user", "eve@test.com", "counting"),
    ]


def test_an_address_that_is_cleared_is_free_at_once(policed: str, serving: Serving) -> None:
    for n in range(4):
        serving.fail(f"user{n}", HOME, 1)
    assert serving.refuses("bob@test.com", HOME)
    done = run(policed, "throttle", "clear", HOME, "--format", "table")
    assert (done.status, done.out) == (0, f"{HOME}: 4 wrong passwords forgotten\n")
    assert not serving.refuses("bob@test.com", HOME)
    assert len(run(policed, "throttle", "show").records()) == 4  # the users


def test_all_are_cleared_with_all_and_trust_stays(policed: str, serving: Serving) -> None:
    serving.throttle.succeeded("bob@test.com", AWAY)
    serving.fail("bob@test.com", HOME, 4)
    done = run(policed, "throttle", "clear", "--all")
    assert (done.status, [row["name"] for row in done.records()]) == (0, [HOME, "bob@test.com"])
    assert run(policed, "throttle", "show").out == ""
    assert not serving.refuses("bob@test.com", HOME)
    assert names(run(policed, "throttle", "show", "bob@test.com")) == [("trusted address", AWAY, "trusted")]
    again = run(policed, "throttle", "clear", "--all")
    assert (again.status, again.out, again.err) == (1, "", "nobody was counted\n")


@pytest.mark.parametrize("words", [["bob@test.com", HOME], ["--all"]])
def test_a_dry_run_shows_what_would_be_forgotten_and_forgets_nothing(
    policed: str, serving: Serving, words: list[str]
) -> None:
    serving.fail("bob@test.com", HOME, 3)
    before = run(policed, "throttle", "show").out
    done = run(policed, "throttle", "clear", "--dry-run", "--quiet", *words)
    assert (done.status, done.err) == (0, "")
    assert {(row["name"], row["dry_run"]) for row in done.records()} == {("bob@test.com", True), (HOME, True)}
    assert run(policed, "throttle", "show").out == before
    assert serving.refuses("bob@test.com", HOME)


def test_whoever_had_nothing_counted_is_named_with_exit_status_1_and_the_others_are_cleared(
    policed: str, serving: Serving
) -> None:
    serving.fail("bob@test.com", HOME, 1)
    done = run(policed, "throttle", "clear", "nobody", "bob@test.com", "--quiet")
    assert (done.status, done.out, done.err) == (1, "", "nwauth: nobody: nothing is counted\n")
    assert names(run(policed, "throttle", "show")) == []


@pytest.mark.parametrize("words", [[], ["bob", "--all"]])
def test_clear_wants_names_or_all(policed: str, words: list[str]) -> None:
    done = run(policed, "throttle", "clear", *words)
    assert (done.status, done.out) == (2, "")
    assert "wanted users or addresses, or --all" in done.err


# --- where it cannot be told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [None, '[policy]\ndefault = "allow"\n'])
@pytest.mark.parametrize("words", [["show"], ["clear", "--all"]])
def test_that_the_throttle_is_off_is_said_in_one_line(folder: str, policy: str | None, words: list[str]) -> None:
    if policy is not None:
        (Path(folder) / "policy.toml").write_text(policy)
    done = run(folder, "throttle", *words)
    assert (done.status, done.out) == (1, "")
    file = os.path.join(folder, "policy.toml")
    assert done.err == f"nwauth: the throttle is off: there is no [throttle] in {file}, and nothing is counted\n"


def test_a_bad_policy_is_told_with_its_fault_and_exit_status_75(folder: str) -> None:
    (Path(folder) / "policy.toml").write_text('[policy]\ndefault = "allow"\n[throttle]\nper_user = -1\n')
    done = run(folder, "throttle", "show")
    assert (done.status, done.out) == (75, "")
    assert "throttle.per_user: found -1" in done.err


def test_a_damaged_database_is_told_with_exit_status_75_and_left_to_the_copy_that_serves(policed: str) -> None:
    (Path(policed) / FILE).write_bytes(b"garbage" * 1000)
    for words in (["show"], ["clear", "--all"]):
        done = run(policed, "throttle", *words)
        assert (done.status, done.out) == (75, "")
        assert str(Path(policed) / FILE) in done.err
        assert "makes it anew" in done.err
        assert done.err.count("\n") == 1


def test_a_database_that_another_writes_is_shown_and_cannot_be_cleared_now(policed: str, serving: Serving) -> None:
    serving.fail("bob@test.com", HOME, 3)
    with closing(sqlite3.connect(Path(policed) / FILE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert len(run(policed, "throttle", "show").records()) == 2
        done = run(policed, "throttle", "clear", "--all")
        assert (done.status, done.out) == (75, "")
        assert "is locked by another program" in done.err
    assert run(policed, "throttle", "clear", "--all").status == 0


@needs_root
def test_root_works_as_the_owner_of_the_folder(tmp_path: Path) -> None:
    from tests.stores.folders import fast_folder

    with fast_folder() as path:
        folder = base(path)
        (Path(folder) / "policy.toml").write_text(POLICY)
        os.chmod(folder, 0o755)
        for name in ("", *os.listdir(folder)):
            os.chown(os.path.join(folder, name), OWNER, OWNER)
        one = Serving(folder)
        one.fail("bob@test.com", HOME, 3)
        one.throttle.close()
        assert names(run(folder, "throttle", "show", "bob@test.com")) == [("user", "bob@test.com", "blocked")]
        assert run(folder, "throttle", "clear", "bob@test.com").status == 0
        assert {os.stat(os.path.join(folder, name)).st_uid for name in os.listdir(folder)} == {OWNER}
        secret = tmp_path / "secret"
        secret.write_bytes((Path(folder) / FILE).read_bytes())
        secret.chmod(0o600)
        (Path(folder) / FILE).unlink()
        (Path(folder) / FILE).symlink_to(secret)
        done = run(folder, "throttle", "show")
        assert (done.status, done.out) == (75, "")
