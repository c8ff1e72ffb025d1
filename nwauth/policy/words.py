"""What was found, as an error shows it: printable, and not too long."""

from __future__ import annotations

MAX_CHARACTERS = 40


def plain(text: str, *, most: int = MAX_CHARACTERS) -> str:
    """`text` with what does not print escaped, cut behind `most` characters."""
    cut = text if len(text) <= most else text[:most] + "..."
    return cut if cut.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)


def shown(text: str) -> str:
    """The same in quotes."""
    return f'"{plain(text)}"'
