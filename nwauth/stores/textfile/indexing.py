"""Seeing to it that a user file has an index: one that lies there, or one that a helper makes meanwhile."""

from __future__ import annotations

import os
import time

from nwauth.stores.textfile import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.stores.textfile.lines import Fits
    from nwauth.stores.textfile.userfile import UserFile

HELPER_PAUSE_SECONDS = 5.0  # before the same child has a helper try again


class Indexing:
    """Looks after the index of one user file.

    `path` is the file's, `index` its index's, and `making` that of an index in the making, in the same folder; it gets
    the owner and mode of `model`, or of that folder.  Where that folder is `read_only`, or cannot be written, each
    process has an index of its own in memory.  `base` is as for `files.open_below`.
    """

    def __init__(
        self,
        path: str,
        *,
        index: str,
        making: str,
        model: str | None,
        fits: Fits,
        read_only: bool,
        base: str | None = None,
    ) -> None:
        self._path: Final = path
        self._base: Final = base
        self.index: Final = index
        self._making: Final = making
        self._model: Final = model
        self._fits: Final = fits
        self._read_only: Final = read_only
        self._helpers: Final = Helpers()
        self._memory_fd = -1

    def tend(self, file: UserFile | None, *, doubtful: bool) -> bool | None:
        """Take an index that has been made, or have one made; whether `file` has all it wants.

        None: it has from now on, by the file that lies at `index`, which must not be touched while it is mapped.
        While what `file` holds is `doubtful`, none is made.
        """
        if file is None or not file.wants_index:
            if file is not None and file.index is not None:
                file.index.populate()
            return True
        if self._memory_fd >= 0:
            file.adopt_fd(os.dup(self._memory_fd))
            if file.index is not None:
                self.forget()
                return True
        file.adopt(self.index)
        if file.index is not None:
            return None
        if not doubtful:
            self._start()
        return False

    def make(self) -> None:
        """Make the index, in its place (a helper's task)."""
        from nwauth.stores.textfile.making import make_index

        make_index(
            self._path, index=self.index, making=self._making, model=self._model, fits=self._fits, base=self._base
        )

    def forget(self) -> None:
        """Give back what is held open."""
        if self._memory_fd >= 0:
            os.close(self._memory_fd)
            self._memory_fd = -1

    def _start(self) -> None:
        if not self._read_only and os.access(os.path.dirname(self.index), os.W_OK):
            self._helpers.start(self.make)
        elif self._helpers.is_due(self._make_in_memory):
            self.forget()  # of a helper that has failed, or was overtaken
            self._memory_fd = files.anonymous()
            self._helpers.start(self._make_in_memory, keep=(self._memory_fd,))

    def _make_in_memory(self) -> None:
        from nwauth.stores.textfile.making import index_in_memory

        index_in_memory(self._path, self._memory_fd, fits=self._fits, base=self._base)


class Helpers:
    """Has helpers do tasks, each of them not again a moment after the last try."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def is_due(self, task: Callable[[], None]) -> bool:
        """Whether `task` was not tried a moment ago."""
        return time.monotonic() >= self._next.get(task.__name__, 0.0)

    def start(self, task: Callable[[], None], *, keep: tuple[int, ...] = ()) -> None:
        """Have a helper do `task`, if it is due."""
        if not self.is_due(task):
            return
        self._next[task.__name__] = time.monotonic() + HELPER_PAUSE_SECONDS
        from nwauth.stores.textfile import helper

        try:
            os.close(helper.start(task, keep=keep))
        except OSError:  # no process to be had now: another time
            return
