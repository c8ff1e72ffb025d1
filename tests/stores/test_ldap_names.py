"""What a name may hold: nothing in it is ever taken for a part of a filter, by a real server's own reading."""

from __future__ import annotations

import atexit
import functools
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sansldap
from hypothesis import given
from hypothesis import strategies as st

from nwauth.errors import Unavailable
from nwauth.names import fold
from nwauth.stores.ldap import Attributes, People
from nwauth.stores.ldap.filters import Filter, marks_in
from tests.directories.people import directory_of, store_of

if TYPE_CHECKING:
    from nwauth.stores.ldap import LdapStore

NAMES = ("bob", "alice", "eve*", "a(b)c", "back\\slash", "bob@test.com", "x)(uid=*", "{name}", "*", "jürgen")
SYNTAX = st.sampled_from(
    [
        "*",
        "(",
        ")",
        "\\",
        "&",
        "|",
        "!",
        "=",
        "\0",
        "\\2a",
        ")(",
        "*)",
        "{name}",
        "bob",
        "uid",
        "\udcff",
        "@",
        " ",
        "~=",
        ":=",
        "\n",
    ]
)
ASKED = st.one_of(
    st.text(max_size=40),
    st.lists(SYNTAX, max_size=12).map("".join),
    st.sampled_from(NAMES),
    st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
FILTERS = (
    None,
    "(&(objectClass=person)(uid={name}))",
    "(&(objectClass=person)(uid=*{name}*))",
    "(|(uid={name})(uid={name}*)(uid=*{name}))",
    "(uid~={name})",
)


@functools.cache
def directory(filter_: str | None) -> LdapStore:
    """It stays open for the test process."""
    server, base = directory_of(*NAMES)
    store = store_of(server, base, people=People(base, filter_=filter_, attributes=Attributes(name=("uid",))))
    atexit.register(store.close)
    return store


@pytest.mark.parametrize("filter_", FILTERS)
@given(name=ASKED)
def test_whoever_is_found_has_the_name_that_was_asked_for(filter_: str | None, name: str) -> None:
    store = directory(filter_)
    try:
        found = store.lookup(name)
    except Unavailable as error:
        if filter_ is None or "more entries" not in str(error):  # a filter of one's own may find too many
            raise
        return
    there = [one for one in NAMES if fold(one) == fold(name)]
    assert found is None or [found.name] == there
    if filter_ != "(uid~={name})":  # which hears what sounds alike, and may not hear what is written alike
        assert found is not None or not there


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_found_and_nobody_else_is(name: str) -> None:
    found = directory(None).lookup(name)
    assert found is not None
    assert found.name == name


@given(password=st.binary(min_size=1, max_size=60).filter(lambda raw: raw != b"secret" and b"\0" not in raw))
def test_no_other_password_is_right(password: bytes) -> None:
    store = directory(None)
    user = store.lookup("bob")
    assert user is not None
    assert store.verify(user, password) is False


@given(name=st.text(min_size=1, max_size=40))
def test_a_filter_with_a_name_in_it_reads_as_the_same_filter_again(name: str) -> None:
    values = {"name": name.encode("utf-8", "replace"), "localpart": b"l", "domain": b"d"}
    made = Filter("(&(objectClass=person)(|(uid={name})(mail=*{name}*))(o={localpart}-{domain}))").of(values)
    assert sansldap.LDAPFilter.from_string(str(made)) == made


# --- filters as administrators write them


@pytest.mark.parametrize(
    ("text", "with_bob", "listing"),
    [
        ("(uid={name})", "(uid=bob@test.com)", "(uid=*)"),
        ("uid={name}", "(uid=bob@test.com)", "(uid=*)"),
        ("(uid={localpart})", "(uid=bob)", "(uid=*)"),
        (
            "(&\n  (objectClass=person)\n  (uid={name})\n)",
            "(&(objectClass=person)(uid=bob@test.com))",
            "(&(objectClass=person)(uid=*))",
        ),
        ("(|(a={localpart}.{domain})(b=x*{name}))", "(|(a=bob.test.com)(b=x*bob@test.com))", "(|(a=*)(b=*))"),
        ("(&(uid={name})(!(o=left)))", "(&(uid=bob@test.com)(!(o=left)))", "(&(uid=*)(!(o=left)))"),
        (
            "(&(uid={name})(memberOf:1.2.840.113556.1.4.1941:=cn=mail,dc=x))",
            "(&(uid=bob@test.com)(memberOf:1.2.840.113556.1.4.1941:=cn=mail,dc=x))",
            "(&(uid=*)(memberOf:1.2.840.113556.1.4.1941:=cn=mail,dc=x))",
        ),
    ],
)
def test_marks_stand_for_the_name_and_its_parts(text: str, with_bob: str, listing: str) -> None:
    values = {"name": b"bob@test.com", "localpart": b"bob", "domain": b"test.com"}
    assert str(Filter(text).of(values)) == with_bob
    assert str(Filter(text).listing()) == listing


def test_a_name_without_a_domain_finds_nobody_where_the_domain_is_asked_for() -> None:
    made = Filter("(|(o={domain})(mail=*{domain}))").of({"name": b"bob", "localpart": b"bob", "domain": b""})
    assert str(made) == "(|(objectClass=nwauth-nobody)(objectClass=nwauth-nobody))"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(uid={name}", "closing"),
        ("(uid={nome})", "wanted one of {name}, {localpart}, {domain}"),
        ("(uid={name)", "wanted one of"),
        ("(&(a=b)(!(uid={name})))", "a mark behind !"),
        ("(uid>={name})", "a brace in"),
        ("(uid:dn:={name})", "a brace in"),
        ("({name}=x)", "invalid"),
        ("", "No filter"),
        ("(&" * 5000, "too deep|No filter|Unbalanced"),
    ],
)
def test_a_filter_that_cannot_be_read_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Filter(text)


def test_marks_are_known_without_reading_a_filter() -> None:
    assert marks_in("(|(uid={localpart})(o={domain}))") == {"localpart", "domain"}


def test_a_closed_store_opens_again_when_it_is_asked() -> None:
    server, base = directory_of("bob")
    with closing(store_of(server, base)) as store:
        assert store.lookup("bob") is not None
        store.close()
        assert store.lookup("bob") is not None
