"""``nwauth copy`` that is killed, interrupted, or loses its database in the middle: run again, it goes on."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.model import Info, User
from nwauth.stores.sql import Limits, SqlStore
from tests.commands.common import COMMAND, base, environment
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.databases.mariadb import MariaDb
from tests.databases.postgres import Postgres
from tests.databases.processes import wait_until
from tests.faults import databases
from tests.serving import IN_CI
from tests.stores.folders import opened, ssha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from nwauth.stores.base import Store
    from tests.databases.server import Server

USERS = 30_000
PATIENCE_SECONDS = 60.0


AGAIN = "the same command, run again, goes on there"


def name_of(number: int) -> str:
    return f"user{number:06d}@test.com"


def line(number: int, text: bytes = b"") -> bytes:
    return b'%s:%s:quota="%d"%s\n' % (name_of(number).encode(), ssha("secret").encode(), number, text)


class Site:
    """A folder whose settings name flat files and a database; copies run in child processes."""

    def __init__(self, folder: Path, url: str, *, users: int = USERS, text: bytes = b"") -> None:
        self.folder = folder
        self.url = url
        self.table = unique("accounts")
        self.users = users
        base(str(folder), users=b"".join(line(number, text) for number in range(users)), settings=self.settings())
        self.done("--match", "nobody", "--make")

    def settings(self) -> str:
        stores = {
            "files": 'kind = "flatfile"\nsettle_seconds = 0.0',
            "back": 'kind = "flatfile"\npath = "back"\nshared = false',
        }
        stores["sql"] = f'kind = "sql"\nurl = "{self.url}"\ntable = "{self.table}"'
        return "".join(f'[[stores]]\nname = "{name}"\n{text}\n\n' for name, text in stores.items())

    def copy(self, *words: str, source: str = "files", target: str = "sql") -> subprocess.Popen[str]:
        """The command, running."""
        return subprocess.Popen(
            [*COMMAND, "copy", "--from", source, "--to", target, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(NWAUTH_PATH=str(self.folder)),
        )

    def done(self, *words: str) -> None:
        """Copy to the database, to the end."""
        status, _, err = self.ended(self.copy(*words))
        assert status == 0, err

    def ended(self, process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
        """Exit status, record and what was said."""
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, json.loads(out) if out else {}, err

    def goes_on(self, *words: str, source: str = "files", target: str = "sql", there: int = 1) -> None:
        """The same command completes what another has begun: at least so many users are there already."""
        status, record, err = self.ended(self.copy(*words, source=source, target=target))
        assert (status, record.get("verified"), record.get("problems")) == (0, self.users, []), err
        assert record["copied"] + record["already_there"] == self.users
        assert record["already_there"] >= there
        assert self.in_store(target) == self.users

    def store(self, name: str) -> Store:
        if name == "sql":
            return SqlStore(self.url, table=self.table, limits=Limits(statement=30))
        return opened(self.folder / ("back" if name == "back" else ""), settle_seconds=0)

    def in_store(self, name: str) -> int:
        store = self.store(name)
        try:
            numbers = [int(user.info.get("quota") or "-1") for user in store.search()]
        finally:
            store.close()
        assert numbers == sorted(set(numbers))
        return len(numbers)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/users.db"


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    urls: dict[str, Callable[[], str]] = {
        "sqlite": lambda: sqlite_url(tmp_path),
        "postgres": lambda: shared_postgres().url(),
        "mariadb": lambda: shared_mariadb().url(),
    }
    return urls[request.param]()


@pytest.fixture
def site(tmp_path: Path, url: str) -> Site:
    return Site(tmp_path, url)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


class Halt:
    """A copy to a database that stands still in the middle, until `let_go`; `change` is done by others meanwhile."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._held = connected(site.url)
        self._cursor = self._held.cursor()
        self._is_file = site.url.startswith("sqlite:")
        if not self._is_file:  # whoever adds the same name waits for the end of this transaction
            values = f"('{name_of(site.users // 2)}', '', '', '')"
            self._cursor.execute(f"INSERT INTO {site.table} (name_key, name, stored_password, info) VALUES {values}")
        self.process = site.copy()
        if self._is_file:
            while not self._holds_file():  # at once when a batch is done
                assert self.process.poll() is None
        else:
            wait_until(self._some_are_there, "users are copied")
        assert self.process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()

    def change(self, statement: str) -> None:
        if self._is_file:
            self._cursor.execute(statement)
            return
        with closing(connected(self.site.url)) as other, other.cursor() as cursor:
            cursor.execute(statement)
            other.commit()

    def let_go(self) -> None:
        if self._is_file and self._held.in_transaction:
            self._held.commit()
        with suppress(Exception):  # where the server is dead
            self._held.close()

    def _some_are_there(self) -> bool:
        with closing(connected(self.site.url)) as other, other.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {self.site.table}")
            return bool(cursor.fetchall()[0][0])

    def _holds_file(self) -> bool:
        """Whether the file could be locked between two batches."""
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        if self._cursor.execute(f"SELECT count(*) FROM {self.site.table}").fetchone()[0]:
            return True
        self._held.rollback()
        return False


