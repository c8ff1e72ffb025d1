"""Rows of serving from SQL: start, latency, throughput and memory of one child, beside the bare drivers and others."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import sql
import sql_dovecot
from bench import (
    MILLION,
    Bench,
    Results,
    checks,
    label,
    lookups,
    lookups_unknown,
    p50,
    p99,
    peer_known,
    peer_unknown,
    rate,
    start_lookup,
    start_peer,
)
from driver import Measured
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from driver import Ask
    from sql_bases import Engine, SqlBase
    from sql_peers import Peers

ONE_BY_ONE = 3000  # requests of a kind in ping-pong, a round: a p99 wants 2,000
PIPELINED = 10_000
WARM_UP = 200
SPAWNS = 3
DB_AUTH = "basic_db_auth"
DOVECOT = "Dovecot"  # at the largest size alone
SQLALCHEMY = "import sqlalchemy"
LOOKUP_BOUND = Bound(1.5)  # of the bare driver, at a million
DB_AUTH_BOUND = Bound(1)  # its figure holds a DES check
START_BOUND = Bound(1.5)

Measure = dict[str, "Callable[[], Measured]"]


def raw_names(engine: Engine, peers: Peers) -> list[str]:
    """The loops over bare drivers: the statement of nwauth's first."""
    if engine.driver == "sqlite":
        return ["sqlite3"]
    names = [engine.driver, f"{engine.driver}, plain SELECT"]
    return [*names, "psycopg 3"] if engine.driver == "psycopg2" and peers.psycopg else names


def command(bench: Bench, engine: Engine, base: SqlBase, who: str) -> list[str]:
    """What is spawned for one side of a row."""
    peers = sql.of(bench).peers
    if who == "ours":
        return [*bench.nwauth, "-path", base.folder]
    if who == DB_AUTH:
        return peers.perl(engine, base)
    if who == "psycopg 3":
        return peers.raw_psycopg(engine, base)
    return peers.raw(engine, base, *(["plain"] if "plain" in who else []))


def sides(bench: Bench, engine: Engine) -> list[str]:
    peers = sql.of(bench).peers
    return ["ours", *raw_names(engine, peers), *([DB_AUTH] if peers.db_auth else [])]


def lowered(asks: list[Ask]) -> list[Ask]:
    """basic_db_auth asks for the name as it stands: here the key."""
    return [ask._replace(text=ask.text.lower()) for ask in asks]


def _first(who: str, base: SqlBase) -> Ask:
    return lowered([start_peer(base)])[0] if who == DB_AUTH else start_lookup(base)


def _session(bench: Bench, engine: Engine, base: SqlBase, who: str) -> Measured:
    some, asks = partial(bench.some, base), [_first(who, base)]
    if who == DB_AUTH:
        asks += peer_known("warm", some(WARM_UP)) + peer_unknown("warm", some(WARM_UP))
        asks += peer_known("check", some(ONE_BY_ONE)) + peer_unknown("unknown", some(ONE_BY_ONE))
        asks += peer_known("=check", some(PIPELINED)) + peer_unknown("=unknown", some(PIPELINED))
        return bench.driver.session(command(bench, engine, base, who), lowered(asks))
    asks += lookups("warm", some(WARM_UP))
    if who == "ours":
        asks += checks("warm", some(WARM_UP)) + checks("check", some(ONE_BY_ONE))
    asks += lookups("lookup", some(ONE_BY_ONE)) + lookups_unknown("unknown", some(ONE_BY_ONE))
    asks += lookups("=lookup", some(PIPELINED)) + lookups_unknown("=unknown", some(PIPELINED))
    if who == "ours":
        asks += checks("=check", some(PIPELINED))
    return bench.driver.session(command(bench, engine, base, who), asks)


def _dovecot(bench: Bench, engine: Engine, base: SqlBase) -> Measured:
    command, core = sql.of(bench).peers.dovecot or [], bench.driver.core
    with sql_dovecot.serving(command, engine, base, core) as sockets:
        known, piped = bench.some(base, ONE_BY_ONE), bench.some(base, PIPELINED)
        return sql_dovecot.session(bench.driver, sockets, known, piped)


def _start(bench: Bench, engine: Engine, base: SqlBase, who: str) -> float:
    words, ask = command(bench, engine, base, who), _first(who, base)
    return median(bench.driver.session(words, [ask]).start_ms() for _ in range(SPAWNS))


def _itself(value: float) -> float:
    return value


