"""docs/moving-policies.md: its commands print what it shows, and its policies decide as their tests say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nwauth.policy.reading import read_policy
from nwauth.policy.rules import Login

PAGE = Path(__file__).resolve().parents[2] / "docs" / "moving-policies.md"
TEXT = PAGE.read_text()
SHOWN = re.findall(r"^```sh\n(.*?)^```\n\n```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
POLICIES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
WITH_TESTS = [policy for policy in POLICIES if "[[test]]" in policy]


@pytest.mark.parametrize(("commands", "out"), SHOWN, ids=("pam_time", "login_time", "allow_nets"))
def test_the_commands_of_the_page_print_what_it_shows(commands: str, out: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-e"],
        input=commands,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONWARNINGS": "error"},
        timeout=60,
    )
    assert done.stdout == out
    count = out.count("# remark: ")
    plural = "" if count == 1 else "s"
    assert done.stderr == f"note: {count} remark{plural}, beside the rules: what differs from before\n"


@pytest.mark.parametrize("content", WITH_TESTS, ids=("groups", "mask"))
def test_the_policies_of_the_page_decide_as_their_tests_say(content: str) -> None:
    policy = read_policy(content.encode(), file="policy.toml")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert len(policy.trials) >= 4
    for trial in policy.trials:
        login = Login(name="x", classes=trial.classes, store="files", service=trial.service, address=trial.address)
        assert policy.decide(login, now).allowed is trial.allow, trial.place


def test_every_block_of_the_page_is_run() -> None:
    assert len(SHOWN) == TEXT.count("```sh\n") == 3
    assert len(POLICIES) == len(SHOWN) + len(WITH_TESTS)
    for target in re.findall(r"\]\(([^)#:]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
