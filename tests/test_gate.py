"""A login through the service: password, account state, rules, in this order (spec/policy.md sections 1, 3, 4, 6)."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.audit import Log
from nwauth.errors import Refused, Unavailable
from nwauth.model import Info, User
from nwauth.policy.account import REFUSING_STATES
from nwauth.policy.hosts import read_hosts
from nwauth.policy.rules import Policy, Rule
from nwauth.protocol import Parser
from nwauth.server import Conversation
from nwauth.service.gate import CHECKS_WITHOUT_ADDRESS, SWITCH, Gate, Question
from nwauth.service.rulefile import InForce, RuleFile
from nwauth.stores.memory import MemoryStore
from tests.policy.test_rules import rule
from tests.serving import play
from tests.test_service import NOON, CountingPasswords, facts, make, person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nwauth.service import Service

AUCKLAND = ZoneInfo("Pacific/Auckland")
IN_FIELD = "10.20.3.4"


class Fixed(RuleFile):
    """Rules that are in force without a file."""

    def __init__(self, policy: Policy | None) -> None:
        super().__init__("/nowhere/policy.toml", named=False)
        self.policy = policy

    def current(self) -> InForce | None:
        return None if self.policy is None else InForce(self.policy)


class House:
    """A service whose folder has a policy, and what it told."""

    def __init__(
        self,
        folder: Path,
        rules: str | None,
        *users: User,
        head: str = 'default = "allow"\nzone = "UTC"',
        now: Callable[[], datetime] = lambda: NOON,
        **more: Any,
    ) -> None:
        self.alarms: list[dict[str, object]] = []
        self.file = folder / "policy.toml"
        self.store = MemoryStore(users or [person()])
        if rules is not None:
            self.write(rules, head=head)
        gate = Gate(RuleFile(str(self.file), named=False), alarm=self.alarms.append, **more)
        self.service: Service = make(self.store, now=now, gate=gate)

    def write(self, rules: str, *, head: str = 'default = "allow"\nzone = "UTC"') -> None:
        self.file.write_text(f"[policy]\n{head}\n{rules}")
        os.utime(self.file, (1, 1))  # what was written just now may not be whole

    def check(
        self, name: str = "bob", password: bytes = b"secret", *, address: str | None = IN_FIELD, service: str = ""
    ) -> dict[str, object]:
        """What was reported of a login; `in` tells whether the user came in."""
        reported, report = facts()
        came = self.service.check(name, password, report, address=address, service=service)
        return reported | {"in": came is not None}

    def decider(self, **asked: Any) -> object:
        """What refused, by name; None for a user who came in."""
        found = self.check(**asked)
        assert found["in"] == ("rule" not in found)
        return found.get("rule")


# --- rules decide about logins ---------------------------------------------------------------------------------------


def test_without_a_policy_file_a_right_password_is_enough(tmp_path: Path) -> None:
    assert House(tmp_path, None).check() == {"in": True, "store": "memory", "scheme": "clear"}


def test_a_rule_refuses_a_right_password_and_the_log_has_rule_and_reason(tmp_path: Path) -> None:
    house = House(tmp_path, rule("no mail in class", from_="10.20.0.0/16", when="Mon 09:00-17:00"))
    found = house.check()
    assert (found["in"], found["rule"], found["reason"]) == (False, "no mail in class", "denied by a rule")
    assert house.check(address="10.21.0.1")["in"]
    assert house.alarms == []


def test_the_default_that_denies_is_told_as_default(tmp_path: Path) -> None:
    found = House(tmp_path, "", head='default = "deny"').check()
    assert (found["in"], found["rule"], found["reason"]) == (False, "default", "no rule allows it")


def test_the_rules_meet_the_stored_name_and_not_the_one_that_was_typed(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", user="BOB"), person("Bob"))
    assert house.decider(name="bOB") == "it"


def test_the_rules_meet_a_name_with_the_domain_it_was_given(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", domain="test.com"), person("bob@test.com"), person("bob@other.com"))
    assert house.decider(name="bob@test.com") == "it"
    assert house.decider(name="bob@other.com") is None


def test_the_rules_meet_the_store_of_the_user(tmp_path: Path) -> None:
    assert House(tmp_path, rule("it", store="MEMORY")).decider() == "it"
    assert House(tmp_path, rule("it", store="files")).decider() is None


@pytest.mark.parametrize("service", ["pop", "POP"])
def test_the_rules_meet_the_service_of_the_child(tmp_path: Path, service: str) -> None:
    house = House(tmp_path, rule("it", service="Pop"))
    assert house.decider(service=service) == "it"
    assert house.decider(service="imap") is None


@pytest.mark.parametrize(
    ("info", "refused"),
    [
        ('mailaccess="student"', True),
        ('MailAccess=" Staff , STUDENT "', True),
        ('mailaccess="staff"', False),
        ('mailaccess=""', False),
        ("", False),
        ("mailaccess=student", False),  # odd text is no field
        ('class="student"', False),
    ],
)
def test_a_user_names_classes_in_the_field_mailaccess_separated_by_commas(
    tmp_path: Path, info: str, *, refused: bool
) -> None:
    house = House(tmp_path, rule("it", class_="student"), person(info=info))
    assert (house.decider() == "it") is refused


@pytest.mark.parametrize("info", ["", 'mailaccess=""', 'mailaccess=" , "', 'quota="5"'])
def test_a_user_without_a_class_has_the_class_default(tmp_path: Path, info: str) -> None:
    assert House(tmp_path, rule("it", class_="default"), person(info=info)).decider() == "it"
    assert House(tmp_path, rule("it", class_="default"), person(info='mailaccess="x"')).decider() is None


def test_the_name_of_the_field_is_configurable(tmp_path: Path) -> None:
    rules = rule("it", class_="student")
    assert House(tmp_path, rules, person(info='group="student"'), class_field="group").decider() == "it"
    assert House(tmp_path, rules, person(info='mailaccess="student"'), class_field="group").decider() is None


def test_no_rule_language_ever_enters_the_user_store(tmp_path: Path) -> None:
    info = 'mailaccess="student,@staff,*,allow = true" when="Mon" from="10.0.0.0/8" deny="true" user="bob"'
    house = House(tmp_path, rule("it", class_="staff") + rule("that", class_="admin"), person(info=info))
    assert house.decider() is None


def test_a_rule_in_shadow_is_told_and_lets_in(tmp_path: Path) -> None:
    house = House(tmp_path, rule("trial", mode="shadow") + rule("other", mode="shadow"))
    found = house.check()
    assert (found["in"], found["shadow"], found.get("rule")) == (True, "trial, other", None)
    assert "shadow" not in house.check(password=b"wrong")


def test_a_shadow_that_would_let_in_is_told_with_the_refusal(tmp_path: Path) -> None:
    house = House(tmp_path, rule("trial", "allow", mode="shadow"), head='default = "deny"')
    found = house.check()
    assert (found["in"], found["rule"], found["shadow"]) == (False, "default", "trial")


def test_the_hours_are_those_of_the_zone_of_the_policy(tmp_path: Path) -> None:
    midnight = NOON  # of Tuesday in Auckland
    for zone, expected in (("Pacific/Auckland", "it"), ("UTC", None)):
        head = f'default = "allow"\nzone = "{zone}"'
        for clock in (UTC, AUCKLAND):
            now = functools.partial(midnight.astimezone, clock)
            assert House(tmp_path, rule("it", when="Tue 00:00-00:30"), head=head, now=now).decider() == expected


def test_a_clock_that_is_set_back_brings_the_old_decision_back(tmp_path: Path) -> None:
    now = [NOON]
    house = House(tmp_path, rule("it", when="Mon 12:00-13:00"), now=lambda: now[0])
    assert house.decider() == "it"
    now[0] += timedelta(hours=1)
    assert house.decider() is None
    now[0] -= timedelta(seconds=1)
    assert house.decider() == "it"


def test_a_changed_file_decides_the_next_login(tmp_path: Path) -> None:
    house = House(tmp_path, "")
    assert house.decider() is None
    house.write(rule("it"))
    assert house.decider() == "it"
    house.write("")
    assert house.decider() is None


# --- the order: user, password, account state, policy ----------------------------------------------------------------


def test_the_rules_are_asked_only_for_a_user_with_the_right_password(tmp_path: Path) -> None:
    """A refusal after a wrong password would tell who exists, and what the rules are."""
    house = House(tmp_path, rule("it", mode="shadow", from_="10.0.0.0/8"), head='default = "deny"\nreveal = true')
    found = house.check(password=b"wrong", address=None)
    assert (found["reason"], "rule" in found, "shadow" in found) == ("wrong password", False, False)
    found = house.check("nobody", address=None)
    assert (found["reason"], "rule" in found) == ("no such user", False)
    assert house.alarms == []


def test_an_unknown_user_costs_a_verification_whatever_the_rules_say(tmp_path: Path) -> None:
    passwords = CountingPasswords()
    (tmp_path / "policy.toml").write_text('[policy]\ndefault = "deny"\n')
    gate = Gate(RuleFile(str(tmp_path / "policy.toml"), named=False))
    service = make(MemoryStore([person()]), passwords=passwords, gate=gate)
    assert service.check("nobody", b"pw") is None
    assert passwords.burned == [b"pw"]


@pytest.mark.parametrize(
    ("info", "field"),
    [
        ('mailstatus="suspended"', "mailstatus"),
        ('valid_from="2026-06-16"', "valid_from"),
        ('valid_until="2026-06-14"', "valid_until"),
        ('valid_until="soon"', "valid_until"),
    ],
)
def test_account_state_is_checked_before_the_rules_and_told_under_the_name_of_the_field(
    tmp_path: Path, info: str, field: str
) -> None:
    for rules in (None, "", rule("it"), rule("it", from_="192.0.2.0/24"), rule("it", "allow")):
        found = House(tmp_path, rules, person(info=info)).check()
        assert (found["in"], found["rule"]) == (False, field)
        assert str(found["reason"]).startswith(field)


def test_account_state_hides_what_shadows_and_blind_rules_would_have_said(tmp_path: Path) -> None:
    rules = rule("trial", mode="shadow") + rule("it", from_="10.0.0.0/8")
    house = House(tmp_path, rules, person(info='mailstatus="banned"'))
    assert "shadow" not in house.check(address=None)
    assert house.alarms == []


@pytest.mark.parametrize("state", sorted(REFUSING_STATES))
def test_a_state_that_refuses_needs_no_policy_file(tmp_path: Path, state: str) -> None:
    house = House(tmp_path, None, person(info=f'mailstatus="{state}"'))
    assert house.decider() == "mailstatus"
    assert house.check(password=b"wrong")["reason"] == "wrong password"


@pytest.mark.parametrize("state", ["", "ok", "good", "paydue", "OK", "whatever", "suspended?"])
def test_any_other_state_has_no_effect(tmp_path: Path, state: str) -> None:
    for rules, expected in ((None, None), (rule("it"), "it")):
        assert House(tmp_path, rules, person(info=f'mailstatus="{state}"')).decider() == expected


def test_dates_of_an_account_are_in_the_zone_of_the_policy(tmp_path: Path) -> None:
    """Half past midnight of the 16th in Auckland is noon of the 15th in UTC."""
    now = NOON + timedelta(minutes=30)
    users = [person("over", info='valid_until="2026-06-15"'), person("begun", info='valid_from="2026-06-16"')]
    for zone, expected in (("Pacific/Auckland", ("valid_until", None)), ("UTC", (None, "valid_from"))):
        house = House(tmp_path, "", *users, head=f'default = "allow"\nzone = "{zone}"', now=lambda: now)
        assert (house.decider(name="over"), house.decider(name="begun")) == expected


def test_without_a_policy_file_dates_are_in_the_zone_of_the_clock_of_the_machine(tmp_path: Path) -> None:
    now = (NOON + timedelta(minutes=30)).astimezone(AUCKLAND)
    house = House(tmp_path, None, person(info='valid_until="2026-06-15"'), now=lambda: now)
    assert house.decider() == "valid_until"


class Counter:
    """A throttle that counts on its fingers, and refuses when it is told to."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, bytes, str | None]] = []
        self.successes: list[tuple[str, str | None]] = []
        self.reason: str | None = None
        self.closed = 0

    def refusal(self, _key: str, _address: str | None) -> str | None:
        return self.reason

    def failed(self, key: str, password: bytes, address: str | None) -> None:
        self.failures.append((key, password, address))

    def succeeded(self, key: str, address: str | None) -> None:
        self.successes.append((key, address))

    def close(self) -> None:
        self.closed += 1


