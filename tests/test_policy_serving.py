"""Access rules as a mail server meets them: real children, pipes and files (spec/policy.md sections 1, 3, 4 and 6)."""

from __future__ import annotations

import os
import signal
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from nwauth.audit import parse_line
from nwauth.policy.zones import machine_zone
from tests.serving import LONG_AGO, Child, converse, make_folder, one_shot
from tests.test_rulefile import ABSENT_OR_EMPTY, SPOILT, make_absent, make_comment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

USERS = b'bob:*secret:mailaccess="student"\neve:*pw:\nsue:*pw:mailstatus="suspended"\n'
BOB, EVE = b'+OK bob config 0 mailaccess="student"\n', b"+OK eve config 0\n"
SUE = b'+OK sue config 0 mailstatus="suspended"\n'
HEAD = '[policy]\ndefault = "allow"\nzone = "UTC"\n'
NOT_BOB = HEAD + '[[rule]]\nname = "not bob"\ndeny = true\nuser = "bob"\n'
NOT_EVE = HEAD + '[[rule]]\nname = "not eve"\ndeny = true\nuser = "eve"\n'
LABS = HEAD + '[[rule]]\nname = "labs"\ndeny = true\nfrom = "10.20.0.0/16"\n'
BAD = HEAD + '[[rule]]\nname = "bad"\ndeny = true\nwhen = "Mon 25:00"\n'
DEAD = b"-DEAD policy error\n"
COPY = "policy.toml.last-good"
ROOT = os.geteuid() == 0
NOBODY = 65534


def flat(name: str) -> bytes:
    return f"-ERR {name} password wrong or not a valid user\n".encode()


def age(path: Path) -> None:
    """Let it be written long ago: what was written just now may not be whole, and waits."""
    if path.is_file():
        os.utime(path, (1, 1))


