"""Results in every form, where they go, and how errors are told."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from tests.commands.common import BOB, COMMAND, SETTINGS, Terminal, base, environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOWN = {
    "user": "bob@test.com",
    "scheme": "clear",
    "weak": True,
    "store": "flatfile",
    "drop_path": "config",
    "uid": "0",
    "info": {"quota": "5", "full_name": "Bob Bee"},
}
INFO = 'quota="5" full_name="Bob Bee"'
SHOWN_AS_JSON = SHOWN | {"info_text": INFO}
CELLS = ["bob@test.com", "clear", "true", "flatfile", "config", "0", INFO]


def test_a_user_is_shown_in_every_form(folder: str) -> None:
    def shown(form: str) -> str:
        done = run(folder, "user", "show", "BOB@test.com", "--format", form)
        assert (done.status, done.err) == (0, "")
        return done.out

    apps = {"app_passwords": 0, "app_passwords_ok": 0}
    assert json.loads(shown("json")) == SHOWN_AS_JSON | apps
    assert json.loads(shown("ndjson")) == SHOWN_AS_JSON | apps
    table = [[*SHOWN, *apps], [*CELLS, "0", "0"]]
    assert list(csv.reader(io.StringIO(shown("csv")))) == table
    assert list(csv.reader(io.StringIO(shown("tsv")), delimiter="\t")) == table
    assert shown("table") == (
        "user       bob@test.com\n"
        "scheme     clear\n"
        "weak       yes\n"
        "store      flatfile\n"
        "drop path  config\n"
        "uid        0\n"
        "info       quota=5\n"
        "           full_name=Bob Bee\n"
    )


def test_users_are_listed_in_every_form(folder: str) -> None:
    base(folder, users=b"zoe:*x:\nadam:*x:\n")

    def listed(form: str) -> str:
        done = run(folder, "user", "list", "--format", form)
        assert (done.status, done.err) == (0, "2 of 2 users\n")
        return done.out

    assert [row["user"] for row in json.loads(listed("json"))] == ["adam", "zoe"]
    assert [json.loads(line)["user"] for line in listed("ndjson").splitlines()] == ["adam", "zoe"]
    assert [row["user"] for row in csv.DictReader(io.StringIO(listed("csv")))] == ["adam", "zoe"]
    assert [row["user"] for row in csv.DictReader(io.StringIO(listed("tsv")), delimiter="\t")] == ["adam", "zoe"]
    assert listed("table") == "USER  SCHEME  WEAK  INFO\nadam  clear   yes\nzoe   clear   yes\n"


def test_an_empty_listing_is_empty_in_every_form(folder: str) -> None:
    outs = {form: run(folder, "user", "list", "nobody", "--format", form).out for form in ("json", "ndjson", "csv")}
    assert outs == {"json": "[]\n", "ndjson": "", "csv": ",".join(SHOWN) + "\n"}


def test_the_stored_password_is_shown_only_on_purpose(folder: str) -> None:
    assert "secret" not in run(folder, "user", "show", "bob@test.com").out
    assert "secret" not in run(folder, "user", "list").out
    assert json.loads(run(folder, "user", "show", "bob@test.com", "--show-hash").out)["stored_password"] == "*secret"


def test_a_search_counts_all_hits_and_shows_some(folder: str) -> None:
    base(folder, users=b"".join(b"user%02d@test.com:*x:\n" % number for number in range(20)))
    done = run(folder, "user", "search", "user1?@*", "--from", "2", "--max", "3")
    assert [json.loads(line)["user"][4:6] for line in done.out.splitlines()] == ["12", "13", "14"]
    assert (done.status, done.err) == (0, "10 of 20 users\n")
    assert run(folder, "--quiet", "user", "search", "nobody") == (1, "", "")


def test_options_stand_before_or_behind_the_command_and_the_later_counts(folder: str) -> None:
    before = run("/nowhere", "-path", folder, "--format", "csv", "user", "list", "--format=json")
    behind = run("/nowhere", "user", "list", "--path", folder, "--format", "json")
    assert before == behind
    assert json.loads(before.out)[0]["user"] == "bob@test.com"


def test_what_does_not_print_is_escaped_in_a_table(folder: str) -> None:
    base(folder, users=b'bob:*x:a="\x1b[2J"\n')
    assert run(folder, "user", "list", "--format", "table").out.splitlines()[1] == r'bob   clear   yes   a="\x1b[2J"'


def test_what_is_no_field_is_shown_too(folder: str) -> None:
    base(folder, users=b'bob:*x:old style a="1"\n')
    for words in (("list",), ("show", "bob"), ("search", "bob")):
        row = json.loads(run(folder, "user", *words).out)
        assert (row["info"], row["info_text"]) == ({"a": "1"}, 'old style a="1"')
    table = run(folder, "user", "show", "bob", "--format", "table").out
    assert table.endswith('info       a=1\n           (stored: old style a="1")\n')


HOSTILE = "bob\x1b]0;x\x07\x9b2J\x7f"


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "ndjson", "table"])
@pytest.mark.parametrize("words", [("list",), ("show", HOSTILE)])
def test_a_hostile_name_steers_no_terminal(folder: str, form: str, words: tuple[str, ...]) -> None:
    base(folder, users=HOSTILE.encode() + b":*x:\n")
    terminal = Terminal(folder, "user", *words, "--format", form, NO_COLOR="1")
    assert terminal.end() == 0
    assert "bob" in terminal.screen
    assert terminal.screen.replace("\n", "").replace("\t", "").isprintable()
    piped = run(folder, "user", *words, "--format", form).out
    if form in ("csv", "tsv"):
        assert HOSTILE in piped
    elif form != "table":
        rows = json.loads(terminal.screen.removesuffix("1 of 1 users\n"))
        assert rows in (json.loads(piped), [json.loads(piped)])


def test_a_hostile_name_in_an_error_steers_no_terminal(folder: str) -> None:
    done = run(folder, "user", HOSTILE)
    assert (done.status, done.out) == (2, "")
    assert done.err.replace("\n", "").isprintable()


WIDE = ("\xdc\u6f22" * 40).encode()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_on_a_terminal_is_folded_to_its_width(folder: str, columns: int) -> None:
    base(folder, users=b'bob@test.com:*x:full_name="%s"\neve@%s.com:*x:\n' % (WIDE, b"long" * 20))
    terminal = Terminal(folder, "user", "list", NO_COLOR="1", columns=columns)
    assert terminal.end() == 0
    lines = terminal.screen.splitlines()
    assert lines[0].startswith("USER ")
    assert "\x1b" not in terminal.screen
    assert max(sum(2 if c > "\u2e80" else 1 for c in line) for line in lines) <= columns
    at = lines[0].index("INFO")  # nothing is cut: what does not fit goes on below
    assert "\xdc\u6f22" * 40 in "".join(line[at:] for line in lines[1:-1])
    names = "".join(line[: lines[0].index("SCHEME")].strip() for line in lines[1:-1])
    assert names == f"bob@test.comeve@{'long' * 20}.com"
    assert len(run(folder, "user", "list", "--format", "table").out.splitlines()[1]) > 80


@pytest.mark.parametrize(
    ("locale", "name"),
    [({"LC_ALL": "C"}, "J\\xfcrgen"), ({"LC_ALL": "en_US.ISO-8859-1"}, "J\\xfcrgen"), ({}, "J\xfcrgen")],
)
@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_terminal_without_utf8_gets_ascii(folder: str, locale: dict[str, Any], name: str, form: str) -> None:
    base(folder, users="J\xfcrgen:*x:\n".encode())
    terminal = Terminal(folder, "user", "list", "--format", form, NO_COLOR="1", **locale)
    assert terminal.end() == 0
    assert terminal.screen.splitlines()[1].startswith(name)
    missing = Terminal(folder, "user", "show", "J\xfcrg", NO_COLOR="1", **locale)
    assert missing.end() == 1
    assert name[:-2] in missing.screen
    assert "J\xfcrgen" in run(folder, "user", "list", "--format", form, **locale).out


def test_json_for_such_a_terminal_reads_back(folder: str) -> None:
    base(folder, users="J\xfcrgen:*x:\n".encode())
    terminal = Terminal(folder, "--quiet", "user", "list", "--format", "ndjson", LC_ALL="C")
    assert terminal.end() == 0
    assert terminal.screen.isascii()
    assert json.loads(terminal.screen)["user"] == "J\xfcrgen"


@pytest.mark.parametrize("text", ["e\u0301", "\u0e01\u0e31", "\u6f22", "\u1100\u1161", "\U0001f44d\U0001f3fd"])
def test_columns_line_up_whatever_the_letters(folder: str, text: str) -> None:
    from rich.cells import cell_len

    base(folder, users=f"{text}:*x:\nadam:*x:\n".encode())
    lines = run(folder, "user", "list", "--format", "table").out.splitlines()
    assert {cell_len(line[: line.index("clear")]) for line in lines[1:]} == {6}


def test_letters_that_turn_the_direction_of_writing_are_shown_as_what_they_are(folder: str) -> None:
    base(folder, users="bob\u202etxt.exe:*x:\n".encode())
    assert r"bob\u202etxt.exe" in run(folder, "user", "list", "--format", "table").out
    terminal = Terminal(folder, "user", "list")
    assert terminal.end() == 0
    assert r"bob\u202etxt.exe" in terminal.screen


def test_colours_are_for_terminals_and_those_who_want_them(folder: str) -> None:
    terminal = Terminal(folder, "user", "list")
    assert terminal.end() == 0
    assert terminal.screen.startswith("\x1b[1mUSER")
    assert "\x1b" not in run(folder, "user", "list", "--format", "table").out
    assert "\x1b[1m" in run(folder, "user", "list", "--format", "table", "--color", "always", NO_COLOR="1").out
    never = Terminal(folder, "--color", "never", "user", "list")
    assert never.end() == 0
    assert "\x1b" not in never.screen


def test_a_reader_who_has_enough_ends_it_quietly(folder: str) -> None:
    base(folder, users=b"".join(b"user%05d:*x:\n" % number for number in range(20000)))
    script = f"'{COMMAND[0]}' user list --quiet | head -1; echo ${{PIPESTATUS[0]}}"
    words = ["bash", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(NWAUTH_PATH=folder), check=True)
    assert done.stdout.splitlines()[0].startswith('{"user": "user00000"')
    assert (done.stdout.splitlines()[1:], done.stderr) == (["141"], "")


def run_unheard(folder: str, *words: str) -> tuple[int, str]:
    """A command whose stdout takes nothing: its exit status, and what it says on stderr."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(NWAUTH_PATH=folder),
            check=False,
            text=True,
        )
    return done.returncode, done.stderr


