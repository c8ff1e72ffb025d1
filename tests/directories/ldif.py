"""LDIF (RFC 2849): what directories are filled and changed with."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Values = "Mapping[str, str | bytes | Sequence[str | bytes]]"


def line(attribute: str, value: str | bytes) -> str:
    raw = value.encode() if isinstance(value, str) else value
    return f"{attribute}:: {b64encode(raw).decode()}\n"


def _lines(attribute: str, value: str | bytes | Sequence[str | bytes]) -> str:
    values = [value] if isinstance(value, str | bytes) else value
    return "".join(line(attribute, one) for one in values)


def entry(dn: str, values: Mapping[str, str | bytes | Sequence[str | bytes]]) -> str:
    """A new entry."""
    return line("dn", dn) + "".join(_lines(*pair) for pair in values.items()) + "\n"


def change(dn: str, values: Mapping[str, str | bytes | Sequence[str | bytes]]) -> str:
    """Other values for an entry; none removes the attribute."""
    changes = [f"replace: {attribute}\n{_lines(attribute, value)}-\n" for attribute, value in values.items()]
    return line("dn", dn) + "changetype: modify\n" + "".join(changes) + "\n"


def rename(dn: str, new_name: str, *, below: str = "") -> str:
    """Another name for an entry; `below` another one."""
    text = line("dn", dn) + f"changetype: modrdn\nnewrdn: {new_name}\ndeleteoldrdn: 1\n"
    return text + (line("newsuperior", below) if below else "") + "\n"


def removal(dn: str) -> str:
    return line("dn", dn) + "changetype: delete\n\n"
