"""Whatever is wrong with the throttle's database, logins go on: it is a protection, not a gate (open, log, rebuild)."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.policy.throttle import database, files
from nwauth.policy.throttle.counts import ANEW_SECONDS, LOOK_SECONDS, Throttle
from nwauth.policy.throttle.database import Database
from nwauth.policy.throttle.making import DAMAGED
from nwauth.policy.throttle.outage import REST_SECONDS
from nwauth.policy.throttle.settings import FILE, ThrottleSettings
from nwauth.policy.throttle.tag import FILE as KEY_FILE
from nwauth.policy.throttle.tag import Tags
from tests.faults.folders import in_child, start, wait_for
from tests.faults.sqlite import OWNER, ROOT, give_away, left_journal, needs_root
from tests.faults.test_folder_and_disk import small_disk, write_on
from tests.stores.folders import fast_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOME, AWAY = "192.0.2.7", "198.51.100.9"
MANY = 400


class Copy:
    """What one copy of the program has: a throttle on the shared file, and what it told."""

    def __init__(self, folder: Path, *, per_user: int = 3, per_address: int = 1000) -> None:
        self.file = folder / FILE
        self.told: list[dict[str, object]] = []
        self.monotonic = 1000.0
        tags = Tags(str(folder / KEY_FILE), notice=self.told.append, monotonic=lambda: self.monotonic)
        self.throttle = Throttle(
            ThrottleSettings(per_user=per_user, per_address=per_address),
            str(self.file),
            tags=tags,
            notice=self.told.append,
            monotonic=lambda: self.monotonic,
        )

    def login(self, user: str = "bob", address: str = HOME) -> bool:
        """Whether a right password is let in."""
        refused = self.throttle.refusal(user, address)
        if refused is None:
            self.throttle.succeeded(user, address)
        return refused is None

    def fail(self, user: str = "bob", count: int = 6, address: str = HOME) -> None:  # of six tags some may be the same
        for n in range(count):
            self.throttle.failed(user, b"wrong %d" % n, address)

    def refuses(self, user: str = "bob") -> bool:
        return self.throttle.refusal(user, AWAY) is not None

    def rest(self) -> None:
        self.monotonic += REST_SECONDS + LOOK_SECONDS

    def states(self) -> list[object]:
        return [facts["state"] for facts in self.told]

    def assert_counts(self, user: str) -> None:
        assert not self.refuses(user)
        self.fail(user)
        assert self.refuses(user)


@pytest.fixture
def folder() -> Iterator[Path]:
    with fast_folder() as path:
        yield Path(path)


@pytest.fixture
def copy(folder: Path) -> Iterator[Copy]:
    one = Copy(folder)
    yield one
    one.throttle.close()


def filled(folder: Path) -> Path:
    """A database in which much is counted, all of it in the file itself."""
    one = Copy(folder)
    for n in range(MANY):
        one.fail(f"user{n}", 2)
    one.throttle.close()
    assert one.told == []
    return folder / FILE


def assert_whole(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def changed_middle(file: Path) -> None:
    """Each page but the first is overwritten."""
    content = file.read_bytes()
    file.write_bytes(content[:4096] + random.Random(7).randbytes(len(content) - 4096))


def sql(*statements: str) -> Callable[[Path], None]:
    def run(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return run


def other_database(file: Path) -> None:
    file.unlink()
    sql("CREATE TABLE moz_cookies (id INTEGER)")(file)


ENDLESS = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c)"
DAMAGES: dict[str, Callable[[Path], object]] = {
    "a garbage header": lambda file: file.write_bytes(b"garbage!" * 100 + file.read_bytes()[800:]),
    "garbage alone": lambda file: file.write_bytes(b"no database at all"),
    "an empty file": lambda file: file.write_bytes(b""),
    "cut to half a page": lambda file: os.truncate(file, 2048),
    "cut to one page": lambda file: os.truncate(file, 4096),
    "cut in the middle": lambda file: os.truncate(file, file.stat().st_size // 8192 * 4096 + 100),
    "damaged pages": changed_middle,
    "zeros behind the first page": lambda file: file.write_bytes(
        file.read_bytes()[:4096] + bytes(file.stat().st_size - 4096)
    ),
    "a database of another program": other_database,
    "a table that lacks": sql("DROP TABLE of_user"),
    "an index that lacks": sql("DROP INDEX trusted_at"),
    "another schema": sql("ALTER TABLE of_user RENAME COLUMN tag TO label"),
    "a trigger": sql("CREATE TRIGGER t AFTER INSERT ON of_user BEGIN DELETE FROM of_user; END"),
    "a trigger without an end": sql(f"CREATE TRIGGER t AFTER INSERT ON of_user BEGIN SELECT {ENDLESS}; END"),
    "a view without an end": sql(
        "DROP TABLE of_user", f"CREATE VIEW of_user AS SELECT x'00' AS user, {ENDLESS} AS tag, 0 AS at"
    ),
    "another number of its kind": sql("PRAGMA application_id = 7"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_corrupt_database_refuses_nobody_is_told_once_put_aside_and_made_anew(folder: Path, damage: str) -> None:
    file = filled(folder)
    DAMAGES[damage](file)
    content = file.read_bytes()
    one, other = Copy(folder), Copy(folder)
    for n in range(MANY):
        assert one.login(f"user{n}")
        assert other.login(f"user{n}")
    assert one.states() == ["rebuilt"]
    assert other.told == []
    assert str(file) in str(one.told[0]["reason"])
    aside = Path(f"{file}{DAMAGED}")
    assert len(aside.read_bytes()) == len(content)
    one.assert_counts("eve")
    assert other.refuses("eve")
    for copy in (one, other):
        copy.throttle.close()
    assert_whole(file)
    assert {path.name for path in folder.iterdir()} == {FILE, FILE + DAMAGED, KEY_FILE}
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_database_that_is_damaged_while_it_is_open_refuses_nobody_for_long(folder: Path, damage: str) -> None:
    """Other programs write into the file itself; what SQLite still remembers of it may be right for a while."""
    filled(folder)
    one = Copy(folder)
    assert one.login("user1")
    DAMAGES[damage](one.file)
    one.rest()
    for n in range(MANY):
        assert one.login(f"user{n}")
        one.fail(f"user{n}", 1)
    one.throttle.close()
    again = Copy(folder)
    assert again.login("eve")
    again.assert_counts("mallory")
    again.throttle.close()
    assert set(one.states() + again.states()) <= {"rebuilt", "down", "up"}
    assert_whole(one.file)


def test_a_trigger_that_comes_between_the_look_and_the_count_holds_no_login(folder: Path) -> None:
    """Nobody saw it come; the count is broken off, leaves nothing behind, and the next look finds it out."""
    file = filled(folder)
    opened = Database(str(file), files.identity(files.looked_at(str(file))), seconds=0.1)
    before = opened.rows("SELECT count(*) FROM of_client")
    DAMAGES["a trigger without an end"](file)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        opened.count(client=b"192.0.2.7", user=b"eve", tag=7, at=time.time(), since=0, for_user=True)
    opened.guard()
    assert opened.rows("SELECT count(*) FROM of_client") == before
    assert not opened.is_in_place()
    opened.close()


QUESTIONS: dict[str, Callable[[Database], object]] = {
    "of_client": lambda opened: opened.counts(b"192.0.2.7", b"eve", 0, (1, 1)),
    "of_user": lambda opened: opened.counts(b"192.0.2.7", b"eve", 0, (1, 1)),
    "trusted": lambda opened: opened.trusts(b"eve", b"192.0.2.7", 0),
    "trusted while the clock is put back": lambda opened: opened.clamp(0),
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_a_view_that_comes_between_two_looks_is_found_out_before_it_is_asked(folder: Path, what: str) -> None:
    file, table = filled(folder), what.split(maxsplit=1)[0]
    opened = Database(str(file), files.identity(files.looked_at(str(file))), seconds=20)
    sql(f"DROP TABLE {table}", f"CREATE VIEW {table} AS SELECT 0 AS user, 0 AS client, {ENDLESS} AS tag, 0 AS at")(file)
    opened.guard()
    with pytest.raises(sqlite3.OperationalError, match="no such index") as caught:
        QUESTIONS[what](opened)
    assert database.is_damage(caught.value)
    opened.close()


def test_a_database_that_was_packed_by_hand_is_used_on(folder: Path) -> None:
    """VACUUM counts as a change of the tables, which are the same as before."""
    filled(folder)
    one = Copy(folder)
    one.fail("eve")
    sql("VACUUM")(one.file)
    one.rest()
    assert one.refuses("eve")
    one.assert_counts("mallory")
    one.throttle.close()
    assert one.told == []


def test_a_database_that_is_damaged_again_and_again_is_not_made_anew_at_each_login(copy: Copy) -> None:
    copy.fail()
    for _ in range(5):
        copy.throttle.close()
        copy.file.write_bytes(b"garbage" * 1000)
        assert copy.login()
        copy.rest()
    assert copy.states() == ["rebuilt", "down"]
    copy.monotonic += ANEW_SECONDS
    assert copy.login()
    assert copy.states() == ["rebuilt", "down", "rebuilt", "up"]
    copy.assert_counts("eve")


def test_what_lies_in_the_place_of_the_one_put_aside_before_is_replaced(copy: Copy, folder: Path) -> None:
    (folder / (FILE + DAMAGED)).write_bytes(b"of last year")
    copy.file.write_bytes(b"garbage")
    assert copy.login()
    assert (folder / (FILE + DAMAGED)).read_bytes() == b"garbage"


def test_where_the_damaged_one_cannot_be_put_aside_logins_go_on(copy: Copy, folder: Path) -> None:
    (folder / (FILE + DAMAGED)).mkdir()
    copy.file.write_bytes(b"garbage")
    for _ in range(3):
        assert copy.login()
        copy.fail()
    assert not copy.refuses()
    assert set(copy.states()) == {"down"}
    assert copy.file.read_bytes() == b"garbage"


def test_four_processes_that_find_it_damaged_at_once_make_one_new_and_destroy_no_fresh_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 20.0)  # a login would not wait so long; a busy machine may
    monkeypatch.setattr(files, "TRIES", 4000)
    for _ in range(5):
        with fast_folder() as path:
            folder = Path(path)
            (folder / FILE).write_bytes(b"garbage" * 1000)
            gate, opened = os.pipe()

            def begin(number: int, folder: Path = folder, gate: int = gate, opened: int = opened) -> None:
                os.close(opened)
                os.read(gate, 1)
                one = Copy(folder, per_user=1000)
                for n in range(20):
                    assert one.login()
                    one.throttle.failed("bob", b"%d of %d" % (n, number), HOME)
                one.throttle.close()
                (folder / f"told.{number}").write_text(" ".join(map(str, one.states())))

            children = [start(lambda number=number: begin(number)) for number in range(4)]  # type: ignore[misc]
            os.close(opened)
            assert wait_for(children) == [0] * 4
            os.close(gate)
            told = sorted((folder / f"told.{number}").read_text() for number in range(4))
            assert told == ["", "", "", "rebuilt"]
            tags = Tags(str(folder / KEY_FILE), notice=print, monotonic=time.monotonic)
            distinct = {tags.tag("bob", b"%d of %d" % (n, number)) for n in range(20) for number in range(4)}
            with closing(sqlite3.connect(folder / FILE)) as connection:
                assert connection.execute("SELECT count(*) FROM of_user").fetchall() == [(len(distinct),)]
            assert_whole(folder / FILE)


# --- the file is gone, or another thing has its name -----------------------------------------------------------------


def test_a_file_that_is_removed_is_made_again_by_the_next_login(copy: Copy, folder: Path) -> None:
    copy.fail()
    assert copy.refuses()
    for path in folder.glob(FILE + "*"):
        path.unlink()
    copy.monotonic += LOOK_SECONDS
    assert copy.login()
    copy.assert_counts("eve")
    assert copy.told == []
    assert copy.file.exists()


def test_trust_is_noted_again_in_a_new_file(copy: Copy) -> None:
    assert copy.login()
    copy.file.unlink()
    copy.monotonic += LOOK_SECONDS
    assert copy.login()
    copy.fail(address=AWAY)
    assert copy.refuses()
    assert copy.login(address=HOME)


def test_a_backup_that_is_put_in_its_place_is_read(copy: Copy, folder: Path) -> None:
    copy.fail()
    backup = folder / "backup"
    with closing(sqlite3.connect(copy.file)) as connection:
        connection.execute("VACUUM INTO ?", [str(backup)])
    copy.fail("eve")
    for end in ("-wal", "-shm"):
        (folder / (FILE + end)).unlink()
    backup.rename(copy.file)
    copy.monotonic += LOOK_SECONDS
    assert copy.refuses("bob")
    assert not copy.refuses("eve")
    assert copy.told == []


@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_copies_that_lose_their_log_agree_again(folder: Path, end: str) -> None:
    one, other = Copy(folder), Copy(folder)
    one.fail("bob", 1)
    other.fail("bob", 1)
    (folder / (FILE + end)).unlink()
    for copy in (one, other) * 3:
        copy.rest()
        assert copy.login("somebody")
    for copy in (one, other):
        copy.throttle.close()
    one.assert_counts("eve")
    assert other.refuses("eve")
    for copy in (one, other):
        copy.throttle.close()
    assert_whole(one.file)


@pytest.mark.parametrize("size", [0, 100, 5000])
@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_a_log_that_is_cut_off_under_the_copy_that_uses_it_does_not_end_it(folder: Path, end: str, size: int) -> None:
    def serve() -> None:
        copy = Copy(folder)
        for n in range(30):
            if n % 3 == 1:
                cut()
            assert copy.login(f"user{n}")
            if n % 3 == 2:
                cut()
            copy.fail(f"user{n}", 1)
            copy.rest()
        if copy.throttle._database is not None:
            cut()
        copy.throttle.close()

    def cut() -> None:
        if (folder / (FILE + end)).exists():
            os.truncate(folder / (FILE + end), size)

    assert in_child(serve) == 0
    copy = Copy(folder)
    copy.login("somebody")
    copy.rest()
    copy.assert_counts("eve")
    copy.throttle.close()
    assert_whole(copy.file)


@pytest.mark.parametrize(
    "what", ["a folder", "a FIFO", "a log that is a folder", "a journal that is a FIFO", "no folder"]
)
def test_where_it_can_be_neither_read_nor_made_logins_go_on_which_is_told_once_and_ends_by_itself(
    copy: Copy, folder: Path, what: str
) -> None:
    away = folder.with_name(folder.name + ".away")
    log, journal = folder / (FILE + "-wal"), folder / (FILE + "-journal")
    if what == "a journal that is a FIFO":
        filled(folder)
    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "a folder": (copy.file.mkdir, copy.file.rmdir),
        "a FIFO": (lambda: os.mkfifo(copy.file), copy.file.unlink),
        "a log that is a folder": (log.mkdir, log.rmdir),
        "a journal that is a FIFO": (lambda: os.mkfifo(journal), journal.unlink),
        "no folder": (lambda: folder.rename(away), lambda: away.rename(folder)),
    }
    obstruct, clear = ways[what]
    obstruct()
    for _ in range(4):
        assert copy.login()
        copy.fail()
        copy.rest()
    assert not copy.refuses()
    down = [facts for facts in copy.told if facts["doing"] != "tag"]
    assert [facts["state"] for facts in down] == ["down"]
    assert str(folder) in str(down[0]["reason"]) or what == "a log that is a folder"
    clear()
    copy.rest()
    copy.assert_counts("eve")
    assert copy.told[-1]["state"] == "up"


def test_between_two_tries_nothing_is_tried(copy: Copy) -> None:
    copy.file.mkdir()
    assert copy.login()
    copy.file.rmdir()
    for _ in range(10):
        assert copy.login()
        copy.fail()
    assert not copy.file.exists()


@needs_root
@pytest.mark.parametrize("which", ["", "-wal", "-shm"])
@pytest.mark.parametrize("way", ["symbolic", "hard"])
def test_root_is_led_to_no_other_file_by_a_link(folder: Path, which: str, way: str) -> None:
    other = folder / "root"
    other.mkdir()
    filled(other)
    secret = other / FILE
    before = (secret.read_bytes(), secret.stat().st_mtime_ns)
    mail = folder / "mail"
    mail.mkdir()
    if which:
        filled(mail)
        os.chown(mail / FILE, OWNER, OWNER)
    os.chown(mail, OWNER, OWNER)
    link = mail / (FILE + which)
    if way == "symbolic":
        link.symlink_to(secret)
    else:
        os.link(secret, link)
    copy = Copy(mail)
    assert copy.login()
    copy.fail("eve")
    assert not copy.refuses("eve")
    copy.throttle.close()
    assert (secret.read_bytes(), secret.stat().st_mtime_ns) == before
    assert "down" in copy.states()
    assert {path.name for path in other.iterdir()} == {FILE, KEY_FILE}


@pytest.mark.parametrize("when", ["before the look", pytest.param("after the look", marks=needs_root)])
def test_a_journal_that_another_leaves_has_no_file_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The look finds it; and one that comes behind the look finds root at work as the folder's owner."""
    mail = folder / "mail"
    mail.mkdir()
    filled(mail)
    give_away(mail)
    victim = folder / "victim"
    victim.write_text("of another")
    if when == "before the look":
        left_journal(mail / (FILE + "-journal"), victim)
    else:
        look = files.look_beside

        def overtaken(path: str) -> None:
            look(path)
            left_journal(Path(path + "-journal"), victim)

        monkeypatch.setattr(files, "look_beside", overtaken)
    copy = Copy(mail)
    assert copy.login()
    copy.throttle.close()
    assert victim.exists()
    assert (mail / (FILE + "-journal")).exists() == (when == "before the look")  # SQLite has played it back
    assert (os.geteuid(), os.getegid()) == (os.getuid(), os.getgid())


