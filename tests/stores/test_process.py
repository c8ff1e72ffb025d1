"""The store of an external module, over a real nwauth: the contract, and every operation through it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import fold
from nwauth.stores.process import ProcessStore
from tests.serving import COMMAND, make_folder
from tests.stores.contract import ODD_INFO, ODD_NAMES, PATTERNS, SEARCHED, ReadContract, ReadOnlyContract, someone
from tests.stores.folders import line, many, ssha
from tests.stores.process_modules import Rude, end, nwauth_store, pid_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nwauth.stores.base import Store


def clear(name: str, password: str = "secret", info: str = "") -> User:
    """A user who is to be added: with the password itself."""
    return User(name=name, stored_password="{CLEAR}" + password, info=Info(info), store="process")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the nwauth behind serves."""
    lines = line("Bob@test.com", info='quota="1" Fwd="b@c"') + line("alice@test.com", password="other")
    return make_folder(tmp_path / "inner", lines)


@pytest.fixture
def store(folder: Path) -> ProcessStore:
    return nwauth_store(folder)


# --- the contract ----------------------------------------------------------------------------------------------------


class Behind(ReadContract):
    """What holds for a store whose source is a line: names are words, and a tab is the blank that it stands for."""

    read_only = lists_in_order = False

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        make_folder(folder / "inner", b"".join(line(user.name, info=user.info.text) for user in users))
        module = folder / "module"
        module.write_text(f'#!/bin/sh\ntest -e "$0.down" || exec {COMMAND} -path "{folder}/inner"\n')
        module.chmod(0o755)
        return ProcessStore(
            (str(module),),
            pause_seconds=0.0,
            timeout_seconds=20.0,
            read_only=self.read_only,
            lists_in_order=self.lists_in_order,
        )

    def take_down(self, store: Store) -> None:
        assert isinstance(store, ProcessStore)
        open(f"{store._module.program}.down", "x").close()
        if store._module._keeper.child is not None:
            end(pid_of(store))

    def bring_back(self, store: Store) -> None:
        assert isinstance(store, ProcessStore)
        os.unlink(f"{store._module.program}.down")

    def of_store(self, store: Store, user: User) -> User:
        return User(name=user.name, stored_password="", info=user.info, store=store.name)

    def test_a_user_who_is_there_is_found(self, tmp_path: Path) -> None:
        bob = someone("bob@example.com", info='quota="1"')
        store = self.new_store(tmp_path, [bob, someone("alice")])
        assert store.lookup("bob@example.com") == self.of_store(store, bob)
        store.close()

    @pytest.mark.parametrize("name", [name for name in ODD_NAMES if " " not in name])
    def test_an_old_base_may_hold_any_spelling(self, tmp_path: Path, name: str) -> None:
        super().test_an_old_base_may_hold_any_spelling(tmp_path, name)

    @pytest.mark.parametrize("info", [info for info in ODD_INFO if "\t" not in info])
    def test_info_is_kept_byte_for_byte(self, tmp_path: Path, info: str) -> None:
        super().test_info_is_kept_byte_for_byte(tmp_path, info)

    @pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if "\x1a" not in pattern])
    def test_a_narrowed_search_leaves_nobody_out_who_matches(self, tmp_path: Path, pattern: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            names = tuple(name for name in SEARCHED if "\x1a" not in name)
            patch.setattr("tests.stores.contract.SEARCHED", names)
            super().test_a_narrowed_search_leaves_nobody_out_who_matches(tmp_path, pattern)


class TestBehind(Behind):
    pass


class TestBehindInOrder(Behind):
    lists_in_order = True


class TestBehindReadOnly(Behind, ReadOnlyContract):
    read_only = True


# --- questions -------------------------------------------------------------------------------------------------------


def test_a_user_comes_as_the_module_knows_it_but_for_the_password(store: ProcessStore) -> None:
    assert store.lookup("BOB@test.com") == User(
        name="Bob@test.com", stored_password="", info=Info('quota="1" Fwd="b@c"'), store="process"
    )
    store.close()


def test_the_module_says_whether_a_password_is_right(store: ProcessStore) -> None:
    bob = store.lookup("bob@test.com")
    assert bob is not None
    assert store.verify(bob, b"secret") is True
    assert store.verify(bob, b"wrong") is False
    assert store.verify(bob, b"other", address="192.0.2.7") is False
    assert store.verify(bob, b"secret", address="192.0.2.7") is True
    store.close()


def test_a_drop_path_and_uid_are_taken_over(folder: Path) -> None:
    store = nwauth_store(folder, "drop_path", "1", "/var/mail")
    bob = store.lookup("bob@test.com")
    assert bob is not None
    assert (bob.drop_path, bob.uid) == ("/var/mail/b/Bob@test.com", "0")
    store.close()


@pytest.mark.parametrize(
    "password", [b"secret x", b"secret 192.0.2.7", b" secret", b"secret ", b"", b"secret\t", b"a\nb"]
)
def test_a_password_that_one_word_cannot_carry_is_wrong_and_never_sent(tmp_path: Path, password: bytes) -> None:
    rude = Rude(tmp_path, "serve()")
    bob = rude.store.lookup("bob")
    assert bob is not None
    assert rude.store.verify(bob, password, address="192.0.2.7") is False
    assert rude.requests() == ["lookup bob"]
    rude.store.close()


def test_a_password_behind_an_address_cannot_make_another_one_right(store: ProcessStore) -> None:
    bob = store.lookup("bob@test.com")
    assert bob is not None
    assert store.verify(bob, b"secret 192.0.2.7") is False
    store.close()


@pytest.mark.parametrize("address", ["always", "never"])
def test_a_module_that_takes_blanks_is_given_them(tmp_path: Path, address: str) -> None:
    text = line("bob", password="two  words ")
    toml = f'[server]\naddress = "{address}"\n[[stores]]\nkind = "flatfile"\nshared = true\n'
    inner = make_folder(tmp_path / "inner", text, toml=toml)
    store = nwauth_store(inner, address=address)
    bob = store.lookup("bob")
    assert bob is not None
    assert store.verify(bob, b"two  words ") is True
    assert store.verify(bob, b"two words ") is False
    assert store.verify(bob, b"two  words ", address="192.0.2.7") is True
    assert store.verify(bob, b"two  words  192.0.2.7", address="192.0.2.8") is False
    store.close()


@pytest.mark.parametrize(
    ("address", "known", "sent"),
    [
        ("auto", "192.0.2.7", "check bob pw 192.0.2.7"),
        ("auto", None, "check bob pw"),
        ("never", "192.0.2.7", "check bob pw"),
        ("always", "192.0.2.7", "check bob pw 192.0.2.7"),
        ("always", None, "check bob pw 0.0.0.0"),
    ],
)
def test_the_address_goes_with_the_password_as_the_module_reads_it(
    tmp_path: Path, address: str, known: str | None, sent: str
) -> None:
    rude = Rude(tmp_path, "serve()", address=address)
    bob = rude.store.lookup("bob")
    assert bob is not None
    rude.store.verify(bob, b"pw", address=known)
    assert rude.requests() == ["lookup bob", sent]
    rude.store.close()


def test_a_reason_that_the_module_gives_for_a_no_reaches_the_log(tmp_path: Path) -> None:
    rude = Rude(tmp_path, "serve(1)\nquestion()\nsay(b'-ERR account suspended')\nserve()")
    bob = rude.store.lookup("bob")
    assert bob is not None
    with pytest.raises(Refused, match=r"^the module says: account suspended$"):
        rude.store.verify(bob, b"secret")
    rude.store.close()


def test_a_user_whom_the_module_renames_is_checked_by_the_name_that_it_was_asked_for(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    words = question()
    if words[:2] in ([b"lookup", b"bob"], [b"check", b"bob"]):
        say(b"+OK bob@main.example config 0")
    else:
        answer(words)
""",
    )
    bob = rude.store.lookup("bob")
    assert bob is not None
    assert bob.name == "bob@main.example"
    assert rude.store.verify(bob, b"secret")
    assert rude.requests() == ["lookup bob", "check bob secret"]
    rude.store.close()


@pytest.mark.parametrize(
    ("reply", "drop_path", "uid", "info"),
    [
        (b"+OK bob /var/mail/bob 501", "/var/mail/bob", "501", ""),
        (b"+OK bob /var/mail/bob", "/var/mail/bob", "0", ""),
        (b"+OK bob", "config", "0", ""),
        (b"+OK bob  0", "config", "0", ""),
        (b'+OK bob config quota="1" fwd="x y"', "config", "0", 'quota="1" fwd="x y"'),
        (b'+OK bob config 0 quota="1"\r', "config", "0", 'quota="1"'),
        (b"+OK BOB config 0  odd  ", "config", "0", " odd  "),
    ],
)
def test_replies_of_older_modules_are_read(tmp_path: Path, reply: bytes, drop_path: str, uid: str, info: str) -> None:
    rude = Rude(tmp_path, f"question()\nsay({reply!r})\nserve()")
    bob = rude.store.lookup("bob")
    assert bob is not None
    assert (fold(bob.name), bob.drop_path, bob.uid, bob.info.text) == ("bob", drop_path, uid, info)
    rude.store.close()


@pytest.mark.parametrize("name", ["two words", "tab\tbed", "line\nend", "nul\0", "", "x" * 255, "\x7f"])
def test_a_name_that_no_request_can_carry_is_nobodys_and_not_asked_for(tmp_path: Path, name: str) -> None:
    rude = Rude(tmp_path, "serve()")
    assert rude.store.lookup(name) is None
    assert rude.noted("heard") == []
    rude.store.close()


def test_a_listing_of_many_is_whole_in_order_and_leaves_the_module_ready(tmp_path: Path) -> None:
    store = nwauth_store(make_folder(tmp_path / "inner", many(30_000)))
    found = [user.name for user in store.search()]
    assert len(found) == 30_000
    assert found == sorted(found)
    pid = pid_of(store)
    assert [user.name for user in store.search("user0012345")] == ["user0012345@example.com"]
    assert store.count() == 30_000
    assert store.lookup("user0000007@example.com") is not None
    assert pid_of(store) == pid
    store.close()


def test_hits_without_order_are_sorted_and_those_who_do_not_say_a_total_are_counted(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    if question()[0] == b"search":
        say(b"+DATA zoe", b'+DATA Bob quota="1"', b"+DATA alice", b"+OK")
""",
    )
    assert [(user.name, user.info.text) for user in rude.store.search("o")] == [
        ("alice", ""),
        ("Bob", 'quota="1"'),
        ("zoe", ""),
    ]
    assert rude.store.count() == 3
    assert rude.requests() == ["search o", "search *"]
    rude.store.close()


def test_hits_that_come_in_order_are_given_out_as_they_come(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path, "question()\nsay(b'+DATA alice')\nwait_for_word()\nsay(b'+DATA Bob', b'+OK')", lists_in_order=True
    )
    listing = rude.store.search()
    assert next(listing).name == "alice"
    os.kill(rude.pids()[0], signal.SIGUSR1)
    assert [user.name for user in listing] == ["Bob"]
    rude.store.close()


def test_hits_that_do_not_come_in_the_order_that_was_promised_are_no_listing(tmp_path: Path) -> None:
    text = "while True:\n    question()\n    say(b'+DATA zoe', b'+DATA Bob', b'+OK')"
    rude = Rude(tmp_path, text, lists_in_order=True)
    with pytest.raises(Unavailable, match="'Bob' came too late in a search, wanted lists_in_order = false"):
        list(rude.store.search())
    rude.store.close()


@pytest.mark.parametrize(
    ("pattern", "sent"),
    [
        ("", "search *"),
        ("bo", "search bo"),
        ("Bo*@test.com", "search Bo*@test.com"),
        ("b?b", "search b?b"),
        ("-max", "search **max*"),
        ("-f*", "search *f*"),
        ("jürg", "search *j*rg*"),
        ("J*ürg", "search j**rg"),
        ("two words", "search *two*words*"),
    ],
)
def test_a_pattern_is_passed_on_and_left_open_where_a_module_might_read_it_otherwise(
    tmp_path: Path, pattern: str, sent: str
) -> None:
    rude = Rude(tmp_path, "while True:\n    question()\n    say(b'+OK Search Complete 0 items found out of 7')")
    assert list(rude.store.search(pattern)) == []
    assert rude.store.count() == 7
    assert rude.requests() == [sent]
    rude.store.close()


def test_a_listing_that_nobody_takes_to_its_end_is_no_answer_to_what_is_asked_next(store: ProcessStore) -> None:
    listing = store.search()
    next(listing)
    assert store.lookup("bob@test.com") is not None
    listing.close()  # type: ignore[attr-defined]
    assert store.lookup("nobody") is None
    store.close()


# --- changes ---------------------------------------------------------------------------------------------------------


def test_a_user_is_added_by_the_modules_own_set(store: ProcessStore) -> None:
    assert store.put(clear("Carl@test.com", info='quota="2" full_name="Carl C."'))
    carl = store.lookup("carl@test.com")
    assert carl is not None
    assert (carl.name, carl.info.text) == ("Carl@test.com", 'quota="2" full_name="Carl C."')
    assert store.verify(carl, b"secret")
    assert not store.put(clear("CARL@test.com", password="second"))
    assert store.verify(carl, b"secret")
    store.close()


def test_a_change_gives_the_module_what_has_changed_and_what_stays(store: ProcessStore) -> None:
    bob = store.lookup("bob@test.com")
    assert bob is not None
    new = bob.changed(info=bob.info.updated({"quota": "", "phone": "12"}))
    assert store.replace(bob, new)
    assert store.lookup("bob@test.com") == new
    assert store.verify(new, b"secret")
    assert store.replace(new, new.changed(stored_password="{CLEAR}newer"))
    assert store.lookup("bob@test.com") == new
    assert store.verify(new, b"newer")
    assert not store.verify(new, b"secret")
    store.close()


@pytest.mark.parametrize(
    ("send_fields", "sent"), [("all", 'set bob (NULL) b="3" c="4" a=""'), ("changed", 'set bob (NULL) c="4" a=""')]
)
def test_all_fields_are_sent_or_the_changed_ones_alone(tmp_path: Path, send_fields: str, sent: str) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    words = question()
    say(b'+OK bob config 0 a="1" b="3"') if words[0] == b"lookup" else answer(words)
""",
        send_fields=send_fields,
    )
    bob = rude.store.lookup("bob")
    assert bob is not None
    assert rude.store.replace(bob, bob.changed(info=bob.info.updated({"a": "", "c": "4"})))
    assert rude.requests()[-1] == sent
    rude.store.close()


def test_a_change_of_what_has_been_changed_meanwhile_is_not_made(store: ProcessStore) -> None:
    bob = store.lookup("bob@test.com")
    assert bob is not None
    newer = bob.changed(info=Info('quota="9"'))
    assert store.replace(bob, newer)
    assert not store.replace(bob, bob.changed(stored_password="{CLEAR}stale"))
    assert store.verify(newer, b"secret")
    assert store.delete("bob@test.com")
    assert not store.replace(newer, newer.changed(stored_password="{CLEAR}back"))
    assert store.lookup("bob@test.com") is None
    store.close()


def test_a_deletion_can_be_of_one_state_of_a_user_only(store: ProcessStore) -> None:
    bob = store.lookup("bob@test.com")
    assert bob is not None
    assert not store.delete("bob@test.com", only=bob.changed(info=Info("other")))
    assert store.delete("BOB@test.com", only=bob)
    assert not store.delete("bob@test.com")
    assert [user.name for user in store.search()] == ["alice@test.com"]
    store.close()


def test_a_user_whom_the_module_renames_is_changed_by_the_name_that_it_was_asked_for(tmp_path: Path) -> None:
    text = """
while True:
    words = question()
    say(b"+OK bob@main.example config 0") if words[:2] == [b"lookup", b"bob"] else answer(words)
"""
    rude = Rude(tmp_path, text)
    bob = rude.store.lookup("bob")
    assert bob is not None
    assert rude.store.replace(bob, bob.changed(stored_password="{CLEAR}newer"))
    assert rude.store.delete("bob@main.example", only=bob)
    assert rude.requests() == ["lookup bob", "lookup bob", "set bob newer", "lookup bob", "del bob"]
    rude.store.close()


@pytest.mark.parametrize(
    "user",
    [
        clear("carl").changed(stored_password=ssha("secret")),
        clear("carl").changed(stored_password=""),
        clear("carl", password="two words"),
        clear("carl", password="(NULL)"),
        clear("carl", password=""),
        clear("carl", password="x" * 1025),
        clear("carl", password="a\nset root x"),
        clear("two words"),
        clear("carl\nset root x"),
        clear("carl", info='a="1" odd'),
        clear("carl", info='a="1\nset root x"'),
        clear("carl", info=" ".join(f'field{number}="{number:0500}"' for number in range(20))),
        User(name="carl", stored_password="{CLEAR}x", info=Info(), drop_path="/var/mail"),
        User(name="carl", stored_password="{CLEAR}x", info=Info(), ip_mask="10.*"),
    ],
    ids=lambda user: repr((user.name, user.stored_password, user.info.text))[:40],
)
def test_what_a_module_cannot_be_told_is_refused_before_it_is_asked(tmp_path: Path, user: User) -> None:
    rude = Rude(tmp_path, "serve()")
    with pytest.raises(Refused) as raised:
        rude.store.put(user)
    assert user.stored_password not in str(raised.value) or not user.stored_password
    assert rude.noted("heard") == []
    rude.store.close()


def test_nobody_is_renamed_for_the_password_would_be_lost(store: ProcessStore) -> None:
    bob = store.lookup("bob@test.com")
    assert bob is not None
    with pytest.raises(Refused, match="nobody in it can be renamed"):
        store.rename(bob, bob.changed(name="robert@test.com"))
    assert store.lookup("bob@test.com") == bob
    store.close()


def test_a_module_that_can_only_be_read_says_so(folder: Path) -> None:
    store = nwauth_store(folder, "-readonly")
    bob = store.lookup("bob@test.com")
    assert bob is not None
    changes: list[Callable[[], object]] = [
        lambda: store.put(clear("carl@test.com")),
        lambda: store.replace(bob, bob.changed(info=Info('a="1"'))),
        lambda: store.delete("bob@test.com"),
    ]
    for change in changes:
        with pytest.raises(NotSupported):
            change()
    assert store.lookup("bob@test.com") == bob
    store.close()


@pytest.mark.parametrize(
    "text", ["unknown command", "usage: lookup <user>", "set: not implemented", "Invalid command set"]
)
def test_a_module_that_does_not_know_a_command_has_not_said_that_somebody_is_absent(tmp_path: Path, text: str) -> None:
    rude = Rude(tmp_path, f"while True:\n    question()\n    say(b'-ERR {text}')")
    assert f"says: -ERR {text}" in str(rude.outcome("bob"))
    with pytest.raises(NotSupported):
        list(rude.store.search())
    rude.store.close()


def test_a_refusal_of_a_change_is_told_in_the_modules_words(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    words = question()
    say(b"-ERR the licence holds 10 users") if words[0] in (b"set", b"del") else answer(words)
""",
    )
    with pytest.raises(Refused, match=r"^the licence holds 10 users$"):
        rude.store.put(clear("carl"))
    with pytest.raises(Refused, match=r"^the licence holds 10 users$"):
        rude.store.delete("bob")
    assert not rude.store.delete("nobody")
    rude.store.close()


def test_texts_that_the_settings_name_are_no_no(tmp_path: Path) -> None:
    rude = Rude(
        tmp_path,
        """
while True:
    words = question()
    say(b"-ERR Cannot open Database") if words[1] == b"carl" else answer(words)
""",
        dead_texts=("cannot open",),
    )
    assert "says: -ERR Cannot open Database" in str(rude.outcome("carl"))
    assert rude.store.lookup("nobody") is None
    rude.store.close()


# --- upkeep ----------------------------------------------------------------------------------------------------------


def test_making_a_base_sees_that_the_module_answers(store: ProcessStore, tmp_path: Path) -> None:
    assert store.make() is False
    assert pid_of(store) > 0
    store.close()
    with pytest.raises(Unavailable, match="No such file"):
        ProcessStore((str(tmp_path / "missing"),)).make()


def test_the_place_names_the_program_and_none_of_its_words() -> None:
    assert ProcessStore(("/opt/odbcauth", "-password", "hush")).place() == "the module /opt/odbcauth"
