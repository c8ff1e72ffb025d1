"""``nwauth apply``: whole outputs and exit statuses, through the installed command."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.common import COMMAND, SETTINGS, Run, base, contents, environment, run
from tests.databases import shared_mariadb, shared_postgres, unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.databases.mariadb import MariaDb
    from tests.databases.postgres import Postgres

SSHA = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"
USERS = f"""ann@test.com:{SSHA}:quota="7"
bob@test.com:*secret:quota="5" full_name="Bob Bee"
out@other.com:!:odd text
""".encode()
PLAN = f"""\
[scope]
match = "*@test.com"

[defaults]
quota = "200000000"

[[user]]
name = "Bob@test.com"
full_name = "Bob"
password_hash = "{SSHA}"
valid_until = 2027-01-31

[[user]]
name = "new@test.com"
password_hash = "{SSHA}"
state = "suspended"

[[user]]
name = "ann@test.com"
state = "absent"
"""
HEAD = {"scope": {"match": "*@test.com"}, "defaults": {"quota": "200000000"}}
PEOPLE: list[dict[str, Any]] = [
    {"name": "Bob@test.com", "full_name": "Bob", "password_hash": SSHA, "valid_until": "2027-01-31"},
    {"name": "new@test.com", "password_hash": SSHA, "state": "suspended"},
    {"name": "ann@test.com", "state": "absent"},
]
AFTER = f"""bob@test.com:*secret:quota="5" full_name="Bob" valid_until="2027-01-31"
new@test.com:{SSHA}:mailstatus="suspended" quota="200000000"
out@other.com:!:odd text
"""
IN_COLUMNS = ('mailstatus="suspended" quota="200000000"', 'quota="200000000" mailstatus="suspended"')
COLUMNS = ["name", "state", "password_hash", "full_name", "valid_until", "quota"]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder with three users in flat files."""
    os.mkdir(tmp_path / "mail")
    return base(str(tmp_path / "mail"), users=USERS)


def written(folder: str, name: str, text: str) -> str:
    """A plan beside the folder."""
    path = f"{folder}-{name}"
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    return path


def apply(folder: str, text: str, *options: str, name: str = "plan.toml") -> Run:
    return run(folder, "apply", written(folder, name, text), *options)


def results(done: Run) -> list[tuple[str, str]]:
    return [(row["user"], row["result"]) for row in done.records()]


def users(folder: str) -> str:
    with open(os.path.join(folder, "nwauth.txt"), encoding="utf-8") as file:
        return file.read()


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def separated(separator: str) -> str:
    rows = [[row.get(column, "") for column in COLUMNS] for row in PEOPLE]
    rows[1][-1] = "200000000"
    return "".join(separator.join(row) + "\r\n" for row in [COLUMNS, *rows])


FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "toml": (PLAN, ()),
    "json": (json.dumps({**HEAD, "user": PEOPLE}, indent=1), ()),
    "ndjson": (lines(HEAD, *PEOPLE), ()),
    "csv": (separated(","), ("--match", "*@test.com")),
    "tsv": (separated("\t"), ("--match", "*@test.com")),
}


# --- what it does ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_plan_of_every_form_is_applied_and_the_second_time_changes_no_byte(folder: str, form: str) -> None:
    text, options = FORMS[form]
    done = apply(folder, text, *options, name=f"plan.{form}")
    assert (done.status, results(done)) == (
        0,
        [("bob@test.com", "changed"), ("new@test.com", "changed"), ("ann@test.com", "removed")],
    )
    wanted = AFTER if form in ("toml", "json", "ndjson") else AFTER.replace(*IN_COLUMNS)
    assert users(folder) == wanted
    before = contents(folder)
    again = apply(folder, text, *options, name=f"plan.{form}")
    assert again == (0, "", "0 changed, 0 removed, 3 as they were, 0 failed\n")
    assert contents(folder) == before


SHOWN = """\
bob@test.com would be changed
  full_name    Bob Bee -> Bob
  valid_until  2027-01-31
new@test.com would be added
  password    stored as ssha
  mailstatus  suspended
  quota       200000000
ann@test.com would be removed
"""


def test_a_dry_run_shows_what_differs_deletions_last_and_writes_nothing(folder: str) -> None:
    before = contents(folder)
    done = apply(folder, PLAN, "--dry-run", "--format", "table")
    assert (done.status, done.out, done.err) == (
        3,
        SHOWN,
        "2 would be changed (1 of them new), 1 would be removed, 0 as they were, 0 failed\n",
    )
    assert contents(folder) == before


def test_a_dry_run_with_nothing_to_do_ends_with_zero(folder: str) -> None:
    assert apply(folder, '[[user]]\nname = "bob@test.com"\nquota = 5\n', "--dry-run").status == 0


def test_a_plan_whose_name_tells_no_form_is_asked_for_in_one_line(folder: str) -> None:
    done = apply(folder, PLAN, name="plan.txt")
    assert (done.status, "whose name tells no form: give --input ndjson|" in done.err, done.err.count("\n")) == (
        2,
        True,
        1,
    )


def test_the_summary_is_one_record_of_numbers(folder: str) -> None:
    done = apply(folder, PLAN, "--summary")
    wanted = {"dry_run": False, "changed": 2, "created": 1, "unchanged": 0, "removed": 1, "failed": 0}
    assert (done.status, done.err, done.records()) == (0, "", [wanted])


def test_all_tells_who_is_as_the_plan_says_too_before_who_is_changed(folder: str) -> None:
    plan = lines({"name": "BOB@test.com", "quota": 5}, {"name": "ann@test.com", "quota": 8})
    done = apply(folder, plan, "--all", name="plan.ndjson")
    assert results(done) == [("BOB@test.com", "unchanged"), ("ann@test.com", "changed")]
    assert apply(folder, plan, "--all", "--format", "table", name="plan.ndjson").out == (
        "ann@test.com is as the plan says\nBOB@test.com is as the plan says\n"
    )


def test_a_plan_comes_from_stdin(folder: str) -> None:
    done = run(folder, "apply", "-", "--input", "ndjson", stdin=b'{"name": "bob@test.com", "quota": ""}\n')
    assert (done.status, results(done)) == (0, [("bob@test.com", "changed")])
    assert json.loads(run(folder, "user", "show", "bob@test.com").out)["info_text"] == 'full_name="Bob Bee"'


