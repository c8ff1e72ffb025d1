"""A directory that is down, frozen, elsewhere or not what it says: "cannot tell" in time, and one line in the log."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.ldap import Limits
from tests.databases.processes import wait_until
from tests.databases.proxy import Proxy
from tests.databases.server import free_port
from tests.directories import breakable_slapd, shared_slapd
from tests.directories.people import check, directory_of, store_of
from tests.directories.slapd import HOST, Slapd
from tests.faults.databases import (
    AT_ONCE_SECONDS,
    DEADLINE_SECONDS,
    QUESTIONS,
    assert_breaker,
    assert_dead,
    assert_ends_well,
    seconds_until,
)
from tests.faults.directories import IN_TIME_SECONDS, Folder, assert_serves
from tests.serving import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

LONG_MESSAGE = b"\x30\x84\x00\x0f\xff\xff"  # the beginning of one of a megabyte


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Slapd, Folder]]:
    """A server that the test may break, and a folder whose user bob is there."""
    server, base = directory_of("bob", server=breakable_slapd())
    yield server, Folder(tmp_path / "users", [server.url], base)
    server.start()


# --- not there, or not answering


def test_down_at_the_start_it_says_dead_and_serves_by_itself_when_the_directory_is_back(
    served: tuple[Slapd, Folder],
) -> None:
    server, folder = served
    server.kill()
    with folder.child() as child:
        assert_dead(child, *QUESTIONS, within=AT_ONCE_SECONDS)
        server.start()
        seconds_until(child, b"lookup bob", b"+OK bob ")
        assert_serves(child)
        assert_ends_well(child)
    folder.assert_told_once("refused")


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_down_in_the_middle_it_says_dead_and_goes_on_when_the_directory_is_back(
    served: tuple[Slapd, Folder], end: str
) -> None:
    server, folder = served
    with folder.child() as child:
        assert_serves(child)
        getattr(server, end)()
        assert_dead(child, *QUESTIONS, within=AT_ONCE_SECONDS)
        server.start()
        seconds_until(child, b"lookup bob", b"+OK bob ")
        assert_serves(child)
        assert_ends_well(child)
    folder.assert_told_once("refused")


def test_a_restart_between_two_requests_is_not_noticed_at_all(served: tuple[Slapd, Folder]) -> None:
    server, folder = served
    with folder.child() as child:
        assert_serves(child)
        server.stop()
        server.start()
        assert_serves(child)
        assert_ends_well(child)
    assert folder.log() == []


def test_frozen_in_the_middle_a_request_ends_in_time_and_the_others_do_not_wait(served: tuple[Slapd, Folder]) -> None:
    server, folder = served
    with folder.child() as child:
        assert_serves(child)
        server.pause()
        assert_dead(child, *QUESTIONS)
        assert_breaker(child)
        server.resume()
        seconds_until(child, b"lookup bob", b"+OK bob ")
        assert_serves(child)
    folder.assert_told_once("no answer in time")


def test_frozen_at_the_start_it_says_dead_in_time(served: tuple[Slapd, Folder]) -> None:
    server, folder = served
    server.pause()
    with folder.child() as child:
        assert_dead(child, *QUESTIONS)
        server.resume()
        seconds_until(child, b"lookup bob", b"+OK bob ")
        assert_serves(child)
    folder.assert_told_once()


def test_frozen_between_look_up_and_bind_no_password_is_wrong() -> None:
    server, base = directory_of("bob", server=breakable_slapd())
    with closing(store_of(server, base, limits=Limits(connect=0.5, request=0.5))) as store:
        bob = store.lookup("bob")
        assert bob is not None
        server.pause()
        try:
            with pytest.raises(Unavailable):
                store.verify(bob, b"secret")
        finally:
            server.resume()


# --- a network that fails


def test_connections_that_are_cut_are_made_again_in_silence(tmp_path: Path) -> None:
    server, base = directory_of("bob")
    with Proxy(server.port) as proxy:
        folder = Folder(tmp_path / "users", [f"ldap://{HOST}:{proxy.port}"], base)
        with folder.child() as child:
            for _ in range(3):
                assert_serves(child)
                proxy.cut()
            assert_serves(child)
            assert_ends_well(child)
    assert folder.log() == []


def test_connections_that_are_forgotten_cost_one_request_and_no_more(tmp_path: Path) -> None:
    server, base = directory_of("bob")
    with Proxy(server.port) as proxy:
        folder = Folder(tmp_path / "users", [f"ldap://{HOST}:{proxy.port}"], base)
        with folder.child() as child:
            assert_serves(child)
            proxy.blackhole()
            assert_dead(child, b"lookup bob")
            seconds_until(child, b"lookup bob", b"+OK bob ")
            seconds_until(child, b"check bob secret", b"+OK bob ")
            assert_serves(child)
            assert_ends_well(child)
    folder.assert_told_once("no answer in time")


def test_connections_are_kept_and_a_child_holds_two(tmp_path: Path) -> None:
    server, base = directory_of("bob")
    with Proxy(server.port) as proxy:
        folder = Folder(tmp_path / "users", [f"ldap://{HOST}:{proxy.port}"], base)
        with folder.child() as child:
            for _ in range(20):
                assert child.ask(b"check bob secret").startswith(b"+OK bob ")
                assert child.ask(b"lookup nobody").startswith(b"-ERR ")
        assert proxy.accepted == 2


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", LONG_MESSAGE, b"\x30\x80" * 9, b"\x30\x03\x02\x01\x07"]
)
def test_whatever_speaks_there_ends_a_request_in_time(said: bytes) -> None:
    """It says something, and then a zero a moment, for ever: no wait for one block of bytes may add up."""
    with _Babbler(said) as babbler:
        limits = Limits(connect=0.5, request=0.5)
        with closing(
            store_of(shared_slapd(), "dc=test", urls=[f"ldap://{HOST}:{babbler.port}"], limits=limits)
        ) as store:
            began = time.monotonic()
            with pytest.raises(Unavailable):
                store.lookup("bob")
            assert time.monotonic() - began < IN_TIME_SECONDS


class _Babbler:
    """A server that speaks no LDAP, slowly."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self._listener = socket.create_server((HOST, free_port()))
        self.port = self._listener.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
                with client:
                    client.sendall(self._said)
                    while not self._ended.wait(0.05):
                        client.sendall(b"\0")
            except OSError:
                continue


