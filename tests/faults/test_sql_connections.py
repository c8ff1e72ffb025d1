"""The one connection of a child: lost, cut within a transaction, forgotten by a firewall, led to another server."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nwauth.stores.sql import SqlStore
from tests.commands.common import run
from tests.databases.postgres import Postgres
from tests.faults.cutting import CuttingProxy
from tests.faults.databases import (
    RESUMED_SECONDS,
    SHORT,
    SHORT_DEADLINE_SECONDS,
    Database,
    Folder,
    Timed,
    assert_dead,
    assert_ends_well,
    assert_resumes,
    breakable,
    end_connections,
    initialise,
    new_database,
    seconds_until,
    with_bob,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases.proxy import Proxy
    from tests.serving import Child


OLD = "{ssha}jBSRvdLP2O1v9NRaM+TM7nZndzFhYmNk"  # "old"
MOST_MESSAGES = 30


@pytest.fixture
def proxy(server: Database) -> Iterator[CuttingProxy]:
    with CuttingProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def folder(server: Database, proxy: Proxy, tmp_path: Path) -> Folder:
    """Served through the proxy; it holds bob."""
    return with_bob(Folder(tmp_path / "users", server.url(new_database(server), port=proxy.port), **SHORT))


def database_of(folder: Folder) -> str:
    return folder.url.rpartition("/")[2]


# Lost while idle.


@pytest.mark.parametrize("way", ["cut", "ended by the server"])
def test_a_connection_lost_while_idle_costs_one_try_more_and_nobody_hears_of_it(
    server: Database, folder: Folder, proxy: Proxy, way: str
) -> None:
    with folder.child() as child:
        for request, reply in (
            (b"lookup bob", b"+OK bob config 0\n"),
            (b"check bob secret", b"+OK bob config 0\n"),
            (b"check bob wrong", b"-ERR bob password wrong or not a valid user\n"),
            (b"lookup nobody", b"-ERR nobody does not exist\n"),
            (b"set bob secret", b"+OK bob added to database\n"),
            (b"set eve secret", b"+OK eve added to database\n"),
            (b"del eve", b"+OK eve deleted\n"),
            (b"search b*", b"+DATA bob\n+OK Search Complete 1 items found out of 1\n"),
        ):
            assert child.ask(b"lookup bob") == b"+OK bob config 0\n"
            if way == "cut":
                proxy.cut()
            else:
                end_connections(server)
            assert child.ask(request) == reply
        assert_ends_well(child)
    assert folder.log() == []


def test_a_connection_that_a_firewall_has_forgotten_is_tried_before_it_is_trusted(folder: Folder, proxy: Proxy) -> None:
    with folder.child(patch="from nwauth.stores.sql import link; link.IDLE_SECONDS = -1") as child:
        for request, reply in (
            (b"lookup bob", b"+OK bob "),
            (b"set bob secret", b"+OK bob "),
            (b"del bob", b"+OK bob "),
        ):
            assert child.ask(b"lookup bob").startswith(b"+OK bob ")
            proxy.blackhole()
            timed = Timed(child, request)
            assert timed.reply.startswith(reply)
            assert timed.seconds < SHORT_DEADLINE_SECONDS
        assert_ends_well(child)
    assert folder.log() == []


def test_a_connection_forgotten_in_use_costs_one_time_out(folder: Folder, proxy: Proxy) -> None:
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        proxy.blackhole()
        assert_dead(child, b"lookup bob")
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once()


# Cut at each message of a request.


def cut_everywhere(
    folder: Folder, proxy: CuttingProxy, child: Child, request: bytes, *, answer: bool
) -> Iterator[bytes]:
    """The reply to a request that was cut at its 1st message, its 2nd, and so on to the last."""
    for number in range(1, MOST_MESSAGES):
        assert seconds_until(child, b"lookup bob", b"+OK bob ") < RESUMED_SECONDS
        proxy.cut_at(number, answer=answer)
        timed = Timed(child, request)
        assert timed.seconds < SHORT_DEADLINE_SECONDS
        if not proxy.has_cut:
            proxy.cut_at(0, answer=answer)
            assert number > 3
            return
        yield timed.reply
    raise AssertionError(f"{request!r} took over {MOST_MESSAGES} messages; {folder.log()}")


def fresh(child: Child, request: bytes, *replies: bytes) -> bytes:
    """What is said when all is well again."""
    said = child.ask(request)
    while said.startswith(b"-DEAD "):
        said = child.ask(request)
    assert said in replies, said
    return said


@pytest.mark.parametrize("answer", [False, True])
def test_a_set_that_is_cut_anywhere_is_done_or_said_not_to_be_known(
    folder: Folder, proxy: CuttingProxy, *, answer: bool
) -> None:
    dead = 0
    with folder.child() as child, folder.child() as witness:
        for step, reply in enumerate(cut_everywhere(folder, proxy, child, b"set bob new", answer=answer)):
            assert reply == b"+OK bob added to database\n" or reply.startswith(b"-DEAD "), (step, reply)
            if reply.startswith(b"+OK"):
                fresh(witness, b"check bob new", b"+OK bob config 0\n")
            else:
                dead += 1
                both = (
                    fresh(witness, b"check bob new", b"+OK bob config 0\n", WRONG),
                    fresh(witness, b"check bob secret", b"+OK bob config 0\n", WRONG),
                )
                assert sorted(both) == [b"+OK bob config 0\n", WRONG]
            fresh(witness, b"set bob secret", b"+OK bob added to database\n")
        assert dead == 1, "only what is cut at the very end cannot be told"
        assert_ends_well(child)
        assert_ends_well(witness)


WRONG = b"-ERR bob password wrong or not a valid user\n"


@pytest.mark.parametrize("answer", [False, True])
def test_an_addition_that_is_cut_anywhere_is_made_once_or_said_not_to_be_known(
    folder: Folder, proxy: CuttingProxy, *, answer: bool
) -> None:
    with folder.child() as child, folder.child() as witness:
        for step, reply in enumerate(cut_everywhere(folder, proxy, child, b"set Eve secret", answer=answer)):
            assert reply == b"+OK Eve added to database\n" or reply.startswith(b"-DEAD "), (step, reply)
            there = fresh(witness, b"lookup eve", b"+OK Eve config 0\n", b"-ERR eve does not exist\n")
            assert there.startswith(b"+OK") or reply.startswith(b"-DEAD ")
            fresh(witness, b"del eve", b"+OK eve deleted\n", b"-ERR eve does not exist\n")
        assert_ends_well(child)
        assert_ends_well(witness)


@pytest.mark.parametrize("answer", [False, True])
def test_a_deletion_that_is_cut_anywhere_is_done_or_said_not_to_be_known(
    folder: Folder, proxy: CuttingProxy, *, answer: bool
) -> None:
    with folder.child() as child, folder.child() as witness:
        fresh(witness, b"set eve secret", b"+OK eve added to database\n")
        for step, reply in enumerate(cut_everywhere(folder, proxy, child, b"del eve", answer=answer)):
            assert reply == b"+OK eve deleted\n" or reply.startswith(b"-DEAD "), (step, reply)
            there = fresh(witness, b"lookup eve", b"+OK eve config 0\n", b"-ERR eve does not exist\n")
            assert there.startswith(b"-ERR") or reply.startswith(b"-DEAD ")
            fresh(witness, b"set eve secret", b"+OK eve added to database\n")
        assert_ends_well(child)
        assert_ends_well(witness)


@pytest.mark.parametrize("answer", [False, True])
def test_a_login_whose_upgrade_is_cut_anywhere_succeeds(
    server: Database, folder: Folder, proxy: CuttingProxy, *, answer: bool
) -> None:
    for number in range(1, MOST_MESSAGES):
        set_field(server, folder, OLD)
        with folder.child() as child:  # a new one: upgrades take a tenth of a child's time at most
            assert child.ask(b"lookup bob") == b"+OK bob config 0\n"
            proxy.cut_at(number, answer=answer)
            assert child.ask(b"check bob old") == b"+OK bob config 0\n"
            if not proxy.has_cut:
                break
            assert_ends_well(child)
    assert number > 3


def set_field(server: Database, folder: Folder, field: str) -> None:
    database = database_of(folder)
    server.sql("UPDATE accounts SET stored_password = %s WHERE name_key = 'bob'", [field], database=database)


# Led elsewhere: poolers, tables that change while they are served.


def test_behind_a_pooler_that_forgets_prepared_statements_look_ups_go_on() -> None:
    server = breakable("postgres")
    notices: list[dict[str, object]] = []
    with closing(SqlStore(server.url(new_database(server)), notice=notices.append)) as store:
        store.make()
        assert store.lookup("nobody") is None
        for _ in range(3):
            with store._reader._connection.cursor() as cursor:
                cursor.execute("DISCARD ALL")  # what pgbouncer does before it gives the connection to another
            assert store.lookup("nobody") is None
            assert not store.delete("nobody")
    assert notices == []


def test_a_table_that_is_dropped_and_made_again_is_served_again(server: Database, folder: Folder) -> None:
    database = database_of(folder)
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        server.sql("DROP TABLE accounts", database=database)
        requests = (
            b"lookup bob",
            b"lookup nobody",
            b"check bob wrong",
            b"set bob secret",
            b"set eve secret",
            b"del bob",
        )
        assert_dead(child, *requests, b"search *")
        server.sql("DROP TABLE nwauth_schema", database=database)
        initialise(folder.path)
        assert seconds_until(child, b"lookup bob", b"-ERR bob does not exist\n") < RESUMED_SECONDS
        assert child.ask(b"set bob secret").startswith(b"+OK")
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once("run nwauth init")


def test_init_makes_a_table_again_that_was_dropped(server: Database, folder: Folder) -> None:
    server.sql("DROP TABLE accounts", database=database_of(folder))
    initialise(folder.path)
    with folder.child() as child:
        assert child.ask(b"lookup bob") == b"-ERR bob does not exist\n"
        assert child.ask(b"set bob secret").startswith(b"+OK")
        assert_ends_well(child)


def test_a_table_may_be_altered_while_it_is_served(server: Database, folder: Folder) -> None:
    words = "ALTER COLUMN uid TYPE text" if isinstance(server, Postgres) else "MODIFY COLUMN uid TEXT NOT NULL"
    with folder.child() as child:
        for number, change in enumerate(("ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT 'x'", words)):
            assert child.ask(b"check bob secret").startswith(b"+OK bob config 0\n")
            server.sql(f"ALTER TABLE accounts {change}", database=database_of(folder))
            assert child.ask(b"check bob secret") == b"+OK bob config 0\n"
            assert child.ask(b"set eve%d secret" % number) == b"+OK eve%d added to database\n" % number
            assert child.ask(b"lookup EVE%d" % number) == b"+OK eve%d config 0\n" % number
        assert_ends_well(child)
    assert folder.log() == []


# A whole plan.


@pytest.mark.parametrize("answer", [False, True], ids=["request lost", "answer lost"])
def test_an_apply_that_is_cut_off_at_any_message_says_nothing_is_changed_where_nothing_is(
    folder: Folder, proxy: CuttingProxy, *, answer: bool
) -> None:
    said = Counter[str]()
    for number in range(1, MOST_MESSAGES):
        plan = "".join(f'{{"name": "{name}{number}", "password_hash": "{OLD}"}}\n' for name in ("ann", "eve"))
        proxy.cut_at(number, answer=answer)
        done = run(str(folder.path), "apply", "-", "--input", "ndjson", "--quiet", "--summary", stdin=plan.encode())
        if not proxy.has_cut:
            break
        there = run(str(folder.path), "user", "show", f"eve{number}").status == 0
        assert run(str(folder.path), "user", "show", f"ann{number}").status == (0 if there else 1)
        assert "Traceback" not in done.err
        if done.status == 0:
            said["done"] += 1
            assert there
        else:
            assert done.status == 75, done
            said["nothing" if "nothing is changed" in done.err else "untold"] += 1
            assert not there or "nothing is changed" not in done.err, done
            assert there or "nothing is changed" in done.err, done
    else:
        raise AssertionError("it never ended uncut")
    assert said["nothing"] >= 2


def test_an_apply_whose_database_goes_away_while_it_is_given_the_users_says_nothing_is_changed(
    folder: Folder, proxy: CuttingProxy
) -> None:
    plan = "".join(f'{{"name": "user{number}", "password_hash": "{OLD}"}}\n' for number in range(50_000))
    proxy.cut_at(15, answer=False, stays_away=True)
    done = run(str(folder.path), "apply", "-", "--input", "ndjson", "--summary", stdin=plan.encode())
    assert (done.status, done.out) == (75, "")
    assert "; nothing is changed; " in done.err
    proxy.open()
    assert [json.loads(line)["user"] for line in run(str(folder.path), "user", "list").out.splitlines()] == ["bob"]
    done = run(str(folder.path), "apply", "-", "--input", "ndjson", "--summary", stdin=plan.encode())
    assert (done.status, json.loads(done.out)["created"]) == (0, 50_000)


def test_a_listing_that_is_cut_off_amid_its_users_ends_with_one_line_that_says_so(
    folder: Folder, proxy: CuttingProxy
) -> None:
    plan = "".join(f'{{"name": "user{number}", "password_hash": "{OLD}"}}\n' for number in range(50_000))
    assert run(str(folder.path), "apply", "-", "--input", "ndjson", "--quiet", stdin=plan.encode()).status == 0
    proxy.cut_at(30, answer=True)
    done = run(str(folder.path), "user", "list")
    assert proxy.has_cut
    assert (done.status, len(done.err.splitlines())) == (75, 1), done.err
    assert len(done.out.splitlines()) < 50_000


def test_an_undo_that_is_cut_off_at_any_message_says_that_the_step_stands_where_it_does(
    folder: Folder, proxy: CuttingProxy
) -> None:
    plan = "".join(f'{{"name": "{name}", "password_hash": "{OLD}"}}\n' for name in ("ann", "eve"))
    said = Counter[str]()
    for number in range(1, MOST_MESSAGES):
        run(str(folder.path), "apply", "-", "--input", "ndjson", "--quiet", stdin=plan.encode())
        proxy.cut_at(number, answer=False)
        done = run(str(folder.path), "undo", "--yes", "--quiet")
        if not proxy.has_cut:
            break
        there = run(str(folder.path), "user", "show", "ann").status == 0
        assert run(str(folder.path), "user", "show", "eve").status == (0 if there else 1)
        assert (done.status == 0) is not there, done
        if there:
            assert done.status == 75
            said["stands" if "stands as it did, and nwauth undo " in done.err else "look"] += 1
            assert "stands as it did" in done.err or "undo --list shows whether" in done.err, done
    else:
        raise AssertionError("it never ended uncut")
    assert said["stands"] > said["look"]  # at the commit alone it cannot be told
