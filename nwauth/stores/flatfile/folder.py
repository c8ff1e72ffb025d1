"""Where the files of a user folder lie."""

from __future__ import annotations

import os

from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

TEMPORARY = "nwauth.tmp."  # and a random end: files in the making, removed by the next merge that can lock them


class Folder(Record):
    """The folder and the paths in it.  `txt` and `add` may be symbolic links: what is renamed goes to their targets."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path: Final = os.path.abspath(path)

    @property
    def txt(self) -> str:
        """The user file."""
        return f"{self.path}/nwauth.txt"

    @property
    def add(self) -> str:
        """The journal of newer lines."""
        return f"{self.path}/nwauth.add"

    @property
    def lock(self) -> str:
        """The lock and the notes."""
        return f"{self.path}/nwauth.lock"

    @property
    def index(self) -> str:
        """The index of the user file."""
        return f"{self.path}/nwauth.idx"

    @property
    def rejected(self) -> str:
        """Lines that a merge found no place for."""
        return f"{self.path}/nwauth.rejected"

    @property
    def rewriting(self) -> str:
        """Locked by the one process that rewrites the user file."""
        return f"{self.path}/{TEMPORARY}rewrite"

    @property
    def indexing(self) -> str:
        """The index in the making, locked by its maker."""
        return f"{self.path}/{TEMPORARY}index"

    def old_journal(self, inode: int) -> str:
        """The link to a journal that a merge has swapped out."""
        return f"{os.path.dirname(os.path.realpath(self.add))}/nwauth.add.old.{inode}"

    def temporary(self, beside: str) -> str:
        """A fresh name in the folder of the real file `beside`, for a file that will be renamed over it."""
        return f"{os.path.dirname(beside)}/{TEMPORARY}{os.urandom(6).hex()}"

    def leftovers(self) -> Iterator[str]:
        """The files in the making that lie about, ours or abandoned."""
        for folder in {
            self.path,
            os.path.dirname(os.path.realpath(self.txt)),
            os.path.dirname(os.path.realpath(self.add)),
        }:
            for name in os.listdir(folder) if os.path.isdir(folder) else ():  # a link may lead nowhere
                if name.startswith(TEMPORARY):
                    yield f"{folder}/{name}"
