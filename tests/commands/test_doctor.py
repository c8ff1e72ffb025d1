"""``nwauth doctor``: what it prints, and how it ends."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from nwauth import __version__
from nwauth.doctor.dropfolders import lister
from tests.commands.common import Terminal, contents, run
from tests.doctoring import Site, folder_for_all, walk_all

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("no_other_servers")
OWNER = 12345
NO_DMAIL = "no dmail.conf was found: what DMail is set to was not looked at (--dmail-conf FILE)\n"


def doctor(site: Site, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    done = run(str(site.folder), "doctor", "--dmail-conf", str(site.dmail_file), *words)
    return done.status, done.records(), done.err


def test_a_clean_installation_ends_well(site: Site) -> None:
    before = contents(str(site.folder))
    assert doctor(site) == (0, [], "nothing is wrong\n")
    assert run(str(site.folder), "doctor") == (0, "", NO_DMAIL + "nothing is wrong\n")
    assert run(str(site.folder), "doctor", "--quiet", "--format", "json") == (0, "[]\n", "")
    assert contents(str(site.folder)) == before


def test_a_finding_is_a_record_and_the_status_is_no(site: Site) -> None:
    site.dmail("authent_cache 7\n")
    site.users("bob", info='valid_until="2999-01-31"')
    status, rows, err = doctor(site)
    assert (status, err) == (1, "1 warning\n")
    file = str(site.dmail_file)
    assert rows == [
        {
            "id": "cache-and-time",
            "severity": "warning",
            "what": f"{file}: line 7: authent_cache is 7, and 1 user has valid_from or valid_until",
            "why": "A server that remembers a yes may let somebody in after the time is over.",
            "mend": f"in line 7 of {file} set authent_cache 0; then stop and start DSMTP and DPOP",
            "file": file,
            "line": 7,
            "users": ["bob"],
        }
    ]


def test_errors_come_first_and_what_was_not_examined_last(site: Site) -> None:
    site.dmail("authent_process c:\\dmail\\nwauth.exe\n")
    site.users("bob", "eve", field="*secret")
    site.add.write_text("ada:{foo}bar:\n")
    site.add.chmod(0o600)
    status, rows, err = doctor(site)
    assert [row["id"] for row in rows] == ["unknown-passwords", "clear-text", "cannot-look"]
    assert rows[-1]["what"].endswith("is a program of Windows'")
    assert (status, err) == (75, "1 error, 1 warning, 1 thing not examined\n")


def test_settings_that_cannot_be_used_do_not_end_it(site: Site) -> None:
    site.toml.write_text("[[stores]]\nkind = 7\n")
    status, rows, _ = doctor(site)
    assert (status, [row["id"] for row in rows]) == (1, ["settings"])


def test_settings_of_the_mail_server_that_are_named_must_be_there(site: Site) -> None:
    site.dmail_file.unlink()
    done = run(str(site.folder), "doctor", "--dmail-conf", str(site.dmail_file))
    assert (done.status, done.out) == (2, "")
    assert f"found no file {site.dmail_file}" in done.err


def test_a_person_reads_what_and_why_and_what_to_do(site: Site) -> None:
    site.users("bob", field="*secret")
    terminal = Terminal(str(site.folder), "doctor", NO_COLOR="1", columns=72)
    assert terminal.end() == 1
    folded = " ".join(terminal.screen.replace(NO_DMAIL, "").split())
    assert folded == (
        "WARNING (clear-text) what 1 user has the password in clear text: bob"
        " why Whoever sees the file, or a backup of it, has these passwords."
        f" mend nwauth -path {site.folder} -encrypt all 1 warning"
    )
    assert (
        max(len(line) for line in terminal.screen.splitlines() if line[:1] in " W" and str(site.folder) not in line)
        <= 72
    )


def test_a_name_cannot_steer_the_terminal(site: Site) -> None:
    site.txt.write_bytes(b"bob\x1b[2J:*secret:\n")
    terminal = Terminal(str(site.folder), "doctor", NO_COLOR="1")
    assert terminal.end() == 1
    assert "\x1b[2J" not in terminal.screen
    assert r"bob\x1b[2J" in terminal.screen


def test_a_name_cannot_steer_the_shell_that_a_mend_is_typed_into(site: Site) -> None:
    site.users("bob;touch${IFS}x", field="{foo}bar")
    _, rows, _ = doctor(site)
    assert rows[0]["mend"].endswith(" user passwd 'bob;touch${IFS}x'")


def test_one_store_alone_can_be_looked_at(site: Site) -> None:
    (site.folder / "file").write_text("ada:abcd.EFGHijkl:1:1:::\n")
    site.toml.write_text(site.toml.read_text() + '[[stores]]\nkind = "passwd"\npath = "file"\nsettle_seconds = 0.0\n')
    site.users("bob", field="*secret")
    assert [row["id"] for row in doctor(site)[1]] == ["clear-text", "weak-passwords"]
    assert [row["id"] for row in doctor(site, "--store", "passwd")[1]] == ["weak-passwords"]


# --- as root ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def others() -> Iterator[Site]:
    """An installation that belongs to another account, but for the drop folder, which only root can look into."""
    with folder_for_all() as path:
        site = Site(path)
        site.users("bob")
        site.drops.chmod(0o700)
        module = path / "nwauth"  # one that this account can start, wherever the interpreter is
        module.write_text(
            f"#!/bin/sh\nwhile read word name rest; do case $word in version) echo +OK nwauth {__version__};;"
            ' exit) exit;; *) echo "-ERR $name does not exist";; esac; done\n'
        )
        module.chmod(0o755)
        site.dmail(f"authent_process {module} -path {site.folder}\n")
        for file in (site.folder, site.txt, site.toml):
            os.chown(file, OWNER, OWNER)
        yield site


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the ids of others")
def test_root_sees_the_drop_files_and_all_else_as_the_owner(others: Site) -> None:
    assert doctor(others) == (0, [], "nothing is wrong\n")
    (others.drops / "BOB").touch()
    status, rows, _ = doctor(others)
    assert (status, [row["id"] for row in rows]) == (1, ["drop-file-case"])
    owners = {os.stat(others.folder / name).st_uid for name in os.listdir(others.folder)}
    assert owners == {OWNER}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the ids of others")
def test_a_module_that_the_owner_may_not_start_may_be_right_for_the_servers(others: Site) -> None:
    (others.path / "nwauth").chmod(0o700)
    status, rows, _ = doctor(others)
    assert (status, [row["id"] for row in rows]) == (75, ["cannot-look"])
    assert f"Permission denied: {others.path}/nwauth, by uid {OWNER}, who owns" in rows[0]["what"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the ids of others")
def test_root_is_told_of_a_folder_that_its_owner_cannot_use(others: Site) -> None:
    os.chown(others.txt, 0, 0)
    status, rows, _ = doctor(others)
    assert status == 75
    assert {row["id"] for row in rows} >= {"another-owner", "store-down"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to keep")
def test_what_lists_the_drop_files_apart_gives_what_a_walk_gives(site: Site) -> None:
    names = [f"user{number}é" for number in range(3000)] + ["odd\udcff", "two words", "a" * 255]
    site.dmail("hash_spool 1\n")
    (site.drops / "u").mkdir()
    for name in names:
        (site.drops / "u" / name).touch()
    (site.drops / "u" / "link").symlink_to("/etc/passwd")
    listed = sorted(lister(site.conf)())
    assert listed == sorted(walk_all(site.conf))
    assert len(listed) == len(names)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to keep")
def test_a_listing_of_the_drop_files_that_was_cut_short_is_not_taken_for_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.drops / "bob").touch()
    assert [found.error for found in lister(site.conf)()] == [""]
    monkeypatch.setattr("nwauth.doctor.dropfolders.walk", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    assert [found.error for found in lister(site.conf)()] == ["its listing was cut short"]
