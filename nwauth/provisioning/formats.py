"""The files that plans are: each gives its users one after the other, as they stand there, with their places.

NDJSON, CSV and TSV are read line by line, whatever their size; JSON and TOML are read in `whole`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from nwauth.names import ENCODING, ERRORS
from nwauth.provisioning.alike import Twice, columns_alike, grouped, once_each
from nwauth.provisioning.parts import (
    LONG_NUMBER,
    BadPlan,
    Fault,
    Place,
    Raw,
    Rows,
    kind_of,
    named,
    nearest,
)
from nwauth.provisioning.whole import read_whole, without_mark
from nwauth.provisioning.words import HEAD_KEYS, NO_INFO, json_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

FORMATS = ("ndjson", "csv", "tsv", "json", "toml")
ENDINGS = {".jsonl": "ndjson", **{f".{form}": form for form in FORMATS}}
MAX_LINE_BYTES = 1 << 20
BLOCK_BYTES = 128 << 10  # of lines that are read at a time
BLOCK_ROWS = 1000
OTHERS = {  # what stands between the names of columns where that is not what was said
    ",": "found commas between the names of columns, wanted tabs: give --input csv",
    "\t": "found tabs between the names of columns, wanted commas: give --input tsv",
    ";": "found semicolons between the names of columns, wanted commas: nwauth import takes such a file as it is",
}
HEAD_IN_TEXT = re.compile(r'"(?:scope|defaults)"\s*:')


def format_of(name: str) -> str | None:
    """The format that the end of a file's name says."""
    return next((form for ending, form in ENDINGS.items() if name.lower().endswith(ending)), None)


def read(file: IO[bytes], form: str) -> Iterator[Raw | Rows | Fault]:
    """The users of a plan, one after the other; the head, if there is one, first.

    Raises:
        BadPlan: it cannot be read any further; the text says why and where.
        OSError: it cannot be read.
    """
    match form:
        case "ndjson":
            return _ndjson(file)
        case "csv" | "tsv":
            return separated(file, "," if form == "csv" else "\t")
        case _:
            return read_whole(file, form)


# --- line by line ----------------------------------------------------------------------------------------------------


def _ndjson(file: IO[bytes]) -> Iterator[Raw | Rows | Fault]:
    is_first = True
    for start, text in blocks(file):
        line, at = start, 0
        while is_first and at < len(text):  # the head may stand there
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            found = next(_object(text[at:end], line, is_first=True), None)
            is_first = found is None
            if isinstance(found, Raw) and not found.is_head:
                break
            if found is not None:
                yield found
            line, at = line + 1, end + 1
        if at < len(text):
            yield from _objects(text[at:], line)


