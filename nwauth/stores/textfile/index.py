"""A derived, disposable file that says where in a user file a name may stand.

It is known to be right by the identity of the file it was made of, and checks itself: its head carries a checksum, each
bucket one of its own, which is verified before the bucket is believed for the first time (an "absent" needs proof).  A
hit proves itself: the caller reads the line at the offset and compares the name.

    head      16 words of 8 bytes, see `_HEAD`
    fences    buckets + 1 words of 4 bytes: where each bucket begins, in entries
    checks    buckets words of 4 bytes: the CRC-32 of each bucket
    entries   sorted words of 8 bytes: the upper 28 bits of the CRC-32 of the folded name, then 36 bits of offset

The offset is that of the line in a file of up to 64 GiB.  Words are in the machine's own byte order: the file never
leaves it.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_left
from mmap import ACCESS_READ, mmap
from zlib import crc32

from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable
    from typing import Final

    from nwauth.stores.textfile.files import Identity
    from nwauth.stores.textfile.lines import Fits

MAGIC = 0x3130584449415746  # another version of the format or of the fold gets another number
HEAD_BYTES = 128
OFFSET_BITS = 36
OFFSET_MASK = (1 << OFFSET_BITS) - 1
HASH_MASK = 0xFFFFFFF0
ENTRIES_A_BUCKET = 256
BUILD_CHUNK_BYTES = 8 << 20
MADV_POPULATE_READ = 22  # Linux 5.14
PARTITION_BITS = 6  # entries are sorted in so many parts (as a power of two), which bounds the memory of a build

_HEAD = ("magic", "fold", "inode", "size", "mtime_ns", "entries", "in_order", "bucket_bits", "check")


class Damaged(Exception):
    """The index is not what it was when it was made."""


def fold_version(*, only_ascii: bool) -> int:
    """The rule that names were folded by: beyond ASCII it is that of this Python's Unicode tables."""
    return 0 if only_ascii else sys.version_info[0] << 8 | sys.version_info[1]


class Index:
    """An index, mapped for look-ups; the pages are shared by all children.

    A mapped file that is cut in place would kill who reads it: `stands_now` is asked whenever files are looked at.
    """

    def __init__(self, fd: int) -> None:
        """Take over `fd` and read the head of the index on it.

        Raises:
            Damaged: it is none; `fd` is the caller's still.
        """
        head = os.pread(fd, HEAD_BYTES, 0)
        if len(head) < HEAD_BYTES:
            raise Damaged
        words = dict(zip(_HEAD, memoryview(head).cast("Q"), strict=False))
        if words["magic"] != MAGIC or words["bucket_bits"] > 28:
            raise Damaged
        buckets = 1 << words["bucket_bits"]
        table = os.pread(fd, 8 * buckets + 4, HEAD_BYTES)
        if len(table) != 8 * buckets + 4 or crc32(table, crc32(head[: 8 * (len(_HEAD) - 1)])) != words["check"]:
            raise Damaged
        if words["fold"] not in (0, fold_version(only_ascii=False)):
            raise Damaged
        entries_at = _aligned(HEAD_BYTES + len(table))
        status = os.fstat(fd)
        if status.st_size != entries_at + 8 * words["entries"]:
            raise Damaged
        self.in_order: Final = bool(words["in_order"])
        self._of: Final = (words["inode"], words["size"], words["mtime_ns"])
        self._fd: Final = fd
        self.stands_as: Final = files.identity_of(status)
        self._shift: Final = 32 - words["bucket_bits"]
        self._fences: Final = memoryview(table)[: 4 * buckets + 4].cast("I")
        self._checks: Final = memoryview(table)[4 * buckets + 4 :].cast("I")
        self._proven: Final = bytearray(buckets)
        try:
            mapped = mmap(fd, status.st_size, access=ACCESS_READ)
        except (OSError, ValueError) as error:  # cut this instant, or no room to map it
            raise Damaged from error
        self._mapped: Final = mapped
        self._populated = False
        self._entries: Final = memoryview(mapped)[entries_at:].cast("Q")

    def is_of(self, identity: Identity) -> bool:
        """Whether it was made of the file in this state."""
        return self._of == (identity.inode, identity.size, identity.mtime_ns)

    def stands_now(self) -> Identity:
        """What the file is known by now; other than `stands_as`, somebody has touched it.  Raises OSError."""
        return files.identity_of(os.fstat(self._fd))

    def find(self, key: bytes) -> list[int]:
        """The offsets where `key` may stand, the last one first; an empty list is proof that it stands nowhere.

        Raises:
            Damaged: the index cannot tell.
        """
        code = crc32(key)
        bucket = code >> self._shift
        first, last = self._fences[bucket], self._fences[bucket + 1]
        entries = self._entries
        if not self._proven[bucket]:
            if crc32(entries[first:last]) != self._checks[bucket]:
                raise Damaged
            self._proven[bucket] = 1
        low = (code & HASH_MASK) << 32
        at = bisect_left(entries, low, first, last)
        if at == last or entries[at] > low + OFFSET_MASK:
            return []
        found = [entries[at] - low]
        at += 1
        while at < last and entries[at] <= low + OFFSET_MASK:
            found.append(entries[at] - low)
            at += 1
        found.reverse()
        return found

    def populate(self) -> None:
        """Have all pages mapped now (0.5 ms a million users), and not one by one under the look-ups that touch them."""
        if not self._populated:
            self._populated = True
            try:
                self._mapped.madvise(MADV_POPULATE_READ)
            except OSError:  # an older kernel, or no memory
                return

    def duplicate(self) -> Index:
        """The same index, to be closed apart.  Raises Damaged."""
        fd = os.dup(self._fd)
        try:
            return Index(fd)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._entries.release()
        os.close(self._fd)


