"""What every user database answers (spec/stores.md); tests/stores/contract.py holds each store to it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from nwauth.errors import NotSupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.model import User


class Store(ABC):
    """A user database.  None from `lookup` means *definitely absent*; whatever cannot be told is an exception."""

    name: str

    @abstractmethod
    def lookup(self, name: str) -> User | None:
        """The user, found without regard to case, or None when there is proof that there is none.

        Raises:
            Unavailable: the store cannot tell now.
        """

    def verify(self, user: User, password: bytes) -> bool | None:
        """Whether the password is right, by the store's own means; None: compare with ``user.stored_password``."""
        return None

    def search(self) -> Iterator[User]:
        """Every user, by folded name.  Memory does not grow with their number.

        Raises:
            Unavailable: before the first or after any user: the listing cannot be told to be whole.
        """
        raise NotSupported

    def put(self, user: User) -> bool:
        """Add a user, durably; False when one of that folded name is there already."""
        raise NotSupported

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        """Put `new` in the place of `old`, durably; False when the store no longer holds `old` exactly as given.

        `wait_seconds` is how long to wait for other writers; None: as long as a request can wait.
        """
        raise NotSupported

    def delete(self, name: str) -> bool:
        """Delete a user, durably; False when there is none."""
        raise NotSupported

    def make(self) -> bool:
        """Make an empty user database where there is none; whether it did."""
        raise NotSupported

    def tend(self) -> None:
        """Called when nobody waits for a reply, before more requests are read: do what was put off (helpers, watches).

        Requests that arrive together afterwards may share one look at what has changed.
        """

    def close(self) -> None:
        """Give back what the store holds open."""
