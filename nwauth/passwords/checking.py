"""`Passwords`: verifies, makes and names password fields; the one way into this package."""

from __future__ import annotations

from time import monotonic as system_monotonic

from nwauth.errors import NwauthError, Unavailable
from nwauth.passwords.table import BY_NAME, SCHEMES, Identity, SchemeInfo, split
from nwauth.passwords.values import SCHEMES_KEPT, SCHEMES_MADE, NoLogin, Settings, Verdict, unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from nwauth.passwords.digests import Check
    from nwauth.passwords.memo import Memo
    from nwauth.passwords.table import Scheme

UPGRADE_SHARE = 10  # upgrades take at most one part in so many of a child's time


def _today() -> date:
    from datetime import date
    from time import localtime

    return date(*localtime()[:3])


def _nothing() -> None:
    pass


class Passwords:
    """Compares passwords with stored fields, makes new ones, and names what it is shown.

    `burn_scheme` is the scheme that `burn` spends the time of until this child has verified a field: what most
    of its users have (``ssha`` for a shared folder); by default the scheme of new passwords.  Without `native`,
    all goes through libpass, as on a machine without libcrypt.  `before_slow` may be set: it is called before work that
    takes milliseconds.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        burn_scheme: str | None = None,
        monotonic: Callable[[], float] = system_monotonic,
        today: Callable[[], date] = _today,
        native: bool = True,
    ) -> None:
        if burn_scheme not in (None, *SCHEMES_MADE, *SCHEMES_KEPT):
            raise ValueError(f"burn_scheme: found {burn_scheme!r}, wanted one of {', '.join(SCHEMES_MADE)}")
        self._settings = settings or Settings()
        self._burn_scheme = burn_scheme or self._settings.scheme
        self._monotonic = monotonic
        self._today = today
        self._native = native
        self._checks: dict[str, Check] = {}  # by scheme name, filled as fields are met
        self._identities: dict[str, Identity] = {}  # the same
        self._last: tuple[Check, str] | None = None  # the last real verification: what `burn` repeats
        self._is_slow = BY_NAME[self._burn_scheme].slow  # whether that is of a slow scheme, or would be
        self._memo: Memo | None = None
        self._was_quick = False  # the last verification took less time than it may for a wrong password
        self.before_slow: Callable[[], None] = _nothing
        self._next_upgrade = 0.0
        self._weak_allowed = self._settings.weak_after is None

    def verify(
        self, stored: str, password: bytes, *, upgrade_to: str | None = None, star_is_clear: bool = False
    ) -> Verdict:
        """Whether the password fits the stored field, and the field to put in its place, if one is due.

        `upgrade_to` is the scheme that the store wants its fields in, or None.  `star_is_clear`: a star begins clear
        text, as in flat files; elsewhere it is no login.

        Raises:
            Unavailable: cannot tell; the text says what this machine lacks, or why the field is not tried.
        """
        scheme, text = split(stored, star_is_clear)
        self._was_quick = False
        wrong = unusable(password)
        if wrong:
            return Verdict(ok=False, scheme=scheme.name, reason=wrong)
        try:
            if scheme.slow:
                right = self._check_slow(scheme, text, password, stored)
            else:
                right = self._check(scheme, text, password)
        except NoLogin as error:
            self.burn(password)
            return Verdict(ok=False, scheme=scheme.name, reason=str(error))
        self._was_quick |= self._is_slow and not scheme.slow
        if not right:
            self.spend_as_wrong(password)  # no time tells a quick field from a slow one, nor from nobody's
            return scheme.wrong
        if upgrade_to is None and self._weak_allowed:
            return scheme.right
        return self._granted(scheme, text, password, upgrade_to)

    def _check(self, scheme: Scheme, text: str, password: bytes) -> bool:
        check = self._checks.get(scheme.name)
        if check is None:
            check = self._checks[scheme.name] = self._checker(scheme)
        right = check(text, password)
        if scheme.slow or not self._is_slow:
            self._last, self._is_slow = (check, text), scheme.slow
        return right

    def _check_slow(self, scheme: Scheme, text: str, password: bytes, stored: str) -> bool:
        """As `_check`, through the memo, and only if the field's cost is bearable."""
        if self._memo is None:
            from nwauth.passwords.memo import Memo

            self._memo = Memo(seconds=self._settings.memo_seconds, monotonic=self._monotonic)
        entry = self._memo.entry(stored, password)
        if self._memo.holds(entry):
            self._was_quick = True
            return True
        from nwauth.passwords.costs import afford

        afford(scheme, text)
        self.before_slow()
        right = self._check(scheme, text, password)
        if right and self._settings.memo_seconds:
            self._memo.add(entry)
        return right

    def _checker(self, scheme: Scheme) -> Check:
        """The comparison for a scheme, with the library behind it loaded.

        Raises:
            Unavailable: this machine has none; asked again at the next field, so that an installed one is found.
        """
        from nwauth.passwords.families import checker

        return checker(scheme, native=self._native, netwin_weak=self._settings.netwin_weak)

    def _granted(self, scheme: Scheme, text: str, password: bytes, upgrade_to: str | None) -> Verdict:
        """The verdict on a right password: refused if its scheme no longer counts, stored anew if that is due."""
        end = self._settings.weak_after
        if scheme.weak and end is not None and self._today() >= end:
            reason = f"right, but weak schemes are refused since {end} (weak_after)"
            return Verdict(ok=False, fits=True, scheme=scheme.name, reason=reason)
        if upgrade_to is None:
            return scheme.right
        return self._renewed(scheme, text, password, upgrade_to)

    def renewed(self, stored: str, password: bytes, *, wanted: str, star_is_clear: bool = False) -> Verdict:
        """The yes to a right password, with the field in the scheme `wanted` to put in its place where that is due."""
        scheme, text = split(stored, star_is_clear)
        return self._renewed(scheme, text, password, wanted)

    def _renewed(self, scheme: Scheme, text: str, password: bytes, wanted: str) -> Verdict:
        if self._monotonic() < self._next_upgrade:
            return scheme.right
        from nwauth.passwords.costs import is_due

        if not is_due(scheme, text, password, wanted=wanted, settings=self._settings):
            return scheme.right
        return self._upgraded(scheme, password, wanted)

    def _upgraded(self, scheme: Scheme, password: bytes, wanted: str) -> Verdict:
        """A yes with the new field; one that cannot be made never spoils the login.

        The next upgrade waits nine times as long as this one took: saving up a quiet hour's share would
        double every login of the busy minutes after it.
        """
        self.before_slow()
        start = self._monotonic()
        try:
            rehash, reason = self.hash(password, wanted), ""
        except NwauthError as error:
            rehash, reason = None, f"not upgraded: {error}"
        self._next_upgrade = start + UPGRADE_SHARE * (self._monotonic() - start)
        return Verdict(ok=True, scheme=scheme.name, rehash=rehash, reason=reason)

    def spend_as_wrong(self, password: bytes) -> None:
        """Spends what a wrong password takes more than the one that was verified last.

        Whoever is refused for another reason must not see by the time that the password was right.
        """
        if self._was_quick:
            self.burn(password)

    def burn(self, password: bytes) -> None:
        """Spends the time of a wrong password: of this child's last real verification, the memo left aside.

        Where new passwords are slow, or a field was, it is the last slow one: whoever has an account with a quick field
        must not make quick what unknown users cost.

        For a user who does not exist; `verify` does it itself for a field that lets nobody in.  A password that no
        field can have is not spent time on, as `verify` spends none.
        """
        if unusable(password):
            return
        self.before_slow()
        try:
            check, text = self._last or self._first()
            check(text, password)
        except (NoLogin, Unavailable):  # nothing hangs on it: the answer is known
            pass

    def _first(self) -> tuple[Check, str]:
        """What is burned before any field was verified."""
        from nwauth.passwords.making import dummy

        scheme = BY_NAME[self._burn_scheme]
        self._last = self._checker(scheme), dummy(scheme.name, self._settings)
        return self._last

    def hash(self, password: bytes, scheme: str | None = None) -> str:
        """A new field for the password; `scheme` is one of `SCHEMES_MADE`, by default that of the settings.

        For a store that another program reads too it may be one of `SCHEMES_KEPT`.

        Raises:
            Refused: nobody may have this password (the package's rule), or no new fields of the scheme are made.
            Unavailable: this machine cannot make it; the text says what to do.
        """
        from nwauth.passwords.making import make

        return make(password, scheme or self._settings.scheme, self._settings, native=self._native)

    def hash_like(self, password: bytes, field: str, *, default: str) -> str:
        """A new field for the password in the manner of `field`, which it replaces: same scheme, tag and form.

        For a store that another program reads too (spec/stores.md section 1, "Upgrade").  Where `field` lets nobody in,
        it is `hash` of the scheme `default`.  Costs are the field's or ours, whichever are higher.

        Raises:
            Refused: nobody may have this password, the scheme would not read all of it, or none of the scheme are made.
            Unavailable: this machine cannot make it; the text says what to do.
        """
        from nwauth.passwords.keeping import make_like

        return make_like(password, field, default=default, settings=self._settings, native=self._native)

    def must_be_makeable(self, password: bytes, scheme: str | None = None) -> None:
        """Raises Refused where `hash` would, at no cost."""
        from nwauth.passwords.making import must_be_makeable

        must_be_makeable(password, scheme or self._settings.scheme)

    def identify(self, stored: str, *, star_is_clear: bool = False) -> Identity:
        """What a field is, by its form; a form that lets nobody in is ``no-login`` or ``unknown``."""
        scheme, _ = split(stored, star_is_clear)
        known = self._identities.get(scheme.name)
        if known is None:
            known = self._identities[scheme.name] = self._identity(scheme)
        return known

    def _identity(self, scheme: Scheme) -> Identity:
        from nwauth.passwords.families import library

        login = scheme.family != "none" and (scheme.family != "netwin" or self._settings.netwin_weak)
        verifiable = login and bool(library(scheme, native=self._native))
        return Identity(name=scheme.name, weak=scheme.weak, login=login, verifiable=verifiable)

    def schemes(self) -> list[SchemeInfo]:
        """Every scheme there is, and what verifies it on this machine, the strong ones first."""
        from nwauth.passwords.families import library

        known = [scheme for scheme in SCHEMES if scheme.family != "none"]
        return [SchemeInfo(scheme, by=library(scheme, native=self._native)) for scheme in known]