def test_a_single_change_is_one_line_of_the_journal(folder: str) -> None:
    assert apply(folder, '[[user]]\nname = "bob@test.com"\nquota = "6"\n').status == 0
    assert users(folder).encode() == USERS
    assert json.loads(run(folder, "user", "show", "bob@test.com").out)["info"]["quota"] == "6"


def test_the_plan_in_the_manual_is_applied_as_it_stands(folder: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "apply.md").read_text()
    plan = page.partition("<!-- plan.toml -->\n```toml\n")[2].partition("```")[0]
    base(folder, users=b"bob@test.com:!:\nold@test.com:!:\n")
    assert results(apply(folder, plan)) == [
        ("bob@test.com", "changed"),
        ("eve@test.com", "changed"),
        ("old@test.com", "removed"),
    ]
    assert apply(folder, plan, "--dry-run").status == 0


# --- passwords -------------------------------------------------------------------------------------------------------


def test_a_password_is_taken_when_a_user_is_made_and_later_only_if_the_plan_says_always(folder: str) -> None:
    first = lines({"name": "c@test.com", "password": "one"}, {"name": "bob@test.com", "password": "one"})
    done = apply(folder, first, name="plan.ndjson")
    assert "passwords in clear text in the plan: 2" in done.err
    assert run(folder, "test", "c@test.com", "--password-stdin", stdin=b"one").status == 0
    assert run(folder, "test", "bob@test.com", "--password-stdin", stdin=b"secret").status == 0
    always = lines({"update_password": "always"}) + first
    assert results(apply(folder, always, name="plan.ndjson")) == [("bob@test.com", "changed")]
    assert run(folder, "test", "bob@test.com", "--password-stdin", stdin=b"one").status == 0
    before = contents(folder)
    assert results(apply(folder, always, name="plan.ndjson")) == []
    assert contents(folder) == before


def test_a_generated_password_is_printed_once_and_lets_the_user_in(folder: str) -> None:
    plan = lines({"name": "c@test.com", "generate": True})
    assert apply(folder, plan, "--dry-run", name="plan.ndjson").records()[0]["password"] is None
    done = apply(folder, plan, "--quiet", name="plan.ndjson")
    password = done.records()[0]["password"]
    assert run(folder, "test", "c@test.com", "--password-stdin", stdin=password.encode()).status == 0
    assert apply(folder, plan, "--quiet", name="plan.ndjson") == (0, "", "")


def test_a_new_user_needs_a_password_and_who_is_there_does_not(folder: str) -> None:
    done = apply(folder, lines({"name": "bob@test.com", "quota": 9}, {"name": "c@test.com"}), name="plan.ndjson")
    assert (done.status, results(done)) == (1, [("c@test.com", "failed")])
    assert done.err.startswith(f"nwauth: {folder}-plan.ndjson, line 2, column 1: 'c@test.com': is not there, and a new")
    assert users(folder).encode() == USERS


def test_what_stands_in_the_store_is_accepted_as_it_stands(folder: str) -> None:
    rows = json.loads(run(folder, "user", "list", "--show-hash", "--format", "json").out)
    plan = [{"name": row["user"], "password_hash": row["stored_password"], **row["info"]} for row in rows]
    before = contents(folder)
    done = apply(folder, lines({"update_password": "always"}, *plan), name="plan.ndjson")
    assert (done.status, done.out) == (0, "")
    assert contents(folder) == before


# --- errors ----------------------------------------------------------------------------------------------------------

BAD = """\
{"name": "new@test.com", "password_hash": "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"}
{"name": "x@test.com" oops}
{"name": "b:b@test.com", "state": "gone", "quota": [1]}
{"name": "NEW@test.com"}
{"name": "c@test.com", "password_hash": "hunter2"}
{"name": "d@test.com", "x": 1, "x": 2}
[]
{"name": "e@test.com", "password": "hunter2", "generate": true, "valid_until": "soon"}
{"name": "f@test.com", "state": "absent", "quota": 1}
{"quota": 1}
{"scope": {"match": "*"}}
"""
PLACES = [
    (2, 23),
    (3, 2),
    (3, 26),
    (3, 43),
    (4, 1),
    (5, 24),
    (6, 24),
    (7, 1),
    (8, 47),
    (8, 65),
    (9, 43),
    (10, 1),
    (11, 1),
]


def test_every_bad_line_is_told_with_line_and_column_and_nothing_is_written(folder: str) -> None:
    before = contents(folder)
    done = apply(folder, BAD, name="plan.ndjson")
    assert done.status == 1
    assert [(row["line"], row["column"]) for row in done.records()] == PLACES
    *told, last = done.err.splitlines()
    begins = [f"nwauth: {folder}-plan.ndjson, line {line}, column {column}: " for line, column in PLACES]
    assert [line[: len(begin)] for line, begin in zip(told, begins, strict=True)] == begins
    assert last == f"0 changed, 0 removed, 0 as they were, {len(PLACES)} failed: nothing is changed"
    assert "hunter2" not in done.out + done.err
    assert contents(folder) == before


