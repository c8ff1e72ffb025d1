"""``nwauth names``."""

from __future__ import annotations

import csv
import json
import os
import pwd
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nwauth.commands import dmail_option
from nwauth.commands.group import run_command
from tests.commands.common import SETTINGS, Terminal, base, run

if TYPE_CHECKING:
    from pathlib import Path

EXTERNAL = "authent_method external\nauthent_process nwauth\n"
MAIN = "host_domain test.com\ndrop_path /mail\ndrop_prefix true\n"
DOM2 = "vdomain dom2 @dom2 dom2.com /mail/domain2\n"
USERS = b"bob:*x:\ndom2_Bob:*x:\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with users of two domains, and room for a dmail.conf."""
    base(str(tmp_path), users=USERS)
    return tmp_path


def dmail(place: Path, text: str) -> str:
    file = place / "dmail.conf"
    file.write_text(text)
    return str(file)


def rows(out: str) -> list[dict[str, str | None]]:
    return [json.loads(line) for line in out.splitlines()]


def met(out: str) -> list[tuple[str | None, ...]]:
    return [(row["event"], row["name"], row["answer"], row["user"], row["drop_file"]) for row in rows(out)]


def test_each_domain_has_its_name_its_user_and_its_drop_file(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN + DOM2 + "hash_spool 2\n")
    done = run(str(place), "names", "bob", "--dmail-conf", file)
    assert met(done.out) == [
        ("mail to bob@test.com", "bob", "yes", "bob", "/mail/b/o/bob"),
        ("login bob", "bob", "yes", "bob", "/mail/b/o/bob"),
        ("mail to bob@dom2.com", "dom2_bob", "yes", "dom2_Bob", "/mail/domain2/b/o/dom2_bob"),
        ("login bob@dom2", "dom2_bob", "yes", "dom2_Bob", "/mail/domain2/b/o/dom2_bob"),
    ]
    assert (done.status, done.err.count("\n")) == (0, 1)
    assert rows(done.out)[2] == {
        "domain": "dom2.com",
        "server": "DSMTP",
        "event": "mail to bob@dom2.com",
        "request": "lookup",
        "name": "dom2_bob",
        "asked": "module",
        "answer": "yes",
        "user": "dom2_Bob",
        "store": "flatfile",
        "drop_file": "/mail/domain2/b/o/dom2_bob",
    }


def test_what_the_servers_are_told_to_send_is_what_the_module_answers(place: Path) -> None:
    """The transcript of a serving child agrees with what is said of it."""
    file = dmail(place, EXTERNAL + MAIN + DOM2)
    done = run(str(place), "names", "bob", "--dmail-conf", file)
    found = rows(done.out)
    assert found
    for row in found:
        request = f"{row['request']} {row['name']}" + (" x" if row["request"] == "check" else "")
        answer = run(str(place), stdin=request.encode() + b"\n").out
        assert answer == f"+OK {row['user']} config 0\n"


def test_without_a_login_bob_stands_for_anybody_and_no_store_is_asked(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN + "authent_domain true\n")
    done = run(str(place / "nowhere"), "names", "--dmail-conf", file)
    assert met(done.out) == [
        ("mail to bob@test.com", "bob@test.com", "not asked", None, "/mail/bob"),
        ("login bob", "bob@test.com", "not asked", None, "/mail/bob"),
    ]
    assert (done.status, done.err) == (0, "bob stands for anybody: with a LOGIN the stored user is shown too\n")


def test_a_drop_path_that_the_store_knows_goes_before_that_of_dmail_conf(place: Path) -> None:
    url = f"sqlite:///{place}/users.db"
    os.unlink(place / "nwauth.toml")
    os.unlink(place / "nwauth.txt")
    assert run(str(place), "init", "--store", url, "--quiet").status == 0
    assert run(str(place), "user", "add", "bob", "--generate", "--quiet").status == 0
    with closing(sqlite3.connect(place / "users.db")) as database:
        database.execute("UPDATE accounts SET drop_path = '/elsewhere/bob'")
        database.commit()
    done = run(str(place), "names", "bob", "--dmail-conf", dmail(place, EXTERNAL + MAIN))
    assert [row["drop_file"] for row in rows(done.out)] == ["/elsewhere/bob"] * 2


def test_nobody_who_is_met_is_a_no(place: Path) -> None:
    done = run(str(place), "names", "eve", "--dmail-conf", dmail(place, EXTERNAL + MAIN + DOM2))
    assert (done.status, {row["answer"] for row in rows(done.out)}) == (1, {"no"})
    assert {row["drop_file"] for row in rows(done.out)} == {None}


def test_a_domain_of_somebody_else_is_a_no_that_names_those_there_are(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN + DOM2)
    text = f"nwauth: bob@dom3: found no domain or suffix of {file} in it, wanted one of test.com, dom2.com\n"
    assert run(str(place), "names", "bob@dom3", "--dmail-conf", file) == (1, "", text)


