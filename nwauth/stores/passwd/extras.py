"""The eighth field: ``key=value`` extras between blanks, as Dovecot's passwd-file has them, and the info text they are.

``quota=200`` reads as the info field ``quota="200"``; everything else (words without a value, quotes that stand there
already) is odd text, which stays as it is.  The way back writes no more than has changed.
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import Info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NO_LOGIN = "nologin"


def info_text(field: str) -> str:
    """The info text that the eighth field is."""
    if "=" not in field:
        return field
    if " " not in field and '"' not in field:  # most have one
        key, _, value = field.partition("=")
        return f'{key}="{value}"' if key and value else field
    return " ".join(text for _, text in _words(field))


def _words(field: str) -> Iterator[tuple[str, str]]:
    """Each word between two blanks, as it stands and as info has it; what is within quotes is left alone."""
    inside = False
    for word in field.split(" "):
        quotes = word.count('"')
        if quotes % 2:
            inside = not inside
        elif not quotes and not inside:
            key, equals, value = word.partition("=")
            if key and equals and value:
                yield word, f'{key}="{value}"'
                continue
        yield word, word


def field_of(text: str, old_field: str) -> str:
    """The eighth field that reads as `text`: words that stand in `old_field` are written as they stand there.

    Raises:
        Refused: no field does, or the other programs that read it would take it for something else.
    """
    if text == info_text(old_field):
        return old_field
    _must_have_no_blanks(text, old_field)
    standing: dict[str, list[str]] = {}
    for word, as_info in _words(old_field):
        standing.setdefault(as_info, []).append(word)
    words = [standing[word].pop(0) if standing.get(word) else _bare(word) for word in text.split(" ")]
    field = " ".join(words)
    if info_text(field) != text:
        field = text  # with its quotes
    if info_text(field) != text:
        raise Refused("the eighth field of a passwd line cannot hold this info text as it is")
    return field


def _bare(word: str) -> str:
    """``key=value`` for ``key="value"``, where that reads the same."""
    key, equals, value = word.partition('="')
    value = value[:-1] if value.endswith('"') else ""
    bare = f"{key}={value}"
    return bare if equals and value and info_text(bare) == word else word


def _must_have_no_blanks(text: str, old_field: str) -> None:
    """A new value with a blank would be two words to Dovecot, and the second might be one of its own settings."""
    for name, value, start, end in Info(text).pieces():
        if (" " in value or "\t" in value) and text[start:end] not in old_field:
            raise Refused(
                f"the info field {name!a} holds a blank, which ends a value in the eighth field of a passwd line"
            )


def forbids_login(text: str) -> bool:
    """Whether the extras hold Dovecot's ``nologin``, with any value or none."""
    return NO_LOGIN in text and any(word.partition("=")[0] == NO_LOGIN for word in text.split(" "))


def ip_mask(text: str) -> str:
    """From where the account may log in: Dovecot's ``allow_nets``; empty: from anywhere."""
    if "allow_nets" not in text:
        return ""
    return Info(text).get("allow_nets") or ""
