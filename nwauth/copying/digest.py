"""A digest of users in their order: what was to be written, and what is read back, are one if their digests are."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nwauth.model import User

DIGEST_BYTES = 16


class Digest:
    """BLAKE2 over everything of each user but the name of its store; `count` is the number of users."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = blake2b(digest_size=DIGEST_BYTES)

    def add(self, users: Sequence[User]) -> None:
        """Take in users; many at a time cost less."""
        # No store of ours holds a NUL or a line end there, but for the info of a database.
        self._hash.update("".join(["\0".join(user.held()) + "\n" for user in users]).encode(ENCODING, ERRORS))
        self.count += len(users)

    def hex(self) -> str:
        """The digest for people."""
        return self._hash.hexdigest()
