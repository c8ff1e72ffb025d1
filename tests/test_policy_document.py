"""docs/policy.md: its commands print what it says, its examples are files that work, and it lists every key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from nwauth.config import PolicyConfig
from nwauth.errors import ConfigError
from nwauth.policy.grammar import MAX_CHARACTERS, BadWhen, read_dates, read_when
from nwauth.policy.hosts import read_hosts
from nwauth.policy.reading import MAX_RULES, MAX_TEXT_BYTES, BadPolicy, read_policy
from nwauth.policy.throttle.settings import ThrottleSettings
from nwauth.policy.zones import zone_named
from nwauth.service.rulefile import MAX_BYTES

if TYPE_CHECKING:
    from nwauth.policy.when import When

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("nwauth")
EXAMPLES = sorted((ROOT / "examples" / "policy").glob("*.toml"))
TEXT = (ROOT / "docs" / "policy.md").read_text()
SETUP, *BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(
    r"\[(\w[\w-]*\.toml)\]\(\.\./examples/policy/\1\)[^`]*?\n\n```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL
)
# Of ten passwords two have the same tag under one key in a hundred (12 bits); under this one none of the page have.
KEY = "(umask 077; printf %032d 1 > mail/nwauth.key)\n"
ZONE = ZoneInfo("Pacific/Auckland")
HOLIDAYS = ("2026-04-03", "2026-12-25..2027-01-05")


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "examples").symlink_to(ROOT / "examples")
    return subprocess.run(
        ["bash"],
        input=SETUP + KEY + script,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        timeout=60,
    )


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading or sentence, without those of its head; `` ` `` are kept."""
    lines = TEXT.split(heading, 1)[1].split("\n")
    start = next(at for at, line in enumerate(lines) if line.startswith("| "))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("| "):
            break
        rows.append([cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")])
    return rows


def hours(text: str) -> When:
    return read_when(text, zone=ZONE, zones=zone_named, lists={"holidays": read_dates(HOLIDAYS)})


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- what the page shows is run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_commands_of_the_page_print_what_it_says(block: str, tmp_path: Path) -> None:
    done = run(block, tmp_path)
    expected = [line.removeprefix("#").removeprefix(" ") for line in block.splitlines() if line.startswith("#")]
    assert done.stderr == ""
    assert expected
    assert done.stdout.splitlines() == expected


def test_the_page_shows_every_example_as_it_is() -> None:
    assert sorted(name for name, _ in SHOWN) == [path.name for path in EXAMPLES]
    for name, content in SHOWN:
        assert (ROOT / "examples" / "policy" / name).read_text() == content, name


def test_no_other_rules_are_shown() -> None:
    assert TEXT.count("```toml") == len(SHOWN)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_check_has_nothing_to_say_against_an_example(example: Path, tmp_path: Path) -> None:
    done = run(f"nwauth --path mail policy check examples/policy/{example.name} --quiet", tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_that_is_in_force_is_served_by(example: Path, tmp_path: Path) -> None:
    run(f"cp examples/policy/{example.name} mail/policy.toml; chmod 644 mail/policy.toml", tmp_path)
    done = subprocess.run(
        [COMMAND, "-path", tmp_path / "mail"],
        input="lookup bob@test.com\ncheck bob@test.com wrong 192.0.2.7\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["+OK", "-ERR"]
    assert "level=error" not in (tmp_path / "mail" / "nwauth.log").read_text()
    assert (tmp_path / "mail" / "policy.toml.last-good").read_bytes() == example.read_bytes()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_with_hours_or_hosts_but_the_first_have_tests_of_their_own(example: Path) -> None:
    policy = read_policy(example.read_bytes(), file=example.name)
    assert bool(policy.trials) == (bool(policy.rules) and example.stem != "no-mail-in-class")


def test_the_first_example_has_ten_lines() -> None:
    assert (ROOT / "examples" / "policy" / "no-mail-in-class.toml").read_text().count("\n") == 10


# --- what it says of hours and hosts holds ---------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "inside", "outside"), [row[:3] for row in table("Wall time, in the zone of")])
def test_hours_hold_when_the_page_says(when: str, inside: str, outside: str) -> None:
    found = hours(*words(when))
    for cell, holds in ((inside, True), (outside, False)):
        assert words(cell)
        for moment in words(cell):
            assert found.at(datetime.fromisoformat(moment).replace(tzinfo=ZONE)) is holds, moment


@pytest.mark.parametrize(("when", "said"), table("What is taken for an error"))
def test_wrong_hours_are_told_in_these_words(when: str, said: str) -> None:
    with pytest.raises(BadWhen) as caught:
        hours(*words(when))
    assert str(caught.value) == said


@pytest.mark.parametrize(("when", "moment", "holds"), [row[:3] for row in table("In the two nights of the year")])
def test_clock_changes_do_what_the_page_says(when: str, moment: str, holds: str) -> None:
    instant = datetime.fromisoformat(*words(moment))
    assert instant.utcoffset() == instant.astimezone(ZONE).utcoffset()
    assert hours(*words(when)).at(instant) is (holds == "yes")


def test_every_form_of_a_host_can_be_read() -> None:
    entries = [word for row in table("What may stand in `from`") for word in words(row[0])]
    assert len(entries) == 10
    for entry in entries:
        read_hosts(["10.20.0.0/16" if entry == "@labs" else entry])


# --- every key, limit and option is listed ---------------------------------------------------------------------------


def test_the_table_has_every_key_that_the_reader_knows_and_no_other() -> None:
    listed: dict[str, set[str]] = {}
    for cell, *_ in table("## Every key"):
        heading, key = words(cell)
        listed.setdefault(heading.strip("[]").replace("lists.NAME", "lists.a"), set()).add(key)
    content = b"""odd = 1\n[policy]\ndefault = "allow"\nodd = 1\n[lists.a]\nhosts = "any"\nodd = 1\n[throttle]\nodd = 1
[[rule]]\nname = "x"\ndeny = true\nodd = 1\n[[test]]\nclass = "a"\nexpect = "deny"\nodd = 1\n"""
    with pytest.raises(BadPolicy) as caught:
        read_policy(content, file="policy.toml")
    known = {
        fault.place.replace("[0]", "").rpartition(".")[0]: set(fault.text.partition("wanted one of ")[2].split(", "))
        for fault in caught.value.faults
    }
    assert known.pop("") == {"policy", "lists", "rule", "test", "throttle"}
    assert listed == known


def test_defaults_of_the_throttle_are_those_listed() -> None:
    defaults = {
        words(cell)[1]: words(default)[0]
        for cell, _, default, _ in table("## Every key")
        if cell.startswith("`[throttle]") and words(default)
    }
    given = ThrottleSettings()
    assert {key: str(getattr(given, key)).lower() for key in defaults} == defaults
    assert len(defaults) == 6
    content = (ROOT / "examples" / "policy" / "throttle.toml").read_text()
    for key, value in defaults.items():
        assert f"\n{key} = {value}\n" in content


@pytest.mark.parametrize(
    ("key", "lowest", "highest"),
    [
        ("window_seconds", 1, 604_800),
        ("per_address", 0, 100_000),
        ("per_user", 0, 1000),
        ("ipv6_prefix", 16, 128),
        ("trust_days", 0, 3650),
    ],
)
def test_numbers_of_the_throttle_have_the_limits_listed(key: str, lowest: int, highest: int) -> None:
    meaning = next(row[3] for row in table("## Every key") if row[0] == f"`[throttle]` `{key}`")
    assert str(highest) in meaning
    for number, is_good in ((lowest, True), (highest, True), (lowest - 1, False), (highest + 1, False)):
        content = f'[policy]\ndefault = "allow"\n[throttle]\n{key} = {number}\n'.encode()
        if is_good:
            read_policy(content, file="policy.toml")
        else:
            with pytest.raises(ConfigError):
                read_policy(content, file="policy.toml")


def test_the_other_limits_are_those_told() -> None:
    assert f"{MAX_RULES:,} rules and {MAX_BYTES >> 20} MiB" in TEXT
    assert f"{MAX_CHARACTERS:,} characters at most" in TEXT
    assert f"less than {MAX_TEXT_BYTES + 1} bytes" in TEXT


def test_the_settings_of_the_class_field_and_the_file_are_those_listed() -> None:
    rows = {words(row[0])[0]: words(row[2])[0].strip('"') for row in table("Two settings in `nwauth.toml`")}
    assert rows == {"file": "policy.toml", "class_field": PolicyConfig(file="").class_field}


def test_commands_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`nwauth ((?:policy|throttle|log|user) \w+|explain|test|doctor)\b", TEXT))
    assert len(named) > 10
    for name in named:
        done = subprocess.run([COMMAND, *name.split(), "--help"], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, name
