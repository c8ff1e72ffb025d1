"""``nwauth undo``: users are as before, in the very form that was stored, or nothing is done and it is said why."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.build import build
from nwauth.commands.group import run_command
from nwauth.config import read
from tests.commands.common import COMMAND, SETTINGS, Run, Terminal, base, environment, run
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.serving import IN_CI
from tests.stores.folders import ssha
from tests.test_changes import content, journal

if TYPE_CHECKING:
    from collections.abc import Callable

FIELD, OTHER = ssha("secret"), ssha("other")
ODD = 'quota="5" free text, QUOTA="7"  two  blanks '
USERS = f'bob@test.com:{FIELD}:{ODD}\nEve@test.com:*geheim:\ncarl:{FIELD}:fwd="a@b"\n'.encode()
PASSWD = '[[stores]]\nkind = "passwd"\npath = "users"\nwritable = true\nsettle_seconds = 0\n'
DATABASES: dict[str, Callable[[str], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/users.db",
    "postgresql": lambda _: shared_postgres().url(),
    "mariadb": lambda _: shared_mariadb().url(),
}


def fresh(path: Path | str, kind: str = "flatfile") -> str:
    """A folder with users in it, or in a database that it names."""
    folder = base(str(path), users=USERS)
    if kind != "flatfile":
        os.mkdir(f"{folder}/flat")
        base(f"{folder}/flat", users=USERS)
        sql = f'[[stores]]\nkind = "sql"\nurl = "{DATABASES[kind](folder)}"\ntable = "{unique("accounts")}"\n'
        base(folder, users=b"", settings=sql + SETTINGS.partition("settle_seconds = 0.0\n")[2])
        os.unlink(f"{folder}/nwauth.txt")
        assert run(folder, "init", "--quiet").status == 0
        assert run(folder, "copy", "--from", f"{folder}/flat", "--to", "sql", "--quiet").status == 0
        subprocess.run(["rm", "-r", f"{folder}/nwauth.undo", f"{folder}/nwauth.changes"], check=True)
    return folder


@pytest.fixture(params=["flatfile", "sqlite"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh(tmp_path, request.param)


@pytest.fixture(params=["flatfile", *DATABASES])
def everywhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh(tmp_path, request.param)


def stored(folder: str) -> list[tuple[str, ...]]:
    """All that is held of every user."""
    store = build(read(folder)).store
    try:
        return [user.held() for user in store.search()]
    finally:
        store.close()


def done(folder: str, *words: str, stdin: bytes = b"") -> Run:
    found = run(folder, *words, stdin=stdin)
    assert found.status == 0, found
    return found


def records(found: Run) -> list[dict[str, Any]]:
    return found.records()


def undo_list(folder: str) -> list[tuple[int, str, str]]:
    return [(row["step"], row["command"], row["state"]) for row in records(done(folder, "undo", "--list"))]


# --- what is taken back ----------------------------------------------------------------------------------------------

CHANGES = [
    ["user", "add", "zoe@test.com", "--hash", FIELD, "quota=9"],
    ["user", "set", "bob@test.com", "quota=6", "new=1"],
    ["user", "passwd", "eve@test.com", "--hash", OTHER],
    ["user", "rename", "bob@test.com", "rob@test.com"],
    ["user", "rename", "bob@test.com", "BOB@test.com"],
    ["user", "suspend", "carl"],
    ["user", "expire", "carl", "2030-01-31"],
    ["user", "app", "add", "carl", "phone"],
    ["user", "del", "--yes", "bob@test.com", "carl"],
]


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_a_change_is_taken_back_byte_for_byte_and_made_again_by_another_undo(everywhere: str, words: list[str]) -> None:
    before = stored(everywhere)
    done(everywhere, *words)
    after = stored(everywhere)
    assert after != before
    done(everywhere, "undo")
    assert stored(everywhere) == before
    done(everywhere, "undo", "2")
    assert stored(everywhere) == after
    done(everywhere, "undo")
    assert stored(everywhere) == before


def test_a_plan_is_taken_back_as_a_whole(everywhere: str) -> None:
    before = stored(everywhere)
    plan = [{"name": "bob@test.com", "quota": 9}, {"name": "eve@test.com", "state": "absent"}]
    plan += [{"name": f"new{number:04d}", "password_hash": FIELD} for number in range(1500)]
    lines = "".join(json.dumps(row) + "\n" for row in plan).encode()
    done(everywhere, "apply", "-", "--input", "ndjson", stdin=lines)
    assert len(stored(everywhere)) == 1502
    found = done(everywhere, "undo", "--summary")
    assert records(found) == [
        {"step": 1, "dry_run": False, "created": 1, "changed": 1, "removed": 1500, "as_before": 0, "skipped": 0}
    ]
    assert stored(everywhere) == before


def test_a_dry_run_shows_each_field_and_changes_nothing(folder: str) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6", "new=1")
    after = stored(folder)
    found = done(folder, "undo", "--dry-run")
    assert records(found) == [
        {
            "step": 1,
            "user": "bob@test.com",
            "change": "changed",
            "dry_run": True,
            "store": "flatfile" if "nwauth.txt" in os.listdir(folder) else "sql",
            "scheme": None,
            "fields": {"quota": {"old": "6", "new": "7"}, "new": {"old": "1", "new": None}},
        }
    ]
    assert found.err.endswith("): 1 would be changed back\n")
    assert stored(folder) == after
    assert undo_list(folder) == [(1, "user set", "done")]


def lagging(path: Path) -> str:
    """A folder whose look-ups go to a replica that stands still."""
    folder = fresh(path, "sqlite")
    shutil.copyfile(f"{folder}/users.db", f"{folder}/replica.db")
    settings = content(folder, "nwauth.toml").replace("table =", f'read_url = "sqlite:///{folder}/replica.db"\ntable =')
    Path(folder, "nwauth.toml").write_text(settings)
    return folder


def test_a_dry_run_is_of_what_the_primary_holds_not_of_what_a_replica_still_shows(tmp_path: Path) -> None:
    folder = lagging(tmp_path)
    done(folder, "user", "set", "bob@test.com", "quota=6")
    for word, *more in (["set", "quota=7"], ["rename", "rob@test.com"], ["del"]):
        words = ["user", word, "bob@test.com", *more, "--yes"]
        (shown,) = records(done(folder, *words, "--dry-run"))
        (made,) = records(done(folder, *words))
        assert {**shown, "dry_run": False} == made
        done(folder, "undo", "--yes")


def test_the_last_steps_are_taken_back_one_behind_the_other(folder: str) -> None:
    before = stored(folder)
    for words in CHANGES[:3]:
        done(folder, *words)
    done(folder, "undo", "--last", "3")
    assert stored(folder) == before
    assert [state for _, _, state in undo_list(folder)] == ["done", "done", "done", "undone", "undone", "undone"]
    assert run(folder, "undo").status == 1


def test_a_step_is_taken_back_by_its_number_where_later_ones_are_about_others(folder: str) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6")
    done(folder, "user", "set", "carl", "quota=6")
    done(folder, "undo", "1")
    assert [user[5] for user in stored(folder) if user[0] in ("bob@test.com", "carl")] == [ODD, 'fwd="a@b" quota="6"']
    again = done(folder, "undo", "1")
    assert (again.out, again.err.endswith("): 1 as before already\n")) == ("", True)


def test_an_undo_is_in_the_journal_too(folder: str) -> None:
    done(folder, "user", "set", "carl", "new=6")
    done(folder, "undo")
    assert [(line["command"], line["before"], line["after"]) for line in journal(folder)] == [
        ("user set", {}, {"info.new": "6"}),
        ("undo", {"info.new": "6"}, {}),
    ]


# --- what is refused -------------------------------------------------------------------------------------------------


def test_who_has_been_changed_since_is_named_and_nothing_is_done(folder: str) -> None:
    done(folder, "user", "del", "--yes", "bob@test.com", "carl", "eve@test.com")
    done(folder, "user", "add", "CARL", "--hash", OTHER)
    now = stored(folder)
    found = run(folder, "undo", "1")
    assert (found.status, found.out) == (1, "")
    assert "nwauth: 1 user has been changed since step 1 (user del, " in found.err
    assert "): 'carl': nothing is taken back; take back later steps first (nwauth undo --list), or --skip" in found.err
    assert stored(folder) == now
    assert "1 changed since, and left\n" in done(folder, "undo", "1", "--skip-changed").err
    assert [user[0] for user in stored(folder)] == ["bob@test.com", "CARL", "Eve@test.com"]


def test_a_password_that_was_changed_by_its_user_is_not_taken_back(folder: str) -> None:
    done(folder, "user", "passwd", "bob@test.com", "--hash", OTHER)
    assert run(folder, stdin=b"set bob@test.com mine\n").out.startswith("+OK")
    now = stored(folder)
    assert run(folder, "undo").status == 1
    assert stored(folder) == now


def test_a_step_whose_users_are_as_before_already_does_not_stand_in_the_way(folder: str) -> None:
    """A server's child has deleted who was added: the next undo takes back the step before."""
    before = stored(folder)
    done(folder, "user", "set", "carl", "quota=6")
    done(folder, "user", "add", "zoe", "--hash", FIELD)
    child = subprocess.run(
        [*COMMAND, "-path", folder], input=b"del zoe\n", capture_output=True, env=environment(), check=True
    )
    assert child.stdout.startswith(b"+OK")
    assert "1 as before already" in done(folder, "undo", "--dry-run").err
    assert undo_list(folder)[0] == (2, "user add", "done")
    assert "1 as before already" in done(folder, "undo").err
    assert undo_list(folder)[:2] == [(3, "undo", "done"), (2, "user add", "undone")]
    done(folder, "undo")
    assert stored(folder) == before


