"""The self-test over every kind of store, with real servers behind: each fault is shown, and what is served stands."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.conformance import places
from nwauth.conformance.answers import OK
from tests.commands.common import BOB, COMMAND, contents, environment, run
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.databases.processes import wait_until
from tests.directories import shared_slapd
from tests.directories.people import person
from tests.directories.slapd import MAIL, PASSWORD
from tests.serving import LONG_AGO, make_folder
from tests.test_selftest import faults, shown, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.databases.server import Server

BOB_AND_EVE = BOB + b'eve@test.com:*letterbox:quota="7"\n'
DATABASES: dict[str, Callable[[], Server]] = {"postgres": shared_postgres, "mariadb": shared_mariadb}
REASONS = {
    "postgres": ("terminated abnormally", "password authentication failed", "Connection refused"),
    "mariadb": ("Lost connection", "Access denied", "refused"),
    "slapd": ("", "49", "refused"),
}


def logged(found: list[dict[str, object]], fault: str) -> str:
    """What the module's log said of a fault."""
    return " ".join(str(step["log"]) for step in found if step["fault"] == fault)


@pytest.mark.parametrize("kind", DATABASES)
def test_a_database_breaks_in_eight_ways_by_a_stand_in_and_its_rows_stand(kind: str, tmp_path: Path) -> None:
    server, table = DATABASES[kind](), unique("accounts")
    url = f"{server.url()}"  # type: ignore[attr-defined]
    toml = f'[[stores]]\nkind = "sql"\nurl = "{url}"\ntable = "{table}"\nconnect_timeout_seconds = 1.0\n'
    folder = make_folder(tmp_path / "mail", None, toml=toml)
    source = make_folder(tmp_path / "from", BOB_AND_EVE)
    assert run(str(folder), "copy", "--from", str(source), "--to", "sql", "--make", "--quiet").status == 0
    rows, before = server.sql(f"SELECT * FROM {table} ORDER BY 1"), contents(str(folder))
    found = steps(folder, "--faults")
    assert faults(found) == shown("file gone", "disk full")
    assert {step["result"] for step in found if not step["fault"]} == {OK}
    for fault, reason in zip(("half written", "no permission", "database down"), REASONS[kind], strict=True):
        assert reason in logged(found, fault)
    assert all(server.url().partition("@")[2] not in str(step) for step in found)  # type: ignore[attr-defined]
    assert server.sql(f"SELECT * FROM {table} ORDER BY 1") == rows
    assert contents(str(folder)) == before


def test_a_directory_breaks_in_seven_ways_by_a_stand_in(tmp_path: Path) -> None:
    server = shared_slapd()
    base = server.new_base()
    server.modify(person(base, "bob", userPassword="letterbox"))
    toml = (
        f'[[stores]]\nkind = "ldap"\nurls = ["{server.url}"]\nbase = "{base}"\nbind_dn = "{MAIL}"\n'
        'bind_password = { file = "secret" }\nconnect_timeout_seconds = 1.0\nrequest_timeout_seconds = 1.0\n'
    )
    folder = make_folder(tmp_path / "mail", None, toml=toml)
    (folder / "secret").write_text(PASSWORD)
    (folder / "secret").chmod(0o600)
    before = contents(str(folder))
    found = steps(folder, "--faults")
    assert faults(found) == shown("file gone", "locked", "disk full")
    assert {step["result"] for step in found if not step["fault"]} == {OK}
    assert REASONS["slapd"][1] in logged(found, "no permission")
    (check,) = [step for step in found if not step["fault"] and step["request"].startswith("check ")]
    assert check["request"].startswith("check nwauth-selftest-")  # nobody is locked out by a wrong password of ours
    assert PASSWORD not in str(found)
    assert contents(str(folder)) == before


def test_a_writable_passwd_file_breaks_in_eight_ways(tmp_path: Path) -> None:
    toml = '[[stores]]\nkind = "passwd"\npath = "{domain}.passwd"\nwritable = true\n'
    folder = make_folder(tmp_path / "mail", None, toml=toml)
    for domain in ("test.com", "other.org"):
        (folder / f"{domain}.passwd").write_text("bob:!:1:1::/:\n")
        os.utime(folder / f"{domain}.passwd", (LONG_AGO, LONG_AGO))
    before = contents(str(folder))
    found = steps(folder, "--faults", "--user", "bob@test.com")
    assert faults(found) == shown("database down", "database slow")
    assert "is being edited" in logged(found, "locked")
    after = contents(str(folder))
    assert {name: after[name] for name in before if name} == {name: before[name] for name in before if name}
    assert all(name.endswith(".served") for name in after.keys() - before.keys())  # what any child notes