def throttled(folder: Path, counter: Counter, rules: str, *users: User) -> House:
    """A house whose throttle is `counter`, as long as its policy has one."""

    def of(policy: Policy) -> Any:
        return None if policy.throttle is None else counter

    return House(folder, f"{rules}\n[throttle]\n", *users, throttle_of=of)


def test_the_throttle_is_asked_first_before_the_store_and_before_any_hash(tmp_path: Path) -> None:
    counter = Counter()
    house = throttled(tmp_path, counter, rule("it"))
    counter.reason = "too many wrong passwords"
    house.store.down = "the disk is away"
    found = house.check()
    assert found == {"in": False, "rule": "throttle", "reason": "too many wrong passwords"}
    assert (counter.failures, counter.successes) == ([], [])


def test_only_a_wrong_password_and_an_unknown_user_count(tmp_path: Path) -> None:
    counter = Counter()
    banned, late = person("banned", info='mailstatus="banned"'), person("late", info='valid_until="2001-01-01"')
    house = throttled(tmp_path, counter, rule("it", user="eve"), person(), person("eve"), banned, late)
    for name in ("eve", "banned", "late"):
        assert not house.check(name)["in"]
    assert (counter.failures, counter.successes) == ([], []), "neither a failure nor a login"
    house.store.down = "away"
    with pytest.raises(Unavailable):
        house.check("bob", b"wrong")
    house.store.down = None
    assert counter.failures == []
    house.check("BOB", b"wrong")
    house.check("nobody", b"x", address=None)
    house.check("eve", b"wrong")
    assert counter.failures == [("bob", b"wrong", IN_FIELD), ("nobody", b"x", None), ("eve", b"wrong", IN_FIELD)]
    assert house.check("Bob")["in"]
    assert counter.successes == [("bob", IN_FIELD)]


