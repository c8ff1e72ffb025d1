"""The preset for Active Directory, against a domain controller: Samba's."""

from __future__ import annotations

import functools
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.errors import Refused, Unavailable
from nwauth.stores.ldap import Attributes, LdapStore, People
from tests.databases.processes import wait_until
from tests.directories import shared_samba
from tests.directories.authority import authority
from tests.directories.people import check
from tests.directories.samba import ADMINISTRATOR, PASSWORD, PEOPLE, SECRET, SUFFIX, Samba

if TYPE_CHECKING:
    from collections.abc import Iterator


@functools.cache
def domain() -> Samba:
    """A domain with one user for each state of an account, and their names."""
    server = shared_samba()
    for name in ("bob", "disabled", "expired", "must-change", "locked", "hours", "moved", "gone"):
        server.add(name)
    server.add("eve", mailaddress="Eve.Adams@Test.com", homedrive=None)
    server.disable("disabled")
    server.expire("expired")
    server.change(f"CN=must-change,{PEOPLE}", pwdLastSet="0")
    server.change(f"CN=bob,{PEOPLE}", userPrincipalName="Bob@Test.com", description="/mail/bob")
    return server


def store_of(*, base: str = SUFFIX, attributes: Attributes | None = None, **more: Any) -> LdapStore:
    people = People(base, preset="active-directory", attributes=attributes)
    options = {"bind_dn": ADMINISTRATOR, "bind_password": PASSWORD, "ca_file": str(authority().ca_file)} | more
    return LdapStore([domain().tls_url], people, **options)


@pytest.fixture
def store() -> Iterator[LdapStore]:
    with closing(store_of()) as made:
        yield made


@pytest.mark.parametrize(("asked", "given"), [("BOB", "bob"), ("bob@test.com", "Bob@Test.com"), ("eve", "eve")])
def test_a_user_is_found_by_the_name_of_nt_and_by_the_principal_name(store: LdapStore, asked: str, given: str) -> None:
    user = store.lookup(asked)
    assert user is not None
    assert (user.name, user.stored_password) == (given, "")


@pytest.mark.parametrize(
    "asked", ["nobody", "bob@other.com", "b\u00f3b", "DC1$", "Domain Admins", "bob*", "", "\udce9", "b)(cn=*"]
)
def test_who_is_no_user_of_the_domain_is_absent_though_the_search_is_from_its_root(
    store: LdapStore, asked: str
) -> None:
    """A search from the root ends with references to other partitions, unless the domain alone is asked for."""
    assert store.lookup(asked) is None