def test_a_new_database_has_no_journal_of_an_earlier_one_beside_it(copy: Copy, folder: Path) -> None:
    left_journal(folder / (FILE + "-journal"), folder / "none")
    copy.assert_counts("eve")
    assert copy.told == []
    assert not (folder / (FILE + "-journal")).exists()


@needs_root
def test_a_file_of_roots_in_the_folder_of_another_is_told_with_the_remedy(folder: Path) -> None:
    mail = folder / "mail"
    mail.mkdir()
    filled(mail)
    give_away(mail)
    os.chown(mail / FILE, 0, 0)
    copy = Copy(mail)
    assert copy.login()
    assert [facts["reason"] for facts in copy.told] == [
        f"{mail / FILE} cannot be opened by the owner of its folder, as whom root works there: remove it"
    ]
    (mail / FILE).unlink()
    copy.rest()
    copy.assert_counts("eve")
    copy.throttle.close()


@needs_root
def test_what_root_makes_is_for_the_owner_of_the_folder_and_both_count_together(folder: Path) -> None:
    folder.chmod(0o755)
    os.chown(folder, OWNER, OWNER)
    root = Copy(folder)
    root.fail()
    assert {path.stat().st_uid for path in folder.iterdir()} == {OWNER}

    def owner() -> None:
        os.setgroups([])
        os.setgid(OWNER)
        os.setuid(OWNER)
        copy = Copy(folder)
        assert copy.refuses()
        copy.assert_counts("eve")
        copy.throttle.close()
        assert copy.told == []

    assert in_child(owner) == 0
    assert root.refuses("eve")
    root.throttle.close()
    assert root.told == []


