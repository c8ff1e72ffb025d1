"""Rows of writing: a foreign append seen, a durable set, a merge with look-ups all the while."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import data
from bench import NCSA, Bench, label, p50, start_lookup, start_peer, tail
from driver import Ask, BenchError, Measured
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

APPENDS, PEER_APPENDS = 20, 2  # a round; the peer reads its whole file again for each
SETS, BLOCK = 400, 20  # sets of one child in a round, in turn with blocks of bare appends
RATE_SETS = 600
JOURNAL_LINES = 20_000
MERGE_LOOKUPS = 20_000
MERGE_GAP_US = 100


def visible(bench: Bench) -> None:
    """From a foreign append to the first positive answer of a child that served before."""
    base = bench.scratch(bench.main_size)
    journal = os.path.join(base.folder, "nwauth.add")
    stored = "{ssha}MCgdrwabRrx2yEGO6XzUMH7j8EVzYWx0"
    serial = iter(range(1, 1_000_000))

    def ours() -> Measured:
        new = [f"New{next(serial)}@Dom9.test.com" for _ in range(APPENDS)]
        asks = [start_lookup(base), Ask("before", "-ERR", f"lookup {new[0]}")]
        asks += [Ask("visible", f"+OK {who} ", f"lookup {who}", f"{who}:{stored}:") for who in new]
        options = ["--append-to", journal, "--gap-us", "20000"]
        return bench.driver.session(bench.serve(base), asks, options=options, timeout=60)

    def peer() -> Measured:
        known = data.password(0)
        des = _des_of_first(base)
        new = [f"New{next(serial)}@Dom9.test.com" for _ in range(PEER_APPENDS)]
        asks = [start_peer(base), Ask("before", "ERR", f"{new[0]} {known}")]
        asks += [Ask("visible", "OK", f"{who} {known}", f"{who}:{des}") for who in new]
        options = ["--append-to", base.htpasswd, "--bump", "--gap-us", "20000"]
        return bench.driver.session(bench.peer(base), asks, options=options, timeout=60)

    found = bench.in_turn({"ours": ours, "ncsa": peer})
    bench.table.add(
        ("visible", f"new user known after a foreign append, {label(base.size)}", "us"),
        found.figures("ours", p50("visible")),
        (NCSA, found.figures("ncsa", p50("visible"))),
        bench.at_million(Bound(0.02, 0.003)),
    )


def _des_of_first(base: data.Base) -> str:
    """The stored hash of a user with the first password of the pool."""
    with open(base.htpasswd, encoding="ascii") as f:
        for line in f:
            who, _, stored = line.strip().partition(":")
            number = who.partition("@")[0].removeprefix("User")
            if number.isdigit() and int(number) % data.POOL == 0:
                return stored
    raise BenchError("the base holds no user with the first password")


def _sets(bench: Bench, base: data.Base, count: int) -> list[Ask]:
    some = bench.some(base, count)
    return [
        Ask("set", f"+OK {data.name(i)} added", f'set {data.name(i)} (NULL) q="{n % 1000:03d}"')
        for n, i in enumerate(some)
    ]


def durable(bench: Bench) -> None:
    """One durable set against a bare append + fdatasync in the same folder; the rate of one and of four children."""
    base = bench.scratch(bench.main_size)
    floor = os.path.join(base.folder, "floor.tmp")
    os.sync()  # the copy is not to be written back while sets are timed

    def one() -> Measured:
        asks = [start_lookup(base), *[ask._replace(tag="warm") for ask in _sets(bench, base, BLOCK)]]
        sets = _sets(bench, base, SETS)
        for at in range(0, SETS, BLOCK):
            block = sets[at : at + BLOCK]
            lines = [f'{ask.text.split()[1]}:{"x" * 13}:quota="100" q="001"' for ask in block]
            asks += [*block, *[Ask("floor", "", "", line) for line in lines]]
        return bench.driver.session(bench.serve(base), asks, options=["--floor", floor])

    def many(children: int) -> Measured:
        return bench.driver.parallel(bench.serve(base), _sets(bench, base, RATE_SETS + children), children)

    def rate(measured: Measured) -> float:
        measured.section("set")
        return float(measured.report["count"]) / float(measured.report["wall_us"]) * 1e6

    cases: dict[str, Callable[[], Measured]] = {"one": one, "1": lambda: many(1), "4": lambda: many(4)}
    found = bench.in_turn(cases)
    size = label(base.size)
    for what, figure, bound in (("p50", p50, bench.at_million(Bound(1.5, 1.2))), ("p99", tail, None)):
        bench.table.add(
            ("set", f'{what} of a durable set u (NULL) q="...", {size}', "us"),
            found.figures("one", figure("set")),
            ("append + fdatasync", found.figures("one", figure("floor"))),
            bound,
        )
    bench.table.add(("set", f"sets by one child, {size}", "sets/s"), found.figures("1", rate))
    bench.table.add(
        ("set", f"sets by four children together, {size}", "sets/s"),
        found.figures("4", rate),
        ("one child", found.figures("1", rate)),
    )


def merge(bench: Bench) -> None:
    """`nwauth merge` with a journal of changed and new users, while another child is asked for both."""
    size = bench.main_size

    def once() -> Measured:
        base = bench.scratch(size)
        asks = [start_lookup(base), *_journal(bench, base)]
        command = [*bench.nwauth, "merge", "-path", base.folder]
        found = bench.driver.session(
            bench.serve(base), asks, options=["--gap-us", str(MERGE_GAP_US)], companion=command
        )
        if found.report["companion_status"] != 0:
            raise BenchError(f"merge ended with status {found.report['companion_status']}")
        if not _merged(base):
            raise BenchError("merge left the journal's lines where they were")
        return found

    found = bench.in_turn({"merge": once})
    budget, memory = bench.at_million(Bound(10, own=True)), bench.at_million(Bound(150, own=True))
    for what, unit, figure, bound in (
        ("wall time", "s", lambda m: m.report["companion_us"] / 1e6, budget),
        ("peak RSS of its largest process", "MB", lambda m: m.report["companion_peak_kb"] / 1024, memory),
        ("peak PSS of all its processes", "MB", lambda m: m.peak_pss_kb / 1024, memory),
        ("look-ups answered meanwhile", "", _answered, None),
        ("of these wrong", "", _wrong, Bound(0, own=True)),
        ("p50 of these look-ups", "us", p50("while"), None),
        ("p99 of these look-ups", "us", tail("while"), None),
        ("slowest of these look-ups", "us", lambda m: m.section("while")["max_us"], None),
    ):
        bench.table.add(("merge", f"merge, {label(size)}: {what}", unit), found.figures("merge", figure), None, bound)


def _answered(measured: Measured) -> float:
    return float(measured.report["sections"]["while"]["count"])


def _wrong(measured: Measured) -> float:
    return float(measured.report["sections"]["while"]["wrong"])


def _journal(bench: Bench, base: data.Base) -> list[Ask]:
    """Writes nwauth.add; look-ups of users in it and of others, each with the answer it must get."""
    changed = {i: f'quota="{i % 9000 + 1000}" q="1"' for i in bench.some(base, JOURNAL_LINES // 2)}
    added = [f"Fresh{i}@Dom8.test.com" for i in range(JOURNAL_LINES - len(changed))]
    path = os.path.join(base.folder, "nwauth.add")
    with open(path, "w", encoding="ascii") as f:
        f.writelines(f"{data.name(i)}:*changed:{info}\n" for i, info in changed.items())
        f.writelines(f'{who}:*fresh:q="2"\n' for who in added)
    os.chmod(path, 0o600)
    data.age(path)
    asks = [
        Ask("while", f"+OK {data.name(i)} config 0 " + changed.get(i, 'quota="100"'), f"lookup {data.name(i)}")
        for i in [*bench.some(base, MERGE_LOOKUPS // 3), *list(changed)[: MERGE_LOOKUPS // 3]]
    ]
    asks += [Ask("while", f'+OK {who} config 0 q="2"', f"lookup {who}") for who in added[: MERGE_LOOKUPS // 3]]
    bench.random.shuffle(asks)
    return asks


def _merged(base: data.Base) -> bool:
    """Whether nwauth.txt has the journal's new users, and nwauth.add no longer."""
    journal = os.path.join(base.folder, "nwauth.add")
    if os.path.exists(journal) and os.path.getsize(journal) > 4096:
        return False
    with open(base.users, encoding="ascii") as f:
        return any(line.startswith("Fresh0@") for line in f)
