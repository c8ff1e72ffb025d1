"""``nwauth log why`` and ``nwauth log last``: on logs that real children have written."""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from nwauth.audit import ERROR, INFO, open_log
from tests.commands.common import BOB, COMMAND, SETTINGS, Run, Terminal, base, contents, environment, run
from tests.serving import Child

OWNER = 12345
EVE = b'eve@test.com:*secret:mailstatus="suspended"\n'
INFO_LEVEL = '[log]\nlevel = "info"\n'
WHY_KEYS = [
    "user", "first", "last", "count", "from", "service", "store", "result", "rule", "reason", "tagged", "different",
    "words",
]  # fmt: skip
LAST_KEYS = ["user", "time", "from", "service", "store", "app"]


@pytest.fixture(params=["text", "ndjson"])
def mail(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A folder with bob and eve, who is suspended, and a log of every request."""
    return base(str(tmp_path), users=BOB + EVE, settings=f'{SETTINGS}{INFO_LEVEL}format = "{request.param}"\n')


def ask(folder: str, *requests: bytes) -> None:
    with Child(Path(folder)) as child:
        for request in requests:
            child.ask(request)


def sentences(done: Run) -> list[object]:
    return [row["words"] for row in done.records()]


def test_the_same_wrong_password_and_different_ones_are_told_apart_and_no_password_is_on_disk(mail: str) -> None:
    same = [b"check bob@test.com old-one 192.0.2.7"] * 40
    ask(mail, *same, *[b"check BOB@test.com guess-%d 192.0.2.8" % number for number in range(40)])
    done = run(mail, "log", "why", "Bob@Test.com")
    assert done.status == 0
    first, second = done.records()
    assert (first["from"], first["count"], first["tagged"], first["different"]) == ("192.0.2.7", 40, 40, 1)
    assert str(first["words"]).endswith("the same one each time (a device with an old password?)")
    assert (second["from"], second["count"], second["tagged"]) == ("192.0.2.8", 40, 40)
    assert 35 <= int(str(second["different"])) <= 40  # of 4096
    assert "In all 80 wrong passwords, " in done.err
    for content, _, _ in contents(mail).values():
        assert b"old-one" not in content
        assert b"guess-" not in content


def test_why_says_when_from_where_and_for_what_reason(mail: str) -> None:
    ask(mail, b"check eve@test.com secret 192.0.2.7", b"check eve@test.com wrong 192.0.2.7", b"check adam x 192.0.2.9")
    done = run(mail, "log", "why", "eve@test.com")
    assert sentences(done) == [
        "refused by the account's mailstatus from 192.0.2.7: mailstatus is suspended",
        "1 wrong password from 192.0.2.7",
    ]
    assert [list(row) for row in done.records()] == [WHY_KEYS] * 2
    assert sentences(run(mail, "log", "why", "adam")) == ["1 login under a name that is no user's from 192.0.2.9"]


def test_what_could_not_be_told_is_no_refusal(mail: str) -> None:
    ask(mail, b"check bob@test.com secret 192.0.2.7")
    os.rename(f"{mail}/nwauth.txt", f"{mail}/away")
    ask(mail, b"check bob@test.com secret 192.0.2.7")
    (row,) = run(mail, "log", "why", "bob@test.com").records()
    assert row["result"] == "dead"
    assert str(row["words"]).startswith("could not be told from 192.0.2.7: ")


def test_last_says_when_from_where_and_by_which_store(mail: str) -> None:
    ask(mail, b"check bob@test.com secret 192.0.2.7", b"check bob@test.com wrong 192.0.2.8", b"lookup bob@test.com")
    ask(mail, b"check BOB@test.com secret 192.0.2.9")
    done = run(mail, "log", "last", "bob@test.com")
    assert [(row["user"], row["from"], row["store"]) for row in done.records()] == [
        ("bob@test.com", "192.0.2.7", "flatfile"),
        ("BOB@test.com", "192.0.2.9", "flatfile"),
    ]
    assert [list(row) for row in done.records()] == [LAST_KEYS] * 2
    assert [row["from"] for row in run(mail, "log", "last", "bob@test.com", "--limit", "1").records()] == ["192.0.2.9"]


def test_without_a_name_the_last_login_of_each_is_shown(mail: str) -> None:
    with open(f"{mail}/nwauth.add", "ab") as file:
        file.write(b"adam@test.com:*secret:\n")
    ask(
        mail,
        *[
            b"check %s@test.com secret 192.0.2.%d" % (name, number)
            for number, name in enumerate([b"bob", b"adam", b"Bob"])
        ],
    )
    assert [(row["user"], row["from"]) for row in run(mail, "log", "last").records()] == [
        ("adam@test.com", "192.0.2.1"),
        ("Bob@test.com", "192.0.2.2"),
    ]


def test_a_user_without_refusals_is_a_no(mail: str) -> None:
    ask(mail, b"check bob@test.com secret 192.0.2.7")
    for words, nothing in (
        (("why", "bob@test.com"), "was not refused"),
        (("last", "eve@test.com"), "has not logged in"),
    ):
        done = run(mail, "log", *words)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith(f"{words[1]} {nothing} since 20")


@pytest.mark.parametrize("command", ["why", "last"])
def test_a_log_of_errors_only_is_no_proof_and_names_the_setting(folder: str, command: str) -> None:
    ask(folder, b"check bob@test.com wrong 192.0.2.7")
    assert run(folder, "log", command, "bob@test.com").status == 75  # not even a file
    os.rename(f"{folder}/nwauth.txt", f"{folder}/away")
    ask(folder, b"check eve@test.com wrong 192.0.2.7")
    done = run(folder, "log", command, "bob@test.com")
    assert (done.status, done.out) == (75, "")
    assert done.err.startswith('nwauth: the log keeps errors only, and neither logins nor refusals: set level = "info"')
    done = run(folder, "log", "why", "eve@test.com")
    assert done.status == 0
    assert "the log keeps errors only" in done.err


def test_rotated_and_packed_files_are_read_too_and_what_cannot_be_is_told(mail: str) -> None:
    log = Path(mail, "nwauth.log")
    for number in (3, 2, 1, 0):
        ask(mail, b"check bob@test.com wrong 192.0.2.%d" % number)
        if number:
            packed = gzip.compress(log.read_bytes()) if number > 1 else log.read_bytes()
            Path(mail, f"nwauth.log.{number}{'.gz' if number > 1 else ''}").write_bytes(packed)
            log.unlink()
    done = run(mail, "log", "why", "bob@test.com")
    assert [row["from"] for row in done.records()] == [f"192.0.2.{number}" for number in (3, 2, 1, 0)]
    third = Path(mail, "nwauth.log.3.gz")
    third.write_bytes(third.read_bytes()[:30])
    log.write_bytes(log.read_bytes() + b"what is this?\n")
    done = run(mail, "log", "why", "bob@test.com", "--quiet")
    assert [row["from"] for row in done.records()] == [f"192.0.2.{number}" for number in (2, 1, 0)]
    assert done.err == f"nwauth: not read to its end: {third}: it is cut: its packed data has no end\n"
    done = run(mail, "log", "why", "eve@test.com")
    assert done.status == 75
    assert "skipped 1 line that nwauth did not write\n" in done.err
    assert done.err.endswith("nwauth: eve@test.com was not refused, as far as the log could be read\n")


def test_where_and_since_when_and_how_many_can_be_said(mail: str) -> None:
    ask(mail, *[b"check bob@test.com wrong 10.0.%d.1" % number for number in range(5)])
    done = run(mail, "log", "why", "bob@test.com", "--limit", "2")
    assert [row["from"] for row in done.records()] == ["10.0.3.1", "10.0.4.1"]
    assert "(3 older ones are left out: --limit, --since)" in done.err
    assert [row["from"] for row in run(mail, "log", "why", "bob@test.com", "--from", "10.0.1.0/24").records()] == [
        "10.0.1.1"
    ]
    assert len(run(mail, "log", "why", "bob@test.com", "--since", "5m").records()) == 5
    assert run(mail, "log", "why", "bob@test.com", "--since", "2999-01-31 18:00").status == 1
    for words in (("--since", "yesterday"), ("--from", "mail.test.com"), ("--limit", "0")):
        assert run(mail, "log", "why", "bob@test.com", *words).status == 2


def test_names_meet_with_the_default_domain_and_without(tmp_path: Path) -> None:
    mail = base(str(tmp_path), settings=f'{SETTINGS}{INFO_LEVEL}\n[names]\ndefault_domain = "Test.com"\n')
    ask(
        mail, b"check bob wrong 192.0.2.1", b"check BOB@test.com wrong 192.0.2.2", b"check bob@else.com wrong 192.0.2.3"
    )
    for name in ("bob", "Bob@TEST.com"):
        assert [row["from"] for row in run(mail, "log", "why", name).records()] == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(("file", "mend"), [("syslog", "--file /var/log/mail.log"), ("null", "nothing is logged")])
def test_a_log_that_is_no_file_asks_for_one(tmp_path: Path, file: str, mend: str) -> None:
    mail = base(str(tmp_path), settings=f'{SETTINGS}{INFO_LEVEL}file = "{file}"\n')
    done = run(mail, "log", "why", "bob@test.com")
    assert done.status == 2
    assert mend in done.err
    line = b'Nov  2 10:00:00 m nwauth[12]: check user=bob@test.com ip=192.0.2.7 reason="wrong password" result=no\n'
    other = b"Nov  2 10:00:00 mail postfix/smtpd[9]: connect from unknown\n"
    (tmp_path / "mail.log.gz").write_bytes(gzip.compress(other + line))
    for done in (
        run(mail, "log", "why", "bob@test.com", "--file", "-", stdin=other + line),
        run(mail, "log", "why", "bob@test.com", "--file", "-", stdin=gzip.compress(other + line)),
        run(mail, "log", "why", "bob@test.com", "--file", f"{mail}/mail.log.gz"),
    ):
        assert sentences(done) == ["1 wrong password from 192.0.2.7"]
        assert done.err == "skipped 1 line that nwauth did not write\n"
    assert run(mail, "log", "why", "bob@test.com", "--file", f"{mail}/away").status == 2
    assert run(mail, "log", "why", "bob@test.com", "--file", mail).status == 2


def test_nothing_in_a_log_steers_a_terminal(tmp_path: Path) -> None:
    mail = base(str(tmp_path))
    evil = "\x1b[2J\x07\u202e\n\x9b31m"
    log = open_log(f"{mail}/nwauth.log", level="info", format="ndjson")
    log.request(
        INFO, "check", {"user": "bob", "ip": evil, "reason": evil, "rule": evil, "service": evil, "result": "no"}, 1
    )
    log.request(INFO, "check", {"user": "bob", "ip": evil, "store": evil, "service": evil, "result": "ok"}, 1)
    for command in ("why", "last"):
        for form in ("table", "json", "ndjson", "csv"):
            terminal = Terminal(mail, "log", command, "bob", "--format", form, "--color", "never", columns=200)
            assert terminal.end() == 0
            assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(terminal.screen), (command, form)


def test_people_get_a_sentence_a_line(tmp_path: Path) -> None:
    mail = base(str(tmp_path))
    seconds = [1_795_000_000.0]
    log = open_log(f"{mail}/nwauth.log", level="info", now=lambda: seconds[0])
    for number in range(40):
        facts = {
            "user": "bob",
            "service": "pop3",
            "ip": "192.0.2.7",
            "tag": "a3f",
            "reason": "wrong password",
            "result": "no",
        }
        log.request(INFO, "check", facts, 1)
        seconds[0] += 600 if number < 38 else 0
    log.request(ERROR, "check", {"user": "bob", "ip": "192.0.2.8", "reason": "it is locked", "result": "dead"}, 1)
    done = run(mail, "log", "why", "bob", "--format", "table")
    first, second = done.out.splitlines()
    assert first == (
        "2026-11-18 11:06:40 .. 17:26:40  40 wrong passwords from 192.0.2.7 (pop3): the same one each time"
        " (a device with an old password?)"
    )
    assert second == "2026-11-18 17:26:40  could not be told from 192.0.2.8: it is locked"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the ids of others")
def test_root_reads_the_log_as_the_owner_of_the_folder() -> None:
    """A link that the owner lays leads root nowhere; what root itself names it may read."""
    with tempfile.TemporaryDirectory(prefix="nwauth-test-") as top:  # where that owner can reach it
        os.chmod(top, 0o755)
        folder = Path(top, "mail")
        folder.mkdir()
        base(str(folder))
        line = b'2026-11-22T10:00:00.000+00:00 check user=bob ip=192.0.2.7 reason="wrong password" result=no ms=1\n'
        (folder / "nwauth.log").write_bytes(line)
        secret = Path(top, "secret")
        secret.write_bytes(line.replace(b"192.0.2.7", b"192.0.2.8"))
        secret.chmod(0o600)
        (folder / "nwauth.log.1").symlink_to(secret)
        for path in (folder, folder / "nwauth.txt", folder / "nwauth.toml", folder / "nwauth.log"):
            os.chown(path, OWNER, OWNER)
        done = run(str(folder), "log", "why", "bob")
        assert [row["from"] for row in done.records()] == ["192.0.2.7"]
        assert f"nwauth: not read to its end: {folder}/nwauth.log.1: Permission denied\n" in done.err
        named = run(str(folder), "log", "why", "bob", "--file", str(secret))
        assert [row["from"] for row in named.records()] == ["192.0.2.8"]


def test_a_long_log_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    mail = base(str(tmp_path))
    head = "2026-11-22T10:00:00.000+00:00 check user=bob"
    line = head + ' ip=2001:db8::{:x} tag={:03x} reason="wrong password" result=no ms=1\n'

    def peak(count: int) -> int:
        with open(f"{mail}/nwauth.log", "w") as file:
            file.writelines(line.format(number, number % 4096) for number in range(count))
        script = (
            "import resource, sys\nfrom nwauth.commands.group import run_command\nstatus = run_command(sys.argv[1:])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\nsys.exit(status)"
        )
        python = os.path.join(os.path.dirname(COMMAND[0]), "python")
        words = [python, "-c", script, "--path", mail, "log", "why", "bob", "--quiet"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment())
        assert len(done.stdout.splitlines()) == 20
        return int(done.stderr)

    assert peak(120_000) < peak(30_000) + 4_000  # kB