def test_keep_going_applies_what_is_right_and_prunes_nobody(folder: str) -> None:
    bad = BAD.rpartition('{"scope"')[0]  # which is said of all
    done = apply(folder, bad, "--keep-going", "--prune", "--allow-prune", "100", name="plan.ndjson")
    assert done.status == 1
    assert results(done)[len(PLACES) - 1 :] == [("new@test.com", "changed")]
    assert "nobody is pruned by a plan with errors" in done.err
    assert "bob@test.com" in users(folder)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "plan.toml",
            "[[user]]\nname = 'a'\nname = 'b'\n",
            ", line 3, column 1: found the key name a second time, wanted it once",
        ),
        (
            "plan.toml",
            "x = [\n\n",
            ", line 1, column 6: found the end of the file, and a value lacks, or text, an array",
        ),
        ("plan.toml", "\n\nx = '", ", line 3, column 6: found the end of the file, and "),
        (
            "plan.toml",
            "[[user]]\nname = bob\n",
            ", line 2, column 8: found no value of TOML, wanted text in quotes, a ",
        ),
        ("plan.toml", "[[user]\n", ", line 1, column 7: found [[ that is not closed, wanted ]] behind the name"),
        ("plan.json", '[{"name": "a"},\n {"quota": "quota",\n  "quota": 2}]', ", line 3, column 3: found quota twice"),
        ("plan.json", '{"user": [], "user": []}', ": found user twice, wanted it once"),
        ("plan.json", '{"user": [\n{"name" 3}]}', ", line 2, column 9: found no colon behind a key"),
        ("plan.json", "3", ", line 1, column 1: found a number, wanted an object with scope, defaults and user"),
        ("plan.json", '[{"name": ' + "9" * 5000 + "}]", ": found a number of thousands of digits"),
        ("plan.toml", "[[user]]\nquota = " + "9" * 5000, ": found a number of thousands of digits"),
        ("plan.json", "[" * 100_000, ": found JSON that is nested too deeply"),
        ("plan.csv", '"Name";"quota"\r\n"ann";"5"\r\n', ", line 1, column 1: found semicolons between the names of"),
        ("plan.csv", '"name"x,"quota"\n', ", line 1, column 1: found a row that cannot be read: ',' expected after"),
        (
            "plan.csv",
            'name,quota\nann,5\nbob,"6\ncarl,7\ndora,8\n',
            ", line 3, column 1: found a row that cannot be read: unexpected end of data on line 5 (a quote",
        ),
        (
            "plan.csv",
            "name;quota\nann@test.com;5\n",
            ", line 1, column 1: found semicolons between the names of columns, wanted commas:",
        ),
        (
            "plan.csv",
            "quota\tname\n",
            ", line 1, column 1: found tabs between the names of columns, wanted commas: give --input tsv",
        ),
        (
            "plan.tsv",
            "name,quota\n",
            ", line 1, column 1: found commas between the names of columns, wanted tabs: give --input csv",
        ),
        (
            "plan.csv",
            "ann@test.com,s3cret,quota\n",
            ", line 1, column 1: found what looks like a user's, wanted the names",
        ),
        ("plan.csv", 'name\n"a"b\n', ", line 2, column 1: "),
        (
            "plan.json",
            json.dumps([{"name": "a"}] * 50_001),
            ": found 50,001 users, wanted 50,000 users at most in JSON",
        ),
    ],
)
def test_what_is_no_plan_is_told_in_one_line_and_one_record(folder: str, name: str, text: str, told: str) -> None:
    before = contents(folder)
    done = apply(folder, text, "--prune", name=name)
    error, last = [line for line in done.err.splitlines() if "is not there, and" not in line]
    assert error.startswith(f"nwauth: {folder}-{name}{told}"), done.err
    assert (done.status, last.endswith(" failed: nothing is changed")) == (1, True)
    *_, record = done.records()
    assert (record["result"], error.endswith(f": {record['reason']}")) == ("failed", True)
    assert f", line {record['line']}, column {record['column']}: " in error or record["line"] == 0
    (numbers,) = apply(folder, text, "--keep-going", "--summary", name=name).records()
    assert (numbers["changed"], numbers["removed"], numbers["failed"] > 0) == (0, 0, True)
    assert contents(folder) == before


