"""A database that is down, frozen or unreachable: "cannot tell" within the deadline, and one line in the log."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from nwauth.stores.sql import link
from tests.databases.postgres import Postgres
from tests.databases.proxy import Proxy
from tests.faults.databases import (
    ALL,
    AT_ONCE_SECONDS,
    DEADLINE_SECONDS,
    RESUMED_SECONDS,
    SHORT,
    Database,
    Folder,
    ask_all,
    assert_breaker,
    assert_dead,
    assert_ends_well,
    assert_resumes,
    seconds_until,
    with_bob,
)

if TYPE_CHECKING:
    from pathlib import Path


# Not there, or not answering.


def test_down_at_the_start_it_says_dead_and_serves_by_itself_when_the_database_is_back(
    server: Database, folder: Folder
) -> None:
    server.kill()
    try:
        with folder.child() as child:
            assert_dead(child, *ALL)
            assert_breaker(child, seconds=3 * link.RETRY_SECONDS)
            server.start()
            assert_resumes(child)
            assert_ends_well(child)
    finally:
        server.start()
    folder.assert_told_once("refused")


@pytest.mark.parametrize("end", ["kill", "fast", "immediate"])
def test_down_in_the_middle_it_says_dead_and_goes_on_when_the_database_is_back(
    server: Database, folder: Folder, end: str
) -> None:
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        try:
            if end == "kill":
                server.kill()
            else:
                server.stop("fast" if end == "fast" else "immediate")
            assert_dead(child, *ALL, within=AT_ONCE_SECONDS)
        finally:
            server.start()
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once("refused")


def test_frozen_in_the_middle_a_request_ends_in_time_and_the_others_do_not_wait(
    server: Database, folder: Folder
) -> None:
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        server.pause()
        try:
            assert_dead(child, *ALL)
            assert_breaker(child)
        finally:
            server.resume()
        assert_resumes(child)
        assert_ends_well(child)
    folder.assert_told_once()


@pytest.mark.parametrize("request_", [b"del bob", b"set bob other", b"search *"])
def test_frozen_for_requests_of_one_kind_alone_only_the_first_ones_wait(
    server: Database, folder: Folder, request_: bytes
) -> None:
    with folder.child() as child:
        assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        server.pause()
        try:
            assert_dead(child, request_)
            assert_breaker(child, request_)
        finally:
            server.resume()
        assert seconds_until(child, b"lookup bob", b"+OK bob ") < RESUMED_SECONDS
        assert_ends_well(child)
    folder.assert_told_once()


def test_frozen_at_the_start_it_says_dead_in_time(server: Database, folder: Folder) -> None:
    server.pause()
    try:
        with folder.child() as child:
            assert_dead(child, *ALL)
            server.resume()
            assert_resumes(child)
            assert_ends_well(child)
    finally:
        server.resume()
    folder.assert_told_once()


@pytest.mark.parametrize("way", ["refuse", "freeze"])
def test_behind_a_network_that_fails_it_says_dead_in_time(
    server: Database, database: str, tmp_path: Path, way: str
) -> None:
    with Proxy(server.port) as proxy:
        folder = with_bob(Folder(tmp_path / "users", server.url(database, port=proxy.port), **SHORT))
        with folder.child() as child:
            assert child.ask(b"lookup bob").startswith(b"+OK bob ")
            getattr(proxy, way)()
            assert_dead(child, *ALL)
            assert_breaker(child)
            proxy.open()
            assert_resumes(child)
            assert_ends_well(child)
    folder.assert_told_once()


def test_with_the_default_time_outs_no_request_takes_as_long_as_the_server_waits(
    server: Database, database: str, tmp_path: Path
) -> None:
    """The worst that there is: a connection that is kept, idle or new, a replica and a primary, all frozen at once."""
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server.port))
        urls = {"url": server.url(database), "read_url": server.url(database, port=proxy.port)}
        if isinstance(server, Postgres):
            hosts = ",".join([f"127.0.0.1:{server.port}"] * 3)
            urls["several"] = server.url(database).replace(f"127.0.0.1:{server.port}", hosts)
        plain = with_bob(Folder(tmp_path / "plain", urls["url"]))
        apart = Folder(tmp_path / "apart", urls["url"], made=False, read_url=urls["read_url"])
        folders = [plain, apart]
        if "several" in urls:
            folders.append(Folder(tmp_path / "several", urls["several"], made=False))
        idle = "from nwauth.stores.sql import link; link.IDLE_SECONDS = -1"
        children = {
            f"{folder.path.name}, {request.decode()}, {patch}": (
                stack.enter_context(folder.child(patch=patch)),
                request,
            )
            for folder in folders
            for request in (b"lookup bob", b"set bob other")
            for patch in ("", idle)
        }
        for child, _ in children.values():
            assert child.ask(b"lookup bob").startswith(b"+OK bob ")
        for request in (b"lookup bob", b"set bob other"):
            children[f"new, {request.decode()}"] = (stack.enter_context(plain.child()), request)
        server.pause()
        proxy.freeze()
        try:
            took = ask_all(children)
        finally:
            server.resume()
    assert all(timed.is_dead for timed in took.values()), took
    slow = {what: timed for what, timed in took.items() if timed.seconds > DEADLINE_SECONDS - 1}
    assert not slow, "\n".join(f"{what}: {timed}" for what, timed in took.items())
