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

from nwauth.changes.history import History
from nwauth.changes.steps import Steps
from nwauth.commands.group import run_command
from tests.commands.common import COMMAND, SETTINGS, base, environment, run
from tests.faults.test_folder_and_disk import ROOT, small_disk, write_on
from tests.faults.test_kill import needs_strace
from tests.test_changes import content, journal, steps
from tests.test_undo import FIELD, fresh, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    State = list[tuple[str, ...]]

CALLS = (
    *("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "mkdir"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
)
ERRORS = {
    "write": "ENOSPC",
    "pwrite64": "ENOSPC",
    "fsync": "EIO",
    "fdatasync": "EIO",
    "rename": "EIO",
    "renameat": "EIO",
    "mkdir": "ENOSPC",
}
COMMANDS = {
    "set": ["user", "set", "bob@test.com", "quota=6"],
    "del": ["user", "del", "--yes", "bob@test.com", "carl"],
    "undo": ["undo"],
}
# Stores that change one user after the other: files of a domain each; and several stores.
DOMAINS = (
    '[[stores]]\nname = "domains"\nkind = "passwd"\npath = "domains/{domain}"\nwritable = true\nsettle_seconds = 0\n'
)
DATABASE = '[[stores]]\nname = "sql"\nkind = "sql"\nurl = "sqlite:///users.db"\nmatch = "*@c.test"\n'
ONE_BY_ONE = {
    "passwd": (DOMAINS, ["bob@a.test", "carl@b.test"]),
    "routes": (
        DOMAINS + 'match = ["*@a.test", "*@b.test"]\n' + DATABASE + SETTINGS,
        ["bob@a.test", "eve@c.test", "flat"],
    ),
}


def several(path: Path, kind: str) -> None:
    """A folder with users in several files, or several stores."""
    settings, names = ONE_BY_ONE[kind]
    base(str(path), users=f"flat:{FIELD}:\nother:{FIELD}:\n".encode(), settings=settings)
    (path / "domains").mkdir()
    for domain in ("a.test", "b.test"):
        users = path / "domains" / domain
        users.write_text(f"# {domain}\nbob:{FIELD}:1001::::\ncarl:{FIELD}:1002::::quota=5\ndan:{FIELD}:1003::::\n")
        os.utime(users, (1, 1))
    if "eve@c.test" in names:
        assert run(str(path), "init", "--quiet").status == 0
        assert run(str(path), "user", "add", "eve@c.test", "--hash", FIELD).status == 0
        for name in ("nwauth.undo", "nwauth.changes"):
            subprocess.run(["rm", "-r", str(path / name)], check=True)


class Site:
    """A folder as it is before the command, as often as it is wanted."""

    def __init__(self, path: Path, kind: str, what: str) -> None:
        self.words = COMMANDS[what]
        before = COMMANDS["set"]
        self._model = path / "model"
        self._model.mkdir()
        if kind in ONE_BY_ONE:
            several(self._model, kind)
            before = [*COMMANDS["del"][:3], *ONE_BY_ONE[kind][1]]
            self.words = before if what == "del" else self.words
        else:
            fresh(self._model, kind)
        if kind == "sqlite":
            text = (self._model / "nwauth.toml").read_text()
            (self._model / "nwauth.toml").write_text(text.replace(f"{self._model}/users.db", "users.db"))
        self.first = stored(str(self._model))
        if what == "undo":
            assert run(str(self._model), *before).status == 0
        if (self._model / "nwauth.txt").exists():
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


def states(site: Site) -> tuple[State, State, list[tuple[str, int]]]:
    """What stands in the store before and afterwards, and each call that the command makes."""
    folder = site.again()
    before = stored(folder)
    status, _, trace = site.traced(folder)
    assert status == 0
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE))
    after = stored(folder)
    assert after != before
    return before, after, [(call, nth) for call, count in calls.items() for nth in range(1, count + 1)]


def differing(one: State, other: State) -> set[str]:
    """Whoever is in one alone, or otherwise in the other."""
    return {user[0] for user in set(one) ^ set(other)}