class House:
    """A user folder with a policy, its log, and children that serve it."""

    def __init__(self, folder: Path, policy: str | None = None) -> None:
        self.folder = make_folder(folder, USERS)
        self.policy, self.copy = self.folder / "policy.toml", self.folder / COPY
        if policy is not None:
            self.write(policy)

    def write(self, policy: str) -> None:
        self.policy.write_text(policy)
        age(self.policy)

    def child(self, *options: str) -> Child:
        return Child(self.folder, *options)

    def log(self, command: str = "") -> list[dict[str, str]]:
        """The lines of the log, or those of one command."""
        file = self.folder / "nwauth.log"
        lines = [parse_line(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if command in ("", line["command"])]

    def errors(self) -> list[dict[str, str]]:
        return [line for line in self.log() if line["level"] == "error"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "base")


# --- logins and look-ups ---------------------------------------------------------------------------------------------


def test_policy_binds_check_and_never_lookup(house: House) -> None:
    house.write(NOT_BOB)
    with house.child() as child:
        assert child.ask(b"check bob secret 10.0.0.1") == flat("bob")
        assert child.ask(b"check eve pw 10.0.0.1") == EVE
        assert child.ask(b"lookup bob") == BOB
        assert child.ask(b"search bob") == (
            b'+DATA bob mailaccess="student"\n+OK Search Complete 1 items found out of 3\n'
        )


def test_account_state_needs_no_policy_file_and_never_touches_a_look_up(house: House) -> None:
    with house.child("-log") as child:
        assert child.ask(b"check sue pw") == flat("sue")
        assert child.ask(b"lookup sue") == SUE
    assert [(line["rule"], line["reason"], line["result"]) for line in house.log("check")] == [
        ("mailstatus", "mailstatus is suspended", "no")
    ]


def test_without_a_policy_file_nothing_of_it_is_ever_written_or_told(house: House) -> None:
    with house.child("-log") as child:
        assert child.ask(b"check bob secret") == BOB
    assert house.log("policy") == []
    assert not house.copy.exists()


def test_the_log_line_has_rule_reason_and_store_and_no_password(house: House) -> None:
    house.write(NOT_BOB)
    with house.child("-log", "-service", "pop") as child:
        child.ask(b"check bob secret 10.0.0.1")
        child.ask(b"check bob hunter2 10.0.0.1")
        child.ask(b"check eve pw 10.0.0.1")
        child.ask(b"check nobody pw")
    refused, wrong, right, unknown = house.log("check")
    assert {key: refused[key] for key in ("user", "ip", "service", "rule", "reason", "result", "store", "scheme")} == {
        "user": "bob",
        "ip": "10.0.0.1",
        "service": "pop",
        "rule": "not bob",
        "reason": "denied by a rule",
        "result": "no",
        "store": "flatfile",
        "scheme": "clear",
    }
    assert (wrong["reason"], wrong["result"], "rule" in wrong) == ("wrong password", "no", False)
    assert (right["result"], "rule" in right, "reason" in right) == ("ok", False, False)
    assert (unknown["reason"], unknown["ip"], "rule" in unknown) == ("no such user", "unknown", False)
    text = (house.folder / "nwauth.log").read_text()
    assert "hunter2" not in text
    assert "secret" not in text


def test_a_wrong_password_has_a_tag_that_tells_same_from_different(house: House) -> None:
    house.write(NOT_BOB)
    (house.folder / "nwauth.key").write_bytes(b"k" * 32)  # under another key, one pair in 4,096 is alike
    (house.folder / "nwauth.key").chmod(0o600)
    with house.child("-log") as first, house.child("-log") as second:
        for child, password in ((first, b"one"), (second, b"one"), (first, b"two")):
            child.ask(b"check bob " + password)
        first.ask(b"check bob secret")
    one, again, two, refused = house.log("check")
    assert one["tag"] == again["tag"]
    assert one["tag"] != two["tag"]
    assert len(one["tag"]) == 3
    assert int(one["tag"], 16) < 4096
    assert "tag" not in refused, "the password was right"


def test_a_rule_in_shadow_only_logs_what_it_would_have_done(house: House) -> None:
    house.write(NOT_BOB.replace('user = "bob"', 'user = "bob"\nmode = "shadow"'))
    with house.child("-log") as child:
        assert child.ask(b"check bob secret") == BOB
        assert child.ask(b"check eve pw") == EVE
    bob, eve = house.log("check")
    assert (bob["shadow"], bob["result"], "rule" in bob) == ("not bob", "ok", False)
    assert "shadow" not in eve


def test_the_rules_meet_the_address_that_the_server_sends(house: House) -> None:
    house.write(LABS)
    with house.child() as child:
        assert child.ask(b"check eve pw 10.20.3.4") == flat("eve")
        assert child.ask(b"check eve pw ::ffff:10.20.3.4") == flat("eve")
        assert child.ask(b"check eve pw 10.21.3.4") == EVE
        assert child.ask(b"check eve pw") == flat("eve"), "a deny rule matches an unknown address"


def test_a_user_cannot_type_an_address_behind_the_password(house: House) -> None:
    """Once a child has had a three-word check it never again believes a fourth word."""
    house.write(LABS)
    with house.child() as child:
        assert child.ask(b"check eve wrong") == flat("eve")
        assert child.ask(b"check eve pw 10.21.3.4") == flat("eve")


def test_the_service_of_a_child_is_met_by_the_rules(house: House) -> None:
    house.write(HEAD + '[[rule]]\nname = "no pop"\ndeny = true\nservice = "pop"\n')
    for name, expected in (("pop", flat("eve")), ("POP", flat("eve")), ("imap", EVE)):
        with house.child("-service", name) as child:
            assert child.ask(b"check eve pw") == expected
    assert house.errors() == []
    with house.child() as child:
        assert child.ask(b"check eve pw") == flat("eve")
    assert [(line["rule"], line["condition"]) for line in house.errors()] == [("no pop", "service")]
    assert "-service NAME" in house.errors()[0]["reason"]


def test_a_user_without_a_class_has_the_class_default_and_the_field_is_configurable(house: House) -> None:
    house.write(HEAD + '[[rule]]\nname = "plain"\ndeny = true\nclass = "default"\n')
    with house.child() as child:
        assert (child.ask(b"check bob secret"), child.ask(b"check eve pw")) == (BOB, flat("eve"))
    (house.folder / "nwauth.toml").write_text('[policy]\nclass_field = "group"\n')
    with house.child() as child:
        assert (child.ask(b"check bob secret"), child.ask(b"check eve pw")) == (flat("bob"), flat("eve"))


# --- reveal ----------------------------------------------------------------------------------------------------------


def test_a_right_password_is_told_why_only_where_the_policy_reveals_it(house: House) -> None:
    text = "mail is closed in labs during class"
    for reveal, reply in ((False, flat("bob")), (True, f"-ERR {text}\n".encode())):
        word = "true" if reveal else "false"
        house.write(NOT_BOB.replace("[[rule]]", f"reveal = {word}\n[[rule]]") + f'text = "{text}"\n')
        with house.child("-log") as child:
            assert child.ask(b"check bob secret") == reply
            assert child.ask(b"check bob wrong") == flat("bob")
            assert child.ask(b"check nobody secret") == flat("nobody")
        refused = house.log("check")[-3]
        assert (refused["rule"], refused["reason"], refused["result"]) == ("not bob", "denied by a rule", "no")


def test_a_long_text_is_cut_between_characters_under_100_bytes(house: House) -> None:
    house.write(NOT_BOB.replace("[[rule]]", "reveal = true\n[[rule]]") + f'text = "{"é" * 49}"\n')
    with house.child() as child:
        reply = child.ask(b"check bob secret")
    assert reply == b"-ERR " + "é".encode() * 46 + b"\n"
    assert len(reply) < 100


# --- alarms ----------------------------------------------------------------------------------------------------------


def test_the_first_refusal_for_want_of_an_address_is_an_error_in_the_log_without_any_option(house: House) -> None:
    house.write(LABS)
    with house.child() as child:
        for _ in range(3):
            assert child.ask(b"check eve pw") == flat("eve")
    (alarm,) = house.errors()
    assert (alarm["command"], alarm["rule"], alarm["condition"]) == ("policy", "labs", "from")
    assert "g_authent_addip true" in alarm["reason"]


def test_a_hundred_logins_without_an_address_give_one_warning(house: House) -> None:
    house.write(LABS)
    with house.child() as child:
        child.send(b"check nobody x\n" * 99)
        for _ in range(99):
            child.line()
        assert house.errors() == []
        for _ in range(150):
            child.ask(b"check nobody x")
    (alarm,) = house.errors()
    assert "the first 100 logins had no address" in alarm["reason"]
    assert "g_authent_addip true" in alarm["reason"]


# --- at start --------------------------------------------------------------------------------------------------------


def test_the_zone_is_told_at_start_also_that_of_the_machine(house: House) -> None:
    for head in (HEAD, '[policy]\ndefault = "allow"\n'):
        house.write(head)
        with house.child("-log") as child:
            child.ask(b"lookup bob")
    named, machine = house.log("policy")
    assert (named["state"], named["rules"], named["zone"]) == ("read", "0", "UTC")
    assert machine["zone"] == str(machine_zone())


def test_a_child_that_starts_with_a_bad_file_is_dead_to_logins_and_serves_all_else(house: House) -> None:
    house.write(BAD)
    with house.child() as child:
        assert child.ask(b"lookup bob") == BOB
        for request in (b"check bob secret 10.0.0.1", b"check bob wrong", b"check nobody x"):
            assert child.ask(request) == DEAD
        assert child.ask(b"set eve new") == b"+OK eve added to database\n"
        assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
        assert child.ask(b"search zoe") == b"+OK Search Complete 0 items found out of 3\n"
        assert child.ask(b"del eve") == b"+OK eve deleted\n"
        child.hang_up()
        child.assert_ended_well()
    (error,) = house.errors()
    assert error["reason"].startswith(
        f'{house.policy}: line 7: rule[0].when: column 5: found "25:00", wanted a time from 00:00 to 23:59'
    )
    assert not house.copy.exists()


def test_the_error_is_in_the_log_when_a_child_starts_and_not_at_the_first_login(house: House) -> None:
    house.write(BAD)
    with house.child() as child:
        assert child.ask(b"lookup bob") == BOB
        assert len(house.errors()) == 1


def test_each_dead_login_is_in_the_log_at_info_since_the_reason_is_there_already(house: House) -> None:
    house.write(BAD)
    with house.child("-log") as child:
        for _ in range(3):
            assert child.ask(b"check bob secret") == DEAD
    assert [(line["level"], line["result"]) for line in house.log("check")] == [("info", "dead")] * 3
    assert len(house.errors()) == 1


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: str(spoil.__name__))
def test_whatever_stands_in_the_place_of_the_file_no_look_up_suffers_and_nobody_comes_in(
    house: House, spoil: Callable[[Path], None]
) -> None:
    spoil(house.policy)
    age(house.policy)
    with house.child() as child:
        for _ in range(2):
            assert child.ask(b"check bob secret") == DEAD
            assert child.ask(b"lookup bob") == BOB
        child.hang_up()
        child.assert_ended_well()
    assert len(house.errors()) == 1


