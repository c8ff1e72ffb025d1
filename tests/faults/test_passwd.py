"""Passwd files: kill -9 at each step of a change, two writers, a full disk, lost rights; and what real children say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from pwd import getpwuid
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.model import Info, User
from nwauth.stores.passwd.changing import Changing
from tests.faults.folders import ENVIRONMENT, Child, in_child, one_shot, start, wait_for
from tests.faults.test_folder_and_disk import NOBODY, ROOT, small_disk, write_on
from tests.faults.test_kill import deaths, needs_strace, site_packages
from tests.stores.folders import IN_CI, fast_folder, ssha, until
from tests.stores.passwd_files import ask, many, names, opened, settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.passwd import PasswdStore

USERS = b"# head\nbob:x:1:2::/home/bob::quota=5 keep\nann:x:2:2::/home/ann:\nAnn:!:3\nlast:x:4:::"
SHADOW = b"bob:old:19000:0:99999:7:::\nann:ann:1:\nlast:last:1:\n"
BEFORE = {"bob": ("old", 'quota="5" keep'), "ann": ("ann", ""), "Ann": ("!", ""), "last": ("last", "")}
REST = {name: held for name, held in BEFORE.items() if name != "bob"}
AFTER = {
    "password": [{**BEFORE, "bob": ("new", BEFORE["bob"][1])}],
    "info": [{**BEFORE, "bob": ("old", 'quota="7" keep')}],
    # the shadow file is changed before the passwd file: nobody was told of the one without the other
    "both": [{**BEFORE, "bob": ("new", 'quota="7" keep')}, {**BEFORE, "bob": ("new", BEFORE["bob"][1])}],
    "add": [{**BEFORE, "zoe": ("new", "")}],
    "batch": [{**BEFORE, **{f"new{number}": ("new", "") for number in range(3)}}],
    "del": [REST],
    "rename": [{**REST, "rob": BEFORE["bob"]}],
}


def files_of(folder: Path) -> Path:
    settled(folder / "shadow", SHADOW)
    settled(folder / "users", USERS)
    return folder


def store_of(folder: Path, *, settle_seconds: float = 0) -> PasswdStore:
    return opened(folder / "users", shadow=folder / "shadow", settle_seconds=settle_seconds)


def new(name: str, field: str = "new") -> User:
    return User(name=name, stored_password=field, info=Info())


def change(store: PasswdStore, what: str) -> bool:
    bob = store.lookup("bob")
    assert bob is not None
    info = bob.info.updated({"quota": "7"})
    changes: dict[str, Callable[[], bool | None]] = {
        "password": lambda: store.replace(bob, bob.changed(stored_password="new")),
        "info": lambda: store.replace(bob, bob.changed(info=info)),
        "both": lambda: store.replace(bob, bob.changed(stored_password="new", info=info)),
        "add": lambda: store.put(new("zoe")),
        "batch": lambda: store.put_all([new(f"new{number}") for number in range(3)]) == [],
        "del": lambda: store.delete("bob"),
        "rename": lambda: store.rename(bob, bob.changed(name="rob")),
    }
    return bool(changes[what]())


def held(folder: Path) -> dict[str, tuple[str, str]]:
    store = store_of(folder)
    try:
        return {user.name: (user.stored_password, user.info.text) for user in store.search()}
    finally:
        store.close()


def check_after_death(folder: Path, what: str, *, acknowledged: bool, torn_note: bool = False) -> None:
    """All as before or all as wanted, no user mixed; and the next change is made as if nothing had been.

    Of a note that is torn nobody knows that the file is ours: the next change is made when it has settled.
    """
    seen = held(folder)
    assert seen in (AFTER[what][:1] if acknowledged else [BEFORE, *AFTER[what]])
    store = store_of(folder, settle_seconds=0 if torn_note else 2.0)
    assert store.put(new("after", "own"))
    assert held(folder) == {**seen, "after": ("own", "")}
    if what in ("add", "rename") and not acknowledged:
        name = "zoe" if what == "add" else "rob"
        if name not in seen:  # what a dead one has left of that name in the shadow file is nobody's
            assert store.put(new(name, "fresh"))
            assert held(folder)[name] == ("fresh", "")
    store.close()
    assert (folder / "users").read_bytes().startswith(b"# head\n")
    assert not [name for name in os.listdir(folder) if "nwauth-new" in name and "users" in name]


# --- deaths at each call, also in the middle of one ------------------------------------------------------------------

CHANGING = ("write", "pwrite", "sendfile", "fsync", "rename", "unlink", "fchmod", "fchown", "ftruncate")


def die_at(step: int, part: float) -> None:
    """From now on the process ends at the `step`-th call that changes anything, when `part` of a write is made."""
    count = [0]

    def dying(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **more: object) -> object:
            count[0] += 1
            if count[0] > step:
                if name in ("write", "pwrite") and isinstance(args[1], bytes | memoryview):
                    real(args[0], bytes(args[1])[: int(len(args[1]) * part)], *args[2:])
                elif name == "sendfile" and isinstance(args[3], int) and int(args[3] * part):
                    real(*args[:3], int(args[3] * part))
                os._exit(9)
            return real(*args, **more)

        setattr(os, name, call)

    for name in CHANGING:
        dying(name)


def doomed(folder: Path, what: str, step: int, part: float) -> None:
    store = store_of(folder)
    store.lookup("nobody")
    die_at(step, part)
    assert change(store, what)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7] if IN_CI else [0.0, 0.5])
@pytest.mark.parametrize("what", AFTER)
def test_a_death_at_any_change_even_in_the_middle_of_a_write_mixes_nobody(what: str, part: float) -> None:
    with fast_folder() as path:
        for step in range(100):
            folder = files_of(Path(path) / f"{step}")
            status = in_child(lambda folder=folder, step=step: doomed(folder, what, step, part))  # type: ignore[misc]
            assert status in (0, 9), status
            check_after_death(folder, what, acknowledged=status == 0, torn_note=part > 0)
            if status == 0:
                break
        assert 5 < step < 99


CALLS = (
    *(
        "openat",
        "write",
        "pwrite64",
        "sendfile",
        "fsync",
        "rename",
        "renameat",
        "unlink",
        "unlinkat",
        "flock",
        "fchown",
        "fchmod",
        "pread64",
    ),
    *("close", "newfstatat"),
)
DRIVER = """
import os, sys
from pathlib import Path
import nwauth.stores.passwd.changing, nwauth.stores.passwd.listing
from tests.faults.test_passwd import change, store_of
store = store_of(Path(sys.argv[1]))
store.lookup("nobody")
try:
    os.stat("/nwauth-test-mark")
