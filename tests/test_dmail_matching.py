"""The ``nwauth.toml`` made of a dmail.conf: it can be read, and asks the right store for what the servers will send."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.commands.init_dmail import settings_text
from nwauth.config.reading import parsed
from nwauth.dmail.asking import askings
from nwauth.dmail.matching import Plan, matching
from nwauth.dmail.reading import parse
from nwauth.dmail.words import command_words
from nwauth.errors import Refused

if TYPE_CHECKING:
    from nwauth.config import Config

FOLDER = "/var/lib/nwauth"
MAIN = "host_domain test.com\ndrop_path /mail\n"
DOM2 = "vdomain dom2 @dom2 dom2.com /mail/2\n"
DOM3 = "vdomain dom3 10.0.0.3 dom3.com /mail/3\n"
UNIX = "authent_method unix_user\n"
FILE2 = "vdomain_passwd dom2.com /etc/dom2.passwd\n"


def plan_of(text: str, *, shared: bool = False) -> Plan:
    conf = parse(text.encode(), file="dmail.conf")
    return matching(conf, folder=FOLDER, shared=shared, is_folder=lambda path: path.startswith("/srv/"))


def stores(text: str) -> list[dict[str, Any]]:
    """The tables of the stores in the settings made, which our own reader takes."""
    settings = settings_text(plan_of(text))
    config_of(text)
    found: list[dict[str, Any]] = tomllib.loads(settings)["stores"]
    return found


def config_of(text: str) -> Config:
    content = settings_text(plan_of(text)).encode()
    return parsed(content, file=f"{FOLDER}/nwauth.toml", folder=FOLDER, environ={})


EXTERNAL = "authent_method external\nauthent_process "
NWAUTH = f"{EXTERNAL}/usr/local/bin/nwauth -path {FOLDER} -log\n"
FLAT = {"kind": "flatfile", "path": ".", "shared": False}
PASSWD2 = {"kind": "passwd", "name": "dom2.com", "path": "/etc/dom2.passwd"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [{"kind": "system"}]),
        (UNIX + MAIN, [{"kind": "system"}]),
        (UNIX + MAIN + "unix_case true\n", [{"kind": "system", "unix_case": True}]),
        (
            UNIX + MAIN + "authent_domain true\n",
            [{"kind": "system", "match": ["*@test.com"], "strip_suffix": "@test.com"}],
        ),
        (
            UNIX + MAIN + DOM2 + FILE2,
            [PASSWD2 | {"match": ["dom2_*"], "strip_prefix": "dom2_"}, {"kind": "system"}],
        ),
        (
            UNIX + MAIN + DOM2 + FILE2 + "unix_case true\nvdomain_separator -\n",
            [
                PASSWD2 | {"match": ["dom2-*"], "strip_prefix": "dom2-", "unix_case": True},
                {"kind": "system", "unix_case": True},
            ],
        ),
        (
            UNIX + MAIN + DOM2 + FILE2 + "authent_domain true\n",
            [
                PASSWD2 | {"domain": "dom2.com"},
                {"kind": "system", "match": ["*@test.com"], "strip_suffix": "@test.com"},
            ],
        ),
        (
            UNIX + MAIN + DOM2 + DOM3 + FILE2 + "vdomain_password test.com /etc/main\n",
            [
                PASSWD2 | {"match": ["dom2_*"], "strip_prefix": "dom2_"},
                {"kind": "passwd", "name": "test.com", "path": "/etc/main"},
                {"kind": "system", "match": ["dom3_*"]},
            ],
        ),
        (
            UNIX + MAIN + "vdomain_password test.com /etc/main\n",
            [{"kind": "passwd", "name": "test.com", "path": "/etc/main"}],
        ),
        (NWAUTH + MAIN + "authent_domain true\n", [FLAT]),
        (f"{EXTERNAL}/usr/local/bin/nwauth\n" + MAIN, [FLAT]),
        (f"{EXTERNAL}python3 -m nwauth -path /srv/nwauth\n" + MAIN, [FLAT | {"path": "/srv/nwauth"}]),
        (f'{EXTERNAL}/bin/nwauth -path "/srv/my ${{mail}}"\n' + MAIN, [FLAT | {"path": "/srv/my $${mail}"}]),
        (f"{EXTERNAL}c:\\dmail\\NWAuth.exe -path c:\\dmail\n" + MAIN, [FLAT]),
        (f"{EXTERNAL}/usr/local/bin/nwauth -path /away\n" + MAIN, [FLAT]),
        (
            f"{EXTERNAL}/usr/local/dmail/odbcauth -path /usr/local/dmail\n" + MAIN,
            [{"kind": "process", "command": ["/usr/local/dmail/odbcauth", "-path", "/usr/local/dmail"]}],
        ),
        (
            f"{EXTERNAL}/usr/local/dmail/ldapauth -path /usr/local/nwauth\n" + MAIN,
            [{"kind": "process", "command": ["/usr/local/dmail/ldapauth", "-path", "/usr/local/nwauth"]}],
        ),
        (NWAUTH + MAIN + DOM2 + FILE2, [PASSWD2 | {"match": ["dom2_*"], "strip_prefix": "dom2_"}, FLAT]),
        ("authent_method nt_user\n" + MAIN, [FLAT]),
    ],
)
def test_the_stores_are_those_that_know_the_users(text: str, expected: list[dict[str, Any]]) -> None:
    assert stores(text) == expected


def test_a_folder_that_shares_is_shared() -> None:
    made = tomllib.loads(settings_text(plan_of(NWAUTH + MAIN, shared=True)))["stores"]
    assert made == [FLAT | {"shared": True}]


@pytest.mark.parametrize(("switch", "domain"), [("true", "test.com"), ("false", "")])
def test_a_name_without_a_domain_is_the_main_domains_where_the_servers_send_domains(switch: str, domain: str) -> None:
    text = NWAUTH + MAIN + f"authent_domain {switch}\n"
    assert config_of(text).names.default_domain == domain


@pytest.mark.parametrize("switch", ["true", "false"])
def test_what_the_servers_send_is_asked_of_the_store_that_knows_it(switch: str) -> None:
    """Each name of the model is matched by the store of its domain, and by none of another domain's."""
    text = (
        "authent_method external\nauthent_process nwauth\n" + MAIN + DOM2 + DOM3 + FILE2 + f"authent_domain {switch}\n"
    )
    text += "vdomain_passwd dom3.com /etc/dom3.passwd\n"
    conf = parse(text.encode(), file="dmail.conf")
    made = stores(text)
    for asking in askings(conf, "bob"):
        asked = [
            store["name"]
            for store in made
            if asking.name.endswith(f"@{store['domain']}" if "domain" in store else "")
            and ("match" not in store or asking.name.startswith(store["match"][0].rstrip("*")))
            and "name" in store
        ]
        assert asked == ([] if asking.domain.is_main else [asking.domain.name]), asking.name


