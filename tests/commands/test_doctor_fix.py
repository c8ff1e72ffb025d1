"""``nwauth doctor --fix``: what is mended, what is left alone, what became of it; those who serve go on."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nwauth import config
from nwauth.build import store as build_store
from nwauth.changes.recorder import Recorder
from nwauth.doctor.checks import examined
from nwauth.doctor.fixing import FAILED, Case, plan
from nwauth.model import Info, User
from nwauth.stores.flatfile.chores import MIN_JOURNAL_BYTES
from nwauth.stores.flatfile.notes import LockFile, OldJournal
from tests.commands.common import COMMAND, Terminal, contents, environment, run
from tests.doctoring import SECRET, Site
from tests.faults.databases import small_disk
from tests.faults.folders import in_child
from tests.serving import Child

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_other_servers")
ROOT = os.geteuid() == 0
OWNER = 12345
MANY = 3000
KEYS = ["id", "severity", "what", "why", "mend", "file", "line", "users", "outcome", "told"]
ODD = b"no colon in it\n:no name:\n\xff\xfe half a line\n"


def fix(site: Site, *words: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit status, the records by the kind of finding, and what was said."""
    done = run(str(site.folder), "doctor", "--dmail-conf", str(site.dmail_file), "--fix", *words)
    rows = done.records()
    assert all(list(row) == KEYS for row in rows)
    assert len({row["id"] for row in rows}) == len(rows), rows
    return done.status, {row["id"]: row for row in rows}, done.err


def let_a_minute_pass(site: Site) -> None:
    """The last merge was a minute ago."""
    lock = LockFile(str(site.folder / "nwauth.lock"), model=str(site.txt))
    notes = lock.take()
    notes.old_journals = [OldJournal(old.inode, old.length, old.swapped_at - 60) for old in notes.old_journals]
    lock.save(notes)
    lock.close()


