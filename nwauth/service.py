"""The five operations, in Python values: lookup, check, set, delete, search.

The service joins a store, passwords, account state and the clock.  It knows no protocol and no file.  Each step of a
decision is told to a callable (`Report`): the server folds the steps into one log line, `explain` prints them.
"""

from __future__ import annotations

from nwauth.errors import NotSupported, NwauthError, Refused, Unavailable
from nwauth.model import Info, Record, User
from nwauth.names import ENCODING, ERRORS, NameRules, fold, matcher
from nwauth.policy import account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from typing import Final

    from nwauth.passwords import Passwords
    from nwauth.stores.base import Store

    Report = Callable[[str, object], object]

# A change that others keep overtaking is given up after so many tries: nobody changes one user that often.
MAX_ATTEMPTS = 16
UPGRADE_WAIT_SECONDS = 0.1  # for other writers: no login waits for its upgrade, which comes again with the next


class NoSuchUser(Refused):
    """The user is definitely absent."""


class BadName(Refused):
    """The name may not be added."""


class StoreRules(Record):
    """How a store keeps passwords: the scheme of new ones, the one to upgrade to, whether ``*text`` is clear text."""

    __slots__ = ("scheme", "star_is_clear", "upgrade_to")

    def __init__(self, *, scheme: str, upgrade_to: str | None = None, star_is_clear: bool = False) -> None:
        self.scheme: Final = scheme
        self.upgrade_to: Final = upgrade_to
        self.star_is_clear: Final = star_is_clear


class Listing:
    """The hits of a search, as they are found; the counts are known when all have been taken."""

    def __init__(self, users: Iterator[User], *, matches: Callable[[str], bool], skip: int, limit: int | None) -> None:
        self._users = users
        self._matches = matches
        self._skip = skip
        self._end = None if limit is None else skip + limit
        self.found = 0
        self.total = 0

    def __iter__(self) -> Iterator[User]:
        for user in self._users:
            self.total += 1
            if not self._matches(fold(user.name)):
                continue
            self.found += 1
            if self.found > self._skip and (self._end is None or self.found <= self._end):
                yield user


def silent(_key: str, _value: object) -> None:
    """A `Report` for nobody."""


