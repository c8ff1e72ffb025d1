"""The rooms of the system store: what the C library's answers mean, and which sources the switch names."""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.errors import Unavailable
from nwauth.names import fold_bytes
from nwauth.stores import system
from nwauth.stores.system import accounts
from nwauth.stores.system.libc import FOUND, NOT_FOUND, TRY_AGAIN, UNAVAILABLE, Passwd, Room, ask, ask_source, taken
from nwauth.stores.system.sources import services
from tests.systemusers import Machine, Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.stores.system.libc import Function


def answering(*codes: int, calls: list[int] | None = None) -> Function:
    """A ``getpwnam_r`` that answers so, one after the other, and finds nobody; `calls` are the sizes it was given."""
    left = list(codes)

    def call(_name: bytes, _at: object, _bytes: object, size: int, _result: object) -> int:
        if calls is not None:
            calls.append(size)
        return left.pop(0) if len(left) > 1 else left[0]

    return call


@pytest.mark.parametrize(
    "code",
    [
        *(errno.ENOENT, errno.ESRCH, errno.EBADF, errno.EPERM),  # "not found" on other systems, says the manual page
        *(
            errno.EIO,
            errno.EMFILE,
            errno.ENFILE,
            errno.ENOMEM,
            errno.EACCES,
            errno.EAGAIN,
            errno.ECONNREFUSED,
            -1,
            9999,
        ),
    ],
)
def test_any_result_but_0_is_cannot_tell(code: int) -> None:
    with pytest.raises(Unavailable, match=re.escape(os.strerror(code))):
        ask(answering(code), b"bob", Room(Passwd()))


def test_0_without_an_entry_is_nobody() -> None:
    assert ask(answering(0), b"bob", Room(Passwd())) is False


def test_a_buffer_that_is_too_small_grows_and_not_for_ever() -> None:
    calls: list[int] = []
    assert ask(answering(errno.ERANGE, errno.ERANGE, 0, calls=calls), b"bob", Room(Passwd())) is False
    assert calls == [4096, 16384, 65536]
    calls.clear()
    with pytest.raises(Unavailable):
        ask(answering(errno.ERANGE, calls=calls), b"bob", Room(Passwd()))
    assert calls[-1] == 1 << 20


def test_an_interrupted_call_is_made_again_and_not_for_ever() -> None:
    assert ask(answering(errno.EINTR, errno.EINTR, 0), b"bob", Room(Passwd())) is False
    with pytest.raises(Unavailable):
        ask(answering(errno.EINTR), b"bob", Room(Passwd()))


def source(*answers: tuple[int, int]) -> Callable[..., int]:
    """A source that answers with a status and an error number."""
    left = list(answers)

    def call(*words: Any) -> int:
        status, number = left.pop(0) if len(left) > 1 else left[0]
        ctypes.cast(words[-1], ctypes.POINTER(ctypes.c_int))[0] = number
        return status

    return call


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([(FOUND, 0)], True),
        ([(NOT_FOUND, errno.ENOENT)], False),
        ([(TRY_AGAIN, errno.ERANGE), (FOUND, 0)], True),
        ([(TRY_AGAIN, errno.EINTR), (NOT_FOUND, 0)], False),
        ([(TRY_AGAIN, errno.ERANGE)], None),
        ([(TRY_AGAIN, errno.EAGAIN)], None),
        ([(UNAVAILABLE, errno.ECONNREFUSED)], None),
        ([(UNAVAILABLE, 0)], None),
        ([(2, 0)], None),  # NSS_STATUS_RETURN, and whatever may come
    ],
)
def test_a_source_says_yes_no_or_cannot_tell(answers: list[tuple[int, int]], found: bool | None) -> None:  # noqa: FBT001
    if found is not None:
        assert ask_source(source(*answers), Room(Passwd()), b"bob") is found
        return
    with pytest.raises(Unavailable):
        ask_source(source(*answers), Room(Passwd()), b"bob")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", ("files",)),
        ("group: sss\n", ("files",)),
        ("passwd: files systemd\n", ("files", "systemd")),
        ("  passwd :\tfiles  sss # ldap\n", ("files", "sss")),
        ("#passwd: ldap\npasswd: files\n", ("files",)),
        ("passwd: files [NOTFOUND=return] ldap\n", ("files",)),
        ("passwd: files[notfound=RETURN]ldap\n", ("files",)),
        ("passwd: files [!SUCCESS=return] ldap\n", ("files",)),
        ("passwd: files [!UNAVAIL=return TRYAGAIN=continue] ldap\n", ("files",)),
        ("passwd: files [SUCCESS=return UNAVAIL=continue] ldap\n", ("files", "ldap")),
        ("passwd: files [ UNAVAIL = return ] ldap\n", ("files", "ldap")),
        ("passwd: files ../../tmp/evil\n", ("files", ".._.._tmp_evil")),
        ("passwd:\n", ("files",)),
        ("passwd: db\npasswd: files\n", ("files",)),
        ("passwd: files sss\n# Ordna \u00c5 passwd: files\n", ("files", "sss")),
    ],
)
def test_the_switch_is_read_as_the_c_library_reads_it(content: str, found: tuple[str, ...]) -> None:
    assert services(content.encode().decode("latin-1"), "passwd") == found  # as the file is read