def test_steps_whose_users_have_all_been_changed_since_are_passed_over_where_that_is_wanted(folder: str) -> None:
    done(folder, "user", "set", "carl", "quota=6")
    done(folder, "user", "set", "bob@test.com", "quota=6")
    child = subprocess.run(
        [*COMMAND, "-path", folder], input=b"set bob@test.com new\n", capture_output=True, env=environment(), check=True
    )
    assert child.stdout.startswith(b"+OK")
    assert "1 changed since, and left" in done(folder, "undo", "--last", "2", "--skip-changed").err
    assert [state for _, _, state in undo_list(folder)] == ["done", "done", "undone", "undone"]
    assert "quota" not in done(folder, "user", "show", "carl").out


def test_where_there_is_nothing_to_take_back_it_is_said(folder: str) -> None:
    found = run(folder, "undo")
    text = f"nwauth: nothing to take back: no command has changed a user of {folder} yet\n"
    assert (found.status, found.err) == (1, text)
    assert (run(folder, "undo", "--list").out, run(folder, "undo", "--list").status) == ("", 0)
    done(folder, "user", "set", "carl", "quota=6")
    done(folder, "undo")
    text = "nwauth: there is nothing to take back: nwauth undo --list shows what there was\n"
    assert run(folder, "undo") == (1, "", text)
    found = run(folder, "undo", "7")
    assert found.err == "nwauth: there is no step 7: nwauth undo --list shows those that there are\n"
    for words in (["--list", "1"], ["1", "--last", "2"], ["--last", "2", "--dry-run"], ["0"], ["x"]):
        assert run(folder, "undo", *words).status == 2, words


