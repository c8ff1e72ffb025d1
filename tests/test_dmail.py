"""What the servers make of a dmail.conf: the manual's own examples first, then every combination of its settings."""

from __future__ import annotations

from itertools import product

import pytest

from nwauth.dmail.asking import DPOP, DSMTP, addressees, askings, unix_match
from nwauth.dmail.drops import hashed_path
from nwauth.dmail.reading import parse

EXTERNAL = "authent_method external\nauthent_process nwauth\n"
MAIN = "host_domain test.com\ndrop_path /mail\n"
# The domains of the manual's tables (authtabl.htm), and those of the page "User Administration".
COMPUTERS = "host_domain netwin.co.nz\ndrop_path c:\\dmail\\in\n"
SUFFIX = "vdomain cc @computers.com computers.com c:\\dmail\\in\\computers\n"
ADDRESS = "vdomain cc 9.9.9.9 computers.com c:\\dmail\\in\\computers\n"
DOM2 = "vdomain dom2 @dom2.com dom2.com /mail/domain2\n"
DOMAIN2 = "vdomain domain2 @domain2 domain2.com /mail/domain2\n"


def told(text: str, login: str, *, found: str | None = None) -> list[tuple[str, str, str | None]]:
    """Each event of a login with the name that is asked for, and the drop file."""
    return [
        (one.event, one.name, one.drop_file(found)) for one in askings(parse(text.encode(), file="dmail.conf"), login)
    ]


