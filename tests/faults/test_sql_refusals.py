"""A database that is there, but locked, full, read-only or wrong: \"cannot tell\", and the reason once in the log."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pymysql
import pytest

from tests.commands.common import run
from tests.databases.postgres import Postgres
from tests.databases.server import PASSWORD, USER
from tests.faults.databases import (
    ALL,
    CHANGES,
    MAX_CONNECTIONS,
    NOBODY,
    RESUMED_SECONDS,
    SHORT,
    SHORT_SECONDS,
    Database,
    Folder,
    assert_breaker,
    assert_dead,
    assert_ends_well,
    assert_resumes,
    connected,
    end_connections,
    fill,
    initialise,
    new_database,
    seconds_until,
    small_disk,
)

if TYPE_CHECKING:
    from pathlib import Path


# There, but not for us.


def test_out_of_connections_it_says_dead_until_one_is_free(server: Database, folder: Folder) -> None:
    held: list[Any] = []
    try:
        with pytest.raises((psycopg2.OperationalError, pymysql.OperationalError), match=r"(?i)slots|too many"):
            held.extend(connected(folder.url) for _ in range(MAX_CONNECTIONS + 1))
        with folder.child() as child:
            assert_dead(child, *ALL)
            held.pop().close()
            assert_resumes(child)
            assert_ends_well(child)
    finally:
        for connection in held:
            connection.close()
    folder.assert_told_once("slots" if isinstance(server, Postgres) else "connections")


@pytest.mark.parametrize("row", ["of the user", "of nobody"])
def test_while_a_row_is_locked_look_ups_go_on_and_a_change_says_dead_in_time(folder: Folder, row: str) -> None:
    name = "bob" if row == "of the user" else "eve"
    two_seconds = Folder(folder.path.with_name("locked"), folder.url, statement_timeout_seconds=2 * SHORT_SECONDS)
    with two_seconds.child() as child, closing(connected(folder.url)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        if name == "bob":
            cursor.execute("SELECT name FROM accounts WHERE name_key = 'bob' FOR UPDATE")
        else:
            cursor.execute(
                "INSERT INTO accounts (name_key, name, stored_password, info) VALUES ('eve', 'eve', '!', '')"
            )
        assert_dead(child, f"set {name} other".encode())
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        assert child.ask(b"check bob wrong").startswith(b"-ERR ")
        if name == "bob":
            assert_dead(child, b"del bob")
        cursor.execute("ROLLBACK")
        assert child.ask(b"check bob secret").startswith(b"+OK bob ")
        assert child.ask(b"lookup eve") == b"-ERR eve does not exist\n"
        assert_resumes(child)
        assert_ends_well(child)
    two_seconds.assert_told_once("a row is locked by another")


def test_while_the_table_is_locked_all_say_dead_in_time(server: Database, folder: Folder) -> None:
    lock, unlock = (
        ("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE", "ROLLBACK")
        if isinstance(server, Postgres)
        else ("LOCK TABLES accounts WRITE", "UNLOCK TABLES")
    )
    with folder.child() as child, closing(connected(folder.url)) as other, other.cursor() as cursor:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        cursor.execute(lock)
        assert_dead(child, b"lookup bob", b"check nobody secret", b"set bob other", b"search *")
        cursor.execute(unlock)
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once()


def test_read_only_it_may_say_yes_never_no_and_changes_say_dead(server: Database, folder: Folder) -> None:
    with ExitStack() as stack:
        if isinstance(server, Postgres):
            url = stack.enter_context(server.standby()).url(folder.url.rpartition("/")[2])
        else:
            url = folder.url
            server.sql("SET GLOBAL read_only = 1")
            stack.callback(server.sql, "SET GLOBAL read_only = 0")
        apart = Folder(folder.path.with_name("apart"), url, made=False, **SHORT)
        child = stack.enter_context(apart.child())
        assert child.ask(b"lookup BOB").startswith(b"+OK bob ")
        assert child.ask(b"check bob secret").startswith(b"+OK bob ")
        assert_dead(child, b"lookup nobody", b"check nobody secret", b"check bob wrong", *CHANGES, b"search *")
        assert_dead(child, b"lookup nobody", b"check nobody secret", b"check bob wrong", *CHANGES, b"search *")
        assert_ends_well(child)
    apart.assert_told_once("replica")


def test_on_a_full_disk_look_ups_go_on_and_a_change_says_dead(server: Database, folder: Folder) -> None:
    disk = server.folder / new_database(server)
    with small_disk(disk, kilobytes=4096, user=NOBODY), folder.child() as child:
        put_accounts_on(server, folder.url.rpartition("/")[2], disk)
        assert child.ask(b"set bob secret").startswith(b"+OK bob ")
        fill(disk / "fill")
        try:
            replies = [child.ask(b'set n%d secret info="%s"' % (n, b"y" * 4000)) for n in range(40)]
            assert {reply[:4] for reply in replies} <= {b"+OK ", b"-DEA"}
            assert replies[-1].startswith(b"-DEAD ")
            assert child.ask(b"lookup bob").startswith(b"+OK bob ")
            assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
            (disk / "fill").unlink()
            stored = [child.ask(b"lookup n%d" % n).startswith(b"+OK ") for n in range(40)]
            assert stored == [reply.startswith(b"+OK ") for reply in replies]
            assert_resumes(child)
            assert_ends_well(child)
        finally:
            drop(server, folder.url.rpartition("/")[2])
    folder.assert_told_once()


def put_accounts_on(server: Database, database: str, disk: Path) -> None:
    if isinstance(server, Postgres):
        server.sql(f"CREATE TABLESPACE small LOCATION '{disk}'", database="postgres")
        server.sql("ALTER TABLE accounts SET TABLESPACE small", database=database)
    else:
        made = server.sql("SHOW CREATE TABLE accounts", database=database)[0][1]
        server.sql("DROP TABLE accounts", database=database)
        server.sql(f"{made} DATA DIRECTORY = '{disk}'", database=database)


def drop(server: Database, database: str) -> None:
    server.sql("DROP TABLE accounts", database=database)
    if isinstance(server, Postgres):
        server.sql("DROP TABLESPACE small", database="postgres")


def test_without_a_schema_it_says_dead_until_init_has_made_it(server: Database, database: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "users", server.url(database), made=False, **SHORT)
    with folder.child() as child:
        assert_dead(child, *ALL)
        initialise(folder.path)
        assert seconds_until(child, b"lookup bob", b"-ERR bob does not exist") < RESUMED_SECONDS
        assert child.ask(b"set bob secret").startswith(b"+OK bob ")
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once("run nwauth init")


def test_without_its_database_it_says_dead_until_there_is_one(server: Database, folder: Folder) -> None:
    database = folder.url.rpartition("/")[2]
    server.sql(f"DROP DATABASE {database}", database="postgres" if isinstance(server, Postgres) else "mysql")
    with folder.child() as child:
        assert_dead(child, *ALL)
        assert_ends_well(child)
    folder.assert_told_once(database)


def test_with_a_wrong_password_it_says_dead_and_the_log_does_not_hold_it(server: Database, folder: Folder) -> None:
    wrong = Folder(folder.path.with_name("wrong"), folder.url.replace(PASSWORD, "mistyped"), made=False, **SHORT)
    with wrong.child() as child:
        assert_dead(child, *ALL)
        assert_breaker(child)
        assert_ends_well(child)
    wrong.assert_told_once("authentication failed" if isinstance(server, Postgres) else "denied")
    assert "mistyped" not in (wrong.path / "nwauth.log").read_text()


def test_a_changed_password_of_the_role_ends_no_service_and_is_told_when_it_must_connect_anew(
    server: Database, folder: Folder
) -> None:
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        try:
            set_role_password(server, "changed")
            assert child.ask(b"check bob secret").startswith(b"+OK bob ")
            end_connections(server)
            assert_dead(child, *ALL)
        finally:
            set_role_password(server, PASSWORD)
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once("authentication failed" if isinstance(server, Postgres) else "denied")


def set_role_password(server: Database, password: str) -> None:
    if isinstance(server, Postgres):
        server.sql(f"ALTER ROLE {USER} PASSWORD '{password}'")
    else:
        server.sql(f"ALTER USER {USER}@'%' IDENTIFIED BY '{password}'")


def leave_reading_alone(server: Database, folder: Folder) -> None:
    database = folder.url.rpartition("/")[2]
    if isinstance(server, Postgres):
        server.sql(f"ALTER TABLE accounts OWNER TO postgres; GRANT SELECT ON accounts TO {USER}", database=database)
    else:
        server.sql(f"REVOKE ALL ON {database}.* FROM {USER}@'%'")
        server.sql(f"GRANT SELECT ON {database}.* TO {USER}@'%'")


def test_with_rights_to_read_alone_look_ups_go_on_and_a_change_says_dead(server: Database, folder: Folder) -> None:
    leave_reading_alone(server, folder)
    with folder.child() as child:
        assert_dead(child, *CHANGES, *CHANGES)
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        assert child.ask(b"check bob wrong").startswith(b"-ERR ")
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        assert_ends_well(child)
    folder.assert_told_once("denied")


def test_rights_to_read_alone_are_found_by_doctor_unless_the_store_is_read_only(
    server: Database, folder: Folder
) -> None:
    def found() -> list[str]:
        rows = run(str(folder.path), "doctor").records()
        return [row["what"] for row in rows if row["id"] == "changes-denied"]

    assert found() == []
    leave_reading_alone(server, folder)
    (what,) = found()
    assert what.startswith("store sql: the account in url lacks the right to INSERT and UPDATE and DELETE: ")
    assert "denied" in what
    settings = folder.path / "nwauth.toml"
    settings.write_text(settings.read_text().replace("[[stores]]", "[[stores]]\nread_only = true"))
    assert found() == []