@needs_root
@pytest.mark.parametrize("mode", ["unreadable", "a read-only file", "a read-only folder", "an empty read-only folder"])
def test_what_may_not_be_read_or_written_refuses_nobody(folder: Path, mode: str) -> None:
    folder.chmod(0o755)
    if mode != "an empty read-only folder":
        file = filled(folder)
        file.chmod(0o644 if mode == "a read-only folder" else 0)
        if mode == "a read-only file":
            file.chmod(0o644)
            os.chown(folder, OWNER, OWNER)
    before = sorted(path.name for path in folder.iterdir())

    def stranger() -> None:
        os.setgroups([])
        os.setgid(OWNER)
        os.setuid(OWNER)
        copy = Copy(folder)
        for n in range(10):
            assert copy.login(f"user{n}")
            copy.fail(f"user{n}")
        copy.throttle.close()
        assert [facts["state"] for facts in copy.told if facts["doing"] != "tag"] in (["down"], ["down", "down"])

    assert in_child(stranger) == 0
    assert mode == "a read-only file" or sorted(path.name for path in folder.iterdir()) == before


# --- disks and locks -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")
def test_on_a_full_disk_logins_go_on_and_counting_begins_again_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=400) as disk:
        copy = Copy(disk)
        copy.fail("bob")
        fill = (disk / "fill").open("wb", buffering=0)
        with pytest.raises(OSError, match="No space"):
            write_on(fill, 4096)
        fill.close()
        for n in range(200):
            assert copy.login(f"user{n}")
            copy.fail(f"user{n}", 5)
            copy.rest()
        assert "down" in copy.states()
        assert len(copy.told) < 5
        assert copy.refuses("bob")  # what was counted before still is
        (disk / "fill").unlink()
        copy.rest()
        copy.assert_counts("eve")
        assert copy.states()[-1] == "up"
        copy.throttle.close()
        assert_whole(copy.file)


