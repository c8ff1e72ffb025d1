"""From the text of ``policy.toml`` to a policy, or to all that is wrong with it (spec/policy.md sections 1 and 3)."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.names import fold
from nwauth.policy.faults import Fault, Places
from nwauth.policy.reading import MAX_RULES, BadPolicy, read_policy
from nwauth.policy.rules import CONDITIONS
from nwauth.policy.zones import machine_zone
from tests.policy.test_rules import EXAMPLE, login, rule
from tests.stores.folders import often

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.policy.rules import Policy

FILE = "/etc/mail/policy.toml"
HEAD = '[policy]\ndefault = "allow"\n'
IT = '[[rule]]\nname = "it"\ndeny = true\n'  # lines 3 to 5 behind HEAD
MONDAY = datetime(2026, 6, 15, 12, tzinfo=UTC)


def read(text: str | bytes, *, file: str = FILE) -> Policy:
    return read_policy(text if isinstance(text, bytes) else text.encode(), file=file)


def faults(text: str | bytes) -> list[Fault]:
    """What is wrong with a policy, in the order in which it is told."""
    with pytest.raises(BadPolicy) as caught:
        read(text)
    return caught.value.faults


def fault(text: str | bytes) -> Fault:
    """The one thing that is wrong with it."""
    found = faults(text)
    assert len(found) == 1, [one.line() for one in found]
    return found[0]


def told(text: str | bytes) -> str:
    """The line that tells of the one thing that is wrong, without the file."""
    line = fault(text).line()
    assert line.startswith(f"{FILE}: ")
    return line.removeprefix(f"{FILE}: ")


# --- [policy] --------------------------------------------------------------------------------------------------------


def test_the_example_of_the_specification_is_read() -> None:
    policy = read(EXAMPLE)
    assert (policy.allow, policy.reveal, policy.zone) == (True, False, ZoneInfo("Pacific/Auckland"))
    assert [(one.name, one.action, one.shadow, one.text) for one in policy.rules] == [
        ("no mail in class", "deny", False, "mail is closed in labs during class"),
        ("night shift", "allow", False, ""),
        ("trial of a new rule", "deny", True, ""),
    ]
    assert [sorted(kind) for kind in (policy.lists.dates, policy.lists.hosts, policy.lists.users)] == [
        ["holidays"],
        ["labs"],
        ["staff"],
    ]
    assert policy.throttle is None


def test_the_words_of_a_rule_are_kept_as_they_were_written() -> None:
    first, second, _ = read(EXAMPLE).rules
    assert first.words == {
        "class": ("student",),
        "from": ("@labs",),
        "when": ("Mon-Fri 08:30-12:00, 13:00-17:00 except @holidays",),
    }
    assert second.words["user"] == ("@staff", "*@night.test.com")


@pytest.mark.parametrize("name", [None, "TZ"])
def test_without_a_zone_the_policy_is_in_the_zone_of_the_machine(
    name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name is not None:
        monkeypatch.setenv(name, "Asia/Kathmandu")
        assert str(read(HEAD).zone) == "Asia/Kathmandu"
    assert read(HEAD).zone == machine_zone()


def test_the_zone_holds_for_the_rules_behind_it() -> None:
    policy = read('[policy]\ndefault = "allow"\nzone = "Pacific/Auckland"\n' + rule("it", when="Tue 00:00-01:00"))
    assert not policy.decide(login(), MONDAY).allowed  # it is Tuesday there
    assert policy.decide(login(), MONDAY.replace(hour=13)).allowed


def test_an_unknown_zone_is_pointed_at_and_the_nearest_one_named() -> None:
    assert told('[policy]\ndefault = "allow"\nzone = "Pacific/Aukland"\n') == (
        'line 3: policy.zone: found "Pacific/Aukland", wanted a zone of the IANA list, such as Pacific/Auckland '
        "(did you mean Pacific/Auckland?)"
    )


@pytest.mark.parametrize("text", ["[policy]\n", "[lists.a]\nusers = ['x']\n", rule("it")])
def test_the_default_is_required(text: str) -> None:
    line = told(text)
    assert 'policy.default: found nothing, wanted "allow" or "deny"' in line
    assert ("line 1: " in line) == text.startswith("[policy]")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("default = true", "line 2: policy.default: found true (a boolean), wanted one of allow, deny"),
        ('default = "Allow"', 'line 2: policy.default: found "Allow", wanted one of allow, deny'),
        ('default = "allow"\nreveal = "yes"', 'line 3: policy.reveal: found "yes" (a string), wanted true or false'),
        ('default = "allow"\nzone = 12', "line 3: policy.zone: found 12 (an integer), wanted a string"),
        (
            'default = "allow"\nzones = "UTC"',
            "line 3: policy.zones: unknown key, did you mean zone?",
        ),
    ],
)
def test_a_slip_in_the_head_says_where_what_and_what_is_wanted(text: str, line: str) -> None:
    assert told(f"[policy]\n{text}\n") == line


@pytest.mark.parametrize("text", ["policy = 1\n", "[[policy]]\ndefault = 'allow'\n"])
def test_a_head_that_is_no_table_is_a_fault_like_others(text: str) -> None:
    assert "policy: found" in told(text)


def test_an_unreachable_rule_or_default_is_no_error() -> None:
    policy = read(HEAD + rule("all") + rule("never", user="bob") + rule("nowhere", when="Mon until 2001-01-01"))
    assert policy.decide(login(), MONDAY).rule == "all"


def test_a_class_that_nobody_has_and_a_store_that_there_is_not_are_no_errors() -> None:
    assert read(HEAD + rule("it", class_="nobody's", store="none", domain="nowhere")).decide(login(), MONDAY).allowed


def test_a_policy_says_only_default_allow_and_is_off() -> None:
    policy = read('[policy]\ndefault = "allow"\n')
    assert (policy.allow, policy.rules, policy.asks_hosts) == (True, (), False)
    assert policy.decide(login(), MONDAY).allowed


# --- the file as a whole ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing\n", "\ufeff", "\ufeff# nothing\r\n"])
def test_a_file_that_holds_nothing_is_no_policy_and_the_remedy_is_named(text: str) -> None:
    assert told(text) == (
        'found nothing in it, wanted a policy: to switch the policy off, write default = "allow" alone under [policy]'
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (HEAD + "[[rule\n", "line 3, column "),
        (HEAD + 'default = "deny"\n', "line 3, column 1: found the key default a second time, wanted it once"),
        (HEAD + "[policy]\n", "line 3, column 8: found a table a second time, wanted it once"),
        (HEAD.encode() + b"# caf\xe9\n", "line 3, column 6: found bytes that are no UTF-8"),
        (HEAD + "when = \n", "line 3, column 8: "),
    ],
)
def test_what_is_no_toml_has_line_and_column(text: str | bytes, where: str) -> None:
    assert told(text).startswith(where)


@pytest.mark.parametrize("head", [HEAD, HEAD.replace("\n", "\r\n"), "\ufeff" + HEAD, "\n\n" + HEAD])
def test_line_ends_and_a_byte_order_mark_change_nothing(head: str) -> None:
    assert read(head).allow
    line = fault(head + 'zone = "X"\n').number
    assert line == head.count("\n") + 1


def test_the_table_before_a_mistake_may_be_the_first_of_a_file_with_a_byte_order_mark() -> None:
    assert told('\ufeff[policy]\nzone = "X"\ndefault = "allow"\n').startswith("line 2: policy.zone: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[polcy]\n", "line 3: polcy: unknown key, did you mean policy?"),
        ("[[rules]]\nname = 'x'\n", "line 3: rules: unknown key, did you mean rule?"),
        ("[policy.more]\n", "line 3: policy.more: unknown key, wanted one of default, reveal, zone"),
        (IT + "user_ = 'x'\n", "line 6: rule[0].user_: unknown key, did you mean user?"),
        (IT + "[[test]]\nuser = 'bob'\nexpect = 'allow'\nadress = '::1'\n", "line 9: test[0].adress: unknown key, "),
        ("[lists.a]\nuser = ['bob']\n", "line 4: lists.a.user: unknown key, did you mean users?"),
        ("[throttle]\nper_usr = 3\n", "line 4: throttle.per_usr: unknown key, did you mean per_user?"),
    ],
)
def test_an_unknown_key_is_a_fault_and_the_nearest_known_one_is_named(text: str, line: str) -> None:
    assert told(HEAD + text).startswith(line)


@pytest.mark.parametrize(
    "key", ['"a].b"', '"\\u001b[31m"', '"]"', '"a: b"', '"\\u0000"', '""', '"a.b"', '"[x]"', '"é"', '"]]"', "'\"'"]
)
def test_an_unknown_key_may_be_spelled_as_it_likes(key: str) -> None:
    for text in (f"{key} = 1\n{HEAD}", f"{HEAD}{key} = 1\n", f"{HEAD}{IT}{key} = 1\n", f"{HEAD}[lists.{key}]\n"):
        line = fault(text).line()
        assert "unknown key" in line or "found nothing, wanted dates" in line
        assert line.isprintable()


@pytest.mark.parametrize("key", ["rule", "test"])
@pytest.mark.parametrize("value", ["1", "{}", '"x"', "[1]"])
def test_rules_and_tests_are_arrays_of_tables(key: str, value: str) -> None:
    assert told(f"{key} = {value}\n{HEAD}").startswith(f"line 1: {key}: found ")


@pytest.mark.parametrize("key", ["lists", "throttle", "lists.labs"])
def test_lists_and_the_throttle_are_tables(key: str) -> None:
    assert told(f"{key} = 1\n{HEAD}").startswith(f"line 1: {key}: found 1 (an integer), wanted a table")


def test_there_may_be_so_many_rules_and_no_more() -> None:
    rules = "".join(f'[[rule]]\nname="{number}"\nallow=true\n' for number in range(MAX_RULES + 1))
    assert told(HEAD + rules) == f"line 3: rule: found {MAX_RULES + 1} rules, wanted {MAX_RULES} at most"


# --- all faults are told ---------------------------------------------------------------------------------------------


def places(text: str) -> list[tuple[int | None, str]]:
    return [(one.number, one.place) for one in faults(text)]


def test_all_faults_are_told_and_not_the_first_alone() -> None:
    text = """[policy]
