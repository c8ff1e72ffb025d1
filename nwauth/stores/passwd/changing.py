"""One change of a passwd file and its shadow, in an order in which a crash at any instant hurts nobody.

A password comes to the shadow file before a line points there, and leaves it after; what lies there without such a line
is nobody's, and gives way to the next user of that name.
"""

from __future__ import annotations

import os
import time

from nwauth.errors import Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.stores.passwd import aging, lines
from nwauth.stores.passwd.lines import IN_SHADOW, NAME, PASSWORD, fields_of
from nwauth.stores.passwd.table import Missing
from nwauth.stores.passwd.writing import Change, Overtaken
from nwauth.stores.textfile.record import WAIT_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final, TypeVar

    from nwauth.stores.passwd.pair import Held, Pair
    from nwauth.stores.passwd.table import Table
    from nwauth.stores.passwd.writing import Edit
    from nwauth.stores.textfile.userfile import Found, UserFile

    Result = TypeVar("Result")

ATTEMPTS = 5


class Side:
    """One of the two files: what it holds, and the change that is made of it."""

    def __init__(self, table: Table) -> None:
        self.table: Final = table
        self.change: Final = Change(table.path, base=table.base)

    def spelled(self, name: str) -> list[Found]:
        """The lines of exactly this name."""
        spelled = name.encode(ENCODING, ERRORS) + b":"
        return [hit for hit in self.table.find_all(fold(name).encode(ENCODING, ERRORS)) if hit[1].startswith(spelled)]

    def append(self, rows: Sequence[bytes], edits: Sequence[Edit] = ()) -> None:
        """Add lines at the end of the file, with the line ends that it has."""
        source = self.table.refresh()
        end = _line_end(source)
        added = b"".join(row + end for row in rows)
        self.publish(edits, added if source.ended else end + added)

    def publish(self, edits: Sequence[Edit], added: bytes = b"") -> None:
        """Put the file with these changes in its place.  Raises Missing, Overtaken, Unavailable."""
        source = self.table.refresh()
        self.table.must_be_settled()
        self.change.publish(source, edits, added)
        self.table.look_again()


