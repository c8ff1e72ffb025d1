"""What comes of pam_time's lines decides as pam_time did, minute by minute (spec/policy.md section 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nwauth.policy.grammar import read_when
from nwauth.policy.imports.pamtime import read_pam_time
from nwauth.policy.imports.week import ALWAYS, WEEK_MINUTES, hours
from nwauth.policy.imports.written import Whom, written
from nwauth.policy.reading import read_policy
from nwauth.policy.rules import Login
from tests.policy.pam_time_model import lets_in

if TYPE_CHECKING:
    from nwauth.policy.imports.written import Imported
    from nwauth.policy.rules import Policy

DUBLIN = ZoneInfo("Europe/Dublin")
CHANGES = (datetime(2026, 3, 23, tzinfo=UTC), datetime(2026, 10, 19, tzinfo=UTC))  # each in the night to the 7th day
MINUTES = [
    (instant, instant.astimezone(DUBLIN))
    for start in CHANGES
    for minute in range(10 * 24 * 60)
    for instant in [start + timedelta(minutes=minute)]
]
CLOCK_TIMES = [hour * 100 + minute for hour in range(24) for minute in range(60)]


class Came(NamedTuple):
    """What an import gave."""

    imported: Imported
    text: str
    policy: Policy

    @property
    def remarks(self) -> str:
        return "\n".join(self.imported.all_remarks)


def come(content: str, *, zone: str = "Europe/Dublin", whom: Whom | None = None) -> Came:
    imported = read_pam_time(content, file="time.conf")
    text = written(imported, whom or Whom())
    in_zone = text.replace("[policy]\n", f'[policy]\nzone = "{zone}"\n', 1)
    return Came(imported, text, read_policy(in_zone.encode(), file="policy.toml"))


def rules_of(text: str) -> list[str]:
    """The lines of the output that are no comments, below the head."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return lines[2:]


def agree(content: str, users: tuple[str, ...], *, service: str = "imap", pam_service: str = "imap") -> None:
    """Compare both in every minute of ten days around each clock change."""
    policy = come(content).policy
    for user in users:
        login = Login(name=user, classes=("default",), store="files", service=service)
        wanted = {
            (day, clock): lets_in(content, service=pam_service, user=user, weekday=day, clock=clock)
            for day in range(7)
            for clock in CLOCK_TIMES
        }
        for instant, local in MINUTES:
            said = wanted[local.weekday(), local.hour * 100 + local.minute]
            assert policy.decide(login, instant).allowed is said, (user, local)


@pytest.mark.parametrize(
    ("content", "users"),
    [
        ("*;*;*;Wk0830-1700\n", ("bob",)),
        ("*;*;*;Wk1800-0800\n", ("bob",)),
        ("*;*;*;Wd0000-2400 | Wk1800-0800\n", ("bob",)),
        ("*;*;!root;Wd0000-2400 | Wk1800-0800\n", ("bob", "root")),
        ("*;*;*;Fr2200-0600\n", ("bob",)),
        ("*;*;*;Al0800-0800\n", ("bob",)),
        ("*;*;*;Sa0800-0800\n", ("bob",)),
        ("*;*;*;!Al0100-0200\n", ("bob",)),
        ("*;*;*;Al0000-2359\n", ("bob",)),
        ("*;*;*;MoMo0000-2400\n", ("bob",)),
        ("*;*;*;!MoMo0000-2400\n", ("bob",)),
        ("*;*;*;MoWk0800-1700\n", ("bob",)),
        ("*;*;*;AlFr0800-1700 & !Al1200-1300\n", ("bob",)),
        ("*;*;*;Al0800-1200|Al1000-1400&!Mo0000-2400\n", ("bob",)),
        ("*;*;student* & !student7;Wk0830-1700\n*;*;student*;Al0700-2000\n", ("bob", "student1", "student7")),
        ("*;*;!root & !adm*;Al0800-1800\nimap;*;!bob;Mo0800-0900\n", ("root", "adm1", "bob", "eve")),
        ("pop3;*;bob;!Al0000-2400\nimap;*;*;Al0000-1200\n", ("bob", "eve")),
        ("*;*;ab*bc;Al0000-1200\n", ("abc", "abbc", "abxbc", "ab", "bc")),
        ("*;*;bob|eve & !bob;Al0000-1200\n", ("bob", "eve")),
        ("*;*;!!bob;Al0000-1200\n", ("bob", "eve")),
        ("*;*;*; Wk0830-1700 # c ; d\n# *;*;*;!Al0000-2400\n\n*;*;bob;\\\nAl0900-\\\n1800\r\n", ("bob", "eve")),
    ],
)
def test_the_rules_let_in_whom_and_when_the_lines_did_over_a_clock_change(content: str, users: tuple[str, ...]) -> None:
    assert come(content).imported.faults == []
    agree(content, users)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("*;*;*;Wk0830-1700", ["deny = true", 'when = "Mon-Fri 00:00-08:30, 17:00-24:00; Sat-Sun"']),
        ("*;*;bob|eve;Al0800-1800", ["deny = true", 'user = ["bob", "eve"]', 'when = "00:00-08:00, 18:00-24:00"']),
        ("imap|pop3;*;*;!Al0000-2400", ["deny = true", 'service = ["pop", "imap"]']),
        ("dovecot;*;*;MoWeFr0000-2400", ["deny = true", 'when = "Tue, Thu, Sat-Sun"']),
        ("*;*;*;Al0000-2400", []),
        ("login;tty*;*;!Al0000-2400", []),
        ("*;tty* & !ttyp*;*;!Al0000-2400", []),
        ("*;*;bob & eve;!Al0000-2400", []),
        ("# nothing\n", []),
        ("", []),
    ],
)
def test_a_line_becomes_a_rule_that_reads_well(content: str, wanted: list[str]) -> None:
    came = come(content)
    assert came.imported.faults == []
    assert [line for line in rules_of(came.text) if not line.startswith(("name", "[["))] == wanted