CASES: dict[str, tuple[str, str, list[tuple[str, str, str | None]]]] = {
    # --- the manual's examples
    "no name twice: further host_domains are synonyms of the main one": (
        EXTERNAL + MAIN + "host_domain test.net\nhost_domain test.org\n",
        "bob@test.org",
        [("mail to bob@test.com", "bob", "/mail/bob"), ("login bob", "bob", "/mail/bob")],
    ),
    "authent_domain true: the server checks for bob@domain": (
        EXTERNAL + MAIN + "authent_domain true\n",
        "bob",
        [("mail to bob@test.com", "bob@test.com", "/mail/bob"), ("login bob", "bob@test.com", "/mail/bob")],
    ),
    "a prefix: bob of the second domain is dom2_bob, bob of the main one stays bob": (
        EXTERNAL + MAIN + DOM2,
        "bob",
        [
            ("mail to bob@test.com", "bob", "/mail/bob"),
            ("login bob", "bob", "/mail/bob"),
            ("mail to bob@dom2.com", "dom2_bob", "/mail/domain2/dom2_bob"),
            ("login bob@dom2.com", "dom2_bob", "/mail/domain2/dom2_bob"),
        ],
    ),
    "vdomain dom2 /mail/domain2, as the manual prints it: the domain is not told": (
        EXTERNAL + MAIN + "vdomain dom2 /mail/domain2\n",
        "bob",
        [
            ("mail to bob@test.com", "bob", "/mail/bob"),
            ("login bob", "bob", "/mail/bob"),
            ("mail to bob@?", "dom2_bob", "/mail/domain2/dom2_bob"),
        ],
    ),
    "vdomain_separator sets the _ to something else": (
        EXTERNAL + MAIN + DOM2 + "vdomain_separator -\n",
        "bob@dom2.com",
        [
            ("mail to bob@dom2.com", "dom2-bob", "/mail/domain2/dom2-bob"),
            ("login bob@dom2.com", "dom2-bob", "/mail/domain2/dom2-bob"),
        ],
    ),
    "IP address based, authent_domain true: who logs in with bob is looked up with the address's domain": (
        EXTERNAL + COMPUTERS + ADDRESS + "authent_domain true\n",
        "bob@computers.com",
        [
            ("mail to bob@computers.com", "bob@computers.com", "c:\\dmail\\in\\computers\\cc_bob"),
            ("login bob at 9.9.9.9", "bob@computers.com", "c:\\dmail\\in\\computers\\cc_bob"),
        ],
    ),
    "suffix based, authent_domain false: who logs in with bob@domain2 is looked up as domain2_bob": (
        EXTERNAL + MAIN + DOMAIN2 + "authent_domain false\n",
        "bob@domain2",
        [
            ("mail to bob@domain2.com", "domain2_bob", "/mail/domain2/domain2_bob"),
            ("login bob@domain2", "domain2_bob", "/mail/domain2/domain2_bob"),
        ],
    ),
    "the tables: the user sales of a suffix based domain, authent_domain true": (
        EXTERNAL + COMPUTERS + SUFFIX + "authent_domain true\n",
        "sales@computers.com",
        [
            ("mail to sales@computers.com", "sales@computers.com", "c:\\dmail\\in\\computers\\cc_sales"),
            ("login sales@computers.com", "sales@computers.com", "c:\\dmail\\in\\computers\\cc_sales"),
        ],
    ),
    "the tables: the user test of the main domain before DMail 2.7, by dpop_host": (
        EXTERNAL + "dpop_host netwin.co.nz\ndrop_path /mail\nauthent_domain true\n",
        "test",
        [
            ("mail to test@netwin.co.nz", "test@netwin.co.nz", "/mail/test"),
            ("login test", "test@netwin.co.nz", "/mail/test"),
        ],
    ),
    "hash_spool 2 takes dom1_BOB to path\\b\\o\\dom1_BOB": (
        EXTERNAL + MAIN + "vdomain dom1 10.0.0.1 dom1.com c:\\path\nhash_spool 2\n",
        "BOB@dom1.com",
        [
            ("mail to BOB@dom1.com", "dom1_BOB", "c:\\path\\b\\o\\dom1_BOB"),
            ("login BOB at 10.0.0.1", "dom1_BOB", "c:\\path\\b\\o\\dom1_BOB"),
        ],
    ),
    "mail for BOB: DSMTP sends lookup BOB": (
        EXTERNAL + MAIN,
        "BOB@test.com",
        [("mail to BOB@test.com", "BOB", "/mail/BOB"), ("login BOB", "BOB", "/mail/BOB")],
    ),
    "kathy logs in as KATHY: DPOP looks for KATHY, and for her drop file": (
        "authent_method unix_user\n" + MAIN,
        "KATHY",
        [("mail to KATHY@test.com", "KATHY", "/mail/KATHY"), ("login KATHY", "KATHY", "/mail/KATHY")],
    ),
    "lowercase_username: DPOP looks up in lower case, DSMTP as it came, drop files are lower case for both": (
        EXTERNAL + MAIN + "lowercase_username true\n",
        "BOB",
        [("mail to BOB@test.com", "BOB", "/mail/bob"), ("login BOB", "bob", "/mail/bob")],
    ),
    "prefixes are in the case of dmail.conf": (
        EXTERNAL + MAIN + "vdomain Dom1 @d1 dom1.com /mail/1\n",
        "BOB@dom1.com",
        [("mail to BOB@dom1.com", "Dom1_BOB", "/mail/1/Dom1_BOB"), ("login BOB@d1", "Dom1_BOB", "/mail/1/Dom1_BOB")],
    ),
    "but with lowercase_username the whole drop file name is lower case": (
        EXTERNAL + MAIN + "vdomain Dom1 @d1 dom1.com /mail/1\nlowercase_username true\n",
        "BOB@dom1.com",
        [("mail to BOB@dom1.com", "Dom1_BOB", "/mail/1/dom1_bob"), ("login BOB@d1", "dom1_bob", "/mail/1/dom1_bob")],
    ),
    # --- what they leave open
    "an address in other case is the same domain, spelled as dmail.conf has it": (
        EXTERNAL + MAIN + DOM2 + "authent_domain true\n",
        "bob@DOM2.COM",
        [
            ("mail to bob@dom2.com", "bob@dom2.com", "/mail/domain2/dom2_bob"),
            ("login bob@dom2.com", "bob@dom2.com", "/mail/domain2/dom2_bob"),
        ],
    ),
    "an alias of the main domain is looked up as the main domain": (
        EXTERNAL + MAIN + "host_domain test.net\nauthent_domain true\n",
        "bob@test.net",
        [("mail to bob@test.com", "bob@test.com", "/mail/bob"), ("login bob", "bob@test.com", "/mail/bob")],
    ),
    "a domain can have an address and a suffix": (
        EXTERNAL + COMPUTERS + SUFFIX + ADDRESS,
        "bob@computers.com",
        [
            ("mail to bob@computers.com", "cc_bob", "c:\\dmail\\in\\computers\\cc_bob"),
            ("login bob@computers.com", "cc_bob", "c:\\dmail\\in\\computers\\cc_bob"),
            ("login bob at 9.9.9.9", "cc_bob", "c:\\dmail\\in\\computers\\cc_bob"),
        ],
    ),
    "a suffix need not begin with an @, and then is no bare name elsewhere": (
        EXTERNAL + MAIN + "vdomain d2 .d2 dom2.com /mail/2\n",
        "bob.d2",
        [("mail to bob@dom2.com", "d2_bob", "/mail/2/d2_bob"), ("login bob.d2", "d2_bob", "/mail/2/d2_bob")],
    ),
    "drop_prefix false: no prefix in the drop file, in the look-up all the same": (
        EXTERNAL + MAIN + DOM2 + "drop_prefix false\nhash_spool 1\n",
        "bob@dom2.com",
        [
            ("mail to bob@dom2.com", "dom2_bob", "/mail/domain2/b/bob"),
            ("login bob@dom2.com", "dom2_bob", "/mail/domain2/b/bob"),
        ],
    ),
    "a name shorter than the hash has fewer folders": (
        EXTERNAL + MAIN + "hash_spool 2\n",
        "x",
        [("mail to x@test.com", "x", "/mail/x/x"), ("login x", "x", "/mail/x/x")],
    ),
    "authent_domain is for external modules alone": (
        "authent_method unix_user\nauthent_domain true\n" + MAIN,
        "bob",
        [("mail to bob@test.com", "bob", "/mail/bob"), ("login bob", "bob", "/mail/bob")],
    ),
    "a password file of a domain's own holds plain names": (
        "authent_method unix_user\nvdomain_passwd dom2.com /etc/dom2.passwd\n" + MAIN + DOM2,
        "bob@dom2.com",
        [
            ("mail to bob@dom2.com", "bob", "/mail/domain2/dom2_bob"),
            ("login bob@dom2.com", "bob", "/mail/domain2/dom2_bob"),
        ],
    ),
    "without authent_domain's domain nothing can be said": (
        EXTERNAL + "drop_path /mail\nauthent_domain true\n",
        "bob",
        [("mail to bob@?", "", "/mail/bob"), ("login bob", "", "/mail/bob")],
    ),
    "without drop_path there is no drop file to name": (
        EXTERNAL + "host_domain test.com\n",
        "bob",
        [("mail to bob@test.com", "bob", None), ("login bob", "bob", None)],
    ),
    "a name that would lead out of the folder has no drop file": (
        EXTERNAL + MAIN,
        "../bob",
        [("mail to ../bob@test.com", "../bob", None), ("login ../bob", "../bob", None)],
    ),
    "a domain that is none of ours": (EXTERNAL + MAIN + DOM2, "bob@elsewhere.com", []),
    "a suffix alone is no login": (EXTERNAL + MAIN + DOM2, "@dom2.com", []),
}


