"""The five operations, in Python values: lookup, check, set, delete, search.

The service joins a store, passwords, account state and the clock.  It knows no protocol and no file.  Each step of a
decision is told to a callable (`Report`): the server folds the steps into one log line, `explain` prints them.
"""

from __future__ import annotations

from time import monotonic, sleep

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
OVERTAKEN = "the user keeps being changed by others, try again"
MAX_BURN_SECONDS = 2.0  # for an unknown user: however slow a directory was, others are to be served
UPGRADE_WAIT_SECONDS = 0.1  # for other writers: no login waits for its upgrade, which comes again with the next


class NoSuchUser(Refused):
    """The user is definitely absent."""


class BadName(Refused):
    """The name may not be added."""


class Refusal(Record):
    """Why a login is refused: the rule that says so, "" where no rule does, and the reason in words for the log."""

    __slots__ = ("reason", "rule")

    def __init__(self, rule: str, reason: str) -> None:
        self.rule: Final = rule
        self.reason: Final = reason


WRONG_PASSWORD = Refusal("", "wrong password")
NO_SUCH_USER = Refusal("", "no such user")


class StoreRules(Record):
    """How a store keeps passwords: the scheme of new ones, the one to upgrade to, whether ``*text`` is clear text.

    `keep`: a changed password keeps the scheme of the field it replaces: another program reads it too.  `migrate_to` is
    the name of the store to which a user is copied who logs in.
    """

    __slots__ = ("keep", "migrate_to", "scheme", "star_is_clear", "upgrade_to")

    def __init__(
        self,
        *,
        scheme: str,
        upgrade_to: str | None = None,
        star_is_clear: bool = False,
        keep: bool = False,
        migrate_to: str | None = None,
    ) -> None:
        self.scheme: Final = scheme
        self.upgrade_to: Final = upgrade_to
        self.star_is_clear: Final = star_is_clear
        self.keep: Final = keep
        self.migrate_to: Final = migrate_to


class Listing:
    """The hits of a search, as they are found; the counts are known when all have been taken."""

    def __init__(
        self,
        users: Iterator[User],
        *,
        count: Callable[[], int | None],
        matches: Callable[[str], bool],
        skip: int,
        limit: int | None,
    ) -> None:
        self._users = users
        self._count = count
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
        count = self._count()
        if count is not None:  # the store has left users out that surely do not match
            self.total = count


def silent(_key: str, _value: object) -> None:
    """A `Report` for nobody."""


