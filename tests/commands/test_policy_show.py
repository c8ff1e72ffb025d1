"""``nwauth policy show``: the rules in order, and the week as a grid."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import Run, Terminal, base, run

if TYPE_CHECKING:
    from collections.abc import Sequence

POLICY = """\
[policy]
zone = "Pacific/Auckland"
default = "allow"
reveal = true

[lists.holidays]
dates = ["2026-11-26", "2026-12-25..2027-01-05"]
[lists.labs]
hosts = ["10.20.0.0/16", "2001:db8:20::/48"]

[[rule]]
name = "no mail in class"
deny = true
class = ["student"]
from = ["@labs"]
when = "Mon-Fri 08:30-12:00, 13:00-17:10 except @holidays"
text = "mail is closed in labs during class"

[[rule]]
name = "no pop at night"
deny = true
service = ["pop"]
when = "Fri-Sat 22:00-06:00"

[[rule]]
name = "trial"
deny = true
mode = "shadow"
when = "Sun"

[[rule]]
name = "guests"
deny = true
user = ["guest_*"]

[throttle]
per_user = 5
"""
USERS = b"""\
bob@test.com:*x:mailaccess="Student"
eve@test.com:*x:valid_until="2026-11-25" mailaccess="student"
tim@test.com:*x:mailstatus="suspended"
guest_1@test.com:*x:
student:*x:
"""
WEEK = ("--week", "--from-date", "2026-11-23")
STUDENT = """\
Logins of class student
in Pacific/Auckland, where it is NOW

        00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23
 Mon 23 AA AA AA AA AA AA AA AA A? ?? ?? ?? AA ?? ?? ?? ?? *A AA AA AA AA AA AA
 Tue 24 AA AA AA AA AA AA AA AA A? ?? ?? ?? AA ?? ?? ?? ?? *A AA AA AA AA AA AA
 Wed 25 AA AA AA AA AA AA AA AA A? ?? ?? ?? AA ?? ?? ?? ?? *A AA AA AA AA AA AA
 Thu 26 AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA
 Fri 27 AA AA AA AA AA AA AA AA A? ?? ?? ?? AA ?? ?? ?? ?? *A AA AA AA AA ?? ??
 Sat 28 ?? ?? ?? ?? ?? ?? AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA ?? ??
 Sun 29 ?? ?? ?? ?? ?? ?? AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA AA
        A allowed  D denied  ? depends on the host and service  * changes within
        a letter is half an hour
        rules that deny by host or service also deny where it is unknown

depends  Mon-Wed, Fri 08:30-12:00, 13:00-17:10
           denied by "no mail in class" (from @labs), else allowed by default
depends  Fri-Sat 22:00-06:00
           denied by "no pop at night" (service pop), else allowed by default
allowed  at all other times
           by default
shadow   "trial" would deny, were it in force: Sun all day

Clock changes and listed dates within 60 days
  Thu 26 Nov 2026  @holidays: "no mail in class" has no hours
  Fri 25 Dec 2026 to Tue  5 Jan 2027  @holidays: "no mail in class" has no hours
