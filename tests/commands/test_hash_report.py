"""``nwauth hash report`` and ``nwauth hash calibrate``."""

from __future__ import annotations

import csv
import io
import json
import os
import tomllib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nwauth import config
from nwauth.doctor.hashreport import HashReport
from nwauth.passwords import Passwords, Settings
from nwauth.passwords.inspecting import Inspector
from nwauth.passwords.values import SCHEMES_KEPT, SCHEMES_MADE
from tests.commands.common import COMMAND, SETTINGS, base, contents, run
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.directories import shared_slapd
from tests.directories.people import person
from tests.directories.slapd import MAIL, PASSWORD
from tests.passwords import vectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHEAP = Settings(argon2id_memory_kib=8, argon2id_iterations=1, bcrypt_cost=4, sha512_rounds=1000, yescrypt_cost=1)
MADE = {scheme: Passwords(CHEAP).hash(b"secret", scheme) for scheme in SCHEMES_MADE + SCHEMES_KEPT}
TODAY = datetime.now(tz=UTC).date()
NEXT_YEAR = TODAY + timedelta(days=365)
COSTLY = f"$6$rounds=999999999$saltsalt${'x' * 86}"
PASSWD = '[[stores]]\nkind = "passwd"\npath = "file"\nsettle_seconds = 0.0\n'


def people(folder: str, *users: tuple[str, str, str], settings: str = SETTINGS) -> str:
    """A base of these: name, field, info."""
    return base(
        folder, users="".join(f"{name}:{field}:{info}\n" for name, field, info in users).encode(), settings=settings
    )


def weak_after(date: object) -> str:
    return SETTINGS.replace("[passwords]\n", f"[passwords]\nweak_after = {date}\n")


def reported(folder: str, *words: str) -> dict[tuple[str | None, str | None], dict[str, Any]]:
    """The records by store and scheme."""
    done = run(folder, "hash", "report", *words)
    assert done.status == 0, done.err
    return {(row["store"], row["scheme"]): row for row in done.records()}


def named(folder: str, *words: str) -> dict[str, dict[str, Any]]:
    """The users concerned, by name."""
    done = run(folder, "hash", "report", "--users", *words)
    assert done.status == 0, done.err
    return {row["user"]: row for row in done.records()}


@pytest.mark.parametrize("scheme", list(MADE))
def test_a_field_that_was_made_here_is_counted_as_what_it_is(folder: str, scheme: str) -> None:
    people(folder, ("bob", MADE[scheme], ""))
    row = reported(folder)["flatfile", scheme]
    weak = Passwords().identify(MADE[scheme]).weak
    assert (row["users"], row["weak"], row["uncheckable"], row["no_login"]) == (1, int(weak), 0, 0)
    assert list(named(folder)) == ["bob"] * weak


def test_fields_of_other_programs_that_verify_are_neither_uncheckable_nor_shut() -> None:
    inspector = Inspector(Settings(netwin_weak=True))
    fields = [field for _, _, field in vectors.ALL]
    odd = [(field, inspector.look(field)) for field in fields]
    assert len(odd) > 10
    assert [field for field, standing in odd if standing.no_login or standing.uncheckable] == []


@pytest.mark.parametrize("scheme", [scheme for scheme in MADE if scheme not in ("clear", "des-crypt")])
def test_a_field_that_was_cut_lets_nobody_in(folder: str, scheme: str) -> None:
    cut = MADE[scheme][:-9]
    verdict = Passwords().verify(cut, b"secret")
    people(folder, ("bob", cut, ""))
    row = named(folder).get("bob")
    assert verdict.ok is False
    if scheme != "argon2id":  # its digest may have any length
        assert row is not None
        assert (row["no_login"], row["weak"]) == (True, False)


def test_users_who_cannot_log_in_are_told_from_those_who_cannot_be_checked(folder: str) -> None:
    people(
        folder,
        ("gone", "!", ""),
        ("odd", "$9$x", ""),
        ("dear", COSTLY, ""),
        ("old", "qrYSZI", ""),
        ("good", MADE["bcrypt"], ""),
    )
    found = named(folder)
    assert {name: row["no_login"] for name, row in found.items()} == {
        "gone": True, "odd": True, "dear": False, "old": True,
    }  # fmt: skip
    assert [name for name, row in found.items() if row["uncheckable"]] == ["dear"]
    assert "more than is tried" in found["dear"]["reason"]
    total = reported(folder)[None, None]
    assert (total["users"], total["no_login"], total["uncheckable"]) == (5, 3, 1)


