"""The files that plans are: each gives its users one after the other, as they stand there, with their places.

NDJSON, CSV and TSV are read line by line, whatever their size.  JSON and TOML are read whole.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from nwauth.names import ENCODING, ERRORS
from nwauth.provisioning.alike import Twice, columns_alike, grouped, once_each
from nwauth.provisioning.parts import (
    HEAD_KEYS,
    LONG_NUMBER,
    NO_INFO,
    BadPlan,
    Fault,
    Place,
    Raw,
    Rows,
    kind_of,
    named,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

FORMATS = ("ndjson", "csv", "tsv", "json", "toml")
ENDINGS = {".jsonl": "ndjson", **{f".{form}": form for form in FORMATS}}
MAX_WHOLE_USERS = 50_000
MAX_WHOLE_BYTES = 256 << 20
MAX_LINE_BYTES = 1 << 20
BLOCK_BYTES = 128 << 10  # of lines that are read at a time
BLOCK_ROWS = 1000
BOM = b"\xef\xbb\xbf"
TOML_USERS = re.compile(  # where a user begins; text and comments, in which that may stand too, are passed over
    r"""(?P<user>^[ \t]*\[\[[ \t]*(?:user|"user"|'user')[ \t]*\]\])"""
    r"""|\"{3}(?s:\\.|.)*?\"{3,5}|'{3}(?s:.)*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*""",
    re.MULTILINE,
)


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
        case "json":
            return _json(_whole(file, form))
        case _:
            return _toml(_whole(file, form))


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
    number, left = 1, BOM[:0]
    while data := file.read(BLOCK_BYTES):
        if number == 1 and not left:
            data = data.removeprefix(BOM)
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
        raise BadPlan(f"line {number}: found more than {MAX_LINE_BYTES:,} bytes, wanted one user a line")


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
    try:
        values = json.loads(text, object_pairs_hook=once_each)
    except json.JSONDecodeError as error:
        yield Fault(Place(number, error.colno), f"found no JSON ({error.msg}), wanted one object a line")
        return
    except Twice as error:
        yield Fault(_in_text(text, number, str(error)), f"found {named(str(error))} twice, wanted it once")
        return
    except RecursionError:
        yield Fault(Place(number), "found JSON that is nested too deeply, wanted one object a line")
        return
    except ValueError:
        yield Fault(Place(number), f"found {LONG_NUMBER}, wanted one object a line")
        return
    if not isinstance(values, dict):
        yield Fault(Place(number), f"found {kind_of(values)}, wanted an object: {{...}}")
        return
    is_head = bool(values) and set(values) <= HEAD_KEYS
    if is_head and not is_first:
        yield Fault(Place(number), f"found {' and '.join(values)} here, wanted it on the first line")
    else:
        yield Raw(values, number, at=_finder(text, number), is_head=is_head)


def _finder(text: str, line: int) -> Callable[[str], Place]:
    return lambda key: _in_text(text, line, key)


def _in_text(text: str, line: int, key: str) -> Place:
    """The place of a key in an object that stands on one line, as far as it can be found there."""
    found = re.search(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)
    return Place(line, 1 if found is None else found.start() + 1)


def separated(file: IO[bytes], separator: str, *, needs_name: bool = True) -> Iterator[Raw | Rows | Fault]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors=ERRORS, newline="")
    csv.field_size_limit(MAX_LINE_BYTES)
    rows = csv.reader(text, delimiter=separator, strict=True)
    columns: list[str] = []
    found: list[list[str]] = []
    lines: list[int] = []
    try:
        head = next(rows, None)
        if head is None:
            return
        columns = [name.strip() for name in head]
        _must_be_columns(columns, needs_name=needs_name)
        if not needs_name:  # whoever maps columns judges them, also where nobody follows
            yield Rows(dict.fromkeys(columns, ()), (), at=lambda _number, _key: Place(1))
        start = rows.line_num + 1
        for cells in rows:
            if cells:
                found.append(cells)
                lines.append(start)
            start = rows.line_num + 1
            if len(found) == BLOCK_ROWS:
                yield from _cells(columns, found, lines)
                found, lines = [], []
        yield from _cells(columns, found, lines)
    except csv.Error as error:
        yield from _cells(columns, found, lines)  # what is wrong there is told too
        raise BadPlan(
            f"line {rows.line_num}: {error} (a quote inside a cell is written twice); nothing behind it is read"
        ) from None
    finally:
        text.detach()


