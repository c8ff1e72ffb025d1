"""The log read back: files found, unpacked and read in the order of time; lines of every form; refusals summed up."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth import logs
from nwauth.audit import ERROR, INFO, Log
from nwauth.errors import Unavailable
from nwauth.logs import picking, unpacking, words
from nwauth.logs.finding import LogFile, find
from nwauth.logs.lines import Line, is_ours, read_line
from nwauth.logs.reading import Reader, whole_lines
from nwauth.logs.refusals import QUIET, Refusals
from nwauth.names import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
START = 1_795_000_000.0
HEADS = [
    "",
    "Nov 22 10:00:00 mail nwauth[12]: ",
    "<22>Nov  2 10:00:00 mail nwauth: ",
    "2026-11-22T10:00:00.1+01:00 m nwauth[1]: ",
]
FORMATS = ["text", "ndjson"]
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    ["bob", "Bob@Test.com", "bob\u212a", 'b"ob', "b\\ob", "ÜNAL", "u\u0308nal", "Σας", "bob ", "=", "user=bob"]
)


def written(
    *facts: Mapping[str, object],
    form: str = "text",
    command: str = "check",
    at: float = START,
    level: int = INFO,
    stamped: bool = True,
) -> list[bytes]:
    """Lines as the log writes them, a second after the other."""
    lines: list[bytes] = []
    seconds = [at]
    log = Log(
        lambda _level, line: lines.append(line.encode() + b"\n"),
        level="debug",
        format=form,
        stamped=stamped,
        now=lambda: seconds[0],
    )
    for one in facts:
        log.request(level, command, one, 1)
        seconds[0] += 1
    return lines


def refused(
    user: str = "bob", *, ip: str = "192.0.2.7", reason: str = "wrong password", **more: object
) -> dict[str, object]:
    return {"user": user, "ip": ip, "store": "files", **more, "reason": reason, "result": "no"}


def welcome(user: str = "bob", *, ip: str = "192.0.2.7") -> dict[str, object]:
    return {"user": user, "ip": ip, "store": "files", "result": "ok"}


def log_file(content: bytes, name: str = "log") -> LogFile:
    return LogFile(name, io.BytesIO(content), written_before=NOW)


def users_in(*files: LogFile, of: str = "bob") -> tuple[list[str], Reader]:
    reader = Reader(files)
    return [line.facts["user"] for line in reader.lines(picking.lines_of(fold(of)))], reader


# --- lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("head", HEADS)
@given(user=NAMES, reason=NAMES)
def test_what_was_written_is_read(head: str, form: str, user: str, reason: str) -> None:
    facts = {"user": user, "ip": "192.0.2.7", "reason": reason, "result": "no"}
    raw = head.encode() + written(facts, form=form, stamped=not head)[0]
    line = read_line(raw, written_before=NOW)
    assert is_ours(raw)
    assert line is not None
    assert {key: line.facts[key] for key in facts} == facts
    assert (line.facts["command"], line.facts["level"], line.facts["ms"]) == ("check", "info", line.facts["ms"])
    assert line.when.tzinfo is not None


@given(raw=st.binary(max_size=200) | st.text().map(str.encode))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    raw = raw.replace(b"\n", b"")
    for head in (b"", b"2026-11-22T10:00:00.123+00:00 ", b"{", b'{"time":', b"Nov 22 10:00:00 mail nwauth[1]: "):
        read_line(head + raw, written_before=NOW)
        picking.count_foreign(head + raw + b"\n")
        picking.count_lost(head + raw + b"\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"2026-11-22T10:00:00.123+00:00",
        b"2026-13-22T10:00:00.123+00:00 check user=bob result=no",
        b'2026-11-22T10:00:00.123+00:00 check user=bob result=no reason="cut',
        b"2026-11-22T10:00:00.123+00:00 check user=bob=eve result=no",
        b"2026-11-22T10:00:00.123+00:00 check user= result=no",
        b"Nov 22 10:00:00 mail postfix/smtpd[1]: check user=bob result=no",
        b"Nov 22 10:00:00 mail dovecot: nwauth[1]: check user=bob result=no",
        b"Nov 31 10:00:00 mail nwauth[1]: check user=bob result=no",
        b'{"time":"2026-11-22T10:00:00.123+00:00","command":"check"',
        b'{"command":"check","user":"bob"}',
        b'{"time":"soon","command":"check"}',
        b'{"time":5}',
        b'["time"]',
        b"{" * 100_000,
        b'{"time":' + b"[" * 100_000,
    ],
)
def test_what_is_no_line_of_ours_is_none(raw: bytes) -> None:
    assert read_line(raw, written_before=NOW) is None


@pytest.mark.parametrize(
    ("stamp", "year"),
    [("Nov 22 10:00:00", 2026), ("Nov 23 10:00:00", 2026), ("Dec 24 10:00:00", 2025), ("Feb 29 10:00:00", 2024)],
)
def test_a_stamp_without_a_year_is_the_last_such_day(stamp: str, year: int) -> None:
    line = read_line(f"{stamp} mail nwauth[1]: check user=bob result=no".encode(), written_before=NOW)
    assert line is not None
    assert line.when.year == year


# --- picking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@given(names=st.lists(NAMES, max_size=8), wanted=NAMES)
def test_no_line_of_a_user_is_missed(form: str, names: list[str], wanted: str) -> None:
    names = [*names, wanted, wanted.upper(), wanted.lower()]
    block = b"".join(written(*[refused(name) for name in names], form=form))
    found, _ = users_in(log_file(block), of=wanted)
    key = fold(wanted)
    assert [name for name in found if fold(name) == key] == [name for name in names if fold(name) == key]


def test_lines_of_others_are_hardly_read() -> None:
    block = b"".join(written(refused("bob"), refused("eve"), refused("eve", reason="user=bob")))
    assert len(list(picking.lines_of("bob")(block))) == 2
    assert len(list(picking.lines_of("adam")(block))) == 0


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_none_of_ours_is_counted(form: str) -> None:
    ours = b"".join(written(refused(), {}, refused('a "b"'), form=form))
    ours += b"".join(head.encode() + written(refused(), form=form, stamped=False)[0] for head in HEADS[1:])
    assert picking.count_foreign(ours) == 0
    theirs = (
        b"hello\nNov 22 10:00:00 mail postfix/smtpd[1]: connect\n\n"
        b"2026-11-22T10:00:00.123+00:00 mail postfix[1]: connect from a=b\n"
    )
    assert picking.count_foreign(ours + theirs + ours) == 3


@pytest.mark.parametrize("form", FORMATS)
def test_what_the_log_has_lost_is_counted_and_cannot_be_made_up(form: str) -> None:
    lost: list[bytes] = []
    log = Log(lambda _level, line: lost.append(line.encode() + b"\n"), format=form)
    log.event(ERROR, "lost", {"lines": 17})
    fakes = [
        "x lost level=error lines=9",
        "x\n2026-11-22T10:00:00Z lost level=error lines=9",
        '{"command":"lost","lines":9}',
    ]
    block = b"".join(written(*map(refused, fakes), form=form))
    assert picking.count_lost(block + lost[0] + block + lost[0]) == 34


@pytest.mark.parametrize("form", FORMATS)
def test_it_is_seen_whether_the_log_keeps_refusals(form: str) -> None:
    dead = refused("a check user=b") | {"result": "dead"}
    assert not picking.keeps_requests(b"".join(written(dead, form=form, level=ERROR)))
    assert not picking.keeps_requests(b"".join(written(refused(), form=form, command="lookup")))
    assert picking.keeps_requests(b"".join(written(refused(), form=form)))
    assert picking.keeps_requests(HEADS[1].encode() + written(refused(), form=form, stamped=False)[0])


# --- blocks ----------------------------------------------------------------------------------------------------------


@given(pieces=st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"a\n", b"\n\n"])))
def test_blocks_are_cut_behind_lines_and_nothing_is_lost(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    found = list(whole_lines(pieces))
    assert all(block.endswith(b"\n") for block in found)
    assert b"".join(found) == (data if data.endswith(b"\n") or not data else data + b"\n")


def test_a_line_without_an_end_takes_no_memory_and_passes_for_nobodys() -> None:
    before, behind = written(refused("bob1"), refused("bob2"))
    endless = (b"x" * (1 << 18) for _ in range(40))
    found = b"".join(whole_lines([before, *endless, b" check user=bob3 result=no\n", behind]))
    assert len(found) < 2 << 20
    assert found.startswith(before)
    assert found.endswith(behind)
    assert picking.count_foreign(found) == 1


# --- unpacking -------------------------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    """`data` packed by the program that packs."""
    if shutil.which("zstd") is None:
        if os.environ.get("CI"):
            pytest.fail("no zstd here (Debian package zstd)")
        pytest.skip("no zstd here (Debian package zstd)")
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
    "": bytes,
}
MANY = b"".join(written(*[refused(f"bob{number}") for number in range(20_000)]))


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_files_hold_what_was_packed(tmp_path: Path, ending: str) -> None:
    """In several parts too, as ``gzip >>`` makes them, whatever the file is called, and over a block each."""
    path = tmp_path / "log"
    path.write_bytes(PACKERS[ending](MANY) + PACKERS[ending](b"end\n"))
    with path.open("rb") as file:
        assert b"".join(unpacking.blocks(file)) == MANY + b"end\n"


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "followed"])
def test_of_a_damaged_file_what_stands_before_is_read_and_the_rest_is_told(
    tmp_path: Path, ending: str, damage: str
) -> None:
    data = bytearray(PACKERS[ending](MANY))
    if damage == "cut":
        del data[len(data) * 3 // 4 :]
    elif damage == "flipped":
        for at in range(len(data) * 3 // 4, len(data) * 3 // 4 + 9):
            data[at] ^= 0xFF
    else:
        data += b"no packed data"
    path = tmp_path / f"log{ending}"
    path.write_bytes(data)
    found = find(str(tmp_path / "log"))
    users, reader = users_in(*found.files)
    assert len(reader.faults) == 1
    assert reader.faults[0].startswith(f"{path}: ")
    sure = min(len(users), 10_000)  # a flipped bit of gzip is noticed at the latest at the end: what follows may be odd
    assert users[:sure] == [f"bob{number}" for number in range(sure)]
    if damage == "followed":
        assert len(users) == 20_000
    elif ending in {".gz", ".zst"}:  # the others work in blocks of 900 kB and more
        assert len(users) > 10_000


@pytest.mark.parametrize(
    ("magic", "name"), [(b"\x1f\x9d\x90", "compress"), (b"\x04\x22\x4d\x18", "lz4"), (b"PK\x03\x04", "zip")]
)
def test_what_nobody_here_unpacks_is_told(magic: bytes, name: str) -> None:
    users, reader = users_in(log_file(magic, "nwauth.log.1.Z"))
    assert users == []
    assert reader.faults == [f"nwauth.log.1.Z: it is packed with {name}, which is not read here: unpack it first"]


def test_without_a_program_for_zstd_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info >= (3, 14):
        pytest.skip("this Python reads zstd itself")
    monkeypatch.setenv("PATH", "")
    _, reader = users_in(log_file(b"\x28\xb5\x2f\xfd...", "x.zst"))
    assert reader.faults == ["x.zst: this Python does not read zstd, and there is no program zstd: install it"]


# --- files -----------------------------------------------------------------------------------------------------------


def fill(path: Path, user: str, at: float) -> None:
    """A file, packed as its name says, with one line of that time; the file's own time tells nothing."""
    packed = PACKERS.get(path.suffix, bytes)(written(refused(user), at=at)[0])
    path.write_bytes(packed)


