"""The index of a file that is being written: a helper gathers it meanwhile, so that two processors share the work."""

from __future__ import annotations

import os
import sys

from nwauth.stores.textfile import files, helper
from nwauth.stores.textfile.index import BUILD_CHUNK_BYTES, Gathered, build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.stores.textfile.lines import Fits

STEP_BYTES = 2 << 20  # so much is written before the helper is told of it; a file that is smaller has none
NOTICE_BYTES = 8  # what the helper is told: how many bytes stand there, or, by 0, that no more will come
WAIT_SECONDS = 60.0  # for the helper when all is written: it has a step left to read, and the entries to write


class Growing:
    """Makes the index of the file open on `source` while whole lines are being written to it.

    `create` opens a new empty file for the index, in the place of one that it has made before.
    """

    def __init__(self, source: int, create: Callable[[], int], fits: Fits) -> None:
        self._source: Final = source
        self._create: Final = create
        self._fits: Final = fits
        self._helper: _Helper | None = None
        self._told_bytes = 0

    def written(self, size: int) -> None:
        """The file has `size` bytes now.  Raises OSError."""
        if size - self._told_bytes < STEP_BYTES:
            return
        if not self._told_bytes:
            self._start()
        self._told_bytes = size
        if self._helper is not None:
            self._helper.tell(size)

    def end(self, size: int) -> None:
        """The file is written, and durable: make its index.  Raises OSError."""
        if self._helper is not None and self._helper.end(size):
            return
        target = self._create()
        try:
            build(self._source, files.identity_of(os.fstat(self._source)), target, self._fits)
        finally:
            os.close(target)

    def close(self) -> None:
        """Let go of the helper."""
        if self._helper is not None:
            self._helper.close()

    def _start(self) -> None:
        target = self._create()
        try:
            self._helper = _Helper(self._source, target, self._fits)
        except OSError:  # no process to be had now: it is made at the end
            return
        finally:
            os.close(target)


class _Helper:
    """A helper that reads what is written as it is told of it.  Raises OSError when no process can be made."""

    def __init__(self, source: int, target: int, fits: Fits) -> None:
        told, self._telling = os.pipe()
        try:
            keep = (source, target, told)
            self._outcome: Final = helper.start(lambda: _follow(source, target, told, fits), keep=keep)
        except BaseException:
            os.close(self._telling)
            raise
        finally:
            os.close(told)

    def tell(self, size: int) -> None:
        """So many bytes stand there."""
        try:
            os.write(self._telling, size.to_bytes(NOTICE_BYTES, sys.byteorder))
        except BrokenPipeError:  # it is dead: `end` finds that out
            return

    def end(self, size: int) -> bool:
        """All stands there; whether the index does, now."""
        self.tell(size)
        self.tell(0)
        return helper.outcome(self._outcome, wait_seconds=WAIT_SECONDS) == ""

    def close(self) -> None:
        """Let go of it: it ends if it is still at work."""
        os.close(self._telling)
        os.close(self._outcome)


def _follow(source: int, target: int, told: int, fits: Fits) -> None:
    """What the helper does; when who writes is gone, nobody wants the index."""
    gathered, at = Gathered(fits), 0
    while notice := os.read(told, NOTICE_BYTES):
        size = int.from_bytes(notice, sys.byteorder)
        if not size:
            gathered.write(files.identity_of(os.fstat(source)), target)
            return
        for offset, chunk in files.line_chunks(source, size, start=at, chunk_bytes=BUILD_CHUNK_BYTES):
            gathered.take(offset, chunk)
        at = size
