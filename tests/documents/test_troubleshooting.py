"""docs/troubleshooting.md is looked up by what is seen: the program's own words stand in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands.common import SETTINGS, base, run
from tests.documents.pages import text

PAGE = text("docs/troubleshooting.md")
USERS = b"""\
right@test.com:*secret:
suspended@test.com:*secret:mailstatus="suspended"
closed@test.com:*secret:mailstatus="closed"
over@test.com:*secret:valid_until="2020-01-31"
early@test.com:*secret:valid_from="2999-01-31"
student@test.com:*secret:mailaccess="student"
locked@test.com:!:
odd@test.com:nonsense:
damaged@test.com:{ssha}EAzXAXBVz5BjxQcv:
weak@test.com:{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf:
"""
RULES = '[policy]\ndefault = "allow"\n[[rule]]\nname = "none"\ndeny = true\nclass = "student"\n'


def words_of(heading: str, *, of: str) -> list[str]:
    """What is seen, of each row of the table under a heading that begins with `of`, as regular expressions."""
    table = PAGE.partition(f"## {heading}\n")[2].partition(f"| {of} |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    spans = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    assert spans
    return [re.escape(span).replace(r"\.\.\.", ".*") for span in spans]


def is_found(said: str, heading: str, *, of: str) -> bool:
    return any(re.search(words, said) for words in words_of(heading, of=of))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    settings = SETTINGS.replace("[passwords]", "[passwords]\nweak_after = 2020-01-31")
    (tmp_path / "policy.toml").write_text(RULES)
    return base(str(tmp_path), users=USERS, settings=settings)


@pytest.mark.parametrize("user", ["nobody@test.com", *re.findall(r"^([a-z@.]+):", USERS.decode(), re.MULTILINE)])
def test_why_a_login_is_refused_is_found(folder: str, user: str) -> None:
    password = b"wrong\n" if user.startswith("right") else b"secret\n"
    done = run(folder, "test", user, "--password-stdin", stdin=password)
    assert (done.status, json.loads(done.out)["verdict"]) == (1, "no")
    assert is_found(json.loads(done.out)["reason"], "A user cannot log in", of="it says")


def test_that_it_cannot_be_told_is_found(folder: str) -> None:
    (Path(folder) / "policy.toml").write_text("")
    done = run(folder, "test", "right@test.com", "--password-stdin", "--format", "table", stdin=b"secret\n")
    assert done.status == 75
    assert is_found(done.out, "A user cannot log in", of="it says")


def test_that_the_throttle_refuses_is_found(folder: str) -> None:
    (Path(folder) / "policy.toml").write_text('[policy]\ndefault = "allow"\n[throttle]\nper_user = 1\n')
    (Path(folder) / "nwauth.toml").write_text(SETTINGS + '[log]\nlevel = "info"\n')
    tries = b"check right@test.com wrong 192.0.2.7\ncheck right@test.com secret 192.0.2.7\n"
    assert run("/nonexistent", "-path", folder, stdin=tries).out.count("-ERR") == 2
    refused = json.loads(run(folder, "log", "why", "right@test.com").out.splitlines()[-1])["reason"]
    noted = run(folder, "test", "right@test.com", "--password-stdin", stdin=b"secret\n").err
    for said in (refused.partition("wrong")[0], noted.partition(", whatever")[0]):
        assert said
        assert is_found(said, "A user cannot log in", of="it says")


COMMANDS = ["user show nobody@test.com", "user del right@test.com", "user passwd right@test.com"]


@pytest.mark.parametrize("command", ["--path /nonexistent user list", "--path {empty} user list", *COMMANDS])
def test_what_a_command_says_is_found(folder: str, command: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = run(folder, *command.format(empty=tmp_path_factory.mktemp("empty")).split())
    assert done.status
    assert is_found(done.err, "A command says", of="the message"), done.err


def test_a_slip_in_the_settings_is_found(folder: str) -> None:
    (Path(folder) / "nwauth.toml").write_text('[server]\nadress = "always"\n')
    assert is_found(run(folder, "user", "list").err, "A command says", of="the message")


def test_that_another_program_writes_is_found(tmp_path: Path) -> None:
    (tmp_path / "nwauth.txt").write_text("bob@test.com:*secret")  # a line without an end
    assert is_found(run(str(tmp_path), "user", "show", "eve@test.com").err, "A command says", of="the message")