@pytest.mark.parametrize(
    "names",
    [
        ["nwauth.log.10.gz", "nwauth.log.9.xz", "nwauth.log.2.bz2", "nwauth.log.1", "nwauth.log"],
        ["nwauth.log-20261101.gz", "nwauth.log-20261108.zst", "nwauth.log-20261115-1795000000", "nwauth.log"],
        ["nwauth-20261101.log.gz", "nwauth.1.log", "nwauth.log.2026-11-01", "nwauth.log.old", "nwauth.log"],
    ],
)
def test_rotated_files_are_read_in_the_order_of_time(tmp_path: Path, names: list[str]) -> None:
    for number, name in reversed(list(enumerate(names))):
        fill(tmp_path / name, f"bob{number}", START + number * 86400)
    for name in ("nwauth.login", "nwauth.log.tmp", "nwauth.lock", "xnwauth.log", "nwauth.logs", "nwauth.idx"):
        (tmp_path / name).write_bytes(written(refused("bobX"))[0])
    found = find(str(tmp_path / "nwauth.log"))
    users, reader = users_in(*found.files)
    assert users == [f"bob{number}" for number in range(len(names))]
    assert (reader.faults, reader.foreign) == ([], 0)
    assert reader.begins == datetime.fromtimestamp(START, UTC)


