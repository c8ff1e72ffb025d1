"""The self-test: a real child, talked to, its store broken on a copy; what is served is left byte for byte."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from nwauth.conformance import breaking, copies
from nwauth.conformance.answers import OK, TELLS, WRONG
from nwauth.conformance.forms import fault_of_user
from tests.commands.common import BOB, COMMAND, Terminal, base, contents, run
from tests.serving import LONG_AGO, make_folder

PAGE = Path(__file__).resolve().parent.parent / "docs" / "selftest.md"
SQLITE = '[[stores]]\nkind = "sql"\nurl = "sqlite:///users.db"\nstatement_timeout_seconds = 0.5\n'
SERVER = '[[stores]]\nkind = "sql"\nurl = "postgresql://mail:sesame@127.0.0.1:1/mail"\nconnect_timeout_seconds = 0.5\n'
LDAP = """\
[[stores]]
kind = "ldap"
urls = ["ldaps://127.0.0.1:1"]
base = "dc=test,dc=com"
bind_dn = "cn=mail,dc=test,dc=com"
bind_password = { file = "secret" }
connect_timeout_seconds = 0.5
"""


def steps(folder: Path, *words: str, status: int = 0) -> list[dict[str, Any]]:
    done = run(str(folder), "selftest", *words, "--quiet")
    assert (done.status, done.err) == (status, ""), done.out
    return done.records()


def faults(found: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Under each fault the results of its answers."""
    broken = {fault: {step["result"] for step in found if step["fault"] == fault} for fault in breaking.FAULTS}
    for step in found:
        assert step["seconds"] < 10
        if step["fault"] and step["expected"] == "-DEAD":
            assert step["answer"].startswith("-DEAD "), step
    return broken


def shown(*hidden: str) -> dict[str, set[str]]:
    return {fault: {"not shown" if fault in hidden else OK} for fault in breaking.FAULTS}


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "mail", BOB)


def test_a_conversation_goes_as_it_should_and_leaves_every_byte(users: Path) -> None:
    before = contents(str(users))
    found = steps(users)
    assert [step["request"] for step in found][:3] == ["version", "help", "lookup bob@test.com"]
    assert {step["result"] for step in found} == {OK}
    assert contents(str(users)) == before


def test_flat_files_break_in_eight_ways_and_none_says_no(users: Path) -> None:
    before = contents(str(users))
    assert faults(steps(users, "--faults")) == shown("database down", "database slow")
    assert contents(str(users)) == before


def test_on_a_terminal_the_fault_that_is_waited_for_is_named(users: Path) -> None:
    terminal = Terminal(str(users), "selftest", "--faults")
    terminal.expect("showing 'locked': ")
    assert terminal.end() == 0
    assert re.search(r" wrong, 2 faults not shown; the slowest took \d\.\d{3} s", terminal.screen)


def test_people_are_shown_the_log_where_it_says_more_than_the_answer(users: Path) -> None:
    shown = run(str(users), "selftest", "--faults", "--format", "table").out
    gone = "nwauth.txt is gone from the folder, was it moved or unmounted?"
    assert (f"-DEAD {gone}" in shown, f"log: {gone}" in shown) == (True, False)
    assert "-DEAD policy error" in shown
    assert "policy.toml: line 2: policy.default: " in shown


