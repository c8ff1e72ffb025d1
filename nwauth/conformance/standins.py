"""Stand-ins for a database server or a directory: as many words of its protocol as a fault needs, and no users.

A stand-in is a forked process of ours that listens at a port of this machine; nothing is asked of the real server.
The words are those of PostgreSQL's "Frontend/Backend Protocol", of MariaDB's "Connection Phase" and of RFC 4511.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Talk = Callable[[socket.socket, str], None]  # says what it has to say on a connection, in a manner

HERE = "127.0.0.1"
HALF, REFUSED, BUSY = "half", "refused", "busy"  # half an answer; the account is refused; it is taken, then silence
LOOK_SECONDS = 1.0  # so often a stand-in looks whether its parent still lives
WORDS_SECONDS = 2.0  # for a client's next words
MOST_BYTES = 1 << 16  # of a client's words
NO_TLS = (80877103, 80877104)  # PostgreSQL's SSLRequest and GSSENCRequest
INVALID_CREDENTIALS, INSUFFICIENT_RIGHTS = 49, 50  # RFC 4511 section 4.1.9
BIND, SEARCH = 0x60, 0x63


@contextmanager
def standing_in(talk: Talk, manner: str) -> Iterator[int]:
    """A stand-in that listens; its port."""
    with socket.socket() as held:
        held.bind((HERE, 0))
        held.listen(8)
        held.settimeout(LOOK_SECONDS)
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            _stand(held, talk, manner, parent)
        try:
            yield held.getsockname()[1]
        finally:
            os.kill(pid, signal.SIGKILL)  # ours until it is waited for
            os.waitpid(pid, 0)


def _stand(held: socket.socket, talk: Talk, manner: str, parent: int) -> NoReturn:
    """In the forked child: talk to whoever comes, until the parent ends."""
    kept = []  # what is silent stays open
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):  # who reads what the command prints must see its end
            os.dup2(nothing, fd)
        while os.getppid() == parent:
            try:
                client, _ = held.accept()
            except TimeoutError:
                continue
            client.settimeout(WORDS_SECONDS)
            try:
                talk(client, manner)
            except OSError:  # it went away, or says nothing
                pass
            if manner == BUSY:
                kept.append(client)
            else:
                client.close()
    finally:
        os._exit(0)


def talk_of(url: str) -> Talk | None:
    """What stands in for the database of this URL; None: its protocol is not known here."""
    scheme = url.partition(":")[0].partition("+")[0].lower()
    return {"postgresql": postgresql, "postgres": postgresql, "mysql": mariadb, "mariadb": mariadb}.get(scheme)


def postgresql(client: socket.socket, manner: str) -> None:
    """A connection to PostgreSQL."""
    while True:
        length, code = struct.unpack("!II", _exactly(client, 8))
        if code not in NO_TLS:
            break
        client.sendall(b"N")
    _exactly(client, length - 8)
    if manner == REFUSED:
        told = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "nwauth"\0\0'
        client.sendall(_postgresql(b"E", told))
        return
    facts = {"server_version": "16.0", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "TimeZone": "UTC"}
    facts |= {"integer_datetimes": "on", "standard_conforming_strings": "on"}
    greeting = _postgresql(b"R", bytes(4))
    greeting += b"".join(_postgresql(b"S", f"{name}\0{value}\0".encode()) for name, value in facts.items())
    greeting += _postgresql(b"K", bytes(8)) + _postgresql(b"Z", b"I")
    client.sendall(greeting if manner == BUSY else greeting[: len(greeting) // 2])


def mariadb(client: socket.socket, manner: str) -> None:
    """A connection to MariaDB or MySQL: the server speaks first."""
    can = 0x0008 | 0x0200 | 0x2000 | 0x8000 | 0x80000  # database, protocol 4.1, transactions, secure, plugins
    salt = b"nwauthnwauthnwauthnw\0"
    greeting = b"\x0a8.0.0-stand-in\0" + struct.pack("<I", 1) + salt[:8] + b"\0" + struct.pack("<H", can & 0xFFFF)
    greeting += struct.pack("<BHHB", 45, 2, can >> 16, len(salt)) + bytes(10) + salt[8:] + b"mysql_native_password\0"
    whole = _mariadb(0, greeting)
    if manner == HALF:
        client.sendall(whole[: len(whole) // 2])
        return
    client.sendall(whole)
    _exactly(client, int.from_bytes(_exactly(client, 4)[:3], "little"))
    refusal = b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied for user 'nwauth'@'localhost'"
    client.sendall(_mariadb(2, refusal if manner == REFUSED else b"\0\0\0\x02\0\0\0"))


def directory(client: socket.socket, manner: str) -> None:
    """A connection to a directory: messages of under 128 bytes, whose lengths are one byte."""
    while True:
        words = client.recv(MOST_BYTES)
        at = words.find(b"\x02")  # the message's number follows its length
        if not words or at < 0:
            return
        end = at + 2 + words[at + 1]
        number, asked = words[at:end], words[end]
        if asked not in (BIND, SEARCH):
            return
        if manner == BUSY and asked == SEARCH:
            return
        code = 0 if manner == BUSY else INVALID_CREDENTIALS if asked == BIND else INSUFFICIENT_RIGHTS
        told = number + bytes([0x61 if asked == BIND else 0x65, 7, 0x0A, 1, code, 4, 0, 4, 0])
        answer = bytes([0x30, len(told)]) + told
        client.sendall(answer[: len(answer) // 2] if manner == HALF else answer)
        if manner == HALF:
            return


def _postgresql(kind: bytes, words: bytes) -> bytes:
    return kind + struct.pack("!I", len(words) + 4) + words


def _mariadb(number: int, words: bytes) -> bytes:
    return len(words).to_bytes(3, "little") + bytes([number]) + words


def _exactly(client: socket.socket, count: int) -> bytes:
    """So many bytes.  Raises OSError: they do not come."""
    if not 0 <= count <= MOST_BYTES:
        raise ConnectionError
    found = b""
    while len(found) < count:
        more = client.recv(count - len(found))
        if not more:
            raise ConnectionError
        found += more
    return found
