"""A conversation as a mail server would have it, and which changes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nwauth.conformance.answers import NO, WRONG, YES, Step
from nwauth.conformance.judging import Question, judged
from nwauth.conformance.talking import LIMIT_SECONDS, Module, is_ours

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

END = "(the end of its input)"
LONG = 9000  # bytes of a line that is too long (8,192 is the limit)


def nobody(beside: str | None) -> str:
    """A name that nobody has, in the domain of `beside`: so the same store is asked."""
    _, at, domain = (beside or "").rpartition("@")
    return f"nwauth-selftest-{os.urandom(6).hex()}{at}{domain if at else ''}"


def wrong_check(name: str, expected: str) -> Question:
    """A check with a password that is nobody's."""
    password = os.urandom(12).hex().encode()
    line = b"check " + encoded(name) + b" " + password
    return Question(line, expected, shown=f"check {name} (a wrong password)", password=password, user=name)


def encoded(name: str) -> bytes:
    """A name as it stands in a request."""
    return name.encode("utf-8", "surrogateescape")


def lookup(name: str, expected: str, *, also: Collection[str] = ()) -> Question:
    """A look-up; `also` are other names that the store may have for that user."""
    return Question(b"lookup " + encoded(name), expected, user=name, also=also)


def questions(user: str | None, *, also: Collection[str] = (), checked: str, ours: bool) -> Iterator[Question]:
    """What is asked: `user` is there, called one of `also` by the store, `checked` is who gives a wrong password.

    Only a nwauth is given a line that is too long: old modules read into fixed buffers (CVE-2001-1355).
    """
    yield Question(b"version", YES)
    yield Question(b"help", YES)
    if user is not None:
        yield lookup(user, YES, also=also)
    yield lookup(nobody(user), NO)
    yield wrong_check(checked, NO)
    yield Question(b"nonsense", NO)
    yield Question(b"lookup", NO)
    if ours:
        yield Question(b"lookup " + b"x" * LONG, NO, shown=f"lookup (a line of {LONG + 7:,} bytes)")
        yield Question(b"lookup \xff\x00\x01\x80", NO, shown="lookup (bytes that are no text)")
    yield Question(b"exit", YES)


def conversation(
    words: Sequence[str],
    *,
    folder: str,
    user: str | None,
    also: Collection[str] = (),
    checked: str | None,
    limit_seconds: float = LIMIT_SECONDS,
) -> Iterator[Step]:
    """Each step of the conversation with what `words` starts in `folder`; `checked` None: somebody unknown.

    `also` are other names that the store may have for `user`.

    A nwauth is started with ``-readonly``: it would look after the folder otherwise.

    Raises:
        Unavailable: it cannot be started.
    """
    ours = is_ours(words)
    command = [*words, "-readonly"] if ours else list(words)
    with Module(command, folder=folder, seconds=limit_seconds) as module:
        for question in questions(user, also=also, checked=checked or nobody(user), ours=ours):
            yield judged(question, module.ask(question.line), limit_seconds=limit_seconds, ours=ours)
        if not module.ends():
            yield Step(request=END, expected="an end", result=WRONG, why=f"it goes on running for {limit_seconds:g} s")
