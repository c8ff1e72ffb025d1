"""Lines of NDJSON that are alike, read as columns: a million of them in the time of a few seconds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Final

    Columns = dict[str, list[str]]

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

    Without a backslash a quote begins or ends text, so that pieces between quotes are all there is.  A control
    character within one, which JSON forbids, is left in: no field takes it.
    """
    line = text.partition("\n")[0]
    if "\\" in text or not _is_of_texts(line):
        return None
    wanted, pieces = line.split('"'), text.split('"')
    width = len(wanted) - 1
    count = text.count("\n") + 1
    if len(pieces) != count * width + 1 or (pieces[0], pieces[-1]) != (wanted[0], wanted[-1]):
        return None
    columns: Columns = {}
    for at in range(1, width + 1):
        found = pieces[at::width]
        if at % 4 == 3:
            columns[wanted[at - 2]] = found
        elif at < width and found.count(wanted[at]) != count:
            return None
    if pieces[width:-1:width].count(f"{wanted[-1]}\n{wanted[0]}") != count - 1:
        return None
    takes_away = any("" in found for found in columns.values())
    return None if takes_away else columns


def _is_of_texts(line: str) -> bool:
    """Whether a line is one object, of text under different keys."""
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
