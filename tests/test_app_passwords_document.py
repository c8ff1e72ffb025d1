"""docs/app-passwords.md: its commands print what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_manual import Place, as_pattern

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "app-passwords.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_commands_of_the_page_print_what_it_says(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-e"],
        input=block,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONWARNINGS": "error"},
        timeout=60,
    )
    expected = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
    assert done.stderr == ""
    assert expected
    assert done.stdout.splitlines() == expected


def test_the_session_of_the_page_goes_as_shown(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.fill(b"bob@test.com:*secret:\n")
    place.env["NWAUTH_PATH"] = place.folder
    blocks = "".join(re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    commands = re.findall(r"^\$ (.*)\n((?:[^$].*\n|\n)*)", blocks, re.MULTILINE)
    assert len(commands) == 4
    for command, shown in commands:
        _, screen = place.play(command)
        seen = "\n".join(line.rstrip() for line in screen.splitlines()).rstrip()
        assert re.fullmatch(as_pattern(shown), seen, re.DOTALL), f"$ {command}\n{seen}"


def test_the_stored_form_that_is_shown_is_that_of_the_password_that_is_typed() -> None:
    from nwauth.passwords.apps import fits, plain
    from nwauth.policy.apps import check_field, read

    fields = re.findall(r'app_passwords="(phone.*?)"', PAGE)
    assert len(fields) == 2
    typed = plain(b"qx7wd-3kfp9-ah2mz-uv6re")
    assert typed is not None
    for field in fields:
        check_field("app_passwords", field)
        assert fits(read(field)[0].field, typed)
