"""Many records by their key, in a file without a name; they can be gone through again and again."""

from __future__ import annotations

import marshal
import os
from heapq import merge
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from nwauth.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any, Final

    Item = tuple[Any, ...]  # its first is the key

RUN_ITEMS = 20_000  # what is sorted in memory at a time
BLOCK_ITEMS = 400  # what is read at a time, of each run


class Spool:
    """Tuples of what `marshal` knows, given out by their first item; of equal ones the earlier comes first."""

    def __init__(self, *, run_items: int = RUN_ITEMS) -> None:
        self.count = 0
        self._run_items: Final = run_items
        self._young: list[Item] = []
        self._file: IO[bytes] | None = None
        self._runs: Final[list[list[tuple[int, int]]]] = []  # of each the blocks: where, and how many bytes
        self._last: Any = None
        self._in_order = True

    def add(self, item: Item) -> None:
        """Put one more there.  Raises Unavailable where there is no room for it."""
        self._young.append(item)
        self.count += 1
        if len(self._young) >= self._run_items:
            self._write()

    def __iter__(self) -> Iterator[Item]:
        self._young.sort(key=_key)
        if not self._runs:
            return iter(list(self._young))
        if self._young:
            self._write()
        runs = [self._read(run) for run in self._runs]
        if self._in_order:
            return (item for run in runs for item in run)
        return merge(*runs, key=_key)

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        self._young.sort(key=_key)
        self._in_order = self._in_order and (self._last is None or self._last <= self._young[0][0])
        self._last = self._young[-1][0]
        blocks = []
        try:
            if self._file is None:
                self._file = TemporaryFile()  # noqa: SIM115, closed by `close`
            at = self._file.seek(0, os.SEEK_END)
            for start in range(0, len(self._young), BLOCK_ITEMS):
                data = marshal.dumps(self._young[start : start + BLOCK_ITEMS])
                self._file.write(data)
                blocks.append((at, len(data)))
                at += len(data)
            self._file.flush()
        except OSError as error:
            raise Unavailable(f"no room to put the users of the plan aside: {error.strerror}") from None
        self._runs.append(blocks)
        self._young = []

    def _read(self, run: list[tuple[int, int]]) -> Iterator[Item]:
        assert self._file is not None  # noqa: S101
        for at, size in run:
            try:
                data = os.pread(self._file.fileno(), size, at)
            except OSError as error:
                raise Unavailable(f"cannot read what was put aside of the plan: {error.strerror}") from None
            yield from marshal.loads(data)  # noqa: S302, what this process has written itself


def _key(item: Item) -> Any:
    return item[0]
