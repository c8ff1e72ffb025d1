"""Drop paths made of attributes.  A mail server that is root writes there, so not every value may go into one."""

from __future__ import annotations

from nwauth.stores.ldap.filters import is_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

SERVERS_OWN = "config"  # the protocol's word for a drop path that the server makes by itself
UP = ".."


class DropPath:
    """A drop path: an attribute, or a text with attributes in braces, as ``{homeDirectory}/Mailbox``.

    Raises:
        ValueError: the template is neither; the text says what was found and what was wanted.
    """

    def __init__(self, template: str | None) -> None:
        self._pieces: Final = _pieces(template) if template else []
        self.attributes: Final = [piece for piece, is_attribute_ in self._pieces if is_attribute_]
        if any(UP in text.split("/") for text, is_attribute_ in self._pieces if not is_attribute_):
            raise ValueError(f"found {template!a}, wanted a path without {UP}")

    def of(self, value_of: Callable[[str], str]) -> str:
        """The path that the values of an entry make; "" where one of them lacks.

        Raises:
            ValueError: it leads, or may lead, elsewhere than the template says; the text names attribute and value.
        """
        found = []
        for at, (piece, is_attribute_) in enumerate(self._pieces):
            text = value_of(piece) if is_attribute_ else piece
            if not text:
                return ""
            if is_attribute_:
                self._must_fit(piece, text, is_first=at == 0)
            found.append(text)
        path = "".join(found)
        if UP in path.split("/"):
            raise ValueError(f"its drop path would be {path!a}, wanted one without {UP}: {self._made_of}")
        return path

    def _must_fit(self, attribute: str, value: str, *, is_first: bool) -> None:
        """Raises ValueError."""
        if not is_first:
            if "/" in value:
                raise ValueError(f"its {attribute} is {value!a}, wanted no / in it inside a drop path: {self._made_of}")
        elif not value.startswith("/") and (value != SERVERS_OWN or len(self._pieces) > 1):
            raise ValueError(f"its {attribute} is {value!a}, wanted a whole path, from / on: {self._made_of}")

    @property
    def _made_of(self) -> str:
        template = "".join(f"{{{piece}}}" if is_attribute_ else piece for piece, is_attribute_ in self._pieces)
        return f"attributes.drop_path is {template}"


def _pieces(template: str) -> list[tuple[str, bool]]:
    """A template in pieces, and whether each is an attribute: a name alone is one, else those in braces are."""
    if is_attribute(template):
        return [(template, True)]
    found: list[tuple[str, bool]] = []
    rest = template
    while rest:
        text, brace, rest = rest.partition("{")
        if text:
            found.append((text, False))
        if brace:
            attribute, end, rest = rest.partition("}")
            if not end:
                raise ValueError(f"found {template!a} with a brace that is not closed, wanted {{attribute}}")
            if not is_attribute(attribute):
                raise ValueError(f"found {template!a}, wanted the name of an attribute in {{}}, not {attribute!a}")
            found.append((attribute, True))
    return found