class Changing:
    """Changes of one pair; `today` is in days since 1970."""

    def __init__(self, pair: Pair, *, today: int) -> None:
        self._pair: Final = pair
        self._today: Final = today
        self._users: Final = Side(pair.users)
        self._shadow: Final = None if pair.shadow is None else Side(pair.shadow)

    def locked(self, work: Callable[[], Result], *, wait_seconds: float | None = None) -> Result:
        """Do `work` under the locks of both files, again while other programs overtake it.

        Raises:
            Unavailable: it cannot be done now; what was not published is as it was.
        """
        wait = WAIT_SECONDS if wait_seconds is None else wait_seconds
        deadline = time.monotonic() + wait
        self._users.change.take(wait_seconds=wait)
        try:
            if self._shadow is not None:
                self._shadow.change.take(wait_seconds=max(0.0, deadline - time.monotonic()))
            return self._tried(work)
        finally:
            if self._shadow is not None:
                self._shadow.change.release()
            self._users.change.release()

    def _tried(self, work: Callable[[], Result]) -> Result:
        for attempt in range(ATTEMPTS):
            self._pair.look_again()
            try:
                return work()
            except Overtaken:
                time.sleep(0.02 * (attempt + 1))
            except Missing:
                raise Unavailable(f"no passwd file {self._pair.users.path}, was it moved or unmounted?") from None
        raise Unavailable(f"{self._pair.users.path} keeps being changed by others, try again")

    # --- what is done under the locks -----------------------------------------------------------------------------

    def add(self, users: Sequence[tuple[str, User]]) -> list[User]:
        """Add users, each with its name in the file; those whose name is taken come back.

        Raises Missing, Overtaken, Refused.
        """
        self._pair.users.refresh()
        self._pair.users.must_be_settled()
        rows: list[tuple[str, bytes, bytes]] = []
        new: set[str] = set()
        taken: list[User] = []
        for bare, user in users:
            key = bare if self._pair.form.unix_case else fold(bare)
            if key in new or self.is_taken(bare):
                taken.append(user)
                continue
            new.add(key)
            rows.append((bare, *self._new_lines(bare, user)))
        if rows:
            if self._shadow is not None:
                add_to_shadow(self._shadow, [(name, line) for name, _, line in rows])
            self._users.append([line for _, line, _ in rows])
        return taken

    def must_hold(self, bare: str, user: User, held: Held | None) -> None:
        """Raises Refused where no line could be made of `user`, or none in the place of the lines of another."""
        if held is None:
            self._new_lines(bare, user)
        else:
            self._planned(held, bare, user)

    def replace(self, held: Held, bare: str, new: User) -> None:
        """Put `new`, whom the file calls `bare`, in the place of the user of these lines.

        Raises Missing, Overtaken, Refused.
        """
        old_name = name_of(held.found)
        to_shadow, password, line = self._planned(held, bare, new)
        if to_shadow is not None and (password is not None or bare != old_name):
            self._change_shadow(to_shadow, held, bare, password)
        edits = self._edits(held.found, line, bare)
        if edits:
            self._users.publish(edits)
        if to_shadow is not None and bare != old_name:
            remove_from_shadow(to_shadow, [old_name])

    def _planned(self, held: Held, bare: str, new: User) -> tuple[Side | None, str | None, bytes]:
        """The file of the password if it is the shadow file, the password if it is another, and the line of `new`.

        Raises Refused.
        """
        lines.must_be_held(name=bare, password=_if_new(new, held.user))
        old_field = fields_of(held.found[1])[PASSWORD]
        password = None if new.stored_password == held.user.stored_password else new.stored_password
        to_shadow = None
        if old_field == IN_SHADOW or (password is not None and _is_no_login(old_field)):
            to_shadow = self._shadow
        line = lines.changed(
            held.found[1],
            name=bare,
            password=password if to_shadow is None or password is None else IN_SHADOW,
            info=None if new.info == held.user.info else new.info.text,
        )
        self._must_read_as(line, bare, new, old=held.user, in_shadow=to_shadow is not None)
        return to_shadow, password, line

    def delete(self, held: Held) -> None:
        """Take every line of the user's spelling out, of either file.  Raises Missing, Overtaken."""
        name = name_of(held.found)
        self._users.publish(without(self._users.spelled(name)))
        if self._shadow is not None and held.in_shadow is not None:
            remove_from_shadow(self._shadow, [name])

    def is_taken(self, bare: str) -> bool:
        """Whether somebody has the name.

        Raises:
            Refused: two have it who differ in case alone, so that nobody is found by it.
        """
        if self._pair.find(bare) is not None:
            return True
        if self._pair.form.unix_case:
            return False
        others = self._pair.users.find_all(fold(bare).encode(ENCODING, ERRORS))
        if others:
            names = " and ".join(sorted({name_of(found) for found in others}))
            raise Refused(f"{names} differ from this name in case alone: write one of them, or rename it")
        return False

    # --- parts ----------------------------------------------------------------------------------------------------

    def _new_lines(self, bare: str, user: User) -> tuple[bytes, bytes]:
        """The lines of a new user, of the passwd and of the shadow file (nothing where there is none)."""
        lines.must_be_held(name=bare, password=user.stored_password)
        pair, in_shadow = self._pair, self._shadow is not None
        line = pair.form.new_user.line(
            name=bare,
            domain=pair.domain,
            password=IN_SHADOW if in_shadow else user.stored_password,
            uid="" if user.uid == "0" else user.uid,
            info=user.info.text,
        )
        self._must_read_as(line, bare, user, old=None, in_shadow=in_shadow)
        if not in_shadow:
            return line, b""
        return line, aging.new_line(name=bare, password=user.stored_password, today=self._today)

    def _must_read_as(self, line: bytes, name: str, user: User, *, old: User | None, in_shadow: bool) -> None:
        """Raises Refused where `line` would not be read as this user; `old` is the one whose line it was."""
        fields = fields_of(line)
        reads = self._pair.form.user(fields, self._pair.domain, user.stored_password)
        field = IN_SHADOW if in_shadow else user.stored_password
        points = self._shadow is not None and field == IN_SHADOW
        for what, is_held in (
            ("name", fields[NAME] == name),
            ("password field", fields[PASSWORD] == field and points == in_shadow),
            ("info", reads.info == user.info),
        ):
            if not is_held:
                raise Refused(f"the {what} would not be read from a line of a passwd file as it is given")
        given = old or User(name="", stored_password="", info=Info(), ip_mask=reads.ip_mask)
        for has, is_given, was in (
            (reads.drop_path, user.drop_path, given.drop_path),
            (reads.uid, user.uid, given.uid),
            (reads.ip_mask, user.ip_mask, given.ip_mask),
        ):
            if is_given not in (has, was):
                raise Refused("a passwd file has no place for this drop path, uid or IP mask of a user")

    def _edits(self, first: Found, line: bytes, name: str) -> list[Edit]:
        """What puts `line` in the place of the first; another name is the name of all lines of the old spelling."""
        edits: list[Edit] = [] if line == first[1] else [(first[0], len(first[1]), line)]
        old_name = name_of(first)
        if name != old_name:
            for offset, row, _ in self._users.spelled(old_name):
                if offset != first[0]:
                    edits.append((offset, len(row), lines.changed(row, name=name, password=None, info=None)))
        return sorted(edits)

    def _change_shadow(self, shadow: Side, held: Held, name: str, password: str | None) -> None:
        """Give `name` a line in the shadow file, or its line this password; another name leaves the old lines there."""
        found = held.in_shadow
        if found is None:
            if password is not None:
                line = aging.new_line(name=name, password=password, today=self._today)
                add_to_shadow(shadow, [(name, line)])
            return
        line = aging.changed(found[1], name=name, password=password, today=self._today)
        if name != name_of(held.found):
            add_to_shadow(shadow, [(name, line.rstrip(b"\r"))])
        elif line != found[1]:
            shadow.publish([(found[0], len(found[1]), line)])


