"""The grammar of `when`, sentence by sentence (spec/policy.md section 2): what is read, what is refused, and where."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nwauth.policy.grammar import BadWhen, read_dates, read_when
from nwauth.policy.when import Dates, When
from nwauth.policy.zones import zone_named

LISTS = {
    "holidays": read_dates(["2026-04-03", "2026-12-25..2027-01-05"]),
    "school-terms": read_dates(["2026-11-18"]),
    "x_2": read_dates([]),
}
MONDAY = datetime(2026, 11, 16)  # noqa: DTZ001 - wall time has no zone
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def read(text: str, zone: str = "UTC") -> When:
    return read_when(text, zone=zone_named(zone), zones=zone_named, lists=LISTS)


def wall(day: str, clock: str = "12:00") -> datetime:
    """A wall time in the week of Monday, 2026-11-16, or on a date."""
    midnight = datetime.fromisoformat(day) if day[0].isdigit() else MONDAY + timedelta(days=day_number(day))
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return midnight + timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))


def day_number(word: str) -> int:
    return next(number for number, name in enumerate(DAYS) if name.startswith(word))


def holds(text: str, day: str, clock: str = "12:00") -> bool:
    return read(text).holds(wall(day, clock))


def days_of(text: str, clock: str = "12:00") -> str:
    """The days of a week at whose noon it holds, as letters."""
    return "".join(name[:2] for name in DAYS if holds(text, name, clock))


def week_of(text: str) -> list[bool]:
    """Every minute of the week."""
    when = read(text)
    return [when.holds(MONDAY + timedelta(minutes=minute)) for minute in range(7 * 24 * 60)]


def complaint(text: str) -> tuple[int, str]:
    """Where and what the fault is."""
    with pytest.raises(BadWhen) as caught:
        read(text)
    assert 0 <= caught.value.column <= len(text)
    words = str(caught.value.found_wanted)
    assert "\n" not in words
    assert words in str(caught.value)
    return caught.value.column, words


def fault_of(text: str) -> BadWhen | None:
    """What is wrong with a text; None: nothing."""
    try:
        read(text)
    except BadWhen as error:
        return error
    return None


EVERY_DAY = "MoTuWeThFrSaSu"


# --- days ------------------------------------------------------------------------------------------------------------


class TestDays:
    @pytest.mark.parametrize("name", DAYS)
    def test_a_day_is_three_letters_two_letters_or_its_full_english_name(self, name: str) -> None:
        for word in (name, name[:3], name[:2]):
            for spelled in (word, word.lower(), word.upper(), word.swapcase()):
                assert days_of(spelled) == name[:2]

    @pytest.mark.parametrize(
        "word", ["M", "T", "S", "Mond", "Tues", "Thur", "Thurs", "Wednes", "Sonntag", "Lundi", "1"]
    )
    def test_a_day_is_nothing_else(self, word: str) -> None:
        column, words = complaint(f"{word} 08:00-12:00")
        assert column == 0
        assert word in words

    @pytest.mark.parametrize(
        ("text", "days"),
        [
            ("Mon-Fri", "MoTuWeThFr"),
            ("Mon,Wed,Fri", "MoWeFr"),
            ("Mon-Tue,Thu-Fri,Sun", "MoTuThFrSu"),
            ("Mon-Sun", EVERY_DAY),
            ("weekdays", "MoTuWeThFr"),
            ("weekends", "SaSu"),
            ("daily", EVERY_DAY),
            ("WeekDays", "MoTuWeThFr"),
            ("WEEKENDS", "SaSu"),
            ("Daily", EVERY_DAY),
            ("monday-FR", "MoTuWeThFr"),
        ],
    )
    def test_days_are_days_ranges_or_a_word_for_several(self, text: str, days: str) -> None:
        assert days_of(text) == days
        assert days_of(f"{text} 11:00-13:00") == days

    @pytest.mark.parametrize(
        ("text", "days"),
        [
            ("Fri-Mon", "MoFrSaSu"),
            ("Sun-Mon", "MoSu"),
            ("Sat-Fri", EVERY_DAY),
            ("Sun-Sat", EVERY_DAY),
            ("Su-Tu", "MoTuSu"),
        ],
    )
    def test_rule_3_a_range_wraps_round_the_week(self, text: str, days: str) -> None:
        assert days_of(text) == days

    @pytest.mark.parametrize(
        "text", ["Mon,Mon", "Mon,mo,MONDAY", "Mon-Mon", "Mon,Mon-Mon", "Mon; Mon", "Mon; Mon 08:00-13:00"]
    )
    def test_rule_3_a_repeated_day_is_harmless(self, text: str) -> None:
        assert week_of(text) == week_of("Mon")

    def test_rule_3_a_day_in_two_ranges_is_harmless(self) -> None:
        assert week_of("Mon-Wed,Tue-Fri 08:00-12:00") == week_of("Mon-Fri 08:00-12:00")

    def test_days_alone_are_all_day(self) -> None:
        assert week_of("Tue,Thu") == week_of("Tue,Thu 00:00-24:00")
        for clock in ("00:00", "23:59:59"):
            assert days_of("Tue", clock) == "Tu"

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("weekdays,Sat", 9),
            ("Mon,weekends", 4),
            ("Mon-weekends", 4),
            ("weekdays-Sat", 8),
            ("Mon-", 4),
            ("Mon,", 4),
            ("Mon-08:00", 4),
            ("Mon-Tue-Wed", 7),
            (",Mon", 0),
            ("-Mon", 0),
            ("Mon,,Tue", 4),
            ("Mon, 08:00-09:00", 5),
            ("Mon Tue", 4),
            ("Mon daily", 4),
        ],
    )
    def test_other_ways_to_join_days_are_refused_where_they_stand(self, text: str, column: int) -> None:
        assert complaint(text)[0] == column


# --- spans -----------------------------------------------------------------------------------------------------------


class TestSpans:
    def test_spans_alone_are_every_day(self) -> None:
        assert days_of("11:00-13:00") == EVERY_DAY
        assert week_of("11:00-13:00, 15:00-16:00") == week_of("daily 11:00-13:00, 15:00-16:00")

    def test_times_may_be_written_without_colons(self) -> None:
        assert week_of("Mon 0830-1200,1300-1700") == week_of("Mon 08:30-12:00,13:00-17:00")
        assert week_of("2200-0600") == week_of("22:00-06:00")
        assert week_of("0000-2400") == week_of("daily")

    def test_24_00_may_be_an_end(self) -> None:
        assert week_of("00:00-24:00") == week_of("daily")
        assert week_of("Sat 22:00-24:00") == week_of("Sat 22:00-00:00")
        assert holds("Sat 22:00-24:00", "Sat", "23:59:59")
        assert not holds("Sat 22:00-24:00", "Sun", "00:00")

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("24:00-06:00", 0),
            ("2400-0600", 0),
            ("24:00-24:00", 0),
            ("Mon 24:00-06:00", 4),
            ("08:00-09:00,24:00-01:00", 12),
        ],
    )
    def test_24_00_may_be_no_start(self, text: str, column: int) -> None:
        where, words = complaint(text)
        assert where == column
        assert text[column:].split("-", maxsplit=1)[0] in words

    def test_rule_1_the_start_belongs_to_the_span_and_the_end_does_not(self) -> None:
        for day in ("Mon", "Sun"):
            assert not holds("08:30-12:00", day, "8:29:59")
            assert holds("08:30-12:00", day, "8:30")
            assert holds("08:30-12:00", day, "11:59:59")
            assert not holds("08:30-12:00", day, "12:00")
        assert not read("08:30-12:00").at(datetime(2026, 11, 16, 8, 29, 59, 999_999, UTC))
        assert read("08:30-12:00").at(datetime(2026, 11, 16, 11, 59, 59, 999_999, UTC))

    def test_rule_1_spans_that_touch_leave_no_gap(self) -> None:
        assert week_of("08:00-12:00, 12:00-17:00") == week_of("08:00-17:00")

    def test_rule_2_a_start_later_than_its_end_runs_past_midnight_and_belongs_to_the_day_it_starts_on(self) -> None:
        text = "Fri-Sat 22:00-06:00"
        assert not holds(text, "Fri", "05:59")
        assert not holds(text, "Fri", "21:59:59")
        assert holds(text, "Fri", "22:00")
        assert holds(text, "Sat", "00:00")
        assert holds(text, "Sat", "05:59:59")
        assert not holds(text, "Sat", "06:00")
        assert holds(text, "Sun", "05:59:59")
        assert not holds(text, "Sun", "06:00")
        assert not holds(text, "Sun", "22:00")
        assert holds("Sun 23:00-01:00", "Mon", "00:30")  # round the week
        assert not holds("Sun 23:00-01:00", "Sun", "00:30")

    @pytest.mark.parametrize(
        "text", ["09:00-09:00", "0900-0900", "Mon-Fri 09:00-09:00", "Mon 08:00-09:00, 10:00-10:00", "00:00-00:00"]
    )
    def test_rule_2_equal_start_and_end_are_an_error_that_says_to_write_the_whole_day(self, text: str) -> None:
        column, words = complaint(text)
        assert len(text) - len("09:00-09:00") <= column < len(text)
        assert "00:00-24:00" in words

    def test_blanks_may_stand_around_hyphens_and_commas(self) -> None:
        assert week_of("  Mon - Fri ,Sun\t08:30 - 12:00 , 13:00-17:00  ") == week_of(
            "Mon-Fri,Sun 08:30-12:00,13:00-17:00"
        )

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("25:00-26:00", 0),
            ("08:00-25:00", 6),
            ("08:60-09:00", 0),
            ("08:00-09:60", 6),
            ("24:01-25:00", 0),
            ("08:00-24:01", 6),
            ("0860-0900", 0),
            ("0800-2401", 5),
            ("8:5", 0),
            ("8:5-9:5", 0),
            ("8:30-9:30", 0),
            ("800-900", 0),
            ("08:00-9:00", 6),
            ("8-12", 0),
            ("08:00:00-09:00:00", 0),
            ("08.00-09.00", 0),
            ("8am-5pm", 0),
            ("-08:00-09:00", 0),
            ("Mon 25:00-26:00", 4),
            ("Mon 08:00-09:00,25:00-26:00", 16),
            ("Mon 08:00-09:00 , 8:5-9:00", 18),
            ("Mon; 25:00-26:00", 5),
            ("\u0660\u0668:\u0660\u0660-\u0661\u0662:\u0660\u0660", 0),  # digits, but not those of a clock here
            ("\uff10\uff18:\uff10\uff10-09:00", 0),
            ("0\u00b2:00-09:00", 0),
        ],
    )
    def test_a_time_that_is_none_is_refused_where_it_stands_and_is_named(self, text: str, column: int) -> None:
        where, words = complaint(text)
        assert where == column
        assert text[column : column + 2].split("-", maxsplit=1)[0].split(".", maxsplit=1)[0] in words

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("08:00", 5),
            ("08:00-", 6),
            ("08:00 12:00", 6),
            ("Mon 08:00 ", 10),
            ("08:00-12:00,", 12),
            ("08:00-12:00,,13:00-14:00", 12),
            ("08:00-12:00-13:00", 11),
            ("08:00-12:00 13:00-14:00", 12),
            (",08:00-12:00", 0),
            ("08:00-Fri", 6),
            ("08:00-12:00 Mon", 12),
            ("08:00-12:00 daily", 12),
        ],
    )
    def test_half_a_span_and_what_joins_no_spans_are_refused_where_they_stand(self, text: str, column: int) -> None:
        where, words = complaint(text)
        assert where in {column, len(text.rstrip())}
        assert "wanted" in words

    @pytest.mark.parametrize("text", ["08:00-1200", "0800-12:00"])
    def test_the_two_times_of_a_span_may_be_written_unlike(self, text: str) -> None:
        assert days_of(text, "11:59") == EVERY_DAY


# --- sets of spans ---------------------------------------------------------------------------------------------------


class TestSets:
    def test_sets_stand_side_by_side_and_one_that_holds_is_enough(self) -> None:
        text = "Mon-Fri 08:30-12:00, 13:00-17:00; Sat 10:00-12:00;Sun"
        assert days_of(text, "11:00") == EVERY_DAY
        assert days_of(text, "16:59") == "MoTuWeThFrSu"
        assert days_of(text, "12:00") == "Su"
        assert week_of("Mon;Tue ; Wed") == week_of("Mon-Wed")

    @pytest.mark.parametrize("day", ["Tue", "tu", "Tuesday", "weekends", "daily", "Sat-Sun"])
    @pytest.mark.parametrize("blank", ["", " "])
    def test_rule_6_a_day_after_a_comma_in_a_list_of_spans_is_an_error_that_says_to_write_a_semicolon(
        self, day: str, blank: str
    ) -> None:
        begin = f"Mon 08:00-12:00,{blank}"
        column, words = complaint(f"{begin}{day} 09:00-10:00")
        assert column == len(begin)
        assert ";" in words
        assert complaint(f"08:00-12:00,{blank}{day}")[0] == 12 + len(blank)

    @pytest.mark.parametrize(
        ("text", "column"),
        [("", 0), ("   ", 0), (";", 0), ("Mon;", 4), ("Mon; ", 4), (";Mon", 0), ("Mon;;Tue", 4), ("Mon; ;Tue", 5)],
    )
    def test_rule_6_at_least_one_days_or_span_stands_in_a_set(self, text: str, column: int) -> None:
        where, words = complaint(text)
        assert where in {column, len(text)}
        assert "wanted" in words

    @pytest.mark.parametrize(
        "tail",
        ["except @holidays", "in UTC", "from 2026-01-01", "until 2026-01-01", "except @holidays in UTC", "; in UTC"],
    )
    def test_rule_6_what_limits_a_set_is_none(self, tail: str) -> None:
        assert complaint(tail)[0] == 0

    def test_a_set_before_a_limit_may_not_be_empty(self) -> None:
        assert complaint("Mon; except @holidays")[0] in {4, 5}


# --- except, in, from, until -----------------------------------------------------------------------------------------


class TestLimits:
    def test_days_of_a_list_are_excepted_in_all_sets(self) -> None:
        text = "Mon-Fri 08:00-18:00; Sat,Sun except @holidays"
        assert not holds(text, "2026-04-03")  # a Friday
        assert holds(text, "2026-04-10")
        assert not holds(text, "2026-12-26")  # a Saturday
        assert not holds(text, "2026-12-25")
        assert not holds(text, "2027-01-05")
        assert holds(text, "2027-01-06")

    @pytest.mark.parametrize(
        "tail",
        [
            "@holidays,@school-terms",
            "@holidays , @school-terms",
            "@school-terms, @holidays,@x_2",
            "@HOLIDAYS,@School-Terms",
        ],
    )
    def test_several_lists_are_excepted_and_case_is_ignored(self, tail: str) -> None:
        for word in ("except", "EXCEPT", "Except"):
            assert not holds(f"daily {word} {tail}", "2026-04-03")
            assert not holds(f"daily {word} {tail}", "2026-11-18")
            assert holds(f"daily {word} {tail}", "2026-11-19")

    def test_rule_4_except_looks_at_the_date_a_span_starts_on(self) -> None:
        text = "22:00-06:00 except @school-terms"
        assert holds(text, "2026-11-18", "05:59")  # started on the 17th
        assert not holds(text, "2026-11-18", "06:00")
        assert not holds(text, "2026-11-18", "22:00")
        assert not holds(text, "2026-11-19", "05:59")  # would have started on the 18th
        assert holds(text, "2026-11-19", "22:00")

    @pytest.mark.parametrize(
        ("text", "column", "named"),
        [
            ("Mon except @nowhere", 11, "nowhere"),
            ("Mon except @holidays, @nowhere", 22, "nowhere"),
            ("Mon except", 10, "@"),
            ("Mon except ", 10, "@"),
            ("Mon except holidays", 11, "@"),
            ("Mon except @", 11, "@"),
            ("Mon except @holidays,", 21, "@"),
            ("Mon except @holidays,,@x_2", 21, "@"),
            ("Mon except @holidays @x_2", 21, "@x_2"),
            ("Mon except 2026-04-03", 11, "@"),
            ("Mon except @holidays except @x_2", 21, "except"),
            ("Mon except Tue", 11, "@"),
        ],
    )
    def test_what_is_no_list_is_refused_where_it_stands(self, text: str, column: int, named: str) -> None:
        where, words = complaint(text)
        assert where in {column, len(text)} if text.endswith((" ", "except")) else where == column
        assert named in words

    def test_an_unknown_list_is_refused_with_the_lists_that_there_are(self) -> None:
        assert "holidays" in complaint("Mon except @holiday")[1]

    @pytest.mark.parametrize(
        "zone",
        [
            "Pacific/Auckland",
            "UTC",
            "Etc/GMT+5",
            "Etc/GMT-14",
            "America/Port-au-Prince",
            "America/Argentina/Buenos_Aires",
        ],
    )
    def test_a_zone_of_its_own(self, zone: str) -> None:
        instant = datetime(2026, 11, 16, 12, tzinfo=UTC)
        here = instant.astimezone(ZoneInfo(zone))
        minute = f"{here:%H:%M}-{here + timedelta(minutes=1):%H:%M}"
        for text in (
            f"{minute} in {zone}",
            f"{minute} IN {zone} from 2026-11-15",
            f"{minute} In {zone} until 2026-11-18",
        ):
            assert read(text, "Asia/Kathmandu").at(instant)
            assert not read(text, "Asia/Kathmandu").at(instant + timedelta(minutes=1))

    def test_the_case_of_a_zone_is_ignored_too(self) -> None:
        for zone in ("europe/dublin", "EUROPE/DUBLIN", "Europe/dublin"):
            assert read(f"12:00-13:00 in {zone}").at(datetime(2026, 7, 1, 11, 30, tzinfo=UTC))

    def test_without_a_zone_the_policy_s_is_meant(self) -> None:
        when = read("12:00-13:00", "Asia/Kathmandu")
        assert when.at(datetime(2026, 11, 16, 6, 15, tzinfo=UTC))
        assert not when.at(datetime(2026, 11, 16, 7, 15, tzinfo=UTC))

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("Mon in Atlantis", 7),
            ("Mon in Europe/Atlantis", 7),
            ("Mon in ../../etc/passwd", 7),
            ("Mon in /etc/localtime", 7),
            ("Mon in", 6),
            ("Mon in from 2026-01-01", 7),
            ("Mon in UTC Europe/Dublin", 11),
            ("Mon in UTC in UTC", 11),
            ("Mon in @holidays", 7),
            ("Mon in UTC;Tue", 10),
        ],
    )
    def test_what_is_no_zone_is_refused_where_it_stands(self, text: str, column: int) -> None:
        where, words = complaint(text)
        assert where == column or (column == 10 and where == 7)
        assert "wanted" in words or "zone" in words

    def test_rule_5_from_and_until_are_inclusive(self) -> None:
        text = "daily from 2026-11-17 until 2026-11-19"
        assert not holds(text, "2026-11-16", "23:59:59")
        assert holds(text, "2026-11-17", "00:00")
        assert holds(text, "2026-11-19", "23:59:59")
        assert not holds(text, "2026-11-20", "00:00")
        assert holds("daily from 2026-11-17 until 2026-11-17", "2026-11-17")
        assert holds("daily FROM 2026-11-17", "2099-11-17")
        assert holds("daily Until 2026-11-17", "1999-11-17")
        assert holds("daily from 2024-02-29 until 2024-02-29", "2024-02-29")

    def test_rule_5_from_and_until_look_at_the_date_a_span_starts_on(self) -> None:
        text = "22:00-06:00 from 2026-11-17 until 2026-11-18"
        assert not holds(text, "2026-11-17", "05:59")
        assert holds(text, "2026-11-17", "22:00")
        assert holds(text, "2026-11-19", "05:59")
        assert not holds(text, "2026-11-19", "22:00")

    def test_rule_5_from_and_until_are_in_the_zone_of_the_rule(self) -> None:
        when = read("daily in Pacific/Auckland from 2026-11-17 until 2026-11-17", "America/New_York")
        assert not when.at(datetime(2026, 11, 16, 10, 59, 59, tzinfo=UTC))
        assert when.at(datetime(2026, 11, 16, 11, 0, tzinfo=UTC))
        assert when.at(datetime(2026, 11, 17, 10, 59, 59, tzinfo=UTC))
        assert not when.at(datetime(2026, 11, 17, 11, 0, tzinfo=UTC))

    @pytest.mark.parametrize(
        "found",
        [
            "2026-02-30", "2026-13-01", "2026-00-10", "2026-01-00", "2025-02-29", "2100-02-29", "0000-01-01",
            "2026-2-3", "20260203", "2026-W05-1", "2026-035", "26-01-01", "02026-01-01", "2026/01/01", "01.02.2026",
            "tomorrow", "2026-01-01T10:00", "\u0662\u0660\u0662\u0666-01-01", "+026-01-01", "2026-+1-01", "2026-01-1_",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("word", ["from", "until"])
    def test_what_is_no_date_is_refused_where_it_stands(self, word: str, found: str) -> None:
        column, words = complaint(f"Mon {word} {found}")
        assert column == len(f"Mon {word} ")
        assert found in words

    @pytest.mark.parametrize(
        "text", ["Mon from", "Mon until", "Mon from ", "Mon from until 2026-01-01", "Mon until @holidays"]
    )
    def test_a_date_that_is_missing_is_missed(self, text: str) -> None:
        assert "2026" in complaint(text)[1] or "date" in complaint(text)[1]

    def test_until_before_from_is_refused_and_both_are_named(self) -> None:
        text = "Mon from 2026-02-01 until 2026-01-31"
        column, words = complaint(text)
        assert column in {text.index("until"), text.index("2026-01-31")}
        assert "2026-02-01" in words
        assert "2026-01-31" in words

    @pytest.mark.parametrize(
        "text",
        [
            "Mon until 2027-01-01 from 2026-01-01",
            "Mon from 2026-01-01 in UTC",
            "Mon from 2026-01-01 except @holidays",
            "Mon in UTC except @holidays",
            "Mon until 2026-01-01 until 2027-01-01",
            "Mon from 2026-01-01 from 2026-01-01",
            "Mon from 2026-01-01; Tue",
            "Mon except @holidays; Tue",
        ],
    )
    def test_limits_stand_in_their_order_once_and_last(self, text: str) -> None:
        limits = ("from", "until", "in", "except", ";")
        last = max(text.rindex(limit) for limit in limits if limit in text)
        assert complaint(text)[0] == last

    def test_all_of_it_together(self) -> None:
        text = "Mon-Fri 08:30-12:00, 13:00-17:00; Sat 0900-1200 except @holidays, @x_2 in UTC"
        text += " from 2026-01-01 until 2026-12-31"
        assert holds(text, "2026-03-02", "08:30")
        assert holds(text, "2026-03-07", "11:59")
        assert not holds(text, "2026-04-03", "08:30")
        assert not holds(text, "2025-12-31", "08:30")
        assert not holds(text, "2027-01-06", "08:30")
        assert holds(text.upper(), "2026-03-02", "08:30")
        assert holds(text.lower(), "2026-03-02", "08:30")


class TestClockChanges:
    """Rule 4: wall time, tested there."""

    def test_rule_4_a_wall_time_that_the_clock_skips_never_occurs(self) -> None:
        when = read("Sun 02:00-03:00 from 2026-03-29 until 2026-03-29", "Europe/Berlin")
        start = datetime(2026, 3, 28, tzinfo=UTC)
        assert not any(when.at(start + timedelta(minutes=minute)) for minute in range(3 * 24 * 60))

    def test_rule_4_a_wall_time_that_the_clock_repeats_counts_twice(self) -> None:
        when = read("Sun 02:00-03:00 from 2026-10-25 until 2026-10-25", "Europe/Berlin")
        start = datetime(2026, 10, 24, tzinfo=UTC)
        assert sum(when.at(start + timedelta(minutes=minute)) for minute in range(3 * 24 * 60)) == 120

    def test_rule_4_nothing_is_added_to_a_local_time(self) -> None:
        when = read("Sat 22:00-06:00 from 2026-03-28 until 2026-03-28", "Europe/Berlin")
        start = datetime(2026, 3, 28, tzinfo=UTC)
        inside = [start + timedelta(minutes=m) for m in range(3 * 24 * 60) if when.at(start + timedelta(minutes=m))]
        assert inside[0] == datetime(2026, 3, 28, 21, tzinfo=UTC)
        assert inside[-1] == datetime(2026, 3, 29, 3, 59, tzinfo=UTC)  # 05:59 by the clock: seven hours, not eight
        assert len(inside) == 7 * 60


# --- junk ------------------------------------------------------------------------------------------------------------


class TestJunk:
    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("Mon 08:00-12:00 junk", 16),
            ("Mon 08:00-12:00 @holidays", 16),
            ("Mon junk", 4),
            ("Mon 08:00-12:00!", 15),
            ("Mon 08:00-12:00;!", 16),
            ("daily # always", 6),
            ("Mon until 2026-01-01 please", 21),
            ("Mon in UTC please", 11),
            ("nightly", 0),
            ("Mon \u2013 Fri", 4),  # a dash that a word processor made
            ("Mon\u00a008:00-12:00 junk", 3),
            ("Mon\0", 3),
            ("Mon\u20282", 3),
        ],
    )
    def test_what_is_left_over_is_refused_where_it_stands(self, text: str, column: int) -> None:
        where, words = complaint(text)
        assert where in ({column, 16} if "\u00a0" in text else {column})
        assert "found" in words
        assert "wanted" in words

    @pytest.mark.parametrize("text", ["Mon\x1b[31m", "Mon \u202e", "Mon \ud800", "\x07", "Mon x\ny"])
    def test_no_control_character_comes_back_in_the_complaint(self, text: str) -> None:
        assert complaint(text)[1].isprintable()

    @pytest.mark.parametrize(
        "text", ["Mon " + "x" * 100_000, "x" * 100_000, "Mon in " + "x/" * 50_000, "Mon from " + "2" * 100_000]
    )
    def test_a_long_fault_makes_no_long_complaint(self, text: str) -> None:
        assert len(complaint(text)[1]) < 400

    @pytest.mark.parametrize(
        "piece",
        [
            "Mon,",
            "Mon;",
            "08:00-12:00,",
            "Mon 08:00-12:00;",
            "except @holidays,",
            ",",
            ";",
            "-",
            " ",
            "(",
            "in ",
            "@",
            "0",
            "from ",
        ],
    )
    def test_a_very_long_text_needs_no_depth(self, piece: str) -> None:
        text = piece * 50_000
        limit = sys.getrecursionlimit()
        with pytest.raises(BadWhen):
            read(text)
        assert sys.getrecursionlimit() == limit

    def test_a_long_text_that_means_something_is_read(self) -> None:
        assert days_of(",".join(["Mon-Tue"] * 500)) == "MoTu"
        assert days_of(";".join(["Mon 11:00-13:00"] * 250)) == "Mo"
        assert days_of("Mon " + ",".join(["11:00-13:00"] * 330)) == "Mo"
        assert days_of("Mon except " + ",".join(["@x_2"] * 800)) == "Mo"
        assert days_of("Mon" + " " * 4000 + "11:00-13:00") == "Mo"

    def test_a_text_of_more_than_4096_characters_is_refused_with_that_number(self) -> None:
        assert days_of("Mon".ljust(4096)) == "Mo"
        column, words = complaint("Mon".ljust(4097))
        assert column == 4096
        assert "4096" in words


WORDS = st.sampled_from(
    [
        *[
            "Mon",
            "fr",
            "Sunday",
            "weekdays",
            "daily",
            "08:00",
            "0800",
            "24:00",
            "25:00",
            "-",
            ",",
            ";",
            " ",
            "\t",
            "\n",
            "\u00a0",
        ],
        *[
            "except",
            "in",
            "from",
            "until",
            "@holidays",
            "@x",
            "@",
            "UTC",
            "Europe/Dublin",
            "../x",
            "2026-01-01",
            "2026-02-30",
        ],
        *["\u0661", "\0", "\ud800", "\x1c", "x", ":", "/", "'", '"'],
    ]
)


@given(st.text(max_size=60) | st.lists(WORDS, max_size=12).map("".join) | st.lists(WORDS, max_size=12).map(" ".join))
@example("Mon in \0")
@example("Mon in " + "a" * 300)
@example("Mon in \ud800")
@example("Mon in Europe")
@example("Mon in ''")
@example("Mon from 99999999-01-01")
@example("Mon until 9999-12-31")
def test_any_text_at_all_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    fault = fault_of(text)
    if fault is None:
        assert read(text).holds(MONDAY) in (True, False)
    else:
        assert 0 <= fault.column <= len(text)
        assert str(fault.found_wanted)
        assert str(fault).isprintable()


@given(st.lists(WORDS, max_size=8).map(" ".join))
def test_case_is_ignored_in_all_that_can_be_read(text: str) -> None:
    try:
        week = week_of(text)
    except BadWhen:
        for other in (text.upper(), text.lower()):
            with pytest.raises(BadWhen):
                read(other)
    else:
        assert week_of(text.lower()) == week_of(text.upper()) == week


# --- dates -----------------------------------------------------------------------------------------------------------

dates = st.dates(date(2020, 1, 1), date(2020, 3, 31))


@given(st.lists(st.tuples(dates, dates).map(sorted), max_size=6))
def test_a_list_of_dates_has_its_days_and_no_others(periods: list[list[date]]) -> None:
    texts = [str(a) if a == b else f"{a}..{b}" for a, b in periods]
    when = read_when("daily except @days", zone=UTC, zones=zone_named, lists={"days": read_dates(texts)})
    for number in range(100):
        noon = datetime(2019, 12, 29, 12) + timedelta(days=number)  # noqa: DTZ001 - wall time has no zone
        assert when.holds(noon) is not any(a <= noon.date() <= b for a, b in periods)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "2026-02-30",
            "2026-1-1",
            "20260101",
            "2026-W01-1",
            "2026-01-01..",
            "..2026-01-01",
            "2026-01-02..2026-01-01",
            "",
        ],
        *[
            "2026-01-01..2026-01-02..2026-01-03",
            "2026-01-01...2026-01-02",
            "2026-01-01-2026-01-02",
            "christmas",
            "0000-01-01",
        ],
        *["\u0662\u0660\u0662\u0666-01-01", "2026-01-01\0"],
    ],
)
def test_what_is_no_date_is_refused_in_a_list(text: str) -> None:
    with pytest.raises(ValueError, match="wanted"):
        read_dates(["2026-01-01", text])


def test_dates_are_values() -> None:
    assert read_dates(["2026-04-03"]) == read_dates(["2026-04-03..2026-04-03"])
    assert isinstance(LISTS["holidays"], Dates)
