"""How many users a long work has before it, for its progress."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from nwauth.commands.progress import unknown
from nwauth.config import FlatfileConfig
from nwauth.errors import NwauthError
from nwauth.stores.around import innermost
from nwauth.stores.flatfile import FlatfileStore
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from nwauth.commands.progress import Count
    from nwauth.commands.session import Session
    from nwauth.config import StoreConfig
    from nwauth.stores.base import Store


def about_how_many(store: Store) -> int | None:
    """The lines of the user file: about as many as users, and counted in a hundredth of the time of a listing."""
    store = innermost(store)
    if not isinstance(store, FlatfileStore):
        return None
    try:
        fd = files.open_own(store.folder.txt, os.O_RDONLY, links=True)
        try:
            return sum(block.count(b"\n") for _, block in files.blocks(fd, os.fstat(fd).st_size))
        finally:
            os.close(fd)
    except OSError:
        return None


def about_all(session: Session) -> int | None:
    """The same for the users that the configuration names, where they are one store; None too where it is broken."""
    try:
        return about_how_many(session.store) if session.config.is_plain() else None
    except NwauthError:
        return None


def to_be_read(session: Session, settings: StoreConfig, store: Store, *, pattern: str) -> Count:
    """Tells how many users of a store will be read: flat files are counted when it is first asked, a database before.

    Raises:
        Unavailable: the store cannot tell now.
    """
    if isinstance(settings, FlatfileConfig):
        return cache(lambda: about_how_many(store))
    if pattern or session.choices.quiet:
        return unknown
    count = store.count()
    return lambda: count
