"""docs/undo.md: its commands show what it says, and it lists what the journal holds."""

from __future__ import annotations

import re
from pathlib import Path

from nwauth.changes.steps import MAX_BYTES, MAX_STEPS
from tests.commands.common import BOB
from tests.test_changes import journal
from tests.test_manual import Place, as_pattern

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "undo.md").read_text()


def session() -> list[tuple[str, str]]:
    blocks = "".join(re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    return re.findall(r"^\$ (.*)\n((?:[^$].*\n|\n)*)", blocks, re.MULTILINE)


def test_the_commands_of_the_page_show_what_it_says(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.fill(BOB)
    place.env["NWAUTH_PATH"] = place.folder
    assert len(session()) > 5
    for command, shown in session():
        status, screen = place.play(command)
        seen = "\n".join(line.rstrip() for line in screen.splitlines()).rstrip()
        assert re.fullmatch(as_pattern(shown), seen, re.DOTALL), f"$ {command}\n{seen}"
        assert status == 0
    keys = re.findall(r"^\| (`.*?) \|", PAGE.partition("## The journal")[2], re.MULTILINE)
    assert [key for cell in keys for key in re.findall(r"`(\w+)`", cell)] == list(journal(place.folder)[-1])


def test_the_bounds_are_those_of_the_program() -> None:
    assert (MAX_STEPS, MAX_BYTES) == (100, 1 << 30)
    assert "The last hundred steps are kept, fewer where they take more than 1 GiB together" in PAGE