def test_a_file_that_is_just_being_packed_is_read_once(tmp_path: Path) -> None:
    for name in ("nwauth.log.1", "nwauth.log.1.gz", "nwauth.log"):
        fill(tmp_path / name, name, START)
    users, _ = users_in(*find(str(tmp_path / "nwauth.log")).files, of="nwauth.log")
    assert sorted(users) == ["nwauth.log", "nwauth.log.1"]


def test_a_rotation_while_the_files_are_read_moves_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "nwauth.log.1", "bob1", START)
    fill(tmp_path / "nwauth.log", "bob2", START + 60)
    files = find(str(tmp_path / "nwauth.log")).files
    (tmp_path / "nwauth.log.1").rename(tmp_path / "nwauth.log.2")
    (tmp_path / "nwauth.log").rename(tmp_path / "nwauth.log.1")
    fill(tmp_path / "nwauth.log", "bob3", START + 120)
    assert users_in(*files)[0] == ["bob1", "bob2"]


def test_a_pipe_beside_the_log_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "nwauth.log.1")
    (tmp_path / "nwauth.log.2").mkdir()
    fill(tmp_path / "nwauth.log", "bob", START)
    found = find(str(tmp_path / "nwauth.log"))
    assert users_in(*found.files)[0] == ["bob"]
    assert sorted(found.faults) == [f"{tmp_path}/nwauth.log.{number}: it is no file" for number in (1, 2)]


