"""A tag of a wrong password: enough to tell same from different, useless for guessing.

It is a keyed digest of the user and the password, cut to 12 bits: each tag stands for one in 4,096 of all passwords.
The key lies in a private file that all copies of the program share, so that they agree, and tags in the log of last
week compare with those of today.
"""

from __future__ import annotations

import os

from nwauth.names import ENCODING
from nwauth.policy.throttle import files
from nwauth.policy.throttle.outage import Outage

try:
    from _blake2 import blake2b  # hashlib's own, without loading OpenSSL
except ImportError:  # an interpreter built without it
    from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.policy.throttle.outage import Notice

FILE = "nwauth.key"
KEY_BYTES = 32
BITS = 12


class Tags:
    """Tags under the key in the file `path`, which is made where it is not there.  Never raises."""

    def __init__(self, path: str, *, notice: Notice, monotonic: Callable[[], float]) -> None:
        self._path: Final = path
        self._outage: Final = Outage("tag", notice, monotonic)
        self._key: bytes = b""
        self._seen: tuple[int, ...] = ()

    def tag(self, user_key: str, password: bytes) -> int | None:
        """A number below 4,096; None: there is no key to be had."""
        if self._outage.rests():
            return None
        try:
            key = self._shared_key()
        except Exception as error:  # noqa: BLE001, a tag is never worth a login
            self._outage.goes_on(_words(self._path, error))
            return None
        self._outage.is_over()
        text = user_key.encode(ENCODING, "surrogatepass") + b"\0" + password
        return int.from_bytes(digest(text, key, digest_bytes=2), "big") >> (16 - BITS)

    def _shared_key(self) -> bytes:
        """The key that the file holds now: another copy of the program may have replaced a damaged one.

        Raises:
            OSError: it can be neither read nor made.
        """
        try:
            seen = _facts(os.stat(self._path))
            if seen == self._seen:
                return self._key
        except FileNotFoundError:
            pass
        try:
            key = self._read()
        except FileNotFoundError:
            key = self._made()
        return key if len(key) == KEY_BYTES else self._made()

    def _made(self) -> bytes:
        """A new key, in the place of a damaged one too; or that of another copy of the program, which was faster.

        Raises:
            OSError: it can be neither read nor made.
        """
        with files.FolderLock(os.path.dirname(self._path)):
            found: int | None = None
            if os.path.lexists(self._path):
                key = self._read()
                if len(key) == KEY_BYTES:
                    return key
                found = len(key)
            files.put(self._path, os.urandom(KEY_BYTES))
            key = self._read()
        if len(key) != KEY_BYTES:
            raise OSError(f"{self._path} holds {len(key)} bytes, not {KEY_BYTES}")
        if found is not None:
            why = f"{self._path} held {found} bytes, not {KEY_BYTES}"
            self._outage.tell(
                "rebuilt", reason=f"{why}: there is a new key in its place, and tags are others from now on"
            )
        return key

    def _read(self) -> bytes:
        """What the file holds, and which file that was.  Raises OSError."""
        files.looked_at(self._path)
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (os.O_NOFOLLOW if files.is_root() else 0)
        descriptor = os.open(self._path, flags)
        try:
            self._key = os.read(descriptor, KEY_BYTES + 1)
            self._seen = _facts(os.fstat(descriptor)) if len(self._key) == KEY_BYTES else ()
        finally:
            os.close(descriptor)
        return self._key


def digest(content: bytes, key: bytes, *, digest_bytes: int) -> bytes:
    """A keyed digest; without a key a plain one."""
    return blake2b(content, digest_size=digest_bytes, key=key).digest()


def _facts(status: os.stat_result) -> tuple[int, ...]:
    return (*files.identity(status), status.st_size, status.st_mtime_ns)


def _words(path: str, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return why if path in why else f"{path}: {why}"
