"""System users: the contract, and which account a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NotSupported, Unavailable
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold
from tests.stores import contract
from tests.stores.contract import ReadOnlyContract, someone
from tests.systemusers import Machine, Process, RemoteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nwauth.stores.base import Store

# What no account can be named: an account's line is split at colons, and names with a slash or a control character, and
# those that the C library keeps for lines of its own, reach no system.
NO_ACCOUNTS = ("-dash", "a\x1ab")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def process(machine: Machine) -> Iterator[Process]:
    with Process(machine) as process:
        yield process


class SystemContract(ReadOnlyContract):
    """The contract, as far as accounts can hold what it asks for: they have no info, and not every name."""

    passwords: str

    @pytest.fixture(autouse=True)
    def _machine(self, machine: Machine, process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self.process = machine, process
        monkeypatch.setattr(contract, "SEARCHED", tuple(n for n in contract.SEARCHED if n not in NO_ACCOUNTS))

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        assert folder.is_dir()
        self.machine.accounts(*(f"{user.name}:x:{1000 + at}:100::/home:/bin/sh" for at, user in enumerate(users)))
        self.machine.shadows(*(f"{user.name}:{user.stored_password}:20000::::::" for user in users))
        return self.process.store(passwords=self.passwords)

    def take_down(self, store: Store) -> None:
        assert store.name == "system"
        (self.machine.etc / "passwd").rename(self.machine.etc / "passwd.gone")

    def bring_back(self, store: Store) -> None:
        assert store.name == "system"
        (self.machine.etc / "passwd.gone").rename(self.machine.etc / "passwd")

    def of_store(self, store: Store, user: User) -> User:
        at = [one.name for one in store.search()].index(user.name)
        password = user.stored_password if self.passwords == "shadow" else ""
        return User(name=user.name, stored_password=password, info=Info(), uid=str(1000 + at), store=store.name)

    def test_a_user_who_is_there_is_found(self, tmp_path: Path) -> None:
        bob = someone("bob@example.com", info='quota="1"')
        store = self.new_store(tmp_path, [bob, someone("zoe")])
        assert store.lookup("bob@example.com") == self.of_store(store, bob)

    @pytest.mark.parametrize("name", [name for name in contract.ODD_NAMES if name not in NO_ACCOUNTS])
    def test_an_old_base_may_hold_any_spelling(self, tmp_path: Path, name: str) -> None:
        super().test_an_old_base_may_hold_any_spelling(tmp_path, name)

    @pytest.mark.parametrize("info", ["", 'quota="1"'])
    def test_info_is_kept_byte_for_byte(self, tmp_path: Path, info: str) -> None:
        store = self.new_store(tmp_path, [someone("bob", info=info)])
        found = store.lookup("bob")
        assert found is not None
        assert found.info.text == ""


class TestByShadow(SystemContract):
    passwords = "shadow"


class TestByPam(SystemContract):
    passwords = "pam"


# --- which account a name means ---------------------------------------------------------------------------------------


def account(name: str, uid: int = 1000, home: str = "/home/bob") -> str:
    return f"{name}:x:{uid}:100::{home}:/bin/sh"


def meant(store: RemoteStore, name: str) -> str | None:
    user = store.lookup(name)
    return None if user is None else user.name


@pytest.mark.parametrize(
    ("accounts", "asked", "found"),
    [
        (["bob"], "bob", "bob"),
        (["bob"], "BOB", "bob"),
        (["Bob"], "bob", "Bob"),
        (["BOB", "bob"], "bob", "bob"),  # the exact spelling first
        (["BOB", "bob"], "BOB", "BOB"),
        (["BOB", "bob"], "Bob", "bob"),  # no unambiguous match: then the lower-cased name, as DSMTP 2.5c
        (["Bob", "Bob"], "bob", "Bob"),  # the same account twice is one
        (["bobby"], "bob", None),
        (["xbob", " bob"], "BOB", "bob"),  # the C library passes over leading blanks
        (["#bob"], "bob", None),
        (["Jürgen"], "JÜRGEN", "Jürgen"),
        (["jürgen", "bob"], "Bob", "bob"),
    ],
)
def test_a_name_means_the_exact_spelling_else_the_one_that_differs_in_case_only(
    machine: Machine, process: Process, accounts: list[str], asked: str, found: str | None
) -> None:
    machine.accounts(*(account(name, 1000 + at) for at, name in enumerate(accounts)))
    assert meant(process.store(), asked) == found


def test_of_two_that_differ_in_case_only_neither_is_guessed(machine: Machine, process: Process) -> None:
    machine.accounts(account("BOB"), account("Bob", 1001))
    assert meant(process.store(), "bob") is None
    assert meant(process.store(), "BOB") == "BOB"


@pytest.mark.parametrize(("asked", "found"), [("bob", "bob"), ("Bob", None), ("BOB", None), ("CARL", "CARL")])
def test_unix_case_allows_only_the_exact_spelling(
    machine: Machine, process: Process, asked: str, found: str | None
) -> None:
    machine.accounts(account("bob"), account("CARL", 1001))
    assert meant(process.store(unix_case=True), asked) == found


@pytest.mark.parametrize(("asked", "found"), [("BOB", "bob"), ("Bob", "bob"), ("carl", None), ("CARL", "CARL")])
def test_without_the_walk_the_lower_cased_name_is_still_asked_for(
    machine: Machine, process: Process, asked: str, found: str | None
) -> None:
    machine.accounts(account("bob"), account("CARL", 1001))
    assert meant(process.store(walk=False), asked) == found


@pytest.mark.parametrize("uid", [0, 1, 999, 2001, 65534, 65535, 2**32 - 2, 2**32 - 1])
@pytest.mark.parametrize("asked", ["bob", "BOB"])
def test_accounts_of_the_system_itself_are_nobody(machine: Machine, process: Process, uid: int, asked: str) -> None:
    machine.accounts(account("bob", uid), account("carl", 1000), account("dave", 2000))
    store = process.store(max_uid=2000)
    assert meant(store, asked) is None
    assert [user.name for user in store.search()] == ["carl", "dave"]


def test_without_max_uid_the_ids_of_a_directory_in_the_network_are_users(machine: Machine, process: Process) -> None:
    machine.accounts(account("bob", 1_700_000_123), account("nobody", 65534))
    store = process.store()
    found = store.lookup("BOB")
    assert found is not None
    assert found.uid == "1700000123"
    assert meant(store, "nobody") is None


def test_an_account_of_the_system_does_not_make_a_users_name_ambiguous(machine: Machine, process: Process) -> None:
    machine.accounts(account("BOB", 5), account("Bob", 1000))
    assert meant(process.store(), "bob") == "Bob"


def test_a_name_that_the_system_itself_has_is_nobody_elses(machine: Machine, process: Process) -> None:
    machine.accounts(account("mail", 8), account("Mail", 1000))
    assert meant(process.store(), "mail") is None


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "bob\0", "\0", "a:b", "../etc/passwd", "a/b", "bob\n", "bob\tx", "\x7f", "x" * 256, "é" * 128],
)
def test_what_no_account_can_be_named_is_absent_even_while_the_system_cannot_tell(
    machine: Machine, process: Process, name: str
) -> None:
    machine.accounts(account("bob"))
    (machine.etc / "passwd").rename(machine.etc / "passwd.gone")
    store = process.store()
    with pytest.raises(Unavailable):
        store.lookup("bob")
    assert store.lookup(name) is None


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("config", "config"),
        ("{home}/Mailbox", "/home/{name}/bob/Mailbox"),
        ("/var/mail/{name}", "/var/mail/Bob"),
        ("{home}/{name}{name}", "/home/{name}/bob/BobBob"),
    ],
)
def test_the_drop_path_is_made_of_the_account(machine: Machine, process: Process, template: str, path: str) -> None:
    machine.accounts(account("Bob", home="/home/{name}/bob"))  # a brace in a folder's name is only a brace
    found = process.store(drop_path=template).lookup("bob")
    assert found is not None
    assert (found.drop_path, found.uid) == (path, "1000")


@pytest.mark.parametrize("home", ["", "home/bob"])
def test_an_account_without_a_home_has_no_drop_path_in_it(machine: Machine, process: Process, home: str) -> None:
    machine.accounts(account("bob", home=home))
    with pytest.raises(Unavailable, match="the account 'bob' has no home folder for drop_path, found"):
        process.store(drop_path="{home}/Mailbox").lookup("bob")
    assert meant(process.store(drop_path="/mail/{name}"), "bob") == "bob"
    machine.accounts(account("bob", home=home), account("eve", 1001, home="/home/eve"))
    listed = process.store(drop_path="{home}/Mailbox").search()  # and hides nobody else
    assert [(user.name, user.unsayable().partition(": ")[0]) for user in listed] == [
        ("bob", "the drop path of 'bob' holds a blank"),
        ("eve", ""),
    ]


def test_an_account_too_large_for_the_first_buffer_is_found(machine: Machine, process: Process) -> None:
    home = "/home/" + "x" * 60_000
    machine.accounts(account("small"), account("bob", home=home), account("zoe"))
    store = process.store(drop_path="{home}")
    for asked in ("bob", "BOB"):
        found = store.lookup(asked)
        assert found is not None
        assert found.drop_path == home
    assert [user.name for user in store.search()] == ["bob", "small", "zoe"]


def test_a_listing_names_everybody_once_the_first_counts(machine: Machine, process: Process) -> None:
    machine.accounts(account("b"), account("a", 1001), account("b", 1002), account("B", 1003), account("root", 0))
    machine.shadows("b:first:1::::::", "a:field:1::::::", "b:second:1::::::", "root:secret:1::::::", "ghost:x:1::::::")
    found = list(process.store(passwords="shadow").search())
    assert [(user.name, user.uid, user.stored_password) for user in found] == [
        ("a", "1001", "field"),
        ("b", "1000", "first"),
        ("B", "1003", "x"),
    ]


def test_a_listing_of_many_is_sorted_in_flat_memory(machine: Machine, process: Process) -> None:
    names = [f"user{number * 7919 % 100_000:05}" for number in range(100_000)]
    machine.accounts(*(account(name, 100_000 + at) for at, name in enumerate(names)))
    machine.shadows(*(f"{name}:field-of-{name}:1::::::" for name in reversed(names)))
    store = process.store(passwords="shadow")
    few = process.ask("listed", store.number, 1)
    before = process.ask("memory_kib")
    count, in_order, growth = process.ask("listed", store.number, 100_000)
    assert few[0] == 1
    assert (count, in_order) == (100_000, True)
    assert growth < 60_000, f"{before} KiB grew by {growth}"


def test_a_system_store_takes_no_change(machine: Machine, process: Process) -> None:
    machine.accounts(account("bob"))
    store = process.store()
    with pytest.raises(NotSupported, match="not supported here"):
        store.put(someone("eve"))
    assert [fold(user.name).encode(ENCODING, ERRORS) for user in store.search()] == [b"bob"]
