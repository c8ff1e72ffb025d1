"""Folders served from a database, what their log says, how long a child took: for the tests of databases that fail."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2
import pymysql
import pytest

from nwauth.audit import parse_line
from nwauth.config.example import commented_example
from nwauth.config.kinds.sql import located_url
from nwauth.stores.sql import SqlStore
from tests.databases import shared_mariadb, unique
from tests.databases.mariadb import MariaDb
from tests.databases.postgres import Postgres
from tests.databases.processes import wait_until
from tests.databases.server import PASSWORD, USER
from tests.serving import COMMAND, Child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Database = Postgres | MariaDb
DEADLINE_SECONDS = 10.0  # of the mail server: spec/protocol.md section 1
SHORT_SECONDS = 1.0  # the time-outs of most tests
# A statement's time-out and what the driver adds; a connection that PostgreSQL counts in whole seconds, from 2 on.
SHORT_DEADLINE_SECONDS = 5.0
AT_ONCE_SECONDS = 0.9  # without having waited for a time-out, on a loaded machine too
RESUMED_SECONDS = 1.5  # a second, and what a loaded machine adds
NOBODY = 65534
MAX_CONNECTIONS = 40  # that the user can hold
SHORT: dict[str, Any] = {"connect_timeout_seconds": SHORT_SECONDS, "statement_timeout_seconds": SHORT_SECONDS}
QUESTIONS = (b"lookup bob", b"check bob secret", b"lookup nobody", b"check bob wrong", b"search *")
CHANGES = (b"set bob other", b"set eve secret", b"del bob")
ALL = (*QUESTIONS, *CHANGES)
KINDS: dict[str, type[Database]] = {"postgres": Postgres, "mariadb": MariaDb}
PATCHED = "import sys; {patch}; sys.argv[0] = 'nwauth'; from nwauth.cli import main; raise SystemExit(main())"


@functools.cache
def _server(kind: str, _number: int) -> Database:
    if kind == "mariadb":
        shared_mariadb()  # skips where none is installed
    return KINDS[kind](max_connections=MAX_CONNECTIONS)


def breakable(kind: str, number: int = 0) -> Database:
    """A server of this test process that tests may stop, freeze and fill; here it runs."""
    server = _server(kind, number)
    if server.runs:
        server.resume()
    server.start()
    return server


@functools.cache
def _replicated() -> tuple[Postgres, Postgres]:
    primary = Postgres().start()
    return primary, primary.standby()


def replicated() -> tuple[Postgres, Postgres]:
    """A primary and a streaming replica of this test process; here both run, and the replica follows."""
    primary, replica = _replicated()
    for server in (primary, replica):
        if server.runs:
            server.resume()
        server.start()
    replica.resume_replay()
    return primary, replica


def new_database(server: Database) -> str:
    """An empty database of the server's user; its name."""
    name = unique("base")
    if isinstance(server, Postgres):
        server.sql(f"CREATE DATABASE {name} OWNER {USER}", database="postgres")
        # What a test makes as an administrator is for the user as well.
        server.sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {USER}", database=name)
    else:
        server.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        server.sql(f"GRANT ALL ON {name}.* TO {USER}@'%'")
    return name