def test_a_store_that_cannot_tell_is_no_no(place: Path) -> None:
    (place / "nwauth.toml").write_text(SETTINGS.replace('"."', '"away"'))
    done = run(str(place), "names", "bob", "--dmail-conf", dmail(place, EXTERNAL + MAIN))
    assert (done.status, {row["answer"] for row in rows(done.out)}) == (75, {"cannot tell"})
    assert done.err.startswith("nwauth: ")


def test_settings_that_cannot_be_used_are_told(place: Path) -> None:
    (place / "nwauth.toml").write_text("bad = 1\n")
    done = run(str(place), "names", "bob", "--dmail-conf", dmail(place, EXTERNAL + MAIN))
    assert (done.status, done.out, done.err.count("\n")) == (75, "", 1)


# --- notes ------------------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_the_file_is_told_with_its_line(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN + "hash_spool 7\nlog_level info\n")
    done = run(str(place), "names", "bob", "--dmail-conf", file)
    text = f"note: {file}: line 6: hash_spool: found '7', wanted a number from 0 to 2; DMail ignores it\n"
    assert (done.status, done.err) == (0, text)
    assert run(str(place), "names", "bob", "--quiet", "--dmail-conf", file).err == ""


def test_a_drop_file_in_other_case_than_the_user_is_told_with_its_mend(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN)
    done = run(str(place), "names", "BOB", "--dmail-conf", file)
    assert met(done.out)[0] == ("mail to BOB@test.com", "BOB", "yes", "bob", "/mail/BOB")
    text = "note: mail to BOB@test.com meets bob, and its drop file is /mail/BOB all the same: "
    assert done.err == f"{text}lowercase_username true mends it\n"
    file = dmail(place, EXTERNAL + MAIN + "lowercase_username true\n")
    done = run(str(place), "names", "BOB", "--dmail-conf", file)
    assert met(done.out) == [
        ("mail to BOB@test.com", "BOB", "yes", "bob", "/mail/bob"),
        ("login BOB", "bob", "yes", "bob", "/mail/bob"),
    ]
    assert done.err == ""


def test_what_is_assumed_is_said(place: Path) -> None:
    done = run(
        str(place), "names", "bob", "--dmail-conf", dmail(place, EXTERNAL + MAIN.replace("drop_prefix true\n", ""))
    )
    assert done.err == ""
    file = dmail(place, EXTERNAL + MAIN.replace("drop_prefix true\n", "") + DOM2)
    done = run(str(place), "names", "bob", "--dmail-conf", file)
    assert "note: drop_prefix is not set, and taken as true" in done.err


def test_mail_and_login_that_part_ways_are_told(place: Path) -> None:
    with closing(sqlite3.connect(place / "mail.db")) as database:
        database.execute("CREATE TABLE maildb (username, password, maildrop)")
        database.executemany("INSERT INTO maildb VALUES (?, 'x', ?)", [("BOB", "/in/1"), ("bob", "/in/2")])
        database.commit()
    columns = '[stores.columns]\nname = "username"\npassword = "password"\ndrop_path = "maildrop"\n'
    settings = f'[[stores]]\nkind = "sql"\nurl = "sqlite:///mail.db"\ntable = "maildb"\n{columns}'
    (place / "nwauth.toml").write_text(settings)
    file = dmail(place, EXTERNAL + MAIN + "lowercase_username true\n")
    done = run(str(place), "names", "BOB", "--dmail-conf", file)
    assert [(row["user"], row["drop_file"]) for row in rows(done.out)] == [("BOB", "/in/1"), ("bob", "/in/2")]
    assert done.err == "note: mail to BOB@test.com waits in /in/1, login BOB reads /in/2\n"


# --- the users that the servers look up themselves --------------------------------------------------------------------


def test_system_users_are_found_as_the_servers_find_them(place: Path) -> None:
    file = dmail(place, "authent_method unix_user\n" + MAIN)
    name = pwd.getpwuid(0).pw_name
    done = run(str(place), "names", name.upper(), "--dmail-conf", file)
    assert met(done.out) == [
        (f"mail to {name.upper()}@test.com", name.upper(), "yes", name, f"/mail/{name}"),
        (f"login {name.upper()}", name.upper(), "no", None, None),
    ]
    assert "authent_method is unix_user: the servers look users up themselves" in done.err
    file = dmail(place, "authent_method unix_user\nunix_case true\n" + MAIN)
    assert run(str(place), "names", name.upper(), "--dmail-conf", file).status == 1


