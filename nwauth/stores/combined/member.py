"""One of several stores: the names it is asked for, by command, and what it takes."""

from __future__ import annotations

from nwauth.names import covering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from nwauth.stores.base import Store

COMMANDS = ("lookup", "check", "set", "del", "search")


class Member:
    """A store among others.

    `match` holds patterns of names by command; a command without any is not asked here, and one that is not named is
    asked for every name.  `falls_through`: the stores behind it hold other people, and may be asked while it is down.
    """

    def __init__(
        self,
        store: Store,
        *,
        match: Mapping[str, tuple[str, ...]] | None = None,
        takes_new: bool = True,
        takes_changes: bool = True,
        takes_deletions: bool = True,
        falls_through: bool = False,
    ) -> None:
        given = match or {}
        self.store: Final = store
        self.covers: Final = {command: covering(*given.get(command, ("*",))) for command in COMMANDS}
        self.takes_new: Final = takes_new
        self.takes_changes: Final = takes_changes
        self.takes_deletions: Final = takes_deletions
        self.falls_through: Final = falls_through

    def may_know(self, key: str) -> bool:
        """Whether it is asked for this folded name when mail comes or somebody logs in."""
        return self.covers["lookup"](key) or self.covers["check"](key)

    def shares(self, key: str, other: Member) -> bool:
        """Whether mail or a login of this folded name would ask both."""
        return any(self.covers[command](key) and other.covers[command](key) for command in ("lookup", "check"))