def test_the_throttle_goes_with_the_table_that_asks_for_it(tmp_path: Path) -> None:
    counter = Counter()
    house = throttled(tmp_path, counter, "")
    counter.reason = "too many"
    assert house.decider() == "throttle"
    house.write("")
    assert (house.decider(), counter.closed) == (None, 1)
    house.write("[throttle]\n")
    assert house.decider() == "throttle"


# --- reveal ----------------------------------------------------------------------------------------------------------

TEXT = "mail is closed in labs during class"
REVEALING = 'default = "allow"\nreveal = true'


def wire(house: House, line: str, *, service: str = "") -> bytes:
    """The reply as it goes out."""
    conversation = Conversation(house.service, Parser("auto"), Log(lambda _level, _line: None), service_name=service)
    (replies,) = play(conversation, [line.encode()])
    return b"".join(replies)


def test_by_default_a_refusal_has_the_flat_text(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", text=TEXT))
    assert wire(house, f"check bob secret {IN_FIELD}") == b"-ERR bob password wrong or not a valid user\n"
    assert wire(house, f"check bob wrong {IN_FIELD}") == b"-ERR bob password wrong or not a valid user\n"


def test_with_reveal_a_right_password_is_told_why(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", text=TEXT), head=REVEALING)
    assert wire(house, f"check bob secret {IN_FIELD}") == f"-ERR {TEXT}\n".encode()


def test_with_reveal_neither_a_wrong_password_nor_a_stranger_is_told_anything(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", text=TEXT), head=REVEALING)
    for name, password in (("bob", "wrong"), ("nobody", "secret"), ("bob", "")):
        flat = f"-ERR {name} password wrong or not a valid user\n".encode()
        assert wire(house, f"check {name} {password} {IN_FIELD}") == flat


def test_with_reveal_a_rule_without_a_text_and_the_default_have_the_flat_text(tmp_path: Path) -> None:
    flat = b"-ERR bob password wrong or not a valid user\n"
    assert wire(House(tmp_path, rule("it"), head=REVEALING), "check bob secret ::1") == flat
    assert wire(House(tmp_path, "", head='default = "deny"\nreveal = true'), "check bob secret ::1") == flat


def test_with_reveal_account_state_has_the_flat_text(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", text=TEXT), person(info='mailstatus="banned"'), head=REVEALING)
    assert wire(house, "check bob secret ::1") == b"-ERR bob password wrong or not a valid user\n"


def test_what_is_revealed_is_a_no_and_the_log_has_rule_and_reason(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", text=TEXT), head=REVEALING)
    reported, report = facts()
    with pytest.raises(Refused) as caught:
        house.service.check("bob", b"secret", report, address=IN_FIELD)
    assert (caught.value.temporary, caught.value.public, str(caught.value)) == (False, TEXT, "denied by a rule")
    assert (reported["rule"], reported["reason"]) == ("it", "denied by a rule")


@pytest.mark.parametrize("text", ["x" * 99, "\u00e9" * 49, "\u20ac" * 33])
def test_a_revealed_reply_stays_under_100_bytes_and_is_cut_between_characters(tmp_path: Path, text: str) -> None:
    reply = wire(House(tmp_path, rule("it", text=text), head=REVEALING), "check bob secret ::1")
    assert len(reply) < 100
    assert text.startswith(reply.decode().removeprefix("-ERR ").removesuffix("\n"))


# --- never a look-up -------------------------------------------------------------------------------------------------


@given(
    rules=st.sampled_from(["", rule("it"), rule("it", from_="10.0.0.0/8"), "[[rule]]\nbroken = true\n", "no toml"]),
    default=st.sampled_from(["allow", "deny"]),
    info=st.sampled_from(["", 'mailstatus="banned"', 'valid_until="2001-01-01"', 'mailaccess="student"']),
    mask=st.sampled_from(["", "192.0.2.1", "nonsense"]),
)
def test_no_policy_nor_state_ever_changes_a_look_up_or_a_search_or_a_change(
    rules: str, default: str, info: str, mask: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bob = User(name="Bob", stored_password="*secret", info=Info(info), store="memory", ip_mask=mask)
    house = House(tmp_path_factory.mktemp("house"), rules, bob, head=f'default = "{default}"')
    plain = make(MemoryStore([bob]))
    for _ in range(2):
        for name in ("bob", "BOB", "nobody"):
            assert house.service.lookup(name) == plain.lookup(name)
        assert [*house.service.search("*")] == [*plain.search("*")]
        assert house.service.set("bob", None, {"q": "1"}) == plain.set("bob", None, {"q": "1"})
        try:
            house.check()
        except Unavailable as error:
            assert error.public == "policy error"  # noqa: PT017
    assert house.service.delete("bob")


def test_a_bad_file_makes_every_login_cannot_tell_and_nothing_else(tmp_path: Path) -> None:
    house = House(tmp_path, "[[rule]]\n")
    for name, password in (("bob", b"secret"), ("bob", b"wrong"), ("nobody", b"secret")):
        with pytest.raises(Unavailable) as caught:
            house.check(name, password)
        assert (caught.value.public, caught.value.temporary) == ("policy error", True)
    assert house.service.lookup("bob") == person()
    assert wire(house, "check bob secret") == b"-DEAD policy error\n"
    house.write("")
    assert house.decider() is None


# --- an exception while deciding -------------------------------------------------------------------------------------


class OddZone(tzinfo):
    """A zone in which no time can be told."""

    def utcoffset(self, _wall: datetime | None) -> timedelta:
        raise ZeroDivisionError("a bug in a zone")

    dst = utcoffset

    def tzname(self, _wall: datetime | None) -> str:
        return "odd"


class BrokenPolicy(Policy):
    """Rules broken on purpose."""

    def decide(self, *_: object) -> Any:
        raise ZeroDivisionError("a bug in a rule")


def broken_policies() -> dict[str, Policy]:
    """Rules of which one part is damaged: each of them would let in whom it can decide about."""
    rules = [Rule(name="it", allow=True, classes=("default",), hosts=read_hosts(["10.0.0.0/8"]))]
    nowhere, classless = (Policy(rules, allow=True, zone=UTC) for _ in range(2))
    for _, masks in nowhere._hosts._tables.values():
        masks.clear()
    classless._classes._by_word["default"] = cast("int", None)
    return {"decide": BrokenPolicy(rules, allow=True, zone=UTC), "hosts": nowhere, "classes": classless}


@pytest.mark.parametrize("which", broken_policies())
def test_an_exception_while_deciding_is_dead_and_never_yes_and_no_look_up_suffers(which: str) -> None:
    lines: list[str] = []
    gate = Gate(Fixed(broken_policies()[which]))
    service = make(MemoryStore([person()]), gate=gate)
    conversation = Conversation(service, Parser("auto"), Log(lambda _level, line: lines.append(line)))
    requests = [b"check bob secret 10.0.0.1", b"lookup bob", b"check bob secret 10.0.0.1", b"check bob wrong 10.0.0.1"]
    replies = [b"".join(reply) for reply in play(conversation, requests)]
    assert replies == [
        b"-DEAD internal fault, see the log\n",
        b"+OK Bob config 0\n",
        b"-DEAD internal fault, see the log\n",
        b"-ERR bob password wrong or not a valid user\n",
    ]
    assert any(" bug " in line for line in lines)
    assert not any("secret" in line for line in lines)


def test_a_zone_that_fails_while_deciding_is_dead() -> None:
    from nwauth.policy.grammar import read_when

    hours = read_when("Mon", zone=OddZone(), zones=ZoneInfo, lists={})
    policy = Policy([Rule(name="it", allow=False, when=hours)], allow=True, zone=UTC)
    service = make(MemoryStore([person()]), gate=Gate(Fixed(policy)))
    conversation = Conversation(service, Parser("auto"), Log(lambda _level, _line: None))
    for _ in range(2):
        assert play(conversation, [b"check bob secret"]) == [[b"-DEAD internal fault, see the log\n"]]


# --- alarms ----------------------------------------------------------------------------------------------------------


def test_the_first_refusal_by_a_rule_about_hosts_for_want_of_an_address_names_rule_and_switch(tmp_path: Path) -> None:
    house = House(tmp_path, rule("labs", from_="10.0.0.0/8"))
    found = house.check(address=None)
    assert (found["in"], found["rule"]) == (False, "labs")
    assert found["reason"] == "denied by a rule about the address, which is unknown"
    assert house.alarms == [{"rule": "labs", "condition": "from", "reason": SWITCH["from"]}]
    assert "g_authent_addip true" in SWITCH["from"]
    assert "DMail" in SWITCH["from"]
    for _ in range(5):
        house.check(address=None)
    assert len(house.alarms) == 1


def test_each_rule_sounds_once(tmp_path: Path) -> None:
    rules = rule("one", user="bob", from_="10.0.0.0/8") + rule("two", user="eve", from_="10.0.0.0/8")
    house = House(tmp_path, rules, person("bob"), person("eve"))
    for name in ("bob", "eve", "bob", "eve"):
        house.check(name, address=None)
    assert [alarm["rule"] for alarm in house.alarms] == ["one", "two"]


def test_the_first_refusal_for_want_of_a_service_names_rule_and_switch(tmp_path: Path) -> None:
    house = House(tmp_path, rule("no pop", service="pop"))
    for _ in range(3):
        found = house.check()
        assert (found["in"], found["rule"]) == (False, "no pop")
        assert found["reason"] == "denied by a rule about the service, which is unknown"
    assert house.alarms == [{"rule": "no pop", "condition": "service", "reason": SWITCH["service"]}]
    assert "-service NAME" in SWITCH["service"]


def test_nothing_sounds_where_the_rule_means_the_unknown_or_the_password_is_wrong(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", from_=["10.0.0.0/8", "unknown"], service=["any"]))
    assert house.check(address=None)["reason"] == "denied by a rule"
    house.write(rule("it", from_="10.0.0.0/8"))
    house.check(password=b"wrong", address=None)
    house.check(address="10.0.0.1")
    assert house.alarms == []


def test_text_that_is_no_address_is_an_unknown_one(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", from_="10.0.0.0/8"))
    assert house.decider(address="not.an.address") == "it"
    assert [alarm["condition"] for alarm in house.alarms] == ["from"]


def first_alarm(house: House, *addresses: str | None) -> int | None:
    """How many logins it took."""
    for count, address in enumerate(addresses, start=1):
        house.check("nobody", address=address)
        if house.alarms:
            return count
    return None


HOSTS = rule("it", from_="10.0.0.0/8")
NONE_OF_THEM = [None] * (CHECKS_WITHOUT_ADDRESS * 3)


def test_a_hundred_logins_without_an_address_give_one_warning_that_names_the_switch(tmp_path: Path) -> None:
    house = House(tmp_path, HOSTS)
    assert first_alarm(house, *NONE_OF_THEM) == 100
    first_alarm(house, *NONE_OF_THEM)
    (alarm,) = house.alarms
    assert "the first 100 logins had no address" in str(alarm["reason"])
    assert "g_authent_addip true" in str(alarm["reason"])
    assert house.service.check("bob", b"wrong") is None
    assert len(house.alarms) == 1


@pytest.mark.parametrize("place", [0, 50, 99])
def test_one_login_with_an_address_among_the_first_hundred_and_nothing_is_told(tmp_path: Path, place: int) -> None:
    addresses: list[str | None] = [*NONE_OF_THEM]
    addresses[place] = "10.0.0.1"
    assert first_alarm(House(tmp_path, HOSTS), *addresses) is None


@pytest.mark.parametrize("rules", [None, "", rule("it", user="bob"), rule("it", when="Tue")])
def test_without_rules_about_hosts_no_address_is_missed(tmp_path: Path, rules: str | None) -> None:
    assert first_alarm(House(tmp_path, rules), *NONE_OF_THEM) is None


def test_rules_about_hosts_that_come_later_are_warned_about_too(tmp_path: Path) -> None:
    house = House(tmp_path, "")
    assert first_alarm(house, *NONE_OF_THEM) is None
    house.write(HOSTS)
    assert first_alarm(house, *NONE_OF_THEM) is not None


def test_rules_in_shadow_miss_the_address_as_others_do(tmp_path: Path) -> None:
    assert first_alarm(House(tmp_path, rule("it", mode="shadow", from_="10.0.0.0/8")), *NONE_OF_THEM) == 100


def test_who_asks_without_a_child_raises_no_alarm(tmp_path: Path) -> None:
    house = House(tmp_path, HOSTS)
    quiet = make(house.store, gate=Gate(RuleFile(str(house.file), named=False)))
    for _ in range(CHECKS_WITHOUT_ADDRESS + 1):
        assert quiet.check("bob", b"secret") is None
    assert house.alarms == []


# --- what explain sees -----------------------------------------------------------------------------------------------


def test_the_steps_of_a_refusal_are_those_of_the_decision_itself(tmp_path: Path) -> None:
    house = House(tmp_path, rule("one", user="eve") + rule("two", from_="10.0.0.0/8"))
    steps: dict[str, Any] = {}
    asked = Question(person(), address=IN_FIELD, service="")
    refusal = house.service.gate.refusal(asked, lambda: NOON, lambda _key, _value: None, trace=steps.__setitem__)
    assert refusal is not None
    assert (refusal.rule, list(steps)) == ("two", ["rules", "account", "decision"])
    assert [(step.rule.name, step.failed, step.decides) for step in steps["rules"]] == [
        ("one", "user", False),
        ("two", "", True),
    ]
    assert steps["decision"].rule == house.decider() == "two"


def test_until_meets_rules_and_account_state_alike(tmp_path: Path) -> None:
    house = House(tmp_path, rule("it", when="Mon 14:00-15:00"))
    for info, expected in (
        ("", NOON + timedelta(hours=2)),
        ('valid_until="2026-06-15 13:00"', NOON + timedelta(hours=1)),
        ('valid_from="2026-06-15 14:30"', NOON + timedelta(hours=3)),
        ('mailstatus="banned"', None),
        ('valid_until="soon"', None),
    ):
        asked = Question(person(info=info), address=IN_FIELD, service="")
        assert house.service.gate.until(asked, NOON) == expected, info


def test_without_a_policy_until_meets_account_state_alone(tmp_path: Path) -> None:
    house = House(tmp_path, None)
    asked = Question(person(info='valid_until="2026-06-15T13:00Z"'), address=None, service="")
    assert house.service.gate.until(asked, NOON) == NOON + timedelta(hours=1)
    assert house.service.gate.until(Question(person(), address=None, service=""), NOON) is None


@pytest.mark.parametrize("service", ["unknown", "UNKNOWN", ""])
def test_a_service_that_is_called_unknown_is_not_said(tmp_path: Path, service: str) -> None:
    house = House(tmp_path, rule("it", service="smtp"))
    assert house.decider(service=service) == "it"


@pytest.mark.parametrize(("said", "named"), [("pop3", "pop"), ("pop", "POP3"), ("imap4", "imap"), ("pop3s", "pops")])
def test_a_service_of_two_names_is_one_service(tmp_path: Path, said: str, named: str) -> None:
    house = House(tmp_path, rule("it", service=named))
    assert house.decider(service=said) == "it"
    assert house.decider(service="smtp") is None


# --- what the time and the throttle tell of a password -------------------------------------------------------------


SLOW = "$2b$04$rfTatz4AiJouZzKWAaSboeVLtXoQ0HebP/r1gA8WapHWu7VlvmQji"


def burns(house: House) -> list[bytes]:
    """The passwords that time was spent on for nothing, from now on."""
    spent: list[bytes] = []
    burn = house.service.passwords.burn

    def counted(password: bytes) -> None:
        spent.append(password)
        burn(password)

    house.service.passwords.burn = counted  # type: ignore[method-assign]
    return spent


def test_a_right_password_that_a_rule_refuses_takes_as_long_as_a_wrong_one_each_time(tmp_path: Path) -> None:
    """From the second time on it is remembered, and would be answered at once."""
    house = House(tmp_path, rule("it"), person(stored=SLOW))
    spent = burns(house)
    for turn in range(3):
        assert house.check()["rule"] == "it"
        assert spent == [b"secret"] * turn


def test_a_right_password_of_a_suspended_account_takes_as_long_as_a_wrong_one(tmp_path: Path) -> None:
    house = House(tmp_path, None, person(stored=SLOW, info='mailstatus="suspended"'))
    spent = burns(house)
    for turn in range(2):
        assert house.check()["rule"] == "mailstatus"
        assert spent == [b"secret"] * turn


def test_only_who_comes_in_gets_a_better_scheme(tmp_path: Path) -> None:
    store = MemoryStore([person(), person("eve")])
    (tmp_path / "policy.toml").write_text('[policy]\ndefault = "allow"\n' + rule("it", user="bob"))
    gate = Gate(RuleFile(str(tmp_path / "policy.toml"), named=False))
    service = make(store, scheme="ssha", upgrade_to="ssha", gate=gate)
    for name in ("bob", "eve"):
        service.check(name, b"secret")
    fields = {name: user.stored_password for name in ("bob", "eve") if (user := store.lookup(name)) is not None}
    assert fields["bob"] == "*secret"
    assert fields["eve"].startswith("{ssha}")


@pytest.mark.parametrize("password", [b"wrong", b"", b"se\0cret", b"x" * 5000])
@pytest.mark.parametrize("stored", ["*secret", "!locked", SLOW])
def test_what_is_not_the_right_password_counts_alike_for_who_is_there_and_who_is_not(
    tmp_path: Path, password: bytes, stored: str
) -> None:
    counter = Counter()
    house = throttled(tmp_path, counter, "", person(stored=stored))
    house.check("bob", password)
    house.check("nobody", password)
    assert counter.failures == [("bob", password, IN_FIELD), ("nobody", password, IN_FIELD)]


def test_a_throttle_whose_table_stays_as_it_is_outlives_a_change_of_the_rules(tmp_path: Path) -> None:
    counter = Counter()
    house = throttled(tmp_path, counter, "")
    house.check()
    house.write(rule("it") + "\n[throttle]\n")
    assert (house.decider(), counter.closed) == ("it", 0)
    house.write(rule("it") + "\n[throttle]\nper_user = 3\n")
    assert (house.decider(), counter.closed) == ("it", 1)