@pytest.mark.parametrize("word", ["abc", "0", "1.5", "9" * 5000])
def test_what_is_no_number_of_a_step_is_named_with_where_to_find_one(tmp_path: Path, word: str) -> None:
    found = run(base(str(tmp_path)), "undo", word)
    assert (found.status, found.err.count("\n")) == (2, 1)
    assert f"found {word!r}, wanted the number of a step in nwauth undo --list" in found.err


def test_no_steps_at_all_are_not_taken_back(tmp_path: Path) -> None:
    found = run(base(str(tmp_path)), "undo", "--last", "0")
    assert (found.status, found.err.count("\n")) == (2, 1)
    assert "found '0', wanted how many steps, 1 or more" in found.err


def test_a_step_of_a_store_that_is_not_there_any_more_says_where_it_was(folder: str, tmp_path: Path) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6")
    os.mkdir(tmp_path / "else")
    base(str(tmp_path / "else"))
    with open(f"{folder}/nwauth.toml", "w", encoding="ascii") as file:
        file.write(SETTINGS.replace('path = "."', f'path = "{tmp_path}/else"\nname = "else"'))
    found = run(folder, "undo")
    assert found.status == 1
    assert " cannot be taken back from here: it was made in " in found.err
    assert "which is no store of nwauth.toml" in found.err


