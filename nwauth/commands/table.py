"""Tables for people: columns that line up, folded to the width of the terminal, and safe to show.

How wide a character is, and where a text breaks, rich knows.  It does not draw the table: a row would take it a hundred
times as long, and it wants all of them at once.
"""

from __future__ import annotations

from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BLOCK_ROWS = 500  # so many are looked at before the first is shown
GAP = "  "
MIN_WIDTH = 6


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
        if width is None or all(_width(cell) <= wide for cell, wide in zip(row, widths, strict=True)):
            yield _line(row, widths)
        else:
            yield from _folded(row, widths)


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = [cell + " " * (wide - _width(cell)) for cell, wide in zip(cells, widths, strict=True)]
    return GAP.join(padded).rstrip(" ")


def _shrink(widths: list[int], width: int) -> None:
    """Take from the widest column, the last of several, until the line fits."""
    while sum(widths) + len(GAP) * (len(widths) - 1) > width and max(widths) > MIN_WIDTH:
        widest = max(range(len(widths)), key=lambda at: (widths[at], at))
        widths[widest] -= 1


def _folded(row: Iterable[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a row of which a cell is wider than its column: such a cell goes on below itself."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=sum(widths))
    cells = [
        [line.plain.rstrip(" ") for line in Text(cell).wrap(console, wide, overflow="fold")]
        for cell, wide in zip(row, widths, strict=True)
    ]
    for pieces in zip_longest(*cells, fillvalue=""):
        yield _line(pieces, widths)


def _width(text: str) -> int:
    """The columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def widths_ready() -> None:
    """Have rich read its widths of characters now: later their file may be out of reach."""
    _width("\xfc")
