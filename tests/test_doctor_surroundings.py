"""What ``nwauth doctor`` finds around the users: log, clock, zones, libraries, throttle, settings without effect."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import TZPATH

import pytest

from nwauth.doctor import logfile
from nwauth.doctor.apart import told_apart
from nwauth.doctor.finding import ERROR, WARNING
from nwauth.doctor.versions import LAST_MENDS, versions
from nwauth.policy.throttle.making import make
from tests.commands.common import COMMAND, environment, run
from tests.doctoring import Site, folder_for_all
from tests.faults.databases import small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_other_servers")
ROOT = os.geteuid() == 0
RULES = """\
[policy]
zone = "Pacific/Auckland"
default = "allow"

[lists.labs]
hosts = ["192.0.2.0/24"]

[lists.holidays]
dates = ["2999-12-25"]

[[rule]]
name = "mornings"
deny = true
from = "@labs"
when = "Mon-Fri 08:00-12:00 except @holidays"
"""


@pytest.fixture
def open_path() -> Iterator[Path]:
    with folder_for_all() as path:
        yield path


def more(site: Site, text: str, *, of_store: str = "") -> None:
    """Put more into the settings."""
    toml = site.toml.read_text().replace("shared = false\n", f"shared = false\n{of_store}")
    site.toml.write_text(f"{toml}\n{text}")


def guard(site: Site, text: str = RULES) -> None:
    """Give the site access rules, and have the server say addresses."""
    more(site, '[server]\naddress = "always"\n')
    rules = site.folder / "policy.toml"
    rules.write_text(text)
    rules.chmod(0o600)


# --- the log ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nwauth.log", "nwauth.changes"])
def test_a_log_that_nobody_rotates_is_told_and_goes_on_anew(site: Site, name: str) -> None:
    path = site.folder / name
    path.touch(mode=0o600)
    os.truncate(path, logfile.LARGE_BYTES)
    assert site.look() == []
    os.truncate(path, logfile.LARGE_BYTES + 1)
    one = site.found("large-log")
    assert one.what == f"{path} has 256 MiB: nobody rotates it"
    site.type(one.mend.partition(" (a new")[0])
    assert (site.look(), path.exists()) == ([], False)


def test_a_log_whose_folder_is_not_there_is_told(site: Site) -> None:
    away = site.path / "var" / "log"
    more(site, f'[log]\nfile = "{away}/nwauth.log"\n')
    one = site.found("log-lost")
    assert one.what == f"the folder of the log {away}/nwauth.log is not there"
    site.mend(one)
    assert site.look() == []


def test_a_log_that_is_no_file_is_told(site: Site) -> None:
    (site.folder / "nwauth.log").mkdir()
    one = site.found("log-lost")
    assert "is no plain file" in one.what
    site.type(one.mend.partition("move what is there: ")[2])
    assert site.look() == []


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_a_log_that_the_owner_of_the_folder_cannot_write_is_told(open_path: Path) -> None:
    """As root sees it, who becomes that owner."""
    owner = 12345
    site = Site(open_path)
    for path in (site.folder, *site.folder.iterdir()):
        os.chown(path, owner, owner)
    log = site.folder / "nwauth.log"
    log.touch(mode=0o600)
    done = run(str(site.folder), "doctor")
    rows = {row["id"]: row for row in done.records()}
    assert rows["log-lost"]["what"] == f"the log {log} cannot be written by uid {owner}"
    site.type(rows["log-lost"]["mend"].removeprefix("as root: "))
    assert (run(str(site.folder), "doctor").status, log.stat().st_size) == (0, 0)


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_root_makes_a_folder_for_the_log_that_the_owner_of_the_users_can_write(open_path: Path) -> None:
    owner = 12345
    site = Site(open_path)
    more(site, f'[log]\nfile = "{open_path}/log/nwauth.log"\n')
    for path in (site.folder, *site.folder.iterdir()):
        os.chown(path, owner, owner)
    (row,) = run(str(site.folder), "doctor").records()
    assert row["id"] == "log-lost"
    site.type(row["mend"])
    assert run(str(site.folder), "doctor").status == 0


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_a_log_that_the_owner_of_the_folder_cannot_make_is_told(open_path: Path) -> None:
    owner = 12345
    site = Site(open_path)
    more(site, f'[log]\nfile = "{open_path}/nwauth.log"\n')
    for path in (site.folder, *site.folder.iterdir()):
        os.chown(path, owner, owner)
    (row,) = run(str(site.folder), "doctor").records()
    assert (
        row["what"] == f"the log {open_path}/nwauth.log is not there, and uid {owner} cannot make files in {open_path}"
    )
    site.type(row["mend"].removeprefix("as root: "))
    assert run(str(site.folder), "doctor").status == 0


def test_a_full_disk_of_the_log_alone_is_told(site: Site) -> None:
    with small_disk(site.path / "disk", kilobytes=512) as disk:
        more(site, f'[log]\nfile = "{disk}/nwauth.log"\n')
        one = site.found("no-room")
        assert one.what == f"the disk of the log {disk}/nwauth.log has no room left"
        more(site, "")
    assert site.is_gone("no-room")


# --- clock and zones -------------------------------------------------------------------------------------------------


def test_files_of_a_time_to_come_tell_that_the_clock_is_or_was_wrong(site: Site) -> None:
    later = 7_258_118_400  # 2200
    os.utime(site.txt, (later, later))
    one = site.found("from-the-future", among=True)
    assert one.what.startswith("1 file of a time to come, up to 2200-01-01 00:00:00+00:00, and it is ")
    site.type(one.mend.partition("then ")[2])
    assert site.is_gone("from-the-future")


@pytest.mark.parametrize("name", ["Europe/Berln", ":Europe/Berln", "/etc/passwd", "UTC-99"])
def test_a_variable_that_names_no_zone_is_told(site: Site, name: str) -> None:
    done = run(str(site.folder), "doctor", "--format", "ndjson", TZ=name)
    (row,) = done.records()
    assert (row["id"], "names no zone: found " in row["what"]) == ("zone-unknown", True), row
    assert ("did you mean Europe/Berlin?" in row["what"]) == ("Berln" in name)


@pytest.mark.parametrize("name", ["", "UTC", "Europe/Berlin", ":Europe/Berlin", "UTC0", "CET-1CEST,M3.5.0,M10.5.0/3"])
def test_a_variable_that_names_a_zone_or_nothing_is_no_finding(site: Site, name: str) -> None:
    assert run(str(site.folder), "doctor", TZ=name).status == 0


def test_a_list_of_zones_that_is_old_is_told_where_hours_depend_on_it(site: Site) -> None:
    folder = site.path / "zones"
    system = next(path for path in TZPATH if os.path.isfile(f"{path}/Pacific/Auckland"))
    (folder / "Pacific").mkdir(parents=True)
    shutil.copy(f"{system}/Pacific/Auckland", folder / "Pacific")
    (folder / "tzdata.zi").write_text("# version 2019c\n# This zic input file is in the public domain.\n")
    words = ["--path", str(site.folder), "doctor", "--format", "ndjson"]
    guard(site)

    def ids() -> list[str]:
        done = subprocess.run(
            [*COMMAND, *words],
            capture_output=True,
            text=True,
            env=environment(PYTHONTZPATH=str(folder)),
            check=False,
            timeout=60,
        )
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["what"] for row in rows if row["id"] == "old-zones"] in (
            [],
            [f"the list of zones is that of 2019c ({folder}/tzdata.zi), and access rules have hours"],
        )
        return [row["id"] for row in rows]

    assert ids() == ["old-zones"]
    (folder / "tzdata.zi").write_text(f"# version {datetime.now(UTC).year}a\n")
    assert ids() == []
    (folder / "tzdata.zi").write_text("# version 2019c\n")
    (site.folder / "policy.toml").unlink()
    assert ids() == []


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_library_that_is_too_old_is_told(site: Site) -> None:
    """As an older one that lies before it on Python's path."""
    old = site.path / "old" / "click-7.1.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: click\nVersion: 7.1\n")
    done = run(str(site.folder), "doctor", PYTHONPATH=str(old.parent))
    rows = done.records()
    assert [(row["id"], row["severity"]) for row in rows] == [("old-library", ERROR)]
    assert re.fullmatch(r"the library click is version 7\.1, and nwauth wants [0-9.]+ at least", rows[0]["what"])
    assert re.search(r"-m pip install --upgrade 'click>=[0-9.]+'$", rows[0]["mend"])
    assert run(str(site.folder), "doctor").status == 0


