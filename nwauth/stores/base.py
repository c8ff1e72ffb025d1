"""What every user database answers (spec/stores.md); tests/stores/contract.py holds each store to it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from nwauth.errors import NotSupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nwauth.model import User

    Change = tuple[User | None, User | None]  # a user as it is and as it is to be; None: not there
    Held = tuple[str, ...]  # what `User.held` gives

BLOCK_USERS = 1000


class Store(ABC):
    """A user database.  None from `lookup` means *definitely absent*; whatever cannot be told is an exception."""

    name: str
    waits = False  # whether an answer may wait for somebody else: a server, a module; no reply is held back behind it
    hides_passwords = False  # whether it takes passwords and gives none out, and writes info fields in its own way

    @abstractmethod
    def lookup(self, name: str) -> User | None:
        """The user, found without regard to case, or None when there is proof that there is none.

        Raises:
            Unavailable: the store cannot tell now.
        """

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        """Whether the password is right, by the store's own means; None: compare with ``user.stored_password``.

        `address` is that of the client, None where it is unknown: a store's own means may have rules for it.

        Raises:
            Refused: this user may not log in, whatever the password; the text says why, for the log.
            Unavailable: the store cannot tell now.
        """
        return None

    def confirm(self, user: User) -> User | None:
        """The user as the authority knows it, asked before a "no" is said of a `user` that `lookup` gave.

        A replica may say yes, never no.  None: definitely absent.  A store whose look-ups are authoritative returns
        `user` itself.  What is equal to `user` is taken for the same answer: a store that verifies by its own means
        asks its authority in `verify`.

        Raises:
            Unavailable: the authority cannot tell now.
        """
        return user

    def known(self, name: str) -> User | None:
        """The user as the authority knows it: what is to be changed must not come from a replica.

        Raises:
            Unavailable: it cannot be told now.
        """
        found = self.lookup(name)
        return None if found is None else self.confirm(found)

    def search(self, pattern: str = "") -> Iterator[User]:
        """The users that `pattern` may match, by folded name.  Memory does not grow with their number.

        The pattern is one of `names.matcher`, "" matches all.  A store may leave out users whose name surely does not
        match; none that does.

        Raises:
            Unavailable: before the first or after any user: the listing cannot be told to be whole.
        """
        raise NotSupported

    def held(self, pattern: str = "") -> Iterator[list[Held]]:
        """What is held of the users that `search` gives, many at a time: it can cost a part of making users of it.

        Raises what `search` does.
        """
        from itertools import islice

        users = self.search(pattern)
        while some := [user.held() for user in islice(users, BLOCK_USERS)]:
            yield some

    def count(self) -> int | None:
        """The number of users, where a narrowed search has left some out and the store can tell it quickly.

        None: as many as an unnarrowed search gives.

        Raises:
            Unavailable: the store cannot tell now.
        """
        return None

    def at(self, command: str) -> Store:
        """The users as one command (lookup, check, set, del, search) sees them; routes may differ by command."""
        return self

    def taker(self, name: str) -> str:
        """The name of the store that takes a new user of this name: `put` wants it in ``user.store``.

        Raises:
            NotSupported: none does.
        """
        return self.name

    def put(self, user: User) -> bool:
        """Add a user, durably; False when one of that folded name is there already."""
        raise NotSupported

    def put_all(self, users: Sequence[User]) -> list[User]:
        """Add users, durably, and in one transaction where the store has such; those whose name is taken come back.

        Of two of one folded name among them the first is added.  Some thousands at a time are meant: others who write
        may have to wait.  Memory does not grow from one call to the next, however many users were added.

        Raises:
            Refused: the store cannot hold one of them; a store with transactions has added none then.
            Unavailable: the store cannot tell now, and of the users any may have been added, each as a whole or not.
        """
        return [user for user in users if not self.put(user)]

    def must_hold(self, new: User, old: User | None) -> None:
        """Look, without a change, whether the store could hold `new`, where `old` is given in the place of that one.

        Not raising promises nothing: the change itself may still be refused.

        Raises:
            Refused: it surely could not.
            Unavailable: it cannot tell now.
        """

    def part(self, name: str) -> str:
        """The part of the store that a user of this name is in, or goes to.

        A store that is in several parts, as files, cannot make changes of several of them as one; of one it mostly can.
        """
        return ""

    def change_all(self, changes: Iterable[Change]) -> None:
        """Make all of many changes, durably, or none, whenever a crash comes.

        `changes` may be gone through more than once.  They are ordered by the bytes of the folded name, of which none
        comes twice, but of users whom the store tells apart by case; memory does not grow with their number.
        `stores.changes.Changes` go through in less time.

        Raises:
            NotSupported: the store cannot make several changes as one.
            Refused: it cannot hold one of the users.
            Unavailable: it cannot be done now, or one of the users is no longer exactly as given: nothing is changed.
        """
        raise NotSupported

    def settle(self) -> None:
        """Called at the end of a bulk load: bring what `put_all` has added into its final form.

        Raises:
            Unavailable: it cannot be done now; nothing is lost.
        """

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        """Put `new` in the place of `old`, durably; False when the store no longer holds `old` exactly as given.

        `wait_seconds` is how long to wait for other writers; None: as long as a request can wait.
        """
        raise NotSupported

    def rename(self, old: User, new: User) -> bool | None:
        """Put `new`, of another folded name, in the place of `old`, all else that is kept of it untouched.

        False when that name is taken; None where the store cannot do it in one step: then `put` and `delete` must.

        Raises:
            Unavailable: the store no longer holds `old` exactly as given.
        """
        return None

    def migrate(self, old: User, new: User) -> bool:
        """Add `old`, a user of a later store, as `new` to the earlier one that ``new.store`` names.

        False when it is there already.

        Raises:
            Refused: that store cannot hold it.
            Unavailable: it cannot be done now, or the later store no longer holds `old` exactly as given: a password
                that was changed meanwhile does not come back by it, nor does a user who was deleted.
        """
        raise NotSupported

    def delete(self, name: str, *, only: User | None = None) -> bool:
        """Delete a user, durably; False when there is none.

        With `only`, False too when the store no longer holds that user exactly as given.
        """
        raise NotSupported

    def begin(self) -> None:
        """What is asked from here to `end` is one request: it shares the time that one may take."""

    def end(self) -> None:
        """See `begin`."""

    def place(self) -> str:
        """Where the users are, for people; no password stands in it."""
        return self.name

    def make(self) -> bool:
        """Make an empty user database where there is none; whether it did."""
        raise NotSupported

    def tend(self) -> None:
        """Called when nobody waits for a reply, before more requests are read: do what was put off (helpers, watches).

        Requests that arrive together afterwards may share one look at what has changed.
        """

    def close(self) -> None:
        """Give back what the store holds open."""
