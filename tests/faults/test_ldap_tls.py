"""TLS to a directory: certificates are checked, and where that fails nothing is said in the clear."""

from __future__ import annotations

import functools
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.health import Health
from nwauth.stores.ldap import Limits
from nwauth.stores.ldap.dial import Dialler
from nwauth.stores.ldap.link import Peer
from nwauth.stores.ldap.url import parsed
from nwauth.stores.ldap.wire import Lost
from tests.databases.proxy import Proxy
from tests.directories import shared_slapd
from tests.directories.authority import Authority, authority
from tests.directories.people import directory_of, store_of
from tests.directories.slapd import HOST, PASSWORD, Slapd
from tests.faults.databases import assert_dead
from tests.faults.directories import IN_TIME_SECONDS, Folder, assert_serves

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.stores.ldap import LdapStore

CERTIFICATES = {
    "right": lambda: authority().right(),
    "of another host": lambda: authority().wrong_host(),
    "expired": lambda: authority().expired(),
    "of an authority that nobody knows": lambda: authority().unknown(),
}
WRONG = {
    "of another host": "certificate is refused: IP address mismatch.*: name the server in urls as its certificate does",
    "expired": "certificate is refused: certificate has expired",
    "of an authority that nobody knows": "certificate is refused: unable to get local issuer certificate: put the auth",
}
UNKNOWN_AUTHORITY = "certificate is refused: .*: put the authority that signed it into ca_file"
PLAIN_PORT = "is that the plain port? Its URL is ldap://, and start_tls = true asks for TLS there"
TLS_PORT = "is that the port for TLS? Its URL is ldaps://"
WAYS = ("ldaps", "start_tls")


@functools.cache
def secured(which: str) -> tuple[Slapd, str]:
    """A server with that certificate, and a base there with bob; they stay for the test process."""
    shared_slapd()  # skips where there is none
    return directory_of("bob", server=Slapd(CERTIFICATES[which]()))


def secure_store(which: str, way: str, **more: Any) -> LdapStore:
    server, base = secured(which)
    options: dict[str, Any] = {"ca_file": str(authority().ca_file), "start_tls": way == "start_tls"} | more
    return store_of(server, base, urls=[server.tls_url if way == "ldaps" else server.url], **options)


@pytest.mark.parametrize("way", WAYS)
def test_a_right_certificate_is_taken_on_both_connections(way: str) -> None:
    with closing(secure_store("right", way)) as store:
        bob = store.lookup("bob")
        assert bob is not None
        assert store.verify(bob, b"secret") is True
        assert store.verify(bob, b"wrong") is False
        assert [user.name for user in store.search()] == ["bob"]


@pytest.mark.parametrize("way", WAYS)
def test_a_server_may_be_called_by_a_name_that_its_certificate_has(way: str) -> None:
    server, base = secured("right")
    url = f"ldaps://localhost:{server.tls_port}" if way == "ldaps" else f"ldap://localhost:{server.port}"
    options: dict[str, Any] = {"ca_file": str(authority().ca_file), "start_tls": way == "start_tls"}
    with closing(store_of(server, base, urls=[url], **options)) as store:
        assert store.lookup("bob") is not None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("which", "words"), WRONG.items())
def test_a_wrong_certificate_is_refused_with_its_reason(which: str, words: str, way: str) -> None:
    with closing(secure_store(which, way)) as store, pytest.raises(Unavailable, match=words):
        store.lookup("bob")


