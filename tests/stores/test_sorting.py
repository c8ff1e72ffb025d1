"""Users are put into order in memory, or by way of files."""

from __future__ import annotations

import gc
import tempfile
import tracemalloc
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.model import Info, User
from nwauth.names import fold
from nwauth.stores.sorting import in_order

if TYPE_CHECKING:
    from pathlib import Path


def person(name: str, *, number: int = 0) -> User:
    info = Info(f'n="{number}"')
    return User(name=name, stored_password="!", info=info, drop_path="/m", uid="7", store="here", ip_mask="10.*")


NAMES = ["bob", "Ann", "carl", "BOB", "b\udce9b", "jürgen", "Zoe", "zoe2", "x\ny"]


@pytest.mark.parametrize("run_users", [1, 2, 4, len(NAMES), 100])
def test_users_come_by_folded_name_whole_and_the_later_of_equals_later(run_users: int) -> None:
    users = [person(name, number=number) for number, name in enumerate(NAMES)]
    found = list(in_order(users, run_users=run_users))
    assert found == sorted(users, key=lambda user: fold(user.name))
    assert [user.name for user in found if fold(user.name) == "bob"] == ["bob", "BOB"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_users_are_put_into_order_too(count: int) -> None:
    users = [person(name) for name in NAMES[:count]]
    assert sorted(user.name for user in in_order(users, run_users=3)) == sorted(NAMES[:count])


@pytest.mark.parametrize("told_after", [0, 1, 5])
def test_a_source_that_fails_is_never_taken_for_a_shorter_one(told_after: int) -> None:
    def source() -> object:
        for name in NAMES[:told_after]:
            yield person(name)
        raise Unavailable("the directory went away")

    with pytest.raises(Unavailable, match="went away"):
        list(in_order(source(), run_users=2))  # type: ignore[arg-type]


def test_memory_does_not_grow_with_the_number_of_users() -> None:
    def peak(count: int) -> int:
        random = Random(1)
        gc.collect()
        tracemalloc.start()
        for _ in in_order((person(f"user{random.random()}") for _ in range(count)), run_users=500):
            pass
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    assert peak(10_000) < 2 * peak(1_500)


def test_who_stops_early_leaves_nothing_open() -> None:
    given = in_order((person(name) for name in NAMES), run_users=2)
    assert len(list(islice(given, 3))) == 3
    given.close()  # type: ignore[attr-defined]


def test_no_room_for_the_files_is_no_shorter_listing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(Unavailable, match="no room to sort the users in: No such file or directory"):
        list(in_order((person(name) for name in NAMES), run_users=2))
    assert len(list(in_order((person(name) for name in NAMES), run_users=100))) == len(NAMES)
