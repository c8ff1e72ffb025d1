"""The policy file of a folder: looked at before each login, and what a bad one leads to (spec/policy.md section 6)."""

from __future__ import annotations

import os
import resource
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.service import rulefile
from nwauth.service.rulefile import KEPT_SUFFIX, MAX_BYTES, RuleFile
from tests.serving import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALLOW = b'[policy]\ndefault = "allow"\n'
DENY = b'# closed\n[policy]\ndefault = "deny"\n'
BAD = b'[policy]\ndefault = "maybe"\n'
STAY = "the last good rules stay in force"
NONE = "no rules: logins are answered -DEAD"
OFF = 'to switch the policy off, write default = "allow" alone under [policy]'


@pytest.fixture(autouse=True)
def _written_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written just now may not be whole; here it is."""
    monkeypatch.setattr(rulefile, "SETTLE_SECONDS", 0.0)


class Folder:
    """A folder with a policy file, and a keeper of it as a serving child has one."""

    def __init__(self, path: Path, content: bytes | None = None, *, named: bool = False, keeps: bool = True) -> None:
        self.file, self.copy = path / "policy.toml", path / f"policy.toml{KEPT_SUFFIX}"
        self.told: list[dict[str, object]] = []
        if content is not None:
            self.file.write_bytes(content)
        self.keeper = self.another(named=named, keeps=keeps)

    def another(self, *, named: bool = False, keeps: bool = True) -> RuleFile:
        """A keeper that has not looked yet, as a child that starts now has it."""
        return RuleFile(str(self.file), named=named, keeps=keeps, notice=self.told.append)

    def write(self, content: bytes) -> None:
        self.file.write_bytes(content)

    def allows(self) -> bool:
        """What the rules in force say by default."""
        found = self.keeper.current()
        assert found is not None
        return found.policy.allow

    def reason(self) -> str:
        """Why the rules in force are not those of the file."""
        found = self.keeper.current()
        assert found is not None
        return found.reason

    def states(self) -> list[object]:
        """What was told, in a word each."""
        return [facts["state"] for facts in self.told]

    def cannot_tell(self) -> Unavailable:
        with pytest.raises(Unavailable) as caught:
            self.keeper.current()
        return caught.value


# --- no file, a good file, a changed file ----------------------------------------------------------------------------


def test_without_a_file_there_is_no_policy_and_nothing_is_told_or_left_behind(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert [folder.keeper.current() for _ in range(3)] == [None] * 3
    assert (folder.told, os.listdir(tmp_path)) == ([], [])


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n"])
def test_an_empty_file_is_a_bad_one_where_there_never_was_a_policy_too(tmp_path: Path, content: bytes) -> None:
    """A full disk, or a copy that broke off, must not open the doors; a file that is not there is no policy."""
    folder = Folder(tmp_path, content)
    assert "is empty, wanted a policy" in str(folder.cannot_tell())
    make_absent(folder.file)
    assert folder.keeper.current() is None


def test_without_the_folder_there_is_no_policy(tmp_path: Path) -> None:
    assert RuleFile(str(tmp_path / "away" / "policy.toml"), named=False).current() is None
    (tmp_path / "file").write_bytes(b"")
    assert RuleFile(str(tmp_path / "file" / "policy.toml"), named=False).current() is None


def test_a_good_file_is_in_force_and_its_zone_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path, b'[policy]\ndefault = "allow"\nzone = "Pacific/Auckland"\n')
    assert (folder.allows(), folder.reason()) == (True, "")
    assert folder.told == [{"state": "read", "rules": 0, "zone": "Pacific/Auckland"}]


def test_a_file_that_comes_later_is_met_by_the_next_login(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.keeper.current() is None
    folder.write(DENY)
    assert not folder.allows()


def test_a_changed_file_is_in_force_at_the_next_login(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ALLOW)
    for content in (DENY, ALLOW, DENY):
        before = folder.allows()
        folder.write(content)
        assert folder.allows() is not before
    assert folder.states() == ["read"] * 4


def test_a_file_that_another_is_renamed_over_is_in_force_at_the_next_login(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ALLOW)
    assert folder.allows()
    (tmp_path / "new").write_bytes(DENY)
    os.utime(tmp_path / "new", ns=(folder.file.stat().st_atime_ns, folder.file.stat().st_mtime_ns))
    os.replace(tmp_path / "new", folder.file)
    assert not folder.allows()


def test_quick_changes_of_equal_size_and_time_stamp_are_never_missed(tmp_path: Path) -> None:
    """A file system's clock ticks every few milliseconds: what is written twice in one tick looks alike."""
    contents = (b'[policy]\ndefault = "allow"\n', b'[policy]\ndefault = "deny"\n\n')
    assert len({len(content) for content in contents}) == 1
    folder = Folder(tmp_path, contents[0])
    stamp = folder.file.stat().st_mtime_ns
    for turn in range(300):
        folder.write(contents[turn % 2])
        os.utime(folder.file, ns=(stamp, stamp))
        assert folder.allows() is (turn % 2 == 0), turn


