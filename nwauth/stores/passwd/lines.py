"""One line of a passwd file: ``name:password:uid:gid:gecos:home:shell``, and an eighth field of extras.

Fewer fields are accepted from the right, but the one behind the name must be there.  A line that begins with ``#`` is a
comment, and one that begins with ``+`` is for NIS: neither is a user's.
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


def fits(line: bytes) -> bool:
    """Whether `line` is a user's: a name and a colon; no comment, no NUL (a block lost in a crash)."""
    return b":" in line and line[0] not in b"#:+" and b"\0" not in line


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
    return checked(":".join(fields) + text[len(body) :])


def checked(text: str) -> bytes:
    """The bytes of a line.  Raises Refused where it would be read as two, or as nobody's."""
    line = text.encode(ENCODING, ERRORS)
    if b"\n" in line or not fits(line):
        raise Refused("the name, the password field or the info holds what a line of a passwd file cannot")
    return line


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
            raise Refused("the name, the password field or the home holds a colon, which ends a field of a passwd file")
        extras = field_of(info, "") if info else ""
        return checked(":".join([*fields, extras] if extras else fields))
