"""Passwords of system users: by PAM with real modules, and by the shadow file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.errors import NwauthError, Refused, Unavailable
from nwauth.passwords import Passwords
from tests.systemusers import UNIX, Machine, Process, RemoteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TODAY = 20_000  # days since 1970
PERMIT = "auth required pam_permit.so\naccount required pam_permit.so\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def process(machine: Machine) -> Iterator[Process]:
    with Process(machine) as process:
        yield process


def check(store: RemoteStore, name: str, password: bytes, *, address: str | None = None) -> bool | str:
    """What the service makes of a check: the store's own word, or its field compared; a reason where it refuses."""
    user = store.lookup(name)
    assert user is not None
    try:
        own = store.verify(user, password, address=address)
    except Refused as error:
        return str(error)
    return Passwords().verify(user.stored_password, password).ok if own is None else own


@pytest.fixture(params=["pam", "shadow"])
def by(request: pytest.FixtureRequest) -> str:
    word: str = request.param
    return word


def test_the_password_that_the_system_has_hashed_is_right_and_no_other(
    machine: Machine, process: Process, by: str
) -> None:
    machine.add("bob", password="secret")
    assert (machine.etc / "shadow").read_text().startswith("bob:$y$")
    store = process.store(passwords=by)
    assert check(store, "bob", b"secret") is True
    assert check(store, "BOB", b"secret") is True
    assert check(store, "bob", b"Secret") is False
    assert check(store, "bob", b"secret ") is False
    assert process.ask("noticed") == []


def test_a_password_is_compared_byte_for_byte(machine: Machine, process: Process, by: str) -> None:
    machine.add("bob", password="%s $HOME 'é' \\")
    store = process.store(passwords=by)
    assert check(store, "bob", "%s $HOME 'é' \\".encode()) is True
    assert check(store, "bob", b"%s $HOME '\xe9' \\") is False


def test_a_changed_password_counts_at_once(machine: Machine, process: Process, by: str) -> None:
    machine.add("bob", password="secret")
    store = process.store(passwords=by)
    assert check(store, "bob", b"secret") is True
    machine.run("chpasswd", "-c", "SHA512", input="bob:other\n")
    assert check(store, "bob", b"secret") is False
    assert check(store, "bob", b"other") is True


@pytest.mark.parametrize("password", [b"", b"\0", b"secret\0", b"\0secret", b"secret\0x", b"x" * 512])
def test_what_nobody_may_type_is_wrong_without_asking(
    machine: Machine, process: Process, by: str, password: bytes
) -> None:
    machine.add("bob", password="secret")
    store = process.store(passwords=by)
    user = store.lookup("bob")
    assert user is not None
    machine.service(None)  # who asks now cannot tell
    with pytest.raises(Refused, match="nobody has such"):  # and no time tells whose it was: that is no wrong password
        store.verify(user, password)


def test_an_account_without_a_password_lets_nobody_in(machine: Machine, process: Process, by: str) -> None:
    machine.accounts("bob:x:1000:100::/:/bin/sh", "eve::1001:100::/:/bin/sh", "carl:*:1002:100::/:/bin/sh")
    machine.shadows("bob::19000::::::")
    machine.service("auth required pam_unix.so nullok\naccount required pam_unix.so\n")
    store = process.store(passwords=by, day=TODAY)
    for name in ("bob", "eve", "carl"):
        for password in (b"x", b"*"):
            found = check(store, name, password)
            assert found is False if by == "shadow" else found == NOTHING_FITS


# --- accounts that are locked, expired, too old -----------------------------------------------------------------------

NOTHING_FITS = "the account is locked, or has no password: passwd sets one"
LOCKED: dict[str, tuple[list[list[str]], dict[str, bool | str]]] = {
    "as made": ([], {"pam": True, "shadow": True}),
    "locked": ([["usermod", "-L", "bob"]], {"pam": NOTHING_FITS, "shadow": False}),
    "locked and unlocked": ([["usermod", "-L", "bob"], ["usermod", "-U", "bob"]], {"pam": True, "shadow": True}),
    "expired": (
        [["chage", "-E", "1", "bob"]],
        {"pam": "the account has expired", "shadow": "the account has expired: day 1"},
    ),
    "to expire": ([["chage", "-E", "2099-01-01", "bob"]], {"pam": True, "shadow": True}),
    "to be changed": (
        [["chage", "-d", "0", "bob"]],
        {"pam": "the password has expired and must be", "shadow": "the password must be changed first"},
    ),
    "old": (
        [["chage", "-d", "2020-01-01", "-M", "30", "bob"]],
        {"pam": "the password has expired and must be", "shadow": "at most 30 are allowed"},
    ),
    "old without a limit": ([["chage", "-d", "2020-01-01", "-M", "-1", "bob"]], {"pam": True, "shadow": True}),
    "too old": (
        [["chage", "-d", "2020-01-01", "-M", "30", "-I", "7", "bob"]],
        {"pam": "the password expired too long ago", "shadow": "at most 30 are allowed and 7 more to change it"},
    ),
    "changed in the future": ([["chage", "-d", "2099-01-01", "-M", "30", "bob"]], {"pam": True, "shadow": True}),
}


