"""docs/process.md: what it lists is there."""

from __future__ import annotations

import re

from nwauth.config.kinds.process import ProcessConfig
from tests.documents.pages import ROOT

MANUAL = "docs/process.md"


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