def test_authorities_that_were_replaced_count_without_a_restart(tmp_path: Path) -> None:
    """A child lives for months, and the authorities of a site are made anew now and then."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(Authority().ca_file.read_text())  # another one
    with closing(secure_store("right", "ldaps", ca_file=str(ca_file), retry_seconds=0.0)) as store:
        with pytest.raises(Unavailable, match="certificate is refused"):
            store.lookup("bob")
        ca_file.write_text(authority().ca_file.read_text())
        assert store.lookup("bob") is not None


@pytest.mark.parametrize("way", WAYS)
def test_without_a_ca_file_the_systems_authorities_count(way: str) -> None:
    store = secure_store("right", way, ca_file=None)
    with closing(store), pytest.raises(Unavailable, match=UNKNOWN_AUTHORITY):
        store.lookup("bob")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", WRONG)
def test_whoever_says_so_goes_without_the_check(which: str, way: str) -> None:
    with closing(secure_store(which, way, ca_file=None, checks_certificate=False)) as store:
        assert store.lookup("bob") is not None


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_cannot_be_used_is_told(content: bytes | None, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    store = secure_store("right", "ldaps", ca_file=str(ca_file))
    with closing(store), pytest.raises(Unavailable, match=r"ca_file .* cannot be used"):
        store.lookup("bob")


def test_a_server_that_does_not_start_tls_gets_no_password() -> None:
    server = Slapd(debug="stats,packets")  # without a certificate
    try:
        _, base = directory_of("bob", server=server)
        store = store_of(server, base, start_tls=True, ca_file=str(authority().ca_file))
        with closing(store), pytest.raises(Unavailable, match=r"does not start TLS: 2 .protocol error"):
            store.lookup("bob")
        assert 'dn="cn=mail' not in server.log().partition("STARTTLS")[2]
    finally:
        server.close()


def test_tls_on_a_port_without_it_is_no_answer() -> None:
    server, base = directory_of("bob")
    url = f"ldaps://{HOST}:{server.port}"
    with closing(store_of(server, base, urls=[url])) as store, pytest.raises(Unavailable, match=re.escape(PLAIN_PORT)):
        store.lookup("bob")


def test_no_tls_on_a_port_with_it_is_no_answer() -> None:
    server, base = secured("right")
    url = f"ldap://{HOST}:{server.tls_port}"
    for start_tls, words in ((False, TLS_PORT), (True, f"{TLS_PORT}, without start_tls")):
        store = store_of(server, base, urls=[url], start_tls=start_tls)
        with closing(store), pytest.raises(Unavailable, match=re.escape(words)):
            store.lookup("bob")


def test_a_port_that_has_worked_is_not_doubted() -> None:
    peer = Peer(Dialler(parsed(f"ldap://{HOST}")), Health("asking", "ldap", lambda _facts: None))
    lost = Lost("the server has closed the connection")
    lost.may_be_port = True
    assert TLS_PORT in peer.failed(lost)
    peer.works()
    assert peer.failed(lost) == f"ldap://{HOST}: the server has closed the connection"


@pytest.mark.parametrize("way", WAYS)
def test_a_handshake_that_hangs_ends_in_time(way: str) -> None:
    server, base = secured("right")
    with Proxy(server.tls_port if way == "ldaps" else server.port) as proxy:
        proxy.freeze()
        url = f"{'ldaps' if way == 'ldaps' else 'ldap'}://{HOST}:{proxy.port}"
        options: dict[str, Any] = {"start_tls": way == "start_tls", "limits": Limits(connect=0.5, request=0.5)}
        with closing(store_of(server, base, urls=[url], **options)) as store:
            began = time.monotonic()
            with pytest.raises(Unavailable):
                store.lookup("bob")
            assert time.monotonic() - began < IN_TIME_SECONDS


def test_a_child_serves_over_tls_and_says_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    server, base = secured("right")
    ca_file = str(authority().ca_file)
    folder = Folder(tmp_path / "right", [server.tls_url], base, ca_file=ca_file)
    with folder.child() as child:
        assert_serves(child)
    assert folder.log() == []
    other, base = secured("expired")
    folder = Folder(tmp_path / "expired", [other.url], base, ca_file=ca_file, start_tls=True)
    with folder.child() as child:
        assert_dead(child, b"lookup bob", b"check bob secret", b"lookup nobody")
    folder.assert_told_once("certificate has expired")
    assert PASSWORD not in (folder.path / "nwauth.log").read_text()
