"""The five operations, in Python values: lookup, check, set, delete, search.

The service joins a store, passwords, account state and the clock.  It knows no protocol and no file.  Each step of a
decision is told to a callable (`Report`): the server folds the steps into one log line, `explain` prints them.
"""

from __future__ import annotations

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.model import APP_PASSWORDS, SECRET_FIELDS, Info, User
from nwauth.names import ENCODING, ERRORS, NameRules, fold, matcher
from nwauth.policy import account
from nwauth.service.gate import Gate, Question
from nwauth.service.login import LOCKED, Door
from nwauth.service.values import NO_SUCH_USER, BadName, Listing, NoSuchUser, Rules, silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from typing import Final, TypeVar

    from nwauth.passwords import Passwords
    from nwauth.service.values import Refusal, Report, StoreRules
    from nwauth.stores.base import Store

    T = TypeVar("T")

# A change that others keep overtaking is given up after so many tries: nobody changes one user that often.
MAX_ATTEMPTS = 16
OVERTAKEN = "the user keeps being changed by others, try again"


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
        gate: Gate | None = None,
        default_domain: str = "",
        read_only: bool = False,
    ) -> None:
        self.store: Final = store
        self.passwords: Final = passwords
        self._looking, self._setting = store.at("lookup"), store.at("set")
        self._rules = Rules(rules, default=store.name)
        self._names = names
        self._now = now
        self._default_domain = default_domain
        self._read_only = read_only
        self.gate: Final = gate or Gate()
        self._door = Door(store.at("check"), passwords, self._rules, gate=self.gate, now=now, read_only=read_only)

    def changed(
        self,
        *,
        store: Store | None = None,
        now: Callable[[], datetime] | None = None,
        gate: Gate | None = None,
        read_only: bool | None = None,
    ) -> Service:
        """A copy with what is given in place of what is: how a command rehearses a change, or tries a login."""
        return Service(
            self.store if store is None else store,
            self.passwords,
            rules=self._rules.by_name,
            names=self._names,
            now=self._now if now is None else now,
            gate=self.gate if gate is None else gate,
            default_domain=self._default_domain,
            read_only=self._read_only if read_only is None else read_only,
        )

    # --- the operations -------------------------------------------------------------------------------------------

    def lookup(self, name: str, report: Report = silent, *, command: str = "lookup") -> User | None:
        """The user, or None when definitely absent.  No policy, suspension or throttle ever changes this answer.

        With another `command`, the user whom that would meet: of several stores it may ask others.
        """
        whole, store = self.whole(name), self._looking if command == "lookup" else self.store.at(command)
        user = self._in_one(lambda: store.lookup(whole)) if self.store.waits else store.lookup(whole)
        report("store", self.store.name if user is None else user.store)
        return user

    def check(
        self, name: str, password: bytes, report: Report = silent, *, address: str | None = None, service: str = ""
    ) -> User | None:
        """The user if the password is right and the account may log in now, from there; else None, the reason reported.

        `address` is the client's, in text; None: unknown.  So is a `service` of "".

        Raises:
            Refused: the password is right, and the policy tells those users why they may not log in.
        """
        whole, service = self.whole(name), fold(service)
        if self.store.waits:
            return self._in_one(lambda: self._door.check(whole, password, report, address=address, service=service))
        return self._door.check(whole, password, report, address=address, service=service)

    def explain(
        self, name: str, trace: Report, *, address: str | None = None, service: str = "", app: str | None = None
    ) -> Refusal | None:
        """Why a login with the right password, or the app password `app`, would be refused now; None: it would not.

        `trace` is told every step of a `check` that needs no password: ``name``, ``user``, and those of `Gate.refusal`.

        Raises:
            Refused: the user has no app password of this name.
        """
        whole = self.whole(name)
        trace("name", whole)
        store = self.store.at("check")
        user = self._in_one(lambda: store.lookup(whole))
        trace("user", user)
        if user is None:
            return NO_SUCH_USER
        by = None
        if app is not None:
            from nwauth.service.apps import named

            by = named(user, app)
        asked = Question(user, address=address, service=fold(service), app=by)
        refusal = self.gate.refusal(asked, self._now, silent, trace=trace)
        if refusal is None and by is not None and not self._door.is_open_to_apps(user):
            return LOCKED
        return refusal

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
            _must_keep_secrets(fields, old)
            if old is not None:
                stored = None if password is None else field(password, old)
                return old.changed(stored_password=stored, info=old.info.updated(fields))
            if password is None:
                raise NoSuchUser("does not exist")
            new = self._new_user(self.whole(name), "", Info().updated(fields))
            return new.changed(stored_password=field(password, new))

        return self._change(name, wanted, report)

    def taker(self, name: str) -> str:
        """The name of the store that takes a new user of this name.  Raises NotSupported."""
        return self._setting.taker(self.whole(name))

    def field_for(self, password: bytes, user: User | str) -> str:
        """The field that a password gets: in the place of what a user has, or that of a new user of this name.

        Raises:
            Refused: a password that cannot be stored.
        """
        if isinstance(user, str):
            user = self._new_user(self.whole(user), "", Info())
        return self._stored(password, self._way_for(user))

    def set_field(
        self, name: str, stored_password: str, report: Report = silent, *, without: Iterable[str] = ()
    ) -> User:
        """Give the user a stored password that is made already; nobody who was deleted meanwhile comes back by it.

        The info fields `without` go with it.

        Raises:
            NoSuchUser: there is no such user.
        """
        self._must_write()
        gone = dict.fromkeys(without, "")

        def wanted(user: User | None) -> User:
            info = _there(user).info
            return _there(user).changed(stored_password=stored_password, info=info.updated(gone) if gone else info)

        return self._change(name, wanted, report)

    def set_info(self, name: str, change: Callable[[Info], Info], report: Report = silent) -> User:
        """Give the user the info that `change` makes of what there is.

        Raises:
            NoSuchUser: there is no such user; and what `change` raises.
        """
        self._must_write()
        return self._change(name, lambda user: _there(user).changed(info=change(_there(user).info)), report)

    def judge(self, name: str, password: bytes | None, fields: Mapping[str, str]) -> None:
        """Raises what `set` would raise for a new user of these values, and asks no store."""
        self._must_write()
        account.check_dates(fields)
        _must_keep_secrets(fields, None)
        if password is None:
            raise NoSuchUser("does not exist")
        new = self._new_user(self.whole(name), "", Info())
        self.passwords.must_be_makeable(password, self._rules.of(new).scheme)

    def add(self, user: User, report: Report = silent) -> bool:
        """Add a user whose stored password is made already; False when the name is taken.  Raises as `to_add`."""
        new = self.to_add(user)
        report("store", new.store)
        return self._setting.put(new)

    def to_add(self, user: User) -> User:
        """The user as `add` would hand it to the store that takes it; no store is asked.

        Raises:
            BadName: the name is not allowed.
            Refused: an unreadable date, or app passwords that are none.
        """
        self._must_write()
        account.check_dates(user.info.fields())
        if user.info.names_a_secret():
            from nwauth.policy import apps

            apps.check_field(APP_PASSWORDS, user.info.get(APP_PASSWORDS) or "")
        name = self._allowed(self.whole(user.name))
        return user.changed(name=name, store=self._setting.taker(name))

    def clear_text(self, user: User) -> str | None:
        """The password that a user's field holds in the clear, behind a star or a tag; None where it is a hash.

        None too where it is no login, or where another program reads the field: it must stay as it is.
        """
        rules, field = self._rules.of(user), user.stored_password
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
        hashed = self.passwords.hash(clear.encode(ENCODING, ERRORS), self._rules.of(user).scheme)
        return self.store.replace(user, user.changed(stored_password=hashed))

    def rename(self, name: str, new_name: str, report: Report = silent) -> bool:
        """Give the user another name, all else kept; False when the new name is taken.  A crash may leave both names.

        Raises:
            NoSuchUser: there is no user of the old name.
            BadName: the new name is not allowed.
            Unavailable: others keep changing the user; there may be both names then.
        """
        self._must_write()
        old = self._setting.known(self.whole(name))
        report("store", self.store.name if old is None else old.store)
        if old is None:
            raise NoSuchUser("does not exist")
        renamed = self._allowed(self.whole(new_name))
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
            current = self._setting.known(old.name)
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
        return self._in_one(lambda: self.store.at("del").delete(self.whole(name)))

    def search(self, pattern: str, *, skip: int = 0, limit: int | None = None, report: Report = silent) -> Listing:
        """The users that match, by folded name."""
        report("store", self.store.name)
        store = self.store.at("search")
        count = store.count if pattern else lambda: None  # all are given: they are counted on the way
        return Listing(store.search(pattern), count=count, matches=matcher(pattern), skip=skip, limit=limit)

    def whole(self, name: str) -> str:
        """The name with the default domain where it has none."""
        if self._default_domain and "@" not in name:
            return f"{name}@{self._default_domain}"
        return name

    def tend(self) -> None:
        """Between two requests: whatever the store wants to do while nobody waits."""
        self.store.tend()

    # --- parts ----------------------------------------------------------------------------------------------------

    def _change(self, name: str, wanted: Callable[[User | None], User], report: Report) -> User:
        """Store what `wanted` makes of the user, or of None where there is none; of another again if others overtake.

        Raises:
            Unavailable: they always do.
        """
        return self._in_one(lambda: self._changed_by(name, wanted, report))

    def _changed_by(self, name: str, wanted: Callable[[User | None], User], report: Report) -> User:
        for _ in range(MAX_ATTEMPTS):
            old = self._setting.known(self.whole(name))
            new = wanted(old)
            if self.store.put(new) if old is None else new == old or self.store.replace(old, new):
                report("store", new.store)
                report("change", "added" if old is None else "none" if new == old else "changed")
                return new
        raise Unavailable(OVERTAKEN)

    def _in_one(self, work: Callable[[], T]) -> T:
        """Do `work` as one request: all that it asks of the stores shares the time that one may take."""
        self.store.begin()
        try:
            return work()
        finally:
            self.store.end()

    def _way_for(self, user: User) -> tuple[str, str | None]:
        """How a password of the user is stored: the scheme, and the field to make it like, where that is to be kept."""
        rules = self._rules.of(user)
        return rules.scheme, (user.stored_password or None) if rules.keep else None

    def _stored(self, password: bytes, way: tuple[str, str | None]) -> str:
        scheme, like = way
        if like is None:
            return self.passwords.hash(password, scheme)
        return self.passwords.hash_like(password, like, default=scheme)

    def _must_write(self) -> None:
        if self._read_only:
            raise NotSupported

    def _allowed(self, name: str) -> str:
        """A name that may be added.  Raises BadName."""
        fault = self._names.fault(name)
        if fault is not None:
            raise BadName(fault)
        return name

    def _new_user(self, name: str, stored_password: str, info: Info) -> User:
        taker = self._setting.taker(self._allowed(name))
        return User(name=name, stored_password=stored_password, info=info, store=taker)


def _must_keep_secrets(fields: Mapping[str, str], old: User | None) -> None:
    """Refuse to make a secret by a field: who may set fields must not give a password.  To take it away is allowed.

    Raises:
        Refused: one of the fields is a secret, and another than the user has.
    """
    for field, value in fields.items():
        if value and field.lower() in SECRET_FIELDS and (old is None or value != old.info.get(field)):
            raise Refused(f"{field.lower()} is made by nwauth user app alone")


def _there(user: User | None) -> User:
    """The user, who must be there.  Raises NoSuchUser."""
    if user is None:
        raise NoSuchUser("does not exist")
    return user
