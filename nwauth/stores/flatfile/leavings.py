"""What a merge finds no place for goes to `nwauth.rejected`, with its line number: nothing is dropped unseen."""

from __future__ import annotations

import os

from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.journal import HEADER
from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.textfile.userfile import UserFile


class Leavings:
    """Gathered while a merge reads; `users` counts what has found its place."""

    def __init__(self) -> None:
        self.users = 0
        self.leading = 0  # so many comments stand at the top of nwauth.txt, and stay there
        self.rejected: list[bytes] = []
        self._odd = 0
        self._found: set[bytes] = set()

    def odd(self, row: bytes) -> None:
        """A line of nwauth.txt that does not fit."""
        self._odd += 1
        if self._odd > self.leading and row.strip(b" \t\r"):
            self._found.add(row)

    def lost(self, row: bytes) -> None:
        """A line that gives way to one of another spelling of the name."""
        self._found.add(row)

    def number(self, source: UserFile | None) -> None:
        """Find the line numbers, by one more reading where there is anything to find."""
        if source is None or not self._found:
            return
        number = 0
        for _, chunk in files.line_chunks(source.fd, source.identity.size):
            rows = chunk.removesuffix(b"\n").split(b"\n")
            for number, row in enumerate(rows, number + 1):  # noqa: B020 - it goes on from chunk to chunk
                if number > self.leading and row in self._found:
                    self.rejected.append(b"nwauth.txt:%d:%s" % (number, row))

    def take_journal(self, folder: Folder, size: int) -> None:
        """The same for the journal: our own marks go, foreign comments, odd lines and lost spellings are kept."""
        fd = files.open_own(folder.add, os.O_RDONLY, links=True)
        try:
            rows = [row for _, chunk in files.line_chunks(fd, size) for row in chunk.removesuffix(b"\n").split(b"\n")]
        finally:
            os.close(fd)
        deleted = {row[len(lines.TOMBSTONE) :].rstrip(b"\r")[1:] for row in rows if row.startswith(lines.TOMBSTONE)}
        last: dict[bytes, tuple[int, bytes]] = {}
        for number, row in enumerate(rows, 1):
            key = lines.deleted_key(row)
            if key is not None:
                last.pop(key, None)
            elif lines.fits(row):
                key = key_of(row)
                before = last.get(key)
                if before is not None and before[1].partition(b":")[0] != row.partition(b":")[0]:
                    self.rejected.append(b"nwauth.add:%d:%s" % before)
                last[key] = (number, row)
            elif not _is_our_mark(row, deleted):
                self.rejected.append(b"nwauth.add:%d:%s" % (number, row))

    def write(self, folder: Folder) -> None:
        """Append to nwauth.rejected, durably.  Raises OSError."""
        if not self.rejected:
            return
        try:
            fd = files.open_own(folder.rejected, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            fd = files.create_like(folder.rejected, None)
        try:
            files.write_all(fd, b"\n".join([*self.rejected, b""]))
            os.fsync(fd)
        finally:
            os.close(fd)


def _is_our_mark(row: bytes, deleted: set[bytes]) -> bool:
    """Whether a journal line is one of ours that says nothing any more: a first line, a torn one, a deleted user's."""
    if not row.strip(b"# \t\r") or row.startswith(HEADER):
        return True
    return row[:1] == b"#" and row[1:].partition(b":")[0] in deleted
