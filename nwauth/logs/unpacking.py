"""Files as blocks of bytes, whatever they are packed with: the first bytes tell, not the name.

A file that is damaged or cut gives what stands before the damage, and then says so: `Damaged`.
"""

from __future__ import annotations

import shutil
import subprocess
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nwauth.owner import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import BinaryIO

BLOCK_BYTES = 1 << 18
PACKED_BYTES = 1 << 14  # read at a time: so much may be lost before a damage
UNREADABLE = {b"\x1f\x9d": "compress", b"\x04\x22\x4d\x18": "lz4", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z"}


class Damaged(Exception):
    """A file, or the rest of it, that cannot be read; the text says why and what helps."""


class Engine(Protocol):
    """What the decompressors of the standard library have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class Packer(NamedTuple):
    """How files are packed: what they begin with, what unpacks them (None: a program), what it raises for damage."""

    name: str
    magic: bytes
    make: Callable[[], Engine] | None
    errors: tuple[type[Exception], ...]


class Gzip:
    """zlib's decompressor with the manners of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """Whether the packed data has ended."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What stood behind that end."""
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        """Whether all that was given has been used."""
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        """At most `max_length` bytes of what `data` and the data before it hold.  Raises zlib.error."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _module(name: str) -> ModuleType | None:
    """A module that not every Python has."""
    try:
        return import_module(name)
    except ImportError:
        return None


def _packers() -> Iterator[Packer]:
    """How files may be packed; what this Python cannot unpack is left to a program."""
    bz2, lzma, zstd = _module("bz2"), _module("lzma"), _module("compression.zstd")  # the last from Python 3.14 on
    yield Packer("gzip", b"\x1f\x8b", Gzip, (zlib.error,))
    yield Packer("bzip2", b"BZh", bz2.BZ2Decompressor if bz2 else None, (OSError, ValueError))
    yield Packer("xz", b"\xfd7zXZ\0", lzma.LZMADecompressor if lzma else None, (lzma.LZMAError,) if lzma else ())
    yield Packer("zstd", b"(\xb5/\xfd", zstd.ZstdDecompressor if zstd else None, (zstd.ZstdError,) if zstd else ())


_PACKERS = tuple(_packers())


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """What `file` holds, unpacked.

    Raises:
        Damaged: it cannot be read, or not to its end.
    """
    try:
        first = file.read(PACKED_BYTES)
        for magic, packer in UNREADABLE.items():
            if first.startswith(magic):
                raise Damaged(f"it is packed with {packer}, which is not read here: unpack it first")
        unpacked = _unpacked(first, file)
        if unpacked is not None:
            yield from unpacked
            return
        while first:
            yield first
            first = file.read(BLOCK_BYTES)
    except OSError as error:
        raise Damaged(error.strerror or str(error)) from error


def _unpacked(first: bytes, file: BinaryIO) -> Iterator[bytes] | None:
    """What `file`, which begins with `first`, holds; None: it is not packed."""
    for packer in _PACKERS:
        if first.startswith(packer.magic):
            return _by_program(file, packer.name) if packer.make is None else _members(first, file, packer)
    return None


def _members(data: bytes, file: BinaryIO, packer: Packer) -> Iterator[bytes]:
    """The parts of a packed file, one behind the other: ``gzip -c >> file`` adds one."""
    assert packer.make is not None  # noqa: S101
    while data:
        if not packer.magic.startswith(data[: len(packer.magic)]):
            raise Damaged("something else stands behind its packed data")
        engine = packer.make()
        try:
            yield from _member(data, file, engine)
        except packer.errors as error:
            raise Damaged(f"its packed data is damaged: {error}") from error
        data = (engine.unused_data or file.read(PACKED_BYTES)).lstrip(b"\0")  # NUL is what a tape pads with


def _member(data: bytes, file: BinaryIO, engine: Engine) -> Iterator[bytes]:
    while not engine.eof:
        piece = engine.decompress(data, BLOCK_BYTES)
        data = b""
        if piece:
            yield piece
        elif engine.needs_input and not engine.eof:
            data = file.read(PACKED_BYTES)
            if not data:
                raise Damaged("it is cut: its packed data has no end")


def _by_program(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Unpacked by the program of that name, where Python cannot.  Raises Damaged."""
    program = shutil.which(name)
    if program is None:
        raise Damaged(f"this Python does not read {name}, and there is no program {name}: install it")
    if not file.seekable():
        raise Damaged(f"unpack it first: {name} -dc FILE | nwauth log ... --file -")
    file.seek(0)
    with subprocess.Popen(  # noqa: S603, no shell, and no word of a log
        [program, "-dcq"],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as child:
        assert child.stdout is not None  # noqa: S101
        assert child.stderr is not None  # noqa: S101
        try:
            while block := child.stdout.read(BLOCK_BYTES):
                yield block
        except GeneratorExit:  # nobody wants the rest
            child.kill()
            raise
        words = child.stderr.read(1000).decode("utf-8", "replace").split()
    if child.returncode:
        raise Damaged(f"{name} cannot read it, or not to its end: {' '.join(words) or child.returncode}")