@pytest.mark.parametrize("room", [0, 100, 4096, 9000, 40_000])
def test_where_no_file_may_grow_logins_go_on(folder: Path, room: int) -> None:
    """RLIMIT_FSIZE in the child: a write stops short at any byte."""
    filled(folder)

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        copy = Copy(folder)
        for n in range(50):
            assert copy.login(f"user{n}")
            copy.fail(f"eve{n}", 3)
        copy.throttle.close()
        assert "down" in copy.states()

    assert in_child(limited) == 0
    copy = Copy(folder)
    copy.assert_counts("mallory")
    copy.throttle.close()
    assert copy.told == []
    assert_whole(folder / FILE)


@pytest.mark.parametrize("room", [0, 10, 5000])
def test_where_it_cannot_be_made_whole_nothing_of_it_is_left(folder: Path, room: int) -> None:
    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        copy = Copy(folder)
        assert copy.login()
        copy.fail()
        assert "down" in copy.states()

    assert in_child(limited) == 0
    assert {path.name for path in folder.iterdir()} <= {KEY_FILE}


def test_a_copy_that_is_stopped_while_it_writes_holds_up_nobody_for_long_and_what_is_counted_still_counts(
    copy: Copy, folder: Path
) -> None:
    copy.fail("bob")

    def stopped() -> None:
        status = (folder / FILE).stat()
        database = Database(str(folder / FILE), (status.st_dev, status.st_ino))
        database.rows("BEGIN IMMEDIATE")
        database.rows("INSERT INTO of_user VALUES (x'00', 1, 1)")
        os.kill(os.getpid(), signal.SIGSTOP)

    pid = start(stopped)
    try:
        os.waitpid(pid, os.WUNTRACED)
        for n in range(20):
            assert copy.login(f"user{n}")
            copy.fail(f"user{n}", 1)
        assert copy.refuses("bob")  # reading waits for no writer
        assert [(facts["doing"], facts["state"]) for facts in copy.told] == [("throttle-count", "down")]
        assert copy.told[0]["reason"] == f"{copy.file} is locked by another program"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    copy.rest()
    copy.assert_counts("eve")
    assert copy.states() == ["down", "up"]


