"""The line protocol: bytes to requests, replies to bytes.  No input or output here (spec/protocol.md)."""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import Record
from nwauth.names import ENCODING, ERRORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

MAX_LINE_BYTES = 8192
MAX_ADDRESSES = 1024  # remembered as such: the same clients come again
MAX_REPLY_BYTES = 99  # of an -ERR or -DEAD line with its end: "under 100 bytes"

GRAMMAR = {
    "lookup": "lookup <user>",
    "check": "check <user> <password> [<from-ip>]",
    "set": 'set <user> <password>|(NULL) [<name>="<value>" ...]',
    "del": "del <user>",
    "search": "search <string> [-from <n>] [-max <m>]",
    "version": "version",
    "help": "help",
    "exit": "exit | quit",
}


class BadRequest(Refused):
    """A line that is no request; the text goes into the ``-ERR`` reply."""


def _usage(command: str) -> BadRequest:
    return BadRequest(f"usage: {GRAMMAR[command]}")


# --- requests --------------------------------------------------------------------------------------------------------


class Lookup(Record):
    """Does this user exist, and where is the mail?"""

    __slots__ = ("user",)
    command = "lookup"

    def __init__(self, user: str) -> None:
        self.user: Final = user


class Check(Record):
    """Is this the user's password, and may the user come in now, from there?

    `address` is None when the server gave none that is one; `stray_length` is then the length of the word in its place.
    """

    __slots__ = ("address", "password", "stray_length", "user")
    SECRET = ("password",)
    command = "check"

    def __init__(self, user: str, password: bytes, address: str | None = None, stray_length: int = 0) -> None:
        self.user: Final = user
        self.password: Final = password
        self.address: Final = address
        self.stray_length: Final = stray_length


class Set(Record):
    """Add or change a user; `password` is None where the line says ``(NULL)``: leave it alone."""

    __slots__ = ("fields", "password", "user")
    SECRET = ("password",)
    command = "set"

    def __init__(self, user: str, password: bytes | None, fields: dict[str, str]) -> None:
        self.user: Final = user
        self.password: Final = password
        self.fields: Final = fields


class Delete(Record):
    """Delete a user."""

    __slots__ = ("user",)
    command = "del"

    def __init__(self, user: str) -> None:
        self.user: Final = user


class Search(Record):
    """List the users that match; `skip` hits are left out first, `limit` are sent at most (None: all)."""

    __slots__ = ("limit", "pattern", "skip")
    command = "search"

    def __init__(self, pattern: str, skip: int = 0, limit: int | None = None) -> None:
        self.pattern: Final = pattern
        self.skip: Final = skip
        self.limit: Final = limit


class Version(Record):
    """Which program is this?"""

    __slots__ = ()
    command = "version"


class Help(Record):
    """Which commands are there?"""

    __slots__ = ()
    command = "help"


class Exit(Record):
    """The end."""

    __slots__ = ()
    command = "exit"


if TYPE_CHECKING:
    Request = Lookup | Check | Set | Delete | Search | Version | Help | Exit


# --- parsing ---------------------------------------------------------------------------------------------------------


def split_words(text: str) -> list[str]:
    """The words of a line: only runs of blanks and tabs divide them (`str.split` also divides at U+0085)."""
    if text.isascii() and text.isprintable():
        return text.split()
    return [word for word in text.replace("\t", " ").split(" ") if word]


def _rest_after(text: str, words: int) -> str:
    """What follows the first `words` words and the one blank behind them, blanks kept."""
    at = 0
    for _ in range(words):
        while at < len(text) and text[at] in " \t":
            at += 1
        while at < len(text) and text[at] not in " \t":
            at += 1
    return text[at + 1 :]


def is_address(word: str) -> bool:
    """Whether `word` is an IPv4 or IPv6 address (a zone id may follow)."""
    if ":" not in word:
        parts = word.split(".")
        return len(parts) == 4 and all(p.isascii() and p.isdigit() and len(p) <= 3 and int(p) < 256 for p in parts)
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(word)
    except AddressValueError:
        return False
    return True


