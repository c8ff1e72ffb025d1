"""A store that lives on a machine of its own, as if it were here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nwauth
from nwauth.stores.base import Store
from tests.systemusers import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from nwauth.model import User
    from tests.systemusers.machine import Machine

START = "from tests.systemusers.inside import main; main()"
PROJECT = Path(nwauth.__file__).parent.parent


class Process:
    """A process on the machine that holds stores.  Leaving the block ends it."""

    def __init__(self, machine: Machine, *prefix: str) -> None:
        self.machine = machine
        self._process = subprocess.Popen(
            machine.command(*prefix, sys.executable, "-c", START),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=PROJECT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, method: str, *words: Any, **options: Any) -> Any:
        """Call a method of `inside.Inside`; what it raises is raised here."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        inside.write(self._process.stdin, (method, words, options))
        is_answer, answer = inside.read(self._process.stdout)
        if not is_answer:
            raise answer
        return answer

    def store(self, **settings: Any) -> RemoteStore:
        """A new store there."""
        return RemoteStore(self, self.ask("new", **settings))


class RemoteStore(Store):
    """Hands every question on."""

    name = "system"

    def __init__(self, process: Process, number: int) -> None:
        self.process = process
        self.number = number

    def _ask(self, method: str, *words: Any, **options: Any) -> Any:
        return self.process.ask("call", self.number, method, *words, **options)

    def lookup(self, name: str) -> User | None:
        user: User | None = self._ask("lookup", name)
        return user

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        right: bool | None = self._ask("verify", user, password, address=address)
        return right

    def confirm(self, user: User) -> User | None:
        known: User | None = self._ask("confirm", user)
        return known

    def search(self, pattern: str = "") -> Iterator[User]:
        yield from self._ask("search", pattern)

    def count(self) -> int | None:
        number: int | None = self._ask("count")
        return number

    def put(self, user: User) -> bool:
        return bool(self._ask("put", user))

    def put_all(self, users: Sequence[User]) -> list[User]:
        taken: list[User] = self._ask("put_all", users)
        return taken

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return bool(self._ask("replace", old, new, wait_seconds=wait_seconds))

    def delete(self, name: str, *, only: User | None = None) -> bool:
        return bool(self._ask("delete", name, only=only))

    def make(self) -> bool:
        return bool(self._ask("make"))

    def place(self) -> str:
        return str(self._ask("place"))

    def tend(self) -> None:
        self._ask("tend")

    def close(self) -> None:
        self._ask("close")
