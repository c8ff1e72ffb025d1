"""The contract, held by passwd files in each way that they can be served."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nwauth.model import Info, User
from nwauth.stores.around import Around
from nwauth.stores.sorting import in_order
from tests.stores.contract import ReadOnlyContract, WriteContract
from tests.stores.passwd_files import many, opened, rows, settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nwauth.stores.base import Store
    from nwauth.stores.passwd import PasswdStore


class InFolder:
    """The files lie in a folder that can be moved away."""

    def take_down(self, store: Store) -> None:
        path = os.path.dirname(store.place())
        os.rename(path, path + ".away")

    def bring_back(self, store: Store) -> None:
        path = os.path.dirname(store.place())
        os.rename(path + ".away", path)


class TestOneFile(InFolder, WriteContract):
    """One file for all names."""

    def new_store(self, folder: Path, users: Sequence[User]) -> PasswdStore:
        return opened(settled(folder / "mail" / "users", rows(users)), state=folder)


class TestOneFileWatchedByInotify(InFolder, WriteContract):
    def new_store(self, folder: Path, users: Sequence[User]) -> PasswdStore:
        store = opened(settled(folder / "mail" / "users", rows(users)), state=folder)
        store.lookup("nobody")
        store.tend()
        return store


DOMAIN = "@dom2.test.com"


class Calling(Around):
    """A store of one domain, called by the names that its file has."""

    def lookup(self, name: str) -> User | None:
        return _bare(self.inner.lookup(name + DOMAIN))

    def confirm(self, user: User) -> User | None:
        return _bare(self.inner.confirm(_full(user)))

    def search(self, pattern: str = "") -> Iterator[User]:
        assert pattern is not None
        return in_order(user.changed(name=user.name.removesuffix(DOMAIN)) for user in self.inner.search())

    def put(self, user: User) -> bool:
        return self.inner.put(_full(user))

    def put_all(self, users: Sequence[User]) -> list[User]:
        taken = {user.name for user in self.inner.put_all([_full(user) for user in users])}
        return [user for user in users if user.name + DOMAIN in taken]

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self.inner.replace(_full(old), _full(new), wait_seconds=wait_seconds)

    def rename(self, old: User, new: User) -> bool | None:
        return self.inner.rename(_full(old), _full(new))

    def delete(self, name: str, *, only: User | None = None) -> bool:
        return self.inner.delete(name + DOMAIN, only=None if only is None else _full(only))


def _full(user: User) -> User:
    return user.changed(name=user.name + DOMAIN)


def _bare(user: User | None) -> User | None:
    assert user is None or user.name.endswith(DOMAIN)
    return None if user is None else user.changed(name=user.name.removesuffix(DOMAIN))


class TestWithShadow(InFolder, WriteContract):
    """The passwords are in a companion file."""

    def new_store(self, folder: Path, users: Sequence[User]) -> PasswdStore:
        pointing = [user.changed(stored_password="x") for user in users]
        shadow = "".join(f"{user.name}:{user.stored_password}:19000:0:99999:7:::\n" for user in users)
        settled(folder / "mail" / "shadow", shadow.encode("utf-8", "surrogateescape"))
        path = settled(folder / "mail" / "users", rows(pointing))
        return opened(path, shadow=folder / "mail" / "shadow", state=folder)


class TestReadOnly(InFolder, ReadOnlyContract):
    def new_store(self, folder: Path, users: Sequence[User]) -> PasswdStore:
        return opened(settled(folder / "mail" / "users", rows(users)), read_only=True)


class TestOfADomain(InFolder, WriteContract):
    """A file for each domain: what the contract calls bob, the store calls bob@dom2.test.com."""

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        settled(folder / "mail" / "dom2.test.com", rows(users))
        settled(folder / "mail" / "dom1.test.com", many(2))
        inner = opened(folder / "mail" / "{domain}", domains=["dom2.test.com"], state=folder)
        return Calling(inner)


class TestOneDomainInAFixedFile(InFolder, WriteContract):
    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        path = settled(folder / "mail" / "users", rows(users))
        return Calling(opened(path, domains=["dom2.test.com"], state=folder))


def test_a_user_has_the_uid_and_the_drop_path_of_its_line(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"bob:!:1001:100:Bob:/home/bob:/bin/sh:quota=200 nologin\n")
    store = opened(path, drop_path="{home}/Mailbox")
    assert store.lookup("bob") == User(
        name="bob",
        stored_password="!",
        drop_path="/home/bob/Mailbox",
        uid="1001",
        info=Info('quota="200" nologin'),
        store="passwd",
    )
