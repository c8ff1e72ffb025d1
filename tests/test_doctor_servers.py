"""What ``nwauth doctor`` finds in dmail.conf, in what the servers start, and in what runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nwauth
from nwauth import __version__
from nwauth.doctor import CHECKS, KINDS, servers
from nwauth.doctor.finding import CANNOT_TELL
from nwauth.doctor.servers import Running
from nwauth.errors import Unavailable
from tests.commands.common import COMMAND, SETTINGS, run
from tests.doctoring import Site, servers_of_others
from tests.serving import PATIENCE_SECONDS, Child

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = 12345


@contextmanager
def server(site: Site, name: str, *, user: int | None = None) -> Iterator[servers.Process]:
    """A program of that name that runs, and does nothing."""
    path = Path("/tmp") / f"nwauth-test-{os.getpid()}-{name}" / name  # where another account reaches it
    path.parent.mkdir(exist_ok=True)
    shutil.copy(shutil.which("sleep") or "", path)
    with servers_of_others(may_run=True):
        process = subprocess.Popen([path, "600"], cwd=site.path, user=user)
        try:
            yield _seen(process.pid)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(path.parent)


def _seen(pid: int) -> servers.Process:
    """The process as it is seen, once it is what it will be."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        running = servers.look()
        assert running is not None
        for one in running.servers:
            if one.pid == pid:
                return one
    raise AssertionError("it is not seen")


def touch(path: Path, at: float) -> None:
    os.utime(path, (at, at))


# --- dmail.conf ------------------------------------------------------------------------------------------------------


def test_a_setting_that_dmail_lacks_is_told_with_the_line_to_add(site: Site) -> None:
    site.dmail("", without="drop_path")
    one = site.found("dmail-setting", with_dmail=True)
    assert one.what == f"{site.dmail_file}: drop_path is not set, wanted the folder of drop files"
    assert one.mend.startswith(f"add a line drop_path VALUE to {site.dmail_file}; then ")


def test_a_line_that_dmail_cannot_use_is_told(site: Site) -> None:
    site.dmail("hash_spool many\n")
    one = site.found("dmail-setting", with_dmail=True)
    assert (
        one.what
        == f"{site.dmail_file}: line 8: hash_spool: found 'many', wanted a number from 0 to 2; DMail ignores it"
    )
    assert one.line == 8
    site.dmail("hash_spool 1\n")
    assert site.look(with_dmail=True) == []


@pytest.mark.parametrize("text", ["authent_method unix_user\n", ""])
def test_servers_that_ask_nobody_are_told(site: Site, text: str) -> None:
    site.dmail(text, without="authent_method")
    one = site.found("not-external", with_dmail=True)
    assert f"authent_method is unix_user{'' if text else ' (it is not set)'}" in one.what
    site.mend(one)
    assert site.look(with_dmail=True) == []


@pytest.mark.parametrize("text", ["lowercase_username false\n", ""])
def test_a_store_that_knows_no_case_wants_drop_files_in_one_case(site: Site, text: str) -> None:
    site.dmail(text, without="lowercase_username")
    one = site.found("case-blind", with_dmail=True)
    assert "the store flatfile finds names in any case" in one.what
    site.mend(one)
    assert site.look(with_dmail=True) == []


def test_a_store_that_knows_case_wants_nothing_of_it(site: Site) -> None:
    (site.folder / "file").write_text("bob:x:1:1:::\n")
    site.toml.write_text('[[stores]]\nkind = "passwd"\npath = "file"\nunix_case = true\nsettle_seconds = 0.0\n')
    site.dmail("lowercase_username false\nunix_case true\n")
    assert site.look(with_dmail=True) == []


def test_a_server_that_waits_less_than_we_do_is_told(site: Site) -> None:
    site.dmail("authent_timeout 5\n")
    one = site.found("short-timeout", with_dmail=True)
    assert (one.severity, "authent_timeout is 5 s" in one.what) == ("warning", True)
    site.mend(one)
    assert site.look(with_dmail=True) == []


# --- authent_process -------------------------------------------------------------------------------------------------


def test_a_check_that_takes_longer_than_the_server_waits_is_told(site: Site) -> None:
    """One of somebody unknown costs as much as one of a new user's password."""
    site.toml.write_text(SETTINGS.replace("memory_kib = 8, iterations = 1", "memory_kib = 65536, iterations = 25"))
    site.dmail("authent_timeout 1\n")
    found = [one for one in site.look(with_dmail=True) if one.severity == "error"]
    assert [one.id for one in found] == ["short-timeout"]
    assert "authent_timeout is 1 s, and a check of somebody unknown takes" in found[0].what
    site.mend(found[0])
    assert site.look(with_dmail=True) == []