def test_results_that_cannot_be_written_are_told(folder: str) -> None:
    told = "nwauth: cannot read or write: [Errno 28] No space left on device (make room there)\n"
    assert run_unheard(folder, "user", "list") == (75, told)
    assert run_unheard(folder, "user", "set", "bob@test.com", "quota=6", "--dry-run") == (75, told)


def test_a_change_of_which_stdout_takes_no_word_is_not_to_be_tried_again(folder: str) -> None:
    """At exit status 75 a script would, and a second undo takes back the step before."""
    told = "users are changed, and stdout cannot be written (No space left on device)"
    lost = ", and the password that was made up is lost"
    changes: dict[tuple[str, ...], str] = {
        ("user", "set", "bob@test.com", "quota=6"): "",
        ("user", "app", "add", "bob@test.com", "phone"): lost,
        ("user", "add", "eve@test.com", "--generate"): lost,
        ("undo",): "",
    }
    for words, more in changes.items():
        assert run_unheard(folder, *words) == (1, f"nwauth: {told}{more}: nwauth undo takes it back\n")
    assert run(folder, "user", "show", "eve@test.com").status == 1
    assert json.loads(run(folder, "user", "show", "bob@test.com").out)["info"]["quota"] == "6"


def test_a_reader_who_has_gone_is_not_missed_unless_a_password_was_for_him_alone(folder: str) -> None:
    def unheard(*words: str) -> tuple[int, str]:
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run(
                [*COMMAND, *words], stdout=writing, stderr=subprocess.PIPE, env=environment(NWAUTH_PATH=folder),
                check=False, text=True,
            )  # fmt: skip
        finally:
            os.close(writing)
        return done.returncode, done.stderr

    assert unheard("user", "set", "bob@test.com", "quota=6") == (141, "")
    told = "users are changed, and stdout cannot be written (Broken pipe), and the password that was made up is lost"
    assert unheard("user", "add", "eve@test.com", "--generate") == (1, f"nwauth: {told}: nwauth undo takes it back\n")


