"""``nwauth export``: every form, what is lost told, and back again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nwauth.provisioning.exchange.giving import LINES, PLANS
from tests.commands.common import COMMAND, Run, base, contents, environment, run
from tests.faults.test_kill import needs_strace
from tests.stores.folders import until

if TYPE_CHECKING:
    from pathlib import Path

CANNOT_TELL = 75
SSHA = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"
ARGON = "$argon2id$v=19$m=8,t=1,p=1$gBnS3aVS+VbEBv3dJcP1dg$L25EopF4hLLZ9M5t2yWmUDOQa1AinASNdPukx4uJkJU"
USERS = f"""ann@test.com:{SSHA}:quota="7" last_login="2026-01-01"
bob@test.com:*secret:full_name="Bob Bee"
out@other.com:!:odd text
zoe@test.com:{ARGON}:
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A user base with four users."""
    (tmp_path / "mail").mkdir()
    return base(str(tmp_path / "mail"), users=USERS.encode())


@pytest.mark.parametrize("kind", PLANS)
def test_what_no_terminal_shows_does_not_spoil_a_plan(folder: str, kind: str) -> None:
    base(folder, users=f"de\x7fl@test.com:{SSHA}:\n".encode())
    assert run(folder, "export", "--to", kind, "-o", f"{folder}-users").status == 0
    assert json.loads(run(folder, "import", f"{folder}-users").out)["unchanged"] == 1


@pytest.mark.parametrize("kind", PLANS)
def test_a_plan_of_what_is_there_finds_nothing_to_do(folder: str, kind: str) -> None:
    path = f"{folder}-users"
    done = run(folder, "export", "--to", kind, "-o", path)
    assert done.status == 0
    assert "note: not in it: info text that is no field, of 1 user, the first of them 'out@other.com'" in done.err
    with open(path, encoding="utf-8") as file:
        assert "last_login" not in file.read()
    before = contents(folder)
    if kind != "semicolons":
        again = run(folder, "apply", path, "--input", kind)
        assert again == (0, "", "0 changed, 0 removed, 4 as they were, 0 failed\n")
    imported = run(folder, "import", path)
    assert (imported.status, json.loads(imported.out)["unchanged"]) == (0, 4), imported.err
    assert contents(folder) == before


@pytest.mark.parametrize("kind", LINES)
def test_a_file_for_another_program_brings_nothing_new_to_the_users_it_was_made_of(folder: str, kind: str) -> None:
    """Though the passwords are written as that program has them: with another tag, or with one where none was."""
    base(folder, users=USERS.replace("last_login", "quota2").replace("odd text", "").encode())
    assert run(folder, "export", "--to", kind, "--keep-going", "-o", f"{folder}-users").status in (0, 1)
    before = contents(folder)
    again = run(folder, "import", f"{folder}-users", "--from", kind)
    assert (again.status, json.loads(again.out)["unchanged"]) == (0, 1 if kind == "htpasswd" else 4), again.err
    assert contents(folder) == before


@pytest.mark.parametrize("kind", [*PLANS, *LINES])
def test_what_was_written_makes_the_same_users_elsewhere(folder: str, tmp_path: Path, kind: str) -> None:
    (tmp_path / "other").mkdir()
    other = base(str(tmp_path / "other"), users=b"")
    done = run(folder, "export", "--to", kind, "--match", "bob@*")
    if kind == "htpasswd":
        assert (done.status, done.out) == (1, "")
        assert "'bob@test.com': its password is in clear text, which no reader of htpasswd files verifies" in done.err
        return
    assert run(other, "import", "-", "--from", kind, stdin=done.out.encode()).status == 0
    assert run(other, "test", "bob@test.com", "--password-stdin", stdin=b"secret").status == 0
    assert json.loads(run(other, "user", "show", "bob@test.com").out)["info"] == {"full_name": "Bob Bee"}


def test_who_has_no_place_stops_it_or_is_left_out_as_it_is_said(folder: str) -> None:
    path = f"{folder}-users"
    done = run(folder, "export", "--to", "htpasswd", "-o", path)
    assert (done.status, done.out, os.path.exists(path)) == (1, "", False)
    assert "'zoe@test.com': its password is argon2id, which no reader of htpasswd files verifies" in done.err
    assert "3 users have no place there: nothing is written" in done.err
    done = run(folder, "export", "--to", "htpasswd", "--keep-going")
    assert (done.status, done.out) == (1, "out@other.com:!\n")


def test_the_file_is_for_its_owner_alone_and_what_was_in_it_is_gone(folder: str) -> None:
    path = f"{folder}-users"
    with open(path, "w", encoding="utf-8") as file:
        file.write("x" * 9000)
    os.chmod(path, 0o644)
    assert run(folder, "export", "-o", path).status == 0
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path, encoding="utf-8") as file:
        assert [json.loads(line)["name"] for line in file] == [line.partition(":")[0] for line in USERS.splitlines()]
    os.symlink(path, f"{path}-link")
    assert run(folder, "export", "-o", f"{path}-link").status == 1


def test_without_passwords_there_is_no_hash_in_it(folder: str) -> None:
    for kind in (*PLANS, *LINES):
        done = run(folder, "export", "--to", kind, "--without-passwords")
        assert (done.status, SSHA in done.out, "argon2" in done.out, "secret" in done.out) == (0, False, False, False)


DAMAGED = (
    'app_passwords="phone;{}"',
    'app_passwords="phone;{}" APP_PASSWORDS=""',
    'app_passwords="phone;{}',
    'app_passwords = "phone;{}"',
    'app_passwords=phone;{}=" note="x"',
)


def test_without_passwords_there_is_no_app_password_in_it_however_damaged(folder: str) -> None:
    with open(f"{folder}/nwauth.txt", "a", encoding="utf-8") as users:
        users.writelines(
            f"zoe{number}@test.com:{SSHA}:{info.format('{ssha256}ZGlnZXN0')}\n" for number, info in enumerate(DAMAGED)
        )
    for kind in (*PLANS, *LINES):
        done = run(folder, "export", "--to", kind, "--without-passwords")
        assert (done.status, "ZGlnZXN0" in done.out + done.err) == (0, False)
        assert [number for number in range(len(DAMAGED)) if f"zoe{number}" not in done.out] == []
        assert "the app passwords" in done.err


def told(done: Run) -> set[str]:
    return {line.removeprefix("note: not in it: ").partition(",")[0] for line in done.err.splitlines()}


@pytest.mark.parametrize("kind", LINES)
def test_a_password_behind_a_lock_stays_there_or_it_is_told(folder: str, kind: str) -> None:
    sha = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
    base(folder, users=f"ann@test.com:!{sha}:\nbob@test.com:!:\n".encode())
    done = run(folder, "export", "--to", kind)
    locked, none = (line.split(":")[1] for line in done.out.splitlines())
    keeps = kind in ("passwd", "nwauth")
    assert (done.status, locked, none) == (0, f"!{sha}" if keeps else "!", "!")
    assert ("the password behind a lock" in told(done)) is not keeps


def test_of_a_passwd_store_it_is_told_what_nobody_is_given(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(
        f"ann@test.com:*{SSHA}:1000:100:Ann:/home/ann:/bin/sh\nbob@test.com:{SSHA}:1001:100::/home/bob:/bin/sh\n"
    )
    (tmp_path / "nwauth.toml").write_text('[[stores]]\nkind = "passwd"\npath = "users"\nsettle_seconds = 0.0\n')
    done = run(str(tmp_path), "export", "--to", "passwd")
    assert done.out == f"ann@test.com:!{SSHA}:1000::::\nbob@test.com:{SSHA}:1001::::\n"
    assert done.err.startswith("note: not in it: full name, gid and shell of the accounts; and the home, where drop_p")


@pytest.mark.parametrize("kind", ["csv", "semicolons", "tsv"])
def test_of_a_table_it_is_told_what_its_columns_and_a_spreadsheet_make_of_it(folder: str, kind: str) -> None:
    text = f'ann@test.com:{SSHA}:phone="+49 1"\nbob@test.com:{SSHA}:Phone="2"\n'
    base(folder, users=text.encode())
    done = run(folder, "export", "--to", kind)
    assert (done.status, "+49 1" in done.out) == (0, True)
    assert "the spelling of Phone" in told(done)
    assert "a cell that begins with =, +, - or @, of 1 user, the first of them 'ann@test.com'" in done.err
    assert "a cell that begins" not in run(folder, "export", "--to", "ndjson").err


def test_with_all_it_has_the_last_login(folder: str) -> None:
    assert json.loads(run(folder, "export", "--all").out.splitlines()[0])["last_login"] == "2026-01-01"


def broken_off(folder: str, path: str, fault: str) -> subprocess.CompletedProcess[str]:
    """An export to which `fault` comes when all is written beside the file, and not yet in its place."""
    words = [sys.executable, "-m", "nwauth", "export", "--path", folder, "-o", path]
    return subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", f"inject=fsync:{fault}:when=1", *words],
        check=False,
        capture_output=True,
        text=True,
    )


@needs_strace
@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("fault", ["error=ENOSPC", "signal=SIGTERM", "signal=SIGINT", "signal=SIGHUP"])
def test_broken_off_the_old_file_stands_and_nothing_is_left_over(
    folder: str,
    tmp_path: Path,
    fault: str,
    is_there: bool,  # noqa: FBT001
) -> None:
    path = tmp_path / "out" / "users"
    path.parent.mkdir()
    if is_there:
        path.write_text("what was there\n")
    done = broken_off(folder, str(path), fault)
    if fault == "error=ENOSPC":
        status, said = 75, f"{path}: cannot be written, and is as it was: No space left on device (make room there)\n"
    else:
        status, said = 130, "nothing is written\nnwauth: interrupted\n"
    assert (done.returncode, done.stderr.endswith(said)) == (status, True), done.stderr
    assert os.listdir(path.parent) == ["users"] * is_there
    assert not is_there or path.read_text() == "what was there\n"


KILLED = """
import os, signal, sys
from nwauth.commands.outfile import output