def test_who_is_left_out_is_let_past_before_the_rule_for_all_others() -> None:
    came = come("*;*;!root;Wk0830-1700")
    assert [(rule.allow, rule.users) for rule in came.policy.rules] == [(True, ("root",)), (False, None)]
    assert "whatever rules you write further down" in came.remarks


def test_who_is_left_out_of_one_line_is_not_let_past_another() -> None:
    came = come("*;*;!root;Wk0830-1700\n*;*;!eve;!Al1200-1300\n*;*;root|eve;Al0600-2200\n")
    login = Login(name="root", classes=("default",), store="files")
    noon = datetime(2026, 6, 1, 12, 30, tzinfo=DUBLIN)
    assert came.policy.decide(login, noon).rule == "pam_time, line 2, for root"
    assert came.policy.decide(login, noon.replace(hour=23)).rule == "pam_time, line 3"
    assert came.policy.decide(login, noon.replace(hour=19)).allowed


@pytest.mark.parametrize("service", ["", "imap", "pop"])
def test_who_is_left_out_is_let_past_where_the_server_does_not_say_its_service(service: str) -> None:
    came = come("imap;*;!root;!Al0000-2400")
    now = datetime(2026, 6, 1, 12, tzinfo=DUBLIN)
    for name, allowed in (("root", True), ("eve", service == "pop")):
        login = Login(name=name, classes=("default",), store="files", service=service)
        assert came.policy.decide(login, now).allowed is allowed, name


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        ("*;*;*;Wk1800-0800", "Wk1800-0800 runs past midnight, and pam_time counts the minute 08:00 in"),
        ("*;*;*;Sa0800-2400 | Su1200-1200", "counts the minute 12:00 in"),
        ("*;*;*;MoMo0800-1700", "MoMo0800-1700 is no day at all"),
        ("*;*;*;MoWk0800-1700", "a day that is named twice is taken out again"),
        ("login;*;*;Wk0800-1700", "login is no service of a mail server known here: it is left out"),
        ("imap;*;*;Wk0800-1700", "where a server does not say its service, the rule holds as well"),
        ("!imap;*;*;Wk0800-1700", "!imap is pop, smtp here, and no other"),
        ("dovecot;*;*;Wk0800-1700", "every service of the mail server"),
        ("*;tty*;*;Wk0800-1700", "it is for terminals, and a mail login has none"),
        ("*;!tty*;*;Wk0800-1700", "rules know no terminals"),
        ("*;*;bob;Wk0800-1700", "write bob@* or *@test.com"),
        ("*;*;Bob;Wk0800-1700", "bob is BOB here too"),
        ("*;*;*;Wk0800-1700", "this machine's zone, as before"),
        ("*;*;*;Al0000-2400", "lets in at all times: it is left out"),
        ("*;*;bob&eve;Wk0800-1700", "no user is meant"),
    ],
)
def test_what_differs_is_remarked(content: str, remark: str) -> None:
    came = come(content)
    assert came.imported.faults == []
    assert remark in came.remarks
    assert all(f"# remark: {one}\n" in came.text for one in came.imported.all_remarks)


