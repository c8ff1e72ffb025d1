"""docs/doctor.md: it lists every finding there is."""

from __future__ import annotations

import re
from pathlib import Path

from nwauth.doctor import KINDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "doctor.md"


def test_every_finding_stands_in_the_table_with_its_severity() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z ]+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(kind, severity) for kind, (severity, _) in KINDS.items()]
