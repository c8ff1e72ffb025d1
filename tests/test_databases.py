"""The real servers that tests of stores start do what they say (the network: `databases/test_proxy.py`)."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2
import pymysql
import pytest

from tests.databases import mariadb, shared_mariadb, shared_postgres, unique
from tests.databases.mariadb import MariaDb
from tests.databases.postgres import Postgres
from tests.databases.processes import wait_until
from tests.databases.server import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.databases.server import Server

    Driver = Callable[[str], Any]

BRIEF_SECONDS = 0.2  # in which a reply that comes at all has come
PATIENCE_SECONDS = 20.0


def through_psycopg2(url: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(url)


def through_pymysql(url: str) -> pymysql.Connection[Any]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.path[1:],
    )


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def kind(request: pytest.FixtureRequest) -> tuple[type[Postgres | MariaDb], Driver]:
    if request.param == "postgres":
        return Postgres, through_psycopg2
    shared_mariadb()  # skips where none is installed
    return MariaDb, through_pymysql


@pytest.fixture(scope="module")
def server(kind: tuple[type[Postgres | MariaDb], Driver]) -> Iterator[Postgres | MariaDb]:
    with kind[0](max_connections=10) as server:
        yield server


@pytest.fixture
def driver(kind: tuple[type[Postgres | MariaDb], Driver]) -> Driver:
    return kind[1]


class Asked:
    """A question under way in a thread."""

    def __init__(self, question: Callable[[], object]) -> None:
        self._question = question
        self._thread = threading.Thread(target=self._ask)
        self.answer: object = None
        self._thread.start()

    def _ask(self) -> None:
        self.answer = self._question()

    def hangs(self) -> bool:
        self._thread.join(BRIEF_SECONDS)
        return self._thread.is_alive()

    def has_answer(self, expected: object) -> bool:
        self._thread.join(PATIENCE_SECONDS)
        return self.answer == expected


def one(connection: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return list(cursor.fetchall())


# The servers.


def test_the_user_must_know_the_password(server: Postgres | MariaDb, driver: Driver) -> None:
    with closing(driver(server.url())) as connection:
        assert one(connection) == [(1,)]
    with pytest.raises((psycopg2.OperationalError, pymysql.OperationalError), match=r"authentication failed|denied"):
        driver(server.url(password="wrong"))


def test_a_server_has_so_many_connections_for_the_user_and_one_for_us(
    server: Postgres | MariaDb, driver: Driver
) -> None:
    held: list[Any] = []
    try:
        with pytest.raises(
            (psycopg2.OperationalError, pymysql.OperationalError), match=r"(?i)connection slots|too many"
        ):
            held.extend(driver(server.url()) for _ in range(11))  # up to the last one that it takes
        assert server.sql("SELECT 1") == [(1,)]
    finally:
        for connection in held:
            connection.close()


def test_what_the_superuser_makes_is_there_for_the_user(server: Postgres | MariaDb, driver: Driver) -> None:
    server.sql("CREATE TABLE users (name VARCHAR(40))")
    assert server.sql("INSERT INTO users VALUES (%s)", ["Zo\u00eb \U0001f4ee %"]) == []
    with closing(driver(server.url())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM users")
        assert list(cursor.fetchall()) == [("Zo\u00eb \U0001f4ee %",)]


def test_a_pause_hangs_a_query_and_a_new_connection_until_it_ends(server: Postgres | MariaDb, driver: Driver) -> None:
    with closing(driver(server.url())) as connection:
        server.pause()
        asked, came = Asked(lambda: one(connection)), Asked(lambda: server.sql("SELECT 2"))
        assert asked.hangs()
        assert came.hangs()
        server.resume()
        assert asked.has_answer([(1,)])
        assert came.has_answer([(2,)])


@pytest.mark.parametrize("end", ["fast", "immediate", "kill", "kill while paused"])
def test_a_server_ends_and_comes_back_with_its_data(server: Postgres | MariaDb, driver: Driver, end: str) -> None:
    kept = unique("kept")
    server.sql(f"CREATE TABLE {kept} (number INT)")
    server.sql(f"INSERT INTO {kept} VALUES (7)")
    url, pid = server.url(), server.pid
    _end(server, end)
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises((psycopg2.OperationalError, pymysql.OperationalError), match="refused"):
        driver(url)
    server.start()
    assert server.url() == url
    assert server.sql(f"SELECT number FROM {kept}") == [(7,)]


def _end(server: Server, end: str) -> None:
    if end == "kill while paused":
        server.pause()
    if end.startswith("kill"):
        server.kill()
    else:
        server.stop("fast" if end == "fast" else "immediate")


def test_a_server_dies_with_the_test_process(kind: tuple[type[Postgres | MariaDb], Driver]) -> None:
    program = (
        f"from {kind[0].__module__} import {kind[0].__name__} as Kind\n"
        "server = Kind().start()\n"
        "print(server.pid, server.folder, flush=True)\n"
        "server.pause()\n"
        "__import__('os').kill(__import__('os').getpid(), 9)\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    pid, folder = done.stdout.split()
    wait_until(lambda: not Path(folder).exists(), "the guard removes the folder, last")
    status = Path(f"/proc/{pid}/status")
    assert not status.exists() or "\nState:\tZ" in status.read_text()  # nobody may be there to reap it


def test_a_standby_follows_lags_when_told_and_takes_over() -> None:
    with Postgres() as primary, primary.standby() as standby:
        primary.sql("CREATE TABLE log (number INT)")
        primary.wait_replayed(standby)
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            standby.sql("INSERT INTO log VALUES (0)")
        standby.pause_replay()
        primary.sql("INSERT INTO log VALUES (1)")
        assert standby.sql("SELECT number FROM log") == []
        standby.resume_replay()
        primary.wait_replayed(standby)
        primary.kill()
        standby.promote()
        standby.sql("INSERT INTO log VALUES (2)")
        assert standby.sql("SELECT number FROM log ORDER BY 1") == [(1,), (2,)]
        with closing(psycopg2.connect(standby.url())) as connection:
            assert one(connection) == [(1,)]


def test_settings_reach_the_server_and_nothing_of_it_stays() -> None:
    with Postgres(fsync=True, settings={"statement_timeout": "4321"}) as server:
        assert [server.sql("SHOW fsync"), server.sql("SHOW statement_timeout")] == [[("on",)], [("4321ms",)]]
        pid = server.pid
    assert not Path(f"/proc/{pid}").exists()
    assert not server.folder.exists()
    assert shared_postgres().sql("SHOW fsync") == [("off",)]


def test_a_server_that_cannot_start_says_why() -> None:
    server = Postgres(settings={"no_such_setting": "1"})
    with pytest.raises(AssertionError, match="no_such_setting"), server:
        pass
    assert not server.folder.exists()


def test_the_shared_servers_are_shared_and_names_differ() -> None:
    assert shared_postgres() is shared_postgres()
    assert shared_mariadb() is shared_mariadb()
    assert unique("users") != unique("users")


def test_without_mariadb_a_test_is_skipped_and_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mariadb, "_find", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install mariadb-server"):
        shared_mariadb.__wrapped__()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install mariadb-server"):
        shared_mariadb.__wrapped__()


def test_the_password_is_the_one_in_the_address() -> None:
    parts = urlsplit(shared_postgres().url())
    assert (parts.scheme, parts.username, parts.password, parts.path) == ("postgresql", USER, PASSWORD, "/nwauth")