def _cells(columns: list[str], rows: list[list[str]], lines: list[int]) -> Iterator[Rows | Fault]:
    """The users of some rows of a table."""
    whole = [number for number, cells in enumerate(rows) if len(cells) == len(columns)]
    for line, cells in zip(lines, rows, strict=True) if len(whole) < len(rows) else ():
        if len(cells) != len(columns):
            yield Fault(Place(line), f"found {len(cells):,} cells, wanted {len(columns):,}, as on line 1")
    if whole:
        rows, lines = [rows[number] for number in whole], [lines[number] for number in whole]

        def at(number: int, key: str) -> Place:
            return Place(lines[number], columns.index(key) + 1 if key in columns else 1)

        yield Rows(dict(zip(columns, zip(*rows, strict=True), strict=True)), lines, at=at)


def _must_be_columns(columns: list[str], *, needs_name: bool) -> None:
    """Of what stands there nothing is shown: where a file has no names of columns, it is a user's password."""
    where = "line 1, column"
    for number, name in enumerate(columns, 1):
        if not name:
            raise BadPlan(f"{where} {number}: found no name, wanted that of a field")
        if "@" in name or name.startswith(("{", "$")):
            raise BadPlan(f"{where} {number}: found what looks like a user's, wanted the names of columns on line 1")
        if needs_name and name not in NO_INFO and name.lower() in NO_INFO:
            raise BadPlan(f"{where} {number}: found {name}, wanted {name.lower()}")
        if name in columns[: number - 1]:
            raise BadPlan(f"{where} {number}: found the name of column {columns.index(name) + 1} again, wanted it once")
    if needs_name and "name" not in columns:
        raise BadPlan(
            f"line 1: found no name among its {len(columns):,}, wanted the names of columns, name one of them"
        )


# --- whole -----------------------------------------------------------------------------------------------------------


def _whole(file: IO[bytes], form: str) -> str:
    data = file.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise _too_many(form, "a longer file")
    return data.removeprefix(BOM).decode(ENCODING, ERRORS)


def _too_many(form: str, found: str) -> BadPlan:
    return BadPlan(
        f"found {found}, wanted {MAX_WHOLE_USERS:,} users at most in {form.upper()}: write NDJSON or CSV, of any size"
    )


def _json(text: str) -> Iterator[Raw | Fault]:
    try:
        plan = json.loads(text, object_pairs_hook=once_each)
    except json.JSONDecodeError as error:
        raise BadPlan(f"line {error.lineno}, column {error.colno}: found no JSON: {error.msg}") from None
    except Twice as error:
        raise BadPlan(f"{_where_twice(text, str(error))}found {named(str(error))} twice, wanted it once") from None
    except RecursionError:
        raise BadPlan("found JSON that is nested too deeply") from None
    except ValueError:
        raise BadPlan(f"found {LONG_NUMBER}") from None
    if isinstance(plan, list):
        plan = {"user": plan}
    yield from _placed(_users_of(plan, "json"), text, _starts(text), "json")


def _where_twice(text: str, key: str) -> str:
    """Line and column of a key that stands twice in a user, as far as they can be found; the rest is not read yet."""
    decoder = json.JSONDecoder(object_pairs_hook=once_each)
    word = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:")
    try:
        for start in _starts(text):
            try:
                decoder.raw_decode(text, start)
            except Twice:
                *_, second = islice(word.finditer(text, start), 2)
                place = second.start()
                line, before = text.count("\n", 0, place) + 1, text.rfind("\n", 0, place)
                return f"line {line}, column {place - before}: "
    except (ValueError, IndexError, RecursionError):
        pass
    return ""


