"""A login: the password, the account's state, from where it comes; and what a right password brings about."""

from __future__ import annotations

from time import monotonic, sleep

from nwauth.errors import NwauthError, Refused
from nwauth.policy import account
from nwauth.service.values import NO_SUCH_USER, WRONG_PASSWORD, Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Final

    from nwauth.model import User
    from nwauth.passwords import Passwords
    from nwauth.service.values import Report, Rules
    from nwauth.stores.base import Store

MAX_BURN_SECONDS = 2.0  # for an unknown user: however slow a directory was, others are to be served
UPGRADE_WAIT_SECONDS = 0.1  # for other writers: no login waits for its upgrade, which comes again with the next


class Door:
    """Decides on logins of the users of `store`; with `read_only`, without a trace."""

    def __init__(
        self, store: Store, passwords: Passwords, rules: Rules, *, now: Callable[[], datetime], read_only: bool
    ) -> None:
        self._store: Final = store
        self._passwords: Final = passwords
        self._rules: Final = rules
        self._now: Final = now
        self._read_only: Final = read_only
        self._own_seconds: float | None = None  # what the last wrong password took, where a store told by itself

    def check(self, name: str, password: bytes, report: Report, *, address: str | None) -> User | None:
        """See `Service.check`; `name` is whole."""
        user = self._store.lookup(name)
        if user is None:
            self._burn(password)
            report("store", self._store.name)
            report("reason", NO_SUCH_USER.reason)
            return None
        report("store", user.store)
        refusal = self._refusal(user, password, address, report)
        if refusal is None:
            return self._welcomed(user, password, report)
        known = self._store.confirm(user)
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

    def _refusal(self, user: User, password: bytes, address: str | None, report: Report) -> Refusal | None:
        """Why this user may not log in; None: the password is right, and so is all else.

        A right password may be stored again in a better scheme.
        """
        # A NUL is wrong without asking anybody's C library, which would stop reading there.
        began = monotonic()
        try:
            own = None if b"\0" in password else self._store.verify(user, password, address=address)
        except Refused as error:  # the store knows that this account may not log in, and why
            # It need not have looked at the password: then the time would tell that this account is such a one.
            self._burn(password, spent=monotonic() - began)
            report("scheme", user.store)
            return Refusal("", str(error))
        if own is None:
            if b"\0" not in password:
                self._own_seconds = None
            rules = self._rules.of(user)
            verdict = self._passwords.verify(
                user.stored_password,
                password,
                upgrade_to=None if self._read_only or rules.migrate_to else rules.upgrade_to,  # where it moves, it is
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

    def _burn(self, password: bytes, *, spent: float = 0.0) -> None:
        """Take the time of a wrong password, of which `spent` seconds are over: no time must tell who exists."""
        if self._own_seconds is None:
            self._passwords.burn(password)
        elif b"\0" not in password:  # which costs nobody anything
            sleep(max(0.0, min(self._own_seconds, MAX_BURN_SECONDS) - spent))

    def _upgrade(self, user: User, rehash: str, report: Report) -> None:
        """Store the password again; the login succeeds whatever comes of it."""
        try:
            new = user.changed(stored_password=rehash)
            done = self._store.replace(user, new, wait_seconds=UPGRADE_WAIT_SECONDS)
        except NwauthError as error:
            report("upgrade", f"failed: {error}")
        else:
            report("upgrade", "done" if done else "overtaken by a change")

    def _welcomed(self, user: User, password: bytes, report: Report) -> User:
        """The user, who has logged in; where users of its store move to another, it is copied there.

        The login succeeds whatever comes of it.
        """
        rules = self._rules.of(user)
        if rules.migrate_to is None or self._read_only:
            return user
        field = user.stored_password
        try:
            identity = self._passwords.identify(field, star_is_clear=rules.star_is_clear)
            if not identity.login or identity.name == "clear":  # a store that verifies by itself has no field to give
                field = self._passwords.hash(password, self._rules.by_name[rules.migrate_to].scheme)
            done = self._store.migrate(user, user.changed(stored_password=field, store=rules.migrate_to))
        except NwauthError as error:
            report("migration", f"failed: {error}")
        else:
            report("migration", "done" if done else "there already")
        return user


def _outside(mask: str, address: str | None) -> Refusal | None:
    """Why the mask of an account keeps a login from there out; None: it does not."""
    from nwauth.policy import hosts

    reason = hosts.refusal(mask, address)
    return None if reason is None else Refusal("ip_mask", reason)
