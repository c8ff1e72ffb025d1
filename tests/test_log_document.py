"""docs/log.md: its commands print what it says, and it lists every field, key and option there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nwauth
from nwauth.commands.logs import LAST_COLUMNS, WHY_COLUMNS, logs

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "log.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def first_cells(heading: str) -> list[str]:
    """The words in code of the first column of the table under a heading."""
    section = re.split(r"\n##+ ", PAGE.split(f"{heading}\n", 1)[1])[0]
    return [
        word for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)
    ]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_commands_of_the_page_print_what_it_says(block: str, tmp_path: Path) -> None:
    if "fail2ban-regex" in block and shutil.which("fail2ban-regex") is None and not os.environ.get("CI"):
        pytest.skip("no fail2ban-regex here (Debian package fail2ban)")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        ["bash"],
        input=block,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        timeout=60,
    )
    expected = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
    assert done.stderr == ""
    assert expected
    assert done.stdout.splitlines() == expected


def test_every_fact_that_a_request_reports_is_listed() -> None:
    package = Path(nwauth.__file__).parent
    source = "".join(path.read_text() for path in [package / "server.py", *(package / "service").glob("*.py")])
    told = set(re.findall(r'report\(\s*"(\w+)"|(?:facts|line)\["(\w+)"\] =', source))
    keys = {one or other for one, other in told}
    assert {"ip", "reason", "rule", "tag", "result"} <= keys
    assert keys - {"time", "command"} <= set(first_cells("## A line"))


def test_every_key_of_the_records_is_listed() -> None:
    assert tuple(first_cells("### A refusal")) == WHY_COLUMNS
    assert tuple(first_cells("### A login")) == LAST_COLUMNS


def test_every_option_is_listed() -> None:
    listed = [word.split()[0] for word in first_cells("## Why, and when last") if word.startswith("--")]
    for name in ("why", "last"):
        found = logs.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None
        own = {option for parameter in found.params if parameter.expose_value for option in parameter.opts}
        assert {option for option in own if option.startswith("--")} == set(listed)


def test_links_in_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
