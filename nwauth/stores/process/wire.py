"""The lines between us and a module: what a request can carry, and what a reply says.  No input or output here."""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import Info, Record, User
from nwauth.names import ENCODING, ERRORS, MAX_NAME_BYTES, fold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

MAX_REQUEST_BYTES = 8192  # spec/protocol.md section 1: what a module of ours reads
MAX_PASSWORD_BYTES = 1024  # old modules read into fixed buffers (CVE-2001-1355), and nobody's password is that long
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - nobody's: stands where a module always expects one and it is not known
CLEAR_TAG = "{CLEAR}"
NO_PASSWORD = "(NULL)"  # noqa: S105 - the protocol's word for "leave it alone"
KINDS = ("+OK", "-ERR", "-DEAD", "+DATA")

# Texts of an -ERR that speak of the request and not of the user: no proof that somebody is absent.
_NOT_UNDERSTOOD = (
    *("unknown command", "invalid command", "bad command", "illegal command", "unrecognised", "unrecognized"),
    *("not supported", "unsupported", "not implemented", "unimplemented", "syntax error"),
)
_WRONG = ("wrong", "password", "incorrect", "not a valid", "exist", "unknown user", "no such user", "not found")


class Reply(Record):
    """A line of an answer: its first word, and all behind the blank that follows."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: str) -> None:
        self.kind: Final = kind
        self.text: Final = text


def read_reply(line: bytes) -> Reply | None:
    """The reply that a line (without its LF) is; None where it is none."""
    kind, _, text = line.removesuffix(b"\r").decode(ENCODING, ERRORS).partition(" ")
    return Reply(kind, text) if kind in KINDS else None


# --- replies ---------------------------------------------------------------------------------------------------------


def user_of(text: str, *, store: str) -> User:
    """The user of an ``+OK name drop_path [uid [info]]``.

    The uid may be absent where there is no info (the oldest modules).  An empty place is one left to the server.
    """
    name, _, rest = text.partition(" ")
    drop_path, _, rest = rest.partition(" ")
    uid, _, info = rest.partition(" ")
    if '="' in uid:
        uid, info = "0", rest
    return User(
        name=name,
        stored_password="",
        info=Info(info),
        drop_path=drop_path or "config",
        uid=uid or "0",
        store=store,
    )


def hit_of(text: str, *, store: str) -> User:
    """The user of a ``+DATA name [info]``."""
    name, _, info = text.partition(" ")
    return User(name=name, stored_password="", info=Info(info), store=store)


def is_name_of(asked: str, answered: str) -> bool:
    """Whether a reply for `answered` is one to a question about `asked`: modules may put a domain behind, or cut it."""
    asked, answered = fold(asked), fold(answered)
    return asked == answered or answered.startswith(asked + "@") or asked.startswith(answered + "@")


def names(text: str, name: str) -> bool:
    """Whether the text of an ``-ERR`` speaks of this user."""
    return fold(name) in fold(text).split(" ")


def is_not_understood(text: str, name: str) -> bool:
    """Whether the text of an ``-ERR`` says that the module does not know the request; the user's name in it is none."""
    words = [word for word in fold(text).split(" ") if word and word != fold(name)]
    return words[:1] in (["usage"], ["usage:"]) or any(phrase in " ".join(words) for phrase in _NOT_UNDERSTOOD)


def is_wrong_password(text: str, name: str) -> bool:
    """Whether the text of an ``-ERR`` to a check says no more than that: wrong password, or no such user."""
    words = " ".join(word for word in fold(text).split(" ") if word != fold(name))
    return not words.strip() or any(phrase in words for phrase in _WRONG)


def total_of(text: str) -> int | None:
    """The number of all users in the ``+OK`` that ends a search; None where it is not said there."""
    before, _, number = text.rstrip().rpartition(" ")
    said = before.endswith(" out of") and number.isascii() and number.isdigit() and len(number) < 19
    return int(number) if said else None


# --- requests --------------------------------------------------------------------------------------------------------


