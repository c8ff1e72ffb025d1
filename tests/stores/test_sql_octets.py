"""Text that a database cannot hold as it is: written behind SUB, and read again as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.sql.octets import SUB, as_text, decode, encode, is_plain

octets = st.binary(max_size=80).map(lambda raw: raw.decode(ENCODING, ERRORS))
texts = st.lists(octets | st.sampled_from([SUB, SUB + "E9", SUB + "1A", SUB + "00", "\0", "\udcff", "1A"])).map("".join)


@given(texts)
@example(SUB)
@example(SUB + SUB + "1A1A")
@example("\0\udc80\udcff")
def test_any_bytes_come_back_as_they_were(text: str) -> None:
    assert decode(encode(text)) == text


@given(texts)
def test_what_is_written_is_text_for_every_database(text: str) -> None:
    written = encode(text)
    assert is_plain(written)
    assert written.encode().decode() == written


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1a")))
def test_plain_text_stands_in_the_column_as_it_is(text: str) -> None:
    assert encode(text) == decode(text) == text
    assert is_plain(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("b\udce9b", "b\x1aE9b"),
        ("\0", "\x1a00"),
        (SUB, "\x1a1A"),
        ("\udc80\udcff", "\x1a80\x1aFF"),
        ("é\n\t\x7f", "é\n\t\x7f"),
    ],
)
def test_an_octet_stands_as_sub_and_two_hex_digits(text: str, written: str) -> None:
    assert encode(text) == written
    assert decode(written) == text


@pytest.mark.parametrize(
    "text", [SUB, f"{SUB}1", f"{SUB}zz", f"{SUB}e9", f"x{SUB}", f"{SUB} 1", f"{SUB}\u0661\u0661", f"{SUB}+1"]
)
def test_sub_that_somebody_else_wrote_stands_for_itself(text: str) -> None:
    assert decode(text) == text


@given(st.text())
def test_whatever_stands_in_a_column_can_be_read(text: str) -> None:
    assert decode(encode(decode(text))) == decode(text) if is_plain(text) else True


@pytest.mark.parametrize("half", [0xD800, 0xDBFF, 0xDC00, 0xDC7F, 0xDFFF], ids=hex)
def test_half_of_a_surrogate_pair_never_was_a_byte(half: int) -> None:
    with pytest.raises(Refused, match="half of a surrogate pair"):
        encode(f"a{chr(half)}b")
    assert not is_plain(f"a{chr(half)}b")


def test_whatever_the_type_of_a_column_it_is_text_or_null() -> None:
    assert as_text(None) is None
    assert as_text("text") == "text"
    for raw in (b"caf\xc3\xa9\xff", bytearray(b"caf\xc3\xa9\xff"), memoryview(b"caf\xc3\xa9\xff")):
        assert as_text(raw) == "café\udcff"
    values = [
        (0, "0"),
        (-17, "-17"),
        (2.5, "2.5"),
        (Decimal("2.50"), "2.50"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None), "2024-01-02 03:04:05"),
        (timedelta(hours=1), "1:00:00"),
        (True, "true"),
        (False, "false"),
    ]
    assert [as_text(value) for value, _ in values] == [text for _, text in values]
