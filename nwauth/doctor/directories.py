"""Stores in a directory: whether others on the way can listen, and whether passwords can be read to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nwauth.config.kinds.ldap import LdapConfig
from nwauth.doctor.finding import WARNING, counted, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place


def directories(place: Place) -> Iterator[Finding]:
    """What is said to a directory is for nobody else, and what it must tell it may tell."""
    for one in place.config.stores if place.config is not None else ():
        if isinstance(one, LdapConfig):
            yield from _in_clear(place, one)
            yield from _blind(place, one)


def _in_clear(place: Place, one: LdapConfig) -> Iterator[Finding]:
    """A connection to another machine is encrypted, and leads to whom it is meant for."""
    away = [url for url in one.urls if not _is_here(url)]
    clear = [url for url in away if url.lower().startswith("ldap://")]
    if clear and not one.security.start_tls:
        yield finding(
            "directory-in-clear",
            f"store {one.name}: {' and '.join(clear)} is asked without encryption",
            mend=f"in {place.settings} set start_tls = true for the store {one.name}, or write ldaps:// in urls",
            file=place.settings,
        )
    elif away and not one.security.check_certificate:
        yield finding(
            "directory-in-clear",
            f"store {one.name}: check_certificate is false: {' and '.join(away)} may be anybody",
            mend=f"in {place.settings} give the store {one.name} a ca_file for check_certificate = false",
            file=place.settings,
            severity=WARNING,
            why="Whoever gets in between reads the passwords of all who log in.",
        )


def _is_here(url: str) -> bool:
    """Whether a URL is of this machine: nobody else can listen."""
    host = (urlsplit(url).hostname or "").lower()
    return url.lower().startswith("ldapi:") or host in ("", "localhost", "::1") or host.startswith("127.")


def _blind(place: Place, one: LdapConfig) -> Iterator[Finding]:
    """With passwords that are compared, an account that sees no one's password lets in nobody."""
    survey = place.survey
    listed = next((found for found in survey.stores if found.one is one), None) if survey is not None else None
    if survey is None or listed is None or listed.error is not None or not one.people.compares or not listed.users:
        return
    if survey.people.without[one.name] < listed.users:
        return
    who, attribute = one.bind_dn or "a guest (there is no bind_dn)", one.people.reading.password
    yield finding(
        "passwords-unseen",
        f"store {one.name}: of {counted(listed.users, 'user')} no {attribute} can be seen by {who}",
        mend=f'let that account read {attribute} in the directory; or, in {place.settings}, set mode = "bind" for the'
        f" store {one.name}",
        file=place.settings,
    )
