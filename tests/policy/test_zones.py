"""Zones by name, and the machine's own: from TZ and from /etc/localtime, held against the C library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import nwauth
from nwauth.policy.zones import BadZone, clock_changes, name_of, zone_named
from tests.policy.when_model import PLACES, Place
from tests.systemusers import Machine

PROJECT = Path(nwauth.__file__).parent.parent
ZONES = Path("/usr/share/zoneinfo")

# Our answer and the C library's, every five hours and a bit over eighty years: only where they differ.
COMPARE = """
import json, time
from datetime import datetime
from nwauth.policy.zones import machine_zone, name_of
zone = machine_zone()
differ = []
for stamp in range(0, 2_524_608_000, 18_061):
    ours = datetime.fromtimestamp(stamp, zone).utcoffset().total_seconds()
    theirs = time.localtime(stamp).tm_gmtoff
    if ours != theirs:
        differ.append((stamp, ours, theirs))
june = datetime.fromtimestamp(1_782_000_000, zone).utcoffset().total_seconds() / 3600
print(json.dumps([name_of(zone), june, differ[:5]]))
"""


class Said:
    """A child on the machine's zone: its name, its offset in June 2026 in hours, what the C library denies."""

    def __init__(self, output: str) -> None:
        self.name, self.june_hours, self.differs = json.loads(output)


def with_tz(value: str, program: str = COMPARE, **environment: str) -> Said:
    return Said(child(program, TZ=value, **environment))


def child(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- by name ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Dublin",
        "UTC",
        "Etc/GMT+5",
        "Etc/GMT-14",
        "America/Port-au-Prince",
        "America/Argentina/Buenos_Aires",
        "NZ",
        "Etc/UCT",
    ],
)
def test_a_zone_is_named_as_in_the_iana_list(name: str) -> None:
    zone = zone_named(name)
    assert name_of(zone) == name
    for month in range(1, 13):
        wall = datetime(2026, month, 1, tzinfo=ZoneInfo(name))
        assert wall.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)


def test_every_zone_of_the_machine_is_found_in_any_case() -> None:
    for name in sorted(available_timezones() - {"localtime", "Factory", "posixrules"})[::7]:
        assert name_of(zone_named(name)) == name
        assert name_of(zone_named(name.lower())) == name
        assert name_of(zone_named(name.upper())) == name


JUNK = [
    *[
        "",
        " ",
        "Atlantis",
        "Europe",
        "Europe/",
        "/Europe/Dublin",
        "Europe//Dublin",
        "Europe/./Dublin",
        "Europe/Dublin/",
    ],
    *[
        "../../etc/passwd",
        "..",
        ".",
        "/",
        "/etc/passwd",
        "/etc/localtime",
        "/usr/share/zoneinfo/Europe/Dublin",
        "Europe/../UTC",
    ],
    *[
        "posixrules",
        "localtime",
        "Factory",
        "POSIXRULES",
        "LocalTime",
        "FACTORY",
        "posix/Europe/Dublin",
        "right/Europe/Dublin",
    ],
    *[
        "Posix/Europe/Dublin",
        "RIGHT/Europe/Dublin",
        "zone.tab",
        "tzdata.zi",
        "leapseconds",
        "iso3166.tab",
        "+VERSION",
        "__init__",
    ],
    *[
        "Europe/Dublin\0",
        "Europe/Dublin\n",
        " Europe/Dublin",
        "Europe\\Dublin",
        "\ud800",
        "Z\u00fcrich",
        "\u0130stanbul",
        "x" * 5000,
    ],
    *["EST5EDT,M3.2.0,M11.1.0", "+02:00", "UTC+2", "GMT+25", "a/" * 3000],
]


@pytest.mark.parametrize("name", JUNK, ids=lambda name: ascii(name[:40]))
def test_junk_and_paths_are_no_zones(name: str) -> None:
    with pytest.raises(BadZone) as caught:
        zone_named(name)
    words = str(caught.value)
    assert words.isprintable()
    assert "found" in words
    assert "wanted" in words
    assert len(words) < 200


