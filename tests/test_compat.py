"""``nwauth compat``: each fault of a module is found, and told in one clear line."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.conformance import transcripts
from nwauth.conformance.playing import ALIKE, BLANK_ANSWERED, DIFFERS, SILENT, STAYS
from tests.commands.common import COMMAND, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# A module between: it asks a right one, and spoils what that says.
WRONG = r"""
import os, subprocess, sys, time
fault, *command = sys.argv[1:]
right = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
out = sys.stdout.buffer
FINAL = (b"+OK", b"-ERR", b"-DEAD")

def asked(line):
    right.stdin.write(line)
    right.stdin.flush()
    lines = [right.stdout.readline()]
    while lines[-1].split(b" ")[0].strip() not in FINAL:
        lines.append(right.stdout.readline())
    return lines

def spoilt(request, lines):
    word = request.split()[0].lower()
    yes = lines[-1].startswith(b"+OK")
    if fault == "denies" and word == b"lookup" and yes:
        return [b"-ERR nobody\n"]
    if fault == "lets in" and word == b"check" and not yes:
        return [b"+OK bob config 0\n"]
    if fault == "forgets dead":
        return [line.replace(b"-DEAD", b"-ERR") for line in lines]
    if fault == "always dead":
        return [b"-DEAD try later\n"]
    if fault == "ends in crlf":
        return [line.replace(b"\n", b"\r\n") for line in lines]
    if fault == "says much" and not yes:
        return [b"-ERR " + b"x" * 200 + b"\n"]
    if fault == "steers" and word == b"lookup" and yes:
        return [b"+OK \x1b[31mbob config 0\n"]
    if fault == "other text" and not yes:
        return [b"-ERR no\n"]
    if fault == "other spelling" and word == b"lookup" and yes:
        return [lines[-1].upper()]
    if fault == "other folder" and word == b"lookup" and yes:
        return [lines[-1].replace(b" config ", b" /var/mail ")]
    if fault == "other uid" and word == b"lookup" and yes:
        return [lines[-1].replace(b" config 0", b" config 8")]
    if fault == "no uid" and word == b"lookup" and yes:
        return [lines[-1].replace(b" config 0", b" config")]
    if fault == "other info" and word == b"lookup" and yes:
        return [lines[-1].replace(b"quota", b"Quota")]
    if fault == "other user" and word == b"lookup" and yes:
        return [b"+OK zzz " + lines[-1].split(b" ", 2)[2]]
    if fault == "no such uid" and word == b"lookup" and yes:
        return [lines[-1].replace(b" config 0", b" config -1")]
    if fault == "lists and denies" and not yes:
        return [b"+DATA zzz\n", *lines]
    if fault == "other hit info" and word == b"search":
        return [*(line.rstrip() + b' quota="9"\n' for line in lines[:-1]), lines[-1]]
    if fault == "hides a hit":
        return lines[1:] if len(lines) > 1 else lines
    if fault == "adds a hit" and word == b"search":
        return [b"+DATA zzz\n", *lines]
    if fault == "other order" and word == b"search":
        return [*lines[:-1][::-1], lines[-1]]
    if fault == "answers twice":
        return [*lines, *lines]
    return lines

if fault == "greets":
    out.write(b"Welcome to the mail module\n")
    out.flush()
for line in sys.stdin.buffer:
    if fault == "hangs":
        time.sleep(600)
    if fault == "dies":
        os.write(2, b"no database of that name\n")
        os._exit(1)
    if fault == "babbles":
        while True:
            out.write(b"+DATA " + b"x" * 65536 + b"\n")
    if not line.strip(b" \t\r\n"):
        if fault == "answers nothing":
            out.write(b"-ERR empty line\n")
            out.flush()
        continue
    for one in spoilt(line, asked(line)):
        out.write(one)
    if fault != "buffers":
        out.flush()
if fault == "stays":
    time.sleep(600)
