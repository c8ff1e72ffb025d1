"""Who stands in the target already, read beside the source: it spares asking for each user by itself.

Both list their users by folded name, so that one pass over both tells.  It is a help only.  Stores sort what is no
valid Unicode differently, somebody else's table may fold other letters than we do, and others may write meanwhile:
whoever is not met here is put to the store itself.
"""

from __future__ import annotations

import json
from itertools import islice
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from nwauth.model import User
from nwauth.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

BATCH_USERS = 5000


class Standing:
    """Users as a store lists them, met in the order of their folded names.

    `ended`: nobody is left.  `alone`: so far there was nobody but those who were asked for.
    """

    def __init__(self, users: Iterator[User]) -> None:
        self._users = users
        self._user: User | None = None
        self._key = ""  # that of `_user`
        self._asked = True  # for `_user`
        self._last = ""  # that was asked for
        self._in_order = True
        self._aside: IO[str] | None = None  # a file without a name, where the rest of the listing waits
        self.ended = False
        self.alone = True
        self._advance()
        self.was_empty = self.ended and self.alone

    def find(self, key: str) -> User | None:
        """The user of a folded name, asked for in order.  None: none was met, which is no proof that there is none."""
        if key < self._last or not key.isprintable():
            self._in_order = self._in_order and key >= self._last
            return None
        self._last = key
        while self._key < key and not self.ended:
            self._advance()
        if self._key != key:
            return None
        self._asked = True
        return self._user

    def knows(self, key: str) -> bool:
        """Whether one of that folded name would have been met, if it stood there when the listing began."""
        return self.was_empty or (self._in_order and key.isascii() and key.isprintable())

    def set_aside(self) -> None:
        """Before the store is written: read the rest now.  A listing that is still open then can lock the store.

        Raises OSError, and what the listing raises.
        """
        if self._aside is None and not self.ended:
            self._aside = TemporaryFile("w+", encoding="ascii")  # noqa: SIM115, closed by `close`
            _write(self._aside, self._users)
            self._users = _read(self._aside)

    def finish(self) -> None:
        """Nobody else is asked for."""
        if not self.ended:
            self._advance()
        self.alone = self.alone and self.ended
        self.close()

    def close(self) -> None:
        """Give the listing back."""
        self._users, self.ended = iter(()), True
        if self._aside is not None:
            self._aside.close()

    def _advance(self) -> None:
        """Go on to the next user whose place in the order is the same in all stores."""
        self.alone = self.alone and self._asked
        for user in self._users:
            key = fold(user.name)
            if key > self._key and key.isprintable():
                self._user, self._key, self._asked = user, key, False
                return
            self.alone = False
            self._in_order = self._in_order and key > self._key
        self._user, self._key, self.ended = None, "", True


def _write(file: IO[str], users: Iterator[User]) -> None:
    while batch := list(islice(users, BATCH_USERS)):
        rows = [(*user.held(), user.store) for user in batch]
        file.write(json.dumps(rows) + "\n")
    file.seek(0)


def _read(file: IO[str]) -> Iterator[User]:
    for line in file:
        for *held, store in json.loads(line):
            yield User.of(tuple(held), store=store)
