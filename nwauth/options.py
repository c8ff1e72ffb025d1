"""Typed getters over a table of a TOML file; every error says file, dotted key, found and wanted, in one line.

A `Options` is asked once for each key that its caller knows; `finish` then refuses every key that nobody asked for.
Values that may be secret (a string marked `secret`, the value of an environment variable, the content of a file,
whatever stands in an array or a table) never stand in an error text.
"""

from __future__ import annotations

import os

from nwauth.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from typing import Any, Final, TypeVar

    T = TypeVar("T")

MAX_SECRET_BYTES = 65_536
_MAX_SHOWN_CHARACTERS = 60
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_TOML_TYPES = {
    "str": "string",
    "int": "integer",
    "bool": "boolean",
    "list": "array",
    "dict": "table",
    "datetime": "date-time",
}
# What tomllib says, by how that begins; a Python that says it otherwise is quoted.
_BACKSLASH = "found a backslash that means nothing in text, wanted two of them, or text in 'single quotes'"
TOML_WORDS = {
    "Invalid value": (
        "found no value of TOML, wanted text in quotes, a number, true or false, a date, [array] or {table}"
    ),
    "Invalid statement": "found no key, wanted key = value or [table]",
    "Invalid initial character for a key": "found no key, wanted a word, or text in quotes",
    "Expected '=' after a key": "found no = behind a key, wanted key = value (a key with a blank stands in quotes)",
    "Expected newline": "found more behind a value, wanted the line to end (text is in quotes, a date as 2027-01-31)",
    "Expected ']]'": "found [[ that is not closed, wanted ]] behind the name",
    "Expected ']'": "found [ that is not closed, wanted ] behind the name",
    "Unclosed array": "found no comma between two values, wanted one, or ] behind the last",
    "Unclosed inline table": "found no comma between two keys, wanted one, or } on the same line",
    "Illegal character '\\n'": "found text that is not closed on its line, wanted its quote",
    "Illegal character": "found a control character, wanted none",
    "Unescaped": _BACKSLASH,
    "Invalid hex": _BACKSLASH,
    "Cannot declare": "found a table a second time, wanted it once",
    "Duplicate inline table key": "found a key a second time, wanted it once",
}
TOML_END = "found the end of the file, and a value lacks, or text, an array or a table is not closed"


def parsed_toml(content: bytes, file: str) -> dict[str, Any]:
    """The tables of the TOML file that holds `content`.

    Raises:
        ConfigError: it is none; with line and column, never with the text found there.
    """
    import tomllib

    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        before = content[: error.start].rpartition(b"\n")[2]
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}: line {line}, column {len(before) + 1}: found bytes that are no UTF-8") from None
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of too many digits
        raise ConfigError(f"{file}: {_located(str(error), text)}") from None
    except RecursionError:
        raise ConfigError(f"{file}: found tables or arrays nested beyond all bounds") from None


def _located(message: str, text: str) -> str:
    """A message of tomllib with its position in front."""
    what, line, column = toml_fault(message, text)
    where = f"column {column}: " if column else "at the end of the file: "
    return f"line {line}, {where}{what}" if line else what


def toml_fault(message: str, text: str) -> tuple[str, int, int]:
    """What a message of tomllib means, in words; line and column, as far as it has them: column 0 is the text's end."""
    reason, _, where = message.removesuffix(")").rpartition(" (at ")
    if not reason:
        return "found a number of too many digits", 0, 0
    rows = text.split("\n")
    is_end = where == "end of document"
    line, column = (len(rows), 0) if is_end else (int(word.split()[1]) for word in where.split(", "))
    if reason == "Cannot overwrite a value":
        row = rows[line - 1]
        key = row.partition("=")[0].strip()
        # A line that is no key may be a part of somebody's secret.
        what = f"found the key{' ' + key if key.isidentifier() else ''} a second time, wanted it once"
        return what, line, len(row) - len(row.lstrip()) + 1
    if is_end:
        return TOML_END, len(text.splitlines()) or 1, 0
    what = next((words for begin, words in TOML_WORDS.items() if reason.startswith(begin)), f"found no TOML: {reason}")
    return what, line, column


