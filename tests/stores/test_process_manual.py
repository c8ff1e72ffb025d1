"""docs/process.md: what it shows is run, and what it lists is there."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from nwauth.config.kinds.process import ProcessConfig
from tests.test_documents import COMMAND, ROOT, shell_blocks

if TYPE_CHECKING:
    from pathlib import Path

MANUAL = "docs/process.md"


@pytest.mark.parametrize("block", shell_blocks(MANUAL))
def test_the_commands_of_the_page_answer_as_it_says(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-e"],
        input=block,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": f"{COMMAND.parent}:/usr/bin:/bin"},
        timeout=60,
    )
    expected = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
    printed = done.stdout.splitlines()
    assert expected
    assert [line for line in printed if line in expected] == expected


def test_the_page_lists_every_setting_with_its_default() -> None:
    text = (ROOT / MANUAL).read_text()
    listed = dict(
        re.findall(r"^\| `(\w+)` \| (.*?) \|", text.partition("## Settings")[2].partition("\n## ")[0], re.MULTILINE)
    )
    given = ProcessConfig(path="", command=("x",))
    assert set(listed) == set(ProcessConfig.__slots__) - {"path"}
    for name, shown in listed.items():
        if name not in ("command", "environment"):
            value = getattr(given, name)
            wanted = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
            text_of = wanted or ("[]" if value == () else f'"{value}"' if isinstance(value, str) else str(value))
            assert shown == f"`{text_of}`", name


def test_links_lead_somewhere() -> None:
    text = (ROOT / MANUAL).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / MANUAL).parent.joinpath(target).exists(), target
    headings = {
        line.removeprefix("## ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("## ")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
