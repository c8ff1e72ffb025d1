"""The journal of changes and the files that undo restores from: what every changing command leaves there."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.common import SETTINGS, base, contents, run
from tests.stores.folders import ssha

if TYPE_CHECKING:
    from pathlib import Path

FIELD = ssha("secret")
MAIL = f'bob@test.com:{FIELD}:quota="5"\neve@test.com:*geheim:\n'.encode()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return base(str(tmp_path), users=MAIL)


def journal(folder: str) -> list[dict[str, Any]]:
    with open(os.path.join(folder, "nwauth.changes"), encoding="ascii") as file:
        return [json.loads(line) for line in file]


def steps(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(os.path.join(folder, "nwauth.undo")) if name[0] == "0")


def content(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="ascii") as file:
        return file.read()


# --- the journal -----------------------------------------------------------------------------------------------------


def test_a_change_leaves_one_line_that_says_who_when_what_before_and_after(folder: str) -> None:
    assert run(folder, "user", "set", "bob@test.com", "quota=6", SUDO_USER="carol").status == 0
    (line,) = journal(folder)
    assert line.pop("time").startswith("20")
    assert line.pop("login") is None or isinstance(line, dict)
    assert line.pop("account")
    assert line == {
        "step": 1,
        "command": "user set",
        "uid": os.getuid(),
        "sudo_user": "carol",
        "number": 1,
        "user": "bob@test.com",
        "store": "flatfile",
        "change": "changed",
        "before": {"info.quota": "5"},
        "after": {"info.quota": "6"},
    }


def test_a_sudo_user_of_any_length_leaves_a_step_that_can_be_taken_back(folder: str) -> None:
    assert run(folder, "user", "set", "bob@test.com", "quota=6", SUDO_USER="c" * 9000).status == 0
    assert journal(folder)[0]["sudo_user"] == "c" * 256
    assert run(folder, "undo").status == 0


BOTH = [("bob@test.com", "changed"), ("eve@test.com", "changed")]


@pytest.mark.parametrize(
    ("words", "stdin", "changes"),
    [
        (["user", "add", "zoe@test.com", "--password-stdin"], b"a new secret\n", [("zoe@test.com", "created")]),
        (["user", "passwd", "bob@test.com", "--password-stdin"], b"a new secret\n", [("bob@test.com", "changed")]),
        (["user", "set", "bob@test.com", "quota=7"], b"", [("bob@test.com", "changed")]),
        (["user", "suspend", "bob@test.com"], b"", [("bob@test.com", "changed")]),
        (["user", "expire", "bob@test.com", "eve@test.com", "2027-01-31"], b"", BOTH),
        (["user", "app", "add", "bob@test.com", "phone"], b"", [("bob@test.com", "changed")]),
        (["user", "rename", "bob@test.com", "BOB@test.com"], b"", [("bob@test.com", "changed")]),
        (["user", "rename", "bob@test.com", "rob"], b"", [("rob", "created"), ("bob@test.com", "removed")]),
        (
            ["user", "del", "--yes", "bob@test.com", "eve@test.com"],
            b"",
            [("bob@test.com", "removed"), ("eve@test.com", "removed")],
        ),
        (
            ["apply", "-", "--input", "ndjson", "--prune", "--allow-prune", "100"],
            b'{"name": "bob@test.com", "quota": 9}\n{"name": "zoe@test.com", "generate": true}\n',
            [("bob@test.com", "changed"), ("eve@test.com", "removed"), ("zoe@test.com", "created")],
        ),
        (["copy", "--from", "other", "--to", "flatfile"], b"", [("zoe@test.com", "created")]),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) and isinstance(value[0], str) else "",
)
def test_every_command_that_changes_users_is_in_the_journal_and_can_be_undone(
    folder: str, words: list[str], stdin: bytes, changes: list[tuple[str, str]]
) -> None:
    if words[0] == "copy":
        os.mkdir(f"{folder}/other")
        base(f"{folder}/other", users=f"zoe@test.com:{FIELD}:\n".encode())
        words = [f"{folder}/other" if word == "other" else word for word in words]
    done = run(folder, *words, stdin=stdin)
    assert done.status == 0, done
    lines = journal(folder)
    assert [(line["user"], line["change"]) for line in lines] == changes
    assert {line["step"] for line in lines} == {1}
    assert [line["number"] for line in lines] == list(range(1, len(changes) + 1))
    (command,) = {line["command"] for line in lines}
    assert " ".join(words).startswith(command)
    assert steps(folder) == ["00000001"]


def test_a_dry_run_and_a_command_that_changes_nothing_leave_no_trace(folder: str) -> None:
    before = contents(folder)
    for words in (
        ["user", "set", "bob@test.com", "quota=6", "--dry-run"],
        ["user", "del", "bob@test.com", "--dry-run"],
        ["user", "list"],
        ["user", "show", "bob@test.com"],
        ["test", "bob@test.com", "--password-stdin"],
    ):
        assert run(folder, *words, stdin=b"secret\n").status == 0, words
    assert run(folder, "user", "del", "nobody", "--yes").status == 1
    assert {name for name in contents(folder) if "undo" in name or "changes" in name} == set()
    assert contents(folder)["nwauth.txt"] == before["nwauth.txt"]


def test_no_password_and_no_hash_stands_in_the_journal_and_a_fingerprint_tells_equal_ones(folder: str) -> None:
    secret = b"the cat sat on the mat\n"
    assert run(folder, "user", "passwd", "eve@test.com", "--password-stdin", stdin=secret).status == 0
    assert run(folder, "user", "set", "bob@test.com", "app_password=$2y$04$abc", "fwd=a@b").status == 0
    assert run(folder, "user", "del", "--yes", "eve@test.com").status == 0
    added = run(folder, "user", "app", "add", "bob@test.com", "phone")
    text = content(folder, "nwauth.changes")
    assert json.loads(added.out)["password"] not in text
    for hidden in ("geheim", "cat sat", "$argon2", "$2y$", "{ssha256}", FIELD):
        assert hidden not in text
    passwd, fields, gone, app = journal(folder)
    assert app["after"]["info.app_passwords"].startswith("phone (")
    assert passwd["before"]["password"].startswith("clear ")
    assert passwd["after"]["password"].startswith("argon2id ")
    assert gone["before"]["password"] == passwd["after"]["password"]
    assert fields["after"].keys() == {"info.app_password", "info.fwd"}
    assert fields["after"]["info.fwd"] == "a@b"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, "JBSWY3DP")
            for name in (
                "otp",
                "totp_key",
                "apikey",
                "pwd",
                "kennwort",
                "old_pw",
                "recovery_answer",
                "credential",
                "sha1",
            )
        ),
        ("legacy", "5f4dcc3b5aa765d61d8327deb882cf99"),
    ],
)
def test_a_field_that_looks_like_a_secret_is_a_fingerprint(folder: str, field: str, value: str) -> None:
    """They come from other programs: a user who goes is told whole."""
    with open(f"{folder}/nwauth.txt", "a", encoding="ascii") as file:
        file.write(f'old@test.com:!:{field}="{value}" fwd="a@b"\n')
    assert run(folder, "user", "del", "--yes", "old@test.com").status == 0
    assert value not in content(folder, "nwauth.changes")
    (gone,) = journal(folder)
    assert len(gone["before"][f"info.{field}"]) == 16
    assert gone["before"]["info.fwd"] == "a@b"


def test_both_are_for_their_owner_alone(folder: str) -> None:
    old = os.umask(0)
    try:
        assert run(folder, "user", "set", "bob@test.com", "quota=6").status == 0
    finally:
        os.umask(old)
    for name, mode in {"nwauth.changes": 0o600, "nwauth.undo": 0o700, "nwauth.undo/00000001": 0o600}.items():
        assert stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode) == mode, name


def test_a_serving_child_and_a_one_shot_form_leave_nothing_there(folder: str) -> None:
    assert run(folder, "-set", "bob@test.com", "other").status == 0
    assert run(folder, stdin=b"set bob@test.com again\ndel eve@test.com\n").out.count("+OK") == 2
    assert not os.path.exists(f"{folder}/nwauth.changes")


def test_of_very_many_changes_the_first_have_lines_and_the_rest_are_told_by_number(folder: str) -> None:
    plan = "".join(f'{{"name": "n{number:05d}@test.com", "password_hash": "{FIELD}"}}\n' for number in range(10_050))
    assert run(folder, "apply", "-", "--input", "ndjson", "--summary", stdin=plan.encode()).status == 0
    lines = journal(folder)
    assert len(lines) == 10_001
    rest = lines.pop()
    assert (rest["users_not_told"], rest["created"], rest["changed"], rest["removed"]) == (50, 10_050, 0, 0)
    assert lines[-1]["number"] == 10_000
    undo = content(folder, "nwauth.undo/00000001").splitlines()
    assert sum(json.loads(line)[0].count("\n") + 1 for line in undo if line[0] == "[") == 10_050
    assert json.loads(undo[-1]) == {"end": {"created": 10_050, "changed": 0, "removed": 0}}


def test_a_copy_to_a_folder_of_its_own_is_written_down_there(folder: str) -> None:
    done = run(folder, "copy", "--from", "flatfile", "--to", f"{folder}/new", "--make")
    assert done.status == 0
    assert not os.path.exists(f"{folder}/nwauth.changes")
    assert [line["user"] for line in journal(f"{folder}/new")] == ["bob@test.com", "eve@test.com"]


def test_the_users_of_a_database_are_written_down_beside_the_settings(folder: str) -> None:
    assert run(folder, "copy", "--from", "flatfile", "--to", "sqlite:///users.db", "--make").status == 0
    with open(f"{folder}/nwauth.toml", "w", encoding="ascii") as file:
        file.write(
            SETTINGS.replace(
                'kind = "flatfile"\npath = "."\nshared = false\nsettle_seconds = 0.0',
                (f'kind = "sql"\nurl = "sqlite:///{folder}/users.db"'),
            )
        )
    assert run(folder, "user", "set", "bob@test.com", "quota=6").status == 0
    assert [line["store"] for line in journal(folder)] == ["sql", "sql", "sql"]  # the copy, and the change


# --- how many are kept -----------------------------------------------------------------------------------------------


def test_the_last_hundred_steps_are_kept(folder: str) -> None:
    assert run(folder, "user", "set", "bob@test.com", "quota=6").status == 0
    for number in range(2, 151):
        os.link(f"{folder}/nwauth.undo/00000001", f"{folder}/nwauth.undo/{number:08d}")
    assert run(folder, "user", "set", "bob@test.com", "quota=7").status == 0
    assert steps(folder) == [f"{number:08d}" for number in range(52, 152)]


# --- where it cannot be written --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nwauth.changes", "nwauth.undo"])
def test_where_a_change_cannot_be_written_down_it_is_not_made(folder: str, name: str) -> None:
    """Something else lies in its place."""
    if name == "nwauth.undo":
        os.symlink("/tmp", f"{folder}/{name}")
    else:
        os.mkdir(f"{folder}/{name}")
    before = content(folder, "nwauth.txt")
    done = run(folder, "user", "set", "bob@test.com", "quota=6")
    assert (done.status, done.out) == (75, "")
    assert f"nothing is changed unless it is written down first: cannot write {folder}/{name}: " in done.err
    assert content(folder, "nwauth.txt") == before
    assert not os.path.exists(f"{folder}/nwauth.add")