class Options:
    """One table of `file`: `prefix` is its dotted key (empty for the whole file), `environ` what ``${NAME}`` reads.

    Arrays count from 0 in keys: the second ``[[stores]]`` is ``stores[1]``.  Every getter takes the value to return
    when the key is absent.  With `literal`, strings are taken as they stand, and from no other place.
    """

    def __init__(
        self,
        mapping: Mapping[str, Any],
        *,
        file: str,
        prefix: str = "",
        environ: Mapping[str, str] | None = None,
        literal: bool = False,
    ) -> None:
        self._mapping: Final = mapping
        self._prefix: Final = prefix
        self._environ: Final = os.environ if environ is None else environ
        self._literal: Final = literal
        self._known: Final[set[str]] = set()
        self._tables: Final[list[Options]] = []
        self.file: Final = file
        self.folder: Final = os.path.dirname(file)

    def __contains__(self, key: str) -> bool:
        return key in self._mapping

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping)

    # -- errors

    def error(self, key: str, text: str) -> ConfigError:
        """An error about `key`, to be raised by the caller."""
        return ConfigError(f"{self.file}: {self._dotted(key)}: {text}")

    def _dotted(self, key: str) -> str:
        return f"{self._prefix}.{key}" if self._prefix else key

    def _wrong(self, key: str, found: str, wanted: str) -> ConfigError:
        return self.error(key, f"found {found}, wanted {wanted}")

    def _mistyped(self, key: str, value: object, wanted: str, *, secret: bool = False) -> ConfigError:
        return self._wrong(key, _described(value, secret=secret), wanted)

    # -- getters

    def _take(self, key: str) -> Any:
        """The raw value, None when absent (TOML has no null); the key counts as known from now on."""
        self._known.add(key)
        return self._mapping.get(key)

    def text(self, key: str, default: T, *, secret: bool = False, wanted: str = "a string") -> str | T:
        """A string; ``${NAME}`` takes an environment variable, ``{ file = "..." }`` reads a file that others cannot.

        Raises:
            ConfigError: it is no string, the variable is unset, or the file cannot be used.
        """
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, dict) and "file" in value and not self._literal:
            return self._secret_file(key, value)
        return self._expanded(key, value, secret=secret, wanted=wanted)

    def required(self, key: str, *, secret: bool = False, wanted: str = "a string") -> str:
        """`text` for a key that must stand there.

        Raises:
            ConfigError: it is absent, or as for `text`.
        """
        value = self.text(key, None, secret=secret, wanted=wanted)
        if value is None:
            raise self._wrong(key, "nothing", wanted)
        return value

    def path(self, key: str, default: str, *, words: tuple[str, ...] = ()) -> str:
        """A file or folder name; a relative one, the default too, is taken from the configuration's folder.

        Strings among `words` are no paths and come back as they are.

        Raises:
            ConfigError: it is no string, or none that can name a file.
        """
        self._known.add(key)
        value = self._mapping.get(key, default)
        path = self._filled(key, value, wanted=", ".join(["a path", *words]))
        return path if path in words else self._located(path)

    def integer(self, key: str, default: T, *, minimum: int, maximum: int, or_word: str = "") -> int | T:
        """An integer from `minimum` to `maximum`; the string `or_word` stands for the default.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None or (or_word and value == or_word):
            return default
        wanted = f"an integer from {minimum} to {maximum}" + (f', or "{or_word}"' if or_word else "")
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._mistyped(key, value, wanted)
        if not minimum <= value <= maximum:
            raise self._wrong(key, _shown(value), wanted)
        return value

    def number(self, key: str, default: float, *, minimum: float, maximum: float) -> float:
        """An integer or a float from `minimum` to `maximum`, as a float.

        Raises:
            ConfigError: it is something else, ``inf`` and ``nan`` included.
        """
        value = self._take(key)
        if value is None:
            return default
        wanted = f"a number from {minimum:g} to {maximum:g}"
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._mistyped(key, value, wanted)
        if not minimum <= value <= maximum:
            raise self._wrong(key, _shown(value), wanted)
        return float(value)

    def boolean(self, key: str, default: T) -> bool | T:
        """``true`` or ``false``.

        Raises:
            ConfigError: it is something else, the string "true" included.
        """
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._mistyped(key, value, "true or false")
        return value

    def boolean_or(self, key: str, default: T, words: tuple[str, ...]) -> bool | str | T:
        """``true``, ``false``, or one of the strings `words`.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or (isinstance(value, str) and value in words):
            return value
        raise self._mistyped(key, value, " or ".join(["true, false", *(f'"{word}"' for word in words)]))

    def choice(self, key: str, default: T, choices: tuple[str, ...]) -> str | T:
        """One of the strings `choices`.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None:
            return default
        wanted = "one of " + ", ".join(choices)
        text = self._expanded(key, value, wanted=wanted)
        if text not in choices:
            raise self._wrong(key, _shown(value), wanted)
        return text

    def date(self, key: str, default: T, *, or_word: str = "") -> date | T:
        """A TOML date, bare: ``2027-01-01``, no quotes and no time; the string `or_word` stands for the default.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None or (or_word and value == or_word):
            return default
        from datetime import date, datetime

        if not isinstance(value, date) or isinstance(value, datetime):
            wanted = "a date without quotes, as 2027-01-01" + (f', or "{or_word}"' if or_word else "")
            raise self._mistyped(key, value, wanted)
        return value

    def texts(self, key: str, default: T, *, or_one: bool = False) -> tuple[str, ...] | T:
        """An array of strings; with `or_one`, a string stands for an array of it.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None:
            return default
        if or_one and isinstance(value, str):
            return (self._expanded(key, value),)
        if not isinstance(value, list):
            raise self._mistyped(key, value, "an array of strings")
        return tuple(self._expanded(f"{key}[{i}]", item) for i, item in enumerate(value))

    def mapping(self, key: str) -> dict[str, str]:
        """A table whose keys are free and whose values are strings, empty when absent.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._mistyped(key, value, "a table of strings")
        return {name: self._expanded(f"{key}.{name}", item) for name, item in value.items()}

    def table(self, key: str) -> Options:
        """A table, an empty one when absent; `finish` finishes it too.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._mistyped(key, value, "a table" if self._prefix else f"a table, under [{key}]")
        return self._child(value, self._dotted(key))

    def tables(self, key: str) -> list[Options]:
        """An array of tables, empty when absent; `finish` finishes them too.

        Raises:
            ConfigError: it is something else.
        """
        value = self._take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._mistyped(key, value, f"tables, each under its own [[{self._dotted(key)}]]")
        return [self._child(item, f"{self._dotted(key)}[{i}]") for i, item in enumerate(value)]

    def excuse(self) -> None:
        """Let no key here be unknown: its reader has met a fault, and did not ask for all of them."""
        self._known.update(self._mapping)

    def unknown(self) -> Iterator[ConfigError]:
        """An error for each key that nobody asked for, here and in every table that was taken from here."""
        for key in self._mapping:
            if key not in self._known:
                bare = key if key and _NAME_CHARACTERS.issuperset(key.replace("-", "")) else _shown(key)
                yield self.error(bare, f"unknown key, {_advice(key, sorted(self._known))}")
        for table in self._tables:
            yield from table.unknown()

    def finish(self) -> None:
        """Refuse what nobody asked for, here and in every table that was taken from here.

        Raises:
            ConfigError: a key is unknown; the nearest known one is named.
        """
        for error in self.unknown():
            raise error

    # -- strings

    def _child(self, mapping: Mapping[str, Any], prefix: str) -> Options:
        child = Options(mapping, file=self.file, prefix=prefix, environ=self._environ, literal=self._literal)
        self._tables.append(child)
        return child

    def _located(self, path: str) -> str:
        return os.path.normpath(os.path.join(self.folder, path))

    def _filled(self, key: str, value: object, *, wanted: str) -> str:
        """`_expanded`, and neither empty nor with a NUL, which no path can hold."""
        text = self._expanded(key, value, wanted=wanted)
        if not text or "\0" in text:
            raise self._wrong(key, _shown(value), wanted)
        return text

    def _expanded(self, key: str, value: object, *, secret: bool = False, wanted: str = "a string") -> str:
        """The string with each ``${NAME}`` replaced; ``$${`` stands for ``${`` itself."""
        if not isinstance(value, str):
            raise self._mistyped(key, value, wanted, secret=secret)
        if self._literal:
            return value
        head, *rest = value.split("${")
        pieces = [head]
        for part in rest:
            if pieces[-1].endswith("$"):
                pieces[-1] = pieces[-1][:-1]
                pieces.append("${" + part)
                continue
            name, brace, tail = part.partition("}")
            if not brace or not name or name[0].isdigit() or not _NAME_CHARACTERS.issuperset(name):
                raise self.error(key, 'found "${" without a name and "}", wanted ${NAME}, or $${ for the text itself')
            if name not in self._environ:
                raise self.error(key, f"found ${{{name}}}, wanted an environment variable that is set")
            pieces += [self._environ[name], tail]
        return "".join(pieces)

    def _secret_file(self, key: str, table: dict[str, Any]) -> str:
        """The content of the file that ``{ file = "..." }`` names, its last line end cut."""
        for other in table:
            if other != "file":
                raise self.error(f"{key}.{other}", 'unknown key, wanted a string or { file = "..." }')
        path = self._located(self._filled(key, table["file"], wanted='{ file = "..." } with a path'))
        try:
            content = _read_private(path)
        except OSError as error:
            raise self.error(key, f"{path} cannot be read: {error.strerror}") from None
        except ConfigError as error:
            raise self.error(key, str(error)) from None
        return content.decode("utf-8", "surrogateescape")


def _read_private(path: str) -> bytes:
    """The content of a file that only its owner and group can use, its last line end cut.

    Raises:
        ConfigError: others can use it, it is no plain file, empty, or too long.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)  # a FIFO must not hang us
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if mode & 0o170000 != 0o100000:  # S_IFMT, S_IFREG: `stat` is a module more
            raise ConfigError(f"found {path}, wanted a plain file")
        if mode & 0o006:
            raise ConfigError(
                f"found {path} with mode {mode & 0o7777:04o}, wanted a file closed to others: chmod 600 {path}"
            )
        content = file.read(MAX_SECRET_BYTES + 1)
    if content.endswith(b"\n"):
        content = content[: -2 if content.endswith(b"\r\n") else -1]
    if not content:
        raise ConfigError(f"found {path} empty, wanted a secret in it")
    if len(content) > MAX_SECRET_BYTES:
        raise ConfigError(f"found {path} over {MAX_SECRET_BYTES} bytes, wanted one secret")
    return content


def _shown(value: object) -> str:
    """A string, number, boolean or date as TOML writes it, on one line, cut where it is long."""
    if isinstance(value, str):
        cut = value if len(value) <= _MAX_SHOWN_CHARACTERS else value[:_MAX_SHOWN_CHARACTERS] + "..."
        escaped = (f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)
        return '"' + "".join(escaped) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print the longest
        return "a number beyond all bounds"
    return str(value)


def _described(value: object, *, secret: bool) -> str:
    """A value of the wrong type: what it is and its TOML type; nothing of the content of secrets, arrays, tables."""
    kind = _TOML_TYPES.get(type(value).__name__, type(value).__name__)
    kind = f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
    return kind if secret or isinstance(value, list | dict) else f"{_shown(value)} ({kind})"


def _advice(key: str, known: list[str]) -> str:
    """What was probably meant by the unknown `key`."""
    from difflib import get_close_matches  # costs a start 10 ms, so only in an error

    near = get_close_matches(key.lower(), known, n=1, cutoff=0.7)
    if near:
        return f"did you mean {near[0]}?"
    return f"wanted one of {', '.join(known)}" if known else "wanted none here"