def test_a_damaged_step_is_unavailable_and_nothing_is_changed(folder: str) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6")
    path = f"{folder}/nwauth.undo/00000001"
    text = content(folder, "nwauth.undo/00000001")
    with open(path, "w", encoding="ascii") as file:
        file.write(text.replace("[[[", "[[{"))
    now = stored(folder)
    found = run(folder, "undo")
    assert (found.status, found.err) == (
        75, f"nwauth: {path}: is damaged: found no changes where some must be\n"
    )  # fmt: skip
    assert stored(folder) == now


def test_a_step_of_a_later_version_is_left_to_that_one(folder: str) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6")
    step = Path(folder, "nwauth.undo", "00000001")
    step.write_text(step.read_text().replace('"nwauth_undo":1', '"nwauth_undo":2'))
    now = stored(folder)
    found = run(folder, "undo")
    told = f"nwauth: {step}: is of another version of nwauth, and that one can take it back\n"
    assert (found.status, found.err) == (75, told)
    assert stored(folder) == now
    done(folder, "user", "set", "carl", "quota=6")
    done(folder, "undo")
    assert stored(folder) == now


def test_where_no_step_is_the_list_says_so_to_people_and_has_no_row_for_programs(folder: str) -> None:
    done = run(folder, "undo", "--list", "--format", "table")
    assert (done.status, done.out) == (0, "")
    assert done.err == f"nothing to take back: no command has changed a user of {folder} yet\n"
    assert run(folder, "undo", "--list", "--format", "ndjson") == (0, "", "")


def test_steps_are_listed_for_programs_and_for_people(folder: str) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6", "--quiet")
    (step,) = records(done(folder, "undo", "--list"))
    assert list(step) == [
        *("step", "time", "command", "state", "undoes", "created", "changed", "removed"),
        *("account", "login", "sudo_user"),
    ]
    assert (step["step"], step["state"], step["undoes"], step["changed"]) == (1, "done", None, 1)
    table = done(folder, "undo", "--list", "--format", "table").out.splitlines()
    assert table[0].split() == ["STEP", "TIME", "COMMAND", "WHO", "CREATED", "CHANGED", "REMOVED", "STATE"]


def test_the_table_of_steps_names_the_person_and_marks_whom_sudo_alone_has_named(folder: str) -> None:
    done(folder, "user", "set", "carl", "quota=6")
    assert run(folder, "user", "set", "carl", "quota=7", SUDO_USER="alice").status == 0
    rows = records(done(folder, "undo", "--list"))
    _, *lines = done(folder, "undo", "--list", "--format", "table").out.splitlines()
    assert [row["sudo_user"] for row in rows] == ["alice", None]
    people = [rows[0]["login"] or "alice?", rows[1]["login"] or rows[1]["account"]]
    assert [line.split()[5] for line in lines] == people


def test_with_several_stores_each_change_goes_back_to_its_own(tmp_path: Path) -> None:
    folder = fresh(tmp_path)
    os.mkdir(tmp_path / "old")
    base(str(tmp_path / "old"), users=f"olga@old.com:{FIELD}:\nbob@test.com:{OTHER}:\n".encode())
    second = '[[stores]]\nname = "old"\nkind = "flatfile"\npath = "old"\nshared = false\nsettle_seconds = 0.0\n'
    with open(f"{folder}/nwauth.toml", "w", encoding="ascii") as file:
        file.write(SETTINGS.replace("[passwords]", f"{second}\n[passwords]"))
    before = stored(folder), stored(str(tmp_path / "old"))
    done(folder, "user", "del", "--yes", "bob@test.com", "olga@old.com")
    assert stored(str(tmp_path / "old")) == []
    done(folder, "undo")
    assert (stored(folder), stored(str(tmp_path / "old"))) == before


# --- two at once -----------------------------------------------------------------------------------------------------


def test_what_several_administrators_do_at_once_is_all_there_and_can_all_be_taken_back(folder: str) -> None:
    before = stored(folder)
    commands = [[*COMMAND, "user", "set", "bob@test.com", f"field{number}={number}"] for number in range(6)]
    commands += [[*COMMAND, "user", "add", f"new{number}", "--hash", FIELD] for number in range(6)]
    at_work = [subprocess.Popen(words, env=environment(NWAUTH_PATH=folder), stdout=-3) for words in commands]
    assert {process.wait(60) for process in at_work} == {0}
    assert len(journal(folder)) == len(undo_list(folder)) == 12
    assert {line["step"] for line in journal(folder)} == set(range(1, 13))
    for _ in range(12):
        # Steps are numbered as they began, and two of one user may have ended the other way round.
        steps = [step for step, command, state in undo_list(folder) if state == "done" and command != "undo"]
        assert any(run(folder, "undo", str(step)).status == 0 for step in steps)
    assert stored(folder) == before


