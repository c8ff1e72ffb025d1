"""What a module was asked, what it answered, and whether that is as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.model import Record

if TYPE_CHECKING:
    from typing import Final

    from nwauth.conformance.talking import Answer

OK, WRONG, NOT_SHOWN = "ok", "wrong", "not shown"
SERVING, NEW = "serving", "new"

YES, NO, DEAD = "+OK", "-ERR", "-DEAD"
DATA = "+DATA"  # a line of a listing, before the last
NOT_NO = "+OK or -DEAD"  # what is still known may be said
TELLS = "it says the password, which whatever logs the answer then keeps"


def first_word(line: bytes) -> str:
    """The first word of a line, of a request or an answer; modules of another system may end it in CR LF."""
    word = line.removesuffix(b"\r").replace(b"\t", b" ").partition(b" ")[0]
    return word.decode("utf-8", "surrogateescape")


class Step(Record):
    """One answer: `fault` is what was broken before (empty: nothing), `child` whether it was serving then or is new.

    `log` is the reason that the module has logged; only that of a copy is read.
    """

    __slots__ = ("answer", "child", "expected", "fault", "log", "request", "result", "seconds", "why")

    def __init__(
        self,
        *,
        fault: str = "",
        child: str = "",
        request: str = "",
        expected: str = "",
        answer: str = "",
        seconds: float = 0.0,
        result: str = OK,
        why: str = "",
        log: str = "",
    ) -> None:
        self.fault: Final = fault
        self.child: Final = child
        self.request: Final = request
        self.expected: Final = expected
        self.answer: Final = answer
        self.seconds: Final = seconds
        self.result: Final = result
        self.why: Final = why
        self.log: Final = log


class Question(Record):
    """A line to send, how it is shown (a password is not), and the first word of the answers that are right.

    `password` is the one in the line, which no answer may have.
    """

    __slots__ = ("expected", "line", "password", "shown")

    def __init__(self, line: bytes, expected: str, *, shown: str = "", password: bytes = b"") -> None:
        self.line: Final = line
        self.expected: Final = expected
        self.password: Final = password
        self.shown: Final = shown or line.decode("utf-8", "surrogateescape")


def judged(
    question: Question, answer: Answer, *, limit_seconds: float, fault: str = "", child: str = "", log: str = ""
) -> Step:
    """Whether an answer is as it should be, and in time."""
    why = ""
    if answer.problem:
        why = "a server would wait for it in vain"
    elif answer.kind not in question.expected.split(" or "):
        more = {NO: ": a server believes it, and may bounce mail", DEAD: ": the module's log tells the whole reason"}
        why = f"wanted {question.expected}" + more.get(answer.kind, "")
    elif question.password and any(question.password in line for line in answer.lines):
        why = TELLS
    elif answer.seconds >= limit_seconds:
        why = f"a server waits for {limit_seconds:g} s only"
    return Step(
        fault=fault,
        child=child,
        request=question.shown,
        expected=question.expected,
        answer=answer.text,
        seconds=round(answer.seconds, 3),
        result=WRONG if why else OK,
        why=why,
        log=log,
    )