ROUTED = """\
[[stores]]
name = "files"
kind = "flatfile"
strip_suffix = "@test.com"
[[stores]]
name = "others"
kind = "sql"
url = "sqlite:///others.db"
"""


@pytest.mark.parametrize(("chosen", "user", "hidden"), [
    ("files", "bob@test.com", ("database down", "database slow")),
    ("others", "carl@other.org", ("database down",)),
])  # fmt: skip
def test_of_several_stores_each_can_be_broken_by_the_names_that_the_servers_know(
    tmp_path: Path, chosen: str, user: str, hidden: tuple[str, ...]
) -> None:
    folder = make_folder(tmp_path / "mail", b"bob:*secret:\n", toml=ROUTED)
    source = make_folder(tmp_path / "from", b"carl@other.org:!:\n")
    assert run(str(folder), "copy", "--from", str(source), "--to", "others", "--make", "--quiet").status == 0
    before = contents(str(folder))
    for words in ((), ("--user", user)):
        found = steps(folder, "--faults", "--store", chosen, *words)
        assert found[2]["request"] == f"lookup {user}"
        assert faults(found) == shown(*hidden)
    after = contents(str(folder))
    assert {name: after[name][0] for name in after} == {name: before[name][0] for name in before}


def test_rules_and_throttle_stay_as_they_are(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mail", BOB_AND_EVE)
    (folder / "policy.toml").write_text('[policy]\ndefault = "deny"\n[throttle]\nper_user = 3\n')
    before = contents(str(folder))
    assert faults(steps(folder, "--faults")) == shown("database down", "database slow")
    after = contents(str(folder))
    assert {name: after[name][0] for name in before if name} == {name: before[name][0] for name in before if name}


# --- being killed ----------------------------------------------------------------------------------------------------


def copies(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(places.PREFIX)]


def started(folder: Path, temporary: Path) -> subprocess.Popen[bytes]:
    """A self-test that has made a copy of the users."""
    child = subprocess.Popen(
        [*COMMAND, "selftest", "--faults"],
        env=environment(NWAUTH_PATH=str(folder), TMPDIR=str(temporary)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: any((path / "copy" / "nwauth.txt").exists() for path in copies(temporary)), "a copy")
    return child


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_who_is_told_to_end_takes_the_copy_away(tmp_path: Path, temporary: Path, number: signal.Signals) -> None:
    child = started(make_folder(tmp_path / "mail", BOB), temporary)
    child.send_signal(number)
    child.wait(20)
    assert copies(temporary) == []


def test_what_one_that_was_killed_left_is_closed_to_others_and_taken_away_next_time(
    tmp_path: Path, temporary: Path
) -> None:
    users = make_folder(tmp_path / "mail", BOB)
    child = started(users, temporary)
    child.kill()
    child.wait(20)
    (left,) = copies(temporary)
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    other = tempfile.mkdtemp(prefix=places.PREFIX, dir=temporary)
    os.chmod(other, 0o755)  # not one of ours
    (temporary / f"{places.PREFIX}link").symlink_to(users)
    done = run(str(users), "selftest", "--faults", TMPDIR=str(temporary))
    assert f"{left} was left behind by one that was killed" in done.err
    assert sorted(path.name for path in copies(temporary)) == sorted([Path(other).name, f"{places.PREFIX}link"])
    assert (users / "nwauth.txt").read_bytes() == BOB


def test_a_folder_that_another_self_test_works_in_is_left_alone(tmp_path: Path, temporary: Path) -> None:
    users = make_folder(tmp_path / "mail", BOB)
    child = started(users, temporary)
    before = copies(temporary)
    done = run(str(users), "compat", "--cmd", f"{COMMAND[0]} -path {{folder}}", "--only", "quit", TMPDIR=str(temporary))
    assert (done.status, copies(temporary)) == (0, before)
    child.terminate()
    child.wait(20)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the ids of others")
@pytest.mark.parametrize("owner", [0, 65534])
def test_roots_self_test_shows_closed_files_too(owner: int) -> None:
    """Root may read what is closed to everybody: the child is started without that right, or as the owner."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        folder = make_folder(Path(place) / "mail", BOB)
        for path in (folder, folder / "nwauth.txt"):
            os.chown(path, owner, owner)
        done = run(str(folder), "selftest", "--faults", "--format", "tsv", "--quiet")
        if done.status == 75:  # where the interpreter is root's own
            assert "cannot be started" in done.err
            return
        rows = [line.split("\t") for line in done.out.splitlines()]
        closed = [row for row in rows if row[0] == "no permission"]
        assert {row[6] for row in closed} == {OK}
        assert "Permission denied" in closed[0][4]
