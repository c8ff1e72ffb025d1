"""The five operations over a store that can be switched to "cannot tell"."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.errors import NotSupported, NwauthError, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import NameRules, fold
from nwauth.passwords import Passwords, Settings, Verdict
from nwauth.service import BadName, NoSuchUser, Service, StoreRules
from nwauth.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
CHEAP = Settings(argon2id_memory_kib=8, argon2id_iterations=1)


class CountingPasswords(Passwords):
    """Notes what was burned."""

    def __init__(self) -> None:
        super().__init__(CHEAP, burn_scheme="ssha")
        self.burned: list[bytes] = []

    def burn(self, password: bytes) -> None:
        self.burned.append(password)


class Overtaken(MemoryStore):
    """Lets somebody else in, once, between the look-up and the change."""

    def __init__(self, *users: User) -> None:
        super().__init__(users)
        self.others: list[Callable[[MemoryStore], object]] = []

    def _overtake(self) -> None:
        if self.others:
            self.others.pop(0)(self)

    def put(self, user: User) -> bool:
        self._overtake()
        return super().put(user)

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        self._overtake()
        return super().replace(old, new, wait_seconds=wait_seconds)

    def delete(self, name: str, *, only: User | None = None) -> bool:
        self._overtake()
        return super().delete(name, only=only)


def nothing(_store: MemoryStore) -> None:
    """Nobody else."""


def person(name: str = "Bob", stored: str = "*secret", info: str = "") -> User:
    return User(name=name, stored_password=stored, info=Info(info), store="memory")


def make(store: MemoryStore, *, scheme: str = "ssha", upgrade_to: str | None = None, **more: Any) -> Service:
    rules = {"memory": StoreRules(scheme=scheme, upgrade_to=upgrade_to, star_is_clear=True)}
    given: dict[str, Any] = {"names": NameRules(), "now": lambda: NOON} | more
    return Service(store, given.pop("passwords", None) or Passwords(CHEAP), rules=rules, **given)


def facts() -> tuple[dict[str, object], Callable[[str, object], None]]:
    reported: dict[str, object] = {}
    return reported, reported.__setitem__


# --- three outcomes --------------------------------------------------------------------------------------------------

OPERATIONS: dict[str, Callable[[Service, str], object]] = {
    "lookup": lambda service, name: service.lookup(name),
    "check": lambda service, name: service.check(name, b"secret"),
    "set": lambda service, name: service.set(name, None, {"q": "1"}),
    "delete": lambda service, name: service.delete(name),
    "search": lambda service, name: [user for user in service.search(name) if user] or None,
    "add": lambda service, name: service.add(person(f"new{name}")),
    "rename": lambda service, name: service.rename(name, f"new{name}"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_store_that_is_down_is_never_told_as_no(operation: str) -> None:
    for name in ("bob", "nobody"):
        store = MemoryStore([person()])
        store.down = "the disk is away"
        with pytest.raises(Unavailable, match="the disk is away") as caught:
            OPERATIONS[operation](make(store), name)
        assert caught.value.temporary


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_on_a_known_user_says_yes(operation: str) -> None:
    assert OPERATIONS[operation](make(MemoryStore([person()])), "BOB")


@pytest.mark.parametrize("operation", ["lookup", "check", "set", "delete", "search", "rename"])
def test_an_operation_on_an_unknown_user_says_no(operation: str) -> None:
    service = make(MemoryStore([person()]))
    try:
        outcome = OPERATIONS[operation](service, "nobody")
    except NoSuchUser:
        outcome = None
    assert not outcome
    assert not NoSuchUser.temporary
    assert service.lookup("bob") == person()


def test_a_store_that_comes_back_is_asked_again() -> None:
    store = MemoryStore([person()])
    service = make(store)
    store.down = "away"
    with pytest.raises(Unavailable):
        service.check("bob", b"secret")
    store.down = None
    assert service.check("bob", b"secret") == person()


# --- check -----------------------------------------------------------------------------------------------------------


def test_an_unknown_user_costs_a_verification_and_a_known_one_no_second() -> None:
    passwords = CountingPasswords()
    service = make(MemoryStore([person()]), passwords=passwords)
    reported, report = facts()
    assert service.check("nobody", b"pw", report) is None
    assert passwords.burned == [b"pw"]
    assert reported["reason"] == "no such user"
    assert service.check("bob", b"wrong") is None
    assert service.check("bob", b"secret") is not None
    assert passwords.burned == [b"pw"]


def test_a_password_holding_nul_is_wrong_without_asking_the_store() -> None:
    class Naive(MemoryStore):
        def verify(self, _user: User, password: bytes, *, address: str | None = None) -> bool | None:  # noqa: ARG002
            assert b"\0" not in password, "a C library would stop reading there"
            return password == b"secret"

    service = make(Naive([person()]))
    assert service.check("bob", b"secret\0") is None
    assert service.check("bob", b"\0") is None
    assert service.check("bob", b"secret") is not None


def test_a_store_that_verifies_itself_is_believed_both_ways() -> None:
    class Own(MemoryStore):
        def verify(self, _user: User, password: bytes, *, address: str | None = None) -> bool | None:  # noqa: ARG002
            return password == b"the bind's"

    service = make(Own([person()]), upgrade_to="argon2id")
    assert service.check("bob", b"the bind's") == person()
    assert service.check("bob", b"secret") is None
    assert service.lookup("bob") == person()


@pytest.mark.parametrize(
    ("info", "field"),
    [
        ('mailstatus="suspended"', "mailstatus"),
        ('valid_from="2026-06-16"', "valid_from"),
        ('valid_until="2026-06-14"', "valid_until"),
        ('valid_until="soon"', "valid_until"),
    ],
)
def test_account_state_refuses_the_right_password_and_never_a_look_up(info: str, field: str) -> None:
    service = make(MemoryStore([person(info=info)]))
    reported, report = facts()
    assert service.check("bob", b"secret", report) is None
    assert reported["rule"] == field
    assert service.lookup("bob") == person(info=info)
    assert [user.name for user in service.search("bob")] == ["Bob"]


def test_account_state_is_not_told_for_a_wrong_password() -> None:
    reported, report = facts()
    assert make(MemoryStore([person(info='mailstatus="banned"')])).check("bob", b"wrong", report) is None
    assert reported["reason"] == "wrong password"
    assert "rule" not in reported


def test_the_clock_decides_over_validity() -> None:
    info = 'valid_from="2026-01-01" valid_until="2026-06-15"'
    for now, let_in in ((datetime(2025, 12, 31, 23, tzinfo=UTC), False), (NOON, True), (NOON.replace(day=16), False)):
        service = make(MemoryStore([person(info=info)]), now=lambda now=now: now)
        assert (service.check("bob", b"secret") is not None) is let_in


# --- what a replica gave, and what the authority knows ---------------------------------------------------------------


class Replica(MemoryStore):
    """Look-ups come from a copy that lags behind; the authority is `primary`, or cannot be reached."""

    def __init__(self, *users: User, primary: MemoryStore | None) -> None:
        super().__init__(users)
        self.primary = primary
        self.asked = 0

    def confirm(self, user: User) -> User | None:
        self.asked += 1
        if self.primary is None:
            raise Unavailable("the primary is away")
        return self.primary.lookup(user.name)


def test_a_right_password_is_believed_and_the_authority_not_asked() -> None:
    replica = Replica(person(), primary=None)
    assert make(replica).check("bob", b"secret") == person()
    assert replica.asked == 0


@pytest.mark.parametrize(
    ("stale", "password", "address"),
    [
        (person(stored="*old"), b"new", "10.0.0.1"),
        (person(stored="*new", info='mailstatus="suspended"'), b"new", "10.0.0.1"),
        (person(stored="*new", info='valid_until="2020-01-01"'), b"new", "10.0.0.1"),
        (person(stored="*new").changed(ip_mask="192.0.2.1"), b"new", "10.0.0.1"),
        (person(stored="!"), b"new", None),
    ],
)
def test_a_replica_never_says_no(stale: User, password: bytes, address: str | None) -> None:
    now = person(stored="*new", info='q="1"')
    replica = Replica(stale, primary=MemoryStore([now]))
    reported, report = facts()
    assert make(replica).check("bob", password, report, address=address) == now
    assert replica.asked == 1
    assert "reason" not in reported
    assert "rule" not in reported
    replica.primary = None
    with pytest.raises(Unavailable, match="the primary is away"):
        make(replica).check("bob", password, address=address)


def test_the_authority_says_no_itself() -> None:
    for primary, reason in (
        (MemoryStore([person(stored="*newer")]), "wrong password"),
        (MemoryStore([person(stored="*wrong", info='mailstatus="closed"')]), "mailstatus is closed"),
        (MemoryStore(), "no such user"),
    ):
        reported, report = facts()
        assert make(Replica(person(), primary=primary)).check("bob", b"wrong", report) is None
        assert reported["reason"] == reason
        assert reported.get("rule") == ("mailstatus" if "mailstatus" in reason else None)


def test_a_refusal_of_the_replica_is_not_told_where_the_authority_has_another() -> None:
    replica = Replica(person(info='mailstatus="closed"'), primary=MemoryStore([person(stored="*newer")]))
    reported, report = facts()
    assert make(replica).check("bob", b"secret", report) is None
    assert (reported["reason"], "rule" in reported) == ("wrong password", False)


def test_a_password_is_compared_once_where_the_authority_knows_no_other() -> None:
    class Counting(Passwords):
        compared = 0

        def verify(self, *arguments: Any, **more: Any) -> Verdict:
            self.compared += 1
            return super().verify(*arguments, **more)

    passwords = Counting(CHEAP)
    replica = Replica(person(), primary=MemoryStore([person()]))
    assert make(replica, passwords=passwords).check("bob", b"wrong") is None
    assert (replica.asked, passwords.compared) == (1, 1)


def test_a_store_is_its_own_authority() -> None:
    store = MemoryStore([person()])
    user = store.lookup("bob")
    assert user is not None
    assert store.confirm(user) is user


# --- from where ------------------------------------------------------------------------------------------------------


def test_a_mask_refuses_logins_from_elsewhere_after_the_right_password_and_never_a_look_up() -> None:
    bob = person().changed(ip_mask="10.0.0.0/8")
    service = make(MemoryStore([bob]))
    for address in ("192.0.2.7", None):
        reported, report = facts()
        assert service.check("bob", b"secret", report, address=address) is None
        assert reported["rule"] == "ip_mask"
        assert "10.0.0.0/8" in str(reported["reason"])
    reported, report = facts()
    assert service.check("bob", b"wrong", report, address="192.0.2.7") is None
    assert reported["reason"] == "wrong password"
    assert "rule" not in reported
    assert service.check("bob", b"secret", address="10.1.2.3") == bob
    assert service.lookup("bob") == bob
    assert [user.name for user in service.search("bob")] == ["Bob"]


def test_a_mask_that_cannot_be_read_lets_nobody_in_and_is_named() -> None:
    service = make(MemoryStore([person().changed(ip_mask="10.0.0.1/8")]))
    reported, report = facts()
    assert service.check("bob", b"secret", report, address="10.0.0.1") is None
    assert (reported["rule"], "10.0.0.1/8" in str(reported["reason"])) == ("ip_mask", True)


WITHOUT_A_MASK = """
import sys
from datetime import datetime, UTC
from nwauth.model import Info, User
from nwauth.names import NameRules
from nwauth.passwords import Passwords
from nwauth.service import Service, StoreRules
from nwauth.stores.memory import MemoryStore
for mask in ("", "10.0.0.1"):
    store = MemoryStore([User(name="bob", stored_password="*pw", info=Info(), ip_mask=mask)])
    rules = {"memory": StoreRules(scheme="ssha", star_is_clear=True)}
    service = Service(store, Passwords(), rules=rules, names=NameRules(), now=lambda: datetime.now(UTC))
    assert service.check("bob", b"pw", address="10.0.0.1")
    print(sorted({"ipaddress", "nwauth.policy.hosts"} & sys.modules.keys()))
