"""All users, in the order of their folded names, in flat memory; and the making of files."""

from __future__ import annotations

import os

from nwauth.errors import Passing, Unavailable
from nwauth.stores.passwd import aging
from nwauth.stores.passwd.lines import IN_SHADOW, PASSWORD, fields_of, fits
from nwauth.stores.passwd.table import Missing
from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of
from nwauth.stores.textfile.userfile import Changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nwauth.model import User
    from nwauth.stores.passwd.pair import Pair
    from nwauth.stores.passwd.pairs import Pairs
    from nwauth.stores.passwd.places import Places
    from nwauth.stores.passwd.served import Served
    from nwauth.stores.passwd.table import Table
    from nwauth.stores.textfile.userfile import UserFile


def listing(places: Places, pairs: Pairs, *, scratch: Callable[[], int]) -> Iterator[User]:
    """The users of all files, in order.

    Raises:
        Unavailable: a file cannot be read or is unsettled, one that must be there is not, or one changed meanwhile.
    """
    domains = list(places.domains())
    if not domains:
        places.must_have_one()
    try:
        if domains == [""]:
            yield from _users_of(pairs, places, "", scratch=scratch)
            return
        from nwauth.stores.sorting import in_order

        yield from in_order(user for domain in domains for user in _users_of(pairs, places, domain, scratch=scratch))
    except Changed:
        raise Passing(f"{places.path} was changed during the search, try again") from None
    except OSError as error:
        raise files.trouble("list", places.path, error) from error


def _users_of(pairs: Pairs, places: Places, domain: str, *, scratch: Callable[[], int]) -> Iterator[User]:
    """The users of one file, by the folded name that they have in it."""
    from nwauth.stores.textfile.ordered import lines_of

    pair = pairs.apart(domain)
    try:
        source = _opened(pair.users)
        shadow = None if pair.shadow is None else _opened(pair.shadow)
        if shadow is not None:
            _must_have_index(shadow, pair)
        for line in _that_count(lines_of(source, scratch=scratch)):
            fields = fields_of(line)
            field = fields[PASSWORD]
            if shadow is not None and field == IN_SHADOW:
                field = _password_in(shadow, line) or field
            yield pair.form.user(fields, domain, field)
        if files.identify(pair.users.path) != source.identity or not source.stands():
            raise Passing(f"{places.path_of(domain)} was changed during the search, try again")
    finally:
        pair.close()


def _opened(table: Table) -> UserFile:
    """A file that is settled.  Raises Unavailable."""
    try:
        file = table.refresh()
    except Missing:
        raise Unavailable(f"no file {table.path}, was it moved or unmounted?") from None
    table.must_be_settled()
    return file


def _must_have_index(shadow: UserFile, pair: Pair) -> None:
    """A large shadow file is asked for each user: without an index, it gets one in memory for as long as this takes."""
    if shadow.wants_index and pair.shadow is not None:
        from nwauth.stores.textfile.making import index_in_memory

        fd = files.anonymous()
        index_in_memory(pair.shadow.path, fd, fits=fits, base=pair.shadow.base)
        shadow.adopt_fd(fd)


def _that_count(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Of the lines of one spelling the first: later ones of it come later here too."""
    key = b""
    seen: set[bytes] = set()
    for row in rows:
        row_key = key_of(row)
        if row_key != key:
            key = row_key
            seen.clear()
        name = row.partition(b":")[0]
        if name not in seen:
            seen.add(name)
            yield row


def _password_in(shadow: UserFile, line: bytes) -> str | None:
    """The password field that the shadow file has for the user of a line; None: it has none."""
    spelled = line.partition(b":")[0] + b":"
    for _, row, _ in shadow.find_all(key_of(line)):
        if row.startswith(spelled):
            return aging.password_of(row)
    return None


def make_missing(places: Places, served: Served) -> bool:
    """Make the files that must be there and are not, empty; whether any was made.

    Raises:
        Unavailable: one cannot be made, or was here and is gone.
    """
    made = False
    for domain in places.must_have():
        wanted = (places.path_of(domain), places.base()), (places.shadow_of(domain), places.base(of_shadow=True))
        for path, base in wanted:
            if path is None or files.identify(path) is not None:
                continue
            if os.path.islink(path) or served.has(path):
                raise Unavailable(f"{path} was here and is gone, was it moved or unmounted?")
            _make_empty(path, base)
            made = True
    return made


def _make_empty(path: str, base: str | None) -> None:
    try:
        folder = files.open_folder(os.path.dirname(path), base=base)
    except OSError as error:
        raise files.trouble("create", path, error) from error
    try:
        os.close(files.create_like(path, None, at=folder))
    finally:
        os.close(folder)
