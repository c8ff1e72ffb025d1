"""A rule is called unreachable only if no login whatever is decided by it: compared with the decisions themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from re import DOTALL, escape, fullmatch

from hypothesis import given
from hypothesis import strategies as st

from nwauth.doctor.rules_cover import Cover
from nwauth.doctor.rules_globs import covers, meet
from nwauth.policy.hosts import read_address
from nwauth.policy.reading import read_policy
from nwauth.policy.rules import Login

NOW = datetime(2026, 11, 25, tzinfo=UTC)
STORES = ("files", "people")
NAMES = ("bob@a.com", "temp_1@a.com", "eve@b.com", "temp_2@b.com", "ada", "zoe@c.org")
CLASSES = (("student",), ("staff",), ("student", "staff"), ("default",))
ADDRESSES = (None, "10.0.0.1", "10.0.1.1", "10.2.0.9", "192.0.2.7", "2001:db8::1", "::1")
SERVICES = ("", "pop", "imap", "web", "unknown")
LISTS = '[lists.off]\ndates = ["2026-11-26", "2026-12-24..2026-12-31"]\n'
CONDITIONS = {
    "user": (
        '["*@a.com"]',
        '["bob@a.com"]',
        '["temp_*"]',
        '["*"]',
        '["temp_*@a.com", "ada"]',
        '["*@b.com", "*@?.com"]',
    ),
    "domain": ('["a.com"]', '["b.com", "a.com"]', '["?.com"]', '["*"]'),
    "class": ('["student"]', '["student", "staff"]', '["default"]'),
    "store": ('["files"]', '["people"]', '["files", "people"]'),
    "service": ('["pop"]', '["pop", "imap"]', '["any"]', '["unknown"]', '["any", "unknown"]'),
    "from": (
        '["10.0.0.0/24"]',
        '["10.0.1.0/24"]',
        '["10.0.0.0/23", "unknown"]',
        '["10.0.0.0/8"]',
        '["any"]',
        '["0.0.0.0/1", "128.0.0.0/1"]',
        '["::/0"]',
    ),
    "when": (
        '"Mon-Fri 08:00-12:00"',
        '"Mon-Fri 12:00-24:00"',
        '"weekdays 00:00-13:00"',
        '"Sat-Sun"',
        '"daily"',
        '"Fri 22:00-06:00"',
        '"daily except @off"',
        '"Thu until 2026-11-26"',
        '"daily until 2026-12-10"',
        '"daily from 2026-12-10"',
        '"00:00-12:00, 12:00-24:00"',
    ),
}


def _rule(number: int, conditions: dict[str, str], action: str, mode: str) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in conditions.items())
    return f'[[rule]]\nname = "{number}"\n{action} = true\nmode = "{mode}"\n{lines}'


conditions = st.dictionaries(st.sampled_from(sorted(CONDITIONS)), st.integers(0, 10), max_size=3).map(
    lambda found: {key: CONDITIONS[key][at % len(CONDITIONS[key])] for key, at in found.items()}
)
policies = st.lists(
    st.tuples(conditions, st.sampled_from(["allow", "deny"]), st.sampled_from(["enforce", "enforce", "shadow"])),
    min_size=1,
    max_size=6,
).map(
    lambda rules: (
        '[policy]\nzone = "UTC"\ndefault = "deny"\n'
        + LISTS
        + "".join(_rule(number, *rule) for number, rule in enumerate(rules))
    )
)
logins = [
    Login(
        name=name,
        classes=classes,
        store=store,
        service=service,
        address=None if address is None else read_address(address),
    )
    for name, classes, store, service, address in product(NAMES, CLASSES, STORES, SERVICES, ADDRESSES)
]
INSTANTS = [
    NOW + timedelta(days=day, hours=hour) for day in (0, 1, 2, 3, 4, 15, 17, 30, 38) for hour in (1, 7, 9, 12, 20, 23)
]


@given(policies, st.data())
def test_no_login_is_decided_by_a_rule_that_is_called_unreachable(text: str, data: st.DataObject) -> None:
    policy = read_policy(text.encode(), file="policy.toml")
    cover = Cover(policy, stores=STORES, today=NOW.toordinal())
    found = {policy.rules[at].name: one for at in range(len(policy.rules)) if (one := cover.of_rule(at))}
    by_default = cover.of_default(policy.zone)
    tried = data.draw(st.lists(st.sampled_from(logins), min_size=60, max_size=60)) if found or by_default else []
    for login in tried:
        for instant in INSTANTS:
            decision = policy.decide(login, instant)
            assert decision.rule != "default" or by_default is None
            for name in (decision.rule, *decision.shadowed):
                if name in found:
                    assert found[name][1]  # it may decide where the server says less
                    assert login.address is None or not login.service


patterns = st.text("ab@*?", min_size=1, max_size=6)
names = st.text("ab@c", max_size=6)


def _fits(pattern: str, name: str) -> bool:
    regex = "".join({"*": ".*", "?": "."}.get(character, escape(character)) for character in pattern)
    return fullmatch(regex, name, DOTALL) is not None


@given(patterns, patterns, st.lists(names, max_size=40))
def test_a_pattern_that_covers_another_matches_whatever_it_does(wide: str, narrow: str, tried: list[str]) -> None:
    everything = [*tried, narrow.replace("*", ""), narrow.replace("*", "c"), narrow.replace("?", "c")]
    if covers(wide, narrow):
        assert all(_fits(wide, name) for name in everything if _fits(narrow, name))
    if not meet(wide, narrow):
        assert not any(_fits(wide, name) and _fits(narrow, name) for name in everything)


def test_patterns_are_compared_by_what_they_match() -> None:
    assert covers("*@a.com", "temp_*@a.com")
    assert covers("*@a.com", "bob@a.com") is True
    assert covers("temp_*", "temp_?@*.com")
    assert covers("*a*", "*ba?")
    assert covers("a*b*c", "a*b?c")
    assert covers("**", "*")
    assert not covers("temp_*@a.com", "*@a.com")
    assert not covers("?*", "*")
    assert not covers("*a?", "*a*")
    assert meet("*@a.com", "temp_*")
    assert not meet("*@a.com", "*@b.com")
    assert not meet("bob", "eve")