def test_a_name_that_has_no_address_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "users", ["ldap://directory.invalid"], "dc=test,dc=com")
    with folder.child() as child:
        assert_dead(child, *QUESTIONS)
    assert any("the name directory.invalid is not found" in reason for reason in folder.outages())


def test_a_resolver_that_does_not_answer_ends_a_request_in_time(tmp_path: Path) -> None:
    """The system's own patience is twice that of the mail server."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as resolver:
        resolver.bind(("127.0.0.53", 53) if os.geteuid() == 0 else (HOST, 0))
        conf = tmp_path / "resolv.conf"
        conf.write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:3\n")
        inside = f'mount --bind {conf} /etc/resolv.conf && exec "$@"'
        enter = ("unshare", "--mount", "sh", "-c", inside, "sh")
        if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("a resolver of one's own takes the right to mount")
        folder = Folder(tmp_path / "users", ["ldap://directory.test.com"], "dc=test,dc=com")
        with folder.child(command=(*enter, COMMAND)) as child:
            assert_dead(child, b"lookup bob", within=DEADLINE_SECONDS)
            assert_breaker(child)
    assert any("is not found in time" in reason for reason in folder.outages())


# --- several servers


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Slapd, Slapd, Folder]]:
    """Two servers of the same directory."""
    first, base = directory_of("bob", server=breakable_slapd(0))
    second = breakable_slapd(1).start()
    second.copy_branch(base, first)
    yield first, second, Folder(tmp_path / "users", [first.url, second.url], base)
    for server in (first, second):
        server.start()


@pytest.mark.parametrize("way", ["kill", "pause"])
def test_the_next_server_answers_in_the_same_request(two: tuple[Slapd, Slapd, Folder], way: str) -> None:
    first, _, folder = two
    with folder.child() as child:
        assert_serves(child)
        getattr(first, way)()
        assert child.ask(b"check bob secret").startswith(b"+OK bob ")
        assert_serves(child)
        assert_ends_well(child)
    assert len(folder.outages()) == 1


def test_a_dead_server_is_not_asked_first_again(two: tuple[Slapd, Slapd, Folder]) -> None:
    first, second, folder = two
    with Proxy(first.port) as proxy:
        folder = Folder(folder.path, [f"ldap://{HOST}:{proxy.port}", second.url], _base(folder))
        with folder.child() as child:
            assert_serves(child)
            proxy.freeze()
            assert child.ask(b"lookup bob").startswith(b"+OK bob ")
            asked = proxy.accepted
            second.stop()
            second.start()
            began = time.monotonic()
            assert_serves(child)
            assert time.monotonic() - began < AT_ONCE_SECONDS
            assert proxy.accepted == asked
            proxy.open()


def _base(folder: Folder) -> str:
    line = next(line for line in (folder.path / "nwauth.toml").read_text().splitlines() if line.startswith("base"))
    return line.partition('"')[2].removesuffix('"')


def test_all_servers_down_is_no_answer_and_each_is_told_once(two: tuple[Slapd, Slapd, Folder]) -> None:
    first, second, folder = two
    with folder.child() as child:
        assert_serves(child)
        first.kill()
        second.kill()
        assert_dead(child, *QUESTIONS, within=AT_ONCE_SECONDS)
        assert_breaker(child)
        second.start()
        seconds_until(child, b"lookup bob", b"+OK bob ")
        first.start()
        assert_serves(child)
    folder.assert_told_once(first.url, second.url)
    assert len(folder.outages()) == 2
    assert [line["state"] for line in folder.log()].count("up") == 1


def test_a_server_without_the_users_is_passed_over_and_makes_nobody_absent(two: tuple[Slapd, Slapd, Folder]) -> None:
    """As a replica that is filled anew."""
    first, second, folder = two
    base = _base(folder)
    first.drop_branch(base)
    with folder.child() as child:
        assert_serves(child)
        second.kill()
        assert_dead(child, *QUESTIONS)
    folder.assert_told_once("is not there, or may not be read")


def test_a_password_is_refused_by_the_server_alone_that_shows_the_user(
    two: tuple[Slapd, Slapd, Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that is filled anew refuses everybody's; the connection for passwords must not stay there."""
    monkeypatch.setattr("nwauth.stores.ldap.link.DEAD_SECONDS", 0.0)
    first, second, folder = two
    base = _base(folder)
    first.kill()
    with closing(store_of(first, base, urls=[first.url, second.url])) as store:
        assert check(store, "bob", b"secret") is True
        first.start()
        second.drop_branch(base)
        with pytest.raises(Unavailable):
            store.lookup("bob")
        assert check(store, "bob", b"secret") is True
        assert check(store, "bob", b"wrong") is False


