"""Cost settings for a time: the arithmetic by a clock that is given, and once for real."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.passwords import Passwords, Settings
from nwauth.passwords.calibrating import SCHEMES, Calibration, Measured, Meter, calibrate, memory_kib, runner
from nwauth.passwords.costs import wanted_cost
from nwauth.passwords.making import dummy
from nwauth.passwords.several import logins_per_second

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1024


class Machine:
    """A machine that takes as long as it is told; `waits` are seconds that others take of one run after another."""

    def __init__(self, scheme: str, seconds_a_unit: float, waits: Sequence[float] = (0.0,)) -> None:
        self.now = 1000.0
        self.runs = 0
        self._scheme = scheme
        self._seconds = seconds_a_unit
        self._waits = waits

    def run(self, settings: Settings) -> None:
        """Verify, in no time of ours."""
        cost = wanted_cost(self._scheme, settings)
        units = {"argon2id": cost[0] * cost[-1], "bcrypt": 1 << cost[0]}.get(self._scheme, cost[0])
        self.now += units * self._seconds + self._waits[self.runs % len(self._waits)]
        self.runs += 1

    def calibrated(self, target: float, *, most_mib: int = 64, settings: Settings | None = None) -> Calibration:
        """What is found on it."""
        meter = Meter(self.run, monotonic=lambda: self.now, times=5)
        return calibrate(
            self._scheme,
            settings or Settings(),
            target_seconds=target,
            most_memory_kib=most_mib * MIB,
            meter=meter,
        )


def test_bcrypt_gets_the_last_cost_that_is_quick_enough() -> None:
    found = Machine("bcrypt", 0.05 / 2**10).calibrated(0.25)
    assert (found.line, found.end) == ("bcrypt_cost = 12", "")
    assert found.measured.median == pytest.approx(0.2)


def test_a_cost_that_takes_just_as_long_is_taken() -> None:
    assert Machine("bcrypt", 2.0**-14).calibrated(0.25).line == "bcrypt_cost = 12"


def test_costs_stay_within_the_bounds_of_the_settings() -> None:
    slow, quick = Machine("bcrypt", 1.0).calibrated(0.25), Machine("bcrypt", 1e-9).calibrated(0.25)
    assert (slow.line, slow.end) == ("bcrypt_cost = 4", "least")
    assert (quick.line, quick.end) == ("bcrypt_cost = 16", "most")
    slow, quick = Machine("sha512-crypt", 1.0).calibrated(0.25), Machine("sha512-crypt", 1e-12).calibrated(0.25)
    assert (slow.line, slow.end) == ("sha512_rounds = 1000", "least")
    assert (quick.line, quick.end) == ("sha512_rounds = 5000000", "most")
    slow, quick = Machine("argon2id", 1.0).calibrated(0.25), Machine("argon2id", 1e-12).calibrated(0.25)
    assert (slow.line, slow.end) == ("argon2id = { memory_kib = 8, iterations = 2, lanes = 1 }", "least")
    assert (quick.line, quick.end) == ("argon2id = { memory_kib = 65536, iterations = 80, lanes = 1 }", "most")


def test_rounds_are_a_figure_that_a_person_can_read() -> None:
    found = Machine("sha512-crypt", 2e-7).calibrated(0.25)
    assert (found.line, found.end) == ("sha512_rounds = 1200000", "")


def test_argon2id_takes_the_memory_first_and_passes_for_the_rest() -> None:
    found = Machine("argon2id", 0.25 / (64 * MIB * 3.2)).calibrated(0.25)
    memory, passes = found.settings.argon2id_memory_kib, found.settings.argon2id_iterations
    assert passes == 4
    assert 48 * MIB <= memory <= 64 * MIB
    assert 0.23 <= found.measured.median <= 0.25
    assert found.memory_kib == memory


def test_argon2id_gives_memory_away_before_the_second_pass() -> None:
    found = Machine("argon2id", 0.25 / (20 * MIB * 2)).calibrated(0.25)
    assert (found.settings.argon2id_iterations, found.settings.argon2id_memory_kib) == (2, 19 * MIB)


def test_no_more_memory_is_taken_than_is_allowed() -> None:
    argon2id = Machine("argon2id", 1e-7).calibrated(0.25, most_mib=16)
    yescrypt = Machine("yescrypt", 1e-9).calibrated(0.25, most_mib=16)
    assert argon2id.memory_kib <= 16 * MIB
    assert (yescrypt.memory_kib, yescrypt.end) == (16 * MIB, "memory")


def test_lanes_are_those_of_the_settings_and_nothing_else_is_changed() -> None:
    settings = Settings(argon2id_lanes=4, bcrypt_cost=7)
    found = Machine("argon2id", 1.0).calibrated(0.25, settings=settings)
    assert found.line == "argon2id = { memory_kib = 32, iterations = 2, lanes = 4 }"
    assert found.settings.bcrypt_cost == 7


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("target", [0.001, 0.02, 0.25, 5.0])
@pytest.mark.parametrize("seconds", [1e-12, 1e-9, 3e-7, 1e-4, 1.0])
def test_whatever_the_machine_the_median_is_no_more_than_the_target(scheme: str, target: float, seconds: float) -> None:
    found = Machine(scheme, seconds).calibrated(target)
    assert (found.measured.median <= target) is (found.end != "least")
    assert found.memory_kib == memory_kib(scheme, found.settings)


def test_a_disturbance_does_not_move_the_median_and_is_told() -> None:
    quiet, busy = Machine("bcrypt", 2.0**-14), Machine("bcrypt", 2.0**-14, waits=(0.0, 0.0, 0.4, 0.0, 0.0))
    assert busy.calibrated(0.26).line == quiet.calibrated(0.26).line
    assert busy.calibrated(0.26).measured.is_busy is True
    assert quiet.calibrated(0.26).measured.is_busy is False


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_machine_that_is_busy_all_the_time_gets_the_setting_of_a_quiet_one(scheme: str) -> None:
    """Every verification waits twice as long as it computes, all alike: only the processor's time shows it."""
    quiet, busy = Machine(scheme, 1e-7), Machine(scheme, 3e-7)
    meter = Meter(busy.run, monotonic=lambda: busy.now, used=lambda: busy.now / 3, times=5)
    found = calibrate(scheme, Settings(), target_seconds=0.25, most_memory_kib=64 * MIB, meter=meter)
    assert found.line == quiet.calibrated(0.25).line
    assert found.measured.is_busy is True
    assert found.measured.median == pytest.approx(3 * found.measured.quiet)


