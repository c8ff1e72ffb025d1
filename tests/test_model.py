"""Users and their info text (spec/protocol.md section 3, set)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.doctor.slips import PIECE
from nwauth.model import Info, User

FIELD = re.compile(r'([^ \t="]*)="([^"]*)"')  # the model's own idea of a field

names = st.sampled_from(["a", "B", "b", "quota", "Quota", "é", "É", "K", "x:y", "İ", "ΟΔΟΣ"])
values = st.sampled_from(["", "1", "two words", "a=b", ":", "=", " ", "\udcff"])
junk = st.text('ab= \t";:\x01\udcffé', max_size=6)
infos = st.lists(st.builds('{}="{}"'.format, names, values) | junk | st.just(" "), max_size=7).map("".join)
changes = st.dictionaries(names, values, max_size=4)


def model_fields(text: str) -> dict[str, tuple[str, str]]:
    """Key to (spelling of the first, value of the last), in the order of the text."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in FIELD.findall(text):
        if name:
            found[name.lower()] = (found.get(name.lower(), (name,))[0], value)
    return found


def odd_words(text: str) -> list[str]:
    """The words of what is no field."""
    odd, at = "", 0
    for match in FIELD.finditer(text):
        if match[1]:
            odd += text[at : match.start()] + " "
            at = match.end()
    return [word for word in re.split("[ \t]", odd + text[at:]) if word]


@given(infos)
def test_the_fields_are_those_of_the_model(text: str) -> None:
    info = Info(text)
    assert list(info.fields().items()) == list(model_fields(text).values())
    for name in ("a", "B", "QUOTA", "é", "k", "x:Y", "ΟΔΟΣ", "nothere"):
        expected = model_fields(text).get(name.lower())
        assert info.get(name) == (None if expected is None else expected[1])


@given(infos)
def test_doctor_reads_the_same_fields_in_its_pass_over_all_users(text: str) -> None:
    found = [(name, value) for name, value in PIECE.findall(text) if name]
    assert found == [(name, value) for name, value, _, _ in Info(text).pieces()]


@given(infos, changes)
def test_changed_fields_are_changed_in_their_place_and_no_others(text: str, wanted: dict[str, str]) -> None:
    expected = model_fields(text)
    for key, (name, value) in {name.lower(): (name, value) for name, value in wanted.items()}.items():
        if value:
            expected[key] = (expected.get(key, (name,))[0], value)
        else:
            expected.pop(key, None)
    assert dict(model_fields(Info(text).updated(wanted).text)) == expected


@given(infos, changes)
def test_the_stored_fields_keep_their_order(text: str, wanted: dict[str, str]) -> None:
    after = list(model_fields(Info(text).updated(wanted).text))
    stayed = [key for key in model_fields(text) if key in after]
    assert [key for key in after if key in stayed] == stayed


@given(infos, changes)
def test_odd_text_is_kept_word_for_word(text: str, wanted: dict[str, str]) -> None:
    assert odd_words(Info(text).updated(wanted).text) == odd_words(text)


@given(infos, changes)
def test_the_same_change_twice_changes_nothing_more(text: str, wanted: dict[str, str]) -> None:
    once = Info(text).updated(wanted)
    assert once.updated(wanted) == once


@given(infos)
def test_no_change_and_the_removal_of_what_is_not_there_keep_every_byte(text: str) -> None:
    assert Info(text).updated({}).text == text
    assert Info(text).updated({"nothere": ""}).text == text


@given(infos, names, values.filter(bool))
def test_a_field_replaced_leaves_all_other_bytes_alone(text: str, name: str, value: str) -> None:
    matches = [match for match in FIELD.finditer(text) if match[1].lower() == name.lower()]
    if len(matches) == 1:
        (match,) = matches
        expected = f'{text[: match.start()]}{match[1]}="{value}"{text[match.end() :]}'
        assert Info(text).updated({name: value}).text == expected


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ('a="1" b="2" c="3"', {"b": ""}, 'a="1" c="3"'),
        ('a="1" b="2"', {"a": ""}, 'b="2"'),
        ('a="1"', {"a": ""}, ""),
        ("", {"a": "1"}, 'a="1"'),
        ("odd", {"a": "1"}, 'odd a="1"'),
        ('odd  a="1"  text', {"A": "2"}, 'odd  a="2"  text'),
        ('a="1" A="2" b="3"', {"a": "9"}, 'a="9" b="3"'),
        ('a="1"b="2"', {"a": "3"}, 'a="3"b="2"'),
    ],
)
def test_a_change_reads_as_an_administrator_would_write_it(text: str, wanted: dict[str, str], expected: str) -> None:
    assert Info(text).updated(wanted).text == expected


