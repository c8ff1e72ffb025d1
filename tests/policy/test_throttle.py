"""The throttle (spec/policy.md section 5): each sentence of the section about counting, and a naive model beside it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from nwauth.policy.hosts import read_hosts
from nwauth.policy.throttle import database, files
from nwauth.policy.throttle.counts import MOST_REMEMBERED, Throttle
from nwauth.policy.throttle.database import SWEEP_EVERY
from nwauth.policy.throttle.octets import octets, text
from nwauth.policy.throttle.settings import DAY_SECONDS, FILE, ThrottleSettings
from nwauth.policy.throttle.tag import FILE as KEY_FILE
from nwauth.policy.throttle.tag import Tags
from tests.faults.folders import REPOSITORY, start, wait_for
from tests.stores.folders import fast_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = 1_800_000_000.0
KEY = bytes(range(32))
HOME, AWAY, OFFICE = "192.0.2.7", "198.51.100.9", "203.0.113.1"


class Bench:
    """A throttle over a real file, whose clocks stand still until they are told to go."""

    def __init__(self, folder: Path, settings: ThrottleSettings | None = None, *, fixed_key: bool = True) -> None:
        self.folder = folder
        if fixed_key and not (folder / KEY_FILE).exists():
            (folder / KEY_FILE).write_bytes(KEY)  # the same tags at each run
            (folder / KEY_FILE).chmod(0o600)
        self.now = NOON
        self.monotonic = 0.0
        self.told: list[dict[str, object]] = []
        self.settings = settings or ThrottleSettings(per_address=5, per_user=3)
        self.throttle = self.another()

    def another(self) -> Throttle:
        """What another copy of the program has."""
        tags = Tags(str(self.folder / KEY_FILE), notice=self.told.append, monotonic=lambda: self.monotonic)
        return Throttle(
            self.settings,
            str(self.folder / FILE),
            tags=tags,
            notice=self.told.append,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )

    def fail(self, user: str, address: str | None, count: int, *, first: int = 0) -> None:
        for n in range(first, first + count):
            self.throttle.failed(user, b"wrong %d" % n, address)

    def refused(self, user: str, address: str | None) -> bool:
        return self.throttle.refusal(user, address) is not None

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += max(0.0, seconds)

    def rows(self, table: str) -> int:
        with closing(sqlite3.connect(self.folder / FILE)) as connection:
            count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return count


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.throttle.close()
    assert one.told == []


def made(tmp_path: Path, **settings: object) -> Bench:
    return Bench(tmp_path, ThrottleSettings(**settings))  # type: ignore[arg-type]


# --- counted per client address and per user over a sliding window ----------------------------------------------------


def test_nobody_is_refused_at_first(bench: Bench) -> None:
    assert bench.throttle.refusal("bob", HOME) is None
    assert bench.throttle.refusal("bob", None) is None


def test_over_the_limit_of_an_address_every_user_is_refused_from_there_and_from_nowhere_else(bench: Bench) -> None:
    for n in range(4):
        bench.fail(f"user{n}", HOME, 1)
    assert not bench.refused("bob", HOME)
    bench.fail("user4", HOME, 1)
    assert bench.throttle.refusal("bob", HOME) == f"throttled: 5 wrong passwords from {HOME} within 600 s"
    assert not bench.refused("bob", AWAY)


def test_over_the_limit_of_a_user_the_user_is_refused_from_everywhere_and_no_other(bench: Bench) -> None:
    for n, address in enumerate((HOME, AWAY)):
        bench.fail("bob", address, 1, first=n)
    assert not bench.refused("bob", OFFICE)
    bench.fail("bob", HOME, 1, first=2)
    for address in (HOME, AWAY, OFFICE):
        assert bench.throttle.refusal("bob", address) == "throttled: 3 wrong passwords for this user within 600 s"
    assert not bench.refused("eve", OFFICE)


def test_the_window_slides(bench: Bench) -> None:
    for n in range(3):
        bench.fail("bob", HOME, 1, first=n)
        bench.go(100)
    assert bench.refused("bob", AWAY)
    bench.go(299)
    assert bench.refused("bob", AWAY)
    bench.go(1)  # the first is 600 seconds old
    assert not bench.refused("bob", AWAY)
    bench.fail("bob", HOME, 1, first=3)
    assert bench.refused("bob", AWAY)
    bench.go(100)
    assert not bench.refused("bob", AWAY)


def test_a_limit_of_0_is_none(tmp_path: Path) -> None:
    bench = made(tmp_path, per_address=0, per_user=0)
    bench.fail("bob", HOME, 60)
    assert not bench.refused("bob", HOME)
    users = made(tmp_path, per_address=0, per_user=1)
    users.fail("bob", HOME, 1)
    assert users.refused("bob", HOME)
    assert not users.refused("eve", HOME)
    addresses = made(tmp_path, per_address=1, per_user=0)
    addresses.fail("eve", AWAY, 1)
    assert addresses.refused("bob", AWAY)
    assert not addresses.refused("eve", HOME)


@pytest.mark.parametrize(
    ("prefix", "one", "same", "other", "called"),
    [
        (64, "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1", "2001:db8::/64"),
        (48, "2001:db8::1", "2001:db8:0:1::1", "2001:db8:1::1", "2001:db8::/48"),
        (128, "2001:db8::1", "2001:DB8:0::1", "2001:db8::2", "2001:db8::1/128"),
        (64, "fe80::1%eth0", "fe80::2%lan", "fe81::1", "fe80::/64"),
    ],
)
def test_ipv6_is_counted_by_64_or_another_prefix(  # noqa: PLR0917
    tmp_path: Path, prefix: int, one: str, same: str, other: str, called: str
) -> None:
    bench = made(tmp_path, per_address=2, per_user=0, ipv6_prefix=prefix)
    bench.fail("bob", one, 1)
    bench.fail("bob", same, 1, first=1)
    assert bench.throttle.refusal("eve", same) == f"throttled: 2 wrong passwords from {called} within 600 s"
    assert not bench.refused("eve", other)


def test_an_ipv4_mapped_address_is_the_ipv4_address(bench: Bench) -> None:
    bench.fail("a", "::ffff:192.0.2.7", 3)
    bench.fail("b", HOME, 2)
    assert bench.refused("bob", "::FFFF:c000:207")
    assert bench.refused("bob", HOME)
    assert not bench.refused("bob", "::ffff:192.0.2.8")


def test_a_request_without_an_address_is_neither_counted_nor_throttled(bench: Bench) -> None:
    for address in (None, "", "hunter2", "192.0.2"):
        bench.fail("bob", address, 9)
    assert not bench.refused("bob", HOME)
    bench.fail("bob", HOME, 3)
    assert bench.refused("bob", HOME)
    assert not bench.refused("bob", None)
    assert not bench.refused("bob", "hunter2")


def test_no_file_is_made_for_what_is_not_counted(tmp_path: Path) -> None:
    bench = made(tmp_path)
    for address in (None, "127.0.0.1"):
        bench.fail("bob", address, 1)
        bench.throttle.succeeded("bob", address)
        assert not bench.refused("bob", address)
    assert os.listdir(tmp_path) == [KEY_FILE]


# --- the same wrong password again ------------------------------------------------------------------------------------


def test_the_same_wrong_password_again_is_not_counted_twice(bench: Bench) -> None:
    for _ in range(40):
        for address in (HOME, AWAY):
            bench.throttle.failed("bob", b"of last year", address)
        bench.go(1)
    assert not bench.refused("bob", HOME)
    assert (bench.rows("of_user"), bench.rows("of_client")) == (1, 2)
    bench.fail("bob", HOME, 2)
    assert bench.refused("bob", OFFICE)


def test_the_same_wrong_password_of_another_user_is_another(bench: Bench) -> None:
    for n in range(5):
        bench.throttle.failed(f"user{n}", b"123456", HOME)
    assert bench.refused("bob", HOME)


def test_a_repeated_password_counts_again_when_it_has_left_the_window_and_stays_no_longer_for_its_repetition(
    bench: Bench,
) -> None:
    bench.fail("bob", HOME, 3)
    bench.go(599)
    bench.fail("bob", HOME, 3)
    assert bench.refused("bob", HOME)
    bench.go(1)
    assert not bench.refused("bob", HOME)
    bench.fail("bob", HOME, 3)
    assert bench.refused("bob", HOME)


def test_where_no_tag_is_to_be_had_each_wrong_password_counts_as_different(bench: Bench) -> None:
    (bench.folder / KEY_FILE).unlink()
    (bench.folder / KEY_FILE).mkdir()
    for _ in range(2):
        bench.throttle.failed("bob", b"same", HOME)
    assert not bench.refused("bob", HOME)
    bench.throttle.failed("bob", b"same", HOME)
    assert bench.refused("bob", HOME)
    (only,) = bench.told
    assert (only["doing"], only["state"]) == ("tag", "down")
    assert str(bench.folder / KEY_FILE) in str(only["reason"])
    bench.told.clear()


# --- trust ------------------------------------------------------------------------------------------------------------


def test_the_limit_of_a_user_never_blocks_an_address_that_has_logged_in_within_trust_days(bench: Bench) -> None:
    bench.throttle.succeeded("bob", HOME)
    bench.go(30 * DAY_SECONDS - 1)
    bench.fail("bob", AWAY, 4)
    assert not bench.refused("bob", HOME)
    assert bench.refused("bob", AWAY)
    bench.go(2 * DAY_SECONDS)  # a login is noted once a day, so trust may last a day longer
    bench.fail("bob", AWAY, 4)
    assert bench.refused("bob", HOME)


def test_the_trust_of_one_user_is_not_that_of_another(bench: Bench) -> None:
    bench.throttle.succeeded("eve", HOME)
    bench.fail("bob", AWAY, 3)
    assert bench.refused("bob", HOME)


def test_trust_does_not_lift_the_limit_of_the_address(bench: Bench) -> None:
    bench.throttle.succeeded("bob", HOME)
    bench.fail("bob", HOME, 5)
    assert bench.refused("bob", HOME)


def test_trust_holds_for_the_network_of_an_ipv6_address(bench: Bench) -> None:
    bench.throttle.succeeded("bob", "2001:db8::1")
    bench.fail("bob", AWAY, 3)
    assert not bench.refused("bob", "2001:db8::2:3")
    assert bench.refused("bob", "2001:db8:1::1")


def test_with_trust_days_0_no_address_is_trusted(tmp_path: Path) -> None:
    bench = made(tmp_path, per_user=1, trust_days=0)
    bench.throttle.succeeded("bob", HOME)
    bench.fail("bob", AWAY, 1)
    assert bench.refused("bob", HOME)


def test_a_login_is_written_down_once_a_day_and_a_polling_client_costs_nothing_more(bench: Bench) -> None:
    bench.throttle.succeeded("bob", HOME)
    with closing(sqlite3.connect(bench.folder / FILE)) as connection:
        version = connection.execute("PRAGMA data_version").fetchone()
        for _ in range(100):
            bench.throttle.succeeded("bob", HOME)
            bench.go(60)
        assert connection.execute("PRAGMA data_version").fetchone() == version
        bench.go(DAY_SECONDS)
        bench.throttle.succeeded("bob", HOME)
        assert connection.execute("PRAGMA data_version").fetchone() != version


def test_what_is_remembered_of_logins_is_bounded(bench: Bench) -> None:
    for n in range(MOST_REMEMBERED + 10):
        bench.throttle.succeeded(f"user{n}", HOME)
    assert len(bench.throttle._noted) == MOST_REMEMBERED
    assert bench.rows("trusted") == MOST_REMEMBERED + 10


# --- exempt -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_exempt_by_default(bench: Bench, address: str) -> None:
    bench.fail("bob", address, 9)
    assert not bench.refused("bob", address)
    assert not bench.refused("bob", HOME)


def test_loopback_can_be_counted(tmp_path: Path) -> None:
    bench = made(tmp_path, per_address=1, exempt_loopback=False)
    bench.fail("bob", "127.0.0.1", 1)
    assert bench.refused("eve", "127.0.0.1")


def test_exempt_lists_more_networks_and_what_fails_there_locks_a_user_out_nowhere(tmp_path: Path) -> None:
    bench = made(tmp_path, per_address=2, per_user=2, exempt=read_hosts(["192.0.2.0/24", "2001:db8::/32"]))
    for address in (HOME, "2001:db8::7"):
        bench.fail("bob", address, 9)
        assert not bench.refused("bob", address)
    assert not bench.refused("bob", AWAY)
    bench.fail("bob", AWAY, 2)
    assert bench.refused("bob", AWAY)
    assert not bench.refused("bob", HOME)


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [1, 3600, 400 * DAY_SECONDS])
@pytest.mark.parametrize("same", [True, False], ids=["a running copy", "a new copy"])
def test_a_clock_that_is_put_back_blocks_nobody_longer_than_one_window(
    bench: Bench,
    back: int,
    same: bool,  # noqa: FBT001
) -> None:
    bench.fail("bob", HOME, 3)
    bench.now -= back
    if not same:
        bench.throttle.close()
        bench.throttle = bench.another()
    assert bench.refused("bob", HOME)
    bench.go(600)
    assert not bench.refused("bob", HOME)


def test_what_another_copy_wrote_before_the_clock_was_put_back_blocks_nobody_longer_than_one_window(
    bench: Bench,
) -> None:
    other = bench.another()
    assert other.refusal("bob", HOME) is None
    bench.go(3600)
    bench.fail("bob", HOME, 3)
    bench.now -= 3000  # later than all that the other one has seen
    bench.throttle.close()
    assert other.refusal("bob", HOME) is not None
    bench.now += 600
    assert other.refusal("bob", HOME) is None
    other.close()


def test_trust_from_the_future_ends_like_any_other(bench: Bench) -> None:
    bench.go(365 * DAY_SECONDS)
    bench.throttle.succeeded("bob", HOME)
    bench.now -= 365 * DAY_SECONDS
    assert not bench.refused("bob", HOME)
    bench.go(32 * DAY_SECONDS)
    bench.fail("bob", AWAY, 3)
    assert bench.refused("bob", HOME)


# --- the database -----------------------------------------------------------------------------------------------------


def test_one_small_database_is_shared_by_all_copies_of_the_program(bench: Bench) -> None:
    others = [bench.another() for _ in range(3)]
    for n, one in enumerate(others):
        one.failed("bob", b"wrong %d" % n, HOME)
    assert bench.refused("bob", AWAY)
    for one in others:
        one.close()


def test_the_files_are_private_and_the_log_is_gone_when_the_last_copy_has_ended(bench: Bench) -> None:
    bench.fail("bob", HOME, 1)
    names = {path.name for path in bench.folder.iterdir()}
    assert names == {FILE, FILE + "-wal", FILE + "-shm", KEY_FILE}
    assert {path.stat().st_mode & 0o777 for path in bench.folder.iterdir()} == {0o600}
    bench.throttle.close()
    assert {path.name for path in bench.folder.iterdir()} == {FILE, KEY_FILE}


def test_what_was_counted_outlives_the_program(bench: Bench) -> None:
    bench.fail("bob", HOME, 3)
    bench.throttle.close()
    assert bench.refused("bob", HOME)


def test_what_counts_no_more_is_swept(bench: Bench) -> None:
    for n in range(300):
        bench.throttle.failed(f"user{n}", b"x", f"198.51.100.{n % 250}")
    assert bench.rows("of_user") == 300
    bench.go(601)
    bench.fail("bob", HOME, 4 * SWEEP_EVERY)
    assert bench.rows("of_client") == bench.rows("of_user") <= 4 * SWEEP_EVERY


def test_no_password_is_on_the_disk_nor_in_what_is_told(bench: Bench) -> None:
    for n in range(10):
        bench.throttle.failed("bob", b"sesame-%d" % n, HOME)
    written = [path.read_bytes() for path in bench.folder.iterdir()]
    assert any(written)
    assert not [content for content in written if b"sesame" in content]
    assert "sesame" not in str(bench.told)


@pytest.mark.parametrize("name", ["b\udcffb", "\u00fcmlaut@test.com", "x" * 9000, "nul\0", "", "\ud800", "'; --"])
def test_any_name_is_counted(bench: Bench, name: str) -> None:
    bench.fail(name, HOME, 3)
    assert bench.refused(name, AWAY)
    assert not bench.refused(name + "x", AWAY)
    assert len(octets(name)) < 300


@given(st.text(max_size=80))
def test_a_name_that_is_utf_8_comes_back_as_it_was(name: str) -> None:
    assert text(octets(name)) == name


# --- four real processes ----------------------------------------------------------------------------------------------


def test_four_processes_that_start_at_once_count_every_wrong_password_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 20.0)  # a login would not wait so long; a busy machine may
    monkeypatch.setattr(files, "TRIES", 4000)
    with fast_folder() as path:
        folder, each = Path(path), 60

        def hammer(number: int) -> None:
            bench = Bench(folder, ThrottleSettings(per_address=1000, per_user=1000), fixed_key=False)
            for n in range(each):
                assert bench.throttle.refusal("bob", HOME) is None
                bench.throttle.failed("bob", b"same %d" % n, HOME)
                bench.throttle.failed(f"user{number}", b"own %d" % n, f"198.51.100.{number}")
            bench.throttle.close()
            assert bench.told == []

        assert wait_for([start(lambda number=number: hammer(number)) for number in range(4)]) == [0] * 4  # type: ignore[misc]
        bench = made(folder, per_address=1000, per_user=1000)
        assert not bench.refused("bob", HOME)
        tags = Tags(str(folder / KEY_FILE), notice=bench.told.append, monotonic=lambda: 0.0)
        distinct = {tags.tag("bob", b"same %d" % n) for n in range(each)}
        own = sum(len({tags.tag(f"user{k}", b"own %d" % n) for n in range(each)}) for k in range(4))
        assert bench.rows("of_user") == len(distinct) + own  # one key, one database, nothing lost
        assert bench.rows("of_client") == len(distinct) + own
        bench.throttle.close()
        with closing(sqlite3.connect(folder / FILE)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_nothing_but_the_settings_is_imported_before_the_first_login_and_never_openssl(tmp_path: Path) -> None:
    code = """
