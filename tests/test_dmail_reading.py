"""A dmail.conf is read as DMail reads it: unknown settings are passed over, bad values told and ignored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.dmail.reading import MAX_BYTES, parse, read
from nwauth.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.dmail.values import DmailConf

WHOLE = "authent_method external\nauthent_process nwauth\nhost_domain test.com\ndrop_path /mail\n"


def conf_of(text: str) -> DmailConf:
    return parse(text.encode(), file="/etc/dmail.conf")


def problems(text: str) -> list[str]:
    return [str(problem) for problem in conf_of(text).problems]


def test_an_empty_file_has_the_defaults_of_the_manual() -> None:
    conf = conf_of("")
    assert conf.authent_method == "unix_user"
    assert (conf.authent_number, conf.authent_timeout_seconds, conf.authent_cache) == (2, 10, 1000)
    assert (conf.authent_domain, conf.auth_nocache, conf.unix_case) == (False, False, False)
    assert (conf.lowercase_username, conf.lowercase_password) == (False, False)
    assert (conf.vdomain_separator, conf.hash_spool, conf.drop_path) == ("_", 0, "")
    assert conf.drop_prefix
    assert problems("") == [
        "/etc/dmail.conf: host_domain: found none, wanted the main domain",
        "/etc/dmail.conf: drop_path: found none, wanted the folder of drop files",
    ]


def test_every_setting_is_read() -> None:
    conf = conf_of(
        "authent_method external\n"
        "authent_process /usr/local/dmail/nwauth -path /usr/local/dmail\n"
        "authent_number 4\n"
        "authent_timeout 20\n"
        "authent_cache 0\n"
        "auth_nocache true\n"
        "authent_domain true\n"
        "host_domain test.com\n"
        "host_domain test.net\n"
        "dpop_host test.com\n"
        "vdomain dom2 @dom2 dom2.com /mail/2\n"
        "vdomain dom3 10.0.0.3 dom3.com /mail/3\n"
        "vdomain_separator +\n"
        "vdomain_passwd dom2.com /etc/dom2.passwd\n"
        "vdomain_password dom3.com /etc/dom3.passwd\n"
        "lowercase_username true\n"
        "lowercase_password true\n"
        "unix_case true\n"
        "hash_spool 2\n"
        "drop_path /mail/in\n"
        "drop_prefix false\n"
    )
    assert conf.problems == ()
    assert conf.unknown == ()
    assert conf.authent_method == "external"
    assert conf.authent_process == "/usr/local/dmail/nwauth -path /usr/local/dmail"
    assert (conf.authent_number, conf.authent_timeout_seconds, conf.authent_cache) == (4, 20, 0)
    assert conf.auth_nocache
    assert conf.authent_domain
    assert conf.host_domains == ("test.com", "test.net")
    assert [(one.prefix, one.way, one.domain, one.path) for one in conf.virtual_domains] == [
        ("dom2", "@dom2", "dom2.com", "/mail/2"),
        ("dom3", "10.0.0.3", "dom3.com", "/mail/3"),
    ]
    assert [(one.domain, one.path) for one in conf.passwd_files] == [
        ("dom2.com", "/etc/dom2.passwd"),
        ("dom3.com", "/etc/dom3.passwd"),
    ]
    assert (conf.lowercase_username, conf.lowercase_password, conf.unix_case) == (True, True, True)
    assert (conf.hash_spool, conf.drop_path, conf.drop_prefix) == (2, "/mail/in", False)
    main, second, third = conf.domains
    assert (main.name, main.is_main, main.aliases, main.lead) == ("test.com", True, ("test.net",), "")
    assert (second.lead, second.suffixes, second.addresses) == ("dom2+", ("@dom2",), ())
    assert (third.lead, third.suffixes, third.addresses) == ("dom3+", (), ("10.0.0.3",))
    assert [domain.passwd_file for domain in conf.domains] == ["", "/etc/dom2.passwd", "/etc/dom3.passwd"]


def test_each_setting_is_known_by_its_line() -> None:
    conf = conf_of("# DMail\n\n" + WHOLE + "log_level info\n  Hash_Spool\t2\r\n")
    assert [(one.name, one.value, one.line) for one in conf.settings] == [
        ("authent_method", "external", 3),
        ("authent_process", "nwauth", 4),
        ("host_domain", "test.com", 5),
        ("drop_path", "/mail", 6),
        ("hash_spool", "2", 8),
    ]
    assert [(one.name, one.line) for one in conf.unknown] == [("log_level", 7)]
    assert (conf.line_of("hash_spool"), conf.line_of("unix_case")) == (8, 0)
    assert conf.hash_spool == 2


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_windows_a_byte_order_mark_and_a_lacking_last_end_change_nothing(end: str) -> None:
    text = WHOLE.replace("\n", end).removesuffix(end)
    conf = parse(b"\xef\xbb\xbf" + text.encode(), file="dmail.conf")
    assert (conf.authent_process, conf.drop_path, conf.problems) == ("nwauth", "/mail", ())


def test_paths_of_windows_stay_as_they_are_and_may_hold_blanks() -> None:
    conf = conf_of(
        "host_domain test.com\n"
        "drop_path c:\\program files\\dmail\\in\n"
        'vdomain cc @cc cc.com "c:\\program files\\cc"\n'
        "vdomain dd @dd dd.com c:\\program files\\dd\n"
    )
    assert conf.drop_path == "c:\\program files\\dmail\\in"
    assert [one.path for one in conf.virtual_domains] == ["c:\\program files\\cc", "c:\\program files\\dd"]
    assert conf.authent_method == "nt_user"  # the default on Windows


def test_quotes_around_a_whole_value_are_taken_off_and_others_kept() -> None:
    assert conf_of('drop_path "/mail in"\n').drop_path == "/mail in"
    process = '"c:\\program files\\nwauth.exe" -path "c:\\dmail"'
    assert conf_of(f"authent_process {process}\n").authent_process == process


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("authent_domain yes", "authent_domain: found 'yes', wanted true or false"),
        ("authent_domain", "authent_domain: found nothing, wanted true or false"),
        ("lowercase_password 1", "lowercase_password: found '1', wanted true or false"),
        (
            "unix_case true # as before",
            "unix_case: found 'true # as before', wanted true or false (a comment has a line of its own)",
        ),
        ("hash_spool 3", "hash_spool: found '3', wanted a number from 0 to 2"),
        ("hash_spool -1", "hash_spool: found '-1', wanted a number from 0 to 2"),
        ("hash_spool two", "hash_spool: found 'two', wanted a number from 0 to 2"),
        ("authent_timeout 0", "authent_timeout: found '0', wanted a number from 1 to 86400"),
        ("authent_number ٣", "authent_number: found '٣', wanted a number from 1 to 10000"),
        ("authent_method kerberos", "authent_method: found 'kerberos', wanted external, nt_user or unix_user"),
        ("host_domain", "host_domain: found nothing, wanted one word"),
        ("host_domain a.com b.com", "host_domain: found 'a.com b.com', wanted one word"),
        ("vdomain_passwd dom2.com", "vdomain_passwd: found 'dom2.com', wanted DOMAIN FILE"),
        (
            "vdomain",
            "vdomain: found nothing, wanted 4: PREFIX, an IP address or a login's suffix, DOMAIN, PATH",
        ),
        (
            "vdomain dom2 dom2.com /mail/2",
            "vdomain: found 3 words, wanted 4: PREFIX, an IP address or a login's suffix, DOMAIN, PATH",
        ),
        (
            "vdomain d 10.0.0.256 d.com /d",
            "vdomain: found '10.0.0.256' in 'd 10.0.0.256 d.com /d', wanted an IP address or a login's suffix",
        ),
        (
            "vdomain d ::g d.com /d",
            "vdomain: found '::g' in 'd ::g d.com /d', wanted an IP address or a login's suffix",
        ),
    ],
)
def test_a_bad_value_is_told_with_file_line_found_and_wanted_and_ignored(line: str, told: str) -> None:
    assert problems(WHOLE + line + "\n") == [f"/etc/dmail.conf: line 5: {told}; DMail ignores it"]
    conf, plain = conf_of(WHOLE + line), conf_of(WHOLE)
    assert conf.settings == plain.settings
    assert conf.domains == plain.domains
    assert conf.authent_method == plain.authent_method


def test_of_a_setting_that_stands_there_twice_the_last_counts_and_it_is_told() -> None:
    assert problems(WHOLE + "hash_spool 1\nhash_spool 2\n") == [
        "/etc/dmail.conf: line 6: hash_spool: found it a second time (line 5), wanted it once; this counts"
    ]
    assert conf_of(WHOLE + "hash_spool 1\nhash_spool 2\n").hash_spool == 2
    assert conf_of(WHOLE + "hash_spool 1\nhash_spool 3\n").hash_spool == 1


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "vdomain d @d d.com /d\nvdomain e @d e.com /e",
            ["line 6: vdomain: found @d, which is the way in to d.com (line 5), wanted another"],
        ),
        (
            "vdomain d @d d.com /d\nvdomain D @e e.com /e",
            [
                (
                    "line 6: vdomain: found the prefix D of d.com (line 5), wanted another: with authent_domain false"
                    " their users cannot be told apart"
                )
            ],
        ),
        ("authent_domain true\nvdomain d @d d.com /d\nvdomain d @e e.com /e", []),
        ("vdomain d @d d.com /d\nvdomain d 10.0.0.9 d.com /d", []),
        (
            "vdomain d @d d.com /d\nvdomain e 10.0.0.9 d.com /d",
            ["line 6: vdomain: found d.com with another prefix or path than in line 5, which counts"],
        ),
        ("vdomain d @d Test.com /d", ["line 5: vdomain: found Test.com, which is a host_domain too, wanted it once"]),
        (
            "vdomain dom2 /mail/domain2",
            [
                (
                    "line 5: vdomain: found PREFIX and PATH alone, wanted PREFIX, an IP address or a login's suffix,"
                    " DOMAIN, PATH; which domain it is, is not told"
                )
            ],
        ),
        (
            "vdomain_passwd d.com /etc/d",
            ["line 5: vdomain_passwd: found d.com, wanted the main domain or that of a vdomain"],
        ),
        ("vdomain_passwd test.com /etc/d", []),
    ],
)
def test_domains_that_do_not_go_together_are_told(lines: str, told: list[str]) -> None:
    assert problems(WHOLE + lines + "\n") == [f"/etc/dmail.conf: {one}" for one in told]


def test_the_main_domain_is_the_first_host_domain_and_before_dmail_2_7_dpop_host() -> None:
    assert conf_of("host_domain a.com\nhost_domain b.com\ndpop_host c.com\n").main_domain == "a.com"
    assert conf_of("dpop_host c.com\n").main_domain == "c.com"
    assert problems("dpop_host c.com\ndrop_path /mail\n") == [
        "/etc/dmail.conf: host_domain: found none, wanted the main domain; taken from dpop_host: c.com"
    ]


def test_an_external_method_without_a_process_is_told() -> None:
    assert problems("authent_method external\nhost_domain a.com\ndrop_path /mail\n") == [
        "/etc/dmail.conf: authent_process: found none with authent_method external, wanted a command line"
    ]


def test_what_does_not_print_is_not_shown_and_a_long_value_is_cut() -> None:
    assert problems(WHOLE + "hash_spool \x1b[31m\n")[0].endswith(
        "found '?[31m', wanted a number from 0 to 2; DMail ignores it"
    )
    assert len(problems(WHOLE + f"hash_spool {'9' * 5000}\n")[0]) < 200


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "dmail.conf"
    file.write_bytes(WHOLE.encode() + b"drop_path /mail/\xff\n")
    conf = read(str(file))
    assert (conf.file, os.fsencode(conf.drop_path)) == (str(file), b"/mail/\xff")


def test_a_file_that_is_not_there_is_no_bad_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "dmail.conf"))


@pytest.mark.parametrize("content", [b"\0", b"#" * (MAX_BYTES + 1)])
def test_a_file_that_cannot_be_a_dmail_conf_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "dmail.conf"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"found no text file of at most 4 MiB, wanted a dmail\.conf"):
        read(str(file))


def test_a_folder_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: it is a folder"):
        read(str(tmp_path))


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    conf = parse(b"vdomain " + content + b"\nauthent_" + content, file="dmail.conf")
    assert all(domain.name or domain.is_main or domain.lead for domain in conf.domains)
    assert all(str(problem).isprintable() for problem in conf.problems)


def test_blanks_are_blanks_and_tabs_alone() -> None:
    conf = conf_of("vdomain\t d  @d\td.com \t/a\u2028b \u0085c \n")
    assert [(one.prefix, one.way, one.domain, one.path) for one in conf.virtual_domains] == [
        ("d", "@d", "d.com", "/a\u2028b \u0085c")
    ]
