from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth import audit
from nwauth.audit import DEBUG, ERROR, INFO, Log, open_log, parse_line
from nwauth.audit.lines import MAX_TEXT_BYTES, MAX_VALUE_BYTES, NEVER_LOGGED, Stamp
from nwauth.errors import NwauthError, Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FACTS: dict[str, object] = {"user": "bob", "ip": "192.0.2.7", "store": "files", "scheme": "argon2id", "result": "ok"}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.25

    def __call__(self) -> float:
        return self.seconds


class Lines:
    """A destination that keeps what it is given, or fails while `broken`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.broken = False

    def __call__(self, _level: int, line: str) -> None:
        if self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(line)


def text_of(facts: dict[str, object], *, format: str = "text", level: int = INFO) -> str:  # noqa: A002
    """The line of a request with these facts, without its time stamp in text."""
    lines = Lines()
    Log(lines, level="debug", format=format, stamped=False, now=Clock()).request(level, "check", facts, 41)
    return lines.lines[0]


def rows(path: Path) -> list[dict[str, str]]:
    return [parse_line(line) for line in path.read_text().splitlines()]


def test_a_request_leaves_one_canonical_line() -> None:
    assert text_of(FACTS) == "check user=bob ip=192.0.2.7 store=files scheme=argon2id result=ok ms=41"


def test_a_line_begins_with_local_time_milliseconds_and_offset() -> None:
    clock, lines = Clock(), Lines()
    Log(lines, level="info", now=clock).request(INFO, "check", {}, 0.0234)
    stamp, rest = lines.lines[0].split(" ", 1)
    assert rest == "check ms=0.02"
    local = time.strftime("%Y-%m-%dT%H:%M:%S.250%z", time.localtime(1_800_000_000))
    assert stamp == f"{local[:-2]}:{local[-2:]}"


@pytest.mark.parametrize(
    ("zone", "stamps"),
    [
        ("UTC", ["2027-10-31T00:59:59.999+00:00", "2027-10-31T01:00:00.000+00:00"]),
        ("Europe/Berlin", ["2027-10-31T02:59:59.999+02:00", "2027-10-31T02:00:00.000+01:00"]),
        ("America/St_Johns", ["2027-10-30T22:29:59.999-02:30", "2027-10-30T22:30:00.000-02:30"]),
    ],
)
def test_the_stamp_follows_the_clock_from_second_to_second(
    monkeypatch: pytest.MonkeyPatch, zone: str, stamps: list[str]
) -> None:
    clock = Clock()
    stamp = Stamp(clock)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        for second, expected in zip((1_824_944_399.9996, 1_824_944_400.0), stamps, strict=True):
            clock.seconds = second
            assert stamp() == stamp() == expected
    time.tzset()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("bob@test.com", "bob@test.com"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a=b", '"a=b"'),
        ("\n2027-01-01T00:00:00Z check user=root result=ok", '"\\n2027-01-01T00:00:00Z check user=root result=ok"'),
        ("\x1b[2J\x00\x7f\x9b", '"\\x1b[2J\\x00\\x7f\\u009b"'),
        ("caf\udce9", '"caf\\xe9"'),
        ("café", "café"),
        ("\ud800", '"\\ud800"'),
        ("\u2028\u202e\u00a0", '"\\u2028\\u202e\\u00a0"'),
        ("\U000e0001", '"\\U000e0001"'),
        (b"\xff\n", '"\\xff\\n"'),
        (7, "7"),
        (True, "true"),
        (None, "-"),
        (1.5, "1.5"),
    ],
)
def test_a_value_that_could_be_taken_for_something_else_is_quoted(value: object, written: str) -> None:
    assert text_of({"user": value}) == f"check user={written} ms=41"


def test_the_level_stands_in_a_line_that_is_not_info() -> None:
    assert text_of({"user": "bob"}, level=ERROR) == "check level=error user=bob ms=41"
    assert text_of({"user": "bob"}, level=DEBUG) == "check level=debug user=bob ms=41"


@pytest.mark.parametrize("format", ["text", "ndjson"])
def test_a_password_or_stored_field_is_never_logged(format: str) -> None:  # noqa: A002
    facts = {"user": "bob", "password": "s3cret", "Stored_Password": "s3cret", "hash": "s3cret", "secret": "s3cret"}
    line = text_of(dict(facts), format=format)
    assert "s3cret" not in line
    assert "bob" in line


def test_a_fact_cannot_pass_for_one_of_our_own_keys() -> None:
    assert text_of({"ms": 1, "level": "x", "time": 2, "command": 3}) == "check ms_=1 level_=x time_=2 command_=3 ms=41"
    assert json.loads(text_of({"level": "x"}, format="ndjson"))["level"] == "info"


@pytest.mark.parametrize("character", ["a", "é", "😀", "\udcff"])
def test_a_long_value_is_cut_at_a_whole_character_and_says_by_how_much(character: str) -> None:
    value = parse_line("2027-01-01T00:00:00Z " + text_of({"user": character * 5000}))["user"]
    kept, _, left_out = value.rpartition("...+")
    size = len(character.encode("utf-8", "surrogatepass"))
    assert kept == character * (MAX_VALUE_BYTES // size)
    assert int(left_out) + len(kept) * size == 5000 * size
    exact = "é" * (MAX_VALUE_BYTES // 2)
    assert text_of({"user": exact}) == f"check user={exact} ms=41"


def test_levels_above_the_one_set_cost_no_line() -> None:
    for level, count in {"error": 1, "info": 2, "debug": 3}.items():
        lines = Lines()
        log = Log(lines, level=level)
        for each in (ERROR, INFO, DEBUG):
            assert log.enabled(each) == (each <= log.level)
            log.request(each, "check", {}, 1)
            log.event(each, "start", {})
        assert len(lines.lines) == 2 * count


def test_an_event_may_be_a_traceback_and_stays_one_line() -> None:
    lines = Lines()
    traceback = 'Traceback:\n  File "x.py", line 1\nTypeError: x\n'
    log = Log(lines, level="error", stamped=False)
    log.event(ERROR, "start", {"text": traceback})
    assert lines.lines == [r'start level=error text="Traceback:\n  File \"x.py\", line 1\nTypeError: x\n"']
    log.event(ERROR, "start", {"text": "x" * 20_000})
    assert len(lines.lines[1]) < MAX_TEXT_BYTES + 100


def caught(raiser: Callable[[], object]) -> BaseException:
    try:
        raiser()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def test_a_bug_is_named_with_its_place_and_without_its_values() -> None:
    lines = Lines()
    log = Log(lines, level="error", stamped=False)

    def inner() -> None:
        try:
            int("s3cret")
        except ValueError:
            raise TypeError("bad password: s3cret") from None

    log.bug(caught(inner), command="check")
    line = parse_line("2027-01-01T00:00:00Z " + lines.lines[0])
    assert line["command"] == "bug"
    assert line["in"] == "check"
    assert line["error"] == "TypeError"
    assert line["at"].startswith("tests/test_audit.py:")
    assert " inner <- tests/test_audit.py:" in line["at"]
    assert "s3cret" not in lines.lines[0]


def test_a_bug_names_what_it_came_from_and_texts_that_are_safe() -> None:
    def chained() -> None:
        try:
            int("s3cret")
        except ValueError as error:
            raise Unavailable("the store is down") from error

    facts = audit.described(caught(chained))
    assert facts["error"] == "Unavailable"
    assert facts["text"] == "the store is down"
    assert str(facts["after"]).startswith("ValueError tests/test_audit.py:")
    assert "s3cret" not in str(facts)

    def deep() -> None:
        deep()

    assert str(audit.described(caught(deep))["at"]).count("<-") == 15
    assert audit.described(NwauthError("x"))["at"] == ""


# -- properties

ANY_TEXT = st.text(st.characters(codec=None), max_size=150)  # lone surrogates and control characters too
KEYS = ANY_TEXT.filter(lambda key: key.lower() not in NEVER_LOGGED)


def expected(key: str) -> str:
    return key + "_" if key in {"command", "level", "ms", "time"} else key


@settings(deadline=None)  # other work may share the machine
@given(ANY_TEXT, st.dictionaries(KEYS, ANY_TEXT, max_size=5))
def test_any_keys_and_values_survive_the_text_format(command: str, facts: dict[str, str]) -> None:
    lines = Lines()
    Log(lines, level="info", now=Clock()).request(INFO, command, facts, 41)
    (line,) = lines.lines
    assert line.isprintable()
    assert line.encode().decode() == line
    parsed = parse_line(line + "\n")
    assert parsed.pop("time").startswith("2027-01-15T")
    assert (parsed.pop("command"), parsed.pop("level"), parsed.pop("ms")) == (command, "info", "41")
    assert parsed == {expected(key): value for key, value in facts.items()}


@settings(deadline=None)  # other work may share the machine
@given(st.dictionaries(KEYS, ANY_TEXT | st.binary() | st.floats() | st.integers() | st.none() | st.booleans()))
def test_any_keys_and_values_make_a_strict_ascii_json_line(facts: dict[str, object]) -> None:
    line = text_of(facts, format="ndjson")
    assert line.isascii()
    assert line.isprintable()
    record = json.loads(line, parse_constant=pytest.fail)
    assert (record["command"], record["level"], record["ms"]) == ("check", "info", 41)
    json.dumps(record, ensure_ascii=False).encode()  # no lone surrogate is left
    for key, value in facts.items():
        if key.isascii() and isinstance(value, str) and value.isascii():
            assert record[expected(key)] == value


@settings(deadline=None)  # other work may share the machine
@given(ANY_TEXT)
def test_any_line_is_read_or_refused(line: str) -> None:
    for text in (line, "2027-01-01T00:00:00Z check " + line):
        try:
            assert "command" in parse_line(text)
        except Refused:
            continue


@pytest.mark.parametrize(
    "line",
    [
        "",
        "check user=bob",
        "2027 check user",
        '2027 check user="bob',
        "2027 check user=bob  ms=1",
        '2027 check a="b"c=d',
    ],
)
def test_a_line_that_is_not_whole_is_refused(line: str) -> None:
    with pytest.raises(Refused):
        parse_line(line)


# -- destinations


def test_the_file_is_made_at_the_first_line_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "nwauth.log"
    log = open_log(str(path))
    log.request(INFO, "check", FACTS, 1)
    assert not path.exists()
    log.request(ERROR, "check", {"user": "café"}, 1)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.stat().st_uid == tmp_path.stat().st_uid
    assert [row["user"] for row in rows(path)] == ["café"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_makes_the_file_for_the_owner_of_the_folder_and_follows_no_link(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    path = tmp_path / "nwauth.log"
    open_log(str(path)).event(ERROR, "start", {})
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
    path.rename(tmp_path / "other")
    before = (tmp_path / "other").read_bytes()
    path.symlink_to("other")
    log = open_log(str(path))
    log.event(ERROR, "start", {})
    assert log.lost_lines == 1
    assert (tmp_path / "other").read_bytes() == before


def test_a_rotated_file_is_left_within_a_second(tmp_path: Path) -> None:
    path, clock = tmp_path / "nwauth.log", Clock()
    log = open_log(str(path), monotonic=clock)
    log.event(ERROR, "one", {})
    path.rename(tmp_path / "nwauth.log.1")
    log.event(ERROR, "two", {})  # not yet looked for
    clock.seconds += 1
    log.event(ERROR, "three", {})
    assert [row["command"] for row in rows(tmp_path / "nwauth.log.1")] == ["one", "two"]
    assert [row["command"] for row in rows(path)] == ["three"]


def test_a_file_whose_successor_cannot_be_opened_goes_on_being_written(tmp_path: Path) -> None:
    path, clock = tmp_path / "nwauth.log", Clock()
    log = open_log(str(path), monotonic=clock)
    log.event(ERROR, "one", {})
    path.rename(tmp_path / "nwauth.log.1")
    path.mkdir()
    clock.seconds += 1
    log.event(ERROR, "two", {})
    assert [row["command"] for row in rows(tmp_path / "nwauth.log.1")] == ["one", "two"]
    assert log.lost_lines == 0


def test_a_deleted_file_is_made_anew_and_lines_lost_meanwhile_are_counted(tmp_path: Path) -> None:
    folder, clock = tmp_path / "log", Clock()
    path = folder / "nwauth.log"
    log = open_log(str(path), monotonic=clock)
    log.event(ERROR, "missing folder", {})
    assert log.lost_lines == 1
    folder.mkdir()
    log.event(ERROR, "still resting", {})
    assert not path.exists()
    clock.seconds += 1
    log.event(ERROR, "back", {})
    assert [(row["command"], row.get("lines")) for row in rows(path)] == [("lost", "2"), ("back", None)]
    path.unlink()
    folder.rmdir()
    clock.seconds += 1
    log.event(ERROR, "gone", {})
    assert log.lost_lines == 1


def test_an_error_that_cannot_be_written_goes_elsewhere_and_says_why() -> None:
    clock, lines, instead = Clock(), Lines(), Lines()
    log = Log(lines, level="info", stamped=False, instead=instead, monotonic=clock)
    lines.broken = True
    log.event(INFO, "start", {"user": "bob"})
    assert instead.lines == []
    clock.seconds += 1
    log.event(ERROR, "lookup", {"user": "bob", "reason": "it is down"})
    clock.seconds += 1
    instead.broken = True
    log.event(ERROR, "lookup", {"user": "bob"})
    assert log.lost_lines == 3
    (line,) = instead.lines
    assert line.startswith('lookup level=error user=bob reason="it is down" log="cannot be written: ')


def test_a_failing_destination_is_left_alone_for_a_second_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    clock, lines = Clock(), Lines()
    log = Log(lines, level="info", stamped=False, monotonic=clock)
    lines.broken = True
    log.request(INFO, "check", FACTS, 1)
    lines.broken = False
    clock.seconds += 0.9
    log.request(INFO, "check", FACTS, 1)
    assert lines.lines == []
    clock.seconds += 0.2
    lines.broken = True
    log.request(INFO, "check", FACTS, 1)
    lines.broken = False
    clock.seconds += 1.1
    log.request(INFO, "check", FACTS, 1)
    log.request(INFO, "check", FACTS, 1)
    assert lines.lines[0] == "lost level=error lines=3"
    assert [line.split()[0] for line in lines.lines] == ["lost", "check", "check"]
    assert capfd.readouterr() == ("", "")


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text of me")


def test_a_value_that_cannot_be_written_loses_its_line_and_no_more() -> None:
    clock, lines = Clock(), Lines()
    log = Log(lines, level="info", stamped=False, monotonic=clock)
    log.request(INFO, "check", {"user": Hostile()}, 1)
    clock.seconds += 2
    log.request(INFO, "check", {}, 1)
    assert lines.lines == ["lost level=error lines=1", "check ms=1.00"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_a_folder_in_its_place_and_a_fifo_nobody_reads_lose_lines_only(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in ("/dev/full", str(tmp_path), str(fifo), "/proc/nwauth.log", "", "a\0b"):
        log = open_log(path)
        log.event(ERROR, "start", {})
        assert log.lost_lines == 1


def test_a_line_that_a_full_disk_tore_is_ended_before_the_next(tmp_path: Path) -> None:
    program = """if True:
        import resource, signal, sys
        from nwauth.audit import ERROR, open_log
        seconds = [0.0]
        log = open_log(sys.argv[1], monotonic=lambda: seconds[0])
        log.event(ERROR, "one", {})
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (70, hard))
        log.event(ERROR, "two", {})
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        seconds[0] = 5.0
        log.event(ERROR, "three", {})
    """
    path = tmp_path / "nwauth.log"
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout + ran.stderr == ""
    one, torn, lost, three = path.read_text().splitlines()
    assert len(one + torn) == 69
    assert parse_line(lost)["lines"] == "1"
    assert parse_line(three)["command"] == "three"


def test_several_writers_never_mix_lines(tmp_path: Path) -> None:
    program = """if True:
        import sys
        from nwauth.audit import INFO, open_log
        log = open_log(sys.argv[1], level="info")
        for i in range(400):
            log.request(INFO, "check", {"user": sys.argv[2] * (i % 500), "n": i}, 1)
    """
    path = tmp_path / "nwauth.log"
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), who]) for who in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = rows(path)
    assert len(found) == 1200
    assert {(row["user"][:1], row["n"]) for row in found if row["n"] != "0"} == {
        (who, str(i)) for who in "abc" for i in range(1, 400)
    }


def test_syslog_gets_lines_without_a_stamp_under_facility_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    fake = ModuleType("syslog")
    fake.__dict__.update(LOG_PID=1, LOG_MAIL=16, LOG_ERR=3, LOG_INFO=6, LOG_DEBUG=7)
    fake.__dict__.update(openlog=lambda *given: calls.append(given), syslog=lambda *given: calls.append(given))
    monkeypatch.setitem(sys.modules, "syslog", fake)
    log = open_log("syslog", level="info")
    log.request(INFO, "check", {"user": "bob"}, 41)
    log.event(ERROR, "start", {})
    assert calls == [("nwauth", 1, 16), (6, "check user=bob ms=41"), (3, "start level=error")]


def test_a_machine_without_syslog_changes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    log = open_log("syslog", level="info", format="ndjson")
    log.request(INFO, "check", {"user": "b\0b\udcff"}, 41)
    assert capfd.readouterr() == ("", "")


def test_null_writes_nothing_and_formats_no_requests() -> None:
    log = open_log("null", level="debug")
    assert not log.enabled(INFO)
    log.event(ERROR, "start", {})
    assert log.lost_lines == 0


def test_ndjson_lines_hold_the_same_as_text(tmp_path: Path) -> None:
    path = tmp_path / "nwauth.log"
    log = open_log(str(path), level="info", format="ndjson", now=Clock())
    log.request(INFO, "check", FACTS | {"found": 3, "known": True}, 41.4)
    log.event(ERROR, "start", {"text": "caf\udce9"})
    first, second = map(json.loads, path.read_text().splitlines())
    assert first.pop("time").startswith("2027-01-15T")
    assert first == {"level": "info", "command": "check", **FACTS, "found": 3, "known": True, "ms": 41}
    assert (second["level"], second["command"], second["text"]) == ("error", "start", "caf\\xe9")


def test_importing_it_loads_nothing_heavy_and_neither_does_a_text_line(tmp_path: Path) -> None:
    program = (
        "import sys; from nwauth.audit import open_log\n"
        "open_log(sys.argv[1], level='info').request(2, 'check', {'user': 'a b'}, 1.0)\n"
        "heavy = 'json datetime re typing dataclasses logging enum syslog traceback'\n"
        "print(set(heavy.split()) & set(sys.modules))"
    )
    command = [sys.executable, "-S", "-c", program, str(tmp_path / "nwauth.log")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
    assert (tmp_path / "nwauth.log").exists()
