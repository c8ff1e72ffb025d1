"""Replicas: they say yes and never no, look-ups go on without the primary, and writes resume on the promoted one."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest

from tests.databases.postgres import Postgres
from tests.databases.processes import wait_until
from tests.faults.databases import (
    AT_ONCE_SECONDS,
    CHANGES,
    RESUMED_SECONDS,
    SHORT,
    Folder,
    Timed,
    assert_breaker,
    assert_dead,
    assert_ends_well,
    new_database,
    replicated,
    seconds_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Child


def hosts(*servers: Postgres, database: str, options: str = "") -> str:
    """A URL that names them all, the first being asked first."""
    head, _, _ = servers[0].url(database).partition("127.0.0.1")
    return head + ",".join(f"127.0.0.1:{server.port}" for server in servers) + f"/{database}{options}"


class Pair(NamedTuple):
    """A primary and a replica of it, and a database with bob on both."""

    primary: Postgres
    replica: Postgres
    database: str

    def caught_up(self) -> None:
        self.primary.wait_replayed(self.replica)


def with_users(pair: Pair, path: Path) -> Pair:
    """In a database of its own, which the replica has too."""
    database = new_database(pair.primary)
    with Folder(path, pair.primary.url(database)).child() as child:
        for name in (b"bob", b"ann", b"carl"):
            assert child.ask(b"set %s secret" % name).startswith(b"+OK")
    pair.replica.resume_replay()
    pair.caught_up()
    return pair._replace(database=database)


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[Pair]:
    """A pair for a test that promotes the replica."""
    with Postgres() as primary, primary.standby() as replica:
        yield with_users(Pair(primary, replica, ""), tmp_path / "primary")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A pair for a test that brings back what it takes down."""
    primary, replica = replicated()
    yield with_users(Pair(primary, replica, ""), tmp_path / "primary")
    replicated()


def served_from(pair: Pair, tmp_path: Path, options: str = "") -> Folder:
    """A folder served from both hosts."""
    return Folder(
        tmp_path / "users",
        hosts(pair.primary, pair.replica, database=pair.database, options=options),
        made=False,
        **SHORT,
    )


# Fail-over.


class Load:
    """Children that are asked all the time, each from a thread of its own; every reply is kept."""

    def __init__(self, folder: Folder, *requests: bytes) -> None:
        self._children = [(folder.child(), request) for request in requests]
        self.replies: dict[bytes, list[bytes]] = {request: [] for request in requests}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=asked) for asked in self._children]

    def _ask(self, child: Child, request: bytes) -> None:
        replies = self.replies[request]
        while not self._ended.is_set():
            replies.append(child.ask(request))
        assert_ends_well(child)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for child, _request in self._children:
            child.__exit__(None, None, None)

    def wait(self, request: bytes, reply: bytes, times: int = 5) -> None:
        """Until this request gets such replies, from now on."""
        replies, start = self.replies[request], len(self.replies[request])
        wait_until(lambda: sum(said.startswith(reply) for said in replies[start:]) >= times, f"{request!r}: {reply!r}")


def test_when_the_primary_dies_under_load_the_replica_answers_and_after_promotion_takes_the_writes(
    own_pair: Pair, tmp_path: Path
) -> None:
    lookup, check, wrong, write = b"lookup bob", b"check ann secret", b"check ann wrong", b"set carl secret"
    unknown = b"lookup nobody"
    with Load(served := served_from(own_pair, tmp_path), lookup, check, wrong, write, unknown) as load:
        for request, reply in (
            (lookup, b"+OK"),
            (check, b"+OK"),
            (wrong, b"-ERR"),
            (write, b"+OK"),
            (unknown, b"-ERR"),
        ):
            load.wait(request, reply)
        own_pair.caught_up()
        own_pair.primary.kill()
        for request, reply in ((lookup, b"+OK"), (check, b"+OK"), (wrong, b"-DEAD"), (write, b"-DEAD")):
            load.wait(request, reply)
        load.wait(unknown, b"-DEAD")
        own_pair.replica.promote()
        for request, reply in ((wrong, b"-ERR"), (write, b"+OK"), (unknown, b"-ERR")):
            load.wait(request, reply)
    for request in (lookup, check, write):
        assert not [reply for reply in load.replies[request] if reply.startswith(b"-ERR")]
    for request in (wrong, unknown):
        assert not [reply for reply in load.replies[request] if reply.startswith(b"+OK")]
    assert load.replies[lookup].count(b"+OK bob config 0\n") >= len(load.replies[lookup]) - 2
    told = [line["reason"] for line in served.log() if line["command"] != "store"]
    assert all("it may be stored or not" in reason for reason in told), told  # a commit under way at the death


def hangs_up(listener: socket.socket) -> None:
    """What a proxy with nothing behind it does: it takes each connection, and ends it."""
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return


def test_a_host_that_takes_the_connection_and_hangs_up_is_passed_over(pair: Pair, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hangs_up, args=[listener], daemon=True).start()
        own = f"127.0.0.1:{listener.getsockname()[1]}"
        for url in (
            pair.primary.url(pair.database).replace("127.0.0.1", f"{own},127.0.0.1"),
            hosts(pair.primary, pair.replica, database=pair.database).replace("127.0.0.1", f"{own},127.0.0.1", 1),
        ):
            served = Folder(tmp_path / f"users{url.count(',')}", url, made=False, **SHORT)
            with served.child() as child:
                assert child.ask(b"lookup bob").startswith(b"+OK bob ")
                assert child.ask(b"check bob wrong").startswith(b"-ERR ")
                assert child.ask(b"set carl secret").startswith(b"+OK ")
                assert_ends_well(child)
        listener.shutdown(socket.SHUT_RDWR)