def test_what_this_machine_has_no_library_for_is_uncheckable() -> None:
    standing = Inspector(Settings(), native=False).look(MADE["yescrypt"])
    assert (standing.uncheckable, standing.reason) == (True, "nothing on this machine verifies yescrypt")


def test_who_is_hit_depends_on_the_account_and_on_the_day(folder: str) -> None:
    people(
        folder,
        ("stays", MADE["ssha"], ""),
        ("leaves", MADE["ssha"], f'valid_until="{TODAY + timedelta(days=30)}"'),
        ("comes", MADE["ssha"], f'valid_from="{TODAY + timedelta(days=30)}"'),
        ("left", MADE["ssha"], 'mailstatus="closed"'),
        ("good", MADE["bcrypt"], ""),
        settings=weak_after(NEXT_YEAR),
    )
    found = named(folder)
    assert [name for name, row in found.items() if row["hit_today"]] == ["leaves", "stays"]
    assert [name for name, row in found.items() if row["hit_then"]] == ["comes", "stays"]
    row = reported(folder)["flatfile", "ssha"]
    assert (row["weak"], row["hit_today"], row["hit_then"], row["renewed_by_login"]) == (4, 2, 2, 4)


def test_whom_the_report_calls_hit_the_login_refuses(folder: str) -> None:
    people(folder, ("bob", MADE["ssha"], ""), settings=weak_after(TODAY))
    assert named(folder)["bob"]["hit_today"] is True
    login = run(folder, "test", "bob", "--password-stdin", stdin=b"secret")
    assert login.status == 1
    assert "weak_after" in login.out
    assert "which has come: 1 are refused" in run(folder, "hash", "report").err


def test_a_date_can_be_tried(folder: str) -> None:
    people(folder, ("bob", MADE["ssha"], ""))
    assert reported(folder)[None, None]["hit_then"] is None
    assert reported(folder, "--weak-after", str(NEXT_YEAR))[None, None]["hit_then"] == 1
    wrong = run(folder, "hash", "report", "--weak-after", "soon")
    assert (wrong.status, wrong.out, wrong.err.count("\n")) == (2, "", 1)


def test_a_folder_that_is_shared_renews_nobody(folder: str) -> None:
    people(folder, ("bob", MADE["ssha"], ""), settings=SETTINGS.replace("shared = false", "shared = true"))
    assert reported(folder)[None, None]["renewed_by_login"] == 0


def test_accounts_are_counted_by_age_where_it_is_written_down(folder: str) -> None:
    def made(days: int) -> str:
        return f'created="{int((datetime.now(tz=UTC) - timedelta(days=days)).timestamp())}"'

    ages = (("a", 10), ("b", 500), ("c", 1000), ("d", 9000))
    people(folder, *((name, "*x", made(days)) for name, days in ages), ("e", "*x", ""), ("f", "*x", 'created="soon"'))
    row = reported(folder)["flatfile", "clear"]
    assert row["age"] == {"under_1_year": 1, "1_to_2_years": 1, "2_to_5_years": 1, "over_5_years": 1, "unknown": 2}
    assert row["oldest"] == str(TODAY - timedelta(days=9000)) == named(folder)["d"]["created"]
    assert named(folder)["f"]["created"] is None


def test_an_account_of_a_day_to_come_has_no_age(folder: str) -> None:
    people(folder, ("bob", "*x", 'created="99999999999"'), ("eve", "*x", f'created="{TODAY + timedelta(days=40)}"'))
    row = reported(folder)["flatfile", None]
    assert (row["oldest"], row["age"]["unknown"], row["age"]["under_1_year"]) == (None, 2, 0)