def test_a_sqlite_database_breaks_in_nine_ways(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mail", None, toml=SQLITE)
    (tmp_path / "from").mkdir()
    base(str(tmp_path / "from"))
    done = run(str(folder), "copy", "--from", str(tmp_path / "from"), "--to", "sql", "--make", "--quiet")
    assert (done.status, done.err) == (0, "")
    before = contents(str(folder))
    assert faults(steps(folder, "--faults")) == shown("database down")
    after = contents(str(folder))
    assert after.keys() == before.keys()
    assert (after["users.db"], after["nwauth.toml"]) == (before["users.db"], before["nwauth.toml"])


@pytest.mark.parametrize(("settings", "hidden"), [(SERVER, ()), (LDAP, ("locked",))])
def test_a_server_that_is_not_there_is_broken_all_the_same_since_nothing_is_asked_of_it(
    tmp_path: Path, settings: str, hidden: tuple[str, ...]
) -> None:
    folder = make_folder(tmp_path / "mail", None, toml=settings)
    (folder / "secret").write_text("sesame\n")
    (folder / "secret").chmod(0o600)
    found = steps(folder, "--faults", "--user", "bob@test.com", status=1)  # the real one is not there at all
    assert faults(found) == shown("file gone", "disk full", *hidden)
    assert {step["result"] for step in found if not step["fault"] and step["answer"].startswith("-DEAD")} == {WRONG}


def test_of_a_database_whose_words_are_not_known_only_down_and_slow_can_be_shown(tmp_path: Path) -> None:
    from nwauth.config import read

    config = read(str(make_folder(tmp_path / "mail", None, toml=SERVER.replace("postgresql", "oracle"))))
    copy = copies.Copy(str(tmp_path / "copy"), config, config.stores[0])
    ways = {fault: breaking.BREAKS[fault, sort] for fault, sort in breaking.BREAKS if sort == copies.SERVER}
    unfit = {fault for fault, way in ways.items() if way.unfit(copy, read_only=False)}
    assert unfit == {"half written", "no permission", "locked"}


def test_another_module_behind_breaks_in_eight_ways(tmp_path: Path, users: Path) -> None:
    command = json.dumps([*COMMAND, "-path", str(users)])
    toml = f'[[stores]]\nkind = "process"\ncommand = {command}\ntimeout_seconds = 1.0\n'
    folder = make_folder(tmp_path / "front", None, toml=toml)
    assert faults(steps(folder, "--faults")) == shown("locked", "disk full")


def test_passwd_files_break_each_in_the_domain_of_the_user(tmp_path: Path) -> None:
    toml = '[[stores]]\nkind = "passwd"\npath = "{domain}.passwd"\nshadow = "{domain}.shadow"\n'
    folder = make_folder(tmp_path / "mail", None, toml=toml)
    (folder / "test.com.passwd").write_text("bob:x:1:1::/:\n")
    (folder / "test.com.shadow").write_text("bob:!:1::::::\n")
    for name in os.listdir(folder):
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    # read-only: what only a change meets is not shown
    assert faults(steps(folder, "--faults")) == shown("database down", "database slow", "locked", "disk full")


LEFT = ("folder empty", "bad settings", "bad policy")


def test_the_machines_accounts_are_not_broken(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "mail", None, toml='[[stores]]\nkind = "system"\nmin_uid = 0\n')
    found = steps(folder, "--faults", "--user", "nobody", status=1)
    assert faults(found) == shown(*(fault for fault in breaking.FAULTS if fault not in LEFT))


def test_every_fault_is_shown_or_explained_for_every_sort_of_store() -> None:
    for sort in (copies.FILES, copies.SQLITE, copies.SERVER, copies.DIRECTORY, copies.PROGRAM, copies.SYSTEM):
        for fault in breaking.FAULTS:
            assert ((fault, sort) in breaking.BREAKS) is not ((fault, sort) in breaking.HIDDEN)


def test_a_wrong_answer_ends_with_status_1_and_says_what_was_wanted(users: Path) -> None:
    os.unlink(users / "nwauth.txt")
    found = steps(users, "--user", "bob@test.com", status=1)
    (step,) = [step for step in found if step["request"] == "lookup bob@test.com"]
    assert (step["answer"], step["result"]) == ("-DEAD no user database, run nwauth init", WRONG)
    assert step["why"].startswith("wanted +OK: ")


def test_what_dmail_conf_names_is_started_with_its_time_and_its_folder(tmp_path: Path, users: Path) -> None:
    conf = tmp_path / "dmail.conf"
    conf.write_text(f"authent_method external\nauthent_process {COMMAND[0]} -path {users}\nauthent_timeout 7\n")
    assert {step["result"] for step in steps(tmp_path, "--dmail-conf", str(conf))} == {OK}
    assert run(str(tmp_path), "selftest", "--path", str(tmp_path), "--dmail-conf", str(conf)).status == 2
    conf.write_text("authent_method unix_user\n")
    assert run(str(tmp_path), "selftest", "--dmail-conf", str(conf)).status == 2


def test_a_module_that_hangs_is_not_waited_for_longer_than_a_server_does(tmp_path: Path) -> None:
    module = tmp_path / "hangs"
    module.write_text("#!/bin/sh\nexec sleep 600\n")
    module.chmod(0o755)
    conf = tmp_path / "dmail.conf"
    conf.write_text(f"authent_method external\nauthent_process {module}\nauthent_timeout 1\n")
    first, *rest = steps(tmp_path, "--dmail-conf", str(conf), status=1)
    assert first["answer"] == "no answer: the module did not answer within 1 s"
    assert {step["result"] for step in rest} == {WRONG}
    done = run(str(tmp_path), "selftest", "--faults", "--dmail-conf", str(conf))
    assert (done.status, done.out) == (2, "")


TELLTALE = """\
#!/bin/sh
while read -r word name rest; do
    case $word in
        version | help | exit) echo +OK ;;
        *) echo "-ERR $name $rest" ;;
    esac
done
exec sleep 600
"""


def test_a_module_that_says_passwords_or_stays_behind_is_wrong(tmp_path: Path) -> None:
    module = tmp_path / "telltale"
    module.write_text(TELLTALE)
    module.chmod(0o755)
    conf = tmp_path / "dmail.conf"
    conf.write_text(f"authent_method external\nauthent_process {module}\nauthent_timeout 1\n")
    found = steps(tmp_path, "--dmail-conf", str(conf), status=1)
    wrong = {step["request"].partition(" ")[0]: step["why"] for step in found if step["result"] == WRONG}
    assert wrong == {"check": TELLS, "(the": "it goes on running for 1 s"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its ids up")
def test_root_says_as_whom_it_starts_the_module() -> None:
    with tempfile.TemporaryDirectory() as place:  # which others can look into
        os.chmod(place, 0o755)
        users = make_folder(Path(place) / "mail", BOB)
        os.chown(users, 65534, 65534)
        done = run(str(users), "selftest")  # where the interpreter is root's own, it cannot be started
    assert f"the module is started by nobody, who owns {users}\n" in done.err


def test_a_throttle_counts_nobody_who_is_there(users: Path) -> None:
    (users / "policy.toml").write_text('[policy]\ndefault = "allow"\n[throttle]\nper_user = 3\n')
    (step,) = [step for step in steps(users) if step["request"].startswith("check ")]
    assert step["request"].startswith("check nwauth-selftest-")


def test_a_copy_leads_nowhere_else_and_takes_no_secret_along(tmp_path: Path) -> None:
    from nwauth.config import read

    settings = SERVER + 'read_url = "postgresql://mail:sesame@db2/mail"\nmatch = ["*@test.com"]\n'
    folder = make_folder(tmp_path / "mail", None, toml=settings + '[log]\nfile = "/var/log/x"\n')
    config = read(str(folder))
    copy = copies.Copy(str(tmp_path / "copy"), config, config.stores[0])
    copy.make()
    copy.lead_to(9)
    written = (tmp_path / "copy" / "nwauth.toml").read_text()
    assert "sesame" not in written
    assert "db2" not in written
    assert "/var/log" not in written
    (store,) = read(str(tmp_path / "copy")).stores
    assert getattr(store, "url", "") == "postgresql://nwauth:none@127.0.0.1:9/nwauth"
    copy.remove()
    assert not (tmp_path / "copy").exists()


# --- compat ----------------------------------------------------------------------------------------------------------


def compat(command: str, *words: str, status: int) -> tuple[list[dict[str, Any]], str]:
    done = run("/nowhere", "compat", "--cmd", command, *words)
    assert done.status == status, done.err
    return done.records(), done.err


def test_this_program_plays_every_transcript_byte_for_byte() -> None:
    found, note = compat(f"{COMMAND[0]} -path {{folder}}", status=0)
    assert found == []
    assert note.endswith(" replies alike, 0 differ, 0 never came\n")


def test_what_differs_is_told_with_its_line() -> None:
    found, _ = compat(f"{COMMAND[0]} -path {{folder}} -readonly", "--only", "vendor", status=1)
    assert found[0] == {
        "transcript": "vendor",
        "line": 4,
        "request": "set bob@test.com bob",
        "expected": "+OK bob@test.com added to database",
        "answer": "-ERR not supported here",
        "result": "differs",
        "why": "-ERR where +OK is wanted: what can be stored is refused",
    }


NETWINS = """\
import sys
for line in sys.stdin:
    word = line.split()[0]
    if word == "search":
        print("+DATA bob\\n+OK")
    else:
        print({"exit": "+OK", "quit": "+OK", "lookup": "-ERR nobody of that name"}.get(word, "+OK"), flush=True)
"""


def test_netwins_dialect_is_told_from_a_fault(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(NETWINS)
    command = f"{sys.executable} {module} {{folder}}"
    found, _ = compat(command, "--only", "quit", status=1)
    assert [(row["answer"], row["result"]) for row in found] == [("+OK", "differs")]
    found, _ = compat(command, "--only", "quit", "--profile", "netwin", status=0)
    assert [(row["result"], row["why"]) for row in found] == [("dialect", "older modules say +OK and no more")]
    found, note = compat(command, "--only", "nobase", "--profile", "netwin", status=0)
    assert (found, "nobase was not played: " in note) == ([], True)


def test_a_module_that_ends_or_cannot_be_started_is_told(tmp_path: Path) -> None:
    (row,), _ = compat("false {folder}", "--only", "vendor", status=1)
    assert (row["result"], row["why"]) == ("silent", "no answer: the module ended, exit status 1")
    assert compat(f"{tmp_path}/none {{folder}}", status=75)[0] == []


def test_a_command_without_a_folder_of_its_own_is_refused() -> None:
    for command in (shutil.which("true") or "true", "'", ""):
        assert compat(command, status=2)[0] == []
    assert "--list" in compat("true {folder}", "--only", "frob", status=2)[1]


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_lists_every_fault() -> None:
    assert tuple(re.findall(r"^\| `([a-z ]+)` \|", PAGE.read_text(), re.MULTILINE)) == breaking.FAULTS


LIAR = """\
#!/bin/sh
while read -r word name rest; do
    case "$word $name" in
        "lookup bob@test.com") printf '%b\\n' "$REPLY_TO_BOB" ;;
        version* | help* | exit*) echo +OK ;;
        *) echo "-ERR $name" ;;
    esac
done
"""

UID = "wanted a number from 0 to 4294967294"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("+OK bob@test.com config 0", ""),
        ('+OK bob config 8 quota="1"', ""),
        ("+OK Bob@test.com config", ""),
        ('+OK bob@test.com config quota="1"', ""),
        ("+OK eve@test.com config 0", "it tells of another user, 'eve@test.com': asked for was 'bob@test.com'"),
        ("+OK", "no name stands behind +OK, wanted +OK <name> <drop-path> <uid>[ <info>]"),
        ("+OK bob@test.com config -1", f"the uid is '-1', {UID}"),
        ("+OK bob@test.com config 4294967295", f"the uid is '4294967295', {UID}"),
        ("+OK bob@test.com config " + "9" * 5000, f"the uid is '{'9' * 40}', {UID}"),
        ("+OK bob@test.com config zero", f"the uid is 'zero', {UID}"),
        ("+DATA eve@test.com\\n+OK bob@test.com config 0", "2 lines where one is wanted: +DATA belongs to a listing"),
        ("+OK bob@test.com con\\033fig 0", "a control character stands in the answer"),
    ],
)  # fmt: skip
def test_an_answer_must_be_about_the_user_and_as_the_grammar_has_it(tmp_path: Path, reply: str, why: str) -> None:
    module = tmp_path / "liar"
    module.write_text(LIAR.replace("$REPLY_TO_BOB", reply.replace('"', '\\"')))
    module.chmod(0o755)
    conf = tmp_path / "dmail.conf"
    conf.write_text(f"authent_method external\nauthent_process {module}\n")
    found = steps(tmp_path, "--dmail-conf", str(conf), "--user", "bob@test.com", status=int(bool(why)))
    assert {step["request"]: step["why"] for step in found if step["result"] == WRONG} == (
        {"lookup bob@test.com": why} if why else {}
    )


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([b"+OK bob config 0"], ""),
        ([b"+OK bob config 0 "], ""),
        ([b"+OK bob config"], "drop path and uid are not both there, wanted +OK <name> <drop-path> <uid>[ <info>]"),
        ([b"+OK bob  0"], "drop path and uid are not both there, wanted +OK <name> <drop-path> <uid>[ <info>]"),
        ([b'+OK bob config quota="1"'], f"the uid is 'quota=\"1\"', {UID}"),
        ([b"-ERR eve does not exist"], "it says no of 'eve', asked for was 'bob'"),
        ([b"-ERR bob does not exist"], ""),
        ([b"-DEAD try later"], ""),
    ],
)
def test_of_a_nwauth_all_is_wanted_that_the_grammar_has(lines: list[bytes], why: str) -> None:
    assert fault_of_user(lines, "bob", ours=True) == why


def test_a_store_may_have_another_name_for_who_is_asked_for() -> None:
    lines = [b"+OK bjones config 0"]
    assert fault_of_user(lines, "bob@test.com", also=["bjones"], ours=True) == ""
    assert "another user" in fault_of_user(lines, "bob@test.com", ours=True)
