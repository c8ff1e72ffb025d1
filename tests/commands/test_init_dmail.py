"""``nwauth init --dmail-conf``: what is made serves whom the mail server will ask for."""

from __future__ import annotations

import json
import os
import pwd
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import BOB, contents, run

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "host_domain test.com\ndrop_path /mail\nlowercase_username true\n"
DOM2 = "vdomain dom2 @dom2 dom2.com /mail/domain2\n"
RESTART = (
    "note: stop and start DSMTP and DPOP after every change of such a setting: reading the file anew is not enough\n"
)
# A password file of 1998: eve, whose password is "secret" in crypt(3)'s MD5.
EVE = "Eve:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1:2001:100:Eve:/home/eve:/bin/sh\n"


def dmail(empty: str, text: str) -> str:
    file = f"{empty}.dmail.conf"
    with open(file, "w", encoding="ascii") as opened:
        opened.write(text)
    return file


def rows(out: str) -> list[tuple[str, str]]:
    return [(os.path.basename(row["path"]), row["change"]) for row in map(json.loads, out.splitlines())]


def answers(folder: str, *requests: str) -> list[str]:
    """What a child that serves the folder says."""
    return run(folder, stdin="".join(f"{request}\n" for request in requests).encode()).out.splitlines()


def external(folder: str) -> str:
    return f"authent_method external\nauthent_process /usr/local/dmail/nwauth -path {folder}\n"


def test_flat_files_in_the_folder_that_the_servers_name(empty: str) -> None:
    file = dmail(empty, external(empty) + MAIN + "authent_domain true\n")
    done = run(empty, "init", "--dmail-conf", file)
    assert (done.status, rows(done.out)) == (
        0,
        [("mail", "made"), ("nwauth.toml", "made"), ("nwauth.txt", "made")],
    )
    assert json.loads(done.out.splitlines()[1])["what"] == f"settings that match {file}"
    assert done.err.endswith(RESTART)
    assert "authent_process" in done.err
    assert run(empty, "user", "add", "bob", "--generate", "--quiet").status == 0
    assert answers(empty, "lookup bob@test.com", "lookup bob") == ["+OK bob@test.com config 0"] * 2


def test_what_names_says_and_what_init_made_go_together(empty: str) -> None:
    file = dmail(empty, external(empty) + MAIN + DOM2)
    assert run(empty, "init", "--quiet", "--dmail-conf", file).status == 0
    for name in ("bob", "dom2_bob"):
        assert run(empty, "user", "add", name, "--generate", "--quiet").status == 0
    done = run(empty, "names", "bob", "--dmail-conf", file)
    assert [json.loads(line)["user"] for line in done.out.splitlines()] == ["bob", "bob", "dom2_bob", "dom2_bob"]


def test_a_second_run_changes_nothing(empty: str) -> None:
    file = dmail(empty, external(empty) + MAIN)
    run(empty, "init", "--quiet", "--dmail-conf", file)
    before = contents(empty)
    done = run(empty, "init", "--dmail-conf", file)
    assert (done.status, [change for _, change in rows(done.out)]) == (0, ["kept"] * 3)
    assert "is kept, and has other stores" not in done.err
    assert contents(empty) == before


def test_settings_that_stand_there_are_kept_and_what_they_lack_is_said(empty: str) -> None:
    run(empty, "init", "--quiet")
    before = contents(empty)
    file = dmail(empty, external(empty) + MAIN + DOM2 + f"vdomain_passwd dom2.com {empty}.passwd\n")
    done = run(empty, "init", "--dmail-conf", file)
    assert (done.status, [change for _, change in rows(done.out)]) == (0, ["kept"] * 3)
    text = f"note: {empty}/nwauth.toml is kept, and has other stores than {file} asks for: nwauth init --path ELSEWHERE"
    assert text in done.err
    assert contents(empty) == before


def test_a_dry_run_makes_nothing(empty: str) -> None:
    for text, made in ((external(empty), 3), ("authent_method unix_user\n", 2)):
        done = run(empty, "init", "--dry-run", "--dmail-conf", dmail(empty, text + MAIN))
        assert (done.status, [change for _, change in rows(done.out)]) == (0, ["made"] * made)
        assert not os.path.exists(empty)