# --- notes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("authent_method nt_user\n" + MAIN, "Windows' users are served by a store of kind ldap"),
        (
            f"{EXTERNAL}nwauth -path /srv/nwauth\n" + MAIN,
            (
                "the servers start nwauth with -path /srv/nwauth, where it reads /srv/nwauth/nwauth.toml, not this one:"
                " give --path /srv/nwauth here, or change authent_process"
            ),
        ),
        (
            f"{EXTERNAL}c:\\dmail\\nwauth.exe -path c:\\dmail\n" + MAIN,
            "-path c:\\dmail, which is no folder here: give authent_process -path /var/lib/nwauth",
        ),
        (
            UNIX + MAIN + DOM3 + "authent_domain true\n",
            "the users of dom3.com are system users called dom3_NAME now, and with authent_domain true",
        ),
        (
            f"{EXTERNAL}nwauth -drop_path hash /mail -path {FOLDER} -readonly\n" + MAIN,
            "the servers start nwauth with -drop_path hash /mail -readonly: keep that behind the -path",
        ),
        (NWAUTH + MAIN + "lowercase_password true\n", "add users with --lowercase"),
        (NWAUTH + MAIN, "lowercase_username is false: set it to true"),
        (NWAUTH + MAIN, "stop and start DSMTP and DPOP"),
    ],
)
def test_what_the_settings_alone_do_not_do_is_told(text: str, note: str) -> None:
    assert any(note in told for told in plan_of(text).notes)


def test_nobody_is_told_what_is_right_already() -> None:
    assert len(plan_of(NWAUTH + MAIN + "lowercase_username true\n").notes) == 1
    assert len(plan_of(UNIX + MAIN + "unix_case true\n").notes) == 1


def test_the_store_for_windows_users_can_be_taken_into_use() -> None:
    settings = settings_text(plan_of("authent_method nt_user\n" + MAIN))
    head, _, rest = settings.partition("# Windows' users")
    prose, _, store = rest.partition("\n")
    assert "Active Directory" in prose
    commented, _, _ = store.partition("\n\n")
    live = "\n".join(line.removeprefix("#") for line in commented.splitlines())
    assert tomllib.loads(head + live)["stores"] == [
        {
            "kind": "ldap",
            "preset": "active-directory",
            "urls": ["ldaps://dc1.test.com"],
            "base": "dc=test,dc=com",
            "bind_dn": "cn=mail,dc=test,dc=com",
            "bind_password": {"file": "ldap.secret"},
        }
    ]


@pytest.mark.parametrize("value", [b"/etc/\xff", b"/etc/\x1b"])
def test_a_path_that_toml_cannot_hold_is_refused(value: bytes) -> None:
    conf = parse(b"vdomain_passwd test.com " + value + b"\nhost_domain test.com\n", file="dmail.conf")
    with pytest.raises(Refused, match=r"dmail.conf: line 1: vdomain_passwd: found what does not print"):
        matching(conf, folder=FOLDER)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nwauth -path /a", ["nwauth", "-path", "/a"]),
        ("  nwauth\t-path   /a ", ["nwauth", "-path", "/a"]),
        (
            '"c:\\program files\\nwauth.exe" -path "c:\\my mail"',
            ["c:\\program files\\nwauth.exe", "-path", "c:\\my mail"],
        ),
        ('a"b c"d', ["ab cd"]),
        ('a "" b', ["a", "", "b"]),
        ('a "b c', ["a", "b c "]),
        ("", []),
    ],
)
def test_the_words_of_a_command_line_are_parted_by_blanks_outside_quotes(line: str, words: list[str]) -> None:
    assert command_words(line) == words
