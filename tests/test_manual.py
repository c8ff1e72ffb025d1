"""The manual of the commands, docs/commands.md: what it shows is run, what it lists is there, its reference is printed.

``python -m tests.test_manual`` writes the reference anew, and the manual pages (tests/test_manpages.py).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest

from nwauth.commands.group import root
from tests.commands.common import BOB, COMMAND, Terminal, base, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

MANUAL = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
BEGIN, END = "<!-- reference -->\n", "<!-- end of reference -->"
COMMON = "Options common to all commands:"
FOLDER, INSTALLED = "/var/lib/nwauth", "/opt/nwauth/bin/nwauth"  # what the manual calls them
EVE = b"eve@test.com:*secret:\n"
PHIL = b'phil@test.com:*secret:app_passwords="phone;{ssha256}%b"\n' % (b"A" * 48)
STUDENT = BOB.replace(b'"5"', b'"5" mailaccess="student"')
ANSWERS = {
    "New password: ": "secret\n",
    "Again: ": "secret\n",
    "Password: ": "secret\n",
    "[y/N] ": "y\n",
    "type a request": "exit\n",
}
DMAIL = """\
authent_method external
authent_process nwauth
authent_domain true
host_domain test.com
drop_path /var/mail/in
lowercase_username true
"""
MULTIAUTH = "module 0\nbinary nwauth -path /var/lib/nwauth\ndo_set true\nmodule 1\nbinary odbcauth\ntimeout 5\n"
PLANS = {
    "users.toml": """\
[scope]
match = "*@test.com"

[defaults]
quota = "200000000"

[[user]]
name = "bob@test.com"
full_name = "Bob"
password_hash = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"

[[user]]
name = "carl@test.com"
password_hash = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"
""",
    "people.csv": "name,password_hash\nadele@test.com,{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf\n",
    "staff.csv": "Full Name,login,password\nAdele,adele@test.com,secret\n",
    "passwd": "adele:x:1000:1000:Adele:/home/adele:/bin/sh\n",
    "shadow": "adele:{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf:20000:0:99999:7:::\n",
    ".htpasswd": "bob@test.com:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
    "users.csv": "name,quota\nbob@test.com,7\neve@test.com,\n",
    "users.ndjson": '{"name": "bob@test.com", "quota": 7}\n{"name": "carl@test.com", "generate": true}\n',
}
RULES = """\
[policy]
zone = "Pacific/Auckland"
default = "allow"

[throttle]

