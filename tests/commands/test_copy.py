"""``nwauth copy``: whole outputs and exit statuses, through the installed command."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from nwauth.stores.sql import SqlStore
from tests.commands import test_root
from tests.commands.common import SETTINGS, Run, Terminal, base, contents, run
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.databases.server import DATABASE, HOST, PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.databases.mariadb import MariaDb

mail, hidden = test_root.mail, test_root.hidden  # fixtures

USERS = b"""ann@test.com:{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf:quota="7"
bob@test.com:*secret:quota="5" full_name="Bob Bee"
carl@other.com:*LK*:
J\xfcrgen@test.com:!:odd \xe9 text
"""
SQL = "sqlite:///users.db"
MADE = ("copy", "--from", "flatfile", "--to", SQL, "--make")
WANTED = "wanted a store of nwauth.toml (flatfile), a folder with a user base, or a database's URL"
HELP = "(nwauth copy --help tells more)"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder with four users in flat files."""
    os.mkdir(tmp_path / "mail")
    return base(str(tmp_path / "mail"), users=USERS)


def record(done: Run) -> dict[str, Any]:
    (line,) = done.out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def counts(done: Run) -> dict[str, Any]:
    """What is not nothing, but for the digest."""
    return {key: value for key, value in record(done).items() if value and key not in {"from", "to", "digest"}}


def listed(folder: str, *options: str) -> list[tuple[str, str, str]]:
    """Name, password field and info of everybody."""
    done = run(folder, "user", "list", "--show-hash", "--format", "json", *options)
    assert done.status == 0, done
    return [(row["user"], row["stored_password"], row["info_text"]) for row in json.loads(done.out)]


def served_from(folder: str, url: str) -> str:
    """Another folder, whose users are in a database."""
    other = f"{folder}-{unique('served')}"
    os.mkdir(other)
    with open(os.path.join(other, "nwauth.toml"), "w", encoding="ascii") as file:
        file.write(f'[[stores]]\nkind = "sql"\nurl = "{url}"\n')
    return other


def two_stores(folder: str, *, more: str = "") -> None:
    """Settings that name flat files and a database."""
    second = f'\n[[stores]]\nkind = "sql"\nname = "sql"\nurl = "sqlite:///users.db"\n{more}\n'
    first = '[[stores]]\nname = "files"\n'
    settings = SETTINGS.replace("[[stores]]\n", first, 1).replace("\n[passwords]", second + "\n[passwords]")
    with open(os.path.join(folder, "nwauth.toml"), "w", encoding="ascii") as file:
        file.write(settings)


# --- root ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the ids of others")
def test_what_root_copies_belongs_to_the_owner_of_the_folder(mail: str, hidden: dict[str, str]) -> None:
    for target in (SQL, f"{mail}/new"):
        done = test_root.run(mail, hidden, "copy", "--from", "flatfile", "--to", target, "--make", "--quiet")
        assert done == (0, "", "")
        again = test_root.run(mail, hidden, "copy", "--from", target, "--to", "flatfile", "--format", "table")
        assert (again.status, again.err) == (1 if target == SQL else 0, ""), again  # clear text is said otherwise there
    for path in ("users.db", "new", "new/nwauth.txt"):
        status = os.stat(os.path.join(mail, path))
        assert (status.st_uid, status.st_gid) == (test_root.OWNER, test_root.OWNER)


# --- what it does ----------------------------------------------------------------------------------------------------


def test_users_go_to_a_database_that_is_made_and_are_compared(folder: str) -> None:
    done = run(folder, *MADE)
    place = f"{folder}/users.db, table accounts"
    assert done.status == 0
    found = record(done)
    digest = found.pop("digest")
    assert found == {
        "from": "flatfile",
        "to": place,
        "dry_run": False,
        "copied": 4,
        "replaced": 0,
        "already_there": 0,
        "conflicts": 0,
        "refused": 0,
        "clear_text": 1,
        "locked": 1,
        "verified": 4,
        "problems": [],
    }
    assert len(digest) == 32
    note = "Each is hashed at its user's next login; at once by nwauth -encrypt all, where that store is served"
    assert done.err == f"{place}: user base made\nnote: passwords in clear text: 1. {note}\n"
    assert listed(served_from(folder, f"sqlite:///{folder}/users.db")) == [
        ("ann@test.com", "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf", 'quota="7"'),
        ("bob@test.com", "{CLEAR}secret", 'quota="5" full_name="Bob Bee"'),
        ("carl@other.com", "!", ""),
        ("J\udcfcrgen@test.com", "!", "odd \udce9 text"),
    ]


def test_people_are_told_in_words(folder: str) -> None:
    done = run(folder, *MADE, "--format", "table", "--quiet")
    assert (done.status, done.out, done.err) == (0, "", "")
    again = run(folder, *MADE, "--format", "table", "--replace")
    lines = again.out.splitlines()
    assert lines[:-1] == [
        f"0 users copied from flatfile to {folder}/users.db, table accounts",
        "  4 already there",
        "  1 with a password in clear text, {CLEAR}",
        "  1 locked, written !",
    ]
    assert lines[-1].startswith("  4 compared: all alike, digest ")


def test_users_come_back_from_a_database_into_a_new_folder(folder: str) -> None:
    assert run(folder, *MADE).status == 0
    done = run(folder, "copy", "--from", SQL, "--to", f"{folder}/back", "--make")
    assert (done.status, counts(done)) == (0, {"copied": 4, "verified": 4})
    assert done.err == f"{folder}/back: user base made\n"
    with open(f"{folder}/back/nwauth.txt", "rb") as file:
        assert file.read() == USERS.replace(b":*secret:", b":{CLEAR}secret:").replace(b":*LK*:", b":!:")


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_server_is_named_by_a_url_whose_password_comes_from_the_environment(folder: str, kind: str) -> None:
    server = shared_postgres() if kind == "postgres" else shared_mariadb()
    two_stores(folder)
    table = unique("accounts")
    url = server.url().replace("letterbox", "${PW}")
    with open(os.path.join(folder, "nwauth.toml"), "a", encoding="ascii") as file:
        file.write(f'\n[[stores]]\nkind = "sql"\nname = "server"\nurl = "{url}"\ntable = "{table}"\n')
    done = run(folder, "copy", "--from", "files", "--to", "server", "--make", PW="letterbox")
    assert (done.status, counts(done)) == (0, {"copied": 4, "clear_text": 1, "locked": 1, "verified": 4})
    assert record(done)["to"] == "server"
    again = run(folder, "copy", "--from", "server", "--to", f"{folder}/back", "--make", PW="letterbox")
    assert counts(again) == {"copied": 4, "verified": 4}
    by_url = run(folder, "copy", "--from", "files", "--to", url, "--dry-run", "--make", PW="letterbox")
    assert by_url.status == 0
    assert "letterbox" not in by_url.out + by_url.err


def test_stores_are_named_in_the_settings(folder: str) -> None:
    two_stores(folder)
    assert run(folder, "copy", "--from", "files", "--to", "sql", "--make").status == 0
    done = run(folder, "copy", "--from", "sql", "--to", "files")
    found = {"already_there": 1, "conflicts": 2, "locked": 0}
    assert {key: record(done)[key] for key in found} == found | {"already_there": 2}


def test_a_folder_is_known_by_its_path_from_here_and_its_settings(folder: str, tmp_path: Path) -> None:
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert run(str(tmp_path), "copy", "--from", "mail", "--to", "./new", "--make").status == 0
    finally:
        os.chdir(here)
    assert [name for name, _, _ in listed(str(tmp_path / "new"))] == [name for name, _, _ in listed(folder)]
    base(folder, users=USERS, settings=SETTINGS.replace("[passwords]", "read_only = true\n[passwords]"))
    done = run(str(tmp_path), "copy", "--from", f"{tmp_path}/new", "--to", folder)
    text = "nwauth: store flatfile takes no changes (read_only = true in nwauth.toml)\n"
    assert done == (1, "", text)


def test_only_those_of_a_pattern_are_copied(folder: str) -> None:
    done = run(folder, *MADE, "--match", "*@TEST.com")
    assert counts(done) == {"copied": 3, "clear_text": 1, "verified": 3}
    assert counts(run(folder, *MADE, "--match", "bob")) == {"already_there": 1, "clear_text": 1, "verified": 1}


# --- who is there, and who cannot be --------------------------------------------------------------------------------


def changed(folder: str, *names: str) -> None:
    """Other users of these names in the database."""
    store = SqlStore(f"sqlite:///{folder}/users.db")
    for name in names:
        old = store.lookup(name)
        assert old is not None
        assert store.replace(old, old.changed(stored_password="$1$other$", name=name))
    store.close()


def test_who_differs_is_named_and_left_and_changed_only_by_replace(folder: str) -> None:
    assert run(folder, *MADE).status == 0
    changed(folder, "ANN@test.com", "bob@test.com")
    done = run(folder, *MADE)
    assert (done.status, record(done)["problems"]) == (
        1,
        [
            {
                "user": "ann@test.com",
                "problem": "conflict",
                "reason": "there with the name 'ANN@test.com' and another password",
            },
            {"user": "bob@test.com", "problem": "conflict", "reason": "there with another password"},
        ],
    )
    assert counts(done)["verified"] == 2
    words = run(folder, *MADE, "--format", "table", "--quiet")
    assert words.status == 1
    assert words.out.splitlines()[2] == "  2 there and different"
    assert words.out.splitlines()[-1] == "bob@test.com: conflict: there with another password"
    replaced = run(folder, *MADE, "--replace")
    assert (replaced.status, counts(replaced)["replaced"], counts(replaced)["verified"]) == (0, 2, 4)


def test_what_has_no_place_in_flat_files_is_named_and_the_rest_copied(folder: str) -> None:
    assert run(folder, *MADE).status == 0
    store = SqlStore(f"sqlite:///{folder}/users.db")
    ann = store.lookup("ann@test.com")
    assert ann is not None
    assert store.put(ann.changed(name="net", ip_mask="10.0.0.0/8"))
    assert store.put(ann.changed(name="two:parts"))
    store.close()
    done = run(folder, "copy", "--from", SQL, "--to", f"{folder}/back", "--make", "--format", "table")
    assert done.status == 1
    assert done.out.splitlines()[0] == f"4 users copied from {folder}/users.db, table accounts to {folder}/back"
    assert done.out.splitlines()[-2:] == [
        "net: refused: nwauth.txt has no place for its IP mask '10.0.0.0/8'",
        "two:parts: refused: name, password field or info hold what a line of nwauth.txt cannot",
    ]


# --- dry runs --------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_would_happen_and_changes_not_one_byte(folder: str) -> None:
    before = contents(folder)
    done = run(folder, *MADE, "--dry-run", "--quiet", "--format", "table")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[0] == f"4 users would be copied from flatfile to {folder}/users.db, table accounts"
    assert contents(folder) == before
    assert run(folder, *MADE).status == 0
    changed(folder, "bob@test.com")
    before = contents(folder)
    del before[""]  # SQLite makes files to lock by, and takes them away
    for option, wanted in (("--quiet", {"conflicts": 1}), ("--replace", {"replaced": 1})):
        done = run(folder, *MADE, "--dry-run", option)
        found = counts(done)
        assert found.pop("already_there") == 3
        assert {key: found[key] for key in wanted} == wanted
        assert record(done)["verified"] is None
    assert {name: found for name, found in contents(folder).items() if name} == before


# --- what cannot be done ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ("--from", "flatfile"),
            "missing option '--to', as in: nwauth copy --from flatfile --to sqlite:///users.db --make",
        ),
        (("--from", "flatfile", "--to", "flatfile"), "--from flatfile and --to flatfile are the same store"),
        (("--from", "flatfile", "--to", "."), "--from flatfile and --to . are the same store"),
        (("--from", SQL, "--to", "sqlite:///./users.db"), "--from {0} and --to {1} are the same store"),
        (
            ("--from", "files", "--to", SQL),
            f"--from: found 'files', {WANTED}",
        ),
        (
            ("--from", "flatfile", "--to", "${NOBODY}://x"),
            "--to: url: found ${{NOBODY}}, wanted an environment variable that is set",
        ),
        (
            ("--from", "flatfile", "--to", SQL, "--store", "flatfile"),
            "--store: copying is between two stores: --from STORE --to STORE",
        ),
    ],
)
def test_what_cannot_be_understood_is_misuse(folder: str, words: Sequence[str], text: str) -> None:
    here = os.getcwd()
    os.chdir(folder)
    try:
        done = run(folder, "copy", *words)
    finally:
        os.chdir(here)
    text = text.format(words[1], words[-1])
    assert done == (2, "", f"nwauth: {text} {HELP}\n")


