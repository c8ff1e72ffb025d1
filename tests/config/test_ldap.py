"""``kind = "ldap"`` in ``nwauth.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.build import store
from nwauth.config.kinds.ldap import LdapConfig, Security
from nwauth.errors import ConfigError
from nwauth.stores.ldap import LdapStore
from tests.config.common import written

if TYPE_CHECKING:
    from pathlib import Path


URLS = 'urls = ["ldaps://dc1.test.com", "ldaps://dc2.test.com"]\n'
LEAST = '[[stores]]\nkind = "ldap"\nbase = "dc=test,dc=com"\n' + URLS


def ldap(folder: Path, toml: str) -> LdapConfig:
    (one,) = written(folder, toml).stores
    assert isinstance(one, LdapConfig)
    return one


def fault(folder: Path, toml: str) -> str:
    with pytest.raises(ConfigError) as caught:
        written(folder, toml)
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix(f"{folder}/nwauth.toml: stores[0].")


def test_a_directory_needs_its_servers_and_a_base(tmp_path: Path) -> None:
    one = ldap(tmp_path, LEAST)
    assert (one.kind, one.name, one.path) == ("ldap", "ldap", str(tmp_path))
    assert one.urls == ("ldaps://dc1.test.com", "ldaps://dc2.test.com")
    assert (one.read_only, one.upgrade, one.keep, one.star_is_clear) == (True, False, False, False)
    assert (one.bind_dn, one.bind_password, one.security) == ("", "", Security())
    assert (one.connect_timeout_seconds, one.request_timeout_seconds, one.ignore_referrals) == (2.0, 3.0, False)
    assert (one.people.base, one.people.compares, one.people.can_be_listed) == ("dc=test,dc=com", False, True)


def test_every_setting_of_a_directory_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "ldap.secret"
    secret.write_text("letterbox\n")
    secret.chmod(0o600)
    found = written(
        tmp_path,
        """
        [[stores]]
        name = "people"
        kind = "ldap"
        preset = "openldap"
        urls = ["ldap://one.test.com:3389", "ldap://[2001:db8::1]"]
        start_tls = true
        ca_file = "ca.pem"
        check_certificate = true
        base = "ou=people,dc=test,dc=com"
        scope = "one"
        filter = "(&(objectClass=person)(uid={name}))"
        mode = "compare"
        bind_dn = "cn=mail,dc=test,dc=com"
        bind_password = { file = "ldap.secret" }
        ignore_referrals = true
        connect_timeout_seconds = 1
        request_timeout_seconds = 2.5
        read_only = true

        [stores.attributes]
        name = "uid"
        password = "userPassword"
        drop_path = "{homeDirectory}/Mailbox"
        uid = "uidNumber"
        ip_mask = "mailMask"
        forward = "mailForward"
        quota = "mailQuota"
        info = { full_name = "cn" }
        info_text = "description"
        """,
    )
    (one,) = found.stores
    assert isinstance(one, LdapConfig)
    assert one.name == "people"
    assert one.security == Security(start_tls=True, ca_file=f"{tmp_path}/ca.pem")
    assert one.bind_password == "letterbox"
    assert "letterbox" not in repr(one)
    assert (one.ignore_referrals, one.connect_timeout_seconds, one.request_timeout_seconds) == (True, 1.0, 2.5)
    assert one.people.compares
    made = store(found, one)
    assert isinstance(made, LdapStore)
    assert made.name == "people"
    assert made.place() == "ldap://one.test.com:3389, ldap://[2001:db8::1], below ou=people,dc=test,dc=com"
    made.close()


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ('urls = ["ldap://a"]\n', "base: found nothing, wanted the DN below which the users are"),
        ('base = "dc=x"\n', "urls: found nothing, wanted an array of URLs"),
        ('url = "ldap://dc1.test.com"\nbase = "dc=x"\n', "urls: found url, wanted an array of URLs"),
        ('base = " "\nurls = "ldap://a"\n', "base: found nothing, wanted the DN"),
        ('urls = ["ldap://a", "http://b"]\nbase = "dc=x"\n', "urls[1]: found 'http', which is no URL of a directory"),
        ('urls = "ldap://mail:secret@a"\nbase = "dc=x"\n', "urls[0]: found an account in a URL, wanted it in bind_dn"),
        ('urls = "mail:secret@a"\nbase = "dc=x"\n', "urls[0]: found an account in a URL, wanted it in bind_dn"),
        ('urls = "ldap:/127.0.0.1"\nbase = "dc=x"\n', "urls[0]: found no :// in it, wanted a URL as ldaps://"),
        ('urls = "ldap://a/dc=x"\nbase = "dc=x"\n', "urls[0]: found more than host and port (a DN goes into base)"),
        ('urls = "ldap://a/dc=x?uid"\nbase = "dc=x"\n', "urls[0]: found more than host and port (a DN goes into"),
        ('urls = "ldap://a?uid"\nbase = "dc=x"\n', "urls[0]: found more than host and port (a DN goes into"),
        ('urls = "ldap://"\nbase = "dc=x"\n', "urls[0]: found a URL without the name of a host"),
        ('urls = "ldap:///dc=x"\nbase = "dc=x"\n', "urls[0]: found more than host and port"),
        ('urls = "ldap://:389"\nbase = "dc=x"\n', "urls[0]: found a URL without the name of a host"),
        ('urls = "ldap://a:0"\nbase = "dc=x"\n', "urls[0]: found a port that is none"),
        ('urls = "ldap://a:x"\nbase = "dc=x"\n', "urls[0]: found a port that is none"),
        ('urls = "ldapi:///run/ldapi/????x-mod=0777"\nbase = "dc=x"\n', "urls[0]: found ldapi without the path"),
        ('urls = "ldapi://"\nbase = "dc=x"\n', "urls[0]: found ldapi without the path"),
        (LEAST + 'preset = "exchange"\n', "preset: found"),
        (LEAST + 'scope = "base"\n', "scope: found"),
        (LEAST + 'mode = "guess"\n', "mode: found"),
        (LEAST + 'preset = "active-directory"\nmode = "compare"\n', 'mode: found "compare", wanted "bind"'),
        (LEAST + 'bind_dn = "cn=mail"\n', "bind_password: found nothing with a bind_dn"),
        (LEAST + 'bind_dn = "cn=mail"\nbind_password = ""\n', "bind_password: found nothing with a bind_dn"),
        (LEAST + 'bind_password = "letterbox"\n', "bind_dn: found nothing with a bind_password"),
        (LEAST + "start_tls = true\n", "start_tls: found true with a URL that is not ldap://"),
        (LEAST + 'ca_file = "x"\ncheck_certificate = false\n', "check_certificate: found false with a ca_file"),
        (LEAST + "connect_timeout_seconds = 5\n", "request_timeout_seconds: found 5 + 3 s"),
        (LEAST + "request_timeout_seconds = 0\n", "request_timeout_seconds: found 0"),
        (LEAST + 'filter = "(objectClass=person)"\n', "filter: found neither {name} nor {localpart}"),
        (LEAST + 'filter = "(uid={name}"\n', "filter: "),
        (LEAST + 'filter = "(uid={nome})(cn={name})"\n', "filter: "),
        (LEAST + "read_only = false\n", "read_only: found false, wanted true"),
        (LEAST + "bind_pasword = 1\n", "bind_pasword: unknown key, did you mean bind_password?"),
        (LEAST + "[stores.attributes]\nfwd = 1\n", "attributes.fwd: unknown key"),
        (LEAST + '[stores.attributes]\ndrop_path = "{home"\n', "attributes.drop_path: found '{home' with a brace"),
        (
            LEAST + '[stores.attributes]\ndrop_path = "/{a b}"\n',
            "attributes.drop_path: found '/{a b}', wanted the name",
        ),
        (
            LEAST + '[stores.attributes]\ndrop_path = "/a/../{uid}"\n',
            "attributes.drop_path: found '/a/../{uid}', wanted",
        ),
        (LEAST + '[stores.attributes]\nuid = "uid"\n', "attributes.uid: found 'uid', which holds names, wanted a num"),
        (LEAST + '[stores.attributes]\nuid = "UserID"\n', "attributes.uid: found 'UserID', which holds names"),
        (LEAST + '[stores.attributes]\nname = "cn"\nuid = "CN"\n', "attributes.uid: found 'CN', which holds names"),
        (LEAST + 'preset = "active-directory"\n[stores.attributes]\nuid = "sAMAccountName"\n', "attributes.uid: found"),
        (LEAST + '[stores.attributes]\nuid = "a b"\n', "attributes.uid: found"),
        (LEAST + '[stores.attributes]\nname = ["uid", "a)(b"]\n', "attributes.name[1]: found"),
        (LEAST + '[stores.attributes]\ninfo = { "a b" = "x" }\n', "attributes.info.a b: wanted the name of an info"),
        (LEAST + '[stores.attributes]\nforward = "x"\ninfo = { FWD = "y" }\n', "attributes.forward: found it beside"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_with_its_key(tmp_path: Path, toml: str, text: str) -> None:
    whole = toml if toml.startswith("[[stores]]") else f'[[stores]]\nkind = "ldap"\n{toml}'
    assert fault(tmp_path, whole).startswith(text)
    assert "letterbox" not in fault(tmp_path, whole)
    assert "secret@" not in fault(tmp_path, whole)
