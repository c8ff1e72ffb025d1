"""One pass over the users of all stores, by folded name: what every check of users rests on.  Memory is flat."""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING

from nwauth.doctor import databases
from nwauth.doctor.drops import Drops
from nwauth.doctor.finding import counted, finding
from nwauth.doctor.listed import Listed
from nwauth.doctor.mends import own_name, place_of_mail
from nwauth.doctor.people import People
from nwauth.errors import Emptied, NoBase, Passing
from nwauth.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.model import User

LEAST_SERVERS = {  # how older ones refuse what nwauth sets on each connection (docs/sql.md)
    'unrecognized configuration parameter "idle_in_transaction_session_timeout"': "PostgreSQL 9.6",
    "Unknown system variable 'max_statement_time'": "MariaDB 10.1",
    "Unknown system variable 'max_execution_time'": "MySQL 5.7.8",
}
UNTIL_THEN = "Its users were not examined; until it has settled, whoever is not found in it is answered -DEAD."
AGAIN = (
    "run nwauth doctor again in half a minute; if it says the same then, see with ls -l --full-time whether a program"
    " writes it without end, or its time is one to come"
)
REMEDIES = {  # of a store that cannot be listed, by its kind; {} is where the settings are
    "ldap": "start the directory, or correct urls, base, bind_dn or bind_password in {}",
    "process": "correct command in {}, or what that module works with",
    "sql": "start the database, or correct url in {}, or the rights of its account",
}


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
        for one in self.stores:
            one.ask()

    def _take(self, key: str, group: list[tuple[int, User]]) -> None:
        """Look at the users of one folded name, in the order of their stores."""
        first: tuple[int, User] | None = None
        last, last_name = -1, ""
        for at, user in group:
            one = self.stores[at]
            if at == last:
                one.twins.add(last_name, user.name)
            last, last_name = at, user.name
            if not one.asks_all and not one.reaches(key):
                one.out_of_reach.add(user.name)
                continue
            if first is None:
                first = at, user
            elif first[0] != at and one.route.migrate_to != self.stores[first[0]].one.name:
                one.hidden.add(user.name)
                one.hidden_by = self.stores[first[0]].one.name
            one.take(user)
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
        if one.twins.number:
            yield one.twins.finding(place, one.one, one.store.place())
        yield from _unsayable(place, one)
        yield from _of_route(place, one)
        yield from databases.of_store(place, one)


def _down(place: Place, one: Listed) -> Iterator[Finding]:
    if one.error is None or (one.users == 0 and _is_told(one)):
        return
    where = one.store.place()
    reason = str(one.error)
    listing = place.nwauth("--store", one.one.name, "user", "list")
    is_passing = isinstance(one.error, Passing)
    remedy = REMEDIES.get(one.one.kind, "mend that").replace("{}", place.settings)
    least = next((server for words, server in LEAST_SERVERS.items() if words in reason), None)
    if least is not None:
        yield finding(
            "old-server",
            f"store {one.one.name}: the server is older than {least}, the least that nwauth can use: {reason}",
            mend="install a newer server there, or keep the users elsewhere (nwauth copy)",
        )
        return
    yield finding(
        "cannot-list" if one.answers else "store-down",
        f"store {one.one.name} cannot be listed: {reason}"
        + ("" if where.partition(",")[0] in reason else f" ({where})"),
        why=UNTIL_THEN if is_passing else None,
        mend=AGAIN if is_passing else f"{remedy}; then {listing} works",
    )


def _is_told(one: Listed) -> bool:
    """Whether another finding says that there is nothing to list."""
    return one.one.kind == "flatfile" and isinstance(one.error, NoBase | Emptied)


def _unsayable(place: Place, one: Listed) -> Iterator[Finding]:
    found = one.unsayable
    if found.number:
        yield finding(
            "unsayable",
            f"store {one.one.name}: the servers cannot be told where the mail of {counted(found.number, 'user')} is, or"
            f" whose it is: {found.told}; of {found.names[0]}: {one.unsayable_reason}",
            mend=place_of_mail(place, one.one, found.names[0], one.store.place()),
            users=found.names,
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
    name = one.hidden.names[0]
    if one.one.read_only:
        return f"take one of the two out: of {one.store.place()}, or with {place.nwauth('user', 'del', name)}"
    bare = own_name(place, one.one, name)
    return f"delete one of the two: {place.nwauth('--store', one.one.name, 'user', 'del', bare)}"
