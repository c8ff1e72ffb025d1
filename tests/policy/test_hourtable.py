"""The hours of many rules at once: each as it is by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from nwauth.policy.grammar import read_dates, read_when
from nwauth.policy.hourtable import HourTable

if TYPE_CHECKING:
    from nwauth.policy.when import When

AUCKLAND = ZoneInfo("Pacific/Auckland")
LISTS = {"holidays": read_dates(["2027-03-01", "2027-03-06..2027-03-08"])}
HOURS = (
    "Mon-Fri 08:30-12:00, 13:00-17:00",
    "22:00-06:00",
    "Sun 22:00-06:00",
    "Fri-Mon; Wed 00:00-00:01",
    "daily",
    "daily except @holidays",
    "Sat-Mon 23:00-01:00 except @holidays",
    "Mon-Sat 09:00-17:00 in Europe/Dublin",
    "Sun 00:30-03:30 in Australia/Lord_Howe",
    "20:00-04:00 from 2027-03-03 until 2027-03-05",
    "until 2027-03-02",
)
MONDAY = datetime(2027, 3, 1, tzinfo=UTC)


def hours(text: str | None) -> When | None:
    if text is None:
        return None
    return read_when(text if text[0] != "u" else f"daily {text}", zone=AUCKLAND, zones=ZoneInfo, lists=LISTS)


@given(
    texts=st.lists(st.sampled_from((*HOURS, None)), max_size=len(HOURS)),
    minutes=st.lists(st.integers(min_value=-2 * 24 * 60, max_value=70 * 24 * 60), min_size=1, max_size=20),
)
@example(texts=[*HOURS], minutes=[*range(0, 8 * 24 * 60, 7)])
def test_each_of_many_rules_holds_when_its_own_hours_do(texts: list[str | None], minutes: list[int]) -> None:
    whens = [hours(text) for text in texts]
    table = HourTable(whens)
    for minute in minutes:
        instant = MONDAY + timedelta(minutes=minute)
        assert table.holding(instant) == sum(
            1 << at for at, when in enumerate(whens) if when is None or when.at(instant)
        ), instant


def test_a_minute_later_another_answer_is_given() -> None:
    table = HourTable([hours("Mon 13:00-13:01")])
    start = datetime(2027, 3, 1, 13, tzinfo=AUCKLAND)
    seconds = (-1, 0, 59, 60, 30, -1)
    assert [table.holding(start + timedelta(seconds=each)) for each in seconds] == [0, 1, 1, 0, 1, 0]
