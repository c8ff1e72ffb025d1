"""``nwauth import multiauth.ini``: the settings are made, and serve."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import COMMAND, run
from tests.serving import Child, make_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two user bases, one of them behind a module of its own, and their multiauth.ini."""
    make_folder(tmp_path / "one", b"bob@one.com:*secret:\n")
    make_folder(tmp_path / "two", b"eve:*secret:\n")
    module = " ".join(map(shlex.quote, [*COMMAND, "-path", str(tmp_path / "two"), "-log"]))
    (tmp_path / "multiauth.ini").write_text(
        f"do_del false\nmodule 0\nbinary nwauth -path {tmp_path}/one\nmatch *one.com\nmodule 1\n"
        f"binary /usr/bin/env {module}\nmatch *two.com\nstrip_suffix @two.com\ndo_set true\n"
    )
    (tmp_path / "mail").mkdir()
    return tmp_path


def test_what_multiauth_was_told_is_served(place: Path) -> None:
    done = run(str(place / "mail"), "import", str(place / "multiauth.ini"))
    assert done.status == 0
    assert json.loads(done.out)["stores"] == ["module0", "module1"]
    with Child(place / "mail") as child:
        assert child.ask(b"lookup BOB@one.com") == b"+OK bob@one.com config 0\n"
        assert child.ask(b"lookup eve@two.com") == b"+OK eve@two.com config 0\n"
        assert child.ask(b"lookup eve@one.com") == b"-ERR eve@one.com does not exist\n"
        assert child.ask(b"check eve@two.com secret 10.0.0.1") == b"+OK eve@two.com config 0\n"
        assert child.ask(b"check eve@two.com wrong") == b"-ERR eve@two.com password wrong or not a valid user\n"
        assert child.ask(b"set carl@two.com pw") == b"+OK carl@two.com added to database\n"
        assert child.ask(b"set carl@one.com pw") == b"-ERR not supported here\n"
        assert child.ask(b"del bob@one.com").startswith(b"-ERR ")
        assert child.ask(b"search *") == (
            b"+DATA bob@one.com\n+DATA carl@two.com\n+DATA eve@two.com\n+OK Search Complete 3 items found out of 3\n"
        )
    assert b"carl:" in (place / "two" / "nwauth.add").read_bytes()


def test_a_dry_run_prints_the_settings_and_writes_nothing(place: Path) -> None:
    done = run(str(place / "mail"), "import", str(place / "multiauth.ini"), "--dry-run", "--format", "table")
    assert done.status == 0
    assert 'kind = "flatfile"' in done.out
    assert os.listdir(place / "mail") == []


def test_settings_that_are_there_are_never_replaced(place: Path) -> None:
    (place / "mail" / "nwauth.toml").write_text("[log]\n")
    done = run(str(place / "mail"), "import", str(place / "multiauth.ini"))
    assert (done.status, done.out) == (1, "")
    assert "nwauth.toml is there: move it away first, or take another --path" in done.err
    assert (place / "mail" / "nwauth.toml").read_text() == "[log]\n"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("absent.ini", "absent.ini: cannot be read: No such file or directory"),
        ("mail", "mail: cannot be read: it is no regular file"),
        ("one/nwauth.txt", 'found no block that begins with "module N", wanted a multiauth.ini'),
    ],
)
def test_what_is_no_multiauth_ini_is_told_so(place: Path, name: str, error: str) -> None:
    done = run(str(place / "mail"), "import", str(place / name))
    assert (done.status, done.out) == (1, "")
    assert error in done.err
    assert done.err.count("\n") == 1


def test_a_folder_that_is_not_there_is_told(place: Path) -> None:
    done = run(str(place / "absent"), "import", str(place / "multiauth.ini"))
    assert done.status == 1
    assert "found no folder" in done.err
