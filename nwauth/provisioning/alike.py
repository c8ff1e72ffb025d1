"""Lines of NDJSON that are alike, read as columns: a million of them in the time of a few seconds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    Columns = dict[str, Sequence[str]]

MAX_KEYS = 100  # to make an expression of thousands takes longer than to read each line
VALUE = r'([^"\\\n]+)'  # text without an escape
NESTED = "\0"  # for an object or list in the place of text: no JSON that is held so says it otherwise


class Twice(Exception):
    """A key stands twice in one object."""


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON.  Raises Twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise Twice(next(key for at, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:at])))
    return values


def columns_alike(text: str) -> Columns | None:
    """What objects of text say, one a line, that differ in nothing but their values; None: they are not so, or no JSON.

    Without a backslash a quote begins or ends text.  A control character within one, which JSON forbids, is left in: no
    field takes it.  Nor is empty text taken, which takes a field away.
    """
    first = text.partition("\n")[0]
    if not _is_of_texts(first):
        return None
    keys = first.split('"')[1::4]
    pieces = re.escape(first).split('"')
    pieces[3::4] = [VALUE] * len(keys)
    line = '"'.join(pieces)
    found = re.findall(f"^{line}$", text, re.MULTILINE)
    if len(found) != text.count("\n") + 1:
        return None
    return dict(zip(keys, zip(*found, strict=True) if len(keys) > 1 else [found], strict=True))


def _is_of_texts(line: str) -> bool:
    """Whether a line is one object, of text under different keys, not too many, and without a backslash."""
    if "\\" in line or line.count('"') > 4 * MAX_KEYS:
        return False
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(values, dict) or not values:
        return False
    return all(type(value) is str for value in values.values()) and line.count('"') == 4 * len(values)


class Grouped:
    """Users by what is said of them: `same` has columns and the numbers of the lines, `odd` the numbers of others."""

    def __init__(self) -> None:
        self.same: Final[list[tuple[Columns, list[int]]]] = []
        self.odd: Final[list[int]] = []


def grouped(rows: list[str]) -> Grouped | None:
    """The objects on some lines by their keys; None where a line is not exactly one object.

    They are read as one list.  A line that begins with a brace, outside of any text, begins an object; where there are
    as many of them as lines, and none holds another, each line is one.
    """
    if not all(row.startswith("{") for row in rows):
        return None
    try:
        found = json.loads("[" + ",\n".join(rows) + "]", object_pairs_hook=once_each)
    except (ValueError, Twice, RecursionError):
        return None
    if len(found) != len(rows):
        return None
    groups = Grouped()
    by_keys: dict[tuple[str, ...], tuple[list[list[str]], list[int]]] = {}
    for number, values in enumerate(found):
        texts = [value if type(value) is str else _text(value) for value in values.values()]
        if NESTED in texts:
            return None
        if "" in texts or not texts:
            groups.odd.append(number)
            continue
        group = by_keys.setdefault(tuple(values), ([], []))
        group[0].append(texts)
        group[1].append(number)
    for keys, (lists, numbers) in by_keys.items():
        groups.same.append((dict(zip(keys, map(list, zip(*lists, strict=True)), strict=True)), numbers))
    return groups


def _text(value: object) -> str:
    """A whole number as a field holds it; "" for what is no text: it is looked at by itself."""
    if type(value) is int:
        return str(value)
    return NESTED if isinstance(value, dict | list) else ""
