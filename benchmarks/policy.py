"""Rows of access policy: what rules and throttle add to a check, decisions a second, and `policy try`."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import data
from bench import Bench, p50
from driver import Ask, BenchError, Driver, Measured, Process
from policy_data import ADDRESSES, DENIED, USERS, Folder, address, rules
from table import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Results

PAIRS = 2000  # users, each with an address
SLOW_CHECKS = 40
STOPPED = 500  # requests of a user who guessed too often
SPAWNS = 5
LINES = (10_000, 100_000)
ECHO_US = 6  # budgets are stated for a machine where an echo takes about this
MORE_BOUND = Bound(round(25 / ECHO_US, 2), round(20 / ECHO_US, 2))
DECISION_BOUND = Bound(round(200 / ECHO_US, 1))
SLOW_BOUND = Bound(1.05)
THROTTLE = "[throttle]\n"
FULL = "20 rules and throttle"
POLICIES = {
    "20 rules": rules(20),
    FULL: THROTTLE + rules(20),
    "throttle alone": THROTTLE,
    "1,000 rules": rules(1000),
}
REQUESTS = {
    "check": "check, DES",
    "new": "check, DES, first from there",
    "wrong": "check, wrong password",
    "unknown": "check, unknown",
    "denied": "check, right password, denied by the last rule",
    "stopped": "check, refused by the throttle",
    "lookup": "lookup",
}
RULED, THROTTLED = ("20 rules", FULL, "1,000 rules"), (FULL, "throttle alone")
CASES_OF = {"denied": RULED, "stopped": THROTTLED}  # of the others: all
DECISIONS = {"10 rules": 10, "100 rules": 100, "1,000 rules": 1000}
WORST = {
    "minute": "1,000 rules, each with hours of its own, each at another minute",
    "odd": "1,000 rules, each with an odd wildcard",
    "both": "1,000 rules, each with both",
}
DECIDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "policy_decisions.py")


def policy(bench: Bench) -> None:
    """All rows, in groups of their own."""
    nobody = Folder(bench, "none", "")
    folders = {case: Folder(bench, case.replace(" ", "-").replace(",", ""), text) for case, text in POLICIES.items()}
    _serving(bench, nobody, folders)
    _start(bench, nobody, folders)
    _decisions(bench)
    _try(bench, folders[FULL])


# --- a child ----------------------------------------------------------------------------------------------------------


def _checks(bench: Bench, who: list[tuple[int, int]], tag: str, expect: str = "+OK") -> list[Ask]:
    """The same pairs of user and address, in another order."""
    mixed = bench.random.sample(who, len(who))
    return [Ask(tag, expect, f"check {data.name(i)} {data.password(i)} {address(at)}") for i, at in mixed]


def _session(bench: Bench, folder: Folder) -> Measured:
    """Everybody once, everybody twice more, and then those who make the throttle count.

    That rules and throttle are in force is seen by the answers: to whom the last rule denies, and who guesses.
    """
    folder.forget()
    users = bench.random.sample(range(1, USERS), 2 * PAIRS)
    places = bench.random.sample(range(ADDRESSES), 4 * PAIRS)
    known, new = list(zip(users[:PAIRS], places, strict=False)), list(zip(users[PAIRS:], places[PAIRS:], strict=False))
    asks = [_start_lookup(), *_checks(bench, known, "warm")]
    for _ in range(2):
        asks += _checks(bench, known, "check")
    asks += _checks(bench, new, "new")
    asks += [Ask("lookup", "+OK", f"lookup {data.name(i)}") for i, _ in known]
    wrong, unknown = places[2 * PAIRS : 3 * PAIRS], places[3 * PAIRS :]
    asks += [
        Ask("wrong", "-ERR", f"check {data.name(i)} no{i} {address(at)}")
        for i, at in zip(users[:PAIRS], wrong, strict=True)
    ]
    asks += [
        Ask("unknown", "-ERR", f"check {data.unknown(i)} no{i} {address(at)}")
        for i, at in zip(users[:PAIRS], unknown, strict=True)
    ]
    denied = f"check {DENIED} {data.password(0)} {address(places[0])}"
    asks += [Ask("denied", "-ERR" if folder.has_rules else "+OK", denied)] * STOPPED
    stop = f"check {data.name(users[0])} {{}} {address(places[-1] + 1)}"  # 10 for the user; he is trusted elsewhere
    asks += [Ask("stopping", "-ERR", stop.format(f"no{i}")) for i in range(12)]
    answer = "-ERR" if folder.has_throttle else "+OK"
    asks += [Ask("stopped", answer, stop.format(data.password(users[0])))] * STOPPED
    who = f"{data.slow_name('sha512')} {data.SLOW_PASSWORD}"
    asks += [Ask("slow", "+OK", f"check {who} {address(places[0])}")] * SLOW_CHECKS
    return bench.driver.session(folder.serve(bench), asks)


def _echo(bench: Bench) -> Measured:
    one = Ask("any", "OK", f"check {data.name(1)} {data.password(1)} {address(1)}")
    return bench.driver.session([os.path.join(bench.work, "echo")], [Ask("start", "OK", "x"), *[one] * 4000])


def _start_lookup() -> Ask:
    return Ask("start", "+OK", f"lookup {data.name(USERS // 3)}")


def _serving(bench: Bench, nobody: Folder, folders: dict[str, Folder]) -> None:
    cases: dict[str, Callable[[], Measured]] = {"echo": partial(_echo, bench), "": partial(_session, bench, nobody)}
    cases |= {case: partial(_session, bench, folder) for case, folder in folders.items()}
    found = bench.in_turn(cases)
    add = bench.table.add
    add(("policy", "echo child p50", "us"), found.figures("echo", p50("any")))
    for tag, what in REQUESTS.items():
        add(("policy", f"p50 {what}, no policy", "us"), found.figures("", p50(tag)))
        plain = ("no policy", found.figures("", p50(tag)))
        for case in CASES_OF.get(tag, folders):
            add(("policy", f"p50 {what}, {case}", "us"), found.figures(case, p50(tag)), plain)
    plain = ("no policy", found.figures("", p50("slow")))
    for case in folders:
        where = ("policy", f"p50 check, SHA512-crypt, {case}", "us")
        add(where, found.figures(case, p50("slow")), plain, SLOW_BOUND if case == FULL else None)
    for tag, what in REQUESTS.items():
        for case in () if tag in CASES_OF else folders:
            bound = MORE_BOUND if case == FULL and tag == "check" else None
            where = ("policy share", f"{what}: {case}, more than without", "us")
            add(where, _more(found, case, tag), ("echo p50", found.figures("echo", p50("any"))), bound)
    for case in ("", *folders):
        where = ("policy memory", f"private memory of a child, {case or 'no policy'}", "MB")
        peer = None if not case else ("no policy", found.figures("", Measured.private_mb))
        add(where, found.figures(case, Measured.private_mb), peer)


def _more(found: Results[Measured], case: str, tag: str) -> Callable[[], list[float]]:
    """What a case takes longer than no policy, round by round."""
    figure = p50(tag)

    def get() -> list[float]:
        with_it, without = found.figures(case, figure)(), found.figures("", figure)()
        return [a - b for a, b in zip(with_it, without, strict=True)]

    return get


# --- its start --------------------------------------------------------------------------------------------------------


def _start(bench: Bench, nobody: Folder, folders: dict[str, Folder]) -> None:
    """Spawn to the first answer, of a look-up and of a check; the throttle's database is there."""
    who = f"{data.name(1)} {data.password(1)} {address(1)}"
    firsts = {"lookup": _start_lookup(), "check": Ask("start", "+OK", f"check {who}")}

    def once(folder: Folder, ask: Ask) -> float:
        return median(bench.driver.session(folder.serve(bench), [ask]).start_ms() for _ in range(SPAWNS))

    every = {"": nobody, **folders}
    found = bench.in_turn(
        {f"{what} {case}": partial(once, folder, ask) for case, folder in every.items() for what, ask in firsts.items()}
    )
    for what in firsts:
        for case in folders:
            bench.table.add(
                ("policy start", f"start to first answer, a {what}, {case}", "ms"),
                found.figures(f"{what} {case}", float),
                ("no policy", found.figures(f"{what} ", float)),
            )


