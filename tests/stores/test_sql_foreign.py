"""Tables of somebody else's, modelled on MySQLAuth's ``maildb``, in SQLite, PostgreSQL and MariaDB.

The contract first; then what such tables hold that ours do not, by `SqlStore` and by the real program.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sqlite3
import threading
from functools import cache
from typing import TYPE_CHECKING, Any
from unicodedata import is_normalized

import pytest

from nwauth.audit import File, open_log, parse_line
from nwauth.build import build
from nwauth.config import read
from nwauth.errors import NwauthError, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import fold, matcher
from nwauth.passwords import Passwords
from nwauth.protocol import Parser, parse_fields
from nwauth.server import Conversation
from nwauth.stores.sql import SqlStore
from nwauth.stores.sql.columns import Columns
from nwauth.stores.sql.drivers.sqlite import SqliteDriver
from nwauth.stores.sql.octets import is_plain
from tests.commands.common import run
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.databases.processes import wait_until
from tests.databases.server import USER
from tests.passwords.common import CHEAP
from tests.serving import Child, is_final, play
from tests.stores import test_sql
from tests.stores.contract import ODD_INFO, ODD_NAMES, PATTERNS, SEARCHED, WriteContract, someone
from tests.stores.folders import ssha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nwauth.service import Service
    from nwauth.stores.base import Store

KINDS = ("sqlite", "postgres", "mariadb")
MAPPED = {"fwd": "forward", "quota": "quota", "created": "created", "full_name": "full_name"}
COLUMNS = Columns(name="username", password="password", drop_path="maildrop", ip_mask="mailmask", info=MAPPED)
TOML = """\
[[stores]]
kind = "sql"
url = "{url}"
table = "{table}"
{more}
[stores.columns]
name = "username"
password = "password"
drop_path = "maildrop"
ip_mask = "mailmask"
{mapped}
[names]
allow_high_ascii = true
[passwords]
argon2id = {{ memory_kib = 8, iterations = 1, lanes = 1 }}
bcrypt_cost = 4
sha512_rounds = 1000
[log]
level = "debug"
"""


OPEN: list[Callable[[], object]] = []  # what the test has opened: how to close it


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop()()


# --- databases, tables, folders ---------------------------------------------------------------------------------------


class Database:
    """A database of one of `KINDS`; `sql` runs a statement as its administrator, committed at once."""

    def __init__(self, kind: str, url: str, connection: Callable[[], Any]) -> None:
        self.kind = kind
        self.url = url
        self._connection = connection

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        if self.kind == "sqlite":
            statement = statement.replace("%s", "?") if values else statement
            return list(self._connection().execute(statement, values).fetchall())
        with self._connection().cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def rows(self, table: str, columns: str = "username, password") -> list[tuple[Any, ...]]:
        found = self.sql(f"SELECT {columns} FROM {table}")
        return sorted(tuple(value.rstrip(" ") if isinstance(value, str) else value for value in row) for row in found)

    def quote(self, name: str) -> str:
        mark = "`" if self.kind == "mariadb" else '"'
        return mark + name.replace(mark, 2 * mark) + mark


@cache
def postgres_connection() -> Any:
    connection = shared_postgres()._connect("nwauth")
    connection.autocommit = True
    return connection


@cache
def mariadb_connection() -> Any:
    return shared_mariadb()._connect("nwauth")


def sqlite_connection(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    OPEN.append(connection.close)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def open_database(kind: str, folder: Path) -> Database:
    match kind:
        case "postgres":
            return Database(kind, shared_postgres().url(), postgres_connection)
        case "mariadb":
            return Database(kind, shared_mariadb().url(), mariadb_connection)
        case _:
            connection = sqlite_connection(folder / "mail.db")
            return Database(kind, f"sqlite:///{folder / 'mail.db'}", lambda: connection)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return open_database(request.param, tmp_path)


def maildb(
    database: Database,
    *,
    name: str = "VARCHAR(255) NOT NULL PRIMARY KEY",
    password: str = "VARCHAR(128)",
    quota: str = "INT",
    created: str = "TIMESTAMP NULL",
    forward: str = "VARCHAR(255)",
    more: str = "",
    table: str | None = None,
) -> str:
    """MySQLAuth's table, as sites have made it; its name."""
    table = unique("maildb") if table is None else table
    database.sql(
        f"CREATE TABLE {table} (username {name}, password {password}, forward {forward}, quota {quota},"
        f" mailmask VARCHAR(255), maildrop VARCHAR(255), created {created}, full_name VARCHAR(255){more})"
    )
    return table


def insert(database: Database, table: str, username: str | None, password: str | None = None, **values: object) -> None:
    row: Mapping[str, object] = {"username": username, "password": password, **values}
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    database.sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", *row.values())


def opened(database: Database, table: str, columns: Columns = COLUMNS, *, format_: str = "auto") -> SqlStore:
    store = SqlStore(database.url, table=table, columns=columns, password_format=format_, retry_seconds=0)
    OPEN.append(store.close)
    return store


def laid_out(folder: Path, database: Database, table: str, more: str = "", mapped: str | None = None) -> Path:
    """A folder whose nwauth.toml maps the table."""
    if mapped is None:
        pairs = ", ".join(f'{field} = "{column}"' for field, column in MAPPED.items())
        mapped = f"info = {{ {pairs} }}"
    (folder / "nwauth.toml").write_text(TOML.format(url=database.url, table=table, more=more, mapped=mapped))
    return folder


class Served:
    """The program as nwauth.toml configures it, in process."""

    def __init__(self, folder: Path) -> None:
        config = read(str(folder))
        log = open_log(config.log.file, level=config.log.level, format=config.log.format)
        assert isinstance(log._sink, File)
        OPEN.append(log._sink.close)
        self.service: Service = build(config, notice=lambda facts: log.event(1, "store", facts))
        OPEN.append(self.service.store.close)
        self._conversation = Conversation(self.service, Parser(config.server.address), log)
        self._log = folder / "nwauth.log"

    def ask(self, request: str) -> str:
        """The answer to one line, without the last line end."""
        (replies,) = play(self._conversation, [request.encode("utf-8", "surrogateescape")])
        answer = b"".join(replies).decode("utf-8", "surrogateescape")
        assert answer.endswith("\n")
        return answer[:-1]

    def log(self) -> str:
        return self._log.read_text()

    def last(self) -> dict[str, str]:
        """What the log says of the last request."""
        return parse_line(self.log().splitlines()[-1])


def served(folder: Path, database: Database, table: str, more: str = "", mapped: str | None = None) -> Served:
    return Served(laid_out(folder, database, table, more, mapped))


def found(store: Store, name: str) -> User:
    user = store.lookup(name)
    assert user is not None
    return user


# --- the contract -----------------------------------------------------------------------------------------------------

# The fields that the contract's users have besides, and columns for them.
WORDS = {"a": "x", "n": "n", "q": "q"}
MORE = ", x TEXT, n INT, q INT, notes TEXT"
HELD_NAMES = [name for name in ODD_NAMES if is_plain(name)]
HELD_SEARCHED = [name for name in SEARCHED if is_plain(name)]