def test_closed_standard_files_never_lead_into_a_user_file(folder: str) -> None:
    script = f"'{COMMAND[0]}' user set bob@test.com quota=6 <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", script], env=environment(NWAUTH_PATH=folder), check=False)
    assert done.returncode == 0
    with open(os.path.join(folder, "nwauth.add"), encoding="ascii") as file:
        assert [line for line in file if line[0] != "#"] == ['bob@test.com:*secret:quota="6" full_name="Bob Bee"\n']


WRONG_STORE = "--store: found 'sql', wanted 'flatfile' (nwauth user list --help tells more)"

LOOKUP = (
    "no such command 'lookup', did you mean 'user show' or 'policy show' or 'throttle show'? (nwauth --help tells more)"
)

# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("frob",), "no such command 'frob' (nwauth --help tells more)"),
        (("user", "frob"), "no such command 'frob' (nwauth user --help tells more)"),
        (("usr",), "no such command 'usr', did you mean 'user'? (nwauth --help tells more)"),
        (("help",), "no such command 'help', did you mean '--help'? (nwauth --help tells more)"),
        (("passwd", "bob"), "no such command 'passwd', did you mean 'user passwd'? (nwauth --help tells more)"),
        (("lookup", "bob"), LOOKUP),
        (("version",), "no such command 'version', did you mean '--version'? (nwauth --help tells more)"),
        (
            ("user", "bob@test.com", "show"),
            "no such command 'bob@test.com', did you mean 'show bob@test.com'? (nwauth user --help tells more)",
        ),
        (("user", "delete", "x"), "no such command 'delete', did you mean 'del'? (nwauth user --help tells more)"),
        (("-paht", "x"), "unknown option -paht, did you mean -path? (nwauth --help lists what there is)"),
        (
            ("user", "show"),
            "missing argument 'NAME', as in: nwauth user show bob@test.com (nwauth user show --help tells more)",
        ),
        (
            ("export", "u"),
            "got unexpected extra argument (u), as in: nwauth export > users.ndjson (nwauth export --help tells more)",
        ),
        (("user", "show", "a", "b"), "got unexpected extra argument (b) (nwauth user show --help tells more)"),
        (("user", "list", "--frob"), "no such option '--frob' (nwauth user list --help tells more)"),
        (("--store", "sql", "user", "list"), WRONG_STORE),
    ],
)
def test_a_wrong_command_line_is_misuse_in_one_line(folder: str, words: tuple[str, ...], text: str) -> None:
    assert run(folder, *words) == (2, "", f"nwauth: {text}\n")


