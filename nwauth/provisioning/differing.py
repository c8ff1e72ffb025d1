"""The entries of a plan beside the users who stand in the store, and what each of these is to become."""

from __future__ import annotations

from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import PLAIN, Info, User
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.provisioning.spool import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from nwauth.copying import Fitting
    from nwauth.passwords import Passwords
    from nwauth.provisioning.entries import Entry
    from nwauth.service import StoreRules
    from nwauth.stores.base import Held

THERE = ("change", "refuse", "skip")
NO_PASSWORD = "is not there, and a new user needs password_hash, password or generate"  # noqa: S105, a reason


class Standing:
    """The users who stand in a store, in the order of plans, as what the store holds of them.

    Whose place in the order is not the same in all stores gathers in `odd`, by folded name.
    """

    def __init__(self, blocks: Iterator[list[Held]]) -> None:
        self._blocks: Final = blocks
        self._keys: list[str] = []
        self._users: list[Held] = []
        self._at = 0
        self._last = ""
        self._ended = False
        self.odd: Final[dict[str, Held]] = {}

    def is_over(self) -> bool:
        """Whether nobody is left, here or in `odd`."""
        return not self.odd and not self._has(1)

    def take_alike(self, users: list[Held | None], start: int) -> int:
        """Take the next as long as they are just these, from `start` on; how many that were."""
        if not self._has(1) or self._users[self._at] != users[start]:
            return 0
        wanted = users[start:]
        self._has(len(wanted))
        found = self._users[self._at : self._at + len(wanted)]
        if found != wanted:
            differing = (at for at, (mine, other) in enumerate(zip(found, wanted, strict=False)) if mine != other)
            found = found[: next(differing, len(found))]
        self._at += len(found)
        return len(found)

    def before(self, key: str | None) -> Iterator[Held]:
        """Take those whose place is before `key`; None: all."""
        while self._has(1) and (key is None or self._keys[self._at] < key):
            self._at += 1
            yield self._users[self._at - 1]

    def at(self, key: str) -> Held | None:
        """Take the one whose place that is."""
        if not self._has(1) or self._keys[self._at] != key:
            return None
        self._at += 1
        return self._users[self._at - 1]

    def _has(self, count: int) -> bool:
        while len(self._users) - self._at < count and not self._ended:
            self._read()
        return len(self._users) - self._at >= count

    def _read(self) -> None:
        users = next(self._blocks, None)
        if users is None:
            self._ended = True
            return
        if self._at:
            del self._users[: self._at], self._keys[: self._at]
            self._at = 0
        keys = _keys_of(users)
        if keys is not None and keys[0] > self._last:
            self._users += users
            self._keys += keys
            self._last = keys[-1]
        else:
            self._sort_out(users)

    def _sort_out(self, users: list[Held]) -> None:
        for user in users:
            folded = fold(user[0])
            key = place(folded)
            if folded.isprintable() and key > self._last:
                self._users.append(user)
                self._keys.append(key)
                self._last = key
            else:
                self.odd.setdefault(folded, user)


def _keys_of(users: list[Held]) -> list[str] | None:
    """The places of users, if these are in order and their names plain."""
    text = "\n".join([user[0] for user in users])
    if not text.isascii() or text.count("\n") != len(users) - 1 or not text.replace("\n", "").isprintable():
        return None
    keys = text.lower().split("\n")
    return keys if in_order(keys) else None


def in_order(keys: list[str]) -> bool:
    """Whether each is behind the one before it."""
    return all(map(lt, keys, islice(keys, 1, None)))


class Keeping:
    """How the store keeps users: what its passwords become, and whether it has a place for what a user has.

    `make_password` makes one up.  `rehearses`: no hash is made but one, that stands for all.  `there` says what becomes
    of users who are there and differ: one of `THERE`.
    """

    def __init__(
        self,
        *,
        store: str,
        passwords: Passwords,
        rules: StoreRules,
        fitting: Fitting,
        make_password: Callable[[], str],
        rehearses: bool,
        there: str = "change",
    ) -> None:
        self._store: Final = store
        self._passwords: Final = passwords
        self._rules: Final = rules
        self._fitting: Final = fitting
        self._make_password: Final = make_password
        self._rehearses: Final = rehearses
        self._there: Final = there
        self._sample = ""
        self.takes_plain: Final = fitting.takes_plain

    def wanted(self, entry: Entry, old: User | None, defaults: dict[str, str]) -> tuple[User | None, str]:
        """What a user is to become, None where nobody is to be there; and the password that was made up for it.

        Raises:
            Refused: the store has no place for it, or a new user has no password.
        """
        if entry.state == "absent":
            return None, ""
        if old is not None and self._there == "skip":
            return old, ""
        stored, generated = self._stored(entry, old)
        before = Info() if old is None else old.info
        changes = {field: value for field, value in entry.fields.items() if value != (before.get(field) or "")}
        named = {field.lower() for field in entry.fields}
        lacking = {field for field in defaults if field.lower() not in named and before.get(field) is None}
        changes |= {field: value for field, value in defaults.items() if field in lacking}
        own = ({} if old is None else old.own()) | entry.own
        new = User(
            name=entry.name if old is None else old.name,
            stored_password=stored,
            info=before.updated(changes) if changes else before,
            store=self._store,
            **{key: own.get(key) or plain for key, plain in PLAIN.items()},
        )
        if old is not None and new.held() == old.held():
            return old, ""
        if old is not None and self._there == "refuse":
            raise Refused(f"is there, {_differing(old, new)}: --update changes it, --skip-existing leaves it as it is")
        if old is None:
            new = self._fitting.fitted(new)
        self._fitting.must_fit(new, old)
        return new, generated

    def _stored(self, entry: Entry, old: User | None) -> tuple[str, str]:
        """The password field, and the password if it was made up.  Raises Refused."""
        if old is not None and not entry.always:
            return old.stored_password, ""
        match entry.secret_kind:
            case "password_hash":
                return self._ready(entry.secret, old), ""
            case "password":
                return self._hashed(entry.secret, old), ""
            case "generate":
                password = "" if self._rehearses else self._make_password()
                return self._hashed(password, old), password
        if old is None:
            raise Refused(NO_PASSWORD)
        return old.stored_password, ""

    def _ready(self, field: str, old: User | None) -> str:
        if old is None or field == old.stored_password:
            return field
        fitted = self._fitting.fitted(old.changed(stored_password=field)).stored_password
        return old.stored_password if fitted == old.stored_password else field

    def _hashed(self, text: str, old: User | None) -> str:
        password = text.encode(ENCODING, ERRORS)
        if old is not None and self._is_right(password, old.stored_password):
            return old.stored_password
        rules = self._rules
        if self._rehearses:
            if not self._sample:
                self._sample = self._passwords.hash(b"a sample", rules.scheme)
            return self._sample
        if rules.keep and old is not None and old.stored_password:
            return self._passwords.hash_like(password, old.stored_password, default=rules.scheme)
        return self._passwords.hash(password, rules.scheme)

    def _is_right(self, password: bytes, stored: str) -> bool:
        return self._passwords.verify(stored, password, star_is_clear=self._rules.star_is_clear).ok


def _differing(old: User, new: User) -> str:
    """In what two users differ, for people; no value is shown."""
    found = [part for part in PLAIN if getattr(old, part) != getattr(new, part)]
    before, after = ({name.lower(): value for name, value in user.info.fields().items()} for user in (old, new))
    found += [field for field in after if before.get(field) != after[field]]
    if old.stored_password != new.stored_password:
        found.insert(0, "password")
    return f"and differs in {', '.join(found)}" if found else "and differs"
