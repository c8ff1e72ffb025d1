"""Several stores as one: each is asked for the names that its patterns cover, in their order."""

from __future__ import annotations

from nwauth.errors import NotSupported, NwauthError, Refused, Unavailable
from nwauth.names import everybody, fold, nobody
from nwauth.stores.base import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.combined.member import Member


class RoutedStore(Store):
    """The users of all `members`; of two of one name, the one of the earlier member counts.

    "Absent" needs the word of every member that is asked.  One that is down and covers the name makes the answer
    "cannot tell", even if a later one knows it: that may hold an old password, or lead to another drop file.  `command`
    is the one whose patterns look-ups go by.
    """

    name = "routes"

    def __init__(
        self, members: Iterable[Member], *, command: str = "lookup", views: dict[str, RoutedStore] | None = None
    ) -> None:
        self._members: Final = tuple(members)
        self._by_name: Final = {member.store.name: member for member in self._members}
        self._asked: Final = tuple((member.covers[command], member.store.lookup, member) for member in self._members)
        self.waits = any(member.store.waits for member in self._members)
        self._views: Final = {} if views is None else views

    def at(self, command: str) -> RoutedStore:
        if command not in self._views:
            self._views[command] = RoutedStore(self._members, command=command, views=self._views)
        return self._views[command]

    # --- questions ------------------------------------------------------------------------------------------------

    def lookup(self, name: str, *, left_out: Member | None = None) -> User | None:
        """The user of the first member that has the name; `left_out` is not asked."""
        key, failure = fold(name), None
        for covers, lookup, member in self._asked:
            if (covers is not everybody and not covers(key)) or member is left_out:
                continue
            try:
                user = lookup(name)
            except NwauthError as error:
                if not (error.temporary and member.falls_through):
                    raise
                failure = failure or error
            else:
                if user is not None:
                    return user
        if failure is not None:  # nobody else knows the name, and the one who may cannot tell
            raise failure
        return None

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        return self._of(user).store.verify(user, password, address=address)

    def confirm(self, user: User) -> User | None:
        holder = self._of(user)
        known = holder.store.confirm(user)
        return self.lookup(user.name, left_out=holder) if known is None else known

    def search(self, pattern: str = "") -> Iterator[User]:
        from heapq import merge

        del pattern  # who is hidden by an earlier member of the same name can be told from whole listings only
        listings = (_listed(at, member) for at, member in enumerate(self._members))
        last, counts = None, -1
        for key, at, user in merge(*listings, key=_by_name_and_member):
            if key != last:
                last, counts = key, at
            if at == counts:  # where a store tells spellings apart, it has several of a name
                yield user

    # --- changes --------------------------------------------------------------------------------------------------

    def taker(self, name: str) -> str:
        key = fold(name)
        for member in self._members:
            if member.takes_new and member.covers["set"](key):
                return member.store.name
        raise NotSupported(f"no store takes a new user of the name {name!a}")

    def put(self, user: User) -> bool:
        taker = self._of(user)
        known = self.at("lookup").lookup(user.name, left_out=taker)
        if known is None:
            return taker.store.put(user)
        if not self._of(known).covers["set"](fold(user.name)):  # whoever looks again does not find it there
            raise NotSupported(f"store {known.store} has the user, and takes no changes of the name {user.name!a}")
        return False

    def migrate(self, old: User, new: User) -> bool:
        holder, target = self._of(old), self._of(new)
        if not target.may_know(fold(new.name)):  # a copy that nobody sees would be an old one by the time it counts
            raise Refused(f"store {target.store.name}, where its users move to, is not asked for the name {new.name!a}")
        if not target.store.put(new):
            return False
        # `replace` and `delete` look for the copy after their change, and this for their change after the copy.
        if holder.store.lookup(old.name) == old:
            return True
        copy = target.store.lookup(new.name)
        if copy is not None and copy.stored_password in (new.stored_password, ""):  # and nobody has changed it there
            target.store.delete(new.name, only=copy)
        raise Unavailable(f"{old.name!a} was changed meanwhile in store {holder.store.name}: the next login moves it")

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        holder = self._changeable(old)
        if not holder.store.replace(old, new, wait_seconds=wait_seconds):
            return False
        return not self._is_hidden(old.name, behind=holder)  # it was moved meanwhile, and counts as it was

    def rename(self, old: User, new: User) -> bool | None:
        holder = self._changeable(old)
        if not holder.may_know(fold(new.name)):
            raise Refused(f"store {holder.store.name}, which has the user, is not asked for the name {new.name!a}")
        for member in self._holders(old.name):
            if member is not holder and member.shares(fold(old.name), holder):
                raise Refused(f"store {member.store.name} has {old.name!a} too, who would count then: delete it there")
        if self.at("lookup").lookup(new.name, left_out=holder) is not None:
            return False
        return holder.store.rename(old, new)

    def delete(self, name: str, *, only: User | None = None) -> bool:
        if only is not None:
            return self._of(only).store.delete(name, only=only)
        key = fold(name)
        holders = self._holders(name)
        for member in holders:
            if not (member.takes_deletions and member.covers["del"](key)):
                raise Refused(f"store {member.store.name} has the user, and takes no deletions: nothing is deleted")
        # The first, which counts, goes last: an old password behind it must not come to life in between.
        deleted = [member for member in reversed(holders) if member.store.delete(name)]
        if deleted:  # and who was moved to another store meanwhile is there now
            others = [one for one in self._holders(name) if one.takes_deletions and one not in holders]
            deleted += [member for member in others if member.store.delete(name)]
        return bool(deleted)

    def settle(self) -> None:
        for member in self._members:
            if member.takes_new:
                member.store.settle()

    def make(self) -> bool:
        return any([member.store.make() for member in self._members if member.takes_new])  # noqa: C419, all are made

    def _changeable(self, user: User) -> Member:
        holder = self._of(user)
        if not holder.takes_changes:
            raise NotSupported(f"store {holder.store.name}, which has the user, takes no changes")
        return holder

    # --- all of them ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        for member in self._members:
            member.store.begin()

    def end(self) -> None:
        for member in self._members:
            member.store.end()

    def place(self) -> str:
        return ", ".join(member.store.place() for member in self._members)

    def tend(self) -> None:
        for member in self._members:
            member.store.tend()

    def close(self) -> None:
        for member in self._members:
            member.store.close()

    def _holders(self, name: str) -> list[Member]:
        """Every member that has the name, whichever command it is asked by.  Raises Unavailable: one cannot tell."""
        key = fold(name)
        asked = [member for member in self._members if member.may_know(key) or member.covers["del"](key)]
        return [member for member in asked if member.store.lookup(name) is not None]

    def _is_hidden(self, name: str, *, behind: Member) -> bool:
        """Whether an earlier member has the name too.  Raises Unavailable: one cannot tell, and should."""
        key = fold(name)
        for member in self._members:
            if member is behind:
                return False
            if not all(member.covers[command](key) for command in ("lookup", "check", "set")):
                continue
            try:
                if member.store.lookup(name) is not None:
                    return True
            except Unavailable:
                if not member.falls_through:
                    raise
        return False

    def _of(self, user: User) -> Member:
        """The member that has the user, or is to have it."""
        return self._by_name.get(user.store) or self._by_name[self.taker(user.name)]


def _listed(at: int, member: Member) -> Iterator[tuple[str, int, User]]:
    covers = member.covers["search"]
    if covers is nobody:
        return
    for user in member.store.search():
        key = fold(user.name)
        if covers(key):
            yield key, at, user


def _by_name_and_member(entry: tuple[str, int, User]) -> tuple[str, int]:
    return entry[:2]
