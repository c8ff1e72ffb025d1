"""``nwauth import`` that is interrupted: the users are as before or all there, and it says which."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import nwauth.commands
from tests.commands.common import COMMAND, environment
from tests.faults.test_apply import FIELD, fresh, listed
from tests.faults.test_kill import needs_strace

if TYPE_CHECKING:
    from pathlib import Path

NEW = "".join(f"new{number:02}@test.com:{FIELD}\n" for number in range(30))
WORDS = {"nwauth: interrupted: nothing is changed": "before", "note: interrupted, and all was changed already": "after"}


def imported(folder: str, call: str, nth: int, signal: str) -> subprocess.CompletedProcess[bytes]:
    """Import under strace, the signal coming at that system call."""
    strace = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal={signal}:when={nth}"]
    return subprocess.run(
        [*strace, *COMMAND, "import", f"{folder}/new", "--from", "htpasswd"],
        env=environment(NWAUTH_PATH=folder),
        capture_output=True,
        check=False,
        timeout=60,
    )


@needs_strace
@pytest.mark.parametrize("kind", ["ours", "sqlite"])
@pytest.mark.parametrize("signal", ["INT", "TERM", "HUP", "KILL"])
def test_an_import_that_is_interrupted_is_done_as_a_whole_or_not_at_all_and_says_which(
    tmp_path: Path, kind: str, signal: str
) -> None:
    seen = Counter[str]()
    for call, nth in [("fsync", 1), ("fsync", 2), ("fsync", 3), ("rename", 1), ("fdatasync", 1), ("fdatasync", 3)]:
        folder = fresh(tmp_path / "base", kind)
        with open(f"{folder}/new", "w", encoding="ascii") as file:
            file.write(NEW)
        before = listed(folder)
        done = imported(folder, call, nth, signal)
        found = listed(folder)
        assert len(found) - len(before) in (0, 30), (call, nth)
        state = "before" if found == before else "after"
        told = [WORDS[line] for line in done.stderr.decode().splitlines() if line in WORDS]
        assert told in ([], [state]), (call, nth, done.stderr)
        assert told or done.returncode != 130 or signal == "KILL", (call, nth, done.stderr)
        seen[state] += 1
        seen["told"] += len(told)
        shutil.rmtree(folder)
    assert min(seen["before"], seen["after"]) > 0, seen
    assert seen["told"] or signal == "KILL", seen


def interrupted_at(folder: str, path: str, call: str) -> subprocess.CompletedProcess[str]:
    """Import into `folder`/out; Ctrl-C at the first such system call that has to do with a path."""
    strace = ["strace", "-f", "-o", "/dev/null", "-P", path, "-e", f"inject={call}:signal=INT:when=1"]
    with open(f"{folder}/out", "wb") as out:
        return subprocess.run(
            [*strace, *COMMAND, "import", f"{folder}/new", "--from", "htpasswd"],
            env=environment(NWAUTH_PATH=folder),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )


@needs_strace
@pytest.mark.parametrize("place", [f"{nwauth.commands.__path__[0]}/importing.py", "nwauth.toml", "new"])
def test_an_early_interruption_says_that_nothing_is_changed(tmp_path: Path, place: str) -> None:
    folder = fresh(tmp_path / "base", "ours")
    (tmp_path / "base" / "new").write_text(NEW)
    done = interrupted_at(folder, os.path.join(folder, place), "all")
    assert (done.returncode, (tmp_path / "base" / "out").read_text()) == (130, "")
    assert done.stderr.splitlines()[-1:] == ["nwauth: interrupted: nothing is changed"]


@needs_strace
def test_an_interruption_while_the_record_is_printed_says_that_all_is_changed(tmp_path: Path) -> None:
    folder = fresh(tmp_path / "base", "ours")
    (tmp_path / "base" / "new").write_text(NEW)
    done = interrupted_at(folder, f"{folder}/out", "write")
    assert (done.returncode, json.loads((tmp_path / "base" / "out").read_text())["created"]) == (130, 30)
    assert done.stderr.splitlines()[-1:] == ["note: interrupted, and all was changed already"]
