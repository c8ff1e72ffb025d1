"""Changes of a passwd file against a model of its lines: every other byte stays; reading against a naive loop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.errors import Refused
from nwauth.model import Info, User
from nwauth.names import fold, fold_bytes
from nwauth.stores.passwd.extras import field_of, info_text
from nwauth.stores.passwd.lines import fits
from nwauth.stores.textfile.files import anonymous
from nwauth.stores.textfile.making import index_in_memory
from nwauth.stores.textfile.userfile import UserFile
from tests.stores.folders import ages_ago, fast_folder, often
from tests.stores.passwd_files import ask, many, names, opened

if TYPE_CHECKING:
    from nwauth.stores.passwd import PasswdStore

NAMES = ["bob", "BOB", "Bob", "ann", "Ann", "é", "É", "joe+x", "-d"]
FIELDS = ["{ssha}abc", "$6$salt$hash", "!", "*", "x", "", "plain", "ab/.cdefghijk"]
FULL = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(FIELDS),
    st.sampled_from(["", ":", ":1001", ":1001:100", ":1:2:Bob Bobson:/home/bob:/bin/sh", ":1:2:::", ":1:2::::"]),
    st.sampled_from(["", ":quota=5", ':quota="5" x=1  keep', ":", '::/old/mail "odd', ":a=b:c=d e=f", ":a==b =c"]),
).map(lambda parts: f"{parts[0]}:{parts[1]}{parts[2]}{parts[3] if parts[2].count(':') == 5 else ''}".encode())
ENDED = [b" bob:x:", b"bob :x:", b"\tann:x:", b"b\rob:x:"]
ODD = st.sampled_from(
    [b"", b"# comment", b"no colon", b":nobody:", b"+::::::", b"+bob:x:::::", b"a\0b:x:", b"#bob:x:", *ENDED]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])
FILES = st.lists(st.tuples(FULL | ODD, ENDS), max_size=9)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "password", "info", "delete"]),
        st.sampled_from(NAMES),
        st.sampled_from(["{ssha}new", "$6$new$er", "!"]),
        st.sampled_from(["", 'quota="7"', 'a="b" quota="5"', "word", 'x="1" x="2"']),
    ),
    max_size=8,
)


def is_users(row: bytes) -> bool:
    name = row.partition(b":")[0]
    odd = name.strip(b" \t") != name or b"\r" in name
    return b":" in row and row[:1] not in (b"#", b":", b"+") and b"\0" not in row and not odd


class Model:
    """The lines of a file, each with its end."""

    def __init__(self, raw: bytes) -> None:
        self.rows = raw.split(b"\n")

    def of_name(self, name: str) -> list[int]:
        """The lines of exactly this name."""
        return [at for at, row in enumerate(self.rows) if is_users(row) and row.partition(b":")[0] == name.encode()]

    def meant_by(self, name: str) -> str | None:
        """The spelling that `name` finds."""
        if self.of_name(name):
            return name
        spellings = {
            row.partition(b":")[0].decode()
            for row in self.rows
            if is_users(row) and fold_bytes(row.partition(b":")[0]) == fold(name).encode()
        }
        return spellings.pop() if len(spellings) == 1 else None

    def is_taken(self, name: str) -> bool:
        return any(is_users(row) and fold_bytes(row.partition(b":")[0]) == fold(name).encode() for row in self.rows)

    def raw(self) -> bytes:
        return b"\n".join(self.rows)

    def password(self, name: str, field: str) -> None:
        at = self.of_name(name)[0]
        parts = self.rows[at].split(b":")
        end = b"\r" if len(parts) == 2 and parts[1].endswith(b"\r") else b""
        parts[1] = field.encode() + end
        self.rows[at] = b":".join(parts)

    def delete(self, name: str) -> None:
        gone = self.of_name(name)
        unended = len(self.rows) - 1 in gone  # the last row has no end: what is before it keeps its own
        self.rows = [row for at, row in enumerate(self.rows) if at not in gone]
        if unended:
            self.rows.append(b"")

    def put(self, line: bytes) -> None:
        end = b"\r" if self.rows[0].endswith(b"\r") and len(self.rows) > 1 else b""
        if self.rows[-1]:
            self.rows[-1] += end
            self.rows.append(b"")
        self.rows[-1:] = [line + end, b""]


def fields_in(model: Model) -> dict[str, str]:
    """The password field of the first line of each spelling."""
    found: dict[str, str] = {}
    for row in model.rows:
        if is_users(row):
            name, field = row.rstrip(b"\r").split(b":")[:2]
            found.setdefault(name.decode(), field.decode())
    return found


def check(store: PasswdStore, path: Path, model: Model) -> None:
    assert path.read_bytes() == model.raw()
    for name in (*NAMES, "nobody"):
        found, spelling = ask(store, name), model.meant_by(name)
        assert (None if found is None else found.name) == spelling
        if found is not None and spelling is not None:
            assert found.stored_password == fields_in(model)[spelling]
    assert sorted(names(store)) == sorted(fields_in(model))
    assert [fold(name).encode() for name in names(store)] == sorted(fold(name).encode() for name in fields_in(model))


@settings(max_examples=often(150, 1500), deadline=None)
@given(rows=FILES, last=FULL | ODD | st.just(b""), steps=STEPS)
def test_a_change_keeps_every_other_byte_of_the_file(
    rows: list[tuple[bytes, bytes]], last: bytes, steps: list[tuple[str, str, str, str]]
) -> None:
    with fast_folder() as folder:
        path = Path(folder) / "users"
        path.write_bytes(b"".join(row + end for row, end in rows) + last)
        ages_ago(path)
        model, store = Model(path.read_bytes()), opened(path)
        check(store, path, model)
        for what, name, field, info in steps:
            spelling = model.meant_by(name)
            if what == "put":
                put(store, model, User(name=name, stored_password=field, info=Info(info)))
            elif spelling is None:
                assert not store.delete(name)
                continue
            elif what == "password":
                old = store.lookup(name)
                assert old is not None
                assert store.replace(old, old.changed(stored_password=field))
                model.password(spelling, field)
            elif what == "info":
                change_info(store, path, model, name, info)
            else:
                assert store.delete(name)
                model.delete(spelling)
            check(store, path, model)
        store.close()
        assert sorted(os.listdir(folder)) in (["users"], [".users.nwauth", "users"])


def put(store: PasswdStore, model: Model, new: User) -> None:
    """Add a user; one whose name others have in two other spellings is refused in words."""
    if model.is_taken(new.name) and model.meant_by(new.name) is None:
        with pytest.raises(Refused, match="differ"):
            store.put(new)
        return
    if model.is_taken(new.name):
        assert not store.put(new)
        return
    assert store.put(new)
    extras = new.info.text.replace('"', "")
    model.put(f"{new.name}:{new.stored_password}:::::{':' + extras if extras else ''}".encode())


def change_info(store: PasswdStore, path: Path, model: Model, name: str, info: str) -> None:
    """Only the eighth field of that line changes, and reads as the new info."""
    old = store.lookup(name)
    assert old is not None
    assert store.replace(old, old.changed(info=Info(info)))
    found = ask(store, name)
    assert found is not None
    assert found.info.text == info
    at = model.of_name(old.name)[0]
    after = path.read_bytes().split(b"\n")
    assert after[:at] + after[at + 1 :] == model.rows[:at] + model.rows[at + 1 :]
    before = model.rows[at].removesuffix(b"\r")
    assert after[at].endswith(b"\r") == model.rows[at].endswith(b"\r")
    seven = after[at].split(b":")[:7]
    assert b":".join(seven).rstrip(b":\r").startswith(b":".join(before.split(b":")[:7]).rstrip(b":"))
    model.rows[at] = after[at]


WORDS = st.text(alphabet='ab="= \t:x1', max_size=14)


@settings(max_examples=often(400, 8000), deadline=None)
@given(field=WORDS, text=WORDS)
def test_the_eighth_field_reads_as_the_info_that_was_written_or_refuses_it(field: str, text: str) -> None:
    assert field_of(info_text(field), field) == field, "what is not changed is not written otherwise"
    try:
        written = field_of(text, field)
    except Refused:
        return
    assert info_text(written) == text


@settings(max_examples=often(200, 2000), deadline=None)
@given(field=WORDS, name=st.sampled_from(["a", "b", "quota"]), value=st.sampled_from(["", "1", "x=y", "u:v"]))
def test_an_info_field_is_changed_or_taken_out_and_the_other_words_stand_as_they_were(
    field: str, name: str, value: str
) -> None:
    info = Info(info_text(field)).updated({name: value})
    try:
        written = field_of(info.text, field)
    except Refused:
        return
    assert (Info(info_text(written)).get(name) or "") == value
    changed = {word for word in field.split(" ") if word.partition("=")[0].lower() == name}
    if '"' not in field and "\t" not in field:
        left = [word for word in field.split(" ") if word and word not in changed]
        assert [word for word in written.split(" ") if word in left] == left


@settings(max_examples=often(60, 800), deadline=None)
@given(rows=st.lists(FULL | ODD, max_size=30), last=FULL | ODD | st.just(b""), at=st.integers(0, 1))
def test_a_large_file_is_read_by_its_index_as_by_a_loop(rows: list[bytes], last: bytes, at: int) -> None:
    """The same lines are found by an index, by a scan, and in the order of the file."""
    padding = many(900)
    content = b"\n".join([*rows, b""])
    raw = (content + padding if at else padding + content) + last
    wanted: dict[bytes, list[bytes]] = {}
    for row in raw.split(b"\n"):
        if is_users(row):
            wanted.setdefault(fold_bytes(row.partition(b":")[0]), []).append(row)
    with fast_folder() as folder:
        path = Path(folder) / "users"
        path.write_bytes(raw)
        file, index = UserFile.open(str(path), fits), anonymous()
        index_in_memory(str(path), index, fits=fits)
        keys = [*(fold(name).encode() for name in NAMES), b"nobody", b"", b"user0000001", b"+bob", b"a\0b"]
        for turn in ("scan", "index"):
            if turn == "index":
                file.adopt_fd(os.dup(index))
                assert file.index is not None
            for key in keys:
                found = file.find_all(key)
                assert [line for _, line, _ in found] == wanted.get(key, [])
                assert all(raw[offset:].startswith(line) for offset, line, _ in found)
                assert [ended for _, _, ended in found].count(False) <= 1
        file.close()
        os.close(index)


@pytest.mark.parametrize("byte", [0, 40, 200, 4000, -9])
def test_a_damaged_index_is_not_believed(tmp_path: Path, byte: int) -> None:
    path = tmp_path / "users"
    path.write_bytes(b"bob:first:1\n" + many(900) + b"BOB:!:2\nbob:second:3\n")
    ages_ago(path)
    index = anonymous()
    index_in_memory(str(path), index, fits=fits)
    raw = bytearray(os.pread(index, 1 << 20, 0))
    raw[byte] ^= 0xFF
    os.pwrite(index, raw, 0)
    file = UserFile.open(str(path), fits)
    file.adopt_fd(index)
    for _ in range(2):
        assert [line for _, line, _ in file.find_all(b"bob")] == [b"bob:first:1", b"BOB:!:2", b"bob:second:3"]
        assert len(file.find_all(b"user0000007")) == 1
        assert file.find_all(b"nobody") == []
    file.close()
