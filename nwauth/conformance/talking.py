"""A module that runs: spawned with pipes as the servers do it, asked one line at a time, each by a deadline."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from nwauth.conformance.answers import DATA, DEAD, NO, YES, first_word
from nwauth.dmail.words import program
from nwauth.errors import Unavailable
from nwauth.stores.process.chatter import Chatter
from nwauth.stores.process.child import Broken, Child, Late, Unasked
from nwauth.stores.process.spawn import environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Final, Self

LIMIT_SECONDS = 10.0  # as long as a server waits (authent_timeout), unless it is told otherwise
OURS = ("nwauth", "nwauth.exe")
FINAL = (YES, NO, DEAD)
END_SECONDS = 1.0  # for what is still to come once its input has ended
MORE_SECONDS = 0.05  # for an answer that nobody has asked for
MOST_BYTES = 1 << 24  # of an answer
TAG = "module"


class Answer:
    """The lines of an answer, without their LF; where they end in no final one, `problem` says what happened.

    `is_unasked`: it had said something before it was asked.
    """

    def __init__(self, lines: list[bytes], seconds: float, problem: str = "", *, is_unasked: bool = False) -> None:
        self.lines: Final = lines
        self.seconds: Final = seconds
        self.problem: Final = problem
        self.is_unasked: Final = is_unasked

    @property
    def kind(self) -> str:
        """The first word of the final line; empty where there is none."""
        return "" if self.problem else first_word(self.lines[-1])

    @property
    def text(self) -> str:
        """The final line, or what happened instead, for people."""
        return self.problem or self.lines[-1].removesuffix(b"\r").decode("utf-8", "surrogateescape")


class Module:
    """A program that was just started in `folder`; leaving the block ends it.

    `said` is what it wrote to stderr.

    Raises:
        Unavailable: it cannot be started.
    """

    def __init__(self, words: Sequence[str], *, folder: str, seconds: float = LIMIT_SECONDS) -> None:
        self.said: Final[list[str]] = []
        self.seconds: Final = seconds
        self._gone = ""
        try:
            self._child: Final = Child(
                words,
                folder=folder,
                environment=environment_of({}),
                until=monotonic() + seconds,
                chatter=Chatter(TAG, self._heard),
            )
        except OSError as error:
            closed = isinstance(error, PermissionError)
            how = f"; namei -l {error.filename} shows what is closed to this account" if closed else ""
            raise Unavailable(f"{words[0]} cannot be started: {error.strerror}: {error.filename}{how}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.pid > 0:
            self._child.leave()

    def tell(self, request: bytes) -> None:
        """Give it a line to which no answer is wanted; one that comes all the same is taken for the next request's."""
        if self._gone:
            return
        try:
            self._child.send(request + b"\n", monotonic() + self.seconds)
        except Broken as broken:
            self._lost(broken)

    def ask(self, request: bytes) -> Answer:
        """All the lines of its answer to `request`, and how long that took."""
        began, lines = monotonic(), list[bytes]()
        if self._gone:
            return Answer(lines, 0.0, f"no answer: {self._gone}")
        try:
            self._child.must_be_quiet()
            self._child.send(request + b"\n", began + self.seconds)
            self._read(lines, began + self.seconds)
        except Broken as broken:
            seconds = monotonic() - began
            return Answer(lines, seconds, self._lost(broken), is_unasked=isinstance(broken, Unasked))
        self._child.final()
        return Answer(lines, monotonic() - began)

    def _read(self, lines: list[bytes], until: float) -> None:
        """Take the lines of an answer.  Raises Broken."""
        size = 0
        while not (lines and first_word(lines[-1]) in FINAL):
            lines.append(self._line(until))
            size += len(lines[-1])
            if size > MOST_BYTES:
                raise Broken(f"sent more than {MOST_BYTES >> 20} MiB for one answer")

    def says_more(self) -> bool:
        """Whether a line comes that nobody has asked for; it cannot be asked any more then."""
        if self._gone:
            return False
        try:
            self._child.line(monotonic() + MORE_SECONDS)
        except Broken:
            return False
        self._lost(Unasked("said what it was not asked for"))
        return True

    def ends(self) -> bool:
        """Whether it ends by itself once its input has ended, as all do whose server stops; it is ended then."""
        if self._gone:
            return True
        self._child.end_input()
        has_ended = self._child.has_ended(within=self.seconds)
        self._gone = "the module was ended"
        self._child.kill()
        return has_ended

    def _line(self, until: float) -> bytes:
        """A line of an answer.  Raises Broken."""
        line = self._child.line(until)
        if first_word(line) not in (*FINAL, DATA):
            raise Broken(f"said {self._child.shown(line)}, which is no answer of the protocol")
        return line

    def _lost(self, broken: Broken) -> str:
        """It cannot be asked any more: end it; what to say about that."""
        what = str(broken)
        if isinstance(broken, Late):
            what = f"did not answer within {self.seconds:g} s"
            if self._answers_at_the_end():
                what += ", but did when its input ended: it must flush each reply"
        self._child.kill()
        self._gone = f"the module {what}" + (f"; it says: {self.said[-1]}" if self.said else "")
        return f"no answer: {self._gone}"

    def _answers_at_the_end(self) -> bool:
        """Whether it has kept back what it had to say: stdout is buffered where it is no terminal."""
        self._child.end_input()
        try:
            return first_word(self._child.line(monotonic() + END_SECONDS)) in (*FINAL, DATA)
        except Broken:
            return False

    def _heard(self, facts: Mapping[str, object]) -> None:
        self.said.extend(str(value) for key, value in facts.items() if key not in ("store", "result"))


def is_ours(words: Sequence[str]) -> bool:
    """Whether a command starts a nwauth, as far as its name tells."""
    return program(words[0]) in OURS or list(words[1:3]) == ["-m", "nwauth"]


def at_folder(words: Sequence[str], folder: str) -> list[str]:
    """The command of a nwauth with another ``-path``."""
    found = list(words)
    for at, word in enumerate(found[:-1]):
        if word in ("-path", "--path"):
            found[at + 1] = folder
            return found
    start = 3 if found[1:3] == ["-m", "nwauth"] else 1
    return [*found[:start], "-path", folder, *found[start:]]
