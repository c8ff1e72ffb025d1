"""A newcomer's first ten minutes, in a shell on a terminal of 80 columns: what is typed was read there before."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import COMMAND, Terminal, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMPT = "newcomer> "
TWICE = {"New password: ": "secret", "Again: ": "secret"}
ONCE = {"Password: ": "secret"}


class Newcomer:
    """Somebody who has no page of the manual open: types, reads, and types what was read."""

    def __init__(self, home: Path, *, columns: int = 80) -> None:
        self.home = home
        self._terminal = Terminal(
            "",
            command=("bash", "--norc", "--noprofile", "+o", "history"),
            cwd=str(home),
            columns=columns,
            PATH=f"{os.path.dirname(COMMAND[0])}:{os.environ['PATH']}",
            PS1=PROMPT,
            INPUTRC="/dev/null",
            NO_COLOR="1",
        )
        self._terminal.expect(PROMPT)

    def types(self, line: str, answers: dict[str, str] | None = None) -> str:
        """Type a line, answer what is asked; what the screen shows of it."""
        start = len(self._terminal.screen)
        self._terminal.type(f"{line}\n")
        self._terminal.expect("\n")  # the line itself
        for question, answer in (answers or {}).items():
            self._terminal.expect(question)
            self._terminal.type(f"{answer}\n")
        self._terminal.expect(PROMPT)
        shown = self._terminal.screen[start:].removesuffix(PROMPT)
        return shown.replace("\x1b[?2004h", "").replace("\x1b[?2004l", "").replace("\r", "").partition("\n")[2]

    def leaves(self) -> None:
        self._terminal.type("exit\n")
        self._terminal.end()


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    home = tmp_path / "home"
    home.mkdir()
    somebody = Newcomer(home)
    yield somebody
    somebody.leaves()


def line_of(screen: str, word: str) -> str:
    """The line of the screen that begins with that word, as somebody would type it from there."""
    found = re.search(rf"^ *({word}\b.*)$", screen, re.MULTILINE)
    assert found is not None, f"the screen does not say how to {word!r}: {screen}"
    return found[1]


def block_below(screen: str, title: str) -> str:
    """The indented lines below a line that ends so, as they are copied into a file."""
    found = re.search(rf"{title}\n((?:    .*\n)+)", screen)
    assert found is not None, screen
    return re.sub(r"^ {4}", "", found[1], flags=re.MULTILINE)


def test_from_the_help_to_a_mail_server_that_knows_its_users(newcomer: Newcomer) -> None:
    help_ = newcomer.types("nwauth --help")
    first = help_[help_.index("The first ten minutes:") : help_.index("Who may log in:")]
    assert re.findall(r"^  (\w+) ", first, re.MULTILINE) == ["init", "user", "test", "doctor"]

    made = newcomer.types("nwauth init")
    assert "nwauth.txt: the user base, made\n" in made

    added = newcomer.types(line_of(made, "nwauth user add").replace("NAME@DOMAIN", "bob@test.com"), TWICE)
    assert "bob@test.com added\n" in added

    tried = newcomer.types(line_of(added, "nwauth test"), ONCE)
    assert "\nyes\n" in f"\n{tried}"

    again = newcomer.types(line_of(tried, "nwauth init"))
    conf = newcomer.home / "dmail.conf"
    (newcomer.home / "in").mkdir()
    conf.write_text(f"host_domain test.com\ndrop_path {newcomer.home}/in\n" + block_below(again, "In dmail.conf:"))
    doctor = f"{line_of(tried, 'nwauth doctor')} --dmail-conf dmail.conf"
    assert newcomer.types(doctor) == "nothing is wrong\n", "what init advises is right to doctor"
    asked = newcomer.types("nwauth names bob@test.com --dmail-conf dmail.conf")
    assert re.search(r"^mail to bob@test\.com +bob@test\.com +yes ", asked, re.MULTILINE), asked

    words = shlex.split(line_of(conf.read_text(), "authent_process"))[1:]
    server = subprocess.run(
        words, input=b"check bob@test.com secret\nexit\n", capture_output=True, env=environment(), check=True
    )
    assert server.stdout == b"+OK bob@test.com config 0\n+OK goodbye\n"
    assert "10 answers as they should be, 0 wrong" in newcomer.types("nwauth selftest --dmail-conf dmail.conf")


def test_who_types_the_name_of_the_program_alone_is_told_where_he_is(newcomer: Newcomer) -> None:
    screen = newcomer.types("nwauth", {"exit ends)": "exit"})
    assert "this is what a mail server talks to; nwauth --help tells of the commands for people\n" in screen
    assert screen.endswith("+OK goodbye\n")


def test_a_wrong_folder_a_wrong_password_and_an_unknown_name_say_what_to_do(newcomer: Newcomer) -> None:
    lost = newcomer.types("nwauth user list")
    assert "no user database, run nwauth init, or name the folder that has one: --path DIR\n" in lost
    assert newcomer.types("nwauth test bob@test.com") == lost, "before a password is typed"
    assert newcomer.types("nwauth user add bob@test.com --generate") == lost
    assert os.listdir(newcomer.home) == [], "and no log is left where nothing is"
    newcomer.types("nwauth init --quiet")
    newcomer.types("nwauth user add bob@test.com", TWICE)
    assert "no: wrong password\n" in newcomer.types("nwauth test bob@test.com", {"Password: ": "guess"})
    assert "no: no such user\n" in newcomer.types("nwauth test bib@test.com", ONCE)
    assert "did you mean 'user passwd'?" in newcomer.types("nwauth passwd bob@test.com").replace("\n", "")
