"""Every block of every page is run or read as the program that it is for would; who adds one of a new kind says how.

The ways are few: ``sh`` (commands, each block in a new folder), ``console`` (a session on a terminal, which goes on
through the page), ``toml``, ``conf`` (a dmail.conf), ``log``, ``ndjson``, and conversations, whose lines begin with
``> `` and ``< ``.  `tests.documents.pages.Block` lists what a comment above a block may say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import COMMAND
from tests.doctoring import servers_of_others
from tests.documents.commands import is_as_shown, printed, run
from tests.documents.loading import LOADERS
from tests.documents.pages import ROOT, Block, blocks
from tests.documents.sessions import Session, commands_of

if TYPE_CHECKING:
    from collections.abc import Iterable

# Pages with a test of their own that is as strict as these: what it runs, and where it stands.
ELSEWHERE = {
    ("docs/commands.md", "console"): "tests/test_manual.py",
    ("docs/commands.md", "text"): "tests/test_manual.py",
    ("docs/moving-policies.md", "sh"): "tests/policy/test_imports_document.py",
    ("docs/policy.md", "sh"): "tests/test_policy_document.py",
    ("docs/system.md", "sh"): "tests/stores/test_system_rooms.py",
    ("docs/system.md", "pam"): "tests/stores/test_system_rooms.py",
    ("docs/undo.md", "console"): "tests/test_undo_document.py",
}


def way(block: Block) -> str:
    """By which of the tests below it is run; empty: by none."""
    if "not run" in block.marks:
        return "not run"
    if "run by" in block.marks or (block.page, block.language) in ELSEWHERE:
        return "run by"
    if is_conversation(block):
        return "conversation"
    return block.language if block.language in ("sh", "console", *LOADERS) else ""


def is_conversation(block: Block) -> bool:
    return not block.language and all(line[:2] in ("> ", "< ") for line in block.text.splitlines())


def of(*ways: str) -> list[Block]:
    return [block for block in blocks() if way(block) in ways]


def by_title(found: Iterable[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", found, ids=str)


def test_there_is_no_block_that_nobody_runs() -> None:
    assert [f"{block}: {block.language or 'no language'}" for block in blocks() if not way(block)] == []


def test_what_is_not_run_says_why_and_what_is_run_elsewhere_says_where() -> None:
    assert [str(block) for block in of("not run") if len(block.marks["not run"].split()) < 3] == []
    for block in of("run by"):
        module = block.marks.get("run by") or ELSEWHERE[block.page, block.language]
        assert Path(block.page).name in (ROOT / module).read_text(), f"{block}: {module}"


def test_of_the_pages_with_tests_of_their_own_none_is_listed_in_vain() -> None:
    assert set(ELSEWHERE) == {(block.page, block.language) for block in blocks()} & set(ELSEWHERE)


@by_title(of("sh"))
def test_commands_print_what_is_shown(block: Block, tmp_path: Path) -> None:
    if "fail2ban-regex" in block.text and shutil.which("fail2ban-regex") is None and not os.environ.get("CI"):
        pytest.skip("no fail2ban-regex here (Debian package fail2ban)")
    shown = printed(block.text)
    with servers_of_others(may_run=False):
        done = run(block.marks.get("first", "") + "\n" + block.text, tmp_path)
    assert done.stderr == ""
    assert is_as_shown("\n".join(shown), done.stdout), done.stdout


def test_every_block_of_commands_shows_something() -> None:
    assert [str(block) for block in of("sh") if not printed(block.text)] == []


@pytest.mark.parametrize("page", sorted({block.page for block in of("console")}))
def test_a_session_goes_as_shown(page: str, tmp_path: Path) -> None:
    sessions = [Session(tmp_path / "0")]
    try:
        for block in of("console"):
            if block.page == page:
                if "anew" in block.marks:
                    sessions.append(Session(tmp_path / str(len(sessions))))
                play(block, sessions[-1])
    finally:
        for session in sessions:
            session.leave()


def play(block: Block, session: Session) -> None:
    session.prepare(block.marks.get("anew", "") + "\n" + block.marks.get("first", ""))
    commands = commands_of(block.text)
    lines = [line for command, shown in commands for line in f"{command}\n{shown}".splitlines()]
    assert commands, block
    assert len(lines) == len(block.text.splitlines()), f"{block}: what stands above its first command?"
    with servers_of_others(may_run=False):
        for command, shown in commands:
            screen = session.play(command)
            assert is_as_shown(shown, screen), f"{block}\n$ {command}\n{screen}"


@by_title(of("conversation"))
def test_a_conversation_goes_as_shown(block: Block, tmp_path: Path) -> None:
    shutil.copy(ROOT / "nwauth.txt.example", tmp_path / "nwauth.txt")
    os.utime(tmp_path / "nwauth.txt", (1_700_000_000, 1_700_000_000))
    if "first" in block.marks:
        assert run(f"set -e\n{block.marks['first']}", tmp_path).stderr == ""
    lines = block.text.splitlines()
    requests = [line[2:] for line in lines if line.startswith("> ")]
    done = subprocess.run(
        [*COMMAND, "-path", tmp_path, *block.marks.get("options", "").split()],
        input="\n".join(requests) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    replies = "\n".join(line[2:] for line in lines if line.startswith("< "))
    assert is_as_shown(replies, done.stdout), done.stdout
    assert re.search(r"^> .*\n< ", block.text, re.MULTILINE)


@by_title(of(*LOADERS))
def test_what_a_program_reads_can_be_read(block: Block, tmp_path: Path) -> None:
    below = block.marks.get("below", "")
    LOADERS[block.language](f"{below}\n{block.text}" if below else block.text, tmp_path)
