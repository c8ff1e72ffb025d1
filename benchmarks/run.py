"""`make bench`: nwauth beside basic_ncsa_auth and an echo child, and over SQL beside the bare drivers, in one run.

usage: run.py [--sizes 1k,100k,1M] [--rounds 5] [--only start,serving] [--write] [--nwauth COMMAND]
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time

import changes
import hashes
import passwd
import peers
import policy
import process
import provision
import report
import routes
import serving
import sql
import sql_loads
import sql_serving
import system
from bench import Bench, say
from driver import BenchError, Driver
from table import Row

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(HERE, "work")
INSTALLED = os.path.join(os.path.dirname(HERE), ".venv", "bin", "nwauth")
GROUPS = {
    "start": serving.start,
    "first": serving.first,
    "serving": serving.serving,
    "log": serving.log,
    "hashes": hashes.hashes,
    "passwd": passwd.serving,
    "process": process.process,
    "routes": routes.routes,
    "system": system.system,
    "visible": changes.visible,
    "set": changes.durable,
    "merge": changes.merge,
    "policy": policy.policy,
    "provision": provision.provision,
    "commands": provision.commands,
    "sql-serving": sql_serving.serving,
    "sql-search": sql_loads.search,
    "sql-bulk": sql_loads.bulk,
}
SQL_GROUPS = [name for name in GROUPS if name.startswith("sql")]
STORE_GROUPS = ["passwd", "process", "routes", "system"]
POLICY_GROUPS = ["policy"]
PROVISION_GROUPS = ["provision", "commands"]
PARTS = {"sql": SQL_GROUPS, "stores": STORE_GROUPS, "policy": POLICY_GROUPS, "provision": PROVISION_GROUPS}
ALSO = {
    **{name: ["serving"] for name in ("latency", "pipelined", "memory", "growth")},
    "memo": ["hashes"],
    "sql-start": ["sql-serving"],
    "sql": SQL_GROUPS,
    "stores": STORE_GROUPS,
    "provision": PROVISION_GROUPS,
}


def size(text: str) -> int:
    unit = {"k": 1000, "M": 1_000_000}.get(text[-1:], 1)
    found = int(text.rstrip("kM")) * unit
    if found < 1000:
        raise ValueError(text)
    return found


def sizes(text: str) -> list[int]:
    return sorted({size(word) for word in text.split(",")})


def group_names(text: str) -> list[str]:
    names = list(dict.fromkeys(name for word in text.split(",") for name in ALSO.get(word, [word])))
    if unknown := set(names) - set(GROUPS):
        raise ValueError(unknown)
    return names


def rounds(text: str) -> int:
    found = int(text)
    if found < 1:
        raise ValueError(text)
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py", description="nwauth beside basic_ncsa_auth and an echo child.")
    parser.add_argument("--sizes", type=sizes, default=sizes("1k,100k,1M"), help="users: 1k,100k,1M (default), 10M")
    parser.add_argument("--rounds", type=rounds, default=5, help="rounds after the warm-up round (default 5)")
    parser.add_argument("--only", type=group_names, help=f"of {','.join(GROUPS)}; sql, stores: some of them")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--nwauth", default=INSTALLED, help="the command to measure (default: the installed one)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of that command")
    parser.add_argument("--index", default="nwauth.idx", help="the name of its index file in the folder")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="for driver and child; -1: none")
    options = parser.parse_args()
    if options.write and options.only not in (None, *PARTS.values()):
        parser.error(f"--write wants a whole table, without --only, or with --only {', '.join(PARTS)}")
    return options


def prepare(options: argparse.Namespace) -> Bench:
    os.makedirs(WORK, exist_ok=True)
    nwauth = shlex.split(options.nwauth)
    if shutil.which(nwauth[0]) is None:
        raise BenchError("nwauth is not installed in .venv; install it, or name a command with --nwauth")
    peers.compile_programs(WORK)
    return Bench(
        driver=Driver(os.path.join(WORK, "driver"), WORK, options.core),
        nwauth=nwauth,
        python=options.python,
        ncsa=peers.basic_ncsa_auth(WORK),
        work=WORK,
        sizes=options.sizes,
        rounds=options.rounds,
        index=options.index,
    )


def version(python: str) -> str:
    words = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def measure(bench: Bench, names: list[str]) -> None:
    """Each group; one that cannot even be prepared is a failed row, and the next goes on."""
    for name in names:
        began = time.monotonic()
        say(name)
        try:
            GROUPS[name](bench)
        except (BenchError, OSError) as error:
            bench.table.rows.append(Row(name, "the whole group", "", failed=str(error)))
        say(f"  {time.monotonic() - began:.0f} s")


def part_of(row: Row) -> str:
    """Which of the tables in the README a row belongs to."""
    if row.group in STORE_GROUPS:
        return "stores"
    return next((part for part in ("sql", "policy", "provision") if row.group.startswith(part)), "flat")


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the installed program has its bytecode too
    options = arguments()
    try:
        bench = prepare(options)
    except BenchError as error:
        say(f"bench: {error}")
        return 2
    measure(bench, options.only or list(GROUPS))
    rows = bench.table.rows
    machine = report.machine(options.rounds, version(options.python))
    parts: dict[str, list[Row]] = {"flat": [], "sql": [], "stores": [], "policy": [], "provision": []}
    for row in rows:
        parts[part_of(row)].append(row)
    for part, members in parts.items():
        if members:
            line = machine if part not in ("sql", "provision") else f"{machine}; {sql.of(bench).describe()}"
            print(f"{line}\n{report.as_text(members)}")
            if options.write:
                report.write_readme(os.path.join(HERE, "README.md"), members, line, part=part)
    report.write_json(os.path.join(WORK, "results.json"), rows, machine)
    missed = sum(row.met is False for row in rows)
    failed = sum(bool(row.failed) for row in rows)
    print(f"\n{len(rows)} rows, {missed} budgets missed, {failed} not measured")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
