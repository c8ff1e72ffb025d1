"""Settings written as TOML, from what ``tomllib`` read of ``nwauth.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.config.example import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping


def written(settings: Mapping[str, object], store: Mapping[str, object]) -> str:
    """A ``nwauth.toml`` with one store."""
    lines = [f"{_key(key)} = {_value(value)}" for key, value in settings.items()]  # tables inline: they stand first
    return "\n".join([*lines, "[[stores]]", *(f"{_key(key)} = {_value(value)}" for key, value in store.items()), ""])


def _key(key: str) -> str:
    return quoted(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return f"{{{', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())}}}"
        case _:  # numbers, and dates as TOML has them
            return str(value)
