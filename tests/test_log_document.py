"""docs/log.md: it lists every field, key and option there is."""

from __future__ import annotations

import re
from pathlib import Path

import nwauth
from nwauth.commands.logs import LAST_COLUMNS, WHY_COLUMNS, logs

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "log.md").read_text()


def first_cells(heading: str) -> list[str]:
    """The words in code of the first column of the table under a heading."""
    section = re.split(r"\n##+ ", PAGE.split(f"{heading}\n", 1)[1])[0]
    return [
        word for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)
    ]


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
