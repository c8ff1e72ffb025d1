r"""One line of the log, made and read back: text, or NDJSON.

``2027-01-31T18:00:00.123+13:00 check user=bob ip=192.0.2.7 store=files scheme=argon2id result=ok ms=41``: a text line
is a time stamp, a command and ``key=value`` pairs between single blanks; ``level`` stands there unless it is info.  A
value stands in double quotes where it is empty or holds a blank, ``"``, ``=``, a backslash or anything that does not
print; in quotes a backslash escapes: ``\xNN`` is a byte, ``\uNNNN`` and ``\UNNNNNNNN`` a character.  So no value can
pass for another line, another pair or a command to a terminal.  An NDJSON line holds the same as an ASCII object.
"""

from __future__ import annotations

import time

from nwauth.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

ERROR, INFO, DEBUG = 1, 2, 3
LEVELS = {"error": ERROR, "info": INFO, "debug": DEBUG}
MAX_VALUE_BYTES = 512  # of UTF-8; the rest of a longer value is cut and counted
MAX_TEXT_BYTES = 8192  # the same for the texts of an event, which may be a traceback
NEVER_LOGGED = frozenset(("hash", "passwd", "password", "secret", "stored_password"))

_LEVEL_NAMES = {value: name for name, value in LEVELS.items()}
_OWN_KEYS = frozenset(("command", "level", "ms", "time"))
_MAX_KNOWN_KEYS = 256
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_UNESCAPES = {escape[1]: character for character, escape in _ESCAPES.items()}


class Stamp:
    """Local time with milliseconds and the offset from UTC; what changes once a second is made once a second."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now: Final = now
        self._second = -1
        self._head = self._tail = ""

    def __call__(self) -> str:
        instant = self._now()
        second = int(instant)
        if second != self._second:
            local = time.localtime(second)
            self._head = time.strftime("%Y-%m-%dT%H:%M:%S.", local)
            sign, offset = "-" if local.tm_gmtoff < 0 else "+", abs(local.tm_gmtoff) // 60
            self._tail = f"{sign}{offset // 60:02}:{offset % 60:02}"
            self._second = second
        return f"{self._head}{int((instant - second) * 1000):03}{self._tail}"


def no_stamp() -> str:
    """Where lines are stamped by others."""
    return ""


def text(stamp: str, level: int, command: str, facts: Mapping[str, object], ms: str | None) -> str:
    """A line in text; `ms` None: of an event."""
    parts = [stamp, _word(command)] if stamp else [_word(command)]
    if level != INFO:
        parts.append(f"level={_LEVEL_NAMES[level]}")
    limit = MAX_TEXT_BYTES if ms is None else MAX_VALUE_BYTES
    for key, value in facts.items():
        head = _heads.get(key)
        if head is None:
            head = _head(key)
        if head:
            said = value if value.__class__ is str else _as_text(value)
            parts.append(head + _word(said if len(said) <= _SURELY_SHORT else _cut(said, limit)))
    if ms is not None:
        parts.append("ms=" + ms)
    return " ".join(parts)


def ndjson(stamp: str, level: int, command: str, facts: Mapping[str, object], ms: str | None) -> str:
    """The same as an object of JSON."""
    import json  # 11 ms, paid by those who ask for it

    record: dict[str, object] = {"time": stamp, "level": _LEVEL_NAMES[level], "command": _utf8(command)}
    limit = MAX_TEXT_BYTES if ms is None else MAX_VALUE_BYTES
    for key, value in facts.items():
        name = _name(key)
        if name is not None:
            plain = value is None or isinstance(value, bool | int) or (isinstance(value, float) and value - value == 0)
            record[_utf8(name)] = value if plain else _utf8(_cut(_as_text(value), limit))
    if ms is not None:
        record["ms"] = float(ms) if "." in ms else int(ms)
    return json.dumps(record, separators=(",", ":"))


def _name(key: str) -> str | None:
    """The key as it is logged: one of our own gets a ``_``; None: never."""
    if key.lower() in NEVER_LOGGED:
        return None
    return f"{key}_" if key in _OWN_KEYS else _cut(key, MAX_VALUE_BYTES)


_heads: dict[str, str] = {}  # key to "key=": the service's keys are few and always the same
_SURELY_SHORT = MAX_VALUE_BYTES // 4  # characters: no character has over 4 bytes


def _head(key: str) -> str:
    name = _name(key)
    head = "" if name is None else _word(name) + "="
    if len(_heads) < _MAX_KNOWN_KEYS:
        _heads[key] = head
    return head


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "-" if value is None else str(value)


def _utf8(text: str) -> str:
    r"""`text` with each byte that was no UTF-8 written as ``\xNN``: strict JSON readers refuse lone surrogates."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes of `text`, with the number of those left out behind them."""
    if len(text) <= limit // 4:
        return text
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit:
        return text
    end = limit
    while data[end] & 0xC0 == 0x80:  # never inside a character
        end -= 1
    return f"{data[:end].decode('utf-8', 'surrogatepass')}...+{len(data) - end}"


def _word(text: str) -> str:
    """`text` as it stands, or in quotes with escapes where it could be taken for something else."""
    # isprintable is false for control characters, all blanks but " ", marks of direction and surrogates
    if text and text.isprintable() and " " not in text and '"' not in text and "=" not in text and "\\" not in text:
        return text
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escaped(ord(c))) for c in text) + '"'


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as surrogateescape keeps it
        code -= 0xDC00
    elif code > 0x7F:
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return f"\\x{code:02x}"


def parse_line(line: str) -> dict[str, str]:
    """A text line read back: ``time``, ``command``, ``level`` and the pairs, in the order of the line.

    Raises:
        Refused: it is no whole line of this log.
    """
    import re  # 9 ms, and nothing that serves reads the log

    word = r'"(?:[^"\\]|\\.)*"|[^ ="\\]+'
    head = re.match(rf"(\d[^ ]+) ({word})(?= |\Z)", line.removesuffix("\n"))
    if not head:
        raise Refused("no line of this log")
    found = {"time": head[1], "command": _unescaped(head[2]), "level": "info"}
    at, end = head.end(), len(head.string)
    pair = re.compile(rf" ({word})=({word})(?= |\Z)")
    while at < end:
        match = pair.match(head.string, at)
        if not match:
            raise Refused("no line of this log")
        found[_unescaped(match[1])] = _unescaped(match[2])
        at = match.end()
    return found


def _unescaped(word: str) -> str:
    """What `_word` was given; an escape that it never writes stands for itself."""
    import re

    def character(match: re.Match[str]) -> str:
        letter, digits = match[1][0], match[1][1:]
        if not digits:
            return _UNESCAPES.get(letter, match[0])
        code = int(digits, 16)
        return chr(code + 0xDC00 if letter == "x" and code > 0x7F else min(code, 0x10FFFF))

    if not word.startswith('"'):
        return word
    return re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)", character, word[1:-1])
