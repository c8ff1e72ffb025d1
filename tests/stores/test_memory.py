from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.stores.memory import MemoryStore
from tests.stores.contract import WriteContract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nwauth.model import User
    from nwauth.stores.base import Store


class TestMemoryStore(WriteContract):
    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        assert folder.is_dir()
        return MemoryStore(users)

    def take_down(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.down = "switched off"

    def bring_back(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.down = None
