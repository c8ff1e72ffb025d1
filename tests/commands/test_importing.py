"""``nwauth import``: users of files, whatever is wrong with them; and the settings of a multiauth.ini."""

from __future__ import annotations

import gzip
import io
import json
import os
import shlex
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.common import COMMAND, Run, base, contents, run
from tests.serving import Child, make_folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two user bases, one of them behind a module of its own, and their multiauth.ini."""
    make_folder(tmp_path / "one", b"bob@one.com:*secret:\n")
    make_folder(tmp_path / "two", b"eve:*secret:\n")
    module = " ".join(map(shlex.quote, [*COMMAND, "-path", str(tmp_path / "two"), "-log"]))
    (tmp_path / "multiauth.ini").write_text(
        f"do_del false\nmodule 0\nbinary nwauth -path {tmp_path}/one\nmatch *one.com\nmodule 1\n"
        f"binary /usr/bin/env {module}\nmatch *two.com\nstrip_suffix @two.com\ndo_set true\n"
    )
    (tmp_path / "odd.ini").write_text("binary nwauth\nmatch all\n")
    (tmp_path / "mail").mkdir()
    return tmp_path


def test_what_multiauth_was_told_is_served(place: Path) -> None:
    done = run(str(place / "mail"), "import", str(place / "multiauth.ini"))
    assert done.status == 0
    assert json.loads(done.out)["stores"] == ["module0", "module1"]
    with Child(place / "mail") as child:
        assert child.ask(b"lookup BOB@one.com") == b"+OK bob@one.com config 0\n"
        assert child.ask(b"lookup eve@two.com") == b"+OK eve@two.com config 0\n"
        assert child.ask(b"lookup eve@one.com") == b"-ERR eve@one.com does not exist\n"
        assert child.ask(b"check eve@two.com secret 10.0.0.1") == b"+OK eve@two.com config 0\n"
        assert child.ask(b"check eve@two.com wrong") == b"-ERR eve@two.com password wrong or not a valid user\n"
        assert child.ask(b"set carl@two.com pw") == b"+OK carl@two.com added to database\n"
        assert child.ask(b"set carl@one.com pw") == b"-ERR not supported here\n"
        assert child.ask(b"del bob@one.com").startswith(b"-ERR ")
        assert child.ask(b"search *") == (
            b"+DATA bob@one.com\n+DATA carl@two.com\n+DATA eve@two.com\n+OK Search Complete 3 items found out of 3\n"
        )
    assert b"carl:" in (place / "two" / "nwauth.add").read_bytes()


def test_a_dry_run_prints_the_settings_and_writes_nothing(place: Path) -> None:
    done = run(str(place / "mail"), "import", str(place / "multiauth.ini"), "--dry-run", "--format", "table")
    assert done.status == 0
    assert 'kind = "flatfile"' in done.out
    assert os.listdir(place / "mail") == []


def test_settings_that_are_there_are_never_replaced(place: Path) -> None:
    (place / "mail" / "nwauth.toml").write_text("[log]\n")
    done = run(str(place / "mail"), "import", str(place / "multiauth.ini"))
    assert (done.status, done.out) == (1, "")
    assert "nwauth.toml is there: move it away first, or take another --path" in done.err
    assert (place / "mail" / "nwauth.toml").read_text() == "[log]\n"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("absent.ini", "absent.ini: cannot be read: No such file or directory"),
        ("mail", "mail: cannot be read: it is a folder"),
        ("odd.ini", "odd.ini: found no form that all its lines have: say what it is with --from csv|semicolons|"),
    ],
)
def test_a_file_of_which_nothing_can_be_made_is_told_in_one_line_and_one_record(
    place: Path, name: str, error: str
) -> None:
    done = run(str(place / "mail"), "import", str(place / name))
    assert error in done.err
    assert done.err.count("\n") == 1
    record = json.loads(done.out)
    assert (done.status, record["form"], record["failed"], record["created"]) == (1, None, 1, 0)
    assert error.endswith(record["problems"][0]["reason"][: len(error.partition(": ")[2])])


def test_a_folder_that_is_not_there_is_told(place: Path) -> None:
    done = run(str(place / "absent"), "import", str(place / "multiauth.ini"))
    assert done.status == 1
    assert "found no folder" in done.err


# --- users -----------------------------------------------------------------------------------------------------------

SSHA = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A user base with bob."""
    (tmp_path / "mail").mkdir()
    return base(str(tmp_path / "mail"), users=f'bob@test.com:{SSHA}:quota="5"\n'.encode())


