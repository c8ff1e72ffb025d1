"""One line of a user file: ``name:password-field:info`` (spec/stores.md section 1)."""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, PRINTABLE, fold_bytes, holds_only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nwauth.stores.base import Held

PLAIN = PRINTABLE + b"\n"
TOMBSTONE = b"#del "  # a deletion; it counts in the journal only


def fits(line: bytes) -> bool:
    """Whether `line` is a user's: a name, a colon, a field, a colon; no comment, no NUL (a block lost in a crash)."""
    return line.count(b":") > 1 and line[0] not in b"#:" and b"\0" not in line


def deleted_key(line: bytes) -> bytes | None:
    """The folded name that a journal line deletes, if it is a deletion."""
    if not line.startswith(TOMBSTONE):
        return None
    return fold_bytes(line[len(TOMBSTONE) :].rstrip(b"\r"))


def parse(line: bytes, store: str) -> User:
    """The user on a line that `fits`."""
    name, stored_password, info = line.decode(ENCODING, ERRORS).split(":", 2)
    return User(name=name, stored_password=stored_password, info=Info(info.rstrip("\r")), store=store)


def held(rows: list[bytes]) -> list[Held]:
    """What `User.held` gives of the users on lines that fit."""
    texts = b"\n".join(rows).decode(ENCODING, ERRORS).split("\n")
    parts = (text.split(":", 2) for text in texts)
    return [(name, field, "config", "0", "", info.rstrip("\r")) for name, field, info in parts]


def held_of(chunk: bytes) -> list[Held]:
    """The same of the users on whole lines, in half the time where no line is anything else."""
    text = chunk.decode(ENCODING, ERRORS).removesuffix("\n")
    if text[:1] not in ("", "#", ":") and not any(odd in text for odd in ("\n#", "\n:", "\n\n", "\0", "\r")):
        parts = [row.split(":", 2) for row in text.split("\n")]
        if set(map(len, parts)) == {3}:
            return [(name, field, "config", "0", "", info) for name, field, info in parts]
    rows = [row for row in chunk.split(b"\n") if row and fits(row)]
    return held(rows) if rows else []


def serialize_all(columns: Sequence[Sequence[str]]) -> bytes:
    """The lines of users, each with its end; `columns`: what is held of them.

    Raises:
        Refused: as `serialize` does.
    """
    names, fields, *own, infos = columns
    together = "".join(names)
    text = "".join([f"{name}:{field}:{info}\n" for name, field, info in zip(names, fields, infos, strict=True)])
    if (
        [*map(set, own)] == [{"config"}, {"0"}, {""}]
        and text.count("\n") == len(names)
        and (holds_only(text, PLAIN) or text.replace("\n", "").isprintable())
        and ":" not in together
        and "#" not in together
        and ":" not in "".join(fields)
        and all(names)
    ):
        return text.encode(ENCODING, ERRORS)
    return b"".join(serialize(User.of(user, store="")) + b"\n" for user in zip(*columns, strict=True))


def serialize(user: User) -> bytes:
    """The line of a user, without its end.

    Raises:
        Refused: a line cannot hold this user: it would be read as another, or as two, or without a part.
    """
    line = f"{user.name}:{user.stored_password}:{user.info.text}".encode(ENCODING, ERRORS)
    if b"\n" in line or not fits(line) or parse(line, user.store) != user:
        if (user.drop_path, user.uid, user.ip_mask) != ("config", "0", ""):
            raise Refused("a line of nwauth.txt has no place for a drop path, a uid or an IP mask")
        raise Refused("name, password field or info hold what a line of nwauth.txt cannot")
    return line


def tombstone(name: bytes) -> bytes:
    """The journal line that deletes `name`."""
    return TOMBSTONE + name


def is_whole(line: bytes, complete: Callable[[str], bool]) -> bool:
    """Whether a last line without an end can be taken for a whole one (after a power cut it may be torn).

    `complete` tells whether a password field is of a known form and of full length.
    """
    if not fits(line) or line.count(b'"') % 2:
        return False
    return complete(line.split(b":", 2)[1].decode(ENCODING, ERRORS))
