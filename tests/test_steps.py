"""The file of a step: whatever is held of users comes back from it as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nwauth.changes.reading import Reading
from nwauth.changes.steps import Steps
from nwauth.changes.writing import Writing
from nwauth.stores.changes import NewUsers

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.stores.base import Held
    from nwauth.stores.changes import Block, HeldChange


def user(name: str, info: str = 'quota="1"') -> Held:
    return name, "ab1234567890c", "config", "0", "", info


ANNA, BOB = user("Anna@test.com"), user("bob@test.com")


def written(path: Path, changes: Block) -> bytes:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    step = Writing(fd, str(path), 1)
    step.head({"nwauth_undo": 1, "time": "2026-11-23T00:00:00+00:00", "command": "apply"})
    step.group(store="flatfile", place="here", whole=True)
    step.add(changes)
    step.ready()
    step.close()
    return path.read_bytes()


def read(path: Path) -> list[HeldChange]:
    reading = Reading(os.open(path, os.O_RDONLY), str(path))
    reading.scan()
    found = list(reading.planned(reading.groups[0]))
    reading.close()
    return found


@pytest.mark.parametrize(
    "changes",
    [
        [(None, ANNA)],
        [(None, ANNA), (None, BOB)],
        [(None, user("Zoë@test.com")), (None, user("a\udcffb", 'full_name="\\"'))],
        [(None, ANNA), (BOB, None)],
        [(ANNA, BOB), (None, ANNA)],
        [(None, user("tab", "a\tb")), (None, BOB)],
        [(None, user("line", "a\nb")), (None, BOB)],
        [(None, user("both", "a\t\t\t\t\t\n\t\t\t\t\tb"))],
        [(None, user("", ""))],
    ],
)
def test_changes_are_read_as_they_were_written(tmp_path: Path, changes: list[HeldChange]) -> None:
    written(tmp_path / "step", changes)
    assert read(tmp_path / "step") == changes


def test_new_users_are_one_text(tmp_path: Path) -> None:
    assert b'\n["Anna@test.com\\tab1234567890c\\t' in written(tmp_path / "step", NewUsers.of([ANNA, BOB]))


@pytest.mark.parametrize("users", [[ANNA, BOB], [user("Zoë@test.com"), user("a\udcffb")], [user("tab", "a\tb"), BOB]])
def test_new_users_are_read_as_they_were_written(tmp_path: Path, users: list[Held]) -> None:
    written(tmp_path / "step", NewUsers.of(users))
    assert read(tmp_path / "step") == list(NewUsers.of(users))


def test_users_of_whom_one_was_there_are_pairs(tmp_path: Path) -> None:
    assert b'\n[[null,["Anna@test.com",' in written(tmp_path / "step", [(None, ANNA), (BOB, None)])


def test_a_step_gets_its_name_when_all_of_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut a whole name would promise an end that is not there."""
    steps, sync, rename, durable = Steps(str(tmp_path)), os.fsync, os.rename, dict[int, int]()

    def synced(fd: int) -> None:
        sync(fd)
        durable[os.fstat(fd).st_ino] = os.fstat(fd).st_size

    def renamed(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        status = os.stat(old, dir_fd=src_dir_fd)
        assert durable[status.st_ino] == status.st_size
        rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    step = steps.begin(lambda _steps, _at: None)
    step.head({"nwauth_undo": 1, "time": "2026-11-23T00:00:00+00:00", "command": "apply"})
    step.group(store="flatfile", place="here", whole=True)
    step.add([(None, ANNA)])
    step.ready()
    step.made(but=[])
    steps.finish(step, keep=True)
    step.close()
    assert [one.name for one in steps.summaries()] == ["00000001"]
