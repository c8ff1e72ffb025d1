"""On a terminal: questions, hidden passwords, Ctrl-C, progress."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from typing import Any

import pytest

from nwauth.commands import progress as telling
from tests.commands.common import BOB, Terminal, base, contents, run


def answer(terminal: Terminal, prompt: str, keys: str) -> None:
    terminal.expect(prompt)
    terminal.type(keys)


def test_a_password_is_asked_for_twice_and_never_shown(folder: str) -> None:
    terminal = Terminal(folder, "user", "add", "eve", "quota=1")
    answer(terminal, "New password: ", "geheim\n")
    answer(terminal, "Again: ", "geheim\n")
    assert terminal.end() == 0
    assert terminal.screen == ("New password: \nAgain: \neve added\n  password  stored as argon2id\n  quota     1\n")
    assert run(folder, "test", "eve", "--password-stdin", stdin=b"geheim").status == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("a b",), "'a b' cannot be the name of a user: "),
        (("eve@",), "'eve@' cannot be the name of a user: "),
        (("eve", "valid_until=soon"), "valid_until"),
        (("bob@test.com",), "bob@test.com exists already: "),
    ],
)
def test_a_user_who_cannot_be_added_is_refused_before_a_password_is_typed(
    folder: str, words: tuple[str, ...], text: str
) -> None:
    before = contents(folder)
    terminal = Terminal(folder, "user", "add", *words, NO_COLOR="1")
    assert terminal.end() == 1
    assert "New password" not in terminal.screen
    assert text in terminal.screen
    assert contents(folder) == before


def test_two_passwords_that_differ_are_asked_for_again_and_given_up(folder: str) -> None:
    before = contents(folder)
    terminal = Terminal(folder, "user", "passwd", "bob@test.com")
    for _ in range(3):
        answer(terminal, "New password: ", "one\n")
        answer(terminal, "Again: ", "two\n")
    assert terminal.end() == 2
    assert terminal.screen.count("New password: \nAgain: \nthe two differ, once more\n") == 2
    assert "no password was taken in 3 attempts: the two differ" in terminal.screen
    assert contents(folder) == before


def test_an_empty_password_is_asked_for_again_before_it_is_typed_twice(folder: str) -> None:
    terminal = Terminal(folder, "user", "add", "eve")
    answer(terminal, "New password: ", "\n")
    answer(terminal, "it cannot be empty, once more\nNew password: ", "geheim\n")
    answer(terminal, "Again: ", "geheim\n")
    assert terminal.end() == 0
    assert run(folder, "test", "eve", "--password-stdin", stdin=b"geheim").status == 0


def test_ctrl_c_at_a_question_ends_with_130_and_one_line(folder: str) -> None:
    before = contents(folder)
    terminal = Terminal(folder, "user", "add", "eve")
    answer(terminal, "New password: ", "half\x03")
    assert terminal.end() == 130
    assert terminal.screen.replace("^C", "") == "New password: \n\x1b[31mnwauth:\x1b[0m interrupted\n"
    assert contents(folder) == before


def test_the_end_of_the_input_is_no_password(folder: str) -> None:
    terminal = Terminal(folder, "user", "add", "eve", NO_COLOR="1")
    answer(terminal, "New password: ", "\x04")
    assert terminal.end() == 2
    assert "nwauth: the input ended before an answer was given (" in terminal.screen


def test_deleting_asks_and_takes_only_a_yes(folder: str) -> None:
    base(folder, users=BOB + b"eve:*x:\n")
    terminal = Terminal(folder, "user", "del", "eve", "bob@test.com", NO_COLOR="1")
    answer(terminal, "Delete 2 users (eve, bob@test.com)? [y/N] ", "\n")
    assert terminal.end() == 1
    assert terminal.screen.endswith("nwauth: nothing was deleted\n")
    terminal = Terminal(folder, "user", "del", "eve")
    answer(terminal, "Delete eve? [y/N] ", "y\n")
    assert terminal.end() == 0
    assert terminal.screen.endswith("eve deleted\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("apply", "-", "--input", "ndjson"), "the plan is read from the terminal"),
        (("import", "-", "--update"), "the file of users is read from the terminal"),
    ],
)
def test_what_is_typed_in_the_place_of_a_file_is_asked_for_and_ends_with_one_key(
    folder: str, words: tuple[str, ...], told: str
) -> None:
    terminal = Terminal(folder, *words)
    answer(
        terminal,
        f"{told}: type it, and end with Ctrl-D on a line of its own\n",
        '{"name": "bob@test.com", "a": "7"}\n\x04',
    )
    assert terminal.end() == 0
    assert json.loads(run(folder, "user", "show", "bob@test.com").out)["info"]["a"] == "7"


def test_a_login_is_tried_with_a_typed_password(folder: str) -> None:
    base(folder, users=BOB + b"eve:*x:\n")
    terminal = Terminal(folder, "test", "bob@test.com", "--from", "192.0.2.7", "--service", "pop3")
    answer(terminal, "Password: ", "secret\n")
    assert terminal.end() == 0
    assert terminal.screen == (
        "Password: \n\x1b[32myes\x1b[0m\n  user     bob@test.com\n  store    flatfile\n  scheme   clear\n"
        "  from     192.0.2.7\n  service  pop3\n"
    )


def test_a_field_and_a_password_are_asked_for(folder: str) -> None:
    terminal = Terminal(folder, "hash", "test", NO_COLOR="1")
    answer(terminal, "Field: ", "*secret\n")
    answer(terminal, "Password: ", "wrong\n")
    assert terminal.end() == 1
    assert terminal.screen.endswith("clear (weak): does not fit: wrong password\n")


def listing_that_waits(folder: str, **env: Any) -> str:
    """The screen of a listing into a pipe that is read only when progress was shown."""
    os.mkfifo(os.path.join(folder, "out"))
    reader = os.open(os.path.join(folder, "out"), os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(os.path.join(folder, "out"), os.O_WRONLY)
    base(folder, users=b"".join(b"user%05d:*x:\n" % number for number in range(20000)))
    terminal = Terminal(folder, "user", "list", stdout=writer, **env)
    os.close(writer)
    terminal.expect(" users, ")  # the pipe is full: the command waits
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as file:
        assert len(file.readlines()) == 20000
    assert terminal.end() == 0
    return terminal.screen


def test_a_long_work_tells_how_far_it_is(folder: str) -> None:
    screen = listing_that_waits(folder, NO_COLOR="1")
    assert re.search(r"\r\x1b\[Kreading: [ \u2501\u2578\u257a]{20} [0-9]+% [0-9,]+ users, [0-9,.]+/s, [0-9]+ ", screen)
    assert " left" in screen
    assert max(len(line) for line in screen.split("\r\x1b[K")) < 80
    assert screen.endswith("\r\x1b[K20,000 of 20,000 users\n")


def test_a_quiet_work_does_not(folder: str) -> None:
    terminal = Terminal(folder, "--quiet", "merge")
    assert terminal.end() == 0
    assert terminal.screen == ""


SHOWN_AT_ONCE = """
import sys
from nwauth.commands import progress
progress.FIRST_SECONDS = progress.EVERY_SECONDS = 0.005

