"""Cost settings for a time: what a new field may cost so that a login takes about as long as is wanted.

What is measured is a verification as a serving child makes it, by the same library, without the memo.  Every cost is
measured several times and counts with its median; the first one, which loads the library, does not count.  On a machine
that has other things to do, what counts is the processor's time: it would be a lower cost for good otherwise.
"""

from __future__ import annotations

from nwauth.model import Record
from nwauth.passwords.checking import Passwords
from nwauth.passwords.costs import ARGON2_KIB_PASSES, wanted_cost
from nwauth.passwords.making import dummy
from nwauth.passwords.values import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Run = Callable[[Settings], None]

SCHEMES = ("argon2id", "bcrypt", "sha512-crypt", "yescrypt")
BOUNDS = {"bcrypt": (4, 16), "sha512-crypt": (1_000, 5_000_000), "yescrypt": (1, 11)}  # as `Settings` has them
KEYS = {"bcrypt": "bcrypt_cost", "sha512-crypt": "sha512_rounds", "yescrypt": "yescrypt_cost"}
MOST_PASSES = 100
LEAST_PASSES = 2  # below it memory is what is cut: one pass is attacked with less memory than it takes
LEAST_KIB_A_LANE = 8
STEP_KIB = 1024  # a figure that a person can read
SCATTER = 1.25  # so many times the least the most may be on a quiet machine
TRIES = 6  # the first guess is near; where times do not stand still, there is no best one
NEAR = 0.93  # of the target: a finer guess is not worth a measurement
PASSWORD = b"a password of nobody"


