"""Rows about all users of a database: a search among them, a copy of them into it; times, and whether memory grows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import data
import sql
from bench import MILLION, Bench, label, say, start_lookup
from driver import Ask, BenchError, Measured, Process
from sql_serving import command
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Results
    from sql_bases import Engine, SqlBase

ROUNDS = 3  # at most: each takes minutes
FEW = "er77777"
SMALL = 100_000  # what memory at a million is compared with
BULK_BOUND = Bound(2)
FLAT = Bound(1.2, 1.1)
COPIED = {"sqlite": "executemany", "psycopg2": "COPY", "pymysql": "executemany"}


def _sizes(bench: Bench) -> list[int]:
    """100k and a million, or what comes near."""
    return [size for size in sql.sizes(bench) if size >= SMALL] or [max(sql.sizes(bench))]


def _hits(base: SqlBase, pattern: str) -> int:
    return base.size if pattern == "*" else sum(pattern in data.name(i).lower() for i in range(base.size))


def search(bench: Bench) -> None:
    """A pattern with few hits, and all users."""
    cases: dict[str, Callable[[], Measured]] = {}
    kinds = {"few": FEW, "all": "*"}
    for engine in sql.of(bench).engines:
        for size in _sizes(bench):
            base = sql.base_of(engine, size)
            for kind, pattern in kinds.items():
                expected = f"+OK Search Complete {_hits(base, pattern)} items found"
                asks = [start_lookup(base), Ask(kind, expected, f"search {pattern}")]
                for who in ("ours", "raw"):
                    words = command(bench, engine, base, who)
                    cases[f"{engine.name} {size} {kind} {who}"] = partial(bench.driver.session, words, asks)
    found = bench.in_turn(cases, min(ROUNDS, bench.rounds))
    for engine in sql.of(bench).engines:
        for size in _sizes(bench):
            for kind in kinds:
                _search_rows(bench, found, engine, (size, kind))
        for kind in kinds:
            _flat_row(bench, found, engine, f"search, {kind}", kind)


def _milliseconds(tag: str) -> Callable[[Measured], float]:
    return lambda measured: float(measured.section(tag)["p50_us"]) / 1e3


def _search_rows(bench: Bench, found: Results[Measured], engine: Engine, of: tuple[int, str]) -> None:
    size, kind = of
    case = f"{engine.name} {size} {kind} "
    what = f"{engine.name}, {label(size)}: search, {kind}"
    for text, unit, figure in (("", "ms", _milliseconds(kind)), (", peak RSS", "MB", Measured.peak_mb)):
        bench.table.add(
            (sql.SQL + "search", what + text, unit),
            found.figures(case + "ours", figure),
            ("bare SELECT", found.figures(case + "raw", figure)),
        )


def _flat_row(bench: Bench, found: Results[Measured] | Results[Process], engine: Engine, what: str, kind: str) -> None:
    """Peak memory at the largest size beside that at the smallest."""
    small, large = min(_sizes(bench)), max(_sizes(bench))
    if small == large:
        say("growth wants 100k and 1M")
        return
    figure = Measured.peak_mb if kind != "copy" else lambda process: process.peak_mb
    bench.table.add(
        (f"{sql.SQL}growth", f"{engine.name}, {label(large)}: peak RSS of {what}", "MB"),
        found.figures(f"{engine.name} {large} {kind} ours", figure),
        (f"itself at {label(small)}", found.figures(f"{engine.name} {small} {kind} ours", figure)),
        FLAT if (small, large) == (SMALL, MILLION) else None,
    )


def bulk(bench: Bench) -> None:
    """`nwauth copy` of a folder of flat files into an empty base, beside what the database does at best."""
    cases: dict[str, Callable[[], Process]] = {}
    for engine in sql.of(bench).engines:
        for size in _sizes(bench):
            users = data.prepare(bench.work, size)
            for who in ("ours", "raw"):
                cases[f"{engine.name} {size} copy {who}"] = partial(_copy, bench, engine, users, who)
    found = bench.in_turn(cases, min(ROUNDS, bench.rounds))
    for engine in sql.of(bench).engines:
        engine.empty("copied")  # the last copy need not stay
        for size in _sizes(bench):
            case = f"{engine.name} {size} copy "
            for text, unit, figure, bound in (
                ("", "s", _seconds, BULK_BOUND if size == MILLION else None),
                (", peak RSS", "MB", _peak, None),
            ):
                bench.table.add(
                    (sql.SQL + "bulk", f"{engine.name}, {label(size)}: nwauth copy{text}", unit),
                    found.figures(case + "ours", figure),
                    (f"bare {COPIED[engine.driver]}", found.figures(case + "raw", figure)),
                    bound,
                )
        _flat_row(bench, found, engine, "nwauth copy", "copy")


def _seconds(process: Process) -> float:
    return process.seconds


def _peak(process: Process) -> float:
    return process.peak_mb


def _copy(bench: Bench, engine: Engine, users: data.Base, who: str) -> Process:
    base = engine.empty("copied", users.size)
    words = [*bench.nwauth, "copy", "--path", base.folder, "--from", users.folder, "--to", base.url]
    if who == "raw":
        words = [*command(bench, engine, base, "raw"), "load", users.users]
    process = bench.driver.process(words, timeout=900)
    wanted = users.size + len(data.SLOW)
    if (count := engine.count(base)) != wanted:
        raise BenchError(f"{count:,} of {wanted:,} users were copied")
    return process
