"""``nwauth user app`` through the installed command: exit statuses, what is printed, what stands in the files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.commands.common import BOB, SETTINGS, Terminal, base, contents, run

RULES = (
    '[policy]\ndefault = "allow"\nzone = "UTC"\n[[rule]]\nname = "pop"\ndeny = true\nclass = "pop"\nservice = "imap"\n'
)
DIGEST = "{ssha256}" + "A" * 48


@pytest.fixture
def folder(tmp_path: Path) -> str:
    os.mkdir(tmp_path / "mail")
    return base(str(tmp_path / "mail"))


def given(folder: str, *words: str) -> dict[str, Any]:
    done = run(folder, "user", "app", "add", "bob@test.com", *words)
    assert (done.status, done.err) == (0, "")
    return done.records()[0]


def tries(folder: str, password: str, *words: str) -> dict[str, Any]:
    done = run(folder, "test", "bob@test.com", "--password-stdin", *words, stdin=password.encode() + b"\n")
    return done.records()[0]


def test_it_is_printed_once_and_tried(folder: str) -> None:
    one = given(folder, "phone")
    assert (one["change"], one["app"], list(one["fields"])) == ("changed", "phone", ["app_passwords"])
    found = tries(folder, one["password"])
    assert (found["verdict"], found["scheme"], found["app"]) == ("yes", "app-password", "phone")
    assert tries(folder, "secret")["app"] is None
    assert one["password"] not in "".join(str(content) for content, _, _ in contents(folder).values())


def test_quiet_prints_nothing_but_the_password(folder: str) -> None:
    done = run(folder, "user", "app", "add", "bob@test.com", "phone", "--quiet", "--class", "x")
    assert done.err == ""
    assert tries(folder, done.out.strip())["verdict"] == "yes"


def test_it_is_made_up_whether_that_is_asked_for_or_not(folder: str) -> None:
    assert given(folder, "phone", "--generate")["password"]


def test_that_there_is_none_is_said_to_people(folder: str) -> None:
    assert run(folder, "user", "app", "list", "bob@test.com") == (0, "", "")
    text = "bob@test.com has no app passwords: nwauth user app add gives one\n"
    assert run(folder, "user", "app", "list", "BOB@test.com", "--format", "table") == (0, "", text)


def test_limits_are_kept_as_they_are_written_best(folder: str) -> None:
    Path(folder, "policy.toml").write_text(RULES)
    given(folder, "phone", "--class", "pop", "--hosts", " 10.0.0.0/8,  192.0.2.7", "--until", "2099-01-31 18:00")
    (row,) = run(folder, "user", "app", "list", "BOB@test.com").records()
    assert (row["class"], row["hosts"], row["until"]) == ("pop", "10.0.0.0/8,192.0.2.7", "2099-01-31T18:00")
    assert (row["state"], row["reason"], row["made"][:2]) == ("ok", None, "20")


def test_a_dry_run_changes_nothing_and_makes_up_nothing(folder: str) -> None:
    before = contents(folder)
    done = run(folder, "user", "app", "add", "bob@test.com", "phone", "--dry-run")
    (row,) = done.records()
    assert (done.status, row["dry_run"], "password" in row) == (0, True, False)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("nobody@test.com", "phone"), 1, "no such user"),
        (("bob@test.com", "my phone"), 1, "cannot be called"),
        (("bob@test.com", "phone", "--until", "soon"), 2, "'--until': found 'soon', wanted a date"),
        (("bob@test.com", "phone", "--until", ""), 2, "'--until': found nothing, wanted a date"),
        (("bob@test.com", "phone", "--until", "2020-01-31"), 2, "'--until': 2020-01-31 is past"),
        (("bob@test.com", "phone", "--hosts", "10.0.0.1/8"), 2, "'--hosts': found 10.0.0.1/8, which has host bits set"),
        (("bob@test.com", "phone", "--class", "a;b"), 2, "'--class': found 'a;b'"),
        (("bob@test.com",), 2, "APP"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(folder: str, words: tuple[str, ...], status: int, said: str) -> None:
    before = contents(folder)
    done = run(folder, "user", "app", "add", *words)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert contents(folder) == before


def test_a_name_that_is_taken_is_refused_in_any_case(folder: str) -> None:
    given(folder, "phone")
    done = run(folder, "user", "app", "add", "bob@test.com", "PHONE")
    assert (done.status, done.out) == (1, "")
    assert "there is an app password 'PHONE' already: delete it first" in done.err


def test_one_is_taken_away_and_the_others_stay(folder: str) -> None:
    phone, tablet = given(folder, "phone")["password"], given(folder, "tablet")["password"]
    done = run(folder, "user", "app", "del", "bob@test.com", "phone", "watch")
    assert (done.status, done.out, "no app password 'watch'" in done.err) == (1, "", True)
    assert tries(folder, phone)["verdict"] == "yes"
    (row,) = run(folder, "user", "app", "del", "bob@test.com", "Phone").records()
    assert (row["change"], list(row["fields"])) == ("changed", ["app_passwords"])
    assert (tries(folder, phone)["verdict"], tries(folder, tablet)["verdict"]) == ("no", "yes")


def test_all_are_taken_away_after_a_question(folder: str) -> None:
    given(folder, "phone")
    done = run(folder, "user", "app", "del", "bob@test.com", "--all")
    assert (done.status, "give --yes if you mean it" in done.err) == (2, True)
    terminal = Terminal(folder, "user", "app", "del", "bob@test.com", "--all")
    assert terminal.answer({"[y/N] ": "n\n"}) == 1
    assert "the app passwords phone of bob@test.com" in terminal.screen
    assert run(folder, "user", "app", "del", "bob@test.com", "--all", "--yes").status == 0
    assert run(folder, "user", "app", "list", "bob@test.com").records() == []
    for words in ((), ("phone", "--all")):
        assert run(folder, "user", "app", "del", "bob@test.com", *words).status == 2


def test_another_password_leaves_them_and_says_so_or_takes_them_away(folder: str) -> None:
    phone = given(folder, "phone")["password"]
    done = run(folder, "user", "passwd", "bob@test.com", "--password-stdin", stdin=b"other\n")
    assert (done.status, done.err) == (
        0,
        "note: 1 app password stays (phone): --without-apps takes them away too\n",
    )
    assert tries(folder, phone)["verdict"] == "yes"
    done = run(folder, "user", "passwd", "bob@test.com", "--password-stdin", "--without-apps", stdin=b"third\n")
    assert (done.status, done.err, list(done.records()[0]["fields"])) == (0, "", ["app_passwords"])
    assert (tries(folder, phone)["verdict"], tries(folder, "third")["verdict"]) == ("no", "yes")


def test_those_of_many_users_are_listed_and_what_is_damaged_says_so(folder: str) -> None:
    base(
        folder,
        users=BOB
        + f'ann:*x:app_passwords="old;{DIGEST};until=2020-01-31|{DIGEST}"\neve:*x:app_passwords="new;what"\n'.encode(),
    )
    rows = run(folder, "user", "app", "list", "*").records()
    assert [(row["user"], row["app"], row["state"]) for row in rows] == [
        ("ann", "old", "over"),
        ("ann", "?", "unreadable"),
        ("eve", "new", "unreadable"),
    ]
    assert rows[0]["reason"] == "until 2020-01-31 is over"
    (finding,) = [row for row in run(folder, "doctor").records() if row["id"] == "unreadable-app-passwords"]
    assert (finding["users"], "AAAA" in str(finding)) == (["ann", "eve"], False)
    assert finding["what"].startswith("2 users have an app password that cannot be read: ann, eve; of ann: a name is")
    assert "3 app passwords of 2 users: none is weak" in run(folder, "hash", "report").err
    assert run(folder, "user", "app", "del", "ann", "?").status == 0
    assert [row["app"] for row in run(folder, "user", "app", "list", "ann").records()] == ["old"]


def test_who_is_not_there_has_none(folder: str) -> None:
    assert run(folder, "user", "app", "list", "nobody").status == 1
    assert run(folder, "user", "app", "del", "nobody", "phone").status == 1
    assert run(folder, "user", "app", "list", "no*").records() == []


def test_notes_say_what_may_not_be_as_it_was_meant(folder: str) -> None:
    base(folder, users=b"bob@test.com:!:\n", settings=SETTINGS.replace("shared = false", "shared = true"))
    Path(folder, "policy.toml").write_text(RULES)
    done = run(folder, "user", "app", "add", "bob@test.com", "phone", "--class", "pop,Imap")
    assert done.status == 0
    assert done.err.splitlines() == [
        "note: the password field of the user lets nobody in, nor does an app password",
        "note: no rule names the class imap: it limits nothing yet",
        "note: what shares this folder (shared = true) knows no app passwords: they count where nwauth is asked",
    ]


def test_explain_takes_the_class_of_one(folder: str) -> None:
    Path(folder, "policy.toml").write_text(RULES)
    given(folder, "phone", "--class", "pop")
    (row,) = run(folder, "explain", "bob@test.com", "--app", "Phone", "--service", "imap").records()
    assert (row["decision"], row["rule"], row["classes"], row["app"], row["app_limits"]) == (
        *("deny", "pop", ["pop"], "phone", "ok"),
    )
    (row,) = run(folder, "explain", "bob@test.com", "--service", "imap").records()
    assert (row["decision"], row["app"], row["app_limits"]) == ("allow", None, None)
    done = run(folder, "explain", "bob@test.com", "--app", "other")
    assert (done.status, "no app password 'other'" in done.err) == (1, True)


def test_explain_says_when_the_user_is_locked(folder: str) -> None:
    base(folder, users=f'bob:!:app_passwords="phone;{DIGEST};until=2099-01-31"\n'.encode())
    (row,) = run(folder, "explain", "bob", "--app", "phone").records()
    assert (row["decision"], row["reason"], row["until"]) == (
        *("deny", "the password field lets nobody in, nor does an app password", None),
    )
    assert run(folder, "explain", "bob").records()[0]["decision"] == "allow"  # the password is taken as right


def test_policy_check_knows_who_is_in_a_class_by_an_app_password(folder: str) -> None:
    Path(folder, "policy.toml").write_text(RULES)
    assert [row["id"] for row in run(folder, "policy", "check").records()] == ["class-nobody-has"]
    given(folder, "phone", "--class", "pop")
    assert [row["id"] for row in run(folder, "policy", "check").records()] == []


def test_apply_carries_them_as_they_stand_and_shows_no_digest(folder: str) -> None:
    phone = given(folder, "phone")["password"]
    held = run(folder, "user", "show", "bob@test.com", "--show-hash").records()[0]["info"]["app_passwords"]
    plan = Path(f"{folder}.ndjson")
    plan.write_text(json.dumps({"name": "bob@test.com", "quota": "7"}) + "\n")
    assert run(folder, "apply", str(plan)).status == 0
    assert tries(folder, phone)["verdict"] == "yes"
    rows = [
        {"name": "bob@test.com", "app_passwords": held.replace(";made", ";until=2020-01-31;made")},
        {"name": "new@test.com", "password_hash": "!", "app_passwords": held},
    ]
    plan.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(folder, "apply", str(plan))
    assert done.status == 0
    assert held.split(";")[1][9:] not in done.out + done.err
    assert tries(folder, phone)["reason"] == "app password phone: until 2020-01-31 is over"
    assert run(folder, "apply", str(plan), "--dry-run").status == 0
    for damaged in ("what;is;this", "phone;{ssha256}AA", "phone;" + DIGEST[:-1]):
        plan.write_text(json.dumps({"name": "bob@test.com", "app_passwords": damaged}) + "\n")
        done = run(folder, "apply", str(plan))
        assert (done.status, "app_passwords: entry 1: it has no whole {ssha256} digest" in done.err) == (1, True)


def test_a_replay_takes_the_class_of_the_app_password_that_was_typed(folder: str) -> None:
    Path(folder, "nwauth.toml").write_text(f'{SETTINGS}[log]\nlevel = "info"\n')
    done = run(folder, "user", "app", "add", "bob@test.com", "phone", "--class", "pop", "--quiet")
    phone = done.out.strip()
    for password in (phone, "secret"):
        assert run(folder, "-path", folder, "-service", "imap", "-check", "bob@test.com", password).status == 0
    new = Path(f"{folder}-new.toml")
    new.write_text(RULES)
    done = run(folder, "policy", "try", str(new), "--replay", os.path.join(folder, "nwauth.log"))
    (row,) = done.records()
    assert (row["was"], row["now"], row["rule"], row["count"]) == ("allow", "deny", "pop", 1)
    assert run(folder, "user", "app", "del", "bob@test.com", "phone").status == 0
    done = run(folder, "policy", "try", str(new), "--replay", os.path.join(folder, "nwauth.log"))
    assert (done.out, "1 of users who are not there now" in done.err) == ("", True)