def test_users_whom_another_programs_table_tells_apart_by_case_are_put_back_together(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        database.execute("create table maildb (username text primary key, password text)")
        database.executemany("insert into maildb values (?, ?)", [("Bob", FIELD), ("bob", OTHER), ("eve", FIELD)])
        database.commit()
    columns = '[stores.columns]\nname = "username"\npassword = "password"\n'
    (tmp_path / "nwauth.toml").write_text(
        f'[[stores]]\nkind = "sql"\nurl = "sqlite:///mail.db"\ntable = "maildb"\n{columns}'
    )
    folder = str(tmp_path)
    before = run(folder, "user", "list", "--show-hash").out
    done(folder, "user", "del", "Bob", "bob", "--yes")
    done(folder, "undo")
    assert run(folder, "user", "list", "--show-hash").out == before


# --- any commands ----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["bob@test.com", "BOB@test.com", "carl", "zoe", "Eve@test.com"])
FIELDS = st.sampled_from(["quota=1", "quota=", "new=x", "fwd=c@d"])
WORDS = st.one_of(
    st.tuples(st.just("add"), NAMES, st.sampled_from(["--hash"]), st.sampled_from([FIELD, OTHER])),
    st.tuples(st.just("set"), NAMES, FIELDS),
    st.tuples(st.just("passwd"), NAMES, st.just("--hash"), st.sampled_from([FIELD, OTHER])),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.sampled_from(["suspend", "resume"]), NAMES),
    st.tuples(st.just("del"), st.just("--yes"), NAMES, NAMES),
)


@pytest.mark.parametrize("kind", ["flatfile", "sqlite"])
@settings(max_examples=40 if IN_CI else 6, deadline=None)
@given(st.lists(st.one_of(WORDS.map(lambda words: ("user", *words)), st.just(("undo",))), max_size=8))
def test_as_many_undos_as_changes_give_the_first_users_back(
    tmp_path_factory: pytest.TempPathFactory, kind: str, commands: list[tuple[str, ...]]
) -> None:
    folder = fresh(tmp_path_factory.mktemp("any"), kind)
    states = [stored(folder)]
    for words in commands:
        assert run_command(["--path", folder, "--quiet", *words]) in (0, 1)
        states.append(stored(folder))
    standing = [row for row in undo_list(folder) if row[1] != "undo" and row[2] == "done"]
    for _ in standing:
        assert run_command(["--path", folder, "--quiet", "undo"]) == 0
    assert stored(folder) == states[0]
    for step, _, state in undo_list(folder)[: len(standing)]:
        assert state == "done"
        assert run_command(["--path", folder, "--quiet", "undo", str(step)]) == 0
    assert stored(folder) == states[-1]


def test_a_line_of_seven_fields_has_seven_again(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "mail")
    settings = '[[stores]]\nkind = "passwd"\npath = "users"\nread_only = false\n'
    folder = base(str(tmp_path / "mail"), settings=settings)
    users = Path(folder, "users")
    before = b"ann:!:1001:100:Ann:/home/ann:/bin/false\nbob:!:1002:100::::\n"
    users.write_bytes(before)
    os.utime(users, (0, 0))
    for name in ("ann", "bob"):
        done(folder, "user", "set", name, "quota=5")
        done(folder, "user", "set", name, "quota=6")
    assert users.read_bytes() == before.replace(b"/bin/false", b"/bin/false:quota=6").replace(b"::::", b"::::quota=6")
    for _ in range(4):
        done(folder, "undo")
    assert users.read_bytes() == before


@pytest.mark.parametrize("settings", ["", "unix_case = true\n"])
def test_two_users_who_differ_in_case_alone_both_come_back(tmp_path: Path, settings: str) -> None:
    folder, users = passwd(tmp_path, "Bob", "BOB", "carl", settings=settings)
    before = users.read_bytes()
    done(folder, "user", "del", "--yes", "Bob", "BOB")
    found = done(folder, "undo")
    assert "2 added again" in found.err
    assert sorted(users.read_bytes().splitlines()) == sorted(before.splitlines())
    done(folder, "undo", "2")
    assert [line[:5] for line in users.read_bytes().splitlines()] == [b"carl:"]


