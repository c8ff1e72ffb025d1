"""Rows about `nwauth apply` and `import`: all users into an empty store, and the same once more; time and memory."""

from __future__ import annotations

import json
import os
import shutil
import sys
from functools import partial
from typing import TYPE_CHECKING

import data
import sql
from bench import MILLION, Bench, label
from driver import BenchError, Process
from sql_loads import COPIED, FLAT, SMALL
from sql_serving import command
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Results
    from sql_bases import Engine

ROUNDS = 3  # at most: each takes minutes
FORMS = {"ndjson": "NDJSON", "csv": "CSV"}
FLAT_BOUND, SQL_BOUND, AGAIN_BOUND = Bound(3), Bound(2), Bound(1)
SORT_AND_WRITE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sort_and_write.py")
COMMAND_BOUND = Bound(300, own=True)
QUICK_RUNS = 9
SETTINGS = '[[stores]]\nkind = "flatfile"\nshared = false\n'
SECONDS = 900
INDEX_BYTES_A_USER = 10  # of memory, as `nwauth.stores.textfile.index.build` states it


def provision(bench: Bench) -> None:
    """Flat files beside a sort of the same lines, databases beside their bulk load.

    Programs that work on files are not pinned: one that shares its work out may use all processors, as it will there.
    """
    sizes = sorted({min(bench.sizes, key=lambda size: abs(size - SMALL)), bench.main_size})
    cases: dict[str, Callable[[], Process]] = {}
    for size in sizes:
        users = data.prepare(bench.work, size)
        plans = {form: _plan(bench, users, form) for form in FORMS}
        cases[f"{size} sort"] = partial(_sort, bench, users)
        for form, plan in plans.items():
            folder = os.path.join(bench.work, f"provision-{size}-{form}")
            cases[f"{size} {form}"] = partial(_apply, bench, folder, plan, users, _emptied)
            cases[f"{size} {form} again"] = partial(_again, bench, folder, plan, users)
        folder = os.path.join(bench.work, f"provision-{size}-import")
        cases[f"{size} import"] = partial(_import, bench, folder, plans["ndjson"], users)
        for engine in sql.of(bench).engines:
            cases[f"{size} {engine.name} raw"] = partial(_load, bench, engine, users)
            cases[f"{size} {engine.name}"] = partial(_apply_sql, bench, engine, users, plans["ndjson"])
            cases[f"{size} {engine.name} again"] = partial(_again_sql, bench, engine, users, plans["ndjson"])
    found = bench.in_turn(cases, min(ROUNDS, bench.rounds))
    for engine in sql.of(bench).engines:
        engine.empty("applied")  # the last one need not stay
    for size in sizes:
        for form, title in FORMS.items():
            _rows(bench, found, (size, form, f"{title} into flat files"), ("sort and write", "sort"), FLAT_BOUND)
        bench.table.add(
            ("provision", f"import, NDJSON into flat files, {label(size)}", "s"),
            found.figures(f"{size} import", _seconds),
            ("sort and write", found.figures(f"{size} sort", _seconds)),
            FLAT_BOUND if size == MILLION else None,
        )
        for engine in sql.of(bench).engines:
            peer = (f"bare {COPIED[engine.driver]}", f"{engine.name} raw")
            _rows(bench, found, (size, engine.name, f"NDJSON into {engine.name}"), peer, SQL_BOUND)
    if len(sizes) > 1:
        for case in (*FORMS, *(engine.name for engine in sql.of(bench).engines)):
            _growth(bench, found, sizes, case)


def commands(bench: Bench) -> None:
    """How long an administrator waits for a command that has hardly anything to do."""
    base = bench.base(bench.main_size)
    words = {
        "click": [bench.python, "-c", "import click"],
        "--help": [*bench.nwauth, "--help"],
        "user show": [*bench.nwauth, "--path", base.folder, "user", "show", data.name(0)],
    }
    found = bench.in_turn({name: partial(_quick, bench, command) for name, command in words.items()})
    for name, of in (("--help", ""), ("user show", f", {label(base.size)}")):
        where = ("provision commands", f"nwauth {name}{of}", "ms")
        peer = ("python and click", found.figures("click", _milliseconds))
        bench.table.add(where, found.figures(name, _milliseconds), peer, COMMAND_BOUND)


def _rows(bench: Bench, found: Results[Process], of: tuple[int, str, str], peer: tuple[str, str], bound: Bound) -> None:
    size, case, title = of
    at_million = size == MILLION
    bench.table.add(
        ("provision", f"apply, {title}, {label(size)}", "s"),
        found.figures(f"{size} {case}", _seconds),
        (peer[0], found.figures(f"{size} {peer[1]}", _seconds)),
        bound if at_million else None,
    )
    bench.table.add(
        ("provision", f"apply, {title}, {label(size)}, once more", "s"),
        found.figures(f"{size} {case} again", _seconds),
        ("the first time", found.figures(f"{size} {case}", _seconds)),
        AGAIN_BOUND if at_million else None,
    )


