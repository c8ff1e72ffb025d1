"""Plays the golden transcripts, each three ways; tests/transcripts/README.md describes the files."""

from __future__ import annotations

import os
import re
import shlex
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nwauth import __version__, build, dropin
from tests.serving import Child, converse, is_final, make_folder, play

FOLDER = Path(__file__).parent / "transcripts"
ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|\{(.*?)\*(\d+)\}|(.))")
PLAIN_ESCAPES = {"v": __version__.encode(), "t": b"\t", "r": b"\r", "\\": b"\\"}


@dataclass
class Transcript:
    """A base to set up, and the exchanges: a request and all the lines of its answer."""

    users: list[bytes] = field(default_factory=list)
    journal: list[bytes] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    toml: list[str] = field(default_factory=list)
    total: int = 0
    base: bool = True
    exchanges: list[tuple[bytes, bytes]] = field(default_factory=list)

    def set_up(self, folder: Path) -> Path:
        if not self.base:
            return make_folder(folder, None)
        fillers = [b"filler%d@example.org:!:" % number for number in range(self.total - len(self.users))]
        return make_folder(
            folder,
            b"".join(line + b"\n" for line in self.users + fillers),
            add=b"".join(line + b"\n" for line in self.journal) if self.journal else None,
            toml="\n".join(self.toml) if self.toml else None,
        )

    @property
    def requests(self) -> bytes:
        return b"".join(request + b"\n" for request, _ in self.exchanges)

    @property
    def answers(self) -> bytes:
        return b"".join(answer for _, answer in self.exchanges)


def unescaped(text: str) -> bytes:
    r"""The bytes of a line: ``\x00``, ``\t``, ``\r``, ``\\``, and ``\{a*300}`` for 300 times ``a``."""
    found, at = b"", 0
    for match in ESCAPE.finditer(text):
        found += text[at : match.start()].encode()
        code, repeated, times, plain = match.groups()
        if code is not None:
            found += bytes([int(code, 16)])
        elif times is not None:
            found += repeated.encode() * int(times)
        else:
            found += PLAIN_ESCAPES[plain]
        at = match.end()
    return found + text[at:].encode()


def read(path: Path) -> Transcript:
    transcript = Transcript()
    for line in path.read_text().splitlines():
        mark, _, rest = line.partition(" ")
        if mark == ">":
            transcript.exchanges.append((unescaped(rest), b""))
        elif mark == "<":
            request, answer = transcript.exchanges.pop()
            transcript.exchanges.append((request, answer + unescaped(rest) + b"\n"))
        elif mark == "#":
            if not transcript.exchanges:
                read_heading(transcript, rest)
        elif line:
            raise ValueError(f"{path.name}: {line}")
    return transcript


def read_heading(transcript: Transcript, comment: str) -> None:
    word, _, rest = comment.partition(" ")
    match word:
        case "user":
            transcript.users.append(unescaped(rest))
        case "journal":
            transcript.journal.append(unescaped(rest))
        case "option":
            transcript.options += shlex.split(rest)
        case "toml":
            transcript.toml.append(rest)
        case "users":
            transcript.total = int(rest)
        case "nobase":
            transcript.base = False


TRANSCRIPTS = sorted(path.stem for path in FOLDER.glob("*.txt"))


@pytest.fixture(params=TRANSCRIPTS)
def transcript(request: pytest.FixtureRequest) -> Transcript:
    return read(FOLDER / f"{request.param}.txt")


def test_a_transcript_is_played_in_process(transcript: Transcript, tmp_path: Path) -> None:
    folder = transcript.set_up(tmp_path / "base")
    options = dropin.read_options(["-path", str(folder), *transcript.options])
    assert options is not None
    config, failure = dropin.configured(options)
    assert failure is None
    service = build.build(config)
    conversation = dropin.converse(options, config, service, dropin.open_log(config))
    played = play(conversation, [request for request, _ in transcript.exchanges])
    for (request, expected), replies in zip(transcript.exchanges, played, strict=True):
        assert (request, b"".join(replies)) == (request, expected)
    service.store.close()


def test_a_transcript_is_played_through_a_child_in_lockstep(transcript: Transcript, tmp_path: Path) -> None:
    with Child(transcript.set_up(tmp_path / "base"), *transcript.options) as child:
        for request, expected in transcript.exchanges:
            child.send(request + b"\n")
            assert (request, child.replies() if expected else b"") == (request, expected)
        child.hang_up()
        assert child.rest() == b""
        child.assert_ended_well()


def test_a_transcript_is_played_through_a_child_byte_by_byte(transcript: Transcript, tmp_path: Path) -> None:
    with Child(transcript.set_up(tmp_path / "base"), *transcript.options) as child:
        assert child.process.stdin is not None
        descriptor = child.process.stdin.fileno()

        def write() -> None:
            for byte in transcript.requests:
                os.write(descriptor, bytes([byte]))
            child.hang_up()

        writer = threading.Thread(target=write)
        writer.start()
        rest = child.rest()
        writer.join()
        assert rest == transcript.answers
        child.assert_ended_well()


def test_a_transcript_says_the_same_with_crlf_and_all_at_once(transcript: Transcript, tmp_path: Path) -> None:
    requests = b"".join(request.removesuffix(b"\r") + b"\r\n" for request, _ in transcript.exchanges)
    done = converse(transcript.set_up(tmp_path / "base"), requests, *transcript.options)
    assert (done.stdout, done.stderr, done.returncode) == (transcript.answers, b"", 0)


def test_every_answer_of_every_transcript_ends_with_its_one_final_line(transcript: Transcript) -> None:
    for request, answer in transcript.exchanges:
        lines = answer.splitlines(keepends=True)
        assert [is_final(line) for line in lines] == [False] * (len(lines) - 1) + [True] * bool(lines), request


def test_the_vendors_conversation_is_among_the_transcripts() -> None:
    vendor = read(FOLDER / "vendor.txt")
    assert vendor.total + 1 == 1510
    assert b"+OK Search Complete 2 items found out of 1510\n" in vendor.answers