def test_lanes_that_compute_at_once_take_the_time_that_passes() -> None:
    measured = Measured(seconds=(0.1, 0.1, 0.1), used=(0.4, 0.4, 0.4))
    assert (measured.quiet, measured.is_busy) == (0.1, False)


def test_several_children_count_each_and_one_that_cannot_compute_is_told() -> None:
    passwords = Passwords(Settings(memo_seconds=0))
    field = dummy("bcrypt", Settings(bcrypt_cost=4))

    def verify() -> None:
        assert not passwords.verify(field, b"x").ok

    assert logins_per_second(verify, processes=2, seconds=0.05) > 0

    def fail() -> None:
        raise Unavailable("memory is short")

    with pytest.raises(Unavailable, match="not all of 3 processes could compute at once"):
        logins_per_second(fail, processes=3, seconds=0.05)


def test_the_first_verification_which_loads_the_library_does_not_count() -> None:
    machine = Machine("bcrypt", 2.0**-14, waits=(9.0, *(0.0,) * 1000))
    assert machine.calibrated(0.26).measured.is_busy is False


def test_the_median_of_an_even_number_is_the_longer_one() -> None:
    assert Measured(seconds=(4.0, 1.0, 2.0, 3.0)).median == 3.0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_measured_is_a_whole_verification_and_its_setting_is_taken(scheme: str) -> None:
    run = runner(scheme)
    meter = Meter(run, monotonic=time.perf_counter, times=3)
    found = calibrate(scheme, Settings(), target_seconds=0.01, most_memory_kib=16 * MIB, meter=meter)
    assert len(found.measured.seconds) == 3
    assert found.measured.seconds[0] > 0
    passwords = Passwords(found.settings)
    assert passwords.verify(passwords.hash(b"secret", scheme), b"secret").ok
    verdict = passwords.verify(dummy(scheme, found.settings), b"secret")
    assert (verdict.ok, verdict.reason) == (False, "wrong password")