def test_a_base_that_is_not_there_is_not_made_in_silence(folder: str) -> None:
    before = contents(folder)
    done = run(folder, "copy", "--from", "flatfile", "--to", SQL)
    text = f"{folder}/users.db: it is not there: moved, unmounted, or never made (nwauth init)"
    assert done == (75, "", f"nwauth: the target has to be made first, by --make: {text}\n")
    done = run(folder, "copy", "--from", "flatfile", "--to", "./new/one")
    assert (done.status, done.err.count("\n")) == (75, 1)
    assert done.err.startswith("nwauth: the target has to be made first, by --make: ")
    assert "new/one: no user database, run nwauth init" in done.err
    done = run(folder, "copy", "--from", "flatfile", "--to", f"{folder}/new/one", "--make")
    assert done == (75, "", f"nwauth: {folder}/new/one: cannot make the folder: No such file or directory\n")
    assert contents(folder) == before
    done = run(folder, "copy", "--from", SQL, "--to", "flatfile")
    assert (done.status, done.out, done.err.count("\n")) == (75, "", 1)


def test_the_folder_that_init_has_made_of_a_database_is_a_place_to_copy_to_and_from(folder: str) -> None:
    new = f"{folder}-new"
    assert run(new, "init", "--store", SQL).status == 0
    done = run(folder, "copy", "--from", folder, "--to", new)
    assert (done.status, record(done)["copied"]) == (0, 4)
    assert record(done)["to"] == f"{new}/users.db, table accounts"
    assert listed(new) == listed(new, "--path", new)
    assert len(listed(new)) == 4
    assert run(new, "undo", "--yes", "--summary").status == 0
    assert listed(new) == []
    assert run(new, "user", "add", "zoe@test.com", "--generate", "--quiet").status == 0
    done = run(folder, "copy", "--from", new, "--to", "flatfile")
    assert (done.status, record(done)["copied"]) == (0, 1)