@pytest.mark.parametrize("text", ["policy = 1\n", "[[policy]]\n", HEAD + '"a].b" = 1\n', HEAD + '[lists."x]"]\n'])
def test_an_odd_file_neither_ends_a_child_nor_opens_the_door(house: House, text: str) -> None:
    house.write(text)
    with house.child() as child:
        assert child.ask(b"lookup bob") == BOB
        for _ in range(3):
            assert child.ask(b"check bob secret") == DEAD
        child.hang_up()
        child.assert_ended_well()


def test_a_child_that_starts_with_a_bad_file_uses_the_last_good_rules_and_logs_an_error(house: House) -> None:
    house.write(NOT_BOB)
    with house.child() as child:
        assert child.ask(b"check bob secret") == flat("bob")
    house.write(BAD)
    with house.child() as child:
        assert (child.ask(b"check bob secret"), child.ask(b"check eve pw")) == (flat("bob"), EVE)
        assert child.ask(b"lookup bob") == BOB
    (error,) = house.errors()
    assert (error["command"], error["state"]) == ("policy", "the last good rules stay in force")
    assert "rule[0].when" in error["reason"]
    assert house.copy.read_text() == NOT_BOB


def test_a_policy_that_nwauth_toml_names_must_be_there(house: House) -> None:
    (house.folder / "nwauth.toml").write_text('[policy]\nfile = "rules/access.toml"\n')
    with house.child() as child:
        assert (child.ask(b"check bob secret"), child.ask(b"lookup bob")) == (DEAD, BOB)
        (house.folder / "rules").mkdir()
        assert child.ask(b"check bob secret") == DEAD
        (house.folder / "rules" / "access.toml").write_text(NOT_BOB)
        assert (child.ask(b"check bob secret"), child.ask(b"check eve pw")) == (flat("bob"), EVE)
    assert (house.folder / "rules" / "access.toml.last-good").read_text() == NOT_BOB
    assert house.errors()[0]["reason"].startswith(f"{house.folder}/rules/access.toml: is not there, wanted a policy: ")