def test_a_password_is_checked_by_the_domain(store: LdapStore) -> None:
    assert check(store, "bob", SECRET.encode()) is True
    assert check(store, "bob@test.com", SECRET.encode()) is True
    assert check(store, "bob", b"wrong") is False
    assert check(store, "bob", b"") is False


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("disabled", "disabled.*data 533"),
        ("expired", "account has expired.*data 701"),
        ("must-change", "must be changed.*data 773"),
    ],
)
def test_an_account_that_may_not_log_in_exists_and_is_refused_with_its_reason(
    store: LdapStore, name: str, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        check(store, name, SECRET.encode())
    if name != "must-change":  # a right password is known to be right; a wrong one is told from it nowhere else
        assert check(store, name, b"wrong") is False


def test_an_account_that_is_locked_out_is_refused_and_exists(store: LdapStore) -> None:
    domain().change_domain(
        lockoutThreshold="3", lockoutDuration="-18000000000", lockOutObservationWindow="-18000000000"
    )
    try:
        for _ in range(3):
            assert check(store, "locked", b"wrong") is False
        with pytest.raises(Refused, match=r"locked out.*data 775"):
            check(store, "locked", SECRET.encode())
        assert store.lookup("locked") is not None
    finally:
        domain().change_domain(lockoutThreshold="0")


def test_an_account_may_have_hours(store: LdapStore) -> None:
    domain().change(f"CN=hours,{PEOPLE}", logonHours=bytes(21))  # a bit for each hour of a week
    with pytest.raises(Refused, match=r"hour.*data 530"):
        check(store, "hours", SECRET.encode())


def test_an_entry_that_moves_between_look_up_and_bind_is_found_again(store: LdapStore) -> None:
    user = store.lookup("moved")
    assert user is not None
    domain().rename(f"CN=moved,{PEOPLE}", f"CN=elsewhere,{PEOPLE}")
    assert store.verify(user, SECRET.encode()) is True


def test_a_user_who_is_deleted_between_look_up_and_bind_does_not_get_in(store: LdapStore) -> None:
    user = store.lookup("gone")
    assert user is not None
    domain().remove(f"CN=gone,{PEOPLE}")
    assert store.verify(user, SECRET.encode()) is False
    assert store.lookup("gone") is None


def test_attributes_are_mapped() -> None:
    attributes = Attributes(drop_path="description", info={"mailaddress": "mail"})
    with closing(store_of(attributes=attributes)) as store:
        bob, eve = store.lookup("bob"), store.lookup("eve")
        assert bob is not None
        assert eve is not None
        assert (bob.drop_path, eve.drop_path) == ("/mail/bob", "config")
        assert eve.info.text == 'mailaddress="Eve.Adams@Test.com"'


def test_another_attribute_may_hold_the_name() -> None:
    with closing(store_of(attributes=Attributes(name=("mail",)))) as store:
        eve = store.lookup("eve.adams@test.com")
        assert eve is not None
        assert eve.name == "Eve.Adams@Test.com"
        assert store.lookup("eve") is None


def test_everybody_is_listed_in_order_without_machines(store: LdapStore) -> None:
    names = [user.name for user in store.search()]
    assert names == sorted(names, key=str.lower)
    assert {"bob", "disabled", "eve"} <= set(names)
    assert not any(name.endswith("$") for name in names)


def test_a_long_list_comes_page_by_page(store: LdapStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nwauth.stores.ldap.people.PAGE_ENTRIES", 3)
    names = [user.name for user in store.search()]
    assert len(names) == len(set(names)) > 6


def test_a_guest_sees_nobody_and_so_nobody_is_absent() -> None:
    with closing(store_of(bind_dn="", bind_password="")) as store:
        for name in ("bob", "nobody"):
            with pytest.raises(Unavailable):
                store.lookup(name)


def test_a_base_that_is_not_there_makes_nobody_absent() -> None:
    with closing(store_of(base=f"OU=nowhere,{SUFFIX}")) as store, pytest.raises(Unavailable, match="may not be read"):
        store.lookup("bob")


@pytest.mark.parametrize("dn", ["Administrator@test.com", "TEST\\Administrator"])
def test_the_account_that_looks_users_up_may_have_the_forms_of_windows(dn: str) -> None:
    with closing(store_of(bind_dn=dn)) as store:
        assert store.lookup("bob") is not None


def test_the_controller_is_asked_over_start_tls_too() -> None:
    people = People(SUFFIX, preset="active-directory")
    options: dict[str, Any] = {"bind_dn": ADMINISTRATOR, "bind_password": PASSWORD, "start_tls": True}
    with closing(LdapStore([domain().url], people, ca_file=str(authority().ca_file), **options)) as store:
        assert check(store, "bob", SECRET.encode()) is True
    unknowing = LdapStore([domain().url], people, **options)
    with closing(unknowing) as store, pytest.raises(Unavailable, match="certificate is refused"):
        store.lookup("bob")


def test_the_controller_comes_back_and_is_asked_again() -> None:
    server = domain()
    with closing(store_of(retry_seconds=0.0)) as store:
        assert check(store, "bob", SECRET.encode()) is True
        server.kill()
        try:
            with pytest.raises(Unavailable):
                store.lookup("bob")
        finally:
            server.start()
        wait_until(lambda: _answers(store), "the controller is asked again")
        assert check(store, "bob", SECRET.encode()) is True


def _answers(store: LdapStore) -> bool:
    try:
        return store.lookup("bob") is not None
    except Unavailable:
        return False