def same_code(key: bytes, other: bytes) -> bool:
    """Whether the index cannot tell two names apart."""
    return (crc32(key) ^ crc32(other)) & HASH_MASK == 0


def _aligned(position: int) -> int:
    return -(-position // 8) * 8


# --- building --------------------------------------------------------------------------------------------------------


class Gathered:
    """What one reading of a file gathers: the entries, sorted by pieces, and its properties."""

    def __init__(self, fits: Fits) -> None:
        from array import array

        self._fits = fits
        self._entries = array("Q")  # one array: many that grow would leave holes as large as they are
        self._bounds = [0]  # of what of them is sorted
        self.only_ascii = True
        self.in_order = True
        self._last_key = b""

    def take(self, offset: int, chunk: bytes) -> None:
        """Take in the whole lines of `chunk`, which begins at `offset`.

        A line that is nobody's may be taken in with them: who looks it up reads it, and sees.
        """
        from itertools import accumulate, count
        from operator import add

        plain = chunk.isascii() and not any(odd in chunk for odd in (b"\n#", b"\n\n")) and chunk[0] not in b"#\n"
        rows = (chunk.lower() if plain else chunk).removesuffix(b"\n").split(b"\n")
        places: Iterable[int] = map(add, accumulate(map(len, rows), initial=0), count(offset))
        if plain:
            keys = [row.partition(b":")[0] for row in rows]
        else:
            fits = self._fits
            users = [(key_of(row), at) for row, at in zip(rows, places, strict=False) if fits(row)]
            keys, places = [key for key, _ in users], [at for _, at in users]
            self.only_ascii = self.only_ascii and all(map(bytes.isascii, keys))
        if self.in_order and keys:
            self._check_order(keys)
        entries = [(code & HASH_MASK) << 32 | at for code, at in zip(map(crc32, keys), places, strict=False)]
        entries.sort()
        self._entries.fromlist(entries)
        self._bounds.append(len(self._entries))

    def _check_order(self, keys: list[bytes]) -> None:
        from operator import lt

        self.in_order = self._last_key < keys[0] and all(map(lt, keys, keys[1:]))
        self._last_key = keys[-1]

    def write(self, identity: Identity, target: int) -> None:
        """Write to the empty file `target` the index of the file that was taken in, and stands as `identity` says.

        Raises OSError.
        """
        total = len(self._entries)
        bucket_bits = max(0, (total // ENTRIES_A_BUCKET).bit_length())
        entries_at = _aligned(HEAD_BYTES + 8 * (1 << bucket_bits) + 4)
        os.lseek(target, entries_at, os.SEEK_SET)
        fences, checks = _write_entries(self._entries, self._bounds, bucket_bits, target)
        table = fences.tobytes() + checks.tobytes()
        words = (
            MAGIC,
            fold_version(only_ascii=self.only_ascii),
            identity.inode,
            identity.size,
            identity.mtime_ns,
            total,
            int(self.in_order),
            bucket_bits,
        )
        head = b"".join(word.to_bytes(8, sys.byteorder) for word in words)
        head += crc32(table, crc32(head)).to_bytes(8, sys.byteorder)
        os.pwrite(target, head.ljust(HEAD_BYTES, b"\0") + table, 0)


def build(source: int, identity: Identity, target: int, fits: Fits) -> None:
    """Write to the empty file `target` the index of the file `source`, which stands as `identity` says.

    The memory it takes is about 10 bytes a user and 50 MB.  Raises OSError.
    """
    gathered = Gathered(fits)
    for offset, chunk in files.line_chunks(source, identity.size, chunk_bytes=BUILD_CHUNK_BYTES):
        gathered.take(offset, chunk)
    gathered.write(identity, target)


def _write_entries(
    gathered: array[int], bounds: list[int], bucket_bits: int, target: int
) -> tuple[array[int], array[int]]:
    """Write the entries, sorted as they are from each bound to the next, in one order; return the fences and checks."""
    from array import array
    from itertools import chain

    fences, checks, written = array("I", [0]), array("I"), 0
    bits = min(PARTITION_BITS, bucket_bits)
    buckets = 1 << (bucket_bits - bits)  # in a part
    *starts, _ = bounds
    for number in range(1 << bits):
        fence = (number + 1) << (64 - bits)
        ends = [bisect_left(gathered, fence, *run) for run in zip(starts, bounds[1:], strict=True)]
        runs = (gathered[start:end] for start, end in zip(starts, ends, strict=True))
        part = sorted(chain.from_iterable(runs))  # what is in order by pieces is merged by it, at no great cost
        entries, starts, low = array("Q", part), ends, 0
        for bucket in range(number * buckets, (number + 1) * buckets):
            high = bisect_left(entries, (bucket + 1) << (64 - bucket_bits), low)
            checks.append(crc32(memoryview(entries)[low:high]))
            fences.append(written + high)
            low = high
        written += len(entries)
        files.write_all(target, entries.tobytes())
    return fences, checks
