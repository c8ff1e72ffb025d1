"""A listing streams: its memory does not grow with the number of users (spec/protocol.md section 3, "search")."""

from __future__ import annotations

import os
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from tests.stores.folders import ages_ago, base, line, many, opened

if TYPE_CHECKING:
    from pathlib import Path

USERS = 100_000


def peak_bytes_of_listing(folder: Path, *, users: int, read_only: bool = False) -> int:
    store = opened(folder, read_only=read_only)
    store.lookup("nobody")
    tracemalloc.start()
    try:
        count, last = 0, ""
        for user in store.search():
            assert user.name > last
            last = user.name
            count += 1
        assert count == users
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        store.close()


def test_a_sorted_file_is_listed_in_flat_memory(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", b"")
    (folder / "nwauth.add").write_bytes(many(USERS))
    store = opened(folder)
    store.merge()
    store.close()
    assert peak_bytes_of_listing(folder, users=USERS) < 8 << 20


def test_an_unsorted_file_is_listed_in_memory_that_does_not_grow_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An external sort in a temporary file is allowed; here its pieces are small, to have many of them."""
    from nwauth.stores.textfile import ordered

    monkeypatch.setattr(ordered, "RUN_BYTES", 1 << 20)
    rows = many(USERS).splitlines(keepends=True)
    random.Random(1).shuffle(rows)
    folder = base(tmp_path / "users", b"".join(rows))
    fds = len(os.listdir("/proc/self/fd"))
    assert peak_bytes_of_listing(folder, users=USERS) < 24 << 20
    assert not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")]
    assert len(os.listdir("/proc/self/fd")) == fds
    assert peak_bytes_of_listing(folder, users=USERS, read_only=True) < 24 << 20


def test_a_listing_that_is_left_gives_its_descriptors_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nwauth.stores.textfile import ordered

    monkeypatch.setattr(ordered, "RUN_BYTES", 1 << 16)
    folder = base(tmp_path / "users", many(5000) + line("alice"))
    store = opened(folder)
    store.lookup("nobody")
    fds = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        listing = store.search()
        next(listing)
        listing.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == fds
    store.close()


def test_a_file_that_is_rewritten_in_place_during_a_listing_is_told(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(5000))
    store = opened(folder)
    listing = store.search()
    next(listing)
    (folder / "nwauth.txt").write_bytes(many(10))
    ages_ago(folder / "nwauth.txt", 60)
    with pytest.raises(Unavailable):
        list(listing)
    store.close()


def test_an_unsettled_file_is_not_listed_at_all(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(10))
    (folder / "nwauth.txt").write_bytes(many(10))
    store = opened(folder)
    with pytest.raises(Unavailable):
        next(iter(store.search()))
    store.close()