def encoded(text: str) -> bytes:
    """Text as bytes of the wire."""
    return text.encode(ENCODING, ERRORS)


def can_name(name: str) -> bool:
    """Whether a request can name this user; who cannot be named is no user of a module."""
    try:
        raw = encoded(name)
    except UnicodeEncodeError:  # a surrogate that no byte stands behind
        return False
    return 0 < len(raw) <= MAX_NAME_BYTES and not _has(raw, up_to=32)


def lookup(name: str) -> bytes:
    """The line that asks for a user."""
    return b"lookup " + encoded(name) + b"\n"


def delete(name: str) -> bytes:
    """The line that deletes a user."""
    return b"del " + encoded(name) + b"\n"


def search(pattern: str) -> bytes:
    """The line that lists whoever `pattern` may match; more are listed where the line cannot say it exactly.

    What is not ASCII is left open, for modules compare bytes; so is what would end the word or be taken for an option.
    """
    raw = pattern if pattern.isascii() else fold(pattern)
    word = "".join(c if "!" <= c <= "~" else "*" for c in raw)
    if word[:1] == "-":
        word = "*" + word[1:]
    if word != raw and "*" not in pattern and "?" not in pattern:
        word = f"*{word}*"  # it was a part of a name, and the stars have made it a whole one
    return b"search " + encoded(word if 0 < len(word) <= MAX_NAME_BYTES else "*") + b"\n"


def check(name: str, password: bytes, address: str | None, *, reading: str) -> bytes | None:
    """The line that checks a password; None where no line can carry it: it is nobody's then.

    `reading` is how the module reads what stands behind the name: "always" takes the last word for the client's
    address, "never" takes all for the password.  With "auto" the third word is the password and a fourth the address:
    a password with blanks would let somebody in who types a right one and an address.
    """
    if not password or len(password) > MAX_PASSWORD_BYTES or _has(password, up_to=31):
        return None
    if reading == "auto" and b" " in password:
        return None
    line = b"check " + encoded(name) + b" " + password
    if reading == "always":
        line += b" " + encoded(address or NO_ADDRESS)
    elif reading == "auto" and address is not None:
        line += b" " + encoded(address)
    return line + b"\n"


def set_user(name: str, field: str, fields: Mapping[str, str]) -> bytes:
    """The line that adds or changes a user; a `field` of "" leaves the password alone.

    Raises:
        Refused: no line can carry it; or the field is a hash: the module would take it for the password itself.
    """
    if not can_name(name):
        raise Refused(f"a module cannot be told the name {name[:MAX_NAME_BYTES]!a}: it holds blanks or is too long")
    words = [b"set", encoded(name), _password(field) if field else NO_PASSWORD.encode()]
    for label, value in fields.items():
        if not label or any(c <= " " or c in '="\x7f' for c in label) or any(c < " " or c in '"\x7f' for c in value):
            raise Refused(f"a module cannot be told the info field {label!a}: it holds a quote or a control character")
        words.append(encoded(f'{label}="{value}"'))
    line = b" ".join(words)
    if len(line) > MAX_REQUEST_BYTES:
        raise Refused(f"a module reads {MAX_REQUEST_BYTES} bytes, and this change has {len(line)}: send less info")
    return line + b"\n"


def _password(field: str) -> bytes:
    if not field.startswith(CLEAR_TAG):
        raise Refused("a module takes passwords, not hashes: give the password itself")
    password = encoded(field.removeprefix(CLEAR_TAG))
    if not password or password == NO_PASSWORD.encode() or len(password) > MAX_PASSWORD_BYTES or _has(password, 32):
        raise Refused(
            f"a module takes passwords of 1 to {MAX_PASSWORD_BYTES} bytes without blanks, and not {NO_PASSWORD}"
        )
    return password


def _has(raw: bytes, up_to: int) -> bool:
    """Whether there is a byte of at most `up_to`, or DEL."""
    return b"\x7f" in raw or min(raw, default=255) <= up_to
