"""The `when` grammar against a minute-by-minute model, where clocks and calendars do odd things."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.policy.grammar import read_dates, read_when
from tests.policy.when_model import PLACES, Meant, Place, local_day, meant, places

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from nwauth.policy.when import When

HOURS = 30  # before and after the odd instant: over a night, and over a day that is skipped or comes twice


def read(what: Meant) -> When:
    lists = {name: read_dates([f"{first}..{last}" for first, last in periods]) for name, periods in what.lists.items()}
    return read_when(what.text, zone=ZoneInfo(what.home), zones=ZoneInfo, lists=lists)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.zone} {place.around:%Y-%m-%d}")
def test_the_clock_does_there_what_it_was_chosen_for(place: Place) -> None:
    zone = ZoneInfo(place.zone)
    before, after = ((place.around + timedelta(seconds=seconds)).astimezone(zone) for seconds in (-1, 0))
    assert (before.utcoffset() != after.utcoffset()) is place.changes


@given(place=places, data=st.data())
def test_it_holds_at_every_minute_as_the_model_says(place: Place, data: DataObject) -> None:
    what = data.draw(meant(place))
    when = read(what)
    start = place.around + timedelta(seconds=data.draw(st.integers(0, 59))) - timedelta(hours=HOURS)
    for minute in range(2 * HOURS * 60):
        instant = start + timedelta(minutes=minute)
        assert when.at(instant) is what.at(instant), (what.text, instant.isoformat())


@given(place=places, data=st.data())
def test_it_holds_at_a_wall_time_whether_or_not_the_clock_ever_shows_it(place: Place, data: DataObject) -> None:
    what = data.draw(meant(place))
    when = read(what)
    midnight = datetime.combine(local_day(place), datetime.min.time())
    for minutes in range(-36 * 60, 60 * 60, 7):
        wall = midnight + timedelta(minutes=minutes, seconds=minutes % 60)
        assert when.holds(wall) is what.holds(wall), (what.text, wall.isoformat())
        assert when.holds(wall.replace(fold=1)) is what.holds(wall), (what.text, wall.isoformat())


@given(place=places, data=st.data())
def test_the_zone_in_which_an_instant_is_written_does_not_matter(place: Place, data: DataObject) -> None:
    what = data.draw(meant(place))
    when = read(what)
    instant = place.around + timedelta(seconds=data.draw(st.integers(-HOURS * 3600, HOURS * 3600)))
    for zone in ("UTC", place.zone, "Pacific/Apia", "America/St_Johns"):
        assert when.at(instant.astimezone(ZoneInfo(zone))) is what.at(instant)


@given(place=places, data=st.data())
def test_a_wall_time_in_the_zone_of_the_rule_says_the_same_as_the_instant(place: Place, data: DataObject) -> None:
    what = data.draw(meant(place))
    when = read(what)
    instant = place.around + timedelta(minutes=data.draw(st.integers(-HOURS * 60, HOURS * 60)))
    wall = instant.astimezone(ZoneInfo(what.sketch.zone or what.home))
    assert when.holds(wall) is when.holds(wall.replace(tzinfo=None)) is when.at(instant)