def give(file):
    file.write(b"half")
    file.flush()
    os.write(1, " ".join(os.listdir(os.path.dirname(sys.argv[1]))).encode())
    os.kill(os.getpid(), signal.SIGKILL)

output(sys.argv[1], secret=True).write(give)
"""


def test_killed_outright_it_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("what was there\n")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "users")], check=False, capture_output=True)
    assert (done.returncode, len(done.stdout.split())) == (-9, 2)
    assert until(lambda: os.listdir(tmp_path) == ["users"])  # its helper sees that it has died
    assert (tmp_path / "users").read_text() == "what was there\n"


@pytest.mark.parametrize(("mode", "kept"), [(0o640, 0o640), (0o644, 0o600), (0o604, 0o600)])
def test_the_new_file_has_the_mode_of_the_old_one_but_is_not_for_everybody(
    folder: str, tmp_path: Path, mode: int, kept: int
) -> None:
    path = tmp_path / "users"
    path.write_text("x" * 9000)
    path.chmod(mode)
    assert run(folder, "export", "--without-passwords", "-o", str(path)).status == 0
    assert path.stat().st_mode & 0o777 == mode
    assert run(folder, "export", "-o", str(path)).status == 0
    assert (path.stat().st_mode & 0o777, path.read_text().count("\n")) == (kept, 4)


def test_the_end_of_the_files_name_says_the_form_unless_to_does(folder: str, tmp_path: Path) -> None:
    wanted = {form: run(folder, "export", "--to", form).out for form in ("csv", "ndjson", "toml", "tsv")}
    for ending, form in (("csv", "csv"), ("CSV", "csv"), ("jsonl", "ndjson"), ("toml", "toml"), ("txt", "ndjson")):
        path = tmp_path / f"users.{ending}"
        assert run(folder, "export", "-o", str(path)).status == 0
        assert path.read_text() == wanted[form]
        assert run(folder, "export", "--to", "tsv", "-o", str(path)).status == 0
        assert path.read_text() == wanted["tsv"]


def test_pipes_and_devices_are_written_straight(folder: str, tmp_path: Path) -> None:
    wanted = run(folder, "export").out
    for word in ("-", "/dev/stdout", "/dev/fd/1"):
        assert run(folder, "export", "-o", word).out == wanted
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE, text=True) as reader:
        assert run(folder, "export", "-o", str(tmp_path / "pipe")).status == 0
        assert reader.communicate()[0] == wanted
    assert sorted(os.listdir(tmp_path)) == ["mail", "pipe"]
    done = run(folder, "export", "-o", "/dev/full")
    assert (done.status, "/dev/full: cannot be written, and is not whole: No space left" in done.err) == (75, True)


@pytest.mark.parametrize("name", ["absent/users", "mail"])
def test_where_nothing_can_be_written_it_is_told_before_anything_is_read(
    folder: str, tmp_path: Path, name: str
) -> None:
    before = contents(folder)
    done = run(folder, "export", "-o", str(tmp_path / name))
    assert (done.status, done.err.count("\n"), f"{tmp_path / name}: cannot be written: " in done.err) == (1, 1, True)
    assert (contents(folder), os.listdir(tmp_path)) == (before, ["mail"])


def test_where_the_process_may_open_no_more_files_nothing_is_refused(folder: str, tmp_path: Path) -> None:
    plan, out = tmp_path / "plan.csv", tmp_path / "users.csv"
    plan.write_text("name,quota\nbob@test.com,7\n")
    works = {
        ("export", "-o", str(out)): 0,
        ("apply", str(plan), "--dry-run"): 3,
        ("import", str(plan), "--dry-run", "--update"): 3,
    }
    env = environment(NWAUTH_PATH=folder)
    seen = set()
    for most in range(5, 15):  # with fewer not even Python starts
        for words, status in works.items():
            limited = ["bash", "-c", f'ulimit -n {most}; exec "$0" "$@"', *COMMAND, *words]
            done = subprocess.run(limited, capture_output=True, text=True, env=env, check=False)
            assert done.returncode in (status, CANNOT_TELL), (most, words, done)
            assert out.exists() is (status == done.returncode == 0)
            out.unlink(missing_ok=True)
            seen.add(done.returncode)
    assert seen == {0, 3, CANNOT_TELL}


def test_a_link_is_not_written_through(folder: str) -> None:
    os.symlink(f"{folder}/nwauth.txt", f"{folder}-users")
    before = contents(folder)
    done = run(folder, "export", "-o", f"{folder}-users")
    assert (done.status, "cannot be written: it is a symbolic link" in done.err) == (1, True)
    assert contents(folder) == before
