"""A server process of our own in a temporary folder: how it is started, hung, and brought to its end."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tests.databases import guard, processes
from tests.databases.processes import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import ClassVar


class Daemon(ABC):
    """It cannot outlive the test process: `atexit` ends it, and where that does not come about the guard does."""

    name: ClassVar[str]  # in messages, and in the name of the folder

    def __init__(self) -> None:
        self.folder = guard.make_folder(self.name)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """What the server has said so far."""
        log = self.folder / "log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def kill(self) -> None:
        """SIGKILL to it and all its children, paused or not; nothing of it runs afterwards."""
        if self.runs:
            processes.kill_family(self.pid)
        self._forget()

    def pause(self) -> None:
        """The server hangs: connections stay, new ones are taken by the kernel alone, and nobody answers."""
        processes.stop_family(self.pid)

    def resume(self) -> None:
        processes.continue_family(self.pid)

    def close(self) -> None:
        """End it without ceremony and remove its folder."""
        atexit.unregister(self.close)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # a Ctrl-C at the terminal is for pytest alone
                **self._account(),
            )
        guard.watch(self.pid)

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while (trouble := self._trouble()) is not None:
            if not self.runs or time.monotonic() > until:
                self.kill()
                raise AssertionError(f"{self.name} does not start: {trouble}\n{self.log()}")
            time.sleep(0.01)

    def _end(self, signal_number: int) -> None:
        """Let it end in its own way, paused or not."""
        self.resume()
        os.kill(self.pid, signal_number)
        self._forget()

    def _forget(self) -> None:
        """Reap the server, which has ended."""
        if self._process is not None:
            self._process.wait(PATIENCE_SECONDS)
            guard.release(self.pid)
            self._process = None

    def _account(self) -> dict[str, Any]:
        """Who runs it: arguments of `subprocess`."""
        return guard.unprivileged()

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """What runs the server in the foreground."""

    @abstractmethod
    def _trouble(self) -> object | None:
        """Why it does not answer; None when it does."""