@pytest.mark.parametrize("case", CASES)
def test_the_servers_ask_for_a_name_and_open_a_drop_file(case: str) -> None:
    text, login, expected = CASES[case]
    assert told(text, login) == expected


SWITCHES = ("true", "false")


@pytest.mark.parametrize("method", ["external", "unix_user", "nt_user"])
@pytest.mark.parametrize("authent_domain", SWITCHES)
@pytest.mark.parametrize("way", ["@suffix", "10.0.0.2", "main"])
def test_every_combination_follows_the_tables(method: str, authent_domain: str, way: str) -> None:
    combinations = product("_-", ("Dom2", "d"), SWITCHES, SWITCHES, SWITCHES, "012", ("BOB", "bob", "x"))
    for separator, prefix, drop_prefix, lowercase, unix_case, hash_spool, user in combinations:
        text = (
            f"authent_method {method}\nauthent_domain {authent_domain}\nhost_domain main.com\ndrop_path /main\n"
            f"vdomain_separator {separator}\ndrop_prefix {drop_prefix}\nlowercase_username {lowercase}\n"
            f"unix_case {unix_case}\nhash_spool {hash_spool}\n"
        )
        lead, folder, domain = "", "/main", "main.com"
        if way != "main":
            text += f"vdomain {prefix} {way} dom2.com /two\n"
            lead, folder, domain = prefix + separator, "/two", "dom2.com"
        asked = f"{user}@{domain}" if (method, authent_domain) == ("external", "true") else lead + user
        file = (lead if drop_prefix == "true" else "") + user
        file = file.lower() if lowercase == "true" else file
        letters = "".join(f"{letter}/" for letter in user.lower()[: int(hash_spool)])
        mail, login = askings(parse(text.encode(), file="dmail.conf"), f"{user}@{domain}")
        assert (mail.server, mail.request, mail.name) == (DSMTP, "lookup", asked), text
        assert (login.server, login.request) == (DPOP, "check"), text
        assert login.name == (asked.lower() if lowercase == "true" else asked), text
        assert mail.drop_file() == login.drop_file() == f"{folder}/{letters}{file}", text
        assert login.event == f"login {user}" + {"@suffix": "@suffix", "main": ""}.get(way, f" at {way}"), text


