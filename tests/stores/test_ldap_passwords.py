"""Passwords and the state of accounts, by a real OpenLDAP."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from nwauth.errors import Refused, Unavailable
from nwauth.model import Info, User
from nwauth.stores.ldap import People
from tests.directories import ldif
from tests.directories.people import check, directory_of, dn_of, person, store_of
from tests.directories.slapd import SUFFIX, Slapd

# --- passwords, by binding


@pytest.mark.parametrize(
    ("password", "right"),
    [
        (b"secret", True),
        (b"Secret", False),
        (b"", False),
        (b"secret ", False),
        (b"\xff\xfe", False),
        (b"x" * 5000, False),
    ],
)
def test_a_password_is_right_when_the_directory_takes_it(password: bytes, right: bool) -> None:  # noqa: FBT001
    server, base = directory_of("bob")
    with closing(store_of(server, base)) as store:
        assert check(store, "bob", password) is right


def test_a_password_may_be_any_bytes() -> None:
    server, base = directory_of("bob", userPassword=b"caf\xe9")
    with closing(store_of(server, base)) as store:
        assert check(store, "bob", b"caf\xe9") is True
        assert check(store, "bob", "café".encode()) is False


def test_an_empty_password_never_reaches_the_directory_which_would_take_it() -> None:
    """``allow bind_anon_cred`` is set: a bind with a name and no password succeeds, as a guest's."""
    server, base = directory_of("bob")
    with closing(store_of(server, base)) as store:
        user = store.lookup("bob")
        assert user is not None
        server.pause()
        try:
            assert store.verify(user, b"") is False
        finally:
            server.resume()


def test_a_user_without_any_password_cannot_log_in() -> None:
    server, base = directory_of()
    server.modify(person(base, "bob"))
    with closing(store_of(server, base)) as store:
        assert check(store, "bob", b"secret") is False


def test_a_user_is_verified_though_another_was_looked_up_meanwhile() -> None:
    server, base = directory_of("bob")
    server.modify(person(base, "eve", userPassword="other"))
    with closing(store_of(server, base)) as store:
        bob = store.lookup("bob")
        eve = store.lookup("eve")
        assert bob is not None
        assert eve is not None
        assert store.verify(bob, b"secret") is True
        assert store.verify(bob, b"other") is False
        assert store.verify(eve, b"other") is True


def test_a_user_of_another_time_is_looked_up_again() -> None:
    server, base = directory_of("bob")
    with closing(store_of(server, base)) as store:
        bob = User(name="bob", stored_password="", info=Info(), store="ldap")
        assert store.verify(bob, b"secret") is True
        nobody = User(name="nobody", stored_password="", info=Info(), store="ldap")
        assert store.verify(nobody, b"secret") is False


def test_an_entry_that_moved_between_look_up_and_bind_is_found_again_before_a_no() -> None:
    server, base = directory_of("first")
    text = person(base, "bob", userPassword="secret")
    server.modify(text)
    with closing(store_of(server, base)) as store:
        bob = store.lookup("bob")
        assert bob is not None
        server.modify(ldif.rename(dn_of(text), "cn=elsewhere"))
        assert store.verify(bob, b"secret") is True
        assert store.verify(bob, b"wrong") is False


def test_a_user_who_is_deleted_between_look_up_and_bind_does_not_get_in() -> None:
    server, base = directory_of("first")
    text = person(base, "bob", userPassword="secret")
    server.modify(text)
    with closing(store_of(server, base)) as store:
        bob = store.lookup("bob")
        assert bob is not None
        server.modify(ldif.removal(dn_of(text)))
        assert store.verify(bob, b"secret") is False


# --- states of accounts

DAY = 86_400.0
EXPIRES: dict[str, Any] = {
    "objectClass": ["inetOrgPerson", "posixAccount", "shadowAccount"],
    "uidNumber": "7",
    "gidNumber": "7",
}


@pytest.mark.parametrize("mode", ["bind", "compare"])
@pytest.mark.parametrize(
    ("expires", "now", "refused"),
    [("100", 99.9 * DAY, False), ("100", 100 * DAY, True), ("-1", 1e9, False), ("0", 1.0, True), (None, 1e12, False)],
)
def test_an_account_that_has_expired_exists_and_does_not_log_in(
    mode: str,
    expires: str | None,
    now: float,
    refused: bool,  # noqa: FBT001
) -> None:
    server, base = directory_of()
    more: dict[str, Any] = {} if expires is None else {"shadowExpire": expires}
    server.modify(person(base, "bob", homeDirectory="/", userPassword="secret", **EXPIRES, **more))
    with closing(store_of(server, base, people=People(base, mode=mode), now=lambda: now)) as store:
        assert store.lookup("bob") is not None
        if refused:
            with pytest.raises(Refused, match="shadowExpire"):
                check(store, "bob", b"secret")
        else:
            assert check(store, "bob", b"secret") is (True if mode == "bind" else None)


LOCKING = ["overlay ppolicy", f"ppolicy_default cn=default,{SUFFIX}"]
POLICY = {
    "objectClass": ["device", "pwdPolicy"],
    "cn": "default",
    "pwdAttribute": "userPassword",
    "pwdLockout": "TRUE",
    "pwdMaxFailure": "2",
}


def test_an_account_that_the_password_policy_locks_exists_and_does_not_log_in() -> None:
    server = Slapd(modules=["ppolicy"], settings=LOCKING)
    try:
        _, base = directory_of("bob", "eve", server=server, userPassword="{SSHA}c2VjcmV0c2VjcmV0c2VjcmV0")
        server.modify(ldif.entry(f"cn=default,{SUFFIX}", POLICY))
        with closing(store_of(server, base)) as store:
            for _ in range(3):
                assert check(store, "bob", b"wrong") is False
        with closing(store_of(server, base, people=People(base, mode="compare"))) as store:
            with pytest.raises(Refused, match="pwdAccountLockedTime"):
                check(store, "bob", b"wrong")
            assert check(store, "eve", b"wrong") is None
    finally:
        server.close()


# --- passwords, by comparing


def test_a_stored_password_is_given_out_to_be_compared() -> None:
    server, base = directory_of("bob", userPassword="{SSHA}abc")
    with closing(store_of(server, base, people=People(base, mode="compare"))) as store:
        user = store.lookup("bob")
        assert user is not None
        assert user.stored_password == "{SSHA}abc"
        assert store.verify(user, b"x") is None


def test_several_stored_passwords_cannot_be_compared_but_the_user_exists() -> None:
    server, base = directory_of("bob", userPassword=["{SSHA}abc", "{SSHA}def"])
    with closing(store_of(server, base, people=People(base, mode="compare"))) as store:
        user = store.lookup("bob")
        assert user is not None
        with pytest.raises(Unavailable, match="several passwords"):
            store.verify(user, b"x")


def test_a_stored_password_that_may_not_be_read_is_no_wrong_password() -> None:
    server, base = directory_of()
    server.modify(person(base, "bob"))
    with closing(store_of(server, base, people=People(base, mode="compare"))) as store:
        user = store.lookup("bob")
        assert user is not None
        with pytest.raises(Unavailable, match="shows no password"):
            store.verify(user, b"x")
