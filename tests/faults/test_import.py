"""``nwauth import`` that is interrupted: the users are as before or all there, and it says which."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import COMMAND, environment
from tests.faults.test_apply import FIELD, fresh, listed
from tests.faults.test_kill import needs_strace

if TYPE_CHECKING:
    from pathlib import Path

NEW = "".join(f"new{number:02}@test.com:{FIELD}\n" for number in range(30))
WORDS = {"before": "nothing is changed", "after": "all was changed already"}


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
        told = [name for name, words in WORDS.items() if words in done.stderr.decode()]
        assert told in ([], [state]), (call, nth, done.stderr)
        assert told or done.returncode != 130 or signal == "KILL", (call, nth, done.stderr)
        seen[state] += 1
        seen["told"] += len(told)
        shutil.rmtree(folder)
    assert min(seen["before"], seen["after"]) > 0, seen
    assert seen["told"] or signal == "KILL", seen
