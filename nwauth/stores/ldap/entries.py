"""What an entry of a directory is to us: a user, made of the values of its attributes."""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.model import UNSAYABLE, Info, Record, User
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.health import PUBLIC
from nwauth.stores.ldap.paths import DropPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from nwauth.stores.ldap.messages import Entry

MAX_UID = 2**32 - 2  # a server reads a larger one as another's, in the worst case root's
MOST_DIGITS = 20
_LINE_ENDS = str.maketrans({"\n": " ", "\r": " ", "\0": " ", '"': "'"})


class Attributes(Record):
    """Which attribute holds what; None where none does.

    `name` are several: whichever holds the name that is asked for.  `info` maps info fields to attributes; `info_text`
    holds all other info as it stands.  `drop_path` may be a text with attributes in it: ``{homeDirectory}/Mailbox``.
    """

    __slots__ = ("drop_path", "info", "info_text", "ip_mask", "name", "password", "uid")

    def __init__(
        self,
        *,
        name: tuple[str, ...] = (),
        password: str = "userPassword",  # noqa: S107, an attribute
        drop_path: str | None = None,
        uid: str | None = None,
        ip_mask: str | None = None,
        info: Mapping[str, str] | None = None,
        info_text: str | None = None,
    ) -> None:
        self.name: Final = name
        self.password: Final = password
        self.drop_path: Final = drop_path
        self.uid: Final = uid
        self.ip_mask: Final = ip_mask
        self.info: Final = tuple((info or {}).items())
        self.info_text: Final = info_text


class Reading:
    """How users are read from entries.  With `compares` their stored passwords are read, too.

    Raises:
        ValueError: the drop path cannot be read; the text begins with the setting.
    """

    def __init__(self, attributes: Attributes, *, compares: bool) -> None:
        self._map: Final = attributes
        self._compares: Final = compares
        try:
            self._drop_path: Final = DropPath(attributes.drop_path)
        except ValueError as error:
            raise ValueError(f"attributes.drop_path: {error}") from None

    @property
    def password(self) -> str:
        """The attribute that stored passwords are in."""
        return self._map.password

    def wanted(self) -> list[str]:
        """Every attribute that is looked at, but for names."""
        columns = self._map
        found = [*self._drop_path.attributes]
        found += [one for one in (columns.uid, columns.ip_mask, columns.info_text) if one is not None]
        found += [attribute for _, attribute in columns.info]
        return found + ([columns.password] if self._compares else [])

    def user(self, entry: Entry, name: str, *, store: str) -> User:
        """The user of an entry, by that name.

        Raises:
            Unavailable: it cannot be told which of two values counts, or one must not be said.
        """
        columns = self._map
        other = self._other_info(self._single(entry, columns.info_text).replace("\n", " "))
        return User(
            name=name,
            stored_password=self._stored(entry),
            info=Info(" ".join(filter(None, [*self._fields(entry), other]))),
            drop_path=self._path(entry) or "config",
            uid=self._uid(entry) or "0",
            ip_mask=self._single(entry, columns.ip_mask),
            store=store,
        )

    def listed(self, entry: Entry, name: str, *, store: str) -> User:
        """The user of an entry, for a list, in which nobody lacks for a value of his own.

        Where `user` cannot tell, the reason stands for the drop path: with its blanks no server is ever told it, here
        or wherever the list is copied to.
        """
        try:
            return self.user(entry, name, store=store)
        except Unavailable as error:
            return User(
                name=name,
                stored_password=self._stored(entry),
                info=Info(" ".join(self._fields(entry))),
                drop_path=str(error),
                store=store,
            )

    def _fields(self, entry: Entry) -> list[str]:
        """The info fields that have an attribute of their own."""
        found = []
        for field, attribute in self._map.info:
            value = ",".join(map(text_of, entry.values.get(attribute.lower(), ())))
            if value:
                found.append(f'{field}="{value.translate(_LINE_ENDS)}"')
        return found

    def passwords(self, entry: Entry) -> int:
        """How many stored passwords the entry shows."""
        return len(entry.values.get(self._map.password.lower(), ()))

    def _stored(self, entry: Entry) -> str:
        return text_of(entry.values.get(self._map.password.lower(), (b"",))[0]) if self._compares else ""

    def _path(self, entry: Entry) -> str:
        """The drop path; none where an attribute of it lacks.  Raises Unavailable where it must not be said."""
        try:
            return self._drop_path.of(lambda attribute: self._single(entry, attribute))
        except ValueError as error:
            raise Unavailable(f"entry {entry.dn}: {error}", public=UNSAYABLE) from None

    def _uid(self, entry: Entry) -> str:
        """The uid; none where its attribute lacks.  Raises Unavailable where it is none: servers read a word as 0."""
        uid = self._single(entry, self._map.uid)
        if uid and not (uid.isascii() and uid.isdigit() and len(uid) <= MOST_DIGITS and int(uid) <= MAX_UID):
            raise Unavailable(
                f"entry {entry.dn}: its {self._map.uid} is {uid!a}, wanted a uid, from 0 to {MAX_UID}:"
                " is attributes.uid right?",
                public=UNSAYABLE,
            )
        return uid

    def _single(self, entry: Entry, attribute: str | None) -> str:
        values = () if attribute is None else entry.values.get(attribute.lower(), ())
        if len(values) > 1:
            raise Unavailable(
                f"entry {entry.dn} has {len(values)} values of {attribute}: which is meant?", public=PUBLIC
            )
        return text_of(values[0]) if values else ""

    def _other_info(self, text: str) -> str:
        """`text` without fields that have an attribute of their own."""
        fields = [field for field, _ in self._map.info]
        return Info(text).updated(dict.fromkeys(fields, "")).text if text else ""


def text_of(value: bytes) -> str:
    """A value as text; bytes that are no UTF-8 stay what they are."""
    return value.decode(ENCODING, ERRORS)