def test_another_program_that_keeps_it_to_itself_holds_up_nobody(copy: Copy) -> None:
    copy.fail()
    copy.throttle.close()
    with closing(sqlite3.connect(copy.file, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        for _ in range(20):
            assert copy.login()
            copy.fail()
    assert copy.states() == ["down"]
    copy.rest()
    assert copy.refuses()
    assert copy.states() == ["down", "up"]


def test_another_program_that_holds_the_folders_lock_holds_up_nobody(copy: Copy, folder: Path) -> None:
    import fcntl

    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for _ in range(20):
        assert copy.login()
        copy.fail()
    assert [facts["doing"] for facts in copy.told] == ["throttle"]
    os.close(lock)
    copy.rest()
    copy.assert_counts("eve")


def test_a_copy_that_is_killed_in_the_midst_of_writing_leaves_the_database_whole(folder: Path) -> None:
    def write_for_ever(number: int) -> None:
        one = Copy(folder, per_user=1000)
        n = 0
        while True:
            n += 1
            one.throttle.refusal("bob", HOME)
            one.throttle.failed(f"user{number}.{n % 500}", b"%d" % n, HOME)
            one.throttle.succeeded(f"user{n}", AWAY)

    survivor = Copy(folder)
    assert survivor.login()
    dice = random.Random(5)
    for life in range(25):
        pids = [start(lambda number=number: write_for_ever(number)) for number in range(2)]  # type: ignore[misc]
        size = _written(folder)
        while _written(folder) < size + dice.randrange(1, 200_000) and life:
            survivor.throttle.refusal("bob", HOME)
            size -= 1  # a log that begins anew does not grow
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert wait_for(pids) == [-signal.SIGKILL] * 2
        survivor.fail("eve" + str(life))
        assert survivor.refuses("eve" + str(life))
        assert survivor.told == []
        with closing(sqlite3.connect(folder / FILE)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    survivor.throttle.close()
    assert_whole(folder / FILE)


def _written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob(FILE + "*"))


def test_whoever_is_told_of_it_cannot_fail_a_login(folder: Path) -> None:
    def notice(_facts: dict[str, object]) -> None:
        raise RuntimeError

    (folder / FILE).mkdir()
    (folder / KEY_FILE).mkdir()
    tags = Tags(str(folder / KEY_FILE), notice=notice, monotonic=time.monotonic)
    throttle = Throttle(ThrottleSettings(), str(folder / FILE), tags=tags, notice=notice)
    assert throttle.refusal("bob", HOME) is None
    throttle.failed("bob", b"x", HOME)
    throttle.succeeded("bob", HOME)
    throttle.close()
