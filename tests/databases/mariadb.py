"""MariaDB as the operating system installs it: Debian's binaries, a server of our own."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

import pymysql

from tests.databases.processes import PATIENCE_SECONDS
from tests.databases.server import DATABASE, HOST, PASSWORD, USER, Server, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.databases.server import Row

SUPERUSER = "root"  # without a password
DAEMON, INSTALLER = "mariadbd", "mariadb-install-db"
SMALL = {
    "innodb-buffer-pool-size": "8M",
    "innodb-log-file-size": "4M",
    "key-buffer-size": "1M",
    "aria-pagecache-buffer-size": "1M",
    "innodb-use-native-aio": "0",  # containers forbid io_uring, or give too little locked memory for it
}
# A commit is with the kernel when it is answered, so that it outlives `kill`, but nothing is forced to the disk.
HASTY = {
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-doublewrite": "0",
    "innodb-flush-method": "nosync",
    "debug-no-sync": "1",
}
SAFE = {"innodb-flush-log-at-trx-commit": "1"}
ALWAYS = {
    "bind-address": HOST,
    "skip-name-resolve": "1",
    "character-set-server": "utf8mb4",
    "performance-schema": "0",
    "innodb-buffer-pool-dump-at-shutdown": "0",
}


def missing() -> str | None:
    """What must be installed before a MariaDb can start; None when nothing is missing."""
    absent = [name for name in (DAEMON, INSTALLER) if _find(name) is None]
    return f"MariaDB is not installed (no {', '.join(absent)}): apt-get install mariadb-server" if absent else None


def _find(name: str) -> str | None:
    """Debian keeps the daemon where only root looks for commands."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/bin"]))


class MariaDb(Server):
    """A MariaDB server with the database `nwauth`, granted to the user `mail`, who must know the password.

    `max_connections` is what that user can hold; the server knows no number below 10.
    """

    name = "mariadb"
    _signals: ClassVar = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}

    def __init__(
        self, *, fsync: bool = False, max_connections: int = 40, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        own = (SAFE if fsync else HASTY) | {"max-connections": str(max_connections)}
        self.settings = ALWAYS | SMALL | own | dict(settings or {})

    def url(
        self, database: str = DATABASE, *, user: str = USER, password: str = PASSWORD, port: int | None = None
    ) -> str:
        """The address over TCP; `port` for one that goes through a proxy."""
        return f"mysql://{quote(user, '')}:{quote(password, '')}@{HOST}:{port or self.port}/{database}"

    def sql(self, text: str, values: Sequence[object] = (), *, database: str = DATABASE) -> list[Row]:
        with closing(self._connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(text, tuple(values) or None)
            return list(cursor.fetchall())

    def _connect(self, database: str | None) -> pymysql.Connection:
        # One connection more than max_connections is there for an administrator.
        return pymysql.connect(
            host=HOST,  # not the unix socket: pymysql leaves that one open when nobody answers
            port=self.port,
            user=SUPERUSER,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=int(PATIENCE_SECONDS),
        )

    @staticmethod
    def _install(data: Path) -> None:
        installer, options = _find(INSTALLER), [f"--{name}={value}" for name, value in (SMALL | HASTY).items()]
        assert installer is not None, missing()
        manner = ("--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        run(installer, *manner, f"--datadir={data}", f"--tmpdir={data.parent}", *options)

    def _command(self) -> list[str | Path]:
        daemon = _find(DAEMON)
        assert daemon is not None, missing()
        settings = [f"--{name}={value}" for name, value in self.settings.items()]
        place = [f"--datadir={self.data}", f"--socket={self.folder / 'socket'}", f"--port={self.port}"]
        return [daemon, "--no-defaults", *place, f"--tmpdir={self.folder}", *settings]

    def _trouble(self) -> Exception | None:
        try:
            self._connect(None).close()
        except pymysql.OperationalError as error:
            return error
        return None

    def _populate(self) -> None:
        for statement in (
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4",
            f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT ALL ON {DATABASE}.* TO {USER}@'%'",
        ):
            self.sql(statement, database="mysql")