def test_a_plan_that_is_not_there_has_its_record(folder: str) -> None:
    for name in ("gone.ndjson", "gone"):
        done = run(folder, "apply", f"{folder}/{name}", "--quiet")
        assert (done.status, done.err) == (1, f"nwauth: {folder}/{name}: cannot be read: No such file or directory\n")
        assert [(row["result"], row["reason"]) for row in done.records()] == [
            ("failed", "cannot be read: No such file or directory")
        ]
        done = run(folder, "apply", f"{folder}/{name}", "--summary", "--dry-run", "--quiet")
        assert (done.status, done.records()[0]["failed"], done.err.count("\n")) == (1, 1, 1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("form", FORMS)
def test_a_plan_in_another_encoding_is_told_in_one_line(folder: str, form: str, encoding: str) -> None:
    path = f"{folder}-plan.{form}"
    Path(path).write_bytes(FORMS[form][0].encode(encoding))
    done = run(folder, "apply", path, "--quiet")
    (record,) = done.records()
    assert done.err == f"nwauth: {path}, line 1, column 1: {record['reason']}\n"
    assert record["reason"].startswith("found text in UTF-16, wanted UTF-8: ")


@pytest.mark.parametrize(
    ("row", "column", "told"),
    [
        ('{"name": "a" "quota": 5}', 14, "found neither a comma nor the closing bracket behind a value"),
        ('{"name": "a"', 13, "found neither a comma nor the closing bracket behind a value"),
        ('{"name" "a"}', 9, "found no colon behind a key"),
        ('{name: "a"}', 2, "found no key, wanted text in double quotes"),
        ("{'name': 'a'}", 2, "found no key, wanted text in double quotes"),
        ('{"name": bob}', 10, "found no value, wanted text in double quotes, a number"),
        ('{"name": "a"} {"name": "b"}', 15, "found more behind the end"),
        ('{"name": "a}', 10, "found text that is not closed, wanted its double quote"),
        ('{"name": "a\tb"}', 12, "found a control character in text"),
        ('{"name": "a\\b\\d"}', 14, "found a backslash that means nothing, wanted two for one"),
    ],
)
def test_a_slip_in_json_is_told_in_words_with_its_place(folder: str, row: str, column: int, told: str) -> None:
    done = apply(folder, f"\n{row}\n", name="plan.ndjson")
    assert f"line 2, column {column}: {told}" in done.err, done.err
    assert done.err.splitlines()[0].endswith("(one object a line)")
    if "more behind" not in told and "is not closed" not in told:  # a list goes on there, on the next line
        done = apply(folder, f"[\n{row}]\n", name="plan.json")
        assert f"line 2, column {column}: {told}" in done.err, done.err


@pytest.mark.parametrize("row", ['{"name": "a",}', '{"name": "a", "generate": true,}'])
def test_a_comma_too_many_is_told_in_words(folder: str, row: str) -> None:
    """Where it stands, or behind it: that hangs on the release of Python."""
    done = apply(folder, row, name="plan.ndjson")
    assert done.status == 1
    assert "no comma behind the last value" in done.err or "a comma behind the last value, wanted none" in done.err


@pytest.mark.parametrize(
    ("name", "text", "place", "told"),
    [
        (
            "toml",
            "\n[users]\n",
            (2, 2),
            "found 'users', wanted defaults, scope, update_password or user: did you mean user?",
        ),
        ("toml", "[user]\nname = 'a'\n", (1, 2), "user: found a table, wanted a list: [[user]]"),
        (
            "toml",
            "update_passwrd = 'always'\n",
            (1, 1),
            "found 'update_passwrd', wanted defaults, scope, update_password",
        ),
        (
            "toml",
            "update_password = 'x'\n",
            (1, 1),
            "update_password: found something else, wanted on_create or always",
        ),
        ("toml", "[scope]\nmatch = 3\n", (2, 1), "scope.match: found a number, wanted a pattern, as *@test.com"),
        ("toml", "[scope]\n", (1, 2), 'scope: found something else, wanted match = "PATTERN" alone'),
        ("toml", "defaults = 3\n", (1, 1), "defaults: found a number, wanted a table of fields"),
        (
            "toml",
            "[defaults]\npassword = 'x'\n",
            (2, 1),
            "defaults.password: it is said of each user by itself, wanted an",
        ),
        ("toml", "[defaults]\nPassword = 'x'\n", (2, 1), "defaults.Password: found Password, wanted password"),
        ("toml", "[defaults]\npasswd = 'x'\n", (2, 1), "defaults.passwd: found an info field, which servers are told"),
        ("toml", "defaults = { a = 'x', A = 'y' }\n", (1, 23), "defaults.A: found beside a, which is the same field"),
        (
            "toml",
            "[defaults]\napp_passwords = 'x'\n",
            (2, 1),
            "defaults.app_passwords: app_passwords belongs to one user",
        ),
        (
            "json",
            '{"user": [{"name": "bob@test.com", "scop": "x"}],\n "scop": 1}',
            (2, 2),
            "found 'scop', wanted defaults",
        ),
        ("json", '{"scope": {\n "match": 3}}', (2, 2), "scope.match: found a number"),
        (
            "ndjson",
            '{"scop": {"match": "*"}}',
            (1, 2),
            "found 'scop', wanted defaults, scope or update_password: did you",
        ),
        ("ndjson", '{"scope": {"match": "\\ud800"}}', (1, 12), "scope.match: found half a character"),
        ("ndjson", '{"defaults": {"\\ud800": "x"}}', (1, 2), "defaults.'\\ud800': found half a character"),
        ("ndjson", '{"scope": {"match": "*"} oops}\n', (1, 26), "found neither a comma nor"),
        ("csv", "name,Password\nbob@test.com,x\n", (1, 2), "found Password, wanted password"),
        ("csv", "Name,quota\n", (1, 1), "found Name, wanted name"),
        ("csv", "user,quota\n", (1, 1), "found no name among its 2, wanted the names of columns, name one of them"),
        ("csv", "name,quota,quota\n", (1, 3), "found the name of column 2 again, wanted it once"),
    ],
)
def test_what_is_wrong_in_front_of_the_users_has_its_place_and_keeps_all_of_them_as_they_were(
    folder: str, name: str, text: str, place: tuple[int, int], told: str
) -> None:
    if name == "ndjson":
        text += "\n" + lines({"name": "bob@test.com", "quota": "77"})
    before = contents(folder)
    done = apply(folder, text, "--keep-going", name=f"plan.{name}")
    assert f"nwauth: {folder}-plan.{name}, line {place[0]}, column {place[1]}: {told}" in done.err, done.err
    assert (done.status, [(row["line"], row["column"]) for row in done.records()]) == (1, [place])
    assert "--keep-going takes none of them" in done.err
    assert contents(folder) == before


def test_what_is_wrong_in_front_of_the_users_hides_no_error_of_theirs(folder: str) -> None:
    plan = "update_passwrd = 'always'\n[scop]\nmatch = '*'\n[defaults]\nname = 'x'\n[[user]]\nname = 'a'\nstate = 'b'\n"
    assert [row["line"] for row in apply(folder, plan).records()] == [1, 2, 5, 8]
    table = "name,quota,quota,,Password\nbob@test.com\nann@test.com,5,6,,x\n"
    done = apply(folder, table, name="plan.csv")
    assert [(row["line"], row["column"]) for row in done.records()] == [(1, 3), (1, 4), (1, 5), (2, 1)]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("plan.toml", '[[user]]\nname = "bob@test.com"\n\n[[user]]\nname = "ann@test.com"\n  state = "x"\n', (6, 3)),
        ("plan.json", '[\n {"name": "bob@test.com"},\n {"name": "ann@test.com", "state": "x"}]', (3, 27)),
        ("plan.csv", "name,state\nbob@test.com,\n\nann@test.com,x\n", (4, 2)),
        ("plan.csv", "name,state\nbob@test.com\n", (2, 1)),
        ("plan.ndjson", '{"name": "bob@test.com"}\n{"name": "ann", "quota": ' + "9" * 5000 + "}\n", (2, 1)),
        ("plan.ndjson", '{"name": "bob@test.com", "\\ud800x": "v"}', (1, 1)),
        ("plan.ndjson", '{"name": "bob@test.com", "State": "absent"}', (1, 26)),
        ("plan.ndjson", '{"name": "bob@test.com", "Generate": true}', (1, 26)),
        ("plan.toml", "[['user']]\nname = 'bob@test.com'\n[[ \"user\" ]]\nname = 'x'\n'state' = 'y'\n", (5, 1)),
        ("plan.toml", '[[user]]\nname = "bob@test.com"\nnote = """\\\n[[user]]\\\n"""\nquota = 1.5\n', (6, 1)),
        ("plan.toml", "# it's\n[[user]]\nname = 'bob@test.com'\nquota = 0x" + "f" * 5000, (4, 1)),
        ("plan.ndjson", '{"name": "bob@test.com", "valid_until": "never"}', (1, 26)),
    ],
)
def test_the_place_of_an_error_is_told_in_every_form(folder: str, name: str, text: str, place: tuple[int, int]) -> None:
    (record,) = apply(folder, text, name=name).records()
    assert (record["line"], record["column"]) == place