zone = "Mars"
[lists.labs]
hosts = ["10.20.0.1/16"]
[lists.holidays]
dates = ["2026-02-30"]
[[rule]]
name = "one"
deny = true
when = "Mon 25:00-26:00"
[[rule]]
name = "good"
deny = true
[[rule]]
name = "two"
allow = true
from = ["localhost"]
[throttle]
per_user = "many"
[[test]]
user = "bob"
expect = "maybe"
[other]
"""
    found = places(text.replace("[policy]\n", '[policy]\ndefault = "allow"\n'))
    assert [(number and number - 1, place) for number, place in found] == [
        (2, "policy.zone"),
        (4, "lists.labs.hosts"),
        (6, "lists.holidays.dates"),
        (10, "rule[0].when"),
        (17, "rule[2].from"),
        (19, "throttle.per_user"),
        (22, "test[0].expect"),
        (23, "other"),
    ]


def test_every_unknown_key_is_told() -> None:
    text = '[policy]\ndefault = "allow"\nfoo = 1\nbar = 2\n[throttle]\nbaz = 3\n[qux]\n'
    assert sorted(places(text)) == [(3, "policy.foo"), (4, "policy.bar"), (6, "throttle.baz"), (7, "qux")]


def test_every_fault_of_one_rule_is_told() -> None:
    text = HEAD + IT + 'when = "Mon-Xyz"\nfrom = "10.0.0.1/8"\nfoo = 1\n'
    assert sorted(places(text)) == [(6, "rule[0].when"), (7, "rule[0].from"), (8, "rule[0].foo")]


def test_a_fault_in_a_list_is_told_once_and_not_again_by_who_uses_it() -> None:
    for entry, use in (
        ("hosts = ['10.20.0.1/16']", "from = '@labs'"),
        ("dates = ['2026-02-30']", "when = 'Mon except @labs'"),
        ("users = 1", "user = '@labs'"),
    ):
        assert places(f"{HEAD}[lists.labs]\n{entry}\n{IT}{use}\n") == [(4, "lists.labs." + entry[:5])]


def test_a_fault_in_one_list_hides_no_other_list() -> None:
    text = f"lists.foo = 1\n{HEAD}"
    assert places(f"{text}[lists.labs]\nhosts = ['10.0.0.1']\n{IT}from = '@labs'\n") == [(1, "lists.foo")]


def test_a_fault_in_the_throttle_makes_no_other_key_of_it_unknown() -> None:
    text = HEAD + '[throttle]\nwindow_seconds = "x"\nper_user = 3\nexempt = ["10.0.0.0/8"]\n'
    assert places(text) == [(4, "throttle.window_seconds")]


def test_the_text_of_the_error_is_the_first_fault_and_how_many_more_there_are() -> None:
    for rules, tail in (
        (1, ""),
        (2, " (and 1 more: nwauth policy check shows it)"),
        (3, " (and 2 more: nwauth policy check shows them)"),
    ):
        text = HEAD + "".join(f'[[rule]]\nname = "{number}"\n' for number in range(rules))
        with pytest.raises(BadPolicy) as caught:
            read(text)
        assert str(caught.value) == (
            f"{FILE}: line 3: rule[0].allow: found neither, wanted either allow = true or deny = true{tail}"
        )


# --- faults that point -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "column", "found"),
    [
        ("Mon-Fri 08:30-12:00, Tue 13:00", 21, 'found "Tue", wanted times behind a comma: write ";" before'),
        ("Mon 08:00-08:00", 4, "found a span that ends where it starts, wanted 00:00-24:00 for a whole day"),
        ("Mon except @nodays", 11, 'found "@nodays", wanted a list of dates (there is @holidays)'),
        ("Mon in Mars/Base", 7, 'found "Mars/Base", wanted a zone of the IANA list'),
        ("Mon from 2026-02-30", 9, 'found "2026-02-30", wanted a date such as'),
        ("", 0, "found the end, wanted days (Mon-Fri), times (08:30-17:00)"),
        ("Mon\\tFoo", 4, 'found "Foo", wanted '),
    ],
)
def test_a_fault_in_hours_points_with_file_line_key_column_and_caret(when: str, column: int, found: str) -> None:
    one = fault(f'{HEAD}[lists.holidays]\ndates = ["2026-06-15"]\n{IT}when = "{when}"\n')
    assert (one.file, one.number, one.place, one.column) == (FILE, 8, "rule[0].when", column)
    assert one.line().startswith(f"{FILE}: line 8: rule[0].when: column {column + 1}: {found}")
    line, value, caret = one.lines()
    assert line == one.line()
    assert value == "    " + when.replace("\\t", "?")
    assert caret == "    " + " " * column + "^"


def test_hours_over_several_lines_are_pointed_at_in_one() -> None:
    one = fault(HEAD + IT + 'when = """\nMon-Fri 08:30-12:00,\n  Tue 13:00"""\n')
    _, value, caret = one.lines()
    assert value[caret.index("^")] == "T"


def test_a_fault_elsewhere_has_no_column() -> None:
    one = fault(HEAD + IT + "from = 'localhost'\n")
    assert one.column is None
    assert one.lines() == [one.line()]


@pytest.mark.parametrize(
    "spelled",
    [
        "[[rule]]\nname = 'it'\ndeny = true\nfrom = 'x'",
        "[[ rule ]]\n  name = 'it'\n  deny = true\n  from   = 'x'  # here",
        '[["rule"]]\nname = "it"\n"deny" = true\n\'from\' = "x"',
        "[[rule]] # 1\nname = 'it' # from = 'y'\ndeny = true\nfrom='x'",
    ],
)
def test_a_key_is_found_on_its_line_however_it_is_spelled(spelled: str) -> None:
    assert told(HEAD + spelled + "\n").startswith("line 6: rule[0].from: found x, wanted an address")


def test_each_of_several_rules_is_counted_from_nought_and_found_on_its_line() -> None:
    text = HEAD + "".join(
        f'[[rule]]\nname = "{number}"\n{action} = true\n\n' for number, action in enumerate(("allow", "deny"))
    )
    assert told(f"{text}[[rule]]\nname = 'x'\ndeny = 1\n") == (
        "line 13: rule[2].deny: found 1 (an integer), wanted true or false"
    )


def test_an_entry_of_an_array_over_several_lines_is_told_on_the_line_of_its_key() -> None:
    one = fault(HEAD + IT + 'from = [\n  "10.0.0.0/8",  # labs = old\n  7,\n]\n')
    assert (one.number, one.place) == (6, "rule[0].from[1]")
    assert one.text == "found 7 (an integer), wanted a string"


def test_what_lacks_is_told_on_the_line_of_its_table() -> None:
    assert told(HEAD + IT + "[[rule]]\ndeny = true\n").startswith("line 6: rule[1].name: found nothing, wanted a name")


def test_tables_within_lines_are_found_as_near_as_can_be() -> None:
    rules = 'rule = [\n  { name = "one", deny = true },\n  { name = "two" },\n]\n'
    text = f'{rules}lists = {{ a = {{ hosts = ["x"] }} }}\n{HEAD}'
    assert [(one.number, one.place) for one in faults(text)] == [(1, "rule[1].allow"), (5, "lists.a.hosts")]


# --- [lists] ---------------------------------------------------------------------------------------------------------


def test_a_list_holds_something() -> None:
    assert told(f"{HEAD}[lists.a]\n") == (
        "line 3: lists.a.hosts: found nothing, wanted dates = [...], hosts = [...] or users = [...] in a list"
    )
    for key in ("dates", "hosts", "users"):
        line = told(f"{HEAD}[lists.a]\n{key} = []\n")
        assert line.startswith(f"line 4: lists.a.{key}: found an empty list, wanted entries")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "dates = ['2026-13-01']",
            'lists.a.dates: found "2026-13-01", wanted a date such as 2027-01-31, or 2026-12-25',
        ),
        (
            "dates = ['2027-01-05..2026-12-25']",
            'lists.a.dates: found "2027-01-05..2026-12-25", wanted the earlier date',
        ),
        ("dates = [2026-12-25]", "lists.a.dates[0]: found 2026-12-25 (a date), wanted a string"),
        ("dates = 2026-12-25", "lists.a.dates: found 2026-12-25 (a date), wanted an array of strings"),
        ("hosts = ['10.1.*.3']", "lists.a.hosts: found 10.1.*.3, wanted an address, a network"),
        ("hosts = ['@b']", 'lists.a.hosts: found "@b", wanted no list within a list'),
        ("users = ['bob', 3]", "lists.a.users[1]: found 3 (an integer), wanted a string"),
        ("users = ['bob', '@b']", "lists.a.users"),
        ("users = ['bob', ' ']", "lists.a.users"),
    ],
)
def test_a_list_that_cannot_be_used_is_a_fault_also_where_no_rule_names_it(text: str, found: str) -> None:
    assert told(f"{HEAD}[lists.a]\n{text}\n").startswith(f"line 4: {found}")


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ("from = '@staf'", 'rule[0].from: found "@staf", wanted a list that there is (@labs)'),
        ("from = '@staff'", 'rule[0].from: found "@staff", wanted a list that there is (@labs)'),
        ("user = '@labs'", 'rule[0].user: found "@labs", wanted a list that there is (@staff)'),
        ("user = '@test.com'", "all users of a domain are *@test.com"),
        ("when = 'Mon except @staff'", 'rule[0].when: column 12: found "@staff", wanted a list of dates'),
        ("from = '@'", 'rule[0].from: found "@", wanted a list'),
        ("class = '@staff'", 'rule[0].class: found "@staff", wanted a whole name: no wildcards nor lists here'),
        ("store = '@staff'", 'rule[0].store: found "@staff"'),
        ("service = '@staff'", 'rule[0].service: found "@staff"'),
        ("domain = '@staff'", 'rule[0].domain: found "@staff"'),
        ("domain = '@test.com'", 'rule[0].domain: found "@test.com"'),
    ],
)
def test_a_list_that_there_is_not_is_a_fault_that_names_those_there_are(use: str, found: str) -> None:
    text = f"{HEAD}[lists.staff]\nusers = ['bob']\n[lists.labs]\nhosts = ['10.0.0.1']\n{IT}{use}\n"
    one = fault(text)
    assert (one.number, found in one.line()) == (10, True), one.line()


def test_two_lists_of_one_folded_name_are_a_fault() -> None:
    text = "[lists.Labs]\nhosts = ['10.0.0.1']\n[lists.labs]\nhosts = ['10.0.0.2']\n"
    assert "second time" in told(HEAD + text)


def test_a_list_may_be_named_in_any_case_of_letters_and_stand_behind_its_rule() -> None:
    policy = read(f"{HEAD}{IT}from = '@LABS'\n[lists.Labs]\nhosts = ['10.0.0.1']\n")
    assert not policy.decide(login(address="10.0.0.1"), MONDAY).allowed
    assert policy.decide(login(address="10.0.0.2"), MONDAY).allowed


# --- [[rule]] --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("default", "a name of its own in plain words"),
        ("Throttle", "a name of its own in plain words"),
        ("MAILSTATUS", "a name of its own in plain words"),
        ("valid_from", "a name of its own in plain words"),
        ("valid_until", "a name of its own in plain words"),
        ("ip_mask", "a name of its own in plain words"),
        (" ", "a name of its own in plain words"),
        ("", "a name of its own in plain words"),
        ("a\\nb", "a name of its own in plain words"),
        ("a\\u001b[31mb", "a name of its own in plain words"),
        ("ONE", "a name for each rule"),
        ("one", "a name for each rule"),
    ],
)
def test_a_rule_has_a_name_that_can_be_told_from_all_others(name: str, wanted: str) -> None:
    line = told(HEAD + '[[rule]]\nname = "one"\nallow = true\n' + f'[[rule]]\nname = "{name}"\ndeny = true\n')
    assert line.startswith("line 7: rule[1].name: found ")
    assert line.endswith(f"wanted {wanted}")


@pytest.mark.parametrize(
    "action", ["", "allow = false", "deny = false", "allow = true\ndeny = true", "allow = true\ndeny = false"]
)
def test_a_rule_either_allows_or_denies(action: str) -> None:
    text = f"{HEAD}[[rule]]\nname = 'it'\n{action}\n"
    assert re.search(r"rule\[0\]\.allow: found .+, wanted either allow = true or deny = true$", told(text))


@pytest.mark.parametrize("action", ["allow", "deny"])
@pytest.mark.parametrize("value", ["1", '"true"', '"yes"'])
def test_an_action_is_true_without_quotes(action: str, value: str) -> None:
    assert f"rule[0].{action}: found " in told(f"{HEAD}[[rule]]\nname = 'it'\n{action} = {value}\n")


@pytest.mark.parametrize("condition", CONDITIONS[:-1])
@pytest.mark.parametrize(
    ("value", "found"), [("[]", "list"), ("['']", "entry"), ("[' ']", "entry"), ("''", "entry"), ("['x', '']", "entry")]
)
def test_an_empty_condition_is_a_fault_since_nobody_could_tell_what_it_means(
    condition: str, value: str, found: str
) -> None:
    value = value.replace("x", "10.0.0.1" if condition == "from" else "x")
    assert told(f"{HEAD}{IT}{condition} = {value}\n") == (
        f"line 6: rule[0].{condition}: found an empty {found}, wanted entries (what always holds is left out)"
    )


@pytest.mark.parametrize("condition", CONDITIONS[:-1])
def test_a_condition_is_a_string_or_an_array_of_strings(condition: str) -> None:
    for value in ("1", "true", "{ x = 1 }", "[1]", "[['x']]"):
        assert f"rule[0].{condition}" in told(f"{HEAD}{IT}{condition} = {value}\n")
    entry = "10.0.0.1" if condition == "from" else "x"
    one, several = (read(f"{HEAD}{IT}{condition} = {value}\n").rules[0] for value in (f"'{entry}'", f"['{entry}']"))
    assert one == several


def test_blanks_round_an_entry_mean_nothing() -> None:
    lists = "[lists.a]\nusers = [' bob ']\nhosts = [' 10.0.0.1 ']\n"
    who = login("bob@test.com", "student", address="10.0.0.1", service="pop")
    for condition in (
        "user = ' bob@test.com '",
        "class = ' student '",
        "domain = ' test.com '",
        "store = ' files '",
        "service = ' pop '",
        "from = ' 10.0.0.1 '",
        "when = ' Mon '",
        "from = ' @a '",
    ):
        assert read(f"{HEAD}{lists}{IT}{condition}\n").decide(who, MONDAY).rule == "it", condition
    assert read(f"{HEAD}{lists}{IT}user = '@a'\n").decide(login("bob"), MONDAY).rule == "it"


@pytest.mark.parametrize("condition", ["class", "store", "service"])
@pytest.mark.parametrize("value", ["stud*", "?", "@staff"])
def test_names_that_take_no_wildcards_refuse_them(condition: str, value: str) -> None:
    assert told(f"{HEAD}{IT}{condition} = ['x', '{value}']\n") == (
        f'line 6: rule[0].{condition}: found "{value}", wanted a whole name: no wildcards nor lists here'
    )


@pytest.mark.parametrize("mode", ['"Shadow"', '"off"', "true", '""'])
def test_a_mode_is_enforce_or_shadow(mode: str) -> None:
    assert told(f"{HEAD}{IT}mode = {mode}\n").endswith("wanted one of enforce, shadow")


@pytest.mark.parametrize("text", ["x" * 100, "é" * 50, "two\\nlines", "\\u0000", "bell\\u0007"])
def test_a_text_is_one_line_of_less_than_100_bytes(text: str) -> None:
    assert told(f'{HEAD}{IT}text = "{text}"\n').endswith("wanted one line of less than 100 bytes")


def test_a_text_may_have_99_bytes() -> None:
    assert read(f'{HEAD}{IT}text = "{"é" * 49}x"\n').rules[0].text == "é" * 49 + "x"


@pytest.mark.parametrize("key", ["name", "text", "mode", "when", "user", "zone"])
def test_no_value_is_read_from_a_file_or_from_the_environment(key: str, tmp_path: Path) -> None:
    """Such a file is not watched, and its content might be a secret that is told to users."""
    secret = tmp_path / "secret"
    for content in (b"bob", b"\xff\xfe"):
        secret.write_bytes(content)
        secret.chmod(0o600)
        value = f'{{ file = "{secret}" }}'
        text = {"name": IT.replace('"it"', value), "zone": ""}.get(key, f"{IT}{key} = {value}\n")
        head = f"{HEAD}zone = {value}\n" if key == "zone" else HEAD
        assert f".{key}: found a table, wanted " in told(head + text)
    assert read(HEAD + IT + 'text = "${PATH}"\n').rules[0].text == "${PATH}"


# --- section 3: hosts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "corrected"),
    [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("192.168.7.10/24", "192.168.7.0/24"),
        ("10.0.0.1/255.0.0.0", "10.0.0.0/8"),
        ("2001:db8:20::1/48", "2001:db8:20::/48"),
        ("0.0.0.1/0", "0.0.0.0/0"),
    ],
)
def test_host_bits_are_an_error_whose_message_shows_the_corrected_value(entry: str, corrected: str) -> None:
    for text in (f"{IT}from = ['10.0.0.1', '{entry}']\n", f"{IT}[lists.a]\nhosts = ['{entry}']\n"):
        line = told(HEAD + text)
        assert line.endswith(f"found {entry}, which has host bits set, wanted {corrected}")
    assert f"wanted {corrected}" in told(f"{HEAD}[throttle]\nexempt = ['{entry}']\n")
    assert read(f"{HEAD}{IT}from = '{corrected}'\n").asks_hosts


@pytest.mark.parametrize(
    "entry",
    ["localhost", "mail.test.com", "10.0.0.256", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "10..1", "1-2-3", "10.*.1"],
)
def test_what_names_no_hosts_is_an_error_and_no_name_is_looked_up(entry: str) -> None:
    line = told(f"{HEAD}{IT}from = ['{entry}']\n")
    assert line.startswith(f"line 6: rule[0].from: found {entry}, wanted ")


@pytest.mark.parametrize(
    "entry", ["0\\u001f0", "10.0.0.1\\n10.0.0.2", "\\u001b[2J", "10.0.0.\\u0661", "\\u202e10.0.0.1"]
)
def test_what_does_not_print_is_told_in_letters_that_do(entry: str) -> None:
    for text in (f'{IT}from = ["{entry}"]\n', f'[lists.a]\nhosts = ["{entry}"]\n'):
        assert told(HEAD + text).isprintable()


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.0/8", "10.0.0.1", "2001:db8::1", "10.0.0.1-10.0.0.9", "10.1.*", "any", "unknown", "ANY", "fe80::1%eth0"],
)
def test_each_form_of_hosts_is_read(entry: str) -> None:
    assert read(f"{HEAD}{IT}from = ['{entry}']\n").rules[0].hosts is not None


# --- [[test]] --------------------------------------------------------------------------------------------------------


def test_the_tests_of_an_administrator_are_read() -> None:
    first, second = read(
        f"""{HEAD}{IT}
