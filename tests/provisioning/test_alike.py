"""Lines of NDJSON read as columns: what is made of many says what JSON says of each, or nothing at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nwauth.provisioning.alike import columns_alike

ODD = ("", '"', "\\", "\\n", "{", "}", '{"name": "eve"}', '", "quota": "7', "\r", " ", "é", "\udcff", "\u2028")
KEYS = ("name", "password_hash", "quota", "na.me", "a*", "(b", "É", "x\\u0079")
values = st.sampled_from(["bob", "eve@test.com", "$6$x$y", *ODD]) | st.text('ab1.*()[]\\"{}:, ', max_size=8)
lines_alike = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4).flatmap(
    lambda keys: st.lists(
        st.lists(values, min_size=len(keys), max_size=len(keys)).map(
            lambda row: "{" + ", ".join(f'"{key}": "{value}"' for key, value in zip(keys, row, strict=True)) + "}"
        ),
        min_size=1,
        max_size=5,
    )
)
files = st.tuples(lines_alike, st.lists(st.tuples(st.integers(0, 99), st.sampled_from(ODD)), max_size=2))


@given(files)
@example((['{"name": "bob"}', ' {"name": "eve"}', '{"name": "{"}{"name": "eve"}'], []))
@example((['{"name": "bob", "quota": "1"}', '{"quota": "bob", "name": "1"}'], []))
def test_columns_say_what_json_says_of_each_line(file: tuple[list[str], list[tuple[int, str]]]) -> None:
    lines, slips = file
    text = "\n".join(lines)
    for number, odd in slips:
        at = number % (len(text) + 1)
        text = text[:at] + odd + text[at:]
    columns = columns_alike(text)
    if columns is not None:
        said = [json.loads(line, strict=False) for line in text.split("\n")]
        assert [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] == said


@pytest.mark.parametrize("keys", [("name",), ("name", "password_hash"), KEYS[:7]])
def test_lines_that_are_alike_are_read_as_columns(keys: tuple[str, ...]) -> None:
    users = [{key: f"{key} of {number}" for key in keys} for number in range(3)]
    text = "\n".join(json.dumps(user, ensure_ascii=False) for user in users)
    columns = columns_alike(text) or {}
    assert {key: [*column] for key, column in columns.items()} == {key: [user[key] for user in users] for key in keys}


def test_lines_of_thousands_of_keys_are_left_to_who_looks_at_each() -> None:
    line = json.dumps({f"key{number}": "x" for number in range(1000)})
    assert columns_alike(f"{line}\n{line}") is None


@pytest.mark.parametrize(
    "second",
    ['{"name": "a\\"b"}', '{"name": ""}', '{"name": 1}', '{"NAME": "a"}', '{"name":"a"}', '{"name": "a"} ', ""],
)
def test_a_line_that_is_otherwise_is_left_to_who_looks_at_each(second: str) -> None:
    assert columns_alike('{"name": "bob"}\n' + second) is None
