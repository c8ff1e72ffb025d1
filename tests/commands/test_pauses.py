"""``nwauth user suspend``, ``resume`` and ``expire``, with dates; and what a serving child says of those users."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.errors import Refused
from nwauth.model import Info
from nwauth.policy import pauses
from tests.commands.common import base, run
from tests.faults.folders import Child

if TYPE_CHECKING:
    from pathlib import Path

USERS = b'bob@test.com:*secret:quota="5"\neve@test.com:*secret:\n'
ZONE = '[policy]\nzone = "Pacific/Auckland"\ndefault = "allow"\n'
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "policy.toml").write_text(ZONE)
    return base(str(tmp_path), users=USERS)


def fields(folder: str, name: str = "bob@test.com") -> dict[str, str]:
    found = json.loads(run(folder, "user", "show", name, "--format", "json").out)["info"]
    assert isinstance(found, dict)
    return {key: value for key, value in found.items() if key != "quota"}


def done(folder: str, *words: str) -> list[dict[str, Any]]:
    found = run(folder, "user", *words)
    assert found.status == 0, found
    return found.records()


# --- a serving child -------------------------------------------------------------------------------------------------


def test_from_that_instant_on_a_child_refuses_the_login_and_still_says_where_mail_goes(tmp_path: Path) -> None:
    folder = base(str(tmp_path), users=USERS)
    with Child(tmp_path) as child:
        assert child.ask("check bob@test.com secret").startswith("+OK")
        end = int(time.time()) + 3
        word = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")
        done(folder, "expire", "bob@test.com", word)
        verdicts: list[tuple[float, bool, float]] = []
        while not verdicts or verdicts[-1][1]:
            before = time.time()
            verdicts.append((before, child.ask("check bob@test.com secret").startswith("+OK"), time.time()))
            assert child.ask("lookup bob@test.com").startswith("+OK bob@test.com config 0")
            assert before < end + 20
        assert verdicts[-1][2] >= end
        assert not [verdict for verdict in verdicts if verdict[1] and verdict[0] >= end]
        done(folder, "expire", "bob@test.com", "never")
        assert child.ask("check bob@test.com secret").startswith("+OK")


@pytest.mark.parametrize("options", [(), ("--until", "2999-01-31"), ("--from", "2000-01-31")], ids=" ".join)
def test_a_suspended_user_is_refused_by_a_child_until_resumed_and_gets_mail_all_the_time(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    folder = base(str(tmp_path), users=USERS)
    with Child(tmp_path) as child:
        for words, verdict in ((("suspend", *options), "-ERR"), (("resume",), "+OK")):
            done(folder, words[0], "bob@test.com", "eve@test.com", *words[1:])
            for name in ("bob@test.com", "eve@test.com"):
                assert child.ask(f"check {name} secret").startswith(verdict), (words, name)
                assert child.ask(f"lookup {name}").startswith(f"+OK {name} config 0")
    assert fields(folder) == {}


# --- what is stored, and what is said --------------------------------------------------------------------------------


def test_an_end_is_a_day_or_a_time_in_the_zone_of_the_policy_and_is_told_in_words(folder: str) -> None:
    for word, stored, end in (
        ("2027-01-31", "2027-01-31", "Mon 2027-02-01 00:00 NZDT"),
        ("2027-01-31 18:00", "2027-01-31 18:00", "Sun 2027-01-31 18:00 NZDT"),
        ("2027-01-31T18:00:00+00:00", "2027-02-01 07:00+13:00", "Mon 2027-02-01 07:00 NZDT"),
        ("2027-04-04 02:30", "2027-04-04 02:30+13:00", "Sun 2027-04-04 02:30 NZDT"),  # the clock shows it twice
    ):
        found = run(folder, "user", "expire", "bob@test.com", word)
        assert found.err == f"bob@test.com: logins end {end}; mail is still taken in\n"
        assert fields(folder) == {"valid_until": stored}
    found = run(folder, "user", "expire", "bob@test.com", "2020-01-31")
    assert found.err == "bob@test.com: logins ended Sat 2020-02-01 00:00 NZDT; mail is still taken in\n"
    found = run(folder, "user", "expire", "bob@test.com", "9999-12-31")
    assert found.err == "bob@test.com: logins end with 9999-12-31; mail is still taken in\n"
    found = run(folder, "user", "expire", "bob@test.com", "Never")
    assert (found.err, fields(folder)) == ("bob@test.com: logins have no end\n", {})


def test_a_suspension_has_a_reason_and_ends_by_itself(folder: str) -> None:
    found = run(folder, "user", "suspend", "bob@test.com", "--until", "2999-01-31", "--reason", "unpaid bill")
    assert found.err == "bob@test.com: logins begin again Thu 2999-01-31 00:00 NZDT\n"
    assert fields(folder) == {
        "suspend_reason": "unpaid bill", "valid_from": "2999-01-31", "suspended_by": "valid_from",
    }  # fmt: skip
    done(folder, "suspend", "bob@test.com", "--until", "2999-02-28")
    why = {"suspend_reason": "unpaid bill"}
    assert fields(folder) == why | {"valid_from": "2999-02-28", "suspended_by": "valid_from"}
    done(folder, "suspend", "bob@test.com", "--from", "2999-01-31")
    assert fields(folder) == why | {"valid_until": "2999-01-31 00:00", "suspended_by": "valid_until"}
    done(folder, "suspend", "bob@test.com")
    done(folder, "resume", "bob@test.com")
    assert fields(folder) == {}


def test_a_date_that_is_not_of_the_suspension_is_never_lost(folder: str) -> None:
    done(folder, "expire", "bob@test.com", "2999-06-30")
    done(folder, "suspend", "bob@test.com", "--until", "2999-01-31")
    done(folder, "resume", "bob@test.com")
    assert fields(folder) == {"valid_until": "2999-06-30"}
    found = run(folder, "user", "suspend", "bob@test.com", "--from", "2999-01-31")
    assert (found.status, found.out) == (1, "")
    assert found.err.startswith("nwauth: valid_until is 2999-06-30 already, and would be lost: ")
    assert fields(folder) == {"valid_until": "2999-06-30"}


def test_what_still_refuses_behind_a_resume_is_said(folder: str) -> None:
    done(folder, "expire", "bob@test.com", "2020-01-31")
    done(folder, "suspend", "bob@test.com")
    found = run(folder, "user", "resume", "bob@test.com")
    assert found.err == (
        "bob@test.com: no longer suspended, but valid_until 2020-01-31 is over, which still refuses logins:"
        " nwauth user set bob@test.com valid_until= lifts that\n"
    )


def test_a_state_that_refuses_by_itself_stays_through_suspend_and_resume(folder: str) -> None:
    done(folder, "set", "bob@test.com", "mailstatus=Closed")
    found = run(folder, "user", "suspend", "bob@test.com")
    stays = "bob@test.com: mailstatus is Closed already, which refuses logins: it stays, and resume does not lift it\n"
    assert (found.status, found.err, json.loads(found.out)["change"]) == (0, stays, "none")
    mend = "mailstatus is closed, which still refuses logins: nwauth user set bob@test.com mailstatus= lifts that\n"
    found = run(folder, "user", "resume", "bob@test.com")
    assert (found.status, found.err) == (0, f"bob@test.com: nothing to resume, but {mend}")
    found = run(folder, "user", "suspend", "bob@test.com", "--until", "2999-01-31", "--reason", "debts")
    assert found.err == f"bob@test.com: the suspension ends Thu 2999-01-31 00:00 NZDT, but {mend}"
    found = run(folder, "user", "resume", "bob@test.com")
    assert found.err == f"bob@test.com: no longer suspended, but {mend}"
    assert fields(folder) == {"mailstatus": "Closed"}


def test_of_several_users_one_that_is_not_there_is_named_and_the_others_are_changed(folder: str) -> None:
    for verb, *more in (["suspend"], ["resume"], ["expire", "2027-01-31"]):
        found = run(folder, "user", verb, "bob@test.com", "nobody", "eve@test.com", *more)
        assert found.status == 1
        assert "nwauth: nobody: no such user in " in found.err
        assert [json.loads(line)["user"] for line in found.out.splitlines()] == ["bob@test.com", "eve@test.com"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("suspend", "bob", "--until", "2020-01-31"), "invalid value for '--until': 2020-01-31 is past"),
        (
            ("suspend", "bob", "--until", "soon"),
            "invalid value for '--until': found 'soon', wanted a date (2027-01-31)",
        ),
        (("expire", "bob", ""), "invalid value for 'DATE': found nothing, wanted a date"),
        (("suspend", "bob", "--until", " "), "invalid value for '--until': found nothing, wanted a date"),
        (("suspend", "bob", "--from", ""), "invalid value for '--from': found nothing, wanted a date"),
        (("suspend", "bob", "--from", "2027-02-30"), "invalid value for '--from': found '2027-02-30', wanted a date"),
        (("expire", "bob", "31.1.2027"), "invalid value for 'DATE': found '31.1.2027', wanted a date"),
        (
            ("suspend", "bob", "--from", "2998-01-01", "--until", "2999-01-01"),
            "--from and --until: an account has one ",
        ),
        (("suspend", "bob", "--reason", 'a "quote"'), "invalid value for '--reason': "),
        (("expire", "bob"), "missing argument 'DATE|never', as in: nwauth user expire bob@test.com 2027-01-31"),
        (("expire", "2027-01-31"), "missing argument 'NAME...'"),
        (("expire", "never"), "missing argument 'NAME...'"),
        (("expire",), "missing argument 'DATE|never'"),
    ],
)
def test_a_date_that_cannot_be_used_is_misuse_and_nothing_is_changed(
    folder: str, words: tuple[str, ...], text: str
) -> None:
    found = run(folder, "user", *words)
    assert found.status == 2, found
    assert text.lower() in found.err.lower()
    assert fields(folder) == {}


def test_a_dry_run_tells_the_same_and_changes_nothing(folder: str) -> None:
    found = run(folder, "user", "suspend", "bob@test.com", "--until", "2999-01-31", "--dry-run")
    assert found.err == "bob@test.com: logins begin again Thu 2999-01-31 00:00 NZDT\n"
    assert json.loads(found.out)["dry_run"] is True
    assert fields(folder) == {}


# --- the fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "end", "wanted"),
    [
        ("", "", "", {"mailstatus": "suspended"}),
        ('valid_from="2020-01-01"', "", "2027-01-01", {"valid_from": "2027-01-01", "suspended_by": "valid_from"}),
        (
            'mailstatus="suspended"', "", "2027-01-01",
            {"mailstatus": "", "valid_from": "2027-01-01", "suspended_by": "valid_from"},
        ),
        ('mailstatus="closed"', "", "", {}),
        ('mailstatus="paydue"', "", "", {"mailstatus": "suspended", "mailstatus_before": "paydue"}),
        (
            'mailstatus="suspended" mailstatus_before="paydue"', "2027-01-01", "",
            {
                "mailstatus": "paydue", "mailstatus_before": "",
                "valid_until": "2027-01-01", "suspended_by": "valid_until",
            },
        ),
        ('suspend_reason="old" suspended_by="valid_from" valid_from="2026-06-15"', "", "", {
            "mailstatus": "suspended", "suspend_reason": "",
        }),
        ('suspend_reason="old" suspended_by="valid_from" valid_from="2026-06-16"', "", "", {"mailstatus": "suspended"}),
        ('mailstatus="closed"', "2027-01-01", "", {"valid_until": "2027-01-01", "suspended_by": "valid_until"}),
        ('valid_until="2028-01-01"', "2027-01-01", "", None),
        ('valid_from="2028-01-01"', "", "2027-01-01", None),
        ('valid_from="nonsense"', "", "2027-01-01", None),
    ],
)  # fmt: skip
def test_a_suspension_takes_no_date_or_state_that_another_has_set(
    text: str, start: str, end: str, wanted: dict[str, str] | None
) -> None:
    if wanted is None:
        with pytest.raises(Refused, match="already, and would be lost"):
            pauses.suspended(Info(text), start=start, end=end, now=lambda: NOW)
        return
    assert pauses.suspended(Info(text), start=start, end=end, now=lambda: NOW) == wanted


def test_a_suspension_lifted_leaves_the_account_as_it_was_before() -> None:
    states = ('mailstatus="paydue" quota="5"', 'MailStatus="closed"')
    for text in ("", 'quota="5"', 'valid_until="2030-01-01"', 'mailaccess="student" odd', *states):
        for start, end in (("", ""), ("", "2027-01-01"), ("2027-01-01", "")):
            info = Info(text)
            if start and "valid_until" in text:
                continue
            paused = info.updated(pauses.suspended(info, start=start, end=end, reason="why", now=lambda: NOW))
            assert paused != info
            again = paused.updated(pauses.suspended(paused, start=start, end=end, now=lambda: NOW))
            assert again.updated(pauses.resumed(again)) == info
            assert paused.updated(pauses.resumed(paused)) == info


def test_a_moment_is_told_only_of_a_date_that_can_be_read() -> None:
    info = Info('valid_from="2026-06-15" valid_until="soon"')
    assert pauses.moment(info, "valid_from", UTC) == NOW - timedelta(hours=12)
    assert pauses.moment(info, "valid_until", UTC) is None
    assert pauses.moment(Info(), "valid_from", UTC) is None