def test_several_stores_are_counted_each_and_together(folder: str) -> None:
    people(folder, ("bob", MADE["ssha"], ""), settings=SETTINGS.replace("[passwords]", f"{PASSWD}[passwords]"))
    with open(os.path.join(folder, "file"), "w", encoding="utf-8") as file:
        file.write(f"eve:{MADE['ssha']}:1:1:::\nada:{MADE['bcrypt']}:1:1:::\n")
    found = reported(folder)
    assert {key: row["users"] for key, row in found.items()} == {
        ("flatfile", "ssha"): 1, ("flatfile", None): 1, ("passwd", "bcrypt"): 1, ("passwd", "ssha"): 1,
        ("passwd", None): 2, (None, "ssha"): 2, (None, "bcrypt"): 1, (None, None): 3,
    }  # fmt: skip
    assert found[None, "ssha"]["examples"] == ["bob", "eve"]
    assert list(reported(folder, "--store", "passwd")) == [
        ("passwd", "bcrypt"), ("passwd", "ssha"), ("passwd", None), (None, "bcrypt"), (None, "ssha"), (None, None),
    ]  # fmt: skip


def test_names_are_printed_up_to_a_limit_and_all_are_counted(folder: str) -> None:
    people(folder, *((f"user{number}", "*x", "") for number in range(9)))
    done = run(folder, "hash", "report", "--max", "2", "--format", "csv")
    assert [row["user"] for row in csv.DictReader(io.StringIO(done.out))] == ["user0", "user1"]
    assert "9 users with weak passwords" in done.err
    assert len(reported(folder)[None, None]["examples"]) == 5


def test_a_table_is_for_people(folder: str) -> None:
    done = run(folder, "hash", "report", "--format", "table")
    assert done.out == (
        "SCHEME  USERS  WEAK  UNCHECKABLE  NO_LOGIN  HIT_TODAY\n"
        "clear   1      1     0            0         1\n"
        "(all)   1      1     0            0         1\n"
    )


def test_a_table_of_names_says_in_words_what_is_wrong_with_them(folder: str) -> None:
    people(folder, ("dear", COSTLY, ""), ("eve", MADE["ssha"], 'created="1060034937"'), ("gone", "!", ""))
    done = run(folder, "hash", "report", "--users", "--format", "table")
    assert done.out == (
        "USER  SCHEME        CREATED     CONCERN\n"
        "dear  sha512-crypt              cannot be checked\n"
        "eve   ssha          2003-08-04  weak, hit today, renewed by a login\n"
        "gone  no-login                  cannot log in\n"
    )


def test_a_store_that_cannot_be_listed_is_never_an_empty_one(folder: str) -> None:
    settings = SETTINGS.replace("[passwords]", f"{PASSWD}[passwords]")
    people(folder, ("bob", MADE["ssha"], ""), settings=settings)
    done = run(folder, "hash", "report")
    assert done.status == 75
    assert "store passwd could not be listed" in done.err
    assert json.loads(done.out.splitlines()[-1])["users"] == 1
    os.remove(os.path.join(folder, "nwauth.txt"))
    nothing = run(folder, "hash", "report", "--quiet")
    assert (nothing.status, nothing.out) == (75, "")


def test_no_password_and_no_hash_is_printed_and_nothing_is_changed(folder: str) -> None:
    people(folder, ("bob", "*secret", ""), ("eve", MADE["ssha"], ""), ("odd", "$9$hidden", ""))
    before = contents(folder)
    told = [*run(folder, "hash", "report"), *run(folder, "hash", "report", "--users")]
    assert all(word not in str(told) for word in ("secret", MADE["ssha"][6:], "hidden"))
    assert contents(folder) == before


def test_of_twenty_thousand_users_only_numbers_and_a_few_names_are_kept(folder: str) -> None:
    people(folder, *((f"user{number:05}", MADE["ssha"], "") for number in range(20_000)))
    found = HashReport(config.read(folder), now=datetime.now(tz=UTC))
    assert sum(1 for _ in found.run()) == 20_000
    lines = found.lines()
    assert lines[-1].counts["weak"] == 20_000
    assert max(len(line.names) for line in lines) == 5


