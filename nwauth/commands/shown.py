"""Text of files and of the command line, as people are shown it."""

from __future__ import annotations

import os

from nwauth.names import ENCODING, ERRORS


def visible(text: str) -> str:
    """`text` with all that does not print escaped: what stands in a user base must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as surrogateescape keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def shown_path(path: str) -> str:
    """A file or folder in a text for people."""
    return visible(as_text(os.path.abspath(path)))


def as_text(word: str) -> str:
    """A word of the command line as the files hold it, whatever the locale."""
    return os.fsencode(word).decode(ENCODING, ERRORS)
