"""What of the answers of a directory is a "no", and what is none, by a real OpenLDAP."""

from __future__ import annotations

import functools
from contextlib import closing

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.ldap import Attributes, Limits, People
from tests.directories import ldif, shared_slapd
from tests.directories.people import check, directory_of, dn_of, person, store_of
from tests.directories.slapd import ACCESS, MAIL, PASSWORD, SUFFIX, Slapd

# --- the proof of a "no"


def test_without_any_user_to_be_seen_nobody_is_absent() -> None:
    server, base = directory_of()
    with closing(store_of(server, base, retry_seconds=0.0)) as store:
        with pytest.raises(Unavailable) as raised:
            store.lookup("bob")
        assert "no user can be seen" in str(raised.value)
        server.modify(person(base, "eve"))
        assert store.lookup("bob") is None


def test_an_attribute_that_nobody_has_is_named_where_nobody_can_be_seen() -> None:
    server, base = directory_of("bob")
    people = People(base, attributes=Attributes(name=("uidd",)))
    with closing(store_of(server, base, people=people)) as store, pytest.raises(Unavailable) as raised:
        store.lookup("bob")
    assert "look at base, filter, attributes.name (uidd), and what bind_dn may read" in str(raised.value)


def test_an_attribute_that_the_found_entry_lacks_is_named() -> None:
    server, base = directory_of("bob")
    people = People(base, filter_="(uid={name})", attributes=Attributes(name=("uidd",)))
    words = "shows no uidd: may bind_dn read it, and is attributes.name right"
    with closing(store_of(server, base, people=people)) as store, pytest.raises(Unavailable, match=words):
        store.lookup("bob")


def test_a_base_that_is_gone_makes_nobody_absent() -> None:
    server, base = directory_of()
    text = person(base, "bob")
    server.modify(text)
    with closing(store_of(server, base, retry_seconds=0.0)) as store:
        assert store.lookup("eve") is None
        server.modify(ldif.removal(dn_of(text)) + ldif.removal(base))
        for name in ("bob", "eve"):
            with pytest.raises(Unavailable, match="is not there, or may not be read"):
                store.lookup(name)


@pytest.mark.parametrize("rules", [["to * by * none"], [ACCESS[0], "to * by anonymous auth by * none"]])
def test_lost_read_rights_make_nobody_absent(rules: list[str]) -> None:
    server, base = directory_of("bob")
    with closing(store_of(server, base, proof_seconds=0.0, retry_seconds=0.0)) as store:
        assert store.lookup("eve") is None
        server.allow(*rules)
        try:
            for name in ("bob", "eve"):
                with pytest.raises(Unavailable):
                    store.lookup(name)
        finally:
            server.allow(*ACCESS)
        assert store.lookup("bob") is not None
        assert store.lookup("eve") is None


def test_users_who_cannot_be_seen_while_the_base_can_are_not_absent() -> None:
    server, base = directory_of("bob")
    hidden = f"to dn.children={base} by * none"
    with closing(store_of(server, base, proof_seconds=0.0, retry_seconds=0.0)) as store:
        assert store.lookup("eve") is None
        server.allow(hidden, *ACCESS)
        try:
            for name in ("bob", "eve"):
                with pytest.raises(Unavailable, match="no user can be seen"):
                    store.lookup(name)
        finally:
            server.allow(*ACCESS)


def test_a_name_that_may_be_searched_for_and_not_read_is_no_answer() -> None:
    server, base = directory_of("bob")
    server.allow(f"to dn.subtree={base} attrs=uid,mail by * search", *ACCESS)
    try:
        with closing(store_of(server, base)) as store, pytest.raises(Unavailable, match="shows no uid or mail"):
            store.lookup("bob")
    finally:
        server.allow(*ACCESS)


@pytest.mark.parametrize(
    ("bind_dn", "password", "words"),
    [
        (MAIL, "wrong", "is refused: 49"),
        ("cn=nobody,dc=test,dc=com", PASSWORD, "is refused: 49"),
        ("no dn", PASSWORD, "is refused: 34"),
        ("", "", "may not be read"),
    ],
)
def test_an_account_that_may_not_look_users_up_is_no_answer(bind_dn: str, password: str, words: str) -> None:
    server, base = directory_of("bob")
    with closing(store_of(server, base, bind_dn=bind_dn, bind_password=password)) as store:
        for name in ("bob", "nobody"):
            with pytest.raises(Unavailable) as raised:
                store.lookup(name)
            assert words in str(raised.value)
            assert base not in raised.value.public


