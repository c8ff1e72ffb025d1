"""What the throttle counts now, for who administers it; and how somebody is let in before the time."""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.model import Record
from nwauth.policy.hosts import read_address
from nwauth.policy.throttle import files
from nwauth.policy.throttle.clients import Clients, client_of
from nwauth.policy.throttle.database import TROUBLES, Database, is_damage, words
from nwauth.policy.throttle.octets import octets, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final, TypeVar

    from nwauth.policy.throttle.settings import ThrottleSettings

    T = TypeVar("T")

PATIENT_SECONDS = 60.0  # nobody waits behind a command
CLIENT, USER = "address", "user"
BLOCKED, COUNTING = "blocked", "counting"

_EACH = "SELECT {who}, count(*), min(at), max(at) FROM {table} WHERE at > ? GROUP BY {who} ORDER BY {who}"
_FREED_BY = "SELECT at FROM {table} WHERE {who} = ? AND at > ? ORDER BY at LIMIT 1 OFFSET ?"
_TABLES = {CLIENT: ("client", "of_client"), USER: ("user", "of_user")}


class Count(Record):
    """The wrong passwords of an address, or for a user, within the window; times are seconds since the epoch.

    `until`: blocked, when one is let in again; else when nothing counts any more.
    """

    __slots__ = ("limit", "name", "since", "state", "until", "what", "wrong")

    def __init__(self, *, what: str, name: str, wrong: int, limit: int, state: str, since: float, until: float) -> None:
        self.what: Final = what
        self.name: Final = name
        self.wrong: Final = wrong
        self.limit: Final = limit
        self.state: Final = state
        self.since: Final = since
        self.until: Final = until


class Trust(Record):
    """An address from which a user has logged in, and until when the limit of the user does not concern it."""

    __slots__ = ("name", "since", "until")

    def __init__(self, *, name: str, since: float, until: float) -> None:
        self.name: Final = name
        self.since: Final = since
        self.until: Final = until


class Ledger:
    """The database `path` as it is at `now`; where there is none, nothing is counted.

    Raises (each of its methods):
        Unavailable: it cannot be read, or not be changed.
    """

    def __init__(self, settings: ThrottleSettings, path: str, *, now: Callable[[], float]) -> None:
        self._settings: Final = settings
        self._path: Final = path
        self._now: Final = now

    def client(self, word: str) -> str | None:
        """The client that a word of the command line names; None: it names a user."""
        address = read_address(word.partition("/")[0])
        return None if address is None else client_of(address, self._settings.ipv6_prefix)

    def counts(self) -> list[Count]:
        """All who are counted: addresses first."""
        return self._with(lambda database: [*self._counts(database, CLIENT), *self._counts(database, USER)], [])

    def trusted(self, user_key: str) -> list[Trust]:
        """The addresses that the limit of the user does not concern, the latest first."""
        seconds = self._settings.trusted_seconds
        since = self._now() - seconds
        statement = "SELECT client, at FROM trusted WHERE user = ? AND at > ? ORDER BY at DESC, client"
        rows: list[tuple[bytes, float]]
        rows = self._with(lambda database: database.rows(statement, (octets(user_key), since)), [])
        return [Trust(name=text(client), since=at, until=at + seconds) for client, at in rows]

    def refusing(self, user_key: str, address: str | None) -> list[Count]:
        """What refuses the user's logins from `address` now; None: from wherever the user is not known."""
        client = Clients(self._settings).counted_as(address)
        if address is not None and client is None:
            return []
        asked = {(CLIENT, client)}
        if client not in {one.name for one in self.trusted(user_key)}:
            asked.add((USER, user_key))
        return [one for one in self.counts() if one.state == BLOCKED and (one.what, one.name) in asked]

    def clear_all(self) -> int:
        """Forget all that is counted, of everybody; how many wrong passwords that were."""
        return self._with(
            lambda database: database.change((("DELETE FROM of_client", ()), ("DELETE FROM of_user", ()))), 0
        )

    def clear_client(self, client: str) -> int:
        """Forget the wrong passwords that came from there; how many that were."""
        step = ("DELETE FROM of_client WHERE client = ?", (client.encode(),))
        return self._with(lambda database: database.change([step]), 0)

    def clear_user(self, user_key: str) -> int:
        """Forget the wrong passwords for a user, those that addresses are charged with too; how many that were."""
        user = octets(user_key)
        steps = (("DELETE FROM of_user WHERE user = ?", (user,)), ("DELETE FROM of_client WHERE user = ?", (user,)))
        return self._with(lambda database: database.change(steps), 0)

    def charged(self, user_key: str) -> int:
        """How many wrong passwords for the user addresses are charged with."""
        statement = "SELECT count(*) FROM of_client WHERE user = ? AND at > ?"
        since = self._now() - self._settings.window_seconds
        rows = self._with(lambda database: database.rows(statement, (octets(user_key), since)), [(0,)])
        return int(rows[0][0])

    def _counts(self, database: Database, what: str) -> Iterator[Count]:
        settings = self._settings
        limit = settings.per_address if what == CLIENT else settings.per_user
        if not limit:
            return
        who, table = _TABLES[what]
        now = self._now()
        since = now - settings.window_seconds
        clients = Clients(settings)
        for held, wrong, first, last in database.rows(_EACH.format(who=who, table=table), (since,)):
            name = text(held)
            if what == CLIENT and clients.counted_as(name.partition("/")[0]) is None:  # exempt by now
                continue
            blocked, decisive = wrong >= limit, last
            if blocked:
                statement = _FREED_BY.format(who=who, table=table)
                ((decisive,),) = database.rows(statement, (held, since, wrong - limit))
            yield Count(
                what=what,
                name=name,
                wrong=wrong,
                limit=limit,
                state=BLOCKED if blocked else COUNTING,
                since=min(first, now),
                until=min(decisive, now) + settings.window_seconds,
            )

    def _with(self, work: Callable[[Database], T], nothing: T) -> T:
        """What comes of work on the open database, or `nothing` where there is none."""
        try:
            database = Database(self._path, files.identity(files.looked_at(self._path)), seconds=PATIENT_SECONDS)
        except FileNotFoundError:
            return nothing
        except TROUBLES as error:
            raise self._trouble(error) from None
        try:
            return work(database)
        except TROUBLES as error:
            raise self._trouble(error) from None
        finally:
            database.close()

    def _trouble(self, error: Exception) -> Unavailable:
        remedy = "; the next login that counts makes it anew" if is_damage(error) else ""
        return Unavailable(f"the throttle's database cannot be used: {words(self._path, error)}{remedy}")
