"""What every store must do.  A store's test module inherits these classes and says how to make one and take it down.

`ReadContract` holds for every store; `WriteContract` adds what one that can be written must do.  spec/stores.md is the
source: "Every store, whatever is behind it, passes one contract test, including 'is down'".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NotSupported, NwauthError, Unavailable
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold, matcher
from tests.stores.folders import ssha, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nwauth.stores.base import Store

ODD_INFO = (
    "",
    " leading and trailing blanks \t ",
    'quota="200" fwd="fred@test.com"',
    'Quota="1" free text, a:colon and = signs QUOTA="2"',
    '"unpaired quote',
    "latin-1 \udce9 byte, utf-8 é, line separator \u2028, next line \u0085",
    "#not a comment",
    "::::",
    "x" * 9000,
)
ODD_NAMES = (
    "a",
    "Mixed.Case@Example.COM",
    "dom1_bob",
    "with blank@example.com",
    "semi;colon,comma|pipe",
    "quote'",
    "-dash",
    "50%",
    "b\udce9b",
    "jürgen@example.com",
    "JÜRGEN@two.example.com",
    "日本@example.com",
    "no\u2028separator",
    "x" * 254,
)
SEARCHED = (
    *("b", "A", "Z@x", "a-b", "a%b", "a_b", "ab", "bb", "a[b", "a\\b", "a'b", "aXb"),
    *("é", "É2", "e\u0301e", "b\udce9b", "σας", "ΣΑΣΑ", "\u212aate", "İx", "a\x1ab", "ß"),
)
PATTERNS = (
    *("", "b", "B", "*", "b*", "*B", "?", "??", "???", "a?b", "[", "%", "_", "a_b", "@x", "\\", "'", "k", "ss"),
    *("É", "*é*", "e\u0301", "b?b", "\udce9", "Σ", "*ς", "σα?*", "i?x", "\x1a", "1a"),  # noqa: RUF001 - letters of Greek are meant
)
NOBODY = (
    "",
    "nobody",
    "bob@example.co",
    "ob@example.com",
    "bob@example.com ",
    "#bob@example.com",
    "bob@example.com:",
    "*",
    "bob*",
    "\udcff",
)


def answers(store: Store) -> bool:
    """Whether it can tell."""
    try:
        store.lookup("bob")
    except Unavailable:
        return False
    return True


def someone(name: str, *, password: str = "secret", info: str = "") -> User:
    return User(name=name, stored_password=ssha(password), info=Info(info))


class ReadContract(ABC):
    """What a store must do even where it can only be read."""

    @abstractmethod
    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        """A store that holds `users`."""

    @abstractmethod
    def take_down(self, store: Store) -> None:
        """Make it so that the store cannot tell."""

    @abstractmethod
    def bring_back(self, store: Store) -> None:
        """Undo `take_down`."""

    def of_store(self, store: Store, user: User) -> User:
        """`user` as the store gives it out."""
        return User(name=user.name, stored_password=user.stored_password, info=user.info, store=store.name)

    def test_a_user_who_is_there_is_found(self, tmp_path: Path) -> None:
        bob = someone("bob@example.com", info='quota="1"')
        store = self.new_store(tmp_path, [bob, someone("alice")])
        found = store.lookup("bob@example.com")
        assert found is not None
        assert (found.name, found.stored_password, found.info) == (bob.name, bob.stored_password, bob.info)
        store.close()

    @pytest.mark.parametrize("name", NOBODY)
    def test_a_name_that_nobody_has_is_definitely_absent(self, tmp_path: Path, name: str) -> None:
        store = self.new_store(tmp_path, [someone("bob@example.com")])
        assert store.lookup(name) is None
        store.close()

    @pytest.mark.parametrize("asked", ["bob@example.com", "BOB@EXAMPLE.COM", "BoB@eXample.com"])
    def test_a_look_up_ignores_case_and_gives_the_stored_spelling(self, tmp_path: Path, asked: str) -> None:
        store = self.new_store(tmp_path, [someone("Bob@Example.com")])
        found = store.lookup(asked)
        assert found is not None
        assert found.name == "Bob@Example.com"
        store.close()

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_an_old_base_may_hold_any_spelling(self, tmp_path: Path, name: str) -> None:
        store = self.new_store(tmp_path, [someone("alice"), someone(name), someone("zoe")])
        found = store.lookup(name)
        assert found is not None
        assert found.name == name
        assert [user.name for user in store.search()].count(name) == 1
        store.close()

    @pytest.mark.parametrize("info", ODD_INFO)
    def test_info_is_kept_byte_for_byte(self, tmp_path: Path, info: str) -> None:
        store = self.new_store(tmp_path, [someone("bob", info=info), someone("eve", info='a="b"')])
        found = store.lookup("bob")
        assert found is not None
        assert found.info.text == info
        assert next(user for user in store.search() if user.name == "bob").info.text == info
        store.close()

    def test_a_search_gives_every_user_once_by_folded_name(self, tmp_path: Path) -> None:
        names = ["b", "A", "Z@x", "a-b", "a.b", "a_b", "aa", "é", "É2", "0", "~", "B1", "zz"]
        store = self.new_store(tmp_path, [someone(name) for name in names])
        assert [user.name for user in store.search()] == sorted(names, key=lambda name: fold(name).encode())
        store.close()

    def test_a_search_of_an_empty_store_is_empty(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [])
        assert list(store.search()) == []
        assert store.lookup("bob") is None
        store.close()

    @pytest.mark.parametrize("pattern", PATTERNS)
    def test_a_narrowed_search_leaves_nobody_out_who_matches(self, tmp_path: Path, pattern: str) -> None:
        store = self.new_store(tmp_path, [someone(name) for name in SEARCHED])
        given = [user.name for user in store.search(pattern)]
        everybody = sorted(SEARCHED, key=lambda name: fold(name).encode(ENCODING, ERRORS))
        matches = matcher(pattern)
        assert {name for name in given if matches(fold(name))} == {name for name in everybody if matches(fold(name))}
        in_order = [name for name in given if "\udce9" not in name]  # what is no Unicode, a database may sort elsewhere
        assert in_order == [name for name in everybody if name in in_order]
        count = store.count()
        assert count == len(SEARCHED) or (count is None and len(given) == len(everybody))
        store.close()

    def test_a_user_just_given_out_is_confirmed(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        user = store.lookup("bob")
        assert user is not None
        assert store.confirm(user) == user
        store.close()

    def test_a_user_says_which_store_knows_it(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        found = store.lookup("bob")
        assert found is not None
        assert found.store == self.of_store(store, someone("bob")).store
        store.close()

    def test_a_stored_password_is_not_shown_by_repr(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        assert ssha("secret") not in repr(store.lookup("bob"))
        store.close()

    @pytest.mark.parametrize("asked", ["bob", "nobody"])
    def test_a_look_up_while_the_store_is_down_is_unavailable_for_known_and_unknown(
        self, tmp_path: Path, asked: str
    ) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        self.take_down(store)
        with pytest.raises(Unavailable) as raised:
            store.lookup(asked)
        assert raised.value.temporary
        store.close()

    def test_a_search_while_the_store_is_down_is_unavailable(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        self.take_down(store)
        with pytest.raises(Unavailable):
            list(store.search())
        store.close()

    def test_a_store_that_comes_back_answers_again_by_itself(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        self.take_down(store)
        with pytest.raises(Unavailable):
            store.lookup("bob")
        store.tend()
        self.bring_back(store)
        assert until(lambda: answers(store))  # what was begun while it was down may yet end
        assert store.lookup("bob") is not None
        assert store.lookup("nobody") is None
        store.close()

    def test_a_closed_store_can_be_closed_again(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        assert store.lookup("bob") is not None
        store.close()
        store.close()


class ReadOnlyContract(ReadContract):
    """What a store that can never be written must do."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda store: store.put(someone("new")),
            lambda store: store.replace(store.lookup("bob"), someone("bob", password="other")),
            lambda store: store.delete("bob"),
            lambda store: store.delete("bob", only=store.lookup("bob")),
            lambda store: store.put_all([someone("new")]),
            lambda store: store.make(),
        ],
    )
    def test_every_change_is_not_supported(self, tmp_path: Path, change: Callable[[Store], object]) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        with pytest.raises(NotSupported):
            change(store)
        assert [user.name for user in store.search()] == ["bob"]
        store.close()


