"""Users in the order of their folded names, in flat memory, for stores whose source has no order."""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.model import User
from nwauth.names import fold
from nwauth.stores.health import PUBLIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

RUN_USERS = 20_000  # what is sorted in memory at a time: some 20 MB of it


def in_order(users: Iterable[User], *, run_users: int = RUN_USERS) -> Iterator[User]:
    """`users` by folded name; of equal names, the later comes later.

    Few are sorted in memory; more wait in files without a name, where the system keeps temporary ones.  Raises what
    `users` raises, and Unavailable where there is no room for the files.
    """
    from heapq import merge
    from itertools import islice

    source = iter(users)
    first = sorted(islice(source, run_users), key=_key)
    if len(first) < run_users:
        yield from first
        return
    runs: list[tuple[IO[bytes], int]] = []
    try:
        while first:
            runs.append((_written(first), len(first)))
            first = sorted(islice(source, run_users), key=_key)
        yield from merge(*(_read(run, count) for run, count in runs), key=_key)
    finally:
        for run, _ in runs:
            run.close()


def _key(user: User) -> str:
    return fold(user.name)


def _written(users: list[User]) -> IO[bytes]:
    import marshal
    from tempfile import TemporaryFile

    try:
        file = TemporaryFile()  # noqa: SIM115, closed by who reads it
        try:
            for user in users:
                marshal.dump((user.store, user.held()), file)
            file.seek(0)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise _no_room(error) from None
    return file


def _read(run: IO[bytes], count: int) -> Iterator[User]:
    import marshal

    for _ in range(count):
        try:
            store, held = marshal.load(run)  # noqa: S302, what this process has written itself
        except OSError as error:
            raise _no_room(error) from None
        yield User.of(held, store=store)


def _no_room(error: OSError) -> Unavailable:
    return Unavailable(f"no room to sort the users in: {error.strerror}", public=PUBLIC)
