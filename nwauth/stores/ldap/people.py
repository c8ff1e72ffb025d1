"""Which entries of a directory are users, by which names; and the requests that find them."""

from __future__ import annotations

from nwauth.errors import ConfigError, Unavailable
from nwauth.names import fold, split_name
from nwauth.stores.health import PUBLIC
from nwauth.stores.ldap import messages, states
from nwauth.stores.ldap.entries import Attributes, Reading, text_of
from nwauth.stores.ldap.filters import Filter, marks_in
from nwauth.stores.ldap.presets import PRESETS, default_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from sansldap import LDAPControl, LDAPFilter

    from nwauth.stores.ldap.messages import Entry, Operation

SCOPES = {"one": messages.ONE_LEVEL, "subtree": messages.SUBTREE}
MODES = ("bind", "compare")
CANDIDATES = 10  # entries that a directory may take for one name; of them one at most is
PAGE_ENTRIES = 500
NO_ATTRIBUTE = "1.1"  # RFC 4511 section 4.5.1.8
LOGIN_NAMES = ("uid", "userid")  # of directories: their uid is no number


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
        self.names: Final = found.name or given.names
        self._names: Final = tuple(name.lower() for name in self.names)
        self._text: Final = filter_ or default_filter(given, self.names)
        self.reading: Final = Reading(found, compares=self.compares)
        self._scope: Final = SCOPES[scope]
        self._control_names: Final = given.controls
        self._asked: Final = self._wanted()
        if found.uid is not None and found.uid.lower() in (*LOGIN_NAMES, *self._names):
            raise ValueError(f"attributes.uid: found {found.uid!a}, which holds names, wanted a number's, as uidNumber")
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
        kept_out = states.asked_for(shadows=self._shadows, compares=self.compares)
        return list(dict.fromkeys([*self._names, *self.reading.wanted(), *kept_out]))

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

    # --- names ------------------------------------------------------------------------------------------------------

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
                return min(map(text_of, values), key=fold)
        raise self._nameless(entry)

    def _values(self, entry: Entry) -> list[str]:
        found = [text_of(value) for attribute in self._names for value in entry.values.get(attribute, ())]
        if not found:
            raise self._nameless(entry)
        return found

    def _nameless(self, entry: Entry) -> Unavailable:
        return Unavailable(
            f"entry {entry.dn} is found and shows no {' or '.join(self.names)}: may bind_dn read it, and is"
            " attributes.name right?",
            public=PUBLIC,
        )