def test_a_stored_password_that_takes_longer_than_the_server_waits_is_told(site: Site) -> None:
    field = f"$argon2id$v=19$m=131072,t=40,p=1$YWJjZGVmZ2g${'x' * 42}A"
    site.add.write_text(f"eve:{field}:\n")
    site.add.chmod(0o600)
    site.dmail("authent_timeout 1\n")
    found = [one for one in site.look(with_dmail=True) if one.severity == "error"]
    assert [one.id for one in found] == ["short-timeout"]
    assert "a check of eve takes" in found[0].what


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("/nowhere/nwauth -path {folder}", "cannot be started: No such file or directory: /nowhere/nwauth"),
        ("{here}/mute", "did not answer within 1 s"),
        ("{here}/short", "ended, exit status 3; it says: no licence"),
        ("{here}/chatty", "a program that says 'hello', which is none of the protocol's answers"),
    ],
)
def test_a_program_that_does_not_answer_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch, command: str, word: str
) -> None:
    monkeypatch.setattr("nwauth.doctor.module.PATIENCE_SECONDS", 1.0)
    for name, script in (
        ("mute", "exec sleep 600"),
        ("short", "echo no licence >&2; exit 3"),
        ("chatty", "echo hello; cat >/dev/null"),
    ):
        (site.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (site.path / name).chmod(0o755)
    site.dmail(f"authent_process {command.format(here=site.path, folder=site.folder)}\nauthent_timeout 1\n")
    one = site.found("module-fails", with_dmail=True, among=True)
    assert word in one.what
    site.mend(one)
    assert site.is_gone("module-fails", with_dmail=True)


def test_another_program_is_told_with_what_it_says(site: Site) -> None:
    other = site.path / "other"
    other.write_text("#!/bin/sh\nwhile read line; do echo -ERR unknown command; done\n")
    other.chmod(0o755)
    site.dmail(f"authent_process {other}\n")
    one = site.found("another-program", with_dmail=True)
    assert one.what.endswith(f"authent_process {other} is no nwauth: to version it says -ERR 'unknown command'")
    site.mend(one)
    assert site.look(with_dmail=True) == []


def test_another_version_of_this_program_is_told(site: Site) -> None:
    other = site.path / "nwauth"
    other.write_text("#!/bin/sh\nwhile read line; do echo +OK nwauth 0.0.0; done\n")
    other.chmod(0o755)
    site.dmail(f"authent_process {other} -path {site.folder}\n")
    one = site.found("another-program", with_dmail=True)
    assert one.what.endswith(f"authent_process starts nwauth 0.0.0, and this is nwauth {__version__}")


def test_another_folder_is_told(site: Site) -> None:
    there = site.path / "elsewhere"
    shutil.copytree(site.folder, there)
    site.dmail(f"authent_process {COMMAND[0]} -path {there}\n")
    one = site.found("another-folder", with_dmail=True)
    assert one.what.endswith(f"authent_process has -path {there}, and this is {site.folder}")
    site.mend(one)
    assert site.look(with_dmail=True) == []


def test_a_link_to_the_folder_is_the_folder(site: Site) -> None:
    (site.path / "link").symlink_to(site.folder)
    site.dmail(f"authent_process {COMMAND[0]} -path {site.path}/link\n")
    assert site.look(with_dmail=True) == []


@pytest.mark.parametrize(
    ("options", "word"), [("", "names no -path"), (" -path mail", "has -path mail, which is no whole path")]
)
def test_a_folder_that_depends_on_where_a_server_was_started_is_told(site: Site, options: str, word: str) -> None:
    site.dmail(f"authent_process {COMMAND[0]}{options}\n")
    one = site.found("no-fixed-folder", with_dmail=True, among=True)
    assert word in one.what
    site.mend(one)
    assert site.look(with_dmail=True) == []


def test_a_module_that_answers_nobody_is_told_where_nothing_else_says_why(site: Site) -> None:
    shutil.copytree(site.folder, site.path / "empty")
    (site.path / "empty" / "nwauth.txt").unlink()
    site.dmail(f"authent_process {COMMAND[0]} -path {site.path}/empty\n")
    one = site.found("module-fails", with_dmail=True, among=True)
    assert "answers every look-up -DEAD no user database, run nwauth init" in one.what


def test_a_module_of_windows_cannot_be_tried(site: Site) -> None:
    site.dmail("authent_process c:\\dmail\\nwauth.exe\ndrop_path c:\\dmail\\in\n")
    one = site.found("cannot-look", with_dmail=True, among=True)
    assert (one.severity, "is a program of Windows'" in one.what) == (CANNOT_TELL, True)


# --- what runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", servers.SERVERS)
def test_a_server_that_is_older_than_its_settings_is_told(site: Site, name: str) -> None:
    with server(site, name) as one:
        assert site.look(with_dmail=True) == []
        touch(site.dmail_file, one.started_at + 0.05)
        found = site.found("restart", with_dmail=True)
        assert f"{site.dmail_file} was changed 0 seconds ago" in found.what.replace("1 second ", "0 seconds ")
        assert f"and {name} (process {one.pid}) runs since before that" in found.what
    with server(site, name):
        assert site.look(with_dmail=True) == []


def test_our_settings_are_read_by_the_children_when_they_start(site: Site) -> None:
    with Child(site.folder) as child:
        assert child.ask(b"version") == f"+OK nwauth {__version__}\n".encode()
        running = servers.look()
        assert running is not None
        (one,) = (one for one in running.modules if one.pid == child.process.pid)
        touch(site.toml, one.started_at - 60)
        assert site.look(with_dmail=True) == []
        touch(site.toml, one.started_at + 0.05)
        found = site.found("restart", with_dmail=True)
        assert (str(site.toml) in found.what, "nwauth (process" in found.what) == (True, True)
    assert site.look(with_dmail=True) == []


def test_a_child_that_is_older_than_the_program_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = site.path / "__init__.py"
    newer.touch()
    with Child(site.folder) as child:
        child.ask(b"version")
        touch(site.toml, time.time() - 60)
        touch(newer, time.time() + 60)
        monkeypatch.setattr(nwauth, "__file__", str(newer))
        assert site.found("restart", with_dmail=True).what.startswith("nwauth itself was changed")


def test_commands_that_run_are_no_children() -> None:
    for words, is_child in (
        (["-path", "/x"], True),
        (["-path", "/x", "-readonly"], True),
        (["-log"], True),
        ([], True),
        (["serve"], True),
        (["--path", "/x", "user", "list"], False),
        (["doctor"], False),
        (["--version"], False),
    ):
        assert servers._name([sys.executable, "/usr/bin/nwauth", *words], "python3") == ("nwauth" if is_child else "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start servers as others")
def test_a_server_that_may_not_use_the_folder_is_told(site: Site) -> None:
    for path in (site.path, site.folder):
        path.chmod(0o755)
    with server(site, "dpop", user=OWNER) as one:
        touch(site.toml, one.started_at - 60)
        touch(site.txt, one.started_at - 60)
        found = site.found("server-shut-out", with_dmail=True)
        assert found.what == f"dpop (process {one.pid}) runs as uid {OWNER}, which cannot read {site.txt}"
        for path in (site.folder, site.txt, site.toml):  # by number: this account has no name
            os.chown(path, OWNER, OWNER)
        assert site.look(with_dmail=True) == []
        more = site.path / "log"
        more.touch(mode=0o600)
        site.toml.write_text(site.toml.read_text() + f'[log]\nfile = "{more}"\n')
        touch(site.toml, one.started_at - 60)
        found = site.found("server-shut-out", with_dmail=True)
        assert found.what == f"dpop (process {one.pid}) runs as uid {OWNER}, which cannot write {more}"
        os.chown(more, OWNER, OWNER)
        assert site.look(with_dmail=True) == []


def test_what_is_hidden_from_us_is_not_taken_for_nothing(site: Site) -> None:
    for hidden in (None, Running(is_hidden=True)):
        place = site.place()
        place.running = hidden
        with pytest.raises(Unavailable, match="does not show what others run"):
            list(servers.running(place))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start servers as others")
def test_what_another_account_calls_a_mail_server_does_not_choose_what_is_run(site: Site) -> None:
    """authent_process is started in the folder of the servers, and may serve or run what lies there."""
    site.path.chmod(0o755)
    other = site.path / "other"
    other.write_text('#!/bin/sh\nwhile read line; do echo "-ERR $PWD"; done\n')
    other.chmod(0o755)
    site.dmail(f"authent_process {other}\n")
    for user, folder in ((OWNER, "/"), (None, str(site.path))):
        with server(site, "dsmtp", user=user) as one:
            assert one.folder == str(site.path)
            found = site.found("another-program", with_dmail=True, among=True)
            assert found.what.endswith(f"to version it says -ERR {folder!a}")


def test_the_self_test_starts_what_the_servers_start_in_their_folder(site: Site) -> None:
    """A ``-path`` that is no whole one begins there."""
    site.dmail(f"authent_process {COMMAND[0]} -path mail\n")
    with server(site, "dsmtp"):
        done = run("/nowhere", "selftest", "--dmail-conf", str(site.dmail_file), "--format", "tsv")
        assert f"authent_process names no whole -path: it is started in {site.path}\n" in done.err
    assert done.status == 0, done.out
    assert "lookup bob\t+OK\t+OK bob config 0\t" in done.out


# --- the whole -------------------------------------------------------------------------------------------------------


def test_every_kind_of_finding_is_made_by_a_test() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


def test_each_check_says_in_its_first_line_what_should_be() -> None:
    for name, check in CHECKS.items():
        assert (check.__doc__ or "").split("\n", 1)[0].endswith("."), name
