"""The passwords of a file told from hashes, and both from what locks a user there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nwauth.passwords.table import CLEAR, LOCKED, NO_LOGIN, UNKNOWN, split
from nwauth.provisioning.exchange.colons import COLUMNS
from nwauth.provisioning.parts import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Final

    from nwauth.provisioning.parts import Raw

HASH, PASSWORD = "password_hash", "password"
SPECIAL = ("*", "!", "{p", "{P", "{c", "{C")  # what begins otherwise is a hash, or nothing known
ELSEWHERE = "x"  # the whole field: it stands in the shadow file
LOCK = "!"
# What stands for "locked" in the files of other programs, and would be everybody's first guess as a password.
LOCK_WORDS = LOCKED | {"!", "!!", "!*", "*!", "**", "LK", "*LOCKED*"}
# A hash by its looks, of a scheme that nothing here knows, too: $7$..., {WORD}..., 32 hex digits and more.
HASH_LIKE = re.compile(r"\$[0-9A-Za-z-]+\$.+|\{[0-9A-Za-z._-]+\}.+|\*?[0-9A-Fa-f]{32,}")


class FilePasswords:
    """Makes of a file's passwords and stored fields those of a plan.

    `clear`: whether the passwords of the file are in clear text; None: as its form has it.  `shadow` has the fields of
    names with an x.  `locked` counts whom no password lets in.
    """

    def __init__(self, *, form: str, star_is_clear: bool, clear: bool | None, shadow: dict[str, str] | None) -> None:
        self.locked = 0
        self._form: Final = form
        self._is_lines: Final = form in COLUMNS
        self._star_was_clear: Final = form == "nwauth" or (not self._is_lines and star_is_clear)
        self._star_is_clear: Final = star_is_clear
        self._clear: Final = clear
        self._shadow: Final = shadow

    def odd(self, said: Mapping[str, Sequence[str]]) -> list[int]:
        """Of many users, the numbers of those for whom `settle` has something to do."""
        found: list[int] = []
        if HASH in said and _may_be_special(said[HASH]):
            fields = said[HASH]
            found += [at for at, field in enumerate(fields) if field in ("", ELSEWHERE) or field.startswith(SPECIAL)]
        if PASSWORD in said and self._clear is None:
            found += [at for at, password in enumerate(said[PASSWORD]) if _is_doubtful(password)]
        return found

    def settle(self, values: dict[str, Any], raw: Raw, *, has_column: bool) -> Iterator[Fault]:
        """Put those of a user under the keys of a plan; `has_column`: the file has one for stored fields."""
        if values.get(HASH) or (self._is_lines and has_column):
            yield from self._settle_field(values, raw)
        if self._clear is None and PASSWORD in raw.values:
            yield from _doubts(values.get(PASSWORD), raw)

    def _settle_field(self, values: dict[str, Any], raw: Raw) -> Iterator[Fault]:
        """A stored field in the words of the store: clear text under its own key, what lets nobody in as a lock."""
        field = values.pop(HASH, "")
        if not isinstance(field, str):
            values[HASH] = field
            return
        if field == ELSEWHERE and self._form == "passwd":
            found = None if self._shadow is None else self._shadow.get(values.get("name", ""))
            if found is None:
                yield self._not_in_shadow(raw)
                return
            field = found
        scheme, text = split(field, self._star_was_clear)
        if scheme is CLEAR and not text:
            yield Fault(raw.at(HASH), "password: found clear text that is empty")
        elif scheme is CLEAR and self._form == "dovecot" and text.strip() in LOCK_WORDS:  # {PLAIN}* means nobody
            self._lock(values, LOCK)
        elif scheme is CLEAR:
            values[PASSWORD] = text
        elif scheme is NO_LOGIN and (not field or self._is_lines or field in LOCKED):
            is_lock = field.startswith(LOCK) or (field[:1] == "*" and not self._star_is_clear)
            self._lock(values, field if is_lock else LOCK)
        else:
            values[HASH] = field

    def _lock(self, values: dict[str, Any], field: str) -> None:
        values[HASH] = field
        self.locked += 1

    def _not_in_shadow(self, raw: Raw) -> Fault:
        what = "give --shadow FILE" if self._shadow is None else "and --shadow has none for it"
        text = f"password: found x, which means that it stands in the shadow file: {what}"
        return Fault(raw.at(HASH), text, is_same=self._shadow is None)


def _may_be_special(fields: Sequence[str]) -> bool:
    """Whether any of some stored fields may be none that is taken as it is; no other than these are looked at."""
    text = "\n".join(("", *fields, ""))
    if "\n\n" in text or f"\n{ELSEWHERE}\n" in text:
        return True
    return any(start[0] in text and f"\n{start}" in text for start in SPECIAL)  # to look for one character is cheap


def _is_doubtful(text: str) -> bool:
    """Whether it has to be asked what a password in clear text is: a lock, or a hash, by its looks."""
    return bool(text) and (text.strip() in LOCK_WORDS or HASH_LIKE.fullmatch(text) is not None)


def _doubts(password: object, raw: Raw) -> Iterator[Fault]:
    """What is wrong with a password that was not said to be clear text; it is not told itself."""
    if not isinstance(password, str) or not _is_doubtful(password):
        return
    scheme = split(password, False)[0]
    if password.strip() in LOCK_WORDS:
        found = "what locks a user in files of other programs, or blanks alone"
    elif scheme in (UNKNOWN, NO_LOGIN, CLEAR):
        found = "what looks like a hash"
    else:
        found = f"what looks like a hash ({scheme.name})"
    yield Fault(raw.at(PASSWORD), f"password: found {found}: say --passwords hashed, or --passwords clear")
