"""Several stores as one: who is asked for whom, what a store that is down means, and who takes what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import fold
from nwauth.stores.combined import Member, RoutedStore, StrippedStore
from nwauth.stores.memory import MemoryStore
from tests.stores.contract import WriteContract, someone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from nwauth.stores.base import Store


def memory(name: str, *users: str | User) -> MemoryStore:
    return MemoryStore([someone(user) if isinstance(user, str) else user for user in users], name=name)


def names(store: Store) -> list[str]:
    return [user.name for user in store.search()]


class TestStoresOneBehindAnother(WriteContract):
    """The users are in the second of three."""

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        assert folder.is_dir()
        self.second = MemoryStore(users, name="second")
        return RoutedStore(
            [
                Member(memory("first"), takes_new=False),
                Member(self.second),
                Member(memory("third", "third@other.com"), match={"lookup": ("*@other.com",), "search": ()}),
            ]
        )

    def take_down(self, store: Store) -> None:
        assert isinstance(store, RoutedStore)
        self.second.down = "switched off"

    def bring_back(self, store: Store) -> None:
        assert isinstance(store, RoutedStore)
        self.second.down = None

    def of_store(self, store: Store, user: User) -> User:
        assert store.name == "routes"
        return user.changed(store="second")


class TestNamesWithoutPrefixAndSuffix(WriteContract):
    """Names that have neither stand as they are; those of the contract do."""

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        assert folder.is_dir()
        self.inner = MemoryStore([], name="inner")
        store = StrippedStore(self.inner, prefix="", suffix="")
        assert store.put_all(users) == []
        return store

    def take_down(self, store: Store) -> None:
        assert store.name == "inner"
        self.inner.down = "switched off"

    def bring_back(self, store: Store) -> None:
        assert store.name == "inner"
        self.inner.down = None


# --- questions -------------------------------------------------------------------------------------------------------


def test_the_first_store_that_knows_the_name_counts() -> None:
    first, second = memory("first", someone("Bob", password="new")), memory("second", "bob", "eve")
    store = RoutedStore([Member(first), Member(second)])
    assert [(user.name, user.store) for user in store.search()] == [("Bob", "first"), ("eve", "second")]
    bob, eve = store.lookup("BOB"), store.lookup("EVE")
    assert bob is not None
    assert eve is not None
    assert ((bob.name, bob.store), (eve.name, eve.store)) == (("Bob", "first"), ("eve", "second"))


@pytest.mark.parametrize("asked", ["bob", "eve", "nobody"])
def test_a_store_that_is_down_makes_every_answer_uncertain_that_it_covers(asked: str) -> None:
    """A later store may hold an old password, or another drop path."""
    first, second = memory("first", "bob"), memory("second", "eve")
    store = RoutedStore([Member(first), Member(second)])
    first.down = "the disk is gone"
    with pytest.raises(Unavailable, match="the disk is gone"):
        store.lookup(asked)
    with pytest.raises(Unavailable, match="the disk is gone"):
        names(store)


def test_a_store_that_is_down_hinders_no_name_that_it_does_not_cover() -> None:
    first, second = memory("first", "bob@a.com"), memory("second", "eve@b.com")
    store = RoutedStore([Member(first, match=dict.fromkeys(("lookup", "check"), ("*@a.com",))), Member(second)])
    first.down = "the disk is gone"
    assert store.lookup("eve@b.com") is not None
    assert store.lookup("nobody@b.com") is None
    with pytest.raises(Unavailable):
        store.lookup("nobody@a.com")


def test_a_later_store_that_is_down_hinders_only_who_is_in_no_earlier_one() -> None:
    first, second = memory("first", "bob"), memory("second", "eve")
    store = RoutedStore([Member(first), Member(second)])
    second.down = "the disk is gone"
    assert store.lookup("bob") is not None
    with pytest.raises(Unavailable):
        store.lookup("nobody")


def test_other_people_are_found_behind_a_store_that_is_down_but_nobody_is_told_absent() -> None:
    first, second = memory("first", "bob"), memory("second", "eve")
    store = RoutedStore([Member(first, falls_through=True), Member(second)])
    first.down = "the disk is gone"
    assert store.lookup("eve") is not None
    for name in ("bob", "nobody"):
        with pytest.raises(Unavailable, match="the disk is gone"):
            store.lookup(name)


def test_a_command_sees_the_stores_that_its_own_patterns_name() -> None:
    mail, logins = memory("mail", "bob", "list"), memory("logins", someone("bob", password="other"))
    store = RoutedStore(
        [
            Member(mail, match={"check": (), "search": ("b*",)}),
            Member(logins, match={"lookup": (), "set": (), "search": ()}),
        ]
    )
    seen = {command: store.at(command).lookup("bob") for command in ("lookup", "check", "set")}
    assert {command: user and user.store for command, user in seen.items()} == {
        "lookup": "mail",
        "check": "logins",
        "set": "mail",
    }
    assert store.at("check").lookup("list") is None
    assert names(store.at("search")) == ["bob"]
    assert store.at("check").at("lookup").lookup("list") is not None


def test_a_replica_that_gave_a_user_whom_its_authority_denies_leaves_the_name_to_the_later_stores() -> None:
    class Lagging(MemoryStore):
        def confirm(self, user: User) -> User | None:
            return None if user.name == "bob" else super().confirm(user)

    store = RoutedStore([Member(Lagging([someone("bob")], name="replica")), Member(memory("second", "BOB"))])
    found = store.lookup("bob")
    assert found is not None
    known = store.confirm(found)
    assert known is not None
    assert (known.name, known.store) == ("BOB", "second")


def test_the_store_that_has_the_user_verifies_it_and_learns_from_where() -> None:
    class Own(MemoryStore):
        def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
            return (user.name, password, address) == ("eve", b"secret", "10.0.0.7")

    store = RoutedStore([Member(memory("files", "bob")), Member(Own([someone("eve")], name="own"))])
    bob, eve = store.lookup("bob"), store.lookup("eve")
    assert bob is not None
    assert eve is not None
    assert store.verify(bob, b"secret") is None
    assert store.verify(eve, b"secret", address="10.0.0.7") is True
    assert store.verify(eve, b"other", address="10.0.0.7") is False


def test_one_search_lists_all_stores_by_name_and_each_user_once() -> None:
    stores = [memory("a", "z", "B", "m"), memory("b", "b", "a", "n"), memory("c", "Z", "c")]
    store = RoutedStore([Member(one) for one in stores])
    assert [(user.name, user.store) for user in store.search("whatever")] == [
        ("a", "b"),
        ("B", "a"),
        ("c", "c"),
        ("m", "a"),
        ("n", "b"),
        ("z", "a"),
    ]
    assert store.count() is None


def test_users_that_one_store_tells_apart_by_case_are_all_listed() -> None:
    class Exact(MemoryStore):
        def search(self, pattern: str = "") -> Iterator[User]:
            del pattern
            return iter([someone("BOB"), someone("bob"), someone("eve")])

    store = RoutedStore([Member(Exact(name="exact")), Member(memory("second", "Bob", "Eve", "zoe"))])
    assert names(store) == ["BOB", "bob", "eve", "zoe"]


# --- changes ---------------------------------------------------------------------------------------------------------


def test_a_new_user_goes_to_the_first_store_that_takes_it() -> None:
    existing, dom, rest = memory("existing"), memory("dom"), memory("rest")
    store = RoutedStore(
        [
            Member(existing, takes_new=False),
            Member(dom, match={"set": ("*@dom.com",)}),
            Member(rest, match={"set": ("*.com",)}),
        ]
    )
    assert [store.taker(name) for name in ("a@DOM.com", "a@other.com")] == ["dom", "rest"]
    with pytest.raises(NotSupported, match="no store takes"):
        store.taker("a@other.org")
    for name in ("a@dom.com", "a@other.com"):
        assert store.put(someone(name).changed(store=store.taker(name)))
    assert (names(existing), names(dom), names(rest)) == ([], ["a@dom.com"], ["a@other.com"])


@pytest.mark.parametrize("holder", [0, 1, 2])
def test_a_name_that_any_store_knows_is_taken(holder: int) -> None:
    stores = [memory(f"s{at}", *(["Bob"] if at == holder else [])) for at in range(3)]
    store = RoutedStore([Member(one, takes_new=at == 1) for at, one in enumerate(stores)])
    assert not store.put(someone("BOB").changed(store="s1"))
    assert [names(one) for one in stores] == [["Bob"] if at == holder else [] for at in range(3)]


def test_a_name_that_is_known_where_changes_are_not_asked_for_is_refused_for_good() -> None:
    """False would say that it has come this instant: whoever looks again never finds it."""
    first, second = memory("first", "bob@b.com"), memory("second")
    store = RoutedStore([Member(first, match={"set": ("*@a.com",)}), Member(second)])
    assert store.at("set").lookup("bob@b.com") is None
    with pytest.raises(NotSupported, match="store first has the user"):
        store.put(someone("bob@b.com").changed(store=store.taker("bob@b.com")))
    assert names(second) == []


def test_nobody_is_added_while_a_store_that_may_know_the_name_is_down() -> None:
    down, taker = memory("down"), memory("taker")
    down.down = "off"
    store = RoutedStore([Member(down, falls_through=True), Member(taker)])
    with pytest.raises(Unavailable):
        store.put(someone("bob").changed(store="taker"))
    assert names(taker) == []


def test_a_change_goes_to_the_store_that_has_the_user() -> None:
    first, second = memory("first"), memory("second", "bob")
    store = RoutedStore([Member(first), Member(second, takes_new=False)])
    bob = store.lookup("bob")
    assert bob is not None
    assert store.replace(bob, bob.changed(info=Info('a="1"')))
    assert names(first) == []
    assert [user.info.text for user in second.search()] == ['a="1"']


class Overtaken(MemoryStore):
    """While it is changed, `meanwhile` happens elsewhere."""

    meanwhile: Callable[[], object]

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        self.meanwhile()
        return super().replace(old, new, wait_seconds=wait_seconds)

    def delete(self, name: str, *, only: User | None = None) -> bool:
        self.meanwhile()
        return super().delete(name, only=only)


def test_a_change_of_who_is_moved_meanwhile_is_to_be_made_again_where_the_user_counts_now() -> None:
    first, second = memory("first"), Overtaken([someone("bob")], name="second")
    store = RoutedStore([Member(first), Member(second)])
    bob = store.lookup("bob")
    assert bob is not None
    second.meanwhile = lambda: store.migrate(bob, bob.changed(store="first"))
    changed = bob.changed(info=Info('a="1"'))
    assert not store.replace(bob, changed)
    moved = store.at("set").lookup("bob")
    assert moved is not None
    assert store.replace(moved, moved.changed(info=Info('a="1"')))
    assert [(user.info.text, user.store) for user in store.search()] == [('a="1"', "first")]


@pytest.mark.parametrize("falls_through", [True, False])
def test_a_change_behind_a_store_that_is_down_is_known_where_that_holds_other_people(*, falls_through: bool) -> None:
    first, second = memory("first"), memory("second", "bob")
    store = RoutedStore([Member(first, falls_through=falls_through), Member(second)])
    bob = store.lookup("bob")
    assert bob is not None
    first.down = "off"
    changed = bob.changed(info=Info('a="1"'))
    if falls_through:
        assert store.replace(bob, changed)
    else:
        with pytest.raises(Unavailable, match="off"):
            store.replace(bob, changed)


def test_who_is_moved_while_being_deleted_is_deleted_there_too() -> None:
    first, second = memory("first"), Overtaken([someone("bob")], name="second")
    store = RoutedStore([Member(first), Member(second)])
    bob = store.lookup("bob")
    assert bob is not None
    second.meanwhile = lambda: store.migrate(bob, bob.changed(store="first"))
    assert store.delete("bob")
    assert names(store) == []


def test_a_store_that_takes_no_changes_is_told_by_name_and_left_alone() -> None:
    fixed = memory("fixed", "bob")
    store = RoutedStore([Member(memory("first")), Member(fixed, takes_new=False, takes_changes=False)])
    bob = store.lookup("bob")
    assert bob is not None
    with pytest.raises(NotSupported, match="fixed") as caught:
        store.replace(bob, bob.changed(info=Info('a="1"')))
    assert caught.value.public == "not supported here"
    with pytest.raises(NotSupported, match="fixed"):
        store.rename(bob, bob.changed(name="rob"))


def test_a_deletion_takes_the_user_out_of_every_store_the_one_that_counts_last() -> None:
    told: list[str] = []

    class Telling(MemoryStore):
        def delete(self, name: str, *, only: User | None = None) -> bool:
            told.append(self.name)
            return super().delete(name, only=only)

    stores = [Telling([someone(name) for name in users], name=at) for at, users in (("a", "x"), ("b", "y"), ("c", "x"))]
    store = RoutedStore([Member(one) for one in stores])
    assert store.delete("X")
    assert told == ["c", "a"]
    assert names(store) == ["y"]
    assert not store.delete("x")


@pytest.mark.parametrize("match", [{}, {"del": ()}, {"del": (), "lookup": ()}])
def test_nothing_is_deleted_where_a_store_would_keep_the_user(match: dict[str, tuple[str, ...]]) -> None:
    files, fixed = memory("files", "bob", "eve"), memory("fixed", "bob")
    store = RoutedStore([Member(files), Member(fixed, match=match, takes_deletions=bool(match))])
    with pytest.raises(Refused, match="fixed"):
        store.delete("bob")
    assert names(files) == ["bob", "eve"]
    assert store.delete("eve")


def test_nothing_is_deleted_while_a_store_that_may_have_the_user_is_down() -> None:
    files, other = memory("files", "bob"), memory("other", "bob")
    other.down = "off"
    with pytest.raises(Unavailable):
        RoutedStore([Member(files), Member(other)]).delete("bob")
    assert names(files) == ["bob"]


def test_a_user_keeps_its_store_when_it_is_renamed_and_takes_nobodys_name() -> None:
    first, second = memory("first", "eve"), memory("second", "bob@b.com")
    store = RoutedStore([Member(first), Member(second, match={"lookup": ("*b.com",), "check": ("*b.com",)})])
    bob = store.lookup("bob@b.com")
    assert bob is not None
    assert store.rename(bob, bob.changed(name="rob@b.com")) is None  # a dict has no one step for it
    with pytest.raises(Refused, match="second"):
        store.rename(bob, bob.changed(name="bob@a.com"))
    eve = store.lookup("eve")
    assert eve is not None
    assert store.rename(eve, eve.changed(name="bob@b.com")) is False


def test_nobody_comes_to_life_under_the_old_name_of_who_is_renamed() -> None:
    """As after a migration: the old entry, with the old password, stands behind the new."""
    first, second = memory("first", "bob"), memory("second", someone("bob", password="old"))
    store = RoutedStore([Member(first), Member(second)])
    bob = store.lookup("bob")
    assert bob is not None
    with pytest.raises(Refused, match="store second has 'bob' too"):
        store.rename(bob, bob.changed(name="rob"))
    assert second.delete("bob")
    assert store.rename(bob, bob.changed(name="rob")) is None


def test_a_rename_in_the_store_for_mail_does_not_ask_that_for_logins() -> None:
    mail, logins = memory("mail", "bob"), memory("logins", "bob")
    store = RoutedStore([Member(mail, match={"check": ()}), Member(logins, match={"lookup": ()})])
    bob = store.lookup("bob")
    assert bob is not None
    assert store.rename(bob, bob.changed(name="rob")) is None


def test_a_user_moves_to_the_store_that_is_named_though_a_later_one_knows_it() -> None:
    first, second = memory("first"), memory("second", "bob")
    store = RoutedStore([Member(first), Member(second)])
    bob = store.lookup("bob")
    assert bob is not None
    assert store.migrate(bob, bob.changed(store="first"))
    assert not store.migrate(bob, bob.changed(store="first"))
    found = store.lookup("bob")
    assert found is not None
    assert found.store == "first"


@pytest.mark.parametrize("change", ["password", "deletion", "deletion of both"])
def test_a_copy_of_who_was_changed_or_deleted_meanwhile_does_not_stay(change: str) -> None:
    bob = someone("bob").changed(store="second")

    class Slow(MemoryStore):
        def put(self, user: User) -> bool:
            if change == "password":
                assert second.replace(bob, bob.changed(stored_password="new"))
            else:
                assert second.delete("bob")
            done = super().put(user)
            if change == "deletion of both":
                assert self.delete("bob")
            return done

    first, second = Slow(name="first"), memory("second", bob)
    store = RoutedStore([Member(first), Member(second)])
    with pytest.raises(Unavailable, match="changed meanwhile in store second"):
        store.migrate(bob, bob.changed(store="first"))
    assert names(first) == []


def test_a_copy_that_was_changed_itself_stays_as_it_was_changed() -> None:
    bob = someone("bob").changed(store="second")

    class Slow(MemoryStore):
        def put(self, user: User) -> bool:
            assert second.delete("bob")
            assert super().put(user)
            return self.replace(user, user.changed(stored_password="new"))

    first, second = Slow(name="first"), memory("second", bob)
    store = RoutedStore([Member(first), Member(second)])
    with pytest.raises(Unavailable):
        store.migrate(bob, bob.changed(store="first"))
    assert [user.stored_password for user in first.search()] == ["new"]


def test_nobody_moves_to_a_store_that_is_not_asked_for_the_name() -> None:
    first, second = memory("first"), memory("second", "bob@b.com")
    store = RoutedStore([Member(first, match={"lookup": ("*@a.com",), "check": ("*@a.com",)}), Member(second)])
    bob = next(second.search())
    with pytest.raises(Refused, match="store first, where its users move to, is not asked"):
        store.migrate(bob, bob.changed(store="first"))
    assert names(first) == []


def test_what_is_done_between_requests_is_done_by_all() -> None:
    told: list[str] = []

    class Telling(MemoryStore):
        def begin(self) -> None:
            told.append(f"begin {self.name}")

        def end(self) -> None:
            told.append(f"end {self.name}")

        def tend(self) -> None:
            told.append(f"tend {self.name}")

        def settle(self) -> None:
            told.append(f"settle {self.name}")

        def make(self) -> bool:
            told.append(f"make {self.name}")
            return self.name == "a"

        def close(self) -> None:
            told.append(f"close {self.name}")

    store = RoutedStore([Member(Telling(name="a")), Member(Telling(name="b"), takes_new=False)])
    for ask in (store.begin, store.end, store.tend, store.settle, store.close):
        ask()
    assert store.make()
    assert sorted(told) == sorted(
        ["begin a", "begin b", "end a", "end b", "tend a", "tend b", "settle a", "close a", "close b", "make a"]
    )
    assert store.place() == "a, b"


# --- names without a prefix or suffix --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "suffix", "full"),
    [("", "@test.com", "Bob@test.com"), ("dom2_", "", "dom2_Bob"), ("x_", "@y", "x_Bob@y")],
)
def test_a_store_need_not_know_the_prefix_and_suffix_of_its_users(prefix: str, suffix: str, full: str) -> None:
    inner = memory("inner", "Bob")
    store = StrippedStore(inner, prefix=prefix, suffix=suffix)
    found = store.lookup(full.upper())
    assert found is not None
    assert found.name == full
    assert names(store) == [full]
    bare = store.lookup("bob")
    assert bare is not None
    assert bare.name == "Bob"
    assert store.confirm(found) == found
    assert store.confirm(bare) == bare
    assert store.replace(found, found.changed(info=Info('a="1"')))
    assert not store.replace(found, found)
    assert [(user.name, user.info.text) for user in inner.search()] == [("Bob", 'a="1"')]
    assert not store.put(someone(full.lower()))
    assert store.put(someone(prefix + "eve" + suffix))
    assert names(inner) == ["Bob", "eve"]
    taken = [someone(prefix + name + suffix) for name in ("carl", "BOB", "dave")]
    assert store.put_all(taken) == [taken[1]]
    assert store.delete((prefix + "EVE" + suffix).upper())
    assert store.delete(prefix + "carl" + suffix, only=store.lookup(prefix + "carl" + suffix))
    assert names(inner) == ["Bob", "dave"]


@pytest.mark.parametrize("asked", ["é_Jürgen", "e\u0301_bob", "É_BOB", "E\u0301_ju\u0308rgen"])
def test_a_prefix_is_known_in_each_form_of_its_letters(asked: str) -> None:
    store = StrippedStore(memory("inner", "bob", "Ju\u0308rgen"), prefix="e\u0301_")
    found = store.lookup(asked)
    assert found is not None
    assert fold(found.name) == fold(asked)
    assert store.replace(found, found.changed(info=Info('a="1"')))
    assert not store.put(someone(asked))


def test_a_name_that_is_nothing_but_prefix_and_suffix_stays_as_it_is() -> None:
    store = StrippedStore(memory("inner", "@test.com"), suffix="@test.com")
    found = store.lookup("@test.com")
    assert found is not None
    assert found.name == "@test.com"


def test_the_order_is_that_of_the_whole_names() -> None:
    store = StrippedStore(memory("inner", "a", "a.b", "a!b", "B"), suffix="@x")
    assert names(store) == sorted(["a@x", "a.b@x", "a!b@x", "B@x"], key=fold)


def test_the_inner_store_verifies_by_its_own_name() -> None:
    class Own(MemoryStore):
        def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
            return (user.name, password, address) == ("bob", b"secret", "10.0.0.7")

    store = StrippedStore(Own([someone("bob")]), suffix="@x")
    found = store.lookup("bob@x")
    assert found is not None
    assert store.verify(found, b"secret", address="10.0.0.7") is True


def test_an_authority_that_knows_a_user_otherwise_is_given_out_by_the_whole_name() -> None:
    class Lagging(MemoryStore):
        def confirm(self, user: User) -> User | None:
            return None if user.name == "eve" else user.changed(info=Info('new="1"'))

    store = StrippedStore(Lagging([someone("bob"), someone("eve")]), suffix="@x")
    bob, eve = store.lookup("bob@x"), store.lookup("eve@x")
    assert bob is not None
    assert eve is not None
    known = store.confirm(bob)
    assert known is not None
    assert (known.name, known.info.text) == ("bob@x", 'new="1"')
    assert store.confirm(eve) is None
