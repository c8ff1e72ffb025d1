"""The model of pam_time that the other tests compare with is compared with pam_time itself: the module, by libpam."""

from __future__ import annotations

import ctypes.util
import glob
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.policy.pam_time_model import lets_in
from tests.serving import IN_CI

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = """\
#include <time.h>
time_t now_here;
time_t time(time_t *t) { if (t) *t = now_here; return now_here; }
"""
DRIVER = """\
import ctypes, json, os, sys
clock_path, folder = sys.argv[1:]
pam = ctypes.CDLL("libpam.so.0")
clock = ctypes.c_long.in_dll(ctypes.CDLL(clock_path), "now_here")
Talk = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
class Conversation(ctypes.Structure):
    _fields_ = [("talk", Talk), ("data", ctypes.c_void_p)]
conversation = Conversation(Talk(lambda *_: 19), None)
answers = []
for content, service, user, seconds in json.load(sys.stdin):
    with open(os.path.join(folder, "time.conf"), "w") as file:
        file.write(content)
    handle = ctypes.c_void_p()
    status = pam.pam_start_confdir(
        service.encode(), user.encode(), ctypes.byref(conversation), folder.encode(), ctypes.byref(handle)
    )
    assert status == 0, status
    pam.pam_set_item(handle, 3, b"dovecot")
    answers.append([])
    for second in seconds:
        clock.value = second
        answers[-1].append(pam.pam_acct_mgmt(handle, 0))
    pam.pam_end(handle, 0)
print(json.dumps(answers))
"""
PAM_SUCCESS, PAM_PERM_DENIED = 0, 6
CONTENTS = [
    "*;*;*;Wk0830-1700\n",
    "*;*;*;Wk1800-0800\n",
    "*;*;*;Fr2200-0600\n",
    "*;*;*;Sa0800-0800 | Su2400-0100\n",
    "*;*;*;MoMo0000-2400\n",
    "*;*;*;!MoMo0000-2400 & !Wd1200-1300\n",
    "*;*;*;AlFr0800-1700|Fr0900-1000&MoWk0000-2359\n",
    "*;*;!root & !bob;!Al0000-2400\n",
    "*;*;ab*bc | !!bob;Al0000-1200\n",
    "pop3;*;*;!Al0000-2400\nimap | x;*;b*;Al0000-1200 # c ; d\n*;!tty*;eve;\\\nMo0900-1700\n",
    "# a;b;c;d\n\n*;tty*;*;!Al0000-2400\n*;*;Bob;!Al0000-2400\n",
]
USERS = ("bob", "root", "eve", "abc", "abbc", "Bob")


def is_there() -> bool:
    modules = [*glob.glob("/lib/*/security/pam_time.so"), *glob.glob("/usr/lib*/security/pam_time.so")]
    return bool(modules and shutil.which("cc") and ctypes.util.find_library("pam"))


@pytest.mark.skipif(not IN_CI and not is_there(), reason="no pam_time, or no C compiler to set its clock with")
def test_the_model_of_pam_time_is_pam_time(tmp_path: Path) -> None:
    (tmp_path / "clock.c").write_text(CLOCK)
    clock = str(tmp_path / "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", clock, str(tmp_path / "clock.c")], check=True, timeout=60)
    folder = tmp_path / "pam"
    folder.mkdir()
    for service in ("imap", "pop3"):
        (folder / service).write_text(f"account required pam_time.so noaudit conffile={folder}/time.conf\n")
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    edges = {0, 60, 61, 359, 360, 361, 480, 481, 509, 510, 540, 600, 719, 720, 721, 780, 1019, 1020, 1080, 1320, 1439}
    instants = [monday + timedelta(days=day, minutes=minute) for day in range(7) for minute in sorted(edges)]
    seconds = [int(instant.timestamp()) for instant in instants]
    asked = [(text, service, user) for text in CONTENTS for service in ("imap", "pop3") for user in USERS]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, clock, str(folder)],
        input=json.dumps([(*question, seconds) for question in asked]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "LD_PRELOAD": clock, "TZ": "UTC"},
    )
    for (text, service, user), answers in zip(asked, json.loads(done.stdout), strict=True):
        for instant, answer in zip(instants, answers, strict=True):
            at = instant.hour * 100 + instant.minute
            wanted = lets_in(text, service=service, user=user, weekday=instant.weekday(), clock=at)
            assert answer == (PAM_SUCCESS if wanted else PAM_PERM_DENIED), (text, service, user, instant)