def outcomes(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {kind: row["outcome"] for kind, row in rows.items()}


def break_all(site: Site) -> None:
    """Everything that can be mended is wrong at once."""
    site.users(*(f"user{number}" for number in range(MANY)))
    with site.txt.open("ab") as file:
        file.write(ODD)
    line = f"eve:{SECRET}:\n"
    site.add.write_text(line * (MIN_JOURNAL_BYTES // len(line) + 1))
    for name in ("nwauth.tmp.0123456789ab", "nwauth.tmp.index", "nwauth.throttle.new.7", "nwauth.key.new.8"):
        (site.folder / name).write_text("half")
    site.txt.chmod(0o604)
    site.add.chmod(0o600)


# --- what it does ----------------------------------------------------------------------------------------------------


def test_nothing_wrong_is_nothing_to_do(site: Site) -> None:
    before = contents(str(site.folder))
    assert fix(site) == (0, {}, "nothing is wrong\n")
    assert fix(site, "--yes")[0] == fix(site, "--dry-run")[0] == 0
    assert contents(str(site.folder)) == before


def test_a_dry_run_shows_what_it_would_do_and_does_nothing(open_site: Site) -> None:
    break_all(open_site)
    before = contents(str(open_site.folder))
    done = run(str(open_site.folder), "doctor", "--fix", "--dry-run")
    rows = done.records()
    assert contents(str(open_site.folder)) == before
    assert {row["outcome"] for row in rows} == {"would mend"}
    assert {row["id"] for row in rows} == {"open-to-others", "odd-lines", "long-journal", "no-index", "leftovers"}
    assert done.status == 1
    assert done.err.endswith("6 findings would be mended\n")


def test_where_there_is_no_journal_none_is_said_to_be_folded(site: Site) -> None:
    site.users("bob")
    with site.txt.open("a") as file:
        file.write("no line of anybody's\n")
    os.utime(site.txt, (1, 1))
    done = run(str(site.folder), "doctor", "--fix", "--yes", "--format", "json")
    (row,) = [row for row in json.loads(done.out) if row["id"] == "odd-lines"]
    assert row["told"].startswith(f"{site.txt} was written in order, which has 1 user; 1 line put aside in ")


def test_all_that_can_be_mended_is_and_what_needs_a_person_comes_to_light(open_site: Site) -> None:
    break_all(open_site)
    done = run(str(open_site.folder), "doctor", "--fix", "--yes")
    rows = done.records()
    assert [(row["id"], row["outcome"]) for row in rows if row["outcome"] != "mended"] == [
        ("rejected-lines", "untouched")
    ]
    assert len(rows) == 7
    assert done.status == 1
    assert [one.id for one in open_site.look()] == ["rejected-lines"]
    rejected = open_site.folder / "nwauth.rejected"
    assert (rejected.stat().st_mode & 0o777, open_site.txt.stat().st_mode & 0o777) == (0o600, 0o600)
    kept = rejected.read_bytes().splitlines(keepends=True)
    assert [line.split(b":", 2)[2] for line in kept] == ODD.splitlines(keepends=True)
    assert [line.split(b":", 2)[1] for line in kept] == [b"%d" % (MANY + 1 + at) for at in range(3)]
    left = {name for name in os.listdir(open_site.folder) if ".add.old." not in name}
    assert left == {"nwauth.add", "nwauth.idx", "nwauth.lock", "nwauth.rejected", "nwauth.toml", "nwauth.txt"}


def test_an_index_of_a_folder_that_is_merged_is_made_by_that_and_not_before(site: Site) -> None:
    site.users(*(f"user{number}" for number in range(MANY)))
    with site.txt.open("a") as file:
        file.write("nonsense\n")
    status, rows, _ = fix(site, "--yes")
    assert (status, rows["no-index"]["outcome"]) == (1, "mended")
    assert rows["no-index"]["told"] == rows["odd-lines"]["told"]


def test_a_second_time_there_is_nothing_to_mend(site: Site) -> None:
    site.users(*(f"user{number}" for number in range(MANY)))
    status, rows, err = fix(site, "--yes")
    assert (status, outcomes(rows), err) == (0, {"no-index": "mended"}, "1 finding mended\n")
    assert rows["no-index"]["told"] == f"{site.folder}/nwauth.idx was made anew"
    before = contents(str(site.folder))
    assert fix(site, "--yes") == (0, {}, "nothing is wrong\n")
    assert contents(str(site.folder)) == before


@pytest.mark.parametrize("damage", ["a byte changed", "an older file's", "of another version", "empty"])
def test_an_index_is_made_anew_whatever_is_wrong_with_it(site: Site, damage: str) -> None:
    site.users(*(f"user{number}" for number in range(MANY)))
    index = site.folder / "nwauth.idx"
    assert fix(site, "--yes")[0] == 0
    content = bytearray(index.read_bytes())
    if damage == "a byte changed":
        content[200] ^= 0xFF
    elif damage == "an older file's":
        site.users(*(f"user{number}" for number in range(MANY + 1)))
    elif damage == "of another version":
        content[0] += 1
    else:
        content.clear()
    index.write_bytes(content)
    users = site.txt.read_bytes(), site.txt.stat()
    status, rows, _ = fix(site, "--yes")
    assert (status, set(outcomes(rows).values()), len(rows)) == (0, {"mended"}, 1)
    assert (site.txt.read_bytes(), site.txt.stat()) == users, "the users' lines are not touched"


def test_what_is_being_made_is_no_leftover(site: Site) -> None:
    dead = site.folder / "nwauth.tmp.0123456789ab"
    dead.write_text("bob:x:\n")
    alive = site.folder / "nwauth.tmp.ba9876543210"
    alive.write_text("bob:x:\n")
    with alive.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        status, rows, _ = fix(site, "--yes")
    assert (status, outcomes(rows)) == (0, {"leftovers": "mended"})
    assert (dead.exists(), alive.exists()) == (False, True)


def test_nothing_is_removed_while_somebody_rewrites_the_folder(site: Site) -> None:
    unfinished = site.folder / "nwauth.tmp.0123456789ab"
    unfinished.write_text("bob:x:\n")
    guard = site.folder / "nwauth.tmp.rewrite"
    guard.touch()
    with guard.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        status, rows, err = fix(site, "--yes")
    assert (status, outcomes(rows), err) == (0, {}, "nothing is wrong\n")  # it may be that process's
    assert unfinished.exists()
    assert outcomes(fix(site, "--yes")[1]) == {"leftovers": "mended"}
    assert not unfinished.exists()


# --- what it leaves alone --------------------------------------------------------------------------------------------


def test_what_wants_judgement_is_left_and_the_status_says_so(site: Site) -> None:
    site.users("bob", "eve", field="{foo}bar")
    site.dmail("authent_cache 7\nlowercase_username false\n")
    before = contents(str(site.folder))
    status, rows, err = fix(site, "--yes")
    assert (status, set(outcomes(rows).values())) == (1, {"untouched"})
    assert {row["told"] for row in rows.values()} == {None}
    assert err == "2 findings left\n"
    assert contents(str(site.folder)) == before


def test_two_spellings_of_a_name_keep_it_from_merging(site: Site) -> None:
    site.users("Bob", "bob")
    with site.txt.open("a") as file:
        file.write("nonsense\n")
    before = site.txt.read_bytes()
    status, rows, _ = fix(site, "--yes")
    assert (status, outcomes(rows)) == (1, {"case-twins": "untouched", "odd-lines": "untouched"})
    assert "two spellings of one name" in rows["odd-lines"]["told"]
    assert site.txt.read_bytes() == before


def test_files_that_nwauth_only_reads_are_left_as_they_are(open_site: Site) -> None:
    toml = open_site.toml.read_text().replace("shared = false", "shared = false\nread_only = true")
    open_site.toml.write_text(toml)
    (open_site.folder / "nwauth.tmp.0123456789ab").touch()
    open_site.txt.write_text(open_site.txt.read_text() + "nonsense\n")
    open_site.txt.chmod(0o644)
    status, rows, _ = fix(open_site, "--yes")
    assert (status, set(outcomes(rows).values())) == (1, {"untouched"})
    assert rows["odd-lines"]["told"] == "left alone: the store flatfile is read_only"
    assert rows["open-to-others"]["told"] == "left alone: other programs may use it by these rights"


@pytest.mark.skipif(not ROOT, reason="only root can start a program as another account")
def test_rights_that_a_child_lives_by_stay(open_site: Site) -> None:
    """A child of another account reads the users as everybody can: without these rights nobody could log in."""
    open_site.txt.chmod(0o644)
    open_site.toml.chmod(0o644)
    module = open_site.path / "nwauth"  # one that this account can start, wherever the interpreter is
    module.write_text("#!/bin/sh\nread line\n")
    module.chmod(0o755)
    words = [str(module), "-path", str(open_site.folder)]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, user="nobody", group="nogroup", extra_groups=[], cwd="/")
    try:
        status, rows, _ = fix(open_site, "--yes")
    finally:
        child.communicate()
    assert status == 1
    told = rows["open-to-others"]["told"]
    assert told == f"left alone: nwauth (process {child.pid}) runs as nobody, which has no other right to it"
    assert open_site.txt.stat().st_mode & 0o777 == 0o644
    assert fix(open_site, "--yes")[0] == 0


# --- asking ----------------------------------------------------------------------------------------------------------


def test_it_asks_before_and_a_no_changes_nothing(site: Site) -> None:
    left = site.folder / "nwauth.tmp.0123456789ab"
    left.touch()
    before = contents(str(site.folder))
    terminal = Terminal(str(site.folder), "doctor", "--fix", NO_COLOR="1", columns=200)
    assert terminal.answer({"Do this? [y/N] ": "n\r"}) == 1
    assert f"- remove {left}\n" in terminal.screen
    assert "nothing was changed" in terminal.screen
    assert contents(str(site.folder)) == before
    terminal = Terminal(str(site.folder), "doctor", "--fix", NO_COLOR="1", columns=200)
    assert terminal.answer({"Do this? [y/N] ": "y\r"}) == 0
    assert f"fix mended: 1 unfinished file of {site.folder} removed" in " ".join(terminal.screen.split())
    assert not left.exists()


def test_without_a_terminal_it_wants_to_be_told(site: Site) -> None:
    break_all(site)
    before = contents(str(site.folder))
    done = run(str(site.folder), "doctor", "--fix")
    assert (done.status, done.out) == (2, "")
    assert "no terminal to ask on whether to" in done.err
    assert "--yes if you mean it" in done.err
    assert contents(str(site.folder)) == before


def test_a_dry_run_of_nothing_is_refused(site: Site) -> None:
    done = run(str(site.folder), "doctor", "--dry-run")
    assert (done.status, done.out) == (2, "")
    assert "--dry-run: wanted --fix with it" in done.err


# --- when it goes wrong ----------------------------------------------------------------------------------------------


def test_a_file_that_another_writes_now_is_left_until_later(site: Site) -> None:
    """Users are on their way into it: nothing may be made of what is there by now."""
    site.toml.write_text(site.toml.read_text().replace("settle_seconds = 0.0", "settle_seconds = 3600"))
    site.users(*(f"user{number}" for number in range(MANY)))
    status, rows, _ = fix(site, "--yes")
    assert (status, rows["no-index"]["outcome"]) == (75, "failed")
    assert "nwauth.txt is being written by another program, try again in 3600 s" in rows["no-index"]["told"]
    assert not (site.folder / "nwauth.idx").exists()


def test_a_fix_that_fails_on_the_way_says_what_stands_and_the_others_are_made(site: Site) -> None:
    """The disk is full: no journal can be folded, but what a crash has left can go."""
    with small_disk(site.path / "disk", kilobytes=4096) as disk:
        folder = disk / "mail"
        shutil.copytree(site.folder, folder)
        line = f"eve:{SECRET}:\n"
        (folder / "nwauth.add").write_text(line * (MIN_JOURNAL_BYTES // len(line) + 1))
        (folder / "nwauth.add").chmod(0o600)
        (folder / "nwauth.txt").write_text("".join(f"user{n}:{SECRET}:\n" for n in range(2 * MANY)))
        (folder / "nwauth.key.new.7").touch()
        fill(disk)
        users = {name: (folder / name).read_bytes() for name in ("nwauth.txt", "nwauth.add")}
        done = run(str(folder), "doctor", "--fix", "--yes")
        rows = {row["id"]: row for row in done.records()}
        assert {name: (folder / name).read_bytes() for name in users} == users
        assert rows["leftovers"]["outcome"] == "mended"
        assert rows["long-journal"]["outcome"] == "failed"
        assert "No space left on device" in rows["long-journal"]["told"]
        assert (done.status, done.err.endswith("left\n")) == (75, True)
        assert rows["no-index"]["outcome"] == "failed"
        assert [name for name in os.listdir(folder) if "tmp" in name or ".new." in name] == []


def test_what_has_gone_since_it_was_found_is_told_and_the_others_are_mended(open_site: Site) -> None:
    break_all(open_site)
    place = open_site.place()
    cases = [Case(finding=one, check=check) for check, one in examined(place)]
    open_site.txt.unlink()
    steps = plan(place, cases)
    (gone,) = [case for case in cases if case.outcome == FAILED]
    assert (gone.finding.id, gone.finding.file) == ("open-to-others", str(open_site.txt))
    assert gone.told == f"{open_site.txt}: No such file or directory"
    assert gone.is_untold
    assert {case.finding.id for step in steps for case in step.cases} >= {"leftovers", "long-journal"}


def fill(disk: Path) -> None:
    filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(filler, bytes(4096))
    except OSError:
        return
    finally:
        os.close(filler)


@pytest.mark.parametrize("nth", range(1, 7))
def test_a_fix_that_is_killed_leaves_every_user_and_is_made_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """It dies at each renaming, removal and synchronisation of a merge in turn."""
    from nwauth.doctor.fixes import FIXES

    site.users(*(f"user{number}" for number in range(MANY)))
    with site.txt.open("ab") as file:
        file.write(ODD)
    site.add.write_text(f"eve:{SECRET}:\n")
    calls = 0

    def dies(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)

        monkeypatch.setattr(os, name, call)

    place = site.place()
    found = site.look()

    def work() -> None:
        for name in ("rename", "unlink", "fsync"):
            dies(name)
        odd = next(one for one in found if one.id == "odd-lines")
        FIXES["odd-lines"](place, odd, found).do()

    assert in_child(work) == -signal.SIGKILL
    assert fix(site, "--yes")[0] == 1
    assert [one.id for one in site.look()] == ["rejected-lines"]
    done = run(str(site.folder), "user", "list", "--format", "csv")
    assert len(done.out.splitlines()) == 1 + MANY + 1


def test_a_change_that_was_killed_is_looked_up_and_can_be_taken_back_then(site: Site) -> None:
    """The user was added, and the command killed before it had noted that."""

    def killed() -> None:
        recorder = Recorder(
            lambda: str(site.folder),
            command="user add",
            now=lambda: datetime.now(UTC),
            scheme_of=lambda _: "argon2id",
            note=print,
        )
        recorder.made = lambda **_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        settings = site.place().flat[0]
        store = recorder.around(build_store(config.read(str(site.folder)), settings))
        store.put(User(name="eve", stored_password=SECRET, info=Info("")))

    assert in_child(killed) == -signal.SIGKILL
    one = site.found("open-steps")
    assert one.what == f"1 command that changed users was killed half-way: {site.folder}/nwauth.undo/00000001.open"
    status, rows, _ = fix(site, "--dry-run")
    assert (status, outcomes(rows)) == (1, {"open-steps": "would mend"})
    status, rows, _ = fix(site, "--yes")
    assert (status, outcomes(rows)) == (0, {"open-steps": "mended"})
    assert site.look() == []
    assert run(str(site.folder), "user", "show", "eve").status == 0
    assert run(str(site.folder), "undo").status == 0
    assert run(str(site.folder), "user", "show", "eve").status == 1


def test_clear_text_that_counts_no_more_is_told_with_its_line_and_merged_away(site: Site) -> None:
    site.users("bob", "eve")
    with site.txt.open("a") as file:
        file.write("ada:*sesame:\nben:{CLEAR}sesame:\nzoe:{CLEARTEXT}x:\numa:*LK*:\n")
    site.add.write_text("\nada:*old:\n#del ben\numa:!:\n")
    site.add.chmod(0o600)
    assert run(str(site.folder), "user", "passwd", "ada", "--generate").status == 0
    txt, add = [one for one in site.look() if one.id == "old-clear-text"]
    assert txt.what.endswith(
        ": 2 lines with a password in clear text are there still, from before a change in"
        " nwauth.add: line 3 is the first"
    )
    assert (txt.file, txt.line) == (str(site.txt), 3)
    assert (add.file, add.line) == (str(site.add), 2)
    rows = run(str(site.folder), "doctor", "--fix", "--yes").records()
    (kept,) = site.folder.glob("nwauth.add.old.*")
    assert {(row["id"], row["file"], row["outcome"]) for row in rows} == {
        ("clear-text", None, "untouched"),
        ("old-clear-text", str(site.txt), "mended"),
        ("old-clear-text", str(site.add), "mended"),
        ("old-clear-text", str(kept), "untouched"),
    }
    assert b"sesame" not in site.txt.read_bytes() + site.add.read_bytes()


def test_clear_text_in_a_journal_that_a_merge_keeps_for_a_while_is_told_until_it_is_removed(site: Site) -> None:
    site.users("bob")
    site.add.write_text("bob:*old:\n")
    site.add.chmod(0o600)
    assert run(str(site.folder), "user", "passwd", "bob", "--generate").status == 0
    assert run(str(site.folder), "merge").status == 0
    (kept,) = site.folder.glob("nwauth.add.old.*")
    one = site.found("old-clear-text")
    assert (
        one.what
        == f"{kept}: 1 line with a password in clear text is there still, kept for a while after a merge: line 1"
    )
    assert re.fullmatch(r"another program may be writing to it for \d+ s yet; then: nwauth --path \S+ merge", one.mend)
    _, rows, _ = fix(site, "--yes")
    assert rows["old-clear-text"]["outcome"] == "untouched"
    assert rows["old-clear-text"]["told"].endswith(" s yet; a merge after that removes it")

    let_a_minute_pass(site)
    assert site.found("old-clear-text").mend.startswith("nwauth ")
    status, rows, _ = fix(site, "--yes")
    assert (status, outcomes(rows)) == (0, {"old-clear-text": "mended"})
    assert not kept.exists()


def test_clear_text_in_an_old_journal_that_no_merge_knows_of_is_told(site: Site) -> None:
    site.users("bob")
    stray = site.folder / "nwauth.add.old.7"
    stray.write_text(f"bob:*old:\nbob:{SECRET}:\neve:*there:\n")
    assert site.found("old-clear-text").mend == f"no merge knows of it any more: rm {stray}"
    _, rows, _ = fix(site, "--yes")
    assert rows["old-clear-text"]["told"] == "left alone: no merge knows of it any more"


def test_clear_text_of_which_a_journal_says_nothing_newer_is_no_old_one(site: Site) -> None:
    site.users("bob", field="*secret")
    site.add.write_text(f"eve:{SECRET}:\nada:*secret:\n")
    assert site.found("clear-text").what.startswith("2 users have the password in clear text")


DAMAGE = {
    "empty": b"",
    "another program's": b"garbage\n",
    "a block lost in a crash": bytes(4096),
    "of no known form": b'{"command": "user add", "time": "2026-01-01T00:00:00+00:00"}\n{"strange": 1}\n',
}


@pytest.mark.parametrize("end", ["", ".open"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_step_that_cannot_be_read_is_told_and_forgotten_when_it_is_moved_away(
    site: Site, damage: str, end: str
) -> None:
    assert run(str(site.folder), "user", "set", "bob", "quota=5").status == 0
    step = site.folder / "nwauth.undo" / f"00000002{end}"
    step.write_bytes(DAMAGE[damage])
    one = site.found("damaged-steps")
    assert (one.what, one.file) == (f"1 step of nwauth undo cannot be read: {step}", str(step))
    assert fix(site, "--yes")[0] == 1, "it is nobody's to mend but the administrator's"
    site.mend(one)
    assert site.look() == []
    assert run(str(site.folder), "undo").status == 0


@pytest.mark.parametrize("end", ["", ".open"])
def test_a_step_of_a_later_version_is_left_to_that_one(site: Site, end: str) -> None:
    assert run(str(site.folder), "user", "set", "bob", "quota=5").status == 0
    first = site.folder / "nwauth.undo" / "00000001"
    step = first.with_name(f"00000002{end}")
    step.write_bytes(first.read_bytes().replace(b'"nwauth_undo":1', b'"nwauth_undo":2'))
    assert site.look() == []
    assert fix(site, "--yes")[0] == 0
    assert step.exists()


def test_a_folder_of_what_was_that_everybody_can_look_into_is_closed(open_site: Site) -> None:
    assert run(str(open_site.folder), "user", "set", "bob", "quota=5").status == 0
    undo = open_site.folder / "nwauth.undo"
    undo.chmod(0o755)
    open_site.txt.chmod(0o600)
    assert open_site.found("open-to-others").what.startswith(f"everybody on this machine can look into {undo}: ")
    status, rows, _ = fix(open_site, "--yes")
    assert (status, outcomes(rows), undo.stat().st_mode & 0o777) == (0, {"open-to-others": "mended"}, 0o750)


# --- beside those who serve ------------------------------------------------------------------------------------------


def test_children_that_serve_answer_right_all_the_while(site: Site) -> None:
    break_all(site)
    names = [f"user{number}" for number in range(0, MANY, 7)] + ["eve"]
    with Child(site.folder) as first, Child(site.folder) as second:
        for child in (first, second):
            assert child.ask(b"lookup user1").startswith(b"+OK user1 ")
        doctor = subprocess.Popen(
            [*COMMAND, "--path", str(site.folder), "doctor", "--fix", "--yes"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        asked = 0
        while doctor.poll() is None:
            for child in (first, second):
                name = names[asked % len(names)].encode()
                assert child.ask(b"lookup %s" % name).startswith(b"+OK %s " % name)
                assert child.ask(b"lookup nobody%d" % asked).startswith(b"-ERR nobody%d does not exist" % asked)
                asked += 1
        out, _ = doctor.communicate()
        assert "rejected-lines" in out.decode()
        assert asked > len(names) // 4, "they were asked while it worked"
        for child in (first, second):
            assert child.ask(b"check eve secret").startswith(b"+OK eve ")
            assert child.ask(b"check user1 wrong").startswith(b"-ERR ")
    assert [one.id for one in site.look()] == ["rejected-lines"]


# --- as root ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT, reason="only root can take the ids of others")
def test_root_mends_as_the_owner_of_the_folder(open_site: Site) -> None:
    break_all(open_site)
    for path in (open_site.folder, *open_site.folder.iterdir()):
        os.chown(path, OWNER, OWNER)
    done = run(str(open_site.folder), "doctor", "--fix", "--yes")
    assert {json.loads(line)["outcome"] for line in done.out.splitlines()} == {"mended", "untouched"}
    assert {os.stat(path).st_uid for path in open_site.folder.iterdir()} == {OWNER}


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_root_is_led_to_no_file_of_anothers(open_site: Site) -> None:
    away = open_site.path / "roots-own"
    away.write_bytes(open_site.txt.read_bytes())
    away.chmod(0o644)
    open_site.txt.unlink()
    open_site.txt.symlink_to(away)
    for path in (open_site.folder, open_site.toml):
        os.chown(path, OWNER, OWNER)
    (open_site.folder / "nwauth.throttle").symlink_to(away)
    run(str(open_site.folder), "doctor", "--fix", "--yes")
    assert (away.stat().st_mode & 0o777, away.stat().st_uid) == (0o644, 0)


def test_each_work_leaves_a_line_in_the_log(site: Site) -> None:
    site.toml.write_text(site.toml.read_text() + '[log]\nlevel = "info"\n')
    (site.folder / "nwauth.tmp.0123456789ab").touch()
    assert fix(site, "--yes")[0] == 0
    (line,) = [line for line in (site.folder / "nwauth.log").read_text().splitlines() if " fix " in line]
    assert " fix finding=leftovers " in line
    assert line.endswith("result=ok")
