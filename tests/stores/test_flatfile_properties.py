"""Two stores on one folder behave like a dict; no cut of the journal mixes or loses; listings agree with a loop."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.errors import Refused
from nwauth.model import Info, User
from nwauth.names import fold, fold_bytes
from nwauth.stores.flatfile import FlatfileStore, lines
from nwauth.stores.textfile.lines import key_of
from tests.stores.folders import ages_ago, ask, base, fast_folder, fresh_view, often, opened, ssha, stat_only

NAMES = [
    "bob",
    "BOB",
    "Bob",
    "bobby",
    "eve",
    "Éva",
    "E\u0301va",
    "\u212aate",
    "kate",
    "b\udce9b",
    "x@y",
    "a b",
    "z" * 90,
]
INFOS = ["", 'q="1"', 'q="2" odd "text', "::", " ", "\u2028", 'x="' + "y" * 600 + '"']
FIELDS = [ssha("1"), ssha("2"), "*clear", "!", "", "$1$salt$" + "A" * 22]

names = st.sampled_from(NAMES)
operation = st.one_of(
    st.tuples(st.just("put"), names, st.sampled_from(FIELDS), st.sampled_from(INFOS)),
    st.tuples(st.just("replace"), names, st.sampled_from(FIELDS), st.sampled_from(INFOS)),
    st.tuples(st.just("stale"), names),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("merge")),
    st.tuples(st.just("append"), names, st.sampled_from(FIELDS), st.sampled_from(INFOS)),
    st.tuples(st.just("late"), names, st.sampled_from(FIELDS)),
    st.tuples(st.just("hold")),
    st.tuples(st.just("rewrite"), st.integers(0, 2**32)),
    st.tuples(
        st.just("odd"), st.sampled_from([b"# comment\n", b"no colons\n", b"\n", b"a:b\n", b"\0\0\n", b"# del bob\n"])
    ),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("search")),
)


def raw(name: str, field: str, info: str) -> bytes:
    return f"{name}:{field}:{info}\n".encode("utf-8", "surrogateescape")


class Model:
    """Two stores, a foreign program, and the dict that they must behave like."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        self.folder = base(folder, b"# head\n")
        self.shared = shared
        self.stores = [self._open(), self._open()]
        self.users: dict[str, tuple[str, str, str]] = {}
        self.held: int | None = None

    def _open(self) -> FlatfileStore:
        return stat_only(opened(self.folder, shared=self.shared, settle_seconds=0))

    def close(self) -> None:
        for store in self.stores:
            store.close()
        if self.held is not None:
            os.close(self.held)

    def do(self, which: int, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(self.stores[which], *step[1:])

    def put(self, store: FlatfileStore, name: str, field: str, info: str) -> None:
        done = store.put(User(name=name, stored_password=field, info=Info(info)))
        assert done == (fold(name) not in self.users)
        if done:
            self.users[fold(name)] = (name, field, info)

    def replace(self, store: FlatfileStore, name: str, field: str, info: str) -> None:
        old = ask(store, name)
        known = self.users.get(fold(name))
        assert (old is None) == (known is None)
        if old is not None:
            assert known == (old.name, old.stored_password, old.info.text)
            assert store.replace(old, old.changed(stored_password=field, info=Info(info)))
            self.users[fold(name)] = (old.name, field, info)

    def stale(self, store: FlatfileStore, name: str) -> None:
        never = User(name=name, stored_password="$never$", info=Info("was"), store=store.name)
        assert not store.replace(never, never.changed(stored_password="$wrong$"))

    def delete(self, store: FlatfileStore, name: str) -> None:
        assert store.delete(name) == (self.users.pop(fold(name), None) is not None)

    def merge(self, store: FlatfileStore) -> None:
        store.merge()
        assert not [name for name in os.listdir(self.folder) if name.startswith("nwauth.tmp.")]

    def append(self, _store: FlatfileStore, name: str, field: str, info: str) -> None:
        with (self.folder / "nwauth.add").open("ab") as file:
            file.write(raw(name, field, info))
        self.users[fold(name)] = (name, field, info)

    def hold(self, _store: FlatfileStore) -> None:
        """A foreign writer opens the journal, and keeps it open across merges."""
        if self.held is not None:
            os.close(self.held)
        self.held = os.open(self.folder / "nwauth.add", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def late(self, store: FlatfileStore, name: str, field: str) -> None:
        """It writes; its line counts unless the journal in place is another and has one for the name."""
        if self.held is None or os.fstat(self.held).st_nlink == 0:
            return
        in_place = (self.folder / "nwauth.add").exists() and os.path.samestat(
            os.fstat(self.held), (self.folder / "nwauth.add").stat()
        )
        newer = in_journal(self.folder)
        os.write(self.held, raw(name, field, ""))
        if in_place or fold_bytes(name.encode("utf-8", "surrogateescape")) not in newer:
            self.users[fold(name)] = (name, field, "")
        ask(store, "nobody")  # the next look

    def rewrite(self, _store: FlatfileStore, seed: int) -> None:
        """A foreign program folds the journal into nwauth.txt in its own way, in place, and empties the journal.

        A comment stays on top: a file cut to nothing is taken for one that was lost.
        """
        rows = [raw(*user) for user in self.users.values()]
        random.Random(seed).shuffle(rows)
        (self.folder / "nwauth.txt").write_bytes(b"".join([b"# head\n", *rows]))
        ages_ago(self.folder / "nwauth.txt", seed % 100_000)
        if (self.folder / "nwauth.add").exists():
            (self.folder / "nwauth.add").write_bytes(b"")

    def odd(self, _store: FlatfileStore, content: bytes) -> None:
        with (self.folder / "nwauth.add").open("ab") as file:
            file.write(content)

    def reopen(self, store: FlatfileStore) -> None:
        store.close()
        self.stores[self.stores.index(store)] = self._open()

    def search(self, store: FlatfileStore) -> None:
        store._view.look_again()
        listed = [(user.name, user.stored_password, user.info.text) for user in store.search()]
        assert listed == [
            user for _, user in sorted(self.users.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape"))
        ]

    def check(self) -> None:
        for store in self.stores:
            for name in NAMES:
                found = ask(store, name)
                known = self.users.get(fold(name))
                assert known == (None if found is None else (found.name, found.stored_password, found.info.text)), name


def in_journal(folder: Path) -> set[bytes]:
    path = folder / "nwauth.add"
    rows = path.read_bytes().split(b"\n") if path.exists() else []
    return {key_of(row) for row in rows if row and lines.fits(row)} | {
        key for row in rows if (key := lines.deleted_key(row)) is not None
    }


def run_sequence(steps: list[tuple[int, tuple[Any, ...]]], *, shared: bool) -> None:
    with fast_folder() as path:
        model = Model(Path(path) / "users", shared=shared)
        try:
            for which, step in steps:
                model.do(which, step)
            model.check()
            for store in model.stores:
                model.search(store)
            assert fresh_view(model.folder) == model.users
        finally:
            model.close()


@settings(max_examples=often(60, 1000))
@given(steps=st.lists(st.tuples(st.integers(0, 1), operation), max_size=14))
def test_two_stores_and_a_foreign_program_on_one_folder_of_ours_behave_like_a_dict(
    steps: list[tuple[int, tuple[Any, ...]]],
) -> None:
    run_sequence(steps, shared=False)


@settings(max_examples=often(30, 600))
@given(steps=st.lists(st.tuples(st.integers(0, 1), operation), max_size=12))
def test_two_stores_and_a_foreign_program_on_a_shared_folder_behave_like_a_dict(
    steps: list[tuple[int, tuple[Any, ...]]],
) -> None:
    run_sequence(steps, shared=True)


user_lines = st.builds(raw, names, st.sampled_from(FIELDS), st.sampled_from(INFOS))
journal_lines = st.one_of(
    user_lines, user_lines, st.builds(lambda name: b"#del " + name.encode("utf-8", "surrogateescape") + b"\n", names)
)


def last_lines(rows: list[bytes]) -> dict[bytes, bytes]:
    """A naive reader of whole lines."""
    found: dict[bytes, bytes] = {}
    for row in rows:
        if row.startswith(b"#del "):
            found.pop(fold_bytes(row[5:-1]), None)
        else:
            found[fold_bytes(row.split(b":")[0])] = row[:-1]
    return found


@settings(max_examples=often(12, 150))
@given(
    earlier=st.lists(journal_lines, max_size=4),
    last=journal_lines,
    txt=st.lists(user_lines, max_size=3),
    write=st.booleans(),
)
def test_a_journal_cut_at_any_byte_never_mixes_two_users_nor_loses_an_earlier_line(
    earlier: list[bytes], last: bytes, txt: list[bytes], *, write: bool
) -> None:
    """The last line counts whole or not at all, or, where quotes and field are complete, without the rest of its info.

    An unfinished deletion deletes nobody.
    """
    head = b"".join(earlier)
    before = last_lines([*txt, *earlier])
    key = fold_bytes(last[5:-1] if last.startswith(b"#del ") else last.split(b":")[0])
    with fast_folder() as path:
        for cut in range(len(last) + 1):
            folder = base(Path(path) / f"{cut}", b"".join(txt), head + last[:cut])
            store = opened(folder, shared=False, settle_seconds=0)
            if write:
                assert store.put(User(name="new", stored_password="*new", info=Info()))
            listed = {
                fold(user.name).encode("utf-8", "surrogateescape"): raw(
                    user.name, user.stored_password, user.info.text
                )[:-1]
                for user in store.search()
            }
            store.close()
            if write:
                assert listed.pop(b"new") == b"new:*new:"
            after = dict(before)
            if cut == len(last):
                after = last_lines([*txt, *earlier, last])
            elif listed.get(key) != before.get(key):
                whole = last[:cut]
                assert listed[key] == whole
                assert whole.count(b":") >= 2
                assert whole.split(b":", 2)[1] == last.split(b":", 2)[1]
                after[key] = whole
            assert listed == after, cut


row_bytes = st.one_of(
    user_lines,
    st.binary(max_size=60).map(lambda content: content.replace(b"\n", b"") + b"\n"),
    st.sampled_from([b"# c\n", b"\n", b"\r\n", b":a:b\n", b"bob:x\n", b"bob:x:y\r\n", b"BOB:x:\0\n"]),
)


def naive(rows: bytes, *, journal: bool) -> dict[bytes, bytes | None]:
    found: dict[bytes, bytes | None] = {}
    for row in rows.split(b"\n"):
        if journal and row.startswith(b"#del "):
            found[fold_bytes(row[5:].rstrip(b"\r"))] = None
        elif row.count(b":") >= 2 and row[:1] not in (b"#", b":") and b"\0" not in row:
            found[fold_bytes(row.split(b":")[0])] = row.rstrip(b"\r")
    return found


@settings(max_examples=often(80, 1000))
@given(
    txt=st.lists(row_bytes, max_size=12), add=st.lists(row_bytes, max_size=8), large=st.booleans(), ended=st.booleans()
)
def test_a_listing_and_every_look_up_agree_with_a_naive_loop(
    txt: list[bytes], add: list[bytes], *, large: bool, ended: bool
) -> None:
    padding = b"".join(b"pad%06d:*x:%s\n" % (n, b"y" * 900) for n in range(80)) if large else b""
    whole = padding + b"".join(txt)
    if not ended:
        whole = whole.removesuffix(b"\n")
    wanted = {
        key: row
        for key, row in (naive(whole, journal=False) | naive(b"".join(add), journal=True)).items()
        if row is not None
    }
    with fast_folder() as path:
        folder = base(Path(path) / "users", whole, b"".join(add))
        store = opened(folder)
        listed = [raw(user.name, user.stored_password, user.info.text)[:-1] for user in store.search()]
        assert listed == [row for _, row in sorted(wanted.items())]
        for key in {*wanted, *naive(whole, journal=False), b"nobody", b"bob"}:
            found = store.lookup(key.decode("utf-8", "surrogateescape"))
            assert (
                None if found is None else raw(found.name, found.stored_password, found.info.text)[:-1]
            ) == wanted.get(key)
        if not large:
            store.merge()
            assert {key: row[:-1] if row else row for key, row in fresh_rows(folder).items()} == wanted
        store.close()


def fresh_rows(folder: Path) -> dict[bytes, bytes]:
    return {key.encode("utf-8", "surrogateescape"): raw(*user) for key, user in fresh_view(folder).items()}


text = st.text(max_size=40) | st.binary(max_size=40).map(lambda value: value.decode("utf-8", "surrogateescape"))


@settings(max_examples=often(200, 1500))
@given(name=text, field=text, info=text)
def test_a_user_is_read_back_as_it_was_put_or_is_refused(name: str, field: str, info: str) -> None:
    with fast_folder() as path:
        store = opened(base(Path(path) / "users", b"alice:*x:\n"))
        user = User(name=name, stored_password=field, info=Info(info), store=store.name)
        taken = fold(name) == "alice"
        try:
            done = store.put(user)
        except Refused:
            assert [other.name for other in store.search()] == ["alice"]
        else:
            assert done != taken
            if done:
                assert ask(store, name) == user
                assert sorted(other.name for other in store.search()) == sorted(["alice", name])
                store.merge()
                assert ask(store, name) == user
        store.close()


@settings(max_examples=often(200, 1500))
@given(line=st.binary(max_size=80).map(lambda content: content.replace(b"\n", b"").rstrip(b"\r")))
def test_parsing_and_serialising_a_line_gives_it_back(line: bytes) -> None:
    if line and lines.fits(line):
        assert lines.serialize(lines.parse(line, "x")) == line
        assert key_of(line) == fold_bytes(line.split(b":")[0])


odd_lines = st.sampled_from(
    [b"", b"# comment", b"#del bob", b"no colons", b"a:b", b":b:c", b"\0:\0:\0", b"::", b"a:b:c\r"]
)
user_lines = st.builds(lambda *parts: raw(*parts)[:-1], names, st.sampled_from(FIELDS), st.sampled_from(INFOS))


@given(st.lists(st.one_of(user_lines, odd_lines), max_size=6), st.sampled_from([b"", b"\n"]))
@settings(max_examples=often(200, 1000), deadline=None)
def test_many_lines_are_read_as_each_by_itself(rows: list[bytes], end: bytes) -> None:
    chunk = b"\n".join(rows) + end
    wanted = [lines.parse(row, "").held() for row in chunk.split(b"\n") if row and lines.fits(row)]
    assert lines.held_of(chunk) == wanted


def test_a_listing_of_a_file_in_order_is_that_of_any_other(tmp_path: Path) -> None:
    rows = sorted((raw(f"User{number:05}@example.com", ssha("1"), 'q="1"') for number in range(2000)), key=bytes.lower)
    rows.insert(7, b"# a comment\n")
    in_order = base(tmp_path / "in_order", b"".join(rows))
    opened(in_order).merge()
    turned = base(tmp_path / "turned", b"".join(reversed(rows)))
    stores = [opened(folder, settle_seconds=0) for folder in (in_order, turned)]
    listed, other = ([user for block in store.held() for user in block] for store in stores)
    file = stores[0]._view.file
    assert file is not None
    assert file.index is not None
    assert file.index.in_order
    assert listed == other
    assert len(listed) == 2000
