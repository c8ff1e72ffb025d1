"""Users as tests put them into a directory."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from nwauth.stores.ldap import LdapStore, People
from tests.directories import ldif, shared_slapd
from tests.directories.slapd import MAIL, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.directories.slapd import Slapd

_numbers = itertools.count(1)


def person(base: str, name: str | None, *, dn: str = "", **values: Any) -> str:
    """The LDIF of a user whose entry has another name than the user, or `dn`."""
    number = next(_numbers)
    own = {} if name is None else {"uid": name}
    found: Mapping[str, Any] = {"objectClass": "inetOrgPerson", "sn": "x", "cn": f"p{number}", **own, **values}
    return ldif.entry(dn or f"cn=p{number},{base}", found)


def dn_of(text: str) -> str:
    """The name of the entry that an LDIF begins with."""
    from base64 import b64decode

    return b64decode(text.partition("\n")[0].removeprefix("dn:: ")).decode()


def directory_of(*names: str, server: Slapd | None = None, **values: Any) -> tuple[Slapd, str]:
    """A server, and a base with these users, whose password is ``secret``."""
    server = (server or shared_slapd()).start()
    base = server.new_base()
    people = "".join(person(base, name, **{"userPassword": "secret", **values}) for name in names)
    if people:
        server.modify(people)
    return server, base


def store_of(
    server: Slapd,
    base: str,
    *,
    people: People | None = None,
    bind_dn: str = MAIL,
    bind_password: str = PASSWORD,
    **more: Any,
) -> LdapStore:
    return LdapStore(
        more.pop("urls", None) or [server.url],
        people or People(base),
        bind_dn=bind_dn,
        bind_password=bind_password,
        **more,
    )


def check(store: LdapStore, name: str, password: bytes) -> bool | None:
    """What the store says of a password, as a login asks it."""
    user = store.lookup(name)
    assert user is not None, f"{name} exists, for mail"
    return store.verify(user, password, address="192.0.2.1")