def test_where_case_counts_another_spelling_of_a_name_is_taken_back(tmp_path: Path) -> None:
    folder, users = passwd(tmp_path, "bob", settings="unix_case = true\n")
    before = users.read_bytes()
    done(folder, "user", "rename", "bob", "Bob")
    done(folder, "undo")
    assert users.read_bytes() == before
    done(folder, "undo", "2")
    assert users.read_bytes() == before.replace(b"bob", b"Bob")


def passwd(path: Path, *names: str, settings: str = "") -> tuple[str, Path]:
    """A folder whose users are in a passwd file, and that file."""
    folder = base(str(path), settings=PASSWD + settings, users=b"")
    users = path / "users"
    users.write_text("".join(f"{name}:{FIELD}:{at}::::\n" for at, name in enumerate(names, 1001)))
    return folder, users


def test_an_undo_that_was_stopped_half_way_goes_on_from_there(folder: str) -> None:
    """Where the store cannot make all changes as one, some of them may be made and the others not."""
    done(folder, "user", "set", "carl", "quota=5")
    done(folder, "user", "set", "carl", "quota=6")
    done(folder, "undo")
    path = Path(folder, "nwauth.undo", "00000003")
    path.write_text(path.read_text().replace('"wanted": 1', '"wanted": 2').replace('"wanted":1', '"wanted":2'))
    assert [(row[0], row[2]) for row in undo_list(folder)] == [(3, "done"), (2, "done"), (1, "done")]
    found = run(folder, "undo")
    assert (found.status, "step 2 (" in found.err, "1 as before already" in found.err) == (0, True, True), found


def test_a_store_with_another_name_since_is_still_the_one_that_a_step_is_taken_back_in(tmp_path: Path) -> None:
    folder = fresh(tmp_path)
    first = stored(folder)
    assert run(folder, "user", "set", "carl", "quota=6").status == 0
    settings = Path(folder, "nwauth.toml")
    settings.write_text(settings.read_text().replace("[[stores]]", '[[stores]]\nname = "mail"'))
    done = run(folder, "undo")
    assert (done.status, done.err.count("changed back")) == (0, 1), done
    assert stored(folder) == first


def test_a_step_that_says_that_it_takes_itself_back_holds_nobody_up(tmp_path: Path) -> None:
    folder = fresh(tmp_path)
    assert run(folder, "user", "set", "carl", "quota=6").status == 0
    step = Path(folder, "nwauth.undo", "00000001")
    head, _, rest = step.read_text().partition("\n")
    step.write_text(json.dumps(json.loads(head) | {"undoes": 1}) + "\n" + rest)
    assert len(undo_list(folder)) == 1


