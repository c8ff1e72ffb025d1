"""Too many wrong passwords (spec/policy.md section 5): counted by client and by user, in what all copies share.

It is a protection and not a gate: whatever is wrong with the database, logins go on, uncounted; that is told once, and
after a rest it is tried again.  No login waits longer than `database.BUSY_SECONDS` for another writer.
"""

from __future__ import annotations

import os
import time

from nwauth.errors import ConfigError
from nwauth.policy.throttle.clients import Clients
from nwauth.policy.throttle.octets import octets
from nwauth.policy.throttle.outage import Outage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from nwauth.policy.throttle.database import Database
    from nwauth.policy.throttle.files import Identity
    from nwauth.policy.throttle.outage import Notice
    from nwauth.policy.throttle.settings import ThrottleSettings
    from nwauth.policy.throttle.tag import Tags

LOOK_SECONDS = 0.25  # between two looks whether the file still is the one that is open; who writes looks each time
MOST_REMEMBERED = 8192  # logins of which it is known that they are noted
NONE = (0, 0)
ANEW_SECONDS = 60.0  # a database that is damaged again sooner is not made anew again


class Throttle:
    """Refuses logins over the limits of `settings`; the database is the file `path`, opened on first use.

    `now` is seconds since the epoch, `monotonic` seconds of a clock that never jumps.  Nothing here ever raises.
    """

    def __init__(
        self,
        settings: ThrottleSettings,
        path: str,
        *,
        tags: Tags,
        notice: Notice,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings: Final = settings
        self._path: Final = path
        self._tags: Final = tags
        self._now: Final = now
        self._monotonic: Final = monotonic
        self._clients: Final = Clients(settings)
        self._reading: Final = Outage("throttle", notice, monotonic)
        self._writing: Final = Outage("throttle-count", notice, monotonic)
        self._most: Final = (settings.per_address or 1, settings.per_user or 1)
        self._noted_seconds: Final = settings.noted_seconds
        self._trusted_seconds: Final = settings.trusted_seconds
        self._noted: dict[tuple[str, str], float] = {}
        self._database: Database | None = None
        self._identity: Identity | None = None  # of the file that was opened last, or was to be
        self._look_at = 0.0
        self._latest = 0.0
        self._anew_at = -ANEW_SECONDS

    # -- what a login asks and tells

    def refusal(self, user_key: str, address: str | None) -> str | None:
        """Why a login is refused at once, in words for the log; None: it is not."""
        client = self._clients.counted_as(address)
        if client is None:
            return None
        refused: str | None = self._asked(self._refusal, self._reading, user_key, client)
        return refused

    def failed(self, user_key: str, password: bytes, address: str | None) -> None:
        """Count a wrong password, or one for a user who does not exist; the same again is not counted twice."""
        client = self._clients.counted_as(address)
        if client is not None and not self._writing.rests() and not self._reading.rests():
            tag = self._tags.tag(user_key, password)
            if tag is None:  # counts as different from all others
                tag = ~int.from_bytes(os.urandom(7), "big")
            self._asked(self._count, self._writing, user_key, client, tag)

    def succeeded(self, user_key: str, address: str | None) -> None:
        """Note that the user has logged in from there: the limit of the user does not concern that client."""
        client = self._clients.counted_as(address)
        if client is None or not self._noted_seconds or not self.settings.per_user:
            return
        noted = self._noted.get((user_key, client))
        if noted is not None and 0 <= self._now() - noted < self._noted_seconds:
            return
        if not self._writing.rests():
            self._asked(self._trust, self._writing, user_key, client)

    def close(self) -> None:
        """Give the database back; it is opened again when it is needed."""
        database, self._database = self._database, None
        self._noted.clear()
        if database is not None:
            try:
                database.close()
            except Exception:  # noqa: BLE001, S110, it is gone
                pass

    # -- work on the open database

    def _refusal(self, database: Database, user_key: str, client: str) -> str | None:
        now = self._instant(database)
        user, by = octets(user_key), client.encode()
        since = now - self.settings.window_seconds
        counts = database.counts(by, user, since, self._most)
        if counts == NONE:
            return None
        reason = self._over(database, counts, user, client, now)
        if reason is None:
            return None
        # A stop may rest on what was counted before the clock was put back: it must end within one window from now.
        database.clamp(now)
        return reason

    def _over(self, database: Database, counts: tuple[int, int], user: bytes, client: str, now: float) -> str | None:
        settings = self.settings
        of_client, of_user = counts
        if settings.per_address and of_client >= settings.per_address:
            return f"throttled: {of_client} wrong passwords from {client} within {settings.window_seconds} s"
        if not settings.per_user or of_user < settings.per_user:
            return None
        trusted_since = now - self._trusted_seconds
        if self._trusted_seconds and database.trusts(user, client.encode(), trusted_since):
            return None
        return f"throttled: {of_user} wrong passwords for this user within {settings.window_seconds} s"

    def _count(self, database: Database, user_key: str, client: str, tag: int) -> None:
        now = self._instant(database)
        settings = self.settings
        since = now - settings.window_seconds
        database.count(
            client=client.encode() if settings.per_address else None,
            user=octets(user_key),
            tag=tag,
            at=now,
            since=since,
            for_user=bool(settings.per_user),
        )
        self._sweep(database, now)

    def _sweep(self, database: Database, now: float) -> None:
        """Now and then, forget what does not count any more."""
        if database.is_due():
            database.sweep(now - self.settings.window_seconds, now - self._trusted_seconds)

    def _trust(self, database: Database, user_key: str, client: str) -> None:
        now = self._instant(database)
        database.trust(octets(user_key), client.encode(), now)
        if len(self._noted) >= MOST_REMEMBERED:
            del self._noted[next(iter(self._noted))]
        self._noted.pop((user_key, client), None)
        self._noted[user_key, client] = now
        self._sweep(database, now)

    def _instant(self, database: Database) -> float:
        """Now; where the clock was put back, nothing stays in the future."""
        now = self._now()
        if now < self._latest:
            database.clamp(now)
        self._latest = now
        return now

    # -- the database, and what is wrong with it

    def _asked(self, work: Callable[..., Any], outage: Outage, *words: Any) -> Any:
        """What `work` brings on the open database; None where it cannot be had, which is told and not raised."""
        is_down = self._reading.reason is not None or outage.reason is not None
        if is_down and (self._reading.rests() or outage.rests()):
            return None
        for may_mend in (True, True, False):
            doing = self._reading
            try:
                database = self._ready(writes=outage is self._writing)
                doing = outage
                answer = work(database, *words)
            except Exception as error:  # noqa: BLE001, whatever it is: the login goes on
                if may_mend and self._is_mended(error):
                    continue
                doing.goes_on(self._words(error))
                return None
            if is_down:
                outage.is_over()
                self._reading.is_over()
            return answer
        return None

    def _ready(self, *, writes: bool) -> Database:
        """The database, open, and the one that has the name."""
        database = self._database
        if database is not None:
            instant = self._monotonic()
            database.guard()
            if instant < self._look_at and not writes:
                return database
            if database.is_in_place():
                self._look_at = instant + LOOK_SECONDS
                return database
            self.close()
        return self._opened()

    def _opened(self) -> Database:
        """The database of that name, made where there is none."""
        from nwauth.policy.throttle import files, making
        from nwauth.policy.throttle.database import Database

        try:
            self._identity = files.identity(files.looked_at(self._path))
        except FileNotFoundError:
            making.make(self._path)
            self._identity = files.identity(files.looked_at(self._path))
        self._database = database = Database(self._path, self._identity)
        self._look_at = self._monotonic() + LOOK_SECONDS
        now = self._now()
        database.clamp(now)
        self._latest = now
        return database

    def _is_mended(self, error: Exception) -> bool:
        """Whether it can be tried again at once; what is damaged is made anew."""
        if isinstance(error, ConfigError):  # there is no SQLite
            return False
        from nwauth.policy.throttle import database

        if database.is_passing(error):
            return False
        self.close()
        if isinstance(error, database.Moved) or self._has_moved():
            return True
        if not database.is_damage(error) or self._monotonic() - self._anew_at < ANEW_SECONDS:
            return False
        return self._is_made_anew(self._words(error))

    def _has_moved(self) -> bool:
        """Whether another file, or none, has the name by now: another copy of the program is at it."""
        if self._identity is None:
            return False
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return (status.st_dev, status.st_ino) != self._identity

    def _is_made_anew(self, why: str) -> bool:
        from nwauth.policy.throttle import making

        if self._identity is None:
            return False
        try:
            did = making.make_anew(self._path, self._identity)
        except FileNotFoundError:  # another copy of the program is at it
            return True
        except Exception as failure:  # noqa: BLE001, whatever it is: the login goes on
            self._reading.goes_on(f"{why}; it cannot be made anew: {self._words(failure)}")
            return False
        if did:
            self._anew_at = self._monotonic()
            put_aside = f"it is now {self._path}{making.DAMAGED}, and counting begins anew"
            self._reading.tell("rebuilt", reason=f"{why}: {put_aside}")
        return True

    def _words(self, error: Exception) -> str:
        if isinstance(error, ConfigError):
            return str(error)
        from nwauth.policy.throttle.database import words

        return words(self._path, error)
