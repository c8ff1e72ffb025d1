"""One store while its users go by in the survey: what is seen of them, and what the store says when it is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nwauth.build import store as build_store
from nwauth.config.routes import Route
from nwauth.doctor.finding import MOST_USERS, examples
from nwauth.doctor.twins import Twins
from nwauth.errors import NotSupported, NwauthError
from nwauth.names import covering, fold
from nwauth.stores.around import innermost
from nwauth.stores.combined import StrippedStore
from nwauth.stores.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config import Config
    from nwauth.config.part import StoreConfig
    from nwauth.doctor.place import Place
    from nwauth.model import User
    from nwauth.stores.base import Store

MANY_USERS = 1000  # fewer are read in no time, with or without an index
FOLDS_TRIED = 500  # names of a foreign table that are asked for in another case


class Some:
    """A number of users, and the first few names."""

    def __init__(self) -> None:
        self.number = 0
        self.names: list[str] = []

    def add(self, name: str) -> None:
        """One more."""
        self.number += 1
        if len(self.names) < MOST_USERS:
            self.names.append(name)

    @property
    def told(self) -> str:
        """Some of the names, for a text."""
        return examples(self.names, self.number)


class Listed:
    """One store in the survey, with its route: what was seen of its users."""

    def __init__(self, place: Place, one: StoreConfig) -> None:
        assert place.config is not None  # noqa: S101
        self.one = one
        self.route = place.config.routes.get(one.name) or Route()
        self.store: Store = built(place.config, one)
        match = self.route.match
        self.asked = covering(*match["lookup"]), covering(*match["check"])
        self.asks_all = self.asked[0]("") or self.asked[1]("")
        self.error: NwauthError | OSError | None = None
        self.is_listable = True
        self.users = 0
        self.out_of_reach = Some()
        self.hidden = Some()
        self.hidden_by = ""
        self.twins = Twins()
        self.unsayable = Some()
        self.unsayable_reason = ""
        self.answers = False  # where it cannot be listed: whether it tells at least who is not there
        self.folded_otherwise = Some()
        self.scanned: list[str] = []  # what of names lacks an index, in a database
        self.denied: dict[str, str] = {}  # by the right that changes lack, what the database says
        self._tried = 0

    def stream(self, at: int) -> Iterator[tuple[str, int, User]]:
        """(folded name, `at`, user), in order; it ends where the store fails."""
        is_foreign = getattr(self.one, "columns", None) is not None
        try:
            for user in self.store.search():
                self.users += 1
                if is_foreign and self._tried < FOLDS_TRIED:
                    self._try_another_case(user.name)
                yield fold(user.name), at, user
        except NotSupported:
            self.is_listable = False
        except (NwauthError, OSError) as error:
            self.error = error

    def _try_another_case(self, name: str) -> None:
        """Whether a foreign table finds a user whose name comes in another case."""
        other = name.swapcase()
        if other == name or fold(other) != fold(name):
            return
        self._tried += 1
        try:
            found = self.store.lookup(other)
        except NwauthError:  # two users may be meant, which is told of them; an outage ends the listing
            return
        if found is None:
            self.folded_otherwise.add(name)

    def take(self, user: User) -> None:
        """Look at what of a user the servers are told."""
        if user.drop_path == "config" and user.uid == "0":
            return
        fault = user.unsayable()
        if fault:
            self.unsayable_reason = self.unsayable_reason or fault
            self.unsayable.add(user.name)

    def ask(self) -> None:
        """Ask the store itself about what was odd in its listing."""
        if self.error is not None:
            self.answers = self._is_told_no() and self.one.kind != "flatfile"
            return
        self.twins.judge(self.store)
        inner = innermost(self.store)
        if isinstance(inner, SqlStore):
            self.scanned = inner.scanned() if self.users >= MANY_USERS else []
            self.denied = {} if self.one.read_only else inner.denied()
        for name in self.unsayable.names[:1]:
            try:
                self.store.lookup(name)
            except NwauthError as error:
                self.unsayable_reason = str(error)

    def _is_told_no(self) -> bool:
        try:
            return self.store.lookup(f"nwauth-doctor-{os.urandom(6).hex()}") is None
        except (NwauthError, OSError):
            return False

    def reaches(self, key: str) -> bool:
        """Whether the servers' questions for a folded name come here."""
        return self.asks_all or self.asked[0](key) or self.asked[1](key)


def built(config: Config, one: StoreConfig) -> Store:
    """A store of the configuration, to be read through: with the names that the servers know its users by."""
    route = config.routes.get(one.name) or Route()
    if "state" in one.__slots__:  # a list of what was served is the servers' to write
        one = one.changed(state=None)
    made = build_store(config, one)
    if route.strip_prefix or route.strip_suffix:
        return StrippedStore(made, prefix=route.strip_prefix, suffix=route.strip_suffix)
    return made
