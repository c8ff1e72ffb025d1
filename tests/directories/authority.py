"""Certificates for tests: a right one, and one for each way in which a certificate can be wrong."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trustme

from tests.databases import guard

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"


class Certificate:
    """The files that a server needs."""

    def __init__(self, folder: Path, name: str, made: trustme.LeafCert) -> None:
        self.chain = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        made.private_key_pem.write_to_path(self.key)
        for at, blob in enumerate(made.cert_chain_pems):
            blob.write_to_path(self.chain, append=at > 0)
        for path in (self.chain, self.key):
            guard.give(path)


class Authority:
    """An authority of our own, and one that nobody knows."""

    def __init__(self) -> None:
        self.folder = guard.make_folder("authority")
        self._ours, self._strange = trustme.CA(), trustme.CA()
        self.ca_file = self.folder / "ca.pem"
        self._ours.cert_pem.write_to_path(self.ca_file)

    def right(self, *hosts: str) -> Certificate:
        return self._made(self._ours, *(hosts or (HOST, "localhost")))

    def wrong_host(self) -> Certificate:
        return self._made(self._ours, "other.test.com")

    def expired(self) -> Certificate:
        before = datetime(2020, 1, 1, tzinfo=UTC)
        return Certificate(self.folder, "expired", self._ours.issue_cert(HOST, not_after=before))

    def unknown(self) -> Certificate:
        return self._made(self._strange, HOST)

    def _made(self, authority: trustme.CA, *hosts: str) -> Certificate:
        name = f"{'ours' if authority is self._ours else 'strange'}-{'-'.join(hosts)}"
        return Certificate(self.folder, name, authority.issue_cert(*hosts))


@functools.cache
def authority() -> Authority:
    """The one of this test process: keys take a while to make."""
    return Authority()