"""
NAMED = 'note: not shown are rules for named users, domains or stores: "guests"\n'
BOTH = "note: student is a user and a class: this is the user (--class shows the class)\n"


@pytest.fixture
def folder(folder: str) -> str:
    base(folder, users=USERS)
    return with_policy(folder, POLICY)


def with_policy(folder: str, text: str) -> str:
    with open(os.path.join(folder, "policy.toml"), "w", encoding="utf-8") as file:
        file.write(text)
    return folder


def show(folder: str, *words: str, form: str = "table") -> Run:
    return run(folder, "policy", "show", *words, "--format", form)


def timeless(text: str) -> str:
    """The page, without the time of day, and without the mark and the legend of today."""
    text = re.sub(r"(where it is) \w{3} [ \d]\d \w{3} \d{4} \d\d:\d\d \(.*\)", r"\1 NOW", text)
    return text.replace("\n>", "\n ").replace("; > is today", "")


def grid(text: str) -> dict[str, str]:
    """The rows of the grid, by their labels."""
    return {line[1:8].strip(): line[8:] for line in text.splitlines() if re.match(r"[ >](\w{3} [ \d]\d| again) ", line)}


def spans(folder: str, *words: str) -> list[dict[str, str]]:
    done = show(folder, *words, form="ndjson")
    assert done.status == 0, done.err
    return done.records()


# --- the week --------------------------------------------------------------------------------------------------------


def test_the_week_of_a_class_is_a_grid_with_the_hours_in_words_and_the_dates_below(folder: str) -> None:
    terminal = Terminal(folder, "policy", "show", "student", "--class", *WEEK, NO_COLOR="1")
    assert terminal.end() == 0
    assert timeless(terminal.screen) == NAMED + STUDENT
    assert max(map(len, terminal.screen.splitlines())) <= 80


def test_a_grid_in_a_file_is_the_same_without_colour(folder: str) -> None:
    done = show(folder, "student", "--class", *WEEK)
    assert (done.status, done.err) == (0, NAMED)
    assert timeless(done.out) == STUDENT


def test_a_grid_on_a_terminal_has_blocks_of_colour_with_the_letters_in_them(folder: str) -> None:
    terminal = Terminal(folder, "policy", "show", "student", "--class", *WEEK)
    assert terminal.end() == 0
    assert "\x1b[30;42mA\x1b[0m\x1b[30;43m?\x1b[0m \x1b[30;43m??\x1b[0m" in terminal.screen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.screen)
    assert grid(plain) == grid(STUDENT)


@pytest.mark.parametrize(
    ("columns", "monday"),
    [
        (40, "AAAAAAAA*???A????*AAAAAA"),
        (60, "A A A A A A A A * ? ? ? A ? ? ? ? * A A A A A A"),
        (130, " ".join(["AAAA"] * 8 + ["AA??"] + ["????"] * 3 + ["AAAA"] + ["????"] * 4 + ["*AAA"] + ["AAAA"] * 6)),
        (
            200,
            " ".join(
                ["AAAAAA"] * 8 + ["AAA???"] + ["??????"] * 3 + ["AAAAAA"] + ["??????"] * 4 + ["?AAAAA"] + ["AAAAAA"] * 6
            ),
        ),
    ],
)
def test_a_wider_terminal_shows_parts_of_hours_and_a_narrow_one_whole_ones(
    folder: str, columns: int, monday: str
) -> None:
    terminal = Terminal(folder, "--quiet", "policy", "show", "student", "--class", *WEEK, columns=columns, NO_COLOR="1")
    assert terminal.end() == 0
    assert grid(terminal.screen)["Mon 23"] == monday
    assert max(map(len, terminal.screen.split("Clock changes")[0].splitlines())) <= columns


def test_the_coming_week_begins_today(folder: str) -> None:
    done = show(folder, "--week")
    rows = [line for line in done.out.splitlines() if re.match(r"[ >]\w{3} [ \d]\d ", line)]
    assert len(rows) == 7
    assert [row[0] for row in rows] == [">"] + [" "] * 6
    assert "> is today" in done.out
    assert done.out.startswith("Logins of class default\n")


def test_whoever_says_host_and_service_gets_no_open_hours(folder: str) -> None:
    def monday(*words: str) -> str:
        return grid(show(folder, "student", "--class", *WEEK, *words).out)["Mon 23"][24:26]

    def friday(*words: str) -> str:
        return grid(show(folder, "student", "--class", *WEEK, *words).out)["Fri 27"][66:68]

    assert [monday(), monday("--from", "10.20.0.7"), monday("--from", "10.21.0.7")] == ["A?", "AD", "AA"]
    assert monday("--from", "2001:db8:20::1") == monday("--from", "::ffff:10.20.0.7") == "AD"
    assert monday("--from", "unknown") == "AD"  # a rule that denies matches what is unknown
    assert [friday(), friday("--service", "POP"), friday("--service", "imap")] == ["??", "DD", "AA"]
    assert friday("--service", "unknown") == "DD"
    title = show(folder, "student", "--class", *WEEK, "--from", "10.20.0.7", "--service", "imap").out.splitlines()[0]
    assert title == "Logins of class student, from 10.20.0.7, by service imap"
    assert "depends" not in show(folder, "student", "--class", *WEEK, "--from", "unknown", "--service", "imap").out


def test_the_week_of_a_user_is_that_of_his_classes(folder: str) -> None:
    done = show(folder, "bob@test.com", *WEEK)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Logins of user bob@test.com (class student)\n")
    assert grid(done.out) == grid(STUDENT)


def test_the_state_of_the_account_is_part_of_it(folder: str) -> None:
    done = show(folder, "eve@test.com", *WEEK)
    rows = grid(done.out)
    assert [set(rows[day]) - {" "} for day in ("Wed 25", "Thu 26", "Sun 29")] == [{"A", "?", "*"}, {"D"}, {"D"}]
    assert "denied   Thu-Sun all day\n           by the account's valid_until\n" in done.out
    assert "  Thu 26 Nov 2026  valid_until 2026-11-25 of the account: logins end at 00:00\n" in done.out
    tim = show(folder, "tim@test.com", *WEEK)
    assert "denied   at all times\n           by the account's mailstatus\n" in tim.out


MASKED = """
[[stores]]
kind = "sql"
url = "sqlite:///{folder}/people.db"
table = "people"
[stores.columns]
name = "name"
password = "password"
ip_mask = "mask"
"""


@pytest.mark.parametrize(
    ("mask", "open_"), [("10.20.5.*, 192.0.2.1 - 192.0.2.9", True), ("10.20.5.9/24", False), ("", None)]
)
def test_the_mask_of_an_account_is_part_of_it(folder: str, mask: str, open_: bool | None) -> None:  # noqa: FBT001
    base(folder, settings=MASKED.format(folder=folder))
    people = sqlite3.connect(os.path.join(folder, "people.db"))
    people.execute("CREATE TABLE people (name TEXT PRIMARY KEY, password TEXT, mask TEXT)")
    people.execute("INSERT INTO people VALUES ('bob', '*x', ?)", (mask,))
    people.commit()
    people.close()
    done = show(folder, "bob", *WEEK, "--service", "imap")
    assert done.status == 0, done.err
    assert set("".join(grid(done.out).values())) - {" "} == {True: {"?"}, False: {"D"}, None: {"A"}}[open_]
    assert ("denied by the account's ip_mask, else allowed by default" in done.out) is (open_ is True)
    assert ("depends on the host" in done.out) is (open_ is True)
    inside = show(folder, "bob", *WEEK, "--from", "192.0.2.5", "--service", "imap")
    assert set("".join(grid(inside.out).values())) - {" "} == ({"D"} if open_ is False else {"A"})


def test_a_word_that_is_a_user_and_a_class_is_the_user_unless_it_is_said(folder: str) -> None:
    user = show(folder, "student", *WEEK)
    assert (user.status, user.err) == (0, BOTH)
    assert user.out.startswith("Logins of user student (class default)\n")
    said = show(folder, "student", "--user", *WEEK)
    assert (said.out.splitlines()[0], said.err) == (user.out.splitlines()[0], "")
    assert show(folder, "student", "--class", *WEEK).out.startswith("Logins of class student\n")


def test_a_word_that_is_neither_is_taken_for_a_class_and_said(folder: str) -> None:
    done = show(folder, "studnet", *WEEK)
    assert done.status == 0
    assert done.err.startswith("note: there is no user studnet, and no rule names a class studnet: ")
    assert done.out.startswith("Logins of class studnet\n")


def test_a_user_who_is_not_there_is_an_error(folder: str) -> None:
    for words in (("nobody@test.com",), ("nobody", "--user"), ("student@test.com", "--week")):
        done = show(folder, *words)
        assert (done.status, done.out) == (1, "")
        assert f"{words[0]}: no such user in store flatfile" in done.err


def test_several_classes_are_shown_together(folder: str) -> None:
    done = show(folder, "student,default", "--class", *WEEK)
    assert done.out.startswith("Logins of classes student, default\n")
    assert grid(done.out) == grid(STUDENT)


NIGHT = """
[policy]
zone = "Europe/Dublin"
default = "allow"
[[rule]]
name = "night"
deny = true
when = "00:30-01:15 in UTC"
"""


def test_hours_that_come_twice_have_two_rows(folder: str) -> None:
    done = show(with_policy(folder, NIGHT), "--week", "--from-date", "2026-10-20")
    rows = grid(done.out)
    assert rows["Sun 25"].startswith("AA AD AA ")
    assert rows["again"] == "   *A"
    assert "again: the clock is put back, and these hours come a second time" in done.out
    assert "Sun 01:30-02:00, again 01:00-01:15" in done.out
    assert (
        "  Sun 25 Oct 2026  clocks in Europe/Dublin go from 02:00 back to 01:00 (UTC+01:00 to UTC+00:00):"
        ' "night" is 1 hour earlier in Europe/Dublin from then on\n'
    ) in done.out


def test_hours_that_are_skipped_are_points(folder: str) -> None:
    done = show(with_policy(folder, NIGHT), "--week", "--from-date", "2026-03-29")
    assert grid(done.out)["Sun 29"].startswith("AD .. *A AA ")
    assert ". no such time" in done.out


def test_a_change_that_touches_no_hours_is_said_to_change_nothing(folder: str) -> None:
    text = NIGHT.replace("00:30-01:15 in UTC", "09:00-10:00")
    done = show(with_policy(folder, text), "--week", "--from-date", "2026-10-20")
    assert "go from 02:00 back to 01:00 (UTC+01:00 to UTC+00:00): changes nothing\n" in done.out


def test_programs_get_spans(folder: str) -> None:
    found = spans(folder, "student", "--class", *WEEK)
    assert found[1] == {
        "day": "Mon",
        "date": "2026-11-23",
        "from": "08:30",
        "to": "12:00",
        "start": "2026-11-23T08:30:00+13:00",
        "end": "2026-11-23T12:00:00+13:00",
        "decision": "depends",
        "rule": "no mail in class, default",
        "shadow": None,
    }
    assert found[-1]["shadow"] == "trial"
    assert found[-1]["to"] == "24:00"
    assert all(before["end"] == after["start"] for before, after in pairwise(found))
    assert json.loads(show(folder, "student", "--class", *WEEK, form="json").out) == found
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        out = show(folder, "student", "--class", *WEEK, form=form).out
        rows = list(csv.DictReader(io.StringIO(out), delimiter=delimiter))
        assert [row | {"shadow": row["shadow"] or None} for row in rows] == found


# --- the rules -------------------------------------------------------------------------------------------------------

RULES = """\
zone       Pacific/Auckland
reveal     yes: whose password is right is told why
throttle   wrong passwords in 10 minutes: 20 per address, 5 per user (IPv6 by
           /64); addresses trusted for 30 days; exempt: loopback
