"""Two password fields that are one hash, however it is written."""

from __future__ import annotations

import pytest

from nwauth.passwords.inspecting import is_same_hash

DES, SHA512 = "abJnggxhB/yWI", "$6$abcdefgh$" + "x" * 86
ARGON = "$argon2id$v=19$m=8,t=1,p=1$gBnS3aVS+VbEBv3dJcP1dg$L25EopF4hLLZ9M5t2yWmUDOQa1AinASNdPukx4uJkJU"
SSHA = "EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"
SSHA_HEX = "100cd7017055cf9063c5072fdbe002d76913d3648809c5df"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ARGON, "{ARGON2ID}" + ARGON),
        (DES, "{CRYPT}" + DES),
        ("{crypt}" + SHA512, "{SHA512-CRYPT}" + SHA512),
        ("{ssha}" + SSHA, "{SSHA}" + SSHA),
        ("{ssha}" + SSHA, "{SSHA.HEX}" + SSHA_HEX),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SHA1.b64}5en6G6MezRroT3XKqkdPOmY/BfQ="),
        ("*secret", "{PLAIN}secret"),
    ],
)
def test_a_tag_or_an_encoding_makes_no_other_hash(one: str, other: str) -> None:
    assert is_same_hash(one, other, star_is_clear=True)
    assert is_same_hash(other, one, star_is_clear=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DES, "abJnggxhB/yWJ"),
        ("{ssha}" + SSHA, "{SSHA}EAzXAXBVz5BjxQcv2+AC12kT02SICcXg"),
        ("{ssha}" + SSHA, "{SSHA512}" + SSHA),
        ("{ssha}damaged", "{SSHA}damaged"),
        ("*secret", "{PLAIN}Secret"),
        ("!", "*"),
        ("{NONE}x", "{none}x"),
        ("*LK*", "!" + DES),
        ("!" + DES, DES),
    ],
)
def test_another_hash_another_algorithm_and_a_lock_are_another(one: str, other: str) -> None:
    assert not is_same_hash(one, other, star_is_clear=True)


def test_where_the_star_locks_nothing_behind_it_is_compared() -> None:
    assert not is_same_hash("*secret", "{PLAIN}secret", star_is_clear=False)
