"""The words and values of a plan as text: those of which an info field can be made."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS
from nwauth.provisioning.parts import LONG_NUMBER, kind_of
from nwauth.provisioning.words import NO_INFO

NO_FIELD = "found an info field, which servers are told: wanted password, or password_hash"
HALF = "found half a character (a lone surrogate), wanted text"


class NoText(Refused):
    """Something that no info field holds."""


def text_of(value: Any) -> str:
    """A value of a plan as an info field holds it: text, a whole number, a date.  Raises NoText."""
    match value:
        case str():
            return whole(value)
        case bool():
            pass
        case int():
            try:
                return str(value)
            except ValueError:
                raise NoText(f"found {LONG_NUMBER}, wanted text or a whole number") from None
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
    raise NoText(f"found {kind_of(value)}, wanted text or a whole number")


def whole(text: str) -> str:
    """The same text.  Raises NoText where it cannot be written anywhere."""
    try:  # bytes that are escaped one by one may be UTF-8 together: no name is kept in two ways
        return text.encode(ENCODING, ERRORS).decode(ENCODING, ERRORS)
    except UnicodeEncodeError:
        raise NoText(HALF) from None


def check_key(key: str) -> None:
    """Raises NoText where a key is one of a plan's words in another case, or no text."""
    whole(key)
    if key not in NO_INFO and key.lower() in NO_INFO:
        raise NoText(f"found {key}, wanted {key.lower()}")
