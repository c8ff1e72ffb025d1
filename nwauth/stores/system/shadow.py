"""What the shadow file says: whether an account may log in, and whose the passwords of a listing are."""

from __future__ import annotations

from nwauth.names import ENCODING, ERRORS, fold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nwauth.model import User
    from nwauth.stores.system.libc import ShadowEntry

FILE = "/etc/shadow"
DAY_SECONDS = 86_400
UNSET = -1
SHORTEST_HASH_BYTES = 13  # the traditional one of crypt(3); what is shorter is none


def is_shadowed(password: bytes) -> bool:
    """Whether this field of ``/etc/passwd`` says that the password stands in the shadow file, as libpam reads it."""
    return password == b"x" or password.startswith(b"##")


def lets_nobody_in(field: bytes) -> bool:
    """Whether no password fits this field, of either file: the account is locked, or has no password."""
    return len(field) < SHORTEST_HASH_BYTES or field.startswith((b"!", b"*"))


def refusal(entry: ShadowEntry, seconds: float) -> str | None:
    """Why the account may not log in at that time (`seconds` since 1970), by the rules of shadow(5); None: it may.

    The rules, and their limits to the day, are those of Linux-PAM's pam_unix.
    """
    today = int(seconds // DAY_SECONDS)
    if entry.expires != UNSET and today >= entry.expires:
        return f"the account has expired: day {entry.expires} since 1970, chage -l shows it"
    if entry.changed == 0:
        return "the password must be changed first: passwd sets a new one"
    if UNSET in (entry.changed, entry.maximum):
        return None
    age = today - entry.changed
    if age > entry.maximum:
        left_to_rot = entry.inactive != UNSET and age > entry.maximum + entry.inactive
        return f"the password has expired: {age} days old, at most {entry.maximum} are allowed" + (
            f" and {entry.inactive} more to change it" if left_to_rot else ""
        )
    return None


def each_once(users: Iterable[User]) -> Iterator[User]:
    """The users of a listing in order, each with what the shadow file has for it; of two of one name the first."""
    key = ""
    same_key: dict[str, User] = {}
    for user in users:
        folded = fold(user.name)
        if folded != key:
            yield from same_key.values()
            key, same_key = folded, {}
        known = same_key.get(user.name)
        if user.uid:
            same_key.setdefault(user.name, user)
        elif known is not None and is_shadowed(known.stored_password.encode(ENCODING, ERRORS)):
            same_key[user.name] = known.changed(stored_password=user.stored_password)
    yield from same_key.values()