class Measured(Record):
    """Seconds of a verification at some cost, shortest first; `used`: the processor's, of all cores."""

    __slots__ = ("seconds", "used")

    def __init__(self, *, seconds: tuple[float, ...], used: tuple[float, ...] | None = None) -> None:
        self.seconds: Final = tuple(sorted(seconds))
        self.used: Final = tuple(sorted(seconds if used is None else used))

    @property
    def median(self) -> float:
        """The middle one; of an even number the longer of the two."""
        return self.seconds[len(self.seconds) // 2]

    @property
    def quiet(self) -> float:
        """What it takes while nothing else runs: the processor's time, or with several lanes the time that passes."""
        return min(self.median, self.used[len(self.used) // 2])

    @property
    def is_busy(self) -> bool:
        """Whether the machine had something else to do."""
        return self.seconds[-1] > SCATTER * self.seconds[0] or self.median > SCATTER * self.quiet


class Calibration(Record):
    """The settings found for a scheme, and what they take.

    `end` is ``least`` where even the lowest cost takes longer than wanted, ``most`` where the highest takes less, and
    ``memory`` where a higher one would take more memory than it may.
    """

    __slots__ = ("end", "measured", "scheme", "settings")

    def __init__(self, *, scheme: str, settings: Settings, measured: Measured, end: str = "") -> None:
        self.scheme: Final = scheme
        self.settings: Final = settings
        self.measured: Final = measured
        self.end: Final = end

    @property
    def line(self) -> str:
        """The line for ``[passwords]`` of ``nwauth.toml``."""
        have = self.settings
        if self.scheme != "argon2id":
            return f"{KEYS[self.scheme]} = {getattr(have, KEYS[self.scheme])}"
        figures = have.argon2id_memory_kib, have.argon2id_iterations, have.argon2id_lanes
        return "argon2id = {{ memory_kib = {}, iterations = {}, lanes = {} }}".format(*figures)

    @property
    def memory_kib(self) -> int:
        """What a child takes while it computes."""
        return memory_kib(self.scheme, self.settings)


def memory_kib(scheme: str, settings: Settings) -> int:
    """What a child takes while it verifies such a field; of bcrypt and sha512-crypt it is nothing that counts."""
    cost = wanted_cost(scheme, settings)
    return {"argon2id": cost[0], "yescrypt": cost[0] >> 10}.get(scheme, 0)


class Meter:
    """Measures verifications; `run` makes one at the cost of the settings.

    `monotonic` and `used` tell the time that passes, and that of the processor; None: the same.
    """

    def __init__(
        self, run: Run, *, monotonic: Callable[[], float], times: int, used: Callable[[], float] | None = None
    ) -> None:
        self._run = run
        self._monotonic = monotonic
        self._used = used or monotonic
        self._times = times

    def warm(self, settings: Settings) -> None:
        """Load what is to be loaded.

        Raises:
            Unavailable: this machine cannot verify the scheme, or memory is short.
        """
        self._run(settings)

    def measure(self, settings: Settings) -> Measured:
        """Several measurements.  Raises Unavailable: memory is short."""
        seconds, used = zip(*(self._once(settings) for _ in range(self._times)), strict=True)
        return Measured(seconds=seconds, used=used)

    def _once(self, settings: Settings) -> tuple[float, float]:
        began, used = self._monotonic(), self._used()
        self._run(settings)
        return self._monotonic() - began, self._used() - used


def runner(scheme: str, *, native: bool = True) -> Run:
    """A verification of a field of the scheme, as a serving child makes it where its memo does not know the password.

    The first raises Unavailable where this machine cannot verify the scheme.
    """
    passwords = Passwords(Settings(memo_seconds=0), native=native)

    def run(settings: Settings) -> None:
        passwords.verify(dummy(scheme, settings), PASSWORD)

    return run


def calibrate(
    scheme: str, settings: Settings, *, target_seconds: float, most_memory_kib: int, meter: Meter
) -> Calibration:
    """The highest cost of the scheme that takes no more than `target_seconds`; what else is set stays.

    Raises:
        Unavailable: this machine cannot verify the scheme, or memory is short.
    """
    settings = _changed(settings, scheme="argon2id", weak_after=None)
    start = _changed(settings, **_least(scheme, settings))
    meter.warm(start)
    if scheme in ("bcrypt", "yescrypt"):
        return _by_doubling(scheme, settings, target_seconds=target_seconds, most_kib=most_memory_kib, meter=meter)
    return _by_measure(scheme, settings, target_seconds=target_seconds, most_kib=most_memory_kib, meter=meter)


def _least(scheme: str, settings: Settings) -> dict[str, int]:
    if scheme == "argon2id":
        lanes = settings.argon2id_lanes
        return {"argon2id_memory_kib": LEAST_KIB_A_LANE * lanes, "argon2id_iterations": LEAST_PASSES}
    return {KEYS[scheme]: BOUNDS[scheme][0]}


def _by_doubling(scheme: str, settings: Settings, *, target_seconds: float, most_kib: int, meter: Meter) -> Calibration:
    """From the least cost up, until one takes too long: each takes twice the time of the one before, and so do all."""
    first, last = BOUNDS[scheme]
    found = None
    for cost in range(first, last + 1):
        tried = _changed(settings, **{KEYS[scheme]: cost})
        if found is not None and memory_kib(scheme, tried) > most_kib:
            return Calibration(scheme=scheme, settings=found.settings, measured=found.measured, end="memory")
        measured = meter.measure(tried)
        one = Calibration(scheme=scheme, settings=tried, measured=measured, end="most" if cost == last else "")
        if measured.quiet > target_seconds:
            return found or Calibration(scheme=scheme, settings=tried, measured=measured, end="least")
        found = one
    assert found is not None  # noqa: S101
    return found


def _by_measure(scheme: str, settings: Settings, *, target_seconds: float, most_kib: int, meter: Meter) -> Calibration:
    """By the rule of three from what was measured last, until it is near below the target."""
    steps = _steps(scheme, settings, most_kib)
    work = steps.first
    best: Calibration | None = None
    for _ in range(TRIES):
        tried = steps.settings(work)
        measured = meter.measure(tried)
        taken = max(measured.quiet, 1e-9)
        have = steps.work(tried)
        if taken <= target_seconds:
            end = "most" if have >= steps.most else ""
            if best is None or have > steps.work(best.settings):
                best = Calibration(scheme=scheme, settings=tried, measured=measured, end=end)
            if end or taken >= NEAR * target_seconds:
                break
        elif have <= steps.least:
            return Calibration(scheme=scheme, settings=tried, measured=measured, end="least")
        aim = 0.97 * target_seconds  # what is a hair's breadth too slow is lost
        work = min(max(int(have * aim / taken), steps.least), steps.most)
        if best is not None and steps.settings(work) == best.settings:
            break
    if best is not None:
        return best
    least = steps.settings(steps.least)
    measured = meter.measure(least)
    end = "least" if measured.quiet > target_seconds else ""
    return Calibration(scheme=scheme, settings=least, measured=measured, end=end)


class _Rounds:
    """Sha512-crypt: the work is its rounds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.least, self.most = BOUNDS["sha512-crypt"]
        self.first = 20_000

    def settings(self, work: int) -> Settings:
        """The settings that do so much work, or a little less: two figures and noughts."""
        size = 10 ** max(0, len(str(work)) - 2)
        return _changed(self._settings, sha512_rounds=max(self.least, work // size * size))

    def work(self, settings: Settings) -> int:
        """What they do."""
        return settings.sha512_rounds


class _MemoryAndPasses:
    """Argon2id: the work is memory times passes; as much memory as may be, two passes at least."""

    def __init__(self, settings: Settings, most_kib: int) -> None:
        self._settings = settings
        self._least_kib = LEAST_KIB_A_LANE * settings.argon2id_lanes
        self._most_kib = max(self._least_kib, min(most_kib, 1 << 20))
        self.least = self._least_kib * LEAST_PASSES
        self.most = min(MOST_PASSES, ARGON2_KIB_PASSES // self._most_kib) * self._most_kib
        self.first = min(self.most, max(self.least, 19_456 * 2))

    def settings(self, work: int) -> Settings:
        """The settings that do so much work, or a little less."""
        passes = max(LEAST_PASSES, -(-work // self._most_kib))
        memory = work // passes
        memory = max(self._least_kib, memory // STEP_KIB * STEP_KIB if memory > STEP_KIB else memory)
        memory = min(memory, self._most_kib)
        return _changed(self._settings, argon2id_memory_kib=memory, argon2id_iterations=passes)

    def work(self, settings: Settings) -> int:
        """What they do."""
        return settings.argon2id_memory_kib * settings.argon2id_iterations


def _steps(scheme: str, settings: Settings, most_kib: int) -> _Rounds | _MemoryAndPasses:
    return _Rounds(settings) if scheme == "sha512-crypt" else _MemoryAndPasses(settings, most_kib)


def _changed(settings: Settings, **changes: Any) -> Settings:
    have = {field: getattr(settings, field) for field in settings.__slots__}
    return Settings(**have | changes)
