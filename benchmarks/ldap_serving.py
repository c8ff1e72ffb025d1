"""Look-ups and logins over LDAP: a serving child beside Squid's basic_ldap_auth, on the same OpenLDAP.

    .venv/bin/python benchmarks/ldap_serving.py [--sizes 1000 1000000] [--rounds 5] [--requests 2000]

It needs OpenLDAP (apt-get install slapd ldap-utils) and, for the peer, Squid.  The rounds of all take turns, so that
what else the machine does falls on all alike; of each the median of the rounds' medians is shown, in microseconds.
"raw" is the bare exchange of the same bytes on one socket: what the server and the kernel take, whoever asks.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from nwauth.stores.ldap import People, messages  # noqa: E402
from tests.directories import ldif  # noqa: E402
from tests.directories.slapd import HOST, MAIL, PASSWORD, SUFFIX, Slapd  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SQUID = ("/usr/lib/squid/basic_ldap_auth", "benchmarks/work/squid/usr/lib/squid/basic_ldap_auth")
BASE = f"ou=people,{SUFFIX}"
SECRET = "secret"
SUCCESS = b"\x65\x07\x0a\x01\x00\x04\x00\x04\x00"  # the end of a search, in BER


def entries(size: int) -> str:
    people = (
        f"dn: uid=user{at},{BASE}\nobjectClass: inetOrgPerson\nuid: user{at}\nmail: user{at}@test.com\nsn: x\ncn: x\n"
        f"userPassword: {SECRET}\n\n"
        for at in range(size)
    )
    return ldif.entry(BASE, {"objectClass": "organizationalUnit"}) + "".join(people)


class Piped:
    """A program that reads a line and writes one."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def ask(self, line: bytes) -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        reply = b""
        while not reply.endswith(b"\n"):
            reply += self.process.stdout.read(4096) or b"\n"
        return reply

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def raw(server: Slapd) -> Callable[[str], bytes]:
    """The look-up of a name as bytes on a socket; the answer is not read, only waited for."""
    people, connection = People(BASE), socket.create_connection((HOST, server.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = messages.new_client()
    messages.bind(MAIL, PASSWORD.encode())(client)
    connection.sendall(client.data_to_send())
    client.receive(connection.recv(4096))

    def prepared(name: str) -> bytes:
        operation = people.search(name, seconds=3)
        assert operation is not None
        operation(client)
        return client.data_to_send()

    prepared.connection = connection  # type: ignore[attr-defined]
    return prepared


def timed(names: list[str], prepare: Callable[[str], bytes], ask: Callable[[bytes], bytes], right: bytes) -> float:
    took = []
    for name in names:
        request = prepare(name)
        began = time.perf_counter_ns()
        reply = ask(request)
        took.append(time.perf_counter_ns() - began)
        if right not in reply:
            raise SystemExit(f"asked {request!r}, answered {reply!r}")
    return median(took) / 1000


def contestants(
    server: Slapd, folder: Path
) -> Iterator[tuple[str, Callable[[str], bytes], Callable[[bytes], bytes], bytes]]:
    """Each as its name, what makes a request of a user's name, what asks, and what a right answer holds."""
    child = Piped(str(Path(sys.executable).parent / "nwauth"), "-path", str(folder))
    yield "nwauth: lookup", lambda name: f"lookup {name}\n".encode(), child.ask, b"+OK user"
    prepared = raw(server)
    connection = prepared.connection  # type: ignore[attr-defined]

    def exchange(request: bytes) -> bytes:
        connection.sendall(request)
        reply = connection.recv(65536)
        while not reply.endswith(SUCCESS):
            reply += connection.recv(65536)
        return bytes(reply)

    yield "raw: the same search", prepared, exchange, b"uid=user"
    yield "nwauth: check", lambda name: f"check {name} {SECRET}\n".encode(), child.ask, b"+OK user"
    squid = next((path for path in SQUID if os.path.exists(path)), None)
    if squid is None:
        print("left out: Squid's basic_ldap_auth is not there: apt-get install squid", file=sys.stderr)
        return
    (folder / "squid.secret").write_text(PASSWORD)
    common = ("-v", "3", "-b", BASE, "-f", "uid=%s", "-D", MAIL, "-W", str(folder / "squid.secret"), "-H", server.url)
    for words, option in (("basic_ldap_auth -P: login", ("-P",)), ("basic_ldap_auth: login", ())):
        peer = Piped(squid, *option, *common)
        yield words, lambda name: f"{name} {SECRET}\n".encode(), peer.ask, b"OK"


def measure(size: int, *, rounds: int, requests: int) -> None:
    server = Slapd()
    began = time.monotonic()
    server.load(entries(size))
    loaded = time.monotonic() - began
    server.start()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        secret = folder / "ldap.secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        (folder / "nwauth.toml").write_text(
            f'[[stores]]\nkind = "ldap"\nurls = ["{server.url}"]\nbase = "{BASE}"\nbind_dn = "{MAIL}"\n'
            'bind_password = { file = "ldap.secret" }\n'
        )
        everybody = list(contestants(server, folder))
        results: dict[str, list[float]] = {name: [] for name, *_ in everybody}
        order = random.Random(size)
        for _ in range(rounds):
            names = [f"user{order.randrange(size)}" for _ in range(requests)]
            for name, prepare, ask, right in everybody:
                results[name].append(timed(names, prepare, ask, right))
        print(f"\n{size:,} users (loaded in {loaded:.0f} s; load average {os.getloadavg()[0]:.1f})")
        for name, found in results.items():
            print(f"  {name:28} p50 {median(found):7.0f} us   [{min(found):.0f}-{max(found):.0f}]")
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000)
    given = parser.parse_args()
    for size in given.sizes:
        measure(size, rounds=given.rounds, requests=given.requests)


if __name__ == "__main__":
    main()
