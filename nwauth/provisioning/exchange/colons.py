"""Users of files whose lines are fields between colons: passwd, shadow, htpasswd, Dovecot's passwd-file, nwauth.txt."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from nwauth.model import Info
from nwauth.provisioning.formats import blocks
from nwauth.provisioning.parts import BadPlan, Fault, Place, Rows
from nwauth.stores.passwd.extras import LOGIN_POWERS, info_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO, Final

PASSWD = ("name", "password", "uid", "gid", "gecos", "home", "shell")
COLUMNS = {
    "passwd": PASSWD,
    "shadow": (
        "name",
        "password",
        "last_change",
        "min_days",
        "max_days",
        "warn_days",
        "inactive_days",
        "expires",
        "flag",
    ),
    "htpasswd": ("name", "password"),
    "dovecot": PASSWD,
    "nwauth": ("name", "password"),
}
WANTED = {
    "passwd": "7: name:password:uid:gid:gecos:home:shell",
    "shadow": "9, of which the second is a hash and days follow",
    "htpasswd": "2: name:hash",
    "dovecot": "2 to 8: name:password:uid:gid:gecos:home:shell:extras",
    "nwauth": "3: name:password-field:info",
}
TOMBSTONE = "#del "
NAME_OF_FIELD = re.compile(r'\s?([^\s="]+)=')
STEP_LINES = 2000


class Colons:
    """Reads such a file; `odd` counts the users whose info has text that is no field, `first_odd` is one's line."""

    def __init__(self, form: str) -> None:
        self.odd = 0
        self.first_odd = 0
        self._form: Final = form
        self._columns: Final = COLUMNS[form]

    def read(self, file: IO[bytes]) -> Iterator[Rows | Fault]:
        """The users, many at a time.  Raises what `blocks` does."""
        for start, text in blocks(file):
            rows = text.split("\n")
            for at in range(0, len(rows), STEP_LINES):
                yield from self._lines(rows[at : at + STEP_LINES], start + at)

    def _lines(self, rows: list[str], start: int) -> Iterator[Rows | Fault]:
        if any(row.endswith("\r") for row in rows):
            rows = [row.removesuffix("\r") for row in rows]
        numbers = range(start, start + len(rows))
        said = [(line, row) for line, row in zip(numbers, rows, strict=True) if row and row[0] != "#" and row.strip()]
        if len(said) < len(rows):
            yield from _deletions(rows, start)
        most = 7 if self._form == "dovecot" else 2 if self._form == "nwauth" else -1
        by_width: dict[int, list[tuple[int, list[str]]]] = {}
        for line, row in said:
            parts = row.split(":", most)
            by_width.setdefault(len(parts), []).append((line, parts))
        for width, found in by_width.items():
            yield from self._of_width(width, found)

    def _of_width(self, width: int, found: list[tuple[int, list[str]]]) -> Iterator[Rows | Fault]:
        lines = [line for line, _ in found]
        parts = [part for _, part in found]
        columns = dict(zip(self._columns, map(list, zip(*parts, strict=True)), strict=False))
        more = self._form in ("dovecot", "nwauth")
        right = width == len(self._columns) or (self._form == "dovecot" and 2 <= width <= 8)
        if width != len(self._columns) + 1 if self._form == "nwauth" else not right:
            for line in lines:
                yield Fault(Place(line), f"found {_fields(width)} between colons, wanted {WANTED[self._form]}")
        elif more and width > len(self._columns):
            texts = [part[-1] for part in parts]
            yield from self._with_fields(columns, lines, texts)
        else:
            yield Rows(columns, lines, at=partial(_place, columns, lines))

    def _with_fields(self, columns: dict[str, list[str]], lines: list[int], texts: list[str]) -> Iterator[Rows | Fault]:
        """Users of whom the last field has info fields: those who have the same are given out together."""
        if self._form == "dovecot":
            texts = [info_text(text.strip()) for text in texts]
        groups: dict[tuple[str, ...], list[int]] = {}
        pieces = [text.split('"') for text in texts]
        for number, one in enumerate(pieces):
            groups.setdefault(tuple(one[::2]), []).append(number)
        for key, numbers in groups.items():
            names = _names(key)
            if names is None:
                for number in numbers:
                    yield self._odd_one(columns, lines, texts, number)
                continue
            fields = zip(*(pieces[number][1::2] for number in numbers), strict=True) if names else ()
            some = {column: [values[number] for number in numbers] for column, values in columns.items()}
            their = [lines[number] for number in numbers]
            more = dict(zip(names, map(list, fields), strict=True))
            twice = next((name for name in names if name.lower() in {column.lower() for column in some}), None)
            if twice is None:
                yield Rows(some | more, their, at=partial(_place, some, their))
            else:
                for line in their:
                    yield Fault(Place(line), f"found an info field {twice!a}, which plans have another meaning for")

    def _odd_one(self, columns: dict[str, list[str]], lines: list[int], texts: list[str], number: int) -> Rows:
        text, line = texts[number], lines[number]
        info = Info(text)
        words = info.odd_text().split()
        fields = {name: [value] for name, value in info.fields().items()}
        if self._form == "dovecot":  # whose bare nologin is a yes: lost, it would let its user in
            fields |= {word: ["yes"] for word in words if word.lower() in LOGIN_POWERS}
            words = [word for word in words if word not in fields]
        if words:
            self.odd += 1
            self.first_odd = self.first_odd or line
        some = {column: [values[number]] for column, values in columns.items()}
        return Rows(
            some | {name: value for name, value in fields.items() if name not in some},
            [line],
            at=partial(_place, some, [line]),
        )


def _names(key: Sequence[str]) -> tuple[str, ...] | None:
    """The names of the fields of an info text, of which `key` is what stands outside of values; None: it is odd."""
    if key[-1].strip():
        return None
    found = [NAME_OF_FIELD.fullmatch(piece) for piece in key[:-1]]
    if not all(found):
        return None
    names = tuple(one[1] for one in found if one is not None)
    return names if len({name.lower() for name in names}) == len(names) else None


def _deletions(rows: list[str], start: int) -> Iterator[Fault]:
    for line, row in enumerate(rows, start):
        if row.startswith(TOMBSTONE):
            yield Fault(
                Place(line),
                "found a deletion: this is a journal, nwauth.add, and no list of users: run nwauth merge in its"
                " folder, or copy from there (nwauth copy)",
            )


def _place(columns: dict[str, list[str]], lines: Sequence[int], number: int, key: str) -> Place:
    """Where a field of a line begins; of info fields, where these do."""
    column = 1
    for name, values in columns.items():
        if name == key:
            break
        column += len(values[number]) + 1
    return Place(lines[number], column)


def _fields(count: int) -> str:
    return f"{count} field{'s' * (count != 1)}"


def shadow_fields(file: IO[bytes], form: str = "shadow") -> dict[str, str]:
    """The password fields of a shadow file, by name.  Raises BadPlan where it is none."""
    found: dict[str, str] = {}
    for one in Colons(form).read(file):
        if isinstance(one, Fault):
            raise BadPlan(one.text, one.place)
        found.update(zip(one.columns["name"], one.columns["password"], strict=True))
    return found
