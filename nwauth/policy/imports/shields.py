"""Lines that each keep some users out at some times, as rules of which the first that fits decides.

A line that is for some users is one rule that denies.  One that is for all but some needs an allowing rule for those
before it, and such a rule must not let anybody past a line further down.  So all lines of the first kind come first;
then, for the users whom some line leaves out, what the other lines of the second kind deny them, and the rule that
allows them; then those lines themselves.
"""

from __future__ import annotations

from nwauth.model import Record
from nwauth.policy.imports.people import is_among, shares
from nwauth.policy.imports.week import hours
from nwauth.policy.imports.written import Block, Fault, NewRule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

    from nwauth.policy.imports.people import People

UNKNOWN = "unknown"
SHIELD = "who is let in by this rule is let in whatever rules you write further down; put yours for them above it"


class Line(Record):
    """What a line of the old file denies: to whom, for which services (None: all), at which minutes of the week."""

    __slots__ = ("denied", "name", "origin", "people", "place", "remarks", "services")

    def __init__(
        self,
        *,
        name: str,
        origin: str,
        place: str,
        people: People,
        services: tuple[str, ...] | None,
        denied: int,
        remarks: Sequence[str] = (),
    ) -> None:
        self.name: Final = name
        self.origin: Final = origin
        self.place: Final = place
        self.people: Final = people
        self.services: Final = services
        self.denied: Final = denied
        self.remarks: Final = remarks


def blocks_of(lines: Iterable[Line | Block]) -> list[Block]:
    """The rules that do what all the lines together do; blocks among them stay in their place."""
    blocks: list[Block] = []
    for_all_but: list[Line] = []
    for line in lines:
        if isinstance(line, Block):
            blocks.append(line)
        elif line.people.but:
            try:
                _check(line, for_all_but)
            except ValueError as error:
                blocks.append(
                    Block(origin=line.origin, remarks=line.remarks, faults=[Fault(place=line.place, text=str(error))])
                )
            else:
                for_all_but.append(line)
        else:
            blocks.append(Block(origin=line.origin, rules=_denying(line), remarks=line.remarks))
    if for_all_but:
        blocks += _exceptions(for_all_but)
        blocks += [Block(origin=line.origin, rules=_denying(line), remarks=line.remarks) for line in for_all_but]
    return blocks


def _check(line: Line, others: list[Line]) -> None:
    """Raises ValueError where the users whom `line` leaves out and those of other lines only overlap."""
    for left_out, other in [(line, one) for one in others] + [(one, line) for one in others]:
        for name in left_out.people.but:
            if not is_among(other.people.but, name):
                shares(other.people.named, name)


def _denying(line: Line, *, users: Sequence[str] | None = None, of: str = "") -> list[NewRule]:
    names = line.people.named if users is None else users
    texts = hours(line.denied)
    return [
        NewRule(
            name=f"{line.name}{of}" + (f", part {at}" if len(texts) > 1 else ""),
            allow=False,
            users=names,
            services=line.services,
            when=when,
        )
        for at, when in enumerate(texts, 1)
    ]


def _exceptions(lines: list[Line]) -> list[Block]:
    """The rules for those whom some line leaves out."""
    alike: dict[tuple[bool, ...], list[str]] = {}
    for name in dict.fromkeys(name for line in lines for name in line.people.but):
        alike.setdefault(tuple(is_among(line.people.but, name) for line in lines), []).append(name)
    blocks = []
    for left_out, names in alike.items():
        rules: list[NewRule] = []
        for line, is_left_out in zip(lines, left_out, strict=True):
            users = [] if is_left_out else [user for name in names for user in shares(line.people.named, name)]
            if users:
                rules += _denying(line, users=users, of=f", for {names[0]}{' and more' if len(names) > 1 else ''}")
        rules += _allowing([line for line, is_left_out in zip(lines, left_out, strict=True) if is_left_out], names)
        shown = ", ".join(names)
        blocks.append(Block(origin=f"those left out by ! in a line below: {shown}", rules=rules, remarks=[SHIELD]))
    return blocks


def _allowing(lines: list[Line], names: list[str]) -> list[NewRule]:
    """The rule that lets past what `lines` deny: as narrow as they are, if they are all alike."""
    first = lines[0]
    services = first.services if all(line.services == first.services for line in lines) else None
    texts = hours(first.denied) if all(line.denied == first.denied for line in lines) else [None]
    return [
        NewRule(
            name=f"not for {names[0]}{' and more' if len(names) > 1 else ''}: {first.name}"
            + (f", part {at}" if len(texts) > 1 else ""),
            allow=True,
            users=names,
            services=None if services is None else (*services, UNKNOWN),
            when=when,
        )
        for at, when in enumerate(texts, 1)
    ]