# --- decisions --------------------------------------------------------------------------------------------------------


def _decided(bench: Bench, *words: str) -> float:
    """Microseconds of a decision, in a process of its own."""
    command = [bench.python, DECIDER, str(bench.driver.core), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise BenchError(done.stderr.strip().rpartition("\n")[2])
    return float(json.loads(done.stdout)["us"])


def _decisions(bench: Bench) -> None:
    cases: dict[str, Callable[[], float]] = {
        case: partial(_decided, bench, "mixed", str(count)) for case, count in DECISIONS.items()
    }
    cases |= {case: partial(_decided, bench, kind, "1000") for kind, case in WORST.items()}
    found = bench.in_turn(cases)
    echo = bench.in_turn({"echo": partial(_echo, bench)}).figures("echo", p50("any"))
    for case in cases:
        rate = found.figures(case, lambda us: 1e6 / us)
        bench.table.add(("policy decisions", f"decisions a second, {case}", "/s"), rate)
    for case in cases:
        bound = DECISION_BOUND if case.startswith("1,000") else None
        where = ("policy decisions", f"a decision, {case}", "us")
        bench.table.add(where, found.figures(case, float), ("echo p50", echo), bound)


# --- policy try -------------------------------------------------------------------------------------------------------


def _try(bench: Bench, folder: Folder) -> None:
    """`nwauth policy try --requests`: how long, and whether its memory grows with the lines."""
    paths = {count: _requests(bench, count) for count in LINES}

    def run(driver: Driver, path: str) -> Process:
        command = [*folder.serve(bench), "policy", "try", "--requests", path]
        return driver.process(command, timeout=300)

    cases = {str(count): partial(run, bench.driver, path) for count, path in paths.items()}
    found = bench.in_turn(cases, min(bench.rounds, 3))
    few, many = (str(count) for count in LINES)
    bench.table.add(
        ("policy try", f"policy try --requests, {LINES[1]:,} lines", "lines/s"),
        found.figures(many, lambda done: LINES[1] / done.seconds),
    )
    bench.table.add(
        ("policy try", f"peak RSS, {LINES[1]:,} lines", "MB"),
        found.figures(many, lambda done: done.peak_mb),
        (f"{LINES[0]:,} lines", found.figures(few, lambda done: done.peak_mb)),
        Bound(1.2, 1.1),
    )


def _requests(bench: Bench, count: int) -> str:
    """A file of logins over a year, by users of the store, from everywhere."""
    path = os.path.join(bench.work, f"policy-requests-{count}.ndjson")
    pick = bench.random.randrange
    with open(path, "w", encoding="ascii") as file:
        for _ in range(count):
            at = f"2027-{1 + pick(12):02}-{1 + pick(28):02}T{pick(24):02}:{pick(60):02}:00+00:00"
            login = {"user": data.name(pick(USERS)), "from": address(pick(ADDRESSES)), "service": "imap", "at": at}
            file.write(json.dumps(login) + "\n")
    return path
