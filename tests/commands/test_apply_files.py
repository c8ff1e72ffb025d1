"""Users of several passwd files at once: each file is put in place once for all that changes in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

from nwauth.model import Info, User
from nwauth.stores.parts import by_part, change_together
from tests.commands.common import COMMAND, environment, run
from tests.faults.test_kill import needs_strace
from tests.stores.passwd_files import opened, settled

if TYPE_CHECKING:
    from pathlib import Path

DES = "abJnggxhB/yWI"
DOMAINS = ("a.org", "b.org", "c.org")


def site(tmp_path: Path) -> str:
    """A folder in which each domain has a passwd file with one user."""
    folder = tmp_path / "mail"
    for domain in DOMAINS:
        settled(folder / f"{domain}.passwd", f"old:{DES}:::::\n".encode())
    (folder / "nwauth.toml").write_text('[[stores]]\nkind = "passwd"\nwritable = true\npath = "{domain}.passwd"\n')
    return str(folder)


def renames(folder: str, *words: str) -> int:
    """How often a command puts a passwd file in place."""
    log = f"{folder}.trace"
    calls = "trace=rename,renameat,renameat2"
    command = ["strace", "-f", "-qq", "-o", log, "-e", calls, *COMMAND, "--path", folder, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    with open(log, encoding="utf-8") as file:
        return len(re.findall(r'\.passwd"(?:, \w+)?\) += 0$', file.read(), re.MULTILINE))


def names_in(folder: str) -> list[str]:
    done = run(folder, "user", "list", "--quiet", "--format", "ndjson")
    return [json.loads(line)["user"] for line in done.out.splitlines()]


@needs_strace
def test_each_file_is_put_in_place_once_for_all_its_users_and_so_it_is_taken_back(tmp_path: Path) -> None:
    folder = site(tmp_path)
    before = names_in(folder)
    plan = tmp_path / "plan.ndjson"
    rows = [{"name": f"user{number:03}@{DOMAINS[number % 3]}", "password_hash": DES} for number in range(90)]
    plan.write_text("".join(json.dumps(row) + "\n" for row in (*rows, {"name": "old@b.org", "state": "absent"})))
    assert renames(folder, "apply", str(plan), "--keep-going", "--quiet") == 3
    assert names_in(folder) == sorted([*(row["name"] for row in rows), "old@a.org", "old@c.org"])
    assert renames(folder, "undo", "--yes", "--quiet") == 4, "who was removed is added first"
    assert names_in(folder) == before
    assert run(folder, "apply", str(plan), "--quiet").status == 1, "not as one"
    assert names_in(folder) == before


def test_of_users_whom_a_file_refuses_as_one_none_is_changed_and_each_is_tried_by_itself(tmp_path: Path) -> None:
    folder = site(tmp_path)
    store = opened(os.path.join(folder, "{domain}.passwd"))
    good, bad = (
        User(name=f"{name}@a.org", stored_password=field, info=Info(), store="passwd")
        for name, field in (("ann", DES), ("bob", f"{DES}:{DES}"))
    )
    assert not change_together(store, [(None, good), (None, bad)])
    assert store.lookup("ann@a.org") is None
    assert not change_together(store, [(None, good)]), "one is changed as one always is"
    assert change_together(store, [(None, good), (None, good.changed(name="eve@a.org"))])
    assert store.lookup("eve@a.org") is not None
    store.close()


def test_changes_are_sorted_by_file_and_keep_their_order(tmp_path: Path) -> None:
    store = opened(os.path.join(site(tmp_path), "{domain}.passwd"))
    names = ["ann@b.org", "bob@a.org", "carl@b.org", "dan", "eve@a.org"]
    found = list(by_part(store, names, str))
    assert found == [["ann@b.org", "carl@b.org"], ["bob@a.org", "eve@a.org"], ["dan"]]
    store.close()
