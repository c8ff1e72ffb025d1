"""What a store cannot hold, `apply` and its dry run tell with line and user; it keeps nobody else out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from nwauth.config.kinds.sql import SqlConfig
from nwauth.copying import fitting
from nwauth.errors import Refused
from nwauth.model import Info, User
from tests.commands.common import base, run
from tests.databases import shared_mariadb, shared_postgres, unique

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.databases.mariadb import MariaDb
    from tests.databases.postgres import Postgres

PLACE = '[[stores]]\nkind = "passwd"\npath = "d/{domain}/passwd"\nread_only = false\n'


def passwd(folder: Path, domain: str, text: str = "") -> Path:
    """A passwd file that nobody is writing just now."""
    path = folder / "d" / domain / "passwd"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


def plan(folder: Path, *users: dict[str, str]) -> str:
    """A plan of users with a password."""
    path = folder / "plan.ndjson"
    path.write_text("".join(json.dumps({"password_hash": "{CLEAR}secret", **user}) + "\n" for user in users))
    return str(path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an empty passwd file of each of two domains."""
    for domain in ("a.com", "b.com"):
        passwd(tmp_path, domain)
    (tmp_path / "nwauth.toml").write_text(PLACE)
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("full_name", "M Two", "the info field 'full_name' holds a blank"),
        ("nologin", "y", "is a setting of Dovecot"),
        ("drop_path", "/elsewhere", "a passwd file has no place for this drop path"),
    ],
)
def test_what_no_line_of_a_passwd_file_holds_is_an_error_of_its_line(
    place: Path, key: str, value: str, told: str
) -> None:
    given = plan(place, {"name": "a1@a.com"}, {"name": "m2@a.com", key: value}, {"name": "z3@b.com"})
    for more in (("--dry-run",), ()):
        done = run(str(place), "apply", given, *more)
        assert done.status == 1
        assert "line 2" in done.err
        assert "m2@a.com" in done.err
        assert told in done.err
        assert (place / "d/a.com/passwd").read_text() == ""
    done = run(str(place), "apply", given, "--keep-going")
    assert (done.status, "2 changed" in done.err, "1 failed" in done.err) == (1, True, True), done.err
    assert (place / "d/a.com/passwd").read_text().startswith("a1:")
    assert (place / "d/b.com/passwd").read_text().startswith("z3:")


def test_whom_the_store_refuses_only_as_it_writes_keeps_nobody_else_out(place: Path) -> None:
    passwd(place, "a.com", "MM:x:::::\nmm:x:::::\n")  # that neither of them is meant is found at the change
    given = plan(place, {"name": "a1@a.com"}, {"name": "mM@a.com"}, {"name": "Mm@b.com"}, {"name": "z3@b.com"})
    done = run(str(place), "apply", given, "--keep-going")
    assert done.status == 1
    assert "line 2" in done.err
    assert "3 changed (3 of them new), 0 removed, 0 as they were, 1 failed" in done.err
    assert "\na1:" in (place / "d/a.com/passwd").read_text()
    assert "z3:" in (place / "d/b.com/passwd").read_text()


@pytest.mark.parametrize("column", ["stored_password", "drop_path", "uid", "ip_mask"])
def test_what_is_too_long_for_a_column_of_our_own_is_found_before_the_database_says_so(column: str) -> None:
    own = {"stored_password": "!", "drop_path": "config", "uid": "0", "ip_mask": ""}
    holds, does_not = (
        User(name="bob", info=Info('note="' + "x" * 5000 + '"'), **{**own, column: "x" * length})
        for length in (1024, 1025)
    )
    for url in ("postgresql://db/mail", "mysql://db/mail"):
        settings = SqlConfig(path="", url=url)
        way = fitting(settings, settings)
        way.must_fit(holds, None)
        with pytest.raises(Refused, match=f"its {column} is longer than the 1,024 characters"):
            way.must_fit(does_not, None)
    settings = SqlConfig(path="", url="sqlite:////nowhere/users.db")  # knows no widths
    fitting(settings, settings).must_fit(does_not, None)


@pytest.mark.parametrize("server", [shared_postgres, shared_mariadb])
def test_what_a_database_has_no_room_for_is_an_error_of_its_line(
    tmp_path: Path, server: Callable[[], Postgres | MariaDb]
) -> None:
    settings = f'[[stores]]\nkind = "sql"\nurl = "{server().url()}"\ntable = "{unique("accounts")}"\n'
    folder = base(str(tmp_path), settings=settings)
    assert run(folder, "init", "--quiet").status == 0
    secret = {"password_hash": "{CLEAR}" + "x" * 1100}
    for wrong in ({"drop_path": "/" + "x" * 10_000}, secret):
        given = plan(tmp_path, {"name": "a1@a.com"}, {"name": "m2@a.com", **wrong}, {"name": "z3@a.com"})
        done = run(folder, "apply", given, "--dry-run")
        assert (done.status, "line 2" in done.err, "m2@a.com" in done.err) == (1, True, True), done.err
        assert "is longer than the 1,024 characters" in done.err
    done = run(folder, "apply", given, "--keep-going")
    assert (done.status, "2 changed" in done.err, "1 failed" in done.err) == (1, True, True), done.err
    assert run(folder, "user", "show", "z3@a.com").status == 0