def imported(folder: str, text: str | bytes, *options: str) -> Run:
    return run(folder, "import", "-", *options, stdin=text if isinstance(text, bytes) else text.encode())


def shown(folder: str, name: str) -> dict[str, object]:
    found = json.loads(run(folder, "user", "show", name, "--show-hash").out)
    assert isinstance(found, dict)
    return found


def test_users_of_a_table_are_added_and_columns_are_taken_by_name(folder: str) -> None:
    text = "Full Name,E-Mail,Password,phone,Room\r\nEve E.,eve@test.com,secret,12,7\r\n"
    words = ("--map", "full name=full_name", "--map", "Room=")
    done = imported(folder, text, *words)
    assert done.status == 0
    assert "stdin: taken for CSV: its first line has names between commas" in done.err
    assert (
        "Full Name is full_name; E-Mail is name; Password is password; info fields: phone; left out: Room" in done.err
    )
    assert "passwords in clear text: 1; hashed" in done.err
    assert "secret" not in done.err + done.out
    user = shown(folder, "eve@test.com")
    assert user["info"] == {"full_name": "Eve E.", "phone": "12"}
    assert str(user["stored_password"]).startswith("$argon2id$")
    again = imported(folder, text, *words)
    assert (again.status, json.loads(again.out)["unchanged"]) == (0, 1)


def test_a_dry_run_shows_the_first_ten_as_they_would_be_stored_and_writes_nothing(folder: str) -> None:
    before = contents(folder)
    rows = "".join(f"user{number:02}@test.com,{SSHA},{number}\n" for number in range(20, 0, -1))
    done = imported(folder, f"name,password_hash,quota\n{rows}", "--dry-run")
    record = json.loads(done.out)
    assert (done.status, record["created"], [one["line"] for one in record["first"]]) == (3, 20, list(range(2, 12)))
    assert record["first"][0]["user"] == "user20@test.com"
    assert (record["first"][0]["scheme"], record["first"][0]["info"]) == ("ssha", {"quota": "20"})
    assert contents(folder) == before
    assert imported(folder, f"bob@test.com:{SSHA}\n", "--from", "htpasswd", "--dry-run").status == 0


def test_every_error_is_told_with_its_place_and_nothing_is_written(folder: str) -> None:
    before = contents(folder)
    text = (
        f"name,password_hash,quota\nnew@test.com,{SSHA},1\nx:y@test.com,{SSHA},1\nc@test.com,hunter2,1\n"
        f"d@test.com,{SSHA}\n,{SSHA},1\nNEW@test.com,{SSHA},1\nbob@test.com,{SSHA},6\ne@test.com,,1\n"
    )
    done = imported(folder, text)
    problems = [(one["line"], one["column"]) for one in json.loads(done.out)["problems"]]
    assert (done.status, problems) == (1, [(3, 1), (4, 2), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1)])
    assert done.err.count("nwauth: stdin, line ") == 7
    assert "hunter2" not in done.err + done.out
    assert contents(folder) == before


def test_who_is_there_and_differs_is_an_error_or_changed_or_skipped_as_it_is_said(folder: str) -> None:
    other = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
    text = f'bob@test.com:{other}:quota="6"\neve@test.com:{other}:\n'
    before = contents(folder)
    done = imported(folder, text)
    assert done.status == 1
    assert "line 1, column 1: 'bob@test.com': is there, and differs in password, quota: --update changes it" in done.err
    assert contents(folder) == before
    assert imported(folder, text, "--skip-existing").status == 0
    assert shown(folder, "bob@test.com")["stored_password"] == SSHA
    assert imported(folder, text, "--update").status == 0
    assert (shown(folder, "bob@test.com")["stored_password"], shown(folder, "bob@test.com")["info"]) == (
        other,
        {"quota": "6"},
    )
    assert imported(folder, text, "--update", "--skip-existing").status == 2


