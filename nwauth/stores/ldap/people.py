"""Which entries of a directory are users, and what an entry is to us."""

from __future__ import annotations

from nwauth.errors import ConfigError, Unavailable
from nwauth.model import Info, Record, User
from nwauth.names import ENCODING, ERRORS, fold, split_name
from nwauth.stores.health import PUBLIC
from nwauth.stores.ldap import messages, states
from nwauth.stores.ldap.filters import Filter, is_attribute, marks_in
from nwauth.stores.ldap.presets import PRESETS, default_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from sansldap import LDAPControl, LDAPFilter

    from nwauth.stores.ldap.messages import Entry, Operation

SCOPES = {"one": messages.ONE_LEVEL, "subtree": messages.SUBTREE}
MODES = ("bind", "compare")
CANDIDATES = 10  # entries that a directory may take for one name; of them one at most is
PAGE_ENTRIES = 500
NO_ATTRIBUTE = "1.1"  # RFC 4511 section 4.5.1.8
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


class People:
    """The users below `base`, found by `filter_` (see `filters`), which by default comes from the preset.

    With the mode ``bind`` a password is checked by binding as the user, with ``compare`` against the attribute.

    Raises:
        ValueError: these do not go together; the text begins with the setting.
    """

    def __init__(
        self,
        base: str,
        *,
        preset: str = "openldap",
        scope: str = "subtree",
        filter_: str | None = None,
        attributes: Attributes | None = None,
        mode: str = "bind",
    ) -> None:
        if not base.strip():
            raise ValueError(
                "base: found nothing, wanted the DN below which the users are: the root is readable always"
            )
        given, found = PRESETS[preset], attributes or Attributes()
        if mode == "compare" and preset == "active-directory":
            raise ValueError('mode: found "compare", wanted "bind": Active Directory gives no passwords out')
        self.base: Final = base
        self.compares: Final = mode == "compare"
        self._shadows: Final = given.shadows
        self._map: Final = found
        self._names: Final = tuple(name.lower() for name in found.name or given.names)
        self._text: Final = filter_ or default_filter(given, found.name or given.names)
        self._drop_path: Final = _pieces(found.drop_path)
        self._scope: Final = SCOPES[scope]
        self._control_names: Final = given.controls
        self._asked: Final = self._wanted()
        marks = marks_in(self._text)
        if not marks & {"name", "localpart"}:
            raise ValueError("filter: found neither {name} nor {localpart}, wanted one: it would find everybody")
        # A name with a domain of which the filter takes the local part alone is not whole in any attribute.
        self._takes_localpart: Final = "localpart" in marks
        self.can_be_listed: Final = marks == {"name"}
        self._filter: Filter | None = None
        self._controls: list[LDAPControl] = []

    def ready(self) -> Filter:
        """The filter, which is read when it is first needed: that takes the library.

        Raises:
            ConfigError: it cannot be read, or the library is missing.
        """
        if self._filter is None:
            messages.new_client()
            try:
                self._filter = Filter(self._text)
            except ValueError as error:
                raise ConfigError(f"filter: {error}") from None
            self._controls = [messages.control(name) for name in self._control_names]
        return self._filter

    def _wanted(self) -> list[str]:
        """Every attribute that is looked at, once."""
        columns = self._map
        found = [*self._names, *(piece for piece, is_attribute_ in self._drop_path if is_attribute_)]
        found += [one for one in (columns.uid, columns.ip_mask, columns.info_text) if one is not None]
        found += [attribute for _, attribute in columns.info]
        found += [columns.password] if self.compares else []
        return list(dict.fromkeys([*found, *states.asked_for(shadows=self._shadows, compares=self.compares)]))

    # --- requests ---------------------------------------------------------------------------------------------------

    def search(self, name: str, *, seconds: float) -> Operation | None:
        """The request that finds a user; None for a name that no directory can hold."""
        localpart, domain = split_name(name)
        try:
            values = {"name": name.encode(), "localpart": localpart.encode(), "domain": domain.encode()}
        except UnicodeEncodeError:  # bytes that are no text
            return None
        if not name or "\0" in name:
            return None
        return self._request(self.ready().of(values), self._asked, size_limit=CANDIDATES, seconds=seconds)

    def probe(self, *, seconds: float) -> Operation:
        """The request that shows whether users can be seen at all: any one."""
        return self._request(self.ready().listing(), [NO_ATTRIBUTE], size_limit=1, seconds=seconds)

    def probe_of_base(self, *, seconds: float) -> Operation:
        """The request that shows whether the base can be seen."""
        self.ready()
        anything = messages.present("objectClass")
        return self._request(anything, [NO_ATTRIBUTE], size_limit=1, seconds=seconds, scope=messages.BASE_OBJECT)

    def page(self, cookie: bytes, *, seconds: float) -> Operation:
        """The request for the next users of all."""
        listing, paged = self.ready().listing(), messages.page(PAGE_ENTRIES, cookie)
        return self._request(listing, self._asked, size_limit=0, seconds=seconds, more=[paged])

    def _request(
        self,
        filter_: LDAPFilter,
        attributes: list[str],
        *,
        size_limit: int,
        seconds: float,
        scope: int | None = None,
        more: Sequence[LDAPControl] = (),
    ) -> Operation:
        return messages.search(
            self.base,
            self._scope if scope is None else scope,
            filter_,
            attributes,
            size_limit=size_limit,
            time_limit_seconds=max(1, -int(-seconds // 1)),
            controls=[*self._controls, *more],
        )

    # --- entries ----------------------------------------------------------------------------------------------------

    def named(self, entry: Entry, name: str, key: str) -> str | None:
        """The spelling that the entry has for a name (folded: `key`); None where it is somebody else's.

        Raises:
            Unavailable: it shows no name at all.
        """
        for value in self._values(entry):
            if fold(value) == key:
                return value
        if self._takes_localpart:
            localpart, domain = split_name(name)
            for value in self._values(entry):
                if domain and fold(value) == fold(localpart):
                    return f"{value}@{domain}"
        return None

    def first_name(self, entry: Entry) -> str:
        """The name under which the entry is listed: of its first attribute, the first by its folded form.

        Raises:
            Unavailable: it shows none.
        """
        for attribute in self._names:
            values = entry.values.get(attribute)
            if values:
                return min(map(_text, values), key=fold)
        raise self._nameless(entry)

    def _values(self, entry: Entry) -> list[str]:
        found = [_text(value) for attribute in self._names for value in entry.values.get(attribute, ())]
        if not found:
            raise self._nameless(entry)
        return found

    def _nameless(self, entry: Entry) -> Unavailable:
        wanted = " or ".join(self._map.name or self._names)
        return Unavailable(f"entry {entry.dn} is found and shows no {wanted}: may bind_dn read it?", public=PUBLIC)

    def user(self, entry: Entry, name: str, *, store: str) -> User:
        """The user of an entry.  Raises Unavailable: it cannot be told which of two values counts."""
        columns = self._map
        fields = []
        for field, attribute in columns.info:
            value = ",".join(map(_text, entry.values.get(attribute.lower(), ())))
            if value:
                fields.append(f'{field}="{value.translate(_LINE_ENDS)}"')
        fields.append(self._other_info(self._single(entry, columns.info_text).replace("\n", " ")))
        return User(
            name=name,
            stored_password=self._stored(entry) if self.compares else "",
            info=Info(" ".join(filter(None, fields))),
            drop_path=self._path(entry) or "config",
            uid=self._single(entry, columns.uid) or "0",
            ip_mask=self._single(entry, columns.ip_mask),
            store=store,
        )

    def passwords(self, entry: Entry) -> int:
        """How many stored passwords the entry shows."""
        return len(entry.values.get(self._map.password.lower(), ()))

    def _stored(self, entry: Entry) -> str:
        return _text(entry.values.get(self._map.password.lower(), (b"",))[0])

    def _path(self, entry: Entry) -> str:
        """The drop path; none where an attribute of it lacks."""
        pieces = [self._single(entry, piece) if is_attribute_ else piece for piece, is_attribute_ in self._drop_path]
        return "".join(pieces) if all(pieces) else ""

    def _single(self, entry: Entry, attribute: str | None) -> str:
        values = () if attribute is None else entry.values.get(attribute.lower(), ())
        if len(values) > 1:
            raise Unavailable(
                f"entry {entry.dn} has {len(values)} values of {attribute}: which is meant?", public=PUBLIC
            )
        return _text(values[0]) if values else ""

    def _other_info(self, text: str) -> str:
        """`text` without fields that have an attribute of their own."""
        fields = [field for field, _ in self._map.info]
        return Info(text).updated(dict.fromkeys(fields, "")).text if text else ""


def _text(value: bytes) -> str:
    return value.decode(ENCODING, ERRORS)


def _pieces(template: str | None) -> list[tuple[str, bool]]:
    """A drop path in pieces, and whether each is an attribute: a name alone is one, else those in braces are."""
    if not template:
        return []
    if is_attribute(template):
        return [(template, True)]
    found: list[tuple[str, bool]] = []
    rest = template
    while rest:
        text, brace, rest = rest.partition("{")
        if text:
            found.append((text, False))
        if brace:
            attribute, end, rest = rest.partition("}")
            if not end or not is_attribute(attribute):
                raise ValueError("attributes.drop_path: wanted an attribute, or a text with attributes in braces")
            found.append((attribute, True))
    return found