import sys, time
from nwauth.policy.throttle.settings import ThrottleSettings
from nwauth.policy.throttle.counts import Throttle
from nwauth.policy.throttle.tag import Tags
notice = print
throttle = Throttle(ThrottleSettings(), sys.argv[1] + "/nwauth.throttle", notice=notice,
    tags=Tags(sys.argv[1] + "/nwauth.key", notice=notice, monotonic=time.monotonic))
assert not {"_sqlite3", "sqlite3", "ipaddress"} & set(sys.modules), sorted(sys.modules)
throttle.refusal("bob", "192.0.2.7")
throttle.failed("bob", b"x", "192.0.2.7")
throttle.succeeded("bob", "192.0.2.7")
assert "_sqlite3" in sys.modules
print(sorted({"sqlite3", "_hashlib", "hashlib", "datetime", "typing", "re"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": REPOSITORY},
        capture_output=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"[]\n", b"")


# --- against a naive model --------------------------------------------------------------------------------------------

USERS = ("bob", "eve", "mallory")
ADDRESSES = (None, "127.0.0.1", HOME, "::ffff:192.0.2.7", AWAY, "2001:db8::1", "2001:db8::2", "10.0.0.1")
CALLED = dict(zip(ADDRESSES, (None, None, HOME, HOME, AWAY, "six", "six", None), strict=True))
LIMITS = ThrottleSettings(per_address=4, per_user=3, window_seconds=100, trust_days=2, exempt=read_hosts(["10.*"]))
users, addresses = st.sampled_from(USERS), st.sampled_from(ADDRESSES)
LATE = LIMITS.trust_days * DAY_SECONDS // 4  # so much longer may trust last


class NaiveModel(RuleBasedStateMachine):
    """The throttle beside plain lists of what happened."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = fast_folder()
        self.bench = Bench(Path(self._folder.__enter__()), LIMITS)
        self.of_client: dict[tuple[str, str, int], float] = {}
        self.of_user: dict[tuple[str, int], float] = {}
        self.logins: dict[tuple[str, str], float] = {}
        self.asked = False

    def teardown(self) -> None:
        self.bench.throttle.close()
        assert self.bench.told == []
        self._folder.__exit__(None, None, None)

    @rule(user=users, address=addresses, password=st.integers(0, 5))
    def fail(self, user: str, address: str | None, password: int) -> None:
        self.bench.throttle.failed(user, b"%d" % password, address)
        client, now = CALLED[address], self.bench.now
        if client is None:
            return
        if now - self.of_client.get((client, user, password), -1e12) >= LIMITS.window_seconds:
            self.of_client[client, user, password] = now
        if now - self.of_user.get((user, password), -1e12) >= LIMITS.window_seconds:
            self.of_user[user, password] = now

    @rule(user=users, address=addresses)
    def succeed(self, user: str, address: str | None) -> None:
        self.bench.throttle.succeeded(user, address)
        client = CALLED[address]
        if client is not None:
            self.logins[user, client] = self.bench.now

    @rule(seconds=st.sampled_from((1, 30, 60, 100, DAY_SECONDS, 3 * DAY_SECONDS)))
    def wait(self, seconds: int) -> None:
        self.bench.go(seconds)

    @rule(seconds=st.sampled_from((1, 50, 5000)))
    def put_the_clock_back(self, seconds: int) -> None:
        self.bench.throttle.refusal("whoever", AWAY)  # so that the throttle has seen the time that it was
        self.bench.now -= seconds
        self.bench.throttle.refusal("whoever", AWAY)
        for events in (self.of_client, self.of_user, self.logins):
            for event in events:
                events[event] = min(events[event], self.bench.now)  # type: ignore[index]

    @rule()
    def end_and_start_again(self) -> None:
        self.bench.throttle.close()
        self.bench.throttle = self.bench.another()

    @precondition(lambda self: self.of_user)
    @rule(user=users, address=addresses)
    def ask(self, user: str, address: str | None) -> None:
        client, since = CALLED[address], self.bench.now - LIMITS.window_seconds
        reason = self.bench.throttle.refusal(user, address)
        if client is None:
            assert reason is None
            return
        of_client = sum(at > since for (who, _, _), at in self.of_client.items() if who == client)
        of_user = sum(at > since for (who, _), at in self.of_user.items() if who == user)
        login_ago = self.bench.now - self.logins.get((user, client), -1e12)
        if of_client >= LIMITS.per_address:
            assert reason is not None
            assert " from " in reason
        elif of_user < LIMITS.per_user or login_ago < LIMITS.trust_days * DAY_SECONDS:
            assert reason is None
        elif login_ago >= LIMITS.trust_days * DAY_SECONDS + LATE:
            assert reason is not None
            assert "this user" in reason


def test_the_passwords_of_the_model_have_different_tags(tmp_path: Path) -> None:
    bench = made(tmp_path)
    for user in USERS:
        assert len({bench.throttle._tags.tag(user, b"%d" % n) for n in range(6)}) == 6


def test_it_agrees_with_a_naive_list_of_what_happened() -> None:
    run_state_machine_as_test(NaiveModel)