def blocks(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Whole lines, without the end of the last, and the number of the first.  Raises BadPlan."""
    number, left = 1, b""
    while data := file.read(BLOCK_BYTES):
        if number == 1 and not left:
            data = without_mark(data)
        head, end, tail = data.rpartition(b"\n")
        if not end:
            left += data
            _must_be_short(left, number)
            continue
        block, left = left + head, tail
        if len(block) > MAX_LINE_BYTES:
            _must_be_short(block.partition(b"\n")[0], number)
        yield number, block.decode(ENCODING, ERRORS)
        number += block.count(b"\n") + 1
    if left:
        yield number, left.decode(ENCODING, ERRORS)


def _must_be_short(line: bytes, number: int) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise BadPlan(f"found more than {MAX_LINE_BYTES:,} bytes, wanted one user a line", Place(number))


def _objects(text: str, start: int) -> Iterator[Raw | Rows | Fault]:
    """The users on some lines of NDJSON: as they are alike, or have the same keys, many at a time."""
    alike = columns_alike(text)
    if alike is not None:
        count = text.count("\n") + 1
        yield Rows(alike, range(start, start + count), at=_row_finder(text, start))
        return
    rows = text.split("\n")
    groups = grouped(rows)
    if groups is None:
        for line, row in enumerate(rows, start):
            yield from _object(row, line, is_first=False)
        return
    for columns, numbers in groups.same:
        lines = [start + number for number in numbers]
        yield Rows(columns, lines, at=partial(_of_lines, rows, numbers, start))
    for number in groups.odd:
        yield from _object(rows[number], start + number, is_first=False)


def _row_finder(text: str, start: int) -> Callable[[int, str], Place]:
    return lambda number, key: _in_text(text.split("\n", number + 1)[number], start + number, key)


def _of_lines(rows: list[str], numbers: list[int], start: int, number: int, key: str) -> Place:
    return _in_text(rows[numbers[number]], start + numbers[number], key)


def _object(row: str, number: int, *, is_first: bool) -> Iterator[Raw | Fault]:
    """The user on one line of NDJSON, or the head; none on a blank line."""
    text = row.strip()
    if not text:
        return
    of_all = is_first and HEAD_IN_TEXT.search(text) is not None  # without its scope a plan is another one
    try:
        values = json.loads(text, object_pairs_hook=once_each)
    except json.JSONDecodeError as error:
        why = f"{json_fault(error.msg)} (one object a line)"
        yield Fault(Place(number, error.colno), why, is_of_all=of_all)
        return
    except Twice as error:
        place = _in_text(text, number, str(error))
        yield Fault(place, f"found {named(str(error))} twice, wanted it once", is_of_all=of_all)
        return
    except RecursionError:
        yield Fault(Place(number), "found JSON that is nested too deeply, wanted one object a line", is_of_all=of_all)
        return
    except ValueError:
        yield Fault(Place(number), f"found {LONG_NUMBER}, wanted one object a line", is_of_all=of_all)
        return
    if not isinstance(values, dict):
        yield Fault(Place(number), f"found {kind_of(values)}, wanted an object: {{...}}")
    elif is_first and _is_head(values):
        yield Raw(values, number, at=_head_finder(text, number), is_head=True)
    elif values and set(values) <= HEAD_KEYS:
        why = f"found {' and '.join(values)} here, wanted it on the first line"
        yield Fault(Place(number), why, is_of_all=True)
    else:
        yield Raw(values, number, at=_finder(text, number))


def _is_head(values: dict[str, Any]) -> bool:
    """Whether that speaks of all users, some of it in a wrong word perhaps: a user has a name, and holds no table."""
    if not values or "name" in values:
        return False
    tables = [key for key, value in values.items() if isinstance(value, dict)]
    return set(values) <= HEAD_KEYS or any(key in HEAD_KEYS or nearest(key, HEAD_KEYS) for key in tables)


def _finder(text: str, line: int) -> Callable[[str], Place]:
    return lambda key: _in_text(text, line, key)


def _head_finder(text: str, line: int) -> Callable[[str], Place]:
    """Tells where a key of the head stands, or one in a table of it: `scope.match`."""

    def at(path: str) -> Place:
        key, _, inner = path.partition(".")
        place = _in_text(text, line, key)
        return _in_text(text, line, inner, start=place.column) if inner else place

    return at


def _in_text(text: str, line: int, key: str, *, start: int = 1) -> Place:
    """The place of a key in an object that stands on one line, as far as it can be found there."""
    found = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:").search(text, start - 1)
    return Place(line, start if found is None else found.start() + 1)


def separated(file: IO[bytes], separator: str, *, needs_name: bool = True) -> Iterator[Raw | Rows | Fault]:
    """The users of a table; `needs_name`: its columns are called as plans call them, and none else judges that.

    Raises:
        BadPlan: it cannot be read any further, or its first line names no columns.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors=ERRORS, newline="")
    try:
        yield from _table(text, separator, needs_name=needs_name)
    finally:
        text.detach()


