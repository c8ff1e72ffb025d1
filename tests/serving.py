"""User folders and real children to ask: what the tests of the serving program share."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwauth import server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from nwauth.server import Conversation

IN_CI = bool(os.environ.get("CI"))
COMMAND = str(Path(sys.executable).parent / "nwauth")  # as installed: what a mail server spawns
PATIENCE_SECONDS = 20.0  # after which a child that says nothing has failed
LONG_AGO = 1_000_000_000  # seconds since 1970: a file of that age is settled


def make_folder(folder: Path, txt: bytes | None = b"", *, add: bytes | None = None, toml: str | None = None) -> Path:
    """A user folder as another program left it long ago; without `txt` and `add` no user base."""
    folder.mkdir(exist_ok=True)
    if toml is not None:
        (folder / "nwauth.toml").write_text(toml)
    for name, content in (("nwauth.txt", txt), ("nwauth.add", add)):
        if content is not None:
            (folder / name).write_bytes(content)
            os.utime(folder / name, (LONG_AGO, LONG_AGO))
    return folder


def is_blank(line: bytes) -> bool:
    """Whether a line (without its LF) is one that is ignored."""
    return not line.removesuffix(b"\r").strip(b" \t")


def is_final(line: bytes) -> bool:
    return not line.startswith(b"+DATA ")


class Child:
    """A serving child of the installed command, asked over real pipes.  Leaving the block ends it."""

    def __init__(self, folder: Path, *options: str, command: tuple[str, ...] = (COMMAND,), **popen: Any) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            [*command, "-path", str(folder), *options], bufsize=0, **(pipes | popen)
        )
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        while data:
            data = data[self.process.stdin.write(data) :]

    def line(self) -> bytes:
        """The next line with its end; what there is when the child has ended."""
        assert self.process.stdout is not None
        while b"\n" not in self._unread:
            block = self._block()
            if not block:
                line, self._unread = self._unread, b""
                return line
            self._unread += block
        line, _, self._unread = self._unread.partition(b"\n")
        return line + b"\n"

    def _block(self) -> bytes:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)
        assert ready, "the child does not answer"
        return os.read(self.process.stdout.fileno(), 1 << 16)

    def replies(self) -> bytes:
        """All the lines of one answer."""
        answer = line = self.line()
        while line and not is_final(line):
            line = self.line()
            answer += line
        return answer

    def ask(self, request: bytes) -> bytes:
        self.send(request + b"\n")
        return self.replies()

    def hang_up(self) -> None:
        """Let the child see the end of its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def rest(self) -> bytes:
        """What still comes, until the child closes its end."""
        rest, self._unread = self._unread, b""
        while block := self._block():
            rest += block
        return rest

    def status(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def ends_within(self, *, seconds: float) -> bool:
        """Whether it ends in that time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def errors(self) -> bytes:
        """All that went to stderr; waits for the end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def assert_ended_well(self) -> None:
        assert (self.status(), self.errors()) == (0, b"")

    def wait_until_it_serves(self) -> None:
        """Wait until the child has taken the signals: SIGTERM first, and with SIGINT the interpreter's own is gone."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
            if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
                time.sleep(0.01)  # SIGINT, which the interpreter catches from its start, is taken next
                return
            time.sleep(0.001)
        raise AssertionError("the child never took the signals")

    def wait_until_it_sleeps(self) -> None:
        """Wait until the child has taken all requests out of the pipe, and does nothing: it delays a reply."""
        self.wait_until_all_is_read()
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S":
                return
            time.sleep(0.001)
        raise AssertionError("the child never slept")

    def wait_until_all_is_read(self) -> None:
        """Wait until the child has taken all requests out of the pipe."""
        assert self.process.stdin is not None
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if not int.from_bytes(fcntl.ioctl(self.process.stdin, termios.FIONREAD, bytes(4)), sys.byteorder):
                return
            time.sleep(0.001)
        raise AssertionError("the child never read its input")


def converse(folder: Path, requests: bytes, *options: str, **popen: Any) -> subprocess.CompletedProcess[bytes]:
    """A whole conversation with a child, or a one-shot form: what it wrote, and its status."""
    return subprocess.run(
        [COMMAND, "-path", str(folder), *options],
        input=requests,
        capture_output=True,
        timeout=4 * PATIENCE_SECONDS,
        check=False,
        **popen,
    )


def one_shot(folder: Path, *words: str) -> tuple[bytes, int]:
    """The reply of a one-shot form and its exit status; stderr must be silent."""
    done = converse(folder, b"", *words)
    assert done.stderr == b""
    return done.stdout, done.returncode


class Collector(server.Writer):
    """Keeps every reply as it was written."""

    def __init__(self) -> None:
        super().__init__(-1, most_held=1)
        self.written: list[bytes] = []

    def _write(self, data: bytes) -> None:
        self.written.append(data)


def play(conversation: Conversation, lines: list[bytes]) -> list[list[bytes]]:
    """The replies to each line, in process; none for those behind an ``exit``."""
    collector, starts = Collector(), list[int]()

    def feed() -> Iterator[bytes]:
        for line in lines:
            starts.append(len(collector.written))
            yield line

    server.serve(feed(), collector, conversation)
    ends = [*starts, len(collector.written)][1:]
    return [collector.written[start:end] for start, end in zip(starts, ends, strict=True)]
