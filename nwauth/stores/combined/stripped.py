"""A store that knows its users without the prefix or suffix that the server asks with (MultiAuth's strip_prefix)."""

from __future__ import annotations

from nwauth.errors import NotSupported
from nwauth.stores.around import Around
from nwauth.stores.base import Store
from nwauth.stores.sorting import in_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nwauth.model import User
    from nwauth.stores.base import Change


class StrippedStore(Around):
    """Cuts `prefix` and `suffix` from the names that are asked for, and puts them back on those that are given out.

    A name without them is asked for as it stands, and given out so.
    """

    def __init__(self, inner: Store, *, prefix: str = "", suffix: str = "") -> None:
        super().__init__(inner)
        self._prefix = _composed(prefix)
        self._suffix = _composed(suffix)

    def lookup(self, name: str) -> User | None:
        bare = self.bare(name)
        user = self.inner.lookup(bare)
        return user if user is None or bare == name else self._dressed(user)

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        return self.inner.verify(self._inner(user), password, address=address)

    def confirm(self, user: User) -> User | None:
        inner = self._inner(user)
        known = self.inner.confirm(inner)
        if known is None or known == inner:
            return None if known is None else user
        return known if inner is user else self._dressed(known)

    def search(self, pattern: str = "") -> Iterator[User]:
        del pattern  # it is one of whole names
        users = map(self._dressed, self.inner.search())
        return in_order(users) if self._suffix else users  # a suffix comes between a name and a longer one

    held = Store.held

    def count(self) -> int | None:
        return None

    def put(self, user: User) -> bool:
        return self.inner.put(self._inner(user))

    def put_all(self, users: Sequence[User]) -> list[User]:
        inner = [self._inner(user) for user in users]
        taken = set(map(id, self.inner.put_all(inner)))
        return [user for user, bare in zip(users, inner, strict=True) if id(bare) in taken]

    def must_hold(self, new: User, old: User | None) -> None:
        self.inner.must_hold(self._inner(new), None if old is None else self._inner(old))

    def change_all(self, changes: Iterable[Change]) -> None:
        del changes  # without the suffix they are in another order
        raise NotSupported

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self.inner.replace(self._inner(old), self._inner(new), wait_seconds=wait_seconds)

    def rename(self, old: User, new: User) -> bool | None:
        return self.inner.rename(self._inner(old), self._inner(new))

    def delete(self, name: str, *, only: User | None = None) -> bool:
        return self.inner.delete(self.bare(name), only=None if only is None else self._inner(only))

    def bare(self, name: str) -> str:
        """The name as the inner store has it: `name` itself where it lacks the prefix or suffix, or is no more."""
        return self._cut(name) or self._cut(_composed(name)) or name

    def _cut(self, name: str) -> str:
        """The name between prefix and suffix; "" where it lacks one, or is no more."""
        start, end = len(self._prefix), len(name) - len(self._suffix)
        if start >= end or name[:start].lower() != self._prefix.lower() or name[end:].lower() != self._suffix.lower():
            return ""
        return name[start:end]

    def _inner(self, user: User) -> User:
        bare = self.bare(user.name)
        return user if bare == user.name else user.changed(name=bare)

    def _dressed(self, user: User) -> User:
        return user.changed(name=f"{self._prefix}{user.name}{self._suffix}")


def _composed(name: str) -> str:
    """The name in the form in which names are compared; its case stays."""
    if name.isascii():
        return name
    from unicodedata import normalize

    return normalize("NFC", name)
