"""Names: folding, the rules for new ones, wildcards (spec/protocol.md section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.names import BAD_CHARACTERS, ENCODING, ERRORS, NameRules, covering, fold, fold_bytes, matcher, split_name
from tests.serving import Child, make_folder

if TYPE_CHECKING:
    from pathlib import Path

names = st.binary(max_size=30).map(lambda raw: raw.decode(ENCODING, ERRORS))
texts = names | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("BOB@Test.COM", "bob@test.com"),
        ("É", "é"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("E\N{COMBINING ACUTE ACCENT}", "é"),
        ("\N{KELVIN SIGN}", "k"),
        ("\N{ANGSTROM SIGN}", "å"),
        ("ΟΔΟΣ", "οδος"),
        ("straße", "straße"),
        ("ﬁ", "ﬁ"),
        ("a\udcff\udc80B", "a\udcff\udc80b"),
        ("", ""),
    ],
)
def test_the_key_is_the_lower_case_of_the_composed_form(name: str, key: str) -> None:
    assert fold(name) == key


@given(texts)
def test_folding_a_key_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.binary(max_size=40))
def test_a_name_in_a_file_folds_as_the_same_name_on_the_wire_does(raw: bytes) -> None:
    assert fold_bytes(raw) == fold(raw.decode(ENCODING, ERRORS)).encode(ENCODING, ERRORS)


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_an_ascii_name_folds_to_its_plain_lower_case(name: str) -> None:
    assert fold(name) == name.translate({upper: upper + 32 for upper in range(65, 91)})


def test_a_byte_that_is_no_character_never_folds_to_another() -> None:
    keys = {fold_bytes(bytes([byte])) for byte in range(128, 256)}
    assert len(keys) == 128


@pytest.mark.parametrize(
    ("name", "parts"),
    [("bob", ("bob", "")), ("bob@x", ("bob", "x")), ("a@b@c", ("a@b", "c")), ("@x", ("", "x")), ("bob@", ("bob", ""))],
)
def test_the_domain_is_what_follows_the_last_at(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


# --- names that may be added -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", [*':"/\\*?,;<>|%', *map(chr, range(33)), "\x7f"])
def test_a_refused_character_is_refused_wherever_it_stands(character: str) -> None:
    for name in (f"{character}bob", f"b{character}b", f"bob{character}", f"bob@te{character}st", character):
        assert NameRules().fault(name) is not None, name


@pytest.mark.parametrize(
    "name", ["#bob", "-bob", "a..b", "..", "a@b@c", "@@", "", "a" * 255, "é", "a\udcff", "\x80", "é" * 200]
)
def test_a_refused_name_is_refused(name: str) -> None:
    assert NameRules().fault(name) is not None


@pytest.mark.parametrize(
    "name", ["a", "bob@test.com", "b#b", "b-b", "a.b.c", ".a", "a" * 254, "dom1_BOB", "o'neil", "@x"]
)
def test_an_ordinary_name_may_be_added(name: str) -> None:
    assert NameRules().fault(name) is None


def test_every_other_printable_character_may_stand_in_a_name() -> None:
    free = "".join(chr(code) for code in range(33, 127) if chr(code) not in ':"/\\*?,;<>|%')
    assert NameRules().fault(f"a{free}") is None
    assert len(free) == 94 - 12


def test_allow_ats_allows_more_than_one_at_and_nothing_else() -> None:
    rules = NameRules(allow_ats=True)
    assert rules.fault("a@b@@c") is None
    assert rules.fault("a@b/c@d") is not None


def test_allow_high_ascii_allows_bytes_above_127_and_nothing_else() -> None:
    rules = NameRules(allow_high_ascii=True)
    assert rules.fault("é\udcff") is None
    for name in ("é ", "é:", "é/", "é\x01", "é\x7f"):
        assert rules.fault(name) is not None


def test_the_limit_counts_bytes_and_not_characters() -> None:
    rules = NameRules(allow_high_ascii=True)
    assert rules.fault("é" * 127) is None
    assert rules.fault("é" * 127 + "a") is not None
    assert rules.fault("\udcff" * 254) is None
    assert rules.fault("\udcff" * 255) is not None


def test_badchar_replaces_the_list_but_frees_neither_colon_nor_quote_nor_control_bytes() -> None:
    rules = NameRules(badchar="!")
    assert rules.fault(BAD_CHARACTERS.replace(":", "").replace('"', "")) is None
    for name in ("a!b", "a:b", 'a"b', "a b", "a\x01b", "a\x7fb"):
        assert rules.fault(name) is not None


def test_badchar_localpart_binds_what_stands_before_the_last_at() -> None:
    rules = NameRules(badchar_localpart="+", allow_ats=True)
    assert rules.fault("a@b+c") is None
    for name in ("a+b@c", "a+b", "a+b@c@d", "a@b+c@d"):
        assert rules.fault(name) is not None


@given(texts)
def test_a_name_that_may_be_added_fits_the_file_and_the_wire(name: str) -> None:
    if NameRules(badchar="", allow_ats=True, allow_high_ascii=True).fault(name) is None:
        raw = name.encode(ENCODING, ERRORS)
        assert 0 < len(raw) <= 254
        assert not {*b':" \t\r\n\0\x7f'} & {*raw}
        assert raw[:1] not in (b"#", b"-")


# --- wildcards -------------------------------------------------------------------------------------------------------


def naive_match(pattern: str, name: str) -> bool:
    """Whether a wildcard fits the whole name, by the table of all prefixes."""
    row = [True] + [False] * len(name)
    for wanted in pattern:
        if wanted == "*":
            for at in range(len(name)):
                row[at + 1] = row[at + 1] or row[at]
        else:
            row = [False, *(before and wanted in ("?", found) for before, found in zip(row, name, strict=False))]
    return row[-1]


few = st.text("ab*?", max_size=9)


@given(few, st.text("abAB", max_size=9))
def test_a_wildcard_agrees_with_a_naive_model_over_few_letters(pattern: str, name: str) -> None:
    expected = naive_match(pattern, fold(name)) if {*pattern} & {*"*?"} else pattern in fold(name)
    assert matcher(pattern)(fold(name)) is expected


@given(st.text("aZ[].^$\\+(){}|é\n\udcff*?", max_size=8), st.text("aZ[].^$\\+(){}|é\n\udcff", max_size=8))
def test_only_star_and_question_mark_are_special(pattern: str, name: str) -> None:
    expected = naive_match(fold(pattern), fold(name)) if {*pattern} & {*"*?"} else fold(pattern) in fold(name)
    assert matcher(pattern)(fold(name)) is expected


@given(st.text("abcABC@.", min_size=1, max_size=10), st.integers(0, 10), st.integers(0, 10))
def test_a_part_of_a_name_in_any_case_finds_it(name: str, start: int, end: int) -> None:
    part = name[start:end]
    for spelling in (part.upper(), part.lower(), part.swapcase()):
        assert matcher(spelling)(fold(name))
        assert matcher(f"*{spelling}*")(fold(name))


@pytest.mark.parametrize("pattern", ["ΟΔΟΣ*", "οδος*", "ΟΔΟΣ", "*ΔΟΣ?"])
def test_a_sigma_at_the_end_of_a_pattern_finds_one_inside_a_name(pattern: str) -> None:
    assert matcher(pattern)(fold("ΟΔΟΣΑ"))


@pytest.mark.parametrize(
    ("patterns", "covered", "others"),
    [
        (("*",), ["bob", "", "a@b"], []),
        (("*", "bob"), ["eve"], []),
        ((), [], ["bob", "*"]),
        (("*test.com",), ["bob@test.com", "test.com", "bob@mytest.com"], ["bob@test.co", "bob"]),
        (("*@Test.com",), ["bob@test.com"], ["bob@mytest.com"]),
        (("dom2_*",), ["dom2_bob", "dom2_"], ["dom2", "xdom2_bob"]),
        (("bob",), ["bob"], ["bobby", "abob"]),
        (("b?b*",), ["bob", "bibi"], ["bb"]),
        (("*x*",), ["axa", "x"], ["a"]),
        (("*JÜRGEN",), ["my-jürgen"], ["jurgen"]),
        (("*@a.com", "*@b.com"), ["x@a.com", "x@b.com"], ["x@c.com"]),
        (("ΟΔΟΣ",), ["οδος"], ["οδοσ", "οδοσα"]),
        (("ΟΔΟΣ*",), ["οδος", "οδοσα"], ["οδ"]),
        (("",), [""], ["a"]),
        (("*[a]",), ["x[a]"], ["xa"]),
    ],
)
def test_a_pattern_covers_whole_names_without_regard_to_case(
    patterns: tuple[str, ...], covered: list[str], others: list[str]
) -> None:
    covers = covering(*patterns)
    assert [name for name in covered if not covers(fold(name))] == []
    assert [name for name in others if covers(fold(name))] == []


def test_a_wildcard_of_many_stars_is_answered_at_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "base", b"a" * 250 + b":!:\n")
    with Child(folder) as child:  # in a process of its own: a matcher that backtracks never comes back
        child.send(b"search " + b"*a" * 25 + b"*b\nsearch " + b"*a?" * 40 + b"\nversion\n")
        assert child.replies() == b"+OK Search Complete 0 items found out of 1\n"
        assert child.replies().endswith(b"+OK Search Complete 1 items found out of 1\n")
        assert child.replies().startswith(b"+OK nwauth ")
