"""``kind = "ldap"``: a directory, as OpenLDAP or Active Directory."""

from __future__ import annotations

from nwauth.config.part import StoreConfig, time_outs
from nwauth.errors import ConfigError
from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.options import Options
    from nwauth.passwords.values import Settings
    from nwauth.stores.ldap.entries import Attributes
    from nwauth.stores.ldap.people import People

SYSTEM = "system"  # its authorities
WANTED_PATH = "an attribute, or a text with attributes in braces"
WANTED_URLS = 'an array of URLs, as ["ldaps://dc1.test.com", "ldaps://dc2.test.com"]'


class Security(Record):
    """How connections are kept from others; `ca_file` None: the system's authorities."""

    __slots__ = ("ca_file", "check_certificate", "start_tls")

    def __init__(self, *, start_tls: bool = False, ca_file: str | None = None, check_certificate: bool = True) -> None:
        self.start_tls: Final = start_tls
        self.ca_file: Final = ca_file
        self.check_certificate: Final = check_certificate


class LdapConfig(StoreConfig):
    """Users in a directory (spec/stores.md section 5); it is never written.

    `path` is the folder whose owner root becomes.  Without `bind_dn` the directory is searched as a guest.
    """

    __slots__ = (
        "bind_dn",
        "bind_password",
        "connect_timeout_seconds",
        "ignore_referrals",
        "name",
        "path",
        "people",
        "request_timeout_seconds",
        "security",
        "urls",
    )
    SECRET = ("bind_password",)
    kind: Final = "ldap"

    def __init__(
        self,
        *,
        path: str,
        urls: tuple[str, ...],
        people: People,
        name: str = "ldap",
        bind_dn: str = "",
        bind_password: str = "",
        security: Security | None = None,
        ignore_referrals: bool = False,
        connect_timeout_seconds: float = 2.0,
        request_timeout_seconds: float = 3.0,
    ) -> None:
        self.path: Final = path
        self.urls: Final = urls
        self.people: Final = people
        self.name: Final = name
        self.bind_dn: Final = bind_dn
        self.bind_password: Final = bind_password
        self.security: Final = security or Security()
        self.ignore_referrals: Final = ignore_referrals
        self.connect_timeout_seconds: Final = connect_timeout_seconds
        self.request_timeout_seconds: Final = request_timeout_seconds

    @property
    def verifies(self) -> bool:
        return not self.people.compares


def read(table: Options, _passwords: Settings) -> LdapConfig:
    """The settings of one ``[[stores]]`` of this kind.  Raises ConfigError."""
    if table.boolean("read_only", True) is False:
        raise table.error("read_only", "found false, wanted true: a directory is never written from here")
    urls = _urls(table)
    people = _people(table)
    bind_dn = table.text("bind_dn", "", wanted="the DN of an account that may search")
    bind_password = table.text("bind_password", None, secret=True)
    if bind_dn and not bind_password:  # a bind without one is a guest's, and succeeds
        raise table.error("bind_password", 'found nothing with a bind_dn, wanted { file = "..." }')
    if bind_password and not bind_dn:
        raise table.error("bind_dn", "found nothing with a bind_password, wanted the DN of an account that may search")
    connect, request = time_outs(table, "request_timeout_seconds", connect=2.0, default=3.0)
    return LdapConfig(
        path=table.folder,
        urls=urls,
        people=people,
        name=table.text("name", "ldap", wanted="a name") or "ldap",
        bind_dn=bind_dn,
        bind_password=bind_password or "",
        security=_security(table, urls),
        ignore_referrals=table.boolean("ignore_referrals", False),
        connect_timeout_seconds=connect,
        request_timeout_seconds=request,
    )


def _urls(table: Options) -> tuple[str, ...]:
    from nwauth.stores.ldap.url import parsed

    found = table.texts("urls", (), or_one=True)
    if not found:
        raise table.error("urls", f"found {'url' if 'url' in table else 'nothing'}, wanted {WANTED_URLS}")
    for at, url in enumerate(found):
        try:
            parsed(url)
        except ConfigError as error:
            raise table.error(f"urls[{at}]", str(error)) from None
    return found


