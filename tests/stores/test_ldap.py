"""Users in a directory, by a real OpenLDAP: the contract of every store, and what only a directory does."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.errors import NotSupported, Unavailable
from nwauth.model import Info, User
from nwauth.stores.ldap import Attributes, People
from tests.directories import breakable_slapd, ldif, shared_slapd
from tests.directories.people import directory_of, person, store_of
from tests.directories.slapd import MAIL, SUFFIX, Slapd
from tests.stores import contract
from tests.stores.contract import ODD_NAMES, SEARCHED, ReadOnlyContract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nwauth.stores.base import Store

IS_NO_TEXT = "\udce9"  # a byte that no attribute of text can hold
KEPT_AS_IT_STANDS = Attributes(name=("uid",), info_text="audio")  # an attribute of octets


def _octets(attribute: str, text: str) -> dict[str, Any]:
    return {attribute: text.encode("utf-8", "surrogateescape")} if text else {}


class TestContract(ReadOnlyContract):
    """Stored passwords are read, so that they can be compared."""

    def new_store(self, folder: Path, users: Sequence[User]) -> Store:
        del folder
        server = breakable_slapd().start()
        base = server.new_base()
        entries = [
            person(base, user.name, userPassword=user.stored_password, **_octets("audio", user.info.text))
            for user in users
        ]
        if entries:
            server.modify("".join(entries))
        people = People(base, mode="compare", attributes=KEPT_AS_IT_STANDS)
        return store_of(server, base, people=people, may_be_empty=not users, retry_seconds=0.0)

    def take_down(self, store: Store) -> None:
        del store
        breakable_slapd().kill()

    def bring_back(self, store: Store) -> None:
        del store
        breakable_slapd().start()

    @pytest.mark.parametrize("name", [name for name in ODD_NAMES if IS_NO_TEXT not in name])
    def test_an_old_base_may_hold_any_spelling(self, tmp_path: Path, name: str) -> None:
        super().test_an_old_base_may_hold_any_spelling(tmp_path, name)

    @pytest.fixture(autouse=True)
    def _names_of_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(contract, "SEARCHED", [name for name in SEARCHED if IS_NO_TEXT not in name])


# --- who is who


def test_a_user_is_found_by_each_attribute_of_names_under_the_name_that_was_asked_for() -> None:
    server, base = directory_of()
    server.modify(person(base, "Bob", mail=["Bob.Smith@Test.com", "bob@test.com"]))
    with closing(store_of(server, base)) as store:
        for asked, given in [
            ("bob", "Bob"),
            ("BOB@test.com", "bob@test.com"),
            ("bob.smith@TEST.com", "Bob.Smith@Test.com"),
        ]:
            found = store.lookup(asked)
            assert found is not None
            assert found.name == given
        assert [user.name for user in store.search()] == ["Bob"]


@pytest.mark.parametrize("asked", ["b ob", "bob ", " bob", "bób", "bob\0", "bob\x01", "*", "b*", "\udce9"])
def test_what_the_directory_takes_for_a_name_and_we_do_not_is_absent(asked: str) -> None:
    server, base = directory_of("bob")
    with closing(store_of(server, base)) as store:
        assert store.lookup(asked) is None


def test_two_entries_of_one_name_cannot_be_told_apart_and_the_log_names_both() -> None:
    server, base = directory_of("bob", "BOB", "eve")
    with closing(store_of(server, base)) as store:
        with pytest.raises(Unavailable, match="2 entries have the name 'bob'") as raised:
            store.lookup("bob")
        assert base in str(raised.value)
        assert base not in raised.value.public
        assert store.lookup("eve") is not None


def test_one_person_under_two_attributes_is_one_user() -> None:
    server, base = directory_of()
    server.modify(person(base, "bob@test.com", mail="BOB@test.com"))
    with closing(store_of(server, base)) as store:
        assert store.lookup("bob@test.com") is not None


def test_more_candidates_than_can_be_told_apart_are_no_answer() -> None:
    server, base = directory_of("bob", *["b ob"[:1] + "ob" + " " * n for n in range(1, 12)])
    with closing(store_of(server, base)) as store, pytest.raises(Unavailable, match="more entries"):
        store.lookup("bob")


def test_groups_and_units_are_no_users() -> None:
    server, base = directory_of("bob")
    server.modify(ldif.entry(f"ou=sales,{base}", {"objectClass": ["organizationalUnit", "uidObject"], "uid": "sales"}))
    with closing(store_of(server, base)) as store:
        assert store.lookup("sales") is None


def test_a_filter_of_ones_own_may_take_names_apart() -> None:
    server, base = directory_of()
    server.modify(person(base, "bob", o="test.com") + person(base, "bob", o="other.com"))
    people = People(
        base, filter_="(&(uid={localpart})(o={domain}))", attributes=Attributes(name=("uid",), info={"cn": "cn"})
    )
    with closing(store_of(server, base, people=people)) as store:
        one, other = store.lookup("Bob@test.com"), store.lookup("bob@OTHER.com")
        assert one is not None
        assert other is not None
        assert (one.name, other.name) == ("bob@test.com", "bob@OTHER.com")
        assert one.info != other.info
        assert store.lookup("bob@third.com") is None
        assert store.lookup("bob") is None
        with pytest.raises(NotSupported, match="takes names apart"):
            list(store.search())


def test_one_level_alone_is_searched_where_that_is_said() -> None:
    server, base = directory_of("bob")
    server.modify(ldif.entry(f"ou=deep,{base}", {"objectClass": "organizationalUnit"}))
    server.modify(person(f"ou=deep,{base}", "eve"))
    with closing(store_of(server, base, people=People(base, scope="one"))) as store:
        assert store.lookup("bob") is not None
        assert store.lookup("eve") is None
    with closing(store_of(server, base)) as store:
        assert store.lookup("eve") is not None


# --- what is known of a user


def test_attributes_give_drop_path_uid_mask_and_info() -> None:
    server, base = directory_of()
    server.modify(
        person(
            base,
            "bob",
            objectClass=["inetOrgPerson", "posixAccount"],
            uidNumber="1007",
            gidNumber="100",
            homeDirectory="/home/bob",
            l="192.0.2.*",
            mail=["x@one.com", "y@two.com"],
            description='say "hi"\nthere',
            title='quota="7" class="staff"',
        )
        + person(base, "eve")
    )
    people = People(
        base,
        attributes=Attributes(
            name=("uid",),
            drop_path="{homeDirectory}/Mailbox",
            uid="uidNumber",
            ip_mask="l",
            info={"fwd": "mail", "note": "description"},
            info_text="title",
        ),
    )
    with closing(store_of(server, base, people=people)) as store:
        assert store.lookup("bob") == User(
            name="bob",
            stored_password="",
            drop_path="/home/bob/Mailbox",
            uid="1007",
            ip_mask="192.0.2.*",
            info=Info('fwd="x@one.com,y@two.com" note="say \'hi\' there" quota="7" class="staff"'),
            store="ldap",
        )
        assert store.lookup("eve") == User(name="eve", stored_password="", info=Info(), store="ldap")


def test_an_attribute_of_two_values_where_one_is_meant_is_no_answer() -> None:
    server, base = directory_of()
    server.modify(person(base, "bob", description=["/mail/a", "/mail/b"]))
    people = People(base, attributes=Attributes(drop_path="description"))
    with closing(store_of(server, base, people=people)) as store, pytest.raises(Unavailable, match="2 values of desc"):
        store.lookup("bob")


# --- long lists


def test_a_list_longer_than_the_servers_limit_comes_whole_page_by_page() -> None:
    server = Slapd(settings=[f'limits dn.exact="{MAIL}" size=100 size.pr=unlimited size.prtotal=unlimited'])
    try:
        base = f"ou=many,{SUFFIX}"
        many = "".join(person(base, f"user{number:05}") for number in range(2600))
        server.load(ldif.entry(base, {"objectClass": "organizationalUnit"}) + many)
        server.start()
        with closing(store_of(server, base)) as store:
            assert [user.name for user in store.search()] == [f"user{number:05}" for number in range(2600)]
    finally:
        server.close()


def test_a_directory_is_told_by_its_servers_and_its_base() -> None:
    store = store_of(shared_slapd(), "ou=people,dc=test,dc=com")
    assert store.place() == f"{shared_slapd().url}, below ou=people,dc=test,dc=com"
    store.close()