def add_to_shadow(shadow: Side, rows: Sequence[tuple[str, bytes]]) -> None:
    """Add lines, each in the place of what is left there of a name that nobody has."""
    try:
        left = [found for name, _ in rows for found in shadow.spelled(name)]
    except Missing:
        raise Unavailable(f"no shadow file {shadow.table.path}, was it moved or unmounted?") from None
    shadow.append([line for _, line in rows], without(sorted(left)))


def remove_from_shadow(shadow: Side, names: Sequence[str]) -> None:
    """Take the lines of names out that nobody has any more."""
    left = [found for name in names for found in shadow.spelled(name)]
    if left:
        shadow.publish(without(sorted(left)))


def without(found: Sequence[Found]) -> list[Edit]:
    """What takes lines out, with their ends."""
    return [(offset, len(line) + ended, b"") for offset, line, ended in found]


def _line_end(source: UserFile) -> bytes:
    """The line end of a file: that of its first line."""
    head = os.pread(source.fd, 4096, 0)
    at = head.find(b"\n")
    return b"\r\n" if at > 0 and head[at - 1 : at] == b"\r" else b"\n"


def name_of(found: Found) -> str:
    """The name on a line."""
    return found[1].partition(b":")[0].decode(ENCODING, ERRORS)


def _if_new(new: User, old: User) -> str:
    """The password field that is to be written; empty: the old one stays."""
    return "" if new.stored_password == old.stored_password else new.stored_password


def _is_no_login(field: str) -> bool:
    """Whether a field beside a shadow file holds no hash: a new password then goes to the shadow file."""
    return not field or field[0] in "*!"