def test_flat_files_in_another_folder_are_served_from_there(empty: str, tmp_path: Path) -> None:
    there = tmp_path / "dmail"
    there.mkdir()
    (there / "nwauth.txt").write_bytes(BOB)
    file = dmail(empty, external(str(there)) + MAIN)
    done = run(empty, "init", "--dmail-conf", file)
    assert (done.status, done.out) == (2, "")  # it is NWAuth's: nobody is there to ask whether it stays so
    assert f"{there} holds a user base that NWAuth, SurgeMail or others may still read" in done.err
    assert not os.path.exists(empty)
    done = run(empty, "init", "--shared", "--dmail-conf", file)
    assert (done.status, rows(done.out)[2]) == (0, ("nwauth.txt", "kept"))
    assert f"the servers start nwauth with -path {there}, where it reads {there}/nwauth.toml, not this one" in done.err
    os.utime(there / "nwauth.txt", (1_700_000_000, 1_700_000_000))
    assert answers(empty, "lookup BOB@test.com")[0].startswith("+OK bob@test.com config 0 ")


def test_flat_files_elsewhere_that_are_nwauths_own_already_are_not_asked_about(empty: str, tmp_path: Path) -> None:
    there = tmp_path / "dmail"
    assert run(str(there), "init").status == 0
    assert run(str(there), "user", "add", "bob@test.com", "--generate").status == 0
    file = dmail(empty, external(str(there)) + MAIN)
    done = run(empty, "init", "--dmail-conf", file)
    assert (done.status, rows(done.out)[2]) == (0, ("nwauth.txt", "kept"))
    assert f"note: {there} is nwauth's own already ({there}/nwauth.toml says shared = false)" in done.err
    assert "there is no way back" not in done.err


@pytest.mark.parametrize("text", ["shared = true", 'path = "elsewhere"\nshared = false', "", "[stores]]"])
def test_flat_files_elsewhere_that_are_not_known_to_be_its_own_are_asked_about(
    empty: str, tmp_path: Path, text: str
) -> None:
    there = tmp_path / "dmail"
    there.mkdir()
    (there / "nwauth.txt").write_bytes(BOB)
    (there / "nwauth.toml").write_text(f'[[stores]]\nkind = "flatfile"\n{text}\n')
    done = run(empty, "init", "--dmail-conf", dmail(empty, external(str(there)) + MAIN))
    assert (done.status, "there is no way back" in done.err) == (2, True)


def test_what_is_wrong_with_the_file_is_told(empty: str) -> None:
    file = dmail(empty, external(empty) + MAIN + "hash_spool 9\n")
    done = run(empty, "init", "--dmail-conf", file)
    assert done.err.startswith(f"note: {file}: line 6: hash_spool: found '9', wanted a number from 0 to 2; ")


def test_lowercase_password_is_told_where_users_are_made(empty: str) -> None:
    file = dmail(empty, external(empty) + MAIN + "lowercase_password true\n")
    assert "add users with --lowercase" in run(empty, "init", "--dmail-conf", file).err


def test_users_of_windows_get_a_store_to_fill_in_and_a_word_of_it(empty: str) -> None:
    done = run(empty, "init", "--dmail-conf", dmail(empty, "authent_method nt_user\n" + MAIN))
    assert (done.status, "Windows' users are served by a store of kind ldap" in done.err) == (0, True)
    assert b'#preset = "active-directory"\n' in contents(empty)["nwauth.toml"][0]
    assert run(empty, "user", "list").status == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--dmail-conf", "/nowhere/dmail.conf"), "--dmail-conf: found no file /nowhere/dmail.conf"),
        (
            ("--store", "sqlite:///users.db", "--dmail-conf", __file__),
            "--store URL and --dmail-conf each say where the users are: wanted one of them",
        ),
    ],
)
def test_misuse_makes_nothing(empty: str, words: tuple[str, ...], error: str) -> None:
    assert run(empty, "init", *words) == (2, "", f"nwauth: {error} (nwauth init --help tells more)\n")
    assert not os.path.exists(empty)


def test_a_name_that_toml_cannot_hold_makes_nothing(empty: str) -> None:
    file = dmail(empty, "authent_method unix_user\nvdomain_passwd test.com /etc/\x1b\n" + MAIN)
    done = run(empty, "init", "--dmail-conf", file)
    assert (done.status, "line 2: vdomain_passwd: found what does not print" in done.err) == (1, True)
    assert not os.path.exists(empty)


def test_the_environment_does_not_change_what_init_makes(empty: str) -> None:
    file = dmail(empty, "authent_method unix_user\n" + MAIN)
    run(empty, "init", "--quiet", NWAUTH_DMAIL_CONF=file)
    assert b'kind = "flatfile"' in contents(empty)["nwauth.toml"][0]


