"""One pass over the users of all stores, by folded name: what every check of users rests on.  Memory is flat."""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING

from nwauth.build import store as build_store
from nwauth.config.routes import Route
from nwauth.doctor.drops import Drops
from nwauth.doctor.finding import MOST_USERS, counted, examples, finding
from nwauth.doctor.people import People
from nwauth.errors import NotSupported, NwauthError
from nwauth.names import fold
from nwauth.stores.combined import StrippedStore
from nwauth.stores.combined.member import covering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config.part import StoreConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.model import User
    from nwauth.stores.base import Store

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
        self.store: Store = _built(place, one, self.route)
        match = self.route.match
        self.asked = covering(match["lookup"]), covering(match["check"])
        self.asks_all = self.asked[0]("") or self.asked[1]("")
        self.error: NwauthError | OSError | None = None
        self.is_listable = True
        self.users = 0
        self.out_of_reach = Some()
        self.hidden = Some()
        self.hidden_by = ""
        self.twins = Some()
        self.folded_otherwise = Some()
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
        if self.store.lookup(other) is None:
            self.folded_otherwise.add(name)

    def reaches(self, key: str) -> bool:
        """Whether the servers' questions for a folded name come here."""
        return self.asks_all or self.asked[0](key) or self.asked[1](key)


def _built(place: Place, one: StoreConfig, route: Route) -> Store:
    assert place.config is not None  # noqa: S101
    if "state" in one.__slots__:  # a list of what was served is the servers' to write
        one = one.changed(state=None)
    made = build_store(place.config, one)
    if route.strip_prefix or route.strip_suffix:
        return StrippedStore(made, prefix=route.strip_prefix, suffix=route.strip_suffix)
    return made


class Survey:
    """All users, once: `users` counts them while it goes on."""

    def __init__(self, place: Place) -> None:
        assert place.config is not None  # noqa: S101
        self.users = 0
        self.stores = [Listed(place, one) for one in place.config.stores]
        self.people = People(place)
        self.drops = Drops(place)

    def run(self) -> None:
        """Look at everybody.  Raises OSError where a sort has no room."""
        group: list[tuple[int, User]] = []
        group_key = ""
        for key, at, user in merge(*(one.stream(at) for at, one in enumerate(self.stores)), key=_key_and_store):
            self.users += 1
            if key != group_key:
                if group:
                    self._take(group_key, group)
                group, group_key = [], key
            group.append((at, user))
        if group:
            self._take(group_key, group)
        self.drops.end(self._looked_up)

    def _take(self, key: str, group: list[tuple[int, User]]) -> None:
        """Look at the users of one folded name, in the order of their stores."""
        first: tuple[int, User] | None = None
        last = -1
        for at, user in group:
            one = self.stores[at]
            if at == last:
                one.twins.add(user.name)
            last = at
            if not one.asks_all and not one.reaches(key):
                one.out_of_reach.add(user.name)
                continue
            if first is None:
                first = at, user
            elif first[0] != at and one.route.migrate_to != self.stores[first[0]].one.name:
                one.hidden.add(user.name)
                one.hidden_by = self.stores[first[0]].one.name
            self.people.take(user, one.one)
        if first is not None:
            self.drops.take(key, first[1])

    def _looked_up(self, name: str, *, was_listed: bool = False) -> User | None:
        """A user of a store that gives no listing; or (`was_listed`) of one that gave one.  Raises NwauthError."""
        for one in self.stores:
            if one.is_listable is was_listed and one.error is None and one.reaches(fold(name)):
                found = one.store.lookup(name)
                if found is not None:
                    return found
        return None

    def close(self) -> None:
        """Close the stores."""
        for one in self.stores:
            one.store.close()


def _key_and_store(item: tuple[str, int, User]) -> tuple[str, int]:
    return item[:2]


# --- the findings that are about stores ------------------------------------------------------------------------------


def users(place: Place) -> Iterator[Finding]:
    """All stores can be read, each has its users and its names for itself."""
    if place.config is None:
        return
    place.survey = survey = Survey(place)
    try:
        survey.run()
    finally:
        survey.close()
    for one in survey.stores:
        yield from _down(place, one)
        yield from _twins(one)
        yield from _of_route(place, one)
        yield from _folding(one)


def _down(place: Place, one: Listed) -> Iterator[Finding]:
    if one.error is None or (one.users == 0 and _has_no_base(one)):
        return
    where = one.store.place()
    reason = str(one.error)
    listing = place.nwauth("--store", one.one.name, "user", "list")
    is_passing = "being written" in reason or "try again" in reason
    yield finding(
        "store-down",
        f"store {one.one.name} cannot be listed: {reason}"
        + ("" if where.partition(",")[0] in reason else f" ({where})"),
        mend="run nwauth doctor again in half a minute" if is_passing else f"mend that; then {listing} works",
    )


def _has_no_base(one: Listed) -> bool:
    """Whether another finding says that there is nothing to list."""
    return one.one.kind == "flatfile" and "no user database" in str(one.error)


def _twins(one: Listed) -> Iterator[Finding]:
    if one.twins.number:
        yield finding(
            "case-twins",
            f"store {one.one.name}: {counted(one.twins.number, 'user')} differ{'s' * (one.twins.number == 1)} from"
            f" another in case alone: {one.twins.told}",
            mend=f"give one of the two another name in {one.store.place()}",
            users=one.twins.names,
        )


def _of_route(place: Place, one: Listed) -> Iterator[Finding]:
    name, away = one.one.name, one.out_of_reach
    mend = f"in {place.settings} change match, strip_prefix or strip_suffix of the store {name}"
    if away.number and away.number == one.users:
        yield finding(
            "route-covers-nobody",
            f"store {name} has {counted(one.users, 'user')}, and no name of them fits its match: {away.told}",
            mend=mend,
            file=place.settings,
            users=away.names,
        )
    elif away.number:
        be = "does" if away.number == 1 else "do"
        yield finding(
            "out-of-reach",
            f"store {name} has {counted(away.number, 'user')} whose name {be} not fit its match: {away.told}",
            mend=f"{mend}; or give them names that fit",
            file=place.settings,
            users=away.names,
        )
    if one.hidden.number and one.hidden.number == one.users:
        yield finding(
            "store-shadowed",
            f"all of the store {name} ({counted(one.users, 'user')}) is in the store {one.hidden_by} before it too",
            mend=f"in {place.settings} take the store {name} out, or give it names of its own with match",
            file=place.settings,
            users=one.hidden.names,
        )
    elif one.hidden.number:
        yield finding(
            "in-two-stores",
            f"{counted(one.hidden.number, 'user')} of the store {name}"
            f" {'is' if one.hidden.number == 1 else 'are'} in the store {one.hidden_by} too: {one.hidden.told}",
            mend=_delete_one(place, one),
            users=one.hidden.names,
        )


def _delete_one(place: Place, one: Listed) -> str:
    """How the double goes: ``--store`` takes names as that store has them."""
    name, route = one.hidden.names[0], one.route
    if one.one.read_only:
        return f"take one of the two out: of {one.store.place()}, or with {place.nwauth('user', 'del', name)}"
    bare = name.removesuffix(route.strip_suffix).removeprefix(route.strip_prefix)
    return f"delete one of the two: {place.nwauth('--store', one.one.name, 'user', 'del', bare)}"


def _folding(one: Listed) -> Iterator[Finding]:
    found = one.folded_otherwise
    if found.number:
        yield finding(
            "database-folds",
            f"store {one.one.name}: the database does not find {found.told} in another case",
            mend=f"give the column of names in {one.store.place()} another collation, or spell the names in lower case",
            users=found.names,
        )
