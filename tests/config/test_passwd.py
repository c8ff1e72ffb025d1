"""What ``kind = "passwd"`` says, and what its errors say of what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.build import build
from nwauth.config import read
from nwauth.config.kinds.passwd import PasswdConfig
from nwauth.errors import ConfigError
from tests.stores.passwd_files import settled

if TYPE_CHECKING:
    from pathlib import Path


def of(folder: Path, text: str) -> PasswdConfig:
    (folder / "nwauth.toml").write_text(f'[[stores]]\nkind = "passwd"\n{text}\n')
    (one,) = read(str(folder)).stores
    assert isinstance(one, PasswdConfig)
    return one


def test_a_path_is_all_that_must_be_said(tmp_path: Path) -> None:
    one = of(tmp_path, 'path = "users"')
    assert one == PasswdConfig(files=f"{tmp_path}/users", state=str(tmp_path))
    assert (one.path, one.read_only, one.keep, one.upgrade, one.drop_path) == (
        str(tmp_path),
        True,
        True,
        False,
        "config",
    )


def test_everything_can_be_said(tmp_path: Path) -> None:
    one = of(
        tmp_path,
        'name = "p"\npath = "/etc/mail/{domain}.passwd"\nshadow = "/etc/mail/{domain}.shadow"\n'
        'domain = ["dom2.test.com", "dom3.test.com"]\nmatch = ["*@dom4.test.com", "*@*.org", "bob"]\n'
        'drop_path = "{home}/Mailbox"\nunix_case = true\nwritable = true\nsettle_seconds = 1.5\n'
        'scheme = "bcrypt"\nupgrade = true\nnew_uid = 5\nnew_gid = 6\nnew_home = "/home/{domain}/{name}"\n'
        'new_shell = "/bin/false"',
    )
    assert one == PasswdConfig(
        name="p",
        files="/etc/mail/{domain}.passwd",
        shadow="/etc/mail/{domain}.shadow",
        domains=("dom2.test.com", "dom3.test.com"),
        listed=("dom4.test.com",),
        drop_path="{home}/Mailbox",
        unix_case=True,
        read_only=False,
        settle_seconds=1.5,
        state=str(tmp_path),
        new_scheme="bcrypt",
        keep=False,
        upgrade=True,
        new_uid="5",
        new_gid="6",
        new_home="/home/{domain}/{name}",
        new_shell="/bin/false",
    )
    assert one.path == "/etc/mail"
    assert one.as_read_only().upgrade is False


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        ("", "path", "wanted a file"),
        ("path = 5", "path", "wanted"),
        ('path = "/etc/{name}"', "path", "{domain}"),
        ('path = "/etc/{domain}{domain}"', "path", "once between two slashes"),
        ('path = "/e/{domain}"\nshadow = "/e/shadow"', "shadow", "in both or in none"),
        ('path = "/e/users"\nshadow = "/e/{domain}"', "shadow", "in both or in none"),
        ('path = "/e/users"\ndomain = ["a.com", "b.com"]', "domain", "wanted one"),
        ('path = "/e/{domain}"\ndomain = ["a.com", "A.com"]', "domain", "each once"),
        ('path = "/e/users"\ndomain = "../x"', "domain", "name of a domain"),
        ('path = "/e/users"\ndomain = "*.com"', "domain", "name of a domain"),
        ('path = "/e/users"\ndomain = ""', "domain", "name of a domain"),
        ('path = "/e/users"\ndrop_path = "{home}/{user}"', "drop_path", "{home}, {name}"),
        ('path = "/e/users"\ndrop_path = "{home}/{domain}"', "drop_path", "{home}, {name}"),
        ('path = "/e/users"\ndrop_path = "/a b/{name}"', "drop_path", "no blanks"),
        ('path = "/e/users"\nwritable = true\nread_only = true', "read_only", "one of them"),
        ('path = "/e/users"\nwritable = true\nupgrade = true', "upgrade", "a scheme beside it"),
        ('path = "/e/users"\nscheme = "ssha"\nupgrade = true', "upgrade", "writable = true"),
        ('path = "/e/users"\nscheme = "rot13"', "scheme", "argon2id"),
        ('path = "/e/users"\nunix_case = "yes"', "unix_case", "true or false"),
        ('path = "/e/users"\nnew_home = "a:b"', "new_home", "without colons"),
        ('path = "/e/users"\nnew_uid = -1', "new_uid", "0"),
        ('path = "/e/users"\nnew_uid = "root"', "new_uid", "an integer"),
        ('path = "/e/users"\nunixcase = true', "unixcase", "unix_case"),
    ],
)
def test_an_error_says_file_key_found_and_wanted(tmp_path: Path, text: str, key: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as raised:
        of(tmp_path, text)
    said = str(raised.value)
    assert said.startswith(f"{tmp_path}/nwauth.toml")
    assert key in said
    assert wanted in said
    assert "\n" not in said


def test_with_a_domain_in_the_path_the_names_have_theirs_and_templates_too(tmp_path: Path) -> None:
    one = of(tmp_path, 'path = "{domain}/passwd"\ndrop_path = "/var/{domain}/{name}"')
    assert (one.path, one.domains, one.listed) == (str(tmp_path), (), ())


def test_the_service_over_it_keeps_the_scheme_of_a_field_and_makes_new_ones_for_all_programs(tmp_path: Path) -> None:
    settled(tmp_path / "mail" / "users", b"old:$1$salt$qJH7.N4xYta3aEG/dfqo/0:1:1:::\n")
    of(tmp_path, 'path = "mail/users"\nwritable = true')
    service = build(read(str(tmp_path)))
    assert service.set("old", b"changed", {}).stored_password.startswith("$1$")
    assert service.set("new", b"secret", {}).stored_password.startswith("$6$")
    assert service.check("old", b"changed") is not None
    assert service.check("new", b"secret") is not None
    assert service.check("new", b"wrong") is None
    service.store.close()


@pytest.mark.parametrize("field", ["*", "!", "*secret", "!secret", "", "secret", "x", "*LK*"])
def test_a_field_that_is_no_hash_lets_nobody_in(tmp_path: Path, field: str) -> None:
    settled(tmp_path / "mail" / "users", f"bob:{field}:1:1:::\n".encode())
    of(tmp_path, 'path = "mail/users"')
    service = build(read(str(tmp_path)))
    for password in (b"secret", field.encode() or b"x", b"!", b"*"):
        assert service.check("bob", password) is None
    assert service.lookup("bob") is not None
    service.store.close()


def test_an_account_that_has_expired_is_refused_at_login_and_gets_its_mail(tmp_path: Path) -> None:
    hashed = "$1$salt$qJH7.N4xYta3aEG/dfqo/0"
    settled(tmp_path / "mail" / "users", b"bob:x:1:1:::\n")
    settled(tmp_path / "mail" / "shadow", f"bob:{hashed}:1000:0:99999:7::2000:\n".encode())
    of(tmp_path, 'path = "mail/users"\nshadow = "mail/shadow"')
    service = build(read(str(tmp_path)))
    reported: dict[str, object] = {}
    assert service.check("bob", b"whatever", reported.__setitem__) is None
    assert "expired" in str(reported["reason"])
    assert service.lookup("bob") is not None
    service.store.close()
