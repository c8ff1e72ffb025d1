"""`nwauth.add`, read as it grows: the newer lines, by folded name."""

from __future__ import annotations

import os
from zlib import crc32

from nwauth.stores.flatfile import lines
from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of, placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.textfile.files import Identity

HEADER = b"# nwauth journal "  # and a random number: the first line of a journal that we make


class Journal:
    """The lines of the journal, the last one for each name; a deletion is a None.

    `complete` tells whether a password field is of a known form and full length (`lines.is_whole`).  `own_append` is
    told by who has just written lines under the lock: where they begin and end.
    """

    def __init__(self, complete: Callable[[str], bool]) -> None:
        self._complete = complete
        self.lines: dict[bytes, bytes | None] = {}
        self.identity: Identity | None = None
        self.shrank = False
        self._fd = -1
        self.read_bytes = 0  # up to the end of the last whole line
        self.own_append: tuple[int, int] | None = None
        self._check = 0  # the CRC-32 of what was read
        self._torn: tuple[bytes, bytes | None] | None = None  # what an unterminated last line hides, to be put back

    def load(self, path: str, wanted: Identity | None) -> None:
        """Bring the lines up to date with the file, of which a look said `wanted`.

        `shrank` tells afterwards whether the journal lost something since it was last read.  Raises OSError.
        """
        before, self.shrank = self.identity, False
        if wanted is None:
            self.forget()
        elif not self._goes_on(wanted):
            self.forget()
            self._fd = files.open_own(path, os.O_RDONLY, links=True)
            self._read_on()
        else:
            self._read_on()
        if before is not None and before.size and (self.identity is None or self.identity.size < before.size):
            self.shrank = True

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def forget(self) -> None:
        """Know nothing of the file any more."""
        self.close()
        self.lines = {}
        self.identity = None
        self.read_bytes, self._check, self._torn, self.own_append = 0, 0, None, None

    def _goes_on(self, wanted: Identity) -> bool:
        """Whether the file is the one that we have read, grown at its end and otherwise as it was.

        What was read is compared whole (0.5 ms for a MiB), but for lines of our own behind what we knew.
        """
        known = self.identity
        if known is None or known[:2] != wanted[:2] or wanted.size <= known.size:
            return False
        return self.is_own_append(wanted) or self.stands()

    def is_own_append(self, wanted: Identity | None) -> bool:
        """Whether all that is new in the file is the lines that we have just written."""
        known = self.identity
        if known is None or wanted is None or known[:2] != wanted[:2]:
            return False
        return self.own_append == (known.size, wanted.size)

    def stands(self) -> bool:
        """Whether what was read is still there.  Raises OSError."""
        check = 0
        for _, block in files.blocks(self._fd, self.read_bytes):
            check = crc32(block, check)
        return check == self._check

    def _read_on(self) -> None:
        self.identity = files.identity_of(os.fstat(self._fd))
        self._put_back_torn()
        last = b""
        for offset, chunk in files.line_chunks(self._fd, self.identity.size, start=self.read_bytes):
            if chunk[-1:] == b"\n":
                self._take(chunk)
                self.read_bytes = offset + len(chunk)
                self._check = crc32(chunk, self._check)
            else:
                last = chunk
        if last:
            self._take_torn(last)

    def _take(self, chunk: bytes) -> None:
        """Take in whole lines, in their order."""
        if lines.TOMBSTONE not in chunk:
            self.lines.update(placed(chunk, lines.fits))
            return
        for row in chunk.split(b"\n"):
            deleted = lines.deleted_key(row)
            if deleted is not None:
                self.lines[deleted] = None
            elif lines.fits(row):
                self.lines[key_of(row)] = row

    def _take_torn(self, line: bytes) -> None:
        if lines.is_whole(line, self._complete):
            key = key_of(line)
            self._torn = (key, self.lines.get(key, b""))
            self.lines[key] = line

    def _put_back_torn(self) -> None:
        if self._torn is not None:
            key, line = self._torn
            if line == b"":
                self.lines.pop(key, None)
            else:
                self.lines[key] = line
            self._torn = None
