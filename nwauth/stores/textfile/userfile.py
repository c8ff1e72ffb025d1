"""A user file, open for look-ups: by its index, or by a scan while there is none."""

from __future__ import annotations

import os

from nwauth.names import fold_bytes
from nwauth.stores.textfile import files
from nwauth.stores.textfile.index import Damaged, Index, same_code
from nwauth.stores.textfile.lines import key_of, placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.stores.textfile.files import Identity
    from nwauth.stores.textfile.lines import Fits

    Found = tuple[int, bytes, bool]  # where a line begins, the line, and whether it has an end

SMALL_BYTES = 65536  # a file up to this size is read whole at once (1 ms): no index file lies beside it
LINE_BYTES = 256  # most lines are shorter: one read


class Changed(Exception):  # no error: the question is asked again
    """The file is no longer as it was opened."""


class UserFile:
    """One state of a user file.  A changed file is another `UserFile`.

    `fits` tells which of its lines are users'.  `ended` says whether its last line has an end: while the file is
    unsettled, a line without one does not count.
    """

    def __init__(self, fd: int, identity: Identity, fits: Fits) -> None:
        """Take over `fd`, a file that stands as `identity` says."""
        self.fd: Final = fd
        self.identity: Final = identity
        self.fits: Final = fits
        self.ended: Final = not identity.size or os.pread(fd, 1, identity.size - 1) == b"\n"
        self.index: Index | None = None
        self._damaged: Identity | None = None  # the index file that proved to be so, not to be taken again
        self._raw: bytes | None = None  # all of a small file
        self._small: dict[bytes, bytes] | None = None  # the last line of each folded name in it, once one is asked for
        self._all: dict[bytes, list[Found]] | None = None  # and all of them
        self._unended: bytes | None = None
        if identity.size <= SMALL_BYTES:
            self._raw = raw = os.pread(fd, identity.size, 0)
            self._unended = None if self.ended else raw[raw.rfind(b"\n") + 1 :]

    @classmethod
    def open(cls, path: str, fits: Fits, *, base: str | None = None) -> UserFile:
        """Open the file at `path`; `base` is as for `files.open_below`.  Raises OSError."""
        fd = files.open_below(path, os.O_RDONLY, base=base, links=True)
        try:
            return cls(fd, files.identity_of(os.fstat(fd)), fits)
        except BaseException:
            os.close(fd)
            raise

    @property
    def wants_index(self) -> bool:
        """Whether each look-up reads the whole file, for want of an index."""
        return self._raw is None and self.index is None

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
        if self._raw is not None:
            if self._small is None:
                self._small = dict(placed(self._raw, self.fits))
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

    def find_all(self, key: bytes) -> list[Found]:
        """Every line of the folded name `key`, in the order of the file.

        Raises:
            Changed: the file is no longer as it was opened.
            OSError: the file cannot be read.
        """
        if self._raw is not None:
            if self._all is None:
                self._all = self._gathered(self._raw)
            return self._all.get(key, [])
        if self.index is not None:
            try:
                found = self._find_all_indexed(self.index, key)
            except Damaged:
                self._damaged = self.index.stands_as
                self._drop_index()
            else:
                if found is not None:
                    return found
        return self._scan_for_all(key)

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
        copy = UserFile(os.dup(self.fd), self.identity, self.fits)
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
            if not self.fits(hit[0]):  # nobody's line, which the index may hold (see `index`): it proves nothing
                return self._scan_whole(key)
            found = key_of(hit[0])
            if found == key:
                return hit
            if not same_code(found, key):  # not the line that the index was made of
                raise Damaged
        return None

    def _gathered(self, raw: bytes) -> dict[bytes, list[Found]]:
        found: dict[bytes, list[Found]] = {}
        at, last = 0, len(raw)
        for row in raw.split(b"\n"):
            if self.fits(row):
                found.setdefault(key_of(row), []).append((at, row, at + len(row) < last))
            at += len(row) + 1
        return found

    def _find_all_indexed(self, index: Index, key: bytes) -> list[Found] | None:
        """`find_all` by the index; None where that proves nothing.  Raises Damaged."""
        offsets = index.find(key)
        found: list[Found] = []
        for offset in reversed(offsets):
            hit = self._line_at(offset)
            if hit is None:
                raise Damaged
            line, ended = hit
            if not self.fits(line) or not ended:
                return None
            name = key_of(line)
            if name == key:
                found.append((offset, line, True))
            elif not same_code(name, key):
                raise Damaged
        return found

    def _scan_for_all(self, key: bytes) -> list[Found]:
        """`find_all` by reading the whole file.  Raises Changed, OSError."""
        found: list[Found] = []
        for offset, chunk in files.line_chunks(self.fd, self.identity.size):
            if chunk.isascii() and key not in chunk.lower():
                continue
            at = offset
            for row in chunk.split(b"\n"):
                if self.fits(row) and key_of(row) == key:
                    found.append((at, row, at + len(row) < self.identity.size))
                at += len(row) + 1
        if not self.stands():
            raise Changed
        return found

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

    def _last_in(self, chunk: bytes, key: bytes) -> int:
        """Where in `chunk` the last line of `key` begins whose name is plain ASCII; -1: nowhere."""
        rows = b"\n" + chunk
        folded, wanted = rows.lower(), b"\n" + key + b":"
        at = folded.rfind(wanted)
        while at >= 0 and not self.fits(chunk[at:].partition(b"\n")[0]):
            at = folded.rfind(wanted, 0, at)
        return at

    def _last_beyond_ascii(self, chunk: bytes, key: bytes) -> int:
        """The same for the names that are not plain ASCII, line by line."""
        found, at = -1, 0
        for row in chunk.split(b"\n"):
            if self.fits(row):
                name = row[: row.index(b":")]
                if not name.isascii() and fold_bytes(name) == key:
                    found = at
            at += len(row) + 1
        return found
