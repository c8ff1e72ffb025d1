"""What a user is to become, of whom a plan says something: the entry beside the user who stands in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import PLAIN, Info, User
from nwauth.names import ENCODING, ERRORS
from nwauth.passwords.inspecting import is_same_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.copying import Fitting
    from nwauth.passwords import Passwords
    from nwauth.provisioning.entries import Entry
    from nwauth.service import StoreRules

THERE = ("change", "refuse", "skip")
NO_PASSWORD = "is not there, and a new user needs password_hash, password or generate"  # noqa: S105, a reason


class OfMany(Refused):
    """What may be the same with many users, and one mend is right for all."""


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
            raise OfMany(f"is there, {_differing(old, new)}: --update changes it, --skip-existing leaves it as it is")
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
            raise OfMany(NO_PASSWORD)
        return old.stored_password, ""

    def _ready(self, field: str, old: User | None) -> str:
        if old is None or field == old.stored_password:
            return field
        if is_same_hash(field, old.stored_password, star_is_clear=self._rules.star_is_clear):
            return old.stored_password
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
