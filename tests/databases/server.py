"""What the real servers have in common: a folder, a port, an unprivileged account, and an end that always comes."""

from __future__ import annotations

import functools
import random
import socket
import subprocess
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tests.databases import guard
from tests.databases.daemon import Daemon

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


class Server(Daemon):
    """A database server of our own.  Leaving the block ends it and removes the folder."""

    _signals: ClassVar[dict[str, int]]  # the modes of `stop`

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.data = self.folder / "data"

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

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End it: `fast` closes its sessions and files first, `immediate` leaves a recovery to the next start."""
        self._end(self._signals[mode])

    @staticmethod
    @abstractmethod
    def _install(data: Path) -> None:
        """Make the data folder of a new server."""

    @abstractmethod
    def _populate(self) -> None:
        """Make user and database, in the first start."""

    @abstractmethod
    def sql(self, text: str, values: Sequence[object] = (), *, database: str = DATABASE) -> list[Row]:
        """Run SQL as the superuser, committed at once; `values` fill its %s.  The rows, if it gives any."""
