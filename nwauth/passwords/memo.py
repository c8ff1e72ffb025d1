"""The memo of recent successful verifications: POP clients poll, and need not cost a slow hash each time.

An entry is a keyed digest of the stored field and the password, under a random key of this process: a changed field
is another entry, so a changed password is dead at the next request, and neither password nor field can be read back.
Successes only; `ENTRIES` of them, the oldest out; none is older than its seconds, however often it is used.
"""

from __future__ import annotations

from os import urandom

try:
    from _blake2 import blake2b  # hashlib's own, without loading OpenSSL: 0.2 ms, not 4
except ImportError:  # an interpreter built without it
    from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ENTRIES = 4096


class Memo:
    """Which pairs of stored field and password were found right in the last `seconds`."""

    def __init__(self, *, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._key = urandom(32)
        self._until: dict[bytes, float] = {}  # in the order of age: every entry lives as long

    def entry(self, stored: str, password: bytes) -> bytes:
        """The name of a pair; the field's length goes first, so that no two pairs run together the same."""
        field = stored.encode("utf-8", "surrogatepass")
        text = b"%d:%b%b" % (len(field), field, password)
        return blake2b(text, digest_size=16, key=self._key).digest()

    def holds(self, entry: bytes) -> bool:
        """Whether the pair was found right, and not too long ago."""
        until = self._until.get(entry)
        if until is None:
            return False
        if self._monotonic() < until:
            return True
        del self._until[entry]
        return False

    def add(self, entry: bytes) -> None:
        """Notes a pair that was found right."""
        self._until.pop(entry, None)
        if len(self._until) >= ENTRIES:
            del self._until[next(iter(self._until))]
        self._until[entry] = self._monotonic() + self._seconds
