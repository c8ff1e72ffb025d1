"""Runs the commands that a page shows: ``sh`` blocks, in which a line that begins with ``#`` is what is printed."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from tests.commands.common import COMMAND, environment
from tests.documents.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")


def surroundings(folder: Path, *, others: bool = False) -> dict[str, str]:
    """The environment of what is shown: the command is found, and no file of this account's is.

    With `others` a Python program of somebody else's may warn.
    """
    path = f"{os.path.dirname(COMMAND[0])}{os.pathsep}{os.environ['PATH']}"
    return environment(PATH=path, HOME=str(folder)) | ({"PYTHONWARNINGS": ""} if others else {})


def printed(block: str) -> list[str]:
    """What a block says is printed; a ``#`` within a here-document is a part of that."""
    found, end = [], ""
    for line in block.splitlines():
        if end:
            end = "" if line == end else end
        elif line.startswith("#"):
            found.append(line.removeprefix("#").removeprefix(" "))
        elif begin := HERE_DOCUMENT.search(line):
            end = begin[2]
    return found


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it by bash in `folder`, in which there are the examples; stderr comes apart."""
    (folder / "examples").symlink_to(ROOT / "examples")
    return subprocess.run(
        ["bash"],
        input=script,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=folder,
        env=surroundings(folder, others="fail2ban" in script),
        timeout=120,
    )


def as_pattern(shown: str) -> str:
    """What is shown as a regular expression: ``...`` stands for anything, alone on a line for any lines or none."""
    lines = [re.escape(line).replace(r"\.\.\.", ".*") for line in shown.split("\n")]
    return "".join(f"(?:\n{line})?" if line == ".*" else f"\n{line}" for line in lines)


def is_as_shown(shown: str, seen: str) -> bool:
    """Whether what was printed is what is shown; blanks that end a line do not count."""
    found = "\n".join(line.rstrip() for line in seen.splitlines()).rstrip()
    return re.fullmatch(as_pattern(shown.rstrip()), f"\n{found}", re.DOTALL) is not None
