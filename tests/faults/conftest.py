"""What the tests of servers that fail begin with: each of them, a database there, and a folder served from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.databases import SHORT, Database, Folder, breakable, new_database, with_bob

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Database:
    return breakable(request.param)


@pytest.fixture
def database(server: Database) -> str:
    return new_database(server)


@pytest.fixture
def folder(server: Database, database: str, tmp_path: Path) -> Folder:
    """Served with short time-outs; it holds bob."""
    return with_bob(Folder(tmp_path / "users", server.url(database), **SHORT))
