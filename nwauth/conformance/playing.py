"""Transcripts played against any module's command line, one request at a time: which replies differ, byte for byte."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from nwauth.conformance import dialects, transcripts
from nwauth.conformance.talking import LIMIT_SECONDS, Module
from nwauth.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

    from nwauth.conformance.transcripts import Exchange, Transcript

FOLDER = "{folder}"
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
    transcript: Transcript, words: Sequence[str], *, profile: str, seconds: float = LIMIT_SECONDS
) -> Iterator[Reply]:
    """The replies of a module, started anew on a folder made for this transcript, up to the first that never came.

    ``{folder}`` in `words` is that folder; a nwauth's options that the transcript is about are put behind.

    Raises:
        Unavailable: it cannot be started.
    """
    place = tempfile.mkdtemp(prefix="nwauth-compat-")
    try:
        folder = os.path.join(place, "users")
        transcript.set_up(folder)
        command = [word.replace(FOLDER, folder) for word in words] + transcript.options
        with Module(command, folder=folder, seconds=seconds) as module:
            for exchange in transcript.exchanges:
                reply = _played(module, transcript.name, exchange, profile)
                yield reply
                if reply.result == SILENT:  # it cannot be asked any more
                    return
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _played(module: Module, name: str, exchange: Exchange, profile: str) -> Reply:
    if not exchange.answer:  # if one comes, the next request gets it, and differs
        module.tell(exchange.request)
        return Reply(name, exchange, b"", result=ALIKE, why="")
    answer = module.ask(exchange.request)
    given = b"".join(line + b"\n" for line in answer.lines)
    if answer.problem:
        return Reply(name, exchange, given, result=SILENT, why=answer.problem)
    if given == exchange.answer:
        return Reply(name, exchange, given, result=ALIKE, why="")
    why = dialects.excuse(exchange.request, exchange.answer, given, profile)
    return Reply(name, exchange, given, result=DIALECT if why else DIFFERS, why=why or "not a byte may differ")


def chosen(only: Sequence[str]) -> list[Transcript]:
    """The transcripts of these names, all without one.  Raises KeyError."""
    known = transcripts.names()
    for name in only:
        if name not in known:
            raise KeyError(name)
    return [transcripts.read(name) for name in known if not only or name in only]