def test_a_field_set_beside_an_open_quote_can_be_read_back() -> None:
    info = Info('note="never closed').updated({"mailstatus": "suspended"})
    assert info.get("mailstatus") == "suspended"
    assert 'note="never closed' in info.text


def test_the_stored_password_stays_out_of_repr() -> None:
    user = User(name="bob", stored_password="*hunter2", info=Info('q="1"'))
    assert "hunter2" not in repr(user)
    assert "bob" in repr(user)


def test_a_changed_user_keeps_all_else() -> None:
    user = User(name="Bob", stored_password="*x", info=Info("i"), drop_path="/p", uid="7", store="s", ip_mask="10.*")
    same = user.changed()
    assert same == user
    assert hash(same) == hash(user)
    other = user.changed(stored_password="", info=Info(""))
    assert (other.name, other.stored_password, other.info, other.drop_path, other.uid, other.store, other.ip_mask) == (
        "Bob", "", Info(), "/p", "7", "s", "10.*",
    )  # fmt: skip
    assert other != user
    assert user.changed(ip_mask="") == User(
        name="Bob", stored_password="*x", info=Info("i"), drop_path="/p", uid="7", store="s"
    )
    assert user.changed(store="t").store == "t"


def user(*, drop_path: str = "config", uid: str = "0") -> User:
    return User(name="bob", stored_password="", info=Info(), drop_path=drop_path, uid=uid)


@pytest.mark.parametrize("word", ["config", "/mail/bob", "a\xe9\u0416", "{x}=';"])
def test_a_drop_path_and_a_uid_of_one_word_can_be_said(word: str) -> None:
    assert user(drop_path=word).unsayable() == ""
    assert user(uid=word).unsayable() == ""


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("", "is empty"),
        ("a b", "holds a blank"),
        ("a\u00a0b", "holds a blank"),
        ("a\u2003b", "holds a blank"),
        ('a"b c', "holds a quote"),
        ("a\tb", "holds a control character"),
        ("a\nb", "holds a control character"),
        ("a\0b", "holds a control character"),
        ("a\x85b", "holds a control character"),
        ("a\udce9b", "holds a byte that is no UTF-8"),
        ("a\u200bb", "holds a character that cannot be shown"),
    ],
)
def test_what_is_no_word_is_told_with_its_fault_and_whether_it_is_the_drop_path_or_the_uid(
    word: str, fault: str
) -> None:
    assert user(drop_path=word, uid="7").unsayable() == f"the drop path of 'bob' {fault}: {word!a}"
    assert user(uid=word).unsayable() == f"the uid of 'bob' {fault}: {word!a}"


# --- secrets ---------------------------------------------------------------------------------------------------------

SECRET = "phone;{ssha256}ZGlnZXN0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ('quota="5"', 'quota="5"'),
        (f'app_passwords="{SECRET}"', ""),
        (f'quota="5" app_passwords="{SECRET}" fwd="a@b"', 'quota="5" fwd="a@b"'),
        (f'APP_Passwords="{SECRET}" x app_passwords="{SECRET}"', "x"),
        (f'quota="5" app_passwords="{SECRET}', 'quota="5"'),
        (f"quota={SECRET} app_passwords={SECRET}", f"quota={SECRET}"),
        (f'fwd="a app_passwords="{SECRET}"', 'fwd="a'),
        ('note="of app_passwords=none" my_app_passwords="x"', 'note="of app_passwords=none" my_app_passwords="x"'),
        ('note="app_passwords"', 'note="app_passwords"'),
        (f'quota="5" app_passwords = "{SECRET}"', 'quota="5"'),
        (f'quota="5" APP_PASSWORDS ="{SECRET}" fwd="a@b"', 'quota="5"'),
        (f'app_passwords: "{SECRET}"', ""),
    ],
)
def test_what_is_shown_has_no_secret_in_it(text: str, shown: str) -> None:
    assert Info(text).public().text == shown


around = st.text('aAp_= \t"é;')


@given(around, around)
def test_a_whole_secret_field_is_never_shown_whatever_stands_around_it(before: str, behind: str) -> None:
    info = Info(f'{before} app_passwords="{SECRET}" {behind}')
    assert SECRET not in info.public().text
    assert SECRET not in repr(info)
    assert info.public().public() == info.public()
