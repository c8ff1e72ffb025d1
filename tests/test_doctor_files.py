"""What ``nwauth doctor`` finds in the folder: each state is made, told, mended as the text says, and gone."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from nwauth.doctor import files
from nwauth.doctor.finding import CANNOT_TELL, ERROR, WARNING
from nwauth.stores.flatfile.chores import MIN_JOURNAL_BYTES
from tests.commands.common import SETTINGS, run
from tests.doctoring import LONG_AGO, SECRET, Site
from tests.faults.databases import small_disk
from tests.serving import Child

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.doctor import Place

OWNER = 12345
MANY = 3000
LOCKED = "!"


def test_a_clean_installation_has_no_findings(site: Site) -> None:
    assert site.look(with_dmail=True) == []


def test_nothing_is_changed_by_looking(site: Site) -> None:
    site.users(*(f"user{number}" for number in range(MANY)), "Ada", "ada")
    site.add.write_text("eve:*secret:\nnonsense\n")
    before = {name: (site.folder / name).stat() for name in os.listdir(site.folder)}
    folder = site.folder.stat()
    assert site.look(with_dmail=True)
    assert {name: (site.folder / name).stat().st_mtime_ns for name in os.listdir(site.folder)} == {
        name: status.st_mtime_ns for name, status in before.items()
    }
    assert site.folder.stat().st_mtime_ns == folder.st_mtime_ns


def test_settings_that_cannot_be_used_are_told_and_all_else_is_looked_at(site: Site) -> None:
    site.toml.write_text("[stores]]\n")
    site.add.write_text("nonsense\n")
    found = {one.id: one for one in site.look()}
    assert list(found) == ["settings", "odd-lines"]
    assert found["settings"].severity == ERROR
    assert str(site.toml) in found["settings"].what
    assert "line 1" in found["settings"].what
    site.toml.write_text(SETTINGS)
    site.add.unlink()
    assert site.look() == []


def test_a_folder_without_users_wants_its_disk_or_init(site: Site) -> None:
    site.txt.unlink()
    one = site.found("no-users")
    assert one.what == f"{site.folder} holds no nwauth.txt and no nwauth.add"
    site.type(one.mend.partition("make a new base: ")[2] + " --quiet")
    assert site.look() == []


def test_a_slip_in_the_settings_of_another_store_asks_for_no_flat_files(site: Site) -> None:
    site.txt.unlink()
    site.toml.write_text('[[stores]]\nkind = "passwd"\npaht = "users"\n')
    assert "stores[0].path: found nothing" in site.found("settings").what


def test_users_that_everybody_can_read_are_told(open_site: Site) -> None:
    open_site.txt.chmod(0o644)
    one = open_site.found("open-to-others")
    assert one.what.startswith(f"everybody on this machine can read {open_site.txt}")
    open_site.mend(one)
    assert open_site.look() == []
    assert open_site.txt.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", [".", "nwauth.toml", "nwauth.log", "nwauth.lock", "nwauth.changes"])
def test_a_folder_or_file_that_everybody_can_write_is_told(open_site: Site, name: str) -> None:
    """Whoever can put a nwauth.add or a nwauth.toml there is everybody."""
    path = open_site.folder if name == "." else open_site.folder / name
    if name not in (".", "nwauth.toml"):
        path.touch(mode=0o600)
    path.chmod(path.stat().st_mode | 0o002)
    one = open_site.found("open-to-others")
    assert (one.file, "everybody on this machine can" in one.what) == (str(path), True)
    open_site.mend(one)
    assert open_site.look() == []


def test_settings_that_everybody_can_write_behind_a_link_are_told(open_site: Site) -> None:
    away = open_site.folder.parent / "settings"
    open_site.toml.rename(away)
    open_site.toml.symlink_to(away)
    away.chmod(0o666)
    one = open_site.found("open-to-others")
    assert one.what == f"everybody on this machine can write {open_site.toml}"
    open_site.mend(one)
    assert open_site.look() == []


def test_what_is_no_file_is_not_told_as_one_that_can_be_read(open_site: Site) -> None:
    open_site.txt.unlink()
    open_site.txt.mkdir(mode=0o755)
    assert "open-to-others" not in [one.id for one in open_site.look()]


def test_a_folder_that_is_not_there_lacks_users_and_the_log_in_it_is_not_told_too(tmp_path: Path) -> None:
    site = Site(tmp_path)
    shutil.rmtree(site.folder)
    assert [one.id for one in site.look()] == ["no-users"]


def test_where_nothing_of_nwauth_is_it_may_be_another_folder_that_was_meant(site: Site) -> None:
    site.txt.unlink()
    site.toml.unlink()
    (one,) = site.look()  # whether a log could be written there is not told too
    assert one.id == "no-users"
    assert one.mend.startswith("name the folder that has one: nwauth --path DIR doctor; or mount the disk")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_link_to_anothers_file_is_told_and_nothing_is_to_be_done_to_that_file(open_site: Site) -> None:
    """Root would type the mend, and do it to the file that the folder's owner chose."""
    away = open_site.folder.parent / "roots-own"
    away.write_bytes(open_site.txt.read_bytes())
    away.chmod(0o644)
    open_site.txt.unlink()
    open_site.txt.symlink_to(away)
    os.chown(open_site.folder, OWNER, OWNER)
    one = open_site.found("leads-away", among=True)
    assert one.what == f"{open_site.txt} leads to {away}, which belongs to root"
    assert "chmod" not in one.mend
    assert [found.id for found in open_site.look()].count("open-to-others") == 0


