from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.errors import Refused
from nwauth.model import Info
from nwauth.policy.account import REFUSING_STATES, check_dates, refusal

AUCKLAND = ZoneInfo("Pacific/Auckland")
BERLIN = ZoneInfo("Europe/Berlin")


def refused(info: str, now: datetime) -> str | None:
    """The field that refuses at `now`."""
    found = refusal(Info(info), lambda: now)
    return found.field if found else None


def berlin(text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


def no_clock() -> datetime:
    raise AssertionError("the clock was asked")


@pytest.mark.parametrize("info", ["", 'fwd="a@b"', "odd text", 'mailstatus="ok"', 'mailstatus=""', 'valid_until=""'])
def test_a_user_without_limits_is_let_in_without_asking_the_clock(info: str) -> None:
    assert refusal(Info(info), no_clock) is None


@pytest.mark.parametrize("state", sorted(REFUSING_STATES))
def test_a_refusing_state_refuses_in_any_case_of_letters(state: str) -> None:
    for spelling in (state, state.upper(), f" {state.title()} "):
        found = refusal(Info(f'quota="1" MailStatus="{spelling}"'), no_clock)
        assert found is not None
        assert (found.field, found.reason) == ("mailstatus", f"mailstatus is {state}")


@pytest.mark.parametrize("state", ["ok", "good", "paydue", "unknown", "suspended2", "not suspended"])
def test_any_other_state_has_no_effect(state: str) -> None:
    assert refusal(Info(f'mailstatus="{state}"'), no_clock) is None


def test_a_state_that_merely_stands_in_another_value_has_no_effect() -> None:
    assert refusal(Info('note="mailstatus suspended, valid_until 2001-01-01"'), no_clock) is None


@pytest.mark.parametrize(
    ("info", "now", "field"),
    [
        ('valid_until="2027-01-31"', "2027-01-31 23:59:59", None),
        ('valid_until="2027-01-31"', "2027-02-01 00:00:00", "valid_until"),
        ('valid_until="2027-01-31 18:00"', "2027-01-31 17:59:59", None),
        ('valid_until="2027-01-31 18:00"', "2027-01-31 18:00:00", "valid_until"),
        ('valid_until="2027-01-31T18:00:30"', "2027-01-31 18:00:29", None),
        ('valid_until="2027-01-31T18:00:30"', "2027-01-31 18:00:30", "valid_until"),
        ('valid_from="2027-01-31"', "2027-01-30 23:59:59", "valid_from"),
        ('valid_from="2027-01-31"', "2027-01-31 00:00:00", None),
        ('valid_from="2027-01-31 18:00"', "2027-01-31 17:59:59", "valid_from"),
        ('valid_from="2027-01-31 18:00"', "2027-01-31 18:00:00", None),
        ('Valid_From=" 2027-01-31 " VALID_UNTIL="2027-01-31"', "2027-01-31 12:00", None),
        ('valid_until="2020-01-01" valid_from="2030-01-01"', "2025-01-01", "valid_from"),
        ('valid_until="9999-12-31" valid_from="0001-01-01"', "2025-01-01", None),
        ('valid_until="9999-12-31 23:59:59-23:59" valid_from="0001-01-01 00:00+23:59"', "2025-01-01", None),
        ('mailstatus="banned" valid_until="2020-01-01"', "2025-01-01", "mailstatus"),
    ],
)
def test_the_time_of_validity(info: str, now: str, field: str | None) -> None:
    assert refused(info, datetime.fromisoformat(now).replace(tzinfo=AUCKLAND)) == field


@pytest.mark.parametrize("limit", ["2027-01-31T18:00Z", "2027-01-31 19:00+01:00", "2027-01-31 13:30:00-04:30"])
def test_an_offset_in_the_value_decides_over_the_zone(limit: str) -> None:
    end = datetime(2027, 1, 31, 18, tzinfo=UTC)
    for zone in (UTC, AUCKLAND, timezone(timedelta(hours=-11))):
        assert refused(f'valid_until="{limit}"', (end - timedelta(seconds=1)).astimezone(zone)) is None
        assert refused(f'valid_until="{limit}"', end.astimezone(zone)) == "valid_until"


UNREADABLE = [
    "31.1.2027",
    "2027-1-31",
    "2027-02-29",
    "20270131",
    "2027-W05-7",
    "2027-01-31x18:00",
    "2027-01-31 18",
    "2027-01-31 1800",
    "2027-01-31 24:00",
    "2027-01-31 18:60",
    "2027-01-31 18:00:60",
    "2027-01-31 18:00:00.5",
    "2027-01-31  18:00",
    "2027-01-31 18:00 Z",
    "2027-01-31 18:00+1",
    "2027-01-31 18:00+24:00",
    "2027-01-31 18:00+01:60",
    "2027-01-31Z",
    "\u0662\u0660\u0662\u0667-01-31",
    "+027-01-31",
    "2027-01-31 -1:00",
    "never",
    "0",
]


@pytest.mark.parametrize("field", ["valid_from", "valid_until"])
@pytest.mark.parametrize("value", UNREADABLE)
def test_an_unreadable_date_refuses_under_its_field_and_cannot_be_set(field: str, value: str) -> None:
    found = refusal(Info(f'{field}="{value}"'), lambda: datetime(2027, 1, 1, tzinfo=UTC))
    assert found is not None
    assert found.field == field
    assert found.reason.startswith(f"{field} is {value}, wanted a date (2027-01-31)")
    with pytest.raises(Refused, match=f"{field}: found .*, wanted a date") as caught:
        check_dates({"fwd": "x", field.upper(): value})
    assert caught.value.public.startswith(f"{field} is no date, wanted a date")


def test_a_long_unreadable_date_is_cut_in_the_reason() -> None:
    found = refusal(Info(f'valid_until="{"9" * 5000}"'), lambda: datetime(2027, 1, 1, tzinfo=UTC))
    assert found is not None
    assert len(found.reason) < 150


def test_dates_that_can_be_read_back_can_be_set_and_so_can_their_removal() -> None:
    check_dates({"valid_from": "2027-01-31", "Valid_Until": "2027-01-31t18:00:00+12:45", "fwd": "never"})
    check_dates({"valid_from": "", "valid_until": " "})
    check_dates({})


@settings(deadline=None)  # other work may share the machine
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_never_an_exception(value: str) -> None:
    value = value.replace('"', "")
    now = datetime(2027, 1, 1, tzinfo=UTC)
    found = refusal(Info(f'valid_until="{value}"'), lambda: now)
    try:
        check_dates({"valid_until": value})
    except Refused:
        assert found is not None
        assert "wanted" in found.reason
    else:
        assert found is None or found.reason.endswith(" is over")


@settings(deadline=None)  # other work may share the machine
@given(st.datetimes(timezones=st.just(BERLIN)), st.datetimes())
def test_a_limit_without_offset_is_compared_as_wall_time(now: datetime, limit: datetime) -> None:
    written = limit.replace(microsecond=0)
    over = now.replace(tzinfo=None) >= written
    year = f"{written.year:04}"
    info = f'valid_until="{year}{written.strftime("-%m-%d %H:%M:%S")}"'
    assert (refused(info, now) == "valid_until") == over


def test_a_limit_in_the_hour_that_spring_skips_falls_on_the_change() -> None:
    last, first = berlin("2027-03-28 01:59:59"), berlin("2027-03-28 03:00:00")
    assert (first.astimezone(UTC) - last.astimezone(UTC)) == timedelta(seconds=1)
    assert refused('valid_until="2027-03-28 02:30"', last) is None
    assert refused('valid_until="2027-03-28 02:30"', first) == "valid_until"
    assert refused('valid_from="2027-03-28 02:30"', last) == "valid_from"
    assert refused('valid_from="2027-03-28 02:30"', first) is None


def test_a_limit_in_the_hour_that_autumn_repeats_is_met_twice() -> None:
    limit = 'valid_until="2027-10-31 02:30"'
    night = [("02:29", 0, None), ("02:30", 0, "valid_until"), ("02:29", 1, None), ("02:30", 1, "valid_until")]
    for clock, fold, field in night:
        assert refused(limit, berlin(f"2027-10-31 {clock}", fold=fold)) == field
    assert refused(limit, berlin("2027-10-31 03:00")) == "valid_until"
    assert refused('valid_until="2027-10-31 02:30+02:00"', berlin("2027-10-31 02:29", fold=1)) == "valid_until"


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Sao_Paulo", "2018-11-03"),  # the next midnight is skipped
        ("America/Havana", "2027-11-06"),  # the next midnight comes twice
        ("Asia/Beirut", "2022-03-26"),
        ("Pacific/Apia", "2011-12-29"),  # the whole next day is skipped
    ],
)
def test_a_bare_date_includes_its_whole_day_where_midnight_is_moved(zone: str, day: str) -> None:
    where = ZoneInfo(zone)
    evening = datetime.fromisoformat(f"{day} 12:00").replace(tzinfo=where).astimezone(UTC)
    for minute in range(14 * 60):
        now = (evening + timedelta(minutes=minute)).astimezone(where)
        assert (refused(f'valid_until="{day}"', now) is None) == (now.date().isoformat() <= day)


def test_importing_it_and_letting_a_user_in_loads_nothing_heavy() -> None:
    program = (
        "import sys; from nwauth.policy.account import refusal; from nwauth.model import Info\n"
        "refusal(Info('fwd=\"x\"'), None)\n"
        "print({'tomllib', 'json', 'datetime', 're', 'typing', 'dataclasses', 'logging', 'enum'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