@pytest.mark.parametrize(
    ("content", "place", "text"),
    [
        ("*;*;*;Al08-17", "1:9", 'found "08-17", wanted two times as in 0830-1700 (pam_time lets everybody pass here)'),
        ("\n*;*;*;Al0860-1700", "2:9", 'found "0860-1700"'),
        ("*;*;*;Al0800-2500", "1:9", 'found "0800-2500"'),
        ("*;*;*;Al0800", "1:9", "wanted two times"),
        ("*;*;*;Xx0800-1700", "1:7", 'found "Xx", wanted Mo Tu'),
        ("*;*;*;0800-1700", "1:7", "wanted a day before the times"),
        ("*;*;*;Al0800-1700,Al1800-1900", "1:18", 'found ",", wanted & or |'),
        ("*;*;*;Al 0800-1700", "1:10", 'found "0", wanted & or |'),
        ("*;*;*;", "1:7", "found nothing, wanted days and times"),
        ("*;*;*", "1:6", "found 3 fields, wanted services;ttys;users;times (pam_time passes over such a line)"),
        ("foo", "1:4", "found 1 fields"),
        ("*;*;*;Al0800-0900;*", "1:18", "found 5 fields"),
        ("*;*;(bob|eve);Al0800-0900", "1:5", 'found "(", wanted a name of a user'),
        ("*;*;bob@test.com;Al0800-0900", "1:8", 'found "@", wanted & or |'),
        ("*;*;b\udce4r;Al0800-0900", "1:6", 'found "\\xe4"'),
        ("*;*;\x1b[31mbob;Al0800-0900", "1:5", 'found "\\x1b"'),
        ("*;*;*a*;Al0800-0900", "1:7", "found a second *"),
        ("*;*; @staff ;Al0800-0900", "1:6", 'a netgroup has no equal here: give its users the class "staff"'),
        ("*;*;a* & *b;Al0800-0900", "1:10", "cannot be said by rules that name users"),
        ("*;*;bob & ;Al0800-0900", "1:11", "found nothing, wanted a name of a user"),
        (";*;*;Al0800-0900", "1:1", "found nothing, wanted the name of a service"),
        ("*;*;\\\nb b;\\\nAl0800-0900", "2:3", 'found "b", wanted & or |'),
        (f"*;*;{'a' * 1001};Al0800-0900", "1:5", "more than 1000 bytes"),
        ("*;*;!a*;Al0800-0900\n*;*;!*b;Al0800-0900", "2:5", "cannot be said by rules that name users"),
        ("*;*;!r* | root;Al0800-0900", "1:11", "cannot be said by rules that name users"),
    ],
)
def test_what_is_broken_is_told_with_its_place_and_stands_in_the_output(content: str, place: str, text: str) -> None:
    came = come(content)
    (fault,) = came.imported.faults
    assert fault.place == f"time.conf:{place}"
    assert text in fault.text
    assert f"# NOT TRANSLATED: time.conf:{place}: " in came.text
    assert came.text.replace("\n", "").isprintable()


def test_a_broken_line_stops_no_other() -> None:
    came = come("*;*;*;Wk0830-17\n*;*;*;Wk0830-1700\n")
    assert [rule.name for rule in came.policy.rules] == ["pam_time, line 2"]
    assert "# line 1: *;*;*;Wk0830-17\n" in came.text


def test_a_class_is_put_into_every_rule_and_the_prefix_into_every_name() -> None:
    imported = read_pam_time("*;*;!root;Wk0830-1700\n", file="f", prefix='the "lab"')
    policy = read_policy(written(imported, Whom(classes=("student",))).encode(), file="policy.toml")
    assert {rule.classes for rule in policy.rules} == {("student",)}
    assert [rule.name for rule in policy.rules] == ['not for root: the "lab", line 1', 'the "lab", line 1']


# --- properties -------------------------------------------------------------------------------------------------------

