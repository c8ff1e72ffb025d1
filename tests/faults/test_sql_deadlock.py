"""Two changes that wait for each other: the database undoes one of them, and it is done again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.model import Info, User
from nwauth.stores.sql import SqlStore
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.serving import PATIENCE_SECONDS

if TYPE_CHECKING:
    from nwauth.stores.sql.table import Ask


@pytest.mark.parametrize("server", [shared_postgres, shared_mariadb], ids=["postgres", "mariadb"])
def test_a_change_that_is_undone_to_end_a_deadlock_is_done_again(server: Any) -> None:
    url, table = server().url(), unique("deadlock")
    stores = [SqlStore(url, table=table) for _ in range(2)]
    assert stores[0].make()
    users = [User(name=name, stored_password="!", info=Info()) for name in ("alice", "bob")]
    assert stores[0].put_all(users) == []
    both_hold_one = threading.Barrier(2)
    tries: list[str] = []
    done: list[bool] = []

    def change(store: SqlStore, first: str, second: str) -> None:
        link = store._writer

        def work(ask: Ask, _cursor: object) -> bool:
            tries.append(first)
            link.table.lock(ask, first)
            if len(tries) <= 2:
                both_hold_one.wait(PATIENCE_SECONDS)
            link.table.lock(ask, second)
            return True

        link.begin()
        done.append(link.change(work))

    threads = [
        threading.Thread(target=change, args=(stores[0], "alice", "bob")),
        threading.Thread(target=change, args=(stores[1], "bob", "alice")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert done == [True, True]
    assert sorted(tries[:2]) == ["alice", "bob"]
    assert len(tries) >= 3  # both may be undone, where each finds the deadlock at the same moment
    for store in stores:
        store.close()