@holidays  dates: 2026-11-26, 2026-12-25..2027-01-05
@labs      hosts: 10.20.0.0/16, 2001:db8:20::/48

#  RULE              ACTION  MODE     CONDITIONS
1  no mail in class  deny    enforce  class student; from @labs; when Mon-Fri
                                      08:30-12:00, 13:00-17:10 except @holidays;
                                      tells "mail is closed in labs during
                                      class"
2  no pop at night   deny    enforce  service pop; when Fri-Sat 22:00-06:00
3  trial             deny    shadow   when Sun
4  guests            deny    enforce  user guest_*
   default           allow            where no rule decides
"""


def test_the_rules_are_shown_in_order_with_the_rest_of_the_policy(folder: str) -> None:
    terminal = Terminal(folder, "policy", "show", NO_COLOR="1")
    assert terminal.end() == 0
    assert terminal.screen == RULES


def test_the_rules_are_shown_that_can_concern_somebody(folder: str) -> None:
    def names(*words: str) -> list[str]:
        found = json.loads(show(folder, *words, form="json").out)
        return [rule["name"] for rule in found["rules"]]

    assert names() == ["no mail in class", "no pop at night", "trial", "guests"]
    assert names("student", "--class") == ["no mail in class", "no pop at night", "trial"]
    assert names("guest_1@test.com") == ["no pop at night", "trial", "guests"]
    assert show(folder, "guest_1@test.com").out.startswith(
        "Rules that can concern user guest_1@test.com (class default)"
    )


def test_programs_get_the_whole_policy_as_one_object_or_the_rules_as_rows(folder: str) -> None:
    found = json.loads(show(folder, form="ndjson").out)
    assert found == json.loads(show(folder, form="json").out)
    assert {key: found[key] for key in ("zone", "default", "reveal")} == {
        "zone": "Pacific/Auckland",
        "default": "allow",
        "reveal": True,
    }
    assert found["lists"] == {
        "holidays": {"dates": ["2026-11-26", "2026-12-25..2027-01-05"]},
        "labs": {"hosts": ["10.20.0.0/16", "2001:db8:20::/48"]},
    }
    assert found["throttle"]["per_user"] == 5
    assert found["rules"][0] == {
        "number": 1,
        "name": "no mail in class",
        "action": "deny",
        "mode": "enforce",
        "user": None,
        "class": ["student"],
        "domain": None,
        "store": None,
        "service": None,
        "from": ["@labs"],
        "when": "Mon-Fri 08:30-12:00, 13:00-17:10 except @holidays",
        "text": "mail is closed in labs during class",
    }
    rows = list(csv.DictReader(io.StringIO(show(folder, form="csv").out)))
    assert [row["name"] for row in rows] == [rule["name"] for rule in found["rules"]]


def test_exempt_networks_are_shown(folder: str) -> None:
    with_policy(folder, POLICY + 'exempt = ["192.0.2.0/24", "2001:db8::7"]\ntrust_days = 0\nper_address = 0\n')
    out = show(folder).out
    assert "any number per address, 5 per user" in out
    assert "no addresses trusted; exempt: loopback, 192.0.2.0/24, 2001:db8::7/128\n" in out


# --- no policy, and a bad one ----------------------------------------------------------------------------------------


def test_without_a_policy_it_says_so_and_what_to_do(folder: str) -> None:
    os.unlink(os.path.join(folder, "policy.toml"))
    for words in ((), ("--week",), ("bob@test.com", "--week")):
        done = show(folder, *words)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith(f"nwauth: there is no policy: {folder}/policy.toml is not there, so that logins are")
        assert done.err.count("\n") == 1


def test_a_bad_policy_without_last_good_rules_is_cannot_tell(folder: str) -> None:
    with_policy(folder, POLICY.replace("08:30", "8:30"))
    done = show(folder, "--week")
    assert (done.status, done.out) == (75, "")
    assert "policy.toml" in done.err
    assert done.err.count("\n") == 1


def test_of_a_bad_policy_the_last_good_rules_are_shown_with_a_warning(folder: str) -> None:
    os.rename(os.path.join(folder, "policy.toml"), os.path.join(folder, "policy.toml.last-good"))
    with_policy(folder, POLICY.replace("08:30", "8:30"))
    done = show(folder, "student", "--class", *WEEK)
    assert done.status == 0
    warning, note = done.err.splitlines(keepends=True)
    assert warning.startswith("nwauth: these are the last good rules, not those of the file: ")
    assert note == NAMED
    assert grid(done.out) == grid(STUDENT)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "10.20.0.7"), "--from, --service and --from-date are for --week"),
        (("--user", "--week"), "--user: wanted the name of a user"),
        (("--week", "--from", "lab"), "wanted an IPv4 or IPv6 address"),
        (("--week", "--from-date", "9999-12-31"), "wanted a date such as 2027-01-31"),
        (("--week", "--from-date", "Monday"), "wanted a date such as 2027-01-31"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_said(folder: str, words: Sequence[str], said: str) -> None:
    done = show(folder, *words)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_hostile_names_steer_no_terminal(folder: str) -> None:
    with_policy(folder, POLICY.replace('["student"]', r'["a\u001b[2Jb"]'))
    for words in ((), WEEK):
        terminal = Terminal(folder, "policy", "show", "a\x1b[2Jb", "--class", *words, NO_COLOR="1")
        assert terminal.end() == 0
        assert terminal.screen.replace("\n", "").isprintable()