def test_a_file_that_was_just_written_is_read_again_though_it_looks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system whose clock ticks coarsely; a slow machine tries again."""
    monkeypatch.setattr(rulefile, "SETTLE_SECONDS", 0.5)
    for _ in range(100):
        stamp = time.time_ns()
        monkeypatch.setattr(rulefile, "_look_at", lambda _path, stamp=stamp: (stamp, 0, 1, 1, 1))
        folder = Folder(tmp_path, ALLOW)
        before = folder.allows()
        folder.write(DENY)
        after = folder.allows()
        if time.time_ns() - stamp < 0.5e9:
            assert (before, after) == (True, False)
            return
    raise AssertionError("the machine is too slow")


def test_a_file_that_has_settled_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path, ALLOW)
    reads, read = 0, rulefile._read

    def counted(path: str) -> bytes:
        nonlocal reads
        reads += path == str(folder.file)
        return read(path)

    monkeypatch.setattr(rulefile, "_read", counted)
    until = time.monotonic() + PATIENCE_SECONDS
    while not (before := reads) or folder.keeper.current() is None or reads != before:
        assert time.monotonic() < until, "it is read for ever"
        folder.keeper.current()
    after = reads
    for _ in range(100):
        folder.keeper.current()
    assert reads == after
    assert folder.states() == ["read"]


def test_a_good_file_that_is_written_again_as_it_was_stays_in_force(tmp_path: Path) -> None:
    folder = Folder(tmp_path, DENY)
    assert not folder.allows()
    folder.write(DENY)
    assert (folder.allows(), folder.reason()) == (False, "")


# --- a bad file ------------------------------------------------------------------------------------------------------


def make_empty(file: Path) -> None:
    file.write_bytes(b"")


def make_blank(file: Path) -> None:
    file.write_bytes(b" \n\n")


def make_comment(file: Path) -> None:
    file.write_bytes(b"# nothing is left of it\n")


def make_bad(file: Path) -> None:
    file.write_bytes(BAD)


def make_half(file: Path) -> None:
    file.write_bytes(b'[policy]\ndefault = "al')


def make_bytes(file: Path) -> None:
    file.write_bytes(bytes(range(256)))


def make_huge(file: Path) -> None:
    file.write_bytes(ALLOW + b"#" * MAX_BYTES)


def make_folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


def make_fifo(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def make_socket(file: Path) -> None:
    file.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(file.parent)  # a socket's path is short
        try:
            listening.bind(file.name)
        finally:
            os.chdir(here)


def make_dangling(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.symlink_to("/nowhere/policy.toml")


def make_loop(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.symlink_to(file)


def make_failing(file: Path) -> None:
    """What can be opened, but not read: an error of the disk."""
    file.unlink(missing_ok=True)
    file.symlink_to("/proc/self/mem")


def make_absent(file: Path) -> None:
    file.unlink(missing_ok=True)


def make_device(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.symlink_to("/dev/zero")


ABSENT_OR_EMPTY = [make_absent, make_empty, make_blank]
SPOILT = [
    make_comment, make_bad, make_half, make_bytes, make_huge, make_folder, make_fifo, make_socket, make_dangling,
    make_loop, make_failing, make_device,
]  # fmt: skip


@pytest.mark.parametrize("spoil", [*ABSENT_OR_EMPTY, *SPOILT])
def test_a_file_that_goes_bad_leaves_the_last_good_rules_in_force_and_is_told_once(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = Folder(tmp_path, DENY)
    assert not folder.allows()
    spoil(folder.file)
    for _ in range(5):
        assert not folder.allows()
        assert folder.reason().startswith(f"{folder.file}: ")
        assert "\n" not in folder.reason()
    assert folder.states() == ["read", STAY]
    assert folder.told[-1]["reason"] == folder.reason()
    assert folder.copy.read_bytes() == DENY


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_child_that_starts_with_a_bad_file_cannot_tell_where_no_rules_were_ever_good(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = Folder(tmp_path)
    spoil(folder.file)
    for _ in range(3):
        error = folder.cannot_tell()
        assert (error.temporary, error.public, error.repeated) == (True, "policy error", True)
        assert str(error).startswith(f"{folder.file}: ")
        assert str(error).endswith("(and there are no last good rules: none were ever in force here)")
    assert folder.states() == [NONE]
    assert not folder.copy.exists()


@pytest.mark.parametrize("spoil", [*ABSENT_OR_EMPTY, *SPOILT])
def test_a_child_that_starts_with_a_bad_file_uses_the_last_good_rules(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = Folder(tmp_path, DENY)
    folder.keeper.current()
    folder.told.clear()
    spoil(folder.file)
    folder.keeper = folder.another()
    for _ in range(3):
        assert not folder.allows()
        assert folder.reason().startswith(f"{folder.file}: ")
    assert folder.states() == [STAY]


@pytest.mark.parametrize("spoil", [*ABSENT_OR_EMPTY, *SPOILT])
def test_a_file_that_is_named_must_be_there_and_hold_something(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = Folder(tmp_path, named=True)
    spoil(folder.file)
    assert folder.cannot_tell().public == "policy error"
    assert folder.states() == [NONE]


@pytest.mark.parametrize("spoil", ABSENT_OR_EMPTY)
def test_who_takes_the_file_away_is_told_how_a_policy_is_switched_off(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = Folder(tmp_path, DENY)
    folder.keeper.current()
    spoil(folder.file)
    found = "is not there" if spoil is make_absent else "is empty"
    assert folder.reason() == f"{folder.file}: {found}, wanted a policy: {OFF}"


def test_default_allow_alone_switches_the_policy_off(tmp_path: Path) -> None:
    folder = Folder(tmp_path, DENY)
    assert not folder.allows()
    folder.write(ALLOW)
    assert (folder.allows(), folder.reason()) == (True, "")
    make_absent(folder.file)
    assert folder.allows()
    folder.keeper = folder.another()
    assert folder.allows(), "the last good rules are those"


@pytest.mark.parametrize("spoil", [*ABSENT_OR_EMPTY, *SPOILT])
def test_a_file_that_is_good_again_is_in_force_at_the_next_login(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = Folder(tmp_path, DENY)
    folder.keeper.current()
    spoil(folder.file)
    assert folder.reason()
    if folder.file.is_dir():
        folder.file.rmdir()
    else:
        folder.file.unlink(missing_ok=True)
    folder.write(DENY)
    assert (folder.allows(), folder.reason()) == (False, "")
    assert folder.states() == ["read", STAY, "read"]


def test_a_child_that_could_not_tell_can_as_soon_as_the_file_is_mended(tmp_path: Path) -> None:
    folder = Folder(tmp_path, BAD)
    folder.cannot_tell()
    folder.write(DENY)
    assert not folder.allows()
    assert folder.copy.read_bytes() == DENY


def test_a_bad_file_that_no_rules_ever_came_from_is_gone_when_it_is_taken_away_as_for_a_new_child(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path, BAD)
    folder.cannot_tell()
    make_absent(folder.file)
    assert folder.keeper.current() is None
    folder.write(BAD)
    folder.cannot_tell()
    make_empty(folder.file)
    folder.cannot_tell()


def test_a_bad_file_that_is_bad_in_another_way_is_told_again_and_one_that_is_touched_is_not(tmp_path: Path) -> None:
    folder = Folder(tmp_path, DENY)
    folder.keeper.current()
    for seconds in range(3):
        folder.write(BAD)
        os.utime(folder.file, (seconds, seconds))
        folder.keeper.current()
    assert folder.states() == ["read", STAY]
    folder.write(b"[polcy]\n")
    folder.keeper.current()
    assert folder.states() == ["read", STAY, STAY]
    assert "polcy: unknown key" in str(folder.told[-1]["reason"]) or "policy.default" in str(folder.told[-1]["reason"])


def test_the_reason_says_file_line_key_found_and_wanted_and_how_many_more_faults_there_are(tmp_path: Path) -> None:
    folder = Folder(tmp_path, BAD + b"[[rule]]\n")
    assert str(folder.cannot_tell()).startswith(
        f'{folder.file}: line 2: policy.default: found "maybe", wanted one of allow, deny (and '
    )


def test_a_file_that_could_not_be_read_for_a_moment_is_read_at_the_next_login(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ALLOW)
    assert folder.allows()
    folder.write(DENY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        reasons = [folder.reason() for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert reasons == [f"{folder.file}: cannot be read: Too many open files"] * 3
    assert (folder.allows(), folder.reason()) == (False, "")
    assert folder.states() == ["read", STAY, "read"]


def test_a_link_is_followed_and_a_change_of_its_target_is_met(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.toml"
    target.write_bytes(ALLOW)
    (tmp_path / "policy.toml").symlink_to(target)
    folder = Folder(tmp_path)
    assert folder.allows()
    target.write_bytes(DENY)
    assert not folder.allows()
    target.unlink()
    assert (folder.allows(), bool(folder.reason())) == (False, True)


def test_a_bug_of_ours_in_the_reader_is_a_bad_file_and_never_no_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    folder = Folder(tmp_path, DENY)
    with monkeypatch.context() as patch:
        patch.setattr("nwauth.policy.reading.read_policy", broken)
        for _ in range(3):
            assert "ZeroDivisionError" in str(folder.cannot_tell())
    folder.write(DENY + b"\n")
    assert not folder.allows()
    with monkeypatch.context() as patch:
        patch.setattr("nwauth.policy.reading.read_policy", broken)
        folder.write(ALLOW)
        for _ in range(3):
            assert not folder.allows()
            assert "ZeroDivisionError" in folder.reason()


# --- the last good copy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_the_copy_is_private_and_holds_the_file_byte_for_byte(tmp_path: Path, umask: int) -> None:
    content = b"\xef\xbb\xbf# \xc3\xa9\r\n" + ALLOW
    folder = Folder(tmp_path, content)
    before = os.umask(umask)
    try:
        folder.keeper.current()
    finally:
        os.umask(before)
    assert folder.copy.read_bytes() == content
    assert stat.S_IMODE(folder.copy.stat().st_mode) & 0o077 == 0
    assert sorted(os.listdir(tmp_path)) == ["policy.toml", f"policy.toml{KEPT_SUFFIX}"]


def test_the_copy_is_kept_by_content_and_not_written_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ALLOW)
    folder.keeper.current()
    first = folder.copy.stat()
    folder.write(ALLOW)
    folder.keeper.current()
    folder.another().current()
    assert (folder.copy.stat().st_ino, folder.copy.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    folder.write(DENY)
    folder.keeper.current()
    assert folder.copy.read_bytes() == DENY


def test_bad_rules_are_never_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ALLOW)
    folder.keeper.current()
    for spoil in (make_bad, make_empty, make_comment, make_huge, make_absent):
        spoil(folder.file)
        folder.keeper.current()
        assert folder.copy.read_bytes() == ALLOW


def test_only_a_serving_child_keeps_a_copy_and_whoever_asks_uses_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path, DENY, keeps=False)
    assert not folder.allows()
    assert os.listdir(tmp_path) == ["policy.toml"]
    folder.another().current()
    folder.write(BAD)
    folder.keeper = folder.another(keeps=False)
    assert not folder.allows()
    assert folder.copy.read_bytes() == DENY


@pytest.mark.parametrize("spoil", [*ABSENT_OR_EMPTY, *SPOILT])
def test_a_copy_that_is_spoilt_too_leaves_nobody_able_to_tell(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = Folder(tmp_path, BAD)
    folder.copy.write_bytes(DENY)
    spoil(folder.copy)
    error = str(folder.cannot_tell())
    assert "policy.default" in error
    assert "there are no last good rules: " in error
    assert "\n" not in error


@pytest.mark.parametrize("spoil", [make_empty, make_bad, make_bytes, make_huge, make_fifo, make_dangling, make_failing])
def test_a_copy_that_is_spoilt_is_replaced_by_good_rules(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = Folder(tmp_path, DENY)
    spoil(folder.copy)
    assert not folder.allows()
    assert (folder.copy.is_symlink(), folder.copy.is_file()) == (False, True)
    assert folder.copy.read_bytes() == DENY


def test_a_copy_that_others_may_read_is_made_private_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path, DENY)
    folder.copy.write_bytes(DENY)
    folder.copy.chmod(0o644)
    folder.keeper.current()
    assert stat.S_IMODE(folder.copy.stat().st_mode) == 0o600


def test_a_copy_that_cannot_be_written_is_told_once_and_the_rules_are_in_force(tmp_path: Path) -> None:
    folder = Folder(tmp_path, DENY)
    make_folder(folder.copy)
    for _ in range(3):
        assert (folder.allows(), folder.reason()) == (False, "")
    told = [facts for facts in folder.told if "reason" in facts]
    assert len(told) == 1
    assert str(told[0]["reason"]).startswith(f"{folder.copy}: cannot be ")
    assert sorted(os.listdir(tmp_path)) == ["policy.toml", f"policy.toml{KEPT_SUFFIX}"]


def test_what_a_child_that_was_killed_left_behind_hinders_nobody(tmp_path: Path) -> None:
    """In a container the next child often has the same process id."""
    folder = Folder(tmp_path, DENY)
    (tmp_path / f"policy.toml{KEPT_SUFFIX}.{os.getpid()}").write_bytes(b'[policy]\ndefault = "al')
    assert not folder.allows()
    assert folder.copy.read_bytes() == DENY
    assert [facts for facts in folder.told if "reason" in facts] == []


def test_a_link_in_the_place_of_the_copy_is_replaced_and_what_it_names_is_not_written(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mail")
    folder = Folder(tmp_path, DENY)
    folder.copy.symlink_to(precious)
    folder.keeper.current()
    assert precious.read_bytes() == b"mail"
    assert (folder.copy.is_symlink(), folder.copy.read_bytes()) == (False, DENY)


KEEPER = """
import sys
from nwauth.service.rulefile import RuleFile
keeper = RuleFile(sys.argv[1], named=False, keeps=True, notice=lambda facts: "reason" in facts and sys.exit(str(facts)))
print("ready", flush=True)
for line in sys.stdin:
    print(keeper.current().policy.allow, flush=True)
