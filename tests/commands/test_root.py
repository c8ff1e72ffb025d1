"""Commands that root starts work as the owner of the folder, and leave nothing behind that locks it out."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from typing import TYPE_CHECKING

import pytest

import nwauth
from tests.commands.common import BOB, SETTINGS, Run, base, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER = 12345
SSHA = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the ids of others")


@pytest.fixture
def mail() -> Iterator[str]:
    """A folder that belongs to another account, with a base in it, where that account can reach it."""
    folder = tempfile.mkdtemp(prefix="nwauth-test-")
    os.chmod(folder, 0o750)
    base(folder, settings=SETTINGS + '[log]\nlevel = "info"\n')
    for name in ("", "nwauth.txt", "nwauth.toml"):
        os.chown(os.path.join(folder, name), OWNER, OWNER)
    os.chmod(os.path.join(folder, "nwauth.txt"), 0o640)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def hidden(tmp_path: Path) -> dict[str, str]:
    """Our modules and the libraries, where only root can read them."""
    tmp_path.chmod(0o700)
    (tmp_path / "libraries").symlink_to(sysconfig.get_path("purelib"))
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "nwauth").symlink_to(os.path.dirname(nwauth.__file__))
    return {"PYTHONPATH": f"{tmp_path}/ours:{tmp_path}/libraries", "PYTHONDONTWRITEBYTECODE": "1"}


def run(folder: str, hidden: dict[str, str], *words: str, stdin: bytes = b"") -> Run:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "nwauth", *words],
        input=stdin,
        capture_output=True,
        cwd="/",
        env=environment(NWAUTH_PATH=folder, **hidden),
        timeout=20,
        check=False,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


def owners_and_modes(folder: str) -> dict[str, tuple[int, int, int]]:
    found = {}
    for name in os.listdir(folder):
        status = os.stat(os.path.join(folder, name))
        found[name] = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    return found


def test_all_that_a_change_makes_belongs_to_the_owner(mail: str, hidden: dict[str, str]) -> None:
    done = run(mail, hidden, "user", "add", "eve", "--generate", "--format", "csv")
    assert (done.status, done.err) == (0, "")
    assert owners_and_modes(mail) == {
        "nwauth.toml": (OWNER, OWNER, 0o644),
        "nwauth.txt": (OWNER, OWNER, 0o640),
        "nwauth.add": (OWNER, OWNER, 0o640),
        "nwauth.lock": (OWNER, OWNER, 0o640),
        "nwauth.log": (OWNER, OWNER, 0o600),
        "nwauth.changes": (OWNER, OWNER, 0o600),
        "nwauth.undo": (OWNER, OWNER, 0o700),
    }
    undo = owners_and_modes(os.path.join(mail, "nwauth.undo"))
    assert undo == dict.fromkeys(("00000001", "key", "lock"), (OWNER, OWNER, 0o600))


@pytest.mark.parametrize("shared", ["true", "false"])
def test_every_command_works_without_reading_its_modules_anew(mail: str, hidden: dict[str, str], shared: str) -> None:
    with open(os.path.join(mail, "nwauth.toml"), "w", encoding="ascii") as file:
        file.write(SETTINGS.replace("shared = false", f"shared = {shared}"))
    assert run(mail, hidden, "user", "add", "eve", "--hash", SSHA, "--quiet").status == 0
    assert run(mail, hidden, "user", "rename", "eve", "adam").status == 0
    assert run(mail, hidden, "user", "list", "--format", "table").err == "2 of 2 users\n"
    assert run(mail, hidden, "test", "adam", "--password-stdin", stdin=b"secret").status == 0
    merged = run(mail, hidden, "merge")
    assert (merged.status, json.loads(merged.out)["users"]) == (0, 2)
    assert run(mail, hidden, "user", "del", "adam", "--yes").status == 0
    for words in (["--dry-run"], ["--list"], []):
        assert run(mail, hidden, "undo", *words).status == 0
    assert run(mail, hidden, "user", "suspend", "adam", "--until", "2999-01-31", "--quiet") == (0, "", "")
    assert run(mail, hidden, "user", "expire", "adam", "Fri 18:00", "--quiet") == (0, "", "")
    assert {owner[:2] for owner in owners_and_modes(mail).values()} == {(OWNER, OWNER)}
    kept = {"nwauth.toml", "nwauth.txt", "nwauth.add", "nwauth.lock", "nwauth.idx", "nwauth.changes", "nwauth.undo"}
    left = {name for name in os.listdir(mail) if not name.startswith("nwauth.add.old.")}
    assert left <= kept


def test_a_password_file_is_read_as_root(mail: str, hidden: dict[str, str], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"geheim\n")
    secret.chmod(0o600)
    assert run(mail, hidden, "user", "passwd", "bob@test.com", "--password-file", str(secret)).status == 0
    assert run(mail, hidden, "test", "bob@test.com", "--password-stdin", stdin=b"geheim").status == 0


def test_init_makes_files_of_the_owner(mail: str, hidden: dict[str, str]) -> None:
    for name in os.listdir(mail):
        os.unlink(os.path.join(mail, name))
    assert run(mail, hidden, "init").status == 0
    new = os.path.join(mail, "new")
    assert run(new, hidden, "init").status == 0
    for folder in (mail, new):
        assert {owner[:2] for owner in owners_and_modes(folder).values()} == {(OWNER, OWNER)}
        assert {"nwauth.toml", "nwauth.txt"} <= set(os.listdir(folder))


def test_a_wrong_field_is_told_as_to_anybody(mail: str, hidden: dict[str, str]) -> None:
    done = run(mail, hidden, "user", "show", "nobody", "--debug")
    assert done.status == 1
    assert done.err.endswith(f"nwauth: nobody: no such user in store flatfile of {mail}\n")


def test_a_dry_run_of_root_leaves_no_trace(mail: str, hidden: dict[str, str]) -> None:
    before = sorted(os.listdir(mail))
    assert run(mail, hidden, "user", "set", "bob@test.com", "quota=6", "--dry-run").status == 0
    assert sorted(os.listdir(mail)) == before
    with open(os.path.join(mail, "nwauth.txt"), "rb") as file:
        assert file.read() == BOB


def test_a_plan_that_root_alone_reads_is_applied_as_the_owner_of_the_folder(
    mail: str, hidden: dict[str, str], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.csv"
    rows = [f"user{number:04}@test.com,{SSHA},Number {number}\n" for number in range(2000)]
    plan.write_text("name,password_hash,full_name\n" + "".join(rows))
    plan.chmod(0o600)
    done = run(mail, hidden, "apply", str(plan), "--summary")
    assert done.status == 0, done
    assert json.loads(done.out)["created"] == 2000
    generated = '{"name": "new@test.com", "generate": true}\n{"name": "user0001@test.com", "state": "absent"}\n'
    done = run(mail, hidden, "apply", "-", "--input", "ndjson", "--quiet", stdin=generated.encode())
    assert done.status == 0, done
    done = run(mail, hidden, "apply", str(plan), "--prune", "--summary")
    assert (done.status, bool(done.out) and json.loads(done.out)["removed"] > 0) == (0, True), done
    owners = {os.lstat(os.path.join(mail, name)).st_uid for name in os.listdir(mail)}
    assert owners == {OWNER}


def test_an_export_goes_where_root_alone_may_write(mail: str, hidden: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o700)
    for _ in ("new", "in the place of the other"):
        done = run(mail, hidden, "export", "-o", str(tmp_path / "out" / "users"))
        assert (done.status, owners_and_modes(str(tmp_path / "out"))) == (0, {"users": (0, 0, 0o600)}), done
    os.chown(tmp_path / "out" / "users", OWNER, OWNER)
    assert run(mail, hidden, "export", "-o", str(tmp_path / "out" / "users")).status == 0
    assert owners_and_modes(str(tmp_path / "out")) == {"users": (OWNER, OWNER, 0o600)}
    (tmp_path / "out").chmod(0o1777)  # as /tmp, where anybody may have put it to be given what is written
    done = run(mail, hidden, "export", "-o", str(tmp_path / "out" / "users"))
    assert (done.status, "users: cannot be written: it belongs to another account" in done.err) == (1, True)
