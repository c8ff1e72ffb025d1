"""What the directory servers have in common: a folder, and an end that always comes."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tests.databases import guard, processes
from tests.databases.processes import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import ClassVar, Self


def run(*command: str | Path, given: str = "", **account: Any) -> str:
    """Run a tool to its end, with that on its standard input; what it says."""
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command, input=given.encode(), capture_output=True, check=False, cwd="/", **account
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, f"{command[0]}: {said}"
    return said


class Directory(ABC):
    """A server of our own.  It cannot outlive the test process: `atexit` ends it, or else the guard does."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.folder = guard.make_folder(self.name)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def log(self) -> str:
        log = self.folder / "log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def start(self) -> Self:
        """Start, or start again, and go on if it was paused; wait until it answers."""
        if self.runs:
            self.resume()
            return self
        self._forget()
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._account(),
            )
        guard.watch(self.pid)
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            if not self.runs or time.monotonic() > until:
                self.kill()
                raise AssertionError(f"{self.name} does not start\n{self.log()}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """End it as an administrator does."""
        self.resume()
        os.kill(self.pid, signal.SIGTERM)
        self._forget()

    def kill(self) -> None:
        if self.runs:
            processes.kill_family(self.pid)
        self._forget()

    def pause(self) -> None:
        """It hangs: connections stay, new ones are taken by the kernel alone, and nobody answers."""
        processes.stop_family(self.pid)

    def resume(self) -> None:
        processes.continue_family(self.pid)

    def close(self) -> None:
        atexit.unregister(self.close)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait(PATIENCE_SECONDS)
            guard.release(self.pid)
            self._process = None

    def _account(self) -> dict[str, Any]:
        """Who runs it: arguments of `subprocess`."""
        return guard.unprivileged()

    @abstractmethod
    def _command(self) -> Sequence[str | Path]: ...

    @abstractmethod
    def _answers(self) -> bool: ...
