"""Many users added at once: in pieces, with one sync, and merged on the way (spec/stores.md section 1, "Writing")."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.flatfile import append
from tests.stores.folders import ask, base, calls_of, line, names, note_append, opened, password_of, ssha, user

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.model import User

PAGE = 4096


def crowd(count: int, *, password: str = "new") -> list[User]:
    return [user(f"user{number:04d}", password, f'n="{number}"') for number in range(count)]


def row_of(one: User) -> bytes:
    return line(one.name, "new", one.info.text)


def test_a_batch_is_noted_and_written_in_pieces_and_synced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder)
    assert store.put(user("first"))
    seen = calls_of(monkeypatch)
    users = crowd(500)
    assert store.put_all(users) == []
    pieces = sum(name == "write" for name, _ in seen)
    assert pieces >= len(b"".join(map(row_of, users))) / append.PIECE_BYTES > 3
    assert seen == [
        *([("pwrite", "nwauth.lock"), ("write", "nwauth.add")] * pieces),
        ("fdatasync", "nwauth.add"),
        ("pwrite", "nwauth.lock"),
    ]
    assert (folder / "nwauth.add").read_bytes().endswith(b"".join(map(row_of, users)))
    assert (folder / "nwauth.lock").stat().st_size < 3 * append.PIECE_BYTES
    assert ask(store, "user0499") is not None
    assert len(names(store)) == 502
    store.close()


def test_a_line_longer_than_a_piece_is_one() -> None:
    rows = [b"a" * 10, b"b" * 3 * append.PIECE_BYTES, b"c", b"d" * (append.PIECE_BYTES - 3), b"e"]
    pieces = list(append._pieces(rows))
    assert pieces == [rows[0] + b"\n", rows[1] + b"\n", rows[2] + b"\n" + rows[3] + b"\n", rows[4] + b"\n"]


def test_a_batch_that_was_cut_at_any_byte_leaves_whole_users_only(tmp_path: Path) -> None:
    before, rows = b"# head\n" + line("eve"), [line("bob", "new"), line("Xi", "new", 'q="1"'), line("carl", "new")]
    data = b"".join(rows)
    ends = [len(b"".join(rows[:count])) for count in range(4)]
    for cut in range(len(data) + 1):
        folder = base(tmp_path / str(cut), line("bob", "old") + line("carl", "old"), before + data[:cut])
        note_append(folder, len(before), data)
        store = opened(folder, shared=False)
        assert store.put(user("zoe"))
        assert password_of(store, "bob") == ssha("new" if cut >= ends[1] else "old"), cut
        assert password_of(store, "carl") == ssha("new" if cut >= ends[3] else "old"), cut
        assert password_of(store, "xi") == (ssha("new") if cut >= ends[2] else None), cut
        whole = max(end for end in ends if end <= cut)
        added = (folder / "nwauth.add").read_bytes()
        torn = b"" if whole == cut else b"#" * (cut - whole - 1) + b"\n"
        assert added == before + data[:whole] + torn + line("zoe")
        store.close()


def test_a_foreign_line_behind_a_torn_batch_stays(tmp_path: Path) -> None:
    """Where a killed write tears: at the end of a page."""
    data = line("bob", "new") + line("carl", "new")
    cut = len(line("bob", "new")) + 20
    before = line("eve")
    before += b"#" * (PAGE - len(before) - cut - 1) + b"\n"
    folder = base(tmp_path / "users", line("bob", "old") + line("carl", "old"), before + data[:cut] + line("foreign"))
    assert (len(before) + cut) % PAGE == 0
    note_append(folder, len(before), data)
    store = opened(folder, shared=False)
    assert store.put(user("zoe"))
    assert (password_of(store, "bob"), password_of(store, "carl")) == (ssha("new"), ssha("old"))
    assert password_of(store, "foreign") == ssha("secret")
    assert names(store) == ["bob", "carl", "eve", "foreign", "zoe"]
    store.close()


def test_a_disk_that_is_full_in_the_middle_of_a_batch_leaves_whole_users_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    users = crowd(6)
    length = len(row_of(users[0]))
    monkeypatch.setattr(append, "PIECE_BYTES", 2 * length + 1)
    for whole in (True, False):
        folder = base(tmp_path / str(whole), line("bob"))
        store = opened(folder, shared=False)
        assert store.put(user("eve"))
        left = [4 * length + length * (1 if whole else 1.5)]

        def short(fd: int, data: bytes, left: list[float] = left) -> int:
            sent = real(fd, bytes(data)[: int(left[0])])
            left[0] -= sent
            return sent

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", short)
            with pytest.raises(Unavailable, match="full"):
                store.put_all(users)
        assert names(store) == ["bob", "eve", *(one.name for one in users[:5])]
        assert store.put_all(users) == users[:5]
        assert names(store) == ["bob", "eve", *(one.name for one in users)]
        store.close()


def test_foreign_lines_between_the_pieces_of_a_batch_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "PIECE_BYTES", 200)
    folder = base(tmp_path / "users", line("bob"))
    store = opened(folder, shared=False)
    assert store.put(user("eve"))
    real, written = append._write, [0]

    def write(fd: int, *rest: Any) -> int:
        written[0] += 1
        if written[0] % 3 == 0:
            with (folder / "nwauth.add").open("ab") as journal:
                journal.write(line(f"foreign{written[0]}") + (b"half:a" if written[0] == 6 else b""))
        return real(fd, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(append, "_write", write)
        assert store.put_all(crowd(30)) == []
    assert written[0] > 6
    found = names(store)
    assert found == names(opened(folder))
    assert [name for name in found if name.startswith("user")] == [one.name for one in crowd(30)]
    assert sum(name.startswith("foreign") for name in found) == written[0] // 3
    store.close()


def test_the_journal_is_merged_between_batches_and_settled_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("zoe"))
    monkeypatch.setattr("nwauth.stores.flatfile.store.BULK_JOURNAL_BYTES", 4000)
    store = opened(folder, shared=False)
    everybody = crowd(1000)
    sizes = []
    for at in range(0, 1000, 20):
        assert store.put_all(everybody[at : at + 20]) == []
        sizes.append((folder / "nwauth.add").stat().st_size)
    limit = max(4000, (folder / "nwauth.txt").stat().st_size // 4)
    assert max(sizes) <= limit + 20 * len(row_of(everybody[0]))
    assert 5 < sum(after < before for before, after in itertools.pairwise(sizes)) < 40
    store.settle()
    assert (folder / "nwauth.txt").read_bytes() == b"".join([*map(row_of, everybody), line("zoe")])
    assert not [row for row in (folder / "nwauth.add").read_bytes().splitlines() if not row.startswith(b"#")]
    before = (folder / "nwauth.txt").stat()
    store.settle()
    assert (folder / "nwauth.txt").stat() == before, "nothing was added since"
    assert names(store) == names(opened(folder)) == [*(one.name for one in everybody), "zoe"]
    store.close()


def test_a_merge_that_cannot_be_done_between_batches_fails_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "users", line("zoe"))
    monkeypatch.setattr("nwauth.stores.flatfile.store.BULK_JOURNAL_BYTES", 1000)
    store = opened(folder, shared=False)
    tried = []

    def fail() -> None:
        tried.append(1)
        raise Unavailable("the files keep being changed")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_merge", fail)
        for at in range(0, 100, 10):
            assert store.put_all(crowd(100)[at : at + 10]) == []
        assert len(tried) == 1, "it is not tried again at each batch"
        with pytest.raises(Unavailable, match="keep being changed"):
            store.settle()
    store.settle()
    assert len(names(store)) == 101
    store.close()


def test_nobody_is_added_while_a_name_that_is_not_found_may_yet_be_there(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"))
    (folder / "nwauth.txt").write_bytes(line("bob") + line("eve"))  # just now, by another program
    store = opened(folder)
    with pytest.raises(Unavailable, match="being written"):
        store.put_all([user("bob"), user("new")])
    assert not (folder / "nwauth.add").exists()
    store.close()


def test_memory_does_not_grow_with_the_users_that_were_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nwauth.stores.flatfile.store.BULK_JOURNAL_BYTES", 1 << 17)
    monkeypatch.setattr("nwauth.stores.flatfile.store.MAX_BULK_JOURNAL_BYTES", 1 << 17)
    folder = base(tmp_path / "users", b"")
    store = opened(folder, shared=False)
    held = []
    for at in range(0, 20_000, 1000):
        assert store.put_all([user(f"user{number * 7919 % 20_000:06d}") for number in range(at, at + 1000)]) == []
        held.append(len(store._view.journal.lines))
    assert max(held) < 4000
    store.settle()
    assert len(names(store)) == 20_000
    store.close()
