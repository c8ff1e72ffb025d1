"""Transcripts played against any module's command line, one request at a time: which replies differ, byte for byte."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nwauth.conformance import dialects, transcripts
from nwauth.conformance.differences import told
from nwauth.conformance.talking import LIMIT_SECONDS, Module
from nwauth.errors import Unavailable
from nwauth.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

    from nwauth.conformance.transcripts import Exchange, Transcript

FOLDER = "{folder}"
BLANK_ANSWERED = "an empty line before it was answered, and is to be ignored: from here on all are out of step"
TWICE = "it answered twice: from here on all are out of step"
STAYS = "it goes on running when its input has ended: one is left behind by each server that stops"
ALIKE, DIALECT, DIFFERS, SILENT = "alike", "dialect", "differs", "silent"


class Reply(Record):
    """What a module said to one request of a transcript, and what stands there."""

    __slots__ = ("exchange", "given", "result", "transcript", "why")

    def __init__(self, transcript: str, exchange: Exchange, given: bytes, *, result: str, why: str) -> None:
        self.transcript: Final = transcript
        self.exchange: Final = exchange
        self.given: Final = given
        self.result: Final = result
        self.why: Final = why


def played(
    transcript: Transcript, words: Sequence[str], *, place: str, profile: str, seconds: float = LIMIT_SECONDS
) -> Iterator[Reply]:
    """The replies of a module, started anew on a folder of its own in `place`, up to the first that never came.

    ``{folder}`` in `words` is that folder; a nwauth's options that the transcript is about are put behind.

    Raises:
        Unavailable: it cannot be started, or the folder not be made.
    """
    folder = os.path.join(place, os.urandom(6).hex())
    try:
        transcript.set_up(folder)
    except OSError as error:
        raise Unavailable(f"{folder}: {error.strerror}") from None
    command = [word.replace(FOLDER, folder) for word in words] + transcript.options
    with Module(command, folder=folder, seconds=seconds) as module:
        is_unasked = False  # an answer to what wants none may come now
        for exchange in transcript.exchanges:
            if not exchange.answer:
                module.tell(exchange.request)
                is_unasked = True
                yield Reply(transcript.name, exchange, b"", result=ALIKE, why="")
                continue
            reply = _played(module, transcript.name, exchange, profile, is_unasked=is_unasked)
            is_unasked = False
            yield reply
            if reply.result == SILENT:  # it cannot be asked any more
                return
        if transcript.exchanges and not module.ends():
            yield Reply(transcript.name, transcript.exchanges[-1], b"", result=DIFFERS, why=STAYS)


def _played(module: Module, name: str, exchange: Exchange, profile: str, *, is_unasked: bool) -> Reply:
    answer = module.ask(exchange.request)
    given = b"".join(line + b"\n" for line in answer.lines)
    if answer.problem:
        why = BLANK_ANSWERED if is_unasked and answer.is_unasked else answer.problem
        return Reply(name, exchange, given, result=SILENT, why=why)
    if given == exchange.answer:
        return Reply(name, exchange, given, result=ALIKE, why="")
    why = dialects.excuse(exchange.request, exchange.answer, given, profile)
    if why:
        return Reply(name, exchange, given, result=DIALECT, why=why)
    if module.says_more():
        return Reply(name, exchange, given, result=SILENT, why=BLANK_ANSWERED if is_unasked else TWICE)
    return Reply(name, exchange, given, result=DIFFERS, why=told(exchange.request, exchange.answer, given))


def chosen(only: Sequence[str]) -> list[Transcript]:
    """The transcripts of these names, all without one.  Raises KeyError."""
    known = transcripts.names()
    for name in only:
        if name not in known:
            raise KeyError(name)
    return [transcripts.named(name) for name in known if not only or name in only]
