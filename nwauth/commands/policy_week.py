"""A week of logins as a grid, for ``nwauth policy show --week``."""

from __future__ import annotations

from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from nwauth.commands.output import BOLD, colored, terminal_width
from nwauth.commands.policy_rules import wrapped
from nwauth.commands.shown import visible
from nwauth.commands.week_words import Words, clock, day_words, offset_words
from nwauth.names import fold
from nwauth.policy import account, ahead, hosts
from nwauth.policy.kinds import concerned, hours_of, kinds
from nwauth.policy.rules import Login, service_key
from nwauth.policy.week import (
    ABSENT,
    ALLOW,
    DENY,
    DEPENDS,
    MIXED,
    WEEK_DAYS,
    Course,
    Piece,
    Ruling,
    slot,
    week,
)
from nwauth.policy.when import DAYS
from nwauth.policy.zones import name_of
from nwauth.service import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from nwauth.commands.policy_show import Subject
    from nwauth.commands.session import Session
    from nwauth.policy.ahead import Event
    from nwauth.policy.rules import Rule

COLUMNS = ("day", "date", "from", "to", "start", "end", "decision", "rule", "shadow")
AHEAD_DAYS = 60
PLAIN_COLUMNS = 80
LETTERS = {ALLOW: "A", DENY: "D", DEPENDS: "?", MIXED: "*", ABSENT: "."}
COLORS = {ALLOW: "30;42", DENY: "97;41", DEPENDS: "30;43", MIXED: "30;46"}  # letters on blocks
HOUR_SECONDS = 3600
LABEL_COLUMNS = 8
SLOTS = {6: "10 minutes", 4: "a quarter of an hour", 2: "half an hour", 1: "an hour"}  # by how many there are an hour


class Shown(NamedTuple):
    """What is to be shown."""

    subject: Subject
    first: int  # the ordinal of the first day
    pieces: list[Piece]
    rules: tuple[Rule, ...]
    events: list[Event]
    now: datetime
    said: str  # what was said of the login


def show_week(
    session: Session, subject: Subject, *, address: str | None, used: str | None, now: datetime, day: date | None
) -> None:
    """Show the seven days from `day` on, or from today."""
    policy = subject.policy
    first = (day or now.astimezone(policy.zone).date()).toordinal()
    logins = _logins(subject, address, used)
    rules = concerned(policy, subject.login)
    user = subject.user
    limits = () if user is None else account.limits(user.info, policy.zone)
    pieces = week(
        [Course(_ruling(subject, login), hours_of(policy, login)) for login in logins],
        zone=policy.zone,
        first=first,
        limits=limits,
    )
    if session.results.form != "table":
        words = Words(policy)
        session.results.rows(COLUMNS, (_row(piece, policy.zone, words) for piece in pieces))
        return
    midnight = datetime.fromordinal(first).replace(tzinfo=policy.zone)
    events = ahead.ahead(policy, rules, midnight, days=AHEAD_DAYS, info=None if user is None else user.info)
    said = [f"from {address}"] * (address is not None) + [f"by service {used}"] * (used is not None)
    shown = Shown(subject, first, pieces, rules, events, now, visible("".join(f", {s}" for s in said)))
    session.results.text("\n".join(_told(shown, width=terminal_width(), on=session.results.color)))


# --- deciding --------------------------------------------------------------------------------------------------------


def _logins(subject: Subject, address: str | None, used: str | None) -> list[Login]:
    """A login of each kind; `address` and `used` are what is said of it, or ``unknown``."""
    known = None if address is None or address == hosts.UNKNOWN else hosts.read_address(address)
    service = "" if used is None else service_key(fold(used))
    who = subject.login
    login = Login(name=who.name, classes=who.classes, store=who.store, service=service, address=known)
    mask = None if subject.user is None else _mask(subject.user.ip_mask)
    return kinds(subject.policy, login, everywhere=address is None, by_all=used is None, mask=mask)


