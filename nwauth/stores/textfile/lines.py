"""What the lines of every user file have in common: a name, up to the first colon.

Which lines are a user's at all, each format says for itself (`Fits`).
"""

from __future__ import annotations

from nwauth.names import fold_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fits = Callable[[bytes], bool]  # whether a line, given without its end, is a user's: it holds a colon then


def key_of(line: bytes) -> bytes:
    """The folded name of a user's line."""
    return fold_bytes(line[: line.index(b":")])


def placed(chunk: bytes, fits: Fits) -> Iterator[tuple[bytes, bytes]]:
    """(folded name, line) for the users' lines among the whole lines of `chunk`."""
    rows = chunk.split(b"\n")
    if chunk.isascii():
        folded = chunk.lower().split(b"\n")
        return ((low[: low.index(b":")], row) for low, row in zip(folded, rows, strict=True) if fits(row))
    return ((key_of(row), row) for row in rows if fits(row))
