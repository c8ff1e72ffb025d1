"""Rows of reading: start, latency, throughput, memory, growth, log."""

from __future__ import annotations

import os
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from bench import (
    MILLION,
    NCSA,
    Bench,
    Results,
    checks,
    checks_unknown,
    label,
    lookups,
    lookups_unknown,
    p50,
    p99,
    peer_known,
    peer_unknown,
    rate,
    say,
    start_lookup,
    start_peer,
)
from driver import Ask, Measured
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    import data

ONE_BY_ONE = 4000  # requests of a kind in ping-pong, a round: a p99 wants 2,000
PIPELINED = 40_000
WARM_UP = 200  # answered before anything but the start is timed
SPAWNS = 5  # of what starts in milliseconds; a round counts their median
START_BOUNDS = {MILLION: Bound(0.05, 0.02), 10 * MILLION: Bound(0.004, 0.0015)}


def _median(once: Callable[[], float]) -> float:
    return median(once() for _ in range(SPAWNS))


def _start(bench: Bench, command: list[str], ask: Ask) -> float:
    return bench.driver.session(command, [ask]).start_ms()


def _start_peer(bench: Bench, base: data.Base) -> float:
    return _start(bench, bench.peer(base), start_peer(base))


def start(bench: Bench) -> None:
    """Spawn to the first answer, index present."""
    echo = [os.path.join(bench.work, "echo")]
    cases: dict[str, Callable[[], float]] = {
        "python": partial(_median, partial(bench.driver.run, [bench.python, "-c", "pass"])),
        "echo": partial(_median, partial(_start, bench, echo, Ask("start", "OK", "x"))),
    }
    for size in bench.sizes:
        base = bench.base(size)
        cases[f"ours {size}"] = partial(_median, partial(_start, bench, bench.serve(base), start_lookup(base)))
        cases[f"ncsa {size}"] = partial(_start_peer, bench, base)
    found = bench.in_turn(cases)

    def itself(value: float) -> float:
        return value

    for size in bench.sizes:
        ours = found.figures(f"ours {size}", itself)
        where = ("start", f"start to first answer, {label(size)}", "ms")
        bench.table.add(where, ours, ("python -c pass", found.figures("python", itself)), Bound(3, 1.5))
        bench.table.add(where, ours, (NCSA, found.figures(f"ncsa {size}", itself)), START_BOUNDS.get(size))
    bench.table.add(("start", "start of the echo child", "ms"), found.figures("echo", itself))


def first(bench: Bench) -> None:
    """First answer with no index yet, and the time until there is one."""
    base = bench.base(bench.main_size)
    watch = ["--watch", os.path.join(base.folder, bench.index)]

    def ours() -> Measured:
        bench.drop_index(base)
        return bench.driver.session(bench.serve(base), [start_lookup(base)], options=watch)

    found = bench.in_turn(
        {"ours": ours, "ncsa": lambda: bench.driver.session(bench.peer(base), [start_peer(base)])},
    )
    bench.build_index(base)
    peer = (f"{NCSA} start", found.figures("ncsa", Measured.start_ms))
    size = label(base.size)
    bench.table.add(
        ("first", f"first answer, no index yet, {size}", "ms"),
        found.figures("ours", Measured.start_ms),
        peer,
        bench.at_million(Bound(0.15, 0.08)),
    )
    bench.table.add(
        ("first", f"index complete, {size}", "ms"),
        found.figures("ours", lambda m: float(m.report["watch_us"]) / 1e3),
        peer,
        bench.at_million(Bound(1.6, 0.9)),
    )


def _ours(bench: Bench, base: data.Base, *options: str) -> Measured:
    some = bench.some
    asks = [start_lookup(base), *checks("warm", some(base, WARM_UP)), *lookups("warm", some(base, WARM_UP))]
    asks += checks("check", some(base, ONE_BY_ONE)) + lookups("lookup", some(base, ONE_BY_ONE))
    asks += lookups_unknown("unknown", some(base, ONE_BY_ONE)) + checks_unknown("bad", some(base, ONE_BY_ONE))
    asks += checks("=check", some(base, PIPELINED)) + lookups("=lookup", some(base, PIPELINED))
    asks += lookups_unknown("=unknown", some(base, PIPELINED))
    return bench.driver.session(bench.serve(base, *options), asks)


def _peer(bench: Bench, base: data.Base) -> Measured:
    some = bench.some
    asks = [start_peer(base), *peer_known("warm", some(base, WARM_UP)), *peer_unknown("warm", some(base, WARM_UP))]
    asks += peer_known("known", some(base, ONE_BY_ONE)) + peer_unknown("unknown", some(base, ONE_BY_ONE))
    asks += peer_known("=known", some(base, PIPELINED)) + peer_unknown("=unknown", some(base, PIPELINED))
    return bench.driver.session(bench.peer(base), asks)


def _echo(bench: Bench) -> Measured:
    asks = [Ask("start", "OK", "x"), *[Ask("any", "OK", "lookup someone@dom.test.com")] * ONE_BY_ONE]
    asks += [Ask("=any", "OK", "lookup someone@dom.test.com")] * PIPELINED
    return bench.driver.session([os.path.join(bench.work, "echo")], asks)