def connected(url: str) -> Any:
    """Another program's connection."""
    if url.startswith("sqlite:"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    return databases.connected(url)


@contextmanager
def halted_at(folder: Path, process: subprocess.Popen[str], journal_bytes: int) -> Iterator[None]:
    """While a copy to flat files stands still, after so many bytes."""
    journal, lock = folder / "nwauth.add", folder / "nwauth.lock"
    wait_until(lambda: journal.exists() and journal.stat().st_size > journal_bytes, "lines are written")
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert process.poll() is None
        yield


# --- killed ----------------------------------------------------------------------------------------------------------


def test_a_copy_to_a_database_that_was_killed_goes_on(site: Site) -> None:
    with Halt(site) as halt:
        kill(halt.process)
    there = site.in_store("sql")
    assert 0 < there < site.users
    site.goes_on(there=there)


def test_a_copy_to_flat_files_that_was_killed_goes_on(site: Site) -> None:
    site.done()
    os.mkdir(site.folder / "back")
    for size in (200_000, 800_000):
        process = site.copy("--make", source="sql", target="back")
        with halted_at(site.folder / "back", process, size):
            kill(process)
    there = site.in_store("back")
    assert 0 < there < site.users
    site.goes_on(source="sql", target="back", there=there)


@pytest.mark.parametrize("share", [n / 20 for n in range(20)] if IN_CI else [0.3, 0.6])
def test_whenever_a_copy_is_killed_nobody_is_lost_or_mixed(tmp_path: Path, share: float) -> None:
    whole = Site(tmp_path, sqlite_url(tmp_path), users=20_000)
    started = time.monotonic()
    whole.done()
    took = time.monotonic() - started
    os.mkdir(tmp_path / "again")
    site = Site(tmp_path / "again", sqlite_url(tmp_path / "again"), users=20_000)
    process = site.copy()
    try:
        process.communicate(timeout=took * share)
    except subprocess.TimeoutExpired:
        kill(process)
    site.goes_on(there=0)


# --- interrupted, and the database gone -------------------------------------------------------------------------------


def test_an_interrupted_copy_says_how_far_it_came(tmp_path: Path) -> None:
    site = Site(tmp_path, sqlite_url(tmp_path))
    with Halt(site) as halt:
        halt.process.send_signal(signal.SIGINT)
    status, record, err = site.ended(halt.process)
    there = site.in_store("sql")
    assert (status, record) == (130, {})
    how_far = rf"([0-9,]+) users were copied before that(?:, and perhaps ([0-9,]+) more)?: {re.escape(AGAIN)}\n"
    said = re.fullmatch(f"{how_far}nwauth: interrupted\n", err)
    assert said, err
    surely, perhaps = (int((number or "0").replace(",", "")) for number in said.groups())
    assert there in (surely, surely + perhaps)
    site.goes_on(there=there)


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    shared_mariadb()  # skips where none is installed
    kinds: dict[str, type[Server]] = {"postgres": Postgres, "mariadb": MariaDb}
    with kinds[request.param]() as server:
        yield server


def test_a_database_that_is_killed_under_a_copy_ends_it_in_words(server: Any, tmp_path: Path) -> None:
    site = Site(tmp_path, server.url())
    with Halt(site) as halt:
        server.kill()
        status, record, err = site.ended(halt.process)
    server.start()
    assert (status, record, err.count("\n")) == (75, {}, 1)
    assert f" users were copied before that: {AGAIN}\n" in err
    site.goes_on(there=5000)


def test_a_database_that_is_killed_while_it_is_copied_from_ends_it_in_words(server: Any, tmp_path: Path) -> None:
    site = Site(
        tmp_path, server.url(), users=20_000, text=b" " + b"x" * 900
    )  # more than the system keeps for a slow reader
    site.done()
    os.mkdir(site.folder / "back")
    process = site.copy("--make", source="sql", target="back")
    with halted_at(site.folder / "back", process, 300_000):
        server.kill()
    status, record, err = site.ended(process)
    server.start()
    assert (status, record) == (75, {})
    assert f" users were copied before that: {AGAIN}\n" in err
    site.goes_on(source="sql", target="back", there=5000)


# --- others at work ---------------------------------------------------------------------------------------------------


def test_two_copies_at_once_do_the_work_of_one(tmp_path: Path, url: str) -> None:
    site = Site(tmp_path, url, users=8000)
    both = [site.copy(), site.copy()]
    done = [site.ended(process) for process in both]
    assert [status for status, _, _ in done] == [0, 0], done
    assert sum(record["copied"] for _, record, _ in done) == site.users
    assert [record["verified"] for _, record, _ in done] == [site.users] * 2
    assert site.in_store("sql") == site.users


def test_who_is_changed_while_users_are_copied_is_told(site: Site) -> None:
    with Halt(site) as halt:
        changed = f"UPDATE {site.table} SET info = 'quota=\"-1\"'"
        halt.change(f"{changed} WHERE name_key = '{name_of(7)}'")
    status, record, err = site.ended(halt.process)
    assert (status, record) == (75, {})
    assert err.endswith(
        f"1 of {site.users:,} users are not as they were copied, the first of them {name_of(7)}: somebody has changed"
        " users meanwhile; run the same command again\n"
    )
    status, record, _ = site.ended(site.copy())
    assert (status, record["conflicts"], record["verified"]) == (1, 1, site.users - 1)


def test_users_can_be_added_on_both_sides_while_they_are_copied(site: Site) -> None:
    with Halt(site) as halt:
        columns = "name_key, name, stored_password, info"
        halt.change(f"INSERT INTO {site.table} ({columns}) VALUES ('new-here', 'new-here', '!', 'quota=\"-7\"')")
        files = site.store("files")
        assert files.put(User(name="new-there", stored_password="!", info=Info('quota="-7"')))
        files.close()
    status, record, err = site.ended(halt.process)
    assert (status, record.get("verified")) == (0, site.users), err


# --- memory -----------------------------------------------------------------------------------------------------------

# Not by getrusage, which counts what the parent held when it forked.
PEAK = """
import sys
from nwauth.cli import main
status = main(sys.argv[1:])
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.skipif(not IN_CI, reason="many users: in CI")
@pytest.mark.parametrize(("source", "target"), [("files", "sql"), ("sql", "back")])
def test_memory_does_not_grow_with_the_number_of_users(tmp_path: Path, source: str, target: str) -> None:
    peaks = []
    for users in (200_000, 800_000):
        folder = tmp_path / str(users)
        folder.mkdir()
        site = Site(folder, sqlite_url(folder), users=users)
        os.mkdir(folder / "back")
        if source == "sql":
            site.done()
        words = ["copy", "--from", source, "--to", target, "--make"]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *words],
            env=environment(NWAUTH_PATH=str(folder)),
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stderr.split()[-1]))
    assert peaks[1] - peaks[0] < 40_000, peaks  # KiB; an unsorted file is sorted in pieces of 8 MiB
