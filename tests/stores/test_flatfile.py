"""The contract, held by the flat files in each way that they can be served."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.stores.contract import ReadOnlyContract, WriteContract
from tests.stores.folders import ages_ago, base, many, opened, stat_only, watching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nwauth.model import User
    from nwauth.stores.base import Store
    from nwauth.stores.flatfile import FlatfileStore


def lines_of(users: Sequence[User]) -> bytes:
    rows = (f"{user.name}:{user.stored_password}:{user.info.text}\n" for user in users)
    return "".join(rows).encode("utf-8", "surrogateescape")


class InFolder:
    """The files lie in a folder that can be moved away."""

    def take_down(self, store: Store) -> None:
        path = store.folder.path  # type: ignore[attr-defined]
        os.rename(path, path + ".away")

    def bring_back(self, store: Store) -> None:
        path = store.folder.path  # type: ignore[attr-defined]
        os.rename(path + ".away", path)


class TestSharedFolder(InFolder, WriteContract):
    """`nwauth.txt` alone, as NWAuth leaves it, unsorted."""

    def new_store(self, folder: Path, users: Sequence[User]) -> FlatfileStore:
        return opened(base(folder / "users", lines_of(users)))


class TestSharedFolderWatchedByInotify(InFolder, WriteContract):
    def new_store(self, folder: Path, users: Sequence[User]) -> FlatfileStore:
        store = opened(base(folder / "users", lines_of(users)))
        store.lookup("nobody")
        return watching(store)


class TestOwnFolder(InFolder, WriteContract):
    """`shared = false`; half of the users are in the journal."""

    def new_store(self, folder: Path, users: Sequence[User]) -> FlatfileStore:
        half = len(users) // 2
        return opened(base(folder / "users", lines_of(users[:half]), lines_of(users[half:])), shared=False)


class TestJournalAlone(InFolder, WriteContract):
    def new_store(self, folder: Path, users: Sequence[User]) -> FlatfileStore:
        return stat_only(opened(base(folder / "users", None, lines_of(users)), shared=False))


class TestMergedFolder(InFolder, WriteContract):
    """After a merge: what was in the journal is in the sorted file."""

    def new_store(self, folder: Path, users: Sequence[User]) -> FlatfileStore:
        store = opened(base(folder / "users", b"", lines_of(users)))
        store.merge()
        return store


class TestReadOnlyFolder(InFolder, ReadOnlyContract):
    def new_store(self, folder: Path, users: Sequence[User]) -> FlatfileStore:
        half = len(users) // 2
        return opened(base(folder / "users", lines_of(users[:half]), lines_of(users[half:])), read_only=True)


def test_a_reader_notices_nothing_of_a_merge_but_the_time_stamps(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(50))
    store, reader = opened(folder), opened(folder)
    before = list(reader.search())
    store.merge()
    ages_ago(folder / "nwauth.txt")
    assert list(reader.search()) == before
    store.close()
    reader.close()
