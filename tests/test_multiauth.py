"""multiauth.ini, and the nwauth.toml that does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nwauth.config.example import commented_example
from nwauth.config.reading import parsed
from nwauth.config.routes import Route
from nwauth.dmail import multiauth
from nwauth.errors import Refused

if TYPE_CHECKING:
    from nwauth.config import Config

# The example of NetWin's manual (reference/netwin.md section 7).
MANUAL = rb"""
loglevel debug
do_del false
module 0
  binary c:\surgemail\nwauth.exe -path c:\surgemail
  match *domain1.com
module 1
  binary c:\surgemail\odbcauth.exe -path c:\surgemail
  match *domain2.com
"""


def planned(content: bytes) -> multiauth.Plan:
    return multiauth.plan(multiauth.read(content, file="multiauth.ini"))


def made(content: bytes) -> Config:
    found = planned(content)
    text = commented_example(stores=found.stores, log_level=found.log_level)
    return parsed(text.encode(), file="/etc/mail/nwauth.toml", folder="/etc/mail", environ={})


def routes(*patterns: str, sets: str = "existing", deletes: bool = False, **more: Any) -> Route:
    given = dict.fromkeys(("lookup", "check", "set", "del", "search"), patterns)
    return Route(match=given, sets=sets, deletes=deletes, **more)


def test_the_manuals_example_becomes_the_same_modules_for_the_same_names() -> None:
    found = made(MANUAL)
    assert [(store.name, store.kind) for store in found.stores] == [("module0", "flatfile"), ("module1", "process")]
    assert found.routes == {"module0": routes("*domain1.com"), "module1": routes("*domain2.com")}
    assert found.log.level == "debug"
    notes = planned(MANUAL).notes
    assert [note.partition(":")[0] for note in notes] == [
        "module 0",
        "module 1",
        'no module takes new users (do_set is "existing", MultiAuth\'s default)',
    ]


def test_an_nwauth_is_served_from_its_folder_as_shared_flat_files_and_other_modules_stay() -> None:
    found = planned(b'module 1\nbinary nwauth -path "/var/my mail"\nmodule 2\nbinary /bin/mysqlauth -log\ntimeout 5\n')
    assert 'kind = "flatfile"\npath = "/var/my mail"\nshared = true\n' in found.stores
    assert 'kind = "process"\ncommand = ["/bin/mysqlauth", "-log"]\ntimeout_seconds = 5\n' in found.stores


def test_an_nwauth_that_only_reads_does_so_as_a_store_and_its_other_options_are_told() -> None:
    content = b"module 1\nbinary nwauth -readonly -path /a -drop_path hash /var/mail -log\n"
    assert 'path = "/a"\nshared = true\nread_only = true\n' in planned(content).stores
    (store,) = made(content).stores
    assert store.read_only
    assert planned(content).notes[0].startswith("module 1: -drop_path hash /var/mail: options that no store has;")


def test_a_folder_or_program_that_was_looked_for_elsewhere_is_told() -> None:
    found = planned(b"module 1\nbinary nwauth -path users\nmodule 2\nbinary ./sqlauth\nmodule 3\nbinary sqlauth\n")
    assert found.notes[:2] == (
        "module 1: users is looked for in the folder of nwauth.toml from now on",
        "module 2: ./sqlauth is looked for in the folder of nwauth.toml from now on",
    )
    assert not any("module 3" in note for note in found.notes)


def test_an_nwauth_that_names_no_folder_is_told_to_be_given_one() -> None:
    """As a module it would be this very program, in this very folder."""
    found = planned(b"module 0\nbinary /usr/local/nwauth\ndo_set true\n")
    assert 'kind = "flatfile"\npath = "."\n' in found.stores
    (note,) = found.notes
    assert note.startswith("module 0: nwauth without -path: its users are where MultiAuth was started")


def test_quotes_around_a_value_mean_nothing() -> None:
    assert made(b'module 0\nbinary nwauth -path /a\nmatch "*a.com"\n').routes == {"module0": routes("*a.com")}
    assert 'command = ["/my bin/x"]' in planned(b'module 0\nbinary "/my bin/x"\n').stores


def test_the_lowest_number_is_asked_first_and_a_block_counts_before_what_holds_for_all() -> None:
    found = made(
        b"match *all.com\nstrip_suffix @all.com\ndo_set true\nmodule 7\nbinary nwauth -path /a\n"
        b"module 3\nbinary nwauth -path /b\nmatch *b.com\ndo_set false\nstrip_prefix b_\ndo_del yes\n"
    )
    assert [store.name for store in found.stores] == ["module3", "module7"]
    assert found.routes == {
        "module3": routes("*b.com", sets="never", deletes=True, strip_suffix="@all.com", strip_prefix="b_"),
        "module7": routes("*all.com", sets="new", strip_suffix="@all.com"),
    }


def test_each_command_may_have_a_pattern_of_its_own_or_not_be_asked_at_all() -> None:
    found = made(
        b"module 0\nbinary nwauth -path /a\nmatch *a.com\nlookup *\ncheck *.a.com\nset x@a.com\ndel *a.com\n"
        b"do_search false\n"
    )
    assert found.routes["module0"].match == {
        "lookup": ("*",),
        "check": ("*.a.com",),
        "set": ("x@a.com",),
        "del": ("*a.com",),
        "search": (),
    }
    silent = made(b"module 0\nbinary nwauth -path /a\ndo_check false\ndo_lookup 0\n").routes["module0"].match
    assert (silent["check"], silent["lookup"], silent["search"]) == ((), (), ("*",))


def test_comments_blank_lines_tabs_and_blanks_at_the_end_mean_nothing() -> None:
    assert made(b"# x\r\n\r\n\tModule\t0  \r\n  BINARY nwauth -path /a   \r\n\tmatch\t*a.com \r\n").routes == {
        "module0": routes("*a.com")
    }


def test_what_nwauth_does_not_know_is_told_and_the_rest_is_made() -> None:
    found = planned(b"migrate yes\nmodule 0\nbinary nwauth -path /a\nmaster 1\ntimeout 3\ndo_set true\n")
    assert found.notes == (
        "line 1: migrate yes: nwauth has no such setting; it is left out",
        "line 4: master 1: nwauth has no such setting; it is left out",
    )


def test_a_module_that_may_be_slower_than_the_mail_server_waits_is_told() -> None:
    (note,) = planned(b"do_set true\nmodule 0\nbinary odbcauth\ntimeout 30\n").notes
    assert note == "line 4: timeout 30: 7.5 is written, the mail server waits for 10"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", 'found no block that begins with "module N", wanted a multiauth.ini'),
        (b"bob:x:\n", 'found no block that begins with "module N", wanted a multiauth.ini'),
        (b"module x\n", "line 1: module: found 'x', wanted a number"),
        (b"module\n", "line 1: module: found '', wanted a number"),
        (b"module 1\nmodule 01\n", "line 2: found module 1 a second time, first in line 1"),
        (b"\nmodule 0\nmatch *\n", "line 2: module 0 has no binary: what is to be asked?"),
        (
            b"module 0\nbinary x\nbinary y\n",
            "line 3: found binary a second time in its block, first in line 2, wanted it once",
        ),
        (b"module 0\nbinary x\ndo_del maybe\n", "line 3: do_del: found 'maybe', wanted true or false"),
        (b"module 0\nbinary x\ndo_set maybe\n", "line 3: do_set: found 'maybe', wanted true, false or existing"),
        (b"module 0\nbinary x\ntimeout soon\n", "line 3: timeout: found 'soon', wanted seconds"),
        (b"module 0\nbinary x\ntimeout nan\n", "line 3: timeout: found 'nan', wanted seconds"),
        (b"loglevel loud\nmodule 0\nbinary x\n", "line 1: loglevel: found 'loud', wanted error, info, debug"),
        (b"module 0\nbinary x\xff\n", "line 2: found what does not print or is no UTF-8, wanted a setting"),
        (b"module 0\nbinary x\0y\n", "line 2: found what does not print or is no UTF-8, wanted a setting"),
    ],
)
def test_an_error_says_the_line_and_what_was_found_and_wanted(content: bytes, error: str) -> None:
    with pytest.raises(Refused) as caught:
        planned(content)
    assert str(caught.value) == f"multiauth.ini: {error}"
