"""The next change of a decision: exact, over clock changes and listed dates, near and far."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.policy.changes import next_change
from nwauth.policy.grammar import read_dates, read_when
from nwauth.policy.zones import zone_named
from tests.policy.test_when_properties import read
from tests.policy.when_model import Meant, Place, meant, places, utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypothesis.strategies import DataObject

    from nwauth.policy.when import When

    Outcome = Callable[[datetime], object]

A_MOMENT = timedelta(microseconds=1)
DAYS_STEPPED = 3
DAYS_SAMPLED = 90  # beyond them a change is only looked at from both sides


def first_that_holds(answers: Sequence[bool]) -> int | None:
    """As rules decide: the number of the first."""
    return next((number for number, answer in enumerate(answers) if answer), None)


OUTCOMES: list[Callable[[Sequence[bool]], object]] = [
    tuple,
    any,
    all,
    first_that_holds,
    lambda answers: sum(answers) % 2,
]


def outcome_of(whens: Sequence[When] | Sequence[Meant], joined: Callable[[Sequence[bool]], object]) -> Outcome:
    return lambda instant: joined([when.at(instant) for when in whens])


def moments(start: datetime, end: datetime, zones: set[str], *, odd_second: int) -> Iterator[datetime]:
    """Every instant after `start` and before `end` at which a minute begins in UTC or in one of the zones."""
    seconds = {0, odd_second}
    for zone in map(ZoneInfo, zones):
        for instant in (start, end):
            offset = instant.astimezone(zone).utcoffset()
            assert offset is not None
            seconds.add(-int(offset.total_seconds()) % 60)
    minute = start.replace(second=0, microsecond=0)
    while minute < end:
        for second in sorted(seconds):
            if start < minute + timedelta(seconds=second) < end:
                yield minute + timedelta(seconds=second)
        minute += timedelta(minutes=1)


@given(place=places, data=st.data())
def test_it_is_the_first_instant_at_which_the_outcome_differs(place: Place, data: DataObject) -> None:
    models = data.draw(st.lists(meant(place), min_size=1, max_size=3))
    whens = [read(model) for model in models]
    joined = data.draw(st.sampled_from(OUTCOMES))
    expected, seconds = outcome_of(models, joined), data.draw(st.integers(-30 * 3600, 30 * 3600))
    instant = place.around + timedelta(seconds=seconds)
    found = next_change(instant, whens, outcome_of(whens, joined))
    now, end = expected(instant), instant + timedelta(days=DAYS_STEPPED)
    zones = {model.sketch.zone or model.home for model in models}
    steps = moments(instant, end, zones, odd_second=place.around.second)
    first = next((moment for moment in steps if expected(moment) != now), None)
    told = [model.text for model in models], instant.isoformat(), found and found.isoformat()
    if first is not None:
        assert found == first, told
        return
    later = [end + timedelta(hours=hours) for hours in range(DAYS_SAMPLED * 24)]
    if found is None:
        assert all(expected(moment) == now for moment in later), told
        return
    assert found >= end, told
    assert all(expected(moment) == now for moment in later if moment < found), told
    assert expected(found - A_MOMENT) == now, told
    assert expected(found) != now, told


def whens_of(*texts: str, zone: str = "UTC", **lists: list[str]) -> list[When]:
    dates = {name: read_dates(days) for name, days in lists.items()}
    return [read_when(text, zone=zone_named(zone), zones=zone_named, lists=dates) for text in texts]


def change(instant: datetime, whens: list[When], joined: Callable[[Sequence[bool]], object] = tuple) -> datetime | None:
    return next_change(instant, whens, outcome_of(whens, joined))


NOON = utc(2026, 11, 18, 12)  # a Wednesday


def test_hours_begin_and_end_to_the_minute() -> None:
    whens = whens_of("Wed 13:07-14:59")
    assert change(NOON, whens) == utc(2026, 11, 18, 13, 7)
    assert change(utc(2026, 11, 18, 13, 6, 59), whens) == utc(2026, 11, 18, 13, 7)
    assert change(utc(2026, 11, 18, 13, 7), whens) == utc(2026, 11, 18, 14, 59)
    assert change(utc(2026, 11, 18, 14, 59), whens) == utc(2026, 11, 25, 13, 7)


def test_the_answer_is_aware_and_of_the_same_instant_whatever_zone_the_question_was_in() -> None:
    whens = whens_of("Wed 13:07-14:59")
    found = change(NOON.astimezone(ZoneInfo("Asia/Kathmandu")), whens)
    assert found == utc(2026, 11, 18, 13, 7)
    assert found.utcoffset() is not None


@pytest.mark.parametrize(
    "texts",
    [
        ["daily"],
        ["00:00-24:00"],
        ["Mon-Sun 00:00-12:00, 12:00-24:00"],
        ["Mon-Sun"],
        ["12:00-11:59; 11:00-13:00"],
        ["daily until 2026-11-17"],
        ["22:00-06:00 until 2026-11-17"],
        ["Mon from 2026-11-17 until 2026-11-17"],
        ["daily from 2020-01-01"],
        ["daily except @never"],
        ["daily", "daily in Pacific/Apia", "Mon until 2020-01-01"],
        [],
    ],
)
def test_what_always_or_never_holds_never_changes(texts: list[str]) -> None:
    assert change(NOON, whens_of(*texts, never=[])) is None


@pytest.mark.parametrize(
    "texts",
    [
        ["weekdays", "weekends"],
        ["06:00-22:00", "22:00-06:00"],
        ["Mon-Fri 08:00-12:00 in Europe/Dublin", "daily"],
        ["06:00-22:00 in America/New_York", "22:00-06:00 in America/New_York"],
    ],
)
def test_rules_that_change_while_the_outcome_stays_are_no_change(texts: list[str]) -> None:
    assert change(NOON, whens_of(*texts), any) is None


def test_an_outcome_that_looks_at_nothing_never_changes() -> None:
    assert next_change(NOON, whens_of("Mon-Fri 08:30-12:00 in Europe/Dublin"), lambda _: "allow") is None


@pytest.mark.parametrize("years", [1, 2, 7, 40, 400, 5000])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Dublin", "Pacific/Apia"])
def test_a_date_years_ahead_is_found_exactly(years: int, zone: str) -> None:
    day = date(2026 + years, 2, 28)
    midnight = datetime.combine(day, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    assert change(NOON, whens_of(f"daily from {day}", zone=zone)) == midnight
    assert change(NOON, whens_of(f"daily until {day - timedelta(days=1)}", zone=zone)) == midnight
    assert change(NOON, whens_of(f"09:00-10:00 from {day}", zone=zone)) == midnight + timedelta(hours=9)
    assert change(NOON, whens_of("daily except @far", zone=zone, far=[str(day)])) == midnight


def test_a_weekday_behind_a_far_date_is_found_exactly() -> None:
    whens = whens_of("Mon 09:00-10:00 from 2033-03-01")  # a Tuesday
    assert change(NOON, whens) == utc(2033, 3, 7, 9)


def test_a_single_leap_day_years_ahead_is_found_exactly() -> None:
    whens = whens_of("22:00-06:00 from 2048-02-29 until 2048-02-29")
    assert change(NOON, whens) == utc(2048, 2, 29, 22)
    assert change(utc(2048, 2, 29, 22), whens) == utc(2048, 3, 1, 6)
    assert change(utc(2048, 3, 1, 6), whens) is None


def test_a_weekly_rule_is_found_behind_a_list_that_lasts_for_years() -> None:
    whens = whens_of("Wed 09:00-10:00 except @closed", closed=["2026-11-18..2031-06-30"])
    assert change(NOON, whens) == utc(2031, 7, 2, 9)


def test_an_outcome_that_differs_only_where_two_zones_part_is_found() -> None:
    whens = whens_of("09:00-17:00 in Europe/London", "09:00-17:00 in Europe/Berlin")
    apart = change(utc(2026, 6, 1, 12), whens, lambda answers: answers[0] != answers[1])
    assert apart == utc(2026, 6, 1, 15)  # 17:00 in Berlin


def test_an_outcome_that_differs_a_few_days_a_year_is_found() -> None:
    whens = whens_of("08:00-09:00 in Europe/London", "18:00-19:00 in Australia/Sydney")
    both = change(utc(2026, 4, 6), whens, all)  # ten hours apart only while the one has changed its clock
    assert both == utc(2026, 10, 4, 7)


def test_zones_that_agree_for_a_season_part_at_the_clock_change() -> None:
    whens = whens_of("12:00-13:00 in America/New_York", "12:00-13:00 in America/Port_of_Spain")
    differ = change(utc(2026, 7, 1, 0), whens, lambda answers: answers[0] != answers[1])
    assert differ == utc(2026, 11, 1, 16)  # New York is back on winter time; 12:00 in Port of Spain


def test_a_wall_time_that_the_clock_skips_begins_and_ends_on_the_change() -> None:
    whens = whens_of("01:30-04:00", zone="Europe/Berlin")
    assert change(utc(2026, 3, 29, 0), whens) == utc(2026, 3, 29, 0, 30)
    assert change(utc(2026, 3, 29, 0, 30), whens) == utc(2026, 3, 29, 2)
    inside = whens_of("Sun 02:15-02:45", zone="Europe/Berlin")
    assert change(utc(2026, 3, 28, 12), inside) == utc(2026, 4, 5, 0, 15)  # that Sunday had no such time
    across = whens_of("Sun 02:30-05:00", zone="Europe/Berlin")
    assert change(utc(2026, 3, 28, 12), across) == utc(2026, 3, 29, 1)  # the clock jumps into it


def test_a_wall_time_that_the_clock_repeats_is_met_twice() -> None:
    whens = whens_of("Sun 02:15-02:45", zone="Europe/Berlin")
    seen = [utc(2026, 10, 24, 12)]
    for _ in range(5):
        following = change(seen[-1], whens)
        assert following is not None
        seen.append(following)
    assert seen[1:] == [
        utc(2026, 10, 25, 0, 15),
        utc(2026, 10, 25, 0, 45),
        utc(2026, 10, 25, 1, 15),
        utc(2026, 10, 25, 1, 45),
        utc(2026, 11, 1, 1, 15),
    ]


def test_the_clock_can_fall_back_out_of_a_span_and_come_in_again() -> None:
    whens = whens_of("Sun 02:00-04:00", zone="Europe/Berlin")
    assert change(utc(2026, 10, 24, 12), whens) == utc(2026, 10, 25, 0)
    assert change(utc(2026, 10, 25, 0), whens) == utc(2026, 10, 25, 3)  # 02:00 comes again, and is inside
    late = whens_of("Sun 02:30-04:00", zone="Europe/Berlin")
    assert change(utc(2026, 10, 25, 0, 30), late) == utc(2026, 10, 25, 1)
    assert change(utc(2026, 10, 25, 1), late) == utc(2026, 10, 25, 1, 30)


def test_a_day_that_falls_back_over_midnight_goes_on() -> None:
    day = whens_of("Sat", zone="America/Sao_Paulo")
    assert change(utc(2019, 2, 16, 12), day) == utc(2019, 2, 17, 3)
    minute = whens_of("Sun", zone="America/St_Johns")  # one minute of Sunday, an hour of Saturday, and Sunday again
    assert change(utc(2006, 10, 28, 12), minute) == utc(2006, 10, 29, 2, 30)
    assert change(utc(2006, 10, 29, 2, 30), minute) == utc(2006, 10, 29, 2, 31)
    assert change(utc(2006, 10, 29, 2, 31), minute) == utc(2006, 10, 29, 3, 30)


def test_a_day_that_never_was_is_passed_over() -> None:
    whens = whens_of("Fri", zone="Pacific/Apia")
    assert change(utc(2011, 12, 26), whens) == utc(2012, 1, 5, 10)
    night = whens_of("Fri 22:00-06:00", zone="Pacific/Apia")
    assert change(utc(2011, 12, 26), night) == utc(2011, 12, 30, 10)  # wall time is inside it from Saturday 00:00


def test_where_the_offset_has_seconds_the_change_is_exact_to_the_second() -> None:
    whens = whens_of("09:00-10:00", zone="Africa/Monrovia")
    assert change(utc(1972, 1, 5, 0), whens) == utc(1972, 1, 5, 9, 44, 30)
    assert change(utc(1972, 1, 5, 9, 44, 30), whens) == utc(1972, 1, 5, 10, 44, 30)
    across = whens_of("00:10-12:00", zone="Africa/Monrovia")
    assert change(utc(1972, 1, 6, 20), across) == utc(1972, 1, 7, 0, 44, 30)  # the clock jumps from 00:00 to 00:44:30


def test_the_end_of_all_days_is_no_error() -> None:
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        assert change(NOON, whens_of("daily until 9999-12-31", zone=zone)) is None
        assert change(utc(9999, 12, 30, 12), whens_of("daily", zone=zone)) is None
    assert change(NOON, whens_of("23:00-01:00 from 9999-12-01")) == utc(9999, 12, 1, 23)