"""


def test_only_a_user_with_a_mask_costs_the_library_of_addresses() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_A_MASK], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n['ipaddress', 'nwauth.policy.hosts']\n"


# --- upgrade ---------------------------------------------------------------------------------------------------------


def test_a_right_password_is_stored_again_in_the_wanted_scheme() -> None:
    store = MemoryStore([person(info='q="1"')])
    service = make(store, upgrade_to="argon2id")
    reported, report = facts()
    assert service.check("bob", b"wrong") is None
    assert store.lookup("bob") == person(info='q="1"')
    assert service.check("bob", b"secret", report) is not None
    assert reported["upgrade"] == "done"
    after = store.lookup("bob")
    assert after is not None
    assert after.stored_password.startswith("$argon2id$")
    assert after == person(stored=after.stored_password, info='q="1"')
    assert service.check("bob", b"secret") is not None


def test_an_upgrade_never_brings_an_old_password_back() -> None:
    store = Overtaken(person())
    newer = person(stored="*newer")
    store.others.append(lambda other: MemoryStore.replace(other, person(), newer))
    reported, report = facts()
    assert make(store, upgrade_to="argon2id").check("bob", b"secret", report) is not None
    assert store.lookup("bob") == newer
    assert reported["upgrade"] == "overtaken by a change"


def test_an_upgrade_never_brings_a_deleted_user_back() -> None:
    store = Overtaken(person())
    store.others.append(lambda other: other.delete("bob"))
    assert make(store, upgrade_to="argon2id").check("bob", b"secret") is not None
    assert store.lookup("bob") is None


@pytest.mark.parametrize("error", [Unavailable("disk full"), NotSupported()])
def test_an_upgrade_that_cannot_be_written_still_lets_in_and_is_told(error: NwauthError) -> None:
    def fail(_store: MemoryStore) -> None:
        raise error

    store = Overtaken(person())
    store.others.append(fail)
    reported, report = facts()
    assert make(store, upgrade_to="argon2id").check("bob", b"secret", report) is not None
    assert store.lookup("bob") == person()
    assert reported["upgrade"] == f"failed: {error}"


def test_nothing_is_upgraded_read_only_or_unasked() -> None:
    for service in (
        make(MemoryStore([person()]), upgrade_to="argon2id", read_only=True),
        make(MemoryStore([person()])),
    ):
        assert service.check("bob", b"secret") is not None
        assert service.lookup("bob") == person()


# --- set -------------------------------------------------------------------------------------------------------------


def test_a_new_user_keeps_the_spelling_and_an_old_one_the_stored_one() -> None:
    service = make(MemoryStore())
    assert service.set("Bob", b"one", {"Q": "1"}).name == "Bob"
    after = service.set("BOB", b"two", {"q": "2"})
    assert (after.name, after.info.text) == ("Bob", 'Q="2"')
    assert service.check("bob", b"two") == after
    assert service.check("bob", b"one") is None


def test_no_password_leaves_the_stored_one_byte_for_byte() -> None:
    store = MemoryStore([person(stored="$unknown$field", info='a="1" odd')])
    make(store).set("bob", None, {"b": "2"})
    assert store.lookup("bob") == person(stored="$unknown$field", info='a="1" odd b="2"')


def test_no_password_makes_no_user() -> None:
    store = MemoryStore()
    with pytest.raises(NoSuchUser):
        make(store).set("bob", None, {"q": "1"})
    assert store.lookup("bob") is None


@pytest.mark.parametrize("field", ["valid_from", "valid_until", "Valid_Until"])
def test_an_unreadable_date_changes_nothing(field: str) -> None:
    store = MemoryStore([person()])
    with pytest.raises(Refused, match=r"found '31\.12\.2026', wanted a date"):
        make(store).set("bob", b"new", {"q": "1", field: "31.12.2026"})
    with pytest.raises(Refused, match="found '2026-02-30', wanted a date"):
        make(store).set("new", b"new", {field: "2026-02-30"})
    assert list(store.search()) == [person()]


def test_a_bad_name_is_refused_for_a_new_user_and_not_judged_for_an_old_one() -> None:
    store = MemoryStore([person("-odd/name?")])
    service = make(store)
    with pytest.raises(BadName):
        service.set("-new/name?", b"pw", {})
    assert service.set("-ODD/name?", b"pw", {}).name == "-odd/name?"
    assert service.delete("-odd/NAME?")


@pytest.mark.parametrize("password", [b"", b"a" * 512, b"a\0b", b"a\nb", b"a\x7fb"])
def test_a_password_that_nobody_may_have_changes_nothing(password: bytes) -> None:
    store = MemoryStore([person()])
    for name in ("bob", "new"):
        with pytest.raises(Refused):
            make(store).set(name, password, {"q": "1"})
    assert list(store.search()) == [person()]


def test_a_set_that_changes_nothing_writes_nothing() -> None:
    class WriteOnce(MemoryStore):
        def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
            raise AssertionError((old, new, wait_seconds))

    store = WriteOnce([person(info='q="1"')])
    reported, report = facts()
    assert make(store).set("bob", None, {"q": "1"}, report) == person(info='q="1"')
    assert reported["change"] == "none"


def test_two_setters_of_one_user_both_have_their_fields() -> None:
    store = Overtaken(person(info='q="0"'))
    other = make(store)
    store.others.append(lambda _: other.set("bob", b"theirs", {"theirs": "1"}))
    after = make(store).set("bob", None, {"ours": "1"})
    assert after.info.fields() == {"q": "0", "theirs": "1", "ours": "1"}
    assert other.check("bob", b"theirs") == after


def test_two_setters_who_add_one_name_make_one_user_with_the_first_spelling() -> None:
    store = Overtaken()
    other = make(store)
    store.others.append(lambda _: other.set("BOB", b"theirs", {"theirs": "1"}))
    after = make(store).set("bob", b"ours", {"ours": "1"})
    assert (after.name, after.info.fields()) == ("BOB", {"theirs": "1", "ours": "1"})
    assert len(list(store.search())) == 1
    assert other.check("bob", b"ours") == after


def test_a_set_overtaken_by_a_deletion_adds_anew_or_says_that_there_is_none() -> None:
    store = Overtaken(person(info='q="1"'))
    store.others.append(lambda other: other.delete("bob"))
    assert make(store).set("bob", b"new", {}).info.text == ""
    store.others.append(lambda other: other.delete("bob"))
    with pytest.raises(NoSuchUser):
        make(store).set("bob", None, {"q": "2"})


def test_a_set_that_is_always_overtaken_cannot_tell() -> None:
    class Busy(MemoryStore):
        def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
            del old, new, wait_seconds
            return False

    with pytest.raises(Unavailable, match="try again"):
        make(Busy([person()])).set("bob", b"new", {})


def test_every_writing_operation_is_refused_read_only() -> None:
    store = MemoryStore([person()])
    service = make(store, read_only=True)
    for operation in ("set", "delete", "add", "rename"):
        with pytest.raises(NotSupported):
            OPERATIONS[operation](service, "bob")
    with pytest.raises(NotSupported):
        service.encrypt(person())
    assert list(store.search()) == [person()]


# --- names, search, the rest -----------------------------------------------------------------------------------------


def test_a_default_domain_is_added_to_a_name_that_has_none() -> None:
    store = MemoryStore()
    service = make(store, default_domain="Test.com")
    assert service.set("Bob", b"pw", {}).name == "Bob@Test.com"
    assert service.set("eve@other.org", b"pw", {}).name == "eve@other.org"
    assert service.lookup("BOB") == store.lookup("bob@test.com")
    assert service.check("bob", b"pw") == service.check("bob@test.com", b"pw") is not None
    assert service.lookup("eve") is None
    assert service.delete("bob")
    assert [user.name for user in service.search("*")] == ["eve@other.org"]


@given(st.lists(st.text("abAB", min_size=1, max_size=4), max_size=12), st.text("aB*?", max_size=4), st.data())
def test_search_agrees_with_a_naive_loop(names: list[str], pattern: str, data: st.DataObject) -> None:
    skip, limit = data.draw(st.integers(0, 5)), data.draw(st.none() | st.integers(0, 5))
    users = {fold(name): person(name) for name in names}
    service = make(MemoryStore(users.values()))
    every = service.search("*" if pattern == "" else pattern)
    hits = [user.name for user in every]
    assert hits == sorted(hits, key=fold)
    assert (every.found, every.total) == (len(hits), len(users))
    listing = service.search("*" if pattern == "" else pattern, skip=skip, limit=limit)
    assert [user.name for user in listing] == hits[skip:][:limit]
    assert (listing.found, listing.total) == (len(hits), len(users))


class Narrowing(MemoryStore):
    """Leaves out what surely does not match, and counts by other means."""

    def __init__(self, users: Iterable[User], counted: int | None) -> None:
        super().__init__(users)
        self.counted = counted
        self.steps: list[str] = []

    def search(self, pattern: str = "") -> Iterator[User]:
        self.steps.append(f"search {pattern}")
        for user in super().search(pattern):
            if "e" in user.name:
                yield user
        self.steps.append("end")

    def count(self) -> int | None:
        self.steps.append("count")
        return self.counted


def test_a_store_may_narrow_a_search_and_count_by_itself_after_the_last_user() -> None:
    users = [person(name) for name in ("eve", "adele", "bob", "Emil", "carl")]
    store = Narrowing(users, 5)
    listing = make(store).search("e?e", limit=0)
    assert not list(listing)
    assert (listing.found, listing.total) == (1, 5)
    assert store.steps == ["search e?e", "end", "count"]
    listing = make(Narrowing(users, None)).search("e?e")
    assert [user.name for user in listing] == ["eve"]
    assert (listing.found, listing.total) == (1, 2)


def test_a_store_that_cannot_count_now_cannot_tell() -> None:
    class Gone(MemoryStore):
        def count(self) -> int | None:
            raise Unavailable("gone before the end")

    with pytest.raises(Unavailable, match="gone before the end"):
        list(make(Gone([person()])).search("bob"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "null", "delete", "check"]),
            st.sampled_from(["bob", "BOB", "eve"]),
            st.sampled_from([b"one", b"two"]),
        ),
        max_size=12,
    )
)
def test_the_service_agrees_with_a_dict_under_any_operations(steps: list[tuple[str, str, bytes]]) -> None:
    service, model = make(MemoryStore()), dict[str, tuple[str, bytes]]()
    for step, name, password in steps:
        known = model.get(name.lower())
        match step:
            case "set":
                spelling = known[0] if known else name
                assert service.set(name, password, {}).name == spelling
                model[name.lower()] = (spelling, password)
            case "null" if known:
                assert service.set(name, None, {}).name == known[0]
            case "null":
                with pytest.raises(NoSuchUser):
                    service.set(name, None, {})
            case "delete":
                assert service.delete(name) is (known is not None)
                model.pop(name.lower(), None)
            case _:
                found = service.check(name, password)
                assert (found.name if found else None) == (known[0] if known and known[1] == password else None)


def test_a_rename_keeps_all_else_and_never_takes_a_name_that_is_taken() -> None:
    store = MemoryStore([person(info='q="1"'), person("eve")])
    service = make(store)
    assert not service.rename("bob", "EVE")
    assert service.lookup("bob") == person(info='q="1"')
    assert service.rename("bob", "BOB")
    assert service.rename("bob", "carol")
    assert [user.name for user in store.search()] == ["carol", "eve"]
    assert service.check("carol", b"secret") == person("carol", info='q="1"')


def test_a_rename_keeps_what_only_some_stores_know() -> None:
    bob = User(
        name="bob", stored_password="*x", info=Info('q="1"'), drop_path="/p", uid="7", store="memory", ip_mask="10.*"
    )
    store = MemoryStore([bob])
    assert make(store).rename("bob", "carol")
    assert store.lookup("carol") == bob.changed(name="carol")
    assert make(store).add(bob.changed(store=""))
    assert store.lookup("bob") == bob


@pytest.mark.parametrize("steps", [0, 1])
def test_a_rename_that_a_change_overtakes_loses_neither(steps: int) -> None:
    """At the put of the new name, or at the deletion of the old one; and once more at the next deletion."""
    store = Overtaken(person(info='q="1"'))
    theirs = person(stored="*theirs", info='q="1" theirs="1"')
    store.others += [nothing] * steps
    store.others.append(lambda store: store._users.update(bob=theirs))
    store.others += [nothing] * (2 - steps)  # the replacement under the new name
    store.others.append(lambda store: store._users.update(bob=theirs.changed(info=Info('last="1"'))))
    assert make(store).rename("bob", "carol")
    assert list(store.search()) == [person("carol", "*theirs", 'last="1"')]


def test_a_new_spelling_that_a_change_overtakes_loses_neither() -> None:
    store = Overtaken(person())
    store.others.append(lambda store: store._users.update(bob=person(stored="*theirs", info='theirs="1"')))
    assert make(store).rename("bob", "BOB")
    assert list(store.search()) == [person("BOB", "*theirs", 'theirs="1"')]


def test_a_rename_of_who_is_deleted_meanwhile_brings_nobody_back() -> None:
    store = Overtaken(person())
    store.others += [nothing, lambda other: MemoryStore.delete(other, "bob")]
    with pytest.raises(NoSuchUser):
        make(store).rename("bob", "carol")
    assert list(store.search()) == []


def test_a_rename_that_is_always_overtaken_cannot_tell() -> None:
    class Busy(MemoryStore):
        def delete(self, name: str, *, only: User | None = None) -> bool:
            assert only is not None
            self._users[fold(name)] = only.changed(info=Info(only.info.text + "x"))
            return False

    store = Busy([person()])
    with pytest.raises(Unavailable, match="try again"):
        make(store).rename("bob", "carol")
    assert [(user.name, user.info.text) for user in store.search()] == [("Bob", "x" * 16), ("carol", "x" * 16)]


def test_a_rename_loses_no_change_under_either_name() -> None:
    store = Overtaken(person())
    store.others += [nothing, lambda store: store._users.update(bob=person(info='old="1"'))]
    store.others.append(lambda store: store._users.update(carol=person("carol", info='new="1"')))
    with pytest.raises(Unavailable, match="try again"):
        make(store).rename("bob", "carol")
    assert [(user.name, user.info.text) for user in store.search()] == [("Bob", 'old="1"'), ("carol", 'new="1"')]


def test_a_change_begins_at_what_the_authority_knows() -> None:
    primary = MemoryStore([person(stored="*new", info='q="2"')])

    class Lagging(Replica):
        def put(self, user: User) -> bool:
            return primary.put(user)

        def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
            return primary.replace(old, new, wait_seconds=wait_seconds)

        def delete(self, name: str, *, only: User | None = None) -> bool:
            return primary.delete(name, only=only)

    service = make(Lagging(person(stored="*old", info='q="1"'), person("gone"), primary=primary))
    assert service.set("bob", None, {"q": "1"}).info.text == 'q="1"', "it is not so already"
    assert primary.lookup("bob") == person(stored="*new", info='q="1"')
    with pytest.raises(NoSuchUser):
        service.set("gone", None, {"q": "1"})
    with pytest.raises(NoSuchUser):
        service.rename("gone", "carol")
    assert service.set("gone", b"back", {}).name == "gone"
    assert service.rename("bob", "carol")
    assert [(user.name, user.stored_password[:4]) for user in primary.search()] == [("carol", "*new"), ("gone", "{ssh")]


# --- the time of a request -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "asked"),
    [
        (lambda service: service.lookup("bob"), ["lookup"]),
        (lambda service: service.check("bob", b"secret"), ["lookup", "verify"]),
        (lambda service: service.check("bob", b"wrong"), ["lookup", "verify", "confirm"]),
        (lambda service: service.delete("bob"), ["delete"]),
        (lambda service: service.set("bob", None, {"a": "1"}), ["lookup", "confirm", "replace"]),
    ],
)
def test_all_that_a_request_asks_of_stores_that_wait_shares_its_time(
    ask: Callable[[Service], object], asked: list[str]
) -> None:
    told: list[str] = []

    class Slow(MemoryStore):
        waits = True

        def __getattribute__(self, name: str) -> Any:
            if name in {"begin", "end", "lookup", "verify", "confirm", "delete", "replace"}:
                told.append(name)
            return super().__getattribute__(name)

    service = make(Slow([person()]))
    told.clear()
    ask(service)
    assert told == ["begin", *asked, "end"]


# --- an account that the store itself keeps out ----------------------------------------------------------------------


def test_what_a_store_refuses_by_itself_is_a_no_with_its_reason_and_learns_the_clients_address() -> None:
    class Expired(MemoryStore):
        def verify(self, _user: User, _password: bytes, *, address: str | None = None) -> bool | None:
            raise Refused(f"expired, from {address}")

    service = make(Expired([person()]))
    steps: dict[str, object] = {}
    assert service.check("bob", b"secret", steps.__setitem__, address="10.0.0.7") is None
    assert steps["reason"] == "expired, from 10.0.0.7"


def test_an_unknown_user_takes_as_long_as_a_wrong_password_did_where_the_store_verifies() -> None:
    """Else the time would tell who exists."""

    class Directory(MemoryStore):
        seconds = 0.0

        def verify(self, _user: User, password: bytes, *, address: str | None = None) -> bool | None:  # noqa: ARG002
            began = monotonic()
            while monotonic() < began + 0.02:
                pass
            self.seconds = monotonic() - began
            return password == b"secret"

    store, passwords = Directory([person()]), CountingPasswords()
    service = make(store, passwords=passwords)
    assert service.check("nobody", b"x") is None
    assert passwords.burned == [b"x"]
    assert service.check("bob", b"wrong") is None
    began = monotonic()
    assert service.check("nobody", b"x") is None
    assert monotonic() - began >= store.seconds
    assert passwords.burned == [b"x"]
    assert service.check("bob", b"secret") is not None
    assert service.check("bob", b"nul\0") is None  # nobody is asked, and nothing forgotten
    began = monotonic()
    assert service.check("nobody", b"x") is None
    assert monotonic() - began >= 0.02
    assert passwords.burned == [b"x"]


# --- users who move to another store when they log in ----------------------------------------------------------------


class Moving(MemoryStore):
    """Keeps whom it was told to move, and answers for their move."""

    def __init__(self, users: list[User], *, outcome: bool | NwauthError = True, own: bool | None = None) -> None:
        super().__init__(users)
        self.moved: list[User] = []
        self.outcome, self.own = outcome, own

    def verify(self, _user: User, password: bytes, *, address: str | None = None) -> bool | None:  # noqa: ARG002
        return None if self.own is None else password == b"secret"

    def migrate(self, old: User, new: User) -> bool:
        if isinstance(self.outcome, NwauthError):
            raise self.outcome
        assert old.name == new.name
        self.moved.append(new)
        return self.outcome


def moving(store: Moving, *, read_only: bool = False) -> Service:
    rules = {
        "memory": StoreRules(scheme="ssha", star_is_clear=True, migrate_to="files"),
        "files": StoreRules(scheme="sha512-crypt"),
    }
    return Service(store, Passwords(CHEAP), rules=rules, names=NameRules(), now=lambda: NOON, read_only=read_only)


@pytest.mark.parametrize(
    ("stored", "own", "expected"),
    [
        ("{SSHA}BuFLjIFUUSy1IltX3AuN420qV2ZFU7EL", None, "{SSHA}BuFLjIFUUSy1IltX3AuN420qV2ZFU7EL"),
        ("*qwerty", None, "$6$"),
        ("{CLEAR}qwerty", None, "$6$"),
        ("", True, "$6$"),
    ],
)
def test_a_right_password_takes_the_user_along_in_a_field_that_the_other_store_can_hold(
    stored: str,
    own: bool | None,  # noqa: FBT001
    expected: str,
) -> None:
    store = Moving([person(stored=stored)], own=own)
    steps: dict[str, object] = {}
    assert moving(store).check("bob", b"qwerty" if own is None else b"secret", steps.__setitem__) == person(
        stored=stored
    )
    assert [user.stored_password[: len(expected)] for user in store.moved] == [expected]
    assert [user.store for user in store.moved] == ["files"]
    assert steps["migration"] == "done"


@pytest.mark.parametrize("read_only", [False, True])
def test_nobody_moves_with_a_wrong_password_nor_where_nothing_is_written(read_only: bool) -> None:  # noqa: FBT001
    store = Moving([person()])
    service = moving(store, read_only=read_only)
    assert (service.check("bob", b"secret" if read_only else b"wrong") is not None) == read_only
    assert store.moved == []


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(False, "there already"), (Unavailable("disk full"), "failed: disk full"), (Refused("no"), "failed: no")],
)
def test_a_login_succeeds_whatever_comes_of_the_move(
    outcome: bool | NwauthError,  # noqa: FBT001
    told: str,
) -> None:
    steps: dict[str, object] = {}
    assert moving(Moving([person()], outcome=outcome)).check("bob", b"secret", steps.__setitem__) is not None
    assert steps["migration"] == told


# --- passwords that another program reads too ------------------------------------------------------------------------


class Likeness(Passwords):
    """Says of a new field what it was made like."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.made = 0

    def hash_like(self, password: bytes, field: str, *, default: str) -> str:
        self.made += 1
        return f"*{password.decode()} like {field} or {default}"


