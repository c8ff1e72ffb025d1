"""docs/dmail.md: it lists every setting there is."""

from __future__ import annotations

from pathlib import Path

from nwauth.dmail.reading import _READERS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "dmail.md"


def test_every_setting_that_is_read_stands_in_the_table() -> None:
    table = PAGE.read_text().partition("| setting |")[2].partition("\n\n")[0]
    assert [name for name in _READERS if f"`{name}" not in table] == []
