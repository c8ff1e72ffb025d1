"""What the documents say is there is there; what they show is run by `tests.documents`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nwauth.passwords import Passwords

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("nwauth")


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder as `make run` makes it, long ago."""
    file = shutil.copy(ROOT / "nwauth.txt.example", tmp_path / "nwauth.txt")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return tmp_path


def talk(folder: Path, requests: str) -> str:
    done = subprocess.run(
        [COMMAND, "-path", folder], input=requests, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout


def test_every_sample_user_is_found_and_has_the_password_that_the_example_says(sample: Path) -> None:
    lines = [line for line in (sample / "nwauth.txt").read_text().splitlines() if not line.startswith("#")]
    passwords = Passwords()
    assert len(lines) == 6
    for line in lines:
        name, field, info = line.split(":", 2)
        verdict = passwords.verify(field, b"secret", star_is_clear=True)
        assert verdict.ok is (name != "erin@test.com"), name
        assert talk(sample, f"lookup {name.upper()}\n") == f"+OK {name} config 0{' ' + info if info else ''}\n"


def test_make_knows_the_words_that_the_documents_use() -> None:
    makefile = (ROOT / "Makefile").read_text()
    words = set()
    for document in ("README.md", "CONTRIBUTING.md"):
        words |= set(re.findall(r"^make (\w+)", (ROOT / document).read_text(), re.MULTILINE))
    assert {"run", "test", "lint", "all", "bench"} <= words
    for word in words:
        assert re.search(rf"^{word}:", makefile, re.MULTILINE), word


def test_the_rooms_that_contributing_lists_are_there_and_none_is_missing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = {
        name.rstrip("/")
        for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for name in re.findall(r"`([\w./]+)`", row)
    }
    there = {path.name for path in (ROOT / "nwauth").iterdir() if not path.name.startswith("_")}
    assert named - {"base.py", "kinds"} == there


@pytest.mark.parametrize("store", ["combined", "flatfile", "passwd", "textfile"])
def test_the_rooms_of_a_store_are_listed_and_none_is_missing(store: str) -> None:
    folder = ROOT / "nwauth" / "stores" / store
    listed = re.findall(r"^    (\w+)  ", (folder / "__init__.py").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def test_the_answers_in_the_operations_page_are_the_ones_given(sample: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    shown = set(re.findall(r"^\| `(-(?:ERR|DEAD) .*?)`", page, re.MULTILINE))
    empty = tmp_path / "empty"
    empty.mkdir()
    seen = {talk(empty, "lookup bob\n").rstrip()}
    seen |= set(talk(sample, "lookup bob\ncheck bob secret\n").splitlines())
    (sample / "nwauth.txt").rename(sample / "away")
    seen.add(talk(sample, "lookup bob\n").rstrip())
    (sample / "away").rename(sample / "nwauth.txt")
    os.utime(sample / "nwauth.txt")
    seen.add(talk(sample, "lookup bob\n").rstrip())
    (sample / "nwauth.txt").write_bytes(b"")
    os.utime(sample / "nwauth.txt", (1, 1))
    seen.add(talk(sample, "lookup bob\n").rstrip())
    (sample / "nwauth.add").unlink(missing_ok=True)
    (sample / "nwauth.add").symlink_to("nowhere")
    seen.add(talk(sample, "lookup bob\n").rstrip())
    assert len(seen) == 7
    assert seen <= shown