class Service:
    """The five operations over one store.

    Every operation may raise `Unavailable` ("cannot tell now"); a plain `Refused` is a "no" with its reason.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        *,
        rules: Mapping[str, StoreRules],
        names: NameRules,
        now: Callable[[], datetime],
        default_domain: str = "",
        read_only: bool = False,
    ) -> None:
        self.store: Final = store
        self.passwords: Final = passwords
        self._rules = rules
        self._names = names
        self._now = now
        self._default_domain = default_domain
        self._read_only = read_only

    def changed(
        self, *, store: Store | None = None, now: Callable[[], datetime] | None = None, read_only: bool | None = None
    ) -> Service:
        """A copy with what is given in place of what is: how a command rehearses a change, or tries a login."""
        return Service(
            self.store if store is None else store,
            self.passwords,
            rules=self._rules,
            names=self._names,
            now=self._now if now is None else now,
            default_domain=self._default_domain,
            read_only=self._read_only if read_only is None else read_only,
        )

    # --- the operations -------------------------------------------------------------------------------------------

    def lookup(self, name: str, report: Report = silent) -> User | None:
        """The user, or None when definitely absent.  No policy, suspension or throttle ever changes this answer."""
        user = self.store.lookup(self._full(name) if self._default_domain else name)
        report("store", self.store.name if user is None else user.store)
        return user

    def check(self, name: str, password: bytes, report: Report = silent) -> User | None:
        """The user if the password is right and the account may log in; else None, the reason reported."""
        user = self.store.lookup(self._full(name) if self._default_domain else name)
        if user is None:
            self.passwords.burn(password)
            report("store", self.store.name)
            report("reason", "no such user")
            return None
        report("store", user.store)
        if not self._verify(user, password, report):
            return None
        refusal = account.refusal(user.info, self._now)
        if refusal is not None:
            report("rule", refusal.field)
            report("reason", refusal.reason)
            return None
        return user

    def set(self, name: str, password: bytes | None, fields: Mapping[str, str], report: Report = silent) -> User:
        """Add the user, or change the one there is; a `password` of None is left alone.  Durable when it returns.

        Raises:
            NoSuchUser: there is no such user and no password to make one with.
            BadName: the name of a new user is not allowed.
            Refused: an unreadable date, or a password that cannot be stored.
        """
        self._must_write()
        account.check_dates(fields)
        hashed: dict[str, str] = {}

        def stored(scheme: str) -> str:
            if scheme not in hashed:
                hashed[scheme] = self.passwords.hash(password or b"", scheme)
            return hashed[scheme]

        def wanted(old: User | None) -> User:
            if old is not None:
                scheme = self._rules_of(old.store).scheme
                return old.changed(
                    stored_password=None if password is None else stored(scheme), info=old.info.updated(fields)
                )
            if password is None:
                raise NoSuchUser("does not exist")
            scheme = self._rules_of(self.store.name).scheme
            return self._new_user(self._full(name), stored(scheme), Info().updated(fields))

        return self._change(name, wanted, report)

    def set_field(self, name: str, stored_password: str, report: Report = silent) -> User:
        """Give the user a stored password that is made already; nobody who was deleted meanwhile comes back by it.

        Raises:
            NoSuchUser: there is no such user.
        """

        def wanted(old: User | None) -> User:
            if old is None:
                raise NoSuchUser("does not exist")
            return old.changed(stored_password=stored_password)

        self._must_write()
        return self._change(name, wanted, report)

    def judge(self, name: str, password: bytes | None, fields: Mapping[str, str]) -> None:
        """Raises what `set` would raise for a new user of these values, and asks no store."""
        self._must_write()
        account.check_dates(fields)
        if password is None:
            raise NoSuchUser("does not exist")
        self.passwords.must_be_makeable(password, self._rules_of(self.store.name).scheme)
        self._new_user(self._full(name), "", Info())

    def add(self, user: User, report: Report = silent) -> bool:
        """Add a user whose stored password is made already; False when the name is taken."""
        self._must_write()
        account.check_dates(user.info.fields())
        new = self._new_user(self._full(user.name), user.stored_password, user.info)
        report("store", self.store.name)
        return self.store.put(new)

    def encrypt(self, user: User) -> bool:
        """Hash a user's clear-text field; False when it is none, or has been changed meanwhile."""
        self._must_write()
        rules = self._rules_of(user.store)
        clear = user.stored_password[1:]
        if not rules.star_is_clear or user.stored_password[:1] != "*" or not clear:
            return False
        if not self.passwords.identify(user.stored_password, star_is_clear=True).login:
            return False
        hashed = self.passwords.hash(clear.encode(ENCODING, ERRORS), rules.scheme)
        return self.store.replace(user, user.changed(stored_password=hashed))

    def rename(self, name: str, new_name: str, report: Report = silent) -> bool:
        """Give the user another name, all else kept; False when the new name is taken.  A crash may leave both names.

        Raises:
            NoSuchUser: there is no user of the old name.
            BadName: the new name is not allowed.
        """
        self._must_write()
        old = self.lookup(name, report)
        if old is None:
            raise NoSuchUser("does not exist")
        new = self._new_user(self._full(new_name), old.stored_password, old.info)
        if fold(new.name) == fold(old.name):
            return self.store.replace(old, old.changed(name=new.name))
        if not self.store.put(new):
            return False
        current = self.store.lookup(old.name)
        if current is None:  # deleted meanwhile, under its old name
            self.store.delete(new.name)
            raise NoSuchUser("does not exist")
        if current != old:
            self.store.replace(new, current.changed(name=new.name))
        return self.store.delete(old.name)

    def delete(self, name: str, report: Report = silent) -> bool:
        """Delete the user; False when there is none.  Durable when it returns."""
        self._must_write()
        report("store", self.store.name)
        return self.store.delete(self._full(name))

    def search(self, pattern: str, *, skip: int = 0, limit: int | None = None, report: Report = silent) -> Listing:
        """The users that match, by folded name."""
        report("store", self.store.name)
        return Listing(self.store.search(), matches=matcher(pattern), skip=skip, limit=limit)

    def tend(self) -> None:
        """Between two requests: whatever the store wants to do while nobody waits."""
        self.store.tend()

    # --- parts ----------------------------------------------------------------------------------------------------

    def _change(self, name: str, wanted: Callable[[User | None], User], report: Report) -> User:
        """Store what `wanted` makes of the user, or of None where there is none; of another again if others overtake.

        Raises:
            Unavailable: they always do.
        """
        for _ in range(MAX_ATTEMPTS):
            old = self.store.lookup(self._full(name))
            new = wanted(old)
            if self.store.put(new) if old is None else new == old or self.store.replace(old, new):
                report("store", new.store)
                report("change", "added" if old is None else "none" if new == old else "changed")
                return new
        raise Unavailable("the user keeps being changed by others, try again")

    def _full(self, name: str) -> str:
        if self._default_domain and "@" not in name:
            return f"{name}@{self._default_domain}"
        return name

    def _must_write(self) -> None:
        if self._read_only:
            raise NotSupported

    def _rules_of(self, store: str) -> StoreRules:
        return self._rules.get(store) or self._rules[self.store.name]

    def _new_user(self, name: str, stored_password: str, info: Info) -> User:
        fault = self._names.fault(name)
        if fault is not None:
            raise BadName(fault)
        return User(name=name, stored_password=stored_password, info=info, store=self.store.name)

    def _verify(self, user: User, password: bytes, report: Report) -> bool:
        """Whether the password is right; a right one may be stored again in a better scheme."""
        # A NUL is wrong without asking anybody's C library, which would stop reading there.
        own = None if b"\0" in password else self.store.verify(user, password)
        if own is not None:
            report("scheme", user.store)
            if not own:
                report("reason", "wrong password")
            return own
        rules = self._rules_of(user.store)
        verdict = self.passwords.verify(
            user.stored_password,
            password,
            upgrade_to=None if self._read_only else rules.upgrade_to,
            star_is_clear=rules.star_is_clear,
        )
        report("scheme", verdict.scheme)
        if verdict.reason or not verdict.ok:
            report("reason", verdict.reason or "wrong password")
        if verdict.rehash is not None:
            self._upgrade(user, verdict.rehash, report)
        return verdict.ok

    def _upgrade(self, user: User, rehash: str, report: Report) -> None:
        """Store the password again; the login succeeds whatever comes of it."""
        try:
            new = user.changed(stored_password=rehash)
            done = self.store.replace(user, new, wait_seconds=UPGRADE_WAIT_SECONDS)
        except NwauthError as error:
            report("upgrade", f"failed: {error}")
        else:
            report("upgrade", "done" if done else "overtaken by a change")
