"""A login: the password, the account's state, from where it comes; and what a right password brings about."""

from __future__ import annotations

from time import monotonic, sleep

from nwauth.errors import NwauthError, Refused, Unavailable
from nwauth.names import fold
from nwauth.service.gate import THROTTLE, Question
from nwauth.service.values import NO_SUCH_USER, WRONG_PASSWORD, Refusal, silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Final

    from nwauth.model import User
    from nwauth.passwords import Passwords
    from nwauth.policy.apps import AppPassword
    from nwauth.policy.throttle.counts import Throttle
    from nwauth.service.gate import Gate
    from nwauth.service.rulefile import InForce
    from nwauth.service.values import Report, Rules
    from nwauth.stores.base import Store

MAX_BURN_SECONDS = 2.0  # for an unknown user: however slow a directory was, others are to be served
APP_LENGTHS = (20, 23)  # of an app password, typed without its hyphens or with them
APP_SCHEME = "app-password"  # what is logged as the scheme
LOCKED = Refusal("", "the password field lets nobody in, nor does an app password")
UPGRADE_WAIT_SECONDS = 0.1  # for other writers: no login waits for its upgrade, which comes again with the next


class Door:
    """Decides on logins of the users of `store`; with `read_only`, without a trace."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        rules: Rules,
        *,
        gate: Gate,
        now: Callable[[], datetime],
        read_only: bool,
    ) -> None:
        self._store: Final = store
        self._passwords: Final = passwords
        self._rules: Final = rules
        self._gate: Final = gate
        self._now: Final = now
        self._read_only: Final = read_only
        self._own_seconds: float | None = None  # what the last wrong password took, where a store told by itself

    def check(self, name: str, password: bytes, report: Report, *, address: str | None, service: str) -> User | None:
        """See `Service.check`; `name` is whole, `service` folded."""
        in_force = self._gate.in_force()
        throttle = None if in_force is None else self._gate.throttle(in_force, address)
        key = ""
        if throttle is not None:
            key = fold(name)
            reason = throttle.refusal(key, address)
            if reason is not None:
                report("rule", THROTTLE)
                report("reason", reason)
                return None
        found = self._decided(in_force, name, password, report, address=address, service=service)
        if isinstance(found, Refusal):
            if found.is_guess:
                self._count(throttle, name, password, report, address=address)
            if found.rule:
                report("rule", found.rule)
            report("reason", found.reason)
            if found.text:
                raise Refused(found.reason, public=found.text)
            return None
        if throttle is not None:
            throttle.succeeded(key, address)
        return found

    def _decided(
        self, in_force: InForce | None, name: str, password: bytes, report: Report, *, address: str | None, service: str
    ) -> User | Refusal:
        """The user, or why it may not log in."""
        user = self._store.lookup(name)
        if user is None:
            self._burn(password)
            report("store", self._store.name)
            return NO_SUCH_USER
        report("store", user.store)
        refusal = self._refusal(in_force, Question(user, address=address, service=service), password, report)
        if refusal is None:
            return user
        known = self._store.confirm(user)
        if known is None:
            return NO_SUCH_USER
        if known is user or known == user:
            return refusal
        return self._refusal(in_force, Question(known, address=address, service=service), password, report) or known

    def _count(
        self, throttle: Throttle | None, name: str, password: bytes, report: Report, *, address: str | None
    ) -> None:
        """A wrong password, or a name that nobody has: count it, and tell it from others without telling it."""
        key = fold(name)
        if throttle is not None:
            throttle.failed(key, password, address)
        tag = self._gate.tag(key, password)
        if tag is not None:
            report("tag", tag)

    def _refusal(self, in_force: InForce | None, asked: Question, password: bytes, report: Report) -> Refusal | None:
        """Why this user may not log in; None: the password is right, and so is all else.

        A right password may be stored again in a better scheme.
        """
        user = asked.user
        # A NUL is wrong without asking anybody's C library, which would stop reading there.
        began = monotonic()
        try:
            own = None if b"\0" in password else self._store.verify(user, password, address=asked.address)
        except Refused as error:  # the store knows that this account may not log in, and why
            # It need not have looked at the password: then the time would tell that this account is such a one.
            self._burn(password, spent=monotonic() - began)
            report("scheme", user.store)
            return Refusal("", str(error))
        if own is False:
            report("scheme", user.store)
            self._own_seconds = monotonic() - began
            return WRONG_PASSWORD
        if own is None:
            app = self._app(user, password) if len(password) in APP_LENGTHS else None
            if app is not None:
                return self._refusal_of_app(app, in_force, asked, password, report)
            refusal = self._wrong(user, password, report)
            if refusal is not None:
                return refusal
        else:
            report("scheme", user.store)
        refusal = self._gate.refusal_by(in_force, asked, self._now, report)
        if refusal is None:
            self._keep(user, password, report, by_field=own is None)
        elif own is None and not refusal.text:
            self._passwords.spend_as_wrong(password)
        return refusal

    def _wrong(self, user: User, password: bytes, report: Report) -> Refusal | None:
        """Why the password does not fit the field of the user, or the field lets nobody in; None: it fits."""
        if b"\0" not in password:
            self._own_seconds = None
        verdict = self._passwords.verify(
            user.stored_password, password, star_is_clear=self._rules.of(user).star_is_clear
        )
        report("scheme", verdict.scheme)
        if verdict.ok:
            return None
        return Refusal("", verdict.reason, is_guess=not verdict.fits) if verdict.reason else WRONG_PASSWORD

    def is_open_to_apps(self, user: User) -> bool:
        """Whether the password field of a user lets anybody in; a locked one shuts app passwords out too."""
        star_is_clear = self._rules.of(user).star_is_clear
        return self._passwords.identify(user.stored_password, star_is_clear=star_is_clear).login

    @staticmethod
    def _app(user: User, password: bytes) -> AppPassword | None:
        """The app password of the user that this password, of one of `APP_LENGTHS`, is; None: it is none.

        Asked before the main password: these digests cost microseconds and a hash milliseconds, and mail programs come
        back every minute.
        """
        if not user.info.names_a_secret():
            return None
        from nwauth.service.apps import matching

        return matching(user, password)

    def _refusal_of_app(
        self, app: AppPassword, in_force: InForce | None, asked: Question, password: bytes, report: Report
    ) -> Refusal | None:
        """Why the user may not come in by this app password; None: nothing is against it."""
        user = asked.user
        report("scheme", APP_SCHEME)
        report("app", app.label)
        refusal: Refusal | None
        if self.is_open_to_apps(user):
            asked = Question(user, address=asked.address, service=asked.service, app=app)
            refusal = self._gate.refusal_by(in_force, asked, self._now, report)
        else:
            refusal = LOCKED
        if refusal is not None and not refusal.text:
            self._spend_as_wrong(user, password)
        return refusal

    def _spend_as_wrong(self, user: User, password: bytes) -> None:
        """Take the time that a password which is none of the user's takes, whatever field the user has."""
        try:
            self._wrong(user, password, silent)
        except Unavailable:  # nothing hangs on it: the answer is known
            pass

    def _keep(self, user: User, password: bytes, report: Report, *, by_field: bool) -> None:
        """Store a right password anew, in a better scheme or where the user moves; whatever comes of it, they are in.

        Only of a user who comes in: the time that it takes would tell others that their password was right.  Of one who
        comes by an app password nothing is known of the password.
        """
        rules = self._rules.of(user)
        if self._read_only:
            return
        if rules.migrate_to is not None:
            self._move(user, password, report, to=rules.migrate_to)
        elif by_field and rules.upgrade_to is not None:
            self._renew(user, password, report, wanted=rules.upgrade_to)

    def _renew(self, user: User, password: bytes, report: Report, *, wanted: str) -> None:
        """Store the password in the scheme that is wanted, where that is due."""
        star_is_clear = self._rules.of(user).star_is_clear
        verdict = self._passwords.renewed(user.stored_password, password, wanted=wanted, star_is_clear=star_is_clear)
        if verdict.reason:
            report("reason", verdict.reason)
        if verdict.rehash is not None:
            self._upgrade(user, verdict.rehash, report)

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

    def _move(self, user: User, password: bytes, report: Report, *, to: str) -> None:
        """Copy the user to the store to which those of its own move."""
        field = user.stored_password
        try:
            identity = self._passwords.identify(field, star_is_clear=self._rules.of(user).star_is_clear)
            if not identity.login or identity.name == "clear":  # a store that verifies by itself has no field to give
                field = self._passwords.hash(password, self._rules.by_name[to].scheme)
            done = self._store.migrate(user, user.changed(stored_password=field, store=to))
        except NwauthError as error:
            report("migration", f"failed: {error}")
        else:
            report("migration", "done" if done else "there already")