@given(st.text(max_size=50) | st.text("./\\+-_aE:\0", max_size=20))
@example("a" * 255)
@example("a" * 256)
@example("Europe/" + "a" * 4096)
def test_any_text_is_a_zone_or_no_zone(text: str) -> None:
    try:
        zone = zone_named(text)
    except BadZone as error:
        zone, complaint = None, str(error)
    if zone is None:
        assert complaint.isprintable()
        return
    assert datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset() is not None
    assert name_of(zone).lower() == text.lower()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Dubln", "Europe/Dublin"),
        ("Europe/dubin", "Europe/Dublin"),
        ("Pacific/Aukland", "Pacific/Auckland"),
        ("America/NewYork", "America/New_York"),
        ("New_York", "America/New_York"),
        ("Dublin", "Europe/Dublin"),
        ("berlin", "Europe/Berlin"),
        ("Australia/LordHowe", "Australia/Lord_Howe"),
    ],
)
def test_a_name_that_is_nearly_one_is_told_the_nearest(name: str, near: str) -> None:
    with pytest.raises(BadZone, match=f"did you mean {near}\\?"):
        zone_named(name)


# --- the variable TZ -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["Europe/Berlin", ":Europe/Berlin", "America/St_Johns", "UTC", "EST5EDT", "Etc/GMT+5", "NZ"]
)
def test_tz_may_name_a_zone(value: str) -> None:
    said = with_tz(value)
    assert said.name == value.removeprefix(":")
    assert said.differs == []


@pytest.mark.parametrize("value", [f"{ZONES}/Europe/Berlin", f":{ZONES}/Europe/Berlin"])
def test_tz_may_be_the_path_of_a_zone_file(value: str) -> None:
    said = with_tz(value)
    assert "Europe/Berlin" in said.name
    assert said.june_hours == 2
    assert said.differs == []


@pytest.mark.parametrize(
    ("value", "june_hours"),
    [
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", 12),
        (":NZST-12NZDT,M9.5.0,M4.1.0/3", None),
        ("CET-1CEST,M3.5.0,M10.5.0/3", 2),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 1),  # Dublin: winter is what is saved
        ("<+0330>-3:30", 3.5),
        ("<+0545>-5:45", 5.75),
        ("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", -2),  # a change at 22:00 of the day before
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 10.5),  # Lord Howe
        ("UTC0", 0),
        ("JST-9", 9),
        ("EST5EDT,M3.2.0,M11.1.0", -4),
        ("EST5EDT4,M3.2.0/02:00:00,M11.1.0/02:00:00", -4),
        ("AAA3BBB,J60/0,J300/2", -2),
        ("AAA3BBB2:30,J60,J300", -2.5),
        ("XXX-5:30:15", 5 + 30 / 60 + 15 / 3600),
        ("<GMT+5>5", -5),
    ],
)
def test_tz_may_be_a_rule_as_posix_has_it(value: str, june_hours: float | None) -> None:
    said = with_tz(value)
    if june_hours is not None:
        assert said.june_hours == june_hours
    assert said.differs == []
    assert said.name


@pytest.mark.parametrize(
    "value", ["", ":", "Nowhere/Atlantis", ":Nowhere/Atlantis", "/no/such/file", ":/etc/passwd", "/", "\u00e9"]
)
def test_tz_that_says_nothing_is_utc_as_in_the_c_library(value: str) -> None:
    said = with_tz(value)
    assert said.name == "UTC"
    assert said.june_hours == 0
    assert said.differs == []


def test_tz_that_is_more_than_a_day_from_utc_is_utc() -> None:
    program = "from nwauth.policy.zones import machine_zone; print(machine_zone())"
    assert child(program, TZ="UTC-99").strip() == "UTC"