def keeping(store: MemoryStore, passwords: Passwords | None = None) -> Service:
    rules = {"memory": StoreRules(scheme="ssha", star_is_clear=True, keep=True)}
    return Service(store, passwords or Likeness(), rules=rules, names=NameRules(), now=lambda: NOON)


def test_a_changed_password_keeps_the_scheme_of_the_field_it_replaces() -> None:
    store = MemoryStore([person(stored="$1$x$y")])
    service = keeping(store)
    assert service.set("bob", b"new", {}).stored_password == "*new like $1$x$y or ssha"
    assert service.set("bob", None, {"q": "1"}).stored_password == "*new like $1$x$y or ssha"
    assert service.set("eve", b"pw", {}).stored_password.startswith("{ssha}")
    assert service.field_for(b"pw", person(stored="!")) == "*pw like ! or ssha"
    assert service.field_for(b"pw", "eve").startswith("{ssha}")
    assert make(store).field_for(b"pw", person(stored="$1$x$y")).startswith("{ssha}")


def test_a_field_is_made_like_the_one_that_is_replaced_in_the_end_and_once_for_each() -> None:
    store = Overtaken(person(stored="first"))
    passwords = Likeness()
    store.others.append(lambda store: store._users.update(bob=person(stored="second")))
    assert keeping(store, passwords).set("bob", b"new", {}).stored_password == "*new like second or ssha"
    assert passwords.made == 2
    store.others.append(lambda store: store._users.update(bob=person(stored="*new like second or ssha", info='q="1"')))
    after = keeping(store, passwords).set("bob", b"newer", {})
    assert (after.stored_password, after.info.text) == ("*newer like *new like second or ssha or ssha", 'q="1"')
    assert passwords.made == 3


