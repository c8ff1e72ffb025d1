"""What the real servers have in common: a folder, a port, an unprivileged account, and an end that always comes."""

from __future__ import annotations

import atexit
import functools
import os
import random
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tests.databases import guard, processes
from tests.databases.processes import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import ClassVar, Literal, Self

    Row = tuple[Any, ...]

HOST = "127.0.0.1"
USER = "mail"
PASSWORD = "letterbox"  # of USER, over TCP
DATABASE = "nwauth"  # owned by USER, or all granted


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel gives to clients.

    A client that tries one of the latter while its server is down may connect to itself.  By the system's randomness,
    because tests seed the other one, in every pytest worker alike.
    """
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port


def run(*command: str | Path) -> None:
    """Run a tool to its end, as the account that servers run as."""
    done = subprocess.run(command, capture_output=True, check=False, cwd="/", **guard.unprivileged())
    assert done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "replace")


@functools.cache
def _installed(kind: type[Server]) -> Path:
    """A new data folder, made once in a test process: to copy it is faster than to run the installer again."""
    data = guard.make_folder(f"{kind.name}-new") / "data"
    kind._install(data)
    return data


class Server(ABC):
    """A server of our own in a temporary folder.  Leaving the block ends it and removes the folder.

    It cannot outlive the test process: `atexit` ends it, and where that does not come about the guard does.
    """

    name: ClassVar[str]  # in messages, and in the name of the folder
    _signals: ClassVar[dict[str, int]]  # the modes of `stop`

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = guard.make_folder(self.name)
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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

    def start(self) -> Self:
        """Start, or start again, on the same data and the same port; wait until it answers.  No-op when it runs."""
        if self.runs:
            return self
        self._forget()  # one that ended by itself
        fresh = not self.data.exists()
        if fresh:
            run("cp", "-a", _installed(type(self)), self.data)
        self._spawn()
        self._wait_until_it_answers()
        if fresh:
            self._populate()
        return self

    def _spawn(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # a Ctrl-C at the terminal is for pytest alone
                **guard.unprivileged(),
            )
        guard.watch(self.pid)

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End it: `fast` closes its sessions and files first, `immediate` leaves a recovery to the next start."""
        self.resume()
        os.kill(self.pid, self._signals[mode])
        self._forget()

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

    def _forget(self) -> None:
        """Reap the server, which has ended."""
        if self._process is not None:
            self._process.wait(PATIENCE_SECONDS)
            guard.release(self.pid)
            self._process = None

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while (trouble := self._trouble()) is not None:
            if not self.runs or time.monotonic() > until:
                self.kill()
                raise AssertionError(f"{self.name} does not start: {trouble}\n{self.log()}")
            time.sleep(0.01)

    @staticmethod
    @abstractmethod
    def _install(data: Path) -> None:
        """Make the data folder of a new server."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """What runs the server in the foreground."""

    @abstractmethod
    def _trouble(self) -> Exception | None:
        """Why it does not answer; None when it does."""

    @abstractmethod
    def _populate(self) -> None:
        """Make user and database, in the first start."""

    @abstractmethod
    def sql(self, text: str, values: Sequence[object] = (), *, database: str = DATABASE) -> list[Row]:
        """Run SQL as the superuser, committed at once; `values` fill its %s.  The rows, if it gives any."""
