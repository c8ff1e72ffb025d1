"""Whoever is written to a file, in whatever form, is read back the same; what is not was told."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.model import Info, User
from nwauth.provisioning.exchange.columns import Columns
from nwauth.provisioning.exchange.detecting import SEPARATORS
from nwauth.provisioning.exchange.encodings import BYTES, in_utf8
from nwauth.provisioning.exchange.giving import LINES, PLANS, Giving
from nwauth.provisioning.exchange.taking import BLANKS, Taking, read_users
from nwauth.provisioning.exchange.writing import Writing
from nwauth.provisioning.parts import Fault, Rows
from nwauth.provisioning.words import NO_INFO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.provisioning.exchange.giving import Lost
    from nwauth.provisioning.parts import Raw

SSHA = "{SSHA}fVtg2QtLtznn/yR4SCFOYUKYQo8x6gCd"
FIELDS = (
    SSHA,
    "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf",
    "$2b$05$qEMRSJjS0govxc15shGDYOJukWC9u8bFBQfjrvUj6WmsRMHXj364y",
    "$6$abcdefgh$" + "x" * 86,
    "lLKK5hkOMAbmc",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "$argon2id$v=19$m=8,t=1,p=1$gBnS3aVS+VbEBv3dJcP1dg$L25EopF4hLLZ9M5t2yWmUDOQa1AinASNdPukx4uJkJU",
    "!",
    "",
    "hunter2",
    "*secret",
    "*se:cret",
)
TEXT = st.text(st.sampled_from("abcXYZ09 .,;:\t'=|#@-_/\\äß日\udce9\""), max_size=12)
NAMES = st.text(st.sampled_from("abcdXYZ09.-_@:,;\t'ä\udce9#!{[ \x7f"), min_size=1, max_size=12)
FIELD_NAMES = st.sampled_from(
    ("quota", "full_name", "Mail-Status", "x", "uid", "name", "last_login", "nologin", "mail", "app_passwords", "é")
)
PARTS = st.dictionaries(FIELD_NAMES, TEXT, max_size=4)


@st.composite
def users(draw: st.DrawFn) -> User:
    """A user as a database may hold it; of a flat file it is a part."""
    fields = {name: value.replace('"', "") for name, value in draw(PARTS).items()}
    odd = draw(st.sampled_from(("", "", "", "odd text")))
    info = " ".join([f'{name}="{value}"' for name, value in fields.items()] + [odd] * bool(odd))
    return User(
        name=draw(NAMES),
        stored_password=draw(st.sampled_from(FIELDS)),
        info=Info(info),
        drop_path=draw(st.sampled_from(("config", "config", "/var/mail/bob", "/a b:c"))),
        uid=draw(st.sampled_from(("0", "0", "1000", "bob"))),
        ip_mask=draw(st.sampled_from(("", "", "10.0.0.0/8"))),
    )


def written(kind: str, people: list[User], *, star_is_clear: bool) -> tuple[bytes, Lost]:
    giving = Giving(kind, star_is_clear=star_is_clear, with_passwords=True, with_all=True)
    writing = Writing(kind, giving, store="here")
    out = io.BytesIO()
    writing.take([[user.held() for user in people]], lambda _name: True)
    writing.give(out)
    writing.close()
    return out.getvalue(), giving.lost


def taken(data: bytes, kind: str, *, star_is_clear: bool) -> Iterator[Raw | Rows | Fault]:
    opened = in_utf8(io.BytesIO(data), BYTES)
    mapping = {"uid": "uid", "home": "drop_path"} if kind in ("passwd", "dovecot") else {}
    if kind == "dovecot":
        mapping |= dict.fromkeys(("nologin",), "nologin")
    taking = Taking(
        form=kind,
        columns=Columns(kind, mapping, clear=None),
        encoding=opened.encoding,
        star_is_clear=star_is_clear,
        clear=None,
        whole=lambda name: name,
        matches=None,
    )
    yield from taking.users(read_users(opened.file, kind)[0])


def read_back(data: bytes, kind: str, *, star_is_clear: bool) -> list[dict[str, str]]:
    found: list[tuple[int, dict[str, str]]] = []
    for one in taken(data, kind, star_is_clear=star_is_clear):
        assert not isinstance(one, Fault), one
        for raw in one.each() if isinstance(one, Rows) else (one,):
            found.append((raw.line, {key: value for key, value in raw.values.items() if value}))  # noqa: PERF401
    return [values for _, values in sorted(found, key=lambda pair: pair[0])]


def as_said(user: User) -> dict[str, str]:
    """What is to be read of a user, if nothing was lost."""
    own = {"drop_path": user.drop_path, "uid": user.uid, "ip_mask": user.ip_mask}
    plain = {"drop_path": "config", "uid": "0", "ip_mask": ""}
    said = {"name": user.name} | {key: value for key, value in own.items() if value != plain[key]}
    return said | {name: value for name, value in user.info.fields().items() if value and name not in NO_INFO}


def without_secret(values: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if key not in ("password", "password_hash")}


def folded(values: dict[str, str], kind: str) -> dict[str, str]:
    """In a table two users may spell a column differently: it has one spelling there."""
    if kind not in SEPARATORS:
        return values
    return {key.lower(): value for key, value in values.items()} | {"name": trimmed(values["name"], kind)}


def trimmed(name: str, kind: str) -> str:
    """In a table what stands around a name is a spreadsheet's."""
    return name.strip(BLANKS) or name if kind in SEPARATORS else name