[[rule]]
name = "cleaning"
deny = true
class = ["student"]
when = "Sun 03:00-04:00"
"""
MANY = b"".join(b"user%05d@test.com:*x:\n" % number for number in range(20000))


# --- the reference ---------------------------------------------------------------------------------------------------


def every_command(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words that call each command and group, in the order of the help."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from every_command(found, (*path, name))


@cache
def printed_help(path: tuple[str, ...]) -> str:
    """What a command prints for ``--help`` on 80 columns."""
    words = [*COMMAND, *path[1:], "--help"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(COLUMNS="80"), check=True)
    assert done.stderr == ""
    return done.stdout


def sections(text: str) -> tuple[str, str]:
    """A help without the options common to all commands, and these."""
    match = re.search(rf"^{COMMON}\n(?:  .*\n)+\n?", text, re.MULTILINE)
    return (text, "") if match is None else (text.replace(match[0], ""), match[0].strip("\n"))


def reference() -> str:
    """The last chapter of the manual."""
    chapters = []
    for path in every_command(root, ("nwauth",)):
        text = printed_help(path) if len(path) == 1 else sections(printed_help(path))[0]
        chapters.append(f"### {' '.join(path)}\n\n```text\n{text.strip()}\n```\n")
    return "\n" + "\n".join(chapters) + "\n"


def test_the_reference_is_what_the_program_prints() -> None:
    shown = MANUAL.read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown == reference(), "write it anew: .venv/bin/python -m tests.test_manual"


def test_every_command_appears_in_the_reference() -> None:
    headings = re.findall(r"^### (nwauth.*)$", MANUAL.read_text(), re.MULTILINE)
    assert headings == [" ".join(path) for path in every_command(root, ("nwauth",))]
    assert len(headings) > 30


def test_the_options_common_to_all_are_the_same_in_all() -> None:
    found = {path: sections(printed_help(path))[1] for path in every_command(root, ("nwauth",))}
    assert found.pop(("nwauth", "serve")) == ""  # it takes the options of a server's child
    assert set(found.values()) == {found["nwauth",]}


def test_no_line_of_the_reference_is_wider_than_the_screen() -> None:
    wide = [line for line in reference().splitlines() if len(line) > 80]
    assert [line for line in wide if not line.startswith("  nwauth ")] == []  # an example is one line


# --- what is shown is run --------------------------------------------------------------------------------------------


class Place:
    """Where commands of the manual are run: a folder for the base, one to stand in, and the environment."""

    def __init__(self, path: Path, **env: str) -> None:
        self.folder = str(path / "nwauth")
        self.here = path / "here"
        (self.here / ".config" / "fish" / "completions").mkdir(parents=True)
        (self.here / "broken").mkdir()
        (self.here / "broken" / "nwauth.toml").write_text("bad =\n")
        (self.here / "file").write_text("secret\n")
        (self.here / "wrong").write_text("guess\n")
        (self.here / "two-lines").write_text("*secret\nsecret\n")
        (self.here / "dmail.conf").write_text(DMAIL)
        (self.here / "multiauth.ini").write_text(MULTIAUTH)
        for name, text in PLANS.items():
            (self.here / name).write_text(text)
        self.env = {"PATH": f"{os.path.dirname(COMMAND[0])}:{os.environ['PATH']}", "HOME": str(self.here)} | env

    def fill(self, users: bytes) -> None:
        """Make a base with users in it."""
        os.mkdir(self.folder)
        base(self.folder, users=users)

    def guard(self) -> None:
        """Have rules, a throttle that has counted, and a log."""
        Path(self.folder, "nwauth.toml").write_text('[server]\naddress = "always"\n[log]\nlevel = "info"\n')
        Path(self.folder, "policy.toml").write_text(RULES)
        (self.here / "new.toml").write_text(RULES.replace("04:00", "05:00"))
        (self.here / "clumsy.toml").write_text('[policy]\ndefault = "deny"\n')
        (self.here / "logins.ndjson").write_text('{"user": "bob@test.com", "at": "Sun 03:30"}\n')
        (self.here / "time.conf").write_text("*;*;bob;Wk0800-1700\n")
        os.utime(f"{self.folder}/nwauth.txt", (1, 1))
        requests = [b"secret 192.0.2.7", b"guess 192.0.2.7", b"other 192.0.2.7", b"other 10.1.2.3"]
        subprocess.run(
            [*COMMAND, "-path", self.folder],
            input=b"".join(b"check bob@test.com %b\n" % request for request in requests),
            capture_output=True,
            check=True,
        )
        shutil.copy(f"{self.folder}/nwauth.log", self.here)

    def change(self) -> None:
        """Have something that can be taken back."""
        for change in ("set bob@test.com new=1", "add zoe@test.com --generate", "set bob@test.com new=3"):
            words = [*COMMAND, "user", *change.split(), "--path", self.folder]
            subprocess.run(words, check=True, capture_output=True)

    def play(self, command: str, answers: dict[str, str] | None = None) -> tuple[int, str]:
        """Run a command on a terminal; its exit status, and the screen as the manual would show it."""
        words = ("bash", "-c", command.replace(FOLDER, self.folder))
        path = self.env.get("NWAUTH_PATH", "")
        env: dict[str, Any] = {key: value for key, value in self.env.items() if key != "NWAUTH_PATH"}
        terminal = Terminal(path, command=words, cwd=str(self.here), NO_COLOR="1", **env)
        status = terminal.answer(ANSWERS if answers is None else answers)
        screen = re.sub(r"(?:\r\x1b\[K[^\r\n]*)*\r\x1b\[K", "", terminal.screen)  # progress comes and goes
        return status, screen.replace(self.folder, FOLDER).replace(COMMAND[0], INSTALLED)


def session() -> list[tuple[str, str]]:
    """Every command of the manual's prose, in order, and what it shows."""
    blocks = "".join(re.findall(r"^```console\n(.*?)^```$", MANUAL.read_text(), re.MULTILINE | re.DOTALL))
    return re.findall(r"^\$ (.*)\n((?:[^$].*\n|\n)*)", blocks, re.MULTILINE)


