"""Which rule decides (spec/policy.md sections 1 and 3), sentence by sentence; and against a naive reading."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.names import fold
from nwauth.policy.hosts import read_address
from nwauth.policy.reading import read_policy
from nwauth.policy.rules import CONDITIONS, DEFAULT, Login, Policy, classes_of
from tests.policy.when_model import Meant, Sketch, SpanSet
from tests.stores.folders import often

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DrawFn

MONDAY = datetime(2026, 6, 15, 12, tzinfo=UTC)
AUCKLAND = ZoneInfo("Pacific/Auckland")

# The example of spec/policy.md section 1, as it stands there.
EXAMPLE = """
[policy]
zone    = "Pacific/Auckland"
default = "allow"
reveal  = false

[lists.holidays]
dates = ["2026-04-03", "2026-12-25..2027-01-05"]
[lists.labs]
hosts = ["10.20.0.0/16", "2001:db8:20::/48", "192.168.7.10-192.168.7.40"]
[lists.staff]
users = ["*@admin.test.com", "bob@test.com"]

[[rule]]
name  = "no mail in class"
deny  = true
class = ["student"]
from  = ["@labs"]
when  = "Mon-Fri 08:30-12:00, 13:00-17:00 except @holidays"
text  = "mail is closed in labs during class"

[[rule]]
name  = "night shift"
allow = true
user  = ["@staff", "*@night.test.com"]
service = ["pop", "imap"]
when  = "Fri-Sat 22:00-06:00"
from  = ["10.0.0.0/8", "unknown"]