@pytest.mark.parametrize(("version", "found"), [("3.23.1", ["old-library"]), ("3.24.0", []), ("3.100.0", [])])
def test_a_sqlite_that_cannot_count_is_told_where_it_is_used(
    site: Site, monkeypatch: pytest.MonkeyPatch, version: str, found: list[str]
) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version", version)
    assert [one.id for one in versions(site.place())] == []
    (site.folder / "nwauth.throttle").touch()
    assert [one.id for one in versions(site.place())] == found


def test_a_library_of_a_store_counts_only_where_there_is_one(site: Site) -> None:
    old = site.path / "old" / "pymysql-0.1.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: pymysql\nVersion: 0.1\n")
    assert run(str(site.folder), "doctor", PYTHONPATH=str(old.parent)).status == 0
    more(site, '[[stores]]\nkind = "sql"\nurl = "mysql://mail@127.0.0.1:1/mail"\nconnect_timeout_seconds = 0.2\n')
    done = run(str(site.folder), "doctor", PYTHONPATH=str(old.parent))
    assert "old-library" in [json.loads(line)["id"] for line in done.out.splitlines()]


def test_a_python_that_is_mended_no_more_is_told_from_the_month_after(site: Site) -> None:
    year, month = LAST_MENDS[sys.version_info[:2]]
    place = site.place()
    place.now = datetime(year, month, 28, tzinfo=UTC).timestamp
    assert list(versions(place)) == []
    place.now = datetime(year + 1, 1, 1, tzinfo=UTC).timestamp
    (one,) = versions(place)
    assert (one.id, one.severity) == ("old-python", WARNING)
    assert one.what.endswith(f"has not been mended since {year}-{month:02}")


