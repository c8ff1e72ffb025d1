"""Plays the sessions that a page shows on a terminal: ``console`` blocks, ``$ command`` and what it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from glob import glob
from typing import TYPE_CHECKING, Any

from tests.commands.common import COMMAND, Terminal
from tests.documents.commands import surroundings

if TYPE_CHECKING:
    from pathlib import Path

FOLDER, INSTALLED = "/var/lib/nwauth", "/opt/nwauth/bin/nwauth"  # what the pages call them
ANSWERS = {"New password: ": "secret\n", "Again: ": "secret\n", "Password: ": "secret\n", "[y/N] ": "y\n"}


class Session:
    """A shell on a terminal of 80 columns, with a folder for the user base and one to stand in.

    Text is folded by its width, so what stands for `FOLDER` and `INSTALLED` has as many characters as they.
    """

    def __init__(self, path: Path) -> None:
        self.folder = tempfile.mkdtemp(prefix="nw", dir="/tmp")
        os.rmdir(self.folder)
        self.bin = tempfile.mkdtemp(prefix="nw", dir="/tmp")
        self.installed = f"{self.bin}/nwauth"
        os.symlink(COMMAND[0], self.installed)
        assert (len(self.folder), len(self.installed)) == (len(FOLDER), len(INSTALLED))
        self.here = path / "here"
        self.here.mkdir(parents=True)
        self.env = surroundings(self.here)
        self.env["PATH"] = f"{self.bin}{os.pathsep}{self.env['PATH']}"

    def leave(self) -> None:
        """Take away what does not lie in the folder of the test."""
        for folder in (self.bin, *glob(f"{self.folder}*")):
            shutil.rmtree(folder)

    def prepare(self, commands: str) -> None:
        """Run what is not shown; all of it must succeed."""
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail"],
            input=self._ours(commands),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.here,
            env=self.env,
            timeout=60,
        )
        assert done.returncode == 0, f"{commands}\n{done.stderr}"

    def play(self, command: str) -> str:
        """Type a command, answer its questions; the screen."""
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.env[name] = self._ours(value)
            return ""
        words = ("bash", "-c", self._ours(command))
        env: dict[str, Any] = {name: value for name, value in self.env.items() if name != "NWAUTH_PATH"}
        terminal = Terminal(
            self.env.get("NWAUTH_PATH", self.folder), command=words, cwd=str(self.here), NO_COLOR="1", **env
        )
        terminal.answer(ANSWERS)
        return terminal.screen.replace(self.folder, FOLDER).replace(self.installed, INSTALLED)

    def _ours(self, text: str) -> str:
        return text.replace(FOLDER, self.folder).replace(INSTALLED, self.installed)


def commands_of(block: str) -> list[tuple[str, str]]:
    """Each command of a block, with the lines of it that begin with ``> ``, and what it shows."""
    found = re.findall(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    return [(re.sub(r"^> ", "", command, flags=re.MULTILINE).rstrip("\n"), shown) for command, shown in found]