[[rule]]
name  = "trial of a new rule"
deny  = true
mode  = "shadow"
from  = ["any"]
user  = ["temp_*"]
"""


def policy(rules: str, *, default: str = "allow", zone: str = "UTC") -> Policy:
    head = f'[policy]\ndefault = "{default}"\nzone = "{zone}"\n'
    return read_policy(f"{head}{rules}".encode(), file="policy.toml")


def rule(name: str, action: str = "deny", **conditions: Any) -> str:
    lines = [f"{key.rstrip(chr(95))} = {toml(value)}" for key, value in conditions.items()]
    return "\n".join(["[[rule]]", f'name = "{name}"', f"{action} = true", *lines, ""])


def toml(value: Any) -> str:
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list | tuple) else f'"{value}"'


def login(
    name: str = "bob@test.com",
    classes: str | None = None,
    *,
    address: str | None = None,
    service: str = "",
    store: str = "files",
) -> Login:
    return Login(
        name=fold(name),
        classes=classes_of(classes),
        store=fold(store),
        service=fold(service),
        address=None if address is None else read_address(address),
    )


def decided(rules: str, who: Login, at: datetime = MONDAY, *, default: str = "allow") -> str:
    """The name of what decides."""
    return policy(rules, default=default).decide(who, at).rule


def matches(who: Login, *, action: str = "deny", lists: str = "", **conditions: Any) -> bool:
    """Whether a rule of these conditions alone decides about the login."""
    return decided(lists + rule("it", action, **conditions), who) == "it"


# --- section 1 -------------------------------------------------------------------------------------------------------


def auckland(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=AUCKLAND)


@pytest.mark.parametrize(
    ("who", "at", "expected"),
    [
        (login("ann@test.com", "student", address="10.20.3.4"), "2026-06-15 09:00", "no mail in class"),
        (login("ann@test.com", "student", address="2001:db8:20::7"), "2026-06-15 13:00", "no mail in class"),
        (login("ann@test.com", "student", address="192.168.7.40"), "2026-06-19 16:59", "no mail in class"),
        (login("ann@test.com", "student", address="192.168.7.41"), "2026-06-15 09:00", DEFAULT),
        (login("ann@test.com", "student", address="10.21.0.1"), "2026-06-15 09:00", DEFAULT),
        (login("ann@test.com", "student", address="10.20.3.4"), "2026-06-15 12:00", DEFAULT),
        (login("ann@test.com", "student", address="10.20.3.4"), "2026-06-15 08:29", DEFAULT),
        (login("ann@test.com", "student", address="10.20.3.4"), "2026-06-20 09:00", DEFAULT),  # a Saturday
        (login("ann@test.com", "student", address="10.20.3.4"), "2026-04-03 09:00", DEFAULT),  # a holiday, a Friday
        (login("ann@test.com", "student", address="10.20.3.4"), "2026-12-28 09:00", DEFAULT),
        (login("ann@test.com", "student", address="10.20.3.4"), "2027-01-05 09:00", DEFAULT),
        (login("ann@test.com", "student", address="10.20.3.4"), "2027-01-06 09:00", "no mail in class"),
        (login("ann@test.com", "teacher", address="10.20.3.4"), "2026-06-15 09:00", DEFAULT),
        (login("ann@test.com", address="10.20.3.4"), "2026-06-15 09:00", DEFAULT),
        (login("bob@test.com", address="10.1.1.1", service="pop"), "2026-06-19 22:00", "night shift"),
        (login("bob@test.com", service="imap"), "2026-06-20 05:59", "night shift"),  # belongs to Friday evening
        (login("bob@test.com", address="10.1.1.1", service="pop"), "2026-06-21 05:59", "night shift"),
        (login("bob@test.com", address="10.1.1.1", service="pop"), "2026-06-21 06:00", DEFAULT),
        (login("bob@test.com", address="10.1.1.1", service="pop"), "2026-06-21 22:00", DEFAULT),
        (login("bob@test.com", address="10.1.1.1", service="smtp"), "2026-06-19 22:00", DEFAULT),
        (login("bob@test.com", address="10.1.1.1"), "2026-06-19 22:00", DEFAULT),  # an allow rule, the service unknown
        (login("bob@test.com", address="11.1.1.1", service="pop"), "2026-06-19 22:00", DEFAULT),
        (login("any.one@admin.test.com", address="10.1.1.1", service="pop"), "2026-06-19 22:00", "night shift"),
        (login("ann@night.test.com", address="10.1.1.1", service="POP"), "2026-06-19 22:00", "night shift"),
        (login("ann@test.com", address="10.1.1.1", service="pop"), "2026-06-19 22:00", DEFAULT),
    ],
)
def test_the_example_of_the_specification_means_what_it_says(who: Login, at: str, expected: str) -> None:
    rules = read_policy(EXAMPLE.encode(), file="policy.toml")
    decision = rules.decide(who, auckland(at))
    assert (decision.rule, decision.allowed) == (expected, expected != "no mail in class")
    assert decision.text == ("mail is closed in labs during class" if expected == "no mail in class" else "")


def test_the_first_rule_whose_every_condition_holds_decides() -> None:
    first, second = rule("one", "deny", user="bob@*", class_="student"), rule("two", "allow", user="bob@*")
    assert decided(first + second, login(classes="student"), default="deny") == "one"
    assert decided(second + first, login(classes="student"), default="deny") == "two"
    assert decided(first + second, login(), default="deny") == "two"
    assert decided(first + second, login("eve@test.com", "student"), default="deny") == DEFAULT


@pytest.mark.parametrize("default", ["allow", "deny"])
def test_the_default_is_what_happens_when_no_rule_matches(default: str) -> None:
    for rules in ("", rule("not for bob", "allow", user="eve"), rule("not for bob", "deny", user="eve")):
        decision = policy(rules, default=default).decide(login(), MONDAY)
        assert (decision.allowed, decision.rule, decision.text) == (default == "allow", DEFAULT, "")


def test_a_condition_left_out_always_holds() -> None:
    everything: dict[str, Any] = {
        "user": "bob@test.com",
        "class": "student",
        "domain": "test.com",
        "store": "files",
        "service": "pop",
        "from": "10.0.0.1",
        "when": "Mon 12:00-13:00",
    }
    assert tuple(everything) == CONDITIONS
    who = login(classes="student", service="pop", address="10.0.0.1")
    other = {"user": "eve", "class": "x", "domain": "x.com", "store": "sql", "service": "imap", "from": "10.0.0.2"}
    for left_out in ("", *CONDITIONS):
        conditions = {key: value for key, value in everything.items() if key != left_out}
        assert decided(rule("it", **conditions), who) == "it"
    for odd, value in (other | {"when": "Tue"}).items():
        steps = policy(rule("it", **everything | {odd: value})).steps(who, MONDAY)
        assert [(step.rule.name, step.failed, step.decides) for step in steps] == [("it", odd, False)]
    assert decided(rule("it"), login("x", store="", address=None)) == "it"


def test_the_steps_name_the_first_condition_that_fails_also_behind_the_rule_that_decides() -> None:
    rules = policy(
        rule("class", "deny", class_="student")
        + rule("shadow", "deny", mode="shadow")
        + rule("it", "allow", domain="test.com")
        + rule("behind", "deny")
        + rule("two fail", "deny", when="Tue", service="pop", store="sql")
    )
    steps = [(step.rule.name, step.failed, step.decides) for step in rules.steps(login(service="imap"), MONDAY)]
    assert steps == [
        ("class", "class", False),
        ("shadow", "", False),
        ("it", "", True),
        ("behind", "", False),
        ("two fail", "store", False),
    ]


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("bob@test.com", ["bob@test.com", "BOB@Test.COM"], ["bob", "xbob@test.com", "bob@test.comx"]),
        ("BOB@TEST.COM", ["bob@test.com"], []),
        ("*@test.com", ["bob@test.com", "@test.com"], ["bob@sub.test.com", "bob@test.com.au", "test.com"]),
        ("temp_*", ["temp_", "TEMP_1@test.com"], ["tem", "xtemp_1"]),
        ("*", ["bob", "", "bjørn@test.com"], []),
        ("b?b", ["bob", "BAB", "bøb"], ["bb", "boob"]),
        ("b*b@*", ["bob@x", "bb@", "b@b@x"], ["bob"]),
        ("**@test.com", ["bob@test.com"], ["bob@test.org"]),
        ("?", ["b"], ["", "bo"]),
        ("[b]ob*", ["[b]ob"], ["bob"]),  # brackets are literal
        ("bob.", ["bob."], ["bobs"]),
        ("BJØRN@*", ["bjørn@test.com"], ["bjorn@test.com"]),
        ("*ø", ["bjø"], ["bjo"]),
        ("e\u0301ve", ["\u00e9ve", "E\u0301VE"], ["eve"]),  # one letter in two spellings
        ("\u00e9ve*", ["e\u0301ve@test.com"], ["eve"]),
    ],
)
def test_users_are_wildcards_over_the_whole_folded_name(pattern: str, names: list[str], others: list[str]) -> None:
    for name in names:
        assert matches(login(name), user=pattern), name
    for name in others:
        assert not matches(login(name), user=pattern), name


def test_a_list_of_users_stands_for_its_entries_in_any_case_of_letters() -> None:
    lists = '[lists.Staff]\nusers = ["*@ADMIN.test.com", "bob@test.com"]\n'
    for name, inside in (("Bob@test.com", True), ("ann@admin.test.com", True), ("eve", True), ("ann@test.com", False)):
        assert matches(login(name), lists=lists, user=["@sTAFF", "eve"]) is inside


def test_a_list_of_hosts_stands_for_its_entries() -> None:
    lists = '[lists.labs]\nhosts = ["10.20.0.0/16", "unknown"]\n'
    for address, inside in (("10.20.0.1", True), (None, True), ("192.0.2.1", True), ("10.21.0.1", False)):
        assert matches(login(address=address), action="allow", lists=lists, from_=["192.0.2.*", "@Labs"]) is inside


def test_one_list_may_hold_users_and_hosts_and_dates() -> None:
    lists = '[lists.all]\nusers = ["bob"]\nhosts = ["10.0.0.1"]\ndates = ["2026-06-15"]\n'
    who = login("bob", address="10.0.0.1")
    rules = policy(lists + rule("it", user="@all", from_="@all", when="daily except @all"))
    assert rules.decide(who, MONDAY).rule == DEFAULT
    assert rules.decide(who, MONDAY + timedelta(days=1)).rule == "it"


def test_classes_compare_folded_and_one_of_several_is_enough() -> None:
    for classes, inside in (
        ("student", True),
        ("STUDENT", True),
        (" teacher , Student ", True),
        (",student,", True),
        ("students", False),
        ("stu dent", False),
        ("teacher", False),
        (None, False),
    ):
        assert matches(login(classes=classes), class_=["pupil", "Student"]) is inside, classes
    assert matches(login(classes="prüfer"), class_="PRÜFER")


@pytest.mark.parametrize("classes", [None, "", " ", ",", " , "])
def test_who_has_no_class_has_the_class_default(classes: str | None) -> None:
    assert classes_of(classes) == (DEFAULT,)
    assert matches(login(classes=classes), class_="Default")
    assert not matches(login(classes="student"), class_="default")


def test_domains_compare_folded() -> None:
    for name, inside in (
        ("bob@test.com", True),
        ("BOB@TEST.com", True),
        ("odd@name@test.com", True),  # the domain is what follows the last @
        ("bob@sub.test.com", False),
        ("bob", False),
        ("test.com", False),
    ):
        assert matches(login(name), domain="Test.Com") is inside, name
    assert matches(login("bob@sub.test.com"), domain="*.test.com")


def test_stores_compare_folded() -> None:
    assert matches(login(store="Files"), store="FILES")
    assert not matches(login(store="files2"), store="files")


def test_a_service_left_out_is_any() -> None:
    for service in ("", "pop", "IMAP"):
        assert matches(login(service=service))
        assert matches(login(service=service), action="allow", service="any")


def test_a_service_compares_folded() -> None:
    for action in ("allow", "deny"):
        assert matches(login(service="POP"), action=action, service=["imap", "Pop"])
        assert not matches(login(service="smtp"), action=action, service=["imap", "pop"])


# --- shadow ----------------------------------------------------------------------------------------------------------


def test_a_rule_in_shadow_decides_nothing_and_only_says_what_it_would_have_done() -> None:
    shadow = rule("trial", "deny", mode="shadow", user="temp_*")
    for behind, decider in (("", DEFAULT), (rule("it", "allow"), "it")):
        decision = policy(shadow + behind).decide(login("temp_1"), MONDAY)
        assert (decision.allowed, decision.rule, decision.shadowed) == (True, decider, ("trial",))
        assert policy(shadow + behind).decide(login("bob"), MONDAY).shadowed == ()


def test_a_shadow_that_would_change_nothing_is_not_told() -> None:
    agreeing = rule("agrees", "deny", mode="shadow")
    decision = policy(agreeing, default="deny").decide(login(), MONDAY)
    assert (decision.allowed, decision.shadowed) == (False, ())
    allowing = rule("would let in", "allow", mode="shadow")
    assert policy(allowing, default="deny").decide(login(), MONDAY).shadowed == ("would let in",)


def test_a_shadow_behind_the_rule_that_decides_would_not_have_decided() -> None:
    behind = rule("behind", "deny", mode="shadow")
    assert policy(rule("it", "allow") + behind).decide(login(), MONDAY).shadowed == ()


def test_several_shadows_are_told_each() -> None:
    shadows = "".join(rule(name, "deny", mode="shadow") for name in ("one", "two"))
    assert policy(shadows).decide(login(), MONDAY).shadowed == ("one", "two")


def test_a_shadow_keeps_its_hours() -> None:
    rules = policy(rule("trial", "deny", mode="shadow", when="Mon 12:00-13:00"))
    assert rules.decide(login(), MONDAY).shadowed == ("trial",)
    assert rules.decide(login(), MONDAY + timedelta(hours=1)).shadowed == ()
    assert rules.until(login(), MONDAY) is None


def test_a_shadow_without_hours_hides_no_change_of_the_rules_behind_it() -> None:
    rules = policy(rule("trial", mode="shadow") + rule("it", when="Mon 12:00-13:00"))
    assert rules.until(login(), MONDAY) == MONDAY + timedelta(hours=1)
    assert [hours.text for hours in rules.hours_of(login())] == ["Mon 12:00-13:00"]


def test_enforce_is_the_mode_of_a_rule_that_names_none() -> None:
    assert decided(rule("it", mode="enforce"), login()) == decided(rule("it"), login()) == "it"


# --- section 3: what the server did not say --------------------------------------------------------------------------


def test_an_allow_rule_about_hosts_does_not_match_an_unknown_address() -> None:
    assert not matches(login(), action="allow", from_=["10.0.0.0/8"])
    assert not matches(login(), action="allow", from_=["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize("word", ["unknown", "any", "*", "UNKNOWN", "Any"])
def test_an_allow_rule_matches_an_unknown_address_where_it_lists_unknown_or_any(word: str) -> None:
    assert matches(login(), action="allow", from_=["10.0.0.0/8", word])
    assert matches(login(address="10.1.1.1"), action="allow", from_=["10.0.0.0/8", word])
    assert matches(login(address="192.0.2.1"), action="allow", from_=["10.0.0.0/8", word]) is (
        word.lower() != "unknown"
    )


def test_a_deny_rule_about_hosts_matches_an_unknown_address_and_says_that_it_is_blind() -> None:
    decision = policy(rule("it", from_=["10.0.0.0/8"])).decide(login(), MONDAY)
    assert (decision.allowed, decision.rule, decision.blind) == (False, "it", "from")


@pytest.mark.parametrize("word", ["unknown", "any"])
def test_a_deny_rule_that_lists_unknown_or_any_means_it_and_is_not_blind(word: str) -> None:
    decision = policy(rule("it", from_=["10.0.0.0/8", word])).decide(login(), MONDAY)
    assert (decision.rule, decision.blind) == ("it", "")


def test_a_rule_that_sees_the_address_is_not_blind() -> None:
    assert policy(rule("it", from_=["10.0.0.0/8"])).decide(login(address="10.1.1.1"), MONDAY).blind == ""
    assert policy(rule("it")).decide(login(), MONDAY).blind == ""


def test_an_allow_rule_about_services_does_not_match_an_unknown_one_unless_it_lists_it() -> None:
    assert not matches(login(), action="allow", service=["pop", "imap"])
    assert matches(login(), action="allow", service=["pop", "unknown"])
    assert matches(login(), action="allow", service=["pop", "ANY"])


def test_a_deny_rule_about_services_matches_an_unknown_one() -> None:
    decision = policy(rule("it", service=["pop"])).decide(login(address="10.0.0.1"), MONDAY)
    assert (decision.allowed, decision.rule, decision.blind) == (False, "it", "service")
    for word in ("any", "unknown"):
        assert policy(rule("it", service=["pop", word])).decide(login(), MONDAY).blind == ""


def test_unknown_names_no_service_that_the_server_says() -> None:
    assert not matches(login(service="pop"), service=["unknown"])
    assert not matches(login(address="10.0.0.1"), from_=["unknown"])


def test_a_blind_rule_in_shadow_is_told_as_any_other_and_decides_nothing() -> None:
    decision = policy(rule("trial", mode="shadow", from_=["10.0.0.0/8"])).decide(login(), MONDAY)
    assert (decision.allowed, decision.shadowed, decision.blind) == (True, ("trial",), "")


@pytest.mark.parametrize("address", ["::ffff:10.0.0.1", "::FFFF:a00:1"])
def test_an_address_is_compared_as_a_number_with_ipv4_unwrapped(address: str) -> None:
    assert matches(login(address=address), action="allow", from_=["10.0.0.0/8"])
    assert not matches(login(address=address), action="allow", from_=["::/0"])


def test_zone_ids_are_dropped() -> None:
    assert matches(login(address="fe80::1%eth0"), action="allow", from_=["fe80::1%lan", "10.0.0.1"])


def test_no_name_is_resolved() -> None:
    """Neither when the rules are read nor when they decide is a resolver so much as loaded."""
    program = f"""