@pytest.mark.parametrize("state", LOCKED)
def test_an_account_that_may_not_log_in_is_refused_though_the_password_is_right(
    machine: Machine, process: Process, by: str, state: str
) -> None:
    machine.add("bob", password="secret")
    commands, outcomes = LOCKED[state]
    for command in commands:
        machine.run(*command)
    found, expected = check(process.store(passwords=by), "bob", b"secret"), outcomes[by]
    assert expected in found if isinstance(found, str) and isinstance(expected, str) else found is expected
    assert process.ask("noticed") == []  # a refusal is an answer


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ("20000:0:99999:7:::", None),
        (":::::20001:", None),
        (":::::20000:", "the account has expired: day 20000"),
        (":::::0:", "the account has expired: day 0"),
        ("19990::10::::", None),
        ("19989::10::::", "the password has expired: 11 days old, at most 10 are allowed"),
        ("19990::10::0::", None),
        ("19980::10::10::", "the password has expired: 20 days old, at most 10"),
        ("0::::::", "the password must be changed first"),
        ("::10::::", None),
        ("30000::10::::", None),
    ],
)
def test_the_days_of_the_shadow_file_are_kept_as_pam_keeps_them(
    machine: Machine, process: Process, fields: str, refused: str | None
) -> None:
    machine.accounts("bob:x:1000:100::/:/bin/sh")
    machine.shadows(f"bob:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1:{fields}")
    found = check(process.store(passwords="shadow", day=TODAY), "bob", b"secret")
    assert found is True if refused is None else refused in str(found)


# --- what PAM says ----------------------------------------------------------------------------------------------------

WORDS = (
    *("open_err", "symbol_err", "service_err", "system_err", "buf_err", "perm_denied", "auth_err"),
    *("cred_insufficient", "authinfo_unavail", "user_unknown", "maxtries", "new_authtok_reqd", "acct_expired"),
    *("session_err", "cred_unavail", "cred_expired", "cred_err", "no_module_data", "conv_err", "authtok_err"),
    *("authtok_recover_err", "authtok_lock_busy", "authtok_disable_aging", "try_again", "abort", "authtok_expired"),
    *("module_unknown", "bad_item", "conv_again", "incomplete"),
)
NO = {
    "auth_err": False,
    "user_unknown": False,
    "perm_denied": "PAM does not permit it",
    "maxtries": "PAM takes no more tries",
    "acct_expired": "the account has expired",
    "new_authtok_reqd": "the password has expired and must be changed first",
    "authtok_expired": "the password expired too long ago",
}


@pytest.mark.parametrize("phase", ["auth", "account"])
@pytest.mark.parametrize("word", WORDS)
def test_a_few_words_of_pam_are_no_and_every_other_one_is_cannot_tell(
    machine: Machine, process: Process, word: str, phase: str
) -> None:
    machine.add("bob", password="secret")
    auth, account = ("success", word) if phase == "account" else (word, "success")
    machine.service(f"auth required pam_debug.so auth={auth}\naccount required pam_debug.so acct={account}\n")
    store = process.store(passwords="pam")
    if word not in NO:
        with pytest.raises(Unavailable, match=r"the PAM service nwauth cannot tell: .* \(\d+\); what its modules say"):
            check(store, "bob", b"secret")
        return
    found = check(store, "bob", b"secret")
    expected = NO[word]
    if expected is False and phase == "account":
        assert "PAM refuses the account" in str(found)
    else:
        assert found is expected or (isinstance(expected, str) and expected in str(found))


def test_the_account_is_asked_for_even_where_the_password_is_right(machine: Machine, process: Process) -> None:
    machine.add("bob", password="secret")
    machine.service("auth required pam_unix.so\naccount required pam_deny.so\n")
    assert check(process.store(passwords="pam"), "bob", b"secret") not in (True, False)


def test_pam_is_told_the_user_the_address_and_the_service(machine: Machine, process: Process) -> None:
    machine.add("bob")
    (machine.etc / "record").write_text("#!/bin/sh\nenv | grep ^PAM_ | sort >/etc/seen\ncat >/etc/typed\n")
    (machine.etc / "record").chmod(0o755)
    machine.service("auth required pam_exec.so expose_authtok quiet /etc/record\naccount required pam_permit.so\n")
    store = process.store(passwords="pam")
    assert check(store, "BOB", b"s\xe9cret", address="2001:db8::7") is True
    assert (machine.etc / "typed").read_bytes().rstrip(b"\0") == b"s\xe9cret"
    assert (machine.etc / "seen").read_text().split() == [
        *("PAM_RHOST=2001:db8::7", "PAM_SERVICE=nwauth", "PAM_TTY=nwauth", "PAM_TYPE=auth", "PAM_USER=bob"),
    ]
    assert check(store, "bob", b"x") is True
    assert "PAM_RHOST" not in (machine.etc / "seen").read_text()


