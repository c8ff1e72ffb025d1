"""System users while the system cannot tell: every "no" needs proof."""

from __future__ import annotations

import ctypes.util
import os
import select
import signal
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.health import PUBLIC
from nwauth.stores.system import SystemStore, stack
from tests.serving import COMMAND, IN_CI, PATIENCE_SECONDS, Child, make_folder
from tests.systemusers import UNIX, Machine, Process, RemoteStore, needs_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.model import User

PERMIT = "auth required pam_permit.so\naccount required pam_permit.so\n"
SERVED = '[[stores]]\nkind = "system"\n'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine on which bob has an account, with the password "secret"."""
    made = Machine(tmp_path)
    made.add("bob", password="secret")
    return made


@pytest.fixture
def process(machine: Machine) -> Iterator[Process]:
    with Process(machine) as process:
        yield process


def known(store: RemoteStore, name: str = "bob") -> User:
    user = store.lookup(name)
    assert user is not None
    return user


def cannot_tell(question: Callable[[], object], *words: str) -> None:
    """The answer is "cannot tell", and its text holds all the words."""
    with pytest.raises(Unavailable) as raised:
        question()
    text = str(raised.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    assert raised.value.public == PUBLIC


def idle_source() -> str:
    """A source that is installed nearly everywhere and knows nobody here; it says "no such user"."""
    for service in ("systemd", "hesiod", "extrausers"):
        try:
            ctypes.CDLL(f"libnss_{service}.so.2")
        except OSError:
            continue
        return service
    reason = "no second source of accounts is installed: apt-get install libnss-systemd"
    raise pytest.fail.Exception(reason) if IN_CI else pytest.skip.Exception(reason)


def test_a_listing_that_takes_longer_than_the_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory behind the switch may list its users for minutes; the mail server would make a "no" of it."""
    monkeypatch.setattr("nwauth.stores.system.store.REQUEST_SECONDS", 0.0)
    store = SystemStore()
    store.begin()
    with pytest.raises(Unavailable, match="listing all accounts was given up after 0 s: set walk = false"):
        store.lookup("nobody-with-an-é")  # which is looked for in a listing of everybody
    store.end()
    assert store.lookup("nobody-with-an-é") is None


# --- who is there -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sources", ["files", "files idle", "idle files", "compat"])
@pytest.mark.parametrize("asked", ["bob", "BOB", "nobody-at-all"])
def test_without_the_file_of_accounts_nobody_is_absent(
    machine: Machine, process: Process, sources: str, asked: str
) -> None:
    machine.write("nsswitch.conf", f"passwd: {sources.replace('idle', idle_source() if 'idle' in sources else '')}\n")
    store = process.store()
    assert store.lookup("nobody-at-all") is None
    passwd = machine.etc / "passwd"
    passwd.rename(machine.etc / "elsewhere")
    cannot_tell(lambda: store.lookup(asked), "No such file or directory")
    cannot_tell(lambda: list(store.search()), "No such file or directory")
    (machine.etc / "elsewhere").rename(passwd)
    assert known(store).name == "bob"
    assert store.lookup("nobody-at-all") is None


@needs_root
@pytest.mark.parametrize("asked", ["bob", "BOB", "nobody-at-all"])
def test_an_unreadable_file_of_accounts_is_no_proof(machine: Machine, process: Process, asked: str) -> None:
    store = process.store()
    (machine.etc / "passwd").chmod(0o600)
    process.ask("become", 1234)
    cannot_tell(lambda: store.lookup(asked), "getpwnam_r failed: ", '"files"', "Permission denied")
    (machine.etc / "passwd").chmod(0o644)
    assert known(store).name == "bob"


