"""A real PgBouncer in transaction pooling: each statement may reach another of its connections."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from nwauth.model import Info, User
from nwauth.stores.sql import SqlStore
from tests.databases import shared_postgres, unique
from tests.databases.guard import make_folder
from tests.databases.processes import wait_until
from tests.databases.server import DATABASE, HOST, PASSWORD, USER, free_port
from tests.serving import IN_CI
from tests.stores.folders import ssha

if TYPE_CHECKING:
    from collections.abc import Iterator

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
SETTINGS = """\
[databases]
{database} = host={host} port={server} dbname={database}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 2
unix_socket_dir =
"""


@pytest.fixture
def pooler() -> Iterator[str]:
    """The URL of a PgBouncer with two connections to the shared PostgreSQL."""
    if PGBOUNCER is None:
        assert not IN_CI, "CI installs pgbouncer"
        pytest.skip("pgbouncer is not installed: apt-get install pgbouncer")
    port = free_port()
    folder = make_folder("pooler")
    users = folder / "users.txt"
    users.write_text(f'"{USER}" "{PASSWORD}"\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(database=DATABASE, host=HOST, server=shared_postgres().port, port=port, users=users)
    )
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [PGBOUNCER, *as_nobody, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: answers(port), "PgBouncer answers")
        yield f"postgresql://{USER}:{PASSWORD}@{HOST}:{port}/{DATABASE}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_children_share_the_connections_of_a_pooler_and_nothing_is_told_of_it(pooler: str) -> None:
    told: list[dict[str, object]] = []
    table = unique("pooled")
    stores = [SqlStore(pooler, table=table, notice=told.append) for _ in range(3)]
    assert stores[0].make()
    users = [User(name=f"user{n}", stored_password=ssha("secret"), info=Info(), store="sql") for n in range(30)]
    assert stores[0].put_all(users) == []
    for turn in range(300):
        store = stores[turn % 3]
        assert store.lookup(f"USER{turn % 30}") == users[turn % 30]
        assert store.lookup("nobody") is None
    old = stores[1].lookup("user7")
    assert old is not None
    assert stores[2].replace(old, old.changed(stored_password=ssha("new")))
    assert stores[0].lookup("user7") == old.changed(stored_password=ssha("new"))
    assert [user.name for user in stores[1].search("user1*")] == sorted(f"user{n}" for n in (1, *range(10, 20)))
    for store in stores:
        store.close()
    assert told == []