@pytest.mark.parametrize("shadow", [False, True])
def test_passwd_files_with_password_fields_are_looked_at(open_site: Site, *, shadow: bool) -> None:
    folder = open_site.folder / "domains"
    folder.mkdir(mode=0o755)
    (folder / "test.com").write_text(f"bob:{'x' if shadow else SECRET}:1000:100::/home/bob:\n")
    (folder / "test.com").chmod(0o644)
    toml = f'[[stores]]\nkind = "passwd"\npath = "{folder}/{{domain}}"\nsettle_seconds = 0\n'
    if shadow:
        (open_site.folder / "shadows").mkdir(mode=0o755)
        (open_site.folder / "shadows" / "test.com").write_text(f"bob:{SECRET}:20000::::::\n")
        (open_site.folder / "shadows" / "test.com").chmod(0o604)
        toml += f'shadow = "{open_site.folder}/shadows/{{domain}}"\n'
    open_site.toml.write_text(toml)
    one = open_site.found("open-to-others")
    where = "shadows" if shadow else "domains"
    assert one.what.startswith(f"everybody on this machine can read {open_site.folder}/{where}/test.com")
    open_site.mend(one)
    assert open_site.is_gone("open-to-others")


def test_a_folder_that_is_closed_keeps_its_files(open_site: Site) -> None:
    open_site.txt.chmod(0o644)
    open_site.folder.chmod(0o750)
    assert open_site.look() == []


@pytest.mark.parametrize(
    ("line", "is_secret"),
    [
        ('url = "postgresql://mail:hush@db/mail"', True),
        ('bind_password = "hush"', True),
        ('url = "postgresql://mail:${PASSWORD}@db/mail"', False),
        ('url = "postgresql://mail@db/mail"', False),
        ('# url = "postgresql://mail:hush@db/mail"', False),
        ('bind_password = { file = "secret" }', False),
    ],
)
def test_a_password_among_settings_that_everybody_can_read_is_told(
    open_site: Site, line: str, *, is_secret: bool
) -> None:
    open_site.toml.write_text(f"{line}\n")
    open_site.toml.chmod(0o604)
    found = [one for one in open_site.look() if one.id == "open-to-others"]
    assert [(one.line, "hush" in one.what) for one in found] == [(1, False)] * is_secret
    for one in found:
        open_site.mend(one)
    assert open_site.is_gone("open-to-others")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_than_the_folders_owner_is_told(site: Site) -> None:
    site.add.write_text(f"eve:{SECRET}:\n")
    os.chown(site.add, OWNER, OWNER)
    one = site.found("another-owner")
    assert one.what == f"{site.add} belongs to uid {OWNER}, and its folder to root"
    os.chown(site.txt, OWNER, OWNER)
    os.chown(site.toml, OWNER, OWNER)
    site.mend(one)  # the files are right, and it is the folder that is not
    assert site.look() == []
    os.chown(site.add, 0, 0)
    one = site.found("another-owner")
    site.mend(one)
    assert (site.look(), site.add.stat().st_uid) == ([], OWNER)


