"""Passwd files as administrators and other programs leave them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nwauth.stores.passwd import PasswdStore
from tests.stores.folders import ages_ago

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nwauth.model import User
    from nwauth.stores.passwd.lines import NewUser

DAY = 86_400
TODAY = int(time.time()) // DAY


def row(user: User) -> str:
    """The line of a user; its info text is the eighth field, as it stands."""
    head = f"{user.name}:{user.stored_password}:1001:100:Somebody:/home/somebody:/bin/sh"
    return f"{head}:{user.info.text}\n" if user.info else f"{head}\n"


def rows(users: Sequence[User]) -> bytes:
    return "".join(map(row, users)).encode("utf-8", "surrogateescape")


def settled(path: Path, content: bytes, *, seconds: float = 3600) -> Path:
    """A file that has been left alone for an hour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    ages_ago(path, seconds)
    return path


def opened(
    path: Path | str,
    *,
    shadow: Path | str | None = None,
    domains: Sequence[str] = (),
    listed: Sequence[str] = (),
    drop_path: str = "config",
    unix_case: bool = False,
    read_only: bool = False,
    settle_seconds: float = 2.0,
    state: Path | None = None,
    new_user: NewUser | None = None,
    clock: Callable[[], float] = time.time,
) -> PasswdStore:
    return PasswdStore(
        str(path),
        shadow=None if shadow is None else str(shadow),
        domains=domains,
        listed=listed,
        drop_path=drop_path,
        unix_case=unix_case,
        read_only=read_only,
        settle_seconds=settle_seconds,
        state=None if state is None else str(state),
        new_user=new_user,
        clock=clock,
    )


def ask(store: PasswdStore, name: str) -> User | None:
    """A look-up that arrives by itself."""
    for pair in store._pairs._open.values():
        pair.look_again()
    return store.lookup(name)


def names(store: PasswdStore) -> list[str]:
    return [user.name for user in store.search()]


def many(count: int, *, field: str = "$1$salt$qJH7.N4xYta3aEG/dfqo/0") -> bytes:
    """Lines of `count` users in the order of their names; over 64 KiB from 800 users on."""
    return b"".join(
        f"user{number:07d}:{field}:{number + 1000}:100:User {number}:/home/user{number}:/bin/sh\n".encode()
        for number in range(count)
    )
