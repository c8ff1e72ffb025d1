"""The users of a file as `nwauth.provisioning` reads plans: columns under their keys, passwords under theirs."""

from __future__ import annotations

import re
from functools import partial
from operator import ne
from typing import TYPE_CHECKING, Any

from nwauth.names import fold
from nwauth.provisioning.exchange.colons import COLUMNS, Colons
from nwauth.provisioning.exchange.columns import BadColumn
from nwauth.provisioning.exchange.detecting import SEPARATORS
from nwauth.provisioning.exchange.encodings import BYTES
from nwauth.provisioning.exchange.passwords import HASH, FilePasswords
from nwauth.provisioning.formats import read, separated
from nwauth.provisioning.parts import BadPlan, Fault, Place, Raw, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import IO, Final

    from nwauth.provisioning.exchange.columns import Columns

NO_UTF8 = re.compile("[\udc80-\udcff]")
NO_TEXT = "found a byte that is no UTF-8: give --encoding, as latin-1 or windows-1252, or bytes to take it as it stands"
MAX_DIGITS = 10  # of a uid
FIRST_PERSON, FIRST_RESERVED, LAST_RESERVED = 1000, 60_000, 65_535  # uids: login.defs(5), and nobody's
STATES = ("", "present", "suspended")
BLANKS = " \u00a0"  # that a spreadsheet leaves around a name, unseen


def read_users(file: IO[bytes], form: str) -> tuple[Iterator[Raw | Rows | Fault], Colons | None]:
    """The users of a file, under its own names for columns; and what reads them, if it is one of lines with colons."""
    if form in COLUMNS:
        colons = Colons(form)
        return colons.read(file), colons
    if form in SEPARATORS:
        return separated(file, SEPARATORS[form], needs_name=False), None
    return read(file, form), None


