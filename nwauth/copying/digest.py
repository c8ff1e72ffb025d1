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
        parts = [
            part
            for user in users
            for part in (user.name, user.stored_password, user.info.text, user.drop_path, user.uid, user.ip_mask)
        ]
        parts.append("")
        self._hash.update("\0".join(parts).encode(ENCODING, ERRORS))  # no store of ours holds a NUL there
        self.count += len(users)

    def hex(self) -> str:
        """The digest for people."""
        return self._hash.hexdigest()