def parse_fields(text: str) -> dict[str, str]:
    """The info fields of a `set`: ``name="value"`` pairs between blanks; of a field given twice the last counts.

    Raises:
        BadRequest: the text is anything else, or a name or value holds what it may not.
    """
    fields: dict[str, tuple[str, str]] = {}
    rest = text.lstrip(" \t")
    while rest:
        name, equals, rest = rest.partition('="')
        value, quote, rest = rest.partition('"')
        if not (equals and quote) or (rest and rest[0] not in " \t"):
            raise BadRequest('malformed info, expected name="value"')
        check_field(name, value)
        fields[name.lower()] = (name, value)
        rest = rest.lstrip(" \t")
    return dict(fields.values())


def check_field(name: str, value: str) -> None:
    """Raises BadRequest where `name` or `value` cannot stand in an info field."""
    if not name.isidentifier() and (not name or any(c <= " " or c in '="\x7f' for c in name)):
        raise BadRequest("malformed info: a field name holds no blank, '=', quote or control character")
    if ('"' in value or not value.isprintable()) and any(c < " " or c in '"\x7f' for c in value):
        raise BadRequest("malformed info: a value holds no quote or control character")


class Parser:
    """Lines to requests.  It remembers one thing: whether this server is known to send no client addresses.

    `address` says how the words after the name of a `check` are read: ``always``, ``never`` or ``auto``.
    """

    def __init__(self, address: str = "auto") -> None:
        self._check: Final = {"always": self._check_always, "never": self._check_never, "auto": self._check_auto}[
            address
        ]
        self._no_addresses = False
        self._addresses: set[str] = set()  # those met, and nothing else: the words asked about may be passwords
        self._parsers: Final[dict[str, Callable[[list[str], str], Request]]] = {
            "lookup": self._lookup,
            "check": self._check,
            "set": self._set,
            "del": self._delete,
            "search": self._search,
            "version": _bare(Version()),
            "help": _bare(Help()),
            "exit": _bare(Exit()),
            "quit": _bare(Exit()),
        }

    def parse(self, line: bytes) -> Request | None:
        """The request on a line (without its LF), or None for a blank line.

        Raises:
            BadRequest: the line is no request.
        """
        if line[-1:] == b"\r":
            line = line[:-1]
        if len(line) > MAX_LINE_BYTES:
            raise BadRequest(f"line longer than {MAX_LINE_BYTES} bytes")
        text = line.decode(ENCODING, ERRORS)
        words = split_words(text)
        if not words:
            return None
        parser = self._parsers.get(words[0]) or self._parsers.get(words[0].lower())
        if parser is None:
            raise BadRequest("unknown command")
        return parser(words, text)

    @staticmethod
    def _lookup(words: list[str], _text: str) -> Lookup:
        if len(words) != 2:
            raise _usage("lookup")
        return Lookup(words[1])

    def _check_auto(self, words: list[str], _text: str) -> Check:
        if not 3 <= len(words) <= 4:
            raise _usage("check")
        user, third = words[1], words[2]
        if len(words) == 3:
            if self._is_address(third):  # an empty password before an address: wrong, and it teaches nothing
                return Check(user, b"", third)
            self._no_addresses = True
            return Check(user, third.encode(ENCODING, ERRORS))
        return self._with_address(user, third, "" if self._no_addresses else words[3], len(words[3]))

    def _check_always(self, words: list[str], text: str) -> Check:
        if len(words) < 3:
            raise _usage("check")
        between = _rest_after(text, 2).rstrip(" \t")
        cut = max(between.rfind(" "), between.rfind("\t"))
        return self._with_address(words[1], between[: max(cut, 0)], words[-1], len(words[-1]))

    @staticmethod
    def _check_never(words: list[str], text: str) -> Check:
        password = _rest_after(text, 2)
        if len(words) < 2 or not password:
            raise _usage("check")
        return Check(words[1], password.encode(ENCODING, ERRORS))

    def _with_address(self, user: str, password: str, word: str, length: int) -> Check:
        if word and self._is_address(word):
            return Check(user, password.encode(ENCODING, ERRORS), word)
        return Check(user, password.encode(ENCODING, ERRORS), None, length)

    def _is_address(self, word: str) -> bool:
        if word in self._addresses:
            return True
        known = is_address(word)
        if known:
            if len(self._addresses) >= MAX_ADDRESSES:
                self._addresses.clear()
            self._addresses.add(word)
        return known

    @staticmethod
    def _set(words: list[str], text: str) -> Set:
        if len(words) < 3:
            raise _usage("set")
        user, password = words[1], words[2]
        fields = parse_fields(_rest_after(text, 3)) if len(words) > 3 else {}
        return Set(user, None if password == "(NULL)" else password.encode(ENCODING, ERRORS), fields)  # noqa: S105 - the protocol's word for none

    @staticmethod
    def _delete(words: list[str], _text: str) -> Delete:
        if len(words) != 2:
            raise _usage("del")
        return Delete(words[1])

    @staticmethod
    def _search(words: list[str], _text: str) -> Search:
        numbers: dict[str, int] = {}
        patterns: list[str] = []
        rest = iter(words[1:])
        for word in rest:
            if word.lower() in ("-from", "-max"):
                number = next(rest, "")
                if not (number.isascii() and number.isdigit() and len(number) < 19):
                    raise _usage("search")
                numbers[word.lower()] = int(number)
            else:
                patterns.append(word)
        if len(patterns) != 1:
            raise _usage("search")
        return Search(patterns[0], numbers.get("-from", 0), numbers.get("-max"))


