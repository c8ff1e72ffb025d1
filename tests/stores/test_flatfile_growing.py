"""The index of a user file that is being written: a helper makes it, and where it cannot, it is made as well."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

import pytest

from nwauth.stores.flatfile.lines import fits
from nwauth.stores.textfile import files, growing, helper
from nwauth.stores.textfile.growing import Growing
from nwauth.stores.textfile.index import build
from tests.stores.folders import base, line, many, opened, password_of, ssha, until

if TYPE_CHECKING:
    from pathlib import Path

USERS = 1600
ODD = b"# a comment\n\nno user\n" + "Ärger@example.com:x:\n".encode()


class Making:
    """A user file that is written a block at a time, and its index; how many files it was made on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = os.open(path / "users", os.O_RDWR | os.O_CREAT, 0o600)
        self.made = 0
        self.growing = Growing(self.source, self._create, fits)
        self.size = 0

    def _create(self) -> int:
        self.made += 1
        return os.open(self.path / f"index{self.made}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, data: bytes) -> None:
        files.write_all(self.source, data)
        self.size += len(data)
        self.growing.written(self.size)

    def write_many(self) -> None:
        rows = many(USERS).splitlines(keepends=True)
        for at in range(0, USERS, 100):
            self.write(b"".join(rows[at : at + 100]))

    def end(self) -> bytes:
        """The index."""
        os.fsync(self.source)
        self.growing.end(self.size)
        self.growing.close()
        return (self.path / f"index{self.made}").read_bytes()

    def expected(self) -> bytes:
        target = os.open(self.path / "expected", os.O_RDWR | os.O_CREAT, 0o600)
        build(self.source, files.identity_of(os.fstat(self.source)), target, fits)
        os.close(target)
        return (self.path / "expected").read_bytes()


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Making:
    monkeypatch.setattr(growing, "STEP_BYTES", 10_000)
    return Making(tmp_path)


def test_the_helpers_index_is_that_of_the_file(made: Making) -> None:
    made.write_many()
    made.write(ODD)  # less than a step: it is told of at the end
    assert made.end() == made.expected()
    assert made.made == 1


def test_what_is_out_of_order_is_found_by_the_helper_too(made: Making) -> None:
    made.write_many()
    made.write(ODD)
    made.write_many()
    assert made.end() == made.expected()
    assert made.made == 1


def test_a_file_of_less_than_a_step_has_no_helper(made: Making) -> None:
    made.write(many(50))
    assert made.made == 0
    assert made.end() == made.expected()


def test_without_its_helper_the_index_is_made_at_the_end(made: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "_follow", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    made.write_many()
    assert made.end() == made.expected()
    assert made.made == 2


def test_where_no_process_is_to_be_had_the_index_is_made_at_the_end(
    made: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object, **__: object) -> NoReturn:
        raise BlockingIOError

    monkeypatch.setattr(helper, "start", none_left)
    descriptors = len(os.listdir("/proc/self/fd"))
    made.write_many()
    assert made.end() == made.expected()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_the_helper_of_a_work_that_breaks_off_ends(made: Making) -> None:
    made.write_many()
    assert open_elsewhere(made)
    made.growing.close()
    assert until(lambda: not open_elsewhere(made))
    assert (made.path / "index1").read_bytes() == b""


def test_a_merge_leaves_the_helpers_index_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "STEP_BYTES", 10_000)
    monkeypatch.setattr(growing, "build", None)  # nobody but the helper makes one
    folder = base(tmp_path / "users", many(USERS), add=line("zoe@example.com", "other"))
    opened(folder).merge()
    store = opened(folder)
    assert password_of(store, "zoe@example.com") == ssha("other")
    assert password_of(store, "user0000500@example.com") == ssha("secret")
    file = store._view.file
    assert file is not None
    assert file.index is not None


def open_elsewhere(made: Making) -> bool:
    """Whether another process has the index in the making open."""
    wanted = os.stat(made.path / "index1")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found = [os.stat(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if any(os.path.samestat(one, wanted) for one in found):
            return True
    return False
