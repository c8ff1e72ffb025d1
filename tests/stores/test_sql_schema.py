"""Our own schema: made, kept, brought forward and refused by ``nwauth init`` and by serving; the words of its SQL."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, String, Table, func, insert, select, text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from nwauth.errors import ConfigError, NwauthError, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.stores.sql import Limits, SqlStore, own, schema
from nwauth.stores.sql.columns import Columns
from nwauth.stores.sql.drivers import open_driver
from nwauth.stores.sql.drivers.base import DOWN, Trouble
from nwauth.stores.sql.foreign import ForeignTable
from tests.commands.common import COMMAND, environment, run
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.stores.contract import someone
from tests.stores.test_sql_foreign import KINDS, OPEN, Database, _closed, database, found, open_database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from nwauth.stores.sql.drivers.base import Driver

assert _closed
assert database

# The configuration refuses names with %, " and `.
ODD = (
    *(
        "odd name",
        "Select",
        "UPPER",
        "ap'os",
        "what?",
        "a:b",
        "back\\slash",
        "ünïcode",
        "$1",
        "--",
        "/*x*/",
        "a;b",
        "(x)",
    ),
    *("order", "user", "group", "a-b", "a b c", "0", ":a"),
)


def store_of(database: Database, table: str | None = None) -> SqlStore:
    """A store of a table that nobody has made yet, by default of a new name."""
    store = SqlStore(database.url, table=unique("accounts") if table is None else table, retry_seconds=0)
    OPEN.append(store.close)
    return store


def table_of(store: SqlStore) -> str:
    return store._writer.table.name


def engine_of(store: SqlStore) -> Engine:
    return schema._engine(store._writer.table.driver)


def versions(database: Database, table: str) -> list[tuple[Any, ...]]:
    return database.sql("SELECT version FROM nwauth_schema WHERE table_name = %s", table)


# --- init -------------------------------------------------------------------------------------------------------------


def changes(out: str) -> list[str]:
    return [json.loads(line)["change"] for line in out.splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_init_makes_the_tables_once_and_then_keeps_them_and_their_users(kind: str, tmp_path: Path) -> None:
    base = database_of_its_own(kind, tmp_path)
    folder = str(tmp_path / "mail")
    first = run(folder, "init", "--store", base.url)
    assert (first.status, changes(first.out)) == (0, ["made", "made", "made"])
    assert store_of(base, "accounts").put(someone("Bob", info='a="1"'))
    before = base.sql("SELECT * FROM accounts")
    again = run(folder, "init", "--store", base.url)
    assert (again.status, changes(again.out)) == (0, ["kept", "kept", "kept"])
    other = run(str(tmp_path / "other"), "init", "--store", base.url)
    assert (other.status, changes(other.out)) == (0, ["made", "made", "kept"])
    assert base.sql("SELECT * FROM accounts") == before
    assert base.sql("SELECT * FROM nwauth_schema") == [("accounts", 1)]


def database_of_its_own(kind: str, folder: Path) -> Database:
    """A database with nothing in it; of SQLite not even the file."""
    if kind == "sqlite":
        # SQLite's connection is for looking only, and opened when the file is there.
        import sqlite3

        file = folder / "new.db"

        class Later:
            def execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]] | sqlite3.Cursor:
                connection = sqlite3.connect(file, isolation_level=None)
                OPEN.append(connection.close)
                return connection.execute(statement, values)

        return Database(kind, f"sqlite:///{file}", Later)
    server = shared_postgres() if kind == "postgres" else shared_mariadb()
    name = unique("base")
    if kind == "postgres":
        server.sql(f"CREATE DATABASE {name} OWNER mail", database="postgres")
    else:
        server.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        server.sql(f"GRANT ALL ON {name}.* TO mail@'%'")
    connection = server._connect(name)
    OPEN.append(connection.close)
    if kind == "postgres":
        setattr(connection, "autocommit", True)  # noqa: B010, of MariaDB's it is a method
    return Database(kind, server.url(name), lambda: connection)


def together(*commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Run commands at once: the status of each, and what it said on stderr."""
    processes = [
        subprocess.Popen(
            [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            env=environment(),
        )
        for words in commands
    ]  # fmt: skip
    ends = [process.communicate(timeout=60)[1] for process in processes]
    return [(process.returncode, end) for process, end in zip(processes, ends, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_two_at_once_end_well(kind: str, tmp_path: Path) -> None:
    base = database_of_its_own(kind, tmp_path)
    folders = [str(tmp_path / name) for name in (("one", "one", "two") if kind == "postgres" else ("one", "one"))]
    ends = together(*(("init", "--path", folder, "--quiet", "--store", base.url) for folder in folders))
    assert ends == [(0, "")] * len(folders)
    assert base.sql("SELECT * FROM nwauth_schema") == [("accounts", 1)]
    assert store_of(base, "accounts").put(someone("bob"))


@pytest.mark.parametrize("kind", KINDS)
def test_two_that_make_tables_of_different_names_at_once_end_well(kind: str, tmp_path: Path) -> None:
    base = database_of_its_own(kind, tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        toml = f'[[stores]]\nkind = "sql"\nurl = "{base.url}"\ntable = "{name}"\n'
        (tmp_path / name / "nwauth.toml").write_text(toml)
    ends = together(*(("init", "--path", str(tmp_path / name), "--quiet") for name in ("one", "two")))
    assert ends == [(0, "")] * 2
    assert sorted(base.sql("SELECT * FROM nwauth_schema")) == [("one", 1), ("two", 1)]


def test_what_was_not_made_is_told_by_serving_with_what_to_do(database: Database) -> None:
    if database.kind == "sqlite":
        database.sql("CREATE TABLE something (x INT)")
    store = store_of(database)
    for _ in range(2):
        with pytest.raises(Unavailable, match="nwauth init"):
            store.lookup("bob")
    with pytest.raises(Unavailable, match="nwauth init"):
        store.put(someone("bob"))
    assert store.make()
    assert store.lookup("bob") is None
    assert store.put(someone("bob"))


# --- tables of others -------------------------------------------------------------------------------------------------


def test_a_table_of_that_name_that_is_not_ours_is_refused_and_left_alone(database: Database) -> None:
    table = unique("theirs")
    database.sql(f"CREATE TABLE {table} (name VARCHAR(40), stored_password VARCHAR(40))")
    database.sql(f"INSERT INTO {table} VALUES ('bob', 'x')")
    store = store_of(database, table)
    for _ in range(2):
        with pytest.raises(Refused, match=rf"there is a table {table} that nwauth has not made: say table = another"):
            store.make()
        with pytest.raises(Unavailable):
            store.lookup("bob")
    assert database.sql(f"SELECT * FROM {table}") == [("bob", "x")]
    other = store_of(database)
    assert other.make()
    assert versions(database, table) == []


def test_a_table_like_ours_with_users_but_without_a_version_is_refused(database: Database) -> None:
    store = store_of(database)
    assert store.make()
    assert store.put(someone("bob"))
    database.sql("DELETE FROM nwauth_schema WHERE table_name = %s", table_of(store))
    again = store_of(database, table_of(store))
    with pytest.raises(Refused, match="that nwauth has not made"):
        again.make()
    assert database.sql(f"SELECT name FROM {table_of(store)}") == [("bob",)]


def test_a_table_of_versions_that_is_not_ours_is_no_wreck(database: Database, tmp_path: Path) -> None:
    base = database_of_its_own(database.kind, tmp_path)
    if base.kind == "sqlite":
        (tmp_path / "new.db").touch()
    base.sql("CREATE TABLE nwauth_schema (x INT)")
    store = store_of(base)
    with pytest.raises((NwauthError, DBAPIError)):
        store.make()
    with pytest.raises(Unavailable):
        store.lookup("bob")
    assert base.sql("SELECT * FROM nwauth_schema") == []


def test_a_table_that_was_dropped_is_made_anew_by_init(database: Database) -> None:
    store = store_of(database)
    assert store.make()
    database.sql(f"DROP TABLE {table_of(store)}")
    again = store_of(database, table_of(store))
    with pytest.raises(Unavailable, match="nwauth init"):
        again.lookup("bob")
    assert again.make()
    assert again.put(someone("bob"))
    assert versions(database, table_of(store)) == [(own.VERSION,)]


# --- broken off -------------------------------------------------------------------------------------------------------

DRIVERS = {
    "sqlite": ("sqlite", "SqliteDriver"),
    "postgres": ("postgresql", "PostgresqlDriver"),
    "mariadb": ("mysql", "MysqlDriver"),
}
BROKEN_OFF = {
    "behind the table": "real = schema._make_accounts; schema._make_accounts = lambda *a: (real(*a), os._exit(9))",
    "before the commit": "driver.Driver.commit = lambda *_: os._exit(9)",
}


@pytest.mark.parametrize("where", BROKEN_OFF)
def test_a_make_that_was_broken_off_is_finished_by_the_next(database: Database, where: str, tmp_path: Path) -> None:
    table = unique("accounts")
    program = (
        "import os, sys; from nwauth.stores.sql import SqlStore, schema\n"
        f"from nwauth.stores.sql.drivers import {DRIVERS[database.kind][0]} as driver\n{BROKEN_OFF[where]}\n"
        "SqlStore(sys.argv[1], table=sys.argv[2]).make()\n"
    )
    program = program.replace("Driver", DRIVERS[database.kind][1])
    command = [sys.executable, "-c", program, database.url, table]
    done = subprocess.run(command, check=False, capture_output=True, cwd=tmp_path)
    assert done.returncode == 9, done.stderr
    store = store_of(database, table)
    if (database.kind, where) != ("mariadb", "before the commit"):  # its CREATE TABLE has committed already
        with pytest.raises(Unavailable, match="nwauth init"):
            store.lookup("bob")
        assert store.make()
    assert not store.make()
    assert store.put(someone("bob"))
    assert versions(database, table) == [(own.VERSION,)]


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_in_words_by_serving_and_by_init(database: Database, tmp_path: Path) -> None:
    store = store_of(database)
    assert store.make()
    assert store.put(someone("bob"))
    table = table_of(store)
    database.sql("UPDATE nwauth_schema SET version = 7 WHERE table_name = %s", table)
    newer = store_of(database, table)
    words = f"table {table} was made by a newer nwauth (schema 7, here {own.VERSION}): upgrade this one"
    for question in (lambda: newer.lookup("bob"), lambda: newer.put(someone("new")), lambda: newer.delete("bob")):
        with pytest.raises(Unavailable) as told:
            question()
        assert str(told.value) == words
    with pytest.raises(NwauthError) as refused:
        newer.make()
    assert str(refused.value) == words
    (tmp_path / "nwauth.toml").write_text(f'[[stores]]\nkind = "sql"\nurl = "{database.url}"\ntable = "{table}"\n')
    for command in (("init",), ("user", "list")) if database.kind == "sqlite" else (("user", "list"),):
        done = run(str(tmp_path), *command)
        assert done.status == 75
        assert words in done.err
    assert versions(database, table) == [(7,)]
    assert database.sql(f"SELECT name FROM {table}") == [("bob",)]


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose schema has one column more."""

    def add_column(connection: Connection, table: str) -> None:
        quoted = connection.dialect.identifier_preparer.quote(table)
        connection.execute(text(f"ALTER TABLE {quoted} ADD COLUMN seen VARCHAR(20) DEFAULT 'never'"))

    monkeypatch.setattr(own, "VERSION", 2)
    monkeypatch.setattr(schema, "UPGRADES", (add_column,))


@pytest.mark.parametrize("name", ["accounts", "Odd name", "Select"])
def test_an_older_schema_is_served_by_nobody_and_brought_forward_by_init(
    database: Database, name: str, request: pytest.FixtureRequest
) -> None:
    old = store_of(database, unique(name))
    assert old.make()
    assert old.put(someone("Bob", info='a="1"'))
    bob = found(old, "bob")
    request.getfixturevalue("second_version")
    new = store_of(database, table_of(old))
    with pytest.raises(Unavailable, match="has schema 1, here 2: run nwauth init to bring it forward"):
        new.lookup("bob")
    assert new.make()
    assert not new.make()
    assert found(new, "bob") == bob
    assert new.put(someone("eve"))
    assert [user.name for user in new.search()] == ["Bob", "eve"]
    assert versions(database, table_of(old)) == [(2,)]
    assert database.sql(f"SELECT DISTINCT seen FROM {database.quote(table_of(old))}") == [("never",)]


def test_a_child_that_serves_while_the_schema_is_brought_forward_goes_on_or_says_so(
    database: Database, request: pytest.FixtureRequest
) -> None:
    child = store_of(database)
    assert child.make()
    assert child.put(someone("bob"))
    bob = found(child, "bob")
    request.getfixturevalue("second_version")
    assert store_of(database, table_of(child)).make()
    for _ in range(3):
        assert child.lookup("bob") == bob
    assert child.lookup("eve") is None


def test_of_several_steps_one_that_fails_undoes_itself_and_those_before_stand_or_fall_with_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(database)
    assert store.make()
    assert store.put(someone("bob"))
    table = table_of(store)

    def fails(connection: Connection, table: str) -> None:
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN third INT"))
        raise Unavailable("the power is gone")

    def adds(connection: Connection, table: str) -> None:
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN second INT"))

    monkeypatch.setattr(own, "VERSION", 3)
    monkeypatch.setattr(schema, "UPGRADES", (adds, fails))
    with pytest.raises(Unavailable, match="the power is gone"):
        store.make()
    ((reached,),) = versions(database, table)
    assert reached == (2 if database.kind == "mariadb" else 1)  # its ALTER TABLE cannot be undone: step by step
    if database.kind == "mariadb":
        database.sql(f"ALTER TABLE {table} DROP COLUMN third")

    def works(connection: Connection, table: str) -> None:
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN third INT"))

    monkeypatch.setattr(schema, "UPGRADES", (adds, works))
    assert store.make()
    assert versions(database, table) == [(3,)]
    assert database.sql(f"SELECT name, second, third FROM {table}") == [("bob", None, None)]


# --- what the tables are ----------------------------------------------------------------------------------------------


def test_times_are_in_utc_and_tell_when_a_row_was_made_and_changed(database: Database) -> None:
    store = store_of(database)
    assert store.make()
    for user in (someone("bob"), someone("eve")):
        assert store.put(user)
    table = table_of(store)
    database.sql(f"UPDATE {table} SET created = %s, changed = %s", "2001-02-03 04:05:06", "2001-02-03 04:05:06")
    bob = found(store, "bob")
    assert store.replace(bob, bob.changed(info=Info('a="1"')))
    times = dict(database.sql(f"SELECT name, changed FROM {table}"))
    assert _utc(times["eve"]).year == 2001
    assert abs(_utc(times["bob"]) - datetime.now(UTC)) < timedelta(minutes=5)
    ((created,),) = database.sql(f"SELECT created FROM {table} WHERE name = 'bob'")
    assert _utc(created).year == 2001
    assert store.put_all([someone("new")]) == []
    ((created,),) = database.sql(f"SELECT created FROM {table} WHERE name = 'new'")
    assert abs(_utc(created) - datetime.now(UTC)) < timedelta(minutes=5)


def _utc(value: datetime | str) -> datetime:
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def test_a_row_that_somebody_else_adds_by_the_manuals_words_is_a_user(database: Database) -> None:
    store = store_of(database)
    assert store.make()
    table = table_of(store)
    columns = "name_key, name, stored_password, info"
    database.sql(f"INSERT INTO {table} ({columns}) VALUES ('bob@test.com', 'Bob@test.com', 'x', 'a=\"1\"')")
    assert found(store, "BOB@test.com") == User(
        name="Bob@test.com", stored_password="x", info=Info('a="1"'), drop_path="config", uid="0", store="sql"
    )
    assert not store.put(someone("bob@TEST.com"))


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_serving_needs_no_more_than_the_manual_says(kind: str, tmp_path: Path) -> None:
    base = open_database(kind, tmp_path)
    maker = store_of(base)
    assert maker.make()
    clerk = unique("clerk")
    tables = (table_of(maker), "nwauth_schema")
    if kind == "postgres":
        base.sql(f"CREATE USER {clerk} PASSWORD 'x'")
    else:
        base.sql(f"CREATE USER {clerk}@'%' IDENTIFIED BY 'x'")
    for table in tables:
        to = clerk if kind == "postgres" else f"{clerk}@'%'"
        base.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {to}")
    server = shared_postgres() if kind == "postgres" else shared_mariadb()
    url = server.url(user=clerk, password="x")
    store = SqlStore(url, table=table_of(maker), retry_seconds=0)
    OPEN.append(store.close)
    assert store.put(someone("bob"))
    assert store.put_all([someone("eve"), someone("BOB")]) == [someone("BOB")]
    bob = found(store, "bob")
    assert store.replace(bob, bob.changed(info=Info('a="1"')))
    assert [user.name for user in store.search("b")] == ["bob"]
    assert store.count() == 2
    assert store.delete("bob")
    with pytest.raises(NwauthError):
        SqlStore(url, table=unique("accounts")).make()


def test_a_table_of_our_own_has_no_dot_in_its_name(database: Database) -> None:
    with pytest.raises(ConfigError, match=r"found the table 'other\.accounts', wanted a name without a dot"):
        SqlStore(database.url, table="other.accounts")


# --- the words of its SQL ---------------------------------------------------------------------------------------------

DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(),
    "postgres": postgresql.psycopg2.dialect(),  # type: ignore[no-untyped-call]
    "mariadb": mysql.pymysql.dialect(),
}


def driver_of(kind: str) -> Driver:
    url = {"sqlite": "sqlite:///x.db", "postgres": "postgresql://db/mail", "mariadb": "mysql://db/mail"}[kind]
    return open_driver(url, Limits())


@pytest.mark.parametrize("kind", KINDS)
@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0%"), min_size=1) | st.sampled_from(ODD)
)
def test_names_are_quoted_as_sqlalchemy_quotes_them(kind: str, name: str) -> None:
    assert driver_of(kind).quote(name) == DIALECTS[kind].identifier_preparer.quote_identifier(name)


@pytest.mark.parametrize("name", ["Odd na'me", "select", "what?", "a:b\\ünï", "$1 (x);--"])
def test_a_table_of_our_own_may_have_any_name(database: Database, name: str) -> None:
    store = store_of(database, unique(name))
    assert store.make()
    assert not store.make()
    everything_works(store)
    rows = f"SELECT count(*) FROM {database.quote(table_of(store))}"
    assert database.sql(rows) == [(1,)]


def everything_works(store: SqlStore) -> None:
    """All that a store does, in a table with nobody in it; eve is there afterwards."""
    assert store.lookup("bob") is None
    assert store.put(someone("Bob", info='a="1"'))
    assert not store.put(someone("bob"))
    bob = found(store, "BOB")
    assert (bob.name, bob.info.text) == ("Bob", 'a="1"')
    assert store.replace(bob, bob.changed(info=Info('a="2"')))
    assert found(store, "bob").info.text == 'a="2"'
    assert store.put_all([someone("eve"), someone("bOB")]) == [someone("bOB")]
    assert [user.name for user in store.search()] == ["Bob", "eve"]
    assert [user.name for user in store.search("B*")] == ["Bob"]
    assert store.count() == 2
    assert store.delete("bob")
    assert not store.delete("bob")


@pytest.mark.parametrize("name", ["accounts", "Odd na'me?"])
def test_what_we_write_sqlalchemy_reads_and_the_other_way_round(database: Database, name: str) -> None:
    store = store_of(database, unique(name))
    assert store.make()
    core = schema.accounts(table_of(store))
    bob = User(
        name="Bob%", stored_password="{x}", info=Info('a="%s"'), drop_path="/d", uid="7", ip_mask="10.*", store="sql"
    )
    assert store.put(bob)
    columns = ("name_key", "name", "stored_password", "drop_path", "uid", "ip_mask", "info")
    with engine_of(store).connect() as connection:
        ((key, *rest),) = connection.execute(select(*(core.c[column] for column in columns)))
        assert bytes(key) if isinstance(key, bytes) else key.encode() == b"bob%"
        assert rest == ["Bob%", "{x}", "/d", "7", "10.*", 'a="%s"']
        row = dict(zip(columns, (key, *rest), strict=True))
        eve = row | {"name_key": b"eve" if isinstance(key, bytes) else "eve", "name": "Eve"}
        connection.execute(insert(core).values(**eve))
        connection.commit()
    assert found(store, "EVE") == User(
        name="Eve", stored_password="{x}", info=Info('a="%s"'), drop_path="/d", uid="7", ip_mask="10.*", store="sql"
    )
    assert store.delete("bob%")
    with engine_of(store).connect() as connection:
        assert connection.scalar(select(func.count()).select_from(core)) == 1


def compiled(statement: Any, kind: str) -> str:
    """SQLAlchemy's words, with our marks and blanks."""
    words = str(statement.compile(dialect=DIALECTS[kind], compile_kwargs={"render_postcompile": True}))
    for column in ("name", "password"):
        words = words.replace(f"%({column})s", "%s").replace(f"%({column}_1)s", "%s")
    return " ".join(words.split())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", ODD)
def test_the_statements_of_a_foreign_table_are_those_that_sqlalchemy_compiles(kind: str, odd: str) -> None:
    from sqlalchemy.sql.elements import quoted_name

    name, password = f"n {odd}", f"p {odd}"
    table = ForeignTable(
        odd, driver_of(kind), Columns(name=name, password=password), store="sql", password_format="auto"
    )

    def always_quoted(word: str) -> quoted_name:
        return quoted_name(word, quote=True)

    columns = (Column(always_quoted(name), String, key="name"), Column(always_quoted(password), String, key="password"))
    alias = Table(always_quoted(odd), MetaData(), *columns).alias("a")
    mark = {"sqlite": "?"}.get(kind, "%s")
    wanted = compiled(select(alias.c.name, alias.c.password).where(text("1 = 1")), kind)
    assert table.select("1 = 1") == wanted
    quoted = DIALECTS[kind].identifier_preparer.quote_identifier(name)
    assert table.select(f"a.{quoted} = {mark}") == compiled(
        select(alias.c.name, alias.c.password).where(alias.c.name == "x"), kind
    )
    assert table.counting == compiled(select(func.count()).select_from(alias), kind).replace(" AS count_1", "").replace(
        " AS a", ""
    )


def test_what_a_database_says_in_several_lines_is_told_in_one_without_the_empty_ones() -> None:
    assert Trouble(DOWN, "no room\n\n  DETAIL:  the disk\tis full\n \n").text == "no room; DETAIL: the disk is full"
