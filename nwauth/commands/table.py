"""Tables for people: columns that line up, cut to the width of the terminal, and safe to show."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BLOCK_ROWS = 500  # so many are looked at before the first is shown
GAP = "  "
CUT = "..."
MIN_WIDTH = 6


def visible(text: str) -> str:
    """`text` with all that does not print escaped: what stands in a user base must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as surrogateescape keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def layout(columns: Sequence[str], rows: Iterable[Sequence[str]], *, width: int | None) -> Iterator[str]:
    """The lines of a table, its head first; no line is wider than `width`, if there is one.

    Widths are taken from the first `BLOCK_ROWS` rows: memory does not grow with their number.
    """
    rest = iter(rows)
    first = list(islice(rest, BLOCK_ROWS))
    widths = [max(map(_width, column)) for column in zip(columns, *first, strict=True)]
    if width is not None:
        _shrink(widths, width)
    for row in chain([columns], first, rest):
        cells = [_fitted(cell, wide, cut=width is not None) for cell, wide in zip(row, widths, strict=True)]
        yield GAP.join(cells).rstrip(" ")


def _shrink(widths: list[int], width: int) -> None:
    """Take from the widest column, the last of several, until the line fits."""
    while sum(widths) + len(GAP) * (len(widths) - 1) > width and max(widths) > MIN_WIDTH:
        widest = max(range(len(widths)), key=lambda at: (widths[at], at))
        widths[widest] -= 1


def _fitted(text: str, wide: int, *, cut: bool) -> str:
    found = _width(text)
    if found <= wide:
        return text + " " * (wide - found)
    if not cut:
        return text
    while found > wide - len(CUT):
        found -= _width(text[-1])
        text = text[:-1]
    return text + CUT + " " * (wide - len(CUT) - found)


def _width(text: str) -> int:
    """The columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