def test_flat_files_beside_settings_that_speak_of_another_store_are_those_of_the_folder(folder: str) -> None:
    """So a base from before is copied into the database of the same folder."""
    with open(os.path.join(folder, "nwauth.toml"), "w", encoding="utf-8") as file:
        file.write('[[stores]]\nname = "new"\nkind = "sql"\nurl = "sqlite:///users.db"\n')
    os.utime(os.path.join(folder, "nwauth.txt"), (1, 1))
    done = run(folder, "copy", "--from", folder, "--to", "new", "--make")
    assert (done.status, record(done)["copied"]) == (0, 4)


def test_of_a_folder_with_several_stores_one_is_to_be_named(folder: str) -> None:
    new = f"{folder}-new"
    os.mkdir(new)
    stores = [f'[[stores]]\nname = "{name}"\nkind = "sql"\nurl = "sqlite:///{name}.db"\n' for name in ("one", "two")]
    with open(os.path.join(new, "nwauth.toml"), "w", encoding="utf-8") as file:
        file.writelines(stores)
    done = run(folder, "copy", "--from", "flatfile", "--to", new)
    text = f"--to: found {new}, which has several stores (one, two): name one, with --path {new}"
    assert done == (2, "", f"nwauth: {text} {HELP}\n")
    done = run(new, "copy", "--from", folder, "--to", "two", "--make")
    assert (done.status, record(done)["copied"]) == (0, 4)


