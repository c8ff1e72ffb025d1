"""The journal of changes, ``nwauth.changes``: NDJSON, a line for each user that was changed, for people and programs.

A password stands there as its scheme and a fingerprint, which tells whether two are equal and nothing else: it is made
with a key that stays in ``nwauth.undo``.  So do info fields that hold a secret.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from nwauth.errors import Unavailable
from nwauth.model import SECRET_FIELDS, Info, info_text
from nwauth.names import fold
from nwauth.policy.apps import told_fields
from nwauth.provisioning.words import SECRET_STEMS
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Final

    from nwauth.changes.writing import Writing
    from nwauth.model import User
    from nwauth.stores.base import Change

    Values = dict[str, Any]

FILE = "nwauth.changes"
FINGERPRINT_BYTES = 8
MAX_TOLD = 10_000  # so many users of a step get a line of their own; the rest have one together
WRITE_BYTES = 1 << 16
WHO = ("uid", "account", "login", "sudo_user")
# In the name of a field: too often is no harm, a fingerprint tells all that the journal is asked for but the value.
SECRET_WORDS = (*SECRET_STEMS, "token", "pin", "otp", "key", "cred", "answer", "code", "md5", "sha")
HEX_DIGITS = 32  # so many are a hash, whatever the field is called


class Journal:
    """The journal of one folder; `key` is asked for the first time that a password is met."""

    def __init__(self, folder: str, *, key: Callable[[], bytes], scheme_of: Callable[[User], str]) -> None:
        self.path: Final = os.path.join(folder, FILE)
        self._key: Final = key
        self._known_key = b""
        self._scheme_of: Final = scheme_of

    def must_be_writable(self) -> None:
        """Raises Unavailable: nothing is to be changed."""
        os.close(self._open())
        self._known_key = self._known_key or self._key()

    def write(self, lines: Iterable[Values]) -> None:
        """Append lines, durably.  Raises Unavailable: some of them may stand there."""
        blocks = [block for block in _blocks(lines) if block]
        if not blocks:
            return
        fd = self._open()
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":  # torn by a crash or a full disk
                files.write_all(fd, b"\n")
            for block in blocks:
                files.write_all(fd, block)
            os.fdatasync(fd)
        except OSError as error:
            raise files.trouble("write", self.path, error) from error
        finally:
            os.close(fd)

    def _open(self) -> int:
        try:
            try:
                return files.open_own(self.path, os.O_RDWR | os.O_APPEND)
            except FileNotFoundError:
                pass
            try:
                os.close(files.create_like(self.path, None))
            except Unavailable as error:
                if not isinstance(error.__cause__, FileExistsError):  # another made it this instant
                    raise
            return files.open_own(self.path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise files.trouble("write", self.path, error) from error

    # --- lines ------------------------------------------------------------------------------------------------------

    def lines(self, head: Values, changes: Iterable[Change], *, store: str, first: int) -> Iterator[Values]:
        """The lines of some changes in a store, of the step that has this head; `first` is the number of the first."""
        told = about(head)
        for number, (old, new) in enumerate(changes, first):
            yield {**told, "number": number, "store": store, **self._change(old, new)}

    def _change(self, old: User | None, new: User | None) -> Values:
        user = new if old is None else old
        assert user is not None  # noqa: S101
        before, after = self._values(old), self._values(new)
        if old is not None and new is not None:
            before, after = _differing(before, after), _differing(after, before)
        return {
            "user": user.name,
            "change": kind_of(old, new),
            "before": None if old is None else before,
            "after": None if new is None else after,
        }

    def _values(self, user: User | None) -> Values:
        if user is None:
            return {}
        found: Values = {"name": user.name}
        if user.stored_password:
            found["password"] = f"{self._scheme_of(user)} {self._fingerprint(user.stored_password)}"
        found |= user.own()
        if user.info:
            told = told_fields(user.info)
            found |= {f"info.{field}": self._shown(field, value) for field, value in told.items()}
            if not _is_only(user.info.fields() if user.info.names_a_secret() else told, user.info.text):
                found["info"] = self._fingerprint(user.info.text)
        return found

    def _shown(self, field: str, value: str) -> str:
        if field.lower() in SECRET_FIELDS:  # told without what is secret in it
            return value
        is_secret = value[:1] in ("$", "{") or _names_a_secret(field) or _is_hex(value)
        return self._fingerprint(value) if is_secret else value

    def _fingerprint(self, text: str) -> str:
        from hashlib import blake2b

        self._known_key = self._known_key or self._key()
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(data, digest_size=FINGERPRINT_BYTES, key=self._known_key).hexdigest()


def kind_of(old: User | None, new: User | None) -> str:
    """``created``, ``changed``, ``renamed`` or ``removed``."""
    if old is None:
        return "created"
    if new is None:
        return "removed"
    return "changed" if fold(old.name) == fold(new.name) else "renamed"


def about(head: Values) -> Values:
    """What every line of a step begins with."""
    return {key: head.get(key) for key in ("time", "step", "command", *WHO)}


def rest_of(head: Values, step: Writing, *, told: int) -> list[Values]:
    """The line for those of a step who got none of their own, if there are any: how many, and the numbers of all."""
    rest = step.numbers.all - told
    return [{**about(head), "users_not_told": rest, **step.numbers.record()}] if rest else []


def _is_only(fields: dict[str, str], text: str) -> bool:
    """Whether there is no more than fields in an info text; nearly all are as this program writes them."""
    if "" not in fields.values() and text == info_text(fields):
        return True
    return text.split() == Info().updated(fields).text.split()


@lru_cache(maxsize=1000)
def _names_a_secret(field: str) -> bool:
    name = field.lower()
    return any(word in name for word in SECRET_WORDS)


def _is_hex(value: str) -> bool:
    return len(value) >= HEX_DIGITS and not value.strip("0123456789abcdefABCDEF")


def _differing(mine: Values, other: Values) -> Values:
    return {key: value for key, value in mine.items() if other.get(key) != value}


def _blocks(lines: Iterable[Values]) -> Iterator[bytes]:
    """Whole lines, as many as are written at once."""
    waiting, size = [], 0
    for line in lines:
        waiting.append(f"{json.dumps(line)}\n")
        size += len(waiting[-1])
        if size > WRITE_BYTES:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join(waiting).encode()
