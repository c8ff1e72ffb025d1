"""The week as rules mean it: it agrees with the decisions themselves, minute by minute, over clock changes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.policy.ahead import ahead
from nwauth.policy.hosts import read_address, read_hosts
from nwauth.policy.kinds import concerned, hours_of, kinds
from nwauth.policy.reading import read_policy
from nwauth.policy.rules import Login, Policy, Rule
from nwauth.policy.week import (
    DAY_SECONDS,
    DENY,
    Course,
    Piece,
    Ruling,
    decision_of,
    slot,
    times,
    week,
)
from tests.policy.test_when_properties import read
from tests.policy.when_model import PLACES, Place, local_day, meant, places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypothesis.strategies import DataObject, DrawFn

HOSTS = (["10.20.0.0/16"], ["10.0.0.0/8", "unknown"], ["2001:db8:20::/48"], ["10.20.0.9-10.20.0.12"], ["any"])
SERVICES = (("pop",), ("pop", "imap"), ("unknown",), ("any",))
ADDRESSES = (
    None,
    "9.9.9.9",
    "10.20.0.8",
    "10.20.0.10",
    "10.1.1.1",
    "11.0.0.0",
    "2001:db8:20::1",
    "2001:db8:21::",
    "::",
)
BY = ("", "pop", "imap", "smtp")
HOUR = 3600
SOMEBODY = Login(name="bob", classes=("student",), store="files")


def every_login() -> list[Login]:
    """One from everywhere that the rules above may tell apart, by every service."""
    return [
        Login(
            name="bob",
            classes=("student",),
            store="files",
            service=service,
            address=None if text is None else read_address(text),
        )
        for text, service in product(ADDRESSES, BY)
    ]


def ruling(policy: Policy, login: Login, instant: datetime) -> Ruling:
    one = policy.decide(login, instant)
    return Ruling(allowed=one.allowed, rule=one.rule, shadowed=one.shadowed)


def week_of(policy: Policy, first: date) -> list[Piece]:
    courses = [
        Course(lambda instant, login=login: ruling(policy, login, instant), hours_of(policy, login))  # type: ignore[misc]
        for login in kinds(policy, SOMEBODY, everywhere=True, by_all=True)
    ]
    return week(courses, zone=policy.zone, first=first.toordinal())


def denied(pieces: list[Piece]) -> dict[int, list[tuple[int, int, int]]]:
    chosen = [piece for piece in pieces if piece.decision == DENY]
    return times(chosen, Counter(piece.ordinal for piece in pieces))


def policy_of(text: str) -> Policy:
    return read_policy(text.encode(), file="policy.toml")


def told(pieces: Iterable[Piece], day: date) -> list[tuple[int, str, str, str]]:
    """The pieces of a day: the turn, from, to, the decision."""
    return [
        (piece.turn, clock(piece.start), clock(piece.end), piece.decision)
        for piece in pieces
        if piece.ordinal == day.toordinal()
    ]


def clock(seconds: int) -> str:
    return f"{seconds // HOUR:02}:{seconds // 60 % 60:02}"


@st.composite
def policies(draw: DrawFn, place: Place) -> Policy:
    rules = []
    for number in range(draw(st.integers(1, 4))):
        model = draw(meant(place))
        hosts = draw(st.none() | st.sampled_from(HOSTS))
        rules.append(
            Rule(
                name=f"rule {number}",
                allow=draw(st.booleans()),
                shadow=draw(st.integers(0, 3)) == 0,
                hosts=None if hosts is None else read_hosts(hosts),
                services=draw(st.none() | st.sampled_from(SERVICES)),
                classes=draw(st.sampled_from([None, None, ("student",), ("staff",)])),
                when=draw(st.none() | st.just(read(model))),
            )
        )
    return Policy(rules, allow=draw(st.booleans()), zone=ZoneInfo(place.zone))


@settings(max_examples=25)
@given(place=places, data=st.data())
def test_the_week_agrees_with_every_decision_in_it(place: Place, data: DataObject) -> None:
    policy = data.draw(policies(place))
    pieces = week_of(policy, local_day(place) - timedelta(days=data.draw(st.integers(0, 6))))
    logins = every_login()
    near = [place.around + timedelta(minutes=minute) for minute in range(-200, 200)]
    far = [piece.begin + (piece.finish - piece.begin) * part for piece in pieces for part in (0, 0.5, 0.999)]
    sampled = [pieces[0].begin + timedelta(minutes=minute) for minute in range(0, 7 * 24 * 60, 37)]
    for instant in (*near, *far, *sampled):
        found = [piece for piece in pieces if piece.begin <= instant < piece.finish]
        local = instant.astimezone(policy.zone)
        if not found:
            assert not pieces[0].ordinal <= local.toordinal() <= pieces[-1].ordinal
            continue
        (piece,) = found
        assert piece.rulings == {ruling(policy, login, instant) for login in logins}, instant
        assert piece.ordinal == local.toordinal()
        assert piece.start <= local.hour * HOUR + local.minute * 60 + local.second < piece.end


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.zone} {place.around:%Y-%m-%d}")
def test_the_pieces_of_a_week_follow_each_other_and_no_wall_time_is_there_twice_in_a_turn(place: Place) -> None:
    policy = Policy(allow=True, zone=ZoneInfo(place.zone))
    pieces = week_of(policy, local_day(place) - timedelta(days=3))
    assert all(before.finish == after.begin for before, after in pairwise(pieces))
    assert {piece.decision for piece in pieces} == {"allow"}
    for piece in pieces:
        assert (piece.finish - piece.begin).total_seconds() == piece.end - piece.start > 0
    seconds = [(piece.ordinal, piece.turn, second) for piece in pieces for second in range(piece.start, piece.end, 10)]
    assert len(seconds) == len(set(seconds))
    again = sum(piece.end - piece.start for piece in pieces if piece.turn)
    around = [place.around + timedelta(seconds=seconds) for seconds in (-1, 0)]
    before, after = ((moment.astimezone(policy.zone).utcoffset() or timedelta()).total_seconds() for moment in around)
    assert again == max(0, before - after)


def test_hours_that_the_clock_skips_are_not_there() -> None:
    policy = policy_of("""
        [policy]
        zone = "Pacific/Auckland"
        default = "allow"
        [[rule]]
        name = "night"
        deny = true
        when = "01:30-02:30, 03:30-04:00"
    """)
    pieces = week_of(policy, date(2026, 9, 21))
    assert told(pieces, date(2026, 9, 27)) == [
        (0, "00:00", "01:30", "allow"),
        (0, "01:30", "02:00", "deny"),
        (0, "03:00", "03:30", "allow"),
        (0, "03:30", "04:00", "deny"),
        (0, "04:00", "24:00", "allow"),
    ]
    sunday = [piece for piece in pieces if piece.ordinal == date(2026, 9, 27).toordinal()]
    found = [slot(sunday, hour * HOUR, hour * HOUR + HOUR) for hour in range(5)]
    assert found == ["allow", "mixed", "absent", "mixed", "allow"]


def test_hours_that_the_clock_repeats_are_told_twice_each_as_it_is() -> None:
    policy = policy_of("""
        [policy]
        zone = "Europe/Dublin"
        default = "allow"
        [[rule]]
        name = "an hour of the world's"
        deny = true
        when = "Sun 00:30-01:15 in UTC"
        [[rule]]
        name = "an hour of ours"
        deny = true
        when = "Sun 01:50-02:00"
    """)
    pieces = week_of(policy, date(2026, 10, 25))
    assert told(pieces, date(2026, 10, 25)) == [
        (0, "00:00", "01:30", "allow"),
        (0, "01:30", "02:00", "deny"),
        (1, "01:00", "01:15", "deny"),
        (1, "01:15", "01:50", "allow"),
        (1, "01:50", "02:00", "deny"),
        (0, "02:00", "24:00", "allow"),
    ]
    assert denied(pieces) == {date(2026, 10, 25).toordinal(): [(0, 5400, 7200), (1, 3600, 4500), (1, 6600, 7200)]}


def test_a_day_that_never_was_has_no_pieces() -> None:
    pieces = week_of(Policy(allow=True, zone=ZoneInfo("Pacific/Apia")), date(2011, 12, 28))
    assert date(2011, 12, 30).toordinal() not in {piece.ordinal for piece in pieces}
    assert len({piece.ordinal for piece in pieces}) == 6


def test_a_whole_day_is_whole_also_where_the_clock_changes_and_a_night_is_told_with_its_evening() -> None:
    policy = policy_of("""
        [policy]
        zone = "Pacific/Auckland"
        default = "allow"
        [[rule]]
        name = "nights"
        deny = true
        when = "Mon-Tue 22:00-06:00; Sun; Thu 09:00-24:00; Fri 00:00-08:59"
    """)
    monday = date(2027, 3, 29)  # on that Sunday the clock is put back
    found = denied(week_of(policy, monday))
    assert found == {
        monday.toordinal(): [(0, 22 * HOUR, DAY_SECONDS + 6 * HOUR)],
        monday.toordinal() + 1: [(0, 22 * HOUR, DAY_SECONDS + 6 * HOUR)],
        monday.toordinal() + 3: [(0, 9 * HOUR, DAY_SECONDS)],  # a day and a night are two days
        monday.toordinal() + 4: [(0, 0, 9 * HOUR - 60)],
        monday.toordinal() + 6: [(0, 0, DAY_SECONDS)],
    }


def test_the_limits_of_an_account_are_met_to_the_second() -> None:
    limit = datetime(2026, 11, 25, 18, 0, 30, tzinfo=UTC)
    course = Course(lambda instant: Ruling(allowed=instant < limit, rule="valid_until"), ())
    pieces = week([course], zone=UTC, first=date(2026, 11, 25).toordinal(), limits=[limit])
    assert [(piece.start, piece.end, piece.decision) for piece in pieces][:3] == [
        (0, 64830, "allow"),
        (64830, 86400, "deny"),
        (0, 86400, "deny"),
    ]


def test_a_decision_is_open_only_where_some_logins_are_allowed_and_some_denied() -> None:
    yes, no = Ruling(allowed=True, rule="a"), Ruling(allowed=False, rule="b")
    other = Ruling(allowed=True, rule="c")
    assert decision_of(frozenset({yes, other})) == "allow"
    assert decision_of(frozenset({no})) == "deny"
    assert decision_of(frozenset({yes, no})) == "depends"


def test_logins_that_rules_cannot_tell_apart_are_tried_once() -> None:
    policy = policy_of("""
        [policy]
        default = "allow"
        [[rule]]
        name = "labs"
        deny = true
        from = ["10.20.0.0/16", "192.168.7.10-192.168.7.40", "2001:db8:20::/48"]
        [[rule]]
        name = "only imap"
        deny = true
        service = ["pop", "smtp"]
        [[rule]]
        name = "other people"
        deny = true
        class = ["staff"]
        from = ["172.16.0.0/12"]
    """)
    found = kinds(policy, SOMEBODY, everywhere=True, by_all=True)
    assert len(found) == 6  # unknown, within the labs or not; each by pop or not: an unknown service is as pop
    fixed = kinds(policy, SOMEBODY, everywhere=False, by_all=False)
    assert [(login.address, login.service) for login in fixed] == [(None, "")]
    assert [rule.name for rule in concerned(policy, SOMEBODY)] == ["labs", "only imap"]
    masked = kinds(policy, SOMEBODY, everywhere=True, by_all=False, mask=read_hosts(["10.20.5.0/24"]))
    assert len(masked) == 4  # unknown, within the labs and the mask, within the labs alone, without both


AHEAD = """
[policy]
zone = "Pacific/Auckland"
default = "allow"
[lists.holidays]
dates = ["2026-09-30", "2026-10-03..2026-10-04", "2026-12-25"]
[lists.unused]
dates = ["2026-09-29"]
[[rule]]
name = "class"
deny = true
when = "Mon-Fri 08:30-12:00 except @Holidays from 2026-09-28 until 2026-10-30"
[[rule]]
name = "night"
deny = true
when = "Sat-Sun 22:00-02:30"
[[rule]]
name = "dublin"
deny = true
when = "09:00-10:00 in Europe/Dublin"
"""


def test_the_calendar_tells_what_clock_changes_and_listed_dates_do() -> None:
    policy = policy_of(AHEAD)
    events = ahead(policy, policy.rules, datetime(2026, 9, 1, tzinfo=UTC), days=60)
    assert [(date.fromordinal(one.first).isoformat(), one.what, one.effects) for one in events] == [
        (
            "2026-09-27",
            "clocks in Pacific/Auckland go from 02:00 on to 03:00 (UTC+12:00 to UTC+13:00)",
            ('"night" is 30 minutes shorter', '"dublin" is 1 hour later in Pacific/Auckland from then on'),
        ),
        ("2026-09-28", '"class"', ("its first day",)),
        ("2026-09-29", "@unused", ()),
        ("2026-09-30", "@holidays", ('"class" has no hours',)),
        ("2026-10-03", "@holidays", ()),  # a Saturday and a Sunday
        (
            "2026-10-25",
            "clocks in Europe/Dublin go from 02:00 back to 01:00 (UTC+01:00 to UTC+00:00)",
            ('"dublin" is 1 hour later in Pacific/Auckland from then on',),
        ),
        ("2026-10-30", '"class"', ("its last day",)),
    ]


def test_a_change_in_the_first_minute_of_the_first_day_is_told() -> None:
    zone = ZoneInfo("America/Sao_Paulo")  # midnight never was
    (event, *_) = ahead(Policy(allow=True, zone=zone), (), datetime(2018, 11, 4, tzinfo=zone), days=1)
    assert event.what.startswith("clocks in America/Sao_Paulo go from 00:00 on to 01:00")


def test_the_calendar_ends_after_so_many_days() -> None:
    policy = policy_of(AHEAD)
    assert ahead(policy, policy.rules, datetime(2026, 12, 1, tzinfo=UTC), days=23) == []
    (event,) = ahead(policy, policy.rules, datetime(2026, 12, 1, tzinfo=UTC), days=24)
    assert event.what == "@holidays"