class Taking:
    """Makes what a plan would say of what a file says.

    `whole` completes a name and `matches`, on a folded one, says whether it is wanted.  `star_is_clear`, `clear` and
    `shadow` are as those of `FilePasswords`.
    """

    def __init__(
        self,
        *,
        form: str,
        columns: Columns,
        encoding: str,
        star_is_clear: bool,
        clear: bool | None,
        whole: Callable[[str], str],
        matches: Callable[[str], bool] | None,
        shadow: dict[str, str] | None = None,
    ) -> None:
        self.left_out = self.trimmed = self.of_system = 0
        self.first_of_system = ""
        self._columns: Final = columns
        self._form: Final = form
        self._is_strict: Final = encoding != BYTES
        self._is_table: Final = form in SEPARATORS
        self._passwords: Final = FilePasswords(form=form, star_is_clear=star_is_clear, clear=clear, shadow=shadow)
        self._whole: Final = whole
        self._matches: Final = matches
        self._shapes: Final[dict[tuple[str, ...], tuple[list[str], list[BadColumn]]]] = {}

    @property
    def locked(self) -> int:
        """How many users nobody can log in as."""
        return self._passwords.locked

    def users(self, found: Iterator[Raw | Rows | Fault]) -> Generator[Raw | Rows | Fault, None, None]:
        """The same users as a plan would have them.  Raises BadPlan."""
        for one in found:
            if isinstance(one, Fault):
                yield one
            elif isinstance(one, Rows):
                yield from self._rows(one)
            elif one.is_head:
                raise BadPlan("found the head of a plan (scope, defaults), which nwauth apply takes")
            else:
                yield from self._raw(one)

    # --- many -------------------------------------------------------------------------------------------------------

    def _rows(self, rows: Rows) -> Iterator[Raw | Rows | Fault]:
        targets, errors = self._shape(tuple(rows.columns))
        if self._is_table and not rows.lines:  # its names of columns, which come before the users
            yield from (Fault(rows.place(0, one.column) if one.column else Place(1), str(one)) for one in errors)
        if "name" not in targets:
            if not self._is_table:
                yield from self._same_of_each(errors, rows, range(len(rows.lines)))
            return
        back = {key: column for column, key in zip(rows.columns, targets, strict=True) if key}
        said = {key: rows.columns[column] for key, column in back.items()}
        if self._is_table:
            said["name"] = self._names(said["name"])
        numbers: list[int] | range = range(len(rows.lines))
        if self._matches is not None:
            numbers = [number for number in numbers if self._is_wanted(said["name"][number])]
            self.left_out += len(rows.lines) - len(numbers)
        if "uid" in rows.columns and self._form == "passwd":
            self._count_system([rows.columns["uid"][number] for number in numbers], said["name"], numbers)
        found = self._sorted_out(said, rows.lines, numbers, partial(_place, rows, back))
        if not errors:
            yield from found
            return
        if not self._is_table:
            yield from self._same_of_each(errors, rows, numbers)
        yield from _spoilt(found)

    def _same_of_each(self, errors: list[BadColumn], rows: Rows, numbers: Iterable[int]) -> Iterator[Fault]:
        """What is wrong with the columns of users who have them in common, of each of these."""
        names = rows.columns.get("name")
        for number in numbers:
            for one in errors:
                place = rows.place(number, one.column) if one.column else Place(rows.lines[number])
                yield Fault(place, str(one), name=names[number] if names else "", is_same=True)

    def _sorted_out(
        self,
        said: dict[str, Sequence[str]],
        lines: Sequence[int],
        numbers: list[int] | range,
        places: Callable[[int, str], Place],
    ) -> Iterator[Raw | Rows | Fault]:
        """Those with these numbers: one by one who has to be looked at, the others together."""
        apart = self._odd(said)
        odd = [number for number in numbers if number in apart] if apart else []
        if odd or len(numbers) < len(lines):
            for number in odd:
                values = {key: column[number] for key, column in said.items() if column[number]}
                yield from self._looked_at(Raw(values, lines[number], at=partial(places, number)), said)
            numbers = [number for number in numbers if number not in apart]
            said = {key: [column[number] for number in numbers] for key, column in said.items()}
            lines = [lines[number] for number in numbers]
            places = partial(_place_of, places, numbers)
        if lines:
            yield Rows(said, lines, at=places)

    def _count_system(self, uids: Sequence[str], names: Sequence[str], numbers: Sequence[int]) -> None:
        """Accounts that are no people, by the uids that Linux keeps for them."""
        found = [
            number
            for number, uid in zip(numbers, uids, strict=True)
            if uid.isdecimal() and len(uid) <= MAX_DIGITS and _is_of_the_system(int(uid))
        ]
        self.of_system += len(found)
        if found and not self.first_of_system:
            self.first_of_system = names[found[0]]

    def _names(self, cells: Sequence[str]) -> list[str]:
        """The names in the cells of a table."""
        together = "".join(cells)
        if not any(blank in together for blank in BLANKS):
            return list(cells)
        names = [cell.strip(BLANKS) or cell for cell in cells]
        self.trimmed += sum(map(ne, names, cells))
        return names

    def _odd(self, said: dict[str, Any]) -> set[int]:
        """The numbers of users who have to be looked at one by one."""
        odd: set[int] = set()
        if self._is_strict:
            for values in said.values():
                if not "".join(values).isascii():
                    odd.update(number for number, value in enumerate(values) if NO_UTF8.search(value))
        odd.update(self._passwords.odd(said))
        if "state" in said:
            odd.update(number for number, value in enumerate(said["state"]) if value not in STATES)
        return odd

    def _shape(self, columns: tuple[str, ...]) -> tuple[list[str], list[BadColumn]]:
        """The keys of columns, "" for one that is left out or wrong; and what is wrong with them."""
        if columns not in self._shapes:
            no_text = self._no_text(columns)  # alone: what else is wrong may be the same
            self._shapes[columns] = ([], no_text) if no_text else self._columns.targets(columns)
        return self._shapes[columns]

    def _no_text(self, columns: tuple[str, ...]) -> list[BadColumn]:
        """Names that are not of the encoding.  One of a table is not shown: its first line may be a user's already."""
        if not self._is_strict:
            return []
        return [
            BadColumn(one, f"name of the column: {NO_TEXT}" if self._is_table else f"{one!r}: {NO_TEXT}")
            for one in columns
            if NO_UTF8.search(one) and not self._columns.leaves_out(one)
        ]

    # --- one --------------------------------------------------------------------------------------------------------

    def _raw(self, raw: Raw) -> Iterator[Raw | Fault]:
        targets, errors = self._shape(tuple(raw.values))
        back = {key: column for column, key in zip(raw.values, targets, strict=bool(targets)) if key}
        values = {key: raw.values[column] for key, column in back.items()}
        name = values.get("name")
        if self._matches is not None and isinstance(name, str) and not self._is_wanted(name):
            self.left_out += 1
            return
        for one in errors:
            place = raw.at(one.column) if one.column else Place(raw.line)
            yield Fault(place, str(one), name=name if isinstance(name, str) else "", is_same=True)
        if "name" in back:
            found = self._looked_at(Raw(values, raw.line, at=lambda key: raw.at(back.get(key, key))), {HASH: None})
            yield from _spoilt(found) if errors else found

    def _is_wanted(self, name: str) -> bool:
        return self._matches is None or self._matches(fold(self._whole(name)))

    def _looked_at(self, raw: Raw, said: dict[str, Any]) -> Iterator[Raw | Fault]:
        values = dict(raw.values)
        faults = [
            Fault(raw.at(key), f"{key}: {NO_TEXT}", is_same=True)
            for key, value in values.items()
            if self._is_strict and isinstance(value, str) and NO_UTF8.search(value)
        ]
        if not faults and values.get("state", "") not in STATES:
            found = "absent, and import removes nobody: nwauth apply does"
            if values["state"] != "absent":  # it is not shown: in a row that has slipped it may be a password
                found = "something else, wanted present or suspended"
            faults.append(Fault(raw.at("state"), f"state: found {found}"))
        name = values.get("name")
        faults += self._passwords.settle(values, raw, has_column=HASH in said)
        if faults:
            who = name if isinstance(name, str) else ""
            yield from (Fault(one.place, one.text, name=who, is_same=one.is_same) for one in faults)
        else:
            yield Raw(values, raw.line, at=raw.at)


def _spoilt(found: Iterable[Raw | Rows | Fault]) -> Iterator[Raw | Fault]:
    """The same users, none of whom is to be taken: what else is wrong with them is told in the same run."""
    for one in found:
        if isinstance(one, Fault):
            yield one
        else:
            yield from (raw.spoilt() for raw in (one.each() if isinstance(one, Rows) else (one,)))


def _is_of_the_system(uid: int) -> bool:
    return not (FIRST_PERSON <= uid < FIRST_RESERVED or uid > LAST_RESERVED)


def _place(rows: Rows, back: dict[str, str], number: int, key: str) -> Place:
    return rows.place(number, back.get(key, key))


def _place_of(places: Callable[[int, str], Place], numbers: list[int], number: int, key: str) -> Place:
    return places(numbers[number], key)
