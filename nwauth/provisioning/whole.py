"""Plans that are read whole, JSON and TOML: what stands in them, and where."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import islice
from typing import TYPE_CHECKING, Any

from nwauth.names import ENCODING, ERRORS
from nwauth.options import toml_fault
from nwauth.provisioning.alike import Twice, once_each
from nwauth.provisioning.heads import unknown
from nwauth.provisioning.parts import LONG_NUMBER, NOWHERE, BadPlan, Fault, Place, Raw, kind_of, named
from nwauth.provisioning.words import HEAD_KEYS, json_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    Finder = Callable[[str], Place]

MAX_WHOLE_USERS = 50_000
MAX_WHOLE_BYTES = 256 << 20
BOM = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
KEYS = (*sorted(HEAD_KEYS), "user")
TOML_USERS = re.compile(  # where a user begins; text and comments, in which that may stand too, are passed over
    r"""(?P<user>^[ \t]*\[\[[ \t]*(?:user|"user"|'user')[ \t]*\]\])"""
    r"""|\"{3}(?s:\\.|.)*?\"{3,5}|'{3}(?s:.)*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*""",
    re.MULTILINE,
)


def read_whole(file: IO[bytes], form: str) -> Iterator[Raw | Fault]:
    """The users of a plan in JSON or TOML, behind what it says of all.

    Raises:
        BadPlan: it is none; the text says why and where.
        OSError: it cannot be read.
    """
    text = _text(file, form)
    return _json(text) if form == "json" else _toml(text)


def _text(file: IO[bytes], form: str) -> str:
    data = file.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise _too_many(form, "a longer file")
    return without_mark(data).decode(ENCODING, ERRORS)


def without_mark(data: bytes) -> bytes:
    """What a file begins with, without a byte order mark.  Raises BadPlan where it is UTF-16, as PowerShell writes."""
    if data.startswith(UTF16_MARKS) or b"\0" in data[:2]:
        raise BadPlan(
            "found text in UTF-16, wanted UTF-8: nwauth import takes it as it is, or iconv turns it", Place(1)
        )
    return data.removeprefix(BOM)


def _too_many(form: str, found: str) -> BadPlan:
    return BadPlan(
        f"found {found}, wanted {MAX_WHOLE_USERS:,} users at most in {form.upper()}: write NDJSON or CSV, of any size"
    )


# --- the forms -------------------------------------------------------------------------------------------------------


def _json(text: str) -> Iterator[Raw | Fault]:
    try:
        plan = json.loads(text, object_pairs_hook=once_each)
    except json.JSONDecodeError as error:
        raise BadPlan(json_fault(error.msg), Place(error.lineno, error.colno)) from None
    except Twice as error:
        raise BadPlan(f"found {named(str(error))} twice, wanted it once", _where_twice(text, str(error))) from None
    except RecursionError:
        raise BadPlan("found JSON that is nested too deeply") from None
    except ValueError:
        raise BadPlan(f"found {LONG_NUMBER}") from None
    if isinstance(plan, list):
        plan = {"user": plan}
    if not isinstance(plan, dict):
        raise BadPlan(f"found {kind_of(plan)}, wanted an object with scope, defaults and user", Place(1))
    keys, starts = _layout(text)

    def at(path: str) -> Place:
        key, _, inner = path.partition(".")
        place = keys.get(key, 0)
        if inner:
            found = re.compile(re.escape(json.dumps(inner, ensure_ascii=False)) + r"\s*:").search(text, place)
            place = place if found is None else found.start()
        return _place_at(text, place)

    yield from _given_out(plan, text, starts, form="json", at=at)


def _toml(text: str) -> Iterator[Raw | Fault]:
    try:
        plan = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(text, str(error)) from None
    except RecursionError:
        raise BadPlan("found TOML that is nested too deeply") from None
    except ValueError:
        raise BadPlan(f"found {LONG_NUMBER}") from None
    starts = [found.start() for found in TOML_USERS.finditer(text) if found["user"]]
    yield from _given_out(plan, text, starts, form="toml", at=lambda path: _in_tables(text, path))


