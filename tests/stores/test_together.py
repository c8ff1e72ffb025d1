"""Many changes as one (`Store.change_all`): all of them or none, also while others write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.stores.memory import MemoryStore
from nwauth.stores.sql import SqlStore
from tests.stores.folders import line, opened, ssha
from tests.stores.passwd_files import opened as passwd
from tests.stores.passwd_files import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nwauth.stores.base import Change, Store
    from nwauth.stores.passwd import PasswdStore

FIELD = ssha("secret")


def user(name: str, info: str = "", *, store: str) -> User:
    return User(name=name, stored_password=FIELD, info=Info(info), store=store)


@pytest.fixture(params=["flatfile", "shared", "sqlite", "passwd", "shadow"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with ann, bob and carl."""
    made: Store
    if request.param == "sqlite":
        made = SqlStore(f"sqlite:///{tmp_path}/users.db")
        made.make()
    elif request.param in ("passwd", "shadow"):
        settled(tmp_path / "users", b"# users\n")
        shadow = settled(tmp_path / "secrets", b"") if request.param == "shadow" else None
        made = passwd(tmp_path / "users", shadow=shadow, settle_seconds=0.0)
    else:
        (tmp_path / "nwauth.txt").write_bytes(b"")
        os.utime(tmp_path / "nwauth.txt", (1, 1))
        made = opened(tmp_path, shared=request.param == "shared")
    made.put_all([user(name, store=made.name) for name in ("ann", "bob", "carl")])
    yield made
    made.close()


def held(store: Store) -> list[tuple[str, str]]:
    return [(one.name, one.info.text) for one in store.search()]


def there(store: Store, name: str) -> User:
    found = store.lookup(name)
    assert found is not None
    return found


class Meddling:
    """Changes; while they are gone through for the first time somebody else does something."""

    def __init__(self, changes: list[Change], meddle: Callable[[], object]) -> None:
        self._changes = changes
        self._meddle: Callable[[], object] | None = meddle

    def __iter__(self) -> Iterator[Change]:
        meddle, self._meddle = self._meddle, None
        if meddle is not None:
            meddle()
        yield from self._changes


def changes_in(store: Store) -> list[Change]:
    bob = there(store, "bob")
    return [
        (None, user("abe", store=store.name)),
        (there(store, "ann"), None),
        (bob, bob.changed(info=Info('quota="5"'))),
        (None, user("zoe", store=store.name)),
    ]


AFTER = [("abe", ""), ("bob", 'quota="5"'), ("carl", ""), ("zoe", "")]


def test_users_are_added_changed_and_removed_as_one(store: Store) -> None:
    store.change_all(changes_in(store))
    assert held(store) == AFTER
    assert (store.lookup("ann"), there(store, "BOB").info.get("quota")) == (None, "5")


def test_changes_that_are_none_change_nothing(store: Store) -> None:
    store.change_all([])
    assert [name for name, _ in held(store)] == ["ann", "bob", "carl"]


@pytest.mark.parametrize("name", ["bob", "ann", "zoe"])
def test_nothing_is_changed_where_one_of_them_is_not_as_given(store: Store, name: str) -> None:
    changes = changes_in(store)
    found = store.lookup(name)
    if found is None:
        store.put(user(name, "mine", store=store.name))
    else:
        store.replace(found, found.changed(info=Info("mine")))
    before = held(store)
    with pytest.raises(Unavailable, match=f"'{name}' has been changed by others meanwhile: nothing is changed"):
        store.change_all(changes)
    assert held(store) == before


def test_a_user_whom_the_store_cannot_hold_leaves_all_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "nwauth.txt").write_bytes(line("bob"))
    os.utime(tmp_path / "nwauth.txt", (1, 1))
    store = opened(tmp_path)
    bob = there(store, "bob")
    with pytest.raises(Refused):
        store.change_all([(bob, None), (None, user("c:d", store=store.name))])
    assert [name for name, _ in held(store)] == ["bob"]
    assert [name for name in os.listdir(tmp_path) if name.startswith("nwauth.tmp")] == []
    store.close()


@pytest.mark.parametrize("shared", [True, False])
def test_who_is_added_by_others_meanwhile_stays(tmp_path: Path, *, shared: bool) -> None:
    (tmp_path / "nwauth.txt").write_bytes(line("ann") + line("bob") + line("carl"))
    os.utime(tmp_path / "nwauth.txt", (1, 1))
    store, other = opened(tmp_path, shared=shared), opened(tmp_path, shared=shared)
    new = user("dora", store=store.name)
    store.change_all(Meddling(changes_in(store), lambda: other.put(new)))
    assert [name for name, _ in held(other)] == ["abe", "bob", "carl", "dora", "zoe"]
    store.close()
    other.close()


def test_who_is_changed_by_others_meanwhile_stops_all(tmp_path: Path) -> None:
    (tmp_path / "nwauth.txt").write_bytes(line("ann") + line("bob") + line("carl"))
    os.utime(tmp_path / "nwauth.txt", (1, 1))
    store, other = opened(tmp_path), opened(tmp_path)
    bob = there(other, "bob")
    meddle = Meddling(changes_in(store), lambda: other.replace(bob, bob.changed(info=Info("mine"))))
    with pytest.raises(Unavailable, match="'bob' has been changed by others meanwhile"):
        store.change_all(meddle)
    assert [(name, info) for name, info in held(store) if info == "mine" or name == "abe"] == [("bob", "mine")]
    store.close()
    other.close()


@pytest.fixture
def shadowed(tmp_path: Path) -> Iterator[PasswdStore]:
    """A passwd file with a shadow file, and ann and bob in them."""
    shadow = settled(tmp_path / "secrets", b"")
    settled(tmp_path / "users", b"")
    made = passwd(tmp_path / "users", shadow=shadow, settle_seconds=0.0)
    made.put_all([user(name, store=made.name) for name in ("ann", "bob")])
    yield made
    made.close()


def other_passwords(store: Store) -> list[Change]:
    found = [there(store, name) for name in ("ann", "bob")]
    return [(one, one.changed(stored_password=ssha("other"))) for one in found]


def test_passwords_alone_are_changed_by_one_rename_of_the_shadow_file(shadowed: PasswdStore) -> None:
    shadowed.change_all(other_passwords(shadowed))
    assert [one.stored_password for one in shadowed.search()] == [ssha("other")] * 2


def test_passwords_in_a_shadow_file_and_new_users_cannot_be_changed_as_one(shadowed: PasswdStore) -> None:
    before = [one.held() for one in shadowed.search()]
    changes = [*other_passwords(shadowed), (None, user("carl", store=shadowed.name))]
    with pytest.raises(NotSupported):
        shadowed.change_all(changes)
    assert [one.held() for one in shadowed.search()] == before


def test_who_goes_leaves_nothing_in_the_shadow_file(shadowed: PasswdStore, tmp_path: Path) -> None:
    shadowed.change_all([(there(shadowed, name), None) for name in ("ann", "bob")])
    assert (tmp_path / "users").read_bytes() == (tmp_path / "secrets").read_bytes() == b""


def test_a_store_that_cannot_do_it_says_so() -> None:
    with pytest.raises(NotSupported):
        MemoryStore().change_all([])