def _users_of(plan: object, form: str) -> list[Any]:
    """The users of a whole plan, behind its head, which is the first of them."""
    if not isinstance(plan, dict):
        raise BadPlan(f"line 1: found {kind_of(plan)}, wanted an object with scope, defaults and user")
    unknown = sorted(set(plan) - HEAD_KEYS - {"user"})
    if unknown:
        raise BadPlan(f"found {shown(unknown[0])}, wanted scope, defaults, update_password and user")
    users = plan.get("user", [])
    if not isinstance(users, list):
        raise BadPlan(f"user: found {kind_of(users)}, wanted a list: {'[[user]]' if form == 'toml' else '[...]'}")
    if len(users) > MAX_WHOLE_USERS:
        raise _too_many(form, f"{len(users):,} users")
    head = {key: plan[key] for key in plan if key != "user"}
    return [_Head(head), *users] if head else users


class _Head(dict[str, Any]):
    """What a plan says of all."""


def _placed(users: list[Any], text: str, starts: list[int], form: str) -> Iterator[Raw | Fault]:
    """The users with their places; `starts` tells where each begins, if it was found for all."""
    if users and isinstance(users[0], _Head):
        yield Raw(dict(users[0]), 1, is_head=True)
        users = users[1:]
    known = len(starts) == len(users)
    line = counted = 0
    for number, values in enumerate(users):
        start = starts[number] if known else 0
        end = starts[number + 1] if known and number + 1 < len(users) else len(text)
        line, counted = line + text.count("\n", counted, start), start
        row = line + 1 if known else 0
        if isinstance(values, dict):
            yield Raw(values, row, at=_whole_finder(text, start, end if known else start, row, form))
        else:
            yield Fault(Place(row), f"user {number + 1}: found {kind_of(values)}, wanted a table of fields")


def _whole_finder(text: str, start: int, end: int, line: int, form: str) -> Callable[[str], Place]:
    """Tells where a key stands in the part of a file that speaks of one user."""

    def at(key: str) -> Place:
        name = re.escape(key)
        pattern = rf'"{name}"\s*:' if form == "json" else rf"(?m)^[ \t]*[\"']?{name}[\"']?[ \t]*="
        found = re.compile(pattern).search(text, start, end)
        if found is None:
            return Place(line)
        place = found.end() - len(found[0].lstrip())
        return Place(line + text.count("\n", start, place), place - text.rfind("\n", 0, place))

    return at


def _starts(text: str) -> list[int]:
    """Where each user of a JSON plan begins: the objects in the list that is the plan, or that its `user` is."""
    decoder = json.JSONDecoder()
    at = _behind_blanks(text, 0)
    if text[at] == "{":
        at = _behind_blanks(text, at + 1)
        while text[at] != "}":
            key, at = decoder.raw_decode(text, at)
            at = _behind_blanks(text, _behind_blanks(text, at) + 1)
            if key == "user":
                break
            at = _behind_blanks(text, decoder.raw_decode(text, at)[1])
            at = _behind_blanks(text, at + (text[at] == ","))
    starts: list[int] = []
    if text[at] != "[":
        return starts
    at = _behind_blanks(text, at + 1)
    while text[at] != "]":
        starts.append(at)
        at = _behind_blanks(text, decoder.raw_decode(text, at)[1])
        at = _behind_blanks(text, at + (text[at] == ","))
    return starts


def _behind_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _toml(text: str) -> Iterator[Raw | Fault]:
    try:
        plan = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        where = f"line {found[2]}, column {found[3]}: " if found and found[2] else ""
        raise BadPlan(f"{where}found no TOML: {found[1] if found else error}") from None
    except RecursionError:
        raise BadPlan("found TOML that is nested too deeply") from None
    except ValueError:
        raise BadPlan(f"found {LONG_NUMBER}") from None
    users = _users_of(plan, "toml")
    starts = [found.start() for found in TOML_USERS.finditer(text) if found["user"]]
    yield from _placed(users, text, starts, "toml")
