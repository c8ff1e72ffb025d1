"""What a module was asked, and what it answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.model import Record

if TYPE_CHECKING:
    from typing import Final

OK, WRONG, NOT_SHOWN = "ok", "wrong", "not shown"
SERVING, NEW = "serving", "new"
BEFORE = "before it"  # in the place of a fault: what was asked of a child before its store broke

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
