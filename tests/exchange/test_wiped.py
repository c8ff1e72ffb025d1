"""A user base that is exported, wiped and imported again, in every form: who could log in can, who could not cannot."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from nwauth.provisioning.exchange.giving import LINES, PLANS
from tests.commands.common import SETTINGS, base, run

if TYPE_CHECKING:
    from pathlib import Path

SHA = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
BCRYPT = "$2y$05$qEMRSJjS0govxc15shGDYOJukWC9u8bFBQfjrvUj6WmsRMHXj364y"
APP = "{ssha256}ZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRzYWx0c2FsdHNhbHRzYWx0"
APPS = f'app_passwords="phone;{APP};made=2026-11-22|old;{APP};made=2026-11-22;until=2026-12-01"'
USERS = {  # in the order of their names
    "apps@test.com": f"{BCRYPT}:{APPS}",
    "expired@test.com": f'{BCRYPT}:valid_from="2019-01-01 08:00" valid_until="2020-01-31"',
    "locked@test.com": '!:full_name="L"',
    "locked_hash@test.com": f"!{SHA}:",
    "n'o#d\u00eb@test.com": f'{SHA}:full_name="\u00cbve, \u65e5 = 1; {{2}} \'3\' \\4" phone="+49 1" Mail-Status="x"',
    "off@test.com": f'{SHA}:mailstatus="suspended"',
    "raw\udce9@test.com": f'{SHA}:note="\udce9"',
    "under_score@test.com": f"{SHA}:",
}
BYTES = "raw\udce9@test.com"
TAKES_ODD = SETTINGS + "[names]\nallow_high_ascii = true\n"
# What a form has a place for, beside name and password; None: all of it.
FIELDS = {"passwd": {"full_name"}, "htpasswd": set[str](), "dovecot": {"valid_until", "mailstatus", "Mail-Status"}}


def held(folder: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Password field and info fields of each user."""
    rows = [json.loads(row) for row in run(folder, "export", "--all").out.splitlines()]
    return {row.pop("name"): (row.pop("password_hash"), row) for row in rows}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A user base with one of each."""
    (tmp_path / "mail").mkdir()
    text = "".join(f"{name}:{rest}\n" for name, rest in USERS.items())
    return base(str(tmp_path / "mail"), users=text.encode(errors="surrogateescape"), settings=TAKES_ODD)


@pytest.mark.parametrize("kind", [*PLANS, *LINES])
def test_wiped_and_imported_again_all_are_as_they_were_as_far_as_it_was_told(
    folder: str, tmp_path: Path, kind: str
) -> None:
    before = held(folder)
    assert list(before) == sorted(USERS)
    path = str(tmp_path / "users")
    done = run(folder, "export", "--all", "--to", kind, "--keep-going", "-o", path)
    if kind == "toml":
        assert (done.status, done.err.count("it holds a byte that is no UTF-8")) == (1, 1)
        del before[BYTES]
    else:
        assert (done.status, "nwauth: " in done.err) == (0, False)
    base(folder, users=b"", settings=TAKES_ODD)
    taken = run(folder, "import", path, "--encoding", "bytes")
    assert (taken.status, json.loads(taken.out)["created"]) == (0, len(before)), taken.err
    after = held(folder)
    if kind in (*PLANS, "nwauth"):
        assert after == before
        assert "not in it" not in done.err
        return
    assert {name: field for name, (field, _) in after.items()} == {
        name: written(field, kind) for name, (field, _) in before.items()
    }
    assert "note: not in it: the app passwords, of 1 user" in done.err
    lost = 0
    for name, (_, fields) in after.items():
        assert fields.items() <= before[name][1].items()
        lost += len(before[name][1]) - len(fields)
        assert {key for key in before[name][1] if key in FIELDS[kind]} <= fields.keys()
    told = re.findall(r"not in it: the (?:info field|app passwords).*, of (\d+) user", done.err)
    assert lost == sum(map(int, told))


def written(field: str, kind: str) -> str:
    """The same password, as it comes back from a form that other programs read."""
    if field.startswith("!"):
        return field if kind == "passwd" else "!"
    return f"{{BLF-CRYPT}}{field}" if kind == "dovecot" and field == BCRYPT else field


@pytest.mark.parametrize("kind", ["csv", "nwauth", "dovecot", "passwd"])
def test_who_could_log_in_can_and_nobody_else(folder: str, tmp_path: Path, kind: str) -> None:
    def who() -> set[str]:
        names = ("under_score@test.com", "locked_hash@test.com", "off@test.com")
        return {name for name in names if run(folder, "test", name, "--password-stdin", stdin=b"secret").status == 0}

    assert who() == {"under_score@test.com"}
    assert run(folder, "export", "--to", kind, "-o", str(tmp_path / "users")).status == 0
    base(folder, users=b"", settings=TAKES_ODD)
    assert run(folder, "import", str(tmp_path / "users"), "--encoding", "bytes").status == 0
    assert who() == {"under_score@test.com"} | ({"off@test.com"} if kind == "passwd" else set())
