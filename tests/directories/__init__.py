"""Real directory servers for tests: each test process starts its own, on free ports, in temporary folders.

* `slapd.Slapd`: OpenLDAP as the operating system installs it
* `samba.Samba`: an Active Directory domain controller, by Samba
* `authority`: certificates, right ones and wrong ones
* `directory.Directory`: what the servers have in common; `ldif` writes what they are filled with

A test that only needs a directory shares it (`shared_slapd`, `shared_samba`) and works below a base of its own.
"""

from __future__ import annotations

import functools
import os

import pytest

from tests.directories.samba import Samba
from tests.directories.samba import missing as why_no_samba
from tests.directories.slapd import Slapd
from tests.directories.slapd import missing as why_no_slapd


@functools.cache
def shared_slapd() -> Slapd:
    """The OpenLDAP server of this test process; where none is installed this skips, in CI it fails."""
    _must_be_there(why_no_slapd())
    return Slapd().start()


@functools.cache
def breakable_slapd(number: int = 0) -> Slapd:
    """One that tests may stop and freeze; they start it again before they use it."""
    del number
    _must_be_there(why_no_slapd())
    return Slapd()


@functools.cache
def shared_samba() -> Samba:
    """The domain controller of this test process; where none can be made this skips, in CI it fails."""
    _must_be_there(why_no_samba())
    return Samba().start()


def _must_be_there(reason: str | None) -> None:
    if reason is None:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