# --- while it serves -------------------------------------------------------------------------------------------------


def test_a_changed_file_decides_the_next_login_of_every_child(house: House) -> None:
    house.write(NOT_BOB)
    with house.child() as one, house.child() as two:
        for policy, bob, eve in ((NOT_BOB, flat("bob"), EVE), (NOT_EVE, BOB, flat("eve")), (HEAD, BOB, EVE)):
            house.write(policy)
            for child in (one, two):
                assert (child.ask(b"check bob secret"), child.ask(b"check eve pw")) == (bob, eve)


def test_a_policy_that_is_written_while_children_serve_is_in_force_at_the_next_login(house: House) -> None:
    with house.child() as child:
        assert child.ask(b"check bob secret") == BOB
        house.write(NOT_BOB)
        assert child.ask(b"check bob secret") == flat("bob")


@pytest.mark.parametrize("spoil", [*ABSENT_OR_EMPTY, *SPOILT], ids=lambda spoil: str(spoil.__name__))
def test_a_file_that_goes_bad_and_comes_back_leaves_the_rules_in_force_and_one_error(
    house: House, spoil: Callable[[Path], None]
) -> None:
    house.write(NOT_BOB)
    with house.child() as child:
        assert child.ask(b"check bob secret") == flat("bob")
        spoil(house.policy)
        age(house.policy)
        for _ in range(3):
            assert child.ask(b"check bob secret") == flat("bob")
            assert child.ask(b"check eve pw") == EVE
            assert child.ask(b"lookup bob") == BOB
        assert len(house.errors()) == 1
        if house.policy.is_dir():
            house.policy.rmdir()
        else:
            house.policy.unlink(missing_ok=True)
        house.write(NOT_EVE)
        assert (child.ask(b"check bob secret"), child.ask(b"check eve pw")) == (BOB, flat("eve"))
    assert [line["state"] for line in house.errors()] == ["the last good rules stay in force"]
    assert house.copy.read_text() == NOT_EVE


