"""What the directory servers have in common: a folder, and an end that always comes."""

from __future__ import annotations

import signal
import subprocess
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tests.databases.daemon import Daemon

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


def run(*command: str | Path, given: str = "", **account: Any) -> str:
    """Run a tool to its end, with that on its standard input; what it says."""
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command, input=given.encode(), capture_output=True, check=False, cwd="/", **account
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, f"{command[0]}: {said}"
    return said


class Directory(Daemon):
    """A directory server of our own."""

    def start(self) -> Self:
        """Start, or start again, and go on if it was paused; wait until it answers."""
        if self.runs:
            self.resume()
            return self
        self._forget()
        self._spawn()
        self._wait_until_it_answers()
        return self

    def stop(self) -> None:
        """End it as an administrator does."""
        self._end(signal.SIGTERM)

    def _trouble(self) -> str | None:
        return None if self._answers() else "it gives no answer"

    @abstractmethod
    def _answers(self) -> bool: ...
