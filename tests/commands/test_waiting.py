"""A command waits for files that another program has just written: nobody waits behind it, as the mail server does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Passing
from nwauth.model import Info, User
from nwauth.stores.memory import MemoryStore
from nwauth.stores.waiting import Waiting
from tests.commands.common import BOB, SETTINGS, base, run
from tests.faults.folders import Child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTLING = SETTINGS.replace("settle_seconds = 0.0", "settle_seconds = 0.5")
PASSWD = '[[stores]]\nkind = "passwd"\npath = "users"\nwritable = true\nsettle_seconds = 1.0\n'
HASH = "o1sn.ESNdvEfc"
PLAN = f'{{"name": "ann@test.com", "password_hash": "{HASH}"}}\n{{"name": "eve@test.com", "password_hash": "{HASH}"}}\n'
COMMANDS = {
    "user list": ("user", "list"),
    "user add": ("user", "add", "ann@test.com", "--hash", HASH),
    "search of nobody": ("user", "list", "nobody"),
    "apply": ("apply", "-", "--input", "ndjson"),
    "import": ("import", "-"),
    "merge": ("merge",),
    "export": ("export",),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_file_that_was_written_a_moment_ago_is_waited_for(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = base(str(tmp_path), settings=SETTLING)
    done = run(folder, *words, stdin=PLAN.encode())
    assert (done.status, "another program" in done.err) == (0, False), done


def test_a_serving_child_does_not_wait(tmp_path: Path) -> None:
    base(str(tmp_path), settings=SETTLING.replace("0.5", "60.0"))
    with Child(tmp_path) as child:
        assert child.ask("lookup nobody@test.com").startswith("-DEAD nwauth.txt is being written by another program")


def test_so_is_a_passwd_file(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(b"")
    folder = base(str(tmp_path), settings=PASSWD)
    assert run(folder, "user", "add", "ann", "--hash", HASH).status == 0


def test_who_is_there_is_not_waited_for(tmp_path: Path) -> None:
    folder = base(str(tmp_path), settings=SETTINGS.replace("settle_seconds = 0.0", "settle_seconds = 4.0"))
    written = time.time()
    assert run(folder, "user", "show", "bob@test.com").status == 0
    assert time.time() < written + 4


def test_while_it_is_written_line_by_line_it_is_waited_for_to_its_end(tmp_path: Path) -> None:
    folder = base(str(tmp_path), settings=SETTLING)

    def write() -> None:
        with (tmp_path / "nwauth.txt").open("ab", buffering=0) as file:
            for number in range(8):
                file.write(f"user{number}@test.com:{HASH}:\n".encode())
                time.sleep(0.1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = run(folder, "user", "list", "--format", "ndjson")
    finally:
        writer.join()
    assert done.status == 0, done
    assert len(done.records()) == 9


def test_a_last_line_without_an_end_takes_too_long(tmp_path: Path) -> None:
    folder = base(str(tmp_path), users=BOB + b"half", settings=SETTLING)
    done = run(folder, "user", "list")
    assert done.status == 75
    assert done.err == f"nwauth: {folder}: nwauth.txt is being written by another program, try again in 30 s\n"


# --- the store that waits --------------------------------------------------------------------------------------------


class Busy(MemoryStore):
    """A store that cannot tell so many times, and again once it has given out one user."""

    def __init__(self, times: int, *, breaks_off: bool = False) -> None:
        super().__init__([User(name=name, stored_password="", info=Info(), store="memory") for name in ("ann", "bob")])
        self.times = times
        self.breaks_off = breaks_off

    def lookup(self, name: str) -> User | None:
        self.asked()
        return super().lookup(name)

    def search(self, pattern: str = "") -> Iterator[User]:
        self.asked()
        for user in super().search(pattern):
            yield user
            if self.breaks_off:
                raise Passing("changed during the search")

    def asked(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise Passing("busy")


def test_it_asks_until_it_is_told() -> None:
    assert Waiting(Busy(3), seconds=60).lookup("nobody") is None


def test_its_seconds_are_those_of_all_questions_together() -> None:
    store = Busy(10**6)
    waiting = Waiting(store, seconds=0.3)
    with pytest.raises(Passing):
        waiting.lookup("ann")
    left = store.times
    with pytest.raises(Passing):
        waiting.lookup("ann")
    assert left - store.times == 1


def test_a_listing_waits_before_its_first_user_only() -> None:
    assert [user.name for user in Waiting(Busy(2), seconds=60).search()] == ["ann", "bob"]
    found = Waiting(Busy(2, breaks_off=True), seconds=60).search()
    assert next(found).name == "ann"
    with pytest.raises(Passing, match="changed during the search"):
        next(found)
