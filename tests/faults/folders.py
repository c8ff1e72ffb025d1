"""Children, deaths and foreign programs, for the tests of what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

REPOSITORY = str(Path(__file__).resolve().parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": REPOSITORY, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
IGNORING = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"


def child_command(folder: Path, *options: str, python: str = sys.executable) -> list[str]:
    return [python, "-m", "nwauth", "-path", str(folder), *options]


class Child:
    """A serving child, asked one request at a time."""

    def __init__(
        self, folder: Path, *options: str, python: str = sys.executable, environment: dict[str, str] | None = None,
        user: int | None = None, ignore_sigchld: bool = False,
    ) -> None:  # fmt: skip
        words = child_command(folder, *options, python=python)
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", IGNORING, *words] if ignore_sigchld else words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment or ENVIRONMENT,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd="/",
        )

    def ask(self, request: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(request.encode() + b"\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        while reply.startswith(b"+DATA"):
            reply = self.process.stdout.readline()
        return reply.decode().rstrip("\n")

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def one_shot(folder: Path, *words: str) -> tuple[int, str]:
    """The exit status and the output of a one-shot form."""
    done = subprocess.run(
        child_command(folder, *words), env=ENVIRONMENT, capture_output=True, check=False, timeout=30, text=True, cwd="/"
    )
    return done.returncode, done.stdout.strip()


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process; its exit status, negative for a signal."""
    pid = start(work)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def start(work: Callable[[], None]) -> int:
    """The same without waiting; the process id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - it is the end of this process
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def wait_for(pids: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
