"""What is wrong with a policy file, and where: file, line, key, column."""

from __future__ import annotations

from nwauth.errors import ConfigError
from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Pointed(ConfigError):
    """An error about a place inside a value: the value, and the column (from 0) in it."""

    def __init__(self, error: ConfigError, *, value: str, column: int) -> None:
        super().__init__(str(error))
        self.value: Final = value
        self.column: Final = column


class Fault(Record):
    """One thing that is wrong.  `place` is a dotted key, "" for the file; `number` the line, where it is known."""

    __slots__ = ("column", "file", "number", "place", "text", "value")

    def __init__(
        self,
        *,
        file: str,
        text: str,
        place: str = "",
        number: int | None = None,
        value: str = "",
        column: int | None = None,
    ) -> None:
        self.file: Final = file
        self.text: Final = text
        self.place: Final = place
        self.number: Final = number
        self.value: Final = value
        self.column: Final = column

    @classmethod
    def of(cls, error: ConfigError, *, file: str, places: Places | None) -> Fault:
        """The fault that an error about `file` tells; without `places`, the file could not be read as tables."""
        text = str(error).removeprefix(f"{file}: ")
        if places is None:
            return cls(file=file, text=text)
        place, _, text = text.partition(": ")
        number = places.line_of(place)
        if isinstance(error, Pointed):
            return cls(file=file, text=text, place=place, number=number, value=error.value, column=error.column)
        return cls(file=file, text=text, place=place, number=number)

    def line(self) -> str:
        """All in one line, for a log."""
        where = [self.file]
        if self.number is not None:
            where.append(f"line {self.number}")
        if self.place:
            where.append(_plain(self.place))
        if self.column is not None:
            where.append(f"column {self.column + 1}")
        return ": ".join([*where, self.text])

    def lines(self) -> list[str]:
        """The same for a person: the value, with a caret below the place in it, follows."""
        if self.column is None:
            return [self.line()]
        return [self.line(), f"    {_plain(self.value)}", f"    {' ' * self.column}^"]


def _plain(text: str) -> str:
    """`text` as wide as it is, without what would steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


class Places:
    """On which lines of a TOML file its tables and keys stand."""

    def __init__(self, text: str) -> None:
        self._lines: Final[dict[str, int]] = {}
        prefix, counts = "", dict[str, int]()
        for number, line in enumerate(text.split("\n"), start=1):
            bare = line.strip()
            if bare.startswith("[["):
                name = _key(bare[2:].partition("]]")[0])
                prefix = f"{name}[{counts.get(name, 0)}]"
                counts[name] = counts.get(name, 0) + 1
                self._lines.setdefault(prefix, number)
            elif bare.startswith("[") and "]" in bare and "=" not in bare.partition("]")[2].partition("#")[0]:
                prefix = _key(bare[1:].partition("]")[0])
                self._lines.setdefault(prefix, number)
            elif "=" in bare and not bare.startswith("#"):
                key = _key(bare.partition("=")[0])
                self._lines.setdefault(f"{prefix}.{key}" if prefix else key, number)

    def line_of(self, place: str) -> int | None:
        """The line of a key; of its table where the key lacks; None where neither is found."""
        while place:
            number = self._lines.get(place) or self._lines.get(f"{place}[0]")
            if number is not None:
                return number
            place = place.rpartition("[")[0] if place.endswith("]") else place.rpartition(".")[0]
        return None


def _key(text: str) -> str:
    """A key without its quotes and blanks."""
    return ".".join(part.strip().strip("\"'") for part in text.split("."))
