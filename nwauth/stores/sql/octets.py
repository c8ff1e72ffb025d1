"""Text for columns of text: what a database cannot hold is written behind the character SUB (U+001A).

A name or an info field may hold any byte (nwauth.names), a text column only Unicode without NUL.  A byte that is no
UTF-8, a NUL, and SUB itself are written as SUB and two hex digits; all other text stands in the column as it is.
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS

SUB = "\x1a"


def encode(text: str) -> str:
    """`text` as a column of ours holds it.

    Raises:
        Refused: it holds half of a surrogate pair, which never was a byte.
    """
    if text.isprintable():  # neither control characters nor surrogates: nearly every text there is
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"{SUB}{code - 0xDC00:02X}"
    if character in ("\0", SUB):
        return f"{SUB}{code:02X}"
    if 0xD800 <= code <= 0xDFFF:
        raise Refused("it holds half of a surrogate pair")
    return character


def decode(text: str) -> str:
    """What `encode` was given; SUB where no two hex digits follow stands for itself."""
    if SUB not in text:
        return text
    head, *rest = text.split(SUB)
    return head + "".join(map(_unescaped, rest))


def _unescaped(piece: str) -> str:
    digits = piece[:2]
    if len(digits) < 2 or digits.strip("0123456789ABCDEF"):
        return SUB + piece
    code = int(digits, 16)
    return chr(code if code < 0x80 else 0xDC00 + code) + piece[2:]


def is_plain(text: str) -> bool:
    """Whether a text column of anybody's can hold `text` as it is."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(value: object) -> str | None:
    """What a column holds, whatever its type; None for NULL."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(ENCODING, ERRORS)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