import sys
from tests.policy.test_rules import EXAMPLE, MONDAY, login, read_policy
sys.addaudithook(lambda event, _: event.startswith("socket.") and sys.exit(f"asked: {{event}}"))
rules = read_policy({EXAMPLE!r}.encode(), file="policy.toml")
for address in (None, "10.20.0.1", "2001:db8:20::1"):
    rules.decide(login("ann@test.com", "student", address=address), MONDAY)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=os.getcwd())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        (["10.0.0.0/8", "10.1.0.0/16"], ["10.0.0.1", "10.1.0.1", "10.2.0.1", "10.255.255.255"], ["11.0.0.0"]),
        (["10.0.0.1-10.0.0.5", "10.0.0.3-10.0.0.9"], ["10.0.0.2", "10.0.0.6", "10.0.0.9"], ["10.0.0.10"]),
        (["10.0.0.1", "10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.0", "10.0.0.3"]),
        (["0.0.0.0/0", "10.0.0.0/8"], ["0.0.0.0", "11.0.0.0", "255.255.255.255"], ["::1"]),
    ],
)
def test_networks_may_lie_within_each_other(entry: list[str], inside: list[str], outside: list[str]) -> None:
    for address in inside:
        assert matches(login(address=address), from_=entry), address
    for address in outside:
        assert not matches(login(address=address), from_=entry), address


