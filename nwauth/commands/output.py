r"""Results, on stdout and nowhere else: a table for people, and four forms for programs.

Everything is written as UTF-8, whatever the locale; bytes of a name that are no UTF-8 come out as they are (in JSON as
``\udcNN``, which Python reads back to the same name).  Only a terminal whose locale says that it shows no UTF-8 gets
ASCII, all else escaped.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING

from nwauth.commands.shown import visible
from nwauth.commands.table import layout
from nwauth.model import Info, info_text
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import IO, Final

    Row = Mapping[str, object]

FORMATS = ("table", "json", "ndjson", "csv", "tsv")
BOLD = "1"
ONE_LINE = json.JSONEncoder(ensure_ascii=False)  # made once: there may be a million records


class Results:
    """Writes results in `form`; `color` says whether a terminal's colours may be used."""

    def __init__(self, *, form: str, color: bool) -> None:
        self.form: Final = form
        self.color: Final = color
        self._steers = os.isatty(1)  # what does not print would steer it; a file or program gets every byte
        self._is_ascii = is_ascii(1)
        self._out = open(1, "wb", closefd=False)  # noqa: SIM115, lives as long as the process

    def rows(self, columns: Sequence[str], rows: Iterable[Row], *, shown: Sequence[str] | None = None) -> None:
        """Many records with the keys `columns`, as they come; a table shows the columns `shown` only."""
        match self.form:
            case "table":
                self._table(shown or columns, rows)
            case "json":
                self._array(rows)
            case "ndjson":
                for row in rows:
                    self._write(self._json(row) + b"\n")
            case _:
                self._separated(columns, rows)
        self.flush()

    def record(self, record: Row, text: str | None = None) -> None:
        """One record; people get `text`, or its keys and values below each other."""
        match self.form:
            case "table":
                self.text(text if text is not None else _listed(record))
            case "json":
                self._write(self._json(record, indent=2) + b"\n")
            case "ndjson":
                self._write(self._json(record) + b"\n")
            case _:
                self._separated(list(record), [record])
        self.flush()

    def records(self, columns: Sequence[str], records: Iterable[Row], text: Callable[[Row], str]) -> None:
        """Several records, of each of which people get `text`."""
        if self.form == "table":
            for record in records:
                self.text(text(record))
        else:
            self.rows(columns, records)

    def line(self, text: str) -> None:
        """A line for a program, whatever the form; it may be kept back until the next `flush`."""
        self._write(encode(text + "\n"))

    def give(self, write: Callable[[IO[bytes]], object]) -> None:
        """What `write` writes, whatever the form: a file for a program, byte for byte."""
        write(self._out)
        self.flush()

    def text(self, text: str) -> None:
        """Lines as they are."""
        self._write(encode_for(1, text + "\n"))
        self.flush()

    def flush(self) -> None:
        """Write out what is kept back.

        Raises:
            OSError: it cannot be written; BrokenPipeError where nobody reads any more.
        """
        self._out.flush()

    def _write(self, data: bytes) -> None:
        self._out.write(data)

    def _table(self, columns: Sequence[str], rows: Iterable[Row]) -> None:
        cells = ([self._cell(row[column]) for column in columns] for row in rows)
        width = terminal_width()
        for number, line in enumerate(layout([column.upper() for column in columns], cells, width=width)):
            self._write(encode(colored(line, BOLD, on=self.color and not number) + "\n"))

    def _cell(self, value: object) -> str:
        """As wide as it will be."""
        text = visible(_text(value))
        return ascii_only(text) if self._is_ascii else text

    def _array(self, rows: Iterable[Row]) -> None:
        before = b"[\n"
        for row in rows:
            self._write(before + self._json(row))
            before = b",\n"
        self._write(b"\n]\n" if before != b"[\n" else b"[]\n")

    def _json(self, record: Row, indent: int | None = None) -> bytes:
        """`record` as JSON; an info text is its fields, and under another key the whole, with what is no field."""
        plain: dict[str, object] = {}
        for key, value in record.items():
            if isinstance(value, Info):
                plain |= {key: value.fields(), f"{key}_text": value.text}
            else:
                plain[key] = value
        text = ONE_LINE.encode(plain) if indent is None else json.dumps(plain, ensure_ascii=False, indent=indent)
        try:
            if not self._is_ascii and (not self._steers or text.replace("\n", "").isprintable()):
                return text.encode()
        except UnicodeEncodeError:  # a byte that is no UTF-8
            pass
        return json.dumps(plain, indent=indent).encode()

    def _separated(self, columns: Sequence[str], rows: Iterable[Row]) -> None:
        import csv

        line = io.StringIO()
        writer = csv.writer(line, delimiter="," if self.form == "csv" else "\t", lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            words = [_word(row[column]) for column in columns]
            writer.writerow(map(visible, words) if self._steers else words)
            self._write(encode_for(1, line.getvalue()))
            line.seek(0)
            line.truncate()
        self._write(encode_for(1, line.getvalue()))


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is, or None: what goes to a file or a program is never cut."""
    if not os.isatty(1):
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def encode(text: str) -> bytes:
    """The bytes of `text` for any destination."""
    try:
        return text.encode(ENCODING, ERRORS)
    except UnicodeEncodeError:  # a surrogate that never was a byte
        return text.encode(ENCODING, "backslashreplace")


def encode_for(fd: int, text: str) -> bytes:
    """The bytes of `text` for stdout or stderr."""
    return encode(ascii_only(text) if not text.isascii() and is_ascii(fd) else text)


def ascii_only(text: str) -> str:
    """`text` with all that is not ASCII escaped."""
    return text.encode("ascii", "backslashreplace").decode()


def is_ascii(fd: int) -> bool:
    """Whether `fd` is a terminal that, as its locale says, does not show UTF-8.

    Where no locale is set, as in a container, UTF-8 is meant (PEP 540); LC_ALL=C is taken at its word.
    """
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((os.environ[name] for name in names if os.environ.get(name)), "UTF-8")
    return "utf8" not in locale.lower().replace("-", "") and os.isatty(fd)


def colored(text: str, code: str, *, on: bool) -> str:
    """`text` in a colour, or as it is."""
    return f"\x1b[{code}m{text}\x1b[0m" if on else text


def wants_color(choice: str, fd: int) -> bool:
    """Whether to write colours to `fd`: as chosen, or on a terminal, if nobody said NO_COLOR (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return os.isatty(fd) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _word(value: object) -> str:
    """A value between separators, for a program."""
    return str(value).lower() if isinstance(value, bool) else _text(value)


def _text(value: object) -> str:
    """A value in a cell, for people."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Info():
            return value.text
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _listed(record: Row) -> str:
    """Keys and values below each other; each info field on a line of its own."""
    wide = max(map(len, record))
    lines = []
    for key, value in record.items():
        texts = _info_lines(value) if isinstance(value, Info) else [_text(value)]
        for at, text in enumerate(texts or [""]):
            lines.append(f"{'' if at else key.replace('_', ' '):{wide}}  {visible(text)}".rstrip())
    return "\n".join(lines)


def _info_lines(info: Info) -> list[str]:
    """Each info field; where there is more in the text than fields, the text as it stands too."""
    fields = info.fields()
    lines = [f"{field}={value}" for field, value in fields.items()]
    return lines if info.text.split() == info_text(fields).split() else [*lines, f"(stored: {info.text})"]


def forget_stdout() -> None:
    """Send what is still kept back nowhere: whoever read it has gone, or it cannot be written."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    if sys.stdout is not None:
        sys.stdout.flush()