@pytest.mark.parametrize(
    ("date", "found"),
    [("31.12.2027", "'31.12.2027'"), ("2027/12/31 18:00", "'2027/12/31 18:00'"), ("x", "something else")],
)
def test_a_date_in_another_form_is_shown_and_what_is_none_may_be_a_password(folder: str, date: str, found: str) -> None:
    done = apply(folder, f"name,valid_until\nbob@test.com,{date}\n", name="plan.csv")
    assert done.err.startswith(
        f"nwauth: {folder}-plan.csv, line 2, column 2: valid_until: found {found}, wanted a date (2027-01-31) or a"
    )


OWN = [
    ("drop_path", "a b\nc", "drop_path: it holds a blank, wanted one word"),
    ("uid", "x\ty", "uid: it holds a control character, wanted one word"),
    ("ip_mask", "999.1.1.1", "ip_mask: found none, wanted an address, a network"),
]


@pytest.mark.parametrize(("key", "value", "told"), OWN)
def test_what_no_reply_could_hold_and_no_address_meets_is_an_error(
    folder: str, key: str, value: str, told: str
) -> None:
    done = apply(folder, lines({"name": "new@test.com", "password_hash": "!", key: value}), name="plan.ndjson")
    assert (done.status, done.records()[0]["column"]) == (1, 48)
    assert f", line 1, column 48: {told}" in done.err


HEADLESS = "bob@test.com,topsecret3\nann@test.com,topsecret4\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plan.csv", HEADLESS),
        ("plan.csv", HEADLESS.replace("topsecret3", "topsecret3,topsecret3")),
        ("plan.ndjson", lines({"name": "new@test.com", "password_hash": "{topsecret}"})),
        ("plan.ndjson", lines({"name": "new@test.com", "password_hash": "{topsecret}x"})),
        ("plan.ndjson", lines({"name": "bob@test.com", "state": "topsecret", "update_password": "topsecret"})),
        ("plan.ndjson", lines({"name": "bob@test.com", "uid": "topsecret x", "ip_mask": "topsecret"})),
        ("plan.ndjson", lines({"name": "bob@test.com", "valid_until": "topsecret"})),
        ("plan.toml", "update_password = 'topsecret'"),
    ],
)
def test_what_may_be_a_password_is_not_shown_wherever_it_stands(folder: str, name: str, text: str) -> None:
    done = apply(folder, text, name=name)
    assert done.status == 1
    assert "topsecret" not in done.out + done.err


def test_which_field_stands_beside_absent_is_told_in_the_order_of_the_plan(folder: str) -> None:
    row = {"name": "bob@test.com", "state": "absent", "zeta": "1", "quota": "2", "alpha": "3", "class": "4"}
    assert "column 45: zeta: found beside state" in apply(folder, lines(row), name="plan.ndjson").err


@pytest.mark.parametrize("key", ["name", "x" * 200, "x" * 200 + " "])
def test_an_error_shows_no_more_of_a_long_text_than_one_reads(folder: str, key: str) -> None:
    row = {"name": "bob@test.com", key: "n" * 100_000} | ({} if key == "name" else {key: 1.5})
    done = apply(folder, lines(row) + lines({"name": "z" * 100_000, "state": "gone"}), name="plan.ndjson")
    assert done.status == 1
    assert max(map(len, done.err.splitlines())) < 500
    assert len(done.out) < 2000


def test_blank_lines_in_front_are_passed_over(folder: str) -> None:
    done = apply(folder, "\n" * 300_000 + lines({"name": "bob@test.com", "state": "x"}), name="plan.ndjson")
    assert (done.records()[0]["line"], done.status) == (300_001, 1)


def test_what_is_wrong_before_a_plan_cannot_be_read_any_further_is_told_too(folder: str) -> None:
    done = apply(folder, 'name,state\nbob@test.com,x\n"a"b,\n', name="plan.csv")
    first, second, third = done.err.splitlines()
    assert (done.status, [row["line"] for row in done.records()]) == (1, [2, 3])
    assert first.startswith(f"nwauth: {folder}-plan.csv, line 2, column 2: state: found something else")
    assert second.startswith(f"nwauth: {folder}-plan.csv, line 3, column 1: ")
    assert third.endswith(" 2 failed: nothing is changed")


def test_what_is_the_same_with_thousands_is_told_in_one_line_and_each_has_a_record(folder: str) -> None:
    done = apply(folder, lines(*({"name": f"user{number}"} for number in range(3000))), name="plan.ndjson")
    error, numbers = done.err.splitlines()
    same = (
        "; the same of 3,000 users: user0 (line 1), user1 (line 2), user2 (line 3), user3 (line 4), user4 (line 5) ..."
    )
    told = "is not there, and a new user needs password_hash, password or generate"
    assert error == f"nwauth: {folder}-plan.ndjson, line 1, column 1: {told}{same}"
    assert numbers == "0 changed, 0 removed, 0 as they were, 3,000 failed: nothing is changed"
    assert [row["line"] for row in done.records()] == list(range(1, 3001))


def test_half_a_character_is_told_as_any_other_error(folder: str) -> None:
    done = apply(
        folder, '{"name": "a\\ud800@test.com"}\n{"name": "bob@test.com", "x": "\\ud800"}\n', name="plan.ndjson"
    )
    assert (done.status, [(row["line"], row["column"]) for row in done.records()]) == (1, [(1, 2), (2, 26)])


def test_who_is_outside_the_scope_is_an_error(folder: str) -> None:
    done = apply(folder, lines({"name": "out@other.com", "quota": 1}), "--match", "*@test.com", name="plan.ndjson")
    assert done.status == 1
    assert "line 1, column 2: 'out@other.com': outside the scope, '*@test.com'" in done.err


