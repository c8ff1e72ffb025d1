"""One line of a passwd file: ``name:password:uid:gid:gecos:home:shell``, and an eighth field of extras.

Fewer fields are accepted from the right, but the one behind the name must be there.  A line that begins with ``#`` is a
comment, and one that begins with ``+`` is for NIS: neither is a user's.  Nor is one whose name has a blank at an end,
or a CR in it: what would be listed so could not be asked for.
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.passwd.extras import field_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL, EXTRAS = range(8)
IN_SHADOW = "x"
NO_NAME = b"#:+ \t"  # what a line begins with that is nobody's
BLANKS = b" \t"


def fits(line: bytes) -> bool:
    """Whether `line` is a user's: a name and a colon; no comment, no NUL (a block lost in a crash)."""
    colon = line.find(b":")
    if colon < 1 or line[0] in NO_NAME or line[colon - 1] in BLANKS or b"\0" in line:
        return False
    return line.find(b"\r", 0, colon) < 0


def fields_of(line: bytes) -> list[str]:
    """The eight fields of a line that `fits`; those that are not there are empty."""
    fields = line.decode(ENCODING, ERRORS).rstrip("\r").split(":", EXTRAS)
    lacking = EXTRAS + 1 - len(fields)
    return fields + [""] * lacking if lacking else fields


def changed(line: bytes, *, name: str, password: str | None, info: str | None) -> bytes:
    """`line` with another name, and another password field and info text where they are given; all else as it stands.

    Raises:
        Refused: a line cannot hold them.
    """
    text = line.decode(ENCODING, ERRORS)
    body = text.rstrip("\r")
    fields = body.split(":", EXTRAS)
    fields[NAME] = name
    if password is not None:
        fields[PASSWORD] = password
    if info is not None:
        extras = field_of(info, fields[EXTRAS] if len(fields) > EXTRAS else "")
        if extras or len(fields) > EXTRAS:
            fields += [""] * (EXTRAS + 1 - len(fields))
            fields[EXTRAS] = extras
        if not extras and fields[EXTRAS - 1]:  # a shell: so it is a line of seven fields that was given an eighth
            del fields[EXTRAS:]
    return checked(":".join(fields) + text[len(body) :])


def checked(text: str) -> bytes:
    """The bytes of a line.  Raises Refused where it would be read as two, or as nobody's."""
    line = text.encode(ENCODING, ERRORS)
    if b"\n" in line or not fits(line):
        raise Refused("this would be two lines of a passwd file, or nobody's: it holds a line end or a NUL")
    return line


def must_be_held(*, name: str, password: str) -> None:
    """Raises Refused, in words for each, where a line cannot hold such a name or password field."""
    raw = name.encode(ENCODING, ERRORS)
    if not raw:
        raise Refused("the name is empty, and a line of a passwd file begins with one")
    if ":" in name:
        raise Refused(f"the name {name!a} holds a colon, which ends it in a passwd file")
    if raw[0] in BLANKS or raw[-1] in BLANKS:
        raise Refused(f"the name {name!a} has a blank at an end: such a line of a passwd file is nobody's")
    if raw[0] in NO_NAME:
        raise Refused(f"the name {name!a} begins with {name[0]}: such a line of a passwd file is nobody's")
    if any(character in name for character in "\r\n\0"):
        raise Refused(f"the name {name!a} holds a line end or a NUL, which a line of a passwd file cannot")
    if ":" in password:
        raise Refused("the password, as it would be stored, holds a colon, which ends it in a passwd file")
    if any(character in password for character in "\r\n\0"):
        raise Refused("the password, as it would be stored, holds a line end or a NUL: a passwd file cannot")


class NewUser:
    """What a new line holds beside name, password and info; `home` may hold ``{name}`` and ``{domain}``."""

    def __init__(self, *, uid: str = "", gid: str = "", home: str = "", shell: str = "") -> None:
        self.uid: Final = uid
        self.gid: Final = gid
        self.home: Final = home
        self.shell: Final = shell

    def line(self, *, name: str, domain: str, password: str, uid: str, info: str) -> bytes:
        """The line of a new user.  Raises Refused: a line cannot hold it."""
        home = self.home.replace("{name}", name).replace("{domain}", domain)
        fields = [name, password, uid or self.uid, self.gid, "", home, self.shell]
        if any(":" in field for field in fields):
            raise Refused("the uid or the home holds a colon, which ends a field of a passwd file")
        extras = field_of(info, "") if info else ""
        return checked(":".join([*fields, extras] if extras else fields))
