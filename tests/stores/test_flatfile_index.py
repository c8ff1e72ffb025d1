"""The index: never a wrong answer, whatever has become of it (performance.md part (c), risks 1, 2, 5, 11 and 12)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zlib import crc32

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.lines import fits
from nwauth.stores.textfile import files, making
from nwauth.stores.textfile import index as index_module
from nwauth.stores.textfile.index import Damaged, Index, build
from tests.faults.folders import in_child
from tests.stores.folders import (
    IN_CI,
    INLINE_BYTES,
    ages_ago,
    ask,
    base,
    line,
    many,
    names,
    opened,
    password_of,
    ssha,
    stat_only,
    until,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nwauth.stores.flatfile import FlatfileStore

USERS = 1600
KNOWN = [f"user{number:07d}@example.com" for number in range(0, USERS, 97)]
UNKNOWN = ["nobody", "user0000000@example.co", "ser0000001@example.com", "", "zzz"]


def make_index(folder: Folder) -> None:
    making.make_index(folder.txt, index=folder.index, making=folder.indexing, model=folder.txt, fits=fits)


def indexed_folder(tmp_path: Path, txt: bytes | None = None) -> Path:
    """A folder with a large file and its index."""
    folder = base(tmp_path / "users", many(USERS) if txt is None else txt)
    make_index(Folder(str(folder)))
    assert (folder / "nwauth.idx").exists()
    return folder


def uses_index(store: FlatfileStore) -> bool:
    file = store._view.file
    return file is not None and file.index is not None


def check_all(store: FlatfileStore) -> None:
    for name in KNOWN:
        found = ask(store, name)
        assert found is not None, name
        assert (found.name, found.stored_password, found.info.text) == (name, ssha("secret"), 'quota="10"')
    for name in UNKNOWN:
        assert ask(store, name) is None, name


def test_an_index_answers_as_the_file_does(tmp_path: Path) -> None:
    store = opened(indexed_folder(tmp_path))
    check_all(store)
    assert uses_index(store)
    assert len(names(store)) == USERS
    store.close()


def test_a_child_has_the_index_made_beside_the_file_and_answers_meanwhile(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(USERS))
    store = opened(folder)
    check_all(store)
    assert not uses_index(store)

    def tended() -> bool:
        store.tend()
        check_all(store)
        return uses_index(store)

    assert until(tended)
    assert (folder / "nwauth.idx").exists()
    assert until(lambda: not [name for name in os.listdir(folder) if name.startswith("nwauth.tmp.")])
    store.close()


def test_an_index_is_private(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(USERS))
    (folder / "nwauth.txt").chmod(0o640)
    make_index(Folder(str(folder)))
    assert (folder / "nwauth.idx").stat().st_mode & 0o777 == 0o640


STALE = {
    "same size": many(USERS).replace(b"user0000097", b"zser0000097"),
    "shifted": b"# a comment\n" + many(USERS),
    "other passwords": many(USERS, password="newer"),
}


@pytest.mark.parametrize("content", STALE.values(), ids=STALE.keys())
def test_a_stale_index_is_not_believed(tmp_path: Path, content: bytes) -> None:
    folder = indexed_folder(tmp_path)
    (folder / "nwauth.txt").write_bytes(content)
    ages_ago(folder / "nwauth.txt", 77)
    store = opened(folder)
    stands = (folder / "nwauth.txt").read_bytes()
    for name in KNOWN:
        found = ask(store, name)
        expected = next((row for row in stands.split(b"\n") if row.startswith(name.encode() + b":")), None)
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            assert found.stored_password.encode() == expected.split(b":")[1]
    store.close()


def test_an_index_of_another_file_is_not_believed(tmp_path: Path) -> None:
    other = indexed_folder(tmp_path, many(USERS).replace(b"user", b"misc"))
    folder = base(tmp_path / "mine", many(USERS))
    shutil.copy(other / "nwauth.idx", folder / "nwauth.idx")
    store = opened(folder)
    check_all(store)
    assert not uses_index(store)
    store.close()


def damaged_copies(raw: bytes) -> list[bytes]:
    """The index with one thing wrong: a bit of each region, cut at each region, or the end of another."""
    rng = random.Random(5)
    head = list(range(128))
    rest = rng.sample(range(128, len(raw)), 1200 if IN_CI else 150)
    copies = []
    for at in [*head, *rest]:
        for bit in rng.sample(range(8), 8 if IN_CI else 1):
            copy = bytearray(raw)
            copy[at] ^= 1 << bit
            copies.append(bytes(copy))
    cuts = [0, 1, 7, 8, 127, 128, 129, 200, len(raw) // 2, len(raw) - 8, len(raw) - 1]
    copies += [raw[:cut] for cut in cuts]
    copies += [raw[:cut].ljust(len(raw), b"\0") for cut in cuts]
    copies += [raw + b"\0" * 64, b"\0" * len(raw), b"\xff" * len(raw), os.urandom(len(raw)), b"not an index"]
    return copies


def test_a_damaged_index_never_gives_a_wrong_answer(tmp_path: Path) -> None:
    folder = indexed_folder(
        tmp_path, many(USERS) + line("user0000097@example.com", "last") + line("x" + "user0000194@example.com")
    )
    raw = (folder / "nwauth.idx").read_bytes()
    wanted = {name: ssha("last") if name == KNOWN[1] else ssha("secret") for name in KNOWN}
    for copy in damaged_copies(raw):
        (folder / "nwauth.idx").write_bytes(copy)
        store = stat_only(opened(folder))
        for name, field in wanted.items():
            found = ask(store, name)
            assert found is not None
            assert (found.name, found.stored_password) == (name, field)
        for name in UNKNOWN:
            assert ask(store, name) is None
        store.close()


def forge(folder: Path, forged: bytes) -> None:
    """An index in good order that was made of other bytes than those in nwauth.txt, and says that it was not."""
    identity = files.identify(str(folder / "nwauth.txt"))
    assert identity is not None
    assert identity.size == len(forged)
    (folder / "forged").write_bytes(forged)
    (folder / "nwauth.idx").unlink(missing_ok=True)
    source = os.open(folder / "forged", os.O_RDONLY)
    target = os.open(folder / "nwauth.idx", os.O_RDWR | os.O_CREAT, 0o600)
    build(source, identity, target, fits)
    os.close(source)
    os.close(target)
    (folder / "forged").unlink()


@pytest.mark.parametrize(
    ("stands", "made_of"),
    [
        (b"xbob:" + b"*other:\n" + b"bob:*right:\n", b"\nbob:" + b"*other:\n" + b"bxx:*right:\n"),
        (b"#bob:" + b"*other:\n" + b"bob:*right:\n", b"\nbob:" + b"*other:\n" + b"bxx:*right:\n"),
        (b"robert:*other:\n" + b"bob:*right:\n", b"bob:xx:*other:\n" + b"bxx:*right:\n"),
        (b"#obert:*other:\n" + b"bob:*right:\n", b"bob:xx:*other:\n" + b"bxx:*right:\n"),
        (b"eve:*x:bob:*other:\n" + b"bob:*right:\n", b"eve:*x\nbob:*other:\n" + b"bxx:*right:\n"),
    ],
    ids=["the middle of a name", "the middle of a comment", "another line", "a comment", "the middle of an info"],
)
def test_an_index_that_points_elsewhere_never_mixes_two_users_nor_hides_one(
    tmp_path: Path, stands: bytes, made_of: bytes
) -> None:
    """Verify the bytes before the remembered offset, compare the name at the offset, scan where it is not right."""
    folder = indexed_folder(tmp_path, many(USERS) + stands)
    forge(folder, many(USERS) + made_of)
    store = opened(folder)
    assert password_of(store, "bob") == "*right"
    store.close()


def test_an_index_of_another_version_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = base(tmp_path / "users", many(USERS))
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "MAGIC", index_module.MAGIC + 1)
        make_index(Folder(str(folder)))
    store = opened(folder)
    check_all(store)
    assert not uses_index(store)
    store.close()


@pytest.mark.parametrize("name", ["plain", "J\u00dcRGEN"])
def test_an_index_folded_by_another_rule_is_not_believed_where_that_matters(tmp_path: Path, name: str) -> None:
    """The rule must be in the index's head: beyond ASCII it is that of this Python's Unicode tables."""
    folder = base(tmp_path / "users", many(USERS) + line(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 999))
        make_index(Folder(str(folder)))
    store = opened(folder)
    check_all(store)
    assert ask(store, name.lower()) is not None
    assert uses_index(store) == name.isascii()
    store.close()


def test_a_damaged_head_does_not_cost_memory(tmp_path: Path) -> None:
    folder = indexed_folder(tmp_path)
    raw = bytearray((folder / "nwauth.idx").read_bytes())
    raw[64] = 28  # the number of buckets, as a power of two
    (folder / "nwauth.idx").write_bytes(raw)
    store = opened(folder)
    tracemalloc.start()
    try:
        check_all(store)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    store.close()


def colliding_pairs(count: int) -> list[tuple[str, str]]:
    """Pairs of names whose CRC-32 agree in the upper 28 bits, by brute force."""
    rng = random.Random(28)
    seen: dict[int, str] = {}
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        name = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12))
        other = seen.setdefault(crc32(name.encode()) >> 4, name)
        if other != name:
            pairs.append((other, name))
    return pairs


def test_names_whose_hashes_collide_are_told_apart(tmp_path: Path) -> None:
    both, one = colliding_pairs(2)
    rows = line(both[0], "older") + line(both[1], "1") + line(both[0], "0") + line(one[0], "one")
    folder = indexed_folder(tmp_path, many(USERS) + rows)
    store = opened(folder)
    assert password_of(store, both[0].upper()) == ssha("0")
    assert password_of(store, both[1]) == ssha("1")
    assert password_of(store, one[0]) == ssha("one")
    assert ask(store, one[1]) is None
    assert uses_index(store)
    assert len(names(store)) == USERS + 3
    with opened_index(folder) as index:
        assert len(index.find(both[0].encode())) == 3
        assert len(index.find(one[1].encode())) == 1
    store.close()


@contextmanager
def opened_index(folder: Path) -> Iterator[Index]:
    index = Index(os.open(folder / "nwauth.idx", os.O_RDONLY))
    yield index
    index.close()


@pytest.mark.parametrize(
    ("txt", "users", "in_order"),
    [
        (many(USERS), USERS, True),
        (many(USERS) + line("zoe"), USERS + 1, True),
        (many(USERS) + line("alice"), USERS + 1, False),
        (many(USERS) + many(2).upper(), USERS, False),
        (b"# c\n" + many(USERS) + b"odd\n\n", USERS, True),
    ],
)
def test_the_index_knows_whether_the_file_is_in_order(tmp_path: Path, txt: bytes, users: int, in_order: bool) -> None:  # noqa: FBT001
    folder = indexed_folder(tmp_path, txt)
    with opened_index(folder) as index:
        assert index.in_order == in_order
    store = opened(folder)
    listed = names(store)
    assert len(listed) == users
    assert [name.lower() for name in listed] == sorted(name.lower() for name in listed)
    store.close()


def test_names_beyond_ascii_are_found_by_index_as_by_scan(tmp_path: Path) -> None:
    rows = (
        "\u212aate:*kelvin:\nJ\u00dcRGEN:*nfc:\nrene\u0301:*nfd:\n\u0391\u03a3:*sigma:\n".encode() + b"b\xe9b:*latin:\n"
    )
    folder = base(tmp_path / "users", many(USERS) + rows)
    for make in (False, True):
        if make:
            make_index(Folder(str(folder)))
        store = opened(folder)
        for asked in ("kate", "\u212aATE", "ju\u0308rgen", "REN\u00c9", "\u03b1\u03c2", "\u0391\u03a3", "b\udce9B"):
            assert ask(store, asked) is not None, asked
        assert ask(store, "\u03b1\u03c3") is None
        assert uses_index(store) == make
        store.close()


def test_an_index_truncated_in_place_ends_no_child(tmp_path: Path) -> None:
    """A mapped file that is truncated in place gives SIGBUS: performance.md (c) 2."""
    folder = indexed_folder(tmp_path)
    for between in ("looks", "requests that have arrived together"):
        make_index(Folder(str(folder)))
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                store = opened(folder)
                check_all(store)
                assert uses_index(store)
                if between == "looks":
                    store._view.look_again()
                os.truncate(folder / "nwauth.idx", 0)
                status = 0 if store.lookup(KNOWN[5]) is not None and store.lookup("nobody!") is None else 2
            finally:
                os._exit(status)
        _, result = os.waitpid(pid, 0)
        assert not os.WIFSIGNALED(result), f"{between}: {signal.Signals(os.WTERMSIG(result)).name}"
        assert os.WEXITSTATUS(result) == 0, between


def test_an_index_overwritten_in_place_after_it_was_opened_gives_no_wrong_answer(tmp_path: Path) -> None:
    folder = indexed_folder(tmp_path)
    store = stat_only(opened(folder))
    check_all(store)
    size = (folder / "nwauth.idx").stat().st_size
    with (folder / "nwauth.idx").open("r+b") as file:
        file.write(b"\0" * size)
    check_all(store)
    store.close()


def test_several_builders_at_once_make_one_index(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(60_000))
    pids = []
    for _ in range(6):
        pid = os.fork()
        if pid == 0:
            try:
                make_index(Folder(str(folder)))
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    assert sorted(os.listdir(folder)) == ["nwauth.idx", "nwauth.txt"]
    store = opened(folder)
    check_all(store)
    assert uses_index(store)
    store.close()


def test_who_finds_a_builder_at_work_does_not_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    folder = base(tmp_path / "users", many(USERS))
    where = Folder(str(folder))
    fd = os.open(where.indexing, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    monkeypatch.setattr("nwauth.stores.textfile.making.build", None)
    make_index(where)
    os.close(fd)


def test_a_builder_that_died_is_no_obstacle(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(USERS))
    (folder / "nwauth.tmp.index").write_bytes(b"half an index" * 1000)
    make_index(Folder(str(folder)))
    store = opened(folder)
    check_all(store)
    assert uses_index(store)
    store.close()


def test_in_a_read_only_folder_the_index_is_in_memory(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(USERS))
    store = opened(folder, read_only=True)
    check_all(store)

    def tended() -> bool:
        store.tend()
        return uses_index(store)

    assert until(tended)
    check_all(store)
    assert os.listdir(folder) == ["nwauth.txt"]
    store.close()


def test_in_a_read_only_folder_a_changed_file_gets_another_index(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(USERS))
    store = opened(folder, read_only=True)
    check_all(store)
    store.tend()  # a helper has begun
    base(folder, many(USERS) + line("zoe"))
    check_all(store)

    def tended() -> bool:
        store._chores._indexing._helpers._next.clear()  # no pause between two tries
        store.tend()
        return uses_index(store)

    assert until(tended, seconds=5)
    check_all(store)
    assert ask(store, "zoe") is not None
    store.close()


def test_a_file_truncated_in_place_under_an_index_is_no_proof_of_absence(tmp_path: Path) -> None:
    folder = indexed_folder(tmp_path)
    store = stat_only(opened(folder))
    check_all(store)
    os.truncate(folder / "nwauth.txt", 0)
    for name in KNOWN:
        with pytest.raises(Unavailable):
            ask(store, name)
    store.close()


def test_a_hit_that_the_file_no_longer_bears_out_is_looked_for_by_a_scan(tmp_path: Path) -> None:
    """Inode, size and time can all lie: a copy over the same inode that keeps the time stamp."""
    folder = indexed_folder(tmp_path)
    stamp = (folder / "nwauth.txt").stat().st_mtime_ns
    rows = many(USERS).split(b"\n")[:-1]
    with (folder / "nwauth.txt").open("r+b") as file:
        file.write(b"\n".join([*rows[1:], rows[0], b""]))  # every line stands elsewhere
    os.utime(folder / "nwauth.txt", ns=(stamp, stamp))
    store = opened(folder)
    for name in KNOWN:
        assert password_of(store, name) == ssha("secret")
    store.close()


def test_a_merge_publishes_file_and_index_together(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", many(USERS))
    store = opened(folder)
    for number in range(3):
        assert store.put(user(f"new{number}"))
        store.merge()
        fresh = opened(folder)
        check_all(fresh)
        assert uses_index(fresh)
        fresh.close()
    check_all(store)
    assert uses_index(store)
    store.close()


@pytest.mark.parametrize("size", [INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1])
def test_the_border_between_small_and_large_files_is_no_border_for_users(tmp_path: Path, size: int) -> None:
    rows = many(850)
    padding = size - len(rows) - len(line("last"))
    folder = base(tmp_path / "users", rows + b"#" * (padding - 1) + b"\n" + line("last"))
    assert (folder / "nwauth.txt").stat().st_size == size
    store = opened(folder)
    for name in ("user0000000@example.com", "user0000849@example.com", "last"):
        assert ask(store, name) is not None
    assert ask(store, "nobody") is None
    store.close()


def test_a_line_longer_than_every_buffer_is_found_by_index_and_scan(tmp_path: Path) -> None:
    long = "x" * 300_000
    txt = line("bob", info=long) + many(USERS) + line("eve", info=long)
    folder = base(tmp_path / "users", txt)
    for make in (False, True):
        if make:
            make_index(Folder(str(folder)))
        store = opened(folder)
        for name in ("bob", "eve"):
            found = ask(store, name)
            assert found is not None
            assert found.info.text == long
        check_all(store)
        assert uses_index(store) == make
        store.close()


def test_what_is_no_index_is_damaged_and_its_descriptor_can_be_closed(tmp_path: Path) -> None:
    (tmp_path / "idx").write_bytes(b"x" * 4096)
    fd = os.open(tmp_path / "idx", os.O_RDONLY)
    with pytest.raises(Damaged):
        Index(fd)
    os.close(fd)
    assert files.identify(str(tmp_path / "idx")) is not None


# --- an index that is dropped, or comes later ------------------------------------------------------------------------


def indexed_by_tending(store: FlatfileStore) -> None:
    """What a child does between two requests, until it has an index."""

    def tended() -> bool:
        store._chores._indexing._helpers._next.clear()  # no pause between two tries
        store.tend()
        assert store.lookup(KNOWN[1]) is not None
        return uses_index(store)

    assert until(tended)


@pytest.mark.parametrize("mode", ["stat", "inotify"])
def test_a_name_that_stands_on_a_line_that_does_not_fit_costs_no_index(tmp_path: Path, mode: str) -> None:
    folder = indexed_folder(tmp_path, many(USERS) + b"broken:line\nodd\n" + line("zoe"))
    store = opened(folder)
    if mode == "stat":
        stat_only(store)
    indexed_by_tending(store)
    for _ in range(3):
        for name in ("broken", "odd", "line"):
            assert ask(store, name) is None
            assert uses_index(store)
        store.tend()
        check_all(store)
    store.close()


def test_a_good_line_before_one_of_the_same_name_that_does_not_fit_is_found(tmp_path: Path) -> None:
    folder = indexed_folder(tmp_path, many(USERS) + line("zoe", "good") + b"ZOE:broken\n")
    store = opened(folder)
    indexed_by_tending(store)
    assert password_of(store, "zoe") == ssha("good")
    assert uses_index(store)
    store.close()


@pytest.mark.parametrize("mode", ["stat", "inotify"])
@pytest.mark.parametrize("harm", ["touched", "removed", "cut", "spoiled", "another"])
def test_an_index_that_is_dropped_is_picked_up_again_or_made_anew(tmp_path: Path, mode: str, harm: str) -> None:
    folder = indexed_folder(tmp_path)
    index = folder / "nwauth.idx"
    store = opened(folder)
    if mode == "stat":
        stat_only(store)
    indexed_by_tending(store)
    if harm == "touched":
        ages_ago(index)
    elif harm == "removed":
        index.unlink()
    elif harm == "cut":
        os.truncate(index, 5000)
    elif harm == "spoiled":
        with index.open("r+b") as file:
            file.seek(-4096, os.SEEK_END)
            file.write(b"\xff" * 4096)
    else:
        (tmp_path / "other").mkdir()
        shutil.copy(indexed_folder(tmp_path / "other", many(USERS).upper()) / "nwauth.idx", index)
    check_all(store)
    indexed_by_tending(store)
    check_all(store)
    assert uses_index(store)
    assert opened(folder).lookup("nobody") is None
    store.close()


def truncates_and_asks(folder: Path, when: str, mode: str) -> bool:
    """Whether a child that has just had its index made answers right once the index was cut in place."""
    store = opened(folder)
    if mode == "stat":
        stat_only(store)
    assert store.lookup(KNOWN[2]) is not None
    indexed_by_tending(store)
    if when == "later":
        for _ in range(3):
            store.tend()
            assert store.lookup(KNOWN[3]) is not None
        assert until(lambda: time.monotonic() > store._view._shared_until)
    elif when == "after another was put in its place":
        make_index(Folder(str(folder)))
        assert ask(store, KNOWN[3]) is not None
        indexed_by_tending(store)
    store.tend()
    os.truncate(folder / "nwauth.idx", 0)
    return all(store.lookup(name) is not None for name in KNOWN) and store.lookup("nobody!") is None


@pytest.mark.parametrize("mode", ["stat", "inotify"])
@pytest.mark.parametrize("when", ["at once", "later", "after another was put in its place"])
def test_an_index_that_is_truncated_in_place_after_a_child_had_it_made_ends_no_child(
    tmp_path: Path, mode: str, when: str
) -> None:
    folder = base(tmp_path / "users", many(USERS))

    def asking() -> None:
        assert truncates_and_asks(folder, when, mode)

    assert in_child(asking) == 0