def test_a_kept_scheme_verifies() -> None:
    store = MemoryStore([person(stored="{SSHA}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf")])
    after = keeping(store, Passwords(CHEAP)).set("bob", b"new", {})
    assert after.stored_password.startswith("{SSHA}")
    assert make(store).check("bob", b"new") == after


@pytest.mark.parametrize("field", ["{CLEAR}secret", "{PLAIN}secret", "{CLEARTEXT}secret", "{plain}secret", "*secret"])
def test_encrypt_hashes_clear_text_behind_a_star_or_a_tag_unless_another_program_reads_it(field: str) -> None:
    store = MemoryStore([person(stored=field)])
    assert keeping(store).clear_text(person(stored=field)) is None
    assert not keeping(store).encrypt(person(stored=field))
    assert store.lookup("bob") == person(stored=field)
    service = make(store)
    assert service.clear_text(person(stored=field)) == "secret"
    assert service.encrypt(person(stored=field))
    after = service.check("bob", b"secret")
    assert after is not None
    assert after.stored_password.startswith("{ssha}")


def test_a_star_is_clear_text_only_where_the_store_says_so() -> None:
    rules = {"memory": StoreRules(scheme="ssha")}
    store = MemoryStore([person()])
    service = Service(store, Passwords(CHEAP), rules=rules, names=NameRules(), now=lambda: NOON)
    assert not service.encrypt(person())
    assert service.encrypt(store._users.setdefault("eve", person("eve", "{PLAIN}pw")))


def test_encrypt_hashes_clear_text_alone() -> None:
    users = [person(), person("ssha", "{ssha}x"), person("locked", "*LK*"), person("star", "*")]
    users += [person("tag", "{CLEAR}"), person("hex", "{PLAIN.HEX}00"), person("odd", "{WHAT}x"), person("open", "{x")]
    store = MemoryStore(users)
    service = make(store)
    assert [service.encrypt(user) for user in users] == [True] + [False] * 7
    assert service.check("bob", b"secret") is not None
    after = store.lookup("bob")
    assert after is not None
    assert after.stored_password.startswith("{ssha}")
    assert not service.encrypt(person())