def test_many_who_are_there_and_differ_in_the_same_are_told_in_one_line(folder: str) -> None:
    names = ["bob@test.com", *(f"u{number}@test.com" for number in range(4))]
    columns = "name,password_hash,phone\n"
    assert imported(folder, columns + "".join(f"{name},{SSHA},1\n" for name in names[1:])).status == 0
    done = imported(folder, columns + "".join(f"{name},{SSHA},2\n" for name in names))
    told = "line 2, column 1: is there, and differs in phone: --update changes it, --skip-existing leaves it as it is"
    assert done.err.count("nwauth: ") == 1
    assert f"{told}; the same of 5 users: bob@test.com (line 2), u0@test.com (line 3), " in done.err
    problems = json.loads(done.out)["problems"]
    assert [one["reason"].partition(":")[0] for one in problems] == [repr(name) for name in names]


def test_what_looks_like_a_hash_in_clear_text_or_the_reverse_is_asked_for(folder: str) -> None:
    text = f"name,password\neve@test.com,{SSHA}\n"
    done = imported(folder, text)
    assert (done.status, "line 2, column 2: password: found what looks like a hash (ssha)" in done.err) == (1, True)
    assert imported(folder, text, "--passwords", "hashed").status == 0
    assert shown(folder, "eve@test.com")["stored_password"] == SSHA
    assert imported(folder, "ada@test.com:letmein\n", "--from", "htpasswd", "--passwords", "clear").status == 0
    assert run(folder, "test", "ada@test.com", "--password-stdin", stdin=b"letmein").status == 0


@pytest.mark.parametrize(
    "word", ["*", "!", "!!", "x", "*LK*", " ", "$9$salt$digest", "{FOO}bar", "5f4dcc3b5aa765d61d8327deb882cf99"]
)
def test_a_lock_or_an_unknown_hash_never_becomes_a_password_that_lets_in_unasked(folder: str, word: str) -> None:
    before = contents(folder)
    for text in (f"name,password\neve@test.com,{word}\n", f'{{"name": "eve@test.com", "password": "{word}"}}\n'):
        done = imported(folder, text)
        assert (done.status, "say --passwords hashed, or --passwords clear" in done.err) == (1, True)
        assert word == " " or f" {word} " not in done.err
        assert contents(folder) == before
    assert imported(folder, text, "--passwords", "clear").status == 0
    assert run(folder, "test", "eve@test.com", "--password-stdin", stdin=word.encode()).status == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,Passwort\neve,x\n", "'Passwort': is it a password? give --map 'Passwort=password'"),
        ("name,Full Name\neve,x\n", "'Full Name' cannot be the name of an info field"),
        ("user,login\neve,x\n", "nothing that is the user's name: give --map 'user=name' or --map 'login=name'"),
        ("Benutzer,emial\neve,x\n", "none of its 2 is known (did you mean email, in column 2?)"),
        ('{"nick": "eve", "quota": "x"}\n', "found 'nick', 'quota', and nothing that is the user's name: give --map"),
        ("name,generate\neve,true\n", "'generate' is a word of plans"),
        ("name,quota,Quota\neve,1,2\n", "'Quota' would become Quota, as 'quota' does"),
        (f"name,password_hash,state\neve,{SSHA},absent\n", "import removes nobody: nwauth apply does"),
        ("Name;E-Mail;Password\nEve;eve@test.com;x1\n", "either 'Name' or 'E-Mail' may be the user's name"),
        (f"eve:{SSHA}:::::: nologin=1\n", "'nologin' decides for Dovecot who logs in"),
        (f"eve:{SSHA}::::::nodelay nologin\n", "'nologin' decides for Dovecot who logs in"),
        (f'eve:{SSHA}:uid="5"\n', "'uid' is no name for an info field here: give --map 'uid=FIELD'"),
        (f"eve:{SSHA}:\n#del bob@test.com\n", "line 2, column 1: found a deletion: this is a journal"),
        ('{"scope": {"match": "*"}}\n{"name": "eve"}\n', "found the head of a plan (scope, defaults)"),
    ],
)
def test_what_cannot_be_told_is_asked_for(folder: str, text: str, words: str) -> None:
    before = contents(folder)
    done = imported(folder, text)
    assert (done.status, words in done.err) == (1, True), done.err
    assert contents(folder) == before


