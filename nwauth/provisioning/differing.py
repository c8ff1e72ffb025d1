"""The entries of a plan beside the users who stand in the store, and what each of these is to become."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.provisioning.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Final

    from nwauth.copying import Fitting
    from nwauth.passwords import Passwords
    from nwauth.service import StoreRules

    Pair = tuple[Entry | None, User | None]

NO_PASSWORD = "is not there, and a new user needs password_hash, password or generate"  # noqa: S105, a reason


def beside(
    items: Iterable[tuple[Any, ...]], users: Iterator[User], lookup: Callable[[str], User | None]
) -> Iterator[Pair]:
    """Each entry with the user who stands there, if one does, and each user whom no entry speaks of.

    Both come by folded name.  Stores order what is no valid Unicode differently, and somebody else's table may fold
    other letters than we do: whoever of these is not met beside the entry is asked for.  Raises what `users` raises.
    """
    listing = _Listing(users)
    asked: set[str] = set()
    for item in items:
        entry = Entry.of(item)
        key = entry.key
        while listing.user is not None and listing.key < key:
            yield None, listing.user
            listing.advance()
        if listing.user is not None and listing.key == key:
            yield entry, listing.user
            listing.advance()
            continue
        found = lookup(entry.name) if listing.odd or not key.isascii() else None
        if found is not None:
            asked.add(fold(found.name))
        yield entry, found
    while listing.user is not None:
        yield None, listing.user
        listing.advance()
    left = {key: user for key, user in listing.odd.items() if key not in asked}
    if left:
        for item in items:
            left.pop(fold(Entry.of(item).name), None)
    for user in left.values():
        yield None, user


class _Listing:
    """The users of a store whose place in the order is the same in all; the others gather in `odd`."""

    def __init__(self, users: Iterator[User]) -> None:
        self._users = users
        self.user: User | None = None
        self.key = b""
        self.odd: Final[dict[str, User]] = {}
        self.advance()

    def advance(self) -> None:
        for user in self._users:
            folded = fold(user.name)
            key = folded.encode(ENCODING, ERRORS)
            if folded.isprintable() and key > self.key:
                self.user, self.key = user, key
                return
            self.odd.setdefault(folded, user)
        self.user = None


class Keeping:
    """How the store keeps users: what its passwords become, and whether it has a place for what a user has.

    `make_password` makes one up.  `rehearses`: no hash is made but one, that stands for all.
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
    ) -> None:
        self._store: Final = store
        self._passwords: Final = passwords
        self._rules: Final = rules
        self._fitting: Final = fitting
        self._make_password: Final = make_password
        self._rehearses: Final = rehearses
        self._sample = ""

    def wanted(self, entry: Entry, old: User | None, defaults: dict[str, str]) -> tuple[User | None, str]:
        """What a user is to become, None where nobody is to be there; and the password that was made up for it.

        Raises:
            Refused: the store has no place for it, or a new user has no password.
        """
        if entry.state == "absent":
            return None, ""
        stored, generated = self._stored(entry, old)
        before = Info() if old is None else old.info
        changes = {field: value for field, value in entry.fields.items() if value != (before.get(field) or "")}
        named = {field.lower() for field in entry.fields}
        lacking = {field for field in defaults if field.lower() not in named and before.get(field) is None}
        changes |= {field: value for field, value in defaults.items() if field in lacking}
        held = ("config", "0", "") if old is None else (old.drop_path, old.uid, old.ip_mask)
        own = dict(zip(("drop_path", "uid", "ip_mask"), held, strict=True)) | entry.own
        new = User(
            name=entry.name if old is None else old.name,
            stored_password=stored,
            info=before.updated(changes) if changes else before,
            drop_path=own["drop_path"] or "config",
            uid=own["uid"] or "0",
            ip_mask=own["ip_mask"],
            store=self._store,
        )
        if old is not None and new.held() == old.held():
            return old, ""
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