def test_settings_that_are_no_file_do_not_hang_it(site: Site) -> None:
    site.toml.unlink()
    os.mkfifo(site.toml)
    assert [one.id for one in site.look()] == ["settings", "cannot-look"]


def test_lines_that_are_nobodys_are_counted(site: Site) -> None:
    with site.txt.open("a") as file:
        file.write("# a comment\n\nnonsense\n:no name:\n")
    one = site.found("odd-lines")
    assert one.what == f"{site.txt}: 2 lines are no users': line 4 is the first"
    assert (one.file, one.line, one.severity) == (str(site.txt), 4, WARNING)
    site.type(one.mend.partition("see it with ")[2].partition(";")[0])
    site.users("bob")
    assert site.look() == []


def test_a_last_line_of_the_journal_that_was_torn_is_told(site: Site) -> None:
    site.add.write_text(f"eve:{SECRET}:\nada:{SECRET[:-9]}")
    assert site.found("odd-lines", among=True).what == f"{site.add}: 1 line is no user's: line 2"


def test_a_user_file_that_another_program_has_emptied_is_told(site: Site) -> None:
    assert run(str(site.folder), "user", "set", "bob", "quota=1").status == 0
    assert run(str(site.folder), "merge").status == 0
    assert site.look() == []
    site.txt.write_bytes(b"")
    site.add.write_text(f"eve:{SECRET}:\n")
    one = site.found("emptied")
    site.type(one.mend.partition("if nobody is to be in it: ")[2])
    assert site.look() == [], "nobody is to be in it"


def test_a_new_user_file_that_is_empty_is_no_finding(site: Site) -> None:
    site.txt.write_bytes(b"")
    assert site.look() == []


def test_what_lies_in_the_place_of_a_file_is_told_with_how_to_see_it(site: Site) -> None:
    site.add.mkdir()
    assert {one.mend for one in site.look() if one.id == "cannot-look"} == {
        f"see what lies there with ls -ld {site.add}, and put a file in its place"
    }


@pytest.mark.parametrize("name", ["nwauth.changes", "nwauth.lock", "nwauth.undo"])
@pytest.mark.parametrize("kind", ["a link", "something else"])
def test_what_lies_where_nwauth_writes_its_own_files_is_told_and_commands_say_what_it_is(
    site: Site, name: str, kind: str
) -> None:
    path, elsewhere = site.folder / name, site.path / "elsewhere"
    elsewhere.mkdir() if name == "nwauth.undo" else elsewhere.touch()
    if kind == "a link":
        path.symlink_to(elsewhere)
    elif name == "nwauth.undo":
        path.touch()
    else:
        path.mkdir()
    one = site.found("in-the-way", among=True)
    assert (one.file, kind == "a link") == (str(path), "is a link" in one.what)
    done = run(str(site.folder), "user", "set", "bob", "quota=1")
    assert (done.status, str(path) in done.err, "Too many levels" in done.err) == (75, True, False), done
    site.mend(one)
    assert run(str(site.folder), "user", "set", "bob", "quota=1").status == 0
    assert site.look() == []


def test_lines_of_passwd_files_that_are_no_users_are_told(site: Site) -> None:
    (site.folder / "people").write_bytes(b"# ours\nbob:x:1:1:::\n+@nis\n\nno colon\neve:x:1:1::/\0:\n")
    (site.folder / "secrets").write_text(f"bob:{SECRET}:1::::::\n:nobody:\n")
    for name in ("people", "secrets"):
        (site.folder / name).chmod(0o600)
        os.utime(site.folder / name, (LONG_AGO, LONG_AGO))
    site.toml.write_text('[[stores]]\nkind = "passwd"\npath = "people"\nshadow = "secrets"\n')
    found = [(one.file, one.line, one.what) for one in site.look() if one.id == "odd-passwd-lines"]
    people, secrets = site.folder / "people", site.folder / "secrets"
    assert found == [
        (str(people), 5, f"{people}: 2 lines are no users': line 5 is the first"),
        (str(secrets), 2, f"{secrets}: 1 line is no user's: line 2"),
    ]