def test_no_log_at_all_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no such log"):
        find(str(tmp_path / "nwauth.log"))
    with pytest.raises(Unavailable, match="cannot be read: No such file"):
        find(str(tmp_path / "away" / "nwauth.log"))


def test_files_that_ended_before_are_not_opened_again(tmp_path: Path) -> None:
    fill(tmp_path / "nwauth.log.1", "bob1", START)
    os.utime(tmp_path / "nwauth.log.1", (START, START))
    fill(tmp_path / "nwauth.log", "bob2", START + 86400)
    files = find(str(tmp_path / "nwauth.log")).files
    reader = Reader(files, since=datetime.fromtimestamp(START + 3600, UTC))
    assert [line.facts["user"] for line in reader.lines(picking.lines_of("bob"))] == ["bob2"]
    assert reader.bytes == (tmp_path / "nwauth.log").stat().st_size


# --- refusals --------------------------------------------------------------------------------------------------------


def summed(*facts: dict[str, object], limit: int = 20, every: timedelta = timedelta(minutes=1)) -> Refusals:
    refusals = Refusals(limit=limit)
    for number, one in enumerate(facts):
        refusals.take(Line(NOW + number * every, {key: str(value) for key, value in one.items()}))
    return refusals


def sentences(*facts: dict[str, object], every: timedelta = timedelta(minutes=1)) -> list[str]:
    return [words.told(run) for run in summed(*facts, every=every).last()]


