"""What ``nwauth doctor``, and ``nwauth policy check``, find in the access rules."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nwauth.doctor import CANNOT_TELL
from tests.commands.common import COMMAND, environment
from tests.doctoring import SECRET, Site

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.doctor import Finding

HEAD = '[policy]\nzone = "UTC"\ndefault = "deny"\n'
ADDRESS = '[server]\naddress = "always"\n'
OTHER_OWNER = 12345


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.toml.write_text(made.toml.read_text() + ADDRESS)
    people(made, bob="student", eve="staff")
    return made


def people(site: Site, **classes: str) -> None:
    """Users with classes, in a file that has not just been written."""
    info = {name: f'mailaccess="{text}"' if text else "" for name, text in classes.items()}
    site.txt.write_text("".join(f"{name}:{SECRET}:{text}\n" for name, text in info.items()))
    site.txt.chmod(0o600)


def rule(name: str, action: str = "allow", **conditions: str) -> str:
    """A rule; conditions are TOML, ``from_`` is from."""
    lines = "".join(f"{key.rstrip('_')} = {value}\n" for key, value in conditions.items())
    return f'[[rule]]\nname = "{name}"\n{action} = true\n{lines}'


def policy(site: Site, *rules: str, head: str = HEAD) -> list[Finding]:
    """What is found with these rules."""
    path = site.folder / "policy.toml"
    path.write_text(head + "".join(rules))
    path.chmod(0o600)
    return site.look()


def kinds(found: list[Finding]) -> list[str]:
    return [one.id for one in found]


def only(found: list[Finding], kind: str) -> Finding:
    assert kinds(found) == [kind], found
    return found[0]


# --- the file --------------------------------------------------------------------------------------------------------


def test_without_a_policy_file_there_is_nothing_to_say(site: Site) -> None:
    assert site.look() == []


def test_sound_rules_are_no_finding(site: Site) -> None:
    assert (
        policy(site, rule("a", class_='["student"]'), rule("b", class_='["staff"]', when='"Mon-Fri 08:00-18:00"')) == []
    )


def test_every_fault_of_the_file_is_told_with_the_line_the_key_and_a_caret(site: Site) -> None:
    text = rule("a", when='"Mon-Fri 8:30-12:00"') + rule("b", sevice='"pop"') + rule("c", from_='["10.0.0.7/8"]')
    found = policy(site, text)
    assert kinds(found) == ["rule-error"] * 3
    assert [one.line for one in found] == [7, 11, 15]
    assert "line 7: rule[0].when: column 9: " in found[0].what
    assert found[0].shown == ("    Mon-Fri 8:30-12:00", "            ^")
    assert "did you mean service?" in next(one.what for one in found if one.line == 11)
    assert "10.0.0.0/8" in next(one.what for one in found if one.line == 15)
    assert "every login -DEAD" in found[0].why


def test_that_the_last_good_rules_are_in_force_is_told(site: Site) -> None:
    policy(site, rule("a", class_='["student"]'))
    served = subprocess.run(
        [*COMMAND, "-path", str(site.folder)],
        input=b"check bob secret 192.0.2.7\n",
        capture_output=True,
        env=environment(),
        check=True,
        timeout=60,
    )
    assert served.stdout.startswith(b"+OK"), served
    found = policy(site, "broken")
    assert only(found, "rule-error").why.startswith("The last good rules stay in force, not these")
    (site.folder / "policy.toml").unlink()
    gone = only(site.look(), "rule-error")
    assert "is not there" in gone.what
    assert 'default = "allow" alone' in gone.mend


def test_a_policy_that_is_named_must_be_there(site: Site) -> None:
    site.toml.write_text(site.toml.read_text() + '[policy]\nfile = "other.toml"\n')
    assert "other.toml: is not there" in only(site.look(), "rule-error").what


def test_what_is_no_file_of_rules_is_told(site: Site) -> None:
    path = site.folder / "policy.toml"
    path.mkdir()
    assert only(site.look(), "rule-error").what == f"{path}: cannot be read: Is a directory"
    path.rmdir()
    os.mkfifo(path)
    assert "it is no plain file" in only(site.look(), "rule-error").what
    path.unlink()
    path.write_text(HEAD + "# more\n" * 700_000)
    assert "it is longer than" in only(site.look(), "rule-error").what
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert only(site.look(), "nobody-may-log-in").line == 3
    path.write_text('rule = [{ name = "a", allow = true, class = "none" }]\npolicy.default = "deny"\n')
    assert only(site.look(), "class-nobody-has").line in (None, 1)


def test_a_file_that_others_can_change_is_told_and_closed_as_the_finding_says(site: Site) -> None:
    policy(site, rule("a"))
    path = site.folder / "policy.toml"
    path.chmod(0o666)
    site.folder.chmod(0o755)
    one = site.found("open-to-others", among=True)
    assert "policy.toml" in one.what
    site.type(one.mend)
    assert site.is_gone("open-to-others")
    assert os.stat(path).st_mode & 0o777 == 0o664


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_owner_is_told(site: Site) -> None:
    policy(site, rule("a", class_='"student"'))
    os.chown(site.folder / "policy.toml", OTHER_OWNER, -1)
    one = only(site.look(), "another-owner")
    assert one.why == "Whoever owns it decides who may log in."
    site.type(one.mend)
    assert site.look() == []


# --- rules that never decide -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "last"),
    [
        ([{}], {"class_": '"student"'}),
        ([{"class_": '["student", "staff"]'}], {"class_": '"student"', "when": '"Mon 08:00-09:00"'}),
        ([{"user": '"*@test.com"'}], {"user": '["temp_*@test.com", "bob@test.com"]'}),
        ([{"domain": '"test.com"'}], {"user": '"*@test.com"'}),
        ([{"user": '"*@test.com"'}], {"domain": '"test.com"'}),
        ([{"from_": '["10.0.0.0/9"]'}, {"from_": '["10.128.0.0/9"]'}], {"from_": '["10.0.0.0/8"]'}),
        ([{"from_": '["10.0.0.0/9"]'}, {"from_": '["10.128.0.0-10.200.0.0"]'}], {"from_": '["10.120.0.0-10.150.0.0"]'}),
        ([{"when": '"Mon-Wed"'}, {"when": '"Thu-Sun"'}], {"class_": '"student"'}),
        ([{"when": '"Fri 20:00-24:00"'}, {"when": '"Sat 00:00-07:00"'}], {"when": '"Fri 22:00-06:00"'}),
        ([{"when": '"daily until 2098-12-31"'}, {"when": '"daily from 2099-01-01"'}], {"when": '"Mon"'}),
        (
            [{"when": '"Mon"', "service": '"pop"'}, {"service": '"imap"'}],
            {"when": '"Mon"', "service": '["imap", "pop"]'},
        ),
        ([{"store": '"flatfile"'}], {"class_": '"student"'}),
        ([{"class_": '"student"'}, {"class_": '"staff"'}], {"class_": '["student", "staff"]'}),
        ([{"when": '"Mon 08:00-12:00"'}], {"when": '"Mon 08:00-12:00 except @off"'}),
    ],
)
def test_a_rule_that_earlier_ones_cover_is_told(
    site: Site, earlier: list[dict[str, str]], last: dict[str, str]
) -> None:
    people(site, **{"bob": "student", "eve": "staff", "temp_1@test.com": "", "bob@test.com": ""})
    lists = HEAD + '[lists.off]\ndates = ["2098-12-22"]\n'
    rules = [rule(f"r{number}", **conditions) for number, conditions in enumerate(earlier)]
    found = policy(site, *rules, rule("last", "deny", **last), head=lists)
    told = [one for one in found if one.id == "rule-unreachable" and '"last"' in one.what]
    assert len(told) == 1, found
    assert all(f'"r{number}" (line ' in told[0].what for number in range(len(earlier)))
    assert ("together cover" in told[0].what) == (len(earlier) > 1)


@pytest.mark.parametrize(
    ("earlier", "last"),
    [
        ([{"class_": '"student"'}], {}),
        ([{"user": '"bob"'}], {"user": '"b*"'}),
        ([{"from_": '["10.0.0.0/9"]'}, {"from_": '["10.128.0.1-10.255.255.255"]'}], {"from_": '["10.0.0.0/8"]'}),
        ([{"from_": '["0.0.0.0/0"]'}], {"class_": '"student"'}),
        ([{"when": '"Mon-Fri"'}], {"when": '"Fri 22:00-06:00"'}),
        ([{"when": '"Mon 08:00-12:00 except @off"'}], {"when": '"Mon 08:00-12:00"'}),
        ([{"when": '"Mon in Pacific/Auckland"'}], {"when": '"Mon"'}),
        ([{"when": '"Mon"', "service": '"pop"'}, {"service": '"imap"'}], {"service": '["imap", "pop"]'}),
        ([{"mode": '"shadow"'}], {"class_": '"student"'}),
    ],
)
def test_a_rule_that_may_still_decide_is_no_finding(
    site: Site, earlier: list[dict[str, str]], last: dict[str, str]
) -> None:
    lists = HEAD + '[lists.off]\ndates = ["2098-12-22"]\n'
    rules = [rule(f"r{number}", **conditions) for number, conditions in enumerate(earlier)]
    assert "rule-unreachable" not in kinds(policy(site, *rules, rule("last", "deny", **last), head=lists))


def test_put_where_the_finding_says_the_rule_is_reached(site: Site) -> None:
    general, special = rule("all of test", "deny", user='"b*"'), rule("only bob", user='"bob"')
    one = only(policy(site, general, special), "rule-unreachable")
    assert 'put it before "all of test" (line 4)' in one.mend
    assert "rule-unreachable" not in kinds(policy(site, special, general))


def test_a_rule_that_says_again_what_an_earlier_one_does_may_go(site: Site) -> None:
    one = only(policy(site, rule("a", user='"b*"'), rule("b", user='"bob"')), "rule-unreachable")
    assert one.mend == "take it out: that rule does the same"
    assert one.line == 8


def test_a_rule_that_denies_unknown_addresses_alone_is_told_as_one(site: Site) -> None:
    rules = rule("in", from_='["10.0.0.0/8"]') + rule("not here", "deny", from_='["10.1.0.0/16"]')
    one = next(one for one in policy(site, rules) if one.id == "rule-unreachable")
    assert "decides only where the server does not say the address" in one.what


def test_a_shadow_that_earlier_rules_cover_never_tells(site: Site) -> None:
    one = only(
        policy(site, rule("a", user='"b*"'), rule("b", "deny", mode='"shadow"', user='"bob"')), "rule-unreachable"
    )
    assert one.why == "It never tells what it would have done."


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"when": '"daily until 2020-01-31"'}, "its last day, 2020-01-31, is over"),
        ({"when": '"Thu except @off from 2098-12-25 until 2098-12-26"'}, "all its days up to 2098-12-26 are excepted"),
        ({"when": '"Mon from 2098-12-25 until 2098-12-26"'}, "no day up to 2098-12-26 has these hours"),
        ({"when": '"daily except @ever"'}, "all its days to come are excepted"),
        (
            {"when": '"Sun 02:10-02:50 in Europe/Berlin from 2095-03-27 until 2095-03-27"'},
            "no day up to 2095-03-27 has these hours",
        ),
        ({"user": '"bob@a.com"', "domain": '"b.com"'}, "user = bob@a.com is not of domain = b.com"),
        ({"user": '"*@a.com"', "domain": '"*.a.com"'}, "user = *@a.com is not of domain = *.a.com"),
    ],
)
def test_a_rule_whose_conditions_never_hold_is_told(site: Site, conditions: dict[str, str], words: str) -> None:
    lists = HEAD + '[lists.off]\ndates = ["2098-12-20..2098-12-31"]\n[lists.ever]\ndates = ["2020-01-01..9999-12-31"]\n'
    found = policy(site, rule("a", **conditions), rule("b", user='"bob"'), head=lists)
    one = next(one for one in found if one.id == "rule-never-holds")
    assert one.what.endswith(f'rule "a" never holds: {words}')
    assert one.line in (9, 10, 11, 12)


def test_a_default_that_is_never_reached_is_told(site: Site) -> None:
    last = rule("all others", "deny")
    one = only(policy(site, rule("a", user='"bob"'), last), "default-unreachable")
    assert one.mend == 'take the rule "all others" (line 8) out: default says the same'
    assert one.line == 3
    one = only(policy(site, rule("a", user='"bob"'), last, head=HEAD.replace("deny", "allow")), "default-unreachable")
    assert "in line 3 of" in one.mend
    assert 'default = "deny" in place of "allow"' in one.mend
    week = rule("a", "deny", when='"Mon-Fri"') + rule("b", when='"Sat-Sun"')
    assert 'rules "a" (line 4) and "b" (line 8) together decide' in only(policy(site, week), "default-unreachable").what
    assert policy(site, rule("a", "deny", when='"Mon-Fri"') + rule("b", when='"Sat"')) == []


def test_rules_that_only_allow_what_is_allowed_have_no_effect(site: Site) -> None:
    head = HEAD.replace("deny", "allow")
    assert only(policy(site, rule("a", user='"bob"'), head=head), "rules-without-effect").line == 3
    assert policy(site, head=head) == []
    assert policy(site, rule("a", "deny", mode='"shadow"', user='"bob"'), head=head) == []


def test_rules_that_let_nobody_in_are_told(site: Site) -> None:
    for rules in ((), (rule("a", "deny", user='"bob"'),), (rule("a", mode='"shadow"'),)):
        assert only(policy(site, *rules), "nobody-may-log-in").severity == "error"


# --- whom rules name -------------------------------------------------------------------------------------------------


def test_a_class_that_nobody_has_is_told_with_the_one_that_is_meant(site: Site) -> None:
    one = only(policy(site, rule("a", class_='["staff", "students"]')), "class-nobody-has")
    assert one.line == 7
    assert '1 user has "student": did you mean that?' in one.what
    assert one.mend == f'in line 7 of {site.folder}/policy.toml write "student" for "students"'
    one = only(policy(site, rule("a", class_='"teacher"')), "class-nobody-has")
    assert "no user has it in the info field mailaccess" in one.what
    site.type(one.mend.partition(": ")[2].replace("NAME", "bob"))
    assert site.look() == []


def test_the_class_of_those_who_have_none_is_a_class(site: Site) -> None:
    assert policy(site, rule("a", class_='"default"')) == []


def test_classes_are_read_from_the_field_that_the_settings_name(site: Site) -> None:
    site.toml.write_text(site.toml.read_text() + '[policy]\nclass_field = "group"\n')
    one = only(policy(site, rule("a", class_='"student"')), "class-nobody-has")
    assert "info field group" in one.what


def test_a_few_users_with_nearly_the_class_that_rules_name_are_told(site: Site) -> None:
    people(site, bob="student", eve="student", ada="staff,studnet", zoe="staff")
    one = only(policy(site, rule("a", class_='"student"')), "class-misspelt")
    assert one.users == ("ada",)
    assert one.mend.endswith("user set ada mailaccess=staff,student")
    site.type(one.mend)
    assert site.look() == []


@pytest.mark.parametrize("info", ["mailaccess=student", 'mailaccess="student', 'mailaccess="student;staff"'])
def test_classes_that_cannot_be_read_are_told(site: Site, info: str) -> None:
    people(site, bob="student")
    site.txt.write_text(f"{site.txt.read_text()}eve:{SECRET}:{info}\n")
    one = only(policy(site, rule("a", class_='"student"')), "class-unreadable")
    assert one.users == ("eve",)
    assert one.mend.endswith("user set eve mailaccess=CLASS")


def test_classes_that_differ_in_a_number_are_two_classes(site: Site) -> None:
    people(site, bob="year10", eve="year10", ada="year11")
    assert policy(site, rule("a", class_='"year10"')) == []


def test_names_patterns_and_domains_that_nobody_has_are_told(site: Site) -> None:
    found = policy(site, rule("a", user='["bob", "bbo", "temp_*"]'), rule("b", domain='["test.com"]'))
    assert kinds(found) == ["user-nobody-has"] * 3
    assert ['"bbo", and there is no such user' in one.what for one in found].count(True) == 1
    assert ['"temp_*", and no name of a user fits it' in one.what for one in found].count(True) == 1
    assert ['"test.com", and no user is of it' in one.what for one in found].count(True) == 1


def test_many_names_that_nobody_has_are_one_finding(site: Site) -> None:
    names = ", ".join(f'"gone{number}"' for number in range(40))
    one = only(policy(site, rule("a", user='["@old", "bob"]'), f"[lists.old]\nusers = [{names}]\n"), "user-nobody-has")
    assert 'names the users "gone0", "gone1", "gone2" and 37 more, and there is no such user' in one.what
    assert one.line == 7


def test_a_name_without_the_domain_that_is_stored_is_told_with_it(site: Site) -> None:
    people(site, **{"bob@test.com": ""})
    site.toml.write_text(site.toml.read_text() + '[names]\ndefault_domain = "test.com"\n')
    one = only(policy(site, rule("a", user='"bob"')), "user-nobody-has")
    assert one.mend.endswith('write "bob@test.com" for "bob"')


def test_a_store_that_is_not_there_is_told(site: Site) -> None:
    one = only(policy(site, rule("a", store='["flatfiles"]')), "store-not-there")
    assert one.mend.endswith('write "flatfile" for "flatfiles"')


def test_a_user_of_an_earlier_store_is_counted_once_and_by_that_one(site: Site) -> None:
    with closing(sqlite3.connect(site.folder / "users.db")) as database:
        database.execute("CREATE TABLE people (name TEXT, password TEXT, access TEXT)")
        database.execute("INSERT INTO people VALUES ('bob', ?, 'teacher')", [SECRET])
        database.commit()
    (site.folder / "users.db").chmod(0o600)
    table = 'table = "people"\nupgrade = false\n[stores.columns]\nname = "name"\npassword = "password"\n'
    info = '[stores.columns.info]\nmailaccess = "access"\n'
    site.toml.write_text(
        site.toml.read_text().replace(
            "[passwords]", f'[[stores]]\nkind = "sql"\nurl = "sqlite:///users.db"\n{table}{info}[passwords]'
        )
    )
    assert "class-nobody-has" in kinds(policy(site, rule("a", class_='"teacher"')))


def test_of_a_store_that_cannot_be_listed_nobody_can_tell(site: Site) -> None:
    site.toml.write_text(
        site.toml.read_text().replace(
            "[passwords]", '[[stores]]\nkind = "process"\nname = "old"\ncommand = ["/bin/false"]\n[passwords]'
        )
    )
    found = policy(site, rule("a", class_='["student", "teacher"]', user='["temp_*", "bob"]'))
    one = next(one for one in found if one.id == "users-untold")
    assert one.severity == CANNOT_TELL
    assert 'class "teacher", user "temp_*"' in one.what
    assert "the store old cannot be listed" in one.what
    assert "class-nobody-has" not in kinds(found)


# --- what the rules depend on ----------------------------------------------------------------------------------------


def test_rules_about_hosts_want_the_address_settled_and_are_content_when_it_is(site: Site) -> None:
    site.toml.write_text(site.toml.read_text().replace(ADDRESS, ""))
    one = only(policy(site, rule("a", from_='["10.0.0.0/8"]')), "address-auto")
    assert "1 rule of" in one.what
    site.mend(one)
    assert site.look() == []


def test_rules_about_hosts_with_requests_that_have_none_are_told(site: Site) -> None:
    site.toml.write_text(site.toml.read_text().replace("always", "never"))
    assert only(policy(site, rule("a", from_='["10.0.0.0/8"]')), "address-never").severity == "error"
    assert "address-never" not in kinds(policy(site, rule("a", from_='["unknown"]')))


def test_a_service_that_the_program_of_the_mail_server_does_not_say_is_told(site: Site) -> None:
    assert policy(site, rule("a", service='"pop"')) == []
    one = site.found("service-unsaid", with_dmail=True)
    assert "-service" in one.mend
    process = " ".join([*COMMAND, "-path", str(site.folder), "-service", "pop"])
    site.dmail(f"authent_process {process}\n")
    assert site.look(with_dmail=True) == []


def test_hours_in_the_zone_of_the_machine_are_told_with_its_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Dublin")
    head = HEAD.replace('zone = "UTC"\n', "")
    one = only(policy(site, rule("a", when='"Mon"'), head=head), "zone-of-machine")
    assert "the machine's zone is taken, Europe/Dublin" in one.what
    assert policy(site, rule("a", when='"Mon in Europe/Berlin"'), head=head) == []
    assert policy(site, rule("a", user='"bob"'), head=head) == []


def test_texts_that_nobody_sees_are_told(site: Site) -> None:
    deny = rule("a", "deny", user='"eve"', text='"closed"') + rule("b", user='"bob"')
    reveal = HEAD + "reveal = true\n"
    assert "reveal is false" in only(policy(site, deny), "text-unseen").what
    assert policy(site, deny, head=reveal) == []
    allow = rule("b", user='"bob"', text='"welcome"')
    assert [one.line for one in policy(site, allow, head=reveal)] == [9, 4]


def test_a_throttle_that_counts_nothing_is_told(site: Site) -> None:
    allow = rule("a", user='"bob"')
    assert "no limit" in only(policy(site, allow, "[throttle]\nper_address = 0\nper_user = 0\n"), "throttle-idle").what
    assert policy(site, allow, "[throttle]\n") == []
    site.toml.write_text(site.toml.read_text().replace("always", "never"))
    assert "address is never" in only(site.look(), "throttle-idle").what


def test_a_cache_of_the_mail_server_may_outlive_the_hours_of_a_rule(site: Site) -> None:
    site.dmail("authent_cache 7\n")
    policy(site, rule("a", when='"Mon"'))
    one = site.found("cache-and-time", with_dmail=True)
    assert one.what.endswith("authent_cache is 7, and 1 rule has hours")
    site.mend(one)
    assert site.look(with_dmail=True) == []


# --- tests in the file -----------------------------------------------------------------------------------------------


def trial(expect: str, **login: str) -> str:
    """A test; values are TOML, ``from_`` is from."""
    lines = "".join(f"{key.rstrip('_')} = {value}\n" for key, value in login.items())
    return f'[[test]]\nexpect = "{expect}"\n{lines}'


RULES = rule("labs", "deny", class_='"student"', from_='["10.0.0.0/8"]', when='"Mon-Fri 08:00-12:00"') + rule(
    "others", user='["bob", "eve"]'
)


def test_tests_that_come_out_as_expected_are_no_finding(site: Site) -> None:
    assert (
        policy(
            site,
            RULES,
            trial("deny", user='"bob"', from_='"10.1.2.3"', at='"Mon 09:00"', rule='"labs"'),
            trial("allow", user='"bob"', from_='"10.1.2.3"', at='"Mon 12:00"', rule='"others"'),
            trial("allow", user='"eve"', from_='"10.1.2.3"', at='"Mon 09:00"'),
            trial("deny", class_='"student"', from_='"10.1.2.3"', at='"2026-11-23 09:00"', rule='"labs"'),
            trial("deny", class_='"nobodys"', rule='"default"'),
        )
        == []
    )


def test_a_test_that_fails_tells_what_came_out_and_why(site: Site) -> None:
    one = only(
        policy(site, RULES, trial("deny", user='"bob"', from_='"192.0.2.7"', at='"2026-11-23 09:00"', rule='"labs"')),
        "test-fails",
    )
    assert one.line == 14
    assert one.what.endswith(
        "the test fails: bob from 192.0.2.7 at Mon 2026-11-23 09:00:"
        ' deny was expected by "labs", and it is allowed by "others"; rule by rule:'
        ' "labs" does not hold (from), "others" decides'
    )
    wrong_rule = trial("allow", user='"eve"', rule='"default"')
    assert (
        'allow was expected by "default", and it is allowed by "others"'
        in only(policy(site, RULES, wrong_rule), "test-fails").what
    )


def test_a_test_meets_the_state_of_the_account_first(site: Site) -> None:
    site.users("bob", "eve", info='mailaccess="student" mailstatus="suspended"')
    found = policy(site, RULES, trial("allow", user='"eve"'), trial("deny", user='"eve"', rule='"mailstatus"'))
    assert 'it is denied by "mailstatus" (mailstatus is suspended)' in only(found, "test-fails").what


def test_a_test_of_somebody_who_is_not_there_is_told(site: Site) -> None:
    one = only(policy(site, RULES, trial("deny", user='"ada"')), "test-user")
    assert "the test is of ada, and there is no such user" in one.what


def test_a_test_at_a_time_that_a_clock_change_skips_is_told(site: Site) -> None:
    head = HEAD.replace("UTC", "Europe/Berlin")
    skipped = trial("deny", class_='"student"', at='"2027-03-28 02:30"')
    found = policy(site, RULES, skipped, head=head)
    assert len(found) == 1
    assert "which a clock change of Europe/Berlin skips" in found[0].what


def test_the_findings_name_lines_that_hold_what_they_say(site: Site) -> None:
    policy(
        site, rule("a", class_='"teacher"', when='"daily until 2020-01-01"', store='"nowhere"'), rule("b", user='"ada"')
    )
    text = (site.folder / "policy.toml").read_text().splitlines()
    found = site.look()
    assert len(found) > 2
    for one in found:
        assert one.line is not None, one
        assert re.search(r"class|when|store|user", text[one.line - 1]), one


def test_nothing_is_changed_by_looking(site: Site) -> None:
    policy(site, RULES, trial("deny", user='"ada"'))
    before = {name: os.stat(site.folder / name).st_mtime_ns for name in os.listdir(site.folder)}
    site.look()
    assert {name: os.stat(site.folder / name).st_mtime_ns for name in os.listdir(site.folder)} == before