# --- the clock -------------------------------------------------------------------------------------------------------


def test_a_clock_is_looked_at_only_where_hours_are_all_that_is_left_to_ask() -> None:
    asked: list[datetime] = []

    def clock() -> datetime:
        asked.append(MONDAY)
        return MONDAY

    rules = policy(rule("it", user="bob@test.com", when="Mon") + rule("all", user="eve"))
    assert (rules.decide(login("eve"), clock).rule, asked) == ("all", [])
    assert (rules.decide(login("ann"), clock).rule, asked) == (DEFAULT, [])
    assert (rules.decide(login(), clock).rule, asked) == ("it", [MONDAY])
    assert policy(rule("it")).decide(login(), None).rule == "it"


# --- until -----------------------------------------------------------------------------------------------------------


def test_a_decision_holds_until_the_hours_of_the_rule_end_or_begin() -> None:
    rules = policy(rule("it", when="Mon 12:00-13:00, 14:00-15:00"))
    assert rules.until(login(), MONDAY) == MONDAY + timedelta(hours=1)
    assert rules.until(login(), MONDAY + timedelta(minutes=60)) == MONDAY + timedelta(hours=2)
    assert rules.until(login(), MONDAY + timedelta(hours=5)) == MONDAY + timedelta(days=7)


def test_a_decision_without_hours_holds_for_good() -> None:
    rules = policy(rule("other", when="Mon", user="eve") + rule("it"))
    assert rules.until(login(), MONDAY) is None
    assert policy("").until(login(), MONDAY) is None


