"""``nwauth policy try``: what other rules would have made of the logins in a log, or of requests."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.common import COMMAND, SETTINGS, base, contents, environment, run

if TYPE_CHECKING:
    from pathlib import Path

USERS = b'bob@test.com:*secret:mailaccess="student"\neve@test.com:*secret:\nold@test.com:*secret:mailstatus="closed"\n'
OPEN = '[policy]\nzone = "UTC"\ndefault = "allow"\n'
NO_STUDENTS = f'{OPEN}[[rule]]\nname = "no students"\ndeny = true\nclass = "student"\nwhen = "08:00-12:00"\n'
BAD = f'{OPEN}[[rule]]\nname = "it"\ndeny = true\nwhen = "08:00-25:00"\n'
MORNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    folder = tmp_path / "mail"
    folder.mkdir()
    base(str(folder), users=USERS, settings=SETTINGS)
    (folder / "policy.toml").write_text(OPEN)
    (tmp_path / "new.toml").write_text(NO_STUDENTS)
    return folder


def attempt(mail: Path, *words: str, stdin: bytes = b"") -> tuple[int, list[dict[str, Any]], str]:
    done = run(str(mail), "policy", "try", *words, stdin=stdin)
    return done.status, done.records(), done.err


def line(minutes: int, user: str, rest: str, ip: str = "192.0.2.7") -> str:
    stamp = (MORNING + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")
    return f"{stamp} check user={user} ip={ip} store=flatfile {rest} ms=1\n"


LOG = [
    line(0, "bob@test.com", "result=ok"),
    line(5, "BOB@test.com", "result=ok"),
    line(9, "bob@test.com", 'reason="wrong password" tag=3f2 result=no'),
    line(10, "eve@test.com", "result=ok"),
    line(11, "gone@test.com", "result=ok"),
    line(12, "old@test.com", 'rule=mailstatus reason="mailstatus is closed" result=no'),
    line(13, "bob@test.com", 'rule=throttle reason="throttled" result=no'),
    line(14, "eve@test.com", 'rule="no eves" reason="denied by a rule" result=no'),
    line(15, "bob@test.com", 'reason="the database is down" result=dead'),
    line(16, "bob@test.com", "result=ok").replace(" check ", " lookup "),
    line(300, "bob@test.com", "result=ok"),
]


def test_the_logins_of_a_log_that_would_come_out_differently_are_counted_by_user_and_rule(mail: Path) -> None:
    new = str(mail.parent / "new.toml")
    (mail / "nwauth.log").write_text("".join(LOG))
    before = contents(str(mail))
    status, rows, err = attempt(mail, new, "--replay", str(mail / "nwauth.log"))
    assert status == 1
    assert rows == [
        {
            "user": "bob@test.com",
            "was": "allow",
            "was_rule": "default",
            "now": "deny",
            "rule": "no students",
            "count": 2,
            "first": "2026-11-20T09:00:00+00:00",
            "last": "2026-11-20T09:05:00+00:00",
        },
        {
            "user": "eve@test.com",
            "was": "deny",
            "was_rule": "no eves",
            "now": "allow",
            "rule": "default",
            "count": 1,
            "first": "2026-11-20T09:14:00+00:00",
            "last": "2026-11-20T09:14:00+00:00",
        },
    ]
    assert "5 logins decided again, 3 of them differently" in err
    assert "4 that no rule decided, 1 of users who are not there now" in err
    assert contents(str(mail)) == before


def test_rotated_and_compressed_logs_are_replayed_too_and_so_is_stdin(mail: Path) -> None:
    new = str(mail.parent / "new.toml")
    (mail / "nwauth.log").write_text(LOG[0])
    with gzip.open(mail / "nwauth.log.1.gz", "wb") as packed:
        packed.write(LOG[1].encode())
    _, rows, _ = attempt(mail, new, "--replay", str(mail / "nwauth.log"))
    assert rows[0]["count"] == 2
    _, rows, _ = attempt(mail, new, "--replay", "-", stdin=LOG[0].encode())
    assert rows[0]["count"] == 1


def test_without_other_rules_those_in_force_decide_again(mail: Path) -> None:
    (mail / "nwauth.log").write_text(LOG[7])
    status, rows, _ = attempt(mail, "--replay", str(mail / "nwauth.log"))
    assert (status, rows[0]["rule"]) == (1, "default")
    (mail / "nwauth.log").write_text(LOG[0])
    assert attempt(mail, "--replay", str(mail / "nwauth.log"))[:2] == (0, [])


def test_a_log_that_was_not_read_whole_cannot_tell(mail: Path) -> None:
    (mail / "nwauth.log").write_text(LOG[0])
    with gzip.open(mail / "nwauth.log.1.gz", "wb") as packed:
        packed.write(LOG[1].encode() * 1000)
    whole = (mail / "nwauth.log.1.gz").read_bytes()
    (mail / "nwauth.log.1.gz").write_bytes(whole[: len(whole) // 2])
    status, _, err = attempt(mail, "--replay", str(mail / "nwauth.log"))
    assert status == 75
    assert "nwauth.log.1.gz" in err


def test_a_log_without_logins_says_how_they_get_there(mail: Path) -> None:
    (mail / "nwauth.log").write_text("")
    status, rows, err = attempt(mail, "--replay", str(mail / "nwauth.log"))
    assert (status, rows) == (0, [])
    assert 'level = "info"' in err


# --- requests --------------------------------------------------------------------------------------------------------


def ask(mail: Path, *requests: object, words: tuple[str, ...] = ()) -> tuple[int, list[dict[str, Any]]]:
    lines = "".join(request if isinstance(request, str) else json.dumps(request) + "\n" for request in requests)
    status, answers, _ = attempt(mail, *words, "--requests", "-", stdin=lines.encode())
    return status, answers


def test_each_object_comes_back_with_decision_rule_and_until(mail: Path) -> None:
    request = {"user": "BOB@test.com", "from": "192.0.2.7", "service": "pop", "at": "2026-11-20T09:00:00Z", "mine": [1]}
    status, answers = ask(mail, request, words=(str(mail.parent / "new.toml"),))
    assert status == 0
    assert answers == [
        request | {"decision": "deny", "rule": "no students", "until": "2026-11-20T12:00:00+00:00"},
    ]
    assert list(answers[0])[:5] == list(request)


def test_a_time_without_offset_is_in_the_zone_of_the_policy_and_without_one_it_is_now(mail: Path) -> None:
    (mail / "policy.toml").write_text(NO_STUDENTS.replace('"UTC"', '"Pacific/Auckland"'))
    _, (there, now) = ask(mail, {"user": "bob@test.com", "at": "2026-11-20 09:00"}, {"user": "bob@test.com"})
    assert (there["decision"], there["until"]) == ("deny", "2026-11-20T12:00:00+13:00")
    assert now["decision"] in ("allow", "deny")


def test_the_state_of_the_account_is_told_by_its_field(mail: Path) -> None:
    _, (closed,) = ask(mail, {"user": "old@test.com"})
    assert (closed["decision"], closed["rule"], closed["until"]) == ("deny", "mailstatus", None)


def test_a_user_who_is_not_there_may_carry_an_info_object(mail: Path) -> None:
    request = {"user": "new@test.com", "info": {"mailaccess": "student"}, "at": "2026-11-20T09:00Z"}
    status, (allowed, missing) = ask(mail, request, {"user": "new@test.com"}, words=(str(mail.parent / "new.toml"),))
    assert (status, allowed["decision"], allowed["info"]) == (1, "deny", {"mailaccess": "student"})
    assert missing["error"].startswith('line 2: user: "new@test.com" is not there, wanted')


def test_a_login_by_an_app_password_is_of_its_class_and_has_its_limits(mail: Path) -> None:
    for name, *limits in ("tablet", "--class", "student"), ("old", "--until", "2093-11-19"):
        assert run(str(mail), "user", "app", "add", "eve@test.com", name, *limits).status == 0
    request = {"user": "eve@test.com", "at": "2093-11-20T09:00Z"}
    apps: list[dict[str, object]] = [{}, {"app": "tablet"}, {"app": "old"}, {"app": "phone"}]
    _, answers = ask(mail, *(request | app for app in apps), words=(str(mail.parent / "new.toml"),))
    assert [answer.get("rule") for answer in answers] == ["default", "no students", "app_passwords", None]
    assert answers[1]["until"] == "2093-11-20T12:00:00+00:00"
    assert answers[3]["error"] == "line 4: app: 'eve@test.com' has no app password 'phone'"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("nonsense\n", 'line 1: found "nonsense", wanted a JSON object'),
        ("[1]\n", 'line 1: found "[1]", wanted a JSON object'),
        ('{"user": "bob@test.com", "x": NaN}\n', "line 1: found "),
        ('{"user": "bob@test.com", "x": 1e999}\n', "line 1: found "),
        ("\xff\n", "line 1: found "),
        ({"user": ""}, "line 1: user: found nothing, wanted a name"),
        ({"user": 7}, 'line 1: user: found "7", wanted a string'),
        ({"user": "\ud800bob"}, "line 1: user: found "),
        ({"user": "bob@test.com", "from": "10.0.0"}, 'line 1: from: found "10.0.0", wanted an address, or unknown'),
        ({"user": "bob@test.com", "at": "soon"}, 'line 1: at: found "soon", wanted a time'),
        ({"user": "x", "info": {"quota": 5}}, "line 1: info: wanted an object of strings"),
        ({"user": "x", "info": "quota"}, "line 1: info: wanted an object of strings"),
    ],
)
def test_a_malformed_line_gets_an_error_and_the_next_is_answered(mail: Path, request_: object, error: str) -> None:
    status, (first, second) = ask(mail, request_, {"user": "eve@test.com"})
    assert status == 1
    assert first["error"].startswith(error)
    assert second["decision"] == "allow"


def test_a_store_that_is_down_cannot_tell_and_the_stream_goes_on(mail: Path) -> None:
    os.rename(mail / "nwauth.txt", mail / "away")
    status, answers = ask(mail, {"user": "bob@test.com"}, {"user": "eve@test.com"})
    assert status == 75
    assert [answer["error"].split(": ")[1] for answer in answers] == ["cannot tell", "cannot tell"]


def test_every_answer_is_json_that_any_program_reads(mail: Path) -> None:
    _, answers = ask(mail, {"user": "b\u00fcro@test.com", "info": {}, "note": "\u2028\x1b[31m"})
    assert answers[0]["note"] == "\u2028\x1b[31m"
    done = run(str(mail), "policy", "try", "--requests", "-", stdin=b'{"user": "x", "info": {}, "n": "\\u2028"}\n')
    assert done.out.isascii()


def test_a_long_stream_takes_no_more_memory_than_a_short_one(mail: Path, tmp_path: Path) -> None:
    import subprocess

    peaks = []
    for count in (1000, 30_000):
        file = tmp_path / f"{count}.ndjson"
        file.write_text(
            "".join(
                f'{{"user": "bob@test.com", "from": "10.{n % 250}.0.1", "at": "Mon 09:00"}}\n' for n in range(count)
            )
        )
        code = (
            "import resource, subprocess, sys\n"
            "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
            "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )
        words = [*COMMAND, "policy", "try", "--requests", str(file), "--quiet"]
        told = subprocess.run(
            ["python3", "-c", code, *words],
            capture_output=True,
            text=True,
            env=environment(NWAUTH_PATH=str(mail)),
            check=True,
        ).stdout.split()
        assert told[0] == "0"
        peaks.append(int(told[1]))
    assert peaks[1] < peaks[0] * 1.2


# --- misuse ----------------------------------------------------------------------------------------------------------


def test_one_of_replay_and_requests_is_wanted(mail: Path) -> None:
    for words in ((), ("--replay", "-", "--requests", "-")):
        status, _, err = attempt(mail, *words)
        assert status == 2
        assert "wanted either --replay LOG or --requests FILE" in err


def test_every_fault_of_other_rules_is_told_with_a_caret(mail: Path) -> None:
    new = mail.parent / "bad.toml"
    new.write_text(BAD + '[[rule]]\nname = "two"\n')
    status, answers, err = attempt(mail, str(new), "--requests", "-", stdin=b'{"user": "bob@test.com"}\n')
    assert (status, answers) == (1, [])
    assert "line 7: rule[0].when: column 7: found" in err
    assert "    08:00-25:00\n          ^\n" in err
    assert "rule[1].allow: found neither" in err


def test_a_file_that_is_not_there_is_one_clear_line(mail: Path) -> None:
    status, _, err = attempt(mail, str(mail / "nowhere"), "--requests", "-")
    assert (status, err) == (1, f"nwauth: {mail}/nowhere: cannot be read: No such file or directory\n")


def test_a_bad_policy_in_force_cannot_tell(mail: Path) -> None:
    (mail / "policy.toml").write_text(BAD)
    status, answers, err = attempt(mail, "--requests", "-", stdin=b'{"user": "bob@test.com"}\n')
    assert (status, answers) == (75, [])
    assert "rule[0].when" in err
