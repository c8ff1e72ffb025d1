"""``nwauth hash``, ``nwauth test`` and ``nwauth merge``."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nwauth.commands.group import run_command
from nwauth.model import Info, User
from nwauth.names import NameRules
from nwauth.passwords import Passwords
from nwauth.service import Service, StoreRules
from nwauth.stores.memory import MemoryStore
from tests.commands.common import BOB, SETTINGS, base, contents, run
from tests.stores.folders import ssha

if TYPE_CHECKING:
    from pathlib import Path

BEGINS = {"argon2id": "$argon2id$", "bcrypt": "$2b$04$", "sha512-crypt": "$6$rounds=1000$", "ssha": "{ssha}"}


@pytest.mark.parametrize("scheme", list(BEGINS))
def test_a_hash_that_was_made_fits_its_password(folder: str, scheme: str) -> None:
    made = run(folder, "hash", "make", "--scheme", scheme, "--password-stdin", stdin=b"geheim\n")
    assert (made.status, made.err) == (0, "")
    assert made.out.startswith(BEGINS[scheme])
    field = made.out.rstrip("\n")
    fits = run(folder, "hash", "test", field, "--password-stdin", stdin=b"geheim\n")
    weak = scheme == "ssha"
    assert (fits.status, json.loads(fits.out)) == (0, {"scheme": scheme, "weak": weak, "fits": True, "reason": None})
    both = run(folder, "hash", "test", "--password-stdin", stdin=f"{field}\nwrong\n".encode())
    assert (both.status, json.loads(both.out)["reason"]) == (1, "wrong password")


def test_a_hash_needs_no_user_base(tmp_path: os.PathLike[str]) -> None:
    made = run(str(tmp_path), "hash", "make", "--password-stdin", "--format", "json", stdin=b"geheim\n")
    assert json.loads(made.out)["scheme"] == "argon2id"
    assert os.listdir(tmp_path) == []


def test_an_unknown_form_fits_nothing(folder: str) -> None:
    done = run(folder, "hash", "test", "$9$x", "--password-stdin", "--format", "table", stdin=b"x")
    assert (done.status, done.err) == (1, "")
    assert done.out.startswith("unknown: does not fit: ")


def test_a_hash_that_costs_too_much_cannot_be_told(folder: str) -> None:
    field = f"$6$rounds=999999999$saltsalt${'x' * 86}"
    done = run(folder, "hash", "test", field, "--password-stdin", stdin=b"x")
    assert (done.status, done.out, done.err.count("\n")) == (75, "", 1)


def test_the_schemes_are_listed(folder: str) -> None:
    rows = {row["scheme"]: row for row in run(folder, "hash", "list").records()}
    assert rows["argon2id"]["new_ones"] is True
    assert rows["md5-crypt"]["weak"] is True
    assert {name for name, row in rows.items() if row["new_ones"]} <= {*BEGINS, "yescrypt"}


def test_trying_a_login_changes_nothing(folder: str) -> None:
    before = contents(folder)
    assert run(folder, "test", "bob@test.com", "--password-stdin", stdin=b"secret").status == 0
    assert run(folder, "test", "eve", "--password-stdin", stdin=b"secret").status == 1
    assert contents(folder) == before


def test_a_login_is_told_with_its_reasons(folder: str) -> None:
    done = run(folder, "test", "bob@test.com", "--password-stdin", "--from", "2001:db8::7", stdin=b"wrong")
    assert (done.status, done.err) == (1, "")
    assert json.loads(done.out) == {
        "user": "bob@test.com",
        "verdict": "no",
        "reason": "wrong password",
        "rule": None,
        "store": "flatfile",
        "scheme": "clear",
        "from": "2001:db8::7",
        "service": None,
        "at": None,
        "app": None,
    }


def test_an_account_is_judged_as_of_the_time_that_is_given(folder: str) -> None:
    today = datetime.now(tz=UTC).date()
    base(folder, users=f'bob:*x:valid_until="{today}"\n'.encode())

    def status(*words: str) -> int:
        return run(folder, "test", "bob", "--password-stdin", *words, stdin=b"x").status

    assert status() == 0
    assert status("--at", f"{today} 23:59") == 0
    assert status("--at", f"{today + timedelta(days=1)}") == 1
    assert status("--at", f"{today + timedelta(days=1)}T05:00+14:00") == 0
    assert status("--at", "tomorrow") == 2
    assert status("--from", "localhost") == 2


def test_a_merge_says_what_it_took_in_and_where_the_rest_is(folder: str) -> None:
    base(folder, users=BOB + b"this is nobody's\n")
    run(folder, "user", "set", "bob@test.com", "quota=6")
    done = run(folder, "merge", "--format", "table")
    assert done == (0, f"1 user in nwauth.txt\n1 line rejected: {folder}/nwauth.rejected\n", "")
    with open(os.path.join(folder, "nwauth.txt"), "rb") as file:
        assert file.read() == BOB.replace(b"5", b"6")
    again = json.loads(run(folder, "merge").out)
    assert again == {"dry_run": False, "users": 1, "rejected": 0, "rejected_file": f"{folder}/nwauth.rejected"}


def test_a_file_that_was_emptied_is_refused_until_a_merge_is_told_that_it_was_meant(folder: str) -> None:
    base(folder, users=BOB)
    assert run(folder, "user", "set", "bob@test.com", "quota=6").status == 0
    assert run(folder, "merge").status == 0
    base(folder, users=b"")
    text = "nwauth.txt is empty and was not: put it back from a backup (or, if it is meant: nwauth merge --emptied)"
    for words in (["user", "show", "bob@test.com"], ["merge"], ["user", "add", "eve@test.com", "--generate"]):
        done = run(folder, *words)
        assert done.status == 75
        assert text in done.err
    assert run(folder, "merge", "--emptied", "--format", "table") == (0, "0 users in nwauth.txt\n", "")
    assert run(folder, "user", "show", "bob@test.com").status == 1


def test_a_folder_that_takes_no_changes_is_not_merged(folder: str) -> None:
    base(folder, settings=SETTINGS.replace("shared = false", "shared = false\nread_only = true"))
    text = f"nwauth: store flatfile of {folder} takes no changes (read_only = true in nwauth.toml)\n"
    assert run(folder, "merge") == (1, "", text)


def test_the_address_given_decides_where_the_user_has_a_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bob = User(name="bob", stored_password=ssha("pw"), info=Info(), ip_mask="10.0.0.0/8")
    service = Service(
        MemoryStore([bob]),
        Passwords(),
        rules={"memory": StoreRules(scheme="ssha")},
        names=NameRules(),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )

    def login(*words: str) -> int:
        return run_command(["--path", str(tmp_path), "test", "bob", "--password-stdin", "--format", "json", *words])

    with monkeypatch.context() as patch:
        patch.setattr("nwauth.build.build", lambda _config, **_: service)
        patch.setattr("nwauth.commands.login.get_known_password", lambda **_: b"pw")
        assert [login("--from", "10.1.2.3"), login("--from", "192.0.2.7"), login()] == [0, 1, 1]
    assert capfd.readouterr().out.count('"rule": "ip_mask"') == 2
