"""The tables of docs/settings.md: keys, values and defaults are asked of the program; what each is for stands there.

``python -m tests.documents.settings`` writes them anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from nwauth.config import kinds
from nwauth.config.reading import _config
from nwauth.config.routes import read_route
from nwauth.options import Options
from nwauth.passwords.values import Settings
from tests.documents.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = ROOT / "docs" / "settings.md"
HEAD = "| key | value | default | what |\n| --- | --- | --- | --- |\n"
MANY = 7  # choices, from which on they are not told one by one
NEEDED: dict[str, dict[str, Any]] = {  # what a kind of store cannot be read without
    "flatfile": {},
    "sql": {"url": "sqlite:///users.db", "columns": {"name": "a", "password": "b"}},
    "passwd": {"path": "users"},
    "system": {},
    "ldap": {"urls": ["ldap://a"], "base": "dc=x"},
    "process": {"command": ["x"]},
}


class Setting(NamedTuple):
    """What the program takes for a key."""

    value: str
    default: str


class Witness(Options):
    """Options that write down what they are asked for; `seen` is by table, then by key."""

    def __init__(self, mapping: Mapping[str, Any], *, file: str, prefix: str = "", seen: Any = None) -> None:
        super().__init__(mapping, file=file, prefix=prefix)
        self.seen: dict[str, dict[str, Setting]] = {} if seen is None else seen
        self._at = re.sub(r"\[\d+\]", "", prefix)

    def _child(self, mapping: Mapping[str, Any], prefix: str) -> Witness:
        return Witness(mapping, file=self.file, prefix=prefix, seen=self.seen)

    def _note(self, key: str, value: str, default: object = None) -> None:
        known = self.seen.setdefault(self._at, {})
        if key not in known:
            known[key] = Setting(value, shown(default))

    def text(self, key: str, default: Any, **more: Any) -> Any:
        self._note(key, "text", default)
        return super().text(key, default, **more)

    def path(self, key: str, default: str, *, words: tuple[str, ...] = ()) -> str:
        self._note(key, ", ".join(["a path", *(f'`"{word}"`' for word in words)]), default or None)
        return super().path(key, default, words=words)

    def integer(self, key: str, default: Any, *, minimum: int, maximum: int, or_word: str = "") -> Any:
        word = f', or `"{or_word}"`' if or_word else ""
        self._note(key, f"{minimum} to {maximum}{word}", or_word if default is None and or_word else default)
        return super().integer(key, default, minimum=minimum, maximum=maximum, or_word=or_word)

    def number(self, key: str, default: float, *, minimum: float, maximum: float) -> float:
        self._note(key, f"{minimum:g} to {maximum:g}", default)
        return super().number(key, default, minimum=minimum, maximum=maximum)

    def boolean(self, key: str, default: Any) -> Any:
        self._note(key, "`true`, `false`", default)
        return super().boolean(key, default)

    def boolean_or(self, key: str, default: Any, words: tuple[str, ...]) -> Any:
        self._note(key, ", ".join(["`true`", "`false`", *(f'`"{word}"`' for word in words)]), default)
        return super().boolean_or(key, default, words)

    def choice(self, key: str, default: Any, choices: tuple[str, ...]) -> Any:
        few = choices if len(choices) < MANY else [one for one in choices if one in ("auto", "clear")]
        more = [] if len(choices) < MANY else ["a scheme that `nwauth hash list` names"]
        self._note(key, ", ".join([*(f'`"{one}"`' for one in few), *more]), default)
        return super().choice(key, default, choices)

    def date(self, key: str, default: Any, *, or_word: str = "") -> Any:
        word = f', or `"{or_word}"`' if or_word else ""
        self._note(key, f"a date, as `2027-01-31`{word}", or_word or default)
        return super().date(key, default, or_word=or_word)

    def texts(self, key: str, default: Any, *, or_one: bool = False) -> Any:
        self._note(key, "text, or an array of it" if or_one else "an array of text", default or None)
        return super().texts(key, default, or_one=or_one)

    def mapping(self, key: str) -> dict[str, str]:
        self._note(key, "a table of text")
        return super().mapping(key)


def shown(value: object) -> str:
    """A default as nwauth.toml would have it; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{one}"' for one in value) + "]`"
    if isinstance(value, str):
        return f"`'{value}'`".replace("|", "\\|") if '"' in value else f'`"{value}"`'
    return f"`{value}`"


def known() -> dict[str, dict[str, Setting]]:
    """Every setting: by table, of ``[[stores]]`` by kind."""
    whole = Witness({}, file="nwauth.toml")
    _config(whole, "")
    found = {table: keys for table, keys in whole.seen.items() if table}
    for kind, given in NEEDED.items():
        table = Witness({"kind": kind} | given, file="nwauth.toml", prefix="stores[0]")
        kinds.read(kind, table, Settings())
        for prefix, keys in table.seen.items():
            found[prefix.replace("stores", kind, 1)] = keys
    every = Witness({}, file="nwauth.toml", prefix="every")
    read_route(every, takers=[])
    return found | every.seen


def tables(text: str) -> dict[str, str]:
    """Under each mark ``<!-- settings: TABLE -->`` the table that stands there."""
    return dict(re.findall(r"<!-- settings: ([\w.]+) -->\n\n((?:\|.*\n)+)", text))


def written(keys: dict[str, Setting], before: str) -> str:
    """A table anew: what each key is for is kept, and a default that is no value of the key's own."""
    lines = [re.split(r"(?<!\\)\|", line) for line in before.splitlines()[2:]]
    said = {cells[1].strip(" `"): [cell.strip() for cell in cells[3:5]] for cells in lines}
    rows = []
    for key, setting in keys.items():
        default, what = said.get(key, ["", ""])
        rows.append(f"| `{key}` | {setting.value} | {setting.default or default} | {what} |\n")
    return HEAD + "".join(rows)


def page() -> str:
    """The page with its tables anew."""
    text, settings = PAGE.read_text(), known()
    for table, before in tables(text).items():
        text = text.replace(
            f"<!-- settings: {table} -->\n\n{before}",
            f"<!-- settings: {table} -->\n\n{written(settings[table], before)}",
        )
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