# --- users whom the servers look up themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["dom2", "Dom2"])
def test_a_password_file_of_a_domain_is_served_under_its_prefix(empty: str, prefix: str) -> None:
    own = f"{empty}.passwd"
    with open(own, "w", encoding="ascii") as file:
        file.write(EVE)
    os.utime(own, (1_700_000_000, 1_700_000_000))
    text = f"vdomain {prefix} @dom2 dom2.com /mail/domain2\nvdomain_passwd dom2.com {own}\n"
    conf = dmail(empty, external(empty) + MAIN + text)
    done = run(empty, "init", "--dmail-conf", conf)
    assert (done.status, [change for _, change in rows(done.out)]) == (0, ["made"] * 3)
    assert run(empty, "user", "add", "bob", "--generate", "--quiet").status == 0
    assert answers(empty, "lookup bob")[0] == "+OK bob config 0"
    assert answers(empty, "lookup dom2_EVE")[0].split()[0] == "+OK"
    assert answers(empty, "check dom2_Eve secret")[0].split()[0] == "+OK"
    assert answers(empty, "check dom2_Eve wrong")[0].split()[0] == "-ERR"
    assert answers(empty, "lookup eve")[0].split()[0] == "-ERR"
    done = run(empty, "names", "eve@dom2.com", "--dmail-conf", conf)
    assert [json.loads(line)["answer"] for line in done.out.splitlines()] == ["yes", "yes"]


def test_a_password_file_of_a_domain_is_served_under_its_domain(empty: str) -> None:
    own = f"{empty}.passwd"
    with open(own, "w", encoding="ascii") as file:
        file.write(EVE)
    os.utime(own, (1_700_000_000, 1_700_000_000))
    text = f"authent_domain true\nvdomain_passwd dom2.com {own}\n"
    run(empty, "init", "--quiet", "--dmail-conf", dmail(empty, external(empty) + MAIN + DOM2 + text))
    assert run(empty, "user", "add", "bob", "--generate", "--quiet").status == 0
    assert answers(empty, "lookup bob@test.com") == ["+OK bob@test.com config 0"]
    assert answers(empty, "check eve@dom2.com secret")[0].split()[0] == "+OK"
    assert answers(empty, "lookup eve@test.com")[0].split()[0] == "-ERR"
    assert answers(empty, "lookup bob@dom2.com")[0].split()[0] == "-ERR"


@pytest.mark.parametrize(("switch", "name"), [("true", "NAME@DOMAIN"), ("false", "NAME")])
def test_the_next_steps_are_those_of_the_mail_servers_settings(empty: str, switch: str, name: str) -> None:
    file = dmail(empty, external(empty) + MAIN + f"authent_domain {switch}\n")
    told = run(empty, "init", "--dmail-conf", file).err
    assert f"nwauth user add {name}\n" in told
    assert f"nwauth test {name}\n" in told
    assert f"nwauth doctor --dmail-conf {file}\n" in told


def test_a_password_file_that_is_not_there_is_told_and_is_no_no(empty: str) -> None:
    own = f"{empty}.passwd"
    file = dmail(empty, external(empty) + MAIN + DOM2 + f"vdomain_passwd dom2.com {own}\n")
    done = run(empty, "init", "--dmail-conf", file)
    assert (done.status, f"note: {own} is not there: of its users nothing can be told till it is" in done.err) == (
        0,
        True,
    )
    assert answers(empty, "lookup dom2_eve")[0].split()[0] == "-DEAD"


def test_the_systems_own_users_are_served(empty: str) -> None:
    done = run(empty, "init", "--dmail-conf", dmail(empty, "authent_method unix_user\n" + MAIN))
    assert "nwauth test NAME\n" in done.err
    assert "nwauth user add" not in done.err  # which would be refused: nobody is made here but by useradd
    assert (done.status, rows(done.out)) == (0, [("mail", "made"), ("nwauth.toml", "made")])
    with open(os.path.join(empty, "nwauth.toml"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(empty, "nwauth.toml"), "w", encoding="utf-8") as file:
        file.write(text.replace('kind = "system"', 'kind = "system"\nmin_uid = 0'))
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert answers(empty, f"lookup {name}")[0].startswith(f"+OK {name} config ")
    assert answers(empty, "lookup nobody-of-that-name")[0].split()[0] == "-ERR"
    assert [change for _, change in rows(run(empty, "init").out)] == ["kept", "kept"]