def test_two_spellings_of_one_name_are_told(site: Site) -> None:
    site.users("BOB", "eve", "Ada", "bob", "ada")
    one = site.found("case-twins")
    assert one.what == (
        f"{site.txt}: 2 users differ from another in case alone: Ada (ada is found instead), BOB (bob is found instead)"
    )
    assert one.users == ("Ada", "BOB")
    site.type(one.mend.partition("see both with ")[2].partition(";")[0])
    site.users("eve", "Ada", "bob")
    assert site.look() == []


def test_two_codes_of_one_accent_are_told_by_what_tells_them_apart(site: Site) -> None:
    site.users("jos\xe9", "jose\u0301")
    one = site.found("case-twins")
    assert one.what == (
        f"{site.txt}: 1 user differs from another in case, or in how an accent is encoded, alone:"
        " jos\xe9 ('jos\\xe9'; 'jose\\u0301' is found instead)"
    )
    command = one.mend.partition("see both with ")[2].partition("; take")[0]
    shown = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
    assert len(shown.splitlines()) == 2


def test_a_user_on_several_lines_is_told_with_their_numbers_and_the_last_counts(site: Site) -> None:
    site.users("bob", "eve", "ada")
    with site.txt.open("a") as file:
        file.write(f"# old\nbob:{LOCKED}:\neve:{LOCKED}:\nbob:*last:\nbob\n")
    one = next(one for one in site.look() if one.id == "same-name-twice")
    assert one.what == (
        f"{site.txt}: 2 users stand on more than one line: bob (lines 1, 5, 7), eve (lines 2, 6); the last one counts"
    )
    assert (one.line, one.users) == (1, ("bob", "eve"))
    os.utime(site.txt, (LONG_AGO, LONG_AGO))
    with Child(site.folder) as child:
        assert child.ask(b"check bob last").startswith(b"+OK bob ")
        assert child.ask(b"check eve secret").startswith(b"-ERR ")
    shown = one.mend.partition("where an earlier one is right: ")[2].partition(" shows")[0]
    done = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"bob:{SECRET}:", f"bob:{LOCKED}:", "bob:*last:"]
    site.mend(one)
    assert site.is_gone("same-name-twice")
    assert [line.partition(":")[0] for line in site.txt.read_text().splitlines()] == ["ada", "bob", "eve"]


def test_of_a_user_on_many_lines_the_first_and_the_last_are_told(site: Site) -> None:
    site.users(*["bob"] * MANY)
    one = site.found("same-name-twice", among=True)
    assert f"1 user stands on more than one line: bob (lines 1, 2, 3, {MANY});" in one.what


@pytest.mark.parametrize("name", ["nwauth.txt", "nwauth.add"])
def test_a_byte_order_mark_before_a_user_is_told_with_its_line(site: Site, name: str) -> None:
    site.users("bob", "eve")
    site.txt.rename(site.folder / name)
    path = site.folder / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\xef\xbb\xbf# of a file that was put behind\n")
    one = site.found("byte-order-mark", among=True)
    assert one.what == (f"{path}: 2 lines begin with a byte order mark, which no editor shows: line 1 is the first")
    assert one.line == 1
    site.type(one.mend.removeprefix("while no server runs that could add lines: "))
    assert path.read_bytes().startswith(b"bob:")
    assert "byte-order-mark" not in [other.id for other in site.look()]


@pytest.mark.parametrize("name", ["a^b", "a[b", "a.b$", "*", "a]b", "(a|b)+", "a{1}", "a\\b"])
def test_the_command_that_shows_two_spellings_finds_them_whatever_the_name(site: Site, name: str) -> None:
    site.users(f"x{name}", f"X{name}")
    command = site.found("case-twins").mend.partition("see both with ")[2].partition("; take")[0]
    shown = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
    assert len(shown.splitlines()) == 2


