"""``nwauth completion``: the scripts, and what they are answered."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.commands.common import BOB, COMMAND, base, environment, run


def answers(folder: str, line: str, breaks: str = "") -> list[str]:
    done = run(folder, "completion", "bash", "--answer", line, "--breaks", breaks)
    assert (done.status, done.err) == (0, "")
    return done.out.splitlines()


def test_commands_options_and_names_are_completed(folder: str) -> None:
    base(folder, users=BOB + b"bea@test.com:*x:\neve:*x:\n")
    assert answers(folder, "nwauth me") == ["plain\tmerge"]
    assert answers(folder, "nwauth user re") == ["plain\trename", "plain\tresume"]
    assert answers(folder, "nwauth user show --show") == ["plain\t--show-hash"]
    assert answers(folder, "nwauth user show b") == ["plain\tbea@test.com", "plain\tbob@test.com"]
    assert answers(folder, "nwauth user del bob@test.com e") == ["plain\teve"]
    assert answers("/nowhere", f"nwauth -path {folder} user show e") == ["plain\teve"]
    assert answers(folder, "nwauth -path /t") == ["dir"]


def test_the_app_passwords_of_the_user_that_is_named_are_completed(folder: str) -> None:
    base(folder, users=b'bob:*x:app_passwords="phone;what|Pad;what|tablet;what"\neve:*x:\n')
    assert answers(folder, "nwauth user app del bob p") == ["plain\tphone", "plain\tPad"]
    assert answers(folder, "nwauth user app del eve ") == []
    assert answers(folder, "nwauth user app del nobody ") == []


def test_bash_gets_what_follows_the_last_break(folder: str) -> None:
    assert answers(folder, "nwauth user show bob@t", " \n@=:") == ["plain\ttest.com"]


def test_trouble_is_never_shown(folder: str) -> None:
    base(folder, settings="bad =")
    assert answers(folder, "nwauth user show b") == []
    assert answers("/nowhere", "nwauth user show b") == []
    assert answers(folder, "nwauth 'no such") == []


def test_no_more_names_are_offered_than_can_be_looked_at(folder: str) -> None:
    base(folder, users=b"".join(b"user%05d:*x:\n" % number for number in range(5000)))
    assert len(answers(folder, "nwauth user show u")) == 100


def test_bash_completes_with_the_script(folder: str) -> None:
    keys = (
        'COMP_LINE="nwauth user show bob@"; COMP_POINT=${#COMP_LINE}; _nwauth_completion nwauth; echo "${COMPREPLY[@]}"'
    )
    script = f'PATH="{os.path.dirname(COMMAND[0])}:$PATH"; eval "$(nwauth completion bash)" && {keys}'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment(NWAUTH_PATH=folder), check=True
    )
    assert (done.stdout, done.stderr) == ("test.com\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(folder: str, shell: str) -> None:
    script = run(folder, "completion", shell)
    assert (script.status, script.err) == (0, "")
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=script.out, text=True, check=True)
