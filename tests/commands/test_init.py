"""``nwauth init``."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from nwauth.config.example import commented_example
from tests.commands.common import BOB, COMMAND, Terminal, contents, run
from tests.databases import shared_mariadb, shared_postgres
from tests.databases.server import PASSWORD
from tests.faults.test_folder_and_disk import small_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.databases.mariadb import MariaDb
    from tests.databases.postgres import Postgres


def rows(out: str) -> list[tuple[str, str]]:
    return [(os.path.basename(row["path"]), row["change"]) for row in map(json.loads, out.splitlines())]


def test_a_folder_is_made_with_an_empty_base_and_explained_settings(empty: str) -> None:
    done = run(empty, "init")
    assert done.status == 0
    assert rows(done.out) == [("mail", "made"), ("nwauth.toml", "made"), ("nwauth.txt", "made")]
    assert done.err.startswith(
        "\nNow add a user, and try a login:\n"
        "    nwauth user add NAME@DOMAIN\n"
        "    nwauth test NAME@DOMAIN\n"
        "Then tell the mail server, and restart it. In dmail.conf:\n"
        "    authent_method external\n"
        f"    authent_process {COMMAND[0]} -path {empty}\n"
        "    authent_domain true\n"
        "    lowercase_username true\n"
        "In surgemail.ini:\n"
        f'    g_authent_process "{COMMAND[0]} -path {empty}"\n'
        "At the end, check all of it:\n"
        "    nwauth doctor\n"
    )
    found = contents(empty)
    assert found["nwauth.toml"][0].decode() == commented_example(shared=False)
    assert found["nwauth.txt"][0] == b""
    assert {stat.S_IMODE(mode) for name, (_, mode, _) in found.items() if name} == {0o600}
    assert stat.S_IMODE(found[""][1]) == 0o700
    assert run(empty, "user", "list") == (0, "", "0 of 0 users\n")


def test_a_second_run_keeps_what_is_there_and_makes_what_lacks(empty: str) -> None:
    run(empty, "init", "--quiet")
    before = contents(empty)
    done = run(empty, "init")
    assert (done.status, rows(done.out)) == (0, [("mail", "kept"), ("nwauth.toml", "kept"), ("nwauth.txt", "kept")])
    assert contents(empty) == before
    os.unlink(os.path.join(empty, "nwauth.toml"))
    again = run(empty, "init", "--yes")
    assert rows(again.out)[1:] == [("nwauth.toml", "made"), ("nwauth.txt", "kept")]


def test_a_dry_run_makes_nothing(empty: str) -> None:
    done = run(empty, "init", "--dry-run", "--format", "table")
    text = f"{empty}: the folder, would be made\n{empty}/nwauth.toml: settings, shared = false, would be made\n"
    assert done == (0, f"{text}{empty}/nwauth.txt: the user base, would be made\n", "")
    assert not os.path.exists(empty)


def test_only_the_last_folder_of_a_path_is_made(empty: str) -> None:
    done = run(f"{empty}/deeper", "init")
    text = f"nwauth: {empty}/deeper: found no folder above it, wanted a folder, or room for one: make {empty} first\n"
    assert done == (1, "", text)


def test_a_shared_folder_says_so(empty: str) -> None:
    assert run(empty, "init", "--shared").status == 0
    added = json.loads(run(empty, "user", "add", "bob", "--generate").out)
    assert added["scheme"] == "ssha"


def test_a_base_of_nwauths_is_made_ours_only_by_a_yes(empty: str) -> None:
    os.mkdir(empty)
    with open(os.path.join(empty, "nwauth.txt"), "wb") as file:
        file.write(BOB)
    before = contents(empty)
    done = run(empty, "init")
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert "there is no way back" in done.err
    assert "Say which: --shared, or --yes" in done.err
    terminal = Terminal(empty, "init", columns=200, NO_COLOR="1")
    terminal.expect("Make it nwauth's own? [y/N] ")
    terminal.type("n\n")
    assert terminal.end() == 1
    assert contents(empty) == before
    assert rows(run(empty, "init", "--yes").out)[2] == ("nwauth.txt", "kept")
    assert contents(empty)["nwauth.txt"] == before["nwauth.txt"]


def test_a_base_of_nwauths_stays_readable_for_the_others_with_shared(empty: str) -> None:
    os.mkdir(empty)
    with open(os.path.join(empty, "nwauth.add"), "wb") as file:
        file.write(BOB)
    assert run(empty, "init", "--shared", "--quiet") == (0, "", "")
    assert sorted(os.listdir(empty)) == ["nwauth.add", "nwauth.toml"]
    done = run(empty, "init", "--shared", "--quiet")
    assert done.status == 0


def test_a_database_that_cannot_be_reached_leaves_nothing_behind(empty: str) -> None:
    done = run(empty, "init", "--store", "postgresql://mail:sesame@127.0.0.1:9/mail")
    assert (done.status, done.out) == (75, "")
    assert done.err.startswith("nwauth: ")
    assert "PostgreSQL at 127.0.0.1:9/mail" in done.err
    assert "Connection refused; Is the server running" in done.err
    assert "sesame" not in done.err
    assert not os.path.exists(empty)
    os.mkdir(empty)
    assert run(empty, "init", "--store", "postgresql://mail:sesame@127.0.0.1:9/mail").status == 75
    assert os.listdir(empty) == []  # a folder that was there stays


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_disk_that_takes_no_more_is_told_with_the_file_that_is_meant(tmp_path: Path) -> None:
    with small_disk(tmp_path, kilobytes=64):
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        done = run(str(tmp_path), "init")
    remedy = "(mount -o remount,rw makes it writable)"
    assert done == (75, "", f"nwauth: cannot create {tmp_path}/nwauth.toml: Read-only file system {remedy}\n")


def test_settings_that_cannot_be_read_are_told_and_kept(empty: str) -> None:
    os.mkdir(empty)
    with open(os.path.join(empty, "nwauth.toml"), "w", encoding="ascii") as file:
        file.write("bad = 1\n")
    done = run(empty, "init")
    assert (done.status, done.out) == (75, "")
    assert f"{empty}/nwauth.toml" in done.err
    assert os.listdir(empty) == ["nwauth.toml"] or sorted(os.listdir(empty)) == ["nwauth.log", "nwauth.toml"]


# --- a database -------------------------------------------------------------------------------------------------------


def test_a_database_of_sqlite_is_made_in_the_folder_for_its_owner_alone(empty: str) -> None:
    done = run(empty, "init", "--store", "sqlite:///users.db")
    assert (done.status, rows(done.out)) == (
        0,
        [("mail", "made"), ("nwauth.toml", "made"), ("users.db, table accounts", "made")],
    )
    assert f"authent_process {COMMAND[0]} -path {empty}\n" in done.err
    found = contents(empty)
    assert found["nwauth.toml"][0].decode() == commented_example(url="sqlite:///users.db")
    assert {stat.S_IMODE(mode) for name, (_, mode, _) in found.items() if name} == {0o600}
    assert run(empty, "user", "add", "bob", "--generate", "--quiet").status == 0
    for words in (
        ("init", "--store", "sqlite:///users.db"),
        ("init", "--store", f"sqlite:///{empty}/users.db"),
        ("init",),
    ):
        again = run(empty, *words)
        assert (again.status, [change for _, change in rows(again.out)]) == (0, ["kept"] * 3)
    assert run(empty, "user", "list").err == "1 of 1 users\n"


def test_a_dry_run_for_a_database_makes_nothing_and_shows_no_password(empty: str) -> None:
    for url in (
        "sqlite:///users.db",
        "postgresql://mail:sesame@db/mail",
        "postgresql://db/mail?user=m&password=sesame",
    ):
        done = run(empty, "init", "--dry-run", "--store", url)
        assert (done.status, done.err) == (0, "")
        assert [change for _, change in rows(done.out)] == ["made"] * 3
        assert "sesame" not in done.out
        assert not os.path.exists(empty)


def test_settings_that_name_another_store_are_kept_and_that_is_said(empty: str) -> None:
    run(empty, "init", "--quiet", "--store", "sqlite:///users.db")
    before = contents(empty)
    text = f"nwauth: {empty}/nwauth.toml is kept, and names another store: change it there, or take another --path\n"
    assert run(empty, "init", "--store", "sqlite:///other.db") == (1, "", text)
    assert run(empty, "init", "--store", "postgresql://mail:sesame@db/mail") == (1, "", text)
    assert contents(empty) == before
    flat = f"{empty}.flat"
    run(flat, "init", "--quiet")
    before = contents(flat)
    assert run(flat, "init", "--store", "sqlite:///users.db") == (1, "", text.replace(empty, flat))
    assert contents(flat) == before


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--store", "users"), "--store: found 'users', wanted a database's URL, such as sqlite:///users.db"),
        (
            ("--shared", "--store", "sqlite:///users.db"),
            "--shared is about flat files, --store URL about a database: wanted one of them",
        ),
    ],
)
def test_a_word_that_is_no_url_makes_nothing(empty: str, words: tuple[str, ...], error: str) -> None:
    assert run(empty, "init", *words) == (2, "", f"nwauth: {error} (nwauth init --help tells more)\n")
    assert not os.path.exists(empty)


def test_a_password_in_the_environment_stays_there(empty: str) -> None:
    server = shared_postgres()
    url = server.url().replace(PASSWORD, "${PGPASS}")
    for change in ("made", "kept"):
        done = run(empty, "init", "--store", url, PGPASS=PASSWORD)
        assert (done.status, rows(done.out)[1][1]) == (0, change)
        assert PASSWORD not in done.out + done.err
    with open(os.path.join(empty, "nwauth.toml"), encoding="ascii") as file:
        assert f'url = "{url}"' in file.read()
    assert run(empty, "user", "list", PGPASS=PASSWORD).status == 0


@pytest.mark.parametrize("server", [shared_postgres, shared_mariadb])
def test_the_password_of_a_database_is_in_no_output_and_no_log(
    empty: str, server: Callable[[], Postgres | MariaDb]
) -> None:
    secret = "s3same&;'0pen"
    url = server().url(password=secret)
    toml = f'[[stores]]\nkind = "sql"\nurl = "{url}"\n[log]\nlevel = "debug"\n'
    os.mkdir(empty)
    with open(os.path.join(empty, "nwauth.toml"), "w", encoding="ascii") as file:
        file.write(toml)
    told = ""
    for words in (
        ("init",),
        ("init", "--dry-run"),
        ("user", "list"),
        ("user", "show", "bob"),
        ("user", "del", "bob", "--yes"),
    ):
        done = run(empty, *words)
        assert done.status == 75, words
        assert "Traceback" not in done.err
        told += done.out + done.err
    done = run(empty, "-path", empty, "-lookup", "bob")
    assert (done.status, done.out[:6]) == (75, "-DEAD ")
    with open(os.path.join(empty, "nwauth.log"), encoding="ascii") as log:
        told += done.out + done.err + log.read()
    assert "mail" in told
    assert "s3same" not in told
    assert "0pen" not in told
