"""How the password of an account is verified: by PAM, or with the field that the shadow file has."""

from __future__ import annotations

import os

from nwauth.errors import Refused, Unavailable
from nwauth.stores.system import shadow
from nwauth.stores.system.libc import Account, ShadowEntry, taken, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from nwauth.stores.system.accounts import Database
    from nwauth.stores.system.asking import PamService

BY_ROOT_ALONE = f"a password in {shadow.FILE} can be checked by root alone"
AS_ROOT = "start the mail server's children as root"
NOTHING_FITS = "the account is locked, or has no password: passwd sets one"


class Alone(Unavailable):
    """Root alone could tell, and this process is not root: so it stays, whatever else it can tell."""


def _alone(said: str) -> Alone:
    return Alone(f"{BY_ROOT_ALONE}: {AS_ROOT} ({said})")


class ByPam:
    """Passwords are PAM's affair: nothing of them is given out here."""

    def __init__(self, service: str, *, timeout_seconds: float, accounts: Database, shadows: Database) -> None:
        self._name: Final = service
        self._timeout_seconds: Final = timeout_seconds
        self._accounts: Final = accounts
        self._shadows: Final = shadows
        self._service: PamService | None = None

    def field(self, _account: Account) -> str:
        """What a user is given for a stored password."""
        return ""

    def unread(self, _account: Account) -> str:
        """The same in a listing, before `entries` are known."""
        return ""

    def entries(self) -> Iterator[ShadowEntry]:
        """The shadow entries of all accounts, to be listed with them."""
        yield from ()

    def verify(self, account: Account, password: bytes, address: str | None, *, seconds: float) -> bool | None:
        """Whether the password is right; `seconds` are left to tell it.

        Raises:
            Refused: the account may not log in.
            Unavailable: cannot tell.
        """
        try:
            right = self._opened().verify(account.name, password, address, seconds=min(seconds, self._timeout_seconds))
        except (Refused, Unavailable) as error:
            self._must_be_able_to_say_no(account, str(error))
            raise
        if not right:
            field = self._must_be_able_to_say_no(account, "PAM, which cannot read it either, calls it wrong")
            if field is not None and shadow.lets_nobody_in(field):  # a "no" without a comparison comes too soon
                raise Refused(NOTHING_FITS)
        return right

    def must_tell(self, nobody: bytes, local: Account | None) -> None:
        """See whether passwords can be checked at all; `local` is an account whose password the shadow file has.

        Raises:
            Unavailable: not those of such accounts, or none at all.
            ConfigError: none at all.
        """
        self._opened().must_tell(nobody, seconds=self._timeout_seconds)
        if local is not None and os.geteuid() != 0:
            raise _alone(f"as that of {text(local.name)!a}")
        if local is not None:
            self._shadows.by_name(local.name)

    def _opened(self) -> PamService:
        if self._service is None:
            from nwauth.stores.system.asking import PamService

            self._service = PamService(self._name)
        return self._service

    def _must_be_able_to_say_no(self, account: Account, said: str) -> bytes | None:
        """Raises Unavailable where PAM cannot have read the shadow file: many stacks call every password wrong then.

        Its pam_unix reads it as root alone, or for the account that this process runs as.  Returns the field that
        counts for it, None where that is not known here.
        """
        if not self._accounts.is_local(account.name):
            return None
        if not shadow.is_shadowed(account.password):
            return account.password
        if os.geteuid() != 0:
            if account.uid != os.getuid():
                raise _alone(said)
            return None
        entry: ShadowEntry | None = self._shadows.by_name(account.name)
        return None if entry is None else entry.password


class ByShadow:
    """The field of the shadow file, or of ``/etc/passwd`` where it stands there; the service compares it.

    `now` is seconds since 1970.
    """

    def __init__(self, shadows: Database, *, now: Callable[[], float]) -> None:
        self._shadows: Final = shadows
        self._now: Final = now

    def field(self, account: Account) -> str:
        """What a user is given for a stored password: ``x`` where the shadow file cannot be read, which is no login.

        A look-up must not fail for it: mail is delivered by processes that need no passwords.
        """
        if not shadow.is_shadowed(account.password):
            return text(account.password)
        try:
            entry = self._shadows.by_name(account.name)
        except Unavailable:
            entry = None
        return text(account.password if entry is None else entry.password)

    def unread(self, account: Account) -> str:
        """The same in a listing, before `entries` are known."""
        return text(account.password)

    def entries(self) -> Iterator[ShadowEntry]:
        """The shadow entries of all accounts, to be listed with them; none where root alone may read them.

        A listing must not fail for it, as no look-up does.  Raises Unavailable.
        """
        try:
            for struct in self._shadows.walk():
                yield taken(struct)
        except Unavailable:
            if os.geteuid() == 0:
                raise

    def verify(self, account: Account, _password: bytes, _address: str | None, *, seconds: float) -> bool | None:
        """None, so that the service compares, where the account may log in; it raises as `ByPam.verify` does."""
        del seconds
        if not shadow.is_shadowed(account.password):
            return None
        try:
            entry: ShadowEntry | None = self._shadows.by_name(account.name)
        except Unavailable as error:
            raise self._unreadable(error) from None
        if entry is None:
            reason = f"{text(account.name)!a} has no entry in {shadow.FILE}, where its password should be"
            raise Unavailable(reason) if os.geteuid() == 0 else _alone(reason)
        refusal = shadow.refusal(entry, self._now())
        if refusal is not None:
            raise Refused(refusal)
        return None

    def must_tell(self, nobody: bytes, local: Account | None) -> None:
        """See whether passwords can be checked at all, as `ByPam.must_tell` does; it raises the same."""
        if local is None:
            return
        try:
            self.verify(local, nobody, None, seconds=0)
        except Refused:
            return

    def _unreadable(self, error: Unavailable) -> Unavailable:
        return error if os.geteuid() == 0 else _alone(str(error))
