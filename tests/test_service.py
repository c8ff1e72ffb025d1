"""The five operations over a store that can be switched to "cannot tell"."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.errors import NotSupported, NwauthError, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import NameRules, fold
from nwauth.passwords import Passwords, Settings
from nwauth.service import BadName, NoSuchUser, Service, StoreRules
from nwauth.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

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
        def verify(self, _user: User, password: bytes) -> bool | None:
            assert b"\0" not in password, "a C library would stop reading there"
            return password == b"secret"

    service = make(Naive([person()]))
    assert service.check("bob", b"secret\0") is None
    assert service.check("bob", b"\0") is None
    assert service.check("bob", b"secret") is not None


def test_a_store_that_verifies_itself_is_believed_both_ways() -> None:
    class Own(MemoryStore):
        def verify(self, _user: User, password: bytes) -> bool | None:
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
    with pytest.raises(Refused, match="no date"):
        make(store).set("bob", b"new", {"q": "1", field: "31.12.2026"})
    with pytest.raises(Refused, match="no date"):
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


def test_encrypt_hashes_clear_text_alone() -> None:
    users = [person(), person("ssha", "{ssha}x"), person("locked", "*LK*"), person("star", "*")]
    store = MemoryStore(users)
    service = make(store)
    assert [service.encrypt(user) for user in users] == [True, False, False, False]
    assert service.check("bob", b"secret") is not None
    after = store.lookup("bob")
    assert after is not None
    assert after.stored_password.startswith("{ssha}")
    assert not service.encrypt(person())
