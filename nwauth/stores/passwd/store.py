"""The passwd store: files in the form of /etc/passwd, for one domain or for many (spec/stores.md section 3)."""

from __future__ import annotations

import os
import time
from zlib import crc32

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.stores.base import Store
from nwauth.stores.health import Health, unheard
from nwauth.stores.passwd.aging import DAY_SECONDS
from nwauth.stores.passwd.extras import NO_LOGIN, forbids_login
from nwauth.stores.passwd.lines import NewUser, fits
from nwauth.stores.passwd.pair import Form
from nwauth.stores.passwd.pairs import Pairs
from nwauth.stores.passwd.places import Places
from nwauth.stores.passwd.served import Served
from nwauth.stores.passwd.table import Missing, Setting
from nwauth.stores.textfile.indexing import Indexing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.base import Change
    from nwauth.stores.health import Notice
    from nwauth.stores.passwd.changing import Changing
    from nwauth.stores.passwd.pair import Pair


class PasswdStore(Store):
    """Users in files of the passwd format.

    `path` and `shadow` may hold ``{domain}``; then, or with `domains`, names have a domain that the files do not hold.
    Without ``{domain}`` there is one of `domains` at most.  `listed` domains must have a file.  `state` is the folder
    for indexes and the list of served files.  `new_user` is what a new line holds.  `clock` gives seconds since 1970.
    `notice` is told where that list cannot be kept.
    """

    def __init__(
        self,
        path: str,
        *,
        name: str = "passwd",
        shadow: str | None = None,
        domains: Sequence[str] = (),
        listed: Sequence[str] = (),
        drop_path: str = "config",
        unix_case: bool = False,
        read_only: bool = True,
        settle_seconds: float = 2.0,
        state: str | None = None,
        new_user: NewUser | None = None,
        clock: Callable[[], float] = time.time,
        notice: Notice | None = None,
    ) -> None:
        self.name = name
        path = os.path.abspath(path)
        shadow = None if shadow is None else os.path.abspath(shadow)
        state = None if state is None else os.path.abspath(state)  # of the folder "" too: that is here, and not at /
        self._places: Final = Places(path, shadow=shadow, domains=domains, listed=listed)
        self._read_only: Final = read_only
        self._state: Final = state
        self._clock: Final = clock
        health = Health("keeping the list of served files", name, notice or unheard)
        self._served: Final = Served(None if state is None else f"{state}/nwauth.passwd.{_mark(path)}.served", health)
        self._setting: Final = Setting(
            index_of=self._indexing,
            served=self._served,
            settle_seconds=settle_seconds,
            clock=clock,
            watches=not self._places.by_domain,
        )
        form = Form(
            store=name,
            full_name=self._places.full_name,
            drop_path=drop_path,
            unix_case=unix_case,
            new_user=new_user or NewUser(),
        )
        self._pairs: Final = Pairs(self._places, self._setting, form)

    # --- questions ------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> User | None:
        held = self._pairs.find(name, strict=False)[1]
        return None if held is None else held.user

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        """None: compare.

        Raises:
            Refused: the eighth field or the shadow file keeps the account out.
            Unavailable: the shadow file, which holds the password, cannot tell.
        """
        del password, address
        if forbids_login(user.info.text):
            raise Refused(f"{NO_LOGIN} stands in the eighth field of the line")
        located = self._places.locate(user.name)
        if located is not None:
            try:
                reason = self._pairs.of(located[1]).keeps_out(located[0], self._today())
            except Missing:
                raise Unavailable("the passwd file is gone") from None
            if reason is not None:
                raise Refused(reason)
        return None

    def confirm(self, user: User) -> User | None:
        """Asked again where the shadow file could not tell at the look-up: no "no" is to come of that."""
        if not self._places.has_shadow:
            return user
        held = self._pairs.find(user.name)[1]
        return None if held is None else held.user

    def search(self, pattern: str = "") -> Iterator[User]:
        del pattern  # every line has to be read anyway
        from nwauth.stores.passwd.listing import listing

        return listing(self._places, self._pairs, scratch=self._scratch)

    # --- changes --------------------------------------------------------------------------------------------------

    def put(self, user: User) -> bool:
        return not self.put_all([user])

    def put_all(self, users: Sequence[User]) -> list[User]:
        if self._read_only:
            raise NotSupported
        by_domain: dict[str, list[tuple[str, User]]] = {}
        for user in users:
            bare, domain = self._located(user)
            by_domain.setdefault(domain, []).append((bare, user))
        taken = [user for domain, some in by_domain.items() for user in self._add(domain, some)]
        if len(by_domain) > 1 and taken:
            those = set(map(id, taken))
            taken = [user for user in users if id(user) in those]
        return taken

    def must_hold(self, new: User, old: User | None) -> None:
        bare, domain = self._located(new)
        pair, held = self._pairs.find(new.name, to_change=True)
        if pair is None:
            raise self._no_file(domain)
        self._changing(pair).must_hold(bare, new, None if old is None else held)

    def part(self, name: str) -> str:
        located = self._places.locate(name)
        return "" if located is None else located[1]

    def change_all(self, changes: Iterable[Change]) -> None:
        from nwauth.stores.passwd.together import Together

        if self._read_only:
            raise NotSupported
        named = []
        domains: dict[str, str] = {}
        for old, new in changes:
            user = new if old is None else old
            assert user is not None  # noqa: S101
            bare, domain = self._located(user)
            domains.setdefault(domain, user.name)
            named.append((bare, old, new))
        if not named:
            return
        if len(domains) > 1:  # several files
            raise NotSupported
        ((domain, name),) = domains.items()
        together = Together(self._pair_to_change(domain, name), today=self._today())
        together.locked(lambda: together.change_all(named))

    def _add(self, domain: str, users: Sequence[tuple[str, User]]) -> list[User]:
        """Add users of one file, each with its name there; those whose name is taken come back."""
        changing = self._changing(self._pair_to_change(domain, users[0][1].name))
        return changing.locked(lambda: changing.add(users))

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        found = self._to_change(old.name)
        if found is None:
            return False
        pair, bare = found
        changing = self._changing(pair)

        def work() -> bool:
            held = pair.find(bare)
            if held is None or held.user != old:
                return False
            if new != old:
                changing.replace(held, self._bare_name(new, pair), new)
            return True

        return changing.locked(work, wait_seconds=wait_seconds)

    def rename(self, old: User, new: User) -> bool | None:
        found, target = self._to_change(old.name), self._places.locate(new.name)
        if found is None:
            raise Unavailable("the user is not there any more")
        pair, bare = found
        if target is None or target[1] != pair.domain:
            return None
        changing = self._changing(pair)

        def work() -> bool:
            if fold(new.name) != fold(old.name) and changing.is_taken(target[0]):
                return False
            held = pair.find(bare)
            if held is None or held.user != old:
                raise Unavailable("the user has been changed meanwhile, try again")
            changing.replace(held, target[0], new)
            return True

        return changing.locked(work)

    def delete(self, name: str, *, only: User | None = None) -> bool:
        found = self._to_change(name)
        if found is None:
            return False
        pair, bare = found
        changing = self._changing(pair)

        def work() -> bool:
            held = pair.find(bare)
            if held is None or (only is not None and held.user != only):
                return False
            changing.delete(held)
            return True

        return changing.locked(work)

    def place(self) -> str:
        return self._places.path

    def make(self) -> bool:
        if self._read_only:
            raise NotSupported
        from nwauth.stores.passwd.listing import make_missing

        return make_missing(self._places, self._served)

    def tend(self) -> None:
        self._served.tend()
        self._pairs.tend()

    def close(self) -> None:
        self._served.save()
        self._pairs.close()

    # --- parts ----------------------------------------------------------------------------------------------------

    def _changing(self, pair: Pair) -> Changing:
        from nwauth.stores.passwd.changing import Changing

        return Changing(pair, today=self._today())

    def _to_change(self, name: str) -> tuple[Pair, str] | None:
        """The files that hold a user, and the name there; None: definitely nobody.

        Raises:
            NotSupported: nothing is ever written here.
            Unavailable: it cannot be told.
        """
        if self._read_only:
            raise NotSupported
        pair, held = self._pairs.find(name, to_change=True)
        located = self._places.locate(name)
        return None if pair is None or held is None or located is None else (pair, located[0])

    def _pair_to_change(self, domain: str, name: str) -> Pair:
        """The files of a new user.

        Raises:
            Refused: the domain has none.
            Unavailable: it cannot be told whether it has.
        """
        pair = self._pairs.find(name, to_change=True)[0]
        if pair is None:
            raise self._no_file(domain)
        return pair

    def _no_file(self, domain: str) -> Refused:
        return Refused(
            f"there is no passwd file for the domain {domain}: make an empty one, {self._places.path_of(domain)}",
            public="there is no passwd file for this domain",
        )

    def _located(self, user: User) -> tuple[str, str]:
        """The name of a new user in the file, and the domain whose file that is.  Raises Refused where it is none's."""
        located = self._places.locate(user.name)
        if located is None or not located[0]:
            raise _out_of_place(user)
        return located

    def _bare_name(self, user: User, pair: Pair) -> str:
        """The name of a user in the file.  Raises Refused: it belongs in another."""
        located = self._places.locate(user.name)
        if located is None or located[1] != pair.domain:
            raise _out_of_place(user)
        return located[0]

    def _today(self) -> int:
        return int(self._clock() // DAY_SECONDS)

    def _indexing(self, path: str, base: str | None) -> Indexing:
        """The index of a file: in the folder for such things, where there is one and it can be written."""
        index = f"{self._state or os.path.dirname(path)}/nwauth.passwd.{_mark(path)}.idx"
        return Indexing(
            path,
            index=index,
            making=f"{index}-new",
            fits=fits,
            read_only=self._state is None,
            model=None,
            base=base,
        )

    def _scratch(self) -> int:
        from nwauth.stores.textfile.ordered import scratch

        folder = self._state or self._places.folder
        return scratch(f"{folder}/.nwauth.passwd.{os.urandom(6).hex()}")


def _out_of_place(user: User) -> Refused:
    wanted = "wanted a name with @ and a domain whose passwd file this store has"
    return Refused(f"{user.name!a} does not belong here: {wanted}")


def _mark(path: str) -> str:
    """What files of a path are known by; of two paths with one mark, an index knows whose it is."""
    return f"{crc32(path.encode(ENCODING, ERRORS)):08x}"
