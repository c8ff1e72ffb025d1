"""A network that fails: each way of the proxy is what its name says."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest

from tests.databases import shared_postgres
from tests.databases.proxy import Proxy
from tests.databases.server import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

BRIEF_SECONDS = 0.2  # in which a reply that comes at all has come
PATIENCE_SECONDS = 20.0


class Echo:
    """A server that sends back what comes, and after the end of that one more word."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._answer, args=[connection]))
            self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while block := connection.recv(1 << 16):
                    connection.sendall(block)
                connection.sendall(b"bye")
            except OSError:
                pass  # reset, as some tests do

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with closing(Echo()) as echo, Proxy(echo.port) as proxy:
        yield proxy


@contextmanager
def dial(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), PATIENCE_SECONDS) as client:
        yield client


def echo(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(100)


def send_all(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)


def is_silent(client: socket.socket) -> bool:
    client.settimeout(BRIEF_SECONDS)
    try:
        client.recv(100)
    except TimeoutError:
        return True
    finally:
        client.settimeout(PATIENCE_SECONDS)
    return False


def test_data_passes_both_ways_and_so_does_the_end(proxy: Proxy) -> None:
    megabytes = bytes(range(256)) * (1 << 14)
    with dial(proxy) as client:
        sender = threading.Thread(target=send_all, args=[client, megabytes])
        sender.start()
        with client.makefile("rb") as answer:
            assert answer.read() == megabytes + b"bye"
        sender.join(PATIENCE_SECONDS)
    assert proxy.accepted == 1


def test_refuse_resets_all_and_takes_nobody(proxy: Proxy) -> None:
    with dial(proxy) as client:
        assert echo(client, b"1") == b"1"
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    with pytest.raises(ConnectionRefusedError), dial(proxy):
        pass
    proxy.open()
    with dial(proxy) as client:
        assert echo(client, b"2") == b"2"


def test_freeze_keeps_and_takes_connections_and_moves_no_byte(proxy: Proxy) -> None:
    with dial(proxy) as old:
        assert echo(old, b"1") == b"1"
        proxy.freeze()
        with dial(proxy) as new:
            old.sendall(b"2")
            new.sendall(b"3")
            assert is_silent(old)
            assert is_silent(new)
            proxy.open()
            assert (old.recv(100), new.recv(100)) == (b"2", b"3")


def test_cut_resets_once(proxy: Proxy) -> None:
    with dial(proxy) as asked, dial(proxy) as just_made:
        assert echo(asked, b"1") == b"1"
        proxy.cut()
        for client in (asked, just_made):
            with pytest.raises(ConnectionResetError):
                client.recv(100)
    with dial(proxy) as client:
        assert echo(client, b"2") == b"2"


def test_blackhole_forgets_what_is_there_for_ever(proxy: Proxy) -> None:
    with dial(proxy) as idle:
        assert echo(idle, b"1") == b"1"
        proxy.blackhole()
        with dial(proxy) as client:
            assert echo(client, b"2") == b"2"
        proxy.open()
        idle.sendall(b"3")
        assert is_silent(idle)


def test_a_database_is_reached_through_it() -> None:
    with (
        Proxy(shared_postgres().port) as proxy,
        closing(psycopg2.connect(shared_postgres().url(port=proxy.port))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_a_server_that_is_down_shows_as_a_reset() -> None:
    with closing(Echo()) as gone:
        pass
    with Proxy(gone.port) as proxy, pytest.raises(ConnectionResetError), dial(proxy) as client:
        client.recv(100)


def test_a_closed_proxy_leaves_no_thread(proxy: Proxy) -> None:
    with dial(proxy) as client:
        assert echo(client, b"1") == b"1"
        proxy.freeze()
        proxy.close()
        proxy.close()
        assert f"proxy-{proxy.port}" not in {thread.name for thread in threading.enumerate()}
        with pytest.raises(ConnectionResetError):
            client.recv(100)