except OSError:
    pass
os.write(1, b"done" if change(store, sys.argv[2]) else b"not")
os._exit(0)
"""


def traced(folder: Path, what: str, *options: str) -> tuple[bytes, str]:
    log = str(folder) + ".trace"
    done = subprocess.run(
        ["strace", "-f", "-o", log, "-e", f"trace={','.join(CALLS)}", *options,
         sys.executable, "-S", "-c", DRIVER, str(folder), what],
        env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([ENVIRONMENT["PYTHONPATH"], *site_packages()])},
        capture_output=True,
        check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, -9, 137), done.stderr.decode()
    return done.stdout, Path(log).read_text(errors="replace")


@needs_strace
@pytest.mark.parametrize("what", AFTER if IN_CI else ["password", "rename"])
def test_a_kill_at_each_system_call_loses_nothing_and_mixes_nobody(what: str) -> None:
    with fast_folder() as path:
        _, trace = traced(files_of(Path(path) / "whole"), what)
        there = deaths(trace)
        assert len(there) > 20
        # Each call that changes something is met by the test before; here the machine itself kills, at a third of all.
        first = list(AFTER).index(what) % 3
        for number, (call, nth) in enumerate(there[first::3] if IN_CI else there[:: max(1, len(there) // 6)]):
            folder = files_of(Path(path) / f"{number}")
            said, _ = traced(folder, what, "-e", f"inject={call}:signal=KILL:when={nth}")
            check_after_death(folder, what, acknowledged=said == b"done")


# --- many writers ----------------------------------------------------------------------------------------------------


def test_of_many_writers_no_change_is_lost(tmp_path: Path) -> None:
    files_of(tmp_path)

    def write(who: int) -> None:
        store = store_of(tmp_path, settle_seconds=2.0)
        for number in range(12):
            assert store.put(new(f"w{who}-{number}", f"h{number}"))
            if number % 3 == 2:
                assert store.delete(f"w{who}-{number - 2}")
                old = store.lookup(f"w{who}-{number}")
                assert old is not None
                assert store.replace(old, old.changed(stored_password="changed"))
        store.close()

    assert wait_for([start(lambda who=who: write(who)) for who in range(4)]) == [0] * 4  # type: ignore[misc]
    seen = held(tmp_path)
    for who in range(4):
        for number in range(12):
            wanted = {0: None, 1: (f"h{number}", ""), 2: ("changed", "")}[number % 3]
            assert seen.get(f"w{who}-{number}") == wanted
    assert {name: seen[name] for name in BEFORE} == BEFORE
    assert (tmp_path / "users").read_bytes().startswith(USERS)


def test_of_two_that_change_one_state_of_a_user_only_one_succeeds(tmp_path: Path) -> None:
    files_of(tmp_path)
    one, other = store_of(tmp_path), store_of(tmp_path)
    bob, same = one.lookup("bob"), other.lookup("bob")
    assert bob is not None
    assert same is not None
    assert one.replace(bob, bob.changed(stored_password="one"))
    assert not other.replace(same, same.changed(stored_password="other"))
    assert not other.delete("bob", only=same)
    assert held(tmp_path)["bob"][0] == "one"


# --- a full disk, and rights that are lost ---------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
def test_on_a_full_disk_a_change_is_unavailable_and_the_files_are_as_they_were(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=256) as disk:
        folder = files_of(disk / "users")
        settled(folder / "users", USERS + b"\n" + many(1000))
        before = (folder / "users").read_bytes(), (folder / "shadow").read_bytes()
        with (disk / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError, match="No space"):
            write_on(fill, 512)
        store = store_of(folder)
        for what in AFTER:
            with pytest.raises(Unavailable):
                change(store, what)
        assert before == ((folder / "users").read_bytes(), (folder / "shadow").read_bytes())
        (disk / "fill").unlink()
        assert change(store, "password")
        assert not [name for name in os.listdir(folder) if "nwauth-new" in name]


@pytest.mark.skipif(not ROOT, reason="only root can become another")
@pytest.mark.parametrize("lost", ["users", "shadow", "."])
def test_files_that_may_not_be_read_cannot_tell_and_nobody_is_absent(lost: str) -> None:
    with fast_folder() as path:
        os.chmod(path, 0o755)
        folder = files_of(Path(path) / "mail")
        (folder / lost).chmod(0o600 if lost != "." else 0o700)

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            store = store_of(folder)
            if lost == "shadow":
                bob = store.lookup("bob")
                assert bob is not None, "mail is delivered"
                assert store.lookup("nobody") is None
                with pytest.raises(Unavailable):
                    store.verify(bob, b"secret")
            else:
                for name in ("bob", "nobody"):
                    with pytest.raises(Unavailable):
                        store.lookup(name)
            with pytest.raises(Unavailable):
                names(store)
            store.tend()

        assert in_child(other) == 0


@pytest.mark.skipif(not ROOT, reason="only root can become another")
def test_what_may_not_be_done_is_told_with_the_place_and_the_account_and_on_the_wire_without() -> None:
    with fast_folder() as path:
        os.chmod(path, 0o755)
        folder = files_of(Path(path) / "mail")

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            store = store_of(folder)
            with pytest.raises(Unavailable) as raised:
                change(store, "add")
            account = getpwuid(NOBODY).pw_name
            assert str(raised.value) == f"cannot create {folder}/.users.nwauth as {account}: Permission denied"
            assert raised.value.public == "cannot create .users.nwauth: Permission denied"

        assert in_child(other) == 0
        (folder / "shadow").chmod(0o600)

        def unread() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            store = store_of(folder)
            with pytest.raises(
                Unavailable, match=f"cannot read {folder}/shadow as [a-z]+: Permission denied"
            ) as raised:
                store.confirm(new("bob"))
            assert raised.value.public == "cannot read shadow: Permission denied"

        assert in_child(unread) == 0


@pytest.mark.skipif(not ROOT, reason="only root can become another")
def test_a_domain_whose_folder_may_not_be_read_is_not_absent() -> None:
    with fast_folder() as path:
        os.chmod(path, 0o755)
        settled(Path(path) / "mail" / "dom1", b"ann:!:1\n")

        def other() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            store = opened(Path(path) / "mail" / "{domain}")
            assert store.lookup("bob@dom2") is None
            started = Path(path) / "mail"
            assert started.stat().st_mode & 0o777 == 0o755
            store.close()

        (Path(path) / "mail").chmod(0o755)
        assert in_child(other) == 0
        for mode in (0o700, 0o711):
            (Path(path) / "mail").chmod(mode)

            def barred() -> None:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                with pytest.raises(Unavailable):
                    opened(Path(path) / "mail" / "{domain}").lookup("bob@dom2")

            assert in_child(barred) == 0


def test_a_shadow_file_that_goes_between_the_two_writes_leaves_the_passwd_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files_of(tmp_path)
    store = store_of(tmp_path)
    real: Callable[..., list[User]] = Changing.add

    def add(self: Changing, users: list[tuple[str, User]]) -> list[User]:
        (tmp_path / "shadow").unlink()
        return real(self, users)

    monkeypatch.setattr(Changing, "add", add)
    with pytest.raises(Unavailable, match="no shadow file"):
        store.put(new("zoe"))
    assert (tmp_path / "users").read_bytes() == USERS
    assert ask(store, "zoe") is None


# --- real children ---------------------------------------------------------------------------------------------------


def installation(tmp_path: Path, settings: str = "") -> Path:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "nwauth.toml").write_text(
        f'[[stores]]\nkind = "passwd"\npath = "{tmp_path}/mail/{{domain}}.passwd"\nwritable = true\n'
        f'drop_path = "{{home}}/Mailbox"\n{settings}\n[passwords]\nsha512_rounds = 1000\n'
    )
    settled(tmp_path / "mail" / "dom1.com.passwd", f"ann:{ssha('secret')}:1001:100:Ann:/home/ann:/bin/sh\n".encode())
    settled(tmp_path / "mail" / "dom2.com.passwd", b"bob:!:1002:100::/home/bob:\n")
    return conf


def test_a_child_answers_of_many_domains(tmp_path: Path) -> None:
    with Child(installation(tmp_path, 'new_home = "/home/{name}"')) as child:
        assert child.ask("lookup ANN@dom1.com") == "+OK ann@dom1.com /home/ann/Mailbox 1001"
        assert child.ask("check ann@dom1.com secret").startswith("+OK ann@dom1.com ")
        assert child.ask("check ann@dom1.com wrong").startswith("-ERR")
        assert child.ask("check bob@dom2.com !").startswith("-ERR")
        assert child.ask("lookup bob@dom2.com") == "+OK bob@dom2.com /home/bob/Mailbox 1002"
        assert child.ask("lookup bob@dom3.com") == "-ERR bob@dom3.com does not exist"
        assert child.ask("lookup bob@../mail/dom2.com") == "-ERR bob@../mail/dom2.com does not exist"
        assert child.ask("set bob@dom2.com secret") == "+OK bob@dom2.com added to database"
        assert child.ask("check bob@dom2.com secret").startswith("+OK")
        assert b":$6$" in (tmp_path / "mail" / "dom2.com.passwd").read_bytes()
        assert child.ask("set ann@dom1.com changed") == "+OK ann@dom1.com added to database"
        assert b"ann:{ssha}" in (tmp_path / "mail" / "dom1.com.passwd").read_bytes(), "it keeps its scheme"
        assert child.ask('set zoe@dom2.com secret quota="5"') == "+OK zoe@dom2.com added to database"
        assert child.ask("lookup zoe@dom2.com") == '+OK zoe@dom2.com /home/zoe/Mailbox 0 quota="5"'
        assert child.ask("set x@dom3.com secret") == "-ERR there is no passwd file for this domain"
        assert child.ask("search *").startswith("+OK Search Complete 3")
        assert child.ask("del zoe@dom2.com") == "+OK zoe@dom2.com deleted"
        (tmp_path / "mail").rename(tmp_path / "away")
        for request in (
            "lookup ann@dom1.com",
            "lookup x@dom9.com",
            "check ann@dom1.com changed",
            "search a",
            "del a@b",
        ):
            assert child.ask(request).startswith("-DEAD"), request
        (tmp_path / "away").rename(tmp_path / "mail")
        assert child.ask("check ann@dom1.com changed").startswith("+OK")


def test_a_child_that_starts_after_a_domain_was_lost_bounces_no_mail(tmp_path: Path) -> None:
    conf = installation(tmp_path)
    with Child(conf) as child:
        assert child.ask("lookup bob@dom2.com").startswith("+OK")
    assert until(lambda: any(name.endswith(".served") for name in os.listdir(conf)))
    (tmp_path / "mail" / "dom2.com.passwd").unlink()
    with Child(conf) as child:
        assert child.ask("lookup bob@dom2.com") == "-DEAD a passwd file is not there"
        assert child.ask("lookup ann@dom1.com").startswith("+OK")
    assert one_shot(conf, "-lookup", "bob@dom2.com")[0] == 75


def test_two_children_change_one_file(tmp_path: Path) -> None:
    conf = installation(tmp_path)
    with Child(conf) as one, Child(conf) as other:
        for number in range(5):
            assert one.ask(f"set one{number}@dom1.com secret").startswith("+OK")
            assert other.ask(f"lookup one{number}@dom1.com").startswith("+OK")
            assert other.ask(f"set other{number}@dom1.com secret").startswith("+OK")
            assert one.ask(f"del other{number}@dom1.com").startswith("+OK")
            assert other.ask(f"lookup other{number}@dom1.com").startswith("-ERR")


def test_a_child_that_is_killed_while_it_works_leaves_all_that_it_answered(tmp_path: Path) -> None:
    conf = installation(tmp_path)
    child = Child(conf)
    answered = [number for number in range(8) if child.ask(f"set u{number}@dom1.com secret").startswith("+OK")]
    assert child.process.stdin is not None
    child.process.stdin.write(b"".join(b"set v%d@dom1.com secret\n" % number for number in range(50)))
    child.process.stdin.flush()
    child.process.kill()
    child.process.wait()
    child.process.stdin.close()
    assert child.process.stdout is not None
    child.process.stdout.close()
    with Child(conf) as after:
        for number in answered:
            assert after.ask(f"check u{number}@dom1.com secret").startswith("+OK")
        assert after.ask("check ann@dom1.com secret").startswith("+OK")
        assert after.ask("set last@dom1.com secret").startswith("+OK")


def test_a_child_serves_a_prefix_and_a_domain_from_a_fixed_file_each(tmp_path: Path) -> None:
    for name in ("dom2", "dom3"):
        settled(tmp_path / name, f"bob:{ssha(name)}:1:1:::\n".encode())
    (tmp_path / "nwauth.toml").write_text(
        '[[stores]]\nkind = "passwd"\nname = "dom2"\npath = "dom2"\ndomain = "dom2.test.com"\n'
        'match = ["*@dom2.test.com"]\nwritable = true\n'
        '[[stores]]\nkind = "passwd"\nname = "dom3"\npath = "dom3"\nmatch = ["dom3_*"]\nstrip_prefix = "dom3_"\n'
        "writable = true\n"
    )
    with Child(tmp_path) as child:
        assert child.ask("check bob@dom2.test.com dom2") == "+OK bob@dom2.test.com config 1"
        assert child.ask("check DOM3_bob dom3") == "+OK dom3_bob config 1"
        assert child.ask("check dom3_bob dom2").startswith("-ERR")
        assert child.ask("lookup bob").startswith("-ERR")
        assert child.ask("set dom3_zoe secret").startswith("+OK")
        assert child.ask("del bob@dom2.test.com").startswith("+OK")
        assert child.ask("search *").startswith("+OK Search Complete 2")
    assert (tmp_path / "dom3").read_bytes().startswith(b"bob:")
    assert b"\nzoe:" in (tmp_path / "dom3").read_bytes()
    assert (tmp_path / "dom2").read_bytes() == b""


@pytest.mark.parametrize("how", ["in place", "renamed over"])
@pytest.mark.parametrize("size", [3, 1500])
def test_while_another_program_keeps_rewriting_a_file_nobody_is_absent(tmp_path: Path, how: str, size: int) -> None:
    path = settled(tmp_path / "users", many(size) + b"BOB:!:1::::\n")

    def rewrite() -> None:
        for number in range(60):
            content = many(size) + b"x" * number + b":!:9::::\nBOB:!:1::::\n"
            if how == "in place":
                with path.open("wb", buffering=0) as file:
                    file.write(content[: len(content) // 2])
                    file.write(content[len(content) // 2 :])
            else:
                (tmp_path / "new").write_bytes(content)
                (tmp_path / "new").rename(path)

    store = opened(path, state=tmp_path)
    store.lookup("BOB")
    writer, told, end = start(rewrite), 0, False
    while not end:
        end = os.waitpid(writer, os.WNOHANG)[0] != 0
        for name in ("BOB", f"user{size - 1:07d}", "bob"):
            try:
                assert ask(store, name) is not None, name
            except Unavailable:
                continue
            told += 1
        store.tend()
    assert told > 0
    found = ask(store, "BOB")
    assert found is not None
    store.close()
