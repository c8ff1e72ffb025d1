"""Rows of passwd files: the same users in a file of the passwd format, beside the flat files."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

import data
from bench import MILLION, Bench, checks, label, lookups, lookups_unknown, p50, rate, say, start_lookup
from driver import Measured
from serving import ONE_BY_ONE, PIPELINED, WARM_UP
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

FLAT = "flat files"
WITHIN = Bound(1.3, 1.1)
FORMAT = 1  # change it with the form of the data: older folders are made again


def base_of(bench: Bench, size: int) -> data.Base:
    """The users of the flat base as passwd lines, with nwauth.toml and the index beside them."""
    flat = bench.base(size)
    base = data.Base(size, os.path.join(bench.work, f"passwd-{size}-v{FORMAT}"))
    path = os.path.join(base.folder, "users.passwd")
    if not os.path.exists(path):
        shutil.rmtree(base.folder, ignore_errors=True)
        os.makedirs(base.folder)
        _write(flat, path)
        with open(os.path.join(base.folder, "nwauth.toml"), "w", encoding="ascii") as file:
            file.write('[[stores]]\nkind = "passwd"\npath = "users.passwd"\n')
    data.age(path)
    _build_index(bench, base)
    return base


def _write(flat: data.Base, path: str) -> None:
    with open(flat.users, encoding="ascii") as users, open(path + ".part", "w", encoding="ascii") as lines:
        for number, row in enumerate(users):
            name, field, _ = row.split(":", 2)
            lines.write(f"{name}:{field}:{1000 + number}:100::/home/{number}:/bin/false:quota=100\n")
    os.rename(path + ".part", path)


def _build_index(bench: Bench, base: data.Base) -> None:
    """Have a child make the index anew; its name is of the path, and comes with it."""
    for name in os.listdir(base.folder):
        if name.endswith(".idx"):
            os.unlink(os.path.join(base.folder, name))
    from nwauth.stores.passwd.store import _mark

    index = os.path.join(base.folder, f"nwauth.passwd.{_mark(os.path.join(base.folder, 'users.passwd'))}.idx")
    seconds = 5 + base.size // 50_000
    bench.driver.session(bench.serve(base), [start_lookup(base)], options=["--watch", index], timeout=seconds)


def _configured(bench: Bench, size: int) -> data.Base:
    """The flat base, with a nwauth.toml as the other has: it costs the start its parser."""
    flat = bench.base(size)
    base = data.Base(size, os.path.join(bench.work, f"passwd-flat-{size}"))
    os.makedirs(base.folder, exist_ok=True)
    if not os.path.exists(base.users):
        shutil.copyfile(flat.users, base.users)
        with open(os.path.join(base.folder, "nwauth.toml"), "w", encoding="ascii") as file:
            file.write('[[stores]]\nkind = "flatfile"\nshared = true\n')
    data.age(base.users)
    bench.build_index(base)
    return base


def _talk(bench: Bench, base: data.Base) -> Measured:
    some = bench.some
    asks = [start_lookup(base), *checks("warm", some(base, WARM_UP)), *lookups("warm", some(base, WARM_UP))]
    asks += checks("check", some(base, ONE_BY_ONE)) + lookups("lookup", some(base, ONE_BY_ONE))
    asks += lookups_unknown("unknown", some(base, ONE_BY_ONE)) + lookups("=lookup", some(base, PIPELINED))
    return bench.driver.session(bench.serve(base), asks)


def serving(bench: Bench) -> None:
    """Start, latency and memory of one child over a passwd file, beside one over flat files."""
    cases: dict[str, Callable[[], Measured]] = {}
    sizes = [size for size in bench.sizes if size <= MILLION]
    for size in sizes:
        say(f"passwd file of {label(size)}")
        cases[f"passwd {size}"] = partial(_talk, bench, base_of(bench, size))
        cases[f"flat {size}"] = partial(_talk, bench, _configured(bench, size))
    found = bench.in_turn(cases)
    for size in sizes:
        for what, unit, figure in (
            ("start to first answer", "ms", Measured.start_ms),
            ("p50 lookup", "us", p50("lookup")),
            ("p50 lookup, unknown", "us", p50("unknown")),
            ("p50 check, DES", "us", p50("check")),
            ("private memory of a child", "MB", Measured.private_mb),
        ):
            bench.table.add(
                ("passwd", f"passwd file: {what}, {label(size)}", unit),
                found.figures(f"passwd {size}", figure),
                (FLAT, found.figures(f"flat {size}", figure)),
                WITHIN if size == MILLION else None,
            )
        bench.table.add(
            ("passwd", f"passwd file: lookup, pipelined, {label(size)}", "req/s"),
            found.figures(f"passwd {size}", rate("=lookup")),
            (FLAT, found.figures(f"flat {size}", rate("=lookup"))),
        )
