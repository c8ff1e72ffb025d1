"""Users of whom a plan says name, password hash and info fields in plain text: thousands are read and checked as one.

Whatever is out of the ordinary among them, be it right or wrong, is left to `entries`, which looks at each by itself.
So a check here may be too strict, and never too lax.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import PLAIN, SECRET_FIELDS, info_text
from nwauth.names import PRINTABLE, holds_only
from nwauth.policy import account
from nwauth.policy.states import FIELD as STATE_FIELD
from nwauth.policy.states import Doubts
from nwauth.provisioning.spool import PART
from nwauth.provisioning.words import NO_INFO, PASSWORD_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Final

    from nwauth.names import NameRules
    from nwauth.provisioning.damaged import DamagedHashes
    from nwauth.provisioning.parts import Rows
    from nwauth.stores.base import Held

FIRST_LINE = 1_000_000_000  # is added to a line: so they have the order of numbers as text
MAX_SHAPES = 1000  # of plans: each is held in memory
MAX_HASH = 1000  # characters: any column of a store surely holds these
NAME, HASH = "name", "password_hash"
DEFAULT_VALUES = {"state": "present", "update_password": "", "password": "", "generate": "false"}
HEAD_PARTS = 3  # of a row: place, line, shape


class Shape:
    """The keys of users who have the same."""

    def __init__(self, number: int, keys: tuple[str, ...]) -> None:
        self.number: Final = str(number)
        self.keys: Final = keys
        self.fields: Final = tuple(key for key in keys if key not in (NAME, HASH))

    def columns(self, rows: Sequence[str]) -> dict[str, list[str]]:
        """What some rows of this shape say."""
        parts = PART.join(rows).split(PART)
        width = HEAD_PARTS + len(self.keys)
        return {key: parts[at::width] for at, key in enumerate(self.keys, HEAD_PARTS)}

    def infos(self, columns: Mapping[str, Sequence[str]], defaults: Mapping[str, str]) -> list[str]:
        """The info texts of new users."""
        named = {field.lower() for field in self.fields}
        more = info_text({field: value for field, value in defaults.items() if field.lower() not in named})
        if not self.fields:
            return [more] * len(columns[NAME])
        if any("" in columns[field] for field in self.fields):
            values = zip(*(columns[field] for field in self.fields), strict=True)
            return [self._info(said, defaults) for said in values]
        pieces: list[Iterable[str]] = []
        for field in self.fields:
            end = '" ' if pieces else ""  # of the field before it
            pieces += repeat(f'{end}{field}="'), columns[field]
        return list(map("".join, zip(*pieces, repeat(f'" {more}' if more else '"'), strict=False)))

    def _info(self, values: Iterable[str], defaults: Mapping[str, str]) -> str:
        said = {field: value for field, value in zip(self.fields, values, strict=True) if value}
        named = {field.lower() for field in said}
        said |= {field: value for field, value in defaults.items() if field.lower() not in named}
        return info_text(said)


class Plain:
    """Makes rows of users for a `Spool`, and new users of such rows.

    `all_known` tells whether all of some password fields have a known form, or are empty.
    """

    def __init__(
        self,
        *,
        names: NameRules,
        whole: Callable[[str], str],
        all_known: Callable[[Sequence[str]], bool],
        damaged: DamagedHashes,
    ) -> None:
        self._names: Final = names
        self._whole: Final = whole
        self._all_known: Final = all_known
        self._damaged: Final = damaged
        self._by_keys: Final[dict[tuple[str, ...], Shape | None]] = {}
        self._shapes: Final[dict[str, Shape]] = {}
        self.doubts: Final = Doubts()

    def rows(self, found: Rows, matches: Callable[[str], bool] | None) -> list[str] | None:
        """Rows for a spool; None: each has to be looked at.  `matches`: whether a folded name is in the scope."""
        if "" in found.columns.get(HASH, ()):
            parts = [self.rows(part, matches) for part in found.parted(HASH)]
            return None if None in parts else [row for part in parts for row in part or ()]
        columns = {key: values for key, values in found.columns.items() if not _says_nothing(key, values)}
        shape = self._shape(tuple(columns))
        if shape is None:
            return None
        whole = self._whole  # is asked for the few who need it: a call takes longer than all else of a name
        names: Sequence[str] = [name if "@" in name else whole(name) for name in columns[NAME]]
        if not self._names.all_right(names) or not self._are_right(shape, columns):
            return None
        keys = "\n".join(names).lower().split("\n")
        if matches is not None and not all(map(matches, keys)):
            return None
        self.doubts.look_at_names(shape.fields)
        for field in shape.fields:
            if field.lower() == STATE_FIELD:
                self.doubts.look_at(set(columns[field]))
        if HASH in columns:
            self._damaged.look_at(names, columns[HASH], found.lines)
        columns[NAME] = names
        lines = map(str, [FIRST_LINE + line for line in found.lines])
        return list(map(PART.join, zip(keys, lines, repeat(shape.number), *columns.values())))

    def _shape(self, keys: tuple[str, ...]) -> Shape | None:
        if keys not in self._by_keys:
            if len(self._by_keys) >= MAX_SHAPES:
                return None
            shape = Shape(len(self._shapes) + 1, keys) if _is_plain(keys) else None
            self._by_keys[keys] = shape
            if shape is not None:
                self._shapes[shape.number] = shape
        return self._by_keys[keys]

    def _are_right(self, shape: Shape, columns: Mapping[str, Sequence[str]]) -> bool:
        """Whether hashes and info fields are."""
        hashes = columns.get(HASH, ())
        together = "".join(hashes)
        if not _is_printable(together) or ":" in together or not self._all_known(hashes):
            return False
        if len(together) > MAX_HASH and max(map(len, hashes)) > MAX_HASH:
            return False
        for field in shape.fields:
            together = "".join(columns[field])
            if '"' in together or not _is_printable(together):
                return False
            if field.lower() in account.DATE_FIELDS and not _are_dates(field, columns[field]):
                return False
        return True

    def said(self, row: str) -> dict[str, str] | None:
        """What a row says, by key; None: it is none of ours."""
        _, _, number, *values = row.split(PART)
        shape = self._shapes.get(number)
        if shape is None:
            return None
        return {key: value for key, value in zip(shape.keys, values, strict=True) if value}

    def are_whole(self, rows: list[str], *, mixed: bool) -> bool:
        """Whether all that a store will hold of each, if it is not there, stands in its row.

        `mixed`: there may be rows of others among them.
        """
        if not mixed and len(self._shapes) == 1:
            return all(HASH in shape.keys for shape in self._shapes.values())
        numbers = {row.split(PART, HEAD_PARTS)[HEAD_PARTS - 1] for row in rows}
        return all(number in self._shapes and HASH in self._shapes[number].keys for number in numbers)

    def new_users(self, rows: list[str], defaults: Mapping[str, str], *, mixed: bool) -> list[Held | None]:
        """What a store will hold of each, if it is not there; None where that does not stand in its row."""
        columns = self.new_columns(rows, defaults, mixed=mixed)
        if columns is not None:
            return list(zip(*columns, strict=True))
        found: list[Held | None] = [None] * len(rows)
        numbers = [row.split(PART, HEAD_PARTS)[HEAD_PARTS - 1] for row in rows]
        for number in set(numbers) & set(self._shapes):
            places = [at for at, one in enumerate(numbers) if one == number]
            shape = self._shapes[number]
            if HASH not in shape.keys:
                continue
            columns = _new_columns(shape, [rows[at] for at in places], defaults)
            for at, user in zip(places, zip(*columns, strict=True), strict=True):
                found[at] = user
        return found

    def new_columns(self, rows: list[str], defaults: Mapping[str, str], *, mixed: bool) -> list[list[str]] | None:
        """The same of all, by columns, where they are of one shape; None: they are not, or it does not stand there."""
        if mixed or len(self._shapes) != 1:
            return None
        (shape,) = self._shapes.values()
        return _new_columns(shape, rows, defaults) if HASH in shape.keys else None


def _new_columns(shape: Shape, rows: Sequence[str], defaults: Mapping[str, str]) -> list[list[str]]:
    columns, count = shape.columns(rows), len(rows)
    own = ([plain] * count for plain in PLAIN.values())
    return [columns[NAME], columns[HASH], *own, shape.infos(columns, defaults)]


def _says_nothing(key: str, values: Sequence[str]) -> bool:
    """Whether a column holds nothing but what goes without saying."""
    return key in DEFAULT_VALUES and set(values) <= {"", DEFAULT_VALUES[key]}


def _is_printable(text: str) -> bool:
    return holds_only(text, PRINTABLE) or text.isprintable()


def _is_plain(keys: tuple[str, ...]) -> bool:
    """Whether users with these keys may be plain: no two fields are one, none a secret, each of an ordinary name."""
    fields = [key for key in keys if key not in (NAME, HASH)]
    folded = {field.lower() for field in fields}
    if NAME not in keys or len(folded) < len(fields):
        return False
    if folded & (NO_INFO | PASSWORD_WORDS) or folded.intersection(SECRET_FIELDS):
        return False
    return all(field.isidentifier() and field.isascii() for field in fields)


def _are_dates(field: str, values: Sequence[str]) -> bool:
    try:
        for value in set(values):
            account.check_dates({field: value})
    except Refused:
        return False
    return True


def line_of(row: str) -> int:
    """The line of the plan that a row is of."""
    return int(row.split(PART, 2)[1]) - FIRST_LINE