CLOCKS = st.sampled_from(["0000", "0001", "0730", "0800", "1200", "1759", "2200", "2359", "2400"])
DAYS = st.lists(
    st.sampled_from(["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "Wk", "Wd", "Al", "mO"]), min_size=1, max_size=3
).map("".join)
TIMES = st.builds("{}{}-{}".format, DAYS, CLOCKS, CLOCKS)
NAMES = st.sampled_from(["a", "b", "ab", "aba", "a*", "*b", "ab*", "*a", "a*a", "ab*ba", "*", "A", "b-1", "x.y"])
SERVICES = st.sampled_from(["*", "imap", "pop3", "p*", "login", "i*"])


def logic(words: st.SearchStrategy[str], most: int = 3) -> st.SearchStrategy[str]:
    word = st.builds("{}{}".format, st.sampled_from(["", "", "!", "!!", " ! "]), words)
    more = st.lists(st.tuples(st.sampled_from(["|", "&", " | ", " & "]), word), max_size=most - 1)
    return st.builds(lambda first, rest: first + "".join(map("".join, rest)), word, more)


LINES = st.builds("{};{};{};{}".format, logic(SERVICES, 2), st.just("*"), logic(NAMES), logic(TIMES))
FILES = st.lists(LINES, min_size=1, max_size=4).map("\n".join)
USERS = ("a", "b", "ab", "aba", "abba", "abxba", "aa", "b-1", "x.y", "zoe")


@given(
    FILES,
    st.integers(0, WEEK_MINUTES - 1),
    st.lists(st.sampled_from(USERS), min_size=3, max_size=3, unique=True),
    st.sampled_from([("imap", "imap"), ("pop", "pop3")]),
)
def test_any_file_without_faults_decides_as_pam_time_does(
    content: str, around: int, users: list[str], service: tuple[str, str]
) -> None:
    came = come(content, zone="Etc/UTC")
    assume(not came.imported.faults)
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    edges = {0, 1, 7 * 60 + 30, 8 * 60, 8 * 60 + 1, 12 * 60, 12 * 60 + 1, 17 * 60 + 59, 22 * 60, 22 * 60 + 1, 1439}
    minutes = {around, *(day * 1440 + edge for day in range(7) for edge in edges)}
    for minute in minutes:
        instant = monday + timedelta(minutes=minute)
        for user in users:
            login = Login(name=user, classes=("default",), store="files", service=service[0])
            clock = instant.hour * 100 + instant.minute
            wanted = lets_in(content.lower(), service=service[1], user=user, weekday=instant.weekday(), clock=clock)
            assert came.policy.decide(login, instant).allowed is wanted, (user, instant, came.text)


@given(
    st.one_of(
        FILES, st.text(st.sampled_from(";*!&| ab\\#\n\r\t\"'@Mo08-17Wk\x00\x1b\udce4\u2028\u202e\x7f")), st.text()
    )
)
def test_whatever_stands_in_the_file_what_comes_out_can_be_read(content: str) -> None:
    came = come(content)
    told = len(came.imported.faults)
    assert came.text.count("# NOT TRANSLATED: ") == told
    assert came.text.replace("\n", "").isprintable()
    assert come(content).text == came.text


@given(st.lists(st.tuples(st.integers(0, WEEK_MINUTES - 1), st.integers(1, 2000)), max_size=6), st.booleans())
def test_any_minutes_of_a_week_can_be_said_by_a_when(spans: list[tuple[int, int]], inverted: bool) -> None:  # noqa: FBT001
    week = 0
    for first, length in spans:
        week |= ((1 << length) - 1) << first & ALWAYS
    week ^= ALWAYS if inverted else 0
    said = 0
    monday = datetime(2026, 6, 1, tzinfo=UTC).toordinal()
    for text in hours(week):
        when = read_when(text or "daily", zone=UTC, zones=ZoneInfo, lists={})
        for minute in range(WEEK_MINUTES):
            said |= when.hold(monday + minute // 1440, minute % 1440) << minute
    assert said == week


def test_hours_too_long_for_one_when_become_several_rules() -> None:
    spans = " | ".join(
        f"{day}{hour:02}{minute}0-{hour:02}{minute}5"
        for day, minute in zip(("Mo", "Tu", "We", "Th"), (1, 2, 3, 4), strict=True)
        for hour in range(0, 24, 2)
    )
    came = come(f"*;*;*;{spans}\n")
    assert came.imported.faults == []
    many = "".join(f"*;*;u{at};{spans}\n" for at in range(2))
    assert len(come(many).policy.rules) == 2
    odd = int("01" * (WEEK_MINUTES // 2), 2)
    texts = hours(odd ^ (1 << 9))
    assert len(texts) > 1
