"""`SqlStore`: users in a database; and which of two databases may say "no"."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import ConfigError, NotSupported, Unavailable
from nwauth.stores.base import BLOCK_USERS, Store
from nwauth.stores.health import unheard
from nwauth.stores.sql.adding import add, change, must_be_one, not_unique, put_all, tolerant
from nwauth.stores.sql.drivers import open_driver
from nwauth.stores.sql.drivers.base import Limits
from nwauth.stores.sql.link import RETRY_SECONDS, Link, Taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Final

    from nwauth.model import User
    from nwauth.stores.base import Change, Held
    from nwauth.stores.health import Notice
    from nwauth.stores.sql.columns import Columns
    from nwauth.stores.sql.drivers.base import Driver
    from nwauth.stores.sql.table import Ask, Emptied, Table


class SqlStore(Store):
    """Users in one table of the database at `url`; look-ups may go to a replica of it, at `read_url`.

    A replica may say yes, never no: whoever is not found there, or whose password is wrong there, is asked for again
    where the data is written.  Without `columns` the table is our own schema's.  `notice` is told the beginning and the
    end of each outage, once.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "sql",
        table: str = "accounts",
        columns: Columns | None = None,
        read_url: str | None = None,
        password_format: str = "auto",  # noqa: S107, a form
        limits: Limits | None = None,
        read_only: bool = False,
        notice: Notice | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.name = name
        self.waits = not url.startswith("sqlite:")
        self._read_only: Final = read_only
        self._limits: Final = limits or Limits()

        def linked(url: str, *, is_primary: bool = False) -> Link:
            try:
                driver = open_driver(url, self._limits, writable=is_primary)
            except ConfigError as error:
                raise ConfigError(f"{'read_url' if url is read_url else 'url'}: {error}") from None
            users = _table(table, driver, columns, store=name, password_format=password_format)
            asking = "asking the primary" if is_primary else "reading"
            return Link(users, notice=notice or unheard, asking=asking, retry_seconds=retry_seconds)

        first = linked(read_url or url)
        apart = read_url is not None or first.table.driver.has_several_hosts
        self._reader: Final = first
        self._writer: Final = linked(url, is_primary=True) if apart else first
        self._reads_elsewhere: Final = read_url is not None
        self._request_until: float | None = None
        self._warm = False

    def begin(self) -> None:
        self._request_until = monotonic() + self._limits.request

    def end(self) -> None:
        self._request_until = None

    # --- questions --------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> User | None:
        reader = self._reader
        reader.begin(self._request_until)
        try:
            user = reader.table.lookup(reader.ask, name)
        except Unavailable:
            if self._writer is reader:
                raise
        else:
            if user is not None or not (reader.is_replica or self._reads_elsewhere):
                return user
        return self._ask_writer(name, reader.until)

    def _ask_writer(self, name: str, until: float) -> User | None:
        """The user as the database knows it that is written to; or, if a replica alone is there, as that one does."""
        writer = self._writer
        writer.begin(until)
        user = writer.table.lookup(writer.ask, name)
        if not writer.is_replica:
            writer.deciding.works()
        elif user is None:
            raise writer.unsure()
        return user

    def confirm(self, user: User) -> User | None:
        if not self._reads_elsewhere and not self._reader.is_replica:
            return user
        known = self._ask_writer(user.name, self._reader.until)  # the time of the request that it was looked up for
        if self._writer.is_replica:
            raise self._writer.unsure()
        return known

    def search(self, pattern: str = "") -> Iterator[User]:
        writer = self._writer
        writer.begin()
        for row in writer.stream(writer.table.listing(pattern)):
            yield writer.table.user(row)

    def held(self, pattern: str = "") -> Iterator[list[Held]]:
        from itertools import islice

        writer = self._writer
        writer.begin()
        rows = writer.stream(writer.table.listing(pattern))
        while some := list(islice(rows, BLOCK_USERS)):
            yield writer.table.held(some)

    def count(self) -> int | None:
        self._writer.begin()
        return self._writer.count()

    def scanned(self) -> list[str]:
        """The expressions of names that lack an index, so that a look-up reads the whole table.  Raises Unavailable."""
        self._reader.begin()
        return self._reader.scanned()

    def denied(self) -> dict[str, str]:
        """By the right that a server's account lacks for changes, what the server says.  Raises Unavailable."""
        self._writer.begin()
        return self._writer.denied() if self.waits else {}

    # --- changes ----------------------------------------------------------------------------------------------------

    def put(self, user: User) -> bool:
        table = self._writer.table
        table.new_row(user)  # says what has no place, before the database is asked

        def put(empty: Emptied) -> bool:
            def work(ask: Ask, cursor: Any) -> bool:
                table.claim(cursor)
                return add(table, ask, cursor, user, empty)

            return self._change(work)

        try:
            return tolerant(put, table=table)
        except Taken as error:
            if table.is_ours or self._ask_writer(user.name, self._writer.until) is not None:
                return False
            raise not_unique(table, error) from error

    def put_all(self, users: Sequence[User]) -> list[User]:
        return put_all(self._writer.table, users, self._change)

    def change_all(self, changes: Iterable[Change]) -> None:
        from nwauth.stores.sql.together import LONG_SECONDS, change_all, who_came_before

        if self._read_only:
            raise NotSupported
        self._writer.begin(monotonic() + LONG_SECONDS)  # it is one transaction, however many users there are
        try:
            change_all(self._writer.table, changes, self._writer.change)
        except Taken as error:
            if self._writer.table.is_ours:
                self._writer.begin(monotonic() + LONG_SECONDS)
                raise who_came_before(self._writer.table, changes, self._writer.ask) from error
            raise not_unique(self._writer.table, error) from error

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        table = self._writer.table
        table.changed(old, new)

        def swap(empty: Emptied) -> bool:
            def work(ask: Ask, cursor: Any) -> bool:
                if table.lock(ask, old.name, at_once=wait_seconds is not None) != old:
                    return False
                change(table, ask, cursor, old=old, new=new, empty=empty)
                return True

            return self._change(work, wait_seconds=wait_seconds)

        try:
            return tolerant(swap, table=table)
        except Taken as error:
            raise not_unique(table, error) from error

    def rename(self, old: User, new: User) -> bool | None:
        table = self._writer.table

        def work(ask: Ask, cursor: Any) -> bool:
            table.claim(cursor)
            if table.lock(ask, new.name) is not None:
                return False
            if table.lock(ask, old.name) != old:
                raise Unavailable("the user is being changed by others, try again")
            change(table, ask, cursor, old=old, new=new, empty=frozenset())
            return True

        try:
            return self._change(work)
        except Taken:
            return False

    def delete(self, name: str, *, only: User | None = None) -> bool:
        table = self._writer.table

        def work(ask: Ask, cursor: Any) -> bool:
            user = table.lock(ask, name)
            if user is None or only not in (None, user):
                return False
            cursor.execute(*table.delete(user))
            must_be_one(table, cursor, user)
            return True

        return self._change(work)

    def _change(self, work: Any, *, wait_seconds: float | None = None) -> bool:
        if self._read_only:
            raise NotSupported
        self._writer.begin(self._request_until if wait_seconds is None else self._reader.until)
        return self._writer.change(work, wait_seconds=wait_seconds)

    # --- upkeep -----------------------------------------------------------------------------------------------------

    def place(self) -> str:
        return f"{self._writer.table.driver.place()}, table {self._writer.table.name}"

    def make(self) -> bool:
        table = self._writer.table
        if table.is_ours and not self._read_only:
            from nwauth.stores.sql import schema

            made = schema.make(table)
            self.close()
            return made
        self._writer.begin()
        self._writer.check()
        return False

    def tend(self) -> None:
        if not self._warm:  # so that a wrong setting is told at the start, and no request waits for the connection
            self._warm = True
            self._reader.begin()
            self._reader.warm_up()

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def _table(table: str, driver: Driver, columns: Columns | None, *, store: str, password_format: str) -> Table:
    if columns is None:
        from nwauth.stores.sql.own import OwnTable

        return OwnTable(table, driver, store=store)
    from nwauth.stores.sql.foreign import ForeignTable

    return ForeignTable(table, driver, columns, store=store, password_format=password_format)