def _security(table: Options, urls: tuple[str, ...]) -> Security:
    start_tls = table.boolean("start_tls", False)
    if start_tls and not all(url.lower().startswith("ldap://") for url in urls):
        raise table.error("start_tls", "found true with a URL that is not ldap://, wanted ldap:// in all of urls")
    ca_file = table.path("ca_file", SYSTEM, words=(SYSTEM,))
    check = table.boolean("check_certificate", True)
    if ca_file != SYSTEM and not check:
        raise table.error("check_certificate", "found false with a ca_file, wanted one of the two")
    return Security(start_tls=start_tls, ca_file=None if ca_file == SYSTEM else ca_file, check_certificate=check)


def _people(table: Options) -> People:
    from nwauth.stores.ldap.people import MODES, SCOPES, People
    from nwauth.stores.ldap.presets import PRESETS

    attributes = _attributes(table.table("attributes"))
    filter_ = table.text("filter", None, wanted="a filter, as (&(objectClass=person)(uid={name}))")
    try:
        people = People(
            table.required("base", wanted="the DN below which the users are"),
            preset=table.choice("preset", "openldap", tuple(PRESETS)),
            scope=table.choice("scope", "subtree", tuple(SCOPES)),
            filter_=filter_,
            mode=table.choice("mode", "bind", MODES),
            attributes=attributes,
        )
    except ValueError as error:
        key, _, text = str(error).partition(": ")
        raise table.error(key, text) from None
    if filter_ is not None:
        _must_be_filter(table, people)
    return people


def _attributes(columns: Options) -> Attributes:
    from nwauth.stores.ldap.entries import Attributes

    return Attributes(
        name=tuple(
            _checked(columns, f"name[{at}]", name) for at, name in enumerate(columns.texts("name", (), or_one=True))
        ),
        password=_attribute(columns, "password") or "userPassword",
        drop_path=columns.text("drop_path", None, wanted=WANTED_PATH),
        uid=_attribute(columns, "uid"),
        ip_mask=_attribute(columns, "ip_mask"),
        info=_info(columns),
        info_text=_attribute(columns, "info_text"),
    )


def _attribute(columns: Options, key: str) -> str | None:
    found = columns.text(key, None, wanted="an attribute")
    return None if found is None else _checked(columns, key, found)


def _checked(columns: Options, key: str, found: str) -> str:
    """The name of an attribute.  Raises ConfigError."""
    from nwauth.stores.ldap.filters import is_attribute

    if not is_attribute(found):
        raise columns.error(key, f"found {found!a}, wanted the name of an attribute")
    return found


def _must_be_filter(table: Options, people: People) -> None:
    """Raises ConfigError; the library that reads filters takes a while to import, for a filter of one's own only."""
    try:
        people.ready()
    except ConfigError as error:
        key, colon, text = str(error).partition(": ")
        raise table.error(key, text) if colon and key == "filter" else error from None


def _info(columns: Options) -> dict[str, str]:
    """Which attribute holds which info field; two fields have a key of their own."""
    found = columns.mapping("info")
    for field, mapped in found.items():
        _checked(columns, f"info.{ascii(field)[1:-1]}", mapped)
        if not field or not field.isprintable() or any(character in ' "=' for character in field):
            raise columns.error(
                f"info.{ascii(field)[1:-1]}", "wanted the name of an info field: no blanks, quotes or ="
            )
    for key, field in (("forward", "fwd"), ("quota", "quota")):
        attribute = _attribute(columns, key)
        if attribute is not None and field in map(str.lower, found):
            raise columns.error(key, f"found it beside info.{field}, wanted one attribute for the field {field}")
        found |= {} if attribute is None else {field: attribute}
    return found
