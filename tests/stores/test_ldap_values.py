"""Drop paths and uids out of a directory: what may be said to a mail server that is root, and who is told why not."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.model import UNSAYABLE
from nwauth.stores.ldap import Attributes, People
from nwauth.stores.ldap.paths import DropPath
from tests.commands.common import run
from tests.directories import ldif, shared_slapd
from tests.directories.people import directory_of, person, store_of
from tests.faults.directories import Folder

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.stores.ldap import LdapStore
    from tests.directories.slapd import Slapd

IN_THE_MIDDLE = "/var/mail/{description}"
AT_THE_BEGINNING = "{description}/Mailbox"
ALONE = "description"


def store_with(server: Slapd, base: str, **attributes: str) -> LdapStore:
    return store_of(server, base, people=People(base, attributes=Attributes(name=("uid",), **attributes)))  # type: ignore[arg-type]


def drop_path(template: str, value: str) -> str:
    return DropPath(template).of({"description": value, "cn": "b"}.__getitem__)


# --- drop paths


@pytest.mark.parametrize(
    ("template", "value", "path"),
    [
        (IN_THE_MIDDLE, "bob", "/var/mail/bob"),
        (IN_THE_MIDDLE, "..bob..", "/var/mail/..bob.."),
        (IN_THE_MIDDLE, "", ""),
        ("/var/{cn}/{description}", "bob", "/var/b/bob"),
        (AT_THE_BEGINNING, "/home/bob", "/home/bob/Mailbox"),
        (AT_THE_BEGINNING, "/home/./bob", "/home/./bob/Mailbox"),
        (ALONE, "/home/bob/Mailbox", "/home/bob/Mailbox"),
        (ALONE, "config", "config"),
    ],
)
def test_a_drop_path_is_made_of_attributes(template: str, value: str, path: str) -> None:
    assert drop_path(template, value) == path


@pytest.mark.parametrize(
    ("template", "value", "words"),
    [
        (IN_THE_MIDDLE, "../../etc/passwd", "no / in it"),
        (IN_THE_MIDDLE, "bob/other", "no / in it"),
        (IN_THE_MIDDLE, "/etc/passwd", "no / in it"),
        (IN_THE_MIDDLE, "..", r"without \.\."),
        ("/var/mail/.{description}/x", ".", r"without \.\."),
        ("{cn}{description}", "/x", "whole path"),
        (AT_THE_BEGINNING, "/home/../etc", r"without \.\."),
        (AT_THE_BEGINNING, "home/bob", "whole path"),
        (AT_THE_BEGINNING, "config", "whole path"),
        (ALONE, "..", "whole path"),
        (ALONE, "/home/bob/..", r"without \.\."),
        (ALONE, "Config", "whole path"),
    ],
)
def test_a_drop_path_leads_nowhere_but_where_its_template_says(template: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        drop_path(template, value)
    assert "attributes.drop_path is " in str(raised.value)


def test_whoever_may_write_an_attribute_does_not_choose_where_mail_is_written() -> None:
    server, base = directory_of("../../etc/passwd", "bob")
    with closing(store_with(server, base, drop_path="/var/{uid}")) as store:
        with pytest.raises(Unavailable, match=r"its uid is '\.\./\.\./etc/passwd', wanted no /") as raised:
            store.lookup("../../etc/passwd")
        assert raised.value.public == UNSAYABLE
        found = store.lookup("bob")
        assert found is not None
        assert found.drop_path == "/var/bob"


# --- uids


@pytest.mark.parametrize(
    "value", ["bob", "-1", "+5", "1e3", "0x10", "1 0", "\u0661", "4294967295", "4294967296", "9" * 30]
)
def test_a_uid_that_is_no_number_is_no_answer_and_the_log_names_the_attribute(value: str) -> None:
    server, base = directory_of("bob", description=value)
    with closing(store_with(server, base, uid="description")) as store:
        with pytest.raises(Unavailable, match=r"its description is .* wanted a uid") as raised:
            store.lookup("bob")
        assert raised.value.public == UNSAYABLE


@pytest.mark.parametrize("value", ["0", "1007", "4294967294"])
def test_a_uid_that_is_a_number_is_given(value: str) -> None:
    server, base = directory_of("bob", description=value)
    with closing(store_with(server, base, uid="description")) as store:
        found = store.lookup("bob")
        assert found is not None
        assert found.uid == value


# --- lists


def test_a_list_holds_everybody_also_those_of_whom_a_value_cannot_be_told() -> None:
    server, base = directory_of("alice", "bob", "carl", "dora", description="/mail/x", l="7")
    server.modify(
        person(base, "two", description=["/mail/a", "/mail/b"], title='note="x"', mail="two@test.com")
        + person(base, "up", description="/mail/../etc", l="7")
        + person(base, "named", description="/mail/named", l="no number")
    )
    attributes = Attributes(name=("uid",), drop_path="description", uid="l", info={"fwd": "mail"}, info_text="title")
    with closing(store_of(server, base, people=People(base, attributes=attributes))) as store:
        found = {user.name: user for user in store.search()}
        assert sorted(found) == ["alice", "bob", "carl", "dora", "named", "two", "up"]
        assert found["bob"].drop_path == "/mail/x"
        assert found["two"].info.get("fwd") == "two@test.com"
        for name, words in (
            ("two", "2 values of description"),
            ("up", "without .."),
            ("named", "its l is 'no number'"),
        ):
            assert words in found[name].unsayable()
            assert base in found[name].unsayable()
            with pytest.raises(Unavailable) as raised:
                store.lookup(name)
            assert words in str(raised.value)


# --- the wire, and what else is asked about a user


def test_test_says_what_the_wire_says_of_a_user_whose_drop_path_cannot_be_said(tmp_path: Path) -> None:
    server = shared_slapd().start()
    base = server.new_base()
    odd = {"blank": b"/mail/a b", "quote": b'/mail/a"b', "line": b"/mail/a\nb", "octet": b"/mail/\xe9", "up": b"/../x"}
    told = {
        "blank": "the drop path of 'blank' holds a blank",
        "quote": "the drop path of 'quote' holds a quote",
        "line": "the drop path of 'line' holds a control character",
        "octet": "the drop path of 'octet' holds a byte that is no UTF-8",
        "up": "its drop path would be '/../x', wanted one without ..",
    }
    server.modify("".join(person(base, name, audio=value, userPassword="secret") for name, value in odd.items()))
    server.modify(
        ldif.entry(
            f"cn=ok,{base}",
            {
                "objectClass": "inetOrgPerson",
                "cn": "ok",
                "sn": "x",
                "uid": "ok",
                "audio": b"/mail/ok",
                "userPassword": "secret",
            },
        )
    )
    folder = Folder(tmp_path / "users", [server.url], base)
    with (folder.path / "nwauth.toml").open("a") as toml:
        toml.write('[stores.attributes]\nname = "uid"\ndrop_path = "audio"\n')
    with folder.child() as child:
        for name in odd:
            for request in (f"lookup {name}", f"check {name} secret"):
                assert child.ask(request.encode()) == f"-DEAD {UNSAYABLE}\n".encode()
            assert child.ask(f"check {name} wrong".encode()).startswith((b"-ERR ", b"-DEAD "))
        assert child.ask(b"check ok secret") == b"+OK ok /mail/ok 0\n"
        listed = child.ask(b"search *")
        assert listed.count(b"+DATA ") == len(odd) + 1
    for name in odd:
        done = run(str(folder.path), "test", name, "--password-stdin", stdin=b"secret\n")
        assert (done.status, '"verdict":"cannot tell"' in done.out.replace('": "', '":"')) == (75, True), done
        assert told[name] in done.out.replace('\\"', '"')
        assert any(told[name] in line["reason"] for line in folder.log()), folder.log()
    assert run(str(folder.path), "test", "ok", "--password-stdin", stdin=b"secret\n").status == 0
    listing = run(str(folder.path), "user", "list")
    assert listing.status == 0
    assert all(name in listing.out for name in odd)