@pytest.mark.parametrize("sources", ["files", "files idle"])
@pytest.mark.parametrize("asked", ["bob", "BOB", "nobody-at-all"])
def test_out_of_descriptors_nobody_is_absent(machine: Machine, process: Process, sources: str, asked: str) -> None:
    machine.write("nsswitch.conf", f"passwd: {sources.replace('idle', idle_source() if 'idle' in sources else '')}\n")
    store = process.store()
    assert store.lookup("nobody-at-all") is None
    process.ask("allow_descriptors", 0)
    cannot_tell(lambda: store.lookup(asked), "Too many open files")
    process.ask("allow_descriptors", None)
    assert known(store).name == "bob"
    assert store.lookup("nobody-at-all") is None


@pytest.mark.parametrize("sources", ["files nowhere", "nowhere files", "files [UNAVAIL=continue] nowhere"])
def test_a_source_that_is_not_installed_may_know_whom_the_others_do_not(
    machine: Machine, process: Process, sources: str
) -> None:
    machine.write("nsswitch.conf", f"passwd: {sources}\n")
    store = process.store()
    assert known(store).name == "bob"
    cannot_tell(
        lambda: store.lookup("nobody-at-all"),
        *('names the source "nowhere"', "install libnss_nowhere.so.2", "or take the word out"),
    )
    cannot_tell(lambda: list(store.search()), "nowhere")
    machine.write("nsswitch.conf", "passwd: files\n")
    assert store.lookup("nobody-at-all") is None


def test_a_source_that_is_not_asked_for_the_unknown_need_not_be_there(machine: Machine, process: Process) -> None:
    machine.write("nsswitch.conf", "passwd: files [NOTFOUND=return] nowhere\n")
    assert process.store().lookup("nobody-at-all") is None


def test_the_switch_that_is_gone_is_no_proof(machine: Machine, process: Process) -> None:
    store = process.store()
    assert store.lookup("nobody-at-all") is None
    (machine.etc / "nsswitch.conf").unlink()
    cannot_tell(lambda: store.lookup("nobody-at-all"), "/etc/nsswitch.conf was there and is gone")


def test_a_machine_that_never_had_a_switch_has_its_files(machine: Machine, process: Process) -> None:
    (machine.etc / "nsswitch.conf").unlink()
    store = process.store()
    assert store.lookup("nobody-at-all") is None
    assert known(store).name == "bob"


def test_an_outage_is_told_once_and_so_is_its_end(machine: Machine, process: Process) -> None:
    store = process.store()
    passwd = machine.etc / "passwd"
    passwd.rename(machine.etc / "elsewhere")
    for name in ("bob", "eve", "bob"):
        cannot_tell(partial(store.lookup, name))
    (machine.etc / "elsewhere").rename(passwd)
    assert known(store).name == "bob"
    assert known(store).name == "bob"
    down, up = process.ask("noticed")
    source = 'the source "files" for passwd in /etc/nsswitch.conf cannot be asked'
    reason = f"getpwnam_r failed: {source}: No such file or directory"
    assert down == {"store": "system", "doing": "looking users up", "state": "down", "reason": reason}
    assert (up["doing"], up["state"]) == ("looking users up", "up")


# --- whose password it is ---------------------------------------------------------------------------------------------


def test_without_a_service_file_pam_is_not_asked_and_the_remedy_is_named(machine: Machine, process: Process) -> None:
    machine.service("auth required pam_deny.so\naccount required pam_deny.so\n", "other")  # what PAM would go by
    machine.service(None)
    store = process.store(passwords="pam")
    bob = known(store)
    remedy = ("there is no PAM service file /etc/pam.d/nwauth", '"auth required pam_unix.so"', 'passwords = "shadow"')
    cannot_tell(lambda: store.verify(bob, b"secret"), *remedy)
    cannot_tell(lambda: store.verify(bob, b"wrong"), *remedy)
    machine.service(UNIX)
    assert store.verify(bob, b"secret") is True
    assert [one["state"] for one in process.ask("noticed")] == ["down", "up"]


