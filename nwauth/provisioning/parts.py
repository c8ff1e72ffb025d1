"""What the readers of plans share: users as they stand there, with their places, and what is wrong with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from nwauth.errors import Refused
from nwauth.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Final

LONG_NUMBER = "a number of thousands of digits"  # Python refuses to read one
MAX_SHOWN_CHARACTERS = 60


class Place(Record):
    """Where something of a plan stands: line and column, from 1; line 0: it cannot be told."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int = 1) -> None:
        self.line: Final = line
        self.column: Final = column

    def behind(self, file: str) -> str:
        """The place in an error, behind the file's name."""
        return f"{file}, line {self.line}, column {self.column}" if self.line else file


NOWHERE = Place(0)


class BadPlan(Refused):
    """The file is no plan, or cannot be read any further; `place` is where, as far as that can be told."""

    def __init__(self, text: str, place: Place = NOWHERE) -> None:
        super().__init__(text)
        self.place: Final = place


class Raw:
    """What a plan says of one user, or (`is_head`) of all, as it stands there; `at` tells where a key does.

    `is_spoilt`: the user is not to be taken, because of a fault that is told already.
    """

    def __init__(
        self,
        values: dict[str, Any],
        line: int,
        *,
        at: Callable[[str], Place] | None = None,
        is_head: bool = False,
        is_spoilt: bool = False,
    ) -> None:
        self.values: Final = values
        self.line: Final = line
        self.is_head: Final = is_head
        self.is_spoilt: Final = is_spoilt
        self._at: Final = at

    def spoilt(self) -> Raw:
        """The same user, not to be taken."""
        return Raw(self.values, self.line, at=self._at, is_spoilt=True)

    def at(self, key: str = "") -> Place:
        """Where `key` stands, or the whole."""
        return Place(self.line) if self._at is None or not key else self._at(key)


class Rows:
    """Many users of whom a plan says the same keys, all of it text: `columns` has what it says, "" where it says none.

    It is what many `Raw` are, and is judged as one where nothing in it is out of the ordinary.  `lines` has their
    lines; `at` tells where a key of one of them stands, by its number here.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[str]], lines: Sequence[int], *, at: Callable[[int, str], Place]
    ) -> None:
        self.columns: Final = columns
        self.lines: Final = lines
        self._at: Final = at

    def parted(self, key: str) -> Iterator[Rows]:
        """The same in two: those of whom `key` is said, and those of whom it is not."""
        for is_said in (True, False):
            which = [number for number, value in enumerate(self.columns[key]) if bool(value) is is_said]
            columns = {one: [values[number] for number in which] for one, values in self.columns.items()}
            if not is_said:
                del columns[key]
            if which:
                yield Rows(columns, [self.lines[number] for number in which], at=partial(self._at_of, which))

    def _at_of(self, which: list[int], number: int, key: str) -> Place:
        return self._at(which[number], key)

    def place(self, number: int, key: str) -> Place:
        """Where a key of one of them stands, by its number here."""
        return self._at(number, key)

    def each(self) -> Iterator[Raw]:
        """The same, one by one."""
        for number, (line, *values) in enumerate(zip(self.lines, *self.columns.values(), strict=True)):
            said = {key: value for key, value in zip(self.columns, values, strict=True) if value}
            yield Raw(said, line, at=partial(self._at, number))


class Fault(Record):
    """What is wrong at a place, in words; `name` is the user's, where it is known.

    `is_of_all`: it is said of all users, none of whom can be taken then.  `is_same`: the same is wrong with many, and
    one mend is right for all: it is told once.
    """

    __slots__ = ("is_of_all", "is_same", "name", "place", "text")

    def __init__(
        self, place: Place, text: str, *, name: str = "", is_of_all: bool = False, is_same: bool = False
    ) -> None:
        self.name: Final = name
        self.place: Final = place
        self.text: Final = text
        self.is_of_all: Final = is_of_all
        self.is_same: Final = is_same

    @property
    def of_many(self) -> str:
        """The text, without the user's name."""
        return self.text.removeprefix(f"{shown(self.name)}: ")


def kind_of(value: object) -> str:
    """What a value is, in words, without showing it."""
    if isinstance(value, bool):
        return str(value).lower()
    words = {type(None): "null", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return words.get(type(value), f"a {type(value).__name__}")


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of the `known` words, in small letters, that may have been meant by another; "": none."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word.strip().lower(), known, n=1, cutoff=0.75)), "")


def meant(word: str, known: Iterable[str]) -> str:
    """The question behind an error about a word that is none of the `known`; "" where there is none to ask."""
    near = nearest(word, known)
    return f": did you mean {near}?" if near else ""


def shown(text: str) -> str:
    """Text of a plan in an error: quoted, what does not print escaped, and no longer than one reads."""
    found = repr(text)
    return found if len(found) <= MAX_SHOWN_CHARACTERS else f"{found[: MAX_SHOWN_CHARACTERS - 3]}..."


def named(key: str) -> str:
    """A key of a plan in an error: as it stands there, if that is an ordinary word."""
    return key if key.isascii() and key.isidentifier() and len(key) <= MAX_SHOWN_CHARACTERS else shown(key)
