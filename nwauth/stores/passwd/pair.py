"""A passwd file and, where there is one, the shadow file that holds its passwords: the user of a name."""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.stores.passwd import aging
from nwauth.stores.passwd.extras import info_text, ip_mask
from nwauth.stores.passwd.lines import EXTRAS, HOME, IN_SHADOW, NAME, PASSWORD, UID, fields_of
from nwauth.stores.passwd.table import Missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from nwauth.stores.passwd.lines import NewUser
    from nwauth.stores.passwd.table import Table
    from nwauth.stores.textfile.userfile import Found


class Form:
    """How a store makes users of lines.  `full_name` is told the name in the file and the domain."""

    def __init__(
        self,
        *,
        store: str,
        full_name: Callable[[str, str], str],
        drop_path: str,
        unix_case: bool,
        new_user: NewUser,
    ) -> None:
        self.store: Final = store
        self.full_name: Final = full_name
        self.unix_case: Final = unix_case
        self.new_user: Final = new_user
        self._drop_path: Final = None if drop_path == "config" else drop_path
        self._wants_home: Final = "{home}" in drop_path

    def user(self, fields: Sequence[str], domain: str, stored_password: str) -> User:
        """The user on a line of these fields."""
        uid, text = fields[UID], info_text(fields[EXTRAS])
        return User(
            name=self.full_name(fields[NAME], domain) if domain else fields[NAME],
            stored_password=stored_password,
            info=Info(text),
            drop_path="config" if self._drop_path is None else self._filled(self._drop_path, fields, domain),
            uid=uid if uid.isdecimal() and uid.isascii() else "0",
            store=self.store,
            ip_mask=ip_mask(fields[EXTRAS]),
        )

    def _filled(self, template: str, fields: Sequence[str], domain: str) -> str:
        """The drop path of a user; "config", the server's own, where it is made of a home and the line has none.

        Raises:
            Unavailable: it would lead out of the folder that the template means.
        """
        home, name = fields[HOME], fields[NAME]
        if self._wants_home and not home:
            return "config"
        if "{name}" in template and ("/" in name or name in (".", "..")):
            raise Unavailable(f"the drop path of {name!a} would be in another folder: the name holds a path")
        return home.join(
            piece.replace("{domain}", domain).replace("{name}", name) for piece in template.split("{home}")
        )


class Held:
    """A user, and the lines that tell of it: the first of its spelling in either file."""

    __slots__ = ("found", "in_shadow", "user")

    def __init__(self, user: User, found: Found, in_shadow: Found | None) -> None:
        self.user: Final = user
        self.found: Final = found
        self.in_shadow: Final = in_shadow


class Pair:
    """The files of one domain ("" where names have none)."""

    def __init__(self, domain: str, users: Table, shadow: Table | None, form: Form) -> None:
        self.domain: Final = domain
        self.users: Final = users
        self.shadow: Final = shadow
        self.form: Final = form

    def find(self, bare: str, *, strict: bool = True) -> Held | None:
        """The user of a name as the file has it, without its domain; None: definitely nobody.

        Where the shadow file cannot tell, the user comes with the field that stands in the passwd file: mail is still
        delivered, and `keeps_out` says so at a login; with `strict`, it is an error.

        Raises:
            Missing: there is no passwd file.
            Unavailable: one of the files cannot tell.
        """
        found = self._first(self.users, bare)
        if found is None:
            return None
        fields = fields_of(found[1])
        field, in_shadow = fields[PASSWORD], None
        if self.shadow is not None and field == IN_SHADOW:
            try:
                in_shadow = _in_shadow(self.shadow, fields[NAME])
            except Unavailable:
                if strict:
                    raise
            if in_shadow is not None:
                field = aging.password_of(in_shadow[1])
        return Held(self.form.user(fields, self.domain, field), found, in_shadow)

    def _first(self, table: Table, bare: str) -> Found | None:
        """The line that counts: the first of exactly this spelling, as for getpwnam, or of the only other spelling."""
        hits = table.find_all(fold(bare).encode(ENCODING, ERRORS))
        exact = _spelled(table, hits, bare) if hits else None
        if exact is not None:
            return exact
        table.must_be_settled()  # another spelling may yet come, this one too
        if not hits or self.form.unix_case:
            return None
        first = hits[0]
        if len(hits) > 1:
            spelled = first[1].partition(b":")[0] + b":"
            if not all(hit[1].startswith(spelled) for hit in hits):
                return None  # BOB and Bob: neither is meant by bob
        return first

    def keeps_out(self, bare: str, today: int) -> str | None:
        """Why a user whose password is in the shadow file may not log in today; None: nothing there says so.

        Raises:
            Missing: there is no passwd file.
            Unavailable: one of the files cannot tell.
        """
        if self.shadow is None:
            return None
        found = self._first(self.users, bare)
        if found is None:
            return None
        fields = fields_of(found[1])
        if fields[PASSWORD] != IN_SHADOW:
            return None
        line = _in_shadow(self.shadow, fields[NAME])
        return None if line is None else aging.refusal(line[1], today)

    def look_again(self) -> None:
        """The next question wants a look at the files, whatever a watch tells."""
        self.users.look_again()
        if self.shadow is not None:
            self.shadow.look_again()

    def close(self) -> None:
        """Close the files."""
        self.users.close()
        if self.shadow is not None:
            self.shadow.close()


def _in_shadow(shadow: Table, name: str) -> Found | None:
    """The line of the shadow file for exactly this name; None: there is none.

    Raises:
        Unavailable: the file is not there, or cannot tell.
    """
    try:
        hits = shadow.find_all(fold(name).encode(ENCODING, ERRORS))
    except Missing:
        raise Unavailable(f"no shadow file {shadow.path}, was it moved or unmounted?") from None
    exact = _spelled(shadow, hits, name)
    if exact is None:
        shadow.must_be_settled()
    return exact


def _spelled(table: Table, hits: Sequence[Found], name: str) -> Found | None:
    """The first of the lines with exactly this spelling; one without an end counts only in a settled file."""
    spelled = name.encode(ENCODING, ERRORS) + b":"
    for hit in hits:
        if hit[1].startswith(spelled):
            if not hit[2]:
                table.must_be_settled()
            return hit
    return None
