"""What comes of a Login-Time lets in as FreeRADIUS did, minute by minute (spec/policy.md section 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.policy.imports.logintime import read_login_time
from nwauth.policy.imports.written import Imported, Whom, written
from nwauth.policy.reading import read_policy
from nwauth.policy.rules import Login, Policy

DUBLIN = ZoneInfo("Europe/Dublin")
CHANGES = (datetime(2026, 3, 23, tzinfo=UTC), datetime(2026, 10, 19, tzinfo=UTC))
BOB = Login(name="bob", classes=("student",), store="files")
CODES = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def come(text: str) -> tuple[Imported, str, Policy]:
    imported = read_login_time(text, is_for_all=False)
    out = written(imported, Whom(classes=("student",)))
    zoned = out.replace("[policy]\n", '[policy]\nzone = "Europe/Dublin"\n', 1)
    return imported, out, read_policy(zoned.encode(), file="policy.toml")


def in_the_bitmap(text: str) -> set[tuple[int, int]]:
    """The days and minutes that FreeRADIUS 3.2.1 marks, for a text that it can read: measured, written down naively."""
    marked: set[tuple[int, int]] = set()
    for part in text.lower().replace("|", ",").split(","):
        digits = next((at for at, character in enumerate(part) if character.isdigit()), len(part))
        days, times = part[:digits].strip(), part[digits:]
        first, _, last = times.partition("-")
        start = int(first[:2]) * 60 + int(first[2:]) if times else 0
        end = min(int((last or first)[:2]) * 60 + int((last or first)[2:]), 1439) if times else 1439
        for day in days_of(days):
            minute = start
            while (marked.add((day, minute)) or minute) != end:  # type: ignore[func-returns-value]
                minute = (minute + 1) % 1440
    return marked


def days_of(days: str) -> list[int]:
    if days == "never":
        return []
    found: list[int] = []
    for word in days.replace("any", "al").replace("wk", "mo-fr").replace("al", "mo-su").replace("-", " -").split():
        pairs = [
            [c.lower() for c in CODES].index(word.lstrip("-")[at : at + 2]) for at in range(0, len(word.lstrip("-")), 2)
        ]
        while word.startswith("-") and found[-1] != pairs[0]:
            found.append((found[-1] + 1) % 7)
        found += pairs
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Wk0830-1700",
        "wk0830-1700,SA-SU0900-1200",
        "Wk0830-1700|Sa",
        "Fr2200-0600",
        "Fr-Mo1000-1100",
        "Su-Sa0100-0200",
        "MoTuTh0900-1000",
        "Mo,Tu0900-1000",
        "Al",
        "Any",
        "Any0100-0200",
        "Never",
        "Never,Mo0900-1000",
        "Wk0830",
        "Wk0830-2400",
        "Mo0000-2359",
        "Mo0900-0900",
        "Mo0900-0859",
        "Mo 0830-1700",
    ],
)
def test_the_rule_lets_in_when_the_login_time_did_over_a_clock_change(text: str) -> None:
    imported, _, policy = come(text)
    assert imported.faults == []
    marked = in_the_bitmap(text)
    for start in CHANGES:
        for minute in range(10 * 24 * 60):
            instant = start + timedelta(minutes=minute)
            local = instant.astimezone(DUBLIN)
            wanted = (local.weekday(), local.hour * 60 + local.minute) in marked
            assert policy.decide(BOB, instant).allowed is wanted, local


def test_a_login_time_becomes_one_rule_that_reads_well() -> None:
    _, out, policy = come("Wk0830-1700,Sa0900-1200")
    assert [rule.classes for rule in policy.rules] == [("student",)]
    assert 'when = "Mon-Fri 00:00-08:30, 17:01-24:00; Sat 00:00-09:00, 12:01-24:00; Sun"\n' in out


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("Wk0830-1700", "Wk0830-1700 has the minute 17:00 in, for FreeRADIUS: so it ends at 17:01 here"),
        ("Fr2200-0600", "means 00:00-06:01 and 22:00-24:00 of the same day, and so do these rules"),
        ("Fr2200-0600", 'for the night that follows write "22:00-06:00" after the day'),
        ("Wk0830", "Wk0830 is one minute for FreeRADIUS, 08:30"),
        ("Al", "no rule is needed"),
        ("Mo0830-1700", "this machine's zone, as before"),
    ],
)
def test_what_differs_is_remarked(text: str, remark: str) -> None:
    imported, out, _ = come(text)
    assert remark in out
    assert remark in "\n".join(imported.all_remarks)


def test_a_rule_for_everybody_is_remarked() -> None:
    assert "--user or --class puts that in" in "".join(read_login_time("Wk").all_remarks)


@pytest.mark.parametrize(
    ("text", "column", "found"),
    [
        ("0830-1700", 1, "found no day, wanted one before the times, as in Al0830-1700"),
        ("Wk0830-1700,Wd0900-1200", 13, 'found "Wd"'),
        ("Wk0830-1700 , Tu0900-1000", 3, "wanted two times"),
        ("Mo0830-1700, Tu0900-1000", 13, 'found " T"'),
        ("MoXxTu0900-1000", 3, 'found "Xx"'),
        ("Monday0900-1000", 3, 'found "Nd"'),
        ("Mo08:30-17:00", 3, 'found "08:30-17:00"'),
        ("Mo0830-17", 3, 'found "0830-17", wanted two times as in 0830-1700'),
        ("Mo0860-1700", 3, 'found "0860-1700"'),
        ("Mo2400-0300", 3, 'found "2400-0300"'),
        ("Mo2500-2600", 3, 'found "2500-2600"'),
        ("Sa-Wk1000-1100", 1, "wanted single days on both sides of the hyphen"),
        ("Wk-Sa1000-1100", 1, "wanted single days on both sides of the hyphen"),
        ("Mo-0900-1000", 4, "found nothing, wanted Mo Tu"),
        ("\x1b[31m", 1, 'found "\\x1b['),
        ("Mo\udce4", 3, 'found "\\xe4"'),
        ("", 1, "found nothing"),
        (" , ", 1, "found nothing"),
    ],
)
def test_what_is_broken_is_told_with_its_column(text: str, column: int, found: str) -> None:
    imported, out, _ = come(text)
    fault = imported.faults[0]
    assert fault.place == f"Login-Time, column {column}"
    assert found in fault.text
    assert f"# NOT TRANSLATED: {fault}" in out
    assert out.replace("\n", "").isprintable()


def test_a_broken_part_lets_nobody_in_as_before() -> None:
    _, _, policy = come("Mo0900-1000,Xx0900-1000")
    at = datetime(2026, 6, 2, 9, 30, tzinfo=DUBLIN)
    assert not policy.decide(BOB, at).allowed
    assert policy.decide(BOB, at - timedelta(days=1)).allowed


@given(st.one_of(st.text(), st.text(st.sampled_from("MoTuWkAlSa0123489-,| "))))
def test_whatever_is_given_what_comes_out_can_be_read(text: str) -> None:
    imported, out, _ = come(text)
    assert out.count("# NOT TRANSLATED: ") == len(imported.faults)
    assert out.replace("\n", "").isprintable()


PARTS = st.builds(
    "{}{}".format,
    st.one_of(
        st.sampled_from(["Wk", "Al", "Any", "Fr-Mo", "Su-Sa"]),
        st.lists(st.sampled_from(CODES), min_size=1, max_size=3).map("".join),
    ),
    st.one_of(st.just(""), st.builds("{:02}{:02}-{:02}{:02}".format, *[st.integers(0, 23), st.integers(0, 59)] * 2)),
)


@given(st.lists(PARTS, min_size=1, max_size=4).map(",".join))
def test_any_login_time_lets_in_in_the_minutes_that_freeradius_marks(text: str) -> None:
    imported, _, policy = come(text)
    assert imported.faults == []
    marked = in_the_bitmap(text)
    monday = datetime(2026, 6, 1, tzinfo=DUBLIN)
    edges = {edge for rule in policy.rules if rule.when for edge in rule.when.edges()}
    edges |= {minute for day, minute in marked if (day, minute - 1) not in marked or (day, minute + 1) not in marked}
    for day in range(7):
        for minute in {near % 1440 for edge in edges | {0, 777} for near in (edge - 1, edge, edge + 1)}:
            instant = monday + timedelta(days=day, minutes=minute)
            assert policy.decide(BOB, instant).allowed is ((day, minute) in marked), instant
