"""The characters of a file, given out as UTF-8; no encoding is taken but what is given, or a byte order mark says."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Any

from nwauth.errors import Refused
from nwauth.provisioning.parts import BadPlan, meant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Final

HEAD_BYTES = 128 << 10
BLOCK_BYTES = 128 << 10
BYTES = "bytes"  # UTF-8 where it is, and any other byte as it stands
UTF8 = "utf-8"
USUAL = (UTF8, "utf-16", "latin-1", "iso-8859-15", "windows-1252", BYTES)
NO_TEXT = (  # what others hand over as users, how it begins, and what to do with it
    (b"PK\3\4", "a zip archive, or a workbook (.xlsx, .ods), wanted text: save its table as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "a workbook (.xls), wanted text: save its table as CSV"),
    (b"\x1f\x8b", "what gzip has packed, wanted text: gunzip it"),
    (b"SQLite format 3\0", "an SQLite database, wanted text: nwauth copy takes users from there"),
)
MARKS = ((codecs.BOM_UTF8, UTF8), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Opened:
    """A file: its beginning, `head`, and all of it, `file`, in UTF-8; what its encoding is, and `why`."""

    def __init__(self, file: IO[bytes], head: bytes, *, encoding: str, why: str) -> None:
        self.file: Final = file
        self.head: Final = head
        self.encoding: Final = encoding
        self.why: Final = why


class _Joined(io.RawIOBase):
    """Blocks of bytes, as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks: Final = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some of it; 0 at the end."""
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def must_be_encoding(word: str) -> str:
    """The name of an encoding of text.  Raises Refused."""
    if word == BYTES:
        return word
    try:
        name = codecs.lookup(word).name
        b" ".decode(name)  # nothing at all would not ask the codec: those of bytes, as base64, are none of text
    except UnicodeError:  # half a character, as of UTF-16
        return name
    except (LookupError, ValueError):  # of punycode, too, which is none of files
        wanted = f"wanted an encoding, as latin-1, windows-1252 or utf-16, or {BYTES}"
        raise Refused(f"found {word!r}, {wanted}{meant(word, USUAL)}") from None
    return name


def in_utf8(file: IO[bytes], encoding: str | None) -> Opened:
    """A file in the encoding that is given, or else that its byte order mark says, or else UTF-8.

    Raises:
        BadPlan: it is no text, or UTF-16 without a mark, or reading on finds what is not of its encoding.
        OSError: it cannot be read.
    """
    head = _head(file)
    for begins, what in NO_TEXT:
        if head.startswith(begins):
            raise BadPlan(f"found {what}")
    mark, marked = next(((mark, name) for mark, name in MARKS if head.startswith(mark)), (b"", ""))
    if encoding is None and marked:
        encoding, why = marked, "as its byte order mark says"
    elif encoding is None:
        if b"\0" in head:
            likely = "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
            raise BadPlan(
                f"found NUL bytes, wanted text: if it is UTF-16 without a byte order mark, give --encoding {likely}"
            )
        encoding, why = UTF8, "nothing says otherwise"
    else:
        why = "as --encoding says"
        mark = mark if marked.startswith(encoding.replace("utf-16", "utf-16-")) or encoding in (UTF8, BYTES) else b""
    if encoding in (UTF8, BYTES):
        head = head.removeprefix(mark)
        return Opened(io.BufferedReader(_Joined(_rest(head, file)), BLOCK_BYTES), head, encoding=encoding, why=why)
    blocks = _recoded(_rest(head[len(mark) :] if marked == encoding else head, file), encoding)
    first = next(blocks, b"")
    joined = io.BufferedReader(_Joined(_behind(first, blocks)), BLOCK_BYTES)
    return Opened(joined, first, encoding=encoding, why=why)


def _head(file: IO[bytes]) -> bytes:
    """The beginning; a pipe gives it in pieces."""
    head = b""
    while len(head) < HEAD_BYTES and (block := file.read(HEAD_BYTES - len(head))):
        head += block
    return head


def _rest(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    yield head
    while block := file.read(BLOCK_BYTES):
        yield block


def _behind(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _recoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Raises BadPlan."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        for block in blocks:
            data = decoder.decode(block).encode()
            line += data.count(b"\n")
            if data:
                yield data
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise BadPlan(f"behind line {line}: found what is no {encoding} ({_reason(error)}): see --encoding") from None


def _reason(error: UnicodeError) -> str:
    return error.reason if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else "half a character"