def start(bench: Bench) -> None:
    """Spawn to the first answer."""
    sqlalchemy = [bench.python, "-c", SQLALCHEMY]
    cases: dict[str, Callable[[], float]] = {SQLALCHEMY: lambda: bench.driver.run(sqlalchemy)}
    for engine in sql.of(bench).engines:
        for size in sql.sizes(bench):
            base = sql.base_of(engine, size)
            for who in sides(bench, engine):
                cases[f"{engine.name} {size} {who}"] = partial(_start, bench, engine, base, who)
    found = bench.in_turn(cases)
    for engine in sql.of(bench).engines:
        bound = START_BOUND if engine.driver == "sqlite" else None
        for size in sql.sizes(bench):
            where = (sql.SQL + "start", f"{engine.name}, {label(size)}: start to first answer", "ms")
            ours = found.figures(f"{engine.name} {size} ours", _itself)
            bench.table.add(where, ours, (f"python -c '{SQLALCHEMY}'", found.figures(SQLALCHEMY, _itself)), bound)
            for who in sides(bench, engine)[1:]:
                if "plain" not in who:
                    bench.table.add(where, ours, (who, found.figures(f"{engine.name} {size} {who}", _itself)))


def serving(bench: Bench) -> None:
    """Latency, throughput and memory of one child at each size."""
    start(bench)
    cases: Measure = {}
    for engine in sql.of(bench).engines:
        for size in sql.sizes(bench):
            base = sql.base_of(engine, size)
            for who in sides(bench, engine):
                cases[f"{engine.name} {size} {who}"] = partial(_session, bench, engine, base, who)
        if sql.of(bench).peers.dovecot:
            cases[f"{engine.name} {base.size} {DOVECOT}"] = partial(_dovecot, bench, engine, base)
    found = bench.in_turn(cases)
    for add_rows in (_latency, _pipelined, _memory):
        for engine in sql.of(bench).engines:
            for size in sql.sizes(bench):
                add_rows(bench, found, engine, size)


def _latency(bench: Bench, found: Results[Measured], engine: Engine, size: int) -> None:
    peers = sql.of(bench).peers
    at = f"{engine.name} {size} "
    million = size == MILLION

    def add(
        what: str, ours: Callable[[Measured], float], who: str, theirs: Callable[[Measured], float], bound: Bound | None
    ) -> None:
        bench.table.add(
            (sql.SQL + "latency", f"{engine.name}, {label(size)}: {what}", "us"),
            found.figures(at + "ours", ours),
            (who, found.figures(at + who, theirs)),
            bound if million else None,
        )

    for n, who in enumerate(raw_names(engine, peers)):
        add("p50 lookup", p50("lookup"), who, p50("lookup"), None if n else LOOKUP_BOUND)
    if peers.db_auth:
        add("p50 lookup", p50("lookup"), DB_AUTH, p50("check"), DB_AUTH_BOUND)
    if at + DOVECOT in found.found or at + DOVECOT in found.failures:
        add("p50 lookup", p50("lookup"), DOVECOT, p50("lookup"), None)
        add("p50 check, DES", p50("check"), DOVECOT, p50("check"), None)
    add("p50 lookup, unknown", p50("unknown"), raw_names(engine, peers)[0], p50("unknown"), None)
    if peers.db_auth:
        add("p50 lookup, unknown", p50("unknown"), DB_AUTH, p50("unknown"), None)
        add("p50 check, DES", p50("check"), DB_AUTH, p50("check"), None)
    add("p99 lookup", p99("lookup"), raw_names(engine, peers)[0], p99("lookup"), None)
    if peers.db_auth:
        add("p99 check, DES", p99("check"), DB_AUTH, p99("check"), None)


def _pipelined(bench: Bench, found: Results[Measured], engine: Engine, size: int) -> None:
    peers = sql.of(bench).peers
    at = f"{engine.name} {size} "

    def add(what: str, ours: str, who: str, theirs: str) -> None:
        bench.table.add(
            (sql.SQL + "pipelined", f"{engine.name}, {label(size)}: {what}", "req/s"),
            found.figures(at + "ours", rate(ours)),
            (who, found.figures(at + who, rate(theirs))),
        )

    add("lookup", "=lookup", raw_names(engine, peers)[0], "=lookup")
    if peers.db_auth:
        add("check, DES", "=check", DB_AUTH, "=check")
        add("lookup, unknown", "=unknown", DB_AUTH, "=unknown")
    if at + DOVECOT in found.found:
        add("lookup", "=lookup", DOVECOT, "=lookup")
        add("check, DES", "=check", DOVECOT, "=check")


def _memory(bench: Bench, found: Results[Measured], engine: Engine, size: int) -> None:
    for who in sides(bench, engine)[1:]:
        if "plain" not in who:
            bench.table.add(
                (sql.SQL + "memory", f"{engine.name}, {label(size)}: private memory of a child", "MB"),
                found.figures(f"{engine.name} {size} ours", Measured.private_mb),
                (who, found.figures(f"{engine.name} {size} {who}", Measured.private_mb)),
            )
