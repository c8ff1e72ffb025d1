"""App passwords, counted while the users go by: those that let nobody in, and what their limits rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.doctor.finding import MOST_USERS, counted, examples, finding
from nwauth.policy.apps import of

if TYPE_CHECKING:
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.model import User


class Apps:
    """Numbers of users: `ending` have an app password with an end, `masked` one with hosts."""

    def __init__(self) -> None:
        self.ending = self.masked = self._unreadable = 0
        self._names: list[str] = []
        self._reason = ""

    def take(self, user: User) -> None:
        """Look at a user."""
        if not user.info.text or not user.info.names_a_secret():
            return
        found = of(user.info)
        self.ending += any(one.until for one in found)
        self.masked += any(one.hosts for one in found)
        faults = [one.fault for one in found if one.fault]
        if user.info.damaged_secret() >= 0:
            faults.append("its quotes do not fit")
        if faults:
            self._unreadable += 1
            self._reason = self._reason or faults[0]
            if len(self._names) < MOST_USERS:
                self._names.append(user.name)

    def finding(self, place: Place) -> Finding | None:
        """That some let nobody in; None: there are none such."""
        if not self._unreadable:
            return None
        have = "has" if self._unreadable == 1 else "have"
        return finding(
            "unreadable-app-passwords",
            f"{counted(self._unreadable, 'user')} {have} an app password that cannot be read:"
            f" {examples(self._names, self._unreadable)}; of {self._names[0]}: {self._reason}",
            mend=place.nwauth("user", "app", "list", self._names[0]) + " names it; delete it, and give another",
            users=self._names,
        )