class Logged:
    """A served folder, and what its log says."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self) -> list[dict[str, str]]:
        file = self.path / "nwauth.log"
        return [parse_line(line) for line in file.read_text().splitlines()] if file.exists() else []

    def outages(self) -> list[str]:
        """What the log says of stores that are down: what cannot be done, and why."""
        down = [line for line in self.log() if line["command"] == "store" and line["state"] == "down"]
        return [f"{line['doing']}: {line['reason']}" for line in down]

    def assert_told_once(self, *words: str) -> None:
        """Each reason stands in the log once, the words in one of them; no request has a line of its own."""
        outages = self.outages()
        assert outages
        assert max(Counter(outages).values()) == 1, outages
        assert [line for line in self.log() if line["command"] != "store"] == []
        for word in words:
            assert any(word in reason for reason in outages), outages


class Folder(Logged):
    """A folder whose users are in a database, laid out as ``nwauth init`` does, but without a process for it."""

    def __init__(
        self, path: Path, url: str, *, made: bool = True, columns: dict[str, str] | None = None, **settings: Any
    ) -> None:
        super().__init__(path)
        self.url = url
        path.mkdir()
        (path / "nwauth.toml").write_text(commented_example(url=url))
        if made:
            with closing(SqlStore(located_url(url, str(path)))) as store:
                store.make()
        self._configure(settings, columns or {})

    def _configure(self, settings: dict[str, object], columns: dict[str, str]) -> None:
        """Add settings of the store; quick hashes for all."""
        toml = self.path / "nwauth.toml"
        lines = "".join(f"{key} = {_toml(value)}\n" for key, value in settings.items())
        if columns:
            lines += "[stores.columns]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in columns.items())
        text = toml.read_text()
        for table, added in (("\n[server]\n", f"\n{lines}\n[server]\n"), ("\n[passwords]\n", QUICK_PASSWORDS)):
            assert table in text
            text = text.replace(table, added, 1)
        toml.write_text(text)

    def child(self, *options: str, patch: str = "", **popen: Any) -> Child:
        """A serving child; `patch` is Python that the child runs before all else."""
        if not patch:
            return Child(self.path, *options, **popen)
        command = (sys.executable, "-c", PATCHED.format(patch=patch))
        return Child(self.path, *options, command=command, **popen)


QUICK_PASSWORDS = "\n[passwords]\nargon2id = { memory_kib = 8, iterations = 1, lanes = 1 }\n"


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def initialise(path: Path, url: str | None = None) -> None:
    """Run ``nwauth init``, as an administrator does; without `url` for the folder as it is."""
    done = subprocess.run(
        [COMMAND, "init", "--path", str(path), *(() if url is None else ("--store", url))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


class Timed:
    """A reply, and how long it took."""

    def __init__(self, child: Child, request: bytes) -> None:
        began = time.monotonic()
        self.reply = child.ask(request)
        self.seconds = time.monotonic() - began

    @property
    def is_dead(self) -> bool:
        return self.reply.startswith(b"-DEAD ")

    def __repr__(self) -> str:
        return f"{self.reply!r} after {self.seconds:.2f} s"


def ask_all(children: dict[str, tuple[Child, bytes]]) -> dict[str, Timed]:
    """All at once: each in a thread of its own."""
    took: dict[str, Timed] = {}

    def ask(what: str, child: Child, request: bytes) -> None:
        took[what] = Timed(child, request)

    threads = [threading.Thread(target=ask, args=(what, *asked)) for what, asked in children.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == len(children)
    return took


def assert_dead(child: Child, *requests: bytes, within: float = SHORT_DEADLINE_SECONDS) -> None:
    """Each request is answered "cannot tell", within its time."""
    for request in requests:
        timed = Timed(child, request)
        assert timed.is_dead, timed
        assert timed.seconds < within, timed


def assert_breaker(child: Child, request: bytes = b"lookup bob", *, seconds: float = 0.0) -> None:
    """A hundred requests to a database that does not answer cost no more than some time-outs together.

    `seconds` is how long to go on asking at least: the database is tried again meanwhile.
    """
    began, asked = time.monotonic(), 0
    while asked < 100 or time.monotonic() - began < seconds:
        asked += 1
        assert child.ask(request).startswith(b"-DEAD ")
        assert time.monotonic() - began < SHORT_DEADLINE_SECONDS


def assert_ends_well(child: Child) -> None:
    """The child ends as it should, without a word on stderr."""
    child.hang_up()
    child.assert_ended_well()


def seconds_until(child: Child, request: bytes, reply: bytes) -> float:
    """How long it takes until the reply begins so; meanwhile nothing but "cannot tell" is said."""
    began = time.monotonic()

    def resumed() -> bool:
        said = child.ask(request)
        assert said.startswith((b"-DEAD ", reply)), said
        return said.startswith(reply)

    wait_until(resumed, "service resumes")
    return time.monotonic() - began


def assert_resumes(child: Child) -> None:
    """The database is back: so is the service, by itself, within a second, for questions and changes."""
    assert seconds_until(child, b"lookup bob", b"+OK bob ") < RESUMED_SECONDS
    assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
    assert seconds_until(child, b"set bob secret", b"+OK bob ") < RESUMED_SECONDS
    assert child.ask(b"check bob secret").startswith(b"+OK bob ")
    assert child.ask(b"check bob wrong").startswith(b"-ERR ")


def end_connections(server: Database) -> None:
    """As an administrator does: all of the user's are closed."""
    if isinstance(server, Postgres):
        server.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [USER])
        return
    for (number,) in server.sql("SELECT id FROM information_schema.processlist WHERE user = %s", [USER]):
        server.sql(f"KILL {number}")


@contextmanager
def small_disk(path: Path, *, kilobytes: int, user: int | None = None) -> Iterator[Path]:
    """A file system of that size, mounted at `path`; skips where that is not permitted."""
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        if user is not None:
            os.chown(path, user, user)
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], capture_output=True, check=False)


def fill(path: Path) -> None:
    """Take all the room that is left on a disk."""
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        file.writelines(itertools.repeat(bytes(1024)))


def with_bob(folder: Folder) -> Folder:
    with folder.child() as child:
        assert child.ask(b"set bob secret").startswith(b"+OK")
    return folder


def connected(url: str) -> Any:
    """Another program's connection, as the user of the database."""
    parts = urlsplit(url)
    if url.startswith("postgresql:"):
        return psycopg2.connect(url)
    return pymysql.connect(
        host=parts.hostname, port=parts.port or 0, user=USER, password=PASSWORD, database=parts.path[1:]
    )