class Bar(progress.Bar):  # what is done between two ticks of the clock is shown at its end
    def clear(self):
        self.show()
        super().clear()

progress.Bar = Bar
from nwauth.cli import main
sys.exit(main())
"""
PHASES = {
    ("apply", "plan.ndjson"): ["reading", "changing", "printing"],
    ("apply", "plan.ndjson", "--dry-run"): ["reading", "comparing"],
    ("export", "--to", "csv", "-o", "plan.csv"): ["reading", "writing"],
    ("undo", "--yes"): ["reading", "comparing", "changing", "printing"],
    ("import", "plan.csv"): ["reading", "changing"],
    ("copy", "--from", "flatfile", "--to", "sqlite:///users.db", "--make"): ["copying", "comparing"],
    ("export", "--store", "db"): ["reading"],
}


def test_each_part_of_a_long_work_tells_how_far_it_is_and_what_is_left(folder: str) -> None:
    with open(os.path.join(folder, "plan.ndjson"), "w", encoding="ascii") as plan:
        plan.writelines(f'{{"name": "user{number:05}", "password_hash": "!"}}\n' for number in range(20_000))
    base(folder, users=b"")
    for words, phases in PHASES.items():
        if "db" in words:
            with open(os.path.join(folder, "nwauth.toml"), "a", encoding="ascii") as settings:
                settings.write('[[stores]]\nname = "db"\nkind = "sql"\nurl = "sqlite:///users.db"\n')
        nowhere = os.open(os.devnull, os.O_WRONLY)
        command = [sys.executable, "-c", SHOWN_AT_ONCE]
        terminal = Terminal(folder, *words, command=command, stdout=nowhere, cwd=folder, columns=100, NO_COLOR="1")
        os.close(nowhere)
        assert terminal.end() == 0, terminal.screen
        for phase in phases:
            assert re.search(rf"{phase}: \S+ +[0-9]+% [0-9,]+ users, [0-9,.]+/s, ", terminal.screen), (
                words,
                phase,
                terminal.screen,
            )


def test_a_terminal_that_is_halted_keeps_a_long_work_from_nothing(folder: str) -> None:
    """What is to be shown meanwhile waits in no pile: thousands of lines would be too many for the interpreter."""
    work = "import time; from nwauth.commands import progress as p; p.FIRST_SECONDS = p.EVERY_SECONDS = 0.0001\n"
    work += "with p.progress('reading', lambda: 1, lambda: 2, quiet=False):\n    end = time.monotonic() + 1\n"
    work += "    while time.monotonic() < end: pass\nprint('done')"
    terminal = Terminal(folder, command=[sys.executable, "-c", work])
    assert terminal.end() == 0
    assert terminal.screen.endswith("done\n")


def work(count: int | None, total: int | None, *, unit: str = "users") -> telling.Work:
    return telling.Work("reading", lambda: count, lambda: total, unit=unit)


def test_progress_tells_rate_and_time_left_where_a_total_is_known() -> None:
    def text(count: int | None, total: int | None, *, about: bool = False) -> str:
        return telling.words(work(count, total), seconds=4.0, about=about)

    assert text(None, None) == "4 s"
    assert text(2000, None) == "2,000 users, 500/s, 4 s"
    assert text(2000, 8000) == "2,000 users, 500/s, 12 s left"
    assert text(2000, 8000, about=True) == "2,000 of about 8,000 users, 500/s, 12 s left"
    assert text(9000, 8000, about=True) == "9,000 of about 9,000 users, 2,250/s, 4 s"
    assert text(0, 8000) == "0 users, 0/s, 4 s"
    assert telling.words(work(7, None, unit="lines"), seconds=1.0) == "7 lines, 7.0/s, 1 s"
    assert [telling.in_short(seconds) for seconds in (59.4, 200, 7512)] == ["59 s", "3 min 20 s", "2 h 05 min"]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("total", [None, 10_000_000])
def test_a_bar_is_never_wider_than_the_terminal(columns: int, total: int | None) -> None:
    line = telling.Bar(work(9_999_999, total), color=False).line(columns=columns)
    assert line.startswith("reading: ")
    assert len(line) < columns
    assert ("\u2501" in line) == (total is not None and columns >= 80)
    if columns >= 80:
        assert "9,999,999 users, " in line


def test_a_bar_has_colours_only_where_they_are_wanted() -> None:
    plain, colored = (telling.Bar(work(5, 10), color=color).line(columns=80) for color in (False, True))
    assert "\x1b" not in plain
    assert "\x1b[" in colored
    assert " 50% 5 users, " in plain


@pytest.mark.parametrize(
    ("locale", "drawn"),
    [({"LC_ALL": "C"}, "-----"), ({"LC_ALL": "", "LANG": "de_DE.UTF-8"}, "\u2501" * 5), ({}, "\u2501" * 5)],
)
def test_a_bar_is_drawn_in_what_the_terminal_shows(folder: str, locale: dict[str, str], drawn: str) -> None:
    assert drawn in listing_that_waits(folder, **locale)


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(folder: str) -> None:
    screen = listing_that_waits(folder, TERM="dumb")
    assert "\x1b" not in screen
    assert "\r" not in screen
    assert screen.endswith("20,000 of 20,000 users\n")


def test_off_a_terminal_progress_is_a_line_now_and_then(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "PLAIN_SECONDS", 0.01)
    with telling.progress("reading", lambda: 7, lambda: 14, quiet=False) as clear:
        signal.pause()
        signal.pause()
        clear()
    lines = capfd.readouterr().err.splitlines()
    assert [line.startswith("reading: 7 of about 14 users, ") for line in lines[:2]] == [True, True]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    with telling.progress("reading", quiet=True):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