@pytest.mark.parametrize(
    ("content", "lacking"),
    [
        ("account required pam_unix.so\n", "auth"),
        ("auth required pam_unix.so\n", "account"),
        ("", "auth"),
        ("# auth required pam_unix.so\n\nsession required pam_permit.so\n", "auth"),
    ],
)
def test_a_service_file_that_leaves_a_question_to_the_one_named_other_is_not_used(
    machine: Machine, process: Process, content: str, lacking: str
) -> None:
    machine.service(content)
    store = process.store(passwords="pam")
    words = f'/etc/pam.d/nwauth has no line "{lacking}" for the service nwauth, and PAM would refuse everybody: add'
    cannot_tell(lambda: store.verify(known(store), b"secret"), words)


@pytest.mark.parametrize(
    "content",
    [
        "@include common\n",
        "auth include common\naccount include common\n",
        "-auth sufficient pam_nowhere.so\nAUTH required \\\n pam_unix.so\nAccount required pam_unix.so # as ever\n",
    ],
)
def test_a_service_file_may_be_written_as_pam_lets_it(machine: Machine, process: Process, content: str) -> None:
    machine.service(UNIX, "common")
    machine.service(content)
    store = process.store(passwords="pam")
    assert store.verify(known(store), b"secret") is True
    assert store.verify(known(store), b"wrong") is False


def test_the_old_single_file_of_pam_counts_where_there_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "pam.conf"
    monkeypatch.setattr(stack, "FOLDERS", (str(tmp_path / "pam.d"),))
    monkeypatch.setattr(stack, "OLD_FILE", str(old))
    for content in (None, "other auth required pam_deny.so\n", "nwauth account required pam_unix.so\nnwauth\n"):
        if content is not None:
            old.write_text(content)
        with pytest.raises(Unavailable, match=r'pam\.conf has no line "auth" for the service nwauth'):
            stack.must_be_there("nwauth")
    old.write_text("NWAUTH auth required pam_unix.so\nnwauth account required pam_unix.so\n")
    stack.must_be_there("nwauth")


@pytest.mark.parametrize("module", ["pam_nowhere.so", "/etc/passwd"])
@pytest.mark.parametrize("control", ["required", "requisite", "[success=ok default=die]"])
def test_a_module_that_is_not_there_is_no_wrong_password(
    machine: Machine, process: Process, module: str, control: str
) -> None:
    machine.service(f"auth {control} {module}\n{UNIX}")
    store = process.store(passwords="pam")
    for password in (b"secret", b"wrong"):
        cannot_tell(
            partial(store.verify, known(store), password),
            "the PAM service nwauth cannot tell: Module is unknown (28)",
        )


DEBIAN = "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n"


@pytest.mark.parametrize("content", [UNIX, f"{DEBIAN}account required pam_unix.so\n"], ids=["plain", "as Debian's"])
def test_a_password_whose_shadow_is_gone_is_not_wrong_for_pam(machine: Machine, process: Process, content: str) -> None:
    machine.service(content)
    store = process.store(passwords="pam")
    assert [store.verify(known(store), password) for password in (b"secret", b"wrong")] == [True, False]
    (machine.etc / "shadow").unlink()
    for password in (b"secret", b"wrong"):
        cannot_tell(partial(store.verify, known(store), password), "getspnam_r failed: ", "No such file or directory")
    assert store.lookup("nobody-at-all") is None
    assert [user.name for user in store.search()] == ["bob"]


def test_a_password_whose_shadow_is_gone_is_not_wrong(machine: Machine, process: Process) -> None:
    store = process.store(passwords="shadow")
    (machine.etc / "shadow").unlink()
    cannot_tell(partial(store.verify, known(store), b"wrong"), "getspnam_r failed: ", "No such file or directory")
    cannot_tell(lambda: list(store.search()), "shadow", "No such file or directory")
    assert store.lookup("nobody-at-all") is None