def _mask(text: str) -> hosts.Hosts | None:
    """The hosts of an account's mask; None where there is none, or one that nobody can read: it refuses everybody."""
    try:
        return hosts.read_mask(text)
    except hosts.BadHost:
        return None


def _ruling(subject: Subject, login: Login) -> Callable[[datetime], Ruling]:
    """What is decided about a login at an instant: about the account by the service's own steps."""
    policy, user, gate = subject.policy, subject.user, subject.gate
    asked = None if user is None else Question(user, address=_text(login), service=login.service)

    def ruling(instant: datetime) -> Ruling:
        if asked is not None:
            refusal = gate.refusal(asked, lambda: instant.astimezone(policy.zone), lambda _key, _value: None)
            if refusal is not None and refusal.rule in account.REFUSING_FIELDS:
                return Ruling(allowed=False, rule=refusal.rule)
        decision = policy.decide(login, instant)
        return Ruling(allowed=decision.allowed, rule=decision.rule, shadowed=decision.shadowed)

    return ruling


def _text(login: Login) -> str | None:
    """The address of a login as text."""
    from ipaddress import IPv4Address, IPv6Address

    if login.address is None:
        return None
    version, number = login.address
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))


def _row(piece: Piece, zone: tzinfo, words: Words) -> dict[str, object]:
    """A piece as programs get it: these keys are a promise."""
    day = date.fromordinal(piece.ordinal)
    return {
        "day": DAYS[day.weekday()],
        "date": day.isoformat(),
        "from": clock(piece.start),
        "to": clock(piece.end),
        "start": piece.begin.astimezone(zone).isoformat(),
        "end": piece.finish.astimezone(zone).isoformat(),
        "decision": piece.decision,
        "rule": ", ".join(dict.fromkeys(ruling.rule for ruling in words.ordered(piece.rulings))),
        "shadow": ", ".join(words.shadows(piece.rulings)) or None,
    }


# --- the page --------------------------------------------------------------------------------------------------------


def _told(shown: Shown, *, width: int | None, on: bool) -> Iterator[str]:
    """The whole page for a person."""
    zone = shown.subject.policy.zone
    local = shown.now.astimezone(zone)
    title = f"Logins of {shown.subject.title}{shown.said}"
    yield from (colored(line, BOLD, on=on) for line in wrapped("", title, width))
    yield from wrapped("", f"in {visible(name_of(zone))}, where it is {day_words(local)} {local:%H:%M} "
                           f"({offset_words(local)})", width)  # fmt: skip
    yield ""
    yield from _grid(shown, local.date(), width=width or PLAIN_COLUMNS, on=on)
    yield from _legend(shown, width=width, on=on)
    yield ""
    yield from Words(shown.subject.policy).lines(shown.pieces, width=width, on=on)
    yield ""
    yield colored(f"Clock changes and listed dates within {AHEAD_DAYS} days", BOLD, on=on)
    if not shown.events:
        yield "  none"
    for event in shown.events:
        days = [day_words(date.fromordinal(day)) for day in dict.fromkeys((event.first, event.last))]
        text = f"{event.what}: {'; '.join(event.effects) or 'changes nothing'}"
        yield from wrapped(f"  {' to '.join(days)}  ", visible(text), width)


def _slots(width: int) -> int:
    """How many letters an hour has."""
    return next((slots for slots in SLOTS if LABEL_COLUMNS + 24 * (slots + 1) - 1 <= width), 1)


def _grid(shown: Shown, today: date, *, width: int, on: bool) -> Iterator[str]:
    """The hours on top, and a row for each day; one whose clock is put back has another row for what comes again."""
    slots = _slots(width)
    gap = " " if LABEL_COLUMNS + 24 * (slots + 1) - 1 <= width else ""
    yield (" " * LABEL_COLUMNS + gap.join(f"{_hour(hour, slots):{slots}}" for hour in range(24))).rstrip()
    for (ordinal, turn), found in _days(shown.pieces, shown.first):
        row = list(found)
        day = date.fromordinal(ordinal)
        mark = ">" if day == today else " "
        label = f"{DAYS[day.weekday()]} {day.day:2}" if not turn else " again"
        cells = [
            "".join(_letters(row, hour * HOUR_SECONDS, slots, absent="." if not turn else " ")) for hour in range(24)
        ]
        yield (f"{mark}{label:{LABEL_COLUMNS - 1}}" + gap.join(_painted(cell, on=on) for cell in cells)).rstrip()