def test_a_journal_that_spells_a_user_otherwise_is_told(site: Site) -> None:
    site.add.write_text(f"BOB:{SECRET}:\n")
    assert site.found("case-twins").users == ("bob",)
    site.add.write_text(f"BOB:{SECRET}:\n#del bob\n")
    assert site.look() == []


def test_a_journal_that_nobody_has_folded_is_told(site: Site) -> None:
    line = f"eve:{SECRET}:\n"
    site.add.write_text(line * (MIN_JOURNAL_BYTES // len(line) + 1))
    one = site.found("long-journal")
    assert f"{MIN_JOURNAL_BYTES:,} are the limit" in one.what
    site.mend(one)
    assert site.look() == []


def test_a_large_file_without_its_index_is_told(site: Site) -> None:
    site.users(*(f"user{number}" for number in range(MANY)))
    one = site.found("no-index")
    site.mend(one)
    assert site.look() == []
    site.users(*(f"user{number}" for number in range(MANY + 1)))
    site.mend(site.found("no-index"))
    assert site.look() == []


@pytest.mark.parametrize("at", [0, 200, -100])
def test_an_index_that_is_damaged_is_told(site: Site, at: int) -> None:
    site.users(*(f"user{number}" for number in range(MANY)))
    site.mend(site.found("no-index"))
    index = site.folder / "nwauth.idx"
    content = bytearray(index.read_bytes())
    content[at] ^= 0xFF
    index.write_bytes(content)
    one = site.found("damaged-index")
    site.mend(one)
    assert site.look() == []


def test_what_a_crash_has_left_is_told_and_what_is_being_made_is_not(site: Site) -> None:
    left = site.folder / "nwauth.tmp.0123456789ab"
    left.write_text("bob:x:\n")
    with left.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert site.look() == []
    one = site.found("leftovers")
    assert str(left) in one.what
    site.mend(one)
    assert not left.exists()
    assert site.look() == []


def test_rejected_lines_are_told(site: Site) -> None:
    rejected = site.folder / "nwauth.rejected"
    rejected.write_text("nwauth.txt:3:nonsense\n")
    rejected.chmod(0o600)
    one = site.found("rejected-lines")
    assert one.what == f"{rejected} holds 1 line that a merge found no place for"
    rejected.unlink()
    assert site.look() == []


def test_a_disk_without_room_is_told(site: Site) -> None:
    for kilobytes, kind in ((512, "no-room"), (8192, "little-room")):
        with small_disk(site.path / "disk", kilobytes=kilobytes) as disk:
            shutil.copytree(site.folder, disk / "mail")
            one = next(iter(files.room(_at(site, disk / "mail"))))
            assert (one.id, str(disk) in one.what) == (kind, True)
    assert list(files.room(site.place())) == []


def test_a_disk_that_is_read_only_is_told(site: Site) -> None:
    with small_disk(site.path / "disk", kilobytes=64000) as disk:
        shutil.copytree(site.folder, disk / "mail")
        os.system(f"mount -o remount,ro {disk}")
        assert [one.id for one in files.room(_at(site, disk / "mail"))] == ["cannot-write"]
        assert run(str(disk / "mail"), "doctor", "--format", "ndjson").out.count("remount it") == 2  # the log's, too
        os.system(f"mount -o remount,rw {disk}")
        assert list(files.room(_at(site, disk / "mail"))) == []


def _at(site: Site, folder: Path) -> Place:
    site.folder = folder
    place = site.place()
    site.folder = site.path / "mail"
    return place


def test_a_file_that_cannot_be_looked_at_is_told_and_all_else_goes_on(site: Site) -> None:
    site.txt.unlink()
    site.txt.mkdir()
    site.add.write_text("eve:*secret:\n")
    found = site.look()
    assert {one.severity for one in found if one.id in ("cannot-look", "store-down")} == {CANNOT_TELL}
    assert {one.id for one in found} >= {"cannot-look", "store-down"}
    site.txt.rmdir()
    site.users("bob")
    site.add.unlink()
    assert site.look() == []
