"""The manual pages in man/: written by the program, whole, and without fault in the eyes of those who print them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from nwauth.commands.group import root
from scripts.manpages import MAN, PAGES
from tests.test_manual import every_command

CHECKS = {
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
    "groff": ["groff", "-man", "-ww", "-z", "-K", "utf8"],
    "man": ["man", "--warnings", "--local-file", "-Tutf8"],
}
READERS = "text|texts|required|path|integer|number|boolean|boolean_or|choice|date|mapping|table"
SOURCES = Path(__file__).resolve().parent.parent / "nwauth"


def printed(name: str, columns: int = 80) -> str:
    """The page as a reader sees it."""
    env = {"PATH": os.environ["PATH"], "MANWIDTH": str(columns), "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    words = ["man", "--local-file", str(MAN / name)]
    return subprocess.run(words, capture_output=True, text=True, env=env, check=True).stdout


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_program_writes(name: str) -> None:
    assert (MAN / name).read_text() == PAGES[name](), "write it anew: make man"


@pytest.mark.parametrize("program", CHECKS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_to_be_said_against_a_page(name: str, program: str) -> None:
    if shutil.which(program) is None and os.environ.get("CI") != "true":
        pytest.skip(f"no {program} here")
    words = [*CHECKS[program], str(MAN / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert program != "mandoc" or done.stdout == ""
    assert done.returncode == 0


def test_every_command_and_option_is_in_the_manual_page() -> None:
    text = (MAN / "nwauth.1").read_text().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    for path in every_command(root, ("nwauth",)):
        one: click.Command = root
        for name in path[1:]:
            assert isinstance(one, click.Group)
            found = one.get_command(click.Context(one), name)
            assert found is not None
            one = found
        if isinstance(one, click.Group):
            continue
        chapter = re.search(rf"^\.SS {' '.join(path)}( .*)?$\n((?:(?!\.S[SH]).*\n)*)", text, re.MULTILINE)
        assert chapter is not None, path
        own = [option for option in one.params if isinstance(option, click.Option) and option.expose_value]
        lacking = [option.name for option in own if not option.hidden and option.opts[-1] not in chapter[2]]
        assert lacking == [], path


def test_every_key_of_the_settings_is_in_its_page() -> None:
    """Keys that the readers of nwauth.toml ask for, by the call that asks."""
    asked: set[str] = set()
    for path in (SOURCES / "config").rglob("*.py"):
        asked |= set(re.findall(rf'\.(?:{READERS})\(\s*"(\w+)"', path.read_text()))
    text = (MAN / "nwauth.toml.5").read_text()
    assert len(asked) > 20
    assert sorted(key for key in asked if key not in text) == []


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_on_any_terminal(name: str, columns: int) -> None:
    if shutil.which("man") is None and os.environ.get("CI") != "true":
        pytest.skip("no man here")
    text = printed(name, columns)
    assert "NAME\n" in text
    assert not re.search(r"\\f[BRI]|\\\(|\[u[0-9A-F]{4}\]", text)
    if columns == 80:
        wide = [line for line in text.splitlines() if len(line) > 80]
        assert [line for line in wide if not line.lstrip().startswith("nwauth ")] == []  # an example is one line