@pytest.mark.parametrize("kind", [*PLANS, *LINES])
@given(people=st.lists(users(), max_size=4, unique_by=lambda user: user.name), star_is_clear=st.booleans())
def test_who_is_written_is_read_back_the_same_or_it_was_told(
    kind: str,
    people: list[User],
    star_is_clear: bool,  # noqa: FBT001
) -> None:
    if kind == "nwauth":  # such fields are asked for when they are read: see test_importing
        people = [user for user in people if not NO_INFO & user.info.fields().keys()]
    data, lost = written(kind, people, star_is_clear=star_is_clear)
    refused = {name for name, _ in lost.faults}
    kept = [user for user in people if user.name not in refused]
    if not kept:
        return
    found = read_back(data, kind, star_is_clear=star_is_clear)
    assert [values["name"] for values in found] == [trimmed(user.name, kind) for user in kept]
    if any(trimmed(user.name, kind) != user.name for user in kept):
        assert lost.parts
    for user, values in zip(kept, found, strict=True):
        wanted = folded(as_said(user), kind)
        got = folded(without_secret(values), kind)
        assert got.items() <= wanted.items(), (user, values)
        if got != wanted:
            assert lost.parts, (user, values)
    if any(value for user in kept for name, value in user.info.fields().items() if name in NO_INFO):
        assert lost.parts
    if not lost.parts:
        assert [folded(without_secret(values), kind) for values in found] == [
            folded(as_said(user), kind) for user in kept
        ]


@pytest.mark.parametrize("kind", [*PLANS, *LINES])
@pytest.mark.parametrize("field", FIELDS)
def test_a_password_field_comes_back_in_the_same_meaning_or_it_was_told(kind: str, field: str) -> None:
    user = User(name="bob@test.com", stored_password=field, info=Info())
    data, lost = written(kind, [user], star_is_clear=True)
    if lost.faults or lost.parts:
        assert field in ("hunter2", "", "*secret", "*se:cret") or kind == "htpasswd"
        return
    (values,) = read_back(data, kind, star_is_clear=True)
    if field.startswith("*"):
        assert values["password"] == field[1:]
    elif field in ("", "!"):
        assert values["password_hash"] == "!"
    else:
        found = values["password_hash"]
        assert found.rpartition("}")[2] == field.rpartition("}")[2]
        assert (found[:1] == "{") >= (field[:1] == "{")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "windows-1252", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_is_read_in_the_encoding_that_is_said(encoding: str) -> None:
    text = "name,full_name\r\nbob,Bäb Ñé\r\n"
    opened = in_utf8(io.BytesIO(text.encode(encoding)), encoding)
    assert opened.file.read().decode() == text
    assert opened.head.decode() == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(encoding: str) -> None:
    text = "name,full_name\nbob,Bäb 日本\n" * 40_000
    opened = in_utf8(io.BytesIO(text.encode(encoding)), None)
    assert opened.file.read().decode() == text
    assert "byte order mark" in opened.why
