"""The fail2ban filter in examples/, tried with Debian's ``fail2ban-regex`` on logs that real children have written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nwauth.audit import INFO, Log, open_log
from tests.serving import Child, make_folder

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "fail2ban"
FILTER = EXAMPLES / "filter.d" / "nwauth.conf"
PROGRAM = shutil.which("fail2ban-regex")
VICTIM = "10.66.66.66"  # whom an attacker would like to see banned
TRUE = "192.0.2.7"
SYSLOG_HEADS = (
    "Nov 22 10:00:00 mail nwauth[12]: ",
    "Nov  2 10:00:00 mail nwauth: ",
    "2026-11-22T10:00:00.123456+01:00 mail.test.com nwauth[12]: ",
)
# Names that hold no blank can be sent; the others come from stores and commands.
HOSTILE_WORDS = [
    b'x"ip=10.66.66.66',
    b'x"\x1fip=10.66.66.66\x1freason="wrong',
    b"x\\",
    b'x\\"',
    b"ip=10.66.66.66",
    b"ip",
    b"x\rcheck\x1cuser=y\x1cip=10.66.66.66",
    b"x\x0bip=10.66.66.66",
    "x\u2028ip=10.66.66.66".encode(),
    "x\u00a0ip=10.66.66.66\u00a0reason=no".encode(),
    b"\xff\xfeip=10.66.66.66",
    b'","ip":"10.66.66.66","reason":"wrong',
    b'\\","ip":"10.66.66.66',
    b"<HOST>",
    b"%(_value)s",
    "Ünal@tëst.com".encode(),
]
HOSTILE_TEXTS = [
    "x ip=10.66.66.66",
    'x" ip=10.66.66.66 reason="wrong password" result=no',
    'x\n2026-11-22T10:00:00.000+00:00 check user=y ip=10.66.66.66 reason="wrong password" result=no ms=1',
    'x\n{"time":"2026-11-22T10:00:00.000+00:00","level":"info","command":"check","user":"y","ip":"10.66.66.66"}',
    'mail nwauth[1]: check user=y ip=10.66.66.66 reason="no such user" result=no ms=1',
    'x\\" ip=10.66.66.66 reason=\\"no such user\\" result=no \\',
]


@pytest.fixture(autouse=True)
def _has_the_program() -> None:
    if PROGRAM is None:
        reason = "no fail2ban-regex here (Debian package fail2ban)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def banned(log: Path, *, options: str = "") -> list[str]:
    """The addresses that count, one a line that matches."""
    assert PROGRAM is not None
    done = subprocess.run(
        [PROGRAM, "-o", "ip", str(log), f"{FILTER}{options}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )
    assert "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout.split()


def folder(tmp_path: Path, form: str) -> Path:
    return make_folder(
        tmp_path / "mail",
        b'bob@test.com:*secret:\neve@test.com:*secret:mailstatus="suspended"\n',
        toml=f'[log]\nlevel = "info"\nformat = "{form}"\n',
    )


def options_of(form: str, mode: str = "normal") -> str:
    return f"[format={form}, mode={mode}]"


@pytest.mark.parametrize("form", ["text", "ndjson"])
def test_wrong_passwords_and_unknown_users_count_and_nothing_else_does(tmp_path: Path, form: str) -> None:
    mail = folder(tmp_path, form)
    with Child(mail) as child:
        child.ask(b"check bob@test.com wrong 192.0.2.1")
        child.ask(b"check nobody@test.com wrong 2001:db8::2")
        child.ask(b"check bob@test.com secret 192.0.2.3")
        child.ask(b"check eve@test.com secret 192.0.2.4")  # an account that is refused is no guess
        child.ask(b"lookup nobody@test.com")
        child.ask(b"check bob@test.com wrong ::ffff:192.0.2.5")
        child.ask(b"check bob@test.com wrong")  # from nowhere
        (mail / "nwauth.txt").rename(mail / "away")
        assert child.ask(b"check bob@test.com wrong 192.0.2.6").startswith(b"-DEAD")
    assert banned(mail / "nwauth.log", options=options_of(form)) == ["192.0.2.1", "2001:db8::2", "192.0.2.5"]


@pytest.mark.parametrize("form", ["text", "ndjson"])
def test_no_name_that_a_client_sends_can_name_another_address(tmp_path: Path, form: str) -> None:
    mail = folder(tmp_path, form)
    with Child(mail) as child:
        for word in HOSTILE_WORDS:
            assert child.ask(b"check " + word + b" wrong 192.0.2.7").startswith(b"-ERR"), word
            child.ask(b"lookup " + word)
            child.ask(b"set " + word + b" wrong")
            child.ask(b"search " + word)
            child.ask(word)  # no request at all
        child.ask(b"check bob@test.com " + b'ip=10.66.66.66"' + b" 192.0.2.7")
    found = banned(mail / "nwauth.log", options=options_of(form, "aggressive"))
    assert VICTIM not in found
    assert found == [TRUE] * (len(HOSTILE_WORDS) + 1)


@pytest.mark.parametrize("form", ["text", "ndjson"])
def test_no_value_of_any_text_can_name_another_address(tmp_path: Path, form: str) -> None:
    log = open_log(str(tmp_path / "log"), level="info", format=form)
    for text in HOSTILE_TEXTS:
        log.request(INFO, "check", {"user": text, "ip": TRUE, "reason": "wrong password", "result": "no"}, 1)
        log.request(INFO, "check", {"user": "x", "service": text, "ip": TRUE, "reason": text, "result": "no"}, 1)
        log.request(INFO, "check", {"user": "x", "ip": text, "reason": "wrong password", "result": "no"}, 1)
        log.request(INFO, "lookup", {"user": text, "store": text, "result": "no"}, 1)
        log.request(INFO, text, {"user": text}, 1)
        log.event(INFO, text, {text: text})
    assert banned(tmp_path / "log", options=options_of(form, "aggressive")) == [TRUE] * len(HOSTILE_TEXTS)


@pytest.mark.parametrize("form", ["text", "ndjson"])
@pytest.mark.parametrize("head", SYSLOG_HEADS)
def test_lines_that_syslog_keeps_count_too(tmp_path: Path, head: str, form: str) -> None:
    lines: list[str] = []
    log = Log(lambda _level, line: lines.append(line), level="info", format=form, stamped=False)
    for user in ("bob", *HOSTILE_TEXTS):
        log.request(
            INFO, "check", {"user": user, "ip": TRUE, "tag": "a3f", "reason": "no such user", "result": "no"}, 1
        )
    others = [
        f"Nov 22 10:00:00 mail postfix/smtpd[9]: {lines[0].replace(TRUE, VICTIM)}",
        f"Nov 22 10:00:00 mail dovecot: x nwauth[9]: {lines[0].replace(TRUE, VICTIM)}",
    ]
    file = tmp_path / "mail.log"
    file.write_text("".join(f"{line}\n" for line in [*(head + line for line in lines), *others]))
    assert banned(file, options=options_of(form)) == [TRUE] * len(lines)


@pytest.mark.parametrize("form", ["text", "ndjson"])
def test_refusals_of_the_throttle_count_where_that_is_asked_for(tmp_path: Path, form: str) -> None:
    log = open_log(str(tmp_path / "log"), level="info", format=form)
    facts = {"user": "bob", "ip": TRUE, "rule": "throttle", "reason": "too many wrong passwords", "result": "no"}
    log.request(INFO, "check", facts, 1)
    log.request(INFO, "check", facts | {"ip": "unknown"}, 1)
    log.request(INFO, "check", facts | {"rule": "mailstatus", "reason": "rule=throttle"}, 1)
    assert banned(tmp_path / "log", options=options_of(form)) == []
    assert banned(tmp_path / "log", options=options_of(form, "aggressive")) == [TRUE]


def test_a_line_that_names_a_host_in_place_of_an_address_is_never_resolved(tmp_path: Path) -> None:
    log = open_log(str(tmp_path / "log"), level="info")
    log.request(INFO, "check", {"user": "x", "ip": "localhost", "reason": "wrong password", "result": "no"}, 1)
    assert banned(tmp_path / "log") == []


def test_the_jail_names_the_filter_and_the_log(tmp_path: Path) -> None:
    """The whole of it, as fail2ban reads it: its own check of a configuration."""
    client = shutil.which("fail2ban-client")
    assert client is not None
    config = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", config)
    for part in ("filter.d", "jail.d"):
        shutil.copy(EXAMPLES / part / "nwauth.conf", config / part / "nwauth.conf")
    jail = config / "jail.d" / "nwauth.conf"
    jail.write_text(re.sub(r"(?m)^logpath = .*$", f"logpath = {tmp_path}/log", jail.read_text()))
    (tmp_path / "log").write_bytes(b"")
    (config / "jail.d" / "defaults-debian.conf").unlink(missing_ok=True)
    done = subprocess.run([client, "-c", str(config), "-d"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"['set', 'nwauth', 'addlogpath', '{tmp_path}/log', 'head']" in done.stdout
    assert "['set', 'nwauth', 'maxretry', 20]" in done.stdout