def test_an_account_whose_password_is_nowhere_is_not_wrong(machine: Machine, process: Process) -> None:
    machine.shadows("eve:x:1::::::")
    store = process.store(passwords="shadow")
    assert known(store).stored_password == "x"
    cannot_tell(lambda: store.verify(known(store), b"secret"), "'bob' has no entry in /etc/shadow, where its password")


def hide_libpam(machine: Machine) -> None:
    found = ctypes.util.find_library("pam")
    assert found is not None
    handle = ctypes.CDLL(found)
    assert handle
    maps = Path("/proc/self/maps").read_text().splitlines()
    machine.hidden.extend({line.split()[-1] for line in maps if "/libpam.so" in line})


def test_where_pam_is_not_installed_the_shadow_file_is_read(machine: Machine) -> None:
    hide_libpam(machine)
    with Process(machine) as process:
        store = process.store(passwords="auto")
        assert known(store).stored_password.startswith("$y$")
        assert store.verify(known(store), b"secret") is None  # the service compares


def test_where_pam_is_asked_for_and_not_installed_the_remedy_is_named(machine: Machine) -> None:
    hide_libpam(machine)
    with Process(machine) as process:
        store = process.store(passwords="pam")
        bob = known(store)
        cannot_tell(lambda: store.verify(bob, b"secret"), 'libpam.so.0 is not installed, found passwords = "pam":')
        assert store.lookup("nobody-at-all") is None


# --- what can be seen beforehand --------------------------------------------------------------------------------------


def obstacle(store: RemoteStore) -> str:
    return str(store.process.ask("call", store.number, "obstacle"))


OBSTACLES = {
    "no service file": (None, "there is no PAM service file /etc/pam.d/nwauth: make one with"),
    "an empty one": ("", '/etc/pam.d/nwauth has no line "auth"'),
    "no module to ask for passwords": (
        "auth required pam_gone.so\naccount required pam_unix.so\n",
        "Module is unknown",
    ),
    "none to ask for accounts": ("auth required pam_unix.so\naccount required pam_gone.so\n", "Module is unknown"),
    "a directory that is down": (
        "auth required pam_debug.so auth=authinfo_unavail\naccount required pam_unix.so\n",
        "cannot",
    ),
}


@pytest.mark.parametrize("state", OBSTACLES)
def test_what_keeps_everybody_out_is_seen_without_anybodys_login(
    machine: Machine, process: Process, state: str
) -> None:
    content, words = OBSTACLES[state]
    store = process.store(passwords="pam")
    assert obstacle(store) == "None"
    machine.service(content)
    assert words in obstacle(store)
    machine.service("auth required pam_deny.so\naccount required pam_deny.so\n")  # who is refused was not unheard
    assert obstacle(store) == "None"


@pytest.mark.parametrize("by", ["pam", "shadow"])
def test_a_shadow_file_that_is_gone_is_seen_without_anybodys_login(machine: Machine, process: Process, by: str) -> None:
    store = process.store(passwords=by)
    assert obstacle(store) == "None"
    (machine.etc / "shadow").unlink()
    assert "No such file or directory" in obstacle(store)
    machine.accounts("eve:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1:1000:100::/:/bin/sh")  # it is nobody's
    assert obstacle(store) == "None"


@needs_root
@pytest.mark.parametrize("by", ["pam", "shadow"])
def test_without_root_it_is_seen_that_nobody_can_log_in(machine: Machine, process: Process, by: str) -> None:
    assert machine.etc.is_dir()
    process.ask("become", 1234)
    store = process.store(passwords=by)
    assert "a password in /etc/shadow can be checked by root alone" in str(
        process.ask("call", store.number, "obstacle")
    )