class Service:
    """The five operations over one store, which may be made of several.

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
        self._looking, self._checking, self._setting = store.at("lookup"), store.at("check"), store.at("set")
        self._rules = rules
        self._names = names
        self._now = now
        self._default_domain = default_domain
        self._read_only = read_only
        self._own_seconds: float | None = None  # what the last wrong password took, where a store told by itself

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
        user = self._looking.lookup(self._full(name) if self._default_domain else name)
        report("store", self.store.name if user is None else user.store)
        return user

    def check(self, name: str, password: bytes, report: Report = silent, *, address: str | None = None) -> User | None:
        """The user if the password is right and the account may log in from `address`; else None, the reason reported.

        `address` is the client's, in text; None: unknown.
        """
        user = self._checking.lookup(self._full(name) if self._default_domain else name)
        if user is None:
            self._burn(password)
            report("store", self.store.name)
            report("reason", NO_SUCH_USER.reason)
            return None
        report("store", user.store)
        refusal = self._refusal(user, password, address, report)
        if refusal is None:
            return self._welcomed(user, password, report)
        known = self._checking.confirm(user)
        if known is None:
            refusal = NO_SUCH_USER
        elif known is not user and known != user:
            refusal = self._refusal(known, password, address, report)
            if refusal is None:
                return self._welcomed(known, password, report)
        if refusal.rule:
            report("rule", refusal.rule)
        report("reason", refusal.reason)
        return None

    def set(self, name: str, password: bytes | None, fields: Mapping[str, str], report: Report = silent) -> User:
        """Add the user, or change the one there is; a `password` of None is left alone.  Durable when it returns.

        Raises:
            NoSuchUser: there is no such user and no password to make one with.
            BadName: the name of a new user is not allowed.
            Refused: an unreadable date, or a password that cannot be stored.
        """
        self._must_write()
        account.check_dates(fields)
        made: dict[tuple[str, str | None], str] = {}  # a hash is slow, and others may overtake us

        def field(password: bytes, user: User) -> str:
            way = self._way_for(user)
            if way not in made:
                made[way] = self._stored(password, way)
            return made[way]

        def wanted(old: User | None) -> User:
            if old is not None:
                stored = None if password is None else field(password, old)
                return old.changed(stored_password=stored, info=old.info.updated(fields))
            if password is None:
                raise NoSuchUser("does not exist")
            new = self._new_user(self._full(name), "", Info().updated(fields))
            return new.changed(stored_password=field(password, new))

        return self._change(name, wanted, report)

    def field_for(self, password: bytes, user: User | str) -> str:
        """The field that a password gets: in the place of what a user has, or that of a new user of this name.

        Raises:
            Refused: a password that cannot be stored.
        """
        if isinstance(user, str):
            user = self._new_user(self._full(user), "", Info())
        return self._stored(password, self._way_for(user))

    def set_field(self, name: str, stored_password: str, report: Report = silent) -> User:
        """Give the user a stored password that is made already; nobody who was deleted meanwhile comes back by it.

        Raises:
            NoSuchUser: there is no such user.
        """
        self._must_write()
        return self._change(name, lambda user: _there(user).changed(stored_password=stored_password), report)

    def judge(self, name: str, password: bytes | None, fields: Mapping[str, str]) -> None:
        """Raises what `set` would raise for a new user of these values, and asks no store."""
        self._must_write()
        account.check_dates(fields)
        if password is None:
            raise NoSuchUser("does not exist")
        new = self._new_user(self._full(name), "", Info())
        self.passwords.must_be_makeable(password, self._rules_of(new).scheme)

    def add(self, user: User, report: Report = silent) -> bool:
        """Add a user whose stored password is made already; False when the name is taken."""
        self._must_write()
        account.check_dates(user.info.fields())
        name = self._allowed(self._full(user.name))
        new = user.changed(name=name, store=self._setting.taker(name))
        report("store", new.store)
        return self._setting.put(new)

    def clear_text(self, user: User) -> str | None:
        """The password that a user's field holds in the clear, behind a star or a tag; None where it is a hash.

        None too where it is no login, or where another program reads the field: it must stay as it is.
        """
        rules, field = self._rules_of(user), user.stored_password
        if field[:1] not in ("*", "{") or rules.keep:
            return None
        identity = self.passwords.identify(field, star_is_clear=rules.star_is_clear)
        if identity.name != "clear" or not identity.login:
            return None
        return (field[1:] if field[0] == "*" else field.partition("}")[2]) or None

    def encrypt(self, user: User) -> bool:
        """Hash a user's clear-text field; False when it is none (see `clear_text`), or has been changed meanwhile."""
        self._must_write()
        clear = self.clear_text(user)
        if clear is None:
            return False
        hashed = self.passwords.hash(clear.encode(ENCODING, ERRORS), self._rules_of(user).scheme)
        return self.store.replace(user, user.changed(stored_password=hashed))

    def rename(self, name: str, new_name: str, report: Report = silent) -> bool:
        """Give the user another name, all else kept; False when the new name is taken.  A crash may leave both names.

        Raises:
            NoSuchUser: there is no user of the old name.
            BadName: the new name is not allowed.
            Unavailable: others keep changing the user; there may be both names then.
        """
        self._must_write()
        old = self._known(self._full(name))
        report("store", self.store.name if old is None else old.store)
        if old is None:
            raise NoSuchUser("does not exist")
        renamed = self._allowed(self._full(new_name))
        if fold(renamed) == fold(old.name):
            self._change(name, lambda user: _there(user).changed(name=renamed), report)
            return True
        new = old.changed(name=renamed)
        in_one_step = self.store.rename(old, new)
        if in_one_step is not None:
            return in_one_step
        if not self.store.put(new):
            return False
        for _ in range(MAX_ATTEMPTS):
            if self.store.delete(old.name, only=old):
                return True
            current = self._known(old.name)
            if current is None:  # deleted meanwhile, under its old name
                self.store.delete(renamed, only=new)
                raise NoSuchUser("does not exist")
            newer = current.changed(name=renamed)
            if not self.store.replace(new, newer):
                break  # somebody has changed the user under the new name: neither change may be lost
            old, new = current, newer
        raise Unavailable(OVERTAKEN)

    def delete(self, name: str, report: Report = silent) -> bool:
        """Delete the user; False when there is none.  Durable when it returns."""
        self._must_write()
        report("store", self.store.name)
        return self.store.at("del").delete(self._full(name))

    def search(self, pattern: str, *, skip: int = 0, limit: int | None = None, report: Report = silent) -> Listing:
        """The users that match, by folded name."""
        report("store", self.store.name)
        store = self.store.at("search")
        count = store.count if pattern else lambda: None  # all are given: they are counted on the way
        return Listing(store.search(pattern), count=count, matches=matcher(pattern), skip=skip, limit=limit)

    def tend(self) -> None:
        """Between two requests: whatever the store wants to do while nobody waits."""
        self.store.tend()

    # --- parts ----------------------------------------------------------------------------------------------------

    def _change(self, name: str, wanted: Callable[[User | None], User], report: Report) -> User:
        """Store what `wanted` makes of the user, or of None where there is none; of another again if others overtake.

        Raises:
            Unavailable: they always do.
        """
        self.store.begin()
        try:
            for _ in range(MAX_ATTEMPTS):
                old = self._known(self._full(name))
                new = wanted(old)
                if self.store.put(new) if old is None else new == old or self.store.replace(old, new):
                    report("store", new.store)
                    report("change", "added" if old is None else "none" if new == old else "changed")
                    return new
        finally:
            self.store.end()
        raise Unavailable(OVERTAKEN)

    def _known(self, name: str) -> User | None:
        """The user as the authority knows it: what is to be changed must not come from a replica."""
        user = self._setting.lookup(name)
        return None if user is None else self._setting.confirm(user)

    def _way_for(self, user: User) -> tuple[str, str | None]:
        """How a password of the user is stored: the scheme, and the field to make it like, where that is to be kept."""
        rules = self._rules_of(user)
        return rules.scheme, (user.stored_password or None) if rules.keep else None

    def _stored(self, password: bytes, way: tuple[str, str | None]) -> str:
        scheme, like = way
        if like is None:
            return self.passwords.hash(password, scheme)
        return self.passwords.hash_like(password, like, default=scheme)

    def _full(self, name: str) -> str:
        if self._default_domain and "@" not in name:
            return f"{name}@{self._default_domain}"
        return name

    def _must_write(self) -> None:
        if self._read_only:
            raise NotSupported

    def _rules_of(self, user: User) -> StoreRules:
        return self._rules.get(user.store) or self._rules[self.store.name]

    def _allowed(self, name: str) -> str:
        """A name that may be added.  Raises BadName."""
        fault = self._names.fault(name)
        if fault is not None:
            raise BadName(fault)
        return name

    def _new_user(self, name: str, stored_password: str, info: Info) -> User:
        taker = self._setting.taker(self._allowed(name))
        return User(name=name, stored_password=stored_password, info=info, store=taker)

    def _refusal(self, user: User, password: bytes, address: str | None, report: Report) -> Refusal | None:
        """Why this user may not log in; None: the password is right, and so is all else.

        A right password may be stored again in a better scheme.
        """
        # A NUL is wrong without asking anybody's C library, which would stop reading there.
        began = monotonic()
        try:
            own = None if b"\0" in password else self._checking.verify(user, password, address=address)
        except Refused as error:  # the store knows that this account may not log in, and why
            report("scheme", user.store)
            return Refusal("", str(error))
        if own is None:
            self._own_seconds = None
            rules = self._rules_of(user)
            verdict = self.passwords.verify(
                user.stored_password,
                password,
                upgrade_to=None if self._read_only else rules.upgrade_to,
                star_is_clear=rules.star_is_clear,
            )
            report("scheme", verdict.scheme)
            if not verdict.ok:
                return Refusal("", verdict.reason or WRONG_PASSWORD.reason)
            if verdict.reason:
                report("reason", verdict.reason)
            if verdict.rehash is not None:
                self._upgrade(user, verdict.rehash, report)
        else:
            report("scheme", user.store)
            if not own:
                self._own_seconds = monotonic() - began
                return WRONG_PASSWORD
        refused = account.refusal(user.info, self._now)
        if refused is not None:
            return Refusal(refused.field, refused.reason)
        return _outside(user.ip_mask, address) if user.ip_mask else None

    def _burn(self, password: bytes) -> None:
        """Take the time of a wrong password: the answer must not tell by it who exists."""
        if self._own_seconds is None:
            self.passwords.burn(password)
        else:
            sleep(min(self._own_seconds, MAX_BURN_SECONDS))

    def _upgrade(self, user: User, rehash: str, report: Report) -> None:
        """Store the password again; the login succeeds whatever comes of it."""
        try:
            new = user.changed(stored_password=rehash)
            done = self.store.replace(user, new, wait_seconds=UPGRADE_WAIT_SECONDS)
        except NwauthError as error:
            report("upgrade", f"failed: {error}")
        else:
            report("upgrade", "done" if done else "overtaken by a change")

    def _welcomed(self, user: User, password: bytes, report: Report) -> User:
        """The user, who has logged in; where users of its store move to another, it is copied there.

        The login succeeds whatever comes of it.
        """
        rules = self._rules_of(user)
        if rules.migrate_to is None or self._read_only:
            return user
        field = user.stored_password
        try:
            identity = self.passwords.identify(field, star_is_clear=rules.star_is_clear)
            if not identity.login or identity.name == "clear":  # a store that verifies by itself has no field to give
                field = self.passwords.hash(password, self._rules[rules.migrate_to].scheme)
            done = self.store.migrate(user.changed(stored_password=field, store=rules.migrate_to))
        except NwauthError as error:
            report("migration", f"failed: {error}")
        else:
            report("migration", "done" if done else "there already")
        return user


def _there(user: User | None) -> User:
    """The user, who must be there.  Raises NoSuchUser."""
    if user is None:
        raise NoSuchUser("does not exist")
    return user


def _outside(mask: str, address: str | None) -> Refusal | None:
    """Why the mask of an account keeps a login from there out; None: it does not."""
    from nwauth.policy import hosts

    reason = hosts.refusal(mask, address)
    return None if reason is None else Refusal("ip_mask", reason)