def _days(pieces: list[Piece], first: int) -> Iterator[tuple[tuple[int, int], list[Piece]]]:
    """By day and turn, also a day that never is."""
    found: dict[tuple[int, int], list[Piece]] = {}
    for piece in pieces:
        found.setdefault((piece.ordinal, piece.turn), []).append(piece)
    for ordinal in range(first, first + WEEK_DAYS):
        found.setdefault((ordinal, 0), [])
    yield from sorted(found.items())


def _hour(hour: int, slots: int) -> str:
    """An hour on top of its column; where there is room for one figure only, every sixth."""
    return f"{hour:02}" if slots > 1 else str(hour)[-1]


def _letters(row: list[Piece], start: int, slots: int, *, absent: str) -> Iterator[str]:
    step = HOUR_SECONDS // slots
    for at in range(start, start + HOUR_SECONDS, step):
        found = slot(row, at, at + step)
        yield absent if found == ABSENT else LETTERS[found]


def _painted(cell: str, *, on: bool) -> str:
    """Letters on a block of their colour."""
    by_letter = {LETTERS[decision]: code for decision, code in COLORS.items()}
    runs = [(letter, "".join(run)) for letter, run in groupby(cell)]
    return "".join(colored(text, by_letter.get(letter, ""), on=on and letter in by_letter) for letter, text in runs)


def _legend(shown: Shown, *, width: int | None, on: bool) -> Iterator[str]:
    """What the letters mean that are there."""
    slots = _slots(width or PLAIN_COLUMNS)
    step = HOUR_SECONDS // slots
    rows = list(_days(shown.pieces, shown.first))
    used = {
        slot(row, at, at + step) if not turn else ALLOW
        for (_, turn), row in rows
        for at in range(0, 24 * HOUR_SECONDS, step)
    }
    used.update(piece.decision for piece in shown.pieces if piece.turn)
    meanings = {
        ALLOW: "allowed",
        DENY: "denied",
        DEPENDS: f"depends on the {_reasons(shown)}",
        MIXED: "changes within",
        ABSENT: "no such time",
    }
    lines = [
        "  ".join(
            f"{_painted(LETTERS[decision], on=on)} {text}"
            for decision, text in meanings.items()
            if decision in used or decision in (ALLOW, DENY)
        ),
        f"a letter is {SLOTS[slots]}" + ("; > is today" if _is_today_shown(shown) else ""),
    ]
    if any(turn for (_, turn), _ in rows):
        lines.append("again: the clock is put back, and these hours come a second time")
    if DEPENDS in used:
        lines.append("rules that deny by host or service also deny where it is unknown")
    for line in lines:
        yield from wrapped(" " * LABEL_COLUMNS, line, None if "\x1b" in line else width)


def _is_today_shown(shown: Shown) -> bool:
    return shown.now.astimezone(shown.subject.policy.zone).toordinal() in range(shown.first, shown.first + WEEK_DAYS)


def _reasons(shown: Shown) -> str:
    """On what a decision depends: the client's host, the service, or both."""
    by_name = {rule.name: rule for rule in shown.rules}
    open_ = {ruling.rule for piece in shown.pieces if piece.decision == DEPENDS for ruling in piece.rulings}
    found = [by_name[name] for name in open_ if name in by_name]
    host = "ip_mask" in open_ or any(rule.hosts is not None for rule in found)
    service = any(rule.services is not None for rule in found)
    return " and ".join(["host"] * host + ["service"] * service)