def test_the_same_wrong_password_forty_times_and_forty_different_ones_are_told_apart() -> None:
    assert sentences(*[refused(tag="0a3")] * 40) == [
        "40 wrong passwords from 192.0.2.7: the same one each time (a device with an old password?)"
    ]
    assert sentences(*[refused(tag=f"{number:03x}") for number in range(40)]) == [
        "40 wrong passwords from 192.0.2.7: a different one each time (somebody guesses?)"
    ]
    assert sentences(*[refused(tag=f"{number % 3:03x}") for number in range(40)]) == [
        "40 wrong passwords from 192.0.2.7: 3 different ones"
    ]
    assert sentences(*[refused()] * 40) == [
        "40 wrong passwords from 192.0.2.7: the log does not tell whether it was the same one each time"
    ]
    (some,) = sentences(refused(), *[refused(tag="0a3")] * 3)
    assert some.startswith("4 wrong passwords from 192.0.2.7: the same one each time in the 3 that can be told apart (")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (refused(service="pop3"), "1 wrong password from 192.0.2.7 (pop3)"),
        (refused(reason="no such user", tag="001"), "1 login under a name that is no user's from 192.0.2.7"),
        (
            refused(rule="no mail in class", reason="mail is closed"),
            'refused by the rule "no mail in class" from 192.0.2.7: mail is closed',
        ),
        (
            refused(rule="mailstatus", reason="mailstatus is suspended"),
            "refused by the account's mailstatus from 192.0.2.7: mailstatus is suspended",
        ),
        (
            refused(rule="throttle", reason="throttled: 20 wrong passwords", ip="unknown"),
            "refused by the throttle, the password unseen, from an unknown address: throttled: 20 wrong passwords",
        ),
        (refused(reason="the module says: no"), "refused from 192.0.2.7: the module says: no"),
        (refused(reason="it is locked") | {"result": "dead"}, "could not be told from 192.0.2.7: it is locked"),
        ({"user": "bob", "result": "no"}, "refused from an unknown address"),
    ],
)
def test_a_refusal_is_told_in_words(facts: dict[str, object], sentence: str) -> None:
    assert sentences(facts) == [sentence]


def test_refusals_from_several_places_by_turns_are_summed_up_by_place() -> None:
    turns = [refused(ip=f"192.0.2.{number % 3}", tag="001") for number in range(30)]
    found = summed(*turns)
    assert [(run.address, run.count) for run in found.last()] == [(f"192.0.2.{number}", 10) for number in range(3)]
    assert (found.total, len(found.addresses), len(found.tags)) == (30, 3, 1)


def test_a_login_from_there_or_a_day_of_silence_ends_what_belongs_together() -> None:
    found = summed(refused(), refused(), welcome(), refused(), welcome(ip="192.0.2.8"), refused())
    assert [run.count for run in found.last()] == [2, 2]
    assert [run.count for run in summed(refused(), refused(), every=QUIET).last()] == [2]
    assert [run.count for run in summed(refused(), refused(), every=QUIET + timedelta(seconds=1)).last()] == [1, 1]


def test_refusals_of_the_throttle_are_one_thing_though_their_reasons_count() -> None:
    found = summed(
        *[refused(rule="throttle", reason=f"throttled: {number} wrong passwords") for number in range(20, 40)]
    )
    assert [(run.count, run.reason) for run in found.last()] == [(20, "throttled: 39 wrong passwords")]


def test_only_the_last_are_kept_and_the_others_counted() -> None:
    found = summed(
        *[refused(ip=f"2001:db8::{number:x}", tag=f"{number % 4096:03x}") for number in range(25_000)], limit=5
    )
    assert [run.address for run in found.last()] == [f"2001:db8::{number:x}" for number in range(24_995, 25_000)]
    assert (found.total, found.left_out()) == (25_000, 24_995)
    many = summed(*[refused(reason=f"odd {number}") for number in range(1000)], limit=5)
    assert [run.reason for run in many.last()] == [f"odd {number}" for number in range(995, 1000)]
    assert many.left_out() == 995


def test_the_rooms_are_listed_and_none_is_missing() -> None:
    folder = Path(logs.__file__).parent
    listed = re.findall(r"^    (\w+)  ", (folder / "__init__.py").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
