"""docs/settings.md lists what the program knows, with its values and defaults; so do the pages of the other kinds."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import text
from tests.documents.settings import PAGE, known, page, tables

ELSEWHERE = ("passwd", "system", "ldap", "ldap.attributes", "process")  # kinds with a page that has their table


def test_the_tables_are_what_the_program_knows() -> None:
    assert PAGE.read_text() == page(), "write it anew: .venv/bin/python -m tests.documents.settings"


def test_no_table_of_settings_is_missing() -> None:
    assert set(tables(PAGE.read_text())) | set(ELSEWHERE) == set(known())


def test_every_setting_says_what_it_is_for() -> None:
    for table, content in tables(PAGE.read_text()).items():
        for line in content.splitlines()[2:]:
            assert re.split(r"(?<!\\)\|", line)[4].strip(), f"{table}: {line}"


@pytest.mark.parametrize("table", ELSEWHERE)
def test_the_settings_of_other_kinds_stand_in_their_own_pages(table: str) -> None:
    listed = set(re.findall(r"`(\w+)`", text(f"docs/{table.partition('.')[0]}.md")))
    assert set(known()[table]) - listed - {"read_only", "name"} == set()
