"""On a terminal: questions, hidden passwords, Ctrl-C, progress."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from nwauth.commands import terminal as stderr
from tests.commands.common import BOB, Terminal, base, contents, run

if TYPE_CHECKING:
    import pytest


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


def test_two_passwords_that_differ_are_asked_for_again_and_given_up(folder: str) -> None:
    before = contents(folder)
    terminal = Terminal(folder, "user", "passwd", "bob@test.com")
    for _ in range(3):
        answer(terminal, "New password: ", "one\n")
        answer(terminal, "Again: ", "two\n")
    assert terminal.end() == 2
    assert terminal.screen.count("New password: \nAgain: \nthe two differ, once more\n") == 2
    assert "the two passwords differed 3 times" in terminal.screen
    assert contents(folder) == before


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


def test_a_login_is_tried_with_a_typed_password(folder: str) -> None:
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


def test_a_long_work_tells_how_far_it_is(folder: str) -> None:
    os.mkfifo(os.path.join(folder, "out"))
    reader = os.open(os.path.join(folder, "out"), os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(os.path.join(folder, "out"), os.O_WRONLY)
    base(folder, users=b"".join(b"user%05d:*x:\n" % number for number in range(20000)))
    terminal = Terminal(folder, "user", "list", stdout=writer)
    os.close(writer)
    terminal.expect(" users, ")  # the pipe is full: the command waits
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as file:
        assert len(file.readlines()) == 20000
    assert terminal.end() == 0
    assert "\r\x1b[Kreading: [" in terminal.screen
    assert " s left" in terminal.screen
    assert max(len(line) for line in terminal.screen.split("\r\x1b[K")) < 80
    assert terminal.screen.endswith("\r\x1b[K20,000 of 20,000 users\n")


def test_a_quiet_work_does_not(folder: str) -> None:
    terminal = Terminal(folder, "--quiet", "merge")
    assert terminal.end() == 0
    assert terminal.screen == ""


def test_progress_tells_rate_and_time_left_where_a_total_is_known() -> None:
    def text(count: int | None, total: int | None, *, bar: bool) -> str:
        return stderr.progress_text("reading", count=count, total=total, seconds=4.0, bar=bar)

    assert text(None, None, bar=True) == "reading: 4 s"
    assert text(2000, None, bar=True) == "reading: 2,000 users, 500/s, 4 s"
    assert text(2000, 8000, bar=True) == "reading: [#####               ] 25% 2,000 users, 500/s, 12 s left"
    assert text(2000, 8000, bar=False) == "reading: 2,000 of about 8,000 users, 500/s, 12 s left"
    assert text(9000, 8000, bar=False) == "reading: 9,000 of about 9,000 users, 2,250/s, 0 s left"
    assert text(0, 8000, bar=True) == "reading: 0 users, 0/s, 4 s"
    assert len(text(9_999_999, 10_000_000, bar=True)) < 80


def test_off_a_terminal_progress_is_a_line_now_and_then(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stderr, "PLAIN_SECONDS", 0.01)
    totals = iter([14])  # asked for once
    with stderr.progress("reading", lambda: 7, lambda: next(totals), quiet=False) as clear:
        signal.pause()
        signal.pause()
        clear()
    lines = capfd.readouterr().err.splitlines()
    assert [line.startswith("reading: 7 of about 14 users, ") for line in lines[:2]] == [True, True]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    with stderr.progress("reading", quiet=True):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
