"""Lines to and from a module, for any name, password and text: what our own server reads of them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nwauth.errors import Refused
from nwauth.model import Info, User
from nwauth.names import fold, matcher
from nwauth.protocol import Check, Delete, Lookup, Parser, Search, Set, is_address, ok
from nwauth.stores.process import wire

BYTES = st.binary(max_size=40)
NAMES = st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
PASSWORDS = (
    BYTES | st.text("ab 1.\t", max_size=12).map(str.encode) | st.sampled_from([b"10.0.0.1", b"(NULL)", b"a 1.2.3.4"])
)
ADDRESSES = st.none() | st.sampled_from(["192.0.2.7", "2001:db8::7", "::1"])
READINGS = st.sampled_from(["auto", "always", "never"])
LABELS = st.text("abAB_", min_size=1, max_size=4)
PATTERNS = st.text("aAbB*?-._ éÉσς", max_size=8)


def parsed(line: bytes, address: str = "auto") -> object:
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return Parser(address).parse(line[:-1])


@given(NAMES)
def test_a_name_that_can_be_asked_for_arrives_as_it_is(name: str) -> None:
    assume(wire.can_name(name))
    assert parsed(wire.lookup(name)) == Lookup(name)
    assert parsed(wire.delete(name)) == Delete(name)


@given(NAMES, PASSWORDS, ADDRESSES, READINGS)
def test_a_password_arrives_whole_with_its_address_or_is_not_sent(
    name: str, password: bytes, address: str | None, reading: str
) -> None:
    assume(wire.can_name(name))
    line = wire.check(name, password, address, reading=reading)
    if line is None:
        assert not password or b" " in password or any(byte < 32 or byte == 127 for byte in password)
        return
    known = {"auto": address, "always": address or wire.NO_ADDRESS, "never": None}[reading]
    if reading == "auto" and address is None and is_address(password.decode("utf-8", "surrogateescape")):
        assert parsed(line) == Check(name, b"", password.decode())  # our own server takes it for an address: wrong
        return
    assert parsed(line, reading) == Check(name, password, known)


@given(NAMES, PASSWORDS, st.dictionaries(LABELS, st.text("a b:=é", max_size=8), max_size=4))
def test_a_change_arrives_as_it_is_or_is_refused(name: str, password: bytes, fields: dict[str, str]) -> None:
    assume(len({label.lower() for label in fields}) == len(fields))
    field = "{CLEAR}" + password.decode("utf-8", "surrogateescape")
    try:
        line = wire.set_user(name, field, fields)
    except Refused:
        assert (
            not wire.can_name(name) or not password or password == b"(NULL)" or min(password) <= 32 or 127 in password
        )
        return
    assert parsed(line) == Set(name, password, fields)


@given(NAMES, st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3))
def test_no_info_becomes_another_request(name: str, fields: dict[str, str]) -> None:
    try:
        line = wire.set_user(name, "", fields)
    except (Refused, UnicodeEncodeError):
        return
    assert line.count(b"\n") == 1
    found = parsed(line)
    assert isinstance(found, Set)
    assert (found.user, found.password) == (name, None)


@pytest.mark.parametrize("field", ["{ssha}abc", "$6$salt$hash", "*secret", "secret", "{clear}secret", "!", "{CLEAR}"])
def test_what_is_not_a_password_in_the_clear_is_never_sent(field: str) -> None:
    with pytest.raises(Refused) as raised:
        wire.set_user("bob", field, {})
    assert field not in str(raised.value)


@given(NAMES, st.text("/ab", min_size=1, max_size=6), st.text("0123456789", min_size=1, max_size=4), NAMES)
def test_a_user_in_an_answer_is_read_back(name: str, drop_path: str, uid: str, info: str) -> None:
    assume(wire.can_name(name) and all(c.isprintable() or c >= "\x80" for c in info))
    user = User(name=name, stored_password="", info=Info(info), drop_path=drop_path, uid=uid, store="x")
    text = f"{name} {drop_path} {uid} {info}" if info else f"{name} {drop_path} {uid}"
    reply = wire.read_reply(ok(text).encode().removesuffix(b"\n"))
    assert reply is not None
    assert wire.user_of(reply.text, store="x") == user


@given(BYTES)
def test_no_line_is_more_than_a_reply_or_none(line: bytes) -> None:
    reply = wire.read_reply(line)
    assert reply is None or reply.kind in wire.KINDS
    for kind in (b"+OK ", b"+DATA "):
        found = wire.read_reply(kind + line)
        assert found is not None
        wire.user_of(found.text, store="x")
        wire.hit_of(found.text, store="x")
        wire.total_of(found.text)


@given(PATTERNS, st.text("aAbB-._éÉσςΣ", max_size=8))
def test_whoever_matches_a_pattern_matches_what_the_module_is_asked_for(pattern: str, name: str) -> None:
    request = parsed(wire.search(pattern))
    assert isinstance(request, Search)
    assert (request.skip, request.limit) == (0, None)
    if matcher(pattern)(fold(name)):
        assert matcher(request.pattern)(fold(name))


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("bob", "BOB", True),
        ("bob", "bob@test.com", True),
        ("bob@test.com", "Bob", True),
        ("bob@test.com", "bob@test.com@main.com", True),
        ("bob@test.com", "bob@other.com", False),
        ("bob", "bobby", False),
        ("bobby", "bob", False),
        ("bob", "", False),
        ("b", "a@b", False),
    ],
)
def test_a_domain_more_or_less_is_the_same_user_another_one_is_not(asked: str, answered: str, same: bool) -> None:  # noqa: FBT001
    assert wire.is_name_of(asked, answered) is same


@pytest.mark.parametrize(
    ("text", "name", "is_one"),
    [
        ("unknown command", "bob", True),
        ("usage: lookup <user>", "bob", True),
        ("Usage lookup", "bob", True),
        ("search is not supported", "bob", True),
        ("Syntax error in request", "bob", True),
        ("bob does not exist", "bob", False),
        ("usage does not exist", "usage", False),
        ("USAGE: does not exist", "usage:", False),
        ("unsupported does not exist", "unsupported", False),
        ("no such user", "bob", False),
        ("", "bob", False),
    ],
)
def test_a_no_that_speaks_of_the_request_is_none_about_the_user(text: str, name: str, is_one: bool) -> None:  # noqa: FBT001
    assert wire.is_not_understood(text, name) is is_one


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("Search Complete 2 items found out of 1510", 1510),
        ("Search Complete 2 items found out of 1510 ", 1510),
        ("Search Complete 2 items found", None),
        ("", None),
        ("2 items", None),
        ("found out of many", None),
        ("found out of \u0663", None),
        ("found out of " + "9" * 30, None),
    ],
)
def test_the_number_of_all_is_read_where_it_is_said(text: str, total: int | None) -> None:
    assert wire.total_of(text) == total