[[test]]
user = "bob@test.com"
from = "10.20.0.1"
service = "POP"
at = "Mon 09:00"
expect = "deny"
rule = "it"
[[test]]
class = ["Student", "pupil"]
from = "unknown"
expect = "allow"
rule = "default"
"""
    ).trials
    assert (first.place, first.user, first.classes, first.address) == ("test[0]", "bob@test.com", (), (4, 0x0A140001))
    assert (first.service, first.at, first.allow, first.rule) == ("pop", "Mon 09:00", False, "it")
    assert (second.place, second.user, second.classes, second.address) == ("test[1]", "", ("student", "pupil"), None)
    assert (second.service, second.at, second.allow, second.rule) == ("", "", True, "default")


@pytest.mark.parametrize("rule_name", ["it", "default", "throttle", "mailstatus", "valid_from", "valid_until"])
def test_a_test_may_name_a_rule_or_what_else_decides(rule_name: str) -> None:
    text = f"{HEAD}{IT}[[test]]\nuser = 'bob'\nexpect = 'deny'\nrule = '{rule_name}'\n"
    assert read(text).trials[0].rule == rule_name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("user = 'bob'", 'line 6: test[0].expect: found nothing, wanted "allow" or "deny"'),
        ("user = 'bob'\nexpect = 'no'", 'line 8: test[0].expect: found "no", wanted one of allow, deny'),
        ("expect = 'deny'", "line 6: test[0].user: found neither, wanted either user = ... or class = ..."),
        (
            "user = 'b'\nclass = 'c'\nexpect = 'deny'",
            "line 7: test[0].user: found both, wanted either user = ... or class = ...",
        ),
        ("user = 'b'\nexpect = 'deny'\nfrom = '@labs'", 'line 9: test[0].from: found "@labs", wanted an address, or'),
        ("user = 'b'\nexpect = 'deny'\nfrom = 'any'", 'line 9: test[0].from: found "any", wanted an address, or "unkn'),
        ("user = 'b'\nexpect = 'deny'\nat = 'soon'", 'line 9: test[0].at: found "soon", wanted a time such as '),
        ("user = 'b'\nexpect = 'deny'\nrule = 'that'", 'line 9: test[0].rule: found "that", wanted the name of a rule'),
    ],
)
def test_a_test_that_asks_for_what_cannot_be_is_a_fault(text: str, line: str) -> None:
    assert told(f"{HEAD}{IT}[[test]]\n{text}\n").startswith(line)


@pytest.mark.parametrize("at", ["2026-09-27 02:30", "02:30", "Sun 02:30", "2026-09-27T02:30:00+13:00"])
def test_no_change_of_the_clock_makes_a_file_bad_that_was_good_the_day_before(at: str) -> None:
    """In Auckland the clock skips that time on that Sunday; where a test runs, it is told then."""
    test = f"[[test]]\nuser = 'bob'\nexpect = 'allow'\nat = '{at}'\n"
    assert read(f'{HEAD}zone = "Pacific/Auckland"\n{test}').trials[0].at == at


# --- whatever stands in the file -------------------------------------------------------------------------------------

KEYS = [
    "policy", "default", "zone", "reveal", "lists", "rule", "test", "throttle", "name", "allow", "deny", "mode", "text",
    "dates", "hosts", "users", "expect", "at", "rule", "per_user", "exempt", "window_seconds", "file", *CONDITIONS,
]  # fmt: skip
WORDS = [
    "allow", "deny", "@a", "*", "10.0.0.0/8", "10.0.0.1/8", "Mon", "Mon except @a", "shadow", "UTC", "2026-06-15",
    "$${", "unknown", "any", "${HOME}", "Mon 09:00-09:00", "Fri 23:30", "default", "]", "a].b", "2026-06-15T12:00:00Z",
]  # fmt: skip


def quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() or c in " @*.:/-[]_{}$" else f"\\U{ord(c):08x}" for c in text) + '"'


strings = (st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)).map(quoted)
keys = st.sampled_from(KEYS) | strings
plain = strings | st.sampled_from(["true", "false", "1", "-1", "1.5", "nan", "2026-06-15", "08:30:00", "9" * 30])
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(keys, inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key} = {value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=6,
)
headers = st.sampled_from(["[policy]", "[[rule]]", "[[test]]", "[throttle]", "[lists.a]", "[lists]"]) | keys.map(
    lambda key: f"[lists.{key}]"
)
tables = st.tuples(headers, st.dictionaries(keys, values, max_size=5)).map(
    lambda parts: parts[0] + "\n" + "".join(f"{key} = {value}\n" for key, value in parts[1].items())
)


def faults_if_any(text: str | bytes) -> list[Fault]:
    """What is wrong with it; where nothing is, it has been asked once."""
    try:
        policy = read(text)
    except BadPolicy as error:
        return error.faults or [Fault(file="", text="")]
    policy.decide(login(), MONDAY)
    policy.steps(login(), MONDAY)
    return []


@settings(max_examples=often(300, 800))
@given(text=st.lists(tables, max_size=6).map("".join), head=st.sampled_from(["", HEAD]))
def test_whatever_stands_in_the_file_it_is_a_policy_or_a_bad_one_and_never_a_bug(text: str, head: str) -> None:
    for one in faults_if_any(head + text):
        assert one.file == FILE
        assert one.text
        assert all(line.isprintable() for line in one.lines())


@settings(max_examples=often(300, 800))
@given(content=st.binary(max_size=60), head=st.sampled_from([b"", HEAD.encode(), EXAMPLE.encode()]))
def test_whatever_bytes_stand_in_the_file_it_is_a_policy_or_a_bad_one(content: bytes, head: bytes) -> None:
    for text in (head + content, content + head):
        assert all(one.text for one in faults_if_any(text))


@settings(max_examples=often(100, 500))
@given(cut=st.integers(0, len(EXAMPLE)))
def test_a_file_that_is_cut_at_any_place_is_never_read_as_a_rule_that_it_does_not_hold(cut: int) -> None:
    """A half-written file may lack its last rules; it never holds a changed one, but one whose last lines lack."""
    whole = read(EXAMPLE)
    try:
        policy = read(EXAMPLE[:cut])
    except BadPolicy:
        return
    assert [one.name for one in policy.rules] == [one.name for one in whole.rules][: len(policy.rules)]
    for part, full in zip(policy.rules[:-1], whole.rules, strict=False):
        assert part == full


def test_a_value_of_each_type_of_toml_is_refused_in_words_for_each_key() -> None:
    kinds: dict[str, Any] = {
        "08:30:00": "time",
        "2026-06-15": "date",
        "2026-06-15T08:30:00": "date and time",
        "1.5": "",
        "{}": "table",
        "[1]": "",
    }
    for value in kinds:
        assert tomllib.loads(f"x = {value}")
        line = told(f"{HEAD}{IT}when = {value}\n")
        assert line.startswith("line 6: rule[0].when: found ")
        assert line.endswith(", wanted a string")


# --- places ----------------------------------------------------------------------------------------------------------


def test_a_place_that_is_nowhere_has_no_line() -> None:
    places = Places("[policy]\n")
    for place in ("", "rule", "rule[3].x", "]", "a].b", "[", "x[", "policy]", "lists.x].hosts", '"].".'):
        assert places.line_of(place) is None, place
    assert places.line_of("policy.zone") == 1


def test_folded_names_are_compared_in_one_spelling() -> None:
    assert fold("E\u0301") == "\u00e9"
    assert "second time" in told(
        HEAD + '[[rule]]\nname = "E\u0301"\nallow = true\n[[rule]]\nname = "\u00e9"\ndeny = true\n'
    )