def test_a_wrong_password_is_not_punished_by_sleep(machine: Machine, process: Process) -> None:
    machine.add("bob", password="secret")
    machine.service("auth optional pam_faildelay.so delay=60000000\n" + UNIX)
    assert check(process.store(passwords="pam"), "bob", b"wrong") is False  # and not: no answer within 8 s


def test_a_module_that_talks_is_heard_out(machine: Machine, process: Process) -> None:
    machine.add("bob", password="secret")
    (machine.etc / "issue").write_text("Welcome!\n")
    machine.service(f"auth optional pam_echo.so file=/etc/issue\n{UNIX}")
    store = process.store(passwords="pam")
    assert check(store, "bob", b"secret") is True
    assert check(store, "bob", b"wrong") is False


def test_a_module_that_asks_again_gets_no_second_answer(machine: Machine, process: Process) -> None:
    machine.add("bob", password="secret")
    machine.service("auth required pam_unix.so\nauth required pam_stress.so\naccount required pam_permit.so\n")
    with pytest.raises(Unavailable, match=r"it asks for more than the password .*use_first_pass"):
        check(process.store(passwords="pam"), "bob", b"secret")


@pytest.mark.parametrize("setting", ["auto", "pam"])
def test_pam_is_asked_where_it_is_installed(machine: Machine, process: Process, setting: str) -> None:
    machine.add("bob", password="secret")
    machine.service(PERMIT)
    store = process.store(passwords=setting)
    found = store.lookup("bob")
    assert found is not None
    assert found.stored_password == ""
    assert check(store, "bob", b"whatever") is True


def test_another_service_is_another_file(machine: Machine, process: Process) -> None:
    machine.add("bob", password="secret")
    machine.service(PERMIT, "mail-login")
    assert check(process.store(passwords="pam", pam_service="mail-login"), "bob", b"whatever") is True
    assert check(process.store(passwords="pam"), "bob", b"whatever") is False


def test_an_account_of_the_system_itself_never_reaches_pam(machine: Machine, process: Process) -> None:
    machine.accounts("bob:x:1000:100::/:/bin/sh")
    machine.service(PERMIT)
    store = process.store(passwords="pam")
    bob = store.lookup("bob")
    assert bob is not None
    machine.accounts("bob:x:0:0::/:/bin/sh")  # and not either where it has become one since the look-up
    assert store.verify(bob, b"x") is False
    machine.accounts()
    assert store.verify(bob, b"x") is False


@pytest.mark.parametrize(("by", "times"), [("pam", 250), ("shadow", 5000)])
def test_checks_leave_nothing_behind(machine: Machine, process: Process, by: str, times: int) -> None:
    machine.add("bob", password="secret")
    machine.service("auth required pam_permit.so\naccount required pam_unix.so\n")
    store = process.store(passwords=by)
    bob = store.lookup("bob")
    assert bob is not None
    process.ask("repeat", 50, store.number, "verify", bob, b"secret")
    descriptors, signals = process.ask("descriptors"), process.ask("signals")
    memory = process.ask("memory_kib")
    process.ask("repeat", times, store.number, "verify", bob, b"secret")
    assert process.ask("descriptors") == descriptors
    assert process.ask("signals") == signals
    assert process.ask("children") == ""
    assert process.ask("memory_kib") - memory < 512


def test_look_ups_leave_nothing_behind(machine: Machine, process: Process) -> None:
    machine.accounts(*(f"user{number}:x:{1000 + number}:100::/:/bin/sh" for number in range(200)))
    store = process.store(passwords="pam")
    asked = ("user7", "USER7", "nobody")
    for name in asked:
        process.ask("repeat", 100, store.number, "lookup", name)
    descriptors, memory = process.ask("descriptors"), process.ask("memory_kib")
    for name in asked:
        process.ask("repeat", 3000, store.number, "lookup", name)
    assert process.ask("descriptors") == descriptors
    assert process.ask("memory_kib") - memory < 512


@pytest.mark.parametrize(
    "field", ["", "!", "*", "!$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.R"]
)
def test_a_no_without_a_comparison_is_told_from_a_wrong_password(
    machine: Machine, process: Process, field: str
) -> None:
    """PAM gives it at once: whatever takes the time of wrong passwords must not go by it."""
    machine.accounts("bob:x:1000:100::/:/bin/sh", f"eve:{field}:1001:100::/:/bin/sh")
    machine.shadows(f"bob:{field}:19000::::::")
    store = process.store(passwords="pam")
    assert check(store, "bob", b"secret") == NOTHING_FITS
    assert check(store, "eve", b"secret") == NOTHING_FITS
    machine.add("carl", uid=1002, password="secret")
    assert check(store, "carl", b"wrong") is False


def test_no_password_stands_in_an_error(machine: Machine, process: Process, by: str) -> None:
    machine.add("bob", password="secret-word")
    store = process.store(passwords=by)
    bob = store.lookup("bob")
    assert bob is not None
    assert "$y$" not in repr(bob)
    machine.service(None)
    machine.shadows()
    with pytest.raises(NwauthError) as raised:
        store.verify(bob, b"secret-word")
    assert "secret-word" not in str(raised.value) + repr(raised.value) + str(process.ask("noticed"))