# --- the throttle ----------------------------------------------------------------------------------------------------


def throttle(site: Site) -> Path:
    path = site.folder / "nwauth.throttle"
    make(str(path))
    return path


def test_a_look_at_what_holds_whoever_opens_it_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match=r"it cannot be looked at within 0\.1 s"):
        told_apart((tmp_path / "fifo").read_text, wait_seconds=0.1)
    with pytest.raises(OSError, match=r"/none: No such file or directory"):
        told_apart((tmp_path / "none").read_text, wait_seconds=30)
    (tmp_path / "text").write_text("whole")
    assert told_apart((tmp_path / "text").read_text, wait_seconds=30) == "whole"


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON of_user BEGIN DELETE FROM of_user; END", "put into it: CREATE TRIGGER t"),
        ("DROP TABLE trusted", "it lacks: CREATE INDEX trusted_at"),
        ("PRAGMA application_id = 7", "it is no database of nwauth's throttle"),
    ],
)
@pytest.mark.parametrize("is_open", [False, True])
def test_a_throttle_that_another_program_has_changed_is_told(
    site: Site, statement: str, told: str, *, is_open: bool
) -> None:
    path = throttle(site)
    with closing(sqlite3.connect(path)) as beside:
        if is_open:  # as by a child: what was changed last stands in the log beside it
            beside.execute("SELECT count(*) FROM of_user").fetchall()
        assert site.look() == []
        sql(path, statement)
        names = sorted(os.listdir(site.folder))
        one = site.found("damaged-throttle")
        assert told in one.what
        assert sorted(os.listdir(site.folder)) == names
    site.type(one.mend.partition(" (it is made")[0])
    assert site.look() == []


def test_a_throttle_that_is_damaged_is_told(site: Site) -> None:
    path = throttle(site)
    path.write_bytes(b"garbage" * 1000)
    assert "file is not a database" in site.found("damaged-throttle").what


def test_a_throttle_or_key_that_everybody_can_read_is_told_and_closed(open_path: Path) -> None:
    site = Site(open_path)
    site.folder.chmod(0o755)
    for name in ("nwauth.throttle", "nwauth.key"):
        path = throttle(site) if "throttle" in name else site.folder / name
        path.touch()
        path.chmod(0o644)
        one = site.found("open-to-others")
        assert one.what.startswith(f"everybody on this machine can read {path}")
        site.mend(one)
        assert site.look() == []


