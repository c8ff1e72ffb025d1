"""What the Tab key offers behind a command: users, info fields and their values, classes, stores, files.

Whoever pressed the key waits: what is not found at once is not offered, and a store that does not answer ends all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from nwauth.commands.session import Session
from nwauth.names import fold
from nwauth.policy.account import REFUSING_STATES
from nwauth.signals import timed
from nwauth.stores.around import innermost
from nwauth.stores.flatfile import FlatfileStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from nwauth.commands.session import Choices

MAX_NAMES = 100
MAX_SECONDS = 0.5  # of looking for names: whoever pressed the key waits
OF_A_USER = ("apps", "fields")  # what is offered about the user who is named before
END_SECONDS = 1.5  # a library that waits for a server hears no signal: then the process ends
FIELDS = ("full_name", "quota", "fwd", "mailstatus", "valid_from", "valid_until")


class _TimeIsUp(Exception):
    """The person at the keyboard has waited long enough."""


def users(choices: Choices, incomplete: str) -> list[str]:
    """Some users whose names begin like that; those that are found in time."""

    def names() -> Iterator[str]:
        session = Session(choices)
        inner = innermost(session.store)
        if isinstance(inner, FlatfileStore) and session.config.is_plain() and incomplete.isascii():
            found = inner.beginning(incomplete)  # a million lines are more than there is time for
            yield from (user.name for user in found if fold(user.name).startswith(incomplete.lower()))
            return
        pattern = "".join("?" if character in "*?" else character for character in incomplete) + "*"
        for user in session.service.search(pattern, limit=MAX_NAMES):
            yield user.name

    return _in_time(names())


def apps(choices: Choices, incomplete: str, *, user: str | None) -> list[str]:
    """The app passwords of a user whose names begin like that."""

    def names() -> Iterator[str]:
        from nwauth.policy.apps import of

        found = Session(choices).service.lookup(user) if user else None
        for one in of(found.info) if found is not None else ():
            if one.label.lower().startswith(incomplete.lower()):
                yield one.label

    return _in_time(names())


def stores(choices: Choices, incomplete: str) -> list[str]:
    """The stores of the configuration."""

    def names() -> Iterator[str]:
        yield from (store.name for store in Session(choices).config.stores)

    choices.store = None  # what is completed is no choice yet
    return _begun(names(), incomplete)


def places(choices: Choices, incomplete: str) -> list[CompletionItem]:
    """The stores of the configuration, and folders."""
    return [*map(CompletionItem, stores(choices, incomplete)), CompletionItem(incomplete, type="dir")]


def files(_choices: Choices, incomplete: str) -> list[CompletionItem]:
    """The shell knows them."""
    return [CompletionItem(incomplete, type="file")]


def classes(choices: Choices, incomplete: str) -> list[str]:
    """The classes that the access rules name."""
    return _begun(_classes(Session(choices)), incomplete)


def subjects(choices: Choices, incomplete: str) -> list[str]:
    """Classes, and users."""
    return [*classes(choices, incomplete), *users(choices, incomplete)]


def fields(choices: Choices, incomplete: str, *, user: str | None) -> list[str]:
    """Info fields with an equals sign, or, behind it, values: those that are known, and that of the user."""
    return _begun(_fields(Session(choices), incomplete, user), incomplete)


def _fields(session: Session, incomplete: str, user: str | None) -> Iterator[str]:
    known = session.config.policy.class_field
    field, equals, _ = incomplete.partition("=")
    if equals and field in (known, "mailstatus"):
        yield from (
            f"{field}={word}" for word in (sorted(REFUSING_STATES) if field == "mailstatus" else _classes(session))
        )
    elif not equals:
        yield from (f"{name}=" for name in (*FIELDS, known))
    there = session.service.lookup(user) if user else None
    for name, value in ({} if there is None else there.info.public().fields()).items():
        if not equals and name not in (*FIELDS, known):
            yield f"{name}="
        elif equals and name == field and value.isprintable() and value and " " not in value:
            yield f"{name}={value}"


def _classes(session: Session) -> Iterator[str]:
    from nwauth.service.rulefile import RuleFile

    settings = session.config.policy
    found = RuleFile(os.path.abspath(settings.file), named=settings.named).current()
    rules = () if found is None else found.policy.rules
    yield from sorted({word for rule in rules for word in rule.classes or ()})


def _begun(words: Iterator[str], incomplete: str) -> list[str]:
    """Those that begin like that, each once."""

    def chosen() -> Iterator[str]:
        yield from (word for word in dict.fromkeys(words) if word.startswith(incomplete))

    return _in_time(chosen())


def _in_time(found: Iterator[str]) -> list[str]:
    """Those that are found in `MAX_SECONDS`."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _TimeIsUp

    words: list[str] = []
    try:
        with timed(stop, MAX_SECONDS):
            for word in found:
                if word.isprintable():
                    words.append(word)
                if len(words) == MAX_NAMES:
                    break
    except Exception:  # noqa: BLE001, S110, what was found so far is all there is
        pass
    return words


def end_in_time() -> None:
    """End this process, come what may, when nobody would wait any longer: even inside a library that hears nothing."""
    import faulthandler

    faulthandler.dump_traceback_later(END_SECONDS, exit=True, file=os.open(os.devnull, os.O_WRONLY))