class WriteContract(ReadContract):
    """What a store that can be written must do."""

    def test_a_user_put_is_found_at_once(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("alice")])
        bob = someone("Bob", info='quota="1"')
        assert store.put(bob)
        found = store.lookup("bob")
        assert found is not None
        assert (found.name, found.stored_password, found.info) == (bob.name, bob.stored_password, bob.info)
        assert [user.name for user in store.search()] == ["alice", "Bob"]
        store.close()

    def test_a_second_spelling_can_never_be_added(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob@example.com", password="first")])
        assert not store.put(someone("BOB@example.com", password="second"))
        assert not store.put(someone("bob@example.com", password="third"))
        found = store.lookup("bob@example.com")
        assert found is not None
        assert (found.name, found.stored_password) == ("bob@example.com", ssha("first"))
        assert len(list(store.search())) == 1
        store.close()

    def test_putting_the_same_user_twice_is_refused_the_second_time(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [])
        bob = someone("bob")
        assert store.put(bob)
        assert not store.put(bob)
        store.close()

    def test_two_forms_of_one_name_beyond_ascii_are_one_user(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [])
        assert store.put(someone("J\u00dcRGEN"))
        assert not store.put(someone("ju\u0308rgen"))  # decomposed
        assert store.put(someone("\u212aate"))  # the Kelvin sign folds to a plain k
        assert not store.put(someone("kate"))
        assert store.delete("KATE")
        assert store.lookup("\u212aate") is None
        store.close()

    def test_many_users_are_added_at_once_and_those_whose_name_is_taken_come_back(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("alice", password="first"), someone("zoe")])
        users = [someone(f"user{number}", info=f'n="{number}"') for number in range(300)]
        taken = [someone("ALICE", password="second"), someone("USER7"), someone("zoe")]
        batch = [taken[0], *users[:200], taken[1], taken[2], *users[200:]]
        assert store.put_all(batch) == taken
        assert [user.name for user in store.search()] == sorted(["alice", "zoe", *(user.name for user in users)])
        for user in (users[0], users[7], users[299], someone("alice", password="first")):
            found = store.lookup(user.name.upper())
            assert found is not None
            assert (found.name, found.stored_password, found.info) == (user.name, user.stored_password, user.info)
        store.settle()
        assert len(list(store.search())) == 302
        store.close()

    def test_nobody_at_all_can_be_added_at_once(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("alice")])
        assert store.put_all([]) == []
        store.settle()
        assert [user.name for user in store.search()] == ["alice"]
        store.close()

    def test_a_batch_whose_names_are_all_taken_changes_nothing(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("alice"), someone("bob")])
        batch = [someone("Bob", password="x"), someone("aLice", password="y")]
        assert store.put_all(batch) == batch
        assert [user.stored_password for user in store.search()] == [ssha("secret")] * 2
        store.close()

    def test_batches_follow_each_other(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [])
        for number in range(5):
            assert store.put_all([someone(f"user{number}-{one}") for one in range(20)]) == []
            assert store.put(someone(f"between{number}"))
        store.settle()
        assert len(list(store.search())) == 105
        assert store.delete("user3-7")
        assert store.put_all([someone("user3-7"), someone("user3-8")]) == [someone("user3-8")]
        store.close()

    def test_odd_users_are_added_at_once_byte_for_byte(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [])
        users = [someone(name, info=ODD_INFO[at % len(ODD_INFO)]) for at, name in enumerate(ODD_NAMES)]
        users += [someone(f"user{at}", info=info) for at, info in enumerate(ODD_INFO)]
        assert store.put_all(users) == []
        for user in users:
            found = store.lookup(user.name)
            assert found is not None
            assert (found.name, found.stored_password, found.info) == (user.name, user.stored_password, user.info)
        store.close()

    def test_a_batch_with_a_user_that_cannot_be_held_is_refused_or_held_whole(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("alice")])
        hostile = User(name="eve\nroot", stored_password=ssha("x"), info=Info("a\nroot:*root:"))
        try:
            assert store.put_all([someone("bob"), hostile, someone("carl")]) == []
        except NwauthError:
            assert store.lookup(hostile.name) is None
        else:
            assert store.lookup(hostile.name) is not None
        assert store.lookup("root") is None
        assert store.lookup("alice") is not None
        store.close()

    def test_replace_puts_the_new_in_the_place_of_the_old(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("Bob", password="old"), someone("eve")])
        old = store.lookup("bob")
        assert old is not None
        new = old.changed(stored_password=ssha("new"), info=Info('a="1"'))
        assert store.replace(old, new)
        assert store.lookup("BOB") == new
        assert len(list(store.search())) == 2
        store.close()

    def test_replace_is_compare_and_set(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob", password="old")])
        old = store.lookup("bob")
        assert old is not None
        newer = old.changed(info=Info('a="1"'))
        assert store.replace(old, newer)
        assert not store.replace(old, old.changed(stored_password=ssha("stale")))
        assert store.lookup("bob") == newer
        store.close()

    def test_replace_never_brings_a_deleted_user_back(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        old = store.lookup("bob")
        assert old is not None
        assert store.delete("bob")
        assert not store.replace(old, old.changed(stored_password=ssha("new")))
        assert store.lookup("bob") is None
        store.close()

    def test_replace_of_a_user_who_never_was_changes_nothing(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [])
        ghost = self.of_store(store, someone("ghost"))
        assert not store.replace(ghost, ghost.changed(stored_password=ssha("new")))
        assert store.lookup("ghost") is None
        store.close()

    def test_a_rename_in_one_step_keeps_all_else_or_is_left_to_put_and_delete(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("Bob"), someone("eve")])
        old = store.lookup("bob")
        assert old is not None
        new = old.changed(name="robert")
        done = store.rename(old, new)
        assert done in (True, None)
        assert store.lookup("ROBERT") == (new if done else None)
        assert store.lookup("bob") == (None if done else old)
        assert store.lookup("eve") is not None
        store.close()

    def test_a_rename_takes_nobody_elses_name_and_overtakes_no_change(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob"), someone("eve")])
        old, eve = store.lookup("bob"), store.lookup("eve")
        assert old is not None
        assert not store.rename(old, old.changed(name="EVE"))
        newer = old.changed(stored_password=ssha("newer"))
        assert store.replace(old, newer)
        try:
            assert store.rename(old, old.changed(name="robert")) is None
        except Unavailable:
            pass
        assert (store.lookup("bob"), store.lookup("eve"), store.lookup("robert")) == (newer, eve, None)
        store.close()

    def test_a_deleted_user_is_gone_and_the_others_stay(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob"), someone("Bobby"), someone("alice")])
        assert store.delete("BOB")
        assert store.lookup("bob") is None
        assert [user.name for user in store.search()] == ["alice", "Bobby"]
        store.close()

    def test_deleting_who_is_not_there_is_false(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob")])
        assert not store.delete("nobody")
        assert store.delete("bob")
        assert not store.delete("bob")
        store.close()

    def test_a_deletion_can_be_of_one_state_of_a_user_only(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("Bob", password="old"), someone("eve")])
        old, eve = store.lookup("bob"), store.lookup("eve")
        assert old is not None
        assert eve is not None
        newer = old.changed(info=Info('q="1"'))
        assert store.replace(old, newer)
        assert not store.delete("bob", only=old)
        assert not store.delete("bob", only=newer.changed(name="BOB"))
        assert not store.delete("bob", only=eve)
        assert store.lookup("bob") == newer
        assert store.delete("BOB", only=newer)
        assert store.lookup("bob") is None
        assert not store.delete("bob", only=newer)
        assert [user.name for user in store.search()] == ["eve"]
        store.close()

    def test_a_deleted_name_can_be_added_again_in_a_new_spelling(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path, [someone("bob", password="old", info='a="1"')])
        assert store.delete("bob")
        assert store.put(someone("BOB", password="new"))
        found = store.lookup("bob")
        assert found is not None
        assert (found.name, found.stored_password, found.info.text) == ("BOB", ssha("new"), "")
        store.close()

    @pytest.mark.parametrize("info", ODD_INFO)
    def test_info_survives_a_put_and_a_replace_byte_for_byte(self, tmp_path: Path, info: str) -> None:
        store = self.new_store(tmp_path, [])
        assert store.put(someone("bob", info=info))
        found = store.lookup("bob")
        assert found is not None
        assert found.info.text == info
        assert store.replace(found, found.changed(stored_password=ssha("new")))
        again = store.lookup("bob")
        assert again is not None
        assert again.info.text == info
        store.close()

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_an_odd_name_can_be_changed_and_deleted(self, tmp_path: Path, name: str) -> None:
        store = self.new_store(tmp_path, [someone("alice"), someone(name), someone("zoe")])
        old = store.lookup(name)
        assert old is not None
        assert store.replace(old, old.changed(stored_password=ssha("new")))
        found = store.lookup(name)
        assert found is not None
        assert found.stored_password == ssha("new")
        assert store.delete(name)
        assert store.lookup(name) is None
        assert [user.name for user in store.search()] == ["alice", "zoe"]
        store.close()

    @pytest.mark.parametrize(
        "hostile",
        [
            User(name="eve\nroot", stored_password=ssha("x"), info=Info()),
            User(name="eve:x", stored_password=ssha("x"), info=Info()),
            User(name="#eve", stored_password=ssha("x"), info=Info()),
            User(name="", stored_password=ssha("x"), info=Info()),
            User(name="eve\0", stored_password=ssha("x"), info=Info()),
            User(name="eve", stored_password="x\nroot:*root", info=Info()),
            User(name="eve", stored_password="x:y", info=Info()),
            User(name="eve", stored_password="x", info=Info("a\nroot:*root:")),
            User(name="eve", stored_password="x", info=Info("nul \0 byte")),
            User(name="eve", stored_password="x", info=Info("ends in a return\r")),
        ],
        ids=lambda user: repr((user.name, user.stored_password, user.info.text))[:40],
    )
    def test_what_a_store_cannot_hold_is_refused_and_never_becomes_another_user(
        self, tmp_path: Path, hostile: User
    ) -> None:
        store = self.new_store(tmp_path, [someone("alice")])
        try:
            assert store.put(hostile)
        except NwauthError:
            assert [user.name for user in store.search()] == ["alice"]
        else:
            found = store.lookup(hostile.name)
            assert found is not None
            assert (found.name, found.stored_password, found.info) == (
                hostile.name,
                hostile.stored_password,
                hostile.info,
            )
            assert {user.name for user in store.search()} == {"alice", hostile.name}
        assert store.lookup("root") is None
        store.close()

    @pytest.mark.parametrize(
        "change",
        [
            lambda store, _: store.put(someone("new")),
            lambda store, _: store.put(someone("bob")),
            lambda store, bob: store.replace(bob, bob.changed(stored_password=ssha("other"))),
            lambda store, _: store.delete("bob"),
            lambda store, _: store.delete("nobody"),
            lambda store, bob: store.delete("bob", only=bob),
            lambda store, _: store.put_all([someone("new"), someone("newer")]),
        ],
    )
    def test_every_change_while_the_store_is_down_is_unavailable_and_leaves_no_trace(
        self, tmp_path: Path, change: Callable[[Store, User], object]
    ) -> None:
        store = self.new_store(tmp_path, [someone("bob"), someone("eve")])
        bob = store.lookup("bob")
        assert bob is not None
        self.take_down(store)
        with pytest.raises(Unavailable):
            change(store, bob)
        self.bring_back(store)
        assert store.lookup("bob") == bob
        assert [user.name for user in store.search()] == ["bob", "eve"]
        store.close()