# --- settings without effect -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "of_store", "key"),
    [
        ("", 'scheme = "bcrypt"\nread_only = true\ndo_set = false\n', "stores[0].do_set"),
        ("", "read_only = true\nmax_journal_bytes = 9000\n", "stores[0].max_journal_bytes"),
        ("[names]\nallow_ats = true\n", "read_only = true\n", "names.allow_ats"),
        ('[log]\nfile = "null"\nlevel = "debug"\n', "", "log.level"),
        ('[policy]\nclass_field = "group"\n', "", "policy.class_field"),
        ("", "fall_through_when_down = true\n", "stores[0].fall_through_when_down"),
        ("", 'do_search = false\nmatch_search = "*"\n', "stores[0].match_search"),
    ],
)
def test_a_setting_without_effect_is_told_with_its_line(site: Site, text: str, of_store: str, key: str) -> None:
    more(site, text, of_store=of_store)
    one = site.found("idle-setting")
    assert f": {key} has no effect: " in one.what
    lines = site.toml.read_text().split("\n")
    assert one.line is not None
    assert lines[one.line - 1].startswith(key.rpartition(".")[2])
    del lines[one.line - 1]
    site.toml.write_text("\n".join(lines))
    assert site.is_gone("idle-setting")


@pytest.mark.parametrize("setting", ['scheme = "bcrypt"', "upgrade = true"])
def test_a_scheme_for_a_folder_that_is_shared_has_no_effect(site: Site, setting: str) -> None:
    site.toml.write_text(
        f'[[stores]]\nkind = "flatfile"\npath = "."\nshared = true\nsettle_seconds = 0\n[passwords]\n{setting}\n'
    )
    site.users("bob", field="{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf")
    one = site.found("idle-setting")
    assert f"passwords.{setting.partition(' ')[0]} has no effect" in one.what


def test_a_store_that_is_asked_for_nobody_is_told(site: Site) -> None:
    (site.folder / "file").write_text("ada:x:1:1:::\n")
    (site.folder / "file").chmod(0o600)
    store = '[[stores]]\nkind = "passwd"\npath = "file"\nsettle_seconds = 0.0\ndo_lookup = false\ndo_check = false\n'
    more(site, store)
    one = site.found("store-unasked", among=True)
    assert one.what == "store passwd has do_lookup = false and do_check = false"
    site.toml.write_text(site.toml.read_text().replace("do_lookup = false\n", ""))
    assert site.is_gone("store-unasked")


def test_a_list_that_no_rule_names_is_told(site: Site) -> None:
    guard(site)
    assert site.look() == []
    (site.folder / "policy.toml").write_text(RULES.replace(" except @holidays", ""))
    one = site.found("list-unused", among=True)
    assert (one.what, one.line) == (f"{site.folder}/policy.toml: line 8: no rule names the list holidays", 8)


# --- a directory elsewhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urls", "setting", "severity"),
    [
        ("ldap://192.0.2.1", "", ERROR),
        ("ldaps://192.0.2.1", "check_certificate = false\n", WARNING),
        ("ldap://192.0.2.1", "start_tls = true\n", None),
        ("ldaps://192.0.2.1", "", None),
        ("ldap://127.0.0.1:1", "", None),
        ("ldap://localhost:1", "", None),
    ],
)
def test_a_directory_that_is_asked_in_the_clear_is_told(
    site: Site, urls: str, setting: str, severity: str | None
) -> None:
    site.toml.write_text(
        f'[[stores]]\nkind = "ldap"\nurls = "{urls}"\nbase = "dc=test"\nconnect_timeout_seconds = 0.1\n{setting}'
    )
    found = [one.severity for one in site.look() if one.id == "directory-in-clear"]
    assert found == [severity] * (severity is not None)


def test_what_is_set_for_encryption_that_there_is_not_is_told(site: Site) -> None:
    site.toml.write_text(
        '[[stores]]\nkind = "ldap"\nurls = "ldap://127.0.0.1:1"\nbase = "dc=test"\ncheck_certificate = false\n'
        '[stores.attributes]\npassword = "userPassword"\n'
    )
    idle = [one.what for one in site.look() if one.id == "idle-setting"]
    assert ["check_certificate" in idle[0], "attributes.password" in idle[1], len(idle)] == [True, True, 2]
