"""Plays the golden transcripts, each three ways; nwauth/conformance/transcripts/README.md describes them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from nwauth import build, dropin
from nwauth.conformance import transcripts
from tests.serving import Child, converse, is_final, play

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.conformance.transcripts import Transcript


@pytest.fixture(params=transcripts.names())
def transcript(request: pytest.FixtureRequest) -> Transcript:
    return transcripts.named(request.param)


def set_up(transcript: Transcript, folder: Path) -> Path:
    transcript.set_up(str(folder))
    return folder


def requests_of(transcript: Transcript) -> list[bytes]:
    return [exchange.request for exchange in transcript.exchanges]


def answers_of(transcript: Transcript) -> bytes:
    return b"".join(exchange.answer for exchange in transcript.exchanges)


def test_a_transcript_is_played_in_process(transcript: Transcript, tmp_path: Path) -> None:
    folder = set_up(transcript, tmp_path / "base")
    options = dropin.read_options(["-path", str(folder), *transcript.options])
    assert options is not None
    config, failure = dropin.configured(options)
    assert failure is None
    service = build.build(config)
    conversation = dropin.converse(options, config, service, dropin.open_log(config))
    played = play(conversation, requests_of(transcript))
    for exchange, replies in zip(transcript.exchanges, played, strict=True):
        assert (exchange.request, b"".join(replies)) == (exchange.request, exchange.answer)
    service.store.close()


def test_a_transcript_is_played_through_a_child_in_lockstep(transcript: Transcript, tmp_path: Path) -> None:
    with Child(set_up(transcript, tmp_path / "base"), *transcript.options) as child:
        for exchange in transcript.exchanges:
            child.send(exchange.request + b"\n")
            given = child.replies() if exchange.answer else b""
            assert (exchange.request, given) == (exchange.request, exchange.answer)
        child.hang_up()
        assert child.rest() == b""
        child.assert_ended_well()


def test_a_transcript_is_played_through_a_child_byte_by_byte(transcript: Transcript, tmp_path: Path) -> None:
    with Child(set_up(transcript, tmp_path / "base"), *transcript.options) as child:
        assert child.process.stdin is not None
        descriptor = child.process.stdin.fileno()

        def write() -> None:
            for byte in b"".join(request + b"\n" for request in requests_of(transcript)):
                os.write(descriptor, bytes([byte]))
            child.hang_up()

        writer = threading.Thread(target=write)
        writer.start()
        rest = child.rest()
        writer.join()
        assert rest == answers_of(transcript)
        child.assert_ended_well()


def test_a_transcript_says_the_same_with_crlf_and_all_at_once(transcript: Transcript, tmp_path: Path) -> None:
    requests = b"".join(request.removesuffix(b"\r") + b"\r\n" for request in requests_of(transcript))
    done = converse(set_up(transcript, tmp_path / "base"), requests, *transcript.options)
    assert (done.stdout, done.stderr, done.returncode) == (answers_of(transcript), b"", 0)


def test_every_answer_of_every_transcript_ends_with_its_one_final_line(transcript: Transcript) -> None:
    for exchange in transcript.exchanges:
        lines = exchange.answer.splitlines(keepends=True)
        assert [is_final(line) for line in lines] == [False] * (len(lines) - 1) + [True] * bool(lines), exchange.request


def test_the_vendors_conversation_is_among_the_transcripts() -> None:
    vendor = transcripts.named("vendor")
    assert vendor.total + 1 == 1510
    assert b"+OK Search Complete 2 items found out of 1510\n" in answers_of(vendor)
