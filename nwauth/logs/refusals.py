"""Refusals of one user that belong together, summed up: forty wrong passwords are one thing to know, and not forty."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Final

    from nwauth.logs.lines import Line

WRONG_PASSWORD, NO_SUCH_USER = "wrong password", "no such user"
THROTTLE = "throttle"
QUIET = timedelta(days=1)  # after which what comes from the same place is another story
MAX_PLACES, MAX_REASONS = 10_000, 20  # memory does not grow with the log: older runs end then
MAX_TAGS = 4096  # there are no more of 12 bits
MAX_ADDRESSES = 100_000
_SAME = ("ip", "service", "store", "result", "rule", "reason")


class Run:
    """Refusals for one reason, from one place, with no login from there between them.

    `tags` tell apart the wrong passwords of `tagged` of them.
    """

    def __init__(self, line: Line) -> None:
        facts = line.facts
        self.first = self.last = line.when
        self.count = self.tagged = 0
        self.tags: set[str] = set()
        self.address: Final = _or_none(facts.get("ip"))
        self.service: Final = _or_none(facts.get("service"))
        self.store: Final = facts.get("store")
        self.result: Final = facts["result"]
        self.rule: Final = facts.get("rule")
        self.reason = facts.get("reason")
        self.add(line)

    def add(self, line: Line) -> None:
        """Count one more."""
        self.count += 1
        self.first, self.last = min(self.first, line.when), max(self.last, line.when)
        self.reason = line.facts.get("reason")
        tag = line.facts.get("tag")
        if tag and self.is_guess():
            self.tagged += 1
            if len(self.tags) < MAX_TAGS:
                self.tags.add(tag)

    def is_guess(self) -> bool:
        """Whether what was wrong is the password, or the name."""
        return self.reason in {WRONG_PASSWORD, NO_SUCH_USER}


class Refusals:
    """Takes a user's lines in the order of the log, and keeps the `limit` last runs; all are counted in `total`."""

    def __init__(self, *, limit: int) -> None:
        self._limit: Final = limit
        self._open: OrderedDict[str | None, dict[object, Run]] = OrderedDict()  # by address; the last that grew is last
        self._ended: list[tuple[datetime, int, Run]] = []  # a heap of the `limit` last
        self._begun = self._serial = 0
        self.total = self.guesses = 0
        self.tags: set[str] = set()
        self.addresses: set[str] = set()

    def take(self, line: Line) -> None:
        """Count a refusal; a login ends the runs from its address."""
        facts = line.facts
        address = _or_none(facts.get("ip"))
        if facts["result"] == "ok":
            if address is not None:
                self._end(self._open.pop(address, {}).values())
            return
        run = self._grown(address, line)
        self.total += 1
        if run.is_guess():
            self._count_guess(facts)

    def _grown(self, address: str | None, line: Line) -> Run:
        """The run that the line belongs to, with it."""
        counts = line.facts.get("rule") == THROTTLE  # the reason is another each time
        key = tuple(map(line.facts.get, _SAME[:-1] if counts else _SAME))
        runs = self._open.setdefault(address, {})
        self._open.move_to_end(address)
        run = runs.get(key)
        if run is not None and line.when - run.last <= QUIET:
            run.add(line)
            return run
        if run is not None:
            self._end([runs.pop(key)])
        if len(runs) >= MAX_REASONS:
            self._end([runs.pop(next(iter(runs)))])
        if len(self._open) > MAX_PLACES:
            self._end(self._open.popitem(last=False)[1].values())
        run = runs[key] = Run(line)
        self._begun += 1
        return run

    def _end(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._serial += 1
            heappush(self._ended, (run.last, self._serial, run))
            if len(self._ended) > self._limit:
                heappop(self._ended)

    def _count_guess(self, facts: dict[str, str]) -> None:
        self.guesses += 1
        if len(self.tags) < MAX_TAGS and facts.get("tag"):
            self.tags.add(facts["tag"])
        if len(self.addresses) < MAX_ADDRESSES:
            self.addresses.add(facts.get("ip", ""))

    def last(self) -> list[Run]:
        """The last runs, the newest last."""
        runs = [run for _, _, run in self._ended]
        for of_address in self._open.values():
            runs += of_address.values()
        return sorted(runs, key=lambda run: run.last)[-self._limit :]

    def left_out(self) -> int:
        """How many runs were older than the last."""
        return self._begun - len(self.last())


def _or_none(word: str | None) -> str | None:
    return None if word in {None, "", "-", "unknown"} else word
