"""Rows of slow hashes: the first check, every check without the memo, the second check with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import data
from bench import NCSA, Bench, lookups, p50, start_lookup, start_peer
from driver import Ask, Measured
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS = {"ssha": 500, "md5": 300, "sha512": 40, "bcrypt": 3, "yescrypt": 7, "argon2id": 9}  # a round, memo off
REPEATED = 500
MEMO_OFF = "[passwords]\nmemo_seconds = 0\nupgrade = false\n"
BOUNDS = {"ssha": None}  # cheap: the memo leaves it alone


def _check(tag: str, scheme: str) -> Ask:
    who = data.slow_name(scheme)
    return Ask(tag, f"+OK {who} ", f"check {who} {data.SLOW_PASSWORD} 192.0.2.7")


def _first(tag: str) -> Callable[[Measured], float]:
    return lambda measured: float(measured.section(tag)["first_us"])


def hashes(bench: Bench) -> None:
    """Both ways with the memo, beside basic_ncsa_auth where it knows the scheme."""
    base = bench.base(min(bench.sizes))
    plain = bench.scratch(base.size, MEMO_OFF)

    def memo_on() -> Measured:
        asks = [start_lookup(base), *lookups("warm", bench.some(base, 200))]
        asks += [_check(f"first {scheme}", scheme) for scheme in data.SLOW]
        for scheme in data.SLOW:
            for user in bench.some(base, REPEATED):
                asks += [_check(scheme, scheme), *lookups(f"lookup {scheme}", [user])]
        return bench.driver.session(bench.serve(base), asks)

    def memo_off() -> Measured:
        asks = [start_lookup(plain)]
        asks += [_check(scheme, scheme) for scheme, count in CHECKS.items() for _ in range(count)]
        return bench.driver.session(bench.serve(plain), asks)

    def ncsa() -> Measured:
        asks = [start_peer(base)]
        for scheme in data.NCSA_READS:
            asks += [Ask(scheme, "OK", f"{data.slow_name(scheme)} {data.SLOW_PASSWORD}")] * CHECKS[scheme]
        return bench.driver.session(bench.peer(base), asks)

    found = bench.in_turn({"memo on": memo_on, "memo off": memo_off, "ncsa": ncsa})
    add = bench.table.add
    for scheme in data.SLOW:
        peer = (NCSA, found.figures("ncsa", p50(scheme))) if scheme in data.NCSA_READS else None
        add(
            ("hashes", f"first check of a child, {scheme}", "us"),
            found.figures("memo on", _first(f"first {scheme}")),
            peer,
        )
    for scheme in data.SLOW:
        peer = (NCSA, found.figures("ncsa", p50(scheme))) if scheme in data.NCSA_READS else None
        add(("hashes", f"p50 check, memo off, {scheme}", "us"), found.figures("memo off", p50(scheme)), peer)
    for scheme in data.SLOW:
        lookup = ("lookup", found.figures("memo on", p50(f"lookup {scheme}")))
        bound = BOUNDS.get(scheme, Bound(1.5, 1.2))
        add(("memo", f"p50 check again, memo on, {scheme}", "us"), found.figures("memo on", p50(scheme)), lookup, bound)
