"""``kind = "system"`` in ``nwauth.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.build import store
from nwauth.config.kinds.system import SystemConfig
from nwauth.errors import ConfigError
from nwauth.stores.system import SystemStore
from tests.config.common import written

if TYPE_CHECKING:
    from pathlib import Path


SYSTEM = '[[stores]]\nkind = "system"\n'


def test_a_system_store_needs_no_setting(tmp_path: Path) -> None:
    (one,) = written(tmp_path, SYSTEM).stores
    assert one == SystemConfig(path=str(tmp_path))
    assert (one.kind, one.name, one.read_only, one.upgrade, one.keep, one.star_is_clear) == (
        *("system", "system"),
        *(True, False, False, False),
    )
    assert isinstance(one, SystemConfig)
    assert (one.min_uid, one.max_uid, one.pam_service, one.passwords) == (1000, None, "nwauth", "auto")


def test_every_setting_of_a_system_store_is_read(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        SYSTEM
        + """
        name = "accounts"
        min_uid = 500
        max_uid = 60000
        unix_case = true
        walk = false
        drop_path = "{home}/Mailbox"
        passwords = "pam"
        pam_service = "mail-login"
        pam_timeout_seconds = 5
        read_only = true
        """,
    )
    assert found.stores == (
        SystemConfig(
            path=str(tmp_path),
            name="accounts",
            min_uid=500,
            max_uid=60000,
            unix_case=True,
            walk=False,
            drop_path="{home}/Mailbox",
            passwords="pam",
            pam_service="mail-login",
            pam_timeout_seconds=5.0,
        ),
    )
    made = store(found, found.stores[0])
    assert isinstance(made, SystemStore)
    assert (made.name, made.place()) == ("accounts", "the accounts of this system with ids from 500 to 60000")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("read_only = false", "read_only: found false, wanted true: the system's accounts are changed by useradd,"),
        ("min_uid = -1", "min_uid: found -1, wanted an integer from 0 to 4294967293"),
        ("max_uid = 999", "max_uid: found 999, wanted min_uid (1000) or more"),
        ('unix_case = "yes"', 'unix_case: found "yes" (a string), wanted true or false'),
        ("walk = 1", "walk: found 1 (an integer), wanted true or false"),
        ('drop_path = "Mailbox"', "drop_path: found 'Mailbox', wanted \"config\", or a path that begins with / or {ho"),
        ('drop_path = "{home}/{domain}"', "drop_path: found '{home}/{domain}', wanted"),
        ('drop_path = "/var/my mail"', "drop_path: found '/var/my mail', wanted"),
        ('drop_path = "{name}/Mailbox"', "drop_path: found '{name}/Mailbox', wanted"),
        ('drop_path = ""', "drop_path: found '', wanted"),
        ('passwords = "ldap"', 'passwords: found "ldap", wanted one of auto, pam, shadow'),
        ('pam_service = "../shadow"', "pam_service: found '../shadow', wanted the name of a file in /etc/pam.d"),
        ('pam_service = "Mail"', "pam_service: found 'Mail', wanted the name of a file in /etc/pam.d"),
        ('pam_service = ".nwauth"', "pam_service: found '.nwauth', wanted the name"),
        ('pam_service = ""', "pam_service: found '', wanted the name"),
        ("pam_timeout_seconds = 10", "pam_timeout_seconds: found 10, wanted a number from 0.5 to 9"),
        ('scheme = "bcrypt"', "scheme: unknown key"),
        ("upgrade = true", "upgrade: unknown key"),
        ('pam_servise = "x"', "pam_servise: unknown key, did you mean pam_service?"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, SYSTEM + line)
    assert str(caught.value).startswith(f"{tmp_path}/nwauth.toml: stores[0].{error}")
    assert "\n" not in str(caught.value)
