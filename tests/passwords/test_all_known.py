"""Thousands of password fields looked at as one: the answer is that of looking at each."""

from __future__ import annotations

import pytest

from nwauth.passwords.inspecting import all_known

DES, MORE_DES, APACHE = "abJnggxhB/yWI", "./0123456789z", "$apr1$x$0123456789012345678901"


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [""],
        [DES],
        [DES, MORE_DES],
        [DES, "", APACHE],
        [APACHE, DES, "*"],
        [DES, "{SSHA}x"],
        [DES, "ab" + "ABCDEFGH"],
    ],
)
def test_fields_of_known_forms_are_known(fields: list[str]) -> None:
    assert all_known(fields, star_is_clear=False)


@pytest.mark.parametrize("odd", ["abJnggxhB_yWI", "abJnggxhB/yW", "abJnggxhB/yWI1", "$none$x", "{NONE}x", "clear text"])
def test_one_of_no_known_form_is_seen_wherever_it_stands(odd: str) -> None:
    for fields in ([odd], [odd, DES], [DES, odd, MORE_DES], [APACHE, DES, odd]):
        assert not all_known(fields, star_is_clear=False)
