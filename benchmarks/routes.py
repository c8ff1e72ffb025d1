"""Rows of routes: what it costs that a store is one of three."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from bench import MILLION, Bench, checks, label, lookups, lookups_unknown, p50, start_lookup
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    import data
    from driver import Measured

ONE_BY_ONE = 4000
WARM_UP = 200
ROUTE_BOUND = Bound(1.1)
OTHERS = """
[[stores]]
name = "one"
kind = "sql"
url = "sqlite:///one.db"
match = "*@one.invalid"
[[stores]]
name = "two"
kind = "sql"
url = "sqlite:///two.db"
match = ["*@two.invalid", "two_*"]
"""
LAST = '[[stores]]\nname = "files"\nkind = "flatfile"\npath = "{path}"\nshared = true\n'


def routes(bench: Bench) -> None:
    """One child that serves the flat files alone, and one that has them behind two routes to other stores."""
    sizes = [size for size in bench.sizes if size <= MILLION]
    cases: dict[str, Callable[[], Measured]] = {}
    for size in sizes:
        base = bench.base(size)
        for who, others in (("alone", ""), ("routed", OTHERS)):
            folder = os.path.join(bench.work, f"{who}-{size}")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "nwauth.toml"), "w", encoding="utf-8") as file:
                file.write(others + LAST.format(path=base.folder))
            cases[f"{who} {size}"] = partial(_session, bench, base, folder)
    found = bench.in_turn(cases)
    for size in sizes:
        for what, tag in (("lookup", "lookup"), ("lookup, unknown", "unknown"), ("check, DES", "check")):
            bench.table.add(
                ("routes", f"p50 {what}, third of three stores, {label(size)}", "us"),
                found.figures(f"routed {size}", p50(tag)),
                ("the store alone", found.figures(f"alone {size}", p50(tag))),
                ROUTE_BOUND,
            )


def _session(bench: Bench, base: data.Base, folder: str) -> Measured:
    some = partial(bench.some, base)
    asks = [start_lookup(base), *lookups("warm", some(WARM_UP)), *checks("warm", some(WARM_UP))]
    asks += lookups("lookup", some(ONE_BY_ONE)) + lookups_unknown("unknown", some(ONE_BY_ONE))
    asks += checks("check", some(ONE_BY_ONE))
    return bench.driver.session([*bench.nwauth, "-path", folder], asks)
