"""A database that is slow: a statement is cut by its time-out, and all of a request ends before the server gives up."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.databases.postgres import Postgres
from tests.faults.databases import (
    DEADLINE_SECONDS,
    SHORT,
    Database,
    Folder,
    ask_all,
    assert_dead,
    assert_ends_well,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Sql = Callable[[str], object]

COLUMNS = {"name": "login", "password": "secret", "info_text": "info"}


@pytest.fixture
def sql(server: Database, database: str) -> Sql:
    return lambda text: server.sql(text, database=database)


def make_slow_view(server: Database, sql: Sql, seconds: float, *, name: str = "people") -> None:
    """Every SELECT that finds bob there takes so long; a change of it does not."""
    sql(f"CREATE TABLE of_{name} (login VARCHAR(100) PRIMARY KEY, secret VARCHAR(200), info VARCHAR(200))")
    sql(f"INSERT INTO of_{name} VALUES ('bob', '{{PLAIN}}secret', '')")
    sleeping = f"(SELECT pg_sleep({seconds}))" if isinstance(server, Postgres) else f"(SELECT SLEEP({seconds}))"
    sql(f"CREATE VIEW {name} AS SELECT login, secret, info FROM of_{name} WHERE {sleeping} IS NOT NULL")


def make_slow_writes(server: Database, sql: Sql, seconds: float) -> None:
    """Every INSERT and UPDATE of the accounts takes so long."""
    if isinstance(server, Postgres):
        sql(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$"
        )
        sql("CREATE TRIGGER wait BEFORE INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION wait()")
    else:
        for what in ("INSERT", "UPDATE"):
            sql(f"CREATE TRIGGER wait_{what} BEFORE {what} ON accounts FOR EACH ROW SET @waited = SLEEP({seconds})")


def test_a_look_up_that_takes_too_long_is_cut_and_says_dead(
    server: Database, sql: Sql, database: str, tmp_path: Path
) -> None:
    make_slow_view(server, sql, 30)
    folder = Folder(
        tmp_path / "users", server.url(database), made=False, columns=COLUMNS, table="people", scheme="ssha", **SHORT
    )
    with folder.child() as child:
        assert_dead(child, b"lookup bob", b"lookup nobody", b"check bob secret", b"set bob other", b"del bob")
        assert_ends_well(child)
    folder.assert_told_once("a statement took too long")


def test_a_change_that_takes_too_long_is_cut_and_not_made(
    server: Database, sql: Sql, database: str, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "users", server.url(database), **SHORT)
    with folder.child() as child:
        assert child.ask(b"set bob secret").startswith(b"+OK")
        make_slow_writes(server, sql, 30)
        assert_dead(child, b"set bob other", b"set eve secret")
        assert child.ask(b"check bob secret").startswith(b"+OK bob ")
        assert child.ask(b"check bob other").startswith(b"-ERR ")
        assert child.ask(b"lookup eve") == b"-ERR eve does not exist\n"
        assert child.ask(b"del bob") == b"+OK bob deleted\n"
        assert_ends_well(child)
    folder.assert_told_once("a statement took too long")


def test_where_each_statement_takes_most_of_its_time_a_request_ends_in_time_as_a_whole(
    server: Database, sql: Sql, database: str, tmp_path: Path
) -> None:
    """The time-outs are the default ones; with a read URL both databases are slow."""
    url = server.url(database)
    seconds = 3.5 if isinstance(server, Postgres) else 2.0  # MariaDB evaluates it twice
    with ExitStack() as stack:
        children = {}
        for name, settings in (("one", {}), ("apart", {"read_url": url})):
            for number, request in enumerate(REQUESTS):
                table = f"people_{name}_{number}"  # no request waits for another's lock
                make_slow_view(server, sql, seconds, name=table)
                folder = Folder(
                    tmp_path / table, url, made=False, columns=COLUMNS, table=table, scheme="ssha", **settings
                )
                children[f"{name}: {request.decode()}"] = (stack.enter_context(folder.child()), request)
        ask_all({what: (child, b"version") for what, (child, _) in children.items()})  # they have connected by then
        took = ask_all(children)
    late = {what: timed for what, timed in took.items() if timed.seconds > DEADLINE_SECONDS - 0.5}
    assert not late, "\n".join(f"{what}: {timed}" for what, timed in took.items())
    for what, timed in took.items():
        assert "nobody" in what or "wrong" in what or not timed.reply.startswith(b"-ERR"), (what, timed)


REQUESTS = (
    *(b"lookup bob", b"lookup BOB", b"lookup nobody", b"check bob secret", b"check bob wrong", b"check nobody secret"),
    *(b"set bob other", b"set eve secret", b"del bob"),
)