def test_the_dates_of_accounts_are_in_the_zone_of_the_policy_as_for_a_login(folder: str) -> None:
    """Six hours ahead by the machine's clock, and past in Auckland, half a day ahead of it."""
    ahead = (datetime.now(tz=UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%S")
    people(folder, ("bob", MADE["ssha"], f'valid_until="{ahead}"'))
    assert named(folder)["bob"]["hit_today"] is True
    policy = os.path.join(folder, "policy.toml")
    with open(policy, "w", encoding="ascii") as file:
        file.write('[policy]\ndefault = "allow"\nzone = "Pacific/Auckland"\n')
    assert named(folder)["bob"]["hit_today"] is False
    assert run(folder, "test", "bob", "--password-stdin", stdin=b"secret").status == 1
    with open(policy, "w", encoding="ascii") as file:
        file.write("[policy\n")
    done = run(folder, "hash", "report")
    assert (done.status, json.loads(done.out.splitlines()[-1])["hit_today"]) == (0, 1)
    assert "accounts' dates are read in the machine's zone: " in done.err


@pytest.mark.parametrize(
    ("days", "hit_then", "words"),
    [
        (-365, 1, "which has come: 1 are refused"),
        (0, 1, "which has come: 1 are refused"),
        (365, 0, "0 will be refused then, 1 if it were today"),
    ],
)
def test_a_date_that_is_past_is_in_force_and_one_to_come_hits_who_is_there_then(
    folder: str, days: int, hit_then: int, words: str
) -> None:
    leaves = TODAY + timedelta(days=30)
    people(folder, ("bob", MADE["ssha"], f'valid_until="{leaves}"'))
    done = run(folder, "hash", "report", "--weak-after", str(TODAY + timedelta(days=days)))
    total = json.loads(done.out.splitlines()[-1])
    assert (done.status, total["hit_today"], total["hit_then"]) == (0, 1, hit_then)
    assert words in done.err


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1060034937", "2003-08-04"), ("2020-01-31", "2020-01-31"), ("2020-01-31 23:59:59", "2020-01-31"),
        ("20200131100000Z", "2020-01-31"), ("0", None), ("soon", None), ("2020-13-01", None), ("9" * 40, None),
        ("", None),
    ],
)  # fmt: skip
def test_an_age_is_read_as_nwauth_a_database_or_a_directory_writes_it(folder: str, text: str, day: str | None) -> None:
    people(folder, ("bob", "*x", f'created="{text}"'))
    assert named(folder)["bob"]["created"] == day


def with_stores(folder: str, *tables: str) -> None:
    base(folder, settings="".join(f"[[stores]]\n{table}\n" for table in tables))


@pytest.mark.parametrize("server", [shared_postgres, shared_mariadb])
def test_users_of_a_database_are_counted_as_those_of_files(folder: str, server: Callable[[], Any]) -> None:
    table = f'kind = "sql"\nurl = "{server().url()}"\ntable = "{unique("accounts")}"'
    with_stores(folder, 'kind = "flatfile"\nsettle_seconds = 0.0', table)
    people_of = f'bob:{MADE["ssha"]}:created="1060034937"\neve:{MADE["bcrypt"]}:\n'.encode()
    with open(os.path.join(folder, "nwauth.txt"), "wb") as file:
        file.write(people_of)
    assert run(folder, "copy", "--from", "flatfile", "--to", "sql", "--make", "--quiet").status == 0
    found = reported(folder)
    keys = ("users", "weak", "no_login", "uncheckable", "hit_today", "age", "oldest", "examples")
    for scheme in ("ssha", "bcrypt", None):
        row, same = found["sql", scheme], found["flatfile", scheme]
        assert {key: row[key] for key in keys} == {key: same[key] for key in keys}


def test_a_directory_that_is_bound_to_hides_the_fields_and_one_that_is_compared_shows_them(folder: str) -> None:
    server = shared_slapd()
    below = server.new_base()
    server.modify(person(below, "bob", userPassword="secret") + person(below, "eve", userPassword=MADE["ssha"]))
    table = (
        f'kind = "ldap"\nurls = ["{server.url}"]\nbase = "{below}"\nbind_dn = "{MAIL}"\nbind_password = "{PASSWORD}"'
    )
    with_stores(folder, table)
    assert reported(folder)["ldap", "by the store"]["users"] == 2
    assert (
        "2 users whose store checks passwords itself: what these are worth is not seen"
        in run(folder, "hash", "report").err
    )
    with_stores(folder, f'{table}\nmode = "compare"')
    found = reported(folder)
    assert (found["ldap", "ssha"]["weak"], found["ldap", "unknown"]["no_login"]) == (1, 1)  # clear text is no field


