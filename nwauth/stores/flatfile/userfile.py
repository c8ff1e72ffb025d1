"""`nwauth.txt`, open for look-ups: by its index, or by a scan while there is none."""

from __future__ import annotations

import os

from nwauth.names import fold_bytes
from nwauth.stores.flatfile import files, lines
from nwauth.stores.flatfile.index import Damaged, Index, same_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.stores.flatfile.files import Identity

SMALL_BYTES = 65536  # a file up to this size is read whole at once (1 ms): no index file lies beside it
LINE_BYTES = 256  # most lines are shorter: one read


class Changed(Exception):  # no error: the question is asked again
    """The file is no longer as it was opened."""


class UserFile:
    """One state of `nwauth.txt`.  A changed file is another `UserFile`.

    `ended` says whether its last line has an end: while the file is unsettled, a line without one does not count.
    """

    def __init__(self, fd: int, identity: Identity) -> None:
        """Take over `fd`, a file that stands as `identity` says."""
        self.fd: Final = fd
        self.identity: Final = identity
        self.ended: Final = not identity.size or os.pread(fd, 1, identity.size - 1) == b"\n"
        self.index: Index | None = None
        self._damaged: Identity | None = None  # the index file that proved to be so, not to be taken again
        self._small: dict[bytes, bytes] | None = None
        self._unended: bytes | None = None
        if identity.size <= SMALL_BYTES:
            raw = os.pread(fd, identity.size, 0)
            self._small = dict(lines.placed(raw))
            self._unended = None if self.ended else raw[raw.rfind(b"\n") + 1 :]

    @classmethod
    def open(cls, path: str) -> UserFile:
        """Open the file at `path`.  Raises OSError."""
        fd = files.open_own(path, os.O_RDONLY, links=True)
        try:
            return cls(fd, files.identity_of(os.fstat(fd)))
        except BaseException:
            os.close(fd)
            raise

    @property
    def wants_index(self) -> bool:
        """Whether each look-up reads the whole file, for want of an index."""
        return self._small is None and self.index is None

    def adopt(self, path: str) -> None:
        """Use the index file at `path`, if one is wanted and it is one of this state."""
        if self.wants_index:
            try:
                fd = files.open_own(path, os.O_RDONLY)
            except OSError:
                return
            self.adopt_fd(fd)

    def adopt_fd(self, fd: int) -> None:
        """Use the index on `fd`, if it is one of this state; else `fd` is closed."""
        try:
            index = Index(fd)
        except (Damaged, OSError):
            os.close(fd)
            return
        if index.is_of(self.identity) and index.stands_as != self._damaged:
            self.index = index
        else:
            index.close()

    def find(self, key: bytes) -> tuple[bytes, bool] | None:
        """The last line of the folded name `key`, and whether it has an end; None: it stands nowhere.

        A line found by the index proves itself, by its name, its form and its end; anything else counts only if the
        file still stands as it was opened.

        Raises:
            Changed: it does not.
            OSError: the file cannot be read.
        """
        if self._small is not None:
            line = self._small.get(key)
            return None if line is None else (line, line != self._unended)
        if self.index is not None:
            try:
                hit = self._find_indexed(self.index, key)
            except Damaged:
                self._damaged = self.index.stands_as
                self._drop_index()
            else:
                if hit is None or hit[1]:
                    return hit
        return self._scan_whole(key)

    def stands(self) -> bool:
        """Whether the file is still as it was opened.  Raises OSError."""
        return files.identity_of(os.fstat(self.fd)) == self.identity

    def look_at_index(self) -> None:
        """Stop trusting the index, and that file for good, if somebody has touched it.  Raises OSError."""
        if self.index is None:
            return
        stands = self.index.stands_now()
        if stands != self.index.stands_as:
            self._damaged = stands
            self._drop_index()

    def _drop_index(self) -> None:
        if self.index is not None:
            self.index.close()
            self.index = None

    def duplicate(self) -> UserFile:
        """The same state of the file, to be closed apart."""
        copy = UserFile(os.dup(self.fd), self.identity)
        if self.index is not None:
            try:
                copy.index = self.index.duplicate()
            except Damaged:
                pass
        return copy

    def close(self) -> None:
        """Close the files."""
        self._drop_index()
        os.close(self.fd)

    def _find_indexed(self, index: Index, key: bytes) -> tuple[bytes, bool] | None:
        for offset in index.find(key):
            hit = self._line_at(offset)
            if hit is None:
                raise Damaged
            if not lines.fits(hit[0]):  # nobody's line, which the index may hold (see `index`): it proves nothing
                return self._scan_whole(key)
            found = lines.key_of(hit[0])
            if found == key:
                return hit
            if not same_code(found, key):  # not the line that the index was made of
                raise Damaged
        return None

    def _line_at(self, offset: int) -> tuple[bytes, bool] | None:
        """The line that begins at `offset`, and whether it has an end; None: no line begins there."""
        length = LINE_BYTES
        while True:
            raw = os.pread(self.fd, length, offset - 1) if offset else b"\n" + os.pread(self.fd, length - 1, 0)
            if raw[:1] != b"\n":
                return None
            end = raw.find(b"\n", 1)
            if end >= 0:
                return raw[1:end], True
            if len(raw) < length:
                return raw[1:], False
            length *= 8

    def _scan_whole(self, key: bytes) -> tuple[bytes, bool] | None:
        """`_scan`, of a file that still stands.  Raises Changed, OSError."""
        hit = self._scan(key)
        if not self.stands():
            raise Changed
        return hit

    def _scan(self, key: bytes) -> tuple[bytes, bool] | None:
        """Read the whole file for the last line of `key`: 40 to 50 ms for a million users."""
        if b":" in key or b"\n" in key:  # no line has such a name
            return None
        found = -1
        for offset, chunk in files.line_chunks(self.fd, self.identity.size):
            at = self._last_in(chunk, key)
            if not chunk.isascii():
                at = max(at, self._last_beyond_ascii(chunk, key))
            if at >= 0:
                found = offset + at
        return None if found < 0 else self._line_at(found)

    @staticmethod
    def _last_in(chunk: bytes, key: bytes) -> int:
        """Where in `chunk` the last line of `key` begins whose name is plain ASCII; -1: nowhere."""
        rows = b"\n" + chunk
        folded, wanted = rows.lower(), b"\n" + key + b":"
        at = folded.rfind(wanted)
        while at >= 0 and not lines.fits(chunk[at:].partition(b"\n")[0]):
            at = folded.rfind(wanted, 0, at)
        return at

    @staticmethod
    def _last_beyond_ascii(chunk: bytes, key: bytes) -> int:
        """The same for the names that are not plain ASCII, line by line."""
        found, at = -1, 0
        for row in chunk.split(b"\n"):
            if lines.fits(row):
                name = row[: row.index(b":")]
                if not name.isascii() and fold_bytes(name) == key:
                    found = at
            at += len(row) + 1
        return found