def test_many_who_are_outside_the_scope_share_a_line(folder: str) -> None:
    plan = lines(*({"name": f"user{number}@other.com", "quota": 1} for number in range(3000)))
    done = apply(folder, plan, "--match", "*@test.com", name="plan.ndjson")
    error, _ = done.err.splitlines()
    assert ", line 1, column 2: outside the scope, '*@test.com'; the same of 3,000 users: user0@other.com (" in error
    assert [row["line"] for row in done.records()] == list(range(1, 3001))


def test_a_plan_whose_name_tells_no_form_needs_one(folder: str) -> None:
    done = apply(folder, PLAN, name="plan")
    assert (done.status, "give --input ndjson|csv|tsv|json|toml" in done.err) == (2, True)
    assert apply(folder, PLAN, "--input", "toml", name="plan").status == 0


# --- pruning ---------------------------------------------------------------------------------------------------------


def many(count: int) -> list[dict[str, Any]]:
    return [{"name": f"user{number:02}@test.com", "password_hash": SSHA} for number in range(count)]


def test_prune_removes_whom_the_plan_lacks_in_its_scope_alone(folder: str) -> None:
    base(folder, users=b"".join(f"{row['name']}:{SSHA}:\n".encode() for row in many(20)) + b"out@other.com:!:\n")
    plan = lines({"scope": {"match": "*@test.com"}}, *many(18))
    assert apply(folder, plan, name="plan.ndjson").out == ""
    done = apply(folder, plan, "--prune", name="plan.ndjson")
    assert (done.status, results(done)) == (0, [("user18@test.com", "removed"), ("user19@test.com", "removed")])
    assert "out@other.com" in users(folder)


def test_prune_removes_no_more_than_a_tenth_unless_it_is_allowed(folder: str) -> None:
    base(folder, users=b"".join(f"{row['name']}:{SSHA}:\n".encode() for row in many(20)))
    before = contents(folder)
    plan = lines(*many(17))
    for options in ((), ("--dry-run",), ("--allow-prune", "14.9")):
        done = apply(folder, plan, "--prune", *options, name="plan.ndjson")
        assert (done.status, [row["result"] for row in done.records()]) == (1, ["failed"])
        assert "--prune would remove 3 of 20 users in the scope (15.0 %), and" in done.err
        assert "0 removed, 0 as they were, 1 failed: nothing is changed" in done.err.replace("would be ", "")
        assert contents(folder) == before
    done = apply(folder, plan, "--prune", "--allow-prune", "15%", "--summary", name="plan.ndjson")
    assert done.records()[0]["removed"] == 3
    assert apply(folder, "", "--prune", name="plan.ndjson").status == 1
    assert apply(folder, "", "--allow-prune", "15", name="plan.ndjson").status == 2
    for word in ("nan", "101", "-1", "x%"):
        done = apply(folder, plan, "--prune", "--allow-prune", word, name="plan.ndjson")
        assert (done.status, f"--allow-prune: found {word!r}, wanted a number from 0 to 100" in done.err) == (2, True)


@pytest.mark.parametrize("word", ["passwd", "Pwd", "kennwort", "clear_password"])
def test_a_password_under_another_word_is_no_info_field(folder: str, word: str) -> None:
    done = apply(folder, lines({"name": "bob@test.com", word: "hunter2"}), name="plan.ndjson")
    assert done.status == 1
    assert f"{word}: found an info field, which servers are told: wanted password, or password_hash" in done.err
    assert "hunter2" not in done.err + done.out


def test_a_scope_without_a_wildcard_is_one_user(folder: str) -> None:
    assert apply(folder, lines({"name": "notbob@test.com", "password_hash": SSHA}), name="plan.ndjson").status == 0
    options = ("--match", "BOB@test.com", "--prune", "--allow-prune", "100")
    done = apply(folder, lines({"name": "bob@test.com"}), *options, name="plan.ndjson")
    assert (done.status, done.records()) == (0, [])
    assert run(folder, "user", "show", "notbob@test.com").status == 0


@pytest.mark.parametrize("command", ["apply", "import", "export"])
def test_an_empty_pattern_is_no_scope(folder: str, command: str) -> None:
    """What a script says whose variable is not set must not mean the whole store."""
    done = run(folder, command, *([] if command == "export" else [written(folder, "p.csv", "name\n")]), "--match", "")
    assert done.status == 2
    assert "'--match': found nothing, wanted a pattern, as *@test.com" in done.err


@pytest.mark.parametrize("name", ["plan.csv", "plan.ndjson", "plan.toml"])
def test_a_plan_of_nobody_is_told_and_prunes_nobody(folder: str, name: str) -> None:
    before = users(folder)
    done = apply(folder, "", name=name)
    assert (done.status, done.out) == (0, "")
    assert f"{name} names no user" in done.err
    done = apply(folder, "", "--prune", "--allow-prune", "100", name=name)
    assert done.status == 1
    assert "found no user, wanted those who are to stay: --prune would remove all others" in done.err
    assert users(folder) == before


def test_a_pipe_in_the_place_of_a_plan_is_told_how_it_is_given(folder: str) -> None:
    os.mkfifo(f"{folder}-plan.csv")
    done = run(folder, "apply", f"{folder}-plan.csv")
    assert done.status == 1
    assert "cannot be read: it is no regular file; through a pipe it is given as -, stdin\n" in done.err


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"generate": True}, ", and the passwords that were made up are lost: nwauth undo takes it back"),
        ({"password_hash": SSHA}, "(No space left on device): nwauth undo takes it back"),
    ],
)
def test_where_stdout_takes_no_word_of_it_the_change_is_told(folder: str, user: dict[str, Any], said: str) -> None:
    """Exit status 75 would have it tried again, and then there would be nothing to do."""
    plan = written(folder, "plan.ndjson", lines({"name": "new@test.com", **user}))
    words = [*COMMAND, "--path", folder, "apply", plan]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, env=environment(), check=False, text=True)
    assert done.returncode == 1
    assert "nwauth: all is changed, and stdout cannot be written" in done.stderr
    assert said in done.stderr
    assert "new@test.com" in run(folder, "user", "show", "new@test.com").out
    assert run(folder, "undo").status == 0
    assert run(folder, "user", "show", "new@test.com").status == 1


