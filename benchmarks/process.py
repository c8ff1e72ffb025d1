"""Rows of an external module: what the hop costs to a second nwauth, beside that one asked directly."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench import MILLION, Bench, checks, label, lookups, lookups_unknown, p50, p99, rate, start_lookup
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    import data
    from driver import Measured

ONE_BY_ONE = 4000  # requests of a kind in ping-pong, a round: a p99 wants 2,000
PIPELINED = 10_000
WARM_UP = 200
DIRECTLY = "the module directly"
HOP_BOUND = Bound(4)  # two pipes and two programs that take turns on one core, instead of one


def _through(bench: Bench, base: data.Base) -> list[str]:
    """Serves `base` through another nwauth."""
    folder = os.path.join(bench.work, f"process-{base.size}")
    os.makedirs(folder, exist_ok=True)
    command = ", ".join(f"'{word}'" for word in bench.serve(base))
    with open(os.path.join(folder, "nwauth.toml"), "w", encoding="utf-8") as file:
        file.write(f'[[stores]]\nkind = "process"\ncommand = [{command}]\n')
    return [*bench.nwauth, "-path", folder]


def _session(bench: Bench, base: data.Base, command: list[str]) -> Measured:
    def some(count: int) -> list[int]:
        return bench.some(base, count)

    asks = [start_lookup(base), *lookups("warm", some(WARM_UP)), *checks("warm", some(WARM_UP))]
    asks += lookups("lookup", some(ONE_BY_ONE)) + lookups_unknown("unknown", some(ONE_BY_ONE))
    asks += checks("check", some(ONE_BY_ONE))
    asks += lookups("=lookup", some(PIPELINED)) + checks("=check", some(PIPELINED))
    return bench.driver.session(command, asks)


def process(bench: Bench) -> None:
    """Look-ups and checks through the store of kind ``process``."""
    size = max(size for size in bench.sizes if size <= MILLION)
    base = bench.base(size)
    cases: dict[str, Callable[[], Measured]] = {
        "through": lambda: _session(bench, base, _through(bench, base)),
        "directly": lambda: _session(bench, base, bench.serve(base)),
    }
    found = bench.in_turn(cases)
    for tag, what in (("lookup", "lookup"), ("unknown", "lookup of nobody"), ("check", "check")):
        for figure, name in ((p50(tag), "p50"), (p99(tag), "p99")):
            where = ("process", f"{what} through a module, {name}, {label(size)}", "us")
            bound = HOP_BOUND if name == "p50" and tag != "check" else None
            bench.table.add(
                where, found.figures("through", figure), (DIRECTLY, found.figures("directly", figure)), bound
            )
    for tag in ("lookup", "check"):
        where = ("process", f"{tag} through a module, pipelined, {label(size)}", "/s")
        figure = rate(f"={tag}")
        bench.table.add(where, found.figures("through", figure), (DIRECTLY, found.figures("directly", figure)))
