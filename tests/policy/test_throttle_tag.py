"""The tag of a wrong password: a keyed digest cut to 12 bits, under a key that all copies of the program share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.policy.throttle.outage import REST_SECONDS
from nwauth.policy.throttle.tag import FILE, KEY_BYTES, Tags
from tests.faults.folders import start, wait_for
from tests.stores.folders import fast_folder

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = os.geteuid() == 0
OWNER = 12345
needs_root = pytest.mark.skipif(not ROOT, reason="only root is led where others cannot go")


class Key:
    """The key's file, and what is told of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.told: list[dict[str, object]] = []
        self.monotonic = 0.0

    def tags(self) -> Tags:
        return Tags(str(self.path), notice=self.told.append, monotonic=lambda: self.monotonic)

    def states(self) -> list[object]:
        return [facts["state"] for facts in self.told]


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return Key(tmp_path)


def test_a_tag_tells_same_from_different_in_12_bits(key: Key) -> None:
    tags = key.tags()
    many = [tags.tag("bob", b"%d" % n) for n in range(3000)]
    assert all(tag is not None and 0 <= tag < 4096 for tag in many)
    assert many == [tags.tag("bob", b"%d" % n) for n in range(3000)]
    assert len(set(many)) > 2000
    assert max(tag or 0 for tag in many) >= 4000


def test_the_same_password_of_another_user_has_another_tag(key: Key) -> None:
    tags = key.tags()
    same = sum(tags.tag("bob", b"%d" % n) == tags.tag("eve", b"%d" % n) for n in range(2000))
    assert same < 20


def test_under_another_key_the_tags_are_others(tmp_path: Path) -> None:
    both = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        both.append(Key(tmp_path / name).tags())
    assert sum(both[0].tag("bob", b"%d" % n) == both[1].tag("bob", b"%d" % n) for n in range(2000)) < 20


def test_the_key_is_private_random_and_kept(key: Key) -> None:
    tag = key.tags().tag("bob", b"x")
    assert (key.path.stat().st_mode & 0o777, key.path.stat().st_size) == (0o600, KEY_BYTES)
    assert key.tags().tag("bob", b"x") == tag
    assert os.listdir(key.path.parent) == [FILE]
    assert key.told == []


@pytest.mark.parametrize("damaged", [False, True])
def test_four_copies_that_start_at_once_agree_on_one_key(damaged: bool) -> None:  # noqa: FBT001
    with fast_folder() as path:
        folder = Path(path)
        if damaged:
            (folder / FILE).write_bytes(b"damaged")
        gate, opened = os.pipe()

        def begin(number: int) -> None:
            os.close(opened)
            os.read(gate, 1)  # all begin when the other end is closed
            key = Key(folder)
            tags = key.tags()
            (folder / f"tags.{number}").write_text(repr([tags.tag("bob", b"%d" % n) for n in range(100)]))
            assert key.states() in ([], ["rebuilt"] if damaged else [])

        children = [start(lambda number=number: begin(number)) for number in range(4)]  # type: ignore[misc]
        os.close(opened)
        assert wait_for(children) == [0] * 4
        os.close(gate)
        assert len({(folder / f"tags.{number}").read_text() for number in range(4)}) == 1
        assert sorted(os.listdir(folder)) == sorted([FILE, *(f"tags.{number}" for number in range(4))])


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 31, b"x" * 33, b"x" * 9999])
def test_a_damaged_key_is_replaced_and_told_once(key: Key, content: bytes) -> None:
    key.path.write_bytes(content)
    tags = key.tags()
    first = tags.tag("bob", b"x")
    assert first is not None
    assert (tags.tag("bob", b"x"), key.tags().tag("bob", b"x")) == (first, first)
    assert key.states() == ["rebuilt"]
    assert str(key.path) in str(key.told[0]["reason"])
    assert (key.path.stat().st_mode & 0o777, key.path.stat().st_size) == (0o600, KEY_BYTES)


def test_a_key_that_another_copy_has_replaced_is_taken_up_at_once(key: Key) -> None:
    one, other = key.tags(), key.tags()
    before = [one.tag("bob", b"%d" % n) for n in range(20)]
    key.path.write_bytes(b"damaged")
    assert other.tag("bob", b"x") is not None
    after = [one.tag("bob", b"%d" % n) for n in range(20)]
    assert after != before
    assert after == [other.tag("bob", b"%d" % n) for n in range(20)]
    key.path.unlink()
    assert one.tag("bob", b"x") == other.tag("bob", b"x")


@pytest.mark.parametrize("what", ["a folder", "a FIFO", "no folder"])
def test_without_a_key_there_is_no_tag_which_is_told_once_and_tried_again_after_a_rest(key: Key, what: str) -> None:
    obstacles: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "a folder": (key.path.mkdir, key.path.rmdir),
        "a FIFO": (lambda: os.mkfifo(key.path), key.path.unlink),
        "no folder": (
            lambda: key.path.parent.rename(key.path.parent.with_name("away")),
            lambda: key.path.parent.with_name("away").rename(key.path.parent),
        ),
    }
    obstruct, clear = obstacles[what]
    obstruct()
    tags = key.tags()
    for _ in range(5):
        assert tags.tag("bob", b"x") is None
    assert key.states() == ["down"]
    assert str(key.path) in str(key.told[0]["reason"])
    clear()
    assert tags.tag("bob", b"x") is None  # it rests
    key.monotonic += REST_SECONDS
    assert tags.tag("bob", b"x") is not None
    assert key.states() == ["down", "up"]
    if what == "no folder":
        assert key.path.exists()


@needs_root
@pytest.mark.parametrize("way", ["symbolic", "dangling", "hard", "a stranger's"])
def test_root_is_led_to_no_other_file_by_a_link_in_the_place_of_the_key(key: Key, way: str) -> None:
    target = key.path.parent.with_name("secret of root")
    target.write_bytes(b"s" * KEY_BYTES)
    os.chown(key.path.parent, OWNER, OWNER)
    if way == "symbolic":
        key.path.symlink_to(target)
    elif way == "dangling":
        target.unlink()
        key.path.symlink_to(target)
    elif way == "hard":
        os.link(target, key.path)
    else:
        key.path.write_bytes(b"s" * KEY_BYTES)
        os.chown(key.path, OWNER + 1, OWNER)
    assert key.tags().tag("bob", b"x") is None
    assert key.states() == ["down"]
    assert target.exists() is (way != "dangling")
    assert not target.exists() or target.read_bytes() == b"s" * KEY_BYTES


@needs_root
def test_root_makes_the_key_for_the_owner_of_the_folder(key: Key) -> None:
    os.chown(key.path.parent, OWNER, OWNER)
    assert key.tags().tag("bob", b"x") is not None
    assert (key.path.stat().st_uid, key.path.stat().st_gid) == (OWNER, OWNER)


@needs_root
def test_where_the_folder_is_read_only_there_is_no_tag(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    def ask() -> None:
        os.setgroups([])
        os.setgid(OWNER)
        os.setuid(OWNER)
        key = Key(tmp_path)
        assert key.tags().tag("bob", b"x") is None
        assert key.states() == ["down"]

    with fast_folder() as path:
        os.chmod(path, 0o755)
        tmp_path = Path(path)
        assert wait_for([start(ask)]) == [0]
        assert os.listdir(path) == []
