"""Files that other programs make, and files of ours that they read: htpasswd, Dovecot, getent."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands.common import Run, base, run
from tests.exchange.dovecot import Dovecot, hashes, missing
from tests.serving import Child
from tests.stores.folders import ssha

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES = Path(__file__).parent / "files"
FLAGS = {"bcrypt": "-B", "apr1": "-m", "sha": "-s", "des-crypt": "-d", "sha512-crypt": "-5", "sha256-crypt": "-2"}
SCHEMES = (
    *("ARGON2ID", "ARGON2I", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT", "DES-CRYPT", "CRYPT", "SSHA"),
    *("SSHA256", "SSHA512", "SHA", "SHA1", "SHA256", "SHA512", "SMD5", "PLAIN-MD5", "LDAP-MD5", "MD5", "PBKDF2"),
    *("PLAIN", "CLEARTEXT", "SSHA.HEX", "SHA256.B64"),
)
UNKNOWN = ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN-MD4", "HMAC-MD5")

needs_programs = pytest.mark.skipif(missing() is not None and not os.environ.get("CI"), reason=str(missing()))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """An empty user base."""
    (tmp_path / "mail").mkdir()
    return base(str(tmp_path / "mail"), users=b"")


def locked_out(folder: str, names: Iterable[str], password: str = "secret") -> list[str]:
    """Those whom a child that serves the folder does not let in."""
    with Child(Path(folder)) as child:
        return [name for name in names if not child.ask(f"check {name} {password}".encode()).startswith(b"+OK ")]


def schemes(done: Run) -> dict[str, str]:
    return {row["user"]: row["scheme"] for row in json.loads(done.out)["first"]}


# --- files that were made once ---------------------------------------------------------------------------------------


def test_an_htpasswd_file_is_taken_and_its_users_log_in(folder: str) -> None:
    done = run(folder, "import", str(FILES / "htpasswd"))
    assert (done.status, json.loads(done.out)["created"]) == (0, 6)
    names = [f"{scheme}@test.com" for scheme in ("bcrypt", "apr1", "sha", "des", "six", "five")]
    assert locked_out(folder, names) == []
    assert locked_out(folder, names, "wrong") == names


def test_a_dovecot_passwd_file_is_taken_and_its_users_log_in(folder: str) -> None:
    done = run(folder, "import", str(FILES / "dovecot"))
    names = [line.partition(":")[0] for line in (FILES / "dovecot").read_text().splitlines()]
    assert (done.status, json.loads(done.out)["created"]) == (0, len(names))
    assert locked_out(folder, names) == []
    found = json.loads(run(folder, "user", "show", "ssha@test.com").out)
    assert found["info"] == {"full_name": "Full Name", "userdb_quota_rule": "*:storage=1G", "quota": "200"}
    assert "{PLAIN}" not in Path(folder, "nwauth.txt").read_text()


def test_passwd_and_shadow_are_taken_together_and_a_locked_user_stays_locked(folder: str) -> None:
    words = (str(FILES / "passwd"), "--shadow", str(FILES / "shadow"), "--domain", "test.com")
    done = run(folder, "import", *words)
    assert (done.status, json.loads(done.out)["created"]) == (0, 14)
    assert "left out: uid, gid, home, shell" in done.err
    assert "note: accounts of the system, by their uids: 12, the first of them root; awk -F: '$3 >= 1000" in done.err
    assert locked_out(folder, ["bob@test.com", "eve@test.com"]) == ["eve@test.com"]
    assert locked_out(folder, ["root@test.com"], "*") == ["root@test.com"]
    lost = run(folder, "import", str(FILES / "passwd"), "--shadow", f"{folder}/nofile")
    assert (lost.status, f"--shadow: {folder}/nofile: cannot be read: No such file" in lost.err) == (2, True)
    again = run(folder, "import", str(FILES / "passwd"), "--domain", "test.com")
    told = "line 1, column 6: password: found x, which means that it stands in the shadow file: give --shadow FILE; the"
    assert (again.status, again.err.count("give --shadow FILE")) == (1, 1)
    assert f"{FILES}/passwd, {told} same of 14 users: root (line 1), daemon (line 2), " in again.err
    assert len(json.loads(again.out)["problems"]) == json.loads(again.out)["failed"] == 14


# --- the programs themselves -----------------------------------------------------------------------------------------


def test_a_uid_that_is_no_number_of_an_account_is_left_out_as_any_other(folder: str, tmp_path: Path) -> None:
    field = ssha("secret")
    (tmp_path / "passwd").write_text(f"ann:{field}:{'1' * 5000}:0::/:\nbob:{field}:0:0::/:\n")
    done = run(folder, "import", str(tmp_path / "passwd"), "--from", "passwd")
    assert (done.status, json.loads(done.out)["created"]) == (0, 2), done.err
    assert "accounts of the system, by their uids: 1, the first of them bob" in done.err


@needs_programs
def test_what_htpasswd_makes_is_taken_and_named(folder: str, tmp_path: Path) -> None:
    path = str(tmp_path / "made")
    Path(path).touch()
    for scheme, flag in FLAGS.items():
        subprocess.run(["htpasswd", "-b", flag, path, f"{scheme}@test.com", "secret"], check=True, capture_output=True)
    done = run(folder, "import", path, "--dry-run")
    assert (done.status, schemes(done)) == (3, {f"{scheme}@test.com": scheme for scheme in FLAGS})
    assert run(folder, "import", path).status == 0
    assert locked_out(folder, [f"{scheme}@test.com" for scheme in FLAGS]) == []


@needs_programs
def test_htpasswd_verifies_what_is_exported_for_it(folder: str, tmp_path: Path) -> None:
    path = str(tmp_path / "given")
    assert run(folder, "import", str(FILES / "htpasswd")).status == 0
    assert run(folder, "export", "--to", "htpasswd", "-o", path).status == 0
    for scheme in ("bcrypt", "apr1", "sha", "des", "six", "five"):
        for password, status in (("secret", 0), ("wrong", 3)):
            done = subprocess.run(
                ["htpasswd", "-vb", path, f"{scheme}@test.com", password], check=False, capture_output=True
            )
            assert done.returncode == status, (scheme, done)


@needs_programs
def test_dovecot_lets_in_whom_it_let_in_before_after_both_ways(folder: str, tmp_path: Path) -> None:
    made = hashes("secret", SCHEMES)
    names = {scheme: f"{scheme.lower()}@test.com" for scheme in made}
    text = "".join(f"{names[scheme]}:{field}:1000:1000::/tmp::quota=5\n" for scheme, field in made.items())
    (tmp_path / "made").write_text(text + "locked@test.com:!:1000:1000::/tmp::\n")
    done = run(folder, "import", str(tmp_path / "made"))
    assert done.status == 0, done.err
    assert locked_out(folder, names.values()) == []
    given = run(folder, "export", "--to", "dovecot")
    assert (given.status, given.err) == (0, "")
    server = Dovecot(given.out.encode())
    try:
        assert [scheme for scheme in made if not server.lets_in(names[scheme], "secret")] == [], server.log()
        assert [scheme for scheme in ("ARGON2ID", "SSHA") if server.lets_in(names[scheme], "wrong")] == []
        assert not server.lets_in("locked@test.com", "!")
        assert not server.lets_in("locked@test.com", "")
    finally:
        server.stop()


@needs_programs
@pytest.mark.parametrize("scheme", UNKNOWN)
def test_a_scheme_of_dovecot_that_nothing_here_verifies_is_told(folder: str, tmp_path: Path, scheme: str) -> None:
    field = hashes("secret", (scheme,))[scheme]
    (tmp_path / "made").write_text(f"bob@test.com:{field}\n")
    done = run(folder, "import", str(tmp_path / "made"), "--from", "dovecot")
    assert done.status == 1
    assert f"line 1, column 14: password_hash: found {{{scheme}}}, which nothing here verifies" in done.err
    assert field not in done.err + done.out


def test_the_users_of_this_system_are_taken_without_a_password_of_theirs(folder: str, tmp_path: Path) -> None:
    text = subprocess.check_output(["getent", "passwd"])
    (tmp_path / "made").write_bytes(text)
    names = text.decode().count("\n")
    (tmp_path / "shadow").write_text(
        "".join(f"{line.partition(':')[0]}:*:20000:0:99999:7:::\n" for line in text.decode().splitlines())
    )
    done = run(folder, "import", str(tmp_path / "made"), "--shadow", str(tmp_path / "shadow"), "--dry-run")
    assert "taken for a passwd file" in done.err
    assert (done.status, json.loads(done.out)["created"]) == (3, names), done.err
