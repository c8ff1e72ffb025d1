"""Several children change the same users at once, on each database: one user a name, no change lost, none undone."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.databases import Folder, assert_ends_well, breakable, new_database
from tests.serving import IN_CI

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.databases.server import Row
    from tests.serving import Child

NAMES = 200 if IN_CI else 40
COLUMNS = {"name": "login", "password": "secret"}
TABLE = "CREATE TABLE people (login VARCHAR(100), secret VARCHAR(200))"  # nothing in it keeps two spellings apart


class Place(NamedTuple):
    """A new database of one kind: its URL, and how to run SQL in it."""

    url: str
    sql: Callable[..., list[Row]]


def new_place(kind: str, path: Path) -> Place:
    if kind == "sqlite":
        file = path / "users.db"
        return Place(f"sqlite:///{file}", lambda text, values=(): in_sqlite(file, text, values))
    server = breakable(kind)
    name = new_database(server)
    return Place(server.url(name), lambda text, values=(): server.sql(text, values, database=name))


def in_sqlite(file: Path, text: str, values: Sequence[object]) -> list[Row]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        return connection.execute(text.replace("%s", "?"), values).fetchall()


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return new_place(request.param, tmp_path)


def together(children: Sequence[Child], requests: Sequence[Sequence[bytes]]) -> list[list[bytes]]:
    """The replies of each child to its requests, which begin at the same moment."""
    start = threading.Barrier(len(children))
    replies: list[list[bytes]] = [[] for _ in children]

    def ask(number: int) -> None:
        start.wait()
        replies[number].extend(children[number].ask(request) for request in requests[number])

    threads = [threading.Thread(target=ask, args=[number]) for number in range(len(children))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(said) for said in replies] == [len(asked) for asked in requests]
    return replies


def several(folder: Folder, stack: ExitStack, count: int) -> list[Child]:
    """Children that serve already."""
    children = [stack.enter_context(folder.child()) for _ in range(count)]
    for child in children:
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
    return children


@pytest.mark.parametrize("table", ["ours", "somebody else's"])
def test_children_that_add_two_spellings_of_a_name_at_once_make_one_user(
    place: Place, tmp_path: Path, table: str
) -> None:
    if table == "ours":
        folder, key = Folder(tmp_path / "users", place.url), "name FROM accounts"
    else:
        place.sql(TABLE)
        columns = COLUMNS
        folder = Folder(tmp_path / "users", place.url, made=False, columns=columns, table="people", scheme="ssha")
        key = "login FROM people"
    spellings = [[b"Bob%d", b"x%dBo"], [b"BOB%d", b"X%dbO"], [b"bob%d", b"X%dBO"]]
    requests = [[b"set %s secret" % (name % n) for n in range(NAMES) for name in names] for names in spellings]
    with ExitStack() as stack:
        children = several(folder, stack, 3)
        replies = together(children, requests)
        assert {reply for said in replies for reply in said if not reply.endswith(b" added to database\n")} == set()
        found = [str(row[0]) for row in place.sql(f"SELECT {key}")]
        assert len(found) == 2 * NAMES
        assert len({name.lower() for name in found}) == 2 * NAMES
        for child in children:
            assert child.ask(b"check bOB7 secret").startswith(b"+OK ")
            assert_ends_well(child)
    assert folder.log() == []


def test_children_that_change_one_user_at_once_lose_no_change(place: Place, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "users", place.url)
    with ExitStack() as stack:
        children = several(folder, stack, 3)
        assert children[0].ask(b"set bob secret").startswith(b"+OK")
        requests = [[b'set bob (NULL) f%d="%d"' % (number, n) for n in range(NAMES)] for number in range(3)]
        replies = together(children, requests)
        said = children[0].ask(b"lookup bob").decode()
        for number, own in enumerate(replies):
            assert all(reply.startswith((b"+OK ", b"-DEAD ")) for reply in own)
            last = max(n for n, reply in enumerate(own) if reply.startswith(b"+OK "))
            assert f'f{number}="{last}"' in said
        for child in children:
            assert child.ask(b"check bob secret").startswith(b"+OK bob ")
            assert_ends_well(child)


def old_field(password: bytes) -> str:
    return "{ssha}" + base64.b64encode(hashlib.sha1(password + b"salt").digest() + b"salt").decode()


def test_an_upgrade_at_login_never_brings_back_a_password_that_another_child_has_changed(
    place: Place, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "users", place.url)
    with ExitStack() as stack:
        children = several(folder, stack, 3)
        for n in range(NAMES):
            assert children[0].ask(b"set u%d any" % n).startswith(b"+OK")
        place.sql("UPDATE accounts SET stored_password = %s", [old_field(b"old")])
        checks = [[b"check u%d old" % n for n in range(NAMES)] for _ in range(2)]
        first, second, sets = together(children, [*checks, [b"set u%d new" % n for n in range(NAMES)]])
        assert {reply.partition(b" ")[0] for reply in (*first, *second)} <= {b"+OK", b"-ERR"}
        assert all(reply.startswith(b"+OK ") for reply in sets)
        for n in range(NAMES):
            assert children[n % 3].ask(b"check u%d new" % n).startswith(b"+OK ")
            assert children[n % 3].ask(b"check u%d old" % n).startswith(b"-ERR ")
        for child in children:
            assert_ends_well(child)


@pytest.mark.parametrize("change", [b"set bob new", b"del bob", b'set bob (NULL) note="x"'])
def test_a_change_between_the_look_up_and_the_upgrade_of_a_login_stands(
    place: Place, tmp_path: Path, change: bytes
) -> None:
    """The login is stopped just before it writes; what another child is told in between holds."""
    folder = Folder(tmp_path / "users", place.url)
    with folder.child() as other, folder.child(patch=SAY_BEFORE_UPGRADE) as child:
        assert other.ask(b"set bob any").startswith(b"+OK")
        place.sql("UPDATE accounts SET stored_password = %s", [old_field(b"old")])
        child.send(b"check bob old\n")
        assert child.line() == b"upgrading\n"
        assert other.ask(change).startswith(b"+OK ")
        child.send(b"go on\n")
        assert child.line() == b"+OK bob config 0\n"
        assert other.ask(b"check bob old").startswith(b"+OK " if b"NULL" in change else b"-ERR ")
        assert other.ask(b"check bob new").startswith(b"+OK " if b"new" in change else b"-ERR ")
        if b"NULL" in change:
            assert other.ask(b"lookup bob") == b'+OK bob config 0 note="x"\n'
        assert_ends_well(other)
        assert_ends_well(child)


SAY_BEFORE_UPGRADE = (
    "import os; from nwauth.stores.sql import SqlStore; swap = SqlStore.replace;"
    " SqlStore.replace = lambda *a, **k: (os.write(1, b'upgrading\\n'), os.read(0, 6), swap(*a, **k))[2]"
)