@pytest.mark.parametrize("spoil", [make_absent, make_comment], ids=lambda spoil: str(spoil.__name__))
def test_only_default_allow_alone_switches_the_policy_off(house: House, spoil: Callable[[Path], None]) -> None:
    house.write(NOT_BOB)
    with house.child() as child:
        assert child.ask(b"check bob secret") == flat("bob")
        spoil(house.policy)
        age(house.policy)
        assert child.ask(b"check bob secret") == flat("bob")
        house.write('[policy]\ndefault = "allow"\n')
        assert child.ask(b"check bob secret") == BOB
        spoil(house.policy)
        age(house.policy)
        assert child.ask(b"check bob secret") == BOB
    with house.child() as child:
        assert child.ask(b"check bob secret") == BOB


def test_a_child_that_is_killed_while_the_rules_change_leaves_a_whole_copy(house: House) -> None:
    house.write(NOT_BOB)
    for turn in range(20):
        with house.child() as child:
            assert child.ask(b"lookup bob") == BOB
            house.write((NOT_BOB if turn % 2 else NOT_EVE) + "#" * (turn * 5000) + "\n")
            child.send(b"check bob secret\n")
            child.process.send_signal(signal.SIGKILL)
            child.process.wait()
        assert house.copy.read_text().rstrip("#\n") + "\n" in (NOT_BOB, NOT_EVE)
    house.write(NOT_BOB)
    with house.child() as child:
        assert child.ask(b"check bob secret") == flat("bob")
    assert house.copy.read_text() == NOT_BOB


def test_four_children_that_start_at_once_keep_one_copy_and_log_no_error(house: House) -> None:
    for turn in range(5):
        policy = NOT_BOB + "#" * turn + "\n"
        house.write(policy)
        children = [house.child() for _ in range(4)]
        for child in children:
            child.send(b"check bob secret\n")
        for child in children:
            with child:
                assert child.line() == flat("bob")
        assert house.copy.read_text() == policy
    assert house.errors() == []
    assert sorted(name for name in os.listdir(house.folder) if name.startswith("policy")) == ["policy.toml", COPY]


def test_a_burst_of_requests_meets_the_change_between_two_of_them_at_the_latest(house: House) -> None:
    house.write(NOT_BOB)
    with house.child() as child:
        child.send(b"check bob secret\nlookup bob\n" * 200)
        for _ in range(200):
            assert (child.line(), child.line()) == (flat("bob"), BOB)
        house.write(HEAD)
        child.send(b"check bob secret\n" * 200)
        assert {child.line() for _ in range(200)} == {BOB}


