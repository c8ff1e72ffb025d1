"""``nwauth user add`` and ``passwd`` beside servers that send every password in lower case."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from nwauth.commands import dmail_option
from nwauth.commands.group import run_command
from tests.commands.common import run

if TYPE_CHECKING:
    from tests.commands.common import Run

LOWERED = "host_domain test.com\ndrop_path /mail\nlowercase_password true\n"


@pytest.fixture
def dmail(folder: str) -> str:
    """The settings of servers that lower passwords."""
    file = os.path.join(folder, "dmail.conf")
    with open(file, "w", encoding="ascii") as opened:
        opened.write(LOWERED)
    return file


def add(folder: str, password: bytes, *words: str, **env: str) -> Run:
    return run(folder, "user", "add", "eve", "--password-stdin", *words, stdin=password + b"\n", **env)


def warning(dmail: str, text: str) -> str:
    return f"note: the servers send passwords in lower case (lowercase_password, {dmail}, line 3), and {text}\n"


def can_log_in(folder: str, password: bytes) -> bool:
    return run(folder, "test", "eve", "--password-stdin", stdin=password + b"\n").status == 0


def test_a_password_with_capitals_is_stored_with_a_warning(folder: str, dmail: str) -> None:
    done = add(folder, b"SeCret", "--dmail-conf", dmail)
    assert (done.status, json.loads(done.out)["change"]) == (0, "added")
    assert done.err == warning(dmail, "this one has capitals and lets nobody in: --lowercase folds it")
    assert can_log_in(folder, b"SeCret")
    assert not can_log_in(folder, b"secret")


def test_lowercase_folds_it_and_there_is_nothing_to_warn_of(folder: str, dmail: str) -> None:
    done = add(folder, b"SeCret", "--lowercase", "--dmail-conf", dmail)
    assert (done.status, done.err) == (0, "")
    assert can_log_in(folder, b"secret")


def test_a_password_without_capitals_is_no_matter(folder: str, dmail: str) -> None:
    assert add(folder, b"secret", "--dmail-conf", dmail).err == ""
    done = run(folder, "user", "passwd", "eve", "--generate", "--dmail-conf", dmail)
    assert (done.status, done.err) == (0, "")


def test_a_changed_password_is_warned_of_too(folder: str, dmail: str) -> None:
    words = ("user", "passwd", "bob@test.com", "--password-stdin", "--dmail-conf", dmail)
    done = run(folder, *words, stdin=b"SeCret\n")
    assert (done.status, "this one has capitals" in done.err) == (0, True)


def test_a_ready_hash_cannot_be_looked_into_and_that_is_said(folder: str, dmail: str) -> None:
    field = json.loads(run(folder, "hash", "make", "--generate").out)["field"]
    done = run(folder, "user", "add", "eve", "--hash", field, "--dmail-conf", dmail)
    assert done.err == warning(dmail, "the hash lets somebody in only if its password has no capitals")


def test_the_environment_names_the_file_once_for_all(folder: str, dmail: str) -> None:
    assert "this one has capitals" in add(folder, b"SeCret", NWAUTH_DMAIL_CONF=dmail).err


def test_quiet_says_nothing(folder: str, dmail: str) -> None:
    assert add(folder, b"SeCret", "--quiet", "--dmail-conf", dmail).err == ""


@pytest.mark.parametrize("setting", ["lowercase_password false\n", "lowercase_password\n", ""])
def test_servers_that_send_passwords_as_they_are_need_no_warning(folder: str, dmail: str, setting: str) -> None:
    with open(dmail, "w", encoding="ascii") as file:
        file.write(setting)
    assert add(folder, b"SeCret", "--dmail-conf", dmail).err == ""


def test_a_file_that_was_named_and_is_not_there_changes_nothing(folder: str) -> None:
    done = add(folder, b"SeCret", "--dmail-conf", os.path.join(folder, "away"))
    assert (done.status, done.out, "found no file" in done.err) == (2, "", True)
    assert run(folder, "user", "show", "eve").status == 1


def test_without_a_word_of_it_the_file_where_dmail_has_it_counts_if_it_can_be_read(
    folder: str, dmail: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    password = os.path.join(folder, "password")
    with open(password, "w", encoding="ascii") as file:
        file.write("SeCret\n")
    monkeypatch.delenv("NWAUTH_DMAIL_CONF", raising=False)
    for default, warned in ((os.path.join(folder, "away"), False), (folder, False), (dmail, True)):
        monkeypatch.setattr(dmail_option, "DEFAULT_FILE", default)
        assert run_command(["-path", folder, "user", "passwd", "bob@test.com", "--password-file", password]) == 0
        assert ("this one has capitals" in capfd.readouterr().err) is warned
