"""``nwauth explain``: every step of a decision, without a password."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.common import SETTINGS, Terminal, base, contents, run

if TYPE_CHECKING:
    from pathlib import Path

USERS = (
    b'bob@test.com:*secret:mailaccess="student"\n'
    b'old@test.com:*secret:mailaccess="student" mailstatus="suspended"\n'
    b'late@test.com:*secret:valid_until="2026-11-23 10:00"\n'
)
RULES = """\
[policy]
zone = "Pacific/Auckland"
default = "allow"

[lists.labs]
hosts = ["10.20.0.0/16"]

[[rule]]
name = "trial"
deny = true
mode = "shadow"
class = "student"

[[rule]]
name = "no mail in class"
deny = true
class = "student"
from = "@labs"
when = "Mon-Fri 08:30-12:00, 13:00-17:00"

[[rule]]
name = "by pop alone"
allow = true
service = "pop"
"""
IN_CLASS = ("--from", "10.20.3.4", "--at", "2026-11-23 09:00")


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    base(str(tmp_path), users=USERS, settings=SETTINGS)
    (tmp_path / "policy.toml").write_text(RULES)
    return tmp_path


def explain(mail: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    done = run(str(mail), "explain", *words)
    return done.status, json.loads(done.out) if done.out else {}, done.err


def test_a_denied_login_is_told_with_the_rule_the_end_and_what_comes_then(mail: Path) -> None:
    status, record, err = explain(mail, "BOB@Test.Com", *IN_CLASS)
    assert (status, err) == (1, "")
    assert {
        key: record[key] for key in ("user", "name", "decision", "rule", "reason", "store", "classes", "account")
    } == {
        "user": "BOB@Test.Com",
        "name": "bob@test.com",
        "decision": "deny",
        "rule": "no mail in class",
        "reason": "denied by a rule",
        "store": "flatfile",
        "classes": ["student"],
        "account": "ok",
    }
    assert record["until"] == "2026-11-23T12:00:00+13:00"
    assert record["then_until"] == "2026-11-23T13:00:00+13:00"
    assert [(rule["name"], rule["outcome"], rule["failed"]) for rule in record["rules"]] == [
        ("trial", "holds", None),
        ("no mail in class", "decides", None),
        ("by pop alone", "fails", "service"),
    ]
    assert record["rules"][2]["wanted"] == ["pop"]


def test_an_allowed_login_names_the_default_and_the_shadow_that_would_have_denied_it(mail: Path) -> None:
    status, record, _ = explain(mail, "bob@test.com", "--from", "192.0.2.7", "--at", "2026-11-23 09:00")
    assert (status, record["decision"], record["rule"], record["reason"]) == (0, "allow", "default", None)
    assert record["shadow"] == ["trial"]
    assert (record["until"], record["then_until"]) == (None, None)


def test_what_the_server_does_not_say_is_told_as_unknown(mail: Path) -> None:
    _, record, _ = explain(mail, "bob@test.com", "--at", "2026-11-23 09:00")
    assert (record["decision"], record["from"], record["service"]) == ("deny", None, None)
    assert record["reason"] == "denied by a rule about the address, which is unknown"


def test_the_account_comes_before_the_rules_and_these_are_shown_all_the_same(mail: Path) -> None:
    status, record, _ = explain(mail, "old@test.com", "--from", "192.0.2.7", "--service", "pop3")
    assert (status, record["rule"], record["account"]) == (1, "mailstatus", "mailstatus is suspended")
    assert (record["until"], len(record["rules"])) == (None, 3)


def test_the_end_of_an_account_is_a_change_to_come_in_the_zone_of_the_policy(mail: Path) -> None:
    status, record, _ = explain(mail, "late@test.com", "--at", "Mon 09:00", "--from", "192.0.2.7")
    late = "2026-11-23T10:00:00+13:00"
    if record["at"] < late:
        assert (status, record["until"], record["then_until"]) == (0, late, None)
    else:  # of a later week
        assert (status, record["rule"], record["until"]) == (1, "valid_until", None)


def test_a_user_who_is_not_there_is_no(mail: Path) -> None:
    status, record, _ = explain(mail, "nobody@test.com")
    assert (status, record["decision"], record["reason"], record["store"]) == (1, "deny", "no such user", None)
    assert record["rules"] == []


def test_without_a_policy_file_that_is_said(mail: Path) -> None:
    (mail / "policy.toml").unlink()
    status, record, _ = explain(mail, "bob@test.com")
    assert (status, record["rule"], record["rules"], record["zone"]) == (0, None, [], "UTC")
    done = run(str(mail), "explain", "bob@test.com", "--format", "table")
    assert "rules    none: there is no policy file\n" in done.out


def test_a_bad_policy_cannot_tell_and_the_last_good_rules_are_named_as_such(mail: Path) -> None:
    (mail / "policy.toml").write_text("[policy]\n")
    status, _, err = explain(mail, "bob@test.com")
    assert status == 75
    assert "line 1: policy.default: found nothing" in err
    assert err.count("\n") == 1
    (mail / "policy.toml.last-good").write_text(RULES)
    status, record, err = explain(mail, "bob@test.com", *IN_CLASS)
    assert (status, record["rule"]) == (1, "no mail in class")
    assert err.startswith("note: the last good rules are in force: ")


@pytest.mark.parametrize("word", ["Mon 25:00", "yesterday", "2026-02-30 10:00", "+1:30", "1066-10-14 09:00"])
def test_a_time_that_is_none_is_misuse(mail: Path, word: str) -> None:
    status, _, err = explain(mail, "bob@test.com", "--at", word)
    assert status == 2
    assert f'found "{word}", wanted ' in err


def test_a_time_that_a_clock_change_skips_is_refused_and_one_that_comes_twice_is_the_first(mail: Path) -> None:
    (mail / "policy.toml").write_text(RULES.replace("Pacific/Auckland", "Europe/Berlin"))
    status, _, err = explain(mail, "bob@test.com", "--at", "2027-03-28 02:30")
    assert status == 2
    assert "which a clock change of Europe/Berlin skips" in err
    _, record, _ = explain(mail, "bob@test.com", "--at", "2026-10-25 02:30")
    assert record["at"] == "2026-10-25T02:30:00+02:00"


def test_nothing_is_changed_and_nothing_logged(mail: Path) -> None:
    before = contents(str(mail))
    explain(mail, "bob@test.com", *IN_CLASS)
    assert contents(str(mail)) == before


def test_a_person_gets_the_verdict_first_and_a_line_for_each_rule(mail: Path) -> None:
    terminal = Terminal(str(mail), "explain", "bob@test.com", *IN_CLASS, NO_COLOR="1")
    assert terminal.end() == 1
    lines = terminal.screen.splitlines()
    assert lines[0] == 'denied by "no mail in class" until Mon 2026-11-23 12:00 NZDT'
    assert "  when     Mon 2026-11-23 09:00 NZDT (Pacific/Auckland)" in lines
    assert "  rules    1  trial             deny   shadow, would decide" in lines
    assert "           2  no mail in class  deny   decides" in lines
    assert "           3  by pop alone      allow  no: service is not pop" in lines
    assert lines[-1] == "  next     allowed from Mon 2026-11-23 12:00 NZDT until Mon 2026-11-23 13:00 NZDT"


def test_a_name_of_a_rule_steers_no_terminal(mail: Path) -> None:
    base(str(mail), users=b'bob:*secret:mailaccess="\x1b[31m"\n')
    terminal = Terminal(str(mail), "explain", "bob", NO_COLOR="1")
    terminal.end()
    assert "\x1b" not in terminal.screen
    assert "\\x1b[31m" in terminal.screen


def test_the_login_test_goes_by_the_same_rules_and_shows_what_the_user_is_told(mail: Path) -> None:
    (mail / "policy.toml").write_text(
        RULES.replace('default = "allow"', 'default = "allow"\nreveal = true').replace(
            'from = "@labs"', 'from = "@labs"\ntext = "mail is closed"'
        )
    )
    done = run(str(mail), "test", "bob@test.com", "--password-stdin", *IN_CLASS, stdin=b"secret\n")
    record = json.loads(done.out)
    assert (done.status, record["verdict"], record["rule"], record["told"]) == (
        1,
        "no",
        "no mail in class",
        "mail is closed",
    )
    done = run(str(mail), "test", "bob@test.com", "--password-stdin", *IN_CLASS, stdin=b"guess\n")
    record = json.loads(done.out)
    assert (done.status, record["rule"], "told" in record) == (1, None, False)