# --- who is not root --------------------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("password", [b"secret", b"wrong"])
@pytest.mark.parametrize("by", ["pam", "shadow"])
def test_without_root_a_shadow_password_is_neither_right_nor_wrong(
    machine: Machine, process: Process, by: str, password: bytes
) -> None:
    process.ask("become", 1234)
    assert oct((machine.etc / "shadow").stat().st_mode)[-3:] == "640"
    store = process.store(passwords=by)
    bob = known(store)
    assert store.lookup("nobody-at-all") is None  # mail is delivered all the same
    assert bob.stored_password in ("", "x")
    cannot_tell(
        lambda: store.verify(bob, password),
        "a password in /etc/shadow can be checked by root alone: start the mail server's children as root (",
    )


@needs_root
@pytest.mark.parametrize(("by", "field"), [("pam", ""), ("shadow", "x")])
def test_without_root_accounts_are_listed_without_their_passwords(
    machine: Machine, process: Process, by: str, field: str
) -> None:
    process.ask("become", 1234)
    store = process.store(passwords=by)
    assert [(user.name, user.stored_password) for user in store.search()] == [("bob", field)]
    assert store.lookup("bob") == next(store.search())
    assert process.ask("noticed") == []
    (machine.etc / "passwd").chmod(0o600)  # and what is no matter of passwords is not hidden by it
    cannot_tell(lambda: list(store.search()), "Permission denied")


@needs_root
def test_without_root_the_checks_of_others_are_one_outage_that_the_own_does_not_end(
    machine: Machine, process: Process
) -> None:
    machine.add("eve", uid=1001, password="secret")
    process.ask("become", 1000)
    store = process.store(passwords="pam")
    for _ in range(3):
        assert store.verify(known(store), b"secret") is True
        cannot_tell(lambda: store.verify(known(store, "eve"), b"secret"), "can be checked by root alone")
        cannot_tell(lambda: store.verify(known(store, "eve"), b"wrong"), "can be checked by root alone")
    assert [(one["doing"], one["state"]) for one in process.ask("noticed")] == [
        ("checking passwords of others", "down")
    ]


@needs_root
def test_without_root_an_account_can_have_its_own_password_checked(machine: Machine, process: Process) -> None:
    process.ask("become", 1000)
    store = process.store(passwords="pam")
    assert store.verify(known(store), b"secret") is True
    assert store.verify(known(store), b"wrong") is False
    assert machine.etc.is_dir()


@needs_root
def test_without_root_a_service_file_that_cannot_be_read_is_told(machine: Machine, process: Process) -> None:
    (machine.etc / "pam.d" / "nwauth").chmod(0o600)
    process.ask("become", 1000)
    store = process.store(passwords="pam")
    cannot_tell(lambda: store.verify(known(store), b"secret"), "/etc/pam.d/nwauth cannot be read: Permission denied")


@needs_root
def test_without_root_a_password_in_the_file_of_accounts_is_compared(machine: Machine, process: Process) -> None:
    machine.accounts("bob:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1:1000:100::/:/bin/sh")
    process.ask("become", 1234)
    store = process.store(passwords="shadow")
    assert known(store).stored_password == "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"
    assert store.verify(known(store), b"secret") is None


# --- modules that misbehave -------------------------------------------------------------------------------------------


def script(machine: Machine, content: str) -> None:
    """A service whose one module runs a script."""
    (machine.etc / "script").write_text(f"#!/bin/sh\n{content}\n")
    (machine.etc / "script").chmod(0o755)
    machine.service("auth required pam_exec.so quiet /etc/script\naccount required pam_permit.so\n")


