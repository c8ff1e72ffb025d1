"""App passwords themselves: made up, typed in many ways, and compared."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.passwords import Passwords
from nwauth.passwords.apps import ALPHABET, digest, fits, made_up, plain

TYPED = b"qx7wd-3kfp9-ah2mz-uv6re"


def test_each_is_another_of_a_hundred_random_bits() -> None:
    many = {made_up() for _ in range(500)}
    assert len(many) == 500
    assert all(re.fullmatch(rf"[{ALPHABET}]{{5}}(-[{ALPHABET}]{{5}}){{3}}", one) for one in many)
    assert len(set(ALPHABET)) == 32
    for place in (0, 6, 22):  # each of the letters stands everywhere
        assert {one[place] for one in (made_up() for _ in range(2000))} == set(ALPHABET)


def test_capitals_and_hyphens_are_taken_as_they_come() -> None:
    field = digest(TYPED.decode())
    for typed in (TYPED, TYPED.upper(), TYPED.replace(b"-", b""), TYPED.title()):
        found = plain(typed)
        assert found is not None
        assert fits(field, found)


@pytest.mark.parametrize(
    "typed",
    [
        b"",
        b"secret",
        TYPED[:-1],
        TYPED + b"a",
        TYPED.replace(b"q", b"l"),
        TYPED.replace(b"-", b" "),
        b"-" * 23,
        b"\0" * 20,
    ],
)
def test_what_has_another_form_is_none(typed: bytes) -> None:
    assert plain(typed) is None


def test_what_is_stored_is_a_salted_sha_256_that_other_programs_know() -> None:
    field = digest(TYPED.decode())
    raw = base64.b64decode(field.removeprefix("{ssha256}"), validate=True)
    assert raw[:32] == hashlib.sha256(TYPED.replace(b"-", b"") + raw[32:]).digest()
    assert len(raw) == 36
    assert digest(TYPED.decode()) != field
    assert Passwords().verify(field, TYPED.replace(b"-", b"")).ok


@pytest.mark.parametrize("field", ["", "{ssha256}", "{ssha256}!", "{ssha256}AAAA", "{ssha256}" + "A" * 43 + "="])
def test_a_damaged_digest_is_of_nothing(field: str) -> None:
    assert not fits(field, TYPED.replace(b"-", b""))


@given(st.binary(max_size=30))
def test_any_bytes_are_one_or_none(typed: bytes) -> None:
    found = plain(typed)
    assert found is None or (len(found) == 20 and plain(found) == found)