class ForeignContract(WriteContract):
    """The contract on a table of somebody else's.

    Its columns are text: a name that is no UTF-8 has no place there, nor has info that is no field with a column.
    """

    columns = Columns(
        name="username", password="password", drop_path="maildrop", info={"quota": "quota", "fwd": "forward", **WORDS}
    )
    held_info: tuple[str, ...] = ("", 'quota="200" fwd="fred@test.com"')

    def database(self, folder: Path) -> Database:
        raise NotImplementedError

    def filled(self, folder: Path, url: str | None, users: Sequence[User]) -> Store:
        database = self.database(folder)
        name = "VARCHAR(255) NOT NULL"  # no key: others may have put in what a database takes for the same name
        table = maildb(database, name=name, more=MORE)
        store = SqlStore(url or database.url, table=table, columns=self.columns, retry_seconds=0)
        assert store.put_all(users) == []
        return store

    @pytest.mark.parametrize("name", HELD_NAMES)
    def test_an_old_base_may_hold_any_spelling(self, tmp_path: Path, name: str) -> None:
        super().test_an_old_base_may_hold_any_spelling(tmp_path, name)

    @pytest.mark.parametrize("name", HELD_NAMES)
    def test_an_odd_name_can_be_changed_and_deleted(self, tmp_path: Path, name: str) -> None:
        super().test_an_odd_name_can_be_changed_and_deleted(tmp_path, name)

    @pytest.mark.parametrize("name", sorted({*ODD_NAMES, *SEARCHED} - {*HELD_NAMES, *HELD_SEARCHED}))
    def test_a_name_that_is_no_text_is_refused(self, tmp_path: Path, name: str) -> None:
        store = self.new_store(tmp_path, [someone("alice")])
        with pytest.raises(Refused, match=r"column username of table .* can hold no NUL"):
            store.put(someone(name))
        assert store.lookup(name) is None
        assert [user.name for user in store.search()] == ["alice"]
        store.close()

    def test_a_narrowed_search_leaves_nobody_out_who_matches(self, tmp_path: Path) -> None:  # type: ignore[override]
        store = self.new_store(tmp_path, [someone(name) for name in HELD_SEARCHED])
        everybody = sorted(HELD_SEARCHED, key=lambda name: fold(name).encode())
        for pattern in PATTERNS:
            matches = matcher(pattern)
            given = [user.name for user in store.search(pattern) if matches(fold(user.name))]
            wanted = [name for name in everybody if matches(fold(name))]
            assert sorted(given) == sorted(wanted), pattern
            # a database sorts the letters as they stand, composed or not
            assert [name for name in given if is_normalized("NFC", name)] == [
                name for name in wanted if is_normalized("NFC", name)
            ]
        assert store.count() == len(everybody)
        store.close()

    def test_odd_users_are_added_at_once_byte_for_byte(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [])
        users = [someone(name, info=self.held_info[at % len(self.held_info)]) for at, name in enumerate(HELD_NAMES)]
        assert store.put_all(users) == []
        for user in users:
            there = found(store, user.name)
            assert (there.name, there.stored_password, there.info) == (user.name, user.stored_password, user.info)
        store.close()

    @pytest.mark.parametrize("info", ODD_INFO)
    def test_info_is_kept_byte_for_byte(self, tmp_path: Path, info: str) -> None:
        if info in self.held_info:
            super().test_info_is_kept_byte_for_byte(tmp_path, info)
            return
        store = self.new_store(tmp_path, [someone("eve")])
        with pytest.raises(Refused, match=r"no column for|can hold no NUL"):
            store.put(someone("bob", info=info))
        eve = found(store, "eve")
        with pytest.raises(Refused, match=r"no column for|can hold no NUL"):
            store.replace(eve, eve.changed(info=Info(info)))
        assert list(store.search()) == [eve]
        store.close()

    @pytest.mark.parametrize("info", ODD_INFO)
    def test_info_survives_a_put_and_a_replace_byte_for_byte(self, tmp_path: Path, info: str) -> None:
        if info in self.held_info:  # the rest is refused, as the test above sees
            super().test_info_survives_a_put_and_a_replace_byte_for_byte(tmp_path, info)


class TestSqlite(ForeignContract):
    @pytest.fixture(autouse=True)
    def _looks_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SqliteDriver, "trusted_seconds", 0.0)  # these tests take the file away under the store

    def database(self, folder: Path) -> Database:
        self.file = folder / "mail.db"
        return open_database("sqlite", folder)

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        return self.filled(folder, None, users)

    def take_down(self, store: Store) -> None:
        assert store.name == "sql"
        self.file.rename(self.file.with_suffix(".gone"))

    def bring_back(self, store: Store) -> None:
        assert store.name == "sql"
        self.file.with_suffix(".gone").rename(self.file)


class TestSqliteNoCase(TestSqlite):
    """A column that ignores case by itself, for ASCII letters."""

    def filled(self, folder: Path, url: str | None, users: Sequence[User]) -> Store:
        database = self.database(folder)
        name = "VARCHAR(255) COLLATE NOCASE NOT NULL"
        table = maildb(database, name=name, more=MORE)
        store = SqlStore(url or database.url, table=table, columns=self.columns, retry_seconds=0)
        assert store.put_all(users) == []
        return store


class TestSqliteNotes(TestSqlite):
    """A column for all info, as one text; a line end, and what is no UTF-8, have no place in it."""

    columns = Columns(name="username", password="password", info_text="notes")
    held_info = tuple(info for info in ODD_INFO if is_plain(info))


class ForeignServer(test_sql.ServerContract, ForeignContract):
    """Behind a network that can fail."""

    kind = ""

    def database(self, folder: Path) -> Database:
        return open_database(self.kind, folder)

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        database = self.database(folder)
        return self.filled(folder, database.url.replace(str(self.port()), str(self.proxy.port)), users)


class TestPostgres(ForeignServer):
    kind = "postgres"

    def port(self) -> int:
        return shared_postgres().port


class TestMariaDb(ForeignServer):
    kind = "mariadb"

    def port(self) -> int:
        return shared_mariadb().port


# --- the program ------------------------------------------------------------------------------------------------------