def test_whatever_is_wrong_with_columns_is_told_in_one_run(folder: str) -> None:
    head = "Full Name,quota,quota,,Passwort,user,login\n"
    done = imported(folder, f"{head}x,1,2,,s,eve,eve\ny,1\n", "--map", "name=user", "--map", "Pasword=password")
    told = [(one["line"], one["column"]) for one in json.loads(done.out)["problems"]]
    assert (done.status, told) == (1, [(1, 1), (1, 1), (1, 3), (1, 4), (1, 5), (3, 1)])
    assert "--map names 'name', and there is no such column; the column comes first: --map 'user=name'" in done.err
    assert "--map names 'Pasword', and there is no such column: did you mean 'Passwort'?" in done.err
    done = imported(folder, head, "--map", "x", "--map", "a=b", "--map", "A=c")
    assert (done.status, done.err.count("found")) == (2, 2)


def test_what_is_worth_knowing_of_users_is_not_told_where_none_is_taken(folder: str) -> None:
    text = "name,password\n eve@test.com,secret\nada@test.com\n"
    notes = [line for line in imported(folder, text).err.splitlines() if line.startswith("note:")]
    assert notes == ["note: users without an error: 1; --keep-going takes them"]
    assert imported(folder, text, "--keep-going").err.count("note:") == 2
    plan = '{"name": "eve@test.com", "password": "secret"}\n{"name": "ada@test.com"}\n'
    assert "note:" not in run(folder, "apply", "-", "--input", "ndjson", stdin=plan.encode()).err


@pytest.mark.parametrize(
    "text",
    [
        "eve@test.com,tops3cret\nada@test.com,tops3cret\n",
        "eve,tops3cret\nada,tops3cret\n",
        "eve,pass tops3cret\n",
        "eve,tops3cret\nada\n",
        f"eve,tops3cret,{SSHA}\n",
        "tops3cret,tops3cret,eve@test.com\n",
        "name,quota,state\neve@test.com,7,tops3cret\n",
        "name;password;state\neve@test.com;7;tops3cret\n",
    ],
)
def test_a_password_that_stands_where_another_thing_should_is_not_shown(folder: str, text: str) -> None:
    before = contents(folder)
    done = imported(folder, text)
    assert (done.status, "tops3cret" in done.out + done.err, SSHA in done.out + done.err) == (1, False, False)
    assert ("line 1" in done.err and "wanted" in done.err) or "wanted present or suspended" in done.err
    assert contents(folder) == before


@pytest.mark.parametrize("key", ["password", "Password", " PASSWORD "])
def test_a_key_of_ours_is_one_however_map_spells_it(folder: str, key: str) -> None:
    text = "name,Kennwort,Lage\neve@test.com,secret,suspended\n"
    done = imported(folder, text, "--map", f"kennwort={key}", "--map", "Lage=STATE")
    assert (done.status, done.err.count("Kennwort is password; Lage is state")) == (0, 1)
    assert shown(folder, "eve@test.com")["info"] == {"mailstatus": "suspended"}
    assert run(folder, "export", "--without-passwords").out.count("secret") == 0


