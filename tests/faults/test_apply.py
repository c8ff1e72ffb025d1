"""``nwauth apply`` that is killed, at every system call that writes: the store is as before, or as the plan says."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.common import COMMAND, SETTINGS, base, environment, run
from tests.databases.processes import wait_until
from tests.faults.test_folder_and_disk import ROOT, small_disk
from tests.faults.test_kill import needs_strace
from tests.serving import IN_CI
from tests.stores.folders import ssha

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "link", "unlink", "ftruncate")
FIELD = ssha("secret")
USERS = b"".join(b"user%02d@test.com:%s:\n" % (number, FIELD.encode()) for number in range(20))
JOURNAL = f'user05@test.com:{FIELD}:quota="5"\nuser06@test.com:{FIELD}:quota="6"\nzoe@test.com:{FIELD}:\n'.encode()
PLAN = [
    {"name": "user05@test.com", "quota": "50"},
    {"name": "user06@test.com", "state": "absent"},
    {"name": "user07@test.com", "quota": "7"},
    {"name": "user08@test.com", "state": "absent"},
    {"name": "anew@test.com", "password_hash": FIELD},
]


def fresh(path: Path, kind: str) -> str:
    """A folder with users, some of whom have newer lines in the journal, or all are in a database."""
    path.mkdir()
    folder = base(str(path), users=USERS, settings=SETTINGS.replace("false", str(kind == "shared").lower(), 1))
    (path / "nwauth.add").write_bytes(JOURNAL)
    os.utime(path / "nwauth.txt", (1, 1))
    (path / "plan.ndjson").write_text("".join(json.dumps(row) + "\n" for row in PLAN))
    if kind == "sqlite":
        assert run(folder, "copy", "--from", "flatfile", "--to", "sqlite:///users.db", "--make").status == 0
        (path / "nwauth.toml").write_text(f'[[stores]]\nkind = "sql"\nurl = "sqlite:///{folder}/users.db"\n')
    return folder


def listed(folder: str) -> list[tuple[str, str, str]]:
    done = run(folder, "user", "list", "--show-hash", "--format", "json")
    assert done.status == 0, done
    return [(row["user"], row["stored_password"], row["info_text"]) for row in json.loads(done.out)]


def applied(folder: str, *options: str) -> str:
    """Apply the plan under strace; the trace."""
    return traced(folder, *options)[0]


def traced(folder: str, *options: str) -> tuple[str, subprocess.CompletedProcess[str]]:
    """The same; the trace, and what came of it."""
    trace = f"{folder}.trace"
    strace = ["strace", "-f", "-o", trace, "-e", f"trace={','.join(CALLS)}"]
    done = subprocess.run(
        [*strace, *options, *COMMAND, "apply", f"{folder}/plan.ndjson"],
        env=environment(NWAUTH_PATH=folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Path(trace).read_text(errors="replace"), done


@needs_strace
@pytest.mark.parametrize("kind", ["ours", "shared", "sqlite"])
def test_a_kill_at_any_write_leaves_all_of_the_plan_or_nothing_and_undo_says_which(tmp_path: Path, kind: str) -> None:
    whole = fresh(tmp_path / "whole", kind)
    before = listed(whole)
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", applied(whole), re.MULTILINE))
    after = listed(whole)
    assert (len(before), len(after), before == after) == (21, 20, False)
    deaths = [(call, nth) for call, count in calls.items() for nth in range(1, count + 1)]
    seen = Counter[str]()
    for call, nth in deaths[:: 3 if IN_CI else 9]:
        folder = fresh(tmp_path / "killed", kind)
        trace = applied(folder, "-e", f"inject={call}:signal=KILL:when={nth}")
        found = listed(folder)
        assert found in (before, after), (call, nth)
        seen["killed" * ("killed by SIGKILL" in trace) or "lived"] += 1
        seen["before" if found == before else "after"] += 1
        told = run(folder, "undo", "--dry-run").err
        if "step 1 (apply, " in told and ") was broken off" in told:
            says = "before" if "was broken off: nothing of it is changed" in told else "after"
            assert says == "before" or "was broken off when all was changed already: nwauth undo 1" in told, told
            assert found == (before if says == "before" else after), (call, nth, told)
        assert run(folder, "apply", f"{folder}/plan.ndjson").status == 0
        assert listed(folder) == after, (call, nth)
        shutil.rmtree(folder)
    assert seen["killed"] > 3
    assert min(seen["before"], seen["after"]) > 0


@needs_strace
@pytest.mark.parametrize("kind", ["ours", "shared", "sqlite"])
@pytest.mark.parametrize("fault", ["signal=INT", "signal=TERM", "error=ENOSPC"])
def test_an_interruption_or_a_full_disk_at_any_write_leaves_all_or_nothing_and_says_which(
    tmp_path: Path, kind: str, fault: str
) -> None:
    whole = fresh(tmp_path / "whole", kind)
    before = listed(whole)
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", applied(whole), re.MULTILINE))
    after = listed(whole)
    places = [(call, nth) for call, count in calls.items() for nth in range(1, count + 1)]
    seen = Counter[str]()
    for call, nth in places[:: 3 if IN_CI else 9]:
        folder = fresh(tmp_path / "broken-off", kind)
        _, done = traced(folder, "-e", f"inject={call}:{fault}:when={nth}")
        found = listed(folder)
        assert found in (before, after), (call, nth, done)
        assert done.returncode >= 0, (call, nth, done)  # what ends it is no signal
        if done.returncode in (75, 130):
            says = "before" if "nothing is changed" in done.stderr else "after"
            seen[says] += 1
            assert found == (before if says == "before" else after), (call, nth, done)
        assert run(folder, "apply", f"{folder}/plan.ndjson").status == 0
        assert listed(folder) == after, (call, nth)
        shutil.rmtree(folder)
    assert seen["before"] > 1


def test_whoever_is_overtaken_by_the_same_changes_of_another_says_that_it_has_changed_nothing(tmp_path: Path) -> None:
    """As where one plan is applied twice at once: the step is one, and so is what undo takes back."""
    folder = fresh(tmp_path / "users", "sqlite")
    done = len(os.listdir(f"{folder}/nwauth.undo"))
    plan = "".join(json.dumps({"name": f"user{number:02}@test.com", "quota": "9"}) + "\n" for number in range(3))
    Path(folder, "plan.ndjson").write_text(plan)
    command = [*COMMAND, "apply", f"{folder}/plan.ndjson"]
    with closing(sqlite3.connect(f"{folder}/users.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        process = subprocess.Popen(command, env=environment(NWAUTH_PATH=folder), stdout=-1, stderr=-1, text=True)
        wait_until(lambda: any('{"group"' in path.read_text() for path in Path(folder).glob("*/*.open")), "all is read")
        other.execute("UPDATE accounts SET info = 'quota=\"9\"' WHERE name_key < 'user03'")
        other.execute("COMMIT")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (75, ""), (out, err)
    assert err == "nwauth: 'user00@test.com' has been changed by others meanwhile: nothing is changed, run it again\n"
    assert len(os.listdir(f"{folder}/nwauth.undo")) == done
    assert run(folder, "apply", f"{folder}/plan.ndjson", "--summary").out.count('"unchanged": 3') == 1


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
def test_where_each_is_changed_by_itself_a_full_disk_says_how_many_were(tmp_path: Path) -> None:
    plan = tmp_path / "plan.ndjson"
    names = [f"user{number:03}@{domain}.com" for number in range(400) for domain in ("a", "b")]
    plan.write_text("".join(json.dumps({"name": name, "password_hash": FIELD}) + "\n" for name in names))
    for domain in ("a", "b"):
        (tmp_path / f"{domain}.com").mkdir(mode=0o700)
        (tmp_path / f"{domain}.com" / "passwd").touch(mode=0o600)
    with small_disk(tmp_path / "disk", kilobytes=96) as disk:
        settings = f'[[stores]]\nkind = "passwd"\npath = "{tmp_path}/{{domain}}/passwd"\nwritable = true\n'
        folder = base(str(disk), users=b"", settings=settings)
        for domain in ("a", "b"):
            os.utime(tmp_path / f"{domain}.com" / "passwd", (1, 1))
        done = run(folder, "apply", str(plan), "--keep-going", "--summary")
        there = sum(len(found.read_bytes().splitlines()) for found in tmp_path.glob("*.com/passwd"))
    assert 0 < there < len(names)
    assert done.status == 75
    assert f"{there} users are changed, if not some more: run it again for the others" in done.err, (there, done)
    assert "nothing is changed" not in done.err


def test_a_full_temporary_folder_is_told_of_and_nothing_is_changed(tmp_path: Path) -> None:
    folder = base(str(tmp_path), users=b"")
    plan = tmp_path / "plan.csv"
    rows = "".join(f"user{number}@test.com,{FIELD}\n" for number in range(60_000))  # more than memory takes of it
    plan.write_text(f"name,password_hash\n{rows}")
    with small_disk(tmp_path / "disk", kilobytes=512) as disk:
        broken = run(folder, "apply", str(plan), TMPDIR=str(disk))
        assert run(folder, "user", "list", "--format", "ndjson").out == ""
        assert run(folder, "apply", str(plan), "--quiet").status == 0
        taken_back = run(folder, "undo", "--yes", TMPDIR=str(disk))
        listed = run(folder, "export", "-o", str(tmp_path / "users.csv"), TMPDIR=str(disk))
    told = f"{disk}: no room to put the users aside: No space left on device"
    assert (broken.status, broken.err) == (75, f"nwauth: {told}; nothing is changed (make room there)\n")
    assert (taken_back.status, taken_back.err) == (75, f"nwauth: {told} (make room there)\n")
    assert (listed.status, listed.err, (tmp_path / "users.csv").exists()) == (
        *(75, f"nwauth: {told} (make room there)\n", False),
    )
    assert len(run(folder, "user", "list", "--format", "ndjson").out.splitlines()) == 60_000
