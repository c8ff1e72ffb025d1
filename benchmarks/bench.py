"""One run: its settings, its cases in turn, and the requests that the rows share."""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import data
from driver import Ask, BenchError, Driver, Measured
from table import Bound, Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
MILLION = 1_000_000
NCSA = "basic_ncsa_auth"


def label(size: int) -> str:
    for unit, letter in ((MILLION, "M"), (1000, "k")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


@dataclass
class Bench:
    """The settings of a run and what it has found so far."""

    driver: Driver
    nwauth: Sequence[str]
    python: str
    ncsa: str | None
    work: str
    sizes: Sequence[int]
    rounds: int
    index: str
    table: Table = field(default_factory=Table)
    random: random.Random = field(default_factory=random.Random)
    bases: dict[int, data.Base] = field(default_factory=dict)

    @property
    def main_size(self) -> int:
        """One million, or the largest below if the run has no such base."""
        return max((size for size in self.sizes if size <= MILLION), default=min(self.sizes))

    def at_million(self, bound: Bound) -> Bound | None:
        """Budgets that are stated for one million users say nothing of a smaller main base."""
        return bound if self.main_size == MILLION else None

    def base(self, size: int) -> data.Base:
        """The base, with its index made anew by the nwauth that is measured."""
        if size not in self.bases:
            say(f"user base of {label(size)}")
            base = data.prepare(self.work, size)
            self.build_index(base)
            self.bases[size] = base
        return self.bases[size]

    def scratch(self, size: int, configuration: str = "") -> data.Base:
        copy = data.scratch(self.base(size), self.work, configuration=configuration)
        self.build_index(copy)
        return copy

    def build_index(self, base: data.Base) -> None:
        self.drop_index(base)
        seconds = 5 + base.size // 50_000
        watch = ["--watch", os.path.join(base.folder, self.index)]
        made = self.driver.session(self.serve(base), [start_lookup(base)], options=watch, timeout=seconds)
        if made.report["watch_us"] < 0 and base.size > 100_000:
            failed = f"no {self.index} within {seconds} s: the other rows go without"
            self.table.rows.append(Row("start", f"index of {label(base.size)}", "", failed=failed))

    def drop_index(self, base: data.Base) -> None:
        path = os.path.join(base.folder, self.index)
        if os.path.exists(path):
            os.unlink(path)

    def serve(self, base: data.Base, *options: str) -> list[str]:
        return [*self.nwauth, "-path", base.folder, *options]

    def peer(self, base: data.Base) -> list[str]:
        if self.ncsa is None:
            raise BenchError("basic_ncsa_auth is not here")
        return [self.ncsa, base.htpasswd]

    def some(self, base: data.Base, count: int) -> list[int]:
        """Numbers of known users, at random."""
        return [self.random.randrange(base.size) for _ in range(count)]

    def in_turn(self, cases: dict[str, Callable[[], T]], rounds: int = 0) -> Results[T]:
        """A warm-up round, then rounds of A B C, C B A...; a case that fails is not asked again."""
        results: Results[T] = Results()
        for turn in range((rounds or self.rounds) + 1):
            say(f"  round {turn}" if turn else "  warm-up round")
            for case in list(cases) if turn % 2 else reversed(cases):
                if case in results.failures:
                    continue
                try:
                    value = cases[case]()
                except BenchError as error:
                    results.failures[case] = str(error)
                else:
                    if turn:
                        results.found.setdefault(case, []).append(value)
        return results


class Results(Generic[T]):
    """What each case gave, round by round."""

    def __init__(self) -> None:
        self.found: dict[str, list[T]] = {}
        self.failures: dict[str, str] = {}

    def figures(self, case: str, figure: Callable[[T], float]) -> Callable[[], list[float]]:
        """Not yet the figures but how to get them: a failure then belongs to the row that asks."""

        def get() -> list[float]:
            if case in self.failures:
                raise BenchError(f"{case}: {self.failures[case]}")
            return [figure(value) for value in self.found[case]]

        return get


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def start_lookup(base: data.Base) -> Ask:
    return Ask("start", "+OK", f"lookup {data.name(base.size // 3)}")


def start_peer(base: data.Base) -> Ask:
    i = base.size // 3
    return Ask("start", "OK", f"{data.name(i)} {data.password(i)}")


def lookups(tag: str, users: Iterable[int]) -> list[Ask]:
    return [Ask(tag, f"+OK {data.name(i)} ", f"lookup {data.name(i)}") for i in users]


def lookups_unknown(tag: str, users: Iterable[int]) -> list[Ask]:
    return [Ask(tag, "-ERR", f"lookup {data.unknown(i)}") for i in users]


def checks(tag: str, users: Iterable[int]) -> list[Ask]:
    return [Ask(tag, f"+OK {data.name(i)} ", f"check {data.name(i)} {data.password(i)} 192.0.2.7") for i in users]


def checks_unknown(tag: str, users: Iterable[int]) -> list[Ask]:
    return [Ask(tag, "-ERR", f"check {data.unknown(i)} {data.password(i)} 192.0.2.7") for i in users]


def peer_known(tag: str, users: Iterable[int]) -> list[Ask]:
    return [Ask(tag, "OK", f"{data.name(i)} {data.password(i)}") for i in users]


def peer_unknown(tag: str, users: Iterable[int]) -> list[Ask]:
    return [Ask(tag, "ERR", f"{data.unknown(i)} {data.password(i)}") for i in users]


def p50(tag: str) -> Callable[[Measured], float]:
    return lambda measured: measured.p50_us(tag)


def p99(tag: str) -> Callable[[Measured], float]:
    return lambda measured: measured.p99_us(tag)


def tail(tag: str) -> Callable[[Measured], float]:
    """The p99 of a section that may be too small for a dependable one: shown, never judged."""
    return lambda measured: float(measured.section(tag)["p99_us"])


def rate(tag: str) -> Callable[[Measured], float]:
    return lambda measured: measured.rate(tag)
