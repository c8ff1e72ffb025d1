"""The users of the source, one after the other, as the target is to hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.names import fold, matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.copying.fitting import Fitting
    from nwauth.model import User
    from nwauth.stores.base import Store


class Source:
    """The users of a store that `pattern` matches; `read` counts those that were looked at."""

    def __init__(self, store: Store, fitting: Fitting, *, pattern: str = "") -> None:
        self._store = store
        self._fitting = fitting
        self._pattern = pattern
        self.read = 0

    def users(self, refuse: Callable[[User, str], object]) -> Iterator[tuple[str, User]]:
        """(folded name, user as the target is to hold it), by folded name.

        `refuse` is told of those that have no place there, and why.  Of two whose names fold to the same the first
        counts.  Raises Unavailable.
        """
        matches = matcher(self._pattern) if self._pattern else None
        fitted = self._fitting.fitted
        last_key, last = "", ""
        for user in self._store.search(self._pattern):
            self.read += 1
            key = fold(user.name)
            if matches is not None and not matches(key):
                continue
            if key == last_key:
                refuse(user, f"without regard to case its name is that of {last!a}, who came first")
                continue
            last_key, last = key, user.name
            try:
                new = fitted(user)
            except Refused as error:
                refuse(user, str(error))
            else:
                yield key, new
