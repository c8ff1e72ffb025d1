"""docs/doctor.md: its commands print what it says, and it lists every finding there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nwauth.doctor import KINDS
from tests.doctoring import servers_of_others

PAGE = Path(__file__).resolve().parent.parent / "docs" / "doctor.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_commands_of_the_page_print_what_it_says(block: str, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with servers_of_others(may_run=False):
        done = subprocess.run(
            ["bash"],
            input=block,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"PATH": path, "PYTHONWARNINGS": "error"},
            timeout=60,
        )
    expected = [line.removeprefix("#").removeprefix(" ") for line in block.splitlines() if line.startswith("#")]
    assert done.stderr == ""
    assert done.stdout.splitlines() == expected


def test_every_finding_stands_in_the_table_with_its_severity() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z ]+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(kind, severity) for kind, (severity, _) in KINDS.items()]


def test_links_in_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target