CUTS: dict[str, Callable[[str], str]] = {
    "end": lambda text: text[: text.index('{"end"')],
    "the last bytes": lambda text: text[:-3],
    "head": lambda text: text.partition("\n")[2],
    "all": lambda _text: "",
    "numbers": lambda text: text.replace('"changed":1', '"changed":"1"'),
    "what was not made": lambda text: text.replace('{"made":true}', '{"made":true,"but":1}'),
    "a user": lambda text: text.replace('[[["', '[[["x",["'),
    "depth": lambda text: text.replace("[[[", "[" * 100_000),
    "an unknown line": lambda text: text.replace('{"ready"', '{"else":1}\n{"ready"'),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_step_of_which_something_lacks_is_damaged_and_never_empty_nor_passed_over(tmp_path: Path, cut: str) -> None:
    folder = fresh(tmp_path)
    done(folder, "user", "set", "carl", "quota=5")
    done(folder, "user", "set", "bob@test.com", "quota=6")
    path = Path(folder, "nwauth.undo", "00000002")
    path.write_text(CUTS[cut](path.read_text()))
    now = stored(folder)
    found = run(folder, "undo")
    assert (found.status, found.out) == (75, "")
    assert found.err.startswith(f"nwauth: {path}: is damaged: ")
    assert run(folder, "undo", "2").status == 75
    assert stored(folder) == now
    assert [number for number, _, _ in undo_list(folder)] == [2, 1]
    assert run(folder, "user", "set", "carl", "quota=7").status == 0  # others are not held up
    assert run(folder, "undo", "3").status == 0
    assert run(folder, "undo", "1").status == 0


# --- who is asked, and what is gone by --------------------------------------------------------------------------------


def test_a_person_is_asked_before_users_are_deleted(folder: str) -> None:
    before = stored(folder)
    done(folder, "user", "add", "zoe@test.com", "--hash", FIELD)
    after = stored(folder)
    terminal = Terminal(folder, "undo")
    assert terminal.answer({"has added? [y/N] ": "n\n"}) == 1
    assert "nothing was taken back" in terminal.screen
    assert stored(folder) == after
    assert Terminal(folder, "undo").answer({"has added? [y/N] ": "y\n"}) == 0
    assert stored(folder) == before
    assert Terminal(folder, "undo", "2").answer({"[y/N] ": "n\n"}) == 0  # it adds the user again: nobody is asked
    assert stored(folder) == after


def test_a_folder_of_steps_that_others_can_write_is_not_gone_by(folder: str) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6")
    before = stored(folder)
    os.chmod(f"{folder}/nwauth.undo", 0o777)
    told = f"{folder}/nwauth.undo can be written by others: look what lies there, then chmod 700 {folder}/nwauth.undo"
    for words in ["undo"], ["undo", "--list"], ["user", "set", "bob@test.com", "quota=7"]:
        found = run(folder, *words)
        assert (found.status, told in found.err) == (75, True), found
    assert stored(folder) == before
    assert told in run(folder, "doctor").out
    os.chmod(f"{folder}/nwauth.undo", 0o700)
    done(folder, "undo")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_steps_that_is_anothers_is_not_gone_by(folder: str) -> None:
    done(folder, "user", "set", "bob@test.com", "quota=6")
    os.chown(f"{folder}/nwauth.undo", 12345, 12345)
    found = run(folder, "undo")
    assert (found.status, "belongs to uid 12345" in found.err) == (75, True), found


@pytest.mark.parametrize("name", ["00000009", "00000009.open"])
@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_what_is_no_step_is_named_and_holds_nobody(tmp_path: Path, kind: str, name: str) -> None:
    folder = fresh(tmp_path)
    done(folder, "user", "set", "bob@test.com", "quota=6")
    path = f"{folder}/nwauth.undo/{name}"
    make: dict[str, Callable[[], None]] = {
        "folder": lambda: os.mkdir(path),
        "fifo": lambda: os.mkfifo(path),
        "link": lambda: os.symlink("/etc/passwd", path),
    }
    make[kind]()
    for words in ["undo"], ["undo", "--list"], ["doctor"]:
        found = run(folder, *words)
        assert (found.status, path in found.err + found.out) == (75, True), found
    os.rename(path, f"{folder}/elsewhere")
    done(folder, "undo")


@pytest.mark.parametrize("name", ["abc.open", "-1", "9" * 20, "٠٠٠٠٠٠٠٩"])
def test_a_name_that_no_step_has_is_passed_over(tmp_path: Path, name: str) -> None:
    folder = fresh(tmp_path)
    before = stored(folder)
    done(folder, "user", "set", "bob@test.com", "quota=6")
    Path(folder, "nwauth.undo", name).touch()
    done(folder, "undo")
    assert stored(folder) == before
    assert [step for step, _, _ in undo_list(folder)] == [2, 1]


# --- commands that were killed --------------------------------------------------------------------------------------


def killed_at_once(folder: str, step: int, **facts: int) -> None:
    """A step after the first, whose command was killed before it asked the store for anything."""
    head = json.loads(content(folder, "nwauth.undo/00000001").partition("\n")[0])
    Path(folder, "nwauth.undo", f"{step:08}.open").write_text(json.dumps({**head, **facts, "step": step}) + "\n")


def test_undo_after_a_kill_that_changed_nothing_says_so_and_leaves_the_step_before(folder: str) -> None:
    before = stored(folder)
    done(folder, "user", "set", "bob@test.com", "quota=6")
    after = stored(folder)
    killed_at_once(folder, 2)
    found = done(folder, "undo")
    assert "note: step 2 (user set, " in found.err, found
    assert ") was broken off: nothing of it is changed\n" in found.err, found
    assert "nothing is taken back; nwauth undo 1 takes back step 1 (user set, " in found.err, found
    assert (found.out, stored(folder)) == ("", after)
    done(folder, "undo")
    assert stored(folder) == before


def test_undo_goes_on_with_an_undo_that_was_killed_before_it_changed_anything(folder: str) -> None:
    before = stored(folder)
    done(folder, "user", "set", "bob@test.com", "quota=6")
    killed_at_once(folder, 2, undoes=1)
    found = done(folder, "undo")
    assert ") was broken off: nothing of it is changed\n" in found.err, found
    assert stored(folder) == before


def test_a_killed_step_that_changed_nothing_is_one_of_the_last_two(folder: str) -> None:
    before = stored(folder)
    done(folder, "user", "set", "bob@test.com", "quota=6")
    after = stored(folder)
    done(folder, "user", "set", "carl", "quota=7")
    killed_at_once(folder, 3)
    done(folder, "undo", "--last", "2")
    assert stored(folder) == after
    done(folder, "undo")
    assert stored(folder) == before


@pytest.mark.parametrize(
    ("wanted", "says"),
    [(2, "when all was changed already: nwauth undo 1 takes it back"),
     (4, "when 2 of 4 changes were made: run it again, or nwauth undo 1 takes it back")],
)  # fmt: skip
def test_the_command_after_a_kill_says_what_stands(folder: str, wanted: int, says: str) -> None:
    plan = "".join(f'{{"name": "{name}", "password_hash": "{FIELD}"}}\n' for name in ("ann", "zoe"))
    done(folder, "apply", "--input", "ndjson", "-", stdin=plan.encode())
    text = content(folder, "nwauth.undo/00000001").replace('"wanted":2', f'"wanted":{wanted}')
    Path(folder, "nwauth.undo", "00000001").unlink()
    Path(folder, "nwauth.undo", "00000001.open").write_text(text.partition('{"made"')[0])
    err = done(folder, "user", "set", "carl", "quota=7").err
    assert "note: step 1 (apply, " in err, err
    assert f") was broken off {says}\n" in err, err


# --- another module behind this one ----------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path) -> str:
    """A folder whose store is another module, with bob, of whom it keeps what no protocol tells."""
    (tmp_path / "old").mkdir()
    base(str(tmp_path / "old"), users=b'bob@test.com:*geheim:quota="5" odd text x=""\n')
    command = json.dumps([*COMMAND, "-path", "old"])
    (tmp_path / "nwauth.toml").write_text(f'[[stores]]\nkind = "process"\ncommand = {command}\n')
    return str(tmp_path)


def told_of(folder: str, name: str) -> dict[str, Any]:
    found = run(folder, "user", "show", name, "--format", "json")
    info: dict[str, Any] = json.loads(found.out)["info"] if found.status == 0 else {}
    return {label: value for label, value in info.items() if value}


def test_a_field_that_a_module_keeps_is_taken_back_in_whatever_way_it_writes_it(module: str) -> None:
    done(module, "user", "set", "bob@test.com", "quota=6", "new=1")
    assert told_of(module, "bob@test.com") == {"quota": "6", "new": "1"}
    done(module, "undo")
    assert told_of(module, "bob@test.com") == {"quota": "5"}
    done(module, "undo", "2")
    assert told_of(module, "bob@test.com") == {"quota": "6", "new": "1"}


def test_who_was_added_to_a_module_is_removed_again(module: str) -> None:
    done(module, "user", "add", "zoe@test.com", "--password-stdin", "quota=7", stdin=b"geheim\n")
    done(module, "undo")
    assert run(module, "user", "show", "zoe@test.com").status == 1


@pytest.mark.parametrize(
    ("words", "remedy"),
    [(["passwd", "bob@test.com", "--password-stdin"], "passwd"), (["del", "--yes", "bob@test.com"], "add")],
)
def test_a_password_that_a_module_never_told_is_said_to_be_lost_and_not_to_be_as_before(
    module: str, words: list[str], remedy: str
) -> None:
    done(module, "user", *words, stdin=b"new\n")
    found = run(module, "undo")
    assert (found.status, found.out) == (1, "")
    assert "the password that 'bob@test.com' had is not known: store process gives none out" in found.err
    assert found.err.endswith(f"give a new one with nwauth user {remedy}\n")
    assert [state for _, _, state in undo_list(module)] == ["done"]