def test_map_makes_no_info_field_of_what_is_called_as_a_password(folder: str) -> None:
    for field in ("pwd", "Passwort", "hash"):
        done = imported(folder, "name,Kennwort\neve@test.com,secret\n", "--map", f"Kennwort={field}")
        assert (
            done.status,
            f"--map makes 'Kennwort' the info field '{field}', which servers are told" in done.err,
        ) == (
            1,
            True,
        )
    assert "no such column" not in done.err


def test_what_a_spreadsheet_saves_is_taken(folder: str) -> None:
    text = '\ufeffname;full_name;password\r\n eve@test.com\u00a0;"Eve; E.";secret\r\nada@test.com;;other1\r\n'
    done = imported(folder, text)
    assert (done.status, json.loads(done.out)["created"]) == (0, 2)
    assert "note: names with blanks around them: 1; taken without" in done.err
    assert shown(folder, "eve@test.com")["info"] == {"full_name": "Eve; E."}


def test_a_field_that_decides_about_logins_is_named(folder: str) -> None:
    done = imported(folder, f"name,password_hash,mailaccess,valid_until\neve@test.com,{SSHA},staff,2030-01-31\n")
    assert "note: mailaccess, valid_until: by this it is decided here who may log in, and when" in done.err


def test_a_mark_of_locking_behind_plain_of_dovecot_locks(folder: str) -> None:
    done = imported(folder, "eve@test.com:{PLAIN}*:1:1::/h::\nada@test.com:{PLAIN}secret:1:1::/h::\n")
    assert (done.status, "users without a password, or with a locked one: 1" in done.err) == (0, True)
    assert shown(folder, "eve@test.com")["stored_password"] == "!"


def test_users_whose_hashes_were_cut_off_are_named_and_taken(folder: str) -> None:
    bcrypt = "$2b$12$" + 53 * "a"
    hashes = {"ada": bcrypt, "cut": bcrypt[:50], "eve": SSHA, "spoilt": SSHA[:-3], "locked": "!", "zoe": bcrypt}
    done = imported(folder, "name,password_hash\n" + "".join(f"{name},{field}\n" for name, field in hashes.items()))
    assert (done.status, json.loads(done.out)["created"]) == (0, len(hashes))
    assert "note: damaged hashes, cut off or so, which let nobody in: cut (line 3), spoilt (line 5)\n" in done.err
    assert "damaged" not in imported(folder, f"name,password_hash\nann,{bcrypt}\n").err


@pytest.mark.parametrize("extra", ["", ',"mailstatus":"ok"', ',"update_password":"always"'])
def test_of_many_damaged_hashes_the_first_are_named(folder: str, extra: str) -> None:
    plan = "".join(f'{{"name":"user{at}","password_hash":"$1$ab$cd"{extra}}}\n' for at in range(1, 9))
    done = run(folder, "apply", "-", "--input", "ndjson", "--dry-run", stdin=plan.encode())
    assert done.status == 3, done
    assert "which let nobody in: user1 (line 1), user2 (line 2), " in done.err
    assert "user5 (line 5) ...\n" in done.err
    assert "user6" not in done.err


@pytest.mark.parametrize("domain", ["@", "a@b", " ", "a b"])
def test_a_domain_that_is_none_is_told(folder: str, domain: str) -> None:
    done = imported(folder, f"eve:{SSHA}\n", "--from", "htpasswd", "--domain", domain)
    assert (done.status, "--domain: found " in done.err) == (2, True)


def test_a_long_cell_is_taken(folder: str) -> None:
    done = imported(folder, f"name,password_hash,note\neve@test.com,{SSHA},{'x' * 140_000}\n")
    assert (done.status, json.loads(done.out)["created"]) == (0, 1)


def test_what_is_packed_or_no_text_is_told_with_what_to_do(folder: str) -> None:
    table = b"name,password\neve@test.com,secret\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/sheet1.xml", table)
    with closing(sqlite3.connect(f"{folder}/other.db")) as database:
        database.execute("CREATE TABLE users (name, password)")
    for content, what in (
        (gzip.compress(table), "found what gzip has packed, wanted text: gunzip it"),
        (packed.getvalue(), "found a zip archive, or a workbook (.xlsx, .ods), wanted text: save its table as CSV"),
        (Path(folder, "other.db").read_bytes(), "found an SQLite database, wanted text: nwauth copy takes users"),
    ):
        done = imported(folder, content)
        assert (done.status, what in done.err) == (1, True), done