def must_be_whole(site: Site, folder: str, before: State, after: State) -> str:
    """The next command writes down what became of it, and undo gives the first users back; where it stood before."""
    found = stored(folder)
    assert set(found) <= {*before, *after}
    changed = differing(found, before)
    assert changed.isdisjoint(differing(found, after))
    done = run(folder, "user", "add", "zoe@a.test", "--hash", FIELD, "--quiet")
    assert done.status == 0
    if done.err:  # it was left open
        assert re.match(r"note: step \d+ \(.+\) was broken off", done.err)
        assert done.err.endswith(": nothing of it is changed\n") == (not changed)
    assert "unfinished" not in {state for _, _, state in listed(folder)}
    command = " ".join(site.words[:2]) if site.words[0] == "user" else site.words[0]
    assert {line["user"] for line in journal(folder) if line["command"] == command} == changed
    assert {line["step"] for line in journal(folder)} <= {step for step, _, _ in listed(folder)}
    while any(state == "done" and name != "undo" for _, name, state in listed(folder)):
        assert run_command(["--path", folder, "--quiet", "undo"]) == 0
    assert differing(stored(folder), site.first) == set()
    return "before" if found == before else "after" if found == after else "between"


def listed(folder: str) -> list[tuple[int, str, str]]:
    """What `undo --list` tells."""
    history = History(Steps(folder).summaries())
    return [(step.number, step.head["command"], history.state(step)) for step in history.steps.values()]


def swept(site: Site, fault: Callable[[str, int], str | None], *, every: int = 4) -> Counter[str]:
    """Each call with its fault; a sample of them."""
    before, after, calls = states(site)
    seen = Counter[str]()
    for call, nth in calls[::every]:
        option = fault(call, nth)
        if option is None:
            continue
        folder = site.again()
        status, err, _ = site.traced(folder, "-e", option)
        if "nothing is changed unless" in err:
            assert status == 75
            assert stored(folder) != after, (call, nth)  # of two, the first may be
            seen["refused"] += 1
        try:
            seen[must_be_whole(site, folder, before, after)] += 1
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
@pytest.mark.parametrize("what", ["del", "undo"])
@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_a_kill_between_two_users_leaves_what_undo_and_the_journal_agree_on(
    tmp_path: Path, kind: str, what: str
) -> None:
    seen = swept(Site(tmp_path, kind, what), lambda call, nth: f"inject={call}:signal=KILL:when={nth}", every=5)
    assert seen["between"] > 0


@needs_strace
def test_who_is_moved_back_to_another_file_is_in_both_rather_than_in_none(tmp_path: Path) -> None:
    site = Site(tmp_path, "passwd", "undo")
    folder = site.again()
    assert run(folder, "user", "rename", "dan@a.test", "adam@b.test").status == 0
    site.traced(folder, "-e", "inject=renameat:signal=KILL:when=2")
    names = {user[0] for user in stored(folder)}
    assert {"dan@a.test", "adam@b.test"} <= names
    assert run(folder, "undo", "--last", "2").status == 0
    assert differing(stored(folder), site.first) == set()


@needs_strace
@pytest.mark.parametrize("what", COMMANDS)
def test_a_disk_that_is_full_at_any_write_leaves_what_undo_and_the_journal_agree_on(tmp_path: Path, what: str) -> None:
    def fault(call: str, nth: int) -> str | None:
        return f"inject={call}:error={ERRORS[call]}:when={nth}" if call in ERRORS else None

    seen = swept(Site(tmp_path, "sqlite", what), fault)
    assert seen["refused"] > 0
    assert min(seen["before"], seen["after"]) > 0


@needs_strace
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("pwrite64:error=ENOSPC:when=1", "step 1 stands as it did, and nwauth undo 1 tries it again: nothing is"),
        ("renameat:error=ENOSPC:when=2", "1 of 2 changes are made, and nwauth undo 1 goes on: cannot write "),
    ],
)
def test_an_undo_that_is_stopped_says_what_stands_and_its_number(tmp_path: Path, fault: str, said: str) -> None:
    """Undo without a number may take back another step by then."""
    site = Site(tmp_path, "passwd", "undo")
    folder = site.again()
    status, err, _ = site.traced(folder, "-e", f"inject={fault}")
    assert (status, err.startswith(f"nwauth: {said}")) == (75, True), err
    assert err.endswith(": No space left on device (make room there)\n")
    assert run(folder, "undo", "1").status == 0
    assert differing(stored(folder), site.first) == set()


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