def test_a_server_that_takes_no_more_connections_makes_no_password_wrong(two: tuple[Slapd, Slapd, Folder]) -> None:
    first, second, folder = two
    base = _base(folder)
    second.drop_branch(base)
    with (
        Proxy(first.port) as proxy,
        closing(store_of(first, base, urls=[f"ldap://{HOST}:{proxy.port}", second.url])) as store,
    ):
        bob = store.lookup("bob")
        assert bob is not None
        proxy.refuse()
        with pytest.raises(Unavailable, match="refuses a user seen at"):
            store.verify(bob, b"secret")


def test_an_address_of_a_kind_that_the_kernel_does_not_know_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    server, base = directory_of("bob")
    there = [(socket.AF_INET, (HOST, server.port))]
    monkeypatch.setattr("nwauth.stores.ldap.dial._resolved", lambda *_: [(99, ("::1", 0, 0, 0)), *there])
    with closing(store_of(server, base)) as store:
        assert store.lookup("bob") is not None


# --- what it costs


def test_a_look_up_costs_one_round_trip_and_a_check_two() -> None:
    server = Slapd(debug="stats")
    try:
        _, base = directory_of("bob", server=server)
        with closing(store_of(server, base)) as store:
            store.tend()
            bob = store.lookup("bob")
            assert bob is not None
            assert store.verify(bob, b"secret") is True
            before = server.log()
            for _ in range(10):
                assert store.lookup("bob") == bob
                assert store.verify(bob, b"secret") is True
                assert store.lookup("nobody") is None
            wait_until(
                lambda: server.log().count("SEARCH RESULT") >= before.count("SEARCH RESULT") + 20, "the log is written"
            )
            said = server.log().removeprefix(before)
            assert said.count(" SRCH base=") == 20
            assert said.count('" method=128') == 10
            assert said.count(" ACCEPT ") == 0
    finally:
        server.close()


def test_without_the_library_the_log_says_what_to_install(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "users", ["ldap://127.0.0.1:1"], "dc=test,dc=com")
    code = "import sys; sys.modules['sansldap'] = None; sys.argv[0] = 'nwauth'; from nwauth.cli import main; main()"
    with folder.child(command=(sys.executable, "-c", code)) as child:
        assert child.ask(b"lookup bob").startswith(b"-DEAD ")
        child.hang_up()
        child.assert_ended_well()
    assert f"{sys.executable} -m pip install 'nwauth[ldap]'" in folder.log()[0]["reason"]


def test_starting_a_child_imports_no_library_for_ldap(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "users", ["ldap://127.0.0.1:1"], "dc=test,dc=com")
    code = (
        "import sys; from nwauth.build import build; from nwauth.config import read; "
        "build(read(sys.argv[1])); print([m for m in ('sansldap', 'ssl', 'socket', 'dataclasses') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder.path)], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