def test_another_rule_with_the_same_answer_is_no_change() -> None:
    rules = policy(rule("one", when="Mon 12:00-13:00") + rule("two", when="Mon 13:00-14:00"))
    assert rules.until(login(), MONDAY) == MONDAY + timedelta(hours=2)


def test_what_was_asked_before_never_changes_an_answer_about_the_next_change() -> None:
    text = rule("it", when="Mon 12:00-13:00, 14:00-15:00; Thu 09:00-10:00")
    asked = policy(text)
    moments = [MONDAY + timedelta(minutes=minutes) for minutes in (500, 0, 90, 30, 9000, 60, 59, 61, 500, 4000, 0)]
    for moment in moments:
        assert asked.until(login(), moment) == policy(text).until(login(), moment)


# --- a thousand rules ------------------------------------------------------------------------------------------------


def test_of_a_thousand_rules_the_right_one_decides() -> None:
    rules = policy("".join(rule(f"r{number}", user=f"user{number}@*") for number in range(1000)))
    for number in (0, 1, 63, 64, 999):
        assert rules.decide(login(f"user{number}@test.com"), MONDAY).rule == f"r{number}"
    assert rules.decide(login("user1000@test.com"), MONDAY).rule == DEFAULT


# --- against a naive reading -----------------------------------------------------------------------------------------
#
# Written from the specification, rule by rule and condition by condition; it shares nothing with nwauth but `fold`.