# --- who may write ---------------------------------------------------------------------------------------------------


def test_the_copy_is_private_and_a_one_shot_form_keeps_none(house: House) -> None:
    house.write(NOT_BOB)
    assert one_shot(house.folder, "-check", "bob", "secret") == (flat("bob"), 1)
    assert one_shot(house.folder, "-lookup", "bob") == (BOB, 0)
    assert not house.copy.exists()
    with house.child() as child:
        child.ask(b"lookup bob")
    assert stat.S_IMODE(house.copy.stat().st_mode) == 0o600


def test_a_one_shot_form_uses_the_last_good_rules_and_tells_dead_by_its_status(house: House) -> None:
    house.write(BAD)
    done = converse(house.folder, b"", "-check", "bob", "secret")
    assert (done.stdout, done.returncode) == (DEAD, 75)
    house.copy.write_text(NOT_BOB)
    assert one_shot(house.folder, "-check", "bob", "secret") == (flat("bob"), 1)
    assert one_shot(house.folder, "-lookup", "bob") == (BOB, 0)


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_root_keeps_the_copy_for_the_owner_of_the_folder(house: House) -> None:
    house.write(NOT_BOB)
    os.chown(house.folder, 12345, 23456)
    with house.child() as child:
        child.ask(b"check bob secret")
    found = house.copy.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 23456, 0o600)


AS_NOBODY = f"""
import os, sys
from nwauth import owner
owner._import_all(databases=False)
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
from nwauth.cli import main
sys.exit(main())
"""


def open_to_all(folder: Path) -> None:
    """Let another owner come here and read."""
    for path in (folder, *folder.parents):
        if path.owner() == "root" and path.stat().st_mode & 0o055 != 0o055 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)


@pytest.mark.skipif(not ROOT, reason="only root can become another")
def test_a_folder_that_may_only_be_read_has_its_rules_in_force_and_says_that_no_copy_is_kept(house: House) -> None:
    house.write(NOT_BOB)
    open_to_all(house.folder)
    (house.folder / "nwauth.log").touch()
    (house.folder / "nwauth.log").chmod(0o666)
    os.utime(house.policy, (LONG_AGO, LONG_AGO))
    with Child(house.folder, "-readonly", command=(sys.executable, "-c", AS_NOBODY)) as child:
        for _ in range(3):
            assert child.ask(b"check bob secret") == flat("bob")
            assert child.ask(b"check eve pw") == EVE
            assert child.ask(b"lookup bob") == BOB
        house.write(BAD)
        assert child.ask(b"check bob secret") == flat("bob")
        child.hang_up()
        child.assert_ended_well()
    reasons = [line["reason"] for line in house.errors() if line["command"] == "policy"]
    assert reasons[0] == f"{house.copy}: cannot be written: Permission denied"
    assert reasons[1].startswith(f"{house.policy}: line 7: ")
    assert len(reasons) == 2
    assert not house.copy.exists()


@pytest.mark.skipif(not ROOT, reason="only root can become another")
def test_a_policy_that_a_child_may_not_read_is_dead_and_never_no_policy(house: House) -> None:
    house.write(NOT_BOB)
    open_to_all(house.folder)
    house.policy.chmod(0o600)
    (house.folder / "nwauth.log").touch()
    (house.folder / "nwauth.log").chmod(0o666)
    with Child(house.folder, "-readonly", command=(sys.executable, "-c", AS_NOBODY)) as child:
        assert child.ask(b"check bob secret") == DEAD
        assert child.ask(b"lookup bob") == BOB
        house.policy.chmod(0o644)
        assert child.ask(b"check bob secret") == flat("bob")
    reasons = [line["reason"] for line in house.errors() if line["command"] == "policy"]
    assert reasons[0].startswith(f"{house.policy}: cannot be read: Permission denied")
