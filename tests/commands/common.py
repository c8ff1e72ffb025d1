"""Runs the installed command in a child process, and on a terminal; and folders to run it in."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = [os.path.join(os.path.dirname(sys.executable), "nwauth")]
if not os.path.exists(COMMAND[0]):
    COMMAND = [sys.executable, "-m", "nwauth"]

SETTINGS = """\
[[stores]]
kind = "flatfile"
path = "."
shared = false
settle_seconds = 0.0

[passwords]
argon2id = { memory_kib = 8, iterations = 1, lanes = 1 }
bcrypt_cost = 4
sha512_rounds = 1000
"""
BOB = b'bob@test.com:*secret:quota="5" full_name="Bob Bee"\n'
DEADLINE_SECONDS = 20


class Run(NamedTuple):
    """What a command gave."""

    status: int
    out: str
    err: str

    def records(self) -> list[dict[str, Any]]:
        """What stdout holds, line by line, in JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**more: str) -> dict[str, str]:
    """A clean environment in which warnings are errors."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONWARNINGS": "error"} | more


def run(folder: str, *words: str | bytes, stdin: bytes = b"", **env: str) -> Run:
    """Run the command on `folder`, nothing being a terminal."""
    arguments = [*COMMAND, *words]
    done = subprocess.run(
        arguments,
        input=stdin,
        capture_output=True,
        env=environment(NWAUTH_PATH=folder, **env),
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    text = [stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr)]
    return Run(done.returncode, *text)


def base(folder: str, *, users: bytes = BOB, settings: str = SETTINGS) -> str:
    """A folder with users in it."""
    for name, content in (("nwauth.toml", settings.encode()), ("nwauth.txt", users)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    return folder


def contents(folder: str) -> dict[str, tuple[bytes, int, int]]:
    """Every file of the folder, and of those in it, with its bytes, mode and time of change; and the folders."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in ("", *names):
            place = os.path.join(path, name)
            status = os.stat(place)
            content = b""
            if name:
                with open(place, "rb") as file:
                    content = file.read()
            found[os.path.relpath(place, folder) if place != f"{folder}/" else ""] = (
                content,
                status.st_mode,
                status.st_mtime_ns,
            )
    return found


class Terminal:
    """The command on a terminal of its own; stdout may go elsewhere."""

    def __init__(
        self,
        folder: str,
        *words: str,
        command: Sequence[str] = COMMAND,
        stdout: int | None = None,
        cwd: str | None = None,
        columns: int = 80,
        **env: str,
    ) -> None:
        self.screen = ""
        self.answers_queries = False  # what kind of terminal it is: fish asks
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, (24).to_bytes(2, "little") + columns.to_bytes(2, "little") + bytes(4))

        def own_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._child = subprocess.Popen(
            [*command, *words],
            cwd=cwd,
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env=environment(**{"NWAUTH_PATH": folder, "TERM": "xterm"} | env),
            start_new_session=True,
            preexec_fn=own_terminal,  # noqa: PLW1509, these tests have one thread
        )
        os.close(slave)

    def expect(self, text: str) -> None:
        """Wait until the screen shows `text` anew."""
        start = len(self.screen)
        while text not in self.screen[start:]:
            if not self.reads():
                raise AssertionError(f"wanted {text!r}, the screen shows {self.screen!r}")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Wait for the end; the exit status."""
        while self.reads():
            pass
        try:  # before the terminal hangs up: mv closes what it had of it, and has not ended then
            return self._child.wait(DEADLINE_SECONDS)
        finally:
            os.close(self._master)

    def answer(self, answers: dict[str, str]) -> int:
        """Type to each prompt its answer, until the end; the exit status."""
        read = 0
        while self.reads():
            for prompt, keys in answers.items():
                at = self.screen.find(prompt, read)
                if at >= 0:
                    read = at + len(prompt)
                    self.type(keys)
        return self.end()

    def reads(self) -> bool:
        """Wait for more on the screen; False: there will be none."""
        if not select.select([self._master], [], [], DEADLINE_SECONDS)[0]:
            raise AssertionError(f"nothing more came behind {self.screen!r}")
        try:
            block = os.read(self._master, 65536)
        except OSError:  # Linux says so when the last one has closed the other side
            return False
        if self.answers_queries and b"\x1b[" in block and block.rstrip().endswith((b"\x1b[0c", b"\x1b[c")):
            os.write(self._master, b"\x1b[?62c")
        self.screen += block.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(block)
