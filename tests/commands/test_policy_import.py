"""``nwauth policy import``: what it prints, what it says on stderr, and its exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from nwauth.policy.reading import read_policy
from tests.commands.common import COMMAND, Terminal, contents, environment, run

if TYPE_CHECKING:
    from pathlib import Path

TIME_CONF = "# hours\n*;*;student*;Wk0830-1700\n*;*;!root;Wk1800-0800\n"


def time_conf(folder: Path, content: str | bytes = TIME_CONF) -> str:
    path = folder / "time.conf"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_a_time_conf_becomes_a_policy_file(folder: str, tmp_path: Path) -> None:
    path = time_conf(tmp_path)
    before = contents(folder)
    done = run(folder, "policy", "import", "--pam-time", path)
    assert done.status == 0
    policy = read_policy(done.out.encode(), file="policy.toml")
    names = ["pam_time, line 2", "not for root: pam_time, line 3", "pam_time, line 3"]
    assert [rule.name for rule in policy.rules] == names
    assert done.err == "note: 5 remarks, beside the rules: what differs from before\n"
    assert done.out.count("# remark: ") == 5
    assert contents(folder) == before


def test_the_same_comes_from_stdin_and_twice(folder: str, tmp_path: Path) -> None:
    path = time_conf(tmp_path)
    named, again = (run(folder, "policy", "import", "--pam-time", path) for _ in range(2))
    given = run(folder, "policy", "import", "--pam-time", "-", stdin=TIME_CONF.encode())
    assert named == again
    assert given.out.replace("stdin", path) == named.out


def test_what_comes_out_is_in_force_where_it_is_put(folder: str) -> None:
    done = run(folder, "policy", "import", "--allow-nets", "10.0.0.0/8", "--user", "*@test.com")
    assert (done.status, done.err.count("\n")) == (0, 1)
    with open(os.path.join(folder, "policy.toml"), "w", encoding="utf-8") as file:
        file.write(done.out)
    for address, status in (("10.1.2.3", 0), ("192.0.2.1", 1)):
        words = ("test", "bob@test.com", "--password-stdin", "--from", address)
        assert run(folder, *words, stdin=b"secret").status == status, address


def test_a_login_time_is_put_on_a_class_and_named(folder: str) -> None:
    words = ("--login-time", "Wk0830-1700", "--class", "student", "--class", "guest", "--name", "hours")
    done = run(folder, "policy", "import", *words)
    assert done.status == 0
    (rule,) = read_policy(done.out.encode(), file="policy.toml").rules
    assert (rule.name, rule.classes, rule.allow) == ("hours: outside of the hours", ("student", "guest"), False)


@pytest.mark.parametrize("option", ["--login-time", "--allow-nets"])
def test_one_line_may_come_from_stdin(folder: str, option: str) -> None:
    text = {"--login-time": "Wk0830-1700", "--allow-nets": "10.0.0.0/8"}[option]
    typed, piped = (
        run(folder, "policy", "import", option, text),
        run(folder, "policy", "import", option, "-", stdin=f"{text}\n".encode()),
    )
    assert typed == piped
    assert run(folder, "policy", "import", option, "-", stdin=b"a\nb\n").status == 1


def test_what_cannot_be_translated_is_told_and_the_rest_is_printed(folder: str, tmp_path: Path) -> None:
    path = time_conf(tmp_path, "*;*;@staff;Al0800-1700\n*;*;*;Wk0830-1700\n*;*;*;Al08-17\n")
    done = run(folder, "policy", "import", "--pam-time", path, "--quiet")
    assert done.status == 1
    lines = done.err.splitlines()
    assert [line.split(": ")[:3] for line in lines] == [
        ["nwauth", "not translated", f"{path}:1:5"],
        ["nwauth", "not translated", f"{path}:3:9"],
    ]
    assert len(read_policy(done.out.encode(), file="policy.toml").rules) == 1
    assert done.out.count("# NOT TRANSLATED: ") == 2


def test_another_form_has_the_remarks_and_faults_apart(folder: str) -> None:
    done = run(folder, "policy", "import", "--login-time", "Wk0830-1700,Wd", "--format", "json")
    record = json.loads(done.out)
    assert list(record) == ["policy", "remarks", "not_translated"]
    assert done.status == 1
    assert len(record["not_translated"]) == 1
    read_policy(record["policy"].encode(), file="policy.toml")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "wanted one of --pam-time, --login-time and --allow-nets"),
        (("--login-time", "Al", "--allow-nets", "local"), "wanted one of --pam-time"),
        (("--pam-time", "x", "--user", "bob"), "--user does not go with --pam-time"),
        (("--login-time", "Al", "--user", "@staff"), "found @staff, wanted a name"),
        (("--login-time", "Al", "--name", "a\x1bb"), "found 'a\\x1bb', wanted printable text"),
        (("--login-time", "Al", "--class", " "), "wanted printable text"),
        (("--login-time", "Al", "--class", "stud*"), "wanted a whole name"),
    ],
)
def test_misuse_is_told(folder: str, words: tuple[str, ...], told: str) -> None:
    done = run(folder, "policy", "import", *words)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert told in done.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("*;*;*;Wk\n".encode("utf-16"), "found a NUL byte (UTF-16?), wanted text in UTF-8 or ASCII"),
        (b"#" * (1 << 20) + b"\n", "found more than 1,048,576 bytes"),
    ],
    ids=["utf-16", "large"],
)
def test_what_is_no_text_is_refused(folder: str, tmp_path: Path, content: bytes, told: str) -> None:
    done = run(folder, "policy", "import", "--pam-time", time_conf(tmp_path, content))
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert told in done.err


@pytest.mark.parametrize("ending", ["<&-", "</dev/null"])
def test_an_empty_or_closed_stdin_says_nothing_and_that_is_remarked(folder: str, ending: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {ending}', "sh", *COMMAND, "policy", "import", "--pam-time", "-"],
        capture_output=True,
        text=True,
        env=environment(NWAUTH_PATH=folder),
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "# remark: no line says anything: everybody is let in at all times" in done.stdout


def test_a_file_that_is_not_there_is_told(folder: str) -> None:
    for path in ("/nowhere/time.conf", folder):
        done = run(folder, "policy", "import", "--pam-time", path)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
        assert f"{path}: cannot be read: " in done.err


def test_no_control_character_reaches_the_terminal(folder: str, tmp_path: Path) -> None:
    path = time_conf(tmp_path, b"*;*;\x1b[31mbob\xff;Wk0830-1700\n# \x1b]0;x\x07\n*;*;\xe2\x80\xaebob;Al0000-0100\n")
    terminal = Terminal(folder, "policy", "import", "--pam-time", path, "--color", "never")
    assert terminal.end() == 1
    assert terminal.screen.replace("\n", "").isprintable()
    assert 'found "\\x1b"' in terminal.screen
