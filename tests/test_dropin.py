"""NWAuth's own command line: options, one-shot forms, exit status (spec/protocol.md section 5)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nwauth import cli, oneshot
from nwauth.audit import Log
from nwauth.dropin import read_options
from nwauth.errors import Misuse, Unavailable
from nwauth.names import NameRules
from nwauth.passwords import Passwords
from nwauth.protocol import Parser
from nwauth.server import Conversation
from nwauth.service import Service, StoreRules
from nwauth.stores.memory import MemoryStore
from tests.serving import COMMAND, Child, converse, make_folder, one_shot

if TYPE_CHECKING:
    from pathlib import Path

NO_BASE = b"-DEAD no user database, run nwauth init\n"
USERS = b'Bob:*secret:quota="1"\neve:*hunter2:mailstatus="suspended"\nlocked:!:\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "base", USERS)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "empty", None)


def has_base(folder: Path) -> bool:
    return (folder / "nwauth.txt").exists() or (folder / "nwauth.add").exists()


# --- one-shot forms --------------------------------------------------------------------------------------------------

BOB = b'+OK Bob config 0 quota="1"\n'


@pytest.mark.parametrize(
    ("words", "reply", "status"),
    [
        (["-lookup", "BOB"], BOB, 0),
        (["-lookup", "nobody"], b"-ERR nobody does not exist\n", 1),
        (["-check", "bob", "secret"], BOB, 0),
        (["-check", "bob", "secret", "192.0.2.7"], BOB, 0),
        (["-check", "bob", "secret", "no-address"], BOB, 0),
        (["-check", "bob", "wrong"], b"-ERR bob password wrong or not a valid user\n", 1),
        (["-check", "eve", "hunter2"], b"-ERR eve password wrong or not a valid user\n", 1),
        (["-check", "bob", ""], b"-ERR bob password wrong or not a valid user\n", 1),
        (["-set", "new", "pw"], b"+OK new added to database\n", 0),
        (["-set", "bob", "(NULL)", "quota=2"], b"+OK bob added to database\n", 0),
        (["-set", "nobody", "(NULL)"], b"-ERR nobody does not exist\n", 1),
        (["-set", "a/b", "pw"], b"-ERR a/b not a valid name\n", 1),
        (["-del", "BOB"], b"+OK BOB deleted\n", 0),
        (["-del", "nobody"], b"-ERR nobody does not exist\n", 1),
        (["-search", "b*"], b'+DATA Bob quota="1"\n+OK Search Complete 1 items found out of 3\n', 0),
        (["-search", "*", "-from", "2", "-max", "5"], b"+DATA locked\n+OK Search Complete 3 items found out of 3\n", 0),
        (["-readonly", "-set", "bob", "pw"], b"-ERR not supported here\n", 1),
        (["-readonly", "-del", "bob"], b"-ERR not supported here\n", 1),
        (["-readonly", "-generate", "2"], b"-ERR not supported here\n", 1),
    ],
)
def test_a_one_shot_form_prints_the_reply_and_its_status(
    folder: Path, words: list[str], reply: bytes, status: int
) -> None:
    assert one_shot(folder, *words) == (reply, status)


@pytest.mark.parametrize("words", [["-lookup", "bob"], ["-check", "bob", "x"], ["-del", "bob"], ["-search", "*"]])
def test_without_a_base_a_one_shot_form_cannot_tell(empty: Path, words: list[str]) -> None:
    assert one_shot(empty, *words) == (NO_BASE, 75)
    assert one_shot(empty / "missing", *words) == (NO_BASE, 75)
    assert not has_base(empty)
    assert not (empty / "missing").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["-set", "bob"],
        ["-set"],
        ["-check", "bob"],
        ["-check", "bob", "pw", "ip", "more"],
        ["-search"],
        ["-lookup"],
        ["-generate", "x"],
        ["-generate", "-1"],
        ["-size", "x"],
        ["-sleep", "1"],
        ["-sleep", "a", "b"],
        ["-nonsense"],
        ["drop_path", "3", "/var/mail"],
        ["drop_path", "x", "/var/mail"],
    ],
)
def test_misuse_is_told_on_stderr_with_status_2_and_makes_no_base(empty: Path, words: list[str]) -> None:
    done = converse(empty, b"lookup bob\n", *words)
    assert (done.stdout, done.returncode) == (b"", 2)
    assert re.fullmatch(rb"nwauth: .+\n", done.stderr)
    assert not has_base(empty)


@pytest.mark.parametrize(
    "words",
    [["-set", "a/b", "pw"], ["-set", "bob", "pw", "junk"], ["-set", "bob", ""], ["-set", "bob", "pw", "valid_until=x"]],
)
def test_a_refused_set_makes_no_base_where_there_may_be_a_mount_point(empty: Path, words: list[str]) -> None:
    reply, status = one_shot(empty, *words)
    assert (reply.split()[0], status) in ((b"-ERR", 1), (b"-DEAD", 75))  # refused, or nothing there to refuse it
    assert not has_base(empty)
    assert one_shot(empty, "-lookup", "bob") == (NO_BASE, 75)


def test_a_one_shot_set_makes_a_base_and_a_piped_set_does_not(empty: Path) -> None:
    assert converse(empty, b"set bob secret\nlookup bob\n").stdout == NO_BASE * 2
    assert not has_base(empty)
    assert one_shot(empty, "-set", "bob", "secret", "quota=5") == (b"+OK bob added to database\n", 0)
    assert one_shot(empty, "-check", "bob", "secret") == (b'+OK bob config 0 quota="5"\n', 0)
    assert converse(empty, b"lookup bob\nlookup nobody\n").stdout == (
        b'+OK bob config 0 quota="5"\n-ERR nobody does not exist\n'
    )
    assert (empty / "nwauth.txt").stat().st_mode & 0o777 == 0o600


def test_a_one_shot_set_in_a_folder_that_is_not_there_cannot_tell(empty: Path) -> None:
    reply, status = one_shot(empty / "missing", "-set", "bob", "pw")
    assert (reply[:6], status) == (b"-DEAD ", 75)


def test_a_one_shot_set_takes_info_with_and_without_quotes(folder: Path) -> None:
    words = ["-set", "bob", "(NULL)", "quota=two words", 'fwd="a@b"', "QUOTA=3", "note=a=b"]
    assert one_shot(folder, *words) == (b"+OK bob added to database\n", 0)
    assert one_shot(folder, "-lookup", "bob") == (b'+OK Bob config 0 quota="3" fwd="a@b" note="a=b"\n', 0)
    one_shot(folder, "-set", "bob", "(NULL)", "fwd=", 'note=""')
    assert one_shot(folder, "-lookup", "bob") == (b'+OK Bob config 0 quota="3"\n', 0)


@pytest.mark.parametrize("info", ["junk", "=1", 'a"b=1', "a=1\n", "a b=1", 'a="1', "a=\x01", 'a="1"b="2"'])
def test_a_one_shot_set_refuses_malformed_info_and_changes_nothing(folder: Path, info: str) -> None:
    reply, status = one_shot(folder, "-set", "bob", "changed", "quota=9", info)
    assert (reply[:5], status) == (b"-ERR ", 1)
    assert one_shot(folder, "-check", "bob", "secret") == (BOB, 0)


@pytest.mark.parametrize("password", ["a\nb", "a\x01b", "\x7f", "a\rb", "a\tb"])
def test_a_one_shot_set_refuses_a_password_with_control_bytes(folder: Path, password: str) -> None:
    reply, status = one_shot(folder, "-set", "bob", password)
    assert (reply[:5], status) == (b"-ERR ", 1)
    assert one_shot(folder, "-check", "bob", "secret") == (BOB, 0)


def test_the_words_of_the_command_line_are_bytes(folder: Path) -> None:
    for words in (
        [b"-set", b"bob", b"p\xff\xc3\xa9 w"],
        [b"-check", b"bob", b"p\xff\xc3\xa9 w"],
        [b"-lookup", b"x\xff\xc3\xa9"],
    ):
        for locale in ("C", "C.UTF-8"):
            done = subprocess.run(
                [COMMAND.encode(), b"-path", os.fsencode(folder), *words],
                capture_output=True,
                check=False,
                env=os.environ | {"LC_ALL": locale},
            )
            assert done.stderr == b""
            assert done.returncode == (words[0] == b"-lookup")
            if done.returncode:
                assert done.stdout == b"-ERR x\xff\xc3\xa9 does not exist\n"


ANSWERS = [
    (["-lookup", "bob"], 0),
    (["-lookup", "nobody"], 1),
    (["-check", "bob", "secret"], 0),
    (["-check", "bob", "wrong"], 1),
    (["-check", "nobody", "secret"], 1),
    (["-check", "eve", "hunter2"], 1),
    (["-search", "*"], 0),
    (["-set", "new", "pw"], 0),
    (["-set", "a/b", "pw"], 1),
    (["-set", "bob", "pw", "junk"], 1),
    (["-readonly", "-del", "bob"], 1),
    (["-del", "bob"], 0),
    (["-del", "nobody"], 1),
    (["-encrypt", "all"], 0),
    (["-encrypt", "nobody"], 1),
    (["-generate", "1"], 0),
]


@pytest.mark.parametrize("out", ["a full disk", "a pipe without a reader", "closed"])
def test_the_status_of_a_one_shot_form_is_its_answer_though_nobody_can_read_it(folder: Path, out: str) -> None:
    """A "no" that cannot be written must never become the status of a "yes"."""
    for words, status in ANSWERS:
        reading, writing = os.pipe()
        os.close(reading)
        if out == "a full disk":
            os.close(writing)
            writing = os.open("/dev/full", os.O_WRONLY)
        command = [COMMAND, "-path", str(folder), *words]
        if out == "closed":
            command = ["sh", "-c", 'exec "$0" "$@" >&-', *command]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
        os.close(writing)
        assert (done.returncode, done.stderr) == (status, b""), words
    assert one_shot(folder, "-check", "new", "pw")[1] == 0
    assert one_shot(folder, "-lookup", "bob")[1] == 1


@pytest.mark.parametrize("words", [["-lookup", "bob"], ["-check", "bob", "secret"], ["-set", "bob", "pw"]])
def test_where_it_cannot_tell_and_nobody_can_read_it_a_one_shot_form_ends_with_75(
    empty: Path, words: list[str]
) -> None:
    (empty / "nwauth.txt").mkdir()
    with open("/dev/full", "wb") as full:
        done = subprocess.run([COMMAND, "-path", str(empty), *words], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (75, b"")


def test_the_default_folder_is_the_current_one(folder: Path) -> None:
    environ = {key: value for key, value in os.environ.items() if key != "NWAUTH_PATH"}
    done = subprocess.run([COMMAND, "-lookup", "bob"], cwd=folder, env=environ, capture_output=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (BOB, b"", 0)


# --- -generate and -encrypt ------------------------------------------------------------------------------------------


def test_generate_makes_a_base_of_test_accounts(empty: Path) -> None:
    reply, status = one_shot(empty, "-generate", "12")
    assert (reply[:4], status) == (b"+OK ", 0)
    done = converse(empty, b"check test0 test\ncheck TEST11 test\nlookup test12\ncheck test0 x\nsearch * -max 0\n")
    assert done.stdout.splitlines() == [
        b"+OK test0 config 0",
        b"+OK test11 config 0",
        b"-ERR test12 does not exist",
        b"-ERR test0 password wrong or not a valid user",
        b"+OK Search Complete 12 items found out of 12",
    ]


def test_generate_leaves_other_users_alone(folder: Path) -> None:
    assert one_shot(folder, "-generate", "1")[1] == 0
    assert one_shot(folder, "-check", "bob", "secret") == (BOB, 0)
    assert one_shot(folder, "-search", "*", "-max", "0")[0] == b"+OK Search Complete 4 items found out of 4\n"


@pytest.mark.parametrize("whom", ["all", "ALL"])
def test_encrypt_hashes_every_clear_text_password(folder: Path, whom: str) -> None:
    reply, status = one_shot(folder, "-encrypt", whom)
    assert (reply, status) == (b"+OK 2 clear-text passwords hashed\n", 0)
    assert b"*secret" not in newest(folder, "Bob")
    assert newest(folder, "Bob").startswith(b"Bob:{ssha}")
    assert one_shot(folder, "-check", "bob", "secret") == (BOB, 0)
    assert one_shot(folder, "-check", "eve", "hunter2")[1] == 1  # suspended as before
    assert one_shot(folder, "-encrypt", whom) == (b"+OK 0 clear-text passwords hashed\n", 0)


def newest(folder: Path, name: str) -> bytes:
    lines = (folder / "nwauth.add").read_bytes().splitlines()
    return [line for line in lines if line.startswith(name.encode() + b":")][-1]


def test_encrypt_hashes_what_stands_behind_a_tag_too(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "base", b"bob:{CLEAR}secret:\neve:{plain}s p:\nted:*x:\nann:{ssha}x:\n")
    assert one_shot(folder, "-encrypt", "all") == (b"+OK 3 clear-text passwords hashed\n", 0)
    assert one_shot(folder, "-check", "bob", "secret")[1] == 0
    assert one_shot(folder, "-check", "eve", "s p")[1] == 0
    assert b"{CLEAR}" not in (folder / "nwauth.add").read_bytes()


def test_encrypt_of_one_user_leaves_the_others_alone(folder: Path) -> None:
    assert one_shot(folder, "-encrypt", "BOB") == (b"+OK 1 clear-text password hashed\n", 0)
    assert (folder / "nwauth.add").read_bytes().count(b":{ssha}") == 1
    assert one_shot(folder, "-encrypt", "nobody") == (b"-ERR nobody does not exist\n", 1)
    assert one_shot(folder, "-encrypt", "locked") == (b"+OK 0 clear-text passwords hashed\n", 0)


def test_one_field_that_cannot_be_hashed_does_not_keep_encrypt_from_the_others(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "base", b"a:*" + b"x" * 600 + b":\nbob:*secret:\n")
    one_shot(folder, "-encrypt", "all")
    assert newest(folder, "bob").startswith(b"bob:{ssha}")


# --- options of a child ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "asked", "answer"),
    [
        (["2", "BASE"], "dom1_bob", "BASE/b/o/dom1_BOB"),
        (["1", "BASE"], "dom1_bob", "BASE/b/dom1_BOB"),
        (["0", "BASE"], "dom1_bob", "BASE/dom1_BOB"),
        (["2", "/var/spool/mail/"], "dom1_bob", "/var/spool/mail/b/o/dom1_BOB"),
        (["2", "BASE"], "alice", "BASE/a/l/Alice"),
        (["2", "BASE"], "x", "BASE/x/x"),
    ],
)
def test_drop_path_gives_the_paths_of_dpop(tmp_path: Path, words: list[str], asked: str, answer: str) -> None:
    folder = make_folder(tmp_path / "base", b"dom1_BOB:*pw:\nAlice:*pw:\nx:*pw:\n")
    for option in ("drop_path", "-drop_path"):
        reply, status = one_shot(folder, option, *words, "-lookup", asked)
        assert (reply.split()[2].decode(), status) == (answer, 0)


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "dom_../x"])
def test_drop_path_never_leads_out_of_its_base(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "base", name.encode() + b":*pw:\n")
    reply, _ = one_shot(folder, "drop_path", "2", "/var/mail", "-lookup", name)
    assert reply == b"+OK " + name.encode() + b" config 0\n"


def test_sleep_waits_at_first_and_on_every_so_many_replies(folder: Path) -> None:
    with Child(folder, "-sleep", "2", "1") as child:
        seconds = []
        for _ in range(3):
            start = time.monotonic()
            assert child.ask(b"lookup bob") == BOB
            seconds.append(time.monotonic() - start)
    assert [spent >= 1 for spent in seconds] == [True, False, True]


def test_a_child_that_sleeps_still_answers_before_it_reads_on(folder: Path) -> None:
    with Child(folder, "-sleep", "2", "1") as child:
        child.send(b"version\nlookup bob\nlookup bob\n")
        child.line()
        start = time.monotonic()
        assert child.line() == BOB
        assert time.monotonic() - start < 0.8, "the reply was held back while the next one slept"


def test_size_merges_a_journal_that_passes_it(folder: Path) -> None:
    with Child(folder, "-size", "200") as child:
        for number in range(12):
            child.ask(b"set user%d pw" % number)
        until = time.monotonic() + 10
        while b"user0:" not in (folder / "nwauth.txt").read_bytes():
            assert time.monotonic() < until, "no merge was made"
            assert child.ask(b"lookup user11") == b"+OK user11 config 0\n"
            time.sleep(0.02)
        assert child.ask(b"lookup user0") == b"+OK user0 config 0\n"
        assert child.ask(b"lookup bob") == BOB


@pytest.mark.parametrize("options", [["-log"], ["-debug"], ["-log", "-logpass"]])
def test_no_password_and_no_hash_is_ever_logged(folder: Path, options: list[str]) -> None:
    requests = (
        b"check bob hunter2\ncheck bob hunter2 192.0.2.7\ncheck bob pw hunter2\nset new hunter2\n"
        b"set new hunter2 a=hunter2\ncheck new hunter2\nset hunter2\ncheck nobody hunter2\nset eve \x01hunter2\n"
        b"chekc bob hunter2\nsearch a hunter2\n"
    )
    converse(folder, requests, *options)
    one_shot(folder, *options, "-check", "bob", "hunter2")
    one_shot(folder, *options, "-set", "other", "hunter2")
    log = (folder / "nwauth.log").read_bytes()
    assert log.count(b"user=new") >= 2
    assert b"hunter2" not in log
    assert b"{ssha}" not in log
    assert b"*secret" not in log
    if "-logpass" in options:
        assert b"passwords are never written" in log
    for path in folder.iterdir():
        content = path.read_bytes()
        assert path.name == "nwauth.txt" or b"hunter2" not in content, path.name


def test_the_log_is_silent_by_default_and_holds_one_line_a_request_with_log(folder: Path) -> None:
    converse(folder, b"lookup bob\nlookup nobody\n\nhello\n")
    assert not (folder / "nwauth.log").exists()
    converse(folder, b"lookup bob\nlookup nobody\n\nhello\nset bob (NULL) a=\n", "-log", "-service", "imap")
    log = (folder / "nwauth.log").read_text().splitlines()
    assert [line.split()[1] for line in log] == ["lookup", "lookup", "invalid", "invalid"]
    assert ["result=ok" in line for line in log] == [True, False, False, False]
    assert all("service=imap" in line for line in log)


def test_options_may_stand_in_any_order_and_the_path_may_hold_blanks(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a folder", USERS)
    done = subprocess.run(
        [COMMAND, "-readonly", "-service", "x", "-path", str(folder), "-log"],
        input=b"lookup bob\n",
        capture_output=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (BOB, b"", 0)


def test_the_path_may_have_two_dashes_as_the_commands_have_it(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mail", USERS)
    done = subprocess.run([COMMAND, "--path", str(folder), "-lookup", "bob"], capture_output=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (BOB, b"", 0)
    assert read_options(["--path", "d", "user", "list"]) is None


def test_words_that_are_no_drop_in_option_are_left_to_the_commands() -> None:
    assert read_options(["user", "list"]) is None
    assert read_options(["--help"]) is None
    assert read_options(["-path", "d", "-h"]) is None
    assert read_options(["-path", "d", "user", "list"]) is None
    options = read_options(["-path", "d", "-set", "-readonly", "-log"])
    assert options is not None
    assert options.given == {"-path": ["d"], "-set": ["-readonly", "-log"]}
    with pytest.raises(Misuse, match="-path"):
        read_options(["-path"])


# --- a configuration that cannot be used -----------------------------------------------------------------------------

BAD_FILES = ["nonsense", "[server]\naddress = 7\n", '[passwords]\nscheme = "ssha"\nweak_after = 2027-01-01\n', "\udcff"]


@pytest.mark.parametrize("toml", BAD_FILES)
def test_a_bad_configuration_cannot_tell_and_says_why_on_stderr_and_in_the_log(folder: Path, toml: str) -> None:
    (folder / "nwauth.toml").write_bytes(toml.encode("utf-8", "surrogateescape"))
    requests = [b"lookup bob", b"lookup nobody", b"check bob secret", b"set new pw", b"del bob", b"search *"]
    done = converse(folder, b"\n".join(requests) + b"\nhello\nversion\n")
    replies = done.stdout.splitlines()
    assert [reply.split()[0] for reply in replies] == [b"-DEAD"] * 6 + [b"-ERR", b"+OK"]
    assert re.fullmatch(rb"nwauth: .*nwauth\.toml.+\n", done.stderr)
    assert done.returncode == 0
    log = (folder / "nwauth.log").read_text()
    assert "start" in log
    assert "nwauth.toml" in log
    assert (folder / "nwauth.txt").read_bytes() == USERS


@pytest.mark.parametrize(
    "words",
    [
        ["-lookup", "bob"],
        ["-set", "bob", "pw"],
        ["-generate", "2"],
        ["-del", "bob"],
        ["-search", "*"],
        ["-encrypt", "all"],
        ["-encrypt", "bob"],
    ],
)
def test_with_a_bad_configuration_every_one_shot_form_ends_with_75(folder: Path, words: list[str]) -> None:
    (folder / "nwauth.toml").write_text("nonsense")
    done = converse(folder, b"", *words)
    assert (done.stdout[:6], done.returncode) == (b"-DEAD ", 75)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr.count(b"\n") == 1


def test_a_configuration_that_cannot_be_read_cannot_tell(folder: Path) -> None:
    (folder / "nwauth.toml").mkdir()
    done = converse(folder, b"", "-lookup", "bob")
    assert (done.stdout[:6], done.returncode) == (b"-DEAD ", 75)
    assert b"nwauth.toml" in done.stderr


def test_a_path_that_is_no_folder_cannot_tell(folder: Path) -> None:
    done = converse(folder / "nwauth.txt", b"", "-lookup", "bob")
    assert (done.stdout[:6], done.returncode) == (b"-DEAD ", 75)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a folder to another")
def test_what_root_sets_belongs_to_the_owner_of_the_folder(empty: Path) -> None:
    os.chown(empty, 65534, 65534)
    for parent in empty.parents:
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o005)
    assert one_shot(empty, "-set", "bob", "pw") == (b"+OK bob added to database\n", 0)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in empty.iterdir()} == {(65534, 65534)}
    assert one_shot(empty, "-check", "bob", "pw")[1] == 0


def test_on_another_system_a_start_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        status = cli.main(["-lookup", "bob"])
    said = capfd.readouterr()
    assert (status, said.out) == (2, "")
    assert re.fullmatch(r"nwauth: .*POSIX.*\n", said.err)


@pytest.mark.parametrize("words", [["-lookup", "bob"], ["-set", "bob", "pw"], ["-generate", "2"], ["-encrypt", "all"]])
def test_a_one_shot_form_says_what_is_public_and_logs_the_whole_reason(
    tmp_path: Path, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    class Away(MemoryStore):
        def _must_be_up(self) -> None:
            raise Unavailable("cannot connect to db7 as nwauth: refused", public="the database is down")

        def make(self) -> bool:
            self._must_be_up()
            return False

    rules = {"memory": StoreRules(scheme="ssha")}
    service = Service(Away(), Passwords(), rules=rules, names=NameRules(), now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    logged: list[str] = []
    log = Log(lambda _level, line: logged.append(line))
    option, *rest = words
    status = oneshot.run(option, rest, service, Conversation(service, Parser(), log), log, folder=str(tmp_path))
    assert (status, capfd.readouterr().out) == (75, "-DEAD the database is down\n")
    assert len(logged) == 1
    assert f" {option[1:]} level=error " in logged[0]
    assert 'reason="cannot connect to db7 as nwauth: refused"' in logged[0]
    assert "result=dead" in logged[0]


# --- signals to a child that has only begun --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_start_ends_a_child_without_a_trace_of_ours(
    folder: Path, number: signal.Signals
) -> None:
    """Before our first line the interpreter answers for itself: it may die of the signal, name its own files, or (where
    SIGINT meets a callback of its import lock) lose it; then the child serves, and ends with its input."""
    statuses = []
    for step in range(24):
        with Child(folder) as child:
            time.sleep(step * 0.002)
            child.process.send_signal(number)
            if number == signal.SIGINT and not child.ends_within(seconds=5):
                child.hang_up()
            statuses.append(child.status())
            said = child.errors()
            assert child.rest() == b""
            assert b"/nwauth/" not in said, said.decode()
            if number == signal.SIGTERM:
                assert said == b""
    assert set(statuses) <= {0, -number, *((1, 130) if number == signal.SIGINT else ())}


INTERRUPTED = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.Signals[sys.argv[2]])
sys.meta_path.insert(0, Finder())
from nwauth.cli import main
status = main(sys.argv[3:])
sys.exit(status)
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("module", ["dropin", "server", "protocol", "config", "audit", "build", "service", "stores"])
def test_a_signal_during_an_import_leaves_no_traceback(folder: Path, module: str, number: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, f"nwauth.{module}", number, "-path", str(folder)],
        input=b"",
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    assert done.returncode in ((0, -signal.SIGTERM) if number == "SIGTERM" else (0, 130))