def as_pattern(shown: str) -> str:
    """What is shown as a regular expression: ``...`` stands for anything; blanks that end a line do not count."""
    return re.escape(shown.rstrip()).replace(r"\.\.\.", ".*")


def test_the_session_in_the_manual_goes_as_shown(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for first in ("init", "user add bob@test.com quota=200000000 full_name='Bob Bee'"):  # as the quick start does
        assert place.play(f"nwauth {first} --path {FOLDER}")[0] == 0
    commands = session()
    assert len(commands) > 15
    for command, shown in commands:
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            place.env[name] = value.replace(FOLDER, place.folder)
            continue
        _, screen = place.play(command)
        seen = "\n".join(line.rstrip() for line in screen.splitlines()).rstrip()
        assert re.fullmatch(as_pattern(shown), seen, re.DOTALL), f"$ {command}\n{seen}"


def examples() -> list[str]:
    """Every example in the reference."""
    found: list[str] = []
    for section in re.findall(r"^Examples:\n((?:  .*\n)+)", MANUAL.read_text(), re.MULTILINE):
        found += [line.strip() for line in section.splitlines()]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("example", examples())
def test_an_example_of_the_reference_does_what_it_says(tmp_path: Path, example: str) -> None:
    if "completion zsh" in example and shutil.which("zsh") is None:
        pytest.skip("no zsh here")
    place = Place(tmp_path)
    place.env["NWAUTH_PATH"] = place.folder
    guarded = any(f" {word} " in f"{example} " for word in ("explain", "policy", "throttle", "log"))
    if "nwauth import multiauth.ini" in example:
        os.mkdir(place.folder)
    elif " init " not in example:
        bob = PHIL.replace(b"phil", b"bob") if " user app del " in example else STUDENT if guarded else BOB
        place.fill(EVE if " user add " in example else bob + EVE)
    if guarded:
        place.guard()
    if " undo" in example:
        place.change()
    if "--faults" in example:
        os.utime(f"{place.folder}/nwauth.txt", (1, 1))
    command = example.replace("/usr/local/dmail", FOLDER).replace("/etc/security/", "")
    if "completion zsh" in example:
        command = f"zsh -fc 'autoload -Uz compinit; compinit -D; {command.partition('#')[0]}'"
    status, screen = place.play(command)
    rehearsed = "--dry-run" in example and any(f" {word} " in example for word in ("apply", "import staff.csv"))
    assert status == (3 if rehearsed else 0), screen
    assert "Traceback" not in screen


# --- the exit status -------------------------------------------------------------------------------------------------


def statuses() -> list[tuple[int, str]]:
    """Each case of the table with its exit status."""
    rows = re.findall(r"^\| (\d+) \| .*? \| (.*) \|$", MANUAL.read_text(), re.MULTILINE)
    return [
        (int(status), command.replace(r"\|", "|"))
        for status, cell in rows
        for command in re.findall(r"`(nwauth .*?)`", cell)
    ]


def test_the_table_of_the_exit_status_is_whole() -> None:
    assert sorted({status for status, _ in statuses()}) == [0, 1, 2, 3, 75, 130, 141]
    told = re.sub(r"\s+", " ", printed_help(("nwauth",))).partition("Exit status: ")[2]
    assert [int(word) for word in re.findall(r"\b\d+\b", told)] == [0, 1, 2, 3, 75, 130, 141]


@pytest.mark.parametrize(("status", "command"), statuses())
def test_a_case_of_the_table_ends_with_its_exit_status(tmp_path: Path, status: int, command: str) -> None:
    place = Place(tmp_path)
    place.env["NWAUTH_PATH"] = place.folder
    place.fill(MANY if status == 141 else BOB + EVE)
    answers = {"New password: ": "\x03"} if status == 130 else ANSWERS
    if status == 141:
        command += "; exit ${PIPESTATUS[0]}"
    found, screen = place.play(command, answers)
    assert found == status, screen


# --- the keys --------------------------------------------------------------------------------------------------------

TYPES = {
    "text": (str,),
    "decimal": (float,),
    "text or null": (str, type(None)),
    "number": (int,),
    "number or null": (int, type(None)),
    "decimal number": (float,),
    "list": (list,),
    "true or false": (bool,),
    "object": (dict,),
    "object or null": (dict, type(None)),
}
RECORDS = {
    "A user": ["user show bob@test.com", "user list", "user search bob", "user list --show-hash"],
    "A change": [
        "user add adam --password-file file",
        "user add ada --generate",
        "user set bob@test.com quota=6",
        "user passwd bob@test.com --generate",
        "user suspend bob@test.com",
        "user resume bob@test.com",
        "user expire bob@test.com 2027-01-31",
        "user rename bob@test.com rob@test.com",
        "user set rob@test.com quota=7 --dry-run",
        "user app del rob@test.com --all --yes",
        "user del rob@test.com --yes",
    ],
    "An app password given": ["user app add bob@test.com phone", "user app add bob@test.com tablet --dry-run"],
    "An app password": ["user app list phil@test.com"],
    "A login tried": [
        "test bob@test.com --password-stdin < file",
        "test bob@test.com --password-stdin --from 192.0.2.7 --service pop3 --at 2027-01-31 < wrong",
    ],
    "What init made": ["init", "init --dry-run"],
    "A user of a plan": ["apply users.ndjson --dry-run", "apply users.ndjson"],
    "A plan applied": ["apply users.ndjson --summary --dry-run", "apply users.ndjson --summary"],
    "A user as before": ["undo --dry-run", "undo"],
    "A step taken back": ["undo --summary --dry-run", "undo --summary"],
    "A step": ["undo --list"],
    "Users imported": ["import people.csv --dry-run", "import people.csv"],
    "What import made": ["import multiauth.ini --path . --dry-run", "import multiauth.ini --path ."],
    "A copy": [
        "copy --from flatfile --to sqlite:///users.db --make --dry-run",
        "copy --from flatfile --to sqlite:///users.db --make",
    ],
    "A merge": ["merge", "merge --dry-run"],
    "A hash made": ["hash make --password-file file --format ndjson", "hash make --generate"],
    "A hash tried": ["hash test --password-stdin < two-lines", "hash test --password-stdin '*x' < file"],
    "A scheme": ["hash list"],
    "Password fields counted": ["hash report", "hash report --weak-after 2027-01-31"],
    "A user whose password field wants a change": ["hash report --users", "hash report --max 1"],
    "A cost measured": ["hash calibrate --scheme all --target-ms 1"],
    "A name that the servers ask for": [
        "names --dmail-conf dmail.conf",
        "names bob --dmail-conf dmail.conf",
        "names eve@test.com --dmail-conf dmail.conf",
    ],
    "An answer of the module": ["selftest"],
    "A reply that differs": ["compat --cmd 'nwauth -path {folder} -readonly' --only vendor"],
    "A transcript": ["compat --list"],
    "A finding": ["doctor", "doctor --fix --dry-run", "doctor --fix --yes", "policy check clumsy.toml"],
    "A login explained": [
        "explain bob@test.com",
        "explain nobody@test.com",
        "explain bob@test.com --from 192.0.2.7 --service pop3 --at 'Sun 03:30'",
    ],
    "The rules": ["policy show"],
    "A span of the week": ["policy show student --week"],
    "A login decided again": ["policy try clumsy.toml --replay nwauth.log"],
    "Rules of another system": ["policy import --login-time Wk0830-1700 --format ndjson"],
    "Who is counted": ["throttle show", "throttle show bob@test.com"],
    "Who is let in again": ["throttle clear 192.0.2.7 --dry-run", "throttle clear --all"],
    "A refusal": ["log why bob@test.com"],
    "A login that was allowed": ["log last bob@test.com", "log last"],
}


class Key(NamedTuple):
    """A row of a table of keys."""

    name: str
    value: str
    condition: str

    def is_wanted(self, command: str) -> bool:
        """Whether the record of the command has it."""
        option = self.condition.removeprefix("not ").strip("`")
        return not option or (option in command.split()) is not self.condition.startswith("not ")


def tables() -> dict[str, tuple[str, list[Key]]]:
    """Under each heading: who prints the record, and its keys."""
    chapter = MANUAL.read_text().partition("## Keys of the JSON records\n")[2].partition("\n## ")[0]
    found = {}
    for part in chapter.split("\n### ")[1:]:
        title, _, text = part.partition("\n")
        rows = re.findall(r"^\| `(\w+)` \| (.*?) \| ?(.*?) \| .+ \|$", text, re.MULTILINE)
        found[title] = (text.partition("|")[0], [Key(*row) for row in rows])
    return found


def printed_records(place: Place, command: str) -> list[dict[str, object]]:
    """The records that a command prints when nothing is a terminal."""
    done = subprocess.run(
        ["bash", "-c", f"nwauth {command}"],
        capture_output=True,
        text=True,
        cwd=place.here,
        env=environment(**place.env),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_there_is_a_table_of_keys_for_every_record() -> None:
    assert list(tables()) == list(RECORDS)
    named = {name for text, _ in tables().values() for name in re.findall(r"`([a-z]+(?: [a-z]+){0,2})`", text)}
    leaves = {" ".join(path[1:]) for path in every_command(root, ("nwauth",))}
    assert named == leaves - {
        "",
        "user",
        "user app",
        "hash",
        "policy",
        "throttle",
        "log",
        "serve",
        "completion",
        "export",
    }  # export prints plans


@pytest.mark.parametrize("title", RECORDS)
def test_the_keys_that_are_listed_are_there_and_none_is_missing(tmp_path: Path, title: str) -> None:
    place = Place(tmp_path)
    place.env["NWAUTH_PATH"] = place.folder
    place.fill(STUDENT.replace(b'"student"', b'"student" odd') + PHIL)
    if title in list(RECORDS)[list(RECORDS).index("A login explained") - 1 :]:
        place.guard()
    text, keys = tables()[title]
    if RECORDS[title][0].startswith("undo"):
        place.change()
    for command in RECORDS[title]:
        wanted = [key for key in keys if key.is_wanted(command)]
        records = printed_records(place, command)
        assert records, command
        for record in records:
            assert list(record) == [key.name for key in wanted], command
            assert [key for key in wanted if type(record[key.name]) not in TYPES[key.value]] == [], command
    for name in re.findall(r"`([a-z]+(?: [a-z]+){0,2})`", text):
        assert any(command.startswith(name) for command in RECORDS[title]), name


def test_the_columns_of_csv_are_the_keys(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.env["NWAUTH_PATH"] = place.folder
    place.fill(BOB)
    keys = [key.name for key in tables()["A user"][1] if key.name not in ("info_text", "stored_password")]
    assert place.play("nwauth user show bob@test.com --format csv")[1].splitlines()[0] == ",".join(keys)


def write() -> None:
    """Write the reference in the manual anew."""
    before, _, rest = MANUAL.read_text().partition(BEGIN)
    MANUAL.write_text(before + BEGIN + reference() + END + rest.partition(END)[2])


if __name__ == "__main__":
    from scripts.manpages import main

    write()
    main()
