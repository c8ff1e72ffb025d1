"""Look-ups from a replica (`read_url`) that shows what was there a while ago: it says yes and never no."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.commands.common import run
from tests.databases.postgres import Postgres
from tests.faults.databases import (
    CHANGES,
    RESUMED_SECONDS,
    SHORT,
    Database,
    Folder,
    assert_breaker,
    assert_dead,
    assert_ends_well,
    breakable,
    new_database,
    replicated,
    seconds_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# A read URL: the replica shows what was there when it stopped to follow.


class Lagging(NamedTuple):
    """A folder whose look-ups go to a replica that stands still, and the servers."""

    folder: Folder
    primary: Database
    replica: Database


@pytest.fixture(params=["postgres", "mariadb"])
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Database]]:
    if request.param == "postgres":
        yield replicated()
        replicated()
    else:
        yield breakable("mariadb"), breakable("mariadb", 1)


@pytest.fixture
def behind(servers: tuple[Database, Database], tmp_path: Path) -> Lagging:
    """MariaDB's replica is a second server that holds a copy of that moment: nwauth sees no difference."""
    primary, replica = servers
    folder = filled(Folder(tmp_path / "primary", primary.url(new_database(primary)), **SHORT))
    if isinstance(primary, Postgres) and isinstance(replica, Postgres):
        replica.resume_replay()
        primary.wait_replayed(replica)
        replica.pause_replay()
        read_url = replica.url(folder.url.rpartition("/")[2])
    else:
        replica.sql("SET GLOBAL read_only = 0")
        read_url = filled(Folder(tmp_path / "replica", replica.url(new_database(replica)), **SHORT)).url
        replica.sql("SET GLOBAL read_only = 1")
    return Lagging(Folder(tmp_path / "users", folder.url, made=False, read_url=read_url, **SHORT), primary, replica)


def filled(folder: Folder) -> Folder:
    with folder.child() as child:
        for name in (b"bob", b"ann", b"carl", b"dora", b"eric"):
            assert child.ask(b'set %s secret quota="100"' % name).startswith(b"+OK")
        assert child.ask(b'set eric (NULL) mailstatus="suspended"').startswith(b"+OK")
    return folder


def test_a_replica_that_lags_may_say_yes_but_every_no_is_the_primarys(behind: Lagging) -> None:
    with behind.folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        # New, unknown there: found.
        assert child.ask(b"set zoe secret").startswith(b"+OK")
        assert child.ask(b"lookup ZOE").startswith(b"+OK zoe ")
        assert child.ask(b"check zoe secret").startswith(b"+OK zoe ")
        assert child.ask(b"check zoe wrong").startswith(b"-ERR ")
        # Changed: the new password is right; the old one may still be.
        assert child.ask(b"set ann changed").startswith(b"+OK")
        assert child.ask(b"check ann changed").startswith(b"+OK ann ")
        assert child.ask(b"check ann neither").startswith(b"-ERR ")
        # Suspended: may log in yet.  No longer suspended: must.
        assert child.ask(b'set carl (NULL) mailstatus="suspended"').startswith(b"+OK")
        assert child.ask(b'set eric (NULL) mailstatus="ok"').startswith(b"+OK")
        assert child.ask(b"check carl wrong").startswith(b"-ERR ")
        assert child.ask(b"check eric secret").startswith(b"+OK eric ")
        # Deleted: a wrong password, and a name that is unknown on both, are a no.
        assert child.ask(b"del dora") == b"+OK dora deleted\n"
        assert child.ask(b"check dora wrong").startswith(b"-ERR ")
        assert child.ask(b"del dora") == b"-ERR dora does not exist\n"
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        assert child.ask(b"search *").endswith(b"+OK Search Complete 5 items found out of 5\n")
        assert_ends_well(child)
    assert behind.folder.log() == []


def test_changes_are_of_what_the_primary_holds_not_of_what_the_replica_still_shows(behind: Lagging) -> None:
    with behind.folder.child() as child:
        assert child.ask(b'set bob (NULL) quota="200"') == b"+OK bob added to database\n"
        assert child.ask(b'set bob (NULL) note="a"') == b"+OK bob added to database\n"
        assert child.ask(b'set bob (NULL) quota="100"') == b"+OK bob added to database\n"
        assert child.ask(b"set bob changed") == b"+OK bob added to database\n"
        assert child.ask(b"del dora") == b"+OK dora deleted\n"
        assert child.ask(b'set dora (NULL) quota="1"') == b"-ERR dora does not exist\n"
        assert child.ask(b"set dora again") == b"+OK dora added to database\n"
        assert b'+DATA bob quota="100" note="a"\n' in child.ask(b"search *")
        assert b"+DATA dora\n" in child.ask(b"search *")
        assert_ends_well(child)
    assert behind.folder.log() == []


def test_what_became_of_a_command_that_was_killed_is_not_asked_of_the_replica(behind: Lagging) -> None:
    folder = behind.folder.path
    assert run(str(folder), "user", "set", "bob", "quota=7").status == 0
    step = folder / "nwauth.undo" / "00000001"
    said = step.read_bytes()
    step.rename(f"{step}.open")
    (folder / "nwauth.undo" / "00000001.open").write_bytes(said[: said.index(b'{"made"')])
    done = run(str(folder), "user", "add", "zoe", "--generate", "--quiet")
    assert done.status == 0
    assert ") was broken off when 1 change was made: " in done.err


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_without_the_primary_a_replica_that_lags_denies_nobody(behind: Lagging, way: str) -> None:
    with behind.folder.child() as child:
        assert child.ask(b"set zoe secret").startswith(b"+OK")
        assert child.ask(b"set ann changed").startswith(b"+OK")
        if way == "killed":
            behind.primary.kill()
        else:
            behind.primary.pause()
        try:
            assert child.ask(b"lookup bob").startswith(b"+OK bob ")
            assert child.ask(b"check bob secret").startswith(b"+OK bob ")
            noes = (b"lookup zoe", b"check ann changed", b"check bob wrong", b"lookup nobody", b"check eric secret")
            assert_dead(child, *noes, *CHANGES, b"search *")
            assert_breaker(child, b"check bob wrong")
            assert_breaker(child, b"set bob other")
            assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        finally:
            behind.primary.resume() if way == "frozen" else behind.primary.start()
        assert seconds_until(child, b"lookup zoe", b"+OK zoe ") < RESUMED_SECONDS
        assert seconds_until(child, b"set bob other", b"+OK bob ") < RESUMED_SECONDS
        assert child.ask(b"check ann changed").startswith(b"+OK ann ")
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        assert_ends_well(child)
    behind.folder.assert_told_once()


def test_without_the_replica_the_primary_is_asked(behind: Lagging) -> None:
    with behind.folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        assert child.ask(b"set ann changed").startswith(b"+OK")
        behind.replica.kill()
        for request in (b"lookup bob", b"check bob secret", b"check ann changed"):
            assert child.ask(request).startswith(b"+OK ")
        for request in (b"lookup nobody", b"check bob wrong", b"check nobody secret", b"check ann secret"):
            assert child.ask(request).startswith(b"-ERR ")
        assert child.ask(b"set bob secret").startswith(b"+OK bob ")
        assert_ends_well(child)
    behind.folder.assert_told_once("refused")