def test_who_would_be_looked_for_in_another_store_is_an_error_with_its_line(tmp_path: Path) -> None:
    for part in ("one", "two"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "nwauth.txt").touch()
        os.utime(tmp_path / part / "nwauth.txt", (0, 0))  # nobody is writing it
    (tmp_path / "nwauth.toml").write_text(
        """
        [[stores]]
        kind = "flatfile"
        name = "one"
        path = "one"
        match = ["*@a.com"]
        [[stores]]
        kind = "flatfile"
        name = "two"
        path = "two"
        match = ["*@b.com"]
        """
    )
    folder = str(tmp_path)
    plan = lines(
        {"name": "ann@a.com", "password_hash": SSHA},
        {"name": "bob@b.com", "password_hash": SSHA},
        {"name": "old@b.com", "state": "absent"},
    )
    done = apply(folder, plan, name="plan.ndjson")
    assert done.status == 1
    assert "line 2, column 2: 'bob@b.com': mail and logins do not ask this store" in done.err
    bob = written(folder, "bob.ndjson", plan.splitlines()[1])
    assert run(folder, "--store", "two", "apply", bob).status == 0
    assert apply(folder, plan, name="plan.ndjson").status == 1, "it is this store that mail does not ask"


def test_names_that_are_no_plain_text_are_met_and_pruned(folder: str) -> None:
    base(folder, users=b"J\xfcrgen@test.com:!:\n" + "Ütz@test.com:!:\nzoë@test.com:!:\nZzz@test.com:!:\n".encode())
    same = lines({"name": "üTZ@test.com"}, {"name": "ZOË@test.com"}, {"name": "J\udcfcrgen@test.com"})
    plan = lines({"scope": {"match": "*@test.com"}}) + same
    done = apply(folder, plan, "--prune", "--allow-prune", "25", name="plan.ndjson")
    assert (done.status, results(done)) == (0, [("Zzz@test.com", "removed")]), done
    done = apply(folder, lines({"name": "üTZ@test.com"}), "--prune", "--allow-prune", "100", name="plan.ndjson")
    assert [user for user, _ in results(done)] == ["J\udcfcrgen@test.com", "zoë@test.com"]
    assert users(folder) == "Ütz@test.com:!:\n"


# --- databases and passwd files --------------------------------------------------------------------------------------


def sqlite(folder: str) -> str:
    return f"sqlite:///{folder}/users.db"


DATABASES: dict[str, Callable[[str], str]] = {
    "sqlite": sqlite,
    "postgresql": lambda _: shared_postgres().url(),
    "mariadb": lambda _: shared_mariadb().url(),
}


@pytest.mark.parametrize("kind", DATABASES)
def test_a_plan_is_applied_to_a_database_in_one_transaction(folder: str, kind: str) -> None:
    settings = f'[[stores]]\nkind = "sql"\nurl = "{DATABASES[kind](folder)}"\ntable = "{unique("accounts")}"\n'
    base(folder, settings=settings)
    assert run(folder, "init", "--quiet").status == 0
    filled = [{"name": f"user{number:04}@test.com", "password_hash": SSHA, "uid": "7"} for number in range(1200)]
    first = apply(folder, lines(*filled), "--summary", name="plan.ndjson")
    assert (first.status, first.records()[0]["created"]) == (0, 1200), first
    again = apply(folder, lines(*filled), "--summary", name="plan.ndjson")
    assert (again.status, again.records()[0]["unchanged"]) == (0, 1200), again
    filled[5]["quota"] = "6"
    filled[6]["drop_path"] = "/var/mail"
    plan = lines(*filled[3:], *many(2))
    done = apply(folder, plan, "--prune", name="plan.ndjson")
    assert done.status == 0, done
    assert [row["fields"] for row in done.records()][:2] == [
        {"quota": {"old": None, "new": "6"}},
        {"drop_path": {"old": None, "new": "/var/mail"}},
    ]
    assert [row["result"] for row in done.records()] == ["changed"] * 4 + ["removed"] * 3
    assert apply(folder, plan, "--prune", "--dry-run", name="plan.ndjson").status == 0


def passwd(folder: str, settings: str, **files: str) -> None:
    base(folder, settings='[[stores]]\nkind = "passwd"\nwritable = true\n' + settings)
    for name, text in files.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.utime(path, (1, 1))


def test_a_plan_is_applied_to_a_passwd_file_by_one_rename(folder: str) -> None:
    passwd(folder, 'path = "users"\n', users=f"ann:{SSHA}:1:1::/:\nbob:{SSHA}:2:2::/:\n# kept\n")
    plan = lines({"name": "ann", "state": "absent"}, {"name": "BOB", "quota": 5}, {"name": "c", "password_hash": SSHA})
    done = apply(folder, plan, name="plan.ndjson")
    assert (done.status, results(done)) == (0, [("bob", "changed"), ("c", "changed"), ("ann", "removed")]), done
    with open(os.path.join(folder, "users"), encoding="ascii") as file:
        assert file.read() == f"bob:{SSHA}:2:2::/::quota=5\n# kept\nc:{SSHA}:::::\n"
    assert apply(folder, plan, "--dry-run", name="plan.ndjson").status == 0


def test_what_a_passwd_file_and_its_shadow_cannot_take_as_one_is_changed_one_by_one_if_that_is_wanted(
    folder: str,
) -> None:
    passwd(folder, 'path = "users"\nshadow = "secrets"\n', users="ann:x:1:1::/:\n", secrets=f"ann:{SSHA}:1::::::\n")
    plan = lines(
        {"name": "ann", "password": "new", "update_password": "always"}, {"name": "bob", "password_hash": SSHA}
    )
    done = apply(folder, plan, name="plan.ndjson")
    assert (done.status, "cannot change several users as one: --keep-going" in done.err) == (1, True), done
    done = apply(folder, plan, "--keep-going", name="plan.ndjson")
    assert (done.status, results(done)) == (0, [("ann", "changed"), ("bob", "changed")]), done


