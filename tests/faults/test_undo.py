"""A command that is killed, or whose disk is full, at every system call that writes: what was changed can be undone.

The store and the file that undo reads are two.  Whatever comes between them, the next command knows what became of the
change, the journal has a line for it if it was made, and undo gives the first users back.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import COMMAND, environment, run
from tests.faults.test_folder_and_disk import ROOT, small_disk, write_on
from tests.faults.test_kill import needs_strace
from tests.test_changes import content, journal, steps
from tests.test_undo import FIELD, fresh, stored, undo_list

if TYPE_CHECKING:
    from collections.abc import Callable

    State = list[tuple[str, ...]]

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "link", "unlink", "ftruncate", "mkdir")
ERRORS = {
    "write": "ENOSPC",
    "pwrite64": "ENOSPC",
    "fsync": "EIO",
    "fdatasync": "EIO",
    "rename": "EIO",
    "mkdir": "ENOSPC",
}
COMMANDS = {
    "set": ["user", "set", "bob@test.com", "quota=6"],
    "del": ["user", "del", "--yes", "bob@test.com", "carl"],
    "undo": ["undo"],
}


class Site:
    """A folder as it is before the command, as often as it is wanted."""

    def __init__(self, path: Path, kind: str, what: str) -> None:
        self.words = COMMANDS[what]
        self._model = path / "model"
        self._model.mkdir()
        fresh(self._model, kind)
        if kind == "sqlite":
            text = (self._model / "nwauth.toml").read_text()
            (self._model / "nwauth.toml").write_text(text.replace(f"{self._model}/users.db", "users.db"))
        self.first = stored(str(self._model))
        if what == "undo":
            assert run(str(self._model), *COMMANDS["set"]).status == 0
        if kind == "flatfile":
            os.utime(self._model / "nwauth.txt", (1, 1))
        self._path = path
        self._number = 0

    def again(self) -> str:
        self._number += 1
        folder = self._path / f"again{self._number}"
        shutil.copytree(self._model, folder)
        return str(folder)

    def traced(self, folder: str, *options: str) -> tuple[int, str, str]:
        """The exit status of the command, what it said, and the trace."""
        trace = f"{folder}.trace"
        strace = ["strace", "-f", "-o", trace, "-e", f"trace={','.join(CALLS)}", *options]
        done = subprocess.run(
            [*strace, *COMMAND, *self.words],
            env=environment(NWAUTH_PATH=folder, PYTHONDONTWRITEBYTECODE="1"),
            capture_output=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stderr.decode(), Path(trace).read_text(errors="replace")


def states(site: Site) -> tuple[list[State], list[tuple[str, int]]]:
    """What may stand in the store afterwards, and each call that the command makes."""
    folder = site.again()
    before = stored(folder)
    status, _, trace = site.traced(folder)
    assert status == 0
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE))
    after = stored(folder)
    assert after != before
    between = [user for user in before if user[0] != "bob@test.com"]  # of two who are deleted, one
    found = [before, after, between] if "del" in site.words else [before, after]
    return found, [(call, nth) for call, count in calls.items() for nth in range(1, count + 1)]


def must_be_whole(site: Site, folder: str, expected: list[State]) -> str:
    """The next command writes down what became of it, and undo gives the first users back; where it stood before."""
    found = stored(folder)
    assert found in expected
    done = run(folder, "user", "add", "zoe", "--hash", FIELD, "--quiet")
    assert (done.status, done.err) == (0, "")
    assert "unfinished" not in {state for _, _, state in undo_list(folder)}
    command = " ".join(site.words[:2]) if site.words[0] == "user" else site.words[0]
    told = {line["user"] for line in journal(folder) if line["command"] == command}
    assert bool(told) is (found != expected[0])
    assert {line["step"] for line in journal(folder)} <= {step for step, _, _ in undo_list(folder)}
    while any(state == "done" and name != "undo" for _, name, state in undo_list(folder)):
        done = run(folder, "undo")
        assert done.status == 0, done
    assert stored(folder) == site.first
    return "before" if found == expected[0] else "after"


def swept(site: Site, fault: Callable[[str, int], str | None]) -> Counter[str]:
    """Each call with its fault; a sample of them."""
    expected, calls = states(site)
    seen = Counter[str]()
    for call, nth in calls[::4]:
        option = fault(call, nth)
        if option is None:
            continue
        folder = site.again()
        status, err, _ = site.traced(folder, "-e", option)
        if "nothing is changed unless" in err:
            assert status == 75
            assert stored(folder) in (expected[0], *expected[2:]), (call, nth)  # of two, the first was
            seen["refused"] += 1
        try:
            seen[must_be_whole(site, folder, expected)] += 1
        except AssertionError as error:
            raise AssertionError(f"{call} {nth}: {status} {err!r}") from error
        shutil.rmtree(folder)
    return seen


@needs_strace
@pytest.mark.parametrize("what", COMMANDS)
@pytest.mark.parametrize("kind", ["flatfile", "sqlite"])
def test_a_kill_at_any_write_leaves_what_undo_and_the_journal_agree_on(tmp_path: Path, kind: str, what: str) -> None:
    seen = swept(Site(tmp_path, kind, what), lambda call, nth: f"inject={call}:signal=KILL:when={nth}")
    assert min(seen["before"], seen["after"]) > 0


@needs_strace
@pytest.mark.parametrize("what", COMMANDS)
def test_a_disk_that_is_full_at_any_write_leaves_what_undo_and_the_journal_agree_on(tmp_path: Path, what: str) -> None:
    def fault(call: str, nth: int) -> str | None:
        return f"inject={call}:error={ERRORS[call]}:when={nth}" if call in ERRORS else None

    seen = swept(Site(tmp_path, "sqlite", what), fault)
    assert seen["refused"] > 0
    assert min(seen["before"], seen["after"]) > 0


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
def test_on_a_full_disk_nothing_is_changed_in_a_database_elsewhere_either(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=256) as disk:
        (disk / "users").mkdir()
        folder = fresh(disk / "users")
        (tmp_path / "elsewhere").mkdir()
        url = f"sqlite:///{tmp_path}/elsewhere/users.db"
        assert run(folder, "copy", "--from", "flatfile", "--to", url, "--make").status == 0
        (disk / "users" / "nwauth.toml").write_text(f'[[stores]]\nkind = "sql"\nurl = "{url}"\n')
        assert run(folder, "user", "set", "carl", "quota=6").status == 0
        before = stored(folder)
        with (disk / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError, match="No space"):
            write_on(fill, 512)
        done = run(folder, "user", "set", "carl", "quota=7")
        assert (done.status, done.out) == (75, "")
        assert done.err.startswith("nwauth: nothing is changed unless it is written down first: cannot write ")
        assert done.err.endswith(": No space left on device (make room there)\n")
        assert stored(folder) == before
        (disk / "fill").unlink()
        assert run(folder, "user", "set", "carl", "quota=7").status == 0
        assert run(folder, "undo").status == 0
        assert stored(folder) == before


def test_a_step_whose_store_cannot_tell_is_left_to_a_later_command(tmp_path: Path) -> None:
    """Its command was killed when the store had been asked, and the store is down now."""
    folder = fresh(tmp_path, "sqlite")
    assert run(folder, "user", "set", "bob@test.com", "quota=6").status == 0
    text = content(folder, "nwauth.undo/00000001")
    os.unlink(f"{folder}/nwauth.undo/00000001")
    Path(folder, "nwauth.undo", "00000001.open").write_text(text.partition('{"made"')[0])
    os.rename(f"{folder}/users.db", f"{folder}/gone.db")
    found = run(folder, "undo")
    assert (found.status, found.out) == (75, "")
    assert "step 1 (user set) was broken off, and cannot be finished now: " in found.err
    assert "users.db" in found.err
    assert steps(folder) == ["00000001.open"]
    os.rename(f"{folder}/gone.db", f"{folder}/users.db")
    assert run(folder, "undo").status == 0
    assert steps(folder) == ["00000001", "00000002"]
    assert [(line["step"], line["command"]) for line in journal(folder)] == [
        (1, "user set"), (1, "user set"), (2, "undo"),
    ]  # fmt: skip


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
def test_a_journal_on_a_full_disk_is_named_by_undo_and_the_store_is_not_blamed(tmp_path: Path) -> None:
    """The change is made; only its line is not written, and undo, which has to write it first, says so."""
    with small_disk(tmp_path / "disk", kilobytes=256) as disk:
        (disk / "users").mkdir()
        folder = fresh(disk / "users")
        before = stored(folder)
        assert run(folder, "user", "set", "carl", "quota=6").status == 0
        os.rename(f"{folder}/nwauth.undo/00000001", f"{folder}/nwauth.undo/00000001.open")
        step = Path(folder, "nwauth.undo", "00000001.open")
        step.write_text(step.read_text().partition('{"told"')[0])
        Path(folder, "nwauth.changes").write_bytes(b"")
        with (disk / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError, match="No space"):
            write_on(fill, 512)
        found = run(folder, "undo")
        assert (found.status, found.out) == (75, "")
        assert f"cannot be finished now: cannot write {folder}/nwauth.changes: No space left on device" in found.err
        (disk / "fill").unlink()
        assert run(folder, "undo").status == 0
        assert stored(folder) == before
