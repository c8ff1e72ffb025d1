"""Rows of system users: look-ups beside Squid's basic_getpwnam_auth, checks beside it and basic_pam_auth.

The accounts stand in an ``/etc`` of the run's own, which a mount namespace puts in the place of the machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from bench import Bench, label, p50, p99
from driver import Ask, BenchError
from peers import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driver import Measured

GETPWNAM, PAM = "basic_getpwnam_auth", "basic_pam_auth"
FOLDER = "usr/lib/squid"
ACCOUNTS = {100: 2000, 10_000: 200}  # and requests of a kind, a round: a p99 wants 2,000
FIRST_UID = 100_000
FIELD, PASSWORD = "abNANd1rDfiNc", "secret"  # traditional DES: the cheapest, so that the rest is seen
PAM_REQUESTS = 200
WARM_UP = 50


class Accounts:
    """An ``/etc`` with `count` accounts, and folders that nwauth serves them from."""

    def __init__(self, bench: Bench, count: int) -> None:
        self.count = count
        self.etc = os.path.join(bench.work, f"system-{count}", "etc")
        os.makedirs(os.path.join(self.etc, "pam.d"), exist_ok=True)
        self._write("passwd", (f"user{i}:x:{FIRST_UID + i}:100::/home/user{i}:/bin/sh\n" for i in range(count)))
        self._write("shadow", (f"user{i}:{FIELD}:20000::::::\n" for i in range(count)))
        self._write("nsswitch.conf", ["passwd: files\nshadow: files\n"])
        self._write("pam.d/nwauth", ["auth required pam_unix.so\naccount required pam_unix.so\n"])
        if os.path.exists("/etc/ld.so.cache"):
            shutil.copy("/etc/ld.so.cache", self.etc)

    def _write(self, name: str, lines: Sequence[str] | object) -> None:
        with open(os.path.join(self.etc, name), "w", encoding="ascii") as file:
            file.writelines(lines)  # type: ignore[arg-type]

    def run(self, *words: str) -> list[str]:
        """A command that sees them."""
        bind = 'mount --bind "$0" /etc && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", bind, self.etc, *words]

    def serve(self, bench: Bench, passwords: str) -> list[str]:
        folder = os.path.join(os.path.dirname(self.etc), passwords)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "nwauth.toml"), "w", encoding="ascii") as file:
            file.write(f'[[stores]]\nkind = "system"\npasswords = "{passwords}"\n')
        return self.run(*bench.nwauth, "-path", folder)


def _ours(bench: Bench, accounts: Accounts, passwords: str, times: int) -> Measured:
    some = [bench.random.randrange(accounts.count) for _ in range(times)]
    asks = [Ask("start", "+OK", "lookup user0")]
    for tag, each in (("warm", some[:WARM_UP]), ("", some)):
        asks += [Ask(tag or "check", "+OK", f"check user{i} {PASSWORD} 192.0.2.7") for i in each]
        asks += [Ask(tag or "lookup", "+OK", f"lookup user{i}") for i in each]
        asks += [Ask(tag or "other case", "+OK", f"lookup USER{i}") for i in each]
        asks += [Ask(tag or "nobody", "-ERR", f"lookup nobody{i}") for i in each]
    return bench.driver.session(accounts.serve(bench, passwords), asks)


def _peer(bench: Bench, accounts: Accounts, command: list[str], times: int) -> Measured:
    some = [bench.random.randrange(accounts.count) for _ in range(times)]
    asks = [Ask("start", "OK", f"user0 {PASSWORD}")]
    asks += [Ask("check", "OK", f"user{i} {PASSWORD}") for i in some]
    if PAM not in command[0]:  # which sleeps for two seconds then
        asks += [Ask("nobody", "ERR", f"nobody{i} {PASSWORD}") for i in some]
    return bench.driver.session(accounts.run(*command), asks)


def _find(bench: Bench, name: str) -> str:
    """One of Squid's helpers, unpacked or as installed."""
    folder = os.path.join(bench.work, "squid")
    for path in (os.path.join(folder, FOLDER, name), f"/{FOLDER}/{name}"):
        if not os.path.exists(path) and path.startswith(folder):
            unpack(folder, "squid")
        if os.path.exists(path):
            return path
    raise BenchError(f"{name} is not here")


def system(bench: Bench) -> None:
    """Look-ups and checks of the system's own accounts."""
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if tried.returncode:
        raise BenchError("only root can have an /etc of its own")
    getpwnam, pam = _find(bench, GETPWNAM), [_find(bench, PAM), "-n", "nwauth"]
    for count, requests in ACCOUNTS.items():
        _rows(bench, Accounts(bench, count), getpwnam, pam, requests)


def _rows(bench: Bench, accounts: Accounts, getpwnam: str, pam: list[str], requests: int) -> None:
    cases: dict[str, Callable[[], Measured]] = {
        "shadow": lambda: _ours(bench, accounts, "shadow", requests),
        "getpwnam": lambda: _peer(bench, accounts, [getpwnam], requests),
        "pam": lambda: _ours(bench, accounts, "pam", PAM_REQUESTS),
        "peer's pam": lambda: _peer(bench, accounts, pam, PAM_REQUESTS),
    }
    found = bench.in_turn(cases)
    size = label(accounts.count)
    rows = (
        ("lookup", "shadow", "lookup", GETPWNAM, "getpwnam", "check"),
        ("lookup in another case", "shadow", "other case", GETPWNAM, "getpwnam", "check"),
        ("lookup of nobody", "shadow", "nobody", GETPWNAM, "getpwnam", "nobody"),
        ("check by the shadow file", "shadow", "check", GETPWNAM, "getpwnam", "check"),
        ("check by PAM", "pam", "check", PAM, "peer's pam", "check"),
    )
    for what, ours, tag, peer, theirs, their_tag in rows:
        for figure, name in ((p50, "p50"), (p99, "p99")):
            if name == "p99" and (ours == "pam" or requests < 2000):
                continue
            where = ("system", f"{what}, {name}, {size} accounts", "us")
            bench.table.add(where, found.figures(ours, figure(tag)), (peer, found.figures(theirs, figure(their_tag))))
