"""The ``[[test]]`` tables of a policy file: logins, and what the administrator expects of them."""

from __future__ import annotations

from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.policy.hosts import Address


class Trial(Record):
    """A login, and what is expected of it: `user` is a name of the store, or `classes` those of nobody in particular.

    `place` is its dotted key; `at` the time as it is written, "" for now; `rule` the one that must decide, "" for any.
    """

    __slots__ = ("address", "allow", "at", "classes", "place", "rule", "service", "user")

    def __init__(
        self,
        *,
        place: str,
        allow: bool,
        user: str = "",
        classes: tuple[str, ...] = (),
        address: Address | None = None,
        service: str = "",
        at: str = "",
        rule: str = "",
    ) -> None:
        self.place: Final = place
        self.allow: Final = allow
        self.user: Final = user
        self.classes: Final = classes
        self.address: Final = address
        self.service: Final = service
        self.at: Final = at
        self.rule: Final = rule