"""


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path / "wrong.py"


def played(module: Path, fault: str, *words: str, status: int = 1) -> tuple[list[dict[str, Any]], str]:
    """The replies that differ, and what is said in the end."""
    command = shlex.join([sys.executable, "-W", "ignore", str(module), fault, *COMMAND, "-path", "{folder}"])
    done = run("/nowhere", "compat", "--cmd", command, *words)
    assert done.status == status, done.err
    return done.records(), done.err


def test_a_module_between_that_spoils_nothing_is_right(wrong: Path) -> None:
    assert played(wrong, "nothing", "--only", "vendor", "--only", "search", status=0)[0] == []


DENIED = "a user who is there is denied: a server would bounce the mail"
FAULTS = {
    "denies": ("vendor", DIFFERS, f"-ERR where +OK is wanted: {DENIED}"),
    "lets in": ("vendor", DIFFERS, "+OK where -ERR is wanted: a login is let in that is to be refused"),
    "forgets dead": (
        "nobase", DIFFERS,
        "-ERR where -DEAD is wanted: what cannot be told is answered as a no: a server would bounce the mail",
    ),
    "always dead": ("vendor", DIFFERS, "it cannot tell what it has to know"),
    "ends in crlf": ("vendor", DIFFERS, "lines end in CR LF, wanted LF alone"),
    "says much": ("vendor", DIFFERS, "a line of 205 bytes, wanted fewer than 100"),
    "steers": ("vendor", DIFFERS, "a control character stands in the answer"),
    "other text": ("vendor", DIFFERS, "the text is another"),
    "other spelling": ("lookup", DIFFERS, "the name is another"),
    "other folder": ("vendor", DIFFERS, "the drop path is another"),
    "other uid": ("vendor", DIFFERS, "the uid is another"),
    "other user": ("vendor", DIFFERS, "the name is another"),
    "no such uid": ("vendor", DIFFERS, "the uid is another"),
    "lists and denies": ("vendor", DIFFERS, "1 are listed that are no hits"),
    "other hit info": ("vendor", DIFFERS, "a hit has another text"),
    "no uid": ("vendor", DIFFERS, "drop path and uid are not all there"),
    "other info": ("vendor", DIFFERS, "the info is another"),
    "hides a hit": ("vendor", DIFFERS, "1 hits are not listed"),
    "adds a hit": ("vendor", DIFFERS, "1 are listed that are no hits"),
    "other order": ("vendor", DIFFERS, "the hits come in another order"),
    "answers twice": ("vendor", SILENT, "no answer: the module said what it was not asked for: "),
    "answers nothing": ("commands", SILENT, BLANK_ANSWERED),
    "greets": (
        "vendor", SILENT, "no answer: the module said what it was not asked for: 'Welcome to the mail module\\\\n'"
    ),
    "hangs": ("vendor", SILENT, "no answer: the module did not answer within 2 s"),
    "stays": ("quit", DIFFERS, STAYS),
    "dies": ("vendor", SILENT, "no answer: the module ended, exit status 1; it says: no database of that name"),
    "babbles": ("vendor", SILENT, "no answer: the module sent more than 16 MiB for one answer"),
    "buffers": (
        "vendor", SILENT,
        "no answer: the module did not answer within 2 s, but did when its input ended: it must flush each reply",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_clear_line(wrong: Path, fault: str) -> None:
    name, result, why = FAULTS[fault]
    found, note = played(wrong, fault, "--only", name, "--timeout", "2")
    assert found[0]["result"] == result
    assert "\n" not in found[0]["why"]
    if fault == "greets":  # it may come before the first request, or after
        assert "Welcome to the mail module" in found[0]["why"]
    elif fault == "answers twice":
        assert "not asked for" in found[0]["why"] or "it answered twice" in found[0]["why"]
    else:
        assert found[0]["why"] == why
    assert [row["result"] for row in found].count(SILENT) == (result == SILENT)
    assert note.endswith(f"{[row['result'] for row in found].count(SILENT)} never came\n")


@pytest.mark.parametrize(
    "fault",
    [
        *("denies", "lets in", "hides a hit", "adds a hit", "forgets dead", "steers", "other user", "no such uid"),
        *("lists and denies", "other hit info", "says much"),
    ],
)
def test_netwins_dialect_excuses_no_fault(wrong: Path, fault: str) -> None:
    name = FAULTS[fault][0]
    if name == "nobase":  # which is not played in that dialect
        found, note = played(wrong, fault, "--only", name, "--profile", "netwin", status=0)
        assert (found, "nobase was not played" in note) == ([], True)
        return
    found, _ = played(wrong, fault, "--only", name, "--profile", "netwin")
    assert FAULTS[fault][2] in {row["why"] for row in found if row["result"] == DIFFERS}


@pytest.mark.parametrize("fault", ["ends in crlf", "other text", "no uid", "other order"])
def test_netwins_dialect_is_no_fault(wrong: Path, fault: str) -> None:
    status = int(fault == "no uid")  # with info behind it has to be there
    found, _ = played(wrong, fault, "--only", FAULTS[fault][0], "--profile", "netwin", status=status)
    assert "dialect" in {row["result"] for row in found}


def test_a_module_that_answers_nothing_is_not_waited_for_in_every_transcript(wrong: Path) -> None:
    found, note = played(wrong, "hangs", "--timeout", "0.5")
    assert [row["result"] for row in found] == [SILENT, SILENT]
    assert "transcripts were not played: the module answers nothing" in note


# --- transcripts -----------------------------------------------------------------------------------------------------


def listed(*words: str) -> list[dict[str, Any]]:
    done = run("/nowhere", "compat", "--list", *words)
    assert (done.status, done.err) == (0, "")
    return done.records()


def test_the_transcripts_are_listed_with_what_each_is_about() -> None:
    rows = listed()
    assert [row["transcript"] for row in rows] == transcripts.names()
    assert all(row["about"] and row["requests"] and os.path.isfile(row["file"]) for row in rows)
    assert [row["transcript"] for row in listed("--only", "vendor")] == ["vendor"]


def test_a_transcript_of_ones_own_is_played(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text(
        '# user ann:*secret:quota="1"\n# Ours.\n> lookup ann\n< +OK ann config 0 quota="1"\n>\n> exit\n< +OK goodbye\n'
    )
    command = f"{COMMAND[0]} -path {{folder}}"
    done = run("/nowhere", "compat", "--cmd", command, "--transcript", str(own))
    assert (done.status, done.out, done.err) == (0, "", "3 replies alike, 0 differ, 0 never came\n")
    assert listed("--transcript", str(own))[0]["about"] == "Ours."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("> lookup bob\nhello\n", "line 2: found 'hello', wanted > and a request"),
        ("< +OK\n", "line 1: found '< +OK', wanted >"),
        ("# users many\n> exit\n", "line 1: found users 'many', wanted a number"),
        ("> a\\qb\n", "line 1: found \\q, wanted one of"),
        ("# nothing\n", "found no request"),
    ],
)
def test_what_is_no_transcript_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    own = tmp_path / "own.txt"
    own.write_text(text)
    done = run("/nowhere", "compat", "--cmd", "true {folder}", "--transcript", str(own))
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert told in done.err.replace("\\\\", "\\")


@pytest.mark.parametrize("words", [(), ("--cmd", "true {folder}", "--only", "vendor", "--transcript", "x"),
                                   ("--cmd", "true {folder}", "--transcript", "/nowhere/x.txt")])  # fmt: skip
def test_what_cannot_be_played_is_misuse(words: Sequence[str]) -> None:
    done = run("/nowhere", "compat", *words)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)


def test_a_reply_is_told_to_people_with_what_was_wanted_and_found(wrong: Path) -> None:
    command = shlex.join([sys.executable, str(wrong), "denies", *COMMAND, "-path", "{folder}"])
    done = run("/nowhere", "compat", "--cmd", command, "--only", "vendor", "--format", "table")
    assert done.out.startswith(
        f"vendor, line 6: differs: -ERR where +OK is wanted: {DENIED}\n"
        "> lookup bob@test.com\n  wanted +OK bob@test.com config 0\n  found  -ERR nobody\n\n"
    )
    assert ALIKE not in done.out
