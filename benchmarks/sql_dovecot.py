"""Dovecot's auth as a peer: a server of our own over the same database, asked through its auth sockets.

Its protocol: https://doc.dovecot.org/2.3/developer_manual/design/auth_protocol/
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import data
from driver import Ask, BenchError, Driver, Measured
from peers import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sql_bases import Engine, SqlBase

INSTALLED = "/usr/sbin/dovecot"
PACKAGES = ("dovecot-core", "dovecot-sqlite", "dovecot-pgsql", "dovecot-mysql")
WAIT_SECONDS = 10
TAB, LINE_END = "\x1f", "\x1e"  # in a request: script.h
CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols =
ssl = no
default_internal_user = root
default_internal_group = root
default_login_user = nobody
auth_mechanisms = plain
auth_worker_max_count = 1
first_valid_uid = 0
passdb {{
  driver = sql
  args = {folder}/sql.conf
}}
userdb {{
  driver = sql
  args = {folder}/sql.conf
}}
service auth {{
  unix_listener auth-client {{
  }}
  unix_listener auth-userdb {{
  }}
}}
"""
SQL = """\
driver = {driver}
connect = {connect}
default_pass_scheme = CRYPT
password_query = SELECT name AS user, stored_password AS password FROM accounts WHERE name_key = '%u'
user_query = SELECT name AS user, 1000 AS uid, 1000 AS gid, '/tmp' AS home, info FROM accounts WHERE name_key = '%u'
"""
# Its modules are looked for in /usr/lib alone: there they are seen by this one process and its children.
UNPACKED = """\
mount -t overlay overlay -o lowerdir={root}/usr/lib:/usr/lib /usr/lib &&
mount -t overlay overlay -o lowerdir={root}/usr/bin:/usr/bin /usr/bin &&
exec {root}/usr/sbin/dovecot "$@"
"""


def find(work: str) -> list[str] | None:
    """The command: as installed, or out of packages that are taken apart in `work`, which wants root and overlayfs."""
    if os.geteuid() != 0:
        return None
    if os.path.exists(INSTALLED):
        return [INSTALLED]
    root = os.path.join(work, "dovecot")
    if not os.path.exists(root + INSTALLED):
        unpack(root, *PACKAGES)
    command = ["unshare", "--mount", "sh", "-c", UNPACKED.format(root=root), "dovecot"]
    try:
        ran = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return command if ran.returncode == 0 else None


@contextlib.contextmanager
def serving(command: list[str], engine: Engine, base: SqlBase, core: int) -> Iterator[str]:
    """A server on the core of the driver; the folder of its sockets."""
    folder = tempfile.mkdtemp(prefix="nwauth-dovecot-")
    driver, connect = engine.dovecot(base)
    for name, text in (("dovecot.conf", CONFIGURATION), ("sql.conf", SQL)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text.format(folder=folder, driver=driver, connect=connect))
    os.mkdir(os.path.join(folder, "state"))
    words = [*command, "-F", "-c", os.path.join(folder, "dovecot.conf")]
    cores = os.sched_getaffinity(0)
    if core >= 0:
        os.sched_setaffinity(0, {core})
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.sched_setaffinity(0, cores)
        try:
            sockets = os.path.join(folder, "run")
            _wait_for(os.path.join(sockets, "auth-client"))
            yield sockets
        finally:
            process.terminate()
            process.wait(WAIT_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)


def _wait_for(path: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not os.path.exists(path):
        if time.monotonic() > until:
            raise BenchError("Dovecot does not start")
        time.sleep(0.01)


def session(driver: Driver, sockets: str, known: list[int], piped: list[int]) -> Measured:
    """Look-ups and checks of known users, one by one and piped, in the sections of nwauth's own session."""
    found: dict[str, Any] = {}
    for kind, (socket, greeting, ask) in CONVERSATIONS.items():
        numbers = count(1)
        asks = [ask(tag, next(numbers), i) for tag, users in ((kind, known), ("=" + kind, piped)) for i in users]
        first = ask("start", next(numbers), known[0])
        asks.insert(0, first._replace(text=greeting + LINE_END + first.text))
        found |= driver.session([f"unix:{sockets}/{socket}"], asks).report["sections"]
    return Measured({"sections": found})


def _line(*words: str) -> str:
    return TAB.join(words)


def _check(tag: str, number: int, i: int) -> Ask:
    response = base64.b64encode(f"\0{data.name(i)}\0{data.password(i)}".encode()).decode()
    return Ask(tag, "OK", _line("AUTH", str(number), "PLAIN", "service=smtp", f"resp={response}"))


def _lookup(tag: str, number: int, i: int) -> Ask:
    return Ask(tag, "USER", _line("USER", str(number), data.name(i), "service=smtp"))


CONVERSATIONS = {
    "lookup": ("auth-userdb", _line("VERSION", "1", "1"), _lookup),
    "check": ("auth-client", LINE_END.join([_line("VERSION", "1", "2"), _line("CPID", "1")]), _check),
}