def test_a_bind_of_a_user_that_the_server_will_not_do_is_no_wrong_password() -> None:
    server, base = directory_of("bob")
    with closing(store_of(server, base)) as store:
        user = store.lookup("bob")
        assert user is not None
        server.modify(ldif.change("cn=config", {"olcSecurity": "simple_bind=50"}), who="cn=config")
        try:
            with pytest.raises(Unavailable, match=r"13 .confidentiality required"):
                store.verify(user, b"secret")
        finally:
            server.modify(ldif.change("cn=config", {"olcSecurity": "simple_bind=0"}), who="cn=config")
        assert store.verify(user, b"secret") is True


ODD = f"ou=odd,{SUFFIX}"  # what is asked of an entry there is answered with a result of its own
ODD_CODES = (1, 3, 4, 8, 11, 12, 18, 19, 32, 34, 50, 51, 52, 53, 80)
NO_SEARCH = [code for code in ODD_CODES if code != 4]


@functools.cache
def odd_server() -> Slapd:
    """For each code a user whose bind is answered with it, and an entry that cannot be searched below."""
    shared_slapd()  # skips where there is none
    items = [
        f'retcode-item "cn={what}{code}" {code} op={what}' for what in ("bind", "search") for code in (49, *ODD_CODES)
    ]
    said = [f'{item} text="said by the test"' for item in items]
    server = Slapd(modules=["retcode"], settings=["overlay retcode", f'retcode-parent "{ODD}"', *said])
    people = [person(ODD, f"bind{code}", dn=f"cn=bind{code},{ODD}", cn=f"bind{code}") for code in (49, *ODD_CODES)]
    server.load(ldif.entry(ODD, {"objectClass": "organizationalUnit"}) + "".join(people))
    return server.start()


@pytest.mark.parametrize("password", [b"secret", b"wrong"])
@pytest.mark.parametrize("code", ODD_CODES)
def test_only_49_for_the_bind_of_a_user_is_a_no(code: int, password: bytes) -> None:
    with closing(store_of(odd_server(), SUFFIX, retry_seconds=0.0)) as store:
        assert check(store, "bind49", password) is False
        with pytest.raises(Unavailable, match=rf"{code} \(.*said by the test"):
            check(store, f"bind{code}", password)


@pytest.mark.parametrize("name", ["bob", "nobody"])
@pytest.mark.parametrize("code", NO_SEARCH)
def test_a_search_that_does_not_end_in_success_makes_nobody_absent(code: int, name: str) -> None:
    """A time limit (3), an administrator's (11), a busy server (51)..."""
    with closing(store_of(odd_server(), f"cn=search{code},{ODD}", retry_seconds=0.0)) as store:
        with pytest.raises(Unavailable, match=rf"{code} \("):
            store.lookup(name)
        with pytest.raises(Unavailable, match=rf"{code} \("):
            list(store.search())


def test_a_referral_is_no_answer_unless_it_is_said_that_no_users_are_there() -> None:
    server, base = directory_of("bob")
    server.modify(
        ldif.entry(f"ou=away,{base}", {"objectClass": ["referral", "extensibleObject"], "ref": "ldap://192.0.2.1/dc=x"})
    )
    with closing(store_of(server, base)) as store:
        for name in ("bob", "nobody"):
            with pytest.raises(Unavailable, match="referral"):
                store.lookup(name)
        with pytest.raises(Unavailable, match="not whole"):
            list(store.search())
    with closing(store_of(server, base, ignores_referrals=True)) as store:
        assert store.lookup("bob") is not None
        assert store.lookup("nobody") is None
        assert [user.name for user in store.search()] == ["bob"]


def test_a_size_limit_makes_no_list_whole() -> None:
    server = Slapd(settings=[f'limits dn.exact="{MAIL}" size=5 size.prtotal=5'])
    try:
        _, base = directory_of(*[f"user{number}" for number in range(7)], server=server)
        with closing(store_of(server, base)) as store:
            with pytest.raises(Unavailable, match=r"not whole.*4 .size limit.*raise the limit"):
                list(store.search())
            assert store.lookup("user3") is not None
            assert store.lookup("user9") is None
    finally:
        server.close()


def test_limits_are_of_one_request() -> None:
    assert Limits().connect + Limits().request <= Limits().whole