def test_a_slip_in_an_option_is_told_with_what_is_meant(folder: str) -> None:
    done = run(folder, "user", "list", "--fromat", "json")
    assert (done.status, done.out) == (2, "")
    assert "--format" in done.err


def test_a_folder_that_nobody_named_is_told_with_how_to_name_one(tmp_path: Path) -> None:
    def told(*words: str, **env: str) -> str:
        words = (*COMMAND, "user", "list", *words)
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment() | env, check=False)
        assert done.returncode == 75
        return done.stderr

    text = f"nwauth: {tmp_path}: no user database, run nwauth init"
    assert told() == f"{text}, or name the folder that has one: --path DIR\n"
    gone = f"nwauth: {tmp_path}/gone: there is no such folder: --path DIR names another, nwauth init makes this one\n"
    assert told("--path", "gone") == gone
    assert told("--path", ".") == told(NWAUTH_PATH=".") == f"{text}\n"


def test_who_has_no_right_is_told_who_has(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from nwauth.commands import group
    from nwauth.commands.session import Choices
    from nwauth.errors import Refused

    lacking = Refused("/var/lib/nwauth/nwauth.toml: cannot be read: Permission denied")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert group._failed(lacking, Choices()) == 1
    assert capfd.readouterr().err == f"nwauth: {lacking} (type it as root, or as whom that belongs to)\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert group._failed(lacking, Choices()) == 1
    assert capfd.readouterr().err == f"nwauth: {lacking}\n"


def test_where_the_disk_is_in_the_way_it_is_said_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    from nwauth.commands.terminal import complain

    for number, remedy in ((errno.ENOSPC, "make room there"), (errno.EROFS, "mount -o remount,rw makes it writable")):
        for stands in ("", "; nothing is changed", "; 12 users are changed: run it again for the others"):
            complain(f"cannot write it: {os.strerror(number)}{stands}", color="never")
            assert capfd.readouterr().err.endswith(f"{stands} ({remedy})\n")


def test_too_little_memory_is_no_fault_of_the_program(capfd: pytest.CaptureFixture[str]) -> None:
    from nwauth.commands import group
    from nwauth.commands.session import Choices

    assert group._failed(MemoryError(), Choices()) == 75
    assert capfd.readouterr().err.startswith("nwauth: memory is short: give it more ")


def test_a_store_that_is_down_is_told_apart_from_a_missing_user(folder: str) -> None:
    os.unlink(os.path.join(folder, "nwauth.txt"))
    text = f"nwauth: {folder}: no user database, run nwauth init\n"
    for words in (("show", "bob"), ("list",), ("add", "bob", "--generate"), ("del", "bob", "--yes")):
        assert run(folder, "user", *words) == (75, "", text)
    tried = run(folder, "test", "bob", "--password-stdin", stdin=b"x")
    assert (tried.status, json.loads(tried.out)["verdict"], tried.err) == (75, "cannot tell", "")
    assert sorted(os.listdir(folder)) == ["nwauth.log", "nwauth.toml"]


def test_errors_name_the_folder_of_the_store(folder: str) -> None:
    elsewhere = os.path.join(folder, "elsewhere")
    os.mkdir(elsewhere)
    base(elsewhere)
    base(folder, settings=SETTINGS.replace('path = "."', 'path = "elsewhere"'))
    assert run(folder, "user", "show", "eve").err == f"nwauth: eve: no such user in store flatfile of {elsewhere}\n"
    os.unlink(os.path.join(elsewhere, "nwauth.txt"))
    down = (75, "", f"nwauth: {elsewhere}: no user database, run nwauth init\n")
    for words in (("user", "show", "bob"), ("user", "list"), ("merge", "--dry-run"), ("user", "del", "bob", "--yes")):
        assert run(folder, *words) == down
    base(folder, settings=SETTINGS.replace('path = "."', 'path = "elsewhere"\nread_only = true'))
    with open(os.path.join(elsewhere, "nwauth.txt"), "wb") as file:
        file.write(BOB)
    done = run(folder, "user", "set", "bob@test.com", "quota=6")
    assert done.err.startswith(f"nwauth: store flatfile of {elsewhere} takes no changes")


def test_a_hash_that_costs_too_much_names_no_folder(folder: str) -> None:
    field = f"$6$rounds=999999999$saltsalt${'x' * 86}"
    done = run(folder, "hash", "test", field, "--password-stdin", stdin=b"x")
    assert (done.status, done.out) == (75, "")
    assert done.err.startswith("nwauth: a sha512-crypt field asks for 999999999")


def test_a_broken_configuration_is_told_with_file_key_found_and_wanted(folder: str) -> None:
    base(folder, settings=SETTINGS.replace("bcrypt_cost = 4", "bcrypt_cost = 99"))
    done = run(folder, "user", "list")
    assert (done.status, done.out, done.err.count("\n")) == (75, "", 1)
    for word in (f"{folder}/nwauth.toml", "passwords.bcrypt_cost", "99", "4 to 1"):
        assert word in done.err


def test_the_traceback_is_for_those_who_ask(folder: str) -> None:
    done = run(folder, "user", "show", "eve", "--debug")
    assert done.status == 1
    assert done.err.startswith("Traceback (most recent call last):\n")
    assert done.err.endswith(f"\nnwauth: eve: no such user in store flatfile of {folder}\n")


def test_help_teaches(folder: str) -> None:
    from nwauth.commands.group import root

    assert run(folder, "--version").out.startswith("nwauth 0.")
    done = run(folder, "user", "add", "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(
        "Usage: nwauth user add [OPTIONS] NAME [FIELD=VALUE ...]\n\n  Add a user, with info fields.\n"
    )
    assert "Examples:\n  nwauth user add bob@test.com quota=200000000 full_name='Bob Bee'\n" in done.out
    helps = {" ".join(path): text for path, text in every_help(root, ("nwauth",))}
    assert len(helps) > 30
    assert [path for path, text in helps.items() if "Examples:" not in text] == []


def test_the_help_begins_with_what_a_newcomer_needs(folder: str) -> None:
    from nwauth.commands.group import SECTIONS, root

    text = run(folder, "--help").out
    titles = re.findall(r"^([A-Z].*):$", text, re.MULTILINE)
    assert titles[: len(SECTIONS)] == list(SECTIONS)
    assert text.index("\n  init ") < text.index("\n  user ") < text.index("\n  test ") < text.index("\nOptions:")
    assert "More commands" not in text, "a new command wants a section and some words: nwauth/commands/group.py"
    assert "..." not in text.replace("[ARGS]...", "")
    known = set(root.list_commands(click.Context(root)))
    assert known <= {name for texts in SECTIONS.values() for name in texts}


def test_the_help_imports_no_command() -> None:
    program = "import sys; from nwauth.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    words = [sys.executable, "-c", program, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
    assert not set(done.stderr.split()) & {"nwauth.commands.user", "nwauth.commands.init", "rich", "json.tool"}


def every_help(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    context = click.Context(command, info_name=" ".join(path))
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from every_help(found, (*path, name))


def test_a_group_without_a_command_is_misuse_and_shows_its_help(folder: str) -> None:
    done = run(folder, "user")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Usage: nwauth user [OPTIONS] COMMAND [ARGS]...\n")


def test_a_bug_is_told_as_try_again_and_logged(
    folder: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from nwauth.commands import group

    def stumble(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(group.root, "invoke", stumble)
    assert group.run_command(["-path", folder, "user", "list"]) == 75
    out, err = capfd.readouterr()
    assert (out, err) == ("", "nwauth: internal fault: KeyError (--debug shows where; please report it)\n")
    with open(os.path.join(folder, "nwauth.log"), encoding="ascii") as file:
        (line,) = file
    assert " bug level=error error=KeyError at=" in line


def test_a_command_imports_no_other_commands(folder: str) -> None:
    program = "import sys; from nwauth.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    words = [sys.executable, "-c", program, "-path", folder, "user", "show", "bob@test.com"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
    loaded = set(done.stderr.split())
    assert "nwauth.commands.user" in loaded
    others = {"user_changes", "user_states", "hashes", "init", "merge", "login", "completion", "serve"}
    assert not loaded & {f"nwauth.commands.{name}" for name in others}
    assert not loaded & {"passlib", "argon2", "sqlalchemy", "hypothesis"}


def test_serve_is_the_child_of_a_mail_server(folder: str) -> None:
    talk = b"check bob@test.com secret\nexit\n"
    done = run("/nowhere", "serve", "-path", folder, "-log", stdin=talk)
    assert (done.status, done.err) == (0, "")
    assert done.out == f"+OK bob@test.com config 0 {INFO}\n+OK goodbye\n"
    assert run("/nowhere", "--path", folder, "serve", stdin=b"lookup eve\n").out == "-ERR eve does not exist\n"
    assert run("/nowhere", "serve", "-path", folder, stdin=b"lookup eve\n").out == "-ERR eve does not exist\n"
    assert run(folder, "serve", "-frob") == (2, "", "nwauth: unknown option -frob (nwauth serve --help tells more)\n")


def test_quiet_keeps_back_no_record_that_a_format_asks_for(tmp_path: Path) -> None:
    folder = base(str(tmp_path))
    (tmp_path / "new.csv").write_text("name,password_hash\nann@test.com,!\n")
    (tmp_path / "plan.ndjson").write_text('{"name": "eve@test.com", "password_hash": "!"}\n')
    for words in (
        ("import", f"{folder}/new.csv"),
        ("apply", f"{folder}/plan.ndjson"),
        ("user", "set", "ann@test.com", "quota=1"),
        ("merge",),
        ("undo",),
        ("init",),
    ):
        asked = run(folder, *words, "--quiet", "--format", "ndjson")
        assert (asked.status, asked.err) == (0, ""), (words, asked)
        assert json.loads(asked.out.splitlines()[0]), words
        assert run(folder, *words, "--quiet").out == "", words
