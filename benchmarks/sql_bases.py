"""The users of data.py in databases: our own schema as `nwauth init` makes it, filled as fast as the database can."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import data
from driver import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLUMNS = ("name_key", "name", "stored_password", "info")  # the others stand at their defaults
NO_UPGRADE = "\n[passwords]\nupgrade = false\n"  # a check of a DES hash would store another
POSTGRES = {"shared_buffers": "512MB", "autovacuum": "off", "max_wal_size": "4GB"}  # all users fit in its memory
MARIADB = {"innodb-buffer-pool-size": "512M", "innodb-log-file-size": "256M"}
FILLED_ROWS = 10_000
COUNTED = "SELECT count(*) FROM accounts"


@dataclass(frozen=True)
class SqlBase:
    """One size of user base in one database: `folder` holds the nwauth.toml that names it."""

    size: int
    folder: str
    url: str
    name: str  # of the database, or its file


def rows(size: int) -> Iterator[tuple[str, str, str, str]]:
    """What stands in `COLUMNS`, in random order."""
    pool = data.des_pool()
    order = array("I", range(size))
    random.Random(size).shuffle(order)
    for i in order:
        who = data.name(i)
        yield who.lower(), who, pool[i % data.POOL], 'quota="100"'


class Engine(ABC):
    """One kind of database; `driver` is the raw peer's name for it, `raw` how that one is to connect."""

    name: str
    driver: str

    def __init__(self, nwauth: Sequence[str], work: str) -> None:
        self.nwauth = nwauth
        self.work = work

    def base(self, size: int) -> SqlBase:
        """A base of that size; what a run before has made is kept where it can be."""
        base = self.empty(f"{self.name}_{size}", size)
        if self.count(base) != size:
            self.fill(base)
        return base

    def empty(self, name: str, size: int = 0) -> SqlBase:
        """A base that `nwauth init` has just made, or found there."""
        place = self.make(name)
        folder = os.path.join(self.work, "sql", name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        base = SqlBase(size, folder, self.url(place), place)
        self._init(base)
        return base

    def _init(self, base: SqlBase) -> None:
        command = [*self.nwauth, "init", "--path", base.folder, "--store", base.url]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise BenchError(f"nwauth init: {ran.stderr.strip()}")
        configuration = os.path.join(base.folder, "nwauth.toml")
        with open(configuration, encoding="utf-8") as f:
            text = f.read()
        with open(configuration, "w", encoding="utf-8") as f:
            f.write(text.replace("\n[passwords]\n", NO_UPGRADE))

    @abstractmethod
    def make(self, name: str) -> str:
        """An empty database; the name it is known by."""

    @abstractmethod
    def url(self, place: str) -> str: ...

    @abstractmethod
    def raw(self, base: SqlBase) -> str: ...

    @abstractmethod
    def perl(self, base: SqlBase) -> list[str]:
        """How basic_db_auth connects."""

    @abstractmethod
    def dovecot(self, base: SqlBase) -> tuple[str, str]:
        """What Dovecot calls the driver, and how it connects."""

    @abstractmethod
    def fill(self, base: SqlBase) -> None: ...

    @abstractmethod
    def count(self, base: SqlBase) -> int: ...

    @abstractmethod
    def version(self) -> str: ...

    def close(self) -> None:
        """End the server."""


class Sqlite(Engine):
    """A file; it is kept between runs while `nwauth init` makes the same schema."""

    name = "SQLite"
    driver = "sqlite"

    def make(self, name: str) -> str:
        path = os.path.join(self.work, "sql", f"{name}.db")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not (name.startswith(self.name) and self._is_ours(path)):
            for end in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path + end)
        return path

    def _is_ours(self, path: str) -> bool:
        """Whether the file has the schema that is made now."""
        new = os.path.join(self.work, "sql", "new.db")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        folder = os.path.join(self.work, "sql", "new")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self._init(SqlBase(0, folder, self.url(new), new))
        return os.path.exists(path) and _schema(path) == _schema(new)

    def url(self, place: str) -> str:
        return f"sqlite:///{place}"

    def raw(self, base: SqlBase) -> str:
        return base.name

    def perl(self, base: SqlBase) -> list[str]:
        return ["--dsn", f"DBI:SQLite:dbname={base.name}"]

    def dovecot(self, base: SqlBase) -> tuple[str, str]:
        return "sqlite", base.name

    def count(self, base: SqlBase) -> int:
        with contextlib.closing(sqlite3.connect(base.name)) as connection:
            return int(connection.execute(COUNTED).fetchone()[0])

    def version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def fill(self, base: SqlBase) -> None:
        marks = ", ".join("?" * len(COLUMNS))
        with contextlib.closing(sqlite3.connect(base.name, isolation_level=None)) as connection:
            connection.execute("PRAGMA cache_size = -500000")
            connection.execute("BEGIN")
            connection.execute("DELETE FROM accounts")
            statement = f"INSERT INTO accounts ({', '.join(COLUMNS)}) VALUES ({marks})"
            connection.executemany(statement, rows(base.size))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _schema(path: str) -> list[tuple[str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()


class Postgresql(Engine):
    """A server of our own, on the core where the driver and its children are."""

    name = "PostgreSQL"
    driver = "psycopg2"

    def __init__(self, nwauth: Sequence[str], work: str) -> None:
        super().__init__(nwauth, work)
        from tests.databases.postgres import Postgres

        self._server = Postgres(fsync=True, settings=POSTGRES).start()

    def make(self, name: str) -> str:
        name = name.lower()
        self._server.sql(f"DROP DATABASE IF EXISTS {name}", database="postgres")
        self._server.sql(f"CREATE DATABASE {name} OWNER mail", database="postgres")
        return name

    def url(self, place: str) -> str:
        user, _, _ = self._server.url(place).rpartition("@")
        return f"{user}@/{place}?host={self._server.folder}&port={self._server.port}"

    def raw(self, base: SqlBase) -> str:
        return base.url

    def perl(self, base: SqlBase) -> list[str]:
        dsn = f"DBI:Pg:dbname={base.name};host={self._server.folder};port={self._server.port}"
        return ["--dsn", dsn, "--user", "mail", "--password", "letterbox"]

    def dovecot(self, base: SqlBase) -> tuple[str, str]:
        place = f"host={self._server.folder} port={self._server.port} dbname={base.name}"
        return "pgsql", f"{place} user=mail password=letterbox"

    def fill(self, base: SqlBase) -> None:
        import psycopg2

        with contextlib.closing(psycopg2.connect(base.url)) as connection, connection.cursor() as cursor:
            all_rows = rows(base.size)
            while lines := ["\t".join(row) + "\n" for row in islice(all_rows, FILLED_ROWS)]:
                cursor.copy_expert(f"COPY accounts ({', '.join(COLUMNS)}) FROM STDIN", io.StringIO("".join(lines)))
            connection.commit()
        self._server.sql("VACUUM ANALYZE accounts", database=base.name)
        self._server.sql("CHECKPOINT", database=base.name)

    def count(self, base: SqlBase) -> int:
        return int(self._server.sql(COUNTED, database=base.name)[0][0])

    def version(self) -> str:
        return f"PostgreSQL {self._server.sql('SHOW server_version')[0][0]}"

    def close(self) -> None:
        self._server.close()


class MariaDb(Engine):
    """The same with the operating system's MariaDB."""

    name = "MariaDB"
    driver = "pymysql"

    def __init__(self, nwauth: Sequence[str], work: str) -> None:
        super().__init__(nwauth, work)
        from tests.databases.mariadb import MariaDb, missing

        if reason := missing():
            raise BenchError(reason)
        self._server = MariaDb(fsync=True, settings=MARIADB).start()
        self._socket = os.path.join(self._server.folder, "socket")

    def make(self, name: str) -> str:
        name = name.lower()
        self._server.sql(f"DROP DATABASE IF EXISTS {name}")
        self._server.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self._server.sql(f"GRANT ALL ON {name}.* TO mail@'%'")
        return name

    def url(self, place: str) -> str:
        user, _, _ = self._server.url(place).rpartition("@")
        return f"{user}@localhost/{place}?unix_socket={self._socket}"

    def _given(self, base: SqlBase) -> dict[str, Any]:
        return {"unix_socket": self._socket, "user": "mail", "password": "letterbox", "database": base.name}

    def raw(self, base: SqlBase) -> str:
        return json.dumps(self._given(base))

    def perl(self, base: SqlBase) -> list[str]:
        dsn = f"DBI:mysql:database={base.name};mysql_socket={self._socket}"
        return ["--dsn", dsn, "--user", "mail", "--password", "letterbox"]

    def dovecot(self, base: SqlBase) -> tuple[str, str]:
        return "mysql", f"host={self._socket} dbname={base.name} user=mail password=letterbox"

    def fill(self, base: SqlBase) -> None:
        import pymysql

        marks = ", ".join(["%s"] * len(COLUMNS))
        statement = f"INSERT INTO accounts ({', '.join(COLUMNS)}) VALUES ({marks})"
        with contextlib.closing(pymysql.connect(**self._given(base))) as connection, connection.cursor() as cursor:
            all_rows = rows(base.size)
            while some := list(islice(all_rows, FILLED_ROWS)):
                cursor.executemany(statement, some)
            cursor.execute("ANALYZE TABLE accounts")
            connection.commit()

    def count(self, base: SqlBase) -> int:
        return int(self._server.sql(COUNTED, database=base.name)[0][0])

    def version(self) -> str:
        return f"MariaDB {self._server.sql('SELECT version()')[0][0].partition('-')[0]}"

    def close(self) -> None:
        self._server.close()


ENGINES: tuple[type[Engine], ...] = (Sqlite, Postgresql, MariaDb)
