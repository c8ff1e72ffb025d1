"""Whether what a module answers is as it should be: its outcome, its form, its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.conformance.answers import DEAD, NO, OK, TELLS, WRONG, Step
from nwauth.conformance.forms import fault_of_lines, fault_of_user
from nwauth.model import Record

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Final

    from nwauth.conformance.talking import Answer


class Question(Record):
    """A line to send, how it is shown (a password is not), and the first word of the answers that are right.

    `password` is the one in the line, which no answer may have.  `user` is who is asked for, `also` other names that
    the store may have for that one; of a question about nobody in particular it is empty.
    """

    __slots__ = ("also", "expected", "line", "password", "shown", "user")

    def __init__(
        self,
        line: bytes,
        expected: str,
        *,
        shown: str = "",
        password: bytes = b"",
        user: str = "",
        also: Collection[str] = (),
    ) -> None:
        self.user: Final = user
        self.also: Final = also
        self.line: Final = line
        self.expected: Final = expected
        self.password: Final = password
        self.shown: Final = shown or line.decode("utf-8", "surrogateescape")


def judged(
    question: Question,
    answer: Answer,
    *,
    limit_seconds: float,
    ours: bool = True,
    fault: str = "",
    child: str = "",
    log: str = "",
) -> Step:
    """Whether an answer is as it should be, and in time; `ours`: it is a nwauth's, of which more is wanted."""
    why = ""
    if answer.problem:
        why = "a server would wait for it in vain"
    elif answer.kind not in question.expected.split(" or "):
        more = {NO: ": a server believes it, and may bounce mail", DEAD: ": the module's log tells the whole reason"}
        why = f"wanted {question.expected}" + more.get(answer.kind, "")
    elif question.password and any(question.password in line for line in answer.lines):
        why = TELLS
    elif fault_of_lines(answer.lines):
        why = fault_of_lines(answer.lines)
    elif question.user and fault_of_user(answer.lines, question.user, also=question.also, ours=ours):
        why = fault_of_user(answer.lines, question.user, also=question.also, ours=ours)
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
