"""What all rows about SQL share: the databases and the peers of this run, found and started once."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sql_peers
from bench import MILLION, Bench, say
from driver import BenchError
from sql_bases import ENGINES, Engine, SqlBase

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL = "sql "  # begins the name of each group of these rows


@dataclass(frozen=True)
class Databases:
    """The engines that run, the peers that were found, and in words what was not."""

    engines: Sequence[Engine]
    peers: sql_peers.Peers
    missing: Sequence[str]

    def describe(self) -> str:
        """For the line above the table; of the load one is the run itself."""
        found = ", ".join(engine.version() for engine in self.engines)
        found += f"; load average {os.getloadavg()[2]:.1f}"
        return f"{found}; without {', '.join(self.missing)}" if self.missing else found


_bases: dict[tuple[str, int], SqlBase] = {}


@functools.cache
def databases(work: str, nwauth: tuple[str, ...], python: str, core: int) -> Databases:
    """Servers are started on the core of the driver, and inherit it; they end with this process."""
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # tests.databases
    cores = os.sched_getaffinity(0)
    if core >= 0:
        os.sched_setaffinity(0, {core})
    engines, missing = [], []
    for kind in ENGINES:
        try:
            engines.append(kind(nwauth, work))
        except (BenchError, ImportError, OSError, AssertionError) as error:
            say(f"left out: {kind.name}: {error}")
            missing.append(kind.name)
    os.sched_setaffinity(0, cores)
    peers = sql_peers.find(work, python)
    return Databases(engines, peers, [*missing, *(what.partition(" (")[0] for what in peers.missing)])


def of(bench: Bench) -> Databases:
    return databases(bench.work, tuple(bench.nwauth), bench.python, bench.driver.core)


def base_of(engine: Engine, size: int) -> SqlBase:
    key = (engine.name, size)
    if key not in _bases:
        say(f"{engine.name}, {size:,} users")
        _bases[key] = engine.base(size)
    return _bases[key]


def sizes(bench: Bench) -> list[int]:
    """Those up to a million: more says nothing new of a database."""
    return [size for size in bench.sizes if size <= MILLION] or [MILLION]