HOLIDAYS = ((date(2026, 6, 15), date(2026, 6, 16)),)
HOURS = {
    "Mon 08:00-12:00": Sketch((SpanSet(((0, 0),), ((480, 720),)),)),
    "Mon-Tue 22:00-06:00": Sketch((SpanSet(((0, 1),), ((1320, 360),)),)),
    "Sun-Mon": Sketch((SpanSet(((6, 0),), ()),)),
    "daily 11:59-12:01 except @holidays": Sketch((SpanSet((), ((719, 721),)),), excepted=("holidays",)),
    "Tue 01:00-02:00 in Pacific/Auckland": Sketch((SpanSet(((1, 1),), ((60, 120),)),), zone="Pacific/Auckland"),
    "daily until 2026-06-16": Sketch((SpanSet((), ()),), last=date(2026, 6, 16)),
}
USERS = ("bob@test.com", "BOB@*", "*@test.com", "e?e", "*", "t*p@*", "bj\u00f8rn", "*\u00f8*", "?*@x")
NAMES = ("bob@test.com", "Bob@x", "eve", "EVE", "tmp@test.com", "BJ\u00d8RN", "bj\u00f8rn@x", "@x", "temp")
CLASSES = ("student", "Teacher", "default", "a b")
DOMAINS = ("test.com", "X", "*.com")
STORES = ("files", "SQL")
SERVICES = ("pop", "IMAP", "any", "unknown")
HOSTS = ("10.0.0.0/8", "10.1.2.3", "10.1.*", "10.1.2.0-10.1.2.9", "2001:db8::/32", "any", "unknown", "::/0")
ADDRESSES = (None, "10.1.2.3", "10.1.2.9", "10.9.9.9", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.1", "::1")


class Plain(NamedTuple):
    """A rule as the administrator writes it."""

    name: str
    action: str
    shadow: bool
    conditions: dict[str, Any]

    def text(self) -> str:
        mode = {"mode": "shadow"} if self.shadow else {}
        return rule(self.name, self.action, **mode, **self.conditions)


class Asked(NamedTuple):
    """A login in plain words."""

    name: str
    classes: str | None
    store: str
    service: str
    address: str | None

    def login(self) -> Login:
        return login(self.name, self.classes, store=self.store, service=self.service, address=self.address)


def wild(pattern: str, text: str) -> bool:
    """Whether a wildcard matches the whole text, by trying."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(wild(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and wild(pattern[1:], text[1:])


def within(entry: str, address: str | None) -> bool:
    """Whether the entry of a `from` names the address."""
    if entry in {"any", "unknown"}:
        return entry == "any" or address is None
    if address is None:
        return False
    client = ip_address(address)
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    first, hyphen, last = entry.partition("-")
    if hyphen:
        return isinstance(client, IPv4Address) and IPv4Address(first) <= client <= IPv4Address(last)
    return client in ip_network("10.1.0.0/16" if entry == "10.1.*" else entry)


def condition_holds(condition: str, wanted: Any, asked: Asked, instant: datetime, action: str) -> bool:
    if condition == "when":
        return Meant(HOURS[wanted], wanted, "UTC", {"holidays": HOLIDAYS}).at(instant)
    if condition == "from":
        return blindly_denied(asked.address, action) or any(within(entry, asked.address) for entry in wanted)
    if condition in {"user", "domain"}:
        subject = asked.name if condition == "user" else asked.name.rpartition("@")[2] if "@" in asked.name else ""
        return any(wild(fold(pattern), fold(subject)) for pattern in wanted)
    has = {
        "class": [word.strip() for word in (asked.classes or "").split(",") if word.strip()] or ["default"],
        "store": [asked.store],
        "service": ["any", asked.service or "unknown"],
    }[condition]
    one_is_there = not {fold(word) for word in wanted}.isdisjoint(map(fold, has))
    return one_is_there or (condition == "service" and blindly_denied(asked.service, action))


def blindly_denied(said: str | None, action: str) -> bool:
    """Whether the condition of a rule holds because the server did not say."""
    return not said and action == "deny"


def failing(plain: Plain, asked: Asked, instant: datetime) -> str:
    """The first condition that does not hold, "" where all do."""
    for condition in CONDITIONS:
        wanted = plain.conditions.get(condition)
        if wanted is not None and not condition_holds(condition, wanted, asked, instant, plain.action):
            return condition
    return ""


def naively(rules: list[Plain], asked: Asked, instant: datetime, default: str) -> tuple[bool, str, tuple[str, ...]]:
    """Whether the login is allowed, by which rule, and which shadows would have decided otherwise."""
    shadows = []
    allowed, decider = default == "allow", DEFAULT
    for plain in rules:
        if failing(plain, asked, instant):
            continue
        if not plain.shadow:
            allowed, decider = plain.action == "allow", plain.name
            break
        shadows.append(plain)
    return allowed, decider, tuple(plain.name for plain in shadows if (plain.action == "allow") != allowed)


def some(words: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=3)


@st.composite
def plain_rules(draw: DrawFn) -> list[Plain]:
    optional = {
        "user": some(USERS),
        "class": some(CLASSES),
        "domain": some(DOMAINS),
        "store": some(STORES),
        "service": some(SERVICES),
        "from": some(HOSTS),
        "when": st.sampled_from(sorted(HOURS)),
    }
    rules = st.tuples(
        st.sampled_from(["allow", "deny"]),
        st.sampled_from([False, False, True]),
        st.fixed_dictionaries({}, optional=optional),
    )
    return [Plain(f"r{at}", *parts) for at, parts in enumerate(draw(st.lists(rules, max_size=8)))]


logins = st.builds(
    Asked,
    name=st.sampled_from(NAMES),
    classes=st.none() | st.lists(st.sampled_from(CLASSES), max_size=3).map(" , ".join),
    store=st.sampled_from(["files", "Sql", "ldap"]),
    service=st.sampled_from(["", "", "pop", "Imap", "smtp"]),
    address=st.sampled_from(ADDRESSES),
)
# Around the Monday of 2026-06-15, near the edges of the hours above.
instants = st.builds(
    lambda day, edge, second: MONDAY + timedelta(days=day, minutes=edge, seconds=second),
    st.integers(-3, 3),
    st.sampled_from([-721, -720, -240, -241, -1, 0, 1, 60, 119, 120, 599, 600, 720]) | st.integers(-720, 720),
    st.integers(0, 59),
)
LISTED = '[lists.holidays]\ndates = ["2026-06-15..2026-06-16"]\n'
defaults = st.sampled_from(["allow", "deny"])


def compiled(rules: list[Plain], default: str) -> Policy:
    return policy(LISTED + "".join(plain.text() for plain in rules), default=default)


def asked_of(rules: list[Plain]) -> Iterator[Asked]:
    """Logins at the edges of what the rules know: nobody in particular, from nowhere."""
    yield Asked("bob@test.com", None, "files", "", None)
    if rules:
        yield Asked("eve", "student,Teacher", "sql", "pop", "10.1.2.3")


@settings(max_examples=often(150, 500))
@given(rules=plain_rules(), asked=logins, default=defaults, moments=st.lists(instants, min_size=1, max_size=8))
def test_what_is_decided_is_what_a_naive_reading_of_the_rules_says(
    rules: list[Plain], asked: Asked, default: str, moments: list[datetime]
) -> None:
    policy = compiled(rules, default)
    for who in (asked, *asked_of(rules)):
        for instant in moments:
            decision = policy.decide(who.login(), instant)
            assert (decision.allowed, decision.rule, decision.shadowed) == naively(rules, who, instant, default)
            assert policy.decide(who.login(), functools.partial(min, instant, instant)) == decision


@settings(max_examples=often(150, 500))
@given(rules=plain_rules(), asked=logins, default=defaults, instant=instants)
def test_the_steps_are_what_a_naive_reading_of_the_rules_says(
    rules: list[Plain], asked: Asked, default: str, instant: datetime
) -> None:
    steps = compiled(rules, default).steps(asked.login(), instant)
    assert [(step.rule.name, step.failed) for step in steps] == [
        (plain.name, failing(plain, asked, instant)) for plain in rules
    ]
    _, decider, _ = naively(rules, asked, instant, default)
    assert [step.rule.name for step in steps if step.decides] == [name for name in [decider] if name != DEFAULT]


@settings(max_examples=often(60, 200))
@given(rules=plain_rules(), asked=logins, default=defaults, instant=instants)
def test_the_decision_holds_until_then_and_is_another_one_afterwards(
    rules: list[Plain], asked: Asked, default: str, instant: datetime
) -> None:
    policy = compiled(rules, default)
    until = policy.until(asked.login(), instant)
    now = naively(rules, asked, instant, default)[0]
    if until is not None:
        assert until > instant
        assert naively(rules, asked, until, default)[0] != now
    moment = instant
    while moment < (until or instant + timedelta(days=12)) and moment < instant + timedelta(days=30):
        assert naively(rules, asked, moment, default)[0] == now, moment
        moment += timedelta(minutes=7)
    if until is not None:
        assert naively(rules, asked, until - timedelta(seconds=1), default)[0] == now


@settings(max_examples=often(60, 200))
@given(rules=plain_rules(), asked=logins, default=defaults, moments=st.lists(instants, min_size=2, max_size=6))
def test_a_policy_that_was_asked_before_answers_as_a_new_one(
    rules: list[Plain], asked: Asked, default: str, moments: list[datetime]
) -> None:
    old = compiled(rules, default)
    for instant in moments:
        new = compiled(rules, default)
        assert old.until(asked.login(), instant) == new.until(asked.login(), instant)
        assert old.decide(asked.login(), instant) == new.decide(asked.login(), instant)
        assert old.steps(asked.login(), instant) == new.steps(asked.login(), instant)
