"""What is wrong in a file of users, told on stderr: each with its place, and what is the same with many once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.commands.shown import visible
from nwauth.commands.terminal import complain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from nwauth.commands.session import Session
    from nwauth.provisioning.parts import Fault

FIRST_USERS = 5


class _Same:
    """A fault of several users, one mend of which is right for all."""

    def __init__(self, first: Fault) -> None:
        self._first: Final = first
        self._count = 0
        self._users: Final[list[str]] = []

    def add(self, fault: Fault) -> None:
        self._count += 1
        if self._count <= FIRST_USERS:
            line = fault.place.line
            self._users.append(visible(f"{fault.name} (line {line})" if line else fault.name))

    def text(self, file: str) -> str:
        place = self._first.place.behind(file)
        if self._count == 1:
            return f"{place}: {self._first.text}"
        more = " ..." if self._count > FIRST_USERS else ""
        return f"{place}: {self._first.of_many}; the same of {self._count:,} users: {', '.join(self._users)}{more}"


def tell_faults(session: Session, file: str, faults: Iterable[Fault]) -> None:
    """Tell each; what is the same with many behind the others."""
    same: dict[str, _Same] = {}
    for fault in faults:
        if fault.is_same:
            same.setdefault(fault.of_many, _Same(fault)).add(fault)
        else:
            complain(f"{fault.place.behind(file)}: {fault.text}", color=session.choices.color)
    for one in same.values():
        complain(one.text(file), color=session.choices.color)