@pytest.mark.parametrize("words", [("import", "-"), ("apply", "-", "--input", "csv")])
def test_a_table_of_very_many_columns_is_taken(folder: str, words: tuple[str, ...]) -> None:
    """With every column compared with every one before it this would take a minute."""
    columns = ["name", "password_hash", *(f"field{number}" for number in range(50_000))]
    table = f"{','.join(columns)}\neve@test.com,{SSHA}{',' * 50_000}\n"
    done = run(folder, *words, stdin=table.encode())
    assert done.status == 0, done.err[-300:]
    assert shown(folder, "eve@test.com")["info"] == {}


def test_characters_are_never_guessed(folder: str) -> None:
    latin = f"name,password_hash,full_name\neve@test.com,{SSHA},B\xe4b\n".encode("latin-1")
    done = imported(folder, latin)
    assert (done.status, "line 2, column 3: full_name: found a byte that is no UTF-8" in done.err) == (1, True)
    more = latin + "".join(f"u{number},{SSHA},\xe4\n" for number in range(4)).encode("latin-1")
    done = imported(folder, more)
    assert (done.err.count("no UTF-8"), "; the same of 5 users: eve@test.com (line 2), u0 (line 3), " in done.err) == (
        1,
        True,
    )
    assert [one["user"] for one in json.loads(done.out)["problems"]] == ["eve@test.com", "u0", "u1", "u2", "u3"]
    assert imported(folder, latin, "--encoding", "latin-1").status == 0
    assert shown(folder, "eve@test.com")["info"] == {"full_name": "B\xe4b"}
    wide = latin.decode("latin-1")
    assert imported(folder, wide.encode("utf-16")).status == 0
    assert "found NUL bytes" in imported(folder, wide.encode("utf-16-le")).err
    assert "give --encoding utf-16-be" in imported(folder, wide.encode("utf-16-be")).err
    for word in ("klingon", "rot13", "base64", "hex", ""):
        done = imported(folder, latin, "--encoding", word)
        assert (done.status, done.err.count(f"--encoding: found {word!r}, wanted an encoding, as latin-1")) == (2, 1)
    assert "or bytes: did you mean latin-1?" in imported(folder, latin, "--encoding", "latn1").err


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *((form, f"name{by}password_hash{by}B\xe4r\neve{by}!{by}x\n") for form, by in (("csv", ","), ("tsv", "\t"))),
        ("ndjson", '{"name": "eve", "password_hash": "!", "B\xe4r": "x"}\n'),
        ("json", '[{"name": "eve", "password_hash": "!", "B\xe4r": "x"}]\n'),
        ("toml", "[[user]]\nname = 'eve'\npassword_hash = '!'\n'B\xe4r' = 'x'\n"),
        ("nwauth", 'eve:!:B\xe4r="x"\n'),
        ("dovecot", "eve:!:::::: B\xe4r=x\n"),
    ],
)
def test_the_name_of_a_field_is_text_too(folder: str, form: str, text: str) -> None:
    done = imported(folder, text.encode("latin-1"), "--from", form)
    told = "name of the column: found" if form in ("csv", "tsv") else "'B\\udce4r': found"
    told += " a byte that is no UTF-8"
    assert (done.status, done.err.count(told), json.loads(done.out)["failed"]) == (1, 1, 1), done.err
    assert imported(folder, text.encode("latin-1"), "--from", form, "--encoding", "latin-1", "--dry-run").status == 3


