"""The ways in which a store breaks, each shown on a copy of its own: what a serving module says, and a new one."""

from __future__ import annotations

import os
from contextlib import ExitStack
from time import sleep
from typing import TYPE_CHECKING

from nwauth.audit import parse_line
from nwauth.conformance.answers import BEFORE, DEAD, NEW, NOT_SHOWN, SERVING, YES, Step
from nwauth.conformance.breaking import BREAKS, FAULTS, HIDDEN, Break
from nwauth.conformance.copies import Copy
from nwauth.conformance.judging import Question, judged
from nwauth.conformance.places import temporary
from nwauth.conformance.selftest import encoded, lookup, nobody, wrong_check
from nwauth.conformance.talking import LIMIT_SECONDS, Module, at_folder
from nwauth.errors import NwauthError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Final

    from nwauth.config import Config, StoreConfig

PAUSE_SECONDS = 0.1  # a module that serves may have looked at its files a moment before
NEW_PASSWORD = b"Nwauth-selftest-1"  # of a user in a copy


class Trial:
    """What is broken: the module's command, the store's settings, and a user who is in it, if one is known."""

    def __init__(
        self,
        words: Sequence[str],
        config: Config,
        chosen: StoreConfig,
        *,
        user: str | None,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self.words: Final = list(words)
        self.config: Final = config
        self.chosen: Final = chosen
        self.user: Final = user
        self.limit_seconds: Final = limit_seconds
        self.read_only: Final = chosen.read_only or "-readonly" in words


def broken(
    trial: Trial, tell: Callable[[str], None], working: Callable[[str], AbstractContextManager[object]]
) -> Iterator[Step]:
    """Each answer of a module whose store is broken, fault by fault; one step for each fault that cannot be shown.

    `working` names a fault for as long as its answers are waited for: some take seconds.

    Raises:
        Unavailable: the store cannot be copied, or the module not be started.
    """
    with temporary(tell) as place:
        for fault in FAULTS:
            copy = Copy(os.path.join(place, "copy"), trial.config, trial.chosen)
            way = BREAKS.get((fault, copy.sort))
            why = HIDDEN[fault, copy.sort] if way is None else way.unfit(copy, read_only=trial.read_only)
            if way is None or why:
                yield Step(fault=fault, result=NOT_SHOWN, why=why)
                continue
            copy.make()
            try:
                with working(fault):
                    steps = list(_shown(trial, copy, fault, way))
                yield from steps
            finally:
                copy.remove()


def _shown(trial: Trial, copy: Copy, fault: str, way: Break) -> Iterator[Step]:
    """The answers to one fault: of a module that served before, where that can be, and of one that starts now."""
    words = at_folder(trial.words, copy.folder)
    user = trial.user or nobody(None)
    with ExitStack() as stack:
        serving = None
        if way.is_seen_serving:
            serving = stack.enter_context(Module(words, folder=copy.folder, seconds=trial.limit_seconds))
            if trial.user is not None:
                question = lookup(user, YES)
                yield judged(
                    question,
                    serving.ask(question.line),
                    limit_seconds=trial.limit_seconds,
                    fault=BEFORE,
                    child=SERVING,
                )
        stack.enter_context(way.broken(copy, user))
        if serving is not None:
            sleep(PAUSE_SECONDS)
            yield from _asked(trial, copy, serving, fault, way, child=SERVING)
        new = stack.enter_context(Module(way.started(words), folder="/", seconds=trial.limit_seconds))
        yield from _asked(trial, copy, new, fault, way, child=NEW)


def _asked(trial: Trial, copy: Copy, module: Module, fault: str, way: Break, *, child: str) -> Iterator[Step]:
    log = CopyLog(copy.folder)
    for question in _questions(trial, way):
        answer = module.ask(question.line)
        yield judged(
            question, answer, limit_seconds=trial.limit_seconds, fault=fault, child=child, log=log.reason(answer.kind)
        )


class CopyLog:
    """The log of a copy: it goes with the copy, and an answer on the wire says less than it."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "nwauth.log")
        self._reason = ""

    def reason(self, kind: str) -> str:
        """Why the last answer was given, if it was "cannot tell": an outage is logged once, and lasts."""
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape") as file:
                for line in file:
                    self._take(line)
        except OSError:  # none is opened before the first error, or the disk is full
            return ""
        return self._reason if kind == DEAD else ""

    def _take(self, line: str) -> None:
        try:
            self._reason = parse_line(line).get("reason", self._reason)
        except NwauthError:
            pass


def _questions(trial: Trial, way: Break) -> Iterator[Question]:
    """What is asked: what needs what is broken must be -DEAD, a user who is there never be denied."""
    user = trial.user or nobody(None)
    if trial.user is not None and way.lookup:
        yield lookup(user, way.lookup)
    if way.unknown:
        yield lookup(nobody(trial.user), way.unknown)
    if way.check:
        yield wrong_check(user, way.check)
    if way.change:
        line, password = b"set " + encoded(user) + b" " + NEW_PASSWORD, NEW_PASSWORD
        yield Question(line, DEAD, shown=f"set {user} (a new password)", password=password)
