"""docs/doctor.md: it lists every finding there is, what is mended at once, and what may become of a finding."""

from __future__ import annotations

import re
from pathlib import Path

from nwauth.doctor import KINDS
from nwauth.doctor.fixes import FIXES
from nwauth.doctor.fixing import FAILED, MENDED, STANDS, UNTOLD, UNTOUCHED, WOULD_MEND

OUTCOMES = [MENDED, WOULD_MEND, FAILED, STANDS, UNTOLD, UNTOUCHED]
PAGE = Path(__file__).resolve().parent.parent / "docs" / "doctor.md"


def test_every_finding_stands_in_the_table_with_its_severity() -> None:
    table = PAGE.read_text().partition("## Every finding\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z ]+) \|", table, re.MULTILINE)
    assert rows == [(kind, severity) for kind, (severity, _) in KINDS.items()]


def test_every_finding_that_is_mended_at_once_and_every_outcome_stands_there() -> None:
    part = PAGE.read_text().partition("## Mended at once\n")[2].partition("\n## ")[0]
    words = re.findall(r"`([a-z -]+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE)))
    assert [word for word in words if word in KINDS] == list(FIXES)
    assert [word for word in words if word not in KINDS and word != "outcome"] == OUTCOMES