CUT = """
import os, resource, sys
from datetime import datetime
from nwauth.policy.zones import machine_zone
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))  # what reads for ever is killed
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
path, whole = sys.argv[1], open(sys.argv[2], "rb").read()
for size in range(len(whole)):
    with open(path, "wb") as file:
        file.write(whole[:size])
    os.environ["TZ"] = ":" + path
    assert datetime(2026, 7, 1, tzinfo=machine_zone()).utcoffset() is not None
"""


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "UTC"])
def test_tz_that_names_a_zone_file_cut_anywhere_neither_fails_nor_hangs(zone: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(tmp_path / "zone"), str(ZONES / zone)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]


def test_a_zone_keeps_its_rule_beyond_the_years_that_zone_files_list() -> None:
    for year in (2038, 2100, 2400, 9000):
        assert datetime(year, 7, 1, 12, tzinfo=zone_named("America/New_York")).utcoffset() == timedelta(hours=-4)
        assert datetime(year, 1, 1, 12, tzinfo=zone_named("America/New_York")).utcoffset() == timedelta(hours=-5)


# --- /etc/localtime --------------------------------------------------------------------------------------------------


class TestLocaltime:
    """A machine of its own: a private /etc, in which no variable TZ says anything."""

    @pytest.fixture
    def machine(self, tmp_path: Path) -> Machine:
        return Machine(tmp_path)

    def said(self, machine: Machine) -> Said:
        return Said(machine.run("env", "-u", "TZ", sys.executable, "-c", COMPARE, cwd=PROJECT))

    @pytest.mark.parametrize("target", [f"{ZONES}/Europe/Berlin", "../usr/share/zoneinfo/Europe/Berlin"])
    def test_a_link_names_the_zone(self, machine: Machine, target: str) -> None:
        (machine.etc / "localtime").symlink_to(target)
        said = self.said(machine)
        assert said.name == "Europe/Berlin"
        assert said.june_hours == 2
        assert said.differs == []

    def test_a_link_to_a_link_names_a_zone_too(self, machine: Machine) -> None:
        (machine.etc / "other").symlink_to(ZONES / "Europe/Berlin")
        (machine.etc / "localtime").symlink_to("other")
        assert self.said(machine).june_hours == 2

    def test_a_copy_is_the_same_clock(self, machine: Machine) -> None:
        (machine.etc / "localtime").write_bytes((ZONES / "Europe/Berlin").read_bytes())
        said = self.said(machine)
        assert said.june_hours == 2
        assert said.differs == []
        assert said.name in {"Europe/Berlin", "/etc/localtime"}

    def test_a_file_of_another_folder_is_read(self, machine: Machine) -> None:
        (machine.etc / "own").write_bytes((ZONES / "Asia/Kathmandu").read_bytes())
        (machine.etc / "localtime").symlink_to("/etc/own")
        said = self.said(machine)
        assert said.june_hours == 5.75
        assert said.differs == []
        assert said.name

    def test_none_is_utc(self, machine: Machine) -> None:
        said = self.said(machine)
        assert said.name == "UTC"
        assert said.differs == []

    @pytest.mark.parametrize("content", [b"", b"TZif", b"TZif2" + bytes(30), b"no zone file\n" * 10])
    def test_one_that_cannot_be_read_is_utc(self, machine: Machine, content: bytes) -> None:
        (machine.etc / "localtime").write_bytes(content)
        said = self.said(machine)
        assert said.june_hours == 0
        assert said.differs == []

    def test_a_link_to_nowhere_is_utc(self, machine: Machine) -> None:
        (machine.etc / "localtime").symlink_to(ZONES / "Europe/Atlantis")
        assert self.said(machine).june_hours == 0

    def test_the_variable_has_the_last_word(self, machine: Machine) -> None:
        (machine.etc / "localtime").symlink_to(ZONES / "Europe/Berlin")
        said = Said(machine.run("env", "TZ=Asia/Kathmandu", sys.executable, "-c", COMPARE, cwd=PROJECT))
        assert said.name == "Asia/Kathmandu"