def _bare(request: Version | Help | Exit) -> Callable[[list[str], str], Request]:
    def parse(words: list[str], _text: str) -> Request:
        if len(words) != 1:
            raise _usage(request.command)
        return request

    return parse


# --- replies ---------------------------------------------------------------------------------------------------------

# Control bytes never reach the wire; a tab in stored info text reads as the blank that it stands for.
_WIRE = bytes(ord(" ") if b == 9 else ord("?") if b < 32 or b == 127 else b for b in range(256))


class Reply(Record):
    """One line of an answer.  `kind` is its first word; `subject` is a name before the text of an ``-ERR``."""

    __slots__ = ("kind", "subject", "text")

    def __init__(self, kind: str, text: str, subject: str = "") -> None:
        self.kind: Final = kind
        self.text: Final = text
        self.subject: Final = subject

    @property
    def final(self) -> bool:
        """Whether this line ends the answer."""
        return self.kind != "+DATA"

    def encode(self) -> bytes:
        """The bytes of the line, LF included.  Never fails, whatever the text holds."""
        if self.kind[0] == "+":
            return _wire(f"{self.kind} {self.text}") + b"\n"
        line = _wire(f"{self.kind} {self.subject} {self.text}" if self.subject else f"{self.kind} {self.text}")
        if len(line) < MAX_REPLY_BYTES:
            return line + b"\n"
        subject, text = _wire(self.subject), _wire(f" {self.text}" if self.subject else self.text)
        # A long name is cut rather than the words behind it: mail clients know those (netwin.md section 9).
        subject = _cut(subject, max(0, MAX_REPLY_BYTES - len(self.kind) - 2 - len(text)))
        return _cut(self.kind.encode() + b" " + subject + text, MAX_REPLY_BYTES - 1) + b"\n"


def _wire(text: str) -> bytes:
    try:
        raw = text.encode(ENCODING, ERRORS)
    except UnicodeEncodeError:  # a surrogate that no byte stands behind
        raw = text.encode(ENCODING, "replace")
    return raw.translate(_WIRE)


def _cut(line: bytes, length: int) -> bytes:
    """At most `length` bytes of `line`, cut on a character boundary."""
    if len(line) <= length:
        return line
    while length and line[length] & 0xC0 == 0x80:
        length -= 1
    return line[:length]


def ok(text: str) -> Reply:
    """Success; ends the answer."""
    return Reply("+OK", text)


def data(text: str) -> Reply:
    """One hit of a listing."""
    return Reply("+DATA", text)


def err(text: str, subject: str = "") -> Reply:
    """No."""
    return Reply("-ERR", text, subject)


def dead(text: str) -> Reply:
    """Cannot tell now."""
    return Reply("-DEAD", text)


def does_not_exist(user: str) -> Reply:
    """The answer for a user who is definitely absent."""
    return Reply("-ERR", "does not exist", user)


def wrong_password(user: str) -> Reply:
    """The one answer to every login that is refused: it must not tell a wrong password from an unknown user."""
    return Reply("-ERR", "password wrong or not a valid user", user)