def test_stores_that_check_by_themselves_are_counted_apart(folder: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    base(str(tmp_path / "other"))
    command = json.dumps([*COMMAND, "-path", str(tmp_path / "other")])
    with_stores(folder, f'kind = "process"\ncommand = {command}', 'kind = "system"\nmin_uid = 0')
    found = reported(folder)
    assert (found["process", "by the store"]["users"], found["process", "by the store"]["weak"]) == (1, 0)
    assert found["system", "by the store"]["users"] == found["system", None]["users"] > 0


def test_a_store_that_gives_no_listing_is_said(folder: str, tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.write_text('#!/bin/sh\nwhile read line; do echo "-ERR not supported here"; done\n')
    module.chmod(0o755)
    with_stores(folder, 'kind = "flatfile"\nsettle_seconds = 0.0', f'kind = "process"\ncommand = ["{module}"]')
    done = run(folder, "hash", "report")
    assert (done.status, json.loads(done.out.splitlines()[-1])["users"]) == (0, 1)
    assert "store process gives no listing: its users are not counted" in done.err


# --- calibrate -------------------------------------------------------------------------------------------------------


def test_the_setting_that_is_printed_is_one_that_can_be_pasted(folder: str) -> None:
    done = run(folder, "hash", "calibrate", "--scheme", "all", "--target-ms", "5", "--max-memory-mib", "8")
    assert done.status == 0, done.err
    rows = done.records()
    assert [row["scheme"] for row in rows] == ["argon2id", "bcrypt", "sha512-crypt", "yescrypt"]
    lines = "\n".join(row["setting"] for row in rows)
    assert set(tomllib.loads(lines)) == {"argon2id", "bcrypt_cost", "sha512_rounds", "yescrypt_cost"}
    base(folder, settings=SETTINGS.partition("[passwords]")[0] + f"[passwords]\n{lines}\n")
    assert run(folder, "hash", "make", "--password-stdin", stdin=b"x\n").status == 0


def test_the_effect_on_logins_and_memory_is_that_of_the_children(folder: str) -> None:
    done = run(folder, "hash", "calibrate", "--target-ms", "20", "--children", "7", "--max-memory-mib", "8")
    row = json.loads(done.out)
    assert (row["children"], row["measurements"], row["memory_mib"] <= 8) == (7, 5, True)
    assert row["memory_mib_all"] == pytest.approx(7 * row["memory_mib"], abs=1)
    assert row["logins_per_second"] == pytest.approx(1000 / row["quiet_ms"], rel=0.1)
    assert row["quiet_ms"] <= row["median_ms"]
    assert row["logins_per_second_all"] > 0


def test_children_that_would_take_all_the_memory_are_told(folder: str) -> None:
    words = ("--target-ms", "60", "--max-memory-mib", "8", "--children")
    many = run(folder, "hash", "calibrate", *words, "10000")
    assert "are free: fewer children, or a lower --max-memory-mib" in many.err
    assert "are free" not in run(folder, "hash", "calibrate", *words, "2").err


def test_the_number_of_children_is_that_of_the_mail_server(folder: str) -> None:
    conf = os.path.join(folder, "dmail.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write("authent_method external\nauthent_process nwauth\nauthent_number 6\nhost_domain test.com\n")
    done = run(folder, "hash", "calibrate", "--scheme", "bcrypt", "--target-ms", "1", "--dmail-conf", conf)
    assert (done.status, json.loads(done.out)["children"]) == (0, 6)


def test_people_get_the_setting_under_its_heading(folder: str) -> None:
    words = ("--scheme", "bcrypt", "--target-ms", "2", "--format", "table")
    done = run(folder, "hash", "calibrate", *words)
    assert "\n[passwords]\nbcrypt_cost = " in done.out
    assert "new passwords are argon2id here" in done.err


def test_a_target_that_is_out_of_bounds_is_misuse(folder: str) -> None:
    for words in (("--target-ms", "0"), ("--target-ms", "9999"), ("--scheme", "ssha"), ("--children", "0")):
        assert run(folder, "hash", "calibrate", *words).status == 2