def test_a_store_that_is_read_only_takes_no_plan(folder: str) -> None:
    base(folder, settings=SETTINGS.replace("shared = false", "read_only = true"))
    told = "takes no changes (read_only = true in nwauth.toml)"
    done = apply(folder, PLAN)
    assert (done.status, told in done.err) == (1, True)
    base(folder, settings='[[stores]]\nkind = "passwd"\npath = "users"\n')
    told = "nwauth: store passwd takes no changes (a passwd file does with writable = true in nwauth.toml)\n"
    Path(folder, "users").write_text("bob:x:1000:1000:::\n")
    assert apply(folder, PLAN) == (1, "", told)
    assert run(folder, "copy", "--from", "./", "--to", "passwd").err == told
    assert told.partition(" (")[2] in run(folder, "user", "set", "bob", "quota=5").err


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_plan_is_applied_to_a_table_of_another_program_and_undone_as_a_whole(folder: str, kind: str) -> None:
    server: Postgres | MariaDb = shared_postgres() if kind == "postgresql" else shared_mariadb()
    table = unique("mailbox")
    server.sql(f"CREATE TABLE {table} (username VARCHAR(80) PRIMARY KEY, password VARCHAR(80), quota VARCHAR(6))")
    settings = f'[[stores]]\nkind = "sql"\nurl = "{server.url()}"\ntable = "{table}"\n'
    settings += '[stores.columns]\nname = "username"\npassword = "password"\ninfo = { quota = "quota" }\n'
    base(folder, settings=settings)
    rows = [{**row, "quota": "5"} for row in many(4)]
    assert apply(folder, lines(*rows), name="plan.ndjson").status == 0
    assert apply(folder, lines(*rows), "--dry-run", name="plan.ndjson") == (
        0,
        "",
        "0 would be changed, 0 would be removed, 4 as they were, 0 failed\n",
    )
    held = sorted(server.sql(f"SELECT * FROM {table}"))
    rows[0]["quota"] = "6"
    rows[3]["quota"] = "1234567"  # too long: the database refuses it, behind the others
    done = apply(folder, lines(*rows), name="plan.ndjson")
    assert (done.status, results(done)) == (1, [("user03@test.com", "failed")]), done
    assert sorted(server.sql(f"SELECT * FROM {table}")) == held
    done = apply(folder, lines({**rows[1], "colour": "red"}, *rows[:1]), name="plan.ndjson")
    assert (done.status, "has no column for colour" in done.err) == (1, True), done
    done = apply(folder, lines(*rows[:3]), "--prune", "--allow-prune", "25", name="plan.ndjson")
    assert results(done) == [("user00@test.com", "changed"), ("user03@test.com", "removed")]


@pytest.mark.parametrize("others", [0, 2])
def test_a_user_whom_the_store_refuses_at_the_write_alone_is_told_with_its_line(folder: str, others: int) -> None:
    with closing(sqlite3.connect(f"{folder}/users.db")) as database:
        database.execute("CREATE TABLE mailbox (name TEXT PRIMARY KEY, password TEXT, alias TEXT UNIQUE)")
        database.execute("INSERT INTO mailbox VALUES ('ann', '!', 'a')")
        database.commit()
    settings = '[[stores]]\nkind = "sql"\nurl = "sqlite:///users.db"\ntable = "mailbox"\n'
    settings += '[stores.columns]\nname = "name"\npassword = "password"\ninfo = { alias = "alias" }\n'
    base(folder, settings=settings)
    plan = lines({"name": "ann", "alias": "a"}, {"name": "bob", "password_hash": "!", "alias": "a"})
    plan += lines(*({"name": f"{number}", "password_hash": "!", "alias": f"{number}"} for number in range(others)))
    done = apply(folder, plan, name="plan.ndjson")
    begins = (
        f"nwauth: {folder}-plan.ndjson, line 2, column 1: 'bob': table mailbox does not take it, another user has the"
    )
    assert (done.status, results(done), done.err.startswith(begins)) == (1, [("bob", "failed")], True), done.err
    assert done.err.endswith(" 1 failed: nothing is changed\n")
    assert apply(folder, plan, "--dry-run", "--summary", name="plan.ndjson").out.count(f'"changed": {others + 1},') == 1


def test_a_name_of_which_half_lacks_is_an_error_and_a_state_that_refuses_nobody_is_noted(folder: str) -> None:
    base(folder, users=USERS + b"@old.com:!:\n")
    names = ("new@test.com", "@old.com", "@test.com", "new@")
    head, *lines = ["name,password_hash,MailStatus\n"] + [f"{name},{SSHA},closd\n" for name in names]
    done = apply(folder, head + "".join(lines), "--keep-going", name="plan.csv")
    assert [(row["user"], row["result"], row["reason"]) for row in done.records()] == [
        ("@test.com", "failed", "name: nobody may be called '@test.com': nothing stands before its '@'"),
        ("new@", "failed", "name: nobody may be called 'new@': nothing stands behind its '@'"),
        ("@old.com", "changed", None),
        ("new@test.com", "changed", None),
    ]
    note = "note: mailstatus 'closd' is no state that is known, and refuses nobody: did you mean closed?\n"
    assert done.err.count(note) == 1
    assert apply(folder, head + lines[0], name="plan.csv").err.count(note) == 1
    assert "mailstatus" not in apply(folder, head + lines[0].replace("closd", "Closed"), name="plan.csv").err


def test_a_field_that_is_nearly_one_that_decides_is_noted_once_and_the_class_field_is_one(folder: str) -> None:
    base(folder, users=USERS, settings=SETTINGS + "[policy]\nclass_field = 'kind'\n")
    plan = "name,password_hash,mailstaus,kinds,mail_access\n" + f"a@test.com,{SSHA},x,y,z\nb@test.com,{SSHA},x,y,z\n"
    for text in (plan, plan.replace("x,y,z", 'x,y,"z,z"')):
        done = apply(folder, text, "--dry-run", name="plan.csv")
        told = [line.rpartition("did you mean ")[2] for line in done.err.splitlines() if "decides nothing" in line]
        assert (done.status, told) == (3, ["mailstatus?", "kind?"])


def test_a_state_that_refuses_nobody_is_noted_among_the_defaults_too(folder: str) -> None:
    plan = "[defaults]\nmailstatus = 'suspnded'\n"
    assert "did you mean suspended?" in apply(folder, plan, "--dry-run").err