def test_without_a_switch_the_accounts_are_those_of_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with musl, whose look-ups end at the file; here the real accounts of this machine are read."""
    monkeypatch.setattr(accounts, "is_glibc", lambda: False)
    database = accounts.passwd()
    walked = [taken(struct) for struct in database.walk()]
    assert [(one.name.decode(), one.uid, one.home.decode()) for one in walked] == [
        (one.pw_name, one.pw_uid, one.pw_dir) for one in pwd.getpwall()
    ]
    assert database.by_name(b"root").uid == 0
    assert database.by_name(b"no-such-account") is None
    assert [taken(struct).name for struct in database.alike(b"root")] == [b"root"]
    assert database.is_local(b"root")


LINES = st.lists(st.sampled_from([b"bob", b"Bob", b"BOB", b" bob", b"\tBob", b"#bob", b"xbob", b"bob bob", b"b:bob"]))


@given(LINES, st.booleans())
def test_the_spellings_of_a_name_in_the_file_are_those_of_its_lines(lines: list[bytes], ends: bool) -> None:  # noqa: FBT001
    content = b"\n".join(name + b":x:1000:100:bob:/home/bob:/bin/sh" for name in lines) + b"\n" * ends
    expected = [name for line in content.split(b"\n") if fold_bytes(name := line.lstrip().partition(b":")[0]) == b"bob"]
    assert accounts.spellings_in(content, b"bob") == expected


def test_a_file_beyond_ascii_is_walked() -> None:
    assert accounts.spellings_in("bob:x:1:1:Jürgen:/:\n".encode(), b"bob") is None
    assert accounts.spellings_in(b"bob:x:1:1::/:\n", "jürgen".encode()) is None


def test_the_rooms_of_the_system_store_are_listed_and_none_is_missing() -> None:
    listed = re.findall(r"`(\w+)`", (system.__doc__ or "").replace("SystemStore", ""))
    there = {path.stem for path in Path(str(system.__file__)).parent.glob("*.py")} - {"__init__"}
    assert there == {word for word in listed if word}


def test_the_commands_of_the_page_answer_as_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "system.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert blocks
    machine = Machine(tmp_path / "machine")
    machine.add("bob", password="secret")
    machine.service(None)
    bin_folder = Path(os.sys.executable).parent  # type: ignore[attr-defined]
    for block in blocks:
        shown = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
        folder = tmp_path / f"block{len(shown)}"
        folder.mkdir(exist_ok=True)
        answers = machine.run("sh", "-ec", f"PATH={bin_folder}:$PATH\n{block}", cwd=tmp_path)
        assert [line for line in answers.splitlines() if line.startswith(("+", "-"))] == shown


def test_the_service_files_of_the_page_let_the_right_password_in(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "system.md").read_text()
    files = re.findall(r"(?<!-->\n)^```pam\n(.*?)^```", page, re.MULTILINE | re.DOTALL)  # a comment says "not run"
    assert files
    machine = Machine(tmp_path)
    machine.add("bob", password="secret")
    with Process(machine) as process:
        store = process.store(passwords="pam")
        bob = store.lookup("bob")
        assert bob is not None
        for content in files:
            machine.service(content)
            assert store.verify(bob, b"secret") is True
