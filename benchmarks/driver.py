"""The C driver from Python: what to ask, and what came back."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class BenchError(Exception):
    """A figure that could not be measured, and why."""


class Ask(NamedTuple):
    """One request: the section it counts in, how the reply must begin, and a line to append before (script.h)."""

    tag: str
    expect: str
    text: str
    line: str = ""


@dataclass(frozen=True)
class Measured:
    """What one call of the driver reported; figures of a section that held a wrong answer are refused."""

    report: dict[str, Any]
    peak_pss_kb: int = 0

    def section(self, tag: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.report["sections"].get(tag)
        if found is None:
            raise BenchError(f"nothing was measured under {tag}")
        if found["wrong"]:
            raise BenchError(f"{found['wrong']} of {found['count']} answers to {tag} wrong, first: {found['sample']}")
        return found

    def start_ms(self) -> float:
        self.section("start")
        return float(self.report["start_us"]) / 1e3

    def p50_us(self, tag: str) -> float:
        return float(self.section(tag)["p50_us"])

    def p99_us(self, tag: str) -> float:
        found = self.section(tag)
        if found["count"] < 2000:
            raise BenchError(f"a p99 of {tag} wants 2,000 requests")
        return float(found["p99_us"])

    def rate(self, tag: str) -> float:
        """Requests a second of a pipelined section."""
        found = self.section(tag)
        return float(found["count"]) / float(found["wall_us"]) * 1e6

    def private_mb(self) -> float:
        """Anonymous memory: what one more child adds; pages of files are shared through the page cache."""
        return float(self.report["memory"]["anonymous_kb"]) / 1024

    def peak_mb(self) -> float:
        """The largest resident set so far, pages of files included."""
        return float(self.report["memory"]["peak_kb"]) / 1024


@dataclass(frozen=True)
class Process:
    """What a process took from its start to its end."""

    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Driver:
    """Calls the compiled driver; every child it spawns is pinned with it to `core`, unless it is said otherwise."""

    program: str
    work: str
    core: int

    def run(self, command: Sequence[str]) -> float:
        """Milliseconds of a whole process."""
        return self.process(command).seconds * 1e3

    def process(self, command: Sequence[str], *, timeout: int = 60, pinned: bool = True) -> Process:
        """A whole process, its output thrown away."""
        report = self._call("run", [], command, timeout, pinned=pinned).report
        if report["status"] != 0:
            raise BenchError(f"{os.path.basename(command[0])} ended with status {report['status']}")
        return Process(float(report["wall_us"]) / 1e6, float(report["peak_kb"]) / 1024)

    def session(
        self,
        command: Sequence[str],
        asks: Iterable[Ask],
        *,
        options: Sequence[str] = (),
        companion: Sequence[str] = (),
        timeout: int = 300,
    ) -> Measured:
        """One child and its requests in order; the first is the start."""
        words = [*command, "--", *companion] if companion else list(command)
        return self._call("session", [*options, *self._write(asks)], words, timeout)

    def parallel(self, command: Sequence[str], asks: Iterable[Ask], children: int) -> Measured:
        """The requests dealt out to several children, one in flight for each."""
        return self._call("parallel", ["--children", str(children), *self._write(asks)], command, 300)

    def _write(self, asks: Iterable[Ask]) -> list[str]:
        path = os.path.join(self.work, "requests.txt")
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.writelines("\t".join(ask if ask.line else ask[:3]) + "\n" for ask in asks)
        return ["--requests", path]

    def _call(
        self, mode: str, options: Sequence[str], command: Sequence[str], timeout: int, *, pinned: bool = True
    ) -> Measured:
        core = self.core if pinned else -1
        words = [self.program, mode, "--core", str(core), "--timeout", str(timeout), *options, "--", *command]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            watcher = PeakMemory(process)
            out = process.stdout.read() if process.stdout else ""
            watcher.join()
        if process.returncode != 0:
            raise BenchError(" ".join(watcher.errors[-2:]) or f"the driver ended with status {process.returncode}")
        return Measured(json.loads(out), watcher.peak_kb)


class PeakMemory(threading.Thread):
    """Reads the driver's stderr; once a companion is announced, samples what its whole session weighs (PSS)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.errors: list[str] = []
        self.peak_kb = 0
        self.start()

    def run(self) -> None:
        for line in self.process.stderr or ():
            if line.startswith("companion "):
                threading.Thread(target=self._sample, args=(int(line.split()[1]),), daemon=True).start()
            else:
                self.errors.append(line.strip())

    def _sample(self, session: int) -> None:
        while os.path.exists(f"/proc/{session}"):
            self.peak_kb = max(self.peak_kb, sum(map(_pss_kb, _members(session))))
            time.sleep(0.02)


def _members(session: int) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            if int(f.read().rpartition(")")[2].split()[3]) == session:
                found.append(pid)
    return found


def _pss_kb(pid: str) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