def test_every_write_acknowledged_before_it_was_replayed_is_there_after_promotion_and_never_denied(
    own_pair: Pair, tmp_path: Path
) -> None:
    """The replica had received it: what `synchronous_commit = on` of the manual promises."""
    served = served_from(own_pair, tmp_path)
    with served.child() as child:
        own_pair.replica.pause_replay()
        assert child.ask(b"set zoe secret").startswith(b"+OK")
        assert child.ask(b"set bob changed").startswith(b"+OK")
        received(own_pair)
        own_pair.primary.kill()
        assert_dead(child, b"lookup zoe", b"check zoe secret", b"check bob changed", b"check bob wrong", *CHANGES)
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        own_pair.replica.promote()
        assert seconds_until(child, b"lookup zoe", b"+OK zoe ") < RESUMED_SECONDS
        assert seconds_until(child, b"check bob changed", b"+OK bob ") < RESUMED_SECONDS
        assert child.ask(b"check bob secret").startswith(b"-ERR ")
        assert_ends_well(child)
    served.assert_told_once()


def received(pair: Pair) -> None:
    """Until the replica has, on its disk, all that is committed."""
    here = pair.primary.sql("SELECT pg_current_wal_lsn()")[0][0]
    query = "SELECT coalesce(pg_last_wal_receive_lsn() >= %s, false)"
    wait_until(lambda: pair.replica.sql(query, [here]) == [(True,)], "the replica receives")


def test_a_frozen_primary_costs_one_time_out_and_then_the_replica_answers(pair: Pair, tmp_path: Path) -> None:
    served = served_from(pair, tmp_path)
    with served.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        pair.primary.pause()
        try:
            assert seconds_until(child, b"lookup bob", b"+OK bob ") < 8
            for _ in range(5):
                timed = Timed(child, b"check bob secret")
                assert timed.reply.startswith(b"+OK bob ")
                assert timed.seconds < AT_ONCE_SECONDS
            assert_dead(child, b"lookup nobody", b"check bob wrong", *CHANGES)
            assert_breaker(child, b"lookup nobody")
            assert_breaker(child, b"set bob other")
            assert_breaker(child, b"del bob")
        finally:
            pair.primary.resume()
        assert seconds_until(child, b"lookup nobody", b"-ERR nobody does not exist") < RESUMED_SECONDS
        assert seconds_until(child, b"set bob other", b"+OK bob ") < RESUMED_SECONDS
        assert_ends_well(child)
    served.assert_told_once()


def test_a_child_started_without_the_primary_answers_from_the_replica_and_denies_nobody(
    pair: Pair, tmp_path: Path
) -> None:
    served = served_from(pair, tmp_path)
    pair.primary.kill()
    with served.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        assert child.ask(b"check bob secret").startswith(b"+OK bob ")
        assert_dead(child, b"lookup nobody", b"check bob wrong", b"search *", *CHANGES)
        assert_breaker(child, b"set bob other")
        pair.primary.start()
        assert seconds_until(child, b"lookup nobody", b"-ERR nobody does not exist") < RESUMED_SECONDS
        assert seconds_until(child, b"set bob other", b"+OK bob ") < RESUMED_SECONDS
        assert_ends_well(child)
    served.assert_told_once("refused")


def test_a_set_that_must_wait_for_its_replica_is_not_acknowledged_without_it(pair: Pair, tmp_path: Path) -> None:
    """`synchronous_standby_names`: what is answered +OK survives the loss of the primary."""
    folder = Folder(tmp_path / "users", pair.primary.url(pair.database), made=False, **SHORT)
    pair.primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    pair.primary.sql("SELECT pg_reload_conf()")
    state = "SELECT sync_state FROM pg_stat_replication"
    wait_until(lambda: pair.primary.sql(state) == [("sync",)], "the primary waits for the replica")
    try:
        with folder.child() as child:
            assert seconds_until(child, b"set bob other", b"+OK bob ") < RESUMED_SECONDS
            pair.replica.kill()
            assert_dead(child, b"set bob third", b"set eve secret")
            assert seconds_until(child, b"check bob other", b"+OK bob ") < RESUMED_SECONDS
            pair.replica.start()
            assert seconds_until(child, b"set bob fourth", b"+OK bob ") < RESUMED_SECONDS
            assert child.ask(b"check bob fourth").startswith(b"+OK bob ")
            assert child.ask(b"set eve secret").startswith(b"+OK eve ")
            assert_ends_well(child)
    finally:
        pair.primary.sql("ALTER SYSTEM RESET synchronous_standby_names")
        pair.primary.sql("SELECT pg_reload_conf()")


def test_a_url_that_prefers_the_standby_reads_there_and_writes_to_the_primary(pair: Pair, tmp_path: Path) -> None:
    folder = served_from(pair, tmp_path, "?target_session_attrs=prefer-standby")
    with folder.child() as child:
        pair.replica.pause_replay()
        assert child.ask(b"set zoe secret").startswith(b"+OK")
        assert child.ask(b"lookup zoe").startswith(b"+OK zoe ")
        assert child.ask(b"check zoe wrong").startswith(b"-ERR ")
        assert child.ask(b"set ann changed").startswith(b"+OK")
        assert child.ask(b"check ann changed").startswith(b"+OK ann ")
        assert child.ask(b"check ann secret").startswith(b"+OK ann ")  # a replica's yes
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        pair.replica.kill()
        assert seconds_until(child, b"lookup zoe", b"+OK zoe ") < RESUMED_SECONDS
        assert child.ask(b"check ann secret").startswith(b"-ERR ")
        assert_ends_well(child)
