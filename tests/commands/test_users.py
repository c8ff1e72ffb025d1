"""``nwauth user``: whole outputs and exit statuses, through the installed command."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.model import Info, User
from nwauth.names import NameRules
from nwauth.passwords import Passwords
from nwauth.passwords.apps import digest, made_up
from nwauth.service import NoSuchUser, Service, StoreRules
from nwauth.stores.memory import MemoryStore
from tests.commands.common import BOB, COMMAND, SETTINGS, Run, base, contents, run

if TYPE_CHECKING:
    from pathlib import Path

SSHA = "{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf"  # "secret"
DIGEST = digest(made_up())


BEE = User(name="bee", stored_password="old", info=Info()).changed(store="memory")


class Busy(MemoryStore):
    """A store whose users others change, so many times, just before we do."""

    def __init__(self, users: list[User], *, overtaken: int) -> None:
        super().__init__(users)
        self._overtaken = overtaken

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        if self._overtaken:
            self._overtaken -= 1
            number = int(old.info.get("n") or "0") + 1
            super().replace(old, old.changed(info=Info(f'n="{number}"')))
        return super().replace(old, new, wait_seconds=wait_seconds)


def service(store: MemoryStore) -> Service:
    return Service(
        store,
        Passwords(),
        rules={store.name: StoreRules(scheme="ssha")},
        names=NameRules(),
        now=lambda: datetime.now(tz=UTC),
    )


def line_of(folder: str, name: str) -> str:
    """The last line for a name in the journal."""
    with open(os.path.join(folder, "nwauth.add"), encoding="utf-8", errors="surrogateescape") as file:
        return [line for line in file if line.startswith(f"{name}:")][-1].rstrip("\n")


def record(out: str) -> dict[str, object]:
    (line,) = out.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_user_is_added_with_fields_and_can_log_in(folder: str) -> None:
    done = run(
        folder, "user", "add", "eve@test.com", "quota=7", 'fwd="x@y.z"', "--password-stdin", stdin=b"pass word\n"
    )
    assert done.status == 0
    assert record(done.out) == {
        "user": "eve@test.com",
        "change": "added",
        "dry_run": False,
        "store": "flatfile",
        "scheme": "argon2id",
        "fields": {"quota": {"old": None, "new": "7"}, "fwd": {"old": None, "new": "x@y.z"}},
    }
    assert done.err == "note: the password holds a blank, which not every mail server can send\n"
    assert line_of(folder, "eve@test.com").endswith(':quota="7" fwd="x@y.z"')
    assert run(folder, "test", "eve@test.com", "--password-stdin", stdin=b"pass word").status == 0


def test_a_user_who_is_there_is_not_added_again(folder: str) -> None:
    done = run(folder, "user", "add", "BOB@test.com", "--generate")
    text = "nwauth: BOB@test.com exists already: nwauth user set changes its fields, nwauth user passwd its password\n"
    assert done == (1, "", text)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("a b",), "'a b' cannot be the name of a user: it holds ' '"),
        (("a\x1bb",), "'a\\x1bb' cannot be the name of a "),
        (("--", "-x"), "it begins with '-'"),
    ],
)
def test_a_name_that_may_not_be_is_refused(folder: str, words: tuple[str, ...], reason: str) -> None:
    done = run(folder, "user", "add", "--generate", *words)
    assert (done.status, done.out) == (1, "")
    assert reason in done.err
    assert done.err.count("\n") == 1


def test_a_name_like_an_option_is_misuse(folder: str) -> None:
    done = run(folder, "user", "add", "-x", "--generate")
    assert done == (2, "", "nwauth: no such option '-x' (nwauth user add --help tells more)\n")


def test_a_generated_password_is_printed_once_and_works(folder: str) -> None:
    password = record(run(folder, "user", "add", "eve", "--generate").out)["password"]
    assert isinstance(password, str)
    assert len(password) == 16
    assert run(folder, "test", "eve", "--password-stdin", stdin=password.encode()).status == 0
    quiet = run(folder, "--quiet", "user", "passwd", "eve", "--generate")
    assert (quiet.status, len(quiet.out), quiet.err) == (0, 17, "")
    assert run(folder, "test", "eve", "--password-stdin", stdin=quiet.out.encode()).status == 0


def test_a_password_comes_from_a_file_and_may_be_folded(folder: str) -> None:
    path = os.path.join(folder, "pw")
    with open(path, "wb") as file:
        file.write(b"GeHeim\r\n")
    assert run(folder, "user", "add", "eve", "--password-file", path, "--lowercase", "--quiet") == (0, "", "")
    assert run(folder, "test", "eve", "--password-stdin", stdin=b"geheim\n").status == 0


@pytest.mark.parametrize(("stdin", "found"), [(b"", "nothing"), (b"\n", "an empty line"), (b"a\nb\n", "2 lines")])
def test_stdin_that_is_not_one_password_is_misuse(folder: str, stdin: bytes, found: str) -> None:
    done = run(folder, "user", "passwd", "bob@test.com", "--password-stdin", stdin=stdin)
    assert done == (2, "", f"nwauth: --password-stdin: found {found}, wanted 1 line: the password {HELP}\n")


HELP = "(nwauth user passwd --help tells more)"


def test_without_a_terminal_the_ways_to_give_a_password_are_named(folder: str) -> None:
    done = run(folder, "user", "passwd", "bob@test.com")
    ways = "--password-stdin, --password-file or --generate"
    assert done == (2, "", f"nwauth: no terminal to ask for the password on: give {ways} {HELP}\n")


def test_a_ready_hash_is_stored_as_it_is(folder: str) -> None:
    done = run(folder, "user", "add", "eve", "--hash", SSHA)
    assert (done.status, record(done.out)["scheme"], done.err) == (0, "ssha", "note: ssha is a weak scheme\n")
    assert line_of(folder, "eve") == f"eve:{SSHA}:"
    assert run(folder, "user", "passwd", "bob@test.com", "--hash", SSHA, "--quiet").status == 0
    assert line_of(folder, "bob@test.com") == f'bob@test.com:{SSHA}:quota="5" full_name="Bob Bee"'


def test_a_password_comes_from_one_place(folder: str) -> None:
    done = run(folder, "user", "add", "eve", "--generate", "--hash", SSHA)
    text = "--password-stdin, --password-file, --generate and --hash exclude each other"
    assert done == (2, "", f"nwauth: {text} (nwauth user add --help tells more)\n")


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("*secret", "clear text"),
        ("{PLAIN}secret", "clear text"),
        ("$9$unknown", "what lets nobody in"),
        ("{ssha}abc:def", "what lets nobody in"),
        (SSHA[:-3], "a damaged ssha hash"),
    ],
)
def test_a_hash_that_is_none_is_refused_in_one_line(folder: str, field: str, found: str) -> None:
    done = run(folder, "user", "add", "eve", "--hash", field)
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"--hash: found {found}" in done.err


def test_fields_are_changed_and_removed(folder: str) -> None:
    done = run(folder, "user", "set", "bob@test.com", "QUOTA=6", "full_name=", "x=a=b", "--format", "table")
    text = "bob@test.com changed\n  quota      5 -> 6\n  full_name  Bob Bee -> (removed)\n  x          a=b\n"
    assert done == (0, text, "")
    assert line_of(folder, "bob@test.com") == 'bob@test.com:*secret:quota="6" x="a=b"'
    assert record(run(folder, "user", "set", "bob@test.com", "x=a=b").out)["change"] == "none"


def test_of_a_field_given_twice_the_last_counts_in_any_spelling(folder: str) -> None:
    assert run(folder, "user", "set", "bob@test.com", "quota=6", "QUOTA=7").status == 0
    assert line_of(folder, "bob@test.com") == 'bob@test.com:*secret:quota="7" full_name="Bob Bee"'


def test_a_new_password_finds_its_user_though_others_change_it_meanwhile() -> None:
    store = Busy([BEE], overtaken=3)
    assert service(store).set_field("BEE", "new") == BEE.changed(stored_password="new", info=Info('n="3"'))
    with pytest.raises(Unavailable, match="try again"):
        service(Busy([BEE], overtaken=99)).set_field("bee", "new")


def test_a_new_password_brings_no_deleted_user_back() -> None:
    store = MemoryStore([BEE])
    store.delete("bee")
    with pytest.raises(NoSuchUser):
        service(store).set_field("bee", "new")
    assert list(store.search()) == []


@pytest.mark.parametrize("word", ["quota", 'quota="a"b"', "a b=1", "=1", 'quota="1', 'quota=1" x="2'])
def test_what_is_no_field_is_misuse(folder: str, word: str) -> None:
    assert run(folder, "user", "set", "bob@test.com", word).status == 2


@pytest.mark.parametrize("words", [("add", "eve"), ("set", "bob@test.com")])
@pytest.mark.parametrize(
    "field", ["password=geheim", "Password_Hash=geheim", 'a="b" password="geheim"', 'password=ge"heim']
)
def test_a_password_is_no_info_field_and_is_not_repeated(folder: str, words: tuple[str, ...], field: str) -> None:
    before = contents(folder)
    done = run(folder, "user", *words, field)
    assert (done.status, done.out) == (2, "")
    assert "nwauth user passwd" in done.err
    assert "heim" not in done.err
    assert contents(folder) == before


def test_a_field_of_that_name_that_is_there_can_be_taken_away(folder: str) -> None:
    base(folder, users=b'eve:*x:password="geheim"\n')
    assert run(folder, "user", "set", "eve", "password=").status == 0
    assert line_of(folder, "eve") == "eve:*x:"


def test_a_date_that_cannot_be_read_back_is_refused(folder: str) -> None:
    done = run(folder, "user", "set", "bob@test.com", "valid_until=tomorrow")
    text = "nwauth: valid_until: found 'tomorrow', wanted a date (2027-01-31) or a date and time (2027-01-31 18:00)\n"
    assert done == (1, "", text)


@pytest.mark.parametrize(
    "words",
    [
        ("set", "eve", "x=1"),
        ("passwd", "eve", "--generate"),
        ("show", "eve"),
        ("rename", "eve", "adam"),
        ("suspend", "eve"),
        ("resume", "eve"),
        ("del", "eve", "--yes"),
    ],
)
def test_an_absent_user_is_a_no(folder: str, words: tuple[str, ...]) -> None:
    done = run(folder, "user", *words)
    text = f"nwauth: eve: no such user in store flatfile of {folder}\n"
    assert (done.status, done.err) == (1, text)
    assert not os.path.exists(os.path.join(folder, "nwauth.add"))


def test_a_renamed_user_keeps_everything_else(folder: str) -> None:
    done = run(folder, "user", "rename", "bob@test.com", "rob@test.com", "--format", "table")
    assert done == (0, "bob@test.com renamed to rob@test.com\n", "")
    assert line_of(folder, "rob@test.com") == BOB.decode().replace("bob", "rob").rstrip()
    assert run(folder, "user", "show", "bob@test.com").status == 1
    assert record(run(folder, "user", "rename", "rob@test.com", "ROB@test.com").out)["new_name"] == "ROB@test.com"


def test_a_user_is_not_renamed_over_another(folder: str) -> None:
    base(folder, users=BOB + b"eve:*x:\n")
    done = run(folder, "user", "rename", "eve", "bob@test.com")
    assert done == (1, "", "nwauth: bob@test.com exists already: eve keeps its name\n")


def test_a_suspended_user_is_refused_until_resumed(folder: str) -> None:
    assert record(run(folder, "user", "suspend", "bob@test.com").out)["change"] == "suspended"
    tried = run(folder, "test", "bob@test.com", "--password-stdin", stdin=b"secret")
    assert (tried.status, record(tried.out)["reason"]) == (1, "mailstatus is suspended")
    assert record(run(folder, "user", "suspend", "bob@test.com").out)["change"] == "none"
    resumed = record(run(folder, "user", "resume", "bob@test.com").out)
    assert resumed["fields"] == {"mailstatus": {"old": "suspended", "new": None}}
    assert run(folder, "test", "bob@test.com", "--password-stdin", stdin=b"secret").status == 0


def test_resuming_a_user_in_good_standing_says_that_there_was_nothing(folder: str) -> None:
    base(folder, users=b'bob:*x:mailstatus="vip"\n')
    done = run(folder, "user", "resume", "bob", "--format", "table")
    text = "bob: nothing to resume: mailstatus is vip, which lets the user in\n"
    assert done == (0, "bob stays as it is\n", text)


@pytest.mark.parametrize("name", ["@test.com", "bob@", "@"])
def test_a_name_of_which_half_lacks_is_refused_and_by_the_protocol_taken_as_ever(folder: str, name: str) -> None:
    half = "behind" if name == "bob@" else "before"
    text = f"nwauth: '{name}' cannot be the name of a user: nothing stands {half} its '@'\n"
    before = contents(folder)
    assert run(folder, "user", "add", name, "--generate") == (1, "", text)
    assert run(folder, "user", "rename", "bob@test.com", name) == (1, "", text)
    assert contents(folder) == before
    done = subprocess.run([*COMMAND, "-path", folder, "-set", name, "x"], capture_output=True, check=True)
    assert done.stdout == f"+OK {name} added to database\n".encode()
    assert run(folder, "user", "set", name, "quota=1").status == 0


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("state=suspended", "nwauth user suspend and nwauth user resume set it"),
        ("State=suspended", "nwauth user suspend and nwauth user resume set it"),
        ("name=eve", "nwauth user rename changes it"),
        ("uid=5", "a plan sets it, nwauth apply, where the store has a place for it"),
        ("generate=true", "it is a word of plans"),
    ],
)
def test_a_word_of_plans_is_no_info_field_and_what_sets_it_is_named(folder: str, word: str, instead: str) -> None:
    before = contents(folder)
    for command in (("set", "bob@test.com"), ("add", "eve")):
        done = run(folder, "user", *command, word)
        said = f"nwauth: {word.partition('=')[0]}: found where info fields are wanted: {instead} ("
        assert (done.status, done.out, done.err[: len(said)].lower()) == (2, "", said.lower())
    assert contents(folder) == before


def test_a_state_that_refuses_nobody_is_taken_and_noted(folder: str) -> None:
    note = "is no state that is known, and refuses nobody"
    done = run(folder, "user", "set", "bob@test.com", "MailStatus=closd")
    assert (done.status, done.err) == (0, f"note: mailstatus 'closd' {note}: did you mean closed?\n")
    done = run(folder, "user", "add", "eve", "--hash", SSHA, "mailstatus=vip")
    refusing = "banned, cancelled, closed, payup, suspended"
    assert (done.status, done.err) == (
        0, f"note: ssha is a weak scheme\nnote: mailstatus 'vip' {note}: what refuses is {refusing}\n"
    )  # fmt: skip
    for word in ("Closed", "ok", "paydue", ""):
        assert run(folder, "user", "set", "bob@test.com", f"mailstatus={word}").err == ""


@pytest.mark.parametrize(
    ("field", "near"),
    [
        ("mailstaus", "mailstatus"),
        ("Valid_Form", "valid_from"),
        ("valid_untill", "valid_until"),
        ("mail_access", "mailaccess"),
        *((field, "") for field in ("mailaddress", "mailaccess", "VALID_UNTIL", "mailstatus_before", "quota")),
    ],
)
def test_a_field_that_is_nearly_one_that_decides_is_taken_and_noted(folder: str, field: str, near: str) -> None:
    note = f"note: the field '{field}' decides nothing about logins: did you mean {near}?\n" if near else ""
    done = run(folder, "user", "set", "bob@test.com", f"{field}=2030-01-31", "mailstatus=ok")
    assert (done.status, done.err) == (0, note)
    assert run(folder, "user", "set", "bob@test.com", f"{field}=").err == ""


def test_a_user_is_shown_with_the_number_of_app_passwords_and_of_those_that_let_in(folder: str) -> None:
    held = "|".join(f"{label};{DIGEST}{limit}" for label, limit in (("a", ""), ("b", ";until=2020-01-31"), ("c", ";?")))
    base(folder, users=BOB + f'eve:*x:app_passwords="{held}"\n'.encode())
    shown = record(run(folder, "user", "show", "eve").out)
    assert (shown["app_passwords"], shown["app_passwords_ok"], shown["info"]) == (3, 1, {})
    assert record(run(folder, "user", "show", "bob@test.com").out)["app_passwords"] == 0
    lines = run(folder, "user", "show", "eve", "--format", "table").out.splitlines()
    assert [line.split() for line in lines[-2:]] == [["app", "passwords", "3"], ["app", "passwords", "ok", "1"]]
    assert "app passwords" not in run(folder, "user", "show", "bob@test.com", "--format", "table").out


def test_deleting_needs_a_yes(folder: str) -> None:
    before = contents(folder)
    done = run(folder, "user", "del", "bob@test.com")
    assert (done.status, done.out) == (2, "")
    assert "no terminal to ask on whether to delete bob@test.com: give --yes" in done.err
    assert contents(folder) == before


def test_the_users_who_are_there_are_deleted_and_the_absent_named(folder: str) -> None:
    base(folder, users=BOB + b"eve:*x:\n")
    done = run(folder, "user", "del", "--yes", "eve", "adam", "bob@test.com", "--format", "json")
    assert done.status == 1
    assert [row["user"] for row in json.loads(done.out)] == ["eve", "bob@test.com"]
    assert done.err == f"nwauth: adam: no such user in store flatfile of {folder}\n"
    assert run(folder, "user", "list").err == "0 of 0 users\n"


@pytest.mark.parametrize(
    "words",
    [
        ("user", "add", "eve", "--generate"),
        ("user", "set", "bob@test.com", "quota=6"),
        ("user", "passwd", "bob@test.com", "--generate"),
        ("user", "rename", "bob@test.com", "eve"),
        ("user", "suspend", "bob@test.com"),
        ("user", "resume", "bob@test.com"),
        ("user", "del", "bob@test.com"),
        ("merge",),
        ("init",),
    ],
)
def test_a_dry_run_changes_not_one_byte(folder: str, words: tuple[str, ...]) -> None:
    base(folder, settings=SETTINGS + '[log]\nlevel = "info"\n')
    before = contents(folder)
    done = run(folder, *words, "--dry-run")
    assert (done.status, done.err.replace("bob@test.com: nothing to resume: there is no mailstatus\n", "")) == (0, "")
    assert all(json.loads(line)["dry_run"] is True for line in done.out.splitlines())
    assert done.out
    assert contents(folder) == before


@pytest.mark.parametrize("words", ["add x --generate", "set bob a=b", "del bob --yes", "suspend bob", "rename bob eve"])
def test_what_never_takes_changes_says_so_also_while_it_is_down(tmp_path: Path, words: str) -> None:
    """A script would try again for ever what ends with 75."""
    down = '[[stores]]\nkind = "ldap"\nurls = ["ldap://127.0.0.1:1"]\nbase = "dc=test,dc=com"\nbind_dn = "x"\n'
    (tmp_path / "nwauth.toml").write_text(f'{down}bind_password = "x"\n')
    done = run(str(tmp_path), "user", *words.split())
    assert (done.status, "takes no changes (a directory is changed with its own tools)" in done.err) == (1, True)


def test_a_dry_run_refuses_what_the_real_one_would(folder: str) -> None:
    assert run(folder, "user", "add", "a b", "--generate", "--dry-run").status == 1
    assert run(folder, "user", "rename", "eve", "adam", "--dry-run").status == 1
    base(folder, settings=SETTINGS.replace("shared = false", "shared = false\nread_only = true"))
    done = run(folder, "user", "passwd", "bob@test.com", "--generate", "--dry-run")
    text = f"nwauth: store flatfile of {folder} takes no changes (read_only = true in nwauth.toml)\n"
    assert done == (1, "", text)


def test_each_change_leaves_one_line_in_the_log_without_a_password(folder: str) -> None:
    base(folder, settings=SETTINGS + '[log]\nlevel = "info"\n')
    run(folder, "user", "add", "eve", "--password-stdin", stdin=b"geheim")
    run(folder, "user", "add", "eve", "--generate")
    run(folder, "user", "del", "eve", "--yes")
    run(folder, "user", "show", "bob@test.com")
    with open(os.path.join(folder, "nwauth.log"), encoding="utf-8") as file:
        lines = [line.rstrip("\n").partition(" ")[2] for line in file]
    assert lines[0] == "user-add user=eve store=flatfile scheme=argon2id result=ok"
    assert lines[1].startswith('user-add user=eve store=flatfile reason="eve exists already')
    assert lines[1].endswith("result=no")
    assert lines[2:] == ["user-del user=eve store=flatfile result=ok"]
    assert "geheim" not in "".join(lines)


@pytest.mark.parametrize("utf8_mode", ["0", "1"])
def test_names_that_are_no_ascii_work_in_the_c_locale(folder: str, utf8_mode: str) -> None:
    base(folder, settings=SETTINGS + "[names]\nallow_high_ascii = true\n")

    def do(*words: str | bytes) -> Run:
        return run(folder, *words, LC_ALL="C", PYTHONUTF8=utf8_mode, PYTHONCOERCECLOCALE="0")

    for name, shown in (("jürgen".encode(), "jürgen"), (b"j\xfcrgen", r"j\xfcrgen")):
        text = name.decode("utf-8", "surrogateescape")
        added = do("user", "add", name, b"full_name=J\xc3\xbcrgen", "--generate")
        assert (added.status, record(added.out)["user"]) == (0, text)
        assert do("user", "list", name, "--format", "csv").out.splitlines()[1].startswith(f"{text},argon2id")
        assert do("user", "show", name, "--format", "table").out.startswith(f"user       {shown}\n")
        assert do("user", "rename", name, "eve").status == 0
        assert do("user", "del", "eve", name, "--yes").err.startswith(f"nwauth: {shown}: no such user")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("set", "bob@test.com", "quota", "5"),
            "found 'quota', wanted the NAME first, and FIELD=VALUE behind it, as quota=5 (",
        ),
        (
            ("set", "quota=5", "bob@test.com"),
            "found 'bob@test.com', wanted the NAME first, and FIELD=VALUE behind it (",
        ),
        (("del", "*@test.com", "--yes"), ": a name is wanted, and nwauth user list shows whom a pattern fits\n"),
    ],
)
def test_a_slip_in_the_words_is_told_with_what_was_meant(folder: str, words: tuple[str, ...], told: str) -> None:
    done = run(folder, "user", *words)
    assert (done.status in (1, 2), done.out, told in done.err) == (True, "", True), done
