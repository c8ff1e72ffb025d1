"""What docs/apply.md shows for Ansible, cron and cloud-init: its commands do what is said of them."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.commands.common import base, contents, run

if TYPE_CHECKING:
    from tests.commands.common import Run

PAGE = Path(__file__).parents[2] / "docs" / "apply.md"
IN_CHECK_MODE = re.compile(r"\{\{ '(.*?)' if ansible_check_mode else '' \}\}")
USERS = '[[user]]\nname = "bob@test.com"\npassword_hash = "!"\n[[user]]\nname = "ann@test.com"\nstate = "absent"\n'


def block(title: str) -> Any:
    """What the first YAML under a title says."""
    text = PAGE.read_text().partition(f"## {title}\n")[2].partition("```yaml\n")[2].partition("```")[0]
    assert text
    return yaml.safe_load(text)


def as_typed(words: list[str], folder: str, plan: str = "", *, stdin: str = "") -> Run:
    """A command of the page, on a folder of ours.  Neither cron nor sudo need look where the link to it lies."""
    places = {"/var/lib/nwauth": folder, "/etc/nwauth/users.ndjson": plan}
    program, *rest = [places.get(word, word) for word in words]
    assert program == "/opt/nwauth/bin/nwauth"
    return run("/nonexistent", *rest, stdin=stdin.encode())


def test_the_task_for_a_playbook_rehearses_in_check_mode_and_tells_whether_anything_changed(tmp_path: Path) -> None:
    (task,) = block("In a playbook")
    assert task["check_mode"] is False  # it runs then too, and rehearses
    command = task["ansible.builtin.command"]["cmd"]
    assert "'users.toml'" in task["ansible.builtin.command"]["stdin"]  # as `--input` says
    folder = base(str(tmp_path), users=b"ann@test.com:!:\n")
    seen = []
    for in_check_mode in (True, False, False, True):
        before = contents(folder)
        words = shlex.split(IN_CHECK_MODE.sub(r"\1" if in_check_mode else "", command))
        done = as_typed(words, folder, stdin=USERS)
        found = json.loads(done.out)
        seen.append((done.status, found["changed"] + found["removed"] > 0))
        assert (contents(folder) == before) is (in_check_mode or not seen[-1][1])
    assert seen == [(3, True), (0, True), (0, False), (0, False)]
    assert f"users.rc not in {[0, 3]}" in task["failed_when"]
    assert "changed + (users.stdout | from_json).removed > 0" in task["changed_when"]
    bad = as_typed(shlex.split(IN_CHECK_MODE.sub("", command)), folder, stdin="[[user]]\n")
    assert (bad.status, json.loads(bad.out)["failed"]) == (1, 1)
    assert task["changed_when"].startswith("users.rc in [0, 3] and (")


def test_the_line_for_cron_is_silent_until_something_is_wrong(tmp_path: Path) -> None:
    text = PAGE.read_text().partition("## Each night\n")[2].partition("```text\n")[2].partition("```")[0]
    words = shlex.split(text.splitlines()[-1])[5:]
    folder = base(str(tmp_path), users=b"".join(b"user%02d@test.com:!:\n" % number for number in range(20)))
    plan = tmp_path / "users.ndjson"
    rows = [{"name": f"user{number:02}@test.com", "quota": "5"} for number in range(1, 20)]

    def write(*more: dict[str, str]) -> None:
        plan.write_text("".join(json.dumps(row) + "\n" for row in ({"scope": {"match": "*@test.com"}}, *rows, *more)))

    write()
    assert as_typed(words, folder, str(plan)) == (0, "", "")
    assert len(Path(folder, "nwauth.txt").read_bytes().splitlines()) == 19  # one is pruned, which the guard allows
    before = Path(folder, "nwauth.txt").read_bytes()
    write({"name": "bad", "valid_until": "soon"})
    done = as_typed(words, folder, str(plan))
    assert (done.status, "valid_until" in done.err, json.loads(done.out.splitlines()[0])["result"]) == (
        1,
        True,
        "failed",
    )
    del rows[5:]
    write()
    done = as_typed(words, folder, str(plan))
    assert (done.status, "--prune would remove 14 of 19" in done.err) == (1, True), done
    assert Path(folder, "nwauth.txt").read_bytes() == before


def test_the_snippet_for_cloud_init_makes_the_users_and_leaves_them_alone_afterwards(tmp_path: Path) -> None:
    told = block("At a first boot")
    (file,) = told["write_files"]
    plan = tmp_path / "users.ndjson"
    plan.write_text(file["content"])
    folder = str(tmp_path / "mail")
    first, *commands = told["runcmd"]
    assert (first[0], first[-1]) == ("install", "/var/lib/nwauth")
    os.mkdir(folder, mode=0o700)  # as it does, for an account that need not be here
    for is_first in (True, False):
        before = {} if is_first else contents(folder)
        done = [as_typed(words, folder, str(plan)) for words in commands]
        assert [one.status for one in done] == [0, 0], done
        assert is_first or contents(folder) == before
    assert os.path.exists(os.path.join(folder, "nwauth.toml"))
    shown = json.loads(run(folder, "user", "show", "abuse@test.com").out)
    assert (shown["info"], shown["scheme"]) == ({"quota": "200000000"}, "no-login")