def test_a_domain_has_its_own_password_file(place: Path) -> None:
    own = place / "dom2.passwd"
    own.write_text("# users\nBob:x:1:1::/home/bob:/bin/sh\neve:x:2:2:::\nEVE:x:3:3:::\n")
    file = dmail(place, f"authent_method unix_user\nvdomain_passwd dom2.com {own}\n" + MAIN + DOM2)
    done = run(str(place), "names", "bob@dom2.com", "--dmail-conf", file)
    assert met(done.out) == [
        ("mail to bob@dom2.com", "bob", "yes", "Bob", "/mail/domain2/dom2_Bob"),
        ("login bob@dom2", "bob", "no", None, None),
    ]
    assert {row["asked"] for row in rows(done.out)} == {str(own)}
    done = run(str(place), "names", "Eve@dom2.com", "--dmail-conf", file)  # two differ only in case
    assert (done.status, {row["answer"] for row in rows(done.out)}) == (1, {"no"})
    own.unlink()
    done = run(str(place), "names", "bob@dom2.com", "--dmail-conf", file)
    assert (done.status, {row["answer"] for row in rows(done.out)}) == (75, {"cannot tell"})
    assert done.err.endswith(f"nwauth: {own}: cannot be read: No such file or directory\n")


def test_of_windows_users_nothing_can_be_told_from_here(place: Path) -> None:
    text = "authent_method nt_user\nhost_domain test.com\ndrop_path c:\\dmail\\in\n"
    done = run(str(place), "names", "bob", "--dmail-conf", dmail(place, text))
    assert met(done.out) == [
        ("mail to bob@test.com", "bob", "not asked", None, "c:\\dmail\\in\\bob"),
        ("login bob", "bob", "not asked", None, "c:\\dmail\\in\\bob"),
    ]
    assert "authent_method is nt_user" in done.err


# --- which file -------------------------------------------------------------------------------------------------------


def test_the_environment_names_the_file_and_the_option_goes_before_it(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN)
    other = place / "other.conf"
    other.write_text(EXTERNAL + MAIN.replace("test.com", "other.com"))
    done = run(str(place), "names", "bob", NWAUTH_DMAIL_CONF=str(other))
    assert rows(done.out)[0]["domain"] == "other.com"
    done = run(str(place), "names", "bob", "--dmail-conf", file, NWAUTH_DMAIL_CONF=str(other))
    assert rows(done.out)[0]["domain"] == "test.com"


def test_a_file_that_is_not_there_is_misuse(place: Path) -> None:
    missing = str(place / "dmail.conf")
    done = run(str(place), "names", "--dmail-conf", missing)
    assert done == (2, "", f"nwauth: --dmail-conf: found no file {missing} (nwauth names --help tells more)\n")
    done = run(str(place), "names", NWAUTH_DMAIL_CONF=missing)
    assert done == (
        2,
        "",
        f"nwauth: the variable NWAUTH_DMAIL_CONF: found no file {missing} (nwauth names --help tells more)\n",
    )
    done = run(str(place), "names", "--dmail-conf", str(place))
    assert (done.status, "cannot be read: it is a folder" in done.err) == (2, True)


def test_without_a_file_it_says_how_to_name_one(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NWAUTH_DMAIL_CONF", raising=False)
    monkeypatch.setattr(dmail_option, "DEFAULT_FILE", str(place / "dmail.conf"))
    assert run_command(["names"]) == 2
    assert capfd.readouterr().err == (
        f"nwauth: found no {place}/dmail.conf: name the mail server's settings with --dmail-conf FILE"
        " (nwauth names --help tells more)\n"
    )
    dmail(place, EXTERNAL + MAIN)
    assert run_command(["names", "--quiet"]) == 0


# --- forms ------------------------------------------------------------------------------------------------------------


def test_people_get_a_table_and_programs_what_they_ask_for(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN)
    terminal = Terminal(str(place), "names", "bob", "--dmail-conf", file, NO_COLOR="1")
    assert terminal.end() == 0
    assert terminal.screen == (
        "EVENT                 NAME  ANSWER  USER  DROP_FILE\n"
        "mail to bob@test.com  bob   yes     bob   /mail/bob\n"
        "login bob             bob   yes     bob   /mail/bob\n"
    )
    as_csv = run(str(place), "names", "bob", "--dmail-conf", file, "--format", "csv").out
    as_json = run(str(place), "names", "bob", "--dmail-conf", file, "--format", "json").out
    assert list(csv.DictReader(as_csv.splitlines())) == json.loads(as_json)
    as_tsv = run(str(place), "names", "bob", "--dmail-conf", file, "--format", "tsv").out
    assert as_tsv == as_csv.replace(",", "\t")


def test_a_name_with_odd_bytes_cannot_steer_a_terminal(place: Path) -> None:
    file = dmail(place, EXTERNAL + MAIN)
    terminal = Terminal(str(place), "names", "b\x1b[31mb", "--dmail-conf", file, NO_COLOR="1", columns=200)
    assert terminal.end() == 1
    assert "\x1b" not in terminal.screen
    assert "b\\x1b[31mb" in terminal.screen