"""


def test_four_children_at_once_keep_one_whole_copy(tmp_path: Path) -> None:
    folder = Folder(tmp_path, ALLOW)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", KEEPER, str(folder.file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for _ in range(4)
    ]
    pipes = [(child.stdin, child.stdout) for child in children]
    for _, out in pipes:
        assert out is not None
        assert out.readline() == "ready\n"
    for turn in range(50):
        content = (DENY if turn % 2 else ALLOW) + b"#" * (turn * 997)
        (tmp_path / "new").write_bytes(content)
        os.utime(tmp_path / "new", (1, 1))
        os.replace(tmp_path / "new", folder.file)
        for inp, _ in pipes:
            assert inp is not None
            inp.write("\n")
        for _, out in pipes:
            assert out is not None
            assert out.readline() == f"{not turn % 2}\n"
        assert folder.copy.read_bytes() == content
    for child, (inp, out) in zip(children, pipes, strict=True):
        assert inp is not None
        assert out is not None
        inp.close()
        assert child.wait(PATIENCE_SECONDS) == 0
        out.close()
    assert sorted(os.listdir(tmp_path)) == ["policy.toml", f"policy.toml{KEPT_SUFFIX}"]


# --- what was written just now ---------------------------------------------------------------------------------------


def test_half_a_file_is_not_taken_for_a_whole_one_while_there_are_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path, DENY)
    assert not folder.allows()
    monkeypatch.setattr(rulefile, "SETTLE_SECONDS", 3600.0)
    folder.write(ALLOW)  # the first lines of a file whose rules are still to come
    assert not folder.allows()
    new = folder.another().current()
    assert new is not None
    assert not new.policy.allow
    assert folder.copy.read_bytes() == DENY
    os.utime(folder.file, (1, 1))
    assert folder.allows()
    assert folder.copy.read_bytes() == ALLOW


def test_a_bad_file_is_told_when_it_has_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path, DENY)
    folder.keeper.current()
    monkeypatch.setattr(rulefile, "SETTLE_SECONDS", 3600.0)
    folder.write(BAD)
    assert not folder.allows()
    assert folder.states() == ["read"]
    os.utime(folder.file, (1, 1))
    assert not folder.allows()
    assert folder.states() == ["read", STAY]


def test_the_first_rules_of_all_are_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulefile, "SETTLE_SECONDS", 3600.0)
    assert not Folder(tmp_path, DENY).allows()


def test_a_key_of_very_many_parts_is_refused_before_it_takes_ages(tmp_path: Path) -> None:
    folder = Folder(tmp_path, b"[policy]\n" + b"a." * 100_000 + b"b = 1\n")
    folder.cannot_tell()
    assert "line 2: found a key of more than 16 parts" in str(folder.told[-1]["reason"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_follows_no_link_that_another_has_laid(tmp_path: Path) -> None:
    secret = tmp_path / "secret.toml"
    secret.write_bytes(b"[topsecret]\nkey = 1\n")
    folder = Folder(tmp_path)
    folder.file.symlink_to(secret)
    os.chown(folder.file, 12345, 12345, follow_symlinks=False)
    folder.cannot_tell()
    assert "a link that is not root's" in str(folder.told[-1]["reason"])
    assert "topsecret" not in str(folder.told)
    folder.file.unlink()
    secret.write_bytes(ALLOW)
    folder.copy.symlink_to(secret)
    os.chown(folder.copy, 12345, 12345, follow_symlinks=False)
    folder.cannot_tell()
    folder.copy.unlink()
    folder.file.symlink_to(secret)
    assert folder.allows(), "root's own link leads where root wants it"
