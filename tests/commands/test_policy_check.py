"""``nwauth policy check``: what it prints, and how it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.common import SETTINGS, Terminal, base, contents, run

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = 12345
USERS = b'bob@test.com:*secret:mailaccess="student"\neve@test.com:*secret:\n'
ADDRESS = '\n[server]\naddress = "always"\n'
GOOD = """\
[policy]
zone = "Pacific/Auckland"
default = "allow"

[[rule]]
name = "no mail in class"
deny = true
class = "student"
from = "10.20.0.0/16"
when = "Mon-Fri 08:30-12:00"

[[test]]
user = "bob@test.com"
from = "10.20.3.4"
at = "Mon 09:00"
expect = "deny"
rule = "no mail in class"
"""


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """A folder with a student, and rules about students."""
    base(str(tmp_path), users=USERS, settings=SETTINGS + ADDRESS)
    (tmp_path / "policy.toml").write_text(GOOD)
    return tmp_path


def check(mail: Path, *words: str, stdin: str = "") -> tuple[int, list[dict[str, Any]], str]:
    done = run(str(mail), "policy", "check", *words, stdin=stdin.encode())
    return done.status, done.records(), done.err


def test_sound_rules_end_well_and_nothing_is_changed(mail: Path) -> None:
    before = contents(str(mail))
    assert check(mail) == (0, [], "nothing is wrong\n")
    assert contents(str(mail)) == before


def test_without_rules_that_is_said(mail: Path) -> None:
    (mail / "policy.toml").unlink()
    assert check(mail) == (0, [], f"there are no access rules: {mail}/policy.toml is not there\n")


def test_a_finding_is_a_record_as_those_of_doctor_and_the_status_is_no(mail: Path) -> None:
    (mail / "policy.toml").write_text(GOOD.replace('class = "student"', 'class = "students"'))
    status, rows, err = check(mail)
    assert (status, err) == (1, "1 error, 1 warning\n")
    assert [row["id"] for row in rows] == ["test-fails", "class-nobody-has"]
    assert set(rows[0]) == {"id", "severity", "what", "why", "mend", "file", "line", "users"}
    assert rows[0]["users"] == ["bob@test.com"]
    assert rows[1]["line"] == 8
    told = run(str(mail), "doctor")
    assert told.status == 1
    assert '"id": "class-nobody-has"' in told.out


def test_every_error_is_shown_to_a_person_with_a_caret_below_the_place(mail: Path) -> None:
    (mail / "policy.toml").write_text(GOOD.replace("08:30", "8:30").replace("10.20.0.0", "10.20.0.1"))
    terminal = Terminal(str(mail), "policy", "check", NO_COLOR="1", columns=100)
    assert terminal.end() == 1
    lines = terminal.screen.splitlines()
    at = next(number for number, line in enumerate(lines) if "8:30-12:00" in line and "found" not in line)
    assert lines[at].strip() == "Mon-Fri 8:30-12:00"
    assert lines[at + 1].index("^") == lines[at].index("8:30")
    assert "wanted 10.20.0.0/16" in " ".join(terminal.screen.split())
    assert terminal.screen.endswith("2 errors\n")


def test_a_file_is_checked_in_place_of_the_rules_in_force(mail: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text(GOOD.replace("08:30-12:00", "08:30-12:00 until 2020-01-31"))
    status, rows, _ = check(mail, str(new))
    assert (status, [row["id"] for row in rows]) == (1, ["test-fails", "rule-never-holds"])
    assert {row["file"] for row in rows} == {str(new)}
    assert check(mail) == (0, [], "nothing is wrong\n")
    new.write_text("[policy]\n")
    _, rows, _ = check(mail, str(new))
    assert rows[0]["why"] == "With one fault in it no rule of the file comes into force."


def test_rules_are_read_from_a_pipe(mail: Path) -> None:
    assert check(mail, "-", stdin=GOOD) == (0, [], "nothing is wrong\n")
    status, rows, _ = check(mail, "-", stdin="")
    assert (status, [row["file"] for row in rows]) == (1, ["stdin"])


def test_a_file_that_is_not_there_is_told(mail: Path) -> None:
    status, rows, err = check(mail, str(mail / "none.toml"))
    assert (status, rows) == (1, [])
    assert err == f"nwauth: {mail}/none.toml: cannot be read: No such file or directory\n"


def test_one_store_alone_is_not_what_rules_are_about(mail: Path) -> None:
    done = run(str(mail), "policy", "check", "--store", "flatfile")
    assert (done.status, done.out) == (2, "")
    assert "all stores" in done.err


def test_what_the_server_must_say_is_noted(mail: Path) -> None:
    (mail / "policy.toml").write_text(GOOD.replace("[[test]]\n", 'service = "pop"\n[[test]]\nservice = "pop"\n'))
    status, rows, err = check(mail)
    assert (status, rows) == (0, [])
    assert '"no mail in class" names a service' in err
    assert "-service" in err


def test_settings_that_cannot_be_used_do_not_hide_the_faults_of_a_file(mail: Path) -> None:
    (mail / "nwauth.toml").write_text("[[stores]]\nkind = 7\n")
    status, rows, _ = check(mail)
    assert (status, [row["id"] for row in rows]) == (1, ["settings"])
    status, rows, _ = check(mail, "-", stdin="[policy]\n")
    assert (status, [row["id"] for row in rows]) == (1, ["settings", "rule-error"])


def test_a_store_that_is_down_leaves_it_untold(mail: Path) -> None:
    (mail / "nwauth.txt").unlink()
    status, rows, err = check(mail)
    assert status == 75
    assert [row["id"] for row in rows] == ["cannot-look", "users-untold"]
    assert err == "2 things not examined\n"


def test_a_name_in_the_rules_cannot_steer_the_terminal(mail: Path) -> None:
    (mail / "policy.toml").write_text(GOOD.replace('class = "student"', 'class = "stu\\u001b[2Jdent"'))
    terminal = Terminal(str(mail), "policy", "check", NO_COLOR="1")
    assert terminal.end() == 1
    assert "\x1b[2J" not in terminal.screen


@pytest.fixture
def others() -> Iterator[Path]:
    """A folder of an account that has no name."""
    path = Path(tempfile.mkdtemp(prefix="nwauth-check-"))
    base(str(path), users=USERS, settings=SETTINGS + ADDRESS)
    (path / "policy.toml").write_text(GOOD)
    for one in (path, *path.iterdir()):
        os.chown(one, OWNER, OWNER)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works as another")
def test_root_checks_a_file_of_its_own_against_the_users_of_another(others: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text(GOOD.replace("student", "students"))
    new.chmod(0o600)
    tmp_path.chmod(0o700)
    status, rows, _ = check(others, str(new))
    assert (status, [row["id"] for row in rows]) == (1, ["test-fails", "class-nobody-has"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works as another")
def test_rules_that_the_servers_account_cannot_read_are_told(others: Path) -> None:
    path = others / "policy.toml"
    os.chown(path, 0, 0)
    path.chmod(0o600)
    status, rows, _ = check(others)
    assert (status, [row["id"] for row in rows]) == (1, ["rule-error"])
    assert "cannot be read: Permission denied" in rows[0]["what"]