def test_a_database_in_a_folder_that_is_not_there_is_told_as_that(folder: str) -> None:
    done = run(folder, "copy", "--from", "flatfile", "--to", "sqlite:///gone/users.db", "--make")
    text = f"{folder}/gone/users.db: there is no such folder: moved, unmounted, or never made (mkdir)"
    assert done == (75, "", f"nwauth: {text}\n")
    done = run(f"{folder}-new", "init", "--store", f"sqlite:///{folder}/gone/users.db")
    assert done == (75, "", f"nwauth: {text}\n")
    assert not os.path.exists(f"{folder}-new")


def test_a_bad_url_is_told_without_the_password(folder: str) -> None:
    done = run(folder, "copy", "--from", "flatfile", "--to", "mysql://mail:letterbox@localhost/", "--make")
    assert (done.status, done.out, done.err.count("\n")) == (75, "", 1)
    assert "letterbox" not in done.err


def test_every_copy_leaves_one_line_in_the_log_and_a_dry_run_none(folder: str) -> None:
    base(folder, users=USERS, settings=SETTINGS + '[log]\nlevel = "info"\n')
    assert run(folder, *MADE, "--dry-run").status == 0
    assert run(folder, *MADE).status == 0
    os.rename(f"{folder}/users.db", f"{folder}/gone.db")
    assert run(folder, "copy", "--from", SQL, "--to", f"{folder}/back", "--make").status == 75
    with open(f"{folder}/nwauth.log", encoding="utf-8") as file:
        lines = [line.partition(" ")[2] for line in file]
    assert lines[0] == f'copy from=flatfile to="{folder}/users.db, table accounts" copied=4 replaced=0 result=ok\n'
    assert lines[1].startswith(f'copy level=error from="{folder}/users.db, table accounts" to={folder}/back copied=0')
    assert len(lines) == 2


def test_a_bar_shows_how_far_a_long_copy_is(folder: str) -> None:
    server, table = shared_mariadb(), unique("accounts")
    with open(os.path.join(folder, "nwauth.toml"), "a", encoding="ascii") as file:
        file.write(f'\n[[stores]]\nkind = "sql"\nurl = "{server.url()}"\ntable = "{table}"\n')
    assert run(folder, "copy", "--from", "flatfile", "--to", "sql", "--match", "nobody", "--make").status == 0
    with closing(connected(server)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")  # while its transaction lasts, nobody knows whether the name is taken
        cursor.execute(
            f"INSERT INTO {table} (name_key, name, stored_password, info) VALUES ('bob@test.com', '', '', '')"
        )
        terminal = Terminal(folder, "copy", "--from", "flatfile", "--to", "sql", NO_COLOR="1")
        terminal.expect("copying: \u2501")
    assert terminal.end() == 0
    assert "4 users copied from flatfile to sql\n" in terminal.screen


def connected(server: MariaDb) -> pymysql.Connection:
    """Another program's connection."""
    return pymysql.connect(host=HOST, port=server.port, user=USER, password=PASSWORD, database=DATABASE)