def serving(bench: Bench) -> None:
    """Latency, throughput and memory of one child at each size, and how they grow."""
    cases: dict[str, Callable[[], Measured]] = {"echo": lambda: _echo(bench)}
    for size in bench.sizes:
        base = bench.base(size)
        cases[f"ours {size}"] = partial(_ours, bench, base)
        cases[f"ncsa {size}"] = partial(_peer, bench, base)
    found = bench.in_turn(cases)
    add = bench.table.add
    add(("latency", "echo child p50", "us"), found.figures("echo", p50("any")))
    add(("latency", "echo child p99", "us"), found.figures("echo", p99("any")))
    add(("pipelined", "echo child", "req/s"), found.figures("echo", rate("=any")))
    for size in bench.sizes:
        _latency_rows(bench, found, size)
    for size in bench.sizes:
        _pipelined_rows(bench, found, size)
    for size in bench.sizes:
        add(
            ("memory", f"private memory of a child, {label(size)}", "MB"),
            found.figures(f"ours {size}", Measured.private_mb),
            (NCSA, found.figures(f"ncsa {size}", Measured.private_mb)),
            Bound(8, 4, own=True),
        )
    _growth_rows(bench, found)


def _latency_rows(bench: Bench, found: Results[Measured], size: int) -> None:
    def add(
        what: str, ours: Callable[[Measured], float], peer: Callable[[Measured], float], bound: Bound | None
    ) -> None:
        bench.table.add(
            ("latency", f"{what}, {label(size)}", "us"),
            found.figures(f"ours {size}", ours),
            (NCSA, found.figures(f"ncsa {size}", peer)),
            bound if size <= MILLION else None,
        )

    add("p50 check, DES", p50("check"), p50("known"), Bound(1.25, 1.0))
    add("p50 lookup", p50("lookup"), p50("known"), Bound(1.0, 0.75))
    add("p50 lookup, unknown", p50("unknown"), p50("unknown"), Bound(0.85, 0.65))
    add("p50 check, unknown", p50("bad"), p50("unknown"), None)
    tail = Bound(2.0, 1.3) if size == MILLION else None
    add("p99 check, DES", p99("check"), p99("known"), tail)
    add("p99 lookup", p99("lookup"), p99("known"), tail)
    add("p99 lookup, unknown", p99("unknown"), p99("unknown"), None)


def _pipelined_rows(bench: Bench, found: Results[Measured], size: int) -> None:
    for what, ours, peer, bound in (
        ("check, DES", "=check", "=known", Bound(1.1, 1.5, least=True)),
        ("lookup, unknown", "=unknown", "=unknown", Bound(2, 4, least=True)),
        ("lookup", "=lookup", "=known", None),
    ):
        bench.table.add(
            ("pipelined", f"{what}, {label(size)}", "req/s"),
            found.figures(f"ours {size}", rate(ours)),
            (NCSA, found.figures(f"ncsa {size}", rate(peer))),
            bound if size == MILLION else None,
        )


def _growth_rows(bench: Bench, found: Results[Measured]) -> None:
    small, large = min(bench.sizes), max(bench.sizes)
    if small == large:
        say("growth wants two sizes")
        return
    for what, unit, figure, bound in (
        ("start", "ms", Measured.start_ms, Bound(2, 1.3)),
        ("p50 check, DES", "us", p50("check"), Bound(1.5, 1.25)),
        ("p50 lookup", "us", p50("lookup"), Bound(1.5, 1.25)),
        ("p99 lookup", "us", p99("lookup"), Bound(2, 1.3)),
        ("private memory", "MB", Measured.private_mb, Bound(1.2, 1.1)),
    ):
        bench.table.add(
            ("growth", f"{what}, {label(large)}", unit),
            found.figures(f"ours {large}", figure),
            (f"itself at {label(small)}", found.figures(f"ours {small}", figure)),
            bound,
        )


def log(bench: Bench) -> None:
    """p50 with one log line a request."""
    base = bench.base(bench.main_size)
    path = os.path.join(base.folder, "nwauth.log")

    def ours(*options: str) -> Measured:
        if os.path.exists(path):
            os.unlink(path)
        users = bench.some(base, ONE_BY_ONE)
        asks = [start_lookup(base), *checks("warm", users[:WARM_UP]), *checks("check", users)]
        asks += lookups("lookup", bench.some(base, ONE_BY_ONE))
        return bench.driver.session(bench.serve(base, *options), asks)

    def peer() -> Measured:
        users = bench.some(base, ONE_BY_ONE)
        asks = [start_peer(base), *peer_known("warm", users[:WARM_UP]), *peer_known("known", users)]
        return bench.driver.session(bench.peer(base), asks)

    found = bench.in_turn({"on": lambda: ours("-log"), "off": ours, "ncsa": peer})
    if os.path.exists(path):
        os.unlink(path)
    ncsa = (NCSA, found.figures("ncsa", p50("known")))
    for what, tag in (("check, DES", "check"), ("lookup", "lookup")):
        where = ("log", f"p50 {what}, log on, {label(base.size)}", "us")
        bench.table.add(where, found.figures("on", p50(tag)), ncsa, Bound(2, 1.5))
        bench.table.add(where, found.figures("on", p50(tag)), ("log off", found.figures("off", p50(tag))))
