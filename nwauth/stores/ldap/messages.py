"""The three operations that a user database needs of LDAP: search, bind, StartTLS; and what comes in answer.

The library makes and reads the messages.  It is imported on use: that takes longer than the interpreter's start.
"""

from __future__ import annotations

from nwauth.errors import ConfigError, to_install
from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final

    import sansldap

MISSING = f"LDAP needs a library that is not installed here: {to_install('nwauth[ldap]')}"

BASE_OBJECT, ONE_LEVEL, SUBTREE = range(3)

# Results (RFC 4511 section 4.1.9) that are told apart here.
SUCCESS = 0
SIZE_LIMIT = 4
NO_SUCH_OBJECT = 32
INVALID_CREDENTIALS = 49
NO_ANSWER = -1  # ours: what came is no answer to what was asked

DOMAIN_SCOPE = "1.2.840.113556.1.4.1339"  # Active Directory: no references to other domains, [MS-ADTS] 3.1.1.3.4.1.3
START_TLS_NAME = "1.3.6.1.4.1.1466.20037"


class Entry(Record):
    """One entry: its name in the directory, and its values by the attribute's name in lower case, without options."""

    __slots__ = ("dn", "values")

    def __init__(self, dn: str, values: Mapping[str, tuple[bytes, ...]]) -> None:
        self.dn: Final = dn
        self.values: Final = values


class Operation(Record):
    """A request: `send` puts it into a session and gives its number; `ending` is the message that ends its answer."""

    __slots__ = ("ending", "send")

    def __init__(self, send: Callable[[sansldap.LDAPClient], int], *, ending: str) -> None:
        self.send: Final = send
        self.ending: Final = ending


class Answer:
    """What came in answer to one request: entries, how many references to elsewhere, and in the end a result.

    `ending` is the kind of message that holds the result; one of another kind is none, whatever it says.
    """

    __slots__ = ("code", "cookie", "ending", "entries", "is_done", "name", "references", "text")

    def __init__(self, ending: str) -> None:
        self.ending: Final = ending
        self.entries: list[Entry] = []
        self.references = 0
        self.is_done = False
        self.code = 0
        self.name = ""  # of the code
        self.text = ""  # the server's own words
        self.cookie = b""  # where the next page begins; empty: there is none

    def __str__(self) -> str:
        return f"{self.code} ({self.name})" + (f": {self.text}" if self.text else "")

    def take(self, message: sansldap.LDAPMessage) -> None:
        """Put in one message of those that are the answer."""
        import sansldap

        if isinstance(message, sansldap.SearchResultEntry):
            self.entries.append(_entry(message))
        elif isinstance(message, sansldap.SearchResultReference):
            self.references += 1
        elif type(message).__name__ == self.ending and isinstance(
            message, sansldap.SearchResultDone | sansldap.BindResponse | sansldap.ExtendedResponse
        ):
            result = message.result
            # Not int() of it: that is 0, success, for every code that the library has no name for.
            self._end(result.result_code.value, "")
            self.name = result.result_code.name.lower().replace("_", " ")
            self.text = " ".join(result.diagnostics_message.rstrip("\0").split())
            for control in message.controls:
                if isinstance(control, sansldap.PagedResultControl):
                    self.cookie = control.cookie
        else:
            self.name = "no answer to what was asked"
            self._end(NO_ANSWER, f"{type(message).__name__}, where {self.ending} was due")

    def _end(self, code: int, text: str) -> None:
        self.code, self.text, self.is_done = code, text, True


def _entry(message: sansldap.SearchResultEntry) -> Entry:
    values: dict[str, tuple[bytes, ...]] = {}
    for attribute in message.attributes:
        name = attribute.name.partition(";")[0].lower()
        values[name] = values.get(name, ()) + tuple(attribute.values)
    return Entry(message.object_name, values)


def new_client() -> sansldap.LDAPClient:
    """The library's side of a new connection.

    Raises:
        ConfigError: the library is missing.
    """
    try:
        import sansldap
    except ImportError:
        raise ConfigError(MISSING) from None
    return sansldap.LDAPClient()


def bind(dn: str, password: bytes) -> Operation:
    """A simple bind.

    A server takes an empty name or password for a guest's and says "success" (RFC 4513 section 5.1): neither may be.
    """
    if not dn or not password:
        raise ValueError("a bind without name or password proves nothing")
    from nwauth.stores.ldap.credential import Octets

    credential = Octets(password)
    return Operation(lambda client: client.bind(dn, authentication=credential), ending="BindResponse")


def start_tls() -> Operation:
    """The request to go on under TLS."""
    return Operation(lambda client: client.extended_request(START_TLS_NAME), ending="ExtendedResponse")


def search(
    base: str,
    scope: int,
    filter_: sansldap.LDAPFilter,
    attributes: Sequence[str],
    *,
    size_limit: int = 0,
    time_limit_seconds: int = 0,
    controls: Sequence[sansldap.LDAPControl] = (),
) -> Operation:
    """A search; aliases are never followed."""

    def send(client: sansldap.LDAPClient) -> int:
        return client.search_request(
            base_object=base,
            scope=scope,
            size_limit=size_limit,
            time_limit=time_limit_seconds,
            filter=filter_,
            attributes=list(attributes),
            controls=list(controls),
        )

    return Operation(send, ending="SearchResultDone")


def control(name: str) -> sansldap.LDAPControl:
    """A control without a value, which a server may leave unheard."""
    import sansldap

    return sansldap.LDAPControl(control_type=name, critical=False, value=None)


def page(size: int, cookie: bytes) -> sansldap.LDAPControl:
    """The control that asks for the next entries of a long list (RFC 2696)."""
    import sansldap

    return sansldap.PagedResultControl(critical=False, size=size, cookie=cookie)


def present(attribute: str) -> sansldap.LDAPFilter:
    """Whoever has the attribute."""
    import sansldap

    return sansldap.FilterPresent(attribute)