# --- password files, which DSMTP reads itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "names", "unix_case", "lowered_too", "met"),
    [
        ("bob", ("bob", "BOB"), False, False, "bob"),
        ("BOB", ("bob",), False, False, "bob"),
        ("BOB", ("bob",), True, False, None),
        ("BOB", ("BOB", "bob"), True, False, "BOB"),
        ("Bob", ("BOB", "bob"), False, False, None),  # two: ambiguous
        ("Bob", ("BOB", "bob"), False, True, "bob"),  # DSMTP 2.5c: getpwnam() of the lower-case form at last
        ("Bob", ("BOB", "bob"), True, True, None),
        ("Bob", ("BOB", "BoB"), False, True, None),
        ("eve", ("bob",), False, True, None),
    ],
)
def test_a_password_file_is_searched_exactly_and_then_for_one_unambiguous_match(
    wanted: str, names: tuple[str, ...], *, unix_case: bool, lowered_too: bool, met: str | None
) -> None:
    assert unix_match(wanted, names, unix_case=unix_case, lowered_too=lowered_too) == met


def test_dsmtp_names_the_drop_file_as_the_password_file_has_it_and_dpop_as_it_was_typed() -> None:
    text = "authent_method unix_user\n" + MAIN + DOM2
    assert told(text, "BOB@test.com", found="bob") == [
        ("mail to BOB@test.com", "BOB", "/mail/bob"),
        ("login BOB", "BOB", "/mail/BOB"),
    ]
    assert told(text, "BOB@dom2.com", found="Dom2_Bob")[0][2] == "/mail/domain2/dom2_Bob"
    own = "vdomain_passwd dom2.com /etc/dom2\n"
    assert told(text + own, "BOB@dom2.com", found="Bob")[0][2] == "/mail/domain2/dom2_Bob"


def test_a_module_that_answers_with_another_case_does_not_change_the_drop_file() -> None:
    assert told(EXTERNAL + MAIN, "BOB", found="bob")[0][2] == "/mail/BOB"


# --- who else is met by a name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "name", "met_by"),
    [
        ("", "dom2_bob", [("test.com", "dom2_bob"), ("dom2.com", "bob")]),
        ("", "DOM2_bob", [("test.com", "DOM2_bob"), ("dom2.com", "bob")]),
        ("", "bob", [("test.com", "bob")]),
        ("", "dom2_", [("test.com", "dom2_")]),
        ("authent_domain true\n", "bob@dom2.com", [("dom2.com", "bob")]),
        ("authent_domain true\n", "bob", []),
    ],
)
def test_a_prefixed_name_is_met_by_mail_for_two(settings: str, name: str, met_by: list[tuple[str, str]]) -> None:
    conf = parse((EXTERNAL + MAIN + DOM2 + settings).encode(), file="dmail.conf")
    assert [(domain.name, local) for domain, local in addressees(conf, name)] == met_by


def test_a_domain_with_a_password_file_of_its_own_shares_no_name() -> None:
    text = "authent_method unix_user\nvdomain_passwd dom2.com /etc/dom2\n" + MAIN + DOM2
    conf = parse(text.encode(), file="dmail.conf")
    assert [domain.name for domain, _ in addressees(conf, "dom2_bob")] == ["test.com"]


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_base_of_windows_keeps_its_backslashes(levels: int) -> None:
    letters = "".join("bo"[:levels])
    assert hashed_path("path\\", "BOB", "dom1_BOB", levels=levels) == "\\".join(["path", *letters, "dom1_BOB"])
    assert hashed_path("/path/", "BOB", "dom1_BOB", levels=levels) == "/".join(["/path", *letters, "dom1_BOB"])
