"""What ``nwauth doctor`` finds in the one pass over all users."""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from errno import ENOENT
from typing import TYPE_CHECKING

import pytest

from nwauth.conformance.standins import BUSY, postgresql, standing_in
from nwauth.doctor import CANNOT_TELL, examine
from nwauth.doctor.dropfolders import Found
from tests.commands.common import SETTINGS
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.databases.server import USER
from tests.directories.people import directory_of
from tests.directories.slapd import MAIL, PASSWORD
from tests.doctoring import LONG_AGO, SECRET, Site

if TYPE_CHECKING:
    import socket

MD5 = "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"
SSHA = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"
TABLE = 'table = "people"\n[stores.columns]\nname = "name"\npassword = "password"\nip_mask = "mask"\n'


def lines(*names: str) -> str:
    return "".join(f"{name}:{SECRET}:\n" for name in names)


def people(site: Site, *rows: tuple[str, str, str | None]) -> None:
    """Put people into another program's table."""
    with closing(sqlite3.connect(site.folder / "users.db")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS people (name TEXT, password TEXT, mask TEXT)")
        database.execute("DELETE FROM people")
        database.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
        database.commit()
    (site.folder / "users.db").chmod(0o600)
    site.toml.write_text(f'[[stores]]\nkind = "sql"\nurl = "sqlite:///users.db"\n{TABLE}')


def passwd_behind(site: Site, *names: str, more: str = "") -> None:
    """A passwd file behind the flat files."""
    (site.folder / "file").write_text("".join(f"{name}:{SECRET}:1:1:::\n" for name in names))
    (site.folder / "file").chmod(0o600)
    site.toml.write_text(
        SETTINGS.replace(
            "[passwords]", f'[[stores]]\nkind = "passwd"\npath = "file"\n{more}settle_seconds = 0.0\n[passwords]'
        )
    )


# --- passwords -------------------------------------------------------------------------------------------------------


def test_a_damaged_field_is_told_wherever_it_stands_among_those_of_its_scheme(site: Site) -> None:
    site.users("whole", field=SSHA)
    with site.txt.open("a") as file:
        file.write(f"cut:{SSHA[:20]}:\neve:$2b$12$cut:\n")
    os.utime(site.txt, (LONG_AGO, LONG_AGO))
    found = [one for one in site.look() if one.id == "damaged-passwords"]
    assert [one.users for one in found] == [("eve",), ("cut",)]
    for one in found:
        site.mend(one)
    assert "damaged-passwords" not in [one.id for one in site.look()]


@pytest.mark.parametrize(
    ("field", "kind", "word"),
    [
        ("{foo}bar", "unknown-passwords", "of no known form"),
        ("abABCDEFGH", "unknown-passwords", "NWAuth 2.0"),
        ("*secret", "clear-text", "in clear text"),
        ("{CLEAR}secret", "clear-text", "in clear text"),
        (MD5, "weak-passwords", "md5-crypt"),
        (SSHA, "weak-passwords", "ssha"),
    ],
)
def test_fields_that_let_nobody_in_or_everybody_are_counted_by_scheme(
    site: Site, field: str, kind: str, word: str
) -> None:
    site.users("bob", "eve", field=field)
    one = site.found(kind)
    assert word in one.what
    assert one.what.endswith(": bob, eve")
    assert "secret" not in one.what
    assert one.users == ("bob", "eve")
    site.type(one.mend.rpartition("for the others: ")[2])
    site.type(one.mend.rpartition("for the others: ")[2].replace("passwd bob", "passwd eve"))
    assert site.is_gone(kind)


def test_what_nwauth_does_not_read_is_told_of_a_folder_that_it_shares(site: Site) -> None:
    site.users("bob", "eve")
    assert site.look() == [], "the folder is nwauth's own"
    site.toml.write_text(SETTINGS.replace("shared = false", "shared = true"))
    one = site.found("unread-by-nwauth")
    assert one.what == "2 users of a shared folder have a password field that NWAuth does not read, argon2id: bob, eve"
    assert one.mend.endswith(f"; or, where no other program reads {site.folder}, shared = false in {site.toml}")
    for name in ("bob", "eve"):
        site.type(one.mend.replace("passwd bob", f"passwd {name}"))
    assert site.is_gone("unread-by-nwauth")


def test_without_settings_the_folder_is_made_nwauths_own_by_init(site: Site) -> None:
    site.toml.unlink()
    os.utime(site.txt, (LONG_AGO, LONG_AGO))
    one = site.found("unread-by-nwauth")
    site.type(one.mend.rpartition(", ")[2])
    assert site.is_gone("unread-by-nwauth")


def test_fields_that_are_nearly_called_as_one_that_decides_are_told(site: Site) -> None:
    site.users("ada", "bob", info='mailstaus="closed" valid_form=""')
    with site.txt.open("a") as file:
        file.write(f'eve:{SECRET}:mail_access="student" phone="1"\n')
    one = site.found("field-misspelt")
    assert one.what == (
        "3 users have a field that is nearly called as one that decides about logins:"
        " 'mailstaus' (mailstatus?) of ada, bob; 'mail_access' (mailaccess?) of eve"
    )
    assert one.mend.endswith(" user set ada mailstatus=closed mailstaus=")
    assert one.users == ("ada", "bob", "eve")


def test_words_of_mailstatus_that_refuse_nobody_are_told(site: Site) -> None:
    site.users("ada", info='MailStatus="clsoed"')
    with site.txt.open("a") as file:
        for number, word in enumerate(["disabled", "Closed", "ok", "", "paydue", "x1", "x2", "x3"]):
            file.write(f'u{number}:{SECRET}:mailstatus="{word}"\n')
    one = site.found("state-unknown")
    assert one.what == (
        "5 users have a mailstatus that refuses nobody:"
        " 'clsoed' (closed?) of ada; 'disabled' of u0; 'x1' of u5; and 2 more words"
    )
    site.type(one.mend.partition(";")[0])
    assert "clsoed" not in site.found("state-unknown").what


def test_nobodys_password_is_no_finding(site: Site) -> None:
    site.users("bob", field="!")
    site.add.write_text("eve::\nada:x:\n")
    assert site.look() == []


def test_a_shared_folder_may_hold_the_hash_that_others_read(site: Site) -> None:
    site.toml.write_text(SETTINGS.replace("shared = false", "shared = true"))
    site.users("bob", field=SSHA)
    assert site.look() == []


def test_fields_that_this_machine_cannot_check_are_told(site: Site) -> None:
    site.users("bob", field="$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7")
    assert site.look() == []
    place = site.place(with_dmail=False)
    place.native = False
    one = next(examine(place))
    assert (one.id, "yescrypt" in one.what) == ("uncheckable-passwords", True)
    site.type(one.mend.partition("; or ")[2])
    assert list(examine(place)) == []


# --- dates and hosts -------------------------------------------------------------------------------------------------


def test_a_date_that_cannot_be_read_is_told(site: Site) -> None:
    site.users("bob", info='valid_until="soon"')
    one = site.found("bad-date")
    site.mend(one)
    assert site.look() == []


def test_dates_and_a_server_that_remembers_do_not_go_together(site: Site) -> None:
    site.users("bob", info='valid_until="2999-01-31"')
    assert site.look(with_dmail=True) == []
    site.dmail("authent_cache 500")
    one = site.found("cache-and-time", with_dmail=True)
    assert one.what == f"{site.dmail_file}: line 7: authent_cache is 500, and 1 user has valid_from or valid_until"
    site.mend(one)
    assert site.look(with_dmail=True) == []
    site.dmail("", without="authent_cache")
    one = site.found("cache-and-time", with_dmail=True)
    assert "1000 (it is not set)" in one.what
    site.mend(one)
    assert site.look(with_dmail=True) == []


def test_hosts_want_a_word_about_the_address(site: Site) -> None:
    people(site, ("bob", SECRET, "10.0.0.0/8"), ("eve", SECRET, None))
    one = site.found("address-auto")
    assert one.users == ("bob",)
    site.toml.write_text(site.toml.read_text() + '[server]\naddress = "always"\n')
    assert site.look() == []


def test_hosts_that_cannot_be_read_are_told(site: Site) -> None:
    people(site, ("bob", SECRET, "10.0.0.300"))
    site.toml.write_text(site.toml.read_text() + '[server]\naddress = "never"\n')
    one = site.found("bad-mask")
    assert one.what.endswith(": bob")
    people(site, ("bob", SECRET, "10.0.0.30"))
    site.toml.write_text(site.toml.read_text() + '[server]\naddress = "never"\n')
    assert site.look() == []


# --- stores and routes -----------------------------------------------------------------------------------------------


def older(client: socket.socket, _manner: str) -> None:
    """A PostgreSQL of before 9.6: it lets us in, and does not know what is set."""
    postgresql(client, BUSY)
    client.recv(1 << 16)
    told = b'SERROR\0VERROR\0C42704\0Munrecognized configuration parameter "idle_in_transaction_session_timeout"\0\0'
    client.sendall(b"E" + struct.pack("!I", len(told) + 4) + told + b"Z" + struct.pack("!I", 5) + b"I")
    client.recv(1)


def test_a_database_server_that_is_too_old_is_told_with_the_least_version(site: Site) -> None:
    with standing_in(older, "") as port:
        site.toml.write_text(f'[[stores]]\nkind = "sql"\nurl = "postgresql://u:p@127.0.0.1:{port}/mail"\n')
        one = site.found("old-server")
    assert one.what.startswith("store sql: the server is older than PostgreSQL 9.6, the least that nwauth can use: ")
    assert 'unrecognized configuration parameter "idle_in_transaction_session_timeout"' in one.what


def test_two_rows_of_another_programs_table_that_differ_in_case_are_told(site: Site) -> None:
    people(site, ("BOB", SECRET, None), ("bob", SECRET, None), ("eve", SECRET, None))
    one = site.found("case-twins")
    assert one.what == "store sql: 1 user differs from another in case alone: bob"
    people(site, ("bob", SECRET, None))
    assert site.look() == []


def test_two_rows_of_which_a_third_spelling_might_mean_either_are_told(site: Site) -> None:
    people(site, ("BOB", SECRET, None), ("Bob", SECRET, None))
    assert site.found("case-twins").what == "store sql: 1 user differs from another in case alone: Bob"


def test_two_rows_with_two_codes_of_one_accent_are_told_by_what_tells_them_apart(site: Site) -> None:
    people(site, ("jos\xe9", SECRET, None), ("jose\u0301", SECRET, None))
    what = site.found("case-twins").what
    assert what.startswith("store sql: 1 user differs from another in case, or in how an accent is encoded, alone: ")
    assert r"'jose\u0301'" in what
    assert r"'jos\xe9'" in what


def test_two_lines_of_a_passwd_file_that_differ_in_case_are_told(site: Site) -> None:
    passwd_behind(site, "Ada", "ada")
    assert site.found("case-twins").users == ("ada",)
    passwd_behind(site, "ada")
    assert site.look() == []


def test_a_store_that_is_down_is_told_and_the_others_are_looked_at(site: Site) -> None:
    site.users("bob", field="*secret")
    passwd_behind(site, "ada")
    (site.folder / "file").unlink()
    found = {one.id: one for one in site.look()}
    assert list(found) == ["store-down", "clear-text"]
    assert found["store-down"].severity == CANNOT_TELL
    assert found["store-down"].what.startswith("store passwd cannot be listed: ")
    passwd_behind(site, "ada")
    site.users("bob")
    assert site.look() == []


def test_a_database_that_folds_otherwise_is_told(site: Site) -> None:
    """In Turkish the small letter of I is another than i: INGRID is not found when mail comes to ingrid."""
    server, table = shared_mariadb(), unique("people")
    for collation, is_told in (("turkish", True), ("unicode", False)):
        with closing(server._connect("nwauth")) as connection:
            cursor = connection.cursor()
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            name = f"name VARCHAR(99) CHARACTER SET utf8mb4 COLLATE utf8mb4_{collation}_ci"
            cursor.execute(f"CREATE TABLE {table} ({name}, password TEXT, mask TEXT)")
            cursor.execute(f"INSERT INTO {table} VALUES ('INGRID', %s, NULL), ('Bob', %s, NULL)", (SECRET, SECRET))
            connection.commit()
        settings = f'[[stores]]\nkind = "sql"\nurl = "{server.url()}"\n{TABLE}'
        site.toml.write_text(settings.replace('"people"', f'"{table}"'))
        found = [one for one in site.look() if one.id == "database-folds"]
        assert [one.users for one in found] == [("INGRID",)] * is_told


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_another_programs_table_without_an_index_for_look_ups_is_told_with_the_index_to_make(
    site: Site, kind: str
) -> None:
    table = unique("people")
    with closing(sqlite3.connect(site.folder / "users.db")) as sqlite:
        (site.folder / "users.db").chmod(0o600)
        server = None if kind == "sqlite" else shared_postgres() if kind == "postgresql" else shared_mariadb()

        def does(statement: str) -> None:
            if server is None:
                sqlite.execute(statement)
                sqlite.commit()
            else:
                server.sql(statement)

        url = "sqlite:///users.db" if server is None else server.url()
        does(f"CREATE TABLE {table} (name VARCHAR(99), password TEXT, mask TEXT)")
        does(f"INSERT INTO {table} VALUES " + ", ".join(f"('user{at}', '{SECRET}', NULL)" for at in range(1000)))
        if kind == "postgresql":
            does(f"GRANT ALL ON {table} TO {USER}")
        site.toml.write_text(f'[[stores]]\nkind = "sql"\nurl = "{url}"\n{TABLE}'.replace('"people"', f'"{table}"'))
        one = site.found("slow-lookups")
        assert one.what.endswith(": each look-up reads 1,000 users")
        statements = one.mend.split("; and ")
        assert len(statements) == (1 if kind == "mariadb" else 2)
        does(statements[0].removeprefix("in the database type "))
        if kind != "mariadb":
            (statement,) = site.found("slow-lookups").mend.split("; and ")
            assert statement == statements[1]
            does(statement.removeprefix("in the database type "))
        assert site.look() == []


def test_a_file_that_is_just_being_written_will_be_there(site: Site) -> None:
    site.toml.write_text(SETTINGS.replace("settle_seconds = 0.0", "settle_seconds = 60.0"))
    one = site.found("store-down")
    assert one.mend.startswith("run nwauth doctor again in half a minute; ")
    os.utime(site.txt, (LONG_AGO, LONG_AGO))
    assert site.look() == []


def test_a_store_that_is_never_asked_for_its_users_is_told(site: Site) -> None:
    passwd_behind(site, "ada", "amy", more='match = ["dom2_*"]\n')
    one = site.found("route-covers-nobody")
    assert one.what == "store passwd has 2 users, and no name of them fits its match: ada, amy"
    passwd_behind(site, "ada", "amy", more='match = ["dom2_*"]\nstrip_prefix = "dom2_"\n')
    assert site.look() == []
    passwd_behind(site, "ada", "zoe", more='match = ["a*"]\n')
    assert site.found("out-of-reach").what == "store passwd has 1 user whose name does not fit its match: zoe"


def test_users_of_two_stores_are_told(site: Site) -> None:
    passwd_behind(site, "bob", "ada")
    one = site.found("in-two-stores")
    assert one.what == "1 user of the store passwd is in the store flatfile too: bob"
    passwd_behind(site, "bob")
    assert (
        site.found("store-shadowed").what == "all of the store passwd (1 user) is in the store flatfile before it too"
    )
    passwd_behind(site, "bob", more='migrate_to = "flatfile"\n')
    assert site.look() == []


def test_the_prefix_name_of_one_store_and_the_plain_name_of_another_are_told(site: Site) -> None:
    site.users("bob", "dom2_ada")
    passwd_behind(site, "ada", "eve", more='match = ["dom2_*"]\nstrip_prefix = "dom2_"\nwritable = true\n')
    one = site.found("in-two-stores")
    assert one.users == ("dom2_ada",)
    site.type(one.mend.partition("two: ")[2])
    assert site.look() == []


def test_one_of_two_writable_stores_can_be_rid_of_a_double(site: Site) -> None:
    passwd_behind(site, "bob", "ada", more="writable = true\n")
    one = site.found("in-two-stores")
    site.type(one.mend.partition("two: ")[2])
    assert site.look() == []


def test_stores_of_which_none_takes_new_users_are_told(site: Site) -> None:
    passwd_behind(site, "ada")
    site.toml.write_text(site.toml.read_text().replace('path = "."', 'path = "."\ndo_set = "existing"', 1))
    one = site.found("nobody-takes-new-users")
    assert "do_set" in one.mend
    passwd_behind(site, "ada")
    assert site.look() == []


@pytest.mark.parametrize("field", ["{foo}bar", SSHA, "*secret"])
def test_no_command_is_named_that_a_store_would_refuse(site: Site, field: str) -> None:
    site.users("bob", field=field, info='valid_until="soon"')
    mends = [one.mend for one in site.look()]
    assert len(mends) == 2
    assert all("nwauth -" in mend for mend in mends), mends
    site.toml.write_text(SETTINGS.replace("shared = false", "shared = false\nread_only = true"))
    mends = [one.mend for one in site.look()]
    assert len(mends) == 2
    assert all("only read here" in mend for mend in mends), mends


# --- names -----------------------------------------------------------------------------------------------------------


def test_the_domain_of_plain_names_is_that_of_the_servers(site: Site) -> None:
    site.users("bob@test.com")
    site.dmail("authent_domain true\n")
    assert site.look(with_dmail=True) == [], "without one no name is changed"
    with site.toml.open("a") as file:
        file.write('[names]\ndefault_domain = "elsewhere.com"\n')
    one = site.found("default-domain", with_dmail=True, among=True)
    assert one.what.endswith('nwauth has default_domain = "elsewhere.com"')
    site.toml.write_text(site.toml.read_text().replace("elsewhere.com", "TEST.com"))
    assert site.is_gone("default-domain", with_dmail=True)


def test_users_whom_no_server_asks_for_are_told(site: Site) -> None:
    site.users("bob", "eve@test.com", "ada@elsewhere.com")
    site.dmail("authent_domain true\n")
    one = site.found("never-asked", with_dmail=True)
    assert one.what == f"2 users have no domain of {site.dmail_file} in the name (test.com): ada@elsewhere.com, bob"
    site.mend(one)
    assert site.found("never-asked", with_dmail=True).users == ("bob",)


@pytest.mark.parametrize(("names", "found"), [("", []), ('name = "uid"', ["never-asked"])])
def test_a_user_of_a_directory_may_be_asked_for_by_mail_and_listed_by_uid(
    site: Site, names: str, found: list[str]
) -> None:
    server, base = directory_of("bob", mail="bob@test.com")
    (site.folder / "secret").write_text(PASSWORD)
    site.toml.write_text(
        f'[[stores]]\nkind = "ldap"\nurls = "{server.url}"\nbase = "{base}"\nbind_dn = "{MAIL}"\n'
        f'bind_password = {{ file = "secret" }}\n[stores.attributes]\n{names}\n'
        '[names]\ndefault_domain = "test.com"\n'
    )
    (site.folder / "secret").chmod(0o600)
    site.dmail("authent_domain true\n")
    assert [one.id for one in site.look(with_dmail=True)] == found


def test_users_whom_a_default_domain_hides_are_told(site: Site) -> None:
    site.users("bob", "eve@test.com", "ada@dom2.com")
    site.toml.write_text(SETTINGS + '[names]\ndefault_domain = "test.com"\n')
    one = site.found("never-asked", with_dmail=True)
    assert one.users == ("ada@dom2.com", "bob")
    assert "default_domain puts behind each that is asked for (test.com)" in one.what


def test_users_with_a_domain_want_servers_that_ask_with_it(site: Site) -> None:
    site.users("bob@test.com", "eve@test.com")
    one = site.found("never-asked", with_dmail=True)
    assert one.what == (
        f"2 users have a domain in the name, and {site.dmail_file} has authent_domain false: names are asked for"
        " without: bob@test.com, eve@test.com"
    )
    site.mend(one)
    assert site.look(with_dmail=True) == []


# --- drop files ------------------------------------------------------------------------------------------------------


def test_a_drop_file_of_another_case_is_told(site: Site) -> None:
    site.users("Bob", "eve")
    (site.drops / "bob").touch()
    (site.drops / "eve").touch()
    (site.drops / "nobody").touch()
    assert site.look(with_dmail=True) == []
    (site.drops / "Bob").write_text("mail\n")
    one = site.found("drop-file-case", with_dmail=True)
    assert one.what == (
        f"1 drop file is not spelled as the user: {site.drops}/Bob for Bob; what is opened is {site.drops}/bob"
    )
    site.type(one.mend.partition("DPOP; ")[2].partition("; start")[0])
    assert (site.drops / "bob").read_text() == "mail\n"
    assert site.look(with_dmail=True) == []


def test_without_lowercase_username_the_stored_spelling_counts(site: Site) -> None:
    site.users("Bob")
    site.dmail("lowercase_username false\nhash_spool 2\n")
    letters = site.drops / "b" / "o"
    letters.mkdir(parents=True)
    (letters / "bob").write_text("mail\n")
    one = site.found("drop-file-case", with_dmail=True, among=True)
    assert one.what.endswith(f"{letters}/bob for Bob; what is opened is {letters}/Bob")
    site.type(one.mend.partition("DPOP; ")[2].partition("; start")[0])
    assert (letters / "Bob").read_text() == "mail\n"
    assert site.is_gone("drop-file-case", with_dmail=True)


def test_the_drop_files_of_further_domains_carry_their_prefix(site: Site) -> None:
    site.users("bob", "Dom2_Eve")
    (site.path / "2").mkdir()
    (site.path / "2" / "dom2_EVE").touch()
    site.dmail(f"vdomain dom2 @dom2 dom2.com {site.path}/2\n")
    one = site.found("drop-file-case", with_dmail=True)
    assert one.what.endswith(f"{site.path}/2/dom2_EVE for Dom2_Eve; what is opened is {site.path}/2/dom2_eve")


def test_many_drop_files_are_sorted_and_met(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from nwauth.stores import sorting

    monkeypatch.setattr(sorting.in_order, "__kwdefaults__", {"run_users": 10})
    names = [f"user{number}" for number in range(50)]
    site.users(*names)
    for name in names:
        (site.drops / (name.upper() if name.endswith("7") else name)).touch()
    one = site.found("drop-file-case", with_dmail=True)
    assert one.what.startswith(
        f"5 drop files are not spelled as the user: {site.drops}/USER17 for user17 (and 4 more);"
    )


def test_drop_files_of_a_store_that_gives_no_listing_are_looked_up(site: Site) -> None:
    silent = site.path / "module"
    silent.write_text(
        "#!/bin/sh\nwhile read word name rest; do case $word in\n"
        "lookup) case $name in [Bb][Oo][Bb]) echo '+OK Bob config 0';; *) echo \"-ERR $name does not exist\";; esac;;\n"
        "exit) exit;; *) echo '-ERR unknown command';; esac; done\n"
    )
    silent.chmod(0o755)
    site.toml.write_text(f'[[stores]]\nkind = "process"\ncommand = ["{silent}"]\n')
    (site.drops / "BOB").touch()
    one = site.found("drop-file-case", with_dmail=True, among=True)
    assert one.users == ("Bob",)


def test_a_drop_folder_that_is_not_there_is_told(site: Site) -> None:
    site.drops.rmdir()
    site.dmail(f"vdomain dom2 @dom2 dom2.com {site.drops}/\n")
    one = site.found("no-drop-folder", with_dmail=True)
    assert one.what == (
        f"the drop folder of test.com and dom2.com is not there: {site.drops}: No such file or directory"
    )
    assert one.mend.endswith(f"or mend the path in {site.dmail_file}; then stop and start DSMTP and DPOP")
    site.drops.touch()
    assert site.found("no-drop-folder", with_dmail=True).what.endswith(": Not a directory")
    site.drops.unlink()
    site.type(one.mend.partition(", owned by")[0])
    assert site.look(with_dmail=True) == []


def test_a_folder_inside_that_goes_while_it_is_looked_into_is_no_missing_drop_folder() -> None:
    assert not Found(folder="/in", path="/in/b", error=os.strerror(ENOENT)).is_missing


def test_a_drop_folder_that_cannot_be_looked_into_is_told(site: Site) -> None:
    site.drops.rmdir()
    site.drops.symlink_to(site.drops)
    one = site.found("cannot-look", with_dmail=True)
    assert one.what == f"cannot look into the drop folder {site.drops}: Too many levels of symbolic links"
    site.drops.unlink()
    site.drops.mkdir()
    assert site.look(with_dmail=True) == []


def test_a_user_who_gets_the_mail_of_two_people_is_told(site: Site) -> None:
    site.users("bob", "dom2_ann")
    (site.path / "2").mkdir()
    (site.path / "2" / "dom2_ann").touch()
    site.dmail(f"vdomain dom2 @dom2 dom2.com {site.path}/2\n")
    assert site.look(with_dmail=True) == []
    (site.drops / "dom2_ann").touch()
    one = site.found("prefix-clash", with_dmail=True)
    assert one.what == (
        f"the user dom2_ann is met by mail for ann@dom2.com and for dom2_ann@test.com ({site.drops}/dom2_ann)"
    )
    (site.drops / "dom2_ann").unlink()
    assert site.look(with_dmail=True) == []


def test_a_name_that_has_the_prefixes_of_two_domains_is_told(site: Site) -> None:
    site.users("a_b_bob")
    for folder in "23":
        (site.path / folder).mkdir()
    site.dmail(f"vdomain a @a a.com {site.path}/2\nvdomain a_b @b b.com {site.path}/3\n")
    one = site.found("prefix-clash", with_dmail=True)
    assert one.what == "the user a_b_bob is met by mail for b_bob@a.com and for bob@b.com"
    site.users("bob")
    assert site.look(with_dmail=True) == []


def test_a_real_user_whose_name_is_the_prefix_name_of_another_is_told(site: Site) -> None:
    site.users("dom2_bob@test.com", "bob@dom2.com")
    site.dmail(f"authent_domain true\nvdomain dom2 @dom2 dom2.com {site.drops}\n")
    one = site.found("one-drop-folder", with_dmail=True)
    assert one.what == (f"the mail of dom2_bob@test.com and of bob@dom2.com is in one drop file, {site.drops}/dom2_bob")
    site.users("robert@test.com", "bob@dom2.com")
    assert site.look(with_dmail=True) == []


def test_two_domains_with_one_folder_and_no_prefix_are_told(site: Site) -> None:
    site.dmail(f"drop_prefix false\nvdomain dom2 @dom2 dom2.com {site.drops}\n")
    one = site.found("one-drop-folder", with_dmail=True)
    assert one.line == site.conf.virtual_domains[0].line
    (site.path / "2").mkdir()
    site.dmail(f"drop_prefix false\nvdomain dom2 @dom2 dom2.com {site.path}/2\n")
    assert site.look(with_dmail=True) == []