def _no_toml(text: str, reason: str) -> BadPlan:
    """What is wrong, with its place: of what is not ended, the end of the text."""
    what, line, column = toml_fault(reason, text)
    return BadPlan(what, Place(line, column) if column else _place_at(text, len(text.rstrip())))


def _in_tables(text: str, path: str) -> Place:
    """Where a key of the head stands in TOML, alone in front of the tables or as the name of one."""
    key, _, inner = path.partition(".")
    name, tables = rf"[\"']?{re.escape(key)}[\"']?[ \t]*", re.compile(r"(?m)^[ \t]*\[").search(text)
    found = re.compile(rf"(?m)^[ \t]*({name})[=.]").search(text, 0, tables.start() if tables else len(text))
    found = found or re.compile(rf"(?m)^[ \t]*\[\[?[ \t]*({name})[\].]").search(text)
    if found is None:
        return Place(1)
    if inner:
        name = rf"[\"']?{re.escape(inner)}[\"']?[ \t]*"
        found = re.compile(rf"(?m)(?:^|[{{,.])[ \t]*({name})[=.]").search(text, found.start()) or found
    return _place_at(text, found.start(1))


def _given_out(plan: dict[str, Any], text: str, starts: list[int], *, form: str, at: Finder) -> Iterator[Raw | Fault]:
    """What is said of all, and the users; `starts` tells where each of these begins, if it was found for all."""
    yield from (Fault(at(key), why, is_of_all=True) for key, why in unknown(plan, KEYS))
    head = {key: plan[key] for key in plan if key in HEAD_KEYS}
    if head:
        yield Raw(head, 1, at=at, is_head=True)
    users = plan.get("user", [])
    if not isinstance(users, list):
        wanted = "[[user]]" if form == "toml" else "[...]"
        yield Fault(at("user"), f"user: found {kind_of(users)}, wanted a list: {wanted}", is_of_all=True)
        return
    if len(users) > MAX_WHOLE_USERS:
        raise _too_many(form, f"{len(users):,} users")
    yield from _placed(users, text, starts, form)


def _placed(users: list[Any], text: str, starts: list[int], form: str) -> Iterator[Raw | Fault]:
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


# --- places ----------------------------------------------------------------------------------------------------------


def _whole_finder(text: str, start: int, end: int, line: int, form: str) -> Finder:
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


def _where_twice(text: str, key: str) -> Place:
    """Where a key stands that is twice in a user, as far as that can be found; the rest is not read yet."""
    decoder = json.JSONDecoder(object_pairs_hook=once_each)
    word = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:")
    try:
        for start in _layout(text)[1]:
            try:
                decoder.raw_decode(text, start)
            except Twice:
                *_, second = islice(word.finditer(text, start), 2)
                return _place_at(text, second.start())
    except (ValueError, IndexError, RecursionError):
        pass
    return NOWHERE


def _place_at(text: str, at: int) -> Place:
    return Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _layout(text: str) -> tuple[dict[str, int], list[int]]:
    """Where the keys of a JSON plan stand, and where each of its users begins."""
    decoder = json.JSONDecoder()
    keys: dict[str, int] = {}
    starts: list[int] = []
    at = _behind_blanks(text, 0)
    if text[at] == "[":
        return keys, _items(text, at)[0]
    at = _behind_blanks(text, at + 1)
    while text[at] != "}":
        begin = at
        key, at = decoder.raw_decode(text, at)
        keys[key] = begin
        at = _behind_blanks(text, _behind_blanks(text, at) + 1)
        if key == "user" and text[at] == "[":
            starts, at = _items(text, at)
        else:
            at = decoder.raw_decode(text, at)[1]
        at = _behind_blanks(text, at)
        at = _behind_blanks(text, at + (text[at] == ","))
    return keys, starts


def _items(text: str, at: int) -> tuple[list[int], int]:
    """Where the items of a list begin that begins at a place, and where it ends."""
    decoder = json.JSONDecoder()
    starts = []
    at = _behind_blanks(text, at + 1)
    while text[at] != "]":
        starts.append(at)
        at = _behind_blanks(text, decoder.raw_decode(text, at)[1])
        at = _behind_blanks(text, at + (text[at] == ","))
    return starts, at + 1


def _behind_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at
