"""The stores that commands put around the store: one rehearses a change, one keeps what was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.commands.witness import Rehearsal, Witness
from nwauth.errors import NotSupported, Unavailable
from nwauth.stores.around import Around
from nwauth.stores.combined import Member, RoutedStore
from nwauth.stores.memory import MemoryStore
from tests.stores.contract import WriteContract, someone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from nwauth.model import User
    from nwauth.stores.base import Store


class TestWitness(WriteContract):
    """It does what the store does that it stands around."""

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        assert folder.is_dir()
        return Witness(MemoryStore(users))

    def take_down(self, store: Store) -> None:
        assert isinstance(store, Witness)
        assert isinstance(store.inner, MemoryStore)
        store.inner.down = "switched off"

    def bring_back(self, store: Store) -> None:
        assert isinstance(store, Witness)
        assert isinstance(store.inner, MemoryStore)
        store.inner.down = None


BOB, EVE = someone("bob").changed(store="memory"), someone("eve").changed(store="memory")
NEWER = BOB.changed(stored_password="*new")

CHANGES: list[Callable[[Store], object]] = [
    lambda store: store.put(someone("new")),
    lambda store: store.put(someone("BOB")),
    lambda store: store.put_all([someone("new"), someone("BOB"), someone("NEW"), someone("newer")]),
    lambda store: store.replace(BOB, NEWER),
    lambda store: store.replace(NEWER, BOB),
    lambda store: store.delete("BOB"),
    lambda store: store.delete("nobody"),
    lambda store: store.delete("bob", only=BOB),
    lambda store: store.delete("bob", only=NEWER),
    lambda store: store.delete("nobody", only=BOB),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_rehearsal_answers_as_the_store_would_and_changes_nothing(change: Callable[[Store], object]) -> None:
    real, rehearsed = MemoryStore([BOB, EVE]), MemoryStore([BOB, EVE])
    assert change(Rehearsal(rehearsed)) == change(real)
    Rehearsal(rehearsed).settle()
    assert list(rehearsed.search()) == [BOB, EVE]
    rehearsed.down = "away"
    with pytest.raises(Unavailable):
        change(Rehearsal(rehearsed))


def test_a_witness_keeps_what_was_done_and_nothing_else() -> None:
    witness = Witness(MemoryStore([BOB, EVE]))
    new, newer = someone("new"), someone("newer")
    assert not witness.put(BOB)
    assert witness.put_all([new, someone("EVE"), newer]) == [someone("EVE")]
    assert not witness.replace(NEWER, BOB)
    assert witness.replace(BOB, NEWER)
    assert not witness.delete("bob", only=BOB)
    assert witness.delete("bob", only=NEWER)
    assert witness.delete("eve")
    assert witness.changes == [(None, new), (None, newer), (BOB, NEWER), (NEWER, None), (EVE, None)]


def test_a_store_around_another_asks_it_everything() -> None:
    class Other(MemoryStore):
        def confirm(self, user: User) -> User | None:
            return user.changed(stored_password="*confirmed")

        def search(self, pattern: str = "") -> Iterator[User]:
            return (user for user in super().search() if pattern in user.name)

        def count(self) -> int | None:
            return 77

        def place(self) -> str:
            return "somewhere"

    around = Around(Other([BOB, EVE]))
    assert around.confirm(BOB) == BOB.changed(stored_password="*confirmed")
    assert list(around.search("ev")) == [EVE]
    assert around.count() == 77
    assert around.place() == "somewhere"


def test_what_a_command_sees_is_watched_by_the_same_witness() -> None:
    mail, logins = MemoryStore([BOB], name="mail"), MemoryStore([EVE], name="logins")
    routes = RoutedStore([Member(mail, match={"set": ()}), Member(logins, match={"lookup": ()})])
    witness = Witness(Rehearsal(routes))
    setting = witness.at("set")
    assert isinstance(setting, Witness)
    assert setting.lookup("bob") is None
    eve = setting.lookup("eve")
    assert eve is not None
    assert setting.replace(eve, eve.changed(stored_password="*new"))
    assert setting.taker("new") == "logins"
    assert witness.changes == [(eve, eve.changed(stored_password="*new"))]
    assert logins.lookup("eve") == eve
    assert witness.lookup("bob") is not None
    plain = Witness(MemoryStore())
    assert plain.at("set") is plain
    with pytest.raises(NotSupported):
        plain.migrate(BOB, BOB)
    bob = routes.lookup("bob")
    assert bob is not None
    assert Witness(routes).migrate(bob, bob.changed(store="logins"))