def _growth(bench: Bench, found: Results[Process], sizes: list[int], case: str) -> None:
    small, large = sizes
    for again, what in (("", ""), (" again", ", once more")):
        more_mb = 0.0 if again or case not in FORMS else (large - small) * INDEX_BYTES_A_USER / 1e6
        bench.table.add(
            ("provision memory", f"peak RSS of apply, {FORMS.get(case, case)}, {label(large)}{what}", "MB"),
            found.figures(f"{large} {case}{again}", _peak),
            (
                f"itself at {label(small)}" + (" and its index" if more_mb else ""),
                found.figures(f"{small} {case}{again}", partial(_peak, more_mb=more_mb)),
            ),
            FLAT if (small, large) == (SMALL, MILLION) else None,
        )


def _seconds(process: Process) -> float:
    return process.seconds


def _milliseconds(process: Process) -> float:
    return process.seconds * 1e3


def _quick(bench: Bench, words: list[str]) -> Process:
    """The median of some runs of a command that is soon done."""
    found = sorted((bench.driver.process(words) for _ in range(QUICK_RUNS)), key=_seconds)
    return found[QUICK_RUNS // 2]


def _peak(process: Process, *, more_mb: float = 0.0) -> float:
    return process.peak_mb + more_mb


# --- flat files -------------------------------------------------------------------------------------------------------


def _sort(bench: Bench, users: data.Base) -> Process:
    target = os.path.join(bench.work, "sorted.txt")
    process = bench.driver.process([sys.executable, SORT_AND_WRITE, users.users, target], timeout=SECONDS, pinned=False)
    os.unlink(target)
    return process


def _emptied(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "nwauth.toml"), "w", encoding="ascii") as file:
        file.write(SETTINGS)
    path = os.path.join(folder, "nwauth.txt")
    with open(path, "w", encoding="ascii"):
        pass
    data.age(path)


def _apply(
    bench: Bench,
    folder: str,
    plan: str,
    users: data.Base,
    prepare: Callable[[str], None],
    *,
    result: str = "created",
    pinned: bool = False,
) -> Process:
    prepare(folder)
    words = [*bench.nwauth, "--path", folder, "apply", plan, "--summary"]
    return _told(bench, words, users, result, pinned=pinned)


def _import(bench: Bench, folder: str, plan: str, users: data.Base) -> Process:
    _emptied(folder)
    words = [*bench.nwauth, "--path", folder, "import", plan, "--format", "json"]
    return _told(bench, words, users, "created", pinned=False)


def _told(bench: Bench, words: list[str], users: data.Base, result: str, *, pinned: bool) -> Process:
    told = os.path.join(bench.work, "applied.json")
    process = bench.driver.process(["sh", "-c", 'exec "$@" >"$0"', told, *words], timeout=SECONDS, pinned=pinned)
    wanted = users.size + len(data.SLOW)
    with open(told, encoding="utf-8") as file:
        if (count := json.load(file)[result]) != wanted:
            raise BenchError(f"{count:,} of {wanted:,} users were {result}")
    return process


def _again(bench: Bench, folder: str, plan: str, users: data.Base) -> Process:
    """On what stands there, or else on what is put there first."""
    path = os.path.join(folder, "nwauth.txt")
    if not os.path.exists(path) or os.path.getsize(path) < users.size:
        _apply(bench, folder, plan, users, _emptied)
    return _apply(bench, folder, plan, users, lambda _: None, result="unchanged")


# --- databases --------------------------------------------------------------------------------------------------------


def _load(bench: Bench, engine: Engine, users: data.Base) -> Process:
    base = engine.empty("applied", users.size)
    words = [*command(bench, engine, base, "raw"), "load", users.users]
    return bench.driver.process(words, timeout=SECONDS)


def _apply_sql(bench: Bench, engine: Engine, users: data.Base, plan: str) -> Process:
    base = engine.empty("applied", users.size)
    return _apply(bench, base.folder, plan, users, lambda _: None, pinned=True)


def _again_sql(bench: Bench, engine: Engine, users: data.Base, plan: str) -> Process:
    base = engine.empty("applied", users.size)
    _apply(bench, base.folder, plan, users, lambda _: None, pinned=True)
    return _apply(bench, base.folder, plan, users, lambda _: None, result="unchanged", pinned=True)


# --- plans ------------------------------------------------------------------------------------------------------------


def _plan(bench: Bench, users: data.Base, form: str) -> str:
    """The users of a base, in their order, as a plan; kept between runs."""
    path = os.path.join(bench.work, f"plan-{users.size}-v{data.FORMAT}.{form}")
    if not os.path.exists(path):
        with open(path + ".part", "w", encoding="ascii") as file:
            file.writelines(_as_csv(users) if form == "csv" else _as_ndjson(users))
        os.rename(path + ".part", path)
    return path


def _said(users: data.Base) -> Iterator[tuple[str, str, str]]:
    with open(users.users, encoding="ascii") as file:
        for line in file:
            name, field, info = line.rstrip("\n").split(":", 2)
            yield name, field, info.split('"')[1]


def _as_ndjson(users: data.Base) -> Iterator[str]:
    for name, field, quota in _said(users):
        yield json.dumps({"name": name, "password_hash": field, "quota": quota}) + "\n"


def _as_csv(users: data.Base) -> Iterator[str]:
    yield "name,password_hash,quota\n"
    for name, field, quota in _said(users):
        text = f'"{field}"' if "," in field else field
        yield f"{name},{text},{quota}\n"