def test_mysqlauths_table_is_served_by_the_real_program(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    rest = {"maildrop": "/var/mail/bob", "created": "2024-01-02 03:04:05", "full_name": "Bob Bee"}
    insert(database, table, "Bob@test.com", ssha("secret"), forward="fred@test.com", quota=200, **rest)
    line = (
        'Bob@test.com /var/mail/bob 0 fwd="{fwd}" quota="{quota}" created="2024-01-02 03:04:05" full_name="Bob Bee"\n'
    )
    before, after = line.format(fwd="fred@test.com", quota=200).encode(), line.format(fwd="x@y.z", quota=7).encode()
    with Child(laid_out(tmp_path, database, table)) as child:
        assert child.ask(b"lookup bob@TEST.com") == b"+OK " + before
        assert child.ask(b"check bob@test.com secret") == b"+OK " + before
        assert child.ask(b"check bob@test.com Secret").startswith(b"-ERR bob@test.com password wrong")
        assert child.ask(b"lookup nobody@test.com") == b"-ERR nobody@test.com does not exist\n"
        assert child.ask(b'set bob@test.com (NULL) fwd="x@y.z" quota="7"') == b"+OK bob@test.com added to database\n"
        assert child.ask(b"check bob@test.com secret") == b"+OK " + after
        assert child.ask(b'set new@test.com pw quota="5"') == b"+OK new@test.com added to database\n"
        assert child.ask(b"check new@test.com pw") == b'+OK new@test.com config 0 quota="5"\n'
        listing = child.ask(b"search test.com").splitlines(keepends=True)
        assert listing[0].startswith(b"+DATA Bob@test.com fwd=")
        assert listing[1:] == [b'+DATA new@test.com quota="5"\n', b"+OK Search Complete 2 items found out of 2\n"]
        assert child.ask(b"del BOB@test.com") == b"+OK BOB@test.com deleted\n"
        assert child.ask(b"lookup bob@test.com") == b"-ERR bob@test.com does not exist\n"
        child.hang_up()
        child.assert_ended_well()
    assert database.rows(table, "username, quota, forward") == [("new@test.com", 5, None)]


def test_the_commands_work_on_such_a_table(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    folder = str(laid_out(tmp_path, database, table, 'password_format = "clear"'))
    assert run(folder, "init", "--quiet") == (0, "", "")
    assert run(folder, "user", "add", "bob", "--password-stdin", "fwd=fred", stdin=b"secret\n").status == 0
    assert database.rows(table, "username, password, forward") == [("bob", "secret", "fred")]
    refused = run(folder, "user", "set", "bob", "shoe=42")
    assert refused.status == 1
    assert f"table {table} has no column for shoe: map one under [stores.columns]" in refused.err
    if database.kind == "sqlite":
        shown = run(folder, "user", "show", "bob", "--format", "ndjson")
        assert shown.status == 0
        assert "secret" not in shown.out
        assert run(folder, "user", "del", "bob", "--yes").status == 0
        assert database.rows(table) == []


# --- names ------------------------------------------------------------------------------------------------------------

COLLATIONS = {
    "sqlite": ["VARCHAR(255)", "VARCHAR(255) COLLATE NOCASE", "CHAR(60)", "BLOB"],
    "postgres": ["VARCHAR(255)", "CHAR(60)", "TEXT", "CITEXT"],
    "mariadb": [
        *("VARCHAR(255)", "CHAR(60)", "VARCHAR(255) COLLATE utf8mb4_bin", "VARCHAR(255) COLLATE utf8mb4_unicode_ci"),
        *("VARCHAR(255) COLLATE utf8mb4_nopad_bin", "VARCHAR(255) CHARACTER SET latin1", "TINYTEXT"),
    ],
}
NAME_TYPES = [(kind, type_) for kind, types in COLLATIONS.items() for type_ in types]
IGNORING_CASE = {*COLLATIONS["mariadb"], "CITEXT", "VARCHAR(255) COLLATE NOCASE"}
IGNORING_CASE = {type_ for type_ in IGNORING_CASE if "_bin" not in type_}


def of_type(kind: str, type_: str, folder: Path) -> tuple[Database, str]:
    """A table whose names have that type; no key keeps two spellings out."""
    database = open_database(kind, folder)
    if type_ == "CITEXT":
        database.sql("CREATE EXTENSION IF NOT EXISTS citext")
    return database, maildb(database, name=type_)


@pytest.mark.parametrize(("kind", "type_"), NAME_TYPES)
def test_names_are_found_in_any_spelling_whatever_the_column_compares(kind: str, type_: str, tmp_path: Path) -> None:
    database, table = of_type(kind, type_, tmp_path)
    names = ["Bob@test.com", "zoe", "J\xfcrgen@Test.com", "JOS\xc9", "50%_!\\"]
    for name in names:
        insert(database, table, name, ssha(name))
    store = opened(database, table)
    for name in names:
        for asked in (name, name.upper(), name.lower(), name.swapcase()):
            assert found(store, asked).name == name
            assert found(store, asked).stored_password == ssha(name)
    for absent in ("bo", "bob@test.co", "bob@test.com.", "jurgen@test.com", "jose", "50", "%", "z_e", "\u65e5\u672c"):
        assert store.lookup(absent) is None
    assert [user.name for user in store.search()] == sorted(names, key=lambda name: fold(name).encode())
    assert [user.name for user in store.search("J*")] == ["JOS\xc9", "J\xfcrgen@Test.com"]


@pytest.mark.parametrize(("kind", "type_"), NAME_TYPES)
def test_a_change_touches_the_one_row_that_was_found(kind: str, type_: str, tmp_path: Path) -> None:
    database, table = of_type(kind, type_, tmp_path)
    others = ["muller", "Bobby", "bo", "bo_", "%", "J\xdcRGEN"]
    for name in ("M\xfcller", "Bob", "jurgen", *others):
        insert(database, table, name, ssha(name))
    store = opened(database, table)
    for asked in ("m\xdcller", "BOB", "jurgen"):
        old = found(store, asked)
        assert store.replace(old, old.changed(stored_password=ssha("new"))), asked
        assert found(store, asked).stored_password == ssha("new")
        assert store.delete(asked)
        assert store.lookup(asked) is None
    assert database.rows(table) == sorted((name, ssha(name)) for name in others)


@pytest.mark.parametrize(("kind", "type_"), NAME_TYPES)
def test_a_new_user_is_kept_out_only_by_the_same_name(kind: str, type_: str, tmp_path: Path) -> None:
    database, table = of_type(kind, type_, tmp_path)
    for name in ("Jose", "Bob"):
        insert(database, table, name, ssha("old"))
    store = opened(database, table)
    assert not store.put(someone("BOB"))
    assert not store.put(someone("jose"))
    assert store.put(someone("jos\xe9"))
    assert not store.put(someone("JOS\xc9"))
    assert store.put_all([someone("Jos\xe9"), someone("bobby"), someone("bob")]) == [someone("Jos\xe9"), someone("bob")]
    assert [name for name, _ in database.rows(table)] == ["Bob", "Jose", "bobby", "jos\xe9"]
    assert found(store, "bob").stored_password == ssha("old")


@pytest.mark.parametrize(("kind", "type_"), NAME_TYPES)
def test_of_two_spellings_the_exact_one_is_meant_and_any_other_cannot_be_told(
    kind: str, type_: str, tmp_path: Path
) -> None:
    database, table = of_type(kind, type_, tmp_path)
    for name in ("Bob", "bob", "J\xdcRGEN", "J\xfcrgen"):
        insert(database, table, name, ssha(name))
    store = opened(database, table)
    for name in ("Bob", "bob", "J\xdcRGEN", "J\xfcrgen"):
        assert found(store, name).stored_password == ssha(name)
    for asked in ("BOB", "boB", "j\xfcrgen"):
        with pytest.raises(Unavailable, match=r"has 2 users of the name .*: which is meant\?"):
            store.lookup(asked)
        with pytest.raises(Unavailable, match="which is meant"):
            store.put(someone(asked))
        with pytest.raises(Unavailable, match="which is meant"):
            store.delete(asked)
    bob = found(store, "bob")
    assert store.replace(bob, bob.changed(stored_password=ssha("new")))
    assert store.delete("J\xfcrgen")
    assert dict(database.rows(table)) == {"Bob": ssha("Bob"), "bob": ssha("new"), "J\xdcRGEN": ssha("J\xdcRGEN")}
    assert store.delete("Bob")
    assert [name for name, _ in database.rows(table)] == ["J\xdcRGEN", "bob"]


def test_a_spelling_that_stands_there_twice_cannot_be_told(database: Database, tmp_path: Path) -> None:
    table = maildb(database, name="VARCHAR(255)")
    insert(database, table, "bob", ssha("one"))
    insert(database, table, "bob", ssha("two"))
    program = served(tmp_path, database, table)
    for request in ("lookup bob", "check bob one", 'set bob (NULL) fwd="x"', "set bob new", "del bob"):
        assert program.ask(request).startswith("-DEAD "), request
    assert len(database.rows(table)) == 2


def test_blanks_behind_a_name_are_no_part_of_it_only_where_the_column_pads(database: Database) -> None:
    padded = maildb(database, name="CHAR(40)", password="CHAR(64)")
    insert(database, padded, "Bob", ssha("secret"), forward="fred")
    store = opened(database, padded)
    bob = found(store, "bob")
    assert (bob.name, bob.stored_password, bob.info.text) == ("Bob", ssha("secret"), 'fwd="fred"')
    assert store.replace(bob, bob.changed(stored_password=ssha("new")))
    assert found(store, "BOB").stored_password == ssha("new")
    assert not store.put(someone("bob"))
    assert store.delete("bOB")
    assert database.rows(padded) == []
    varying = maildb(database, name="VARCHAR(40)")
    insert(database, varying, "bob ", ssha("blank"))
    store = opened(database, varying)
    assert store.lookup("bob") is None
    assert found(store, "bob ").stored_password == ssha("blank")


def test_a_name_beyond_the_column_is_refused_and_nobody_is_there_then(database: Database) -> None:
    if database.kind == "sqlite":
        pytest.skip("SQLite takes any length")
    table = maildb(database, name="VARCHAR(8) NOT NULL PRIMARY KEY")
    store = opened(database, table)
    with pytest.raises(Refused, match="too long"):
        store.put(someone("bob@test.com"))
    assert store.lookup("bob@test.com") is None
    assert store.lookup("bob@test") is None
    assert database.rows(table) == []


def test_where_a_key_takes_two_names_for_one_the_second_is_refused_in_words(tmp_path: Path) -> None:
    database = open_database("mariadb", tmp_path)
    table = maildb(database)
    insert(database, table, "jose", ssha("secret"))
    program = served(tmp_path, database, table)
    assert program.ask("set jos\xe9 pw").startswith("-ERR ")
    assert program.last()["result"] == "no"
    assert program.last()["reason"].startswith(f"table {table} does not take it")
    assert [name for name, _ in database.rows(table)] == ["jose"]


def test_another_unique_column_refuses_in_words(database: Database, tmp_path: Path) -> None:
    table = maildb(database, more=", UNIQUE (forward)")
    insert(database, table, "bob", ssha("secret"), forward="fred")
    program = served(tmp_path, database, table)
    assert program.ask('set new pw fwd="fred"').startswith("-ERR ")
    assert program.ask('set new pw fwd="other"').startswith("+OK ")
    assert program.ask('set new (NULL) fwd="fred"').startswith("-ERR ")
    assert database.rows(table, "username, forward") == [("bob", "fred"), ("new", "other")]


def _change_at_once(url: str, table: str, barrier: Any, words: Sequence[tuple[str, str]]) -> None:
    """In a process of its own: add or change users; each round begins with the others."""
    store = SqlStore(url, table=table, columns=COLUMNS)
    for name, password in words:
        barrier.wait(30)
        user = store.lookup(name)
        if user is None:
            store.put(someone(name, password=password))
        else:
            store.replace(user, user.changed(stored_password=ssha(password)))
    store.close()


def at_once(database: Database, table: str, *words: Sequence[tuple[str, str]]) -> None:
    """Let one process for each of `words` work through it, in step."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    barrier = context.Barrier(len(words))
    workers = [
        context.Process(target=_change_at_once, args=(database.url, table, barrier, some), daemon=True)
        for some in words
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * len(workers)


@pytest.mark.parametrize("key", ["NOT NULL PRIMARY KEY", "NOT NULL"])
def test_two_children_adding_bob_and_BOB_at_once_end_with_one_user(database: Database, key: str) -> None:  # noqa: N802
    table = maildb(database, name=f"VARCHAR(100) {key}")
    rounds = range(12)
    at_once(
        database,
        table,
        [(f"Bob{i}", "one") for i in rounds],
        [(f"BOB{i}", "two") for i in rounds],
        [(f"other{i}", "one") for i in rounds],
    )
    rows = database.rows(table)
    assert len(rows) == 2 * len(rounds)
    assert len({fold(name) for name, _ in rows}) == len(rows)


@pytest.mark.parametrize("key", ["NOT NULL PRIMARY KEY", "NOT NULL"])
def test_children_that_add_and_change_others_at_once_never_keep_each_other_from_it(
    database: Database, key: str
) -> None:
    table = maildb(database, name=f"VARCHAR(100) {key}")
    for i in range(5):
        insert(database, table, f"old{i}", ssha("old"))
    work = [[(f"old{i % 5}" if i % 2 else f"new{worker}x{i}", "new") for i in range(16)] for worker in range(3)]
    at_once(database, table, *work)
    assert len(database.rows(table)) == 5 + 3 * 8
    assert {password for _, password in database.rows(table)} == {ssha("new")}


def test_two_children_of_the_real_program_that_hear_of_one_name_at_once_both_say_ok(
    database: Database, tmp_path: Path
) -> None:
    table = maildb(database, name="VARCHAR(100)")
    folder = laid_out(tmp_path, database, table)
    with Child(folder) as one, Child(folder) as two:
        for child in (one, two):
            assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        for i in range(8):
            one.send(b'set Bob%d first fwd="1"\n' % i)
            two.send(b'set BOB%d second fwd="2"\n' % i)
            assert one.replies() == b"+OK Bob%d added to database\n" % i
            assert two.replies() == b"+OK BOB%d added to database\n" % i
    rows = database.rows(table, "username, forward")
    assert len(rows) == len({fold(str(name)) for name, _ in rows}) == 8


def test_an_import_and_a_child_adding_the_same_name_end_with_one_user(database: Database) -> None:
    table = maildb(database, name="VARCHAR(100)")
    together, wrong = threading.Barrier(2), list[BaseException]()

    def work(change: Callable[[SqlStore, int], object]) -> None:
        store = opened(database, table)
        try:
            for i in range(20):
                together.wait(30)
                change(store, i)
        except BaseException as error:  # noqa: BLE001, told below
            wrong.append(error)
            together.abort()

    changes: list[Callable[[SqlStore, int], object]] = [
        lambda store, i: store.put(someone(f"Bob{i}")),
        lambda store, i: store.put_all([someone(f"a{i}"), someone(f"BOB{i}"), someone(f"z{i}")]),
    ]
    threads = [threading.Thread(target=work, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    names = [fold(name) for name, _ in database.rows(table)]
    assert len(names) == len(set(names)) == 60


def test_a_table_that_is_made_and_filled_while_a_child_serves_is_served(database: Database, tmp_path: Path) -> None:
    table = unique("later")
    if database.kind == "sqlite":
        database.sql("CREATE TABLE something (x INT)")
    program = served(tmp_path, database, table)
    assert program.ask("lookup bob").startswith("-DEAD ")
    maildb(database, table=table)
    wait_until(lambda: program.ask("lookup bob") == "-ERR bob does not exist", "the table is found")
    insert(database, table, "Bob", ssha("secret"))
    assert program.ask("check bob secret") == "+OK Bob config 0"


# --- NULL, defaults, types --------------------------------------------------------------------------------------------


def test_null_everywhere_is_a_user_who_cannot_log_in(database: Database, tmp_path: Path) -> None:
    table = maildb(database, name="VARCHAR(40)")
    insert(database, table, "bob")
    insert(database, table, None, ssha("secret"), forward="nobody's")
    insert(database, table, "", ssha("secret"))
    program = served(tmp_path, database, table)
    assert program.ask("lookup BOB") == "+OK bob config 0"
    for password in ("secret", "NULL", "None", "x"):
        assert program.ask(f"check bob {password}").startswith("-ERR bob password wrong")
    assert program.ask("search *").splitlines()[0] == "+DATA bob"
    assert "nobody's" not in program.ask("search *")
    assert program.ask('set bob new fwd="x" quota="1"').startswith("+OK ")
    assert program.ask("check bob new") == '+OK bob config 0 fwd="x" quota="1"'
    assert program.ask('set bob (NULL) fwd="" quota=""').startswith("+OK ")
    assert database.sql(f"SELECT forward, quota FROM {table} WHERE username = 'bob'") == [(None, None)]
    assert database.sql(f"SELECT count(*) FROM {table}") == [(3,)]


def test_a_column_that_takes_no_null_gets_the_empty_text(database: Database, tmp_path: Path) -> None:
    table = maildb(database, forward="VARCHAR(40) NOT NULL", more=", uid VARCHAR(10) NOT NULL")
    mapped = 'uid = "uid"\ninfo = { fwd = "forward", quota = "quota" }'
    program = served(tmp_path, database, table, mapped=mapped)
    assert program.ask('set bob secret quota="5"').startswith("+OK ")
    assert program.ask("check bob secret") == '+OK bob config 0 quota="5"'
    assert program.ask('set bob (NULL) fwd="x"').startswith("+OK ")
    assert program.ask('set bob (NULL) fwd=""').startswith("+OK ")
    assert database.rows(table, "username, forward, uid, quota") == [("bob", "", "", 5)]
    assert program.service.store.put_all([someone("new")]) == []
    assert program.ask("lookup new") == "+OK new config 0"


def test_a_column_without_a_default_that_is_not_mapped_is_named(database: Database, tmp_path: Path) -> None:
    table = maildb(database, more=", realm VARCHAR(20) NOT NULL")
    insert(database, table, "old", ssha("secret"), realm="r")
    program = served(tmp_path, database, table)
    assert program.ask("set bob secret").startswith("-ERR ")
    assert "realm" in program.last()["reason"]
    assert "internal fault" not in program.log()
    with pytest.raises(Refused, match="realm"):
        program.service.store.put_all([someone("bob")])
    assert program.ask('set old new fwd="x"').startswith("+OK ")
    assert program.ask("check old new") == '+OK old config 0 fwd="x"'
    assert [name for name, _ in database.rows(table)] == ["old"]


def test_columns_with_defaults_keep_them_for_a_new_user(database: Database, tmp_path: Path) -> None:
    table = maildb(database, quota="INT NOT NULL DEFAULT 100", created="TIMESTAMP DEFAULT CURRENT_TIMESTAMP")
    program = served(tmp_path, database, table)
    assert program.ask('set bob secret fwd="x"').startswith("+OK ")
    answer = program.ask("check bob secret")
    assert answer.startswith('+OK bob config 0 fwd="x" quota="100" created="20')
    assert program.service.store.put_all([someone("new")]) == []
    assert program.ask("set bob changed").startswith("+OK ")
    assert program.ask("check bob changed") == answer


def test_a_column_that_the_table_itself_changes_stands_in_no_changes_way(database: Database, tmp_path: Path) -> None:
    if database.kind == "mariadb":
        table = maildb(database, created="TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")
    else:
        table = maildb(database)
        counted = "UPDATE {table} SET created = '2031-02-03 04:05:06' WHERE username = NEW.username"
        trigger(database, table, "UPDATE OF password, forward", counted)
    insert(database, table, "bob", ssha("secret"), created="2001-01-01 00:00:00")
    program = served(tmp_path, database, table)
    assert program.ask('set bob new fwd="x"').startswith("+OK ")
    assert program.ask("check bob new").startswith('+OK bob config 0 fwd="x" created="20')
    assert "2001-01-01" not in program.ask("lookup bob")


def test_a_date_of_nothing_but_zeros_is_shown_as_it_stands(tmp_path: Path) -> None:
    database = open_database("mariadb", tmp_path)
    table = maildb(database, created="TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00'")
    insert(database, table, "bob", ssha("secret"))
    program = served(tmp_path, database, table)
    assert program.ask("lookup bob") == '+OK bob config 0 created="0000-00-00 00:00:00"'
    assert program.ask('set bob new fwd="x"').startswith("+OK ")
    assert program.ask("check bob new") == '+OK bob config 0 fwd="x" created="0000-00-00 00:00:00"'


def test_a_table_that_is_altered_while_a_child_serves_is_served_on(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"), quota=5)
    program = served(tmp_path, database, table)
    assert program.ask("lookup bob") == '+OK bob config 0 quota="5"'
    if database.kind == "sqlite":
        database.sql(f"ALTER TABLE {table} ADD COLUMN seen INT DEFAULT 1")
    else:
        change = "MODIFY quota BIGINT, " if database.kind == "mariadb" else "ALTER COLUMN quota TYPE BIGINT, "
        database.sql(f"ALTER TABLE {table} {change} ADD COLUMN seen INT DEFAULT 1")
    for request in ("lookup bob", "check bob secret", "lookup BOB"):
        assert program.ask(request) == '+OK bob config 0 quota="5"', request
    assert program.ask('set bob new quota="6"').startswith("+OK ")
    database.sql(f"ALTER TABLE {table} DROP COLUMN forward")
    for request in ("lookup bob", "check bob new", "lookup nobody", "set bob x"):
        assert program.ask(request).startswith("-DEAD "), request
    assert "forward" in program.log()
    database.sql(f"ALTER TABLE {table} ADD COLUMN forward VARCHAR(80)")
    wait_until(lambda: program.ask("check bob new") == '+OK bob config 0 quota="6"', "the table is as it should be")


def test_a_user_whom_another_table_needs_is_not_deleted_and_that_is_no_outage(tmp_path: Path) -> None:
    for kind in ("postgres", "mariadb"):
        database = open_database(kind, tmp_path)
        table, other = maildb(database, name="VARCHAR(80) NOT NULL PRIMARY KEY"), unique("aliases")
        reference = f"FOREIGN KEY (owner) REFERENCES {table} (username)"
        database.sql(f"CREATE TABLE {other} (owner VARCHAR(80) NOT NULL, {reference})")
        insert(database, table, "bob", ssha("secret"))
        database.sql(f"INSERT INTO {other} VALUES ('bob')")
        program = served(tmp_path, database, table)
        assert program.ask("del bob").startswith("-ERR ")
        assert program.ask("check bob secret") == "+OK bob config 0"
        assert "state=down" not in program.log()


def test_a_rename_keeps_what_other_programs_keep_in_the_row(database: Database, tmp_path: Path) -> None:
    table = maildb(database, more=", realm VARCHAR(20) DEFAULT 'none'")
    rest = {"realm": "theirs", "quota": 5, "maildrop": "/m", "mailmask": "10.*"}
    for name in ("bob", "Eve"):
        insert(database, table, name, ssha("secret"), **rest)
    folder = str(laid_out(tmp_path, database, table))
    for words in (("bob", "robert"), ("Eve", "EVE")):
        assert run(folder, "user", "rename", *words).status == 0
    rows = database.rows(table, "username, password, realm, quota, maildrop, mailmask")
    assert rows == [(name, ssha("secret"), *rest.values()) for name in ("EVE", "robert")]


NUMBERS = {
    "INT": [("300", "300"), ("-1", "-1")],
    "BIGINT": [("9007199254740993", "9007199254740993")],
    "DECIMAL(10, 2)": [("2.50", "2.50")],
    "VARCHAR(20)": [("0300", "0300")],
}


@pytest.mark.parametrize("type_", NUMBERS)
def test_numbers_are_read_and_written_as_text(database: Database, type_: str, tmp_path: Path) -> None:
    table = maildb(database, quota=type_)
    insert(database, table, "bob", ssha("secret"), quota=200)
    program = served(tmp_path, database, table)
    assert 'quota="200' in program.ask("lookup bob")
    for written, read_ in NUMBERS[type_]:
        if database.kind == "sqlite" and "." in written:
            continue  # it knows no digits behind the point that are zero
        assert program.ask(f'set bob (NULL) quota="{written}"').startswith("+OK ")
        assert program.ask("lookup bob") == f'+OK bob config 0 quota="{read_}"'
    assert program.ask('set bob (NULL) quota=""').startswith("+OK ")
    assert database.rows(table, "quota") == [(None,)]


def test_what_a_number_or_a_date_cannot_hold_is_refused_and_all_else_kept(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"), quota=200, created="2024-01-02 03:04:05")
    program = served(tmp_path, database, table)
    before = database.rows(table, "username, password, quota, created")
    wrong = [
        'quota="99999999999999999999"',
        'quota="007"',
        'quota="1e3x"',
        'created="yesterday"',
        'created="2024-13-40"',
    ]
    if database.kind == "sqlite":
        wrong = ['quota="007"']  # any column takes any text there
    for field in wrong:
        assert program.ask(f"set bob changed {field}").startswith("-ERR "), field
        assert program.ask(f"set new {'changed'} {field}").startswith("-ERR "), field
        assert program.last()["result"] == "no"
    assert program.ask("check bob secret").startswith("+OK ")
    assert database.rows(table, "username, password, quota, created") == before


def test_dates_booleans_and_bytes_are_shown_as_text(database: Database, tmp_path: Path) -> None:
    flag, raw = ("BOOLEAN", "BYTEA") if database.kind == "postgres" else ("BOOLEAN", "BLOB")
    table = maildb(database, created="DATE", more=f", flag {flag}, raw {raw}, t TIME")
    values = {"flag": True, "raw": b"caf\xc3\xa9 \xff", "t": "01:02:03"}
    insert(database, table, "bob", ssha("secret"), created="2024-01-02", **values)
    mapped = 'info = { created = "created", flag = "flag", raw = "raw", t = "t" }'
    program = served(tmp_path, database, table, mapped=mapped)
    fields = parse_fields(program.ask("lookup bob").removeprefix("+OK bob config 0 "))
    assert fields.pop("flag") in {"true", "1"}
    assert fields.pop("t").endswith("1:02:03")
    assert fields == {"created": "2024-01-02", "raw": "caf\xe9 \udcff"}
    assert program.ask("set bob new").startswith("+OK ")
    assert program.ask('set bob (NULL) created="2025-12-31"').startswith("+OK ")
    assert 'created="2025-12-31"' in program.ask("check bob new")


# --- what may be written ----------------------------------------------------------------------------------------------


def test_a_field_without_a_column_is_refused_and_nothing_is_lost(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"), forward="fred", quota=5)
    program = served(tmp_path, database, table)
    before = database.rows(table, "*")
    assert (
        program.ask('set bob changed fwd="x" shoe="42"')
        == f"-ERR table {table} has no column for shoe: map one under [stores.columns]"
    )
    assert program.ask('set new changed fwd="x" shoe="42"').startswith("-ERR ")
    assert program.ask("check bob secret") == '+OK bob config 0 fwd="fred" quota="5"'
    assert database.rows(table, "*") == before


def test_with_a_column_for_the_rest_any_field_is_held_and_mapped_ones_stay_apart(
    database: Database, tmp_path: Path
) -> None:
    table = maildb(database, more=", notes VARCHAR(200)")
    insert(database, table, "bob", ssha("secret"), quota=5, notes='odd text shoe="42"')
    program = served(tmp_path, database, table, mapped='quota = "quota"\ninfo_text = "notes"')
    assert program.ask("lookup bob") == '+OK bob config 0 quota="5" odd text shoe="42"'
    assert program.ask('set bob (NULL) shoe="43" hat="7" QUOTA="6"').startswith("+OK ")
    assert database.rows(table, "quota, notes") == [(6, 'odd text shoe="43" hat="7"')]
    assert program.ask('set bob (NULL) shoe="" hat=""').startswith("+OK ")
    assert program.ask("lookup bob") == '+OK bob config 0 quota="6" odd text'


def test_a_mapped_field_is_its_columns_whatever_the_text_of_the_rest_says(database: Database, tmp_path: Path) -> None:
    table = maildb(database, more=", notes VARCHAR(200)")
    insert(database, table, "bob", ssha("secret"), quota=5, notes='quota="999" shoe="42"')
    program = served(tmp_path, database, table, mapped='quota = "quota"\ninfo_text = "notes"')
    fields = parse_fields(program.ask("lookup bob").removeprefix("+OK bob config 0 "))
    assert fields == {"quota": "5", "shoe": "42"}
    assert program.ask("set bob new").startswith("+OK ")
    assert program.ask('set bob (NULL) quota="6"').startswith("+OK ")
    assert database.rows(table, "quota") == [(6,)]


@pytest.mark.parametrize("column", ["quota", "password", "username", "maildrop"])
def test_a_read_only_column_is_never_written(database: Database, column: str, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"), quota=5, maildrop="/m")
    mapped = f'forward = "forward"\nquota = "quota"\nread_only = ["{column}"]'
    program = served(tmp_path, database, table, mapped=mapped)
    assert column != "quota" or program.ask('set bob (NULL) fwd="x" quota=""').startswith("-ERR column quota")
    words = {"quota": 'set bob new fwd="x" quota="6"', "password": 'set bob new fwd="x"', "username": "set new pw"}
    before = database.rows(table, "username, password, forward, quota, maildrop")
    if column in words:
        assert program.ask(words[column]) == f"-ERR column {column} of table {table} is read_only in nwauth.toml"
        assert database.rows(table, "username, password, forward, quota, maildrop") == before
    assert (
        program.ask('set bob (NULL) fwd="y" quota="5"' if column == "quota" else 'set bob (NULL) fwd="y"')[:3] == "+OK"
    )
    assert database.rows(table, "username, password, forward, quota, maildrop") == [
        ("bob", ssha("secret"), "y", 5, "/m")
    ]
    assert program.ask("check bob secret").startswith("+OK bob /m 0 ")


def test_a_new_user_leaves_a_read_only_column_to_its_default(database: Database, tmp_path: Path) -> None:
    table = maildb(database, quota="INT DEFAULT 100")
    program = served(tmp_path, database, table, mapped='quota = "quota"\nread_only = ["quota"]')
    assert program.ask('set bob secret quota="6"').startswith("-ERR column quota")
    assert program.ask("set bob secret").startswith("+OK ")
    assert program.ask("check bob secret") == '+OK bob config 0 quota="100"'


def test_a_table_of_a_read_only_store_takes_no_change(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"))
    program = served(tmp_path, database, table, "read_only = true")
    for request in ("set bob new", "set new new", "del bob"):
        assert program.ask(request) == "-ERR not supported here"
    assert program.ask("check bob secret").startswith("+OK ")
    assert run(str(tmp_path), "init", "--quiet") == (0, "", "")
    assert database.rows(table) == [("bob", ssha("secret"))]


def trigger(database: Database, table: str, when: str, statement: str) -> None:
    """After each row that is written there, run a statement as well; on MariaDB `statement` is what a trigger says."""
    name, statement = unique("trigger"), statement.format(table=table)
    match database.kind:
        case "sqlite":
            database.sql(f"CREATE TRIGGER {name} AFTER {when} ON {table} BEGIN {statement}; END")
        case "postgres":
            body = f"BEGIN {statement}; RETURN NULL; END"
            database.sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ {body} $$")
            rows = f"FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION {name}()"
            database.sql(f"CREATE TRIGGER {name} AFTER {when} ON {table} {rows}")
        case _:
            database.sql(f"CREATE TRIGGER {name} BEFORE {when} ON {table} FOR EACH ROW {statement}")


def cut_passwords(database: Database, table: str) -> None:
    """From now on the table keeps 32 characters of a password, and says nothing of the rest."""
    cut = "UPDATE {table} SET password = substr(password, 1, 32) WHERE username = NEW.username"
    if database.kind == "mariadb":
        cut = "SET NEW.password = left(NEW.password, 32)"
    for when in ("INSERT", "UPDATE"):
        trigger(database, table, when, cut)


MD5 = hashlib.md5(b"secret", usedforsecurity=False).hexdigest()  # 32 characters, as in MySQLAuth's tables


def cutting(database: Database, how: str, stored: str) -> str:
    """A table with bob in it and no room for more than 32 characters of a password."""
    table = maildb(database, password="VARCHAR(32)" if how == "VARCHAR(32)" else "VARCHAR(128)")
    insert(database, table, "bob", stored, forward="fred")
    if how == "trigger":
        cut_passwords(database, table)
    return table


# SQLite takes any length, whatever the type says.
CUTTING = [
    (kind, how) for kind in KINDS for how in ("VARCHAR(32)", "trigger") if (kind, how) != ("sqlite", "VARCHAR(32)")
]


@pytest.mark.parametrize(("kind", "how"), CUTTING)
def test_a_password_that_the_table_would_cut_is_refused_and_the_old_one_goes_on(
    kind: str, how: str, tmp_path: Path
) -> None:
    database = open_database(kind, tmp_path)
    table = cutting(database, how, STORED["des-crypt"])
    program = served(tmp_path, database, table, 'scheme = "bcrypt"')
    before = database.rows(table, "*")
    assert program.ask('set bob changed fwd="x"').startswith("-ERR ")
    assert table in program.last()["reason"]
    assert program.ask("set new changed").startswith("-ERR ")
    assert database.rows(table, "*") == before
    assert program.ask("check bob secret") == '+OK bob config 0 fwd="fred"'
    assert program.ask("check bob changed").startswith("-ERR ")
    assert program.ask('set bob (NULL) fwd="x"').startswith("+OK ")


@pytest.mark.parametrize(("kind", "how"), CUTTING)
def test_an_upgrade_that_does_not_fit_costs_nobody_the_login(kind: str, how: str, tmp_path: Path) -> None:
    database = open_database(kind, tmp_path)
    table = cutting(database, how, STORED["des-crypt"])
    program = served(tmp_path, database, table, 'scheme = "bcrypt"\nupgrade = true')
    assert program.ask("check bob secret") == '+OK bob config 0 fwd="fred"'
    assert program.last()["upgrade"].startswith("failed: ")
    assert program.ask("check bob secret") == '+OK bob config 0 fwd="fred"'
    assert database.rows(table) == [("bob", STORED["des-crypt"])]


@pytest.mark.parametrize(("kind", "how"), CUTTING)
def test_what_has_room_in_a_narrow_column_is_written(kind: str, how: str, tmp_path: Path) -> None:
    database = open_database(kind, tmp_path)
    table = cutting(database, how, MD5)
    program = served(tmp_path, database, table, 'password_format = "md5"')
    for name in ("bob", "new"):
        assert program.ask(f"set {name} changed").startswith("+OK ")
        assert program.ask(f"check {name} changed").startswith("+OK ")
    assert {len(password) for _, password in database.rows(table)} == {32}


def test_an_upgrade_is_stored_where_the_store_says_so(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    for name in ("bob", "eve"):
        insert(database, table, name, "{MD5}" + MD5)
    program = served(tmp_path, database, table)
    assert program.ask("check bob secret") == "+OK bob config 0"
    assert database.rows(table)[0] == ("bob", "{MD5}" + MD5)
    program = served(tmp_path, database, table, 'scheme = "bcrypt"\nupgrade = true')
    assert program.ask("check bob secret") == "+OK bob config 0"
    assert program.last()["upgrade"] == "done"
    assert database.rows(table)[0][1].startswith("$2b$04$")
    assert program.ask("check bob secret") == "+OK bob config 0"
    assert database.rows(table)[1] == ("eve", "{MD5}" + MD5)


def test_a_table_that_changes_the_name_of_who_is_added_takes_nobody(database: Database) -> None:
    table = maildb(database)
    change = "UPDATE {table} SET username = 'x_' || username WHERE username = NEW.username"
    trigger(database, table, "INSERT", "SET NEW.username = 'x_bob'" if database.kind == "mariadb" else change)
    store = opened(database, table)
    with pytest.raises(Refused, match="does not find 'bob' again"):
        store.put(someone("bob"))
    assert database.rows(table) == []


def test_a_table_that_swallows_a_change_says_so(database: Database) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("old"))
    keep = "UPDATE {table} SET password = OLD.password WHERE username = NEW.username"
    trigger(database, table, "UPDATE", "SET NEW.password = OLD.password" if database.kind == "mariadb" else keep)
    store = opened(database, table)
    bob = found(store, "bob")
    with pytest.raises(Refused, match="column password of table"):
        store.replace(bob, bob.changed(stored_password=ssha("new")))
    assert found(store, "bob") == bob


def test_a_rule_that_lets_nothing_happen_is_no_success(tmp_path: Path) -> None:
    database = open_database("postgres", tmp_path)
    table = maildb(database)
    insert(database, table, "bob", ssha("old"))
    for what in ("INSERT", "UPDATE", "DELETE"):
        database.sql(f"CREATE RULE {what.lower()}_{table} AS ON {what} TO {table} DO INSTEAD NOTHING")
    store = opened(database, table)
    bob = found(store, "bob")
    changes: list[Callable[[], object]] = [
        lambda: store.put(someone("new")),
        lambda: store.replace(bob, bob.changed(stored_password=ssha("new"))),
        lambda: store.delete("bob"),
    ]
    for change in changes:
        with pytest.raises(NwauthError):
            change()
    assert database.rows(table) == [("bob", ssha("old"))]


# --- passwords --------------------------------------------------------------------------------------------------------

PASSWORDS = Passwords(CHEAP)
STORED = {
    "clear": "secret",
    "md5": MD5,
    "sha": hashlib.sha1(b"secret", usedforsecurity=False).hexdigest(),
    "ssha": ssha("secret").removeprefix("{ssha}"),
    "sha256": hashlib.sha256(b"secret").hexdigest(),
    "md5-crypt": "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
    "des-crypt": PASSWORDS.hash(b"secret", "des-crypt"),
    "bcrypt": PASSWORDS.hash(b"secret", "bcrypt"),
    "sha512-crypt": PASSWORDS.hash(b"secret", "sha512-crypt"),
}


@pytest.mark.parametrize("format_", STORED)
def test_a_changed_password_keeps_the_scheme_and_the_form_of_the_column(
    database: Database, format_: str, tmp_path: Path
) -> None:
    table = maildb(database)
    insert(database, table, "bob", STORED[format_])
    program = served(tmp_path, database, table, f'password_format = "{format_}"')
    assert program.ask("check bob secret") == "+OK bob config 0"
    assert program.ask("check bob Secret").startswith("-ERR ")
    assert program.ask(f"check bob {STORED[format_]}").startswith("-ERR ") or format_ == "clear"
    for request in ("set bob newsecrt", "set new newsecrt"):
        assert program.ask(request).startswith("+OK ")
    for name, stored in database.rows(table):
        assert program.ask(f"check {name} newsecrt") == f"+OK {name} config 0"
        assert program.ask(f"check {name} secret").startswith("-ERR ")
        assert len(stored) == len(STORED[format_]) or name == "new" or format_ == "clear"
        assert stored[:3] == STORED[format_][:3] or not STORED[format_].startswith("$")
        assert "{" not in stored
        assert (stored == "newsecrt") == (format_ == "clear")
    assert "newsecrt" not in program.log()


@pytest.mark.parametrize("form", ["{MD5}", "{SHA}", "{ssha}", "md5-crypt", "bcrypt"])
def test_in_a_column_of_many_forms_each_keeps_its_own(database: Database, form: str, tmp_path: Path) -> None:
    stored = form + STORED[form[1:-1].lower()] if form[0] == "{" else STORED[form]
    table = maildb(database)
    insert(database, table, "bob", stored)
    program = served(tmp_path, database, table)
    assert program.ask("check bob secret") == "+OK bob config 0"
    assert program.ask("set bob changed").startswith("+OK ")
    ((_, now),) = database.rows(table)
    assert now != stored
    assert now[:3] == stored[:3]
    assert program.ask("check bob changed") == "+OK bob config 0"


def test_clear_text_lets_nobody_in_where_the_column_is_not_said_to_hold_it(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    for name, stored in (("bob", "secret"), ("star", "*secret"), ("mark", "!secret"), ("eve", MD5)):
        insert(database, table, name, stored)
    program = served(tmp_path, database, table)
    for name, password in (
        ("bob", "secret"),
        ("star", "secret"),
        ("mark", "secret"),
        ("eve", MD5),
        ("star", "*secret"),
    ):
        assert program.ask(f"check {name} {password}") == f"-ERR {name} password wrong or not a valid user"


def test_in_a_column_of_clear_text_no_look_of_a_hash_is_one(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    for name, stored in (("bob", "*secret"), ("eve", "{CLEAR}x"), ("max", STORED["md5-crypt"]), ("lock", "!")):
        insert(database, table, name, stored)
    program = served(tmp_path, database, table, 'password_format = "clear"')
    for name, stored in database.rows(table):
        assert program.ask(f"check {name} {stored}").startswith("+OK ")
    for name, password in (("bob", "secret"), ("eve", "x"), ("max", "secret")):
        assert program.ask(f"check {name} {password}").startswith("-ERR ")


def test_a_password_never_reaches_log_or_wire_whatever_the_table_refuses(database: Database, tmp_path: Path) -> None:
    table = maildb(
        database, quota="INT CHECK (quota < 1000)", created="TIMESTAMP NOT NULL", more=", CHECK (forward <> 'bad')"
    )
    insert(database, table, "bob", "hunter2hunter2", quota=5, created="2024-01-02 03:04:05")
    program = served(tmp_path, database, table, 'password_format = "clear"')
    wrong = ('quota="2000"', 'fwd="bad"', 'quota="abc"', 'created="x"', 'created=""', 'fwd="' + "x" * 300 + '"', "")
    answers = [program.ask(f"set {name} topsecret {field}") for field in wrong for name in ("bob", "new")]
    assert any(answer.startswith("-ERR ") for answer in answers)
    assert "internal fault" not in program.log()
    for secret in ("topsecret", "hunter2"):
        assert secret not in program.log()
        assert secret not in "\n".join(answers)


ODD_PASSWORDS = [
    "p'w",
    'p"w',
    "p\\w",
    "%s",
    "50%",
    "p;--",
    "$1",
    "?",
    ":a",
    "\xfcn\xef",
    "{CLEAR}x",
    "!x",
    "*x",
    "x" * 100,
]


def test_a_column_of_clear_text_holds_any_password_as_it_is(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    program = served(tmp_path, database, table, 'password_format = "clear"')
    for password in ODD_PASSWORDS:
        assert program.ask(f"set bob {password}") == "+OK bob added to database"
        assert database.rows(table) == [("bob", password)]
        assert program.ask(f"check bob {password}") == "+OK bob config 0"
        assert program.ask(f"check bob {password}x").startswith("-ERR ")


def test_what_another_program_writes_counts_at_once(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    program = served(tmp_path, database, table)
    assert program.ask("check bob secret").startswith("-ERR ")
    insert(database, table, "bob", ssha("secret"), quota=5)
    for _ in range(2):
        assert program.ask("check bob secret") == '+OK bob config 0 quota="5"'
    database.sql(f"UPDATE {table} SET password = %s, quota = 6 WHERE username = 'bob'", ssha("changed"))
    assert program.ask("check bob secret").startswith("-ERR ")
    assert program.ask("check bob changed") == '+OK bob config 0 quota="6"'
    database.sql(f"UPDATE {table} SET mailmask = '10.0.0.1'")
    assert program.ask("check bob changed 10.0.0.2").startswith("-ERR ")
    database.sql(f"UPDATE {table} SET username = 'Robert'")
    assert program.ask("lookup bob") == "-ERR bob does not exist"
    assert program.ask("lookup robert") == '+OK Robert config 0 quota="6"'
    database.sql(f"DELETE FROM {table}")
    assert program.ask("lookup robert") == "-ERR robert does not exist"
    assert program.ask("search *") == "+OK Search Complete 0 items found out of 0"


# --- addresses --------------------------------------------------------------------------------------------------------


def test_an_ip_mask_keeps_a_login_from_elsewhere_out_and_no_look_up(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"), mailmask="192.168.1.*, 10.0.0.7", forward="f")
    insert(database, table, "odd", ssha("secret"), mailmask="somewhere")
    insert(database, table, "any", ssha("secret"), mailmask="")
    with Child(laid_out(tmp_path, database, table)) as child:
        for address in (b"10.0.0.7", b"192.168.1.200", b"::ffff:10.0.0.7"):
            assert child.ask(b"check bob secret " + address) == b'+OK bob config 0 fwd="f"\n'
        for address in (b"10.0.0.8", b"192.168.2.1", b"::1"):
            assert child.ask(b"check bob secret " + address) == b"-ERR bob password wrong or not a valid user\n"
        assert child.ask(b"check bob wrong 10.0.0.7").startswith(b"-ERR ")
        assert child.ask(b"check odd secret 10.0.0.7").startswith(b"-ERR ")
        assert child.ask(b"check any secret 10.0.0.7").startswith(b"+OK ")
        assert child.ask(b"check bob secret").startswith(b"-ERR ")  # from an unknown address
        assert child.ask(b"lookup bob") == b'+OK bob config 0 fwd="f"\n'
        assert child.ask(b"lookup odd") == b"+OK odd config 0\n"
        assert child.ask(b'set bob (NULL) quota="1"').startswith(b"+OK ")
        child.hang_up()
        child.assert_ended_well()
    reasons = [parse_line(line).get("reason") for line in (tmp_path / "nwauth.log").read_text().splitlines()]
    assert "10.0.0.8 is not within 192.168.1.* 10.0.0.7" in reasons
    assert any(reason and reason.startswith("ip_mask cannot be read") for reason in reasons)
    assert database.sql(f"SELECT mailmask FROM {table} WHERE username = 'bob'") == [("192.168.1.*, 10.0.0.7",)]


# --- what a column may say --------------------------------------------------------------------------------------------

HOSTILE = (
    *('"', 'x" admin="1', '" admin="1" y="', 'admin="1"', ' admin="1" ', "x\" admin='1", '="', '""'),
    *(
        "\n+OK root config 0",
        "x\r\n+DATA root",
        "\r",
        "x\ty",
        "\u2028+OK",
        "\x85-ERR",
        "\x1a0A",
        "\x7f",
        "\\",
        "' OR '1'='1",
    ),
    *('/m 0 admin="1"', "0 0 0", "config 0", " ", "+OK", "\x0b\x0c\x1c"),
)


def fields_of(line: str, allowed: Iterable[str]) -> dict[str, str]:
    """The info fields that a server reads in the rest of a line: those that are mapped, and nothing between them."""
    fields = parse_fields(line)
    assert fields.keys() <= set(allowed), line
    return fields


@pytest.mark.parametrize("column", ["forward", "full_name", "maildrop", "uid", "mailmask", "password"])
def test_no_column_can_put_a_field_or_a_line_into_an_answer(database: Database, column: str, tmp_path: Path) -> None:
    table = maildb(database, more=", uid VARCHAR(80)")
    for number, value in enumerate(HOSTILE):
        row: dict[str, object] = {"password": ssha("secret"), "quota": 5, "full_name": "F N"} | {column: value}
        insert(database, table, f"u{number}", **row)  # type: ignore[arg-type]
    mapped = 'uid = "uid"\ninfo = { fwd = "forward", full_name = "full_name", quota = "quota" }'
    program = served(tmp_path, database, table, mapped=mapped)
    for number in range(len(HOSTILE)):
        for request in (f"lookup u{number}", f"check u{number} secret 10.0.0.7"):
            answer = program.ask(request)
            assert "\n" not in answer
            assert answer.isprintable() or set(answer) & {"\u2028", "\x85"}
            if not answer.startswith("+OK "):
                assert request.startswith("check") or answer.startswith("-DEAD ")
                continue
            _, name, drop_path, uid, *_ = answer.split(" ", 4)
            assert name == f"u{number}"
            assert drop_path
            assert uid
            fields = fields_of(answer.partition(f"{name} {drop_path} {uid}")[2].lstrip(), ("fwd", "full_name", "quota"))
            assert fields["quota"] == "5"
    listing = program.ask("search u").split("\n")
    assert (
        listing[-1] == f"+OK Search Complete {len(HOSTILE)} items found out of {len(HOSTILE)}"
        or listing[-1][:5] == "-DEAD"
    )
    for line in listing[:-1]:
        assert line.startswith("+DATA u")
        fields_of(line.partition(" ")[2].partition(" ")[2], ("fwd", "full_name", "quota"))


@pytest.mark.parametrize("name", ['x admin="1"', 'x" admin="1', "x\n+OK root", "x\r", 'config 0 admin="1"', "x\x00y"])
def test_no_name_can_put_a_field_or_a_line_into_a_listing(database: Database, name: str, tmp_path: Path) -> None:
    if "\0" in name and database.kind == "postgres":
        pytest.skip("PostgreSQL holds no NUL")
    table = maildb(database)
    insert(database, table, name, ssha("secret"), quota=5)
    insert(database, table, "eve", ssha("secret"))
    program = served(tmp_path, database, table)
    lines = program.ask("search *").split("\n")
    assert all(is_final(line.encode()) == (line is lines[-1]) for line in lines)
    assert lines[0] == "+DATA eve" or lines[1] == "+DATA eve"
    assert not any('admin="1"' in line for line in lines)


def test_what_a_column_holds_is_kept_when_another_is_written(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    odd = 'say "hi"\nand\r\tgo'
    insert(database, table, "bob", ssha("secret"), full_name=odd, forward=" x", quota=5)
    program = served(tmp_path, database, table)
    assert program.ask('set bob changed quota="6"').startswith("+OK ")
    assert database.rows(table, "full_name, forward, quota") == [(odd, " x", 6)]
    assert program.ask('set bob changed full_name="plain"').startswith("+OK ")
    assert database.rows(table, "full_name, forward, quota") == [("plain", " x", 6)]


def test_a_statement_in_a_name_or_a_value_is_text(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"))
    program = served(tmp_path, database, table, mapped='forward = "forward"')
    hostile = (
        f"x';DROP/**/TABLE/**/{table};--", "'OR'1'='1", "bob'--", "bob\\", "\\'", "%s", "%(x)s", "?", "$1", "{0}",
        "bob%", "b_b", "%", ":name", "';EXECUTE/**/nwauth_1;--",
    )  # fmt: skip
    for word in hostile:
        assert program.ask(f"lookup {word}") == f"-ERR {word} does not exist"
        assert program.ask(f"check {word} x").startswith("-ERR ")
        assert program.ask(f"del {word}") == f"-ERR {word} does not exist"
        assert program.ask(f'set bob (NULL) fwd="{word}"').startswith("+OK ")
        assert program.ask("lookup bob") == f'+OK bob config 0 fwd="{word}"'
        assert program.service.store.put(someone(word, info=f'fwd="{word}"'))
        assert found(program.service.store, word).info.text == f'fwd="{word}"'
        assert program.service.store.delete(word)
    assert [name for name, _ in database.rows(table)] == ["bob"]


# --- mappings that are wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["name", "info"])
def test_a_column_that_lacks_is_named_at_the_start_in_the_log_and_by_init(
    database: Database, key: str, tmp_path: Path
) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"))
    laid_out(tmp_path, database, table, mapped="")
    text = (tmp_path / "nwauth.toml").read_text()
    wrong = 'info = { shoe = "no_such_column" }' if key == "info" else f'{key} = "no_such_column"'
    lines = [line for line in text.splitlines() if not line.startswith(f"{key} =")]
    lines.insert(lines.index("[stores.columns]") + 1, wrong)
    (tmp_path / "nwauth.toml").write_text("\n".join(lines))
    with Child(tmp_path) as child:
        log = tmp_path / "nwauth.log"
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"), "a child tells it before it is asked")
        told = parse_line(log.read_text().splitlines()[0])
        assert (told["command"], told["state"]) == ("store", "down")
        assert "no_such_column" in told["reason"]
        assert "[stores.columns]" in told["reason"]
        for request in (b"lookup bob", b"check bob secret", b"set bob x", b"set new x", b"del bob", b"search *"):
            assert child.ask(request).startswith(b"-DEAD "), request
    for words in (("init",), ("init", "--dry-run"), ("user", "list")) if key == "info" else (("init",),):
        done = run(str(tmp_path), *words)
        assert done.status == 75, words
        assert "no_such_column" in done.err
        assert "Traceback" not in done.err
    assert database.rows(table) == [("bob", ssha("secret"))]


def test_a_table_that_lacks_is_named_at_the_start_and_by_init(database: Database, tmp_path: Path) -> None:
    if database.kind == "sqlite":
        database.sql("CREATE TABLE something (x INT)")
    laid_out(tmp_path, database, "no_such_table")
    with Child(tmp_path) as child:
        assert child.ask(b"lookup bob").startswith(b"-DEAD ")
    assert "no_such_table" in (tmp_path / "nwauth.log").read_text()
    done = run(str(tmp_path), "init")
    assert done.status == 75
    assert "no_such_table" in done.err


def test_init_keeps_a_table_that_is_as_it_should_be(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"))
    before = database.rows(table, "*")
    done = run(str(laid_out(tmp_path, database, table)), "init", "--format", "ndjson")
    assert done.status == 0
    assert [line.split('"change":')[1].split('"')[1] for line in done.out.replace(": ", ":").splitlines()] == [
        "kept"
    ] * 3
    assert database.rows(table, "*") == before
    assert database.sql(f"SELECT count(*) FROM {table}") == [(1,)]


def test_a_column_may_be_spelled_as_the_database_lets_it(tmp_path: Path) -> None:
    for kind in ("sqlite", "mariadb"):  # for them a name of a column has no case
        database = open_database(kind, tmp_path)
        table = maildb(database)
        insert(database, table, "bob", ssha("secret"), forward="x")
        columns = Columns(name="UserName", password="PASSWORD", info={"fwd": "Forward"})
        store = opened(database, table, columns)
        assert found(store, "BOB").info.text == 'fwd="x"'
        assert not store.make()


def test_a_table_in_another_schema_is_served(database: Database, tmp_path: Path) -> None:
    other = unique("other")
    match database.kind:
        case "sqlite":
            other = "main"
        case "postgres":
            database.sql(f"CREATE SCHEMA {other}")
            database.sql(f"GRANT USAGE ON SCHEMA {other} TO {USER}")
            database.sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {other} GRANT ALL ON TABLES TO {USER}")
        case _:
            database.sql(f"CREATE DATABASE {other} CHARACTER SET utf8mb4")
            database.sql(f"GRANT ALL ON {other}.* TO {USER}@'%'")
    table = maildb(database, table=f"{other}.maildb")
    insert(database, table, "Bob", ssha("secret"), forward="fred")
    program = served(tmp_path, database, table)
    assert program.ask("check bob secret") == '+OK Bob config 0 fwd="fred"'
    assert program.ask('set bob new fwd="x"').startswith("+OK ")
    assert program.ask("set other new").startswith("+OK ")
    assert program.ask("del bob").startswith("+OK ")
    assert program.ask("search *") == "+DATA other\n+OK Search Complete 1 items found out of 1"
    assert run(str(tmp_path), "init", "--quiet") == (0, "", "")


def test_a_view_is_read(database: Database, tmp_path: Path) -> None:
    table = maildb(database)
    insert(database, table, "Bob", ssha("secret"), quota=5)
    view = unique("view")
    database.sql(f"CREATE VIEW {view} AS SELECT * FROM {table} WHERE quota > 1")
    program = served(tmp_path, database, view, "read_only = true")
    assert program.ask("check bob secret") == '+OK Bob config 0 quota="5"'
    assert program.ask("lookup eve") == "-ERR eve does not exist"
    assert program.ask("search *") == '+DATA Bob quota="5"\n+OK Search Complete 1 items found out of 1'


def test_a_row_that_cannot_be_computed_is_never_an_absent_user(tmp_path: Path) -> None:
    database = open_database("postgres", tmp_path)
    table = maildb(database)
    insert(database, table, "bob", ssha("secret"), quota=0)
    view = unique("view")
    given = "username, password, forward, 100 / quota AS quota, mailmask, maildrop, created, full_name"
    database.sql(f"CREATE VIEW {view} AS SELECT {given} FROM {table}")
    program = served(tmp_path, database, view)
    for request in ("lookup bob", "check bob secret", "search *"):
        assert program.ask(request).startswith("-DEAD "), request


# The configuration refuses names with %, " and `.
@pytest.mark.parametrize("name", ["User name", "select", "ap'os", "what?", "a:b", "back\\slash", "$1--"])
def test_a_table_and_its_columns_may_have_any_names(database: Database, name: str) -> None:
    table = unique(f"t {name}")
    columns = Columns(name=name, password=f"p {name}", info={"fwd": f"f {name}"})
    typed = ", ".join(f"{database.quote(column)} VARCHAR(80)" for column in columns.mapped())
    database.sql(f"CREATE TABLE {database.quote(table)} ({typed})")
    store = opened(database, table, columns)
    assert not store.make()
    assert store.put(someone("Bob", info='fwd="x"'))
    bob = found(store, "bob")
    assert (bob.name, bob.info.text) == ("Bob", 'fwd="x"')
    assert store.lookup("eve") is None
    assert store.replace(bob, bob.changed(info=Info('fwd="y"')))
    assert store.put_all([someone("bob"), someone("eve")]) == [someone("bob")]
    assert [user.name for user in store.search()] == ["Bob", "eve"]
    assert [(user.name, user.info.text) for user in store.search("b*")] == [("Bob", 'fwd="y"')]
    assert store.count() == 2
    assert store.delete("BOB")
    assert store.lookup("bob") is None