def test_names_of_columns_that_are_no_text_are_told_before_all_else_and_not_shown(folder: str) -> None:
    latin = "E-Mail;Vorname Nachname;Passwort;G\xfcltig bis\neve@test.com;Eve;secret;x\n".encode("latin-1")
    done = imported(folder, latin)
    (problem,) = json.loads(done.out)["problems"]
    assert (problem["line"], problem["column"], "give --encoding, as latin-1" in problem["reason"]) == (1, 4, True)
    assert "udcfc" not in done.err
    unnamed = imported(folder, f"eve;S\xfcsse;x\nada;{SSHA};x\n".encode("latin-1"), "--from", "semicolons")
    assert (unnamed.status, unnamed.err.count("found a byte that is no UTF-8"), "sse" in unnamed.err) == (1, 1, False)
    done = imported(folder, latin, "--encoding", "latin-1")
    assert "column 4: 'G\xfcltig bis' cannot be the name of an info field: give --map 'G\xfcltig bis=FIELD'" in done.err


def test_bytes_that_are_escaped_one_by_one_are_the_letter_that_they_are_together(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    settings = '[[stores]]\nkind = "sql"\nurl = "sqlite:///users.db"\n[names]\nallow_high_ascii = true\n'
    folder = base(str(tmp_path / "sql"), settings=settings)
    assert run(folder, "init", "--quiet").status == 0
    for name in ("\u00c0@test.com", "\udcc3\udc80@test.com"):
        text = json.dumps({"name": name, "password_hash": SSHA, "full_name": name})
        assert imported(folder, text + "\n", "--encoding", "bytes").status == 0
    (row,) = run(folder, "export").out.splitlines()
    assert json.loads(row)["name"] == json.loads(row)["full_name"] == "\u00c0@test.com"


def test_only_users_that_match_are_taken_and_names_get_their_domain(folder: str) -> None:
    text = f"eve:{SSHA}\nada@other.com:{SSHA}\n"
    done = imported(folder, text, "--from", "htpasswd", "--domain", "test.com", "--match", "*@test.com")
    record = json.loads(done.out)
    assert (done.status, record["created"], record["left_out"]) == (0, 1, 1)
    assert shown(folder, "eve@test.com")["stored_password"] == SSHA


def test_what_is_wrong_in_front_of_a_row_that_cannot_be_read_is_told_too(folder: str) -> None:
    done = imported(folder, 'name,state\nann,gone\n"b"x,\n', "--keep-going")
    assert (done.status, [one["line"] for one in json.loads(done.out)["problems"]]) == (1, [2, 3])
    assert "--keep-going takes none of them" in done.err


def test_an_extra_field_of_dovecot_that_has_to_be_decided_hides_no_other_error_of_its_line(folder: str) -> None:
    lines = ["bob:{NOPE}x:::::: nologin", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:::::: nologin"]
    lines += ["b@d@:!:::::: valid_until=soon", "zoe:!::::::"]
    done = imported(folder, "\n".join(lines), "--keep-going")
    assert "'nologin' decides for Dovecot who logs in" in done.err
    assert done.err.count("; the same of 2 users: bob (line 1), ann (line 2)\n") == 1
    record = json.loads(done.out)
    assert sorted((one["line"], one["user"], one["reason"].partition(":")[0]) for one in record["problems"]) == [
        (1, "bob", "'nologin' decides for Dovecot who logs in, and would here be a field without a meaning"),
        (1, "bob", "password_hash"),
        (2, "ann", "'nologin' decides for Dovecot who logs in, and would here be a field without a meaning"),
        (3, "b@d@", "name"),
        (3, "b@d@", "valid_until"),
    ]
    assert (done.status, record["created"], record["failed"]) == (1, 1, 5)


@pytest.mark.parametrize(
    "text",
    ["name,pass\nbob,x\nb@d@,y\n", '{"name": "b@d@", "pass": "x"}\n\n{"name": "c@d@"}\n'],
)
def test_a_column_that_has_to_be_decided_hides_no_error_of_the_others(folder: str, text: str) -> None:
    problems = json.loads(imported(folder, text).out)["problems"]
    assert sum("is it a password?" in one["reason"] for one in problems) == 1
    assert any(one["line"] == 3 and "nobody may be called" in one["reason"] for one in problems)
