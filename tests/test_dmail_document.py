"""docs/dmail.md: its commands print what it says, and it lists every setting there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nwauth.dmail.reading import _READERS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "dmail.md"
BLOCKS = re.findall(r"^##+ ([^\n]*)$|^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """Each block of commands, by the heading it stands under."""
    found: dict[str, str] = {}
    title = ""
    for heading, block in BLOCKS:
        title = heading or title
        if block:
            found[title] = block
    assert len(found) == 6
    return found


@pytest.mark.parametrize("title", blocks())
def test_the_commands_of_the_page_print_what_it_says(title: str, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    block = blocks()[title]
    done = subprocess.run(
        ["sh", "-e"],
        input=block,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": path, "PYTHONWARNINGS": "error"},
        timeout=60,
    )
    expected = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == expected


def test_every_setting_that_is_read_stands_in_the_table() -> None:
    table = PAGE.read_text().partition("| setting |")[2].partition("\n\n")[0]
    assert [name for name in _READERS if f"`{name}" not in table] == []


def test_links_in_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target
    titles = re.findall(r"^#+ (.*)$", PAGE.read_text(), re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(#(.*?)\)", PAGE.read_text()):
        assert target in headings, target
