"""The line protocol: bytes to requests, replies to bytes (spec/protocol.md sections 1 to 3)."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nwauth import protocol
from nwauth.audit import Log
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, NameRules
from nwauth.passwords import Passwords, Settings
from nwauth.protocol import BadRequest, Check, Delete, Lookup, Parser, Reply, Search, Set
from nwauth.server import Conversation
from nwauth.service import Service, StoreRules
from nwauth.stores.memory import MemoryStore
from tests.serving import IN_CI, is_blank, is_final, play

HOSTILE_LINES = 20_000 if IN_CI else 300  # spec: at least 20,000 in CI

words = st.one_of(
    st.sampled_from(
        [b"lookup", b"CHECK", b"set", b"Del", b"search", b"version", b"help", b"-from", b"-max", b"(NULL)"]
    ),
    st.sampled_from([b"bob", b"eve", b"*", b"?o?", b'a="1"', b'a=""', b'="', b'"', b"1.2.3.4", b"::1%x", b"7", b"-1"]),
    st.sampled_from(
        [b'valid_until="x"', b'mailstatus="closed"', b"\0", b"\x85", b"\xe2\x80\xa8", b"\xff\xfe", b"\x1b[0m"]
    ),
    st.binary(max_size=8),
)
gaps = st.sampled_from([b" ", b"\t", b"  ", b" \t ", b"\r", b"\x0b", b""])
made_lines = st.lists(st.tuples(words, gaps), max_size=7).map(lambda pairs: b"".join(w + g for w, g in pairs))
lines = (made_lines | st.binary(max_size=60)).map(lambda line: line.replace(b"\n", b"\r"))
texts = st.binary(max_size=160).map(lambda raw: raw.decode(ENCODING, ERRORS))
any_texts = texts | st.text(st.characters(), max_size=150)


def nowhere(_level: int, _line: str) -> None:
    pass


def conversation(address: str = "auto") -> Conversation:
    users = [
        User(name="Bob", stored_password="*pw", info=Info('a="1" \x01odd\r\n\x00'), store="memory"),
        User(name="eve\udcff", stored_password="!", info=Info("é\udc80"), store="memory"),
    ]
    service = Service(
        MemoryStore(users),
        Passwords(Settings(), burn_scheme="ssha"),
        rules={"memory": StoreRules(scheme="ssha", star_is_clear=True)},
        names=NameRules(),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    return Conversation(service, Parser(address), Log(nowhere, level="debug"))


def is_exit(line: bytes) -> bool:
    return line.removesuffix(b"\r").strip(b" \t").lower() in (b"exit", b"quit")


def assert_one_clean_answer(line: bytes, written: list[bytes]) -> None:
    if is_blank(line) and len(line) <= 8192:
        assert written == []
        return
    assert [is_final(reply) for reply in written] == [False] * (len(written) - 1) + [True], line
    for reply in written:
        assert reply.endswith(b"\n")
        assert reply.startswith((b"+OK ", b"+DATA ", b"-ERR ", b"-DEAD "))
        assert not any(byte < 32 or byte == 127 for byte in reply[:-1]), line
        if reply.startswith(b"-"):
            assert len(reply) < 100, line


@settings(max_examples=HOSTILE_LINES)
@given(lines, st.sampled_from(["auto", "always", "never"]))
def test_any_bytes_get_exactly_one_final_reply_without_control_bytes(line: bytes, address: str) -> None:
    written, *behind = play(conversation(address), [line, b"version"])
    assert bool(behind) is not is_exit(line)
    assert_one_clean_answer(line, written)
    assert not any(reply.startswith(b"-DEAD") for reply in written), "nothing here is down"


@given(st.lists(lines, max_size=30))
def test_a_whole_conversation_of_hostile_lines_never_ends_by_itself(asked: list[bytes]) -> None:
    asked = [line for line in asked if not is_exit(line)]
    for line, written in zip(asked, play(conversation(), asked), strict=True):
        assert_one_clean_answer(line, written)


# --- replies ---------------------------------------------------------------------------------------------------------


@given(st.sampled_from(["+OK", "+DATA", "-ERR", "-DEAD"]), any_texts, any_texts)
def test_no_reply_holds_a_line_end_nul_or_control_byte(kind: str, text: str, subject: str) -> None:
    line = Reply(kind, text, subject).encode()
    assert line.endswith(b"\n")
    assert not any(byte < 32 or byte == 127 for byte in line[:-1])
    assert line.startswith(kind.encode() + b" ")


@given(st.sampled_from(["-ERR", "-DEAD"]), any_texts, any_texts)
def test_a_refusal_stays_under_100_bytes_with_its_end(kind: str, text: str, subject: str) -> None:
    assert len(Reply(kind, text, subject).encode()) < 100


@given(
    st.sampled_from(["-ERR", "-DEAD"]),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["", "é€😀" * 40]),
)
def test_a_refusal_is_cut_on_a_character_boundary(kind: str, text: str, subject: str) -> None:
    Reply(kind, text + "é€😀" * 30, subject).encode().decode()  # raises where a character was cut


@given(texts)
def test_a_short_refusal_is_not_cut_and_a_long_one_not_more_than_need_be(subject: str) -> None:
    raw = subject.encode(ENCODING, ERRORS)
    assume(not any(byte < 32 or byte == 127 for byte in raw))
    line = protocol.does_not_exist(subject).encode()
    whole = b"-ERR " + raw + b" does not exist\n" if raw else b"-ERR does not exist\n"
    if len(whole) < 100:
        assert line == whole
    else:
        assert line.endswith(b" does not exist\n"), "mail clients know the words"
        kept = line.removeprefix(b"-ERR ").removesuffix(b" does not exist\n")
        assert raw.startswith(kept)
        if raw.isascii():
            assert len(line) == 99


@given(st.sampled_from(["+OK", "+DATA"]), texts)
def test_a_yes_is_never_cut_and_keeps_every_byte_that_is_no_control_byte(kind: str, text: str) -> None:
    raw = (text * 40).encode(ENCODING, ERRORS)
    line = Reply(kind, text * 40).encode()
    assert len(line) == len(kind) + 1 + len(raw) + 1
    for before, after in zip(raw, line[len(kind) + 1 :], strict=False):
        assert after == before or before < 32 or before == 127


def test_a_wrong_password_and_an_unknown_user_get_the_same_words() -> None:
    answers = play(conversation(), [b"check bob wrong", b"check nob wrong", b"check bob pw\0"])
    assert answers[0] == answers[2] == [b"-ERR bob password wrong or not a valid user\n"]
    assert answers[1] == [b"-ERR nob password wrong or not a valid user\n"]


# --- parsing ---------------------------------------------------------------------------------------------------------

word = st.binary(min_size=1, max_size=12).filter(lambda raw: not {*raw} & {*b" \t\n\r\0"})
names = word.map(lambda raw: raw.decode(ENCODING, ERRORS))
gap = st.text(" \t", min_size=1, max_size=3)
cases = st.sampled_from([str.lower, str.upper, str.title])
field_names = st.text(
    st.characters(exclude_characters=' \t="\x7f', min_codepoint=33, exclude_categories=["Cs"]), min_size=1, max_size=6
)
field_values = st.text(
    st.characters(exclude_characters='"\x7f', min_codepoint=32, exclude_categories=["Cs"]), max_size=8
)


def parsed(text: str, address: str = "auto") -> object:
    return Parser(address).parse(text.encode(ENCODING, ERRORS))


@given(names, gap, gap)
def test_words_are_divided_by_blanks_and_tabs_and_by_nothing_else(name: str, first: str, second: str) -> None:
    assert parsed(f"{second}lookup{first}{name}{second}") == Lookup(name)
    assert parsed(f"DEL{second}{name}\r") == Delete(name)


@given(names, names, gap, st.dictionaries(field_names, field_values, max_size=4))
def test_a_set_comes_back_as_it_was_written(name: str, password: str, between: str, fields: dict[str, str]) -> None:
    assume(not any(c < " " or c == "\x7f" for c in password) and password != "(NULL)")
    unique = {key.lower(): (key, value) for key, value in fields.items()}
    info = between.join(f'{key}="{value}"' for key, value in unique.values())
    request = parsed(f"set{between}{name}{between}{password}{between}{info}")
    assert request == Set(name, password.encode(ENCODING, ERRORS), dict(unique.values()))


@given(
    st.text("aBx-_1", min_size=1, max_size=6),
    st.lists(field_values, min_size=2, max_size=4),
    st.lists(cases, min_size=4, max_size=4),
)
def test_of_a_field_given_twice_the_last_counts(name: str, values: list[str], spell: list[object]) -> None:
    spelled = [case(name) for case, _ in zip(spell, values, strict=False)]  # type: ignore[operator]
    fields = protocol.parse_fields(" ".join(f'{n}="{v}"' for n, v in zip(spelled, values, strict=True)))
    assert fields == {spelled[-1]: values[-1]}


@given(texts)
def test_info_is_pairs_between_blanks_or_refused(text: str) -> None:
    try:
        fields = protocol.parse_fields(text)
    except BadRequest:
        return
    written = " ".join(f'{name}="{value}"' for name, value in fields.items())
    assert protocol.parse_fields(written) == fields
    assert Info(written).fields() == fields, "what was accepted can be read back from the file"


@given(names, st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1), st.permutations(range(3)))
def test_the_options_of_search_stand_in_any_order(pattern: str, skip: int, limit: int, order: list[int]) -> None:
    assume(pattern.lower() not in ("-from", "-max"))
    parts = [pattern, f"-From {skip}", f"-MAX {limit}"]
    assert parsed("search " + " ".join(parts[at] for at in order)) == Search(pattern, skip, limit)


@given(st.binary(max_size=80).filter(lambda raw: b"\n" not in raw), names)
def test_where_no_address_is_sent_all_after_the_name_is_the_password(password: bytes, name: str) -> None:
    assume(password.strip(b" \t") and not password.endswith(b"\r"))
    line = b"check " + name.encode(ENCODING, ERRORS) + b" " + password
    for end in (b"", b"\r"):
        assert Parser("never").parse(line + end) == Check(name, password)


@given(st.binary(min_size=1, max_size=80), names, st.sampled_from(["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"]))
def test_where_an_address_is_always_sent_all_before_it_is_the_password(
    password: bytes, name: str, address: str
) -> None:
    assume(not {*password} & {*b"\n\r"} and password.strip(b" \t") == password)
    line = b"check " + name.encode(ENCODING, ERRORS) + b" " + password + b" " + address.encode()
    assert Parser("always").parse(line) == Check(name, password, address)
    stray = Parser("always").parse(line[: -len(address)] + b"no-address")
    assert stray == Check(name, password, None, len("no-address"))


def test_a_fourth_word_is_believed_until_a_three_word_check_has_shown_what_it_is() -> None:
    parser = Parser()
    assert parser.parse(b"check bob pw 192.0.2.7") == Check("bob", b"pw", "192.0.2.7")
    assert parser.parse(b"check bob 192.0.2.7") == Check("bob", b"", "192.0.2.7")
    assert parser.parse(b"check bob pw ::1") == Check("bob", b"pw", "::1")
    assert parser.parse(b"check bob pw") == Check("bob", b"pw")
    for address in (b"192.0.2.7", b"::1"):
        unknown = parser.parse(b"check bob pw " + address)
        assert isinstance(unknown, Check)
        assert (unknown.address, unknown.password) == (None, b"pw")
    assert Parser().parse(b"check bob pw 192.0.2.7") == Check("bob", b"pw", "192.0.2.7"), "each child learns by itself"


def test_a_fourth_word_that_is_no_address_leaves_its_length_alone() -> None:
    assert Parser().parse(b"check bob half secret") == Check("bob", b"half", None, 6)
    for no_address in (b"1.2.3", b"256.1.1.1", b"1.2.3.4.5", b"1.2.3.4/32", b":::", b"localhost", b"1.2.3.\xc2\xb2"):
        request = Parser().parse(b"check bob pw " + no_address)
        assert isinstance(request, Check)
        assert request.address is None


def test_the_parser_keeps_no_password() -> None:
    parser = Parser()
    parser.parse(b"check bob hunter2hunter2")
    parser.parse(b"check bob hunter3hunter3 hunter4hunter4")
    parser.parse(b"check bob pw 192.0.2.7")
    seen, held = set[int](), [parser.__dict__]
    while held:
        thing = held.pop()
        if id(thing) not in seen and isinstance(thing, dict | list | tuple | set | frozenset | str | bytes):
            seen.add(id(thing))
            assert not (isinstance(thing, str) and "hunter" in thing), "a password in clear"
            assert not (isinstance(thing, bytes) and b"hunter" in thing), "a password in clear"
            held += gc.get_referents(thing)


def test_a_request_shows_no_password_in_repr() -> None:
    for request in (Check("bob", b"hunter2"), Set("bob", b"hunter2", {})):
        assert "hunter2" not in repr(request)


@pytest.mark.parametrize("size", [8192, 8193])
def test_the_longest_line_has_8192_bytes_without_its_end(size: int) -> None:
    line = b"lookup ".ljust(size, b"a")
    for end in (b"", b"\r"):
        if size <= 8192:
            assert Parser().parse(line + end) == Lookup("a" * (size - 7))
        else:
            with pytest.raises(BadRequest, match="longer than 8192 bytes"):
                Parser().parse(line + end)
