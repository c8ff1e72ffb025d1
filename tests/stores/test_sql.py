"""The contract on our own schema, in SQLite, PostgreSQL and MariaDB; the latter two behind a network that can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.stores.sql import SqlStore
from nwauth.stores.sql.drivers.sqlite import SqliteDriver
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.databases.proxy import Proxy
from tests.stores.contract import WriteContract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nwauth.model import User
    from nwauth.stores.base import Store


def filled(store: SqlStore, users: Sequence[User]) -> SqlStore:
    assert store.make()
    assert store.put_all(users) == []
    return store


class TestSqlite(WriteContract):
    @pytest.fixture(autouse=True)
    def _looks_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SqliteDriver, "trusted_seconds", 0.0)  # these tests take the file away under the store

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        self.file = folder / "users.db"
        return filled(SqlStore(f"sqlite:///{self.file}", retry_seconds=0), users)

    def take_down(self, store: Store) -> None:
        assert store.name == "sql"
        self.file.rename(self.file.with_suffix(".gone"))

    def bring_back(self, store: Store) -> None:
        assert store.name == "sql"
        self.file.with_suffix(".gone").rename(self.file)


class ServerContract(WriteContract):
    """A database behind a network."""

    @pytest.fixture(autouse=True)
    def _network(self) -> Iterator[None]:
        with Proxy(self.port()) as self.proxy:
            yield

    def port(self) -> int:
        raise NotImplementedError

    def url(self, port: int) -> str:
        raise NotImplementedError

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        assert folder.is_dir()
        return filled(SqlStore(self.url(self.proxy.port), table=unique("accounts"), retry_seconds=0), users)

    def take_down(self, store: Store) -> None:
        assert store.name == "sql"
        self.proxy.refuse()

    def bring_back(self, store: Store) -> None:
        assert store.name == "sql"
        self.proxy.open()


class TestPostgres(ServerContract):
    def port(self) -> int:
        return shared_postgres().port

    def url(self, port: int) -> str:
        return shared_postgres().url().replace(str(self.port()), str(port))


class TestMariaDb(ServerContract):
    def port(self) -> int:
        return shared_mariadb().port

    def url(self, port: int) -> str:
        return shared_mariadb().url().replace(str(self.port()), str(port))


class TestPostgresByAnotherLibrary(TestPostgres):
    """The driver for whatever else SQLAlchemy knows, here psycopg 3."""

    def url(self, port: int) -> str:
        return super().url(port).replace("postgresql:", "postgresql+psycopg:")
