"""`SystemStore`: the accounts of the operating system, and how one is found without regard to case."""

from __future__ import annotations

import os
from math import inf
from time import monotonic
from time import time as system_time

from nwauth.errors import ConfigError, Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold, fold_bytes
from nwauth.stores.base import Store
from nwauth.stores.health import Health, unheard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from nwauth.stores.health import Notice
    from nwauth.stores.system.accounts import Database
    from nwauth.stores.system.libc import Account
    from nwauth.stores.system.means import ByPam, ByShadow

MOST_NAME_BYTES = 255  # LOGIN_NAME_MAX, without its NUL
MOST_PASSWORD_BYTES = 511  # PAM_MAX_RESP_SIZE, without its NUL
NOBODY = frozenset((65_534, 65_535, 2**32 - 2, 2**32 - 1))  # ids that stand for "no account" somewhere
REQUEST_SECONDS = 9.0  # for all that a request asks; the mail server waits for 10
SLOW_WALK_SECONDS = 1.0
WALK_ADVICE = "set walk = false if all names are in lower case"
_NEVER_IN_NAMES = frozenset(":/\x7f" + "".join(map(chr, range(32))))


class Unclear(Unavailable):
    """Cannot tell of this one user, all others being known: no outage."""


class SystemStore(Store):
    """The accounts with an id from `min_uid` to `max_uid`, read-only.

    `passwords` is ``pam``, ``shadow`` or ``auto``: PAM where it is installed.  Names are found without regard to case
    unless `unix_case`; `walk` is whether all accounts may be listed for that.  `drop_path` may hold ``{home}`` and
    ``{name}``.  `notice` is told the beginning and the end of each outage, once; `now` is seconds since 1970.
    """

    waits = True

    def __init__(
        self,
        *,
        name: str = "system",
        min_uid: int = 1000,
        max_uid: int | None = None,
        unix_case: bool = False,
        walk: bool = True,
        drop_path: str = "config",
        passwords: str = "auto",
        pam_service: str = "nwauth",
        pam_timeout_seconds: float = 8.0,
        notice: Notice | None = None,
        now: Callable[[], float] = system_time,
    ) -> None:
        self.name = name
        self._min_uid: Final = min_uid
        self._max_uid: Final = max_uid
        self._unix_case: Final = unix_case
        self._may_walk: Final = walk
        self._drop_path: Final = drop_path
        self._passwords: Final = passwords
        self._pam_service: Final = pam_service
        self._pam_timeout_seconds: Final = pam_timeout_seconds
        self._notice: Final = notice or unheard
        self._now: Final = now
        self._looking: Final = Health("looking users up", name, self._notice)
        self._checking: Final = Health("checking passwords", name, self._notice)
        self._alone: Final = Health("checking passwords of others", name, self._notice)
        self._opened: Database | None = None
        self._chosen: ByPam | ByShadow | None = None
        self._has_told_slow = False
        self._until = inf  # when the request must have its answer, by the monotonic clock

    def begin(self) -> None:
        self._until = monotonic() + REQUEST_SECONDS

    def end(self) -> None:
        self._until = inf

    # --- questions --------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> User | None:
        if not _is_possible(name):
            return None
        try:
            account = self._meant(name)
        except Unclear:
            self._looking.works()
            raise
        except (ConfigError, Unavailable) as error:
            raise self._looking.failed(str(error)) from None
        self._looking.works()
        return None if account is None else self._user(account, self._means().field(account))

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        if not password or b"\0" in password or len(password) > MOST_PASSWORD_BYTES:
            raise Refused(f"the password is empty, over {MOST_PASSWORD_BYTES} bytes, or holds NUL: nobody has such")
        from nwauth.stores.system.means import Alone

        try:
            account = self._accounts().by_name(user.name.encode(ENCODING, ERRORS))
            if account is None or not self._is_ours(account.uid):  # it is gone, or another's, since the look-up
                return False
            right = self._means().verify(account, password, address, seconds=self._until - monotonic())
        except Alone as error:  # no outage: what this account's own check says does not end it
            raise self._alone.failed(str(error)) from None
        except (ConfigError, Unavailable) as error:
            raise self._checking.failed(str(error)) from None
        except Refused:
            self._checking.works()
            raise
        self._checking.works()
        return right

    def search(self, pattern: str = "") -> Iterator[User]:
        del pattern
        from nwauth.stores.sorting import in_order
        from nwauth.stores.system.shadow import each_once

        try:
            yield from each_once(in_order(self._listed()))
        except (ConfigError, Unavailable) as error:
            raise self._looking.failed(str(error)) from None
        self._looking.works()

    def obstacle(self) -> Unavailable | ConfigError | None:
        """Why no password, or none in the shadow file, can be checked now; None: nothing is seen to be in the way.

        No account is touched by it: PAM is asked for somebody whom nobody knows.  Raises Unavailable.
        """
        nobody = f"nwauth-{os.urandom(8).hex()}".encode()
        local = self._shadowed()
        try:
            self._means().must_tell(nobody, local)
        except (ConfigError, Unavailable) as error:
            return error
        return None

    def place(self) -> str:
        ids = f"from {self._min_uid}" + ("" if self._max_uid is None else f" to {self._max_uid}")
        return f"the accounts of this system with ids {ids}"

    # --- accounts ---------------------------------------------------------------------------------------------------

    def _accounts(self) -> Database:
        if self._opened is None:
            from nwauth.stores.system import accounts

            self._opened = accounts.passwd()
        return self._opened

    def _meant(self, name: str) -> Account | None:
        """The account that a name means, by the rules of DSMTP (NetWin's manual, "Notes on UNIX Authentication")."""
        exact = name.encode(ENCODING, ERRORS)
        account = self._accounts().by_name(exact)
        if account is not None or self._unix_case:
            return self._ours(account)
        found = self._walked(fold_bytes(exact)) if self._may_walk else {}
        if len(found) == 1:  # of several that differ in case none is meant
            return next(iter(found.values()))
        lowered = fold(name).encode(ENCODING, ERRORS)
        if lowered != exact:
            account = self._accounts().by_name(lowered)
        return self._ours(account)

    def _walked(self, key: bytes) -> dict[bytes, Account]:
        """Our accounts of this folded name, by their spelling: the first of each."""
        from nwauth.stores.system.libc import taken

        started = monotonic()
        found: dict[bytes, Account] = {}
        for struct in self._accounts().alike(key):
            spelling: bytes = struct.name or b""
            if fold_bytes(spelling) == key and self._is_ours(struct.uid):
                found.setdefault(spelling, taken(struct))
            if monotonic() > self._until:
                seconds = monotonic() - started
                raise Unavailable(f"listing all accounts was given up after {seconds:.0f} s: {WALK_ADVICE}")
        seconds = monotonic() - started
        if seconds > SLOW_WALK_SECONDS and not self._has_told_slow:
            self._has_told_slow = True
            self._notice({"store": self.name, "reason": f"listing all accounts took {seconds:.1f} s: {WALK_ADVICE}"})
        return found

    def _ours(self, account: Account | None) -> Account | None:
        return account if account is not None and self._is_ours(account.uid) else None

    def _is_ours(self, uid: int) -> bool:
        return uid >= self._min_uid and uid not in NOBODY and (self._max_uid is None or uid <= self._max_uid)

    def _shadowed(self) -> Account | None:
        """Some account of ours whose password the shadow file of this machine has."""
        from nwauth.stores.system.libc import taken
        from nwauth.stores.system.shadow import is_shadowed

        database = self._accounts()
        for struct in database.walk():
            if self._is_ours(struct.uid) and is_shadowed(struct.password or b"") and database.is_local(struct.name):
                account: Account = taken(struct)
                return account
        return None

    # --- users ------------------------------------------------------------------------------------------------------

    def _user(self, account: Account, stored_password: str, *, is_listed: bool = False) -> User:
        """The user of an account; one that `is_listed` hides nobody where that cannot be told.

        The reason then stands for its drop path: with its blanks no server is ever told it.

        Raises:
            Unclear: nobody knows where its mail would lie.
        """
        name = account.name.decode(ENCODING, ERRORS)
        try:
            drop_path = self._filled(name, account.home.decode(ENCODING, ERRORS))
        except Unclear as error:
            if not is_listed:
                raise
            drop_path = str(error)
        return User(
            name=name,
            stored_password=stored_password,
            info=Info(),
            drop_path=drop_path,
            uid=str(account.uid),
            store=self.name,
        )

    def _filled(self, name: str, home: str) -> str:
        """The drop path of an account.

        Raises:
            Unclear: nobody knows where it would lie.
        """
        pieces = self._drop_path.split("{home}")
        if len(pieces) > 1 and not home.startswith("/"):
            raise Unclear(
                f"the account {name!a} has no home folder for drop_path, found {home!a}: usermod -d sets one",
                public="this user has no home folder, see the log",
            )
        return home.join(piece.replace("{name}", name) for piece in pieces)

    def _listed(self) -> Iterator[User]:
        """Every user, in no order; behind them, without a uid, what the shadow file has of anybody."""
        from nwauth.stores.system.libc import taken, text

        means = self._means()
        for struct in self._accounts().walk():
            if self._is_ours(struct.uid) and _is_possible(text(struct.name or b"")):
                account = taken(struct)
                yield self._user(account, means.unread(account), is_listed=True)
        for entry in means.entries():
            yield User(name=text(entry.name), stored_password=text(entry.password), info=Info(), uid="")

    # --- passwords --------------------------------------------------------------------------------------------------

    def _means(self) -> ByPam | ByShadow:
        if self._chosen is None:
            from nwauth.stores.system import accounts, pam
            from nwauth.stores.system.means import ByPam, ByShadow

            if self._passwords == "pam" or (self._passwords == "auto" and pam.is_installed()):
                self._chosen = ByPam(
                    self._pam_service,
                    timeout_seconds=self._pam_timeout_seconds,
                    accounts=self._accounts(),
                    shadows=accounts.shadow(),
                )
            else:
                self._chosen = ByShadow(accounts.shadow(), now=self._now)
        return self._chosen


def _is_possible(name: str) -> bool:
    """Whether an account may have this name at all; others never reach the system, which may read them as paths."""
    return (
        0 < len(name.encode(ENCODING, ERRORS)) <= MOST_NAME_BYTES
        and name not in (".", "..")
        and _NEVER_IN_NAMES.isdisjoint(name)
    )
