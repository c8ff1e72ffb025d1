"""What runs on a machine of its own: real stores, asked over a pipe by `remote`."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import struct
from importlib import import_module
from typing import IO, Any

from nwauth.stores.system import SystemStore

LENGTH = struct.Struct("!I")


def read(file: IO[bytes]) -> Any:
    """The next message; EOFError behind the last."""
    head = file.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    return pickle.loads(file.read(LENGTH.unpack(head)[0]))


def write(file: IO[bytes], message: object) -> None:
    data = pickle.dumps(message)
    file.write(LENGTH.pack(len(data)) + data)
    file.flush()


class Inside:
    """One process of the machine, with the stores that were asked for."""

    def __init__(self) -> None:
        self.stores: list[SystemStore] = []
        self.notices: list[dict[str, object]] = []
        self.seconds = 0.0

    def new(self, **settings: Any) -> int:
        if "day" in settings:
            day = settings.pop("day")
            settings["now"] = lambda: day * 86400.0
        self.notices.clear()
        self.stores.append(SystemStore(notice=self.notices.append, **settings))
        return len(self.stores) - 1

    def call(self, store: int, method: str, *words: Any, **options: Any) -> Any:
        answer = getattr(self.stores[store], method)(*words, **options)
        return list(answer) if method == "search" else answer

    def noticed(self) -> list[dict[str, object]]:
        """What the stores have told since this was asked last."""
        told, self.notices[:] = list(self.notices), []
        return told

    def become(self, uid: int) -> None:
        """Give up root, as the commands do it: where the interpreter lies, others may not be able to read."""
        for name in ("accounts", "asking", "means", "pam", "shadow", "stack"):
            import_module(f"nwauth.stores.system.{name}")
        import_module("nwauth.stores.sorting")
        import_module("heapq")
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    def descriptors(self) -> list[str]:
        """What is open."""
        own = os.listdir("/proc/self/fd")
        return sorted(own)

    def allow_descriptors(self, more: int | None) -> None:
        """From now on so many more can be opened; None: as many as at first."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if more is None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
            return
        lowest = os.open("/dev/null", os.O_RDONLY)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + more, hard))

    def memory_kib(self) -> int:
        """The memory of this process that is resident now."""
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() // 1024

    def listed(self, store: int, most: int) -> tuple[int, bool, int]:
        """How many users a listing gives, whether in order, and how many KiB it takes at most."""
        before = peak = self.memory_kib()
        last, count, in_order = "", 0, True
        for user in self.stores[store].search():
            in_order = in_order and last <= user.name
            last, count = user.name, count + 1
            if not count % 5000:
                peak = max(peak, self.memory_kib())
            if count == most:
                break
        return count, in_order, peak - before

    def ignore_ends(self) -> None:
        """Do as under a mail server that ignores SIGCHLD."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def children(self) -> str:
        """The processes that this one has started and that are still there."""
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return file.read()

    def signals(self) -> list[str]:
        """What this process does with signals."""
        with open("/proc/self/status") as file:
            return [line.strip() for line in file if line.startswith(("SigIgn", "SigCgt", "SigBlk"))]

    def repeat(self, times: int, store: int, method: str, *words: Any, **options: Any) -> Any:
        """Call many times; the last answer."""
        answer = None
        for _ in range(times):
            answer = self.call(store, method, *words, **options)
        return answer


def main() -> None:
    reading, writing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    inside = Inside()
    while True:
        try:
            method, words, options = read(reading)
        except EOFError:
            return
        try:
            answer = True, getattr(inside, method)(*words, **options)
        except Exception as error:  # noqa: BLE001 - it is the test's
            answer = False, error
        write(writing, answer)