def _table(text: io.TextIOWrapper, separator: str, *, needs_name: bool) -> Iterator[Rows | Fault]:
    """Raises as `separated` does."""
    csv.field_size_limit(MAX_LINE_BYTES)
    first = text.readline()
    without_mark(first[:2].encode(ENCODING, ERRORS))
    if needs_name:
        _must_be_separated(first, separator)
    rows = csv.reader(chain([first] if first else [], text), delimiter=separator, strict=True)
    columns: list[str] = []
    faults: list[Fault] = []
    found: list[list[str]] = []
    lines: list[int] = []
    start = 1  # of the row in hand
    try:
        head = next(rows, None)
        if head is None:
            return
        columns = [name.strip() for name in head]
        _must_be_columns(columns)
        faults = [*_faults_of_columns(columns, needs_name=needs_name)]
        yield from faults
        if not needs_name:  # whoever maps columns judges them, also where nobody follows
            yield Rows(dict.fromkeys(filter(None, columns), ()), (), at=lambda _number, key: _column(columns, key))
        start = rows.line_num + 1
        for cells in rows:
            if cells:
                found.append(cells)
                lines.append(start)
            start = rows.line_num + 1
            if len(found) == BLOCK_ROWS:
                yield from _cells(columns, found, lines, are_usable=not faults)
                found, lines = [], []
        yield from _cells(columns, found, lines, are_usable=not faults)
    except csv.Error as error:
        yield from _cells(columns, found, lines, are_usable=not faults)  # what is wrong there is told too
        until = f" on line {rows.line_num}" if rows.line_num > start else ""
        why = f"found a row that cannot be read: {error}{until} (a quote inside a cell is written twice)"
        raise BadPlan(f"{why}; nothing behind it is read", Place(start)) from None


def _cells(columns: list[str], rows: list[list[str]], lines: list[int], *, are_usable: bool) -> Iterator[Rows | Fault]:
    """The users of some rows of a table; none where its columns are not usable."""
    whole = [number for number, cells in enumerate(rows) if len(cells) == len(columns)]
    for line, cells in zip(lines, rows, strict=True) if len(whole) < len(rows) else ():
        if len(cells) != len(columns):
            yield Fault(Place(line), f"found {len(cells):,} cells, wanted {len(columns):,}, as on line 1")
    if whole and are_usable:
        rows, lines = [rows[number] for number in whole], [lines[number] for number in whole]

        def at(number: int, key: str) -> Place:
            return Place(lines[number], columns.index(key) + 1 if key in columns else 1)

        yield Rows(dict(zip(columns, zip(*rows, strict=True), strict=True)), lines, at=at)


def _column(columns: list[str], key: str) -> Place:
    return Place(1, columns.index(key) + 1 if key in columns else 1)


def _must_be_separated(first: str, separator: str) -> None:
    """Raises BadPlan where something else stands between the names of columns."""
    for other, words in OTHERS.items():
        try:
            names = [name.strip().lower() for name in next(csv.reader([first], delimiter=other, strict=True), [])]
        except csv.Error:
            continue
        if "name" in names and other == separator:
            return
        if "name" in names and len(names) > 1:
            raise BadPlan(words, Place(1))


def _must_be_columns(columns: list[str]) -> None:
    """Raises BadPlan where line 1 names no columns: of what stands there nothing is shown, it is a user's password."""
    for number, name in enumerate(columns, 1):
        if "@" in name or name.startswith(("{", "$")):
            why = "found what looks like a user's, wanted the names of columns on line 1"
            raise BadPlan(why, Place(1, number))


def _faults_of_columns(columns: list[str], *, needs_name: bool) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, name in enumerate(columns, 1):
        text = ""
        if not name:
            text = "found no name, wanted that of a field"
        elif needs_name and name not in NO_INFO and name.lower() in NO_INFO:
            text = f"found {name}, wanted {name.lower()}"
        elif first.setdefault(name, number) < number:
            text = f"found the name of column {first[name]} again, wanted it once"
        if text:
            yield Fault(Place(1, number), text, is_of_all=True)
    if needs_name and "name" not in (name.lower() for name in columns):
        text = f"found no name among its {len(columns):,}, wanted the names of columns, name one of them"
        yield Fault(Place(1), text, is_of_all=True)
