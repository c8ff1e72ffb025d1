"""The users of a file as `nwauth.provisioning` reads plans: columns under their keys, passwords told from hashes."""

from __future__ import annotations

import re
from functools import partial
from operator import ne
from typing import TYPE_CHECKING, Any

from nwauth.names import fold
from nwauth.passwords.table import CLEAR, LOCKED, NO_LOGIN, UNKNOWN, split
from nwauth.provisioning.exchange.colons import COLUMNS, Colons
from nwauth.provisioning.exchange.columns import BadColumn
from nwauth.provisioning.exchange.detecting import SEPARATORS
from nwauth.provisioning.exchange.encodings import BYTES
from nwauth.provisioning.formats import read, separated
from nwauth.provisioning.parts import BadPlan, Fault, Place, Raw, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import IO, Final

    from nwauth.provisioning.exchange.columns import Columns

NO_UTF8 = re.compile("[\udc80-\udcff]")
NO_TEXT = "found a byte that is no UTF-8: give --encoding, as latin-1 or windows-1252, or bytes to take it as it stands"
SPECIAL = ("*", "!", "{p", "{P", "{c", "{C")  # what begins otherwise is a hash, or nothing known
ELSEWHERE = "x"  # the whole field: it stands in the shadow file
LOCK = "!"
# What stands for "locked" in the files of other programs, and would be everybody's first guess as a password.
LOCK_WORDS = LOCKED | {"!", "!!", "!*", "*!", "**", "LK", "*LOCKED*"}
# A hash by its looks, of a scheme that nothing here knows, too: $7$..., {WORD}..., 32 hex digits and more.
HASH_LIKE = re.compile(r"\$[0-9A-Za-z-]+\$.+|\{[0-9A-Za-z._-]+\}.+|\*?[0-9A-Fa-f]{32,}")
HASH, PASSWORD = "password_hash", "password"
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

    `clear`: whether the passwords of the file are in clear text; None: as its form has it.  `whole` completes a name
    and `matches`, on a folded one, says whether it is wanted.  `shadow` has the fields of names with an x.
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
        self.locked = self.left_out = self.trimmed = self.of_system = 0
        self.first_of_system = ""
        self._columns: Final = columns
        self._form: Final = form
        self._is_strict: Final = encoding != BYTES
        self._is_lines: Final = form in COLUMNS
        self._is_table: Final = form in SEPARATORS
        self._star_was_clear: Final = form == "nwauth" or (not self._is_lines and star_is_clear)
        self._star_is_clear: Final = star_is_clear
        self._clear: Final = clear
        self._whole: Final = whole
        self._matches: Final = matches
        self._shadow: Final = shadow
        self._shapes: Final[dict[tuple[str, ...], tuple[list[str], list[BadColumn]]]] = {}

    def users(self, found: Iterator[Raw | Rows | Fault]) -> Iterator[Raw | Rows | Fault]:
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
        if HASH in said and _may_be_special(said[HASH]):
            fields = said[HASH]
            odd.update([at for at, field in enumerate(fields) if field in ("", ELSEWHERE) or field.startswith(SPECIAL)])
        if PASSWORD in said and self._clear is None:
            odd.update([number for number, value in enumerate(said[PASSWORD]) if _is_doubtful(value)])
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
        if values.get(HASH) or (self._is_lines and HASH in said):
            fault = self._settle_field(values, raw)
            faults += [fault] if fault else []
        if self._clear is None and PASSWORD in raw.values:
            fault = _doubt(values.get(PASSWORD), raw)
            faults += [fault] if fault else []
        if faults:
            who = name if isinstance(name, str) else ""
            yield from (Fault(one.place, one.text, name=who, is_same=one.is_same) for one in faults)
        else:
            yield Raw(values, raw.line, at=raw.at)

    def _settle_field(self, values: dict[str, Any], raw: Raw) -> Fault | None:
        """A stored field in the words of the store: clear text under its own key, what lets nobody in as a lock."""
        field = values.pop(HASH, "")
        if not isinstance(field, str):
            values[HASH] = field
            return None
        if field == ELSEWHERE and self._form == "passwd":
            found = None if self._shadow is None else self._shadow.get(values.get("name", ""))
            if found is None:
                what = "give --shadow FILE" if self._shadow is None else "and --shadow has none for it"
                text = f"password: found x, which means that it stands in the shadow file: {what}"
                return Fault(raw.at(HASH), text, is_same=self._shadow is None)
            field = found
        scheme, text = split(field, self._star_was_clear)
        if scheme is CLEAR:
            if not text:
                return Fault(raw.at(HASH), "password: found clear text that is empty")
            if self._form == "dovecot" and text.strip() in LOCK_WORDS:  # whoever wrote {PLAIN}* meant nobody
                values[HASH] = LOCK
                self.locked += 1
            else:
                values[PASSWORD] = text
        elif scheme is NO_LOGIN and (not field or self._is_lines or field in LOCKED):
            values[HASH] = field if field.startswith(LOCK) or (field[:1] == "*" and not self._star_is_clear) else LOCK
            self.locked += 1
        else:
            values[HASH] = field
        return None


def _spoilt(found: Iterable[Raw | Rows | Fault]) -> Iterator[Raw | Fault]:
    """The same users, none of whom is to be taken: what else is wrong with them is told in the same run."""
    for one in found:
        if isinstance(one, Fault):
            yield one
        else:
            yield from (raw.spoilt() for raw in (one.each() if isinstance(one, Rows) else (one,)))


def _is_of_the_system(uid: int) -> bool:
    return not (FIRST_PERSON <= uid < FIRST_RESERVED or uid > LAST_RESERVED)


def _may_be_special(fields: Sequence[str]) -> bool:
    """Whether any of some stored fields may be none that is taken as it is; no other than these are looked at."""
    text = "\n".join(("", *fields, ""))
    return any(f"\n{start}" in text for start in (*SPECIAL, ELSEWHERE, "\n"))


def _is_doubtful(text: str) -> bool:
    """Whether it has to be asked what a password in clear text is: a lock, or a hash, by its looks."""
    return bool(text) and (text.strip() in LOCK_WORDS or HASH_LIKE.fullmatch(text) is not None)


def _doubt(password: object, raw: Raw) -> Fault | None:
    """What is wrong with a password that was not said to be clear text; it is not told itself."""
    if not isinstance(password, str) or not _is_doubtful(password):
        return None
    if password.strip() in LOCK_WORDS:
        found = "what locks a user in files of other programs, or blanks alone"
    else:
        scheme = split(password, False)[0]
        found = (
            f"what looks like a hash ({scheme.name})"
            if scheme not in (UNKNOWN, NO_LOGIN, CLEAR)
            else ("what looks like a hash")
        )
    return Fault(raw.at(PASSWORD), f"password: found {found}: say --passwords hashed, or --passwords clear")


def _place(rows: Rows, back: dict[str, str], number: int, key: str) -> Place:
    return rows.place(number, back.get(key, key))


def _place_of(places: Callable[[int, str], Place], numbers: list[int], number: int, key: str) -> Place:
    return places(numbers[number], key)


def shadow_fields(file: IO[bytes], form: str = "shadow") -> dict[str, str]:
    """The password fields of a shadow file, by name.  Raises BadPlan where it is none."""
    found: dict[str, str] = {}
    for one in Colons(form).read(file):
        if isinstance(one, Fault):
            raise BadPlan(one.text, one.place)
        found.update(zip(one.columns["name"], one.columns["password"], strict=True))
    return found
