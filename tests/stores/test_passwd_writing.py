"""Changes of passwd files: what they keep, in which order they are made, whom they wait for."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.stores.passwd import writing
from nwauth.stores.passwd.changing import Changing
from nwauth.stores.passwd.lines import NewUser
from nwauth.stores.textfile import files
from tests.stores.folders import Clock
from tests.stores.passwd_files import DAY, TODAY, ask, many, names, opened, settled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nwauth.stores.passwd import PasswdStore

ODD = b"# head\n\nno colon\nbob:$1$old:1:2:Bob,,:/home/bob:/bin/sh:quota=5 keep  me\r\n+::::::\nann:!:3:4:::"


def user(name: str, field: str = "new", info: str = "") -> User:
    return User(name=name, stored_password=field, info=Info(info))


def found(one: User | None) -> User:
    assert one is not None
    return one


# --- bytes -----------------------------------------------------------------------------------------------------------


def test_a_changed_password_is_the_only_byte_that_changes(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    store = opened(path)
    bob = found(store.lookup("bob"))
    assert store.replace(bob, bob.changed(stored_password="$1$new"))
    assert path.read_bytes() == ODD.replace(b"$1$old", b"$1$new")
    ann = found(store.lookup("ann"))
    assert store.replace(ann, ann.changed(stored_password="$1$ann"))
    assert path.read_bytes() == ODD.replace(b"$1$old", b"$1$new").replace(b"ann:!", b"ann:$1$ann")


def test_a_changed_info_field_leaves_the_other_words_as_they_stand(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    store = opened(path)
    bob = found(store.lookup("bob"))
    assert bob.info.text == 'quota="5" keep  me'
    assert store.replace(bob, bob.changed(info=bob.info.updated({"quota": "7", "fwd": "b@c"})))
    assert path.read_bytes() == ODD.replace(b"quota=5 keep  me", b"quota=7 keep  me fwd=b@c")


def test_a_new_user_comes_last_with_the_line_ends_of_the_file(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"bob:!:1\r\nann:!:2")
    store = opened(path, new_user=NewUser(uid="7", gid="8", home="/home/{name}", shell="/bin/false"))
    assert store.put(user("zoe", info='quota="5"'))
    assert path.read_bytes() == b"bob:!:1\r\nann:!:2\r\nzoe:new:7:8::/home/zoe:/bin/false:quota=5\r\n"


def test_a_new_user_of_a_domain_has_its_bare_name_in_the_file(tmp_path: Path) -> None:
    path = settled(tmp_path / "dom1", b"")
    store = opened(tmp_path / "{domain}", drop_path="{home}/Mail", new_user=NewUser(home="/v/{domain}/{name}"))
    assert store.put(user("bob@Dom1"))
    assert path.read_bytes() == b"bob:new::::/v/dom1/bob:\n"
    assert found(store.lookup("bob@dom1")).drop_path == "/v/dom1/bob/Mail"


def test_a_deletion_takes_every_line_of_the_spelling_and_no_other(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"bob:!:1\nBOB:!:2\nann:!:3\nbob:!:4\r\n#bob:x\nbob:!:5")
    store = opened(path)
    assert store.delete("bob")
    assert path.read_bytes() == b"BOB:!:2\nann:!:3\n#bob:x\n"
    assert found(ask(store, "bob")).name == "BOB"


def test_a_rename_keeps_all_else_and_takes_every_line_of_the_spelling(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::G:/h/bob:/sh\nann:!:3\nbob:!:4\n")
    store = opened(path)
    bob = found(store.lookup("bob"))
    assert store.rename(bob, bob.changed(name="Robert"))
    assert path.read_bytes() == b"Robert:!:1::G:/h/bob:/sh\nann:!:3\nRobert:!:4\n"
    robert = found(ask(store, "robert"))
    assert store.replace(robert, robert.changed(name="ROBERT"))
    assert path.read_bytes() == b"ROBERT:!:1::G:/h/bob:/sh\nann:!:3\nROBERT:!:4\n"
    assert ask(store, "Robert") is not None


def test_a_rename_to_another_domain_is_left_to_others(tmp_path: Path) -> None:
    settled(tmp_path / "dom1", b"bob:!:1\n")
    settled(tmp_path / "dom2", b"ann:!:1\n")
    store = opened(tmp_path / "{domain}")
    bob = found(store.lookup("bob@dom1"))
    assert store.rename(bob, bob.changed(name="bob@dom2")) is None


def test_many_users_are_added_by_one_new_file_a_domain(tmp_path: Path) -> None:
    settled(tmp_path / "dom1", b"bob:!:1\n")
    settled(tmp_path / "dom2", b"")
    store = opened(tmp_path / "{domain}")
    inode = (tmp_path / "dom1").stat().st_ino
    batch = [user(f"u{number}@dom{number % 2 + 1}") for number in range(100)]
    taken = [user("BOB@dom1"), user("u7@dom2")]
    assert store.put_all([taken[0], *batch, taken[1]]) == taken
    assert (tmp_path / "dom1").stat().st_ino != inode
    assert len(names(store)) == 101


# --- what cannot be held ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "new",
    [
        user("a:b"),
        user("#bob"),
        user("+bob"),
        user("a\nb"),
        user("a\0b"),
        user(""),
        user("bob", "a:b"),
        user("bob", "a\nroot:x:0"),
        user("bob", info="a\nroot:x"),
        user("bob", info='name="Bob Bobson"'),
        user("bob", info='x="1 userdb_uid=0"'),
        user("bob", info="userdb_uid=0"),
        user("bob", info="a\r"),
        User(name="bob", stored_password="h", info=Info(), drop_path="/elsewhere"),
        User(name="bob", stored_password="h", info=Info(), uid="vmail"),
        User(name="bob", stored_password="h", info=Info(), ip_mask="10.*"),
    ],
)
def test_what_a_line_cannot_hold_is_refused_in_words_and_nothing_is_changed(tmp_path: Path, new: User) -> None:
    path = settled(tmp_path / "users", ODD.replace(b"bob", b"joe"))
    store = opened(path)
    with pytest.raises(Refused) as raised:
        store.put(new)
    assert len(str(raised.value).split()) > 5
    with pytest.raises(Refused):
        store.put_all([user("fine"), new])
    joe = found(store.lookup("joe"))
    if new.name == "bob" and new.uid == "0" and new.drop_path == "config" and not new.ip_mask:
        with pytest.raises(Refused):
            store.replace(joe, joe.changed(stored_password=new.stored_password, info=new.info))
    assert path.read_bytes() == ODD.replace(b"bob", b"joe")


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (user("a:b"), "the name 'a:b' holds a colon"),
        (user("+evil"), "the name '+evil' begins with +"),
        (user(" a"), "the name ' a' has a blank at an end"),
        (user("a\rb"), "the name 'a\\rb' holds a line end"),
        (user("bob", "a:b"), "the password, as it would be stored, holds a colon"),
        (user("bob", "a\rb"), "the password, as it would be stored, holds a line end"),
        (user("bob", info="a\r"), "the info holds a line end"),
        (user("bob", info='a="1" b'), ""),
        (user("bob", info="q=1"), "the info "),
    ],
)
def test_a_refusal_says_which_part_it_is_and_what_it_holds(tmp_path: Path, new: User, said: str) -> None:
    path = settled(tmp_path / "users", b"ann:!:1\n")
    store = opened(path)
    if not said:
        assert store.put(new)
        return
    with pytest.raises(Refused) as raised:
        store.put(new)
    assert str(raised.value).startswith(said)
    assert "a:b" not in str(raised.value) or new.name == "a:b", "never a password"
    assert len(f"-ERR {raised.value.public}") < 100


@pytest.mark.parametrize(
    "field",
    [
        *('userdb_uid="0"', 'nologin="y"', 'proxy="y"', 'uid="0"', 'gid="0"', 'home="/etc"', 'nopassword="y"'),
        *('host="192.0.2.1"', 'allow_nets="0.0.0.0/0"', 'Userdb_Mail="x"', 'user="root"', 'a="1" pass="x"', "nologin"),
    ],
)
def test_an_info_field_never_becomes_a_setting_of_dovecots(tmp_path: Path, field: str) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::::sh:quota=5\n")
    store = opened(path)
    bob = found(store.lookup("bob"))
    with pytest.raises(Refused, match="a setting of Dovecot"):
        store.replace(bob, bob.changed(info=Info(f'quota="5" {field}')))
    with pytest.raises(Refused, match="a setting of Dovecot"):
        store.put(user("zoe", info=field))
    assert path.read_bytes() == b"bob:!:1::::sh:quota=5\n"


def test_a_setting_of_dovecots_that_stands_there_stays_and_all_else_is_changed(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::::sh:userdb_uid=7 quota=5 nologin\n")
    store = opened(path)
    bob = found(store.lookup("bob"))
    assert store.replace(bob, bob.changed(info=bob.info.updated({"quota": "6"})))
    assert path.read_bytes() == b"bob:!:1::::sh:userdb_uid=7 quota=6 nologin\n"
    bob = found(ask(store, "bob"))
    for value in ("", "0"):
        with pytest.raises(Refused, match="'userdb_uid' in a passwd file"):
            store.replace(bob, bob.changed(info=bob.info.updated({"userdb_uid": value})))
    assert path.read_bytes() == b"bob:!:1::::sh:userdb_uid=7 quota=6 nologin\n"


def test_a_uid_that_is_given_is_written(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"")
    store = opened(path, new_user=NewUser(uid="7"))
    assert store.put(User(name="bob", stored_password="h", info=Info(), uid="1234"))
    assert path.read_bytes() == b"bob:h:1234::::\n"


def test_names_of_other_domains_are_refused(tmp_path: Path) -> None:
    settled(tmp_path / "dom1", b"ann:!:1\n")
    store = opened(tmp_path / "{domain}")
    for name in ("bob", "bob@../dom1", "@dom1", "bob@dom9"):
        with pytest.raises(Refused) as raised:
            store.put(user(name))
        assert str(tmp_path) not in raised.value.public
    assert os.listdir(tmp_path) == ["dom1"]


def test_a_name_that_two_others_have_but_for_case_is_refused(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", b"BOB:!:1\nBob:!:2\n"))
    assert store.lookup("bob") is None
    with pytest.raises(Refused, match="BOB and Bob differ"):
        store.put(user("bob"))
    assert not store.delete("bob")


def test_a_store_that_is_not_writable_is_never_written(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    store = opened(path, read_only=True)
    bob = found(store.lookup("bob"))
    changes: tuple[Callable[[], object], ...] = (
        lambda: store.put(user("new")),
        lambda: store.replace(bob, bob),
        lambda: store.rename(bob, bob.changed(name="x")),
        lambda: store.delete("bob"),
        store.make,
    )
    for change in changes:
        with pytest.raises(NotSupported):
            change()
    assert os.listdir(tmp_path) == ["users"]


# --- owner, mode, links ----------------------------------------------------------------------------------------------


def test_a_new_file_has_owner_and_mode_of_the_old(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    store = opened(path)
    assert store.delete("bob")
    for one in (path, tmp_path / ".users.nwauth"):
        status = one.stat()
        assert oct(status.st_mode & 0o777) == "0o640"
        if os.geteuid() == 0:
            assert (status.st_uid, status.st_gid) == (1234, 4321)


def test_a_link_stays_one_and_its_target_is_replaced(tmp_path: Path) -> None:
    path = settled(tmp_path / "real" / "users", ODD)
    (tmp_path / "link").symlink_to(path)
    store = opened(tmp_path / "link")
    assert store.delete("bob")
    assert (tmp_path / "link").is_symlink()
    assert b"bob" not in path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]
    assert found(ask(store, "ann")).uid == "3"


def test_a_second_change_follows_at_once(tmp_path: Path) -> None:
    """What we have written ourselves is settled, for every process."""
    path = settled(tmp_path / "users", many(1200))
    for number in range(6):
        store = opened(path, state=tmp_path)
        assert store.put(user(f"new{number}"))
        assert store.lookup("nobody") is None
        assert store.put(user(f"newer{number}"))
        store.close()
    assert len(path.read_bytes().splitlines()) == 1212


def test_a_file_that_another_program_has_just_written_is_not_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(ODD)
    store = opened(path)
    bob = found(store.lookup("bob"))
    changes: tuple[Callable[[], object], ...] = (
        lambda: store.replace(bob, bob.changed(stored_password="x1")),
        lambda: store.delete("bob"),
        lambda: store.put(user("new")),
    )
    for change in changes:
        with pytest.raises(Unavailable, match="being written"):
            change()
    assert path.read_bytes() == ODD


# --- shadow ----------------------------------------------------------------------------------------------------------

SHADOW = b"bob:$1$old:19000:0:99999:7:::\nann:!:19000:0:99999:7:::\n"
USERS = b"bob:x:1:2::/home/bob:\nann:x:3:4:::\njoe:*:5:6:::\nzoe:$1$own:7:8:::\n"


def shadowed(tmp_path: Path, *, users: bytes = USERS, shadow: bytes = SHADOW) -> PasswdStore:
    settled(tmp_path / "shadow", shadow)
    clock = Clock()
    clock.seconds = TODAY * DAY + 7200.0
    return opened(settled(tmp_path / "users", users), shadow=tmp_path / "shadow", clock=clock, settle_seconds=0)


def both(tmp_path: Path) -> tuple[bytes, bytes]:
    return (tmp_path / "users").read_bytes(), (tmp_path / "shadow").read_bytes()


def test_a_password_behind_an_x_is_changed_in_the_shadow_file_with_its_day(tmp_path: Path) -> None:
    store = shadowed(tmp_path)
    bob = found(store.lookup("bob"))
    assert store.replace(bob, bob.changed(stored_password="$1$new"))
    assert both(tmp_path) == (USERS, SHADOW.replace(b"$1$old:19000", b"$1$new:%d" % TODAY))
    assert found(ask(store, "bob")).stored_password == "$1$new"


def test_a_hash_beside_the_shadow_file_stays_where_it_is(tmp_path: Path) -> None:
    store = shadowed(tmp_path)
    zoe = found(store.lookup("zoe"))
    assert store.replace(zoe, zoe.changed(stored_password="$1$new"))
    assert both(tmp_path) == (USERS.replace(b"$1$own", b"$1$new"), SHADOW)


def test_who_had_no_login_gets_the_password_in_the_shadow_file(tmp_path: Path) -> None:
    store = shadowed(tmp_path)
    joe = found(store.lookup("joe"))
    assert store.replace(joe, joe.changed(stored_password="$1$new"))
    assert both(tmp_path) == (USERS.replace(b"joe:*", b"joe:x"), SHADOW + b"joe:$1$new:%d::::::\n" % TODAY)
    assert found(ask(store, "joe")).stored_password == "$1$new"


def test_a_new_user_has_a_line_in_both_and_no_old_password(tmp_path: Path) -> None:
    store = shadowed(tmp_path, shadow=SHADOW + b"new:$1$left:1:::::\n")
    assert store.put(user("new", "$1$new"))
    assert both(tmp_path) == (USERS + b"new:x:::::\n", SHADOW + b"new:$1$new:%d::::::\n" % TODAY)


def test_a_deletion_takes_the_lines_out_of_both(tmp_path: Path) -> None:
    store = shadowed(tmp_path)
    assert store.delete("bob")
    assert both(tmp_path) == (USERS.split(b"\n", 1)[1], SHADOW.split(b"\n", 1)[1])


def test_a_rename_takes_the_password_along(tmp_path: Path) -> None:
    store = shadowed(tmp_path)
    bob = found(store.lookup("bob"))
    assert store.rename(bob, bob.changed(name="rob"))
    assert both(tmp_path) == (
        USERS.replace(b"bob:x", b"rob:x"),
        SHADOW.split(b"\n", 1)[1] + b"rob:$1$old:19000:0:99999:7:::\n",
    )
    assert found(ask(store, "rob")).stored_password == "$1$old"


def test_info_and_password_are_changed_together(tmp_path: Path) -> None:
    store = shadowed(tmp_path)
    bob = found(store.lookup("bob"))
    assert store.replace(bob, bob.changed(stored_password="$1$new", info=Info('quota="5"')))
    user_rows, shadow_rows = both(tmp_path)
    assert user_rows == USERS.replace(b"/home/bob:", b"/home/bob::quota=5")
    assert b"bob:$1$new:" in shadow_rows


# --- other programs --------------------------------------------------------------------------------------------------


def test_a_change_waits_for_who_holds_the_lock_of_lckpwdf(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    (tmp_path / ".pwd.lock").touch()
    holding = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
    holder = subprocess.Popen(
        [sys.executable, "-S", "-c", holding, str(tmp_path / ".pwd.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    store = opened(path)
    bob = found(store.lookup("bob"))
    with pytest.raises(Unavailable, match=r"\.pwd\.lock"):
        store.replace(bob, bob.changed(stored_password="n"), wait_seconds=0.01)
    holder.communicate()
    assert store.replace(bob, bob.changed(stored_password="n"))


def test_a_change_waits_for_a_lock_file_of_others(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    (tmp_path / "users.lock").touch()
    store = opened(path)
    bob = found(store.lookup("bob"))
    with pytest.raises(Unavailable, match=r"users\.lock") as raised:
        store.replace(bob, bob.changed(stored_password="n"), wait_seconds=0.01)
    assert str(tmp_path) not in raised.value.public
    (tmp_path / "users.lock").unlink()
    assert store.replace(bob, bob.changed(stored_password="n"))


def test_a_child_that_changes_the_file_now_is_waited_for(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    store, other = opened(path), writing.Change(str(path))
    bob = found(store.lookup("bob"))
    other.take()
    with pytest.raises(Unavailable, match="locked"):
        store.replace(bob, bob.changed(stored_password="n"), wait_seconds=0.01)
    other.release()
    assert store.replace(bob, bob.changed(stored_password="n"))


@pytest.mark.parametrize("how", ["renamed over", "edited in place"])
def test_a_change_by_another_program_meanwhile_is_never_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = settled(tmp_path / "users", b"bob:!:1\n")
    store, real, done = opened(path), os.fsync, list[int]()
    bob = found(store.lookup("bob"))

    def fsync(fd: int) -> None:
        real(fd)
        if not done:
            done.append(fd)
            if how == "renamed over":
                settled(tmp_path / "new", b"bob:!:1\nann:!:2\n").rename(path)
            else:
                settled(path, b"bob:!:1\nann:!:2\n")

    monkeypatch.setattr(os, "fsync", fsync)
    assert store.replace(bob, bob.changed(stored_password="n"))
    assert path.read_bytes() == b"bob:n:1\nann:!:2\n"


def test_where_the_kernel_does_not_copy_we_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sendfile(*_: int) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", sendfile)
    path = settled(tmp_path / "users", many(3000) + ODD)
    store = opened(path)
    assert store.delete("bob")
    assert path.read_bytes() == many(3000) + ODD.replace(
        b"bob:$1$old:1:2:Bob,,:/home/bob:/bin/sh:quota=5 keep  me\r\n", b""
    )


def test_a_file_whose_owner_cannot_be_kept_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settled(tmp_path / "users", ODD)
    store = opened(path)
    bob = found(store.lookup("bob"))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(files, "dress_like", refuse)
        with pytest.raises(Unavailable, match="owner and mode"):
            store.replace(bob, bob.changed(stored_password="n"))
    assert path.read_bytes() == ODD
    assert os.listdir(tmp_path) == ["users"]


def test_a_lock_that_others_hold_for_too_long_leaves_nothing_open(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", ODD))
    assert store.delete("ann")
    bob = found(store.lookup("bob"))
    with (tmp_path / ".users.nwauth").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            with pytest.raises(Unavailable, match="locked by another process"):
                store.replace(bob, bob.changed(stored_password="n"), wait_seconds=0.0)
        assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_lock_that_is_let_go_can_be_taken_by_others(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    store = opened(path)
    assert store.delete("bob")
    with (tmp_path / ".users.nwauth").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- making ----------------------------------------------------------------------------------------------------------


def test_make_makes_what_must_be_there_and_nothing_else(tmp_path: Path) -> None:
    store = opened(tmp_path / "users", shadow=tmp_path / "shadow")
    assert store.make()
    assert not store.make()
    assert sorted(os.listdir(tmp_path)) == ["shadow", "users"]
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in os.listdir(tmp_path)} == {"0o600"}
    domains = opened(tmp_path / "d" / "{domain}.passwd", listed=["dom1"])
    with pytest.raises(Unavailable):
        domains.make()
    (tmp_path / "d").mkdir()
    assert domains.make()
    assert os.listdir(tmp_path / "d") == ["dom1.passwd"]


def test_make_does_not_replace_what_was_served_and_is_gone(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", ODD)
    store = opened(path, state=tmp_path)
    store.lookup("bob")
    path.unlink()
    with pytest.raises(Unavailable, match="moved or unmounted"):
        store.make()


def test_what_keeps_being_overtaken_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settled(tmp_path / "users", b"bob:!:1\n")
    store = opened(path)
    tries: list[int] = []

    def always(*_: object) -> None:
        tries.append(1)
        raise writing.Overtaken

    monkeypatch.setattr(Changing, "delete", always)
    with pytest.raises(Unavailable, match="keeps being changed"):
        store.delete("bob")
    assert len(tries) == 5
