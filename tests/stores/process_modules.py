"""Modules to stand behind a `ProcessStore`: a real nwauth, and small programs that do what no module should."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwauth.errors import Unavailable
from nwauth.stores.process import ProcessStore
from tests.serving import COMMAND, PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.model import User

SHORT_SECONDS = 0.5  # what a test waits for that must be waited for
PROBE = "nwauth-probe"

# Before the text of each small program: a module that knows bob, password secret, and nobody else.
PRELUDE = f"""
import os, signal, sys
HERE = os.path.dirname(os.path.abspath(__file__))
unread = b""
def hear():
    "The words of the next request; the end of the program where there is none."
    global unread
    while b"\\n" not in unread:
        block = os.read(0, 65536)
        if not block:
            os._exit(0)
        unread += block
    line, _, unread = unread.partition(b"\\n")
    note("heard", line)
    return line.split()
def say(*lines):
    os.write(1, b"".join(line + b"\\n" for line in lines))
def note(file, line):
    "Lines that the test reads."
    fd = os.open(os.path.join(HERE, file), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line + b"\\n")
    os.close(fd)
def answer(words):
    if words[0] == b"exit":
        say(b"+OK goodbye")
        os._exit(0)
    if words[0] == b"set" or words[0] == b"del":
        say(b"+OK done")
    elif words[1] != b"bob":
        say(b"-ERR " + words[1] + b" does not exist")
    elif words[0] == b"check" and words[2] != b"secret":
        say(b"-ERR bob password wrong or not a valid user")
    else:
        say(b"+OK bob config 0")
def question():
    "The next request but the probe, which is answered."
    while True:
        words = hear()
        if words[1:2] != [b"{PROBE}"]:
            return words
        answer(words)
def serve(requests=-1):
    while requests:
        answer(question())
        requests -= 1
def first_time(what):
    "Whether this is the first program of this test that asks."
    try:
        os.close(os.open(os.path.join(HERE, what), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
def wait_for_word():
    "Until the test says go, by SIGUSR1."
    signal.sigwait([signal.SIGUSR1])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
note("started", b"%d" % os.getpid())
"""


class Rude:
    """A small program behind a store of its own, and what it has noted."""

    def __init__(self, home: Path, text: str, **options: Any) -> None:
        self.home = home
        file = home / "module.py"
        file.write_text(PRELUDE + text)
        self.notices: list[dict[str, object]] = []
        self.command = (sys.executable, "-I", "-S", str(file))
        given = {"pause_seconds": 0.0, "timeout_seconds": PATIENCE_SECONDS} | options
        self.store = ProcessStore(self.command, notice=self.notices.append, **given)

    def noted(self, file: str) -> list[str]:
        """The lines that the program has left in one of its files."""
        path = self.home / file
        return path.read_text().splitlines() if path.exists() else []

    def pids(self) -> list[int]:
        """All the programs that there were."""
        return [int(line) for line in self.noted("started")]

    def requests(self) -> list[str]:
        """What the programs were asked, the probes left out."""
        return [line for line in self.noted("heard") if PROBE not in line]

    def hurry(self) -> None:
        """From now on the module has little time: it is about to waste it."""
        object.__setattr__(self.store, "_timeout_seconds", SHORT_SECONDS)

    def reasons(self) -> list[str]:
        """Why it was down, as the log would say."""
        return [str(facts["reason"]) for facts in self.notices if facts.get("state") == "down"]

    def outcome(self, name: str) -> User | str | None:
        """The answer to a look-up; where there is none, the reason."""
        try:
            return self.store.lookup(name)
        except Unavailable as error:
            return str(error)


def nwauth_store(folder: Path, *options: str, **settings: Any) -> ProcessStore:
    """A store behind which a real nwauth serves `folder`."""
    given = {"pause_seconds": 0.0, "timeout_seconds": PATIENCE_SECONDS} | settings
    return ProcessStore((COMMAND, "-path", str(folder), *options), **given)


def pid_of(store: ProcessStore) -> int:
    """The program that runs behind a store now."""
    child = store._module._keeper.child
    assert child is not None
    return child.pid


def is_alive(pid: int) -> bool:
    """Whether there is such a process; a zombie counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def has_come(condition: Callable[[], bool]) -> bool:
    """Wait for another process; whether `condition` came true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def has_ended(pid: int) -> bool:
    """Whether a process has ended, be it reaped or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def end(pid: int) -> None:
    """Kill -9, and wait until the process has ended: it is somebody else's to reap."""
    os.kill(pid, signal.SIGKILL)
    assert has_come(lambda: has_ended(pid))