# --- a machine without zone files ------------------------------------------------------------------------------------


def test_where_the_system_has_no_zone_files_the_package_s_are_read() -> None:
    program = (
        "import zoneinfo; assert zoneinfo.TZPATH == ()\n"
        "from datetime import datetime; from nwauth.policy.zones import *\n"
        "for name in ('Europe/Dublin', 'europe/dublin', 'Pacific/Auckland'):\n"
        "    zone = zone_named(name); print(name_of(zone), datetime(2026, 7, 1, tzinfo=zone).utcoffset())\n"
        "for name in ('Atlantis', '../../etc/passwd', 'Europe', 'zones', '__init__', ''):\n"
        "    try: zone_named(name); print('taken', name)\n"
        "    except BadZone as error: print('wanted' in str(error))\n"
    )
    said = child(program, PYTHONTZPATH="").splitlines()
    assert said[:3] == ["Europe/Dublin 1:00:00", "Europe/Dublin 1:00:00", "Pacific/Auckland 12:00:00"]
    assert said[3:] == ["True"] * 6


def test_where_there_are_no_zones_at_all_the_package_is_named() -> None:
    program = (
        "import sys; sys.modules['tzdata'] = None\n"
        "from nwauth.policy.zones import *\n"
        "try: zone_named('Europe/Dublin')\n"
        "except BadZone as error: print(error)\n"
    )
    assert "-m pip install tzdata" in child(program, PYTHONTZPATH="")


def test_without_any_zones_a_rule_in_tz_and_utc_are_still_known() -> None:
    program = (
        "import sys; sys.modules['tzdata'] = None\n"
        "from datetime import datetime; from nwauth.policy.zones import *\n"
        "print(datetime(2026, 1, 1, tzinfo=machine_zone()).utcoffset())\n"
    )
    assert child(program, PYTHONTZPATH="", TZ="NZST-12NZDT,M9.5.0,M4.1.0/3").strip() == "13:00:00"
    assert child(program, PYTHONTZPATH="", TZ="UTC").strip() == "0:00:00"


# --- changes of the clock --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.zone} {place.around:%Y-%m-%d}")
def test_clock_changes_are_found_to_the_second(place: Place) -> None:
    zone, days = ZoneInfo(place.zone), timedelta(days=4)
    start, end = place.around - days, place.around + days
    expected = [place.around] if place.changes else []
    assert list(clock_changes(zone, start, end)) == expected
    second = timedelta(seconds=1)
    assert list(clock_changes(zone, place.around - second, place.around)) == expected  # up to the end, inclusive
    assert list(clock_changes(zone, place.around, end)) == []  # after the start
    assert list(clock_changes(zone, place.around - second, place.around - second)) == []
    assert list(clock_changes(zone, end, start)) == []


def test_a_year_of_dublin_has_its_two_changes() -> None:
    changes = list(
        clock_changes(zone_named("Europe/Dublin"), datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    )
    assert changes == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]


def test_tz_that_only_the_c_library_understands_is_taken_as_it_has_it() -> None:
    """NZST-12NZDT names a summer time and not when it begins: the library knows, and no list of zones does."""
    code = """
import time
from datetime import UTC, datetime, timedelta
from nwauth.policy.zones import machine_zone
zone = machine_zone()
for hours in range(0, 2 * 8760, 7):
    instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    local = instant.astimezone(zone)
    assert local.timetuple()[:5] == time.localtime(instant.timestamp())[:5], instant
    assert local.astimezone(UTC) == instant, instant
print(zone, datetime(2026, 6, 1, tzinfo=UTC).astimezone(zone).utcoffset())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TZ": "NZST-12NZDT"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("TZ=NZST-12NZDT 1")