def fifo(machine: Machine, name: str) -> int:
    """A pipe that scripts on the machine know as ``/etc/NAME``; opened both ways, so that nobody waits here."""
    os.mkfifo(machine.etc / name)
    return os.open(machine.etc / name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def test_a_module_that_hangs_is_given_up(machine: Machine, process: Process) -> None:
    go = fifo(machine, "go")
    script(machine, "read line </etc/go")
    store = process.store(passwords="pam", pam_timeout_seconds=0.5)
    cannot_tell(lambda: store.verify(known(store), b"secret"), "no answer within 0.5 s")
    assert process.ask("children") == ""
    os.write(go, b"go\n")  # pam_exec has put the script out of our reach: let it end
    machine.service(UNIX)
    assert process.store(passwords="pam").verify(known(store), b"secret") is True
    os.close(go)


PTRACE_SEIZE = 0x4206


@needs_root
def test_a_module_that_cannot_even_be_killed_is_given_up(machine: Machine, process: Process) -> None:
    """One that waits inside the kernel ends when its file server comes back; one that is traced is kept alike."""
    go, started = fifo(machine, "go"), fifo(machine, "started")
    script(machine, "echo $PPID >/etc/started; read line </etc/go")
    store = process.store(passwords="pam", pam_timeout_seconds=0.5)
    bob = known(store)
    held, given_up = threading.Event(), threading.Event()

    def trace() -> None:
        select.select([started], [], [], PATIENCE_SECONDS)
        ctypes.CDLL(None).ptrace(PTRACE_SEIZE, int(os.read(started, 64)), 0, 0)
        held.set()
        given_up.wait(PATIENCE_SECONDS)  # the end of the thread lets it go

    tracer = threading.Thread(target=trace)
    tracer.start()
    cannot_tell(lambda: store.verify(bob, b"secret"), "no answer within 0.5 s")
    assert held.is_set()
    assert not given_up.is_set()
    assert process.ask("children") != ""
    given_up.set()
    tracer.join()
    os.write(go, b"go\n")
    machine.service(UNIX)
    assert store.verify(bob, b"secret") is True
    assert process.ask("children") == ""
    os.close(go)
    os.close(started)


def test_a_module_that_crashes_is_no_wrong_password(machine: Machine, process: Process) -> None:
    script(machine, "kill -SEGV $PPID")
    store = process.store(passwords="pam")
    cannot_tell(lambda: store.verify(known(store), b"secret"), "its process ended by signal 11")
    assert process.ask("children") == ""


def test_where_no_pipe_can_be_opened_no_password_is_wrong(machine: Machine, process: Process) -> None:
    machine.service(PERMIT)
    store = process.store(passwords="pam")
    bob = known(store)
    assert store.verify(bob, b"x") is True
    process.ask("allow_descriptors", 1)
    cannot_tell(lambda: store.verify(bob, b"x"), "no pipe can be opened: Too many open files")
    process.ask("allow_descriptors", None)
    assert store.verify(bob, b"x") is True


def test_a_mail_server_that_ignores_ends_is_served(machine: Machine, process: Process) -> None:
    process.ask("ignore_ends")
    store = process.store(passwords="pam")
    assert store.verify(known(store), b"secret") is True
    assert store.verify(known(store), b"wrong") is False
    script(machine, "kill -SEGV $PPID")
    cannot_tell(lambda: store.verify(known(store), b"x"), "its process ended in a way that the system does not tell")


# --- a serving child --------------------------------------------------------------------------------------------------


def served(machine: Machine, toml: str = SERVED) -> Path:
    """A folder that a child serves the machine's accounts from."""
    return make_folder(machine.etc.parent / "mail", None, toml=toml)


def child(machine: Machine, folder: Path, *options: str) -> Child:
    return Child(folder, *options, command=tuple(machine.command(COMMAND)))


def test_a_child_answers_for_the_accounts_of_the_system(machine: Machine) -> None:
    machine.add("eve", "-d", "/home/eve", uid=1001, password="wurst")
    machine.run("chage", "-E", "1", "eve")
    folder = served(machine, SERVED + 'drop_path = "{home}/Mailbox"\n')
    with child(machine, folder, "-log") as one:
        assert one.ask(b"lookup BOB") == b"+OK bob /home/bob/Mailbox 1000\n"
        assert one.ask(b"lookup root") == b"-ERR root does not exist\n"
        assert one.ask(b"lookup ../../etc/passwd") == b"-ERR ../../etc/passwd does not exist\n"
        assert one.ask(b"check bob secret") == b"+OK bob /home/bob/Mailbox 1000\n"
        assert one.ask(b"check bob wrong 192.0.2.7") == b"-ERR bob password wrong or not a valid user\n"
        assert one.ask(b"check eve wurst") == b"-ERR eve password wrong or not a valid user\n"
        assert one.ask(b"check carl wurst") == b"-ERR carl password wrong or not a valid user\n"
        assert one.ask(b"set bob other") == b"-ERR not supported here\n"
        assert one.ask(b"set carl other") == b"-ERR not supported here\n"
        assert one.ask(b"del bob") == b"-ERR not supported here\n"
        assert one.ask(b"search b") == b"+DATA bob\n+OK Search Complete 1 items found out of 2\n"
        one.hang_up()
        one.assert_ended_well()
    log = (folder / "nwauth.log").read_text()
    assert 'check user=eve ip=unknown store=system scheme=system reason="the account has expired' in log
    assert "secret" not in log
    assert "wurst" not in log
    assert "$y$" not in log


def test_a_child_names_the_remedy_in_its_log_and_nothing_on_the_wire(machine: Machine) -> None:
    machine.service(None)
    folder = served(machine)
    with child(machine, folder) as one:
        assert one.ask(b"lookup bob") == b"+OK bob config 1000\n"
        for _ in range(3):
            assert one.ask(b"check bob secret") == f"-DEAD {PUBLIC}\n".encode()
        one.hang_up()
        one.assert_ended_well()
    (line,) = (folder / "nwauth.log").read_text().splitlines()
    assert 'level=error store=system doing="checking passwords" state=down reason="there is no PAM service file' in line


def test_what_a_module_prints_or_reads_is_not_the_protocol(machine: Machine) -> None:
    script(machine, "echo '+OK eve config 0'; echo '-ERR no' >&2; cat; exit 0")
    with child(machine, served(machine)) as one:
        one.send(b"check bob x\nlookup bob\ncheck bob y\nlookup nobody-at-all\n")
        assert one.line() == b"+OK bob config 1000\n"
        assert one.line() == b"+OK bob config 1000\n"
        assert one.line() == b"+OK bob config 1000\n"
        assert one.line() == b"-ERR nobody-at-all does not exist\n"
        one.hang_up()
        one.assert_ended_well()


def test_a_child_that_is_told_to_end_still_gives_the_reply_in_hand(machine: Machine) -> None:
    begun, go = fifo(machine, "begun"), fifo(machine, "go")
    script(machine, "echo >/etc/begun; read line </etc/go")
    with child(machine, served(machine)) as one:
        one.send(b"check bob x\n")
        assert select.select([begun], [], [], PATIENCE_SECONDS)[0], "the module was never asked"
        one.process.send_signal(signal.SIGTERM)
        os.write(go, b"go\n")
        assert one.line() == b"+OK bob config 1000\n"
        one.assert_ended_well()
    os.close(begun)
    os.close(go)


def test_a_child_starts_while_nothing_works_and_serves_when_it_does(machine: Machine) -> None:
    (machine.etc / "passwd").rename(machine.etc / "elsewhere")
    with child(machine, served(machine)) as one:
        assert one.ask(b"lookup bob") == f"-DEAD {PUBLIC}\n".encode()
        assert one.ask(b"lookup nobody-at-all") == f"-DEAD {PUBLIC}\n".encode()
        assert one.ask(b"check bob secret") == f"-DEAD {PUBLIC}\n".encode()
        assert one.ask(b"search *").startswith(b"-DEAD ")
        (machine.etc / "elsewhere").rename(machine.etc / "passwd")
        assert one.ask(b"lookup bob") == b"+OK bob config 1000\n"
        assert one.ask(b"check bob secret") == b"+OK bob config 1000\n"
